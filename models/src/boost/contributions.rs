//! What each feature of a row added to its score: Shapley values of the trees.
//!
//! ```text
//! leaf ──▶ features on the way to it: does the row fit? share of training rows that do ──▶ its value, shared out
//! ```
//!
//! The game is that of Lundberg et al., "Consistent Individualized Feature Attribution for Tree Ensembles" (2018): a
//! feature that is not known goes both ways, as often as training rows did. A leaf alone is a product, one factor per
//! feature on its way: 1 or 0 where the feature is known, the share z of training rows where it is not. So with m
//! features, of which the row fits those in F, and w(s) = s! (m - 1 - s)! / m!, the Shapley values of a leaf of value v are
//!
//! ```text
//! polynomial  c_0 + c_1 y + … = Π over F of (z_j + y)        C = Π over the others of z_j
//! fits:       v (1 - z_i) C Σ w(s) c_s   of the polynomial without its factor i
//! fits not:   -v C Σ w(s) c_s
//! ```
//!
//! They depend on the row by nothing but which features fit. So for a leaf with at most six features, 64 cases, they are computed once, and
//! a row looks up the case of each leaf (the idea of Yang, "Fast TreeSHAP", 2021).

use super::tree::{Branch, Split, Tree};
use super::{BoostError, Booster};

/// What explains a booster's scores. Made once, it explains any number of rows.
#[derive(Clone, Debug)]
pub struct Explainer {
    features: usize,
    trees: Vec<Explained>,
    /// The mean score of the training rows, as far as the trees know it.
    expected: f64,
}

/// A tree and what its leaves say in every case.
#[derive(Clone, Debug)]
struct Explained {
    splits: Vec<Split>,
    ways: Vec<Way>,
    /// The shares of all ways with few features, case by case.
    cases: Vec<f64>,
}

/// The way to a leaf.
#[derive(Clone, Debug)]
struct Way {
    value: f64,
    steps: Vec<Step>,
    /// Where its cases begin; `None` where there are too many.
    cases: Option<usize>,
}

/// All questions about one feature on the way to a leaf.
#[derive(Clone, Debug)]
struct Step {
    feature: u32,
    /// The questions, and whether the way goes left.
    asked: Vec<(u32, bool)>,
    /// The same as bits: of which questions the answer matters, and the answers. Nothing where questions have greater numbers.
    matters: u64,
    answers: u64,
    /// The share of training rows that go this way at all of them, the other features left out.
    share: f64,
}

/// A way with so many features has 64 cases.
const TABLED_MAX: usize = 6;

/// Ways ask about so many features at most: beyond, factorials leave what an f64 tells apart.
const FEATURES_MAX: usize = 64;

impl Explainer {
    /// Prepares to explain.
    ///
    /// # Errors
    /// [`BoostError::Tree`] when a tree asks about more than 64 features on one way, or no training row came to it.
    pub fn new(booster: &Booster) -> Result<Explainer, BoostError> {
        let trees = booster.trees.iter().enumerate().map(|(tree, grown)| {
            let ways = ways(grown);
            let cannot =
                |way: &Way| way.steps.len() > FEATURES_MAX || way.steps.iter().any(|step| !step.share.is_finite());
            match ways.iter().any(cannot) {
                true => Err(BoostError::Tree { tree, fault: "its rows cannot be shared out".to_owned() }),
                false => Ok(Explained::of(grown.splits.clone(), ways)),
            }
        });
        let trees = trees.collect::<Result<Vec<_>, _>>()?;
        let mean = |way: &Way| way.value * way.steps.iter().map(|step| step.share).product::<f64>();
        let expected = booster.base + trees.iter().flat_map(|tree| &tree.ways).map(mean).sum::<f64>();
        Ok(Explainer { features: booster.features.len(), trees, expected })
    }

    /// The score of which nothing is known: what the contributions are added to.
    pub fn expected(&self) -> f64 {
        self.expected
    }

    /// What each feature added to the score of the row; with [`Explainer::expected`] they sum up to it.
    pub fn contributions(&self, row: &[f32]) -> Vec<f64> {
        let mut added = vec![0.0; self.features];
        self.trees.iter().for_each(|tree| tree.explain(row, &mut added));
        added
    }
}

