-- gate: what speaks against an upload, by its own row and the uploads around it. :gate is what the policy in force says, as JSON.
law AS MATERIALIZED (
    SELECT
        json_extract(:gate, '$.asked_from') AS asked_from,
        json_extract(:gate, '$.incomplete.missing_max') AS missing_max,
        json_extract(:gate, '$.length.secs_min') * 1000 AS length_min,
        json_extract(:gate, '$.length.secs_max') * 1000 AS length_max,
        json_extract(:gate, '$.low_bitrate.kbits_min') * 1000 AS bits_min,
        json_extract(:gate, '$.short_release.secs_min') * 1000 AS short_min,
        json_extract(:gate, '$.short_release.secs_max') * 1000 AS short_max,
        json_extract(:gate, '$.short_release.tracks_min') AS release_min,
        json_extract(:gate, '$.short_release.share') AS release_share,
        json_extract(:gate, '$.title.words_max') AS words_max,
        json_extract(:gate, '$.title.repeats_max') AS repeats_max,
        json_extract(:gate, '$.near_titles.words_min') AS near_words,
        json_extract(:gate, '$.near_titles.bits_max') AS near_bits,
        json_extract(:gate, '$.near_titles.days') * 86400000 AS near_ms,
        json_extract(:gate, '$.near_titles.tracks_min') AS near_tracks,
        json_extract(:gate, '$.near_titles.uploaders_min') AS near_uploaders,
        json_extract(:gate, '$.artist_profile.tracks_min') AS profile_min
),

-- The rows in force of tracks that were uploaded.
at_gate AS MATERIALIZED (
    SELECT
        *,
        -- 86 400 000 ms are a day; days before 1970 count, too.
        uploaded_at - ((uploaded_at % 86400000) + 86400000) % 86400000 AS day,
        CASE
            WHEN uploader_id IS NOT NULL THEN 'uploader ' || id_text(uploader_id)
            WHEN distributor_id IS NOT NULL THEN 'distributor ' || id_text(distributor_id)
        END AS deliverer
    FROM passing
    WHERE uploaded_at < :as_of AND valid_from < :as_of AND valid_until >= :as_of
),

-- Uploads in the seven days up to each, and in the four weeks before those.
counted AS MATERIALIZED (
    SELECT
        *,
        count(*) OVER (uploader RANGE BETWEEN 604799999 PRECEDING AND CURRENT ROW) AS uploader_week,
        count(*) OVER (uploader RANGE BETWEEN 3023999999 PRECEDING AND 604800000 PRECEDING) AS uploader_before,
        count(*) OVER (distributor RANGE BETWEEN 604799999 PRECEDING AND CURRENT ROW) AS distributor_week,
        count(*) OVER (distributor RANGE BETWEEN 3023999999 PRECEDING AND 604800000 PRECEDING) AS distributor_before
    FROM at_gate
    WINDOW
        uploader AS (PARTITION BY uploader_id ORDER BY uploaded_at),
        distributor AS (PARTITION BY distributor_id ORDER BY uploaded_at)
),

asked AS MATERIALIZED (
    SELECT counted.*
    FROM counted, law
    WHERE uploaded_at >= asked_from
        AND NOT EXISTS (
            SELECT 1
            FROM (
                SELECT id_text(track_id) AS id, value AS entry FROM json_each(:gate, '$.trusted.tracks')
                UNION ALL
                SELECT id_text(uploader_id), value FROM json_each(:gate, '$.trusted.uploaders')
                UNION ALL
                SELECT id_text(distributor_id), value FROM json_each(:gate, '$.trusted.distributors')
            )
            WHERE json_extract(entry, '$.id') = id
                AND uploaded_at < coalesce(json_extract(entry, '$.until'), 9223372036854775807)
        )
),

word AS MATERIALIZED (
    SELECT track_id, value AS word
    FROM asked, json_each('["' || replace(title, ' ', '","') || '"]')
    WHERE title <> ''
),

worded AS (SELECT track_id, count(*) AS words FROM word GROUP BY track_id),

repeated AS (
    SELECT track_id, max(times) AS repeats
    FROM (SELECT track_id, count(*) AS times FROM word WHERE length(word) >= 4 GROUP BY track_id, word)
    GROUP BY track_id
),

phrased AS (
    SELECT track_id, count(*) AS phrases
    FROM asked, json_each(:gate, '$.title.phrases') AS phrase
    WHERE instr(' ' || title || ' ', ' ' || phrase.value || ' ') > 0
    GROUP BY track_id
),

near AS (
    SELECT one.track_id, count(*) AS tracks, count(DISTINCT other.uploader_id) AS uploaders
    FROM law
    JOIN worded ON words >= near_words
    JOIN asked AS one USING (track_id)
    JOIN at_gate AS other
        ON other.title <> ''
        AND other.uploaded_at BETWEEN one.uploaded_at - near_ms + 1 AND one.uploaded_at
        AND apart(one.hash, other.hash) <= near_bits
    GROUP BY one.track_id
),

