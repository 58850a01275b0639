-- The columns that track, artist, uploader, playlist and distributor windows share: the view above says what the key
-- of a play is (keyed) and which keys have uploads (uploaded).
per_account AS (SELECT key, account_id, count(*) AS n FROM keyed GROUP BY key, account_id),

audience AS (
    SELECT key, count(*) AS listeners, max(n) AS top_account_plays, sum(n * n) AS account_sum_squares
    FROM per_account
    GROUP BY key
),

totals AS (
    SELECT
        key,
        count(*) AS plays,
        sum(played_ms >= 30000) AS payable,
        sum(played_ms >= 30000 AND played_ms < 35000) AS edge,
        sum(played_ms) AS played_ms,
        count(DISTINCT country) AS countries,
        count(DISTINCT device_id) AS devices,
        count(DISTINCT ip_prefix) AS ip_prefixes,
        count(CASE WHEN source = 'search' THEN 1 END) AS by_search,
        count(CASE WHEN source = 'library' THEN 1 END) AS by_library,
        count(CASE WHEN source = 'algorithmic' THEN 1 END) AS by_algorithm,
        count(CASE WHEN source = 'editorial' THEN 1 END) AS by_editorial,
        count(CASE WHEN source = 'playlist' THEN 1 END) AS by_playlist,
        sum(by_new_account) AS new_account_plays,
        count(DISTINCT track_id) AS tracks
    FROM keyed
    GROUP BY key
)

-- A key that only uploaded has a row of zeros beside its uploads.
SELECT
    key,
    coalesce(plays, 0) AS plays,
    coalesce(payable, 0) AS payable,
    coalesce(edge, 0) AS edge,
    coalesce(played_ms, 0) AS played_ms,
    coalesce(listeners, 0) AS listeners,
    coalesce(top_account_plays, 0) AS top_account_plays,
    coalesce(account_sum_squares, 0) AS account_sum_squares,
    coalesce(countries, 0) AS countries,
    coalesce(devices, 0) AS devices,
    coalesce(ip_prefixes, 0) AS ip_prefixes,
    coalesce(by_search, 0) AS by_search,
    coalesce(by_library, 0) AS by_library,
    coalesce(by_algorithm, 0) AS by_algorithm,
    coalesce(by_editorial, 0) AS by_editorial,
    coalesce(by_playlist, 0) AS by_playlist,
    coalesce(new_account_plays, 0) AS new_account_plays,
    coalesce(tracks, 0) AS tracks,
    coalesce(uploads, 0) AS uploads
FROM (SELECT * FROM totals JOIN audience USING (key))
FULL JOIN uploaded USING (key)
ORDER BY key;
