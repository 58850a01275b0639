//! Broken input: the message names the file, what was found and what was expected; good rows beside bad ones are kept.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, ListArray, RecordBatch, StringArray,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::Int64Type;
use tempfile::TempDir;

use crate::data::{MONDAY, instants, plays, read, text, whole, with, without, world, write};
use crate::process::{Ran, files, truestream};

/// Replays this one file of plays into `tables` beside it.
fn replay(folder: &Path, more: &[&str]) -> Ran {
    let (file, out) = (text(&folder.join("plays.parquet")), text(&folder.join("tables")));
    let line = ["replay", "--plays", &file, "--out", &out, "--every", "1d", "--windows", "1d", "--json"];
    truestream(&[&line, more].concat())
}

fn replay_rows(folder: &Path, rows: &RecordBatch) -> Ran {
    write(&folder.join("plays.parquet"), rows, 2);
    replay(folder, &[])
}

#[test]
fn a_column_that_is_missing_or_of_another_type_is_named() {
    let folder = TempDir::new().expect("a folder");
    for column in ["play_id", "ended_at", "account_id", "track_id", "played_ms"] {
        let says = ["plays.parquet", &format!("column `{column}` is missing"), "columns found: ", "rename"];
        replay_rows(folder.path(), &without(&plays(), column)).failed(4, &says);
    }
    let texts = || Arc::new(StringArray::from(vec!["a", "b", "c"])) as ArrayRef;
    let floats = || Arc::new(Float64Array::from(vec![1.0, 2.5, f64::NAN])) as ArrayRef;
    let lists = || {
        let rows = [Some(vec![Some(1)]), None, Some(vec![])];
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(rows)) as ArrayRef
    };
    let bytes = || Arc::new(BinaryArray::from_vec(vec![b"a", b"\xff", b""])) as ArrayRef;
    let flags = || Arc::new(BooleanArray::from(vec![true, false, true])) as ArrayRef;
    let days = || Arc::new(Date32Array::from(vec![20_000, 20_001, 20_002])) as ArrayRef;
    let wrong = [
        ("played_ms", vec![texts(), floats(), lists(), flags()]),
        ("account_id", vec![floats(), lists(), flags(), bytes(), instants(&[Some(MONDAY); 3])]),
        ("track_id", vec![floats(), lists()]),
        ("play_id", vec![floats(), lists(), bytes()]),
        ("device_id", vec![floats(), lists(), flags()]),
        ("ended_at", vec![texts(), floats(), lists(), days()]),
        ("arrived_at", vec![texts(), floats()]),
        ("asn", vec![texts(), floats()]),
        ("country", vec![floats(), flags(), whole(&[Some(1); 3])]),
        ("source", vec![flags(), lists()]),
        ("offline", vec![texts(), whole(&[Some(1); 3])]),
    ];
    for (column, kinds) in wrong {
        for kind in kinds {
            let told = replay_rows(folder.path(), &with(&plays(), column, kind));
            told.failed(4, &["plays.parquet", &format!("column `{column}` has the type"), "expected", "convert"]);
        }
    }
    assert!(files(&folder.path().join("tables")).is_empty(), "nothing was written");
}

#[test]
fn a_file_that_is_no_parquet_is_named() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("plays.parquet");
    let whole_file = std::fs::read(world().join("plays.parquet")).expect("plays");
    let mut damaged = whole_file.clone();
    damaged[100..whole_file.len() / 2].fill(0xA5);
    for (what, bytes) in [
        ("cut short", &whole_file[..whole_file.len() - 1_000]),
        ("cut to nothing", &[]),
        ("a text", b"play_id,ended_at\n1,2\n"),
        ("the mark and nothing else", b"PAR1PAR1"),
        ("damaged pages under a good footer", &damaged),
    ] {
        std::fs::write(&path, bytes).expect("a file");
        let told = replay(folder.path(), &[]);
        assert_eq!(told.code, Some(4), "{what}: {told:?}");
        assert!(told.err.contains("plays.parquet: not readable as Parquet: "), "{what}: {told:?}");
    }
    std::fs::remove_file(&path).expect("the file");
    replay(folder.path(), &[]).failed(4, &["plays.parquet", "No such file"]);
    std::fs::create_dir(&path).expect("a folder");
    replay(folder.path(), &[]).failed(4, &["plays.parquet"]);

    let out = text(&folder.path().join("tables"));
    let empty = TempDir::new().expect("a folder");
    let data = text(empty.path());
    truestream(&["replay", "--data", &data, "--out", &out]).failed(4, &[&data, "no plays", "truestream import"]);
    truestream(&["replay", "--data", "/nowhere", "--out", &out]).failed(4, &["/nowhere", "No such file"]);
    truestream(&["replay", "--out", &out]).failed(2, &["--data"]);
    let own = text(world());
    truestream(&["replay", "--data", &own, "--out", &own]).failed(2, &["the folder of the inputs", "choose another"]);
}

