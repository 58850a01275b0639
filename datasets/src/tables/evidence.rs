//! Reads the table `evidence`, row by row, as it comes.

use std::path::{Path, PathBuf};

use records::{Code, Confidence, Evidence, Id, Millis, Refusal, Risk};

use super::columns::Row;
use super::rows::{Rows, Value, columns};
use crate::Error;

/// The columns, in the order of the fields.
const COLUMNS: [&str; 8] = ["content_id", "detector", "version", "risk", "confidence", "details", "known_at", "file"];
/// How many of the first columns are required.
const REQUIRED: usize = 4;

/// Reads every row of the files: rows = evidence kept + refusals.
///
/// What an optional column does not say is the plainest claim: full confidence, no details, known since ever, no file.
///
/// # Errors
/// When a file cannot be read, lacks a required column, or holds other types than the columns ask for.
pub fn read_evidence(
    paths: &[PathBuf],
    mut keep: impl FnMut(Evidence),
    refusals: &mut Vec<Refusal>,
) -> Result<(), Error> {
    for path in paths {
        let found: Vec<String> = columns(path)?.into_iter().map(|column| column.name).collect();
        if let Some(column) = COLUMNS[..REQUIRED].iter().find(|column| !found.iter().any(|name| name == *column)) {
            return Err(Error::MissingColumn { path: path.clone(), table: Evidence::TABLE, column, found });
        }
        let mut rows = Rows::open(path, &COLUMNS)?;
        let mut number = 0;
        while rows.advance()? {
            match evidence(&rows, path)? {
                Ok(evidence) => keep(evidence),
                Err((code, reason)) => refusals.push(Refusal {
                    source: Evidence::TABLE.to_owned(),
                    file: path.display().to_string(),
                    row: number,
                    code,
                    reason,
                    raw: None,
                }),
            }
            number += 1;
        }
    }
    Ok(())
}

type Refused = (Code, String);

/// The record of the current row, or why it is none; an error is one of the whole column.
fn evidence(rows: &Rows, path: &Path) -> Result<Result<Evidence, Refused>, Error> {
    let wrong = |at: usize, expected: &'static str| {
        let found = format!("{:?}", rows.value(at));
        Error::ColumnType { path: path.to_owned(), column: COLUMNS[at].to_owned(), found, expected }
    };
    let text = |at: usize| match rows.value(at) {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text.to_owned())),
        _ => Err(wrong(at, "texts")),
    };
    let share = |at: usize| match rows.value(at) {
        Value::Null => Ok(None),
        Value::Float(share) => Ok(Some(share)),
        Value::Int(whole) => Ok(Some(whole as f64)),
        Value::UInt(whole) => Ok(Some(whole as f64)),
        _ => Err(wrong(at, "numbers from 0 to 1")),
    };
    let content_id = id_of(rows.value(0), path, COLUMNS[0])?;
    let known_at = match rows.value(6) {
        Value::Null => Millis::MIN,
        Value::Int(instant) => instant,
        _ => return Err(wrong(6, "instants")),
    };
    let (detector, version, risk, confidence) = (text(1)?, text(2)?, share(3)?, share(4)?);
    let (details, file) = (text(5)?, text(7)?);
    let whole = || {
        Ok(Evidence {
            content_id: content_id.ok_or_else(|| missing(0))??,
            detector: detector.ok_or_else(|| missing(1))?,
            version: version.ok_or_else(|| missing(2))?,
            risk: Risk::from_parts(parts(3, risk.ok_or_else(|| missing(3))?)?),
            confidence: Confidence::from_parts(parts(4, confidence.unwrap_or(1.0))?),
            details: details.unwrap_or_else(|| "{}".to_owned()),
            known_at,
            file,
        })
    };
    Ok(whole())
}

/// The id that a value is, or why it is none; nothing where it is null.
pub(super) fn id_of(value: Value<'_>, path: &Path, column: &str) -> Result<Option<Result<Id, Refused>>, Error> {
    Ok(match value {
        Value::Null => None,
        Value::Text(text) => Some(Ok(Id::from(text))),
        Value::UInt(number) if number < u64::MAX => Some(Ok(Id::from(number))),
        Value::Int(number) if number >= 0 => Some(Ok(Id::from(number.unsigned_abs()))),
        Value::UInt(_) | Value::Int(_) => Some(Err((Code::OutOfRange, format!("{column} is {value:?}")))),
        other => {
            let (column, found) = (column.to_owned(), format!("{other:?}"));
            return Err(Error::ColumnType { path: path.to_owned(), column, found, expected: "texts or whole numbers" });
        }
    })
}

fn missing(at: usize) -> Refused {
    (Code::Missing, format!("{} is null", COLUMNS[at]))
}

/// Ten-thousandths; a share that is no exact multiple of one is rounded to the nearest.
fn parts(at: usize, share: f64) -> Result<u64, Refused> {
    // What is not a number lies in no range.
    if (0.0..=1.0).contains(&share) {
        Ok((share * 10_000.0).round() as u64)
    } else {
        Err((Code::OutOfRange, format!("{} is {share}; expected a number from 0 to 1", COLUMNS[at])))
    }
}
