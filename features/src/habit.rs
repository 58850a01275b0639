//! When, how long, whence and where somebody is listened to or listens: plays by classes, a few pictures at once.
//!
//! ```text
//! play ──▶ hour of the week (UTC), day, length beside its source, country ──▶ how many of each
//! ```
//!
//! The classes of a play are small numbers, so that a month of a listener is a list of four bytes a play, and what was counted can be taken back exactly.

use records::{Millis, Source};

/// Hours of a week, Monday from 0:00 UTC on.
pub const HOURS: usize = 168;
/// Days are told apart over so many, and come again after that.
pub const DAYS: usize = 128;
/// From which second on the classes of length begin: narrow around the 30 seconds from which a play is payable, where farms leave their edge.
pub const LENGTHS_FROM_SECS: [u32; 14] = [0, 5, 10, 20, 25, 28, 30, 31, 32, 35, 40, 60, 120, 240];
/// Sources, by their numbers.
pub const SOURCES: usize = 6;
/// Countries, by the numbers that who counts gives them; the last one is all that have none of their own.
pub const COUNTRIES: usize = 256;

const HOUR_MS: Millis = 3_600_000;
const DAY_MS: Millis = 24 * HOUR_MS;
/// The first Monday, 1970-01-05, in hours since the epoch.
const MONDAY: Millis = 4 * 24;
/// So many plays are a list, four bytes each: most accounts and tracks have no more in a month, and a count per class takes 2.5 kB.
const FEW_MAX: usize = 512;

/// How many classes each picture has, and where its counts begin.
const SIZES: [usize; 4] = [HOURS, DAYS, LENGTHS_FROM_SECS.len() * SOURCES, COUNTRIES];
const BEGINS: [usize; 4] = [0, SIZES[0], SIZES[0] + SIZES[1], SIZES[0] + SIZES[1] + SIZES[2]];
const ALL: usize = BEGINS[3] + SIZES[3];

/// The classes of a play, one in each picture.
pub type Classes = [u8; 4];

/// The classes of a play that ended then, was heard for so long, came from there, and has that number of a country.
pub fn classes(ended_at: Millis, played_ms: u32, source: Source, country: u8) -> Classes {
    [hour_of(ended_at), day_of(ended_at), length_of(played_ms) * SOURCES as u8 + source as u8, country]
}

/// The hour of the week in which a play ends.
fn hour_of(ended_at: Millis) -> u8 {
    (ended_at.div_euclid(HOUR_MS) - MONDAY).rem_euclid(HOURS as Millis) as u8
}

/// The place of the day among [`DAYS`] on which a play ends.
pub fn day_of(ended_at: Millis) -> u8 {
    ended_at.div_euclid(DAY_MS).rem_euclid(DAYS as Millis) as u8
}

fn length_of(played_ms: u32) -> u8 {
    (LENGTHS_FROM_SECS.partition_point(|from| u64::from(*from) * 1_000 <= u64::from(played_ms)) - 1) as u8
}

/// Plays by their classes. What was counted can be taken back exactly.
#[derive(Clone, Debug)]
pub struct Habit(Held);

#[derive(Clone, Debug)]
enum Held {
    /// The classes of the plays. Each column stands for itself: a row need not be those of one play.
    Few(Vec<Classes>),
    /// How many plays each class has.
    Many(Box<[u32; ALL]>),
}

/// How many plays each class has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([u32; ALL]);

impl Counts {
    fn picture(&self, picture: usize) -> &[u32] {
        &self.0[BEGINS[picture]..BEGINS[picture] + SIZES[picture]]
    }

    /// All plays.
    pub fn plays(&self) -> u64 {
        self.hours().iter().map(|plays| u64::from(*plays)).sum()
    }

    /// Plays by the hour of the week, Monday from 0:00 UTC on.
    pub fn hours(&self) -> &[u32] {
        self.picture(0)
    }

    /// Plays by [`day_of`].
    pub fn days(&self) -> &[u32] {
        self.picture(1)
    }

    /// Plays by length, as [`LENGTHS_FROM_SECS`] divides them.
    pub fn lengths(&self) -> Vec<u32> {
        self.picture(2).chunks(SOURCES).map(|of_length| of_length.iter().sum()).collect()
    }

    /// Plays by the number of their source.
    pub fn sources(&self) -> Vec<u32> {
        (0..SOURCES).map(|source| self.picture(2).iter().skip(source).step_by(SOURCES).sum()).collect()
    }

    /// Plays by the number of their country.
    pub fn countries(&self) -> &[u32] {
        self.picture(3)
    }
}

impl Default for Habit {
    fn default() -> Habit {
        Habit(Held::Few(Vec::new()))
    }
}

