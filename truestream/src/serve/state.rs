//! The folder of a service: what was settled when it began, its log, and who may come in.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use datasets::tables::IdKind;
use datasets::tables::read::IdKinds;
use records::{IdSpace, Millis};
use serde::{Deserialize, Serialize};

use super::audit::KEY;
use super::people::{FORMER_TOKEN, FORMER_USERS, PEOPLE, PeopleFile};
use crate::exit::Failure;

/// What was settled when the service began.
const SETTLED: &str = "service.json";
/// What a backup has besides the log.
const FILES: [&str; 9] = [
    SETTLED,
    PEOPLE,
    FORMER_TOKEN,
    FORMER_USERS,
    KEY,
    "audit.jsonl",
    "audit.head",
    "decisions.jsonl",
    "decisions.head",
];
/// The folder of the log.
const LOG: &str = "log";
/// The version of the folder's form.
const FORMAT: u32 = 1;

#[derive(PartialEq, Serialize, Deserialize)]
struct Settled {
    format: u32,
    /// Of each space in its order: whether its ids are numbers.
    numbers: Vec<bool>,
    /// The shortest time, in milliseconds, for which plays were ever kept; missing where none left the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept_ms: Option<Millis>,
}

/// The folder.
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// The folder of this path.
    pub fn new(path: &Path) -> StateFolder {
        StateFolder(path.to_owned())
    }

    /// Who may come in.
    pub fn people(&self) -> PeopleFile {
        PeopleFile::of(&self.0)
    }

    /// Where its log is.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// Settles what the ids are, if that was not settled before, and that plays older than `kept_ms` may leave the log from now on.
    ///
    /// # Errors
    /// When plays that the longest window wants may have left it already, or the file cannot be read or written.
    pub fn settle(&self, kinds: &IdKinds, kept_ms: Option<Millis>, longest_ms: Millis) -> Result<(), Failure> {
        let before = self.settled()?;
        let kept_before = before.as_ref().and_then(|settled| settled.kept_ms);
        if let Some(kept) = kept_before.filter(|kept| *kept < longest_ms) {
            let days = |ms: Millis| ms as f64 / 86_400_000.0;
            return Err(Failure::Usage(format!(
                "a view looks back {} days, and plays older than {} may have left the log by an earlier --keep: choose shorter --windows, or \
                 begin with another --state",
                days(longest_ms),
                days(kept)
            )));
        }
        let numbers = kinds.iter().map(|kind| *kind == IdKind::Number).collect();
        let kept_ms = [kept_before, kept_ms].into_iter().flatten().min();
        let settled = Settled { format: FORMAT, numbers, kept_ms };
        if before.as_ref() != Some(&settled) {
            let text = serde_json::to_vec(&settled).expect("truth values and numbers are JSON");
            write_whole(&self.0.join(SETTLED), &text)?;
        }
        Ok(())
    }

    /// What its ids are; `None` before it began.
    ///
    /// # Errors
    /// When the file is damaged or of another version.
    pub fn kinds(&self) -> Result<Option<IdKinds>, Failure> {
        let Some(settled) = self.settled()? else { return Ok(None) };
        let mut kinds = [IdKind::Text; IdSpace::ALL.len()];
        for (kind, is_number) in kinds.iter_mut().zip(settled.numbers) {
            *kind = if is_number { IdKind::Number } else { IdKind::Text };
        }
        Ok(Some(kinds))
    }

    fn settled(&self) -> Result<Option<Settled>, Failure> {
        let path = self.0.join(SETTLED);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::Input(format!("{}: {error}", path.display()))),
        };
        let damaged = |why: &str| Failure::Input(format!("{}: {why}", path.display()));
        let settled: Settled = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
        if settled.format != FORMAT || settled.numbers.len() != IdSpace::ALL.len() {
            return Err(damaged("written by another version of this program"));
        }
        Ok(Some(settled))
    }

    /// Copies what is not the log.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn copy_rest(&self, to: &StateFolder) -> Result<(), Failure> {
        for name in FILES {
            match fs::read(self.0.join(name)) {
                Ok(bytes) => write_whole(&to.0.join(name), &bytes)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::Input(format!("{}: {error}", self.0.join(name).display()))),
            }
        }
        Ok(())
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let part = path.with_added_extension("part");
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = || {
        fs::create_dir_all(folder)?;
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| Failure::Output(format!("{}: {error}", path.display())))
}

/// 256 bits that nobody guesses.
///
/// # Errors
/// When the system has none.
pub fn secret() -> Result<String, Failure> {
    let mut random = [0; 32];
    let source = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
    source.map_err(|error| Failure::Input(format!("/dev/urandom: {error}")))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The clock of this machine, in milliseconds since 1970.
pub fn now() -> Millis {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}
