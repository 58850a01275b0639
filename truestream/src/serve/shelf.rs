//! Keeps the views where readers find them: every answer is of one instant, and nobody waits for anybody.
//!
//! ```text
//! changes of a tick ──▶ rows ──▶ put together until the tick is stated ──▶ all views at once ──▶ readers
//! ```
//!
//! The maps share what did not change with the maps before them. A reader holds those of its instant for as long as it
//! reads; meanwhile the keeper makes the next ones.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, RwLock};

use dataflows::clock::{Clock, Tick};
use dataflows::links::LinkKind;
use datasets::intake::erasing::Erasure;
use datasets::names::NameTable;
use datasets::tables::{Cell, Holds, ViewFile};
use imbl::ordmap::DiffItem;
use imbl::{OrdMap, Vector};
use records::policy::Review;
use records::{Id, Millis, Policy, Refusal, Subject, Verdict};
use serde_json::{Map, Value, json};
use sql::Equal;

use super::lookup::{Span, spans};
use super::since::{Moves, Since};
use super::source::{Progress, Said};
use crate::exit::Failure;
use crate::replay::books::columns_of;
use crate::replay::deliveries::{Deliveries, Move, Settled};
use crate::replay::judge::Rows;
use crate::replay::teller::{Teller, Told};
use crate::replay::views::{RowKey, RowValue, VIEWS, View, key_column, push_cells};
use crate::replay::watch::Turning;

/// So many of the last refusals are kept to be read; the dead letters in the log are all of them.
const REFUSALS_KEPT: usize = 10_000;
/// So many of the last moves of a reputation are kept.
const MOVES_KEPT: usize = 8;

/// The rows of a view, in its order.
pub type Rowed = OrdMap<RowKey, Arc<RowValue>>;

/// The views as of one instant. A copy shares everything with what it is a copy of.
#[derive(Clone, Default)]
pub struct Stated {
    as_of: Option<Tick>,
    views: BTreeMap<View, Rowed>,
    /// Since when each verdict stands without a break.
    since: OrdMap<RowKey, Tick>,
    /// How reputations of uploaders and distributors moved.
    moves: Moves,
    /// The last refusals, oldest first.
    pub refusals: Vector<Arc<Refusal>>,
    refused: u64,
}

/// What does not change while the service runs.
pub struct Outline {
    clock: Clock,
    /// What ids are called.
    pub names: Arc<NameTable>,
    /// What windows are called, shortest first.
    pub labels: Vec<Arc<str>>,
    links: Vec<LinkKind>,
    kept: Vec<View>,
}

/// The views, shared with readers.
pub struct Shelf {
    /// What does not change.
    pub outline: Arc<Outline>,
    stated: RwLock<Arc<Stated>>,
    /// Since when verdicts stand, as of the last entry after which all that it completes was stated.
    since: Mutex<Option<Since>>,
    /// The policies that decide, each from a tick on.
    policies: RwLock<Vec<(Tick, Arc<Policy>)>>,
    /// The models that score, each from a tick on.
    models: RwLock<Vec<(Tick, String)>>,
}

/// Who puts what changed on the shelf.
pub struct Keeper {
    shelf: Arc<Shelf>,
    teller: Teller,
    progress: Arc<Progress>,
    /// The views as of the instant that is stated next.
    next: Stated,
    /// What was stated before, for as long as somebody reads it: the last one to hold it has to tidy up, and that is not to be a reader.
    retired: Vec<Arc<Stated>>,
    /// What was refused meanwhile, and when.
    refusals: Vec<(Tick, Refusal)>,
    /// What was known when the service ended, until its tick is stated.
    before: Option<Since>,
    /// What follows from the catalogue and from verdicts, where somebody asks.
    deliveries: Option<Deliveries>,
    /// Plays of entries up to this one count at no tick that is stated next.
    needless: u64,
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
    rows: Vec<(RowKey, Arc<RowValue>)>,
}

impl Answer {
    /// Whether there is no such row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Stated {
    /// As of which tick; `None` before the first.
    pub fn tick(&self) -> Option<Tick> {
        self.as_of
    }

    /// The same as of this tick.
    #[cfg(test)]
    pub fn at(self, tick: Tick) -> Stated {
        Stated { as_of: Some(tick), ..self }
    }

