//! A reviewer who knows the truth works through the pages of the desk, and the next model learns from what was said there.
//!
//! ```text
//! world ──▶ service, three of four weeks ──▶ list, case, decision ──▶ labels in the log ──▶ truestream labels ──▶ train ──┐
//!   └──▶ the few labels that there were before ──▶ train ─────────────────────────────────────────────────────────────────┴──▶ both score another world
//! ```
//!
//! It takes minutes: `benches/desk/reviewer.sh` runs it and keeps what it prints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use arrow::array::{Array, BooleanArray, Int64Array, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use tempfile::TempDir;

use crate::alive::Service;
use crate::data::{MONDAY, copy, instants, rewrite, rows, text, with};
use crate::desk::{Visitor, visitor};
use crate::process::truestream;

const DAY_MS: i64 = 86_400_000;
/// When a world begins unless told otherwise: the Thursday before.
const START: i64 = MONDAY - 4 * DAY_MS;
/// So many days have the worlds, and after so many people look at the first.
const DAYS: i64 = 28;
const LOOKED_AT: i64 = 21;
/// One in so many accounts that are fraud, or victims of it, was known before.
const KNOWN_EACH: u64 = 4;
/// So often every attack is laid over a world.
const LAID_OVER: usize = 2;
/// Who works through cases to teach looks at more than money has to wait for: from a risk of 0.15 on.
const ATTENTIVE: &str = "[default]\nhold = 15\nescalate = 60\nblock = 85\nescalate_signals = 2\nblock_signals = 3\n";
/// False positives at which recall is told.
const FALSE_SHARE: f64 = 0.001;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A world of honest accounts with every attack laid over it.
fn attacked(folder: &Path, name: &str, accounts: u64, seed: u64) -> std::path::PathBuf {
    let (honest, attacked) = (text(&folder.join(format!("{name}-honest"))), folder.join(name));
    let (accounts, days, seed) = (accounts.to_string(), DAYS.to_string(), seed.to_string());
    let line = ["world", "--accounts", &accounts, "--days", &days, "--seed", &seed, "--no-attacks", "--out", &honest];
    truestream(&line).good();
    // Once over gives as few accounts of each attack as there can be.
    let mut from = honest;
    for round in 0..LAID_OVER {
        let into = folder.join(format!("{name}-{round}"));
        let seed = format!("{seed}{round}");
        truestream(&["inject", "--data", &from, "--seed", &seed, "--out", &text(&into)]).good();
        std::fs::remove_dir_all(from).expect("a folder");
        from = text(&into);
    }
    std::fs::rename(from, &attacked).expect("a folder");
    attacked
}

/// The files of a table: its own and those that were injected.
fn files_of(folder: &Path, table: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.to_str()?.strip_suffix(".parquet").map(str::to_owned));
    names.filter(|name| name == table || name.starts_with(&format!("{table}-"))).collect()
}

/// What is true of the accounts of a world about which there is something to say.
fn truth(world: &Path) -> BTreeMap<String, String> {
    let files = files_of(world, "labels").into_iter().map(|file| world.join(format!("{file}.parquet")));
    let labels = files.flat_map(|file| rows(&file, &["subject", "subject_id", "label"]));
    labels.filter(|label| label[0] == "account").map(|label| (label[1].clone(), label[2].clone())).collect()
}

/// Whether it was known before that this account is what it is; by lot.
fn was_known(id: &str) -> bool {
    let hash = id
        .bytes()
        .fold(7u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23));
    hash.is_multiple_of(KNOWN_EACH)
}

/// Leaves of the labels of a folder those that were known before, from the first day on.
fn keep_known(folder: &Path) -> usize {
    let mut kept = 0;
    for table in files_of(folder, "labels") {
        rewrite(folder, &table, 500, |labels| {
            let words = |name: &str| {
                let column = cast(labels.column_by_name(name).expect("a column"), &DataType::Utf8).expect("texts");
                column.as_any().downcast_ref::<StringArray>().expect("texts").clone()
            };
            let (subjects, ids, words) = (words("subject"), words("subject_id"), words("label"));
            let is_kept = |row: usize| {
                subjects.value(row) == "account" && words.value(row) != "honest" && was_known(ids.value(row))
            };
            let mask: BooleanArray = (0..labels.num_rows()).map(|row| Some(is_kept(row))).collect();
            let labels = filter_record_batch(&labels, &mask).expect("rows");
            kept += labels.num_rows();
            with(&labels, "labelled_at", instants(&vec![None; labels.num_rows()]))
        });
    }
    kept
}

