//! Asks SQL what a view must be as of an instant.

use std::cmp::Ordering;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement};

use super::broken;
use super::load::unshifted;
use super::settings::Settings;
use super::views::{Holds, IdOf, Span, TextIds, View};
use crate::exit::Failure;

/// A value of a view. Numeric ids are kept as `sql/raw.sql` says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Nothing.
    Null,
    /// A count, an instant, a numeric id.
    Whole(i64),
    /// An entropy.
    Real(f64),
    /// A text id, a word.
    Text(String),
}

impl Cell {
    /// The order of keys: numbers by value, texts by bytes.
    pub(super) fn order(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::Whole(a), Cell::Whole(b)) => a.cmp(b),
            (Cell::Text(a), Cell::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Cell::Real(a), Cell::Real(b)) => a.total_cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Cell::Null => 0,
            Cell::Whole(_) => 1,
            Cell::Real(_) => 2,
            Cell::Text(_) => 3,
        }
    }

    /// Whether this is the same value; entropies may differ by the rounding of sums.
    pub(super) fn agrees(&self, other: &Cell) -> bool {
        match (self, other) {
            // TABLES.md: within 1e-9 of exact.
            (Cell::Real(a), Cell::Real(b)) => (a - b).abs() <= 1e-9,
            (a, b) => a == b,
        }
    }

    /// The value as a person would write it.
    pub(super) fn show(&self, is_id: bool) -> String {
        match self {
            Cell::Null => "null".to_owned(),
            Cell::Whole(number) if is_id => unshifted(*number).to_string(),
            Cell::Whole(number) => number.to_string(),
            Cell::Real(number) => number.to_string(),
            Cell::Text(text) => text.clone(),
        }
    }
}

/// How a column of a view stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `UInt64`.
    NumberId,
    /// `Utf8`.
    TextId,
    /// `Utf8`.
    Word,
    /// `Int64`.
    Count,
    /// `Float64`.
    Entropy,
    /// `Utf8`, whatever it says.
    Free,
}

impl Form {
    pub(super) fn of(holds: Holds, text: TextIds, settings: &Settings) -> Form {
        let id = |is_text: bool| if is_text { Form::TextId } else { Form::NumberId };
        match holds {
            Holds::Id(kind) => id(text.contains(kind)),
            // One column for all links: text as soon as one of them is.
            Holds::LinkId => id([("device", IdOf::Device), ("ip_prefix", IdOf::IpPrefix), ("payment", IdOf::Payment)]
                .iter()
                .any(|(link, kind)| settings.has_link(link) && text.contains(*kind))),
            Holds::Word => Form::Word,
            Holds::Count => Form::Count,
            Holds::Entropy => Form::Entropy,
            Holds::Free => Form::Free,
        }
    }

    pub(super) fn is_id(self) -> bool {
        matches!(self, Form::NumberId | Form::TextId)
    }
}

/// A view as SQL sees it.
pub(super) struct Query<'c> {
    view: &'static View,
    settings: Settings,
    forms: Vec<Form>,
    /// Where the statement has each column of the view.
    places: Vec<usize>,
    statement: Statement<'c>,
}

impl<'c> Query<'c> {
    pub(super) fn new(
        view: &'static View,
        settings: &Settings,
        text: TextIds,
        connection: &'c Connection,
    ) -> Result<Query<'c>, Failure> {
        let statement = connection.prepare(view.sql).map_err(broken)?;
        let places = view.columns().map(|(name, _)| match view.keys {
            [(only, _)] if *only == name => statement.column_index("key").or_else(|_| statement.column_index(name)),
            _ => statement.column_index(name),
        });
        let places = places.collect::<Result<_, _>>().map_err(broken)?;
        let forms = view.columns().map(|(_, holds)| Form::of(holds, text, settings)).collect();
        Ok(Query { view, settings: settings.clone(), forms, places, statement })
    }

    /// The form of each column: the keys first.
    pub(super) fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// The rows of the view over the window, as of the instant, in the order of the keys.
    pub(super) fn rows(&mut self, as_of: i64, window_ms: i64) -> Result<Vec<Vec<Cell>>, Failure> {
        self.bind(as_of, window_ms)?;
        let mut found = self.statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(broken)? {
            let cells = self.places.iter().zip(&self.forms).map(|(&place, &form)| {
                Ok(match (row.get_ref(place).map_err(broken)?, form) {
                    (ValueRef::Null, _) => Cell::Null,
                    (ValueRef::Integer(number), Form::TextId) => Cell::Text(unshifted(number).to_string()),
                    (ValueRef::Integer(number), _) => Cell::Whole(number),
                    (ValueRef::Real(number), _) => Cell::Real(number),
                    (ValueRef::Text(bytes) | ValueRef::Blob(bytes), _) => {
                        Cell::Text(String::from_utf8_lossy(bytes).into_owned())
                    }
                })
            });
            rows.push(cells.collect::<Result<Vec<Cell>, Failure>>()?);
        }
        if self.view.keys.iter().any(|(_, holds)| *holds == Holds::LinkId) {
            // Numbers that stand in a column of texts sort as texts.
            rows.sort_by(|a, b| key_order(a, b, self.view.keys.len()));
        }
        Ok(rows)
    }

    fn bind(&mut self, as_of: i64, window_ms: i64) -> Result<(), Failure> {
        let parameters = [
            (":as_of", as_of),
            (":since", as_of - window_ms),
            (":hub", self.settings.hub),
            (":device", i64::from(self.settings.has_link("device"))),
            (":ip_prefix", i64::from(self.settings.has_link("ip_prefix"))),
            (":payment", i64::from(self.settings.has_link("payment"))),
        ];
        if let Some(index) = self.statement.parameter_index(":gate").map_err(broken)? {
            self.statement.raw_bind_parameter(index, self.settings.gate_at(as_of)).map_err(broken)?;
        }
        for (name, value) in parameters {
            if let Some(index) = self.statement.parameter_index(name).map_err(broken)? {
                self.statement.raw_bind_parameter(index, value).map_err(broken)?;
            }
        }
        Ok(())
    }

    /// The windows that the view is asked for: name and length.
    pub(super) fn windows(&self) -> Vec<(String, i64)> {
        match self.view.span {
            Span::Windows => self.settings.windows.clone(),
            Span::Fixed(length_ms) => vec![(String::new(), length_ms)],
        }
    }
}

/// The order of two rows by their first `keys` cells.
pub(super) fn key_order(a: &[Cell], b: &[Cell], keys: usize) -> Ordering {
    let pairs = a[..keys].iter().zip(&b[..keys]);
    pairs.map(|(a, b)| a.order(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
