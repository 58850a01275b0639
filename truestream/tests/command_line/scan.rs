//! Audio files in, evidence out, whatever the files are and whatever happens meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use datasets::tables::rows::{Rows, Value};
use datasets::tables::{IdKind, TableWriter, read_evidence};
use records::{Confidence, Id, Track};
use tempfile::TempDir;

use crate::breaking::broken;
use crate::data::text;
use crate::music::{RATE_HZ, music};
use crate::process::{Ran, start, truestream};
use crate::waves::{encoded, header, tones, wav};

/// Broken files made of each good one.
const BROKEN_EACH: u64 = 30;
/// When the evidence of these tests is known.
const AT: &str = "2026-01-05T00:00:00Z";

/// A sound that differs from file to file.
fn sound(number: u16, seconds: f64) -> Vec<u8> {
    let mut samples = tones(22_050, 2, seconds);
    samples.iter_mut().enumerate().for_each(|(at, sample)| {
        *sample = sample.wrapping_add((at as i16).wrapping_mul(number as i16 + 1) >> 6);
    });
    wav(22_050, 2, &samples)
}

/// Some seconds of a piece of music from some second on, played at some speed.
pub fn piece(seed: u32, from: f32, seconds: f32, speed: f32) -> Vec<u8> {
    let at = |second: f32| (second / speed * RATE_HZ as f32) as usize;
    let played = music(seed, from + seconds, speed);
    wav(RATE_HZ, 1, &played[at(from)..at(from + seconds).min(played.len())])
}

/// Writes a file below the folder.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}

fn scan(inputs: &Path, out: &Path, more: &[&str]) -> Ran {
    truestream(&[&["scan", &text(inputs), "--out", &text(out), "--at", AT, "--json"], more].concat())
}

/// The texts of one column.
fn column(out: &Path, table: &str, name: &str) -> Vec<String> {
    let mut rows = Rows::open(&out.join(format!("{table}.parquet")), &[name]).expect("a table");
    let mut texts = Vec::new();
    while rows.advance().expect("a row") {
        texts.push(match rows.value(0) {
            Value::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        });
    }
    texts
}

/// Every file below the folder, by its path.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).expect("below").to_owned();
                all.insert(below, std::fs::read(path).expect("a file"));
            }
        }
    }
    all
}

#[track_caller]
fn assert_same(what: &str, expected: &BTreeMap<PathBuf, Vec<u8>>, found: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(expected), names(found), "{what}");
    for (name, bytes) in expected {
        assert!(bytes == &found[name], "{what}: {} differs", name.display());
    }
}

#[test]
fn every_file_is_a_recording_or_a_refusal() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    for (name, bytes) in encoded() {
        put(&audio, &name, &bytes);
    }
    put(&audio, "deep/er/plain.wav", &sound(0, 1.0));
    put(&audio, "really_a_wave.mp3", &sound(1, 1.0));
    put(&audio, "192k.wav", &wav(192_000, 1, &tones(192_000, 1, 0.5)));
    put(&audio, "eight_channels.wav", &wav(48_000, 8, &tones(48_000, 8, 0.5)));
    put(&audio, "nine_channels.wav", &wav(48_000, 9, &tones(48_000, 9, 0.1)));
    put(&audio, "empty.mp3", b"");
    put(&audio, "letter.mp3", "Dear listener, this is no music. ".repeat(40).as_bytes());
    put(&audio, "huge_header.wav", &[header(48_000, 2, 1, 16, u32::MAX - 36), vec![0; 100_000]].concat());
    put(&audio, ".hidden.wav", &sound(2, 1.0));
    std::os::unix::fs::symlink("nowhere", audio.join("broken_link.wav")).expect("a link");

    let report = scan(&audio, &out, &["--jobs", "3"]).good().json();
    let refused: u64 = report["refused"].as_object().expect("causes").values().filter_map(|files| files.as_u64()).sum();
    assert_eq!(report["files"].as_u64(), Some(report["recordings"].as_u64().expect("a count") + refused), "{report}");
    let expected =
        [("channel_count", 1), ("empty", 1), ("unknown_format", 1), ("unreadable", 1), ("unsupported_codec", 1)];
    for (cause, files) in expected {
        assert_eq!(report["refused"][cause].as_u64(), Some(files), "{cause}: {report}");
    }
    assert_eq!(refused, 5, "{report}");
    assert!(column(&out, "refusal", "code").iter().all(|code| code == "undecodable"));

    let codecs = column(&out, "audio", "codec");
    for codec in ["aac", "alac", "flac", "mp3", "opus", "pcm_s16be", "pcm_s16le", "vorbis"] {
        assert!(codecs.iter().any(|found| found == codec), "{codec}: {codecs:?}");
    }
    let (mut evidence, mut refusals) = (Vec::new(), Vec::new());
    read_evidence(&[out.join("evidence.parquet")], |row| evidence.push(row), &mut refusals).expect("a table");
    assert!(refusals.is_empty());
    assert_eq!(evidence.len() as u64, report["evidence"].as_u64().expect("a count"));
    assert!(evidence.iter().all(|row| row.known_at == 1_767_571_200_000 && row.details.starts_with('{')));
    let pictures = everything(&out.join("previews"));
    let recordings = report["recordings"].as_u64().expect("a count") as usize;
    assert_eq!(pictures.keys().filter(|path| path.to_string_lossy().ends_with(".peaks.json")).count(), recordings);

    // What was heard is not heard again; more workers change nothing.
    let before = everything(&out);
    let again = scan(&audio, &out, &["--jobs", "1"]).good().json();
    assert_eq!(again["contents_heard_now"].as_u64(), Some(0), "{again}");
    assert_same("a second scan", &before, &everything(&out));
    let alone = folder.path().join("alone");
    scan(&audio, &alone, &["--jobs", "1"]).good();
    assert_same("one worker", &before, &everything(&alone));
}

