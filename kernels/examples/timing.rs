//! What each kernel costs: CPU time per clip and per query, or on a device the time of each launch beside the device's roof.
//!
//! ```text
//! timing              the CPU, one thread, in CPU time (a shared machine's wall clock says little)
//! timing cuda         the first CUDA device, by its own events (feature cuda)
//! ```

use std::hint::black_box;

use kernels::cpu::Cpu;
use kernels::{
    AudioKernels, Channels, Codes, ConvLayer, ConvStack, Decibels, MelBank, PeakPlan, Samples, StftPlan, Vectors,
    Wanted,
};

/// Each figure is the middle one of so many.
const ROUNDS: usize = 5;
const CLIP_SECS: usize = 30;

/// CPU seconds of all threads of this process so far (Linux: nanoseconds on a CPU are the first word of schedstat).
fn cpu_secs() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells a process about its threads");
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    stats.filter_map(|stat| stat.split_whitespace().next()?.parse::<f64>().ok()).sum::<f64>() / 1e9
}

/// The middle CPU milliseconds of some rounds.
fn cpu_ms<R>(mut work: impl FnMut() -> R) -> f64 {
    black_box(work());
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = cpu_secs();
            black_box(work());
            (cpu_secs() - before) * 1e3
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Chords over noise, from a fixed seed: levels as music has them, nothing that is cheap because it is zero.
fn clip(rate_hz: usize) -> Vec<i16> {
    let mut state = 1u64;
    let sample = |i: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
        let secs = i as f64 / rate_hz as f64;
        let root_hz = 110.0 * 2f64.powf((secs * 2.0).floor() * 7.0 % 12.0 / 12.0);
        let chord: f64 =
            (1..9).map(|n| (std::f64::consts::TAU * root_hz * f64::from(n) * secs).sin() / f64::from(n)).sum();
        ((0.2 * chord + 0.02 * noise) * 32767.0) as i16
    };
    (0..CLIP_SECS * rate_hz).map(sample).collect()
}

fn plan(fft_len: usize, hop: usize) -> StftPlan {
    StftPlan::new(fft_len, hop).expect("the plan is valid")
}

/// What a clip is asked for, by name.
fn wishes(bank: &MelBank) -> Vec<(&'static str, Wanted<'_>)> {
    let decibels = Decibels::over(1e-9).expect("a floor");
    let (mel, statistics) = (Some((bank, decibels)), Some(decibels));
    let peaks = Some(PeakPlan::new(3, 10, 1e-3).expect("a plan"));
    vec![
        ("power", Wanted { power: true, ..Wanted::default() }),
        ("power, 128 mel bands", Wanted { mel, ..Wanted::default() }),
        ("power, mean and variance per bin", Wanted { statistics, ..Wanted::default() }),
        ("power, peaks 7 x 21", Wanted { peaks, ..Wanted::default() }),
        ("all of them", Wanted { power: true, mel, statistics, peaks }),
    ]
}

fn on_cpu() {
    let cpu = Cpu::with_threads(1).expect("one thread");
    println!(
        "CPU milliseconds of one core, the middle of {ROUNDS} rounds; clips of {CLIP_SECS} s, mono, i16; FFT 2048, hop 512"
    );
    for rate_hz in [44_100, 16_000] {
        let samples = clip(rate_hz);
        let plan = plan(2048, 512);
        let bank = MelBank::new(&plan, rate_hz as u32, 128, 30.0, rate_hz as f64 / 2.0).expect("a bank");
        for (name, wanted) in wishes(&bank) {
            let ms = cpu_ms(|| cpu.hear(&[Samples::I16(&samples)], &plan, &wanted).expect("heard"));
            println!("{rate_hz:6} Hz  {name:34} {ms:8.2} ms  {:6.0} clips/s", 1e3 / ms);
        }
        naive(&cpu, rate_hz, &samples, &plan);
    }
    let samples = clip(16_000);
    let wanted = Wanted { statistics: Some(Decibels::over(1e-9).expect("a floor")), ..Wanted::default() };
    let ms = cpu_ms(|| cpu.hear(&[Samples::I16(&samples)], &plan(16_384, 8192), &wanted).expect("heard"));
    println!(" 16000 Hz  {:34} {ms:8.2} ms", "statistics, FFT 16384, hop 8192");
    searches(&cpu);
    let (stack, input) = network();
    let ms = cpu_ms(|| cpu.conv1d_stack(&stack, std::slice::from_ref(&input)).expect("convolved"));
    let ops = 2.0 * 8.0 * 64.0 * 64.0 * 3.0 * input.frames as f64;
    println!("{:45} {ms:8.2} ms  {:6.1} GFLOP/s", "8 layers of 64 x 64 x 3, 1000 frames", ops / ms / 1e6);
}

