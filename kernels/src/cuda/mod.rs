//! The kernels through CUDA.
//!
//! ```text
//! clips ──▶ groups that fit ──▶ pinned memory ──▶ stream 0, 1, 0, 1 ... ──▶ spectrum ─┬─▶ mel_bands ───────┐
//!                                                                                      ├─▶ bin_statistics ──┼─▶ host
//!                                                                                      └─▶ peaks ───────────┘
//! ```
//!
//! While one group computes, the next is copied. Only what is wanted comes back: power stays on the device unless it is asked for.
//! At run time this needs the driver alone (libcuda); the kernels are committed PTX, made by `ptx.sh` of `cu/`.

mod group;
mod launches;
mod probe;
mod sources;

use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{CudaContext, CudaStream, DriverError, PinnedHostSlice};

use crate::keys::{dot_from_key, hamming_from_key};
use crate::{
    AudioKernels, Channels, Codes, ConvLayer, ConvStack, DotNeighbour, HammingNeighbour, Heard, KernelError, Peak,
    PeakPlan, Samples, Spectrogram, StftPlan, Vectors, Wanted,
};
pub use launches::FFT_LENS;
use launches::{Functions, K_MAX};
pub use sources::Sources;

/// Queries that go through the database together: bounds what they leave behind per shard.
const QUERIES_MAX: usize = 4096;
/// Most dimensions of which eight queries fit the shared memory of every architecture.
const DIMENSIONS_MAX: usize = 2048;
/// Shards of a database: two for each of the processors of the largest present device.
const SHARDS: usize = 264;
/// The least rows of a shard, one per thread.
const SHARD_ROWS_MIN: usize = 256;
/// Most inputs of one launch: the limit of a grid's third side.
const INPUTS_MAX: usize = 65_535;

/// The CUDA back-end on the first device.
pub struct Cuda {
    device: String,
    context: Arc<CudaContext>,
    functions: Functions,
    /// The device does one call's work at a time.
    desk: Mutex<Desk>,
}

/// What a call works with: two streams and the pinned memory of each.
struct Desk {
    streams: [Arc<CudaStream>; 2],
    staging: [Option<PinnedHostSlice<u8>>; 2],
}

fn told(doing: &'static str) -> impl Fn(DriverError) -> KernelError {
    move |error| KernelError::Device { doing, reason: error.to_string() }
}

impl Cuda {
    /// Opens the first device if there is one that works; the error says what is missing. Never panics where no driver is.
    pub fn open() -> Result<Cuda, String> {
        Cuda::open_with(&Sources::committed())
    }

    /// The same with other PTX than the committed.
    pub fn open_with(sources: &Sources) -> Result<Cuda, String> {
        probe::open(sources, false)
    }

    /// The same with a clock in each kernel, for [`Cuda::times`].
    pub fn open_timed() -> Result<Cuda, String> {
        probe::open(&Sources::committed(), true)
    }

    /// Kernel and milliseconds of each launch since the last call, by the device's own clock; empty unless opened with one.
    pub fn times(&self) -> Result<Vec<(&'static str, f32)>, KernelError> {
        self.at_desk(|_desk| self.functions.times()).map_err(told("times"))
    }

    /// What the device could do at most, by its own account: (bytes of memory per second, f32 operations per second).
    pub fn roof(&self) -> Result<(f64, f64), KernelError> {
        use cudarc::driver::sys::CUdevice_attribute_enum as Attribute;
        let attribute = |what| self.context.attribute(what).map(f64::from).map_err(told("the roof"));
        let memory_khz = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?;
        let bus_bits = attribute(Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)?;
        let clock_khz = attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?;
        let processors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        // Two transfers per clock; 128 lanes per processor since 8.6 and on 9.0, two operations each.
        Ok((2.0 * memory_khz * 1e3 * bus_bits / 8.0, processors * 128.0 * 2.0 * clock_khz * 1e3))
    }

