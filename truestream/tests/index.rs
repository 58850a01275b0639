//! The index of fingerprints as people meet it: recordings go in, are found, go out, and outlive any kill.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Kills in a row.
const KILLS: u32 = 50;

#[path = "command_line/music.rs"]
mod music;

use music::{RATE_HZ, chance, music};

fn truestream(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truestream"));
    command.args(arguments);
    command
}

fn done(command: &mut Command) -> Output {
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn write_wave(path: &Path, samples: &[i16]) {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    for (number, size) in [(16, 4), (1, 2), (1, 2), (RATE_HZ, 4), (2 * RATE_HZ, 4), (2, 2), (16, 2)] {
        bytes.extend_from_slice(&number.to_le_bytes()[..size]);
    }
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&data);
    fs::write(path, bytes).expect("written");
}

fn folder_of_music(dir: &Path, recordings: u32, seconds: f32) -> String {
    let folder = dir.join("music");
    fs::create_dir(&folder).expect("made");
    for seed in 0..recordings {
        write_wave(&folder.join(format!("song-{seed:02}.wav")), &music(seed, seconds, 1.0));
    }
    folder.to_str().expect("UTF-8").to_owned()
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("UTF-8").to_owned()
}

/// The bytes of the only segment.
fn segment(index: &str) -> Vec<u8> {
    let files = fs::read_dir(index).expect("a folder").map(|file| file.expect("a file").path());
    let segments: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "prints")).collect();
    let [segment] = segments.as_slice() else { panic!("one segment, not {segments:?}") };
    fs::read(segment).expect("read")
}

#[test]
fn a_faster_copy_is_found_until_its_recording_is_removed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, index) = (folder_of_music(dir.path(), 6, 20.0), path(dir.path(), "prints"));
    done(&mut truestream(&["index", "add", "--index", &index, &folder]));
    let copy = path(dir.path(), "copy.wav");
    let played = music(4, 20.0, 1.05);
    write_wave(Path::new(&copy), &played[4 * RATE_HZ as usize..15 * RATE_HZ as usize]);

    let found = done(&mut truestream(&["match", &copy, "--index", &index, "--json"]));
    let answer: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
    let matches = answer["matches"].as_array().expect("a list");
    assert_eq!(matches.len(), 1, "{answer}");
    assert_eq!(matches[0]["content_id"], "song-04");
    let number = |name: &str| matches[0][name].as_f64().expect("a number");
    assert!((number("speed") - 1.05).abs() < 0.005, "{answer}");
    assert!((number("pitch") - 1.05).abs() < 0.01, "{answer}");
    let origin = number("offset_seconds") - number("speed") * number("from_seconds");
    assert!((origin - 4.2).abs() < 0.2, "{answer}");
    assert!(number("confidence") > 0.999, "{answer}");

    done(&mut truestream(&["index", "remove", "--index", &index, "song-04"]));
    let found = done(&mut truestream(&["match", &copy, "--index", &index]));
    assert!(String::from_utf8_lossy(&found.stdout).contains("nothing of the index"), "{found:?}");
    let stat = done(&mut truestream(&["index", "stat", "--index", &index]));
    assert!(String::from_utf8_lossy(&stat.stdout).starts_with("5 recordings"), "{stat:?}");
}

#[test]
fn what_cannot_be_heard_is_named_and_the_rest_is_added() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, index) = (folder_of_music(dir.path(), 2, 10.0), path(dir.path(), "prints"));
    fs::write(dir.path().join("music/broken.mp3"), b"no music").expect("written");
    let output = truestream(&["index", "add", "--index", &index, &folder]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.mp3"), "{output:?}");
    let stat = done(&mut truestream(&["index", "stat", "--index", &index]));
    assert!(String::from_utf8_lossy(&stat.stdout).starts_with("2 recordings"), "{stat:?}");

    let nowhere = path(dir.path(), "nowhere");
    let output = truestream(&["match", &folder, "--index", &nowhere]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(!Path::new(&nowhere).exists());
}

#[test]
fn another_file_of_a_known_name_is_refused_and_not_dropped() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, index) = (folder_of_music(dir.path(), 2, 12.0), path(dir.path(), "prints"));
    done(&mut truestream(&["index", "add", "--index", &index, &folder]));
    // The same again is nothing new.
    let again = done(&mut truestream(&["index", "add", "--index", &index, &folder]));
    assert!(String::from_utf8_lossy(&again.stdout).starts_with("added 0; the index has 2"), "{again:?}");

    let other = path(dir.path(), "other");
    fs::create_dir(&other).expect("made");
    write_wave(&Path::new(&other).join("song-00.wav"), &music(70, 12.0, 1.0));
    write_wave(&Path::new(&other).join("song-02.wav"), &music(71, 12.0, 1.0));
    let refused = truestream(&["index", "add", "--index", &index, &other]).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(said.contains("song-00 is in the index, made of another file") && said.contains("--replace"), "{said}");
    assert!(String::from_utf8_lossy(&refused.stdout).starts_with("added 1; the index has 3"), "{refused:?}");
    let song = path(dir.path(), "other/song-00.wav");
    let finds = || {
        let found = done(&mut truestream(&["match", &song, "--index", &index, "--json"]));
        let answer: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
        answer["matches"].as_array().expect("a list").len()
    };
    assert_eq!(finds(), 0, "the old one is still there");
    done(&mut truestream(&["index", "add", "--replace", "--index", &index, &song]));
    assert_eq!(finds(), 1);
    // Made of this file now.
    done(&mut truestream(&["index", "add", "--index", &index, &song]));
}

