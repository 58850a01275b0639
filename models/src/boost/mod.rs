//! Gradient-boosted trees: a sum of small trees, each grown on what the ones before it got wrong.
//!
//! ```text
//! Table, labels, weights ──▶ bins ──▶ [slopes of the loss ──▶ tree] × trees_max ──▶ Booster
//! row ──▶ Booster ──▶ raw score (log odds) ──▶ probability
//!            └──▶ contributions (TreeSHAP)
//! ```

mod bins;
mod contributions;
mod grow;
mod histogram;
mod tree;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Table;
use crate::chance::Chance;
use grow::{Ground, grow};
use histogram::Slopes;

pub use contributions::Explainer;
pub use tree::{Branch, Leaf, Split, Tree};

/// How the score may move with a feature, all others equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monotone {
    /// Either way.
    #[default]
    Free,
    /// More of it never lowers the score.
    Rising,
    /// More of it never raises the score.
    Falling,
}

/// How a booster is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Trees at most.
    pub trees_max: usize,
    /// Leaves of a tree at most.
    pub leaves_max: usize,
    /// Questions from the root to a leaf at most.
    pub depth_max: u32,
    /// What each tree adds is multiplied by it.
    pub learning_rate: f64,
    /// Rows in a leaf at least.
    pub leaf_rows_min: u32,
    /// Second derivatives in a leaf at least, in weights of rows: leaves of which all is known are not divided further.
    pub leaf_hessian_min: f64,
    /// Pulls the values of leaves towards zero, as strong as so many second derivatives.
    pub l2: f64,
    /// The loss that a question must save at least.
    pub gain_min: f64,
    /// Share of the rows that a tree sees.
    pub row_share: f64,
    /// Share of the features that a tree may ask about.
    pub feature_share: f64,
    /// Trees without a better score on the rows kept back, after which training ends; 0: all trees are grown.
    pub patience: usize,
    /// How the score may move with which feature.
    pub monotone: BTreeMap<String, Monotone>,
    /// Where the shares come from.
    pub seed: u64,
}

impl Default for Settings {
    /// LightGBM's defaults where it has one, and XGBoost's for what must be in a leaf: it keeps leaves of rows that are as good as decided
    /// from being divided on. Trees as small as row contributions are affordable for.
    fn default() -> Settings {
        Settings {
            trees_max: 200,
            leaves_max: 16,
            depth_max: 5,
            learning_rate: 0.1,
            leaf_rows_min: 20,
            leaf_hessian_min: 1.0,
            l2: 1.0,
            gain_min: 0.0,
            row_share: 1.0,
            feature_share: 1.0,
            patience: 0,
            monotone: BTreeMap::new(),
            seed: 0,
        }
    }
}

/// Rows with what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// The features.
    pub table: &'a Table,
    /// From 0 (honest) to 1 (fraud), one per row.
    pub labels: &'a [f32],
    /// How much each row counts, not negative.
    pub weights: &'a [f32],
}

/// A trained model. Its score is a log odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Booster {
    /// The features, in the order in which rows have them.
    pub features: Vec<String>,
    /// The score before the first tree.
    pub base: f64,
    /// What is added.
    pub trees: Vec<Tree>,
}

/// Why nothing can be learned, or a model is none.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)]
pub enum BoostError {
    #[error("{name} is {value}; it must be {range}")]
    Setting { name: &'static str, value: String, range: &'static str },
    #[error("the features are {got:?}; the model was made for {expected:?}")]
    Features { expected: Vec<String>, got: Vec<String> },
    #[error("{labels} labels and {weights} weights were given for {rows} rows")]
    Lengths { rows: usize, labels: usize, weights: usize },
    #[error("row {row}: the label is {value}; it must be from 0 to 1")]
    Label { row: usize, value: f32 },
    #[error("row {row}: the weight is {value}; it must be finite and not negative")]
    Weight { row: usize, value: f32 },
    #[error("all rows that count have label {label}; there is nothing to tell apart")]
    OneClass { label: f32 },
    #[error("{rows} rows are too few to learn from, or more than 2^31")]
    Rows { rows: usize },
    #[error("the network has scores of {got} rows instead of {rows}")]
    Network { rows: usize, got: usize },
    #[error("tree {tree}: {fault}")]
    Tree { tree: usize, fault: String },
}

