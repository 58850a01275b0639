//! The tables of a replay that speak about subjects, line by line.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::tables::rows::{Rows, Value, columns};
use records::Millis;
use serde_json::{Value as Json, json};

use super::input;
use crate::exit::Failure;

/// A row: column and value. Its instant, and whether it comes or goes, stand beside it.
pub(super) type Row = BTreeMap<String, Json>;

/// A table, and what names a row among those of its subject.
pub(super) type Name = (&'static str, String);

/// One line of a table.
pub(super) struct Line<'a> {
    table: &'static str,
    rows: &'a Rows,
    columns: &'a [String],
    places: &'a Places,
}

/// Where the columns stand that every table has, or some.
struct Places {
    as_of: usize,
    diff: Option<usize>,
    subject: Option<usize>,
    id: Option<usize>,
    named: Option<usize>,
}

/// Takes every line of the table, if the replay wrote it.
///
/// # Errors
/// When it cannot be read.
pub(super) fn each(
    tables: &Path,
    (table, named): (&'static str, &str),
    mut take: impl FnMut(&Line<'_>),
) -> Result<(), Failure> {
    let path = tables.join(format!("{table}.parquet"));
    if !path.is_file() {
        return Ok(());
    }
    let names: Vec<String> = columns(&path).map_err(input)?.into_iter().map(|column| column.name).collect();
    let place = |name: &str| names.iter().position(|known| known == name);
    // What a window table is about is named as its view is.
    let of_window = || table.strip_suffix("_window").and_then(|view| place(&format!("{view}_id")));
    let places = Places {
        as_of: place("as_of").unwrap_or_default(),
        diff: place("diff"),
        subject: place("subject"),
        id: place("subject_id").or(place("track_id")).or_else(of_window),
        named: place(named),
    };
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rows = Rows::open(&path, &all).map_err(input)?;
    while rows.advance().map_err(input)? {
        take(&Line { table, rows: &rows, columns: &names, places: &places });
    }
    Ok(())
}

impl Line<'_> {
    fn text(&self, place: Option<usize>) -> Option<String> {
        place.map(|place| text_of(self.rows.value(place)))
    }

    /// As of when.
    pub(super) fn as_of(&self) -> Millis {
        if let Value::Int(at) = self.rows.value(self.places.as_of) { at } else { Millis::MIN }
    }

    /// Whether the table tells what changed, not what is.
    pub(super) fn is_change(&self) -> bool {
        self.places.diff.is_some()
    }

    /// Whether the row comes, or is.
    pub(super) fn comes(&self) -> bool {
        self.places.diff.is_none_or(|diff| self.rows.value(diff) != Value::Int(-1))
    }

    /// The kind it is about, where the table has several.
    pub(super) fn subject(&self) -> Option<String> {
        self.text(self.places.subject)
    }

    /// Whom it is about, where it is not about everybody.
    pub(super) fn id(&self) -> Option<String> {
        self.text(self.places.id)
    }

    /// Its name among the rows of whom it is about.
    pub(super) fn name(&self) -> Name {
        (self.table, self.text(self.places.named).unwrap_or_default())
    }

    /// Its values.
    pub(super) fn row(&self) -> Row {
        let told = self.columns.iter().enumerate().filter(|(_, name)| !["as_of", "diff"].contains(&name.as_str()));
        told.map(|(place, name)| (name.clone(), json_of(self.rows.value(place)))).collect()
    }
}

fn text_of(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        other => json_of(other).to_string(),
    }
}

/// The value; lists that tables hold as texts are lists.
fn json_of(value: Value<'_>) -> Json {
    match value {
        Value::Text(text) if text.starts_with('[') => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Value::Text(text) => json!(text),
        Value::Int(number) => json!(number),
        Value::UInt(number) => json!(number),
        Value::Float(number) => json!(number),
        _ => Json::Null,
    }
}
