//! How many of something there are now, beside the same hours of the weeks before.
//!
//! ```text
//! instants ──▶ seen in the hours up to now ──────────────┐
//!         └──▶ the same hours, a week, two weeks … ago ───┴──▶ seen, expected, deviation
//! ```
//!
//! A week is the season: what is usual on a Friday night is compared with Friday nights. Median and median deviation, because an
//! earlier wave among the weeks must not hide the next one.

use records::Millis;

const HOUR_MS: Millis = 3_600_000;
const WEEK_MS: Millis = 168 * HOUR_MS;
/// Of a normal distribution, the standard deviation over the median deviation.
const NORMAL: f64 = 1.4826;

/// What was seen and what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Season {
    /// In the hours up to now.
    pub seen: u64,
    /// The median of the same hours of the weeks before.
    pub expected: f64,
    /// How far these usually lie from it: the median deviation of a normal distribution, and no less than chance alone gives a count.
    pub deviation: f64,
}

impl Season {
    /// Of the instants, which are in order, as of `now`: `hours` up to it, and of `weeks` before; `None` while there were not so many
    /// weeks since the first instant.
    pub fn of(instants: &[Millis], now: Millis, hours: u32, weeks: u32) -> Option<Season> {
        let length = Millis::from(hours) * HOUR_MS;
        let known_since = now - Millis::from(weeks) * WEEK_MS - length;
        instants.first().filter(|first| **first <= known_since)?;
        let before = |at: Millis| instants.partition_point(|instant| *instant < at);
        let count = |until: Millis| (before(until) - before(until - length)) as u64;
        let mut past: Vec<f64> = (1..=Millis::from(weeks)).map(|week| count(now - week * WEEK_MS) as f64).collect();
        let expected = median(&mut past);
        let mut away: Vec<f64> = past.iter().map(|count| (count - expected).abs()).collect();
        let deviation = (NORMAL * median(&mut away)).max(expected.sqrt()).max(1.0);
        Some(Season { seen: count(now), expected, deviation })
    }

    /// Whether it is at least `times` what was expected, and by more than so many deviations.
    pub fn is_surge(&self, times: u64, deviations: u64) -> bool {
        let seen = self.seen as f64;
        seen >= self.expected * times as f64 && seen > self.expected + self.deviation * deviations as f64
    }
}

/// The middle of the numbers, or the mean of the two in the middle; there is at least one.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[half] } else { (numbers[half - 1] + numbers[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_friday_is_compared_with_fridays() {
        // Ten an hour on the first day of each week, one an hour on the others.
        let hour = |hour: i64| if hour.rem_euclid(168) < 24 { 10 } else { 1 };
        let mut instants: Vec<Millis> =
            (0..168 * 6).flat_map(|number| (0..hour(number)).map(move |n| number * HOUR_MS + n)).collect();
        let of = |instants: &[Millis], now: i64| Season::of(instants, now * HOUR_MS, 24, 4).unwrap();
        let friday = of(&instants, 168 * 5 + 24);
        assert_eq!((friday.seen, friday.expected), (240, 240.0));
        assert!(!friday.is_surge(2, 6));
        // The same number on another day is a wave, also after a wave four weeks ago.
        let flood = |week: i64| (0..216).map(move |n| (168 * week + 90) * HOUR_MS + n);
        instants.extend(flood(1).chain(flood(5)));
        instants.sort_unstable();
        let tuesday = of(&instants, 168 * 5 + 96);
        assert_eq!((tuesday.seen, tuesday.expected), (240, 24.0));
        assert!(tuesday.is_surge(3, 6) && !tuesday.is_surge(11, 6));
        assert_eq!(Season::of(&instants, 168 * 4 * HOUR_MS, 24, 4), None);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_looking_at_every_instant(
            mut instants in prop::collection::vec(0..6 * WEEK_MS, 1..200), now in 4 * WEEK_MS..6 * WEEK_MS, hours in 1..100_u32,
        ) {
            instants.sort_unstable();
            let length = Millis::from(hours) * HOUR_MS;
            let count = |until: Millis| instants.iter().filter(|at| (until - length..until).contains(at)).count() as u64;
            match Season::of(&instants, now, hours, 3) {
                None => prop_assert!(instants[0] > now - 3 * WEEK_MS - length),
                Some(season) => {
                    let mut past: Vec<u64> = (1..=3).map(|week| count(now - week * WEEK_MS)).collect();
                    past.sort_unstable();
                    prop_assert_eq!((season.seen, season.expected), (count(now), past[1] as f64));
                }
            }
        }
    }
}
