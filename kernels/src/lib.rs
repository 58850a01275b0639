//! The arithmetic of sound: samples come in as slices, numbers leave as slices.
//!
//! ```text
//! samples ──▶ frames × window ──▶ |FFT|² ──▶ power [frame][bin] ─┬─▶ mel bands, dB
//!                                                                ├─▶ mean and variance over time per bin, dB
//!                                                                └─▶ peaks (frame, bin)
//! codes, queries ──▶ nearest by Hamming distance or by dot product
//! channels ──▶ dilated convolutions ──▶ channels
//! samples ──▶ at another rate
//! ```
//!
//! [`AudioKernels`] is the one contract and [`open`] the one way in. [`cpu`] is always there and is the reference; the
//! feature `cuda` adds a back-end that gives the same peaks and the same nearest codes for the same input, and the same floats
//! to a relative 1e-5. `tests/` holds both to plain f64 versions of everything below.
//!
//! # Words
//!
//! * **Samples** are mono. An `i16` sample s means s/32768; an `f32` sample means itself, except that one that is
//!   not finite counts as 0 and one beyond ±[`LOUDEST`] counts as that. So no spectrum holds a NaN or an infinity.
//! * A **frame** is `fft_len` samples; frame f begins at sample f·hop, or at f·hop − fft_len/2 if the plan is centred. What a
//!   frame needs before the first or after the last sample counts as 0. How many frames a clip has is [`StftPlan::frames`]:
//!   uncentred, a clip of one frame or less gives one, and a longer clip's last, incomplete frame is left out.
//! * **Power** is |X|² of the windowed frame, not normalised by anything; bins run from 0 (direct current) to fft_len/2.
//! * **dB** is 10·log10(power + floor), the floor being the caller's ([`Decibels`]).
//! * **Ties** go to the lowest index: the earlier frame, then the lower bin; the lower row of a database.
//!
//! # Limits
//!
//! One call holds its whole answer in memory; `power` and peaks need 4 bytes per cell and clip in work, mel and
//! statistics only a row. Clips of one call run side by side, one clip never on two threads.

mod channels;
pub mod cpu;
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
pub mod cuda;
mod device;
mod error;
mod keys;
mod mel;
mod peaks;
mod resample;
mod search;
mod statistics;
mod stft;

pub use channels::{Channels, ConvLayer, ConvStack};
pub use device::{Alone, DeviceChoice, alone, open, open_with_threads};
pub use error::KernelError;
pub use mel::{MelBands, MelBank};
pub use peaks::{Peak, PeakPlan};
pub use resample::resampled;
pub use search::{Codes, DotNeighbour, HammingNeighbour, Vectors};
pub use statistics::{BinStatistics, Decibels};
pub use stft::{LOUDEST, Samples, Spectrogram, StftPlan, Window};

/// What one pass over a batch of clips should bring back; what is not asked for is neither computed nor copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The power of every cell.
    pub power: bool,
    /// dB in these bands, per frame.
    pub mel: Option<(&'a MelBank, Decibels)>,
    /// Mean and variance over time of each bin's dB.
    pub statistics: Option<Decibels>,
    /// The peaks of the power.
    pub peaks: Option<PeakPlan>,
}

/// What was asked for of one clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// How many frames the clip has.
    pub frames: usize,
    /// See [`Wanted::power`].
    pub power: Option<Spectrogram>,
    /// See [`Wanted::mel`].
    pub mel: Option<MelBands>,
    /// See [`Wanted::statistics`].
    pub statistics: Option<BinStatistics>,
    /// See [`Wanted::peaks`]; in order of frame, then bin.
    pub peaks: Option<Vec<Peak>>,
}

/// The kernels, on whichever device they run. All of them are deterministic: the same call on the same device gives the same bits.
pub trait AudioKernels: Send + Sync {
    /// Names the device in words.
    fn device(&self) -> &str;

    /// Hears a batch of clips in one pass: window, FFT and power once, then all that is wanted of it.
    fn hear(&self, clips: &[Samples<'_>], plan: &StftPlan, wanted: &Wanted<'_>) -> Result<Vec<Heard>, KernelError>;

    /// Finds the peaks of a spectrogram, in order of frame, then bin.
    ///
    /// A cell is a peak if it is above the plan's floor and no cell of the rectangle around it, cut at the edges, is
    /// higher, nor equal with a lower (frame, bin). A cell that is NaN is no peak and hides none.
    fn peaks(&self, spectrogram: &Spectrogram, plan: &PeakPlan) -> Result<Vec<Peak>, KernelError>;

    /// Finds for each query the `k` codes with the fewest differing bits, nearest first, ties by lowest index; all codes if there
    /// are fewer than `k`.
    fn nearest_hamming(
        &self,
        codes: Codes<'_>,
        queries: Codes<'_>,
        k: usize,
    ) -> Result<Vec<Vec<HammingNeighbour>>, KernelError>;

    /// Finds for each query the `k` vectors with the greatest dot product, greatest first, ties by lowest index.
    /// Vectors whose product is NaN are left out, so fewer than `k` may come back.
    fn nearest_dot(
        &self,
        vectors: Vectors<'_>,
        queries: Vectors<'_>,
        k: usize,
    ) -> Result<Vec<Vec<DotNeighbour>>, KernelError>;

    /// Sends each input through the stack's layers; the length in time stays.
    fn conv1d_stack(&self, stack: &ConvStack, inputs: &[Channels]) -> Result<Vec<Channels>, KernelError>;

    /// The power of every cell of each clip.
    fn power(&self, clips: &[Samples<'_>], plan: &StftPlan) -> Result<Vec<Spectrogram>, KernelError> {
        let heard = self.hear(clips, plan, &Wanted { power: true, ..Wanted::default() })?;
        Ok(heard.into_iter().map(|clip| clip.power.expect("power was asked for")).collect())
    }

    /// Each clip's dB in the bank's bands, per frame.
    fn mel(
        &self,
        clips: &[Samples<'_>],
        plan: &StftPlan,
        bank: &MelBank,
        decibels: Decibels,
    ) -> Result<Vec<MelBands>, KernelError> {
        let heard = self.hear(clips, plan, &Wanted { mel: Some((bank, decibels)), ..Wanted::default() })?;
        Ok(heard.into_iter().map(|clip| clip.mel.expect("mel bands were asked for")).collect())
    }

    /// Mean and variance over time of each bin's dB, per clip.
    fn bin_statistics(
        &self,
        clips: &[Samples<'_>],
        plan: &StftPlan,
        decibels: Decibels,
    ) -> Result<Vec<BinStatistics>, KernelError> {
        let heard = self.hear(clips, plan, &Wanted { statistics: Some(decibels), ..Wanted::default() })?;
        Ok(heard.into_iter().map(|clip| clip.statistics.expect("statistics were asked for")).collect())
    }
}