/// The probability of a log odds.
pub fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// Trains a booster; goes on from `before` where there is one. With [`Settings::patience`] it ends where `held_back`
/// is scored best. `progress` is told how many trees there are, and the mean loss of the rows held back.
///
/// # Errors
/// When settings or examples are not what they must be; see [`BoostError`].
pub fn fit(
    examples: Examples,
    held_back: Option<Examples>,
    before: Option<&Booster>,
    settings: &Settings,
    mut progress: impl FnMut(usize, Option<f64>),
) -> Result<Booster, BoostError> {
    settings.check(examples.table)?;
    examples.check()?;
    let table = examples.table;
    let mut booster = match before {
        Some(before) => before.clone(),
        None => Booster { features: table.names().to_vec(), base: examples.log_odds()?, trees: Vec::new() },
    };
    let mut scores = booster.scores(table)?;
    let mut watch = match held_back {
        Some(held_back) if settings.patience > 0 => Some(Watch::new(held_back, &booster)?),
        _ => None,
    };
    let columns = bins::bin(table, settings.seed);
    let monotone: Vec<_> =
        table.names().iter().map(|name| settings.monotone.get(name).copied().unwrap_or_default()).collect();
    let weight_max = examples.weights.iter().copied().fold(0.0, f32::max);
    for number in 0..settings.trees_max {
        let slopes = Slopes::logistic(&scores, examples.labels, examples.weights, weight_max);
        let (mut rows, features) = settings.drawn(number, table);
        let ground = Ground { columns: &columns, features: &features, monotone: &monotone, slopes: &slopes, settings };
        let grown = grow(&ground, &mut rows);
        scores.par_iter_mut().enumerate().for_each(|(row, score)| *score += grown.value(&columns, row));
        booster.trees.push(grown.tree);
        let loss = watch.as_mut().map(|watch| watch.see(&booster));
        progress(booster.trees.len(), loss);
        if watch.as_ref().is_some_and(|watch| booster.trees.len() >= watch.best_trees + settings.patience) {
            break;
        }
    }
    if let Some(watch) = watch {
        booster.trees.truncate(watch.best_trees);
    }
    Ok(booster)
}

/// Follows the rows held back.
struct Watch<'a> {
    examples: Examples<'a>,
    scores: Vec<f64>,
    best_loss: f64,
    best_trees: usize,
}

impl<'a> Watch<'a> {
    fn new(examples: Examples<'a>, booster: &Booster) -> Result<Watch<'a>, BoostError> {
        examples.check()?;
        let scores = booster.scores(examples.table)?;
        let best_loss = crate::measures::log_loss(&scores, examples.labels, examples.weights);
        Ok(Watch { examples, scores, best_loss, best_trees: booster.trees.len() })
    }

    /// The loss after the newest tree.
    fn see(&mut self, booster: &Booster) -> f64 {
        let Some(tree) = booster.trees.last() else { return self.best_loss };
        let table = self.examples.table;
        self.scores.par_iter_mut().enumerate().for_each(|(row, score)| {
            *score += tree.leaves[tree.leaf(|feature| table.columns()[feature][row])].value;
        });
        let loss = crate::measures::log_loss(&self.scores, self.examples.labels, self.examples.weights);
        if loss < self.best_loss {
            (self.best_loss, self.best_trees) = (loss, booster.trees.len());
        }
        loss
    }
}

impl Settings {
    fn check(&self, table: &Table) -> Result<(), BoostError> {
        let in_share = |share: f64| share > 0.0 && share <= 1.0;
        let not_negative = |value: f64| value >= 0.0 && value.is_finite();
        let laws = [
            ("leaves_max", self.leaves_max.to_string(), (2..=65_536).contains(&self.leaves_max), "from 2 to 65536"),
            ("depth_max", self.depth_max.to_string(), (1..=64).contains(&self.depth_max), "from 1 to 64"),
            ("learning_rate", self.learning_rate.to_string(), in_share(self.learning_rate), "over 0, up to 1"),
            ("row_share", self.row_share.to_string(), in_share(self.row_share), "over 0, up to 1"),
            ("feature_share", self.feature_share.to_string(), in_share(self.feature_share), "over 0, up to 1"),
            ("l2", self.l2.to_string(), not_negative(self.l2), "finite and not negative"),
            ("gain_min", self.gain_min.to_string(), not_negative(self.gain_min), "finite and not negative"),
            (
                "leaf_hessian_min",
                self.leaf_hessian_min.to_string(),
                not_negative(self.leaf_hessian_min),
                "finite and not negative",
            ),
        ];
        if let Some((name, value, _, range)) = laws.into_iter().find(|(_, _, holds, _)| !holds) {
            return Err(BoostError::Setting { name, value, range });
        }
        match self.monotone.keys().find(|name| !table.names().contains(name)) {
            Some(name) => Err(BoostError::Setting { name: "monotone", value: name.clone(), range: "a feature" }),
            None => Ok(()),
        }
    }

