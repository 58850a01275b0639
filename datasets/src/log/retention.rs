//! Makes room: rows that will never count again leave the sealed segments.
//!
//! ```text
//! sealed segment ──▶ rows still needed? ──▶ a smaller file beside it ──▶ Log::replace: the manifest has the smaller one,
//!                                                                        and the other goes
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
    let name = sealed.name();
    let old = read_whole(disk, &name)?;
    if blake3::hash(&old).to_hex().as_str() != sealed.blake3 {
        let what = "its hash is not the one in the manifest".to_owned();
        return Err(LogError::Damaged { file: name, offset: 0, what });
    }
    let mut entries = Vec::new();
    let mut at = SEGMENT_HEAD;
    while let Some(frame) = old.get(at..).and_then(frame::read) {
        let entry = Entry::from_bytes(frame.body).ok_or_else(|| no_entry(&name, at as u64))?;
        at += frame.bytes();
        entries.push((frame.number, frame.vouched, needed(entry, &is_needed)));
    }
    // Of several that say how far time is the last one says it all.
    let told = entries.iter().rposition(|(_, _, entry)| entry.until.is_some());
    let mut bytes = frame::segment_head(sealed.first).to_vec();
    for (place, (number, vouched, entry)) in entries.iter_mut().enumerate() {
        if Some(place) != told {
            entry.until = None;
        }
        if *number == sealed.last || *entry != Entry::default() {
            frame::write(*number, *vouched, &entry.to_bytes(), &mut bytes);
        }
    }
    let blake3 = blake3::hash(&bytes).to_hex().to_string();
    let squeezed = Sealed { bytes: bytes.len() as u64, blake3, is_squeezed: true, ..sealed.clone() };
    let name = squeezed.name();
    let written = || {
        // A crash may have left some of one.
        if disk.len(&name)?.is_some() {
            disk.remove(&name)?;
        }
        disk.write_at(&name, 0, &bytes)?;
        disk.sync(&name)?;
        disk.sync_names()
    };
    written().map_err(|error| io(&name, error))?;
    Ok(squeezed)
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
