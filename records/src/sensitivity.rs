//! How far, and for how long, a surge may tighten whom.
//!
//! ```text
//! uploads, near titles, new accounts, duplicates beside their own weeks before ──Surge──▶ a wave ──▶ thresholds of a segment, for a time
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
    /// Whose thresholds are lowered: `default`, or a tier that has thresholds.
    pub segment: String,
    /// By so many points.
    pub points: u8,
    /// But never below these.
    pub floor: Floor,
    /// For so long after it was seen last ...
    pub lasts_hours: u32,
    /// ... and in all no longer than this: then people look.
    pub lasts_max_hours: u32,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(percent: u8) -> Percent {
        Percent::new(percent).unwrap()
    }

    #[test]
    fn thresholds_are_lowered_within_limits() {
        let steps = |hold, escalate, block| {
            let [hold, escalate, block] = [hold, escalate, block].map(percent);
            Thresholds::new(Steps { hold, escalate, block, escalate_signals: 2, block_signals: 3 }).unwrap()
        };
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
        };
        assert_eq!(surge.fault(), None);
        assert_eq!(surge.tightened(steps(40, 60, 85)), steps(35, 52, 85));
        // What is below the floor already stays.
        assert_eq!(surge.tightened(steps(30, 30, 30)), steps(30, 30, 30));
        assert!(Surge { hours: 0, ..surge.clone() }.fault().is_some_and(|fault| fault.contains("1 to 168")));
        assert!(Surge { lasts_hours: 200, ..surge }.fault().is_some());
    }
}