    /// The rows and the features of one tree.
    fn drawn(&self, tree: usize, table: &Table) -> (Vec<u32>, Vec<bool>) {
        let share_of = |share: f64, of: usize| ((share * of as f64).ceil() as usize).clamp(1, of);
        let rows = match self.row_share < 1.0 {
            true => {
                Chance::of(self.seed, 2 + 2 * tree as u64).some(share_of(self.row_share, table.rows()), table.rows())
            }
            false => (0..table.rows()).collect(),
        };
        let mut features = vec![self.feature_share >= 1.0; table.names().len()];
        if self.feature_share < 1.0 {
            let count = share_of(self.feature_share, features.len());
            let mut chance = Chance::of(self.seed, 3 + 2 * tree as u64);
            chance.some(count, features.len()).into_iter().for_each(|feature| features[feature] = true);
        }
        (rows.into_iter().map(|row| row as u32).collect(), features)
    }
}

impl Examples<'_> {
    fn check(&self) -> Result<(), BoostError> {
        let (rows, labels, weights) = (self.table.rows(), self.labels.len(), self.weights.len());
        if labels != rows || weights != rows {
            return Err(BoostError::Lengths { rows, labels, weights });
        }
        if !(2..1 << 31).contains(&rows) {
            return Err(BoostError::Rows { rows });
        }
        if let Some(row) = self.labels.iter().position(|label| !(0.0..=1.0).contains(label)) {
            return Err(BoostError::Label { row, value: self.labels[row] });
        }
        match self.weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
            Some(row) => Err(BoostError::Weight { row, value: self.weights[row] }),
            None => Ok(()),
        }
    }

    /// The log odds of fraud among all rows.
    fn log_odds(&self) -> Result<f64, BoostError> {
        let (mut fraud, mut all) = (0.0, 0.0);
        for (label, weight) in self.labels.iter().zip(self.weights) {
            fraud += f64::from(*label) * f64::from(*weight);
            all += f64::from(*weight);
        }
        if fraud <= 0.0 || fraud >= all {
            return Err(BoostError::OneClass { label: if fraud > 0.0 { 1.0 } else { 0.0 } });
        }
        Ok((fraud / (all - fraud)).ln())
    }
}

/// Rows that are scored together: their values stay near while all trees ask for them.
const BLOCK_ROWS: usize = 256;

impl Booster {
    /// The raw score of one row, in the order of [`Booster::features`].
    pub fn score(&self, row: &[f32]) -> f64 {
        self.trees.iter().fold(self.base, |score, tree| score + tree.leaves[tree.leaf(|feature| row[feature])].value)
    }

    /// The raw scores of all rows.
    ///
    /// # Errors
    /// When the features are others, or stand in another order.
    pub fn scores(&self, table: &Table) -> Result<Vec<f64>, BoostError> {
        if table.names() != self.features {
            return Err(BoostError::Features { expected: self.features.clone(), got: table.names().to_vec() });
        }
        let mut scores = vec![self.base; table.rows()];
        scores.par_chunks_mut(BLOCK_ROWS).enumerate().for_each(|(block, scores)| {
            let first = block * BLOCK_ROWS;
            let features = self.features.len().max(1);
            let mut rows = vec![0.0; scores.len() * features];
            for (feature, column) in table.columns().iter().enumerate() {
                let values = column[first..first + scores.len()].iter();
                rows[feature..].iter_mut().step_by(features).zip(values).for_each(|(to, value)| *to = *value);
            }
            for tree in &self.trees {
                for (score, row) in scores.iter_mut().zip(rows.chunks_exact(features)) {
                    *score += tree.leaves[tree.leaf(|feature| row[feature])].value;
                }
            }
        });
        Ok(scores)
    }

    /// The places of the features whose questions gained most, strongest first, at most so many.
    pub fn most_asked(&self, count: usize) -> Vec<usize> {
        let mut gains = vec![0.0; self.features.len()];
        for split in self.trees.iter().flat_map(|tree| &tree.splits) {
            gains[split.feature as usize] += split.gain;
        }
        let mut asked: Vec<usize> = (0..gains.len()).filter(|feature| gains[*feature] > 0.0).collect();
        asked.sort_by(|a, b| gains[*b].total_cmp(&gains[*a]).then(a.cmp(b)));
        asked.truncate(count);
        asked
    }

    /// The same model for rows whose features stand in this order; they may have more than it asks about.
    ///
    /// # Errors
    /// [`BoostError::Features`] when it asks about another one.
    pub fn with_features(mut self, names: &[&str]) -> Result<Booster, BoostError> {
        let lost = || BoostError::Features {
            expected: names.iter().map(|name| (*name).to_owned()).collect(),
            got: self.features.clone(),
        };
        let places: Vec<Option<usize>> =
            self.features.iter().map(|name| names.iter().position(|known| known == name)).collect();
        for split in self.trees.iter_mut().flat_map(|tree| &mut tree.splits) {
            split.feature = places[split.feature as usize].ok_or_else(lost)? as u32;
        }
        self.features = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(self)
    }

    /// Checks what came from a file.
    ///
    /// # Errors
    /// The first tree that is none.
    pub fn check(&self) -> Result<(), BoostError> {
        let faults = self.trees.iter().enumerate().map(|(tree, grown)| (tree, grown.check(self.features.len())));
        match faults.into_iter().find_map(|(tree, fault)| Some((tree, fault.err()?))) {
            Some((tree, fault)) => Err(BoostError::Tree { tree, fault }),
            None => Ok(()),
        }
    }
}
