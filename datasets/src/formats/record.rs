//! One row as its file wrote it, before anybody says what it means.
//!
//! JSON objects, delimited lines and Parquet rows all become a [`Record`]; a format asks it for named cells.

use std::borrow::Cow;
use std::sync::Arc;

use records::{Code, Millis};
use serde_json::{Map, Value};

/// Longest `raw` of a refusal.
const RAW_BYTES: usize = 1_024;

/// Why a row cannot become a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kind of fault.
    pub code: Code,
    /// The fault in words, with the values seen.
    pub reason: String,
}

impl Refused {
    /// A refusal for this reason.
    pub fn new(code: Code, reason: impl Into<String>) -> Refused {
        Refused { code, reason: reason.into() }
    }

    /// A required value is not there.
    pub fn missing(column: &str) -> Refused {
        Refused::new(Code::Missing, format!("`{column}` is missing or null"))
    }

    fn wrong_type(column: &str, expected: &str, cell: &Cell<'_>) -> Refused {
        Refused::new(Code::WrongType, format!("`{column}` is {cell:?}; expected {expected}"))
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Null, absent or the empty text.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text that is not empty.
    Text(Cow<'a, str>),
    /// An instant of a typed column.
    Instant(Millis),
    /// A list or an object, as JSON.
    Nested(String),
}

impl<'a> Cell<'a> {
    /// The cell of a text; the empty text is null.
    pub fn of_text(text: &'a str) -> Cell<'a> {
        if text.is_empty() { Cell::Null } else { Cell::Text(Cow::Borrowed(text)) }
    }

    fn of_json(value: &'a Value) -> Cell<'a> {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(flag) => Cell::Bool(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Cell::Int(int.into()),
                (None, Some(int)) => Cell::Int(int.into()),
                (None, None) => Cell::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Cell::of_text(text),
            Value::Array(_) | Value::Object(_) => Cell::Nested(value.to_string()),
        }
    }

    /// The cell in the letters that count for a content id.
    fn letters(&self) -> Cow<'_, str> {
        match self {
            Cell::Null => Cow::Borrowed(""),
            Cell::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Cell::Int(int) => Cow::Owned(int.to_string()),
            Cell::Float(float) => Cow::Owned(float.to_string()),
            Cell::Text(text) => Cow::Borrowed(text),
            Cell::Instant(millis) => Cow::Owned(millis.to_string()),
            Cell::Nested(json) => Cow::Borrowed(json),
        }
    }
}

/// The columns of a file that has them: their names as written, and in the order of the names.
#[derive(Debug)]
pub struct Columns {
    names: Vec<String>,
    by_name: Vec<usize>,
}

impl Columns {
    /// The columns with these names.
    pub fn new(names: Vec<String>) -> Columns {
        let mut by_name: Vec<usize> = (0..names.len()).collect();
        by_name.sort_by(|a, b| names[*a].cmp(&names[*b]));
        Columns { names, by_name }
    }

    /// The names as written.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// A row with named values.
#[derive(Clone, Debug)]
pub enum Record {
    /// An object of a JSON file.
    Object(Map<String, Value>),
    /// A line of a delimited file or a row of a Parquet file.
    Row {
        /// The columns of the file.
        columns: Arc<Columns>,
        /// One value for each column.
        cells: Vec<Cell<'static>>,
    },
}

impl Record {
    /// The value of the column. In JSON a dotted name leads into nested objects.
    pub fn cell(&self, name: &str) -> Cell<'_> {
        match self {
            Record::Object(object) => {
                let direct = object.get(name);
                direct.or_else(|| nested(object, name)).map_or(Cell::Null, Cell::of_json)
            }
            Record::Row { columns, cells } => {
                let place = columns.names.iter().position(|known| known == name);
                place.and_then(|place| cells.get(place)).cloned().unwrap_or(Cell::Null)
            }
        }
    }

    /// Hands over every value that is not null, in the order of the names, as letters.
    pub fn each(&self, mut take: impl FnMut(&str, &str)) {
        match self {
            Record::Object(object) => {
                let mut names: Vec<&String> = object.keys().collect();
                names.sort_unstable();
                for name in names {
                    let cell = Cell::of_json(&object[name]);
                    if cell != Cell::Null {
                        take(name, &cell.letters());
                    }
                }
            }
            Record::Row { columns, cells } => {
                for place in &columns.by_name {
                    if let Some(cell) = cells.get(*place).filter(|cell| **cell != Cell::Null) {
                        take(&columns.names[*place], &cell.letters());
                    }
                }
            }
        }
    }

    /// The value as a text; a whole number is written in decimals, so numeric ids are texts too.
    ///
    /// # Errors
    /// When the value is neither.
    pub fn text(&self, name: &str) -> Result<Option<String>, Refused> {
        match self.cell(name) {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text.into_owned())),
            Cell::Int(int) => Ok(Some(int.to_string())),
            other => Err(Refused::wrong_type(name, "a text", &other)),
        }
    }

    /// The value as a text that must be there.
    ///
    /// # Errors
    /// When it is missing or no text.
    pub fn required_text(&self, name: &str) -> Result<String, Refused> {
        self.text(name)?.ok_or_else(|| Refused::missing(name))
    }

    /// The value as a whole number; numbers written as text count.
    ///
    /// # Errors
    /// When it is no whole number.
    pub fn integer(&self, name: &str) -> Result<Option<i128>, Refused> {
        let cell = self.cell(name);
        let int = match &cell {
            Cell::Null => return Ok(None),
            Cell::Int(int) => Some(*int),
            Cell::Float(float) if float.fract() == 0.0 && float.abs() < 9e15 => Some(*float as i128),
            Cell::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        int.map(Some).ok_or_else(|| Refused::wrong_type(name, "a whole number", &cell))
    }

    /// The value as a whole number that must be there.
    ///
    /// # Errors
    /// When it is missing or no whole number.
    pub fn required_integer(&self, name: &str) -> Result<i128, Refused> {
        self.integer(name)?.ok_or_else(|| Refused::missing(name))
    }

    /// The value as a number; numbers written as text count.
    ///
    /// # Errors
    /// When it is no finite number.
    pub fn number(&self, name: &str) -> Result<Option<f64>, Refused> {
        let cell = self.cell(name);
        let number = match &cell {
            Cell::Null => return Ok(None),
            Cell::Int(int) => Some(*int as f64),
            Cell::Float(float) => Some(*float),
            Cell::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| Refused::wrong_type(name, "a number", &cell))
    }

    /// The value as a truth value; `true`/`false` in any case, `t`/`f` and 1/0 count.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refused> {
        let cell = self.cell(name);
        match &cell {
            Cell::Null => Ok(None),
            Cell::Bool(flag) => Ok(Some(*flag)),
            Cell::Int(0) => Ok(Some(false)),
            Cell::Int(1) => Ok(Some(true)),
            Cell::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Ok(Some(true)),
                "false" | "f" | "0" => Ok(Some(false)),
                _ => Err(Refused::wrong_type(name, "true or false", &cell)),
            },
            _ => Err(Refused::wrong_type(name, "true or false", &cell)),
        }
    }