#[test]
fn broken_files_take_nothing_down() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    let mut good = encoded();
    good.push(("tone.wav".to_owned(), wav(44_100, 2, &tones(44_100, 2, 0.5))));
    let mut files = 0;
    for (name, bytes) in &good {
        for seed in 1_000..1_000 + BROKEN_EACH {
            put(&audio, &format!("{seed}.{name}"), &broken(bytes, seed));
            files += 1;
        }
    }
    assert!(files >= 300);
    let report = scan(&audio, &out, &["--previews", "none"]).good().json();
    println!("{files} broken files: {} are recordings, refused: {}", report["recordings"], report["refused"]);
    assert_eq!(report["files"].as_u64(), Some(files));
    let refusals = column(&out, "refusal", "file").len() as u64;
    assert_eq!(report["recordings"].as_u64().expect("a count") + refusals, files);
}

#[test]
fn the_catalogue_names_recordings() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    put(&audio, "a/one.wav", &sound(1, 1.0));
    put(&audio, "b/copy.wav", &sound(1, 1.0));
    put(&audio, "7003.wav", &sound(3, 1.0));
    put(&audio, "stray.wav", &sound(4, 1.0));
    let track = |id: u64, content: u64, uri: Option<&str>| Track {
        content_id: Some(Id::from(content)),
        audio_uri: uri.map(str::to_owned),
        ..Track::new(Id::from(id))
    };
    let mut tracks = TableWriter::create(folder.path(), IdKind::Number).expect("a table");
    for row in [track(1, 10, Some("a/one.wav")), track(2, 20, Some("file:///store/copy.wav")), track(7003, 30, None)] {
        tracks.push(row).expect("a row");
    }
    tracks.finish().expect("a whole table");

    let catalogue = text(&folder.path().join("tracks.parquet"));
    let report = scan(&audio, &out, &["--catalogue", &catalogue]).good().json();
    assert_eq!(
        (report["not_in_catalogue"].as_u64(), report["duplicate_groups"].as_u64()),
        (Some(1), Some(1)),
        "{report}"
    );
    // The two files with the same bytes were heard once.
    assert_eq!(report["contents_heard_now"].as_u64(), Some(3), "{report}");
    let contents = column(&out, "audio", "content_id");
    assert_eq!(contents[..3], ["UInt(30)", "UInt(10)", "UInt(20)"], "{contents:?}");
    assert_eq!(column(&out, "duplicate_group", "group_id"), ["UInt(10)", "UInt(10)"]);
}

