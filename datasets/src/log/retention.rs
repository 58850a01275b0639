//! Makes room, and erases: rows that will never count again, or must be forgotten, leave the sealed segments.
//!
//! ```text
//! sealed segment ──▶ rows still needed, or to be erased? ──▶ a smaller file beside it ──▶ Log::replace: the manifest has the smaller one,
//!                                                                                         and the other goes
//! ```
//!
//! Entries keep their numbers, so there are gaps; the last entry of a segment stays, if as nothing but its number. What could
//! not be read stays, until somebody mends it. A crash leaves both files: the manifest says which of them counts.

use super::disk::Disk;
use super::entry::{Entry, Rows};
use super::frame::{self, SEGMENT_HEAD};
use super::manifest::Sealed;
use super::writer::{no_entry, read_whole};
use super::{LogError, io};

/// Writes what is still needed of a sealed segment to a file of its own, durable when this returns.
///
/// # Errors
/// When the segment is damaged, or the disk fails.
pub fn squeezed(disk: &dyn Disk, sealed: &Sealed, is_needed: impl Fn(&Rows) -> bool) -> Result<Sealed, LogError> {
    let mut entries = entries_of(disk, sealed)?;
    entries.iter_mut().for_each(|(_, _, entry)| *entry = needed(std::mem::take(entry), &is_needed));
    // Of several that say how far time is the last one says it all.
    let told = entries.iter().rposition(|(_, _, entry)| entry.until.is_some());
    entries
        .iter_mut()
        .enumerate()
        .filter(|(place, _)| Some(*place) != told)
        .for_each(|(_, (_, _, entry))| entry.until = None);
    entries.retain(|(number, _, entry)| *number == sealed.last || *entry != Entry::default());
    written(disk, &entries, Sealed { is_squeezed: true, ..sealed.clone() })
}

/// Writes a sealed segment to a file of its own without rows that are to be erased, durable when this returns; `None` where nothing is.
/// `erase` takes them out, and says whether there were some.
///
/// # Errors
/// When the segment is damaged, or the disk fails.
pub fn erased(
    disk: &dyn Disk,
    sealed: &Sealed,
    mut erase: impl FnMut(&mut Rows) -> bool,
) -> Result<Option<Sealed>, LogError> {
    let mut entries = entries_of(disk, sealed)?;
    let mut found = false;
    // Out of all of them.
    for rows in entries.iter_mut().filter_map(|(_, _, entry)| entry.rows.as_mut()) {
        found |= erase(rows);
    }
    match found {
        true => written(disk, &entries, Sealed { erased: sealed.erased + 1, ..sealed.clone() }).map(Some),
        false => Ok(None),
    }
}

/// An entry, with its number and what its frame vouches for.
type Numbered = (u64, u64, Entry);

fn entries_of(disk: &dyn Disk, sealed: &Sealed) -> Result<Vec<Numbered>, LogError> {
    let name = sealed.name();
    let bytes = read_whole(disk, &name)?;
    if blake3::hash(&bytes).to_hex().as_str() != sealed.blake3 {
        let what = "its hash is not the one in the manifest".to_owned();
        return Err(LogError::Damaged { file: name, offset: 0, what });
    }
    let mut entries = Vec::new();
    let mut at = SEGMENT_HEAD;
    while let Some(frame) = bytes.get(at..).and_then(frame::read) {
        let entry = Entry::from_bytes(frame.body).ok_or_else(|| no_entry(&name, at as u64))?;
        at += frame.bytes();
        entries.push((frame.number, frame.vouched, entry));
    }
    Ok(entries)
}

/// Writes a segment in another form; with its length and hash.
fn written(disk: &dyn Disk, entries: &[Numbered], sealed: Sealed) -> Result<Sealed, LogError> {
    let mut bytes = frame::segment_head(sealed.first).to_vec();
    entries.iter().for_each(|(number, vouched, entry)| frame::write(*number, *vouched, &entry.to_bytes(), &mut bytes));
    let blake3 = blake3::hash(&bytes).to_hex().to_string();
    let sealed = Sealed { bytes: bytes.len() as u64, blake3, ..sealed };
    let name = sealed.name();
    let write = || {
        // A crash may have left some of one.
        if disk.len(&name)?.is_some() {
            disk.remove(&name)?;
        }
        disk.write_at(&name, 0, &bytes)?;
        disk.sync(&name)?;
        disk.sync_names()
    };
    write().map_err(|error| io(&name, error))?;
    Ok(sealed)
}

/// What of the entry is still needed. Which numbers of its source were taken is in the manifest.
fn needed(entry: Entry, is_needed: impl Fn(&Rows) -> bool) -> Entry {
    match entry.rows {
        Some(rows) if !is_needed(&rows) => {
            let Rows { table, refused, .. } = rows;
            let unread = (!refused.is_empty()).then_some(Rows { table, refused, columns: Vec::new() });
            Entry { source: None, until: entry.until, rows: unread }
        }
        Some(_) => entry,
        None => Entry { source: None, ..entry },
    }
}
