//! The seam between what is heard and who listens: a detector is a name, a version and a function of the clip.

mod sanity;
mod synthesis;

use datasets::audio::Clip;
use kernels::AudioKernels;
use records::{Confidence, Risk};
use serde::{Deserialize, Serialize};

/// What a detector says of a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finding {
    /// Who says it.
    pub(super) detector: String,
    /// Which version of it.
    pub(super) version: String,
    /// How sure it is that something is wrong.
    pub(super) risk: Risk,
    /// How much the clip let it hear.
    pub(super) confidence: Confidence,
    /// What it saw, as a JSON object; kept as text, so that it comes out as it went in.
    pub(super) details: String,
}

/// Listens to a clip.
pub(super) trait Detector: Send + Sync {
    /// Its name in the tables.
    fn name(&self) -> &'static str;

    /// Its version; it changes whenever a number may.
    fn version(&self) -> &'static str;

    /// What it hears: risk, confidence and details. `said` is what those before it said.
    ///
    /// # Errors
    /// Why it could not listen.
    fn listen(&self, clip: &Clip, kernels: &dyn AudioKernels, said: &[Finding]) -> Result<Heard, String>;
}

/// Whether the recording is noise, as `sanity` says.
pub(super) fn is_noise(said: &[Finding]) -> bool {
    let sanity = said.iter().find(|finding| finding.detector == sanity::NAME);
    let details = sanity.and_then(|finding| serde_json::from_str::<serde_json::Value>(&finding.details).ok());
    let complaints = details.as_ref().and_then(|details| details["complaints"].as_array());
    complaints.is_some_and(|complaints| complaints.iter().any(|complaint| complaint == sanity::NOISE_LIKE))
}

/// The confidence of who heard so much of a recording; a little is never nothing.
pub(super) fn confidence_of(share: f64) -> Confidence {
    let parts = (share.clamp(0.0, 1.0) * 10_000.0).round() as u64;
    Confidence::from_parts(if share > 0.0 { parts.max(1) } else { 0 })
}

/// What a detector heard.
pub(super) struct Heard {
    pub(super) risk: Risk,
    pub(super) confidence: Confidence,
    pub(super) details: serde_json::Value,
}

/// Everyone who listens to a clip alone: first who hears every one, then who is paid for by the policy.
pub(super) fn all() -> [Box<dyn Detector>; 2] {
    [Box::new(sanity::SanityDetector), Box::new(synthesis::SynthesisDetector)]
}

/// What the detector says of the clip.
///
/// # Errors
/// Who could not listen, and why.
pub(super) fn found(
    detector: &dyn Detector,
    clip: &Clip,
    kernels: &dyn AudioKernels,
    said: &[Finding],
) -> Result<Finding, String> {
    let heard = detector.listen(clip, kernels, said).map_err(|error| format!("{}: {error}", detector.name()))?;
    Ok(Finding {
        detector: detector.name().to_owned(),
        version: detector.version().to_owned(),
        risk: heard.risk,
        confidence: heard.confidence,
        details: heard.details.to_string(),
    })
}
