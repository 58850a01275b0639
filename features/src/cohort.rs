//! What is usual among those of one size: what a track or an account is laid beside.
//!
//! ```text
//! row in the longest window ──▶ [`Yardstick`]: size, measures ──▶ mean of the [`Cohort`] of that size, in steps ──▶ [`Usual`]
//! ```
//!
//! A track of ten listeners is played otherwise than a hit, and who plays ten songs a month otherwise than who plays thousands: tracks are
//! compared with those that have between the same two powers of two of listeners, accounts with those of plays. Everybody counts once in
//! the mean: a track that bots play all day does not make that usual. What is usual moves in steps, so that a cohort is told of it seldom.

use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

use crate::WindowRow;

/// Fewer are no cohort.
const MEMBERS_MIN: u64 = 5;

/// A measure: its name, what it is in whole units, units of one, and the step in units.
type Measure = (&'static str, fn(&WindowRow) -> u64, u64, u64);

/// How many measures there are.
pub const MEASURED: usize = 9;

/// What is compared among one kind of subjects, and by what they are of one size.
pub struct Yardstick {
    size: fn(&WindowRow) -> u32,
    measures: [Measure; MEASURED],
}

/// How a track is played. Shares move in steps of 5 %, lengths of 10 s, plays per listener of a quarter.
pub static TRACKS: Yardstick = Yardstick {
    size: |row| row.listeners,
    measures: [
        PAYABLE,
        EDGE,
        ("new_account_share", |row| per(row.new_account_plays, 10_000, row.plays), 10_000, 500),
        SHUFFLED,
        HOSTED,
        CHOSEN,
        PLAYLIST,
        HEARD,
        ("plays_per_listener", |row| per(row.plays, 100, row.listeners), 100, 25),
    ],
};

/// How an account plays. Steps as of tracks; plays per hour with a play of a quarter.
pub static ACCOUNTS: Yardstick = Yardstick {
    size: |row| row.plays,
    measures: [
        PAYABLE,
        EDGE,
        ("distinct_share", |row| per(row.tracks, 10_000, row.plays), 10_000, 500),
        SHUFFLED,
        HOSTED,
        CHOSEN,
        PLAYLIST,
        HEARD,
        ("plays_per_active_hour", |row| per(row.plays, 100, row.active_hours), 100, 25),
    ],
};

const PAYABLE: Measure = ("payable_share", |row| per(row.payable, 10_000, row.plays), 10_000, 500);
const EDGE: Measure = ("edge_share", |row| per(row.edge, 10_000, row.payable), 10_000, 500);
const SHUFFLED: Measure = ("shuffled_share", |row| per(row.shuffled, 10_000, row.plays), 10_000, 500);
const HOSTED: Measure = ("hosted_share", |row| per(row.hosted, 10_000, row.plays), 10_000, 500);
const CHOSEN: Measure =
    ("chosen_share", |row| per(row.by_search.saturating_add(row.by_library), 10_000, row.plays), 10_000, 500);
const PLAYLIST: Measure = ("playlist_share", |row| per(row.by_playlist, 10_000, row.plays), 10_000, 500);
const HEARD: Measure = ("heard_secs_per_play", |row| row.played_ms / u64::from(row.plays.max(1)), 1_000, 10_000);

/// `count` times `units` in each of `of`, rounded down; 0 of nothing.
fn per(count: u32, units: u64, of: u32) -> u64 {
    u64::from(count) * units / u64::from(of.max(1))
}

impl Yardstick {
    /// The names of what [`Yardstick::over`] says.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.measures.iter().map(|(name, ..)| format!("{name}_over_cohort"))
    }

    /// The cohort of a row in the longest window: by how often its size can be halved.
    pub fn size_of(&self, row: &WindowRow) -> u8 {
        (self.size)(row).max(1).ilog2() as u8
    }

    /// The measures of a row in the longest window, in their units.
    pub fn measured(&self, row: &WindowRow) -> Measured {
        Measured(self.measures.map(|(_, of, ..)| of(row)))
    }

    /// What is usual in a cohort; `None` of too few.
    pub fn usual(&self, cohort: &Cohort) -> Option<Usual> {
        let steps = self.measures.map(|(.., step)| step);
        let usual = || std::array::from_fn(|at| cohort.sums[at] / cohort.members / steps[at] * steps[at]);
        (cohort.members >= MEMBERS_MIN).then(|| Usual(usual()))
    }

    /// How far each measure of a row in the longest window lies above what is usual; NaN where nothing is.
    pub fn over(&self, row: &WindowRow, usual: Option<Usual>) -> [f64; MEASURED] {
        let (Measured(measured), units) = (self.measured(row), self.measures.map(|(_, _, units, _)| units as f64));
        let over = |Usual(usual): Usual| std::array::from_fn(|at| (measured[at] as f64 - usual[at] as f64) / units[at]);
        usual.map_or([f64::NAN; MEASURED], over)
    }
}

/// The measures of one subject, in their units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured([u64; MEASURED]);

/// What is usual in a cohort: the mean of each measure, rounded down to a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usual([u64; MEASURED]);

/// Those of one size, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cohort {
    members: u64,
    sums: [u64; MEASURED],
}

impl AddAssign<Measured> for Cohort {
    fn add_assign(&mut self, Measured(more): Measured) {
        self.members += 1;
        self.sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}

impl SubAssign<Measured> for Cohort {
    fn sub_assign(&mut self, Measured(less): Measured) {
        self.members -= 1;
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
        let people = [(10, 6), (16, 10), (12, 7), (10, 5)].map(|(plays, payable)| track(plays, payable));
        people.iter().for_each(|row| cohort += TRACKS.measured(row));
        assert_eq!(TRACKS.usual(&cohort), None, "four are no cohort");
        // One that is played day and night counts once.
        let farmed = track(10_000, 10_000);
        cohort += TRACKS.measured(&farmed);
        let usual = TRACKS.usual(&cohort);
        // Mean .6616 in steps of .05, and 251 plays per listener of 2 to 1,250.
        let over = TRACKS.over(&farmed, usual);
        assert!((over[0] - 0.35).abs() < 1e-9 && (over[8] - (1_250.0 - 251.0)).abs() < 0.3, "{over:?}");
        assert!((TRACKS.over(&people[0], usual)[0] + 0.05).abs() < 1e-9);
        assert!(TRACKS.over(&farmed, None).iter().all(|over| over.is_nan()));
        cohort -= TRACKS.measured(&farmed);
        people.iter().for_each(|row| cohort -= TRACKS.measured(row));
        assert_eq!(cohort, Cohort::default());
    }

    #[test]
    fn sizes_are_powers_of_two_of_listeners_or_of_plays() {
        let row = |count| WindowRow { plays: 4 * count, listeners: count, ..WindowRow::default() };
        assert_eq!([0, 1, 2, 3, 4, 32].map(|count| TRACKS.size_of(&row(count))), [0, 0, 1, 1, 2, 5]);
        assert_eq!([0, 1, 2, 3, 4, 32].map(|count| ACCOUNTS.size_of(&row(count))), [0, 2, 3, 3, 4, 7]);
    }
}
