//! Who listens to a track: what is remarkable about its listeners, summed up.
//!
//! ```text
//! facts of an account ──▶ [`Mark`] ──▶ on each track that it plays ──▶ [`Crowd`] of the track ──▶ of an uploader's tracks
//! ```
//!
//! A mark says what the plays of an account show and rules know, under no policy and without a model: what a model says of an account
//! must not come back as a feature of its tracks. Marks move in steps, so that an account does not change its mind about all its
//! tracks at every play. Crowds are sums of whole numbers and can be taken back exactly.

use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

use crate::company::Company;
use crate::signals::{AccountFacts, Signal, WHOLE, of_account};

/// Suspicion moves in steps of 5 %, as the standing of an uploader does.
const STEP: u16 = 500;
/// An account is suspected from the middle of a signal's ramp on: people stand below its beginning, machines at its end.
const SUSPECTED: u16 = 5_000;
/// Sum of squares over square of the sum of the plays per track, as one in so many: ten tracks and nothing else. Nobody real
/// in [`crate::signals`] comes near it.
const NARROW_TRACKS: u64 = 10;
/// Fewer plays than this in the longest window show no habit, as in the signals about accounts.
const HABIT_PLAYS: u32 = 50;
/// An account of so few plays in the longest window was hardly there. Our judgement.
const SLIGHT_PLAYS: u32 = 10;
/// Rare tracks from which the company of an account can be told from chance, and how many times chance is close. Our judgement.
const CLOSE: (u32, f64) = (10, 1.0);

/// What is remarkable about an account; of most accounts nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The strongest signal that speaks against it by rule, in ten-thousandths, rounded down to a twentieth; nothing where a person ruled
    /// that it speaks against nobody.
    pub suspicion: u16,
    /// It is in a group with another account.
    pub grouped: bool,
    /// It is in lockstep with another account.
    pub in_step: bool,
    /// It hardly plays anything but a few tracks.
    pub narrow: bool,
    /// It hardly plays.
    pub slight: bool,
    /// It shares its rare tracks with the same others.
    pub close: bool,
}

impl Mark {
    /// The mark of an account, of which only the longest window that it has plays in is asked for more than signals.
    pub fn of(facts: &AccountFacts) -> Mark {
        let row = facts.rows.last().map(|(_, row)| *row).unwrap_or_default();
        let plays = u64::from(row.plays);
        Mark {
            suspicion: if facts.is_silenced { 0 } else { suspicion(&of_account(facts)) },
            grouped: facts.group_size > 1,
            in_step: facts.lockstep_partners > 0,
            narrow: row.plays >= HABIT_PLAYS && row.sum_squares * NARROW_TRACKS >= plays * plays,
            slight: (1..=SLIGHT_PLAYS).contains(&row.plays),
            close: is_close(&facts.company),
        }
    }

    /// The weight of each trait, in ten-thousandths.
    fn weights(self) -> [i64; TRAITS.len()] {
        let Mark { suspicion, grouped, in_step, narrow, slight, close } = self;
        let flags = [suspicion >= SUSPECTED, grouped, in_step, narrow, slight, close];
        let mut weights = [i64::from(suspicion); TRAITS.len()];
        weights[1..].iter_mut().zip(flags).for_each(|(weight, holds)| *weight = i64::from(holds) * WHOLE as i64);
        weights
    }
}

/// How suspicious an account with these signals is, in steps.
pub(crate) fn suspicion(signals: &[Signal]) -> u16 {
    signals.iter().map(|signal| signal.strength).max().unwrap_or(0) / STEP * STEP
}

fn is_close(company: &Company) -> bool {
    let (rare_tracks, times) = CLOSE;
    company.rare_tracks >= rare_tracks && company.shared() >= times * f64::from(company.rare_tracks).sqrt()
}

/// What a crowd is made of, in the order of its sums: the mean suspicion, and the shares of the marks.
pub const TRAITS: [&str; 7] = ["suspicion", "suspected", "grouped", "in_step", "narrow", "slight", "close"];

/// The remarkable ones among the listeners of a track, or of several tracks together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crowd {
    /// By trait: the weights of the listeners. Who listens to two tracks counts twice in their sum.
    listeners: [i64; TRAITS.len()],
    /// By trait: the weights of the listeners, once for each of their plays.
    plays: [i64; TRAITS.len()],
}

