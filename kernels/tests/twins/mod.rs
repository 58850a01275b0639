//! The slow twins: every kernel once more in f64, written to be read. They share nothing with the back-ends but the plans.

use kernels::{
    Channels, Codes, ConvLayer, ConvStack, Decibels, LOUDEST, MelBank, Peak, PeakPlan, Samples, Spectrogram, StftPlan,
    Vectors,
};

/// Rows of numbers.
pub type Rows = Vec<Vec<f64>>;

pub fn samples(clip: Samples<'_>) -> Vec<f64> {
    let sane = |s: f32| if s.is_finite() { f64::from(s.clamp(-LOUDEST, LOUDEST)) } else { 0.0 };
    match clip {
        Samples::I16(clip) => clip.iter().map(|s| f64::from(*s) / 32768.0).collect(),
        Samples::F32(clip) => clip.iter().map(|s| sane(*s)).collect(),
    }
}

/// Power per frame and bin, by the sum that defines the transform for short frames and by halving for long ones.
pub fn power(clip: Samples<'_>, plan: &StftPlan, centred: bool) -> Rows {
    let (samples, window) = (samples(clip), plan.window().values(plan.fft_len()));
    let lead = if centred { plan.fft_len() / 2 } else { 0 };
    let frame = |frame: usize| {
        let sample = |i: usize| (frame * plan.hop() + i).checked_sub(lead).and_then(|at| samples.get(at));
        let windowed = (0..plan.fft_len()).map(|i| (sample(i).copied().unwrap_or(0.0) * window[i], 0.0)).collect();
        let spectrum = fourier(windowed);
        spectrum[..plan.bins()].iter().map(|(re, im)| re * re + im * im).collect()
    };
    (0..plan.frames(samples.len())).map(frame).collect()
}

fn fourier(x: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let n = x.len();
    let turn = |k: usize| (-std::f64::consts::TAU * (k % n) as f64 / n as f64).sin_cos();
    let times = |(re, im): (f64, f64), (sin, cos): (f64, f64)| (re * cos - im * sin, re * sin + im * cos);
    let plus = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
    if n % 2 == 1 {
        let bin = |k: usize| (0..n).map(|i| times(x[i], turn(k * i))).fold((0.0, 0.0), plus);
        return (0..n).map(bin).collect();
    }
    let even = fourier(x.iter().copied().step_by(2).collect());
    let odd = fourier(x.iter().copied().skip(1).step_by(2).collect());
    (0..n).map(|k| plus(even[k % (n / 2)], times(odd[k % (n / 2)], turn(k)))).collect()
}

pub fn db(power: f64, decibels: Decibels) -> f64 {
    10.0 * (power + f64::from(decibels.floor())).log10()
}

pub fn mel(power: &Rows, bank: &MelBank, decibels: Decibels) -> Rows {
    let band = |row: &[f64], band: usize| {
        let (first, weights) = bank.band(band);
        db(weights.iter().zip(&row[first..]).map(|(weight, power)| f64::from(*weight) * power).sum(), decibels)
    };
    power.iter().map(|row| (0..bank.bands()).map(|number| band(row, number)).collect()).collect()
}

/// Mean and variance per bin.
pub fn statistics(power: &Rows, bins: usize, decibels: Decibels) -> (Vec<f64>, Vec<f64>) {
    let of_bin = |bin: usize| {
        if power.is_empty() {
            return (db(0.0, decibels), 0.0);
        }
        let levels: Vec<f64> = power.iter().map(|row| db(row[bin], decibels)).collect();
        let mean = levels.iter().sum::<f64>() / levels.len() as f64;
        (mean, levels.iter().map(|level| (level - mean).powi(2)).sum::<f64>() / levels.len() as f64)
    };
    (0..bins).map(of_bin).unzip()
}

/// Every cell against every other of its rectangle.
pub fn peaks(cells: &Spectrogram, plan: &PeakPlan) -> Vec<Peak> {
    let at = |frame: usize, bin: usize| cells.power[frame * cells.bins + bin];
    let beaten = |frame: usize, bin: usize| {
        let frames = frame.saturating_sub(plan.time_radius())..(frame + plan.time_radius() + 1).min(cells.frames);
        let bins = bin.saturating_sub(plan.bin_radius())..(bin + plan.bin_radius() + 1).min(cells.bins);
        let mut others = frames.flat_map(|frame| bins.clone().map(move |bin| (frame, bin)));
        let own = at(frame, bin);
        others.any(|other| {
            let power = at(other.0, other.1);
            power > own || (power == own && other < (frame, bin))
        })
    };
    let all = (0..cells.frames).flat_map(|frame| (0..cells.bins).map(move |bin| (frame, bin)));
    all.filter(|(frame, bin)| at(*frame, *bin) > plan.floor() && !beaten(*frame, *bin))
        .map(|(frame, bin)| Peak { frame: frame as u32, bin: bin as u32, power: at(frame, bin) })
        .collect()
}

/// (distance, index) of the nearest, per query.
pub fn nearest_hamming(codes: Codes<'_>, queries: Codes<'_>, k: usize) -> Vec<Vec<(u32, u32)>> {
    let width = codes.words_per_code();
    let distance = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
    let nearest = |query: &[u64]| {
        let rows = codes.words().chunks(width).enumerate();
        let mut all: Vec<(u32, u32)> = rows.map(|(index, code)| (distance(code, query), index as u32)).collect();
        all.sort();
        all.truncate(k);
        all
    };
    queries.words().chunks(width).map(nearest).collect()
}

/// Every product that is a number, per query and vector.
pub fn products(vectors: Vectors<'_>, queries: Vectors<'_>) -> Vec<Vec<f64>> {
    let width = vectors.dimensions();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let row = |query: &[f32]| vectors.values().chunks(width).map(|vector| dot(vector, query)).collect();
    queries.values().chunks(width).map(row).collect()
}

pub fn through(stack: &ConvStack, input: &Channels) -> Rows {
    let rows = (0..input.channels).map(|channel| &input.values[channel * input.frames..][..input.frames]);
    let rows: Rows = rows.map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect();
    stack.layers().iter().fold(rows, |rows, layer| convolved(layer, &rows, input.frames))
}

fn convolved(layer: &ConvLayer, input: &Rows, frames: usize) -> Rows {
    let value = |output: usize, frame: usize| {
        let mut sum = f64::from(layer.bias[output]);
        for (channel, row) in input.iter().enumerate() {
            for tap in 0..layer.taps {
                let weight = layer.weights[(output * layer.inputs + channel) * layer.taps + tap];
                let back = (layer.taps - 1 - tap) * layer.dilation;
                let from = (frame + layer.ahead).checked_sub(back).and_then(|at| row.get(at));
                sum += f64::from(weight) * from.copied().unwrap_or(0.0);
            }
        }
        let sum = if layer.relu { sum.max(0.0) } else { sum };
        if layer.residual { sum + input[output][frame] } else { sum }
    };
    (0..layer.outputs).map(|output| (0..frames).map(|frame| value(output, frame)).collect()).collect()
}
