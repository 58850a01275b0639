//! Adds and removes recordings.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, Part, replace};
use super::reader::Segment;
use super::segment::{Entry, LANDMARKS_MAX, Source, bytes_of};
use crate::Error;

const LOCK: &str = "lock";
/// So many segments of about one size become one: every recording is rewritten once per power of it.
const MERGED_AT_ONCE: usize = 4;
/// A segment of which more than this share is gone is written anew.
const GONE_SHARE_MAX: f64 = 0.25;

/// The one writer of an index. What was added or removed counts from the next [`IndexWriter::commit`] on.
#[derive(Debug)]
pub struct IndexWriter {
    dir: PathBuf,
    /// Held while the writer lives; the system lets go of it when the process dies.
    _lock: File,
    manifest: Manifest,
    /// Where each recording is: segment and place in it.
    places: BTreeMap<String, (String, u32)>,
    /// What each recording of `places` was made of.
    sources: BTreeMap<String, Source>,
    added: BTreeMap<String, Entry>,
    is_changed: bool,
}

impl IndexWriter {
    /// Opens an index for writing; makes the folder if there is none. What a crashed writer left over is removed.
    ///
    /// # Errors
    /// If another process writes to it, or it is damaged.
    pub fn open(dir: &Path) -> Result<IndexWriter, Error> {
        fs::create_dir_all(dir).map_err(|error| Error::io(dir, error))?;
        let lock = lock(dir)?;
        let manifest = Manifest::read(dir)?.unwrap_or_default();
        sweep(dir, &manifest)?;
        let (mut places, mut sources) = (BTreeMap::new(), BTreeMap::new());
        for part in &manifest.segments {
            let segment = Segment::open(dir, part)?;
            let alive = || segment.recordings().iter().enumerate().filter(|(_, recording)| !recording.is_gone);
            sources.extend(alive().map(|(_, recording)| (recording.content_id.clone(), recording.source)));
            places
                .extend(alive().map(|(at, recording)| (recording.content_id.clone(), (part.file.clone(), at as u32))));
        }
        Ok(IndexWriter {
            dir: dir.to_owned(),
            _lock: lock,
            manifest,
            places,
            sources,
            added: BTreeMap::new(),
            is_changed: false,
        })
    }

    /// Whether the recording is in the index, or will be.
    pub fn contains(&self, content_id: &str) -> bool {
        self.added.contains_key(content_id) || self.places.contains_key(content_id)
    }

    /// What the recording was made of, if it is in the index or will be.
    pub fn source(&self, content_id: &str) -> Option<Source> {
        let added = self.added.get(content_id).map(|entry| entry.source);
        added.or_else(|| self.sources.get(content_id).copied())
    }

    /// How many recordings are in the index, or will be.
    pub fn len(&self) -> usize {
        self.places.len() + self.added.len()
    }

    /// Whether there is no recording.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a recording; one of the same id is replaced.
    pub fn add(&mut self, entry: Entry) {
        self.remove(&entry.content_id);
        self.added.insert(entry.content_id.clone(), entry);
    }

    /// Removes a recording; `false` if there is none.
    pub fn remove(&mut self, content_id: &str) -> bool {
        if self.added.remove(content_id).is_some() {
            return true;
        }
        let Some((file, place)) = self.places.remove(content_id) else { return false };
        self.sources.remove(content_id);
        let part = self.manifest.segments.iter_mut().find(|part| part.file == file).expect("a place names a segment");
        if let Err(at) = part.gone.binary_search(&place) {
            part.gone.insert(at, place);
        }
        self.is_changed = true;
        true
    }

