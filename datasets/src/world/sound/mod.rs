//! Sound for a few tracks of the world, so that there is something to hear: played, copied, made by a decoder, or faulty.
//!
//! ```text
//! catalogue, families ──▶ cast (which track, which making) ──▶ band ──┬─────────────────────▶ samples ──▶ WAV
//!                                                                     ├─▶ decoder ──────────▶
//!                                                                     └─▶ disguise, fault ──▶
//! ```
//!
//! A recording is a function of (seed, track) alone. Each is an excerpt: catalogues tell the length of the whole. A file's time of last
//! change is when its track was uploaded, so that a scan knows from when on it could have been heard.

mod band;
mod decoder;
mod tampering;
mod voice;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use hound::{SampleFormat, WavSpec, WavWriter};
use rayon::prelude::*;
use records::Millis;
use serde::Serialize;

use super::World;
use super::catalogue::Catalogue;
use super::families::{Family, Kind};
use crate::Error;
use crate::chance::{Chance, Purpose};
use decoder::Decoder;
use tampering::{Disguise, Fault};

/// The folder of the recordings, below that of the world.
const FOLDER: &str = "audio";
/// Small files suffice: the treble ends at 11 kHz.
const RATE_HZ: u32 = 22_050;
/// Known artists whose music is played.
const ARTISTS: usize = 8;
const SLEEP_TRACKS: usize = 2;
const PLAYED_SECS: f64 = 30.0;
const DECODED_SECS: f64 = 28.0;
const OTHERS_SECS: f64 = 20.0;

/// Decoders of breadth farms, and how fast what they wrote is uploaded: strides as published for DAC, EnCodec at 24 and at 32 kHz, and HiFi-GAN.
const DECODED: [(Decoder, f64); 4] = [
    (Decoder { rate_hz: 44_100, strides: [8, 8, 4, 2] }, 1.0),
    (Decoder { rate_hz: 24_000, strides: [8, 5, 4, 2] }, 1.0),
    (Decoder { rate_hz: 32_000, strides: [8, 5, 4, 4] }, 0.985),
    (Decoder { rate_hz: 22_050, strides: [8, 8, 2, 2] }, 1.02),
];
/// How spam uploaders disguise the music of others.
const DISGUISED: [Disguise; 4] = [
    Disguise { from_secs: 0.0, secs: 30.0, intro_secs: 0.0, speed: 1.0, gain_db: -4.0, noise: 0.001 },
    Disguise { from_secs: 6.0, secs: 22.0, intro_secs: 5.0, speed: 1.02, gain_db: -2.0, noise: 0.001 },
    Disguise { from_secs: 8.0, secs: 20.0, intro_secs: 0.0, speed: 0.96, gain_db: 1.0, noise: 0.003 },
    Disguise { from_secs: 3.0, secs: 21.0, intro_secs: 3.0, speed: 1.05, gain_db: -6.0, noise: 0.002 },
];
const FAULTS: [Fault; 3] = [Fault::Silence, Fault::Loop, Fault::Noise];

/// A recording of the world, and what is true of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// The track whose recording it is.
    pub track_id: u64,
    /// The file, below the folder of the world.
    pub file: String,
    /// How it came to be.
    pub origin: Origin,
}

/// How a recording came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A band played it.
    Played,
    /// A decoder wrote it.
    Decoded,
    /// It is another track's recording, tampered with.
    Copied {
        /// The track whose recording it was.
        of: u64,
    },
    /// It is silence, a loop or noise.
    Faulty,
}

/// How a recording is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Making {
    Band,
    Rain,
    Decoder(Decoder, f64),
    Copy(u32, Disguise),
    Fault(Fault),
}

