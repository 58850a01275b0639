//! Makes columns of what is sent: JSON lines, Arrow or Parquet become rows of the log, or a reason why not.
//!
//! ```text
//! body ──▶ unpack (gzip, zstd) ──▶ JSON lines ──▶ row by row: a cell of each column, or unread ──┐
//!                              └─▶ Arrow IPC, Parquet ──▶ known columns of fitting types ────────┴──▶ log::Rows
//! ```
//!
//! Columns are judged here and values later, by the code that a replay of files goes through: what a play may be is said
//! in one place.

pub mod erasing;
mod follow;
mod json;
mod messages;
pub mod pseudonyms;
#[cfg(test)]
mod tests;

pub use follow::Followed;
pub use messages::{MESSAGE_MAX, of_messages};

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::root_as_message;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use records::{Account, Correction, Distributor, Duplicate, Evidence, Label, Network, Play, Playlist, Ruled, Track};

use self::pseudonyms::{Pseudonyms, Whose};
use crate::Error;
use crate::log::{Rows, Unread};
use crate::tables::read::{FromRow, IdKinds, read_batches, space_of};
use crate::tables::rows::guarded;
use crate::tables::{IdKind, Row, batch_of_kinds};

/// Rows of a batch made of a Parquet file.
const BATCH_ROWS: usize = 65_536;
/// Unpacked, a body may be this long: half of what an entry of the log may be, for the columns of JSON are shorter than it.
pub const BODY_MAX: usize = 32 << 20;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object per line.
    JsonLines,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The format of a media type; JSON lines where none is given.
    pub fn of_media_type(media_type: Option<&str>) -> Option<Format> {
        match media_type.map(|text| text.split(';').next().unwrap_or_default().trim()) {
            None | Some("application/x-ndjson" | "application/jsonl" | "application/json" | "text/plain") => {
                Some(Format::JsonLines)
            }
            Some("application/vnd.apache.arrow.stream") => Some(Format::Arrow),
            Some("application/vnd.apache.parquet") => Some(Format::Parquet),
            Some(_) => None,
        }
    }
}

/// The body without the packing that this HTTP `Content-Encoding` names.
///
/// # Errors
/// When the packing is unknown or damaged, or the body is longer than [`BODY_MAX`].
pub fn unpack<'a>(encoding: Option<&str>, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
    let mut reader: Box<dyn Read + 'a> = match encoding.map(str::trim) {
        None | Some("" | "identity") if body.len() <= BODY_MAX => return Ok(Cow::Borrowed(body)),
        None | Some("" | "identity") => Box::new(body),
        Some("gzip") => Box::new(flate2::read::MultiGzDecoder::new(body)),
        Some("zstd") => Box::new(zstd::Decoder::new(body).map_err(|error| Error::Input(format!("zstd: {error}")))?),
        Some(other) => return Err(Error::Input(format!("Content-Encoding {other}: expected gzip, zstd or none"))),
    };
    let mut unpacked = Vec::new();
    let read = reader.by_ref().take(BODY_MAX as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| Error::Input(format!("the body cannot be unpacked: {error}")))?;
    match unpacked.len() <= BODY_MAX {
        true => Ok(Cow::Owned(unpacked)),
        false => Err(Error::Input(format!("the body is longer than {BODY_MAX} bytes: send less at once"))),
    }
}

/// What a service settled about ids when it began.
#[derive(Clone)]
pub struct Ids {
    /// Of which kind those of each space are.
    pub kinds: IdKinds,
    /// What makes pseudonyms of those that are personal; `None` where they stay as they are.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
}

impl Ids {
    /// Ids of these kinds that stay as they are.
    pub fn plain(kinds: IdKinds) -> Ids {
        Ids { kinds, pseudonyms: None }
    }
}

/// The rows of the table, one of [`crate::log::TABLES`], that the body holds, and how many; those that could not be
/// read are counted.
///
/// # Errors
/// When the body is none of that format, or a column is missing or holds what it cannot.
pub fn read(table: &'static str, format: Format, body: &[u8], ids: &Ids) -> Result<(Rows, u64), Error> {
    let columns = Columns::of(table, ids)?;
    match format {
        Format::JsonLines => {
            // What is missing is found where rows of Arrow and Parquet are judged, too.
            let (batch, refused) = columns.lines(body, &[]);
            columns.rows(&[batch], refused)
        }
        Format::Arrow => columns.rows(&batches(body)?, Vec::new()),
        Format::Parquet => columns.rows(&parquet(body)?, Vec::new()),
    }
}

/// The batches of an Arrow IPC stream.
///
/// # Errors
/// When it is none, or a damaged one.
pub fn batches(stream: &[u8]) -> Result<Vec<RecordBatch>, Error> {
    if stream.is_empty() {
        return Ok(Vec::new());
    }
    check_lengths(stream)?;
    guarded(|| StreamReader::try_new(stream, None)?.collect::<Result<Vec<_>, ArrowError>>())
        .map_err(|error| Error::Input(format!("not readable as an Arrow IPC stream: {error}")))
}

