//! One immutable file of an index, and how entries become one.
//!
//! All numbers are little-endian.
//!
//! ```text
//! "TSPRINT3"  u64 recordings  u64 landmarks  u64 postings  u64 directory entries  u64 bytes of ids      48 bytes
//! postings     8 bytes each, in order as numbers; the low 31 bits count landmarks of the segment
//! landmarks    4 bytes each, recording after recording
//! directory    u32 each: postings before each of 2^n equal ranges of the postings' highest bits, and all of them
//! recordings   u32 first landmark, u32 frames, u32 end of its id, 2 x 64 bytes of vectors, 16 bytes of what it was made of
//! ids          UTF-8
//! checksum     XXH3-128 of all before                                                                    16 bytes
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use twox_hash::XxHash3_128;

use crate::Error;

const MAGIC: &[u8; 8] = b"TSPRINT3";
/// As before recordings told what they were made of; still read.
const MAGIC_BEFORE: &[u8; 8] = b"TSPRINT2";
const HEADER_BYTES: usize = 48;
const CHECKSUM_BYTES: usize = 16;
const RECORDING_BYTES_BEFORE: usize = 12 + VECTORS_BYTES;
const RECORDING_BYTES: usize = RECORDING_BYTES_BEFORE + SOURCE_BYTES;
const SOURCE_BYTES: usize = 16;

/// Bytes of what an index keeps of a recording beside its landmarks.
pub const VECTORS_BYTES: usize = 128;

/// The most landmarks of one segment: as many as 31 bits count.
pub const LANDMARKS_MAX: usize = (1 << 31) - 1;
const LANDMARK_BITS: u64 = LANDMARKS_MAX as u64;
/// A directory entry stands for about so many postings.
const POSTINGS_PER_ENTRY: usize = 16;
/// Directories have at most 2^19 ranges.
const DIRECTORY_BITS_MAX: u32 = 19;

/// What a recording sounds like and who sings: two vectors of 64 bytes, all 0 where there is none. What they mean is not the index's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors(pub [u8; VECTORS_BYTES]);

impl Default for Vectors {
    fn default() -> Vectors {
        Vectors([0; VECTORS_BYTES])
    }
}

/// The file that a recording was made of: the first half of the BLAKE3 of its bytes; 0 where nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source(pub [u8; SOURCE_BYTES]);

impl Source {
    /// Nobody knows.
    pub const UNKNOWN: Source = Source([0; SOURCE_BYTES]);
}

/// A recording as it comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The recording.
    pub content_id: String,
    /// How long it is.
    pub frames: u32,
    /// Its landmarks, in order of time.
    pub landmarks: Vec<[u8; 4]>,
    /// Its postings; their low 31 bits count its own landmarks.
    pub postings: Vec<[u8; 8]>,
    /// Its vectors.
    pub vectors: Vectors,
    /// What it was made of.
    pub source: Source,
}

/// A recording of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The recording.
    pub content_id: String,
    /// Its first landmark in the segment.
    pub first_landmark: u32,
    /// How long it is.
    pub frames: u32,
    /// Its vectors.
    pub vectors: Vectors,
    /// What it was made of.
    pub source: Source,
    /// Whether it was removed since.
    pub is_gone: bool,
}

/// What a segment of some entries consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// In order, counting landmarks of the segment.
    pub postings: Vec<[u8; 8]>,
    /// Recording after recording.
    pub landmarks: Vec<[u8; 4]>,
    /// How many postings stand before each equal range of their highest bits, and how many there are.
    pub directory: Vec<[u8; 4]>,
    /// Per recording its first landmark and how long it is.
    pub recordings: Vec<(u32, u32)>,
    /// Per recording its vectors.
    pub vectors: Vec<Vectors>,
    /// Per recording what it was made of.
    pub sources: Vec<Source>,
    /// What the recordings are called.
    pub ids: Vec<String>,
}

