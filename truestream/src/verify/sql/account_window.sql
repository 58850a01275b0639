-- account_window: what each account's plays in the window add up to.
played AS (
    SELECT live.*, track.artist_id
    FROM live
    LEFT JOIN track
        ON track.track_id = live.track_id AND track.valid_from < :as_of AND track.valid_until >= :as_of
),

-- How the plays spread over tracks.
per_track AS (
    SELECT account_id, track_id, count(*) AS n, 1.0 * count(*) / sum(count(*)) OVER (PARTITION BY account_id) AS p
    FROM live
    GROUP BY account_id, track_id
),

spread AS (
    SELECT
        account_id,
        max(n) AS top_track_plays,
        sum(n * n) AS track_sum_squares,
        -sum(p * ln(p)) AS track_entropy
    FROM per_track
    GROUP BY account_id
),

totals AS (
    SELECT
        account_id,
        count(*) AS plays,
        sum(played_ms >= 30000) AS payable,
        sum(played_ms >= 30000 AND played_ms < 35000) AS edge,
        sum(played_ms) AS played_ms,
        count(DISTINCT track_id) AS tracks,
        -- A track without an artist counts as its own.
        count(DISTINCT artist_id) + count(DISTINCT CASE WHEN artist_id IS NULL THEN track_id END) AS artists,
        count(DISTINCT country) AS countries,
        count(DISTINCT device_id) AS devices,
        count(DISTINCT ip_prefix) AS ip_prefixes,
        count(DISTINCT asn) AS asns,
        count(DISTINCT playlist_id) AS playlists,
        -- 3 600 000 ms are an hour of the clock.
        count(DISTINCT ended_at / 3600000) AS active_hours,
        sum(offline) AS offline,
        sum(shuffle) AS shuffled,
        sum(played_ms < 30000) AS skipped,
        sum(hosted) AS hosted,
        count(CASE WHEN source = 'search' THEN 1 END) AS by_search,
        count(CASE WHEN source = 'library' THEN 1 END) AS by_library,
        count(CASE WHEN source = 'algorithmic' THEN 1 END) AS by_algorithm,
        count(CASE WHEN source = 'editorial' THEN 1 END) AS by_editorial,
        count(CASE WHEN source = 'playlist' THEN 1 END) AS by_playlist
    FROM played
    GROUP BY account_id
)

SELECT
    account_id, plays, payable, edge, played_ms, tracks, artists, countries, devices, ip_prefixes, asns, playlists,
    top_track_plays, track_sum_squares, track_entropy, active_hours, offline, shuffled, skipped, hosted, by_search,
    by_library, by_algorithm, by_editorial, by_playlist
FROM totals
JOIN spread USING (account_id)
ORDER BY account_id;
