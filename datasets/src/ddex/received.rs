//! When a message arrived, by the platform's own clock: what its sender says of time decides nothing about the sender.
//!
//! ```text
//! an earlier import's receipt of the same bytes ──else──▶ what the operator says ──▶ received, the earliest of equal bytes
//! ```

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use records::Millis;

use super::xml::Limits;
use crate::Error;
use crate::tables::rows::{Rows, Value, columns};

/// How it is known when messages arrived that no earlier import has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Received {
    /// It is not: what the sender says of time is believed.
    #[default]
    Sent,
    /// All of them at this instant.
    At(Millis),
    /// When their files became what they are, by the clock of the machine they lie on. A copy is a new file, so this is never too early.
    File,
}

impl Received {
    /// When the file arrived; `None` where nobody knows.
    pub fn of(self, path: &Path) -> Option<Millis> {
        match self {
            Received::Sent => None,
            Received::At(at) => Some(at),
            Received::File => std::fs::metadata(path).ok().as_ref().and_then(changed),
        }
    }
}

/// The time of a file that its owner cannot set: `touch` and archives set the other one.
#[cfg(unix)]
fn changed(file: &std::fs::Metadata) -> Option<Millis> {
    use std::os::unix::fs::MetadataExt;
    Some(file.ctime() * 1_000 + file.ctime_nsec() / 1_000_000)
}

#[cfg(not(unix))]
fn changed(file: &std::fs::Metadata) -> Option<Millis> {
    let since = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Millis::try_from(since.as_millis()).ok()
}

/// The hash of a message's bytes; `None` where they cannot be read or are too many to be one.
pub(super) fn hash(path: &Path, limits: Limits) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = std::fs::File::open(path).ok()?.take(limits.bytes + 1);
    let read = std::io::copy(&mut bytes, &mut hasher).ok()?;
    (read <= limits.bytes).then(|| hasher.finalize().to_hex().to_string())
}

/// When messages were received, by the hash of their bytes: of equal bytes the earliest time counts.
pub(super) struct Receipts {
    /// As an earlier import into the folder has it.
    earlier: HashMap<String, Millis>,
    /// As this one finds it.
    now: HashMap<String, Millis>,
}

impl Receipts {
    /// Those of the folder; none where nothing was imported.
    pub(super) fn read(out: &Path) -> Result<Receipts, Error> {
        let path = out.join("messages.parquet");
        let mut receipts = Receipts { earlier: HashMap::new(), now: HashMap::new() };
        let wanted = ["hash", "received_at"];
        if !path.is_file() {
            return Ok(receipts);
        }
        let there = columns(&path)?;
        if !wanted.iter().all(|name| there.iter().any(|column| column.name == *name)) {
            return Ok(receipts);
        }
        let mut rows = Rows::open(&path, &wanted)?;
        while rows.advance()? {
            if let (Value::Text(hash), Value::Int(at)) = (rows.value(0), rows.value(1)) {
                earliest(&mut receipts.earlier, hash, at);
            }
        }
        Ok(receipts)
    }

    /// A message of these bytes came then.
    pub(super) fn came(&mut self, hash: &str, at: Millis) {
        earliest(&mut self.now, hash, at);
    }

    /// When a message of these bytes first came.
    pub(super) fn of(&self, hash: &str) -> Option<Millis> {
        self.earlier.get(hash).or(self.now.get(hash)).copied()
    }
}

fn earliest(of: &mut HashMap<String, Millis>, hash: &str, at: Millis) {
    let known = of.entry(hash.to_owned()).or_insert(at);
    *known = at.min(*known);
}
