//! Yambda, MSSD and the distributor's report.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray, UInt8Array, UInt16Array, UInt32Array};
use arrow::datatypes::UInt32Type;
use datasets::formats::recognise;
use parquet::arrow::ArrowWriter;

use super::{import, import_with, options};

pub(crate) fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub(crate) fn yambda_listens() -> Vec<u8> {
    parquet(vec![
        ("uid", Arc::new(UInt32Array::from(vec![100, 100, 200]))),
        ("timestamp", Arc::new(UInt32Array::from(vec![0, 5, 86_400]))),
        ("item_id", Arc::new(UInt32Array::from(vec![7, 7, 9]))),
        ("is_organic", Arc::new(UInt8Array::from(vec![1, 0, 0]))),
        ("played_ratio_pct", Arc::new(UInt16Array::from(vec![Some(50), Some(130), None]))),
        ("track_length_seconds", Arc::new(UInt32Array::from(vec![200, 200, 180]))),
    ])
}

#[test]
fn yambda_listens_count_from_the_origin_and_may_exceed_their_track() {
    let outcome = import(&[("50m/listens.parquet", &yambda_listens())]);
    assert_eq!(outcome.column("ended_at"), ["2024-01-01T00:00:00.000", "2024-01-01T00:00:05.000"]);
    assert_eq!(outcome.column("played_ms"), ["100000", "260000"]);
    assert_eq!(outcome.column("track_ms"), ["200000"; 2]);
    assert_eq!(outcome.column("source"), ["-", "algorithmic"]);
    assert_eq!(outcome.codes(), ["missing"]);
    assert_eq!(outcome.tracks[0]["duration_ms"], "200000");
}

#[test]
fn numeric_ids_are_written_as_numbers_and_only_where_all_are() {
    let mut numbers = options();
    numbers.numeric_ids = true;
    let mapping = parquet(vec![
        ("artist_id", Arc::new(UInt32Array::from(vec![1, 2, 3])) as ArrayRef),
        ("item_id", Arc::new(UInt32Array::from(vec![7, 7, 8]))),
    ]);
    let files = [("50m/artist_item_mapping.parquet", &mapping[..]), ("50m/listens.parquet", &yambda_listens())];
    let outcome = import_with(&files, None, &numbers).unwrap();
    assert_eq!(outcome.column("account_id"), ["100"; 2]);
    assert!(outcome.column("play_id")[0].parse::<u64>().is_ok());
    assert_eq!(outcome.tracks[0]["artist_id"], "1", "a track of two artists keeps the first");
    assert_eq!(outcome.tracks.len(), 2);

    let names = br#"[{"endTime":"2022-04-06 00:02","artistName":"Band","trackName":"Song","msPlayed":1}]"#;
    let fault = import_with(&[("a/StreamingHistory0.json", names)], None, &numbers).err().unwrap().to_string();
    assert!(fault.contains("row 0") && fault.contains("is no number"), "{fault}");
}

#[test]
fn yambda_events_that_are_no_listens_are_refused() {
    let events = parquet(vec![
        ("uid", Arc::new(UInt32Array::from(vec![1, 1, 1])) as ArrayRef),
        ("timestamp", Arc::new(UInt32Array::from(vec![5, 10, 15]))),
        ("item_id", Arc::new(UInt32Array::from(vec![7, 7, 7]))),
        ("is_organic", Arc::new(UInt8Array::from(vec![1, 1, 1]))),
        ("event_type", Arc::new(StringArray::from(vec!["listen", "like", "undislike"]))),
        ("played_ratio_pct", Arc::new(UInt16Array::from(vec![Some(100), None, None]))),
        ("track_length_seconds", Arc::new(UInt32Array::from(vec![Some(10), None, None]))),
    ]);
    let outcome = import(&[("50m/multi_event.parquet", &events)]);
    assert_eq!(outcome.column("played_ms"), ["10000"]);
    assert_eq!(outcome.codes(), ["not_a_play"; 2]);

    let likes = parquet(vec![
        ("uid", Arc::new(UInt32Array::from(vec![1])) as ArrayRef),
        ("timestamp", Arc::new(UInt32Array::from(vec![5]))),
        ("item_id", Arc::new(UInt32Array::from(vec![7]))),
        ("is_organic", Arc::new(UInt8Array::from(vec![1]))),
    ]);
    assert_eq!(import(&[("50m/likes.parquet", &likes)]).codes(), ["not_a_play"]);
}

