//! Faults planted in the kernels are caught: each by what it should be caught by. Without this, green tests would say little.
#![cfg(feature = "cuda")]

mod driver;
mod laws;
mod twins;

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernels::cuda::{Cuda, Sources};
use kernels::{PeakPlan, StftPlan};
use laws::Dice;

/// What must catch a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Catch {
    /// The interpreter, with these words.
    Stopped(&'static str),
    /// The twin: the answer is wrong.
    Wrong,
    /// One or the other, whichever comes first.
    Either,
}
use Catch::{Either, Stopped, Wrong};

/// A mistake somebody might make: in this kernel, the `nth` of these words (from 0; `None`: all) becomes others.
struct Fault {
    what: &'static str,
    kernel: &'static str,
    words: &'static str,
    instead: &'static str,
    nth: Option<usize>,
    caught: Catch,
}

const fn fault(
    what: &'static str,
    kernel: &'static str,
    (words, instead): (&'static str, &'static str),
    nth: Option<usize>,
    caught: Catch,
) -> Fault {
    Fault { what, kernel, words, instead, nth, caught }
}

const BARRIER: (&str, &str) = ("bar.sync \t0;", "");

const FAULTS: &[Fault] = &[
    fault("no barrier after the first pass", "spectrum_1024", BARRIER, Some(0), Stopped("shared memory")),
    fault("no barrier within a later pass", "spectrum_1024", BARRIER, Some(3), Stopped("a race")),
    fault("no barrier before the split", "spectrum_2048", BARRIER, Some(8), Stopped("a race")),
    fault("a butterfly adds what it should take away", "spectrum_2048", ("sub.f32", "add.f32"), Some(5), Wrong),
    fault("samples read without their sign", "spectrum_512", ("cvt.rn.f32.s16", "cvt.rn.f32.u16"), None, Wrong),
    fault("one sample after the clip is heard", "spectrum_512", ("setp.le.s64", "setp.lt.s64"), None, Either),
    fault("a band is never written", "mel_bands", ("st.global.f32", "@%p1 st.global.f32"), Some(0), Wrong),
    fault(
        "a lane is added twice",
        "mel_bands",
        ("shfl.sync.bfly.b32 \t%r57|%p11, %r55, %r56", "shfl.sync.bfly.b32 \t%r57|%p11, %r55, %r52"),
        Some(0),
        Wrong,
    ),
    fault(
        "a shuffle names half the lanes",
        "mel_bands",
        ("mov.u32 \t%r53, -1;", "mov.u32 \t%r53, 65535;"),
        Some(0),
        Stopped("not all the lanes"),
    ),
    fault(
        "one bin too many",
        "bin_statistics",
        ("setp.ge.s32 \t%p1,", "setp.gt.s32 \t%p1,"),
        Some(0),
        Stopped("global memory"),
    ),
    fault("a block is joined the wrong way", "bin_statistics", ("sub.f64", "add.f64"), Some(0), Wrong),
    fault("no barrier after the tile is fetched", "greatest_along_bins", BARRIER, Some(0), Stopped("shared memory")),
    fault(
        "an earlier equal does not win",
        "peaks_along_time",
        ("setp.lt.f32 \t%p38", "setp.le.f32 \t%p38"),
        Some(0),
        Wrong,
    ),
    fault("a later equal wins", "peaks_along_time", ("setp.le.f32 \t%p42", "setp.lt.f32 \t%p42"), Some(0), Wrong),
    fault("all peaks in one slot", "peaks_along_time", (", 1;\n", ", 0;\n"), None, Wrong),
    fault("no barrier before the queries are read", "nearest_hamming", BARRIER, Some(0), Stopped("shared memory")),
    fault(
        "counters begin with nothing",
        "nearest_hamming",
        ("st.shared.u32", "@%p1 st.shared.u32"),
        Some(0),
        Stopped("nobody wrote"),
    ),
    fault("a word's bits are not counted", "nearest_hamming", ("popc.b64", "cvt.u32.u64"), Some(0), Wrong),
    fault("no barrier between two runs of rows", "nearest_dot", BARRIER, Some(2), Stopped("a race")),
    fault(
        "two blocks make the same bins",
        "bin_statistics",
        ("mov.u32 \t%r11, %ctaid.x;", "mov.u32 \t%r11, 0;"),
        Some(0),
        Stopped("a race with block"),
    ),
    fault(
        "lanes do not wait for each other",
        "merge_nearest",
        ("bar.warp.sync", "// bar.warp.sync"),
        Some(1),
        Stopped("another lane"),
    ),
    fault(
        "one frame after the input is heard",
        "convolve",
        ("setp.ge.s64 \t%p10", "setp.gt.s64 \t%p10"),
        Some(0),
        Either,
    ),
    fault("negative values pass the ReLU", "convolve", ("max.f32", "min.f32"), None, Wrong),
];

