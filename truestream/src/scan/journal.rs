//! What was heard already: a line for each content, appended when all of its work is done.
//!
//! ```text
//! scan.journal:  hash of the line │ settings
//!                hash of the line │ content, facts or cause, findings, vectors
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
    /// What is known of the sound, or why there is none.
    pub(super) facts: Result<Facts, Undecodable>,
    /// What the detectors say.
    pub(super) findings: Vec<Finding>,
    /// What it sounds like and who sings.
    pub(super) character: Character,
}

/// The lines so far, and the file that more go to.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    header: String,
    lines: BTreeMap<String, String>,
    /// Lines of earlier runs.
    pub(super) remembered: usize,
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
        let mut journal = Journal { path, file, remembered: lines.len(), header, lines };
        if good_bytes == 0 {
            let header = checked(&journal.header);
            journal.append(&header)?;
        }
        Ok(journal)
    }

    /// Whether the content was heard.
    pub(super) fn knows(&self, content: &str) -> bool {
        self.lines.contains_key(content)
    }

    /// Whether the content was heard and is sound.
    pub(super) fn is_sound(&self, content: &str) -> bool {
        self.entry(content).is_some_and(|entry| entry.facts.is_ok())
    }

    /// Enters what was heard.
    pub(super) fn enter(&mut self, entry: &Entry) -> Result<(), Failure> {
        let line = serde_json::to_string(entry).map_err(|error| Failure::Output(error.to_string()))?;
        self.append(&checked(&line))?;
        self.lines.insert(entry.content.clone(), line);
        Ok(())
    }

    /// What is known of the content, read back from its line: the same whether this run wrote it or another.
    pub(super) fn entry(&self, content: &str) -> Option<Entry> {
        let line = self.lines.get(content)?;
        Some(serde_json::from_str(line).expect("the line was read, or written, as an entry"))
    }

    /// Sorts the lines of a finished scan.
    pub(super) fn settle(&self, out: &Path) -> Result<(), Failure> {
        let part = part_of(&self.path);
        let write = || -> std::io::Result<()> {
            let mut file = std::io::BufWriter::new(File::create(&part)?);
            file.write_all(checked(&self.header).as_bytes())?;
            for line in self.lines.values() {
                file.write_all(checked(line).as_bytes())?;
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

/// The lines of entries up to the first that is not whole, and how many bytes they are with their header; nothing under
/// another header.
fn remembered(text: &str, header: &str) -> (BTreeMap<String, String>, u64) {
    let mut lines = BTreeMap::new();
    let mut rest = text.split_inclusive('\n');
    let Some(first) = rest.next().filter(|first| whole(first) == Some(header)) else { return (lines, 0) };
    let mut good_bytes = first.len();
    for line in rest {
        let Some(text) = whole(line) else { break };
        let Ok(entry) = serde_json::from_str::<Entry>(text) else { break };
        lines.insert(entry.content, text.to_owned());
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
        let entry = Entry { content: content.to_owned(), facts, findings: Vec::new(), character: Character::default() };
        checked(&serde_json::to_string(&entry).unwrap())
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
            assert_eq!(lines.len(), expected, "cut at {cut}");
            assert!(bytes as usize <= cut);
        }
        assert_eq!(remembered(&all, "{\"other\":1}").1, 0);
        let flipped = all.replacen("aa", "ab", 1);
        assert_eq!(remembered(&flipped, "{}").0.len(), 0);
    }
}
