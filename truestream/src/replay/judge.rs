//! Turns what speaks against a subject into its rows of `risk` and `verdict`.
//!
//! ```text
//! (subject, signals, segment, rules, ruling) ──▶ fuse ──▶ risk row ──▶ decide ──▶ what the ruling leaves ──▶ verdict row, unless it is allowed
//!                └──▶ docket               └──▶ rule_hit rows                       └──▶ ruling rows
//! another policy ──▶ docket ──▶ whom it touches ──▶ fuse …
//! ```

use std::cell::LazyCell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use dataflows::clock::Tick;
use dataflows::risk::{Judgement, JudgementChange, Place, Release};
use datasets::arrivals::{Listing, Tier};
use datasets::names::NameTable;
use features::revision::Revision;
use features::risk::{Assessment, Told, decide_in_words, fuse_in};
use records::clause::{Clause, Effect};
use records::policy::Origin;
use records::{Names, Policy, Risk, Ruling, RulingKind, Subject, Territory, Verdict};
use serde_json::json;

use super::clauses::Standing;
use super::docket::{Docket, Who};
use super::evidence::Words;
use super::laws::{Beta, Law};
use super::learned;
use super::summary::instant;
use super::views::{HitRow, RiskRow, RowKey, RowValue, VerdictRow, View, Voiced};

/// Who decides by the policies of a run, and leaves people the last word.
pub struct Judge {
    /// The policies, each from a tick on, in that order.
    pub policies: Vec<(Tick, Arc<Policy>)>,
    /// By which of the plan's ways of judging what this judge hears is found.
    pub judging: usize,
    /// What was heard in words, by the numbers that judgements carry.
    pub words: Arc<Words>,
    /// The names of the models, by their places.
    pub models: Vec<String>,
    /// The platform's own generated audio and who makes it: not judged.
    pub own: HashSet<Who>,
    /// The rules that people wrote as conditions in all policies, in the order of each, with how many matches of each began.
    pub clauses: Vec<(Arc<Clause>, u64)>,
    /// The places of these rules by their places among all that are asked.
    places: HashMap<Place, Place>,
    /// The tiers and territories that have numbers of their own.
    pub segments: Segments,
    /// Whether somebody asks for the rows of `risk`.
    pub tells_risks: bool,
    /// The gravest verdict of each subject so far, where no other is told in words.
    pub gravest: Option<HashMap<Who, (Verdict, Risk)>>,
    /// The place of the policy in force.
    place: usize,
    /// What is tried on some subjects, with its name, and the place of what is tried now.
    betas: Vec<(Beta, Arc<str>)>,
    beta: Option<usize>,
    /// The rules that match as of now, by their places.
    matching: HashMap<Who, Vec<Place>>,
    /// Those with a verdict as of now.
    decided: HashSet<Who>,
    /// Those about whom a person ruled, as of now.
    ruled: HashSet<Who>,
    /// What stands, where another policy comes into force.
    docket: Option<Docket>,
    turns: Vec<Turned>,
    versions: Vec<Arc<str>>,
}

/// What another policy touched when it came into force.
#[derive(Clone, Copy, Debug)]
pub struct Turned {
    /// When.
    pub tick: Tick,
    /// The cases that stood: subjects against whom a signal speaks or for whom a rule holds.
    pub cases: usize,
    /// Those that were decided again: because the revision touches them, because what speaks against them changed at that tick, or
    /// because their row names the policy.
    pub decided: usize,
    /// How long that took, in milliseconds.
    pub took_ms: f64,
}

/// The tier of verified distributors whose own has no thresholds.
pub const VERIFIED: &str = "verified";

/// The tiers and the territories that have numbers of their own under some policy, each in order.
#[derive(Clone, Debug)]
pub struct Segments {
    tiers: Arc<[String]>,
    territories: Arc<[Territory]>,
}

