//! Keeps the feature row of every track current, and what the track brings to its uploader.
//!
//! ```text
//! rows, plays, remarkable listeners, copies, cohort ──▶ by track ──┬──▶ (track, features)
//!                                                          └──▶ (uploader, track, part)
//! ```

use features::WindowRow;
use features::cohort::Usual;
use features::crowd::{Crowd, Mark};
use features::profile::Profile;
use features::profile::track::{Facts, of_track};
use features::profile::uploader::Part;
use features::rhythm::Rhythm;
use features::tally::Axis;
use hashbrown::{HashMap, HashSet};
use records::{Key, Millis};
use serde::{Deserialize, Serialize};

use super::{Life, Played};
use crate::clock::Tick;
use crate::keep::Keep;
use crate::risk::Held;

/// What is new about a track.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum TrackNews {
    /// Its row in the window of this place.
    Row(Key, u8, Option<WindowRow>),
    /// A play enters the longest window or leaves it.
    Played(Played),
    /// So many plays more (or fewer) in the longest window by an account of this mark.
    Listener { track: Key, account: Key, mark: Mark, plays: i64 },
    /// So many other tracks have its recording now (+1) or no more (-1).
    Copies(Key, u32, i64),
    /// This is usual among tracks of its size now (+1) or no more (-1).
    Usual(Key, Usual, i64),
}

impl TrackNews {
    pub fn track(&self) -> Key {
        match self {
            TrackNews::Row(track, ..) | TrackNews::Copies(track, ..) | TrackNews::Usual(track, ..) => *track,
            TrackNews::Listener { track, .. } => *track,
            TrackNews::Played(played) => played.track,
        }
    }
}

/// What is said of a track.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// Its features as of now; `None` when it has no play in the longest window (any more).
    Features(Key, Option<Profile>),
    /// What it brings to an uploader as of now; `None` when nothing (any more).
    Part(Key, Key, Option<Part>),
}

#[derive(Default)]
struct Track {
    life: Life,
    /// The uploader under whom its plays count, once per play: one alone when a tick is over.
    uploader: Held<Option<Key>>,
    /// The plays of its remarkable listeners.
    listeners: HashMap<(Key, Mark), i64>,
    crowd: Crowd,
    copies: Held<Option<u32>>,
    usual: Held<Option<Usual>>,
    /// Whether something was said of it.
    is_told: bool,
    /// What it brought last, and to whom.
    brought: Option<(Key, Part)>,
}

impl Track {
    fn listen(&mut self, account: Key, mark: Mark, plays: i64) {
        let had = self.listeners.entry((account, mark)).or_default();
        self.crowd.shift(mark, *had, *had + plays);
        *had += plays;
        if *had == 0 {
            self.listeners.remove(&(account, mark));
        }
    }

    fn part(&self) -> Option<(Key, Part)> {
        let row = self.life.rows.last().copied().flatten()?;
        let uploader = self.uploader.value().filter(|uploader| uploader.is_some())?;
        let (crowd, copies) = (self.crowd, self.copies.value());
        Some((uploader, Part { plays: row.plays, listeners: row.listeners, crowd, copies }))
    }

    fn is_empty(&self) -> bool {
        self.life.is_empty() && self.listeners.is_empty() && self.copies.value().is_none()
    }
}

/// The tracks of one worker.
pub(super) struct Tracks {
    windows: Vec<(u8, Millis)>,
    has_features: bool,
    has_parts: bool,
    tracks: HashMap<Key, Track>,
    touched: HashSet<Key>,
}

impl Tracks {
    /// Reads the windows at these places, the longest last, and says what these axes ask for.
    pub fn new(windows: Vec<(u8, Millis)>, axes: &[Axis]) -> Tracks {
        let [has_features, has_parts] = [Axis::Track, Axis::Uploader].map(|axis| axes.contains(&axis));
        Tracks { windows, has_features, has_parts, tracks: HashMap::new(), touched: HashSet::new() }
    }
}

impl Keep for Tracks {
    type In = TrackNews;
    type Out = Told;

    fn take(&mut self, _tick: Tick, news: TrackNews, _out: &mut Vec<Told>) {
        let key = news.track();
        let track = self.tracks.entry(key).or_default();
        match news {
            TrackNews::Row(_, place, row) => track.life.set(&self.windows, place, row),
            TrackNews::Played(Played { uploader, hour, enters, .. }) => {
                track.life.count(hour, enters);
                track.uploader.change(Some(uploader), if enters { 1 } else { -1 });
            }
            TrackNews::Listener { account, mark, plays, .. } => track.listen(account, mark, plays),
            TrackNews::Copies(_, others, diff) => track.copies.change(Some(others), diff),
            TrackNews::Usual(_, usual, diff) => track.usual.change(Some(usual), diff),
        }
        self.touched.insert(key);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<Told>) {
        for key in self.touched.drain() {
            let Some(track) = self.tracks.get_mut(&key) else { continue };
            if self.has_features {
                let rows = track.life.rows(&self.windows);
                let features = rows.map(|rows| {
                    let rhythm = Rhythm::of(&track.life.hours);
                    let (copies, usual) = (track.copies.value(), track.usual.value());
                    of_track(&Facts { rows: &rows, rhythm, crowd: track.crowd, copies, usual })
                });
                if track.is_told || features.is_some() {
                    track.is_told = features.is_some();
                    out.push(Told::Features(key, features));
                }
            }
            let brings = if self.has_parts { track.part() } else { None };
            if brings != track.brought {
                let left = track.brought.filter(|(old, _)| brings.is_none_or(|(new, _)| new != *old));
                out.extend(left.map(|(uploader, _)| Told::Part(uploader, key, None)));
                out.extend(brings.map(|(uploader, part)| Told::Part(uploader, key, Some(part))));
                track.brought = brings;
            }
            if track.is_empty() {
                self.tracks.remove(&key);
            }
        }
    }
}