#[test]
fn no_good_row_is_lost_beside_bad_ones() {
    let folder = TempDir::new().expect("a folder");
    let texts = |values: [Option<&str>; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let second = |value: Option<i64>| whole(&[Some(1), value, Some(3)]);
    let at = |value| instants(&[Some(MONDAY), value, Some(MONDAY)]);
    for (column, values, code) in [
        ("played_ms", second(Some(-1)), "out_of_range"),
        ("played_ms", second(Some(i64::MAX)), "out_of_range"),
        ("played_ms", second(Some(i64::MIN)), "out_of_range"),
        ("played_ms", second(None), "missing"),
        ("account_id", second(Some(-7)), "out_of_range"),
        ("account_id", second(None), "missing"),
        ("track_id", texts([Some("a"), None, Some("c")]), "missing"),
        ("play_id", second(None), "missing"),
        ("play_id", second(Some(-1)), "out_of_range"),
        ("ended_at", at(Some(-1)), "out_of_range"),
        ("ended_at", at(Some(i64::MAX)), "out_of_range"),
        ("ended_at", at(None), "missing"),
        ("arrived_at", at(Some(i64::MIN)), "out_of_range"),
        ("asn", second(Some(1 << 40)), "out_of_range"),
        ("country", texts([Some("DE"), Some("Germany"), None]), "out_of_range"),
        ("country", texts([Some("DE"), Some("D\0"), None]), "out_of_range"),
        ("play_id", second(Some(1)), "conflicting"),
    ] {
        let told = replay_rows(folder.path(), &with(&plays(), column, values)).good().json();
        assert_eq!((&told["rows"], &told["plays"]), (&3.into(), &2.into()), "{column}: {told}");
        assert_eq!(told["refused"][0]["code"], code, "{column}: {told}");
        let refusals = read(&folder.path().join("tables/refusal.parquet"));
        let row = refusals.column_by_name("row").expect("the row");
        assert_eq!(row.as_ref(), whole(&[Some(1)]).as_ref(), "{column}: the row is named");
    }
}

/// A catalogue of three tracks with one more column.
fn tracks(column: &str, values: ArrayRef) -> RecordBatch {
    let ids = Arc::new(UInt64Array::from(vec![1, 2, 3])) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([("track_id", ids, true), (column, values, true)]).expect("two columns")
}

#[test]
fn a_bad_value_of_the_catalogue_is_refused_and_a_column_of_another_type_ends_replay_and_verify() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("tracks.parquet");
    let (plays_file, out) = (text(&folder.path().join("plays.parquet")), text(&folder.path().join("tables")));
    write(&folder.path().join("plays.parquet"), &plays(), 2);
    let texts = |values: [Option<&str>; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let verify = ["verify", "--plays", &plays_file, "--tracks", &text(&path), "--out", &out];
    for (column, values) in [
        ("duration_ms", whole(&[Some(0), Some(-1), None])),
        ("contains_ai", texts([Some("ALL"), Some("perhaps"), Some("")])),
        ("ai_vocals", texts([Some("none"), Some("no"), None])),
    ] {
        write(&path, &tracks(column, values), 2);
        let told = replay(folder.path(), &["--tracks", &text(&path)]).good().json();
        assert_eq!(told["refused"][0]["code"], "out_of_range", "{column}: {told}");
        let refusals = read(&folder.path().join("tables/refusal.parquet"));
        assert_eq!(refusals.num_rows(), 1, "{column}: {told}");
        assert!(refusals.column_by_name("row").expect("the row").as_ref() == whole(&[Some(1)]).as_ref(), "{column}");
        truestream(&verify).good();
    }
    for (column, values) in [
        ("duration_ms", texts([None, Some("long"), None])),
        ("duration_ms", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0])) as ArrayRef),
        ("title", whole(&[Some(1), None, None])),
        ("uploaded_at", texts([Some("yesterday"), None, None])),
    ] {
        write(&path, &tracks(column, values), 2);
        replay(folder.path(), &["--tracks", &text(&path)])
            .failed(4, &["tracks.parquet", column, "expected", "convert"]);
        truestream(&verify).failed(4, &["tracks.parquet", column]);
    }
    // Of an empty column nobody knows what it would hold.
    write(&path, &tracks("duration_ms", texts([None; 3])), 2);
    replay(folder.path(), &["--tracks", &text(&path)]).good();
    truestream(&verify).good();
}

