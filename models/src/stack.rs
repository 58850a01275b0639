//! Adds what a network says to what the trees say: two weights and an offset, fitted on accounts that neither learned from.

use serde::{Deserialize, Serialize};

use crate::boost::sigmoid;

/// How two scores become one: `trees * score of the trees + network * score of the network + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Of the trees' score, not negative.
    pub trees: f64,
    /// Of the network's score, not negative.
    pub network: f64,
    /// In log odds.
    pub offset: f64,
    /// What the network says on average: contributions are counted from there.
    pub mean: f64,
    /// What the network says of who played nothing: that is said of accounts that it was not asked about.
    pub unknown: f32,
}

/// Pulls the weights towards those of a model that trusts the trees alone, as strong as so many rows: few rows decide little.
const PRIOR_ROWS: f64 = 1.0;

impl Stack {
    /// Fits the weights by logistic regression (Newton's method, both classes as heavy as each other). A weight that would be
    /// negative is zero: neither model is right by being wrong. `None` where fraud or honest rows are missing.
    pub fn fit(trees: &[f64], network: &[f32], unknown: f32, labels: &[f32]) -> Option<Stack> {
        let fraud = labels.iter().filter(|label| **label > 0.5).count();
        let honest = labels.len() - fraud;
        if fraud == 0 || honest == 0 {
            return None;
        }
        let mean = network.iter().copied().map(f64::from).sum::<f64>() / network.len() as f64;
        let rows = Rows { trees, network, labels, shares: [0.5 / honest as f64, 0.5 / fraud as f64] };
        let free = [[true, true], [true, false], [false, true]];
        let fitted = free
            .into_iter()
            .map(|free| rows.fit(free))
            .filter(|([trees, network, _], _)| *trees >= 0.0 && *network >= 0.0);
        let ([trees, network, offset], _) = fitted.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        Some(Stack { trees, network, offset, mean, unknown })
    }

    /// The score of both.
    pub fn score(self, trees: f64, network: f32) -> f64 {
        self.trees * trees + self.network * f64::from(self.known(network)) + self.offset
    }

    /// The network's score, or what stands for it.
    pub fn known(self, network: f32) -> f32 {
        if network.is_nan() { self.unknown } else { network }
    }

    /// What the network added to the log odds, over what it adds on average.
    pub fn added(self, network: f32) -> f64 {
        self.network * (f64::from(network) - self.mean)
    }

    /// Whether what came from a file is one.
    pub fn is_sound(self) -> bool {
        let finite = [self.trees, self.network, self.offset, self.mean, f64::from(self.unknown)];
        finite.iter().all(|number| number.is_finite()) && self.trees >= 0.0 && self.network >= 0.0
    }
}

struct Rows<'a> {
    trees: &'a [f64],
    network: &'a [f32],
    labels: &'a [f32],
    /// Weight of an honest and of a fraud row.
    shares: [f64; 2],
}

