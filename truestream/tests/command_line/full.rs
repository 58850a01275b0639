//! A disk that fills up under a living service: what was taken stays, what cannot be kept is refused, and when there is room it goes on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::alive::{HOW, Service, VIEWS, replayed, requests, stream};
use crate::data::{text, world};
use crate::process::start_behind;

/// A line of shell that lives twice in a small file system, which no other process sees and which is there as long as it lives.
fn twice_in_a_small_file_system(state: &Path) -> String {
    let mounted = format!("mount -t tmpfs -o size=64m none {}", state.display());
    [r#"exec unshare --map-root-user --mount sh -c '"#, &mounted, r#" && { "$@"; "$@"; }' sh "$@""#].concat()
}

fn can_mount(folder: &Path) -> bool {
    let mount = "mount -t tmpfs -o size=64m none \"$1\"";
    let tried =
        Command::new("unshare").args(["--map-root-user", "--mount", "sh", "-c", mount, "sh"]).arg(folder).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// Fills the disk but for so many bytes.
fn fill(filler: &Path, left: u64) {
    let mut file = File::create(filler).expect("a file");
    let zeros = vec![0; 64 << 10];
    while file.write_all(&zeros).is_ok() {}
    let length = file.metadata().expect("a file").len();
    file.set_len(length - left).expect("a file");
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    std::fs::create_dir(&state).expect("a folder");
    if !can_mount(&state) {
        eprintln!("SKIPPED: unshare mounts no file system of one's own here");
        return;
    }
    let (tables, as_of) = replayed(&HOW, world(), folder.path(), &VIEWS, &[]);
    let state_text = text(&state);
    let line = ["serve", "--state", &state_text, "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];
    let line = [&line[..], &HOW, &["--plain-ids", "--ids", "number", "--time", "told"]].concat();
    let service = Service::listening(start_behind(&twice_in_a_small_file_system(&state), &line), 1, &state);
    let alive = |service: &Service| *service.running.children().first().expect("the shell started it");
    let seen = |service: &Service| format!("/proc/{}/root{state_text}", alive(service));

    let requests = requests();
    let bodies: usize = requests.iter().map(|(_, rows, _)| stream(rows).len()).sum();
    fill(&Path::new(&seen(&service)).join("filler"), bodies as u64 / 2);
    let send = |service: &Service, number: usize| {
        let (table, rows, until) = &requests[number];
        let until = until.map_or(String::new(), |until| format!("Truestream-Until: {until}\r\n"));
        let kind = "Content-Type: application/vnd.apache.arrow.stream";
        let headers = format!("{kind}\r\nTruestream-Source: test\r\nTruestream-Offset: {number}\r\n{until}");
        service.ask(&format!("POST /v1/{table}"), &headers, &stream(rows)).expect("an answer").0
    };
    let refused = (0..requests.len()).find(|number| send(&service, *number) != 200).expect("the disk is small");
    assert!(refused > 0, "nothing fitted: {}", service.running.err());
    for _ in 0..3 {
        assert_eq!(send(&service, refused), 429, "{}", service.running.err());
    }
    assert_eq!(service.json("GET /health").0, 200);

    // Killed on a full disk, it starts on it, and refuses still.
    let killed = rustix::process::Pid::from_raw(alive(&service) as i32).expect("a process");
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).expect("a process of ours");
    let service = Service::listening(service.running, 2, &state);
    assert_eq!(send(&service, refused), 429, "{}", service.running.err());

    let filler = OpenOptions::new().write(true).open(Path::new(&seen(&service)).join("filler")).expect("a file");
    filler.set_len(0).expect("a file");
    for number in refused..requests.len() {
        assert_eq!(send(&service, number), 200, "{}", service.running.err());
    }
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);
}
