//! A service scores accounts with the champion of a registry, one after the other, and states what a replay with the same models states.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use serde_json::Value;
use tempfile::TempDir;

use crate::alive::{Service, lines, mixed, replayed, rounds};
use crate::data::{rows, text};
use crate::desk::visitor;
use crate::learn::{settings, town};
use crate::process::truestream;
use crate::registry::ANYHOW;

const HOW: [&str; 4] = ["--every", "6h", "--windows", "24h,7d,28d"];
const VIEWS: [&str; 4] = ["account_window", "account_score", "risk", "verdict"];

/// A town, and a registry with two versions that learned from it: trees alone, and with a network that looks at sequences.
fn registry(folder: &Path) -> (String, String) {
    let (data, registry) = (folder.join("data"), text(&folder.join("models")));
    town(&data, "fraud", false);
    let (data, settings) = (text(&data), settings(folder));
    let line = ["train", "--data", &data, "--registry", &registry, "--settings", &settings];
    truestream(&line).good();
    truestream(&[&line[..], &["--network"]].concat()).good();
    (data, registry)
}

fn promote(registry: &str, version: &str) {
    truestream(&["promote", "--registry", registry, "--version", version, "--force", "a test"]).good();
}

/// What scores, as the table tells it.
fn scoring(service: &Service) -> String {
    String::from_utf8(lines(&service.sql("SELECT DISTINCT model FROM account_score"))).expect("a text")
}

