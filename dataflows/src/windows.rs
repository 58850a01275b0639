//! Says when each play enters and leaves each window, under the name that the catalogue gives it.
//!
//! ```text
//! plays ─────┐
//! catalogue ─┴─▶ by track ──▶ live plays by the tick of their end ──▶ turns (enter at arrival, leave when too old)
//! ```
//!
//! This is the one place that remembers plays, and the one place where they expire; all views downstream only count.
//! A track that changes hands takes its live plays along: they leave under the old name and enter under the new one.
//!
//! Where nobody wants results before some tick, plays come and go here alone until shortly before it; then those that still count
//! are told. Views count the same, whatever they heard before, and most of what came and went they never hear of.

use std::collections::BTreeMap;
use std::hint::black_box;

use features::tally::WindowSet;
use hashbrown::{HashMap, HashSet};
use records::{Key, KeyedPlay, Millis};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Tick};
use crate::keep::Keep;

/// What nobody wanted to know before is told within so many ticks, a portion at each: memory holds one portion, in the buffers of
/// all views.
const TELLING_TICKS: Tick = 16;
/// A portion has at least so many plays, where there are as many.
const PORTION_PLAYS: usize = 1 << 17;

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

    fn turn(self, windows: WindowSet, enters: bool) -> Turn {
        let Trace { account, device, ip_prefix } = self;
        let play = KeyedPlay { account, device, ip_prefix, ..KeyedPlay::NOTHING };
        Live { play, artist: Key::NONE, uploader: Key::NONE, distributor: Key::NONE }.turn(windows, enters)
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

impl Bucket {
    fn len(&self) -> usize {
        self.settled.len() + self.revocable.len() + self.traces.len()
    }

    /// Everything in it enters these windows, or leaves them.
    fn turns(&self, windows: WindowSet, enters: bool) -> impl Iterator<Item = Turn> {
        let live = self.settled.iter().chain(&self.revocable).map(move |live| live.turn(windows, enters));
        live.chain(self.traces.iter().map(move |trace| trace.turn(windows, enters)))
    }
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
    /// Views know everything about plays that ended before this tick, and nothing of others.
    told: Tick,
    /// The first tick that somebody wants, where it is still to come.
    wanted: Option<Tick>,
    /// The next tick at which a portion is told.
    telling: Option<Tick>,
    /// Of at least so many plays.
    portion: usize,
}

impl Windows {
    /// Nothing live, over windows of so many ticks (at most 16, shortest first), of which the first `whole` need whole
    /// plays; uploads are turned where somebody counts them. Before the tick `wanted`, if any, nobody asks for results.
    pub fn new(clock: Clock, lengths: Vec<Tick>, whole: usize, counts_uploads: bool, wanted: Option<Tick>) -> Windows {
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
            told: if wanted.is_some() { 0 } else { Tick::MAX },
            wanted,
            telling: wanted.map(|wanted| wanted.saturating_sub(TELLING_TICKS - 1)),
            portion: PORTION_PLAYS,
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
        if ended < self.told {
            out.push(live.turn(windows, true));
        }
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
        if ended < self.told {
            out.push(live.turn(self.holding(ended, tick), false));
        }
    }

    /// The bucket leaves the window; from the longest one it leaves for good.
    fn leave(&mut self, ended: Tick, window: usize, out: &mut Vec<Turn>) {
        let Some(bucket) = self.buckets.get_mut(&ended) else { return };
        if ended < self.told {
            out.extend(bucket.turns(1 << window, false));
        }
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
        if self.told == 0 {
            return;
        }
        let (before, now) = (if tick > since { self.holding(since, tick - 1) } else { 0 }, self.holding(since, tick));
        push_upload(&entry.listing, before & !now, false, out);
        push_upload(&entry.listing, now & !before, true, out);
    }

    fn uploaded(&self, listing: &Listing) -> Option<Tick> {
        listing.uploaded_at.map(|at| self.clock.first_after(at))
    }

    /// The windows in which the upload counts at the tick.
    fn uploaded_within(&self, listing: &Listing, tick: Tick) -> WindowSet {
        self.uploaded(listing).map_or(0, |since| self.holding(since, tick))
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
            if self.told > 0 {
                push_upload(&old, self.uploaded_within(&old, tick), false, out);
                push_upload(&new, self.uploaded_within(&new, tick), true, out);
            }
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
                    let before = std::mem::replace(live, Live::new(live.play, &self.entries[&live.play.track].listing));
                    if ended < self.told {
                        out.extend([before.turn(windows, false), live.turn(windows, true)]);
                    }
                }
            }
        }
    }

    /// Tells views the next portion of what they do not know, the oldest plays first; uploads with the first portion, and all that is
    /// left at the tick that is wanted.
    fn tell(&mut self, tick: Tick, wanted: Tick, out: &mut Vec<Turn>) {
        if self.told == 0 && self.counts_uploads {
            for Entry { listing, .. } in self.entries.values() {
                push_upload(listing, self.uploaded_within(listing, tick), true, out);
            }
        }
        let untold: usize = self.buckets.range(self.told..).map(|(_, bucket)| bucket.len()).sum();
        let ticks_left = wanted.saturating_sub(tick) as usize + 1;
        let portion = untold.div_ceil(ticks_left).max(self.portion);
        let mut plays = 0;
        let mut until = Tick::MAX;
        for (ended, bucket) in self.buckets.range(self.told..) {
            if plays >= portion && tick < wanted {
                until = *ended;
                break;
            }
            plays += bucket.len();
            let windows = self.holding(*ended, tick);
            if windows != 0 {
                out.extend(bucket.turns(windows, true));
            }
        }
        self.told = until;
        self.telling = (until < Tick::MAX).then_some(tick + 1);
        self.wanted = self.telling.and(self.wanted);
    }
}

