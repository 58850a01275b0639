//! Reads what was heard of recordings, and numbers the recordings that somebody listened to.
//!
//! ```text
//! evidence rows  ──▶ by recording, source (detector and file), instant ──▶ hearings ──┬──▶ a number for each recording
//! duplicate rows ──▶ by recording, instant ──▶ groups ────────────────────────────────┘
//! ```

use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use hashbrown::{HashMap, HashSet};
use records::listening::Listener;
use records::{Confidence, Duplicate, Evidence, Id, Key, Millis, Refusal, Risk};

use crate::Error;
use crate::names::play_id_of;
use crate::tables::{read_duplicates, read_evidence};

/// Recordings by number. Where all rows are known beforehand only those have one that something is told of, the same in every process
/// that reads the same rows; in a living service all that anybody names, in the order of the log.
#[derive(Debug, Default)]
pub struct Contents(RwLock<HashMap<Id, Key>>);

impl Contents {
    /// The number of the recording; [`Key::NONE`] where it has none.
    pub fn key(&self, content_id: &Id) -> Key {
        let numbers = self.0.read().expect("no writer panics");
        match numbers.is_empty() {
            true => Key::NONE,
            false => numbers.get(&plain(content_id)).copied().unwrap_or(Key::NONE),
        }
    }

    /// How many they are; their numbers are those below.
    pub fn len(&self) -> u64 {
        self.0.read().expect("no writer panics").len() as u64
    }

    /// Whether nothing is told of any recording.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the recording, a new one where it has none.
    pub fn number(&self, content_id: &Id) -> Key {
        let mut numbers = self.0.write().expect("no writer panics");
        let next = Key(numbers.len() as u64);
        *numbers.entry(plain(content_id)).or_insert(next)
    }

    /// What is told of a group, by numbers.
    pub fn grouping(&self, row: &Duplicate) -> Grouping {
        let id = plain(row.group_id.as_ref().unwrap_or(&row.content_id));
        let content = self.number(&row.content_id);
        Grouping { content, known_at: row.known_at, group: self.number(&id), id }
    }

    /// What is heard, by numbers, where something is wrong in these words.
    pub fn hearing(&self, row: &Evidence, in_words: impl Fn(&Evidence) -> String) -> Hearing {
        Hearing { content: self.number(&row.content_id), ..Hearing::of(row, |row| in_words(row).into()) }
    }
}

/// What one source, a detector that listened to a file, says of a recording from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hearing {
    /// The recording.
    pub content: Key,
    /// The source, as a hash of its names.
    pub source: u128,
    /// From when on it is known; [`Millis::MIN`] = always.
    pub known_at: Millis,
    /// How sure it is that something is wrong; `None` = it could not hear anything.
    pub risk: Option<Risk>,
    /// What it heard in words; `None` where nothing is wrong.
    pub words: Option<Arc<str>>,
    /// Whether it is the detector of synthesis, which tells machines from people.
    pub is_synthesis: bool,
}

impl Hearing {
    /// Of a recording without a number yet.
    fn of(row: &Evidence, mut in_words: impl FnMut(&Evidence) -> Arc<str>) -> Hearing {
        let risk = (row.confidence > Confidence::NONE).then_some(row.risk);
        Hearing {
            content: Key::NONE,
            // A file has no name with a zero byte in it.
            source: play_id_of(&format!("{}\0{}", row.detector, row.file.as_deref().unwrap_or("\0"))),
            known_at: row.known_at,
            risk,
            words: risk.filter(|risk| *risk > Risk::CLEAN).map(|_| in_words(row)),
            is_synthesis: row.detector == Listener::Synthesis.name(),
        }
    }
}

/// In which group of near-duplicates a recording is from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grouping {
    /// The recording.
    pub content: Key,
    /// From when on it is known; [`Millis::MIN`] = always.
    pub known_at: Millis,
    /// What the group is called; as the recording itself where it is in none.
    pub id: Id,
    /// The recording of that name.
    pub group: Key,
}

/// All that was heard.
#[derive(Debug, Default)]
pub struct Hearings {
    /// Every row, by recording and source; of one source by instant.
    pub rows: Vec<Hearing>,
    /// Every row about groups, by recording, then instant.
    pub groupings: Vec<Grouping>,
    /// The recordings.
    pub contents: Contents,
}

