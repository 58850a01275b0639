//! Models that other programs trained: LightGBM's text format and XGBoost's JSON.
//!
//! ```text
//! model.txt, model.json ──▶ the same trees, thresholds moved to the nearest f32 that divides rows alike ──▶ Booster, Calibration
//! ```
//!
//! Binary classification by numeric splits is read; what scores otherwise (several classes, categories, linear leaves, random forests, DART) is refused by
//! name. Rows are f32, as everywhere here: a threshold between two f32 divides them as the f32 below it does.

mod lightgbm;
mod xgboost;

use thiserror::Error;

use crate::boost::{BoostError, Booster};
use crate::calibration::Calibration;

/// Why a foreign model cannot be read.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)]
pub enum ImportError {
    #[error("it is neither LightGBM's text (which begins with `tree`) nor XGBoost's JSON")]
    Unknown,
    #[error("{place}: `{name}` is missing")]
    Missing { place: String, name: String },
    #[error("{place}: `{name}` is `{found}`; expected {expected}")]
    Unreadable { place: String, name: String, found: String, expected: &'static str },
    #[error("{what} cannot be read; only binary classification by numeric splits can")]
    Unsupported { what: String },
    #[error("it has {found} trees and says that it has {told}: part of it is lost; write it again")]
    Trees { told: usize, found: usize },
    #[error("it has no trees: it was never trained")]
    NoTrees,
    #[error("it is no JSON: {0}")]
    Json(String),
    #[error(transparent)]
    Boost(#[from] BoostError),
}

/// Reads a model of either format.
///
/// # Errors
/// When it is of neither, or scores in a way that is not read.
pub fn import(text: &str) -> Result<(Booster, Calibration), ImportError> {
    let read = match text.trim_start() {
        text if text.starts_with("tree") => lightgbm::read(text)?,
        text if text.starts_with('{') => xgboost::read(text)?,
        _ => return Err(ImportError::Unknown),
    };
    if read.0.trees.is_empty() {
        return Err(ImportError::NoTrees);
    }
    read.0.check()?;
    Ok(read)
}

/// The greatest f32 that is not above the number.
fn f32_below(number: f64) -> f32 {
    let near = number as f32;
    if f64::from(near) > number { near.next_down() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_divides_single_precision_as_before() {
        for threshold in [0.1, 0.5, -0.1, 1e-40, 1e300, -1e300, 16_777_217.0, f64::from(f32::MAX) * 1.1] {
            let below = f32_below(threshold);
            for value in [below, below.next_up(), below.next_down()] {
                assert_eq!(f64::from(value) <= threshold, value <= below, "{value} {threshold}");
            }
        }
    }

    #[test]
    fn what_is_no_model_is_told() {
        assert_eq!(import("hello").unwrap_err(), ImportError::Unknown);
        assert!(matches!(import("{\"learner\": 1").unwrap_err(), ImportError::Json(_)));
        let told = |text: &str| import(text).unwrap_err().to_string();
        assert_eq!(told("{}"), "model: `learner` is missing");
        assert_eq!(told("tree\nversion=v4\n"), "the end: `end of trees` is missing");
        assert_eq!(told("tree\nversion=v4\nend of trees"), "header: `num_class` is missing");
        let classes =
            "tree\nversion=v4\nnum_class=3\nobjective=multiclass num_class:3\nfeature_names=a\nend of trees\n";
        assert!(told(classes).starts_with("num_class=3 cannot be read"));
    }
}
