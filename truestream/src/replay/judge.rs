//! Turns what speaks against a subject into its rows of `risk` and `verdict`.
//!
//! ```text
//! (subject, signals, segment, rules) ──▶ fuse ──▶ risk row ──▶ decide ──▶ verdict row, unless it is allowed
//!                              └──▶ rule_hit rows
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dataflows::clock::Tick;
use dataflows::risk::{Judgement, JudgementChange, Release};
use datasets::arrivals::{Listing, Tier};
use datasets::names::NameTable;
use features::risk::{Assessment, Told, decide_in_words, fuse};
use records::clause::{Clause, Effect};
use records::{IdSpace, Key, Names, Policy, Subject, Verdict};
use serde_json::json;

use super::laws::Law;
use super::learned;
use super::views::{HitRow, RiskRow, RowKey, RowValue, VerdictRow};

/// The policy of a run.
pub struct Judge {
    /// The policies, each from a tick on, in that order.
    pub policies: Vec<(Tick, Arc<Policy>)>,
    /// What was heard in words, by the numbers that judgements carry.
    pub words: Vec<String>,
    /// The names of the models, by their places.
    pub models: Vec<String>,
    /// The platform's own generated audio and who makes it: not judged.
    pub own: HashSet<(Subject, Key)>,
    /// The rules that people wrote as conditions in all policies, with how many matches of each began.
    pub clauses: Vec<(Arc<Clause>, u64)>,
    /// The rules that match as of now, by their places.
    matching: HashMap<(Subject, Key), Vec<u16>>,
    /// The tiers that have thresholds of their own.
    pub segments: Segments,
    versions: Vec<Arc<str>>,
}

/// The tiers that have thresholds of their own under some policy, in order.
#[derive(Clone, Debug)]
pub struct Segments(Arc<[String]>);

impl Segments {
    fn new(laws: &[Law]) -> Segments {
        let tiers: BTreeSet<&String> = laws.iter().flat_map(|law| law.policy.tiers.keys()).collect();
        Segments(tiers.into_iter().cloned().collect())
    }

    /// The number under which the tier's segment travels: 0 where the tier has no thresholds of its own.
    pub fn of(&self, tier: &Tier) -> u16 {
        let at = self.0.iter().position(|known| Some(known) == tier.tier.as_ref());
        at.map_or(0, |at| at as u16 + 1)
    }

    fn tier(&self, segment: u16) -> Option<&str> {
        let at = usize::from(segment).checked_sub(1)?;
        self.0.get(at).map(String::as_str)
    }
}

/// Rows that came or went.
pub type Rows = Vec<(RowKey, Option<RowValue>)>;

/// Rows of `risk`, `verdict` and `rule_hit`.
#[derive(Default)]
pub struct Judged {
    /// Of `risk`.
    pub risks: Rows,
    /// Of `verdict`.
    pub verdicts: Rows,
    /// Of `rule_hit`.
    pub hits: Rows,
}

impl Judge {
    /// Judges by these policies, each from a tick on; the first from the beginning.
    pub fn new(laws: &[Law]) -> Judge {
        let clauses = laws.iter().flat_map(|law| &law.rules);
        Judge {
            own: HashSet::new(),
            clauses: clauses.map(|(clause, _)| (Arc::new(clause.clone()), 0)).collect(),
            matching: HashMap::new(),
            segments: Segments::new(laws),
            versions: laws.iter().map(|law| law.policy.version.as_str().into()).collect(),
            policies: laws.iter().map(|law| (law.from, law.policy.clone())).collect(),
            words: Vec::new(),
            models: Vec::new(),
        }
    }

    fn policy(&self, place: u16) -> &Policy {
        &self.policies[usize::from(place)].1
    }

