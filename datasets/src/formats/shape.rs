//! The formats, and the kinds of file that each is made of.

use super::reading::{Context, Reading};
use super::record::{Record, Refused};
use super::rows::{Dialect, Layout};
use super::{distributor, lastfm, lfm, listenbrainz, mapped, mssd, spotify, yambda};

/// A data-set format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Spotify's extended streaming history.
    SpotifyExtended,
    /// Spotify's account-data export.
    SpotifyBasic,
    /// The Last.fm-1K data set.
    Lastfm1k,
    /// The CSV of the `scrobbler` package.
    LastfmCsv,
    /// ListenBrainz JSON lines.
    ListenBrainz,
    /// LFM-1b.
    Lfm1b,
    /// LFM-2b.
    Lfm2b,
    /// Yambda.
    Yambda,
    /// Spotify's Music Streaming Sessions Dataset.
    Mssd,
    /// A distributor's daily report.
    DistributorReport,
    /// Anything else, through a column map.
    Mapped,
}

impl Format {
    /// All formats, in the order in which they are told to users.
    pub const ALL: [Format; 11] = [
        Format::SpotifyExtended,
        Format::SpotifyBasic,
        Format::Lastfm1k,
        Format::LastfmCsv,
        Format::ListenBrainz,
        Format::Lfm1b,
        Format::Lfm2b,
        Format::Yambda,
        Format::Mssd,
        Format::DistributorReport,
        Format::Mapped,
    ];

    /// The word on the command line and in the `source` column of refusals.
    pub fn name(self) -> &'static str {
        match self {
            Format::SpotifyExtended => "spotify-extended",
            Format::SpotifyBasic => "spotify-basic",
            Format::Lastfm1k => "lastfm-1k",
            Format::LastfmCsv => "lastfm-csv",
            Format::ListenBrainz => "listenbrainz",
            Format::Lfm1b => "lfm-1b",
            Format::Lfm2b => "lfm-2b",
            Format::Yambda => "yambda",
            Format::Mssd => "mssd",
            Format::DistributorReport => "distributor-report",
            Format::Mapped => "mapped",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// All names, for messages.
    pub fn names() -> String {
        Format::ALL.map(Format::name).join(", ")
    }

    /// What the format cannot tell, and what stands in the tables instead; `None` where nothing was assumed.
    pub fn caveat(self) -> Option<&'static str> {
        match self {
            Format::SpotifyExtended | Format::DistributorReport | Format::Mapped => None,
            Format::SpotifyBasic => {
                Some("times have minute resolution; podcasts are mixed in and cannot be told from songs")
            }
            Format::Lastfm1k | Format::LastfmCsv | Format::ListenBrainz | Format::Lfm2b => {
                Some("scrobbles tell no length: played_ms is the track's length or --assume-played-ms")
            }
            Format::Lfm1b => Some(
                "scrobbles tell no length: played_ms is --assume-played-ms; accounts are cut at about 20,000 events by the source",
            ),
            Format::Yambda => Some("times are relative: they count from --origin"),
            Format::Mssd => {
                Some("sessions stand for accounts; played_ms is a constant of the skip class; times are local")
            }
        }
    }

    /// The kind of file to take a file for that nothing else is known of.
    pub(super) fn main_shape(self) -> &'static Shape {
        match self {
            Format::SpotifyExtended => &SPOTIFY_EXTENDED,
            Format::SpotifyBasic => &SPOTIFY_BASIC,
            Format::Lastfm1k => &LASTFM_1K,
            Format::LastfmCsv => &LASTFM_CSV,
            Format::ListenBrainz => &LISTENBRAINZ,
            Format::Lfm1b => &LFM_1B,
            Format::Lfm2b => &LFM_2B,
            Format::Yambda => &YAMBDA_LISTENS,
            Format::Mssd => &MSSD,
            Format::DistributorReport => &DISTRIBUTOR_STREAMS,
            Format::Mapped => &MAPPED,
        }
    }
}

type Read = fn(&Record, &mut Context<'_>) -> Result<Reading, Refused>;

/// A kind of file.
pub(super) struct Shape {
    /// The format it belongs to.
    pub format: Format,
    /// What it is, in words.
    pub what: &'static str,
    /// How it is made of rows.
    pub layout: fn() -> Layout,
    /// Columns that its header or schema must have.
    pub required: &'static [&'static str],
    /// What a row means.
    pub read: Read,
    /// Whether it describes tracks or accounts instead of plays; read before those.
    pub describes: bool,
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

const fn plays(
    format: Format,
    what: &'static str,
    layout: fn() -> Layout,
    required: &'static [&'static str],
    read: Read,
) -> Shape {
    Shape { format, what, layout, required, read, describes: false }
}

