//! What a format makes of a row, and what it may know while it does.

use std::ops::RangeInclusive;

use records::{Account, Code, Id, Millis, Play, Track};

use super::content_id::{ContentIds, number_id, text_id};
use super::folding::{clean_name, name_key};
use super::mapped::Map;
use super::record::{Record, Refused};

/// Longest playback that is believed, 24 h: the longest single plays in real exports are mixes and podcasts of a few hours.
pub const PLAYED_MAX_MS: u64 = 24 * 3_600_000;

/// What a row describes.
#[derive(Clone, Debug)]
pub enum Reading {
    /// A play, and what it tells about its track.
    Play(Box<Listen>),
    /// A row of the catalogue.
    Track(Id, Box<Facts>),
    /// An account.
    Account(Box<Account>),
}

/// A play, and what its row tells about the track.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The play.
    pub play: Play,
    /// The track.
    pub facts: Facts,
    /// Whether `played_ms` is an assumption, because the source does not tell it.
    pub assumed: bool,
}

/// What is known of a track; kept in memory for every track, so it is small where little is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Title.
    pub title: Option<Box<str>>,
    /// The main artist.
    pub artist_id: Option<Id>,
    /// The main artist's name.
    pub artist_name: Option<Box<str>>,
    /// The recording.
    pub content_id: Option<Id>,
    /// Length in milliseconds.
    pub duration_ms: Option<u64>,
    /// Everything else, where a format tells more.
    pub more: Option<Box<Track>>,
}

impl Facts {
    /// What the names of artist and title tell: an artist id where the source gives none, and the recording, so that
    /// two ids of one song by one artist meet in one `content_id`.
    pub fn of_names(artist: Option<&str>, title: Option<&str>) -> Facts {
        let (artist, title) = (artist.and_then(clean_name), title.and_then(clean_name));
        let content_id = match (&artist, &title) {
            (Some(artist), Some(title)) => Some(Id::from(name_key(&[artist, title]))),
            _ => None,
        };
        Facts {
            artist_id: artist.as_ref().map(|artist| Id::from(name_key(&[artist]))),
            artist_name: artist.map(String::into_boxed_str),
            title: title.map(String::into_boxed_str),
            content_id,
            ..Facts::default()
        }
    }

    /// Fills what is not known yet; what is known stays.
    pub fn merge(&mut self, other: Facts) {
        fn fill<T>(known: &mut Option<T>, new: Option<T>) {
            if known.is_none() {
                *known = new;
            }
        }
        fill(&mut self.title, other.title);
        fill(&mut self.artist_id, other.artist_id);
        fill(&mut self.artist_name, other.artist_name);
        fill(&mut self.content_id, other.content_id);
        fill(&mut self.duration_ms, other.duration_ms);
        fill(&mut self.more, other.more);
    }

    /// The row of the catalogue.
    pub fn into_track(self, track_id: Id) -> Track {
        let mut track = self.more.map_or_else(|| Track::new(track_id.clone()), |more| *more);
        track.track_id = track_id;
        track.title = self.title.map(String::from).or(track.title);
        track.artist_id = self.artist_id.or(track.artist_id);
        track.artist_name = self.artist_name.map(String::from).or(track.artist_name);
        track.content_id = self.content_id.filter(|id| *id != track.track_id).or(track.content_id);
        track.duration_ms = self.duration_ms.or(track.duration_ms);
        track
    }
}

/// What the caller decides about an import.
#[derive(Clone, Debug)]
pub struct Options {
    /// The account of files without an account column.
    pub account: Option<String>,
    /// `played_ms` of a scrobble whose track length is not known.
    pub assume_played_ms: u64,
    /// The instant that a data set with relative times calls zero.
    pub origin: Millis,
    /// When a play can have ended; everything else is refused as out of range.
    pub bounds: RangeInclusive<Millis>,
    /// Whether all ids are written as numbers.
    pub numeric_ids: bool,
    /// The column map of the format `mapped`.
    pub map: Option<Map>,
}

/// What a reading may know beside its row.
pub struct Context<'a> {
    /// What the caller decided.
    pub options: &'a Options,
    /// The account of a file without an account column: the folder's name.
    pub folder: &'a str,
    /// Counts equal rows of the file.
    pub ids: &'a mut ContentIds,
}

impl Context<'_> {
    /// The account of a row that may name one: the caller's word, else the row's, else the folder's.
    pub fn account(&self, named: Option<String>) -> Id {
        let account = self.options.account.clone().or(named);
        account.map_or_else(|| Id::from(self.folder), Id::from)
    }

    /// The id of a play whose source gives none.
    pub fn play_id(&mut self, account: &Id, record: &Record, unhashed: &[&str]) -> Id {
        let content = self.ids.next(account, record, unhashed);
        if self.options.numeric_ids { number_id(content) } else { text_id(content) }
    }
}

/// A play that says nothing but what is required.
pub fn bare_play(play_id: Id, account_id: Id, track_id: Id, ended_at: Millis, played_ms: u64) -> Play {
    Play {
        play_id,
        ended_at,
        arrived_at: None,
        account_id,
        track_id,
        played_ms,
        track_ms: None,
        device_id: None,
        ip_prefix: None,
        asn: None,
        country: None,
        platform: None,
        source: None,
        playlist_id: None,
        reason_start: None,
        reason_end: None,
        shuffle: None,
        offline: None,
    }
}

/// A length of playback that can be.
///
/// # Errors
/// When it is negative or longer than [`PLAYED_MAX_MS`].
pub fn played_ms(value: i128) -> Result<u64, Refused> {
    match u64::try_from(value) {
        Ok(played) if played <= PLAYED_MAX_MS => Ok(played),
        _ => Err(Refused::new(Code::OutOfRange, format!("played for {value} ms; expected 0 to {PLAYED_MAX_MS}"))),
    }
}

/// How long a scrobble is taken to have been heard: the track's length where the source tells a sensible one, else the
/// caller's constant. Both are assumptions.
pub fn scrobbled_ms(track_ms: Option<u64>, options: &Options) -> u64 {
    track_ms.filter(|track| (1..=PLAYED_MAX_MS).contains(track)).unwrap_or(options.assume_played_ms)
}