    /// The rows that the changes make.
    pub fn rows(&mut self, names: &NameTable, changes: Vec<JudgementChange>) -> Judged {
        let mut judged = Judged::default();
        for ((subject, key), judgement) in changes {
            let judgement = judgement.filter(|_| !self.own.contains(&(subject, key)));
            let id = names.id(space(subject), key).to_string();
            let rules = judgement.as_ref().map(|judgement| judgement.rules.clone()).unwrap_or_default();
            let before = match rules.is_empty() {
                true => self.matching.remove(&(subject, key)),
                false => self.matching.insert((subject, key), rules.clone()),
            };
            let before = before.unwrap_or_default();
            rules.iter().filter(|rule| !before.contains(rule)).for_each(|rule| self.clauses[usize::from(*rule)].1 += 1);
            let gone = before.into_iter().filter(|rule| !rules.contains(rule));
            judged.hits.extend(gone.map(|rule| (RowKey::Hit(subject, id.clone(), rule), None)));
            let mut decides = None;
            let place = judgement.as_ref().map_or(0, |judgement| judgement.policy);
            let assessed = judgement.map(|Judgement { policy, segment, heard, signals, learned, .. }| {
                let heard_words = heard.and_then(|heard| self.words.get(heard.words? as usize));
                let learned_words = learned.as_ref().map(|learned| learned::words(learned, &self.models));
                let told = Told { heard: heard_words.map(String::as_str), learned: learned_words.as_deref() };
                let found = fuse(self.policy(policy), subject, heard.is_some(), signals);
                let model = learned.and_then(|learned| self.models.get(usize::from(learned.model)));
                let case = Case { policy, subject, id: &id, segment, found: &found, model };
                let (verdict, by_rule) = self.verdict(&case, told, &rules);
                decides = by_rule;
                (found, verdict)
            });
            let (found, verdict) = assessed.unzip();
            let found = found.filter(|found| !found.evidence.is_empty());
            judged.hits.extend(rules.into_iter().map(|rule| {
                let row = self.hit(&id, rule, decides == Some(rule), place);
                (RowKey::Hit(subject, id.clone(), rule), Some(RowValue::Hit(Box::new(row))))
            }));
            let key = RowKey::Subject(subject, id);
            judged.verdicts.push((key.clone(), verdict.flatten().map(|row| RowValue::Verdict(Box::new(row)))));
            judged.risks.push((key, found.map(|found| RowValue::Risk(Box::new(risk(&found))))));
        }
        judged
    }

    fn clause(&self, rule: u16) -> &Arc<Clause> {
        &self.clauses[usize::from(rule)].0
    }

    fn hit(&self, id: &str, rule: u16, decides: bool, policy: u16) -> HitRow {
        let clause = self.clause(rule).clone();
        let policy_version = self.versions[usize::from(policy)].clone();
        HitRow { effect: clause.effect(id), clause, decides, policy_version }
    }

    /// The verdict, and the rule that decides it, if one calls for more than the risk does. Of the rules that act the gravest counts,
    /// of equals the first of the file; all that act are named.
    fn verdict(&self, case: &Case, told: Told, rules: &[u16]) -> (Option<VerdictRow>, Option<u16>) {
        let Case { policy: place, subject, id, segment, found, model } = case;
        let (policy, tier) = (self.policy(*place), self.segments.tier(*segment));
        let by_risk = features::risk::verdict(policy, tier, found);
        let acting: Vec<u16> =
            rules.iter().copied().filter(|rule| self.clause(*rule).effect(id) == Effect::Acts).collect();
        let gravest = acting.iter().copied().min_by_key(|rule| (Reverse(self.clause(*rule).action), *rule));
        let decides = gravest.filter(|rule| self.clause(*rule).action > by_risk);
        let verdict = decides.map_or(by_risk, |rule| self.clause(rule).action);
        if verdict == Verdict::Allow {
            return (None, None);
        }
        let mut decision = decide_in_words(policy, *subject, tier, found, told);
        for rule in acting {
            let clause = self.clause(rule);
            decision.rules.push(format!("rule.{}", clause.id));
            let first = if decides == Some(rule) { 0 } else { decision.reasons.len() };
            decision.reasons.insert(first, said(clause));
        }
        let row = VerdictRow {
            r: found.r,
            verdict,
            reasons_json: json!(decision.reasons).to_string(),
            rules_json: json!(decision.rules).to_string(),
            reasons: decision.reasons,
            policy_version: self.versions[usize::from(*place)].clone(),
            models_json: json!(model.iter().collect::<Vec<_>>()).to_string(),
        };
        (Some(row), decides)
    }
}

/// A subject whose risk is known.
struct Case<'a> {
    policy: u16,
    subject: Subject,
    id: &'a str,
    segment: u16,
    found: &'a Assessment,
    model: Option<&'a String>,
}

/// A rule as a reason.
fn said(clause: &Clause) -> String {
    let Clause { id, version, action, code, reason, ground, .. } = clause;
    let ground = if ground.is_empty() { String::new() } else { format!("; {ground}") };
    format!("{reason} [rule {id}/{version} calls for {action}: {code}{ground}]")
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