impl Segments {
    /// Of all these policies, and of those that are tried beside them.
    pub fn new<'a>(laws: impl IntoIterator<Item = &'a Law>) -> Segments {
        let (mut tiers, mut territories) = (BTreeSet::new(), BTreeSet::new());
        for law in laws {
            for policy in [&law.policy].into_iter().chain(law.betas.iter().map(|beta| &beta.policy)) {
                tiers.extend(policy.tiers.keys());
                territories.extend(policy.territories());
            }
        }
        Segments { tiers: tiers.into_iter().cloned().collect(), territories: territories.into_iter().collect() }
    }

    /// The number under which the distributor's segment travels: that of its tier, or of those who are verified; 0 where neither has
    /// thresholds of its own.
    pub fn of(&self, tier: &Tier) -> u16 {
        let place = |name: &str| self.tiers.iter().position(|known| known == name);
        let at = tier.tier.as_deref().and_then(place).or(place(VERIFIED).filter(|_| tier.is_verified));
        at.map_or(0, |at| at as u16 + 1)
    }

    /// The territories that some policy names.
    pub fn territories(&self) -> &[Territory] {
        &self.territories
    }

    /// The number under which a territory travels; 0 where no policy names it.
    pub fn of_territory(&self, territory: Option<Territory>) -> u16 {
        let place = territory.and_then(|territory| self.territories.binary_search(&territory).ok());
        place.map_or(0, |at| at as u16 + 1)
    }

    /// What the numbers of a judgement stand for.
    fn origin(&self, (segment, territory): (u16, u16)) -> Origin<'_> {
        let [segment, territory] = [segment, territory].map(|number| usize::from(number).checked_sub(1));
        Origin {
            tier: segment.and_then(|at| self.tiers.get(at)).map(String::as_str),
            territory: territory.and_then(|at| self.territories.get(at)).copied(),
        }
    }
}

/// Rows that came or went.
pub type Rows = Vec<(RowKey, Option<RowValue>)>;

/// Rows of `risk`, `verdict`, `rule_hit` and `ruling`.
#[derive(Default)]
pub struct Judged {
    /// Of `risk`.
    pub risks: Rows,
    /// Of `verdict`.
    pub verdicts: Rows,
    /// Of `rule_hit`.
    pub hits: Rows,
    /// Of `ruling`.
    pub rulings: Rows,
}

impl Judged {
    /// The rows by view.
    pub fn by_view(self) -> Vec<(View, Rows)> {
        let Judged { risks, verdicts, hits, rulings } = self;
        vec![(View::RuleHit, hits), (View::Ruling, rulings), (View::Risk, risks), (View::Verdict, verdicts)]
    }
}

impl Judge {
    /// Judges by these policies, each from a tick on; the first from the beginning. They have these rules, each of which is asked under this
    /// place.
    pub fn new(laws: &[Law], rules: &[Standing], asked: Vec<Place>) -> Judge {
        let clause = |Standing { rule: (clause, _), .. }: &Standing| (Arc::new(clause.clone()), 0);
        let betas = laws.iter().flat_map(|law| law.betas.iter().cloned());
        let betas: Vec<_> = betas.map(|beta| (beta.clone(), beta.policy.version.as_str().into())).collect();
        Judge {
            policies: laws.iter().map(|law| (law.from, law.policy.clone())).collect(),
            judging: 0,
            words: Arc::default(),
            models: Vec::new(),
            own: HashSet::new(),
            clauses: rules.iter().map(clause).collect(),
            places: asked.into_iter().zip(0..).collect(),
            segments: Segments::new(laws),
            tells_risks: true,
            gravest: None,
            place: 0,
            beta: betas.iter().rposition(|(beta, _)| beta.from == 0),
            matching: HashMap::new(),
            decided: HashSet::new(),
            ruled: HashSet::new(),
            docket: (laws.len() > 1 || !betas.is_empty()).then(Docket::default),
            betas,
            turns: Vec::new(),
            versions: laws.iter().map(|law| law.policy.version.as_str().into()).collect(),
        }
    }

