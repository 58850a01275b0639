//! Turns plays and releases into named numbers; pure functions, no dataflow, no files.
//!
//! ```text
//! plays of a key ──▶ tally ──▶ WindowRow ──▶ signals ──▶ risk ──▶ verdict
//! ```

mod row;
pub mod counts;
pub mod tally;
pub mod signals;
pub mod risk;

pub use row::{Entropy, WindowRow};
