//! A service knows people by pseudonyms: nothing that it keeps names them, and everything else is as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use serde_json::json;
use tempfile::TempDir;

use crate::alive::{HOW, Service, replayed};
use crate::data::{MONDAY, rows, text, world, write};
use crate::process::truestream;

/// Names of people, devices, addresses and cards.
const PERSONAL: [&str; 5] = ["anna", "telephone", "203.0.113", "visa-1234", "the-smiths"];

/// Sends what these accounts did, and what is said of the first of all.
fn sent(service: &Service, accounts: &[&str]) {
    let day = MONDAY + 86_400_000;
    let play = |number: u64, account: &str| {
        json!({
            "play_id": format!("play-{number}"), "ended_at": MONDAY + 60_000 * number as i64, "account_id": account, "track_id": "song",
            "played_ms": 31_000, "device_id": "telephone-7", "ip_prefix": "203.0.113.0/24",
        })
    };
    let listener = |number: u64| if number < 5 { "anna-1" } else { "anna-2" };
    let numbers = (0..20).filter(|number| accounts.contains(&listener(*number)));
    let plays: Vec<String> = numbers.map(|number| play(number, listener(number)).to_string()).collect();
    let broken = ["{\"play_id\": \"x\", \"account_id\": \"anna-broken\", \"played".to_owned(), {
        let mut odd = play(99, "anna-odd");
        odd["account_id"] = json!({"name": "anna-odd"});
        odd.to_string()
    }];
    let ruling = json!({"subject": "account", "subject_id": "anna-1", "ruling": "cleared", "known_at": MONDAY});
    let account =
        json!({"account_id": "anna-1", "created_at": MONDAY, "payment_id": "visa-1234", "family_id": "the-smiths"});
    let playlist = json!({"playlist_id": "mine", "owner_id": "anna-1"});
    let label = json!({"subject": "account", "subject_id": "anna-1", "label": "honest"});
    let of_the_first = [("accounts", account), ("playlists", playlist), ("rulings", ruling), ("labels", label)];
    let is_there = accounts.contains(&"anna-1");
    let of_the_first = of_the_first.into_iter().filter(|_| is_there).map(|(table, row)| (table, vec![row.to_string()]));
    for (table, lines) in of_the_first.chain([("plays", [&plays[..], &broken].concat())]) {
        let asked = service.ask(&format!("POST /v1/{table}"), "", lines.join("\n").as_bytes());
        let (status, body) = asked.expect("an answer");
        let told = String::from_utf8_lossy(&body);
        assert_eq!(status, 200, "{table}: {told}");
    }
    let until = format!("Truestream-Until: {day}\r\n");
    assert_eq!(service.ask("POST /v1/plays", &until, b"").expect("an answer").0, 200);
    service.wait_until_stated();
}

/// In which files of a folder one of the texts stands.
fn stands_in(folder: &Path, texts: &[&str]) -> BTreeSet<(PathBuf, String)> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()) {
        if entry.is_dir() {
            found.extend(stands_in(&entry, texts));
            continue;
        }
        let bytes = std::fs::read(&entry).expect("a file");
        let has = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        found.extend(texts.iter().filter(has).map(|text| (entry.clone(), (*text).to_owned())));
    }
    found
}

