//! Numbers of a territory: whoever is at home there is judged by them, and everybody else as before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::DataType;
use records::lot::drawn;
use serde_json::json;
use tempfile::TempDir;

use crate::alive::{EVERY_MS, HOW, Service, replayed};
use crate::data::{instants, rewrite, rows, text, with, world};
use crate::process::{files, truestream};

const LOW: &str = "hold = 1\nescalate = 20\nblock = 30\nescalate_signals = 1\nblock_signals = 1\n";
const MIX: &str =
    "heard = { content = 40, behaviour = 60, policy = 0 }\nunheard = { content = 0, behaviour = 100, policy = 0 }\n";
/// Midnight between the two days of the world.
const MIDNIGHT: i64 = 1_767_312_000_000;

/// What everybody is judged by, what accounts and tracks at home in the US are, and what everybody would be if those numbers were everybody's.
fn policies(folder: &Path) -> [String; 3] {
    let local = format!("[territory.US.account]\n{LOW}[territory.US.track]\n{LOW}");
    let example = "[[verdict]]\nname = 'at home'\nsubject = 'account'\nterritory = 'US'\nsignals = { edge = 100 }\nverdict = 'block'\n";
    let files = [
        ("usual", vec![]),
        (
            "local",
            vec![
                ("thresholds.toml", local),
                ("weights.toml", format!("[territory.US.track]\n{MIX}")),
                ("tests.toml", example.to_owned()),
            ],
        ),
        (
            "everywhere",
            vec![("thresholds.toml", format!("[default]\n{LOW}")), ("weights.toml", format!("[track]\n{MIX}"))],
        ),
    ];
    files.map(|(name, files)| {
        let policy = folder.join(name);
        std::fs::create_dir_all(&policy).expect("a folder");
        std::fs::write(policy.join("policy.toml"), format!("version = {name:?}")).expect("written");
        files.into_iter().for_each(|(file, text)| std::fs::write(policy.join(file), text).expect("written"));
        text(&policy)
    })
}

/// A small world with the rows of all tracks that are played.
fn played(folder: &Path) -> PathBuf {
    let data = folder.join("played");
    truestream(&["world", "--accounts", "120", "--days", "2", "--seed", "11", "--out", &text(&data)]).good();
    let heard: BTreeSet<String> = rows(&data.join("plays.parquet"), &["track_id"]).concat().into_iter().collect();
    rewrite(&data, "plays", 500, |plays| plays);
    rewrite(&data, "tracks", 500, |tracks| {
        let ids = cast(tracks.column_by_name("track_id").expect("ids"), &DataType::Utf8).expect("ids have texts");
        let ids = ids.as_any().downcast_ref::<StringArray>().expect("texts");
        let is_heard = ids.iter().map(|id| id.map(|id| heard.contains(id))).collect();
        filter_record_batch(&tracks, &is_heard).expect("rows")
    });
    data
}

/// Where accounts and tracks are at home.
fn homes(data: &Path) -> BTreeMap<(String, String), String> {
    let of = |subject: &str, table: &str| {
        let rows = rows(&data.join(table), &[&format!("{subject}_id"), "country"]).into_iter();
        let home = |row: Vec<String>| ((subject.to_owned(), row[0].clone()), row[1].clone());
        rows.map(home).collect::<Vec<_>>()
    };
    [of("account", "accounts.parquet"), of("track", "tracks.parquet")].into_iter().flatten().collect()
}

const VERDICT: [&str; 8] = ["as_of", "subject", "subject_id", "verdict", "r", "rules", "reasons", "policy_version"];

/// All verdicts at every instant, and where their tables are.
fn verdicts(data: &Path, policy: &str, out: &Path, more: &[&str]) -> Vec<Vec<String>> {
    let line = ["replay", "--data", &text(data), "--out", &text(out), "--every", "6h", "--windows", "24h,7d"];
    let views = ["--emit", "all", "--views", "verdict,risk", "--policy", policy];
    truestream(&[&line[..], &views, more].concat()).good();
    rows(&out.join("verdict.parquet"), &VERDICT)
}

/// What was decided, without the words.
fn decided(rows: &[Vec<String>], is_wanted: impl Fn(&[String]) -> bool) -> Vec<Vec<String>> {
    rows.iter().filter(|row| is_wanted(row)).map(|row| row[..6].to_vec()).collect()
}

