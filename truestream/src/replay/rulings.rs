//! Which ruling of a person is in force about whom, tick by tick.
//!
//! ```text
//! rows of `rulings` ──▶ by subject ──▶ ticks at which that may change ──▶ what comes into force, or ends
//! ```
//!
//! A replay knows all rows beforehand, a living service hears of one after the other; what is in force as of a tick is the same.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use dataflows::clock::{Clock, Tick};
use dataflows::risk::Entry;
use datasets::tables::read::{INSTANT_MAX, INSTANT_MIN};
use records::{Millis, Ruling, in_force};

use super::docket::Who;

/// What people ruled, as far as it is known.
pub struct Rulings {
    clock: Clock,
    /// With hindsight: what is known before this instant counts as if it had always been known.
    hindsight: Option<Millis>,
    known: HashMap<Who, Vec<Ruling>>,
    in_force: HashMap<Who, Ruling>,
}

impl Rulings {
    /// Nothing is known yet.
    pub fn new(clock: Clock, hindsight: Option<Millis>) -> Rulings {
        Rulings { clock, hindsight, known: HashMap::new(), in_force: HashMap::new() }
    }

    /// Takes a row; as of these ticks what is in force about its subject may be other than before: when it is known, and where what it
    /// speaks about begins and ends.
    pub fn take(&mut self, who: Who, ruling: Ruling) -> impl Iterator<Item = Tick> + use<> {
        let clock = self.clock;
        let first = move |instant: Millis| clock.first_after(instant.clamp(INSTANT_MIN, INSTANT_MAX) - 1);
        let turns = [clock.first_after(ruling.known_at), first(ruling.since.unwrap_or(INSTANT_MIN))];
        let ends = ruling.until.map(first);
        self.known.entry(who).or_default().push(ruling);
        turns.into_iter().chain(ends)
    }

    /// What comes into force about the subject at the tick, where that is other than before.
    pub fn turn(&mut self, (subject, key): Who, tick: Tick) -> Option<Entry> {
        let as_of = self.clock.instant(tick);
        let known = self.known.get(&(subject, key))?;
        let now = in_force(known, as_of, self.hindsight.unwrap_or(as_of));
        if now == self.in_force.get(&(subject, key)) {
            return None;
        }
        match now {
            Some(now) => self.in_force.insert((subject, key), now.clone()),
            None => self.in_force.remove(&(subject, key)),
        };
        Some(Entry::Ruling(subject, key, now.cloned().map(Box::new)))
    }

    /// What comes into force, by tick, of rows that are all known beforehand.
    pub fn flow(mut self, rows: Vec<(Who, Ruling)>, first: Tick) -> Vec<(Tick, Entry)> {
        let mut turns: BTreeSet<(Tick, Who)> = BTreeSet::new();
        for (who, ruling) in rows {
            turns.extend(self.take(who, ruling).map(|tick| (tick.max(first), who)));
        }
        turns.into_iter().filter_map(|(tick, who)| Some((tick, self.turn(who, tick)?))).collect()
    }
}

/// The same where the rows are the same, in whatever order.
pub fn digest(rows: &[(Who, Ruling)]) -> u64 {
    let rows: BTreeSet<&(Who, Ruling)> = rows.iter().collect();
    let mut digest = DefaultHasher::new();
    rows.hash(&mut digest);
    digest.finish()
}
