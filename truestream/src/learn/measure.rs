//! How good a model is on accounts that it has never seen.
//!
//! ```text
//! raw scores of rows ──▶ the highest of each account ──▶ recall at stated false positives, by family ──▶ Report
//!                                          └──▶ probabilities ──▶ calibration error
//! ```

use std::collections::BTreeMap;

use models::Scorer;
use models::calibration::Calibration;
use models::measures::{Interval, auc, bootstrap, calibration_error, recall_at};
use records::LabelKind;
use serde::{Deserialize, Serialize};

use super::cohorts::{self, OfCohort};
use super::examples::{Account, Known};

/// Shares of honest accounts that may be flagged when recall is measured: their names in files and for people.
pub const FALSE_POSITIVES: [(&str, &str, f64); 2] = [("0.1pct", "0.1 %", 0.001), ("1pct", "1 %", 0.01)];

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl From<Interval> for Measured {
    fn from(interval: Interval) -> Measured {
        Measured { value: interval.value, low: interval.low, high: interval.high }
    }
}

/// What a model finds of one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfFamily {
    /// Accounts of it.
    pub accounts: usize,
    /// Share of them that is flagged where 0.1 % and 1 % of all others are, by these names.
    pub recall: BTreeMap<String, f64>,
}

/// Accounts whose highest probability reaches where a model is sharp (`models::sharpness`): its word alone holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sharp {
    /// From which probability on, in whole percent.
    pub percent: u8,
    /// Fraud accounts that come there.
    pub fraud: usize,
    /// Accounts known to be honest that do.
    pub honest: usize,
    /// All others that do.
    pub others: usize,
}

/// How good a model is. Everything is counted in accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Accounts that were scored.
    pub accounts: usize,
    /// Of them, known to be fraud.
    pub fraud: usize,
    /// Of them, known to be honest.
    pub honest: usize,
    /// Area under the ROC curve.
    pub auc: Option<Measured>,
    /// Share of fraud flagged at each rate of [`FALSE_POSITIVES`].
    pub recall: BTreeMap<String, Measured>,
    /// The score (log odds) from which on accounts are flagged at each rate.
    pub threshold: BTreeMap<String, f64>,
    /// Share of the known honest that is flagged at each rate; nothing where nobody is known to be honest.
    pub honest_flagged: BTreeMap<String, f64>,
    /// Mean distance of probability and truth.
    pub calibration_error: f64,
    /// What it surely is at least: the lower end of its 95 % interval. Of few accounts every probability is somewhat off.
    #[serde(default)]
    pub calibration_error_low: f64,
    /// Who comes to where the model is sharp.
    #[serde(default)]
    pub sharp: Sharp,
    /// By family of attack, or of honest look-alike: there recall is the share of people who are wronged.
    pub families: BTreeMap<String, OfFamily>,
    /// By cohort of people who listen unlike most: how many of those that nobody called fraud are flagged.
    #[serde(default)]
    pub cohorts: BTreeMap<String, OfCohort>,
}

/// The highest score of each account.
pub struct ByAccount<'a> {
    /// Who.
    pub accounts: Vec<&'a Account>,
    /// Highest raw score of its rows that are examples.
    pub scores: Vec<f64>,
    /// The row that has it.
    pub rows: Vec<usize>,
    /// 1 is fraud.
    pub labels: Vec<f32>,
}

