//! Small worlds: noise, noise with lines, loops in tempo, notes; and real songs of a generator where they are at hand.

use std::f64::consts::TAU;

use kernels::cpu::Cpu;

use crate::sound::noise;

use super::*;

const RATE_HZ: u32 = 44_100;
const SECS: usize = 20;

fn heard(samples: &[f32]) -> Synthesis {
    synthesis(&Cpu::new(), samples, RATE_HZ).expect("the plan is valid")
}

/// Something like music: a bass-heavy noise whose level changes five times a second, over a little white noise.
fn music(seed: u64) -> Vec<f32> {
    let len = SECS * RATE_HZ as usize;
    let levels = noise::white(seed + 1_000, len);
    let mut bass = 0.0_f32;
    let mut music = noise::white(seed, len);
    for (n, sample) in music.iter_mut().enumerate() {
        let level = 0.3 + 0.7 * levels[n / 8_820].abs();
        bass = 0.98 * bass + 0.02 * *sample;
        *sample = level * (3.0 * bass + 0.02 * *sample);
    }
    music
}

/// One period of a function of phase 0..1 through a table, at so many Hz.
fn periodic(hz: f64, wave: impl Fn(f64) -> f64) -> Vec<f32> {
    const TABLE: usize = 1 << 16;
    let table: Vec<f32> = (0..TABLE).map(|n| wave(n as f64 / TABLE as f64) as f32).collect();
    let at = |n: usize| table[((n as f64 * hz / f64::from(RATE_HZ)).fract() * TABLE as f64) as usize % TABLE];
    (0..SECS * RATE_HZ as usize).map(at).collect()
}

/// Lines at every multiple of the spacing from 1 to 16 kHz, all alike, phases by number.
fn lines(spacing_hz: f64) -> Vec<f32> {
    lines_within(1_000.0..16_000.0, spacing_hz)
}

fn lines_within(band_hz: Range<f64>, spacing_hz: f64) -> Vec<f32> {
    let (first, last) = ((band_hz.start / spacing_hz) as usize, (band_hz.end / spacing_hz) as usize);
    let line = |n: usize, phase: f64| (TAU * (n as f64 * phase + (n * n) as f64 * 0.37)).sin();
    periodic(spacing_hz, |phase| (first..=last).map(|n| line(n, phase)).sum())
}

fn mixed(music: &[f32], added: &[f32], share: f32) -> Vec<f32> {
    music.iter().zip(added).map(|(music, added)| music + share * added).collect()
}

#[test]
fn lines_below_the_music_are_found_with_their_spacing() {
    // All lines together hold a fortieth of the power of the music; one stands some dB over the noise between it and the next.
    let spacing = Lattice { rate_hz: 44_100, stride: 512 }.spacing_hz();
    let found = heard(&mixed(&music(1), &lines(spacing), 1e-3));
    assert_eq!(found.tier, Tier::Certain, "{found:?}");
    let trace = found.trace.expect("a comb was found");
    assert_eq!(trace.lattice, Lattice { rate_hz: 44_100, stride: 512 });
    assert!((trace.spacing_hz / spacing - 1.0).abs() < 2e-5, "{trace:?}");
    assert!(trace.is_as_made() && trace.teeth_raised > trace.teeth / 2, "{trace:?}");
    assert!(trace.in_words().starts_with("lines every 86.13 Hz = 44100/512, "), "{}", trace.in_words());
}

#[test]
fn lines_at_another_speed_are_found_with_the_speed() {
    for scale in [0.999, 1.001, 0.98, 1.02, 2.0_f64.powf(0.5 / 12.0), 2.0_f64.powf(-1.0 / 12.0)] {
        let found = heard(&mixed(&music(2), &lines(scale * 44_100.0 / 512.0), 1e-3));
        let trace = found.trace.expect("a comb was found");
        assert_eq!(found.tier, Tier::Certain, "{scale}: {found:?}");
        let spacing = scale * 44_100.0 / 512.0;
        assert!((trace.spacing_hz / spacing - 1.0).abs() < 5e-5, "{scale}: {trace:?}");
        assert!(!trace.is_as_made(), "{scale}: {trace:?}");
    }
}