impl Keep for Windows {
    type In = Inflow;
    type Out = Turn;

    fn due(&self) -> Option<Tick> {
        let first = |ticks: Option<&Tick>| ticks.copied();
        [first(self.leaving.keys().next()), first(self.uploads.keys().next()), self.telling].into_iter().flatten().min()
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
        if let Some(wanted) = self.wanted.filter(|_| self.telling.is_some_and(|telling| telling <= tick)) {
            self.tell(tick, wanted, out);
        }
    }
}

fn push_upload(listing: &Listing, windows: WindowSet, enters: bool, out: &mut Vec<Turn>) {
    let Listing { uploader, distributor, .. } = *listing;
    if windows != 0 && (uploader.is_some() || distributor.is_some()) {
        out.push(Turn::Upload { uploader, distributor, windows, enters });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::keep::mix;

    /// Two windows that need whole plays, and one that asks who used what.
    const LENGTHS: [Tick; 3] = [2, 5, 9];
    const WHOLE: usize = 2;

    fn windows(wanted: Option<Tick>, portion: usize) -> Windows {
        Windows { portion, ..Windows::new(Clock::new(1_000), LENGTHS.to_vec(), WHOLE, true, wanted) }
    }

    /// What happens at the tick: plays, some late and some taken back, and rows of the catalogue.
    fn inflows(seed: u64, tick: Tick, plays: &mut Vec<KeyedPlay>) -> Vec<Inflow> {
        let mut drawn = mix(seed ^ tick << 32);
        let mut below = |end: u64| {
            drawn = mix(drawn.wrapping_add(0x9E37_79B9_7F4A_7C15));
            drawn % end
        };
        let mut inflows = Vec::new();
        for _ in 0..below(8) {
            let late = if below(4) == 0 { below(11) } else { 0 };
            let ended_at = tick.saturating_sub(1 + late) as Millis * 1_000 + below(1_000) as Millis;
            let marks = if below(2) == 0 { KeyedPlay::REVOCABLE } else { 0 };
            let (account, track, device) = (Key(below(3)), Key(below(5)), Key(below(2)));
            let play = KeyedPlay { ended_at, account, track, device, marks, ..KeyedPlay::NOTHING };
            plays.push(play);
            inflows.push(Inflow::Play(play, true));
        }
        if below(2) == 0 && !plays.is_empty() {
            let taken_back = plays.swap_remove(below(plays.len() as u64) as usize);
            if taken_back.is(KeyedPlay::REVOCABLE) {
                inflows.push(Inflow::Play(taken_back, false));
            }
        }
        if below(3) == 0 {
            let owner = |drawn: u64| if drawn == 0 { Key::NONE } else { Key(drawn) };
            inflows.push(Inflow::Track(Listing {
                track: Key(below(7)),
                artist: owner(below(3)),
                uploader: owner(below(3)),
                distributor: owner(below(2)),
                uploaded_at: (below(3) > 0).then(|| (tick.saturating_sub(below(6)) + below(4)) as Millis * 1_000),
                valid_from: Some(tick as Millis * 1_000 - 1),
            }));
        }
        inflows
    }

    /// What of the turns counts, by window: as often as it entered and did not leave.
    fn count(turns: Vec<Turn>, counts: &mut BTreeMap<(usize, String), i32>) {
        for turn in turns {
            let (windows, enters) = match turn {
                Turn::Play { windows, enters, .. } | Turn::Upload { windows, enters, .. } => (windows, enters),
            };
            for window in (0..LENGTHS.len()).filter(|window| windows & (1 << window) != 0) {
                let what = match turn {
                    Turn::Play { play, artist, uploader, distributor, .. } if window < WHOLE => {
                        format!("{play:?} {artist:?} {uploader:?} {distributor:?}")
                    }
                    Turn::Play { play, .. } => format!("{:?}", (play.account, play.device, play.ip_prefix)),
                    Turn::Upload { uploader, distributor, .. } => format!("{uploader:?} {distributor:?}"),
                };
                let times = counts.entry((window, what)).or_insert(0);
                *times += if enters { 1 } else { -1 };
            }
        }
        counts.retain(|_, times| *times != 0);
    }

    #[test]
    fn who_is_told_late_counts_what_one_counts_who_was_told_all_along() {
        for seed in 0..60 {
            let wanted = [3, 14, 15, 30, 41][seed as usize % 5];
            let (mut lived, mut late) = (windows(None, 1), windows(Some(wanted), 1 + seed as usize % 40));
            let (mut by_lived, mut by_late) = (BTreeMap::new(), BTreeMap::new());
            let mut plays = Vec::new();
            for tick in 0..60 {
                let inflows = inflows(seed, tick, &mut plays);
                for (windows, counts) in [(&mut lived, &mut by_lived), (&mut late, &mut by_late)] {
                    let mut out = Vec::new();
                    windows.open(tick, &mut out);
                    inflows.iter().for_each(|inflow| windows.take(tick, *inflow, &mut out));
                    windows.close(tick, &mut out);
                    count(out, counts);
                }
                if tick >= wanted {
                    assert_eq!(by_lived, by_late, "seed {seed}, tick {tick}, wanted from {wanted} on");
                } else if tick + TELLING_TICKS <= wanted {
                    assert!(by_late.is_empty(), "seed {seed}, tick {tick}: nobody asked");
                }
            }
            assert!(!by_lived.is_empty());
        }
    }
}
