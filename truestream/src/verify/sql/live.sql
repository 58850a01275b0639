-- The plays that count in the window [:since, :as_of), as known at :as_of.
WITH live AS (
    SELECT *
    FROM play
    WHERE ended_at >= :since AND ended_at < :as_of AND arrives_at < :as_of AND forgotten_at >= :as_of
),

