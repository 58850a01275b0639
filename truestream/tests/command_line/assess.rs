//! What a policy or a detector would do to whom is measured before it decides: an unfair one is blocked, a fair one passes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tempfile::TempDir;

use crate::data::{MONDAY, instants, read, text, write};
use crate::process::{Ran, truestream};

/// A week of a few hundred people.
fn world() -> &'static Path {
    static WORLD: OnceLock<PathBuf> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("assessed_world");
        let _ = std::fs::remove_dir_all(&folder);
        truestream(&["world", "--accounts", "300", "--days", "7", "--seed", "5", "--out", &text(&folder)]).good();
        folder
    })
}

fn column(rows: &RecordBatch, name: &str) -> StringArray {
    let column = cast(rows.column_by_name(name).expect("a column"), &DataType::Utf8).expect("texts");
    column.as_string::<i32>().clone()
}

/// The recordings of those tracks: of which their ids and genres say so.
fn recordings(is_wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let tracks = read(&world().join("tracks.parquet"));
    let [ids, genres, contents] = ["track_id", "genre", "content_id"].map(|name| column(&tracks, name));
    let wanted = (0..tracks.num_rows()).filter(|row| is_wanted(ids.value(*row), genres.value(*row)));
    // A track without a recording is its own.
    let of = |row| if contents.is_null(row) { ids.value(row) } else { contents.value(row) }.to_owned();
    wanted.map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Tracks that labels call fraud.
fn of_fraud() -> BTreeSet<String> {
    let labels = read(&world().join("labels.parquet"));
    let [subjects, ids, kinds] = ["subject", "subject_id", "label"].map(|name| column(&labels, name));
    let is_fraud = |row: &usize| subjects.value(*row) == "track" && kinds.value(*row) == "fraud";
    (0..labels.num_rows()).filter(is_fraud).map(|row| ids.value(row).to_owned()).collect()
}

/// Evidence of a detector that is sure of these recordings.
fn detector(folder: &Path, recordings: &[String]) -> String {
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; recordings.len()])) };
    let shares = |share: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![share; recordings.len()])) };
    let columns = [
        ("content_id", Arc::new(recordings.iter().map(Some).collect::<StringArray>()) as ArrayRef, true),
        ("detector", texts("synthesis"), true),
        ("version", texts("1"), true),
        ("risk", shares(0.95), true),
        ("confidence", shares(1.0), true),
        ("details", texts(r#"{"tier": "certain"}"#), true),
        ("known_at", instants(&vec![Some(MONDAY - 400 * 86_400_000); recordings.len()]), true),
    ];
    std::fs::create_dir_all(folder).expect("a folder");
    write(&folder.join("evidence.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).expect("rows"), 500);
    text(folder)
}

fn assess(candidate: &str, out: &Path, more: &[&str]) -> Ran {
    let (data, out) = (text(world()), text(out));
    let line = ["assess", "--data", &data, "--candidate", candidate, "--out", &out, "--owner", "music integrity"];
    truestream(&[&line[..], more, &["--", "--every", "24h", "--windows", "24h,7d"]].concat())
}

#[test]
fn a_detector_that_penalises_a_genre_is_blocked_and_one_that_does_not_passes() {
    let place = TempDir::new().expect("a folder");
    let rock = recordings(|_, genre| genre == "rock");
    assert!(rock.len() > 100, "{} recordings", rock.len());
    let unfair = assess(&detector(&place.path().join("unfair"), &rock), &place.path().join("blocked"), &[]);
    assert_eq!(unfair.code, Some(3), "{unfair:?}");
    assert!(unfair.out.contains("track genre rock") && !unfair.out.contains("genre pop"), "{unfair:?}");
    let page = std::fs::read_to_string(place.path().join("blocked/report.html")).expect("a page");
    assert!(page.contains("Blocked: a gate is not met") && page.contains("music integrity"));

    let spam = of_fraud();
    let fraud = recordings(|track, _| spam.contains(track));
    assert!(!fraud.is_empty(), "the world has spam");
    let out = place.path().join("passed");
    let fair = assess(&detector(&place.path().join("fair"), &fraud), &out, &["--json"]).good().json();
    assert_eq!(fair["decision"], "pass", "{fair}");
    assert_eq!(fair["moved_by_tags"].as_array().map(Vec::len), Some(0), "{fair}");
    // It finds what it is for.
    let tracks = fair["measures"]["groups"].as_array().expect("groups");
    let missed = |side: usize| {
        let of_tracks = tracks.iter().filter(|group| group["about"] == "track" && group["axis"] == "genre");
        of_tracks.map(|group| group["missed"][side]["hits"].as_u64().expect("a count")).sum::<u64>()
    };
    assert!(missed(1) < missed(0), "{} of fraud missed, {} now", missed(1), missed(0));
}

#[test]
fn what_must_be_assessed_comes_into_force_with_an_assessment_of_it_only() {
    let place = TempDir::new().expect("a folder");
    let policy = |name: &str, hold: &str| {
        let folder = place.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("policy.toml"), format!("version = {name:?}")).expect("written");
        let steps =
            format!("[default]\nhold = {hold}\nescalate = 60\nblock = 85\nescalate_signals = 2\nblock_signals = 3\n");
        std::fs::write(folder.join("thresholds.toml"), steps).expect("written");
        text(&folder)
    };
    let (mild, other) = (policy("mild", "42"), policy("other", "43"));
    let report = place.path().join("report");
    // Whom editors put forward is measured with it: spam, somebody else, and one whose time is over.
    let spam = of_fraud().into_iter().next().expect("the world has spam");
    let pin = |id: &str, by: &str, until: &str| {
        format!("[[pin]]\nsubject = 'track'\nid = '{id}'\nby = '{by}'\nwhy = 'x'\nuntil = '{until}'\n")
    };
    let pins = pin(&spam, "ann", "2030-01-01") + &pin("1", "ann", "2020-01-01") + &pin("2", "bob", "2030-01-01");
    std::fs::write(Path::new(&mild).join("pins.toml"), pins).expect("written");
    let told = assess(&mild, &report, &["--json"]).good().json();
    let of = |by: &str| {
        let list = told["lists"].as_array().expect("lists").iter().find(|list| list["by"] == by);
        let list = list.unwrap_or_else(|| panic!("nobody is {by}: {}", told["lists"]));
        ["entries", "expired", "fraud"].map(|name| list[name].as_u64().expect("a count"))
    };
    assert_eq!((of("ann"), of("bob")), ([2, 1, 1], [1, 0, 0]));
    let flows = told["lists"].as_array().into_iter().flatten().map(|list| list["streams"].as_u64().unwrap_or(0));
    assert!(flows.sum::<u64>() > 0, "{}", told["lists"]);
    let page = std::fs::read_to_string(report.join("report.html")).expect("a page");
    assert!(page.contains("Whom people let pass or put forward") && page.contains("tracks put forward"));
    let store = place.path().join("laws");
    std::fs::create_dir_all(&store).expect("a folder");
    std::fs::write(store.join("governance.toml"), "assessment = \"required\"").expect("written");
    let (store, report) = (text(&store), text(&report));
    let activate = |policy: &str, more: &[&str]| {
        let said = ["--store", &store, "--from", "2026-01-01", "--by", "ann", "--why", "spam"];
        truestream(&[&["policy", "activate", policy][..], &said, more].concat())
    };
    let without = activate(&mild, &[]);
    assert_eq!(without.code, Some(3), "{without:?}");
    assert!(without.err.contains("truestream assess --candidate"), "{without:?}");
    let of_another = activate(&other, &["--assessment", &report]);
    assert_eq!(of_another.code, Some(3), "{of_another:?}");
    assert!(of_another.err.contains("it is about the policy \"mild\""), "{of_another:?}");
    activate(&mild, &["--assessment", &report]).good();

    let path = Path::new(&report).join("assessment.json");
    let record = std::fs::read_to_string(&path).expect("a record");
    std::fs::write(&path, record.replacen("music integrity", "somebody else", 1)).expect("written");
    let changed = activate(&mild, &["--assessment", &report]);
    assert_eq!(changed.code, Some(4), "{changed:?}");
    assert!(changed.err.contains("changed after it was made"), "{changed:?}");
}

#[test]
fn a_policy_that_harms_everybody_alike_or_where_nobody_looks_is_blocked() {
    let place = TempDir::new().expect("a folder");
    let write = |name: &str, content: &str| std::fs::write(place.path().join(name), content).expect("written");
    write("policy.toml", "version = \"harmful\"");
    let rule = |id: &str, from: &str| {
        format!(
            "[[rule]]\nid = '{id}'\nversion = 1\nsubject = 'track'\nwindow = '24h'\nwhen = 'plays >= 1'\naction = 'hold'\ncode = 'H1'\n\
             reason = 'somebody played it'\nowner = 'x'\nfrom = '{from}'\nexpires = '2030-01-01'\n\
             tests = [{{ row = {{ plays = 1 }}, matches = true }}, {{ row = {{ plays = 0 }}, matches = false }}]\n"
        )
    };
    write("conditions.toml", &(rule("everybody", "2020-01-01") + &rule("later", "2029-01-01")));
    // Rock is noise, and all of it is too short.
    let built_in: std::collections::BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
    let (head, tail) = built_in["royalties.toml"].split_once("genres = [").expect("genres");
    let tail = tail.split_once(']').expect("their end").1.replace("seconds_min = 120", "seconds_min = 36000");
    write("royalties.toml", &format!("{head}genres = [\"rock\"]{tail}"));
    let report = place.path().join("report");
    let told = assess(&text(place.path()), &report, &["--json"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    let record = told.json();
    let missed: Vec<String> = record["gates"]
        .as_array()
        .expect("gates")
        .iter()
        .filter(|gate| gate["met"] == false)
        .map(|gate| format!("{} {}", gate["gate"], gate["found"]))
        .collect();
    for words in
        ["newly stopped\" \"tracks: ", "newly unpaid\"", "artist genre rock: 0.0 % beside", "not yet in force: later"]
    {
        assert!(missed.iter().any(|gate| gate.contains(words)), "{words}: {missed:#?}");
    }
    assert!(!missed.iter().any(|gate| gate.contains("genre pop")), "{missed:#?}");
}

#[test]
fn an_assessment_that_tolerates_more_than_may_be_brings_nothing_into_force() {
    let place = TempDir::new().expect("a folder");
    let (policy, store) = (place.path().join("policy"), place.path().join("laws"));
    [&policy, &store].into_iter().for_each(|folder| std::fs::create_dir(folder).expect("a folder"));
    std::fs::write(policy.join("policy.toml"), "version = \"same\"").expect("written");
    let limits = text(&place.path().join("limits.toml"));
    std::fs::write(&limits, "times_max = 100.0").expect("written");
    let (policy, report) = (text(&policy), place.path().join("report"));
    assess(&policy, &report, &["--limits", &limits]).good();
    let activate = || {
        let (store, report) = (text(&store), text(&report));
        let said = ["--store", &store, "--from", "2026-01-01", "--by", "ann", "--why", "x", "--assessment", &report];
        truestream(&[&["policy", "activate", &policy][..], &said].concat())
    };
    activate().failed(3, &["it tolerates times_max 100, expected at most 2"]);
    std::fs::write(store.join("governance.toml"), "[limits]\ntimes_max = 1000.0\n").expect("written");
    activate().good();
}

#[test]
fn what_is_no_candidate_is_refused() {
    let place = TempDir::new().expect("a folder");
    let refused = assess(&text(place.path()), &place.path().join("report"), &[]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.err.contains("policy.toml"), "{refused:?}");
    std::fs::write(place.path().join("limits.toml"), "times_max = 0.5").expect("written");
    let limits = text(&place.path().join("limits.toml"));
    let refused = assess("built-in", &place.path().join("report"), &["--limits", &limits]);
    assert!(refused.code == Some(4) && refused.err.contains("times_max: found 0.5"), "{refused:?}");
}
