//! Policies as those who edit them meet them: mistakes, settings, differences and examples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use records::lot::drawn;
use serde_json::json;
use tempfile::TempDir;

use crate::data::{MONDAY, copy, instants, read, rows, text, with, write};
use crate::process::truestream;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

fn path(folder: &TempDir) -> String {
    text(Path::new(folder.path()))
}

#[test]
fn a_check_says_every_mistake_with_its_line() {
    let told = truestream(&["policy", "check"]).good();
    assert!(told.out.contains("in order") && told.out.contains("playlist.one_channel is off"), "{told:?}");
    let wrong = folder(&[
        ("policy.toml", "version = \"x\""),
        ("rules.toml", "[account]\nedge = { on = true, weight = 101 }"),
        (
            "weights.toml",
            "[track]\nheard = { content = 1, behaviour = 1, policy = 1 }\nunheard = { content = 0, behaviour = 75, policy = 25 }",
        ),
        ("tests.toml", "[[verdict]]\nname = 1"),
    ]);
    let told = truestream(&["policy", "check", &path(&wrong)]);
    assert_eq!(told.code, Some(4), "{told:?}");
    for word in ["rules.toml", "found 101", "weights.toml", "expected 100", "line 2", "tests.toml"] {
        assert!(told.out.contains(word), "{word}: {told:?}");
    }
    assert!(told.err.contains("3 mistakes"), "{told:?}");
    assert_eq!(truestream(&["policy", "check", "/nowhere"]).code, Some(4));
}

#[test]
fn settings_are_shown_and_compared() {
    let strict = folder(&[
        ("policy.toml", "version = \"strict\""),
        ("rules.toml", "[account]\nedge = { on = true, weight = 66 }"),
    ]);
    let told = truestream(&["policy", "show", &path(&strict)]).good();
    assert!(told.out.contains("rules.account.edge.weight = 66    (built in: 65)"), "{told:?}");
    let told = truestream(&["policy", "diff", "built-in", &path(&strict)]).good();
    assert_eq!(told.out.lines().count(), 2, "{told:?}");
    assert!(told.out.contains("rules.account.edge.weight: 65 -> 66"), "{told:?}");
    let dated = folder(&[("policy.toml", "version = \"dated\""), ("conditions.toml", CONDITIONS)]);
    let told = truestream(&["policy", "diff", "built-in", &path(&dated)]).good();
    for said in ["expires: nothing -> 2030-01-01T00:00:00Z", "from: nothing -> 2026-01-02T00:00:00Z"] {
        assert!(told.out.contains(said), "{said}: {told:?}");
    }
    let told = truestream(&["policy", "diff", "built-in", "built-in", "--json"]).good();
    assert_eq!(told.json().as_array().map(Vec::len), Some(0));
}

#[test]
fn a_change_that_breaks_an_example_is_seen_before_it_acts() {
    truestream(&["policy", "test"]).good();
    let strict = folder(&[
        ("policy.toml", "version = \"strict\""),
        ("rules.toml", "[account]\nlockstep = { on = false, weight = 0 }"),
        (
            "tests.toml",
            "[[verdict]]\nname = \"edge holds\"\nsubject = \"account\"\nsignals = { edge = 100 }\nverdict = \"hold\"\nrisk_max = 65",
        ),
    ]);
    let told = truestream(&["policy", "test", &path(&strict)]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.out.contains("as meant   edge holds"), "{told:?}");
    assert!(told.out.contains("OTHERWISE  built-in: a farm that loops"), "{told:?}");
    assert!(told.out.contains("found escalate at risk 0.74, expected block at least 0.85"), "{told:?}");
    let strange = folder(&[
        ("policy.toml", "version = \"x\""),
        (
            "tests.toml",
            "[[verdict]]\nname = \"x\"\nsubject = \"account\"\nsignals = { audio = 1 }\nverdict = \"allow\"",
        ),
    ]);
    let told = truestream(&["policy", "test", &path(&strange)]);
    assert_eq!((told.code, told.err.contains("`audio` is no signal of account")), (Some(4), true), "{told:?}");
}

#[test]
fn a_backtest_names_whom_a_change_would_hold_or_free() {
    let data = text(crate::data::world());
    let steps = "hold = 1\nescalate = 90\nblock = 95\nescalate_signals = 2\nblock_signals = 3";
    let strict =
        folder(&[("policy.toml", "version = \"strict\""), ("thresholds.toml", &format!("[default]\n{steps}"))]);
    let more = ["--", "--every", "24h", "--windows", "24h"];
    let line = ["policy", "backtest", &path(&strict), "--data", &data];
    let told = truestream(&[&line[..], &["--json"], &more].concat()).good().json();
    let moved = told["moved"].as_array().expect("a list");
    let held = |row: &&serde_json::Value| row["from"] == "allow" && row["to"] == "hold";
    assert!(moved.iter().filter(held).count() > 10, "{told:#}");
    assert!(moved.iter().any(|row| row["streams"].as_u64() > Some(0) && row["reason"] != ""));
    let sums: u64 =
        told["sums"].as_array().expect("a list").iter().map(|sum| sum["subjects"].as_u64().unwrap_or(0)).sum();
    assert_eq!(sums, moved.len() as u64);

    // What newly waits is told as money, and who of the honest artists would notice.
    let stakes = &told["stakes"];
    let waits: Vec<_> = stakes["ways"].as_array().into_iter().flatten().collect();
    let newly = waits.iter().find(|way| way["from"] == "paid" && way["to"] == "waits").expect("streams that wait");
    let (streams, amount) = (newly["streams"].as_u64().expect("a count"), newly["amount"].as_f64().expect("an amount"));
    assert!(streams > 100 && (amount - streams as f64 * 0.004).abs() < 1e-9, "{stakes:#}");
    let touched = stakes["honest_artists_touched"].as_array().expect("a list");
    let lost: u64 = touched.iter().filter_map(|artist| artist["lost"].as_u64()).sum();
    assert!(lost > 0 && lost <= streams, "{stakes:#}");
    assert!(stakes["honest_artists"].as_u64() >= Some(touched.len() as u64), "{stakes:#}");

    // Who sets a limit is told where it is passed.
    let limit = ["--json", "--artists-max", "0"];
    truestream(&[&line[..], &limit, &more].concat()).failed(3, &["honest artists", "expected at most 0"]);

    // Who is called fraud and, in the same breath, honest, is fraud, whichever is read last; who is called honest later, is honest.
    let doubted = TempDir::new().expect("a folder");
    copy(crate::data::world(), doubted.path());
    let labels = read(&doubted.path().join("labels.parquet"));
    let [first, last] = ["labels-a.parquet", "labels-b.parquet"].map(|name| doubted.path().join(name));
    std::fs::rename(doubted.path().join("labels.parquet"), first).expect("renamed");
    let honest: ArrayRef = Arc::new(StringArray::from(vec!["honest"; labels.num_rows()]));
    let honest = with(&labels, "label", honest);
    let called_fraud = |told: &serde_json::Value| {
        let moved = told["moved"].as_array().expect("a list").iter();
        moved.filter(|row| row["label"] == "fraud").count()
    };
    let said = |also: &RecordBatch| {
        write(&last, also, 500);
        let line = ["policy", "backtest", &path(&strict), "--data", &path(&doubted), "--json"];
        truestream(&[&line[..], &more].concat()).good().json()
    };
    assert!(called_fraud(&told) > 0 && called_fraud(&said(&honest)) == called_fraud(&told), "{told:#}");
    let later = instants(&vec![Some(MONDAY + 1_000 * 86_400_000); labels.num_rows()]);
    assert_eq!(called_fraud(&said(&with(&honest, "labelled_at", later))), 0);

    // What it sets itself nobody says again: it would tell of one policy and decide by another.
    for (option, value) in [
        ("--policy", path(&strict)),
        ("--views", "risk".to_owned()),
        ("--emit", "none".to_owned()),
        ("--data", data.clone()),
        ("--out", path(&strict)),
    ] {
        let own = ["policy", "backtest", "built-in", "--data", &data, "--", option, &value];
        truestream(&own).failed(2, &[option, "sets itself"]);
        let own = ["policy", "check", &path(&strict), "--data", &data, "--", &format!("{option}={value}")];
        truestream(&own).failed(2, &[option, "sets itself"]);
        let own = ["explain", "account", "1", "--tables", &data, "--", option, &value];
        truestream(&own).failed(2, &[option, "sets itself"]);
        let report = text(&strict.path().join("report"));
        let own = ["assess", "--candidate", &path(&strict), "--data", &data, "--out", &report, "--", option, &value];
        truestream(&own).failed(2, &[option, "sets itself"]);
    }

    // The other way round they are freed, and nobody moves between a policy and itself.
    let back = ["policy", "backtest", "built-in", "--against", &path(&strict), "--data", &data];
    let freed = truestream(&[&back[..], &["--json"], &more].concat()).good().json();
    assert_eq!(freed["moved"].as_array().map(Vec::len), Some(moved.len()));
    let back_again = |way: &&serde_json::Value| way["from"] == "waits" && way["to"] == "paid";
    let freed =
        freed["stakes"]["ways"].as_array().into_iter().flatten().find(back_again).expect("streams that are freed");
    assert_eq!(freed["streams"].as_u64(), Some(streams));
    let same = ["policy", "backtest", "built-in", "--data", &data];
    let told = truestream(&[&same[..], &more].concat()).good();
    assert!(told.out.contains("nobody is decided otherwise"), "{told:?}");
    assert!(told.out.contains("every stream stands as before"), "{told:?}");
}

