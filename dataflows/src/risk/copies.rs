//! Lets suspicion spread between the tracks of one recording: who spreads false plays thin over copies of a song finds them counted together.
//!
//! ```text
//! plays, stains, recording of each track ──▶ load of each track that is a copy ──▶ by recording ──▶ what the other tracks say of each
//! ```

use std::collections::BTreeMap;

use features::signals::suspicion::{Load, copied};
use hashbrown::{HashMap, HashSet};
use records::{Key, Risk, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::audience::{AudienceNews, Held};
use super::{Coll, updates};
use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};

/// What a track hears.
type News = ((Subject, Key), AudienceNews);

/// What the other tracks of its recording say of each track. `members` are tracks with their recordings, `plays` those of tracks in the
/// longest window where they changed, `stains` the suspicion in them, and `silenced` says whether a person ruled that a track speaks
/// against nobody.
pub(super) fn spread<'scope>(
    members: Coll<'scope, (Key, Key)>,
    plays: StreamVec<'scope, Tick, (Key, u32)>,
    stains: Coll<'scope, Key>,
    silenced: Option<StreamVec<'scope, Tick, (Key, bool)>>,
    until: Tick,
) -> StreamVec<'scope, Tick, News> {
    let members = updates(members, |(track, recording), diff| TrackNews::Member(track, recording, diff as i64));
    let stains = updates(stains, |track, diff| TrackNews::Stain(track, diff as i64));
    let plays = plays.map(|(track, plays)| TrackNews::Plays(track, plays));
    let news = members.concat(stains).concat(plays);
    let news = match silenced {
        Some(silenced) => news.concat(silenced.map(|(track, is_silenced)| TrackNews::Silenced(track, is_silenced))),
        None => news,
    };
    let loads = keep(news, "LoadsOfCopies", |news: &TrackNews| mix(news.track().0), until, Tracks::default());
    keep(loads, "Copies", |load: &CopyLoad| mix(load.recording.0), until, Recordings::default())
}

/// What is new about a track.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum TrackNews {
    /// It has so many plays in the longest window.
    Plays(Key, u32),
    /// So much more (or less) suspicion in them.
    Stain(Key, i64),
    /// It is of this recording from now on (+1) or no more (-1).
    Member(Key, Key, i64),
    /// Whether it is to say nothing of the others.
    Silenced(Key, bool),
}

impl TrackNews {
    fn track(&self) -> Key {
        match self {
            TrackNews::Plays(track, _)
            | TrackNews::Stain(track, _)
            | TrackNews::Member(track, ..)
            | TrackNews::Silenced(track, _) => *track,
        }
    }
}

/// What a track of a recording brings with it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct CopyLoad {
    recording: Key,
    track: Key,
    plays: u64,
    suspicion: u64,
    /// Whether it is of the recording (still).
    is_member: bool,
}

/// A track, and what it said last.
#[derive(Default)]
struct Track {
    plays: u32,
    stain: i64,
    is_silenced: bool,
    recording: Held<Option<Key>>,
    said: Option<(Key, Load)>,
}

/// The tracks of one worker.
#[derive(Default)]
struct Tracks {
    tracks: HashMap<Key, Track>,
    touched: HashSet<Key>,
}

impl Keep for Tracks {
    type In = TrackNews;
    type Out = CopyLoad;

    fn take(&mut self, _tick: Tick, news: TrackNews, _out: &mut Vec<CopyLoad>) {
        let track = self.tracks.entry(news.track()).or_default();
        match news {
            TrackNews::Plays(_, plays) => track.plays = plays,
            TrackNews::Stain(_, suspicion) => track.stain += suspicion,
            TrackNews::Member(_, recording, diff) => track.recording.change(Some(recording), diff),
            TrackNews::Silenced(_, is_silenced) => track.is_silenced = is_silenced,
        }
        self.touched.insert(news.track());
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<CopyLoad>) {
        for key in self.touched.drain() {
            let Some(track) = self.tracks.get_mut(&key) else { continue };
            let suspicion = if track.is_silenced { 0 } else { track.stain.unsigned_abs() };
            let load = Load { plays: u64::from(track.plays), suspicion };
            let says = track.recording.value().map(|recording| (recording, load));
            if says != track.said {
                let told = |(recording, Load { plays, suspicion }): (Key, Load), is_member| CopyLoad {
                    recording,
                    track: key,
                    plays,
                    suspicion,
                    is_member,
                };
                let left = track.said.filter(|(old, _)| says.is_none_or(|(new, _)| new != *old));
                out.extend(left.map(|old| told(old, false)));
                out.extend(says.map(|new| told(new, true)));
                track.said = says;
            }
            if (track.plays, track.stain, track.is_silenced, track.said) == (0, 0, false, None) {
                self.tracks.remove(&key);
            }
        }
    }
}

/// A recording: of each of its tracks what it brings and what the others say of it.
#[derive(Default)]
struct Recording {
    tracks: BTreeMap<Key, (Load, Risk)>,
    /// Tracks that left, and what was said of them.
    left: Vec<(Key, Risk)>,
}

/// The recordings of one worker.
#[derive(Default)]
struct Recordings {
    recordings: HashMap<Key, Recording>,
    touched: HashSet<Key>,
}

impl Keep for Recordings {
    type In = CopyLoad;
    type Out = News;

    fn take(&mut self, _tick: Tick, load: CopyLoad, _out: &mut Vec<News>) {
        let recording = self.recordings.entry(load.recording).or_default();
        match load.is_member {
            true => {
                recording.tracks.entry(load.track).or_default().0 =
                    Load { plays: load.plays, suspicion: load.suspicion }
            }
            false => {
                let said = recording.tracks.remove(&load.track).map(|(_, said)| (load.track, said));
                recording.left.extend(said);
            }
        }
        self.touched.insert(load.recording);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<News>) {
        for key in self.touched.drain() {
            let Some(recording) = self.recordings.get_mut(&key) else { continue };
            recording.left.drain(..).for_each(|(track, said)| say(track, said, Risk::CLEAN, out));
            let mut all = Load::default();
            recording.tracks.values().for_each(|(load, _)| all += *load);
            for (track, (own, said)) in &mut recording.tracks {
                let says = copied(all, *own);
                say(*track, *said, says, out);
                *said = says;
            }
            if recording.tracks.is_empty() {
                self.recordings.remove(&key);
            }
        }
    }
}

/// Takes back the old and says the new; that nothing is suspicious is not said.
fn say(track: Key, old: Risk, new: Risk, out: &mut Vec<News>) {
    if old != new {
        let told = [(old, -1), (new, 1)].into_iter().filter(|(risk, _)| *risk > Risk::CLEAN);
        out.extend(told.map(|(risk, diff)| ((Subject::Track, track), AudienceNews::Copies(risk, diff))));
    }
}
