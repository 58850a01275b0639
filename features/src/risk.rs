//! From signals to one risk, and from the risk to what is done.
//!
//! ```text
//! signals × rule weights ──▶ Rc, Rb, Rp ──× weights──▶ R ──thresholds, agreement──▶ Decision
//!                  └──▶ Voices ──but a few of them──▶ what would be said without those
//! ```
//!
//! Inside a part, signals add up as independent reasons to doubt: `1 - (1 - w1*s1)(1 - w2*s2)...`. So a signal alone never
//! says more than its weight, a second one always adds and never past certainty, and the order does not matter. A sum
//! would need a cap at which everything looks the same; a maximum would not care that five things agree.
//!
//! All is integer arithmetic in ten-thousandths: the same facts and policy give the same risk on every machine.

use itertools::Itertools;
use records::policy::{Mix, Origin, Segment, Shares, Weights};
use records::{Contribution, Policy, Risk, Subject, Territory, Verdict};

use crate::apportion::divide;
use crate::signals::{self, AccountFacts, Name, OwnerFacts, Part, Signal, TrackFacts, WHOLE};

/// A signal that alone justifies this much counts as one that agrees.
const STRONG: u16 = 1_000;
/// Signals named in the reasons; the rest stand in `parts`.
const NAMED: usize = 5;

/// A signal and what it counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence {
    /// The signal.
    pub signal: Signal,
    /// The weight of its rule, in ten-thousandths.
    pub weight: u16,
    /// The risk it would justify alone in its part, in ten-thousandths: weight times strength, as its rule counts it.
    pub alone: u16,
    /// What it adds to R, in ten-thousandths. The shares of an assessment add up to its R.
    pub share: u16,
}

/// How sure we are about one subject, and because of what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assessment {
    /// `wc*Rc + wb*Rb + wp*Rp` with [`Assessment::weights`], rounded half up.
    pub r: Risk,
    /// What the audio says; clean where nobody listened.
    pub rc: Risk,
    /// What the plays say.
    pub rb: Risk,
    /// What the metadata and the uploads say.
    pub rp: Risk,
    /// The weights that were used ...
    pub weights: Weights,
    /// ... of this mix ...
    pub mix: Mix,
    /// ... which is that of a territory, where it has one of its own.
    pub territory: Option<Territory>,
    /// Whether audio evidence is given.
    pub heard: bool,
    /// Every signal that spoke and whose rule is on.
    pub evidence: Vec<Evidence>,
}

/// What is done about a subject, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decision {
    /// What is done.
    pub verdict: Verdict,
    /// The ids of the rules that fired, strongest first: `account.edge`.
    pub rules: Vec<String>,
    /// The reasons in words, strongest first.
    pub reasons: Vec<String>,
}

/// The risk of an account.
pub fn assess_account(policy: &Policy, facts: &AccountFacts) -> Assessment {
    fuse(policy, Subject::Account, false, signals::of_account(facts))
}

/// The risk of a track.
pub fn assess_track(policy: &Policy, facts: &TrackFacts) -> Assessment {
    fuse(policy, Subject::Track, facts.audio.is_some(), signals::of_track(facts))
}

/// The risk of an uploader, a distributor, an artist or a playlist.
pub fn assess_owner(policy: &Policy, subject: Subject, facts: &OwnerFacts) -> Assessment {
    fuse(policy, subject, facts.audio.is_some(), signals::of_owner(facts))
}

/// [`fuse_in`], where no territory has a mix of its own, or none is asked for.
pub fn fuse(policy: &Policy, subject: Subject, heard: bool, signals: Vec<Signal>) -> Assessment {
    fuse_in(policy, (subject, None), heard, signals)
}

/// One risk out of many signals of a subject that is at home in the territory; `heard` says whether audio evidence is given. Of the two mixes of
/// a subject that was heard the one counts that says more, so that clean audio excuses no plays.
pub fn fuse_in(
    policy: &Policy,
    (subject, territory): (Subject, Option<Territory>),
    heard: bool,
    signals: Vec<Signal>,
) -> Assessment {
    let mut evidence: Vec<Evidence> = signals.into_iter().filter_map(|signal| weigh(policy, subject, signal)).collect();
    evidence.sort_by_key(|evidence| evidence.signal.name);

    let [rc, rb, rp] = PARTS.map(|part| together(of_part(&evidence, part).map(|evidence| evidence.alone)));
    let mix = policy.mix(subject, territory);
    let territory = territory.filter(|_| policy.local_mix(subject, territory).is_some());
    let (r, weights) = loudest_mix(mix, heard, [rc, rb, rp]);
    share_out(r, weights, [rc, rb, rp], &mut evidence);
    Assessment { r, rc, rb, rp, weights, mix, territory, heard, evidence }
}

/// R, and the weights that give it.
fn loudest_mix(mix: Mix, heard: bool, parts: [Risk; 3]) -> (Risk, Weights) {
    let [unheard, audible] = [mix.unheard(), mix.heard()].map(|weights| (mixed(weights, parts), weights));
    if heard && audible.0 >= unheard.0 { audible } else { unheard }
}

