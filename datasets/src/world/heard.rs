//! One playback in the making, small enough to sort by the million, and the ways to its final shapes.
//!
//! ```text
//! Heard ──▶ RecordBatch (columns, for files)
//!       └─▶ Play (one record, for tests)
//! ```

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringBuilder, TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::SchemaRef;
use records::{Id, Millis, Play};

use super::catalogue::Catalogue;
use super::geography::{self, COUNTRIES};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum $name { $($variant),+ }
        impl $name {
            /// The word in the tables.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
    };
}

words!(
    /// The kind of client.
    Platform { Ios = "ios", Android = "android", Desktop = "desktop", Web = "web", Cast = "cast", Tv = "tv" }
);
words!(
    /// Where in the product a play began.
    Source {
        Library = "library", Search = "search", Album = "album", Artist = "artist", Playlist = "playlist",
        Editorial = "editorial", Algorithmic = "algorithmic", Radio = "radio", External = "external", Other = "other",
    }
);
words!(
    /// Why a play began or ended: the words of the Spotify extended history.
    Reason {
        Trackdone = "trackdone", Fwdbtn = "fwdbtn", Backbtn = "backbtn", Clickrow = "clickrow", Playbtn = "playbtn",
        Appload = "appload", Unknown = "unknown", Endplay = "endplay", Logout = "logout",
        UnexpectedExit = "unexpected-exit-while-paused",
    }
);

/// The mark of a play told a second time with other content.
pub(super) const CONFLICTING: u8 = 2;

/// One playback; ids are indices until they are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub play_id: u64,
    pub ended_at: Millis,
    /// `None`: the platform learned of it at once.
    pub arrived_at: Option<Millis>,
    pub account: u32,
    pub track: u32,
    pub played_ms: u32,
    /// 0 = unknown.
    pub device: u32,
    /// 0 = unknown.
    pub ip_prefix: u32,
    /// 0 = none.
    pub playlist: u32,
    pub network: u8,
    pub country: u8,
    pub platform: Platform,
    pub source: Source,
    pub reason_start: Reason,
    pub reason_end: Reason,
    pub shuffle: bool,
    pub offline: bool,
    /// 0 = the play itself, 1 = told a second time, [`CONFLICTING`] = told a second time otherwise.
    pub copy: u8,
    /// 0 = ordinary listening, else 1 + the index of the family that made it.
    pub family: u8,
}

impl Heard {
    /// When the platform learns of it: what files are sorted by.
    pub fn arrival(&self) -> Millis {
        self.arrived_at.map_or(self.ended_at, |arrived| arrived.max(self.ended_at))
    }

    /// A total order, so that sorting gives the same rows in the same order whatever the threads did.
    pub fn order(&self) -> (Millis, u64, u8) {
        (self.arrival(), self.play_id, self.copy)
    }

    /// The play as a record.
    pub fn play(&self, names: &Names<'_>) -> Play {
        let known = |id: u32| (id != 0).then(|| Id::Number(u64::from(id)));
        Play {
            play_id: Id::Number(self.play_id),
            ended_at: self.ended_at,
            arrived_at: self.arrived_at,
            account_id: Id::Number(names.account(self.account)),
            track_id: Id::Number(u64::from(self.track) + 1),
            played_ms: u64::from(self.played_ms),
            track_ms: Some(u64::from(names.catalogue.length_ms(self.track))),
            device_id: known(self.device),
            ip_prefix: known(self.ip_prefix),
            asn: geography::asn(self.network),
            country: Some(COUNTRIES[usize::from(self.country)].code.to_owned()),
            platform: Some(self.platform.word().to_owned()),
            source: Some(self.source.word().to_owned()),
            playlist_id: known(self.playlist),
            reason_start: Some(self.reason_start.word().to_owned()),
            reason_end: Some(self.reason_end.word().to_owned()),
            shuffle: Some(self.shuffle),
            offline: Some(self.offline),
        }
    }
}

/// What turns indices into ids.
pub(super) struct Names<'a> {
    pub catalogue: &'a Catalogue,
    pub accounts: u64,
    pub stride: u64,
}

impl Names<'_> {
    /// Account ids are scattered over 1..=accounts, so that neighbours in the id are not neighbours in behaviour.
    pub fn account(&self, index: u32) -> u64 {
        1 + (u64::from(index) * self.stride) % self.accounts
    }
}

/// The plays as columns of the canonical table; equal to `Play::batch` of the same plays.
pub(super) fn columns(plays: &[Heard], names: &Names<'_>, schema: SchemaRef) -> RecordBatch {
    let ids = |value: fn(&Heard) -> u32| -> ArrayRef {
        Arc::new(UInt64Array::from_iter(plays.iter().map(|p| Some(u64::from(value(p))).filter(|&id| id != 0))))
    };
    let words = |word: fn(&Heard) -> &'static str| -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(plays.len(), plays.len() * 8);
        plays.iter().for_each(|play| builder.append_value(word(play)));
        Arc::new(builder.finish())
    };
    let whole = |values: Vec<u64>| -> ArrayRef { Arc::new(UInt64Array::from(values)) };
    let instants = TimestampMillisecondArray::from_iter_values(plays.iter().map(|p| p.ended_at)).with_timezone("UTC");
    let arrivals = TimestampMillisecondArray::from_iter(plays.iter().map(|p| p.arrived_at)).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        whole(plays.iter().map(|p| p.play_id).collect()),
        Arc::new(instants),
        Arc::new(arrivals),
        whole(plays.iter().map(|p| names.account(p.account)).collect()),
        whole(plays.iter().map(|p| u64::from(p.track) + 1).collect()),
        Arc::new(Int64Array::from_iter_values(plays.iter().map(|p| i64::from(p.played_ms)))),
        Arc::new(Int64Array::from_iter_values(plays.iter().map(|p| i64::from(names.catalogue.length_ms(p.track))))),
        ids(|p| p.device),
        ids(|p| p.ip_prefix),
        Arc::new(UInt32Array::from_iter(plays.iter().map(|p| geography::asn(p.network)))),
        words(|p| COUNTRIES[usize::from(p.country)].code),
        words(|p| p.platform.word()),
        words(|p| p.source.word()),
        ids(|p| p.playlist),
        words(|p| p.reason_start.word()),
        words(|p| p.reason_end.word()),
        Arc::new(BooleanArray::from_iter(plays.iter().map(|p| Some(p.shuffle)))),
        Arc::new(BooleanArray::from_iter(plays.iter().map(|p| Some(p.offline)))),
    ];
    RecordBatch::try_new(schema, columns).expect("the columns are those of the schema, of one length")
}
