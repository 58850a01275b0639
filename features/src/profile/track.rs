//! The feature row of a track: what a model may learn from labelled tracks, by one function for training and for the living system.
//!
//! ```text
//! rows of day, week, month; hours; crowd; copies; cohort ──▶ one f32 per name; NaN where nothing can be said
//! ```
//!
//! No feature is an id, a country or a title, and none is what a model said of somebody.

use std::sync::LazyLock;

use super::audience::{self, Heard};
use super::{Profile, finite, keep};
use crate::cohort::{TRACKS, Usual};
use crate::crowd::Crowd;
use crate::rhythm::Rhythm;
use crate::signals::Rows;

/// The version of this list; it changes whenever a name or a meaning does. Rows of different versions are not compared.
pub const VERSION: &str = "track-2";

/// What is known of a track.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Its rows of `track_window`, the longest window last.
    pub rows: Rows<'a>,
    /// When the plays of the longest window happened.
    pub rhythm: Option<Rhythm>,
    /// The remarkable ones among the listeners of the longest window.
    pub crowd: Crowd,
    /// How many other tracks have its recording; `None` where nobody listened to it.
    pub copies: Option<u32>,
    /// What is usual among tracks of its size; `None` where they are too few.
    pub usual: Option<Usual>,
}

/// The names of the features, in the order of a [`Profile`].
pub fn names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let mut names = audience::names(&[]);
        names.push("copies".to_owned());
        names.extend(TRACKS.names());
        keep(names)
    });
    &NAMES
}

/// The features of a track.
pub fn of_track(facts: &Facts) -> Profile {
    let row = facts.rows.last().map(|(_, row)| *row).unwrap_or_default();
    let heard = Heard {
        rows: facts.rows,
        rhythm: facts.rhythm.as_ref(),
        crowd: &facts.crowd,
        listeners: row.listeners.into(),
        plays: row.plays.into(),
    };
    let mut values = audience::values(&heard, &[]);
    values.push(facts.copies.map_or(f32::NAN, |copies| copies as f32));
    values.extend(TRACKS.over(&row, facts.usual).map(finite));
    Profile(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WindowRow;
    use crate::crowd::Mark;

    const DAY_MS: i64 = 86_400_000;

    fn feature(facts: &Facts, name: &str) -> f32 {
        let at = names().iter().position(|known| *known == name).expect("a feature");
        of_track(facts).0[at]
    }

    #[test]
    fn every_name_has_a_value_and_stands_once() {
        let mut names = names().to_vec();
        assert_eq!(of_track(&Facts::default()).0.len(), names.len());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 3 * 28 + 2 * 18 + 8 + 14 + 1 + 9);
    }

    #[test]
    fn a_farmed_track_differs_from_its_own_past() {
        let past =
            WindowRow { plays: 60, payable: 40, skipped: 20, listeners: 30, sum_squares: 150, ..WindowRow::default() };
        let farm =
            WindowRow { plays: 100, payable: 100, edge: 100, listeners: 4, sum_squares: 2_500, ..WindowRow::default() };
        let both = WindowRow {
            plays: 160,
            payable: 140,
            edge: 100,
            skipped: 20,
            listeners: 34,
            sum_squares: 2_650,
            top_plays: 25,
            ..WindowRow::default()
        };
        let mut crowd = Crowd::default();
        (0..4).for_each(|_| crowd.shift(Mark { suspicion: 9_000, ..Mark::default() }, 0, 25));
        let rows = [(DAY_MS, farm), (7 * DAY_MS, both), (28 * DAY_MS, both)];
        let facts = Facts { rows: &rows, crowd, copies: Some(2), ..Facts::default() };
        assert_eq!(feature(&facts, "day_edge_share"), 1.0);
        assert_eq!(feature(&facts, "day_evenness"), 1.0);
        // 100 a day against 10 a day, four listeners against thirty in six days.
        assert!((feature(&facts, "day_against_week_plays") - 101.0 / 11.0).abs() < 1e-6);
        assert!((feature(&facts, "day_against_week_listeners") - 5.0 / 6.0).abs() < 1e-6);
        let skipped = f64::from(past.skipped) / f64::from(past.plays);
        assert!((f64::from(feature(&facts, "day_against_week_skipped_share")) + skipped).abs() < 1e-6);
        assert!((feature(&facts, "suspected_plays") - 0.625).abs() < 1e-6);
        assert!((feature(&facts, "suspected_listeners") - 4.0 / 34.0).abs() < 1e-6);
        assert_eq!(feature(&facts, "copies"), 2.0);
        assert!(feature(&facts, "played_days").is_nan() && feature(&Facts::default(), "copies").is_nan());
    }
}
