//! Files of no known format, through a column map.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use datasets::formats::{Format, Map};

use super::research::parquet;
use super::{Outcome, import_with, options};

fn mapped(name: &str, content: &[u8], map: &str) -> Outcome {
    let mut with = options();
    with.map = Some(Map::from_toml(map).unwrap());
    import_with(&[(name, content)], Some(Format::Mapped), &with).unwrap()
}

/// The public `spotify_history.csv`: bare ids, TRUE/FALSE, folded platforms, empty reasons.
#[test]
fn the_public_spotify_history_csv_needs_eight_lines() {
    let csv = b"spotify_track_uri,ts,platform,ms_played,track_name,artist_name,album_name,reason_start,reason_end,shuffle,skipped\n\
        2J3n32GeLmMjwuAzyhcSNe,2013-07-08 02:44:34,web player,3185,\"Say It, Just Say It\",The Mowgli's,Waiting,autoplay,clickrow,FALSE,FALSE\n\
        1oHxIPqJyvAYHy0PVrDU98,2013-07-08 02:45:37,web player,-5,Drinking,Band,LP,,nextbtn,TRUE,FALSE\n\
        487OPlneJNni3NWC8SYqhW,2013-07-08 02:50:24,android,277186,Born,Band,LP,,,TRUE,FALSE\n";
    let map = "[columns]\ntrack_id = 'spotify_track_uri'\nended_at = 'ts'\nplatform = 'platform'\nplayed_ms = 'ms_played'\n\
        title = 'track_name'\nartist_name = 'artist_name'\nreason_start = 'reason_start'\nreason_end = 'reason_end'\nshuffle = 'shuffle'\n";
    let outcome = mapped("ida/spotify_history.csv", csv, map);
    assert_eq!(outcome.column("track_id"), ["2J3n32GeLmMjwuAzyhcSNe", "487OPlneJNni3NWC8SYqhW"]);
    assert_eq!(outcome.column("shuffle"), ["false", "true"]);
    assert_eq!(outcome.column("reason_start"), ["autoplay", "-"]);
    assert_eq!(outcome.column("account_id"), ["ida"; 2]);
    assert_eq!(outcome.codes(), ["out_of_range"]);
    assert_eq!(outcome.tracks[0]["title"], "Say It, Just Say It");
}

#[test]
fn starts_seconds_nulls_zones_constants_and_filters() {
    let csv = b"id;who;song;begun;secs;kind;dev\n\
        p1;u;s;2020-01-01 12:00:00;60;listen;NULL\n\
        p2;u;s;2020-01-01 12:00:00+00:00;1.5;listen;d1\n\
        p3;u;s;2020-01-01 12:00:00;60;like;d1\n\
        p4;NULL;s;2020-01-01 12:00:00;60;listen;d1\n\
        p5;u;s;2020-01-01 12:00:00;NULL;listen;d1\n";
    let map = "delimiter = ';'\nnulls = ['NULL']\n[columns]\nplay_id = 'id'\naccount_id = 'who'\ntrack_id = 'song'\n\
        started_at = 'begun'\nplayed_s = 'secs'\ndevice_id = 'dev'\n[time]\nutc_offset_minutes = 120\n\
        [constants]\ncountry = 'se'\n[only]\ncolumn = 'kind'\nequals = 'listen'\n";
    let outcome = mapped("x/y.csv", csv, map);
    assert_eq!(outcome.column("play_id"), ["p1", "p2"]);
    assert_eq!(outcome.column("ended_at"), ["2020-01-01T10:01:00.000", "2020-01-01T12:00:01.500"]);
    assert_eq!(outcome.column("device_id"), ["-", "d1"]);
    assert_eq!(outcome.column("country"), ["SE"; 2]);
    assert_eq!(outcome.codes(), ["not_a_play", "missing", "missing"]);
}

#[test]
fn json_lines_and_parquet_go_through_the_same_map() {
    let map = "[columns]\naccount_id = 'user.id'\ntrack_id = 'song'\nended_at = 'at'\nplayed_ms = 'ms'\nlabel = 'label'\n[time]\nclock = 'epoch_s'\n";
    let lines = br#"{"user":{"id":5},"song":7,"at":1600000000,"ms":1,"label":"L"}"#;
    let json = mapped("x/y.jsonl", lines, map);
    assert_eq!((json.column("account_id"), json.column("track_id")), (vec!["5"], vec!["7"]));
    assert_eq!(json.tracks[0]["label"], "L");

    let columns = parquet(vec![
        ("user.id", Arc::new(Int64Array::from(vec![5])) as ArrayRef),
        ("song", Arc::new(StringArray::from(vec!["7"]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_600_000_000_000_000]).with_timezone("+02:00"))),
        ("ms", Arc::new(Int64Array::from(vec![1]))),
        ("label", Arc::new(StringArray::from(vec!["L"]))),
    ]);
    let typed = mapped("x/y.parquet", &columns, map);
    assert_eq!(typed.column("ended_at"), json.column("ended_at"));
    assert_eq!(typed.tracks, json.tracks);
}

#[test]
fn a_column_that_the_map_names_must_be_there() {
    let outcome = mapped("x/y.csv", b"a,b\n1,2\n", "[columns]\ntrack_id = 'a'\nended_at = 'time'\n");
    assert_eq!(outcome.codes(), ["missing"]);
    assert_eq!(outcome.refusals[0]["reason"], "column `time` is missing; columns found: a, b");
    assert!(outcome.reports[0].damage.is_some());
}
