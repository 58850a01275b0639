//! Where in the log stands what is known of tracks and recordings: whoever asks for it reads it again there.
//!
//! ```text
//! log ──▶ FromLog ──▶ places: entry and row, by track and by recording ◀── desk ──▶ log ──▶ rows in force as of an instant
//!                └──▶ names, genres of tracks, countries of accounts, tracks of artists and uploaders: what is asked of very many at once
//! ```
//!
//! A place has 16 bytes, a row hundreds, and few rows are ever asked for. What pages count by is remembered as a number each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, RwLock};

use dataflows::clock::Tick;
use dataflows::habits::Habits;
use dataflows::ties::Ties;
use datasets::arrivals::{Contents, InWords, Listing, read_again};
use datasets::log::{Disk, entries_of};
use datasets::names::key_of_text;
use datasets::tables::read::{FromRow, IdKinds};
use records::{Confidence, Evidence, Id, Key, Subject, Track};

use super::titles::Titles;

/// Of one recording or track no more rows are read than these last ones.
const ROWS_MAX: usize = 200;
/// So many tracks of an artist or uploader are remembered: a page shows a few of those that were heard.
const WORKS_MAX: usize = 1_000;

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
    /// The first tracks that rows of the catalogue ever gave artists and uploaders, with their recordings.
    works: HashMap<(Subject, Key), Vec<(Key, Key)>>,
    words: Words,
    /// The genre of each track and the country of each account that tells one, by the last row that was read.
    genres: HashMap<Key, u16>,
    countries: HashMap<Key, u16>,
    /// When and how subjects are played.
    habits: Arc<Habits>,
    /// What accounts used.
    ties: Arc<Ties>,
    /// What tracks and artists are called.
    titles: Titles,
}

/// Words that very many rows have, by number.
#[derive(Default)]
struct Words {
    numbers: HashMap<Arc<str>, u16>,
    words: Vec<Arc<str>>,
}

impl Words {
    /// The number of the word; `None` where there are more words than anybody looks at.
    fn number(&mut self, word: &str) -> Option<u16> {
        if let Some(number) = self.numbers.get(word) {
            return Some(*number);
        }
        let (number, word) = (u16::try_from(self.words.len()).ok()?, Arc::from(word));
        self.numbers.insert(Arc::clone(&word), number);
        self.words.push(word);
        Some(number)
    }
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

    /// The log is read from its first entry on again; until something is stated who asks hears what was known before. Where the dataflow
    /// that begins is to count when and how subjects are played, and what accounts used.
    pub fn begin(&self) -> (Arc<Habits>, Arc<Ties>) {
        let next = Known::default();
        let counted = (next.habits.clone(), next.ties.clone());
        *self.next.lock().expect("nobody panics with it") = Some(next);
        counted
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

    /// A row of the catalogue stands there, and tells this.
    pub fn list(&self, row: &Listing, words: InWords, place: Place) {
        let Listing { track, content, artist, uploader, .. } = *row;
        self.learn(|known| {
            let InWords { genre, title, artist_name } = words;
            note(&mut known.genres, &mut known.words, track, genre);
            for (subject, key, name) in [(Subject::Track, track, title), (Subject::Artist, artist, artist_name)] {
                if let Some(name) = name.filter(|_| key.is_some()) {
                    known.titles.learn(subject, key, &name);
                }
            }
            for owner in [(Subject::Artist, artist), (Subject::Uploader, uploader)] {
                if owner.1.is_some() {
                    let works = known.works.entry(owner).or_default();
                    if works.len() < WORKS_MAX && !works.contains(&(track, content)) {
                        push(works, (track, content));
                    }
                }
            }
            let rows = known.tracks.entry(track).or_default();
            let is_new = rows.is_empty();
            push(rows, place);
            let carriers = known.carriers.entry(content).or_default();
            if is_new || !carriers.contains(&track) {
                push(carriers, track);
            }
        });
    }

    /// Accounts are registered in these countries.
    pub fn register(&self, accounts: Vec<(Key, Option<String>)>) {
        self.learn(|known| {
            for (account, country) in accounts {
                note(&mut known.countries, &mut known.words, account, country);
            }
        });
    }

    /// The genre of a track or the country of an account, where one is told.
    pub fn origin(&self, subject: Subject, key: Key) -> Option<Arc<str>> {
        let known = self.known.read().expect("nobody panics with it");
        let number = match subject {
            Subject::Track => known.genres.get(&key),
            Subject::Account => known.countries.get(&key),
            _ => None,
        };
        number.map(|number| known.words.words[usize::from(*number)].clone())
    }

    /// Tracks and artists whose name has this in it, at most so many, with the name in small letters.
    pub fn called(&self, part: &str, most: usize) -> Vec<(Subject, Key, String)> {
        let known = self.known.read().expect("nobody panics with it");
        let found = known.titles.with(part, most).into_iter();
        found.map(|(subject, key, name)| (subject, key, name.to_owned())).collect()
    }

    /// When and how subjects are played.
    pub fn habits(&self) -> Arc<Habits> {
        self.known.read().expect("nobody panics with it").habits.clone()
    }

    /// What accounts used.
    pub fn ties(&self) -> Arc<Ties> {
        self.known.read().expect("nobody panics with it").ties.clone()
    }

    /// The first tracks of an artist or uploader of whose recordings something was heard, at most so many, in the order in which they came; and
    /// how many there are of the first thousand.
    pub fn heard_of(&self, subject: Subject, key: Key, tracks_max: usize) -> (Vec<Key>, usize) {
        let known = self.known.read().expect("nobody panics with it");
        let works = known.works.get(&(subject, key)).into_iter().flatten();
        let heard: Vec<Key> =
            works.filter(|(_, content)| known.heard.contains_key(content)).map(|(track, _)| *track).collect();
        (heard.iter().take(tracks_max).copied().collect(), heard.len())
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

/// The key of an id, as the log's readers give it.
pub fn key_of(id: &Id) -> Key {
    match id {
        Id::Number(number) => Key(*number),
        Id::Text(text) => key_of_text(text),
    }
}

/// Remembers a word of a key, or that there is none any more.
fn note(of: &mut HashMap<Key, u16>, words: &mut Words, key: Key, word: Option<String>) {
    let word = word.filter(|word| !word.trim().is_empty());
    match word.and_then(|word| words.number(&word)) {
        Some(number) => _ = of.insert(key, number),
        None => _ = of.remove(&key),
    }
}

/// Most have one, and pay for no more.
fn push<T>(to: &mut Vec<T>, what: T) {
    if to.is_empty() {
        to.reserve_exact(1);
    }
    to.push(what);
}
