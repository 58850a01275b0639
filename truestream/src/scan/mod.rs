//! `truestream scan`: audio files in, evidence out.
//!
//! ```text
//! files ──▶ walk ──▶ hash ──▶ heard before? ──▶ journal ───────────────────────────────────────────────────────┐
//!                               └─ no ─▶ ear (a process of its own) ─▶ detectors, previews, print ─▶ journal ────┤
//! prints of all ──▶ which recordings are one? ───────────────────────────────────────────────────────────────────┼─▶ tables
//! timbres and voices of all ──▶ what sounds alike? who sings like whom? ─────────────────────────────────────────┤
//! catalogue ──▶ which recording is it, and whose? ───────────────────────────────────────────────────────────────┘
//! ```
//!
//! What the bytes of a file are decides what is heard in them, so each content is heard once, however many files carry it. A scan
//! that is killed goes on where it was; its tables are the same bytes as those of a scan that was not.

mod alike;
mod args;
mod budget;
mod catalogue;
pub(crate) mod character;
mod copies;
mod detectors;
pub(crate) mod files;
pub mod hearing;
mod impersonation;
mod jobs;
mod journal;
mod preview;
pub(crate) mod prints;
mod progress;
mod report;
mod resemblance;
mod tables;

use args::Plan;
pub use args::ScanArgs;

use datasets::audio::Limits;
use datasets::audio_index::AudioIndex;

use crate::exit::Failure;
use catalogue::Catalogue;
use jobs::Done;
use journal::Journal;
use tables::{Compared, Counts};

/// Scans what the arguments name.
///
/// # Errors
/// `Usage` for arguments that cannot be, `Input` where there are no files or the catalogue cannot be read, `Output` where the
/// folder cannot be written or no decoder can be started.
pub fn run(args: &ScanArgs) -> Result<(), Failure> {
    let plan = args.plan()?;
    let (done, tables) = carry_out(args, &plan)?;
    report::tell(args, &plan, &done, &tables)
}

/// Scans what the arguments name and says nothing.
///
/// # Errors
/// As [`run`].
pub fn scan(args: &ScanArgs) -> Result<(), Failure> {
    carry_out(args, &args.plan()?).map(drop)
}

fn carry_out(args: &ScanArgs, plan: &Plan) -> Result<(Done, Counts), Failure> {
    let files = files::find(&args.inputs, &args.out)?;
    let known = plan.index.as_deref().map(AudioIndex::open).transpose();
    let known = known.map_err(|error| Failure::Input(error.to_string()))?;
    let names = known.iter().flat_map(|index| index.recordings()).map(|recording| recording.content_id.as_str());
    let catalogue = Catalogue::read(&args.catalogue, names)?;
    let _lock = journal::lock(&args.out)?;
    let mut journal = Journal::open(&args.out, &plan.settings(&Limits::default()))?;

    let mut done = jobs::run(&files, plan, &mut journal, &args.out)?;
    let sounds = done.sounds(&journal);
    let alike = alike::compare(&args.out, &sounds, known.as_ref(), plan.jobs, &mut done.costs)?;
    let near = resemblance::compare(&sounds, &journal, known.as_ref(), &*plan.kernels, &mut done.costs)?;
    let compared = Compared { alike, near, voices: resemblance::voices(known.as_ref()) };
    let mut tables = tables::write(&args.out, &done, &catalogue, &journal, &compared, plan)?;
    tables.is_begun_anew = journal.is_begun_anew;
    journal.settle(&args.out)?;
    Ok((done, tables))
}
