//! What was heard of recordings, as far as it is in force, and in words.
//!
//! ```text
//! evidence ──▶ hearings ──▶ of each source the latest ──▶ of each recording the gravest ──┬──▶ entries (integers) ──▶ dataflow ──▶ judgements
//! duplicates ──▶ groups ──▶ of each recording the latest ─────────────────────────────────┘
//! evidence ──▶ words, each once ──────────────────────────────────────────────────────────────────────────────────────▶ reasons
//! ```
//!
//! A replay knows all rows beforehand, a living service hears of one after the other; what is in force as of a tick is the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use dataflows::clock::Tick;
use dataflows::risk::{Entry, Opinion};
use datasets::arrivals::{Contents, Grouping, Hearing, Hearings, Listing, read_hearings};
use records::{Evidence, Key, Millis, Refusal};
use serde_json::Value;

/// Longer words are cut: reasons are for people.
const WORDS_MAX: usize = 200;

/// What was heard in words, each once: judgements carry its number, and who makes rows of them asks for the words.
#[derive(Debug, Default)]
pub struct Words(RwLock<Told>);

#[derive(Debug, Default)]
struct Told {
    all: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Words {
    /// The words of that number.
    pub fn get(&self, number: u32) -> Option<Arc<str>> {
        self.0.read().expect("no writer panics").all.get(number as usize).cloned()
    }

    fn number(&self, words: &Arc<str>) -> u32 {
        let Told { all, numbers } = &mut *self.0.write().expect("no writer panics");
        *numbers.entry(words.clone()).or_insert_with(|| {
            all.push(words.clone());
            all.len() as u32 - 1
        })
    }
}

/// What is in force of all that is known of recordings.
#[derive(Default)]
pub struct Sounding {
    recordings: HashMap<Key, Recording>,
    touched: BTreeSet<Key>,
    words: Arc<Words>,
}

/// What is known of a recording.
#[derive(Default)]
struct Recording {
    /// Of each source the row that is in force.
    hearings: Vec<Hearing>,
    grouping: Option<Grouping>,
    /// What was told last: what it is heard to be, and which recording it is.
    heard: Option<Opinion>,
    is: Option<Key>,
}

impl Recording {
    /// Detectors that find the same fault are no two faults, so they do not add up. Of equally grave ones the words that sort first are told.
    fn gravest(&self, words: &Words) -> Option<Opinion> {
        let heard = self.hearings.iter().filter_map(|row| Some((row.risk?, Reverse(row.words.as_ref()))));
        let (risk, Reverse(said)) = heard.max()?;
        Some(Opinion { risk, words: said.map(|said| words.number(said)) })
    }
}

impl Sounding {
    /// Nothing is known yet; what is heard gets numbers for its words here.
    pub fn new(words: Arc<Words>) -> Sounding {
        Sounding { words, ..Sounding::default() }
    }

    /// What a source says from now on, unless something later of it is in force. Of what it says at once the gravest holds.
    pub fn hear(&mut self, row: Hearing) {
        let latest = |row: &Hearing| (row.known_at, row.risk, Reverse(row.words.clone()));
        self.touched.insert(row.content);
        let hearings = &mut self.recordings.entry(row.content).or_default().hearings;
        match hearings.iter_mut().find(|known| known.source == row.source) {
            Some(known) if latest(known) >= latest(&row) => {}
            Some(known) => *known = row,
            None => hearings.push(row),
        }
    }

    /// Which group a recording is in from now on, unless something later is in force. Of what is told at once the smallest group holds.
    pub fn group(&mut self, row: Grouping) {
        self.touched.extend([row.content, row.group]);
        let latest = |row: &Grouping| (row.known_at, Reverse(row.id.clone()));
        let grouping = &mut self.recordings.entry(row.content).or_default().grouping;
        if grouping.as_ref().is_none_or(|known| latest(known) < latest(&row)) {
            *grouping = Some(row);
        }
    }

