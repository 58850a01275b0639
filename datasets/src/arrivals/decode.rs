//! Turns rows of a plays file into plays of fixed size, column by column.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, UInt64Type};
use arrow::util::display::array_value_to_string;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use records::{Code, Country, IdSpace, Key, KeyedPlay, Millis, Refusal, Source};

use super::catalogue::Facts;
use crate::Error;
use crate::names::{Naming, play_id_of};
use crate::tables::IdKind;
use crate::tables::finite::FiniteFile;
use crate::tables::read::{INSTANT_MAX, INSTANT_MIN};

/// Rows decoded at a time.
pub(super) const BATCH_ROWS: usize = 4_096;
/// An account is new for seven days (the contract of `new_account_plays`).
const NEW_ACCOUNT_MS: Millis = 7 * 24 * 3_600_000;
/// Stands for null in a column of numbers.
const NULL: i64 = i64::MIN;

/// Which of the optional columns somebody needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Wanted {
    pub device: bool,
    pub ip_prefix: bool,
    pub playlist: bool,
    pub asn: bool,
    pub country: bool,
    pub source: bool,
    pub flags: bool,
    pub new_account: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Wanted = Wanted {
        device: true,
        ip_prefix: true,
        playlist: true,
        asn: true,
        country: true,
        source: true,
        flags: true,
        new_account: true,
    };

    fn columns(self) -> Vec<&'static str> {
        let optional = [
            (self.device, "device_id"),
            (self.ip_prefix, "ip_prefix"),
            (self.playlist, "playlist_id"),
            (self.asn, "asn"),
            (self.country, "country"),
            (self.source, "source"),
            (self.flags, "shuffle"),
            (self.flags, "offline"),
        ];
        let required = ["ended_at", "arrived_at", "account_id", "track_id", "played_ms"];
        required.into_iter().chain(optional.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name)).collect()
    }
}

/// A play and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Not before it ended.
    pub at: Millis,
    /// The play.
    pub play: KeyedPlay,
}

/// A play whose id comes again, as another play or in a correction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// When it arrived.
    pub at: Millis,
    /// The play id: the number, or the 128-bit hash of the text.
    pub play_id: u128,
    /// How often plays and corrections name the id in all.
    pub occurrences: u32,
    /// The play.
    pub play: KeyedPlay,
    /// Its source as written.
    pub source: Option<Box<str>>,
    /// Shuffle and offline as written.
    pub flags: (Option<bool>, Option<bool>),
    /// Its row in the file.
    pub row: u64,
}

/// What a batch of rows became.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub plays: Vec<Arrived>,
    pub suspects: Vec<Suspect>,
    pub refusals: Vec<Refusal>,
}

/// Opens a plays file, or some rows of one of its row groups, for these columns.
pub(super) fn open(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    part: Option<(usize, RowSelection)>,
    columns: &[&str],
) -> Result<ParquetRecordBatchReader, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(FiniteFile(file), metadata.clone());
    let fields = builder.schema().fields().iter().enumerate();
    let wanted: Vec<usize> =
        fields.filter(|(_, field)| columns.contains(&field.name().as_str())).map(|(at, _)| at).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
    let builder = match part {
        Some((group, rows)) => builder.with_row_groups(vec![group]).with_row_selection(rows),
        None => builder,
    };
    builder.build().map_err(|error| Error::parquet(path, error))
}

/// Which play ids come again, and how often they are named.
pub(super) type Suspected = hashbrown::HashMap<u64, u32>;

/// Turns batches of one file into plays.
pub(super) struct Decoder<'a> {
    pub path: PathBuf,
    pub wanted: Wanted,
    pub facts: &'a Facts,
    /// Whose ids come again; `None` where nobody knows, and every play comes with its id.
    pub suspected: Option<&'a Suspected>,
    /// Whether play ids are read, to find suspects and rows without an id.
    pub play_ids: bool,
}

