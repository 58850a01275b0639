//! What must be met before a policy or a model decides more than it did: `governance.toml` beside activated policies, or in a registry.
//!
//! ```text
//! candidate ──▶ shadow ──[beta]──▶ some subjects ──[full]──▶ everybody
//!                 each step: assessed? signed in these roles? long enough in the stage before?
//! ```

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use datasets::formats::instant;
use datasets::policy::Signature;
use records::{Millis, Role};
use serde::Deserialize;

use crate::assess::{self, Candidate, Limits};
use crate::exit::Failure;

/// The file beside activated policies or models that says what they need.
const GOVERNANCE: &str = "governance.toml";
const DAY_MS: Millis = 86_400_000;

/// How far something is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It decides nothing.
    Shadow,
    /// It decides about so many of a hundred subjects.
    Beta(u8),
    /// It decides about everybody.
    Full,
}

impl Reach {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Reach::Shadow => "shadow",
            Reach::Beta(_) => "beta",
            Reach::Full => "full",
        }
    }

    /// That of the word, with the percentage where it is a beta.
    ///
    /// # Errors
    /// When one is missing, or too much.
    pub fn read(stage: &str, percent: Option<u8>) -> Result<Reach, Failure> {
        match (stage, percent) {
            ("shadow", None) => Ok(Reach::Shadow),
            ("full", None) => Ok(Reach::Full),
            ("beta", Some(percent @ 1..=99)) => Ok(Reach::Beta(percent)),
            ("beta", found) => {
                let found = found.map_or("none".to_owned(), |percent| percent.to_string());
                Err(Failure::Usage(format!("--stage beta: found --percent {found}, expected one from 1 to 99")))
            }
            _ => Err(Failure::Usage(format!("--percent: only --stage beta has one, found --stage {stage}"))),
        }
    }
}

/// A step that is to be taken, and what came before it.
pub struct Step<'a> {
    /// How far it is to reach.
    pub reach: Reach,
    /// From when on, not before it is said: what is to decide about a time that has passed decides from now on.
    pub from: Millis,
    /// Who agrees.
    pub signed: &'a [Signature],
    /// Where these very files stood before, by the word of the stage, and since when, not before that was said.
    pub stood: BTreeMap<&'static str, Millis>,
    /// The stage that comes before a step for everybody.
    pub before_full: Option<&'static str>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Governance {
    #[serde(default)]
    assessment: Needed,
    artists_max: Option<usize>,
    /// What an assessment may tolerate at most.
    #[serde(default)]
    limits: Limits,
    beta: Option<Entry>,
    full: Option<Entry>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Needed {
    Required,
    #[default]
    Optional,
}

/// What must be met before a stage is entered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// So many days in the stage before.
    #[serde(default)]
    days_min: u32,
    /// Somebody in each of these roles agrees, nobody for two.
    #[serde(default)]
    signed_by: Vec<String>,
    /// At most so many of a hundred subjects; of a beta.
    percent_max: Option<u8>,
}

/// Who agrees, as it is written: `ann=policy-editor`.
///
/// # Errors
/// When it is written otherwise, the role is none, or somebody agrees twice.
pub fn signatures(written: &[String]) -> Result<Vec<Signature>, Failure> {
    let roles = || Role::ALL.map(|(name, _)| name).join(", ");
    let mut signed: Vec<Signature> = Vec::new();
    for text in written {
        let wrong = |why: String| Failure::Usage(format!("--signed {text}: {why}"));
        let expected = || wrong(format!("expected NAME=ROLE, with one of the roles {}", roles()));
        let (by, role) = text.split_once('=').filter(|(by, _)| !by.trim().is_empty()).ok_or_else(expected)?;
        Role::named(role).ok_or_else(expected)?;
        if signed.iter().any(|known| known.by == by) {
            return Err(wrong("somebody signs once, in one role".to_owned()));
        }
        signed.push(Signature { by: by.to_owned(), role: role.to_owned() });
    }
    Ok(signed)
}

/// Lets a candidate take a step in the folder: with an assessment of it that passed and is still believed, and with what the folder's
/// `governance.toml` asks for. Into the shadow everybody may go.
///
/// # Errors
/// As [`assess::passed`], and what is missing.
pub fn admit(folder: &Path, report: Option<&Path>, candidate: &Candidate, step: &Step<'_>) -> Result<(), Failure> {
    let path = folder.join(GOVERNANCE);
    let governance = read(&path)?;
    if let Some(report) = report {
        assess::passed(report, candidate, &governance.limits)?;
    }
    if step.reach == Reach::Shadow {
        return Ok(());
    }
    let different = |why: String| Failure::Different(format!("{}: {why}", path.display()));
    if report.is_none() && governance.assessment == Needed::Required {
        return Err(different(format!(
            "an assessment is required: run `truestream assess --candidate` on {} {}, and give its report with --assessment",
            candidate.kind, candidate.version
        )));
    }
    let (entry, before) = match step.reach {
        Reach::Full => (governance.full, step.before_full),
        _ => (governance.beta, Some(Reach::Shadow.name())),
    };
    entry.map_or(Ok(()), |entry| entry.is_met(step, before).map_err(different))
}

/// How many honest artists a policy may newly wrong at most that is activated in the folder, where its `governance.toml` says so.
///
/// # Errors
/// When that cannot be read.
pub fn artists_max(folder: &Path) -> Result<Option<usize>, Failure> {
    read(&folder.join(GOVERNANCE)).map(|governance| governance.artists_max)
}

