//! A person's own exports: Spotify extended and basic.

use super::{Outcome, array, extended, import, import_with, options};

fn extended_rows(changes: &[&str]) -> Outcome {
    import(&[("anna/endsong_0.json", &array(&changes.iter().map(|change| extended(change)).collect::<Vec<_>>()))])
}

#[test]
fn an_extended_row_fills_every_column_it_can() {
    let outcome = extended_rows(&["{}"]);
    let play = &outcome.plays[0];
    for (column, value) in [
        ("ended_at", "2021-02-16T19:38:59.000"),
        ("account_id", "anna"),
        ("track_id", "spotify:track:0000000000000000000001"),
        ("played_ms", "214450"),
        ("country", "SE"),
        ("platform", "ios"),
        ("ip_prefix", "10.1.2.0/24"),
        ("reason_start", "clickrow"),
        ("reason_end", "trackdone"),
        ("shuffle", "false"),
        ("offline", "false"),
    ] {
        assert_eq!(play.get(column).map(String::as_str), Some(value), "{column}");
    }
    assert!(!play.contains_key("arrived_at") && !play.contains_key("track_ms"));
    let track = &outcome.tracks[0];
    assert_eq!((&*track["title"], &*track["artist_name"]), ("Song", "Band"));
    assert_eq!((&*track["artist_id"], &*track["content_id"]), ("name:Band", "name:Band/Song"));
    assert_eq!(outcome.accounts[0]["account_id"], "anna");
}

#[test]
fn the_new_naming_and_its_nulls_read_the_same() {
    let new = r#"{"ts":"2023-05-01T10:00:00Z","platform":"android","ms_played":1000,"conn_country":"DE",
        "ip_addr":"fd00:1:2:3::1","master_metadata_track_name":"Song","master_metadata_album_artist_name":"Band",
        "master_metadata_album_album_name":"Album","spotify_track_uri":"spotify:track:2","episode_name":null,
        "audiobook_title":null,"audiobook_uri":null,"reason_start":"fwdbtn","reason_end":"fwdbtn","shuffle":true,
        "skipped":true,"offline":null,"offline_timestamp":null,"incognito_mode":false}"#;
    let outcome = import(&[("bert/Streaming_History_Audio_2023_1.json", &array(&[new.to_owned()]))]);
    assert_eq!(outcome.column("account_id"), ["bert"], "without a username the folder names the account");
    assert_eq!(outcome.column("ip_prefix"), ["fd00:1:2::/48"]);
    assert_eq!(outcome.column("offline"), ["-"]);
}