    /// What is done about the subject.
    pub fn verdict(&self, subject: &RowKey) -> Verdict {
        match self.views.get(&View::Verdict).and_then(|rows| rows.get(subject)).map(|row| &**row) {
            Some(RowValue::Verdict(row)) => row.verdict,
            _ => Verdict::Allow,
        }
    }

    /// Since when there has been a verdict on the subject.
    pub fn since(&self, subject: &RowKey) -> Option<Tick> {
        self.since.get(subject).copied()
    }

    /// The last times at which the reputation of an uploader or distributor moved because of verdicts or declarations, earliest first.
    pub fn moves(&self, owner: &RowKey) -> &[Move] {
        self.moves.get(owner).map_or(&[], |moves| moves)
    }

    fn note_move(&mut self, owner: RowKey, moved: Move) {
        let known = self.moves(&owner);
        let kept = &known[(known.len() + 1).saturating_sub(MOVES_KEPT)..];
        let moves = kept.iter().copied().chain([moved]).collect();
        self.moves.insert(owner, moves);
    }

    /// Takes changes of a view as of a tick.
    pub fn enter(&mut self, tick: Tick, view: View, mut rows: Rows) {
        // Neighbours in the map are made one after the other: where one lies is still at hand for the next.
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let Stated { views, since, .. } = self;
        let state = views.entry(view).or_default();
        for (key, value) in rows {
            if view == View::Verdict {
                match &value {
                    Some(_) => drop(since.entry(key.clone()).or_insert(tick)),
                    None => drop(since.remove(&key)),
                }
            }
            match value {
                Some(value) => state.insert(key, Arc::new(value)),
                None => state.remove(&key),
            };
        }
    }

    /// Each row of a view that is another than it was before: its key, what it was, and what it is. What both share is not looked at.
    pub fn each_changed(
        &self,
        before: &Stated,
        view: View,
        mut see: impl FnMut(&RowKey, Option<&Arc<RowValue>>, Option<&Arc<RowValue>>),
    ) {
        let nothing = Rowed::default();
        let [old, new] = [before, self].map(|stated| stated.views.get(&view).unwrap_or(&nothing));
        for item in old.diff(new) {
            match item {
                DiffItem::Add(key, value) => see(key, None, Some(value)),
                DiffItem::Update { old: (_, old), new: (key, new) } => see(key, Some(old), Some(new)),
                DiffItem::Remove(key, value) => see(key, Some(value), None),
            }
        }
    }

    /// Each subject whose verdict stands since another tick than before, or does not stand any more.
    pub fn each_since_changed(&self, before: &Stated, mut see: impl FnMut(&RowKey)) {
        for item in before.since.diff(&self.since) {
            match item {
                DiffItem::Add(key, _) | DiffItem::Update { new: (key, _), .. } | DiffItem::Remove(key, _) => see(key),
            }
        }
    }

    /// Copies rows out of these parts of a view, at most so many, of those that are wanted; what was looked at is
    /// taken off the parts.
    pub fn copy(
        &self,
        view: View,
        parts: &mut VecDeque<Span>,
        rows_max: usize,
        mut take: impl FnMut(&RowKey, &Arc<RowValue>) -> bool,
    ) {
        let Some(rows) = self.views.get(&view) else { return parts.clear() };
        let mut taken = 0;
        while taken < rows_max {
            let (from, end) = match parts.pop_front() {
                None => return,
                Some(Span::Row(key)) => {
                    taken += usize::from(rows.get_key_value(&key).is_some_and(|(key, value)| take(key, value)));
                    continue;
                }
                Some(Span::Rows(from, end)) => (Some(from), end),
                Some(Span::All) => (None, None),
            };
            let range = match &from {
                Some(from) => rows.range::<_, RowKey>(from..),
                None => rows.range::<_, RowKey>(..),
            };
            for (key, value) in range.take_while(|(key, _)| end.as_ref().is_none_or(|end| *key < end)) {
                if taken == rows_max {
                    parts.push_front(Span::Rows(key.clone(), end));
                    return;
                }
                taken += usize::from(take(key, value));
            }
        }
    }
}

impl Outline {
    /// The views that are kept.
    pub fn kept(&self) -> &[View] {
        &self.kept
    }