impl Habit {
    /// Counts a play of those classes, or takes it out again.
    pub fn count(&mut self, classes: Classes, enters: bool) {
        match &mut self.0 {
            Held::Few(plays) if enters && plays.len() == FEW_MAX => {
                self.0 = Held::Many(Box::new(self.counts().0));
                self.count(classes, true);
            }
            Held::Few(plays) if enters => plays.push(classes),
            Held::Few(plays) => take_out(plays, classes),
            Held::Many(counts) => {
                for (begin, class) in BEGINS.into_iter().zip(classes) {
                    let count = &mut counts[begin + usize::from(class)];
                    *count = if enters { *count + 1 } else { *count - 1 };
                }
                // Half of what a list holds, so that one play more or less does not turn it over and over.
                if !enters && counts[..HOURS].iter().sum::<u32>() as usize == FEW_MAX / 2 {
                    self.0 = Held::Few(listed(counts));
                }
            }
        }
    }

    /// How many plays each class has.
    pub fn counts(&self) -> Counts {
        match &self.0 {
            Held::Many(counts) => Counts(**counts),
            Held::Few(plays) => {
                let mut counts = [0; ALL];
                for play in plays {
                    BEGINS.into_iter().zip(play).for_each(|(begin, class)| counts[begin + usize::from(*class)] += 1);
                }
                Counts(counts)
            }
        }
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        // Many are more than half of a list.
        matches!(&self.0, Held::Few(plays) if plays.is_empty())
    }
}

/// Takes out of each column its class: what is last takes its place.
fn take_out(plays: &mut Vec<Classes>, classes: Classes) {
    let last = *plays.last().expect("what leaves had entered");
    for (column, class) in classes.into_iter().enumerate() {
        let at = plays.iter().position(|play| play[column] == class).expect("what leaves had entered");
        plays[at][column] = last[column];
    }
    plays.pop();
}

/// A list with those counts, column by column.
fn listed(counts: &[u32; ALL]) -> Vec<Classes> {
    let mut plays = vec![Classes::default(); FEW_MAX / 2];
    for (column, (begin, size)) in BEGINS.into_iter().zip(SIZES).enumerate() {
        let of_class = |(class, count): (usize, &u32)| std::iter::repeat_n(class as u8, *count as usize);
        let classes = counts[begin..begin + size].iter().enumerate().flat_map(of_class);
        plays.iter_mut().zip(classes).for_each(|(play, class)| play[column] = class);
    }
    plays
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
        assert_eq!([-1, 0, DAY_MS, DAYS as Millis * DAY_MS].map(day_of), [127, 0, 1, 0]);
    }

    #[test]
    fn a_length_belongs_to_the_class_that_begins_at_it_or_before() {
        let named = |played_ms: u32| LENGTHS_FROM_SECS[usize::from(length_of(played_ms))];
        assert_eq!(
            [0, 4_999, 29_999, 30_000, 30_999, 31_000, 59_999, u32::MAX].map(named),
            [0, 0, 28, 30, 30, 31, 40, 240]
        );
    }

    fn plays() -> impl Strategy<Value = Vec<(Classes, usize)>> {
        let source = prop::sample::select(&[Source::Other, Source::Search, Source::Playlist][..]);
        let play = (0..200 * HOUR_MS * 24, 0..300_000_u32, source, any::<u8>());
        let play =
            play.prop_map(|(ended_at, played_ms, source, country)| classes(ended_at, played_ms, source, country));
        prop::collection::vec((play, 0..90_usize), 1..60)
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_entered_and_has_not_left(steps in plays(), order in any::<bool>()) {
            let (mut habit, mut counts) = (Habit::default(), [0_u32; ALL]);
            for (classes, plays) in &steps {
                (0..*plays).for_each(|_| habit.count(*classes, true));
                BEGINS.into_iter().zip(classes).for_each(|(begin, class)| counts[begin + usize::from(*class)] += *plays as u32);
                prop_assert_eq!(habit.counts().0, counts);
            }
            let mut leaving = steps.clone();
            if order {
                leaving.reverse();
            }
            for (classes, plays) in &leaving {
                (0..*plays).for_each(|_| habit.count(*classes, false));
                BEGINS.into_iter().zip(classes).for_each(|(begin, class)| counts[begin + usize::from(*class)] -= *plays as u32);
                let now = habit.counts();
                prop_assert_eq!(now.0, counts);
                prop_assert_eq!(habit.is_empty(), now.plays() == 0);
                let each = [now.days(), now.countries(), &now.lengths(), &now.sources()].map(|counts| counts.iter().map(|n| u64::from(*n)).sum::<u64>());
                prop_assert_eq!(each, [now.plays(); 4]);
            }
        }
    }
}