    /// Other policies may come than those that are known.
    pub fn expect_others(&mut self) {
        self.docket.get_or_insert_default();
    }

    /// From the tick on this policy decides, until another one does.
    pub fn enact(&mut self, tick: Tick, policy: Arc<Policy>) {
        let place = self.policies.partition_point(|(from, _)| *from <= tick);
        self.versions.insert(place, policy.version.as_str().into());
        self.policies.insert(place, (tick, policy));
    }

    /// The place of the policy that decides at the tick.
    fn place_at(&self, tick: Tick) -> usize {
        self.policies.iter().rposition(|(from, _)| *from <= tick).unwrap_or_default()
    }

    /// The place of what is tried at the tick.
    fn beta_at(&self, tick: Tick) -> Option<usize> {
        self.betas.iter().rposition(|(beta, _)| beta.from <= tick && tick < beta.until)
    }

    /// Whether other policies decide at the tick than did last.
    pub fn turns_at(&self, tick: Tick) -> bool {
        (self.place_at(tick), self.beta_at(tick)) != (self.place, self.beta)
    }

    /// What is tried on some subjects.
    pub fn betas(&self) -> impl Iterator<Item = &Beta> {
        self.betas.iter().map(|(beta, _)| beta)
    }

    /// The ticks at which another policy comes into force, or is tried, or is not any more.
    pub fn turns(&self) -> impl Iterator<Item = Tick> {
        let tried = self.betas().flat_map(|beta| [beta.from, beta.until]).filter(|tick| (1..Tick::MAX).contains(tick));
        self.policies.iter().skip(1).map(|(from, _)| *from).chain(tried)
    }

    /// What each policy touched that came into force.
    pub fn turned(&self) -> &[Turned] {
        &self.turns
    }

    /// The version of the policy that came into force at the tick.
    pub fn version_from(&self, tick: Tick) -> Option<&str> {
        let tried = self.betas.iter().find(|(beta, _)| beta.from == tick).map(|(_, version)| &**version);
        let place = self.policies.iter().position(|(from, _)| *from == tick);
        place.map(|place| &*self.versions[place]).or(tried)
    }

    /// The policies that decide, the one for everybody first.
    fn deciding(&self) -> Vec<Arc<Policy>> {
        let tried = self.beta.map(|place| self.betas[place].0.policy.clone());
        [self.policy().clone()].into_iter().chain(tried).collect()
    }

    /// The policy that decides about the one with this id, and its name.
    fn policy_for(&self, subject: Subject, id: &LazyCell<String, impl FnOnce() -> String>) -> (Arc<Policy>, Arc<str>) {
        match self.beta.map(|place| &self.betas[place]).filter(|(beta, _)| beta.is_tried_on(subject, id)) {
            Some((beta, version)) => (beta.policy.clone(), version.clone()),
            None => (self.policy().clone(), self.versions[self.place].clone()),
        }
    }

    fn policy(&self) -> &Arc<Policy> {
        &self.policies[self.place].1
    }

    /// The rows that the changes of the tick make, and those that a policy makes which comes into force at it.
    pub fn rows(&mut self, names: &NameTable, tick: Tick, changes: Vec<JudgementChange>) -> Judged {
        let began = Instant::now();
        let (before, turns) = (self.deciding(), self.turns_at(tick));
        (self.place, self.beta) = (self.place_at(tick), self.beta_at(tick));
        let mut judged = Judged::default();
        let mut told: HashSet<Who> = HashSet::new();
        for (who, judgement) in changes {
            if turns {
                told.insert(who);
            }
            let judgement =
                judgement.filter(|_| !self.own.contains(&who)).and_then(|judgement| self.heard_by(judgement));
            self.enter(names, who, judgement, &mut judged);
        }
        if turns {
            let touched: Vec<Who> = self.touched(&before).into_iter().filter(|who| !told.contains(who)).collect();
            let decided = told.len() + touched.len();
            for who in touched {
                let judgement = self.docket.as_mut().and_then(|docket| docket.take(who));
                self.enter(names, who, judgement, &mut judged);
            }
            let cases = self.docket.as_ref().map_or(0, Docket::len);
            let took_ms = began.elapsed().as_secs_f64() * 1e3;
            self.turns.push(Turned { tick, cases, decided, took_ms });
        }
        judged
    }

