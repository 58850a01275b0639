//! Which policy was in force when: a folder of policies that were activated, and a chain of hashes over who activated what.
//!
//! ```text
//! policy folder ──▶ policies/DIGEST/*.toml ──┐
//! from, by, why ─────────────────────────────┴──▶ activations.jsonl: each line names the hash of the line before ──▶ those that stand
//! ```
//!
//! One folder decides all of a replay, so its policies agree in what cannot change on the way. One that does not agree is refused; one that
//! came in before anybody asked is taken back by a line of its own. No line is ever taken out.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use records::Millis;
use serde::{Deserialize, Serialize};

use super::{declaring, is_part, load, refuse_strangers};
use crate::Error;
use crate::formats::instant;

const CHAIN: &str = "activations.jsonl";
/// The hash of the last line, so that one is missed that was cut off.
const LAST: &str = "activations.last";
const POLICIES: &str = "policies";

/// How far a policy reaches that is not in force for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It decides nothing: who runs it beside sees what it would do.
    Shadow,
    /// It decides about so many of a hundred subjects, and the one in force about all others.
    Beta(u8),
}

/// Who agreed, in which role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Who.
    pub by: String,
    /// In which role.
    pub role: String,
}

/// A policy that comes into force, or an activation that is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The number of the activation that this line takes back, of which it repeats the rest; of an activation nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraws: Option<u64>,
    /// The number of the activation that this line goes back to, whose policy comes into force again; of every other line nothing. Chains of before
    /// this was written down do not tell it of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_back_to: Option<u64>,
    /// How far it reaches; nothing where it is in force for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Who agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed: Vec<Signature>,
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

    /// From when on it has been seen to be in force: whoever activates for a time that has passed has seen nothing of it yet.
    pub fn seen_from_ms(&self) -> Millis {
        self.from_ms().max(instant::from_text(&self.said_at).unwrap_or(Millis::MAX))
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

/// Refuses a folder of activated policies that holds a policy of its own: whoever names it means one or the other, and that one would be read by nobody.
///
/// # Errors
/// When it holds one.
pub fn refuse_own_policy(store: &Path) -> Result<(), Error> {
    let own = store.join("policy.toml");
    match own.exists() {
        true => Err(Error::Input(format!(
            "{}: found a policy, expected a folder that holds nothing but activated ones: nobody would read it any more. Name another folder with \
             --store, or move its files into one of their own",
            own.display()
        ))),
        false => Ok(()),
    }
}

/// The file that tells what was activated; it is replaced as a whole.
pub fn list_of(store: &Path) -> PathBuf {
    store.join(CHAIN)
}

/// Everything that was said in the folder, in its order: activations, and which of them were taken back.
///
/// # Errors
/// Names the first line that was changed, or the policy whose files were.
pub fn history(store: &Path) -> Result<Vec<Activation>, Error> {
    refuse_own_policy(store)?;
    let path = list_of(store);
    // Read before the lines: it is written after them.
    let last = fs::read_to_string(store.join(LAST)).unwrap_or_default();
    let text = fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
    let mut all: Vec<Activation> = Vec::new();
    // Number and instant of what is not taken back so far.
    let mut standing: Vec<(u64, Millis)> = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let wrong = |what: &str| Error::Input(format!("{}: line {}: {what}", path.display(), line + 1));
        let activation: Activation = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        let before = all.last().map_or("", |last| &last.hash);
        if activation.before != before || activation.hash != activation.hashed() || activation.number != line as u64 + 1
        {
            return Err(wrong("found another hash than the line has, expected that nobody changed what was activated"));
        }
        match activation.withdraws {
            Some(taken) => {
                let place = standing.iter().position(|(number, _)| *number == taken);
                let none =
                    || wrong("found that it takes back what does not stand, expected the number of an activation");
                standing.remove(place.ok_or_else(none)?);
            }
            None => {
                let is_gone_back_to =
                    |one: &Activation| Some(one.number) == activation.goes_back_to && one.digest == activation.digest;
                if activation.goes_back_to.is_some() && !all.iter().any(is_gone_back_to) {
                    return Err(wrong(
                        "found that it goes back to another policy, expected the one of that activation",
                    ));
                }
                let from = instant::from_text(&activation.from);
                let from =
                    from.filter(|from| standing.last().is_none_or(|(_, last)| from >= last)).ok_or_else(|| {
                        wrong("found an instant before the one of the activation above, expected a later one")
                    })?;
                standing.push((activation.number, from));
            }
        }
        if digest(&activation.folder(store))? != activation.digest {
            return Err(wrong("found other files than were activated under this hash"));
        }
        all.push(activation);
    }
    let (path, last) = (path.display(), last.trim());
    match all.last() {
        None => Err(Error::Input(format!("{path}: found nothing, expected an activation"))),
        Some(_) if all.iter().any(|one| one.hash == last) => Ok(all),
        Some(end) if last.is_empty() => Err(Error::Input(format!(
            "{path}: found no {LAST} beside it, expected the hash of the last line there: somebody may have cut off the end. \
             Who knows that nobody did writes {} into it",
            end.hash
        ))),
        Some(_) => Err(Error::Input(format!(
            "{path}: found {} lines, expected one more with the hash {last} that {LAST} names: the end was cut off",
            all.len()
        ))),
    }
}

