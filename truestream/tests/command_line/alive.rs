//! A service states what a replay of the same rows states, in the same bytes, however often it was killed meanwhile.
//!
//! More of it: `TRUESTREAM_ROUNDS=1000 cargo test --release -p truestream --test command_line alive`.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType, UInt32Type, UInt64Type};
use arrow::ipc::writer::StreamWriter;
use datasets::formats::instant;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::conditions::SEVERAL;
use crate::data::{MONDAY, copy, instants, read, rewrite, rows, text, whole, world};
use crate::gate;
use crate::policy::CONDITIONS;
use crate::process::{Running, start, truestream};

/// What both compute.
pub const HOW: [&str; 4] = ["--every", "6h", "--windows", "24h,28d"];
/// The refresh interval.
pub const EVERY_MS: i64 = 6 * 3_600_000;
/// The views that a service keeps.
pub const VIEWS: [&str; 15] = [
    "account_window",
    "track_window",
    "artist_window",
    "uploader_window",
    "playlist_window",
    "distributor_window",
    "account_group",
    "hubs",
    "lockstep",
    "risk",
    "verdict",
    "payout_hold",
    "disclosure_ledger",
    "reputation",
    "gate",
];

/// A service that runs, and how to talk to it.
pub struct Service {
    /// The process.
    pub running: Running,
    /// Where it listens.
    pub address: String,
    /// What opens it.
    pub token: String,
}

impl Service {
    /// Starts one on the folder; the token is told the first time and kept beside it.
    pub fn start(state: &Path, more: &[&str]) -> Service {
        Service::start_as(&HOW, state, more)
    }

    /// Starts one that was told all of a world.
    pub fn following(state: &Path, world: &Path) -> Service {
        Service::following_with(state, world, &[])
    }

    /// The same with more options.
    pub fn following_with(state: &Path, world: &Path, more: &[&str]) -> Service {
        let mut service = Service::start(state, &[&["--follow", &text(world)], more].concat());
        service.running.wait_until("followed", |running| running.err().contains("Followed to the end"));
        service.wait_until_stated();
        service
    }

    /// Starts one that computes this.
    pub fn start_as(how: &[&str], state: &Path, more: &[&str]) -> Service {
        Service::start_of_strangers(state, &[how, &["--plain-ids"], more].concat())
    }

    /// Starts one that knows the people of its plays by pseudonyms.
    pub fn start_of_strangers(state: &Path, more: &[&str]) -> Service {
        let state_text = text(state);
        let line =
            [&["serve", "--state", &state_text, "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"][..], more]
                .concat();
        Service::listening(start(&line), 1, state)
    }

    /// Waits until what runs listens, in the so manieth life of its folder, and reads where it does and what opens it.
    pub fn listening(mut running: Running, life: usize, state: &Path) -> Service {
        running.wait_until("listening", |running| {
            running.err().matches("Listening on http").count() == life && running.err().ends_with('\n')
        });
        let err = running.err();
        let address = err
            .split("Listening on ")
            .nth(life)
            .and_then(|rest| rest.split("://").nth(1))
            .and_then(|rest| rest.lines().next())
            .expect("an address")
            .to_owned();
        let token = state.with_extension("token");
        if let Some(told) = running.out().lines().find_map(|line| line.strip_prefix("Token, told this once: ")) {
            std::fs::write(&token, told).expect("a file");
        }
        let token = std::fs::read_to_string(token).expect("it was told the first time");
        Service { running, address, token }
    }

    /// Sends a request; the status and the body, or nothing where the connection broke.
    pub fn ask(&self, line: &str, headers: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let (token, length) = (&self.token, body.len());
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
        Some((status, answer.split_off(end + 4)))
    }

    /// What it answers, as JSON.
    pub fn json(&self, line: &str) -> (u16, Value) {
        let (status, body) = self.ask(line, "", b"").expect("an answer");
        (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The rows of a statement.
    pub fn sql(&self, statement: &str) -> RecordBatch {
        let asked = self.ask("POST /v1/query?format=parquet", "", statement.as_bytes());
        let (status, body) = asked.expect("an answer");
        assert_eq!(status, 200, "{statement}: {}", String::from_utf8_lossy(&body));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), unchunked(&body)).expect("a file");
        read(file.path())
    }

