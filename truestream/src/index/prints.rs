//! Files become prints and vectors, several at a time.
//!
//! ```text
//! files ──▶ ear (a process of its own) ──▶ samples, in pieces where they are many ──▶ landmarks, timbre, voice ──▶ (which file, these or why there are none)
//! ```

use std::collections::BTreeSet;
use std::io::Seek;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use datasets::audio::{Clip, Limits};
use datasets::audio_index::Source;
use features::sound::landmarks::{Listener, PASS_HZ, Print, RATE_HZ};
use kernels::{AudioKernels, DeviceChoice, resampled};

use crate::exit::Failure;
use crate::scan::character::{Character, Wanted};
use crate::scan::files;
use crate::scan::hearing::{Allowance, Ear, words_of};

/// All files that are named, and those of folders that are, in order.
pub(crate) fn find(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = BTreeSet::new();
    for input in inputs {
        walk(input, &mut files).map_err(|error| Failure::Input(format!("{}: {error}", input.display())))?;
    }
    if files.is_empty() {
        return Err(Failure::Input("no files to hear: name audio files, or folders with some".to_owned()));
    }
    Ok(files.into_iter().collect())
}

fn walk(path: &Path, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        // Links to folders may lead in circles.
        let is_circle = entry.file_type()?.is_symlink() && entry.path().is_dir();
        if is_hidden || is_circle {
            continue;
        }
        match entry.path().exists() {
            true => walk(&entry.path(), files)?,
            // A link that leads nowhere is refused by name when it is to be heard, and the others are heard.
            false => _ = files.insert(entry.path()),
        }
    }
    Ok(())
}

/// How many files are heard at a time where nobody says.
pub(crate) fn jobs_or_processors(jobs: Option<NonZero<usize>>) -> usize {
    jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get)
}

/// What was heard of a file.
pub(crate) struct Heard {
    pub(crate) print: Print,
    pub(crate) character: Character,
    /// What it was made of.
    pub(crate) source: Source,
}

/// Seconds that two pieces of a long file have in common.
const OVERLAP_SECS: u64 = 4;

/// Hears the files, `jobs` at a time, and hands over each as it is done: its place in `files`, and its print and the wanted vectors or why there
/// are none. Ends early when `take` fails.
pub(crate) fn hear(
    files: &[PathBuf],
    jobs: usize,
    wanted: Wanted,
    mut take: impl FnMut(usize, Result<Heard, String>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (kernels, _) = kernels::open(DeviceChoice::Cpu).map_err(|error| Failure::Usage(error.to_string()))?;
    let listener = Listener::default();
    let next = AtomicUsize::new(0);
    // A few prints may wait; more would only take memory.
    let (done, results) = mpsc::sync_channel(2 * jobs);
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(files.len()) {
            let (done, next, listener, kernels) = (done.clone(), &next, &listener, &*kernels);
            scope.spawn(move || {
                // The files are shared out: what there is to do for one is done by one thread.
                let alone = kernels::alone().map_err(|error| error.to_string());
                let ear = Ear::new(Limits::default(), Allowance::default());
                let ear = ear.map_err(|error| format!("no decoder can be started: {error}"));
                let mut ready = alone.and_then(|alone| ear.map(|ear| (alone, ear)));
                while let Some((at, file)) = next_of(files, next) {
                    let heard = match &mut ready {
                        Ok((_, ear)) => caught(|| heard(ear, file, listener, kernels, wanted)),
                        Err(why) => Err(why.clone()),
                    };
                    if done.send((at, heard)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let outcome = results.iter().try_for_each(|(at, heard)| take(at, heard));
        // Whoever still hears something finds nobody to tell, and ends.
        drop(results);
        outcome
    })
}

fn next_of<'a>(files: &'a [PathBuf], next: &AtomicUsize) -> Option<(usize, &'a PathBuf)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    files.get(at).map(|file| (at, file))
}

fn heard(
    ear: &mut Ear,
    path: &Path,
    listener: &Listener,
    kernels: &dyn AudioKernels,
    wanted: Wanted,
) -> Result<Heard, String> {
    let (mut file, content) = files::hashed(path).map_err(|error| error.to_string())?;
    let clip = ear.hear(&file, content.bytes)?.clip.map_err(|error| error.to_string())?;
    let listen = |clip: &Clip| {
        let samples = resampled(&clip.samples, clip.rate_hz(), RATE_HZ, PASS_HZ);
        listener.listen(kernels, &samples).map_err(|error| error.to_string())
    };
    let mut print = listen(&clip)?;
    let character = Character::of(&clip, kernels, wanted).map_err(|error| error.to_string())?;
    let (frames, rate_hz) = (clip.facts.frames, u64::from(clip.rate_hz()));
    ear.take_back(clip.samples);
    // What was not kept is decoded once more for each piece: few files are so long, and memory stays what it is.
    let step = Limits::default().samples_kept_max - OVERLAP_SECS * rate_hz;
    for samples_passed in (1..).map(|piece| piece * step).take_while(|passed| passed + OVERLAP_SECS * rate_hz < frames)
    {
        let limits = Limits { samples_passed, ..Limits::default() };
        let mut ear = Ear::new(limits, Allowance::default()).map_err(|error| error.to_string())?;
        file.rewind().map_err(|error| error.to_string())?;
        let clip = ear.hear(&file, content.bytes)?.clip.map_err(|error| error.to_string())?;
        print.go_on(&listen(&clip)?, samples_passed as f64 / rate_hz as f64);
    }
    Ok(Heard { print, character, source: source_of(&content)? })
}

/// What a recording of this file is made of.
pub(crate) fn source(path: &Path) -> Result<Source, String> {
    let (_, content) = files::hashed(path).map_err(|error| error.to_string())?;
    source_of(&content)
}

fn source_of(content: &files::Content) -> Result<Source, String> {
    let hash = blake3::Hash::from_hex(&content.hash).map_err(|error| error.to_string())?;
    Ok(Source(*hash.as_bytes().first_chunk().expect("a hash is longer")))
}

/// What the work on a file brings; a panic in it is a reason like any other.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let panicked = |panic: Box<dyn std::any::Any + Send>| format!("listener_panicked: {}", words_of(&*panic));
    catch_unwind(AssertUnwindSafe(work)).map_err(panicked).and_then(|done| done)
}
