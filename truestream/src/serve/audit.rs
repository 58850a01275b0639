//! Who did what: a file that is only ever added to, each line sealed with a key and with the seal of the line before.
//!
//! ```text
//! who, what, about ──▶ audit.jsonl: {number, …, before, seal} ──▶ audit.head: the last number and seal, sealed
//!                              │ ▲ beside: the other's head
//! decisions of the desk ──▶ decisions.jsonl ──▶ decisions.head
//! truestream audit verify: an edit, a deletion or a reordering breaks a seal; a truncation disagrees with the head, or with the other record
//! ```
//!
//! Who has the folder but not the key cannot make a line or a head. Who kept an earlier state of all files can put it back, and who has the key
//! can make all of it anew; heads that were kept elsewhere (`audit verify --head`) tell that, too.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use datasets::formats::instant;
use serde::{Deserialize, Serialize};

use super::decisions::DECISIONS;
use super::signed::Daily;
use super::state::{now, secret, write_whole};
use crate::exit::Failure;

/// The name of the files in which everything that somebody did stands.
pub const DEEDS: &str = "audit";
/// The records of a folder. Each says in its lines how far the other one is.
pub const RECORDS: [&str; 2] = [DEEDS, DECISIONS];
/// The key of all records of a folder.
pub const KEY: &str = "audit.key";
/// Stands after a key with which heads are sealed, too: then both records have one, and a missing one was taken away.
const SEALED_HEADS: &str = "2";
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
    /// The head of the other record, number and seal, where it is another than was told before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub beside: String,
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

    /// What is wrong with it as the line of that number after one with that seal.
    fn is_wrong(&self, key: &[u8; 32], number: u64, before: &str) -> Option<String> {
        match () {
            () if self.seal != self.sealed(key) => Some("was changed: its seal is another".to_owned()),
            () if self.number != number => Some(format!("has the number {}", self.number)),
            () if self.before != before => Some("does not follow the line before it".to_owned()),
            () => None,
        }
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
    /// What its lines say of the other record: a head of it, by the first line that does.
    beside: HashMap<String, u64>,
}

impl Checked {
    /// Its head, to be kept elsewhere.
    pub fn told(&self) -> String {
        format!("{}:{}", self.lines, self.head)
    }
}

/// Of lines that a crash kept from the head, how many count.
type Whole = fn(&[Done]) -> usize;

/// A record of a service's folder.
pub struct Audit {
    folder: PathBuf,
    name: &'static str,
    key: [u8; 32],
    whole: Whole,
    last: Mutex<Option<Last>>,
    /// The other record's head as it was told last.
    beside: Mutex<String>,
}

/// The last line that this process knows of.
#[derive(Clone, Debug, Default)]
struct Last {
    bytes: u64,
    number: u64,
    seal: String,
    /// Why nothing more can be written.
    stopped: Option<String>,
}

impl Audit {
    /// Opens the record of that name in the folder; the key of all of them is made the first time.
    ///
    /// # Errors
    /// When the key is damaged, missing where lines are, or cannot be made.
    pub fn open(folder: &Path, name: &'static str) -> Result<Audit, Failure> {
        Audit::open_with(folder, name, <[Done]>::len)
    }

