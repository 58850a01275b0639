//! Brings the input files into the oracle's database, row by row, and lets SQL judge them.
//!
//! ```text
//! files ──▶ raw_plays, raw_tracks, … ──▶ (sql/admit.sql) ──▶ play, track, account, refusal
//! ```

use std::path::{Path, PathBuf};

use datasets::tables::Inputs;
use datasets::tables::rows::{ColumnKind, Rows, Value, columns};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, functions::FunctionFlags};

use super::views::{IdOf, TextIds};
use super::{broken, titles};
use crate::exit::Failure;

/// An id that cannot be: negative, or 2^64 - 1.
const NO_ID: i64 = i64::MAX;

/// What a column of the input holds.
#[derive(Clone, Copy)]
enum Holds {
    Id(IdOf),
    Whole,
    Instant,
    Flag,
    Word,
    Real,
}

/// A table of the input: its name, and its columns with the required ones first.
struct Table {
    name: &'static str,
    required: usize,
    columns: &'static [(&'static str, Holds)],
}

const TABLES: [Table; 8] = [
    Table {
        name: "plays",
        required: 5,
        columns: &[
            ("play_id", Holds::Id(IdOf::Play)),
            ("ended_at", Holds::Instant),
            ("account_id", Holds::Id(IdOf::Account)),
            ("track_id", Holds::Id(IdOf::Track)),
            ("played_ms", Holds::Whole),
            ("arrived_at", Holds::Instant),
            ("device_id", Holds::Id(IdOf::Device)),
            ("ip_prefix", Holds::Id(IdOf::IpPrefix)),
            ("asn", Holds::Whole),
            ("country", Holds::Word),
            ("source", Holds::Word),
            ("playlist_id", Holds::Id(IdOf::Playlist)),
            ("shuffle", Holds::Flag),
            ("offline", Holds::Flag),
        ],
    },
    Table {
        name: "corrections",
        required: 2,
        columns: &[("play_id", Holds::Id(IdOf::Play)), ("arrived_at", Holds::Instant)],
    },
    Table {
        name: "tracks",
        required: 1,
        columns: &[
            ("track_id", Holds::Id(IdOf::Track)),
            ("content_id", Holds::Id(IdOf::Content)),
            ("isrc", Holds::Word),
            ("title", Holds::Word),
            ("version", Holds::Word),
            ("artist_id", Holds::Id(IdOf::Artist)),
            ("artist_name", Holds::Word),
            ("uploader_id", Holds::Id(IdOf::Uploader)),
            ("distributor_id", Holds::Id(IdOf::Distributor)),
            ("label", Holds::Word),
            ("genre", Holds::Word),
            ("language", Holds::Word),
            ("country", Holds::Word),
            ("duration_ms", Holds::Whole),
            ("uploaded_at", Holds::Instant),
            ("released_at", Holds::Instant),
            ("contains_ai", Holds::Word),
            ("ai_vocals", Holds::Word),
            ("ai_instruments", Holds::Word),
            ("ai_postproduction", Holds::Word),
            ("consent_ref", Holds::Word),
            ("audio_uri", Holds::Word),
            ("valid_from", Holds::Instant),
        ],
    },
    Table {
        name: "accounts",
        required: 1,
        columns: &[
            ("account_id", Holds::Id(IdOf::Account)),
            ("created_at", Holds::Instant),
            ("plan", Holds::Word),
            ("country", Holds::Word),
            ("payment_id", Holds::Id(IdOf::Payment)),
            ("family_id", Holds::Id(IdOf::Family)),
            ("email_domain_class", Holds::Word),
        ],
    },
    Table {
        name: "distributors",
        required: 1,
        columns: &[
            ("distributor_id", Holds::Id(IdOf::Distributor)),
            ("tier", Holds::Word),
            ("verified", Holds::Flag),
            ("valid_from", Holds::Instant),
        ],
    },
    Table { name: "networks", required: 2, columns: &[("asn", Holds::Whole), ("kind", Holds::Word)] },
    Table {
        name: "playlists",
        required: 1,
        columns: &[
            ("playlist_id", Holds::Id(IdOf::Playlist)),
            ("owner_id", Holds::Id(IdOf::Owner)),
            ("editorial", Holds::Flag),
            ("followers", Holds::Whole),
        ],
    },
    Table {
        name: "audio",
        required: 1,
        columns: &[("content_id", Holds::Id(IdOf::Content)), ("bits_per_second", Holds::Real)],
    },
];

