//! What one entry of the log says: which rows came from where, which were refused, and how far time is.

use std::collections::BTreeMap;

use records::{Code, Millis};
use serde::{Deserialize, Serialize};

/// The tables that rows may come for.
pub const TABLES: [&str; 11] = [
    "plays",
    "corrections",
    "tracks",
    "accounts",
    "distributors",
    "networks",
    "playlists",
    "labels",
    "rulings",
    "evidence",
    "duplicate_group",
];

/// One entry: durable as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Who sent it and its number there; a number that is not above the source's last one was taken before.
    pub source: Option<(String, u64)>,
    /// All that arrived before this instant is in the log by now.
    pub until: Option<Millis>,
    /// The rows, if it brings some.
    pub rows: Option<Rows>,
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// One of [`TABLES`].
    pub table: &'static str,
    /// Rows that could not become columns.
    pub refused: Vec<Unread>,
    /// The others as an Arrow IPC stream, which may be empty.
    pub columns: Vec<u8>,
}

/// A row that could not become part of the columns, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Its place in what was sent, from 0.
    pub row: u64,
    /// Why, as a word that can be counted.
    pub code: Code,
    /// Why, in a sentence with the values seen.
    pub reason: String,
    /// The row as it stood, so that it can be mended and sent again; at most 64 KiB of it.
    pub raw: String,
}

/// The last number of each source.
pub type Offsets = BTreeMap<String, u64>;

const HAS_SOURCE: u8 = 1;
const HAS_UNTIL: u8 = 2;
const HAS_ROWS: u8 = 4;

impl Entry {
    /// The entry as the body of a frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Entry { source, until, rows } = self;
        let has = |holds: bool, bit: u8| if holds { bit } else { 0 };
        let mut bytes =
            vec![has(source.is_some(), HAS_SOURCE) | has(until.is_some(), HAS_UNTIL) | has(rows.is_some(), HAS_ROWS)];
        if let Some((name, offset)) = source {
            put_bytes(name.as_bytes(), &mut bytes);
            bytes.extend(offset.to_le_bytes());
        }
        if let Some(until) = until {
            bytes.extend(until.to_le_bytes());
        }
        if let Some(Rows { table, refused, columns }) = rows {
            put_bytes(table.as_bytes(), &mut bytes);
            let refused = serde_json::to_vec(refused).expect("texts and numbers are JSON");
            put_bytes(&refused, &mut bytes);
            bytes.extend(columns);
        }
        bytes
    }

    /// The entry that the body of a frame is; `None` when it is none.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Entry> {
        let has = *bytes.split_off_first()?;
        if has > HAS_SOURCE | HAS_UNTIL | HAS_ROWS {
            return None;
        }
        let mut entry = Entry::default();
        if has & HAS_SOURCE != 0 {
            let name = String::from_utf8(take_bytes(&mut bytes)?.to_vec()).ok()?;
            entry.source = Some((name, u64::from_le_bytes(bytes.split_off(..8)?.try_into().ok()?)));
        }
        if has & HAS_UNTIL != 0 {
            entry.until = Some(Millis::from_le_bytes(bytes.split_off(..8)?.try_into().ok()?));
        }
        if has & HAS_ROWS != 0 {
            let name = take_bytes(&mut bytes)?;
            let table = *TABLES.iter().find(|table| table.as_bytes() == name)?;
            let refused = serde_json::from_slice(take_bytes(&mut bytes)?).ok()?;
            entry.rows = Some(Rows { table, refused, columns: std::mem::take(&mut bytes).to_vec() });
        }
        bytes.is_empty().then_some(entry)
    }

    /// Whether the source had sent it before, or a later one.
    pub fn is_known(&self, offsets: &Offsets) -> bool {
        self.source.as_ref().is_some_and(|(name, offset)| offsets.get(name).is_some_and(|last| offset <= last))
    }

    /// Remembers it as the last of its source.
    pub fn note(&self, offsets: &mut Offsets) {
        if let Some((name, offset)) = &self.source {
            match offsets.get_mut(name) {
                Some(last) => *last = *offset,
                None => {
                    offsets.insert(name.clone(), *offset);
                }
            }
        }
    }
}

fn put_bytes(text: &[u8], to: &mut Vec<u8>) {
    to.extend((text.len() as u32).to_le_bytes());
    to.extend(text);
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(from.split_off(..4)?.try_into().ok()?);
    from.split_off(..length as usize)
}
