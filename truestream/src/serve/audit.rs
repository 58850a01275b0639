//! Who did what: a file that is only ever added to, each line sealed with a key and with the seal of the line before.
//!
//! ```text
//! who, what, about ──▶ audit.jsonl: {number, …, before, seal} ──▶ audit.head: the last number and seal
//! truestream audit verify: an edit, a deletion or a reordering breaks a seal; a truncation disagrees with the head
//! ```
//!
//! Who has the folder but not the key cannot make a line. Who has both can make all of it anew; a head that was kept
//! elsewhere (`audit head`) tells that, too.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use datasets::formats::instant;
use serde::{Deserialize, Serialize};

use super::state::{now, secret, write_whole};
use crate::exit::Failure;

/// The name of the files in which everything that somebody did stands.
pub const DEEDS: &str = "audit";
/// The key of all records of a folder.
pub const KEY: &str = "audit.key";
/// So many lines may wait to be written.
const WAITING: usize = 4_096;

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Counted from 1.
    pub number: u64,
    /// When.
    pub at: String,
    /// The user or token; `command line` where somebody with the folder did it.
    pub who: String,
    /// What was done, in a word: `login`, `query`, `decision`, …
    pub what: String,
    /// To whom or what, as far as it is to be known.
    pub about: String,
    /// The seal of the line before; empty in the first.
    pub before: String,
    /// The keyed hash of this line without this field.
    pub seal: String,
}

impl Done {
    fn sealed(&self, key: &[u8; 32]) -> String {
        let unsealed = Done { seal: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsealed).expect("texts and a number have a JSON form");
        blake3::keyed_hash(key, text.as_bytes()).to_hex().to_string()
    }
}

/// What is to become a line.
#[derive(Clone, Debug)]
struct Deed {
    who: String,
    what: String,
    about: String,
}

/// Writes down what many do at once: one sync for all that waits, and nobody who asks waits for it.
#[derive(Clone)]
pub struct Clerk(SyncSender<Deed>);

impl Clerk {
    /// Has it written down soon; waits only where very much waits already.
    pub fn note(&self, who: &str, what: &str, about: &str) {
        // A closed channel means that the service ends.
        let _ = self.0.send(Deed { who: who.to_owned(), what: what.to_owned(), about: about.to_owned() });
    }
}

/// What checking found.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// Lines.
    pub lines: u64,
    /// The seal of the last one; empty where there is none.
    pub head: String,
    /// What is wrong, the first first.
    pub wrong: Vec<String>,
}

/// A record of a service's folder.
pub struct Audit {
    lines: PathBuf,
    head: PathBuf,
    lock: PathBuf,
    key: [u8; 32],
    last: Mutex<Last>,
}

/// The last line that this process knows of.
#[derive(Clone, Default)]
struct Last {
    bytes: u64,
    number: u64,
    seal: String,
}

