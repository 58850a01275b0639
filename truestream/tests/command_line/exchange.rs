//! What two parties tell each other about those whom they stopped: no ids, common clusters under one key, nothing under another.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use tempfile::TempDir;

use crate::data::{MONDAY, instants, text, whole, write};
use crate::process::truestream;

fn texts(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

fn table(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    write(path, &RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length"), 500);
}

/// A party: accounts `PARTY-a0` … share the device `farm-phone` and a card, the first ones stopped; its uploader `PARTY-up` brings six
/// recordings, of which the last is its own.
fn party(folder: &Path, name: &str, stopped: usize) -> (String, String) {
    let (data, tables) = (folder.join(format!("{name}-data")), folder.join(format!("{name}-tables")));
    let account = |n: usize| Some(format!("{name}-account-{n}"));
    let all = || 0..8;
    table(
        &data.join("plays.parquet"),
        vec![
            ("play_id", texts(all().map(|n| Some(format!("{name}-play-{n}"))))),
            ("ended_at", instants(&[Some(MONDAY); 8])),
            ("account_id", texts(all().map(account))),
            ("track_id", texts(all().map(|n| Some(format!("{name}-track-{}", n % 6))))),
            ("played_ms", whole(&[Some(31_000); 8])),
            (
                "device_id",
                texts(all().map(|n| Some(if n < 7 { "farm-phone".to_owned() } else { format!("{name}-own-phone") }))),
            ),
        ],
    );
    table(
        &data.join("accounts.parquet"),
        vec![
            ("account_id", texts(all().map(account))),
            ("payment_id", texts(all().map(|n| Some(format!("card-{}", n / 6))))),
        ],
    );
    let isrc = |n: usize| {
        Some(if n < 5 { format!("QZ-TS1-26-0000{n}") } else { format!("QZ{}2600009", &name[..3].to_uppercase()) })
    };
    table(
        &data.join("tracks.parquet"),
        vec![
            ("track_id", texts((0..6).map(|n| Some(format!("{name}-track-{n}"))))),
            ("isrc", texts((0..6).map(isrc))),
            ("uploader_id", texts((0..6).map(|_| Some(format!("{name}-up"))))),
            ("distributor_id", texts((0..6).map(|_| Some(format!("{name}-delivers"))))),
        ],
    );
    let accounts = (0..stopped).map(|n| ("account", account(n).expect("an id"), "block"));
    let mut verdicts: Vec<(&str, String, &str)> = accounts.collect();
    verdicts.push(("uploader", format!("{name}-up"), "escalate"));
    verdicts.push(("account", format!("{name}-account-7"), "hold"));
    table(
        &tables.join("verdict.parquet"),
        vec![
            ("as_of", instants(&vec![Some(MONDAY); verdicts.len()])),
            ("subject", texts(verdicts.iter().map(|row| Some(row.0.to_owned())))),
            ("subject_id", texts(verdicts.iter().map(|row| Some(row.1.clone())))),
            ("verdict", texts(verdicts.iter().map(|row| Some(row.2.to_owned())))),
        ],
    );
    (text(&data), text(&tables))
}

fn export(folder: &Path, party: &(String, String), key: &str, name: &str, more: &[&str]) -> String {
    let out = text(&folder.join(name));
    let line = ["exchange", "export", "--data", &party.0, "--tables", &party.1, "--key-file", key, "--out", &out];
    truestream(&[&line[..], more].concat()).good();
    out
}

#[test]
fn two_parties_find_what_both_have_stopped_under_one_key_and_nothing_under_another() {
    let folder = TempDir::new().expect("a folder");
    let (north, south) = (party(folder.path(), "north", 6), party(folder.path(), "south", 7));
    let key = |name: &str, byte: u8| {
        let path = folder.path().join(name);
        std::fs::write(&path, [byte; 32]).expect("written");
        text(&path)
    };
    let (shared, other) = (key("key", 1), key("other", 2));
    let ours = export(folder.path(), &north, &shared, "north.jsonl", &[]);
    let theirs = export(folder.path(), &south, &shared, "south.jsonl", &[]);

    // A device and a card of at least five accounts, and five recordings with the same ISRC.
    let told = truestream(&["exchange", "compare", &ours, &theirs, "--json"]).good();
    let told: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    let common: Vec<(&str, u64)> = told["common"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["kind"].as_str().expect("a word"), row["shared"].as_u64().expect("a count")))
        .collect();
    assert_eq!((told["same_key"].as_bool(), common), (Some(true), vec![("device", 1), ("payment", 1), ("isrc", 5)]));

    // Under another key nothing is common, and what was made under it cannot be looked for.
    let foreign = export(folder.path(), &south, &other, "foreign.jsonl", &[]);
    let told = truestream(&["exchange", "compare", &ours, &foreign]).good();
    assert!(told.out.contains("different keys") && told.out.contains("0 pairs"), "{told:?}");
    let line = ["exchange", "find", &foreign, "--data", &north.0, "--key-file", &shared];
    truestream(&line).failed(4, &["another key"]);

    // The other way round: through whom what they have stopped comes here.
    let line = ["exchange", "find", &theirs, "--data", &north.0, "--key-file", &shared];
    let told = truestream(&line).good();
    assert!(
        told.out.contains("isrc     5 that they have stopped: 5 tracks through distributor north-delivers"),
        "{told:?}"
    );
    assert!(told.out.contains("device   1 that they have stopped: 7 accounts"), "{told:?}");

    // No id of anybody, and no byte of the key, is in the file; the same inputs give the same bytes.
    let written = std::fs::read_to_string(&ours).expect("a file");
    for word in ["farm-phone", "own-phone", "card-", "account", "track", "north", "QZTS1", "QZ-TS1", "0101010101010101"]
    {
        assert!(!written.contains(word), "{word} is in {written}");
    }
    let lines: BTreeSet<&str> = written.lines().collect();
    assert_eq!(lines.len(), 4, "{written}");
    let again = export(folder.path(), &north, &shared, "again.jsonl", &[]);
    assert_eq!(std::fs::read(&again).expect("a file"), written.as_bytes());
}

#[test]
fn nothing_is_told_of_fewer_than_k_or_of_who_is_only_held() {
    let folder = TempDir::new().expect("a folder");
    let few = party(folder.path(), "north", 4);
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 40]).expect("written");
    let kinds = |more: &[&str]| {
        let out = export(folder.path(), &few, &text(&key), "out.jsonl", more);
        let written = std::fs::read_to_string(out).expect("a file");
        let kind = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["kind"].clone();
        written.lines().skip(1).map(|line| kind(line).as_str().expect("a word").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[]), ["isrc"]);
    assert_eq!(kinds(&["--k", "7"]), Vec::<String>::new());
    assert_eq!(kinds(&["--k", "4"]), ["device", "payment", "isrc"]);

    let out = text(&folder.path().join("no.jsonl"));
    let line = ["exchange", "export", "--data", &few.0, "--tables", &few.1, "--out", &out, "--key-file"];
    truestream(&[&line[..], &[&text(&key), "--k", "2"]].concat()).failed(2, &["--k 2", "at least 3"]);
    std::fs::write(&key, [7; 31]).expect("written");
    let told = truestream(&[&line[..], &[&text(&key)]].concat()).failed(4, &["31 bytes", "at least 32"]);
    assert!(!told.err.contains("\u{7}") && !Path::new(&out).exists(), "{told:?}");
}
