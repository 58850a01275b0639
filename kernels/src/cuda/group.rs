//! A batch of clips on the device, a group at a time.
//!
//! ```text
//! group n:      fill pinned ──▶ copy ──▶ kernels ──▶ ............ ──▶ collect
//! group n + 1:                  fill pinned ──▶ copy ──▶ kernels ──▶ ...       (the other stream)
//! ```

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::{CudaSlice, CudaStream, DriverError};

use super::launches::{FFT_LENS, FoundPeaks, Layout, room};
use super::{Cuda, Desk, told};
use crate::{
    BinStatistics, Heard, KernelError, MelBands, MelBank, Peak, PeakPlan, Samples, Spectrogram, StftPlan, Wanted,
};

/// Bytes of samples per group: some 60 clips of 30 s at 44.1 kHz as i16, so that copies and kernels are long and two groups
/// with their power stay far below the smallest device's memory.
const GROUP_BYTES: usize = 160 << 20;
/// Cells of power per group, 4 bytes each; 1 GiB.
const GROUP_CELLS: usize = 1 << 28;
/// Clips per group; the second side of a grid takes 65 535.
const GROUP_CLIPS: usize = 4096;

/// A group on its way.
struct Pending {
    stream: Arc<CudaStream>,
    frames: Vec<usize>,
    bins: usize,
    power: Option<CudaSlice<f32>>,
    mel: Option<(CudaSlice<f32>, usize)>,
    statistics: Option<(CudaSlice<f32>, CudaSlice<f32>)>,
    peaks: Option<FoundPeaks>,
}

/// What all groups share, on the device.
struct Tables {
    window: CudaSlice<f32>,
    twiddles: CudaSlice<f32>,
    bank: Option<(CudaSlice<u32>, CudaSlice<u32>, CudaSlice<f32>)>,
}

