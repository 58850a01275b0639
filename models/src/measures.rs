//! How good scores are, against what is known: numbers for reports and gates, with intervals.
//!
//! Every function takes one score, one label (from 0 honest to 1 fraud) and one weight per row.

use rayon::prelude::*;

use crate::chance::Chance;

/// Mean logistic loss of raw scores (log odds), in nats; 0 where no row counts.
pub fn log_loss(scores: &[f64], labels: &[f32], weights: &[f32]) -> f64 {
    let (mut loss, mut all) = (0.0, 0.0);
    for ((score, label), weight) in scores.iter().zip(labels).zip(weights) {
        // ln(1 + e^s) - y s, without overflow.
        let softplus = score.max(0.0) + (-score.abs()).exp().ln_1p();
        loss += f64::from(*weight) * (softplus - f64::from(*label) * score);
        all += f64::from(*weight);
    }
    if all > 0.0 { loss / all } else { 0.0 }
}

/// The weights of fraud and of honest rows that have a score of at least each distinct score, from the highest down.
fn steps(scores: &[f64], labels: &[f32], weights: &[f32]) -> Vec<(f64, f64, f64)> {
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_unstable_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut fraud, mut honest) = (0.0, 0.0);
    let mut steps = Vec::new();
    for same in rows.chunk_by(|a, b| scores[*a] == scores[*b]) {
        for row in same {
            let (label, weight) = (f64::from(labels[*row]), f64::from(weights[*row]));
            fraud += weight * label;
            honest += weight * (1.0 - label);
        }
        steps.push((scores[same[0]], fraud, honest));
    }
    steps
}

/// Area under the ROC curve: the chance that a fraud row scores above an honest one, equals counting half. `None`
/// where one of the two is missing.
pub fn auc(scores: &[f64], labels: &[f32], weights: &[f32]) -> Option<f64> {
    let steps = steps(scores, labels, weights);
    let &(_, all_fraud, all_honest) = steps.last()?;
    if all_fraud <= 0.0 || all_honest <= 0.0 {
        return None;
    }
    let (mut area, mut before) = (0.0, (0.0, 0.0));
    for (_, fraud, honest) in steps {
        area += (honest - before.1) * (fraud + before.0) / 2.0;
        before = (fraud, honest);
    }
    Some(area / all_fraud / all_honest)
}

/// The threshold from which on rows are flagged, and what it finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recall {
    /// Rows with at least this score are flagged; infinite where no row can be.
    pub threshold: f64,
    /// Share of fraud that is flagged.
    pub recall: f64,
    /// Share of honest rows that is flagged.
    pub false_positives: f64,
}

/// The lowest threshold at which at most this share of honest rows is flagged. `None` where fraud or honest rows
/// are missing.
pub fn recall_at(scores: &[f64], labels: &[f32], weights: &[f32], false_positives_max: f64) -> Option<Recall> {
    let steps = steps(scores, labels, weights);
    let &(_, all_fraud, all_honest) = steps.last()?;
    if all_fraud <= 0.0 || all_honest <= 0.0 {
        return None;
    }
    let allowed = steps.iter().take_while(|(_, _, honest)| honest / all_honest <= false_positives_max);
    let none = Recall { threshold: f64::INFINITY, recall: 0.0, false_positives: 0.0 };
    Some(allowed.last().map_or(none, |(threshold, fraud, honest)| Recall {
        threshold: *threshold,
        recall: fraud / all_fraud,
        false_positives: honest / all_honest,
    }))
}

/// Expected calibration error: mean distance of probability and truth over ten bins of equal width (Naeini et al., AAAI 2015).
pub fn calibration_error(probabilities: &[f64], labels: &[f32], weights: &[f32]) -> f64 {
    let mut bins = [(0.0, 0.0, 0.0); 10];
    for ((probability, label), weight) in probabilities.iter().zip(labels).zip(weights) {
        let (said, seen, all) = &mut bins[((probability * 10.0) as usize).min(9)];
        *said += probability * f64::from(*weight);
        *seen += f64::from(*label) * f64::from(*weight);
        *all += f64::from(*weight);
    }
    let all: f64 = bins.iter().map(|(_, _, all)| all).sum();
    if all > 0.0 { bins.iter().map(|(said, seen, _)| (said - seen).abs()).sum::<f64>() / all } else { 0.0 }
}

/// A number and where it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The number of the rows as they are.
    pub value: f64,
    /// Quantile 2.5 % of resamples.
    pub low: f64,
    /// Quantile 97.5 % of resamples.
    pub high: f64,
}

