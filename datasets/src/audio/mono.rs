//! Many channels into one, and what each of them carried.

use super::clip::Level;

/// Beyond this a value is no sound: 24 dB over full scale.
const WILD: f32 = 16.0;

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
        mono.extend(planes.first().into_iter().flatten());
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
        for block in plane.chunks(256) {
            let (mut sum, mut squares, mut peak) = (0.0_f32, 0.0_f32, self.peak);
            for &sample in block {
                sum += sample;
                squares += sample * sample;
                peak = peak.max(sample.abs());
            }
            self.sum += f64::from(sum);
            self.squares += f64::from(squares);
            self.peak = peak;
        }
    }
}

fn products(left: &[f32], right: &[f32]) -> f64 {
    let blocks = left.chunks(256).zip(right.chunks(256));
    blocks.map(|(left, right)| f64::from(left.iter().zip(right).map(|(a, b)| a * b).sum::<f32>())).sum()
}

/// Silences values that are no sound; how many there were.
fn tame(plane: &mut [f32]) -> u64 {
    let mut wild = 0;
    for sample in plane {
        // Not a number compares false.
        let is_sound = sample.abs() <= WILD;
        wild += u64::from(!is_sound);
        *sample = if is_sound { *sample } else { 0.0 };
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
