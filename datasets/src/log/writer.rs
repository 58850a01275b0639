//! The one writer: opens the log where a crash left it, appends, commits, seals.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::disk::Disk;
use super::entry::{Entry, Offsets};
use super::frame::{self, BODY_MAX, FRAME_HEAD, SEGMENT_HEAD};
use super::manifest::{Manifest, Sealed};
use super::{LogError, io, segment_name, segment_of};

/// A segment is sealed when it is this long.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// Says how far the last segment was durable. It is written after each sync and not synced itself: after a kill it is
/// there, after a power cut it may be older.
pub(super) const HINT: &str = "durable";
const HINT_BYTES: usize = 20;
/// A damaged number is looked for among so many that may follow.
const NUMBERS_AHEAD: u64 = 1 << 20;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It has this number, and is durable after the next commit.
    New(u64),
    /// Its source had sent it before; it is durable already, or after the next commit.
    Known,
}

/// How far the log is durable, for those who follow it.
#[derive(Debug, Default)]
pub struct Durable {
    last: Mutex<u64>,
    grew: Condvar,
}

impl Durable {
    /// The number of the last durable entry; 0 before the first.
    pub fn last(&self) -> u64 {
        *self.last.lock().expect("nobody panics with it")
    }

    /// Waits until there is more than this, but no longer than that; returns how far it is.
    pub fn wait_beyond(&self, number: u64, at_most: Duration) -> u64 {
        let last = self.last.lock().expect("nobody panics with it");
        *self.grew.wait_timeout_while(last, at_most, |last| *last <= number).expect("nobody panics with it").0
    }

    fn grow(&self, last: u64) {
        *self.last.lock().expect("nobody panics with it") = last;
        self.grew.notify_all();
    }
}

/// The segment to which entries are added.
struct Active {
    name: String,
    first: u64,
    bytes: u64,
    hash: blake3::Hasher,
}

/// The log, open to be written.
pub struct Log {
    disk: Arc<dyn Disk>,
    manifest: Manifest,
    /// `None` while the next segment could not be begun.
    active: Option<Active>,
    segment_bytes: u64,
    /// The number of the next entry.
    next: u64,
    /// Frames that wait for the commit.
    waiting: Vec<u8>,
    /// The last number of each source, in what is durable and in what waits.
    offsets: Offsets,
    offsets_waiting: Offsets,
    durable: Arc<Durable>,
    stopped: Option<String>,
}

impl Log {
    /// Opens the log, or begins one in an empty folder. What a crash tore is cut off.
    ///
    /// # Errors
    /// When something that had been durable is damaged or missing, or the disk fails.
    pub fn open(disk: Arc<dyn Disk>, segment_bytes: u64) -> Result<Log, LogError> {
        let manifest = Manifest::read(&*disk)?;
        let first = manifest.segments.last().map_or(1, |sealed| sealed.last + 1);
        check_names(&*disk, &manifest, first)?;
        sweep(&*disk, &manifest)?;
        let mut log = Log {
            offsets: manifest.offsets.clone(),
            disk,
            manifest,
            active: None,
            segment_bytes,
            next: first,
            waiting: Vec::new(),
            offsets_waiting: Offsets::new(),
            durable: Arc::default(),
            stopped: None,
        };
        log.recover(first)?;
        log.durable.grow(log.next - 1);
        Ok(log)
    }

    /// How far it is durable.
    pub fn durable(&self) -> Arc<Durable> {
        self.durable.clone()
    }

