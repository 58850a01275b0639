//! What a replay says of subjects, as its tables say it: the same for any emission and any number of workers, and read
//! by people.
//!
//! ```text
//! world ──▶ files ──▶ replay ──▶ risk, verdict, withheld ──▶ laws, and one table to read
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Parser;
use datasets::tables::read::IdKinds;
use datasets::tables::rows::{Rows, Value};
use datasets::tables::{IdKind, TableWriter};
use datasets::world::{World, WorldSpec};
use records::{IdSpace, Millis, Ruled, Ruling, RulingKind, Subject, Verdict, in_force};
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

const DAY_MS: Millis = 86_400_000;

/// What people ruled, as a file.
fn rulings(path: &Path, rows: &[Ruled]) -> String {
    let kinds: IdKinds = [IdKind::Number; IdSpace::ALL.len()];
    let mut writer = TableWriter::<Ruled>::of_kinds(path, kinds).unwrap();
    rows.iter().for_each(|row| writer.push(row.clone()).unwrap());
    writer.finish().unwrap();
    format!("--rulings={}", path.display())
}

fn ruled(subject: Subject, id: u64, kind: RulingKind, known_at: Millis) -> Ruled {
    let ruling = Ruling { kind, known_at, since: None, until: None, ruled_by: None, reason: None };
    Ruled { subject, subject_id: id.into(), ruling }
}

/// A generator of rulings (splitmix64, Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Rulings about those with a verdict, some others, and some whom nobody knows.
fn some_rulings(chance: &mut Chance, verdicts: &[Vec<String>]) -> Vec<Ruled> {
    let instants: Vec<Millis> = verdicts.iter().map(|row| row[0].parse().unwrap()).collect();
    let (first, last) = (instants[0], instants[instants.len() - 1]);
    let days = ((last - first) / DAY_MS) as u64;
    let mut rulings = Vec::new();
    for _ in 0..40 {
        let about = &verdicts[chance.below(verdicts.len() as u64) as usize];
        let (subject, id) = match chance.below(4) {
            0 => (Subject::ALL[chance.below(6) as usize], 1 + chance.below(60)),
            1 => (Subject::ALL[chance.below(6) as usize], 900_000 + chance.below(3)),
            _ => (Subject::named(&about[1]).unwrap(), about[2].parse().unwrap()),
        };
        let confirmed = [Verdict::Hold, Verdict::Escalate, Verdict::Block][chance.below(3) as usize];
        let kinds = [RulingKind::Cleared, RulingKind::Victim, RulingKind::Confirmed(confirmed), RulingKind::Withdrawn];
        let mut at =
            |share: u64| first + (chance.below(days * share / 4 + 1) as Millis) * DAY_MS - chance.below(3) as Millis;
        let (known_at, since) = (at(3), at(2));
        let mut row = ruled(subject, id, kinds[chance.below(4) as usize], known_at);
        row.ruling.since = (chance.below(3) == 0).then_some(since);
        row.ruling.until =
            (chance.below(4) == 0).then(|| known_at.max(since) + (1 + chance.below(9) as Millis) * DAY_MS);
        rulings.push(row);
    }
    rulings
}

/// What is left of verdicts is what the ruling leaves that is in force, found by a slow look at all of them.
fn leaves_what_it_says(rulings: &[Ruled], verdicts: &[Vec<String>], instants: &BTreeSet<String>) -> u32 {
    let mut ruled_out = 0;
    for as_of in instants {
        let at: Millis = as_of.parse().unwrap();
        for Ruled { subject, subject_id, .. } in rulings {
            let alike = rulings.iter().filter(|other| (&other.subject, &other.subject_id) == (subject, subject_id));
            let Some(ruling) = in_force(alike.map(|row| &row.ruling), at, at) else { continue };
            let id = subject_id.to_string();
            let row = verdicts.iter().find(|row| row[0] == *as_of && row[1] == subject.name() && row[2] == id);
            let verdict = row.map_or(Verdict::Allow, |row| Verdict::named(&row[3]).unwrap());
            assert_eq!(ruling.kind.leaves(*subject, verdict), verdict, "{subject:?} {id} as of {as_of}: {ruling:?}");
            let told = row.is_none_or(|row| row[6].contains(&format!("ruling.{}", ruling.kind.name())));
            assert!(told, "{row:?} does not tell of {ruling:?}");
            ruled_out += 1;
        }
    }
    ruled_out
}