impl Rows<'_> {
    /// Each row as (trees, network, 1), its label and its weight.
    fn each(&self) -> impl Iterator<Item = ([f64; 3], f64, f64)> + '_ {
        let scores = self.trees.iter().zip(self.network).zip(self.labels);
        scores.map(|((trees, network), label)| {
            let weight = self.shares[usize::from(*label > 0.5)];
            ([*trees, f64::from(*network), 1.0], f64::from(*label), weight)
        })
    }

    /// The best weights, those that are not free held at zero, and their loss.
    fn fit(&self, free: [bool; 2]) -> ([f64; 3], f64) {
        let free = [free[0], free[1], true];
        let prior = [f64::from(u8::from(free[0])), 0.0, 0.0];
        let pull = PRIOR_ROWS / self.labels.len() as f64;
        let loss = |weights: &[f64; 3]| {
            let far = (0..3).map(|at| (weights[at] - prior[at]).powi(2)).sum::<f64>();
            let rows = self.each().map(|(row, label, weight)| {
                let raw = dot(&row, weights);
                weight * (raw.max(0.0) + (-raw.abs()).exp().ln_1p() - label * raw)
            });
            rows.sum::<f64>() + 0.5 * pull * far
        };
        let mut weights = prior;
        let mut now = loss(&weights);
        for _ in 0..100 {
            let (mut slope, mut curve) = ([0.0; 3], [[0.0; 3]; 3]);
            for (row, label, weight) in self.each() {
                let said = sigmoid(dot(&row, &weights));
                for a in 0..3 {
                    slope[a] += weight * (said - label) * row[a];
                    (0..3).for_each(|b| curve[a][b] += weight * said * (1.0 - said) * row[a] * row[b]);
                }
            }
            for at in 0..3 {
                slope[at] += pull * (weights[at] - prior[at]);
                curve[at][at] += pull;
                if !free[at] {
                    slope[at] = 0.0;
                    (0..3).for_each(|other| (curve[at][other], curve[other][at]) = (0.0, 0.0));
                    curve[at][at] = 1.0;
                }
            }
            let step = solve(curve, slope);
            let tries = (0..40).map(|halved| std::array::from_fn(|at| weights[at] - step[at] * 0.5f64.powi(halved)));
            let Some((next, lower)) = tries.map(|tried| (tried, loss(&tried))).find(|(_, tried)| *tried < now) else {
                break;
            };
            let gained = now - lower;
            (weights, now) = (next, lower);
            if gained < 1e-12 {
                break;
            }
        }
        (weights, now)
    }
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Solves three equations by Gauss's elimination; the matrix is symmetric and positive, so no rows change places.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> [f64; 3] {
    for pivot in 0..3 {
        for row in pivot + 1..3 {
            let share = matrix[row][pivot] / matrix[pivot][pivot];
            (pivot..3).for_each(|column| matrix[row][column] -= share * matrix[pivot][column]);
            right[row] -= share * right[pivot];
        }
    }
    let mut found = [0.0; 3];
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|column| matrix[row][column] * found[column]).sum();
        found[row] = (right[row] - known) / matrix[row][row];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    /// Labels drawn with the probability that these weights give to two random scores.
    fn drawn(weights: [f64; 3]) -> (Vec<f64>, Vec<f32>, Vec<f32>) {
        let mut chance = Chance::of(4, 4);
        let mut even = || (chance.next() >> 11) as f64 / (1u64 << 53) as f64;
        let (mut trees, mut network, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let (a, b) = (6.0 * even() - 3.0, 6.0 * even() - 3.0);
            labels.push(f32::from(even() < sigmoid(dot(&[a, b, 1.0], &weights))));
            trees.push(a);
            network.push(b as f32);
        }
        (trees, network, labels)
    }

    #[test]
    fn weights_are_those_that_made_the_labels() {
        let (trees, network, labels) = drawn([0.8, 0.4, 0.0]);
        let stack = Stack::fit(&trees, &network, 0.0, &labels).expect("both classes");
        assert!((stack.trees - 0.8).abs() < 0.05 && (stack.network - 0.4).abs() < 0.05, "{stack:?}");
        assert!(stack.mean.abs() < 0.05 && stack.offset.abs() < 0.05 && stack.is_sound(), "{stack:?}");
        assert_eq!(Stack::fit(&trees, &network, 0.0, &vec![1.0; labels.len()]), None);
    }

    #[test]
    fn a_network_that_says_the_opposite_is_not_asked() {
        let (trees, network, labels) = drawn([0.8, -0.4, 0.0]);
        let stack = Stack::fit(&trees, &network, 0.0, &labels).expect("both classes");
        assert!(stack.network == 0.0 && stack.trees > 0.5, "{stack:?}");
        // What tells all apart has finite weights all the same.
        let certain: Vec<f64> = labels.iter().map(|label| 4.0 * f64::from(*label) - 2.0).collect();
        let stack = Stack::fit(&certain, &network, 0.0, &labels).expect("both classes");
        assert!(stack.is_sound() && stack.trees < 10.0, "{stack:?}");
    }
}
