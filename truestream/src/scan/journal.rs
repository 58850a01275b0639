//! What was heard already: a line for each content, appended when all of its work is done, and one for each file that has it.
//!
//! ```text
//! scan.journal:  hash of the line │ settings
//!                hash of the line │ content, when it was heard, facts or cause, findings, vectors, how much can be known again
//!                hash of the line │ file, its content
//!                …
//! ```
//!
//! A line that a kill cut short does not match its hash; it and what follows are forgotten, and that work is done again. Tables are
//! made of the lines and of nothing else, so it makes no difference which run wrote them. At the end the lines are sorted:
//! the journal of a finished scan does not tell how often it was interrupted.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use datasets::audio::{Facts, Undecodable};
use datasets::tables::part_of;
use records::Millis;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::args::Settings;
use super::character::Character;
use super::detectors::Finding;
use crate::exit::Failure;

/// Hexadecimal digits of a line's hash: a torn line passes once in 10^19.
const CHECK_DIGITS: usize = 16;

/// All that is known of one content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// BLAKE3 of the bytes, hexadecimal.
    pub(super) content: String,
    /// When that was.
    pub(super) heard_at: Millis,
    /// What the decoder was allowed, where it wanted more: with another allowance it is heard again.
    pub(super) allowed: Option<Allowed>,
    /// What is known of the sound, or why there is none.
    pub(super) facts: Result<Facts, Undecodable>,
    /// What the detectors say.
    pub(super) findings: Vec<Finding>,
    /// What it sounds like and who sings.
    pub(super) character: Character,
    /// Seconds that have landmarks enough to be known by.
    pub(super) telling_secs: f64,
}

/// What a decoder may take, as far as the options say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Allowed {
    pub(super) memory_bytes: u64,
    pub(super) cpu_secs: u64,
}

/// A file that a scan into the folder found, and what was in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filed {
    /// Its path, as the scan was told.
    pub(super) file: String,
    /// The same from the folder that was named on.
    pub(super) below: String,
    /// BLAKE3 of its bytes, hexadecimal.
    pub(super) hash: String,
    pub(super) bytes: u64,
    pub(super) changed_at: Millis,
}

/// A line behind the first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Content(Box<Entry>),
    File(Filed),
}

/// Lines as they were read: of contents the text, by content; of files what it says, by path.
#[derive(Default)]
struct Lines {
    contents: BTreeMap<String, String>,
    files: BTreeMap<String, Filed>,
}

/// The lines so far, and the file that more go to.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    header: String,
    lines: Lines,
    /// Contents that earlier runs heard.
    pub(super) remembered: usize,
    /// Whether there was a journal of other settings, which counts no more.
    pub(super) is_begun_anew: bool,
}

impl Journal {
    /// Opens the journal of the folder; one of other settings is begun anew.
    pub(super) fn open(out: &Path, settings: &Settings<'_>) -> Result<Journal, Failure> {
        let path = out.join("scan.journal");
        let header = serde_json::to_string(settings).map_err(|error| Failure::Output(error.to_string()))?;
        let unwritten = |error: std::io::Error| Failure::Output(format!("{}: {error}", path.display()));
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::Input(format!("{}: {error}", path.display()))),
        };
        let (lines, good_bytes) = remembered(&text, &header);
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(unwritten)?;
        file.set_len(good_bytes).and_then(|()| file.seek(SeekFrom::End(0))).map_err(unwritten)?;
        let is_begun_anew = good_bytes == 0 && text.lines().count() > 1;
        let mut journal = Journal { path, file, remembered: lines.contents.len(), header, lines, is_begun_anew };
        if good_bytes == 0 {
            let header = checked(&journal.header);
            journal.append(&header)?;
        }
        Ok(journal)
    }

    /// Whether the content was heard, and no other allowance could have another answer.
    pub(super) fn knows(&self, content: &str, allowed: Allowed) -> bool {
        self.entry(content).is_some_and(|entry| entry.allowed.is_none_or(|then| then == allowed))
    }

    /// Whether the journal has a line of the content.
    pub(super) fn has(&self, content: &str) -> bool {
        self.lines.contents.contains_key(content)
    }

    /// The files of all scans into the folder, by their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = &Filed> {
        self.lines.files.values()
    }

    /// Keeps what is in a file.
    pub(super) fn file(&mut self, filed: Filed) -> Result<(), Failure> {
        if self.lines.files.get(&filed.file) == Some(&filed) {
            return Ok(());
        }
        let line = serde_json::to_string(&filed).map_err(|error| Failure::Output(error.to_string()))?;
        self.append(&checked(&line))?;
        self.lines.files.insert(filed.file.clone(), filed);
        Ok(())
    }

    /// Forgets a file; the line goes when the journal is settled.
    pub(super) fn forget(&mut self, file: &str) {
        self.lines.files.remove(file);
    }

    /// Whether the content was heard and is sound.
    pub(super) fn is_sound(&self, content: &str) -> bool {
        self.entry(content).is_some_and(|entry| entry.facts.is_ok())
    }

    /// Enters what was heard.
    pub(super) fn enter(&mut self, entry: &Entry) -> Result<(), Failure> {
        let line = serde_json::to_string(entry).map_err(|error| Failure::Output(error.to_string()))?;
        self.append(&checked(&line))?;
        self.lines.contents.insert(entry.content.clone(), line);
        Ok(())
    }

    /// What is known of the content, read back from its line: the same whether this run wrote it or another.
    pub(super) fn entry(&self, content: &str) -> Option<Entry> {
        let line = self.lines.contents.get(content)?;
        Some(serde_json::from_str(line).expect("the line was read, or written, as an entry"))
    }

    /// Sorts the lines of a finished scan.
    pub(super) fn settle(&self, out: &Path) -> Result<(), Failure> {
        let part = part_of(&self.path);
        let write = || -> std::io::Result<()> {
            let mut file = std::io::BufWriter::new(File::create(&part)?);
            file.write_all(checked(&self.header).as_bytes())?;
            for line in self.lines.contents.values() {
                file.write_all(checked(line).as_bytes())?;
            }
            for filed in self.lines.files.values() {
                file.write_all(checked(&serde_json::to_string(filed)?).as_bytes())?;
            }
            file.into_inner()?.sync_all()?;
            std::fs::rename(&part, &self.path)?;
            File::open(out)?.sync_all()
        };
        write().map_err(|error| Failure::Output(format!("{}: {error}", part.display())))
    }

    /// One write per line, so that a kill leaves whole lines and at most one that is cut.
    fn append(&mut self, line: &str) -> Result<(), Failure> {
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|error| Failure::Output(format!("{}: {error}", self.path.display())))
    }
}

