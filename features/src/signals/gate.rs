//! Is the release in order? The signals of the metadata gate, which look at no play.

use records::Track;
use serde::{Deserialize, Serialize};

use super::windows::{day, week};
use super::{Name, Rows, Seen, Signal, ramp, ratio, strongest};

/// Tracks uploaded in a day or a week. An album has ten to twenty tracks; "300 tracks a week" is what the services'
/// spam filters describe, the Smith farm added thousands.
const UPLOADS: (u64, u64) = (50, 300);
/// Fields that every release in order fills: ISRC, artist, title, uploader, duration.
const FIELDS: u32 = 5;
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
    pub fn of(track: &Track) -> Catalogue {
        let filled = [
            track.isrc.is_some(),
            track.artist_id.is_some() || track.artist_name.is_some(),
            track.title.is_some(),
            track.uploader_id.is_some(),
            track.duration_ms.is_some(),
        ];
        let lasts = |fits: fn(u64) -> bool| u32::from(track.duration_ms.is_some_and(fits));
        Catalogue {
            tracks: 1,
            missing_fields: filled.iter().map(|filled| u32::from(!filled)).sum(),
            short: lasts(|duration| SHORT_MS.contains(&duration)),
            long: lasts(|duration| duration > LONG_MS),
            undeclared_ai: u32::from(track.contains_ai.is_none()),
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

/// The signals about what `catalogue` declares and `uploader` uploaded.
pub(super) fn signals(catalogue: Catalogue, uploader: Rows) -> Vec<Signal> {
    let Catalogue { tracks, missing_fields, short, long, undeclared_ai } = catalogue;
    let found = [
        upload_rate(uploader),
        share(Name::MissingFields, missing_fields, tracks.saturating_mul(FIELDS)),
        share(Name::ShortTracks, short, tracks),
        share(Name::LongTracks, long, tracks),
        share(Name::UndeclaredAi, undeclared_ai, tracks),
    ];
    found.into_iter().flatten().collect()
}

fn upload_rate(rows: Rows) -> Option<Signal> {
    let judged = [day(rows), week(rows)].into_iter().flatten();
    strongest(judged.map(|view| {
        let strength = ramp(u64::from(view.row.uploads), UPLOADS.0, UPLOADS.1);
        Signal::new(Name::UploadRate, strength, view.seen(view.row.uploads, 0u64))
    }))
}

/// As strong as the share of what is not in order.
fn share(name: Name, count: u32, of: u32) -> Option<Signal> {
    let [count, of] = [count, of].map(u64::from);
    Signal::new(name, ratio(count, of).min(super::WHOLE) as u16, Seen { window_ms: 0, count, of })
}