/// Which tracks have sound: the first ones of known artists, sleep music, and what farms and spammers upload.
pub(super) fn cast(catalogue: &Catalogue, families: &[Family]) -> BTreeMap<u32, Making> {
    let known: Vec<u32> = (0..ARTISTS as u32).map(|artist| catalogue.tracks_of(artist).start).collect();
    let spread = |kind: Kind, count: usize| {
        let of_kind = families.iter().find(|family| family.kind == kind);
        let tracks = of_kind.map(|family| family.tracks.as_slice()).unwrap_or_default();
        (0..count.min(tracks.len())).map(move |n| tracks[n * tracks.len() / count])
    };
    let copied = known.iter().zip(DISGUISED).map(|(&of, disguise)| Making::Copy(of, disguise));
    let tampered: Vec<Making> = copied.chain(FAULTS.map(Making::Fault)).collect();
    let decoded = DECODED.map(|(decoder, speed)| Making::Decoder(decoder, speed));
    let mut makings: BTreeMap<u32, Making> = known.iter().map(|&track| (track, Making::Band)).collect();
    makings.extend(spread(Kind::SleepMusic, SLEEP_TRACKS).map(|track| (track, Making::Rain)));
    makings.extend(spread(Kind::BreadthFarm, decoded.len()).zip(decoded));
    makings.extend(spread(Kind::SpamUploader, tampered.len()).zip(tampered));
    makings
}

/// The file of a track, below the folder of the world.
pub(super) fn file(track: u32) -> String {
    format!("{FOLDER}/{}.wav", u64::from(track) + 1)
}

/// What is true of every recording, in the order of the tracks.
pub(super) fn recordings(world: &World) -> Vec<Recording> {
    let recording = |(&track, making): (&u32, &Making)| Recording {
        track_id: u64::from(track) + 1,
        file: file(track),
        origin: match making {
            Making::Band | Making::Rain => Origin::Played,
            Making::Decoder(..) => Origin::Decoded,
            Making::Copy(of, _) => Origin::Copied { of: u64::from(*of) + 1 },
            Making::Fault(_) => Origin::Faulty,
        },
    };
    world.sounds.iter().map(recording).collect()
}

/// Writes every recording below the folder of the world.
pub(super) fn write(world: &World, folder: &Path) -> Result<(), Error> {
    let below = folder.join(FOLDER);
    std::fs::create_dir_all(&below).map_err(|error| Error::io(&below, error))?;
    world.sounds.par_iter().try_for_each(|(&track, making)| {
        let (samples, rate_hz) = made(world, track, making);
        let path = folder.join(file(track));
        write_wav(&path, &samples, rate_hz, world.catalogue.uploaded_at(track)).map_err(|error| Error::io(&path, error))
    })
}

/// The samples of a recording, and their rate.
fn made(world: &World, track: u32, making: &Making) -> (Vec<f32>, u32) {
    let chance = &mut Chance::of(world.spec.seed, Purpose::Sound, u64::from(track), 0);
    match making {
        Making::Band => (band::band(chance, PLAYED_SECS, RATE_HZ), RATE_HZ),
        Making::Rain => (band::rain(chance, OTHERS_SECS, RATE_HZ), RATE_HZ),
        Making::Decoder(decoder, speed) => {
            let played = band::band(chance, DECODED_SECS, decoder.rate_hz);
            let decoded = decoder::decoded(&played, decoder, chance);
            let sped = if *speed == 1.0 { decoded } else { tampering::resampled(&decoded, *speed) };
            (sped, decoder.rate_hz)
        }
        Making::Copy(of, disguise) => {
            let (original, rate_hz) = made(world, *of, &world.sounds[of]);
            (tampering::disguised(&original, disguise, rate_hz, chance), rate_hz)
        }
        Making::Fault(fault) => (tampering::faulty(*fault, chance, OTHERS_SECS, RATE_HZ), RATE_HZ),
    }
}

/// Writes 16-bit samples into a file that was last changed at the instant.
fn write_wav(path: &Path, samples: &[f32], rate_hz: u32, changed_at: Millis) -> std::io::Result<()> {
    let as_io = |error: hound::Error| match error {
        hound::Error::IoError(error) => error,
        other => std::io::Error::other(other),
    };
    let spec = WavSpec { channels: 1, sample_rate: rate_hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut file = WavWriter::create(path, spec).map_err(as_io)?;
    for sample in samples {
        file.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16).map_err(as_io)?;
    }
    file.finalize().map_err(as_io)?;
    let since_epoch = Duration::from_millis(changed_at.max(0) as u64);
    File::options().write(true).open(path)?.set_modified(UNIX_EPOCH + since_epoch)
}
