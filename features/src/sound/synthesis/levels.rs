//! From samples to levels over time and frequency, and from them to what stands out.
//!
//! ```text
//! samples ──▶ frames of 1.5 s ──▶ dB [frame][bin] ──▶ mean over time ──▶ less the running median, over its spread ──▶ relief
//! ```
//!
//! A decoder's line is a tone that never moves, so a frame may be long: each doubling lifts it 3 dB over the noise between. At 1.5 s
//! the lines of real songs stand 5 dB above their neighbours (at 0.37 s, the usual choice, 2 dB), and what pitch
//! shifters smear is still narrower than a bin.

use kernels::cpu::level::to_db;
use kernels::{AudioKernels, KernelError, Samples, StftPlan};
use multiversion::multiversion;

/// Seconds of a frame: 65,536 samples at 44.1 kHz; at other rates the power of two nearest to it.
const FRAME_SECS: f64 = 65_536.0 / 44_100.0;
/// Power per sample of the frame that counts as nothing: far below the step of 24 bits.
const NOTHING: f64 = 1e-12;
/// What is kept of the spectrum, Hz.
const BAND_HZ: (f64, f64) = (60.0, 19_000.0);
/// Bins of the running median: 44 Hz, half the spacing of the commonest lattice.
const MEDIAN_BINS: usize = 65;
/// Least spread of the bins, dB: digital silence has none, and its rounding is no relief.
const SPREAD_MIN_DB: f32 = 0.01;
/// A tone in a Hann window fills three bins; weights of its matched filter, rounded. Sum of squares 0.735.
const LINE_SHAPE: [f32; 3] = [0.35, 0.7, 0.35];
/// How far one bin may count, in spreads: a whistle must not outvote a hundred teeth.
const RELIEF: (f32, f32) = (-3.0, 5.0);
/// A level this far below the loudest bin is the coder's floor.
const FLOOR_BELOW_MAX_DB: f32 = 90.0;

/// dB over time and frequency.
#[derive(Clone, Debug)]
pub struct Levels {
    /// Hz from one bin to the next.
    pub hz_per_bin: f64,
    /// The bin that column 0 holds.
    pub first_bin: usize,
    /// Columns.
    pub bins: usize,
    /// Row-major by frame.
    pub db: Vec<f32>,
    /// Mean over the frames, per column.
    pub mean_db: Vec<f32>,
    /// The running median of that mean.
    pub median_db: Vec<f32>,
}

impl Levels {
    /// Hears samples of full scale ±1. A recording shorter than two frames, or of a rate below its band, leaves nothing.
    pub fn of(kernels: &dyn AudioKernels, samples: &[f32], rate_hz: u32) -> Result<Levels, KernelError> {
        let rate = f64::from(rate_hz.max(1));
        let fft_len = 1_usize << ((FRAME_SECS * rate).log2().round() as u32).clamp(4, 20);
        let plan = StftPlan::new(fft_len, fft_len / 2)?;
        let hz_per_bin = rate / fft_len as f64;
        let first_bin = (BAND_HZ.0 / hz_per_bin) as usize;
        let bins = ((BAND_HZ.1 / hz_per_bin) as usize).min(plan.bins()).saturating_sub(first_bin);
        if samples.len() < 2 * fft_len || bins == 0 {
            return Ok(Levels {
                hz_per_bin,
                first_bin,
                bins,
                db: Vec::new(),
                mean_db: vec![0.0; bins],
                median_db: vec![0.0; bins],
            });
        }
        let heard = kernels.power(&[Samples::F32(samples)], &plan)?.pop().unwrap_or_default();
        let mut db = heard.power;
        // The band of each frame moves up to where the one before it ends.
        for frame in 0..heard.frames {
            let from = frame * heard.bins + first_bin;
            db.copy_within(from..from + bins, frame * bins);
        }
        db.truncate(heard.frames * bins);
        to_db(&mut db, (NOTHING * fft_len as f64) as f32);
        let mean_db = means(&db, bins);
        Ok(Levels { hz_per_bin, first_bin, bins, median_db: running_median(&mean_db, MEDIAN_BINS), mean_db, db })
    }

    /// How many frames were heard.
    pub fn frames(&self) -> usize {
        self.db.len() / self.bins.max(1)
    }

