//! Says when each play enters and leaves each window, under the name that the catalogue gives it.
//!
//! ```text
//! plays ─────┐
//! catalogue ─┴─▶ by track ──▶ live plays by the tick of their end ──▶ turns (enter at arrival, leave when too old)
//! ```
//!
//! This is the one place that remembers plays, and the one place where they expire; all views downstream only count.
//! A track that changes hands takes its live plays along: they leave under the old name and enter under the new one.

use std::collections::BTreeMap;

use features::tally::WindowSet;
use hashbrown::HashMap;
use records::{Key, KeyedPlay, Millis};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Tick};
use crate::keep::Keep;

/// What the windows are made of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Inflow {
    /// A play that counts from now on, or (`false`) counts no longer.
    Play(KeyedPlay, bool),
    /// The catalogue row of a track that is in force from now on.
    Track(Listing),
}

impl Inflow {
    /// The track that it is about.
    pub fn track(&self) -> Key {
        match self {
            Inflow::Play(play, _) => play.track,
            Inflow::Track(listing) => listing.track,
        }
    }
}

/// What the catalogue says of a track, as far as plays are grouped by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The track.
    pub track: Key,
    /// Its artist, or [`Key::NONE`].
    pub artist: Key,
    /// Its uploader, or [`Key::NONE`].
    pub uploader: Key,
    /// Its distributor, or [`Key::NONE`].
    pub distributor: Key,
    /// When it was uploaded.
    pub uploaded_at: Option<Millis>,
    /// From when it is in force: of two rows that arrive in one tick the later one stays.
    pub valid_from: Option<Millis>,
}

impl Listing {
    /// A track of which nothing is known.
    fn unknown(track: Key) -> Listing {
        let nobody = Key::NONE;
        Listing { track, artist: nobody, uploader: nobody, distributor: nobody, uploaded_at: None, valid_from: None }
    }

    fn groups_as(&self, other: &Listing) -> bool {
        (self.artist, self.uploader, self.distributor) == (other.artist, other.uploader, other.distributor)
    }
}

/// A play or an upload enters windows or leaves them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Turn {
    /// A play.
    Play {
        /// The play.
        play: KeyedPlay,
        /// The artist of its track, or [`Key::NONE`].
        artist: Key,
        /// The uploader of its track, or [`Key::NONE`].
        uploader: Key,
        /// The distributor of its track, or [`Key::NONE`].
        distributor: Key,
        /// Which windows.
        windows: WindowSet,
        /// Whether it enters them.
        enters: bool,
    },
    /// A track's upload.
    Upload {
        /// Who uploaded it, or [`Key::NONE`].
        uploader: Key,
        /// Through whom, or [`Key::NONE`].
        distributor: Key,
        /// Which windows.
        windows: WindowSet,
        /// Whether it enters them.
        enters: bool,
    },
}

/// The live plays of one tick of ending.
#[derive(Default)]
struct Bucket {
    settled: Vec<(KeyedPlay, u32)>,
    /// Plays that may still be taken back; few, so a search among them is short.
    revocable: Vec<(KeyedPlay, u32)>,
}

impl Bucket {
    fn plays(&self) -> impl Iterator<Item = &(KeyedPlay, u32)> {
        self.settled.iter().chain(&self.revocable)
    }
}

struct Entry {
    listing: Listing,
    /// Plays in the buckets.
    live: u32,
    /// Tells an upload's scheduled ticks from those of a row that is no longer in force.
    version: u32,
}

/// The live plays and the catalogue of one worker's tracks.
pub struct Windows {
    clock: Clock,
    /// Window lengths in ticks, shortest first.
    lengths: Vec<Tick>,
    slots: HashMap<Key, u32>,
    entries: Vec<Entry>,
    buckets: BTreeMap<Tick, Bucket>,
    /// Which bucket leaves which window at a tick.
    leaving: BTreeMap<Tick, Vec<(Tick, usize)>>,
    /// Which upload may enter or leave windows at a tick, as (slot, version of its row).
    uploads: BTreeMap<Tick, Vec<(u32, u32)>>,
    /// Rows that arrived in the open tick; they come into force when it closes.
    replaced: HashMap<u32, Listing>,
    counts_uploads: bool,
}