impl Decoder<'_> {
    /// The columns to open a file for.
    pub fn columns(wanted: Wanted, play_ids: bool) -> Vec<&'static str> {
        let mut columns = wanted.columns();
        if play_ids {
            columns.push("play_id");
        }
        columns
    }

    /// Decodes the batch, whose first row has this number in the file.
    pub fn decode(
        &self,
        batch: &RecordBatch,
        first_row: u64,
        naming: &mut Naming,
        to: &mut Decoded,
    ) -> Result<(), Error> {
        let columns = Columns::of(self, batch, naming)?;
        for row in 0..batch.num_rows() {
            match columns.play(row, self) {
                Ok(arrived) => match columns.play_ids.as_ref().and_then(|ids| self.suspect(ids[row])) {
                    None => to.plays.push(arrived),
                    Some((play_id, occurrences)) => to.suspects.push(Suspect {
                        at: arrived.at,
                        play_id,
                        occurrences,
                        play: arrived.play,
                        source: columns.source_text(row).map(Box::from),
                        flags: (flag(&columns.shuffle, row), flag(&columns.offline, row)),
                        row: first_row + row as u64,
                    }),
                },
                Err((code, reason)) => to.refusals.push(self.refusal(batch, row, first_row, code, reason)),
            }
        }
        Ok(())
    }

    fn suspect(&self, play_id: u128) -> Option<(u128, u32)> {
        match self.suspected {
            Some(suspected) => suspected.get(&(play_id as u64)).map(|occurrences| (play_id, *occurrences)),
            None => Some((play_id, u32::MAX)),
        }
    }

    fn refusal(&self, batch: &RecordBatch, row: usize, first_row: u64, code: Code, reason: String) -> Refusal {
        let schema = batch.schema();
        let cells = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            let value = if column.is_null(row) {
                "null".to_owned()
            } else {
                array_value_to_string(column, row).unwrap_or_default()
            };
            format!("{}={value}", field.name())
        });
        let mut raw = cells.collect::<Vec<_>>().join(" ");
        raw.truncate((0..=raw.len().min(1024)).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or(0));
        let file = self.path.display().to_string();
        Refusal { source: "plays".to_owned(), file, row: first_row + row as u64, code, reason, raw: Some(raw) }
    }
}

/// The columns at which [`glance`] looks.
pub(super) const GLANCED: [&str; 3] = ["ended_at", "arrived_at", "country"];

/// When the valid plays of the batch, which have these ids, arrive, and whether some row is refused, where other columns
/// than [`GLANCED`] are beyond doubt.
pub(super) fn glance(path: &Path, batch: &RecordBatch, ids: &[u128]) -> Result<(Vec<Millis>, bool), Error> {
    let ended = batch.column_by_name("ended_at").ok_or_else(|| missing_column(path, "ended_at", batch))?;
    let ended = instants(path, "ended_at", ended)?;
    let arrived = batch.column_by_name("arrived_at").map(|array| instants(path, "arrived_at", array)).transpose()?;
    let country = batch.column_by_name("country").map(|array| text(path, "country", array)).transpose()?;
    let valid = INSTANT_MIN..INSTANT_MAX;
    let mut arrivals = Vec::with_capacity(ended.len());
    for (row, ended_at) in ended.iter().enumerate() {
        let arrived_at = arrived.as_ref().map(|arrived| arrived[row]).filter(|at| *at != NULL).unwrap_or(*ended_at);
        let placed =
            country.as_ref().is_none_or(|country| country.is_null(row) || Country::pack(country.value(row)).is_some());
        if placed && is_play_id(ids[row]) && valid.contains(ended_at) && valid.contains(&arrived_at) {
            arrivals.push(arrived_at.max(*ended_at));
        }
    }
    let refuses = arrivals.len() < ended.len();
    Ok((arrivals, refuses))
}

/// The columns of a batch in the forms that plays are made of.
struct Columns<'a> {
    ended_at: Cow<'a, [i64]>,
    arrived_at: Option<Cow<'a, [i64]>>,
    account: Ids<'a>,
    track: Ids<'a>,
    played_ms: Cow<'a, [i64]>,
    play_ids: Option<Vec<u128>>,
    device: Option<Ids<'a>>,
    ip_prefix: Option<Ids<'a>>,
    playlist: Option<Ids<'a>>,
    asn: Option<Cow<'a, [i64]>>,
    country: Option<StringArray>,
    source: Option<StringArray>,
    shuffle: Option<BooleanArray>,
    offline: Option<BooleanArray>,
}

