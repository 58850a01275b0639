//! Teaches the network: slopes of small groups of examples, followed downhill, until accounts held back are told apart no better.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::net::{Network, Trace};
use super::{Form, NetworkError};
use crate::boost::sigmoid;
use crate::chance::Chance;
use crate::measures::log_loss;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Times that every example is seen, at most.
    pub epochs_max: usize,
    /// Times without a lower loss on the examples held back, after which training ends.
    pub patience: usize,
    /// Examples of which the slopes are averaged before a step.
    pub batch: usize,
    /// Length of the steps.
    pub learning_rate: f32,
    /// Share of each weight that is taken off at a step, times the learning rate (Loshchilov and Hutter, ICLR 2019).
    pub weight_decay: f32,
    /// Where the first weights and the order of examples come from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { epochs_max: 30, patience: 5, batch: 64, learning_rate: 2e-3, weight_decay: 1e-2, seed: 0 }
    }
}

/// Examples to learn from, or to measure with.
#[derive(Clone, Copy, Debug)]
pub struct Lessons<'a> {
    /// The numbers of the two series, example after example.
    pub series: [&'a [f32]; 2],
    /// From 0 (honest) to 1 (fraud).
    pub labels: &'a [f32],
    /// How much each counts, not negative.
    pub weights: &'a [f32],
}

/// How far training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Times that every example was seen.
    pub epoch: usize,
    /// Mean loss of the examples held back, both classes as heavy as each other.
    pub loss: f64,
}

/// Adam's memory of slopes and of their squares (Kingma and Ba, ICLR 2015; its constants).
const MEMORY: [f32; 2] = [0.9, 0.999];
const TINY: f32 = 1e-8;
/// Examples whose slopes one thread adds up. Sums are of these parts, in order, whoever made them: threads change nothing.
const PART: usize = 8;

/// Trains a network for the channels of this version.
///
/// # Errors
/// When settings or examples are not what they must be; see [`NetworkError`].
pub fn fit(
    version: &str,
    forms: [Form; 2],
    lessons: Lessons,
    held_back: Lessons,
    settings: &Settings,
    mut progress: impl FnMut(Progress),
) -> Result<Network, NetworkError> {
    settings.check()?;
    let weights = lessons.check(forms)?;
    let watched = held_back.check(forms)?;
    let mut network = Network::new(version, forms, settings.seed);
    let mut best = (f64::INFINITY, 0, network.clone());
    let mut memory = [vec![0.0; network.weights.len()], vec![0.0; network.weights.len()]];
    let mut steps = 0i32;
    for epoch in 1..=settings.epochs_max {
        let mut order: Vec<usize> = (0..lessons.labels.len()).collect();
        let mut chance = Chance::of(settings.seed, 0x5EED + epoch as u64);
        (1..order.len()).rev().for_each(|at| order.swap(at, chance.below(at + 1)));
        for batch in order.chunks(settings.batch) {
            let slopes = slopes(&network, lessons, &weights, batch);
            steps += 1;
            step(&mut network.weights, &slopes, &mut memory, steps, settings);
        }
        let loss = log_loss(&scores(&network, held_back), held_back.labels, &watched);
        if !loss.is_finite() || network.weights.iter().any(|weight| !weight.is_finite()) {
            return Err(NetworkError::Diverged { epoch });
        }
        progress(Progress { epoch, loss });
        if loss < best.0 {
            best = (loss, epoch, network.clone());
        }
        if epoch >= best.1 + settings.patience {
            break;
        }
    }
    Ok(best.2)
}

/// The mean slopes of a batch, one for each weight.
fn slopes(network: &Network, lessons: Lessons, weights: &[f32], batch: &[usize]) -> Vec<f32> {
    let turned = network.turned();
    let part = |examples: &[usize]| {
        let (mut slopes, mut trace) = (vec![0.0; network.weights.len()], Trace::default());
        for example in examples {
            let series = lessons.of(network.forms, *example);
            let score = network.forward(series, &mut trace);
            let error = sigmoid(f64::from(score)) as f32 - lessons.labels[*example];
            let slope = weights[*example] * error / batch.len() as f32;
            network.backward(series, &trace, slope, &turned, &mut slopes);
        }
        slopes
    };
    let parts: Vec<Vec<f32>> = batch.par_chunks(PART).map(part).collect();
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    parts.for_each(|part| sum.iter_mut().zip(part).for_each(|(sum, slope)| *sum += slope));
    sum
}

