//! Many channels into one, and what each of them carried.

use multiversion::multiversion;

use super::clip::Level;

/// Beyond this a value is no sound: 24 dB over full scale.
const WILD: f32 = 16.0;
/// Samples whose sums are of single precision.
const BLOCK: usize = 256;
/// Numbers that a processor adds at once.
const LANES: usize = 8;

/// Sums over all frames seen so far.
pub(super) struct Mono {
    channels: Vec<Sums>,
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

impl Mono {
    pub(super) fn new(channels: usize) -> Mono {
        Mono { channels: vec![Sums::default(); channels], product: 0.0, frames: 0, wild: 0 }
    }

    /// Appends the mean of the channels of each frame to `mono`; values that are none become silence.
    pub(super) fn mix(&mut self, planes: &mut [Vec<f32>], mono: &mut Vec<f32>) {
        let frames = planes.first().map_or(0, Vec::len);
        for plane in planes.iter_mut() {
            self.wild += tame(plane);
        }
        for (sums, plane) in self.channels.iter_mut().zip(planes.iter()) {
            sums.add(plane);
        }
        if let [left, right, ..] = &*planes {
            self.product += products(left, right);
        }
        self.frames += frames as u64;
        mono.extend_from_slice(planes.first().map_or(&[], Vec::as_slice));
        let new = mono.len() - frames;
        for plane in planes.iter().skip(1) {
            mono[new..].iter_mut().zip(plane).for_each(|(sum, sample)| *sum += sample);
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

impl Sums {
    fn add(&mut self, plane: &[f32]) {
        // Sums of short blocks in f32 would drift over hours; the blocks are short, the totals are f64.
        for block in plane.chunks(BLOCK) {
            let (sum, squares, peak) = moments(block);
            self.sum += f64::from(sum);
            self.squares += f64::from(squares);
            self.peak = self.peak.max(peak);
        }
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
        assert_eq!(out, [0.0; 4]);
        assert_eq!(mono.correlation(), Some(-1.0));
        assert_eq!(mono.levels()[0].peak, 0.5);

        let (same, out) = mixed(&[&[0.5, -0.25], &[0.5, -0.25]]);
        assert_eq!(out, [0.5, -0.25]);
        assert_eq!(same.correlation(), Some(1.0));

        let (constant, _) = mixed(&[&[0.5, -0.25, 0.1], &[0.1, 0.1, 0.1]]);
        assert_eq!(constant.correlation(), None);
        assert!((constant.levels()[1].dc - 0.1).abs() < 1e-7);
    }

    #[test]
    fn what_is_no_number_is_silence_and_counted() {
        let (mono, out) = mixed(&[&[f32::NAN, f32::INFINITY, -1e30, 0.5]]);
        assert_eq!(out, [0.0, 0.0, 0.0, 0.5]);
        assert_eq!(mono.wild_values(), 3);
    }
}
