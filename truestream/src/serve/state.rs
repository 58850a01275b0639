//! The folder of a service: what was settled when it began, its log, and who may come in.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use datasets::intake::Ids;
use datasets::intake::pseudonyms::Pseudonyms;
use datasets::tables::IdKind;
use datasets::tables::read::IdKinds;
use records::{IdSpace, Millis};
use serde::{Deserialize, Serialize};

use super::audit::{KEY, all_locked};
use super::cabinet;
use super::people::{FORMER_TOKEN, FORMER_USERS, PEOPLE, PeopleFile};
use super::signed::SIGNED;
use super::{since, succession, trends};
use crate::exit::Failure;

/// What was settled when the service began.
const SETTLED: &str = "service.json";
/// What a backup has besides the log.
const FILES: [&str; 12] = [
    SETTLED,
    PEOPLE,
    FORMER_TOKEN,
    FORMER_USERS,
    KEY,
    "audit.jsonl",
    "audit.head",
    SIGNED,
    "decisions.jsonl",
    "decisions.head",
    trends::FILE,
    succession::FILE,
];
/// The key of pseudonyms; a backup does not have it.
const ID_KEY: &str = "ids.key";
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
    /// What tells the key of its pseudonyms from others; missing where ids are plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pseudonyms: Option<String>,
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
    pub fn settle(&self, ids: &Ids, kept_ms: Option<Millis>, longest_ms: Millis) -> Result<(), Failure> {
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
        let numbers = ids.kinds.iter().map(|kind| *kind == IdKind::Number).collect();
        let kept_ms = [kept_before, kept_ms].into_iter().flatten().min();
        let pseudonyms = ids.pseudonyms.as_ref().map(|pseudonyms| pseudonyms.check().to_owned());
        let settled = Settled { format: FORMAT, numbers, kept_ms, pseudonyms };
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

    /// What it settled about its ids, with the key of this file, or else that of the folder; `None` before it began.
    ///
    /// # Errors
    /// When the key cannot be read, or is another than the service began with.
    pub fn ids(&self, key: Option<&Path>) -> Result<Option<Ids>, Failure> {
        let (Some(kinds), Some(settled)) = (self.kinds()?, self.settled()?) else { return Ok(None) };
        let Some(check) = settled.pseudonyms else { return Ok(Some(Ids::plain(kinds))) };
        let path = self.id_key(key);
        let lost = "without the key the service began with, the same id would get another pseudonym: bring it back, or name it with --id-key";
        let secret = read_key(&path)?;
        let secret = secret.ok_or_else(|| Failure::Input(format!("{}: there is no key; {lost}", path.display())))?;
        let pseudonyms = Pseudonyms::new(&secret);
        if pseudonyms.check() != check {
            return Err(Failure::Input(format!("{}: it is another key; {lost}", path.display())));
        }
        Ok(Some(Ids { kinds, pseudonyms: Some(Arc::new(pseudonyms)) }))
    }

    /// What a service that begins settles about its ids; its key is made where there is none.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn first_ids(&self, kinds: IdKinds, are_plain: bool, key: Option<&Path>) -> Result<Ids, Failure> {
        if are_plain {
            return Ok(Ids::plain(kinds));
        }
        let path = self.id_key(key);
        if read_key(&path)?.is_none() {
            write_whole(&path, secret()?.as_bytes())?;
        }
        let secret = read_key(&path)?.ok_or_else(|| Failure::Output(format!("{}: it went", path.display())))?;
        Ok(Ids { kinds, pseudonyms: Some(Arc::new(Pseudonyms::new(&secret))) })
    }

    /// Whether its ids are pseudonyms.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn has_pseudonyms(&self) -> Result<bool, Failure> {
        Ok(self.settled()?.is_some_and(|settled| settled.pseudonyms.is_some()))
    }

    fn id_key(&self, key: Option<&Path>) -> PathBuf {
        key.map_or_else(|| self.0.join(ID_KEY), Path::to_owned)
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
        // What the records say of each other holds as of one moment; in a folder that cannot be written to nobody writes.
        let _locks = all_locked(&self.0).ok();
        for name in FILES {
            match fs::read(self.0.join(name)) {
                Ok(bytes) => write_whole(&to.0.join(name), &bytes)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::Input(format!("{}: {error}", self.0.join(name).display()))),
            }
        }
        self.copy_folder(to, cabinet::FOLDER)
    }

    /// What the rows of a tick do not tell of those before it, as it is written.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn past(&self) -> Result<Option<Vec<u8>>, Failure> {
        match fs::read(self.0.join(since::FILE)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::Input(format!("{}: {error}", self.0.join(since::FILE).display()))),
        }
    }

    /// A start goes on from there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn go_on_from(&self, past: &[u8]) -> Result<(), Failure> {
        write_whole(&self.0.join(since::FILE), past)
    }

    /// Copies the files of a folder, where there is one; what is there already is the same, because its name is its hash.
    fn copy_folder(&self, to: &StateFolder, name: &str) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::Input(format!("{}: {error}", self.0.join(name).display()));
        let files = match fs::read_dir(self.0.join(name)) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for file in files {
            let file = file.map_err(failed)?;
            let bytes = fs::read(file.path()).map_err(failed)?;
            write_whole(&to.0.join(name).join(file.file_name()), &bytes)?;
        }
        Ok(())
    }
}

/// A key as [`secret`] writes it; `None` where there is no file.
fn read_key(path: &Path) -> Result<Option<[u8; 32]>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::Input(format!("{}: {error}", path.display()))),
    };
    let hash = blake3::Hash::from_hex(text.trim());
    let no_key = |_| Failure::Input(format!("{}: found no key, expected 64 hexadecimal digits", path.display()));
    Ok(Some(*hash.map_err(no_key)?.as_bytes()))
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
