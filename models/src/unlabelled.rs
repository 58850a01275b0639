//! Learns from examples of which only some of the fraud is labelled, and nothing else.
//!
//! ```text
//! labelled against all others ──▶ g(x), the probability of a label ──▶ c = share of fraud that is labelled
//! g(x), c ──▶ w(x), the probability that an unlabelled example is fraud ──▶ its label from now on
//! ```
//!
//! Elkan and Noto, "Learning classifiers from only positive and unlabeled data", KDD 2008: if it was chance which fraud got a label,
//! then g(x) = c · P(fraud | x). Where labels were not given by chance (only easy fraud is labelled) c is too high and the others stay what they
//! were: counted as honest. So it errs on the side of people.

/// The share of fraud that is labelled: the mean probability of a label among labelled fraud that the model did not learn from
/// (their estimator e1). `None` without any.
pub fn labelled_share(of_labelled_fraud: &[f64]) -> Option<f64> {
    let sum: f64 = of_labelled_fraud.iter().sum();
    let mean = sum / of_labelled_fraud.len() as f64;
    // Even a model that knows nothing gives labelled fraud some probability.
    (mean > 0.0 && mean.is_finite()).then(|| mean.min(1.0))
}

/// The probability that an unlabelled example is fraud, of its probability of a label and the share of fraud that is labelled:
/// (1 − c)/c · g/(1 − g).
pub fn hidden(label: f64, labelled_share: f64) -> f64 {
    let odds = (1.0 - labelled_share) / labelled_share * label / (1.0 - label).max(1e-9);
    odds.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;
    use crate::boost::{Booster, Examples, Settings, fit};
    use crate::calibration::Calibration;
    use crate::chance::Chance;
    use crate::measures::{auc, log_loss};

    const FEATURES: usize = 4;
    const ROWS: usize = 12_000;
    /// Of all rows so many are fraud, and of fraud so many are labelled.
    const FRAUD: f64 = 0.3;
    const LABELLED: f64 = 0.4;

    struct World {
        table: Table,
        fraud: Vec<f32>,
        labelled: Vec<f32>,
    }

    /// Two clouds that overlap.
    fn world(seed: u64) -> World {
        let mut chance = Chance::of(seed, 21);
        let mut even = || (chance.next() >> 11) as f64 / (1u64 << 53) as f64;
        let mut columns = vec![Vec::new(); FEATURES];
        let (mut fraud, mut labelled) = (Vec::new(), Vec::new());
        for _ in 0..ROWS {
            let is_fraud = even() < FRAUD;
            fraud.push(f32::from(is_fraud));
            labelled.push(f32::from(is_fraud && even() < LABELLED));
            for column in &mut columns {
                // The sum of twelve is nearly normal.
                let noise = (0..12).map(|_| even()).sum::<f64>() - 6.0;
                column.push((noise + if is_fraud { 1.6 } else { 0.0 }) as f32);
            }
        }
        let names = (0..FEATURES).map(|feature| format!("f{feature}")).collect();
        World { table: Table::new(names, columns).expect("columns of one length"), fraud, labelled }
    }

    fn learn(table: &Table, labels: &[f32]) -> Booster {
        let weights = vec![1.0; labels.len()];
        let settings = Settings { trees_max: 60, ..Settings::default() };
        fit(Examples { table, labels, weights: &weights }, None, None, &settings, |_, _| {}).expect("two classes")
    }

    fn probabilities(world: &World, learned: &World) -> Vec<f64> {
        let model = learn(&learned.table, &learned.labelled);
        let scores = model.scores(&world.table).expect("the same features");
        let ones = vec![1.0; scores.len()];
        let calibration = Calibration::fit(&scores, &world.labelled, &ones).expect("two classes");
        scores.iter().map(|score| calibration.probability(*score)).collect()
    }

    #[test]
    fn what_was_hidden_is_recovered_from_labels_of_some_of_the_fraud() {
        let (a, b, unseen) = (world(1), world(2), world(3));
        // Each half is told by what was learned from the other one.
        let (of_a, of_b) = (probabilities(&a, &b), probabilities(&b, &a));
        let known = |world: &World, of: &[f64]| {
            world.labelled.iter().zip(of).filter(|(label, _)| **label == 1.0).map(|(_, g)| *g).collect::<Vec<_>>()
        };
        let share = labelled_share(&[known(&a, &of_a), known(&b, &of_b)].concat()).expect("there is labelled fraud");
        assert!((share - LABELLED).abs() < 0.06, "{share} of fraud labelled, {LABELLED} were");
        let told = |world: &World, of: &[f64]| -> Vec<f32> {
            let rows = world.labelled.iter().zip(of);
            rows.map(|(label, g)| if *label == 1.0 { 1.0 } else { hidden(*g, share) as f32 }).collect()
        };
        let soft = told(&a, &of_a);
        let found = soft.iter().sum::<f32>() / ROWS as f32;
        assert!((f64::from(found) - FRAUD).abs() < 0.04, "{found} of all told to be fraud, {FRAUD} are");

        let ones = vec![1.0; ROWS];
        let scores = |labels: &[f32]| learn(&a.table, labels).scores(&unseen.table).expect("the same features");
        let [naive, recovered, oracle] = [scores(&a.labelled), scores(&soft), scores(&a.fraud)];
        let auc = |scores: &[f64]| auc(scores, &unseen.fraud, &ones).expect("two classes");
        assert!(auc(&recovered) > auc(&oracle) - 0.005, "{} against {}", auc(&recovered), auc(&oracle));
        // A model that takes the hidden for honest says far too low probabilities.
        let loss = |scores: &[f64]| log_loss(scores, &unseen.fraud, &ones);
        let (naive, recovered, oracle) = (loss(&naive), loss(&recovered), loss(&oracle));
        assert!(recovered < oracle + 0.2 * (naive - oracle), "{naive}, {recovered}, {oracle}");
    }

    #[test]
    fn where_all_fraud_is_labelled_nobody_else_is_suspected() {
        assert_eq!([hidden(0.0, 0.5), hidden(0.3, 1.0), hidden(0.99, 1.0)], [0.0; 3]);
        assert_eq!(hidden(0.999, 0.2), 1.0);
        assert_eq!(labelled_share(&[]), None);
        assert_eq!(labelled_share(&[0.2, 0.6]), Some(0.4));
    }
}
