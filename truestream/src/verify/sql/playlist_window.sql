-- playlist_window: what the plays from each playlist in the window add up to.
keyed AS (SELECT playlist_id AS key, live.* FROM live WHERE playlist_id IS NOT NULL),

uploaded AS (SELECT NULL AS key, 0 AS uploads WHERE FALSE),

