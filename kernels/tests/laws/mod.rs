//! What every back-end must do, stated against the slow twins. A law takes the kernels and a world; the callers choose the worlds.
#![allow(dead_code)] // each test file uses its part

use kernels::{
    AudioKernels, Channels, Codes, ConvLayer, ConvStack, Decibels, MelBank, PeakPlan, Samples, Spectrogram, StftPlan,
    Vectors, Wanted, Window,
};

use crate::twins;

/// Floats agree to this, relative to the greatest of the kind.
const AGREE: f64 = 1e-5;

/// A seeded source of numbers (splitmix64, Steele et al. 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// From −1 to 1.
    pub fn wave(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn waves(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.wave()).collect()
    }
}

/// Clips of every kind that has its own way to go wrong.
pub fn clips(dice: &mut Dice, len: usize) -> Vec<Vec<f32>> {
    let noise = dice.waves(len);
    let tone: Vec<f32> = (0..len).map(|i| 0.5 * (i as f32 * 0.05).sin()).collect();
    let clipped = tone.iter().map(|s| (s * 8.0).clamp(-1.0, 1.0)).collect();
    let quiet = noise.iter().map(|s| s * 1e-4).collect();
    let mut broken = noise.clone();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
        if len > 0 {
            broken[dice.below(len)] = bad;
        }
    }
    let late = (0..len).map(|i| if i < len / 2 { 0.0 } else { noise[i] }).collect();
    vec![noise, tone, clipped, quiet, broken, late, vec![0.0; len]]
}

fn close(what: &str, got: &[f32], want: &[f64]) {
    close_above(what, got, want, 1e-12);
}

