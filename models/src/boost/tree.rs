//! A trained tree: questions about one feature each, and what the leaves add to the score.

use serde::{Deserialize, Serialize};

/// Where a question leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    /// To the question of this number, which is greater than that of the question it follows.
    Split(u32),
    /// To the leaf of this number.
    Leaf(u32),
}

/// One question: is the value at most the threshold?
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The number of the feature.
    pub feature: u32,
    /// Values up to it go left.
    pub threshold: f32,
    /// A missing value goes left.
    pub missing_left: bool,
    /// Zero counts as missing, as LightGBM's `missing_type` zero has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_is_missing: bool,
    /// Where values up to the threshold go.
    pub left: Branch,
    /// Where greater ones go.
    pub right: Branch,
    /// How much the loss of the training rows fell by the question.
    pub gain: f64,
}

/// LightGBM takes values up to this for zero (`kZeroThreshold`).
const ZERO: f32 = 1e-35;

impl Split {
    /// Whether the value goes left.
    #[inline]
    pub fn is_left(&self, value: f32) -> bool {
        if value.is_nan() || (self.zero_is_missing && value.abs() <= ZERO) {
            self.missing_left
        } else {
            value <= self.threshold
        }
    }
}

/// A leaf.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaf {
    /// What it adds to the raw score, the learning rate included.
    pub value: f64,
    /// How many training rows ended here (or their weight, in an imported model); contributions average over them.
    pub cover: f64,
}

/// A tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// Questions; the first is asked of every row. None where the tree is one leaf.
    pub splits: Vec<Split>,
    /// Leaves, one more than questions.
    pub leaves: Vec<Leaf>,
}

impl Tree {
    /// Where every row begins.
    pub fn root(&self) -> Branch {
        if self.splits.is_empty() { Branch::Leaf(0) } else { Branch::Split(0) }
    }

    /// The number of the leaf that a row ends in whose features have these values.
    #[inline]
    pub fn leaf(&self, value: impl Fn(usize) -> f32) -> usize {
        let mut at = self.root();
        loop {
            match at {
                Branch::Leaf(leaf) => return leaf as usize,
                Branch::Split(split) => {
                    let split = &self.splits[split as usize];
                    at = if split.is_left(value(split.feature as usize)) { split.left } else { split.right };
                }
            }
        }
    }

    /// Why these are no tree, if so: every question but the first and every leaf must be reached exactly once, from a
    /// question of a smaller number.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, features: usize) -> Result<(), String> {
        let (splits, leaves) = (self.splits.len(), self.leaves.len());
        if leaves != splits + 1 {
            return Err(format!("{splits} splits need {} leaves, there are {leaves}", splits + 1));
        }
        let mut reached = (vec![false; splits], vec![false; leaves]);
        for (at, split) in self.splits.iter().enumerate() {
            if split.feature as usize >= features {
                return Err(format!("split {at} asks for feature {}, there are {features}", split.feature));
            }
            if split.threshold.is_nan() {
                return Err(format!("split {at} has no threshold"));
            }
            for branch in [split.left, split.right] {
                let (seen, number) = match branch {
                    Branch::Split(next) if next as usize > at => (&mut reached.0, next as usize),
                    Branch::Split(next) => return Err(format!("split {at} leads back to split {next}")),
                    Branch::Leaf(leaf) => (&mut reached.1, leaf as usize),
                };
                match seen.get_mut(number) {
                    Some(seen) if !*seen => *seen = true,
                    _ => return Err(format!("split {at} leads to {branch:?}, which is reached twice or is none")),
                }
            }
        }
        if let Some(leaf) = self.leaves.iter().position(|leaf| !leaf.value.is_finite() || leaf.cover < 0.0) {
            return Err(format!("leaf {leaf} is {:?}", self.leaves[leaf]));
        }
        Ok(())
    }
}
