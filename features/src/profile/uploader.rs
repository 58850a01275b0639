//! The feature row of an uploader: the audience of all that it uploaded, and how its plays are spread over its tracks.
//!
//! ```text
//! rows of day, week, month; hours ─────────────────┐
//! [`Part`] of each track that is played ──▶ [`Works`] ──▶ one f32 per name; NaN where nothing can be said
//! ```

use std::ops::{AddAssign, SubAssign};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::audience::{self, Heard, OfView};
use super::{Profile, keep, over, per_day, share};
use crate::company::RARE_LISTENERS_MAX;
use crate::crowd::Crowd;
use crate::rhythm::Rhythm;
use crate::signals::Rows;

/// The version of this list; it changes whenever a name or a meaning does. Rows of different versions are not compared.
pub const VERSION: &str = "uploader-1";

/// The audience of a track is suspected when suspected accounts made at least one of so many of its plays. Our judgement.
const SUSPECTED_OF: (u64, u64) = (1, 4);

/// What is said of each window besides.
const OF_WINDOW: [OfView; 4] = [
    ("tracks", |view| view.row.tracks as f32),
    ("plays_per_track", |view| share(view.row.plays, view.row.tracks)),
    ("uploads_per_day", |view| per_day(view, view.row.uploads)),
    ("played_per_upload", |view| share(view.row.tracks, view.row.uploads)),
];

/// What a track brings to its uploader in the longest window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its plays.
    pub plays: u32,
    /// Who plays it.
    pub listeners: u32,
    /// The remarkable ones among them.
    pub crowd: Crowd,
    /// How many other tracks have its recording; `None` where nobody listened to it.
    pub copies: Option<u32>,
}

/// The parts of all tracks of an uploader that have plays in the longest window, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Works {
    tracks: u64,
    plays: u64,
    /// Listeners, each once per track.
    listens: u64,
    /// Sum of the squares of the plays per track.
    squares: u64,
    /// Tracks that hardly anybody plays, and their plays.
    tail: (u64, u64),
    /// Tracks of which one account alone plays.
    lone_tracks: u64,
    /// Tracks whose audience is suspected, and their plays.
    suspected: (u64, u64),
    /// Tracks that somebody listened to, and those whose recording other tracks have too.
    recorded: (u64, u64),
    crowd: Crowd,
}

impl Works {
    /// What one track is.
    pub fn of(part: &Part) -> Works {
        let plays = u64::from(part.plays);
        let counted = |holds: bool| (u64::from(holds), if holds { plays } else { 0 });
        Works {
            tracks: 1,
            plays,
            listens: part.listeners.into(),
            squares: plays * plays,
            tail: counted(part.listeners as usize <= RARE_LISTENERS_MAX),
            lone_tracks: u64::from(part.listeners == 1),
            suspected: counted(part.crowd.is_suspected(plays, SUSPECTED_OF)),
            recorded: (u64::from(part.copies.is_some()), u64::from(part.copies.is_some_and(|copies| copies > 0))),
            crowd: part.crowd,
        }
    }

    /// Each sum, without the crowd.
    fn sums(&mut self) -> [&mut u64; 11] {
        let Works { tracks, plays, listens, squares, tail, lone_tracks, suspected, recorded, crowd: _ } = self;
        [
            tracks,
            plays,
            listens,
            squares,
            &mut tail.0,
            &mut tail.1,
            lone_tracks,
            &mut suspected.0,
            &mut suspected.1,
            &mut recorded.0,
            &mut recorded.1,
        ]
    }
}

impl AddAssign for Works {
    fn add_assign(&mut self, mut more: Works) {
        self.sums().into_iter().zip(more.sums()).for_each(|(sum, more)| *sum += *more);
        self.crowd += more.crowd;
    }
}

impl SubAssign for Works {
    fn sub_assign(&mut self, mut less: Works) {
        self.sums().into_iter().zip(less.sums()).for_each(|(sum, less)| *sum -= *less);
        self.crowd -= less.crowd;
    }
}

