//! What looks like examples and is none, refused with its reason.
//!
//! ```text
//! examples ──▶ enough fraud? values? nothing the champion lost? no feature that says the label? ──▶ training, or a refusal
//! ```

use std::collections::BTreeSet;

use features::profile;
use models::measures::auc;
use models::{Scorer, Table};

use super::examples::Known;
use super::registry::Registry;
use super::train::TrainArgs;
use crate::exit::Failure;

/// Fewer fraud accounts than this to learn from, or to measure with, are anecdotes.
const FRAUD_FIT_MIN: usize = 20;
const FRAUD_TEST_MIN: usize = 5;
/// A feature that alone tells fraud from all others this well says what the label says: recorded after the fact, or made of
/// it. The strongest honest feature of a world of farms alone, plays per network prefix, reaches .9991.
const LEAK_AUC: f64 = 0.9999;
/// More features than this share without a single value are a broken feed and no data.
const EMPTY_SHARE_MAX: f64 = 0.5;

/// Refuses what looks like data and is none. Returns the features without a value.
pub(super) fn audit(
    args: &TrainArgs,
    registry: &Registry,
    to_fit: &Known,
    to_test: &Known,
) -> Result<Vec<String>, Failure> {
    let table = &to_fit.table;
    let unknown = table.names().iter().find(|name| !profile::names().contains(&name.as_str()));
    if let Some(name) = unknown {
        return Err(Failure::Input(format!(
            "column {name} is no feature of {}: nothing may be learned from it",
            profile::VERSION
        )));
    }
    let fraud = |known: &Known| {
        let rows = known.account_of.iter().zip(&known.labels).filter(|(_, label)| **label == 1.0);
        rows.map(|(account, _)| account).collect::<BTreeSet<_>>().len()
    };
    let (to_learn, to_measure) = (fraud(to_fit), fraud(to_test));
    if to_learn < FRAUD_FIT_MIN || to_measure < FRAUD_TEST_MIN {
        return Err(Failure::Input(format!(
            "{to_learn} fraud accounts to learn from and {to_measure} to measure with; at least {FRAUD_FIT_MIN} and \
             {FRAUD_TEST_MIN} are needed: label more accounts, reach further back with --history, or overlay attacks with \
             `truestream inject`"
        )));
    }
    let empty = empty(table);
    if empty.len() as f64 > EMPTY_SHARE_MAX * table.names().len() as f64 {
        return Err(Failure::Input(format!(
            "{} of {} features have no value in any row ({}, ...): the plays lack most columns, or the feed broke",
            empty.len(),
            table.names().len(),
            empty.iter().take(3).cloned().collect::<Vec<_>>().join(", ")
        )));
    }
    if let Some(champion) = registry.champion()? {
        refuse_lost(&registry.scorer(&champion)?, champion.number, &empty)?;
    }
    let leaks: Vec<(String, f64)> = leaks(to_fit).into_iter().filter(|(name, _)| !args.trust.contains(name)).collect();
    if !leaks.is_empty() {
        let names: Vec<&str> = leaks.iter().map(|(name, _)| name.as_str()).collect();
        let told: Vec<String> = leaks.iter().map(|(name, auc)| format!("{name} (AUC {auc:.4})")).collect();
        return Err(Failure::Input(format!(
            "each of these features alone tells fraud from all others: {}. They probably say what the label says; where they are known \
             before the label, --trust {} goes on",
            told.join(", "),
            names.join(" --trust ")
        )));
    }
    Ok(empty)
}

fn empty(table: &Table) -> Vec<String> {
    let columns = table.names().iter().zip(table.columns());
    columns.filter(|(_, column)| column.iter().all(|value| value.is_nan())).map(|(name, _)| name.clone()).collect()
}

/// What the champion asks about must have values.
fn refuse_lost(champion: &Scorer, number: u32, empty: &[String]) -> Result<(), Failure> {
    let asked = |name: &String| {
        let at = champion.booster.features.iter().position(|feature| feature == name);
        champion.booster.trees.iter().flat_map(|tree| &tree.splits).any(|split| Some(split.feature as usize) == at)
    };
    match empty.iter().find(|name| asked(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::Input(format!(
            "feature {name} has no value in any row, and version {number}, the champion, asks about it: the feed lost it"
        ))),
    }
}

/// Features that alone tell fraud from all others, and how well.
fn leaks(known: &Known) -> Vec<(String, f64)> {
    let columns = known.table.names().iter().zip(known.table.columns());
    let ones = vec![1.0; known.labels.len()];
    let alone = columns.filter_map(|(name, column)| {
        // Missing values stand at either end, whichever helps more.
        let ends = [f64::MIN, f64::MAX].into_iter().filter_map(|missing| {
            let values: Vec<f64> =
                column.iter().map(|value| if value.is_nan() { missing } else { f64::from(*value) }).collect();
            auc(&values, &known.labels, &ones).map(|auc| auc.max(1.0 - auc))
        });
        Some((name.clone(), ends.reduce(f64::max)?))
    });
    alone.filter(|(_, auc)| *auc >= LEAK_AUC).collect()
}
