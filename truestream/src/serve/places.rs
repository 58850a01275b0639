//! Where in the log stands what is known of tracks and recordings: whoever asks for it reads it again there.
//!
//! ```text
//! log ──▶ FromLog ──▶ places: entry and row, by track and by recording ◀── desk ──▶ log ──▶ rows in force as of an instant
//! ```
//!
//! A place has 16 bytes, a row hundreds, and few rows are ever asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, RwLock};

use dataflows::clock::Tick;
use datasets::arrivals::{Contents, read_again};
use datasets::log::{Disk, entries_of};
use datasets::tables::read::{FromRow, IdKinds};
use records::{Confidence, Evidence, Id, Key, Track};

/// Of one recording or track no more rows are read than these last ones.
const ROWS_MAX: usize = 200;

/// A row of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From which tick on it counts.
    pub from: Tick,
    /// The entry.
    pub entry: u32,
    /// Its place there.
    pub row: u32,
}

#[derive(Default)]
struct Known {
    tracks: HashMap<Key, Vec<Place>>,
    /// The tracks that a row of the catalogue ever gave each recording.
    carriers: HashMap<Key, Vec<Key>>,
    heard: HashMap<Key, Vec<Place>>,
}

/// All places.
pub struct Places {
    disk: Arc<dyn Disk>,
    /// What ids are.
    pub kinds: IdKinds,
    /// The numbers of recordings.
    pub contents: Arc<Contents>,
    known: RwLock<Known>,
    /// What the dataflow has read that began anew, until it has stated something.
    next: Mutex<Option<Known>>,
}

impl Places {
    /// None are known yet.
    pub fn new(disk: Arc<dyn Disk>, kinds: IdKinds) -> Places {
        Places { disk, kinds, contents: Arc::default(), known: RwLock::default(), next: Mutex::default() }
    }

    /// The log is read from its first entry on again; until something is stated who asks hears what was known before.
    pub fn begin(&self) {
        *self.next.lock().expect("nobody panics with it") = Some(Known::default());
    }

    /// What was read is stated.
    pub fn state(&self) {
        if let Some(next) = self.next.lock().expect("nobody panics with it").take() {
            *self.known.write().expect("nobody panics with it") = next;
        }
    }

    fn learn(&self, what: impl FnOnce(&mut Known)) {
        match &mut *self.next.lock().expect("nobody panics with it") {
            Some(next) => what(next),
            None => what(&mut self.known.write().expect("nobody panics with it")),
        }
    }

    /// A row of the catalogue stands there.
    pub fn list(&self, track: Key, content: Key, place: Place) {
        self.learn(|known| {
            let rows = known.tracks.entry(track).or_default();
            let is_new = rows.is_empty();
            push(rows, place);
            let carriers = known.carriers.entry(content).or_default();
            if is_new || !carriers.contains(&track) {
                push(carriers, track);
            }
        });
    }

    /// A row of evidence about the recording stands there.
    pub fn hear(&self, content: Key, place: Place) {
        self.learn(|known| push(known.heard.entry(content).or_default(), place));
    }

    /// The row of the track in force as of the tick.
    pub fn track(&self, track: Key, tick: Tick) -> Option<Track> {
        let places = self.known.read().expect("nobody panics with it").tracks.get(&track).cloned();
        let rows = self.rows::<Track>(places, tick);
        rows.into_iter().max_by_key(|(place, row)| (row.valid_from, *place)).map(|(_, row)| row)
    }

    /// The tracks that carry the recording as of the tick, at most so many.
    pub fn carriers(&self, content_id: &Id, tick: Tick, tracks_max: usize) -> Vec<Track> {
        let content = self.contents.key(content_id);
        let keys = self.known.read().expect("nobody panics with it").carriers.get(&content).cloned();
        let rows = keys.into_iter().flatten().filter_map(|key| self.track(key, tick));
        let carries = |row: &Track| self.contents.key(row.content_id.as_ref().unwrap_or(&row.track_id)) == content;
        rows.filter(carries).take(tracks_max).collect()
    }

    /// What was heard of the recording, as far as it is in force as of the tick.
    pub fn evidence(&self, content_id: &Id, tick: Tick) -> Vec<Evidence> {
        let content = self.contents.key(content_id);
        let places = self.known.read().expect("nobody panics with it").heard.get(&content).cloned();
        let mut in_force: BTreeMap<(String, Option<String>), Evidence> = BTreeMap::new();
        for (_, row) in self.rows::<Evidence>(places, tick) {
            let heard = |row: &Evidence| (row.known_at, (row.confidence > Confidence::NONE).then_some(row.risk));
            let source = (row.detector.clone(), row.file.clone());
            match in_force.get(&source) {
                Some(known) if heard(known) >= heard(&row) => {}
                _ => _ = in_force.insert(source, row),
            }
        }
        in_force.into_values().collect()
    }

    /// What stands at those of the places that count as of the tick. What cannot be read is told, and left out.
    fn rows<R: FromRow>(&self, places: Option<Vec<Place>>, tick: Tick) -> Vec<(Place, R)> {
        let mut places: Vec<Place> = places.into_iter().flatten().filter(|place| place.from <= tick).collect();
        places.sort_unstable();
        let over = places.len().saturating_sub(ROWS_MAX);
        let places = &places[over..];
        let entries: BTreeSet<u64> = places.iter().map(|place| place.entry.into()).collect();
        let entries = entries_of(&*self.disk, &entries).unwrap_or_else(|error| {
            eprintln!("the log cannot be read again: {error}");
            Vec::new()
        });
        let entries: BTreeMap<u64, _> = entries.into_iter().collect();
        let row = |place: &Place| {
            let rows = entries.get(&place.entry.into())?.rows.as_ref().filter(|rows| rows.table == R::TABLE)?;
            let read = read_again(rows, &self.kinds, &BTreeSet::from([place.row])).ok()?;
            Some((*place, read.into_iter().next()?))
        };
        places.iter().filter_map(row).collect()
    }
}

/// Most have one, and pay for no more.
fn push<T>(to: &mut Vec<T>, what: T) {
    if to.is_empty() {
        to.reserve_exact(1);
    }
    to.push(what);
}