/// Keys, [`Key::NONE`] for null; numbers that no id can be are in `bad`.
struct Ids<'a> {
    name: &'static str,
    keys: Cow<'a, [u64]>,
    bad: Vec<usize>,
}

type Refused = (Code, String);

impl<'a> Columns<'a> {
    fn of(decoder: &Decoder<'_>, batch: &'a RecordBatch, naming: &mut Naming) -> Result<Columns<'a>, Error> {
        let path = &decoder.path;
        let required = |name: &'static str| batch.column_by_name(name).ok_or_else(|| missing_column(path, name, batch));
        let optional = |wanted: bool, name: &str| batch.column_by_name(name).filter(|_| wanted);
        let wanted = decoder.wanted;
        let mut ids = |name, array: &'a ArrayRef, space| Ids::of(path, name, array, space, naming);
        let account = ids("account_id", required("account_id")?, IdSpace::Account)?;
        let track = ids("track_id", required("track_id")?, IdSpace::Track)?;
        let mut some = |wanted, name, space| optional(wanted, name).map(|array| ids(name, array, space)).transpose();
        let device = some(wanted.device, "device_id", IdSpace::Device)?;
        let ip_prefix = some(wanted.ip_prefix, "ip_prefix", IdSpace::IpPrefix)?;
        let playlist = some(wanted.playlist, "playlist_id", IdSpace::Playlist)?;
        let texts = |wanted, name| optional(wanted, name).map(|array| text(path, name, array)).transpose();
        let flags = |name| optional(wanted.flags, name).map(|array| booleans(path, name, array)).transpose();
        let play_kind = naming.kind(IdSpace::Play);
        let play_ids = match decoder.play_ids {
            true => Some(play_ids(path, required("play_id")?, play_kind)?),
            false => None,
        };
        Ok(Columns {
            ended_at: instants(path, "ended_at", required("ended_at")?)?,
            arrived_at: optional(true, "arrived_at").map(|array| instants(path, "arrived_at", array)).transpose()?,
            account,
            track,
            played_ms: numbers(path, "played_ms", required("played_ms")?)?,
            play_ids,
            device,
            ip_prefix,
            playlist,
            asn: optional(wanted.asn, "asn").map(|array| numbers(path, "asn", array)).transpose()?,
            country: texts(wanted.country, "country")?,
            source: texts(wanted.source, "source")?,
            shuffle: flags("shuffle")?,
            offline: flags("offline")?,
        })
    }

    fn play(&self, row: usize, decoder: &Decoder<'_>) -> Result<Arrived, Refused> {
        let (ended_at, played_ms) = (self.ended_at[row], self.played_ms[row]);
        let no_id = self.play_ids.as_ref().is_some_and(|ids| ids[row] == NO_PLAY_ID);
        let missing = [
            (no_id, "play_id"),
            (ended_at == NULL, "ended_at"),
            (self.account.is_null(row), "account_id"),
            (self.track.is_null(row), "track_id"),
            (played_ms == NULL, "played_ms"),
        ];
        if let Some((_, column)) = missing.iter().find(|(missing, _)| *missing) {
            return Err((Code::Missing, format!("{column} is null")));
        }
        let arrived_at = self.arrived_at.as_ref().map(|arrived| arrived[row]).filter(|at| *at != NULL);
        for (column, instant) in [("ended_at", ended_at), ("arrived_at", arrived_at.unwrap_or(ended_at))] {
            if !(INSTANT_MIN..INSTANT_MAX).contains(&instant) {
                return Err((
                    Code::OutOfRange,
                    format!("{column} is {instant} ms; expected an instant from 1970 to 2199"),
                ));
            }
        }
        let played_ms = u32::try_from(played_ms)
            .map_err(|_| (Code::OutOfRange, format!("played_ms is {played_ms}; expected 0 to 4294967295")))?;
        if self.play_ids.as_ref().is_some_and(|ids| ids[row] == BAD_PLAY_ID) {
            return Err((Code::OutOfRange, "play_id is no id; expected 0 to 2^64 - 2".to_owned()));
        }
        let (account, track) = (self.account.key(row)?, self.track.key(row)?);
        let optional = |ids: &Option<Ids<'_>>| ids.as_ref().map_or(Ok(Key::NONE), |ids| ids.key(row));
        let (device, ip_prefix, playlist) =
            (optional(&self.device)?, optional(&self.ip_prefix)?, optional(&self.playlist)?);
        let asn = self.asn(row)?;
        let country = self.country(row)?;
        let source = self.source_text(row).map_or(Source::Other, Source::from_name);
        let mut marks = 0;
        let mut mark = |bit: u8, holds: bool| marks |= if holds { bit } else { 0 };
        mark(KeyedPlay::SHUFFLED, flag(&self.shuffle, row) == Some(true));
        mark(KeyedPlay::OFFLINE, flag(&self.offline, row) == Some(true));
        mark(KeyedPlay::HOSTED, asn != KeyedPlay::NO_ASN && decoder.facts.hosted.contains(&asn));
        mark(KeyedPlay::NEW_ACCOUNT, decoder.wanted.new_account && is_new(decoder.facts, account, ended_at));
        let at = arrived_at.unwrap_or(ended_at).max(ended_at);
        let play =
            KeyedPlay { ended_at, account, track, device, ip_prefix, playlist, played_ms, asn, country, source, marks };
        Ok(Arrived { at, play })
    }

    fn asn(&self, row: usize) -> Result<u32, Refused> {
        match self.asn.as_ref().map_or(NULL, |asn| asn[row]) {
            NULL => Ok(KeyedPlay::NO_ASN),
            asn => u32::try_from(asn)
                .ok()
                .filter(|asn| *asn != KeyedPlay::NO_ASN)
                .ok_or_else(|| (Code::OutOfRange, format!("asn is {asn}; expected 0 to 4294967294"))),
        }
    }

    fn country(&self, row: usize) -> Result<Country, Refused> {
        match &self.country {
            Some(country) if country.is_valid(row) => {
                let text = country.value(row);
                Country::pack(text).ok_or_else(|| {
                    (Code::OutOfRange, format!("country is `{text}`; expected two letters (ISO 3166-1 alpha-2)"))
                })
            }
            _ => Ok(Country::NONE),
        }
    }

    fn source_text(&self, row: usize) -> Option<&str> {
        self.source.as_ref().filter(|source| source.is_valid(row)).map(|source| source.value(row))
    }
}

