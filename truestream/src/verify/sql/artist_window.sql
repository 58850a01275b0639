-- artist_window: what the plays of each artist in the window add up to, through the catalogue in force at :as_of.
keyed AS (
    SELECT track.artist_id AS key, live.*
    FROM live
    JOIN track
        ON track.track_id = live.track_id AND track.valid_from < :as_of AND track.valid_until >= :as_of
    WHERE track.artist_id IS NOT NULL
),

uploaded AS (SELECT NULL AS key, 0 AS uploads WHERE FALSE),