    /// The last number of each source that is durable.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Bytes that wait for the commit.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.len()
    }

    /// Adds the entry to what the next commit makes durable, unless its source had sent it before.
    ///
    /// # Errors
    /// When it is too long, or the disk failed before.
    pub fn append(&mut self, entry: &Entry) -> Result<Taken, LogError> {
        if let Some(reason) = &self.stopped {
            return Err(LogError::Stopped(reason.clone()));
        }
        if entry.is_known(&self.offsets) || entry.is_known(&self.offsets_waiting) {
            return Ok(Taken::Known);
        }
        let body = entry.to_bytes();
        if body.len() > BODY_MAX {
            return Err(LogError::TooLong { bytes: body.len() });
        }
        frame::write(self.next, self.durable.last(), &body, &mut self.waiting);
        entry.note(&mut self.offsets_waiting);
        self.next += 1;
        Ok(Taken::New(self.next - 1))
    }

    /// Makes durable what was appended: one write, one sync.
    ///
    /// # Errors
    /// When the disk fails; then none of it was taken, and where the disk was only full the log goes on.
    pub fn commit(&mut self) -> Result<(), LogError> {
        if let Some(reason) = &self.stopped {
            return Err(LogError::Stopped(reason.clone()));
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.write_waiting() {
            self.waiting.clear();
            self.offsets_waiting.clear();
            self.next = self.durable.last() + 1;
            return Err(error);
        }
        self.waiting.clear();
        self.offsets.append(&mut self.offsets_waiting);
        self.durable.grow(self.next - 1);
        self.leave_hint();
        if self.active.as_ref().is_some_and(|active| active.bytes >= self.segment_bytes) {
            // What was committed is safe in any case; a full disk is tried again after the next commit.
            match self.seal() {
                Err(error) if !error.is_full() => self.stopped = Some(error.to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    fn write_waiting(&mut self) -> Result<(), LogError> {
        if self.active.is_none() {
            self.begin_segment(self.durable.last() + 1).inspect_err(|error| self.stop_unless_full(error))?;
        }
        let Log { disk, active, waiting, stopped, .. } = self;
        let active = active.as_mut().expect("begun above");
        if let Err(error) = disk.write_at(&active.name, active.bytes, waiting) {
            // What of it was written must not come back after a crash.
            let undone = disk.cut(&active.name, active.bytes).and_then(|()| disk.sync(&active.name));
            if undone.is_err() {
                *stopped = Some(error.to_string());
            }
            return Err(io(&active.name, error));
        }
        // After a failed sync the system may forget what it could not write: trying again would prove nothing.
        disk.sync(&active.name).map_err(|error| {
            *stopped = Some(error.to_string());
            io(&active.name, error)
        })?;
        active.bytes += waiting.len() as u64;
        active.hash.update(waiting);
        Ok(())
    }

    /// Seals the last segment, so that a hash vouches for every byte of it; the next commit begins another.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn seal(&mut self) -> Result<(), LogError> {
        let last = self.durable.last();
        let Some(active) = self.active.as_ref().filter(|active| active.first <= last) else { return Ok(()) };
        let mut manifest = self.manifest.clone();
        let blake3 = active.hash.finalize().to_hex().to_string();
        manifest.segments.push(Sealed {
            first: active.first,
            last,
            bytes: active.bytes,
            blake3,
            is_squeezed: false,
            erased: 0,
        });
        manifest.offsets = self.offsets.clone();
        manifest.write(&*self.disk)?;
        self.manifest = manifest;
        self.active = None;
        self.begin_segment(last + 1)
    }

    /// The first sealed segment that ends before this entry and was never squeezed.
    pub fn to_squeeze(&self, before: u64) -> Option<Sealed> {
        self.manifest.segments.iter().find(|sealed| !sealed.is_squeezed && sealed.last < before).cloned()
    }

    /// The sealed segments.
    pub fn sealed(&self) -> &[Sealed] {
        &self.manifest.segments
    }

    /// Puts a segment that was written anew, whose file is durable, in the place of the one it was made of.
    ///
    /// # Errors
    /// When the disk fails; then one of the two counts, and the other is removed when the log is opened again.
    pub fn replace(&mut self, squeezed: Sealed) -> Result<(), LogError> {
        let mut manifest = self.manifest.clone();
        let found = manifest.segments.iter_mut().find(|sealed| sealed.first == squeezed.first);
        // What was written anew meanwhile is not replaced by what was made of what it was.
        let is_made_of = |sealed: &Sealed| match (squeezed.is_squeezed == sealed.is_squeezed, squeezed.erased) {
            (true, erased) => erased == sealed.erased + 1,
            (false, erased) => squeezed.is_squeezed && erased == sealed.erased,
        };
        let Some(sealed) = found.filter(|sealed| is_made_of(sealed)) else {
            let name = squeezed.name();
            return self.disk.remove(&name).map_err(|error| io(&name, error));
        };
        let name = sealed.name();
        *sealed = squeezed;
        manifest.write(&*self.disk).inspect_err(|error| self.stop_unless_full(error))?;
        self.manifest = manifest;
        self.disk.remove(&name).and_then(|()| self.disk.sync_names()).map_err(|error| io(&name, error))
    }

    fn stop_unless_full(&mut self, error: &LogError) {
        if !error.is_full() {
            self.stopped = Some(error.to_string());
        }
    }

    fn begin_segment(&mut self, first: u64) -> Result<(), LogError> {
        let (disk, name) = (&self.disk, segment_name(first));
        let head = frame::segment_head(first);
        let begun = || {
            if disk.len(&name)?.is_some() {
                disk.cut(&name, 0)?;
            }
            disk.write_at(&name, 0, &head)?;
            disk.sync(&name)?;
            disk.sync_names()
        };
        begun().map_err(|error| io(&name, error))?;
        let mut hash = blake3::Hasher::new();
        hash.update(&head);
        self.active = Some(Active { name, first, bytes: SEGMENT_HEAD as u64, hash });
        self.leave_hint();
        Ok(())
    }

    /// A hint that is missing or old is no failure.
    fn leave_hint(&self) {
        if let Some(active) = &self.active {
            let _ = self.disk.write_at(HINT, 0, &Hint { first: active.first, bytes: active.bytes }.to_bytes());
        }
    }

    /// Reads the last segment, cuts off what a crash tore, and makes the rest durable.
    fn recover(&mut self, first: u64) -> Result<(), LogError> {
        let name = segment_name(first);
        let tail = Tail::read(&*self.disk, first)?;
        if tail.good == 0 {
            return self.begin_segment(first);
        }
        for body in tail.bodies() {
            let entry = Entry::from_bytes(body).ok_or_else(|| no_entry(&name, 0))?;
            entry.note(&mut self.offsets);
            self.next += 1;
        }
        let settled = || {
            if tail.good < tail.bytes.len() {
                self.disk.cut(&name, tail.good as u64)?;
            }
            // Frames that nobody was told of are part of the log from here on.
            self.disk.sync(&name)?;
            self.disk.sync_names()
        };
        settled().map_err(|error| io(&name, error))?;
        let mut hash = blake3::Hasher::new();
        hash.update(&tail.bytes[..tail.good]);
        self.active = Some(Active { name, first, bytes: tail.good as u64, hash });
        self.leave_hint();
        Ok(())
    }
}

/// A frame whose checksum holds, with something in it that is no entry.
pub(super) fn no_entry(name: &str, offset: u64) -> LogError {
    LogError::Damaged { file: name.to_owned(), offset, what: "a whole frame that holds no entry".to_owned() }
}

/// All sealed segments must be there at their length, and no other but the one that follows them.
pub(super) fn check_names(disk: &dyn Disk, manifest: &Manifest, next: u64) -> Result<(), LogError> {
    for sealed in &manifest.segments {
        let name = sealed.name();
        let found = disk.len(&name).map_err(|error| io(&name, error))?;
        let what = match found {
            Some(bytes) if bytes == sealed.bytes => continue,
            Some(bytes) => format!("it has {bytes} bytes; sealed with {}", sealed.bytes),
            None => "it is gone, and the manifest has it".to_owned(),
        };
        return Err(LogError::Damaged { offset: found.unwrap_or(0).min(sealed.bytes), file: name, what });
    }
    for name in disk.names().map_err(|error| io(".", error))? {
        let Some((first, _)) = segment_of(&name) else { continue };
        if first != next && !manifest.segments.iter().any(|sealed| sealed.first == first) {
            let what = format!("a segment that the manifest does not have; the next one is {}", segment_name(next));
            return Err(LogError::Damaged { file: name, offset: 0, what });
        }
    }
    Ok(())
}

/// Removes files whose other form counts: a crash left them.
fn sweep(disk: &dyn Disk, manifest: &Manifest) -> Result<(), LogError> {
    for name in disk.names().map_err(|error| io(".", error))? {
        let is_other = |sealed: &Sealed| {
            segment_of(&name).is_some_and(|(first, form)| sealed.first == first && sealed.form() != form)
        };
        if manifest.segments.iter().any(is_other) {
            disk.remove(&name).map_err(|error| io(&name, error))?;
        }
    }
    Ok(())
}

/// How far a segment was durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub first: u64,
    pub bytes: u64,
}

impl Hint {
    fn to_bytes(self) -> [u8; HINT_BYTES] {
        let mut bytes = [0; HINT_BYTES];
        bytes[..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.bytes.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads it; `Err` where there is one that cannot be read.
    pub fn read(disk: &dyn Disk) -> Result<Result<Option<Hint>, ()>, LogError> {
        if disk.len(HINT).map_err(|error| io(HINT, error))?.is_none() {
            return Ok(Ok(None));
        }
        let mut bytes = [0; HINT_BYTES];
        let read = disk.read_at(HINT, 0, &mut bytes).map_err(|error| io(HINT, error))?;
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let hint = Hint { first: number(0), bytes: number(8) };
        Ok(if read == HINT_BYTES && hint.to_bytes() == bytes { Ok(Some(hint)) } else { Err(()) })
    }
}

/// All bytes of the file; none where it is not there.
pub(super) fn read_whole(disk: &dyn Disk, name: &str) -> Result<Vec<u8>, LogError> {
    let Some(length) = disk.len(name).map_err(|error| io(name, error))? else { return Ok(Vec::new()) };
    let mut bytes = vec![0; length as usize];
    let read = disk.read_at(name, 0, &mut bytes).map_err(|error| io(name, error))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The segment to which entries were added last, as it was found.
pub(super) struct Tail {
    pub bytes: Vec<u8>,
    /// How much of it is whole; 0 where not even its head is.
    pub good: usize,
}

impl Tail {
    /// Reads the segment, which need not be there.
    pub fn read(disk: &dyn Disk, first: u64) -> Result<Tail, LogError> {
        let name = segment_name(first);
        let hint = Hint::read(disk)?.unwrap_or(None);
        if hint.is_some_and(|hint| hint.first > first) {
            let what = "it had been sealed, and the manifest does not have it".to_owned();
            return Err(LogError::Damaged { file: name, offset: 0, what });
        }
        let durable = hint.filter(|hint| hint.first == first).map_or(0, |hint| hint.bytes as usize);
        let bytes = read_whole(disk, &name)?;
        let good = whole(&name, &bytes, first, durable)?;
        Ok(Tail { bytes, good })
    }

    /// The bodies of its whole frames.
    pub fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = SEGMENT_HEAD;
        std::iter::from_fn(move || {
            let frame = frame::read(self.bytes.get(at..self.good)?)?;
            at += frame.bytes();
            Some(frame.body)
        })
    }
}

/// How much of the last segment is whole. What is not was torn by a crash, unless somebody says that it had been durable.
fn whole(name: &str, bytes: &[u8], first: u64, durable: usize) -> Result<usize, LogError> {
    let damaged = |offset: usize, what: &str| {
        Err(LogError::Damaged { file: name.to_owned(), offset: offset as u64, what: what.to_owned() })
    };
    if !frame::is_segment_head(name, bytes, first)? {
        // The head is durable before the first frame is written.
        let has_frames = frame::search(bytes, first..first + NUMBERS_AHEAD).next().is_some();
        return if durable > 0 || has_frames { damaged(0, "its head is not what was written") } else { Ok(0) };
    }
    let (mut at, mut next) = (SEGMENT_HEAD, first);
    while let Some(frame) = frame::read(&bytes[at..]).filter(|frame| frame.number == next) {
        at += frame.bytes();
        next += 1;
    }
    if at < durable {
        return damaged(at, "a frame that had been durable cannot be read");
    }
    let rest = bytes.get(at + 1..).filter(|rest| rest.len() >= FRAME_HEAD).unwrap_or_default();
    if frame::search(rest, next + 1..next + NUMBERS_AHEAD).any(|frame| frame.vouched >= next) {
        return damaged(at, "a frame cannot be read, and a later one says that it had been durable");
    }
    Ok(at)
}
