//! Keeps what is usual among tracks of one size, and tells each track of it when that changes.
//!
//! ```text
//! rows of the longest window ──▶ Sizes ──▶ (size, track, measures) ──▶ Cohorts ──▶ (track, what is usual)
//! ```

use features::WindowRow;
use features::cohort::{Cohort, Measured, Usual, size_of};
use hashbrown::{HashMap, HashSet};
use records::Key;
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;

use super::tracks::TrackNews;
use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};

/// What is told to tracks of their cohorts; `rows` are those of the longest window.
pub(super) fn of_tracks<'scope>(
    rows: StreamVec<'scope, Tick, (Key, Option<WindowRow>)>,
    until: Tick,
) -> StreamVec<'scope, Tick, TrackNews> {
    let route = |(track, _): &(Key, Option<WindowRow>)| mix(track.0);
    let members = keep(rows, "Sizes", route, until, Sizes::default());
    keep(members, "Cohorts", |member: &Member| mix(member.size.into()), until, Cohorts::default())
}

/// A track in the cohort of a size.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Member {
    size: u8,
    track: Key,
    /// What it is from now on; `None` when it is of that size no more.
    measured: Option<Measured>,
}

/// The size of each of one worker's tracks.
#[derive(Default)]
struct Sizes {
    sizes: HashMap<Key, u8>,
    changed: HashMap<Key, Option<WindowRow>>,
}

impl Keep for Sizes {
    type In = (Key, Option<WindowRow>);
    type Out = Member;

    fn take(&mut self, _tick: Tick, (track, row): Self::In, _out: &mut Vec<Member>) {
        self.changed.insert(track, row);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<Member>) {
        for (track, row) in self.changed.drain() {
            let new = row.map(|row| (size_of(&row), Measured::of(&row)));
            let old = match new {
                Some((size, _)) => self.sizes.insert(track, size),
                None => self.sizes.remove(&track),
            };
            let left = old.filter(|old| new.is_none_or(|(size, _)| size != *old));
            out.extend(left.map(|size| Member { size, track, measured: None }));
            out.extend(new.map(|(size, measured)| Member { size, track, measured: Some(measured) }));
        }
    }
}

/// A cohort, and what its tracks were told.
#[derive(Default)]
struct Told {
    cohort: Cohort,
    members: HashMap<Key, (Measured, Option<Usual>)>,
    said: Option<Usual>,
    /// Who came in the open tick, and who went with what they were told.
    came: Vec<Key>,
    went: Vec<(Key, Option<Usual>)>,
}

impl Told {
    fn put(&mut self, track: Key, measured: Option<Measured>) {
        let told = self.members.get(&track).and_then(|(_, told)| *told);
        let old = match measured {
            Some(measured) => self.members.insert(track, (measured, told)),
            None => self.members.remove(&track),
        };
        match (old, measured) {
            (None, Some(_)) => self.came.push(track),
            (Some((_, told)), None) => self.went.push((track, told)),
            _ => {}
        }
        if let Some(measured) = measured {
            self.cohort += measured;
        }
        if let Some((measured, _)) = old {
            self.cohort -= measured;
        }
    }

    fn say(&mut self, out: &mut Vec<TrackNews>) {
        let Told { cohort, members, said, came, went } = self;
        let mut tell = |track: Key, told: Option<Usual>, usual: Option<Usual>| {
            if told != usual {
                out.extend(told.map(|old| TrackNews::Usual(track, old, -1)));
                out.extend(usual.map(|new| TrackNews::Usual(track, new, 1)));
            }
        };
        went.drain(..).for_each(|(track, told)| tell(track, told, None));
        let usual = cohort.usual();
        let mut say = |track: Key, told: &mut Option<Usual>| tell(track, std::mem::replace(told, usual), usual);
        match usual == *said {
            true => came.iter().for_each(|track| {
                members.get_mut(track).into_iter().for_each(|(_, told)| say(*track, told));
            }),
            false => members.iter_mut().for_each(|(track, (_, told))| say(*track, told)),
        }
        came.clear();
        *said = usual;
    }
}

/// The cohorts of one worker.
#[derive(Default)]
struct Cohorts {
    cohorts: HashMap<u8, Told>,
    touched: HashSet<u8>,
}

impl Keep for Cohorts {
    type In = Member;
    type Out = TrackNews;

    fn take(&mut self, _tick: Tick, Member { size, track, measured }: Member, _out: &mut Vec<TrackNews>) {
        self.cohorts.entry(size).or_default().put(track, measured);
        self.touched.insert(size);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<TrackNews>) {
        for size in self.touched.drain() {
            if let Some(cohort) = self.cohorts.get_mut(&size) {
                cohort.say(out);
            }
        }
    }
}
