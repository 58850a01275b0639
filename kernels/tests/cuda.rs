//! The CUDA back-end against the same twins and the same laws as the CPU, on the interpreter or a device.

#[cfg(feature = "cuda")]
mod driver;
#[cfg(feature = "cuda")]
mod laws;
#[cfg(feature = "cuda")]
mod twins;

#[cfg(not(feature = "cuda"))]
#[test]
fn cuda_is_not_built() {
    use std::io::Write;
    writeln!(std::io::stderr(), "SKIPPED: CUDA conformance; cargo test -p kernels --features cuda").expect("stderr");
}

#[cfg(feature = "cuda")]
mod with_cuda {
    use kernels::cpu::Cpu;
    use kernels::cuda::{Cuda, FFT_LENS};
    use kernels::{AudioKernels, Decibels, Heard, KernelError, PeakPlan, Samples, StftPlan, Vectors, Wanted, Window};

    use crate::laws::Dice;
    use crate::{driver, laws};

    fn cuda() -> Cuda {
        driver::ready();
        Cuda::open().expect("a device or its interpreter")
    }

    /// The interpreter does some tens of millions of instructions a second; a device takes ten times the worlds.
    fn rounds(few: u64) -> u64 {
        if driver::gpu_is_required() { 10 * few } else { few }
    }

    #[test]
    fn cuda_hears_as_the_twins() {
        let cuda = cuda();
        for fft_len in FFT_LENS.into_iter().filter(|fft_len| *fft_len <= 4096) {
            for round in 0..rounds(1) {
                let seed = fft_len as u64 + round;
                let dice = &mut Dice(seed);
                let windows = [Window::Hann, Window::Hamming, Window::Rectangle];
                let plan = StftPlan::new(fft_len, 1 + fft_len / 3).expect("a plan").with_window(windows[dice.below(3)]);
                let len = fft_len + dice.below(2 * fft_len);
                laws::hears_as_the_twins(&cuda, dice, len, plan, fft_len <= 512);
            }
        }
    }

    #[test]
    fn cuda_hears_the_longest_frames_as_the_twins() {
        for fft_len in [8192, 16_384] {
            let plan = StftPlan::new(fft_len, fft_len / 2).expect("a plan");
            laws::hears_as_the_twins(&cuda(), &mut Dice(7), fft_len + 100, plan, false);
        }
    }

    #[test]
    fn frames_without_a_kernel_of_their_own_are_heard_too() {
        for (fft_len, hop, len) in [(16, 5, 300), (32, 32, 100), (128, 50, 400), (32_768, 20_000, 53_000)] {
            let plan = StftPlan::new(fft_len, hop).expect("a plan");
            laws::hears_as_the_twins(&cuda(), &mut Dice(9), len, plan, fft_len == 32);
        }
    }

    #[test]
    fn one_frame_and_one_sample_less_or_more() {
        let cuda = cuda();
        let plan = StftPlan::new(256, 100).expect("a plan");
        for len in [0, 1, 255, 256, 257, 355, 356] {
            laws::hears_as_the_twins(&cuda, &mut Dice(len as u64), len, plan, false);
            laws::hears_as_the_twins(&cuda, &mut Dice(len as u64), len, plan, true);
        }
    }

    #[test]
    fn long_clips_join_blocks_of_statistics_as_the_cpu_does() {
        let plan = StftPlan::new(256, 64).expect("a plan");
        laws::hears_as_the_twins(&cuda(), &mut Dice(11), 256 + 64 * 70, plan, false);
    }

    #[test]
    fn cuda_picks_as_the_twin() {
        let cuda = cuda();
        for seed in 0..rounds(12) {
            let dice = &mut Dice(seed);
            let (frames, bins) = (dice.below(20), dice.below(40) + if seed % 4 == 0 { 250 } else { 0 });
            let plan = PeakPlan::new(dice.below(6), dice.below(30), [0.5, -1.0, 1.5][dice.below(3)]).expect("a plan");
            laws::picks_as_the_twin(&cuda, dice, frames, bins, plan);
        }
        laws::picks_as_the_twin(&cuda, &mut Dice(3), 3, 600, PeakPlan::new(1024, 1024, 0.0).expect("a plan"));
    }

    #[test]
    fn cuda_finds_codes_as_the_twin() {
        let cuda = cuda();
        for seed in 0..rounds(6) {
            let dice = &mut Dice(seed);
            let (rows, words, k) = (dice.below(1200), 1 + dice.below(6), dice.below(60));
            laws::finds_codes_as_the_twin(&cuda, dice, rows, words, k);
        }
        laws::finds_codes_as_the_twin(&cuda, &mut Dice(1), 700, 4, 128);
        laws::finds_codes_as_the_twin(&cuda, &mut Dice(1), 3, 4, 10);
    }

    #[test]
    fn cuda_finds_vectors_as_the_twin() {
        let cuda = cuda();
        for seed in 0..rounds(4) {
            let dice = &mut Dice(seed);
            let (rows, dimensions, k) = (dice.below(800), 1 + dice.below(100), dice.below(30));
            laws::finds_vectors_as_the_twin(&cuda, dice, rows, dimensions, k);
        }
        laws::equal_scores_come_by_index(&cuda);
    }

