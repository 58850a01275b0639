//! Turns what speaks against a subject into its rows of `risk` and `verdict`.
//!
//! ```text
//! (subject, signals, segment) ──▶ fuse ──▶ risk row ──▶ decide ──▶ verdict row, unless it is allowed
//! ```

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use dataflows::risk::{Judgement, JudgementChange, Release};
use datasets::arrivals::{Listing, Tier};
use datasets::names::NameTable;
use datasets::policy;
use features::risk::{Assessment, Told, decide_in_words, fuse};
use records::{IdSpace, Key, Names, Policy, Subject, Verdict};
use serde_json::json;

use super::learned;
use super::views::{RiskRow, RowKey, RowValue, VerdictRow};
use crate::exit::Failure;

/// The policy of a run.
pub struct Judge {
    /// The policy.
    pub policy: Arc<Policy>,
    /// What was heard in words, by the numbers that judgements carry.
    pub words: Vec<String>,
    /// The names of the models, by their places.
    pub models: Vec<String>,
    /// The platform's own generated audio and who makes it: not judged.
    pub own: HashSet<(Subject, Key)>,
    version: Arc<str>,
}

/// The policy in the folder, or else the built-in one.
///
/// # Errors
/// When the folder holds no policy.
pub fn policy_of(folder: Option<&Path>) -> Result<Policy, Failure> {
    match folder {
        Some(folder) => policy::load(folder).map_err(|error| Failure::Input(error.to_string())),
        None => Ok(policy::built_in()),
    }
}

/// The number under which the tier's segment travels under the policy: 0 where the tier has no thresholds of its own.
pub fn segment(policy: &Policy, tier: &Tier) -> u16 {
    let at = policy.tiers.keys().position(|known| Some(known) == tier.tier.as_ref());
    at.map_or(0, |at| at as u16 + 1)
}

/// Rows that came or went.
pub type Rows = Vec<(RowKey, Option<RowValue>)>;

impl Judge {
    /// The policy in the folder, or else the built-in one.
    ///
    /// # Errors
    /// When the folder holds no policy.
    pub fn new(folder: Option<&Path>) -> Result<Judge, Failure> {
        let policy = policy_of(folder)?;
        Ok(Judge {
            own: HashSet::new(),
            version: policy.version.as_str().into(),
            policy: Arc::new(policy),
            words: Vec::new(),
            models: Vec::new(),
        })
    }

    /// The number under which the tier's segment travels: 0 where the tier has no thresholds of its own.
    pub fn segment(&self, tier: &Tier) -> u16 {
        segment(&self.policy, tier)
    }

    fn tier(&self, segment: u16) -> Option<&str> {
        let at = usize::from(segment).checked_sub(1)?;
        self.policy.tiers.keys().nth(at).map(String::as_str)
    }

    /// The rows of `risk` and of `verdict` that the changes make.
    pub fn rows(&self, names: &NameTable, changes: Vec<JudgementChange>) -> (Rows, Rows) {
        let (mut risks, mut verdicts) = (Vec::new(), Vec::new());
        for ((subject, key), judgement) in changes {
            let judgement = judgement.filter(|_| !self.own.contains(&(subject, key)));
            let key = RowKey::Subject(subject, names.id(space(subject), key).to_string());
            let assessed = judgement.map(|Judgement { segment, heard, signals, learned, .. }| {
                let heard_words = heard.and_then(|heard| self.words.get(heard.words? as usize));
                let learned_words = learned.as_ref().map(|learned| learned::words(learned, &self.models));
                let told = Told { heard: heard_words.map(String::as_str), learned: learned_words.as_deref() };
                let found = fuse(&self.policy, subject, heard.is_some(), signals);
                let model = learned.and_then(|learned| self.models.get(usize::from(learned.model)));
                let verdict = self.verdict(subject, segment, &found, told, model);
                (found, verdict.map(|row| RowValue::Verdict(Box::new(row))))
            });
            let (found, verdict) = assessed.unzip();
            verdicts.push((key.clone(), verdict.flatten()));
            risks.push((key, found.map(|found| RowValue::Risk(Box::new(risk(&found))))));
        }
        (risks, verdicts)
    }

    fn verdict(
        &self,
        subject: Subject,
        segment: u16,
        found: &Assessment,
        told: Told,
        model: Option<&String>,
    ) -> Option<VerdictRow> {
        let tier = self.tier(segment);
        if features::risk::verdict(&self.policy, tier, found) == Verdict::Allow {
            return None;
        }
        let decision = decide_in_words(&self.policy, subject, tier, found, told);
        Some(VerdictRow {
            r: found.r,
            verdict: decision.verdict,
            reasons_json: json!(decision.reasons).to_string(),
            rules_json: json!(decision.rules).to_string(),
            reasons: decision.reasons,
            policy_version: self.version.clone(),
            models_json: json!(model.into_iter().collect::<Vec<_>>()).to_string(),
        })
    }
}

fn risk(found: &Assessment) -> RiskRow {
    let ten_thousandths = |parts: u16| f64::from(parts) / 10_000.0;
    let parts = found.parts().into_iter().map(|part| {
        json!({
            "name": part.name,
            "value": part.value_milli as f64 / 1_000.0,
            "weight": ten_thousandths(part.weight),
            "share": ten_thousandths(part.share),
        })
    });
    let parts = serde_json::Value::Array(parts.collect()).to_string();
    RiskRow { risks: [found.r, found.rc, found.rb, found.rp], parts }
}

/// The kind of the subject's ids.
pub fn space(subject: Subject) -> IdSpace {
    match subject {
        Subject::Account => IdSpace::Account,
        Subject::Artist => IdSpace::Artist,
        Subject::Distributor => IdSpace::Distributor,
        Subject::Playlist => IdSpace::Playlist,
        Subject::Track => IdSpace::Track,
        Subject::Uploader => IdSpace::Uploader,
    }
}

/// What a row of the catalogue says of its release.
pub fn release(row: &Listing) -> Release {
    let Listing { content, artist, uploader, distributor, metadata, .. } = *row;
    Release { content, artist, uploader, distributor, metadata }
}
