-- From rows to records: what cannot be a record, or is one a second time, becomes a refusal.
--
-- raw_plays ──▶ judged_play ──▶ ranked_play ──▶ play (the first of each play_id) and refusal (all others)
--
-- An instant lies in [1970-01-01, 2200-01-01), which is [0, 7258118400000) ms.
-- The greatest integer stands for an id that cannot be: see raw.sql.

CREATE TABLE refusal (source, file, row, code);

-- Plays ------------------------------------------------------------------------------------------------------------

CREATE TABLE judged_play AS
SELECT
    *,
    -- A play cannot be known before it ended.
    max(ended_at, coalesce(arrived_at, ended_at)) AS arrives_at,
    CASE
        WHEN play_id IS NULL OR ended_at IS NULL OR account_id IS NULL OR track_id IS NULL OR played_ms IS NULL
            THEN 'missing'
        WHEN played_ms NOT BETWEEN 0 AND 4294967295
            OR ended_at NOT BETWEEN 0 AND 7258118399999
            OR arrived_at NOT BETWEEN 0 AND 7258118399999
            OR asn NOT BETWEEN 0 AND 4294967294
            OR 9223372036854775807 IN (play_id, account_id, track_id, device_id, ip_prefix, playlist_id)
            OR length(CAST(country AS BLOB)) > 4
            OR instr(CAST(country AS BLOB), x'00') > 0
            THEN 'out_of_range'
    END AS code
FROM raw_plays;

-- Rows of one play_id are alike when they agree in everything but their arrival: they get the same number.
CREATE TABLE alike_play AS
SELECT
    *,
    dense_rank() OVER (
        PARTITION BY play_id
        ORDER BY
            ended_at, account_id, track_id, played_ms, device_id, ip_prefix, asn, country, source, playlist_id,
            shuffle, offline
    ) AS content
FROM judged_play
WHERE code IS NULL;

-- The first to arrive is the play; among those that arrive together, the one that sorts first.
CREATE TABLE ranked_play AS
SELECT
    *,
    row_number() OVER arrival AS turn,
    first_value(content) OVER arrival AS first_content
FROM alike_play
WINDOW arrival AS (PARTITION BY play_id ORDER BY arrives_at, content, file, row);

INSERT INTO refusal SELECT 'plays', file, row, code FROM judged_play WHERE code IS NOT NULL;
INSERT INTO refusal
SELECT 'plays', file, row, CASE WHEN content = first_content THEN 'repeated' ELSE 'conflicting' END
FROM ranked_play
WHERE turn > 1;

-- Corrections ------------------------------------------------------------------------------------------------------

CREATE TABLE judged_correction AS
SELECT
    *,
    CASE
        WHEN play_id IS NULL OR arrived_at IS NULL THEN 'missing'
        WHEN arrived_at NOT BETWEEN 0 AND 7258118399999 OR play_id = 9223372036854775807 THEN 'out_of_range'
    END AS code
FROM raw_corrections;

INSERT INTO refusal SELECT 'corrections', file, row, code FROM judged_correction WHERE code IS NOT NULL;

-- Several corrections of one play are one: the first.
CREATE TABLE correction AS
SELECT play_id, min(arrived_at) AS forgotten_at FROM judged_correction WHERE code IS NULL GROUP BY play_id;

-- The first and the last arrival of all: between them lie the instants that the answer speaks about.
CREATE VIEW arrival AS
SELECT min(at) AS first_at, max(at) AS last_at
FROM (
    SELECT arrives_at AS at FROM judged_play WHERE code IS NULL
    UNION ALL
    SELECT arrived_at FROM judged_correction WHERE code IS NULL
);

-- Tracks -----------------------------------------------------------------------------------------------------------

CREATE TABLE judged_track AS
SELECT
    *,
    CASE
        WHEN track_id IS NULL THEN 'missing'
        WHEN 9223372036854775807 IN (track_id, content_id, artist_id, uploader_id, distributor_id)
            OR duration_ms < 0
            OR lower(contains_ai) NOT IN ('all', 'partly', 'none', '')
            OR lower(ai_vocals) NOT IN ('all', 'partly', 'none', '')
            OR lower(ai_instruments) NOT IN ('all', 'partly', 'none', '')
            OR lower(ai_postproduction) NOT IN ('all', 'partly', 'none', '')
            THEN 'out_of_range'
    END AS code
FROM raw_tracks;

