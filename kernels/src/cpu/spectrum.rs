//! A frame of samples becomes the power of its bins.

use std::borrow::Cow;
use std::sync::Arc;

use multiversion::multiversion;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::{LOUDEST, Samples, StftPlan, Window};

/// Samples that are looked at before one that is not sane ends the look.
const SANE_AT_ONCE: usize = 4096;

/// A window and an FFT of the same length.
pub struct Transform {
    window: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
}

/// What one thread needs while it transforms.
pub struct Scratch {
    frame: Vec<f32>,
    bins: Vec<Complex<f32>>,
    fft: Vec<Complex<f32>>,
}

impl Transform {
    /// For frames of `fft_len` samples.
    pub fn new(fft_len: usize, window: Window) -> Transform {
        let window = window.values(fft_len).into_iter().map(|value| value as f32).collect();
        Transform { window, fft: RealFftPlanner::new().plan_fft_forward(fft_len) }
    }

    /// Room for one thread.
    pub fn scratch(&self) -> Scratch {
        Scratch { frame: self.fft.make_input_vec(), bins: self.fft.make_output_vec(), fft: self.fft.make_scratch_vec() }
    }

    /// |FFT(frame × window)|².
    pub fn power(&self, frame: &[f32], scratch: &mut Scratch, power: &mut [f32]) {
        multiply(frame, &self.window, &mut scratch.frame);
        self.fft
            .process_with_scratch(&mut scratch.frame, &mut scratch.bins, &mut scratch.fft)
            .expect("the scratch was made for this transform");
        norms(&scratch.bins, power);
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

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn multiply(a: &[f32], b: &[f32], product: &mut [f32]) {
    for ((product, a), b) in product.iter_mut().zip(a).zip(b) {
        *product = a * b;
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn norms(bins: &[Complex<f32>], power: &mut [f32]) {
    for (power, bin) in power.iter_mut().zip(bins) {
        *power = bin.re * bin.re + bin.im * bin.im;
    }
}
