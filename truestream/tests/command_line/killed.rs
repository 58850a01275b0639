//! A run that is killed, or finds no room, leaves what was there before; the next run finds no traces of it.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::data::{text, world};
use crate::process::{assert_same, files, names, start, start_behind, truestream};

/// A replay into the folder that takes seconds at this speed: the world's plays arrive over days.
fn slow<'a>(data: &'a str, out: &'a str) -> [&'a str; 7] {
    ["replay", "--data", data, "--out", out, "--speed", "100000x"]
}

fn in_the_making(out: &Path) -> bool {
    names(out).iter().any(|name| name == "track_window.parquet.part")
}

#[test]
fn a_killed_run_leaves_the_earlier_tables_and_the_next_run_clears_up() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("tables");
    let (data, out_text) = (text(world()), text(&out));
    let kill_one = || {
        let mut run = start(&slow(&data, &out_text));
        run.wait_until("in the making", |_| in_the_making(&out));
        sleep(Duration::from_millis(100));
        assert!(run.is_running());
        run.kill();
        assert!(in_the_making(&out), "killed while it was making tables");
    };
    kill_one();
    assert!(names(&out).iter().all(|name| name.ends_with(".part")), "{:?}", names(&out));

    let line = ["replay", "--data", &data, "--out", &out_text, "--every", "6h", "--windows", "24h"];
    truestream(&line).good();
    let before = files(&out);
    assert!(before.contains_key("run.json") && !in_the_making(&out), "{:?}", names(&out));
    kill_one();
    let mut left = files(&out);
    left.retain(|name, _| !name.ends_with(".part"));
    assert_same("after a kill", &before, &left);

    truestream(&[&line[..], &["--views", "lockstep"]].concat()).good();
    assert_eq!(names(&out), ["lockstep.parquet", "refusal.parquet", "run.json"]);
}

#[test]
fn a_full_disk_leaves_the_earlier_tables() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("tables");
    let (data, out_text) = (text(world()), text(&out));
    let line =
        ["replay", "--data", &data, "--out", &out_text, "--every", "6h", "--windows", "24h", "--emit", "changes"];
    truestream(&line).good();
    let before = files(&out);
    let full = "trap '' XFSZ; ulimit -f 4; exec \"$@\"";
    start_behind(full, &line).end().failed(5, &["_window.parquet", "cannot write", "free space"]);
    assert_same("after a full disk", &before, &files(&out));
}

#[test]
fn a_folder_that_cannot_be_is_a_failure_of_output() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("tables");
    std::fs::write(&file, "not a folder").expect("a file");
    truestream(&["replay", "--data", &text(world()), "--out", &text(&file)]).failed(5, &["tables"]);
    assert_eq!(std::fs::read(&file).expect("the file"), b"not a folder");
}
