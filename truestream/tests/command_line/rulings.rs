//! What people rule: verdicts, money and reputation are as if a mistake had never been, in a replay and in a service that lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use datasets::formats::instant;
use serde_json::json;
use tempfile::TempDir;

use crate::alive::{EVERY_MS, HOW, Service, replayed};
use crate::data::{copy, instants, rows, text, world, write};
use crate::process::truestream;
use crate::royalties::strict;

/// Subject, id, ruling, verdict that is confirmed, and when it is known.
pub type Said<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, i64);

/// Writes a table of rulings.
pub fn rulings(path: &Path, said: &[Said]) -> String {
    let texts = |texts: Vec<Option<&str>>| Arc::new(StringArray::from(texts)) as ArrayRef;
    let ids: UInt64Array = said.iter().map(|said| said.1.parse::<u64>().ok()).collect();
    let table = RecordBatch::try_from_iter_with_nullable([
        ("subject", texts(said.iter().map(|said| Some(said.0)).collect()), true),
        ("subject_id", Arc::new(ids), true),
        ("ruling", texts(said.iter().map(|said| Some(said.2)).collect()), true),
        ("verdict", texts(said.iter().map(|said| said.3).collect()), true),
        ("known_at", instants(&said.iter().map(|said| Some(said.4)).collect::<Vec<_>>()), true),
    ]);
    write(path, &table.expect("columns of one length"), 100);
    text(path)
}

/// The strict policy, under which suspicion does not travel: who is blocked stains nobody.
pub fn alone() -> TempDir {
    let folder = strict();
    std::fs::write(folder.path().join("flow.toml"), "floor = 100\ndamping = 50\nrounds = 2\n").expect("written");
    // The gate asks the archive, too, whether who brought it is to be trusted.
    let built_in: BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
    let gate = built_in["gate.toml"].replacen("2026-01-01", "1970-01-01", 1).replacen("below = 70", "below = 80", 1);
    std::fs::write(folder.path().join("gate.toml"), gate).expect("written");
    folder
}

fn replay(policy: &Path, out: &Path, more: &[&str]) {
    let (data, out, policy) = (text(world()), text(out), text(policy));
    let line = ["replay", "--data", &data, "--out", &out, "--every", "6h", "--windows", "24h,28d", "--policy", &policy];
    truestream(&[&line[..], more].concat()).good();
}