/// The obvious versions of what follows the power, for the ratio.
fn naive(cpu: &Cpu, rate_hz: usize, samples: &[i16], plan: &StftPlan) {
    let power = cpu.power(&[Samples::I16(samples)], plan).expect("heard").remove(0);
    let levels = cpu_ms(|| {
        let mut sums = vec![(0.0f32, 0.0f32); power.bins];
        for row in power.power.chunks(power.bins) {
            for (sum, power) in sums.iter_mut().zip(row) {
                let level = 10.0 * (power + 1e-9).log10();
                *sum = (sum.0 + level, sum.1 + level * level);
            }
        }
        sums
    });
    println!("{rate_hz:6} Hz  {:34} {levels:8.2} ms", "  naive: libm's log10, two sums");
    let peaks = cpu_ms(|| {
        let (frames, bins) = (power.frames, power.bins);
        let along: Vec<f32> = (0..frames)
            .flat_map(|frame| {
                let row = power.frame(frame);
                (0..bins).map(move |bin| {
                    row[bin.saturating_sub(10)..(bin + 11).min(bins)].iter().copied().fold(0.0, f32::max)
                })
            })
            .collect();
        let cells = (0..frames).flat_map(|frame| (0..bins).map(move |bin| (frame, bin)));
        cells
            .filter(|(frame, bin)| {
                let around = (frame.saturating_sub(3)..(frame + 4).min(frames)).map(|frame| along[frame * bins + bin]);
                let own = power.power[frame * bins + bin];
                own > 1e-3 && own >= around.fold(0.0, f32::max)
            })
            .count()
    });
    println!("{rate_hz:6} Hz  {:34} {peaks:8.2} ms", "  naive: maxima of 7 + 21 cells");
}

const ROWS: usize = 1 << 20;

