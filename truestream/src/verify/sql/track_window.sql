-- track_window: what the plays of each track in the window add up to.
keyed AS (SELECT track_id AS key, live.* FROM live),

uploaded AS (SELECT NULL AS key, 0 AS uploads WHERE FALSE),