    /// The same where not every line counts that a crash kept from the head.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn open_with(folder: &Path, name: &'static str, whole: Whole) -> Result<Audit, Failure> {
        let key = match key_of(folder)? {
            Some((key, _)) => key,
            None => begin(folder)?,
        };
        Ok(Audit { folder: folder.to_owned(), name, key, whole, last: Mutex::default(), beside: Mutex::default() })
    }

    fn path(&self, kind: &str) -> PathBuf {
        path_of(&self.folder, self.name, kind)
    }

    /// Another key for another purpose, made of the one of the folder; it says nothing of it.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.key)
    }

    /// Number and seal of the last line of each record of the folder, in the order of [`RECORDS`], as their heads say; `0:` where there is none.
    ///
    /// # Errors
    /// When a head is missing or was changed.
    pub fn heads(&self) -> Result<[String; 2], Failure> {
        let is_sealed = are_sealed(&self.folder)?;
        let mut heads = [String::new(), String::new()];
        for (told, name) in heads.iter_mut().zip(RECORDS) {
            let head = head_of(&self.folder, name, &self.key, is_sealed);
            let (number, seal) = head.map_err(|why| self.refused(&why))?.unwrap_or_default();
            *told = format!("{number}:{seal}");
        }
        Ok(heads)
    }

    /// Adds a line; it is on disk when this returns its number.
    ///
    /// # Errors
    /// When it cannot be written, or the end of the record is missing.
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

    /// Makes the end whole after a crash: what it tore was never acknowledged and goes, lines that it kept from the head count, and the head
    /// says so.
    ///
    /// # Errors
    /// When the end is missing or was changed, so that nothing may be added, or it cannot be written.
    pub fn mend(&self) -> Result<(), Failure> {
        self.enter_all(&[]).map(drop)
    }

    fn enter_all(&self, deeds: &[Deed]) -> Result<u64, Failure> {
        let failed = |error: std::io::Error| Failure::Output(format!("{}: {error}", self.path("jsonl").display()));
        let mut known = self.last.lock().expect("nobody panics with it");
        if let Some(why) = known.as_ref().and_then(|last| last.stopped.as_ref()) {
            return Err(Failure::Output(format!("{}: nothing more is written: {why}", self.path("jsonl").display())));
        }
        if known.is_none() {
            seal_heads(&self.folder)?;
        }
        // Commands write beside a service that runs.
        let _lock = locked(&self.folder, self.name).map_err(failed)?;
        let file = File::options().create(true).append(true).mode(0o600).open(self.path("jsonl"));
        let mut file = file.map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        if known.as_ref().is_none_or(|last| last.bytes != bytes) {
            let end = self.end()?;
            if let Some(last) = known.as_ref().filter(|last| last.number > end.number) {
                return Err(self.refused(&missing(last.number, end.number)));
            }
            if bytes > end.bytes {
                let cut = bytes - end.bytes;
                eprintln!(
                    "{}: {cut} bytes after line {} were never acknowledged and go",
                    self.path("jsonl").display(),
                    end.number
                );
            }
            let mended = file.set_len(end.bytes).and_then(|()| file.sync_data());
            mended.and_then(|()| self.write_head(&end)?.sync_data()).map_err(failed)?;
            *known = Some(end);
        }
        let last = known.as_mut().expect("it was looked for above");
        if deeds.is_empty() {
            return Ok(last.number);
        }
        let (mut next, mut lines, at) = (last.clone(), String::new(), instant::to_text(now()));
        let told = self.told_beside();
        let mut beside = told.clone();
        for Deed { who, what, about } in deeds.iter().cloned() {
            let (number, before, beside) = (next.number + 1, next.seal, beside.take().unwrap_or_default());
            let mut done = Done { number, at: at.clone(), who, what, about, beside, before, seal: String::new() };
            done.seal = done.sealed(&self.key);
            lines.push_str(&serde_json::to_string(&done).expect("texts and a number have a JSON form"));
            lines.push('\n');
            (next.number, next.seal) = (number, done.seal);
        }
        next.bytes += lines.len() as u64;
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written.and_then(|()| self.write_head(&next).map(drop)) {
            // What of it was written must not come back; and after a failed sync trying again would prove nothing.
            let undone = file.set_len(last.bytes).and_then(|()| file.sync_data());
            let undone = undone.and_then(|()| self.write_head(last).map(drop));
            if undone.is_err() || error.kind() != ErrorKind::StorageFull {
                last.stopped = Some(error.to_string());
            }
            return Err(failed(error));
        }
        *last = next;
        if let Some(told) = told {
            *self.beside.lock().expect("nobody panics with it") = told;
        }
        Ok(last.number)
    }

    /// The other record's head, where it is another than was told before. Its line is on disk; where somebody writes it just now it is told the
    /// next time.
    fn told_beside(&self) -> Option<String> {
        let name = RECORDS.into_iter().find(|name| *name != self.name)?;
        let head = head_of(&self.folder, name, &self.key, true).ok().flatten().filter(|(number, _)| *number > 0);
        let told = head.map(|(number, seal)| format!("{number}:{seal}"))?;
        let known = self.beside.lock().expect("nobody panics with it");
        (*known != told).then_some(told)
    }

    fn write_head(&self, last: &Last) -> std::io::Result<File> {
        let head = File::options().create(true).write(true).truncate(false).mode(0o600).open(self.path("head"))?;
        let told = head_text(self.name, last, &self.key);
        head.write_all_at(told.as_bytes(), 0)?;
        head.set_len(told.len() as u64)?;
        Ok(head)
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::Input(format!(
            "{}: {why}; nothing is added to a record that lost its end: bring {} back from a backup, all of the same one",
            self.path("jsonl").display(),
            RECORDS.map(|name| format!("{name}.*")).join(" and ")
        ))
    }

    /// Where what counts ends; to be asked while nobody writes. What the head vouches for has to be there. Beyond it are lines that a crash kept
    /// from it: those count, as far as they are whole, and what is none was torn.
    fn end(&self) -> Result<Last, Failure> {
        let path = self.path("jsonl");
        let failed = |error: std::io::Error| Failure::Input(format!("{}: {error}", path.display()));
        let head = head_of(&self.folder, self.name, &self.key, are_sealed(&self.folder)?);
        let (number, seal) = head.map_err(|why| self.refused(&why))?.unwrap_or_default();
        let (mut at, mut line) = (Last::default(), Vec::new());
        let mut file = lines_of(&path).map_err(failed)?;
        while at.number < number {
            if !whole_line(&mut file, &mut line).map_err(failed)? {
                return Err(self.refused(&missing(number, at.number)));
            }
            // Whether somebody changed it is asked elsewhere, of all of it.
            let seal = serde_json::from_slice(&line).map_or(String::new(), |Done { seal, .. }| seal);
            at = Last { bytes: at.bytes + line.len() as u64, number: at.number + 1, seal, stopped: None };
        }
        if at.seal != seal {
            return Err(self.refused(&format!("line {number} has another seal than its head says")));
        }
        let (mut ends, mut beyond) = (vec![at], Vec::new());
        while whole_line(&mut file, &mut line).map_err(failed)? {
            let Ok(done) = serde_json::from_slice::<Done>(&line) else { break };
            let Last { bytes, number, seal, .. } = ends.last().expect("there is one from the start");
            if let Some(why) = done.is_wrong(&self.key, number + 1, seal) {
                return Err(self.refused(&format!("line {} {why}", number + 1)));
            }
            let (bytes, seal) = (bytes + line.len() as u64, done.seal.clone());
            ends.push(Last { bytes, number: done.number, seal, stopped: None });
            beyond.push(done);
        }
        Ok(ends.swap_remove((self.whole)(&beyond)))
    }

    /// Somebody who writes down what many do; the thread ends when all clerks are gone.
    pub fn clerk(self: &Arc<Audit>) -> (Clerk, JoinHandle<()>) {
        let (sender, deeds) = sync_channel::<Deed>(WAITING);
        let audit = self.clone();
        let thread = std::thread::spawn(move || {
            let mut daily = Daily::default();
            while let Ok(first) = deeds.recv() {
                let waiting: Vec<Deed> = std::iter::once(first).chain(deeds.try_iter().take(WAITING)).collect();
                match audit.enter_all(&waiting) {
                    Ok(_) => daily.look(&audit.folder, &audit),
                    Err(failure) => eprintln!("{failure}: {} lines are not written down", waiting.len()),
                }
            }
        });
        (Clerk(sender), thread)
    }

    /// All lines in their order, as far as they can be read; one that is not complete is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn each(&self, mut see: impl FnMut(u64, Result<Done, String>)) -> Result<(), Failure> {
        let path = self.path("jsonl");
        let failed = |error: std::io::Error| Failure::Input(format!("{}: {error}", path.display()));
        let (mut file, mut line, mut number) = (lines_of(&path).map_err(failed)?, Vec::new(), 0);
        while whole_line(&mut file, &mut line).map_err(failed)? {
            number += 1;
            see(number, serde_json::from_slice(&line).map_err(|error| error.to_string()));
        }
        Ok(())
    }

    /// The lines that count, which changes nothing, also beside a service that runs: a batch that is being written is there as a whole or not
    /// at all.
    ///
    /// # Errors
    /// When the file cannot be read, or its end is missing.
    pub fn counted(&self) -> Result<u64, Failure> {
        let _lock = locked(&self.folder, self.name).ok();
        self.end().map(|last| last.number)
    }

    /// Checks every seal, the order, and that nothing is missing at the end.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify(&self) -> Result<Checked, Failure> {
        // Nobody is amid a line meanwhile; in a folder that cannot be written to there is nobody.
        let _lock = locked(&self.folder, self.name).ok();
        let mut checked = Checked { lines: 0, head: String::new(), wrong: Vec::new(), beside: HashMap::new() };
        let is_sealed = are_sealed(&self.folder)?;
        let head = head_of(&self.folder, self.name, &self.key, is_sealed);
        let mut vouched = None;
        self.each(|line, done| {
            checked.lines = line;
            let why = match &done {
                Err(why) => Some(format!("cannot be read: {why}")),
                Ok(done) => done.is_wrong(&self.key, line, &checked.head),
            };
            checked.wrong.extend(why.map(|why| format!("line {line} {why}")));
            checked.head.clear();
            if let Ok(Done { seal, beside, .. }) = done {
                checked.head = seal;
                if !beside.is_empty() {
                    checked.beside.entry(beside).or_insert(line);
                }
            }
            if head.as_ref().is_ok_and(|head| head.as_ref().is_some_and(|(number, _)| *number == line)) {
                vouched = Some(checked.head.clone());
            }
        })?;
        let why = match head {
            Err(why) => Some(why),
            // A kill between the first line and the head of an earlier version left none.
            Ok(None) => (checked.lines > 1).then(|| "its head is missing".to_owned()),
            Ok(Some((number, _))) if number > checked.lines => Some(missing(number, checked.lines)),
            Ok(Some((number, seal))) => {
                let is_other = number > 0 && vouched.is_some_and(|vouched| vouched != seal);
                is_other.then(|| format!("line {number} has another seal than its head says"))
            }
        };
        checked.wrong.extend(why);
        Ok(checked)
    }
}