#[test]
fn what_people_rule_is_left_of_verdicts_from_when_it_is_known_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let spec = WorldSpec { seed: 5, accounts: 60, days: 10, ..WorldSpec::default() };
    World::write(&spec, &path("data"), 2, |_| ()).unwrap();
    let tables = ["risk.parquet", "verdict.parquet", "ruling.parquet"];
    let states = |out: &str, more: &[&str]| {
        let out = path(out);
        replay(&path("data"), &out, &[&["--views=risk,verdict,ruling", "--emit=all"], more].concat()).unwrap();
        tables.map(|table| std::fs::read(out.join(table)).unwrap())
    };
    let nobody = states("nobody", &[]);
    let before = rows(&path("nobody/verdict.parquet"), &VERDICT);
    let instants: BTreeSet<String> =
        rows(&path("nobody/risk.parquet"), &["as_of"]).into_iter().map(|mut row| row.remove(0)).collect();
    for seed in 1..=2 {
        let chance = &mut Chance(seed);
        let mut known = some_rulings(chance, &before);
        let all = rulings(&path("all.parquet"), &known);
        let found = states("late", &[&all]);
        let verdicts = rows(&path("late/verdict.parquet"), &VERDICT);
        let left = leaves_what_it_says(&known, &verdicts, &instants);
        assert!(left > 100 && found != nobody, "seed {seed}: {left}");

        // Neither files nor their order nor the number of workers matter.
        known.reverse();
        let parts = known.split_at(known.len() / 3);
        let [one, two] =
            [("one.parquet", parts.0), ("two.parquet", parts.1)].map(|(name, rows)| rulings(&path(name), rows));
        assert_eq!(states("apart", &[&one, &two, "--workers=4"]), found, "seed {seed}");

        // Once they are known it makes no difference since when.
        let last_known = known.iter().map(|row| row.ruling.known_at).max().unwrap();
        let mut early = known.clone();
        early.iter_mut().for_each(|row| row.ruling.known_at -= 1_000 * DAY_MS);
        states("early", &[&rulings(&path("early.parquet"), &early)]);
        states("hindsight", &[&all, "--hindsight"]);
        for (table, columns) in [
            ("risk.parquet", &RISK[..]),
            ("verdict.parquet", &["as_of", "subject", "subject_id", "verdict", "r", "rules"]),
        ] {
            let [late, early, hindsight] =
                ["late", "early", "hindsight"].map(|run| rows(&path(run).join(table), columns));
            let after = |of: &[Vec<String>]| -> Vec<Vec<String>> {
                of.iter().filter(|row| row[0].parse::<Millis>().unwrap() > last_known).cloned().collect()
            };
            assert!(!after(&late).is_empty() && after(&late) == after(&early), "seed {seed}: {table}");
            assert!(early == hindsight, "seed {seed}: {table} with hindsight");
        }
    }
}

#[test]
fn a_ruling_on_nobody_harms_nothing_and_who_is_cleared_speaks_against_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let spec = WorldSpec { seed: 5, accounts: 60, days: 10, ..WorldSpec::default() };
    World::write(&spec, &path("data"), 2, |_| ()).unwrap();
    let states = |out: &str, known: &[Ruled]| {
        let file = rulings(&path("rulings.parquet"), known);
        replay(&path("data"), &path(out), &["--views=risk,verdict,ruling", &file]).unwrap();
        ["risk.parquet", "verdict.parquet"].map(|table| std::fs::read(path(out).join(table)).unwrap())
    };
    replay(&path("data"), &path("without"), &["--views=risk,verdict,ruling"]).unwrap();
    let without = ["risk.parquet", "verdict.parquet"].map(|table| std::fs::read(path("without").join(table)).unwrap());
    assert_eq!(states("none", &[]), without);
    let unknown = Subject::ALL.map(|subject| ruled(subject, 900_000, RulingKind::Cleared, 0));
    assert_eq!(states("unknown", &unknown), without);
    assert_eq!(rows(&path("unknown/ruling.parquet"), &["subject", "ruling"]).len(), 6);

    // Whoever has no play left keeps the verdict that a person confirmed.
    let block = RulingKind::Confirmed(Verdict::Block);
    states("confirmed", &[ruled(Subject::Account, 900_000, block, 0)]);
    let [before, after] = ["without", "confirmed"].map(|run| rows(&path(run).join("verdict.parquet"), &VERDICT));
    let own = after.iter().find(|row| row[2] == "900000").unwrap();
    assert_eq!((own[3].as_str(), own[4].as_str(), own[6].as_str()), ("block", "0", "[\"ruling.confirmed\"]"));
    assert!(
        own[5].starts_with("[\"a person ruled on 1970-01-01 00:00 UTC [ruling: confirmed, at least block]\""),
        "{}",
        own[5]
    );
    let others: Vec<_> = after.iter().filter(|row| row[2] != "900000").cloned().collect();
    assert_eq!(others, before);

    // Account 20 is blocked, and who is beside it is suspected for that.
    states("cleared", &[ruled(Subject::Account, 20, RulingKind::Cleared, 0)]);
    let r = |run: &str, subject: &str, id: &str| {
        let rows = rows(&path(run).join("risk.parquet"), &RISK);
        let row = rows.into_iter().find(|row| row[1] == subject && row[2] == id);
        row.map_or((0.0, String::new()), |row| (row[3].parse().unwrap(), row[7].clone()))
    };
    assert!(!rows(&path("cleared/verdict.parquet"), &VERDICT).iter().any(|row| row[1] == "account" && row[2] == "20"));
    let ((before, _), (after, parts)) = (r("without", "account", "20"), r("cleared", "account", "20"));
    assert!(after > 0.8 && after <= before && parts.contains("ruling.cleared"), "{before} {after} {parts}");
    let ((before, _), (after, _)) = (r("without", "artist", "2001"), r("cleared", "artist", "2001"));
    assert!(after < before, "the artist is suspected as before: {before} {after}");
}