#[test]
fn what_is_refused_does_not_depend_on_the_views() {
    let folder = TempDir::new().expect("a folder");
    let greatest = Arc::new(UInt64Array::from(vec![1, u64::MAX, 3])) as ArrayRef;
    for (column, values) in [("device_id", greatest), ("asn", Arc::new(UInt32Array::from(vec![1, u32::MAX, 3])))] {
        write(&folder.path().join("plays.parquet"), &with(&plays(), column, values), 2);
        for view in ["account_window", "track_window", "account_group"] {
            let told = replay(folder.path(), &["--views", view]).good().json();
            assert_eq!(told["refused_plays"], 1, "{column}, {view}: {told}");
        }
    }
}

#[test]
fn ids_that_are_numbers_here_and_texts_there_are_texts() {
    let folder = TempDir::new().expect("a folder");
    let arrived_at = instants(&[Some(MONDAY), Some(MONDAY)]);
    let ids = Arc::new(StringArray::from(vec!["2", "nobody"])) as ArrayRef;
    let corrections = RecordBatch::try_from_iter([("play_id", ids), ("arrived_at", arrived_at)]).expect("two columns");
    let path = folder.path().join("corrections.parquet");
    write(&path, &corrections, 2);
    let corrections = text(&path);
    write(&folder.path().join("plays.parquet"), &with(&plays(), "play_id", whole(&[Some(1), Some(2), Some(3)])), 2);
    let told = replay(folder.path(), &["--corrections", &corrections]).good().json();
    assert_eq!((&told["plays"], &told["corrections"]), (&3.into(), &2.into()), "{told}");
    let rows = read(&folder.path().join("tables/account_window.parquet"));
    let plays = rows.column_by_name("plays").expect("plays").as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
    assert_eq!(plays, 2, "one of three was taken back");
}

#[test]
fn labels_are_looked_at() {
    let folder = TempDir::new().expect("a folder");
    write(&folder.path().join("plays.parquet"), &plays(), 2);
    replay(folder.path(), &["--labels", "nowhere.parquet"]).failed(4, &["nowhere.parquet"]);
    let path = folder.path().join("labels.parquet");
    write(&path, &plays(), 2);
    replay(folder.path(), &["--labels", &text(&path)]).failed(4, &["labels.parquet", "subject"]);
}

#[test]
fn no_rows_and_only_bad_rows_give_empty_tables() {
    let folder = TempDir::new().expect("a folder");
    for (rows, refused) in [(plays().slice(0, 0), 0), (with(&plays(), "played_ms", whole(&[None; 3])), 3)] {
        for emit in ["last", "all", "changes"] {
            write(&folder.path().join("plays.parquet"), &rows, 2);
            let told = replay(folder.path(), &["--emit", emit, "--workers", "2"]).good().json();
            assert_eq!((&told["plays"], &told["refused_plays"]), (&0.into(), &refused.into()), "{told}");
            assert!(told["last_as_of_ms"].is_null(), "{told}");
            assert_eq!(read(&folder.path().join("tables/account_window.parquet")).num_rows(), 0);
        }
    }
}

#[test]
fn options_that_cannot_be_are_refused_before_anything_is_read() {
    let folder = TempDir::new().expect("a folder");
    write(&folder.path().join("plays.parquet"), &plays(), 2);
    let (file, out) = (text(&folder.path().join("plays.parquet")), text(&folder.path().join("tables")));
    for (more, says) in [
        (["--views", "listener_window"], ["listener_window", "account_window"]),
        (["--windows", "90min"], ["90min", "no multiple"]),
        (["--windows", "soon"], ["soon", "such as 6h"]),
        (["--every", "30s"], ["30s", "1min to 1d"]),
        (["--every", "2d"], ["2d", "1min to 1d"]),
        (["--every", "7h"], ["7h", "--every"]),
        (["--links", "telepathy"], ["telepathy", "device, payment or ip_prefix"]),
        (["--speed", "0x"], ["--speed 0x", "such as 100x"]),
        (["--emit", "some"], ["some", "changes"]),
        (["--workers", "0"], ["0", "1..=256"]),
        (["--process", "0"], ["--hosts", "required"]),
        (["--hosts", "here"], ["--process", "required"]),
    ] {
        truestream(&["replay", "--plays", &file, "--out", &out, more[0], more[1]]).failed(2, &says);
    }
    assert!(files(&folder.path().join("tables")).is_empty(), "nothing was written");
}
