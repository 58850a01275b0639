//! How tracks of one size are usually played: what a track is laid beside.
//!
//! ```text
//! row of a track in the longest window ──▶ size, measures ──▶ mean of the [`Cohort`] of that size, in steps ──▶ [`Usual`]
//! ```
//!
//! A track of ten listeners is played otherwise than a hit, so a track is compared with those that have between the same two
//! powers of two of listeners. Every track counts once in the mean, however often it is played: one that bots play all day does not make
//! that usual. What is usual moves in steps, so that all tracks of a cohort are told of it seldom.

use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

use crate::WindowRow;

/// Fewer tracks are no cohort.
const TRACKS_MIN: u64 = 5;

/// A measure: its name, what it is of a track in whole units, units of one, and the step in units.
type Measure = (&'static str, fn(&WindowRow) -> u64, u64, u64);

/// What is compared. Shares move in steps of 5 %, lengths of 10 s, plays per listener of a quarter.
const MEASURES: [Measure; 9] = [
    ("payable_share", |row| per(row.payable, 10_000, row.plays), 10_000, 500),
    ("edge_share", |row| per(row.edge, 10_000, row.payable), 10_000, 500),
    ("new_account_share", |row| per(row.new_account_plays, 10_000, row.plays), 10_000, 500),
    ("shuffled_share", |row| per(row.shuffled, 10_000, row.plays), 10_000, 500),
    ("hosted_share", |row| per(row.hosted, 10_000, row.plays), 10_000, 500),
    ("chosen_share", |row| per(row.by_search.saturating_add(row.by_library), 10_000, row.plays), 10_000, 500),
    ("playlist_share", |row| per(row.by_playlist, 10_000, row.plays), 10_000, 500),
    ("heard_secs_per_play", |row| row.played_ms / u64::from(row.plays.max(1)), 1_000, 10_000),
    ("plays_per_listener", |row| per(row.plays, 100, row.listeners), 100, 25),
];

/// `count` times `units` in each of `of`, rounded down; 0 of nothing.
fn per(count: u32, units: u64, of: u32) -> u64 {
    u64::from(count) * units / u64::from(of.max(1))
}

/// How many measures there are.
pub const MEASURED: usize = MEASURES.len();

/// The names of the measures.
pub fn names() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|(name, ..)| *name)
}

/// The cohort of a track: by how often its listeners can be halved.
pub fn size_of(row: &WindowRow) -> u8 {
    row.listeners.max(1).ilog2() as u8
}

/// The measures of one track, in their units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured([u64; MEASURED]);

impl Measured {
    /// What they are of a track with this row in the longest window.
    pub fn of(row: &WindowRow) -> Measured {
        Measured(MEASURES.map(|(_, of, ..)| of(row)))
    }

    /// How far each measure lies above what is usual.
    pub fn over(&self, usual: &Usual) -> [f64; MEASURED] {
        let units = MEASURES.map(|(_, _, units, _)| units as f64);
        std::array::from_fn(|at| (self.0[at] as f64 - usual.0[at] as f64) / units[at])
    }
}

/// What is usual in a cohort: the mean of each measure, rounded down to a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usual([u64; MEASURED]);

/// The tracks of one size, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cohort {
    tracks: u64,
    sums: [u64; MEASURED],
}

impl Cohort {
    /// What is usual in it; `None` of too few.
    pub fn usual(&self) -> Option<Usual> {
        let steps = MEASURES.map(|(.., step)| step);
        let usual = || std::array::from_fn(|at| self.sums[at] / self.tracks / steps[at] * steps[at]);
        (self.tracks >= TRACKS_MIN).then(|| Usual(usual()))
    }
}

impl AddAssign<Measured> for Cohort {
    fn add_assign(&mut self, Measured(more): Measured) {
        self.tracks += 1;
        self.sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}

impl SubAssign<Measured> for Cohort {
    fn sub_assign(&mut self, Measured(less): Measured) {
        self.tracks -= 1;
        self.sums.iter_mut().zip(less).for_each(|(sum, less)| *sum -= less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_laid_beside_those_of_its_size() {
        let track = |plays, payable| WindowRow { plays, payable, listeners: 8, ..WindowRow::default() };
        let mut cohort = Cohort::default();
        let people = [(10, 6), (16, 10), (12, 7), (10, 5)].map(|(plays, payable)| Measured::of(&track(plays, payable)));
        people.into_iter().for_each(|measured| cohort += measured);
        assert_eq!(cohort.usual(), None, "four are no cohort");
        // One that is played day and night counts once.
        let farmed = Measured::of(&track(10_000, 10_000));
        cohort += farmed;
        let usual = cohort.usual().unwrap();
        // Mean .6616 in steps of .05, and 251 plays per listener of 2 to 1,250.
        let over = farmed.over(&usual);
        assert!((over[0] - 0.35).abs() < 1e-9 && (over[8] - (1_250.0 - 251.0)).abs() < 0.3, "{over:?}");
        assert!((people[0].over(&usual)[0] + 0.05).abs() < 1e-9);
        cohort -= farmed;
        people.into_iter().for_each(|measured| cohort -= measured);
        assert_eq!(cohort, Cohort::default());
        assert_eq!(
            [0, 1, 2, 3, 4, 32].map(|listeners| size_of(&WindowRow { listeners, ..track(1, 1) })),
            [0, 0, 1, 1, 2, 5]
        );
    }
}