#[test]
fn yambda_lists_per_user_are_sent_to_the_flat_tables() {
    let lists = ListArray::from_iter_primitive::<UInt32Type, _, _>([Some([Some(7), Some(8)])]);
    let bytes = parquet(vec![("uid", Arc::new(UInt32Array::from(vec![1])) as ArrayRef), ("item_id", Arc::new(lists))]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let error = recognise(file.path(), false, None, None).unwrap_err().to_string();
    assert!(error.contains("flat/"), "{error}");
}

#[test]
fn mssd_sessions_stand_for_accounts_and_skip_classes_for_lengths() {
    let header = "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,skip_3,not_skipped,context_switch,\
        no_pause_before_play,hist_user_behavior_is_shuffle,hour_of_day,date,premium,context_type,\
        hist_user_behavior_reason_start,hist_user_behavior_reason_end";
    let rows = [
        "0_a,1,20,t_1,true,true,true,false,0,0,true,16,2018-07-15,true,editorial_playlist,trackdone,fwdbtn",
        "0_a,2,20,t_2,false,true,true,false,0,0,true,16,2018-07-15,true,user_collection,fwdbtn,fwdbtn",
        "0_a,3,20,t_3,false,false,true,false,0,0,true,16,2018-07-15,true,radio,fwdbtn,endplay",
        "0_a,20,20,t_4,false,false,false,true,0,0,true,16,2018-07-15,true,catalog,trackdone,trackdone",
        "0_a,4,20,t_5,false,false,false,false,0,0,true,16,2018-07-15,true,charts,trackdone,trackdone",
        "0_a,21,20,t_5,false,false,false,true,0,0,true,16,2018-07-15,true,charts,trackdone,trackdone",
        "0_a,5,20,t_5,false,false,false,true,0,0,true,24,2018-07-15,true,charts,trackdone,trackdone",
        "0_a,5,20,t_5,false,false,false,true,0,0,true,2,15 July,true,charts,trackdone,trackdone",
        "0_a,5,20,t_5,maybe,false,false,true,0,0,true,2,2018-07-15,true,charts,trackdone,trackdone",
    ];
    let outcome = import(&[("mssd/log_0.csv", format!("{header}\n{}\n", rows.join("\n")).as_bytes())]);
    assert_eq!(outcome.column("account_id"), ["0_a"; 4]);
    assert_eq!(outcome.column("played_ms"), ["3200", "17300", "176000", "203000"]);
    assert_eq!(outcome.column("source"), ["editorial", "library", "radio", "other"]);
    assert_eq!(outcome.column("ended_at")[1], "2018-07-15T16:03:00.000");
    assert_eq!(outcome.column("ended_at")[3], "2018-07-15T16:57:00.000", "the twentieth stays in its hour");
    assert_eq!(outcome.codes(), ["missing", "out_of_range", "out_of_range", "bad_time", "wrong_type"]);
    assert_eq!(outcome.reports[0].assumed_lengths, 4);
}

#[test]
fn a_distributors_report_survives_its_quarter_hours() {
    let stream =
        r#"{"device_type":"mobile","length":31,"os":"iOS","timestamp":1500000300000,"track_id":"t1","user_id":"u1"}"#;
    let other = r#"{"device_type":"desktop","length":"200","os":"Other","timestamp":1500000300000,"track_id":"t2","user_id":"u2"}"#;
    let absurd =
        r#"{"device_type":"cast","length":-4,"os":null,"timestamp":1500000300000,"track_id":"t2","user_id":"u2"}"#;
    let streams = [stream, stream, stream, other, absurd].join("\n");
    let users = r#"{"access":"premium","birth_year":1990,"country":"SE","gender":"f","user_id":"u1"}"#;
    let tracks = r#"{"album_artist":"Band","album_code":"1","album_name":"LP","track_id":"t1","track_name":"Song"}"#;
    let outcome = import(&[
        ("r/users.json", users.as_bytes()),
        ("r/tracks.json", tracks.as_bytes()),
        ("r/streams.json", streams.as_bytes()),
    ]);
    assert_eq!(outcome.column("played_ms"), ["31000", "31000", "31000", "200000"]);
    assert_eq!(outcome.column("platform"), ["ios", "ios", "ios", "desktop"]);
    let ids: std::collections::BTreeSet<&str> = outcome.column("play_id").into_iter().collect();
    assert_eq!(ids.len(), 4, "equal rows are plays of their own");
    assert_eq!(outcome.codes(), ["out_of_range"]);
    assert_eq!(outcome.reports[0].described, 1);
    assert_eq!(outcome.accounts[0]["plan"], "premium");
    assert_eq!((&*outcome.tracks[0]["title"], &*outcome.tracks[0]["artist_id"]), ("Song", "name:Band"));
    assert!(!outcome.tracks[1].contains_key("title"), "a track that only the streams know");
}
