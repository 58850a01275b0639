//! A month's money as the payout path meets it: exact, explained, opened again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use datasets::dsr;
use tempfile::TempDir;

use crate::data::{copy, instants, read, rewrite, rows, text, whole, with, write};
use crate::process::{files, names, truestream};

/// Whoever is suspected at all is blocked, and a track needs one stream.
pub fn strict() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let thresholds = "[default]\nhold = 1\nescalate = 2\nblock = 30\nescalate_signals = 0\nblock_signals = 0";
    let built_in: BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
    let royalties = built_in["royalties.toml"].replace("streams_min = 1000", "streams_min = 3");
    let royalties = royalties.replace("listeners_min = 50", "listeners_min = 2");
    let files =
        [("policy.toml", "version = \"strict\""), ("thresholds.toml", thresholds), ("royalties.toml", &royalties)];
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

fn replayed(policy: &Path, out: &Path, emit: &str) {
    let (data, out) = (text(crate::data::world()), text(out));
    let line = ["replay", "--data", &data, "--out", &out, "--every", "6h", "--windows", "24h,28d", "--emit", emit];
    let views = match emit {
        "last" => "verdict,withheld,track_window,account_group,payout_hold,gate",
        _ => "verdict,account_group,payout_hold,gate",
    };
    truestream(&[&line[..], &["--views", views, "--policy", &text(policy)]].concat()).good();
}

/// The numbers of a column by track.
fn by_track(path: &Path, column: &str, keep: impl Fn(&[String]) -> bool) -> BTreeMap<String, u64> {
    let has_window = read(path).column_by_name("window").is_some();
    let mut columns = vec!["track_id", column];
    columns.extend(has_window.then_some("window"));
    let rows = rows(path, &columns).into_iter().filter(|row| keep(row));
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        *sums.entry(row[0].clone()).or_default() += row[1].parse::<u64>().expect("a number");
    }
    sums.retain(|_, sum| *sum > 0);
    sums
}

fn added(of: &[BTreeMap<String, u64>]) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    of.iter().flatten().for_each(|(track, count)| *sums.entry(track.clone()).or_default() += count);
    sums
}

fn micros(amount: &serde_json::Value) -> u64 {
    datasets::policy::amount(amount.as_str().expect("an amount")).expect("an amount")
}

