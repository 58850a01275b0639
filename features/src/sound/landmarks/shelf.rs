//! What an index holds, as bytes that can lie in a file: postings in order, landmarks, and who owns them.
//!
//! ```text
//! prints ─▶ IndexedPrint ─▶ (index on disk) ─▶ Shelf { postings, directory, landmarks, spans }
//! ```

use std::ops::Range;

use super::listen::{FRAMES_PER_SECOND, Landmark, Print};
use super::triple::{KEY_BITS, Key, Posting, Triple, indexed_triples};

/// A posting, little-endian.
pub type PackedPosting = [u8; 8];
/// A landmark, little-endian: 22 bits of frame, 10 bits of pitch.
pub type PackedLandmark = [u8; 4];

const PITCH_BITS: u32 = 10;
/// The last frame that can be packed: after 18 hours of sound. Later landmarks are left out.
const FRAME_MAX: u32 = (1 << (32 - PITCH_BITS)) - 1;

/// A print as an index keeps it. Postings count landmarks from the print's first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexedPrint {
    /// How long the recording is.
    pub frames: u32,
    /// Landmarks in order of time.
    pub landmarks: Vec<PackedLandmark>,
    /// Postings in order.
    pub postings: Vec<PackedPosting>,
}

impl IndexedPrint {
    /// What an index keeps of a print.
    pub fn of(print: &Print) -> IndexedPrint {
        let mut print = print.thinned();
        print.landmarks.retain(|landmark| landmark.frame <= FRAME_MAX);
        let posting =
            |triple: &Triple| Posting::new(triple, print.landmarks[triple.first as usize].pitch, triple.first);
        let mut postings: Vec<Posting> = indexed_triples(&print.landmarks).iter().map(posting).collect();
        postings.sort_unstable();
        IndexedPrint {
            frames: print.frames,
            landmarks: print.landmarks.iter().map(pack).collect(),
            postings: postings.iter().map(|posting| posting.0.to_le_bytes()).collect(),
        }
    }
}

fn pack(landmark: &Landmark) -> PackedLandmark {
    (landmark.frame << PITCH_BITS | u32::from(landmark.pitch)).to_le_bytes()
}

/// When and how high an indexed landmark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub frame: u32,
    pub pitch: u16,
}

fn unpack(packed: PackedLandmark) -> Placed {
    let packed = u32::from_le_bytes(packed);
    Placed { frame: packed >> PITCH_BITS, pitch: (packed & ((1 << PITCH_BITS) - 1)) as u16 }
}

/// A recording on a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first landmark; the next recording's is one after its last.
    pub first_landmark: u32,
    /// How long it is.
    pub frames: u32,
    /// Whether it was taken off the shelf.
    pub is_gone: bool,
}

/// Recordings that can be searched together. Whatever the bytes are, a search ends and does not panic.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'a> {
    postings: &'a [PackedPosting],
    directory: &'a [[u8; 4]],
    landmarks: &'a [PackedLandmark],
    spans: &'a [Span],
    /// How much all recordings that are there last.
    frames: u64,
}

impl<'a> Shelf<'a> {
    /// A shelf of these bytes. The directory says how many postings stand before each equal range of keys: 2^n + 1 entries. `None` if the
    /// parts cannot belong together.
    pub fn new(
        postings: &'a [PackedPosting],
        directory: &'a [[u8; 4]],
        landmarks: &'a [PackedLandmark],
        spans: &'a [Span],
    ) -> Option<Shelf<'a>> {
        let ranges = directory.len().checked_sub(1)?;
        let is_ordered = spans.is_sorted_by_key(|span| span.first_landmark);
        let is_within = spans.iter().all(|span| span.first_landmark as usize <= landmarks.len());
        let fits = ranges.is_power_of_two() && ranges.ilog2() <= KEY_BITS && is_ordered && is_within;
        let frames = spans.iter().filter(|span| !span.is_gone).map(|span| u64::from(span.frames)).sum();
        fits.then_some(Shelf { postings, directory, landmarks, spans, frames })
    }

    /// Hours of sound on it.
    pub(super) fn hours(&self) -> f64 {
        self.frames as f64 / f64::from(FRAMES_PER_SECOND) / 3_600.0
    }

    /// The recordings.
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }

    /// The postings of a key whose first landmark has a pitch of these steps.
    pub(super) fn range(&self, key: Key, pitch_steps: Range<u16>) -> Range<usize> {
        let shift = KEY_BITS - (self.directory.len() - 1).ilog2();
        let entry = |at: usize| self.directory.get(at).map_or(0, |entry| u32::from_le_bytes(*entry) as usize);
        let range = (key.0 >> shift) as usize;
        let (from, to) = (entry(range).min(self.postings.len()), entry(range + 1).min(self.postings.len()));
        let Some(near) = self.postings.get(from..to) else { return 0..0 };
        let before = |bound: Posting| near.partition_point(|posting| u64::from_le_bytes(*posting) < bound.0);
        let (low, high) =
            (before(Posting::floor(key, pitch_steps.start)), before(Posting::floor(key, pitch_steps.end)));
        from + low..from + high.max(low)
    }

    pub(super) fn posting(&self, at: usize) -> Posting {
        Posting(u64::from_le_bytes(self.postings[at]))
    }

    /// A landmark; `None` beyond the last.
    pub(super) fn landmark(&self, landmark: u32) -> Option<Placed> {
        self.landmarks.get(landmark as usize).map(|packed| unpack(*packed))
    }

    /// Which recording a landmark belongs to; `None` if that one is gone.
    pub(super) fn owner(&self, landmark: u32) -> Option<usize> {
        let after = self.spans.partition_point(|span| span.first_landmark <= landmark);
        let owner = after.checked_sub(1)?;
        (!self.spans[owner].is_gone).then_some(owner)
    }

    /// The landmarks of a recording, in order of time.
    pub(super) fn landmarks_of(&self, span: usize) -> &'a [PackedLandmark] {
        let first = self.spans[span].first_landmark as usize;
        let end = self.spans.get(span + 1).map_or(self.landmarks.len(), |next| next.first_landmark as usize);
        &self.landmarks[first..end]
    }
}

pub(super) fn placed(packed: PackedLandmark) -> Placed {
    unpack(packed)
}
