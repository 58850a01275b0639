//! A service that is sent more than it can do: who sends waits, and what was taken is counted.

use std::process::Command;

use tempfile::TempDir;

use crate::alive::Service;
use crate::process::{Ran, start_command, truestream};

/// A minute of its time is a beat of the load.
const HOW: [&str; 6] = ["--time", "told", "--every", "1min", "--windows", "1h"];

fn load(service: &Service, more: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truestream"));
    command.args([
        "load",
        "--to",
        &format!("http://{}", service.address),
        "--accounts",
        "50",
        "--tracks",
        "50",
        "--json",
    ]);
    command.args(more).env("TRUESTREAM_TOKEN", &service.token);
    start_command(command).end()
}

#[test]
fn all_that_a_load_was_acknowledged_is_counted_though_it_has_to_wait() {
    let folder = TempDir::new().expect("a folder");
    // What is behind for longer has to be stated before more is taken.
    let service = Service::start_of_strangers(
        &folder.path().join("state"),
        &[&HOW[..], &["--plain-ids", "--behind-max", "1s"]].concat(),
    );
    for form in ["arrow", "json"] {
        let line = ["--rate", "3000", "--rows", "500", "--beats", "4", "--format", form];
        let told = load(&service, &line).good().json();
        assert_eq!((told["plays"].as_u64(), told["counted"].as_i64()), (Some(12_000), Some(12_000)), "{told}");
        assert_eq!(told["shown"]["count"], 4, "{told}");
    }
    let told = load(&service, &["--rate", "10", "--beats", "100", "--time-max", "1s"]).good().json();
    assert_eq!(told["plays"], 20, "at once and after a second: {told}");
    truestream(&["load", "--to", "http://127.0.0.1:1", "--token-file", "/nowhere"]).failed(2, &["/nowhere"]);
    truestream(&["load", "--to", "http://127.0.0.1:1", "--token-file", "/dev/null"])
        .failed(2, &["/dev/null holds no token"]);
    load(&service, &["--format", "xml"]).failed(2, &["xml", "arrow"]);
}

#[test]
fn where_memory_is_full_rows_are_not_taken_and_time_is() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start_of_strangers(
        &folder.path().join("state"),
        &[&HOW[..], &["--plain-ids", "--memory-max", "1"]].concat(),
    );
    let row = br#"{"play_id": "p", "ended_at": 60000, "account_id": "a", "track_id": "t", "played_ms": 31000}"#;
    let (status, told) = service.ask("POST /v1/plays", "", row).expect("an answer");
    assert!(status == 429 && String::from_utf8_lossy(&told).contains("memory"), "{status}");
    let (status, _) = service.ask("POST /v1/plays", "Truestream-Until: 120000\r\n", b"").expect("an answer");
    assert_eq!(status, 200);
    service.wait_as_of(120_000);
}
