//! Messages of distributors as people and schedulers meet them: findings and exit codes, a catalogue that `replay` uses, and money
//! that waits for what was not declared.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tempfile::TempDir;

use crate::data::{MONDAY, instants, read, text, whole, write};
use crate::process::{files, truestream};

const GOOD: &str = include_str!("../../../datasets/tests/ddex/ern_432.xml");
const PURGE: &str = include_str!("../../../datasets/tests/ddex/purge.xml");
const FIRST: &str = "QZTS12600001";
const SECOND: &str = "QZTS12600002";

fn store(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(&path, content).expect("written");
    text(&path)
}

/// The rows of a table: of each the named columns as texts.
fn rows(tables: &Path, table: &str, named: &[&str]) -> Vec<Vec<String>> {
    let batch = read(&tables.join(format!("{table}.parquet")));
    let columns: Vec<ArrayRef> = named
        .iter()
        .map(|name| {
            let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no {name} in {table}"));
            cast(column, &DataType::Utf8).expect("texts")
        })
        .collect();
    let cell = |column: &ArrayRef, at: usize| {
        column.as_any().downcast_ref::<StringArray>().expect("texts").value(at).to_owned()
    };
    (0..batch.num_rows()).map(|at| columns.iter().map(|column| cell(column, at)).collect()).collect()
}