/// The activations in the folder that were not taken back, in their order.
///
/// # Errors
/// As [`history`].
pub fn activations(store: &Path) -> Result<Vec<Activation>, Error> {
    history(store).map(|all| standing(&all))
}

fn standing(all: &[Activation]) -> Vec<Activation> {
    let withdrawn: Vec<u64> = all.iter().filter_map(|one| one.withdraws).collect();
    let stands = |one: &&Activation| one.withdraws.is_none() && !withdrawn.contains(&one.number);
    all.iter().filter(stands).cloned().collect()
}

/// What must be the same in two policies of which the one follows the other in a replay, and is not: what has travelled cannot change
/// its way, nor who is judged at all.
///
/// # Errors
/// When one cannot be read.
pub fn clash(one: &Path, other: &Path) -> Result<Option<&'static str>, Error> {
    let settled = |folder: &Path| Ok::<_, Error>((load(folder)?.flow, declaring(Some(folder))?.own));
    let (before, now) = (settled(one)?, settled(other)?);
    Ok(match (before.0 == now.0, before.1 == now.1) {
        (false, _) => Some("flow.toml"),
        (true, false) => Some("[own] of disclosure.toml"),
        (true, true) => None,
    })
}

/// The first of these activations that cannot follow the one before it, as an error that says so and what to do.
fn refuse_clash(store: &Path, standing: &[Activation]) -> Result<(), Error> {
    for pair in standing.windows(2) {
        if let Some(what) = clash(&pair[0].folder(store), &pair[1].folder(store))? {
            return Err(clashes(store, &pair[0], &pair[1], what));
        }
    }
    Ok(())
}

/// What to tell of an activation that cannot follow another.
pub fn clashes(store: &Path, before: &Activation, now: &Activation, what: &str) -> Error {
    let (store, number) = (store.display(), now.number);
    let [one, two] = [before, now].map(|one| format!("activation {} ({:?})", one.number, one.version));
    Error::Input(format!(
        "{store}: {what} of {two} is another than that of {one}, expected the same in all that one replay uses: replay each on its own, \
         or take it back with `truestream policy withdraw {number} --store {store} --by NAME --why TEXT`"
    ))
}

/// The activation in force for everybody as of the instant.
///
/// # Errors
/// When the chain is broken, or none was in force yet.
pub fn in_force(store: &Path, as_of: Millis) -> Result<Activation, Error> {
    let all = activations(store)?;
    let is_in_force = |one: &Activation| one.stage.is_none() && one.from_ms() <= as_of;
    let found = all.into_iter().rev().find(is_in_force);
    let none =
        || Error::Input(format!("{}: no policy was in force as of {}", store.display(), instant::to_text(as_of)));
    found.ok_or_else(none)
}

