//! One finished playback, and the word that it must be forgotten.

use serde::{Deserialize, Serialize};

use crate::{Id, Millis};

/// One finished playback.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Play {
    /// The source's id: the same id seen twice is one play.
    pub play_id: Id,
    /// When the playback ended: the event time.
    pub ended_at: Millis,
    /// When the platform learned of it; `None` means at `ended_at`.
    pub arrived_at: Option<Millis>,
    /// Who listened.
    pub account_id: Id,
    /// What was played.
    pub track_id: Id,
    /// How long it was heard, in milliseconds.
    pub played_ms: u64,
    /// The track's full length in milliseconds, as the player knew it.
    pub track_ms: Option<u64>,
    /// Pseudonymous device.
    pub device_id: Option<Id>,
    /// Pseudonymous network prefix (/24 or /48).
    pub ip_prefix: Option<Id>,
    /// Autonomous system number of the client's address.
    pub asn: Option<u32>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Client kind.
    pub platform: Option<String>,
    /// Where in the product the play began: see [`Source`] for the names.
    pub source: Option<String>,
    /// The playlist, when the source is one.
    pub playlist_id: Option<Id>,
    /// As in the Spotify extended history; an open vocabulary.
    pub reason_start: Option<String>,
    /// As in the Spotify extended history; an open vocabulary.
    pub reason_end: Option<String>,
    /// Whether shuffle was on.
    pub shuffle: Option<bool>,
    /// Whether the device was offline.
    pub offline: Option<bool>,
}

/// The sources that are counted by name; every other word counts as other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Source {
    /// Anything that is not named below, or not known.
    Other,
    /// The listener searched for it.
    Search,
    /// From the listener's own library.
    Library,
    /// A recommendation.
    Algorithmic,
    /// A playlist of the platform's editors.
    Editorial,
    /// A playlist of a person.
    Playlist,
}

impl Source {
    /// The source of a number that `as u8` gave; another number is another source.
    pub fn from_number(number: u8) -> Source {
        const NAMED: [Source; 5] =
            [Source::Search, Source::Library, Source::Algorithmic, Source::Editorial, Source::Playlist];
        NAMED.into_iter().find(|source| *source as u8 == number).unwrap_or(Source::Other)
    }

    /// Reads the word of the `source` column.
    pub fn from_name(name: &str) -> Source {
        match name {
            "search" => Source::Search,
            "library" => Source::Library,
            "algorithmic" => Source::Algorithmic,
            "editorial" => Source::Editorial,
            "playlist" => Source::Playlist,
            _ => Source::Other,
        }
    }
}

/// A play that must be forgotten from `arrived_at` on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Correction {
    /// The play to forget; it may arrive later than this correction.
    pub play_id: Id,
    /// When the platform learned that the play must not count.
    pub arrived_at: Millis,
    /// Why, in the source's words.
    pub reason: Option<String>,
}
