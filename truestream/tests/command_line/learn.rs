//! Models that learn: the same plays and labels give the same bytes, what cannot be learned from is refused, and no row of
//! features knows what came later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType, UInt64Type};
use tempfile::TempDir;

use crate::data::{MONDAY, copy, instants, read, rewrite, text, whole, world, write};
use crate::process::{Ran, start, truestream};

const DAY_MS: i64 = 86_400_000;
const DAYS: u64 = 12;
const PEOPLE: u64 = 150;
/// Half of the bots leave after 31 seconds, the others play the same eight tracks: no feature alone tells all of them.
const BOTS: u64 = 80;

/// A number that looks random, below `end`.
fn lot(a: u64, b: u64, end: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 30)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % end
}

/// Account, track, instant, milliseconds heard.
type Played = (u64, u64, i64, i64);

fn play(account: u64, number: u64, only_edge: bool) -> Played {
    let seed = account * 10_000 + number;
    let day = (number % DAYS) as i64 * DAY_MS;
    let at = MONDAY + day + lot(seed, 1, DAY_MS as u64) as i64;
    let is_bot = account >= PEOPLE;
    let leaves = is_bot && (only_edge || account.is_multiple_of(2));
    let heard_ms = if leaves { 31_000 } else { 15_000 + lot(seed, 2, 200_000) as i64 };
    let track = if is_bot && !leaves { lot(seed, 3, 8) } else { lot(seed, 3, 300) };
    (account, track, at, heard_ms)
}

/// A folder of plays of people and bots, with labels that say of the bots what `label` says.
pub(crate) fn town(folder: &Path, label: &str, only_edge: bool) {
    std::fs::create_dir_all(folder).expect("a folder");
    let of = |account: u64| (0..6 * DAYS).map(move |number| play(account, number, only_edge));
    let mut plays: Vec<Played> = (0..PEOPLE + BOTS).flat_map(of).collect();
    plays.sort_by_key(|(.., at, _)| *at);
    let numbers =
        |of: fn(&Played) -> u64| Arc::new(UInt64Array::from(plays.iter().map(of).collect::<Vec<_>>())) as ArrayRef;
    let rows = RecordBatch::try_from_iter([
        ("play_id", Arc::new(UInt64Array::from_iter_values(0..plays.len() as u64)) as ArrayRef),
        ("ended_at", instants(&plays.iter().map(|play| Some(play.2)).collect::<Vec<_>>())),
        ("account_id", numbers(|play| play.0)),
        ("track_id", numbers(|play| play.1)),
        ("played_ms", whole(&plays.iter().map(|play| Some(play.3)).collect::<Vec<_>>())),
    ]);
    write(&folder.join("plays.parquet"), &rows.expect("columns of one length"), 2_000);
    let bots = || PEOPLE..PEOPLE + BOTS;
    let texts = |text: &str| Arc::new(StringArray::from_iter_values(bots().map(|_| text))) as ArrayRef;
    let labels = RecordBatch::try_from_iter([
        ("subject", texts("account")),
        ("subject_id", Arc::new(UInt64Array::from_iter_values(bots())) as ArrayRef),
        ("label", texts(label)),
        ("attack", texts("bots/easy")),
        ("labelled_at", instants(&bots().map(|_| Some(MONDAY + DAY_MS)).collect::<Vec<_>>())),
    ]);
    write(&folder.join("labels.parquet"), &labels.expect("columns of one length"), 2_000);
}

/// Few small trees and a network that hardly learned: what is asked here is not how good they are.
pub(crate) fn settings(folder: &Path) -> String {
    let path = folder.join("settings.json");
    std::fs::write(&path, r#"{"trees_max": 30, "learning_rate": 0.2, "network": {"epochs_max": 2}}"#).expect("a file");
    text(&path)
}

fn train(folder: &TempDir, data: &str, registry: &str, more: &[&str]) -> Ran {
    let settings = settings(folder.path());
    let (data, registry) = (text(&folder.path().join(data)), text(&folder.path().join(registry)));
    let line = ["train", "--data", &data, "--registry", &registry, "--settings", &settings];
    truestream(&[&line, more].concat())
}

/// All files below a folder, by path.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                // The lock is no result.
                false if entry.ends_with("lock") => {}
                false => {
                    let bytes = std::fs::read(&entry).expect("a file");
                    files.insert(entry.strip_prefix(root).expect("below the root").to_owned(), bytes);
                }
            }
        }
    }
    files
}

