//! A decoded recording: its samples and what is known of the file.

use std::borrow::Cow;
use std::ops::Range;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use serde::{Deserialize, Serialize};

/// Frames that the resampler takes at a time; its transition band is about 1 % of the lower rate wide.
const RESAMPLER_CHUNK: usize = 4096;

/// A recording as one channel of samples, at the rate it was made in.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The mean of all channels; 1 is full scale. At most [`super::Limits::samples_kept_max`] from the beginning.
    pub samples: Vec<f32>,
    /// What is known of the file and of all its sound, also of what is not kept.
    pub facts: Facts,
}

/// What is known of an audio file once all of it was decoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The container: wave, aiff, ogg, flac, isomp4, mp3, ….
    pub container: String,
    /// The codec: pcm_s16le, mp3, aac, flac, vorbis, opus, alac, ….
    pub codec: String,
    /// Frames per second.
    pub rate_hz: u32,
    /// Channels.
    pub channels: u16,
    /// Bits of a sample, where the codec tells.
    pub bits: Option<u32>,
    /// Frames that were decoded: the true length, encoder delay and padding left out.
    pub frames: u64,
    /// Frames that the container promises, where it does.
    pub frames_promised: Option<u64>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Packets that could be decoded.
    pub packets: u64,
    /// Packets that could not, or that spoke of another rate or other channels than the first.
    pub packets_bad: u64,
    /// Whether the stream broke off: the file is shorter than its container says, or goes on as another stream.
    pub is_cut: bool,
    /// Values that are no numbers, or lie more than 24 dB over full scale; they were taken for silence.
    pub wild_values: u64,
    /// Per channel, what it carries.
    pub levels: Vec<Level>,
    /// Correlation of the first two channels: 1 is mono in two channels, -1 cancels out in mono. `None` where one of
    /// them is constant, or there is only one.
    pub correlation: Option<f64>,
}

/// What one channel carries, over the whole recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Largest absolute value.
    pub peak: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// Mean.
    pub dc: f64,
}

impl Clip {
    /// Frames per second.
    pub fn rate_hz(&self) -> u32 {
        self.facts.rate_hz
    }

    /// Seconds of the recording, also of what is not kept.
    pub fn seconds(&self) -> f64 {
        self.facts.seconds()
    }

    /// Seconds of the samples that are kept.
    pub fn kept_seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.facts.rate_hz.max(1))
    }

    /// Whether the samples are the whole recording.
    pub fn is_whole(&self) -> bool {
        self.samples.len() as u64 == self.facts.frames
    }

    /// The samples at another rate: `ceil(samples x hz / rate)` of them, low-pass filtered below half the lower rate, no
    /// delay. At the clip's own rate they are borrowed.
    ///
    /// # Panics
    /// When `hz` is 0.
    pub fn at_rate(&self, hz: u32) -> Cow<'_, [f32]> {
        self.part_at_rate(0..self.samples.len(), hz)
    }

    /// The same of a part of the samples, as if there were no others.
    ///
    /// # Panics
    /// When `hz` is 0, or the part is not within the samples.
    pub fn part_at_rate(&self, part: Range<usize>, hz: u32) -> Cow<'_, [f32]> {
        let samples = &self.samples[part];
        if hz == self.facts.rate_hz || samples.is_empty() {
            return Cow::Borrowed(samples);
        }
        Cow::Owned(resampled(samples, self.facts.rate_hz, hz))
    }
}

impl Facts {
    /// Seconds of the recording.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.rate_hz.max(1))
    }

    /// Bits of the file per second of sound: everything in the file counts, pictures too.
    pub fn bits_per_second(&self) -> f64 {
        if self.frames == 0 { 0.0 } else { self.bytes as f64 * 8.0 / self.seconds() }
    }

    /// Channels that carry nothing while another carries sound: their largest value is below one step of 16 bits.
    pub fn dead_channels(&self) -> usize {
        let is_dead = |level: &Level| level.peak < 1.0 / 32_768.0;
        let dead = self.levels.iter().filter(|level| is_dead(level)).count();
        if dead == self.levels.len() { 0 } else { dead }
    }
}

fn resampled(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    // An even number of the shortest blocks: the delay that the resampler takes off is half of one, and must be whole.
    let two_blocks = 2 * (from_hz / gcd(from_hz, to_hz)) as usize;
    let chunk = RESAMPLER_CHUNK.next_multiple_of(two_blocks);
    let mut resampler =
        Fft::<f32>::new(from_hz as usize, to_hz as usize, chunk, 1, FixedSync::Both).expect("both rates are positive");
    let input = InterleavedSlice::new(samples, 1, samples.len()).expect("one channel");
    let output = resampler.process_all(&input, samples.len(), None).expect("the input is as long as it says");
    output.take_data()
}

/// The greatest common divisor (Euclid).
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, hz: f64, seconds: f64) -> Clip {
        let frames = (f64::from(rate_hz) * seconds) as usize;
        let samples: Vec<f32> = (0..frames)
            .map(|n| (0.5 * (std::f64::consts::TAU * hz * n as f64 / f64::from(rate_hz)).sin()) as f32)
            .collect();
        let facts = Facts { rate_hz, channels: 1, frames: frames as u64, ..Facts::default() };
        Clip { samples, facts }
    }

    /// The largest difference to the tone itself, away from the edges.
    fn distance(samples: &[f32], rate_hz: u32, hz: f64) -> f64 {
        let edge = rate_hz as usize / 10;
        let inner = edge..samples.len() - edge;
        inner.fold(0.0, |largest: f64, n| {
            let expected = 0.5 * (std::f64::consts::TAU * hz * n as f64 / f64::from(rate_hz)).sin();
            largest.max((f64::from(samples[n]) - expected).abs())
        })
    }

    #[test]
    fn a_tone_stays_the_tone_at_every_rate() {
        for from_hz in [8_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 44_056] {
            for to_hz in [8_000, 11_025, 16_000, 22_050, 44_100] {
                let clip = tone(from_hz, 440.0, 1.3);
                let there = clip.at_rate(to_hz);
                let expected = (clip.samples.len() as f64 * f64::from(to_hz) / f64::from(from_hz)).ceil() as usize;
                assert_eq!(there.len(), expected, "{from_hz} to {to_hz}");
                let distance = distance(&there, to_hz, 440.0);
                assert!(distance < 1e-3, "{from_hz} to {to_hz}: off by {distance}");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        let clip = tone(44_100, 9_000.0, 1.0);
        let there = clip.at_rate(16_000);
        let inner = &there[2_000..14_000];
        let loudest = inner.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest < 1e-3, "9 kHz comes through at {loudest}");
    }

    #[test]
    fn a_channel_is_dead_only_beside_a_live_one() {
        let live = Level { peak: 0.5, rms: 0.1, dc: 0.0 };
        let facts = |levels: Vec<Level>| Facts { levels, ..Facts::default() };
        assert_eq!(facts(vec![live, Level::default()]).dead_channels(), 1);
        assert_eq!(facts(vec![Level::default(), Level::default()]).dead_channels(), 0);
    }
}