    /// Waits until everything is stated that is in the log.
    pub fn wait_until_stated(&self) {
        let until = Instant::now() + Duration::from_secs(120);
        let is_stated =
            |health: &Value| health["entries_read"] == health["entries_durable"] && health["ready"] == json!(true);
        while !is_stated(&self.json("GET /health").1) {
            assert!(Instant::now() < until, "never: {}", self.running.err());
            sleep(Duration::from_millis(20));
        }
        // What the last entry completes is stated a moment later.
        let as_of = |service: &Service| service.json("GET /health").1["as_of"].clone();
        let mut before = as_of(self);
        loop {
            sleep(Duration::from_millis(500));
            let now = as_of(self);
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Waits until all of a followed folder is in the log.
    pub fn wait_until_followed(&self) {
        self.running_until("followed to the end", || self.running.err().contains("Followed to the end"));
    }

    /// As of when everything is stated; 0 before the first time.
    pub fn as_of(&self) -> i64 {
        self.json("GET /health").1["as_of"].as_i64().unwrap_or(0)
    }

    /// Waits until it has taken up other policies. Whoever asks meanwhile is answered, and never as of an earlier instant.
    fn takes_up(&self) {
        let mut last = self.as_of();
        self.running_until("it takes policies up", || {
            self.sql("SELECT count(*) FROM verdict");
            let now = self.as_of();
            assert!(now >= last, "{now} after {last}");
            last = now;
            let (_, metrics) = self.ask("GET /metrics", "", b"").expect("an answer");
            String::from_utf8_lossy(&metrics).contains("\ntruestream_policies_taken_up 1\n")
        });
    }

    /// Waits until something is so.
    pub fn running_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(120);
        while !is_so() {
            assert!(Instant::now() < until, "never: {what}: {}", self.running.err());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until everything is stated as of the instant.
    pub fn wait_as_of(&self, as_of: i64) {
        let until = Instant::now() + Duration::from_secs(120);
        while self.json("GET /health").1["as_of"] != json!(as_of) {
            assert!(Instant::now() < until, "never: {} {}", self.json("GET /health").1, self.running.err());
            sleep(Duration::from_millis(20));
        }
    }

    /// Asserts that the views are what the replay wrote, byte by byte.
    pub fn states(&self, tables: &Path, views: &[&str]) {
        for view in views {
            let (status, body) = self.ask(&format!("GET /v1/view/{view}?format=parquet"), "", b"").expect("an answer");
            assert_eq!(status, 200, "{view}");
            let expected = std::fs::read(tables.join(format!("{view}.parquet"))).expect("a table");
            assert!(body == expected, "{view} differs: {} bytes, a replay wrote {}", body.len(), expected.len());
            let (told, written) =
                (self.sql(&format!("SELECT * FROM {view}")), read(&tables.join(format!("{view}.parquet"))));
            assert_eq!(told.columns(), written.columns(), "{view} through SQL");
        }
    }
}

/// A body that was sent while it came about: parts, each after its length.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|bytes| bytes == b"\r\n").expect("a length");
        let length = std::str::from_utf8(&body[..end]).expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            return whole;
        }
        whole.extend(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

/// What a replay says of the world, and as of when.
pub fn replayed(how: &[&str], world: &Path, folder: &Path, views: &[&str], more: &[&str]) -> (PathBuf, i64) {
    let tables = folder.join("tables");
    let (data, out) = (text(world), text(&tables));
    let views = views.join(",");
    truestream(&[&["replay", "--data", &data, "--out", &out, "--views", &views], how, more].concat()).good();
    let rows = read(&tables.join("account_window.parquet"));
    let as_of = rows.column_by_name("as_of").expect("a column").as_primitive::<TimestampMillisecondType>().value(0);
    (tables, as_of)
}

/// How often something is done: as often as the environment says, or so often.
pub fn rounds(default: u64) -> u64 {
    std::env::var("TRUESTREAM_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

/// A number that looks like chance, the same in each run.
pub fn mixed(round: u64, below: u64) -> u64 {
    round.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
        % below
}

#[test]
fn a_followed_folder_becomes_the_tables_of_a_replay_though_the_service_is_killed_and_ended_over_and_over() {
    let folder = TempDir::new().expect("a folder");
    let (tables, as_of) = replayed(&HOW, world(), folder.path(), &VIEWS, &[]);
    let (state, data) = (folder.path().join("state"), text(world()));
    // A day of the folder in a fifth of a second: each life gets a little further.
    let follow = ["--follow", &data, "--speed", "400000x"];
    for round in 0..rounds(50) {
        let service = Service::start(&state, &follow);
        sleep(Duration::from_millis(mixed(round, 60)));
        match round % 4 {
            0 => {
                service.running.ask_to_end();
                service.running.end().good();
            }
            _ => service.running.kill(),
        }
    }
    let service = Service::start(&state, &["--follow", &data, "--workers", "2"]);
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);
    service.running.ask_to_end();
    service.running.end().good();
    let state_text = text(&state);

    // Who goes on from where it ended, and who goes through everything again, state the same, and since the same instants.
    let since = state.join("since.json");
    let known = std::fs::read_to_string(&since).expect("it ended in order");
    assert!(known.contains("\"account\""), "no verdict stands: {known}");
    let damaged = known.replacen("account", "amount", 1);
    for (before, workers) in [(Some(&known), "4"), (None, "1"), (Some(&damaged), "1")] {
        match before {
            Some(text) => std::fs::write(&since, text).expect("a file"),
            None => std::fs::remove_file(&since).expect("a file"),
        }
        let service = Service::start(&state, &["--time", "told", "--workers", workers]);
        service.wait_as_of(as_of);
        service.states(&tables, &VIEWS);
        service.running.ask_to_end();
        let ended = service.running.end().good();
        assert_eq!(ended.err.contains("it is damaged"), before == Some(&damaged), "{}", ended.err);
        assert_eq!(std::fs::read_to_string(&since).expect("it ended in order"), known);
    }
    let found = truestream(&["fsck", "--state", &state_text]).good();
    assert!(found.out.contains("entries"), "{found:?}");

    // A copy is the same service; one that is damaged is named.
    let copy = folder.path().join("copy");
    truestream(&["backup", "--state", &state_text, "--out", &text(&copy)]).good();
    std::fs::copy(state.with_extension("token"), copy.with_extension("token")).expect("a file");
    let service = Service::start(&copy, &["--time", "told"]);
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);
    truestream(&["serve", "--state", &text(&copy), "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"])
        .failed(6, &["another process"]);
    drop(service);
    let segment = copy.join("log").join("00000000000000000001.log");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).expect("a segment");
    truestream(&["fsck", "--state", &text(&copy)]).failed(3, &["damage"]);
    truestream(&["serve", "--state", &text(&copy), "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"])
        .failed(4, &["damaged at byte"]);
    let again = folder.path().join("again");
    truestream(&["restore", "--backup", &text(&copy), "--state", &text(&again)]).failed(4, &["damaged"]);
    truestream(&["restore", "--backup", &state_text, "--state", &text(&folder.path().join("other"))]).good();
}

#[test]
fn a_service_uses_the_policy_of_each_day_with_its_rules_as_a_replay_does() {
    let folder = TempDir::new().expect("a folder");
    let store = text(&folder.path().join("laws"));
    let tried: &[&str] = &["--stage", "beta", "--percent", "50"];
    for (version, from, stage) in [
        ("first", "2025-12-01", &[][..]),
        ("tried", "2026-01-01T12:00:00Z", tried),
        ("second", "2026-01-02T12:00:00Z", &[]),
        ("tried", "2026-01-03T00:00:00Z", tried),
    ] {
        let policy = folder.path().join(version);
        std::fs::create_dir_all(&policy).expect("a folder");
        std::fs::write(policy.join("policy.toml"), format!("version = \"{version}\"")).expect("a file");
        std::fs::write(policy.join("conditions.toml"), CONDITIONS.replace("24h", "28d") + SEVERAL).expect("a file");
        if version == "tried" {
            std::fs::write(policy.join("thresholds.toml"), STRICT).expect("a file");
        }
        let line = ["policy", "activate", &text(&policy), "--store", &store, "--from", from, "--by", "x", "--why", "x"];
        truestream(&[&line[..], stage].concat()).good();
    }
    let views = ["account_window", "risk", "verdict", "rule_hit"];
    let (tables, as_of) = replayed(&HOW, world(), folder.path(), &views, &["--policy", &store]);
    let hits = rows(&tables.join("rule_hit.parquet"), &["policy_version"]);
    assert!(!hits.is_empty() && hits.iter().all(|hit| hit[0] == "second"), "{hits:?}");
    let laws = rows(&tables.join("verdict.parquet"), &["policy_version"]);
    let laws: BTreeSet<&str> = laws.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(laws, BTreeSet::from(["second", "tried"]), "what is tried is tried on some");
    let more = ["--follow", &text(world()), "--policy", &store];
    let service = Service::start(&folder.path().join("state"), &more);
    service.wait_as_of(as_of);
    service.states(&tables, &views);
}

#[test]
fn seconds_lead_where_minutes_do() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    copy(world(), &data);
    // Half an hour: each second with plays is an instant of its own.
    rewrite(&data, "plays", 500, |plays| {
        let ended = plays.column_by_name("ended_at").expect("a column").as_primitive::<TimestampMillisecondType>();
        let mut all: Vec<i64> = ended.iter().flatten().collect();
        all.sort_unstable();
        let middle = all[all.len() / 2];
        let is_then = ended.iter().map(|at| at.map(|at| (middle..middle + 1_800_000).contains(&at))).collect();
        filter_record_batch(&plays, &is_then).expect("rows")
    });
    let views = ["account_window", "track_window", "account_group", "verdict"];
    let minutes = ["--every", "1min", "--windows", "28d"];
    let (tables, as_of) = replayed(&minutes, &data, folder.path(), &views, &[]);
    let (state, seconds) = (folder.path().join("state"), ["--every", "1s", "--windows", "28d"]);
    let service = Service::start_as(&seconds, &state, &["--follow", &text(&data)]);
    service.wait_until_followed();
    service.running.ask_to_end();
    service.running.end().good();
    // Nothing arrives until the minute is over.
    let service = Service::start_as(&seconds, &state, &["--time", "told"]);
    let until = format!("Truestream-Until: {as_of}\r\n");
    assert_eq!(service.ask("POST /v1/plays", &until, b"").expect("an answer").0, 200);
    service.wait_as_of(as_of);
    service.states(&tables, &views);
    truestream(&["serve", "--state", &text(&state), "--every", "500ms"]).failed(2, &["500ms"]);
}

/// A policy with these files besides its version.
fn policy(folder: &Path, version: &str, files: &[(&str, &str)]) -> String {
    let policy = folder.join(version);
    std::fs::create_dir_all(&policy).expect("a folder");
    std::fs::write(policy.join("policy.toml"), format!("version = \"{version}\"")).expect("a file");
    files.iter().for_each(|(name, text)| std::fs::write(policy.join(name), text).expect("a file"));
    text(&policy)
}

/// Such a policy, activated from an instant on.
fn activate(folder: &Path, version: &str, files: &[(&str, &str)], from: i64) {
    enters(folder, version, files, from, "full");
}

/// Such a policy in a stage.
fn enters(folder: &Path, version: &str, files: &[(&str, &str)], from: i64, stage: &str) {
    let policy = policy(folder, version, files);
    let (store, from) = (text(&folder.join("laws")), instant::to_text(from));
    let line = ["policy", "activate", &policy, "--store", &store, "--from", &from, "--by", "x", "--why", "x"];
    truestream(&[&line[..], &["--stage", stage]].concat()).good();
}

/// The policy of this folder, activated as it could be before anybody asked whether it can follow those before it.
fn activate_unasked(folder: &Path, version: &str, from: i64) {
    let (policy, store) = (folder.join(version), folder.join("laws"));
    let digest = datasets::policy::digest(&policy).expect("a policy");
    let chain = datasets::policy::history(&store).expect("a chain");
    copy(&policy, &store.join("policies").join(&digest));
    let mut link = datasets::policy::Activation {
        number: chain.len() as u64 + 1,
        from: instant::to_text(from),
        version: version.to_owned(),
        digest,
        before: chain.last().expect("a line").hash.clone(),
        ..Default::default()
    };
    let sealed = serde_json::to_string(&link).expect("JSON");
    link.hash = blake3::hash(sealed.as_bytes()).to_hex().to_string();
    let list = datasets::policy::list_of(&store);
    let lines = std::fs::read_to_string(&list).expect("a list");
    std::fs::write(&list, format!("{lines}{}\n", serde_json::to_string(&link).expect("JSON"))).expect("a file");
}

const STRICT: &str = "[default]\nhold = 20\nescalate = 40\nblock = 60\nescalate_signals = 2\nblock_signals = 2\n";

#[test]
fn a_service_takes_up_what_is_activated_while_it_runs_and_states_what_a_replay_states() {
    for workers in ["1", "4"] {
        let folder = TempDir::new().expect("a folder");
        let (path, state) = (folder.path(), folder.path().join("state"));
        let (store, tables) = (text(&path.join("laws")), path.join("tables"));
        activate(path, "first", &[], MONDAY - 30 * 86_400_000);
        let follow = ["--follow", &text(world()), "--policy", &store, "--workers", workers];
        // A day of the folder in two seconds.
        let service = Service::start(&state, &[&follow[..], &["--speed", "43200x"]].concat());
        service.running_until("something is stated", || service.as_of() > 0);
        // What goes into the shadow decides nothing, and begins nothing anew: only what follows is taken up.
        enters(path, "tried", &[("thresholds.toml", STRICT)], service.as_of() + EVERY_MS, "shadow");
        sleep(Duration::from_millis(1_500));
        // Some instants ahead.
        activate(path, "second", &[("thresholds.toml", STRICT)], service.as_of() + 3 * EVERY_MS);
        service.takes_up();
        // Whether it was killed since makes no difference.
        drop(service);
        let service = Service::start(&state, &follow);
        service.wait_until_followed();
        let views =
            ["account_window", "risk", "verdict", "rule_hit", "payout_hold", "disclosure_ledger", "reputation", "gate"];
        let (_, last) = replayed(&HOW, world(), path, &views, &["--policy", &store]);
        service.wait_as_of(last);
        service.states(&tables, &views);
        assert!(rows(&tables.join("verdict.parquet"), &["policy_version"]).iter().all(|row| row[0] == "second"));

        // From an instant on that was stated: as if it had always been known. Now there are rules, too.
        let conditions = CONDITIONS.replace("24h", "28d") + SEVERAL;
        activate(path, "third", &[("conditions.toml", &conditions)], last - EVERY_MS);
        service.takes_up();
        replayed(&HOW, world(), path, &views, &["--policy", &store]);
        service.running_until("it is decided by the third", || {
            let versions = lines(&service.sql("SELECT DISTINCT policy_version FROM verdict"));
            String::from_utf8_lossy(&versions).contains("third")
        });
        service.states(&tables, &views);
        assert!(!rows(&tables.join("rule_hit.parquet"), &["rule"]).is_empty());

        // What cannot follow is refused; where it came in before anybody asked, the service tells it, and nothing changes; who sends
        // goes on.
        let flow = [("flow.toml", "floor = 100\ndamping = 50\nrounds = 2\n")];
        let line = ["policy", "activate", &policy(path, "fourth", &flow), "--store", &store, "--from", "2026-02-01"];
        let refused = truestream(&[&line[..], &["--by", "x", "--why", "x"]].concat());
        refused.failed(4, &["flow.toml is another", "in a folder of its own"]);
        let take_back = |number: &str| {
            truestream(&["policy", "withdraw", number, "--store", &store, "--by", "x", "--why", "x"]).good();
        };
        activate_unasked(path, "fourth", last);
        let why_refused =
            |service: &Service| service.json("GET /health").1["policy_refused"].as_str().map(str::to_owned);
        service.running_until("it is refused", || why_refused(&service).is_some_and(|why| why.contains("withdraw 5")));
        service.states(&tables, &views);
        take_back("5");
        service.running_until("it is taken back", || why_refused(&service).is_none());
        service.wait_until_stated();
        service.states(&tables, &views);
        service.running.ask_to_end();
        service.running.end().good();

        // Nor does a service begin under it, until it is taken back.
        activate_unasked(path, "fourth", last);
        let state_text = text(&state);
        let line = ["serve", "--state", &state_text, "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];
        let begun = truestream(&[&line[..], &HOW, &["--plain-ids", "--policy", &store]].concat());
        begun.failed(4, &["flow.toml of activation 7", "policy withdraw 7"]);
        take_back("7");
        let told = truestream(&["policy", "history", &store]).good();
        assert!(told.out.contains("8: \"fourth\" of activation 7 is taken back, by x"), "{told:?}");

        // Who starts under these policies knows the same, since the same instants.
        let since = |state: &Path| -> Value {
            let text = std::fs::read_to_string(state.join("since.json")).expect("it ended in order");
            serde_json::from_str(text.lines().nth(1).expect("two lines")).expect("JSON")
        };
        let known = since(&state);
        std::fs::remove_file(state.join("since.json")).expect("a file");
        let service = Service::start(&state, &["--time", "told", "--policy", &store]);
        service.wait_as_of(last);
        service.states(&tables, &views);
        // What was activated, and what the log consists of, are tables, too.
        let count = |table: &str| {
            service.sql(&format!("SELECT count(*) FROM {table}")).column(0).as_primitive::<Int64Type>().value(0)
        };
        assert_eq!(count("activation WHERE version = 'tried' AND stage = 'shadow' AND percent = 0 AND by = 'x'"), 1);
        assert_eq!(count("activation WHERE withdraws > 0"), 2);
        assert!(count("log_segment WHERE last_entry >= first_entry AND bytes > 0 AND blake3 <> ''") > 0);
        service.running.ask_to_end();
        service.running.end().good();
        let found = since(&state);
        for what in ["options", "tick", "entry"] {
            assert_eq!(found[what], known[what], "{what}");
        }
        let [found, known] = [found, known].map(|since| since["verdicts"].as_array().expect("a list").clone());
        let others = known.iter().filter(|row| !found.contains(row)).take(3).collect::<Vec<_>>();
        assert!(found.len() == known.len() && others.is_empty(), "{} and {}: {others:?}", found.len(), known.len());
    }
}

/// A flood of uploads on Tuesday, and plays up to so many hours after Monday began, by accounts that play more and less.
fn flooded(folder: &Path, hours: usize) -> PathBuf {
    std::fs::create_dir(folder).expect("a folder");
    let data = PathBuf::from(gate::data(folder));
    let plays = || 0..hours * 5;
    let of = |id: fn(usize) -> String| gate::texts(plays().map(|n| Some(id(n))));
    let ended = plays().map(|n| Some(MONDAY + n as i64 * 720_000)).collect::<Vec<_>>();
    let columns = vec![
        ("play_id", of(|n| format!("p{n}"))),
        ("ended_at", instants(&ended)),
        ("account_id", of(|n| format!("a{}", n % (1 + n % 20)))),
        ("track_id", of(|n| format!("t{}", n % 180))),
        ("played_ms", whole(&vec![Some(31_000); ended.len()])),
    ];
    gate::table(&data.join("plays.parquet"), columns);
    data
}

#[test]
fn a_service_lives_through_waves_as_a_replay_does_though_it_is_killed_in_between() {
    let views = ["account_window", "risk", "verdict", "wave"];
    let versions = |tables: &Path| -> BTreeSet<String> {
        rows(&tables.join("verdict.parquet"), &["policy_version"]).concat().into_iter().collect()
    };
    let version = |name: &str| BTreeSet::from([name.to_owned()]);
    // While the wave lasts, and when it is over.
    for (hours, workers, decides) in
        [(54, "1", "strict + wave flood"), (54, "4", "strict + wave flood"), (96, "1", "strict")]
    {
        let folder = TempDir::new().expect("a folder");
        let (path, data) = (folder.path(), flooded(&folder.path().join("flooded"), hours));
        let calm = policy(path, "calm", &[]);
        let (calm, _) = replayed(&HOW, &data, path, &["account_window", "verdict"], &["--policy", &calm]);
        let calm_verdicts = rows(&calm.join("verdict.parquet"), &["subject_id"]).len();
        let strict = policy(path, "strict", &[("sensitivity.toml", gate::WAVE)]);
        let (tables, as_of) = replayed(&HOW, &data, path, &views, &["--policy", &strict]);
        assert_eq!(versions(&tables), version(decides));
        let verdicts = rows(&tables.join("verdict.parquet"), &["subject_id"]).len();
        assert_eq!(verdicts > calm_verdicts, decides != "strict", "{verdicts} and {calm_verdicts} in a calm");

        let state = path.join("state");
        let follow = ["--follow", &text(&data), "--policy", &strict, "--workers", workers];
        for round in 0..rounds(12) {
            let service = Service::start(&state, &[&follow[..], &["--speed", "100000x"]].concat());
            sleep(Duration::from_millis(mixed(round, 700)));
            match round % 3 {
                0 => {
                    service.running.ask_to_end();
                    service.running.end().good();
                }
                _ => service.running.kill(),
            }
        }
        let service = Service::start(&state, &follow);
        service.wait_as_of(as_of);
        service.states(&tables, &views);
        service.running.ask_to_end();
        service.running.end().good();
        // Who goes on from where it ended, and who goes through everything again.
        for is_known in [true, false] {
            if !is_known {
                std::fs::remove_file(state.join("since.json")).expect("it ended in order");
            }
            let service = Service::start(&state, &["--time", "told", "--policy", &strict, "--workers", workers]);
            service.wait_as_of(as_of);
            service.states(&tables, &views);
            service.running.ask_to_end();
            service.running.end().good();
        }
    }
}

#[test]
fn a_wave_relaxes_whom_one_trusts_frees_nobody_whom_people_stopped_and_is_over() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path();
    let steps = |hold: u8, escalate: u8| {
        format!(
            "[territory.DE.account]\nhold = {hold}\nescalate = {escalate}\nblock = 90\nescalate_signals = 2\nblock_signals = 3\n"
        )
    };
    let relaxes =
        "relaxes = [{ segment = 'territory.DE.account', points = 20, ceiling = { hold = 70, escalate = 100 } }]\n";
    let named = |version: &str, hold: u8, escalate: u8, relaxes: &str| {
        let files =
            [("thresholds.toml", steps(hold, escalate)), ("sensitivity.toml", format!("{}{relaxes}", gate::WAVE))];
        policy(path, version, &files.each_ref().map(|(name, text)| (*name, text.as_str())))
    };
    let usual = named("usual", 40, 75, "");
    let relaxing = named("relaxing", 40, 75, relaxes);
    // What the wave makes of it: twenty points more, and no more than the usual one for block.
    let raised = named("raised", 60, 90, "");
    let views = ["account_window", "risk", "verdict", "wave", "ruling"];
    for hours in [54, 96] {
        let data = flooded(&path.join(format!("{hours} hours")), hours);
        // Many accounts are at home where one trusts them, and a person stopped one of these.
        let homes = (0..20).map(|n| (n == 0 || n % 2 == 1).then(|| "DE".to_owned()));
        let ids = gate::texts((0..20).map(|n| Some(format!("a{n}"))));
        gate::table(&data.join("accounts.parquet"), vec![("account_id", ids), ("country", gate::texts(homes))]);
        let one = |word: &str| gate::texts([Some(word.to_owned())]);
        let ruling = [("subject", "account"), ("subject_id", "a0"), ("ruling", "confirmed"), ("verdict", "block")];
        let mut ruling: Vec<_> = ruling.map(|(name, word)| (name, one(word))).into();
        ruling.push(("known_at", instants(&[Some(MONDAY)])));
        gate::table(&data.join("rulings.parquet"), ruling);
        let decided = |policy: &str| {
            let (tables, as_of) = replayed(&HOW, &data, path, &views, &["--policy", policy]);
            let columns = ["subject", "subject_id", "verdict", "r", "policy_version"];
            (rows(&tables.join("verdict.parquet"), &columns), tables, as_of)
        };
        let of = |policy: &str| decided(policy).0.into_iter().map(|row| row[..4].to_vec()).collect::<Vec<_>>();
        let [by_usual, by_raised] = [&usual, &raised].map(|policy| of(policy));
        let (found, tables, as_of) = decided(&relaxing);
        let versions: BTreeSet<&str> = found.iter().map(|row| row[4].as_str()).collect();
        let lasts = hours == 54;
        assert_eq!(versions, BTreeSet::from([if lasts { "relaxing + wave flood" } else { "relaxing" }]));
        let rest: Vec<_> = found.iter().map(|row| row[..4].to_vec()).collect();
        assert_eq!(&rest, if lasts { &by_raised } else { &by_usual }, "{hours}: {by_usual:?}");
        assert!(!lasts || by_usual.len() > by_raised.len(), "somebody is freed: {by_usual:?}");
        let is_stopped = |row: &&Vec<String>| row[1] == "a0" && row[2] == "block";
        assert_eq!(rest.iter().filter(is_stopped).count(), 1, "by a person, and stays so");
        let told = truestream(&["explain", "account", "a0", "--tables", &text(&tables), "--policy", &relaxing]).good();
        let words = "; relaxes territory.DE.account while no wave tightens it: hold from 60 on instead of 40";
        assert_eq!(told.out.contains(words), lasts, "{told:?}");

        let follow = ["--follow", &text(&data), "--policy", &relaxing, "--workers", "4"];
        let service = Service::start(&path.join(format!("state {hours}")), &follow);
        service.wait_until_followed();
        service.wait_as_of(as_of);
        service.states(&tables, &views);
        service.running.kill();
    }
}

#[test]
fn a_service_takes_up_a_policy_with_waves_while_it_runs() {
    let folder = TempDir::new().expect("a folder");
    let (path, data) = (folder.path(), flooded(&folder.path().join("flooded"), 54));
    // Copies are found on Tuesday as well, and there was one long ago.
    let known: Vec<_> =
        (0..60).map(|n| Some(MONDAY + if n == 0 { -60 * 86_400_000 } else { 30 * 3_600_000 })).collect();
    let columns = vec![
        ("content_id", gate::texts((0..60).map(|n| Some(format!("x{n}"))))),
        ("group_id", gate::texts((0..60).map(|_| Some("x".to_owned())))),
        ("known_at", instants(&known)),
    ];
    gate::table(&data.join("duplicate_group.parquet"), columns);
    let waves =
        format!("{}{}", gate::WAVE, gate::WAVE.replace("'flood'", "'copies'").replace("'uploads'", "'duplicates'"));
    let store = text(&path.join("laws"));
    activate(path, "first", &[], MONDAY - 60 * 86_400_000);
    let service = Service::start(&path.join("state"), &["--follow", &text(&data), "--policy", &store]);
    service.wait_until_followed();
    service.wait_until_stated();
    activate(path, "second", &[("sensitivity.toml", &waves)], MONDAY);
    service.takes_up();
    let views = ["account_window", "risk", "verdict", "wave"];
    let (tables, as_of) = replayed(&HOW, &data, path, &views, &["--policy", &store]);
    let measures = rows(&tables.join("wave.parquet"), &["measure"]).concat();
    assert_eq!(BTreeSet::from_iter(measures), BTreeSet::from(["duplicates", "uploads"].map(str::to_owned)));
    // What came into force meanwhile is in the record.
    service.running_until("it is written down", || {
        let shown = truestream(&["audit", "--state", &text(&path.join("state")), "show"]).good().out;
        shown.contains("service\tpolicies taken up\t") && shown.contains("service\tpolicies at the start\t")
    });
    service.running_until("it looks for waves", || service.sql("SELECT * FROM wave").num_rows() > 0);
    service.wait_as_of(as_of);
    service.states(&tables, &views);
}

#[test]
fn plays_that_count_no_more_leave_the_log_and_nothing_else_changes() {
    let folder = TempDir::new().expect("a folder");
    let how = ["--every", "6h", "--windows", "7d"];
    let long = folder.path().join("world");
    truestream(&["world", "--accounts", "60", "--days", "16", "--seed", "12", "--out", &text(&long)]).good();
    // Corrections come for weeks after the last play, and then there is little left to compare.
    rewrite(&long, "corrections", 500, |rows| {
        let arrived = rows.column_by_name("arrived_at").expect("a column").as_primitive::<TimestampMillisecondType>();
        let early = arrived.iter().map(|at| at.map(|at| at < MONDAY + 12 * 86_400_000)).collect();
        filter_record_batch(&rows, &early).expect("rows")
    });
    let (tables, as_of) = replayed(&how, &long, folder.path(), &VIEWS, &[]);
    let (state, data) = (folder.path().join("state"), text(&long));
    truestream(&["serve", "--state", &text(&state), "--listen", "127.0.0.1:0", "--keep", "3d"])
        .failed(2, &["--keep 3d"]);
    assert!(!state.exists(), "a start that is refused leaves nothing");
    let follow = ["--follow", &data, "--keep", "8d", "--speed", "500000x"];
    let squeezed = || {
        let names = std::fs::read_dir(state.join("log")).expect("a folder").flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().ends_with("-1.log")).count()
    };
    // Whoever ends in order seals a segment; whoever is killed may leave two forms of one.
    for round in 0..14 {
        let service = Service::start_as(&how, &state, &follow);
        sleep(Duration::from_millis(150));
        match round % 3 {
            2 => service.running.kill(),
            _ => {
                service.running.ask_to_end();
                service.running.end().good();
            }
        }
    }
    let service = Service::start_as(&how, &state, &follow[..4]);
    service.wait_as_of(as_of);
    let until = Instant::now() + Duration::from_secs(60);
    while squeezed() < 2 {
        assert!(Instant::now() < until, "{} segments without plays", squeezed());
        sleep(Duration::from_millis(20));
    }
    service.states(&tables, &VIEWS);
    service.running.ask_to_end();
    service.running.end().good();
    truestream(&["fsck", "--state", &text(&state)]).good();
    let copy = folder.path().join("copy");
    truestream(&["backup", "--state", &text(&state), "--out", &text(&copy)]).good();
    std::fs::copy(state.with_extension("token"), copy.with_extension("token")).expect("a file");
    let service = Service::start_as(&how, &copy, &["--time", "told"]);
    // Who says that it is ready has everything stated.
    let health = std::iter::repeat_with(|| service.json("GET /health")).find(|(status, _)| *status == 200);
    assert_eq!(health.expect("it gets ready").1["as_of"], json!(as_of));
    service.states(&tables, &VIEWS);
    let long = ["serve", "--state", &text(&state), "--listen", "127.0.0.1:0", "--every", "6h", "--windows", "28d"];
    truestream(&long).failed(2, &["looks back 28 days", "8"]);
}

