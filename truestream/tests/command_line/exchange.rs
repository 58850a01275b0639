//! What two parties tell each other about those whom they stopped: no ids, common clusters under one key, nothing under another.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use tempfile::TempDir;

use crate::data::{MONDAY, instants, text, whole, write};
use crate::music::{RATE_HZ, chance, music};
use crate::process::truestream;
use crate::scan::put;
use crate::waves::wav;

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
    let run = serde_json::json!({"format": 1, "every_ms": HOUR, "windows": ["24h"], "windows_ms": [24 * HOUR], "hub": 50, "links": [], "views": ["verdict"],
        "emit": "last", "first_as_of_ms": MONDAY - 24 * HOUR, "last_as_of_ms": MONDAY});
    std::fs::write(tables.join("run.json"), run.to_string()).expect("written");
    (text(&data), text(&tables))
}

const HOUR: i64 = 3_600_000;

fn export(folder: &Path, party: &(String, String), key: &str, name: &str, more: &[&str]) -> String {
    made_of(party);
    let out = text(&folder.join(name));
    let line = ["exchange", "export", "--data", &party.0, "--tables", &party.1, "--key-file", key, "--out", &out];
    truestream(&[&line[..], more].concat()).good();
    out
}

/// The tables say that they were made of the data as it is.
fn made_of((data, tables): &(String, String)) {
    let run = Path::new(tables).join("run.json");
    let mut told: serde_json::Value = serde_json::from_slice(&std::fs::read(&run).expect("a file")).expect("JSON");
    for name in ["plays", "accounts", "tracks"] {
        let file = Path::new(data).join(name).with_extension("parquet");
        let bytes = std::fs::read(&file).expect("a file");
        let hash = blake3::hash(&bytes).to_hex().to_string();
        told["inputs"][name] = serde_json::json!([{"file": text(&file), "bytes": bytes.len(), "hash": hash}]);
    }
    std::fs::write(run, told.to_string()).expect("written");
}

