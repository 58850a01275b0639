//! Detector `synthesis`: the lines that a neural decoder leaves ([`features::sound::synthesis`]).

use datasets::audio::Clip;
use features::sound::synthesis::{Synthesis, Tier, Trace, Unheard, synthesis};
use kernels::AudioKernels;
use records::{Confidence, Risk};
use serde_json::{Value, json};

use super::{Detector, Heard};

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

    fn listen(&self, clip: &Clip, kernels: &dyn AudioKernels) -> Result<Heard, String> {
        let found = synthesis(kernels, &clip.samples, clip.rate_hz()).map_err(|error| error.to_string())?;
        let (risk, confidence) = match found.tier {
            Tier::Certain => (CERTAIN, Confidence::FULL),
            Tier::Likely => (LIKELY, Confidence::FULL),
            Tier::None => (0, Confidence::FULL),
            Tier::Unsure => (0, Confidence::NONE),
        };
        Ok(Heard { risk: Risk::from_parts(risk), confidence, details: details(&found) })
    }
}

fn details(found: &Synthesis) -> Value {
    let tier = match found.tier {
        Tier::None => "none",
        Tier::Unsure => "unsure",
        Tier::Likely => "likely",
        Tier::Certain => "certain",
    };
    let unheard = found.unheard.map(|unheard| match unheard {
        Unheard::TooShort => "too_short",
        Unheard::BandLimited => "band_limited",
    });
    json!({
        "tier": tier,
        "unheard": unheard,
        "evidence": rounded(found.evidence),
        "heard_secs": rounded(found.secs),
        "audible_to_hz": found.audible_to_hz.round(),
        "trace": found.trace.as_ref().map(trace),
    })
}

fn trace(trace: &Trace) -> Value {
    json!({
        "words": trace.in_words(),
        "spacing_hz": rounded(trace.spacing_hz),
        "scale": trace.scale,
        "teeth": trace.teeth,
        "teeth_raised": trace.teeth_raised,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
