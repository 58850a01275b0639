//! The policies of a run: one, or those that were activated, each from its instant on.
//!
//! ```text
//! policy folder ─────────────┐
//! activated policies ──days──┴──▶ laws: policy, rules, what must be declared and passed; each from a tick on
//!                    └─stages──▶ betas: a policy for some subjects, while the law beside it decides about all others
//! ```

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use datasets::policy::{self, Stage};
use features::revision::Revision;
use records::clause::Clause;
use records::declaring::Declaring;
use records::gate::Limits;
use records::lot::drawn;
use records::sensitivity::Surge;
use records::{Millis, Policy, Subject};

use super::clauses::{self, Rule};
use crate::exit::Failure;

/// A policy, and from when on it is in force.
#[derive(Clone)]
pub struct Law {
    /// The first tick.
    pub from: Tick,
    /// The policy.
    pub policy: Arc<Policy>,
    /// The rules that people wrote.
    pub rules: Arc<[Rule]>,
    /// What must be declared.
    pub declaring: Declaring,
    /// What uploads must pass.
    pub gate: Limits,
    /// Surges that tighten it.
    pub surges: Vec<Surge>,
    /// What is tried beside it, one after the other.
    pub betas: Vec<Beta>,
}

/// A policy that is tried on some subjects: its weights, thresholds and rules decide about them at the edge. What travels inside, what must be
/// declared and passed, conditions and waves are those of the law beside it.
#[derive(Clone, Debug)]
pub struct Beta {
    /// The first tick.
    pub from: Tick,
    /// The first tick at which it is not tried any more.
    pub until: Tick,
    /// The policy.
    pub policy: Arc<Policy>,
    /// On so many of a hundred.
    pub percent: u8,
}

impl Beta {
    /// Whether it decides about the one with this id.
    pub fn is_tried_on(&self, subject: Subject, id: &str) -> bool {
        is_tried_on(&self.policy.version, self.percent, subject, id)
    }
}

/// Whether a policy of this name that is tried on so many of a hundred decides about the one with this id.
pub fn is_tried_on(version: &str, percent: u8, subject: Subject, id: &str) -> bool {
    drawn(version, &format!("{} {id}", subject.name())) < percent
}

/// The policy in the folder, or the last one that was activated there, or else the built-in one.
///
/// # Errors
/// When the folder holds no policy.
pub fn policy_of(folder: Option<&Path>) -> Result<Policy, Failure> {
    match latest(folder)? {
        Some(folder) => policy::load(&folder).map_err(input),
        None => Ok(policy::built_in()),
    }
}

/// The folder of a policy that was given, or of the last one that was activated in it.
///
/// # Errors
/// When what was activated was changed.
pub fn latest(folder: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    folder.map(policy::latest).transpose().map_err(input)
}

/// The folder of a policy that was given, or of the one that was in force as of the instant.
///
/// # Errors
/// When what was activated was changed, or nothing was in force yet.
pub fn in_force(folder: Option<&Path>, as_of: Millis) -> Result<Option<PathBuf>, Failure> {
    folder.map(|folder| policy::folder_as_of(folder, as_of)).transpose().map_err(input)
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// The policy in the folder, or those that were activated in it, in the order of coming into force.
///
/// # Errors
/// When a policy cannot be read, or suspicion flows otherwise under one of them: what has travelled cannot change its way.
pub fn read(folder: Option<&Path>, clock: Clock) -> Result<Vec<Law>, Failure> {
    let Some(store) = folder.filter(|folder| policy::is_store(folder)) else { return Ok(vec![law(folder, 0)?]) };
    let mut laws: Vec<(policy::Activation, Law)> = Vec::new();
    for activation in policy::activations(store).map_err(input)? {
        // As of its own instant it is in force.
        let from = clock.first_after(activation.from_ms() - 1);
        if activation.stage == Some(Stage::Shadow) {
            continue;
        }
        // What was tried ends with whatever decides next.
        if let Some((_, law)) = laws.last_mut() {
            law.betas.retain(|beta| beta.from < from);
            law.betas.last_mut().into_iter().for_each(|beta| beta.until = beta.until.min(from));
        }
        if let Some(Stage::Beta(percent)) = activation.stage {
            let policy = Arc::new(policy::load(&activation.folder(store)).map_err(input)?);
            let beta = Beta { from, until: Tick::MAX, policy, percent };
            laws.last_mut().into_iter().for_each(|(_, law)| law.betas.push(beta.clone()));
            continue;
        }
        let law = law(Some(&activation.folder(store)), from)?;
        // Of those that come into force at one tick the last one is.
        laws.retain(|(_, known)| known.from < from);
        laws.push((activation, law));
    }
    for pair in laws.windows(2) {
        let [before, now] = [&pair[0].0, &pair[1].0];
        if let Some(what) = policy::clash(&before.folder(store), &now.folder(store)).map_err(input)? {
            return Err(input(policy::clashes(store, before, now, what)));
        }
    }
    Ok(laws.into_iter().map(|(_, law)| law).collect())
}

/// The same where the same policies decide from the same ticks on.
pub fn digest<'a>(laws: impl Iterator<Item = &'a Law>) -> u64 {
    let mut digest = DefaultHasher::new();
    for Law { from, policy, rules, declaring, gate, surges, betas } in laws {
        let rules: Vec<&Clause> = rules.iter().map(|(clause, _)| clause).collect();
        (from, policy, rules).hash(&mut digest);
        format!("{declaring:?} {gate:?} {surges:?} {betas:?}").hash(&mut digest);
    }
    digest.finish()
}

/// The policies that are in force from the first tick on.
///
/// # Errors
/// When none is in force then.
pub fn since(mut laws: Vec<Law>, first: Tick) -> Result<Vec<Law>, Failure> {
    let begun = laws.iter().filter(|law| law.from <= first).count();
    if begun == 0 {
        return Err(Failure::Input(
            "no policy is in force when the first play arrives; activate an earlier one".to_owned(),
        ));
    }
    let mut laws = laws.split_off(begun - 1);
    laws[0].from = 0;
    laws[0].betas.iter_mut().filter(|beta| beta.from <= first).for_each(|beta| beta.from = 0);
    Ok(laws)
}

/// The policies where nobody knows when the first play arrives: the first one is in force from the beginning.
pub fn from_the_beginning(mut laws: Vec<Law>) -> Vec<Law> {
    laws[0].from = 0;
    laws
}

/// Why suspicion travels otherwise under the one than under the other at some tick; `None` where the same speaks against everybody.
pub fn travels_otherwise(one: &[Law], other: &[Law]) -> Option<&'static str> {
    let in_force = |laws: &[Law], tick: Tick| laws.iter().rfind(|law| law.from <= tick).map(|law| law.policy.clone());
    one.iter().chain(other).find_map(|law| {
        let (before, now) = (in_force(one, law.from)?, in_force(other, law.from)?);
        Revision { before: &before, now: &now }.spreads_otherwise()
    })
}

fn law(folder: Option<&Path>, from: Tick) -> Result<Law, Failure> {
    let policy = folder.map_or_else(|| Ok(policy::built_in()), policy::load).map_err(input)?;
    let declaring = policy::declaring(folder).map_err(input)?;
    let gate = policy::gate(folder).map_err(input)?;
    let surges = policy::surges(folder).map_err(input)?;
    let (policy, rules, betas) = (Arc::new(policy), clauses::read(folder)?.into(), Vec::new());
    Ok(Law { from, policy, rules, declaring, gate, surges, betas })
}
