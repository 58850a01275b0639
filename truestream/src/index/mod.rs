//! `truestream index`: an index of fingerprints, kept up to date.
//!
//! ```text
//! add      files ──▶ prints, vectors ──▶ writer, a commit every few seconds ──▶ index
//! remove   ids   ──▶ writer ──▶ index
//! stat     index ──▶ how many recordings, how many bytes, whether they are intact
//! compact  index ──▶ one segment
//! ```

pub(crate) mod library;
pub(crate) mod prints;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use datasets::audio_index::{AudioIndex, Entry, IndexWriter, Source};
use features::sound::landmarks::{FRAMES_PER_SECOND, IndexedPrint, Print};
use serde::Serialize;

use crate::exit::Failure;
use crate::scan::character::{Character, Wanted};

/// What waits for a commit takes at most about so much memory: 60 hours of sound are 35 MB.
pub(crate) const PENDING_LANDMARKS_MAX: usize = 3_000_000;

/// Keeps an index of fingerprints.
#[derive(Args, Clone, Debug)]
#[command(
    long_about = "Keeps an index of fingerprints on disk, in which `truestream match` finds recordings again after re-encoding, noise, \
                  trimming, and changes of speed (+-10 %) and pitch (+-2 semitones).",
    after_help = "docs/SOUND.md says how it works and how well.\n\n\
                  Examples:\n  \
                  truestream index add --index prints uploads/\n  \
                  truestream index remove --index prints GBAYE0601498\n  \
                  truestream index stat --index prints --json\n\n\
                  Exit codes: 0 done, 2 the command line is wrong, 4 files could not be read or heard, or have the name of another recording (the others are in), \
                  5 the index cannot be written."
)]
pub struct IndexArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Adds recordings. What is in the index already is not heard again; run it again after a crash and it goes on. A file that has the name of a
    /// recording made of another file is refused.
    Add(AddArgs),
    /// Removes recordings.
    Remove(RemoveArgs),
    /// Says what is in the index, after comparing all checksums.
    Stat(StatArgs),
    /// Rewrites the index as one segment without what was removed: the same recordings are then the same bytes.
    Compact(Folder),
}

#[derive(Args, Clone, Debug)]
struct Folder {
    /// The folder of the index.
    #[arg(long, value_name = "DIR")]
    index: PathBuf,
}

#[derive(Args, Clone, Debug)]
struct AddArgs {
    #[command(flatten)]
    folder: Folder,
    /// Audio files, and folders whose files are all taken.
    #[arg(required = true, value_name = "PATH")]
    inputs: Vec<PathBuf>,
    /// What a recording is called: the name of its file without the ending, or the path as it was found.
    #[arg(long, value_enum, default_value = "name", value_name = "WHICH")]
    ids: Ids,
    /// Hears recordings again that are in the index, and replaces them.
    #[arg(long)]
    replace: bool,
    /// Files that are heard at the same time [default: one per processor].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// So often, in milliseconds, what was heard is made to last: at most so much is heard again after a crash.
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    commit_every: u64,
}