#[test]
fn copies_are_found_whatever_they_are_called_and_whoever_has_them() {
    const DAY_MS: i64 = 86_400_000;
    let folder = TempDir::new().expect("a folder");
    let (audio, known, out) = (folder.path().join("audio"), folder.path().join("known"), folder.path().join("out"));
    // An original, the same by its uploader again, a faster and shorter copy by somebody else, one that a platform had before, a song that
    // borrows 20 s of the original, and one of its own.
    put(&audio, "1.wav", &piece(1, 0.0, 60.0, 1.0));
    put(&audio, "2.wav", &piece(1, 2.0, 58.0, 1.0));
    put(&audio, "3.wav", &piece(1, 8.0, 45.0, 1.04));
    put(&known, "70.wav", &piece(7, 0.0, 50.0, 1.0));
    put(&audio, "4.wav", &piece(7, 5.0, 40.0, 1.0));
    let borrowing =
        [&music(5, 30.0, 1.0)[..], &music(1, 60.0, 1.0)[30 * RATE_HZ as usize..50 * RATE_HZ as usize]].concat();
    put(&audio, "5.wav", &wav(RATE_HZ, 1, &[&borrowing[..], &music(6, 40.0, 1.0)].concat()));
    put(&audio, "6.wav", &piece(9, 0.0, 40.0, 1.0));
    let track = |id: u64, uploader: u64, day: i64| Track {
        content_id: Some(Id::from(10 * id)),
        uploader_id: Some(Id::from(uploader)),
        uploaded_at: Some(day * DAY_MS),
        ..Track::new(Id::from(id))
    };
    let mut tracks = TableWriter::create(folder.path(), IdKind::Number).expect("a table");
    for row in
        [track(1, 500, 3), track(2, 500, 4), track(3, 501, 15), track(4, 502, 20), track(5, 503, 30), track(6, 504, 1)]
    {
        tracks.push(row).expect("a row");
    }
    tracks.finish().expect("a whole table");
    let (catalogue, index) = (text(&folder.path().join("tracks.parquet")), text(&folder.path().join("prints")));
    truestream(&["index", "add", "--index", &index, &text(&known)]).good();

    let more = ["--catalogue", &catalogue, "--index", &index, "--previews", "none"];
    let report = scan(&audio, &out, &more).good().json();
    assert_eq!(report["duplicate_groups"].as_u64(), Some(2), "{report}");
    let of = |table: &str, name: &str| column(&out, table, name);
    assert_eq!(of("duplicate_group", "group_id"), ["UInt(10)", "UInt(10)", "UInt(10)", "UInt(40)", "UInt(40)"]);
    assert_eq!(of("duplicate_group", "content_id"), ["UInt(10)", "UInt(20)", "UInt(30)", "UInt(40)", "UInt(70)"]);
    assert!(of("duplicate_group", "kind").iter().all(|kind| kind == "same_recording"));
    let number =
        |text: &String| text.trim_start_matches("Float(").trim_end_matches(')').parse::<f64>().expect("a number");
    let numbers = |name: &str| of("duplicate_group", name).iter().map(number).collect::<Vec<f64>>();
    for (found, expected) in numbers("offset_seconds").into_iter().zip([0.0, 2.0, 8.0, 0.0, -5.0]) {
        assert!((found - expected).abs() < 0.15, "begins at {found}, put at {expected}");
    }
    for (found, expected) in numbers("speed").into_iter().zip([1.0, 1.0, 1.04, 1.0, 1.0]) {
        assert!((found - expected).abs() < 1e-3, "{found} times as fast, made {expected}");
    }

    let (mut evidence, mut refusals) = (Vec::new(), Vec::new());
    read_evidence(&[out.join("evidence.parquet")], |row| evidence.push(row), &mut refusals).expect("a table");
    let duplicates: Vec<_> = evidence.iter().filter(|row| row.detector == "duplicate").collect();
    let risks: Vec<f64> = duplicates.iter().map(|row| row.risk.share()).collect();
    // Who was first, and who copies their own, is not suspected; nor is who borrows a part.
    assert_eq!(risks, [0.0, 0.0, 0.5, 0.05, 0.0, 0.0], "{duplicates:?}");
    let words =
        |at: usize| serde_json::from_str::<serde_json::Value>(&duplicates[at].details).expect("JSON")["words"].clone();
    let faster = words(2).as_str().expect("words").to_owned();
    assert!(faster.starts_with("all 43 s are recording 10 from 0:0"), "{faster}");
    assert!(faster.contains(", played 4.0 % faster, which another uploader had 12 days earlier"), "{faster}");
    let borrowed = words(4).as_str().expect("words").to_owned();
    assert!(borrowed.contains(" s from 0:") && borrowed.contains(" are recording 10 from 0:"), "{borrowed}");
    let borrowed: serde_json::Value = serde_json::from_str(&duplicates[4].details).expect("JSON");
    for (name, expected) in [("from_seconds", 30.0), ("length_seconds", 20.0), ("offset_seconds", 30.0)] {
        let found = borrowed[name].as_f64().expect("a number");
        assert!((found - expected).abs() < 2.5, "{name}: {borrowed}");
    }
    assert!(words(5).is_null(), "{}", duplicates[5].details);

    // A damaged fingerprint is told, a missing one taken again.
    let before = everything(&out);
    let print = before.keys().find(|path| path.extension().is_some_and(|ending| ending == "print")).expect("a print");
    std::fs::write(out.join(print), b"torn").expect("a file");
    scan(&audio, &out, &more).failed(4, &["damaged fingerprint", "remove it"]);
    std::fs::remove_file(out.join(print)).expect("removed");
    let again = scan(&audio, &out, &more).good().json();
    assert_eq!(again["contents_heard_now"].as_u64(), Some(1), "{again}");
    assert_same("a print taken again", &before, &everything(&out));
}