const fn descriptions(
    format: Format,
    what: &'static str,
    layout: fn() -> Layout,
    required: &'static [&'static str],
    read: Read,
) -> Shape {
    Shape { format, what, layout, required, read, describes: true }
}

fn array() -> Layout {
    Layout::JsonArray
}

fn lines() -> Layout {
    Layout::JsonLines
}

fn parquet() -> Layout {
    Layout::Parquet
}

fn csv() -> Layout {
    Layout::Delimited(Dialect::csv())
}

fn tsv() -> Layout {
    Layout::Delimited(Dialect::tsv())
}

fn tsv_1k() -> Layout {
    Layout::Delimited(Dialect::bare_tsv(&lastfm::COLUMNS_1K))
}

fn tsv_lfm_1b() -> Layout {
    Layout::Delimited(Dialect::bare_tsv(&lfm::COLUMNS_1B))
}

const LISTEN: &[&str] = &["uid", "timestamp", "item_id", "played_ratio_pct", "track_length_seconds"];
const EVENT: &[&str] = &["uid", "timestamp", "item_id", "played_ratio_pct", "track_length_seconds", "event_type"];

pub(super) static SPOTIFY_EXTENDED: Shape =
    plays(Format::SpotifyExtended, "Spotify extended history", array, &[], spotify::extended);
pub(super) static SPOTIFY_VIDEO: Shape =
    plays(Format::SpotifyExtended, "Spotify extended history, videos", array, &[], spotify::video);
pub(super) static SPOTIFY_BASIC: Shape =
    plays(Format::SpotifyBasic, "Spotify account-data export", array, &[], spotify::basic);
pub(super) static SPOTIFY_SPOKEN: Shape = plays(
    Format::SpotifyBasic,
    "Spotify account-data export, podcasts or audiobooks",
    array,
    &[],
    spotify::basic_spoken,
);
pub(super) static LASTFM_1K: Shape = plays(Format::Lastfm1k, "Last.fm-1K scrobbles", tsv_1k, &[], lastfm::scrobble_1k);
pub(super) static LASTFM_PROFILE: Shape =
    descriptions(Format::Lastfm1k, "Last.fm-1K profiles", tsv, &["#id"], lastfm::profile_1k);
pub(super) static LASTFM_CSV: Shape = plays(
    Format::LastfmCsv,
    "Last.fm scrobbles (scrobbler CSV)",
    csv,
    &["date", "artist", "track"],
    lastfm::scrobbler_csv,
);
pub(super) static LISTENBRAINZ: Shape =
    plays(Format::ListenBrainz, "ListenBrainz listens", lines, &[], listenbrainz::listen);
pub(super) static LFM_1B: Shape = plays(Format::Lfm1b, "LFM-1b listening events", tsv_lfm_1b, &[], lfm::event_1b);
pub(super) static LFM_2B: Shape =
    plays(Format::Lfm2b, "LFM-2b listening events", tsv, &["user_id", "track_id", "timestamp"], lfm::event_2b);
pub(super) static YAMBDA_LISTENS: Shape = plays(Format::Yambda, "Yambda listens", parquet, LISTEN, yambda::listen);
pub(super) static YAMBDA_EVENTS: Shape = plays(Format::Yambda, "Yambda events", parquet, EVENT, yambda::event);
pub(super) static YAMBDA_OPINIONS: Shape =
    plays(Format::Yambda, "Yambda likes or dislikes", parquet, &["uid", "item_id"], yambda::opinion);
pub(super) static YAMBDA_ARTISTS: Shape =
    descriptions(Format::Yambda, "Yambda artists of tracks", parquet, &["item_id", "artist_id"], yambda::artist);
pub(super) static MSSD: Shape = plays(Format::Mssd, "MSSD session log", csv, mssd::COLUMNS, mssd::track);
pub(super) static DISTRIBUTOR_STREAMS: Shape =
    plays(Format::DistributorReport, "distributor report, streams", lines, &[], distributor::stream);
pub(super) static DISTRIBUTOR_USERS: Shape =
    descriptions(Format::DistributorReport, "distributor report, users", lines, &[], distributor::user);
pub(super) static DISTRIBUTOR_TRACKS: Shape =
    descriptions(Format::DistributorReport, "distributor report, tracks", lines, &[], distributor::track);
/// Its layout and columns are the map's.
pub(super) static MAPPED: Shape = plays(Format::Mapped, "rows through the column map", csv, &[], mapped::row);