#[test]
fn an_overturned_block_is_in_money_and_reputation_as_if_it_had_never_been() {
    let policy = alone();
    let path = |name: &str| policy.path().join(name);
    let views = ["--emit", "changes", "--views", "risk,verdict,ruling,account_group,payout_hold,gate"];
    replay(policy.path(), &path("blocked"), &views);
    let verdicts = rows(&path("blocked").join("verdict.parquet"), &["as_of", "subject", "subject_id", "verdict"]);
    let blocked = |subject: &str| {
        let first = verdicts.iter().find(|row| row[1] == subject && row[3] == "block");
        first.unwrap_or_else(|| panic!("no {subject} is blocked")).clone()
    };
    let (account, track) = (blocked("account"), blocked("track"));
    let known = |row: &[String]| row[0].parse::<i64>().expect("an instant") + 2 * EVERY_MS;
    let said = |known: [i64; 2]| -> [Said; 2] {
        [("account", &account[2], "cleared", None, known[0]), ("track", &track[2], "cleared", None, known[1])]
    };
    let late = rulings(&path("late.parquet"), &said([known(&account), known(&track)]));
    let ever = rulings(&path("ever.parquet"), &said([0, 0]));
    for (name, file) in [("overturned", &late), ("never", &ever)] {
        replay(policy.path(), &path(name), &[&views[..], &["--rulings", file]].concat());
        let last = ["--views", "withheld,payout_hold,reputation,gate", "--rulings", file];
        replay(policy.path(), &path(&format!("{name}-last")), &last);
    }
    let bytes = |run: &str, table: &str| std::fs::read(path(run).join(format!("{table}.parquet"))).expect("a table");

    // As of the end nothing is withheld or waits that would not.
    for table in ["withheld", "payout_hold", "gate"] {
        assert!(bytes("overturned-last", table) == bytes("never-last", table), "{table}");
    }
    let of_reputation = |run: &str| {
        let rules = rows(&path(run).join("gate.parquet"), &["rule"]).concat();
        rules.iter().filter(|rule| rule.ends_with("_reputation")).count()
    };
    replay(policy.path(), &path("blocked-last"), &["--views", "gate"]);
    let [blocked_for, overturned_for] = ["blocked-last", "overturned-last"].map(of_reputation);
    assert!(overturned_for > 0 && blocked_for >= overturned_for, "{blocked_for} {overturned_for}");
    let columns = ["subject", "subject_id", "held", "escalated", "blocked", "reputation"];
    let [overturned, never] =
        ["overturned-last", "never-last"].map(|run| rows(&path(run).join("reputation.parquet"), &columns));
    assert!(never.iter().all(|row| overturned.contains(row)));
    // What was overturned is told, and costs nothing.
    for row in overturned.iter().filter(|row| !never.contains(row)) {
        let ever = never.iter().find(|other| other[..2] == row[..2]);
        assert!(ever.is_none() && row[2..5].iter().all(|count| count == "0"), "{row:?} {ever:?}");
    }
    // With hindsight there is nothing that ever was.
    let hindsight = ["--emit", "changes", "--views", "verdict,reputation", "--rulings", &late, "--hindsight"];
    replay(policy.path(), &path("hindsight"), &hindsight);
    assert_eq!(bytes("hindsight", "verdict"), bytes("never", "verdict"));

    let royalties = |name: &str, file: Option<&str>, more: &[&str]| {
        let (data, tables, out) = (text(world()), text(&path(name)), text(&path(&format!("{name}-january"))));
        let line = ["royalties", "--data", &data, "--tables", &tables, "--month", "2026-01", "--out", &out, "--json"];
        let rulings: Vec<&str> = file.into_iter().flat_map(|file| ["--rulings", file]).collect();
        let policy = text(policy.path());
        truestream(&[&line[..], &["--policy", &policy], &rulings, more].concat()).good().json()
    };
    let before = royalties("blocked", None, &[]);
    let against = text(&path("blocked-january"));
    let after = royalties("overturned", Some(&late), &["--against", &against]);
    royalties("never", Some(&ever), &[]);
    assert!(before["withheld_streams"].as_u64() > after["withheld_streams"].as_u64(), "{before} {after}");
    assert!(after["differences"].as_u64() > Some(0), "{after}");
    for table in ["royalty", "royalty_day"] {
        assert_eq!(bytes("overturned-january", table), bytes("never-january", table), "{table}");
    }

    // What people rule after the tables end counts in a later close of the same tables, which says so.
    let february_20 = instant::from_text("2026-02-20T00:00:00Z").expect("an instant");
    let after_all = rulings(&path("after_all.parquet"), &said([february_20; 2]));
    let close = |at: &str, name: &str| {
        let (data, tables, out) = (text(world()), text(&path("blocked")), text(&path(name)));
        let line = ["royalties", "--data", &data, "--tables", &tables, "--month", "2026-01", "--out", &out, "--json"];
        let (policy, rulings) = (text(policy.path()), ["--rulings", &after_all, "--close", at]);
        truestream(&[&line[..], &["--policy", &policy], &rulings].concat()).good().json()
    };
    let [february, march] = [close("2026-02-19", "february"), close("2026-03-01", "march")];
    assert_eq!(february["withheld_streams"], before["withheld_streams"]);
    assert!(march["withheld_streams"].as_u64() < before["withheld_streams"].as_u64(), "{march}");
    assert_eq!((&march["streams"], &march["verdicts_until"]), (&before["streams"], &before["close"]));
    assert_eq!(march["close"], "2026-03-01T00:00:00Z");

    // Every day is explained, and found anew.
    let (data, tables, law) = (text(world()), text(&path("overturned")), text(policy.path()));
    let explain = |as_of: i64| {
        let as_of = instant::to_text(as_of);
        let line = ["explain", "account", &account[2], "--tables", &tables, "--policy", &law, "--data", &data];
        truestream(&[&line[..], &["--as-of", &as_of, "--", "--rulings", &late]].concat()).good().out
    };
    let told = explain(known(&account) - 2 * EVERY_MS);
    assert!(told.contains(": block at risk") && !told.contains("Ruling "), "{told}");
    let told = explain(known(&account) + EVERY_MS);
    assert!(
        told.contains(": allow") && told.contains("Ruling    cleared, by somebody") && told.contains("Anew "),
        "{told}"
    );

    // Another policy does not decide about them either.
    let line =
        ["policy", "backtest", &law, "--data", &data, "--json", "--", "--rulings", &ever, "--windows", "24h,28d"];
    let told = truestream(&[&line[..], &["--every", "6h"]].concat()).good().json();
    let moved = told["moved"].as_array().expect("a list");
    assert!(
        !moved.is_empty() && !moved.iter().any(|one| one["subject"] == "account" && one["id"] == json!(account[2]))
    );
}

