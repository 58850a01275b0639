//! The arithmetic of the network: forwards, and backwards for its slopes.

use super::{Form, NetworkError};
use crate::chance::Chance;

/// Numbers that a step becomes; what is unrolled everywhere.
pub const WIDTH: usize = 16;
/// Steps that the stem makes one of.
pub const PATCH: usize = 4;
/// Steps that a convolution looks at.
pub const KERNEL: usize = 3;
/// How far apart they are, block by block: the last step sees 31 patches back.
pub const DILATIONS: [usize; 4] = [1, 2, 4, 8];
/// What the two series come to: mean and maximum of each number.
pub const POOLED: usize = 4 * WIDTH;

/// The names of the series in files.
pub const SERIES: [&str; 2] = ["hours", "plays"];

type Wide = [f32; WIDTH];

/// A network with its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The version of the channels that it was made for.
    pub version: String,
    pub(super) forms: [Form; 2],
    /// All weights, tensor after tensor.
    pub(super) weights: Vec<f32>,
}

/// A tensor: its name, its shape, and where its numbers are.
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub at: usize,
}

impl Tensor {
    pub fn numbers(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The tensors of a network, in order: of convolutions by (step, number in, number out), of layers by (in, out).
pub(super) fn tensors(forms: [Form; 2]) -> Vec<Tensor> {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    for (series, form) in SERIES.iter().zip(forms) {
        shapes.push((format!("{series}.stem.weight"), vec![PATCH, form.channels, WIDTH]));
        shapes.push((format!("{series}.stem.bias"), vec![WIDTH]));
        for block in 0..DILATIONS.len() {
            shapes.push((format!("{series}.block{block}.weight"), vec![KERNEL, WIDTH, WIDTH]));
            shapes.push((format!("{series}.block{block}.bias"), vec![WIDTH]));
        }
    }
    shapes.push(("dense.weight".to_owned(), vec![POOLED, WIDTH]));
    shapes.push(("dense.bias".to_owned(), vec![WIDTH]));
    shapes.push(("score.weight".to_owned(), vec![WIDTH, 1]));
    shapes.push(("score.bias".to_owned(), vec![1]));
    let mut at = 0;
    let place = |(name, shape): (String, Vec<usize>)| {
        let tensor = Tensor { name, shape, at };
        at += tensor.numbers();
        tensor
    };
    shapes.into_iter().map(place).collect()
}

/// Numbers of a tower's weights.
fn tower_numbers(form: Form) -> usize {
    (PATCH * form.channels + 1) * WIDTH + DILATIONS.len() * (KERNEL * WIDTH + 1) * WIDTH
}

/// What a forward pass leaves for the way back.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    towers: [TowerTrace; 2],
    pooled: Vec<f32>,
    dense: Wide,
}

#[derive(Clone, Debug, Default)]
struct TowerTrace {
    /// After the stem and after each block.
    levels: Vec<Vec<Wide>>,
    /// What each block added.
    added: Vec<Vec<Wide>>,
    /// Where each maximum is.
    highest: [usize; WIDTH],
}

impl Network {
    /// A network that has learned nothing: weights by chance, so that numbers stay of one size from layer to layer (He et al., ICCV
    /// 2015), those of blocks halved because they add up.
    pub fn new(version: &str, forms: [Form; 2], seed: u64) -> Network {
        let mut chance = Chance::of(seed, 0x7E3A);
        let mut weights = Vec::new();
        for tensor in tensors(forms) {
            let sources: usize = tensor.shape.iter().rev().skip(1).product();
            let share = if tensor.name.contains("block") { 0.5 } else { 1.0 };
            let bound = if tensor.shape.len() == 1 { 0.0 } else { share * (6.0 / sources as f32).sqrt() };
            // 24 bits: all that a single can tell apart.
            let mut even = || (chance.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
            weights.extend((0..tensor.numbers()).map(|_| bound * even()));
        }
        Network { version: version.to_owned(), forms, weights }
    }

    /// The forms of the two series.
    pub fn forms(&self) -> [Form; 2] {
        self.forms
    }

    /// The log odds of fraud of one account.
    ///
    /// # Errors
    /// When a series has another length.
    pub fn score(&self, series: [&[f32]; 2]) -> Result<f32, NetworkError> {
        for (at, (form, numbers)) in self.forms.iter().zip(series).enumerate() {
            if numbers.len() != form.numbers() {
                return Err(NetworkError::Length { series: at, expected: form.numbers(), got: numbers.len() });
            }
        }
        Ok(self.forward(series, &mut Trace::default()))
    }

    /// The log odds of fraud of who played nothing.
    pub fn of_silence(&self) -> f32 {
        let zeros = self.forms.map(|form| vec![0.0; form.numbers()]);
        self.forward([&zeros[0], &zeros[1]], &mut Trace::default())
    }

    /// Scores, and leaves a trace; series are as long as they must be.
    pub(super) fn forward(&self, series: [&[f32]; 2], trace: &mut Trace) -> f32 {
        trace.pooled.clear();
        let mut weights = self.weights.as_slice();
        for ((form, numbers), tower) in self.forms.iter().zip(series).zip(&mut trace.towers) {
            let (own, rest) = weights.split_at(tower_numbers(*form));
            tower.forward(*form, numbers, own);
            tower.pool(&mut trace.pooled);
            weights = rest;
        }
        let (dense, rest) = layer(weights, POOLED);
        let (score, bias) = rest.split_at(WIDTH);
        trace.dense = wide_sum(&trace.pooled, dense).map(|number| number.max(0.0));
        trace.dense.iter().zip(score).fold(bias[0], |sum, (number, weight)| sum + number * weight)
    }

    /// Adds `slope` times the slopes of the score at the trace to `slopes`, one for each weight. `turned` are the weights of
    /// [`Network::turned`].
    pub(super) fn backward(&self, series: [&[f32]; 2], trace: &Trace, slope: f32, turned: &Turned, slopes: &mut [f32]) {
        let towers: usize = self.forms.iter().map(|form| tower_numbers(*form)).sum();
        let (score, _) = self.weights[towers + (POOLED + 1) * WIDTH..].split_at(WIDTH);
        let (of_towers, of_head) = slopes.split_at_mut(towers);
        let (of_dense, of_score) = of_head.split_at_mut((POOLED + 1) * WIDTH);
        let mut back = [0.0; WIDTH];
        for at in 0..WIDTH {
            of_score[at] += slope * trace.dense[at];
            if trace.dense[at] > 0.0 {
                back[at] = slope * score[at];
            }
        }
        of_score[WIDTH] += slope;
        let (of_weights, of_bias) = of_dense.split_at_mut(POOLED * WIDTH);
        add_outer(&trace.pooled, &back, wide_mut(of_weights));
        add(of_bias, &back);
        // By number: what each pooled number did to the score.
        let pooled: Vec<f32> = wide(&self.weights[towers..][..POOLED * WIDTH])
            .iter()
            .map(|weights| weights.iter().zip(&back).fold(0.0, |sum, (weight, back)| sum + weight * back))
            .collect();
        let mut rest = of_towers;
        for (at, (form, numbers)) in self.forms.iter().zip(series).enumerate() {
            let (own, others) = rest.split_at_mut(tower_numbers(*form));
            let pooled = &pooled[2 * at * WIDTH..][..2 * WIDTH];
            trace.towers[at].backward(*form, numbers, pooled, &turned.blocks[at], own);
            rest = others;
        }
    }

    /// The weights of convolutions by (step, number out, number in), as the way back reads them.
    pub(super) fn turned(&self) -> Turned {
        let mut weights = self.weights.as_slice();
        let blocks = self.forms.map(|form| {
            let (own, rest) = weights.split_at(tower_numbers(form));
            weights = rest;
            let (_, mut own) = layer(own, PATCH * form.channels);
            let mut blocks = Vec::new();
            for _ in DILATIONS {
                let (block, rest) = layer(own, KERNEL * WIDTH);
                own = rest;
                let mut turned = vec![[0.0; WIDTH]; KERNEL * WIDTH];
                for (at, row) in wide(block.0).iter().enumerate() {
                    let (step, into) = (at / WIDTH, at % WIDTH);
                    row.iter().enumerate().for_each(|(out, weight)| turned[step * WIDTH + out][into] = *weight);
                }
                blocks.push(turned);
            }
            blocks
        });
        Turned { blocks }
    }
}

/// See [`Network::turned`].
pub(super) struct Turned {
    blocks: [Vec<Vec<Wide>>; 2],
}

impl TowerTrace {
    fn forward(&mut self, form: Form, numbers: &[f32], weights: &[f32]) {
        let patches = form.steps / PATCH;
        self.levels.resize(DILATIONS.len() + 1, Vec::new());
        self.added.resize(DILATIONS.len(), Vec::new());
        let (stem, mut weights) = layer(weights, PATCH * form.channels);
        self.levels[0].clear();
        let patch = |patch: &[f32]| wide_sum(patch, stem).map(|number| number.max(0.0));
        self.levels[0].extend(numbers.chunks_exact(PATCH * form.channels).take(patches).map(patch));
        for (at, dilation) in DILATIONS.into_iter().enumerate() {
            let (block, rest) = layer(weights, KERNEL * WIDTH);
            weights = rest;
            let (before, after) = self.levels.split_at_mut(at + 1);
            convolve(&before[at], block, dilation, &mut self.added[at]);
            after[0].clear();
            let sums = before[at].iter().zip(&self.added[at]);
            after[0].extend(sums.map(|(old, added)| std::array::from_fn(|at| old[at] + added[at])));
        }
    }

