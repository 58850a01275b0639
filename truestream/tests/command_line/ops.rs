//! The examples of `ops/`: what a scheduler runs promotes, runs again without a change, and says by its exit code what went wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::data::text;
use crate::learn::town;
use crate::registry::import;

fn ops() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops")
}

/// Runs the script over the folder's `data` and `registry`, with more of the environment.
fn retrain(folder: &Path, script: &mut Command, more: &[(&str, &str)]) -> Output {
    let settings = folder.join("settings.json");
    std::fs::write(&settings, r#"{"trees_max": 30, "learning_rate": 0.2}"#).expect("a file");
    let data =
        [("TRUESTREAM_DATA", "data"), ("TRUESTREAM_REGISTRY", "registry")].map(|(name, at)| (name, folder.join(at)));
    script.env("TRUESTREAM", env!("CARGO_BIN_EXE_truestream")).envs(data);
    script.env("TRUESTREAM_TRAIN", format!("--settings {}", text(&settings)));
    script.envs(more.iter().copied()).output().expect("a shell")
}

fn script() -> Command {
    Command::new(ops().join("retrain.sh"))
}

fn champion(folder: &Path) -> Option<String> {
    let registry = text(&folder.join("registry"));
    let line = ["models", "list", "--json", "--registry", &registry];
    let listed = Command::new(env!("CARGO_BIN_EXE_truestream")).args(line).output().expect("the program");
    let versions: serde_json::Value = serde_json::from_slice(&listed.stdout).ok()?;
    let champion = versions["versions"].as_array()?.iter().find(|version| version["is_champion"] == true)?;
    Some(champion["number"].to_string())
}

#[test]
fn a_job_promotes_from_an_empty_registry_and_its_exit_code_says_what_went_wrong() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    town(&at.join("data"), "fraud", false);

    let missed = retrain(at, &mut script(), &[("TRUESTREAM_EVALUATE", "--recall-min 1.1")]);
    assert_eq!(missed.status.code(), Some(3), "{missed:?}");
    assert!(String::from_utf8_lossy(&missed.stderr).contains("retrain: evaluate ended with exit code 3"), "{missed:?}");
    assert_eq!(champion(at), None);

    // Somebody else's version is the latest; the job's own is the one that it judges and promotes.
    import(&at.join("registry"), 1).good();
    for _ in 0..2 {
        let done = retrain(at, &mut script(), &[]);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let lines = String::from_utf8(done.stdout).expect("text");
        let steps: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        assert_eq!(steps.len(), 3, "{lines}");
        assert!(steps[0]["version"]["number"] == 1 && steps[1]["version"] == 1 && steps[2]["to"] == 1, "{lines}");
        assert_eq!(champion(at).as_deref(), Some("1"), "the same data is the same version");
    }

    let calm = retrain(at, &mut script(), &[("TRUESTREAM_ONLY_DRIFT", "1"), ("TRUESTREAM_TRAIN", "--no-such-option")]);
    assert!([Some(0), Some(2)].contains(&calm.status.code()), "{calm:?}");
    let lost = retrain(at, &mut script(), &[("TRUESTREAM_DATA", "/nowhere")]);
    assert_eq!(lost.status.code(), Some(4), "{lost:?}");
    assert_eq!(champion(at).as_deref(), Some("1"));
}

#[test]
fn the_cron_line_is_one_and_its_command_runs() {
    let tab = std::fs::read_to_string(ops().join("truestream-retrain.cron")).expect("a file");
    let line = tab.lines().find(|line| line.starts_with(|first: char| first.is_ascii_digit())).expect("a job");
    let mut words = line.splitn(7, ' ');
    let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    for (low, high) in ranges {
        let field = words.next().expect("five fields of time");
        let fits = field == "*" || field.parse::<u32>().is_ok_and(|value| (low..=high).contains(&value));
        assert!(fits, "{field} in {line}");
    }
    assert_eq!(words.next(), Some("truestream"), "the sixth field is the user");
    let command = words.next().expect("a command");

    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    town(&at.join("data"), "fraud", false);
    let here = command
        .replace("/usr/local/lib/truestream", &text(&ops()))
        .replace("/var/lib/truestream", &text(at))
        .replace("/var/log/truestream", &text(at));
    let mut shell = Command::new("/bin/sh");
    let ran = retrain(at, shell.args(["-c", &here]), &[]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let log = std::fs::read_to_string(at.join("retrain.jsonl")).expect("a log");
    assert_eq!(log.lines().count(), 3, "{log}");
}

#[test]
fn units_manifest_and_dag_pass_the_tools_they_are_for() {
    let ran = Command::new(ops().join("check.sh")).env("TRUESTREAM_OPS_CHECK", "installed").output().expect("a shell");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    eprint!("{err}");
    assert!(ran.status.success(), "{out}{err}");
    for what in ["systemd", "kubernetes", "airflow"] {
        assert!(out.contains(&format!("{what}: ")) || err.contains(&format!("SKIPPED {what}")), "{what}: {out}{err}");
    }
}