#[test]
fn a_month_is_shared_to_the_last_millionth_and_reported() {
    let policy = strict();
    let (tables, out) = (policy.path().join("tables"), policy.path().join("january"));
    replayed(policy.path(), &tables, "last");
    let (data, tables_text, out_text) = (text(crate::data::world()), text(&tables), text(&out));
    let line = ["royalties", "--data", &data, "--tables", &tables_text, "--month", "2026-01", "--out", &out_text];
    let policy_text = text(policy.path());
    let more = ["--policy", &policy_text, "--pool", "1000.01", "--json"];
    let told = truestream(&[&line[..], &more].concat()).good();
    // Tables of the last instant know no verdict that did not last: it is told, and they close no month as of another instant.
    assert!(told.err.contains("warning: the tables know verdicts as of"), "{told:?}");
    let earlier = ["--close", "2026-01-02T06:00:00Z", "--out", "/nowhere"];
    let line_of = |out: [&'static str; 4]| [&line[..7], &out, &more].concat();
    truestream(&line_of(earlier)).failed(2, &["--emit last", "--emit changes", "speak about plays from"]);
    let told = told.json();
    assert_eq!((&told["earlier_verdicts_known"], &told["verdicts_until"]), (&false.into(), &told["close"]));
    assert_eq!(micros(&told["pool"]), 1_000_010_000);
    assert_eq!(micros(&told["payable"]) + micros(&told["held"]) + micros(&told["left"]), micros(&told["pool"]));
    let royalty = out.join("royalty.parquet");
    let all = |column: &str| by_track(&royalty, column, |_| true);
    let of = ["payable", "held", "withheld", "ineligible"].map(all);
    let paid: u64 = all("payable_micros").values().sum();
    assert_eq!(paid, micros(&told["payable"]));

    // All streams are those that the window of 28 days counts: the world lasts two days.
    let counted = by_track(&tables.join("track_window.parquet"), "payable", |row| row[2] == "28d");
    assert_eq!(added(&of), counted);
    // Those withheld are the plays that the table of withheld plays names, and all plays of blocked tracks.
    let lengths: BTreeMap<String, u64> = rows(&Path::new(&data).join("plays.parquet"), &["play_id", "played_ms"])
        .into_iter()
        .map(|row| (row[0].clone(), row[1].parse().expect("a length")))
        .collect();
    let blocked = rows(&tables.join("verdict.parquet"), &["subject", "subject_id", "verdict"]);
    let is_blocked =
        |track: &String| blocked.iter().any(|row| row[0] == "track" && row[1] == *track && row[2] == "block");
    let mut withheld: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows(&tables.join("withheld.parquet"), &["play_id", "track_id"]) {
        if lengths[&row[0]] >= 30_000 && !is_blocked(&row[1]) {
            *withheld.entry(row[1].clone()).or_default() += 1;
        }
    }
    withheld
        .extend(counted.iter().filter(|(track, _)| is_blocked(track)).map(|(track, count)| (track.clone(), *count)));
    assert!(withheld.len() > 5, "{}", withheld.len());
    assert_eq!(of[2], withheld);
    // Days add up to the month.
    let days = out.join("royalty_day.parquet");
    for (column, sums) in ["payable", "held", "withheld", "ineligible"].iter().zip(&of) {
        assert_eq!(&by_track(&days, column, |_| true), sums, "{column}");
    }
    // Reports are read back and say the same of every track that somebody delivered, in streams and in money.
    let mut reported: [BTreeMap<String, u64>; 6] = Default::default();
    for (name, bytes) in files(&out.join("dsr")) {
        let report =
            dsr::read(&String::from_utf8(bytes).expect("text")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((report.from.as_str(), report.until.as_str()), ("2026-01-01", "2026-01-31"));
        assert_eq!((report.year_days, report.currency.as_str()), ([2, 365], "EUR"), "the world lasts two days");
        for usage in report.usages {
            let numbers = usage.streams.into_iter().chain(usage.micros);
            let by_kind = reported.iter_mut().zip(numbers);
            by_kind.for_each(|(kind, number)| _ = kind.insert(usage.track.clone(), number));
        }
    }
    reported.iter_mut().for_each(|side| side.retain(|_, streams| *streams > 0));
    let delivered: BTreeMap<String, String> = rows(&royalty, &["track_id", "distributor_id"])
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let has = |(track, _): &(&String, &u64)| !delivered[*track].is_empty();
    let of_delivered = |sums: &BTreeMap<String, u64>| -> BTreeMap<String, u64> {
        sums.iter().filter(has).map(|(track, count)| (track.clone(), *count)).collect()
    };
    let money = ["payable_micros", "held_micros"].map(all);
    assert_eq!(&reported[..4], &of.map(|kind| of_delivered(&kind)));
    assert_eq!(&reported[4..], &money.map(|kind| of_delivered(&kind)));
    // What is paid is reported to the last millionth; what waits for somebody to pay is in no report.
    let [paid, held] = [4, 5].map(|kind| reported[kind].values().sum::<u64>());
    assert_eq!(paid, micros(&told["payable"]));
    assert_eq!(held + micros(&told["held_without_distributor"]), micros(&told["held"]));
    assert!(held > 0, "nothing waits");

    // The same again is the same bytes; other terms move money and lose none.
    let again = policy.path().join("again");
    let again_text = text(&again);
    let line = ["royalties", "--data", &data, "--tables", &tables_text, "--month", "2026-01", "--out", &again_text];
    let against = ["--against", &out_text];
    let same = truestream(&[&line[..], &more, &against].concat()).good().json();
    assert_eq!((&same["differences"], &same["moved"]), (&0.into(), &"0.000000".into()));
    assert_eq!(std::fs::read(again.join("royalty.parquet")).ok(), std::fs::read(&royalty).ok());
    let terms = std::fs::read_to_string(policy.path().join("royalties.toml")).expect("terms");
    std::fs::write(policy.path().join("royalties.toml"), terms.replace("\"pro_rata\"", "\"user_centric\""))
        .expect("written");
    // A close is not replaced by another one; the same is written anew.
    let written = |folder: &Path| {
        ["royalties.json", "royalty.parquet", "royalty_day.parquet", "royalty_difference.parquet"]
            .map(|name| std::fs::read(folder.join(name)).expect("a file"))
    };
    let before = written(&again);
    let refused = truestream(&[&line[..], &more, &against].concat()).failed(2, &["holds another close", "--against"]);
    assert!(refused.out.is_empty() && written(&again) == before, "{refused:?}");
    let terms = std::fs::read_to_string(policy.path().join("royalties.toml")).expect("terms");
    let elsewhere = text(&policy.path().join("elsewhere"));
    let line = ["royalties", "--data", &data, "--tables", &tables_text, "--month", "2026-01", "--out", &elsewhere];
    let other = truestream(&[&line[..], &more, &against].concat()).good().json();
    let once = written(Path::new(&elsewhere));
    truestream(&[&line[..], &more, &against].concat()).good();
    assert!(written(Path::new(&elsewhere)) == once);
    assert!(
        terms.contains("user_centric") && other["differences"].as_u64() > Some(20) && micros(&other["moved"]) > 0,
        "{other:#}"
    );
    assert_eq!(micros(&other["payable"]) + micros(&other["held"]) + micros(&other["left"]), 1_000_010_000);
}

#[test]
fn a_month_that_is_opened_again_says_what_changed() {
    let policy = strict();
    let [tables, early, late] = ["tables", "early", "late"].map(|name| policy.path().join(name));
    replayed(policy.path(), &tables, "changes");
    let (data, tables, policy_text) = (text(crate::data::world()), text(&tables), text(policy.path()));
    let line =
        ["royalties", "--data", &data, "--tables", &tables, "--month", "2026-01", "--policy", &policy_text, "--json"];
    let first = ["--out", &text(&early), "--close", "2026-01-02T06:00:00Z"];
    let first = truestream(&[&line[..], &first].concat()).good().json();
    let second = ["--out", &text(&late), "--against", &text(&early)];
    let second = truestream(&[&line[..], &second].concat()).good().json();
    assert!(first["streams"].as_u64() < second["streams"].as_u64() && first["is_over"] == false);
    assert_eq!(second["earlier_verdicts_known"], true);
    let differences = rows(
        &late.join("royalty_difference.parquet"),
        &["track_id", "payable_before", "payable_after", "payable_micros_before", "payable_micros_after"],
    );
    assert_eq!(Some(differences.len() as u64), second["differences"].as_u64());
    let [before, after] = [&early, &late].map(|folder| by_track(&folder.join("royalty.parquet"), "payable", |_| true));
    for row in &differences {
        let count = |of: &BTreeMap<String, u64>| of.get(&row[0]).copied().unwrap_or_default().to_string();
        assert_eq!((&row[1], &row[2]), (&count(&before), &count(&after)));
    }
    // More accounts are known to have listened, and their fees are the money.
    let otherwise = second["earlier_otherwise"].as_array().expect("a list");
    assert!(otherwise.len() == 1 && otherwise[0].as_str().is_some_and(|told| told.starts_with("pool ")), "{second:#}");
    let more = |name: &str| micros(&second[name]);
    assert_eq!(more("payable_more") + more("held_more"), micros(&second["moved"]));

    // Other money is not a correction, and is told. What is not of a close is left where it is.
    let other = policy.path().join("other");
    let mine = other.join("dsr").join("mine.txt");
    std::fs::create_dir_all(other.join("dsr")).expect("a folder");
    std::fs::write(&mine, "mine").expect("a file");
    let other = ["--out", &text(&other), "--against", &text(&early), "--pool", "123"];
    let other = truestream(&[&line[..], &other].concat()).good().json();
    assert!(other["earlier_otherwise"][0].as_str().is_some_and(|told| told.ends_with("now 123.000000")), "{other:#}");
    assert!(mine.exists());

    // The terms of a month are those that were in force when it ended.
    let store = text(&policy.path().join("store"));
    for (name, from) in [("first", "2026-01-01"), ("next", "2026-02-01")] {
        let folder = policy.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("policy.toml"), format!("version = \"{name}\"")).expect("written");
        let line =
            ["policy", "activate", &text(&folder), "--store", &store, "--from", from, "--by", "ann", "--why", "x"];
        truestream(&line).good();
    }
    let line = ["royalties", "--data", &data, "--tables", &tables, "--month", "2026-01", "--policy", &store, "--json"];
    let told = truestream(&[&line[..], &["--out", &text(&policy.path().join("first terms"))]].concat()).good().json();
    assert_eq!(told["policy_version"], "first");

    let wrong = ["royalties", "--data", &data, "--tables", &tables, "--out", &text(&late)];
    for (more, code, says) in [
        (vec!["--month", "2026-02"], Some(2), "begins later than the tables end"),
        (vec!["--month", "January"], Some(2), "such as 2026-01"),
        (vec!["--month", "2026-01", "--pool", "much"], Some(2), "such as 250000.00"),
        (vec!["--month", "2026-01", "--against", "/nowhere"], Some(4), "nowhere"),
    ] {
        let told = truestream(&[&wrong[..], &more].concat());
        assert_eq!((told.code, told.err.contains(says)), (code, true), "{told:?}");
    }
}

#[test]
fn who_delivers_a_track_later_or_takes_it_down_takes_no_money_that_another_has_earned() {
    let policy = strict();
    let folder = TempDir::new().expect("a folder");
    let words = |texts: &[Option<&str>]| -> ArrayRef { Arc::new(texts.iter().copied().collect::<StringArray>()) };
    let day = |number: i64| Some(crate::data::MONDAY + number * 86_400_000);
    // Four streams in January, one of a track of nobody's and one of somebody's with a long name, and one in May, so that the tables tell of it.
    let numbered: Vec<String> = (0..7).map(|number| format!("p{number}")).collect();
    let ids: Vec<Option<&str>> = numbered.iter().map(|name| Some(name.as_str())).collect();
    let plays = [
        ("play_id", words(&ids), true),
        ("ended_at", instants(&[1, 2, 3, 4, 5, 6, 130].map(day)), true),
        ("account_id", words(&["a", "b", "a", "b", "a", "b", "a"].map(Some)), true),
        ("track_id", words(&["t", "t", "t", "t", "u", "v", "t"].map(Some)), true),
        ("played_ms", whole(&[Some(200_000); 7]), true),
    ];
    write(&folder.path().join("plays.parquet"), &RecordBatch::try_from_iter_with_nullable(plays).expect("plays"), 64);
    // Delivered by one, by another before the month is closed, taken down in May.
    let long = "n".repeat(300);
    let tracks = [
        ("track_id", words(&["t", "t", "t", "u", "v"].map(Some)), true),
        ("valid_from", instants(&[-30, 29, 120, -30, -30].map(day)), true),
        ("distributor_id", words(&[Some("first"), Some("second"), None, Some(" "), Some(&long)]), true),
    ];
    write(
        &folder.path().join("tracks.parquet"),
        &RecordBatch::try_from_iter_with_nullable(tracks).expect("tracks"),
        64,
    );
    let [tables, early, late] = ["tables", "early", "late"].map(|name| text(&policy.path().join(name)));
    let (data, policy_text) = (text(folder.path()), text(policy.path()));
    let line =
        ["replay", "--data", &data, "--out", &tables, "--every", "24h", "--windows", "7d", "--policy", &policy_text];
    truestream(&[&line[..], &["--views", "verdict,payout_hold,gate,account_group", "--emit", "changes"]].concat())
        .good();
    let line =
        ["royalties", "--data", &data, "--tables", &tables, "--month", "2026-01", "--policy", &policy_text, "--json"];
    let regular = truestream(&[&line[..], &["--out", &early]].concat()).good().json();
    let has_all = micros(&regular["payable"]) + micros(&regular["held"]) == micros(&regular["pool"]);
    assert!(micros(&regular["pool"]) > 0 && has_all, "{regular:#}");
    let again = ["--out", &late, "--close", "2026-06-01", "--against", &early];
    let again = truestream(&[&line[..], &again].concat()).good().json();
    assert_eq!((&again["lines_hash"], &again["differences"]), (&regular["lines_hash"], &0.into()), "{again:#}");
    for out in [&early, &late] {
        let found = rows(&Path::new(out).join("royalty.parquet"), &["track_id", "distributor_id", "held_because"]);
        assert_eq!(found, [["t", "first", ""], ["u", "", "no_distributor"], ["v", &long, ""]]);
        assert_eq!(names(&Path::new(out).join("dsr")).len(), 2);
    }
    // Tables of the last instant say nothing of January.
    let line =
        ["replay", "--data", &data, "--out", &text(&policy.path().join("last")), "--every", "24h", "--windows", "7d"];
    truestream(&[&line[..], &["--views", "verdict,payout_hold,gate,account_group", "--emit", "last"]].concat()).good();
    let line = ["royalties", "--data", &data, "--tables", &text(&policy.path().join("last")), "--month", "2026-01"];
    for close in [&[][..], &["--close", "2026-06-01"]] {
        let told = truestream(&[&line[..], &["--out", "/nowhere"], close].concat());
        told.failed(2, &["--emit last", "speak about plays from", "replay with --emit changes"]);
    }
}

#[test]
fn a_month_is_closed_over_the_files_that_were_replayed_wherever_they_lie() {
    let policy = strict();
    let [tables, moved, other, listed] = ["tables", "moved", "other", "listed"].map(|name| policy.path().join(name));
    replayed(policy.path(), &tables, "changes");
    [&moved, &other, &listed].into_iter().for_each(|folder| copy(crate::data::world(), folder));
    let royalties = |data: &Path, out: &str, more: &[&str]| {
        let (data, tables, out) = (text(data), text(&tables), text(&policy.path().join(out)));
        let line = ["royalties", "--data", &data, "--tables", &tables, "--month", "2026-01", "--out", &out];
        truestream(&[&line[..], &["--policy", &text(policy.path())], more].concat())
    };
    let told = royalties(crate::data::world(), "there", &["--json"]).good().json();
    assert_eq!(royalties(&moved, "moved elsewhere", &["--json"]).good().json(), told);

    // One play of another length, in a file of the same name and the same size.
    rewrite(&other, "plays", 500, |plays| {
        let column = plays.column_by_name("played_ms").expect("a column").clone();
        let column = cast(&column, &DataType::Int64).expect("numbers");
        let lengths = column.as_any().downcast_ref::<Int64Array>().expect("numbers");
        let lengths: Vec<_> =
            lengths.iter().enumerate().map(|(at, ms)| if at == 0 { ms.map(|ms| ms ^ 1) } else { ms }).collect();
        with(&plays, "played_ms", whole(&lengths))
    });
    let says = ["plays: ", "other/plays.parquet: found ", "expected ", "give the files that were replayed"];
    assert!(royalties(&other, "refused", &[]).failed(4, &says).out.is_empty());
    assert!(!policy.path().join("refused").exists());
    let explain = |data: &Path, id: &str| {
        let (tables, data, law) = (text(&tables), text(data), text(policy.path()));
        truestream(&["explain", "account", id, "--tables", &tables, "--data", &data, "--policy", &law])
    };
    let verdicts = rows(&tables.join("verdict.parquet"), &["subject", "subject_id"]);
    let account = verdicts.iter().find(|row| row[0] == "account").expect("somebody is judged");
    explain(&other, &account[1]).failed(4, &["made of plays that are not here", "replay these"]);

    // Another catalogue is taken for a close that the tables do not reach, which says so.
    rewrite(&listed, "tracks", 500, |tracks| {
        let (first, others) = (tracks.slice(0, 1), tracks.slice(1, tracks.num_rows() - 1));
        concat_batches(&tracks.schema(), [&others, &first]).expect("the same columns")
    });
    royalties(&listed, "refused", &[]).failed(4, &["tracks: ", "listed/tracks.parquet", "or close later than"]);
    let told = royalties(&listed, "later", &["--close", "2026-03-01", "--json"]).good().json();
    assert_eq!(told["changed_since"], serde_json::json!(["tracks"]));
    // What was corrected stays corrected, and what was delivered stays known.
    rewrite(&listed, "tracks", 500, |tracks| tracks.slice(1, tracks.num_rows() - 1));
    royalties(&listed, "refused", &["--close", "2026-03-01"])
        .failed(4, &["tracks: found 1 files", "expected at least"]);
    std::fs::remove_file(moved.join("corrections.parquet")).expect("a file");
    let without = royalties(&moved, "refused", &["--close", "2026-03-01"]);
    without.failed(4, &["corrections: found 0 files with 0 rows", "corrections.parquet"]);
    let told = explain(&listed, &account[1]);
    assert!(told.err.contains("warning: not what") && told.err.contains("tracks: "), "{told:?}");
}

#[test]
fn rows_as_of_every_instant_close_a_month_as_changes_do_and_tables_that_do_not_tell_what_waits_close_none() {
    let policy = strict();
    let (data, law) = (text(crate::data::world()), text(policy.path()));
    let replay = |name: &str, emit: &str, views: &str| {
        let tables = text(&policy.path().join(name));
        let line =
            ["replay", "--data", &data, "--out", &tables, "--every", "24h", "--windows", "24h,28d", "--emit", emit];
        truestream(&[&line[..], &["--policy", &law, "--views", views]].concat()).good();
        tables
    };
    let royalties = |tables: &str| {
        let out = format!("{tables}-closed");
        let line = ["royalties", "--data", &data, "--tables", tables, "--month", "2026-01", "--out", &out, "--json"];
        truestream(&[&line[..], &["--policy", &law]].concat())
    };
    let views = "verdict,payout_hold,gate,account_group";
    let [changes, all] = ["changes", "all"].map(|emit| royalties(&replay(emit, emit, views)).good().json());
    assert!(changes["held_streams"].as_u64() > Some(0), "{changes:#}");
    assert_eq!(changes["lines_hash"], all["lines_hash"]);
    let half = royalties(&replay("half", "changes", "verdict,gate"));
    half.failed(4, &["found no payout_hold, account_group", "would be paid", "--emit changes"]);
}

/// A year of one stream a day, without this day, of a track that needs a listener more than it has.
fn a_year_without(day: Option<i64>) -> (serde_json::Value, String) {
    let folder = TempDir::new().expect("a folder");
    let february = crate::data::MONDAY - 338 * 86_400_000;
    let days: Vec<i64> = (0..365).filter(|number| Some(*number) != day).collect();
    let words = |of: &dyn Fn(i64) -> String| -> ArrayRef {
        Arc::new(days.iter().map(|day| Some(of(*day))).collect::<StringArray>())
    };
    let ended: Vec<_> = days.iter().map(|day| Some(february + day * 86_400_000)).collect();
    let columns = [
        ("play_id", words(&|day| format!("p{day}")), true),
        ("ended_at", instants(&ended), true),
        ("account_id", words(&|_| "a".to_owned()), true),
        ("track_id", words(&|_| "t".to_owned()), true),
        ("played_ms", whole(&vec![Some(200_000); days.len()]), true),
    ];
    write(&folder.path().join("plays.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).expect("plays"), 64);
    let [data, tables, out] = [folder.path().to_owned(), folder.path().join("tables"), folder.path().join("january")];
    let (data, tables, out, policy) = (text(&data), text(&tables), text(&out), strict());
    let line = ["replay", "--data", &data, "--out", &tables, "--every", "24h", "--windows", "28d"];
    truestream(&[&line[..], &["--views", "verdict,payout_hold,gate,account_group", "--emit", "changes"]].concat())
        .good();
    let line = ["royalties", "--data", &data, "--tables", &tables, "--month", "2026-01", "--out", &out];
    let told = truestream(&[&line[..], &["--policy", &text(policy.path()), "--json"]].concat()).good();
    assert_eq!(rows(Path::new(&out).join("royalty.parquet").as_path(), &["ineligible_because"]), [["listeners"]]);
    (told.json(), told.err)
}

#[test]
fn who_is_judged_by_a_part_of_the_year_is_told_so() {
    let (told, err) = a_year_without(None);
    assert_eq!((&told["year"]["days"], &told["year"]["days_with_streams"]), (&365.into(), &365.into()));
    assert_eq!((&told["year"]["ineligible_tracks_by_them"], err.as_str()), (&0.into(), ""));
    let (told, err) = a_year_without(Some(7));
    assert_eq!(
        (&told["year"]["days_with_streams"], &told["year"]["ineligible_tracks_by_them"]),
        (&364.into(), &1.into())
    );
    assert_eq!(told["year"]["rules"], serde_json::json!(["streams_min", "listeners_min", "streams_per_listener"]));
    assert!(err.contains("warning") && err.contains("on 364 of 365 days") && err.contains("1 tracks"), "{err}");
}

#[test]
fn no_catalogued_attack_pays_under_the_built_in_policy_and_a_policy_under_which_one_does_is_refused() {
    let told = truestream(&["economics", "--json"]).good().json();
    let attacks = told["attacks"].as_array().expect("a list");
    assert!(attacks.len() >= 5 && attacks.iter().all(|attack| attack["pays"] == false), "{told:#}");
    assert!(truestream(&["economics"]).good().out.contains("breadth_farm"));
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).expect("written");
    write("policy.toml", "version = \"x\"");
    truestream(&["policy", "check", &text(folder.path())]).good();
    // Without the cap a seat earns for all that it streams, as far as nobody catches it.
    let catalogued = datasets::policy::attacks(None).expect("the built-in attacks");
    let farm = catalogued.attacks.iter().find(|attack| attack.name == "breadth_farm").expect("a farm");
    let (rate, seat) = (catalogued.stream_rate as f64 / 1e6, farm.seat_cost as f64 / 1e6);
    // All of them are caught in time who are caught at all, but for a millionth.
    let kept = |caught: f64, streams: u64, times: f64| streams as f64 * rate * times * (1.0 - caught) - seat;
    let built_in: BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
    write(
        "royalties.toml",
        &built_in["royalties.toml"].replace("account_streams_max = 1000", "account_streams_max = 0"),
    );
    let family = 5.0 / 11.99;
    let told = truestream(&["policy", "check", &text(folder.path())]);
    assert_eq!(told.code, Some(4), "{told:?}");
    let keeps = kept(f64::from(farm.caught.get()) / 100.0, farm.streams_per_day * 30, family);
    let caught = farm.caught.get();
    assert!(
        told.out.contains(&format!(
            "\"breadth_farm\": found that it keeps {keeps:.2} EUR per account and month (escalate, {caught} %"
        )),
        "{told:?}"
    );
    // In one pool, and where the model has no say, nobody holds those who play many tracks a little.
    write("royalties.toml", &built_in["royalties.toml"].replace("pools = \"per_plan\"", "pools = \"one\""));
    write("rules.toml", "[account]\nlearned = { on = false, weight = 0 }");
    let told = truestream(&["policy", "check", &text(folder.path())]);
    let keeps = format!("\"breadth_farm\": found that it keeps {:.2} EUR", kept(0.0, 1_000, 1.0));
    assert!(told.out.contains(&keeps) && told.out.contains("(allow, 0 %"), "{told:?}");

    // No catalogue of the policy's own takes it out of the one that it is measured by.
    let none = built_in["attacks.toml"].split("\n# US v. Smith").next().expect("what comes before the attacks");
    let artists = built_in["attacks.toml"].split_once("\n# Somebody new").expect("what comes after them").1;
    write("attacks.toml", &format!("{none}\nattack = []\n# {artists}"));
    let told = truestream(&["policy", "check", &text(folder.path())]);
    assert!(told.code == Some(4) && told.out.contains(&keeps), "{told:?}");
    // Who runs the folder of activated policies says what counts there.
    let store = TempDir::new().expect("a folder");
    std::fs::copy(folder.path().join("attacks.toml"), store.path().join("attacks.toml")).expect("copied");
    truestream(&["policy", "check", &text(folder.path()), "--store", &text(store.path())]).good();
    let told = truestream(&["economics", "--policy", &text(folder.path()), "--store", &text(store.path()), "--json"]);
    assert_eq!(told.good().json()["attacks"], serde_json::json!([]));
}

#[test]
fn a_policy_that_pays_nobody_or_in_another_currency_is_refused() {
    let built_in: BTreeMap<&str, &str> = datasets::policy::BUILT_IN.into();
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).expect("written");
    write("policy.toml", "version = \"x\"");
    for (right, wrong, says) in [
        ("share = 55", "share = 0", "artist \"known_artist\": found 0.00 EUR a month, expected at least 80.00"),
        ("streams_min = 1000", "streams_min = 2000", "artist \"new_artist\": found 0.00 EUR"),
        ("account_streams_max = 1000", "account_streams_max = 10", "\"known_artist\""),
        ("currency = \"EUR\"", "currency = \"USD\"", "expected EUR as in attacks.toml as built in"),
    ] {
        write("royalties.toml", &built_in["royalties.toml"].replacen(right, wrong, 1));
        let policy = text(folder.path());
        let told = truestream(&["policy", "check", &policy]);
        assert!(told.code == Some(4) && told.out.contains(says), "{told:?}");
        let store = text(&folder.path().join("laws"));
        let line =
            ["policy", "activate", &policy, "--store", &store, "--from", "2026-01-01", "--by", "ann", "--why", "x"];
        assert_eq!(truestream(&line).code, Some(4));
    }
}
