//! A frame of samples becomes the power of its bins.

use std::borrow::Cow;
use std::sync::Arc;

use multiversion::multiversion;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::{LOUDEST, Samples, StftPlan, Window};

/// Samples that are looked at before one that is not sane ends the look.
const SANE_AT_ONCE: usize = 4096;

/// A window, and an FFT of half its length: even samples go in as real parts, odd ones as imaginary parts.
pub struct Transform {
    window: Vec<f32>,
    fft: Arc<dyn Fft<f32>>,
    /// Half of exp(-2πik/n) for k from 1 to before n/4.
    turns: Vec<Complex<f32>>,
}

/// What one thread needs while it transforms.
pub struct Scratch {
    frame: Vec<Complex<f32>>,
    halves: Vec<Complex<f32>>,
    fft: Vec<Complex<f32>>,
}

impl Transform {
    /// For frames of `fft_len` samples, an even number.
    pub fn new(fft_len: usize, window: Window) -> Transform {
        let window = window.values(fft_len).into_iter().map(|value| value as f32).collect();
        let angle = |k: usize| -std::f64::consts::TAU * k as f64 / fft_len as f64;
        let turn = |k| Complex::new((0.5 * angle(k).cos()) as f32, (0.5 * angle(k).sin()) as f32);
        let turns = (1..(fft_len / 2).div_ceil(2)).map(turn).collect();
        Transform { window, fft: FftPlanner::new().plan_fft_forward(fft_len / 2), turns }
    }

    /// Room for one thread.
    pub fn scratch(&self) -> Scratch {
        let room = |len: usize| vec![Complex::default(); len];
        Scratch {
            frame: room(self.fft.len()),
            halves: room(self.fft.len()),
            fft: room(self.fft.get_outofplace_scratch_len()),
        }
    }

    /// |FFT(frame × window)|².
    pub fn power(&self, frame: &[f32], scratch: &mut Scratch, power: &mut [f32]) {
        pair_up(frame, &self.window, &mut scratch.frame);
        self.fft.process_outofplace_with_scratch(&mut scratch.frame, &mut scratch.halves, &mut scratch.fft);
        whole_power(&scratch.halves, &self.turns, power);
    }
}

/// The clip as sane floats, with the zeros that its frames ask for before and after it; as it is, where it is sane and they ask for none.
pub fn padded<'a>(clip: Samples<'a>, plan: &StftPlan) -> Cow<'a, [f32]> {
    let frames = plan.frames(clip.len());
    if frames == 0 {
        return Cow::Borrowed(&[]);
    }
    let needed = (frames - 1) * plan.hop() + plan.fft_len();
    let lead = plan.lead();
    if let Samples::F32(clip) = clip
        && lead == 0
        && needed <= clip.len()
        && clip.chunks(SANE_AT_ONCE).all(are_sane)
    {
        return Cow::Borrowed(clip);
    }
    let mut samples = vec![0.0; needed.max(lead + clip.len())];
    let within = &mut samples[lead..][..clip.len()];
    match clip {
        Samples::I16(clip) => from_i16(clip, within),
        Samples::F32(clip) => from_f32(clip, within),
    }
    Cow::Owned(samples)
}

/// Whether [`from_f32`] would change none of them.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn are_sane(samples: &[f32]) -> bool {
    // What is no number compares false.
    samples.iter().fold(true, |sane, sample| sane & (sample.abs() <= LOUDEST))
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn from_i16(from: &[i16], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = f32::from(*from) * (1.0 / 32768.0);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn from_f32(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = if from.is_finite() { from.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
    }
}

/// The windowed samples, two by two.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn pair_up(frame: &[f32], window: &[f32], pairs: &mut [Complex<f32>]) {
    for ((pair, samples), window) in pairs.iter_mut().zip(frame.as_chunks::<2>().0).zip(window.as_chunks::<2>().0) {
        *pair = Complex::new(samples[0] * window[0], samples[1] * window[1]);
    }
}

/// |X|² of a real frame whose even and odd samples were transformed as one complex frame of half its length, Z.
///
/// X_k = E + T and X_(n/2-k) = conj(E - T), where E, the spectrum of the even samples, is half of Z_k + conj(Z_(n/2-k)), and T, that of the
/// odd ones turned by exp(-2πik/n), comes from their difference.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn whole_power(halves: &[Complex<f32>], turns: &[Complex<f32>], power: &mut [f32]) {
    let [first, rest @ ..] = halves else { return };
    let ([lowest, power @ .., highest], pairs) = (power, turns.len()) else { return };
    *lowest = (first.re + first.im).powi(2);
    *highest = (first.re - first.im).powi(2);
    let (low, high) = power.split_at_mut(power.len() - pairs);
    let (up, down) = (&rest[..pairs], &rest[rest.len() - pairs..]);
    for ((((low, high), up), down), turn) in
        low.iter_mut().zip(high.iter_mut().rev()).zip(up).zip(down.iter().rev()).zip(turns)
    {
        let (even_re, even_im) = (0.5 * (up.re + down.re), 0.5 * (up.im - down.im));
        let (odd_re, odd_im) = (up.im + down.im, down.re - up.re);
        let (turned_re, turned_im) = (odd_re * turn.re - odd_im * turn.im, odd_re * turn.im + odd_im * turn.re);
        *low = (even_re + turned_re).powi(2) + (even_im + turned_im).powi(2);
        *high = (even_re - turned_re).powi(2) + (even_im - turned_im).powi(2);
    }
    // Where a quarter of the frame is a whole number, the bin there is alone.
    if let Some(alone) = low.get_mut(pairs) {
        *alone = rest[pairs].norm_sqr();
    }
}
