-- Each play with whom its track belongs to, as the catalogue in force at :as_of tells it.
listed AS (
    SELECT live.*, track.artist_id, track.uploader_id, track.distributor_id
    FROM live
    JOIN track
        ON track.track_id = live.track_id AND track.valid_from < :as_of AND track.valid_until >= :as_of
),

-- The tracks uploaded in the window, as the same catalogue tells it.
upload AS (
    SELECT uploader_id, distributor_id
    FROM track
    WHERE uploaded_at >= :since AND uploaded_at < :as_of
        AND valid_from < :as_of AND valid_until >= :as_of
),

