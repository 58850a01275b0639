//! Any other file, read through a column map that the user writes.
//!
//! ```toml
//! layout = "csv"                 # csv, tsv, jsonl, json, parquet; left out: told by the file
//! nulls = ["NULL"]               # texts that mean null
//!
//! [columns]                      # our column = the file's column (dots lead into JSON objects)
//! account_id = "user"
//! track_id = "song"
//! ended_at = "time"              # or started_at, where the play began
//! played_s = "seconds"           # or played_ms
//!
//! [time]
//! clock = "epoch_s"              # text (the default), epoch_s, epoch_ms
//! utc_offset_minutes = 60        # of times without a zone
//!
//! [constants]
//! country = "SE"
//!
//! [only]                         # every other row is refused as not_a_play
//! column = "event"
//! equals = "listen"
//! ```

use std::collections::BTreeMap;

use records::{Code, Id, Millis, Track};
use serde::Deserialize;

use super::folding::{clean_name, country, name_key};
use super::instant::{self, Clock};
use super::reading::{Context, Facts, Listen, Reading, bare_play, played_ms, scrobbled_ms};
use super::record::{Cell, Record, Refused};
use super::rows::{Dialect, Layout};
use crate::Error;

/// Names that `[columns]` may use.
const KNOWN: &[&str] = &[
    "play_id",
    "account_id",
    "track_id",
    "ended_at",
    "started_at",
    "arrived_at",
    "played_ms",
    "played_s",
    "track_ms",
    "device_id",
    "ip_prefix",
    "asn",
    "country",
    "platform",
    "source",
    "playlist_id",
    "reason_start",
    "reason_end",
    "shuffle",
    "offline",
    "artist_name",
    "title",
    "artist_id",
    "content_id",
    "isrc",
    "label",
    "genre",
    "uploader_id",
    "distributor_id",
];

/// A column map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    layout: Option<String>,
    delimiter: Option<char>,
    quoted: Option<bool>,
    names: Option<Vec<String>>,
    #[serde(default)]
    nulls: Vec<String>,
    columns: BTreeMap<String, String>,
    #[serde(default)]
    constants: BTreeMap<String, String>,
    #[serde(default)]
    time: Time,
    only: Option<Only>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    #[serde(default)]
    clock: Clock,
    #[serde(default)]
    utc_offset_minutes: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    column: String,
    equals: String,
}

impl Map {
    /// Reads a map from TOML.
    ///
    /// # Errors
    /// When it is no TOML, names a column that we do not know, or cannot tell a play's track, time or length.
    pub fn from_toml(text: &str) -> Result<Map, Error> {
        let map: Map = toml::from_str(text).map_err(|error| Error::Input(format!("the column map: {error}")))?;
        let complain = |text: String| Err(Error::Input(format!("the column map: {text}")));
        for name in map.columns.keys().chain(map.constants.keys()) {
            if !KNOWN.contains(&name.as_str()) {
                return complain(format!("`{name}` is no column of ours; known are {}", KNOWN.join(", ")));
            }
        }
        if let Some(layout) = &map.layout
            && !["csv", "tsv", "jsonl", "json", "parquet"].contains(&layout.as_str())
        {
            return complain(format!("layout = {layout:?}; expected csv, tsv, jsonl, json or parquet"));
        }
        if map.delimiter.is_some_and(|delimiter| !delimiter.is_ascii()) {
            return complain("the delimiter must be one ASCII letter".to_owned());
        }
        if !map.has("ended_at") && !map.has("started_at") {
            return complain("`ended_at` or `started_at` is needed under [columns]".to_owned());
        }
        let named = map.has("artist_name") && map.has("title");
        if !map.has("track_id") && !named {
            return complain("`track_id`, or `artist_name` and `title`, is needed under [columns]".to_owned());
        }
        Ok(map)
    }