#[test]
fn a_territory_is_judged_by_its_own_numbers_and_everybody_else_as_before() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path();
    let data = &played(path);
    let [usual, local, everywhere] = policies(path);
    let of = |policy: &str, out: &str, more: &[&str]| verdicts(data, policy, &path.join(out), more);
    let [by_usual, by_local, by_everywhere] =
        [(&usual, "1"), (&local, "2"), (&everywhere, "3")].map(|(policy, out)| of(policy, out, &[]));
    let homes = homes(data);
    let is_home = |row: &[String]| homes.get(&(row[1].clone(), row[2].clone())).is_some_and(|home| home == "US");

    // The slow twin: those at home as if these numbers were everybody's, all others as if there were none.
    let mut expected = decided(&by_everywhere, is_home);
    expected.extend(decided(&by_usual, |row| !is_home(row)));
    let mut found = decided(&by_local, |_| true);
    [&mut expected, &mut found].into_iter().for_each(|rows| rows.sort());
    assert_eq!(found, expected);
    let moved = |kind: &str| {
        let of = |rows: &[Vec<String>]| decided(rows, |row| row[1] == kind && is_home(row)).len();
        (of(&by_usual), of(&by_local))
    };
    assert!(["account", "track"].iter().all(|kind| moved(kind).0 + 10 < moved(kind).1), "{:?}", moved("track"));
    // Who is told so, and nobody else: a tier's own thresholds go before.
    let judged = "\"judged by the thresholds of territory.US.";
    let told: BTreeSet<bool> = by_local.iter().filter(|row| row[6].contains(judged)).map(|row| is_home(row)).collect();
    assert_eq!(told, BTreeSet::from([true]));
    assert!(by_local.iter().any(|row| row[6].contains("by the weights of territory US")));
    of(&local, "4", &["--workers", "4"]);
    assert!(files(&path.join("2")) == files(&path.join("4")), "the same on four threads");

    // It is shown, compared, its example decided; a backtest moves nobody but those at home.
    let told = truestream(&["policy", "show", &local]).good();
    assert!(told.out.contains("thresholds.territory.US.account.hold = 1    (not built in)"), "{told:?}");
    let told = truestream(&["policy", "diff", &usual, &local]).good();
    assert!(told.out.contains("weights.territory.US.track.unheard.behaviour: nothing -> 100"), "{told:?}");
    truestream(&["policy", "check", &local]).good();
    assert!(truestream(&["policy", "test", &local]).good().out.contains("as meant   at home"));
    let line = ["policy", "backtest", &local, "--against", &usual, "--data", &text(data), "--json"];
    let told = truestream(&[&line[..], &["--", "--every", "24h", "--windows", "24h"]].concat()).good().json();
    let moved = told["moved"].as_array().expect("a list");
    let who = |row: &serde_json::Value| ["subject", "id"].map(|name| row[name].as_str().unwrap_or("").to_owned());
    let is_home = |[subject, id]: [String; 2]| homes.get(&(subject, id)).is_some_and(|home| home == "US");
    assert!(moved.len() > 10 && moved.iter().all(|row| is_home(who(row))), "{told:#}");

    // From its day on, by whoever activates it, and for some of them where it is tried.
    let activate = |store: &str, policy: &str, from: &str, more: &[&str]| {
        let line = ["policy", "activate", policy, "--store", store, "--from", from, "--by", "ann", "--why", "a test"];
        truestream(&[&line[..], more].concat()).good();
    };
    let [laws, tried] = ["laws", "tried"].map(|name| text(&path.join(name)));
    for (store, more) in [(&laws, &[][..]), (&tried, &["--stage", "beta", "--percent", "50"][..])] {
        activate(store, &usual, "2025-12-01", &[]);
        activate(store, &local, "2026-01-02", more);
        let is_local = |row: &&Vec<String>| {
            let is_drawn = more.is_empty() || drawn("local", &format!("{} {}", row[1], row[2])) < 50;
            is_drawn && row[0].parse::<i64>().expect("an instant") >= MIDNIGHT
        };
        let mut expected: Vec<_> = by_usual.iter().filter(|row| !is_local(row)).collect();
        expected.extend(by_local.iter().filter(is_local));
        expected.sort();
        let found = of(store, "5", &[]);
        let mut found: Vec<_> = found.iter().collect();
        found.sort();
        assert_eq!(found, expected);
    }
    of(&laws, "5", &[]);
    let of_account = |row: &&Vec<String>| row[1] == "account" && row[6].contains(judged);
    let one = by_local.iter().rfind(of_account).expect("an account at home");
    let as_of = datasets::formats::instant::to_text(one[0].parse().expect("an instant"));
    let tables = text(&path.join("5"));
    let line = ["explain", "account", &one[2], "--tables", &tables, "--as-of", &as_of, "--policy", &laws];
    let told = truestream(&[&line[..], &["--data", &text(data)]].concat()).good();
    let numbers = "thresholds of territory.US.account: hold from 0.01 on, escalate from 0.20, block from 0.30";
    assert!(told.out.contains(numbers) && told.out.contains("the same, to the last word"), "{told:?}");
}

