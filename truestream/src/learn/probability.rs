//! Scores become probabilities: fitted on accounts that the trees did not grow on, each for what it stands for.

use features::profile;
use models::Scorer;
use models::boost::{BoostError, Booster};
use models::calibration::Calibration;

use super::examples::Known;
use super::measure::ByAccount;
use crate::exit::Failure;

/// Why no probabilities can be fitted.
pub(super) const ONE_KIND: &str =
    "the accounts that probabilities are fitted to are all fraud or all not; more labels are needed";

/// What a probability is said of.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// An account as of one look.
    Row,
    /// An account that once scores so high. Who is judged every day is held for the worst of them, so what counts is how
    /// many of those who are held at all are fraud.
    Account,
}

pub(super) fn calibrated(booster: Booster, known: &Known, of: Of) -> Result<Scorer, Failure> {
    let learned = |error: BoostError| Failure::Input(error.to_string());
    let scores = booster.scores(&known.table).map_err(learned)?;
    let calibration = match of {
        Of::Row => {
            let weights: Vec<f32> = known.account_of.iter().map(|at| known.accounts[*at].stands_for as f32).collect();
            probabilities(&scores, &known.labels, &weights)?
        }
        Of::Account => of_accounts(known, &scores)?,
    };
    Ok(Scorer::new(profile::VERSION, booster, calibration))
}

/// The probability that an account is fraud whose highest score this is.
pub(super) fn of_accounts(known: &Known, scores: &[f64]) -> Result<Calibration, Failure> {
    let by_account = ByAccount::of(known, scores);
    probabilities(&by_account.scores, &by_account.labels, &by_account.weights())
}

/// Probabilities are fitted to what is, so everything counts as often as it stands for somebody.
fn probabilities(scores: &[f64], labels: &[f32], weights: &[f32]) -> Result<Calibration, Failure> {
    let fitted = Calibration::fit(scores, labels, weights);
    fitted.ok_or_else(|| Failure::Input(ONE_KIND.to_owned()))
}
