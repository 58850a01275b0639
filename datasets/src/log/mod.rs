//! The durable log: what was accepted is in it before anybody is told so, in one order for ever.
//!
//! ```text
//! entries ──▶ append … append ──▶ commit (one write, one sync) ──▶ acknowledged ──▶ Reader ──▶ whoever follows
//!                                   └──▶ segment full: sealed, its BLAKE3 in the manifest, the next one begun
//! ```
//!
//! Files of the folder: `<number of its first entry>.log` are segments, `<number>-1.log` is one from which was taken what
//! nobody needs any more, `manifest.json` lists the sealed ones, `durable` is a hint how far the last segment was durable,
//! `lock` is held by the one writer.
//!
//! What a crash tears off the end was never acknowledged, and is cut off. Everything else that cannot be read was
//! damaged: it is named by file and byte, and never skipped.

mod check;
mod disk;
mod entry;
mod frame;
mod manifest;
mod reader;
mod retention;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
mod writer;

pub use check::{Findings, check, copy};
pub use disk::{Disk, Folder};
pub use entry::{Entry, Offsets, Rows, TABLES, Unread};
pub use frame::{BODY_MAX, FORMAT};
pub use manifest::{MANIFEST, Manifest, Sealed};
pub use reader::{Reader, entries_of};
pub use retention::{erased, squeezed};
pub use writer::{Durable, Log, SEGMENT_BYTES, Taken};

/// What can go wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes that were durable are not what was written.
    #[error(
        "{file}: damaged at byte {offset}: {what}; `truestream fsck` lists all damage, `truestream restore` brings a backup in"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What was found.
        what: String,
    },
    /// Another version of the program wrote it.
    #[error("{file}: format {found} was written by another version of this program, which reads format {FORMAT}")]
    Version {
        /// The file.
        file: String,
        /// The format found.
        found: u32,
    },
    /// The disk failed in a way after which nobody knows what is durable, until the log is opened anew.
    #[error("the log takes nothing any more since the disk failed ({0}); start again")]
    Stopped(String),
    /// An entry that cannot be written.
    #[error("an entry of {bytes} bytes; at most {BODY_MAX} are taken at once: send less")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl LogError {
    /// Whether the disk was full: the log goes on as soon as there is room.
    pub fn is_full(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
    }
}

/// An error of the system about the file.
fn io(file: &str, source: std::io::Error) -> LogError {
    LogError::Io { file: file.to_owned(), source }
}

/// The name of the segment whose first entry has this number.
fn segment_name(first: u64) -> String {
    format!("{first:020}.log")
}

/// What was taken out of a sealed segment: whether what is not needed was, and how many times what was to be erased.
type Form = (bool, u32);

/// The name of that segment in this form.
fn name_in_form(first: u64, form: Form) -> String {
    match form {
        (false, 0) => segment_name(first),
        (true, 0) => format!("{first:020}-1.log"),
        (is_squeezed, erased) => format!("{first:020}-{}-{erased}.log", u8::from(is_squeezed)),
    }
}

/// The number of the first entry of the segment of this name, and its form; `None` when it is no segment.
fn segment_of(name: &str) -> Option<(u64, Form)> {
    let mut parts = name.strip_suffix(".log")?.split('-');
    let first = parts.next().filter(|digits| digits.len() == 20)?.parse().ok()?;
    let is_squeezed = parts.next().map_or(Some(false), |digit| ["0", "1"].contains(&digit).then_some(digit == "1"))?;
    let erased = parts.next().map_or(Some(0), |digits| digits.parse().ok())?;
    let form = (is_squeezed, erased);
    (parts.next().is_none() && name_in_form(first, form) == name).then_some((first, form))
}