    /// The place of the longest window among the windows.
    pub fn longest(&self) -> u8 {
        self.labels.len().saturating_sub(1) as u8
    }

    /// The rows of the longest window, in a view of windows.
    pub fn rows_of_longest(&self) -> Span {
        Span::Rows(RowKey::Window(self.longest(), Id::Number(0)), None)
    }

    /// The instant of a tick.
    pub fn instant(&self, tick: Tick) -> Millis {
        self.clock.instant(tick)
    }

    /// As of when the views are stated; `None` before the first time.
    pub fn as_of(&self, stated: &Stated) -> Option<Millis> {
        stated.as_of.map(|tick| self.clock.instant(tick))
    }

    /// The columns of a view, `as_of` among them.
    pub fn columns(&self, view: View) -> Vec<(&'static str, Holds)> {
        let columns = columns_of(view, &self.names, &self.links).unwrap_or_default();
        [("as_of", Holds::Instant)].into_iter().chain(columns).collect()
    }

    /// The cells of a row, in the order of the columns.
    pub fn push_row<'a>(
        &'a self,
        view: View,
        as_of: Option<Millis>,
        key: &'a RowKey,
        value: &'a RowValue,
        to: &mut Vec<Cell<'a>>,
    ) {
        to.push(Cell::Instant(as_of.unwrap_or_default()));
        push_cells(view.axis(), &self.labels, key, value, to);
    }
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
        let outline = Arc::new(Outline { clock, names, labels, links, kept });
        Shelf {
            outline,
            stated: RwLock::default(),
            since: Mutex::default(),
            policies: RwLock::default(),
            models: RwLock::default(),
        }
    }

    /// These policies decide, and these models score, from now on, each from its tick on.
    pub fn go_by(&self, policies: Vec<(Tick, Arc<Policy>)>, models: Vec<(Tick, String)>) {
        *self.policies.write().expect("nobody panics with it") = policies;
        *self.models.write().expect("nobody panics with it") = models;
    }

    /// The name of the model that scores at a tick, where one does.
    pub fn model(&self, tick: Tick) -> Option<String> {
        let models = self.models.read().expect("nobody panics with it");
        models.iter().rev().find(|(from, _)| *from <= tick).map(|(_, name)| name.clone())
    }

    /// The policy that decides at a tick, where one does.
    pub fn policy(&self, tick: Tick) -> Option<Arc<Policy>> {
        let policies = self.policies.read().expect("nobody panics with it");
        policies.iter().rev().find(|(from, _)| *from <= tick).map(|(_, policy)| policy.clone())
    }

    /// Within how long people are to look, and who, by the policy that decides as of then.
    pub fn review(&self, stated: &Stated) -> Review {
        stated.as_of.and_then(|tick| self.policy(tick)).map(|policy| policy.review.clone()).unwrap_or_default()
    }

    /// Since when verdicts stand, as of an entry of the log; `None` before anything is stated.
    pub fn since(&self) -> Option<Since> {
        self.since.lock().expect("nobody panics with it").clone()
    }

    /// Since when verdicts stand has to be found anew, because other policies decided in the past.
    pub fn forget_since(&self) {
        *self.since.lock().expect("nobody panics with it") = None;
    }

    /// Since when verdicts on these accounts stood is nobody's business any more.
    pub fn forget_since_of<'a>(&self, accounts: impl Iterator<Item = &'a Erasure>) {
        if let Some(since) = &mut *self.since.lock().expect("nobody panics with it") {
            for account in accounts {
                since.verdicts.remove(&RowKey::Subject(Subject::Account, account.id_in_tables().to_owned()));
            }
        }
    }

    /// All views as they are stated now.
    pub fn now(&self) -> Arc<Stated> {
        self.stated.read().expect("no writer panics").clone()
    }

    /// The names of the views that are kept.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.outline.kept.iter().map(|view| view.name())
    }

    /// As of when everything is stated; `None` before the first time.
    pub fn as_of(&self) -> Option<Millis> {
        self.outline.as_of(&self.now())
    }

    /// How many rows each view has, and how many were refused.
    pub fn counts(&self) -> (Vec<(&'static str, usize)>, u64) {
        let stated = self.now();
        let rows = |view: &View| (view.name(), stated.views.get(view).map_or(0, Rowed::len));
        (self.outline.kept.iter().filter(|view| **view != View::Refusal).map(rows).collect(), stated.refused)
    }

    /// The rows of the view that are asked for, all as of one instant; `None` when no such view is kept.
    pub fn ask(&self, view: &str, asked: &Asked) -> Option<Answer> {
        let (_, view) = *VIEWS.iter().find(|(name, kept)| *name == view && self.outline.kept.contains(kept))?;
        let stated = self.now();
        let mut rows = Vec::new();
        let mut parts = spans(view, &equal(view, asked), &self.outline.names, &self.outline.labels).into();
        stated.copy(view, &mut parts, asked.rows_max.unwrap_or(usize::MAX), |key, value| {
            let is_asked = self.is_asked(key, asked);
            if is_asked {
                rows.push((key.clone(), value.clone()));
            }
            is_asked
        });
        Some(Answer { as_of: self.outline.as_of(&stated), view, rows })
    }

    fn is_asked(&self, key: &RowKey, asked: &Asked) -> bool {
        let in_window = |label: &str| match key {
            RowKey::Window(window, _) => *self.outline.labels[usize::from(*window)] == *label,
            _ => true,
        };
        asked.window.as_deref().is_none_or(in_window) && asked.key.as_deref().is_none_or(|text| names(key, text))
    }

    /// The answer as objects, with the columns of the tables.
    pub fn json(&self, answer: &Answer) -> Vec<Value> {
        let columns = self.outline.columns(answer.view);
        let object = |(key, value): &(RowKey, Arc<RowValue>)| {
            let mut cells = Vec::with_capacity(columns.len());
            self.outline.push_row(answer.view, answer.as_of, key, value, &mut cells);
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
        let mut file = ViewFile::create(path, &self.outline.columns(answer.view)).map_err(output)?;
        let mut cells = Vec::new();
        for (key, value) in &answer.rows {
            cells.clear();
            self.outline.push_row(answer.view, answer.as_of, key, value, &mut cells);
            file.push(cells.iter().copied()).map_err(output)?;
        }
        let (_, part) = file.complete().map_err(output)?;
        part.publish().map_err(output)
    }
}

/// What is asked as conditions on columns, where a key is one column.
fn equal(view: View, asked: &Asked) -> Vec<Equal> {
    let key = match view {
        View::Window(axis) => Some(key_column(axis).0),
        View::Groups | View::Scores => Some("account_id"),
        View::Risk | View::Verdict | View::Ruling | View::Reputation => Some("subject_id"),
        View::PayoutHold | View::Gate => Some("track_id"),
        View::DisclosureLedger => Some("distributor_id"),
        _ => None,
    };
    let condition =
        |column: &str, text: &str| Equal { column: column.to_owned(), any_of: vec![sql::Value::Text(text.to_owned())] };
    let key = key.zip(asked.key.as_deref()).map(|(column, text)| condition(column, text));
    let window = asked.window.as_deref().map(|text| condition("window", text));
    key.into_iter().chain(window).collect()
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
        | RowKey::Finding(id, _)
        | RowKey::Link(_, id) => is_written(id, text),
        RowKey::Pair(a, b) => is_written(a, text) || is_written(b, text),
        RowKey::Subject(_, id) | RowKey::Owner(_, id) | RowKey::Hit(_, id, _) | RowKey::Wave(id) => id == text,
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
        Cell::Nothing => Value::Null,
    }
}

