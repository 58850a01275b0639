//! Reads what a replay wrote: one line after the other, in the order of the file.

use std::cmp::Ordering;
use std::path::Path;

use datasets::tables::rows::{ColumnKind, Rows, Value, columns};

use super::expected::{Cell, Form, key_order};
use super::load::shifted;
use crate::exit::Failure;

/// A line of a view: a row of it, and at which instant and window it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) as_of: i64,
    /// The window's place among the windows of the run; 0 where the view has none.
    pub(super) window: usize,
    /// +1 or -1 where changes were written, else 0.
    pub(super) diff: i64,
    pub(super) cells: Vec<Cell>,
}

impl Line {
    /// The order of the contract: instant, window, key; what leaves before what comes.
    pub(super) fn order(&self, other: &Line, keys: usize) -> Ordering {
        let place = (self.as_of, self.window).cmp(&(other.as_of, other.window));
        place.then_with(|| key_order(&self.cells, &other.cells, keys)).then_with(|| self.diff.cmp(&other.diff))
    }
}

/// Lines that can be looked at before they are taken.
pub(super) trait Lines {
    /// The next line, which stays the next.
    fn peek(&self) -> Option<&Line>;

    /// Steps over it.
    fn step(&mut self) -> Result<(), Failure>;
}

/// The lines of a file.
pub(super) struct FileLines {
    rows: Rows,
    name: String,
    windows: Vec<String>,
    has_window: bool,
    has_diff: bool,
    forms: Vec<Form>,
    /// Lines with one of these words are passed over.
    beyond: &'static [&'static str],
    next: Option<Line>,
}

impl FileLines {
    /// Opens the view's file. `Ok(Err(…))` says in what its columns are not those of the contract.
    pub(super) fn open(
        path: &Path,
        expected: &[(&str, Form)],
        windows: Option<Vec<String>>,
        has_diff: bool,
        beyond: &'static [&'static str],
    ) -> Result<Result<FileLines, String>, Failure> {
        let unreadable = |error: datasets::Error| Failure::Input(error.to_string());
        let mut wanted = vec![("as_of", ColumnKind::Instant)];
        wanted.extend(has_diff.then_some(("diff", ColumnKind::Int)));
        wanted.extend(windows.is_some().then_some(("window", ColumnKind::Text)));
        wanted.extend(expected.iter().map(|&(name, form)| (name, kind_of(form))));
        let found = columns(path).map_err(unreadable)?;
        let found: Vec<(&str, ColumnKind)> = found.iter().map(|column| (column.name.as_str(), column.kind)).collect();
        if found != wanted {
            return Ok(Err(format!("columns: expected {wanted:?}, found {found:?}")));
        }
        let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        let mut lines = FileLines {
            rows: Rows::open(path, &names).map_err(unreadable)?,
            name: path.display().to_string(),
            has_window: windows.is_some(),
            windows: windows.unwrap_or_default(),
            has_diff,
            forms: expected.iter().map(|(_, form)| *form).collect(),
            beyond,
            next: None,
        };
        lines.step()?;
        Ok(Ok(lines))
    }

    fn read(&self) -> Result<Line, Failure> {
        let mut column = 0..;
        let mut value = || self.rows.value(column.next().expect("columns are counted without end"));
        let Value::Int(as_of) = value() else { return Err(self.broken("an `as_of` is null")) };
        let diff = match self.has_diff.then(&mut value) {
            None => 0,
            Some(Value::Int(diff @ (-1 | 1))) => diff,
            Some(_) => return Err(self.broken("a `diff` is neither +1 nor -1")),
        };
        let window = match self.has_window.then(&mut value) {
            None => 0,
            Some(Value::Text(name)) => self.windows.iter().position(|window| window == name).ok_or_else(|| {
                self.broken(&format!("the window {name:?} is none of the run: {}", self.windows.join(", ")))
            })?,
            Some(_) => return Err(self.broken("a `window` is null")),
        };
        let cells = self.forms.iter().map(|&form| match (value(), form) {
            (Value::UInt(number), Form::NumberId) => Cell::Whole(shifted(number)),
            (Value::Text(text), Form::TextId | Form::Word) => Cell::Text(text.to_owned()),
            (Value::Int(number), Form::Count) => Cell::Whole(number),
            (Value::Float(number), Form::Entropy) => Cell::Real(number),
            _ => Cell::Null,
        });
        Ok(Line { as_of, window, diff, cells: cells.collect() })
    }

    fn broken(&self, why: &str) -> Failure {
        Failure::Different(format!("{}: {why}", self.name))
    }
}

impl Lines for FileLines {
    fn peek(&self) -> Option<&Line> {
        self.next.as_ref()
    }

    fn step(&mut self) -> Result<(), Failure> {
        self.next = None;
        while self.rows.advance().map_err(|error| Failure::Input(error.to_string()))? {
            let line = self.read()?;
            let is_beyond = |cell: &Cell| matches!(cell, Cell::Text(word) if self.beyond.contains(&word.as_str()));
            if !line.cells.iter().any(is_beyond) {
                self.next = Some(line);
                break;
            }
        }
        Ok(())
    }
}

/// What the column of this form holds in a file.
pub(super) fn kind_of(form: Form) -> ColumnKind {
    match form {
        Form::NumberId => ColumnKind::UInt,
        Form::TextId | Form::Word => ColumnKind::Text,
        Form::Count => ColumnKind::Int,
        Form::Entropy => ColumnKind::Float,
        Form::Free => ColumnKind::Text,
    }
}
