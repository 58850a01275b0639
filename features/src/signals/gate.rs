//! Is the release in order? The signals of the metadata gate, which look at no play.

use records::{Metadata, Millis, Risk};
use serde::{Deserialize, Serialize};

use super::windows::{View, day, week};
use super::{Name, Rows, Seen, Signal, ramp, ratio, strongest};

/// Tracks uploaded in a day or a week. An album has ten to twenty tracks; "300 tracks a week" is what the services'
/// spam filters describe, the Smith farm added thousands.
const UPLOADS: (u64, u64) = (50, 300);
/// A standing's suspicion moves in steps of 5 %.
const STANDING_STEP: u64 = 500;
/// Lengths made for the 30-second rule: the playlists of the 2017 farm held tracks of 30 to 47 s. Interludes and punk
/// are as short, so it weighs little alone.
const SHORT_MS: std::ops::RangeInclusive<u64> = 30_000..=47_000;
/// Longer than this is rarely one piece of music: 2 h.
const LONG_MS: u64 = 7_200_000;

/// What tracks declare, summed over them; for one track [`Catalogue::of`] it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Catalogue {
    /// Tracks.
    pub tracks: u32,
    /// Empty fields among ISRC, artist, title, uploader and duration, up to five per track.
    pub missing_fields: u32,
    /// Tracks of 30 to 47 s.
    pub short: u32,
    /// Tracks longer than 2 h.
    pub long: u32,
    /// Tracks that neither declare nor deny generative AI.
    pub undeclared_ai: u32,
}

impl Catalogue {
    /// What one track declares.
    pub fn of(track: &Metadata) -> Catalogue {
        let lasts = |fits: fn(u64) -> bool| u32::from(track.duration_ms.is_some_and(fits));
        Catalogue {
            tracks: 1,
            missing_fields: u32::from(track.missing_fields),
            short: lasts(|duration| SHORT_MS.contains(&duration)),
            long: lasts(|duration| duration > LONG_MS),
            undeclared_ai: u32::from(!track.declares_ai),
        }
    }
}

impl std::ops::AddAssign for Catalogue {
    fn add_assign(&mut self, more: Catalogue) {
        self.tracks += more.tracks;
        self.missing_fields += more.missing_fields;
        self.short += more.short;
        self.long += more.long;
        self.undeclared_ai += more.undeclared_ai;
    }
}

impl std::ops::SubAssign for Catalogue {
    fn sub_assign(&mut self, less: Catalogue) {
        self.tracks -= less.tracks;
        self.missing_fields -= less.missing_fields;
        self.short -= less.short;
        self.long -= less.long;
        self.undeclared_ai -= less.undeclared_ai;
    }
}

/// What an uploader's standing says about each of its tracks. It is coarse on purpose: a standing that moves with
/// every play would have all tracks of a large uploader judged anew at every refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// The share of the plays of all its tracks that suspicious accounts made, rounded down to a twentieth.
    pub suspicious: Risk,
    /// Its uploads in a day and in a week, rounded down to whole fifties, at most 300.
    pub uploads: [Option<Uploads>; 2],
}

/// Uploads in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uploads {
    /// The window.
    pub window_ms: Millis,
    /// How many.
    pub tracks: u32,
}

impl Standing {
    /// The standing of an uploader with these rows, so suspicious.
    pub fn of(rows: Rows, suspicious: Risk) -> Standing {
        let step = |view: View| {
            let tracks = u64::from(view.row.uploads).min(UPLOADS.1) / UPLOADS.0 * UPLOADS.0;
            (tracks > 0).then_some(Uploads { window_ms: view.window_ms, tracks: tracks as u32 })
        };
        let parts = u64::from(suspicious.parts());
        Standing {
            suspicious: Risk::from_parts(parts / STANDING_STEP * STANDING_STEP),
            uploads: [day(rows).and_then(step), week(rows).and_then(step)],
        }
    }

    /// The signals about a track of this uploader.
    pub(super) fn signals(&self) -> Vec<Signal> {
        strongest(self.uploads.map(|uploads| upload_rate(uploads?))).into_iter().collect()
    }
}

/// The signals about an uploader's or a distributor's own uploads, to the last one.
pub(super) fn of_uploads(rows: Rows) -> Vec<Signal> {
    let judged = [day(rows), week(rows)].into_iter().flatten();
    let uploads = |view: View| Uploads { window_ms: view.window_ms, tracks: view.row.uploads };
    strongest(judged.map(|view| upload_rate(uploads(view)))).into_iter().collect()
}

/// The signals about what `catalogue` declares.
pub(super) fn signals(catalogue: Catalogue) -> Vec<Signal> {
    let Catalogue { tracks, missing_fields, short, long, undeclared_ai } = catalogue;
    let found = [
        share(Name::MissingFields, missing_fields, tracks.saturating_mul(u32::from(Metadata::FIELDS))),
        share(Name::ShortTracks, short, tracks),
        share(Name::LongTracks, long, tracks),
        share(Name::UndeclaredAi, undeclared_ai, tracks),
    ];
    found.into_iter().flatten().collect()
}

fn upload_rate(uploads: Uploads) -> Option<Signal> {
    let tracks = u64::from(uploads.tracks);
    let strength = ramp(tracks, UPLOADS.0, UPLOADS.1);
    Signal::new(Name::UploadRate, strength, Seen { window_ms: uploads.window_ms, count: tracks, of: 0 })
}

/// As strong as the share of what is not in order.
fn share(name: Name, count: u32, of: u32) -> Option<Signal> {
    let [count, of] = [count, of].map(u64::from);
    Signal::new(name, ratio(count, of).min(super::WHOLE) as u16, Seen { window_ms: 0, count, of })
}
