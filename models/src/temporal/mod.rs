//! A small network over two series of an account: what happened in each hour, and its last plays.
//!
//! ```text
//! hours ──▶ stem (patches of 4) ──▶ [+ causal convolution, dilated 1, 2, 4, 8] ──▶ mean, max ──┐
//! plays ──▶ stem (patches of 4) ──▶ [+ causal convolution, dilated 1, 2, 4, 8] ──▶ mean, max ──┴──▶ dense ──▶ log odds
//! ```
//!
//! Own arithmetic instead of a tensor library: it is 300 lines of loops over sixteen numbers, adds in an order that no thread, vector
//! width or library version changes, and so the same examples, settings and seed give the same bytes. A test compares its slopes
//! with differences.

mod file;
mod learn;
mod net;
mod onnx;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use learn::{Lessons, Progress, Settings, fit};
pub use net::Network;

/// The form of a series: rows of channels, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// How many rows; a multiple of four.
    pub steps: usize,
    /// Numbers in a row.
    pub channels: usize,
}

impl Form {
    /// Numbers of a series.
    pub fn numbers(self) -> usize {
        self.steps * self.channels
    }
}

/// Why nothing can be learned, or a file is no network.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)]
pub enum NetworkError {
    #[error("{name} is {value}; it must be {range}")]
    Setting { name: &'static str, value: String, range: &'static str },
    #[error("series {series} has {got} numbers; {expected} were expected")]
    Length { series: usize, expected: usize, got: usize },
    #[error("example {example}: a number of series {series} is not finite")]
    Number { example: usize, series: usize },
    #[error(
        "example {example}: label {label} and weight {weight}; expected a label from 0 to 1 and a weight that is not negative"
    )]
    Label { example: usize, label: f32, weight: f32 },
    #[error("all examples that count have one label; there is nothing to tell apart")]
    OneClass,
    #[error("training ran off: {epoch} rounds gave weights that are not finite")]
    Diverged { epoch: usize },
    #[error("it is no network: {0}")]
    File(String),
    #[error("tensor {name} has the shape {got:?}; {expected:?} was expected")]
    Shape { name: String, expected: Vec<usize>, got: Vec<usize> },
    #[error("tensor {name} holds a number that is not finite")]
    NotFinite { name: String },
    #[error("operator {0} is not one of this network: {1}")]
    Operator(String, String),
}
