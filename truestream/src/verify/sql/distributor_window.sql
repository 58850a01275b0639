-- distributor_window: what the plays of each distributor in the window add up to, and what it uploaded.
keyed AS (SELECT distributor_id AS key, listed.* FROM listed WHERE distributor_id IS NOT NULL),

uploaded AS (
    SELECT distributor_id AS key, count(*) AS uploads FROM upload WHERE distributor_id IS NOT NULL GROUP BY distributor_id
),