/// No message may announce more bytes than follow: the reader would ask memory for them first.
fn check_lengths(mut stream: &[u8]) -> Result<(), Error> {
    let broken =
        || Error::Input("not readable as an Arrow IPC stream: a length is not that of what follows".to_owned());
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    while !stream.is_empty() {
        let mut length = number(stream.split_off(..4).ok_or_else(broken)?);
        if length == u32::MAX {
            length = number(stream.split_off(..4).ok_or_else(broken)?);
        }
        if length == 0 {
            return Ok(());
        }
        let head = stream.split_off(..length as usize).ok_or_else(broken)?;
        let body = root_as_message(head).map_err(|_| broken())?.bodyLength();
        let body = usize::try_from(body).map_err(|_| broken())?;
        stream.split_off(..body).ok_or_else(broken)?;
    }
    Ok(())
}

fn parquet(body: &[u8]) -> Result<Vec<RecordBatch>, Error> {
    let read = || {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(body))?;
        reader.with_batch_size(BATCH_ROWS).build()?.collect::<Result<Vec<_>, ArrowError>>()
    };
    guarded(read).map_err(|error| Error::Input(format!("not readable as Parquet: {error}")))
}

/// Records as an Arrow IPC stream, as they may be sent.
///
/// # Errors
/// When they cannot be written.
pub fn arrow_of<R: Row>(records: &[R], kinds: &IdKinds) -> Result<Vec<u8>, Error> {
    stream(&[batch_of_kinds(records, kinds)])
}

/// Records as rows of the log.
///
/// # Errors
/// When they cannot be written.
pub fn rows_of<R: Row>(records: &[R], kinds: &IdKinds) -> Result<Rows, Error> {
    Ok(Rows { table: R::TABLE, refused: Vec::new(), columns: arrow_of(records, kinds)? })
}

/// The records that rows of the log are, in their order; those that are none are left out, as whoever reads the log leaves them out.
///
/// # Errors
/// When they cannot be read at all, though they could when they were taken in.
pub fn records_of<R: FromRow>(rows: &Rows, kinds: &IdKinds) -> Result<Vec<R>, Error> {
    let mut records = Vec::new();
    read_batches(batches(&rows.columns)?, kinds, |row| records.extend(row.ok()))?;
    Ok(records)
}

/// The batches as an Arrow IPC stream; nothing where there is no row.
fn stream(batches: &[RecordBatch]) -> Result<Vec<u8>, Error> {
    let mut stream = Vec::new();
    let Some(first) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(stream) };
    let mut write = || {
        let mut writer = StreamWriter::try_new(&mut stream, &first.schema())?;
        batches.iter().filter(|batch| batch.num_rows() > 0).try_for_each(|batch| writer.write(batch))?;
        writer.finish()
    };
    write().map_err(|error: ArrowError| Error::Input(format!("the columns cannot be written: {error}")))?;
    Ok(stream)
}

/// The columns of a table.
struct Columns<'a> {
    settled: &'a Ids,
    table: &'static str,
    schema: SchemaRef,
    required: &'static [&'static str],
    /// Of which kind the ids of each column are; `None` for columns that hold no ids.
    ids: Vec<Option<IdKind>>,
}

