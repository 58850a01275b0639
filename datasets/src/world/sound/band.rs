//! Pieces: a small band that never plays two bars alike, and rain for sleepers.
//!
//! ```text
//! chance ──▶ key, tempo, instruments ──▶ chords, bass, melody, drums ──▶ notes ──▶ samples
//! ```
//!
//! People keep time to some milliseconds and never strike twice alike. Without that a piece would be a loop, and loops leave traces of their own.

use std::f64::consts::TAU;

use super::voice::{self, Blow, Note, Voice, strike};
use crate::chance::Chance;

/// Steps of a bar: sixteenths.
const STEPS: usize = 16;
/// Onsets stray so far, seconds, and the beat itself drifts, as a share of a step.
const STRAY_SECS: f64 = 0.007;
const DRIFT: f64 = 0.006;
/// Half-tones of the scales: major, minor, dorian.
const SCALES: [[i32; 7]; 3] = [[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 3, 5, 7, 9, 10]];
/// Loudest sample of a finished piece, of full scale.
const PEAK: f32 = 0.7;
/// The room is so quiet: amplitude of its hiss, and of its rumble below 500 Hz, of full scale.
const HISS: f64 = 4e-4;
const RUMBLE: f64 = 2e-3;
const RUMBLE_BELOW_HZ: f64 = 500.0;

/// What a band has agreed on before it plays.
struct Piece {
    rate_hz: f64,
    /// Where each sixteenth falls, seconds.
    steps: Vec<f64>,
    scale: [i32; 7],
    root_hz: f64,
    chords: [usize; 4],
    lead: Voice,
    comping: Voice,
    /// How busy the drummer is, 0 to 1.
    drive: f64,
}

/// So many seconds of a band.
pub(super) fn band(chance: &mut Chance, secs: f64, rate_hz: u32) -> Vec<f32> {
    let piece = Piece::draw(chance, secs, f64::from(rate_hz));
    let mut out = silence(secs, rate_hz);
    for bar in 0..piece.steps.len() / STEPS {
        piece.chord(bar, chance, &mut out);
        piece.bass(bar, chance, &mut out);
        piece.melody(bar, chance, &mut out);
        piece.drums(bar, chance, &mut out);
    }
    finished(out, rate_hz, chance)
}

/// So many seconds of rain over slow chords.
pub(super) fn rain(chance: &mut Chance, secs: f64, rate_hz: u32) -> Vec<f32> {
    let mut piece = Piece::draw(chance, secs, f64::from(rate_hz));
    piece.comping = voice::PAD;
    let mut out = silence(secs, rate_hz);
    for bar in (0..piece.steps.len() / STEPS).step_by(2) {
        piece.chord(bar, chance, &mut out);
    }
    // Gusts: the level of the rain wanders by a factor, half a second at a time.
    let (mut low, mut gust, mut towards) = (0.0, 0.03, 0.03);
    for (n, sample) in out.iter_mut().enumerate() {
        if n % (rate_hz as usize / 2) == 0 {
            towards = chance.lognormal(0.03, 0.7).min(0.15);
        }
        gust += (towards - gust) * 4.0 / f64::from(rate_hz);
        low += 0.25 * (2.0 * chance.unit() - 1.0 - low);
        *sample += (gust * low) as f32;
    }
    finished(out, rate_hz, chance)
}

/// So many seconds of nothing, to be filled.
pub(super) fn silence(secs: f64, rate_hz: u32) -> Vec<f32> {
    vec![0.0; (secs * f64::from(rate_hz)) as usize]
}

/// The piece in its room, at its level.
fn finished(mut samples: Vec<f32>, rate_hz: u32, chance: &mut Chance) -> Vec<f32> {
    let peak = samples.iter().fold(1e-6_f32, |peak, sample| peak.max(sample.abs()));
    let slowness = TAU * RUMBLE_BELOW_HZ / f64::from(rate_hz);
    // A leaky mean of noise has this share of its variance.
    let rumble = RUMBLE / (slowness / (2.0 - slowness)).sqrt();
    let mut low = 0.0;
    for sample in &mut samples {
        low += slowness * (chance.normal() - low);
        *sample = *sample * PEAK / peak + (rumble * low + HISS * chance.normal()) as f32;
    }
    samples
}

