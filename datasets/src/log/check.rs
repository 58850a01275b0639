//! Looks at every byte of a log, and copies one: what `fsck`, `backup` and `restore` do.

use super::disk::Disk;
use super::entry::Entry;
use super::frame::{self, SEGMENT_HEAD};
use super::manifest::{Manifest, Sealed};
use super::writer::{HINT, Hint, Tail, check_names, no_entry, read_whole};
use super::{LogError, io, segment_name};

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Entries that can be read.
    pub entries: u64,
    /// Sealed segments, whole or not.
    pub sealed: usize,
    /// All bytes of the segments.
    pub bytes: u64,
    /// Bytes at the end of the last segment that a crash tore; nobody was told that they were taken.
    pub torn: u64,
    /// What is damaged, by file and byte.
    pub damage: Vec<LogError>,
}

/// Reads every byte: hashes of sealed segments, checksums and numbers of all entries.
///
/// # Errors
/// When the disk fails. Damage is found, not an error.
pub fn check(disk: &dyn Disk) -> Result<Findings, LogError> {
    let mut findings = Findings::default();
    let manifest = match Manifest::read(disk) {
        Ok(manifest) => manifest,
        Err(error) => {
            findings.damage.push(damage(error)?);
            return Ok(findings);
        }
    };
    let next = manifest.segments.last().map_or(1, |sealed| sealed.last + 1);
    if let Err(error) = check_names(disk, &manifest, next) {
        findings.damage.push(damage(error)?);
    }
    for sealed in &manifest.segments {
        findings.sealed += 1;
        findings.bytes += sealed.bytes;
        match check_sealed(disk, sealed) {
            Ok(entries) => findings.entries += entries,
            Err(error) => findings.damage.push(damage(error)?),
        }
    }
    if Hint::read(disk)?.is_err() {
        let what =
            "the hint how far the log is durable cannot be read; it is written anew at the next start".to_owned();
        findings.damage.push(LogError::Damaged { file: HINT.to_owned(), offset: 0, what });
    }
    match Tail::read(disk, next) {
        Ok(tail) => {
            findings.bytes += tail.bytes.len() as u64;
            findings.torn = (tail.bytes.len() - tail.good) as u64;
            for body in tail.bodies() {
                match Entry::from_bytes(body) {
                    Some(_) => findings.entries += 1,
                    None => findings.damage.push(no_entry(&segment_name(next), 0)),
                }
            }
        }
        Err(error) => findings.damage.push(damage(error)?),
    }
    Ok(findings)
}

/// Damage is found; a disk that fails is not.
fn damage(error: LogError) -> Result<LogError, LogError> {
    match error {
        LogError::Damaged { .. } | LogError::Version { .. } => Ok(error),
        other => Err(other),
    }
}

/// Reads a sealed segment; returns how many entries it has.
fn check_sealed(disk: &dyn Disk, sealed: &Sealed) -> Result<u64, LogError> {
    let name = sealed.name();
    let bytes = read_whole(disk, &name)?;
    let damaged = |offset: usize, what: &str| LogError::Damaged {
        file: name.clone(),
        offset: offset as u64,
        what: what.to_owned(),
    };
    if !frame::is_segment_head(&name, &bytes, sealed.first)? {
        return Err(damaged(0, "its head is not what was written"));
    }
    let (mut at, mut next, mut entries) = (SEGMENT_HEAD, sealed.first, 0);
    while at < bytes.len() {
        let frame = frame::read(&bytes[at..]).filter(|frame| sealed.follows(frame.number, next));
        let frame = frame.ok_or_else(|| damaged(at, "a frame cannot be read"))?;
        Entry::from_bytes(frame.body).ok_or_else(|| no_entry(&name, at as u64))?;
        at += frame.bytes();
        next = frame.number + 1;
        entries += 1;
    }
    if next != sealed.last + 1 || blake3::hash(&bytes).to_hex().as_str() != sealed.blake3 {
        return Err(damaged(0, "its hash is not the one in the manifest"));
    }
    Ok(entries)
}

/// Copies the log, as far as it is durable, into an empty folder; the original may be in use. Returns what is in the copy.
///
/// # Errors
/// When the original is damaged, or one of the disks fails.
pub fn copy(from: &dyn Disk, to: &dyn Disk) -> Result<Findings, LogError> {
    loop {
        let manifest = Manifest::read(from)?;
        match copy_of(&manifest, from, to) {
            // A segment was written anew meanwhile: the file that was to be copied is gone.
            Err(LogError::Damaged { .. }) if was_rewritten(&manifest, &Manifest::read(from)?) => {}
            copied => return copied,
        }
    }
}

fn was_rewritten(before: &Manifest, after: &Manifest) -> bool {
    before.segments.iter().zip(&after.segments).any(|(before, after)| before.form() != after.form())
}

fn copy_of(manifest: &Manifest, from: &dyn Disk, to: &dyn Disk) -> Result<Findings, LogError> {
    let put = |name: &str, bytes: &[u8]| {
        let written = || {
            to.write_at(name, 0, bytes)?;
            to.sync(name)
        };
        written().map_err(|error| io(name, error))
    };
    for sealed in &manifest.segments {
        check_sealed(from, sealed)?;
        let name = sealed.name();
        put(&name, &read_whole(from, &name)?)?;
    }
    let next = manifest.segments.last().map_or(1, |sealed| sealed.last + 1);
    let tail = match Tail::read(from, next) {
        // A segment that was sealed meanwhile is whole all the same.
        Err(LogError::Damaged { .. }) if Manifest::read(from)?.segments.len() > manifest.segments.len() => {
            let bytes = read_whole(from, &segment_name(next))?;
            Tail { good: bytes.len(), bytes }
        }
        tail => tail?,
    };
    if tail.good > 0 {
        put(&segment_name(next), &tail.bytes[..tail.good])?;
    }
    if !manifest.segments.is_empty() {
        manifest.write(to)?;
    }
    to.sync_names().map_err(|error| io(".", error))?;
    let findings = check(to)?;
    match findings.damage.is_empty() {
        true => Ok(findings),
        false => Err(findings.damage.into_iter().next().expect("there is some")),
    }
}
