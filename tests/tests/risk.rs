//! What a replay says of subjects, as its tables say it: the same for any emission and any number of workers, and read
//! by people.
//!
//! ```text
//! world ──▶ files ──▶ replay ──▶ risk, verdict, withheld ──▶ laws, and one table to read
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Parser;
use datasets::tables::rows::{Rows, Value};
use datasets::world::{World, WorldSpec};
use truestream::replay::ReplayArgs;

/// `truestream replay`, without the process around it.
#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    replay: ReplayArgs,
}

fn replay(data: &Path, out: &Path, words: &[&str]) -> Result<(), String> {
    let (data, out) = (format!("--data={}", data.display()), format!("--out={}", out.display()));
    let words =
        ["truestream", &data, &out, "--every=1d", "--windows=1d,7d,28d"].into_iter().chain(words.iter().copied());
    let line = CommandLine::try_parse_from(words).map_err(|error| error.to_string())?;
    truestream::replay::replay(&line.replay).map(|_| ()).map_err(|failure| format!("{}: {failure}", failure.code()))
}

/// The rows of a table, as texts.
fn rows(path: &Path, columns: &[&str]) -> Vec<Vec<String>> {
    let mut rows = Rows::open(path, columns).unwrap();
    let mut found = Vec::new();
    while rows.advance().unwrap() {
        let cell = |at| match rows.value(at) {
            Value::Null => String::new(),
            Value::Text(text) => text.to_owned(),
            Value::Int(number) => number.to_string(),
            Value::UInt(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
        };
        found.push((0..columns.len()).map(cell).collect());
    }
    found
}

const RISK: [&str; 8] = ["as_of", "subject", "subject_id", "r", "rc", "rb", "rp", "parts"];
const VERDICT: [&str; 9] =
    ["as_of", "subject", "subject_id", "verdict", "r", "reasons", "rules", "policy_version", "models"];

/// One line per suspect; of tracks only how many.
fn told(verdicts: &[Vec<String>]) -> String {
    let mut text = String::new();
    let mut tracks: BTreeMap<&str, u32> = BTreeMap::new();
    for row in verdicts {
        let [_, subject, id, verdict, r, _, rules, ..] = row.as_slice() else { panic!("nine columns") };
        if subject == "track" {
            *tracks.entry(verdict).or_default() += 1;
            continue;
        }
        let rules: Vec<String> = serde_json::from_str(rules).unwrap();
        let rules: Vec<&str> = rules.iter().filter_map(|rule| Some(rule.split_once('.')?.1)).collect();
        text += &format!("{subject} {id}: {verdict} {r} {}\n", rules.join(" "));
    }
    tracks.iter().for_each(|(verdict, count)| text += &format!("{count} tracks: {verdict}\n"));
    text
}

#[test]
fn verdicts_are_the_same_however_they_are_emitted_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let [data, last, all, withheld] = ["data", "last", "all", "withheld"].map(|name| folder.path().join(name));
    let spec = WorldSpec { seed: 5, accounts: 60, days: 10, ..WorldSpec::default() };
    World::write(&spec, &data, 2, |_| ()).unwrap();
    replay(&data, &last, &["--views=risk,verdict", "--emit=last", "--workers=2"]).unwrap();
    replay(&data, &all, &["--views=risk,verdict", "--emit=all"]).unwrap();

    for (view, columns) in [("risk.parquet", &RISK[..]), ("verdict.parquet", &VERDICT[..])] {
        let (last, all) = (rows(&last.join(view), columns), rows(&all.join(view), columns));
        assert!(!last.is_empty() && all.len() > last.len());
        let end: Vec<_> = all.into_iter().filter(|row| row[0] == last[0][0]).collect();
        assert_eq!(last, end, "{view}");
        let keys: Vec<_> = last.iter().map(|row| (&row[1], &row[2])).collect();
        assert!(keys.is_sorted(), "{view}");
    }
    for row in rows(&last.join("risk.parquet"), &RISK) {
        let parts: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(&row[7]).unwrap();
        let ten_thousandths = |number: f64| (number * 10_000.0).round() as u64;
        let shares = parts.iter().map(|part| ten_thousandths(part["share"].as_f64().unwrap()));
        assert_eq!(shares.sum::<u64>(), ten_thousandths(row[3].parse().unwrap()), "{row:?}");
    }
    let verdicts = rows(&last.join("verdict.parquet"), &VERDICT);
    assert!(
        verdicts.iter().all(|row| row[5].contains("no audio evidence") || row[1] == "account" || row[1] == "playlist")
    );
    let found = told(&verdicts);
    assert_eq!(found, include_str!("risk.verdicts.txt"), "if that is what it should be, put it there:\n{found}");

    replay(&data, &withheld, &["--views=withheld"]).unwrap();
    is_withheld(&data, &withheld);
    let refused = replay(&data, &withheld, &["--views=withheld", "--emit=all"]).unwrap_err();
    assert!(refused.starts_with("2: ") && refused.contains("--emit all"), "{refused}");
}

/// The plays of blocked accounts are withheld, those that were refused or corrected left out, and no others.
fn is_withheld(data: &Path, out: &Path) {
    let verdicts = rows(&out.join("verdict.parquet"), &VERDICT);
    let blocked: BTreeSet<&String> =
        verdicts.iter().filter(|row| row[1] == "account" && row[3] == "block").map(|row| &row[2]).collect();
    assert!(!blocked.is_empty(), "nobody is blocked");
    let as_of: i64 = verdicts[0][0].parse().unwrap();
    let refused: BTreeSet<String> =
        rows(&out.join("refusal.parquet"), &["row"]).into_iter().map(|mut row| row.remove(0)).collect();
    let corrected: BTreeSet<String> =
        rows(&data.join("corrections.parquet"), &["play_id"]).into_iter().map(|mut row| row.remove(0)).collect();
    let ids = ["play_id", "account_id", "track_id"];
    let plays = rows(&data.join("plays.parquet"), &[ids[0], ids[1], ids[2], "ended_at"]);
    let mut expected: Vec<Vec<String>> = Vec::new();
    for (number, row) in plays.into_iter().enumerate() {
        let live = row[3].parse::<i64>().unwrap() >= as_of - 28 * 86_400_000;
        if live && blocked.contains(&row[1]) && !corrected.contains(&row[0]) && !refused.contains(&number.to_string()) {
            expected.push(row[..3].to_vec());
        }
    }
    let mut found = rows(&out.join("withheld.parquet"), &ids);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
