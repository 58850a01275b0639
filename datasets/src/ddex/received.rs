//! When a message arrived, by the platform's own clock: what its sender says of time decides nothing about the sender.
//!
//! ```text
//! an earlier import's receipt of the same bytes ──else──▶ what the operator says ──▶ received, the earliest of equal bytes
//! ```
//!
//! A receipt stays, whether the message is named again or not: else who has its file taken away and sent anew would be younger than it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use records::Millis;

use super::catalogue::{Envelope, Fate, Outcome};
use super::message::Version;
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
    /// As an earlier import into the folder has it: the message, and whether it was applied.
    earlier: BTreeMap<String, (Envelope, bool)>,
    /// As this one finds it.
    now: HashMap<String, Millis>,
}

/// What of the table of messages a receipt is made of.
const COLUMNS: [&str; 8] = ["hash", "file", "fate", "message_id", "distributor_id", "created_at", "received_at", "ern"];

/// Messages that were left out and are named one by one.
const LEFT_OUT_TOLD_MAX: usize = 5;

impl Receipts {
    /// Those of the folder; none where nothing was imported.
    pub(super) fn read(out: &Path) -> Result<Receipts, Error> {
        let path = out.join("messages.parquet");
        let mut receipts = Receipts { earlier: BTreeMap::new(), now: HashMap::new() };
        if !path.is_file() {
            return Ok(receipts);
        }
        let there = columns(&path)?;
        if !COLUMNS.iter().all(|name| there.iter().any(|column| column.name == *name)) {
            return Ok(receipts);
        }
        let mut rows = Rows::open(&path, &COLUMNS)?;
        while rows.advance()? {
            let text = |at: usize| match rows.value(at) {
                Value::Text(text) => Some(text.to_owned()),
                _ => None,
            };
            let instant = |at: usize| match rows.value(at) {
                Value::Int(at) => Some(at),
                _ => None,
            };
            let (Some(hash), Some(version)) = (text(0), text(7).as_deref().and_then(Version::of_name)) else {
                continue;
            };
            let envelope = Envelope {
                path: PathBuf::from(text(1).unwrap_or_default()),
                version,
                sender: text(4).unwrap_or_default(),
                message_id: text(3),
                created: instant(5),
                received: instant(6),
                hash: Some(hash.clone()),
                is_test: false,
                unread_sender: None,
                since: None,
            };
            let is_applied = text(2).as_deref() == Some(Fate::Applied.name());
            // Of files with the same bytes one was applied.
            let known = receipts.earlier.entry(hash).or_insert_with(|| (envelope.clone(), false));
            if is_applied {
                *known = (envelope, true);
            }
        }
        Ok(receipts)
    }

    /// A message of these bytes came then.
    pub(super) fn came(&mut self, hash: &str, at: Millis) {
        let known = self.now.entry(hash.to_owned()).or_insert(at);
        *known = at.min(*known);
    }

    /// When a message of these bytes first came; `None` where the sender was believed, or nobody knows.
    pub(super) fn of(&self, hash: &str) -> Option<Millis> {
        match self.earlier.get(hash) {
            Some((envelope, _)) => envelope.received,
            None => self.now.get(hash).copied(),
        }
    }

    /// What earlier imports knew and is not among these messages: their receipts.
    ///
    /// # Errors
    /// When one of them was applied and `may_forget` does not say that it may be left out: the catalogue would be as if it had never come.
    pub(super) fn of_absent(self, named: &[Envelope], out: &Path, may_forget: bool) -> Result<Vec<Outcome>, Error> {
        let named: HashSet<&str> = named.iter().filter_map(|envelope| envelope.hash.as_deref()).collect();
        let absent = self.earlier.into_iter().filter(|(hash, _)| !named.contains(hash.as_str()));
        let (applied, others): (Vec<_>, Vec<_>) = absent.map(|(_, known)| known).partition(|(_, applied)| *applied);
        if !applied.is_empty() && !may_forget {
            let mut files: Vec<String> =
                applied.iter().map(|(envelope, _)| envelope.path.display().to_string()).collect();
            files.sort();
            let more = files.len().saturating_sub(LEFT_OUT_TOLD_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return Err(Error::Input(format!(
                "{}: made of {} messages that are not among these files, or are not as they were: {}{more}; a catalogue is made of all messages, \
                 the old ones too: name them all, choose another --out, or --forget those",
                out.display(),
                files.len(),
                files[..files.len().min(LEFT_OUT_TOLD_MAX)].join(", ")
            )));
        }
        let receipt = |(envelope, _): (Envelope, bool)| Outcome {
            path: envelope.path.clone(),
            envelope: Some(envelope),
            fate: Fate::Absent,
            reason: Some("not among the files: only when it was received is kept".to_owned()),
            errors: 0,
        };
        Ok(applied.into_iter().chain(others).map(receipt).collect())
    }
}