impl Windows {
    /// Nothing live, over windows of so many ticks (at most 16, shortest first); uploads are turned where somebody
    /// counts them.
    pub fn new(clock: Clock, lengths: Vec<Tick>, counts_uploads: bool) -> Windows {
        assert!(lengths.len() <= WindowSet::BITS as usize && lengths.is_sorted(), "at most 16 windows, by length");
        Windows {
            clock,
            lengths,
            slots: HashMap::new(),
            entries: Vec::new(),
            buckets: BTreeMap::new(),
            leaving: BTreeMap::new(),
            uploads: BTreeMap::new(),
            replaced: HashMap::new(),
            counts_uploads,
        }
    }

    fn slot(&mut self, track: Key) -> u32 {
        let Windows { slots, entries, .. } = self;
        *slots.entry(track).or_insert_with(|| {
            entries.push(Entry { listing: Listing::unknown(track), live: 0, version: 0 });
            (entries.len() - 1) as u32
        })
    }

    /// The windows in which something of tick `since` still counts at `tick`.
    fn holding(&self, since: Tick, tick: Tick) -> WindowSet {
        let mut windows = 0;
        for (window, length) in self.lengths.iter().enumerate() {
            if since <= tick && tick < since + length {
                windows |= 1 << window;
            }
        }
        windows
    }

    fn enter(&mut self, tick: Tick, play: KeyedPlay, out: &mut Vec<Turn>) {
        let ended = self.clock.first_after(play.ended_at);
        let windows = self.holding(ended, tick);
        if windows == 0 {
            return; // Later than the longest window is long: it never counts.
        }
        let slot = self.slot(play.track);
        let entry = &mut self.entries[slot as usize];
        entry.live += 1;
        out.push(turn(play, &entry.listing, windows, true));
        let bucket = self.buckets.entry(ended).or_insert_with(|| {
            for (window, length) in self.lengths.iter().enumerate() {
                if ended + length > tick {
                    self.leaving.entry(ended + length).or_default().push((ended, window));
                }
            }
            Bucket::default()
        });
        let plays = if play.is(KeyedPlay::REVOCABLE) { &mut bucket.revocable } else { &mut bucket.settled };
        plays.push((play, slot));
    }

    fn revoke(&mut self, tick: Tick, play: KeyedPlay, out: &mut Vec<Turn>) {
        let ended = self.clock.first_after(play.ended_at);
        let Some(bucket) = self.buckets.get_mut(&ended) else { return };
        let Some(at) = bucket.revocable.iter().position(|(live, _)| *live == play) else { return };
        let (play, slot) = bucket.revocable.swap_remove(at);
        let entry = &mut self.entries[slot as usize];
        entry.live -= 1;
        let listing = entry.listing;
        out.push(turn(play, &listing, self.holding(ended, tick), false));
    }

    /// The bucket leaves the window; from the longest one it leaves for good.
    fn leave(&mut self, ended: Tick, window: usize, out: &mut Vec<Turn>) {
        let for_good = window + 1 == self.lengths.len();
        let Some(bucket) = self.buckets.get(&ended) else { return };
        for (play, slot) in bucket.plays() {
            let entry = &mut self.entries[*slot as usize];
            entry.live -= u32::from(for_good);
            out.push(turn(*play, &entry.listing, 1 << window, false));
        }
        if for_good {
            self.buckets.remove(&ended);
        }
    }

    /// The upload of the row in force turns, if it stands at an edge of a window.
    fn turn_upload(&self, tick: Tick, slot: u32, version: u32, out: &mut Vec<Turn>) {
        let entry = &self.entries[slot as usize];
        let Some(since) = self.uploaded(&entry.listing).filter(|_| entry.version == version) else { return };
        let (before, now) = (if tick > since { self.holding(since, tick - 1) } else { 0 }, self.holding(since, tick));
        push_upload(&entry.listing, before & !now, false, out);
        push_upload(&entry.listing, now & !before, true, out);
    }