/// Checks all records of a folder, and that each has what the other one says of it; in the order of [`RECORDS`].
///
/// # Errors
/// When a file cannot be read.
pub fn verify_all(folder: &Path) -> Result<[Checked; 2], Failure> {
    let [deeds, decisions] = [Audit::open(folder, DEEDS)?, Audit::open(folder, DECISIONS)?];
    let mut checked = [deeds.verify()?, decisions.verify()?];
    for (of, (record, other)) in [(&deeds, DECISIONS), (&decisions, DEEDS)].into_iter().enumerate() {
        let mut told = std::mem::take(&mut checked[1 - of].beside);
        // What is added meanwhile was not told yet.
        record.each(|line, done| drop(done.map(|done| told.remove(&format!("{line}:{}", done.seal)))))?;
        let mut told: Vec<(String, u64)> = told.into_iter().collect();
        told.sort_by_key(|(_, line)| *line);
        let gone = told.first().map(|(head, line)| {
            let number = head.split(':').next().unwrap_or_default();
            format!(
                "line {number} is not the one that line {line} of {other}.jsonl knows: the end is missing, or another"
            )
        });
        checked[of].wrong.extend(gone);
    }
    Ok(checked)
}

fn path_of(folder: &Path, name: &str, kind: &str) -> PathBuf {
    folder.join(format!("{name}.{kind}"))
}