CREATE TABLE ranked_track AS
SELECT *, row_number() OVER (PARTITION BY track_id, valid_from ORDER BY content, file, row) AS turn
FROM (
    SELECT
        *,
        dense_rank() OVER (
            PARTITION BY track_id, valid_from
            ORDER BY
                content_id, isrc, title, version, artist_id, artist_name, uploader_id, distributor_id, label, genre,
                language, country, duration_ms, uploaded_at, released_at,
                -- admits(): a declaration is all, partly or none, in any case, and sorts in this order; an empty one is null.
                admits(contains_ai), admits(ai_vocals), admits(ai_instruments), admits(ai_postproduction),
                consent_ref, audio_uri
        ) AS content
    FROM judged_track
    WHERE code IS NULL
);

INSERT INTO refusal SELECT 'tracks', file, row, code FROM judged_track WHERE code IS NOT NULL;
INSERT INTO refusal
SELECT 'tracks', file, row, CASE WHEN content = 1 THEN 'repeated' ELSE 'conflicting' END
FROM ranked_track
WHERE turn > 1;

-- As of T the row with the greatest valid_from < T is in force: the one with valid_from < T <= valid_until.
CREATE TABLE track (
    track_id, valid_from, valid_until, artist_id, uploader_id, distributor_id, uploaded_at,
    PRIMARY KEY (track_id, valid_from)
) WITHOUT ROWID;
INSERT INTO track
SELECT
    track_id,
    coalesce(valid_from, -9223372036854775808),
    lead(valid_from, 1, 9223372036854775807) OVER (PARTITION BY track_id ORDER BY valid_from),
    artist_id, uploader_id, distributor_id, uploaded_at
FROM ranked_track
WHERE turn = 1;
CREATE INDEX track_by_upload ON track (uploaded_at);

-- What the gate asks of each row. plain(), simhash(): titles in plain words and their hashes; id_text(): an id as it is written.
CREATE TABLE bits (content PRIMARY KEY, bits) WITHOUT ROWID;
INSERT INTO bits
SELECT id_text(content_id), max(CAST(bits_per_second AS INTEGER))
FROM raw_audio
WHERE content_id IS NOT NULL AND bits_per_second IS NOT NULL
GROUP BY id_text(content_id);

CREATE TABLE passing AS
SELECT listed.*, simhash(title) AS hash, bits
FROM (
    SELECT
        track_id,
        coalesce(valid_from, -9223372036854775808) AS valid_from,
        lead(valid_from, 1, 9223372036854775807) OVER (PARTITION BY track_id ORDER BY valid_from) AS valid_until,
        coalesce(content_id, track_id) AS content_id, artist_id, uploader_id, distributor_id, uploaded_at, duration_ms,
        (isrc IS NULL) + (coalesce(artist_id, artist_name) IS NULL) + (title IS NULL) + (uploader_id IS NULL)
            + (duration_ms IS NULL) AS missing,
        plain(coalesce(title, '')) AS title
    FROM ranked_track
    WHERE turn = 1
) AS listed
LEFT JOIN bits ON bits.content = id_text(listed.content_id);

-- Accounts ---------------------------------------------------------------------------------------------------------

CREATE TABLE judged_account AS
SELECT
    *,
    CASE
        WHEN account_id IS NULL THEN 'missing'
        WHEN 9223372036854775807 IN (account_id, payment_id, family_id) THEN 'out_of_range'
    END AS code
FROM raw_accounts;

CREATE TABLE ranked_account AS
SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY content, file, row) AS turn
FROM (
    SELECT
        *,
        dense_rank() OVER (
            PARTITION BY account_id
            ORDER BY created_at, plan, country, payment_id, family_id, email_domain_class
        ) AS content
    FROM judged_account
    WHERE code IS NULL
);

INSERT INTO refusal SELECT 'accounts', file, row, code FROM judged_account WHERE code IS NOT NULL;
INSERT INTO refusal
SELECT 'accounts', file, row, CASE WHEN content = 1 THEN 'repeated' ELSE 'conflicting' END
FROM ranked_account
WHERE turn > 1;

CREATE TABLE account (account_id PRIMARY KEY, created_at, payment_id) WITHOUT ROWID;
INSERT INTO account SELECT account_id, created_at, payment_id FROM ranked_account WHERE turn = 1;

-- Distributors, networks, playlists: only their refusals and the kind of a network reach these tables ---------------

