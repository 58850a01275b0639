//! What is written in a policy and cannot count, and what can and is hardly meant.
//!
//! ```text
//! rules, thresholds, waves, conditions ──at their strongest──▶ nothing comes of it: told by its name
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use datasets::formats::instant;
use datasets::policy;
use features::risk::{self, fuse_in};
use features::signals::{Name, Part, Seen, Signal};
use records::policy::{Mix, Origin, Percent, Shares, Thresholds};
use records::sensitivity::Surge;
use records::{Millis, Policy, Subject, Territory, Verdict};

use super::{input, load, now, signal_name};
use crate::exit::Failure;
use crate::replay::clauses;

/// What is written in the policy and cannot count.
///
/// # Errors
/// When it cannot be read.
pub(super) fn idle(own: Option<&Path>) -> Result<Vec<String>, Failure> {
    let policy = load(own)?;
    let surges = policy::surges(own).map_err(input)?;
    Ok([rules(&policy), unreached(&policy), still(&policy, &surges), conditions(own)?].concat())
}

/// A rule that is off or weighs nothing, and one of a part that weighs nothing.
fn rules(policy: &Policy) -> Vec<String> {
    let mut idle = Vec::new();
    for subject in Subject::ALL {
        let local = policy.local_weights.values().filter_map(|local| local.of(subject));
        let mixes: Vec<&Mix> = local.chain([policy.weights.of(subject)]).collect();
        let counts = |part: fn(Shares) -> Percent| {
            let mut weights = mixes.iter().flat_map(|mix| [mix.heard(), mix.unheard()]);
            weights.any(|weights| part(weights.shares()).get() > 0)
        };
        for (name, rule) in policy.rules.of(subject) {
            let of_part = match signal_name(name).map(Name::part) {
                Some(Part::Content) => counts(|shares| shares.content),
                Some(Part::Behaviour) => counts(|shares| shares.behaviour),
                Some(Part::Policy) => counts(|shares| shares.policy),
                None => false,
            };
            let why = match (rule.on, rule.weight.get(), of_part) {
                (false, ..) => "is off",
                (_, 0, _) => "weighs nothing",
                (.., false) => "is of a part that weighs nothing for this subject",
                _ => continue,
            };
            idle.push(format!("{}.{name} {why}", subject.name()));
        }
    }
    idle
}

/// Verdicts that nobody of a segment can have: not even with every signal at its strongest.
fn unreached(policy: &Policy) -> Vec<String> {
    let tiers = policy.tiers.keys().map(|tier| Origin { tier: Some(tier), territory: None });
    let territories: BTreeSet<Territory> = policy.territories().collect();
    let territories = territories.into_iter().map(|territory| Origin { tier: None, territory: Some(territory) });
    let mut gravest: BTreeMap<String, Verdict> = BTreeMap::new();
    for origin in [Origin::default()].into_iter().chain(tiers).chain(territories) {
        // A tier is that of a distributor, and of what it delivers.
        let has_tier = |subject: &Subject| matches!(subject, Subject::Track | Subject::Distributor);
        for subject in Subject::ALL.into_iter().filter(|subject| origin.tier.is_none() || has_tier(subject)) {
            let signals = everything(policy, subject);
            let heard = signals.iter().any(|signal| signal.name.part() == Part::Content);
            let found = fuse_in(policy, (subject, origin.territory), heard, signals);
            let verdict = risk::verdict(policy, subject, origin, &found);
            let known = gravest.entry(policy.segment(subject, origin).0.to_string()).or_default();
            *known = verdict.max(*known);
        }
    }
    let told = |(segment, gravest): (String, Verdict)| {
        let never = match gravest {
            Verdict::Allow => "held, escalated or blocked",
            Verdict::Hold => "escalated or blocked",
            Verdict::Escalate => "blocked",
            Verdict::Block => return None,
        };
        Some(format!("thresholds of {segment}: nobody is ever {never}: every signal at its strongest is {gravest}"))
    };
    gravest.into_iter().filter_map(told).collect()
}

