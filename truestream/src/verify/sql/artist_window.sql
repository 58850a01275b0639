-- artist_window: what the plays of each artist in the window add up to.
keyed AS (SELECT artist_id AS key, listed.* FROM listed WHERE artist_id IS NOT NULL),

uploaded AS (SELECT NULL AS key, 0 AS uploads WHERE FALSE),