#[test]
fn a_track_whose_artist_moves_is_judged_anew_from_then_on() {
    let folder = TempDir::new().expect("a folder");
    let (path, data) = (folder.path(), played(folder.path()));
    let at = |instant: Option<i64>, rows: usize| instants(&vec![instant; rows]);
    rewrite(&data, "tracks", 500, |tracks| {
        let many = tracks.num_rows();
        let country = |code: &str| Arc::new(StringArray::from(vec![Some(code); many])) as ArrayRef;
        let home = |code: &str, from: Option<i64>| {
            with(&with(&tracks, "country", country(code)), "valid_from", at(from, many))
        };
        // At first in the US, written as somebody may; then elsewhere.
        let rows = [home("us", None), home("SE", Some(MIDNIGHT - 1))];
        concat_batches(&rows[0].schema(), &rows).expect("the same columns")
    });
    let [usual, local, everywhere] = policies(path);
    let of = |policy: &str, out: &str| {
        let mut rows = verdicts(&data, policy, &path.join(out), &[]);
        rows.retain(|row| row[1] == "track");
        rows
    };
    let is_early = |row: &[String]| row[0].parse::<i64>().expect("an instant") < MIDNIGHT;
    let mut expected = decided(&of(&everywhere, "1"), is_early);
    assert!(expected.len() > 10, "{}", expected.len());
    expected.extend(decided(&of(&usual, "2"), |row| !is_early(row)));
    let mut found = decided(&of(&local, "3"), |_| true);
    [&mut expected, &mut found].into_iter().for_each(|rows| rows.sort());
    assert_eq!(found, expected);
}

#[test]
fn an_account_that_moves_is_judged_by_where_it_is_from_the_next_instant_on() {
    let folder = TempDir::new().expect("a folder");
    let (path, state) = (folder.path(), folder.path().join("state"));
    let [_, local, _] = policies(path);
    let views = ["account_window", "risk", "verdict"];
    let (tables, as_of) = replayed(&HOW, world(), path, &views, &["--policy", &local]);
    let service = Service::start(&state, &["--follow", &text(world()), "--policy", &local]);
    service.wait_until_followed();
    service.wait_as_of(as_of);
    service.states(&tables, &views);
    service.running.ask_to_end();
    service.running.end().good();

    // One of those who are stopped because they are at home in the US, and would not be elsewhere, leaves.
    let told = rows(&tables.join("verdict.parquet"), &["subject", "subject_id", "r", "reasons"]);
    let is_local = |row: &&Vec<String>| {
        row[0] == "account"
            && row[3].contains("territory.US.account")
            && (0.05..0.3).contains(&row[2].parse::<f64>().expect("a risk"))
    };
    let stopped: Vec<&String> = told.iter().filter(is_local).map(|row| &row[1]).collect();
    let [leaves, stays, ..] = stopped[..] else { panic!("{told:?}") };
    let verdicts = |service: &Service| {
        let told = service.sql("SELECT subject_id FROM verdict WHERE subject = 'account'");
        let ids = cast(told.column(0), &DataType::Utf8).expect("texts");
        let ids = ids.as_any().downcast_ref::<StringArray>().expect("texts");
        ids.iter().flatten().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let service = Service::start(&state, &["--time", "told", "--policy", &local]);
    service.wait_as_of(as_of);
    assert!([leaves, stays].iter().all(|id| verdicts(&service).contains(*id)));
    let number: u64 = leaves.parse().expect("a number");
    let row = format!("{}\n", json!({"account_id": number, "country": "SE"}));
    let next = as_of + EVERY_MS;
    let until = format!("Truestream-Until: {next}\r\n");
    assert_eq!(service.ask("POST /v1/accounts", &until, row.as_bytes()).expect("an answer").0, 200);
    service.wait_as_of(next);
    assert_eq!([leaves, stays].map(|id| verdicts(&service).contains(id)), [false, true]);
    service.running.kill();

    // Whoever goes through the log again, on four threads, finds the same.
    let service = Service::start(&state, &["--time", "told", "--policy", &local, "--workers", "4"]);
    service.wait_as_of(next);
    assert_eq!([leaves, stays].map(|id| verdicts(&service).contains(id)), [false, true]);
}