    /// What comes into force by all that was told since.
    pub fn turn(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for content in std::mem::take(&mut self.touched) {
            let recording = self.recordings.entry(content).or_default();
            let heard = recording.gravest(&self.words);
            if std::mem::replace(&mut recording.heard, heard) != heard {
                entries.push(Entry::Heard(content, heard));
            }
            // A recording of which something is told is itself, unless it is in a group.
            let is = recording.grouping.as_ref().map_or(content, |grouping| grouping.group);
            if recording.is.replace(is) != Some(is) {
                entries.push(Entry::Recording(content, is));
            }
        }
        entries
    }
}

/// What was heard, ready to flow.
pub struct Heard {
    hearings: Hearings,
}

/// What was heard, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeardCounts {
    /// Rows of evidence.
    pub rows: u64,
    /// Rows that are not known yet as of the last instant.
    pub unknown_yet: u64,
    /// Recordings that are heard as of the last instant.
    pub recordings: u64,
    /// Tracks of the catalogue that carry one of them.
    pub tracks: u64,
    /// Recordings that are in a group with another as of the last instant.
    pub copies: u64,
    /// Of all rows and words: the same where they are the same.
    pub digest: u64,
}

impl Heard {
    /// Reads the tables of evidence and of duplicates.
    pub fn read(
        evidence: &[PathBuf],
        duplicates: &[PathBuf],
        refusals: &mut Vec<Refusal>,
    ) -> Result<Heard, datasets::Error> {
        Ok(Heard { hearings: read_hearings(evidence, duplicates, in_words, refusals)? })
    }

    /// The recordings that somebody listened to.
    pub fn contents(&self) -> &Contents {
        &self.hearings.contents
    }

    /// Every row.
    pub fn rows(&self) -> &[Hearing] {
        &self.hearings.rows
    }

    /// Every row about groups of copies.
    pub fn groupings(&self) -> &[Grouping] {
        &self.hearings.groupings
    }

    /// Counts what is in force at the end of the ticks; `catalogue` is in the order of its ticks.
    pub fn counts(
        &self,
        ticks: &RangeInclusive<Tick>,
        tick: impl Fn(Millis) -> Tick,
        catalogue: &[(Tick, Listing)],
    ) -> HeardCounts {
        let mut digest = DefaultHasher::new();
        let rows = &self.hearings.rows;
        (rows, &self.hearings.groupings).hash(&mut digest);
        let known: Vec<&Hearing> = rows.iter().filter(|row| tick(row.known_at) <= *ticks.end()).collect();
        let in_force =
            known.chunk_by(|a, b| (a.content, a.source) == (b.content, b.source)).filter_map(|rows| rows.last());
        let heard: HashSet<Key> = in_force.filter(|row| row.risk.is_some()).map(|row| row.content).collect();
        let mut tracks: HashSet<Key> = HashSet::new();
        for (_, row) in catalogue.iter().filter(|(tick, _)| tick <= ticks.end()) {
            match heard.contains(&row.content) {
                true => tracks.insert(row.track),
                false => tracks.remove(&row.track),
            };
        }
        HeardCounts {
            rows: rows.len() as u64,
            unknown_yet: (rows.len() - known.len()) as u64,
            recordings: heard.len() as u64,
            tracks: tracks.len() as u64,
            copies: self.copies(|known_at| tick(known_at) <= *ticks.end()),
            digest: digest.finish(),
        }
    }

    /// Recordings that are in a group with another one.
    fn copies(&self, is_known: impl Fn(Millis) -> bool) -> u64 {
        let groupings = &self.hearings.groupings;
        let mut in_force: HashMap<Key, (Millis, Key)> = HashMap::new();
        for Grouping { content, known_at, group, .. } in groupings.iter().filter(|row| is_known(row.known_at)) {
            let current = in_force.entry(*content).or_insert((*known_at, *group));
            if current.0 < *known_at {
                *current = (*known_at, *group);
            }
        }
        let mut sizes: HashMap<Key, u64> = HashMap::new();
        in_force.values().for_each(|(_, group)| *sizes.entry(*group).or_default() += 1);
        sizes.into_values().filter(|size| *size > 1).sum()
    }

