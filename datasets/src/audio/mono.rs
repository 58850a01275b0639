//! Many channels into one, and what each of them carried.

use multiversion::multiversion;

use super::clip::Level;

/// Beyond this a value is no sound: 24 dB over full scale.
const WILD: f32 = 16.0;
/// Samples whose sums are of single precision.
const BLOCK: usize = 256;
/// Numbers that a processor adds at once.
const LANES: usize = 8;
/// A channel is turned round where what it would cancel is ten times (10 dB) what would be left: far beyond any stereo effect of a whole
/// song, and long before the ear, which hears the channels apart, would miss anything.
const CANCELLED_MIN: f64 = 10.0;
/// About so many frames (0.1 s) back it is remembered how channels go together.
const MEMORY_FRAMES: f64 = 4_096.0;
/// So many frames a channel takes to turn round, so that nothing clicks.
const TURN_FRAMES: usize = 256;

/// Sums over all frames seen so far.
pub(super) struct Mono {
    channels: Vec<Sums>,
    /// Of each channel but the first, how it goes with those before it.
    phases: Vec<Phase>,
    product: f64,
    frames: u64,
    wild: u64,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    sum: f64,
    squares: f64,
    peak: f32,
}

/// How a channel goes with the sum of those before it, of late.
#[derive(Clone, Copy, Default)]
struct Phase {
    product: f64,
    energy: f64,
    is_turned: bool,
}

impl Phase {
    /// Hears some more frames: with which sign the channel is added before them, and with which from then on.
    fn hear(&mut self, product: f64, energy: f64, frames: usize) -> (f32, f32) {
        let is_first = self.energy == 0.0;
        let fading = (-(frames as f64) / MEMORY_FRAMES).exp();
        self.product = self.product * fading + product;
        self.energy = self.energy * fading + energy;
        let before = self.sign();
        let (sum, difference) = (self.energy + 2.0 * self.product, self.energy - 2.0 * self.product);
        // Once turned it stays so until the other way is the better one: nothing flutters.
        self.is_turned = if self.is_turned { difference >= sum } else { difference > CANCELLED_MIN * sum };
        let now = self.sign();
        (if is_first { now } else { before }, now)
    }

    fn sign(&self) -> f32 {
        if self.is_turned { -1.0 } else { 1.0 }
    }
}

impl Mono {
    pub(super) fn new(channels: usize) -> Mono {
        let phases = vec![Phase::default(); channels.saturating_sub(1)];
        Mono { channels: vec![Sums::default(); channels], phases, product: 0.0, frames: 0, wild: 0 }
    }

