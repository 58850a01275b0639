//! Keeps the row of every key in every window: one operator per view, all its windows together.
//!
//! ```text
//! turns ──▶ by account (or track, artist, …) ──▶ tally ──▶ (key, window, row) where it changed
//! ```

use features::WindowRow;
use features::tally::{Axis, Listed, Tally, WindowSet, each};
use hashbrown::HashMap;
use records::Key;

use crate::clock::Tick;
use crate::keep::{Keep, mix};
use crate::windows::Turn;

/// When the rows of a view are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// At every tick, what changed.
    Each,
    /// Only at this tick, everything.
    At(Tick),
}

/// The row of a key in a window as of now; `None` when nothing counts there any more.
pub type RowChange = ((u8, Key), Option<WindowRow>);

/// Which key of the turn the axis groups by.
pub fn key_of(axis: Axis, turn: &Turn) -> Key {
    match (axis, turn) {
        (Axis::Account, Turn::Play { play, .. }) => play.account,
        (Axis::Track, Turn::Play { play, .. }) => play.track,
        (Axis::Playlist, Turn::Play { play, .. }) => play.playlist,
        (Axis::Artist, Turn::Play { artist, .. }) => *artist,
        (Axis::Uploader, Turn::Play { uploader, .. } | Turn::Upload { uploader, .. }) => *uploader,
        (Axis::Distributor, Turn::Play { distributor, .. } | Turn::Upload { distributor, .. }) => *distributor,
        (_, Turn::Upload { .. }) => Key::NONE,
    }
}

/// Where the turn's key lives.
pub fn route(axis: Axis) -> impl Fn(&Turn) -> u64 {
    move |turn| mix(key_of(axis, turn).0)
}

/// The tallies of one worker's keys.
pub struct Tallies {
    axis: Axis,
    cadence: Cadence,
    /// For each window that turns speak of, its place among the windows of this view.
    places: Vec<Option<u8>>,
    windows: usize,
    slots: HashMap<Key, u32>,
    tallies: Vec<(Key, Tally)>,
    free: Vec<u32>,
    /// The windows whose row may have changed in the open tick, per slot.
    dirty: Vec<WindowSet>,
    dirty_slots: Vec<u32>,
}

impl Tallies {
    /// Nothing counted yet. `places` tells for each window of the turns which window of the view it is, if any.
    pub fn new(axis: Axis, places: Vec<Option<u8>>, cadence: Cadence) -> Tallies {
        let windows = places.iter().flatten().count();
        Tallies {
            axis,
            cadence,
            places,
            windows,
            slots: HashMap::new(),
            tallies: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            dirty_slots: Vec::new(),
        }
    }

    fn own_windows(&self, windows: WindowSet) -> WindowSet {
        each(windows).filter_map(|window| self.places[window]).fold(0, |own, place| own | 1 << place)
    }

    fn slot(&mut self, key: Key) -> u32 {
        let Tallies { slots, tallies, free, dirty, .. } = self;
        *slots.entry(key).or_insert_with(|| match free.pop() {
            Some(slot) => {
                tallies[slot as usize].0 = key;
                slot
            }
            None => {
                tallies.push((key, Tally::new(self.axis, self.windows)));
                dirty.push(0);
                (tallies.len() - 1) as u32
            }
        })
    }

    fn touch(&mut self, slot: u32, windows: WindowSet) {
        let dirty = &mut self.dirty[slot as usize];
        if *dirty == 0 {
            self.dirty_slots.push(slot);
        }
        *dirty |= windows;
    }

    fn say(&mut self, slot: u32, windows: WindowSet, out: &mut Vec<RowChange>) {
        let (key, tally) = &self.tallies[slot as usize];
        out.extend(each(windows).map(|window| ((window as u8, *key), tally.row(window))));
        if tally.is_empty() {
            self.slots.remove(key);
            self.free.push(slot);
        }
    }
}

impl Keep for Tallies {
    type In = Turn;
    type Out = RowChange;

    fn due(&self) -> Option<Tick> {
        match self.cadence {
            Cadence::Each => None,
            Cadence::At(tick) => Some(tick),
        }
    }

    fn take(&mut self, _tick: Tick, turn: Turn, _out: &mut Vec<RowChange>) {
        let key = key_of(self.axis, &turn);
        if !key.is_some() {
            return;
        }
        let (Turn::Play { windows, enters, .. } | Turn::Upload { windows, enters, .. }) = turn;
        let windows = self.own_windows(windows);
        if windows == 0 {
            return;
        }
        let slot = self.slot(key);
        self.touch(slot, windows);
        let tally = &mut self.tallies[slot as usize].1;
        match turn {
            Turn::Play { play, artist, .. } => tally.count(Listed { play: &play, artist }, windows, enters),
            Turn::Upload { .. } => tally.upload(windows, enters),
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<RowChange>) {
        let speaks = match self.cadence {
            Cadence::Each => true,
            Cadence::At(at) => at == tick,
        };
        for slot in std::mem::take(&mut self.dirty_slots) {
            let windows = std::mem::take(&mut self.dirty[slot as usize]);
            if self.cadence == Cadence::Each {
                self.say(slot, windows, out);
            } else if self.tallies[slot as usize].1.is_empty() {
                self.slots.remove(&self.tallies[slot as usize].0);
                self.free.push(slot);
            }
        }
        if let (Cadence::At(_), true) = (self.cadence, speaks) {
            self.cadence = Cadence::Each;
            let all = (1 << self.windows) - 1;
            let slots: Vec<u32> = self.slots.values().copied().collect();
            for slot in slots {
                self.say(slot, all, out);
            }
        }
    }
}
