//! Two processes are one run: the same bytes, and neither waits for the other in silence or takes half for the whole.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::data::{text, world, world_of_texts};
use crate::process::{Ran, Running, assert_same, files, names, start, truestream};

const SHORT: [&str; 4] = ["--every", "6h", "--windows", "24h"];

struct Hosts {
    folder: TempDir,
    file: String,
}

impl Hosts {
    /// Two addresses of this machine that were free a moment ago.
    fn new() -> Hosts {
        let folder = TempDir::new().expect("a folder");
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let lines = listeners.map(|listener| listener.local_addr().expect("an address").to_string()).join("\n");
        let file = folder.path().join("hosts");
        std::fs::write(&file, lines).expect("a file");
        Hosts { file: text(&file), folder }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("tables")
    }

    fn start(&self, process: &str, data: &Path, more: &[&str]) -> Running {
        let (data, out) = (text(data), text(&self.out()));
        let line = ["replay", "--data", &data, "--out", &out, "--hosts", &self.file, "--process", process];
        start(&[&line, more].concat())
    }

    fn both(&self, data: &Path, more: &[&str]) -> [Ran; 2] {
        ["1", "0"].map(|process| self.start(process, data, more)).map(Running::end)
    }
}

#[test]
fn two_processes_write_the_bytes_of_one() {
    let folder = TempDir::new().expect("a folder");
    let (texts, alone) = (folder.path().join("texts"), folder.path().join("alone"));
    world_of_texts(&texts);
    for data in [world(), &texts] {
        for (emit, workers) in [("changes", "1"), ("last", "2")] {
            let more = [&SHORT[..], &["--emit", emit]].concat();
            truestream(&[&["replay", "--data", &text(data), "--out", &text(&alone)], &more[..]].concat()).good();
            let hosts = Hosts::new();
            let [one, zero] = hosts.both(data, &[&more[..], &["--workers", workers]].concat());
            assert_eq!((zero.good().err, one.good().out), (String::new(), String::new()));
            assert_same(&format!("{emit}, {workers} workers each"), &files(&alone), &files(&hosts.out()));
        }
    }
}

#[test]
fn who_is_missing_is_told_and_who_goes_away_ends_the_run() {
    let hosts = Hosts::new();
    let slow = ["--speed", "50000x"];
    let mut zero = hosts.start("0", world(), &slow);
    zero.wait_until("told of process 1", |run| run.err().contains("process 0 waits for process 1 (127.0.0.1:"));
    let one = hosts.start("1", world(), &slow);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(zero.is_running());
    one.kill();
    zero.end().failed(6, &["process 1 (127.0.0.1:", "went away", "start all processes again"]);
    assert_eq!(names(&hosts.out()), Vec::<String>::new());
}

#[test]
fn processes_of_different_runs_do_not_join() {
    let hosts = Hosts::new();
    let one = hosts.start("1", world(), &["--every", "12h", "--windows", "24h"]);
    let zero = hosts.start("0", world(), &SHORT);
    let ends = [zero, one].map(Running::end);
    assert!(ends.iter().all(|end| end.code == Some(6)), "{ends:?}");
    assert!(ends.iter().any(|end| end.err.contains("other options")), "{ends:?}");
}

#[test]
fn processes_that_would_decide_otherwise_do_not_join() {
    let hosts = Hosts::new();
    // Of one name, and not of one mind.
    let policies = ["60", "61"].map(|hold| {
        let folder = hosts.folder.path().join(hold);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("policy.toml"), "version = \"strict\"").expect("a file");
        let steps =
            format!("[default]\nhold = {hold}\nescalate = 70\nblock = 80\nescalate_signals = 2\nblock_signals = 3\n");
        std::fs::write(folder.join("thresholds.toml"), steps).expect("a file");
        text(&folder)
    });
    let start = |process: &str, policy: &str| {
        hosts.start(process, world(), &[&SHORT[..], &["--views", "verdict", "--policy", policy]].concat())
    };
    let ends = [start("0", &policies[0]), start("1", &policies[1])].map(Running::end);
    assert!(ends.iter().all(|end| end.code == Some(6)), "{ends:?}");
}

#[test]
fn hosts_that_cannot_be_are_refused() {
    let hosts = Hosts::new();
    let process = |hosts: &Hosts, process: &str| hosts.start(process, world(), &SHORT).end();
    process(&hosts, "2").failed(2, &["--process 2", "names 2 hosts", "0 to 1"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    std::fs::write(&hosts.file, format!("{address}\n127.0.0.1:1")).expect("a file");
    process(&hosts, "0").failed(2, &[&address, "cannot listen"]);
    std::fs::write(&hosts.file, "here\nthere").expect("a file");
    process(&hosts, "0").failed(2, &["hosts", "`here`", "host:port"]);
    std::fs::remove_file(&hosts.file).expect("the file");
    process(&hosts, "0").failed(4, &["hosts", "No such file"]);
}
