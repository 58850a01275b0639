-- uploader_window: what the plays of each uploader in the window add up to, through the catalogue in force at :as_of.
keyed AS (
    SELECT track.uploader_id AS key, live.*
    FROM live
    JOIN track
        ON track.track_id = live.track_id AND track.valid_from < :as_of AND track.valid_until >= :as_of
    WHERE track.uploader_id IS NOT NULL
),

-- The tracks uploaded in the window, as the catalogue in force at :as_of tells it.
uploaded AS (
    SELECT uploader_id AS key, count(*) AS uploads
    FROM track
    WHERE uploaded_at >= :since AND uploaded_at < :as_of
        AND valid_from < :as_of AND valid_until >= :as_of
        AND uploader_id IS NOT NULL
    GROUP BY uploader_id
),