#[test]
fn a_service_scores_as_a_replay_does_and_takes_up_another_champion_though_it_is_killed() {
    let place = TempDir::new().expect("a folder");
    let (data, registry) = registry(place.path());
    for workers in ["1", "4"] {
        promote(&registry, "1");
        let folder = place.path().join(workers);
        std::fs::create_dir(&folder).expect("a folder");
        let state = folder.join("state");
        let follow = ["--follow", &data, "--models", &registry, "--workers", workers];
        let slowly = [&follow[..], &["--speed", "200000x"]].concat();
        let service = Service::start_as(&HOW, &state, &slowly);
        service.running_until("it scores with the first", || scoring(&service).contains("account/1"));
        // Whoever asks while it turns is answered, and never as of an earlier instant.
        promote(&registry, "2");
        let mut last = service.as_of();
        service.running_until("it takes the second up", || {
            let now = service.as_of();
            assert!(now >= last, "{now} after {last}");
            last = now;
            let (_, metrics) = service.ask("GET /metrics", "", b"").expect("an answer");
            String::from_utf8_lossy(&metrics).contains("\ntruestream_models_taken_up 1\n")
        });
        drop(service);
        for round in 0..rounds(4) {
            let service = Service::start_as(&HOW, &state, &slowly);
            sleep(Duration::from_millis(mixed(round, 900)));
            match round % 2 {
                0 => service.running.kill(),
                _ => {
                    service.running.ask_to_end();
                    service.running.end().good();
                }
            }
        }
        // Since when the second speaks is written down, and a replay is told so.
        let reigns = std::fs::read_to_string(state.join("models.jsonl")).expect("a file");
        let reigns: Vec<Value> = reigns.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(reigns.iter().map(|reign| reign["version"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
        let turn = format!("2@{}", reigns[1]["after"].as_str().expect("an instant"));
        let more = ["--models", &registry, "--model", "1", "--model", &turn];
        let (tables, as_of) = replayed(&HOW, Path::new(&data), &folder, &VIEWS, &more);
        let models = rows(&tables.join("verdict.parquet"), &["models"]).concat();
        assert!(models.iter().any(|models| models == r#"["account/2"]"#), "{models:?}");
        let scores = rows(&tables.join("account_score.parquet"), &["side", "model"]);
        assert!(!scores.is_empty() && scores.iter().all(|row| row == &["champion", "account/2"]), "{scores:?}");

        let service = Service::start_as(&HOW, &state, &follow);
        service.wait_as_of(as_of);
        service.states(&tables, &VIEWS);
        let (status, one) = service.json("GET /v1/view/account_score?key=7");
        assert_eq!((status, one["rows"].as_array().map(Vec::len)), (200, Some(1)), "{one}");
        service.running.ask_to_end();
        service.running.end().good();

        // Who goes through everything again states the same, since the same instants: the first spoke before the second did.
        let known = std::fs::read_to_string(state.join("since.json")).expect("it ended in order");
        std::fs::remove_file(state.join("since.json")).expect("a file");
        let told = ["--time", "told", "--models", &registry, "--workers", workers];
        let service = Service::start_as(&HOW, &state, &told);
        service.wait_as_of(as_of);
        service.states(&tables, &VIEWS);
        service.running.ask_to_end();
        service.running.end().good();
        assert!(std::fs::read_to_string(state.join("since.json")).expect("it ended in order") == known);
    }
}

#[test]
fn what_cannot_score_is_refused_at_the_start_and_meanwhile_the_model_before_goes_on() {
    let place = TempDir::new().expect("a folder");
    let (data, registry) = registry(place.path());
    let state = place.path().join("state");
    let begin = |how: &[&str]| {
        let state = text(&state);
        let line = ["serve", "--state", &state, "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];
        truestream(&[&line[..], how].concat())
    };
    begin(&["--models", &registry]).failed(4, &["no version is champion", "truestream promote"]);
    begin(&["--views", "account_score"]).failed(2, &["needs --models REGISTRY"]);
    promote(&registry, "1");
    begin(&["--models", &registry, "--windows", "24h,28d"]).failed(2, &["week (7d) is missing"]);
    assert!(!state.exists(), "a start that is refused leaves nothing");

    let service = Service::start_as(&HOW, &state, &["--follow", &data, "--models", &registry]);
    service.running_until("it scores", || scoring(&service).contains("account/1"));
    service.wait_until_followed();
    let alias = Path::new(&registry).join("mlruns/models/account/aliases/champion");
    std::fs::write(&alias, "9").expect("a file");
    let refused = || service.json("GET /health").1["model_refused"].as_str().map(str::to_owned);
    service.running_until("it is refused", || refused().is_some_and(|why| why.contains("no version-9")));
    assert!(scoring(&service).contains("account/1"));
    std::fs::write(&alias, "1").expect("a file");
    service.running_until("it goes on", || refused().is_none());
    service.running.ask_to_end();
    service.running.end().good();

    // Of what was stated nobody could say again who said it.
    let lines = std::fs::read_to_string(state.join("models.jsonl")).expect("a file");
    std::fs::write(state.join("models.jsonl"), lines.replacen("\"version\":1", "\"version\":2", 1)).expect("a file");
    let how = [&HOW[..], &["--plain-ids", "--models", &registry]].concat();
    begin(&how).failed(4, &["version 2 had the files", "bring the registry back"]);
}

#[test]
fn the_desk_tells_which_model_spoke_and_what_another_one_decided() {
    let place = TempDir::new().expect("a folder");
    let (data, registry) = registry(place.path());
    promote(&registry, "1");
    let state = place.path().join("state");
    let service = Service::start_as(&HOW, &state, &["--follow", &data, "--models", &registry]);
    service.wait_until_followed();
    service.wait_until_stated();
    let rita = visitor(&service, &state, "rita", "reviewer");
    let held = rita.get("/desk?subject=account").cases().first().map(|case| (*case).to_owned()).expect("a case");
    let page = rita.get(&format!("/desk/case/{held}")).body;
    assert!(page.contains("model account/1 finds fraud ") && page.contains(" % probable. "), "{page}");
    // Also of whom nothing is held.
    let free = service.sql("SELECT account_id FROM account_score WHERE probability < 0.01 LIMIT 1");
    let free = free.column(0).as_primitive::<UInt64Type>().value(0);
    let page = rita.get(&format!("/desk/case/account/{free}")).body;
    assert!(page.contains("model account/1 finds fraud 0."), "{page}");
    assert_eq!(rita.decide(&held, "confirm", "").status, 303);
    let seen = rita.get("/desk/overview").body;
    assert!(seen.contains("No other policy or model has come into force"), "{seen}");
    promote(&registry, "2");
    service.running_until("it takes the second up", || {
        let (_, metrics) = service.ask("GET /metrics", "", b"").expect("an answer");
        String::from_utf8_lossy(&metrics).contains("\ntruestream_models_taken_up 1\n")
    });
    service.wait_until_stated();
    let last = service.as_of();
    service.running.ask_to_end();
    service.running.end().good();

    let service = Service::start_as(&HOW, &state, &["--time", "told", "--models", &registry]);
    service.wait_as_of(last);
    assert!(scoring(&service).contains("account/1"), "what was stated stays stated");
    let until = format!("Truestream-Until: {}\r\n", last + 6 * 3_600_000);
    assert_eq!(service.ask("POST /v1/plays", &until, b"").expect("an answer").0, 200);
    service.wait_as_of(last + 6 * 3_600_000);
    assert!(scoring(&service).contains("account/2"));
    let rita = visitor(&service, &state, "rosa", "reviewer");
    let mut seen = String::new();
    service.running_until("the overview tells it", || {
        seen = rita.get("/desk/overview").body;
        seen.contains(" with account/2")
    });
    let (turn, rest) = seen.split_once(" with account/2").expect("a turn");
    assert!(turn.contains(" with account/1") && rest.contains("Index of R"), "{seen}");
    let confirmed = rest.split("closed last under each").nth(1).and_then(|rest| rest.split("</table>").next());
    assert!(confirmed.is_some_and(|table| table.contains("1 of 1</td>") && !table.contains("account/2")), "{seen}");
}

#[test]
fn a_version_that_is_tried_scores_whom_its_name_draws_in_a_replay_and_in_a_service() {
    let place = TempDir::new().expect("a folder");
    let (data, at) = (place.path().join("data"), place.path().join("models"));
    town(&data, "fraud", false);
    let (data, registry) = (text(&data), text(&at));
    let line = ["train", "--data", &data, "--registry", &registry, "--settings", &settings(place.path())];
    truestream(&line).good();
    truestream(&[&line[..], &["--network"]].concat()).good();
    let other = place.path().join("other.json");
    std::fs::write(&other, r#"{"trees_max": 4, "learning_rate": 0.3}"#).expect("a file");
    truestream(&["train", "--data", &data, "--registry", &registry, "--settings", &text(&other)]).good();
    promote(&registry, "1");
    for version in ["2", "3"] {
        let line = ["evaluate", "--registry", &registry, "--data", &data, "--version", version];
        truestream(&[&line[..], &ANYHOW].concat()).good();
    }
    let asks = "[beta]\npercent_max = 20\nsigned_by = ['analyst']\n[full]\ndays_min = 7\n";
    std::fs::write(at.join("governance.toml"), asks).expect("a file");
    let stage = |version: &str, stage: &str, more: &[&str]| {
        let line = ["promote", "--registry", &registry, "--version", version, "--stage", stage];
        truestream(&[&line[..], &["--from", "2026-01-01"], more].concat())
    };
    let agreed = ["--signed", "ann=analyst"];
    stage("3", "beta", &agreed).failed(2, &["--percent none, expected one from 1 to 99"]);
    stage("3", "beta", &["--percent", "20"]).failed(3, &["[beta] signed_by", "expected also analyst"]);
    stage("3", "beta", &[&agreed[..], &["--percent", "40"]].concat()).failed(3, &["percent_max: found 40"]);
    let some = [&agreed[..], &["--percent", "20"]].concat();
    stage("3", "beta", &some).failed(3, &["never in the stage shadow"]);
    ["2", "3"].into_iter().for_each(|version| drop(stage(version, "shadow", &[]).good()));
    stage("2", "beta", &some).failed(3, &["another network than version 1"]);
    let told = stage("3", "beta", &some).good();
    assert!(told.out.contains("version 3 is tried") && told.out.contains("20 % of accounts"), "{told:?}");
    let line = ["promote", "--registry", &registry, "--version", "3", "--from", "2026-01-05"];
    truestream(&line).failed(3, &["expected 7 days of it: from 2026-01-08"]);

    // A replay obeys.
    let path = Path::new(&data);
    let (tables, as_of) = replayed(&HOW, path, place.path(), &VIEWS, &["--models", &registry]);
    let drawn = |id: &str| if records::lot::drawn("account/3", &format!("account {id}")) < 20 { "3" } else { "1" };
    let scores = rows(&tables.join("account_score.parquet"), &["account_id", "model"]);
    assert!(scores.iter().all(|row| row[1] == format!("account/{}", drawn(&row[0]))), "{scores:?}");
    assert!(
        [1, 3].iter().all(|version| scores.iter().filter(|row| row[1] == format!("account/{version}")).count() > 20)
    );
    let verdicts = rows(&tables.join("verdict.parquet"), &["subject", "subject_id", "models"]);
    let of_accounts = verdicts.iter().filter(|row| row[0] == "account" && row[2] != "[]");
    let of_accounts: Vec<_> = of_accounts.collect();
    assert!(of_accounts.iter().all(|row| row[2] == format!("[\"account/{}\"]", drawn(&row[1]))), "{of_accounts:?}");
    assert!(of_accounts.iter().any(|row| row[2].contains("account/3")), "{of_accounts:?}");

    // So does a service, and what was stated stays stated when it is over.
    let state = place.path().join("state");
    let follow = ["--follow", &data, "--models", &registry, "--workers", "2"];
    let service = Service::start_as(&HOW, &state, &follow);
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);
    stage("3", "shadow", &[]).good();
    service.running_until("it is over", || {
        let (_, metrics) = service.ask("GET /metrics", "", b"").expect("an answer");
        String::from_utf8_lossy(&metrics).contains("\ntruestream_models_taken_up 1\n")
    });
    service.wait_until_stated();
    service.states(&tables, &VIEWS);
    let reigns = std::fs::read_to_string(state.join("models.jsonl")).expect("a file");
    assert!(reigns.lines().count() == 2 && reigns.matches("\"percent\":20").count() == 1, "{reigns}");
    drop(service);
    let service = Service::start_as(&HOW, &state, &["--time", "told", "--models", &registry]);
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);
    let until = format!("Truestream-Until: {}\r\n", as_of + 6 * 3_600_000);
    assert_eq!(service.ask("POST /v1/plays", &until, b"").expect("an answer").0, 200);
    service.wait_as_of(as_of + 6 * 3_600_000);
    assert!(!scoring(&service).contains("account/3"));
}
