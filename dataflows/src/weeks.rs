//! Counts when subjects are played, for whoever looks at one of them: no rows leave, readers ask.
//!
//! ```text
//! turns of the longest window, on every worker ──▶ (kind, key) ──▶ hour of the week ──▶ counts ◀── pages
//! ```
//!
//! A view would restate 168 numbers of every subject with a play at every tick, and pages ask about a few. Counts commute, so no play travels
//! to another worker for it: each counts what passes, under the lock of the key's shard. A reader sees the tick that is stated, or a part of the next one.

use std::sync::{Mutex, MutexGuard};

use features::tally::Axis;
use features::week::{HOURS, Week, hour_of};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use records::Key;

use crate::keep::mix;
use crate::tallies::key_of;
use crate::windows::Turn;

/// So many locks: far more than workers, so that they seldom meet.
const SHARDS: usize = 64;

type Shard = HashMap<(Axis, Key), Week>;

/// The weeks of all subjects with a play in the longest window.
pub struct Weeks {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Weeks {
    /// Nothing counted yet.
    fn default() -> Weeks {
        Weeks { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Weeks {
    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        self.shards[mix(key.0) as usize % SHARDS].lock().expect("nobody panics with it")
    }

    /// Counts the turn, where it is one of that window.
    pub fn turn(&self, turn: &Turn, window: usize) {
        let Turn::Play { play, windows, enters, .. } = turn else { return };
        if windows & (1 << window) == 0 {
            return;
        }
        let hour = hour_of(play.ended_at);
        for axis in Axis::ALL {
            let key = key_of(axis, turn);
            if key.is_some() {
                match self.shard(key).entry((axis, key)) {
                    Entry::Vacant(place) => place.insert(Week::default()).count(hour, *enters),
                    Entry::Occupied(mut place) => {
                        place.get_mut().count(hour, *enters);
                        if place.get().is_empty() {
                            place.remove();
                        }
                    }
                }
            }
        }
    }

    /// Plays by the hour of the week, Monday from 0:00 UTC on; `None` without a play.
    pub fn of(&self, axis: Axis, key: Key) -> Option<[u32; HOURS]> {
        self.shard(key).get(&(axis, key)).map(Week::counts)
    }
}
