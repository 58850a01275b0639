//! Examples that a policy must decide as its authors mean it: `tests.toml` of its folder.

use std::collections::BTreeMap;
use std::path::Path;

use records::declaring::Declared;
use records::policy::Percent;
use records::{Disclosure, Millis, Subject, Territory, Verdict};
use serde::{Deserialize, Deserializer};

use super::{TESTS, a_day, parse, read};
use crate::Error;

/// The examples of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Cases {
    #[serde(default)]
    pub verdict: Vec<VerdictCase>,
    #[serde(default)]
    pub payout: Vec<PayoutCase>,
}

/// Signals, and what must follow from them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct VerdictCase {
    pub name: String,
    pub subject: Subject,
    pub tier: Option<String>,
    pub territory: Option<Territory>,
    /// Whether audio evidence is given.
    #[serde(default)]
    pub heard: bool,
    /// How strongly each signal speaks.
    pub signals: BTreeMap<String, Percent>,
    pub verdict: Verdict,
    /// The least and the most that the risk may be.
    pub risk_min: Option<Percent>,
    pub risk_max: Option<Percent>,
}

/// What a track declares and sounds like, and which rules must hold its money.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct PayoutCase {
    pub name: String,
    #[serde(default, deserialize_with = "an_instant")]
    pub uploaded_at: Option<Millis>,
    #[serde(default, deserialize_with = "a_disclosure")]
    pub contains_ai: Option<Disclosure>,
    #[serde(default, deserialize_with = "a_disclosure")]
    pub ai_vocals: Option<Disclosure>,
    #[serde(default)]
    pub consent: bool,
    /// The risk that `synthesis` says.
    pub synthesis: Option<Percent>,
    pub held_by: Vec<String>,
}

impl PayoutCase {
    /// What the track declares.
    pub fn declared(&self) -> Declared {
        let has_machine_part = self.ai_vocals.is_some_and(Disclosure::is_machine);
        Declared { whole: self.contains_ai, vocals: self.ai_vocals, has_machine_part, has_consent: self.consent }
    }
}

fn an_instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Millis>, D::Error> {
    a_day(from).map(Some)
}

fn a_disclosure<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Disclosure>, D::Error> {
    let text = String::deserialize(from)?;
    let expected = || serde::de::Error::custom(format!("found {text:?}, expected \"all\", \"partly\" or \"none\""));
    Disclosure::from_name(&text).map(Some).ok_or_else(expected)
}

/// The examples of the policy in the folder, none where it has no `tests.toml`; those of the built-in policy without a folder.
///
/// # Errors
/// When the file cannot be read or says what cannot be.
pub fn cases(folder: Option<&Path>) -> Result<Cases, Error> {
    match folder {
        Some(folder) => Ok(read(folder, TESTS.0)?.unwrap_or_default()),
        None => parse(&Path::new("built-in policy").join(TESTS.0), TESTS.1),
    }
}
