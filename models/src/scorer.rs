//! A trained model as it travels: trees, perhaps a network beside them, calibration, and the list of features it was made for.
//!
//! ```text
//! row ──▶ trees ───────────────┐
//! sequence ──▶ network (or no) ─┴──▶ raw score ──▶ calibration ──▶ probability
//! ```

use std::sync::Arc;

use records::policy::Percent;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Table;
use crate::boost::{BoostError, Booster, Explainer};
use crate::calibration::Calibration;
use crate::sharpness::unshown;
use crate::stack::Stack;
use crate::temporal::Network;

/// The layout of the file; it changes whenever an older program would misread a newer file. A model of trees alone is still of
/// layout 1.
pub const FORMAT: u32 = 2;

/// Scores feature rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scorer {
    /// See [`FORMAT`].
    pub format: u32,
    /// The version of the list of features.
    pub features_version: String,
    /// Makes raw scores.
    pub booster: Booster,
    /// Makes probabilities of them.
    pub calibration: Calibration,
    /// From which probability on it is sharp ([`crate::sharpness`]): money may wait for its word alone.
    #[serde(default = "unshown")]
    pub sharp_from: Percent,
    /// How the network's score is added to the trees', where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// The network, which has a file of its own.
    #[serde(skip)]
    pub network: Option<Arc<Network>>,
}

/// Why a file is no model.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ScorerError {
    #[error("it is no model: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its format is {got}; this program reads {FORMAT}")]
    Format { got: u32 },
    #[error("its trees are damaged: {0}")]
    Trees(#[from] BoostError),
    #[error("its calibration is damaged")]
    Calibration,
    #[error("its weights of trees and network are damaged")]
    Stack,
    #[error("it has a network, which was not given, or the other way round")]
    Network,
}

impl Scorer {
    /// A model of this version of features.
    pub fn new(features_version: &str, booster: Booster, calibration: Calibration) -> Scorer {
        let features_version = features_version.to_owned();
        Scorer { format: 1, features_version, booster, calibration, sharp_from: unshown(), stack: None, network: None }
    }

    /// The same model, sharp from there on.
    pub fn with_sharp_from(self, sharp_from: Percent) -> Scorer {
        Scorer { sharp_from, ..self }
    }

    /// The same model with a network beside its trees; the calibration is that of both together.
    pub fn with_network(self, network: Network, stack: Stack, calibration: Calibration) -> Scorer {
        Scorer { format: FORMAT, calibration, stack: Some(stack), network: Some(Arc::new(network)), ..self }
    }

    /// The model in a file, and its network from another.
    ///
    /// # Errors
    /// When it is none, of another format, or damaged, or a network is lacking or too many.
    pub fn from_json(text: &str, network: Option<Network>) -> Result<Scorer, ScorerError> {
        let scorer: Scorer = serde_json::from_str(text)?;
        if !(1..=FORMAT).contains(&scorer.format) {
            return Err(ScorerError::Format { got: scorer.format });
        }
        if scorer.stack.is_some() != network.is_some() {
            return Err(ScorerError::Network);
        }
        if scorer.stack.is_some_and(|stack| !stack.is_sound()) {
            return Err(ScorerError::Stack);
        }
        scorer.booster.check()?;
        Explainer::new(&scorer.booster)?;
        if !scorer.calibration.is_sound() || scorer.sharp_from.get() == 0 {
            return Err(ScorerError::Calibration);
        }
        Ok(Scorer { network: network.map(Arc::new), ..scorer })
    }

    /// The file: one line of JSON, numbers exact.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("all numbers of a model are finite");
        text.push('\n');
        text
    }

    /// The raw score of a row, and of what the network says of the same account; NaN counts as an account of which the network
    /// knows nothing in particular.
    pub fn score(&self, row: &[f32], network: f32) -> f64 {
        self.stacked(self.booster.score(row), network)
    }

    /// The raw scores of all rows. `network` has the network's score of each, and nothing where there is no network.
    ///
    /// # Errors
    /// When the features are others, or the network's scores are not as many as rows.
    pub fn scores(&self, table: &Table, network: &[f32]) -> Result<Vec<f64>, BoostError> {
        let trees = self.booster.scores(table)?;
        if self.stack.is_none() {
            return Ok(trees);
        }
        if network.len() != trees.len() {
            return Err(BoostError::Network { rows: trees.len(), got: network.len() });
        }
        Ok(trees.into_iter().zip(network).map(|(trees, network)| self.stacked(trees, *network)).collect())
    }

    fn stacked(&self, trees: f64, network: f32) -> f64 {
        self.stack.map_or(trees, |stack| stack.score(trees, network))
    }

    /// The probability of fraud; see [`Scorer::score`].
    pub fn probability(&self, row: &[f32], network: f32) -> f64 {
        self.calibration.probability(self.score(row, network))
    }
}

/// A scorer that is ready to say why.
#[derive(Clone, Debug)]
pub struct Model {
    scorer: Scorer,
    explainer: Explainer,
}

/// A feature that moved a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Because {
    /// Its place in the list of features; the place after the last is the network's.
    pub feature: usize,
    /// Its value; of the network its score.
    pub value: f32,
    /// What it added to the log odds.
    pub added: f64,
}