    /// Mean and maximum of each number over time.
    fn pool(&mut self, pooled: &mut Vec<f32>) {
        let Some(last) = self.levels.last() else { return };
        let (mut sums, mut highest) = ([0.0f32; WIDTH], [f32::NEG_INFINITY; WIDTH]);
        for (step, numbers) in last.iter().enumerate() {
            for at in 0..WIDTH {
                sums[at] += numbers[at];
                if numbers[at] > highest[at] {
                    (highest[at], self.highest[at]) = (numbers[at], step);
                }
            }
        }
        pooled.extend(sums.map(|sum| sum / last.len() as f32));
        pooled.extend(highest);
    }

    fn backward(&self, form: Form, numbers: &[f32], pooled: &[f32], turned: &[Vec<Wide>], slopes: &mut [f32]) {
        let (of_mean, of_highest) = pooled.split_at(WIDTH);
        let steps = self.levels[0].len();
        let mut back = vec![std::array::from_fn(|at| of_mean[at] / steps as f32); steps];
        for (at, step) in self.highest.iter().enumerate() {
            back[*step][at] += of_highest[at];
        }
        let (of_stem, mut of_blocks) = slopes.split_at_mut((PATCH * form.channels + 1) * WIDTH);
        let mut by_block = Vec::new();
        for _ in DILATIONS {
            let (block, rest) = of_blocks.split_at_mut((KERNEL * WIDTH + 1) * WIDTH);
            by_block.push(block);
            of_blocks = rest;
        }
        for (at, dilation) in DILATIONS.into_iter().enumerate().rev() {
            let mut below = back.clone();
            let (of_weights, of_bias) = by_block[at].split_at_mut(KERNEL * WIDTH * WIDTH);
            let of_weights = wide_mut(of_weights);
            for (step, (added, back)) in self.added[at].iter().zip(&back).enumerate() {
                let slope: Wide = std::array::from_fn(|n| if added[n] > 0.0 { back[n] } else { 0.0 });
                add(of_bias, &slope);
                for tap in 0..KERNEL {
                    let Some(source) = step.checked_sub(dilation * (KERNEL - 1 - tap)) else { continue };
                    add_outer(&self.levels[at][source], &slope, &mut of_weights[tap * WIDTH..][..WIDTH]);
                    add_rows(&slope, &turned[at][tap * WIDTH..][..WIDTH], &mut below[source]);
                }
            }
            back = below;
        }
        let (of_weights, of_bias) = of_stem.split_at_mut(PATCH * form.channels * WIDTH);
        let of_weights = wide_mut(of_weights);
        for (step, patch) in numbers.chunks_exact(PATCH * form.channels).enumerate() {
            let stem = &self.levels[0][step];
            let slope: Wide = std::array::from_fn(|at| if stem[at] > 0.0 { back[step][at] } else { 0.0 });
            add(of_bias, &slope);
            add_outer(patch, &slope, of_weights);
        }
    }
}

type Layer<'a> = (&'a [f32], &'a [f32]);

/// Splits off a layer of so many numbers in: its weights and its bias.
fn layer(weights: &[f32], sources: usize) -> (Layer<'_>, &[f32]) {
    let (own, rest) = weights.split_at((sources + 1) * WIDTH);
    (own.split_at(sources * WIDTH), rest)
}

fn wide(numbers: &[f32]) -> &[Wide] {
    numbers.as_chunks().0
}

fn wide_mut(numbers: &mut [f32]) -> &mut [Wide] {
    numbers.as_chunks_mut().0
}

/// Bias and the rows of the weights, each times its number. Most numbers are zero, and are passed over.
fn wide_sum(numbers: &[f32], (weights, bias): Layer<'_>) -> Wide {
    let mut sum: Wide = std::array::from_fn(|at| bias[at]);
    add_rows(numbers, wide(weights), &mut sum);
    sum
}

#[inline]
fn add_rows(numbers: &[f32], rows: &[Wide], sum: &mut Wide) {
    for (number, row) in numbers.iter().zip(rows) {
        if *number != 0.0 {
            for at in 0..WIDTH {
                sum[at] += number * row[at];
            }
        }
    }
}

/// Adds each number times the slope to its row.
#[inline]
fn add_outer(numbers: &[f32], slope: &Wide, rows: &mut [Wide]) {
    for (number, row) in numbers.iter().zip(rows) {
        if *number != 0.0 {
            for at in 0..WIDTH {
                row[at] += number * slope[at];
            }
        }
    }
}

fn add(to: &mut [f32], slope: &Wide) {
    to.iter_mut().zip(slope).for_each(|(to, slope)| *to += slope);
}

/// What a block adds to each step: it sees the step and two before it, never one after.
fn convolve(steps: &[Wide], (weights, bias): Layer<'_>, dilation: usize, added: &mut Vec<Wide>) {
    added.clear();
    for step in 0..steps.len() {
        let mut sum: Wide = std::array::from_fn(|at| bias[at]);
        for tap in 0..KERNEL {
            let Some(source) = step.checked_sub(dilation * (KERNEL - 1 - tap)) else { continue };
            add_rows(&steps[source], wide(&weights[tap * WIDTH * WIDTH..][..WIDTH * WIDTH]), &mut sum);
        }
        added.push(sum.map(|number| number.max(0.0)));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const FORMS: [Form; 2] = [Form { steps: 24, channels: 3 }, Form { steps: 40, channels: 5 }];

    pub fn random_series(seed: u64, forms: [Form; 2]) -> [Vec<f32>; 2] {
        let mut chance = Chance::of(seed, 1);
        forms.map(|form| {
            let mut number = || if chance.below(3) == 0 { 0.0 } else { chance.below(2_001) as f32 / 1_000.0 - 1.0 };
            (0..form.numbers()).map(|_| number()).collect()
        })
    }

    /// The obvious version, in double precision: every formula as it is written in a book.
    fn twin(network: &Network, series: [&[f32]; 2]) -> f64 {
        let tensors = tensors(network.forms);
        let get = |name: &str, index: &[usize]| {
            let tensor = tensors.iter().find(|tensor| tensor.name == name).expect("a tensor");
            let at = index.iter().zip(&tensor.shape).fold(0, |at, (index, size)| at * size + index);
            f64::from(network.weights[tensor.at + at])
        };
        let mut pooled = Vec::new();
        for ((name, form), numbers) in SERIES.iter().zip(network.forms).zip(series) {
            let mut level: Vec<Vec<f64>> = (0..form.steps / PATCH)
                .map(|patch| {
                    let out = |out: usize| {
                        let mut sum = get(&format!("{name}.stem.bias"), &[out]);
                        for step in 0..PATCH {
                            for channel in 0..form.channels {
                                let number = numbers[(patch * PATCH + step) * form.channels + channel];
                                sum += f64::from(number) * get(&format!("{name}.stem.weight"), &[step, channel, out]);
                            }
                        }
                        sum.max(0.0)
                    };
                    (0..WIDTH).map(out).collect()
                })
                .collect();
            for (block, dilation) in DILATIONS.into_iter().enumerate() {
                let added = |step: usize, out: usize| {
                    let mut sum = get(&format!("{name}.block{block}.bias"), &[out]);
                    for tap in 0..KERNEL {
                        let Some(source) = step.checked_sub(dilation * (KERNEL - 1 - tap)) else { continue };
                        for (into, number) in level[source].iter().enumerate() {
                            sum += number * get(&format!("{name}.block{block}.weight"), &[tap, into, out]);
                        }
                    }
                    sum.max(0.0)
                };
                level = (0..level.len())
                    .map(|step| (0..WIDTH).map(|out| level[step][out] + added(step, out)).collect())
                    .collect();
            }
            let of = |at: usize| level.iter().map(move |numbers| numbers[at]);
            pooled.extend((0..WIDTH).map(|at| of(at).sum::<f64>() / level.len() as f64));
            pooled.extend((0..WIDTH).map(|at| of(at).fold(f64::NEG_INFINITY, f64::max)));
        }
        let dense = |out: usize| {
            let weighed = (0..POOLED).map(|at| pooled[at] * get("dense.weight", &[at, out])).sum::<f64>();
            (weighed + get("dense.bias", &[out])).max(0.0)
        };
        (0..WIDTH).map(|out| dense(out) * get("score.weight", &[out, 0])).sum::<f64>() + get("score.bias", &[0])
    }

    fn awake(seed: u64) -> Network {
        let mut network = Network::new("test-1", FORMS, seed);
        // Biases other than zero, so that they are tested too.
        let mut chance = Chance::of(seed, 2);
        network.weights.iter_mut().filter(|weight| **weight == 0.0).for_each(|weight| {
            *weight = chance.below(1_000) as f32 / 5_000.0 - 0.1;
        });
        network
    }

    #[test]
    fn the_fast_network_equals_its_slow_twin() {
        for seed in 0..20 {
            let (network, series) = (awake(seed), random_series(seed + 99, FORMS));
            let series = [series[0].as_slice(), series[1].as_slice()];
            let (fast, slow) = (network.score(series).expect("of its forms"), twin(&network, series));
            assert!((f64::from(fast) - slow).abs() < 1e-5 * (1.0 + slow.abs()), "{fast} {slow}");
        }
        let silent = awake(1);
        let zeros = FORMS.map(|form| vec![0.0; form.numbers()]);
        assert_eq!(silent.score([&zeros[0], &zeros[1]]), Ok(silent.of_silence()));
        let short = silent.score([&zeros[0][1..], &zeros[1]]);
        assert_eq!(short, Err(NetworkError::Length { series: 0, expected: 72, got: 71 }));
    }

    #[test]
    fn slopes_are_what_differences_say() {
        let (network, series) = (awake(5), random_series(6, FORMS));
        let series = [series[0].as_slice(), series[1].as_slice()];
        let mut trace = Trace::default();
        network.forward(series, &mut trace);
        let mut slopes = vec![0.0; network.weights.len()];
        network.backward(series, &trace, 1.0, &network.turned(), &mut slopes);
        let mut checked = 0;
        for tensor in tensors(FORMS) {
            let step = (tensor.numbers() / 12).max(1);
            for at in (tensor.at..tensor.at + tensor.numbers()).step_by(step) {
                // In the slow twin's double precision, from both sides.
                let moved = |by: f32| {
                    let mut moved = network.clone();
                    moved.weights[at] += by;
                    (twin(&moved, series), f64::from(moved.weights[at]))
                };
                let [(high, over), (low, under)] = [moved(2e-3), moved(-2e-3)];
                let [(near, above), (far, below)] = [moved(1e-3), moved(-1e-3)];
                let (difference, closer) = ((high - low) / (over - under), (near - far) / (above - below));
                // A corner of a ReLU between the two: there is no slope to compare.
                if (difference - closer).abs() > 1e-4 {
                    continue;
                }
                checked += 1;
                let found = f64::from(slopes[at]);
                let near = (found - closer).abs() < 2e-3 * (1.0 + closer.abs());
                assert!(near, "{} at {at}: {found}, differences say {closer}", tensor.name);
            }
        }
        assert!(checked > 150, "{checked}");
    }

    #[test]
    fn nothing_before_its_time_is_seen() {
        let (network, mut series) = (awake(8), random_series(9, FORMS));
        let levels = |series: &[Vec<f32>; 2]| {
            let mut trace = Trace::default();
            network.forward([&series[0], &series[1]], &mut trace);
            trace.towers[0].levels.last().expect("a level").clone()
        };
        let before = levels(&series);
        // The last patch changes: nothing but the last step does.
        series[0].iter_mut().rev().take(PATCH * FORMS[0].channels).for_each(|number| *number += 1.0);
        let after = levels(&series);
        let last = before.len() - 1;
        assert!(before[..last] == after[..last] && before[last] != after[last]);
    }
}