fn is_new(facts: &Facts, account: Key, ended_at: Millis) -> bool {
    let created_at = facts.accounts.get(&account).and_then(|(created_at, _)| *created_at);
    created_at.is_some_and(|created_at| (created_at..created_at.saturating_add(NEW_ACCOUNT_MS)).contains(&ended_at))
}

fn flag(column: &Option<BooleanArray>, row: usize) -> Option<bool> {
    column.as_ref().filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

impl<'a> Ids<'a> {
    fn of(
        path: &Path,
        name: &'static str,
        array: &'a ArrayRef,
        space: IdSpace,
        naming: &mut Naming,
    ) -> Result<Ids<'a>, Error> {
        if naming.kind(space) == IdKind::Text {
            let (texts, bad) = id_texts(path, name, array)?;
            let mut keys = Vec::with_capacity(texts.len());
            // Neighbouring rows often name the same thing.
            let mut last: Option<(&str, Key)> = None;
            for text in texts.iter() {
                keys.push(match (text, last) {
                    (None, _) => Key::NONE.0,
                    (Some(text), Some((same, key))) if text == same => key.0,
                    (Some(text), _) => {
                        let key = naming.key(space, text)?;
                        last = Some((text, key));
                        key.0
                    }
                });
            }
            return Ok(Ids { name, keys: keys.into(), bad });
        }
        let (keys, bad) = id_numbers(path, name, array)?;
        Ok(Ids { name, keys, bad })
    }

    fn is_null(&self, row: usize) -> bool {
        self.keys[row] == Key::NONE.0 && !self.bad.contains(&row)
    }

    fn key(&self, row: usize) -> Result<Key, Refused> {
        if !self.bad.is_empty() && self.bad.contains(&row) {
            return Err((Code::OutOfRange, format!("{} is no id; expected 0 to 2^64 - 2", self.name)));
        }
        Ok(Key(self.keys[row]))
    }
}