    fn uploaded(&self, listing: &Listing) -> Option<Tick> {
        listing.uploaded_at.map(|at| self.clock.first_after(at))
    }

    /// The new row of the track comes into force: its upload is counted under the new name.
    fn replace(&mut self, tick: Tick, slot: u32, new: Listing, out: &mut Vec<Turn>) {
        let old = self.entries[slot as usize].listing;
        let entry = &mut self.entries[slot as usize];
        entry.listing = new;
        entry.version += 1;
        let version = entry.version;
        if !self.counts_uploads {
            return;
        }
        let within = |since: Option<Tick>| since.map_or(0, |since| self.holding(since, tick));
        push_upload(&old, within(self.uploaded(&old)), false, out);
        push_upload(&new, within(self.uploaded(&new)), true, out);
        if let Some(since) = self.uploaded(&new) {
            let edges = self.lengths.iter().map(|length| since + length).chain([since]);
            for edge in edges.filter(|edge| *edge > tick) {
                self.uploads.entry(edge).or_default().push((slot, version));
            }
        }
    }

    /// The live plays of tracks that changed hands leave under the old name and enter under the new one.
    fn move_plays(&self, tick: Tick, moved: &HashMap<u32, Listing>, out: &mut Vec<Turn>) {
        for (ended, bucket) in &self.buckets {
            let windows = self.holding(*ended, tick);
            for (play, slot) in bucket.plays() {
                if let Some(old) = moved.get(slot) {
                    out.push(turn(*play, old, windows, false));
                    out.push(turn(*play, &self.entries[*slot as usize].listing, windows, true));
                }
            }
        }
    }
}

impl Keep for Windows {
    type In = Inflow;
    type Out = Turn;

    fn due(&self) -> Option<Tick> {
        let first = |ticks: Option<&Tick>| ticks.copied();
        [first(self.leaving.keys().next()), first(self.uploads.keys().next())].into_iter().flatten().min()
    }

    fn open(&mut self, tick: Tick, out: &mut Vec<Turn>) {
        // What leaves at this tick leaves before anything of this tick enters: a late play never leaves what it did not enter.
        for (ended, window) in self.leaving.remove(&tick).unwrap_or_default() {
            self.leave(ended, window, out);
        }
        for (slot, version) in self.uploads.remove(&tick).unwrap_or_default() {
            self.turn_upload(tick, slot, version, out);
        }
    }

    fn take(&mut self, tick: Tick, inflow: Inflow, out: &mut Vec<Turn>) {
        match inflow {
            Inflow::Play(play, true) => self.enter(tick, play, out),
            Inflow::Play(play, false) => self.revoke(tick, play, out),
            Inflow::Track(listing) => {
                let slot = self.slot(listing.track);
                let kept = self.replaced.entry(slot).or_insert(listing);
                if listing.valid_from > kept.valid_from {
                    *kept = listing;
                }
            }
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Turn>) {
        let mut moved = HashMap::new();
        for (slot, new) in std::mem::take(&mut self.replaced) {
            let entry = &self.entries[slot as usize];
            if entry.live > 0 && !entry.listing.groups_as(&new) {
                moved.insert(slot, entry.listing);
            }
            self.replace(tick, slot, new, out);
        }
        if !moved.is_empty() {
            self.move_plays(tick, &moved, out);
        }
    }
}

fn turn(play: KeyedPlay, listing: &Listing, windows: WindowSet, enters: bool) -> Turn {
    let Listing { artist, uploader, distributor, .. } = *listing;
    Turn::Play { play, artist, uploader, distributor, windows, enters }
}

fn push_upload(listing: &Listing, windows: WindowSet, enters: bool, out: &mut Vec<Turn>) {
    let Listing { uploader, distributor, .. } = *listing;
    if windows != 0 && (uploader.is_some() || distributor.is_some()) {
        out.push(Turn::Upload { uploader, distributor, windows, enters });
    }
}
