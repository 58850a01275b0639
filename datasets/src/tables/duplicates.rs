//! Reads the table `duplicate_group`, as far as it says which recordings are one.

use std::path::{Path, PathBuf};

use records::{Code, Duplicate, Millis, Refusal};

use super::evidence::id_of;
use super::rows::{Rows, Value, columns};
use crate::Error;

/// Its name.
const TABLE: &str = "duplicate_group";
/// The columns, in the order of the fields.
const COLUMNS: [&str; 3] = ["content_id", "group_id", "known_at"];

/// Reads every row of the files: rows = duplicates kept + refusals.
///
/// # Errors
/// When a file cannot be read, lacks `content_id` or `group_id`, or holds other types than the columns ask for.
pub fn read_duplicates(
    paths: &[PathBuf],
    mut keep: impl FnMut(Duplicate),
    refusals: &mut Vec<Refusal>,
) -> Result<(), Error> {
    for path in paths {
        let found: Vec<String> = columns(path)?.into_iter().map(|column| column.name).collect();
        if let Some(column) = COLUMNS[..2].iter().find(|column| !found.iter().any(|name| name == *column)) {
            return Err(Error::MissingColumn { path: path.clone(), table: TABLE, column, found });
        }
        let mut rows = Rows::open(path, &COLUMNS)?;
        let mut number = 0;
        while rows.advance()? {
            match duplicate(&rows, path)? {
                Ok(duplicate) => keep(duplicate),
                Err((code, reason)) => refusals.push(Refusal {
                    source: TABLE.to_owned(),
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

fn duplicate(rows: &Rows, path: &Path) -> Result<Result<Duplicate, (Code, String)>, Error> {
    let id = |at: usize| id_of(rows.value(at), path, COLUMNS[at]);
    let known_at = match rows.value(2) {
        Value::Null => Millis::MIN,
        Value::Int(instant) => instant,
        other => {
            let (column, found) = (COLUMNS[2].to_owned(), format!("{other:?}"));
            return Err(Error::ColumnType { path: path.to_owned(), column, found, expected: "instants" });
        }
    };
    let (content_id, group_id) = (id(0)?, id(1)?);
    let whole = || {
        let content_id = content_id.ok_or_else(|| (Code::Missing, "content_id is null".to_owned()))??;
        Ok(Duplicate { content_id, group_id: group_id.transpose()?, known_at })
    };
    Ok(whole())
}
