//! The laws of timbre: loudness does not change it, silence has none, and a recording is heard to its end.

use kernels::cpu::Cpu;

use super::*;
use crate::sound::noise::white;

/// Chords of three tones that change twice a second.
fn chords(seconds: usize, root_hz: f64) -> Vec<f32> {
    let tone = |n: usize, hz: f64| (std::f64::consts::TAU * hz * n as f64 / f64::from(RATE_HZ)).sin();
    let step = |n: usize| [1.0, 1.2, 1.5, 0.8][n / (RATE_HZ as usize / 2) % 4];
    let chord = |n: usize| [1.0, 1.26, 1.5].iter().map(|interval| tone(n, root_hz * interval * step(n))).sum::<f64>();
    (0..seconds * RATE_HZ as usize).map(|n| (0.2 * chord(n)) as f32).collect()
}

fn timbre(samples: &[f32]) -> Option<Timbre> {
    let (ear, kernels) = (Ear::default(), Cpu::with_threads(1).expect("a thread"));
    let windows = ear.windows(&kernels, samples).expect("windows");
    ear.timbre(&kernels, &windows).expect("a timbre")
}

#[test]
fn loudness_and_a_little_noise_do_not_change_what_it_sounds_like() {
    let music = chords(12, 220.0);
    let own = timbre(&music).expect("a timbre");
    let softer: Vec<f32> = music.iter().map(|sample| 0.3 * sample).collect();
    let noisy: Vec<f32> =
        music.iter().zip(white(7, music.len())).map(|(sample, noise)| sample + 0.001 * noise).collect();
    let alike = |samples: &[f32]| own.likeness(&timbre(samples).expect("a timbre"));
    assert!(alike(&softer) > 0.98, "{}", alike(&softer));
    let hiss = alike(&white(3, 12 * RATE_HZ as usize));
    assert!(alike(&noisy) > hiss + 0.2, "{} against {hiss}", alike(&noisy));
}

#[test]
fn what_is_silent_or_too_short_has_no_timbre_and_no_voice() {
    let (ear, kernels) = (Ear::default(), Cpu::with_threads(1).expect("a thread"));
    for samples in [Vec::new(), vec![0.0; 20], vec![0.0; 160_000], chords(1, 220.0)[..8_000].to_vec()] {
        let windows = ear.windows(&kernels, &samples).expect("windows");
        assert_eq!(ear.timbre(&kernels, &windows).expect("an answer"), None);
        assert_eq!(ear.voice(&kernels, &windows).expect("an answer"), None);
    }
}

#[test]
fn windows_cover_a_recording_to_its_end() {
    let kernels = Cpu::with_threads(1).expect("a thread");
    let ear = Ear::default();
    let count = |samples: usize| ear.windows(&kernels, &chords(20, 200.0)[..samples]).expect("windows").len();
    let window = (WINDOW_SECS * RATE_HZ as f32) as usize;
    // A frame reaches beyond its step: a second window begins where a step more fits.
    assert_eq!(
        [window / 2, window + 512, window + 4_000, 2 * window + 512, 2 * window + 4_000].map(count),
        [1, 1, 2, 2, 3]
    );
    let last = ear.windows(&kernels, &chords(20, 200.0)[..window + 4_000]).expect("windows");
    assert!(last.iter().all(|window| window.frames == WINDOW_STEPS && window.channels == BANDS));
}

#[test]
fn of_a_long_recording_three_excerpts_are_heard() {
    for samples in [0, 1, 86 * 16_000] {
        assert_eq!(excerpts(samples, 16_000), std::slice::from_ref(&(0..samples)));
    }
    for (secs, rate_hz) in [(87, 16_000), (100, 44_100), (3_600, 48_000), (761, 4_000)] {
        let samples = secs * rate_hz as usize;
        let parts = excerpts(samples, rate_hz);
        assert!(parts.len() == 3 && parts.windows(2).all(|pair| pair[0].end <= pair[1].start), "{parts:?}");
        assert!(parts[2].end <= samples && parts.iter().all(|part| part.len() == (28.7 * f64::from(rate_hz)) as usize));
    }
}