#[test]
fn fillers_hide_no_copy_and_all_that_is_shared_counts() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    let (original, other) = (music(1, 120.0, 1.0), music(5, 120.0, 1.0));
    // Of two minutes 13 s in each quarter are something else, around the four places where parts of a copy were once looked for.
    let is_filler = |second: usize| [12, 40, 67, 95].iter().any(|from| (*from..from + 13).contains(&second));
    let filled = |(at, sample): (usize, &i16)| if is_filler(at / RATE_HZ as usize) { other[at] } else { *sample };
    let hidden: Vec<i16> = original.iter().enumerate().map(filled).collect();
    put(&audio, "1.wav", &wav(RATE_HZ, 1, &original));
    put(&audio, "2.wav", &wav(RATE_HZ, 1, &hidden));
    let track = |id: u64| Track {
        uploader_id: Some(Id::from(id)),
        uploaded_at: Some(id as i64 * 86_400_000),
        ..Track::new(Id::from(id))
    };
    let mut tracks = TableWriter::create(folder.path(), IdKind::Number).expect("a table");
    for id in [1, 2] {
        tracks.push(track(id)).expect("a row");
    }
    tracks.finish().expect("a whole table");
    let catalogue = text(&folder.path().join("tracks.parquet"));
    let report = scan(&audio, &out, &["--catalogue", &catalogue, "--previews", "none"]).good().json();
    assert_eq!(report["duplicate_groups"].as_u64(), Some(1), "{report}");
    let rows = said(&out, "duplicate");
    let (_, risk, is_heard, details) = &rows[1];
    assert!((*risk, *is_heard) == (1_500, true) && details["is_one_recording"] == true, "{details}");
    let number = |name: &str| details[name].as_f64().expect("a number");
    assert!((number("shared_share") - 68.0 / 120.0).abs() < 0.12 && number("stretches") > 2.0, "{details}");
    assert!(number("length_seconds") < 25.0, "{details}");
    let words = details["words"].as_str().expect("words");
    assert!(
        words.contains(" of 120 s are recording 1, in ") && words.contains(" stretches, the longest from "),
        "{words}"
    );
}

#[test]
fn channels_that_cancel_each_other_are_heard() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    let sound = music(3, 30.0, 1.0);
    let against: Vec<i16> = sound.iter().flat_map(|sample| [*sample, sample.saturating_neg()]).collect();
    put(&audio, "1.wav", &wav(RATE_HZ, 1, &sound));
    put(&audio, "2.wav", &wav(RATE_HZ, 2, &against));
    scan(&audio, &out, &["--previews", "none"]).good();
    let rows = said(&out, "sanity");
    assert_eq!(rows[1].3["complaints"].to_string(), r#"["cancels_in_mono"]"#, "{}", rows[1].3);
    assert_eq!(
        (rows[1].3["correlation"].as_f64(), rows[1].3["silent_share"].as_f64()),
        (Some(-1.0), rows[0].3["silent_share"].as_f64())
    );
    for row in said(&out, "duplicate") {
        assert!(row.3["words"].as_str().is_some_and(|words| words.starts_with("all 30 s are recording ")), "{row:?}");
    }
    assert!(said(&out, "resemblance").iter().all(|row| row.2), "both have a timbre");
}

