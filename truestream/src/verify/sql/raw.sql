-- The input files, row by row, as they stand.
--
-- file, row: which file (its place in the list of files) and which row of it, counted from 0.
-- Instants are milliseconds since the Unix epoch. Columns that a file lacks are null.
-- Ids are texts, or numbers minus 2^63, because integers here are signed: order and equality stay what they were.
-- An id that cannot be (negative, or 2^64 - 1) is the greatest integer, 9223372036854775807.

CREATE TABLE files (file INTEGER PRIMARY KEY, path TEXT);

CREATE TABLE raw_plays (
    file, row, play_id, ended_at, arrived_at, account_id, track_id, played_ms, device_id, ip_prefix, asn, country,
    source, playlist_id, shuffle, offline
);

CREATE TABLE raw_corrections (file, row, play_id, arrived_at);

CREATE TABLE raw_tracks (
    file, row, track_id, content_id, isrc, title, version, artist_id, artist_name, uploader_id, distributor_id, label,
    genre, language, country, duration_ms, uploaded_at, released_at, contains_ai, ai_vocals, ai_instruments,
    ai_postproduction, consent_ref, audio_uri, valid_from
);

CREATE TABLE raw_accounts (
    file, row, account_id, created_at, plan, country, payment_id, family_id, email_domain_class
);

CREATE TABLE raw_distributors (file, row, distributor_id, tier, verified, valid_from);

CREATE TABLE raw_networks (file, row, asn, kind);

CREATE TABLE raw_playlists (file, row, playlist_id, owner_id, editorial, followers);

CREATE TABLE raw_audio (file, row, content_id, bits_per_second);