const PARTS: [Part; 3] = [Part::Content, Part::Behaviour, Part::Policy];

fn weigh(policy: &Policy, subject: Subject, signal: Signal) -> Option<Evidence> {
    let weight = policy.rule_weight(subject, signal.name.name());
    let strength = signal.counted(policy.rule_full_at(subject, signal.name.name()));
    let alone = (u32::from(weight) * u32::from(strength) / WHOLE as u32) as u16;
    (weight > 0).then_some(Evidence { signal, weight, alone, share: 0 })
}

fn of_part(evidence: &[Evidence], part: Part) -> impl Iterator<Item = &Evidence> {
    evidence.iter().filter(move |evidence| evidence.signal.name.part() == part)
}

/// `1 - product of (1 - alone)`, carried to eight more digits and rounded half up.
fn together(alone: impl Iterator<Item = u16>) -> Risk {
    const DIGITS: u64 = 100_000_000;
    let doubt = alone.fold(WHOLE * DIGITS, |rest, alone| rest / WHOLE * (WHOLE - u64::from(alone)));
    Risk::from_parts((WHOLE * DIGITS - doubt + DIGITS / 2) / DIGITS)
}

fn percents(weights: Weights) -> [u64; 3] {
    let Shares { content, behaviour, policy } = weights.shares();
    [content, behaviour, policy].map(|share| u64::from(share.get()))
}

fn mixed(weights: Weights, parts: [Risk; 3]) -> Risk {
    let sum: u64 = percents(weights).iter().zip(parts).map(|(weight, risk)| weight * u64::from(risk.parts())).sum();
    Risk::from_parts((sum + 50) / 100)
}

/// Divides R first among the parts, then among each part's signals, in proportion and without a remainder.
fn share_out(r: Risk, weights: Weights, parts: [Risk; 3], evidence: &mut [Evidence]) {
    let claims: Vec<u64> =
        percents(weights).iter().zip(parts).map(|(weight, risk)| weight * u64::from(risk.parts())).collect();
    for (part, whole) in PARTS.into_iter().zip(divide(u64::from(r.parts()), &claims)) {
        let claims: Vec<u64> = of_part(evidence, part).map(|evidence| u64::from(evidence.alone)).collect();
        let mine = evidence.iter_mut().filter(|evidence| evidence.signal.name.part() == part);
        for (evidence, share) in mine.zip(divide(whole, &claims)) {
            evidence.share = share as u16;
        }
    }
}

impl Assessment {
    /// The column `parts`: what each signal saw, weighed and added.
    pub fn parts(&self) -> Vec<Contribution> {
        let contribution = |evidence: &Evidence| Contribution {
            name: evidence.signal.name.name().to_string(),
            value_milli: evidence.signal.value_milli(),
            weight: evidence.weight,
            share: evidence.share,
        };
        self.evidence.iter().map(contribution).collect()
    }

    /// How loudly each signal spoke: enough to ask what would be said without some.
    pub fn voices(&self) -> Voices {
        let voice = |evidence: &Evidence| (evidence.signal.name, evidence.alone);
        Voices { heard: self.heard, alone: self.evidence.iter().map(voice).collect() }
    }

    /// How many signals agree strongly.
    fn strong(&self) -> usize {
        strong(self.evidence.iter().map(|evidence| evidence.alone))
    }

    fn strongest_first(&self) -> Vec<&Evidence> {
        let mut evidence: Vec<_> = self.evidence.iter().filter(|evidence| evidence.share > 0).collect();
        evidence.sort_by_key(|evidence| std::cmp::Reverse(evidence.share));
        evidence
    }
}

fn strong(alone: impl Iterator<Item = u16>) -> usize {
    alone.filter(|alone| *alone >= STRONG).count()
}

/// What of an [`Assessment`] its risk is made of, in four bytes a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voices {
    /// Whether audio evidence is given.
    pub heard: bool,
    /// The signals, each with the risk that it would justify alone in its part, in ten-thousandths.
    pub alone: Box<[(Name, u16)]>,
}

/// So many signals at most are left out together to find what a verdict hangs on: who needs five is not accused by any of them.
const LEFT_OUT_MAX: usize = 4;

impl Voices {
    fn but<'a>(&'a self, silent: &'a [Name]) -> impl Iterator<Item = (Name, u16)> + 'a {
        self.alone.iter().copied().filter(|(name, _)| !silent.contains(name))
    }

    /// R if these signals had not spoken, all else equal, and the weights that give it. With none left out they are those of the
    /// [`Assessment`].
    pub fn mixed(&self, policy: &Policy, subject: Subject, origin: Origin, silent: &[Name]) -> (Risk, Weights) {
        let of_part = |part| self.but(silent).filter(move |(name, _)| name.part() == part);
        let parts = PARTS.map(|part| together(of_part(part).map(|(_, alone)| alone)));
        loudest_mix(policy.mix(subject, origin.territory), self.heard, parts)
    }

