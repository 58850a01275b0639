//! What a shorter window changed against what was before it, of whomever the rows are.

use super::{days, finite, over};
use crate::WindowRow;
use crate::signals::windows::View;

/// A count of a window.
pub(super) type OfRow = (&'static str, fn(&WindowRow) -> u64);

/// The day beside the rest of the week, and the week beside the rest of the month.
const PAIRS: [&str; 2] = ["day_against_week", "week_against_month"];

/// What of two windows is laid beside each other.
pub(super) struct AgainstPast {
    /// How many times as many a day. Who was there before and is no more makes the past of distinct values a lower bound.
    pub grows: &'static [OfRow],
    /// The share among the plays of the shorter window less the share among those before it.
    pub shares: &'static [OfRow],
    /// How many of the longer window's distinct values the shorter one has too.
    pub fresh: &'static [OfRow],
}

impl AgainstPast {
    /// The names of what [`AgainstPast::values`] says.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let all = || self.grows.iter().chain(self.shares).chain(self.fresh);
        PAIRS.into_iter().flat_map(move |pair| all().map(move |(name, _)| format!("{pair}_{name}")))
    }

    /// Says it of a day, a week and a month.
    pub fn values(&self, [day, week, month]: [Option<&View>; 3]) -> Vec<f32> {
        [(day, week), (week, month)].into_iter().flat_map(|(short, long)| self.of(short, long)).collect()
    }

    /// Nothing played in the shorter window is a change too: it counts as no plays.
    fn of(&self, short: Option<&View>, long: Option<&View>) -> Vec<f32> {
        let Some(long) = long else {
            return vec![f32::NAN; self.grows.len() + self.shares.len() + self.fresh.len()];
        };
        let nothing = WindowRow::default();
        let row = short.map_or(&nothing, |short| short.row);
        let now = |of: fn(&WindowRow) -> u64| of(row) as f64;
        let before = |of: fn(&WindowRow) -> u64| of(long.row).saturating_sub(of(row)) as f64;
        let now_days = short.map_or(f64::NAN, days);
        let past_days = (days(long) - short.map_or(0.0, days)).max(1.0);
        let past_plays = before(|row| row.plays.into());
        // One a day more on each side, so that a beginning is a large ratio and no infinite one.
        let growth = |of| (now(of) / now_days + 1.0) / (before(of) / past_days + 1.0);
        let share = |of| now(of) / f64::from(row.plays) - before(of) / past_plays;
        let mut values: Vec<f32> = self.grows.iter().map(|(_, of)| growth(*of) as f32).collect();
        values.extend(self.shares.iter().map(|(_, of)| finite(share(*of))));
        values.extend(self.fresh.iter().map(|(_, of)| over(now(*of), of(long.row) as f64)));
        values
    }
}