    /// What comes into force, by tick, and the words that its numbers stand for.
    pub fn flow(self, first: Tick, tick: impl Fn(Millis) -> Tick) -> (Vec<(Tick, Entry)>, Arc<Words>) {
        let Hearings { rows, groupings, .. } = self.hearings;
        let from = |known_at: Millis| tick(known_at).max(first);
        let mut by_tick: BTreeMap<Tick, (Vec<Hearing>, Vec<Grouping>)> = BTreeMap::new();
        rows.into_iter().for_each(|row| by_tick.entry(from(row.known_at)).or_default().0.push(row));
        groupings.into_iter().for_each(|row| by_tick.entry(from(row.known_at)).or_default().1.push(row));
        let words: Arc<Words> = Arc::default();
        let mut sounding = Sounding::new(words.clone());
        let mut entries = Vec::new();
        for (tick, (hearings, groupings)) in by_tick {
            hearings.into_iter().for_each(|row| sounding.hear(row));
            groupings.into_iter().for_each(|row| sounding.group(row));
            entries.extend(sounding.turn().into_iter().map(|entry| (tick, entry)));
        }
        (entries, words)
    }
}

/// What a detector heard, as a person would say it: its name and what its details say in words.
pub(crate) fn in_words(row: &Evidence) -> String {
    let details: Value = serde_json::from_str(&row.details).unwrap_or(Value::Null);
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let complaints = |value: &Value| {
        let complaints: Vec<String> = value.as_array()?.iter().filter_map(text).collect();
        (!complaints.is_empty()).then(|| complaints.join(", ").replace('_', " "))
    };
    let seen = text(&details["words"]).or_else(|| text(&details["trace"]["words"]));
    let seen = seen.or_else(|| complaints(&details["complaints"]));
    let said: Vec<String> = [seen, text(&details["tier"])].into_iter().flatten().collect();
    let words = match said.is_empty() {
        true => row.detector.clone(),
        false => format!("{}: {}", row.detector, said.join(", ")),
    };
    words.chars().take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use records::{Confidence, Duplicate, Id, Risk};

    use super::*;

    fn row(detector: &str, details: &str) -> Evidence {
        Evidence {
            content_id: 1.into(),
            detector: detector.to_owned(),
            version: "1".to_owned(),
            risk: Risk::CERTAIN,
            confidence: Confidence::FULL,
            details: details.to_owned(),
            known_at: 0,
            file: None,
        }
    }

    #[test]
    fn details_are_said_in_words() {
        let trace = r#"{"tier": "certain", "trace": {"words": "lines every 86.13 Hz = 44100/512, 40 of 44 raised"}}"#;
        let synthesis = "synthesis: lines every 86.13 Hz = 44100/512, 40 of 44 raised, certain";
        assert_eq!(in_words(&row("synthesis", trace)), synthesis);
        let complaints = r#"{"complaints": ["mostly_silent", "clipped"], "silent_share": 0.9}"#;
        assert_eq!(in_words(&row("sanity", complaints)), "sanity: mostly silent, clipped");
        assert_eq!(
            in_words(&row("theirs", r#"{"words": "a voice of somebody else"}"#)),
            "theirs: a voice of somebody else"
        );
        for nothing in ["{}", "", "not JSON", "[1]", r#"{"words": 7, "complaints": []}"#] {
            assert_eq!(in_words(&row("theirs", nothing)), "theirs");
        }
        assert_eq!(in_words(&row(&"é".repeat(500), "{}")).chars().count(), WORDS_MAX);
    }

    /// What is known from a tick on.
    type Known = (Tick, Result<Hearing, Grouping>);
    /// What recordings are heard to be, in words, and which they are.
    type State = (Vec<(u64, u16, Option<Arc<str>>)>, Vec<(u64, u64)>);

    /// Rows of two sources and of groups, of two recordings, with ties of every kind.
    fn told() -> Vec<Known> {
        let contents = Contents::default();
        let heard = |content: u64, source, known_at, parts: Option<u64>, words: &str| {
            let risk = parts.map(Risk::from_parts);
            let words = risk.filter(|risk| *risk > Risk::CLEAN).map(|_| words.into());
            Ok(Hearing { content: Key(content), source, known_at, risk, words, is_synthesis: false })
        };
        let grouped = |content: u64, group: Option<u64>, known_at| {
            Err(contents.grouping(&Duplicate { content_id: content.into(), group_id: group.map(Id::from), known_at }))
        };
        let rows = vec![
            heard(0, 1, 5, Some(500), "b"),
            heard(0, 1, 5, Some(500), "a"),
            heard(0, 2, 5, Some(500), "c"),
            heard(0, 1, 5, None, ""),
            heard(0, 1, 15, Some(0), ""),
            heard(0, 2, 25, None, ""),
            heard(0, 2, 24, Some(9_000), "d"),
            grouped(0, Some(1), 5),
            grouped(0, Some(2), 5),
            grouped(1, Some(1), 5),
            grouped(0, None, 15),
        ];
        let known_at =
            |row: &Result<Hearing, Grouping>| row.as_ref().map_or_else(|row| row.known_at, |row| row.known_at);
        rows.into_iter().map(|row| (known_at(&row) as Tick / 10, row)).collect()
    }

    /// What is in force after each tick where rows come in this order, each at its tick or later.
    fn in_force(rows: &[Known]) -> BTreeMap<Tick, State> {
        let words: Arc<Words> = Arc::default();
        let mut sounding = Sounding::new(words.clone());
        let (mut heard, mut recordings) = (BTreeMap::new(), BTreeMap::<u64, u64>::new());
        let mut states = BTreeMap::new();
        for tick in 0..4 {
            for (_, row) in rows.iter().filter(|(at, _)| *at == tick) {
                match row.clone() {
                    Ok(row) => sounding.hear(row),
                    Err(row) => sounding.group(row),
                }
            }
            for entry in sounding.turn() {
                match entry {
                    Entry::Heard(content, opinion) => _ = heard.insert(content, opinion),
                    Entry::Recording(content, is) => _ = recordings.insert(content.0, is.0),
                    other => panic!("{other:?}"),
                }
            }
            let said = |(content, opinion): (&Key, &Option<Opinion>)| {
                let opinion = (*opinion)?;
                Some((content.0, opinion.risk.parts(), opinion.words.and_then(|number| words.get(number))))
            };
            states.insert(tick, (heard.iter().filter_map(said).collect(), recordings.clone().into_iter().collect()));
        }
        states
    }

    #[test]
    fn what_is_in_force_follows_from_what_is_known_and_not_from_its_order() {
        let rows = told();
        let found = in_force(&rows);
        let words = |words: &str| -> Option<Arc<str>> { Some(words.into()) };
        assert_eq!(found[&0], (vec![(0, 500, words("a"))], vec![(0, 1), (1, 1), (2, 2)]));
        assert_eq!(found[&1], (vec![(0, 500, words("c"))], vec![(0, 0), (1, 1), (2, 2)]));
        assert_eq!(found[&2], (vec![(0, 0, None)], vec![(0, 0), (1, 1), (2, 2)]));
        for turned in 0..rows.len() {
            let mut other = rows.clone();
            other.rotate_left(turned);
            assert_eq!(in_force(&other), found);
            other.reverse();
            assert_eq!(in_force(&other), found);
            // One that comes late is in force from then on, or never where something later is.
            let mut late = rows.clone();
            late[turned].0 = 3;
            assert_eq!(in_force(&late)[&3], found[&3], "{turned}");
        }
    }
}
