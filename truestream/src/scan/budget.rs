//! Who listens to a content: the cheap ones first, then those that the policy pays for.
//!
//! ```text
//! sanity ──▶ risk so far ──▶ synthesis? ──▶ risk so far ──▶ resemblance? impersonation?
//! ```
//!
//! Decided twice, when listening and when the tables are made, by the same facts: so the reasons need not be kept.

use datasets::audio::Clip;
use kernels::AudioKernels;
use records::listening::{Cost, Listener, Listening, Spent, Unheard};
use records::{Confidence, Risk};
use serde_json::json;

use super::character::Wanted;
use super::detectors::{Detector, Finding, found};

/// CPU milliseconds for an hour of sound, as measured in `benches/results/2026-11-22-timbre.md`; `sanity` hears every content.
const SANITY: u32 = 3_000;
const SYNTHESIS: u32 = 2_000;
/// The bands that both networks hear, and each network.
const BANDS: u32 = 1_000;
const TIMBRE: u32 = 200;
const VOICE: u32 = 200;

/// Decides for one content.
pub(super) struct Decider<'a> {
    listening: &'a Listening,
    lot: u32,
    spent: Spent,
    risk: Risk,
    /// Whether a listener before had the bands made.
    has_bands: bool,
}

impl<'a> Decider<'a> {
    /// For the content of this hash.
    pub(super) fn new(listening: &'a Listening, content: &str) -> Decider<'a> {
        // Not the digits that make the folders and numbers of contents: those may be chosen by somebody.
        let digits = content.len().saturating_sub(8);
        let lot = u32::from_str_radix(&content[digits..], 16).unwrap_or(u32::MAX);
        Decider { listening, lot, spent: Spent::on(Cost(SANITY)), risk: Risk::from_parts(0), has_bands: false }
    }

    /// Counts what a listener said.
    fn hear(&mut self, finding: &Finding) {
        if finding.confidence > Confidence::NONE {
            self.risk = self.risk.max(finding.risk);
        }
    }

    fn decide(&mut self, listener: Listener) -> Result<(), Unheard> {
        let cost = match listener {
            Listener::Synthesis => SYNTHESIS,
            Listener::Resemblance => BANDS + TIMBRE,
            Listener::Impersonation if self.has_bands => VOICE,
            Listener::Impersonation => BANDS + VOICE,
        };
        let decided = self.listening.decide(listener, self.risk, &mut self.spent, self.lot, Cost(cost));
        self.has_bands |= listener == Listener::Resemblance && decided.is_ok();
        decided
    }

    /// Lets listen who may.
    ///
    /// # Errors
    /// Who could not listen, and why.
    pub(super) fn listen(
        mut self,
        [sanity, synthesis]: &[Box<dyn Detector>; 2],
        clip: &Clip,
        kernels: &dyn AudioKernels,
    ) -> Result<(Vec<Finding>, Wanted), String> {
        let mut findings = vec![found(&**sanity, clip, kernels, &[])?];
        self.hear(&findings[0]);
        if self.decide(Listener::Synthesis).is_ok() {
            let finding = found(&**synthesis, clip, kernels, &findings)?;
            self.hear(&finding);
            findings.push(finding);
        }
        let [timbre, voice] =
            [Listener::Resemblance, Listener::Impersonation].map(|listener| self.decide(listener).is_ok());
        Ok((findings, Wanted { timbre, voice }))
    }

    /// Who did not listen, and why, by what the others said.
    pub(super) fn unheard(mut self, findings: &[Finding]) -> Vec<(Listener, Unheard)> {
        let mut unheard = Vec::new();
        findings
            .iter()
            .filter(|finding| finding.detector != Listener::Synthesis.name())
            .for_each(|finding| self.hear(finding));
        for listener in Listener::ALL {
            match self.decide(listener) {
                Ok(()) => findings
                    .iter()
                    .filter(|finding| finding.detector == listener.name())
                    .for_each(|finding| self.hear(finding)),
                Err(why) => unheard.push((listener, why)),
            }
        }
        unheard
    }
}

/// What a listener that did not hear a recording says: nothing, and why.
pub(super) fn silence(listener: Listener, version: &str, why: Unheard) -> Finding {
    let words = match why {
        Unheard::Off => "not heard: the policy lets it hear nothing",
        Unheard::NotFlagged => "not heard: nobody who listened before had a suspicion",
        Unheard::Budget => "not heard: beyond the budget",
    };
    Finding {
        detector: listener.name().to_owned(),
        version: version.to_owned(),
        risk: Risk::from_parts(0),
        confidence: Confidence::NONE,
        details: json!({ "not_heard": why.name(), "words": words }).to_string(),
    }
}

/// `synthesis: budget; impersonation: off`.
pub(super) fn in_words(unheard: &[(Listener, Unheard)]) -> String {
    let words: Vec<String> =
        unheard.iter().map(|(listener, why)| format!("{}: {}", listener.name(), why.name())).collect();
    words.join("; ")
}
