//! A decoded recording: its samples and what is known of the file.

use serde::{Deserialize, Serialize};

/// A recording as one channel of samples, at the rate it was made in.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The mean of all channels, one that would cancel the others turned round; 1 is full scale. At most [`super::Limits::samples_kept_max`] from the beginning.
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
    /// Whether the stream broke off: the file is shorter than its container says, or goes on as a stream of another rate or other channels, or that cannot be decoded.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_dead_only_beside_a_live_one() {
        let live = Level { peak: 0.5, rms: 0.1, dc: 0.0 };
        let facts = |levels: Vec<Level>| Facts { levels, ..Facts::default() };
        assert_eq!(facts(vec![live, Level::default()]).dead_channels(), 1);
        assert_eq!(facts(vec![Level::default(), Level::default()]).dead_channels(), 0);
    }
}