/// Leaves of a folder what had arrived before the instant, and no labels.
fn cut(folder: &Path, until: i64) {
    for labels in files_of(folder, "labels") {
        std::fs::remove_file(folder.join(format!("{labels}.parquet"))).expect("a file");
    }
    for table in [files_of(folder, "plays"), files_of(folder, "corrections")].concat() {
        rewrite(folder, &table, 10_000, |rows| {
            let whole = |name: &str| {
                let column = cast(rows.column_by_name(name).expect("a column"), &DataType::Int64).expect("instants");
                column.as_any().downcast_ref::<Int64Array>().expect("whole numbers").clone()
            };
            let arrived = whole("arrived_at");
            // What does not say when it arrived did so when it ended.
            let ended = if table.starts_with("corrections") { arrived.clone() } else { whole("ended_at") };
            let came = arrived.iter().zip(ended.iter()).map(|(arrived, ended)| arrived.or(ended));
            let mask: BooleanArray = came.map(|at| Some(at.is_some_and(|at| at < until))).collect();
            let kept = filter_record_batch(&rows, &mask).expect("rows");
            assert!(kept.num_rows() > 0, "no {table} came before {until}");
            kept
        });
    }
}

/// What somebody who knows the truth says of an account.
fn choice(truth: Option<&str>) -> (&'static str, &'static str) {
    match truth {
        Some("fraud") => ("confirm", ""),
        Some("victim") => ("override", "victim"),
        _ => ("override", "habit"),
    }
}

/// Works through the accounts that wait, the most urgent first, as the pages offer them: how many were decided, by choice and reason.
fn review(
    first: &Visitor<'_>,
    second: &Visitor<'_>,
    truth: &BTreeMap<String, String>,
    decisions_max: usize,
) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for _ in 0..decisions_max {
        let list = first.get("/desk?subject=account");
        let Some(case) = list.cases().first().map(|case| (*case).to_owned()) else {
            assert!(!told.is_empty(), "nobody waits: {}", list.body);
            break;
        };
        let id = case.rsplit('/').next().expect("an id");
        let (choice, reason) = choice(truth.get(id).map(String::as_str));
        let decided = first.decide(&case, choice, reason);
        assert_eq!(decided.status, 303, "{case}: {}", decided.body);
        // Where two have to agree, the case waits, and says so.
        if second.get("/desk?subject=account").cases().contains(&case.as_str()) {
            let page = second.get(&format!("/desk/case/{case}"));
            assert!(page.body.contains("waits for a second person"), "{case}: {}", page.body);
            assert_eq!(second.decide(&case, choice, reason).status, 303, "{case}");
            // Back to the list: the next case is the other's.
            second.get("/desk");
        }
        *told.entry(format!("{choice} {reason}").trim().to_owned()).or_default() += 1;
    }
    told
}

/// Of the accounts of a world that are fraud or victims, the share that a model finds where at most `FALSE_SHARE` of the others are above the threshold; and
/// how many there are of either.
fn recall(scores: &BTreeMap<String, f64>, truth: &BTreeMap<String, String>) -> (f64, usize, usize) {
    let is_fraud = |id: &String| truth.get(id).is_some_and(|word| word != "honest");
    let (fraud, honest): (Vec<_>, Vec<_>) = scores.iter().partition(|(id, _)| is_fraud(id));
    let mut others: Vec<f64> = honest.iter().map(|(_, score)| **score).collect();
    others.sort_by(|a, b| b.total_cmp(a));
    let allowed = (others.len() as f64 * FALSE_SHARE) as usize;
    let threshold = others.get(allowed).copied().unwrap_or(0.0);
    let found = fraud.iter().filter(|(_, score)| **score > threshold).count();
    (found as f64 / fraud.len().max(1) as f64, fraud.len(), honest.len())
}