fn done(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

#[test]
fn the_same_data_gives_the_same_bytes_from_training_to_promotion_and_a_verdict_names_its_model() {
    let folder = TempDir::new().expect("a folder");
    town(&folder.path().join("data"), "fraud", false);
    let data = text(&folder.path().join("data"));
    // What the folder is called does not matter.
    town(&folder.path().join("other"), "fraud", false);
    for (name, from) in [("a", "data"), ("b", "other")] {
        let registry = text(&folder.path().join(name));
        done(train(&folder, from, name, &["--network", "--json"]));
        // Of an unevaluated version nobody is told that it is good.
        let refused = truestream(&["promote", "--registry", &registry]);
        assert!(refused.code == Some(3) && refused.err.contains("was not evaluated"), "{refused:?}");
        done(truestream(&["evaluate", "--registry", &registry, "--data", &data, "--json"]));
        let gate = ["evaluate", "--registry", &registry, "--data", &data, "--recall-min", "1.1"];
        assert_eq!(truestream(&gate).code, Some(3));
        assert_eq!(truestream(&["promote", "--registry", &registry]).code, Some(3), "the gate was not met");
        done(truestream(&["evaluate", "--registry", &registry, "--data", &data]));
        done(truestream(&["promote", "--registry", &registry]));
        let list = done(truestream(&["models", "list", "--registry", &registry]));
        assert!(list.out.contains("champion"), "{list:?}");
    }
    let (a, b) = (tree(&folder.path().join("a")), tree(&folder.path().join("b")));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let different: Vec<_> = a.iter().filter(|(path, bytes)| b[*path] != **bytes).map(|(path, _)| path).collect();
    assert!(different.is_empty(), "{different:?}");

    // Training again adds nothing, and there is nothing to go back to.
    let registry = text(&folder.path().join("a"));
    done(train(&folder, "data", "a", &["--network"]));
    assert!(tree(&folder.path().join("a")) == a);
    assert_eq!(truestream(&["rollback", "--registry", &registry]).code, Some(3));

    // The same days are no drift; a bound that nothing meets is one.
    let drift = ["drift", "--registry", &registry, "--data", &data, "--history", "4d"];
    let told = truestream(&[&drift, ["--index-max", "9", "--features-max", "1", "--json"].as_slice()].concat());
    assert!(done(told).out.contains("\"days\""));
    assert_eq!(truestream(&[&drift, ["--index-max", "0"].as_slice()].concat()).code, Some(3));
    // Whom to look at: nobody who is labelled, each once, a part of them by chance and with its probability.
    let queue = text(&folder.path().join("queue.parquet"));
    let line =
        ["queue", "--registry", &registry, "--data", &data, "--count", "40", "--audit-share", "0.25", "--out", &queue];
    done(truestream(&line));
    let rows = read(Path::new(&queue));
    let reasons = rows.column_by_name("reason").expect("a column").as_string::<i32>().clone();
    let ids = rows.column_by_name("account_id").expect("a column").as_primitive::<UInt64Type>();
    let accounts: BTreeSet<u64> = ids.iter().flatten().collect();
    assert!(accounts.len() == 40 && accounts.iter().all(|account| *account < PEOPLE), "{accounts:?}");
    assert_eq!(reasons.iter().flatten().filter(|reason| *reason == "audit").count(), 10);
    assert_eq!(rows.column_by_name("inclusion").expect("a column").null_count(), 30);

    // Nobody has looked at them yet; what is no queue is refused.
    let audit = |file: &str| truestream(&["evaluate", "--registry", &registry, "--data", &data, "--audit", file]);
    let told = done(audit(&queue));
    assert!(told.out.contains("10 accounts were drawn by chance, and nobody"), "{told:?}");
    assert_eq!(audit(&text(&folder.path().join("data/labels.parquet"))).code, Some(4));
    // A model of another program asks about features by name.
    let foreign = folder.path().join("lightgbm.txt");
    let model = include_str!("../../../models/tests/fixtures/lightgbm_nan.txt");
    std::fs::write(&foreign, model).expect("a file");
    let import = ["models", "import", &text(&foreign), "--registry", &registry];
    assert_eq!(truestream(&import).code, Some(4), "f0 is no feature of ours");
    let named = "feature_names=week_edge_share day_top_share week_plays_per_day group_size month_devices";
    std::fs::write(&foreign, model.replace("feature_names=f0 f1 f2 f3 f4", named)).expect("a file");
    done(truestream(&import));
    let diff = done(truestream(&["models", "diff", "1", "2", "--registry", &registry, "--json"]));
    assert!(diff.out.contains("imported_from"), "{diff:?}");
    let lenient =
        "--recall-min 0 --calibration-error-max 1 --honest-flagged-max 1 --recall-loss-max 1 --cohort-times-max 1000";
    let evaluate = |version: &str| {
        let line = ["evaluate", "--registry", &registry, "--data", &data, "--version", version];
        truestream(&line.into_iter().chain(lenient.split(' ')).collect::<Vec<_>>())
    };
    // Nobody said that it never saw the accounts that it is measured on.
    let seen = evaluate("2");
    assert!(seen.code == Some(3) && seen.err.contains("--held-out"), "{seen:?}");
    std::fs::write(&foreign, model.replace("feature_names=f0 f1 f2 f3 f4", &named.replace("day_top", "week_top")))
        .expect("a file");
    done(truestream(&[import.as_slice(), &["--held-out"]].concat()));
    done(evaluate("3"));
    // A version of few features is a baseline: it can be measured.
    done(train(&folder, "data", "a", &["--only", "week_edge_share,group_size"]));
    done(evaluate("latest"));

    let out = text(&folder.path().join("tables"));
    let line =
        ["replay", "--data", &data, "--out", &out, "--every", "6h", "--windows", "24h,7d,28d", "--models", &registry];
    done(truestream(&[&line, ["--views", "verdict,risk"].as_slice()].concat()));
    let verdicts = read(&folder.path().join("tables/verdict.parquet"));
    let column = |name: &str| verdicts.column_by_name(name).expect("a column").as_string::<i32>().clone();
    let (subjects, models, reasons) = (column("subject"), column("models"), column("reasons"));
    let accounts = (0..verdicts.num_rows()).filter(|row| subjects.value(*row) == "account");
    let told: Vec<usize> = accounts.filter(|row| models.value(*row) == r#"["account/1"]"#).collect();
    assert!(told.len() as u64 > BOTS / 2, "{} accounts", told.len());
    assert!(told.iter().any(|row| reasons.value(*row).contains("account/1, mostly because of")), "{reasons:?}");

    // A challenger scores beside the champion: a version beside itself says the same of everybody.
    let beside = ["--challenger", "1", "--views", "account_score"];
    done(truestream(&[line.as_slice(), &beside].concat()));
    let scores = read(&folder.path().join("tables/account_score.parquet"));
    let column = |name: &str| scores.column_by_name(name).expect("a column").clone();
    let (ids, sides, found) = (column("account_id"), column("side"), column("probability"));
    let ids = ids.as_primitive::<UInt64Type>();
    let of = |wanted: &str| -> BTreeMap<u64, u64> {
        let rows = (0..scores.num_rows()).filter(|row| sides.as_string::<i32>().value(*row) == wanted);
        rows.map(|row| (ids.value(row), found.as_primitive::<Float64Type>().value(row).to_bits())).collect()
    };
    assert!(of("champion").len() as u64 == PEOPLE + BOTS && of("champion") == of("challenger"), "{scores:?}");
    scored_alike(&of("champion"), Path::new(&queue));
    let alone = truestream(&[line.as_slice(), &["--challenger", "1", "--views", "verdict"]].concat());
    assert!(alone.code == Some(2) && alone.err.contains("account_score"), "{alone:?}");
}

#[test]
fn what_cannot_be_learned_from_is_refused_with_its_reason() {
    let folder = TempDir::new().expect("a folder");
    let refused = |ran: Ran, says: &str| assert!(ran.code == Some(4) && ran.err.contains(says), "{says}: {ran:?}");
    town(&folder.path().join("honest"), "honest", false);
    refused(train(&folder, "honest", "r", &[]), "0 fraud accounts to learn from");
    town(&folder.path().join("leak"), "fraud", true);
    refused(train(&folder, "leak", "r", &[]), "alone tells fraud from all others");
    refused(train(&folder, "leak", "r", &["--as-of", "1999-01-01"]), "no account has a play by then");
    // As of the first day nobody had labelled anybody.
    let first = text(&folder.path().join("leak"));
    refused(
        train(&folder, "leak", "r", &["--as-of", &(MONDAY + DAY_MS).to_string()]),
        "0 fraud accounts to learn from",
    );
    assert_eq!(train(&folder, "leak", "r", &["--as-of", "soon"]).code, Some(2));
    for (options, says) in [
        (["--family-holdout", "sleeper"], "no label names it; they name bots/easy"),
        (["--trust", "shoe_size"], "no feature of"),
        (["--only", "group_size,group_size"], "named twice"),
    ] {
        let ran = train(&folder, "leak", "r", &options);
        assert!(ran.code == Some(2) && ran.err.contains(says), "{says}: {ran:?}");
    }
    let nan = truestream(&["evaluate", "--data", &first, "--registry", "r", "--recall-min", "NaN"]);
    assert!(nan.code == Some(2) && nan.err.contains("0 or more"), "{nan:?}");
    refused(
        truestream(&["evaluate", "--data", &first, "--registry", &text(&folder.path().join("r"))]),
        "no version `latest`",
    );
    assert!(!folder.path().join("r/mlruns").exists(), "nothing was registered");
}

#[test]
fn training_that_was_killed_goes_on_to_the_same_model() {
    let folder = TempDir::new().expect("a folder");
    town(&folder.path().join("data"), "fraud", false);
    done(train(&folder, "data", "whole", &["--network"]));
    let settings = settings(folder.path());
    let (data, registry) = (text(&folder.path().join("data")), text(&folder.path().join("killed")));
    for kill in 0..6 {
        let running = start(&["train", "--data", &data, "--registry", &registry, "--settings", &settings, "--network"]);
        std::thread::sleep(std::time::Duration::from_millis(40 + 400 * kill));
        running.kill();
    }
    done(train(&folder, "data", "killed", &["--network"]));
    assert!(tree(&folder.path().join("whole")) == tree(&folder.path().join("killed")));
}

/// What the living system says of accounts is what the batch said of them: trees and network, rounded to a ten-thousandth.
fn scored_alike(live: &BTreeMap<u64, u64>, queue: &Path) {
    let queue = read(queue);
    let accounts = queue.column_by_name("account_id").expect("a column").as_primitive::<UInt64Type>();
    let probabilities = queue.column_by_name("probability").expect("a column").as_primitive::<Float64Type>();
    let mut different = BTreeSet::new();
    for (account, batch) in accounts.values().iter().zip(probabilities.values()) {
        let live = f64::from_bits(live[account]);
        assert!((live - batch).abs() < 0.000_051, "{account}: {live}, {batch}");
        different.insert(live.to_bits());
    }
    assert!(different.len() > 1, "all are scored alike: {different:?}");
}

#[test]
fn a_network_from_elsewhere_is_taken_and_hidden_fraud_is_looked_for() {
    let folder = TempDir::new().expect("a folder");
    town(&folder.path().join("data"), "fraud", false);
    let registry = text(&folder.path().join("r"));
    done(train(&folder, "data", "r", &["--network"]));
    let onnx = text(&folder.path().join("network.onnx"));
    done(truestream(&["models", "export", "1", "--onnx", &onnx, "--registry", &registry]));
    done(train(&folder, "data", "r", &["--network-from", &onnx, "--hidden-max", "0.1"]));
    let weights = |version: &str| {
        let shown = done(truestream(&["models", "show", version, "--json", "--registry", &registry]));
        let shown: serde_json::Value = serde_json::from_str(&shown.out).expect("JSON");
        shown["params"].clone()
    };
    let (first, second) = (weights("1"), weights("2"));
    assert!(first["network_hash"].is_string() && first["network_hash"] == second["network_hash"], "{first} {second}");
    let share = |name: &str| second[name].as_str().and_then(|text| text.parse::<f64>().ok()).expect("a share");
    assert!((0.5..=1.0).contains(&share("labelled_share")) && share("hidden_share") <= 0.1, "{second}");

    // One that was made for other series, one that is none, and a version without one.
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/fixtures/network_theirs.onnx");
    let refused = train(&folder, "data", "r", &["--network-from", &text(&fixture)]);
    assert!(refused.code == Some(4) && refused.err.contains("sequences test-1"), "{refused:?}");
    let refused = train(&folder, "data", "r", &["--network-from", &text(&folder.path().join("settings.json"))]);
    assert!(refused.code == Some(4) && refused.err.contains("it is no network"), "{refused:?}");
    done(train(&folder, "data", "r", &[]));
    let refused = truestream(&["models", "export", "3", "--onnx", &onnx, "--registry", &registry]);
    assert!(refused.code == Some(4) && refused.err.contains("has no network"), "{refused:?}");
}

/// The rows of everybody as of the instant.
fn features(file: &Path, as_of: i64) -> Vec<RecordBatch> {
    let rows = read(file);
    let instants = rows.column_by_name("as_of").expect("a column").as_primitive::<TimestampMillisecondType>();
    let wanted: BooleanArray = instants.iter().map(|instant| Some(instant == Some(as_of))).collect();
    vec![filter_record_batch(&rows, &wanted).expect("as many rows")]
}

/// Keeps what had arrived before the instant.
fn known_by(rows: RecordBatch, as_of: i64) -> RecordBatch {
    let at = |name: &str| {
        let column = rows.column_by_name(name)?;
        let cast = arrow::compute::cast(column, &arrow::datatypes::DataType::Int64).expect("instants");
        Some(cast.as_primitive::<Int64Type>().clone())
    };
    let (arrived, ended) = (at("arrived_at"), at("ended_at"));
    let known = (0..rows.num_rows()).map(|row| {
        let value = |column: &Option<arrow::array::Int64Array>| {
            column.as_ref().filter(|column| !column.is_null(row)).map(|column| column.value(row))
        };
        value(&arrived).max(value(&ended)).map(|at| at < as_of)
    });
    let known: BooleanArray = known.collect();
    filter_record_batch(&rows, &known).expect("as many rows")
}

#[test]
fn a_row_of_features_or_of_a_sequence_is_what_the_log_said_by_then() {
    const VIEWS: [&str; 4] = ["account_features", "track_features", "uploader_features", "account_sequence"];
    let folder = TempDir::new().expect("a folder");
    let replay = |data: &Path, out: &str, emit: &str| {
        let (data, out) = (text(data), folder.path().join(out));
        let views = VIEWS.join(",");
        let line = ["replay", "--data", &data, "--every", "6h", "--windows", "24h,7d,28d", "--views", &views];
        done(truestream(&[line.as_slice(), &["--emit", emit, "--out", &text(&out)]].concat()));
        VIEWS.map(|view| out.join(format!("{view}.parquet")))
    };
    let live = replay(world(), "live", "all");
    let rows = read(&live[0]);
    let instants = rows.column_by_name("as_of").expect("a column").as_primitive::<TimestampMillisecondType>();
    let instants: BTreeSet<i64> = instants.values().iter().copied().collect();
    // The world has plays on its first two days.
    for as_of in instants.into_iter().take(8).step_by(2) {
        let then = folder.path().join(format!("then-{as_of}"));
        copy(world(), &then);
        for table in ["plays", "corrections"] {
            rewrite(&then, table, 500, |rows| known_by(rows, as_of));
        }
        let rebuilt = replay(&then, &format!("rebuilt-{as_of}"), "last");
        for (live, rebuilt) in live.iter().zip(&rebuilt) {
            let (live, rebuilt) = (features(live, as_of), features(rebuilt, as_of));
            assert!(live[0].num_rows() > 0 && live == rebuilt, "as of {as_of}");
        }
    }
}
