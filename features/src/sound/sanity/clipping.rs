//! Where the wave is cut off.

use multiversion::multiversion;

/// A sample this close to the largest one is at the ceiling.
const CEILING_SHARE: f32 = 0.999;
/// Fewer samples in a row are a peak, not a plateau: a sine of 1 kHz at 44.1 kHz holds 0.999 of its peak for less than one.
const RUN_MIN: usize = 3;
/// Samples that are passed over at once where none of them is at the ceiling.
const AT_ONCE: usize = 256;

/// Plateaus at the largest value: what a limiter pushed too far, or an overflow, leaves.
///
/// Heard on the mean of the channels: a plateau in one channel alone is not seen. A pure tone below 200 Hz stays at
/// its peak for three samples by nature; music does not, and the complaint's threshold leaves room.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clipping {
    /// Samples in runs of three or more at over 0.999 of the peak, of a million.
    pub ppm: f64,
    /// The longest such run, samples.
    pub longest_run: usize,
    /// The largest absolute value; full scale is 1.
    pub peak: f32,
}

impl Clipping {
    /// Of mono samples.
    pub fn of(mono: &[f32]) -> Clipping {
        let peak = mono.chunks(AT_ONCE).map(loudest).fold(0.0, f32::max);
        if peak == 0.0 {
            return Clipping::default();
        }
        let ceiling = CEILING_SHARE * peak;
        let (mut clipped, mut longest_run) = (0_usize, 0_usize);
        let mut end = |run: &mut usize| {
            let long = std::mem::take(run);
            if long >= RUN_MIN {
                clipped += long;
                longest_run = longest_run.max(long);
            }
        };
        // A run stays on one side: from the ceiling to the floor in one sample is no plateau.
        let (mut run, mut on) = (0_usize, 0_i8);
        for piece in mono.chunks(AT_ONCE) {
            if loudest(piece) <= ceiling {
                end(&mut run);
                continue;
            }
            for &sample in piece {
                let side = side(sample, ceiling);
                if side != on {
                    end(&mut run);
                    on = side;
                }
                run += usize::from(side != 0);
            }
        }
        end(&mut run);
        Clipping { ppm: clipped as f64 * 1e6 / mono.len() as f64, longest_run, peak }
    }
}

/// The largest absolute value; what is no number counts as nothing.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn loudest(samples: &[f32]) -> f32 {
    let mut most = [0.0_f32; 16];
    let (blocks, rest) = samples.as_chunks::<16>();
    for block in blocks {
        for (most, sample) in most.iter_mut().zip(block) {
            *most = if sample.abs() > *most { sample.abs() } else { *most };
        }
    }
    rest.iter().map(|sample| sample.abs()).chain(most).fold(0.0, f32::max)
}

/// 1 at the ceiling, -1 at the floor, 0 between.
fn side(sample: f32, ceiling: f32) -> i8 {
    i8::from(sample > ceiling) - i8::from(sample < -ceiling)
}
