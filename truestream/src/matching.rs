//! `truestream match`: which recordings of an index does a file contain, and which do sound like it?
//!
//! ```text
//! files ─┬▶ prints ──▶ passages in the segments of the index ─┬▶ one answer per file, in their order
//!        └▶ timbres ──▶ nearest timbres of the index ─────────┘
//! ```

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::audio_index::{AudioIndex, Recording};
use features::sound::landmarks::{Passage, Print, passages};
use features::sound::timbre::{Timbre, chance};
use serde::Serialize;

use crate::exit::Failure;
use crate::index::library::Library;
use crate::index::prints::{self, Heard};
use crate::scan::character::{Character, Wanted};

/// So many recordings that sound like the file are named.
const ALIKE: usize = 3;
/// On screen only those that few pairs of unrelated recordings are as alike as: something is always the nearest.
const CHANCE_MAX: f64 = 0.01;

/// Finds recordings of an index in audio files.
#[derive(Args, Clone, Debug)]
#[command(
    long_about = "Says which recordings of an index audio files contain: where, how long, at which speed and pitch. A file of \
                  any length is searched for in parts of 10 s; less than 5 s is rarely enough.",
    after_help = "docs/SOUND.md says what the numbers mean and how often they are wrong.\n\n\
                  Examples:\n  \
                  truestream match suspicious.mp3 --index prints\n  \
                  truestream match uploads/*.flac --index prints --json\n\n\
                  Exit codes: 0 all files were heard, whether or not something was found; 2 the command line is wrong; 4 the index or a file \
                  cannot be read or heard."
)]
pub struct MatchArgs {
    /// Audio files, and folders whose files are all taken.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The folder of the index.
    #[arg(long, value_name = "DIR")]
    index: PathBuf,
    /// Print one JSON object per file.
    #[arg(long)]
    json: bool,
    /// Files that are heard at the same time [default: one per processor].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
}

/// What is said of a file.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    file: String,
    seconds: f32,
    matches: Vec<Match<'a>>,
    /// Whether or not it is in them: the recordings that sound most like it.
    alike: Vec<Alike<'a>>,
}

/// A recording that sounds like the file.
#[derive(Debug, Serialize)]
struct Alike<'a> {
    content_id: &'a str,
    /// The cosine of the timbres.
    likeness: f64,
    /// Share of pairs of unrelated recordings that are as alike.
    chance: f64,
}

/// A stretch of a file that is in a recording.
#[derive(Debug, Serialize)]
struct Match<'a> {
    content_id: &'a str,
    /// Where in the file the stretch begins.
    from_seconds: f32,
    length_seconds: f32,
    /// Where in the recording it begins.
    offset_seconds: f32,
    /// Times as fast as the recording.
    speed: f32,
    /// Times as high as the recording.
    pitch: f32,
    /// Share of the file's landmarks in the stretch's parts that the recording has at their place.
    matched_share: f32,
    score: f32,
    /// How sure it is that this is no chance.
    confidence: f64,
}

/// Runs the command.
///
/// # Errors
/// See the help.
pub fn run(args: &MatchArgs) -> Result<(), Failure> {
    let index = AudioIndex::open(&args.index).map_err(|error| Failure::Input(error.to_string()))?;
    let library = Library::of(&[&index])?;
    let files = prints::find(&args.files)?;
    let timbres = timbres(&index);
    let mut early: BTreeMap<usize, Result<Heard, String>> = BTreeMap::new();
    let (mut told, mut unheard) = (0, 0);
    prints::hear(&files, prints::jobs_or_processors(args.jobs), Wanted::TIMBRE, |at, heard| {
        early.insert(at, heard);
        while let Some(heard) = early.remove(&told) {
            match heard {
                Ok(Heard { print, character, .. }) => {
                    let alike = alike(&timbres, &character);
                    tell(&Answer { alike, ..answer(&library, &files[told], &print) }, args.json);
                }
                Err(why) => {
                    unheard += 1;
                    eprintln!("{}: {why}", files[told].display());
                }
            }
            told += 1;
        }
        Ok(())
    })?;
    match unheard {
        0 => Ok(()),
        unheard => Err(Failure::Input(format!("{unheard} of {} files could not be heard", files.len()))),
    }
}

fn answer<'a>(library: &Library<'a>, file: &Path, print: &Print) -> Answer<'a> {
    let passages = passages(print, &library.shelves());
    let matches = passages.iter().map(|passage| found(library, passage)).collect();
    Answer { file: file.display().to_string(), seconds: print.seconds(), matches, alike: Vec::new() }
}

/// The timbres of all recordings of the index.
fn timbres(index: &AudioIndex) -> Vec<(&str, Timbre)> {
    let timbre = |recording: &Recording| Character::from_index(&recording.vectors).timbre;
    index.recordings().filter_map(|recording| Some((recording.content_id.as_str(), timbre(recording)?))).collect()
}

/// The recordings that sound most like the file.
fn alike<'a>(timbres: &[(&'a str, Timbre)], character: &Character) -> Vec<Alike<'a>> {
    let Some(own) = character.timbre else { return Vec::new() };
    let mut alike: Vec<(&str, f64)> =
        timbres.iter().map(|(content_id, timbre)| (*content_id, own.likeness(timbre))).collect();
    alike.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    alike.truncate(ALIKE);
    alike.into_iter().map(|(content_id, likeness)| Alike { content_id, likeness, chance: chance(likeness) }).collect()
}

fn found<'a>(library: &Library<'a>, passage: &Passage) -> Match<'a> {
    Match {
        content_id: &library.recording(passage.shelf, passage.span).content_id,
        from_seconds: passage.from_seconds,
        length_seconds: passage.length_seconds,
        offset_seconds: passage.offset_seconds,
        speed: passage.speed,
        pitch: passage.pitch,
        matched_share: passage.matched_share,
        score: passage.score,
        confidence: passage.confidence,
    }
}

fn tell(answer: &Answer<'_>, json: bool) {
    if json {
        println!("{}", serde_json::to_string(answer).expect("numbers and names are JSON"));
        return;
    }
    println!("{} ({:.1} s)", answer.file, answer.seconds);
    if answer.matches.is_empty() {
        println!("  nothing of the index is in it");
    }
    for found in &answer.matches {
        let chance = 1.0 - found.confidence;
        let by_chance =
            if chance < 1e-9 { "less than 1 in 10^9".to_owned() } else { format!("1 in {:.0}", chance.recip()) };
        println!(
            "  {}: {:.1} s from {:.1} s on are its {:.1} s on; speed x{:.3}, pitch {:+.2} semitones, {:.0} % of landmarks; by chance {by_chance}",
            found.content_id,
            found.length_seconds,
            found.from_seconds,
            found.offset_seconds,
            found.speed,
            semitones(found.pitch),
            100.0 * found.matched_share,
        );
    }
    let is_matched = |content_id| answer.matches.iter().any(|found| found.content_id == content_id);
    for found in answer.alike.iter().filter(|found| found.chance <= CHANCE_MAX && !is_matched(found.content_id)) {
        let pairs = (1.0 / found.chance).round();
        println!(
            "  sounds like {}: likeness {:.2}, as 1 in {pairs} of unrelated pairs",
            found.content_id, found.likeness
        );
    }
}

/// A factor of pitch in hundredths of a semitone, none of them a negative zero.
fn semitones(pitch: f32) -> f32 {
    (1_200.0 * pitch.log2()).round() / 100.0 + 0.0
}
