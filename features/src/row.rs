//! The numbers of one key (an account, a track, an uploader, …) over one window.

use serde::{Deserialize, Serialize};

/// What the plays of one key in one window add up to. One shape serves all views: a view shows the columns that
/// its contract names and the others stay zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowRow {
    /// Plays.
    pub plays: u32,
    /// Plays heard for 30 s or longer.
    pub payable: u32,
    /// Plays heard for 30 s or longer, but shorter than 35 s.
    pub edge: u32,
    /// Plays heard for less than 30 s.
    pub skipped: u32,
    /// Plays on an offline device.
    pub offline: u32,
    /// Plays with shuffle on.
    pub shuffled: u32,
    /// Plays from a hosting or VPN network.
    pub hosted: u32,
    /// Plays by accounts created less than 7 days before.
    pub new_account_plays: u32,
    /// Plays by source.
    pub by_search: u32,
    /// Plays by source.
    pub by_library: u32,
    /// Plays by source.
    pub by_algorithm: u32,
    /// Plays by source.
    pub by_editorial: u32,
    /// Plays by source.
    pub by_playlist: u32,
    /// Distinct tracks.
    pub tracks: u32,
    /// Distinct artists; a track without one is its own.
    pub artists: u32,
    /// Distinct accounts (column `listeners`).
    pub listeners: u32,
    /// Distinct countries.
    pub countries: u32,
    /// Distinct devices.
    pub devices: u32,
    /// Distinct network prefixes.
    pub ip_prefixes: u32,
    /// Distinct autonomous systems.
    pub asns: u32,
    /// Distinct playlists.
    pub playlists: u32,
    /// Distinct UTC clock hours that contain the end of a play.
    pub active_hours: u32,
    /// Tracks uploaded in the window (uploaders and distributors).
    pub uploads: u32,
    /// Plays of the most played track (of an account), or by the most playing account (of all else).
    pub top_plays: u32,
    /// Sum of the heard times, in milliseconds.
    pub played_ms: u64,
    /// Sum of plays² over tracks (of an account) or over accounts (of all else).
    pub sum_squares: u64,
    /// Entropy of the plays over tracks (of an account).
    pub entropy: Entropy,
}

/// An entropy in nats, kept as the bits of its `f64` so that rows can be ordered, hashed and taken back exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entropy(u64);

impl Entropy {
    /// The entropy of so many nats, which is never negative.
    pub fn from_nats(nats: f64) -> Entropy {
        // A single value gives -0.0 or a rounding error below zero.
        Entropy(nats.max(0.0).to_bits())
    }

    /// Nats.
    pub fn nats(self) -> f64 {
        f64::from_bits(self.0)
    }
}
