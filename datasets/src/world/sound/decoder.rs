//! The last stage of a neural decoder: transposed convolutions, and the biases between them.
//!
//! ```text
//! samples ──▶ folded by each stride into channels ──▶ + bias ──▶ unfolded by a stride ──▶ + bias ──▶ … ──▶ samples
//! ```
//!
//! A transposed convolution of stride k puts k - 1 zeros after each frame and lays a kernel of k taps over each pair of channels. Here the kernels
//! are rotations, and folding is their inverse: without the biases the samples come back as they were, so the music is the band's. A bias is the
//! same in every frame; what becomes of it in the stages above repeats every product-of-their-strides samples: lines at every
//! multiple of rate / product, as real decoders leave them. Nothing was trained.

use crate::chance::Chance;

/// A decoder by what shows: the rate it writes and its strides, the one nearest to the samples last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world) struct Decoder {
    pub rate_hz: u32,
    pub strides: [usize; 4],
}

/// Biases of each stage, of the level of what flows through it. The comb then stands 20 to 45 standard deviations high; that of a real
/// generator's songs 27 to 35 (docs/SOUND.md).
const BIAS: f64 = 0.02;

/// What the decoder makes of the samples; what does not fill its last frame is left out.
pub(super) fn decoded(samples: &[f32], decoder: &Decoder, chance: &mut Chance) -> Vec<f32> {
    let whole: usize = decoder.strides.iter().product();
    let mut frames: Vec<f64> =
        samples[..samples.len() / whole * whole].iter().map(|&sample| f64::from(sample)).collect();
    let level = (frames.iter().map(|sample| sample * sample).sum::<f64>() / frames.len().max(1) as f64).sqrt();
    let mut channels = 1;
    let mut stages = Vec::new();
    for &stride in decoder.strides.iter().rev() {
        let kernel = rotation(stride, chance);
        frames = folded(&frames, channels, &kernel);
        channels *= stride;
        stages.push(kernel);
    }
    for kernel in stages.iter().rev() {
        let biases: Vec<f64> = (0..channels).map(|_| BIAS * level * chance.normal()).collect();
        frames
            .chunks_exact_mut(channels)
            .for_each(|frame| frame.iter_mut().zip(&biases).for_each(|(x, bias)| *x += bias));
        channels /= kernel.len();
        frames = unfolded(&frames, channels, kernel);
    }
    frames.into_iter().map(|sample| sample as f32).collect()
}

/// `stride` frames of so many channels become one frame of `stride` times as many.
fn folded(frames: &[f64], channels: usize, kernel: &[Vec<f64>]) -> Vec<f64> {
    let together = channels * kernel.len();
    let mut out = vec![0.0; frames.len()];
    for (block, out) in frames.chunks_exact(together).zip(out.chunks_exact_mut(together)) {
        for (row, out) in kernel.iter().zip(out.chunks_exact_mut(channels)) {
            for (weight, frame) in row.iter().zip(block.chunks_exact(channels)) {
                out.iter_mut().zip(frame).for_each(|(sum, x)| *sum += weight * x);
            }
        }
    }
    out
}

/// The transposed convolution: the inverse of folding, for a rotation is undone by its transpose.
fn unfolded(frames: &[f64], channels: usize, kernel: &[Vec<f64>]) -> Vec<f64> {
    let transposed: Vec<Vec<f64>> = (0..kernel.len()).map(|tap| kernel.iter().map(|row| row[tap]).collect()).collect();
    folded(frames, channels, &transposed)
}

/// A random rotation: normal rows, each less its part along those before it (Gram-Schmidt).
fn rotation(size: usize, chance: &mut Chance) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
    while rows.len() < size {
        let mut row: Vec<f64> = (0..size).map(|_| chance.normal()).collect();
        for known in &rows {
            let along: f64 = row.iter().zip(known).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(known).for_each(|(x, known)| *x -= along * known);
        }
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Purpose;

    #[test]
    fn what_is_folded_comes_back_and_the_rest_repeats_with_the_strides() {
        let mut chance = Chance::of(1, Purpose::Sound, 0, 0);
        let decoder = Decoder { rate_hz: 22_050, strides: [5, 4, 3, 2] };
        let samples: Vec<f32> = (0..120 * 30 + 7).map(|_| chance.normal() as f32).collect();
        let decoded = decoded(&samples, &decoder, &mut chance);
        assert_eq!(decoded.len(), 120 * 30);
        let added: Vec<f32> = decoded.iter().zip(&samples).map(|(after, before)| after - before).collect();
        let level = (added.iter().map(|x| x * x).sum::<f32>() / added.len() as f32).sqrt();
        assert!((0.01..0.1).contains(&level), "{level}");
        assert!(added.iter().skip(120).zip(&added).all(|(after, before)| (after - before).abs() < 1e-5));
        assert!(added.iter().skip(60).zip(&added).any(|(after, before)| (after - before).abs() > level / 10.0));
    }
}
