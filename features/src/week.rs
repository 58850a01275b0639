//! When somebody is listened to or listens: plays by the day of the week and the hour of the day, in UTC.
//!
//! ```text
//! end of a play ──▶ hour of the week, 0 (Monday from 0:00) to 167 (Sunday from 23:00) ──▶ how many
//! ```

use records::Millis;

/// Hours of a week.
pub const HOURS: usize = 168;
const HOUR_MS: Millis = 3_600_000;
/// The first Monday, 1970-01-05, in hours since the epoch.
const MONDAY: Millis = 4 * 24;
/// A week of so few plays is a list of their hours, a byte each: most accounts and tracks have no more in a month, and a count per hour takes 672 bytes.
const FEW_MAX: usize = 256;

/// The hour of the week in which a play ends.
pub fn hour_of(ended_at: Millis) -> u8 {
    (ended_at.div_euclid(HOUR_MS) - MONDAY).rem_euclid(HOURS as Millis) as u8
}

/// Plays by the hour of the week. What was counted can be taken back exactly.
#[derive(Clone, Debug)]
pub struct Week(Held);

#[derive(Clone, Debug)]
enum Held {
    /// The hour of each play, in no particular order.
    Few(Vec<u8>),
    /// How many plays each hour has.
    Many(Box<[u32; HOURS]>),
}

impl Default for Week {
    fn default() -> Week {
        Week(Held::Few(Vec::new()))
    }
}

impl Week {
    /// Counts a play of that hour, or takes it out again.
    pub fn count(&mut self, hour: u8, enters: bool) {
        match &mut self.0 {
            Held::Few(hours) if enters && hours.len() == FEW_MAX => {
                self.0 = Held::Many(Box::new(self.counts()));
                self.count(hour, true);
            }
            Held::Few(hours) if enters => hours.push(hour),
            Held::Few(hours) => {
                let at = hours.iter().position(|known| *known == hour).expect("what leaves had entered");
                hours.swap_remove(at);
            }
            Held::Many(counts) => {
                let count = &mut counts[usize::from(hour)];
                *count = if enters { *count + 1 } else { *count - 1 };
                // Half of what a list holds, so that one play more or less does not turn it over and over.
                if !enters && counts.iter().map(|count| *count as usize).sum::<usize>() == FEW_MAX / 2 {
                    let of_hour = |(hour, count): (usize, &u32)| vec![hour as u8; *count as usize];
                    self.0 = Held::Few(counts.iter().enumerate().flat_map(of_hour).collect());
                }
            }
        }
    }

    /// How many plays each hour has.
    pub fn counts(&self) -> [u32; HOURS] {
        match &self.0 {
            Held::Many(counts) => **counts,
            Held::Few(hours) => {
                let mut counts = [0; HOURS];
                hours.iter().for_each(|hour| counts[usize::from(*hour)] += 1);
                counts
            }
        }
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        // Many are more than half of a list.
        matches!(&self.0, Held::Few(hours) if hours.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_week_begins_on_monday() {
        // 2026-01-05 was a Monday.
        let monday = 1_767_571_200_000;
        assert_eq!([monday - 1, monday, monday + HOUR_MS, monday + 7 * 24 * HOUR_MS].map(hour_of), [167, 0, 1, 0]);
        assert_eq!([-1, 0].map(hour_of), [71, 72], "1970-01-01 was a Thursday");
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_entered_and_has_not_left(steps in prop::collection::vec((0..168_u8, 0..60_usize), 1..60)) {
            let (mut week, mut counts) = (Week::default(), [0_u32; HOURS]);
            for (hour, plays) in &steps {
                (0..*plays).for_each(|_| week.count(*hour, true));
                counts[usize::from(*hour)] += *plays as u32;
                prop_assert_eq!(week.counts(), counts);
            }
            for (hour, plays) in steps.iter().rev() {
                (0..*plays).for_each(|_| week.count(*hour, false));
                counts[usize::from(*hour)] -= *plays as u32;
                prop_assert_eq!(week.counts(), counts);
                prop_assert_eq!(week.is_empty(), counts == [0; HOURS]);
            }
        }
    }
}
