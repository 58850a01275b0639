//! The law of laws: what a replay writes equals what plain SQL says about the same files.
//!
//! ```text
//! seed ──▶ small world ──▶ files ──┬──▶ replay ──▶ tables ──┐
//!                                  └──▶ SQL ────────────────┴──▶ equal
//! ```

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clap::Parser;
use datasets::policy::{Said, activate};
use datasets::tables::Inputs;
use datasets::tables::rows::ColumnKind::{Int, Text};
use datasets::tables::rows::{Column, Rows, Value, write};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tests::small_world::{Settings, SmallWorld};
use truestream::replay::ReplayArgs;
use truestream::verify::check;

/// The views that plain SQL defines.
const VIEWS: &str = "account_window,track_window,artist_window,uploader_window,playlist_window,distributor_window,\
                     account_group,hubs,lockstep,refusal";

/// The views that are numbers of single precision for models; a twin that recounts them stands in dataflows.
const FEATURES: &str = "account_features,track_features,uploader_features,account_sequence";

/// `truestream replay`, without the process around it.
#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    replay: ReplayArgs,
}

/// On how many workers and processes a world is replayed.
type Shape = (usize, usize);

/// Replays the folder into these views. Processes are threads of this one, each with workers and sockets of its own.
fn replay(
    data: &Path,
    out: &Path,
    views: &str,
    settings: &Settings,
    (workers, processes): Shape,
) -> Result<(), TestCaseError> {
    if processes == 1 {
        return replay_process(data, out, views, settings, workers, &[]);
    }
    let hosts = Hosts::new(processes);
    let ran: Vec<_> = std::thread::scope(|scope| {
        let process = |number: usize| {
            let more = [format!("--hosts={}", hosts.file.display()), format!("--process={number}")];
            scope.spawn(move || replay_process(data, out, views, settings, workers, &more))
        };
        let running: Vec<_> = (0..processes).map(process).collect();
        running.into_iter().map(|process| process.join().expect("a process returns its failures")).collect()
    });
    ran.into_iter().collect()
}

