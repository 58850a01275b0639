//! The shelf as SQL sees it: the kept views, the last refusals, and the instant.

use std::collections::VecDeque;
use std::sync::Arc;

use datasets::tables::{Cell, Holds, Rows};
use records::{Millis, Refusal};
use sql::{Equal, Moment, Scan, Table, Views};

use super::glossary::Glossary;
use super::house::resident_bytes;
use super::lookup::{Span, spans};
use super::shelf::{Outline, Shelf, Stated};
use crate::replay::views::{VIEWS, View};

/// The table of one row that says as of when everything is stated.
const AS_OF: &str = "as_of";
const REFUSAL: &str = "refusal";

/// The tables of a service.
pub struct Tables {
    /// Where the rows are.
    pub shelf: Arc<Shelf>,
    /// Above so many bytes queries are ended.
    pub memory_max: u64,
}

impl Views for Tables {
    fn tables(&self) -> Vec<Table> {
        let glossary = Glossary::read();
        let kept = self.shelf.outline.kept().iter().filter(|view| **view != View::Refusal);
        let views = kept.map(|view| (view.name(), self.shelf.outline.columns(*view)));
        let others = [(REFUSAL, refusal_columns()), (AS_OF, vec![("as_of", Holds::Instant)])];
        let table = |(name, columns): (&'static str, Vec<(&'static str, Holds)>)| Table {
            name,
            comment: glossary.table(name),
            column_comments: columns.iter().map(|(column, _)| glossary.column(name, column)).collect(),
            columns,
        };
        views.chain(others).map(table).collect()
    }

    fn now(&self) -> Arc<dyn Moment> {
        Arc::new(Instant { outline: self.shelf.outline.clone(), stated: self.shelf.now() })
    }

    fn has_room(&self) -> bool {
        resident_bytes().is_none_or(|bytes| bytes < self.memory_max)
    }
}

fn refusal_columns() -> Vec<(&'static str, Holds)> {
    let texts = ["code", "reason"].map(|name| (name, Holds::Text));
    let place = [("source", Holds::Text), ("file", Holds::Text), ("row", Holds::Count)];
    place.into_iter().chain(texts).chain([("raw", Holds::Remark)]).collect()
}

/// All tables as of one instant.
struct Instant {
    outline: Arc<Outline>,
    stated: Arc<Stated>,
}

impl Moment for Instant {
    fn as_of(&self) -> Option<Millis> {
        self.outline.as_of(&self.stated)
    }

    fn scan(self: Arc<Self>, table: &str, equal: &[Equal]) -> Box<dyn Scan> {
        match VIEWS.iter().find(|(name, view)| *name == table && *view != View::Refusal) {
            Some((_, view)) => {
                let parts = spans(*view, equal, &self.outline.names, &self.outline.labels).into();
                Box::new(ViewScan { instant: self, view: *view, parts })
            }
            None if table == REFUSAL => Box::new(RefusalScan { instant: self, next: 0 }),
            None => Box::new(AsOfScan(self.as_of())),
        }
    }
}

struct ViewScan {
    instant: Arc<Instant>,
    view: View,
    parts: VecDeque<Span>,
}

impl Scan for ViewScan {
    fn push(&mut self, rows_max: usize, to: &mut Rows) -> bool {
        let Instant { outline, stated } = &*self.instant;
        let as_of = outline.as_of(stated);
        stated.copy(self.view, &mut self.parts, rows_max, |key, value| {
            let mut cells = Vec::with_capacity(32);
            outline.push_row(self.view, as_of, key, value, &mut cells);
            to.push(cells);
            true
        });
        !self.parts.is_empty()
    }
}

struct RefusalScan {
    instant: Arc<Instant>,
    next: usize,
}

impl Scan for RefusalScan {
    fn push(&mut self, rows_max: usize, to: &mut Rows) -> bool {
        let refusals = &self.instant.stated.refusals;
        let end = refusals.len().min(self.next + rows_max);
        for at in self.next..end {
            let Refusal { source, file, row, code, reason, raw } = &*refusals[at];
            let raw = raw.as_deref().map_or(Cell::Nothing, Cell::Text);
            let place = [Cell::Text(source), Cell::Text(file), Cell::Count(*row)];
            to.push(place.into_iter().chain([Cell::Text(code.name()), Cell::Text(reason), raw]));
        }
        self.next = end;
        end < refusals.len()
    }
}

struct AsOfScan(Option<Millis>);

impl Scan for AsOfScan {
    fn push(&mut self, _: usize, to: &mut Rows) -> bool {
        if let Some(as_of) = self.0.take() {
            to.push([Cell::Instant(as_of)]);
        }
        false
    }
}
