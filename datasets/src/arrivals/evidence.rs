//! Reads what was heard of recordings, and numbers the recordings that somebody listened to.
//!
//! ```text
//! evidence rows  ──▶ by recording, source (detector and file), instant ──▶ hearings ──┬──▶ a number for each recording
//! duplicate rows ──▶ by recording, instant ──▶ groups ────────────────────────────────┘
//! ```

use std::path::PathBuf;

use hashbrown::HashMap;
use records::listening::Listener;
use records::{Confidence, Duplicate, Evidence, Id, Key, Millis, Refusal, Risk};

use crate::Error;
use crate::names::play_id_of;
use crate::tables::{read_duplicates, read_evidence};

/// The recordings that something is told of, by number: the same in every process that reads the same rows.
#[derive(Clone, Debug, Default)]
pub struct Contents(HashMap<Id, Key>);

impl Contents {
    /// The number of the recording; [`Key::NONE`] where nothing is told of it.
    pub fn key(&self, content_id: &Id) -> Key {
        match self.0.is_empty() {
            true => Key::NONE,
            false => self.0.get(&plain(content_id)).copied().unwrap_or(Key::NONE),
        }
    }
}

impl Contents {
    /// How many they are; their numbers are those below.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether nothing is told of any recording.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of the recording, a new one where it has none.
    fn number(&mut self, id: Id) -> Key {
        let next = Key(self.0.len() as u64);
        *self.0.entry(id).or_insert(next)
    }

    /// Numbers what is told of groups, in an order that does not depend on that of the rows.
    fn grouped(&mut self, mut rows: Vec<Duplicate>) -> Vec<Grouping> {
        rows.iter_mut().for_each(|row| row.content_id = plain(&row.content_id));
        rows.sort_unstable();
        let grouping = |row: Duplicate| {
            let content = self.number(row.content_id);
            let group = row.group_id.map_or(content, |group| self.number(plain(&group)));
            Grouping { content, known_at: row.known_at, group }
        };
        let mut groupings: Vec<Grouping> = rows.into_iter().map(grouping).collect();
        groupings.sort_unstable();
        groupings
    }
}

/// What one source, a detector that listened to a file, says of a recording from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// The recording.
    pub content: Key,
    /// The source: a number of its own for each source of each recording.
    pub source: u32,
    /// From when on it is known; [`Millis::MIN`] = always.
    pub known_at: Millis,
    /// Whether it is the detector of synthesis, which tells machines from people.
    pub is_synthesis: bool,
    /// How sure it is that something is wrong; `None` = it could not hear anything.
    pub risk: Option<Risk>,
    /// What it heard, by the place in [`Hearings::words`]; `None` where nothing is wrong.
    pub words: Option<u32>,
}

/// In which group of near-duplicates a recording is from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grouping {
    /// The recording.
    pub content: Key,
    /// From when on it is known; [`Millis::MIN`] = always.
    pub known_at: Millis,
    /// The recording that the group is called by; itself where it is in none.
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
    /// What was heard in words, each once.
    pub words: Vec<String>,
}

/// A row with all that orders it.
type Row = (Id, u128, Millis, Option<Risk>, Option<Box<str>>, bool);

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
    let mut rows: Vec<Row> = Vec::new();
    let keep = |row: Evidence| {
        let risk = (row.confidence > Confidence::NONE).then_some(row.risk);
        let words = risk.filter(|risk| *risk > Risk::CLEAN).map(|_| in_words(&row).into_boxed_str());
        // A file has no name with a zero byte in it.
        let source = play_id_of(&format!("{}\0{}", row.detector, row.file.as_deref().unwrap_or("\0")));
        let is_synthesis = row.detector == Listener::Synthesis.name();
        rows.push((plain(&row.content_id), source, row.known_at, risk, words, is_synthesis));
    };
    read_evidence(evidence, keep, refusals)?;
    rows.sort_unstable();
    let mut hearings = numbered(rows);
    let mut copies: Vec<Duplicate> = Vec::new();
    read_duplicates(duplicates, |row| copies.push(row), refusals)?;
    hearings.groupings = hearings.contents.grouped(copies);
    Ok(hearings)
}

/// Numbers recordings, sources and words in the order of the rows.
fn numbered(rows: Vec<Row>) -> Hearings {
    let mut hearings = Hearings { rows: Vec::with_capacity(rows.len()), ..Hearings::default() };
    let mut known: HashMap<Box<str>, u32> = HashMap::new();
    let (mut last, mut source) = (None, 0);
    for (id, heard_by, known_at, risk, words, is_synthesis) in rows {
        let content = hearings.contents.number(id);
        source += u32::from(last.is_some_and(|last| last != (content, heard_by)));
        last = Some((content, heard_by));
        let words = words.map(|words| {
            *known.entry(words).or_insert_with_key(|words| {
                hearings.words.push(words.to_string());
                hearings.words.len() as u32 - 1
            })
        });
        hearings.rows.push(Hearing { content, source, known_at, is_synthesis, risk, words });
    }
    hearings
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
    fn recordings_sources_and_words_are_numbered_in_order() {
        let row = |id: &str, source, known_at, risk: Option<u64>, words: Option<&str>| {
            (plain(&Id::from(id)), source, known_at, risk.map(Risk::from_parts), words.map(Box::from), false)
        };
        let hearings = numbered(vec![
            row("7", 1, 10, Some(500), Some("clipped")),
            row("7", 1, 20, None, None),
            row("7", 2, 10, Some(0), None),
            row("x", 2, 10, Some(500), Some("clipped")),
        ]);
        let found: Vec<_> = hearings.rows.iter().map(|row| (row.content.0, row.source, row.words)).collect();
        assert_eq!(found, [(0, 0, Some(0)), (0, 0, None), (0, 1, None), (1, 2, Some(0))]);
        assert_eq!(hearings.words, ["clipped"]);
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
        let numbered = |rows: Vec<Duplicate>| {
            let mut contents = Contents::default();
            contents.number(7.into());
            let groupings = contents.grouped(rows);
            let told = |grouping: &Grouping| (grouping.content.0, grouping.known_at, grouping.group.0);
            groupings.iter().map(told).collect::<Vec<_>>()
        };
        let expected = [(0, 5, 1), (0, 9, 0), (1, 1, 1), (2, 2, 0)];
        assert_eq!(numbered(rows.clone()), expected);
        assert_eq!(numbered(rows.into_iter().rev().collect()), expected);
    }
}