/// The same, with a least scale.
fn close_above(what: &str, got: &[f32], want: &[f64], least: f64) {
    assert_eq!(got.len(), want.len(), "{what}: as many values");
    let scale = want.iter().fold(least, |most, value| most.max(value.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs() / scale;
        assert!(error < AGREE, "{what}[{at}]: {got} for {want}, {error:.1e} of the greatest");
    }
}

/// Root of the mean square error over that of the values.
fn near(what: &str, got: &[f32], want: &[f64]) {
    let error: f64 = got.iter().zip(want).map(|(got, want)| (f64::from(*got) - want).powi(2)).sum();
    let whole: f64 = want.iter().map(|want| want * want).sum();
    assert!(error.sqrt() <= AGREE * whole.sqrt(), "{what}: {:.1e} relative", (error / whole).sqrt());
}

/// Power, mel, statistics and peaks of all kinds of clips of this length.
pub fn hears_as_the_twins(kernels: &dyn AudioKernels, dice: &mut Dice, len: usize, plan: StftPlan, centred: bool) {
    let plan = if centred { plan.centred() } else { plan };
    let decibels = Decibels::over(1e-6).expect("a floor");
    let bank = MelBank::new(&plan, 16_000, 20, 50.0, 7_900.0).expect("a bank");
    let peak_plan = PeakPlan::new(1 + dice.below(4), 1 + dice.below(9), 1e-3).expect("a plan");
    let floats = clips(dice, len);
    let words: Vec<i16> = floats[0].iter().map(|s| (s * 32767.0) as i16).collect();
    let mut batch: Vec<Samples<'_>> = floats.iter().map(|clip| Samples::F32(clip)).collect();
    batch.push(Samples::I16(&words));
    let wanted =
        Wanted { power: true, mel: Some((&bank, decibels)), statistics: Some(decibels), peaks: Some(peak_plan) };
    let heard = kernels.hear(&batch, &plan, &wanted).expect("clips are heard");
    assert_eq!(heard.len(), batch.len());
    for (clip, heard) in batch.iter().zip(&heard) {
        let power = twins::power(*clip, &plan, centred);
        let spectrogram = heard.power.as_ref().expect("power was wanted");
        assert_eq!((heard.frames, spectrogram.frames, spectrogram.bins), (power.len(), power.len(), plan.bins()));
        for (frame, row) in power.iter().enumerate() {
            near("power", spectrogram.frame(frame), row);
        }
        // What follows from the power is held to the twin of the same power, so that its own error shows.
        let rows = spectrogram.power.chunks(plan.bins());
        let same: twins::Rows = rows.map(|row| row.iter().map(|cell| f64::from(*cell)).collect()).collect();
        let mel = heard.mel.as_ref().expect("mel was wanted");
        close("mel", &mel.db, &twins::mel(&same, &bank, decibels).concat());
        let (mean, variance) = twins::statistics(&same, plan.bins(), decibels);
        let statistics = heard.statistics.as_ref().expect("statistics were wanted");
        assert_eq!(statistics.frames, power.len());
        close("mean", &statistics.mean_db, &mean);
        // A level of tens of dB in f32 is known to some 1e-6 dB, so a small variance cannot keep five digits.
        close_above("variance", &statistics.variance_db2, &variance, 10.0);
        assert_eq!(heard.peaks.as_ref(), Some(&twins::peaks(spectrogram, &peak_plan)));
    }
    asked_alone_is_the_same(kernels, &batch, &plan, &wanted, &heard);
}

/// One thing wanted alone, or one clip heard alone, gives the bits it gives among others.
fn asked_alone_is_the_same(
    kernels: &dyn AudioKernels,
    batch: &[Samples<'_>],
    plan: &StftPlan,
    wanted: &Wanted<'_>,
    heard: &[kernels::Heard],
) {
    let (bank, decibels) = wanted.mel.expect("mel is wanted");
    let alone = kernels.bin_statistics(batch, plan, decibels).expect("statistics");
    assert!(alone.iter().zip(heard).all(|(alone, heard)| heard.statistics.as_ref() == Some(alone)));
    let alone = kernels.mel(batch, plan, bank, decibels).expect("mel bands");
    assert!(alone.iter().zip(heard).all(|(alone, heard)| heard.mel.as_ref() == Some(alone)));
    let alone = kernels.power(&batch[..1], plan).expect("power");
    assert_eq!(heard[0].power.as_ref(), alone.first());
}

/// Peaks of levels so coarse that ties abound, with NaN and infinities among them.
pub fn picks_as_the_twin(kernels: &dyn AudioKernels, dice: &mut Dice, frames: usize, bins: usize, plan: PeakPlan) {
    let levels = [0.0, 1.0, 1.0, 2.0, 3.0, f32::NAN, f32::INFINITY];
    for kinds in [1, 2, 5, 7] {
        let power = (0..frames * bins).map(|_| levels[dice.below(kinds)]).collect();
        let cells = Spectrogram { frames, bins, power };
        assert_eq!(
            kernels.peaks(&cells, &plan).expect("peaks"),
            twins::peaks(&cells, &plan),
            "{frames}x{bins} {plan:?}"
        );
    }
}

/// Hamming neighbours, with many ties, doubles and fewer codes than asked for.
pub fn finds_codes_as_the_twin(kernels: &dyn AudioKernels, dice: &mut Dice, rows: usize, words: usize, k: usize) {
    // Few bits differ, so distances tie all the time.
    let few = |dice: &mut Dice| 1u64 << dice.below(64) | 1 << dice.below(3);
    let codes: Vec<u64> = (0..rows * words).map(|_| few(dice)).collect();
    let queries: Vec<u64> = (0..words * (1 + dice.below(20))).map(|_| few(dice)).collect();
    let codes = Codes::new(&codes, words).expect("codes");
    let queries = Codes::new(&queries, words).expect("queries");
    let got = kernels.nearest_hamming(codes, queries, k).expect("neighbours");
    let got: Vec<Vec<(u32, u32)>> =
        got.iter().map(|near| near.iter().map(|one| (one.distance, one.index)).collect()).collect();
    assert_eq!(got, twins::nearest_hamming(codes, queries, k));
}

/// Dot neighbours: the right scores in falling order, none better left out, none that is NaN.
pub fn finds_vectors_as_the_twin(
    kernels: &dyn AudioKernels,
    dice: &mut Dice,
    rows: usize,
    dimensions: usize,
    k: usize,
) {
    let mut values = dice.waves(rows * dimensions);
    let nan_rows = rows / 7;
    (0..nan_rows).for_each(|row| values[row * 7 * dimensions] = f32::NAN);
    let asked = 1 + dice.below(20);
    let queries = dice.waves(dimensions * asked);
    let vectors = Vectors::new(&values, dimensions).expect("vectors");
    let queries = Vectors::new(&queries, dimensions).expect("queries");
    let got = kernels.nearest_dot(vectors, queries, k).expect("neighbours");
    for (near, products) in got.iter().zip(twins::products(vectors, queries)) {
        let mut falling: Vec<f64> = products.iter().copied().filter(|product| !product.is_nan()).collect();
        falling.sort_by(|a, b| b.total_cmp(a));
        falling.truncate(k);
        let scores: Vec<f32> = near.iter().map(|one| one.score).collect();
        close("scores", &scores, &falling);
        assert!(
            near.windows(2).all(|pair| pair[0].score > pair[1].score
                || (pair[0].score == pair[1].score && pair[0].index < pair[1].index))
        );
        let own: Vec<f64> = near.iter().map(|one| products[one.index as usize]).collect();
        close("scores of their rows", &scores, &own);
    }
    assert_eq!(got.len(), queries.len());
}

/// Equal scores come by rising index.
pub fn equal_scores_come_by_index(kernels: &dyn AudioKernels) {
    let values = [[1.0f32, 0.0], [0.5, 0.0], [1.0, 0.0], [0.5, 0.0], [1.0, 5.0]].concat();
    let vectors = Vectors::new(&values, 2).expect("vectors");
    let query = Vectors::new(&[1.0, 0.0], 2).expect("a query");
    let near = kernels.nearest_dot(vectors, query, 4).expect("neighbours");
    assert_eq!(near[0].iter().map(|one| one.index).collect::<Vec<_>>(), [0, 2, 4, 1]);
}

/// Small networks of all shapes.
pub fn convolves_as_the_twin(kernels: &dyn AudioKernels, dice: &mut Dice, frames: &[usize]) {
    let depth = 1 + dice.below(3);
    let mut inputs = 1 + dice.below(9);
    let first = inputs;
    let mut layers = Vec::new();
    for _ in 0..depth {
        let residual = dice.below(3) == 0;
        let outputs = if residual { inputs } else { 1 + dice.below(9) };
        let (taps, dilation) = (1 + dice.below(4), 1 + dice.below(8));
        layers.push(ConvLayer {
            inputs,
            outputs,
            taps,
            dilation,
            ahead: dice.below(taps * dilation + 1),
            weights: dice.waves(outputs * inputs * taps),
            bias: dice.waves(outputs),
            relu: dice.below(2) == 0,
            residual,
        });
        inputs = outputs;
    }
    let stack = ConvStack::new(layers).expect("a stack");
    let worlds: Vec<Channels> = frames
        .iter()
        .map(|frames| Channels { channels: first, frames: *frames, values: dice.waves(first * frames) })
        .collect();
    let got = kernels.conv1d_stack(&stack, &worlds).expect("convolved");
    assert_eq!(got.len(), worlds.len());
    for (got, world) in got.iter().zip(&worlds) {
        assert_eq!((got.channels, got.frames), (inputs, world.frames));
        close("convolved", &got.values, &twins::through(&stack, world).concat());
    }
}

/// What does not fit together is refused in words.
pub fn misfits_are_refused(kernels: &dyn AudioKernels) {
    let plan = StftPlan::new(256, 64).expect("a plan");
    let other = StftPlan::new(512, 64).expect("a plan");
    let bank = MelBank::new(&other, 16_000, 8, 0.0, 8000.0).expect("a bank");
    let decibels = Decibels::over(1e-9).expect("a floor");
    let clip = [0.0f32; 300];
    assert!(kernels.mel(&[clip[..].into()], &plan, &bank, decibels).is_err());
    let short = Spectrogram { frames: 2, bins: 3, power: vec![0.0; 5] };
    assert!(kernels.peaks(&short, &PeakPlan::new(1, 1, 0.0).expect("a plan")).is_err());
    let (four, six) = ([0u64; 4], [0u64; 6]);
    let (codes, queries) = (Codes::new(&four, 2).expect("codes"), Codes::new(&six, 3).expect("queries"));
    assert!(kernels.nearest_hamming(codes, queries, 1).is_err());
    assert!(kernels.power(&[], &plan.with_window(Window::Hamming)).expect("nothing to hear").is_empty());
}