#[test]
fn a_policy_that_wrongs_more_honest_artists_than_may_be_is_not_activated() {
    let data = text(crate::data::world());
    let built_in: BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
    let low = built_in["royalties.toml"].replace("streams_min = 1000", "streams_min = 2");
    let low = low.replace("listeners_min = 50", "listeners_min = 1");
    let calm = folder(&[("policy.toml", "version = \"calm\""), ("royalties.toml", &low)]);
    // The catalogued artists have far more; those of the world have a few streams in its two days.
    let high = low.replace("streams_min = 2\n", "streams_min = 40\n");
    let other = folder(&[("policy.toml", "version = \"other terms\""), ("royalties.toml", &high)]);
    let more = ["--", "--every", "24h", "--windows", "24h"];
    let line = ["policy", "backtest", &path(&other), "--against", &path(&calm), "--data", &data, "--json"];
    let told = truestream(&[&line[..], &more].concat()).good().json();
    assert_eq!(told["moved"].as_array().map(Vec::len), Some(0), "verdicts are the same");
    let wronged = told["terms"]["wronged"].as_array().expect("a list");
    let shut_out = wronged.iter().filter(|artist| artist["tracks_shut_out"].as_u64() > Some(0)).count();
    assert!(shut_out > 5, "{told:#}");

    let store = folder(&[]);
    let activate = |policy: &TempDir, more: &[&str]| {
        let said = ["--store", &path(&store), "--from", "2025-12-01", "--by", "ann", "--why", "x"];
        truestream(&[&["policy", "activate", &path(policy)], &said[..], more].concat())
    };
    activate(&calm, &[]).good();
    let check = ["policy", "check", &path(&other), "--store", &path(&store), "--data", &data];
    let told = truestream(&[&check[..], &["--json", "--artists-max", "100000"], &more].concat()).good().json();
    assert_eq!(told["artists_wronged"], wronged.len());
    // Unless told otherwise one of a hundred may be.
    assert_eq!(truestream(&[&check[..], &more].concat()).code, Some(4));
    let told = truestream(&[&check[..], &["--artists-max", "2"], &more].concat());
    assert!(told.code == Some(4) && told.out.contains("expected at most 2"), "{told:?}");

    std::fs::write(store.path().join("governance.toml"), "artists_max = 2\n").expect("written");
    activate(&other, &[]).failed(3, &["artists_max", "--data DIR"]);
    let told = activate(&other, &["--data", &data]);
    assert!(told.code == Some(4) && told.out.contains("expected at most 2"), "{told:?}");
    std::fs::write(store.path().join("governance.toml"), "artists_max = 100000\n").expect("written");
    activate(&other, &["--data", &data]).good();
}

/// A name, whether suspicion travels otherwise under it, and its files.
type Candidate = (&'static str, bool, Vec<(&'static str, String)>);