#[test]
fn data_without_the_plays_that_were_judged_is_refused_and_what_came_since_may_lie_beside_them() {
    let folder = TempDir::new().expect("a folder");
    let (north, south) = (party(folder.path(), "north", 6), party(folder.path(), "south", 6));
    let key = text(&folder.path().join("key"));
    std::fs::write(&key, [1; 32]).expect("written");
    let ours = export(folder.path(), &north, &key, "north.jsonl", &[]);
    let out = text(&folder.path().join("mixed.jsonl"));
    let line = ["exchange", "export", "--data", &south.0, "--tables", &north.1, "--key-file", &key, "--out", &out];
    truestream(&line).failed(4, &["made of other files", "north-data", "replay"]);
    assert!(!Path::new(&out).exists());
    std::fs::create_dir(Path::new(&north.0).join("plays")).expect("a folder");
    let plays = |name: &str| Path::new(&north.0).join(name);
    std::fs::rename(plays("plays.parquet"), plays("plays/first.parquet")).expect("moved");
    std::fs::copy(Path::new(&south.0).join("plays.parquet"), plays("plays/second.parquet")).expect("copied");
    let line = ["exchange", "export", "--data", &north.0, "--tables", &north.1, "--key-file", &key, "--out", &out];
    truestream(&line).good();
    let read = |path: &str| std::fs::read(path).expect("a file");
    assert_eq!(read(&out), read(&ours));
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

/// A piece of music as another file has it: begun later, at another loudness, in eight bits and with some noise.
fn encoded_anew(seed: u32) -> Vec<u8> {
    let played = music(seed, 40.0, 1.0);
    let noisy = |(at, sample): (usize, &i16)| {
        let plain = f32::from(*sample) / 32_768.0 * 0.6 + (chance(seed, at as u32) - 0.5) * 0.01;
        // Eight bits of a logarithm, as telephones had.
        let companded = (1.0 + 255.0 * plain.abs()).ln() / 256_f32.ln();
        let rounded = (companded * 127.0).round() / 127.0;
        let sample = (256_f32.powf(rounded) - 1.0) / 255.0 * plain.signum();
        (sample * 32_767.0) as i16
    };
    let begin = RATE_HZ as usize * 13 / 10;
    wav(RATE_HZ, 1, &played[begin..].iter().enumerate().map(noisy).collect::<Vec<i16>>())
}

#[test]
fn a_recording_that_was_encoded_anew_is_known_by_its_sound_and_another_is_not() {
    let folder = TempDir::new().expect("a folder");
    let (north, south) = (party(folder.path(), "north", 0), party(folder.path(), "south", 0));
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 40]).expect("written");
    let key = text(&key);
    // Three recordings that both have, and one of each party's own.
    let heard = |party: &(String, String), name: &str, sound: &dyn Fn(u32) -> Vec<u8>| {
        let [audio, out] = ["audio", "heard"].map(|what| folder.path().join(format!("{name}-{what}")));
        let own = if name == "north" { 100 } else { 200 };
        for n in 0..4 {
            put(&audio, &format!("{name}-track-{n}.wav"), &sound(if n < 3 { n } else { own }));
        }
        let catalogue = format!("{}/tracks.parquet", party.0);
        let (audio, out) = (text(&audio), text(&out));
        let line = ["scan", &audio, "--catalogue", &catalogue, "--out", &out, "--previews", "none"];
        truestream(&[&line[..], &["--at", "2026-01-05T00:00:00Z"]].concat()).good();
        out
    };
    let ours = heard(&north, "north", &|seed| wav(RATE_HZ, 1, &music(seed, 40.0, 1.0)));
    let theirs = heard(&south, "south", &encoded_anew);
    let told = |party: &(String, String), name: &str, heard: &str| {
        export(folder.path(), party, &key, name, &["--k", "3", "--evidence", heard])
    };
    let (one, other) = (told(&north, "ours.jsonl", &ours), told(&south, "theirs.jsonl", &theirs));
    let common = truestream(&["exchange", "compare", &one, &other, "--json"]).good().json();
    let kinds: Vec<(&str, u64)> = common["common"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["kind"].as_str().expect("a word"), row["shared"].as_u64().expect("a count")))
        .collect();
    assert_eq!(kinds, [("isrc", 5), ("sound", 3)], "{common:#}");
    let line = ["exchange", "find", &other, "--data", &north.0, "--evidence", &ours, "--key-file", &key];
    let found = truestream(&line).good().out;
    assert!(
        found.contains("sound    3 that they have stopped: 3 tracks through distributor north-delivers"),
        "{found}"
    );
    assert!(!found.contains("file ") && found.contains("equal places of 128"), "{found}");

    // A sketch that was cut is refused with its line, and so is a file of an earlier form.
    let written = std::fs::read_to_string(&other).expect("a file");
    let sound = written.lines().position(|line| line.contains("\"sound\"")).expect("there is one") + 1;
    let cut = text(&folder.path().join("cut.jsonl"));
    let sketch = written.lines().nth(sound - 1).and_then(|line| line.split('"').find(|word| word.len() == 1_024));
    let sketch = sketch.expect("a sketch");
    std::fs::write(&cut, written.replace(sketch, &sketch[..1_000])).expect("written");
    let line = format!("line {sound}: found a sketch of 1000 digits, expected 1024");
    truestream(&["exchange", "compare", &one, &cut]).failed(4, &[&line]);
    std::fs::write(&cut, written.replacen("exchange/4", "exchange/3", 1)).expect("written");
    truestream(&["exchange", "compare", &one, &cut]).failed(4, &["exchange/4"]);
    // So is one that ends where a line does.
    let (count, head) = (written.lines().count() - 1, written.lines().next().expect("a head"));
    std::fs::write(&cut, format!("{head}\n")).expect("written");
    truestream(&["exchange", "compare", &one, &cut]).failed(4, &[&format!("found 0 clusters, expected {count}")]);
}

/// The party's verdicts as changes: blocked from an hour on, until another.
fn changes(party: &(String, String), spans: &[(usize, i64, Option<i64>)]) {
    let mut rows: Vec<(i64, i64, String)> = Vec::new();
    for (account, from, until) in spans {
        let id = format!("north-account-{account}");
        rows.push((MONDAY + from * HOUR, 1, id.clone()));
        rows.extend(until.map(|until| (MONDAY + until * HOUR, -1, id)));
    }
    rows.sort();
    let tables = Path::new(&party.1);
    table(
        &tables.join("verdict.parquet"),
        vec![
            ("as_of", instants(&rows.iter().map(|row| Some(row.0)).collect::<Vec<_>>())),
            ("diff", whole(&rows.iter().map(|row| Some(row.1)).collect::<Vec<_>>())),
            ("subject", texts(rows.iter().map(|_| Some("account".to_owned())))),
            ("subject_id", texts(rows.iter().map(|row| Some(row.2.clone())))),
            ("verdict", texts(rows.iter().map(|_| Some("block".to_owned())))),
        ],
    );
    let run = std::fs::read_to_string(tables.join("run.json")).expect("a file");
    let last = format!("\"last_as_of_ms\":{}", MONDAY + 48 * HOUR);
    let run = run.replace("\"last\"", "\"changes\"").replace(&format!("\"last_as_of_ms\":{MONDAY}"), &last);
    std::fs::write(tables.join("run.json"), run).expect("written");
}