impl Explained {
    fn of(splits: Vec<Split>, mut ways: Vec<Way>) -> Explained {
        let mut cases = Vec::new();
        for way in &mut ways {
            // Bits hold 64 questions.
            if way.steps.len() > TABLED_MAX || splits.len() > 64 {
                continue;
            }
            way.cases = Some(cases.len());
            for case in 0..1u64 << way.steps.len() {
                way.share_out(case, |_, share| cases.push(share));
            }
        }
        Explained { splits, ways, cases }
    }

    fn explain(&self, row: &[f32], added: &mut [f64]) {
        if self.splits.len() > 64 {
            let is_left: Vec<bool> =
                self.splits.iter().map(|split| split.is_left(row[split.feature as usize])).collect();
            for way in &self.ways {
                let fits = |step: &Step| step.asked.iter().all(|(split, left)| is_left[*split as usize] == *left);
                way.share_out(way.case(fits), |feature, share| added[feature] += share);
            }
            return;
        }
        let mut answers = 0u64;
        for (number, split) in self.splits.iter().enumerate() {
            answers |= u64::from(split.is_left(row[split.feature as usize])) << number;
        }
        for way in &self.ways {
            let case = way.case(|step| answers & step.matters == step.answers);
            match way.cases {
                Some(begin) => {
                    let shares = &self.cases[begin + case as usize * way.steps.len()..];
                    way.steps.iter().zip(shares).for_each(|(step, share)| added[step.feature as usize] += share);
                }
                None => way.share_out(case, |feature, share| added[feature] += share),
            }
        }
    }
}

impl Way {
    /// Which of its features fit, as bits.
    fn case(&self, fits: impl Fn(&Step) -> bool) -> u64 {
        self.steps.iter().enumerate().fold(0, |case, (number, step)| case | u64::from(fits(step)) << number)
    }

    /// Shares the value of the leaf out among its features.
    fn share_out(&self, case: u64, mut tell: impl FnMut(usize, f64)) {
        let mut polynomial = [0.0; FEATURES_MAX + 1];
        polynomial[0] = 1.0;
        let (mut degree, mut unfit_share) = (0, 1.0);
        let fits = |number: usize| case >> number & 1 == 1;
        for (number, step) in self.steps.iter().enumerate() {
            if fits(number) {
                degree += 1;
                for s in (0..degree).rev() {
                    polynomial[s + 1] += polynomial[s];
                    polynomial[s] *= step.share;
                }
            } else {
                unfit_share *= step.share;
            }
        }
        let weights = weights(self.steps.len());
        let value = self.value * unfit_share;
        let of_unfit = -value * weighed(&polynomial[..degree + 1], &weights);
        for (number, step) in self.steps.iter().enumerate() {
            let share = match fits(number) {
                true => value * (1.0 - step.share) * weighed_without(&polynomial[..degree + 1], step.share, &weights),
                false => of_unfit,
            };
            tell(step.feature as usize, share);
        }
    }
}

/// `w(s) = s! (m - 1 - s)! / m!`: how often exactly `s` of the other features are known before one.
fn weights(features: usize) -> [f64; FEATURES_MAX + 1] {
    let mut weights = [0.0; FEATURES_MAX + 1];
    let mut weight = 1.0 / features.max(1) as f64;
    for (known, slot) in weights.iter_mut().enumerate().take(features) {
        *slot = weight;
        weight *= (known + 1) as f64 / (features - 1 - known).max(1) as f64;
    }
    weights
}

fn weighed(polynomial: &[f64], weights: &[f64]) -> f64 {
    polynomial.iter().zip(weights).map(|(c, w)| c * w).sum()
}

/// The same of the polynomial divided by (share + y), from its highest power down: what is divided by is 1, never a share.
fn weighed_without(polynomial: &[f64], share: f64, weights: &[f64]) -> f64 {
    let mut sum = 0.0;
    let mut coefficient = 0.0;
    for power in (1..polynomial.len()).rev() {
        coefficient = polynomial[power] - share * coefficient;
        sum += coefficient * weights[power - 1];
    }
    sum
}

/// The ways to all leaves.
fn ways(tree: &Tree) -> Vec<Way> {
    let covers = covers(tree);
    let mut found = Vec::with_capacity(tree.leaves.len());
    walk(tree, &covers, tree.root(), &mut Vec::new(), &mut found);
    found
}

/// How many training rows came to each question.
fn covers(tree: &Tree) -> Vec<f64> {
    let mut covers = vec![0.0; tree.splits.len()];
    // Questions that follow have greater numbers.
    for at in (0..tree.splits.len()).rev() {
        let split = &tree.splits[at];
        covers[at] = [split.left, split.right].map(|branch| cover(tree, &covers, branch)).iter().sum();
    }
    covers
}