/// One step downhill: as far as the slopes were steady, whatever their size.
fn step(weights: &mut [f32], slopes: &[f32], memory: &mut [Vec<f32>; 2], steps: i32, settings: &Settings) {
    let seen = MEMORY.map(|share| 1.0 - share.powi(steps));
    let [means, squares] = memory;
    for ((weight, slope), (mean, square)) in weights.iter_mut().zip(slopes).zip(means.iter_mut().zip(squares)) {
        *mean = MEMORY[0] * *mean + (1.0 - MEMORY[0]) * slope;
        *square = MEMORY[1] * *square + (1.0 - MEMORY[1]) * slope * slope;
        let way = (*mean / seen[0]) / ((*square / seen[1]).sqrt() + TINY);
        *weight -= settings.learning_rate * (way + settings.weight_decay * *weight);
    }
}

/// The scores of all examples.
fn scores(network: &Network, lessons: Lessons) -> Vec<f64> {
    let score =
        |trace: &mut Trace, example: usize| f64::from(network.forward(lessons.of(network.forms, example), trace));
    (0..lessons.labels.len()).into_par_iter().map_init(Trace::default, score).collect()
}

impl<'a> Lessons<'a> {
    fn of(&self, forms: [Form; 2], example: usize) -> [&'a [f32]; 2] {
        [0, 1].map(|at| &self.series[at][example * forms[at].numbers()..][..forms[at].numbers()])
    }

    /// Checks the examples; returns their weights, so that both classes are as heavy as each other and a weight is 1 on average.
    fn check(&self, forms: [Form; 2]) -> Result<Vec<f32>, NetworkError> {
        let rows = self.labels.len();
        for (series, form) in forms.iter().enumerate() {
            let (expected, got) = (rows * form.numbers(), self.series[series].len());
            if got != expected {
                return Err(NetworkError::Length { series, expected, got });
            }
            if let Some(at) = self.series[series].iter().position(|number| !number.is_finite()) {
                return Err(NetworkError::Number { example: at / form.numbers(), series });
            }
        }
        if self.weights.len() != rows {
            return Err(NetworkError::Length { series: 2, expected: rows, got: self.weights.len() });
        }
        let mut sums = [0.0f64; 2];
        for (example, (label, weight)) in self.labels.iter().zip(self.weights).enumerate() {
            if !(0.0..=1.0).contains(label) || !weight.is_finite() || *weight < 0.0 {
                return Err(NetworkError::Label { example, label: *label, weight: *weight });
            }
            sums[0] += f64::from(weight * (1.0 - label));
            sums[1] += f64::from(weight * label);
        }
        if sums.iter().any(|sum| *sum <= 0.0) {
            return Err(NetworkError::OneClass);
        }
        let share = sums.map(|sum| 0.5 * rows as f64 / sum);
        let balanced = |(label, weight): (&f32, &f32)| {
            let share = f64::from(*label) * share[1] + f64::from(1.0 - *label) * share[0];
            (f64::from(*weight) * share) as f32
        };
        Ok(self.labels.iter().zip(self.weights).map(balanced).collect())
    }
}

