//! Turns plays and releases into named numbers; pure functions, no dataflow, no files.
//!
//! ```text
//! plays of a key ──▶ tally ──▶ WindowRow ──▶ signals ──▶ risk ──▶ verdict
//!                                        ├──▶ condition (a rule that people wrote)
//!                                        └──▶ profile ──┬──▶ (a model)
//! listeners of a track ──▶ company ──────────┤          │
//! listeners of a track, its hours, ──────────┤          │
//! its size ──▶ crowd, rhythm, cohort ────────┘          │
//! plays of an account, in order ──▶ sequence ───────────┘
//! rows of tracks and accounts ──▶ attributes (what conditions read besides)
//! titles ──▶ title (a hash in which near ones differ little)
//! plays ──▶ habit (by hour of the week, day, length, source, country)
//! ```

pub mod apportion;
pub mod attributes;
pub mod cohort;
pub mod columns;
pub mod company;
pub mod condition;
pub mod counts;
pub mod crowd;
pub mod economics;
pub mod habit;
pub mod neighbours;
pub mod profile;
pub mod revision;
pub mod rhythm;
pub mod risk;
mod row;
pub mod royalty;
pub mod season;
pub mod sequence;
pub mod signals;
pub mod sound;
pub mod standing;
pub mod tally;
pub mod title;

pub use row::{Entropy, WindowRow};
