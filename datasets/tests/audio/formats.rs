//! Every codec gives back what was put into it.

use std::f64::consts::TAU;
use std::io::Cursor;

use datasets::audio::{Cause, Clip, Limits, decode};

use crate::waves::{encoded, tones, wav};

fn clip(bytes: Vec<u8>) -> Clip {
    decode(Cursor::new(bytes), &Limits::default()).unwrap_or_else(|why| panic!("{why}"))
}

/// How strong a frequency is in the samples, as the amplitude of a sine.
fn amplitude(samples: &[f32], rate_hz: u32, hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = TAU * hz * n as f64 / f64::from(rate_hz);
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    2.0 * re.hypot(im) / samples.len() as f64
}

#[test]
fn every_codec_is_read() {
    let expected = [
        ("alac.m4a", "isomp4", "alac", 2, 44_100),
        ("tone.aac", "aac", "aac", 2, 44_100),
        ("tone.aiff", "aiff", "pcm_s16be", 2, 8_000),
        ("tone.flac", "flac", "flac", 2, 44_100),
        ("tone.m4a", "isomp4", "aac", 2, 44_100),
        ("tone.mp3", "mp3", "mp3", 2, 44_100),
        ("tone.ogg", "ogg", "vorbis", 2, 44_100),
        ("tone.opus", "ogg", "opus", 2, 48_000),
        ("voice.opus", "ogg", "opus", 1, 48_000),
    ];
    let files: Vec<_> = encoded().into_iter().filter(|(name, _)| name != "surround.opus").collect();
    assert_eq!(files.len(), expected.len());
    for ((name, bytes), (wanted, container, codec, channels, rate_hz)) in files.into_iter().zip(expected) {
        let size = bytes.len() as u64;
        let clip = clip(bytes);
        let facts = &clip.facts;
        assert_eq!(name, wanted);
        let found = (facts.container.as_str(), facts.codec.as_str(), facts.channels, facts.rate_hz);
        assert_eq!(found, (container, codec, channels, rate_hz), "{name}");
        assert_eq!((facts.packets_bad, facts.bytes, facts.wild_values), (0, size, 0), "{name}: {facts:?}");
        assert!(clip.is_whole() && !facts.is_cut, "{name}: {facts:?}");
        // AAC in a raw stream tells neither its delay nor its padding; of Opus the demuxer leaves the pre-skip at the end.
        let slack = match name.rsplit('.').next() {
            Some("aac" | "m4a") => 0.06,
            Some("opus") => 0.01,
            _ => 0.002,
        };
        assert!((clip.seconds() - 1.5).abs() < slack, "{name}: {} s", clip.seconds());
        // The mean of all channels: each tone by its share.
        let inner = &clip.samples[rate_hz as usize / 5..rate_hz as usize * 6 / 5];
        let share = |amplitude: f64| amplitude / f64::from(channels.max(2));
        // At 10 kbit/s Opus makes the tones a third louder; ffmpeg decodes the same file to the same amplitudes.
        let off = if name == "voice.opus" { 0.35 } else { 0.12 };
        for (hz, expected) in [(440.0, share(0.4)), (660.0, share(0.3))] {
            let found = amplitude(inner, rate_hz, hz);
            assert!((found / expected - 1.0).abs() < off, "{name}: {hz} Hz at {found}, put in at {expected}");
        }
    }
}

#[test]
fn opus_of_more_than_two_channels_is_refused_by_name() {
    let (_, surround) = encoded().into_iter().find(|(name, _)| name == "surround.opus").expect("there is one");
    let why = decode(Cursor::new(surround), &Limits::default()).expect_err("surround");
    assert_eq!(why.cause, Cause::UnsupportedCodec, "{why}");
}

#[test]
fn facts_are_of_all_channels() {
    let mut samples = tones(44_100, 2, 0.5);
    samples.iter_mut().skip(1).step_by(2).for_each(|right| *right = 0);
    let one_dead = clip(wav(44_100, 2, &samples));
    assert_eq!(one_dead.facts.dead_channels(), 1);
    assert_eq!(one_dead.facts.correlation, None);

    let left: Vec<i16> = tones(44_100, 1, 0.5);
    let opposed: Vec<i16> = left.iter().flat_map(|&sample| [sample, -sample]).collect();
    let opposed = clip(wav(44_100, 2, &opposed));
    assert!(opposed.facts.correlation.is_some_and(|r| r < -0.999_999));
    // Channels that would cancel each other are heard, as loud as each of them.
    let alone = clip(wav(44_100, 1, &left));
    let energy = |samples: &[f32]| samples.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
    let kept = energy(&opposed.samples) / energy(&alone.samples);
    assert!((0.8..=1.01).contains(&kept), "{kept} of the energy");
}

#[test]
fn the_content_decides_not_the_name() {
    // Nothing but bytes comes in: a WAV that calls itself anything is a WAV.
    let found = clip(wav(44_100, 1, &tones(44_100, 1, 0.25)));
    assert_eq!((found.facts.container.as_str(), found.facts.frames), ("wave", 11_025));
    assert_eq!(found.samples.len(), 11_025);
}

#[test]
fn streams_one_behind_the_other_are_all_heard() {
    let file = |wanted: &str| encoded().into_iter().find(|(name, _)| name == wanted).expect("there is one").1;
    for name in ["tone.ogg", "tone.opus"] {
        let (one, three) = (clip(file(name)), clip(file(name).repeat(3)));
        assert_eq!(three.facts.frames, 3 * one.facts.frames, "{name}: {:?}", three.facts);
        assert!(three.is_whole() && !three.facts.is_cut && three.facts.packets_bad == 0, "{name}: {:?}", three.facts);
    }
    // What goes on with other channels is not heard, and that is told; where it is the greater part nothing is believed.
    let mixed = [file("tone.opus"), file("tone.opus"), file("voice.opus")].concat();
    let found = clip(mixed);
    assert!(found.facts.is_cut && found.facts.packets_bad > 0, "{:?}", found.facts);
}
