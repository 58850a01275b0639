//! The kernels on the CPU: the reference, and what runs where no GPU is.
//!
//! ```text
//! clips ──▶ one task per clip ──▶ spectrum: frame by frame ──▶ row ─┬─▶ kept ──▶ peaks
//!                                                                    ├─▶ mel
//!                                                                    └─▶ statistics
//! ```

pub mod convolution;
pub mod dot;
pub mod level;
pub mod peaks;
pub mod search;
pub mod spectrum;
pub mod statistics;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::{
    AudioKernels, Channels, Codes, ConvStack, DotNeighbour, HammingNeighbour, Heard, KernelError, MelBands, Peak,
    PeakPlan, Samples, Spectrogram, StftPlan, Vectors, Wanted, Window,
};
use spectrum::Transform;
use statistics::Moments;

/// The CPU back-end.
pub struct Cpu {
    device: String,
    /// `None`: the pool of whoever calls.
    pool: Option<rayon::ThreadPool>,
    /// A plan's window and twiddles are made once.
    transforms: Mutex<HashMap<(usize, Window), Arc<Transform>>>,
}

impl Cpu {
    /// Works in the caller's rayon pool, so `pool.install(|| ...)` limits it.
    pub fn new() -> Cpu {
        Cpu { device: "cpu".into(), pool: None, transforms: Mutex::default() }
    }

    /// Works in a pool of its own of so many threads.
    pub fn with_threads(threads: usize) -> Result<Cpu, KernelError> {
        let failed = |reason: String| KernelError::Threads { threads, reason };
        if threads == 0 {
            return Err(failed("at least one is needed".into()));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| failed(error.to_string()))?;
        Ok(Cpu { device: format!("cpu ({threads} threads)"), pool: Some(pool), transforms: Mutex::default() })
    }

    fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    fn transform(&self, plan: &StftPlan) -> Arc<Transform> {
        let mut made = self.transforms.lock().unwrap_or_else(PoisonError::into_inner);
        let transform = made.entry((plan.fft_len(), plan.window()));
        Arc::clone(transform.or_insert_with(|| Arc::new(Transform::new(plan.fft_len(), plan.window()))))
    }
}

impl Default for Cpu {
    fn default() -> Cpu {
        Cpu::new()
    }
}

impl AudioKernels for Cpu {
    fn device(&self) -> &str {
        &self.device
    }

    fn hear(&self, clips: &[Samples<'_>], plan: &StftPlan, wanted: &Wanted<'_>) -> Result<Vec<Heard>, KernelError> {
        if let Some((bank, _)) = wanted.mel {
            KernelError::expect("bins of the mel bank", plan.bins(), bank.bins())?;
        }
        let transform = self.transform(plan);
        Ok(self.run(|| clips.par_iter().map(|clip| hear_clip(&transform, *clip, plan, wanted)).collect()))
    }

    fn peaks(&self, spectrogram: &Spectrogram, plan: &PeakPlan) -> Result<Vec<Peak>, KernelError> {
        spectrogram.check()?;
        Ok(peaks::find(&spectrogram.power, spectrogram.frames, spectrogram.bins, plan))
    }

    fn nearest_hamming(
        &self,
        codes: Codes<'_>,
        queries: Codes<'_>,
        k: usize,
    ) -> Result<Vec<Vec<HammingNeighbour>>, KernelError> {
        KernelError::expect("words per query", codes.words_per_code(), queries.words_per_code())?;
        Ok(self.run(|| search::nearest_hamming(codes, queries, k)))
    }

    fn nearest_dot(
        &self,
        vectors: Vectors<'_>,
        queries: Vectors<'_>,
        k: usize,
    ) -> Result<Vec<Vec<DotNeighbour>>, KernelError> {
        KernelError::expect("dimensions of the queries", vectors.dimensions(), queries.dimensions())?;
        Ok(self.run(|| search::nearest_dot(vectors, queries, k)))
    }

    fn conv1d_stack(&self, stack: &ConvStack, inputs: &[Channels]) -> Result<Vec<Channels>, KernelError> {
        inputs.iter().try_for_each(|input| stack.check(input))?;
        Ok(self.run(|| inputs.par_iter().map(|input| convolution::through(stack, input)).collect()))
    }
}

/// One clip from samples to all that is wanted of it.
fn hear_clip(transform: &Transform, clip: Samples<'_>, plan: &StftPlan, wanted: &Wanted<'_>) -> Heard {
    let (frames, bins) = (plan.frames(clip.len()), plan.bins());
    let keep = wanted.power || wanted.peaks.is_some();
    let mut power = vec![0.0; if keep { frames * bins } else { bins }];
    let mut mel = wanted.mel.map(|(bank, decibels)| (bank, decibels, Vec::with_capacity(frames * bank.bands())));
    let mut moments = wanted.statistics.map(|decibels| Moments::new(bins, decibels));

    let samples = spectrum::padded(clip, plan);
    let mut scratch = transform.scratch();
    for (frame, from) in samples.windows(plan.fft_len()).step_by(plan.hop()).take(frames).enumerate() {
        let row = if keep { &mut power[frame * bins..][..bins] } else { &mut power[..] };
        transform.power(from, &mut scratch, row);
        if let Some((bank, decibels, bands)) = &mut mel {
            statistics::mel_row(bank, row, *decibels, bands);
        }
        if let Some(moments) = &mut moments {
            moments.add(row);
        }
    }
    let peaks = wanted.peaks.map(|plan| peaks::find(&power, frames, bins, &plan));
    Heard {
        frames,
        peaks,
        power: wanted.power.then_some(Spectrogram { frames, bins, power }),
        mel: mel.map(|(bank, _, db)| MelBands { frames, bands: bank.bands(), db }),
        statistics: moments.map(Moments::finish),
    }
}