    /// Frequency up to which there is sound, Hz.
    pub fn audible_to_hz(&self) -> f64 {
        let smooth = &self.median_db;
        let loudest = smooth.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let last = smooth.iter().rposition(|&level| level > loudest - FLOOR_BELOW_MAX_DB).unwrap_or(0);
        (self.first_bin + last) as f64 * self.hz_per_bin
    }

    /// How far each bin of the mean stands out of its neighbourhood, in spreads of that neighbourhood.
    pub fn relief(&self) -> Vec<f32> {
        let over: Vec<f32> = self.mean_db.iter().zip(&self.median_db).map(|(level, median)| level - median).collect();
        let distance: Vec<f32> = over.iter().map(|over| over.abs()).collect();
        // 1.4826 median distances are one standard deviation of normal noise.
        let spread = running_median(&distance, MEDIAN_BINS);
        let scaled: Vec<f32> =
            over.iter().zip(&spread).map(|(over, spread)| over / (1.4826 * spread + SPREAD_MIN_DB)).collect();
        lines(&scaled)
    }
}

/// The mean of each column.
fn means(db: &[f32], bins: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; bins];
    for frame in db.chunks_exact(bins.max(1)) {
        sums.iter_mut().zip(frame).for_each(|(sum, &level)| *sum += f64::from(level));
    }
    let frames = (db.len() / bins.max(1)).max(1) as f64;
    sums.into_iter().map(|sum| (sum / frames) as f32).collect()
}

/// The values through the shape of a line, bounded; the edges repeat.
fn lines(values: &[f32]) -> Vec<f32> {
    let at = |n: usize, step: isize| values[n.saturating_add_signed(step).min(values.len() - 1)];
    let line = |n: usize| LINE_SHAPE[0] * at(n, -1) + LINE_SHAPE[1] * at(n, 0) + LINE_SHAPE[2] * at(n, 1);
    (0..values.len()).map(|n| line(n).clamp(RELIEF.0, RELIEF.1)).collect()
}

/// The median of each value and its neighbours, `width` (odd) in all; the edges repeat.
///
/// Keeps the window sorted and moves one value in and one out: a comparison of a few dozen numbers per step.
pub fn running_median(values: &[f32], width: usize) -> Vec<f32> {
    let Some(last) = values.len().checked_sub(1) else { return Vec::new() };
    let half = width / 2;
    let at = |n: isize| values[n.clamp(0, last as isize) as usize];
    let mut window: Vec<f32> = (-(half as isize)..=half as isize).map(at).collect();
    window.sort_unstable_by(f32::total_cmp);
    let mut medians = Vec::with_capacity(values.len());
    for n in 0..values.len() as isize {
        medians.push(window[half]);
        replace(&mut window, at(n - half as isize), at(n + half as isize + 1));
    }
    medians
}

/// Takes `old` out of the sorted window and puts `new` in.
fn replace(window: &mut [f32], old: f32, new: f32) {
    let (from, to) = below(window, old, new);
    if to > from {
        // The slot that `old` leaves closes up to just before the first value that is not below `new`.
        window.copy_within(from + 1..to, from);
        window[to - 1] = new;
    } else {
        window.copy_within(to..from, to + 1);
        window[to] = new;
    }
}

/// How many values lie below each of the two: a comparison with all of them at once is faster than a search.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn below(window: &[f32], old: f32, new: f32) -> (usize, usize) {
    let (mut olds, mut news) = (0_u32, 0_u32);
    for value in window {
        olds += u32::from(*value < old);
        news += u32::from(*value < new);
    }
    (olds as usize, news as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_median_equals_sorting_every_window() {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Few distinct values, so that equal ones meet.
            (state >> 28) as f32 - 8.0
        };
        for len in [1, 2, 5, 64, 65, 66, 300] {
            let values: Vec<f32> = (0..len).map(|_| next()).collect();
            for width in [1, 3, 7, 65] {
                let sorted = |n: usize| {
                    let reach = (width / 2) as isize;
                    let at = |step: isize| values[(n as isize + step).clamp(0, len as isize - 1) as usize];
                    let mut window: Vec<f32> = (-reach..=reach).map(at).collect();
                    window.sort_unstable_by(f32::total_cmp);
                    window[width / 2]
                };
                let expected: Vec<f32> = (0..len).map(sorted).collect();
                assert_eq!(running_median(&values, width), expected, "{len} values, {width} wide");
            }
        }
        assert!(running_median(&[], 65).is_empty());
    }
}
