//! Evidence of sound as an input: it joins the tracks of its recording from when it is known on, and nobody else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tempfile::TempDir;

use crate::data::{MONDAY, instants, read, text, whole, without, write};
use crate::process::{Ran, truestream};

const DAY_MS: i64 = 86_400_000;
const LINES: &str = r#"{"tier": "certain", "trace": {"words": "lines every 86.13 Hz = 44100/512, 40 of 44 raised"}}"#;

/// Five days of plays of three tracks, two of which are one recording.
fn world(folder: &Path) -> String {
    let plays: Vec<(u64, u64)> = (0..5).flat_map(|day| [100, 101, 102].map(|track| (day, track))).collect();
    let ended_at: Vec<_> =
        plays.iter().map(|(day, track)| Some(MONDAY + *day as i64 * DAY_MS + *track as i64)).collect();
    let numbers = |of: &dyn Fn(usize) -> u64| -> ArrayRef {
        Arc::new((0..plays.len()).map(|at| Some(of(at))).collect::<UInt64Array>())
    };
    let columns = [
        ("play_id", numbers(&|at| at as u64), true),
        ("ended_at", instants(&ended_at), true),
        ("account_id", numbers(&|at| plays[at].1 - 90), true),
        ("track_id", numbers(&|at| plays[at].1), true),
        ("played_ms", whole(&vec![Some(200_000); plays.len()]), true),
    ];
    write(&folder.join("plays.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).expect("plays"), 4);
    let tracks = [
        ("track_id", Arc::new(UInt64Array::from(vec![100, 101, 102])) as ArrayRef, true),
        ("content_id", Arc::new(StringArray::from(vec![Some("A 1"), Some("A 1"), None])) as ArrayRef, true),
    ];
    write(&folder.join("tracks.parquet"), &RecordBatch::try_from_iter_with_nullable(tracks).expect("tracks"), 2);
    text(folder)
}

/// A row of evidence: content, risk, confidence, details, known_at.
type Row = (&'static str, f64, f64, &'static str, i64);

fn evidence(rows: &[Row]) -> RecordBatch {
    let texts = |of: &dyn Fn(&Row) -> &'static str| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let shares = |of: &dyn Fn(&Row) -> f64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<Float64Array>())
    };
    let known_at: Vec<_> = rows.iter().map(|row| Some(row.4)).collect();
    let columns = [
        ("content_id", texts(&|row| row.0), true),
        ("detector", texts(&|_| "synthesis"), true),
        ("version", texts(&|_| "1"), true),
        ("risk", shares(&|row| row.1), true),
        ("confidence", shares(&|row| row.2), true),
        ("details", texts(&|row| row.3), true),
        ("known_at", instants(&known_at), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

/// Rows of a table as texts: `as_of`, subject, id and the columns named.
fn rows(tables: &Path, table: &str, named: &[&str]) -> BTreeSet<Vec<String>> {
    let batch = read(&tables.join(format!("{table}.parquet")));
    let column = |name: &&str| {
        let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no {name} in {table}"));
        let whole = if *name == "as_of" { cast(column, &DataType::Int64).expect("an instant") } else { column.clone() };
        cast(&whole, &DataType::Utf8).expect("texts")
    };
    let all = ["as_of", "subject", "subject_id"];
    let columns: Vec<ArrayRef> = all.iter().chain(named).map(column).collect();
    let cell = |column: &ArrayRef, at: usize| {
        column.as_any().downcast_ref::<StringArray>().expect("texts").value(at).to_owned()
    };
    (0..batch.num_rows()).map(|at| columns.iter().map(|column| cell(column, at)).collect()).collect()
}

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(TempDir::new().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }

    /// Replays the world with more options into tables of this name.
    fn replay(&self, data: &str, name: &str, more: &[&str]) -> Ran {
        let out = text(&self.path(name));
        let line = ["replay", "--data", data, "--out", &out, "--every", "24h", "--windows", "24h,7d"];
        truestream(&[&line[..], &["--emit", "changes", "--json"], more].concat())
    }
}

#[test]
fn evidence_joins_the_tracks_of_its_recording_from_when_it_is_known_on() {
    let place = Place::new();
    let data = world(&place.path("data"));
    let (heard_from, changed_from) = (MONDAY + 3 * DAY_MS, MONDAY + 4 * DAY_MS);
    // Known at the very instant is not known before it.
    let first = ("A 1", 0.95, 1.0, LINES, heard_from - DAY_MS);
    let update = ("A 1", 0.6, 1.0, r#"{"tier": "likely"}"#, changed_from - 1);
    let deaf = ("102", 1.0, 0.0, "{}", MONDAY);
    let bad = ("102", 1.5, 1.0, "{}", MONDAY);
    let late = ("102", 1.0, 1.0, "{}", MONDAY + 90 * DAY_MS);
    let scanned = place.path("scanned");
    write(&scanned.join("evidence.parquet"), &evidence(&[bad, deaf, first, late]), 2);
    let later = place.path("later").join("more.parquet");
    write(&later, &evidence(&[update]), 2);
    let (scanned, later) = (text(&scanned), text(&later));

    let silent = place.replay(&data, "silent", &[]).good().json();
    assert!(silent["evidence"].is_null(), "{silent}");
    let told = place.replay(&data, "heard", &["--evidence", &scanned]).good().json();
    let counts =
        serde_json::json!({"rows": 3, "unknown_yet": 1, "recordings": 1, "tracks": 2, "recordings_with_copies": 0});
    assert_eq!(told["evidence"], counts);
    let refused = serde_json::json!([{"source": "evidence", "code": "out_of_range", "rows": 1}]);
    assert_eq!(told["refused"], refused);
    assert!(told["run"]["inputs"]["evidence"][0]["file"].as_str().expect("a path").ends_with("evidence.parquet"));
    place.replay(&data, "changed", &["--evidence", &scanned, &later, "--workers", "3"]).good();

    let risks = |name: &str| rows(&place.path(name), "risk", &["diff", "r", "rc", "parts"]);
    let rc = |row: &[String]| row[5].parse::<f64>().expect("a risk");
    assert!(risks("silent").iter().all(|row| rc(row) == 0.0), "{:?}", risks("silent"));
    let heard: BTreeSet<_> = risks("heard").into_iter().filter(|row| rc(row) > 0.0).collect();
    let ids: BTreeSet<&str> = heard.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(ids, BTreeSet::from(["100", "101"]));
    assert!(heard.iter().all(|row| row[1] == "track" && rc(row) == 0.95), "{heard:?}");
    assert_eq!(heard.first().map(|row| row[0].clone()), Some(heard_from.to_string()));

    let differing = |a: &str, b: &str, from: i64| {
        let differing: BTreeSet<_> = risks(a).symmetric_difference(&risks(b)).cloned().collect();
        assert!(!differing.is_empty(), "{a} is {b}");
        for row in differing {
            let as_of: i64 = row[0].parse().expect("an instant");
            assert!(row[1] == "track" && ["100", "101"].contains(&row[2].as_str()) && as_of >= from, "{row:?}");
        }
    };
    differing("silent", "heard", heard_from);
    differing("heard", "changed", changed_from);

    let verdicts = rows(&place.path("changed"), "verdict", &["diff", "reasons"]);
    let reason = "the audio is 95 % suspicious: synthesis: lines every 86.13 Hz = 44100/512, 40 of 44 raised, certain";
    let held: Vec<_> = verdicts.iter().filter(|row| row[3] == "1").collect();
    assert!(held.len() == 2 && held.iter().all(|row| row[4].contains(reason)), "{verdicts:?}");
    // The update says less, too little to hold.
    assert_eq!(verdicts.iter().filter(|row| row[3] == "-1" && row[0] == changed_from.to_string()).count(), 2);

    // Evidence that lies beside the plays is found, whatever its files and the number of workers.
    for (from, name) in [(&format!("{scanned}/evidence.parquet"), "evidence-1"), (&later, "evidence-0")] {
        std::fs::copy(from, Path::new(&data).join(format!("{name}.parquet"))).expect("a copy");
    }
    place.replay(&data, "beside", &[]).good();
    for table in ["risk", "verdict"] {
        let bytes = |name: &str| std::fs::read(place.path(name).join(format!("{table}.parquet"))).expect("a table");
        assert!(bytes("beside") == bytes("changed"), "{table}");
    }
}

#[test]
fn evidence_that_cannot_be_read_is_named() {
    let place = Place::new();
    let data = world(&place.path("data"));
    let nowhere = text(&place.path("").join("nowhere.parquet"));
    place.replay(&data, "tables", &["--evidence", &nowhere]).failed(4, &["nowhere.parquet"]);
    let empty = text(&place.path("empty"));
    place
        .replay(&data, "tables", &["--evidence", &empty])
        .failed(4, &["empty", "no evidence found", "truestream scan"]);
    let riskless = place.path("riskless").join("evidence.parquet");
    write(&riskless, &without(&evidence(&[("A 1", 0.5, 1.0, "{}", MONDAY)]), "risk"), 2);
    let named = ["evidence.parquet", "`risk`", "confidence"];
    place.replay(&data, "tables", &["--evidence", &text(&riskless)]).failed(4, &named);
}

#[test]
fn groups_of_copies_lie_beside_the_evidence_and_can_be_taken_back() {
    let place = Place::new();
    let data = world(&place.path("data"));
    let scanned = place.path("scanned");
    write(&scanned.join("evidence.parquet"), &evidence(&[("A 1", 0.0, 1.0, "{}", MONDAY)]), 2);
    // A recording, its group, and from when on that is known.
    type Grouped<'a> = (&'a str, Option<&'a str>, i64);
    let copies = |rows: &[Grouped]| {
        let texts = |of: &dyn Fn(&Grouped) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<StringArray>())
        };
        let known_at: Vec<_> = rows.iter().map(|row| Some(row.2)).collect();
        let columns = [
            ("group_id", texts(&|row| row.1.map(str::to_owned)), true),
            ("content_id", texts(&|row| Some(row.0.to_owned())), true),
            ("known_at", instants(&known_at), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
    };
    let counted = |name: &str| {
        let told = place.replay(&data, name, &["--evidence", &text(&scanned)]).good().json();
        told["evidence"]["recordings_with_copies"].as_u64()
    };
    assert_eq!(counted("alone"), Some(0));
    let table = scanned.join("duplicate_group.parquet");
    let grouped = [("A 1", Some("102"), MONDAY), ("102", Some("102"), MONDAY)];
    write(&table, &copies(&grouped), 2);
    assert_eq!(counted("grouped"), Some(2));
    let apart = [&grouped[..], &[("A 1", None, MONDAY + DAY_MS)], &[("102", Some("7"), MONDAY - DAY_MS)]].concat();
    write(&table, &copies(&apart), 2);
    assert_eq!(counted("apart"), Some(0));
    write(&table, &without(&copies(&grouped), "group_id"), 2);
    let line = ["--evidence", &text(&scanned)];
    place.replay(&data, "broken", &line).failed(4, &["duplicate_group.parquet", "`group_id`"]);
}
