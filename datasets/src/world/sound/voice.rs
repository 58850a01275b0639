//! Instruments: how one note of each sounds.
//!
//! ```text
//! harmonics when struck ──┐
//! harmonics as it rings ──┴─▶ crossfade ──▶ envelope, vibrato ──▶ + breath ──▶ added to the piece
//! ```

use std::f64::consts::TAU;

use crate::chance::Chance;

/// Samples of one period of a wave.
const PERIOD: usize = 2_048;
/// Gain and pitch are set so often; in between gain moves evenly.
const CONTROL_FRAMES: usize = 32;
/// A note that ends fades for so long.
const RELEASE_SECS: f64 = 0.08;

/// A note of a piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    pub at_secs: f64,
    pub secs: f64,
    pub hz: f64,
    pub loudness: f64,
}

/// What is particular to an instrument. Harmonic k has the amplitude k^-slope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    /// The slope when the note begins, and once it rings.
    slopes: (f64, f64),
    /// How fast the first gives way to the second.
    brightness_secs: f64,
    /// What even harmonics count: a clarinet has few.
    even: f64,
    attack_secs: f64,
    /// Falls to 1/e; infinite for what is blown or bowed.
    decay_secs: f64,
    /// Hz, and how far, as a share of the pitch.
    vibrato: (f64, f64),
    /// Noise of breath, bow or hammer.
    breath: f64,
}

/// A string that is plucked.
pub(super) const PLUCKED: Voice = voice((0.7, 2.2), (0.12, 0.004, 0.7), 0.9, (0.0, 0.0), 0.004);
/// A string under a hammer.
pub(super) const STRUCK: Voice = voice((1.0, 2.4), (0.3, 0.006, 1.4), 0.8, (0.0, 0.0), 0.002);
/// A string under a bow.
pub(super) const BOWED: Voice = voice((1.6, 1.3), (0.4, 0.09, f64::INFINITY), 0.9, (5.6, 0.004), 0.03);
/// A reed that is blown.
pub(super) const BLOWN: Voice = voice((1.2, 1.5), (0.2, 0.04, f64::INFINITY), 0.15, (4.8, 0.003), 0.05);
/// A choir of oscillators.
pub(super) const PAD: Voice = voice((2.4, 2.0), (1.5, 0.6, f64::INFINITY), 0.7, (0.3, 0.002), 0.01);
/// A bass string.
pub(super) const BASS: Voice = voice((1.3, 2.6), (0.15, 0.008, 0.9), 0.8, (0.0, 0.0), 0.003);

const fn voice(
    slopes: (f64, f64),
    (brightness_secs, attack_secs, decay_secs): (f64, f64, f64),
    even: f64,
    vibrato: (f64, f64),
    breath: f64,
) -> Voice {
    Voice { slopes, brightness_secs, even, attack_secs, decay_secs, vibrato, breath }
}

impl Voice {
    /// Adds a note to the samples.
    pub fn play(&self, note: &Note, rate_hz: f64, chance: &mut Chance, out: &mut [f32]) {
        let struck = self.period(self.slopes.0, note.hz, rate_hz);
        let rings = self.period(self.slopes.1, note.hz, rate_hz);
        let (mut phase, turned) = (chance.unit(), chance.unit());
        let first = ((note.at_secs * rate_hz) as usize).min(out.len());
        let frames = ((note.secs + RELEASE_SECS) * rate_hz) as usize;
        let last = (first + frames).min(out.len());
        let mut gain = 0.0;
        for (block, samples) in out[first..last].chunks_mut(CONTROL_FRAMES).enumerate() {
            let secs = ((block + 1) * CONTROL_FRAMES) as f64 / rate_hz;
            let to = note.loudness * self.envelope(secs, note.secs);
            let bright = (-secs / self.brightness_secs).exp();
            let sway = 1.0 + self.vibrato.1 * (TAU * (self.vibrato.0 * secs + turned)).sin();
            let (step, rise) = (note.hz * sway / rate_hz, (to - gain) / CONTROL_FRAMES as f64);
            for sample in samples {
                let at = (phase * PERIOD as f64) as usize % PERIOD;
                let tone = bright * struck[at] + (1.0 - bright) * rings[at];
                *sample += (gain * (tone + self.breath * (2.0 * chance.unit() - 1.0))) as f32;
                phase = (phase + step).fract();
                gain += rise;
            }
        }
    }

    fn envelope(&self, secs: f64, held_secs: f64) -> f64 {
        let attack = (secs / self.attack_secs).min(1.0);
        let release = (1.0 - (secs - held_secs) / RELEASE_SECS).clamp(0.0, 1.0);
        attack * release * (-secs / self.decay_secs).exp()
    }

    /// One period with every harmonic that the rate has room for, at a root mean square of 0.3.
    fn period(&self, slope: f64, hz: f64, rate_hz: f64) -> Vec<f64> {
        let harmonics = ((0.45 * rate_hz / hz) as usize).clamp(1, 80);
        let sine: Vec<f64> = (0..PERIOD).map(|n| (TAU * n as f64 / PERIOD as f64).sin()).collect();
        let mut period = vec![0.0; PERIOD];
        let mut power = 0.0;
        for harmonic in 1..=harmonics {
            let share = if harmonic % 2 == 0 { self.even } else { 1.0 };
            let amplitude = share * (harmonic as f64).powf(-slope);
            power += amplitude * amplitude / 2.0;
            // Phases by number: in phase, harmonics would pile up to one spike.
            let turn = harmonic * harmonic * 311;
            period.iter_mut().enumerate().for_each(|(n, sum)| *sum += amplitude * sine[(n * harmonic + turn) % PERIOD]);
        }
        let level = 0.3 / power.sqrt();
        period.into_iter().map(|sum| level * sum).collect()
    }
}

/// A blow on the drums.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blow {
    Kick,
    Snare,
    Hat,
}

/// Adds a blow to the samples.
pub(super) fn strike(blow: Blow, at_secs: f64, loudness: f64, rate_hz: f64, chance: &mut Chance, out: &mut [f32]) {
    let (secs, decay_secs) = match blow {
        Blow::Kick => (0.35, 0.09),
        Blow::Snare => (0.3, 0.07),
        Blow::Hat => (0.15, 0.025),
    };
    let first = ((at_secs * rate_hz) as usize).min(out.len());
    let last = (first + (secs * rate_hz) as usize).min(out.len());
    let (mut phase, mut before, skin_hz) = (0.0, 0.0, chance.between(175.0, 200.0));
    for (n, sample) in out[first..last].iter_mut().enumerate() {
        let secs = n as f64 / rate_hz;
        let noise = 2.0 * chance.unit() - 1.0;
        let (hz, sound) = match blow {
            Blow::Kick => (48.0 + 90.0 * (-secs / 0.03).exp(), (TAU * phase).sin()),
            Blow::Snare => (skin_hz, 0.5 * (TAU * phase).sin() + 0.6 * noise),
            // The difference to the sample before is a slope of 6 dB per octave: mostly treble.
            Blow::Hat => (0.0, 0.5 * (noise - before)),
        };
        before = noise;
        phase = (phase + hz / rate_hz).fract();
        *sample += (loudness * sound * (-secs / decay_secs).exp()) as f32;
    }
}