/// Addresses of this machine that were free a moment ago.
struct Hosts {
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Hosts {
    fn new(processes: usize) -> Hosts {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let listeners: Vec<_> =
            (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let lines: Vec<String> =
            listeners.iter().map(|listener| listener.local_addr().expect("an address").to_string()).collect();
        let file = folder.path().join("hosts");
        std::fs::write(&file, lines.join("\n")).expect("a file can be written");
        Hosts { file, _folder: folder }
    }
}

fn replay_process(
    data: &Path,
    out: &Path,
    views: &str,
    settings: &Settings,
    workers: usize,
    more: &[String],
) -> Result<(), TestCaseError> {
    let words = [
        "truestream".to_owned(),
        format!("--data={}", data.display()),
        format!("--out={}", out.display()),
        format!("--every={}", settings.every),
        format!("--windows={}", settings.windows.join(",")),
        format!("--views={views}"),
        format!("--emit={}", settings.emit),
        format!("--links={}", settings.links.join(",")),
        format!("--hub={}", settings.hub),
        format!("--workers={workers}"),
    ];
    let policy = settings.policy.as_ref().map(|policy| format!("--policy={}", policy.display()));
    let line = CommandLine::try_parse_from(words.iter().chain(&policy).chain(more))
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    truestream::replay::replay(&line.replay).map(|_| ()).map_err(|error| TestCaseError::fail(error.to_string()))
}

/// Where the worlds of a case lie: kept after a failure, when `TRUESTREAM_KEEP` is set.
fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let mut folder = tempfile::tempdir().expect("a temporary folder can be made");
    folder.disable_cleanup(std::env::var_os("TRUESTREAM_KEEP").is_some());
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    std::fs::create_dir(&data).expect("a folder can be made in it");
    (folder, data, out)
}

fn equal(world: &SmallWorld, shape: Shape) -> Result<(), TestCaseError> {
    let (_folder, data, out) = folder();
    world.write(&data);
    replay(&data, &out, VIEWS, &world.settings, shape)?;
    let inputs = Inputs::in_folder(&data).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let report = check(&inputs, &out).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(report.equal, "{}\n{:?}\n{}", data.display(), world.settings, report);
    Ok(())
}

/// One worker, several, and several processes.
const SHAPES: [Shape; 6] = [(1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (4, 2)];

/// Holds the law against so many worlds. A failure prints the seed and the smallest size that still fails;
/// `TRUESTREAM_WORLD=seed,size,workers,processes` brings such a world back, `PROPTEST_CASES` asks for more of them.
fn in_small_worlds(cases: u32, law: impl Fn(u64, usize, Shape) -> Result<(), TestCaseError>) {
    if let Ok(world) = std::env::var("TRUESTREAM_WORLD") {
        let mut numbers = world.split(',').map(|number| number.trim().parse::<u64>().expect("four whole numbers"));
        let mut number = || numbers.next().expect("seed,size,workers,processes");
        let (seed, size, shape) = (number(), number() as usize, (number() as usize, number() as usize));
        return law(seed, size, shape).unwrap_or_else(|failure| panic!("{world}: {failure}"));
    }
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig { cases: asked.unwrap_or(cases), failure_persistence: None, ..Default::default() };
    let worlds = (any::<u64>(), 0_usize..90, prop::sample::select(&SHAPES));
    let outcome = TestRunner::new(config).run(&worlds, |(seed, size, shape)| law(seed, size, shape));
    if let Err(failure) = outcome {
        panic!("(seed, size, (workers, processes)): {failure}");
    }
}

#[test]
fn replay_equals_plain_sql() {
    in_small_worlds(24, |seed, size, shape| equal(&SmallWorld::new(seed, size), shape));
}

/// Limits of the gate that a small world passes, and those that it does not.
fn limits(chance: u64) -> String {
    let pick = |place: u32, of: &[u64]| of[(chance >> (place * 4)) as usize % of.len()];
    let action = |place: u32| ["wait", "note", "wait", "ignore"][(chance >> (place * 4)) as usize % 4];
    let trusted = [
        "[]",
        "[\"1\", \"t1\"]",
        "[{ id = \"1\", by = \"ann\", until = \"2024-02-27\" }, { id = \"t1\", until = \"2024-02-28T12:00:00Z\" }]",
    ][pick(15, &[0, 1, 2]) as usize];
    // 2024-02-28 is where small worlds begin; their uploads are up to 28 days older.
    let day = ["2024-01-01", "2024-02-27", "2024-02-28"][pick(0, &[0, 1, 2]) as usize];
    format!(
        r#"asked_from = "{day}"
incomplete = {{ action = "{}", missing_max = {} }}
length = {{ action = "{}", secs_min = 30, secs_max = {} }}
low_bitrate = {{ action = "note", kbits_min = 64 }}
short_release = {{ action = "{}", secs_min = 0, secs_max = 60, tracks_min = {}, share = {} }}
uploader = {{ action = "{}", week_max = {}, burst_min = {}, burst_times = {} }}
distributor = {{ action = "{}", burst_min = {}, burst_times = {} }}
title = {{ action = "{}", words_max = 5, repeats_max = {}, phrases = ["official audio", "song"] }}
near_titles = {{ action = "{}", words_min = {}, bits_max = {}, days = {}, tracks_min = 2, uploaders_min = {} }}
artist_profile = {{ action = "{}", tracks_min = {}, trusted = [{{ artist = "1", uploader = "2" }}] }}
trusted = {{ tracks = [], uploaders = {trusted}, distributors = [] }}
"#,
        action(1),
        pick(2, &[0, 1, 3]),
        action(3),
        pick(4, &[100, 7_200]),
        action(5),
        pick(6, &[1, 2, 3]),
        pick(7, &[50, 80]),
        action(8),
        pick(9, &[0, 1, 2]),
        pick(10, &[1, 2]),
        pick(11, &[1, 4]),
        action(12),
        pick(13, &[1, 3]),
        pick(14, &[1, 4]),
        action(2),
        pick(3, &[1, 2, 3]),
        action(4),
        pick(5, &[1, 4]),
        pick(6, &[0, 3, 7]),
        pick(7, &[1, 28]),
        pick(8, &[1, 2]),
        action(9),
        pick(10, &[1, 2]),
    )
}

/// A folder of two policies that were activated, the second in the middle of small worlds.
fn activated(folder: &Path, seed: u64) -> PathBuf {
    let store = folder.join("laws");
    // Before the first tick that there is, for a mean world may begin there, and inside of every small world.
    for (number, from) in [(0, 0), (1, 1_709_164_800_000)] {
        let policy = folder.join(format!("law-{number}"));
        std::fs::create_dir(&policy).expect("a folder can be made");
        std::fs::write(policy.join("policy.toml"), format!("version = \"law {number}\"")).expect("it can be written");
        let chance = (seed + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        std::fs::write(policy.join("gate.toml"), limits(chance ^ (chance >> 31))).expect("it can be written");
        let (by, why) = ("ann".to_owned(), "a test".to_owned());
        let said = Said { from, by, why, at: from, stage: None, signed: Vec::new() };
        activate(&store, &policy, &said).expect("a policy without mistakes");
    }
    store
}

/// The gate follows its definition under any limits, also where they change on the way; on any workers and processes.
#[test]
fn the_gate_equals_plain_sql() {
    let rules = std::cell::RefCell::new(std::collections::BTreeMap::<String, usize>::new());
    in_small_worlds(48, |seed, size, shape| {
        let (folder, data, out) = folder();
        let mut world = SmallWorld::new(seed, size);
        world.settings.policy = Some(activated(folder.path(), seed));
        world.write(&data);
        replay(&data, &out, "gate,refusal", &world.settings, shape)?;
        let inputs = Inputs::in_folder(&data).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let report = check(&inputs, &out).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(report.equal, "{}\n{:?}\n{}", data.display(), world.settings, report);
        let mut rows = Rows::open(&out.join("gate.parquet"), &["rule"]).expect("a table of the run");
        while rows.advance().expect("a table of the run") {
            if let Value::Text(rule) = rows.value(0) {
                *rules.borrow_mut().entry(rule.to_owned()).or_default() += 1;
            }
        }
        Ok(())
    });
    // Nearly all of the eleven that it can find without sound and a distributor's limit was found somewhere: the rarest two may miss all worlds.
    let rules = rules.into_inner();
    assert!(
        rules.len() >= 9 || ["TRUESTREAM_WORLD", "PROPTEST_CASES"].map(std::env::var_os) != [None, None],
        "{rules:?}"
    );
}

/// Every view but the refusals, which name files and rows, has the same bytes.
#[test]
fn files_order_workers_and_processes_change_nothing() {
    in_small_worlds(8, |seed, size, shape| {
        let world = SmallWorld::new(seed, size);
        let (_one, data, out) = folder();
        let (_other, other_data, other_out) = folder();
        world.write(&data);
        world.regrouped(seed).write(&other_data);
        let views = format!("{VIEWS},{FEATURES}");
        replay(&data, &out, &views, &world.settings, (1, 1))?;
        replay(&other_data, &other_out, &views, &world.settings, shape)?;
        for view in views.split(',').filter(|view| *view != "refusal") {
            let bytes = |out: &Path| std::fs::read(out.join(format!("{view}.parquet"))).expect("a table of the run");
            prop_assert!(bytes(&out) == bytes(&other_out), "{view} differs between {out:?} and {other_out:?}");
        }
        Ok(())
    });
}

/// The oracle reads whatever a small world holds, and the worlds hold what they promise.
#[test]
fn small_worlds_are_mean_and_readable() {
    let (mut refusals, mut differing) = (0, 0);
    for seed in 0..40 {
        let (_folder, data, out) = folder();
        SmallWorld::new(seed, 60).write(&data);
        std::fs::create_dir(&out).unwrap();
        let run = r#"{"format":1,"every_ms":3600000,"windows":["24h"],"windows_ms":[86400000],"hub":2,
            "links":["device"],"views":["refusal"],"emit":"last","first_as_of_ms":null,"last_as_of_ms":null}"#;
        std::fs::write(out.join("run.json"), run).unwrap();
        let columns = [("source", Text), ("file", Text), ("row", Int), ("code", Text)];
        let columns = columns.map(|(name, kind)| Column { name: name.to_owned(), kind });
        write(&out.join("refusal.parquet"), &columns, &[]).unwrap();
        let report = check(&Inputs::in_folder(&data).unwrap(), &out).unwrap();
        // Nothing was replayed: every refusal is missing, and so is every instant.
        refusals += report.views.iter().filter(|view| view.view == "refusal").map(|view| view.differences).sum::<u64>();
        differing += u32::from(!report.equal);
    }
    assert_eq!(differing, 40);
    assert!(refusals > 400, "{refusals}");
}