#[test]
fn what_has_no_lines_has_no_evidence() {
    for seed in 1..6 {
        let found = heard(&music(seed));
        assert_eq!(found.tier, Tier::None, "seed {seed}: {found:?}");
        let found = heard(&noise::white(seed, SECS * RATE_HZ as usize));
        assert_eq!(found.tier, Tier::None, "seed {seed}, white: {found:?}");
    }
}

#[test]
fn a_loop_in_tempo_has_lines_everywhere_and_is_none() {
    // 16th notes at 120 beats a minute: lines every 8 Hz, so combs at 72, 80 and 88 Hz, sample by sample the same.
    for period in [5_512, 5_000, 7_350] {
        let part = noise::white(3, period);
        let looped: Vec<f32> = (0..SECS * RATE_HZ as usize)
            .map(|n| part[n % period] * (1.0 - (n % period) as f32 / period as f32))
            .collect();
        let found = heard(&mixed(&music(4), &looped, 0.3));
        assert_eq!(found.tier, Tier::None, "{period}: {found:?}");
    }
}

#[test]
fn a_held_note_comes_out_of_the_bass_and_is_none() {
    for hz in [82.41, 87.31, 92.50, 98.00] {
        let saw = periodic(hz, |phase| 1.0 - 2.0 * phase);
        let found = heard(&mixed(&music(5), &saw, 0.1));
        assert_eq!(found.tier, Tier::None, "{hz} Hz: {found:?}");
    }
}

#[test]
fn lines_that_come_and_go_are_a_note() {
    // Its bass is covered by the music, so that is no help. A decoder's lines of the same power on average are there all the time.
    let lines = lines(98.0);
    for share in [0.2, 0.4] {
        let is_on = |n: usize| (n as f64 / (8.0 * f64::from(RATE_HZ))).fract() < share;
        let note: Vec<f32> = lines.iter().enumerate().map(|(n, &x)| if is_on(n) { x } else { 0.0 }).collect();
        let found = heard(&mixed(&music(10), &note, 3e-3));
        assert_eq!(found.tier, Tier::None, "{share}: {found:?}");
    }
    assert_eq!(heard(&mixed(&music(10), &lines, 1e-3)).tier, Tier::Certain);
}

#[test]
fn lines_of_a_note_are_no_lines_at_a_fifth_of_it() {
    let evenness = |spacing_hz: f64| {
        let levels = Levels::of(&Cpu::new(), &mixed(&music(11), &lines(spacing_hz), 1e-3), RATE_HZ);
        Relief::of(&levels.expect("the plan is valid")).evenness(40.0)
    };
    assert!(evenness(40.0) > 0.9, "{}", evenness(40.0));
    for times in [2.0, 3.0, 5.0, 10.0] {
        assert!(evenness(times * 40.0) < 0.1, "{times}: {}", evenness(times * 40.0));
    }
}

#[test]
fn a_buzz_is_heard_where_something_resonates_and_is_none() {
    // As a wire in the wind or a motor on a board: the bass is empty, the lines never cease, and they end within an octave or so.
    for spacing_hz in [50.0, 86.13, 100.0] {
        let buzz = heard(&mixed(&music(12), &lines_within(2_500.0..5_500.0, spacing_hz), 3e-3));
        assert!(buzz.tier < Tier::Likely, "{spacing_hz}: {buzz:?}");
        let everywhere = heard(&mixed(&music(12), &lines(spacing_hz), 1e-3));
        assert_eq!(everywhere.tier, Tier::Certain, "{spacing_hz}: {everywhere:?}");
        assert!(everywhere.trace.is_some_and(|trace| trace.breadth > 0.8), "{everywhere:?}");
    }
}