#[test]
fn a_check_tells_findings_by_line_and_ends_as_it_should() {
    let folder = TempDir::new().expect("a folder");
    let good = store(folder.path(), "good.xml", GOOD);
    let bad = store(
        folder.path(),
        "bad.xml",
        &GOOD.replacen("<ContainsAI>None", "<ContainsAI>All", 1).replacen("A2</Rel", "A9</Rel", 1),
    );
    let broken = store(folder.path(), "broken.xml", &GOOD[..900]);
    store(folder.path(), "cover.jpg", "no message, and no XML by its name");

    let told = truestream(&["ddex", "check", &good, "--received", "sent"]);
    assert_eq!((told.code, told.out.contains("nothing found")), (Some(0), true), "{told:?}");
    let told = truestream(&["ddex", "check", &bad, &good, "--received", "sent"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    let line = format!("{bad}:66:69: error [dangling_resource] Release R0: the release holds the resource `A9`");
    assert!(told.out.contains(&line) && told.out.contains("2 messages: 1 error,"), "{told:?}");
    let told = truestream(&["ddex", "check", &broken]);
    assert_eq!(told.code, Some(4), "{told:?}");
    assert!(told.err.contains(&format!("{broken}:13:")) && told.err.contains("tag not closed"), "{told:?}");

    let told = truestream(&["ddex", "check", &text(folder.path()), "--json", "--received", "sent"]);
    assert_eq!(told.code, Some(4));
    let report: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(report["totals"]["messages"], 3, "pictures are no messages");
    let found = report["messages"][0]["findings"].as_array().expect("findings");
    let told: Vec<_> = found.iter().map(|finding| (&finding["code"], &finding["at"]["line"])).collect();
    assert_eq!(serde_json::json!(told), serde_json::json!([["consent_needed", 36], ["dangling_resource", 66]]));
    assert_eq!(report["messages"][1]["unread"]["at"]["line"], 13);
    assert_eq!(truestream(&["ddex", "check", &text(&folder.path().join("nowhere"))]).code, Some(4));
    assert_eq!(truestream(&["ddex", "check"]).code, Some(2));

    // When the platform received a message is its own to say.
    let told = truestream(&["ddex", "check", &good, "--received", "2026-01-03T00:00:00Z"]);
    assert!(told.code == Some(3) && told.out.contains(":9:5: error [time_ahead]"), "{told:?}");
    let told = truestream(&["ddex", "check", &good, "--received", "2026-03-03"]);
    assert!(told.code == Some(0) && told.out.contains(":9:5: warning [time_long_past]"), "{told:?}");
    assert_eq!(truestream(&["ddex", "check", &good, "--received", "soon"]).code, Some(2));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_message_and_nobody_waits_for_it() {
    let folder = TempDir::new().expect("a folder");
    let pipe = folder.path().join("pipe.xml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for line in [&["ddex", "check"][..], &["ddex", "import", "--out", &text(&folder.path().join("out"))]] {
        for from in [text(&pipe), text(folder.path())] {
            let told = truestream(&[line, &[&from]].concat());
            assert_eq!((told.code, told.err.contains("cannot be read")), (Some(4), true), "{told:?}");
        }
    }
    let told = truestream(&["ddex", "check", &text(&pipe)]);
    assert!(told.out.contains("no regular file"), "{told:?}");
}

#[test]
fn an_import_replaces_its_own_tables_and_no_others() {
    let folder = TempDir::new().expect("a folder");
    let messages = folder.path().join("messages");
    store(&messages, "1.xml", GOOD);
    store(&messages, "2.xml", GOOD);
    let (from, out) = (text(&messages), folder.path().join("out"));
    let told = truestream(&["ddex", "import", &from, "--out", &text(&out), "--json"]).good().json();
    assert_eq!((&told["fates"]["applied"], &told["fates"]["repeated"]), (&1.into(), &1.into()));
    let names: Vec<String> = files(&out).into_keys().collect();
    let tables = ["contributors", "deals", "disclosures", "messages", "releases", "tracks"];
    assert_eq!(names, tables.map(|table| format!("{table}.parquet")));
    truestream(&["ddex", "import", &from, "--out", &text(&out)]).good();

    store(&messages, "3.xml", &GOOD.replacen("Second", "Else", 1));
    assert_eq!(truestream(&["ddex", "import", &from, "--out", &text(&out)]).code, Some(3));
    store(&messages, "4.xml", "<");
    assert_eq!(truestream(&["ddex", "import", &from, "--out", &text(&out)]).code, Some(4));
    assert_eq!(rows(&out, "messages", &["fate"]).concat(), ["applied", "repeated", "conflicting", "unread"]);

    std::fs::remove_file(out.join("messages.parquet")).expect("removed");
    let told = truestream(&["ddex", "import", &from, "--out", &text(&out)]);
    assert_eq!((told.code, told.err.contains("--replace")), (Some(2), true), "{told:?}");
    // What an earlier import applied must be there.
    let fresh = text(&folder.path().join("fresh"));
    truestream(&["ddex", "import", &format!("{from}/1.xml"), "--out", &fresh]).good();
    let other = store(folder.path(), "other.xml", &GOOD.replacen("message-1", "message-2", 1));
    let told = truestream(&["ddex", "import", &other, "--out", &fresh]);
    assert!(told.code == Some(4) && told.err.contains("1.xml") && told.err.contains("--forget"), "{told:?}");
    let told = truestream(&["ddex", "import", &other, "--out", &fresh, "--forget", "--json"]).good().json();
    assert_eq!(told["fates"], serde_json::json!({"absent": 1, "applied": 1}));
    // What a purge is about and nobody had brought is named, and tracks are called as they were.
    let purge = store(folder.path(), "purge.xml", &PURGE.replacen("0724384960650", "0724384960651", 1));
    let line = ["ddex", "import", &other, &purge, "--out", &fresh];
    let told = truestream(&line).good().out;
    assert!(told.contains("1 message purged or took down what no message before had brought"), "{told}");
    assert!(told.contains("purge.xml: ends 0724384960651, which no message before it brought"), "{told}");
    let told = truestream(&[&line[..], &["--json"]].concat()).good().json();
    assert_eq!(told["ends_unknown"].as_array().map(Vec::len), Some(1), "{told}");
    let told = truestream(&[&line[..], &["--track-id", "isrc"]].concat());
    assert!(told.code == Some(4) && told.err.contains("name --track-id release"), "{told:?}");
    let nowhere = format!("{}/out", store(folder.path(), "file", ""));
    assert_eq!(truestream(&["ddex", "import", &from, "--out", &nowhere]).code, Some(5));
}

/// Two days of plays of both recordings, and the catalogue of the messages.
fn data(folder: &Path, messages: &[(&str, String)]) -> String {
    data_of(folder, messages, &["--received", "sent"])
}

fn data_of(folder: &Path, messages: &[(&str, String)], more: &[&str]) -> String {
    for (name, message) in messages {
        store(&folder.join("messages"), name, message);
    }
    let plays: Vec<(usize, &str)> = (0..48).flat_map(|hour| [(hour, FIRST), (hour, SECOND)]).collect();
    let ended_at: Vec<_> = plays.iter().map(|(hour, _)| Some(MONDAY + *hour as i64 * 3_600_000)).collect();
    let texts = |of: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new((0..plays.len()).map(|at| Some(of(at))).collect::<StringArray>())
    };
    let columns = [
        ("play_id", texts(&|at| format!("p{at}")), true),
        ("ended_at", instants(&ended_at), true),
        ("account_id", texts(&|at| format!("a{}", at % 5)), true),
        ("track_id", texts(&|at| plays[at].1.to_owned()), true),
        ("played_ms", whole(&vec![Some(200_000); plays.len()]), true),
    ];
    write(&folder.join("plays.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).expect("plays"), 64);
    let out = text(folder);
    let line = ["ddex", "import", &text(&folder.join("messages")), "--out", &out, "--track-id", "isrc"];
    truestream(&[&line[..], more].concat()).good();
    out
}

fn evidence(folder: &Path, risk: f64, known_at: i64) -> String {
    let word = |word: &str| Arc::new(StringArray::from(vec![word])) as ArrayRef;
    let columns = [
        ("content_id", word(SECOND), true),
        ("detector", word("synthesis"), true),
        ("version", word("1"), true),
        ("risk", Arc::new(Float64Array::from(vec![risk])) as ArrayRef, true),
        ("known_at", instants(&[Some(known_at)]), true),
    ];
    let path = folder.join("heard.parquet");
    write(&path, &RecordBatch::try_from_iter_with_nullable(columns).expect("evidence"), 1);
    text(&path)
}

/// The messages as they came at the beginning of the first day.
fn sent(edits: &[(&str, &str)]) -> String {
    let text = GOOD.replacen("2026-01-05T10:00:00Z", "2026-01-05T00:00:00Z", 1);
    edits.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "no {from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn replay_knows_the_artists_of_the_messages_and_follows_what_changes() {
    let folder = TempDir::new().expect("a folder");
    let later = sent(&[
        ("message-1", "message-2"),
        ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"),
        ("0000000121032683", "0000000000000001"),
    ]);
    let from = data(folder.path(), &[("1.xml", sent(&[])), ("2.xml", later)]);
    let out = folder.path().join("tables");
    let line = ["replay", "--data", &from, "--out", &text(&out), "--every", "24h", "--windows", "24h", "--emit", "all"];
    truestream(&[&line[..], &["--views", "artist_window,distributor_window"]].concat()).good();
    let found = rows(&out, "artist_window", &["artist_id", "plays"]);
    assert_eq!(found, [["isni:0000000121032683", "48"], ["isni:0000000000000001", "48"]]);
    let found = rows(&out, "distributor_window", &["distributor_id", "uploads"]);
    assert_eq!(found, [["PADPIDA2026010101A", "2"], ["PADPIDA2026010101A", "0"]]);
}

#[test]
fn money_waits_for_what_is_not_declared_and_goes_on_when_it_is() {
    let folder = TempDir::new().expect("a folder");
    // The second recording says nothing at first, and a day later that no machine was used.
    let silent = sent(&[("<ContainsAI>None</ContainsAI>", "")]);
    let spoken = sent(&[("message-1", "message-2"), ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z")]);
    let from = data(folder.path(), &[("1.xml", silent), ("2.xml", spoken)]);
    let heard = evidence(folder.path(), 0.97, MONDAY + 36 * 3_600_000);
    let out = folder.path().join("tables");
    let line =
        ["replay", "--data", &from, "--evidence", &heard, "--out", &text(&out), "--every", "12h", "--windows", "24h"];
    let views = ["--views", "payout_hold,disclosure_ledger", "--emit"];
    truestream(&[&line[..], &views, &["all"]].concat()).good();
    let payout = rows(&out, "payout_hold", &["track_id", "distributor_id", "declared", "heard", "rules"]);
    let held = |declared, heard, rule: &str| {
        [SECOND, "PADPIDA2026010101A", declared, heard, &format!("[\"disclosure.{rule}\"]")].map(str::to_owned)
    };
    let silent = held("undeclared", "unheard", "undeclared");
    let denies = held("none", "machine", "contradicted");
    // As of noon and midnight of Monday silence; as of Tuesday noon it is broken; then it was heard.
    assert_eq!(payout, [silent.clone(), silent, denies]);
    let ledger = rows(
        &out,
        "disclosure_ledger",
        &["tracks", "undeclared", "declared_none", "declared_partly", "heard", "contradicted", "held"],
    );
    let row = |numbers: [u64; 7]| numbers.map(|number| number.to_string()).to_vec();
    let expected = [[2, 1, 0, 1, 0, 0, 1], [2, 1, 0, 1, 0, 0, 1], [2, 0, 1, 1, 0, 0, 0], [2, 0, 1, 1, 1, 1, 1]];
    assert_eq!(ledger, expected.map(row));

    // The same as of the last instant, and what changed; on two threads.
    truestream(&[&line[..], &views, &["last", "--workers", "2"]].concat()).good();
    assert_eq!(rows(&out, "payout_hold", &["track_id", "distributor_id", "declared", "heard", "rules"]).len(), 1);
    truestream(&[&line[..], &views, &["changes"]].concat()).good();
    assert_eq!(rows(&out, "payout_hold", &["diff"]).concat(), ["1", "-1", "1"]);
    let told = truestream(&line).good();
    assert!(told.out.contains("1 tracks wait for what they must declare"), "{told:?}");
}

/// The rules for which tracks wait as of the end.
fn waits(folder: &Path, from: &str) -> Vec<Vec<String>> {
    let out = folder.join("waits");
    let line = ["replay", "--data", from, "--out", &text(&out), "--every", "12h", "--windows", "24h"];
    truestream(&[&line[..], &["--views", "payout_hold"]].concat()).good();
    rows(&out, "payout_hold", &["track_id", "rules"])
}

#[test]
fn who_says_that_music_is_old_or_to_come_is_asked_all_the_same() {
    let silent = |made: &str| sent(&[("<ContainsAI>None</ContainsAI>", ""), ("2026-01-05T00:00:00Z", made)]);
    let asked = [[SECOND.to_owned(), "[\"disclosure.undeclared\"]".to_owned()].to_vec()];
    for made in ["2019-01-05T00:00:00Z", "2096-01-05T00:00:00Z"] {
        let folder = TempDir::new().expect("a folder");
        let message = [("1.xml", silent(made))];
        let from = data_of(folder.path(), &message, &["--received", "2026-01-05T00:00:00Z"]);
        assert_eq!(waits(folder.path(), &from), asked, "{made}");
        // What no policy asks is what was received before any was.
        let from = data_of(&folder.path().join("before"), &message, &["--received", "2025-12-31T00:00:00Z"]);
        assert!(waits(folder.path(), &from).is_empty(), "{made}");
    }
    // By the file where nothing is said: it is of today, whatever the message says.
    let folder = TempDir::new().expect("a folder");
    let from = data_of(folder.path(), &[("1.xml", silent("2019-01-05T00:00:00Z"))], &[]);
    assert_eq!(waits(folder.path(), &from), asked);
}

#[test]
fn a_machines_voice_is_paid_when_the_register_has_a_consent() {
    let folder = TempDir::new().expect("a folder");
    let sung = sent(&[("<AiContribution>None</AiContribution>", "<AiContribution>Partly</AiContribution>")]);
    let register = folder.path().join("consents.csv");
    let import = |line: &str| {
        store(folder.path(), "consents.csv", &format!("distributor_id,isrc,party_id,consent_ref\n{line}"));
        let more = ["--received", "sent", "--consents", &text(&register)];
        let from = data_of(&folder.path().join("data"), &[("1.xml", sung.clone())], &more);
        waits(folder.path(), &from)
    };
    let asked = [[FIRST.to_owned(), "[\"disclosure.no_consent\"]".to_owned()].to_vec()];
    assert_eq!(import(""), asked);
    assert_eq!(import("PADPIDA2026010109X,QZTS12600001,,contract 7\n"), asked, "it was given to somebody else");
    let [messages, out] = ["data/messages", "data"].map(|name| text(&folder.path().join(name)));
    let line = ["ddex", "import", &messages, "--out", &out, "--track-id", "isrc", "--consents", &text(&register)];
    let told = truestream(&line).good();
    assert!(told.out.contains("consents.csv: 1 line about nothing that is delivered"), "{told:?}");
    assert!(told.out.contains("  line 2: QZTS12600001 for PADPIDA2026010109X"), "{told:?}");
    assert!(import("PADPIDA2026010101A,QZTS12600001,,contract 7\n").is_empty());
    assert!(import("PADPIDA2026010101A,,isni:0000000121032683,contract 8\n").is_empty());
    let from = text(&folder.path().join("data/messages"));
    store(folder.path(), "consents.csv", "distributor_id,isrc\nD,X\n");
    let told = truestream(&["ddex", "import", &from, "--out", &text(folder.path()), "--consents", &text(&register)]);
    assert!(told.code == Some(4) && told.err.contains("consents.csv: line"), "{told:?}");
}

#[test]
fn the_policy_says_what_is_asked_and_of_whom_nothing_is() {
    let folder = TempDir::new().expect("a folder");
    let from =
        data(folder.path(), &[("1.xml", sent(&[("<ContainsAI>None</ContainsAI>", "")])), ("2.xml", PURGE.to_owned())]);
    let heard = evidence(folder.path(), 1.0, MONDAY);
    let out = folder.path().join("tables");
    let policy = folder.path().join("policy");
    let built_in = include_str!("../../../datasets/src/policy/default/disclosure.toml");
    let under = |edits: &[(&str, &str)]| {
        let text = edits.iter().fold(built_in.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
        store(&policy, "policy.toml", "version = \"another\"");
        store(&policy, "disclosure.toml", &text);
        let line = [
            "replay",
            "--data",
            &from,
            "--evidence",
            &heard,
            "--out",
            &crate::data::text(&out),
            "--every",
            "24h",
            "--windows",
            "24h",
        ];
        truestream(&[&line[..], &["--policy", &crate::data::text(&policy)]].concat())
    };
    under(&[]).good();
    assert_eq!(rows(&out, "payout_hold", &["rules", "policy_version"]), [["[\"disclosure.undeclared\"]", "another"]]);
    let judged = |out: &Path| rows(out, "risk", &["subject_id"]).concat().contains(&SECOND.to_owned());
    assert!(judged(&out), "a machine's sound is a risk");
    under(&[("undeclared = \"hold\"", "undeclared = \"ignore\"")]).good();
    assert!(rows(&out, "payout_hold", &["rules"]).is_empty());
    under(&[("2026-01-01", "2026-01-06")]).good();
    assert!(rows(&out, "payout_hold", &["rules"]).is_empty());
    // The platform's own voice: nothing is asked of it, and it is not judged.
    for registered in [
        ("tracks = []", format!("tracks = [\"{SECOND}\"]")),
        ("uploaders = []", "uploaders = [\"PADPIDA2026010102B\"]".to_owned()),
    ] {
        under(&[(registered.0, &registered.1)]).good();
        assert!(rows(&out, "payout_hold", &["rules"]).is_empty() && !judged(&out));
        let own = rows(&out, "disclosure_ledger", &["own", "heard"]).concat();
        assert!(own[0] != "0" && own[1] == "0", "{own:?}");
    }
    let told = under(&[("undeclared = \"hold\"", "undeclared = \"keep\"")]);
    assert_eq!((told.code, told.err.contains("disclosure.toml")), (Some(4), true), "{told:?}");
}

#[test]
fn what_a_purged_recording_earned_waits_for_somebody_to_pay() {
    let policy = crate::royalties::strict();
    let shared = |messages: &[(&str, String)]| {
        let folder = TempDir::new().expect("a folder");
        let from = data(folder.path(), messages);
        let [tables, out] = ["tables", "january"].map(|name| text(&folder.path().join(name)));
        let line = ["replay", "--data", &from, "--out", &tables, "--every", "12h", "--windows", "24h"];
        let told_of = ["--views", "verdict,payout_hold,gate,account_group", "--emit", "changes"];
        truestream(&[&line[..], &told_of].concat()).good();
        let line = ["royalties", "--data", &from, "--tables", &tables, "--month", "2026-01", "--out", &out];
        let more = ["--policy", &text(policy.path()), "--pool", "100"];
        let told = truestream(&[&line[..], &more].concat()).good().out;
        let json = truestream(&[&line[..], &more, &["--json"]].concat()).good().json();
        let rows = rows(Path::new(&out), "royalty", &["held_because", "payable", "held", "payable_micros"]);
        // What each report says is paid.
        let reports = files(&Path::new(&out).join("dsr")).into_values().map(|bytes| {
            let report = datasets::dsr::read(&String::from_utf8(bytes).expect("text")).expect("a report");
            report.usages.iter().map(|usage| usage.micros[0]).sum::<u64>()
        });
        (told, json, rows, reports.collect::<Vec<u64>>())
    };
    let delivered = ("1.xml", sent(&[]));
    let (told, json, rows, reports) = shared(std::slice::from_ref(&delivered));
    assert!(!told.contains("without a distributor"), "{told}");
    assert_eq!((&json["payable"], &json["held_without_distributor"]), (&"100.000000".into(), &"0.000000".into()));
    assert!(rows.iter().all(|row| row[0].is_empty() && row[2] == "0"), "{rows:?}");
    assert_eq!(reports, [100_000_000]);

    // The plays were before the purge, the close is after it.
    let purge = PURGE.replacen("2026-02-01T10:00:00Z", "2026-01-06T12:00:00Z", 1);
    let (told, json, rows, reports) = shared(&[delivered, ("2.xml", purge)]);
    let of_it = "  of it   100.000000 EUR for 96 streams of 2 tracks without a distributor: there is nobody to pay";
    assert!(told.contains("Payable   0.000000 EUR for 0 streams") && told.contains(of_it), "{told}");
    assert!(told.contains("Note      no track with streams names a distributor, so all money waits: fill"), "{told}");
    assert_eq!(
        (&json["held"], &json["left"], &json["held_without_distributor_streams"]),
        (&"100.000000".into(), &"0.000000".into(), &96.into())
    );
    assert_eq!(rows, vec![["no_distributor", "0", "48", "0"].map(str::to_owned).to_vec(); 2]);
    assert!(reports.is_empty(), "{reports:?}");
}
