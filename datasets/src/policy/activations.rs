//! Which policy was in force when: a folder of policies that were activated, and a chain of hashes over who activated what.
//!
//! ```text
//! policy folder ──▶ policies/DIGEST/*.toml ──┐
//! from, by, why ─────────────────────────────┴──▶ activations.jsonl: each line names the hash of the line before
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use records::Millis;
use serde::{Deserialize, Serialize};

use super::{load, refuse_strangers};
use crate::Error;
use crate::formats::instant;

const CHAIN: &str = "activations.jsonl";
const POLICIES: &str = "policies";

/// A policy that comes into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// Counted from 1.
    pub number: u64,
    /// It is in force as of this instant and later, until the next one is.
    pub from: String,
    /// The policy's own name.
    pub version: String,
    /// The hash of its files.
    pub digest: String,
    /// Who activated it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When that was said.
    pub said_at: String,
    /// The hash of the line before; empty in the first.
    pub before: String,
    /// The hash of this line without this field.
    pub hash: String,
}

impl Activation {
    /// From when on it is in force.
    pub fn from_ms(&self) -> Millis {
        instant::from_text(&self.from).unwrap_or(Millis::MAX)
    }

    /// Its files in the store.
    pub fn folder(&self, store: &Path) -> PathBuf {
        store.join(POLICIES).join(&self.digest)
    }

    fn hashed(&self) -> String {
        let unsealed = Activation { hash: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsealed).expect("texts and a number have a JSON form");
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}

/// Whether the folder is one of activated policies.
pub fn is_store(folder: &Path) -> bool {
    list_of(folder).is_file()
}

/// The file that tells what was activated; it is replaced as a whole.
pub fn list_of(store: &Path) -> PathBuf {
    store.join(CHAIN)
}

/// The activations in the folder, in their order.
///
/// # Errors
/// Names the first line that was changed, or the policy whose files were.
pub fn activations(store: &Path) -> Result<Vec<Activation>, Error> {
    let path = list_of(store);
    let text = fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
    let mut all: Vec<Activation> = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let wrong = |what: &str| Error::Input(format!("{}: line {}: {what}", path.display(), line + 1));
        let activation: Activation = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        let (before, last_from) =
            all.last().map_or((String::new(), Millis::MIN), |last| (last.hash.clone(), last.from_ms()));
        if activation.before != before || activation.hash != activation.hashed() || activation.number != line as u64 + 1
        {
            return Err(wrong("found another hash than the line has, expected that nobody changed what was activated"));
        }
        if instant::from_text(&activation.from).is_none_or(|from| from < last_from) {
            return Err(wrong("found an instant before the one of the line above, expected a later one"));
        }
        if digest(&activation.folder(store))? != activation.digest {
            return Err(wrong("found other files than were activated under this hash"));
        }
        all.push(activation);
    }
    match all.is_empty() {
        true => Err(Error::Input(format!("{}: found nothing, expected an activation", path.display()))),
        false => Ok(all),
    }
}

/// The activation in force as of the instant.
///
/// # Errors
/// When the chain is broken, or none was in force yet.
pub fn in_force(store: &Path, as_of: Millis) -> Result<Activation, Error> {
    let all = activations(store)?;
    let found = all.into_iter().rev().find(|activation| activation.from_ms() <= as_of);
    let none =
        || Error::Input(format!("{}: no policy was in force as of {}", store.display(), instant::to_text(as_of)));
    found.ok_or_else(none)
}

/// A policy folder as it is, or the one that was activated last where the folder is of activated policies.
///
/// # Errors
/// When the chain is broken.
pub fn latest(folder: &Path) -> Result<PathBuf, Error> {
    match is_store(folder) {
        true => in_force(folder, Millis::MAX - 1).map(|activation| activation.folder(folder)),
        false => Ok(folder.to_owned()),
    }
}

/// What somebody says of an activation.
#[derive(Clone, Debug)]
pub struct Said {
    /// From when on it is in force.
    pub from: Millis,
    /// Who says so.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Millis,
}