#[test]
fn nothing_that_a_service_keeps_or_tells_names_people() {
    let folder = TempDir::new().expect("a folder");
    let (state, plain) = (folder.path().join("state"), folder.path().join("plain"));
    let how = [&HOW[..], &["--time", "told"]].concat();
    let service = Service::start_of_strangers(&state, &how);
    sent(&service, &["anna-1", "anna-2"]);
    let told = |line: &str| {
        truestream(&[&["pseudonym", "--state", &text(&state)], &line.split(' ').collect::<Vec<_>>()[..]].concat())
    };
    let names: BTreeMap<String, String> = told("anna-1 anna-2")
        .good()
        .out
        .lines()
        .map(|line| line.split_once('\t').map(|(id, name)| (id.to_owned(), name.to_owned())).expect("a tab"))
        .collect();
    // Counts are those of the people, under their pseudonyms.
    for (id, plays) in [("anna-1", 5), ("anna-2", 15)] {
        let (_, body) = service.json(&format!("GET /v1/view/account_window?window=24h&key={}", names[id]));
        assert_eq!(body["rows"][0]["plays"], json!(plays), "{body}");
        assert_eq!(service.json(&format!("GET /v1/view/account_window?key={id}")).1["rows"], json!([]));
    }
    let (_, ruled) = service.json("GET /v1/view/ruling");
    assert_eq!(ruled["rows"][0]["subject_id"], json!(names["anna-1"]), "{ruled}");
    for view in ["account_window", "account_group", "hubs", "refusal", "ruling"] {
        let (_, body) = service.json(&format!("GET /v1/view/{view}?limit=1000"));
        assert!(!PERSONAL.iter().any(|text| body.to_string().contains(text)), "{view}: {body}");
    }
    // Who has the key reads the rows that could not be read, as they came.
    let state_text = text(&state);
    let letters = truestream(&["dlq", "--state", &state_text, "show", "5"]).good();
    assert!(letters.out.contains("anna-broken") && letters.out.contains("{\"name\":\"anna-odd\"}"), "{letters:?}");
    service.running.ask_to_end();
    let ended = service.running.end().good();
    assert!(!PERSONAL.iter().any(|text| ended.err.contains(text) || ended.out.contains(text)), "{ended:?}");
    assert_eq!(stands_in(&state, &PERSONAL), BTreeSet::new());
    // Labels go out under pseudonyms, or under the ids of who has the key and a table with them.
    let (out, accounts) = (folder.path().join("labels.parquet"), folder.path().join("accounts.parquet"));
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["anna-2", "anna-1"]));
    write(&accounts, &RecordBatch::try_from_iter([("account_id", ids)]).expect("a column"), 100);
    let table = text(&accounts);
    for (more, expected) in [(vec![], names["anna-1"].as_str()), (vec!["--accounts", &*table], "anna-1")] {
        truestream(&[&["labels", "--state", &state_text, "--out", &text(&out)], &more[..]].concat()).good();
        assert_eq!(rows(&out, &["subject_id", "label"]), [[expected, "honest"]]);
    }
    // Whoever looks like this finds what there is.
    let service = Service::start_of_strangers(&plain, &[&how[..], &["--plain-ids"]].concat());
    sent(&service, &["anna-1", "anna-2"]);
    drop(service);
    let found: BTreeSet<String> = stands_in(&plain, &PERSONAL).into_iter().map(|(_, text)| text).collect();
    assert_eq!(found.len(), PERSONAL.len());
    truestream(&["pseudonym", "--state", &text(&plain), "x"]).failed(2, &["--plain-ids"]);
    truestream(&["pseudonym", "--state", &text(&plain), ""]).failed(2, &["[IDS]"]);

    // The key is no part of a copy, and there is no service without it or with another.
    let copy = folder.path().join("copy");
    let copied = truestream(&["backup", "--state", &state_text, "--out", &text(&copy)]).good();
    assert!(copied.out.contains("--id-key"), "{copied:?}");
    std::fs::copy(state.with_extension("token"), copy.with_extension("token")).expect("a file");
    let (key, other) = (text(&state.join("ids.key")), folder.path().join("other"));
    std::fs::write(&other, "0".repeat(64)).expect("a file");
    let start = |more: &[&str]| {
        let copy = text(&copy);
        let line = ["serve", "--state", &copy, "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];
        truestream(&[&line[..], &how, more].concat())
    };
    start(&[]).failed(4, &["there is no key", "--id-key"]);
    start(&["--id-key", &text(&other)]).failed(4, &["another key"]);
    std::fs::write(&other, "a key").expect("a file");
    start(&["--id-key", &text(&other)]).failed(4, &["expected 64 hexadecimal digits"]);
    let service = Service::start_of_strangers(&copy, &[&how[..], &["--id-key", &key]].concat());
    service.wait_until_stated();
    let (_, body) = service.json(&format!("GET /v1/view/account_window?window=24h&key={}", names["anna-2"]));
    assert_eq!(body["rows"][0]["plays"], json!(15), "{body}");
    drop(service);
    truestream(&["serve", "--state", &state_text, "--plain-ids"]).failed(2, &["--plain-ids"]);
}