/// Nobody else writes the record for as long as the file is held.
fn locked(folder: &Path, name: &str) -> std::io::Result<File> {
    let lock = File::create(path_of(folder, name, "lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Nobody writes a record of the folder for as long as this is held.
///
/// # Errors
/// When the folder cannot be written to.
pub fn all_locked(folder: &Path) -> Result<Vec<File>, Failure> {
    let locks = RECORDS.iter().map(|name| locked(folder, name)).collect::<std::io::Result<_>>();
    locks.map_err(|error| Failure::Output(format!("{}: {error}", folder.display())))
}

/// The key of the folder, and whether its heads are sealed; `None` where there is none.
fn key_of(folder: &Path) -> Result<Option<([u8; 32], bool)>, Failure> {
    let path = folder.join(KEY);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::Input(format!("{}: {error}", path.display()))),
    };
    let (key, kind) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let is_sealed = kind == SEALED_HEADS;
    let key = blake3::Hash::from_hex(key).ok().filter(|_| is_sealed || kind.is_empty());
    let key = key.ok_or_else(|| Failure::Input(format!("{}: no key of 64 hexadecimal digits", path.display())))?;
    Ok(Some((*key.as_bytes(), is_sealed)))
}

fn are_sealed(folder: &Path) -> Result<bool, Failure> {
    Ok(key_of(folder)?.is_some_and(|(_, is_sealed)| is_sealed))
}

/// Begins the records of a folder: with heads that say that nothing is there, and then with the key. Where the key is they have to be.
fn begin(folder: &Path) -> Result<[u8; 32], Failure> {
    let output = |error: std::io::Error| Failure::Output(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(output)?;
    let _locks = all_locked(folder)?;
    if let Some((key, _)) = key_of(folder)? {
        return Ok(key);
    }
    for lines in RECORDS.map(|name| path_of(folder, name, "jsonl")) {
        if fs::metadata(&lines).is_ok_and(|file| file.len() > 0) {
            return Err(Failure::Input(format!(
                "{}: there is no key, and {} was sealed with one; bring it back from a backup",
                folder.join(KEY).display(),
                lines.display()
            )));
        }
        write_whole(&lines, b"")?;
    }
    let made = secret()?;
    let key = *blake3::Hash::from_hex(&made).expect("it was made so").as_bytes();
    for name in RECORDS {
        write_whole(&path_of(folder, name, "head"), head_text(name, &Last::default(), &key).as_bytes())?;
    }
    write_whole(&folder.join(KEY), format!("{made} {SEALED_HEADS}\n").as_bytes())?;
    Ok(key)
}

/// Seals the heads of a folder of an earlier version; from then on there is no other.
fn seal_heads(folder: &Path) -> Result<(), Failure> {
    if are_sealed(folder)? {
        return Ok(());
    }
    let _locks = all_locked(folder)?;
    let Some((key, false)) = key_of(folder)? else { return Ok(()) };
    for name in RECORDS {
        let record = Audit::open(folder, name)?;
        record.end()?;
        let head = head_of(folder, name, &key, false).map_err(|why| record.refused(&why))?;
        let (number, seal) = head.unwrap_or_default();
        let head = head_text(name, &Last { number, seal, ..Last::default() }, &key);
        write_whole(&path_of(folder, name, "head"), head.as_bytes())?;
    }
    let key = blake3::Hash::from_bytes(key).to_hex();
    write_whole(&folder.join(KEY), format!("{key} {SEALED_HEADS}\n").as_bytes())
}

/// What is said where the head knows of more than there is.
fn missing(said: u64, lines: u64) -> String {
    format!("its head says {said} lines, there are {lines}: the end is missing")
}

fn head_text(name: &str, last: &Last, key: &[u8; 32]) -> String {
    let told = format!("{:020} {}", last.number, last.seal);
    let seal = blake3::keyed_hash(key, format!("head of {name} {told}").as_bytes()).to_hex();
    format!("{told} {seal}\n")
}

/// The number and the seal of the last line that a head vouches for; `None` where an earlier version has not written one yet.
fn head_of(folder: &Path, name: &str, key: &[u8; 32], is_sealed: bool) -> Result<Option<(u64, String)>, String> {
    let text = match fs::read_to_string(path_of(folder, name, "head")) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !is_sealed => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("its head is missing".to_owned()),
        Err(error) => return Err(format!("its head: {error}")),
    };
    let mut parts = text.trim_end_matches('\n').split(' ');
    let (number, seal) = (parts.next().and_then(|number| number.parse().ok()), parts.next());
    let head = number.zip(seal).map(|(number, seal)| Last { number, seal: seal.to_owned(), ..Last::default() });
    let is_ours = |head: &Last| match parts.next() {
        None => !is_sealed,
        Some(_) => text == head_text(name, head, key),
    };
    let head = head.filter(is_ours).ok_or("its head was changed: it is not sealed with the key")?;
    Ok(Some((head.number, head.seal)))
}

/// The file to be read; one that there is not has no lines.
fn lines_of(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Box::new(std::io::empty())),
        Err(error) => Err(error),
    }
}