/// Puts the policy in the folder into force, under a lock that ends with this.
///
/// # Errors
/// When the policy cannot be read, the chain is broken, `from` is before what is in force last, or the disk does not take it.
pub fn activate(store: &Path, policy: &Path, said: &Said) -> Result<Activation, Error> {
    let failed = |source| Error::io(store, source);
    fs::create_dir_all(store.join(POLICIES)).map_err(failed)?;
    let lock = File::create(store.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let version = load(policy)?.version;
    let chain = if is_store(store) { activations(store)? } else { Vec::new() };
    let last = chain.last();
    if let Some(last) = last.filter(|last| said.from < last.from_ms()) {
        let (from, known) = (instant::to_text(said.from), &last.from);
        return Err(Error::Input(format!("found {from}, expected {known} or later: what was in force stays so")));
    }
    let digest = digest(policy)?;
    keep(policy, &store.join(POLICIES).join(&digest)).map_err(failed)?;
    let mut activation = Activation {
        number: chain.len() as u64 + 1,
        from: instant::to_text(said.from),
        version,
        digest,
        by: said.by.clone(),
        why: said.why.clone(),
        said_at: instant::to_text(said.at),
        before: last.map_or_else(String::new, |last| last.hash.clone()),
        hash: String::new(),
    };
    activation.hash = activation.hashed();
    let mut text = String::new();
    for line in chain.iter().chain([&activation]) {
        let _ = writeln!(text, "{}", serde_json::to_string(line).expect("texts and a number have a JSON form"));
    }
    let part = store.join(format!("{CHAIN}.part"));
    let written =
        File::create(&part).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&part, list_of(store))).map_err(failed)?;
    Ok(activation)
}

/// The TOML files of a policy with their texts, by name.
fn files(policy: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    refuse_strangers(policy)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(policy).map_err(|source| Error::io(policy, source))? {
        let path = entry.map_err(|source| Error::io(policy, source))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push((name, fs::read(&path).map_err(|source| Error::io(&path, source))?));
        }
    }
    files.sort();
    Ok(files)
}

/// The hash of the files of a policy.
///
/// # Errors
/// When one cannot be read, or is none of a policy.
pub fn digest(policy: &Path) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in files(policy)? {
        for part in [name.as_bytes(), &text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Copies the policy into the store, whole or not at all; what is there already stays.
fn keep(policy: &Path, into: &Path) -> std::io::Result<()> {
    if into.is_dir() {
        return Ok(());
    }
    let part = into.with_extension("part");
    let _ = fs::remove_dir_all(&part);
    fs::create_dir_all(&part)?;
    for (name, text) in files(policy).map_err(std::io::Error::other)? {
        fs::write(part.join(name), text)?;
    }
    fs::rename(part, into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(from: Millis) -> Said {
        Said { from, by: "ann".to_owned(), why: "spam wave".to_owned(), at: 9 }
    }

    fn policy(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), format!("version = \"{version}\"")).unwrap();
        folder
    }

    #[test]
    fn the_policy_in_force_is_the_last_one_that_came_before() {
        let store = tempfile::tempdir().unwrap();
        let store = store.path();
        for (version, from) in [("a", 1_000), ("b", 5_000), ("a", 9_000)] {
            activate(store, policy(version).path(), &said(from)).unwrap();
        }
        let version = |as_of| in_force(store, as_of).map(|found| (found.number, found.version));
        assert!(version(999).unwrap_err().to_string().contains("no policy was in force"));
        assert_eq!([1_000, 4_999, 5_000, 9_000].map(|as_of| version(as_of).unwrap().0), [1, 1, 2, 3]);
        assert_eq!(version(9_000).unwrap().1, "a");
        assert_eq!(load(&latest(store).unwrap()).unwrap().version, "a");
        let error = activate(store, policy("c").path(), &said(8_999)).unwrap_err().to_string();
        assert!(error.contains("stays so"), "{error}");
        assert_eq!(activations(store).unwrap().len(), 3);
    }

    #[test]
    fn what_was_activated_cannot_be_changed_unseen() {
        let whole = tempfile::tempdir().unwrap();
        let whole = whole.path();
        for (version, from) in [("a", 1_000), ("b", 5_000)] {
            activate(whole, policy(version).path(), &said(from)).unwrap();
        }
        let chain = fs::read_to_string(whole.join(CHAIN)).unwrap();
        for (right, wrong) in [("spam wave", "spam wavf"), ("00:00:05", "00:00:04"), ("\"b\"", "\"c\""), ("ann", "bob")]
        {
            fs::write(whole.join(CHAIN), chain.replacen(right, wrong, 1)).unwrap();
            let error = activations(whole).unwrap_err().to_string();
            assert!(error.contains("nobody changed"), "{error}");
        }
        // A line that is taken out is missed.
        fs::write(whole.join(CHAIN), chain.lines().nth(1).unwrap()).unwrap();
        assert!(activations(whole).is_err());
        fs::write(whole.join(CHAIN), &chain).unwrap();
        let digest = &activations(whole).unwrap()[0].digest;
        fs::write(whole.join(POLICIES).join(digest).join("policy.toml"), "version = \"x\"").unwrap();
        assert!(activations(whole).unwrap_err().to_string().contains("other files"));
    }
}