/// The rows as lines of JSON.
pub fn lines(rows: &RecordBatch) -> Vec<u8> {
    let mut lines = Vec::new();
    let schema = rows.schema();
    for row in 0..rows.num_rows() {
        let cells = schema.fields().iter().zip(rows.columns()).filter(|(_, column)| column.is_valid(row));
        let cell = |column: &dyn Array| match column.data_type() {
            DataType::UInt64 => json!(column.as_primitive::<UInt64Type>().value(row)),
            DataType::UInt32 => json!(column.as_primitive::<UInt32Type>().value(row)),
            DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row)),
            DataType::Timestamp(..) => json!(column.as_primitive::<TimestampMillisecondType>().value(row)),
            DataType::Boolean => json!(column.as_boolean().value(row)),
            _ => json!(column.as_string::<i32>().value(row)),
        };
        let object: serde_json::Map<String, Value> =
            cells.map(|(field, column)| (field.name().clone(), cell(column))).collect();
        lines.extend(Value::Object(object).to_string().into_bytes());
        lines.push(b'\n');
    }
    lines
}

/// The rows as an Arrow IPC stream.
pub fn stream(rows: &RecordBatch) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut writer = StreamWriter::try_new(&mut stream, &rows.schema()).expect("memory");
    writer.write(rows).expect("memory");
    writer.finish().expect("memory");
    stream
}