impl Keeper {
    /// Puts on the shelf what the teller tells; `before` is what was known when the service ended.
    pub fn new(
        shelf: Arc<Shelf>,
        teller: Teller,
        mut deliveries: Option<Deliveries>,
        progress: Arc<Progress>,
        before: Option<Since>,
    ) -> Keeper {
        if let Some((deliveries, before)) = deliveries.as_mut().zip(before.as_ref()) {
            deliveries.were_stopped(before.stopped.clone());
        }
        let (next, retired, refusals, needless) = Default::default();
        Keeper { shelf, teller, progress, next, retired, refusals, before, deliveries, needless }
    }

    /// Takes what the first worker says.
    pub fn take(&mut self, said: Said) {
        match said {
            Said::Change(tick, change) => match self.teller.tell(tick, change) {
                Told::Rows(views) => self.enter(tick, views),
                Told::Refused(refusals) => self.refusals.extend(refusals.into_iter().map(|row| (tick, row))),
            },
            Said::Delivered(tick, delivered) => {
                if let Some(deliveries) = &mut self.deliveries {
                    deliveries.take(tick, delivered);
                }
            }
            Said::Turning(tick, Turning { policy, rows }) => {
                if let (Some(policy), Some(judge)) = (policy, &mut self.teller.judge) {
                    judge.enact(tick, policy);
                }
                self.next.enter(tick, View::Wave, rows);
            }
            Said::Stated(tick, needless) => {
                self.needless = needless;
                // Whom only the thresholds of a wave touch, nothing else tells of.
                let turned = self.teller.turn(tick);
                self.enter(tick, turned);
                if let Some(deliveries) = &mut self.deliveries {
                    let Settled { rows, moves } = deliveries.settle(tick);
                    rows.into_iter().for_each(|(view, rows)| self.next.enter(tick, view, rows));
                    moves.into_iter().for_each(|(owner, moved)| self.next.note_move(owner, moved));
                }
                self.publish(tick);
            }
            Said::Complete(entry) => {
                if let Some(tick) = self.next.as_of.filter(|tick| self.shelf.now().as_of == Some(*tick)) {
                    let stopped = self.deliveries.as_ref().map(Deliveries::stopped).unwrap_or_default();
                    let (verdicts, moves) = (self.next.since.clone(), self.next.moves.clone());
                    let since = Since { tick, entry, needless: self.needless, verdicts, stopped, moves };
                    *self.shelf.since.lock().expect("nobody panics with it") = Some(since);
                }
                self.progress.stated_entries.fetch_max(entry, Ordering::Release);
                self.progress.is_complete.store(true, Ordering::Release);
            }
        }
    }

