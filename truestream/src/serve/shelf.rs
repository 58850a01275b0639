//! Keeps the views where readers find them: every answer is of one instant, and a reader never holds up the dataflow.
//!
//! ```text
//! changes of a tick ──▶ rows ──▶ put together until the tick is stated ──▶ all views at once ──▶ readers
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, RwLock};

use dataflows::clock::{Clock, Tick};
use dataflows::links::LinkKind;
use datasets::names::NameTable;
use datasets::tables::{Cell, Holds, IdKind, ViewFile};
use records::{Id, Millis, Refusal};
use serde_json::{Map, Value, json};

use super::source::Said;
use crate::exit::Failure;
use crate::replay::books::columns_of;
use crate::replay::judge::Rows;
use crate::replay::teller::{Teller, Told};
use crate::replay::views::{RowKey, RowValue, VIEWS, View, push_cells};

/// So many of the last refusals are kept to be read; the dead letters in the log are all of them.
const REFUSALS_KEPT: usize = 10_000;

/// The views as of one instant.
#[derive(Default)]
struct Stated {
    as_of: Option<Tick>,
    views: BTreeMap<View, BTreeMap<RowKey, RowValue>>,
    refusals: VecDeque<Refusal>,
    refused: u64,
}

/// The views, shared with readers.
pub struct Shelf {
    clock: Clock,
    names: Arc<NameTable>,
    labels: Vec<Arc<str>>,
    links: Vec<LinkKind>,
    kept: Vec<View>,
    stated: RwLock<Stated>,
}

/// Who puts what changed on the shelf.
pub struct Keeper {
    shelf: Arc<Shelf>,
    teller: Teller,
    rows: Vec<(View, Rows)>,
    refusals: Vec<Refusal>,
}

/// Which rows are asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Of this key; of all keys otherwise.
    pub key: Option<String>,
    /// Of this window; of all windows otherwise.
    pub window: Option<String>,
    /// No more than so many.
    pub rows_max: Option<usize>,
}

/// Rows of a view as of one instant.
pub struct Answer {
    /// As of when; `None` where nothing is stated yet.
    pub as_of: Option<Millis>,
    view: View,
    rows: Vec<(RowKey, RowValue)>,
}

impl Shelf {
    /// An empty shelf for these views.
    pub fn new(
        clock: Clock,
        names: Arc<NameTable>,
        labels: Vec<Arc<str>>,
        links: Vec<LinkKind>,
        kept: Vec<View>,
    ) -> Shelf {
        Shelf { clock, names, labels, links, kept, stated: RwLock::default() }
    }