    /// R and the verdict that it calls for if these signals had not spoken.
    pub fn without(&self, policy: &Policy, subject: Subject, origin: Origin, silent: &[Name]) -> (Risk, Verdict) {
        let (r, _) = self.mixed(policy, subject, origin, silent);
        let (_, thresholds) = policy.segment(subject, origin);
        let agreeing = strong(self.but(silent).map(|(_, alone)| alone));
        (r, thresholds.by_risk(r).min(thresholds.by_agreement(agreeing)))
    }

    /// The smallest sets of signals without which nothing would be held, the quietest first: those that a verdict hangs on. Empty where
    /// nothing is held, and where more than [`LEFT_OUT_MAX`] signals would have to be silent.
    pub fn hangs_on(&self, policy: &Policy, subject: Subject, origin: Origin) -> Vec<Vec<Name>> {
        let frees = |silent: &[Name]| self.without(policy, subject, origin, silent).1 == Verdict::Allow;
        if frees(&[]) {
            return Vec::new();
        }
        let mut voices = self.alone.to_vec();
        voices.sort_by_key(|(name, alone)| (*alone, *name));
        let names: Vec<Name> = voices.into_iter().map(|(name, _)| name).collect();
        let freeing = |size: usize| names.iter().copied().combinations(size).filter(|silent| frees(silent)).collect();
        (1..=LEFT_OUT_MAX.min(names.len())).map(freeing).find(|sets: &Vec<_>| !sets.is_empty()).unwrap_or_default()
    }
}

/// What is done about a subject of that origin: what its risk calls for, but never more than the number of agreeing signals
/// allows.
pub fn verdict(policy: &Policy, subject: Subject, origin: Origin, assessment: &Assessment) -> Verdict {
    let (_, thresholds) = policy.segment(subject, origin);
    thresholds.by_risk(assessment.r).min(thresholds.by_agreement(assessment.strong()))
}

/// The [`verdict`] with its rules and reasons.
pub fn decide(policy: &Policy, subject: Subject, origin: Origin, assessment: &Assessment) -> Decision {
    decide_in_words(policy, subject, origin, assessment, Told::default())
}

/// What signals alone cannot say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// What was heard in the audio.
    pub heard: Option<&'a str>,
    /// What the model looked at.
    pub learned: Option<&'a str>,
}

/// [`decide`], for who knows in words what was heard and what the model looked at.
pub fn decide_in_words(
    policy: &Policy,
    subject: Subject,
    origin: Origin,
    assessment: &Assessment,
    told: Told,
) -> Decision {
    let evidence = assessment.strongest_first();
    let rule = |evidence: &&Evidence| format!("{}.{}", subject.name(), evidence.signal.name.name());
    let mut reasons: Vec<String> = evidence.iter().take(NAMED).map(|evidence| reason(evidence, told)).collect();
    reasons.push(arithmetic(assessment));
    let (segment, _) = policy.segment(subject, origin);
    reasons.extend(matches!(segment, Segment::Territory(..)).then(|| format!("{JUDGED_AS}{segment}")));
    reasons.extend(restraint(policy, subject, origin, assessment));
    Decision {
        verdict: verdict(policy, subject, origin, assessment),
        rules: evidence.iter().map(rule).collect(),
        reasons,
    }
}

fn reason(evidence: &Evidence, told: Told) -> String {
    let Evidence { signal, share, .. } = evidence;
    let more = match signal.name {
        Name::Audio => told.heard,
        Name::Learned => told.learned,
        _ => None,
    };
    let more = more.map_or(String::new(), |more| format!(": {more}"));
    format!("{}{more} [{} adds {}]", signal.words(), signal.name.name(), points(*share))
}

/// Before the name of the territory's segment whose thresholds hold, in the reasons.
pub const JUDGED_AS: &str = "judged by the thresholds of ";

/// How the risk came about.
fn arithmetic(assessment: &Assessment) -> String {
    let Assessment { r, rc, rb, rp, weights, mix, territory, heard: was_heard, .. } = assessment;
    let [wc, wb, wp] = percents(*weights);
    let heard = mix.heard();
    let of = territory.map_or_else(String::new, |territory| format!(", by the weights of territory {territory}"));
    let silence = match (weights == &heard || percents(heard)[0] == 0, was_heard) {
        (true, _) => "",
        (false, true) => "; the audio was heard and says less than the rest, which it does not excuse",
        (false, false) => "; no audio evidence is given, so content counts nothing",
    };
    let [r, rc, rb, rp] = [r, rc, rb, rp].map(|risk| points(risk.parts()));
    format!("risk {r} = {wc} % content {rc} + {wb} % behaviour {rb} + {wp} % policy {rp}{of}{silence}")
}

/// Why less is done than the risk alone calls for.
fn restraint(policy: &Policy, subject: Subject, origin: Origin, assessment: &Assessment) -> Option<String> {
    let (segment, thresholds) = policy.segment(subject, origin);
    let (called, allowed) = (thresholds.by_risk(assessment.r), thresholds.by_agreement(assessment.strong()));
    (called > allowed).then(|| {
        let strong = assessment.strong();
        format!(
            "the risk calls for {called}, but {strong} strong signals allow no more than {allowed} (segment {segment})"
        )
    })
}

/// A risk or a share of one as people say it, in hundredths.
fn points(parts: u16) -> String {
    let hundredths = (parts + 50) / 100;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
