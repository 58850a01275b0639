//! Known signals: what each number must say of a sine, a loop, noise, a clipped and a half-silent track.

use kernels::cpu::Cpu;

use crate::sound::noise;

use super::*;

const RATE_HZ: u32 = 44_100;

/// Measures a mono signal.
fn measured(mono: &[f32]) -> Sanity {
    measured_at(mono, RATE_HZ)
}

fn measured_at(mono: &[f32], rate_hz: u32) -> Sanity {
    let rms = (mono.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / mono.len().max(1) as f64).sqrt();
    let peak = mono.iter().fold(0.0, |peak: f64, &x| peak.max(f64::from(x.abs())));
    let dc = mono.iter().map(|&x| f64::from(x)).sum::<f64>() / mono.len().max(1) as f64;
    let levels = [ChannelLevel { peak, rms, dc }];
    let secs = mono.len() as f64 / f64::from(rate_hz);
    let sound = Sound { mono, rate_hz, levels: &levels, correlation: None, secs, secs_promised: Some(secs) };
    sanity(&Cpu::new(), &sound).expect("the plan is valid")
}

fn sine(hz: f64, amplitude: f64, secs: f64) -> Vec<f32> {
    let frames = (secs * f64::from(RATE_HZ)) as usize;
    let phase = |n: usize| std::f64::consts::TAU * hz * n as f64 / f64::from(RATE_HZ);
    (0..frames).map(|n| (amplitude * phase(n).sin()) as f32).collect()
}

/// White noise, even in -amplitude..amplitude, from a seed.
fn white(seed: u64, amplitude: f32, secs: f64) -> Vec<f32> {
    let samples = noise::white(seed, (secs * f64::from(RATE_HZ)) as usize);
    samples.into_iter().map(|sample| amplitude * sample).collect()
}

/// White noise through a sum of leaky integrators: -3 dB per octave (Kellet's coefficients).
fn pink(seed: u64, amplitude: f32, secs: f64) -> Vec<f32> {
    let mut b = [0.0_f32; 3];
    let next = |x: f32| {
        b = [0.99765 * b[0] + 0.0990460 * x, 0.96300 * b[1] + 0.2965164 * x, 0.57000 * b[2] + 1.0526913 * x];
        0.2 * (b[0] + b[1] + b[2] + 0.1848 * x)
    };
    white(seed, amplitude, secs).into_iter().map(next).collect()
}

/// Bursts of noise at random levels, another every 50 ms: something with events that never repeats.
fn events(seed: u64, secs: f64) -> Vec<f32> {
    let levels = white(seed + 1, 1.0, secs);
    let burst = |(n, x): (usize, f32)| x * levels[n / 2_205].abs();
    white(seed, 0.5, secs).into_iter().enumerate().map(burst).collect()
}

fn repeated(part: &[f32], times: usize) -> Vec<f32> {
    part.iter().copied().cycle().take(part.len() * times).collect()
}

#[test]
fn silence_is_found_where_it_is() {
    let mut track = vec![0.0; 44_100 * 3];
    track.extend(sine(440.0, 0.3, 10.0));
    track.extend(vec![0.0; 44_100 * 7]);
    let silence = measured(&track).silence;
    let near = |secs: f64, expected: f64| (secs - expected).abs() < 0.05;
    assert!(near(silence.head_secs, 3.0) && near(silence.tail_secs, 7.0), "{silence:?}");
    assert!(near(silence.total_secs, 10.0) && near(silence.longest_secs, 7.0), "{silence:?}");
    assert!((silence.share - 0.5).abs() < 0.01, "{silence:?}");
}

#[test]
fn nothing_at_all_is_all_silence_and_no_number_is_missing() {
    for len in [0, 1, 100, 44_100 * 20] {
        let nothing = measured(&vec![0.0; len]);
        assert!(nothing.silence.share == 1.0 || len < 512, "{len}: {nothing:?}");
        assert!(nothing.flatness.is_finite() && nothing.level_spread_db == 0.0, "{len}: {nothing:?}");
        assert_eq!((nothing.loudness_lufs, nothing.repeats, nothing.cutoff_hz), (None, None, None), "{len}");
        assert_eq!(nothing.clipping.ppm, 0.0);
    }
}