#[test]
fn framed_music_that_is_ruled_a_victim_has_no_verdict_and_is_suspected_no_more_than_before() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (data, framed) = (text(&path("world")), text(&path("framed")));
    let plan = "[[attack]]\nfamily = 'framing'\nlevel = 'easy'\naccounts = 4\ndays = 4\nplays_per_day = 300\n";
    std::fs::write(path("plan.toml"), plan).expect("written");
    let line = ["world", "--no-attacks", "--accounts", "400", "--days", "10", "--seed", "6", "--out", &data];
    truestream(&line).good();
    truestream(&["inject", "--data", &data, "--plan", &text(&path("plan.toml")), "--out", &framed]).good();
    let labels = rows(&path("framed").join("labels-injected.parquet"), &["subject", "subject_id", "label"]);
    let victims: Vec<&Vec<String>> = labels.iter().filter(|row| row[2] == "victim" && row[0] != "account").collect();
    let said: Vec<Said> = victims.iter().map(|row| (row[0].as_str(), row[1].as_str(), "victim", None, 0)).collect();
    let ruled = rulings(&path("ruled.parquet"), &said);
    let is_victim = |row: &[String]| victims.iter().any(|victim| victim[..2] == row[1..3]);
    let replayed = |name: &str, more: &[&str]| {
        let out = text(&path(name));
        let line =
            ["replay", "--data", &framed, "--out", &out, "--every", "24h", "--windows", "24h,7d", "--emit", "all"];
        truestream(&[&line[..], &["--views", "risk,verdict"], more].concat()).good();
        let [risks, verdicts] = [("risk", "r"), ("verdict", "verdict")].map(|(table, column)| {
            let path = path(name).join(format!("{table}.parquet"));
            let rows = rows(&path, &["as_of", "subject", "subject_id", column]).into_iter();
            rows.filter(|row| is_victim(row)).map(|row| (row[..3].to_vec(), row[3].clone())).collect::<BTreeMap<_, _>>()
        });
        (risks, verdicts)
    };
    let (suspected, judged) = replayed("before", &[]);
    let (after, left) = replayed("after", &["--rulings", &ruled]);
    assert!(!judged.is_empty() && left.is_empty(), "{judged:?} {left:?}");
    // Who was framed has many listeners, and these few go on speaking against themselves alone.
    let number = |text: &String| text.parse::<f64>().expect("a risk");
    for (of, risk) in &after {
        assert!(suspected.get(of).is_some_and(|before| number(before) >= number(risk)), "{of:?}: {risk}");
    }
}

