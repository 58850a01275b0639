//! What the commands say: help with examples, JSON that parses, the documented exit codes.

use tempfile::TempDir;

use crate::data::{text, world};
use crate::process::{start_behind, truestream};

#[test]
fn every_command_shows_examples() {
    let help = truestream(&["--help"]).good().out;
    for command in ["import", "world", "inject", "replay", "verify"] {
        assert!(help.contains(command), "{help}");
        let help = truestream(&[command, "--help"]).good().out;
        assert!(help.contains("Examples:") && help.contains(&format!("truestream {command} ")), "{help}");
    }
    let told = truestream(&[]);
    assert!(told.code == Some(2) && told.err.contains("Usage:"), "{told:?}");
    truestream(&["listen"]).failed(2, &["listen"]);
}

#[test]
fn json_parses_and_agrees_with_the_tables() {
    let folder = TempDir::new().expect("a folder");
    let (data, out) = (text(world()), text(&folder.path().join("tables")));
    let made =
        truestream(&["world", "--accounts", "20", "--days", "1", "--json", "--out", &text(folder.path())]).good();
    assert!(made.json()["plays"].as_u64() > Some(0), "{made:?}");

    let line = ["replay", "--data", &data, "--out", &out, "--every", "6h", "--windows", "24h", "--json"];
    let told = truestream(&line).good().json();
    let number = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("no {name} in {told}"));
    assert_eq!(number("rows"), number("plays") + number("refused_plays"));
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("tables/run.json")).expect("a manifest"))
            .expect("JSON");
    assert_eq!(told["run"]["views"], run["views"]);
    assert_eq!(run["rows"]["refusal"].as_u64(), Some(number("refused_plays")));

    // Corrections go on for weeks after two days of plays.
    let note = told["note"].as_str().unwrap_or_else(|| panic!("no note in {told}"));
    for word in ["the last play ended 2026-01-0", "nothing is left in 24h", "--emit all", "as_of 2026-01-0"] {
        assert!(note.contains(word), "{word}: {note}");
    }

    let verified = truestream(&["verify", "--data", &data, "--out", &out, "--json"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    verified.json();
    start_behind("exec \"$@\" >/dev/full", &line).end().failed(5, &["standard output"]);
    // Nobody reads: that is nobody's failure.
    let unread = start_behind("{ \"$@\"; echo \"code $?\" >&2; } | true", &line).end();
    assert!(unread.err.contains("code 0"), "{unread:?}");
}