    /// The names of the views that are kept.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kept.iter().map(|view| view.name())
    }

    /// As of when everything is stated; `None` before the first time.
    pub fn as_of(&self) -> Option<Millis> {
        self.stated.read().expect("no writer panics").as_of.map(|tick| self.clock.instant(tick))
    }

    /// How many rows each view has, and how many were refused.
    pub fn counts(&self) -> (Vec<(&'static str, usize)>, u64) {
        let stated = self.stated.read().expect("no writer panics");
        let rows = |view: &View| (view.name(), stated.views.get(view).map_or(0, BTreeMap::len));
        (self.kept.iter().filter(|view| **view != View::Refusal).map(rows).collect(), stated.refused)
    }

    /// The rows of the view that are asked for, all as of one instant; `None` when no such view is kept.
    pub fn ask(&self, view: &str, asked: &Asked) -> Option<Answer> {
        let (_, view) = *VIEWS.iter().find(|(name, kept)| *name == view && self.kept.contains(kept))?;
        let stated = self.stated.read().expect("no writer panics");
        let as_of = stated.as_of.map(|tick| self.clock.instant(tick));
        let mut rows = Vec::new();
        if let Some(state) = stated.views.get(&view) {
            let wanted = |(key, _): &(&RowKey, &RowValue)| self.is_asked(key, asked);
            let most = asked.rows_max.unwrap_or(usize::MAX);
            let copied = |(key, value): (&RowKey, &RowValue)| (key.clone(), value.clone());
            match self.points(view, asked) {
                Some(points) => {
                    let found = points.iter().filter_map(|key| state.get_key_value(key));
                    rows.extend(found.filter(wanted).take(most).map(copied));
                }
                None => rows.extend(state.iter().filter(wanted).take(most).map(copied)),
            }
        }
        Some(Answer { as_of, view, rows })
    }

    /// The last refusals, newest first, with as of when.
    pub fn refusals(&self) -> (Option<Millis>, Vec<Refusal>) {
        let stated = self.stated.read().expect("no writer panics");
        (stated.as_of.map(|tick| self.clock.instant(tick)), stated.refusals.iter().rev().cloned().collect())
    }

    /// The few keys that can be meant, where the view has them in the order of that key.
    fn points(&self, view: View, asked: &Asked) -> Option<Vec<RowKey>> {
        let axis = view.axis()?;
        let (_, space) = crate::replay::views::key_column(axis);
        let text = asked.key.as_deref()?;
        let id = match self.names.kind(space) {
            IdKind::Number => Id::Number(text.parse().ok()?),
            IdKind::Text => Id::from(text),
        };
        Some((0..self.labels.len() as u8).map(|window| RowKey::Window(window, id.clone())).collect())
    }

    fn is_asked(&self, key: &RowKey, asked: &Asked) -> bool {
        let in_window = |label: &str| match key {
            RowKey::Window(window, _) => *self.labels[usize::from(*window)] == *label,
            _ => true,
        };
        asked.window.as_deref().is_none_or(in_window) && asked.key.as_deref().is_none_or(|text| names(key, text))
    }

    fn columns(&self, view: View) -> Vec<(&'static str, Holds)> {
        let columns = columns_of(view, &self.names, &self.links).unwrap_or_default();
        [("as_of", Holds::Instant)].into_iter().chain(columns).collect()
    }

    /// The answer as objects, with the columns of the tables.
    pub fn json(&self, answer: &Answer) -> Vec<Value> {
        let columns = self.columns(answer.view);
        let object = |(key, value): &(RowKey, RowValue)| {
            let mut cells = vec![Cell::Instant(answer.as_of.unwrap_or_default())];
            push_cells(answer.view.axis(), &self.labels, key, value, &mut cells);
            let named = columns.iter().zip(cells).map(|((name, _), cell)| ((*name).to_owned(), cell_json(cell)));
            Value::Object(named.collect::<Map<String, Value>>())
        };
        answer.rows.iter().map(object).collect()
    }

    /// The answer as a Parquet file: the same bytes as a replay writes for the same rows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, answer: &Answer, path: &Path) -> Result<(), Failure> {
        let output = |error: datasets::Error| Failure::Output(error.to_string());
        let mut file = ViewFile::create(path, &self.columns(answer.view)).map_err(output)?;
        let mut cells = Vec::new();
        for (key, value) in &answer.rows {
            cells.clear();
            cells.push(Cell::Instant(answer.as_of.unwrap_or_default()));
            push_cells(answer.view.axis(), &self.labels, key, value, &mut cells);
            file.push(cells.iter().copied()).map_err(output)?;
        }
        let (_, part) = file.complete().map_err(output)?;
        part.publish().map_err(output)
    }
}

/// Whether the key, or a part of it, is written like this.
fn names(key: &RowKey, text: &str) -> bool {
    match key {
        RowKey::Window(_, id)
        | RowKey::Account(id)
        | RowKey::Audience(id)
        | RowKey::Track(id)
        | RowKey::Distributor(id)
        | RowKey::Scored(id, _)
        | RowKey::Link(_, id) => is_written(id, text),
        RowKey::Pair(a, b) => is_written(a, text) || is_written(b, text),
        RowKey::Subject(_, id) | RowKey::Owner(_, id) | RowKey::Hit(_, id, _) => id == text,
    }
}

fn is_written(id: &Id, text: &str) -> bool {
    match id {
        Id::Text(id) => **id == *text,
        Id::Number(number) => text.parse() == Ok(*number),
    }
}

fn cell_json(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Instant(instant) => json!(instant),
        Cell::Text(text) => json!(text),
        Cell::Id(Id::Number(number)) => json!(number),
        Cell::Id(Id::Text(text)) => json!(&**text),
        Cell::Count(count) => json!(count),
        Cell::Float(number) => json!(number),
        Cell::Feature(number) => json!(number),
        Cell::Series(numbers) => json!(numbers),
        Cell::Diff(diff) => json!(diff),
    }
}

impl Keeper {
    /// Puts on the shelf what the teller tells.
    pub fn new(shelf: Arc<Shelf>, teller: Teller) -> Keeper {
        Keeper { shelf, teller, rows: Vec::new(), refusals: Vec::new() }
    }

    /// Takes what the first worker says.
    pub fn take(&mut self, said: Said) {
        match said {
            Said::Change(change) => match self.teller.tell(change) {
                Told::Rows(views) => self.rows.extend(views),
                Told::Refused(refusals) => self.refusals.extend(refusals),
            },
            Said::Stated(tick) => self.publish(tick),
        }
    }

    fn publish(&mut self, tick: Tick) {
        let mut stated = self.shelf.stated.write().expect("no writer panics");
        for (view, rows) in self.rows.drain(..) {
            let state = stated.views.entry(view).or_default();
            for (key, value) in rows {
                match value {
                    Some(value) => state.insert(key, value),
                    None => state.remove(&key),
                };
            }
        }
        self.refusals.sort();
        stated.refused += self.refusals.len() as u64;
        stated.refusals.extend(self.refusals.drain(..));
        let over = stated.refusals.len().saturating_sub(REFUSALS_KEPT);
        stated.refusals.drain(..over);
        stated.as_of = Some(tick);
    }
}