/// The ids as numbers, the largest one for null; and the rows whose number no id can be.
fn id_numbers<'a>(path: &Path, name: &str, array: &'a ArrayRef) -> Result<(Cow<'a, [u64]>, Vec<usize>), Error> {
    if let Some(numbers) = array.as_primitive_opt::<UInt64Type>()
        && numbers.null_count() == 0
    {
        let values: &[u64] = numbers.values();
        let bad = values.iter().enumerate().filter(|(_, id)| **id == u64::MAX).map(|(row, _)| row).collect();
        return Ok((values.into(), bad));
    }
    let mut bad = Vec::new();
    let mut keys = vec![u64::MAX; array.len()];
    if array.data_type().is_unsigned_integer() {
        let numbers = cast_to(path, name, array, &DataType::UInt64, "ids: texts or whole numbers")?;
        let numbers = numbers.as_primitive::<UInt64Type>();
        for row in (0..keys.len()).filter(|row| numbers.is_valid(*row)) {
            keys[row] = numbers.value(row);
            if keys[row] == u64::MAX {
                bad.push(row);
            }
        }
    } else if array.data_type().is_signed_integer() {
        let numbers = cast_to(path, name, array, &DataType::Int64, "ids: texts or whole numbers")?;
        let numbers = numbers.as_primitive::<Int64Type>();
        for row in (0..keys.len()).filter(|row| numbers.is_valid(*row)) {
            match u64::try_from(numbers.value(row)) {
                Ok(number) => keys[row] = number,
                Err(_) => bad.push(row),
            }
        }
    } else if array.data_type() != &DataType::Null {
        return Err(wrong_type(path, name, array, "a text or a whole number"));
    }
    Ok((keys.into(), bad))
}

/// The ids as texts, numbers in decimals; and the rows whose number no id can be.
fn id_texts(path: &Path, name: &str, array: &ArrayRef) -> Result<(StringArray, Vec<usize>), Error> {
    let mut bad = Vec::new();
    if array.data_type().is_integer() {
        let (_, none) = id_numbers(path, name, array)?;
        bad = none;
    } else if !is_text(array.data_type()) && array.data_type() != &DataType::Null {
        return Err(wrong_type(path, name, array, "a text or a whole number"));
    }
    Ok((text_of(path, name, array)?, bad))
}

/// Stands for a null play id, and for one that no id can be: no text hashes to them but once in 2^128.
const NO_PLAY_ID: u128 = u128::MAX;
const BAD_PLAY_ID: u128 = u128::MAX - 1;

/// The play ids, numbers as they are and texts as their 128-bit hash.
pub(super) fn play_ids(path: &Path, array: &ArrayRef, kind: IdKind) -> Result<Vec<u128>, Error> {
    let (mut ids, bad): (Vec<u128>, Vec<usize>) = match kind {
        IdKind::Number => {
            let (numbers, bad) = id_numbers(path, "play_id", array)?;
            (numbers.iter().map(|id| if *id == u64::MAX { NO_PLAY_ID } else { u128::from(*id) }).collect(), bad)
        }
        IdKind::Text => {
            let (texts, bad) = id_texts(path, "play_id", array)?;
            (texts.iter().map(|id| id.map_or(NO_PLAY_ID, play_id_of)).collect(), bad)
        }
    };
    for row in bad {
        ids[row] = BAD_PLAY_ID;
    }
    Ok(ids)
}

/// Whether it stands for an id at all.
pub(super) fn is_play_id(id: u128) -> bool {
    id < BAD_PLAY_ID
}