impl Settings {
    fn check(&self) -> Result<(), NetworkError> {
        let rate = self.learning_rate;
        let laws = [
            ("epochs_max", self.epochs_max.to_string(), (1..=10_000).contains(&self.epochs_max), "from 1 to 10000"),
            ("patience", self.patience.to_string(), self.patience > 0, "1 or more"),
            ("batch", self.batch.to_string(), (1..=65_536).contains(&self.batch), "from 1 to 65536"),
            ("learning_rate", rate.to_string(), rate > 0.0 && rate <= 1.0, "over 0, up to 1"),
            ("weight_decay", self.weight_decay.to_string(), (0.0..=1.0).contains(&self.weight_decay), "from 0 to 1"),
        ];
        match laws.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((name, value, _, range)) => Err(NetworkError::Setting { name, value, range }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::net::tests::{FORMS, random_series};
    use super::*;
    use crate::measures::auc;

    struct Class {
        series: [Vec<f32>; 2],
        labels: Vec<f32>,
        weights: Vec<f32>,
    }

    impl Class {
        /// Noise; in the series of fraud a rise of the first channel is followed by one of the second, three steps later. Each channel alone
        /// looks like those of the others, where the two rises are in the opposite order.
        fn of(seed: u64, examples: usize) -> Class {
            let mut class = Class { series: Default::default(), labels: Vec::new(), weights: vec![1.0; examples] };
            let mut chance = Chance::of(seed, 77);
            for example in 0..examples {
                let is_fraud = example % 4 == 0;
                let mut series = random_series(seed * 1_000_003 + example as u64, FORMS);
                for _ in 0..3 {
                    let at = 4 + chance.below(FORMS[0].steps - 8);
                    let (first, second) = if is_fraud { (at, at + 3) } else { (at + 3, at) };
                    series[0][first * FORMS[0].channels] += 3.0;
                    series[0][second * FORMS[0].channels + 1] += 3.0;
                }
                class.series.iter_mut().zip(series).for_each(|(all, own)| all.extend(own));
                class.labels.push(f32::from(is_fraud));
            }
            class
        }

        fn lessons(&self) -> Lessons<'_> {
            let series = [self.series[0].as_slice(), self.series[1].as_slice()];
            Lessons { series, labels: &self.labels, weights: &self.weights }
        }
    }

    fn quick(seed: u64) -> Settings {
        Settings { epochs_max: 12, learning_rate: 5e-3, seed, ..Settings::default() }
    }

    #[test]
    fn an_order_in_time_is_learned_on_any_number_of_threads_to_the_same_bits() {
        let (class, held_back, unseen) = (Class::of(1, 600), Class::of(2, 200), Class::of(3, 400));
        let learn = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let (lessons, held_back) = (class.lessons(), held_back.lessons());
            pool.install(|| fit("test-1", FORMS, lessons, held_back, &quick(seed), |_| {})).expect("it can be learned")
        };
        let network = learn(1, 7);
        let found = auc(&scores(&network, unseen.lessons()), &unseen.labels, &unseen.weights).expect("two classes");
        assert!(found > 0.9, "AUC {found}");
        let bits = |network: &Network| network.weights.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>();
        assert!(bits(&network) == bits(&learn(3, 7)) && bits(&network) != bits(&learn(1, 8)));
    }

    #[test]
    fn what_cannot_be_learned_from_is_told() {
        let (class, held_back) = (Class::of(1, 40), Class::of(2, 40));
        let learn = |class: &Class, settings: &Settings| {
            fit("test-1", FORMS, class.lessons(), held_back.lessons(), settings, |_| {}).expect_err("refused")
        };
        let altered = |alter: fn(&mut Class)| {
            let mut class = Class::of(1, 40);
            alter(&mut class);
            learn(&class, &quick(1))
        };
        assert_eq!(altered(|class| class.labels.fill(1.0)), NetworkError::OneClass);
        assert_eq!(altered(|class| class.weights.fill(0.0)), NetworkError::OneClass);
        let missing = altered(|class| class.series[1][3 * 200 + 7] = f32::NAN);
        assert_eq!(missing, NetworkError::Number { example: 3, series: 1 });
        let short = altered(|class| class.series[0].truncate(71));
        assert_eq!(short, NetworkError::Length { series: 0, expected: 40 * 72, got: 71 });
        assert!(matches!(altered(|class| class.labels[5] = 2.0), NetworkError::Label { example: 5, .. }));
        let settings = Settings { learning_rate: 0.0, ..quick(1) };
        assert!(matches!(learn(&class, &settings), NetworkError::Setting { name: "learning_rate", .. }));
    }
}
