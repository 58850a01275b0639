//! What a recording sounds like, and who sings in it, as vectors: recordings that sound alike, and voices that do, lie close.
//!
//! ```text
//! samples ──▶ excerpts ──▶ 64 bands over time ──▶ windows of 4 s ─┬─▶ network ──▶ a direction per window ──▶ their mean: Timbre
//! (16 kHz)                                                        └─▶ network ──▶ is there a voice? whose? ──▶ mean of those that have one: Voice
//! ```
//!
//! Both networks were trained on sound that can be installed with packages, by `benches/sound/timbre.py` and `voice.py`; `manifest.md` beside the weights says on what.
//! How far they can be trusted stands in `docs/SOUND.md`.

mod bands;
mod calibration;
mod encoder;
mod vector;
mod weights;

#[cfg(test)]
mod tests;

pub use bands::{BANDS, BandListener, Bands, FRAMES_PER_SECOND, PASS_HZ, RATE_HZ, WINDOW_SECS, WINDOW_STEPS, excerpts};
pub use calibration::{chance, voice_chance};
pub use encoder::Encoder;
pub use vector::Vector;

use kernels::{AudioKernels, Channels, KernelError};

/// Numbers of a vector.
pub const DIMENSIONS: usize = 64;
/// Changes whenever a vector may.
pub const VERSION: &str = "3";

/// A window has a voice from this number on: 5 % of the windows of test music do, 60 % of those of songs, 85 % of speech as loud as the music.
const VOICED_MIN: f32 = 0.0;
/// So many windows with a voice are asked for: 12 s. Of less, nobody can be told.
const VOICED_WINDOWS_MIN: usize = 3;
/// And such a share of all windows, so that music does not come to a voice by its length: 7 % of pieces of test music do, 73 % of songs.
const VOICED_SHARE_MIN: f32 = 0.2;

/// What a recording sounds like.
pub type Timbre = Vector<DIMENSIONS>;

/// Who sings, or speaks, in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// Whose voice it is.
    pub vector: Vector<DIMENSIONS>,
    /// In how many seconds it was heard.
    pub secs: f32,
}

/// Knows how to hear timbre and voice; made once, used for every recording.
#[derive(Clone, Debug)]
pub struct Ear {
    listener: BandListener,
    timbre: Encoder,
    voice: Encoder,
}

impl Default for Ear {
    fn default() -> Self {
        let read = |weights, outputs| Encoder::read(weights, outputs).expect("weights of this build, read by a test");
        Ear {
            listener: BandListener::default(),
            timbre: read(include_bytes!("timbre.safetensors"), DIMENSIONS),
            voice: read(include_bytes!("voice.safetensors"), DIMENSIONS + 1),
        }
    }
}

impl Ear {
    /// The windows of a recording in which anything is heard: mono samples, [`RATE_HZ`] of them a second.
    pub fn windows(&self, kernels: &dyn AudioKernels, samples: &[f32]) -> Result<Vec<Channels>, KernelError> {
        Ok(self.listener.listen(kernels, samples)?.windows())
    }

    /// What it sounds like; `None` where there is nothing to hear.
    pub fn timbre(&self, kernels: &dyn AudioKernels, windows: &[Channels]) -> Result<Option<Timbre>, KernelError> {
        Ok(middle(self.timbre.encode(kernels, windows)?.iter().map(Vec::as_slice)))
    }

    /// Who sings; `None` where no voice is heard for long enough.
    pub fn voice(&self, kernels: &dyn AudioKernels, windows: &[Channels]) -> Result<Option<Voice>, KernelError> {
        let heard = self.voice.encode(kernels, windows)?;
        let voiced =
            || heard.iter().filter_map(|numbers| numbers.split_last()).filter(|(is_voice, _)| **is_voice >= VOICED_MIN);
        let windows = voiced().count();
        if windows < VOICED_WINDOWS_MIN || (windows as f32) < VOICED_SHARE_MIN * heard.len() as f32 {
            return Ok(None);
        }
        let vector = middle(voiced().map(|(_, numbers)| numbers));
        Ok(vector.map(|vector| Voice { vector, secs: windows as f32 * WINDOW_SECS }))
    }
}

/// The mean direction.
fn middle<'a>(rows: impl Iterator<Item = &'a [f32]>) -> Option<Vector<DIMENSIONS>> {
    let mut sum = [0.0_f64; DIMENSIONS];
    for row in rows {
        let length = row.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt().max(1e-12);
        sum.iter_mut().zip(row).for_each(|(sum, number)| *sum += f64::from(*number) / length);
    }
    Vector::of(&sum)
}