/// A million codes of 256 bits and a million vectors of 128 floats.
fn databases() -> (Vec<u64>, Vec<f32>) {
    let mut state = 7u64;
    let mut bits = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 29
    };
    let codes = (0..4 * ROWS).map(|_| bits()).collect();
    let vectors = (0..128 * ROWS).map(|_| (bits() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect();
    (codes, vectors)
}

fn searches(kernels: &dyn AudioKernels) {
    let (codes, vectors) = databases();
    for count in [1, 64] {
        let queries = Codes::new(&codes[..4 * count], 4).expect("queries");
        let database = Codes::new(&codes, 4).expect("codes");
        let ms = cpu_ms(|| kernels.nearest_hamming(database, queries, 10).expect("neighbours")) / count as f64;
        let rate = ROWS as f64 / ms / 1e6;
        println!(
            "{:45} {ms:8.2} ms  {rate:6.2} G codes/s",
            format!("Hamming, {count} x 1 M x 256 bits, 10 nearest, each")
        );
        let queries = Vectors::new(&vectors[..128 * count], 128).expect("queries");
        let database = Vectors::new(&vectors, 128).expect("vectors");
        let ms = cpu_ms(|| kernels.nearest_dot(database, queries, 10).expect("neighbours")) / count as f64;
        let rate = 2.0 * 128.0 * ROWS as f64 / ms / 1e6;
        println!("{:45} {ms:8.2} ms  {rate:6.1} GFLOP/s", format!("dot, {count} x 1 M x 128 floats, 10 nearest, each"));
    }
}

fn network() -> (ConvStack, Channels) {
    let layer = |number: u32| ConvLayer {
        inputs: 64,
        outputs: 64,
        taps: 3,
        dilation: 1 << number,
        ahead: 0,
        weights: (0..64 * 64 * 3).map(|i| ((i * 37 % 101) as f32 - 50.0) / 1000.0).collect(),
        bias: vec![0.01; 64],
        relu: true,
        residual: true,
    };
    let values = (0..64 * 1000).map(|i| ((i * 31 % 97) as f32 - 48.0) / 48.0).collect();
    (ConvStack::new((0..8).map(layer).collect()).expect("a stack"), Channels { channels: 64, frames: 1000, values })
}

/// Each launch of a batch by the device's events, beside what its memory and its arithmetic could do at most.
#[cfg(feature = "cuda")]
fn on_cuda() {
    let cuda = kernels::cuda::Cuda::open_timed().expect("cuda was asked for");
    let (memory, arithmetic) = cuda.roof().expect("the device tells its clocks");
    println!(
        "{}: at most {:.0} GB/s and {:.1} TFLOP/s by its own account",
        cuda.device(),
        memory / 1e9,
        arithmetic / 1e12
    );
    let clips = 64;
    for rate_hz in [44_100, 16_000] {
        let samples = clip(rate_hz);
        let batch: Vec<Samples<'_>> = (0..clips).map(|_| Samples::I16(&samples)).collect();
        let plan = plan(2048, 512);
        let bank = MelBank::new(&plan, rate_hz as u32, 128, 30.0, rate_hz as f64 / 2.0).expect("a bank");
        let (_, all) = wishes(&bank).pop().expect("the last asks for all");
        let wanted = Wanted { power: false, ..all };
        let cells = (clips * plan.frames(samples.len()) * plan.bins()) as f64;
        let sounds = (clips * samples.len()) as f64;
        cuda.hear(&batch, &plan, &wanted).expect("heard");
        cuda.times().expect("times");
        let begin = std::time::Instant::now();
        cuda.hear(&batch, &plan, &wanted).expect("heard");
        let wall_ms = begin.elapsed().as_secs_f64() * 1e3;
        println!(
            "\n{clips} clips of {CLIP_SECS} s at {rate_hz} Hz: {wall_ms:.2} ms with copies, {:.0} clips/s",
            clips as f64 / wall_ms * 1e3
        );
        for (kernel, ms) in cuda.times().expect("times") {
            // Bytes that must move: i16 in and power out; power in; power in and maxima out; both in.
            let bytes = match kernel {
                "spectrum" => 2.0 * sounds + 4.0 * cells,
                "greatest_along_bins" | "peaks_along_time" => 8.0 * cells,
                _ => 4.0 * cells,
            };
            // 2.5 N log2 N of the FFT per frame; nothing else counts much.
            let ops = if kernel == "spectrum" { cells / 1025.0 * 2.5 * 2048.0 * 11.0 } else { 0.0 };
            line(kernel, ms, bytes, ops, (memory, arithmetic));
        }
    }
    let (codes, vectors) = databases();
    for count in [1, 64, 512] {
        let database = Codes::new(&codes, 4).expect("codes");
        cuda.nearest_hamming(database, Codes::new(&codes[..4 * count], 4).expect("queries"), 10).expect("neighbours");
        let database = Vectors::new(&vectors, 128).expect("vectors");
        cuda.nearest_dot(database, Vectors::new(&vectors[..128 * count], 128).expect("queries"), 10)
            .expect("neighbours");
        println!("\n{count} queries over 1 M rows");
        for (kernel, ms) in cuda.times().expect("times") {
            let passes = count.div_ceil(8) as f64;
            let (bytes, ops) = match kernel {
                "nearest_hamming" => (32.0 * ROWS as f64 * passes, 0.0),
                "nearest_dot" => (512.0 * ROWS as f64 * passes, 256.0 * (ROWS * count) as f64),
                _ => (0.0, 0.0),
            };
            line(kernel, ms, bytes, ops, (memory, arithmetic));
        }
    }
    let (stack, input) = network();
    let inputs = vec![input; 64];
    cuda.conv1d_stack(&stack, &inputs).expect("convolved");
    cuda.times().expect("times");
    cuda.conv1d_stack(&stack, &inputs).expect("convolved");
    let ms: f32 = cuda.times().expect("times").iter().map(|(_, ms)| ms).sum();
    println!("\n64 inputs of 1000 frames through 8 layers");
    line(
        "convolve (all 8)",
        ms,
        64.0 * 1000.0 * 64.0 * 4.0 * 16.0,
        64.0 * 1000.0 * 2.0 * 8.0 * 64.0 * 64.0 * 3.0,
        (memory, arithmetic),
    );
}

#[cfg(feature = "cuda")]
fn line(kernel: &str, ms: f32, bytes: f64, ops: f64, (memory, arithmetic): (f64, f64)) {
    let secs = f64::from(ms.max(1e-6)) / 1e3;
    let (of_memory, of_arithmetic) = (100.0 * bytes / secs / memory, 100.0 * ops / secs / arithmetic);
    println!(
        "{kernel:22} {ms:9.3} ms  {:7.0} GB/s ({of_memory:4.0} %)  {:7.2} TFLOP/s ({of_arithmetic:4.0} %)",
        bytes / secs / 1e9,
        ops / secs / 1e12
    );
}

#[cfg(not(feature = "cuda"))]
fn on_cuda() {
    eprintln!("built without the feature cuda");
    std::process::exit(2);
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        None => on_cpu(),
        Some("cuda") => on_cuda(),
        Some(other) => {
            eprintln!("{other}? Nothing, or cuda");
            std::process::exit(2);
        }
    }
}
