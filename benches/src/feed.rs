//! The week as it arrived: Parquet files become one step per refresh.
//!
//! ```text
//! plays.parquet       ──▶ batches ──▶ plays that arrived before T   ──┐
//! corrections.parquet ──────────────▶ corrections that did          ──┴──▶ step T
//! ```
//!
//! Only the columns that the questions need are read; W1 has no nulls in them and is sorted by arrival, which is checked.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType, UInt64Type};
use hashbrown::HashMap;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::Error;

/// What the four questions need to know of a play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Play {
    /// The source's id.
    pub play_id: u64,
    /// The event time.
    pub ended_at: i64,
    /// When it became known, never before `ended_at`.
    pub arrived_at: i64,
    /// Who listened.
    pub account: u32,
    /// What was played.
    pub track: u32,
    /// The track's artist.
    pub artist: u32,
    /// On which device.
    pub device: u32,
    /// For how long.
    pub played_ms: u32,
    /// The two letters of the country.
    pub country: u16,
}

/// The instants at which the views are stated.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Milliseconds between refreshes.
    pub every_ms: i64,
}

impl Clock {
    /// The first refresh that knows what happened at the instant: refresh `n` stands for all before `n * every_ms`.
    pub fn refresh_after(self, instant_ms: i64) -> i64 {
        instant_ms.div_euclid(self.every_ms) + 1
    }

    /// The instant of a refresh.
    pub fn as_of(self, refresh: i64) -> i64 {
        refresh * self.every_ms
    }
}

/// What became known between two refreshes.
#[derive(Debug, Default)]
pub struct Step {
    /// The plays that arrived.
    pub plays: Vec<Play>,
    /// The plays that must be forgotten.
    pub corrected: Vec<u64>,
}

/// Reads the folder of a W1 week step by step.
pub struct Feed {
    clock: Clock,
    plays: Plays,
    /// (arrived_at, play_id), in order of arrival.
    corrections: Vec<(i64, u64)>,
    corrections_read: usize,
    next: Option<Play>,
    refresh: i64,
}

impl Feed {
    /// Opens the folder.
    ///
    /// # Errors
    /// When a file is missing, damaged or not as W1 is.
    pub fn open(folder: &Path, clock: Clock) -> Result<Feed, Error> {
        let mut plays = Plays::open(folder)?;
        let corrections = read_corrections(&folder.join("corrections.parquet"))?;
        let next = plays.next()?.ok_or("plays.parquet has no rows")?;
        let first = corrections.first().map_or(next.arrived_at, |first| first.0.min(next.arrived_at));
        let refresh = clock.refresh_after(first);
        Ok(Feed { clock, plays, corrections, corrections_read: 0, next: Some(next), refresh })
    }

    /// Fills the step with what was learnt before the next refresh; returns the refresh, `None` after the last.
    ///
    /// # Errors
    /// When a file is damaged or not sorted by arrival.
    pub fn next(&mut self, step: &mut Step) -> Result<Option<i64>, Error> {
        step.plays.clear();
        step.corrected.clear();
        if self.next.is_none() && self.corrections_read == self.corrections.len() {
            return Ok(None);
        }
        let as_of = self.clock.as_of(self.refresh);
        while let Some(play) = self.next.filter(|play| play.arrived_at < as_of) {
            step.plays.push(play);
            self.next = self.plays.next()?;
            if self.next.is_some_and(|next| next.arrived_at < play.arrived_at) {
                return Err("plays.parquet is not sorted by arrival".into());
            }
        }
        while let Some((_, play_id)) = self.corrections.get(self.corrections_read).filter(|(at, _)| *at < as_of) {
            step.corrected.push(*play_id);
            self.corrections_read += 1;
        }
        self.refresh += 1;
        Ok(Some(self.refresh - 1))
    }
}

/// Plays in the order of the file, decoded a batch at a time.
struct Plays {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    artists: HashMap<u32, u32>,
    decoded: std::vec::IntoIter<Play>,
}

const PLAY_COLUMNS: [&str; 8] =
    ["play_id", "ended_at", "arrived_at", "account_id", "track_id", "played_ms", "device_id", "country"];

