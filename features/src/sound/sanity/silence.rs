//! Where nothing is heard.

use multiversion::multiversion;

/// A frame below this is silent, dB re full scale: under the noise of a quiet room on tape, over that of 16-bit dither (-93).
pub const SILENT_DB: f64 = -60.0;
/// Frames of 23 ms: 1024 samples at 44.1 kHz.
const FRAMES_PER_SEC: f64 = 44_100.0 / 1_024.0;
/// What a frame of zeros has, dB.
const NOTHING_DB: f64 = -200.0;

/// How long nothing is heard, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Silence {
    /// Share of the frames.
    pub share: f64,
    /// Before the first sound; the whole length if there is none.
    pub head_secs: f64,
    /// After the last sound; the whole length if there is none.
    pub tail_secs: f64,
    /// The longest stretch, wherever it is.
    pub longest_secs: f64,
    /// All together.
    pub total_secs: f64,
}

impl Silence {
    /// Of the levels of frames that last `frame_secs` each.
    pub fn of(levels_db: &[f64], frame_secs: f64) -> Silence {
        let is_silent = |level: &&f64| **level < SILENT_DB;
        let total = levels_db.iter().filter(is_silent).count();
        let secs = |frames: usize| frames as f64 * frame_secs;
        Silence {
            share: total as f64 / levels_db.len().max(1) as f64,
            head_secs: secs(levels_db.iter().take_while(is_silent).count()),
            tail_secs: secs(levels_db.iter().rev().take_while(is_silent).count()),
            longest_secs: secs(longest(levels_db)),
            total_secs: secs(total),
        }
    }
}

/// Samples of a frame.
fn frame_len(rate_hz: u32) -> usize {
    ((f64::from(rate_hz) / FRAMES_PER_SEC).round() as usize).max(1)
}

/// Seconds of a frame.
pub(super) fn frame_secs(rate_hz: u32) -> f64 {
    frame_len(rate_hz) as f64 / f64::from(rate_hz.max(1))
}

/// Root mean square of each frame, dB re full scale; a last, shorter frame counts if it is at least half a frame.
pub(super) fn frame_levels_db(mono: &[f32], rate_hz: u32) -> Vec<f64> {
    let len = frame_len(rate_hz);
    let level = |frame: &[f32]| (10.0 * (energy(frame) / frame.len() as f64).log10()).max(NOTHING_DB);
    mono.chunks(len).filter(|frame| 2 * frame.len() >= len).map(level).collect()
}

/// The sum of the squares, by eight partial sums: an order that a processor can do at once.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn energy(samples: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    let (eights, rest) = samples.as_chunks::<8>();
    for eight in eights {
        for (sum, &sample) in sums.iter_mut().zip(eight) {
            *sum += f64::from(sample) * f64::from(sample);
        }
    }
    let rest: f64 = rest.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Standard deviation of the levels of the frames that are not silent, dB.
pub(super) fn level_spread_db(levels_db: &[f64]) -> f64 {
    let audible = || levels_db.iter().filter(|level| **level >= SILENT_DB);
    let count = audible().count().max(1) as f64;
    let mean = audible().sum::<f64>() / count;
    (audible().map(|level| (level - mean).powi(2)).sum::<f64>() / count).sqrt()
}

fn longest(levels_db: &[f64]) -> usize {
    levels_db.split(|level| *level >= SILENT_DB).map(<[f64]>::len).max().unwrap_or(0)
}
