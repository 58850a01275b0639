//! The CPU back-end against the slow twins, over random worlds.

mod laws;
mod twins;

use kernels::cpu::Cpu;
use kernels::{PeakPlan, Samples, StftPlan, Wanted, Window};
use laws::Dice;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_cpu_hears_as_the_twins(
        seed: u64, len in 0usize..5000, fft_len in prop::sample::select(vec![16usize, 64, 250, 256, 1024, 2048]),
        hop in 50usize..700, centred: bool, window in prop::sample::select(vec![Window::Hann, Window::Hamming, Window::Rectangle]),
    ) {
        let plan = StftPlan::new(fft_len, hop).expect("a plan").with_window(window);
        laws::hears_as_the_twins(&Cpu::new(), &mut Dice(seed), len, plan, centred);
    }

    #[test]
    fn the_cpu_picks_as_the_twin(
        seed: u64, frames in 0usize..30, bins in 0usize..60, times in 0usize..12, around in 0usize..40, floor in -1.0f32..2.5,
    ) {
        let plan = PeakPlan::new(times, around, floor).expect("a plan");
        laws::picks_as_the_twin(&Cpu::new(), &mut Dice(seed), frames, bins, plan);
    }

    #[test]
    fn the_cpu_finds_codes_as_the_twin(seed: u64, rows in 0usize..3000, words in 1usize..9, k in 0usize..40) {
        laws::finds_codes_as_the_twin(&Cpu::new(), &mut Dice(seed), rows, words, k);
    }

    #[test]
    fn the_cpu_finds_vectors_as_the_twin(seed: u64, rows in 0usize..2000, dimensions in 1usize..140, k in 0usize..40) {
        laws::finds_vectors_as_the_twin(&Cpu::new(), &mut Dice(seed), rows, dimensions, k);
    }

    #[test]
    fn the_cpu_convolves_as_the_twin(seed: u64, frames in prop::collection::vec(0usize..200, 0..4)) {
        laws::convolves_as_the_twin(&Cpu::new(), &mut Dice(seed), &frames);
    }
}

#[test]
fn one_frame_and_one_sample_less_or_more() {
    let plan = StftPlan::new(256, 100).expect("a plan");
    for len in [0, 1, 99, 100, 128, 255, 256, 257, 355, 356, 357] {
        for centred in [false, true] {
            laws::hears_as_the_twins(&Cpu::new(), &mut Dice(len as u64), len, plan, centred);
        }
    }
}

#[test]
fn the_longest_plan_of_the_detectors_agrees() {
    let plan = StftPlan::new(16_384, 8192).expect("a plan");
    laws::hears_as_the_twins(&Cpu::new(), &mut Dice(3), 40_000, plan, false);
}

#[test]
fn misfits_are_refused() {
    laws::misfits_are_refused(&Cpu::new());
    laws::equal_scores_come_by_index(&Cpu::new());
}

#[test]
fn a_constant_spectrogram_has_one_peak_per_reach_and_is_quick() {
    let cells = kernels::Spectrogram { frames: 600, bins: 1025, power: vec![1.0; 600 * 1025] };
    let plan = PeakPlan::new(50, 100, 0.0).expect("a plan");
    let start = std::time::Instant::now();
    let peaks = kernels::AudioKernels::peaks(&Cpu::new(), &cells, &plan).expect("peaks");
    // Of equal cells only the very first has no equal before it.
    assert_eq!((peaks.len(), peaks[0].frame, peaks[0].bin), (1, 0, 0));
    assert!(start.elapsed().as_secs() < 20, "ties must not cost a rectangle each");
}

#[test]
fn threads_change_nothing() {
    let clips: Vec<Vec<f32>> = (0..9).map(|seed| Dice(seed).waves(4000)).collect();
    let batch: Vec<Samples<'_>> = clips.iter().map(|clip| Samples::F32(clip)).collect();
    let plan = StftPlan::new(1024, 256).expect("a plan");
    let wanted = Wanted { power: true, peaks: Some(PeakPlan::new(3, 9, 1.0).expect("a plan")), ..Wanted::default() };
    let heard = |cpu: Cpu| kernels::AudioKernels::hear(&cpu, &batch, &plan, &wanted).expect("heard");
    let one = heard(Cpu::with_threads(1).expect("a pool"));
    assert_eq!(one, heard(Cpu::with_threads(4).expect("a pool")));
    assert_eq!(one, heard(Cpu::new()));
    assert!(Cpu::with_threads(0).is_err());
}