#[test]
fn a_driven_sine_clips_and_a_whole_one_does_not() {
    let whole = sine(997.0, 0.9, 5.0);
    let driven: Vec<f32> = whole.iter().map(|x| (4.0 * x).clamp(-1.0, 1.0)).collect();
    assert_eq!(measured(&whole).clipping.ppm, 0.0);
    let clipping = measured(&driven).clipping;
    // Beyond 1/3.6 of its peak a sine is for 1 - 2/pi * asin(1/3.6) of the time.
    let expected = 1e6 * (1.0 - 2.0 / std::f64::consts::PI * (1.0_f64 / 3.6).asin());
    assert!((clipping.ppm / expected - 1.0).abs() < 0.01, "{clipping:?}, expected {expected}");
    assert!(measured(&driven).complaints(None).iter().any(|complaint| matches!(complaint, Complaint::Clipped(_))));
}

#[test]
fn clipping_equals_its_slow_twin() {
    for seed in 1..20 {
        let driven: Vec<f32> = pink(seed, 1.0, 0.5).iter().map(|x| (3.0 * x).clamp(-0.7, 0.7)).collect();
        let ceiling = 0.999 * driven.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let counts = |n: usize| {
            let side = |n: usize| driven.get(n).map_or(0, |x| i8::from(*x > ceiling) - i8::from(*x < -ceiling));
            let before = (0..n).rev().take_while(|&m| side(m) == side(n)).count();
            let after = (n + 1..driven.len()).take_while(|&m| side(m) == side(n)).count();
            side(n) != 0 && before + after + 1 >= 3
        };
        let clipped = (0..driven.len()).filter(|&n| counts(n)).count();
        assert_eq!(Clipping::of(&driven).ppm, clipped as f64 * 1e6 / driven.len() as f64, "seed {seed}");
    }
}

#[test]
fn a_loop_is_found_with_its_length_and_events_are_none() {
    let part = events(3, 4.0);
    let looped = measured(&repeated(&part, 8)).repeats.expect("long enough");
    assert!(looped.similarity > 0.95, "{looped:?}");
    let turns = looped.lag_secs / 4.0;
    assert!((turns - turns.round()).abs() < 0.03, "{looped:?} is no multiple of 4 s");
    let never = measured(&events(5, 32.0)).repeats.expect("long enough");
    assert!(never.similarity < 0.3, "{never:?}");
    assert_eq!(measured(&sine(440.0, 0.5, 20.0)).repeats, None, "what never changes does not repeat itself");
    assert_eq!(measured(&part).repeats, None, "too short to tell");
}

#[test]
fn noise_is_like_noise_and_music_with_events_is_not() {
    for (name, noise, flat) in [("white", white(7, 0.5, 20.0), 0.9..1.01), ("pink", pink(7, 0.5, 20.0), 0.2..0.8)] {
        let sanity = measured(&noise);
        assert!(flat.contains(&sanity.flatness), "{name}: {sanity:?}");
        let complaints = sanity.complaints(None);
        assert!(complaints.iter().any(|complaint| matches!(complaint, Complaint::NoiseLike(_))), "{name}: {sanity:?}");
    }
    let sanity = measured(&events(9, 20.0));
    assert!(!sanity.complaints(None).iter().any(|c| matches!(c, Complaint::NoiseLike(_))), "{sanity:?}");
    assert!(measured(&sine(440.0, 0.5, 20.0)).flatness < 0.01);
}

