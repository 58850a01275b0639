//! Reads an object per line into the columns of a table; a line that does not fit is set aside as it stands.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow::datatypes::{DataType, SchemaRef};
use records::Code;
use serde_json::{Map, Value};

use super::batch_of;
use crate::formats::instant::from_text;
use crate::log::Unread;
use crate::tables::IdKind;

/// So much of a line is kept when it is set aside.
pub(super) const RAW_BYTES: usize = 64 << 10;

enum Builder {
    Number(UInt64Builder),
    Text { to: StringBuilder, holds_ids: bool },
    Instant(TimestampMillisecondBuilder),
    Whole(Int64Builder),
    Small(UInt32Builder),
    Share(Float64Builder),
    Flag(BooleanBuilder),
}

/// A value that can be appended.
enum Fitting<'a> {
    Null,
    Number(u64),
    Text(&'a str),
    Digits(u64),
    Whole(i64),
    Small(u32),
    Share(f64),
    Flag(bool),
}

type Misfit = (Code, &'static str);

impl Builder {
    fn new(data_type: &DataType, ids: Option<IdKind>) -> Builder {
        match data_type {
            DataType::UInt64 => Builder::Number(UInt64Builder::new()),
            DataType::Timestamp(..) => Builder::Instant(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            DataType::Int64 => Builder::Whole(Int64Builder::new()),
            DataType::UInt32 => Builder::Small(UInt32Builder::new()),
            DataType::Float64 => Builder::Share(Float64Builder::new()),
            DataType::Boolean => Builder::Flag(BooleanBuilder::new()),
            _ => Builder::Text { to: StringBuilder::new(), holds_ids: ids.is_some() },
        }
    }

    /// Whether the value fits the column.
    fn fit<'a>(&self, value: &'a Value) -> Result<Fitting<'a>, Misfit> {
        Ok(match (self, value) {
            (_, Value::Null) => Fitting::Null,
            (Builder::Number(_), Value::Number(number)) => {
                Fitting::Number(number.as_u64().ok_or((Code::OutOfRange, "an id from 0 to 2^64 - 2"))?)
            }
            (Builder::Number(_), _) => return Err((Code::WrongType, "a number: this service's ids are numbers")),
            (Builder::Text { .. }, Value::String(text)) => Fitting::Text(text),
            (Builder::Text { holds_ids: true, .. }, Value::Number(number)) => {
                Fitting::Digits(number.as_u64().ok_or((Code::OutOfRange, "an id from 0 to 2^64 - 2"))?)
            }
            (Builder::Text { .. }, _) => return Err((Code::WrongType, "a text")),
            (Builder::Instant(_), Value::String(text)) => {
                Fitting::Whole(from_text(text).ok_or((Code::BadTime, "an instant such as 2026-01-31T12:00:00Z"))?)
            }
            (Builder::Instant(_), Value::Number(number)) => {
                Fitting::Whole(number.as_i64().ok_or((Code::BadTime, "whole milliseconds since 1970"))?)
            }
            (Builder::Instant(_), _) => return Err((Code::WrongType, "an instant")),
            (Builder::Whole(_), Value::Number(number)) => {
                Fitting::Whole(number.as_i64().ok_or((Code::OutOfRange, "a whole number"))?)
            }
            (Builder::Small(_), Value::Number(number)) => {
                let small = number.as_u64().and_then(|number| u32::try_from(number).ok());
                Fitting::Small(small.ok_or((Code::OutOfRange, "a number from 0 to 4294967294"))?)
            }
            (Builder::Whole(_) | Builder::Small(_), _) => return Err((Code::WrongType, "a whole number")),
            (Builder::Share(_), Value::Number(number)) => {
                Fitting::Share(number.as_f64().ok_or((Code::OutOfRange, "a number"))?)
            }
            (Builder::Share(_), _) => return Err((Code::WrongType, "a number")),
            (Builder::Flag(_), Value::Bool(flag)) => Fitting::Flag(*flag),
            (Builder::Flag(_), _) => return Err((Code::WrongType, "true or false")),
        })
    }

    fn push(&mut self, value: Fitting<'_>) {
        match (self, value) {
            (Builder::Number(to), Fitting::Number(number)) => to.append_value(number),
            (Builder::Text { to, .. }, Fitting::Text(text)) => to.append_value(text),
            (Builder::Text { to, .. }, Fitting::Digits(number)) => to.append_value(number.to_string()),
            (Builder::Instant(to), Fitting::Whole(instant)) => to.append_value(instant),
            (Builder::Whole(to), Fitting::Whole(number)) => to.append_value(number),
            (Builder::Small(to), Fitting::Small(number)) => to.append_value(number),
            (Builder::Share(to), Fitting::Share(number)) => to.append_value(number),
            (Builder::Flag(to), Fitting::Flag(flag)) => to.append_value(flag),
            (Builder::Number(to), _) => to.append_null(),
            (Builder::Text { to, .. }, _) => to.append_null(),
            (Builder::Instant(to), _) => to.append_null(),
            (Builder::Whole(to), _) => to.append_null(),
            (Builder::Small(to), _) => to.append_null(),
            (Builder::Share(to), _) => to.append_null(),
            (Builder::Flag(to), _) => to.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Number(mut from) => Arc::new(from.finish()),
            Builder::Text { mut to, .. } => Arc::new(to.finish()),
            Builder::Instant(mut from) => Arc::new(from.finish()),
            Builder::Whole(mut from) => Arc::new(from.finish()),
            Builder::Small(mut from) => Arc::new(from.finish()),
            Builder::Share(mut from) => Arc::new(from.finish()),
            Builder::Flag(mut from) => Arc::new(from.finish()),
        }
    }
}