#[test]
fn the_account_is_the_callers_word_else_the_username_else_the_folder() {
    let file = array(&[extended("{}")]);
    let mut named = options();
    named.account = Some("carl".to_owned());
    let outcome = import_with(&[("x/endsong_0.json", &file)], None, &named).unwrap();
    assert_eq!(outcome.column("account_id"), ["carl"]);
    let nameless = array(&[extended(r#"{"username":null}"#)]);
    assert_eq!(import(&[("x/endsong_0.json", &nameless)]).column("account_id"), ["x"]);
}

#[test]
fn plays_of_an_offline_device_end_by_its_own_clock_and_arrive_at_the_upload() {
    let outcome = extended_rows(&[
        // Milliseconds (old exports) and seconds (new ones) tell the start of the same play.
        r#"{"ts":"2021-02-17T08:00:00Z","offline":true,"offline_timestamp":1613504124315,"ms_played":200000}"#,
        r#"{"ts":"2021-02-17T08:00:00Z","offline":true,"offline_timestamp":1613504124,"ms_played":200000}"#,
        // Online, the same field says nothing about lateness: the song was paused.
        r#"{"ts":"2021-02-17T08:00:00Z","offline":false,"offline_timestamp":1613504124,"ms_played":200000}"#,
        // A device clock that runs ahead, or was never set, is not believed.
        r#"{"ts":"2021-02-17T08:00:00Z","offline":true,"offline_timestamp":1713504124,"ms_played":200000}"#,
        r#"{"ts":"2021-02-17T08:00:00Z","offline":true,"offline_timestamp":1,"ms_played":200000}"#,
        r#"{"ts":"2021-02-17T08:00:00Z","offline":true,"offline_timestamp":null,"ms_played":200000}"#,
    ]);
    let (own, upload) = ("2021-02-16T19:38:44", "2021-02-17T08:00:00.000");
    assert_eq!(outcome.column("ended_at")[0], format!("{own}.315"));
    assert_eq!(outcome.column("ended_at")[1], format!("{own}.000"));
    assert_eq!(outcome.column("ended_at")[2..], [upload; 4]);
    assert_eq!(outcome.column("arrived_at"), [upload, upload, "-", "-", "-", "-"]);
}

#[test]
fn what_is_no_song_is_refused_by_name() {
    let outcome = extended_rows(&[
        r#"{"spotify_track_uri":null,"spotify_episode_uri":"spotify:episode:1","episode_name":"Talk"}"#,
        r#"{"spotify_track_uri":null,"audiobook_uri":"spotify:audiobook:1"}"#,
        r#"{"spotify_track_uri":null}"#,
        r#"{"spotify_track_uri":""}"#,
        "{}",
    ]);
    assert_eq!(outcome.codes(), ["not_a_play", "not_a_play", "missing", "missing"]);
    assert_eq!(outcome.plays.len(), 1);
    assert_eq!(outcome.refusals[0]["reason"], "a podcast episode: spotify:episode:1");
    assert_eq!(outcome.refusals[2]["row"], "2");
    assert_eq!(outcome.refusals[0]["source"], "spotify-extended");

    let videos = import(&[("a/Streaming_History_Video_2020.json", &array(&[extended("{}"), extended("{}")]))]);
    assert_eq!(videos.codes(), ["not_a_play"; 2]);
    let spoken = import(&[("a/StreamingHistory_podcast_0.json", b"[{\"endTime\":\"2022-01-01 10:00\"}]".as_slice())]);
    assert_eq!(spoken.codes(), ["not_a_play"]);
}

#[test]
fn lengths_that_are_odd_stay_and_those_that_cannot_be_are_refused() {
    let outcome = extended_rows(&[
        r#"{"ms_played":0}"#,
        r#"{"ms_played":7200000}"#,
        r#"{"ms_played":-1}"#,
        r#"{"ms_played":999999999999}"#,
        r#"{"ms_played":"long"}"#,
        r#"{"ms_played":null}"#,
        r#"{"ms_played":1.5}"#,
    ]);
    assert_eq!(outcome.column("played_ms"), ["0", "7200000"]);
    assert_eq!(outcome.codes(), ["out_of_range", "out_of_range", "wrong_type", "missing", "wrong_type"]);
}

#[test]
fn times_that_cannot_be_are_refused() {
    let outcome = extended_rows(&[
        r#"{"ts":"1970-01-01T00:00:07Z"}"#,
        r#"{"ts":"2038-01-01T00:00:00Z"}"#,
        r#"{"ts":"soon"}"#,
        r#"{"ts":12}"#,
        r#"{"ts":null}"#,
    ]);
    assert_eq!(outcome.codes(), ["out_of_range", "out_of_range", "bad_time", "bad_time", "missing"]);
}

#[test]
fn open_words_are_kept_and_unknown_places_are_null() {
    let outcome = extended_rows(&[
        r#"{"reason_start":"switched-to-video","reason_end":"none","conn_country":"ZZ","platform":"Partner sony_tv;x"}"#,
        r#"{"reason_start":"","reason_end":"","conn_country":null,"platform":"web_player windows 10;chrome"}"#,
        r#"{"reason_start":"brand-new-reason","conn_country":"us","platform":"osx","ip_addr_decrypted":null}"#,
    ]);
    assert_eq!(outcome.column("reason_start"), ["switched-to-video", "-", "brand-new-reason"]);
    assert_eq!(outcome.column("reason_end"), ["none", "-", "trackdone"]);
    assert_eq!(outcome.column("country"), ["-", "-", "US"]);
    assert_eq!(outcome.column("platform"), ["tv", "web", "desktop"]);
    assert_eq!(outcome.column("ip_prefix")[2], "-");
}

#[test]
fn overlaps_repeats_and_disorder_lose_nothing() {
    let outcome = extended_rows(&[
        r#"{"ts":"2021-02-16T19:40:00Z"}"#,
        r#"{"ts":"2021-02-16T19:39:50Z"}"#,
        r#"{"ts":"2015-02-16T19:39:50Z","skipped":true}"#,
        r#"{"ts":"2021-02-16T19:40:00Z"}"#,
        r#"{"ts":"2021-02-16T19:40:00Z","ms_played":231}"#,
    ]);
    assert_eq!(outcome.plays.len(), 5);
    let mut ids = outcome.column("play_id");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "two equal rows of one file are two plays");
}

#[test]
fn one_play_in_two_overlapping_exports_has_one_id() {
    let rows: Vec<String> =
        (0..6).map(|minute| extended(&format!(r#"{{"ts":"2021-02-16T19:0{}:00Z"}}"#, minute / 2))).collect();
    let first = import(&[("may/endsong_0.json", &array(&rows[..5]))]);
    let second = import(&[("june/endsong_3.json", &array(&rows[1..]))]);
    // Rows 2 and 3 are equal, as are 4 and 5: the counts start anew in each file.
    assert_eq!(first.column("play_id")[2..4], second.column("play_id")[1..3]);
    assert_eq!(first.column("play_id")[0], second.column("play_id")[0]);
    assert_eq!(first.column("play_id")[4], second.column("play_id")[3]);
}

#[test]
fn two_uris_of_one_recording_meet_in_one_content_id() {
    let outcome = extended_rows(&["{}", r#"{"spotify_track_uri":"spotify:track:0000000000000000000002"}"#]);
    assert_eq!(outcome.tracks.len(), 2);
    assert_eq!(outcome.tracks[0]["content_id"], outcome.tracks[1]["content_id"]);

    // The basic export has no ids: its track is that recording.
    let basic = import(&[("a/StreamingHistory0.json", BASIC)]);
    assert_eq!(basic.column("track_id")[0], outcome.tracks[0]["content_id"]);
}

const BASIC: &[u8] = br#"[
 {"endTime":"2022-04-06 00:02","artistName":"Band","trackName":"Song","msPlayed":268919},
 {"endTime":"2022-04-06 00:02","artistName":"AC/DC","trackName":"100%","msPlayed":0},
 {"endTime":"2022-04-06 00:02","artistName":"A Show","trackName":"Episode 7","msPlayed":1754340},
 {"endTime":"2022-04-06 00:01","artistName":"Band","trackName":"","msPlayed":1},
 {"endTime":"2022-04-06","artistName":"Band","msPlayed":1}
]"#;

#[test]
fn the_basic_export_keeps_the_order_of_the_file_and_makes_ids_of_names() {
    let outcome = import(&[("dora/StreamingHistory0.json", BASIC)]);
    assert_eq!(outcome.column("ended_at"), ["2022-04-06T00:02:00.000"; 3]);
    assert_eq!(outcome.column("track_id"), ["name:Band/Song", "name:AC%2FDC/100%25", "name:A Show/Episode 7"]);
    assert_eq!(outcome.column("account_id"), ["dora"; 3]);
    assert_eq!(outcome.codes(), ["missing", "missing"]);
    assert!(outcome.tracks.iter().all(|track| !track.contains_key("content_id")), "absent = the track itself");
    let music = import(&[("dora/StreamingHistory_music_0.json", BASIC)]);
    assert_eq!(music.column("play_id"), outcome.column("play_id"));
}