impl Model {
    /// Prepares the scorer.
    ///
    /// # Errors
    /// When its trees cannot be explained.
    pub fn new(scorer: Scorer) -> Result<Model, BoostError> {
        Ok(Model { explainer: Explainer::new(&scorer.booster)?, scorer })
    }

    /// The network beside the trees.
    pub fn network(&self) -> Option<Arc<Network>> {
        self.scorer.network.clone()
    }

    /// The probability of fraud; see [`Scorer::score`].
    pub fn probability(&self, row: &[f32], network: f32) -> f64 {
        self.scorer.probability(row, network)
    }

    /// See [`Scorer::sharp_from`].
    pub fn sharp_from(&self) -> Percent {
        self.scorer.sharp_from
    }

    /// What raised the score of the row most, at most so many, strongest first: features, each by its exact contribution, and the
    /// network by what it added over what it adds on average.
    pub fn because(&self, row: &[f32], network: f32, named: usize) -> Vec<Because> {
        if named == 0 {
            return Vec::new();
        }
        let share = self.scorer.stack.map_or(1.0, |stack| stack.trees);
        let of_trees = self.explainer.contributions(row).into_iter().enumerate();
        let of_trees = of_trees.map(|(feature, added)| Because { feature, value: row[feature], added: share * added });
        let of_network = self.scorer.stack.map(|stack| {
            let value = stack.known(network);
            Because { feature: row.len(), value, added: stack.added(value) }
        });
        let mut because: Vec<Because> = of_trees.chain(of_network).filter(|because| because.added > 0.0).collect();
        because.sort_by(|a, b| b.added.total_cmp(&a.added).then(a.feature.cmp(&b.feature)));
        because.truncate(named);
        because
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boost::tests::{random_booster, random_row};
    use crate::temporal::Form;

    const FORMS: [Form; 2] = [Form { steps: 8, channels: 2 }, Form { steps: 4, channels: 3 }];

    #[test]
    fn a_model_is_read_as_it_was_written_and_damage_is_told() {
        let calibration = Calibration::Platt { slope: 1.5, offset: -0.25 };
        let scorer = Scorer::new("account-1", random_booster(3, 4), calibration);
        let text = scorer.to_json();
        let read = Scorer::from_json(&text, None).expect("it was just written");
        assert!(read == scorer && read.to_json() == text);
        let row = random_row(9, 4);
        assert_eq!(read.probability(&row, f32::NAN), scorer.probability(&row, f32::NAN));

        let told = |text: &str| Scorer::from_json(text, None).expect_err("damaged").to_string();
        assert!(told(&text[..text.len() / 2]).starts_with("it is no model"));
        assert!(told(&text.replace("\"format\":1", "\"format\":3")).starts_with("its format is 3"));
        assert!(told(&text.replacen("\"feature\":0", "\"feature\":9", 1)).contains("asks for feature 9"));
        assert!(told(&text.replace("\"slope\":1.5", "\"slope\":-1.5")).starts_with("its calibration"));
    }

    #[test]
    fn a_network_adds_one_reason_and_reasons_add_up_to_the_score() {
        let calibration = Calibration::Platt { slope: 1.0, offset: 0.0 };
        let trees = Scorer::new("account-1", random_booster(3, 4), calibration.clone());
        let stack = Stack { trees: 0.5, network: 2.0, offset: -1.0, mean: -0.75, unknown: 0.25 };
        let network = Network::new("test-1", FORMS, 1);
        let both = trees.clone().with_network(network.clone(), stack, calibration);
        let text = both.to_json();
        assert_eq!(Scorer::from_json(&text, Some(network.clone())).expect("it was just written"), both);
        assert!(matches!(Scorer::from_json(&text, None), Err(ScorerError::Network)));
        assert!(matches!(Scorer::from_json(&trees.to_json(), Some(network.clone())), Err(ScorerError::Network)));
        let damaged = text.replace("\"trees\":0.5", "\"trees\":-0.5");
        assert!(matches!(Scorer::from_json(&damaged, Some(network)), Err(ScorerError::Stack)));

        let row = random_row(9, 4);
        let model = Model::new(both.clone()).expect("trees with rows");
        let because = model.because(&row, 1.5, 9);
        let of_network = because.iter().find(|because| because.feature == 4).expect("it raised the score");
        assert_eq!((of_network.value, of_network.added), (1.5, 2.0 * 2.25));
        // All contributions and what everybody has come to the score.
        let explainer = Explainer::new(&both.booster).expect("trees with rows");
        let of_trees: f64 = explainer.contributions(&row).iter().sum();
        let everybody = 0.5 * (both.booster.score(&row) - of_trees) + 2.0 * -0.75 - 1.0;
        let sum = everybody + 0.5 * of_trees + of_network.added;
        assert!((sum - both.score(&row, 1.5)).abs() < 1e-12);
        assert_eq!(both.score(&row, f32::NAN), both.score(&row, 0.25));
        let table = Table::new(both.booster.features.clone(), row.iter().map(|value| vec![*value]).collect());
        let table = table.expect("one row");
        assert_eq!(both.scores(&table, &[1.5]), Ok(vec![both.score(&row, 1.5)]));
        assert_eq!(both.scores(&table, &[]), Err(BoostError::Network { rows: 1, got: 0 }));
    }
}