/// Reads the tables of evidence and of duplicates; `in_words` says what was heard where something is wrong.
///
/// # Errors
/// When a file cannot be read, lacks a required column or holds other types than it should.
pub fn read_hearings(
    evidence: &[PathBuf],
    duplicates: &[PathBuf],
    in_words: impl Fn(&Evidence) -> String,
    refusals: &mut Vec<Refusal>,
) -> Result<Hearings, Error> {
    let mut rows: Vec<(Id, Hearing)> = Vec::new();
    let mut known: HashSet<Arc<str>> = HashSet::new();
    // Much of what is heard is heard often.
    let mut once = |row: &Evidence| {
        let words: Arc<str> = in_words(row).into();
        known.get_or_insert(words).clone()
    };
    let keep = |row: Evidence| rows.push((plain(&row.content_id), Hearing::of(&row, &mut once)));
    read_evidence(evidence, keep, refusals)?;
    let mut copies: Vec<Duplicate> = Vec::new();
    read_duplicates(duplicates, |row| copies.push(row), refusals)?;
    Ok(numbered(rows, copies))
}

/// Numbers recordings in an order that does not depend on that of the rows.
fn numbered(mut rows: Vec<(Id, Hearing)>, mut copies: Vec<Duplicate>) -> Hearings {
    let contents = Contents::default();
    rows.sort_unstable();
    let rows = rows.into_iter().map(|(id, row)| Hearing { content: contents.number(&id), ..row }).collect();
    copies.iter_mut().for_each(|row| row.content_id = plain(&row.content_id));
    copies.sort_unstable();
    let mut groupings: Vec<Grouping> = copies.iter().map(|row| contents.grouping(row)).collect();
    groupings.sort_unstable();
    Hearings { rows, groupings, contents }
}

/// The id under which a recording is looked up: 7 and "7" are one, as in all tables where numbers meet texts.
fn plain(id: &Id) -> Id {
    match id {
        Id::Text(text) => match text.parse::<u64>() {
            Ok(number) if number.to_string() == **text => Id::Number(number),
            _ => id.clone(),
        },
        Id::Number(_) => id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_numbered_in_an_order_that_is_not_that_of_the_rows() {
        let row = |id: &str, source, known_at, words: Option<&str>| {
            let risk = words.map(|_| Risk::from_parts(500));
            let words = words.map(Arc::from);
            (plain(&Id::from(id)), Hearing { content: Key::NONE, source, known_at, risk, words, is_synthesis: false })
        };
        let told = vec![row("x", 2, 10, Some("clipped")), row("7", 2, 10, None), row("7", 1, 20, None)];
        let told = [told, vec![row("7", 1, 10, Some("clipped"))]].concat();
        let found = |hearings: &Hearings| -> Vec<_> {
            hearings.rows.iter().map(|row| (row.content.0, row.source, row.known_at, row.words.clone())).collect()
        };
        let hearings = numbered(told.clone(), Vec::new());
        let clipped: Option<Arc<str>> = Some("clipped".into());
        let expected = [(0, 1, 10, clipped.clone()), (0, 1, 20, None), (0, 2, 10, None), (1, 2, 10, clipped)];
        assert_eq!(found(&hearings), expected);
        assert_eq!(found(&numbered(told.into_iter().rev().collect(), Vec::new())), expected);
        let key = |id: Id| hearings.contents.key(&id);
        assert_eq!([key(7.into()), key("7".into()), key("x".into())], [Key(0), Key(0), Key(1)]);
        assert_eq!([key("07".into()), key(8.into())], [Key::NONE, Key::NONE]);
    }

    #[test]
    fn groups_have_the_numbers_of_their_recordings_whatever_the_order_of_the_rows() {
        let row = |content: &str, group: Option<&str>, known_at| Duplicate {
            content_id: content.into(),
            group_id: group.map(Id::from),
            known_at,
        };
        let rows = vec![row("7", Some("a"), 5), row("a", Some("a"), 1), row("7", None, 9), row("b", Some("7"), 2)];
        let told = |rows: Vec<Duplicate>| {
            let told = |grouping: &Grouping| (grouping.content.0, grouping.known_at, grouping.group.0);
            numbered(Vec::new(), rows).groupings.iter().map(told).collect::<Vec<_>>()
        };
        let expected = [(0, 5, 1), (0, 9, 0), (1, 1, 1), (2, 2, 0)];
        assert_eq!(told(rows.clone()), expected);
        assert_eq!(told(rows.into_iter().rev().collect()), expected);
    }
}