impl Columns<'_> {
    fn of<'a>(table: &'static str, settled: &'a Ids) -> Result<Columns<'a>, Error> {
        let kinds = &settled.kinds;
        let required_play: &[&str] = &["play_id", "ended_at", "account_id", "track_id", "played_ms"];
        let (schema, required) = match table {
            "plays" => (batch_of_kinds::<Play>(&[], kinds).schema(), required_play),
            "corrections" => columns_of::<Correction>(kinds),
            "tracks" => columns_of::<Track>(kinds),
            "accounts" => columns_of::<Account>(kinds),
            "distributors" => columns_of::<Distributor>(kinds),
            "networks" => columns_of::<Network>(kinds),
            "playlists" => columns_of::<Playlist>(kinds),
            "labels" => columns_of::<Label>(kinds),
            "rulings" => columns_of::<Ruled>(kinds),
            "evidence" => columns_of_recordings::<Evidence>(),
            "duplicate_group" => columns_of_recordings::<Duplicate>(),
            other => return Err(Error::Input(format!("no table is called {other}"))),
        };
        let ids = schema.fields().iter().map(|field| id_kind(table, field.name(), kinds)).collect();
        Ok(Columns { settled, table, schema, required, ids })
    }

    /// The JSON lines as a batch, and those that are no rows of it, or have nothing in one of these columns.
    fn lines(&self, body: &[u8], required: &[&str]) -> (RecordBatch, Vec<Unread>) {
        let is_personal = |column: &str| self.settled.pseudonyms.is_some() && is_personal(self.table, column);
        json::read(body, &self.schema, &self.ids, required, is_personal)
    }

    /// The batches and what could not be read, as rows of the log, and how many; with pseudonyms, and sealed, where there are some.
    fn rows(&self, batches: &[RecordBatch], mut refused: Vec<Unread>) -> Result<(Rows, u64), Error> {
        let batches = batches.iter().map(|batch| self.known(batch)).collect::<Result<Vec<_>, Error>>()?;
        if let Some(pseudonyms) = &self.settled.pseudonyms {
            refused.iter_mut().try_for_each(|row| pseudonyms.seal(&row.raw).map(|sealed| row.raw = sealed))?;
        }
        let rows = refused.len() as u64 + batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        Ok((Rows { table: self.table, refused, columns: stream(&batches)? }, rows))
    }

    /// The columns of the batch that the table has, with pseudonyms where there are some.
    fn known(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let found = batch.schema();
        let names: Vec<String> = found.fields().iter().map(|field| field.name().clone()).collect();
        let path = || format!("what was sent for {}", self.table).into();
        if let Some(column) = self.required.iter().find(|column| !names.iter().any(|name| name == *column)) {
            return Err(Error::MissingColumn { path: path(), table: self.table, column, found: names });
        }
        let mut places = Vec::new();
        for (place, field) in found.fields().iter().enumerate() {
            let Some(at) = self.schema.fields().iter().position(|known| known.name() == field.name()) else { continue };
            let expected = fits(self.schema.field(at).data_type(), self.ids[at], field.data_type());
            if let Err(expected) = expected {
                let (column, found) = (field.name().clone(), field.data_type().to_string());
                return Err(Error::ColumnType { path: path(), column, found, expected });
            }
            places.push(place);
        }
        let known = batch.project(&places);
        let known = known.map_err(|error| Error::Input(format!("the columns cannot be read: {error}")))?;
        match &self.settled.pseudonyms {
            Some(pseudonyms) => pseudonyms.columns(self.table, known, &self.settled.kinds),
            None => Ok(known),
        }
    }
}

fn columns_of<R: FromRow>(kinds: &IdKinds) -> (SchemaRef, &'static [&'static str]) {
    (batch_of_kinds::<R>(&[], kinds).schema(), R::required())
}

/// Whether the column tells of people.
fn is_personal(table: &str, column: &str) -> bool {
    Whose::of_column(table, column).is_some() || column == "subject_id"
}

/// The columns of a table whose ids are of recordings: of no space, and each a number or a text as it comes.
fn columns_of_recordings<R: FromRow>() -> (SchemaRef, &'static [&'static str]) {
    (R::batch(&[], IdKind::Text).schema(), R::required())
}

/// Of which kind the ids of the column are.
fn id_kind(table: &str, column: &str, kinds: &IdKinds) -> Option<IdKind> {
    let all_numbers = kinds.iter().all(|kind| *kind == IdKind::Number);
    match (table, column) {
        // They belong to no space of their own.
        ("tracks", "content_id")
        | ("accounts", "family_id")
        | ("playlists", "owner_id")
        | ("labels" | "rulings", "subject_id") => Some(if all_numbers { IdKind::Number } else { IdKind::Text }),
        ("evidence", "content_id") | ("duplicate_group", "content_id" | "group_id") => Some(IdKind::Text),
        _ => space_of(table, column).map(|space| kinds[space as usize]),
    }
}

/// Whether the type found may stand in a column of the type known; else what may.
fn fits(known: &DataType, ids: Option<IdKind>, found: &DataType) -> Result<(), &'static str> {
    let value = match found {
        DataType::Dictionary(_, value) => value,
        other => other,
    };
    let is_text = matches!(value, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_whole = value.is_integer() && found == value;
    let (may, expected) = match (ids, known) {
        (Some(IdKind::Number), _) => (is_whole, "whole numbers: this service was begun with ids that are numbers"),
        (Some(IdKind::Text), _) => (is_text || is_whole, "texts or whole numbers"),
        (None, DataType::Timestamp(..)) => {
            let is_instant = matches!(found, DataType::Timestamp(..) | DataType::Int64);
            (is_instant, "a timestamp, or milliseconds since 1970 as Int64")
        }
        (None, DataType::Int64 | DataType::UInt32) => (is_whole, "a whole number"),
        (None, DataType::Float64) => ((value.is_floating() || value.is_integer()) && found == value, "a number"),
        (None, DataType::Boolean) => (*found == DataType::Boolean, "true or false"),
        (None, _) => (is_text, "a text"),
    };
    if may || *found == DataType::Null { Ok(()) } else { Err(expected) }
}

/// A batch of the table's columns.
fn batch_of(schema: &SchemaRef, columns: Vec<arrow::array::ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(schema), columns).expect("each row gives every column a cell")
}