/// The world as requests in the order of arrival: table, rows, and before which instant all has arrived with them.
pub fn requests() -> Vec<(&'static str, RecordBatch, Option<i64>)> {
    let table = |name: &str| read(&world().join(format!("{name}.parquet")));
    let small = ["tracks", "accounts", "distributors", "networks", "playlists"];
    let mut requests: Vec<_> = small.into_iter().map(|name| (name, table(name), None)).collect();
    let mut arriving: Vec<(i64, &'static str, u32)> = Vec::new();
    let (plays, corrections) = (table("plays"), table("corrections"));
    for (name, rows) in [("plays", &plays), ("corrections", &corrections)] {
        let instants = ["ended_at", "arrived_at"].into_iter().filter_map(|name| rows.column_by_name(name));
        let instants: Vec<_> = instants.map(|column| column.as_primitive::<TimestampMillisecondType>()).collect();
        for row in 0..rows.num_rows() {
            let known = instants.iter().filter(|column| column.is_valid(row));
            let at = known.map(|column| column.value(row)).max().expect("a time");
            arriving.push((at.div_euclid(EVERY_MS), name, row as u32));
        }
    }
    arriving.sort();
    for refresh in arriving.chunk_by(|a, b| a.0 == b.0) {
        for same in refresh.chunk_by(|a, b| a.1 == b.1) {
            let rows = if same[0].1 == "plays" { &plays } else { &corrections };
            for chunk in same.chunks(300) {
                let places = UInt32Array::from_iter_values(chunk.iter().map(|(_, _, row)| *row));
                requests.push((chunk[0].1, take_record_batch(rows, &places).expect("rows"), None));
            }
        }
        requests.last_mut().expect("there is one").2 = Some((refresh[0].0 + 1) * EVERY_MS);
    }
    requests
}

#[test]
fn what_was_acknowledged_counts_once_though_the_service_is_killed_between_and_within_requests() {
    let folder = TempDir::new().expect("a folder");
    let (tables, as_of) = replayed(&HOW, world(), folder.path(), &VIEWS, &[]);
    let state = folder.path().join("state");
    let options = ["--ids", "number", "--time", "told"];
    let mut service = Service::start(&state, &options);
    let requests = requests();
    let every = (requests.len() as u64 / rounds(12)).max(1);
    for (number, (table, rows, until)) in requests.iter().enumerate() {
        let is_arrow = number % 2 == 0;
        let media_type = if is_arrow { "application/vnd.apache.arrow.stream" } else { "application/x-ndjson" };
        let body = if is_arrow { stream(rows) } else { lines(rows) };
        let until = until.map_or(String::new(), |until| format!("Truestream-Until: {until}\r\n"));
        let headers =
            format!("Content-Type: {media_type}\r\nTruestream-Source: test\r\nTruestream-Offset: {number}\r\n{until}");
        let post = format!("POST /v1/{table}");
        if number as u64 % every == every - 1 {
            // It is killed while it is asked, and asked again: nobody knows whether the first one was taken.
            let asked = std::thread::scope(|scope| {
                let asking = scope.spawn(|| service.ask(&post, &headers, &body));
                sleep(Duration::from_millis(mixed(number as u64, 12)));
                service.running.kill_now();
                asking.join().expect("no panic")
            });
            assert!(asked.is_none_or(|(status, _)| status == 200));
            drop(service);
            service = Service::start(&state, &options);
        }
        let (status, answer) = service.ask(&post, &headers, &body).expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);

    // A point of a view, in words.
    let (_, all) = service.json("GET /v1/view/account_window?window=24h&limit=1");
    let account = &all["rows"][0]["account_id"];
    let (_, one) = service.json(&format!("GET /v1/view/account_window?key={account}&window=24h"));
    assert_eq!(one["rows"], all["rows"]);
    assert_eq!(one["as_of"], json!(as_of));
}

#[test]
fn who_has_no_token_sees_nothing_and_what_cannot_be_read_is_a_dead_letter() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let mut service = Service::start(&state, &["--time", "told"]);
    let good =
        r#"{"play_id":"p1","ended_at":"2026-01-05T12:00:00Z","account_id":"a","track_id":"t","played_ms":40000}"#;
    let bad = r#"{"play_id":"p2","ended_at":"noon","account_id":"a","track_id":"t","played_ms":40000}"#;
    let body = format!("{good}\n{bad}\n{{\"play_id\":\"p3\"}}\n");
    let token = std::mem::replace(&mut service.token, "0".repeat(64));
    for line in ["POST /v1/plays", "GET /v1/view/account_window", "GET /metrics"] {
        assert_eq!(service.ask(line, "", b"").expect("an answer").0, 401, "{line}");
    }
    service.token = token;
    for (line, headers, status) in [
        ("POST /v1/nothing", "", 404),
        ("GET /v1/view/nothing", "", 404),
        ("POST /v1/plays", "Content-Type: image/png\r\n", 415),
        ("POST /v1/plays", "Content-Type: application/vnd.apache.parquet\r\n", 400),
        ("POST /v1/plays", "Content-Encoding: br\r\n", 400),
        ("POST /v1/plays", "Truestream-Source: x\r\n", 400),
        ("POST /v1/plays", "Truestream-Until: noon\r\n", 400),
    ] {
        assert_eq!(service.ask(line, headers, body.as_bytes()).expect("an answer").0, status, "{line} {headers}");
    }
    let until = "Truestream-Until: 1767636000000\r\n";
    let (status, answer) = service.ask("POST /v1/plays", until, body.as_bytes()).expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!((status, &answer["rows"], &answer["unread"]), (200, &json!(3), &json!(1)), "{answer}");
    service.wait_as_of(1_767_636_000_000);
    let (_, rows) = service.json("GET /v1/view/account_window?key=a&window=24h");
    assert_eq!((&rows["rows"][0]["plays"], &rows["rows"][0]["payable"]), (&json!(1), &json!(1)), "{rows}");
    let (_, refused) = service.json("GET /v1/view/refusal");
    let mut codes: Vec<&str> =
        refused["rows"].as_array().expect("rows").iter().filter_map(|row| row["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["bad_time", "missing"], "{refused}");
    let (_, metrics) = service.ask("GET /metrics", "", b"").expect("an answer");
    assert!(String::from_utf8_lossy(&metrics).contains("truestream_plays 1"), "{}", String::from_utf8_lossy(&metrics));
    service.running.ask_to_end();
    service.running.end().good();

    let state_text = text(&state);
    let listed = truestream(&["dlq", "--state", &state_text, "ls"]).good().out;
    assert!(listed.starts_with("entry 1: 1 rows of plays"), "{listed}");
    assert_eq!(truestream(&["dlq", "--state", &state_text, "show", "1"]).good().out, format!("{bad}\n"));
    assert!(truestream(&["dlq", "--state", &state_text, "replay", "1"]).good().out.contains("none of 1 rows"));
}

#[test]
fn a_folder_that_is_not_there_is_told_before_anything_is_made() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("refused");
    truestream(&["serve", "--state", &text(&state), "--heard", "/nowhere"]).failed(2, &["--heard /nowhere", "scan"]);
    assert!(!state.exists());
}

#[test]
fn nobody_beyond_this_machine_is_listened_to_unless_told() {
    let folder = TempDir::new().expect("a folder");
    let line = ["serve", "--state", &text(folder.path()), "--listen", "0.0.0.0:0"];
    truestream(&line).failed(2, &["--insecure-listen"]);
}
