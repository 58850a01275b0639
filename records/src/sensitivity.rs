//! How far, and for how long, a surge may tighten whom, and relax whom.
//!
//! ```text
//! uploads, near titles, new accounts, duplicates beside their own weeks before ──Surge──▶ a wave ──┬──▶ lower thresholds of a segment, for a time
//!                                                                                                  └──▶ higher ones of segments that are trusted
//! ```

use serde::{Deserialize, Serialize};

use crate::policy::{Percent, Steps, Thresholds};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Tracks that were uploaded.
    Uploads,
    /// Tracks that were uploaded with nearly the title of another upload of the seven days before.
    NearTitles,
    /// Accounts that were created.
    NewAccounts,
    /// Recordings that were found to be copies of others.
    Duplicates,
}

impl Measure {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Uploads => "uploads",
            Measure::NearTitles => "near_titles",
            Measure::NewAccounts => "new_accounts",
            Measure::Duplicates => "duplicates",
        }
    }
}

/// What is a wave, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// Its name, which is unique in the policy.
    pub name: String,
    /// What is counted ...
    pub measure: Measure,
    /// ... in so many hours up to now, 1 to 168.
    pub hours: u32,
    /// The same hours of so many weeks before say what is expected, 3 to 52.
    pub weeks: u32,
    /// Fewer are never a wave.
    pub seen_min: u64,
    /// At least so many times what is expected.
    pub times_min: u64,
    /// And by so many robust deviations more.
    pub deviations: u64,
    /// Whose thresholds are lowered: `default`, or a tier or territory that has thresholds.
    pub segment: String,
    /// By so many points.
    pub points: u8,
    /// But never below these.
    pub floor: Floor,
    /// For so long after it was seen last ...
    pub lasts_hours: u32,
    /// ... and in all no longer than this: then people look.
    pub lasts_max_hours: u32,
    /// Whose thresholds are raised meanwhile, so that who is trusted does not wait for what others did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relaxes: Vec<Relief>,
}

/// A segment that is relaxed while a wave lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relief {
    /// A tier or territory that has thresholds: never everybody.
    pub segment: String,
    /// By so many points `hold` and `escalate` are raised ...
    pub points: u8,
    /// ... but never above these.
    pub ceiling: Ceiling,
}

/// Thresholds that are never raised further. There is none for `block`, which no wave raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Ceiling {
    pub hold: Percent,
    pub escalate: Percent,
}

/// Thresholds that are never lowered further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Floor {
    pub hold: Percent,
    pub escalate: Percent,
    pub block: Percent,
}

/// The longest that thresholds may be tighter without anybody saying so: what lasts for a month is no surge but another world.
const LASTS_MAX_HOURS: u32 = 30 * 24;

impl Surge {
    /// What of the numbers cannot be: what was found and what was expected.
    pub fn fault(&self) -> Option<String> {
        let Surge { hours, weeks, points, lasts_hours, lasts_max_hours, floor, .. } = self;
        match () {
            () if !(1..=168).contains(hours) => Some(format!("found hours {hours}, expected 1 to 168")),
            () if !(3..=52).contains(weeks) => Some(format!("found weeks {weeks}, expected 3 to 52")),
            () if !(1..=20).contains(points) => Some(format!("found points {points}, expected 1 to 20")),
            () if *lasts_max_hours > LASTS_MAX_HOURS => Some(format!(
                "found lasts_max_hours {lasts_max_hours}, expected at most {LASTS_MAX_HOURS}, which is 30 days"
            )),
            () if !(1..=*lasts_max_hours).contains(lasts_hours) => {
                Some(format!("found lasts_hours {lasts_hours}, expected 1 to lasts_max_hours {lasts_max_hours}"))
            }
            () if floor.hold > floor.escalate || floor.escalate > floor.block => {
                Some("found a floor that does not rise from hold to block, expected that it does".to_owned())
            }
            () => None,
        }
    }

    /// The thresholds while it lasts: lower by its points, not below its floor, and never higher than without it.
    pub fn tightened(&self, thresholds: Thresholds) -> Thresholds {
        let Steps { hold, escalate, block, .. } = thresholds.steps();
        let lower = |step: Percent, floor: Percent| {
            let lowered = Percent::new(step.get().saturating_sub(self.points)).expect("less than a share is one");
            lowered.max(floor).min(step)
        };
        let hold = lower(hold, self.floor.hold);
        let escalate = lower(escalate, self.floor.escalate).max(hold);
        let block = lower(block, self.floor.block).max(escalate);
        Thresholds::new(Steps { hold, escalate, block, ..thresholds.steps() }).expect("each is at least the one before")
    }
}