/// Every signal that a subject can have, as strong as it can be.
fn everything(policy: &Policy, subject: Subject) -> Vec<Signal> {
    let whole = Percent::whole().parts();
    let strongest =
        |name| Signal { name, strength: whole, seen: Seen { window_ms: 0, count: whole.into(), of: whole.into() } };
    policy.rules.of(subject).keys().filter_map(|name| signal_name(name)).map(strongest).collect()
}

/// Waves that tighten nothing, and those that relax nothing of a segment.
fn still(policy: &Policy, surges: &[Surge]) -> Vec<String> {
    let mut idle = Vec::new();
    for surge in surges {
        let Surge { name, segment, .. } = surge;
        let is_still = |segment: &str, moved: &dyn Fn(Thresholds) -> Thresholds| {
            policy.thresholds_of(segment).is_some_and(|thresholds| moved(thresholds) == thresholds)
        };
        if is_still(segment, &|thresholds| surge.tightened(thresholds)) {
            idle.push(format!("wave {name:?} tightens nothing: its floor is not below the thresholds of {segment}"));
        }
        for relief in &surge.relaxes {
            let segment = &relief.segment;
            if is_still(segment, &|thresholds| relief.relaxed(thresholds, thresholds)) {
                idle.push(format!(
                    "wave {name:?} relaxes nothing of {segment}: its ceiling is not above the thresholds there"
                ));
            }
        }
    }
    idle
}

/// Rules of `conditions.toml` and `decisions.csv` that act for nobody, or no more.
fn conditions(own: Option<&Path>) -> Result<Vec<String>, Failure> {
    let now = now();
    let mut idle = Vec::new();
    for rule in policy::clauses(own).map_err(input)?.into_iter().map(|rule| rule.clause) {
        if rule.expires <= now {
            idle.push(format!("rule {:?} has expired at {}", rule.id, instant::to_text(rule.expires)));
        }
        if rule.rollout_percent.get() == 0 {
            idle.push(format!("rule {:?} acts for 0 of 100 subjects: what it would do is only written down", rule.id));
        }
    }
    Ok(idle)
}

/// Before this day nobody uploaded music to a service: the Internet Underground Music Archive, the first that took some, began in 1993.
const ASKED_MIN: &str = "1993-01-01";
/// From so many years after today on a day is taken for a slip of the pen.
const ASKED_YEARS: i64 = 10;

/// What can be and is hardly meant: rules about windows that nobody runs and countries that are none, waves without a measure, and days that ask
/// everybody or nobody.
///
/// # Errors
/// When the policy cannot be read.
pub(super) fn doubtful(own: Option<&Path>) -> Result<Vec<String>, Failure> {
    let least = instant::from_text(ASKED_MIN).expect("a day");
    let most = now() + ASKED_YEARS * 365 * 86_400_000;
    let days = [
        ("disclosure.toml: required_from", policy::declaring(own).map_err(input)?.required_from),
        ("gate.toml: asked_from", policy::gate(own).map_err(input)?.asked_from),
    ];
    let told = |(what, day): (&str, Millis)| match day {
        day if day < least => Some(format!(
            "{what} is {}, before {ASKED_MIN}: every upload of which it is known when is asked",
            instant::to_text(day)
        )),
        day if day > most => {
            Some(format!("{what} is {}, in more than {ASKED_YEARS} years: no upload is asked", instant::to_text(day)))
        }
        _ => None,
    };
    let rules = policy::clauses(own).map_err(input)?;
    let surges = policy::surges(own).map_err(input)?;
    let is_boundless = |surge: &&Surge| [surge.seen_min, surge.times_min, surge.deviations] == [0; 3];
    let boundless = surges.iter().filter(is_boundless).map(|surge| {
        let Surge { name, measure, .. } = surge;
        format!(
            "wave {name:?}: seen_min, times_min and deviations are 0: {} above the middle of the weeks before are a wave, every other instant",
            measure.name()
        )
    });
    let days = days.into_iter().filter_map(told);
    Ok(days
        .chain(boundless)
        .chain(clauses::unusual_windows(&rules))
        .chain(clauses::strange_countries(&rules))
        .collect())
}
