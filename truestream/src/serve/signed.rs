//! Heads of the records, signed once a day: who keeps them elsewhere can show without any key of ours that nothing before them has been changed.
//!
//! ```text
//! audit.head, decisions.head ──first deed of a day (UTC), `truestream audit sign`──▶ audit.signed: {at, heads, before, public, signature}
//!                                                                                        └──▶ a line of audit.jsonl names the hash of each
//! ```
//!
//! Ed25519 (RFC 8032), with a pair of keys made of the key of the folder. Whoever has that one can make everything anew, but for what was sent or
//! printed before: so it is the copies that prove something.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use datasets::formats::instant;
use records::Millis;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::audit::{Audit, DEEDS, RECORDS};
use super::state::now;
use crate::exit::Failure;

/// The file in the folder of a service.
pub const SIGNED: &str = "audit.signed";
/// What the record says of each.
const DEED: &str = "heads signed";
/// For what the key of the folder is made into another one.
const PURPOSE: &str = "truestream 2026-11 signature of the heads of the records";
const DAY_MS: Millis = 24 * 3_600_000;

/// The heads of both records at an instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// When.
    pub at: String,
    /// Number and seal of the last line of each record, in the order of [`RECORDS`].
    pub heads: [String; 2],
    /// The hash of the line before; empty in the first.
    pub before: String,
    /// The key to verify it with, in hexadecimal digits.
    pub public: String,
    /// The signature of the line with this field empty, in hexadecimal digits.
    pub signature: String,
}

impl Signed {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("texts have a JSON form")
    }

    /// What is signed.
    fn told(&self) -> String {
        Signed { signature: String::new(), ..self.clone() }.text()
    }

    fn is_signed(&self) -> bool {
        let read = bytes(&self.public).zip(bytes(&self.signature));
        read.is_some_and(|(public, signature)| {
            UnparsedPublicKey::new(&ED25519, public).verify(self.told().as_bytes(), &signature).is_ok()
        })
    }
}

fn hash(line: &str) -> String {
    blake3::hash(line.as_bytes()).to_hex().to_string()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

fn pair(audit: &Audit) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&audit.derived(PURPOSE)).expect("32 bytes are a seed")
}

/// The lines of a file; none where there is no file.
fn lines(path: &Path) -> Result<Vec<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::Input(format!("{}: {error}", path.display()))),
    }
}

/// Signs the heads as they are, and has the record say so; the line that was added.
///
/// # Errors
/// When a head is missing or was changed, or nothing can be written.
pub fn sign(folder: &Path, audit: &Audit, who: &str) -> Result<String, Failure> {
    let (path, pair) = (folder.join(SIGNED), pair(audit));
    let failed = |error: std::io::Error| Failure::Output(format!("{}: {error}", path.display()));
    let file = File::options().create(true).append(true).mode(0o600).open(&path);
    let mut file = file.map_err(failed)?;
    // A command may sign beside a service, and somebody verify meanwhile: held until the record says so, too.
    file.lock().map_err(failed)?;
    let before = lines(&path)?.last().map_or(String::new(), |line| hash(line));
    let public = digits(pair.public_key().as_ref());
    let unsigned =
        Signed { at: instant::to_text(now()), heads: audit.heads()?, before, public, signature: String::new() };
    let signature = digits(pair.sign(unsigned.told().as_bytes()).as_ref());
    let line = Signed { signature, ..unsigned }.text();
    writeln!(file, "{line}").and_then(|()| file.sync_data()).map_err(failed)?;
    audit.enter(who, DEED, &hash(&line))?;
    Ok(line)
}

/// Signs once on each day on which somebody did something.
#[derive(Default)]
pub struct Daily(Option<Millis>);

impl Daily {
    /// Signs where this day has no signature yet. What fails is said, and tried again with the next deed.
    pub fn look(&mut self, folder: &Path, audit: &Audit) {
        let today = now().div_euclid(DAY_MS);
        let signed = |at: &str| instant::from_text(at).map(|at| at.div_euclid(DAY_MS));
        let last = || {
            let line = lines(&folder.join(SIGNED)).ok()?.pop()?;
            signed(&serde_json::from_str::<Signed>(&line).ok()?.at)
        };
        if self.0.or_else(last) != Some(today)
            && let Err(failure) = sign(folder, audit, "service")
        {
            return eprintln!("{failure}: the heads of the records are not signed today");
        }
        self.0 = Some(today);
    }
}

