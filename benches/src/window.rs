//! The plays that count: steps become insertions and deletions of one sliding window.
//!
//! ```text
//! step T ──▶ leave (ended before T - W) ──▶ enter (arrived before T) ──▶ forget (corrected before T) ──▶ (play, ±1)
//! ```
//!
//! This is the part that the loop by hand and the differential version share; in a peer that has no such thing it is
//! a `WHERE` clause.

use std::collections::BTreeMap;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use crate::feed::{Clock, Play, Step};

/// The live plays of one window length.
pub struct Window {
    clock: Clock,
    /// The length in refreshes.
    length: i64,
    live: HashMap<u64, Play>,
    /// Which plays leave at which refresh.
    leaving: BTreeMap<i64, Vec<u64>>,
    /// Corrections are for ever: a repeat of a corrected play counts for nothing.
    forgotten: HashSet<u64>,
}

impl Window {
    /// An empty window of so many milliseconds, a multiple of the refresh interval.
    pub fn new(clock: Clock, length_ms: i64) -> Window {
        let length = length_ms / clock.every_ms;
        Window { clock, length, live: HashMap::new(), leaving: BTreeMap::new(), forgotten: HashSet::new() }
    }

    /// Calls `change` with every play that enters (+1) or leaves (-1) the window at the refresh.
    pub fn step(&mut self, refresh: i64, step: &Step, mut change: impl FnMut(&Play, isize)) {
        while let Some(leaving) = self.leaving.first_entry().filter(|entry| *entry.key() <= refresh) {
            for play_id in leaving.remove() {
                if let Some(play) = self.live.remove(&play_id) {
                    change(&play, -1);
                }
            }
        }
        for play in &step.plays {
            let leaves = self.clock.refresh_after(play.ended_at) + self.length;
            if leaves <= refresh || self.forgotten.contains(&play.play_id) {
                continue;
            }
            if let Entry::Vacant(vacant) = self.live.entry(play.play_id) {
                vacant.insert(*play);
                self.leaving.entry(leaves).or_default().push(play.play_id);
                change(play, 1);
            }
        }
        for play_id in &step.corrected {
            self.forgotten.insert(*play_id);
            if let Some(play) = self.live.remove(play_id) {
                change(&play, -1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn play(play_id: u64, ended_at: i64, arrived_at: i64) -> Play {
        Play { play_id, ended_at, arrived_at, account: 1, track: 1, artist: 1, device: 1, played_ms: 1, country: 0 }
    }

    #[test]
    fn a_play_counts_from_arrival_until_it_is_old_or_corrected() {
        let mut window = Window::new(Clock { every_ms: HOUR_MS }, 2 * HOUR_MS);
        let steps = [
            (1, Step { plays: vec![play(1, 0, 0), play(2, HOUR_MS - 1, HOUR_MS - 1)], corrected: vec![] }),
            (2, Step { plays: vec![play(1, 0, 0)], corrected: vec![2] }),
            // An instant at T - W exactly still counts, so play 1 leaves at refresh 3, not 2.
            (3, Step { plays: vec![play(2, HOUR_MS - 1, HOUR_MS - 1), play(3, 5, 2 * HOUR_MS)], corrected: vec![] }),
        ];
        let mut seen = Vec::new();
        for (refresh, step) in &steps {
            window.step(*refresh, step, |play, diff| seen.push((*refresh, play.play_id, diff)));
        }
        assert_eq!(seen, [(1, 1, 1), (1, 2, 1), (2, 2, -1), (3, 1, -1)]);
    }
}