/// The lines as columns, and those that are none. Empty lines are no rows.
/// What a personal column holds is not told in a reason. A line in which a column of `required` is missing is none.
pub(super) fn read(
    body: &[u8],
    schema: &SchemaRef,
    ids: &[Option<IdKind>],
    required: &[&str],
    is_personal: impl Fn(&str) -> bool,
) -> (RecordBatch, Vec<Unread>) {
    let mut builders: Vec<Builder> =
        schema.fields().iter().zip(ids).map(|(field, ids)| Builder::new(field.data_type(), *ids)).collect();
    let mut unread = Vec::new();
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for (row, line) in lines.enumerate() {
        let fitted = match serde_json::from_slice::<Map<String, Value>>(line) {
            Ok(object) => push(&object, schema, &mut builders, required, &is_personal),
            Err(error) => Err((Code::Malformed, format!("no JSON object: {error}"))),
        };
        if let Err((code, reason)) = fitted {
            let raw = String::from_utf8_lossy(&line[..line.len().min(RAW_BYTES)]).into_owned();
            unread.push(Unread { row: row as u64, code, reason, raw });
        }
    }
    (batch_of(schema, builders.into_iter().map(Builder::finish).collect()), unread)
}

/// Appends the object as a row, if every value fits its column.
fn push(
    object: &Map<String, Value>,
    schema: &SchemaRef,
    builders: &mut [Builder],
    required: &[&str],
    is_personal: &impl Fn(&str) -> bool,
) -> Result<(), (Code, String)> {
    let mut fitting = Vec::with_capacity(builders.len());
    for (field, builder) in schema.fields().iter().zip(&*builders) {
        let value = object.get(field.name()).unwrap_or(&Value::Null);
        if value.is_null() && required.contains(&field.name().as_str()) {
            return Err((Code::Missing, format!("{} is null", field.name())));
        }
        fitting.push(builder.fit(value).map_err(|(code, expected)| {
            let mut shown = if is_personal(field.name()) { "not shown".to_owned() } else { value.to_string() };
            shown.truncate(shown.floor_char_boundary(200));
            (code, format!("{} is {shown}; expected {expected}", field.name()))
        })?);
    }
    builders.iter_mut().zip(fitting).for_each(|(builder, value)| builder.push(value));
    Ok(())
}