#[test]
fn a_service_rules_as_a_replay_does_and_takes_rulings_in() {
    let folder = TempDir::new().expect("a folder");
    let data: PathBuf = folder.path().join("data");
    copy(world(), &data);
    let views = ["account_window", "risk", "verdict", "ruling"];
    let (tables, _) = replayed(&HOW, world(), folder.path(), &views, &["--emit", "all"]);
    let verdicts = rows(&tables.join("verdict.parquet"), &["as_of", "subject", "subject_id", "verdict"]);
    let last = &verdicts[verdicts.len() - 1][0];
    let now: Vec<&Vec<String>> = verdicts.iter().filter(|row| row[0] == *last).collect();
    let at = now[0][0].parse::<i64>().expect("an instant") - 3 * EVERY_MS;
    let [one, two, other] = [0, 1, 2].map(|place| now[place * now.len() / 3]);
    let said: [Said; 5] = [
        (&one[1], &one[2], "cleared", None, at),
        (&two[1], &two[2], "victim", None, at + 1),
        ("account", "1", "confirmed", Some("escalate"), at + EVERY_MS),
        ("account", "2", "confirmed", Some("block"), at),
        ("account", "2", "withdrawn", None, at + EVERY_MS),
    ];
    rulings(&data.join("rulings.parquet"), &said);
    let (tables, as_of) = replayed(&HOW, &data, folder.path(), &views, &[]);
    let found = rows(&tables.join("ruling.parquet"), &["ruling"]);
    assert_eq!(found.len(), 3, "{found:?}");
    let state = folder.path().join("state");
    let service = Service::start(&state, &["--follow", &text(&data), "--workers", "2"]);
    service.wait_as_of(as_of);
    service.states(&tables, &views);

    // A row that is none is refused, with what was expected; the others count from the next instant on.
    let (subject, id) = (&other[1], &other[2]);
    let row = json!({"subject": subject, "subject_id": id.parse::<u64>().expect("a number"), "ruling": "cleared", "known_at": 1});
    let bad = row.to_string().replace("cleared", "guilty");
    let body = format!("{row}\n{bad}");
    let until = format!("Truestream-Until: {}\r\n", as_of + EVERY_MS);
    let (status, answer) = service.ask("POST /v1/rulings", &until, body.as_bytes()).expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let is_so = |service: &Service| {
        service.wait_as_of(as_of + EVERY_MS);
        let of = format!("WHERE subject = '{subject}' AND subject_id = '{id}'");
        assert_eq!(service.sql(&format!("SELECT 1 FROM verdict {of}")).num_rows(), 0);
        assert_eq!(service.sql(&format!("SELECT 1 FROM ruling {of} AND ruling = 'cleared'")).num_rows(), 1);
        let (_, refused) = service.json("GET /v1/view/refusal");
        let why = refused["rows"].to_string();
        assert!(why.contains("cleared, victim, confirmed or withdrawn"), "{why}");
    };
    is_so(&service);
    service.running.kill();
    is_so(&Service::start(&state, &["--time", "told"]));
    let told = truestream(&["audit", "--state", &text(&state), "show"]).good().out;
    assert!(told.contains("truestream\trulings\t2 rows"), "{told}");
}

#[test]
fn a_row_that_is_no_ruling_is_refused_and_an_id_is_read_however_it_is_written() {
    let folder = TempDir::new().expect("a folder");
    let (path, out) = (folder.path().join("rulings.parquet"), folder.path().join("tables"));
    let texts = |texts: [Option<&str>; 8]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    // Accounts of this world are numbers; account 10 is blocked.
    let (account, ten, cleared) = (Some("account"), Some("10"), Some("cleared"));
    let subjects = [account, account, None, Some("song"), account, account, account, account];
    let ids = [ten, Some("ten"), ten, ten, ten, ten, ten, ten];
    let said = [cleared, cleared, cleared, cleared, Some("guilty"), Some("confirmed"), cleared, cleared];
    let verdicts = [None, None, None, None, None, None, Some("hold"), None];
    let known: [Option<i64>; 8] = [Some(1), Some(1), Some(1), Some(1), Some(1), Some(1), Some(1), None];
    let table = RecordBatch::try_from_iter_with_nullable([
        ("subject", texts(subjects), true),
        ("subject_id", texts(ids), true),
        ("ruling", texts(said), true),
        ("verdict", texts(verdicts), true),
        ("known_at", instants(&known), true),
    ]);
    write(&path, &table.expect("columns of one length"), 100);
    let (data, rulings, tables) = (text(world()), text(&path), text(&out));
    let line =
        ["replay", "--data", &data, "--rulings", &rulings, "--out", &tables, "--every", "6h", "--windows", "24h,28d"];
    let told = truestream(&line).good().out;
    assert!(told.contains("Rulings   in force as of the last instant: 1 cleared"), "{told}");
    assert_eq!(rows(&out.join("ruling.parquet"), &["subject", "subject_id", "ruling"]), [["account", "10", "cleared"]]);
    let verdicts = rows(&out.join("verdict.parquet"), &["subject", "subject_id"]);
    assert!(verdicts.len() > 2 && !verdicts.iter().any(|row| row[0] == "account" && row[1] == "10"), "{verdicts:?}");
    let refused = rows(&out.join("refusal.parquet"), &["source", "row", "code"]);
    let refused: Vec<_> = refused.into_iter().filter(|row| row[0] == "rulings").map(|row| row[1..].to_vec()).collect();
    let of = |row: &str, code: &str| vec![row.to_owned(), code.to_owned()];
    let out_of_range = ["1", "3", "4", "5", "6"].map(|row| of(row, "out_of_range"));
    let missing = ["2", "7"].map(|row| of(row, "missing"));
    let mut expected = [&out_of_range[..], &missing[..]].concat();
    expected.sort();
    assert_eq!(refused, expected);
}