impl Piece {
    fn draw(chance: &mut Chance, secs: f64, rate_hz: f64) -> Piece {
        let step_secs = 15.0 / chance.between(78.0, 128.0);
        let mut at = 0.05;
        let mut steps = Vec::new();
        while at < secs {
            steps.push(at);
            at += step_secs * (1.0 + DRIFT * chance.normal());
        }
        let leads = [voice::PLUCKED, voice::BOWED, voice::BLOWN, voice::STRUCK];
        let comping = [voice::PLUCKED, voice::PAD, voice::STRUCK];
        Piece {
            rate_hz,
            steps,
            scale: SCALES[chance.below(SCALES.len())],
            root_hz: 220.0 * 2.0_f64.powf(chance.between(-5.0, 7.0) / 12.0),
            chords: [0, chance.below(7), 3 + chance.below(3), chance.below(7)],
            lead: leads[chance.below(leads.len())],
            comping: comping[chance.below(comping.len())],
            drive: chance.between(0.4, 1.0),
        }
    }

    /// The pitch of a step of the scale; every seven are an octave.
    fn hz(&self, degree: i32) -> f64 {
        let halves = 12 * degree.div_euclid(7) + self.scale[degree.rem_euclid(7) as usize];
        self.root_hz * 2.0_f64.powf(f64::from(halves) / 12.0)
    }

    /// When the step of the bar begins, as people play it.
    fn onset(&self, bar: usize, step: usize, chance: &mut Chance) -> f64 {
        let at = self.steps[(bar * STEPS + step).min(self.steps.len() - 1)];
        (at + STRAY_SECS * chance.normal()).max(0.0)
    }

    /// How long so many steps last in this bar.
    fn lasting(&self, bar: usize, step: usize, count: usize) -> f64 {
        let at = |step: usize| self.steps[(bar * STEPS + step).min(self.steps.len() - 1)];
        at(step + count) - at(step)
    }

    fn play(
        &self,
        voice: &Voice,
        (bar, step, count): (usize, usize, usize),
        note: (f64, f64),
        chance: &mut Chance,
        out: &mut [f32],
    ) {
        let (hz, loudness) = note;
        let (at_secs, secs) = (self.onset(bar, step, chance), self.lasting(bar, step, count));
        let hz = hz * (1.0 + 0.000_8 * chance.normal());
        let note = Note { at_secs, secs, hz, loudness: chance.lognormal(loudness, 0.2) };
        voice.play(&note, self.rate_hz, chance, out);
    }

    fn chord(&self, bar: usize, chance: &mut Chance, out: &mut [f32]) {
        let root = self.chords[bar % 4] as i32;
        let tones = [root, root + 2, root + 4 - 7 * chance.below(2) as i32];
        if chance.happens(0.5) {
            for tone in tones {
                self.play(&self.comping, (bar, 0, STEPS), (self.hz(tone), 0.12), chance, out);
            }
            return;
        }
        for step in (0..STEPS).step_by(2) {
            if chance.happens(0.75) {
                let tone = tones[chance.below(3)] + 7 * chance.below(2) as i32;
                self.play(&self.comping, (bar, step, 3), (self.hz(tone), 0.16), chance, out);
            }
        }
    }

    fn bass(&self, bar: usize, chance: &mut Chance, out: &mut [f32]) {
        let root = self.chords[bar % 4] as i32 - 14;
        self.play(&voice::BASS, (bar, 0, 6), (self.hz(root), 0.3), chance, out);
        for step in [6, 8, 10, 14] {
            if chance.happens(0.45) {
                let tone = root + [0, 0, 4, 2][chance.below(4)];
                self.play(&voice::BASS, (bar, step, 3), (self.hz(tone), 0.25), chance, out);
            }
        }
    }

    fn melody(&self, bar: usize, chance: &mut Chance, out: &mut [f32]) {
        let mut degree = 7 + chance.below(7) as i32;
        let mut step = 0;
        while step < STEPS {
            let count = [1, 2, 2, 3, 4, 4, 6][chance.below(7)].min(STEPS - step);
            if chance.happens(0.82) {
                self.play(&self.lead, (bar, step, count), (self.hz(degree), 0.3), chance, out);
            }
            degree = (degree + [-3, -2, -1, -1, 1, 1, 2, 4][chance.below(8)]).clamp(4, 18);
            step += count;
        }
    }

    fn drums(&self, bar: usize, chance: &mut Chance, out: &mut [f32]) {
        for step in 0..STEPS {
            let blows = [
                (Blow::Kick, [0.95, 0.0, 0.2, 0.25][step % 4] * if step % 8 == 4 { 0.3 } else { 1.0 }, 0.5),
                (Blow::Snare, if step % 8 == 4 { 0.9 } else { 0.06 }, 0.3),
                (Blow::Hat, [0.9, 0.3, 0.8, 0.3][step % 4], 0.12),
            ];
            for (blow, often, loudness) in blows {
                if chance.happens(often * self.drive) {
                    let at = self.onset(bar, step, chance);
                    strike(blow, at, chance.lognormal(loudness, 0.3), self.rate_hz, chance, out);
                }
            }
        }
    }
}
