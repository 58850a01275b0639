//! Turns raw scores into probabilities that mean what they say.
//!
//! ```text
//! scores and labels of rows that training never saw ──▶ isotonic (many rows) or Platt (few) ──▶ score → probability
//! ```

use serde::{Deserialize, Serialize};

use crate::boost::sigmoid;

/// Fewer fraud or honest rows than this are fitted by two numbers instead of a staircase: isotonic regression overfits below
/// about 1 000 rows (Niculescu-Mizil and Caruana, ICML 2005).
const ISOTONIC_ROWS_MIN: usize = 500;

/// What makes probabilities of scores; never falls where the score rises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// `sigmoid(slope * score + offset)`, slope not negative (Platt 1999).
    Platt {
        /// Of the score.
        slope: f64,
        /// In log odds.
        offset: f64,
    },
    /// Straight lines between points, in ascending order of both.
    Isotonic {
        /// Raw scores.
        scores: Vec<f64>,
        /// Probabilities.
        probabilities: Vec<f64>,
    },
}

impl Calibration {
    /// Fits what the number of rows allows. `None` where fraud or honest rows are missing.
    pub fn fit(scores: &[f64], labels: &[f32], weights: &[f32]) -> Option<Calibration> {
        let counted = |fraud: bool| {
            let rows = labels.iter().zip(weights);
            rows.filter(|(label, weight)| (**label > 0.5) == fraud && **weight > 0.0).count()
        };
        match counted(true).min(counted(false)) {
            0 => None,
            rows if rows < ISOTONIC_ROWS_MIN => Some(platt(scores, labels, weights)),
            _ => Some(isotonic(scores, labels, weights)),
        }
    }

    /// The probability of a raw score.
    pub fn probability(&self, score: f64) -> f64 {
        match self {
            Calibration::Platt { slope, offset } => sigmoid(slope * score + offset),
            Calibration::Isotonic { scores, probabilities } => {
                let above = scores.partition_point(|known| *known < score);
                if above == 0 || above == scores.len() {
                    return probabilities.get(above.min(scores.len().saturating_sub(1))).copied().unwrap_or(0.5);
                }
                let (low, high) = (scores[above - 1], scores[above]);
                let (from, to) = (probabilities[above - 1], probabilities[above]);
                (from + (to - from) * ((score - low) / (high - low))).min(to)
            }
        }
    }

    /// Whether what came from a file is one.
    pub fn is_sound(&self) -> bool {
        let rising = |values: &[f64]| values.windows(2).all(|pair| pair[0] <= pair[1]);
        match self {
            Calibration::Platt { slope, offset } => *slope >= 0.0 && slope.is_finite() && offset.is_finite(),
            Calibration::Isotonic { scores, probabilities } => {
                let finite = scores.iter().all(|score| score.is_finite());
                let shares = probabilities.iter().all(|share| (0.0..=1.0).contains(share));
                !scores.is_empty()
                    && scores.len() == probabilities.len()
                    && finite
                    && shares
                    && rising(scores)
                    && rising(probabilities)
            }
        }
    }
}