#[test]
fn who_was_stopped_at_any_time_of_the_period_is_told_of_and_who_was_cleared_is_not() {
    let folder = TempDir::new().expect("a folder");
    let party = party(folder.path(), "north", 0);
    // Four are blocked to the end, one of the five for two hours: at no single instant are there five with the fifth.
    let spans: Vec<_> = (0..4).map(|n| (n, 10, None)).chain([(4, 2, Some(4))]).collect();
    changes(&party, &spans);
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 40]).expect("written");
    let devices = |more: &[&str]| {
        let written =
            std::fs::read_to_string(export(folder.path(), &party, &text(&key), "out.jsonl", more)).expect("a file");
        written.lines().skip(1).filter(|line| line.contains("\"device\"")).count()
    };
    assert_eq!(devices(&[]), 1);
    assert_eq!(devices(&["--from", "2026-01-05T03:00:00Z"]), 1, "the fifth was still blocked");
    assert_eq!(devices(&["--from", "2026-01-05T04:00:00Z"]), 0);
    assert_eq!(devices(&["--until", "2026-01-05T09:00:00Z"]), 0);
    let cleared = folder.path().join("rulings.parquet");
    table(
        &cleared,
        vec![
            ("subject", texts([Some("account".to_owned())])),
            ("subject_id", texts([Some("north-account-4".to_owned())])),
            ("ruling", texts([Some("cleared".to_owned())])),
            ("known_at", instants(&[Some(MONDAY + 90 * HOUR)])),
        ],
    );
    assert_eq!(devices(&["--rulings", &text(&cleared)]), 0, "a mistake is told to nobody");
    let out = text(&folder.path().join("no.jsonl"));
    let line =
        ["exchange", "export", "--data", &party.0, "--tables", &party.1, "--out", &out, "--key-file", &text(&key)];
    truestream(&[&line[..], &["--from", "2027-01-01"]].concat()).failed(2, &["tells of 2026-01-04"]);
    truestream(&[&line[..], &["--from", "soon"]].concat()).failed(2, &["--from soon"]);
}

#[test]
fn how_many_recordings_a_cluster_has_is_told_in_classes() {
    let folder = TempDir::new().expect("a folder");
    let party = party(folder.path(), "north", 0);
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 40]).expect("written");
    let sizes = |recordings: usize| {
        let all = || 0..recordings;
        table(
            &Path::new(&party.0).join("tracks.parquet"),
            vec![
                ("track_id", texts(all().map(|n| Some(format!("t{n}"))))),
                ("isrc", texts(all().map(|n| Some(format!("QZTS126{n:05}"))))),
                ("uploader_id", texts(all().map(|_| Some("north-up".to_owned())))),
            ],
        );
        let out = export(folder.path(), &party, &text(&key), "out.jsonl", &[]);
        let written = std::fs::read_to_string(&out).expect("a file");
        let clusters: Vec<serde_json::Value> =
            written.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        // Whoever has the recordings finds them, and no others.
        let find = truestream(&["exchange", "find", &out, "--data", &party.0, "--key-file", &text(&key), "--json"]);
        let found = find.good().json()["isrc"]["ids"].as_array().expect("ids").len();
        assert_eq!(found, recordings);
        clusters.iter().map(|one| (one["size_min"].as_u64(), one["tags"].as_array().map(Vec::len))).collect::<Vec<_>>()
    };
    for recordings in [5, 6, 9] {
        assert_eq!(sizes(recordings), [(Some(5), Some(10))], "{recordings}");
    }
    for recordings in [20, 49] {
        assert_eq!(sizes(recordings), [(Some(20), Some(50))], "{recordings}");
    }
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