/// What is wrong with signed heads, and how many there are: of a file that was kept elsewhere, or of the folder's own. The key is the folder's unless
/// another is told.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(folder: &Path, kept: Option<&Path>, public: Option<&str>) -> Result<(usize, Vec<String>), Failure> {
    let audit = Audit::open(folder, DEEDS)?;
    let own = folder.join(SIGNED);
    // Nobody signs meanwhile.
    let held = File::open(&own).ok();
    held.iter().for_each(|file| drop(file.lock()));
    let path = kept.unwrap_or(&own);
    let (lines, mut wrong, mut before) = (lines(path)?, Vec::new(), String::new());
    let expected = public.map_or_else(|| digits(pair(&audit).public_key().as_ref()), str::to_owned);
    let mut told: [BTreeMap<u64, BTreeSet<(String, usize)>>; 2] = Default::default();
    for (line, number) in lines.iter().zip(1..) {
        match serde_json::from_str::<Signed>(line) {
            Err(error) => wrong.push(format!("{SIGNED}: line {number} cannot be read: {error}")),
            Ok(signed) if signed.public != expected || !signed.is_signed() => {
                wrong.push(format!("{SIGNED}: line {number} is not signed with the key {expected}"));
            }
            // Who keeps single lines has not those before.
            Ok(signed) if kept.is_none() && signed.before != before => {
                wrong.push(format!("{SIGNED}: line {number} does not follow the line before it"));
            }
            Ok(signed) => {
                for (told, head) in told.iter_mut().zip(&signed.heads) {
                    if let Some((at, seal)) = head.split_once(':') {
                        told.entry(at.parse().unwrap_or(0)).or_default().insert((seal.to_owned(), number));
                    }
                }
            }
        }
        before = hash(line);
    }
    for (name, mut told) in RECORDS.into_iter().zip(told) {
        told.remove(&0);
        Audit::open(folder, name)?.each(|line, done| {
            let seal = done.map(|done| done.seal).unwrap_or_default();
            if told.get(&line).is_some_and(|heads| heads.iter().all(|(head, _)| *head == seal)) {
                told.remove(&line);
            }
        })?;
        let of = |(at, heads): (u64, BTreeSet<(String, usize)>)| {
            let numbers: Vec<String> = heads.iter().map(|(_, number)| number.to_string()).collect();
            format!("{name}: line {at} is not the one that was signed (line {} of {SIGNED})", numbers.join(", "))
        };
        wrong.extend(told.into_iter().map(of));
    }
    if kept.is_none() {
        let known: BTreeSet<String> = lines.iter().map(|line| hash(line)).collect();
        audit.each(|line, done| {
            let is_gone = |done: &super::audit::Done| done.what == DEED && !known.contains(&done.about);
            if done.is_ok_and(|done| is_gone(&done)) {
                wrong.push(format!("{SIGNED}: the heads that line {line} of {DEEDS}.jsonl tells of are gone"));
            }
        })?;
    }
    Ok((lines.len(), wrong))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::decisions::DECISIONS;
    use super::*;

    #[test]
    fn signed_heads_find_what_was_changed_before_them_also_by_who_has_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let (place, elsewhere) = (folder.path(), tempfile::tempdir().expect("a folder"));
        let [audit, decisions] = [DEEDS, DECISIONS].map(|name| Audit::open(place, name).expect("a folder to write to"));
        let wrong = |kept: Option<&Path>| verify(place, kept, None).expect("it can be read").1;
        audit.enter("ana", "query", "SELECT 1").expect("written");
        decisions.enter("bob", "decision", "1").expect("written");
        let mut daily = Daily::default();
        daily.look(place, &audit);
        daily.look(place, &audit);
        audit.enter("ana", "query", "SELECT 2").expect("written");
        let line = sign(place, &audit, "ana").expect("signed");
        assert_eq!(verify(place, None, None).expect("it can be read"), (2, Vec::new()), "once a day, and once by hand");

        let copy = elsewhere.path().join("kept");
        fs::write(&copy, format!("{line}\n")).expect("a file");
        let public = serde_json::from_str::<Signed>(&line).expect("a line").public;
        assert_eq!(verify(place, Some(&copy), Some(&public)).expect("it can be read"), (1, Vec::new()));

        let path = |name: &str| place.join(name);

        // A line that was changed, signed lines that are gone, and another's signature.
        let text = fs::read_to_string(path(SIGNED)).expect("a file");
        for (changed, says) in [
            (text.replace("\"at\":\"2", "\"at\":\"3"), "is not signed with the key"),
            (text.lines().skip(1).map(|line| format!("{line}\n")).collect(), "does not follow"),
            (text.lines().take(1).map(|line| format!("{line}\n")).collect(), "are gone"),
            (String::new(), "are gone"),
            (text.replacen("\"heads\":[\"", "\"heads\":[\"9", 1), "is not signed with the key"),
        ] {
            fs::write(path(SIGNED), changed).expect("a file");
            assert!(wrong(None).iter().any(|wrong| wrong.contains(says)), "{says}: {:?}", wrong(None));
        }
        fs::write(path(SIGNED), &text).expect("a file");
        let other = tempfile::tempdir().expect("a folder");
        let stranger = Audit::open(other.path(), DEEDS).expect("another key");
        stranger.enter("eve", "query", "SELECT 1").expect("written");
        fs::write(&copy, format!("{}\n", sign(other.path(), &stranger, "eve").expect("signed"))).expect("a file");
        assert!(wrong(Some(&copy)).iter().any(|wrong| wrong.contains("is not signed with the key")));

        // Lines that are not there any more are told by the copy that was kept, whoever made the rest anew.
        fs::write(&copy, format!("{line}\n")).expect("a file");
        assert_eq!(wrong(Some(&copy)), [] as [&str; 0]);
        let lines = fs::read_to_string(path("audit.jsonl")).expect("a file");
        let anew: String = lines.lines().skip(1).map(|line| format!("{line}\n")).collect();
        fs::write(path("audit.jsonl"), anew).expect("a file");
        assert!(wrong(Some(&copy)).iter().any(|wrong| wrong.contains("is not the one that was signed")));
    }
}
