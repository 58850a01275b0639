//! The registry when things go wrong: commands that were killed, champions that are lost, versions that nobody compared or that no
//! replay can use, pipes that nobody reads.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::data::{text, world};
use crate::learn::town;
use crate::process::{Ran, truestream};

const LIGHTGBM: &str = include_str!("../../../models/tests/fixtures/lightgbm_nan.txt");
const XGBOOST: &str = include_str!("../../../models/tests/fixtures/xgboost.json");
/// Gates that everybody meets.
pub(crate) const ANYHOW: [&str; 10] = [
    "--recall-min",
    "0",
    "--calibration-error-max",
    "1",
    "--honest-flagged-max",
    "1",
    "--recall-loss-max",
    "1",
    "--cohort-times-max",
    "1000000",
];

/// Makes a version of a model of another program; another slope is another version.
pub(crate) fn import(registry: &Path, slope: u32) -> Ran {
    let named = "feature_names=week_edge_share day_top_share week_plays_per_day group_size month_devices";
    let model = LIGHTGBM.replace("feature_names=f0 f1 f2 f3 f4", named);
    import_text(registry, &model.replace("sigmoid:1", &format!("sigmoid:{slope}")))
}

fn import_text(registry: &Path, model: &str) -> Ran {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(model.as_bytes()).expect("a file");
    truestream(&["models", "import", &text(file.path()), "--held-out", "--registry", &text(registry), "--json"])
}

/// Runs a command over the registry.
fn over(registry: &Path, line: &[&str]) -> Ran {
    truestream(&[line, &["--registry", &text(registry)]].concat())
}

fn champion(registry: &Path) -> u64 {
    let listed = over(registry, &["models", "list", "--json"]).good().json();
    let versions = listed["versions"].as_array().expect("versions");
    let champion = versions.iter().find(|version| version["is_champion"] == true);
    champion.and_then(|version| version["number"].as_u64()).unwrap_or(0)
}