impl<'a> ByAccount<'a> {
    /// The highest of these scores of rows.
    pub fn of(known: &'a Known, rows: &[f64]) -> ByAccount<'a> {
        let mut highest: BTreeMap<usize, (f64, f32, usize)> = BTreeMap::new();
        for (row, ((account, score), label)) in known.account_of.iter().zip(rows).zip(&known.labels).enumerate() {
            let best = highest.entry(*account).or_insert((*score, *label, row));
            let row = if *score > best.0 { row } else { best.2 };
            *best = (best.0.max(*score), best.1.max(*label), row);
        }
        ByAccount {
            accounts: highest.keys().map(|account| &known.accounts[*account]).collect(),
            scores: highest.values().map(|(score, ..)| *score).collect(),
            labels: highest.values().map(|(_, label, _)| *label).collect(),
            rows: highest.values().map(|(.., row)| *row).collect(),
        }
    }

    /// The probabilities of the accounts by their highest scores.
    pub fn probabilities(&self, calibration: &Calibration) -> Vec<f64> {
        self.scores.iter().map(|score| calibration.probability(*score)).collect()
    }

    /// How many accounts each stands for.
    pub fn weights(&self) -> Vec<f32> {
        self.accounts.iter().map(|account| account.stands_for as f32).collect()
    }

    fn sharp(&self, scorer: &Scorer) -> Sharp {
        let mut found = Sharp { percent: scorer.sharp_from.get(), ..Sharp::default() };
        let least = f64::from(found.percent) / 100.0;
        for ((account, label), said) in
            self.accounts.iter().zip(&self.labels).zip(self.probabilities(&scorer.calibration))
        {
            let count = match (label, account.label) {
                (1.0, _) => &mut found.fraud,
                (_, Some(LabelKind::Honest)) => &mut found.honest,
                _ => &mut found.others,
            };
            *count += usize::from(said >= least);
        }
        found
    }

    fn calibration_error(&self, calibration: &Calibration, seed: u64) -> Option<Interval> {
        let (said, stand_for) = (self.probabilities(calibration), self.weights());
        bootstrap(said.len(), seed, |counts| {
            let weights: Vec<f32> = counts.iter().zip(&stand_for).map(|(count, weight)| count * weight).collect();
            Some(calibration_error(&said, &self.labels, &weights))
        })
    }
}

impl Report {
    /// Measures a model by its raw scores of these examples, and what it makes of them.
    pub fn of(known: &Known, rows: &[f64], scorer: &Scorer, seed: u64) -> Report {
        let by_account = ByAccount::of(known, rows);
        let ByAccount { accounts, scores, labels, .. } = &by_account;
        let one = vec![1.0; scores.len()];
        let calibrated = by_account.calibration_error(&scorer.calibration, seed);
        let mut report = Report {
            accounts: accounts.len(),
            fraud: labels.iter().filter(|label| **label == 1.0).count(),
            honest: accounts.iter().filter(|account| account.label == Some(LabelKind::Honest)).count(),
            auc: bootstrap(scores.len(), seed, |weights| auc(scores, labels, weights)).map(Measured::from),
            recall: BTreeMap::new(),
            threshold: BTreeMap::new(),
            honest_flagged: BTreeMap::new(),
            calibration_error: calibrated.map_or(0.0, |error| error.value),
            calibration_error_low: calibrated.map_or(0.0, |error| error.low),
            sharp: by_account.sharp(scorer),
            families: BTreeMap::new(),
            cohorts: BTreeMap::new(),
        };
        for (name, _, rate) in FALSE_POSITIVES {
            let recall = |weights: &[f32]| recall_at(scores, labels, weights, rate).map(|found| found.recall);
            let interval = bootstrap(scores.len(), seed, recall);
            report.recall.extend(interval.map(|interval| (name.to_owned(), interval.into())));
            let Some(found) = recall_at(scores, labels, &one, rate) else { continue };
            // JSON has no infinity: where nobody may be flagged, nobody is.
            report.threshold.insert(name.to_owned(), found.threshold.min(f64::MAX));
            report.count(&by_account, name, found.threshold);
        }
        report.cohorts = cohorts::fare(known, &by_account, &report.threshold);
        report
    }

    fn count(&mut self, by_account: &ByAccount, name: &str, threshold: f64) {
        let (mut honest, mut wronged) = (0usize, 0usize);
        let mut families: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (account, score) in by_account.accounts.iter().zip(&by_account.scores) {
            let flagged = usize::from(*score >= threshold);
            if account.label == Some(LabelKind::Honest) {
                (honest, wronged) = (honest + 1, wronged + flagged);
            }
            if let Some(family) = &account.family {
                let (all, found) = families.entry(family).or_default();
                (*all, *found) = (*all + 1, *found + flagged);
            }
        }
        if honest > 0 {
            self.honest_flagged.insert(name.to_owned(), wronged as f64 / honest as f64);
        }
        for (family, (all, found)) in families {
            let of =
                self.families.entry(family.to_owned()).or_insert(OfFamily { accounts: all, recall: BTreeMap::new() });
            of.recall.insert(name.to_owned(), found as f64 / all as f64);
        }
    }

    /// "at 0.1 % false positives" in words; of fewer than a thousand accounts that is nobody.
    pub fn at_rate(&self, percent: &str, rate: f64) -> String {
        let others = self.accounts - self.fraud;
        match others as f64 * rate < 1.0 {
            true => format!("at {percent} false positives (none of {others})"),
            false => format!("at {percent} false positives"),
        }
    }

    /// The numbers by name, for the registry.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::from([
            ("test_accounts".to_owned(), self.accounts as f64),
            ("test_fraud_accounts".to_owned(), self.fraud as f64),
            ("calibration_error".to_owned(), self.calibration_error),
            ("calibration_error_low".to_owned(), self.calibration_error_low),
            ("sharp_from_percent".to_owned(), self.sharp.percent.into()),
            ("sharp_fraud".to_owned(), self.sharp.fraud as f64),
            ("sharp_honest".to_owned(), self.sharp.honest as f64),
            ("sharp_others".to_owned(), self.sharp.others as f64),
        ]);
        let mut put = |name: &str, measured: &Measured| {
            metrics.insert(name.to_owned(), measured.value);
            metrics.insert(format!("{name}_low"), measured.low);
            metrics.insert(format!("{name}_high"), measured.high);
        };
        self.auc.iter().for_each(|auc| put("auc", auc));
        self.recall.iter().for_each(|(name, recall)| put(&format!("recall_at_{name}"), recall));
        for (name, share) in &self.honest_flagged {
            metrics.insert(format!("honest_flagged_at_{name}"), *share);
        }
        let worst = cohorts::worst(&self.cohorts).map(|(_, times)| ("cohort_flagged_times".to_owned(), times));
        metrics.extend(worst);
        metrics
    }
}