/// The activation that is tried on some subjects as of the instant, if one is: until the next one that decides.
///
/// # Errors
/// When the chain is broken.
pub fn beta(store: &Path, as_of: Millis) -> Result<Option<(Activation, u8)>, Error> {
    let decides = |one: &Activation| one.stage != Some(Stage::Shadow) && one.from_ms() <= as_of;
    let last = activations(store)?.into_iter().rev().find(decides);
    Ok(last.and_then(|last| match last.stage {
        Some(Stage::Beta(percent)) => Some((last, percent)),
        _ => None,
    }))
}

/// A policy folder as it is, or the one that was in force as of the instant where the folder is of activated policies.
///
/// # Errors
/// When the chain is broken, or none was in force yet.
pub fn folder_as_of(folder: &Path, as_of: Millis) -> Result<PathBuf, Error> {
    match is_store(folder) {
        true => in_force(folder, as_of).map(|activation| activation.folder(folder)),
        false => Ok(folder.to_owned()),
    }
}

/// The same, as of the end of time: the one that was activated last.
///
/// # Errors
/// When the chain is broken.
pub fn latest(folder: &Path) -> Result<PathBuf, Error> {
    folder_as_of(folder, Millis::MAX - 1)
}

/// What somebody says who activates, or takes back.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// From when on it is in force; nothing is asked of it where something is taken back.
    pub from: Millis,
    /// Who says so.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Millis,
    /// How far it reaches; nothing where it is in force for everybody.
    pub stage: Option<Stage>,
    /// Who agreed.
    pub signed: Vec<Signature>,
}

/// Puts the policy in the folder into force, under a lock that ends with this.
///
/// # Errors
/// When the policy cannot be read or cannot follow the one before it, the chain is broken, `from` is before what is in force last, the store holds a
/// policy of its own, or the disk does not take it.
pub fn activate(store: &Path, policy: &Path, said: &Said) -> Result<Activation, Error> {
    enforce(store, policy, said, None)
}

/// Puts the policy of an earlier activation into force again, under a lock that ends with this.
///
/// # Errors
/// As [`activate`].
pub fn go_back(store: &Path, to: &Activation, said: &Said) -> Result<Activation, Error> {
    enforce(store, &to.folder(store), said, Some(to.number))
}

fn enforce(store: &Path, policy: &Path, said: &Said, goes_back_to: Option<u64>) -> Result<Activation, Error> {
    let failed = |source| Error::io(store, source);
    refuse_own_policy(store)?;
    let _lock = lock(store)?;
    let version = load(policy)?.version;
    let chain = if is_store(store) { history(store)? } else { Vec::new() };
    let standing = standing(&chain);
    refuse_clash(store, &standing)?;
    if let Some(last) = standing.last() {
        let (from, known) = (instant::to_text(said.from), &last.from);
        if said.from < last.from_ms() {
            return Err(Error::Input(format!("found {from}, expected {known} or later: what was in force stays so")));
        }
        if let Some(what) = clash(&last.folder(store), policy)? {
            return Err(Error::Input(format!(
                "{}: {what} is another than that of {:?}, which is in force before it, expected the same in all that one replay uses: \
                 activate it in a folder of its own, and begin replays and services anew with that folder",
                policy.display(),
                last.version
            )));
        }
    }
    let is_in_force = |one: &&Activation| one.stage.is_none();
    if matches!(said.stage, Some(Stage::Beta(_))) && !standing.iter().any(|one| is_in_force(&one)) {
        return Err(Error::Input(format!(
            "{}: found no policy in force for everybody, expected one beside which this one is tried: activate that first",
            store.display()
        )));
    }
    let digest = digest(policy)?;
    if let Some(other) = chain.iter().find(|one| one.version == version && one.digest != digest) {
        return Err(Error::Input(format!(
            "{}: found version {version:?}, which activation {} has with other files, expected a name of its own: verdicts say it",
            policy.display(),
            other.number
        )));
    }
    keep(policy, &store.join(POLICIES).join(&digest)).map_err(failed)?;
    let from = instant::to_text(said.from);
    append(store, chain, said, Activation { from, version, digest, goes_back_to, ..Activation::default() })
}

