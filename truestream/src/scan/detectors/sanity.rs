//! Detector `sanity`: what is plainly wrong with a recording ([`features::sound::sanity`]).

use datasets::audio::Clip;
use features::sound::sanity::{ChannelLevel, Complaint, Declared, Sanity, Sound, sanity};
use kernels::AudioKernels;
use records::Risk;
use serde_json::{Value, json};

use super::{Detector, Finding, Heard, confidence_of};

/// Its name in the tables.
pub(super) const NAME: &str = "sanity";
/// What it calls noise.
pub(super) const NOISE_LIKE: &str = "noise_like";

pub(super) struct SanityDetector;

impl Detector for SanityDetector {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> &'static str {
        "4"
    }

    fn listen(&self, clip: &Clip, kernels: &dyn AudioKernels, _said: &[Finding]) -> Result<Heard, String> {
        let facts = &clip.facts;
        let level = |level: &datasets::audio::Level| ChannelLevel { peak: level.peak, rms: level.rms, dc: level.dc };
        let levels: Vec<ChannelLevel> = facts.levels.iter().map(level).collect();
        let sound = Sound {
            mono: &clip.samples,
            rate_hz: facts.rate_hz,
            levels: &levels,
            correlation: facts.correlation,
            secs: facts.seconds(),
            secs_promised: facts.frames_promised.map(|frames| frames as f64 / f64::from(facts.rate_hz.max(1))),
        };
        let found = sanity(kernels, &sound).map_err(|error| error.to_string())?;
        let complaints = found.complaints(declared(clip));
        // The worst complaint counts: two symptoms of one fault are no two faults.
        let risk = complaints.iter().map(weight).max().unwrap_or(0);
        let confidence = confidence_of(clip.kept_seconds() / clip.seconds());
        Ok(Heard { risk: Risk::from_parts(risk), confidence, details: details(&found, &complaints) })
    }
}

/// What the file promises of its own quality.
fn declared(clip: &Clip) -> Option<Declared> {
    let codec = clip.facts.codec.as_str();
    let is_lossless = codec == "flac" || codec == "alac" || codec.starts_with("pcm_");
    Some(match is_lossless {
        true => Declared::Lossless,
        false => Declared::Lossy { bits_per_sec: clip.facts.bits_per_second() as u32 },
    })
}

/// How much a complaint says of fraud, in ten-thousandths. Judgement, in four steps: made to be streamed and not heard (loops, noise,
/// silence); padded; not what it says it is; a fault of craft that honest people make.
fn weight(complaint: &Complaint) -> u64 {
    match complaint {
        Complaint::Loop(_) | Complaint::NoiseLike(_) | Complaint::MostlySilent(_) => 6_000,
        Complaint::LongSilence(_) => 4_000,
        Complaint::Transcoded(_) | Complaint::Cut(_) | Complaint::CancelsInMono(_) => 2_000,
        Complaint::Clipped(_) | Complaint::OffCentre(_) | Complaint::DeadChannels(_) => 500,
    }
}

fn name(complaint: &Complaint) -> &'static str {
    match complaint {
        Complaint::MostlySilent(_) => "mostly_silent",
        Complaint::LongSilence(_) => "long_silence",
        Complaint::Clipped(_) => "clipped",
        Complaint::OffCentre(_) => "off_centre",
        Complaint::DeadChannels(_) => "dead_channels",
        Complaint::CancelsInMono(_) => "cancels_in_mono",
        Complaint::Loop(_) => "loop",
        Complaint::NoiseLike(_) => NOISE_LIKE,
        Complaint::Transcoded(_) => "transcoded",
        Complaint::Cut(_) => "cut",
    }
}

fn details(found: &Sanity, complaints: &[Complaint]) -> Value {
    json!({
        "complaints": complaints.iter().map(name).collect::<Vec<_>>(),
        "silent_share": rounded(found.silence.share),
        "silent_head_secs": rounded(found.silence.head_secs),
        "silent_tail_secs": rounded(found.silence.tail_secs),
        "silent_longest_secs": rounded(found.silence.longest_secs),
        "clipped_ppm": rounded(found.clipping.ppm),
        "dead_channels": found.channels.dead,
        "dc": rounded(found.channels.dc_max),
        "imbalance_db": rounded(found.channels.imbalance_db),
        "correlation": found.channels.correlation.map(rounded),
        "loudness_lufs": found.loudness_lufs.map(rounded),
        "loop_similarity": found.repeats.map(|repeats| rounded(repeats.similarity)),
        "loop_secs": found.repeats.map(|repeats| rounded(repeats.lag_secs)),
        "flatness": rounded(found.flatness),
        "level_spread_db": rounded(found.level_spread_db),
        "cutoff_hz": found.cutoff_hz.map(f64::round),
        "secs_beyond_promise": found.secs_beyond_promise.map(rounded),
    })
}

/// Four places: more than anybody reads, less than rounding shows.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