/// The parts of a segment of these entries, in order of content id. Of entries with one id the last is kept.
///
/// # Panics
/// If they have more than [`LANDMARKS_MAX`] landmarks.
pub fn parts_of(entries: &[Entry]) -> Parts {
    let ordered: BTreeMap<&str, &Entry> = entries.iter().map(|entry| (entry.content_id.as_str(), entry)).collect();
    let postings = merged(ordered.values().copied());
    let mut parts = Parts {
        directory: directory(&postings).into_iter().map(u32::to_le_bytes).collect(),
        postings: postings.into_iter().map(u64::to_le_bytes).collect(),
        ..Parts::default()
    };
    for (id, entry) in ordered {
        parts.ids.push(id.to_owned());
        parts.recordings.push((parts.landmarks.len() as u32, entry.frames));
        parts.vectors.push(entry.vectors);
        parts.sources.push(entry.source);
        parts.landmarks.extend_from_slice(&entry.landmarks);
    }
    assert!(parts.landmarks.len() <= LANDMARKS_MAX, "{} landmarks do not fit into one segment", parts.landmarks.len());
    parts
}

/// The bytes of a segment of these entries; see [`parts_of`].
///
/// # Panics
/// As [`parts_of`].
pub fn bytes_of(entries: &[Entry]) -> Vec<u8> {
    let Parts { postings, landmarks, directory, recordings, vectors, sources, ids } = parts_of(entries);
    let id_bytes: usize = ids.iter().map(String::len).sum();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 8 * postings.len() + 4 * (landmarks.len() + directory.len()));
    bytes.extend_from_slice(MAGIC);
    for count in [recordings.len(), landmarks.len(), postings.len(), directory.len(), id_bytes] {
        bytes.extend_from_slice(&(count as u64).to_le_bytes());
    }
    bytes.extend_from_slice(postings.as_flattened());
    bytes.extend_from_slice(landmarks.as_flattened());
    bytes.extend_from_slice(directory.as_flattened());
    let mut id_end = 0_u32;
    for ((((first_landmark, frames), vectors), source), id) in recordings.iter().zip(&vectors).zip(&sources).zip(&ids) {
        id_end += id.len() as u32;
        for number in [*first_landmark, *frames, id_end] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&vectors.0);
        bytes.extend_from_slice(&source.0);
    }
    ids.iter().for_each(|id| bytes.extend_from_slice(id.as_bytes()));
    let checksum = XxHash3_128::oneshot(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// All postings in order, counting landmarks of the segment.
fn merged<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<u64> {
    let mut first = 0;
    let mut all = Vec::new();
    for entry in entries {
        all.extend(entry.postings.iter().map(|posting| moved(u64::from_le_bytes(*posting), 0, first)));
        first += entry.landmarks.len() as u32;
    }
    all.sort_unstable();
    all
}

/// The posting when its recording's landmarks begin at `to` instead of `from`.
fn moved(posting: u64, from: u32, to: u32) -> u64 {
    let landmark = (posting & LANDMARK_BITS).wrapping_sub(u64::from(from)).wrapping_add(u64::from(to));
    posting & !LANDMARK_BITS | landmark & LANDMARK_BITS
}

fn directory(postings: &[u64]) -> Vec<u32> {
    let bits = (postings.len() / POSTINGS_PER_ENTRY).max(2).ilog2().min(DIRECTORY_BITS_MAX);
    let mut before = vec![0_u32; (1 << bits) + 1];
    for posting in postings {
        before[(posting >> (64 - bits)) as usize + 1] += 1;
    }
    for range in 1..before.len() {
        before[range] += before[range - 1];
    }
    before
}

/// Where the parts of a segment lie in its bytes.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub postings: Range<usize>,
    pub landmarks: Range<usize>,
    pub directory: Range<usize>,
    recordings: Range<usize>,
    /// Bytes of each.
    recording_bytes: usize,
    ids: Range<usize>,
}