#[test]
fn what_could_not_be_heard_is_not_called_clean() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16
    };
    put(&audio, "noise.wav", &wav(44_100, 1, &(0..20 * 44_100).map(|_| noise()).collect::<Vec<i16>>()));
    put(&audio, "partly.wav", &wav(RATE_HZ, 1, &[music(1, 20.0, 1.0), vec![0; 60 * RATE_HZ as usize]].concat()));
    put(&audio, "short.wav", &piece(2, 0.0, 3.0, 1.0));
    put(&audio, "silent.wav", &wav(44_100, 1, &vec![0; 20 * 44_100]));
    put(&audio, "song.wav", &piece(3, 0.0, 20.0, 1.0));
    scan(&audio, &out, &["--previews", "none"]).good();
    let (mut evidence, mut refusals) = (Vec::new(), Vec::new());
    read_evidence(&[out.join("evidence.parquet")], |row| evidence.push(row), &mut refusals).expect("a table");
    let heard = |name: &str, detector: &str| {
        let is_asked = |row: &&records::Evidence| {
            row.detector == detector && row.file.as_ref().is_some_and(|file| file.ends_with(name))
        };
        let row = evidence.iter().find(is_asked).expect("a row");
        let details: serde_json::Value = serde_json::from_str(&row.details).expect("JSON");
        (row.confidence.share(), details["unheard"].as_str().unwrap_or_default().to_owned())
    };
    let unheard = |why: &str| (0.0, why.to_owned());
    assert_eq!(heard("silent.wav", "synthesis"), unheard("silent"));
    assert_eq!(heard("silent.wav", "duplicate"), unheard("no_landmarks"));
    assert_eq!(heard("noise.wav", "synthesis"), unheard("noise"));
    assert_eq!(heard("noise.wav", "duplicate"), unheard("noise"));
    assert_eq!(heard("short.wav", "synthesis"), unheard("too_short"));
    assert_eq!(heard("short.wav", "duplicate"), unheard("too_short"));
    // Three quarters of it are silence, which is measured, and in which nothing can be known again.
    let (share, why) = heard("partly.wav", "duplicate");
    assert!((0.2..0.35).contains(&share) && why.is_empty(), "{share} {why}");
    for (name, detector) in [("silent.wav", "sanity"), ("partly.wav", "sanity"), ("song.wav", "duplicate")] {
        assert!(heard(name, detector).0 > 0.95, "{name}: {detector}");
    }
}

/// From when on each file's evidence is known, by its name.
fn known_at(out: &Path) -> BTreeMap<String, i64> {
    let (mut known_at, mut refusals) = (BTreeMap::new(), Vec::new());
    let name = |file: &str| file.rsplit('/').next().expect("a name").to_owned();
    let keep = |row: records::Evidence| _ = known_at.insert(name(&row.file.expect("a file")), row.known_at);
    read_evidence(&[out.join("evidence.parquet")], keep, &mut refusals).expect("a table");
    known_at
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_millis() as i64
}

#[test]
fn evidence_is_dated_by_the_upload_and_not_by_the_file() {
    const UPLOADED: i64 = 1_767_225_600_000;
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    for (number, name) in ["7.wav", "8.wav", "9.wav", "stray.wav"].iter().enumerate() {
        put(&audio, name, &sound(number as u16, 1.0));
        let changed = std::time::UNIX_EPOCH + Duration::from_secs(86_400);
        File::options().write(true).open(audio.join(name)).expect("a file").set_modified(changed).expect("dated");
    }
    let track = |id: u64, uploaded_at: Option<i64>| Track { uploaded_at, ..Track::new(Id::from(id)) };
    let mut tracks = TableWriter::create(folder.path(), IdKind::Number).expect("a table");
    for row in [track(7, Some(UPLOADED)), track(8, None), track(9, Some(4_000_000_000_000))] {
        tracks.push(row).expect("a row");
    }
    tracks.finish().expect("a whole table");
    let catalogue = text(&folder.path().join("tracks.parquet"));
    let (audio_text, out_text) = (text(&audio), text(&out));
    let line = ["scan", &audio_text, "--out", &out_text, "--catalogue", &catalogue, "--previews", "none", "--json"];
    let began = now();
    let ran = truestream(&line).good();
    let first = known_at(&out);
    assert_eq!((first["7.wav"], first["9.wav"]), (UPLOADED, 4_000_000_000_000));
    // What the catalogue does not date is known since it was heard, and still is when it is not heard again.
    assert!(["8.wav", "stray.wav"].iter().all(|name| (began..=now()).contains(&first[*name])), "{first:?}");
    let warnings = ran.json()["warnings"].to_string();
    assert!(warnings.contains("evidence of a file is dated later than now"), "{warnings}");
    assert!(warnings.contains("9.wav, 2096-10-02T"), "{warnings}");
    truestream(&line).good();
    assert_eq!(known_at(&out), first);
    // Who asks for the times of the files gets them, and is told that they lie long before the upload.
    let warnings = truestream(&[&line[..], &["--at", "changed"]].concat()).good().json()["warnings"].to_string();
    assert!(known_at(&out).values().all(|known_at| *known_at == 86_400_000));
    assert!(warnings.contains("evidence of 2 files is dated more than a day before the upload"), "{warnings}");
}

