//! `inject` as a process: what it writes is read by `replay` as it is, and mistakes have their exit codes.

use std::fs;

use tempfile::TempDir;

use crate::data::{text, world, world_of_texts};
use crate::process::truestream;

#[test]
fn a_replay_reads_what_was_injected_and_refuses_nothing_new() {
    let folder = TempDir::new().expect("a folder");
    let texts = folder.path().join("texts");
    world_of_texts(&texts);
    for (data, name) in [(world(), "numbers"), (texts.as_path(), "words")] {
        let (out, tables) = (folder.path().join(name), folder.path().join(format!("{name}-tables")));
        let told = truestream(&["inject", "--data", &text(data), "--out", &text(&out), "--seed", "3", "--json"]);
        let told = told.good().json();
        let added = told["plays_added"].as_u64().expect("a count");
        assert!(added > 0 && told["attacks"].as_array().is_some_and(|attacks| attacks.len() == 60), "{told}");

        let replay = |data: &str, out: &str| {
            let told =
                truestream(&["replay", "--data", data, "--out", out, "--every", "6h", "--windows", "24h", "--json"]);
            told.good().json()
        };
        let before = replay(&text(data), &text(&folder.path().join(format!("{name}-before"))));
        let after = replay(&text(&out), &text(&tables));
        let number =
            |told: &serde_json::Value, name: &str| told[name].as_u64().unwrap_or_else(|| panic!("no {name}: {told}"));
        assert_eq!(number(&after, "plays"), number(&before, "plays") + added);
        assert_eq!(number(&after, "refused_plays"), number(&before, "refused_plays"));
        assert_eq!(after["run"]["rows"]["refusal"], before["run"]["rows"]["refusal"]);
        truestream(&["verify", "--data", &text(&out), "--out", &text(&tables)]).good();
    }
}

#[test]
fn a_printed_plan_does_the_same_again() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let data = text(world());
    let printed = truestream(&["inject", "--print-plan", "--data", &data]).good().out;
    fs::write(path("plan.toml"), &printed).expect("a file");
    truestream(&["inject", "--data", &data, "--out", &text(&path("a"))]).good();
    truestream(&["inject", "--data", &data, "--plan", &text(&path("plan.toml")), "--out", &text(&path("b"))]).good();
    for name in ["plays-injected.parquet", "labels-injected.parquet", "truth.parquet", "plan.toml"] {
        let read = |folder: &str| fs::read(path(folder).join(name)).expect("a file");
        assert!(read("a") == read("b"), "{name} differs");
    }
    assert!(truestream(&["inject", "--print-plan"]).good().out.contains("share = 0.01"));
}

#[test]
fn mistakes_have_their_exit_codes() {
    let folder = TempDir::new().expect("a folder");
    let (data, out, plan) = (text(world()), text(&folder.path().join("out")), folder.path().join("plan.toml"));
    fs::write(&plan, "[[attack]]\nfamily = \"loop_farm\"\nacounts = 3\n").expect("a file");
    let line = ["inject", "--data", &data, "--out", &out, "--plan", &text(&plan)];
    truestream(&line).failed(4, &["plan.toml", "line 3", "acounts", "accounts"]);
    truestream(&["inject", "--data", "nowhere", "--out", &out]).failed(4, &["nowhere"]);
    truestream(&["inject", "--data", &data]).failed(2, &["--out"]);
    truestream(&["inject", "--data", &data, "--out", &data]).failed(5, &["not empty"]);
    assert!(!folder.path().join("out").exists());
}