/// The input tables whose refusals the oracle computes.
pub(super) fn judged_tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

/// The files of a table.
fn files<'a>(inputs: &'a Inputs, table: &Table) -> &'a [PathBuf] {
    let of_table = inputs.by_table().into_iter().find(|(name, _)| *name == table.name);
    of_table.map_or(&[], |(_, files)| files)
}

/// Fills a new database at `path` from the inputs; says which kinds of ids are texts.
pub(super) fn fill(path: &Path, inputs: &Inputs) -> Result<TextIds, Failure> {
    let mut connection = Connection::open(path).map_err(broken)?;
    // The database lives as long as the check: nothing needs to survive a crash.
    connection
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;")
        .map_err(broken)?;
    add_functions(&connection)?;
    let text_ids = text_ids(inputs)?;
    connection.execute_batch(include_str!("sql/raw.sql")).map_err(broken)?;
    let mut file_number = 0;
    for table in &TABLES {
        for file in files(inputs, table) {
            let transaction = connection.transaction().map_err(broken)?;
            let name = file.display().to_string();
            transaction.execute("INSERT INTO files VALUES (?, ?)", (file_number, name)).map_err(broken)?;
            copy(&transaction, table, file, file_number, text_ids)?;
            transaction.commit().map_err(broken)?;
            file_number += 1;
        }
    }
    connection.execute_batch(include_str!("sql/admit.sql")).map_err(broken)?;
    connection.execute_batch("ANALYZE;").map_err(broken)?;
    Ok(text_ids)
}

/// Opens the filled database for reading, with the functions that the views use.
pub(super) fn reopen(path: &Path) -> Result<Connection, Failure> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(broken)?;
    connection
        .execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -131072; PRAGMA mmap_size = 4294967296;")
        .map_err(broken)?;
    add_functions(&connection)?;
    Ok(connection)
}

fn add_functions(connection: &Connection) -> Result<(), Failure> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("ln", 1, flags, |of| Ok(of.get::<f64>(0)?.ln())).map_err(broken)?;
    let admits = |word: Option<String>| match word?.to_ascii_lowercase().as_str() {
        "all" => Some(0),
        "partly" => Some(1),
        "none" => Some(2),
        _ => None,
    };
    connection.create_scalar_function("admits", 1, flags, move |of| Ok(admits(of.get(0)?))).map_err(broken)?;
    let plain = |title: String| titles::plain(&title);
    connection.create_scalar_function("plain", 1, flags, move |of| Ok(plain(of.get(0)?))).map_err(broken)?;
    let simhash = |title: String| titles::simhash(&title).cast_signed();
    connection.create_scalar_function("simhash", 1, flags, move |of| Ok(simhash(of.get(0)?))).map_err(broken)?;
    let apart = |one: i64, other: i64| (one ^ other).count_ones();
    connection
        .create_scalar_function("apart", 2, flags, move |of| Ok(apart(of.get(0)?, of.get(1)?)))
        .map_err(broken)?;
    let id_text = |id: ValueRef<'_>| match id {
        ValueRef::Integer(number) => Some(unshifted(number).to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    connection.create_scalar_function("id_text", 1, flags, move |of| Ok(id_text(of.get_raw(0)))).map_err(broken)
}

