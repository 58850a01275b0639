//! Samples become 64 bands over time, and windows of 4 s of them: what the encoder hears.
//!
//! ```text
//! samples ──▶ |STFT|² ──▶ 64 mel bands, dB, every 32 ms ──▶ pairs averaged ──▶ windows of 4.1 s, each less its mean
//! ```

use std::ops::Range;

use kernels::{AudioKernels, Channels, Decibels, KernelError, MelBank, Samples, StftPlan, Wanted};

/// Samples per second that [`BandListener::listen`] takes.
pub const RATE_HZ: u32 = 16_000;
/// What lies below it must be there: the highest band ends here.
pub const PASS_HZ: u32 = 7_600;
/// Bands of a frame.
pub const BANDS: usize = 64;
/// 64 ms.
const FFT_LEN: usize = 1024;
/// 32 ms.
const HOP: usize = 512;
/// Frames per second.
pub const FRAMES_PER_SECOND: f32 = RATE_HZ as f32 / HOP as f32;
/// Below it rumble, above it what encoders at 32 kb/s leave out.
const RANGE_HZ: (f64, f64) = (60.0, 7_600.0);
/// Power of a band that counts as silence: a tone at full scale has 65,536, so this is 88 dB below it.
const SILENCE_POWER: f32 = 1e-4;

/// Frames that become one before the encoder hears them.
const FRAMES_AT_ONCE: usize = 2;
/// Steps of a window: 4.1 s.
pub const WINDOW_STEPS: usize = 64;
/// Seconds of a window.
pub const WINDOW_SECS: f32 = (WINDOW_STEPS * FRAMES_AT_ONCE * HOP) as f32 / RATE_HZ as f32;
/// A recording of fewer steps (1 s) is not heard.
const STEPS_MIN: usize = 16;
/// What lies further below the loudest cell of its window is silence, dB.
const DEPTH_DB: f32 = 60.0;
/// A window whose loudest cell is below it has nothing to hear: 70 dB below a tone at full scale.
const LOUDEST_DB_MIN: f32 = -22.0;

/// Seven windows.
const EXCERPT_SECS: f64 = 28.7;

/// The parts of a recording of so many samples that are heard: all of one of up to a minute and a half; of a longer one 28.7 s around a sixth, the middle and five
/// sixths. More changes no vector much, and costs as much again.
pub fn excerpts(samples: usize, rate_hz: u32) -> Vec<Range<usize>> {
    let long = (EXCERPT_SECS * f64::from(rate_hz)) as usize;
    if samples <= 3 * long {
        return std::iter::once(0..samples).collect();
    }
    let around = |middle: usize| middle - long / 2..middle - long / 2 + long;
    [1, 3, 5].map(|sixths| around(samples / 6 * sixths)).to_vec()
}

/// A recording as bands over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bands {
    /// How many frames, [`FRAMES_PER_SECOND`] of them a second.
    pub frames: usize,
    /// dB, frame after frame of [`BANDS`].
    pub db: Vec<f32>,
}

/// Makes bands of samples; made once, used for every recording.
#[derive(Clone, Debug)]
pub struct BandListener {
    plan: StftPlan,
    bank: MelBank,
    decibels: Decibels,
}

impl Default for BandListener {
    fn default() -> Self {
        let plan = StftPlan::new(FFT_LEN, HOP).expect("a plan within the limits");
        let (low, high) = RANGE_HZ;
        BandListener {
            plan,
            bank: MelBank::new(&plan, RATE_HZ, BANDS, low, high).expect("a range below half the rate"),
            decibels: Decibels::over(SILENCE_POWER).expect("a floor within the limits"),
        }
    }
}

impl BandListener {
    /// The bands of mono samples, [`RATE_HZ`] of them a second; none of less than a frame.
    pub fn listen(&self, kernels: &dyn AudioKernels, samples: &[f32]) -> Result<Bands, KernelError> {
        if samples.len() < FFT_LEN {
            return Ok(Bands::default());
        }
        let wanted = Wanted { mel: Some((&self.bank, self.decibels)), ..Wanted::default() };
        let heard = kernels.hear(&[Samples::F32(samples)], &self.plan, &wanted)?.pop().unwrap_or_default();
        Ok(heard.mel.map_or_else(Bands::default, |mel| Bands { frames: mel.frames, db: mel.db }))
    }
}

impl Bands {
    /// One frame.
    pub fn frame(&self, at: usize) -> &[f32] {
        &self.db[at * BANDS..][..BANDS]
    }

    /// Side by side windows of [`WINDOW_STEPS`] steps, the last one moved back so that it is whole; those in which nothing is heard left out.
    /// Of a recording that is shorter than a window, one that is as long as it.
    pub fn windows(&self) -> Vec<Channels> {
        let steps = self.frames / FRAMES_AT_ONCE;
        if steps < STEPS_MIN {
            return Vec::new();
        }
        let long = steps.min(WINDOW_STEPS);
        let starts = (0..steps.div_ceil(long)).map(|window| (window * long).min(steps - long));
        starts.filter_map(|start| self.window(start, long)).collect()
    }

    /// The steps from `start` on: each pair of frames averaged, nothing below [`DEPTH_DB`] under the loudest, less the mean of all.
    fn window(&self, start: usize, long: usize) -> Option<Channels> {
        let mut values = vec![0.0; BANDS * long];
        for step in 0..long {
            for frame in 0..FRAMES_AT_ONCE {
                let frame = self.frame((start + step) * FRAMES_AT_ONCE + frame);
                for (band, db) in frame.iter().enumerate() {
                    values[band * long + step] += db / FRAMES_AT_ONCE as f32;
                }
            }
        }
        let loudest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if loudest < LOUDEST_DB_MIN {
            return None;
        }
        values.iter_mut().for_each(|db| *db = db.max(loudest - DEPTH_DB));
        let mean = values.iter().map(|db| f64::from(*db)).sum::<f64>() / values.len() as f64;
        // A tenth: networks learn best from numbers of about 1.
        values.iter_mut().for_each(|db| *db = (*db - mean as f32) / 10.0);
        Some(Channels { channels: BANDS, frames: long, values })
    }
}