    /// The row as it stood, or nearly, shortened to 1 KiB.
    pub fn raw(&self) -> String {
        match self {
            Record::Object(object) => shortened(Value::Object(object.clone()).to_string().as_bytes()),
            Record::Row { cells, .. } => {
                let fields: Vec<Cow<'_, str>> = cells.iter().map(Cell::letters).collect();
                shortened(fields.join("\t").as_bytes())
            }
        }
    }
}

/// At most 1 KiB of the bytes; what is no UTF-8 is shown as the replacement character.
pub fn shortened(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(RAW_BYTES)]).into_owned();
    if bytes.len() > RAW_BYTES {
        text.push('…');
    }
    text
}

fn nested<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.')?;
    let inner = object.get(first)?.as_object()?;
    inner.get(rest).or_else(|| nested(inner, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Record {
        match serde_json::from_str(json) {
            Ok(Value::Object(object)) => Record::Object(object),
            other => panic!("no object: {other:?}"),
        }
    }

    #[test]
    fn numbers_and_flags_count_in_any_spelling_and_nothing_else_does() {
        let row =
            object(r#"{"a": "12", "b": 3.0, "c": 1.5, "d": "TRUE", "e": [1], "f": "", "g": 18446744073709551615}"#);
        assert_eq!(row.integer("a"), Ok(Some(12)));
        assert_eq!(row.integer("b"), Ok(Some(3)));
        assert_eq!(row.integer("c").unwrap_err().code, Code::WrongType);
        assert_eq!(row.integer("g"), Ok(Some(u64::MAX.into())));
        assert_eq!(row.flag("d"), Ok(Some(true)));
        assert_eq!(row.flag("a").unwrap_err().code, Code::WrongType);
        assert_eq!(row.text("e").unwrap_err().code, Code::WrongType);
        assert_eq!(row.text("f"), Ok(None));
        assert_eq!(row.required_text("nowhere").unwrap_err().code, Code::Missing);
    }

    #[test]
    fn a_dotted_name_leads_into_objects() {
        let row = object(r#"{"a": {"b": {"c": "deep"}, "x.y": 1}, "d.e": "plain"}"#);
        assert_eq!(row.text("a.b.c"), Ok(Some("deep".to_owned())));
        assert_eq!(row.integer("a.x.y"), Ok(Some(1)));
        assert_eq!(row.text("d.e"), Ok(Some("plain".to_owned())));
        assert_eq!(row.cell("a.b.z"), Cell::Null);
    }
}