#[test]
fn a_promotion_that_was_killed_leaves_no_trace() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path().join("r");
    for version in 1..=3 {
        import(&at, version).good();
        over(&at, &["promote", "--version", &version.to_string(), "--force", "a test"]).good();
        if version == 2 {
            // Killed between the record and the fact, and then again while it wrote the record.
            let mut history = File::options().append(true).open(at.join("history.jsonl")).expect("a file");
            let record = r#"{"what":"promote","from":2,"to":3,"why":"killed"}"#;
            writeln!(history, "{record}").expect("written");
            assert!(!over(&at, &["models", "list"]).good().out.contains("killed"));
        }
    }
    let mut history = File::options().append(true).open(at.join("history.jsonl")).expect("a file");
    history.write_all(br#"{"what":"roll"#).expect("written");
    over(&at, &["models", "list"]).good();
    for (to, says) in [(2, "version 2 is champion again"), (1, "version 1 is champion again")] {
        let told = over(&at, &["rollback"]).good();
        assert!(told.out.contains(says) && champion(&at) == to, "{told:?}");
    }
    over(&at, &["rollback"]).failed(3, &["no champion before this one"]);
    let records = fs::read_to_string(at.join("history.jsonl")).expect("a file");
    assert_eq!(records.lines().count(), 5, "{records}");
    assert!(records.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{records}");
}

#[test]
fn only_what_was_compared_with_the_champion_is_promoted_and_only_what_a_replay_can_use() {
    let folder = TempDir::new().expect("a folder");
    let (data, at) = (folder.path().join("data"), folder.path().join("r"));
    town(&data, "fraud", false);
    let evaluate = |version: &str| {
        let line = ["evaluate", "--data", &text(&data), "--version", version];
        over(&at, &[line.as_slice(), &ANYHOW].concat())
    };
    let promote = |version: &str| over(&at, &["promote", "--version", version]);
    for version in ["1", "2"] {
        import(&at, version.parse().expect("a number")).good();
        evaluate(version).good();
    }
    promote("1").good();
    promote("1").good();
    promote("2").failed(3, &["beside no champion", "version 1 is champion now", "evaluate again"]);
    evaluate("2").good();
    promote("2").good();
    promote("1").failed(3, &["version 2 is champion now"]);

    // Where the registry asks for days beside the champion, and for somebody to agree, both are needed and written down.
    let asks = "[full]\ndays_min = 7\nsigned_by = ['analyst']\n";
    fs::write(at.join("governance.toml"), asks).expect("a file");
    import(&at, 9).good();
    evaluate("3").good();
    let step = |more: &[&str]| over(&at, &[&["promote", "--version", "3"], more].concat());
    let agreed = ["--signed", "ann=analyst"];
    step(&[]).failed(3, &["[full] signed_by", "expected also analyst"]);
    step(&agreed).failed(3, &["never in the stage shadow"]);
    let told = step(&["--stage", "shadow", "--from", "2026-01-01"]).good();
    assert!(told.out.contains("is in the shadow") && champion(&at) == 2, "{told:?}");
    step(&[&agreed[..], &["--from", "2026-01-07"]].concat()).failed(3, &["expected 7 days of it: from 2026-01-08"]);
    step(&[&agreed[..], &["--from", "2026-01-08"]].concat()).good();
    assert_eq!(champion(&at), 3);
    let steps = fs::read_to_string(at.join("stages.jsonl")).expect("a file");
    assert!(steps.lines().count() == 2 && steps.contains(r#""signed":[{"by":"ann","role":"analyst"}]"#), "{steps}");
    fs::write(at.join("stages.jsonl"), steps.replace("ann", "eve")).expect("a file");
    step(&agreed).failed(4, &["stages.jsonl, line 2", "nobody changed who agreed"]);
    fs::write(at.join("stages.jsonl"), steps).expect("a file");
    fs::remove_file(at.join("governance.toml")).expect("a file");
    over(&at, &["rollback"]).good();

    // What learned from few features is there to compare with.
    let settings = folder.path().join("settings.json");
    fs::write(&settings, r#"{"trees_max": 5}"#).expect("a file");
    let line = [
        "train",
        "--data",
        &text(&data),
        "--settings",
        &text(&settings),
        "--only",
        "week_edge_share,week_plays_per_day",
    ];
    over(&at, &line).good();
    over(&at, &["promote", "--version", "4", "--force", "why not"]).failed(4, &["knows 2 features", "--only"]);
    over(&at, &["rollback", "--to", "4"]).failed(4, &["version 4 knows 2 features"]);
    import(&at, 4).good();
    let told = over(&at, &["rollback", "--to", "5"]).good();
    assert!(told.out.contains("never was before"), "{told:?}");
    let again = over(&at, &["rollback", "--to", "5"]).good();
    assert!(again.out.contains("is champion already"), "{again:?}");

    // A champion whose files are gone is no champion that never was.
    fs::rename(at.join("mlruns/models/account/version-5"), folder.path().join("lost")).expect("moved");
    let says = ["version 5 is champion", "no version-5 beside it", "rollback --to"];
    evaluate("2").failed(4, &says);
    over(&at, &["models", "list"]).failed(4, &says);
    over(&at, &["models", "show", "champion"]).failed(4, &says);
    let replay = ["replay", "--data", &text(&data), "--out", &text(&folder.path().join("out")), "--models", &text(&at)];
    truestream(&replay).failed(4, &says);
    over(&at, &["rollback"]).good();
    assert_eq!(champion(&at), 2);
}

#[test]
fn a_registry_that_is_not_there_is_told_and_not_made() {
    let folder = TempDir::new().expect("a folder");
    let nowhere = folder.path().join("nowhere");
    let file = folder.path().join("file");
    fs::write(&file, "no registry").expect("a file");
    for line in [["models", "list"].as_slice(), &["models", "show", "1"], &["promote"], &["rollback"]] {
        over(&nowhere, line).failed(4, &["nowhere: ", "--registry"]);
        over(&file, line).failed(4, &["a registry is a folder"]);
    }
    let replay = ["replay", "--data", &text(world()), "--out", &text(&folder.path().join("out")), "--models"];
    truestream(&[replay.as_slice(), &[&text(&nowhere)]].concat()).failed(4, &["nowhere: "]);
    assert!(!nowhere.exists());
}

#[test]
fn what_nobody_could_load_is_not_registered() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path().join("r");
    let mut model: Value = serde_json::from_str(XGBOOST).expect("a fixture");
    let names = ["week_edge_share", "day_top_share", "week_plays_per_day", "group_size", "month_devices"];
    model["learner"]["feature_names"] = names.as_slice().into();
    import_text(&at, &model.to_string()).good();
    for score in ["1", "[1.5]"] {
        model["learner"]["learner_model_param"]["base_score"] = score.into();
        import_text(&at, &model.to_string()).failed(4, &["base_score", "over 0 and under 1"]);
    }
    let cut = LIGHTGBM.find("Tree=3").expect("a tree");
    import_text(&at, &LIGHTGBM[..cut]).failed(4, &["`end of trees` is missing"]);
    let listed = over(&at, &["models", "list", "--json"]).good().json();
    assert_eq!(listed["versions"].as_array().map(Vec::len), Some(1), "{listed}");
}

#[test]
fn a_model_is_told_what_it_learned_from_or_somebody_hears_of_it() {
    let folder = TempDir::new().expect("a folder");
    let (at, out) = (folder.path().join("r"), folder.path().join("out"));
    import(&at, 1).good();
    let replay = |more: &[&str]| {
        let data = text(world());
        let line = ["replay", "--data", &data, "--out", &text(&out), "--every", "1d", "--views", "verdict"];
        truestream(&[line.as_slice(), &["--models", &text(&at), "--model", "1"], more].concat())
    };
    replay(&["--windows", "24h,7d"]).failed(2, &["month (28d) is missing", "use --windows 24h,7d,28d"]);
    let windows = ["--windows", "24h,7d,28d"];
    let warnings = || {
        let run: Value = serde_json::from_slice(&fs::read(out.join("run.json")).expect("a manifest")).expect("JSON");
        run["warnings"].as_array().expect("a list").len()
    };
    let told = replay(&windows).good();
    assert!(told.err.is_empty() && warnings() == 0, "{told:?}");
    for other in [["--links", "payment"], ["--hub", "9"]] {
        let told = replay(&[windows, other].concat()).good();
        assert!(told.err.contains("warning: models learn from groups") && warnings() == 1, "{told:?}");
    }
}

#[test]
fn a_command_that_nobody_hears_ends_quietly() {
    let folder = TempDir::new().expect("a folder");
    let at = text(&folder.path().join("r"));
    import(Path::new(&at), 1).good();
    for line in [
        ["models", "list"].as_slice(),
        &["models", "show", "1"],
        &["promote", "--force", "a test"],
        &["rollback", "--to", "1"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_truestream"));
        command.args(line).args(["--registry", &at]).stdout(writer);
        let ran = command.output().expect("the binary starts");
        assert!(ran.status.code() == Some(141) && ran.stderr.is_empty(), "{line:?}: {ran:?}");
    }
    // Who closed standard error still gets the code.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_truestream"));
    let ran =
        command.args(["models", "show", "7", "--registry", &at]).stderr(writer).output().expect("the binary starts");
    assert_eq!(ran.status.code(), Some(4), "{ran:?}");
    assert_eq!(champion(Path::new(&at)), 1, "what was done stands");
}
