//! Each kernel as a function with types; nobody else launches one.
//!
//! The driver takes untyped pointers to arguments: a wrong type, order or number is undefined. [`SIGNATURES`] says what each
//! function below gives, and a test compares it with the parameters in the PTX.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT;
use cudarc::driver::sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DeviceRepr, DriverError, LaunchArgs, LaunchConfig,
    PushKernelArg,
};
use cudarc::nvrtc::Ptx;

use super::{DIMENSIONS_MAX, Sources};
use crate::{ConvLayer, PeakPlan, StftPlan};

/// The lengths that `spectrum.cu` has a kernel for. Other powers of two go through device memory pass by pass.
pub const FFT_LENS: [usize; 7] = [256, 512, 1024, 2048, 4096, 8192, 16384];
/// Most neighbours per query, as in `search.cu`.
pub const K_MAX: usize = 128;
/// Complex values of the frames that go through device memory together: 128 MiB, twice.
const LONG_VALUES: usize = 1 << 24;
/// Queries per block, as in `search.cu`.
const QUERIES: usize = 8;

/// The parameters that each launch below gives: `p` 64 bits, a pointer or a number, `i` 32 bits, `f` an f32.
#[cfg(test)]
const SIGNATURES: [(&str, &str); 12] = [
    ("spectrum", "pipiippp"),
    ("long_window", "pipipiiipp"),
    ("long_pass", "piiipp"),
    ("long_split", "ppipipp"),
    ("mel_bands", "ppipppifp"),
    ("bin_statistics", "ppifpp"),
    ("greatest_along_bins", "ppiifp"),
    ("peaks_along_time", "pppiiifpppp"),
    ("nearest_hamming", "piipiiip"),
    ("nearest_dot", "piipiiip"),
    ("merge_nearest", "piiip"),
    ("convolve", "ppiiiiippiip"),
];

/// All kernels, loaded.
pub struct Functions {
    spectra: HashMap<usize, CudaFunction>,
    long_window: CudaFunction,
    long_pass: CudaFunction,
    long_split: CudaFunction,
    mel_bands: CudaFunction,
    bin_statistics: CudaFunction,
    greatest_along_bins: CudaFunction,
    peaks_along_time: CudaFunction,
    nearest_hamming: CudaFunction,
    nearest_dot: CudaFunction,
    merge_nearest: CudaFunction,
    convolve: CudaFunction,
    clock: Clock,
}

/// When each launch began and ended on the device, if anybody wants to know.
#[derive(Default)]
struct Clock(Option<Mutex<Vec<Span>>>);

/// A kernel's name, beginning and end.
type Span = (&'static str, CudaEvent, CudaEvent);

impl Clock {
    /// Launches a kernel.
    ///
    /// # Safety
    /// As for [`LaunchArgs::launch`]: the arguments are those the kernel takes, and stay within what they point to.
    unsafe fn launch(
        &self,
        kernel: &'static str,
        launch: &mut LaunchArgs<'_>,
        config: LaunchConfig,
    ) -> Result<(), DriverError> {
        if self.0.is_some() {
            launch.record_kernel_launch(CU_EVENT_DEFAULT);
        }
        // SAFETY: the caller's.
        let span = unsafe { launch.launch(config) }?;
        if let (Some(spans), Some((begin, end))) = (&self.0, span) {
            spans.lock().unwrap_or_else(PoisonError::into_inner).push((kernel, begin, end));
        }
        Ok(())
    }
}

/// Where the clips of a group lie in the group's buffers, on the device.
pub struct Layout {
    /// Per clip: first sample, samples, first row, rows.
    pub clips: CudaSlice<u64>,
    /// How many clips.
    pub count: usize,
    /// The most rows of a clip.
    pub longest: usize,
    /// Rows of all clips.
    pub rows: usize,
    /// Columns.
    pub bins: usize,
}

/// Rows and queries on the device.
pub struct Database<'a, T> {
    pub stream: &'a Arc<CudaStream>,
    pub rows: &'a CudaSlice<T>,
    pub row_count: usize,
    pub width: usize,
    pub queries: &'a CudaSlice<T>,
    pub count: usize,
    pub shard_rows: usize,
}

/// The least keys of each query and shard.
pub struct Found {
    keys: CudaSlice<u64>,
    queries: usize,
    shards: usize,
    k: usize,
}

