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
use std::hint::black_box;

use features::tally::WindowSet;
use hashbrown::{HashMap, HashSet};
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

/// A live play under the name that the catalogue gives it.
#[derive(Clone, Copy)]
struct Live {
    play: KeyedPlay,
    artist: Key,
    uploader: Key,
    distributor: Key,
}

impl Live {
    fn new(play: KeyedPlay, listing: &Listing) -> Live {
        let Listing { artist, uploader, distributor, .. } = *listing;
        Live { play, artist, uploader, distributor }
    }

    fn turn(self, windows: WindowSet, enters: bool) -> Turn {
        let Live { play, artist, uploader, distributor } = self;
        Turn::Play { play, artist, uploader, distributor, windows, enters }
    }
}

/// What is left of a play in windows that only ask who used what.
#[derive(Clone, Copy)]
struct Trace {
    account: Key,
    device: Key,
    ip_prefix: Key,
}

impl Trace {
    fn of(play: &KeyedPlay) -> Trace {
        let KeyedPlay { account, device, ip_prefix, .. } = *play;
        Trace { account, device, ip_prefix }
    }

    fn turn(self, windows: WindowSet) -> Turn {
        let Trace { account, device, ip_prefix } = self;
        let play = KeyedPlay { account, device, ip_prefix, ..KeyedPlay::NOTHING };
        Live { play, artist: Key::NONE, uploader: Key::NONE, distributor: Key::NONE }.turn(windows, false)
    }
}

/// The live plays of one tick of ending.
#[derive(Default)]
struct Bucket {
    settled: Vec<Live>,
    /// Plays that may still be taken back; few, so a search among them is short.
    revocable: Vec<Live>,
    /// Settled plays that have left all windows that need the whole of them.
    traces: Vec<Trace>,
}

struct Entry {
    listing: Listing,
    /// The latest tick of ending among its plays, if it ever had one.
    last: Option<Tick>,
    /// Tells an upload's scheduled ticks from those of a row that is no longer in force.
    version: u32,
}

/// The live plays and the catalogue of one worker's tracks.
pub struct Windows {
    clock: Clock,
    /// Window lengths in ticks, shortest first.
    lengths: Vec<Tick>,
    /// How many of the windows, the shortest, need the whole play; the others only its traces.
    whole: usize,
    entries: HashMap<Key, Entry>,
    buckets: BTreeMap<Tick, Bucket>,
    /// Which bucket leaves which window at a tick.
    leaving: BTreeMap<Tick, Vec<(Tick, usize)>>,
    /// Which track's upload may enter or leave windows at a tick, with the version of its row.
    uploads: BTreeMap<Tick, Vec<(Key, u32)>>,
    /// Rows that arrived in the open tick; they come into force when it closes.
    replaced: HashMap<Key, Listing>,
    counts_uploads: bool,
}

impl Windows {
    /// Nothing live, over windows of so many ticks (at most 16, shortest first), of which the first `whole` need whole
    /// plays; uploads are turned where somebody counts them.
    pub fn new(clock: Clock, lengths: Vec<Tick>, whole: usize, counts_uploads: bool) -> Windows {
        assert!(lengths.len() <= WindowSet::BITS as usize && lengths.is_sorted(), "at most 16 windows, by length");
        Windows {
            clock,
            lengths,
            whole,
            entries: HashMap::new(),
            buckets: BTreeMap::new(),
            leaving: BTreeMap::new(),
            uploads: BTreeMap::new(),
            replaced: HashMap::new(),
            counts_uploads,
        }
    }

    fn entry(&mut self, track: Key) -> &mut Entry {
        self.entries.entry(track).or_insert_with(|| Entry { listing: Listing::unknown(track), last: None, version: 0 })
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
        let entry = self.entry(play.track);
        entry.last = entry.last.max(Some(ended));
        let live = Live::new(play, &entry.listing);
        out.push(live.turn(windows, true));
        let bucket = self.buckets.entry(ended).or_insert_with(|| {
            for (window, length) in self.lengths.iter().enumerate() {
                if ended + length > tick {
                    self.leaving.entry(ended + length).or_default().push((ended, window));
                }
            }
            Bucket::default()
        });
        let plays = if play.is(KeyedPlay::REVOCABLE) { &mut bucket.revocable } else { &mut bucket.settled };
        plays.push(live);
    }

    fn revoke(&mut self, tick: Tick, play: KeyedPlay, out: &mut Vec<Turn>) {
        let ended = self.clock.first_after(play.ended_at);
        let Some(bucket) = self.buckets.get_mut(&ended) else { return };
        let Some(at) = bucket.revocable.iter().position(|live| live.play == play) else { return };
        let live = bucket.revocable.swap_remove(at);
        out.push(live.turn(self.holding(ended, tick), false));
    }