#[test]
fn the_end_of_the_treble_is_found() {
    let full = white(11, 0.5, 10.0);
    assert_eq!(measured(&full).cutoff_hz, None);
    for edge_hz in [11_000.0, 16_000.0, 19_000.0] {
        let sanity = measured(&low_passed(&full, edge_hz));
        let cutoff = sanity.cutoff_hz.expect("the treble ends");
        assert!((cutoff - edge_hz).abs() < 500.0, "{edge_hz}: {cutoff}");
        let transcoded = |declared| {
            sanity.complaints(Some(declared)).iter().any(|complaint| matches!(complaint, Complaint::Transcoded(_)))
        };
        assert_eq!(transcoded(Declared::Lossless), edge_hz < 17_500.0, "{edge_hz}");
        assert!(!transcoded(Declared::Lossy { bits_per_sec: 128_000 }), "{edge_hz}");
    }
}

/// Windowed sinc of 511 taps: 90 dB down 500 Hz beyond the edge.
fn low_passed(samples: &[f32], edge_hz: f64) -> Vec<f32> {
    let (taps, cut) = (511_i32, edge_hz / f64::from(RATE_HZ));
    let kernel: Vec<f32> = (0..taps)
        .map(|tap| {
            let x = f64::from(tap - taps / 2);
            let turn = std::f64::consts::TAU * f64::from(tap) / f64::from(taps - 1);
            let blackman = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            let sinc =
                if x == 0.0 { 2.0 * cut } else { (std::f64::consts::TAU * cut * x).sin() / (std::f64::consts::PI * x) };
            (sinc * blackman) as f32
        })
        .collect();
    samples.windows(kernel.len()).map(|window| window.iter().zip(&kernel).map(|(a, b)| a * b).sum()).collect()
}

#[test]
fn loudness_is_what_the_standard_says() {
    // EBU Tech 3341, case 1: a stereo sine of 1000 Hz at -23 dBFS peak in both channels is -23 LUFS.
    let tone = sine(1_000.0, 10.0_f64.powf(-23.0 / 20.0), 20.0);
    let rms = 10.0_f64.powf(-23.0 / 20.0) / 2.0_f64.sqrt();
    let channel = ChannelLevel { peak: rms * 2.0_f64.sqrt(), rms, dc: 0.0 };
    let lufs = |levels: &[ChannelLevel]| {
        let (mono, rate_hz) = (&tone[..], RATE_HZ);
        let sound = Sound { mono, rate_hz, levels, correlation: Some(1.0), secs: 20.0, secs_promised: None };
        sanity(&Cpu::new(), &sound).expect("the plan is valid").loudness_lufs.expect("loud enough")
    };
    assert!((lufs(&[channel; 2]) + 23.0).abs() < 0.1, "{}", lufs(&[channel; 2]));
    // The same in one channel only is 3 dB less.
    assert!((lufs(&[channel]) + 26.0).abs() < 0.1, "{}", lufs(&[channel]));
}

#[test]
fn channels_at_fault_are_named() {
    let live = ChannelLevel { peak: 0.5, rms: 0.1, dc: 0.0 };
    let dead = ChannelLevel::default();
    assert_eq!(Channels::of(&[live, dead], None).dead, 1);
    assert_eq!(Channels::of(&[dead, dead], None).dead, 0);
    let off = ChannelLevel { dc: -0.02, ..live };
    assert_eq!(Channels::of(&[live, off], None).dc_max, 0.02);
    let quiet = ChannelLevel { rms: 0.01, ..live };
    assert!((Channels::of(&[live, quiet], None).imbalance_db - 20.0).abs() < 1e-9);
    assert!(Channels::of(&[], None).imbalance_db == 0.0);
}

#[test]
fn every_rate_gives_every_number() {
    for rate_hz in [4_000, 8_000, 22_050, 48_000, 96_000, 192_000] {
        let samples = &events(13, 20.0)[..(20 * rate_hz as usize).min(20 * 44_100)];
        let sanity = measured_at(samples, rate_hz);
        assert!(sanity.flatness.is_finite() && sanity.silence.share < 0.5, "{rate_hz}: {sanity:?}");
    }
}
