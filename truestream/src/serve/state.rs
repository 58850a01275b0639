//! The folder of a service: what was settled when it began, and who may come in.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use datasets::tables::IdKind;
use datasets::tables::read::IdKinds;
use records::{IdSpace, Millis};
use serde::{Deserialize, Serialize};
use sql::Verifier;

use crate::exit::Failure;

/// What was settled when the service began.
const SETTLED: &str = "service.json";
/// The hash of the token.
const TOKEN: &str = "token.blake3";
/// Who may ask through PostgreSQL's clients: a name and a verifier per line.
const USERS: &str = "users.scram";
/// The user that there is at the start.
pub const USER: &str = "truestream";
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
            self.write(SETTLED, &text)?;
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
        let text = match std::fs::read(&path) {
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

    /// The hash of the token, and the token itself where it is new.
    ///
    /// # Errors
    /// When the file is damaged or cannot be written.
    pub fn token(&self) -> Result<(blake3::Hash, Option<String>), Failure> {
        let path = self.0.join(TOKEN);
        match std::fs::read_to_string(&path) {
            Ok(hash) => {
                let hash = blake3::Hash::from_hex(hash.trim());
                let damaged = |_| Failure::Input(format!("{}: no hash; remove it for a new token", path.display()));
                Ok((hash.map_err(damaged)?, None))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let token = secret()?;
                let hash = blake3::hash(token.as_bytes());
                self.write(TOKEN, hash.to_hex().as_bytes())?;
                Ok((hash, Some(token)))
            }
            Err(error) => Err(Failure::Input(format!("{}: {error}", path.display()))),
        }
    }

    /// Who may ask through PostgreSQL's clients, and the password of the first user where it is new: the token, if that
    /// is new too.
    ///
    /// # Errors
    /// When the file is damaged or cannot be written.
    pub fn users(&self, token: Option<&str>) -> Result<(HashMap<String, Verifier>, Option<String>), Failure> {
        let path = self.0.join(USERS);
        let text = match (std::fs::read_to_string(&path), token) {
            (Ok(text), None) => text,
            (Err(error), _) if error.kind() != ErrorKind::NotFound => {
                return Err(Failure::Input(format!("{}: {error}", path.display())));
            }
            (_, token) => {
                let password = token.map_or_else(secret, |token| Ok(token.to_owned()))?;
                let verifier = Verifier::of(&password);
                self.write(USERS, format!("{USER} {verifier}\n").as_bytes())?;
                return Ok((HashMap::from([(USER.to_owned(), verifier)]), Some(password)));
            }
        };
        let user = |line: &str| {
            let (name, verifier) = line.split_once(' ')?;
            Some((name.to_owned(), verifier.parse().ok()?))
        };
        let users: Option<HashMap<String, Verifier>> = text.lines().map(user).collect();
        let damaged = || Failure::Input(format!("{}: damaged; remove it for a new password", path.display()));
        Ok((users.ok_or_else(damaged)?, None))
    }

    /// Copies what is not the log.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn copy_rest(&self, to: &StateFolder) -> Result<(), Failure> {
        for name in [SETTLED, TOKEN, USERS] {
            match std::fs::read(self.0.join(name)) {
                Ok(bytes) => to.write(name, &bytes)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::Input(format!("{}: {error}", self.0.join(name).display()))),
            }
        }
        Ok(())
    }

    /// Writes a file, whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let (path, part) = (self.0.join(name), self.0.join(format!("{name}.part")));
        let written = || {
            std::fs::create_dir_all(&self.0)?;
            std::fs::write(&part, bytes)?;
            File::open(&part)?.sync_all()?;
            std::fs::rename(&part, &path)?;
            File::open(&self.0)?.sync_all()
        };
        written().map_err(|error| Failure::Output(format!("{}: {error}", path.display())))
    }
}

/// 256 bits that nobody guesses.
fn secret() -> Result<String, Failure> {
    let mut random = [0; 32];
    let source = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
    source.map_err(|error| Failure::Input(format!("/dev/urandom: {error}")))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