#[test]
fn a_folder_gathers_what_all_scans_into_it_heard() {
    let folder = TempDir::new().expect("a folder");
    let (monday, tuesday, out) =
        (folder.path().join("monday"), folder.path().join("tuesday"), folder.path().join("out"));
    put(&monday, "one.wav", &piece(1, 0.0, 30.0, 1.0));
    put(&monday, "two.wav", &sound(2, 1.0));
    put(&tuesday, "copy.wav", &piece(1, 3.0, 25.0, 1.0));
    let more = ["--previews", "none"];
    scan(&monday, &out, &more).good();
    let report = scan(&tuesday, &out, &more).good().json();
    assert_eq!((report["files"].as_u64(), report["files_of_earlier_scans"].as_u64()), (Some(3), Some(2)), "{report}");
    assert_eq!((report["contents_heard_now"].as_u64(), report["duplicate_groups"].as_u64()), (Some(1), Some(1)));
    let both = folder.path().join("both");
    let line = ["scan", &text(&monday), &text(&tuesday), "--out", &text(&both), "--at", AT, "--previews", "none"];
    truestream(&line).good();
    assert_same("one scan of both", &everything(&both), &everything(&out));

    // A file that was moved has its new name alone, and one that was written anew its new content.
    std::fs::rename(monday.join("two.wav"), tuesday.join("second.wav")).expect("moved");
    put(&monday, "one.wav", &sound(9, 1.0));
    let report = scan(&tuesday, &out, &more).good().json();
    assert_eq!(report["files"].as_u64(), Some(3), "{report}");
    scan(&monday, &out, &more).good();
    let names: Vec<String> =
        column(&out, "audio", "file").iter().map(|file| file.rsplit('/').next().expect("a name").to_owned()).collect();
    assert_eq!(names, ["one.wav", "copy.wav", "second.wav"]);
    assert!(column(&out, "duplicate_group", "file").is_empty(), "the original is no more");
    // Other settings are another scan: what is not named is not kept, and that is said.
    let report = scan(&monday, &out, &["--previews", "peaks"]).good().json();
    assert_eq!(report["files"].as_u64(), Some(1), "{report}");
    assert!(report["warnings"].to_string().contains("is begun anew"), "{report}");
}

#[test]
fn what_a_decoder_may_take_is_limited() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    // A song whose first packet is 100 MiB long, of which a decoder with 32 MiB of memory has no room for half.
    let (_, mut song) = encoded().into_iter().find(|(name, _)| name == "tone.m4a").expect("there is one");
    let sizes = song.windows(4).position(|four| four == b"stsz").expect("an MP4 lists the sizes of its packets");
    song[sizes + 8..sizes + 12].copy_from_slice(&(100_u32 << 20).to_be_bytes());
    put(&audio, "greedy.m4a", &song);
    let file = File::options().write(true).open(audio.join("greedy.m4a")).expect("a file");
    file.set_len(200 << 20).expect("a hole");
    put(&audio, "modest.wav", &sound(1, 1.0));
    let report = scan(&audio, &out, &["--decode-memory", "32"]).good().json();
    assert_eq!(report["refused"]["out_of_memory"].as_u64(), Some(1), "{report}");
    assert_eq!(report["recordings"].as_u64(), Some(1), "{report}");

    // With the same allowance it is not tried again; with another one it is, and what was heard is not.
    let again = scan(&audio, &out, &["--decode-memory", "32"]).good().json();
    assert_eq!(again["contents_heard_now"].as_u64(), Some(0), "{again}");
    let more = scan(&audio, &out, &["--decode-memory", "400"]).good().json();
    let counts = ["contents_heard_now", "contents_known_before"].map(|name| more[name].as_u64());
    assert_eq!(counts, [Some(1), Some(1)], "{more}");
    assert!(more["refused"]["out_of_memory"].is_null(), "{more}");

    // A hole in the disk of more bytes than are read.
    let long = folder.path().join("long");
    put(&long, "hours.wav", &header(48_000, 2, 1, 16, 500 << 20));
    let file = File::options().write(true).open(long.join("hours.wav")).expect("a file");
    file.set_len(600 << 20).expect("a hole");
    let report = scan(&long, &folder.path().join("out_of_size"), &[]).good().json();
    assert_eq!(report["refused"]["too_big"].as_u64(), Some(1), "{report}");
}

#[test]
fn two_scans_do_not_share_a_folder_and_arguments_are_checked() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    put(folder.path(), "audio/one.wav", &sound(1, 1.0));
    let audio = folder.path().join("audio");
    std::fs::create_dir_all(&out).expect("a folder");
    let lock = File::open(&out).expect("a folder");
    lock.lock().expect("a lock");
    scan(&audio, &out, &[]).failed(5, &["another scan writes there"]);
    drop(lock);
    scan(&audio, &out, &["--device", "abacus"]).failed(2, &["abacus"]);
    scan(&folder.path().join("nowhere"), &out, &[]).failed(4, &["nowhere"]);
    truestream(&["scan", &text(&audio), "--out", &text(&out), "--at", "soon"]).failed(2, &["soon"]);
    std::fs::create_dir_all(folder.path().join("nothing")).expect("a folder");
    scan(&folder.path().join("nothing"), &out, &[]).failed(4, &["no files to hear"]);
}