/// Newton's method on the two parameters, with Platt's targets: (n + 1) / (n + 2) and 1 / (n + 2) instead of 1 and 0.
fn platt(scores: &[f64], labels: &[f32], weights: &[f32]) -> Calibration {
    let (mut fraud, mut honest) = (0.0, 0.0);
    for (label, weight) in labels.iter().zip(weights) {
        fraud += f64::from(*label) * f64::from(*weight);
        honest += (1.0 - f64::from(*label)) * f64::from(*weight);
    }
    let [high, low] = [(fraud + 1.0) / (fraud + 2.0), 1.0 / (honest + 2.0)];
    let rows: Vec<(f64, f64, f64)> = scores
        .iter()
        .zip(labels)
        .zip(weights)
        .map(|((score, label), weight)| (*score, low + f64::from(*label) * (high - low), f64::from(*weight)))
        .collect();
    let loss = |slope: f64, offset: f64| {
        let terms = rows.iter().map(|(score, target, weight)| {
            let raw = slope * score + offset;
            weight * (raw.max(0.0) + (-raw.abs()).exp().ln_1p() - target * raw)
        });
        terms.sum::<f64>()
    };
    let (mut slope, mut offset) = (0.0, ((fraud + 1.0) / (honest + 1.0)).ln());
    let mut now = loss(slope, offset);
    for _ in 0..100 {
        // 1e-12 on the diagonal keeps the step finite where all scores are one.
        let (mut g, mut h) = ([0.0; 2], [1e-12, 0.0, 1e-12]);
        for (score, target, weight) in &rows {
            let p = sigmoid(slope * score + offset);
            let (error, curve) = (weight * (p - target), weight * p * (1.0 - p));
            g = [g[0] + error * score, g[1] + error];
            h = [h[0] + curve * score * score, h[1] + curve * score, h[2] + curve];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        let mut length = 1.0;
        let better = loop {
            let tried = ((slope - length * step[0]).max(0.0), offset - length * step[1]);
            let loss = loss(tried.0, tried.1);
            if loss < now {
                break Some((tried, loss));
            }
            length /= 2.0;
            if length < 1e-10 {
                break None;
            }
        };
        let Some(((next_slope, next_offset), next)) = better else { break };
        let gained = now - next;
        (slope, offset, now) = (next_slope, next_offset, next);
        if gained < 1e-12 * now.abs() {
            break;
        }
    }
    Calibration::Platt { slope, offset }
}

/// Rows of neighbouring scores that have one probability.
#[derive(Clone, Copy)]
struct Block {
    low: f64,
    high: f64,
    fraud: f64,
    all: f64,
}

/// Pools neighbours until none falls below the one before it (Ayer et al. 1955). No probability is 0 or 1: rows of one kind
/// alone are not proof, so it stays within Platt's targets.
fn isotonic(scores: &[f64], labels: &[f32], weights: &[f32]) -> Calibration {
    let mut rows: Vec<usize> = (0..scores.len()).filter(|row| weights[*row] > 0.0).collect();
    rows.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(a.cmp(b)));
    let mut blocks: Vec<Block> = Vec::new();
    for same in rows.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let score = scores[same[0]];
        let mut block = Block { low: score, high: score, fraud: 0.0, all: 0.0 };
        for row in same {
            block.fraud += f64::from(labels[*row]) * f64::from(weights[*row]);
            block.all += f64::from(weights[*row]);
        }
        while let Some(before) = blocks.pop_if(|before| before.fraud * block.all >= block.fraud * before.all) {
            let (fraud, all) = (before.fraud + block.fraud, before.all + block.all);
            block = Block { low: before.low, high: block.high, fraud, all };
        }
        blocks.push(block);
    }
    let (mut knots, mut probabilities) = (Vec::new(), Vec::new());
    let fraud: f64 = blocks.iter().map(|block| block.fraud).sum();
    let honest = blocks.iter().map(|block| block.all).sum::<f64>() - fraud;
    for block in &blocks {
        let probability = (block.fraud / block.all).clamp(1.0 / (honest + 2.0), (fraud + 1.0) / (fraud + 2.0));
        for score in [block.low, block.high] {
            if knots.last() != Some(&score) {
                knots.push(score);
                probabilities.push(probability);
            }
        }
    }
    Calibration::Isotonic { scores: knots, probabilities }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use crate::measures::calibration_error;

    /// Scores of which the true probability is known.
    fn world(rows: usize, truth: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f32>) {
        let mut chance = Chance::of(11, rows as u64);
        let mut unit = move || chance.below(1 << 30) as f64 / f64::from(1 << 30);
        (0..rows)
            .map(|_| {
                let score = unit() * 8.0 - 4.0;
                (score, f32::from(u8::from(unit() < truth(score))))
            })
            .unzip()
    }

    #[test]
    fn both_find_a_truth_that_they_can_express() {
        let truth = |score: f64| sigmoid(0.5 * score - 1.0);
        for rows in [400, 40_000] {
            let (scores, labels) = world(rows, truth);
            let found = Calibration::fit(&scores, &labels, &vec![1.0; rows]).expect("both classes are there");
            assert!(found.is_sound());
            assert_eq!(matches!(found, Calibration::Platt { .. }), rows == 400);
            for score in [-3.0, -1.0, 0.0, 2.0, 3.0] {
                let off = (found.probability(score) - truth(score)).abs();
                assert!(off < if rows == 400 { 0.1 } else { 0.05 }, "{rows} rows, {score}: off by {off}");
            }
        }
    }

    #[test]
    fn isotonic_finds_what_no_sigmoid_is_and_never_falls() {
        let truth = |score: f64| if score < 0.0 { 0.02 } else { 0.6 };
        let (scores, labels) = world(40_000, truth);
        let found = Calibration::fit(&scores, &labels, &vec![1.0; scores.len()]).expect("both classes are there");
        let probabilities: Vec<f64> = scores.iter().map(|score| found.probability(*score)).collect();
        let error = calibration_error(&probabilities, &labels, &vec![1.0; scores.len()]);
        assert!(error < 0.005, "{error}");
        let grid: Vec<f64> = (-500..500).map(|score| found.probability(f64::from(score) / 100.0)).collect();
        assert!(grid.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn scores_that_say_nothing_get_the_share_of_fraud_and_one_class_gets_nothing() {
        let labels: Vec<f32> = (0..200).map(|row| f32::from(u8::from(row % 4 == 0))).collect();
        let found = Calibration::fit(&vec![1.0; 200], &labels, &vec![1.0; 200]).expect("both classes are there");
        assert!((found.probability(1.0) - 0.25).abs() < 0.01);
        assert_eq!(Calibration::fit(&[1.0, 2.0], &[0.0, 0.0], &[1.0, 1.0]), None);
    }
}