/// What is said of its tracks, in the longest window.
type OfWorks = (&'static str, fn(&Works) -> f32);
const OF_WORKS: [OfWorks; 9] = [
    ("tail_tracks_share", |works| over(works.tail.0 as f64, works.tracks as f64)),
    ("tail_plays_share", |works| over(works.tail.1 as f64, works.plays as f64)),
    ("lone_tracks_share", |works| over(works.lone_tracks as f64, works.tracks as f64)),
    ("suspected_tracks_share", |works| over(works.suspected.0 as f64, works.tracks as f64)),
    ("suspected_tracks_plays_share", |works| over(works.suspected.1 as f64, works.plays as f64)),
    ("listeners_per_track", |works| over(works.listens as f64, works.tracks as f64)),
    // Sum of squares over square of the sum of the plays per track: 1 is one track alone.
    ("track_concentration", |works| over(works.squares as f64, (works.plays as f64).powi(2))),
    // Mean square over square of the mean: 1 is a catalogue that is played in turns.
    ("track_evenness", |works| over(works.squares as f64 * works.tracks as f64, (works.plays as f64).powi(2))),
    ("copied_tracks_share", |works| over(works.recorded.1 as f64, works.recorded.0 as f64)),
];

/// What is known of an uploader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Its rows of `uploader_window`, the longest window last.
    pub rows: Rows<'a>,
    /// When the plays of the longest window happened.
    pub rhythm: Option<Rhythm>,
    /// Its tracks that were played in it.
    pub works: Works,
}

/// The names of the features, in the order of a [`Profile`].
pub fn names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let mut names = audience::names(&OF_WINDOW);
        names.extend(OF_WORKS.iter().map(|(name, _)| (*name).to_owned()));
        keep(names)
    });
    &NAMES
}

/// The features of an uploader. A listener of several of its tracks counts in the crowd with each.
pub fn of_uploader(facts: &Facts) -> Profile {
    let works = &facts.works;
    let heard = Heard {
        rows: facts.rows,
        rhythm: facts.rhythm.as_ref(),
        crowd: &works.crowd,
        listeners: works.listens,
        plays: works.plays,
    };
    let mut values = audience::values(&heard, &OF_WINDOW);
    values.extend(OF_WORKS.iter().map(|(_, of)| of(works)));
    Profile(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Mark;

    #[test]
    fn every_name_has_a_value_and_stands_once() {
        let mut names = names().to_vec();
        assert_eq!(of_uploader(&Facts::default()).0.len(), names.len());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 3 * (28 + 4) + 2 * 18 + 8 + 14 + 9);
    }

    #[test]
    fn the_works_are_the_sum_of_the_tracks_and_forget_those_that_went() {
        let bot = Mark { suspicion: 10_000, ..Mark::default() };
        let track = |plays, listeners, bots: i64, copies| {
            let mut crowd = Crowd::default();
            (0..bots).for_each(|_| crowd.shift(bot, 0, 5));
            Part { plays, listeners, crowd, copies }
        };
        let parts = [track(90, 40, 0, None), track(20, 4, 2, Some(3)), track(20, 1, 0, Some(0))];
        let mut works = Works::default();
        parts.iter().for_each(|part| works += Works::of(part));
        let facts = Facts { works, ..Facts::default() };
        let said = of_uploader(&facts).0;
        let feature = |name: &str| said[names().iter().position(|known| *known == name).expect("a feature")];
        let expected = [
            ("tail_tracks_share", 2.0 / 3.0),
            ("tail_plays_share", 40.0 / 130.0),
            ("lone_tracks_share", 1.0 / 3.0),
            ("suspected_tracks_share", 1.0 / 3.0),
            ("suspected_tracks_plays_share", 20.0 / 130.0),
            ("suspected_plays", 10.0 / 130.0),
            ("suspected_listeners", 2.0 / 45.0),
            ("track_concentration", 8_900.0 / 16_900.0),
            ("copied_tracks_share", 0.5),
        ];
        for (name, value) in expected {
            assert!((feature(name) - value).abs() < 1e-6, "{name}: {}", feature(name));
        }
        parts.iter().for_each(|part| works -= Works::of(part));
        assert_eq!(works, Works::default());
    }
}
