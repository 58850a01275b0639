//! Policies as those who edit them meet them: mistakes, settings, differences and examples.

use std::path::Path;

use tempfile::TempDir;

use crate::data::text;
use crate::process::truestream;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

fn path(folder: &TempDir) -> String {
    text(Path::new(folder.path()))
}

#[test]
fn a_check_says_every_mistake_with_its_line() {
    let told = truestream(&["policy", "check"]).good();
    assert!(told.out.contains("in order") && told.out.contains("playlist.one_channel is off"), "{told:?}");
    let wrong = folder(&[
        ("policy.toml", "version = \"x\""),
        ("rules.toml", "[account]\nedge = { on = true, weight = 101 }"),
        (
            "weights.toml",
            "[track]\nheard = { content = 1, behaviour = 1, policy = 1 }\nunheard = { content = 0, behaviour = 75, policy = 25 }",
        ),
        ("tests.toml", "[[verdict]]\nname = 1"),
    ]);
    let told = truestream(&["policy", "check", &path(&wrong)]);
    assert_eq!(told.code, Some(4), "{told:?}");
    for word in ["rules.toml", "found 101", "weights.toml", "expected 100", "line 2", "tests.toml"] {
        assert!(told.out.contains(word), "{word}: {told:?}");
    }
    assert!(told.err.contains("3 mistakes"), "{told:?}");
    assert_eq!(truestream(&["policy", "check", "/nowhere"]).code, Some(4));
}

#[test]
fn settings_are_shown_and_compared() {
    let strict = folder(&[
        ("policy.toml", "version = \"strict\""),
        ("rules.toml", "[account]\nedge = { on = true, weight = 66 }"),
    ]);
    let told = truestream(&["policy", "show", &path(&strict)]).good();
    assert!(told.out.contains("rules.account.edge.weight = 66    (built in: 65)"), "{told:?}");
    let told = truestream(&["policy", "diff", "built-in", &path(&strict)]).good();
    assert_eq!(told.out.lines().count(), 2, "{told:?}");
    assert!(told.out.contains("rules.account.edge.weight: 65 -> 66"), "{told:?}");
    let told = truestream(&["policy", "diff", "built-in", "built-in", "--json"]).good();
    assert_eq!(told.json().as_array().map(Vec::len), Some(0));
}

#[test]
fn a_change_that_breaks_an_example_is_seen_before_it_acts() {
    truestream(&["policy", "test"]).good();
    let strict = folder(&[
        ("policy.toml", "version = \"strict\""),
        ("rules.toml", "[account]\nlockstep = { on = false, weight = 0 }"),
        (
            "tests.toml",
            "[[verdict]]\nname = \"edge holds\"\nsubject = \"account\"\nsignals = { edge = 100 }\nverdict = \"hold\"\nrisk_max = 65",
        ),
    ]);
    let told = truestream(&["policy", "test", &path(&strict)]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.out.contains("as meant   edge holds"), "{told:?}");
    assert!(told.out.contains("OTHERWISE  built-in: a farm that loops"), "{told:?}");
    assert!(told.out.contains("found escalate at risk 0.74, expected block at least 0.85"), "{told:?}");
    let strange = folder(&[
        ("policy.toml", "version = \"x\""),
        (
            "tests.toml",
            "[[verdict]]\nname = \"x\"\nsubject = \"account\"\nsignals = { audio = 1 }\nverdict = \"allow\"",
        ),
    ]);
    let told = truestream(&["policy", "test", &path(&strange)]);
    assert_eq!((told.code, told.err.contains("`audio` is no signal of account")), (Some(4), true), "{told:?}");
}

#[test]
fn a_backtest_names_whom_a_change_would_hold_or_free() {
    let data = text(crate::data::world());
    let steps = "hold = 1\nescalate = 90\nblock = 95\nescalate_signals = 2\nblock_signals = 3";
    let strict =
        folder(&[("policy.toml", "version = \"strict\""), ("thresholds.toml", &format!("[default]\n{steps}"))]);
    let more = ["--", "--every", "24h", "--windows", "24h"];
    let line = ["policy", "backtest", &path(&strict), "--data", &data];
    let told = truestream(&[&line[..], &["--json"], &more].concat()).good().json();
    let moved = told["moved"].as_array().expect("a list");
    let held = |row: &&serde_json::Value| row["from"] == "allow" && row["to"] == "hold";
    assert!(moved.iter().filter(held).count() > 10, "{told:#}");
    assert!(moved.iter().any(|row| row["payable"].as_u64() > Some(0) && row["reason"] != ""));
    let sums: u64 =
        told["sums"].as_array().expect("a list").iter().map(|sum| sum["subjects"].as_u64().unwrap_or(0)).sum();
    assert_eq!(sums, moved.len() as u64);

    // The other way round they are freed, and nobody moves between a policy and itself.
    let back = ["policy", "backtest", "built-in", "--against", &path(&strict), "--data", &data];
    let freed = truestream(&[&back[..], &["--json"], &more].concat()).good().json();
    assert_eq!(freed["moved"].as_array().map(Vec::len), Some(moved.len()));
    let same = ["policy", "backtest", "built-in", "--data", &data];
    let told = truestream(&[&same[..], &more].concat()).good();
    assert!(told.out.contains("nobody is decided otherwise"), "{told:?}");
}