impl Audit {
    /// Opens the record of that name in the folder; the key of all of them is made the first time.
    ///
    /// # Errors
    /// When the key is damaged or cannot be made.
    pub fn open(folder: &Path, name: &str) -> Result<Audit, Failure> {
        let path = folder.join(KEY);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = secret()?;
                write_whole(&path, made.as_bytes())?;
                made
            }
            Err(error) => return Err(Failure::Input(format!("{}: {error}", path.display()))),
        };
        let key = blake3::Hash::from_hex(text.trim());
        let key = key.map_err(|_| Failure::Input(format!("{}: no key of 64 hexadecimal digits", path.display())))?;
        let [lines, head, lock] = ["jsonl", "head", "lock"].map(|kind| folder.join(format!("{name}.{kind}")));
        Ok(Audit { lines, head, lock, key: *key.as_bytes(), last: Mutex::default() })
    }

    /// Another key for another purpose, made of the one of the folder; it says nothing of it.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.key)
    }

    /// Adds a line; it is on disk when this returns its number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn enter(&self, who: &str, what: &str, about: &str) -> Result<u64, Failure> {
        self.enter_all(&[Deed { who: who.to_owned(), what: what.to_owned(), about: about.to_owned() }])
    }

    /// Adds a line about each, one after the other; they are on disk when this returns the number of the last.
    ///
    /// # Errors
    /// When they cannot be written: then none is there.
    pub fn enter_each(&self, who: &str, what: &str, about: &[String]) -> Result<u64, Failure> {
        let deed = |about: &String| Deed { who: who.to_owned(), what: what.to_owned(), about: about.clone() };
        self.enter_all(&about.iter().map(deed).collect::<Vec<_>>())
    }

    fn enter_all(&self, deeds: &[Deed]) -> Result<u64, Failure> {
        let failed = |error: std::io::Error| Failure::Output(format!("{}: {error}", self.lines.display()));
        let mut last = self.last.lock().expect("nobody panics with it");
        // Commands write beside a service that runs.
        let lock = File::create(&self.lock).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let file = File::options().create(true).append(true).mode(0o600).open(&self.lines);
        let mut file = file.map_err(failed)?;
        if file.metadata().map_err(failed)?.len() != last.bytes {
            *last = self.last_line().map_err(failed)?;
            // What a crash tore was never acknowledged.
            file.set_len(last.bytes).map_err(failed)?;
        }
        let (mut next, mut lines, at) = (last.clone(), String::new(), instant::to_text(now()));
        for Deed { who, what, about } in deeds.iter().cloned() {
            let (number, before) = (next.number + 1, next.seal);
            let mut done = Done { number, at: at.clone(), who, what, about, before, seal: String::new() };
            done.seal = done.sealed(&self.key);
            lines.push_str(&serde_json::to_string(&done).expect("texts and a number have a JSON form"));
            lines.push('\n');
            (next.number, next.seal) = (number, done.seal);
        }
        next.bytes += lines.len() as u64;
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
        let head = File::options().create(true).write(true).truncate(false).mode(0o600).open(&self.head);
        let told = format!("{:020} {}\n", next.number, next.seal);
        head.and_then(|head| head.write_all_at(told.as_bytes(), 0)).map_err(failed)?;
        *last = next;
        Ok(last.number)
    }

    fn last_line(&self) -> std::io::Result<Last> {
        let (mut last, mut line) = (Last::default(), String::new());
        let mut file = BufReader::new(File::open(&self.lines)?);
        while file.read_line(&mut line)? > 0 && line.ends_with('\n') {
            last.bytes += line.len() as u64;
            last.number += 1;
            if let Ok(done) = serde_json::from_str::<Done>(&line) {
                (last.number, last.seal) = (done.number, done.seal);
            }
            line.clear();
        }
        Ok(last)
    }

    /// Somebody who writes down what many do; the thread ends when all clerks are gone.
    pub fn clerk(self: &Arc<Audit>) -> (Clerk, JoinHandle<()>) {
        let (sender, deeds) = sync_channel::<Deed>(WAITING);
        let audit = self.clone();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = deeds.recv() {
                let waiting: Vec<Deed> = std::iter::once(first).chain(deeds.try_iter().take(WAITING)).collect();
                if let Err(failure) = audit.enter_all(&waiting) {
                    eprintln!("{failure}: {} lines are not written down", waiting.len());
                }
            }
        });
        (Clerk(sender), thread)
    }

    /// All lines in their order, as far as they can be read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn each(&self, mut see: impl FnMut(u64, Result<Done, String>)) -> Result<(), Failure> {
        let path = &self.lines;
        let failed = |error: std::io::Error| Failure::Input(format!("{}: {error}", path.display()));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for (at, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(failed)?;
            see(at as u64 + 1, serde_json::from_str(&line).map_err(|error| error.to_string()));
        }
        Ok(())
    }

    /// Checks every seal, the order, and that nothing is missing at the end.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify(&self) -> Result<Checked, Failure> {
        let mut checked = Checked { lines: 0, head: String::new(), wrong: Vec::new() };
        let mut before = String::new();
        self.each(|line, done| {
            checked.lines = line;
            let why = match &done {
                Err(why) => Some(format!("cannot be read: {why}")),
                Ok(done) if done.seal != done.sealed(&self.key) => Some("was changed: its seal is another".to_owned()),
                Ok(done) if done.number != line => Some(format!("has the number {}", done.number)),
                Ok(done) if done.before != checked.head => Some("does not follow the line before it".to_owned()),
                Ok(_) => None,
            };
            checked.wrong.extend(why.map(|why| format!("line {line} {why}")));
            before = std::mem::take(&mut checked.head);
            checked.head = done.map_or(String::new(), |done| done.seal);
        })?;
        let head = fs::read_to_string(&self.head).unwrap_or_default();
        let told = head.split_once(' ').map(|(number, seal)| (number.parse::<u64>().ok(), seal.trim_end()));
        let is_whole = match told {
            // A kill between the line and the head leaves the head one behind.
            Some((Some(number), seal)) => {
                number == checked.lines && seal == checked.head || number + 1 == checked.lines && seal == before
            }
            _ => checked.lines <= 1 && head.is_empty(),
        };
        if !is_whole {
            let said = told.and_then(|(number, _)| number).map_or("nothing".to_owned(), |number| number.to_string());
            let (lines, seal) = (checked.lines, "or that line has another seal");
            checked.wrong.push(format!("its head says {said} lines, there are {lines}: the end is missing, {seal}"));
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (tempfile::TempDir, Audit, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let audit = Audit::open(folder.path(), DEEDS).expect("a folder to write to");
        for at in 0..5 {
            audit.enter("ana", "query", &format!("SELECT {at}")).expect("it is written");
        }
        let text = fs::read_to_string(folder.path().join("audit.jsonl")).expect("a file");
        (folder, audit, text.lines().map(str::to_owned).collect())
    }

    type Change = fn(&mut Vec<String>);

    fn wrong_of(lines: &[String]) -> Vec<String> {
        let (folder, audit, _) = filled();
        // The same key, other lines.
        fs::write(folder.path().join("audit.jsonl"), lines.iter().map(|line| format!("{line}\n")).collect::<String>())
            .expect("a file");
        audit.verify().expect("it can be read").wrong
    }

    #[test]
    fn an_edit_a_deletion_a_reordering_and_a_truncation_are_found() {
        let (folder, audit, lines) = filled();
        assert_eq!(audit.verify().expect("it can be read").wrong, [] as [&str; 0]);
        let changes: [(&str, Change); 6] = [
            ("edit", |lines| lines[2] = lines[2].replace("SELECT 2", "SELECT 9")),
            ("deletion", |lines| drop(lines.remove(1))),
            ("deletion of the first", |lines| drop(lines.remove(0))),
            ("reordering", |lines| lines.swap(1, 3)),
            ("truncation", |lines| lines.truncate(3)),
            ("all of it", Vec::clear),
        ];
        for (name, change) in changes {
            let mut changed = lines.clone();
            change(&mut changed);
            fs::write(
                folder.path().join("audit.jsonl"),
                changed.iter().map(|line| format!("{line}\n")).collect::<String>(),
            )
            .expect("a file");
            assert!(!audit.verify().expect("it can be read").wrong.is_empty(), "{name}");
        }
        // Lines of another key are none of ours.
        assert!(wrong_of(&lines).len() >= 5);
    }

    #[test]
    fn a_kill_amid_a_line_loses_only_that_line() {
        let (folder, audit, lines) = filled();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(folder.path().join("audit.jsonl"), format!("{text}{}", &lines[0][..40])).expect("a file");
        drop(audit);
        let audit = Audit::open(folder.path(), DEEDS).expect("the same key");
        audit.enter("ana", "query", "SELECT 5").expect("it is written");
        let checked = audit.verify().expect("it can be read");
        assert_eq!((checked.lines, checked.wrong), (6, Vec::new()));
    }

    #[test]
    fn two_that_write_make_one_chain() {
        let (folder, audit, _) = filled();
        let other = Audit::open(folder.path(), DEEDS).expect("the same key");
        for at in 0..4 {
            [&audit, &other][at % 2].enter("bob", "decision", "hold").expect("it is written");
        }
        let checked = audit.verify().expect("it can be read");
        assert_eq!((checked.lines, checked.wrong), (9, Vec::new()));
    }
}