    /// Appends the mean of the channels of each frame to `mono`, a channel that would cancel the others turned round; values that are none
    /// become silence.
    pub(super) fn mix(&mut self, planes: &mut [Vec<f32>], mono: &mut Vec<f32>) {
        let frames = planes.first().map_or(0, Vec::len);
        for plane in planes.iter_mut() {
            self.wild += tame(plane);
        }
        let squares: Vec<f64> =
            self.channels.iter_mut().zip(planes.iter()).map(|(sums, plane)| sums.add(plane)).collect();
        self.frames += frames as u64;
        mono.extend_from_slice(planes.first().map_or(&[], Vec::as_slice));
        let new = mono.len() - frames;
        let rest = planes.iter().zip(&squares).skip(1);
        for (channel, ((plane, own), phase)) in rest.zip(&mut self.phases).enumerate() {
            let sum = &mut mono[new..];
            let product = products(sum, plane);
            // The first time the sum is the first channel.
            let energy = if channel == 0 { squares[0] } else { products(sum, sum) };
            if channel == 0 {
                self.product += product;
            }
            let (before, now) = phase.hear(product, energy + own, frames);
            add(sum, plane, before, now);
        }
        let share = 1.0 / planes.len().max(1) as f32;
        if planes.len() > 1 {
            mono[new..].iter_mut().for_each(|sum| *sum *= share);
        }
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn wild_values(&self) -> u64 {
        self.wild
    }

    pub(super) fn levels(&self) -> Vec<Level> {
        let count = self.frames.max(1) as f64;
        let level = |sums: &Sums| Level {
            peak: f64::from(sums.peak),
            rms: (sums.squares / count).sqrt(),
            dc: sums.sum / count,
        };
        self.channels.iter().map(level).collect()
    }

    /// Pearson's, of the first two channels.
    pub(super) fn correlation(&self) -> Option<f64> {
        let [left, right, ..] = &self.channels[..] else { return None };
        let count = self.frames as f64;
        let covariance = count * self.product - left.sum * right.sum;
        let variance = |sums: &Sums| count * sums.squares - sums.sum * sums.sum;
        let spread = (variance(left).max(0.0) * variance(right).max(0.0)).sqrt();
        // A channel that differs from its mean by less than its rounding is constant.
        let is_constant = |sums: &Sums| variance(sums) <= 1e-12 * count * sums.squares;
        if spread == 0.0 || is_constant(left) || is_constant(right) {
            return None;
        }
        Some((covariance / spread).clamp(-1.0, 1.0))
    }
}

/// Adds a channel with a sign, which changes within the first frames.
fn add(sum: &mut [f32], plane: &[f32], before: f32, now: f32) {
    let turning = if before == now { 0 } else { TURN_FRAMES.min(sum.len()) };
    for (n, (sum, sample)) in sum.iter_mut().zip(plane).take(turning).enumerate() {
        *sum += (before + (now - before) * (n + 1) as f32 / TURN_FRAMES as f32) * sample;
    }
    sum.iter_mut().zip(plane).skip(turning).for_each(|(sum, sample)| *sum += now * sample);
}

impl Sums {
    /// Counts a plane in; the sum of its squares.
    fn add(&mut self, plane: &[f32]) -> f64 {
        let before = self.squares;
        // Sums of short blocks in f32 would drift over hours; the blocks are short, the totals are f64.
        for block in plane.chunks(BLOCK) {
            let (sum, squares, peak) = moments(block);
            self.sum += f64::from(sum);
            self.squares += f64::from(squares);
            self.peak = self.peak.max(peak);
        }
        self.squares - before
    }
}

/// Sum, sum of squares and largest absolute value, by eight partial sums: an order that a processor can do at once.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn moments(block: &[f32]) -> (f32, f32, f32) {
    let (mut sums, mut squares, mut peaks) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    let (eights, rest) = block.as_chunks::<LANES>();
    for eight in eights {
        for lane in 0..LANES {
            let sample = eight[lane];
            sums[lane] += sample;
            squares[lane] += sample * sample;
            peaks[lane] = if sample.abs() > peaks[lane] { sample.abs() } else { peaks[lane] };
        }
    }
    for (lane, sample) in rest.iter().enumerate() {
        sums[lane] += sample;
        squares[lane] += sample * sample;
        peaks[lane] = peaks[lane].max(sample.abs());
    }
    (sums.iter().sum(), squares.iter().sum(), peaks.into_iter().fold(0.0, f32::max))
}

fn products(left: &[f32], right: &[f32]) -> f64 {
    let blocks = left.chunks(BLOCK).zip(right.chunks(BLOCK));
    blocks.map(|(left, right)| f64::from(product(left, right))).sum()
}

/// The sum of the products, by eight partial sums.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn product(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    sums.iter().sum::<f32>() + rest
}

