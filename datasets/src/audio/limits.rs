//! How much of anything a file may make us do.

use serde::{Deserialize, Serialize};

/// The most that an audio file may be; one beyond it is [`super::Undecodable`], never an effort without end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the file. 512 MiB holds an hour of stereo at 48 kHz and 24 bits.
    pub file_bytes_max: u64,
    /// Seconds of sound.
    pub seconds_max: u64,
    /// Channels; eight are 7.1 surround.
    pub channels_max: u16,
    /// Lowest sample rate. Below it no music is delivered, and no detector can say anything.
    pub rate_hz_min: u32,
    /// Highest sample rate.
    pub rate_hz_max: u32,
    /// Bytes of decoded sound, all channels, four bytes a sample: 3 h of stereo at 48 kHz.
    ///
    /// There is no limit on the ratio of decoded to encoded bytes: FLAC writes silence at 2000 : 1, and a silent track is
    /// something we want to see.
    pub decoded_bytes_max: u64,
    /// Samples of one channel that are kept. What lies behind is decoded, counted and measured, and not kept.
    pub samples_kept_max: u64,
    /// So many samples before those are not kept either: a long recording is heard piece by piece.
    #[serde(default)]
    pub samples_passed: u64,
    /// Whether nothing is decoded any more once all samples are there that are kept: then the facts are those of the file up to there.
    #[serde(default)]
    pub ends_when_kept: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            file_bytes_max: 512 << 20,
            seconds_max: 3 * 3600,
            channels_max: 8,
            rate_hz_min: 4_000,
            rate_hz_max: 192_000,
            decoded_bytes_max: 4 << 30,
            // 12 min 40 s at 44.1 kHz in 128 MiB: longer than 99 tracks in 100, and the memory of one job is known.
            samples_kept_max: 1 << 25,
            samples_passed: 0,
            ends_when_kept: false,
        }
    }
}