/// Instants in milliseconds, finer ones cut off towards the past; [`NULL`] for null.
pub(crate) fn instants<'a>(path: &Path, name: &str, array: &'a ArrayRef) -> Result<Cow<'a, [i64]>, Error> {
    let unit = match array.data_type() {
        DataType::Timestamp(unit, _) => *unit,
        DataType::Int64 | DataType::Null => TimeUnit::Millisecond,
        _ => return Err(wrong_type(path, name, array, "a timestamp, or milliseconds since 1970 as Int64")),
    };
    if unit == TimeUnit::Millisecond && array.null_count() == 0 {
        let values: Option<&[i64]> = array
            .as_primitive_opt::<arrow::datatypes::TimestampMillisecondType>()
            .map(|a| &a.values()[..])
            .or_else(|| array.as_primitive_opt::<Int64Type>().map(|a| &a.values()[..]));
        if let Some(values) = values.filter(|values| !values.contains(&NULL)) {
            return Ok(values.into());
        }
    }
    let numbers = cast_to(path, name, array, &DataType::Int64, "a timestamp")?;
    let numbers = numbers.as_primitive::<Int64Type>();
    let millis = |value: i64| match unit {
        TimeUnit::Second => value.saturating_mul(1_000),
        TimeUnit::Millisecond => value,
        TimeUnit::Microsecond => value.div_euclid(1_000),
        TimeUnit::Nanosecond => value.div_euclid(1_000_000),
    };
    Ok(numbers.iter().map(|value| value.map_or(NULL, |value| beside_null(millis(value)))).collect())
}

/// Whole numbers; [`NULL`] for null, and the largest number for what is too large.
fn numbers<'a>(path: &Path, name: &str, array: &'a ArrayRef) -> Result<Cow<'a, [i64]>, Error> {
    if !array.data_type().is_integer() && array.data_type() != &DataType::Null {
        return Err(wrong_type(path, name, array, "a whole number"));
    }
    if let Some(numbers) = array.as_primitive_opt::<Int64Type>()
        && numbers.null_count() == 0
        && !numbers.values().contains(&NULL)
    {
        return Ok((&numbers.values()[..]).into());
    }
    if let Some(numbers) = array.as_primitive_opt::<UInt64Type>() {
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        return Ok(numbers.iter().map(|value| value.map_or(NULL, whole)).collect());
    }
    let numbers = cast_to(path, name, array, &DataType::Int64, "a whole number")?;
    Ok(numbers.as_primitive::<Int64Type>().iter().map(|value| value.map_or(NULL, beside_null)).collect())
}

/// A number that is there is never taken for null; the one next to it is just as far out of every range.
fn beside_null(value: i64) -> i64 {
    value.max(NULL + 1)
}

fn text(path: &Path, name: &str, array: &ArrayRef) -> Result<StringArray, Error> {
    if !is_text(array.data_type()) && array.data_type() != &DataType::Null {
        return Err(wrong_type(path, name, array, "a text"));
    }
    text_of(path, name, array)
}

fn text_of(path: &Path, name: &str, array: &ArrayRef) -> Result<StringArray, Error> {
    Ok(cast_to(path, name, array, &DataType::Utf8, "a text")?.as_string::<i32>().clone())
}

fn booleans(path: &Path, name: &str, array: &ArrayRef) -> Result<BooleanArray, Error> {
    match array.data_type() {
        DataType::Boolean => Ok(array.as_boolean().clone()),
        DataType::Null => Ok(BooleanArray::new_null(array.len())),
        _ => Err(wrong_type(path, name, array, "true or false")),
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn cast_to(
    path: &Path,
    name: &str,
    array: &ArrayRef,
    to: &DataType,
    expected: &'static str,
) -> Result<ArrayRef, Error> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    cast(array, to).map_err(|_| wrong_type(path, name, array, expected))
}

fn wrong_type(path: &Path, name: &str, array: &ArrayRef, expected: &'static str) -> Error {
    Error::ColumnType { path: path.to_owned(), column: name.to_owned(), found: array.data_type().to_string(), expected }
}

fn missing_column(path: &Path, column: &'static str, batch: &RecordBatch) -> Error {
    let found = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    Error::MissingColumn { path: path.to_owned(), table: "plays", column, found }
}