#[test]
fn who_is_erased_was_never_there() {
    let folder = TempDir::new().expect("a folder");
    let (state, never) = (folder.path().join("state"), folder.path().join("never"));
    let how = [&HOW[..], &["--time", "told"]].concat();
    let service = Service::start_of_strangers(&state, &how);
    // With the same key, so the same pseudonyms.
    let other = Service::start_of_strangers(&never, &[&how[..], &["--id-key", &text(&state.join("ids.key"))]].concat());
    sent(&service, &["anna-1", "anna-2"]);
    sent(&other, &["anna-2"]);
    let views = ["account_window", "track_window", "account_group", "risk", "verdict", "ruling"];
    let stated = |service: &Service| {
        let body =
            |view: &&str| service.ask(&format!("GET /v1/view/{view}?format=parquet"), "", b"").expect("an answer").1;
        views.iter().map(body).collect::<Vec<_>>()
    };
    assert!(stated(&service) != stated(&other));
    let told = truestream(&["pseudonym", "--state", &text(&state), "anna-1"]).good().out;
    let name = told.trim().split_once('\t').expect("a tab").1.to_owned();
    assert!(!stands_in(&state, &[&name]).is_empty());
    let nobody = "{\"account_id\": \"nobody\"}";
    for (body, status) in [("", 400), ("{\"account_id\": \"\"}", 400), ("anna-1", 400), (nobody, 200)] {
        let (found, told) = service.ask("POST /v1/erasures", "", body.as_bytes()).expect("an answer");
        assert!(found == status && !String::from_utf8_lossy(&told).contains("anna"), "{body}: {found}");
    }
    let asked = service.ask("POST /v1/erasures", "", b"{\"account_id\": \"anna-1\"}\n").expect("an answer");
    // Five plays, and a row each of accounts, playlists, rulings and labels.
    assert_eq!((asked.0, &*String::from_utf8_lossy(&asked.1)), (200, "{\"accounts\":1,\"rows\":9}"));
    let is_same = |service: &Service| stated(service) == stated(&other);
    assert!(is_same(&service));
    assert_eq!(stands_in(&state, &["anna-1", &name]), BTreeSet::new());
    // It goes on, and starts again, as one that never heard of it.
    let more = json!({
        "play_id": "later", "ended_at": MONDAY + 86_400_000, "account_id": "anna-2", "track_id": "song", "played_ms": 31_000,
    });
    let end = MONDAY + 2 * 86_400_000;
    let until = format!("Truestream-Until: {end}\r\n");
    for service in [&service, &other] {
        assert_eq!(service.ask("POST /v1/plays", &until, more.to_string().as_bytes()).expect("an answer").0, 200);
        service.wait_as_of(end);
    }
    assert!(is_same(&service));
    service.running.ask_to_end();
    service.running.end().good();
    truestream(&["fsck", "--state", &text(&state)]).good();
    let service = Service::start_of_strangers(&state, &how);
    service.wait_as_of(end);
    assert!(is_same(&service));
    assert_eq!(stands_in(&state, &["anna-1", &name]), BTreeSet::new());
}

#[test]
fn a_followed_folder_has_the_counts_and_risks_of_a_replay_under_other_names() {
    let folder = TempDir::new().expect("a folder");
    let views = ["account_window", "track_window", "verdict"];
    let (tables, as_of) = replayed(&HOW, world(), folder.path(), &views, &[]);
    let state = folder.path().join("state");
    let service = Service::start_of_strangers(&state, &[&HOW[..], &["--follow", &text(world())]].concat());
    service.wait_as_of(as_of);
    let stated = |view: &str, columns: &[&str]| -> BTreeSet<Vec<String>> {
        let (_, body) = service.ask(&format!("GET /v1/view/{view}?format=parquet"), "", b"").expect("an answer");
        let path = folder.path().join("asked.parquet");
        std::fs::write(&path, body).expect("a file");
        rows(&path, columns).into_iter().collect()
    };
    let counts = ["account_id", "window", "plays", "payable", "tracks", "devices"];
    let expected = rows(&tables.join("account_window.parquet"), &counts);
    let ids: BTreeSet<&str> = expected.iter().map(|row| row[0].as_str()).collect();
    let line: Vec<&str> = ids.into_iter().collect();
    let told = truestream(&[&["pseudonym", "--state", &text(&state)], &line[..]].concat()).good();
    let names: BTreeMap<&str, &str> = told.out.lines().filter_map(|line| line.split_once('\t')).collect();
    assert_eq!(names.values().collect::<BTreeSet<_>>().len(), line.len());
    let renamed = |rows: Vec<Vec<String>>, at: usize, is_meant: &dyn Fn(&[String]) -> bool| -> BTreeSet<Vec<String>> {
        let rename = |mut row: Vec<String>| {
            if is_meant(&row) {
                row[at] = names[row[at].as_str()].to_owned();
            }
            row
        };
        rows.into_iter().map(rename).collect()
    };
    assert_eq!(stated("account_window", &counts), renamed(expected, 0, &|_| true));
    let verdict = ["subject", "subject_id", "verdict", "r"];
    let expected = rows(&tables.join("verdict.parquet"), &verdict);
    assert!(expected.iter().any(|row| row[0] == "account") && expected.iter().any(|row| row[0] == "track"));
    assert_eq!(stated("verdict", &verdict), renamed(expected, 1, &|row| row[0] == "account"));
    let tracks = ["track_id", "window", "plays", "listeners"];
    let expected: BTreeSet<Vec<String>> = rows(&tables.join("track_window.parquet"), &tracks).into_iter().collect();
    assert_eq!(stated("track_window", &tracks), expected);
}