    /// Makes what was added and removed so far last: it survives a crash from here on.
    ///
    /// # Errors
    /// If it cannot be written; the index is then as it was.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.added.is_empty() && !self.is_changed {
            return Ok(());
        }
        let added: Vec<Entry> = std::mem::take(&mut self.added).into_values().collect();
        let mut stale = Vec::new();
        if !added.is_empty() {
            self.append(&added)?;
        }
        while let Some(parts) = self.crowd() {
            stale.extend(self.merge(parts)?);
        }
        self.publish(&stale)
    }

    /// Makes one segment of all, so that the same recordings are the same bytes, however they came in.
    ///
    /// # Errors
    /// As [`IndexWriter::commit`]; also if all together are too many for one segment.
    pub fn compact(&mut self) -> Result<(), Error> {
        self.commit()?;
        let landmarks: u64 = self.manifest.segments.iter().map(|part| part.landmarks).sum();
        if landmarks > LANDMARKS_MAX as u64 {
            return Err(Error::Input(format!(
                "{}: {landmarks} landmarks do not fit into one segment",
                self.dir.display()
            )));
        }
        let is_compact = matches!(self.manifest.segments.as_slice(), [] | [_])
            && self.manifest.segments.iter().all(|part| part.gone.is_empty());
        if is_compact {
            return Ok(());
        }
        let all = (0..self.manifest.segments.len()).collect();
        let stale = self.merge(all)?;
        self.publish(&stale)
    }

    fn publish(&mut self, stale: &[String]) -> Result<(), Error> {
        self.manifest.write(&self.dir)?;
        self.is_changed = false;
        for file in stale {
            let path = self.dir.join(file);
            fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
        }
        Ok(())
    }

    /// Writes a segment; nobody sees it before the manifest names it.
    fn append(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let bytes = bytes_of(entries);
        let file = format!("{:06}.prints", self.manifest.next);
        replace(&self.dir, &file, &bytes)?;
        self.manifest.next += 1;
        let landmarks = entries.iter().map(|entry| entry.landmarks.len() as u64).sum();
        let part = Part { file: file.clone(), bytes: bytes.len() as u64, landmarks, gone: Vec::new() };
        let segment = Segment::open(&self.dir, &part)?;
        let places = segment.recordings().iter().enumerate();
        self.sources.extend(entries.iter().map(|entry| (entry.content_id.clone(), entry.source)));
        self.places.extend(places.map(|(at, recording)| (recording.content_id.clone(), (file.clone(), at as u32))));
        self.manifest.segments.push(part);
        Ok(())
    }

    /// Segments that should be written anew: one that is mostly gone, or several of about one size.
    fn crowd(&self) -> Option<Vec<usize>> {
        let parts = &self.manifest.segments;
        let count = |part: &Part| self.places.values().filter(|(file, _)| *file == part.file).count();
        let is_hollow = |part: &Part| {
            !part.gone.is_empty() && part.gone.len() as f64 > GONE_SHARE_MAX * (part.gone.len() + count(part)) as f64
        };
        if let Some(hollow) = parts.iter().position(is_hollow) {
            return Some(vec![hollow]);
        }
        // Sizes that differ by less than four times.
        let size = |part: &Part| part.landmarks.max(1).ilog2() / MERGED_AT_ONCE.ilog2();
        let alike = |at: usize| -> Vec<usize> {
            (0..parts.len()).filter(|other| size(&parts[*other]) == size(&parts[at])).collect()
        };
        let fits = |crowd: &Vec<usize>| {
            let landmarks: u64 = crowd.iter().map(|at| parts[*at].landmarks).sum();
            crowd.len() >= MERGED_AT_ONCE && landmarks <= LANDMARKS_MAX as u64
        };
        (0..parts.len()).map(alike).find(fits)
    }

    /// Makes one segment of these; returns the files that are no longer needed.
    fn merge(&mut self, parts: Vec<usize>) -> Result<Vec<String>, Error> {
        let mut entries = Vec::new();
        for at in &parts {
            entries.extend(Segment::open(&self.dir, &self.manifest.segments[*at])?.entries()?);
        }
        let old: Vec<String> = parts.iter().map(|at| self.manifest.segments[*at].file.clone()).collect();
        self.manifest.segments.retain(|part| !old.contains(&part.file));
        if !entries.is_empty() {
            self.append(&entries)?;
        }
        Ok(old)
    }
}

fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let file = File::create(&path).map_err(|error| Error::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Input(format!(
            "{}: another process is writing to this index; wait for it to end",
            dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(Error::io(&path, error)),
    }
}

/// Removes segments that the manifest does not name, and files half written.
fn sweep(dir: &Path, manifest: &Manifest) -> Result<(), Error> {
    let io = |error| Error::io(dir, error);
    for file in fs::read_dir(dir).map_err(io)? {
        let file = file.map_err(io)?;
        let name = file.file_name().to_string_lossy().into_owned();
        let is_named = manifest.segments.iter().any(|part| part.file == name);
        let is_ours = name.ends_with(".prints") || name.ends_with(".part");
        if is_ours && !is_named {
            fs::remove_file(file.path()).map_err(io)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{AudioIndex, Vectors};
    use super::*;

    fn entry(id: u32, landmarks: u32) -> Entry {
        let number = |at: u32| id.wrapping_mul(2_654_435_761).wrapping_add(at.wrapping_mul(40_503));
        Entry {
            content_id: format!("content-{id}"),
            frames: landmarks * 5,
            landmarks: (0..landmarks).map(|at| (((at * 5) << 10) | (number(at) % 800)).to_le_bytes()).collect(),
            postings: (0..landmarks).map(|at| ((u64::from(number(at)) << 32) | u64::from(at)).to_le_bytes()).collect(),
            vectors: Vectors(std::array::from_fn(|at| (number(at as u32) >> 8) as u8)),
            source: Source([id as u8 + 1; 16]),
        }
    }

    fn everything(dir: &Path) -> Vec<Entry> {
        let index = AudioIndex::open(dir).expect("an index");
        index.check().expect("intact");
        let mut all: Vec<Entry> =
            index.segments().iter().flat_map(|segment| segment.entries().expect("intact")).collect();
        all.sort_by(|a, b| a.content_id.cmp(&b.content_id));
        for entry in &mut all {
            entry.postings.sort_unstable();
        }
        all
    }

    fn expected(ids: impl IntoIterator<Item = u32>, landmarks: impl Fn(u32) -> u32) -> Vec<Entry> {
        let mut all: Vec<Entry> = ids.into_iter().map(|id| entry(id, landmarks(id))).collect();
        all.sort_by(|a, b| a.content_id.cmp(&b.content_id));
        for entry in &mut all {
            entry.postings.sort_unstable();
        }
        all
    }

    #[test]
    fn what_a_recording_was_made_of_is_kept_and_the_format_before_is_still_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = IndexWriter::open(dir.path()).expect("a writer");
        writer.add(entry(1, 20));
        assert_eq!(writer.source("content-1"), Some(Source([2; 16])));
        writer.add(entry(2, 30));
        writer.commit().expect("written");
        drop(writer);
        let writer = IndexWriter::open(dir.path()).expect("a writer");
        assert_eq!((writer.source("content-2"), writer.source("content-3")), (Some(Source([3; 16])), None));
        drop(writer);

        // The same segment as it was written before: without the last 16 bytes of each recording.
        let path = dir.path().join("000001.prints");
        let now = fs::read(&path).expect("a segment");
        let count = |at: usize| u64::from_le_bytes(now[8 + at * 8..16 + at * 8].try_into().expect("eight")) as usize;
        let (head, rest) = now[..now.len() - 16].split_at(48 + 8 * count(2) + 4 * count(1) + 4 * count(3));
        let (recordings, ids) = rest.split_at(156 * count(0));
        let mut before = [b"TSPRINT2", &head[8..]].concat();
        recordings.chunks(156).for_each(|recording| before.extend_from_slice(&recording[..140]));
        before.extend_from_slice(ids);
        before.extend_from_slice(&twox_hash::XxHash3_128::oneshot(&before).to_le_bytes());
        fs::remove_file(&path).and_then(|()| fs::write(&path, before)).expect("written");
        let unknown = |entry: Entry| Entry { source: Source::UNKNOWN, ..entry };
        let old: Vec<Entry> = expected(1..=2, |id| 10 + 10 * id).into_iter().map(unknown).collect();
        assert_eq!(everything(dir.path()), old);
        let mut writer = IndexWriter::open(dir.path()).expect("a writer");
        assert_eq!(writer.source("content-1"), Some(Source::UNKNOWN));
        writer.add(entry(3, 40));
        writer.commit().and_then(|()| writer.compact()).expect("written");
        assert_eq!(everything(dir.path()), [old, expected(3..=3, |_| 40)].concat());
    }

    #[test]
    fn what_was_added_and_not_removed_is_there() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = IndexWriter::open(dir.path()).expect("a writer");
        for id in 0..40 {
            writer.add(entry(id, 10 + id));
            writer.commit().expect("written");
        }
        assert!(AudioIndex::open(dir.path()).expect("an index").segments().len() < 12, "small segments are merged");
        for id in (0..40).step_by(3) {
            assert!(writer.remove(&format!("content-{id}")));
        }
        writer.add(entry(5, 99));
        writer.commit().expect("written");
        drop(writer);
        let rest = (0..40).filter(|id| id % 3 != 0);
        assert_eq!(everything(dir.path()), expected(rest, |id| if id == 5 { 99 } else { 10 + id }));
    }

    #[test]
    fn the_same_recordings_compact_to_the_same_bytes_however_they_came_in() {
        let compacted = |order: &[u32], each: usize| {
            let dir = tempfile::tempdir().expect("a folder");
            let mut writer = IndexWriter::open(dir.path()).expect("a writer");
            for ids in order.chunks(each) {
                ids.iter().for_each(|id| writer.add(entry(*id, 20)));
                writer.commit().expect("written");
            }
            writer.remove("content-3");
            writer.compact().expect("written");
            let index = AudioIndex::open(dir.path()).expect("an index");
            let [segment] = index.segments() else { panic!("one segment") };
            (segment.postings().to_vec(), segment.landmarks().to_vec(), segment.recordings().to_vec())
        };
        let forth: Vec<u32> = (0..17).collect();
        let back: Vec<u32> = (0..17).rev().collect();
        assert_eq!(compacted(&forth, 1), compacted(&back, 5));
    }

    #[test]
    fn what_was_not_committed_leaves_no_trace() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = IndexWriter::open(dir.path()).expect("a writer");
        writer.add(entry(1, 20));
        writer.commit().expect("written");
        // As if the process died between writing a segment and naming it, or inside either.
        fs::write(dir.path().join("000009.prints"), bytes_of(&[entry(2, 20)])).expect("written");
        fs::write(dir.path().join("index.json.part"), "{").expect("written");
        writer.add(entry(3, 20));
        drop(writer);
        let writer = IndexWriter::open(dir.path()).expect("a writer");
        assert_eq!(writer.len(), 1);
        assert!(!dir.path().join("000009.prints").exists());
        assert!(!dir.path().join("index.json.part").exists());
    }

    #[test]
    fn there_is_one_writer() {
        let dir = tempfile::tempdir().expect("a folder");
        let _first = IndexWriter::open(dir.path()).expect("a writer");
        let error = IndexWriter::open(dir.path()).expect_err("a second writer");
        assert!(error.to_string().contains("another process"), "{error}");
    }

    #[test]
    fn damage_is_named_and_no_panic() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = IndexWriter::open(dir.path()).expect("a writer");
        writer.add(entry(1, 50));
        writer.add(entry(2, 50));
        writer.commit().expect("written");
        drop(writer);
        let path = dir.path().join("000001.prints");
        let good = fs::read(&path).expect("a segment");
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            fs::remove_file(&path).expect("removed");
            fs::write(&path, bad).expect("written");
            let opened = AudioIndex::open(dir.path()).and_then(|index| index.check());
            assert!(opened.is_err(), "byte {at} was changed unseen");
        }
        for length in [0, 7, 48, good.len() - 1] {
            fs::remove_file(&path).expect("removed");
            fs::write(&path, &good[..length]).expect("written");
            assert!(AudioIndex::open(dir.path()).is_err(), "cut at {length}");
        }
    }
}
