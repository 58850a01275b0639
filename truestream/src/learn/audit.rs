//! How often the model misses: by accounts that chance drew from those whom it would not hold, once people have looked at them.
//!
//! ```text
//! files of `queue` ──▶ drawn by chance, each with its probability of that ──┐
//! labels known ─────────────────────────────────────────────────────────────┴──▶ share of fraud among all of them
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use datasets::tables::read_features;
use models::measures::{at_most, surely};
use records::{LabelKind, Millis};
use serde::{Deserialize, Serialize};

use super::examples::said;
use crate::exit::Failure;

/// What people found among those drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Accounts that chance drew.
    pub drawn: usize,
    /// Of them, how many have a label by now.
    pub labelled: usize,
    /// Of those, how many took part in fraud, or had it done to them.
    pub fraud: usize,
    /// How many accounts all that were drawn stand for: each for one over its probability of being drawn (Horvitz and Thompson 1952).
    pub stand_for: f64,
    /// Share of fraud among them.
    pub missed: f64,
    /// Its lower end: Wilson's 95 % interval over as many equal draws as tell as much (Kish 1965).
    pub missed_low: f64,
    /// Its upper end.
    pub missed_high: f64,
}

/// What is known by then of the accounts that were drawn in these files of `truestream queue`.
///
/// # Errors
/// When a file cannot be read, or is none of `queue`.
pub fn audit(queues: &[PathBuf], labels: &[PathBuf], as_of: Millis) -> Result<Audit, Failure> {
    let said = said(labels, as_of)?;
    // Who was drawn twice is one account, drawn the more probably.
    let mut drawn: BTreeMap<String, f64> = BTreeMap::new();
    for path in queues {
        let rows = read_features(path, "account_id", |name| name == "inclusion", |_, _| true);
        let rows = rows.map_err(|error| Failure::Input(error.to_string()))?;
        let inclusion = rows.columns.first().ok_or_else(|| {
            Failure::Input(format!(
                "{}: column `inclusion` is missing; give a file of `truestream queue`",
                path.display()
            ))
        })?;
        for (id, inclusion) in rows.ids.iter().zip(inclusion).filter(|(_, inclusion)| **inclusion > 0.0) {
            let known = drawn.entry(id.clone()).or_default();
            *known = known.max(f64::from(*inclusion));
        }
    }
    Ok(Audit::of(drawn.iter().map(|(id, inclusion)| (*inclusion, said.label(id)))))
}

/// Of some that were drawn, each with its probability of that and whether it is a hit: the share of hits among all that they were drawn from, where each
/// counts for one over its probability (Horvitz and Thompson 1952), and Wilson's 95 % interval over as many equal draws as tell as much (Kish 1965).
pub fn share_of_hits(drawn: &[(f64, bool)]) -> [f64; 3] {
    let (mut all, mut squares, mut hits) = (0.0, 0.0, 0.0);
    for (inclusion, is_hit) in drawn {
        let stands_for = 1.0 / inclusion;
        (all, squares) = (all + stands_for, squares + stands_for * stands_for);
        hits += if *is_hit { stands_for } else { 0.0 };
    }
    if all == 0.0 {
        return [0.0, 0.0, 1.0];
    }
    let (share, draws) = (hits / all, all * all / squares);
    let told = share * draws;
    let low = surely((told + 1e-6) as usize, draws.round() as usize);
    [share, low, at_most((told - 1e-6).ceil() as usize, draws.round() as usize)]
}

impl Audit {
    fn of(drawn: impl Iterator<Item = (f64, Option<LabelKind>)>) -> Audit {
        let mut audit = Audit::default();
        let mut labelled = Vec::new();
        for (inclusion, label) in drawn {
            audit.drawn += 1;
            audit.stand_for += 1.0 / inclusion;
            let Some(label) = label else { continue };
            labelled.push((inclusion, label != LabelKind::Honest));
        }
        audit.labelled = labelled.len();
        audit.fraud = labelled.iter().filter(|(_, is_fraud)| *is_fraud).count();
        if audit.labelled > 0 {
            [audit.missed, audit.missed_low, audit.missed_high] = share_of_hits(&labelled);
        }
        audit
    }

    /// In words.
    pub fn words(&self) -> String {
        let Audit { drawn, labelled, fraud, stand_for, missed, missed_low, missed_high } = self;
        match labelled {
            0 => format!("{drawn} accounts were drawn by chance, and nobody has said anything of them yet"),
            _ => format!(
                "of {drawn} accounts drawn by chance {labelled} have a label, {fraud} of them fraud: of the {stand_for:.0} that they were drawn \
                 from {:.1} % are missed ({:.1} to {:.1} %)",
                100.0 * missed,
                100.0 * missed_low,
                100.0 * missed_high
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_counts_for_those_it_was_drawn_from() {
        use LabelKind::{Fraud, Honest};
        // Ten of a thousand, of which one is fraud and one not looked at; and one of two, fraud too.
        let mut drawn = vec![(0.01, Some(Fraud)), (0.01, None), (0.5, Some(Fraud))];
        drawn.resize(11, (0.01, Some(Honest)));
        let audit = Audit::of(drawn.into_iter());
        assert_eq!((audit.drawn, audit.labelled, audit.fraud), (11, 10, 2));
        assert!((audit.stand_for - 1_002.0).abs() < 1e-9 && (audit.missed - 102.0 / 902.0).abs() < 1e-9, "{audit:?}");
        assert!(audit.missed_low < audit.missed && audit.missed < audit.missed_high, "{audit:?}");
        assert!(Audit::of([(0.5, None)].into_iter()).words().contains("nobody has said anything"));
    }
}