/// A kind of id is text as soon as one file says so. Ids that join nothing are each what they are.
fn text_ids(inputs: &Inputs) -> Result<TextIds, Failure> {
    let mut text = TextIds::default();
    for table in &TABLES {
        for file in files(inputs, table) {
            let found = columns(file).map_err(|error| Failure::Input(error.to_string()))?;
            for (position, (name, holds)) in table.columns.iter().enumerate() {
                let column = found.iter().find(|column| column.name == *name);
                if column.is_none() && position < table.required {
                    return Err(missing(file, name, &found));
                }
                if let (Some(column), Holds::Id(id)) = (column, holds)
                    && column.kind == ColumnKind::Text
                    && !matches!(id, IdOf::Content | IdOf::Family | IdOf::Owner)
                {
                    text = text.with(*id);
                }
            }
        }
    }
    Ok(text)
}

fn missing(file: &Path, column: &str, found: &[datasets::tables::rows::Column]) -> Failure {
    let found: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
    Failure::Input(format!("{}: column `{column}` is missing; columns found: {}", file.display(), found.join(", ")))
}

fn copy(into: &Connection, table: &Table, file: &Path, file_number: i64, text: TextIds) -> Result<(), Failure> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let places = vec!["?"; names.len()].join(", ");
    let sql = format!("INSERT INTO raw_{} (file, row, {}) VALUES (?, ?, {places})", table.name, names.join(", "));
    let mut insert = into.prepare(&sql).map_err(broken)?;
    let unreadable = |error: datasets::Error| Failure::Input(error.to_string());
    let mut rows = Rows::open(file, &names).map_err(unreadable)?;
    let mut row = 0_i64;
    while rows.advance().map_err(unreadable)? {
        insert.raw_bind_parameter(1, file_number).map_err(broken)?;
        insert.raw_bind_parameter(2, row).map_err(broken)?;
        for (column, (name, holds)) in table.columns.iter().enumerate() {
            let value = rows.value(column);
            let value = stored(value, *holds, text).ok_or_else(|| {
                Failure::Input(format!("{}: column `{name}` holds {value:?}, which it cannot", file.display()))
            })?;
            insert.raw_bind_parameter(column + 3, value).map_err(broken)?;
        }
        insert.raw_execute().map_err(broken)?;
        row += 1;
    }
    Ok(())
}

/// The value as `sql/raw.sql` says; `None` when it is of another type than its column.
fn stored<'a>(value: Value<'a>, holds: Holds, text: TextIds) -> Option<ToSqlOutput<'a>> {
    let whole = |number: i64| Some(ToSqlOutput::from(number));
    match (value, holds) {
        (Value::Null, _) => Some(ToSqlOutput::Borrowed(ValueRef::Null)),
        (Value::Int(number), Holds::Id(id)) => match u64::try_from(number) {
            Ok(number) => Some(stored_id(number, text.contains(id))),
            Err(_) => whole(NO_ID),
        },
        (Value::UInt(number), Holds::Id(id)) => Some(stored_id(number, text.contains(id))),
        (Value::Text(word), Holds::Id(_) | Holds::Word) => Some(ToSqlOutput::Borrowed(ValueRef::Text(word.as_bytes()))),
        (Value::Int(number), Holds::Whole | Holds::Instant) => whole(number),
        // What is too great for a signed integer is out of every range.
        (Value::UInt(number), Holds::Whole | Holds::Instant) => whole(i64::try_from(number).unwrap_or(i64::MAX)),
        (Value::Bool(flag), Holds::Flag) => whole(i64::from(flag)),
        (Value::Float(number), Holds::Real) => Some(ToSqlOutput::from(number)),
        _ => None,
    }
}

fn stored_id(number: u64, as_text: bool) -> ToSqlOutput<'static> {
    match as_text && number != u64::MAX {
        true => ToSqlOutput::from(number.to_string()),
        false => ToSqlOutput::from(shifted(number)),
    }
}

/// An id as a signed integer of the same order: minus 2^63.
pub(super) fn shifted(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

/// The id back.
pub(super) fn unshifted(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}
