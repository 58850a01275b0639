//! Random damage to everything that is read and may come from a stranger, or from a disk that failed: nothing crashes, hangs or takes more
//! than it may. Each test takes a moment; `tests/fuzz.sh` asks for a minute each.

use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use datasets::arrivals::read_hearings;
use datasets::audio::{Cause, Limits};
use datasets::audio_index::AudioIndex;
use datasets::tables::{IdKind, TableWriter};
use features::sound::landmarks::{Shelf, Span, copies, passages};
use kernels::DeviceChoice;
use records::{Confidence, Evidence, Id, Risk};
use tempfile::TempDir;
use truestream::scan::hearing::{Allowance, Ear};

use crate::breaking::{broken, fuzz_seed, fuzzed_for, mangled};
use crate::data::text;
use crate::music::{RATE_HZ, music};
use crate::process::truestream;
use crate::waves::{encoded, tones, wav};

/// No small thing takes so long to be read, damaged or not.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// A table with a header of a page that promises more than the file has: it took six minutes to be read.
const ENDLESS: u64 = 87_020_856_370_289_891;

/// Goes on with one number after the other until the time is over; says how many there were.
pub fn go_on(what: &str, mut try_one: impl FnMut(u64)) {
    let (began, seed) = (Instant::now(), fuzz_seed());
    let mut tried = 0;
    while began.elapsed() < fuzzed_for() {
        let started = Instant::now();
        try_one(seed + tried);
        assert!(started.elapsed() < READ_WITHIN, "{what}, number {}: {:?}", seed + tried, started.elapsed());
        tried += 1;
    }
    println!("{what}: {tried} tried");
}

#[test]
fn a_decoder_answers_whatever_it_is_given_within_its_limits() {
    let mut good = encoded();
    good.push(("tone.wav".to_owned(), wav(44_100, 2, &tones(44_100, 2, 0.5))));
    let limits = Limits { samples_kept_max: 1 << 20, ..Limits::default() };
    let words = serde_json::to_string(&limits).expect("JSON");
    let program = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truestream"));
        command.args(["decode-worker", "--limits", &words]);
        command
    };
    let allowance = Allowance { memory_bytes: 128 << 20, cpu: Duration::from_secs(10), ..Allowance::default() };
    let mut ear = Ear::with_program(program, limits, allowance);
    let mut causes = std::collections::BTreeMap::<String, u64>::new();
    go_on("files in a confined decoder", |number| {
        let (name, bytes) = mangled(&good, number);
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).and_then(|()| file.rewind()).expect("written");
        let heard = ear.hear(&file, bytes.len() as u64).expect("a decoder starts");
        let cause = heard.clip.map_or_else(|why| why.cause.name().to_owned(), |_| "decoded".to_owned());
        let is_bad =
            [Cause::Garbled, Cause::SandboxViolated, Cause::DecoderCrashed, Cause::OutOfTime, Cause::OutOfCpuTime];
        assert!(is_bad.iter().all(|bad| bad.name() != cause), "{name}, number {number}: {cause}");
        *causes.entry(cause).or_default() += 1;
    });
    println!("{causes:?}");
}

/// An index of two pieces of music, its files by name.
fn small_index(folder: &Path) -> (String, Vec<(String, Vec<u8>)>) {
    let (audio, index) = (folder.join("audio"), folder.join("index"));
    std::fs::create_dir_all(&audio).expect("a folder");
    for seed in [1, 2] {
        std::fs::write(audio.join(format!("{seed}.wav")), wav(RATE_HZ, 1, &music(seed, 12.0, 1.0))).expect("written");
    }
    truestream(&["index", "add", "--index", &text(&index), &text(&audio)]).good();
    let mut files: Vec<_> = std::fs::read_dir(&index)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            (path.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(&path).expect("a file"))
        })
        .filter(|(name, _)| name != "lock")
        .collect();
    files.sort();
    (text(&index), files)
}