fn cover(tree: &Tree, covers: &[f64], branch: Branch) -> f64 {
    match branch {
        Branch::Split(split) => covers[split as usize],
        Branch::Leaf(leaf) => tree.leaves[leaf as usize].cover,
    }
}

impl Step {
    fn ask(&mut self, split: u32, left: bool, share: f64) {
        self.asked.push((split, left));
        self.share *= share;
        let bit = 1u64.checked_shl(split).unwrap_or(0);
        self.matters |= bit;
        self.answers |= if left { bit } else { 0 };
    }
}

fn walk(tree: &Tree, covers: &[f64], at: Branch, steps: &mut Vec<Step>, found: &mut Vec<Way>) {
    let number = match at {
        Branch::Leaf(leaf) => {
            found.push(Way { value: tree.leaves[leaf as usize].value, steps: steps.clone(), cases: None });
            return;
        }
        Branch::Split(number) => number,
    };
    let split = &tree.splits[number as usize];
    for (branch, left) in [(split.left, true), (split.right, false)] {
        let share = cover(tree, covers, branch) / covers[number as usize];
        let known = steps.iter().position(|step| step.feature == split.feature);
        let before = known.map(|known| steps[known].clone());
        match known {
            Some(known) => steps[known].ask(number, left, share),
            None => {
                let mut step = Step { feature: split.feature, asked: Vec::new(), matters: 0, answers: 0, share: 1.0 };
                step.ask(number, left, share);
                steps.push(step);
            }
        }
        walk(tree, covers, branch, steps, found);
        match (known, before) {
            (Some(known), Some(before)) => steps[known] = before,
            _ => _ = steps.pop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boost::tests::{random_booster, random_row};
    use proptest::prelude::*;

    /// The mean score where only these features are known, straight from the definition of the game.
    fn known_only(booster: &Booster, row: &[f32], known: u32) -> f64 {
        fn mean(tree: &Tree, at: Branch, row: &[f32], known: u32) -> f64 {
            let split = match at {
                Branch::Leaf(leaf) => return tree.leaves[leaf as usize].value,
                Branch::Split(split) => &tree.splits[split as usize],
            };
            if known >> split.feature & 1 == 1 {
                let branch = if split.is_left(row[split.feature as usize]) { split.left } else { split.right };
                return mean(tree, branch, row, known);
            }
            let covers = covers(tree);
            let [left, right] = [split.left, split.right].map(|branch| cover(tree, &covers, branch));
            let values = [split.left, split.right].map(|branch| mean(tree, branch, row, known));
            (left * values[0] + right * values[1]) / (left + right)
        }
        booster.base + booster.trees.iter().map(|tree| mean(tree, tree.root(), row, known)).sum::<f64>()
    }

    /// Shapley's sum over all sets of the other features.
    fn shapley(booster: &Booster, row: &[f32], feature: usize) -> f64 {
        let features = booster.features.len();
        let weights = weights(features);
        let others = (0..1u32 << features).filter(|known| known >> feature & 1 == 0);
        others
            .map(|known| {
                let with = known_only(booster, row, known | 1 << feature);
                (with - known_only(booster, row, known)) * weights[known.count_ones() as usize]
            })
            .sum()
    }

    #[test]
    fn large_trees_are_explained_without_tables() {
        let booster = crate::boost::tests::large_booster();
        assert!(booster.trees.iter().any(|tree| tree.splits.len() > 64));
        let explainer = Explainer::new(&booster).expect("covers are positive");
        let row = random_row(5, 4);
        let added = explainer.contributions(&row);
        for (feature, got) in added.iter().enumerate() {
            assert!((got - shapley(&booster, &row, feature)).abs() < 1e-9);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn contributions_are_shapley_values_and_sum_up_to_the_score(seed in any::<u64>(), features in 1usize..7) {
            let booster = random_booster(seed, features);
            let explainer = Explainer::new(&booster).expect("covers are positive");
            for number in 0..5 {
                let row = random_row(seed ^ number, features);
                let added = explainer.contributions(&row);
                for (feature, got) in added.iter().enumerate() {
                    let expected = shapley(&booster, &row, feature);
                    prop_assert!((got - expected).abs() < 1e-9, "{feature}: {got} for {expected}");
                }
                let sum = explainer.expected() + added.iter().sum::<f64>();
                prop_assert!((sum - booster.score(&row)).abs() < 1e-9);
            }
        }
    }
}
