//! What is plainly wrong with a recording, as numbers: silence, clipping, loops, noise, faults of channels, missing treble.
//!
//! ```text
//! samples ─┬─▶ silence, clipping, loudness
//!          └─▶ one STFT ──▶ mean spectrum ──▶ cut-off, flatness      ─┬─▶ Sanity ──▶ complaints
//!                      └──▶ 64 bands over time ──▶ loopiness         │
//! channels' levels ─────────────────────────▶ faults of channels ────┘
//! ```
//!
//! Nothing here is a verdict: an ambient piece is quiet, a techno track repeats itself, a punk record clips. Each number
//! has one definition (docs/SOUND.md has the table), and each complaint one threshold with its source.

mod channels;
mod clipping;
mod complaints;
mod loops;
mod loudness;
mod silence;
mod spectrum;

pub use channels::{ChannelLevel, Channels};
pub use clipping::Clipping;
pub use complaints::{Complaint, Declared};
pub use loops::{Loop, loopiness};
pub use silence::Silence;
pub use spectrum::{cutoff_hz, flatness};

use kernels::{AudioKernels, Decibels, KernelError, MelBank, Samples, StftPlan, Wanted};

/// Frames of 93 ms at 44.1 kHz, side by side.
const FRAME_LEN_AT_44_KHZ: usize = 4096;
/// The lowest rate that leaves two octaves of music above the first band.
const RATE_HZ_MIN: u32 = 2_000;

/// A decoded recording, or as much of it as was kept.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    /// The mean of all channels; full scale is ±1.
    pub mono: &'a [f32],
    /// Samples per second.
    pub rate_hz: u32,
    /// What each channel of the file carries, over its whole length.
    pub levels: &'a [ChannelLevel],
    /// Correlation of the first two channels, where there are two that change.
    pub correlation: Option<f64>,
    /// Seconds that were decoded, also of what was not kept.
    pub secs: f64,
    /// Seconds that the container promised, where it did.
    pub secs_promised: Option<f64>,
}

/// What was measured on one recording. Shares are of one, levels in dB re full scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Sanity {
    /// Seconds of sound that came out of the decoder.
    pub secs: f64,
    /// Seconds decoded less seconds promised; `None` where nothing was promised.
    pub secs_beyond_promise: Option<f64>,
    /// Where nothing is heard.
    pub silence: Silence,
    /// Where the wave is cut off.
    pub clipping: Clipping,
    /// How the channels differ.
    pub channels: Channels,
    /// Integrated loudness, LUFS (EBU R 128); `None` below the gate of -70 LUFS or when shorter than 400 ms.
    pub loudness_lufs: Option<f64>,
    /// How much the recording repeats itself exactly; `None` when too short to tell.
    pub repeats: Option<Loop>,
    /// Spectral flatness: 1 is white noise, 0 a tone.
    pub flatness: f64,
    /// Standard deviation of the level of the audible frames, dB.
    pub level_spread_db: f64,
    /// Where the treble ends abruptly; `None` if it does not.
    pub cutoff_hz: Option<f64>,
}

/// Measures a recording.
pub fn sanity(kernels: &dyn AudioKernels, sound: &Sound<'_>) -> Result<Sanity, KernelError> {
    let levels_db = silence::frame_levels_db(sound.mono, sound.rate_hz);
    let heard = hear(kernels, sound)?;
    Ok(Sanity {
        secs: sound.secs,
        secs_beyond_promise: sound.secs_promised.map(|promised| sound.secs - promised),
        silence: Silence::of(&levels_db, silence::frame_secs(sound.rate_hz)),
        clipping: Clipping::of(sound.mono),
        channels: Channels::of(sound.levels, sound.correlation),
        loudness_lufs: loudness::integrated_lufs(sound),
        repeats: loopiness(&heard.bands_db, heard.bands, heard.frames_per_sec),
        flatness: flatness(&heard.mean_db),
        level_spread_db: silence::level_spread_db(&levels_db),
        cutoff_hz: cutoff_hz(&heard.mean_db, heard.hz_per_bin),
    })
}

/// What one STFT brought back.
struct Spectra {
    mean_db: Vec<f32>,
    hz_per_bin: f64,
    bands_db: Vec<f32>,
    bands: usize,
    frames_per_sec: f64,
}

fn hear(kernels: &dyn AudioKernels, sound: &Sound<'_>) -> Result<Spectra, KernelError> {
    let rate_hz = sound.rate_hz.max(RATE_HZ_MIN);
    let plan = plan(rate_hz)?;
    let bank = MelBank::new(&plan, rate_hz, loops::BANDS, 60.0, (f64::from(rate_hz) / 2.0).min(11_025.0))?;
    let floor = Decibels::over(1e-9)?;
    let wanted = Wanted { statistics: Some(floor), mel: Some((&bank, floor)), ..Wanted::default() };
    let heard = kernels.hear(&[Samples::F32(sound.mono)], &plan, &wanted)?.pop().unwrap_or_default();
    let (mel, statistics) = (heard.mel.unwrap_or_default(), heard.statistics.unwrap_or_default());
    Ok(Spectra {
        mean_db: statistics.mean_db,
        hz_per_bin: f64::from(rate_hz) / plan.fft_len() as f64,
        bands_db: mel.db,
        bands: mel.bands,
        frames_per_sec: f64::from(rate_hz) / plan.hop() as f64,
    })
}

/// Frames that last about as long at every rate.
fn plan(rate_hz: u32) -> Result<StftPlan, KernelError> {
    let len = FRAME_LEN_AT_44_KHZ as f64 * f64::from(rate_hz) / 44_100.0;
    let len = 1 << len.log2().round() as u32;
    StftPlan::new(len, len)
}

#[cfg(test)]
mod tests;