#[test]
fn an_index_is_refused_or_searched_whatever_its_bytes_are() {
    let folder = TempDir::new().expect("a folder");
    let (index, files) = small_index(folder.path());
    let (kernels, _) = kernels::open_with_threads(DeviceChoice::Cpu, Some(1)).expect("the CPU is there");
    let samples: Vec<f32> = music(1, 12.0, 1.0).iter().step_by(2).map(|sample| f32::from(*sample) / 32_768.0).collect();
    let query = features::sound::landmarks::Listener::default().listen(&*kernels, &samples).expect("a print");
    let (mut opened, mut intact) = (0, 0);
    go_on("indexes", |number| {
        let damaged = &files[number as usize % files.len()];
        for (name, bytes) in &files {
            let bytes = if *name == damaged.0 { broken(bytes, number) } else { bytes.clone() };
            // A segment may be mapped: it is never written to, but put in the place of the old one.
            let part = Path::new(&index).join("new");
            std::fs::write(&part, bytes)
                .and_then(|()| std::fs::rename(&part, Path::new(&index).join(name)))
                .expect("written");
        }
        let Ok(index) = AudioIndex::open(Path::new(&index)) else { return };
        opened += 1;
        intact += u64::from(index.check().is_ok());
        let span = |recording: &datasets::audio_index::Recording| Span {
            first_landmark: recording.first_landmark,
            frames: recording.frames,
            is_gone: recording.is_gone,
        };
        let spans: Vec<Vec<Span>> =
            index.segments().iter().map(|segment| segment.recordings().iter().map(span).collect()).collect();
        let shelves: Vec<Shelf<'_>> = index
            .segments()
            .iter()
            .zip(&spans)
            .filter_map(|(segment, spans)| {
                Shelf::new(segment.postings(), segment.directory(), segment.landmarks(), spans)
            })
            .collect();
        assert!(passages(&query, &shelves).iter().all(|passage| passage.score.is_finite()));
        assert!(copies(&query, &shelves, |_, _| false).iter().all(|common| common.seconds >= 0.0));
    });
    println!("{opened} could be opened, {intact} of them were intact");
}

#[test]
fn tables_of_evidence_are_refused_or_read_whatever_their_bytes_are() {
    let folder = TempDir::new().expect("a folder");
    let mut table = TableWriter::create(folder.path(), IdKind::Text).expect("a table");
    for number in 0..300_u64 {
        let row = Evidence {
            content_id: Id::from(format!("content {}", number % 40).as_str()),
            detector: "sanity".to_owned(),
            version: "1".to_owned(),
            risk: Risk::from_parts(number * 33),
            confidence: Confidence::FULL,
            details: r#"{"complaints":["clipped"]}"#.to_owned(),
            known_at: number as i64 * 1_000,
            file: Some(format!("{number}.mp3")),
        };
        table.push(row).expect("a row");
    }
    table.finish().expect("a whole table");
    let good = std::fs::read(folder.path().join("evidence.parquet")).expect("a table");
    let path = folder.path().join("damaged.parquet");
    let (mut read, mut refused) = (0, 0);
    let mut try_one = |number: u64| {
        std::fs::write(&path, broken(&good, number)).expect("written");
        // It lacks what a table of duplicates needs, but for what damage makes of its names.
        let files = [path.clone()];
        let words = |row: &Evidence| row.detector.clone();
        match read_hearings(&files, if number.is_multiple_of(4) { &files } else { &[] }, words, &mut Vec::new()) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    };
    let began = Instant::now();
    try_one(ENDLESS);
    assert!(began.elapsed() < READ_WITHIN, "{:?}", began.elapsed());
    go_on("tables", try_one);
    println!("{read} read, {refused} refused");
}

#[test]
fn a_journal_is_read_or_forgotten_whatever_its_bytes_are() {
    let folder = TempDir::new().expect("a folder");
    let (audio, out) = (folder.path().join("audio"), text(&folder.path().join("out")));
    std::fs::create_dir_all(&audio).expect("a folder");
    std::fs::write(audio.join("a.wav"), wav(RATE_HZ, 1, &music(1, 6.0, 1.0))).expect("written");
    std::fs::write(audio.join("b.wav"), b"no sound").expect("written");
    let line = ["scan", &text(&audio), "--out", &out, "--previews", "none", "--at", "2026-01-05T00:00:00Z"];
    truestream(&line).good();
    let journal = Path::new(&out).join("scan.journal");
    let (good, evidence) = (std::fs::read(&journal).expect("a journal"), Path::new(&out).join("evidence.parquet"));
    let expected = std::fs::read(&evidence).expect("a table");
    go_on("journals", |number| {
        std::fs::write(&journal, broken(&good, number)).expect("written");
        truestream(&line).good();
        assert!(std::fs::read(&evidence).expect("a table") == expected, "number {number}: other evidence");
    });
}
