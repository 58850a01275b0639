//! Grows one tree, always at the leaf where a question lowers the loss most.
//!
//! ```text
//! rows of a leaf ──▶ sums per bin ──▶ best question ──▶ two leaves: the smaller is counted, the other is what is left
//! ```
//!
//! Gain and leaf values are those of Chen and Guestrin, "XGBoost" (KDD 2016), equations 5 to 7; growth by best leaf and
//! subtraction of histograms as in Ke et al., "LightGBM" (NeurIPS 2017).

use rayon::prelude::*;

use super::bins::{Binned, MISSING};
use super::histogram::{Histogram, Slopes, Sums, histogram, sibling};
use super::tree::{Branch, Leaf, Split, Tree};
use super::{Monotone, Settings};

/// A question that loses less than this much is none; the sums are exact to 1e-9 per row.
const GAIN_MIN: f64 = 1e-6;

/// What one tree is grown from.
pub(super) struct Ground<'a> {
    pub columns: &'a [Binned],
    /// Which features may be asked about.
    pub features: &'a [bool],
    pub monotone: &'a [Monotone],
    pub slopes: &'a Slopes,
    pub settings: &'a Settings,
}

/// A tree, and for each question the greatest bin that goes left.
pub(super) struct Grown {
    pub tree: Tree,
    bins: Vec<u8>,
}

/// The values that a leaf may have so that no later question breaks a promise of an earlier one.
#[derive(Clone, Copy)]
struct Bounds {
    low: f64,
    high: f64,
}

/// A leaf that may become a question.
struct Open {
    rows: std::ops::Range<usize>,
    sums: Sums,
    bounds: Bounds,
    depth: u32,
    /// The question it came from, and whether it is its left side.
    parent: Option<(usize, bool)>,
    histogram: Histogram,
    best: Option<Question>,
}

/// What could be asked at a leaf.
#[derive(Clone, Copy, Debug)]
struct Question {
    feature: usize,
    /// The greatest bin that goes left.
    bin: u8,
    missing_left: bool,
    gain: f64,
    left: Sums,
    right: Sums,
}

/// Grows a tree on these rows, which are put into the order of the leaves.
pub(super) fn grow(ground: &Ground, rows: &mut [u32]) -> Grown {
    let whole = histogram(ground.columns, ground.features, rows, ground.slopes);
    let sums = rows.iter().map(|row| ground.slopes.rows[*row as usize]).fold(Sums::default(), |sums, slope| {
        sums.plus(Sums { gradient: slope.gradient.into(), hessian: slope.hessian.into(), rows: 1 })
    });
    let bounds = Bounds { low: f64::NEG_INFINITY, high: f64::INFINITY };
    let root = Open { rows: 0..rows.len(), sums, bounds, depth: 0, parent: None, histogram: whole, best: None };
    let mut open = vec![ground.considered(root)];
    let mut splits: Vec<Split> = Vec::new();
    let mut bins = Vec::new();
    while open.len() < ground.settings.leaves_max {
        let Some((at, question)) = best(&open) else { break };
        let leaf = open.swap_remove(at);
        let number = splits.len();
        if let Some((parent, is_left)) = leaf.parent {
            *side(&mut splits[parent], is_left) = Branch::Split(number as u32);
        }
        splits.push(ground.split(&question));
        bins.push(question.bin);
        open.extend(ground.parted(leaf, number, &question, rows));
    }
    let leaves = open.iter().enumerate().map(|(number, leaf)| {
        if let Some((parent, is_left)) = leaf.parent {
            *side(&mut splits[parent], is_left) = Branch::Leaf(number as u32);
        }
        let value = ground.value(leaf.sums, leaf.bounds) * ground.settings.learning_rate;
        Leaf { value, cover: f64::from(leaf.sums.rows) }
    });
    let leaves = leaves.collect();
    Grown { tree: Tree { splits, leaves }, bins }
}

fn side(split: &mut Split, is_left: bool) -> &mut Branch {
    if is_left { &mut split.left } else { &mut split.right }
}

/// The leaf whose question gains most; of equals the one that is open longest.
fn best(open: &[Open]) -> Option<(usize, Question)> {
    let asked = open.iter().enumerate().filter_map(|(at, leaf)| Some((at, leaf.best?)));
    asked.reduce(|best, next| if next.1.gain > best.1.gain { next } else { best })
}