/// Takes back the activation of this number, under a lock that ends with this: it was never in force. Only what could not decide anything
/// can be taken back, because what was in force stays so.
///
/// # Errors
/// When the chain is broken, that activation does not stand or can follow the one before it, or the disk does not take it.
pub fn withdraw(store: &Path, number: u64, said: &Said) -> Result<Activation, Error> {
    let _lock = lock(store)?;
    let chain = history(store)?;
    let standing = standing(&chain);
    let Some(place) = standing.iter().position(|one| one.number == number) else {
        let numbers: Vec<String> = standing.iter().map(|one| one.number.to_string()).collect();
        let expected = format!("expected one of those that stand: {}", numbers.join(", "));
        return Err(Error::Input(format!("{}: found activation {number}, {expected}", store.display())));
    };
    let taken = standing[place].clone();
    let clashes = match place.checked_sub(1) {
        Some(before) => clash(&standing[before].folder(store), &taken.folder(store))?.is_some(),
        None => false,
    };
    if !clashes {
        let found = format!("activation {number} ({:?}) can decide, and what was in force stays so", taken.version);
        return Err(Error::Input(format!("{}: {found}: activate another from now on, or roll back", store.display())));
    }
    append(store, chain, said, Activation { withdraws: Some(number), ..taken })
}

/// Nobody else changes the folder while the file is held.
fn lock(store: &Path) -> Result<File, Error> {
    let failed = |source| Error::io(store, source);
    fs::create_dir_all(store.join(POLICIES)).map_err(failed)?;
    let lock = File::create(store.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

/// Adds what was said to the chain; the file is replaced as a whole.
fn append(store: &Path, mut chain: Vec<Activation>, said: &Said, what: Activation) -> Result<Activation, Error> {
    for (option, text) in [("--by", &said.by), ("--why", &said.why)] {
        if text.trim().is_empty() {
            return Err(Error::Input(format!("{option}: found nothing, expected who says so and why")));
        }
    }
    let mut link = Activation {
        number: chain.len() as u64 + 1,
        by: said.by.clone(),
        why: said.why.clone(),
        stage: what.stage.or(said.stage),
        signed: said.signed.clone(),
        said_at: instant::to_text(said.at),
        before: chain.last().map_or_else(String::new, |last| last.hash.clone()),
        hash: String::new(),
        ..what
    };
    link.hash = link.hashed();
    chain.push(link.clone());
    let mut text = String::new();
    for line in &chain {
        let _ = writeln!(text, "{}", serde_json::to_string(line).expect("texts and a number have a JSON form"));
    }
    let replaced = replace(&list_of(store), &text).and_then(|()| replace(&store.join(LAST), &link.hash));
    replaced.map_err(|source| Error::io(store, source))?;
    Ok(link)
}

/// Replaces a file as a whole.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_added_extension("part");
    File::create(&part).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))?;
    fs::rename(part, path)
}