impl Crowd {
    /// A listener of this mark had so many plays, and has so many now. Between two updates of a tick fewer than none may be known.
    pub fn shift(&mut self, mark: Mark, from: i64, to: i64) {
        let listeners = i64::from(to > 0) - i64::from(from > 0);
        for (place, weight) in mark.weights().into_iter().enumerate() {
            self.listeners[place] += weight * listeners;
            self.plays[place] += weight * (to - from);
        }
    }

    /// The mean of each trait over so many listeners.
    pub fn of_listeners(&self, listeners: u64) -> [f64; TRAITS.len()] {
        self.listeners.map(|sum| sum as f64 / WHOLE as f64 / listeners as f64)
    }

    /// The mean of each trait over so many plays.
    pub fn of_plays(&self, plays: u64) -> [f64; TRAITS.len()] {
        self.plays.map(|sum| sum as f64 / WHOLE as f64 / plays as f64)
    }

    /// Whether suspected accounts made at least this share of so many plays, as (of, how many).
    pub fn is_suspected(&self, plays: u64, (share, of): (u64, u64)) -> bool {
        let suspected = self.plays[1].unsigned_abs() / WHOLE;
        suspected > 0 && suspected * of >= plays * share
    }
}

impl AddAssign for Crowd {
    fn add_assign(&mut self, more: Crowd) {
        self.listeners.iter_mut().zip(more.listeners).for_each(|(sum, more)| *sum += more);
        self.plays.iter_mut().zip(more.plays).for_each(|(sum, more)| *sum += more);
    }
}

impl SubAssign for Crowd {
    fn sub_assign(&mut self, less: Crowd) {
        self.listeners.iter_mut().zip(less.listeners).for_each(|(sum, less)| *sum -= less);
        self.plays.iter_mut().zip(less.plays).for_each(|(sum, less)| *sum -= less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WindowRow;

    const DAY_MS: i64 = 86_400_000;

    fn mark(row: WindowRow) -> Mark {
        Mark::of(&AccountFacts { rows: &[(28 * DAY_MS, row)], ..AccountFacts::default() })
    }

    #[test]
    fn ordinary_people_bear_no_mark_and_machines_do() {
        let person = WindowRow {
            plays: 400,
            payable: 300,
            edge: 2,
            skipped: 100,
            played_ms: 300 * 190_000,
            tracks: 180,
            sum_squares: 1_600,
            active_hours: 90,
            by_search: 200,
            by_playlist: 200,
            ..WindowRow::default()
        };
        assert_eq!(mark(person), Mark::default());
        let farm = WindowRow {
            payable: 400,
            edge: 400,
            skipped: 0,
            played_ms: 400 * 31_000,
            tracks: 8,
            sum_squares: 20_000,
            ..person
        };
        let marked = mark(farm);
        assert!(marked.suspicion >= SUSPECTED && marked.suspicion.is_multiple_of(STEP) && marked.narrow, "{marked:?}");
        assert!(mark(WindowRow { plays: 3, sum_squares: 3, ..WindowRow::default() }).slight);
        assert_eq!(mark(WindowRow::default()), Mark::default(), "who does not play is not slight");
    }

    #[test]
    fn a_crowd_is_the_sum_of_its_listeners_and_forgets_who_left() {
        let bot = Mark { suspicion: 8_000, in_step: true, ..Mark::default() };
        let guest = Mark { slight: true, ..Mark::default() };
        let mut crowd = Crowd::default();
        crowd.shift(bot, 0, 6);
        crowd.shift(guest, 0, 2);
        // Two listeners and two plays more by somebody unremarkable.
        assert_eq!(crowd.of_listeners(4), [0.2, 0.25, 0.0, 0.25, 0.0, 0.25, 0.0]);
        assert_eq!(crowd.of_plays(10), [0.48, 0.6, 0.0, 0.6, 0.0, 0.2, 0.0]);
        assert!(crowd.is_suspected(10, (3, 5)) && !crowd.is_suspected(11, (3, 5)));
        // The play that is taken back may be told of before the one that it takes back.
        crowd.shift(guest, 2, -1);
        crowd.shift(guest, -1, 0);
        crowd.shift(bot, 6, 0);
        assert_eq!(crowd, Crowd::default());
    }
}
