//! Sums of gradients per bin, in whole numbers: they do not depend on the order of rows, and what a child leaves of its
//! parent is its sibling, exactly.

use rayon::prelude::*;

use super::bins::Binned;

/// First and second derivative of the loss at one row, in units of [`Slopes::unit`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slope {
    pub gradient: i32,
    pub hessian: i32,
}

/// The slopes of all rows.
pub(super) struct Slopes {
    pub rows: Vec<Slope>,
    /// What one stands for.
    pub unit: f64,
}

/// Slopes of weight 1 are at most 1; a weight of `weight_max` still fits 31 bits, and 2^32 of them 63.
const ONE: f64 = (1u64 << 30) as f64;

impl Slopes {
    /// The slopes of the logistic loss at these raw scores, for labels from 0 to 1.
    pub fn logistic(scores: &[f64], labels: &[f32], weights: &[f32], weight_max: f32) -> Slopes {
        let unit = f64::from(weight_max) / ONE;
        let rows = (scores, labels, weights).into_par_iter().map(|(score, label, weight)| {
            let p = super::sigmoid(*score);
            let weight = f64::from(*weight) / unit;
            // Both fit: |p - label| and p (1 - p) are at most 1, weight at most 2^30.
            Slope {
                gradient: ((p - f64::from(*label)) * weight).round() as i32,
                hessian: (p * (1.0 - p) * weight).round() as i32,
            }
        });
        Slopes { rows: rows.collect(), unit }
    }
}

/// What the rows of one bin, or of one node, add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub gradient: i64,
    pub hessian: i64,
    pub rows: u32,
}

impl Sums {
    pub fn plus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient + other.gradient,
            hessian: self.hessian + other.hessian,
            rows: self.rows + other.rows,
        }
    }

    pub fn minus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
            rows: self.rows - other.rows,
        }
    }
}

/// The sums of each bin of each feature; empty for a feature that is not asked about.
pub(super) type Histogram = Vec<Vec<Sums>>;

/// Sums up the rows of a node; `features` are those that may be asked about.
pub(super) fn histogram(columns: &[Binned], features: &[bool], rows: &[u32], slopes: &Slopes) -> Histogram {
    // Read once in the order of the node, then once per feature without a jump.
    let slopes: Vec<Slope> = rows.iter().map(|row| slopes.rows[*row as usize]).collect();
    let columns = columns.par_iter().zip(features);
    columns.map(|(column, wanted)| if *wanted { sums(column, rows, &slopes) } else { Vec::new() }).collect()
}

fn sums(column: &Binned, rows: &[u32], slopes: &[Slope]) -> Vec<Sums> {
    let mut bins = vec![Sums::default(); 256];
    for (row, slope) in rows.iter().zip(slopes) {
        let bin = &mut bins[usize::from(column.bins[*row as usize])];
        bin.gradient += i64::from(slope.gradient);
        bin.hessian += i64::from(slope.hessian);
        bin.rows += 1;
    }
    bins.truncate(column.len());
    bins
}

/// What is left of the parent.
pub(super) fn sibling(parent: Histogram, child: &Histogram) -> Histogram {
    let features = parent.into_par_iter().zip(child);
    features.map(|(bins, taken)| bins.into_iter().zip(taken).map(|(all, taken)| all.minus(*taken)).collect()).collect()
}