/// How often the scan is killed; `TRUESTREAM_KILLS` asks for more.
fn kills() -> u64 {
    std::env::var("TRUESTREAM_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10)
}

#[test]
fn a_killed_scan_goes_on_and_ends_the_same() {
    const FILES: u16 = 12;
    const CONTENTS: u64 = FILES as u64 + 3;
    let folder = TempDir::new().expect("a folder");
    let audio = folder.path().join("audio");
    (0..FILES).for_each(|number| put(&audio, &format!("{number}.wav"), &sound(number, 4.0)));
    put(&audio, "no_sound.wav", b"no sound");
    put(&audio, "song.wav", &piece(3, 0.0, 20.0, 1.0));
    put(&audio, "copy.wav", &piece(3, 3.0, 15.0, 1.02));
    let whole = folder.path().join("whole");
    let began = std::time::Instant::now();
    scan(&audio, &whole, &[]).good();
    let took = began.elapsed();
    assert_eq!(column(&whole, "duplicate_group", "content_id").len(), 2, "the song and its copy");
    let expected = everything(&whole);

    let mut went_on = 0;
    for kill in 0..kills() {
        let out = folder.path().join(format!("killed_{kill}"));
        let line = ["scan", &text(&audio), "--out", &text(&out), "--at", AT, "--json"];
        let mut run = start(&line);
        // From the first moment to the last.
        sleep(took.mul_f64(kill as f64 / kills() as f64).max(Duration::from_millis(5)));
        if run.is_running() {
            run.kill();
        }
        let journal = std::fs::read_to_string(out.join("scan.journal")).unwrap_or_default();
        let finished = journal.lines().filter(|line| line.contains(" {\"content\":")).count() as u64;
        went_on += u64::from(finished > 0 && finished < CONTENTS);
        let report = truestream(&line).good().json();
        assert_eq!(report["contents_known_before"].as_u64(), Some(finished), "kill {kill}: nothing is heard twice");
        assert_eq!(report["contents_heard_now"].as_u64(), Some(CONTENTS - finished), "kill {kill}");
        assert_same(&format!("kill {kill}"), &expected, &everything(&out));
    }
    println!("{} kills, {went_on} of them amid the work", kills());
    assert!(went_on > 0, "no kill came amid the work: the scan took {took:?}");
}

/// The rows of evidence of one detector: file, risk in ten-thousandths, whether it was heard, details.
fn said(out: &Path, detector: &str) -> Vec<(String, u64, bool, serde_json::Value)> {
    let (mut evidence, mut refusals) = (Vec::new(), Vec::new());
    read_evidence(&[out.join("evidence.parquet")], |row| evidence.push(row), &mut refusals).expect("a table");
    let rows = evidence.into_iter().filter(|row| row.detector == detector);
    rows.map(|row| {
        let name = row.file.expect("a file").rsplit('/').next().expect("a name").to_owned();
        let details = serde_json::from_str(&row.details).expect("JSON");
        (name, u64::from(row.risk.parts()), row.confidence > Confidence::NONE, details)
    })
    .collect()
}

#[test]
fn every_recording_is_told_which_other_sounds_most_like_it() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), folder.path().join("out"));
    for seed in 0..4 {
        put(&audio, &format!("{seed}.wav"), &piece(seed, 0.0, 12.0, 1.0));
    }
    put(&audio, "copy.wav", &piece(0, 1.0, 10.0, 1.0));
    put(&audio, "silent.wav", &wav(RATE_HZ, 1, &vec![0; 12 * RATE_HZ as usize]));
    let report = scan(&audio, &out, &["--previews", "none"]).good().json();
    assert_eq!(report["detectors"]["resemblance"]["suspicious"].as_u64(), Some(0), "{report}");
    let rows = said(&out, "resemblance");
    assert_eq!(rows.len(), 6);
    for (name, risk, is_heard, details) in &rows {
        assert_eq!((*risk, *is_heard), (0, name != "silent.wav"), "{name}");
        let words = details["words"].as_str().unwrap_or_default();
        assert_eq!(words.starts_with("sounds most like recording audio:"), *is_heard, "{name}: {details}");
    }
    // The copy is the recording, not one that sounds like it.
    let contents = column(&out, "audio", "content_id");
    let near = |at: usize| rows[at].3["recording"].as_str().expect("a recording").to_owned();
    assert!(near(0) != contents[4] && near(4) != contents[0]);

    // What is known already is among the others: the nearest can only be nearer.
    let (known, index) = (folder.path().join("known"), folder.path().join("index"));
    for seed in 10..14 {
        put(&known, &format!("old{seed}.wav"), &piece(seed, 0.0, 12.0, 1.0));
    }
    truestream(&["index", "add", "--index", &text(&index), &text(&known)]).good();
    let with = folder.path().join("with");
    scan(&audio, &with, &["--previews", "none", "--index", &text(&index)]).good();
    let likeness = |row: &(String, u64, bool, serde_json::Value)| row.3["likeness"].as_f64();
    let with = said(&with, "resemblance");
    assert!(rows.iter().zip(&with).all(|(without, with)| likeness(with) >= likeness(without)), "{rows:?} {with:?}");
    assert!(with.iter().any(|row| row.3["recording"].as_str().is_some_and(|name| name.starts_with("old"))), "{with:?}");
    // A recording of the index sounds like itself.
    let answer = truestream(&["match", &text(&known.join("old11.wav")), "--index", &text(&index), "--json"]);
    let alike = &answer.good().json()["alike"];
    assert_eq!((&alike[0]["content_id"], alike[2]["content_id"].is_string()), (&"old11".into(), true), "{alike}");
    assert!(alike[0]["likeness"].as_f64() > Some(0.9999) && alike[1]["likeness"].as_f64() < Some(0.9999), "{alike}");
}