/// The files of a policy with their texts, by name.
fn files(policy: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    refuse_strangers(policy)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(policy).map_err(|source| Error::io(policy, source))? {
        let path = entry.map_err(|source| Error::io(policy, source))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_part(&path) {
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
        Said { from, by: "ann".to_owned(), why: "spam wave".to_owned(), at: 9, ..Said::default() }
    }

    #[test]
    fn what_is_tried_is_not_in_force_for_everybody_and_ends_with_the_next_that_decides() {
        let store = tempfile::tempdir().unwrap();
        let store = store.path();
        let staged = |from, stage| Said { stage: Some(stage), ..said(from) };
        let error = activate(store, policy("b").path(), &staged(1_000, Stage::Beta(10))).unwrap_err().to_string();
        assert!(error.contains("no policy in force for everybody"), "{error}");
        activate(store, policy("a").path(), &said(1_000)).unwrap();
        activate(store, policy("b").path(), &staged(2_000, Stage::Shadow)).unwrap();
        activate(store, policy("b").path(), &staged(3_000, Stage::Beta(10))).unwrap();
        activate(store, policy("c").path(), &staged(4_000, Stage::Shadow)).unwrap();
        activate(store, policy("b").path(), &staged(5_000, Stage::Beta(30))).unwrap();
        activate(store, policy("b").path(), &said(6_000)).unwrap();
        let version = |as_of| in_force(store, as_of).unwrap().version;
        assert_eq!([1_000, 2_000, 3_000, 5_999, 6_000].map(version), ["a", "a", "a", "a", "b"]);
        let tried = |as_of| beta(store, as_of).unwrap().map(|(one, percent)| (one.version, percent));
        let b = |percent| Some(("b".to_owned(), percent));
        assert_eq!([2_000, 3_000, 4_000, 5_000, 6_000].map(tried), [None, b(10), b(10), b(30), None]);
        assert_eq!(latest(store).unwrap(), history(store).unwrap()[5].folder(store));
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

    /// A chain as it could be before anybody asked whether policies can follow one another.
    fn unasked(store: &Path, version: &str, files: &[(&str, &str)], from: Millis) {
        let policy = policy(version);
        files.iter().for_each(|(name, text)| fs::write(policy.path().join(name), text).unwrap());
        let digest = digest(policy.path()).unwrap();
        keep(policy.path(), &store.join(POLICIES).join(&digest)).unwrap();
        let (from, version) = (instant::to_text(from), version.to_owned());
        let chain = history(store).unwrap();
        append(store, chain, &said(0), Activation { from, version, digest, ..Activation::default() }).unwrap();
    }

    #[test]
    fn what_cannot_follow_is_refused_and_where_it_came_in_before_it_is_taken_back_and_nothing_is_lost() {
        let store = tempfile::tempdir().unwrap();
        let store = store.path();
        let flow = [("flow.toml", "floor = 100\ndamping = 50\nrounds = 2\n")];
        activate(store, policy("a").path(), &said(1_000)).unwrap();
        let other = policy("b");
        fs::write(other.path().join(flow[0].0), flow[0].1).unwrap();
        let error = activate(store, other.path(), &said(2_000)).unwrap_err().to_string();
        assert!(error.contains("flow.toml is another than that of \"a\"") && error.contains("its own"), "{error}");
        assert_eq!(history(store).unwrap().len(), 1);

        unasked(store, "b", &flow, 2_000);
        unasked(store, "c", &[], 3_000);
        let error = activate(store, policy("d").path(), &said(4_000)).unwrap_err().to_string();
        assert!(error.contains("activation 2 (\"b\")") && error.contains("policy withdraw 2"), "{error}");
        for (number, says) in [(1, "can decide"), (4, "those that stand: 1, 2, 3")] {
            let error = withdraw(store, number, &said(0)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let taken = withdraw(store, 2, &said(0)).unwrap();
        assert_eq!((taken.number, taken.withdraws, taken.from_ms()), (4, Some(2), 2_000));
        assert!(withdraw(store, 2, &said(0)).unwrap_err().to_string().contains("those that stand: 1, 3"));
        let version = |as_of| in_force(store, as_of).unwrap().version;
        assert_eq!([1_000, 2_500, 3_000].map(version), ["a", "a", "c"]);
        activate(store, policy("d").path(), &said(4_000)).unwrap();
        let numbers = |all: Vec<Activation>| all.iter().map(|one| one.number).collect::<Vec<_>>();
        assert_eq!(numbers(activations(store).unwrap()), [1, 3, 5]);
        assert_eq!(numbers(history(store).unwrap()), [1, 2, 3, 4, 5]);

        // Who took what back is sealed like everything else.
        let chain = fs::read_to_string(list_of(store)).unwrap();
        fs::write(list_of(store), chain.replacen("\"withdraws\":2", "\"withdraws\":3", 1)).unwrap();
        assert!(history(store).unwrap_err().to_string().contains("nobody changed"));
    }

    #[test]
    fn who_goes_back_says_to_which_activation_and_chains_that_do_not_are_read_as_before() {
        let store = tempfile::tempdir().unwrap();
        let store = store.path();
        let first = activate(store, policy("a").path(), &said(1_000)).unwrap();
        activate(store, policy("b").path(), &said(2_000)).unwrap();
        let unmarked = fs::read_to_string(list_of(store)).unwrap();
        assert!(!unmarked.contains("goes_back_to"), "lines of before have the same hash: {unmarked}");
        let back = go_back(store, &first, &said(3_000)).unwrap();
        assert_eq!((back.goes_back_to, back.version.as_str()), (Some(1), "a"));
        assert_eq!(history(store).unwrap()[2], back);

        // It is sealed, and it is true: who says that it goes back to the other policy is found, whatever hash he writes.
        let other = Activation { goes_back_to: Some(2), ..back.clone() };
        let sealed = Activation { hash: other.hashed(), ..other.clone() };
        for (line, says) in [(other, "nobody changed"), (sealed, "goes back to another policy")] {
            fs::write(list_of(store), format!("{unmarked}{}\n", serde_json::to_string(&line).unwrap())).unwrap();
            fs::write(store.join(LAST), &line.hash).unwrap();
            let error = history(store).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_folder_with_a_policy_of_its_own_takes_no_other_one() {
        let own = policy("own");
        let error = activate(own.path(), policy("a").path(), &said(1_000)).unwrap_err().to_string();
        assert!(error.contains("policy.toml: found a policy") && error.contains("--store"), "{error}");
        assert!(!is_store(own.path()) && !own.path().join(POLICIES).exists(), "nothing is written");

        let store = tempfile::tempdir().unwrap();
        let first = activate(store.path(), policy("a").path(), &said(1_000)).unwrap();
        fs::write(store.path().join("policy.toml"), "version = \"own\"").unwrap();
        for error in [
            activate(store.path(), policy("b").path(), &said(2_000)).unwrap_err(),
            go_back(store.path(), &first, &said(2_000)).unwrap_err(),
            withdraw(store.path(), 1, &said(0)).unwrap_err(),
            in_force(store.path(), 2_000).unwrap_err(),
        ] {
            assert!(error.to_string().contains("nobody would read it any more"), "{error}");
        }
    }

    #[test]
    fn a_name_is_that_of_one_policy_and_somebody_says_why() {
        let store = tempfile::tempdir().unwrap();
        let store = store.path();
        activate(store, policy("a").path(), &said(1_000)).unwrap();
        let other = policy("a");
        fs::write(other.path().join("rules.toml"), "[account]\nedge = { on = false, weight = 65 }").unwrap();
        let error = activate(store, other.path(), &said(2_000)).unwrap_err().to_string();
        assert!(error.contains("a name of its own") && error.contains("activation 1"), "{error}");
        for said in [Said { by: " ".to_owned(), ..said(2_000) }, Said { why: String::new(), ..said(2_000) }] {
            let error = activate(store, policy("a").path(), &said).unwrap_err().to_string();
            assert!(error.contains("expected who says so and why"), "{error}");
        }
        activate(store, policy("a").path(), &said(2_000)).unwrap();
        assert_eq!(history(store).unwrap().len(), 2);
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
        // And so is the last one, when the chain before it is whole.
        fs::write(whole.join(CHAIN), chain.lines().next().unwrap()).unwrap();
        let error = activations(whole).unwrap_err().to_string();
        assert!(error.contains("the end was cut off"), "{error}");
        let last = fs::read_to_string(whole.join(LAST)).unwrap();
        fs::remove_file(whole.join(LAST)).unwrap();
        let error = activations(whole).unwrap_err().to_string();
        assert!(error.contains("found no activations.last"), "{error}");
        fs::write(whole.join(LAST), last).unwrap();
        fs::write(whole.join(CHAIN), &chain).unwrap();
        let digest = &activations(whole).unwrap()[0].digest;
        fs::write(whole.join(POLICIES).join(digest).join("policy.toml"), "version = \"x\"").unwrap();
        assert!(activations(whole).unwrap_err().to_string().contains("other files"));
    }
}