/// Resamples for an interval: its ends then move by a few hundredths of its width from seed to seed (Efron and
/// Tibshirani 1993 advise 1 000).
const RESAMPLES: u64 = 1_000;

/// Bootstrap interval of a measure: `of` is told how often each row counts, and may have no answer for a resample.
///
/// `None` where the rows as they are have no answer.
pub fn bootstrap(rows: usize, seed: u64, of: impl Fn(&[f32]) -> Option<f64> + Sync) -> Option<Interval> {
    let value = of(&vec![1.0; rows])?;
    let resampled = (0..RESAMPLES).into_par_iter().filter_map(|number| {
        let mut chance = Chance::of(seed, 1_000 + number);
        let mut counts = vec![0.0; rows];
        (0..rows).for_each(|_| counts[chance.below(rows)] += 1.0);
        of(&counts)
    });
    let mut values: Vec<f64> = resampled.collect();
    values.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied();
    Some(Interval { value, low: quantile(0.025).unwrap_or(value), high: quantile(0.975).unwrap_or(value) })
}

/// Population stability index of a sample against shares that once held: the sum of (new - old) ln(new / old), in nats. Shares
/// of nothing count as 1e-4. Under 0.1 is stable, over 0.25 is another population (Siddiqi, Credit Risk Scorecards, 2006).
pub fn stability_index(old: &[f64], new: &[f64]) -> f64 {
    old.iter()
        .zip(new)
        .map(|(old, new)| {
            let [old, new] = [old, new].map(|share| share.max(1e-4));
            (new - old) * (new / old).ln()
        })
        .sum()
}

/// The share that so many of so many surely are at least: the lower end of Wilson's 95 % interval (Wilson, JASA 1927).
pub fn surely(hits: usize, of: usize) -> f64 {
    const Z: f64 = 1.96;
    let all = of.max(1) as f64;
    let share = hits as f64 / all;
    let middle = share + Z * Z / (2.0 * all);
    let reach = Z * (share * (1.0 - share) / all + Z * Z / (4.0 * all * all)).sqrt();
    ((middle - reach) / (1.0 + Z * Z / all)).max(0.0)
}

/// The share that so many of so many surely are at most: the upper end of Wilson's 95 % interval. Of nothing it may be anything.
pub fn at_most(hits: usize, of: usize) -> f64 {
    if of == 0 { 1.0 } else { 1.0 - surely(of - hits, of) }
}

/// The chance that of so many at least so many are hit where each is with this chance: the upper tail of the binomial distribution.
pub fn as_many_by_chance(hits: usize, of: usize, each: f64) -> f64 {
    if hits == 0 || each >= 1.0 {
        return 1.0;
    }
    if hits > of || each <= 0.0 {
        return 0.0;
    }
    // Over the odds, term by term; the first by its logarithm, because it may be smaller than a number can be.
    let odds = each / (1.0 - each);
    let choices: f64 = (1..=hits).map(|at| ((of - hits + at) as f64 / at as f64).ln()).sum();
    let mut term = (choices + hits as f64 * each.ln() + (of - hits) as f64 * (-each).ln_1p()).exp();
    let mut tail = term;
    for at in hits..of {
        term *= (of - at) as f64 / (at + 1) as f64 * odds;
        tail += term;
    }
    tail.min(1.0)
}