    /// Whom the policies that decide touch, beside these, and whose rows name them. Who goes from which to which is not asked: of whom no pair
    /// touches nothing changes.
    fn touched(&self, before: &[Arc<Policy>]) -> HashSet<Who> {
        let now = self.deciding();
        let origin = |numbers: (u16, u16)| self.segments.origin(numbers);
        let pairs = before.iter().flat_map(|before| now.iter().map(move |now| Revision { before, now }));
        let touched = pairs.flat_map(|revision| {
            self.docket.iter().flat_map(|docket| docket.touched(&revision, origin)).collect::<Vec<_>>()
        });
        touched.chain(self.decided.iter().copied()).chain(self.matching.keys().copied()).collect()
    }

    /// With the rules of this judge alone, by their places among them; `None` where nothing is left.
    fn heard_by(&self, mut judgement: Judgement) -> Option<Judgement> {
        judgement.rules = judgement.rules.iter().filter_map(|asked| self.places.get(asked).copied()).collect();
        judgement.rules.sort_unstable();
        let Judgement { signals, rules, ruling, .. } = &judgement;
        (!signals.is_empty() || !rules.is_empty() || ruling.is_some()).then_some(judgement)
    }

    /// Decides the case, and files it where another policy may come.
    fn enter(&mut self, names: &NameTable, who: Who, judgement: Option<Judgement>, judged: &mut Judged) {
        let r = self.decide(names, who, judgement.as_ref(), judged);
        if let Some(docket) = &mut self.docket {
            docket.enter(who, judgement.map(|judgement| (judgement, r)));
        }
    }

    /// The rows of the subject under the policy in force, and its risk.
    fn decide(&mut self, names: &NameTable, who: Who, judgement: Option<&Judgement>, judged: &mut Judged) -> Risk {
        let (subject, key) = who;
        let id = LazyCell::new(|| names.id(subject.space(), key).to_string());
        let (policy, _) = self.policy_for(subject, &id);
        let fused = |judgement: &Judgement| {
            let Origin { territory, .. } = self.segments.origin((judgement.segment, judgement.territory));
            fuse_in(&policy, (subject, territory), judgement.heard.is_some(), judgement.signals.clone())
        };
        let mut found = judgement.map(fused).filter(|found| found.r > Risk::CLEAN);
        let r = found.as_ref().map_or(Risk::CLEAN, |found| found.r);
        let rules = judgement.map(|judgement| judgement.rules.clone()).unwrap_or_default();
        let ruling = judgement.and_then(|judgement| judgement.ruling.clone());
        // Where signals come to nothing only rules and people speak, where there are any.
        let mut without_signals = Judgement::default();
        let mut judgement = judgement;
        if found.is_none() {
            let speaks = !rules.is_empty() || ruling.as_ref().is_some_and(|ruling| ruling.kind.verdict().is_some());
            (without_signals.rules, without_signals.ruling) = (rules.clone(), ruling.clone());
            judgement = Some(&without_signals).filter(|_| speaks);
            found = judgement.map(fused);
        }
        let case = judgement.zip(found.as_ref());
        let (verdict, decides) =
            case.map_or((None, None), |(judgement, found)| self.verdict(who, &id, judgement, found));
        self.hits(who, &id, rules, decides, judged);
        let was_ruled = match &ruling {
            Some(_) => !self.ruled.insert(who),
            None => self.ruled.remove(&who),
        };
        if was_ruled || ruling.is_some() {
            judged.rulings.push((RowKey::Subject(subject, id.clone()), ruling.clone().map(RowValue::Ruling)));
        }
        let was_decided = match &verdict {
            Some(_) => !self.decided.insert(who),
            None => self.decided.remove(&who),
        };
        if was_decided || verdict.is_some() {
            let row = verdict.map(|row| RowValue::Verdict(Box::new(row)));
            judged.verdicts.push((RowKey::Subject(subject, id.clone()), row));
        }
        if self.tells_risks {
            let found = found.filter(|_| r > Risk::CLEAN);
            let numbers = judgement.map_or((0, 0), |judgement| (judgement.segment, judgement.territory));
            let origin = self.segments.origin(numbers);
            judged.risks.push((
                RowKey::Subject(subject, id.clone()),
                found.map(|found| RowValue::Risk(Box::new(risk(&found, ruling.as_deref(), origin)))),
            ));
        }
        r
    }

