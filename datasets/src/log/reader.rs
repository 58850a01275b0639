//! Reads the log in its order, as far as it is durable, while it grows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::disk::Disk;
use super::entry::Entry;
use super::frame::{self, FRAME_HEAD, SEGMENT_HEAD};
use super::manifest::{Manifest, Sealed};
use super::writer::{no_entry, read_whole};
use super::{LogError, io, segment_name};

/// One who follows the log from its first entry on.
pub struct Reader {
    disk: Arc<dyn Disk>,
    /// The number of the next entry, or, where a segment has gaps, the least that it can have.
    next: u64,
    /// What the manifest says of the segment, if it was sealed before it was begun to be read.
    sealed: Option<Sealed>,
    segment: String,
    /// Where in the segment it begins.
    at: u64,
    frame: Vec<u8>,
}

impl Reader {
    /// A reader before the first entry.
    pub fn new(disk: Arc<dyn Disk>) -> Reader {
        Reader { disk, next: 1, sealed: None, segment: segment_name(1), at: 0, frame: Vec::new() }
    }

    /// The next entry, with its number; `None` when it is not durable yet, which is known up to `durable`.
    ///
    /// # Errors
    /// When the log is damaged there, or the disk fails.
    pub fn next(&mut self, durable: u64) -> Result<Option<(u64, Entry)>, LogError> {
        if self.next > durable {
            return Ok(None);
        }
        if self.at > 0 && self.disk.len(&self.segment).map_err(|error| io(&self.segment, error))? == Some(self.at) {
            self.at = 0;
        }
        if self.at == 0 {
            self.sealed = Manifest::read(&*self.disk)?.segments.into_iter().find(|sealed| sealed.first == self.next);
            self.segment = self.sealed.as_ref().map_or_else(|| segment_name(self.next), Sealed::name);
            self.read_head()?;
        }
        self.read_frame()?;
        let is_next = |number: u64| {
            number == self.next || self.sealed.as_ref().is_some_and(|sealed| sealed.follows(number, self.next))
        };
        let frame = frame::read(&self.frame).filter(|frame| is_next(frame.number));
        let frame = frame.ok_or_else(|| self.damaged("a frame cannot be read"))?;
        let entry = Entry::from_bytes(frame.body).ok_or_else(|| no_entry(&self.segment, self.at))?;
        let number = frame.number;
        self.at += frame.bytes() as u64;
        self.next = number + 1;
        Ok(Some((number, entry)))
    }

    fn read_head(&mut self) -> Result<(), LogError> {
        let mut head = [0; SEGMENT_HEAD];
        self.read(0, &mut head)?;
        if !frame::is_segment_head(&self.segment, &head, self.next)? {
            return Err(self.damaged("its head is not what was written"));
        }
        self.at = SEGMENT_HEAD as u64;
        Ok(())
    }

    fn read_frame(&mut self) -> Result<(), LogError> {
        let mut head = [0; FRAME_HEAD];
        self.read(self.at, &mut head)?;
        let bytes = frame::told_bytes(&head).ok_or_else(|| self.damaged("a frame of impossible length"))?;
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(bytes, 0);
        let read = self.read(self.at, &mut frame);
        self.frame = frame;
        read
    }

    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), LogError> {
        match self.disk.read_at(&self.segment, at, to).map_err(|error| io(&self.segment, error))? {
            read if read == to.len() => Ok(()),
            _ => Err(self.damaged("the file ends before the frame does")),
        }
    }

    fn damaged(&self, what: &str) -> LogError {
        LogError::Damaged { file: self.segment.clone(), offset: self.at, what: what.to_owned() }
    }
}

/// The entries of these numbers, in their order, wherever they stand; those that are in the log no more are left out.
///
/// # Errors
/// When the log is damaged there, or the disk fails.
pub fn entries_of(disk: &dyn Disk, numbers: &BTreeSet<u64>) -> Result<Vec<(u64, Entry)>, LogError> {
    let mut found = Vec::new();
    for (first, last, name) in segments(disk)? {
        let wanted: BTreeSet<u64> = numbers.range(first..=last).copied().collect();
        let Some(end) = wanted.last() else { continue };
        let bytes = read_whole(disk, &name)?;
        let mut at = SEGMENT_HEAD;
        while let Some((number, length)) = bytes.get(at..).and_then(frame::told).filter(|(number, _)| number <= end) {
            if wanted.contains(&number) {
                let damaged = || {
                    let what = "a frame cannot be read".to_owned();
                    LogError::Damaged { file: name.clone(), offset: at as u64, what }
                };
                let frame = frame::read(&bytes[at..]).ok_or_else(damaged)?;
                found.push((number, Entry::from_bytes(frame.body).ok_or_else(|| no_entry(&name, at as u64))?));
            }
            at += length;
        }
    }
    Ok(found)
}

/// Of each segment the numbers that its entries may have, and its name.
fn segments(disk: &dyn Disk) -> Result<Vec<(u64, u64, String)>, LogError> {
    let sealed = Manifest::read(disk)?.segments;
    let next = sealed.last().map_or(1, |sealed| sealed.last + 1);
    let mut segments: Vec<_> = sealed.iter().map(|sealed| (sealed.first, sealed.last, sealed.name())).collect();
    // To the one that follows them entries are added.
    segments.push((next, u64::MAX, segment_name(next)));
    Ok(segments)
}
