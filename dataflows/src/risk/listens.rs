//! Keeps who played what, and how often, in the longest window.
//!
//! ```text
//! turns ──▶ by account ──▶ (account, track) as often as it was played
//! ```

use differential_dataflow::AsCollection;
use hashbrown::HashMap;
use records::Key;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map;

use super::catalogue::ByKey;
use super::{Coll, Update};
use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};
use crate::tallies::Cadence;
use crate::windows::Turn;

/// Who plays which tracks.
#[derive(Clone)]
pub(crate) struct Listens<'scope> {
    /// Each account and track, once per play.
    pub all: Coll<'scope, (Key, Key)>,
    /// The same, to be joined with accounts.
    pub by_account: ByKey<'scope, Key>,
}

/// The listens of this window.
pub(crate) fn tracks<'scope>(
    turns: StreamVec<'scope, Tick, Turn>,
    window: usize,
    cadence: Cadence,
    until: Tick,
) -> Listens<'scope> {
    let all = listens(turns, window, cadence, until, |turn| match turn {
        Turn::Play { play, .. } => play.track,
        Turn::Upload { .. } => Key::NONE,
    });
    Listens { by_account: all.clone().arrange_by_key_named("ListensByAccount"), all }
}

/// Each account and playlist, once per play in this window that came from it.
pub(super) fn playlists<'scope>(
    turns: StreamVec<'scope, Tick, Turn>,
    window: usize,
    cadence: Cadence,
    until: Tick,
) -> Coll<'scope, (Key, Key)> {
    listens(turns, window, cadence, until, |turn| match turn {
        Turn::Play { play, .. } => play.playlist,
        Turn::Upload { .. } => Key::NONE,
    })
}

fn listens<'scope>(
    turns: StreamVec<'scope, Tick, Turn>,
    window: usize,
    cadence: Cadence,
    until: Tick,
    heard: impl Fn(&Turn) -> Key + 'static,
) -> Coll<'scope, (Key, Key)> {
    let listens = turns.flat_map(move |turn| match turn {
        Turn::Play { play, windows, enters, .. } if windows & (1 << window) != 0 => {
            let heard = heard(&turn);
            heard.is_some().then_some((play.account, heard, enters))
        }
        _ => None,
    });
    keep(listens, "Listens", |(account, ..): &(Key, Key, bool)| mix(account.0), until, Unsaid::new(cadence))
        .as_collection()
}

/// What changed and was not said yet.
struct Unsaid {
    cadence: Cadence,
    unsaid: HashMap<(Key, Key), i32>,
}

impl Unsaid {
    fn new(cadence: Cadence) -> Unsaid {
        Unsaid { cadence, unsaid: HashMap::new() }
    }
}

impl Keep for Unsaid {
    type In = (Key, Key, bool);
    type Out = Update<(Key, Key)>;

    fn due(&self) -> Option<Tick> {
        match self.cadence {
            Cadence::At(tick) if !self.unsaid.is_empty() => Some(tick),
            _ => None,
        }
    }

    fn take(&mut self, _tick: Tick, (account, heard, enters): (Key, Key, bool), _out: &mut Vec<Self::Out>) {
        let plays = self.unsaid.entry((account, heard)).or_insert(0);
        *plays += if enters { 1 } else { -1 };
        if *plays == 0 {
            self.unsaid.remove(&(account, heard));
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Self::Out>) {
        if matches!(self.cadence, Cadence::At(at) if at != tick) {
            return;
        }
        out.extend(std::mem::take(&mut self.unsaid).into_iter().map(|(pair, plays)| (pair, tick, plays as isize)));
    }
}
