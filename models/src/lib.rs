//! Learns scores from feature rows and says how sure it is and why; a trained model is a value with a version.
//!
//! ```text
//! feature rows, labels ──▶ boost ─────┬──▶ raw score ──▶ calibration ──▶ probability
//! sequences, labels ─────▶ temporal ──┘ └──▶ contributions: what each feature, and the network, added to the raw score
//! ```
//!
//! Same rows, same parameters, same seed: the same model to the last bit, on any number of threads.

pub mod boost;
pub mod calibration;
pub mod import;
pub mod measures;
pub mod sharpness;
pub mod temporal;
pub mod unlabelled;

mod chance;
mod scorer;
mod stack;
mod table;

pub use scorer::{Because, FORMAT, Model, Scorer, ScorerError};
pub use stack::Stack;
pub use table::{Table, TableError};