    /// The rules that match now in the place of those that did.
    fn hits(
        &mut self,
        who: Who,
        id: &LazyCell<String, impl FnOnce() -> String>,
        rules: Vec<Place>,
        decides: Option<Place>,
        judged: &mut Judged,
    ) {
        let before = match rules.is_empty() {
            true => self.matching.remove(&who),
            false => self.matching.insert(who, rules.clone()),
        };
        let before = before.unwrap_or_default();
        rules.iter().filter(|rule| !before.contains(rule)).for_each(|rule| self.clauses[*rule as usize].1 += 1);
        let key = |rule| RowKey::Hit(who.0, String::clone(id), rule);
        judged.hits.extend(before.iter().filter(|rule| !rules.contains(rule)).map(|rule| (key(*rule), None)));
        judged.hits.extend(rules.into_iter().map(|rule| {
            let row = self.hit(id, rule, decides == Some(rule));
            (key(rule), Some(RowValue::Hit(Box::new(row))))
        }));
    }

    /// The rule that is asked under that place, where it is one of this judge's.
    pub fn asked(&self, place: Place) -> Option<&Clause> {
        self.places.get(&place).map(|own| &**self.clause(*own))
    }

    fn clause(&self, rule: Place) -> &Arc<Clause> {
        &self.clauses[rule as usize].0
    }

    fn hit(&self, id: &str, rule: Place, decides: bool) -> HitRow {
        let clause = self.clause(rule).clone();
        let policy_version = self.versions[self.place].clone();
        HitRow { effect: clause.effect(id), clause, decides, policy_version }
    }

    /// Whether the verdict is to be told in words.
    fn is_worded(&mut self, who: Who, now: (Verdict, Risk)) -> bool {
        let Some(gravest) = &mut self.gravest else { return true };
        let known = gravest.entry(who).or_default();
        let is_graver = now > *known;
        *known = now.max(*known);
        is_graver
    }