#[test]
#[ignore = "takes minutes: benches/desk/reviewer.sh"]
fn what_a_reviewer_says_through_the_pages_makes_the_next_model_better() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let [accounts, seed] =
        [("TRUESTREAM_ACCOUNTS", 1_600), ("TRUESTREAM_SEED", 1)].map(|(name, usual)| setting(name, usual));
    let decisions_max = setting("TRUESTREAM_DECISIONS", 200) as usize;
    let (world, other) =
        (attacked(folder.path(), "world", accounts, seed), attacked(folder.path(), "other", accounts, seed + 1));
    let (truth, truth_of_other) = (truth(&world), truth(&other));

    // Three weeks of it arrive at a service, which knows no label; two people look at accounts.
    copy(&world, &path("arriving"));
    cut(&path("arriving"), START + LOOKED_AT * DAY_MS);
    std::fs::create_dir(path("attentive")).expect("a folder");
    for (file, words) in [("policy.toml", "version = \"attentive\"\n"), ("thresholds.toml", ATTENTIVE)] {
        std::fs::write(path("attentive").join(file), words).expect("a file");
    }
    let (arriving, policy) = (text(&path("arriving")), text(&path("attentive")));
    let service = Service::start(&path("state"), &["--follow", &arriving, "--policy", &policy]);
    let until = Instant::now() + Duration::from_secs(900);
    while service.json("GET /health").1["as_of"].as_i64() < Some(START + (LOOKED_AT - 1) * DAY_MS) {
        assert!(Instant::now() < until, "never: {}", service.running.err());
        sleep(Duration::from_secs(1));
    }
    service.wait_until_stated();
    let rita = visitor(&service, &path("state"), "rita", "reviewer");
    let rick = visitor(&service, &path("state"), "rick", "reviewer");
    let decided = review(&rita, &rick, &truth, decisions_max);
    let count: usize = decided.values().sum();
    println!("decided through the pages: {count} accounts of {} with something true to say: {decided:?}", truth.len());
    let labels = path("labels-desk.parquet");
    let line = ["labels", "--state", &text(&path("state")), "--out", &text(&labels)];
    let labelled = || {
        truestream(&line).good();
        rows(&labels, &["subject_id"]).into_iter().collect::<BTreeSet<_>>().len()
    };
    let until = Instant::now() + Duration::from_secs(180);
    while labelled() < count {
        assert!(Instant::now() < until, "the labels never came: {}", service.running.err());
        sleep(Duration::from_secs(2));
    }
    service.running.ask_to_end();
    service.running.end().good();

    // The same four weeks, with what was known before, and with what was said at the desk besides.
    copy(&world, &path("before"));
    let known = keep_known(&path("before"));
    copy(&path("before"), &path("after"));
    std::fs::rename(&labels, path("after").join("labels-desk.parquet")).expect("a file");
    let registry = text(&path("registry"));
    for data in ["before", "after"] {
        let line = ["train", "--data", &text(&path(data)), "--registry", &registry, "--json"];
        truestream(&line).good();
    }
    println!(
        "labels known before: {known} of {} accounts that are fraud or victims",
        truth.values().filter(|word| *word != "honest").count()
    );

    // Another world, which neither has seen, is scored by both, day by day.
    let (data, out) = (text(&other), text(&path("scores")));
    let how = ["--every", "1d", "--windows", "24h,7d,28d", "--emit", "all", "--views", "account_score"];
    let who = ["--models", &registry, "--model", "1", "--challenger", "2"];
    truestream(&[&["replay", "--data", &data, "--out", &out], &how[..], &who[..]].concat()).good();
    let mut scores: [BTreeMap<String, f64>; 2] = Default::default();
    let mut models = BTreeSet::new();
    for row in rows(&path("scores").join("account_score.parquet"), &["account_id", "model", "probability"]) {
        let (id, probability) = (row[0].clone(), row[2].parse::<f64>().expect("a number"));
        models.insert(row[1].clone());
        let highest = scores[usize::from(row[1] == "account/2")].entry(id).or_insert(0.0);
        *highest = highest.max(probability);
    }
    assert_eq!(models, ["account/1", "account/2"].map(str::to_owned).into());
    let [(before, fraud, honest), (after, ..)] = scores.each_ref().map(|scores| recall(scores, &truth_of_other));
    println!(
        "recall at {} % false positives in a world that neither saw ({fraud} accounts are fraud or victims, {honest} are not): before {before:.3}, after {after:.3}",
        FALSE_SHARE * 100.0
    );
    assert!(after > before, "{after} is no more than {before}");
}
