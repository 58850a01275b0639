//! Detector `synthesis`: the lines that a neural decoder leaves ([`features::sound::synthesis`]).

use datasets::audio::Clip;
use features::sound::synthesis::calibration::{CERTAIN as CERTAIN_FROM, LIKELY as LIKELY_FROM};
use features::sound::synthesis::{Synthesis, Tier, Trace, Unheard, synthesis};
use kernels::AudioKernels;
use records::{Confidence, Risk};
use serde_json::{Value, json};

use super::{Detector, Finding, Heard, confidence_of, is_noise};
use crate::scan::copies::clock;

/// Lines that no human recording had in the calibration. Not the whole: the calibration is finite.
const CERTAIN: u64 = 9_500;
/// Lines that few human recordings have.
const LIKELY: u64 = 6_000;

pub(super) struct SynthesisDetector;

impl Detector for SynthesisDetector {
    fn name(&self) -> &'static str {
        "synthesis"
    }

    fn version(&self) -> &'static str {
        "5"
    }

    fn listen(&self, clip: &Clip, kernels: &dyn AudioKernels, said: &[Finding]) -> Result<Heard, String> {
        let mut found = synthesis(kernels, &clip.samples, clip.rate_hz()).map_err(|error| error.to_string())?;
        // Noise covers lines, and has none itself: nothing can be said of what it covers.
        let is_covered = found.tier == Tier::None && is_noise(said);
        if is_covered {
            found.tier = Tier::Unsure;
        }
        let (risk, confidence) = match found.tier {
            Tier::Certain => (CERTAIN, Confidence::FULL),
            Tier::Likely => (LIKELY, Confidence::FULL),
            // None, in as much as was heard.
            Tier::None => (0, confidence_of(found.secs / clip.seconds())),
            Tier::Unsure => (0, Confidence::NONE),
        };
        Ok(Heard { risk: Risk::from_parts(risk), confidence, details: details(&found, is_covered) })
    }
}

fn details(found: &Synthesis, is_covered: bool) -> Value {
    let tier = match found.tier {
        Tier::None => "none",
        Tier::Unsure => "unsure",
        Tier::Likely => "likely",
        Tier::Certain => "certain",
    };
    let unheard = found.unheard.map(|unheard| match unheard {
        Unheard::TooShort => "too_short",
        Unheard::BandLimited => "band_limited",
        Unheard::Silent => "silent",
    });
    let unheard = if is_covered { Some("noise") } else { unheard };
    json!({
        "tier": tier,
        "unheard": unheard,
        "evidence": rounded(found.evidence),
        "heard_secs": rounded(found.secs),
        "windows": found.windows,
        "from_secs": rounded(found.from_secs),
        "window_secs": rounded(found.window_secs),
        "likely_from": rounded(LIKELY_FROM + found.more),
        "certain_from": rounded(CERTAIN_FROM + found.more),
        "audible_to_hz": found.audible_to_hz.round(),
        "trace": found.trace.as_ref().map(|trace| traced(trace, found)),
    })
}

fn traced(trace: &Trace, found: &Synthesis) -> Value {
    let (from, to) = (clock(found.from_secs), clock(found.from_secs + found.window_secs));
    let place = if found.windows > 1 { format!(", between {from} and {to}") } else { String::new() };
    json!({
        "words": trace.in_words() + &place,
        "spacing_hz": rounded(trace.spacing_hz),
        "scale": trace.scale,
        "teeth": trace.teeth,
        "teeth_raised": trace.teeth_raised,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
