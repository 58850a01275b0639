-- uploader_window: what the plays of each uploader in the window add up to, and what it uploaded.
keyed AS (SELECT uploader_id AS key, listed.* FROM listed WHERE uploader_id IS NOT NULL),

uploaded AS (
    SELECT uploader_id AS key, count(*) AS uploads FROM upload WHERE uploader_id IS NOT NULL GROUP BY uploader_id
),