/// The PTX with the fault in it.
fn planted(fault: &Fault) -> Sources {
    let mut sources = Sources::committed();
    let text = match fault.kernel {
        "mel_bands" | "bin_statistics" => &mut sources.levels,
        "greatest_along_bins" | "peaks_along_time" => &mut sources.peaks,
        "nearest_hamming" | "nearest_dot" | "merge_nearest" => &mut sources.search,
        "convolve" => &mut sources.convolve,
        _ => &mut sources.spectrum,
    };
    let begin = text.find(&format!(".entry {}(", fault.kernel)).expect("the kernel is there");
    let end = text[begin..].find("\n}").map_or(text.len(), |len| begin + len);
    let body = &text[begin..end];
    let places: Vec<usize> = body.match_indices(fault.words).map(|(place, _)| place).collect();
    let changed = match fault.nth {
        Some(nth) => {
            let place = *places
                .get(nth)
                .unwrap_or_else(|| panic!("{}: {} has only {}", fault.what, fault.kernel, places.len()));
            format!("{}{}{}", &body[..place], fault.instead, &body[place + fault.words.len()..])
        }
        None => {
            assert!(!places.is_empty(), "{}: no such words in {}", fault.what, fault.kernel);
            body.replace(fault.words, fault.instead)
        }
    };
    *text = format!("{}{changed}{}", &text[..begin], &text[end..]);
    sources
}

/// The laws that run this kernel.
fn tried(cuda: &Cuda, kernel: &str) {
    let dice = &mut Dice(21);
    match kernel {
        "greatest_along_bins" | "peaks_along_time" => {
            for (times, around) in [(2, 5), (1, 40)] {
                laws::picks_as_the_twin(cuda, dice, 9, 70, PeakPlan::new(times, around, 0.5).expect("a plan"));
            }
        }
        "nearest_hamming" | "merge_nearest" => laws::finds_codes_as_the_twin(cuda, dice, 700, 5, 7),
        "nearest_dot" => laws::finds_vectors_as_the_twin(cuda, dice, 264 * 256 * 2, 2, 7),
        "convolve" => (0..6).for_each(|_| laws::convolves_as_the_twin(cuda, dice, &[150, 20])),
        spectrum => {
            let fft_len = spectrum.strip_prefix("spectrum_").and_then(|len| len.parse().ok()).unwrap_or(256);
            // Levels need more than one block of 32 frames.
            let hop = if spectrum.starts_with("spectrum") { fft_len / 2 } else { fft_len / 16 };
            let plan = StftPlan::new(fft_len, hop).expect("a plan");
            laws::hears_as_the_twins(cuda, dice, 2 * fft_len + 100, plan, true);
        }
    }
}

/// One test, for a fault stops the device until its context is given back.
#[test]
fn planted_faults_are_caught() {
    if driver::gpu_is_required() {
        eprintln!("SKIPPED: faults are planted on the interpreter only; a device would let them pass or hang");
        return;
    }
    driver::ready();
    let mut kernels: Vec<&str> = FAULTS.iter().map(|fault| fault.kernel).collect();
    kernels.dedup();
    for kernel in kernels {
        tried(&Cuda::open().expect("the interpreter"), kernel);
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for fault in FAULTS {
        let before = driver::last_fault();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let cuda = Cuda::open_with(&planted(fault)).expect("the self-test passes");
            tried(&cuda, fault.kernel);
        }));
        let stopped = Some(driver::last_fault()).filter(|told| *told != before);
        let good = match (fault.caught, &stopped) {
            (Stopped(words), Some(told)) => told.contains(words) && told.contains(".cu:"),
            (Stopped(_), None) | (Wrong, Some(_)) => false,
            (Wrong | Either, _) => outcome.is_err(),
        };
        if !good {
            missed.push(format!(
                "{} in {}: {:?} was wanted, it was stopped by {stopped:?}, failed {}",
                fault.what,
                fault.kernel,
                fault.caught,
                outcome.is_err()
            ));
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "{} of {} faults are not caught:\n{}", missed.len(), FAULTS.len(), missed.join("\n"));
}