fn checked(line: &str) -> String {
    let hash = blake3::hash(line.as_bytes()).to_hex();
    format!("{} {line}\n", &hash[..CHECK_DIGITS])
}

/// The line behind its hash, if it is whole.
fn whole(line: &str) -> Option<&str> {
    let (check, text) = line.strip_suffix('\n')?.split_once(' ')?;
    (check == &blake3::hash(text.as_bytes()).to_hex()[..CHECK_DIGITS]).then_some(text)
}

/// The lines up to the first that is not whole, and how many bytes they are with their header; nothing under another header. Of two lines of
/// one content or file the later counts.
fn remembered(text: &str, header: &str) -> (Lines, u64) {
    let mut lines = Lines::default();
    let mut rest = text.split_inclusive('\n');
    let Some(first) = rest.next().filter(|first| whole(first) == Some(header)) else { return (lines, 0) };
    let mut good_bytes = first.len();
    for line in rest {
        let Some(text) = whole(line) else { break };
        match serde_json::from_str(text) {
            Ok(Line::Content(entry)) => _ = lines.contents.insert(entry.content, text.to_owned()),
            Ok(Line::File(filed)) => _ = lines.files.insert(filed.file.clone(), filed),
            Err(_) => break,
        }
        good_bytes += line.len();
    }
    (lines, good_bytes as u64)
}

/// Keeps a second scan out of the folder for as long as the lock lives.
pub(super) fn lock(out: &Path) -> Result<File, Failure> {
    let failed = |error: std::io::Error| Failure::Output(format!("{}: {error}", out.display()));
    std::fs::create_dir_all(out).map_err(failed)?;
    let folder = File::open(out).map_err(failed)?;
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(folder),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(Failure::Output(format!("{}: another scan writes there", out.display())))
        }
        Err(error) => Err(failed(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(content: &str) -> String {
        let facts = Err(Undecodable::new(datasets::audio::Cause::Empty, "nothing"));
        let entry = Entry {
            content: content.to_owned(),
            heard_at: 1,
            allowed: None,
            facts,
            findings: Vec::new(),
            character: Character::default(),
            telling_secs: 0.0,
        };
        checked(&serde_json::to_string(&entry).unwrap())
    }

    fn file_line(file: &str, hash: &str) -> String {
        let filed = Filed { file: file.into(), below: file.into(), hash: hash.into(), bytes: 1, changed_at: 2 };
        checked(&serde_json::to_string(&filed).unwrap())
    }

    #[test]
    fn a_torn_line_is_forgotten_wherever_it_is_cut() {
        let header = checked("{}");
        let two = line("aa") + &line("bb");
        let all = header.clone() + &two;
        for cut in 0..=all.len() {
            let (lines, bytes) = remembered(&all[..cut], "{}");
            let expected = match cut {
                _ if cut == all.len() => 2,
                _ if cut >= header.len() + line("aa").len() => 1,
                _ => 0,
            };
            assert_eq!(lines.contents.len(), expected, "cut at {cut}");
            assert!(bytes as usize <= cut);
        }
        assert_eq!(remembered(&all, "{\"other\":1}").1, 0);
        let flipped = all.replacen("aa", "ab", 1);
        assert_eq!(remembered(&flipped, "{}").0.contents.len(), 0);
    }

    #[test]
    fn of_a_file_the_last_line_counts() {
        let lines = [checked("{}"), line("aa"), file_line("x", "aa"), line("bb"), file_line("x", "bb"), line("aa")];
        let (lines, _) = remembered(&lines.concat(), "{}");
        assert_eq!((lines.contents.len(), lines.files.len(), lines.files["x"].hash.as_str()), (2, 1, "bb"));
    }
}
