//! How loud a recording is to listeners.

use ebur128::{EbuR128, Mode};

use super::Sound;

/// Integrated loudness, LUFS: EBU R 128 on ITU-R BS.1770, gated.
///
/// BS.1770 adds up the channels' powers; here only their mean is at hand. So the mean is measured as one channel and
/// lifted by what the channels have more in power than their mean. That is exact for equal channels and for one live channel of several,
/// and off only as far as what the mean loses differs in colour or in time from what it keeps. The weights of surround channels are left out.
pub(super) fn integrated_lufs(sound: &Sound<'_>) -> Option<f64> {
    let mut meter = EbuR128::new(1, sound.rate_hz, Mode::I).ok()?;
    meter.add_frames_f32(sound.mono).ok()?;
    let lufs = meter.loudness_global().ok().filter(|lufs| lufs.is_finite())?;
    Some(lufs + lift_db(sound))
}

/// The power of all channels over that of their mean, dB; 0 where the levels do not say.
fn lift_db(sound: &Sound<'_>) -> f64 {
    let channels: f64 = sound.levels.iter().map(|level| level.rms * level.rms).sum();
    let mean: f64 = sound.mono.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum::<f64>();
    let mean = mean / sound.mono.len().max(1) as f64;
    if channels > 0.0 && mean > 0.0 { 10.0 * (channels / mean).log10() } else { 0.0 }
}