-- What an uploader brought of an artist on a day.
release AS (
    SELECT uploader_id, artist_id, day, count(*) AS tracks, total(duration_ms BETWEEN short_min AND short_max) AS short
    FROM at_gate, law
    WHERE uploader_id IS NOT NULL AND artist_id IS NOT NULL
    GROUP BY uploader_id, artist_id, day
),

first_delivery AS MATERIALIZED (
    SELECT artist_id, deliverer, min(uploaded_at) AS first_at
    FROM at_gate
    WHERE artist_id IS NOT NULL AND deliverer IS NOT NULL
    GROUP BY artist_id, deliverer
),

stranger AS (
    SELECT artist_id, deliverer
    FROM first_delivery, law
    WHERE first_at >= asked_from AND profile_min <= (
        SELECT count(*)
        FROM at_gate AS earlier
        WHERE earlier.artist_id = first_delivery.artist_id AND earlier.deliverer IS NOT NULL
            AND earlier.uploaded_at < first_delivery.first_at
    )
),

found AS (
    SELECT track_id, 'gate.incomplete' AS rule, '$.incomplete.action' AS action, missing AS seen, missing_max AS against
    FROM asked, law
    WHERE missing > missing_max
    UNION ALL
    SELECT track_id, 'gate.length', '$.length.action', duration_ms, iif(duration_ms < length_min, length_min, length_max)
    FROM asked, law
    WHERE duration_ms NOT BETWEEN length_min AND length_max
    UNION ALL
    SELECT track_id, 'gate.low_bitrate', '$.low_bitrate.action', bits, bits_min FROM asked, law WHERE bits < bits_min
    UNION ALL
    SELECT track_id, 'gate.title_words', '$.title.action', words, words_max FROM worded, law WHERE words > words_max
    UNION ALL
    SELECT track_id, 'gate.title_repeats', '$.title.action', repeats, repeats_max
    FROM repeated, law
    WHERE repeats > repeats_max
    UNION ALL
    SELECT track_id, 'gate.title_phrase', '$.title.action', phrases, 0 FROM phrased
    UNION ALL
    SELECT track_id, 'gate.near_titles', '$.near_titles.action', tracks, uploaders
    FROM near, law
    WHERE tracks >= near_tracks AND uploaders >= near_uploaders
    UNION ALL
    SELECT track_id, 'gate.short_release', '$.short_release.action', CAST(short AS INTEGER), tracks
    FROM law, asked
    JOIN release USING (uploader_id, artist_id, day)
    WHERE duration_ms BETWEEN short_min AND short_max AND tracks >= release_min AND short * 100 >= tracks * release_share
    UNION ALL
    SELECT track_id, 'gate.uploader_rate', '$.uploader.action', uploader_week, json_extract(:gate, '$.uploader.week_max')
    FROM asked
    WHERE uploader_id IS NOT NULL AND uploader_week > json_extract(:gate, '$.uploader.week_max')
    UNION ALL
    SELECT track_id, 'gate.uploader_burst', '$.uploader.action', uploader_week, uploader_before
    FROM asked
    WHERE uploader_id IS NOT NULL AND uploader_week >= json_extract(:gate, '$.uploader.burst_min')
        AND uploader_week * 4 > uploader_before * json_extract(:gate, '$.uploader.burst_times')
    UNION ALL
    SELECT
        track_id, 'gate.distributor_rate', '$.distributor.action', distributor_week,
        json_extract(:gate, '$.distributor.week_max')
    FROM asked
    WHERE distributor_id IS NOT NULL AND distributor_week > json_extract(:gate, '$.distributor.week_max')
    UNION ALL
    SELECT track_id, 'gate.distributor_burst', '$.distributor.action', distributor_week, distributor_before
    FROM asked
    WHERE distributor_id IS NOT NULL AND distributor_week >= json_extract(:gate, '$.distributor.burst_min')
        AND distributor_week * 4 > distributor_before * json_extract(:gate, '$.distributor.burst_times')
    UNION ALL
    SELECT track_id, 'gate.artist_profile', '$.artist_profile.action', profile_min, 0
    FROM law, asked
    JOIN stranger USING (artist_id, deliverer)
    WHERE NOT EXISTS (
        SELECT 1
        FROM json_each(:gate, '$.artist_profile.trusted') AS pair
        WHERE json_extract(pair.value, '$.artist') = id_text(artist_id)
            AND json_extract(pair.value, '$.uploader') = id_text(uploader_id)
    )
)

SELECT
    track_id, rule, json_extract(:gate, found.action) AS action, seen, against,
    coalesce(id_text(uploader_id), '') AS uploader_id, coalesce(id_text(distributor_id), '') AS distributor_id,
    NULL AS reason, NULL AS policy_version
FROM found
JOIN at_gate USING (track_id)
WHERE json_extract(:gate, found.action) <> 'ignore'
ORDER BY track_id, rule;