    fn new(context: Arc<CudaContext>, device: String, sources: &Sources, timed: bool) -> Result<Cuda, DriverError> {
        let functions = Functions::load(&context, sources, timed)?;
        let desk = Desk { streams: [context.new_stream()?, context.new_stream()?], staging: [None, None] };
        Ok(Cuda { device, context, functions, desk: Mutex::new(desk) })
    }

    /// Runs `work` at the desk; waits for a call that sits there.
    fn at_desk<R>(&self, work: impl FnOnce(&mut Desk) -> R) -> R {
        work(&mut self.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn unsupported(&self, what: String) -> KernelError {
        KernelError::Unsupported { device: self.device.clone(), what }
    }
}

impl AudioKernels for Cuda {
    fn device(&self) -> &str {
        &self.device
    }

    fn hear(&self, clips: &[Samples<'_>], plan: &StftPlan, wanted: &Wanted<'_>) -> Result<Vec<Heard>, KernelError> {
        if !plan.fft_len().is_power_of_two() {
            return Err(self.unsupported(format!("an FFT of {}, only of powers of two", plan.fft_len())));
        }
        if let Some((bank, _)) = wanted.mel {
            KernelError::expect("bins of the mel bank", plan.bins(), bank.bins())?;
        }
        self.at_desk(|desk| {
            let heard = group::hear(self, desk, clips, plan, wanted);
            if heard.is_err() {
                // A copy may still be reading the pinned memory that the next call will fill. That it fails too is no news.
                for stream in &desk.streams {
                    let _ = stream.synchronize();
                }
            }
            heard
        })
    }

    fn peaks(&self, spectrogram: &Spectrogram, plan: &PeakPlan) -> Result<Vec<Peak>, KernelError> {
        spectrogram.check()?;
        if spectrogram.power.is_empty() {
            return Ok(Vec::new());
        }
        self.at_desk(|desk| group::peaks(self, &desk.streams[0], spectrogram, plan)).map_err(told("peaks"))
    }

    fn nearest_hamming(
        &self,
        codes: Codes<'_>,
        queries: Codes<'_>,
        k: usize,
    ) -> Result<Vec<Vec<HammingNeighbour>>, KernelError> {
        let width = codes.words_per_code();
        KernelError::expect("words per query", width, queries.words_per_code())?;
        let keys = self.nearest(codes.words(), queries.words(), width, k, |rows, found| {
            self.functions.nearest_hamming(rows, found)
        })?;
        Ok(keys.into_iter().map(|keys| keys.into_iter().map(hamming_from_key).collect()).collect())
    }

    fn nearest_dot(
        &self,
        vectors: Vectors<'_>,
        queries: Vectors<'_>,
        k: usize,
    ) -> Result<Vec<Vec<DotNeighbour>>, KernelError> {
        let width = vectors.dimensions();
        KernelError::expect("dimensions of the queries", width, queries.dimensions())?;
        if width > DIMENSIONS_MAX {
            return Err(self.unsupported(format!("{width} dimensions, at most {DIMENSIONS_MAX}")));
        }
        let keys = self.nearest(vectors.values(), queries.values(), width, k, |rows, found| {
            self.functions.nearest_dot(rows, found)
        })?;
        Ok(keys.into_iter().map(|keys| keys.into_iter().map(dot_from_key).collect()).collect())
    }

    fn conv1d_stack(&self, stack: &ConvStack, inputs: &[Channels]) -> Result<Vec<Channels>, KernelError> {
        inputs.iter().try_for_each(|input| stack.check(input))?;
        self.at_desk(|desk| {
            let chunks = inputs.chunks(INPUTS_MAX).map(|inputs| self.convolve(&desk.streams[0], stack, inputs));
            Ok(chunks.collect::<Result<Vec<_>, _>>().map_err(told("convolutions"))?.concat())
        })
    }
}

impl Cuda {
    /// The least `k` keys per query; `scan` launches the kernel that makes the keys of each shard.
    fn nearest<T: cudarc::driver::DeviceRepr>(
        &self,
        rows: &[T],
        queries: &[T],
        width: usize,
        k: usize,
        scan: impl Fn(&launches::Database<'_, T>, &mut launches::Found) -> Result<(), DriverError>,
    ) -> Result<Vec<Vec<u64>>, KernelError> {
        let (row_count, query_count) = (rows.len() / width, queries.len() / width);
        let k = k.min(row_count);
        if k > K_MAX {
            return Err(self.unsupported(format!("{k} neighbours, at most {K_MAX}")));
        }
        if k == 0 || query_count == 0 {
            return Ok(vec![Vec::new(); query_count]);
        }
        let shard_rows = row_count.div_ceil(SHARDS).next_multiple_of(SHARD_ROWS_MIN);
        let shards = row_count.div_ceil(shard_rows);
        self.at_desk(|desk| {
            let stream = &desk.streams[0];
            let on_device = stream.clone_htod(rows)?;
            let mut keys = Vec::with_capacity(query_count);
            for queries in queries.chunks(QUERIES_MAX * width) {
                let count = queries.len() / width;
                let asked = stream.clone_htod(queries)?;
                let database = launches::Database {
                    stream,
                    rows: &on_device,
                    row_count,
                    width,
                    queries: &asked,
                    count,
                    shard_rows,
                };
                let mut found = launches::Found::new(stream, count, shards, k)?;
                scan(&database, &mut found)?;
                let merged = self.functions.merge_nearest(stream, &found)?;
                keys.extend(stream.clone_dtoh(&merged)?.chunks(k).map(<[u64]>::to_vec));
            }
            stream.synchronize()?;
            // What no row filled stayed empty.
            keys.iter_mut().for_each(|keys: &mut Vec<u64>| keys.retain(|key| *key != u64::MAX));
            Ok(keys)
        })
        .map_err(told("nearest rows"))
    }

    /// Inputs of any lengths, side by side through one layer after the other.
    fn convolve(
        &self,
        stream: &Arc<CudaStream>,
        stack: &ConvStack,
        inputs: &[Channels],
    ) -> Result<Vec<Channels>, DriverError> {
        let frames_in_all: usize = inputs.iter().map(|input| input.frames).sum();
        let outputs = stack.layers().last().map_or(0, |layer| layer.outputs);
        let mut out = vec![Vec::new(); inputs.len()];
        if frames_in_all > 0 {
            let mut starts = Vec::with_capacity(2 * inputs.len());
            let mut values = Vec::new();
            let mut frame_at = 0;
            for input in inputs {
                starts.extend([frame_at as u64, input.frames as u64]);
                frame_at += input.frames;
                values.extend_from_slice(&input.values);
            }
            let longest = inputs.iter().map(|input| input.frames).max().unwrap_or(0);
            let starts = stream.clone_htod(&starts)?;
            let mut values = stream.clone_htod(&values)?;
            for layer in stack.layers() {
                let batch = launches::Batch { stream, starts: &starts, inputs: inputs.len(), longest, frames_in_all };
                values = self.functions.convolve(&batch, layer, &stream.clone_htod(&by_fours(layer))?, &values)?;
            }
            let values = stream.clone_dtoh(&values)?;
            stream.synchronize()?;
            let mut from = 0;
            for (out, input) in out.iter_mut().zip(inputs) {
                *out = values[from..from + input.frames * outputs].to_vec();
                from += input.frames * outputs;
            }
        }
        let sized = out.into_iter().zip(inputs);
        Ok(sized.map(|(values, input)| Channels { channels: outputs, frames: input.frames, values }).collect())
    }
}

/// The weights of four outputs side by side: `[output / 4][input][tap][output % 4]`.
fn by_fours(layer: &ConvLayer) -> Vec<f32> {
    let per_output = layer.inputs * layer.taps;
    let mut weights = vec![0.0; layer.outputs.div_ceil(4) * 4 * per_output];
    for (output, row) in layer.weights.chunks_exact(per_output).enumerate() {
        for (place, weight) in row.iter().enumerate() {
            weights[(output / 4 * per_output + place) * 4 + output % 4] = *weight;
        }
    }
    weights
}
