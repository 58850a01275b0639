//! Keeps the feature rows of tracks and of uploaders current; nothing of it is built unless somebody asks for them.
//!
//! ```text
//! news of accounts ──▶ Marks ⋈ listens ──▶ who of a track's listeners is remarkable ──┐
//! entries ──▶ recordings ──▶ how many tracks have the same one ───────────────────────┼──▶ Tracks ──▶ (track, features)
//! track_window ──▶ sizes ──▶ what is usual among tracks of one size ───────────────────┤
//! track_window, hours of plays ───────────────────────────────────────────────────────┘      └──▶ parts
//! uploader_window, hours of plays, parts of its tracks ──▶ Uploaders ──▶ (uploader, features)
//! ```
//!
//! Only subjects of which something new came are told of. Most accounts are not remarkable and take no part in the join, so it
//! costs what the remarkable ones play.

mod copies;
mod tracks;
mod uploaders;

use std::collections::BTreeMap;

use features::WindowRow;
use features::cohort::TRACKS;
use features::rhythm::hour_of;
use features::tally::Axis;
use records::{Key, Millis};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Concatenate};

use self::tracks::{Told, TrackNews, Tracks};
use self::uploaders::{UploaderNews, Uploaders};
use crate::clock::Tick;
use crate::cohorts;
use crate::keep::{keep, mix};
use crate::marks::{self, MarkChange};
use crate::profiles::ProfileChange;
use crate::risk::listens::Listens;
use crate::risk::{Entry, updates};
use crate::tallies::RowChange;
use crate::windows::Turn;

/// Whose features are wanted beside those of accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audiences {
    /// [`Axis::Track`], [`Axis::Uploader`] or both.
    pub axes: Vec<Axis>,
    /// Whether it is told of contents which recording they are; else nothing is kept for that.
    pub copies: bool,
}

impl Audiences {
    /// The window views that they are made of: what an uploader is rests on what its tracks are.
    pub fn rests_on(&self, axis: Axis) -> bool {
        matches!(axis, Axis::Account | Axis::Track) || self.axes.contains(&axis)
    }
}

/// The streams that the features are made of.
pub(crate) struct Sources<'scope> {
    /// What is remarkable about accounts.
    pub marks: StreamVec<'scope, Tick, MarkChange>,
    /// Rows of the window views that they rest on.
    pub rows: Vec<(Axis, StreamVec<'scope, Tick, RowChange>)>,
    /// Plays as they enter and leave windows.
    pub turns: StreamVec<'scope, Tick, Turn>,
    /// Who plays what in the longest window.
    pub listens: Listens<'scope>,
    /// What comes into force.
    pub entries: StreamVec<'scope, Tick, Entry>,
    /// The windows whose rows are read, by their place among the window views, the longest last.
    pub windows: Vec<(u8, Millis)>,
    /// Which of the turns' windows is that one.
    pub longest: usize,
}

/// The features of those who are asked for.
pub(crate) fn audiences<'scope>(
    sources: Sources<'scope>,
    asked: &Audiences,
    until: Tick,
) -> Vec<(Axis, StreamVec<'scope, Tick, ProfileChange>)> {
    let Sources { marks, rows, turns, listens, entries, windows, longest } = sources;
    let scope = turns.scope();
    let of = |wanted: Axis| {
        let rows: Vec<_> = rows.iter().filter(|(axis, _)| *axis == wanted).map(|(_, rows)| rows.clone()).collect();
        scope.concatenate(rows)
    };
    let plays = turns.flat_map(move |turn| Played::of(turn, longest));

    let listeners = updates(marks::of_listeners(listens, marks), |(track, (account, mark)), diff| {
        TrackNews::Listener { track, account, mark, plays: diff as i64 }
    });
    let track_news = of(Axis::Track)
        .map(|((place, track), row)| TrackNews::Row(track, place, row))
        .concat(plays.clone().map(TrackNews::Played))
        .concat(listeners);
    let track_news = match asked.copies {
        true => track_news.concat(copies::of_tracks(entries, until)),
        false => track_news,
    };
    let last = windows.last().map(|(place, _)| *place);
    let longest_rows =
        of(Axis::Track).flat_map(move |((place, track), row)| (Some(place) == last).then_some((track, row)));
    let track_news = match asked.axes.contains(&Axis::Track) {
        true => track_news.concat(
            cohorts::usual(longest_rows, &TRACKS, until)
                .map(|(track, usual, diff)| TrackNews::Usual(track, usual, diff)),
        ),
        false => track_news,
    };
    let route = |news: &TrackNews| mix(news.track().0);
    let tracks = keep(track_news, "TrackFeatures", route, until, Tracks::new(windows.clone(), &asked.axes));

    let mut told = Vec::new();
    if asked.axes.contains(&Axis::Track) {
        let features = tracks.clone().flat_map(|told| match told {
            Told::Features(track, profile) => Some((track, profile)),
            Told::Part(..) => None,
        });
        told.push((Axis::Track, features));
    }
    if asked.axes.contains(&Axis::Uploader) {
        let parts = tracks.flat_map(|told| match told {
            Told::Part(uploader, track, part) => Some(UploaderNews::Part(uploader, track, part)),
            Told::Features(..) => None,
        });
        let news = of(Axis::Uploader)
            .map(|((place, uploader), row)| UploaderNews::Row(uploader, place, row))
            .concat(plays.flat_map(|played| played.uploader.is_some().then_some(UploaderNews::Played(played))))
            .concat(parts);
        let route = |news: &UploaderNews| mix(news.uploader().0);
        told.push((Axis::Uploader, keep(news, "UploaderFeatures", route, until, Uploaders::new(windows))));
    }
    told
}

/// A play of the longest window, as far as rhythms ask.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct Played {
    track: Key,
    /// The uploader of its track, or [`Key::NONE`].
    uploader: Key,
    /// The clock hour in which it ended.
    hour: i64,
    enters: bool,
}

impl Played {
    fn of(turn: Turn, longest: usize) -> Option<Played> {
        let Turn::Play { play, uploader, windows, enters, .. } = turn else { return None };
        let played = Played { track: play.track, uploader, hour: hour_of(play.ended_at), enters };
        (windows & (1 << longest) != 0).then_some(played)
    }
}

/// The rows of a subject, and the hours of its plays.
#[derive(Default)]
struct Life {
    /// By the place of the windows that are read.
    rows: Vec<Option<WindowRow>>,
    hours: BTreeMap<i64, u32>,
}

impl Life {
    fn set(&mut self, windows: &[(u8, Millis)], place: u8, row: Option<WindowRow>) {
        if let Some(at) = windows.iter().position(|(read, _)| *read == place) {
            self.rows.resize(windows.len(), None);
            self.rows[at] = row;
        }
    }

    fn count(&mut self, hour: i64, enters: bool) {
        let plays = self.hours.entry(hour).or_default();
        // A play that leaves under one name may be told of before it enters under the other: what wraps comes back.
        *plays = if enters { plays.wrapping_add(1) } else { plays.wrapping_sub(1) };
        if *plays == 0 {
            self.hours.remove(&hour);
        }
    }

    /// Its rows with the lengths of their windows, while it has one in the longest; else nothing is said of it.
    fn rows(&self, windows: &[(u8, Millis)]) -> Option<Vec<(Millis, WindowRow)>> {
        self.rows.last().copied().flatten()?;
        Some(windows.iter().zip(&self.rows).filter_map(|((_, ms), row)| Some((*ms, (*row)?))).collect())
    }

    fn is_empty(&self) -> bool {
        self.hours.is_empty() && self.rows.iter().all(Option::is_none)
    }
}