#[test]
fn who_is_not_paid_for_does_not_listen_and_says_so() {
    let folder = TempDir::new().expect("a folder");
    let (audio, policy) = (folder.path().join("audio"), folder.path().join("policy"));
    for number in 0..12 {
        put(&audio, &format!("{number:02}.wav"), &piece(number, 0.0, 9.0, 1.0));
    }
    // Nothing but silence: `sanity` has a suspicion.
    put(&audio, "silent.wav", &wav(RATE_HZ, 1, &vec![0; 12 * RATE_HZ as usize]));
    let paying = |budget_secs: u32, synthesis: &str| {
        let who = format!("flag = 20\nsynthesis = {synthesis:?}\nresemblance = \"all\"\nimpersonation = \"nothing\"\n");
        put(&policy, "listening.toml", format!("budget_secs = {budget_secs}\n{who}").as_bytes());
    };
    let out = |name: &str| folder.path().join(name);
    let scan = |name: &str, more: &[&str]| {
        let policy = text(&policy);
        let line = [&["--policy", &policy, "--previews", "none"], more].concat();
        scan(&audio, &out(name), &line).good().json()
    };

    paying(60, "flagged");
    let report = scan("flagged", &[]);
    assert_eq!(report["not_heard"]["synthesis"]["not_flagged"].as_u64(), Some(12), "{report}");
    assert_eq!(report["not_heard"]["impersonation"]["off"].as_u64(), Some(13), "{report}");
    assert!(report["not_heard"]["resemblance"].is_null(), "{report}");
    let synthesis = said(&out("flagged"), "synthesis");
    assert_eq!(synthesis.len(), 13);
    for (name, risk, is_heard, details) in &synthesis[..12] {
        assert_eq!((*risk, *is_heard, details["not_heard"].as_str()), (0, false, Some("not_flagged")), "{name}");
    }
    assert!(synthesis[12].3["not_heard"].is_null() && synthesis[12].3["tier"].is_string(), "{:?}", synthesis[12]);
    let unheard = column(&out("flagged"), "audio", "not_heard_by");
    assert_eq!(unheard[0], "synthesis: not_flagged; impersonation: off");
    assert_eq!(unheard[12], "impersonation: off");

    // A budget that pays for a share pays for the same share however many listen, and however often the scan is begun.
    paying(4, "all");
    let report = scan("share", &["--jobs", "3"]);
    let left_out = report["not_heard"]["synthesis"]["budget"].as_u64().expect("a count");
    assert!((1..12).contains(&left_out), "{report}");
    let before = everything(&out("share"));
    assert_eq!(scan("share", &[])["contents_heard_now"].as_u64(), Some(0));
    assert_same("a second scan", &before, &everything(&out("share")));
    scan("alone", &["--jobs", "1"]);
    assert_same("one worker", &before, &everything(&out("alone")));
    // Another policy is another scan.
    paying(60, "all");
    assert_eq!(scan("share", &[])["contents_heard_now"].as_u64(), Some(13));
}
