//! The list of sealed segments, replaced as a whole whenever one more is sealed.
//!
//! ```text
//! BLAKE3 of what follows, in hexadecimal, and a line feed │ JSON
//! ```

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::entry::Offsets;
use super::frame::FORMAT;
use super::{Form, LogError, io, name_in_form};

/// Its name in the folder.
pub const MANIFEST: &str = "manifest.json";
/// Its name while it is written.
const MANIFEST_PART: &str = "manifest.json.part";
/// Hexadecimal digits of the hash and the line feed.
const HEAD: usize = 65;

/// What is known of the sealed segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The sealed segments in their order.
    pub segments: Vec<Sealed>,
    /// The last number of each source in them.
    pub offsets: Offsets,
}

/// A segment to which nothing is added any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The number of its first entry.
    pub first: u64,
    /// The number of its last entry.
    pub last: u64,
    /// How long it is.
    pub bytes: u64,
    /// The hash of all of it, in hexadecimal.
    pub blake3: String,
    /// Whether entries were taken from it; the numbers of the others stayed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_squeezed: bool,
    /// How many times rows were erased from it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub erased: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_none(times: &u32) -> bool {
    *times == 0
}

impl Sealed {
    /// Whether an entry of this number may come where `next` is the least that may.
    pub(super) fn follows(&self, number: u64, next: u64) -> bool {
        number == next || (self.is_squeezed && number > next && number <= self.last)
    }

    /// The name of its file.
    pub(super) fn name(&self) -> String {
        name_in_form(self.first, self.form())
    }

    /// What was taken out of it.
    pub(super) fn form(&self) -> Form {
        (self.is_squeezed, self.erased)
    }
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest { format: FORMAT, segments: Vec::new(), offsets: Offsets::new() }
    }
}

impl Manifest {
    /// Reads it; one that is not there says that nothing is sealed yet.
    ///
    /// # Errors
    /// When it is damaged, or cannot be read.
    pub fn read(disk: &dyn Disk) -> Result<Manifest, LogError> {
        let Some(length) = disk.len(MANIFEST).map_err(|error| io(MANIFEST, error))? else {
            return Ok(Manifest::default());
        };
        let mut bytes = vec![0; length as usize];
        let read = disk.read_at(MANIFEST, 0, &mut bytes).map_err(|error| io(MANIFEST, error))?;
        bytes.truncate(read);
        let damaged =
            |offset, what: &str| LogError::Damaged { file: MANIFEST.to_owned(), offset, what: what.to_owned() };
        let (head, text) = bytes.split_at_checked(HEAD).ok_or_else(|| damaged(0, "it is too short"))?;
        if head != head_of(text) {
            return Err(damaged(0, "its hash is not that of its text"));
        }
        let format = serde_json::from_slice::<serde_json::Value>(text).ok().and_then(|json| json["format"].as_u64());
        if let Some(found) = format.filter(|format| *format != u64::from(FORMAT)) {
            return Err(LogError::Version { file: MANIFEST.to_owned(), found: found as u32 });
        }
        serde_json::from_slice(text).map_err(|error| damaged(HEAD as u64, &error.to_string()))
    }

    /// Replaces it; durable when this returns.
    ///
    /// # Errors
    /// When the disk does not take it; then the old one, or this one, is there.
    pub fn write(&self, disk: &dyn Disk) -> Result<(), LogError> {
        let text = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON");
        let mut bytes = head_of(&text);
        bytes.extend(text);
        let written = || {
            if disk.len(MANIFEST_PART)?.is_some() {
                disk.remove(MANIFEST_PART)?;
            }
            disk.write_at(MANIFEST_PART, 0, &bytes)?;
            disk.sync(MANIFEST_PART)?;
            disk.rename(MANIFEST_PART, MANIFEST)?;
            disk.sync_names()
        };
        written().map_err(|error| io(MANIFEST, error))
    }
}

fn head_of(text: &[u8]) -> Vec<u8> {
    format!("{}\n", blake3::hash(text).to_hex()).into_bytes()
}