#[test]
fn a_recording_of_more_than_an_hour_is_indexed_to_its_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = path(dir.path(), "prints");
    let long = dir.path().join("long.wav");
    // 71 minutes at 8 kHz are more samples than are kept at once; but for the last half minute they are a hole in the disk.
    let slow = |seed: u32, seconds: f32| -> Vec<i16> {
        music(seed, seconds, 1.0).chunks(RATE_HZ as usize / 8_000).map(|chunk| chunk[0]).collect()
    };
    let song = slow(4, 30.0);
    let (silent, bytes) = (2 * 8_000 * 4_230_u64, 2 * song.len() as u64);
    let mut wave = Vec::new();
    wave.extend_from_slice(b"RIFF");
    wave.extend_from_slice(&((36 + silent + bytes) as u32).to_le_bytes());
    wave.extend_from_slice(b"WAVEfmt ");
    for field in [16_u32, 1 | 1 << 16, 8_000, 16_000, 2 | 16 << 16] {
        wave.extend_from_slice(&field.to_le_bytes());
    }
    wave.extend_from_slice(b"data");
    wave.extend_from_slice(&((silent + bytes) as u32).to_le_bytes());
    fs::write(&long, &wave).expect("written");
    let file = fs::File::options().write(true).open(&long).expect("a file");
    file.set_len(44 + silent).expect("a hole");
    let tail: Vec<u8> = song.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::io::Write::write_all(&mut fs::File::options().append(true).open(&long).expect("a file"), &tail)
        .expect("written");
    done(&mut truestream(&["index", "add", "--index", &index, long.to_str().expect("UTF-8")]));

    let clip = dir.path().join("clip.wav");
    write_wave(&clip, &music(4, 20.0, 1.0)[5 * RATE_HZ as usize..]);
    let found = done(&mut truestream(&["match", clip.to_str().expect("UTF-8"), "--index", &index, "--json"]));
    let answer: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
    let offset = answer["matches"][0]["offset_seconds"].as_f64().unwrap_or_else(|| panic!("{answer}"));
    let from = answer["matches"][0]["from_seconds"].as_f64().expect("a number");
    assert!((offset - from - 4_235.0).abs() < 0.5, "{answer}");
    let stat = done(&mut truestream(&["index", "stat", "--index", &index]));
    assert!(String::from_utf8_lossy(&stat.stdout).contains("1.18 h of sound"), "{stat:?}");
}

#[test]
fn an_index_that_was_killed_again_and_again_is_that_of_a_run_that_was_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, calm, killed) =
        (folder_of_music(dir.path(), 30, 8.0), path(dir.path(), "calm"), path(dir.path(), "killed"));
    let add =
        |index: &str| truestream(&["index", "add", "--index", index, &folder, "--jobs", "2", "--commit-every", "1"]);
    let started = Instant::now();
    done(&mut add(&calm));
    let whole = started.elapsed();

    let mut landed = 0;
    for kill in 0..KILLS {
        // From at once to a sixth of a whole run, so that many kills fall into one filling of the index.
        let wait = whole.mul_f32(chance(7, kill) / 6.0) + Duration::from_millis(1);
        let mut child = add(&killed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(wait);
        landed += u32::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("killed");
        child.wait().expect("gone");
        if Path::new(&killed).join("index.json").exists() {
            // Whatever is said to be in it is intact.
            done(&mut truestream(&["index", "stat", "--index", &killed]));
        }
    }
    println!("{landed} of {KILLS} kills met a running program; a whole run takes {whole:?}");
    done(&mut add(&killed));
    for index in [&calm, &killed] {
        done(&mut truestream(&["index", "compact", "--index", index]));
    }
    assert!(segment(&calm) == segment(&killed), "the indexes differ");
    let left: Vec<_> = fs::read_dir(&killed).expect("a folder").map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(left.len(), 3, "only the list, the lock and a segment are left: {left:?}");
}
