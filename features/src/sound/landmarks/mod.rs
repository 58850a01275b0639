//! Fingerprints of recordings that survive re-encoding, noise, trimming, and a change of speed or pitch.
//!
//! ```text
//! samples ─▶ listen ─▶ landmarks ─▶ triples ─▶ postings ─▶ shelf
//!            (8 kHz)       │                                 │
//!                          └─▶ triples ─▶ hits ─▶ votes ─▶ align ─▶ found ─▶ duplicates
//! ```
//!
//! A landmark is a moment and a pitch that stand out. Pitch is logarithmic, so a change of pitch moves all landmarks by one
//! interval and a change of tempo stretches all times by one factor. A triple of landmarks is told by what neither changes:
//! two intervals and the ratio of two durations. Equal triples of a query and a recording vote for where the query lies in it; the
//! best places are checked by laying all landmarks of the query over those of the recording.
//!
//! Nothing here reads a file: a [`Shelf`] borrows the bytes of an index, wherever they are.

mod align;
mod confidence;
mod duplicates;
mod figures;
mod listen;
mod passage;
mod search;
mod shelf;
mod triple;

#[cfg(test)]
mod tests;

pub use align::{Alignment, Overlay};
pub use confidence::{ACCEPTED_SCORE_MIN, is_accepted};
pub use duplicates::{DuplicateGroup, Likeness, duplicate_groups};
pub use figures::figures;
pub use listen::{FRAMES_PER_SECOND, Landmark, Listener, PASS_HZ, PITCHES_PER_OCTAVE, Print, RATE_HZ};
pub use passage::{Common, Passage, copies, passages};
pub use search::{Found, QUERY_SECONDS, search};
pub use shelf::{IndexedPrint, PackedLandmark, PackedPosting, Shelf, Span};