CREATE TABLE judged_distributor AS
SELECT
    *,
    CASE
        WHEN distributor_id IS NULL THEN 'missing'
        WHEN distributor_id = 9223372036854775807 THEN 'out_of_range'
    END AS code
FROM raw_distributors;

INSERT INTO refusal SELECT 'distributors', file, row, code FROM judged_distributor WHERE code IS NOT NULL;
INSERT INTO refusal
SELECT 'distributors', file, row, CASE WHEN content = 1 THEN 'repeated' ELSE 'conflicting' END
FROM (
    SELECT *, row_number() OVER (PARTITION BY distributor_id, valid_from ORDER BY content, file, row) AS turn
    FROM (
        SELECT *, dense_rank() OVER (PARTITION BY distributor_id, valid_from ORDER BY tier, verified) AS content
        FROM judged_distributor
        WHERE code IS NULL
    )
)
WHERE turn > 1;

CREATE TABLE judged_network AS
SELECT
    *,
    CASE
        WHEN asn IS NULL THEN 'missing'
        WHEN asn NOT BETWEEN 0 AND 4294967294 THEN 'out_of_range'
    END AS code,
    -- A word outside the list is as good as unknown; the list is in the order in which kinds sort.
    CASE kind
        WHEN 'residential' THEN 0 WHEN 'mobile' THEN 1 WHEN 'hosting' THEN 2 WHEN 'vpn' THEN 3
        WHEN 'education' THEN 4 ELSE 5
    END AS kind_order
FROM raw_networks;

CREATE TABLE ranked_network AS
SELECT *, row_number() OVER (PARTITION BY asn ORDER BY content, file, row) AS turn
FROM (
    SELECT *, dense_rank() OVER (PARTITION BY asn ORDER BY kind_order) AS content
    FROM judged_network
    WHERE code IS NULL
);

INSERT INTO refusal SELECT 'networks', file, row, code FROM judged_network WHERE code IS NOT NULL;
INSERT INTO refusal
SELECT 'networks', file, row, CASE WHEN content = 1 THEN 'repeated' ELSE 'conflicting' END
FROM ranked_network
WHERE turn > 1;

CREATE TABLE judged_playlist AS
SELECT
    *,
    CASE
        WHEN playlist_id IS NULL THEN 'missing'
        WHEN 9223372036854775807 IN (playlist_id, owner_id) OR followers < 0 THEN 'out_of_range'
    END AS code
FROM raw_playlists;

INSERT INTO refusal SELECT 'playlists', file, row, code FROM judged_playlist WHERE code IS NOT NULL;
INSERT INTO refusal
SELECT 'playlists', file, row, CASE WHEN content = 1 THEN 'repeated' ELSE 'conflicting' END
FROM (
    SELECT *, row_number() OVER (PARTITION BY playlist_id ORDER BY content, file, row) AS turn
    FROM (
        SELECT
            *,
            dense_rank() OVER (PARTITION BY playlist_id ORDER BY owner_id, editorial, followers) AS content
        FROM judged_playlist
        WHERE code IS NULL
    )
)
WHERE turn > 1;

-- The plays, each with what does not change with T, in the order of time -------------------------------------------

CREATE TABLE play (
    ended_at, number, arrives_at, forgotten_at, account_id, track_id, played_ms, device_id, ip_prefix, asn, country,
    source, playlist_id, shuffle, offline, hosted, by_new_account,
    PRIMARY KEY (ended_at, number)
) WITHOUT ROWID;
INSERT INTO play
SELECT
    ended_at,
    row_number() OVER (ORDER BY ended_at),
    arrives_at,
    coalesce(forgotten_at, 9223372036854775807),
    account_id, track_id, played_ms, device_id, ip_prefix, asn, country, source, playlist_id,
    coalesce(shuffle, 0), coalesce(offline, 0),
    coalesce(kind IN ('hosting', 'vpn'), 0),
    -- 604 800 000 ms: an account is new for seven days.
    coalesce(ended_at >= created_at AND ended_at < created_at + 604800000, 0)
FROM ranked_play
LEFT JOIN correction USING (play_id)
LEFT JOIN (SELECT asn, kind FROM ranked_network WHERE turn = 1) USING (asn)
LEFT JOIN (SELECT account_id, created_at FROM account) USING (account_id)
WHERE turn = 1
ORDER BY ended_at;