#[test]
fn too_short_and_too_dull_is_unsure() {
    let short = &music(6)[..5 * RATE_HZ as usize];
    assert_eq!((heard(short).tier, heard(short).unheard), (Tier::Unsure, Some(Unheard::TooShort)));
    let dull = synthesis(&Cpu::new(), &music(7)[..20 * 11_025], 11_025).expect("the plan is valid");
    assert_eq!((dull.tier, dull.unheard), (Tier::Unsure, Some(Unheard::BandLimited)));
}

#[test]
fn windows_cover_a_long_recording_and_leave_a_short_one_whole() {
    let of = |secs: usize| windows(secs * 100, 100).into_iter().map(|part| (part.start / 100, part.end / 100));
    for secs in [0, 1, 60, 120] {
        assert_eq!(of(secs).collect::<Vec<_>>(), [(0, secs)]);
    }
    // Less than 8 s at each end shows nothing.
    assert_eq!(of(134).collect::<Vec<_>>(), [(7, 127)]);
    assert_eq!(of(180).collect::<Vec<_>>(), [(30, 150), (0, 30), (150, 180)]);
    assert_eq!(of(400).collect::<Vec<_>>(), [(140, 260), (0, 70), (70, 140), (260, 330), (330, 400)]);
    for secs in 137..900 {
        let mut parts: Vec<_> = windows(secs * 100, 100);
        assert!(parts.iter().all(|part| part.len() <= 12_000));
        parts.sort_by_key(|part| part.start);
        assert!(parts[0].start == 0 && parts[parts.len() - 1].end == secs * 100);
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}

#[test]
fn lines_before_or_behind_the_middle_are_found_and_said_where() {
    // Nearly four minutes of which the last minute and a half come from a decoder: a third of the middle two, and all behind them.
    let spacing = 44_100.0 / 512.0;
    let long = |sound: Vec<f32>, secs: usize| -> Vec<f32> {
        sound.iter().cycle().take(secs * RATE_HZ as usize).copied().collect()
    };
    let human = long([music(21), music(22), music(23)].concat(), 130);
    let decoded = long(mixed(&music(24), &lines(spacing), 2e-3), 90);
    let found = heard(&[human.clone(), decoded].concat());
    assert_eq!((found.tier, found.windows), (Tier::Certain, 3), "{found:?}");
    assert!((found.from_secs - 170.0).abs() < 0.1 && (found.window_secs - 50.0).abs() < 0.1, "{found:?}");
    assert!((found.secs - 220.0).abs() < 0.1, "{found:?}");
    assert!((found.trace.expect("a comb").spacing_hz / spacing - 1.0).abs() < 5e-5, "{found:?}");
    // Without it there is nothing, and what is silent was not heard.
    let half = heard(&[vec![0.0; 100 * RATE_HZ as usize], human].concat());
    assert!(half.tier == Tier::None && (half.secs - 175.0).abs() < 0.1, "{half:?}");
    let silent = heard(&vec![0.0; 130 * RATE_HZ as usize]);
    assert_eq!((silent.tier, silent.unheard, silent.secs), (Tier::Unsure, Some(Unheard::Silent), 0.0));
}

#[test]
fn beside_the_middle_more_evidence_is_asked_for() {
    let levels = Levels::of(&Cpu::new(), &mixed(&music(1), &lines(86.13), 1e-3), RATE_HZ).expect("the plan is valid");
    let evidence = judged(&levels, 20.0, 0.0).evidence;
    let tier = |more: f64| judged(&levels, 20.0, more).tier;
    assert_eq!(tier(evidence - calibration::CERTAIN - 0.01), Tier::Certain);
    assert_eq!(tier(evidence - calibration::CERTAIN + 0.01), Tier::Likely);
    assert_eq!(tier(evidence - calibration::LIKELY + 0.01), Tier::None);
    // No recording that has no window beside the middle is judged otherwise than before.
    assert_eq!(
        heard(&music(1)),
        Synthesis { windows: 1, ..judged(&Levels::of(&Cpu::new(), &music(1), RATE_HZ).expect("a plan"), 20.0, 0.0) }
    );
}

#[test]
fn loudness_does_not_matter() {
    let loud = mixed(&music(8), &lines(86.5), 1e-3);
    let quiet: Vec<f32> = loud.iter().map(|sample| sample * 0.01).collect();
    let (loud, quiet) = (heard(&loud), heard(&quiet));
    assert!((loud.evidence - quiet.evidence).abs() < 0.05 * loud.evidence, "{loud:?} {quiet:?}");
}

#[test]
fn nothing_and_everything_is_survived() {
    let worlds =
        [vec![], vec![0.0; 1], vec![0.0; 700_000], vec![f32::NAN; 300_000], vec![1.0; 300_000], vec![1e30; 300_000]];
    for samples in &worlds {
        for rate_hz in [1, 4_000, 8_000, 44_100, 96_000, 192_000, u32::MAX] {
            let found = synthesis(&Cpu::new(), samples, rate_hz).expect("the plan is valid");
            assert!(found.evidence.is_finite() && found.tier != Tier::Certain, "{rate_hz}: {found:?}");
        }
    }
}

/// A height again, written to be read.
fn height_twin(levels: &Levels, relief: &[f32], spacing_hz: f64) -> f64 {
    let frequency = |column: usize| (levels.first_bin + column) as f64 * levels.hz_per_bin;
    let column = |hz: f64| (hz / levels.hz_per_bin).round() as usize - levels.first_bin;
    let band: Vec<f64> = (0..relief.len())
        .filter(|&column| frequency(column + 1) > 2_500.0 && frequency(column + 1) <= 15_990.0)
        .map(|column| f64::from(relief[column]))
        .collect();
    let mean = band.iter().sum::<f64>() / band.len() as f64;
    let spread = (band.iter().map(|relief| (relief - mean).powi(2)).sum::<f64>() / band.len() as f64).sqrt();
    let teeth: Vec<f64> = (1..1_000)
        .map(|tooth| f64::from(tooth) * spacing_hz)
        .filter(|hz| (2_500.0..=15_990.0).contains(hz))
        .map(|hz| f64::from(relief[column(hz)]))
        .collect();
    let over: f64 = teeth.iter().map(|tooth| tooth - mean).sum();
    over / (spread * (teeth.len() as f64).sqrt())
}

#[test]
fn heights_equal_their_slow_twin() {
    let samples = mixed(&music(9), &lines(50.7), 1e-3);
    let levels = Levels::of(&Cpu::new(), &samples, RATE_HZ).expect("the plan is valid");
    let relief = levels.relief();
    for (spacing, height) in Relief::of(&levels).heights([25.3, 50.7, 75.0, 86.1328, 333.3].into_iter()) {
        let twin = height_twin(&levels, &relief, spacing);
        assert!((height - twin).abs() < 0.02 * twin.abs().max(1.0), "{spacing}: {height}, twin {twin}");
    }
}

#[test]
fn real_songs_of_a_generator_are_certain() {
    let shared = std::env::var("TRUESTREAM_SHARED_DATA")
        .unwrap_or_else(|_| format!("{}/../../shared/data", env!("CARGO_MANIFEST_DIR")));
    let songs = ["GeneralSongs_black_metal", "GeneralSongs_disco", "MultipleLang_french_pop"];
    for song in songs {
        let path = format!("{shared}/ai-music/{song}.opus");
        let Ok(file) = std::fs::File::open(&path) else {
            eprintln!("SKIPPED: {path} is not here");
            return;
        };
        let clip = datasets::audio::decode(file, &datasets::audio::Limits::default()).expect("it plays");
        let found = synthesis(&Cpu::new(), &clip.samples, clip.facts.rate_hz).expect("the plan is valid");
        assert_eq!(found.tier, Tier::Certain, "{song}: {found:?}");
        assert_eq!(found.trace.map(|trace| trace.lattice), Some(Lattice { rate_hz: 44_100, stride: 512 }), "{song}");
    }
}