    /// The layout of a file that begins with `head`.
    pub fn layout(&self, head: &[u8]) -> Layout {
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
        let guess = match first {
            _ if head.starts_with(b"PAR1") => "parquet",
            Some(b'[') => "json",
            Some(b'{') => "jsonl",
            _ if head.split(|byte| *byte == b'\n').next().unwrap_or_default().contains(&b'\t') => "tsv",
            _ => "csv",
        };
        let mut dialect = match self.layout.as_deref().unwrap_or(guess) {
            "parquet" => return Layout::Parquet,
            "json" => return Layout::JsonArray,
            "jsonl" => return Layout::JsonLines,
            "tsv" => Dialect::tsv(),
            _ => Dialect::csv(),
        };
        dialect.delimiter = self.delimiter.map_or(dialect.delimiter, |delimiter| delimiter as u8);
        dialect.quoted = self.quoted.unwrap_or(dialect.quoted);
        dialect.names = self.names.clone();
        Layout::Delimited(dialect)
    }

    /// The columns that a header or schema must have: every one the map names.
    pub fn required(&self) -> Vec<&str> {
        let only = self.only.iter().map(|only| only.column.as_str());
        self.columns.values().map(String::as_str).chain(only).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    /// The file's column for ours, if it is mapped and not null in this row.
    fn column(&self, record: &Record, name: &str) -> Option<&str> {
        let column = self.columns.get(name)?;
        match record.cell(column) {
            Cell::Null => None,
            Cell::Text(text) if self.nulls.iter().any(|null| *null == *text) => None,
            _ => Some(column),
        }
    }

    fn text(&self, record: &Record, name: &str) -> Result<Option<String>, Refused> {
        let value = self.column(record, name).map(|column| record.text(column)).transpose()?.flatten();
        Ok(value.or_else(|| self.constants.get(name).cloned()))
    }

    fn id(&self, record: &Record, name: &str) -> Result<Option<Id>, Refused> {
        Ok(self.text(record, name)?.map(Id::from))
    }

    fn integer(&self, record: &Record, name: &str) -> Result<Option<i128>, Refused> {
        Ok(self.column(record, name).map(|column| record.integer(column)).transpose()?.flatten())
    }

    fn flag(&self, record: &Record, name: &str) -> Result<Option<bool>, Refused> {
        Ok(self.column(record, name).map(|column| record.flag(column)).transpose()?.flatten())
    }

    fn instant(&self, record: &Record, name: &str) -> Result<Option<Millis>, Refused> {
        let Some(column) = self.column(record, name) else { return Ok(None) };
        let read = instant::optional(record, column, self.time.clock)?;
        // Only a text without a zone of its own is local time.
        let zoned = match record.cell(column) {
            Cell::Text(text) => self.time.clock != Clock::Text || has_zone(&text),
            _ => true,
        };
        let shift = if zoned { 0 } else { self.time.utc_offset_minutes.saturating_mul(60_000) };
        Ok(read.map(|read| read.saturating_sub(shift)))
    }

    /// How long the play was heard; `None` where the map or the row does not tell.
    fn heard(&self, record: &Record) -> Result<Option<u64>, Refused> {
        if let Some(played) = self.integer(record, "played_ms")? {
            return played_ms(played).map(Some);
        }
        let Some(column) = self.column(record, "played_s") else { return Ok(None) };
        let seconds = record.number(column)?.ok_or_else(|| Refused::missing(column))?;
        played_ms((seconds * 1_000.0).round() as i128).map(Some)
    }

    fn facts(&self, record: &Record) -> Result<Facts, Refused> {
        let (artist, title) = (self.text(record, "artist_name")?, self.text(record, "title")?);
        let mut facts = Facts::of_names(artist.as_deref(), title.as_deref());
        facts.artist_id = self.id(record, "artist_id")?.or(facts.artist_id);
        facts.content_id = self.id(record, "content_id")?.or(facts.content_id);
        facts.duration_ms = self.integer(record, "track_ms")?.and_then(|track| u64::try_from(track).ok());
        if ["isrc", "label", "genre", "uploader_id", "distributor_id"].iter().any(|name| self.has(name)) {
            facts.more = Some(Box::new(Track {
                isrc: self.text(record, "isrc")?,
                label: self.text(record, "label")?,
                genre: self.text(record, "genre")?,
                uploader_id: self.id(record, "uploader_id")?,
                distributor_id: self.id(record, "distributor_id")?,
                ..Track::new(Id::Number(0))
            }));
        }
        Ok(facts)
    }
}

/// A row through the map.
pub fn row(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let options = context.options;
    let map = options.map.as_ref().expect("a mapped file is recognised only where there is a map");
    if let Some(only) = &map.only {
        let found = record.text(&only.column)?.unwrap_or_default();
        if found != only.equals {
            return Err(Refused::new(Code::NotAPlay, format!("`{}` is {found:?}, not {:?}", only.column, only.equals)));
        }
    }
    let facts = map.facts(record)?;
    let told = map.heard(record)?;
    if told.is_none() && (map.has("played_ms") || map.has("played_s")) {
        return Err(Refused::missing("played_ms"));
    }
    let played = told.unwrap_or_else(|| scrobbled_ms(facts.duration_ms, options));
    let ended = match (map.instant(record, "ended_at")?, map.instant(record, "started_at")?) {
        (Some(ended), _) => ended,
        (None, Some(started)) => started.saturating_add(played as i64),
        (None, None) => return Err(Refused::missing("ended_at")),
    };
    let ended_at = instant::within(ended, &options.bounds)?;
    let account = match map.text(record, "account_id")? {
        Some(account) => Id::from(account),
        None if map.has("account_id") => return Err(Refused::missing("account_id")),
        None => context.account(None),
    };
    let track_id = match (map.id(record, "track_id")?, &facts.artist_name, &facts.title) {
        (Some(id), ..) => id,
        (None, Some(artist), Some(title)) if !map.has("track_id") => Id::from(name_key(&[artist, title])),
        _ => return Err(Refused::missing("track_id")),
    };
    let play_id = match map.id(record, "play_id")? {
        Some(id) => id,
        None if map.has("play_id") => return Err(Refused::missing("play_id")),
        None => context.play_id(&account, record, &[]),
    };

    let mut play = bare_play(play_id, account, track_id, ended_at, played);
    play.arrived_at = map.instant(record, "arrived_at")?;
    play.track_ms = facts.duration_ms;
    play.device_id = map.id(record, "device_id")?;
    play.ip_prefix = map.id(record, "ip_prefix")?;
    play.asn = map.integer(record, "asn")?.and_then(|asn| u32::try_from(asn).ok());
    play.country = map.text(record, "country")?.and_then(|text| country(&text));
    play.platform = map.text(record, "platform")?.and_then(|text| clean_name(&text));
    play.source = map.text(record, "source")?;
    play.playlist_id = map.id(record, "playlist_id")?;
    play.reason_start = map.text(record, "reason_start")?;
    play.reason_end = map.text(record, "reason_end")?;
    play.shuffle = map.flag(record, "shuffle")?;
    play.offline = map.flag(record, "offline")?;
    Ok(Reading::Play(Box::new(Listen { play, facts, assumed: told.is_none() })))
}

/// Whether a text such as `2020-01-01T10:00:00+01:00` names its zone.
fn has_zone(text: &str) -> bool {
    let time = text.trim().get(10..).unwrap_or_default();
    time.ends_with(['Z', 'z']) || time.ends_with("UTC") || time.contains(['+', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_says_what_is_wrong_with_it() {
        for (text, fault) in [
            ("columns = 3", "expected a map"),
            ("[columns]\nended_at = 't'", "`track_id`"),
            ("[columns]\ntrack_id = 't'", "`ended_at` or `started_at`"),
            ("[columns]\ntrack_id = 't'\nended_at = 'e'\ncolour = 'x'", "`colour` is no column of ours"),
            ("layout = 'xls'\n[columns]\ntrack_id = 't'\nended_at = 'e'", "layout = \"xls\""),
            ("speed = 1\n[columns]\ntrack_id = 't'\nended_at = 'e'", "unknown field `speed`"),
        ] {
            let error = Map::from_toml(text).expect_err(text).to_string();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn only_a_time_without_a_zone_is_local() {
        assert!(has_zone("2020-01-01T10:00:00Z") && has_zone("2020-01-01 10:00:00-0500"));
        assert!(!has_zone("2020-01-01 10:00:00") && !has_zone("2020-01-01"));
    }
}
