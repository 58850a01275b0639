//! When a track, or all that an uploader has, is played: around which hours, in bursts or steadily, since when.
//!
//! ```text
//! plays by clock hour ──▶ [`Rhythm`]
//! ```
//!
//! Time is counted between plays: a rhythm changes when a play comes or goes, not because the clock moves.

use std::collections::BTreeMap;

use records::Millis;

/// The length of a clock hour.
const HOUR_MS: Millis = 3_600_000;
/// Hours of a day.
const DAY: i64 = 24;

/// The UTC clock hour in which a play ended, counted from 1970.
pub fn hour_of(ended_at: Millis) -> i64 {
    ended_at.div_euclid(HOUR_MS)
}

/// When the plays of the longest window happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// Plays.
    pub plays: u64,
    /// Clock hours with a play.
    pub active_hours: u32,
    /// From the first of them to the last, both included.
    pub span_hours: u64,
    /// Plays of the fullest clock hour.
    pub peak_plays: u32,
    /// Plays in the 24 hours that begin with the first active one.
    pub first_day_plays: u64,
    /// Plays in the 24 hours that end with the last active one.
    pub last_day_plays: u64,
    /// How many of the 24 hours of a day (UTC) have a play.
    pub hours_of_day: u32,
    /// The sum of the squares of the plays of each hour of the day.
    pub hour_squares: u64,
}

impl Rhythm {
    /// The rhythm of so many plays in each hour; `None` without plays.
    pub fn of(hours: &BTreeMap<i64, u32>) -> Option<Rhythm> {
        let ((first, _), (last, _)) = hours.first_key_value().zip(hours.last_key_value())?;
        let mut of_day = [0u64; DAY as usize];
        let mut rhythm = Rhythm { span_hours: last.abs_diff(*first) + 1, ..Rhythm::default() };
        for (hour, plays) in hours {
            rhythm.active_hours += 1;
            rhythm.peak_plays = rhythm.peak_plays.max(*plays);
            let plays = u64::from(*plays);
            rhythm.plays += plays;
            rhythm.first_day_plays += if *hour < first + DAY { plays } else { 0 };
            rhythm.last_day_plays += if *hour > last - DAY { plays } else { 0 };
            of_day[hour.rem_euclid(DAY) as usize] += plays;
        }
        rhythm.hours_of_day = of_day.iter().filter(|plays| **plays > 0).count() as u32;
        rhythm.hour_squares = of_day.iter().map(|plays| plays * plays).sum();
        Some(rhythm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rhythm_counts_between_plays() {
        // 1970-01-02 22:00, 23:00, and two days later 22:00.
        let hours = [(46, 3), (47, 1), (94, 4)];
        let rhythm = Rhythm::of(&BTreeMap::from(hours)).unwrap();
        let expected = Rhythm {
            plays: 8,
            active_hours: 3,
            span_hours: 49,
            peak_plays: 4,
            first_day_plays: 4,
            last_day_plays: 4,
            hours_of_day: 2,
            hour_squares: 49 + 1,
        };
        assert_eq!(rhythm, expected);
        let later = hours.map(|(hour, plays)| (hour - 24 * 1_000, plays));
        assert_eq!(Rhythm::of(&BTreeMap::from(later)).unwrap(), expected, "whichever day it is, before 1970 too");
        assert_eq!(Rhythm::of(&BTreeMap::new()), None);
        assert_eq!([hour_of(-1), hour_of(0), hour_of(3_599_999), hour_of(3_600_000)], [-1, 0, 0, 1]);
    }
}
