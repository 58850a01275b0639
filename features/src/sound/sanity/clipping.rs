//! Where the wave is cut off.

/// A sample this close to the largest one is at the ceiling.
const CEILING_SHARE: f32 = 0.999;
/// Fewer samples in a row are a peak, not a plateau: a sine of 1 kHz at 44.1 kHz holds 0.999 of its peak for less than one.
const RUN_MIN: usize = 3;

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
        let peak = mono.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        if peak == 0.0 {
            return Clipping::default();
        }
        let ceiling = CEILING_SHARE * peak;
        let (mut clipped, mut longest_run) = (0_usize, 0_usize);
        // A run stays on one side: from the ceiling to the floor in one sample is no plateau.
        for run in mono.chunk_by(|a, b| side(*a, ceiling) == side(*b, ceiling)) {
            if side(run[0], ceiling) != 0 && run.len() >= RUN_MIN {
                clipped += run.len();
                longest_run = longest_run.max(run.len());
            }
        }
        Clipping { ppm: clipped as f64 * 1e6 / mono.len() as f64, longest_run, peak }
    }
}

/// 1 at the ceiling, -1 at the floor, 0 between.
fn side(sample: f32, ceiling: f32) -> i8 {
    i8::from(sample > ceiling) - i8::from(sample < -ceiling)
}
