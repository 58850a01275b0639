//! What a content sounds like and who sings in it: as the journal and the index keep it.

use std::sync::LazyLock;

use datasets::audio::{Clip, Facts, Limits};
use datasets::audio_index::{VECTORS_BYTES, Vectors};
use features::sound::timbre::{DIMENSIONS, Ear, PASS_HZ, RATE_HZ, Timbre, Vector, excerpts};
use kernels::{AudioKernels, KernelError, resampled};
use serde::{Deserialize, Serialize};

/// Made once for all threads.
static EAR: LazyLock<Ear> = LazyLock::new(Ear::default);

/// Vectors of a content; those that nobody listened for, or that it has none of, are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Character {
    /// What it sounds like.
    pub(crate) timbre: Option<Timbre>,
    /// Who sings in it.
    pub(crate) voice: Option<Vector<DIMENSIONS>>,
    /// In how many whole seconds the voice was heard.
    pub(crate) voice_secs: u32,
}

/// Which vectors are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) timbre: bool,
    pub(crate) voice: bool,
}

impl Wanted {
    /// Both.
    pub(crate) const ALL: Wanted = Wanted { timbre: true, voice: true };
    /// What it sounds like.
    pub(crate) const TIMBRE: Wanted = Wanted { timbre: true, voice: false };
}

impl Character {
    /// Listens to a clip.
    pub(crate) fn of(clip: &Clip, kernels: &dyn AudioKernels, wanted: Wanted) -> Result<Character, KernelError> {
        if !wanted.timbre && !wanted.voice {
            return Ok(Character::default());
        }
        let mut windows = Vec::new();
        for part in excerpts(clip.samples.len(), clip.rate_hz()) {
            windows.extend(EAR.windows(kernels, &resampled(&clip.samples[part], clip.rate_hz(), RATE_HZ, PASS_HZ))?);
        }
        let voice = if wanted.voice { EAR.voice(kernels, &windows)? } else { None };
        Ok(Character {
            timbre: if wanted.timbre { EAR.timbre(kernels, &windows)? } else { None },
            voice: voice.map(|voice| voice.vector),
            voice_secs: voice.map_or(0, |voice| voice.secs.round() as u32),
        })
    }

    /// Share of a recording that is listened to.
    pub(crate) fn heard_share(facts: &Facts) -> f64 {
        let kept = usize::try_from(facts.frames.min(Limits::default().samples_kept_max)).unwrap_or(usize::MAX);
        let heard: usize = excerpts(kept, facts.rate_hz).iter().map(|part| part.len()).sum();
        heard as f64 / facts.frames.max(1) as f64
    }

    /// As an index keeps it; how long a voice was heard is not kept.
    pub(crate) fn for_index(&self) -> Vectors {
        let mut bytes = [0; VECTORS_BYTES];
        let (timbre, voice) = bytes.split_at_mut(DIMENSIONS);
        self.timbre.iter().for_each(|vector| timbre.copy_from_slice(&vector.bytes()));
        self.voice.iter().for_each(|vector| voice.copy_from_slice(&vector.bytes()));
        Vectors(bytes)
    }

    /// As an index kept it.
    pub(crate) fn from_index(vectors: &Vectors) -> Character {
        let vector = |at: usize| {
            let bytes = vectors.0[at..].first_chunk().expect("an index keeps two vectors");
            Vector::from_bytes(*bytes)
        };
        Character { timbre: vector(0), voice: vector(DIMENSIONS), voice_secs: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_keeps_both_vectors_or_none() {
        let vector = |phase: f64| Vector::of(&std::array::from_fn(|at| (at as f64 + phase).cos()));
        for (timbre, voice) in [(None, None), (vector(0.0), None), (None, vector(1.0)), (vector(0.0), vector(2.0))] {
            let character = Character { timbre, voice, voice_secs: 0 };
            assert_eq!(Character::from_index(&character.for_index()), character);
        }
    }
}