#[derive(Args, Clone, Debug)]
struct RemoveArgs {
    #[command(flatten)]
    folder: Folder,
    /// The recordings.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Args, Clone, Debug)]
struct StatArgs {
    #[command(flatten)]
    folder: Folder,
    /// Print as JSON, with all recordings.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ids {
    Name,
    Path,
}

/// Runs the command.
///
/// # Errors
/// See the help.
pub fn run(args: &IndexArgs) -> Result<(), Failure> {
    match &args.action {
        Action::Add(args) => add(args),
        Action::Remove(args) => remove(args),
        Action::Stat(args) => stat(args),
        Action::Compact(folder) => writer(&folder.index)?.compact().map_err(output),
    }
}

fn writer(dir: &Path) -> Result<IndexWriter, Failure> {
    IndexWriter::open(dir).map_err(output)
}

fn output(error: datasets::Error) -> Failure {
    match error {
        datasets::Error::Io { .. } => Failure::Output(error.to_string()),
        _ => Failure::Input(error.to_string()),
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let named = named(&prints::find(&args.inputs)?, args.ids)?;
    let mut writer = writer(&args.folder.index)?;
    let (known, new): (Vec<_>, Vec<_>) = named.into_iter().partition(|(id, _)| !args.replace && writer.contains(id));
    let others = known.iter().filter(|(id, file)| is_of_another_file(&writer, id, file)).count();
    let (ids, files): (Vec<String>, Vec<PathBuf>) = new.into_iter().unzip();
    let (mut added, mut unheard) = (0, 0);
    let commit_every = Duration::from_millis(args.commit_every);
    let (mut committed, mut pending) = (Instant::now(), 0);
    prints::hear(&files, prints::jobs_or_processors(args.jobs), Wanted::ALL, |at, heard| {
        match heard {
            Ok(heard) => {
                let entry = Entry { source: heard.source, ..entry(&ids[at], &heard.print, &heard.character) };
                pending += entry.landmarks.len();
                writer.add(entry);
                added += 1;
            }
            Err(why) => {
                unheard += 1;
                eprintln!("{}: {why}", files[at].display());
            }
        }
        if committed.elapsed() >= commit_every || pending >= PENDING_LANDMARKS_MAX {
            writer.commit().map_err(output)?;
            (committed, pending) = (Instant::now(), 0);
        }
        Ok(())
    })?;
    writer.commit().map_err(output)?;
    println!("added {added}; the index has {} recordings", writer.len());
    let mut wrong = Vec::new();
    if unheard > 0 {
        wrong.push(format!("{unheard} of {} files could not be heard", files.len()));
    }
    if others > 0 {
        let remedy = "say --replace to have them in the place of the old ones, --ids path to have both, or rename them";
        wrong.push(format!("{others} files were not added, because others of their names are in the index: {remedy}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Input(wrong.join("; "))) }
}

/// Whether the recording of the index was made of other bytes than the file's, and says so. What an earlier version of the program added tells
/// nothing of its file, and is taken for this one.
fn is_of_another_file(writer: &IndexWriter, id: &str, file: &Path) -> bool {
    let Some(source) = writer.source(id).filter(|source| *source != Source::UNKNOWN) else { return false };
    match prints::source(file) {
        Ok(own) if own == source => return false,
        Ok(_) => eprintln!("{}: {id} is in the index, made of another file", file.display()),
        Err(why) => eprintln!("{}: {why}", file.display()),
    }
    true
}

/// The files by what their recordings are called.
fn named(files: &[PathBuf], ids: Ids) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
        let id = match ids {
            Ids::Name => file.file_stem().unwrap_or(file.as_os_str()),
            Ids::Path => file.as_os_str(),
        };
        let id = id.to_str().ok_or_else(|| Failure::Usage(format!("{}: its name is no UTF-8 text", file.display())))?;
        if let Some(other) = named.insert(id.to_owned(), file.clone()) {
            let (first, second) = (other.display(), file.display());
            return Err(Failure::Usage(format!(
                "{first} and {second} are both called {id}; rename one, or say --ids path"
            )));
        }
    }
    Ok(named)
}

pub(crate) fn entry(content_id: &str, print: &Print, character: &Character) -> Entry {
    let IndexedPrint { frames, landmarks, postings } = IndexedPrint::of(print);
    let vectors = character.for_index();
    Entry { content_id: content_id.to_owned(), frames, landmarks, postings, vectors, source: Source::UNKNOWN }
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    // A folder that is no index is not made one.
    AudioIndex::open(&args.folder.index).map_err(|error| Failure::Input(error.to_string()))?;
    let mut writer = writer(&args.folder.index)?;
    let unknown: Vec<&str> = args.ids.iter().filter(|id| !writer.remove(id)).map(String::as_str).collect();
    writer.commit().map_err(output)?;
    println!("removed {}; the index has {} recordings", args.ids.len() - unknown.len(), writer.len());
    match unknown.as_slice() {
        [] => Ok(()),
        unknown => Err(Failure::Input(format!("not in the index: {}", unknown.join(", ")))),
    }
}

#[derive(Serialize)]
struct Stat<'a> {
    recordings: usize,
    seconds: f64,
    bytes: u64,
    bytes_per_second: f64,
    segments: usize,
    contents: Vec<Content<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    content_id: &'a str,
    seconds: f64,
}

fn stat(args: &StatArgs) -> Result<(), Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let index = AudioIndex::open(&args.folder.index).map_err(input)?;
    index.check().map_err(input)?;
    let mut contents: Vec<Content<'_>> = index
        .recordings()
        .map(|recording| Content {
            content_id: &recording.content_id,
            seconds: f64::from(recording.frames) / f64::from(FRAMES_PER_SECOND),
        })
        .collect();
    contents.sort_by_key(|content| content.content_id);
    let seconds: f64 = contents.iter().map(|content| content.seconds).sum();
    let stat = Stat {
        recordings: contents.len(),
        seconds,
        bytes: index.bytes(),
        bytes_per_second: index.bytes() as f64 / seconds.max(1.0),
        segments: index.segments().len(),
        contents,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&stat).expect("numbers and names are JSON"));
    } else {
        println!(
            "{} recordings, {:.2} h of sound, {} bytes ({:.0} per second of sound), {} segments, all intact",
            stat.recordings,
            seconds / 3600.0,
            stat.bytes,
            stat.bytes_per_second,
            stat.segments
        );
    }
    Ok(())
}
