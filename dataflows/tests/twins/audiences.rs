//! The features of tracks and uploaders, from all live plays at once.
//!
//! ```text
//! rows, live plays, marks of accounts, catalogue in force, recordings ──▶ features by track, by uploader
//! ```

use std::collections::BTreeMap;

use features::WindowRow;
use features::cohort::{Cohort, TRACKS};
use features::crowd::{Crowd, Mark};
use features::profile::uploader::{Part, Works};
use features::profile::{Profile, track, uploader};
use features::rhythm::{Rhythm, hour_of};
use features::tally::Axis;
use records::{Key, KeyedPlay, Millis};

/// What is known at a tick.
pub struct Known<'a> {
    /// The rows of tracks, with the lengths of their windows.
    pub tracks: BTreeMap<Key, Vec<(Millis, WindowRow)>>,
    /// The rows of uploaders.
    pub uploaders: BTreeMap<Key, Vec<(Millis, WindowRow)>>,
    /// The plays that count in the longest window.
    pub plays: Vec<&'a KeyedPlay>,
    /// What is remarkable about accounts.
    pub marks: BTreeMap<Key, Mark>,
    /// The uploader of each track of the catalogue.
    pub uploader_of: BTreeMap<Key, Key>,
    /// The recording of each track, where it is known.
    pub recording_of: BTreeMap<Key, Key>,
}

type ByKey<'a> = BTreeMap<Key, Vec<&'a KeyedPlay>>;

impl Known<'_> {
    /// The features of everybody.
    pub fn features(&self) -> BTreeMap<(Axis, Key), Profile> {
        let mut features = BTreeMap::new();
        let mut works: BTreeMap<Key, Works> = BTreeMap::new();
        let longest = |rows: &[(Millis, WindowRow)]| rows.last().map(|(_, row)| *row).unwrap_or_default();
        let size = |rows: &[(Millis, WindowRow)]| TRACKS.size_of(&longest(rows));
        let mut cohorts: BTreeMap<u8, Cohort> = BTreeMap::new();
        for rows in self.tracks.values() {
            *cohorts.entry(size(rows)).or_default() += TRACKS.measured(&longest(rows));
        }
        let (mut by_track, mut by_uploader) = (ByKey::new(), ByKey::new());
        for play in &self.plays {
            by_track.entry(play.track).or_default().push(play);
            let uploader = self.uploader_of.get(&play.track);
            uploader.into_iter().for_each(|uploader| by_uploader.entry(*uploader).or_default().push(play));
        }
        for (key, rows) in &self.tracks {
            let mine = &by_track[key];
            let mut listeners: BTreeMap<Key, i64> = BTreeMap::new();
            mine.iter().for_each(|play| *listeners.entry(play.account).or_default() += 1);
            let mut crowd = Crowd::default();
            listeners.iter().for_each(|(account, plays)| crowd.shift(self.marks[account], 0, *plays));
            let copies = self.recording_of.get(key).map(|recording| {
                self.recording_of.iter().filter(|(other, of)| *other != key && *of == recording).count() as u32
            });
            let usual = TRACKS.usual(&cohorts[&size(rows)]);
            let facts = track::Facts { rows, rhythm: rhythm(mine), crowd, copies, usual };
            features.insert((Axis::Track, *key), track::of_track(&facts));
            let part = Part { plays: mine.len() as u32, listeners: listeners.len() as u32, crowd, copies };
            if let Some(uploader) = self.uploader_of.get(key) {
                *works.entry(*uploader).or_default() += Works::of(&part);
            }
        }
        for (key, rows) in &self.uploaders {
            let rhythm = by_uploader.get(key).and_then(|mine| rhythm(mine));
            let facts = uploader::Facts { rows, rhythm, works: works.get(key).copied().unwrap_or_default() };
            features.insert((Axis::Uploader, *key), uploader::of_uploader(&facts));
        }
        features
    }
}

fn rhythm(plays: &[&KeyedPlay]) -> Option<Rhythm> {
    let mut hours: BTreeMap<i64, u32> = BTreeMap::new();
    plays.iter().for_each(|play| *hours.entry(hour_of(play.ended_at)).or_default() += 1);
    Rhythm::of(&hours)
}