    /// The bucket leaves the window; from the longest one it leaves for good.
    fn leave(&mut self, ended: Tick, window: usize, out: &mut Vec<Turn>) {
        let Some(bucket) = self.buckets.get_mut(&ended) else { return };
        let windows = 1 << window;
        out.extend(bucket.settled.iter().chain(&bucket.revocable).map(|live| live.turn(windows, false)));
        out.extend(bucket.traces.iter().map(|trace| trace.turn(windows)));
        if window + 1 == self.lengths.len() {
            self.buckets.remove(&ended);
        } else if window + 1 == self.whole {
            bucket.traces = bucket.settled.iter().map(|live| Trace::of(&live.play)).collect();
            bucket.settled = Vec::new();
        }
    }

    /// The upload of the row in force turns, if it stands at an edge of a window.
    fn turn_upload(&self, tick: Tick, track: Key, version: u32, out: &mut Vec<Turn>) {
        let Some(entry) = self.entries.get(&track).filter(|entry| entry.version == version) else { return };
        let Some(since) = self.uploaded(&entry.listing) else { return };
        let (before, now) = (if tick > since { self.holding(since, tick - 1) } else { 0 }, self.holding(since, tick));
        push_upload(&entry.listing, before & !now, false, out);
        push_upload(&entry.listing, now & !before, true, out);
    }

    fn uploaded(&self, listing: &Listing) -> Option<Tick> {
        listing.uploaded_at.map(|at| self.clock.first_after(at))
    }

    /// The new row of the track comes into force: its upload is counted under the new name. Returns whether live plays
    /// change hands with it.
    fn replace(&mut self, tick: Tick, new: Listing, out: &mut Vec<Turn>) -> bool {
        let longest = self.lengths.last().copied().unwrap_or(0);
        let entry = self.entry(new.track);
        let old = std::mem::replace(&mut entry.listing, new);
        entry.version += 1;
        let version = entry.version;
        let moves = !old.groups_as(&new) && entry.last.is_some_and(|last| tick < last + longest);
        if self.counts_uploads {
            let within = |since: Option<Tick>| since.map_or(0, |since| self.holding(since, tick));
            push_upload(&old, within(self.uploaded(&old)), false, out);
            push_upload(&new, within(self.uploaded(&new)), true, out);
            if let Some(since) = self.uploaded(&new) {
                let edges = self.lengths.iter().map(|length| since + length).chain([since]);
                for edge in edges.filter(|edge| *edge > tick) {
                    self.uploads.entry(edge).or_default().push((new.track, version));
                }
            }
        }
        moves
    }

    /// The live plays of tracks that changed hands leave under the old name and enter under the new one.
    fn move_plays(&mut self, tick: Tick, moved: &HashSet<Key>, out: &mut Vec<Turn>) {
        let ticks: Vec<Tick> = self.buckets.keys().copied().collect();
        for ended in ticks {
            let windows = self.holding(ended, tick);
            let Some(bucket) = self.buckets.get_mut(&ended) else { continue };
            for live in bucket.settled.iter_mut().chain(&mut bucket.revocable) {
                if moved.contains(&live.play.track) {
                    out.push(live.turn(windows, false));
                    *live = Live::new(live.play, &self.entries[&live.play.track].listing);
                    out.push(live.turn(windows, true));
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
        for (track, version) in self.uploads.remove(&tick).unwrap_or_default() {
            self.turn_upload(tick, track, version, out);
        }
    }

    fn look(&self, inflows: &[Inflow]) {
        let last = |inflow: &Inflow| self.entries.get(&inflow.track()).and_then(|entry| entry.last);
        black_box(inflows.iter().filter_map(last).max());
    }

    fn take(&mut self, tick: Tick, inflow: Inflow, out: &mut Vec<Turn>) {
        match inflow {
            Inflow::Play(play, true) => self.enter(tick, play, out),
            Inflow::Play(play, false) => self.revoke(tick, play, out),
            Inflow::Track(listing) => {
                let kept = self.replaced.entry(listing.track).or_insert(listing);
                if listing.valid_from > kept.valid_from {
                    *kept = listing;
                }
            }
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Turn>) {
        let mut moved = HashSet::new();
        for (track, new) in std::mem::take(&mut self.replaced) {
            if self.replace(tick, new, out) {
                moved.insert(track);
            }
        }
        if !moved.is_empty() {
            self.move_plays(tick, &moved, out);
        }
    }
}

fn push_upload(listing: &Listing, windows: WindowSet, enters: bool, out: &mut Vec<Turn>) {
    let Listing { uploader, distributor, .. } = *listing;
    if windows != 0 && (uploader.is_some() || distributor.is_some()) {
        out.push(Turn::Upload { uploader, distributor, windows, enters });
    }
}