    #[test]
    fn cuda_convolves_as_the_twin() {
        let cuda = cuda();
        for seed in 0..rounds(8) {
            let dice = &mut Dice(seed);
            let frames = [dice.below(300), dice.below(40), 0, 1];
            laws::convolves_as_the_twin(&cuda, dice, &frames);
        }
        laws::convolves_as_the_twin(&cuda, &mut Dice(1), &[0, 0]);
        laws::convolves_as_the_twin(&cuda, &mut Dice(2), &[]);
    }

    /// Many small groups, kinds of samples in turn, so that both streams and both pinned buffers are used again and again.
    #[test]
    fn groups_come_back_in_order() {
        let cuda = cuda();
        let plan = StftPlan::new(256, 128).expect("a plan");
        let floats: Vec<Vec<f32>> = (0..9).map(|seed| Dice(seed).waves(200 + 90 * seed as usize)).collect();
        let words: Vec<Vec<i16>> =
            floats.iter().map(|clip| clip.iter().map(|sample| (sample * 32767.0) as i16).collect()).collect();
        let batch: Vec<Samples<'_>> =
            floats.iter().zip(&words).flat_map(|(float, word)| [Samples::F32(float), Samples::I16(word)]).collect();
        let wanted = Wanted {
            statistics: Some(Decibels::over(1e-9).expect("a floor")),
            peaks: Some(PeakPlan::new(2, 5, 0.1).expect("a plan")),
            ..Wanted::default()
        };
        let on_cuda = cuda.hear(&batch, &plan, &wanted).expect("heard");
        let on_cpu = Cpu::new().hear(&batch, &plan, &wanted).expect("heard");
        let frames = |heard: &[Heard]| heard.iter().map(|clip| clip.frames).collect::<Vec<_>>();
        assert_eq!(frames(&on_cuda), frames(&on_cpu));
        for (cuda, cpu) in on_cuda.iter().zip(&on_cpu) {
            let means = |clip: &Heard| clip.statistics.as_ref().expect("statistics").mean_db.clone();
            assert!(
                means(cuda).iter().zip(means(cpu)).all(|(cuda, cpu)| (cuda - cpu).abs() < 1e-3 * cpu.abs().max(1.0))
            );
            let places = |clip: &Heard| -> Vec<(u32, u32)> {
                clip.peaks.iter().flatten().map(|peak| (peak.frame, peak.bin)).collect()
            };
            assert_eq!(places(cuda), places(cpu));
        }
    }

    /// No answer may hang on which block runs first.
    #[test]
    fn the_order_of_blocks_changes_nothing() {
        if driver::gpu_is_required() {
            return;
        }
        let cuda = cuda();
        let world = || {
            let dice = &mut Dice(5);
            let clip = dice.waves(3000);
            let plan = StftPlan::new(512, 100).expect("a plan");
            let wanted = Wanted {
                power: true,
                peaks: Some(PeakPlan::new(3, 4, 0.5).expect("a plan")),
                statistics: Some(Decibels::over(1e-9).expect("a floor")),
                ..Wanted::default()
            };
            let heard = cuda.hear(&[clip[..].into()], &plan, &wanted).expect("heard");
            let (rows, query) = (dice.waves(600 * 8), dice.waves(8));
            let vectors = Vectors::new(&rows, 8).expect("vectors");
            (heard, cuda.nearest_dot(vectors, Vectors::new(&query, 8).expect("a query"), 9).expect("neighbours"))
        };
        let forwards = world();
        driver::run_blocks_backwards(true);
        let backwards = world();
        driver::run_blocks_backwards(false);
        assert_eq!(forwards, backwards);
    }

    #[test]
    fn misfits_are_refused_and_so_is_what_there_is_no_kernel_for() {
        let cuda = cuda();
        laws::misfits_are_refused(&cuda);
        let odd = StftPlan::new(1000, 100).expect("a plan");
        assert!(matches!(cuda.power(&[[0.0f32][..].into()], &odd), Err(KernelError::Unsupported { .. })));
        let values = vec![0.0; 4000];
        let wide = Vectors::new(&values, 4000).expect("vectors");
        assert!(matches!(cuda.nearest_dot(wide, wide, 1), Err(KernelError::Unsupported { .. })));
        let many = Vectors::new(&values, 1).expect("vectors");
        assert!(matches!(cuda.nearest_dot(many, many, 129), Err(KernelError::Unsupported { .. })));
    }

    /// The committed PTX is of the committed source.
    #[test]
    fn ptx_is_made_of_its_source() {
        use sha2::Digest;
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for stem in ["spectrum", "levels", "peaks", "search", "convolve"] {
            let source = std::fs::read(root.join(format!("cu/{stem}.cu"))).expect("a source");
            let ptx = std::fs::read_to_string(root.join(format!("ptx/{stem}.ptx"))).expect("its PTX");
            let hash: String = sha2::Sha256::digest(&source).iter().map(|byte| format!("{byte:02x}")).collect();
            let head = format!("// made of {stem}.cu by ptx.sh; sha256 {hash}\n");
            assert!(ptx.starts_with(&head), "ptx/{stem}.ptx is not made of cu/{stem}.cu; run ptx.sh");
        }
    }
}