impl Plays {
    fn open(folder: &Path) -> Result<Plays, Error> {
        let artists = read_artists(&folder.join("tracks.parquet"))?;
        let path = folder.join("plays.parquet");
        let reader = open(&path, &PLAY_COLUMNS)?;
        Ok(Plays { path, reader, artists, decoded: Vec::new().into_iter() })
    }

    fn next(&mut self) -> Result<Option<Play>, Error> {
        loop {
            if let Some(play) = self.decoded.next() {
                return Ok(Some(play));
            }
            let Some(batch) = self.reader.next() else { return Ok(None) };
            self.decoded = decode(&batch?, &self.artists)
                .map_err(|error| format!("{}: {error}", self.path.display()))?
                .into_iter();
        }
    }
}

/// Opens a Parquet file for some of its columns.
fn open(path: &Path, columns: &[&str]) -> Result<ParquetRecordBatchReader, Error> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    Ok(builder.with_projection(mask).with_batch_size(8_192).build()?)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, Error> {
    let array = batch.column_by_name(name).ok_or_else(|| format!("column `{name}` is missing"))?;
    if array.null_count() > 0 {
        return Err(format!("column `{name}` has nulls; W1 has none").into());
    }
    Ok(array)
}

fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [u64], Error> {
    let array = column(batch, name)?.as_primitive_opt::<UInt64Type>();
    Ok(array.ok_or_else(|| format!("column `{name}` is not UInt64"))?.values())
}

fn instants<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64], Error> {
    let array = column(batch, name)?.as_primitive_opt::<TimestampMillisecondType>();
    Ok(array.ok_or_else(|| format!("column `{name}` is not a timestamp in milliseconds"))?.values())
}

fn decode(batch: &RecordBatch, artists: &HashMap<u32, u32>) -> Result<Vec<Play>, Error> {
    let (play_id, account) = (numbers(batch, "play_id")?, numbers(batch, "account_id")?);
    let (track, device) = (numbers(batch, "track_id")?, numbers(batch, "device_id")?);
    let (ended_at, arrived_at) = (instants(batch, "ended_at")?, instants(batch, "arrived_at")?);
    let played_ms =
        column(batch, "played_ms")?.as_primitive_opt::<Int64Type>().ok_or("column `played_ms` is not Int64")?;
    let country = column(batch, "country")?.as_string_opt::<i32>().ok_or("column `country` is not Utf8")?;
    (0..batch.num_rows())
        .map(|row| {
            let track = u32::try_from(track[row])?;
            let letters = country.value(row).as_bytes().first_chunk::<2>().ok_or("a country has two letters")?;
            Ok(Play {
                play_id: play_id[row],
                ended_at: ended_at[row],
                arrived_at: arrived_at[row].max(ended_at[row]),
                account: u32::try_from(account[row])?,
                track,
                artist: *artists.get(&track).ok_or("a track is missing from the catalogue")?,
                device: u32::try_from(device[row])?,
                played_ms: u32::try_from(played_ms.value(row))?,
                country: u16::from_be_bytes(*letters),
            })
        })
        .collect()
}

fn read_artists(path: &Path) -> Result<HashMap<u32, u32>, Error> {
    let mut artists = HashMap::new();
    for batch in open(path, &["track_id", "artist_id"])? {
        let batch = batch?;
        let (tracks, by) = (numbers(&batch, "track_id")?, numbers(&batch, "artist_id")?);
        for (track, artist) in tracks.iter().zip(by) {
            artists.insert(u32::try_from(*track)?, u32::try_from(*artist)?);
        }
    }
    Ok(artists)
}

fn read_corrections(path: &Path) -> Result<Vec<(i64, u64)>, Error> {
    let mut corrections = Vec::new();
    for batch in open(path, &["play_id", "arrived_at"])? {
        let batch = batch?;
        let (ids, at) = (numbers(&batch, "play_id")?, instants(&batch, "arrived_at")?);
        corrections.extend(at.iter().copied().zip(ids.iter().copied()));
    }
    corrections.sort_unstable();
    Ok(corrections)
}