impl Layout {
    /// The layout that the header tells, if the file is as long as it says.
    pub fn of(path: &Path, bytes: &[u8]) -> Result<Layout, Error> {
        let damaged = |reason: &str| {
            Error::Input(format!(
                "{}: no readable part of an index: {reason}; remove the folder and add the recordings again",
                path.display()
            ))
        };
        let header = bytes.get(..HEADER_BYTES).ok_or_else(|| damaged("it is too short"))?;
        let recording_bytes = match &header[..8] {
            magic if magic == MAGIC => RECORDING_BYTES,
            magic if magic == MAGIC_BEFORE => RECORDING_BYTES_BEFORE,
            _ => return Err(damaged("it begins otherwise")),
        };
        let count = |at: usize| u64::from_le_bytes(header[8 + at * 8..16 + at * 8].try_into().expect("eight bytes"));
        let sizes = [(2, 8), (1, 4), (3, 4), (0, recording_bytes as u64), (4, 1)];
        let mut ends = Vec::with_capacity(sizes.len());
        let mut end = HEADER_BYTES as u64;
        for (field, size) in sizes {
            let length = count(field).checked_mul(size).ok_or_else(|| damaged("its header is wrong"))?;
            end = end.checked_add(length).ok_or_else(|| damaged("its header is wrong"))?;
            ends.push(end as usize);
        }
        if end.checked_add(CHECKSUM_BYTES as u64) != Some(bytes.len() as u64) {
            return Err(damaged("its length is not what its header says"));
        }
        Ok(Layout {
            postings: HEADER_BYTES..ends[0],
            landmarks: ends[0]..ends[1],
            directory: ends[1]..ends[2],
            recordings: ends[2]..ends[3],
            recording_bytes,
            ids: ends[3]..ends[4],
        })
    }

    /// The recordings; `None` if they cannot be.
    pub fn recordings(&self, bytes: &[u8]) -> Option<Vec<Recording>> {
        let ids = std::str::from_utf8(&bytes[self.ids.clone()]).ok()?;
        let landmarks = (self.landmarks.len() / 4) as u32;
        let mut recordings: Vec<Recording> = Vec::new();
        let mut id_start = 0;
        for packed in bytes[self.recordings.clone()].chunks_exact(self.recording_bytes) {
            let number = |at: usize| u32::from_le_bytes(packed[at * 4..at * 4 + 4].try_into().expect("four bytes"));
            let (first_landmark, frames, id_end) = (number(0), number(1), number(2) as usize);
            let is_in_order = recordings.last().is_none_or(|last| last.first_landmark <= first_landmark);
            if !is_in_order || first_landmark > landmarks {
                return None;
            }
            let content_id = ids.get(id_start..id_end)?.to_owned();
            let (vectors, source) = packed[12..].split_first_chunk().expect("vectors stand in both formats");
            let source = source.first_chunk().map_or(Source::UNKNOWN, |source| Source(*source));
            let vectors = Vectors(*vectors);
            recordings.push(Recording { content_id, first_landmark, frames, vectors, source, is_gone: false });
            id_start = id_end;
        }
        Some(recordings)
    }
}

/// Whether the bytes are those that were written.
pub(super) fn is_intact(bytes: &[u8]) -> bool {
    let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else { return false };
    XxHash3_128::oneshot(body) == u128::from_le_bytes(*checksum)
}

/// The entries that a segment was made of, those that are gone left out.
pub(super) fn entries(postings: &[[u8; 8]], landmarks: &[[u8; 4]], recordings: &[Recording]) -> Vec<Entry> {
    let end = |at: usize| recordings.get(at + 1).map_or(landmarks.len(), |next| next.first_landmark as usize);
    let entry = |(at, recording): (usize, &Recording)| Entry {
        content_id: recording.content_id.clone(),
        frames: recording.frames,
        vectors: recording.vectors,
        source: recording.source,
        landmarks: landmarks[recording.first_landmark as usize..end(at)].to_vec(),
        postings: Vec::new(),
    };
    let mut entries: Vec<Entry> = recordings.iter().enumerate().map(entry).collect();
    for posting in postings {
        let posting = u64::from_le_bytes(*posting);
        let landmark = (posting & LANDMARK_BITS) as u32;
        let after = recordings.partition_point(|recording| recording.first_landmark <= landmark);
        if let Some(owner) = after.checked_sub(1) {
            let own = moved(posting, recordings[owner].first_landmark, 0);
            entries[owner].postings.push(own.to_le_bytes());
        }
    }
    let kept = entries.into_iter().zip(recordings).filter(|(_, recording)| !recording.is_gone);
    kept.map(|(entry, _)| entry).collect()
}
