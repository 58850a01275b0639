//! A trained model as it travels: trees, calibration, and the list of features it was made for.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::boost::{BoostError, Booster, Explainer};
use crate::calibration::Calibration;

/// The layout of the file; it changes whenever an older program would misread a newer file.
pub const FORMAT: u32 = 1;

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
}

impl Scorer {
    /// A model of this version of features.
    pub fn new(features_version: &str, booster: Booster, calibration: Calibration) -> Scorer {
        Scorer { format: FORMAT, features_version: features_version.to_owned(), booster, calibration }
    }

    /// The model in a file.
    ///
    /// # Errors
    /// When it is none, of another format, or damaged.
    pub fn from_json(text: &str) -> Result<Scorer, ScorerError> {
        let scorer: Scorer = serde_json::from_str(text)?;
        if scorer.format != FORMAT {
            return Err(ScorerError::Format { got: scorer.format });
        }
        scorer.booster.check()?;
        Explainer::new(&scorer.booster)?;
        if !scorer.calibration.is_sound() {
            return Err(ScorerError::Calibration);
        }
        Ok(scorer)
    }

    /// The file: one line of JSON, numbers exact.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("all numbers of a model are finite");
        text.push('\n');
        text
    }

    /// The probability of fraud.
    pub fn probability(&self, row: &[f32]) -> f64 {
        self.calibration.probability(self.booster.score(row))
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
    /// Its place in the list of features.
    pub feature: usize,
    /// Its value.
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

    /// The probability of fraud.
    pub fn probability(&self, row: &[f32]) -> f64 {
        self.scorer.probability(row)
    }

    /// The features that raised the score of the row most, at most so many, strongest first.
    pub fn because(&self, row: &[f32], named: usize) -> Vec<Because> {
        if named == 0 {
            return Vec::new();
        }
        let added = self.explainer.contributions(row).into_iter().enumerate();
        let mut because: Vec<Because> = added
            .filter(|(_, added)| *added > 0.0)
            .map(|(feature, added)| Because { feature, value: row[feature], added })
            .collect();
        because.sort_by(|a, b| b.added.total_cmp(&a.added).then(a.feature.cmp(&b.feature)));
        because.truncate(named);
        because
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boost::tests::{random_booster, random_row};

    #[test]
    fn a_model_is_read_as_it_was_written_and_damage_is_told() {
        let calibration = Calibration::Platt { slope: 1.5, offset: -0.25 };
        let scorer = Scorer::new("account-1", random_booster(3, 4), calibration);
        let text = scorer.to_json();
        let read = Scorer::from_json(&text).expect("it was just written");
        assert!(read == scorer && read.to_json() == text);
        let row = random_row(9, 4);
        assert_eq!(read.probability(&row), scorer.probability(&row));

        let told = |text: &str| Scorer::from_json(text).expect_err("damaged").to_string();
        assert!(told(&text[..text.len() / 2]).starts_with("it is no model"));
        assert!(told(&text.replace("\"format\":1", "\"format\":2")).starts_with("its format is 2"));
        assert!(told(&text.replacen("\"feature\":0", "\"feature\":9", 1)).contains("asks for feature 9"));
        assert!(told(&text.replace("\"slope\":1.5", "\"slope\":-1.5")).starts_with("its calibration"));
    }
}