    /// The verdict, and the rule that decides it, if one calls for more than the risk does. Of the rules that act the gravest counts,
    /// of equals the first of the file; all that act are named. Whatever they and the risk call for, a person has the last word.
    fn verdict(
        &mut self,
        (subject, key): Who,
        id: &LazyCell<String, impl FnOnce() -> String>,
        judgement: &Judgement,
        found: &Assessment,
    ) -> (Option<VerdictRow>, Option<Place>) {
        let Judgement { segment, territory, heard, learned, rules, ruling, .. } = judgement;
        let (policy, policy_version) = self.policy_for(subject, id);
        let numbers = (*segment, *territory);
        let by_risk = features::risk::verdict(&policy, subject, self.segments.origin(numbers), found);
        let acting: Vec<Place> =
            rules.iter().copied().filter(|rule| self.clause(*rule).effect(id) == Effect::Acts).collect();
        let gravest = acting.iter().copied().min_by_key(|rule| (Reverse(self.clause(*rule).action), *rule));
        let graver = gravest.filter(|rule| self.clause(*rule).action > by_risk);
        let called = graver.map_or(by_risk, |rule| self.clause(rule).action);
        let left = |verdict: Verdict| ruling.as_ref().map_or(verdict, |ruling| ruling.kind.leaves(subject, verdict));
        let verdict = left(called);
        let decides = graver.filter(|_| verdict == called && left(by_risk) < called);
        if verdict == Verdict::Allow {
            return (None, None);
        }
        if !self.is_worded((subject, key), (verdict, found.r)) {
            let none = || "[]".to_owned();
            let r = found.r;
            let (reasons_json, rules_json, models_json) = (none(), none(), none());
            let row =
                VerdictRow { r, verdict, reasons: Vec::new(), reasons_json, rules_json, policy_version, models_json };
            return (Some(row), decides);
        }
        let heard = heard.and_then(|heard| self.words.get(heard.words?));
        let words = learned.as_ref().map(|learned| learned::words(learned, &self.models));
        let model = learned.as_ref().and_then(|learned| self.models.get(usize::from(learned.model)));
        let told = Told { heard: heard.as_deref(), learned: words.as_deref() };
        let mut decision = decide_in_words(&policy, subject, self.segments.origin(numbers), found, told);
        for rule in acting {
            let clause = self.clause(rule);
            decision.rules.push(format!("rule.{}", clause.id));
            let first = if decides == Some(rule) { 0 } else { decision.reasons.len() };
            decision.reasons.insert(first, said(clause));
        }
        if let Some(ruling) = ruling {
            decision.rules.push(format!("ruling.{}", ruling.kind.name()));
            let first = if verdict == called { decision.reasons.len() } else { 0 };
            decision.reasons.insert(first, ruled(subject, ruling));
        }
        let row = VerdictRow {
            r: found.r,
            verdict,
            reasons_json: json!(decision.reasons).to_string(),
            rules_json: json!(decision.rules).to_string(),
            reasons: decision.reasons,
            policy_version,
            models_json: json!(model.iter().collect::<Vec<_>>()).to_string(),
        };
        (Some(row), decides)
    }
}

/// A rule as a reason.
fn said(clause: &Clause) -> String {
    let Clause { id, version, action, code, reason, ground, .. } = clause;
    let ground = if ground.is_empty() { String::new() } else { format!("; {ground}") };
    format!("{reason} [rule {id}/{version} calls for {action}: {code}{ground}]")
}

/// A ruling as a reason; by whom it was ruled is not for the one it is about.
fn ruled(subject: Subject, ruling: &Ruling) -> String {
    let what = match ruling.kind {
        RulingKind::Confirmed(verdict) => format!("confirmed, at least {verdict}"),
        RulingKind::Victim if subject == Subject::Account => format!("a victim, at most {}", Verdict::Hold),
        kind => kind.name().to_owned(),
    };
    let why = ruling.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("a person ruled on {}{why} [ruling: {what}]", instant(ruling.known_at))
}

fn risk(found: &Assessment, ruling: Option<&Ruling>, origin: Origin) -> RiskRow {
    let ten_thousandths = |parts: u16| f64::from(parts) / 10_000.0;
    let parts = found.parts().into_iter().map(|part| {
        json!({
            "name": part.name,
            "value": part.value_milli as f64 / 1_000.0,
            "weight": ten_thousandths(part.weight),
            "share": ten_thousandths(part.share),
        })
    });
    // A ruling adds nothing to a risk, and is told with it.
    let ruled = ruling.map(
        |ruling| json!({"name": format!("ruling.{}", ruling.kind.name()), "value": 0.0, "weight": 0.0, "share": 0.0}),
    );
    let parts = serde_json::Value::Array(parts.chain(ruled).collect()).to_string();
    let Origin { tier, territory } = origin;
    let voiced = Voiced { voices: found.voices(), tier: tier.map(Box::from), territory };
    RiskRow { risks: [found.r, found.rc, found.rb, found.rp], parts, voiced }
}

/// What a row of the catalogue says of its release, under the numbers of these segments.
pub fn release(row: &Listing, segments: &Segments) -> Release {
    let Listing { content, artist, uploader, distributor, metadata, territory, .. } = *row;
    let territory = segments.of_territory(territory);
    Release { content, artist, uploader, distributor, metadata, territory }
}
