//! What a policy, a model or a detector would do to whom is measured before it decides: an unfair one is blocked, a fair one passes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, UInt64Type};
use tempfile::TempDir;

use crate::data::{MONDAY, copy, instants, read, rewrite, text, with, write};
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

/// A week of a world in which one genre is heard where there is no network, and nothing else sets its listeners apart.
fn underground(folder: &Path) {
    truestream(&["world", "--accounts", "400", "--days", "7", "--seed", "5", "--out", &text(folder)]).good();
    let genres = genres(folder);
    rewrite(folder, "plays", 50_000, |plays| {
        let offline = plays.column_by_name("offline").expect("a column").as_boolean();
        let tracks = numbers(&plays, "track_id");
        let is_offline =
            |row: usize| offline.value(row) || genres.get(&tracks.value(row)).is_some_and(|it| it == GENRE);
        let heard: BooleanArray = (0..plays.num_rows()).map(|row| Some(is_offline(row))).collect();
        with(&plays, "offline", Arc::new(heard))
    });
    // Most of the catalogue is never played, and reading it is most of the time of a small run.
    let played: BTreeSet<u64> =
        numbers(&read(&folder.join("plays.parquet")), "track_id").values().iter().copied().collect();
    rewrite(folder, "tracks", 50_000, |tracks| {
        let is_played = numbers(&tracks, "track_id").values().iter().map(|id| Some(played.contains(id))).collect();
        filter_record_batch(&tracks, &is_played).expect("rows")
    });
}

/// The genre that the desk below has something against.
const GENRE: &str = "metal";

fn numbers(rows: &RecordBatch, name: &str) -> UInt64Array {
    let column = cast(rows.column_by_name(name).expect("a column"), &DataType::UInt64).expect("numbers");
    column.as_primitive::<UInt64Type>().clone()
}

/// The genre of each track.
fn genres(folder: &Path) -> HashMap<u64, String> {
    let tracks = read(&folder.join("tracks.parquet"));
    let (ids, genres) = (numbers(&tracks, "track_id"), column(&tracks, "genre"));
    ids.values().iter().zip(genres.iter()).filter_map(|(id, genre)| Some((*id, genre?.to_owned()))).collect()
}

/// Whoever streams more of the genre than of any other, and is no fraud.
fn lovers(folder: &Path) -> Vec<u64> {
    let (genres, plays) = (genres(folder), read(&folder.join("plays.parquet")));
    let [accounts, tracks, heard_ms] = ["account_id", "track_id", "played_ms"].map(|name| numbers(&plays, name));
    let mut streams: BTreeMap<u64, BTreeMap<&str, u64>> = BTreeMap::new();
    for row in (0..plays.num_rows()).filter(|row| heard_ms.value(*row) >= 30_000) {
        let genre = genres.get(&tracks.value(row)).map_or("", String::as_str);
        *streams.entry(accounts.value(row)).or_default().entry(genre).or_default() += 1;
    }
    let labels = read(&folder.join("labels.parquet"));
    let (subjects, kinds, ids) = (column(&labels, "subject"), column(&labels, "label"), numbers(&labels, "subject_id"));
    let is_bad = |row: &usize| subjects.value(*row) == "account" && kinds.value(*row) != "honest";
    let bad: BTreeSet<u64> = (0..labels.num_rows()).filter(is_bad).map(|row| ids.value(row)).collect();
    let loves = |genres: &BTreeMap<&str, u64>| {
        let most = genres.iter().max_by_key(|(_, count)| **count);
        most.is_some_and(|(genre, _)| *genre == GENRE)
    };
    let lovers = streams.iter().filter(|(account, genres)| loves(genres) && !bad.contains(account));
    lovers.map(|(account, _)| *account).collect()
}

/// A desk calls all of these fraud, as late as the truth is known.
fn accused(folder: &Path, accounts: &[u64]) {
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; accounts.len()])) };
    let rows = RecordBatch::try_from_iter([
        ("subject", texts("account")),
        ("subject_id", Arc::new(UInt64Array::from(accounts.to_vec())) as ArrayRef),
        ("label", texts("fraud")),
        ("attack", texts("a desk with a prejudice")),
        ("labelled_at", instants(&vec![Some(MONDAY + 7 * 86_400_000); accounts.len()])),
    ]);
    write(&folder.join("labels-desk.parquet"), &rows.expect("columns of one length"), 500);
}

#[test]
fn a_model_that_learned_to_penalise_a_genre_is_blocked_and_one_of_the_same_data_that_did_not_passes() {
    let place = TempDir::new().expect("a folder");
    let [fair, unfair] = ["fair", "unfair"].map(|name| place.path().join(name));
    underground(&fair);
    copy(&fair, &unfair);
    let lovers = lovers(&fair);
    assert!(lovers.len() > 30, "{} listeners", lovers.len());
    accused(&unfair, &lovers);
    let registry = text(&place.path().join("models"));
    let train = |data: &Path| truestream(&["train", "--data", &text(data), "--registry", &registry]).good();
    // The truth is the same for both: what the desk said is no label of it.
    let assess = |out: &str, more: &[&str]| {
        let (data, out) = (text(&fair), text(&place.path().join(out)));
        let line = ["assess", "--data", &data, "--candidate", &registry, "--out", &out, "--json"];
        truestream(&[&line[..], more, &["--", "--every", "24h", "--windows", "24h,7d,28d"]].concat())
    };
    let promote = |report: &str| {
        let report = text(&place.path().join(report));
        truestream(&["promote", "--registry", &registry, "--assessment", &report])
    };
    // What is as it was is told behind what is worse.
    let stopped = |record: &serde_json::Value| {
        let found = record["gates"][1]["found"].as_str().expect("words");
        found.split("; as now").next().unwrap_or_default().to_owned()
    };

    train(&fair);
    std::fs::write(Path::new(&registry).join("governance.toml"), "assessment = \"required\"").expect("written");
    let record = assess("passed", &[]).good().json();
    assert!(record["decision"] == "pass" && !stopped(&record).contains("account genre"), "{record}");
    assert_eq!(record["against"], "the same without it");
    truestream(&["evaluate", "--registry", &registry, "--data", &text(&fair)]).good();
    promote("passed").good();

    train(&unfair);
    let told = assess("blocked", &["--version", "latest"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    let record = told.json();
    assert_eq!((&record["candidate"]["version"], &record["against"]), (&"2".into(), &"the champion, version 1".into()));
    let found = stopped(&record);
    assert!(found.starts_with(&format!("account genre {GENRE}: ")) && found.contains(" times as much"), "{found}");
    assert_eq!(found.matches("genre").count(), 1, "{found}");
    // No model reads a tag, so an exchange of tags finds nothing: it is what goes with the genre that it learned.
    assert_eq!(record["moved_by_tags"].as_array().map(Vec::len), Some(0), "{record}");
    promote("blocked").failed(3, &["it did not pass", &format!("account genre {GENRE}")]);
    promote("passed").failed(3, &["it is about the model \"1\""]);
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
    let built_in: BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
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
