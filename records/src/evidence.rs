//! What a detector heard in a recording: a dated record, an input of the dataflow like a play.

use serde::{Deserialize, Serialize};

use crate::{Id, Millis, Risk};

/// What one detector says of one recording, known from an instant on.
///
/// Of the rows of one content, detector and file, the one with the latest `known_at` before T is in force as of T; of several
/// files and detectors of one content the greatest risk counts, among those that could hear something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// The recording.
    pub content_id: Id,
    /// Who says it, by the name that `docs/SOUND.md` describes.
    pub detector: String,
    /// Which version of it: numbers of different versions are not compared.
    pub version: String,
    /// How sure it is that something is wrong.
    pub risk: Risk,
    /// How much the recording let it hear.
    pub confidence: Confidence,
    /// What it saw: a JSON object of named numbers and words.
    pub details: String,
    /// From when on it is known.
    pub known_at: Millis,
    /// The file that was heard.
    pub file: Option<String>,
}

/// To which group of near-duplicates a recording belongs, known from an instant on.
///
/// Of the rows of one content the one with the latest `known_at` before T is in force as of T, of equals the one with the smallest group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Duplicate {
    /// The recording.
    pub content_id: Id,
    /// The recording that the group is called by; `None` = it is in no group (any more).
    pub group_id: Option<Id>,
    /// From when on it is known.
    pub known_at: Millis,
}

/// How much of what it asks for a detector found: 0 is nothing (its risk says nothing), 10 000 is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Confidence(u16);

impl Confidence {
    /// It could not hear anything: too short, too narrow a band, no voice.
    pub const NONE: Confidence = Confidence(0);
    /// It heard all it asks for.
    pub const FULL: Confidence = Confidence(10_000);

    /// The confidence of so many ten-thousandths; more than the whole is the whole.
    pub fn from_parts(parts: u64) -> Confidence {
        Confidence(parts.min(10_000) as u16)
    }

    /// Ten-thousandths, 0 to 10 000.
    pub fn parts(self) -> u16 {
        self.0
    }

    /// The confidence as a share of 1, an exact multiple of 1/10 000.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}