impl Relief {
    /// What of the numbers cannot be: what was found and what was expected.
    pub fn fault(&self) -> Option<String> {
        let Relief { segment, points, ceiling } = self;
        match () {
            () if !(1..=20).contains(points) => {
                Some(format!("relaxes {segment:?}: found points {points}, expected 1 to 20"))
            }
            () if ceiling.hold > ceiling.escalate => Some(format!(
                "relaxes {segment:?}: found a ceiling that does not rise from hold to escalate, expected that it does"
            )),
            () => None,
        }
    }

    /// The thresholds `now`, relaxed: higher by its points, not above its ceiling, and never lower than without it. However many waves last at
    /// once, nobody is judged more than a step more gently than by the `usual` ones, and who is blocked by those stays blocked.
    pub fn relaxed(&self, usual: Thresholds, now: Thresholds) -> Thresholds {
        let Steps { hold, escalate, .. } = now.steps();
        let raise = |step: Percent, ceiling: Percent, next: Percent| {
            let raised = Percent::new(step.get().saturating_add(self.points)).unwrap_or(Percent::whole());
            raised.min(ceiling).min(next).max(step)
        };
        let (hold, escalate) = (
            raise(hold, self.ceiling.hold, usual.steps().escalate),
            raise(escalate, self.ceiling.escalate, usual.steps().block),
        );
        Thresholds::new(Steps { hold, escalate, ..now.steps() }).expect("each is at most the usual one after it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Risk, Verdict};

    fn percent(percent: u8) -> Percent {
        Percent::new(percent).unwrap()
    }

    fn steps(hold: u8, escalate: u8, block: u8) -> Thresholds {
        let [hold, escalate, block] = [hold, escalate, block].map(percent);
        Thresholds::new(Steps { hold, escalate, block, escalate_signals: 2, block_signals: 3 }).unwrap()
    }

    #[test]
    fn thresholds_are_raised_by_a_step_at_most_and_who_is_blocked_stays_so() {
        let shares = [0, 20, 40, 41, 60, 85, 95, 100];
        let relief = |points, hold, escalate| Relief {
            segment: "major".to_owned(),
            points,
            ceiling: Ceiling { hold: percent(hold), escalate: percent(escalate) },
        };
        assert_eq!(relief(8, 50, 65).relaxed(steps(40, 60, 85), steps(40, 60, 85)), steps(48, 65, 85));
        let gentler = [Verdict::Allow, Verdict::Allow, Verdict::Hold, Verdict::Block];
        let mut moved = 0;
        let every = |share: u8| shares.into_iter().filter(move |other| *other >= share);
        for hold in shares {
            for (escalate, block) in
                every(hold).flat_map(|escalate| every(escalate).map(move |block| (escalate, block)))
            {
                let usual = steps(hold, escalate, block);
                for relief in [relief(20, 100, 100), relief(5, 50, 60), relief(20, 0, 0)] {
                    // Two waves at once relax no further than one may.
                    let once = relief.relaxed(usual, usual);
                    for now in [once, relief.relaxed(usual, once)] {
                        assert_eq!(now.by_agreement(2), usual.by_agreement(2));
                        for risk in (0..=100).map(|share| percent(share).risk()) {
                            let [before, after] = [usual, now].map(|thresholds| thresholds.by_risk(risk));
                            let least = gentler[before as usize];
                            assert!((least..=before).contains(&after), "{relief:?} {usual:?}: {before} to {after}");
                            moved += u32::from(after < before);
                        }
                        assert_eq!(now.by_risk(Risk::CERTAIN), Verdict::Block);
                    }
                }
            }
        }
        assert!(moved > 1_000, "{moved}");
        assert!(relief(0, 40, 60).fault().is_some() && relief(1, 60, 40).fault().is_some());
        assert_eq!(relief(20, 60, 60).fault(), None);
    }

    #[test]
    fn thresholds_are_lowered_within_limits() {
        let surge = Surge {
            name: "uploads".to_owned(),
            measure: Measure::Uploads,
            hours: 24,
            weeks: 4,
            seen_min: 50,
            times_min: 3,
            deviations: 6,
            segment: "default".to_owned(),
            points: 8,
            floor: Floor { hold: percent(35), escalate: percent(50), block: percent(85) },
            lasts_hours: 48,
            lasts_max_hours: 168,
            relaxes: Vec::new(),
        };
        assert_eq!(surge.fault(), None);
        assert_eq!(surge.tightened(steps(40, 60, 85)), steps(35, 52, 85));
        // What is below the floor already stays.
        assert_eq!(surge.tightened(steps(30, 30, 30)), steps(30, 30, 30));
        assert!(Surge { hours: 0, ..surge.clone() }.fault().is_some_and(|fault| fault.contains("1 to 168")));
        assert!(Surge { lasts_hours: 200, ..surge }.fault().is_some());
    }
}
