//! Keeps how many tracks have the recording of each track, where somebody listened and told which are copies.
//!
//! ```text
//! releases, recordings in force ──▶ (track, recording) ──▶ by recording ──▶ of each of its tracks, how many others there are
//! ```

use std::collections::BTreeMap;

use differential_dataflow::AsCollection;
use hashbrown::{HashMap, HashSet};
use records::Key;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map;

use super::tracks::TrackNews;
use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};
use crate::risk::{Coll, Entry, InForce, updates};

/// What is told to tracks of their copies.
pub(super) fn of_tracks<'scope>(
    entries: StreamVec<'scope, Tick, Entry>,
    until: Tick,
) -> StreamVec<'scope, Tick, TrackNews> {
    let releases = entries.clone().flat_map(|entry| match entry {
        Entry::Release(track, release) => Some((track, release.content)),
        Entry::Segment(..) | Entry::Territory(..) => None,
        Entry::Heard(..) | Entry::Recording(..) | Entry::Ruling(..) | Entry::Told(..) => None,
    });
    let recordings = entries.flat_map(|entry| match entry {
        Entry::Recording(content, recording) => Some((content, recording)),
        Entry::Release(..) | Entry::Segment(..) | Entry::Territory(..) => None,
        Entry::Heard(..) | Entry::Ruling(..) | Entry::Told(..) => None,
    });
    let in_force = |told, name| -> Coll<'scope, (Key, Key)> {
        keep(told, name, |(key, _): &(Key, Key)| mix(key.0), until, InForce::default()).as_collection()
    };
    let heard = in_force(releases, "ContentOfTrack").filter(|(_, content)| content.is_some());
    let heard = heard.map(|(track, content)| (content, track)).arrange_by_key_named("TracksOfContent");
    let recordings = in_force(recordings, "Recordings").arrange_by_key_named("RecordingOfContent");
    let members = heard.join_core(recordings, |_, track, recording| Some((*recording, *track)));
    let members = updates(members, |(recording, track), diff| (recording, track, diff as i64));
    let route = |(recording, ..): &(Key, Key, i64)| mix(recording.0);
    keep(members, "CopiesOfRecording", route, until, Recordings::default())
}

/// A track of a recording.
#[derive(Default)]
struct Member {
    times: i64,
    /// How many others it was told of.
    said: Option<u32>,
}

/// The recordings of one worker.
#[derive(Default)]
struct Recordings {
    recordings: HashMap<Key, BTreeMap<Key, Member>>,
    touched: HashSet<Key>,
}

impl Keep for Recordings {
    type In = (Key, Key, i64);
    type Out = TrackNews;

    fn take(&mut self, _tick: Tick, (recording, track, diff): Self::In, _out: &mut Vec<TrackNews>) {
        self.recordings.entry(recording).or_default().entry(track).or_default().times += diff;
        self.touched.insert(recording);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<TrackNews>) {
        for key in self.touched.drain() {
            let Some(members) = self.recordings.get_mut(&key) else { continue };
            let count = members.values().filter(|member| member.times > 0).count() as u32;
            members.retain(|track, member| {
                let says = (member.times > 0).then(|| count - 1);
                if says != member.said {
                    out.extend(member.said.map(|old| TrackNews::Copies(*track, old, -1)));
                    out.extend(says.map(|new| TrackNews::Copies(*track, new, 1)));
                    member.said = says;
                }
                member.times != 0
            });
            if members.is_empty() {
                self.recordings.remove(&key);
            }
        }
    }
}