/// The Gini coefficient of amounts that are not negative: 0 where all have the same, towards 1 where one has all; `None` where there is
/// nothing. Sum of (2i - n - 1) a_i over n times the sum, amounts in order.
pub fn gini(amounts: &[f64]) -> Option<f64> {
    let mut amounts = amounts.to_vec();
    amounts.sort_unstable_by(f64::total_cmp);
    let (all, sum) = (amounts.len() as f64, amounts.iter().sum::<f64>());
    let ranked = amounts.iter().zip(1..).map(|(amount, rank)| (2.0 * f64::from(rank) - all - 1.0) * amount);
    (sum > 0.0).then(|| ranked.sum::<f64>() / (all * sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_many_by_chance_is_the_sum_over_all_outcomes() {
        // Every outcome of twelve draws, one by one.
        let slow = |hits: usize, each: f64| {
            let outcomes = (0u32..1 << 12).filter(|outcome| outcome.count_ones() as usize >= hits);
            outcomes
                .map(|outcome| {
                    each.powi(outcome.count_ones() as i32) * (1.0 - each).powi(12 - outcome.count_ones() as i32)
                })
                .sum::<f64>()
        };
        for hits in 0..=12 {
            for each in [0.0, 0.01, 0.3, 0.9, 1.0] {
                let found = as_many_by_chance(hits, 12, each);
                assert!((found - slow(hits, each)).abs() < 1e-12, "{hits} of 12 at {each}: {found}");
            }
        }
        assert!(as_many_by_chance(40_000, 1_000_000, 0.01) < 1e-100);
    }

    #[test]
    fn the_gini_coefficient_is_half_the_mean_difference_over_the_mean() {
        let amounts = [3.0, 0.0, 8.0, 1.0, 1.0];
        let differences: f64 = amounts.iter().flat_map(|a| amounts.map(|b| f64::abs(a - b))).sum();
        let slow = differences / 25.0 / 2.0 / (13.0 / 5.0);
        assert!((gini(&amounts).expect("something is there") - slow).abs() < 1e-12);
        assert_eq!((gini(&[2.0; 7]), gini(&[0.0; 3]), gini(&[])), (Some(0.0), None, None));
    }

    fn rows() -> impl Strategy<Value = Vec<(f64, bool, u8)>> {
        prop::collection::vec((0u8..6, any::<bool>(), 0u8..4), 1..40)
            .prop_map(|rows| rows.into_iter().map(|(score, fraud, weight)| (f64::from(score), fraud, weight)).collect())
    }

    fn columns(rows: &[(f64, bool, u8)]) -> (Vec<f64>, Vec<f32>, Vec<f32>) {
        let labels = rows.iter().map(|(_, fraud, _)| f32::from(u8::from(*fraud))).collect();
        (rows.iter().map(|row| row.0).collect(), labels, rows.iter().map(|row| f32::from(row.2)).collect())
    }

    proptest! {
        #[test]
        fn auc_is_the_chance_of_the_right_order(rows in rows()) {
            let (scores, labels, weights) = columns(&rows);
            let (mut right, mut all) = (0.0, 0.0);
            for (fraud, honest) in rows.iter().flat_map(|a| rows.iter().map(move |b| (a, b))) {
                if fraud.1 && !honest.1 {
                    let pairs = f64::from(fraud.2) * f64::from(honest.2);
                    all += pairs;
                    right += pairs * if fraud.0 > honest.0 { 1.0 } else if fraud.0 == honest.0 { 0.5 } else { 0.0 };
                }
            }
            match auc(&scores, &labels, &weights) {
                Some(auc) => prop_assert!((auc - right / all).abs() < 1e-12),
                None => prop_assert_eq!(all, 0.0),
            }
        }

        #[test]
        fn recall_is_the_best_that_the_honest_allow(rows in rows(), max in 0.0..1.0) {
            let (scores, labels, weights) = columns(&rows);
            let share = |from: f64, fraud: bool| {
                let of = |rows: &mut dyn Iterator<Item = &(f64, bool, u8)>| rows.map(|row| f64::from(row.2)).sum::<f64>();
                let all = of(&mut rows.iter().filter(|row| row.1 == fraud));
                of(&mut rows.iter().filter(|row| row.1 == fraud && row.0 >= from)) / all
            };
            let Some(got) = recall_at(&scores, &labels, &weights, max) else { return Ok(()) };
            let thresholds = scores.iter().copied().filter(|from| share(*from, false) <= max);
            let best = thresholds.map(|from| share(from, true)).fold(0.0, f64::max);
            prop_assert!((got.recall - best).abs() < 1e-12);
            prop_assert!(got.false_positives <= max);
        }
    }

    #[test]
    fn losses_and_shifts_have_their_textbook_values() {
        assert!((log_loss(&[0.0, 0.0], &[0.0, 1.0], &[1.0, 1.0]) - std::f64::consts::LN_2).abs() < 1e-12);
        assert!(log_loss(&[800.0, -800.0], &[1.0, 0.0], &[1.0, 1.0]) < 1e-12);
        assert!((calibration_error(&[0.25, 0.25, 0.25, 0.25], &[1.0, 0.0, 0.0, 0.0], &[1.0; 4])).abs() < 1e-12);
        assert_eq!(stability_index(&[0.5, 0.5], &[0.5, 0.5]), 0.0);
        assert!((stability_index(&[0.5, 0.5], &[0.6, 0.4]) - 0.1 * (1.2f64 / 0.8).ln()).abs() < 1e-12);
        let interval = bootstrap(400, 7, |counts| Some(f64::from(counts[..100].iter().sum::<f32>()) / 400.0));
        let Interval { value, low, high } = interval.expect("a share always is");
        // A share of 1/4 of 400: standard error .0217.
        assert!(value == 0.25 && (0.195..0.22).contains(&low) && (0.28..0.305).contains(&high), "{low} {high}");
    }
}
