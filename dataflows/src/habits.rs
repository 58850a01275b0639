//! Counts when, how long, whence and where subjects are played, for whoever looks at one of them: no rows leave, readers ask.
//!
//! ```text
//! turns of the longest window, on every worker ──▶ (kind, key) ──▶ classes of the play ──▶ counts ◀── pages
//! ```
//!
//! A view would restate hundreds of numbers of every subject with a play at every tick, and pages ask about a few. Counts commute, so no play travels
//! to another worker for it: each counts what passes, under the lock of the key's shard. A reader sees the tick that is stated, or a part of the next one.

use std::sync::{Mutex, MutexGuard, RwLock};

use features::habit::{COUNTRIES, Counts, Habit, classes};
use features::tally::Axis;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use records::{Country, Key};

use crate::keep::mix;
use crate::tallies::key_of;
use crate::windows::Turn;

/// So many locks: far more than workers, so that they seldom meet.
const SHARDS: usize = 64;

type Shard = HashMap<(Axis, Key), Habit>;

/// The habits of all subjects with a play in the longest window.
pub struct Habits {
    shards: [Mutex<Shard>; SHARDS],
    /// Those that have a number of their own, in the order in which they came: a number is never given again, so what leaves finds what had entered.
    countries: RwLock<Vec<Country>>,
}

impl Default for Habits {
    /// Nothing counted yet.
    fn default() -> Habits {
        Habits { shards: std::array::from_fn(|_| Mutex::default()), countries: RwLock::default() }
    }
}

impl Habits {
    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        self.shards[mix(key.0) as usize % SHARDS].lock().expect("nobody panics with it")
    }

    /// Counts the turn, where it is one of that window.
    pub fn turn(&self, turn: &Turn, window: usize) {
        let Turn::Play { play, windows, enters, .. } = turn else { return };
        if windows & (1 << window) == 0 {
            return;
        }
        let classes = classes(play.ended_at, play.played_ms, play.source, self.number(play.country));
        for axis in Axis::ALL {
            let key = key_of(axis, turn);
            if key.is_some() {
                match self.shard(key).entry((axis, key)) {
                    Entry::Vacant(place) => place.insert(Habit::default()).count(classes, *enters),
                    Entry::Occupied(mut place) => {
                        place.get_mut().count(classes, *enters);
                        if place.get().is_empty() {
                            place.remove();
                        }
                    }
                }
            }
        }
    }

    /// The number of a country; the last one where there are more than have one.
    fn number(&self, country: Country) -> u8 {
        const OTHERS: usize = COUNTRIES - 1;
        let place = |known: &[Country]| known.iter().position(|known| *known == country);
        let known = self.countries.read().expect("nobody panics with it");
        if let Some(place) = place(&known) {
            return place as u8;
        }
        if known.len() == OTHERS {
            return OTHERS as u8;
        }
        drop(known);
        let mut known = self.countries.write().expect("nobody panics with it");
        // Another worker may have met it meanwhile.
        match place(&known) {
            Some(place) => place as u8,
            None if known.len() == OTHERS => OTHERS as u8,
            None => {
                known.push(country);
                (known.len() - 1) as u8
            }
        }
    }

    /// The countries by their numbers; who has none of them is counted as one more.
    pub fn countries(&self) -> Vec<Country> {
        self.countries.read().expect("nobody panics with it").clone()
    }

    /// How often it is played, by classes; `None` without a play.
    pub fn of(&self, axis: Axis, key: Key) -> Option<Counts> {
        self.shard(key).get(&(axis, key)).map(Habit::counts)
    }
}