fn read(path: &Path) -> Result<Governance, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::Input(format!("{}: {why}", path.display()));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Governance::default()),
        Err(error) => return Err(wrong(&error)),
    };
    let governance: Governance = toml::from_str(&text).map_err(|error| wrong(&error))?;
    if let Some(fault) = governance.limits.fault() {
        return Err(wrong(&format!("limits: {fault}")));
    }
    let entries = [&governance.beta, &governance.full].into_iter().flatten();
    if let Some(role) = entries.flat_map(|entry| &entry.signed_by).find(|role| Role::named(role).is_none()) {
        let roles = Role::ALL.map(|(name, _)| name).join(", ");
        return Err(wrong(&format!("signed_by: found {role:?}, expected one of {roles}")));
    }
    Ok(governance)
}

impl Entry {
    /// Whether the step may be taken; why not, and what to do.
    fn is_met(&self, step: &Step<'_>, before: Option<&'static str>) -> Result<(), String> {
        let stage = step.reach.name();
        if let (Reach::Beta(percent), Some(most)) = (step.reach, self.percent_max)
            && percent > most
        {
            return Err(format!("[beta] percent_max: found {percent}, expected at most {most}"));
        }
        let is_missing = |role: &&String| !step.signed.iter().any(|signature| signature.role == **role);
        let missing: Vec<&str> = self.signed_by.iter().filter(is_missing).map(String::as_str).collect();
        if !missing.is_empty() {
            let found: Vec<String> = step.signed.iter().map(|one| format!("{} ({})", one.by, one.role)).collect();
            let found = if found.is_empty() { "nobody".to_owned() } else { found.join(", ") };
            return Err(format!(
                "[{stage}] signed_by: found {found}, expected also {}: give --signed NAME=ROLE for each",
                missing.join(", ")
            ));
        }
        let Some(before) = before else { return Ok(()) };
        let Some(since) = step.stood.get(before) else {
            return Err(format!(
                "[{stage}]: these files were never in the stage {before}: go there first with --stage {before}"
            ));
        };
        let earliest = since.saturating_add(Millis::from(self.days_min) * DAY_MS);
        match (self.days_min, step.from < earliest) {
            (0, _) | (_, false) => Ok(()),
            (days, true) if *since == Millis::MAX => Err(format!(
                "[{stage}] days_min: nobody said since when it is in the stage {before}, expected {days} days of it: say --from there"
            )),
            (days, true) => {
                let [since, earliest] = [*since, earliest].map(instant::to_text);
                Err(format!(
                    "[{stage}] days_min: seen in the stage {before} since {since}, expected {days} days of it: from {earliest} on (--from)"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(reach: Reach, from: Millis, signed: &[Signature]) -> Step<'_> {
        let stood = BTreeMap::from([("shadow", 10 * DAY_MS), ("beta", 20 * DAY_MS)]);
        Step { reach, from, signed, stood, before_full: Some("beta") }
    }

    #[test]
    fn a_step_is_taken_when_all_that_is_asked_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let candidate = Candidate { kind: "policy".to_owned(), version: "b".to_owned(), digest: "0".to_owned() };
        let signed = signatures(&["ann=policy-editor".to_owned(), "bob=reviewer".to_owned()]).expect("signatures");
        let said = |step: &Step<'_>| admit(folder.path(), None, &candidate, step).map_err(|why| why.to_string());
        assert_eq!(said(&step(Reach::Full, 0, &[])), Ok(()), "nothing is asked where nothing is written");
        let text = "[beta]\ndays_min = 7\npercent_max = 20\nsigned_by = ['policy-editor']\n[full]\ndays_min = 14\nsigned_by = ['policy-editor', 'reviewer']\n";
        std::fs::write(folder.path().join(GOVERNANCE), text).expect("written");
        let day = |days: i64| days * DAY_MS;
        for (step, missing) in [
            (step(Reach::Shadow, 0, &[]), None),
            (step(Reach::Beta(10), day(17), &signed), None),
            (step(Reach::Beta(10), day(16), &signed), Some("days_min")),
            (step(Reach::Beta(21), day(17), &signed), Some("percent_max: found 21")),
            (step(Reach::Beta(10), day(17), &signed[1..]), Some("expected also policy-editor")),
            (step(Reach::Full, day(34), &signed), None),
            (step(Reach::Full, day(33), &signed), Some("in the stage beta since")),
            (step(Reach::Full, day(34), &signed[..1]), Some("expected also reviewer")),
            (Step { stood: BTreeMap::new(), ..step(Reach::Full, day(34), &signed) }, Some("never in the stage beta")),
            (Step { stood: BTreeMap::new(), before_full: None, ..step(Reach::Full, 0, &signed) }, None),
        ] {
            match (said(&step), missing) {
                (Ok(()), None) => {}
                (Err(why), Some(missing)) => assert!(why.contains(missing), "{missing}: {why}"),
                (said, missing) => panic!("{missing:?}: {said:?}"),
            }
        }
        for wrong in ["ann", "=reviewer", "ann=boss"] {
            assert!(signatures(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(signatures(&["ann=reviewer".to_owned(), "ann=admin".to_owned()]).is_err());
        std::fs::write(folder.path().join(GOVERNANCE), "[full]\nsigned_by = ['boss']\n").expect("written");
        assert!(said(&step(Reach::Shadow, 0, &[])).is_err_and(|why| why.contains("\"boss\"")));
    }
}
