//! What goes into a short-time Fourier transform and what comes out.

use crate::KernelError;

/// The greatest sample a spectrum is made of: a whole 16-bit range beyond full scale. With the longest FFT the power stays below 2^70.
pub const LOUDEST: f32 = 32768.0;

/// The longest FFT of any plan.
pub(crate) const FFT_LEN_MAX: usize = 1 << 20;

/// The mono samples of one clip.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// As most files hold them; s means s/32768. The cheaper way to a GPU.
    I16(&'a [i16]),
    /// Full scale is ±1.
    F32(&'a [f32]),
}

impl Samples<'_> {
    /// How many samples.
    pub fn len(&self) -> usize {
        match self {
            Samples::I16(samples) => samples.len(),
            Samples::F32(samples) => samples.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a [i16]> for Samples<'a> {
    fn from(samples: &'a [i16]) -> Self {
        Samples::I16(samples)
    }
}

impl<'a> From<&'a [f32]> for Samples<'a> {
    fn from(samples: &'a [f32]) -> Self {
        Samples::F32(samples)
    }
}

/// What each frame is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// 0.5 − 0.5·cos(2πi/n), i < n: periodic, as for spectra.
    Hann,
    /// 0.54 − 0.46·cos(2πi/n), i < n.
    Hamming,
    /// 1 throughout.
    Rectangle,
}

impl Window {
    /// The window's values.
    pub fn values(self, len: usize) -> Vec<f64> {
        let cosine = |i: usize| (std::f64::consts::TAU * i as f64 / len as f64).cos();
        match self {
            Window::Hann => (0..len).map(|i| 0.5 - 0.5 * cosine(i)).collect(),
            Window::Hamming => (0..len).map(|i| 0.54 - 0.46 * cosine(i)).collect(),
            Window::Rectangle => vec![1.0; len],
        }
    }
}

/// How samples become frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StftPlan {
    fft_len: usize,
    hop: usize,
    window: Window,
    centred: bool,
}

impl StftPlan {
    /// Frames of `fft_len` samples, one every `hop`, under a Hann window. `fft_len` is even and from 16 to 2^20.
    pub fn new(fft_len: usize, hop: usize) -> Result<StftPlan, KernelError> {
        if !fft_len.is_multiple_of(2) || !(16..=FFT_LEN_MAX).contains(&fft_len) {
            return Err(KernelError::plan("the FFT length", fft_len, "even and from 16 to 1048576"));
        }
        if !(1..=FFT_LEN_MAX).contains(&hop) {
            return Err(KernelError::plan("the hop", hop, "from 1 to 1048576"));
        }
        Ok(StftPlan { fft_len, hop, window: Window::Hann, centred: false })
    }

    /// The same plan under another window.
    pub fn with_window(self, window: Window) -> StftPlan {
        StftPlan { window, ..self }
    }

    /// The same plan with frame f around sample f·hop, zeros standing before the first and after the last sample.
    pub fn centred(self) -> StftPlan {
        StftPlan { centred: true, ..self }
    }

    /// Samples per frame.
    pub fn fft_len(&self) -> usize {
        self.fft_len
    }

    /// Samples from one frame's beginning to the next one's.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Bins per frame: fft_len/2 + 1.
    pub fn bins(&self) -> usize {
        self.fft_len / 2 + 1
    }

    /// Zeros before the first sample.
    pub(crate) fn lead(&self) -> usize {
        if self.centred { self.fft_len / 2 } else { 0 }
    }

    /// How many frames a clip of so many samples has: none if it is empty; centred, one per begun hop and one for its end; else
    /// at least one, and as many as fit wholly.
    pub fn frames(&self, samples: usize) -> usize {
        match (samples, self.centred) {
            (0, _) => 0,
            (_, true) => 1 + samples / self.hop,
            (_, false) => 1 + samples.saturating_sub(self.fft_len) / self.hop,
        }
    }
}

/// Power over time and frequency.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spectrogram {
    /// Rows.
    pub frames: usize,
    /// Columns.
    pub bins: usize,
    /// Row-major, `power[frame * bins + bin]`.
    pub power: Vec<f32>,
}

impl Spectrogram {
    /// One frame's bins.
    pub fn frame(&self, frame: usize) -> &[f32] {
        &self.power[frame * self.bins..][..self.bins]
    }

    /// `Ok` if the power is as long as frames × bins.
    pub(crate) fn check(&self) -> Result<(), KernelError> {
        KernelError::expect("cells of the spectrogram", self.frames * self.bins, self.power.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_or_the_only_one() {
        let plan = StftPlan::new(16, 4).expect("a plan");
        assert_eq!([0, 1, 16, 19, 20, 24].map(|len| plan.frames(len)), [0, 1, 1, 1, 2, 3]);
        assert_eq!([0, 1, 4, 7, 8].map(|len| plan.centred().frames(len)), [0, 1, 2, 2, 3]);
    }

    #[test]
    fn odd_and_endless_plans_are_refused() {
        for (fft_len, hop) in [(15, 4), (0, 4), (1 << 21, 4), (16, 0)] {
            assert!(StftPlan::new(fft_len, hop).is_err());
        }
    }
}
