//! An index of fingerprints on disk: recordings come in and go, and what was said to be in it stays in it through any crash.
//!
//! ```text
//! Entry ──▶ IndexWriter ──▶ 000007.prints, never changed again ──▶ index.json names it, by rename
//!                                │ many small ones become one
//!                                ▼
//! AudioIndex (memory-mapped) ──▶ Segment { postings, directory, landmarks, recordings }
//! ```
//!
//! A reader sees the segments of one `index.json`; a writer has the folder for itself ([`IndexWriter::open`] refuses a second one).
//! A segment that no `index.json` names is left over from a crash and goes when the next writer opens the folder.
//!
//! The layout is in [`segment`]. What postings and landmarks mean is the fingerprint's matter; here they are numbers of 8 and 4
//! bytes, and the low 31 bits of a posting count landmarks.

mod manifest;
mod mapped;
mod reader;
pub mod segment;
mod writer;

pub use reader::{AudioIndex, Segment};
pub use segment::{Entry, Recording, Source, VECTORS_BYTES, Vectors};
pub use writer::IndexWriter;
