//! Keeps the row of every key in every window: one operator per view, all its windows together.
//!
//! ```text
//! turns ──▶ by account (or track, artist, …) ──▶ tally ──▶ (key, window, row) where it changed
//! ```

use std::hint::black_box;
use std::ops::BitXor;

use features::WindowRow;
use features::tally::{Axis, Figures, Listed, Tally, WindowSet, each};
use hashbrown::HashMap;
use records::Key;

use crate::clock::Tick;
use crate::keep::{AHEAD, Keep, empty, mix};
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

/// The tallies of one worker's keys, over any number of windows.
pub struct Tallies {
    cadence: Cadence,
    /// For each window that turns speak of, its place among the windows of this view.
    places: Vec<Option<u8>>,
    /// The turns of the open tick. They are counted key by key when it closes: what a key holds is fetched once.
    turns: Vec<Turn>,
    order: Vec<(Key, u32)>,
    axis: Axis,
    table: Box<dyn Table>,
}

impl Tallies {
    /// Nothing counted yet. `places` tells for each window of the turns which window of the view it is, if any.
    pub fn new(axis: Axis, figures: Figures, places: Vec<Option<u8>>, cadence: Cadence) -> Tallies {
        let table = table(axis, figures, places.iter().flatten().count());
        Tallies { cadence, places, turns: Vec::new(), order: Vec::new(), axis, table }
    }

    fn own_windows(&self, windows: WindowSet) -> WindowSet {
        each(windows).filter_map(|window| self.places[window]).fold(0, |own, place| own | 1 << place)
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

    fn take(&mut self, _tick: Tick, mut turn: Turn, _out: &mut Vec<RowChange>) {
        let key = key_of(self.axis, &turn);
        let (Turn::Play { windows, .. } | Turn::Upload { windows, .. }) = &turn;
        let own = self.own_windows(*windows);
        if key.is_some() && own != 0 {
            let (Turn::Play { windows, .. } | Turn::Upload { windows, .. }) = &mut turn;
            *windows = own;
            self.order.push((key, self.turns.len() as u32));
            self.turns.push(turn);
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<RowChange>) {
        // Within a key the turns keep their order: a play enters before it leaves.
        self.order.sort_unstable();
        let says = self.cadence == Cadence::Each;
        let keys: Vec<&[(Key, u32)]> = self.order.chunk_by(|a, b| a.0 == b.0).collect();
        for some in keys.chunks(AHEAD) {
            self.table.look(some);
            for same in some {
                self.table.count(same, &self.turns, says.then_some(&mut *out));
            }
        }
        let used = self.turns.len();
        empty(&mut self.order, used);
        empty(&mut self.turns, used);
        if self.cadence == Cadence::At(tick) {
            self.cadence = Cadence::Each;
            self.table.say_all(out);
        }
    }
}

fn listed(turn: &Turn) -> Option<Listed<'_>> {
    match turn {
        Turn::Play { play, artist, .. } => Some(Listed { play, artist: *artist }),
        Turn::Upload { .. } => None,
    }
}

/// Tallies by key, whatever the number of their windows.
trait Table {
    /// Reads what the turns of these keys will touch first, so that it is near when they are counted.
    fn look(&self, keys: &[&[(Key, u32)]]);

    /// Counts the turns of one key, and says what changed if somebody listens.
    fn count(&mut self, same: &[(Key, u32)], turns: &[Turn], out: Option<&mut Vec<RowChange>>);

    /// Says the rows of all keys.
    fn say_all(&self, out: &mut Vec<RowChange>);
}

struct Keyed<const W: usize> {
    axis: Axis,
    figures: Figures,
    tallies: HashMap<Key, Tally<W>>,
}

/// A table with room for so many windows.
fn table(axis: Axis, figures: Figures, windows: usize) -> Box<dyn Table> {
    fn keyed<const W: usize>(axis: Axis, figures: Figures) -> Box<dyn Table> {
        Box::new(Keyed::<W> { axis, figures, tallies: HashMap::new() })
    }
    let keyed = match windows {
        0 | 1 => keyed::<1>,
        2 => keyed::<2>,
        3 => keyed::<3>,
        4 => keyed::<4>,
        5..=8 => keyed::<8>,
        _ => keyed::<{ WindowSet::BITS as usize }>,
    };
    keyed(axis, figures)
}

impl<const W: usize> Table for Keyed<W> {
    fn look(&self, keys: &[&[(Key, u32)]]) {
        let known = || keys.iter().filter_map(|same| self.tallies.get(&same[0].0));
        // Where the counts of a key lie is only known once its tally is there.
        black_box(known().map(Tally::plays).fold(0, BitXor::bitxor));
        black_box(known().map(Tally::look).fold(0, BitXor::bitxor));
    }

    fn count(&mut self, same: &[(Key, u32)], turns: &[Turn], out: Option<&mut Vec<RowChange>>) {
        let key = same[0].0;
        let tally = self.tallies.entry(key).or_default();
        let mut changed: WindowSet = 0;
        for some in same.chunks(AHEAD) {
            let turns = || some.iter().map(|(_, at)| &turns[*at as usize]);
            black_box(turns().filter_map(listed).map(|it| tally.look_for(self.axis, it)).fold(0, BitXor::bitxor));
            for turn in turns() {
                let (Turn::Play { windows, enters, .. } | Turn::Upload { windows, enters, .. }) = turn;
                changed |= windows;
                match listed(turn) {
                    Some(listed) => tally.count(self.axis, self.figures, listed, *windows, *enters),
                    None => tally.upload(*windows, *enters),
                }
            }
        }
        if let Some(out) = out {
            out.extend(each(changed).map(|window| ((window as u8, key), tally.row(self.axis, self.figures, window))));
        }
        if tally.is_empty() {
            self.tallies.remove(&key);
        }
    }

    fn say_all(&self, out: &mut Vec<RowChange>) {
        for (key, tally) in &self.tallies {
            let rows = (0..W)
                .filter_map(|window| Some(((window as u8, *key), Some(tally.row(self.axis, self.figures, window)?))));
            out.extend(rows);
        }
    }
}