/// Inputs of a convolution.
pub struct Batch<'a> {
    pub stream: &'a Arc<CudaStream>,
    /// Per input: first frame, frames.
    pub starts: &'a CudaSlice<u64>,
    pub inputs: usize,
    pub longest: usize,
    pub frames_in_all: usize,
}

/// Peaks as they come from the device, in any order.
pub struct FoundPeaks {
    pub places: CudaSlice<u64>,
    pub powers: CudaSlice<f32>,
    pub counts: CudaSlice<u32>,
    /// The first slot of each clip.
    pub slots: Vec<u64>,
}

impl Found {
    pub fn new(stream: &Arc<CudaStream>, queries: usize, shards: usize, k: usize) -> Result<Found, DriverError> {
        Ok(Found { keys: room(stream, queries * shards * k)?, queries, shards, k })
    }
}

/// Room for so many values, at least one; every kernel writes all of it that is read afterwards.
pub fn room<T: DeviceRepr>(stream: &Arc<CudaStream>, len: usize) -> Result<CudaSlice<T>, DriverError> {
    // SAFETY: plain numbers, of which every bit pattern is one.
    unsafe { stream.alloc(len.max(1)) }
}

fn grid(x: usize, y: usize, z: usize, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (x as u32, y as u32, z as u32), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

impl Functions {
    pub fn load(context: &Arc<CudaContext>, sources: &Sources, timed: bool) -> Result<Functions, DriverError> {
        let spectrum = context.load_module(Ptx::from_src(sources.spectrum.as_str()))?;
        let levels = context.load_module(Ptx::from_src(sources.levels.as_str()))?;
        let peaks = context.load_module(Ptx::from_src(sources.peaks.as_str()))?;
        let search = context.load_module(Ptx::from_src(sources.search.as_str()))?;
        let convolve = context.load_module(Ptx::from_src(sources.convolve.as_str()))?;
        let mut spectra = HashMap::new();
        for fft_len in FFT_LENS {
            let function = spectrum.load_function(&format!("spectrum_{fft_len}"))?;
            allow_shared(&function, spectrum_shared_bytes(fft_len))?;
            spectra.insert(fft_len, function);
        }
        let nearest_dot = search.load_function("nearest_dot")?;
        allow_shared(&nearest_dot, (QUERIES * DIMENSIONS_MAX * size_of::<f32>()) as u32)?;
        Ok(Functions {
            spectra,
            long_window: spectrum.load_function("long_window")?,
            long_pass: spectrum.load_function("long_pass")?,
            long_split: spectrum.load_function("long_split")?,
            mel_bands: levels.load_function("mel_bands")?,
            bin_statistics: levels.load_function("bin_statistics")?,
            greatest_along_bins: peaks.load_function("greatest_along_bins")?,
            peaks_along_time: peaks.load_function("peaks_along_time")?,
            nearest_hamming: search.load_function("nearest_hamming")?,
            nearest_dot,
            merge_nearest: search.load_function("merge_nearest")?,
            convolve: convolve.load_function("convolve")?,
            clock: Clock(timed.then(Mutex::default)),
        })
    }

    /// The milliseconds of each launch since the last call, in order; none if nobody wanted to know.
    pub fn times(&self) -> Result<Vec<(&'static str, f32)>, DriverError> {
        let Some(spans) = &self.clock.0 else { return Ok(Vec::new()) };
        let spans = std::mem::take(&mut *spans.lock().unwrap_or_else(PoisonError::into_inner));
        spans.iter().map(|(kernel, begin, end)| Ok((*kernel, begin.elapsed_ms(end)?))).collect()
    }

    /// Fills `power` with the rows of all clips. `kind` is 0 for i16 samples, 1 for f32.
    pub fn spectrum(
        &self,
        stream: &Arc<CudaStream>,
        layout: &Layout,
        plan: &StftPlan,
        (samples, kind): (&CudaSlice<u8>, i32),
        (window, twiddles): (&CudaSlice<f32>, &CudaSlice<f32>),
        power: &mut CudaSlice<f32>,
    ) -> Result<(), DriverError> {
        let fft_len = plan.fft_len();
        let (hop, lead) = (plan.hop() as i32, plan.lead() as i32);
        let frames = frames_per_block(fft_len);
        let config = LaunchConfig {
            grid_dim: (layout.longest.div_ceil(frames) as u32, layout.count as u32, 1),
            block_dim: ((frames * lanes(fft_len)) as u32, 1, 1),
            shared_mem_bytes: spectrum_shared_bytes(fft_len),
        };
        let mut launch = stream.launch_builder(&self.spectra[&fft_len]);
        launch.arg(samples).arg(&kind).arg(&layout.clips).arg(&hop).arg(&lead).arg(window).arg(twiddles).arg(power);
        // SAFETY: the arguments are those of SIGNATURES; the layout keeps every access within the buffers.
        unsafe { self.clock.launch("spectrum", &mut launch, config) }
    }

    /// The same for a length without a kernel of its own: frames of a clip through device memory, some at a time.
    pub fn long_spectrum(
        &self,
        stream: &Arc<CudaStream>,
        (layout, frames): (&Layout, &[usize]),
        plan: &StftPlan,
        (samples, kind): (&CudaSlice<u8>, i32),
        (window, twiddles): (&CudaSlice<f32>, &CudaSlice<f32>),
        power: &mut CudaSlice<f32>,
    ) -> Result<(), DriverError> {
        let half = plan.fft_len() / 2;
        let (hop, lead, half_values) = (plan.hop() as i32, plan.lead() as i32, half as i32);
        // The last pass takes what fours leave over.
        let passes = std::iter::successors(Some(1), |ns| Some(ns * 4)).take_while(|ns| *ns < half);
        let passes: Vec<(usize, usize)> = passes.map(|ns| (ns, if half / ns == 2 { 2 } else { 4 })).collect();
        let together = (LONG_VALUES / half).clamp(1, 65_535).min(layout.longest);
        let mut z = room::<f32>(stream, 2 * together * half)?;
        let mut other = room::<f32>(stream, 2 * together * half)?;
        for (clip, frames) in frames.iter().enumerate() {
            let clip = clip as i32;
            for first in (0..*frames).step_by(together) {
                let here = together.min(frames - first);
                let first = first as u64;
                let across = |values: usize| grid(values.div_ceil(256), here, 1, 256);
                let mut launch = stream.launch_builder(&self.long_window);
                launch.arg(samples).arg(&kind).arg(&layout.clips).arg(&clip).arg(&first);
                launch.arg(&hop).arg(&lead).arg(&half_values).arg(window).arg(&mut z);
                // SAFETY: the arguments are those of SIGNATURES; there is room for `together` frames.
                unsafe { self.clock.launch("long_window", &mut launch, across(half)) }?;
                for (ns, radix) in &passes {
                    let (ns, radix_value) = (*ns as i32, *radix as i32);
                    let mut launch = stream.launch_builder(&self.long_pass);
                    launch.arg(&z).arg(&half_values).arg(&ns).arg(&radix_value).arg(twiddles).arg(&mut other);
                    // SAFETY: as above.
                    unsafe { self.clock.launch("long_pass", &mut launch, across(half / radix)) }?;
                    std::mem::swap(&mut z, &mut other);
                }
                let mut launch = stream.launch_builder(&self.long_split);
                launch
                    .arg(&z)
                    .arg(&layout.clips)
                    .arg(&clip)
                    .arg(&first)
                    .arg(&half_values)
                    .arg(twiddles)
                    .arg(&mut *power);
                // SAFETY: as above.
                unsafe { self.clock.launch("long_split", &mut launch, across(half + 1)) }?;
            }
        }
        Ok(())
    }

    /// dB of all bands of all rows.
    pub fn mel_bands(
        &self,
        stream: &Arc<CudaStream>,
        layout: &Layout,
        power: &CudaSlice<f32>,
        (firsts, offsets, weights): (&CudaSlice<u32>, &CudaSlice<u32>, &CudaSlice<f32>),
        (bands, floor): (usize, f32),
    ) -> Result<CudaSlice<f32>, DriverError> {
        let mut db = room(stream, layout.rows * bands)?;
        let (bins, bands) = (layout.bins as i32, bands as i32);
        let mut launch = stream.launch_builder(&self.mel_bands);
        launch.arg(power).arg(&layout.clips).arg(&bins).arg(firsts).arg(offsets).arg(weights);
        launch.arg(&bands).arg(&floor).arg(&mut db);
        // SAFETY: as above; the bank's bands lie within the bins.
        unsafe { self.clock.launch("mel_bands", &mut launch, grid(layout.longest, layout.count, 1, 256)) }?;
        Ok(db)
    }

    /// Mean and variance of all bins of all clips.
    pub fn bin_statistics(
        &self,
        stream: &Arc<CudaStream>,
        layout: &Layout,
        power: &CudaSlice<f32>,
        floor: f32,
    ) -> Result<(CudaSlice<f32>, CudaSlice<f32>), DriverError> {
        let mut means = room(stream, layout.count * layout.bins)?;
        let mut variances = room(stream, layout.count * layout.bins)?;
        let bins = layout.bins as i32;
        let mut launch = stream.launch_builder(&self.bin_statistics);
        launch.arg(power).arg(&layout.clips).arg(&bins).arg(&floor).arg(&mut means).arg(&mut variances);
        // SAFETY: as above.
        unsafe {
            self.clock.launch("bin_statistics", &mut launch, grid(layout.bins.div_ceil(128), layout.count, 1, 128))
        }?;
        Ok((means, variances))
    }

    /// The peaks of all clips; `frames` are the rows of each.
    pub fn peaks(
        &self,
        stream: &Arc<CudaStream>,
        layout: &Layout,
        frames: &[usize],
        power: &CudaSlice<f32>,
        plan: &PeakPlan,
    ) -> Result<FoundPeaks, DriverError> {
        // Of the cells of a rectangle of (radius + 1) by (radius + 1) one at most is a peak: two are never within reach.
        let most =
            |frames: &usize| frames.div_ceil(plan.time_radius() + 1) * layout.bins.div_ceil(plan.bin_radius() + 1);
        let mut slots = Vec::with_capacity(frames.len());
        let mut slot_count = 0;
        for frames in frames {
            slots.push(slot_count as u64);
            slot_count += most(frames);
        }
        let first_slots = stream.clone_htod(&slots)?;
        let mut greatest = room::<f32>(stream, layout.rows * layout.bins)?;
        let (bins, times, around) = (layout.bins as i32, plan.time_radius() as i32, plan.bin_radius() as i32);
        let floor = plan.floor();
        let blocks = layout.bins.div_ceil(256);

        let mut launch = stream.launch_builder(&self.greatest_along_bins);
        launch.arg(power).arg(&layout.clips).arg(&bins).arg(&around).arg(&floor).arg(&mut greatest);
        // SAFETY: as above.
        unsafe {
            self.clock.launch("greatest_along_bins", &mut launch, grid(layout.longest, layout.count, blocks, 256))
        }?;

        let mut found = FoundPeaks {
            places: room(stream, slot_count)?,
            powers: room(stream, slot_count)?,
            counts: stream.alloc_zeros(layout.count)?,
            slots,
        };
        let mut launch = stream.launch_builder(&self.peaks_along_time);
        launch.arg(power).arg(&greatest).arg(&layout.clips).arg(&bins).arg(&times).arg(&around).arg(&floor);
        launch.arg(&first_slots).arg(&mut found.places).arg(&mut found.powers).arg(&mut found.counts);
        // SAFETY: as above; there is a slot for every peak that can be.
        unsafe {
            self.clock.launch(
                "peaks_along_time",
                &mut launch,
                grid(blocks, layout.count, layout.longest.min(1024), 256),
            )
        }?;
        Ok(found)
    }

    /// The least keys of each shard by differing bits.
    pub fn nearest_hamming(&self, database: &Database<'_, u64>, found: &mut Found) -> Result<(), DriverError> {
        nearest(&self.clock, ("nearest_hamming", &self.nearest_hamming), database, found)
    }

    /// The least keys of each shard by dot product.
    pub fn nearest_dot(&self, database: &Database<'_, f32>, found: &mut Found) -> Result<(), DriverError> {
        nearest(&self.clock, ("nearest_dot", &self.nearest_dot), database, found)
    }

    /// The least keys of all shards.
    pub fn merge_nearest(&self, stream: &Arc<CudaStream>, found: &Found) -> Result<CudaSlice<u64>, DriverError> {
        let mut least = room(stream, found.queries * found.k)?;
        let (per_query, queries, k) = ((found.shards * found.k) as i32, found.queries as i32, found.k as i32);
        let mut launch = stream.launch_builder(&self.merge_nearest);
        launch.arg(&found.keys).arg(&per_query).arg(&queries).arg(&k).arg(&mut least);
        // SAFETY: as above.
        unsafe { self.clock.launch("merge_nearest", &mut launch, grid(found.queries.div_ceil(QUERIES), 1, 1, 256)) }?;
        Ok(least)
    }

    /// One layer.
    pub fn convolve(
        &self,
        batch: &Batch<'_>,
        layer: &ConvLayer,
        weights: &CudaSlice<f32>,
        values: &CudaSlice<f32>,
    ) -> Result<CudaSlice<f32>, DriverError> {
        let stream = batch.stream;
        let bias = stream.clone_htod(&layer.bias)?;
        let mut out = room(stream, batch.frames_in_all * layer.outputs)?;
        let [inputs, outputs, taps, dilation, ahead] =
            [layer.inputs, layer.outputs, layer.taps, layer.dilation, layer.ahead].map(|value| value as i32);
        let (relu, residual) = (i32::from(layer.relu), i32::from(layer.residual));
        let mut launch = stream.launch_builder(&self.convolve);
        launch.arg(values).arg(batch.starts).arg(&inputs).arg(&outputs).arg(&taps).arg(&dilation).arg(&ahead);
        launch.arg(weights).arg(&bias).arg(&relu).arg(&residual).arg(&mut out);
        let config = grid(batch.longest.div_ceil(128), layer.outputs.div_ceil(4), batch.inputs, 128);
        // SAFETY: as above; the stack has checked that weights, biases and inputs fit the layer.
        unsafe { self.clock.launch("convolve", &mut launch, config) }?;
        Ok(out)
    }
}

fn nearest<T: DeviceRepr>(
    clock: &Clock,
    (kernel, function): (&'static str, &CudaFunction),
    database: &Database<'_, T>,
    found: &mut Found,
) -> Result<(), DriverError> {
    let config = LaunchConfig {
        grid_dim: (found.shards as u32, database.count.div_ceil(QUERIES) as u32, 1),
        block_dim: (256, 1, 1),
        shared_mem_bytes: (QUERIES * database.width * size_of::<T>()) as u32,
    };
    let (rows, shard_rows) = (database.row_count as u32, database.shard_rows as u32);
    let (width, queries, k) = (database.width as i32, database.count as i32, found.k as i32);
    let mut launch = database.stream.launch_builder(function);
    launch.arg(database.rows).arg(&rows).arg(&width).arg(database.queries).arg(&queries).arg(&k).arg(&shard_rows);
    launch.arg(&mut found.keys);
    // SAFETY: the arguments are those of SIGNATURES; rows and queries are whole, `found` was made for these shards and this k.
    unsafe { clock.launch(kernel, &mut launch, config) }
}

/// Threads per frame, as `spectrum.cu` names them in its last lines.
fn lanes(fft_len: usize) -> usize {
    (fft_len / 8).min(1024)
}

/// Frames per block, likewise.
fn frames_per_block(fft_len: usize) -> usize {
    (256 / lanes(fft_len)).max(1)
}

/// A complex value per two samples of each frame.
fn spectrum_shared_bytes(fft_len: usize) -> u32 {
    (frames_per_block(fft_len) * fft_len / 2 * size_of::<[f32; 2]>()) as u32
}

fn allow_shared(function: &CudaFunction, bytes: u32) -> Result<(), DriverError> {
    function.set_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (kernel, a letter per parameter) of a module, as its PTX says.
    fn parameters(ptx: &str) -> Vec<(String, String)> {
        let entries = ptx.split(".visible .entry ").skip(1);
        entries
            .map(|entry| {
                let (name, rest) = entry.split_once('(').expect("an entry has parameters");
                let (list, _) = rest.split_once(')').expect("parameters end");
                let letter = |param: &str| match param.split_whitespace().nth(1) {
                    Some(".u64") => 'p',
                    Some(".u32") => 'i',
                    Some(".f32") => 'f',
                    other => panic!("{name} takes a {other:?}"),
                };
                (name.to_string(), list.split(',').map(letter).collect())
            })
            .collect()
    }

    #[test]
    fn launches_give_what_the_kernels_take() {
        let sources = Sources::committed();
        let texts = [sources.spectrum, sources.levels, sources.peaks, sources.search, sources.convolve];
        let mut checked = 0;
        for (kernel, params) in texts.iter().flat_map(|text| parameters(text)) {
            let stem = if kernel.starts_with("spectrum_") { "spectrum" } else { kernel.as_str() };
            let (_, given) = SIGNATURES.iter().find(|(name, _)| *name == stem).expect("every kernel has a launch");
            assert_eq!(params, *given, "{kernel}");
            checked += 1;
        }
        assert_eq!(checked, FFT_LENS.len() + SIGNATURES.len() - 1);
    }
}