/// The contract's `hear`.
pub fn hear(
    cuda: &Cuda,
    desk: &mut Desk,
    clips: &[Samples<'_>],
    plan: &StftPlan,
    wanted: &Wanted<'_>,
) -> Result<Vec<Heard>, KernelError> {
    let tables = tables(&desk.streams[0], plan, wanted.mel.map(|(bank, _)| bank)).map_err(told("tables"))?;
    let mut heard = Vec::with_capacity(clips.len());
    let mut pending = VecDeque::new();
    for (number, group) in groups(clips, plan).into_iter().enumerate() {
        if pending.len() == 2 {
            heard.extend(pending.pop_front().map(collect).transpose().map_err(told("results"))?.into_iter().flatten());
        }
        // The group that used this pinned memory two turns ago has been collected.
        let sent = send(cuda, desk, number % 2, &clips[group], plan, wanted, &tables);
        pending.push_back(sent.map_err(told("kernels"))?);
    }
    for group in pending {
        heard.extend(collect(group).map_err(told("results"))?);
    }
    Ok(heard)
}

/// The contract's `peaks`.
pub fn peaks(
    cuda: &Cuda,
    stream: &Arc<CudaStream>,
    spectrogram: &Spectrogram,
    plan: &PeakPlan,
) -> Result<Vec<Peak>, DriverError> {
    let power = stream.clone_htod(&spectrogram.power)?;
    let frames = [spectrogram.frames];
    let layout = layout(stream, [(0, spectrogram.frames)], spectrogram.bins)?;
    let found = cuda.functions.peaks(stream, &layout, &frames, &power, plan)?;
    Ok(sorted(stream, &found)?.pop().unwrap_or_default())
}

/// Runs of clips of one kind of samples that fit the limits; a clip that alone does not is a group of its own.
fn groups(clips: &[Samples<'_>], plan: &StftPlan) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut bytes, mut cells) = (0, 0);
    for (number, clip) in clips.iter().enumerate() {
        let (clip_bytes, clip_cells) = (clip.len() * sample_bytes(clip), plan.frames(clip.len()) * plan.bins());
        let fits = |group: &&mut Range<usize>| {
            sample_bytes(&clips[group.start]) == sample_bytes(clip)
                && bytes + clip_bytes <= GROUP_BYTES
                && cells + clip_cells <= GROUP_CELLS
                && group.len() < GROUP_CLIPS
        };
        match groups.last_mut().filter(fits) {
            Some(group) => group.end += 1,
            None => {
                groups.push(number..number + 1);
                (bytes, cells) = (0, 0);
            }
        }
        bytes += clip_bytes;
        cells += clip_cells;
    }
    groups
}

fn sample_bytes(clip: &Samples<'_>) -> usize {
    match clip {
        Samples::I16(_) => size_of::<i16>(),
        Samples::F32(_) => size_of::<f32>(),
    }
}

fn tables(stream: &Arc<CudaStream>, plan: &StftPlan, bank: Option<&MelBank>) -> Result<Tables, DriverError> {
    let fft_len = plan.fft_len();
    let window: Vec<f32> = plan.window().values(fft_len).into_iter().map(|value| value as f32).collect();
    let turn = |k: usize| (-std::f64::consts::TAU * k as f64 / fft_len as f64).sin_cos();
    let twiddles: Vec<f32> = (0..fft_len).map(turn).flat_map(|(sin, cos)| [cos as f32, sin as f32]).collect();
    let bank = bank.map(|bank| {
        let bands = || (0..bank.bands()).map(|band| bank.band(band));
        let firsts: Vec<u32> = bands().map(|(first, _)| first as u32).collect();
        let weights: Vec<f32> = bands().flat_map(|(_, weights)| weights.iter().copied()).collect();
        let mut offsets = vec![0u32];
        bands().for_each(|(_, weights)| offsets.push(offsets[offsets.len() - 1] + weights.len() as u32));
        Ok((filled(stream, &firsts)?, filled(stream, &offsets)?, filled(stream, &weights)?))
    });
    let tables =
        Tables { window: filled(stream, &window)?, twiddles: filled(stream, &twiddles)?, bank: bank.transpose()? };
    // The other stream reads them too.
    stream.synchronize()?;
    Ok(tables)
}

/// A copy on the device; of nothing, room for one value.
fn filled<T: cudarc::driver::DeviceRepr + Copy>(
    stream: &Arc<CudaStream>,
    values: &[T],
) -> Result<CudaSlice<T>, DriverError> {
    if values.is_empty() { room(stream, 1) } else { stream.clone_htod(values) }
}

/// Clips of (samples, frames), one after the other.
fn layout(
    stream: &Arc<CudaStream>,
    clips: impl IntoIterator<Item = (usize, usize)>,
    bins: usize,
) -> Result<Layout, DriverError> {
    let mut places = Vec::new();
    let (mut sample_at, mut row_at, mut longest) = (0, 0, 0);
    for (samples, frames) in clips {
        places.extend([sample_at as u64, samples as u64, row_at as u64, frames as u64]);
        sample_at += samples;
        row_at += frames;
        longest = longest.max(frames);
    }
    Ok(Layout { clips: stream.clone_htod(&places)?, count: places.len() / 4, longest, rows: row_at, bins })
}

/// Copies a group to the device and starts its kernels.
fn send(
    cuda: &Cuda,
    desk: &mut Desk,
    side: usize,
    clips: &[Samples<'_>],
    plan: &StftPlan,
    wanted: &Wanted<'_>,
    tables: &Tables,
) -> Result<Pending, DriverError> {
    let stream = Arc::clone(&desk.streams[side]);
    let (samples, kind) = staged(cuda, desk, side, clips)?;
    let frames: Vec<usize> = clips.iter().map(|clip| plan.frames(clip.len())).collect();
    let sizes = clips.iter().map(Samples::len).zip(frames.iter().copied());
    let layout = layout(&stream, sizes, plan.bins())?;
    let functions = &cuda.functions;

    let mut power = room(&stream, layout.rows * layout.bins)?;
    let mut pending = Pending {
        stream: Arc::clone(&stream),
        frames,
        bins: layout.bins,
        power: None,
        mel: None,
        statistics: None,
        peaks: None,
    };
    if layout.rows > 0 {
        let waves = (&tables.window, &tables.twiddles);
        if FFT_LENS.contains(&plan.fft_len()) {
            functions.spectrum(&stream, &layout, plan, (&samples, kind), waves, &mut power)?;
        } else {
            let rows = (&layout, &pending.frames[..]);
            functions.long_spectrum(&stream, rows, plan, (&samples, kind), waves, &mut power)?;
        }
        if let (Some((bank, decibels)), Some((firsts, offsets, weights))) = (wanted.mel, &tables.bank) {
            let size = (bank.bands(), decibels.floor());
            let db = functions.mel_bands(&stream, &layout, &power, (firsts, offsets, weights), size)?;
            pending.mel = Some((db, bank.bands()));
        }
        if let Some(plan) = &wanted.peaks {
            pending.peaks = Some(functions.peaks(&stream, &layout, &pending.frames, &power, plan)?);
        }
    } else {
        // Silence of no length still has its answers, and all are empty.
        pending.mel = wanted.mel.map(|(bank, _)| Ok((room(&stream, 1)?, bank.bands()))).transpose()?;
        let nothing = |_| {
            let (places, powers, counts) = (room(&stream, 1)?, room(&stream, 1)?, stream.alloc_zeros(clips.len())?);
            Ok(FoundPeaks { places, powers, counts, slots: vec![0; clips.len()] })
        };
        pending.peaks = wanted.peaks.map(nothing).transpose()?;
    }
    if let Some(decibels) = wanted.statistics {
        pending.statistics = Some(functions.bin_statistics(&stream, &layout, &power, decibels.floor())?);
    }
    pending.power = wanted.power.then_some(power);
    Ok(pending)
}

/// The samples of all clips on the device, by way of the side's pinned memory, and their kind.
fn staged(
    cuda: &Cuda,
    desk: &mut Desk,
    side: usize,
    clips: &[Samples<'_>],
) -> Result<(CudaSlice<u8>, i32), DriverError> {
    let len: usize = clips.iter().map(|clip| clip.len() * sample_bytes(clip)).sum();
    let staging = &mut desk.staging[side];
    if staging.as_ref().is_none_or(|pinned| pinned.len() < len) {
        *staging = None;
        // SAFETY: bytes, of which every pattern is one; those that are read have been written just before.
        *staging = Some(unsafe { cuda.context.alloc_pinned(len.next_power_of_two())? });
    }
    let pinned = staging.as_mut().expect("it was just made").as_mut_slice()?;
    let mut rest = &mut pinned[..len];
    for clip in clips {
        let (here, later) = rest.split_at_mut(clip.len() * sample_bytes(clip));
        match clip {
            Samples::I16(samples) => copy_bytes(samples.iter().map(|sample| sample.to_ne_bytes()), here),
            Samples::F32(samples) => copy_bytes(samples.iter().map(|sample| sample.to_ne_bytes()), here),
        }
        rest = later;
    }
    let samples = filled(&desk.streams[side], &pinned[..len])?;
    Ok((samples, clips.first().map_or(0, |clip| i32::from(matches!(clip, Samples::F32(_))))))
}

fn copy_bytes<const N: usize>(values: impl Iterator<Item = [u8; N]>, to: &mut [u8]) {
    to.as_chunks_mut::<N>().0.iter_mut().zip(values).for_each(|(to, bytes)| *to = bytes);
}

/// Waits for a group and brings its answers back.
fn collect(group: Pending) -> Result<Vec<Heard>, DriverError> {
    let Pending { stream, frames, bins, .. } = &group;
    let back = |values: &CudaSlice<f32>| stream.clone_dtoh(values);
    let power = group.power.as_ref().map(back).transpose()?;
    let mel = group.mel.as_ref().map(|(db, bands)| Ok((back(db)?, *bands))).transpose()?;
    let statistics = group.statistics.as_ref().map(|(means, variances)| Ok((back(means)?, back(variances)?)));
    let statistics = statistics.transpose()?;
    let peaks = group.peaks.as_ref().map(|found| sorted(stream, found)).transpose()?;
    stream.synchronize()?;

    let mut peaks = peaks.map(Vec::into_iter);
    let mut row = 0;
    let mut heard = Vec::with_capacity(frames.len());
    for (number, frames) in frames.iter().copied().enumerate() {
        let rows = |values: &[f32], columns: usize| values[row * columns..(row + frames) * columns].to_vec();
        let bin_row = |values: &[f32]| values[number * bins..(number + 1) * bins].to_vec();
        heard.push(Heard {
            frames,
            power: power.as_ref().map(|power| Spectrogram { frames, bins: *bins, power: rows(power, *bins) }),
            mel: mel.as_ref().map(|(db, bands)| MelBands { frames, bands: *bands, db: rows(db, *bands) }),
            statistics: statistics.as_ref().map(|(means, variances)| BinStatistics {
                frames,
                mean_db: bin_row(means),
                variance_db2: bin_row(variances),
            }),
            peaks: peaks.as_mut().and_then(Iterator::next),
        });
        row += frames;
    }
    Ok(heard)
}

/// The peaks of each clip, in order of frame, then bin.
fn sorted(stream: &Arc<CudaStream>, found: &FoundPeaks) -> Result<Vec<Vec<Peak>>, DriverError> {
    let counts = stream.clone_dtoh(&found.counts)?;
    stream.synchronize()?;
    let mut all = Vec::with_capacity(counts.len());
    for (count, slot) in counts.iter().zip(&found.slots) {
        let slots = *slot as usize..*slot as usize + *count as usize;
        let mut peaks = Vec::with_capacity(slots.len());
        if !slots.is_empty() {
            let places = stream.clone_dtoh(&found.places.slice(slots.clone()))?;
            let powers = stream.clone_dtoh(&found.powers.slice(slots))?;
            stream.synchronize()?;
            let peak = |(place, power): (u64, f32)| Peak { frame: (place >> 32) as u32, bin: place as u32, power };
            peaks.extend(places.into_iter().zip(powers).map(peak));
        }
        peaks.sort_unstable_by_key(|peak| (peak.frame, peak.bin));
        all.push(peaks);
    }
    Ok(all)
}
