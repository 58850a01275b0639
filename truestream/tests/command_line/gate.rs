//! Uploads at the gate as people meet them: what waits, whom a policy frees, and waves that tighten and are over.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use tempfile::TempDir;

use crate::data::{MONDAY, instants, rows, text, whole, write};
use crate::process::{files, truestream};

const DAY: i64 = 86_400_000;

/// A column of texts.
pub fn texts(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// Writes a table of these columns.
pub fn table(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    write(path, &RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length"), 500);
}

/// Plays on four days, and a catalogue: a track of `u1` every six hours since six weeks, and on Tuesday 120 short ones of `u2` within
/// an hour, of which ten name the artist of `u1`.
pub fn data(folder: &Path) -> String {
    let data = folder.join("data");
    std::fs::create_dir_all(&data).expect("a folder");
    table(
        &data.join("plays.parquet"),
        vec![
            ("play_id", texts((0..96).map(|n| Some(format!("p{n}"))))),
            ("ended_at", instants(&(0..96).map(|n| Some(MONDAY + n * DAY / 24)).collect::<Vec<_>>())),
            ("account_id", texts((0..96).map(|n| Some(format!("a{}", n % 7))))),
            ("track_id", texts((0..96).map(|n| Some(format!("t{n}"))))),
            ("played_ms", whole(&[Some(31_000); 96])),
        ],
    );
    let (steady, flood) = (0..180, 0..120);
    let both = |of_steady: fn(usize) -> String, of_flood: fn(usize) -> String| {
        texts(steady.clone().map(|n| Some(of_steady(n))).chain(flood.clone().map(|n| Some(of_flood(n)))))
    };
    let uploads = steady.clone().map(|n| MONDAY + DAY - 42 * DAY + n as i64 * DAY / 4);
    let uploads: Vec<Option<i64>> =
        uploads.chain(flood.clone().map(|n| MONDAY + DAY + n as i64 * 30_000)).map(Some).collect();
    let lengths: Vec<Option<i64>> =
        steady.clone().map(|_| Some(200_000)).chain(flood.clone().map(|_| Some(35_000))).collect();
    table(
        &data.join("tracks.parquet"),
        vec![
            ("track_id", both(|n| format!("t{n}"), |n| format!("f{n}"))),
            ("isrc", both(|n| format!("QZTS126{n:05}"), |n| format!("QZTS226{n:05}"))),
            ("title", both(|n| format!("Song {n}"), |n| format!("Calm River, part {n}"))),
            ("artist_id", both(|_| "known".to_owned(), |n| if n < 10 { "known".to_owned() } else { "new".to_owned() })),
            ("uploader_id", both(|_| "u1".to_owned(), |_| "u2".to_owned())),
            ("uploaded_at", instants(&uploads)),
            ("duration_ms", whole(&lengths)),
        ],
    );
    text(&data)
}

fn policy(folder: &Path, name: &str, files: &[(&str, &str)]) -> String {
    let policy = folder.join(name);
    std::fs::create_dir_all(&policy).expect("a folder");
    std::fs::write(policy.join("policy.toml"), format!("version = {name:?}")).expect("written");
    files.iter().for_each(|(file, text)| std::fs::write(policy.join(file), text).expect("written"));
    text(&policy)
}

/// The built-in gate, changed.
fn gate(right: &str, wrong: &str) -> String {
    let built_in = datasets::policy::BUILT_IN.into_iter().find(|(name, _)| *name == "gate.toml").expect("a gate").1;
    assert!(built_in.contains(right), "{right}");
    built_in.replacen(right, wrong, 1)
}

/// How many tracks have a finding, by its code.
fn found(out: &Path) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    rows(&out.join("gate.parquet"), &["rule"])
        .concat()
        .into_iter()
        .for_each(|rule| *found.entry(rule).or_default() += 1);
    found
}

#[test]
fn what_waits_at_the_gate_is_told_explained_verified_and_freed() {
    let folder = TempDir::new().expect("a folder");
    let (data, out) = (data(folder.path()), folder.path().join("out"));
    // The file of one recording says little of each second.
    let heard = folder.path().join("heard");
    std::fs::create_dir_all(&heard).expect("a folder");
    let one = |word: &str| texts([Some(word.to_owned())]);
    let share: ArrayRef = Arc::new(Float64Array::from(vec![0.0]));
    table(
        &heard.join("evidence.parquet"),
        vec![("content_id", one("t179")), ("detector", one("sanity")), ("version", one("sanity/1")), ("risk", share)],
    );
    let bits: ArrayRef = Arc::new(Float64Array::from(vec![32_000.5]));
    table(&heard.join("audio.parquet"), vec![("content_id", one("t179")), ("bits_per_second", bits)]);
    let line = [
        "replay",
        "--data",
        &data,
        "--out",
        &text(&out),
        "--evidence",
        &text(&heard),
        "--every",
        "6h",
        "--windows",
        "24h",
    ];
    let told = truestream(&line).good();
    assert!(told.out.contains("Gate      120 uploads wait for approval"), "{told:?}");
    let expected = [
        ("gate.artist_profile", 10),
        // Titles with a number are one title; one uploader is not enough for near titles.
        ("gate.low_bitrate", 1),
        ("gate.short_release", 120),
        ("gate.uploader_burst", 21),
    ];
    assert_eq!(found(&out), expected.map(|(rule, count)| (rule.to_owned(), count)).into());
    let check = ["verify", "--data", &data, "--evidence", &text(&heard), "--out", &text(&out), "--view", "gate"];
    assert!(truestream(&check).good().out.contains("gate                 equal"), "verified");
    let told = truestream(&["explain", "track", "f3", "--tables", &text(&out)]).good();
    assert!(told.out.contains("Gate      gate.artist_profile (wait)"), "{told:?}");

    // The artist's word, and an approval, end it; on two threads the same bytes.
    let trusting = gate("trusted = []", "trusted = [{ artist = \"known\", uploader = \"u2\" }]")
        .replace("tracks = []", "tracks = [\"f119\"]");
    let trusting = policy(folder.path(), "trusting", &[("gate.toml", &trusting)]);
    let views = ["--views", "gate", "--emit", "changes", "--policy", &trusting];
    truestream(&[&line[..], &views].concat()).good();
    let one = files(&out);
    let rest = [("gate.low_bitrate", 1), ("gate.short_release", 119), ("gate.uploader_burst", 20)];
    assert_eq!(found(&out), rest.map(|(rule, count)| (rule.to_owned(), count)).into());
    truestream(&[&line[..], &views, &["--workers", "2"]].concat()).good();
    assert!(one == files(&out), "the same on two threads");
    truestream(&check).good();

    let wrong = policy(folder.path(), "wrong", &[("gate.toml", &gate("action = \"wait\"", "action = \"stop\""))]);
    let told = truestream(&["policy", "check", &wrong]).failed(4, &["1 mistake"]);
    assert!(
        told.out.contains("gate.toml") && told.out.contains("expected one of `ignore`, `note`, `wait`"),
        "{told:?}"
    );
}

#[test]
fn a_backtest_says_which_releases_another_gate_would_hold_or_let_through() {
    let folder = TempDir::new().expect("a folder");
    let data = data(folder.path());
    let backtested = |policy: &str, more: &[&str]| {
        let line = ["policy", "backtest", policy, "--data", &data];
        truestream(&[&line[..], more, &["--", "--every", "6h", "--windows", "24h"]].concat()).good()
    };
    let trusting = gate("uploaders = []", "uploaders = [\"u2\"]");
    let trusting = policy(folder.path(), "trusting", &[("gate.toml", &trusting)]);
    let told = backtested(&trusting, &["--json"]).json();
    let freed = told["uploads"]["let_through"].as_array().expect("a list");
    let release = |release: &serde_json::Value| {
        let texts = ["deliverer", "artist", "day"].map(|name| release[name].as_str().expect("a text").to_owned());
        (texts, release["tracks"].as_u64().expect("a count"), release["findings"]["gate.short_release"].as_u64())
    };
    let of_tuesday = |artist: &str| ["u2", artist, "2026-01-06"].map(str::to_owned);
    let expected = [(of_tuesday("new"), 110, Some(110)), (of_tuesday("known"), 10, Some(10))];
    assert_eq!(freed.iter().map(release).collect::<Vec<_>>(), expected);
    assert_eq!(told["uploads"]["newly_wait"], serde_json::json!([]));

    // All of the archive is too long for it: its streams wait, and whose they are is told.
    let lengthy = gate("asked_from = \"2026-01-01\"", "asked_from = \"2025-01-01\"").replace(
        "action = \"note\"\nsecs_min = 30\nsecs_max = 7200",
        "action = \"wait\"\nsecs_min = 30\nsecs_max = 100",
    );
    let lengthy = policy(folder.path(), "lengthy", &[("gate.toml", &lengthy)]);
    let told = backtested(&lengthy, &[]);
    let says = ["45 releases newly wait: 180 tracks, 96 streams", "by u1, artist known", "paid -> waits: 96 streams"];
    says.iter().for_each(|says| assert!(told.out.contains(says), "{says}: {told:?}"));
    let told = backtested("built-in", &[]);
    assert!(told.out.contains("Gate: every upload stands as before"), "{told:?}");
}

/// A wave of uploads.
pub const WAVE: &str = "[[wave]]\nname = 'flood'\nmeasure = 'uploads'\nhours = 24\nweeks = 4\nseen_min = 50\ntimes_min = 3\n\
                    deviations = 6\nsegment = 'default'\npoints = 20\nfloor = { hold = 25, escalate = 50, block = 80 }\n\
                    lasts_hours = 24\nlasts_max_hours = 36\n";

#[test]
fn a_wave_tightens_for_its_time_and_the_same_files_give_the_same_waves() {
    let folder = TempDir::new().expect("a folder");
    let (data, out) = (data(folder.path()), folder.path().join("out"));
    let strict = policy(folder.path(), "strict", &[("sensitivity.toml", WAVE)]);
    let line =
        ["replay", "--data", &data, "--out", &text(&out), "--every", "6h", "--windows", "24h", "--policy", &strict];
    truestream(&[&line[..], &["--emit", "changes"]].concat()).good();
    let columns = ["as_of", "diff", "wave", "segment", "from", "until", "seen", "expected"];
    let waves = rows(&out.join("wave.parquet"), &columns);
    // Uploaded on Tuesday in the first hour: seen as of six, and until Wednesday midnight; 120 beside the four of every day.
    let from = MONDAY + DAY + DAY / 4;
    let row = |as_of: i64, diff: &str, until: i64| {
        let numbers = [as_of, from, until].map(|number| number.to_string());
        let [as_of, from, until] = numbers;
        [as_of, diff.into(), "flood".into(), "default".into(), from, until, "124".into(), "4.0".into()]
            .map(String::from)
            .to_vec()
    };
    let (first, longest) = (from + DAY, from + 36 * DAY / 24);
    let mut expected = vec![row(from, "1", first)];
    for (as_of, before, until) in [(1, first, first + DAY / 4), (2, first + DAY / 4, longest)] {
        expected.extend([row(from + as_of * DAY / 4, "-1", before), row(from + as_of * DAY / 4, "1", until)]);
    }
    expected.push(row(longest, "-1", longest));
    assert_eq!(waves, expected);
    let run = std::fs::read_to_string(out.join("run.json")).expect("a manifest");
    let run: serde_json::Value = serde_json::from_str(&run).expect("JSON");
    let versions: Vec<&str> = run["policies"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|law| law["version"].as_str().expect("a name"))
        .collect();
    assert_eq!(versions, ["strict", "strict + wave flood", "strict"]);

    let again = files(&out);
    truestream(&[&line[..], &["--emit", "changes", "--workers", "2"]].concat()).good();
    assert!(again == files(&out), "the same waves, the same verdicts");
    truestream(&["policy", "show", &strict]).good();
    let wrong = policy(folder.path(), "wrong", &[("sensitivity.toml", &WAVE.replace("'default'", "'gold'"))]);
    let told = truestream(&["policy", "check", &wrong]).failed(4, &["1 mistake"]);
    assert!(told.out.contains("sensitivity.toml") && told.out.contains("default, major, probation"), "{told:?}");
}