/// Silences values that are no sound; how many there were.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn tame(plane: &mut [f32]) -> u64 {
    // Not a number compares false.
    let is_sound = |sample: &f32| sample.abs() <= WILD;
    let wild = plane.iter().filter(|sample| !is_sound(sample)).count() as u64;
    if wild > 0 {
        plane.iter_mut().filter(|sample| !is_sound(sample)).for_each(|sample| *sample = 0.0);
    }
    wild
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(planes: &[&[f32]]) -> (Mono, Vec<f32>) {
        let mut mono = Mono::new(planes.len());
        let mut out = Vec::new();
        mono.mix(&mut planes.iter().map(|plane| plane.to_vec()).collect::<Vec<_>>(), &mut out);
        (mono, out)
    }

    #[test]
    fn channels_are_averaged_and_compared() {
        let (mono, out) = mixed(&[&[0.5, -0.5, 0.25, 0.0], &[-0.5, 0.5, -0.25, 0.0]]);
        assert_eq!(out, [0.5, -0.5, 0.25, 0.0], "a channel that cancels the other is turned round");
        assert_eq!(mono.correlation(), Some(-1.0), "and what it did is measured all the same");
        assert_eq!(mono.levels()[0].peak, 0.5);

        let (same, out) = mixed(&[&[0.5, -0.25], &[0.5, -0.25]]);
        assert_eq!(out, [0.5, -0.25]);
        assert_eq!(same.correlation(), Some(1.0));

        let (constant, _) = mixed(&[&[0.5, -0.25, 0.1], &[0.1, 0.1, 0.1]]);
        assert_eq!(constant.correlation(), None);
        assert!((constant.levels()[1].dc - 0.1).abs() < 1e-7);
    }

    /// Two seconds of two sounds of their own, mixed into channels by a matrix, in packets of 1,000 frames; the root mean square of the
    /// second half of what comes out.
    fn level(matrix: impl Fn(usize) -> Vec<[f32; 2]>) -> f32 {
        let sound = |n: usize, hz: f32| (n as f32 * hz / 44_100.0 * std::f32::consts::TAU).sin();
        let mut mono = Mono::new(matrix(0).len());
        let mut out = Vec::new();
        for packet in 0..88 {
            let frames = packet * 1_000..(packet + 1) * 1_000;
            let channel = |[one, other]: &[f32; 2]| {
                frames.clone().map(|n| one * sound(n, 441.0) + other * sound(n, 997.0)).collect::<Vec<f32>>()
            };
            mono.mix(&mut matrix(packet).iter().map(channel).collect::<Vec<_>>(), &mut out);
        }
        assert!(out.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.3), "nothing clicks");
        let late = &out[44_000..];
        (late.iter().map(|sample| sample * sample).sum::<f32>() / late.len() as f32).sqrt()
    }

    #[test]
    fn channels_do_not_cancel_each_other() {
        let all = |matrix: &'static [[f32; 2]]| level(move |_| matrix.to_vec());
        let alone = 0.5_f32.sqrt();
        for (matrix, least) in [
            (&[[1.0, 0.0], [-1.0, 0.0]][..], alone),
            // Something quiet in the middle, so that the sum is no silence.
            (&[[1.0, 0.1], [-1.0, 0.1]], 0.99 * alone),
            (&[[1.0, 0.0], [-0.6, 0.0]], 0.8 * alone),
            // A channel that cancels those before it.
            (&[[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0]], alone),
        ] {
            assert!(all(matrix) >= 0.999 * least, "{matrix:?}: {}", all(matrix));
        }
        // What is only wide is averaged as ever.
        let wide = all(&[[1.0, 1.0], [1.0, -1.0]]);
        assert!((wide - alone).abs() < 1e-3, "{wide}");
        let parted = all(&[[1.0, 0.0], [0.0, 1.0]]);
        assert!((parted - 0.5).abs() < 5e-3, "{parted}");
        // Turned round amid the song.
        let turned = level(|packet| vec![[1.0, 0.0], [if packet < 30 { 1.0 } else { -1.0 }, 0.0]]);
        assert!((turned - alone).abs() < 1e-3, "{turned}");
    }

    #[test]
    fn what_is_no_number_is_silence_and_counted() {
        let (mono, out) = mixed(&[&[f32::NAN, f32::INFINITY, -1e30, 0.5]]);
        assert_eq!(out, [0.0, 0.0, 0.0, 0.5]);
        assert_eq!(mono.wild_values(), 3);
    }
}