/// Reads the next line, its end with it; whether there is one that is complete.
fn whole_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    Ok(file.read_until(b'\n', line)? > 0 && line.ends_with(b"\n"))
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
    type Taken<'a> = &'a dyn Fn(&Path);

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

    /// The files of a folder's records, as they are.
    fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let kinds = RECORDS.into_iter().flat_map(|name| ["jsonl", "head"].map(|kind| path_of(folder, name, kind)));
        kinds.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
    }

    fn wrong_in(folder: &Path) -> Vec<String> {
        verify_all(folder).expect("they can be read").into_iter().flat_map(|checked| checked.wrong).collect()
    }

    /// Five lines of the one record, and two of the other.
    fn both() -> tempfile::TempDir {
        let (folder, _, _) = filled();
        let decisions = Audit::open(folder.path(), DECISIONS).expect("the same key");
        for at in 0..2 {
            decisions.enter("bob", "decision", &at.to_string()).expect("it is written");
        }
        assert_eq!(wrong_in(folder.path()), [] as [&str; 0]);
        folder
    }

    #[test]
    fn what_was_taken_away_stays_missed_and_nothing_is_added_behind_it() {
        let at = |folder: &Path, name: &str| folder.join(name);
        let cut = |folder: &Path, lines: usize| {
            let text = fs::read_to_string(folder.join("audit.jsonl")).expect("a file");
            let kept: String = text.lines().take(lines).map(|line| format!("{line}\n")).collect();
            fs::write(folder.join("audit.jsonl"), kept).expect("a file");
        };
        let gone = |folder: &Path, name: &str| fs::remove_file(folder.join(name)).expect("a file");
        let taken: [(&str, Taken<'_>); 9] = [
            ("the end", &|folder| cut(folder, 3)),
            ("the end, and a head by hand", &|folder| {
                cut(folder, 3);
                let text = fs::read_to_string(folder.join("audit.jsonl")).expect("a file");
                let last: Done = serde_json::from_str(text.lines().last().expect("a line")).expect("a line");
                fs::write(at(folder, "audit.head"), format!("{:020} {}\n", 3, last.seal)).expect("a file");
            }),
            ("the end, and a head by hand with the seal of the one before", &|folder| {
                cut(folder, 3);
                let text = fs::read_to_string(folder.join("audit.jsonl")).expect("a file");
                let last: Done = serde_json::from_str(text.lines().last().expect("a line")).expect("a line");
                let before = fs::read_to_string(at(folder, "audit.head")).expect("a file");
                let seal = before.rsplit(' ').next().expect("a seal");
                fs::write(at(folder, "audit.head"), format!("{:020} {} {seal}", 3, last.seal)).expect("a file");
            }),
            ("the end, and the head of the other record", &|folder| {
                cut(folder, 2);
                fs::copy(at(folder, "decisions.head"), at(folder, "audit.head")).expect("a file");
            }),
            ("the head and all lines but one", &|folder| {
                cut(folder, 1);
                gone(folder, "audit.head");
            }),
            ("both files", &|folder| ["audit.jsonl", "audit.head"].iter().for_each(|name| gone(folder, name))),
            ("the lines", &|folder| gone(folder, "audit.jsonl")),
            ("decisions", &|folder| ["decisions.jsonl", "decisions.head"].iter().for_each(|name| gone(folder, name))),
            ("the key", &|folder| gone(folder, KEY)),
        ];
        for (what, take) in taken {
            let folder = both();
            let before = Audit::open(folder.path(), DEEDS).expect("the same key");
            before.enter("ana", "query", "SELECT 6").expect("it is written");
            take(folder.path());
            if what == "the key" {
                assert!(Audit::open(folder.path(), DEEDS).is_err());
                continue;
            }
            assert!(!wrong_in(folder.path()).is_empty(), "{what}");
            let name = if what == "decisions" { DECISIONS } else { DEEDS };
            for record in [Audit::open(folder.path(), name).expect("the same key"), before] {
                let added = record.enter("eve", "user added", "eve");
                assert!(record.name != name || added.is_err(), "{what}");
            }
            assert!(!wrong_in(folder.path()).is_empty(), "{what}, and somebody added a line");
        }
    }

    #[test]
    fn each_record_knows_how_far_the_other_one_was() {
        for name in RECORDS {
            let folder = both();
            let earlier = files(folder.path());
            for name in [DEEDS, DECISIONS, DEEDS] {
                let record = Audit::open(folder.path(), name).expect("the same key");
                record.enter("ana", "query", "SELECT 6").expect("it is written");
            }
            assert_eq!(wrong_in(folder.path()), [] as [&str; 0]);
            // An earlier state of one of them, whole and sealed, is put back.
            for (path, bytes) in earlier.iter().filter(|(path, _)| path.to_string_lossy().contains(name)) {
                fs::write(path, bytes).expect("a file");
            }
            assert_eq!(
                Audit::open(folder.path(), name).expect("a key").verify().expect("a file").wrong,
                [] as [&str; 0]
            );
            assert_eq!(wrong_in(folder.path()).len(), 1, "{name}");
        }
    }

    #[test]
    fn heads_of_an_earlier_version_are_sealed_once() {
        let folder = both();
        let key = fs::read_to_string(folder.path().join(KEY)).expect("a file");
        let old_head = |name: &str| {
            let head = fs::read_to_string(path_of(folder.path(), name, "head")).expect("a file");
            let parts: Vec<&str> = head.split(' ').collect();
            fs::write(path_of(folder.path(), name, "head"), format!("{} {}\n", parts[0], parts[1])).expect("a file");
        };
        RECORDS.into_iter().for_each(old_head);
        fs::write(folder.path().join(KEY), &key[..64]).expect("a file");
        assert_eq!(wrong_in(folder.path()), [] as [&str; 0]);
        let audit = Audit::open(folder.path(), DEEDS).expect("the same key");
        assert_eq!(audit.enter("ana", "query", "SELECT 6").expect("it is written"), 6);
        assert_eq!(wrong_in(folder.path()), [] as [&str; 0]);
        assert_eq!(fs::read_to_string(folder.path().join(KEY)).expect("a file"), key);
        old_head(DECISIONS);
        assert_eq!(wrong_in(folder.path()).len(), 1);
    }
}
