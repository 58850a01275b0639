//! Which of the windows a user chose is a day, a week or a month.

use records::Millis;

use super::{Rows, Seen};
use crate::WindowRow;

/// The length of a day.
pub(crate) const DAY_MS: Millis = 86_400_000;

/// One row and the length of its window.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub window_ms: Millis,
    pub row: &'a WindowRow,
}

impl View<'_> {
    /// `count` per day of the window, rounded down.
    pub fn per_day(&self, count: u64) -> u64 {
        (u128::from(count) * DAY_MS as u128 / self.window_ms.max(1) as u128) as u64
    }

    /// So many of so many in this window.
    pub fn seen(&self, count: impl Into<u64>, of: impl Into<u64>) -> Seen {
        Seen { window_ms: self.window_ms, count: count.into(), of: of.into() }
    }
}

/// The shortest window from a day up to four; nobody is judged on less than a day.
pub(crate) fn day(rows: Rows) -> Option<View> {
    fitting(rows, DAY_MS, 4 * DAY_MS)
}

/// The shortest window from four days up to fourteen.
pub(crate) fn week(rows: Rows) -> Option<View> {
    fitting(rows, 4 * DAY_MS, 14 * DAY_MS)
}

/// The shortest window from fourteen days on.
pub(crate) fn month(rows: Rows) -> Option<View> {
    fitting(rows, 14 * DAY_MS, Millis::MAX)
}

/// Whether rows of a window of this length can say anything about their subject, besides being the longest.
pub fn is_judged(window_ms: Millis) -> bool {
    window_ms >= DAY_MS
}

/// The lengths of those windows, of these, shortest first, that stand for a day, a week, a month and the longest time.
pub fn standing(windows_ms: &[Millis]) -> [Option<Millis>; 4] {
    let rows: Vec<(Millis, WindowRow)> =
        windows_ms.iter().map(|window_ms| (*window_ms, WindowRow::default())).collect();
    let [day, week, month] = [day(&rows), week(&rows), month(&rows)].map(|view| view.map(|view| view.window_ms));
    [day, week, month, windows_ms.last().copied()]
}

fn fitting(rows: Rows, from_ms: Millis, below_ms: Millis) -> Option<View> {
    let fits = |(window_ms, _): &&(Millis, WindowRow)| (from_ms..below_ms).contains(window_ms);
    rows.iter().find(fits).map(|(window_ms, row)| View { window_ms: *window_ms, row })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_fit_nothing_are_not_judged() {
        let found = standing(&[3_600_000, DAY_MS, 2 * DAY_MS, 10 * DAY_MS]);
        assert_eq!(found, [Some(DAY_MS), Some(10 * DAY_MS), None, Some(10 * DAY_MS)]);
    }
}