#[test]
fn one_replay_for_two_policies_writes_what_two_replays_write() {
    let data = text(crate::data::world());
    let scratch = folder(&[]);
    let steps = |hold: u64| {
        format!("[default]\nhold = {hold}\nescalate = 50\nblock = 70\nescalate_signals = 2\nblock_signals = 3")
    };
    let rule = |kind: &str, name: &str, weight: u64| format!("[{kind}]\n{name} = {{ on = true, weight = {weight} }}\n");
    let declares = datasets::policy::BUILT_IN.iter().find(|(name, _)| *name == "disclosure.toml").expect("a file").1;
    let shadow = CONDITIONS.replacen("action = \"hold\"", "action = \"hold\"\nshadow = true", 1);
    let how = ["--every", "12h", "--windows", "24h,7d"];
    let replayed = |policy: &str, out: &str| {
        let line =
            ["replay", "--data", &data, "--out", out, "--emit", "changes", "--views", "verdict,payout_hold,gate"];
        truestream(&[&line[..], &["--policy", policy], &how].concat()).good();
    };
    let base = folder(&[("policy.toml", "version = \"base\""), ("thresholds.toml", &steps(20))]);
    let before = text(&scratch.path().join("base"));
    replayed(&path(&base), &before);
    // Who writes the windows, too, finds the same verdicts: nobody judges by numbers that are not counted where nobody reads them.
    let whole = scratch.path().join("whole");
    let views = "verdict,payout_hold,gate,account_window,track_window,artist_window,uploader_window,playlist_window,distributor_window";
    let line = ["replay", "--data", &data, "--out", &text(&whole), "--emit", "changes", "--views", views];
    truestream(&[&line[..], &["--policy", &path(&base)], &how].concat()).good();
    let verdicts = |folder: &Path| std::fs::read(folder.join("verdict.parquet")).expect("a table");
    assert!(verdicts(&whole) == verdicts(Path::new(&before)), "other verdicts beside windows");
    // Numbers from a seed: another pair of a threshold and a weight for each candidate.
    let dice = |seed: u64, below: u64| (seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % below;
    let candidates: [Candidate; 7] = [
        ("threshold", false, vec![("thresholds.toml", steps(1 + dice(1, 40)))]),
        ("rule", false, vec![("thresholds.toml", steps(20)), ("conditions.toml", CONDITIONS.to_owned())]),
        ("shadow", false, vec![("thresholds.toml", steps(20)), ("conditions.toml", shadow)]),
        ("track", false, vec![("rules.toml", rule("track", "suspicious_accounts", dice(2, 100)))]),
        ("around", false, vec![("rules.toml", rule("account", "suspicious_tracks", dice(3, 100)))]),
        ("account", true, vec![("rules.toml", rule("account", "edge", dice(4, 60)))]),
        (
            "flow",
            true,
            vec![
                ("flow.toml", format!("floor = {}\ndamping = 90\nrounds = 3", 1 + dice(5, 20))),
                ("disclosure.toml", declares.replace("undeclared = \"hold\"", "undeclared = \"ignore\"")),
            ],
        ),
    ];
    for (name, is_apart, files) in candidates {
        let version = format!("version = \"{name}\"");
        let mut all = vec![("policy.toml", version.as_str())];
        all.extend(files.iter().map(|(name, content)| (*name, content.as_str())));
        let candidate = folder(&all);
        let [both, alone] = ["both", "alone"].map(|what| scratch.path().join(format!("{name}.{what}")));
        let line = ["policy", "backtest", &path(&candidate), "--against", &path(&base), "--data", &data, "--json"];
        let told = truestream(&[&line[..], &["--out", &text(&both), "--"], &how].concat()).good().json();
        assert_eq!(told["signals_apart"].is_string(), is_apart, "{name}: {told:#}");
        // Who keeps no tables is told the same.
        let unkept = truestream(&[&line[..], &["--"], &how].concat()).good().json();
        let said = |told: &serde_json::Value| {
            let mut said = told.clone();
            said["seconds"] = json!(0);
            said
        };
        assert_eq!(said(&unkept), said(&told), "{name}");
        replayed(&path(&candidate), &text(&alone));
        for (one, two) in [(both.join("before"), Path::new(&before)), (both.join("after"), &alone)] {
            for table in ["verdict.parquet", "payout_hold.parquet", "gate.parquet", "refusal.parquet", "run.json"] {
                let [one, two] = [&*one, two].map(|folder| std::fs::read(folder.join(table)).expect("a table"));
                assert!(one == two, "{name}: {table} is another");
            }
        }
        assert!(name == "shadow" || told["moved"] != json!([]), "{name} moves nobody");
    }
}

#[test]
fn a_backtest_that_is_told_to_end_leaves_nothing_behind() {
    let scratch = folder(&[]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_truestream"));
    command.args(["policy", "backtest", "built-in", "--data", &text(crate::data::world())]);
    let mut child = command.env("TMPDIR", scratch.path()).spawn().expect("it starts");
    let is_empty = || std::fs::read_dir(scratch.path()).expect("a folder").next().is_none();
    while is_empty() && child.try_wait().expect("a process").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(!is_empty(), "it ended before it could be told to");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("told");
    assert_eq!((child.wait().expect("it ends").code(), is_empty()), (Some(130), true));
}

#[test]
fn reputations_are_what_verdicts_and_catalogue_say_at_every_instant() {
    /// Kinds and ids of those who brought it.
    type Brought = Vec<(&'static str, String)>;
    let steps = "[default]\nhold = 1\nescalate = 20\nblock = 40\nescalate_signals = 1\nblock_signals = 2";
    let built_in: BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
    // The archive is asked, too, and waits for low reputations.
    let gate = built_in["gate.toml"].replacen("asked_from = \"2026-01-01\"", "asked_from = \"1970-01-01\"", 1);
    let gate = gate.replacen("action = \"note\"\nbelow = 70", "action = \"wait\"\nbelow = 80", 1);
    let strict = folder(&[("policy.toml", "version = \"strict\""), ("thresholds.toml", steps), ("gate.toml", &gate)]);
    let (data, tables) = (crate::data::world(), strict.path().join("tables"));
    let line = ["replay", "--data", &text(data), "--out", &text(&tables), "--every", "6h", "--windows", "24h"];
    let more = ["--emit", "all", "--views", "verdict,reputation,gate", "--policy", &path(&strict)];
    truestream(&[&line[..], &more].concat()).good();
    let check = ["verify", "--data", &text(data), "--out", &text(&tables), "--view", "gate", "--sample", "3"];
    truestream(&check).good();
    // With nothing but the gate asked for it is the same, on four threads as well.
    let alone = strict.path().join("alone");
    let line = ["replay", "--data", &text(data), "--out", &text(&alone), "--every", "6h", "--windows", "24h"];
    let more = ["--emit", "all", "--views", "gate", "--policy", &path(&strict), "--workers", "4"];
    truestream(&[&line[..], &more].concat()).good();
    let [one, four] = [&tables, &alone].map(|folder| std::fs::read(folder.join("gate.parquet")).expect("a table"));
    assert!(one == four, "the gate is the same on four threads");
    // From when on.
    let mut owners: BTreeMap<(String, String), BTreeMap<i64, Brought>> = BTreeMap::new();
    for row in rows(&data.join("tracks.parquet"), &["track_id", "uploader_id", "distributor_id", "valid_from"]) {
        let brought = [("uploader", row[1].clone()), ("distributor", row[2].clone())];
        let from = row[3].parse().unwrap_or(i64::MIN);
        owners.entry(("track".to_owned(), row[0].clone())).or_default().insert(from, brought.into());
    }
    for row in rows(&data.join("playlists.parquet"), &["playlist_id", "owner_id"]) {
        let brought = vec![("playlist_owner", row[1].clone())];
        owners.entry(("playlist".to_owned(), row[0].clone())).or_default().insert(i64::MIN, brought);
    }
    let mut verdicts: BTreeMap<String, BTreeMap<(String, String), String>> = BTreeMap::new();
    for row in rows(&tables.join("verdict.parquet"), &["as_of", "subject", "subject_id", "verdict"]) {
        verdicts.entry(row[0].clone()).or_default().insert((row[1].clone(), row[2].clone()), row[3].clone());
    }
    let mut expected: Vec<Vec<String>> = Vec::new();
    let mut once: BTreeSet<(String, String)> = BTreeSet::new();
    let mut overturned_ever = 0;
    for (as_of, now) in &verdicts {
        once.extend(now.keys().cloned());
        // All, held, escalated, blocked, overturned, halves of bad things.
        let mut sums: BTreeMap<(&str, &String), [u64; 6]> = BTreeMap::new();
        let instant: i64 = as_of.parse().expect("milliseconds");
        for (thing, brought) in &owners {
            let Some((_, brought)) = brought.range(..instant).next_back() else { continue };
            let (place, halves) = match now.get(thing).map(String::as_str) {
                Some("hold") => (1, 1),
                Some("escalate") => (2, 1),
                Some("block") => (3, 2),
                _ if once.contains(thing) => (4, 0),
                _ => (0, 0),
            };
            for (kind, id) in brought.iter().filter(|(_, id)| !id.is_empty()) {
                let sum = sums.entry((kind, id)).or_default();
                sum[0] += 1;
                sum[5] += halves;
                if place > 0 {
                    sum[place] += 1;
                }
            }
        }
        for ((kind, id), [all, held, escalated, blocked, overturned, halves]) in sums {
            overturned_ever += overturned;
            if halves + overturned > 0 {
                let share = (4.0 + all as f64 - halves as f64 / 2.0) / (5.0 + all as f64);
                let counts = [all, held, escalated, blocked, overturned].map(|count| count.to_string());
                let share = format!("{:.4}", (share * 10_000.0 + 1e-6).round() / 10_000.0);
                let ids = [as_of.clone(), kind.to_owned(), id.clone()];
                expected.push(ids.into_iter().chain(counts).chain([share]).collect());
            }
        }
    }
    let columns =
        ["as_of", "subject", "subject_id", "subjects", "held", "escalated", "blocked", "overturned", "reputation"];
    let mut found = rows(&tables.join("reputation.parquet"), &columns);
    for row in &mut found {
        let share: f64 = row[8].parse().expect("a number");
        row[8] = format!("{share:.4}");
    }
    found.retain(|row| verdicts.contains_key(&row[0]));
    found.sort();
    expected.sort();
    waits_for_low_reputations(&tables, data, &expected);
    assert!(expected.len() > 20 && overturned_ever > 0, "{} rows, {overturned_ever} overturned", expected.len());
    let other = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert_eq!((found.len(), other), (expected.len(), None));
}

/// What the gate finds by reputations, as of every instant of these: the rows in force of which the one or the other owner has less than 80.
fn waits_for_low_reputations(tables: &Path, data: &Path, reputations: &[Vec<String>]) {
    let mut of: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for row in reputations {
        let share: f64 = row[8].parse().expect("a number");
        of.insert((&row[0], &row[1], &row[2]), (share * 100.0 + 1e-9) as u64);
    }
    let mut listed: BTreeMap<String, BTreeMap<i64, Vec<String>>> = BTreeMap::new();
    for row in
        rows(&data.join("tracks.parquet"), &["track_id", "uploader_id", "distributor_id", "uploaded_at", "valid_from"])
    {
        listed.entry(row[0].clone()).or_default().insert(row[4].parse().unwrap_or(i64::MIN), row);
    }
    let instants: BTreeSet<&str> = reputations.iter().map(|row| row[0].as_str()).collect();
    let mut expected: BTreeSet<Vec<String>> = BTreeSet::new();
    for as_of in instants.iter().copied() {
        let instant: i64 = as_of.parse().expect("milliseconds");
        for versions in listed.values() {
            let Some((_, row)) = versions.range(..instant).next_back() else { continue };
            if !row[3].parse::<i64>().is_ok_and(|uploaded| uploaded < instant) {
                continue;
            }
            for (kind, id) in [("distributor", &row[2]), ("uploader", &row[1])] {
                if let Some(percent) = of.get(&(as_of, kind, id.as_str())).filter(|percent| **percent < 80) {
                    let told = [
                        as_of,
                        row[0].as_str(),
                        &format!("gate.{kind}_reputation"),
                        "wait",
                        &percent.to_string(),
                        "80",
                    ];
                    expected.insert(told.map(str::to_owned).to_vec());
                }
            }
        }
    }
    let columns = ["as_of", "track_id", "rule", "action", "seen", "against"];
    let mut found = rows(&tables.join("gate.parquet"), &columns);
    found.retain(|row| row[2].ends_with("_reputation") && instants.contains(row[0].as_str()));
    assert!(found.len() > 20, "{} rows", found.len());
    assert!(
        found.iter().cloned().collect::<BTreeSet<_>>() == expected,
        "{} rows, expected {}",
        found.len(),
        expected.len()
    );
    assert_eq!(found.len(), expected.len());
}

/// Rules of several kinds, one of which never matches.
pub const CONDITIONS: &str = r#"
[[rule]]
id = "card_testers"
version = 2
subject = "account"
window = "24h"
when = "plays >= 5 and skipped / payable not between 0.25 and 9 and track_entropy > 1"
action = "hold"
code = "R1"
reason = "many plays, few of them skipped"
ground = "terms 4.2"
owner = "payments"
expires = "2030-01-01"
tests = [
    { row = { plays = 5, skipped = 1, payable = 5, track_entropy = 2 }, matches = true },
    { row = { plays = 5, skipped = 5 }, matches = false },
]

[[rule]]
id = "everybody"
version = 1
subject = "account"
window = "24h"
when = "plays > 0"
action = "block"
code = "R2"
reason = "plays"
owner = "nobody"
shadow = true
from = "2026-01-02"
expires = "2030-01-01"
tests = [{ row = { plays = 1 }, matches = true }, { row = {}, matches = false }]

[[rule]]
id = "half"
version = 1
subject = "track"
window = "24h"
when = "plays > 0"
action = "escalate"
code = "R3"
reason = "plays"
owner = "labels"
rollout_percent = 50
expires = "2030-01-01"
tests = [{ row = { plays = 1 }, matches = true }, { row = {}, matches = false }]

[[rule]]
id = "nobody"
version = 1
subject = "playlist"
window = "24h"
when = "plays > 1000000"
action = "hold"
code = "R4"
reason = "plays"
owner = "playlists"
expires = "2030-01-01"
tests = [{ row = { plays = 1000001 }, matches = true }, { row = {}, matches = false }]
"#;

#[test]
fn rules_match_whom_sql_matches_and_the_gravest_that_acts_decides() {
    let policy = folder(&[("policy.toml", "version = \"rules\""), ("conditions.toml", CONDITIONS)]);
    truestream(&["policy", "check", &path(&policy)]).good();
    let (data, tables) = (text(crate::data::world()), policy.path().join("tables"));
    let views = "account_window,track_window,verdict,rule_hit";
    let line = ["replay", "--data", &data, "--out", &text(&tables), "--every", "24h", "--windows", "24h,7d"];
    let more = ["--emit", "all", "--views", views, "--policy", &path(&policy), "--json"];
    let told = truestream(&[&line[..], &more].concat()).good().json();

    // The same conditions, by SQLite. Its numbers are real, so that a share is no whole number.
    let base = rusqlite::Connection::open_in_memory().expect("a base");
    base.execute_batch(
        "CREATE TABLE t (as_of, id, window, plays REAL, skipped REAL, payable REAL, track_entropy REAL)",
    )
    .expect("a table");
    let columns = ["as_of", "account_id", "window", "plays", "skipped", "payable", "track_entropy"];
    for row in rows(&tables.join("account_window.parquet"), &columns) {
        base.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", rusqlite::params_from_iter(row)).expect("a row");
    }
    let expected = |when: &str| -> Vec<Vec<String>> {
        let sql = format!("SELECT as_of, id FROM t WHERE window = '24h' AND ({when})");
        let mut query = base.prepare(&sql).expect("SQL that both understand");
        let found = query.query_map([], |row| Ok(vec![row.get(0)?, row.get(1)?])).expect("rows");
        let mut found: Vec<Vec<String>> = found.collect::<Result<_, _>>().expect("rows");
        found.sort();
        found
    };
    let columns = ["as_of", "subject_id", "rule", "effect", "decides", "subject"];
    let hits = rows(&tables.join("rule_hit.parquet"), &columns);
    let found = |rule: &str| {
        let mut found: Vec<_> = hits.iter().filter(|hit| hit[2] == rule).map(|hit| hit[..2].to_vec()).collect();
        found.sort();
        found
    };
    let first = expected("plays >= 5 and skipped / payable not between 0.25 and 9 and track_entropy > 1");
    let second = expected("plays > 0 and as_of >= '1767312000000'");
    assert!(first.len() > 5 && second.len() > first.len(), "{} {}", first.len(), second.len());
    assert_eq!((found("card_testers"), found("everybody")), (first, second));

    // What is in the shadow decides nothing, however grave it is; whoever a rule decides has its verdict.
    assert!(hits.iter().all(|hit| hit[2] != "everybody" || (hit[3].as_str(), hit[4].as_str()) == ("shadow", "0")));
    let of = |effect: &str| hits.iter().filter(|hit| hit[2] == "half" && hit[3] == effect).count();
    let (acts, waits) = (of("acts"), of("not_rolled_out"));
    assert!(acts * 3 > waits && waits * 3 > acts && acts + waits > 100, "{acts} {waits}");
    let columns = ["as_of", "subject_id", "subject", "verdict", "reasons", "rules"];
    let verdicts = rows(&tables.join("verdict.parquet"), &columns);
    let decided: Vec<_> = hits.iter().filter(|hit| hit[4] == "1").collect();
    assert!(decided.len() > 100, "{}", decided.len());
    for hit in decided {
        let row = verdicts.iter().find(|row| row[0] == hit[0] && row[1] == hit[1] && row[2] == hit[5]);
        let row = row.unwrap_or_else(|| panic!("no verdict: {hit:?}"));
        let (verdict, words) = match hit[2].as_str() {
            "half" => ("escalate", "[\"plays [rule half/1 calls for escalate: R3]"),
            _ => ("hold", "[\"many plays, few of them skipped [rule card_testers/2 calls for hold: R1; terms 4.2]"),
        };
        assert_eq!((row[3].as_str(), row[4].starts_with(words)), (verdict, true), "{row:?}");
        assert!(row[5].contains(&format!("\"rule.{}\"", hit[2])), "{row:?}");
    }
    // A rule that matches nobody is told with its owner.
    assert_eq!((&told["rules"][3]["rule"], &told["rules"][3]["matches"]), (&"nobody".into(), &0.into()));
}

#[test]
fn a_table_of_rules_decides_as_the_same_rules_written_out() {
    let data = text(crate::data::world());
    let written = "[[rule]]\nid = 'many'\nversion = 1\nsubject = 'account'\nwindow = '24h'\nwhen = 'plays >= 20 and skipped between 0 and 9'\n\
                   action = 'hold'\ncode = 'T1'\nreason = 'many plays'\nowner = 'ann'\nexpires = '2030-01-01'\n\
                   tests = [{ row = { plays = 20 }, matches = true }, { row = { plays = 19 }, matches = false }]\n";
    // And the one that people are shown can be.
    let shown = include_str!("../../../docs/POLICY.md").split("## Decision tables").nth(1).expect("a section");
    let shown = shown.split("\n## ").next().expect("what comes before the next");
    let row =
        |line: &str| line.trim_matches('|').replace('`', "").split('|').map(str::trim).collect::<Vec<_>>().join(",");
    let lines = shown.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let shown = lines.map(row).collect::<Vec<_>>().join("\n");
    assert!(shown.lines().count() == 3, "{shown}");
    let policy = folder(&[("policy.toml", "version = \"shown\""), ("decisions.csv", &shown)]);
    truestream(&["policy", "check", &path(&policy)]).good();
    let table = "id,version,subject,window,plays,skipped,action,code,reason,owner,expires\n\
                 many,1,account,24h,>= 20,0..9,hold,T1,many plays,ann,2030-01-01\n";
    let [written, table] = [("conditions.toml", written), ("decisions.csv", table)].map(|file| {
        let policy = folder(&[("policy.toml", "version = \"table\""), file]);
        truestream(&["policy", "check", &path(&policy)]).good();
        let out = text(&policy.path().join("tables"));
        let line = ["replay", "--data", &data, "--out", &out, "--every", "24h", "--windows", "24h", "--policy"];
        truestream(&[&line[..], &[&path(&policy), "--views", "verdict,rule_hit", "--emit", "changes"]].concat()).good();
        ["verdict", "rule_hit"]
            .map(|view| std::fs::read(Path::new(&out).join(format!("{view}.parquet"))).expect("a table"))
    });
    assert!(written == table);
    // One that is over never counts; a folder that is not there is no catalogue.
    let over = shown.replace("2026-07-01", "2020-07-01");
    let policy = folder(&[("policy.toml", "version = \"over\""), ("decisions.csv", &over)]);
    let told = truestream(&["policy", "check", &path(&policy), "--json"]).good().json();
    let idle = told["never_counts"].as_array().expect("a list").iter().filter_map(|told| told.as_str());
    assert_eq!(idle.filter(|told| told.contains("has expired at 2020-07-01")).count(), 2, "{told:#}");
    truestream(&["policy", "check", &path(&policy), "--store", "/nowhere"]).failed(2, &["/nowhere", "no folder"]);
    truestream(&["economics", "--store", "/nowhere"]).failed(2, &["/nowhere", "no folder"]);
    // A misspelt column tests nothing, which must not be taken for a test that everybody passes.
    let rows = "id,version,subject,window,plays,listners,action,code,reason,owner,expires\n\
                a,1,account,24h,>= 20,,hold,T1,many plays,ann,2030-01-01\n\
                b,1,playlist,24h,>= 20,-,hold,T1,many plays,ann,2030-01-01\n";
    let with = |rows: &str| folder(&[("policy.toml", "version = \"x\""), ("decisions.csv", rows)]);
    let told = truestream(&["policy", "check", &path(&with(rows))]).failed(4, &["1 mistake"]);
    let says = "decisions.csv: found the column \"listners\", expected a column of account_window or playlist_window";
    assert!(told.out.contains(says), "{told:?}");
    // Of playlists alone.
    truestream(&["policy", "check", &path(&with(&rows.replace("listners", "listeners")))]).good();
    let policy = folder(&[("policy.toml", "version = \"x\""), ("decisions.csv", "id,version\n")]);
    let told = truestream(&["policy", "check", &path(&policy)]);
    assert!(told.code == Some(4) && told.out.contains("decisions.csv: found no column \"subject\""), "{told:?}");
}

#[test]
fn a_rule_that_cannot_be_is_named_with_what_is_wrong() {
    for (right, wrong, says) in [
        ("plays >= 5 and", "playz >= 5 and", "`playz`"),
        ("plays >= 5 and", "plays >= 5 and and", "found `and` as word 5"),
        ("plays >= 5 and", "exists (select 1) and", "`exists`"),
        ("plays >= 5 and", "plays >= 5; drop", "found ';'"),
        ("plays >= 5 and", "plays >= 6 and", "does not match the row"),
        ("id = \"everybody\"", "id = \"card_testers\"", "twice"),
        ("action = \"hold\"", "action = \"ban\"", "conditions.toml"),
        ("action = \"hold\"", "action = \"allow\"", "expected hold, escalate or block"),
        ("window = \"24h\"", "window = \"a day\"", "window"),
        ("owner = \"payments\"\nexpires = \"2030-01-01\"", "owner = \"payments\"", "expires"),
        ("from = \"2026-01-02\"", "from = \"2031-01-02\"", "expires before from"),
        (
            "tests = [{ row = { plays = 1 }, matches = true }, { row = {}, matches = false }]",
            "tests = []",
            "a test row",
        ),
        ("{ plays = 1 }", "{ listens = 1 }", "`listens`"),
    ] {
        assert!(CONDITIONS.contains(right), "{right}");
        let text = CONDITIONS.replacen(right, wrong, 1);
        let folder = folder(&[("policy.toml", "version = \"x\""), ("conditions.toml", &text)]);
        let told = truestream(&["policy", "check", &path(&folder)]);
        assert_eq!((told.code, told.out.contains(says)), (Some(4), true), "{wrong}: {told:?}");
    }
    // A rule about a window that a run does not have stops the run.
    let policy = folder(&[("policy.toml", "version = \"x\""), ("conditions.toml", CONDITIONS)]);
    let data = text(crate::data::world());
    let out = text(&policy.path().join("tables"));
    let line = ["replay", "--data", &data, "--out", &out, "--windows", "7d", "--policy", &path(&policy)];
    let told = truestream(&line);
    assert_eq!((told.code, told.err.contains("reads the window 24h, expected one of")), (Some(2), true), "{told:?}");
}

#[test]
fn a_replay_uses_the_policy_of_each_day_and_every_old_verdict_is_found_again() {
    let scratch = folder(&[]);
    let (data, store) = (text(crate::data::world()), text(&scratch.path().join("laws")));
    let steps = |hold: u8| {
        format!("[default]\nhold = {hold}\nescalate = 90\nblock = 95\nescalate_signals = 2\nblock_signals = 3")
    };
    let days = ["2025-12-01", "2026-01-01T12:00:00Z", "2026-01-02", "2026-01-02T06:00:00Z", "2026-01-02T18:00:00Z"];
    let mut policies = Vec::new();
    for (number, from) in days.iter().enumerate() {
        let (name, weight) = (format!("v{number}"), 20 + 15 * number);
        let rules = format!("[account]\nedge = {{ on = true, weight = {weight} }}");
        let version = format!("version = \"{name}\"");
        let mut files = vec![("policy.toml", version.as_str()), ("rules.toml", &rules)];
        let (thresholds, conditions) = (steps(1 + number as u8 * 7), CONDITIONS.to_owned());
        files.push(("thresholds.toml", &thresholds));
        files.extend((number % 2 == 1).then_some(("conditions.toml", conditions.as_str())));
        let policy = folder(&files);
        let line = ["policy", "activate", &path(&policy), "--store", &store, "--from", from, "--by", "ann"];
        truestream(&[&line[..], &["--why", "a test"]].concat()).good();
        policies.push((name, policy));
    }
    let replayed = |policy: &str, out: &str| {
        let out = scratch.path().join(out);
        let line = ["replay", "--data", &data, "--out", &text(&out), "--every", "6h", "--windows", "24h,7d"];
        truestream(&[&line[..], &["--emit", "all", "--views", "verdict,rule_hit", "--policy", policy]].concat()).good();
        let columns = ["as_of", "subject", "subject_id", "verdict", "r", "reasons", "rules", "policy_version"];
        let hits = ["as_of", "subject", "subject_id", "rule", "effect", "decides", "policy_version"];
        let mut found = rows(&out.join("verdict.parquet"), &columns);
        found.extend(rows(&out.join("rule_hit.parquet"), &hits));
        found
    };
    let dated = replayed(&store, "dated");
    for (name, policy) in &policies {
        let version = |row: &&Vec<String>| row.last() == Some(name);
        let mine: Vec<_> = dated.iter().filter(version).collect();
        assert!(!mine.is_empty(), "{name}: {} rows", mine.len());
        let as_of: BTreeSet<&String> = mine.iter().map(|row| &row[0]).collect();
        // Of these instants the policy alone says the same, to the last word.
        let alone = replayed(&path(policy), name);
        let alone: Vec<_> = alone.iter().filter(|row| as_of.contains(&row[0])).collect();
        assert_eq!(mine, alone, "{name}");
    }
    // One of them is explained, out of the tables of all days, and found anew under the law of its day alone.
    let third = ("2026-01-02T00:00:00Z", "1767312000000");
    let of_third = |row: &&Vec<String>| row.len() == 8 && row[0] == third.1 && row[1] == "account";
    let one = dated.iter().find(of_third).expect("a verdict under the third policy");
    let explain = |tables: &str| {
        let tables = text(&scratch.path().join(tables));
        let line = ["explain", "account", &one[2], "--tables", &tables, "--as-of", third.0, "--policy", &store];
        truestream(&[&line[..], &["--data", &data, "--json"]].concat())
    };
    let told = explain("dated").good().json();
    let found = (&told["verdict"]["verdict"], &told["verdict"]["policy_version"], &told["activation"]["number"]);
    assert_eq!(found, (&json!(one[3]), &json!("v2"), &json!(3)), "{told:#}");
    assert_eq!(told["verdict"]["reasons"].to_string(), one[5], "{told:#}");
    assert_eq!(told["found_anew"], true);
    // Tables that were made under another law say something else.
    explain("v4").failed(3, &["found anew it is another"]);
    // And so are a hundred that chance draws from all days, each under its own law.
    let sample = |tables: &str| {
        let tables = text(&scratch.path().join(tables));
        truestream(&["explain", "--sample", "100", "--tables", &tables, "--policy", &store, "--data", &data, "--json"])
    };
    let told = sample("dated").good().json();
    assert_eq!((&told["sampled"], &told["found_anew"]), (&json!(100), &json!(100)), "{told:#}");
    assert!(told["policies"].as_u64() > Some(2), "{told:#}");
    sample("v4").failed(3, &["found anew", "are others, first"]);
    // A rollback puts the one before into force again; what was in force stays known.
    let line = ["policy", "rollback", "--store", &store, "--from", "2026-02-01", "--by", "bob", "--why", "too strict"];
    let told = truestream(&line).good();
    assert!(told.out.contains("6: \"v3\" is in force as of 2026-02-01"), "{told:?}");
    for (as_of, version) in [("2026-01-02T06:00:00Z", "v3"), ("2026-01-02T05:59:59Z", "v2"), ("2026-03-01", "v3")] {
        let told = truestream(&["policy", "show", &store, "--as-of", as_of]).good();
        assert!(told.out.contains(&format!("version = {version} ")), "{as_of}: {told:?}");
    }
    let told = truestream(&["policy", "history", &store]).good();
    assert!(told.out.contains("by bob") && told.out.contains("nobody changed"), "{told:?}");
    let early = ["policy", "activate", &path(&policies[0].1), "--store", &store, "--from", "2026-01-15", "--by", "x"];
    let told = truestream(&[&early[..], &["--why", "x"]].concat());
    assert_eq!((told.code, told.err.contains("stays so")), (Some(4), true), "{told:?}");
    // Who changes what was activated is found out.
    let chain = Path::new(&store).join("activations.jsonl");
    let changed = std::fs::read_to_string(&chain).expect("a chain").replacen("ann", "eve", 1);
    std::fs::write(&chain, changed).expect("written");
    let told = truestream(&["replay", "--data", &data, "--out", &text(&scratch.path().join("x")), "--policy", &store]);
    assert_eq!((told.code, told.err.contains("nobody changed")), (Some(4), true), "{told:?}");
}

#[test]
fn a_policy_that_is_tried_decides_about_those_who_are_drawn_and_nobody_else_and_goes_on_as_it_is_agreed() {
    let scratch = folder(&[]);
    let (data, store) = (text(crate::data::world()), text(&scratch.path().join("laws")));
    let lower = "[default]\nhold = 5\nescalate = 20\nblock = 30\nescalate_signals = 1\nblock_signals = 1\n";
    let calm = folder(&[("policy.toml", "version = \"calm\"")]);
    let strict = folder(&[("policy.toml", "version = \"strict\""), ("thresholds.toml", lower)]);
    std::fs::create_dir(&store).expect("a folder");
    let asks =
        "[beta]\npercent_max = 50\nsigned_by = ['policy-editor']\n[full]\nsigned_by = ['policy-editor', 'reviewer']\n";
    std::fs::write(Path::new(&store).join("governance.toml"), asks).expect("written");
    let activate = |policy: &TempDir, from: &str, more: &[&str]| {
        let line =
            ["policy", "activate", &path(policy), "--store", &store, "--from", from, "--by", "ann", "--why", "x"];
        truestream(&[&line[..], more].concat())
    };
    let (ann, both) =
        (["--signed", "ann=policy-editor"], ["--signed", "ann=policy-editor", "--signed", "bob=reviewer"]);
    let beta = |percent: &'static str| ["--stage", "beta", "--percent", percent];
    let [began, ended] = ["2026-01-01T12:00:00Z", "2026-01-02T06:00:00Z"];
    activate(&calm, "2025-12-01", &ann).failed(3, &["[full] signed_by", "expected also reviewer"]);
    activate(&calm, "2025-12-01", &both).good();
    activate(&strict, began, &both).failed(3, &["never in the stage beta", "--stage beta"]);
    activate(&strict, began, &[&beta("40")[..], &ann].concat()).failed(3, &["never in the stage shadow"]);
    activate(&strict, "2026-01-01", &["--stage", "shadow"]).good();
    activate(&strict, began, &beta("40")).failed(3, &["found nobody, expected also policy-editor"]);
    activate(&strict, began, &[&beta("60")[..], &ann].concat())
        .failed(3, &["percent_max: found 60, expected at most 50"]);
    activate(&strict, began, &["--stage", "beta"]).failed(2, &["--percent none"]);
    activate(&strict, began, &["--percent", "40"]).failed(2, &["only --stage beta"]);
    activate(&strict, began, &[&beta("40")[..], &["--signed", "ann=boss"]].concat()).failed(2, &["policy-editor"]);
    activate(&strict, began, &[&beta("40")[..], &ann].concat()).good();
    activate(&strict, ended, &both).good();
    let told = truestream(&["policy", "history", &store]).good();
    for said in ["\"strict\", shadow", "\"strict\", beta 40 %", "signed by ann (policy-editor), bob (reviewer)"] {
        assert!(told.out.contains(said), "{said}: {told:?}");
    }

    let replayed = |policy: &str, out: &str| {
        let out = scratch.path().join(out);
        let line = ["replay", "--data", &data, "--out", &text(&out), "--every", "6h", "--windows", "24h,7d"];
        truestream(&[&line[..], &["--emit", "all", "--views", "verdict,risk", "--policy", policy]].concat()).good();
        let columns = ["as_of", "subject", "subject_id", "verdict", "r", "reasons", "rules", "policy_version"];
        let mut found = rows(&out.join("verdict.parquet"), &columns);
        found.sort();
        found
    };
    let dated = replayed(&store, "dated");
    let [of_calm, of_strict] = [replayed(&path(&calm), "calm"), replayed(&path(&strict), "strict")];
    let instant = |text: &str| datasets::formats::instant::from_text(text).expect("an instant").to_string();
    let [began, ended] = [began, ended].map(instant);
    let is_drawn = |row: &&Vec<String>| drawn("strict", &format!("{} {}", row[1], row[2])) < 40;
    let decides = |row: &&Vec<String>| match () {
        () if row[0] < began => row[7] == "calm",
        () if row[0] < ended => is_drawn(row) == (row[7] == "strict"),
        () => row[7] == "strict",
    };
    let mut expected: Vec<_> = of_calm.iter().chain(&of_strict).filter(decides).cloned().collect();
    expected.sort();
    assert_eq!(dated, expected);
    // Both decide while one is tried, and about some they decide otherwise.
    let tried = |row: &&&Vec<String>| row[0] >= began && row[0] < ended;
    let count = |of: &str| dated.iter().filter(|row| tried(&row) && row[7] == of).count();
    assert!(count("calm") > 5 && count("strict") > 5, "{} {}", count("calm"), count("strict"));
    let strict_verdicts: Vec<_> = of_strict.iter().filter(|row| tried(&row)).map(|row| &row[..4]).collect();
    assert!(
        dated.iter().filter(|row| tried(&row)).any(|row| row[7] == "calm" && !strict_verdicts.contains(&&row[..4]))
    );

    // One of those on whom it was tried is explained with it, and found anew.
    let one = dated.iter().find(|row| tried(&row) && row[7] == "strict").expect("somebody on whom it is tried");
    let as_of = datasets::formats::instant::to_text(one[0].parse().expect("a number"));
    let tables = text(&scratch.path().join("dated"));
    let line =
        ["explain", &one[1], &one[2], "--tables", &tables, "--as-of", &as_of, "--policy", &store, "--data", &data];
    let told = truestream(&[&line[..], &["--json"]].concat()).good().json();
    assert_eq!((&told["activation"]["stage"], &told["found_anew"]), (&json!({"beta": 40}), &json!(true)), "{told:#}");
    let line = ["explain", "--sample", "60", "--tables", &tables, "--policy", &store, "--data", &data, "--json"];
    let told = truestream(&line).good().json();
    assert_eq!((&told["sampled"], &told["found_anew"]), (&json!(60), &json!(60)), "{told:#}");

    // Another one in the shadow changes nothing, and back goes to what was in force for everybody.
    activate(&folder(&[("policy.toml", "version = \"next\"")]), "2026-02-01", &["--stage", "shadow"]).good();
    let line = ["policy", "rollback", "--store", &store, "--from", "2026-02-02", "--by", "bob", "--why", "too strict"];
    let told = truestream(&line).good();
    assert!(told.out.contains("\"calm\" is in force as of 2026-02-02"), "{told:?}");
}

#[test]
fn who_goes_back_twice_goes_further_back_and_never_to_what_was_gone_back_from() {
    let scratch = TempDir::new().expect("a folder");
    let store = text(&scratch.path().join("laws"));
    let said = ["--store", &store, "--by", "ann", "--why", "x"];
    for (name, from) in [("one", "2026-01-01"), ("two", "2026-01-02"), ("never", "2026-01-03"), ("three", "2026-01-03")]
    {
        let policy = folder(&[("policy.toml", &format!("version = \"{name}\""))]);
        truestream(&[&["policy", "activate", &path(&policy), "--from", from][..], &said].concat()).good();
    }
    let back = |from: &str| truestream(&[&["policy", "rollback", "--from", from][..], &said].concat());
    for (from, name) in [("2026-01-04", "two"), ("2026-01-05", "one")] {
        assert!(back(from).good().out.contains(&format!("{name:?} is in force as of {from}")), "{name}");
    }
    back("2026-01-06").failed(4, &["no other policy to go back to"]);
    let policy = folder(&[("policy.toml", "version = \"four\"")]);
    truestream(&[&["policy", "activate", &path(&policy), "--from", "2026-01-07"][..], &said].concat()).good();
    assert!(back("2026-01-08").good().out.contains("\"one\" is in force"));
}

#[test]
fn a_policy_that_is_activated_again_is_gone_back_from_to_the_one_before_it() {
    let scratch = TempDir::new().expect("a folder");
    let store = text(&scratch.path().join("laws"));
    let said = ["--store", &store, "--by", "ann", "--why", "x"];
    let activate = |name: &str, from: &str| {
        let policy = folder(&[("policy.toml", &format!("version = \"{name}\""))]);
        truestream(&[&["policy", "activate", &path(&policy), "--from", from][..], &said].concat()).good()
    };
    let back = |from: &str| truestream(&[&["policy", "rollback", "--from", from][..], &said].concat());
    for (name, from) in [("one", "2026-01-01"), ("two", "2026-01-02"), ("one", "2026-01-03"), ("one", "2026-01-04")] {
        activate(name, from);
    }
    for (from, name) in [("2026-01-05", "two"), ("2026-01-06", "one")] {
        assert!(back(from).good().out.contains(&format!("{name:?} is in force as of {from}")), "{name}");
    }
    back("2026-01-07").failed(4, &["no other policy to go back to"]);
    let told = truestream(&["policy", "history", &store]).good();
    assert!(told.out.contains("\"two\", back to activation 2, by ann"), "{told:?}");
    // What took the place of a going back at its very instant comes after the one that was to be gone back from.
    for (name, from) in [("three", "2026-01-07"), ("four", "2026-01-08")] {
        activate(name, from);
    }
    assert!(back("2026-01-09").good().out.contains("\"three\""));
    activate("five", "2026-01-09");
    assert!(back("2026-01-10").good().out.contains("\"four\""));
}

#[test]
fn days_in_a_stage_begin_when_they_are_said_to() {
    let store = folder(&[("governance.toml", "[beta]\ndays_min = 7\n[full]\ndays_min = 14\n")]);
    let calm = folder(&[("policy.toml", "version = \"calm\"")]);
    let strict = folder(&[("policy.toml", "version = \"strict\"")]);
    let activate = |policy: &TempDir, from: &str, more: &[&str]| {
        let said = ["--store", &path(&store), "--from", from, "--by", "ann", "--why", "x"];
        truestream(&[&["policy", "activate", &path(policy)], &said[..], more].concat())
    };
    let beta = ["--stage", "beta", "--percent", "10"];
    activate(&calm, "2020-01-01", &[]).good();
    activate(&strict, "2020-01-01", &["--stage", "shadow"]).good();
    // Years ago, but nobody has looked at it for a day.
    activate(&strict, "2020-11-01", &beta).failed(3, &["[beta] days_min: seen in the stage shadow since", "7 days"]);
    let told = activate(&strict, "2020-11-01", &beta);
    assert!(!told.err.contains("since 2020"), "{told:?}");
    // What is said today for later counts from then on.
    activate(&strict, "2100-01-01", &beta).good();
    activate(&strict, "2100-01-14", &[]).failed(3, &["since 2100-01-01", "from 2100-01-15"]);
    activate(&strict, "2100-01-15", &[]).good();
}

#[test]
fn a_folder_is_a_policy_or_of_activated_ones_and_never_both() {
    let (own, other) = (folder(&[("policy.toml", "version = \"own\"")]), folder(&[("policy.toml", "version = \"x\"")]));
    let says = ["policy.toml: found a policy", "nobody would read it", "--store"];
    let said = |store: &TempDir| ["--store".to_owned(), path(store), "--by=ann".to_owned(), "--why=x".to_owned()];
    let ran = |words: &[&str], store: &TempDir| {
        let said = said(store);
        truestream(&words.iter().copied().chain(said.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    let activate = ["policy", "activate", &path(&other), "--from", "2026-01-01"];
    ran(&activate, &own).failed(4, &says);
    truestream(&["policy", "check", &path(&other), "--store", &path(&own)]).failed(4, &says);
    truestream(&["economics", "--store", &path(&own)]).failed(4, &says);
    truestream(&["policy", "check", &path(&own)]).good();

    let store = folder(&[]);
    ran(&activate, &store).good();
    std::fs::write(store.path().join("policy.toml"), "version = \"own\"").expect("written");
    ran(&["policy", "rollback", "--from", "2026-01-02"], &store).failed(4, &says);
    ran(&["policy", "withdraw", "1"], &store).failed(4, &says);
    truestream(&["policy", "show", &path(&store)]).failed(4, &says);
    truestream(&["policy", "show", &path(&store), "--as-of", "2026-01-02"]).failed(4, &says);
}

#[test]
fn an_attack_that_pays_anywhere_pays_for_whoever_attacks_chooses_where_to_register() {
    let steps = |hold, escalate| {
        format!("hold = {hold}\nescalate = {escalate}\nblock = 100\nescalate_signals = 2\nblock_signals = 3\n")
    };
    let blind = "heard = { content = 0, behaviour = 0, policy = 100 }\nunheard = { content = 0, behaviour = 0, policy = 100 }\n";
    for (file, text, home) in [
        ("thresholds.toml", format!("[default]\n{}", steps(100, 100)), None),
        ("thresholds.toml", format!("[territory.BR.account]\n{}", steps(100, 100)), Some("BR")),
        ("weights.toml", format!("[territory.BR.account]\n{blind}"), Some("BR")),
    ] {
        let policy = folder(&[("policy.toml", "version = \"x\""), (file, &text)]);
        let told = truestream(&["policy", "check", &path(&policy)]);
        let home_told = home.map(|home| format!(" of accounts registered in {home}")).unwrap_or_default();
        let says = format!("(allow{home_told}, 0 % caught before it is paid), expected at most");
        assert!(told.code == Some(4) && told.out.contains(&says), "{says}: {told:?}");
        let line = ["economics", "--policy", &path(&policy)];
        let told = truestream(&[&line[..], &["--json"]].concat()).good().json();
        let attacks = told["attacks"].as_array().expect("a list");
        let pays: Vec<_> = attacks.iter().filter(|attack| attack["pays"] == true).collect();
        assert!(!pays.is_empty() && pays.iter().all(|attack| attack["registered_in"] == json!(home)), "{told:#}");
        assert_eq!(truestream(&line).good().out.contains(" (registered in BR)"), home.is_some());
    }
    // Where a territory is judged as everybody, or harder, nobody goes there, and tracks of it are no account's.
    let text = format!("[territory.BR.account]\n{}[territory.DE.track]\n{}", steps(30, 50), steps(100, 100));
    let policy = folder(&[("policy.toml", "version = \"x\""), ("thresholds.toml", &text)]);
    truestream(&["policy", "check", &path(&policy)]).good();
}

#[test]
fn a_rule_whose_row_it_does_not_match_is_no_example_as_meant() {
    let tested = |text: &str| {
        let policy = folder(&[("policy.toml", "version = \"x\""), ("conditions.toml", text)]);
        truestream(&["policy", "test", &path(&policy)])
    };
    let told = tested(CONDITIONS).good();
    assert!(told.out.contains("as meant   rule \"half\" matches { plays = 1 }"), "{told:?}");
    assert!(told.out.contains("as meant   rule \"half\" does not match {  }"), "{told:?}");
    let told = tested(&CONDITIONS.replacen("plays >= 5 and", "plays >= 6 and", 1));
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.out.contains("OTHERWISE  rule \"card_testers\" matches { ") && told.err.contains("1 of "), "{told:?}");
    tested(&CONDITIONS.replacen("plays >= 5 and", "nonsense(", 1)).failed(4, &["\"card_testers\"", "`nonsense`"]);
}

#[test]
fn a_check_says_what_is_written_and_never_counts() {
    let steps = "hold = 40\nescalate = 60\nblock = 85\nescalate_signals = 200\nblock_signals = 255\n";
    let wave = "[[wave]]\nname = 'flood'\nmeasure = 'uploads'\nhours = 24\nweeks = 4\nseen_min = 0\ntimes_min = 0\ndeviations = 0\n\
                segment = 'default'\npoints = 5\nfloor = { hold = 40, escalate = 60, block = 85 }\nlasts_hours = 48\nlasts_max_hours = 168\n\
                relaxes = [{ segment = 'major', points = 5, ceiling = { hold = 5, escalate = 7 } }]\n";
    let rules = CONDITIONS.replacen("rollout_percent = 50", "rollout_percent = 0", 1);
    let rules = rules.replacen("when = \"plays >= 5 and", "when = \"country in ('BR', 'BRA') and plays >= 5 and", 1);
    let rules = rules.replacen("row = { plays = 5,", "row = { \"account.country\" = \"BRA\", plays = 5,", 1);
    let checked = |files: &[(&str, &str)]| {
        let policy = folder(&[&[("policy.toml", "version = \"x\"")], files].concat());
        truestream(&["policy", "check", &path(&policy)])
    };
    let told = checked(&[
        ("thresholds.toml", &format!("[default]\n{steps}")),
        ("sensitivity.toml", wave),
        ("conditions.toml", &rules),
    ])
    .good();
    for said in [
        "note: thresholds of default: nobody is ever escalated or blocked: every signal at its strongest is hold",
        "note: wave \"flood\" tightens nothing: its floor is not below the thresholds of default",
        "note: wave \"flood\" relaxes nothing of major: its ceiling is not above the thresholds there",
        "note: rule \"half\" acts for 0 of 100 subjects",
        "warning: wave \"flood\": seen_min, times_min and deviations are 0",
        "warning: rule \"card_testers\": country: found \"BRA\", expected a country as two capitals",
    ] {
        assert!(told.out.contains(said), "{said}: {told:?}");
    }
    assert_eq!(told.out.matches("note: thresholds of").count(), 1, "{told:?}");
    let told = checked(&[("conditions.toml", CONDITIONS)]).good();
    for said in ["thresholds of", "of 100 subjects", "country"] {
        assert!(!told.out.contains(said), "{said}: {told:?}");
    }

    // What a verdict repeats has to say something.
    for (right, wrong, says) in [
        ("id = \"half\"", "id = \"\"", "conditions.toml: rule \"\": id: found nothing, expected a text"),
        ("owner = \"labels\"", "owner = \" \"", "rule \"half\": owner: found nothing"),
        ("code = \"R3\"", "code = \"\"", "rule \"half\": code: found nothing"),
        (
            "reason = \"plays\"\nowner = \"labels\"",
            "reason = \"\"\nowner = \"labels\"",
            "rule \"half\": reason: found nothing",
        ),
    ] {
        assert!(CONDITIONS.contains(right), "{right}");
        let told = checked(&[("conditions.toml", &CONDITIONS.replacen(right, wrong, 1))]);
        assert!(told.code == Some(4) && told.out.contains(says), "{says}: {told:?}");
    }
    let told = checked(&[("sensitivity.toml", &wave.replace("'flood'", "''"))]);
    let says = "sensitivity.toml: the wave of uploads: name: found nothing, expected a text";
    assert!(told.code == Some(4) && told.out.contains(says), "{told:?}");
}

#[test]
fn a_check_warns_of_what_is_hardly_meant() {
    let built_in = |name: &str| datasets::policy::BUILT_IN.iter().find(|(file, _)| *file == name).expect("a file").1;
    let dated = |file: &str, day: &str| built_in(file).replacen("2026-01-01", day, 1);
    let warned = |declared: &str, asked: &str, window: &str| {
        let policy = folder(&[
            ("policy.toml", "version = \"x\""),
            ("disclosure.toml", &dated("disclosure.toml", declared)),
            ("gate.toml", &dated("gate.toml", asked)),
            ("conditions.toml", &CONDITIONS.replace("24h", window)),
        ]);
        let told = truestream(&["policy", "check", &path(&policy), "--json"]).good().json();
        let warnings = told["warnings"].as_array().expect("a list").iter();
        warnings.map(|warning| warning.as_str().expect("words").to_owned()).collect::<Vec<_>>()
    };
    assert!(warned("2020-01-01", "2027-01-01", "1d").is_empty());
    let found = warned("1900-01-01", "9999-01-01", "25h");
    for (said, times) in [
        ("disclosure.toml: required_from is 1900-01-01T00:00:00Z, before 1993-01-01: every upload", 1),
        ("gate.toml: asked_from is 9999-01-01T00:00:00Z, in more than 10 years: no upload is asked", 1),
        ("reads the window 25h: replays and services have 1h,24h,7d,28d, and refuse", 4),
    ] {
        assert_eq!(found.iter().filter(|warning| warning.contains(said)).count(), times, "{said}: {found:#?}");
    }
}

#[test]
fn a_check_says_of_whom_on_a_list_it_is_not_told_who_put_them_there() {
    let gate = datasets::policy::BUILT_IN.iter().find(|(name, _)| *name == "gate.toml").expect("a gate").1;
    let entries = "[trusted]\ntracks = ['t1', { id = 't2', by = 'ann', why = 'a hit', until = '2099-01-01' }, { id = 't3', by = 'ann', until = '2020-01-01' }]\n";
    let gate = format!("{}\n{entries}", gate.split("\n[trusted]").next().expect("what is before"));
    let pins = "[[pin]]\nsubject = 'artist'\nid = 'a1'\nby = 'bob'\n";
    let policy = folder(&[("policy.toml", "version = \"x\""), ("gate.toml", &gate), ("pins.toml", pins)]);
    let told = truestream(&["policy", "check", &path(&policy)]).good();
    for said in [
        "note: gate.toml: trusted.tracks \"t1\" does not tell by, why, until",
        "note: gate.toml: trusted.tracks \"t3\" has expired at 2020-01-01",
        "note: pins.toml: artist \"a1\" does not tell why, until",
        "in order",
    ] {
        assert!(told.out.contains(said), "{said}: {told:?}");
    }
    assert!(!told.out.contains("\"t2\""), "{told:?}");
    std::fs::write(policy.path().join("pins.toml"), "[[pin]]\nid = 'a1'\n").expect("written");
    let told = truestream(&["policy", "check", &path(&policy)]);
    assert_eq!((told.code, told.out.contains("pins.toml")), (Some(4), true), "{told:?}");
}
