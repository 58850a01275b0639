//! The options of a scan, and what they decide.

use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use datasets::audio::Limits;
use datasets::formats::instant;
use datasets::policy;
use features::sound::timbre;
use kernels::{AudioKernels, DeviceChoice};
use records::Millis;
use records::listening::{Listener, Listening};
use serde::Serialize;

use super::detectors::{self, Detector};
use super::hearing::Allowance;
use super::journal::Allowed;
use super::{preview, prints};
use crate::exit::Failure;
use crate::replay::laws::latest;

/// Listens to audio files and writes down what is wrong with them.
#[derive(Args, Clone, Debug)]
#[command(
    long_about = "Decodes audio files, each in a process that can reach nothing, and lets every detector listen. Writes evidence.parquet, \
                  audio.parquet, duplicate_group.parquet, refusal.parquet, previews and fingerprints, by which copies are found. A scan that was killed goes on where it \
                  was; one that is run again hears only what is new.",
    after_help = "docs/SOUND.md says what each detector hears and what each number means.\n\n\
                  Examples:\n  \
                  truestream scan uploads/ --catalogue data/tracks.parquet --out heard\n  \
                  truestream scan uploads/ --index prints --out heard\n  \
                  truestream scan song.mp3 other.flac --out heard --json"
)]
pub struct ScanArgs {
    /// Audio files, and folders whose files are all taken.
    #[arg(required = true, value_name = "PATH")]
    pub inputs: Vec<PathBuf>,

    /// The catalogue: tracks.parquet files whose audio_uri, or track id, names the audio files.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub catalogue: Vec<PathBuf>,

    /// Recordings that are known already: an index of fingerprints that `truestream index` made. It is only read.
    #[arg(long, value_name = "DIR")]
    pub index: Option<PathBuf>,

    /// The policy: its listening.toml says who hears which recordings, and what that may cost.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,

    /// Folder for the tables, the previews, the fingerprints and the journal.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// Where the kernels run: auto, cpu or cuda.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,

    /// Files that are heard at the same time [default: one per processor].
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZero<usize>>,

    /// From when on the evidence is known: an instant, or "changed" for when each file was last changed [default: when the first track of
    /// the file was uploaded, by the catalogue, else when the file was heard].
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,

    /// Pictures to make of each recording.
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub previews: Previews,

    /// Memory that the decoding of a file may take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub decode_memory: u64,

    /// CPU time that the decoding of a file may take, in seconds; a second for each MiB of the file comes on top.
    #[arg(long, value_name = "SECS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub decode_cpu: u64,

    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which pictures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Previews {
    /// None.
    None,
    /// The waveform.
    Peaks,
    /// The waveform and the spectrogram.
    All,
}

/// From when on evidence is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dated {
    /// Since the first track of the file was uploaded, as far as the catalogue tells; else since it was heard.
    Uploaded,
    /// Since the file was last changed.
    Changed,
    /// Since an instant.
    At(Millis),
}

/// What the options decide.
pub(super) struct Plan {
    pub(super) jobs: usize,
    pub(super) kernels: Box<dyn AudioKernels>,
    /// Which device the kernels took, and why.
    pub(super) device: String,
    pub(super) dated: Dated,
    /// The index of recordings that are known already.
    pub(super) index: Option<PathBuf>,
    pub(super) previews: Previews,
    pub(super) allowance: Allowance,
    pub(super) detectors: [Box<dyn Detector>; 2],
    /// Who hears which contents.
    pub(super) listening: Listening,
}

/// What results depend on: a journal of other settings says nothing about this scan.
#[derive(Serialize)]
pub(super) struct Settings<'a> {
    format: u32,
    limits: &'a Limits,
    detectors: Vec<(&'static str, &'static str)>,
    previews: Previews,
    preview_version: u32,
    print_version: u32,
    timbre_version: &'static str,
    listening: &'a Listening,
}

impl ScanArgs {
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let choice =
            DeviceChoice::from_str(&self.device).map_err(|error| Failure::Usage(format!("--device: {error}")))?;
        let (kernels, device) = kernels::open(choice).map_err(|error| Failure::Usage(format!("--device: {error}")))?;
        let processors = || std::thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Plan {
            jobs: self.jobs.map_or_else(processors, NonZero::get),
            kernels,
            device,
            dated: self.dated()?,
            index: self.index.clone(),
            previews: self.previews,
            allowance: Allowance {
                memory_bytes: self.decode_memory << 20,
                cpu: Duration::from_secs(self.decode_cpu),
                ..Allowance::default()
            },
            detectors: detectors::all(),
            listening: policy::listening(latest(self.policy.as_deref())?.as_deref())
                .map_err(|error| Failure::Input(error.to_string()))?,
        })
    }
}

impl ScanArgs {
    fn dated(&self) -> Result<Dated, Failure> {
        let Some(text) = self.at.as_deref() else { return Ok(Dated::Uploaded) };
        if text == "changed" {
            return Ok(Dated::Changed);
        }
        let expected = "expected such as 2026-01-31T00:00:00Z, or changed";
        let at = instant::from_text(text);
        at.map(Dated::At).ok_or_else(|| Failure::Usage(format!("--at {text:?} is no time; {expected}")))
    }
}

impl Plan {
    /// What a decoder may take.
    pub(super) fn allowed(&self) -> Allowed {
        Allowed { memory_bytes: self.allowance.memory_bytes, cpu_secs: self.allowance.cpu.as_secs() }
    }

    /// The version of a listener.
    pub(super) fn version(&self, listener: Listener) -> &'static str {
        let own = self.detectors.iter().find(|detector| detector.name() == listener.name());
        own.map_or(timbre::VERSION, |detector| detector.version())
    }

    pub(super) fn settings<'a>(&'a self, limits: &'a Limits) -> Settings<'a> {
        let detectors = self.detectors.iter().map(|detector| (detector.name(), detector.version())).collect();
        Settings {
            format: 3,
            limits,
            detectors,
            previews: self.previews,
            preview_version: preview::VERSION,
            print_version: prints::VERSION,
            timbre_version: timbre::VERSION,
            listening: &self.listening,
        }
    }
}