    fn enter(&mut self, tick: Tick, views: Vec<(View, Rows)>) {
        for (view, rows) in views {
            if let (View::Verdict, Some(deliveries)) = (view, &mut self.deliveries) {
                deliveries.judged(&rows);
            }
            self.next.enter(tick, view, rows);
        }
    }

    fn publish(&mut self, tick: Tick) {
        if let Some(before) = self.before.take() {
            self.next.since = told_before(&self.next, tick, &before);
            self.next.moves = before.moves;
        }
        // What was refused at a tick has an order of its own; ticks follow each other.
        self.refusals.sort();
        let Stated { refused, refusals, as_of, .. } = &mut self.next;
        *refused += self.refusals.len() as u64;
        refusals.extend(self.refusals.drain(..).map(|(_, refusal)| Arc::new(refusal)));
        let over = refusals.len().saturating_sub(REFUSALS_KEPT);
        *refusals = refusals.split_off(over);
        *as_of = Some(tick);
        // Readers do not go back to what was stated before another dataflow began.
        if self.shelf.now().as_of.is_some_and(|known| tick < known) {
            return;
        }
        let stated = Arc::new(self.next.clone());
        let before = std::mem::replace(&mut *self.shelf.stated.write().expect("no writer panics"), stated);
        self.retired.push(before);
        // Nobody begins to read what is not stated any more.
        self.retired.retain(|stated| Arc::strong_count(stated) > 1);
    }
}

/// Since when the verdicts of the tick stand by what was known before. Of a verdict that was not known it is the tick itself: another
/// version of the program judged then.
fn told_before(stated: &Stated, tick: Tick, before: &Since) -> OrdMap<RowKey, Tick> {
    let standing = stated.views.get(&View::Verdict).into_iter().flat_map(|rows| rows.keys());
    let mut unknown = 0;
    let since: OrdMap<RowKey, Tick> = standing
        .map(|key| {
            let since = before.verdicts.get(key).copied();
            unknown += usize::from(since.is_none());
            (key.clone(), since.unwrap_or(tick))
        })
        .collect();
    let gone = before.verdicts.len() + unknown - since.len();
    if unknown + gone > 0 {
        eprintln!(
            "{unknown} verdicts stand that did not when the service ended, and {gone} do not any more: it was another version"
        );
    }
    since
}
