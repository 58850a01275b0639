//! What people do to recordings that are not theirs, and what goes wrong with those that are.

use super::band;
use crate::chance::Chance;

/// How a copy differs from its original.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::world) struct Disguise {
    /// Of the original, seconds.
    pub from_secs: f64,
    /// How long the copy goes on, in seconds of the original.
    pub secs: f64,
    /// Seconds of something else before it.
    pub intro_secs: f64,
    /// How many times as fast.
    pub speed: f64,
    pub gain_db: f64,
    /// Amplitude of added noise, of full scale.
    pub noise: f64,
}

/// The original in its disguise; the intro is of another band.
pub(super) fn disguised(original: &[f32], disguise: &Disguise, rate_hz: u32, chance: &mut Chance) -> Vec<f32> {
    let frame = |secs: f64| ((secs * f64::from(rate_hz)) as usize).min(original.len());
    let excerpt = &original[frame(disguise.from_secs)..frame(disguise.from_secs + disguise.secs)];
    let mut copy =
        if disguise.intro_secs > 0.0 { band::band(chance, disguise.intro_secs, rate_hz) } else { Vec::new() };
    copy.extend(resampled(excerpt, disguise.speed));
    let gain = 10.0_f64.powf(disguise.gain_db / 20.0);
    copy.into_iter().map(|sample| (gain * f64::from(sample) + disguise.noise * chance.normal()) as f32).collect()
}

/// So many times as fast, and as high: cubic interpolation (Catmull and Rom) between the samples.
pub(super) fn resampled(samples: &[f32], speed: f64) -> Vec<f32> {
    let at = |n: usize| f64::from(samples[n.min(samples.len() - 1)]);
    let len = (samples.len() as f64 / speed) as usize;
    let value = |n: usize| {
        let (whole, part) = ((n as f64 * speed) as usize, (n as f64 * speed).fract());
        let (a, b, c, d) = (at(whole.saturating_sub(1)), at(whole), at(whole + 1), at(whole + 2));
        let (slope, bend, twist) = (c - a, 2.0 * a - 5.0 * b + 4.0 * c - d, 3.0 * (b - c) + d - a);
        (b + 0.5 * part * (slope + part * (bend + part * twist))) as f32
    };
    (0..len).map(value).collect()
}

/// What is wrong with a recording that nobody could want to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world) enum Fault {
    /// A few seconds, and then nothing.
    Silence,
    /// The same four seconds again and again.
    Loop,
    /// Noise from beginning to end.
    Noise,
}

/// So many seconds with the fault.
pub(super) fn faulty(fault: Fault, chance: &mut Chance, secs: f64, rate_hz: u32) -> Vec<f32> {
    let frames = (secs * f64::from(rate_hz)) as usize;
    match fault {
        Fault::Silence => {
            let mut played = band::band(chance, 0.2 * secs, rate_hz);
            played.resize(frames, 0.0);
            played
        }
        Fault::Loop => band::band(chance, 4.0, rate_hz).into_iter().cycle().take(frames).collect(),
        Fault::Noise => (0..frames).map(|_| (0.1 * chance.normal()) as f32).collect(),
    }
}
