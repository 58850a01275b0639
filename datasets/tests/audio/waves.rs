//! Audio files made here: WAV by hand, the codecs from the folder `tones` that `make_tones.sh` made.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

/// A WAV file of 16 bits.
pub fn wav(rate_hz: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let data = samples.iter().flat_map(|sample| sample.to_le_bytes());
    let mut bytes = header(rate_hz, channels, 1, 16, samples.len() as u32 * 2);
    bytes.extend(data);
    bytes
}

/// The 44 bytes before the samples of a WAV file.
pub fn header(rate_hz: u32, channels: u16, tag: u16, bits: u16, data_bytes: u32) -> Vec<u8> {
    let frame_bytes = channels * bits / 8;
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend(data_bytes.wrapping_add(36).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend(rate_hz.wrapping_mul(u32::from(frame_bytes)).to_le_bytes());
    bytes.extend(frame_bytes.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data_bytes.to_le_bytes());
    bytes
}

/// A tone per channel (440, 660, 880 Hz, …), interleaved.
pub fn tones(rate_hz: u32, channels: u16, seconds: f64) -> Vec<i16> {
    let frames = (f64::from(rate_hz) * seconds) as usize;
    let at = |frame: usize, channel: u16| {
        let hz = 440.0 + 220.0 * f64::from(channel);
        (8_000.0 * (TAU * hz * frame as f64 / f64::from(rate_hz)).sin()) as i16
    };
    (0..frames).flat_map(|frame| (0..channels).map(move |channel| at(frame, channel))).collect()
}

/// The files of the folder `tones`, by name.
pub fn encoded() -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/tests/audio/tones");
    let entries = std::fs::read_dir(folder).expect("the folder is in the repository");
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}