impl Ground<'_> {
    fn considered(&self, mut leaf: Open) -> Open {
        let questions = (0..self.columns.len()).into_par_iter().filter(|feature| self.features[*feature]);
        let questions = questions.filter_map(|feature| self.question(&leaf, feature));
        let least = |a: Question, b: Question| {
            if (b.gain, a.feature) > (a.gain, b.feature) { b } else { a }
        };
        leaf.best = if leaf.depth < self.settings.depth_max { questions.reduce_with(least) } else { None };
        leaf
    }

    /// The best question about one feature.
    fn question(&self, leaf: &Open, feature: usize) -> Option<Question> {
        let sums = &leaf.histogram[feature];
        let missing = sums[usize::from(MISSING)];
        let last = sums.len() - 1;
        let mut best: Option<Question> = None;
        let mut below = Sums::default();
        for (bin, here) in sums.iter().enumerate().skip(1) {
            below = below.plus(*here);
            let sides = [(false, below), (true, below.plus(missing))];
            // After the last bin only missing values are left to be told apart.
            let sides = if bin == last { &sides[..1] } else { &sides[..] };
            for (missing_left, left) in sides {
                if missing.rows == 0 && *missing_left {
                    continue;
                }
                let right = leaf.sums.minus(*left);
                let Some(gain) = self.gain(leaf, feature, *left, right) else { continue };
                if best.is_none_or(|best| gain > best.gain) {
                    // What was never missing goes with the many.
                    let missing_left = if missing.rows == 0 { left.rows > right.rows } else { *missing_left };
                    best = Some(Question { feature, bin: bin as u8, missing_left, gain, left: *left, right });
                }
            }
        }
        best
    }

    fn gain(&self, leaf: &Open, feature: usize, left: Sums, right: Sums) -> Option<f64> {
        let settings = self.settings;
        if left.rows.min(right.rows) < settings.leaf_rows_min {
            return None;
        }
        let hessian_min = left.hessian.min(right.hessian) as f64 * self.slopes.unit;
        if hessian_min < settings.leaf_hessian_min {
            return None;
        }
        let [l, r] = [left, right].map(|sums| self.value(sums, leaf.bounds));
        let broken = match self.monotone[feature] {
            Monotone::Free => false,
            Monotone::Rising => l > r,
            Monotone::Falling => l < r,
        };
        let before = self.loss(leaf.sums, self.value(leaf.sums, leaf.bounds));
        let gain = before - self.loss(left, l) - self.loss(right, r);
        (!broken && gain > settings.gain_min.max(GAIN_MIN)).then_some(gain)
    }

    /// The value that lowers the loss of these rows most, within the bounds.
    fn value(&self, sums: Sums, bounds: Bounds) -> f64 {
        let [gradient, hessian] = [sums.gradient, sums.hessian].map(|sum| sum as f64 * self.slopes.unit);
        let best = -gradient / (hessian + self.settings.l2);
        if best.is_nan() { 0.0 } else { best.clamp(bounds.low, bounds.high) }
    }

    fn loss(&self, sums: Sums, value: f64) -> f64 {
        let [gradient, hessian] = [sums.gradient, sums.hessian].map(|sum| sum as f64 * self.slopes.unit);
        gradient * value + (hessian + self.settings.l2) * value * value / 2.0
    }

    fn split(&self, question: &Question) -> Split {
        let upper = &self.columns[question.feature].upper;
        Split {
            feature: question.feature as u32,
            threshold: upper.get(usize::from(question.bin) - 1).copied().unwrap_or(f32::MAX),
            missing_left: question.missing_left,
            zero_is_missing: false,
            left: Branch::Leaf(0),
            right: Branch::Leaf(0),
            gain: question.gain,
        }
    }

    /// The two leaves of a question.
    fn parted(&self, leaf: Open, number: usize, question: &Question, rows: &mut [u32]) -> [Open; 2] {
        let bins = &self.columns[question.feature].bins;
        let is_left = |row: &u32| goes_left(bins[*row as usize], question.bin, question.missing_left);
        let middle = leaf.rows.start + part(&mut rows[leaf.rows.clone()], is_left);
        let [left, right] = [leaf.rows.start..middle, middle..leaf.rows.end];
        let [mut low, mut high] = [leaf.bounds; 2];
        let between = (self.value(question.left, leaf.bounds) + self.value(question.right, leaf.bounds)) / 2.0;
        match self.monotone[question.feature] {
            Monotone::Free => {}
            Monotone::Rising => (low.high, high.low) = (between, between),
            Monotone::Falling => (low.low, high.high) = (between, between),
        }
        let count =
            |range: &std::ops::Range<usize>| histogram(self.columns, self.features, &rows[range.clone()], self.slopes);
        let [of_left, of_right] = if left.len() <= right.len() {
            let left = count(&left);
            let right = sibling(leaf.histogram, &left);
            [left, right]
        } else {
            let right = count(&right);
            [sibling(leaf.histogram, &right), right]
        };
        let depth = leaf.depth + 1;
        let open = |rows, sums, bounds, is_left, histogram| {
            let parent = Some((number, is_left));
            self.considered(Open { rows, sums, bounds, depth, parent, histogram, best: None })
        };
        [open(left, question.left, low, true, of_left), open(right, question.right, high, false, of_right)]
    }
}

fn goes_left(bin: u8, last_left: u8, missing_left: bool) -> bool {
    if bin == MISSING { missing_left } else { bin <= last_left }
}

/// Puts the rows that go left before the others, keeps the order of each side, and says how many they are.
fn part(rows: &mut [u32], is_left: impl Fn(&u32) -> bool) -> usize {
    let mut right = Vec::with_capacity(rows.len() / 2);
    let mut left = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        if is_left(&row) {
            rows[left] = row;
            left += 1;
        } else {
            right.push(row);
        }
    }
    rows[left..].copy_from_slice(&right);
    left
}

impl Grown {
    /// What the tree adds to the score of a row.
    pub fn value(&self, columns: &[Binned], row: usize) -> f64 {
        let mut at = self.tree.root();
        loop {
            match at {
                Branch::Leaf(leaf) => return self.tree.leaves[leaf as usize].value,
                Branch::Split(number) => {
                    let split = &self.tree.splits[number as usize];
                    let bin = columns[split.feature as usize].bins[row];
                    let is_left = goes_left(bin, self.bins[number as usize], split.missing_left);
                    at = if is_left { split.left } else { split.right };
                }
            }
        }
    }
}
