//! The shelf as SQL sees it: the kept views, the last refusals, what people decided, what the folders say, and the instant.

use std::collections::VecDeque;
use std::sync::Arc;

use datasets::tables::{Cell, Holds, Rows};
use features::tally::Axis;
use records::{Deed, Millis, Refusal, Subject};
use sql::{Equal, Moment, Scan, Table, Views};

use super::archive::{ACTIVATION, Archive, LOG_SEGMENT, activation_columns, segment_columns};
use super::capacity::resident_bytes;
use super::decisions::{Decision, Decisions, Sum};
use super::glossary::Glossary;
use super::lookup::{Span, spans};
use super::shelf::{Outline, Shelf, Stated};
use crate::replay::reputation::Bringer;
use crate::replay::views::{RowKey, VIEWS, View};

/// The table of one row that says as of when everything is stated.
const AS_OF: &str = "as_of";
const REFUSAL: &str = "refusal";
const DECISION: &str = "decision";

/// The tables of a service.
pub struct Tables {
    /// Where the rows are.
    pub shelf: Arc<Shelf>,
    /// What people decided.
    pub decisions: Arc<Decisions>,
    /// The log, and the activated policies.
    pub archive: Archive,
    /// Above so many bytes queries are ended.
    pub memory_max: u64,
}

impl Views for Tables {
    fn tables(&self) -> Vec<Table> {
        let glossary = Glossary::read();
        let kept = self.shelf.outline.kept().iter().filter(|view| **view != View::Refusal);
        let views = kept.map(|view| (view.name(), deed(*view), self.shelf.outline.columns(*view)));
        let refusals = (REFUSAL, deed(View::Refusal), refusal_columns());
        let decisions = (DECISION, Deed::ReadListening, decision_columns());
        let archive = [(LOG_SEGMENT, Deed::Read, segment_columns()), (ACTIVATION, Deed::Read, activation_columns())];
        let others = [refusals, decisions, (AS_OF, Deed::Read, vec![("as_of", Holds::Instant)])];
        let table = |(name, deed, columns): (&'static str, Deed, Vec<(&'static str, Holds)>)| Table {
            name,
            comment: glossary.table(name),
            column_comments: columns.iter().map(|(column, _)| glossary.column(name, column)).collect(),
            columns,
            deed,
        };
        views.chain(others).chain(archive).map(table).collect()
    }

    fn now(&self) -> Arc<dyn Moment> {
        let (outline, stated) = (self.shelf.outline.clone(), self.shelf.now());
        Arc::new(Instant { outline, stated, decided: self.decisions.now(), archive: self.archive.clone() })
    }

    fn has_room(&self) -> bool {
        resident_bytes().is_none_or(|bytes| bytes < self.memory_max)
    }
}

/// Whether a row of a table about all kinds of subjects is about an account.
fn is_about_account(key: &RowKey) -> bool {
    match key {
        RowKey::Subject(subject, _) | RowKey::Hit(subject, ..) => *subject == Subject::Account,
        // Who has a playlist is one who listens.
        RowKey::Owner(role, _) => *role == Bringer::PlaylistOwner.name(),
        _ => false,
    }
}

/// What one must be allowed to do to read all of the view, accounts included.
pub fn deed_of_all(view: View) -> Deed {
    match view {
        View::Risk | View::Verdict | View::RuleHit | View::Ruling | View::Reputation => Deed::ReadListening,
        view => deed(view),
    }
}

/// What one must be allowed to do to read the view, without its rows about accounts where one may not read those.
pub fn deed(view: View) -> Deed {
    match view {
        View::Window(Axis::Account)
        | View::Groups
        | View::Hubs
        | View::Lockstep
        | View::Features
        | View::Sequences
        | View::Network
        | View::Scores
        | View::Withheld
        | View::Refusal => Deed::ReadListening,
        View::Window(_)
        | View::AudienceFeatures(_)
        | View::Risk
        | View::Verdict
        | View::RuleHit
        | View::Ruling
        | View::PayoutHold
        | View::DisclosureLedger
        | View::Reputation
        | View::Gate
        | View::Wave => Deed::Read,
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
    decided: Sum,
    archive: Archive,
}

impl Moment for Instant {
    fn as_of(&self) -> Option<Millis> {
        self.outline.as_of(&self.stated)
    }

    fn scan(self: Arc<Self>, table: &str, equal: &[Equal], with_accounts: bool) -> Box<dyn Scan> {
        match VIEWS.iter().find(|(name, view)| *name == table && *view != View::Refusal) {
            Some((_, view)) => {
                let parts = spans(*view, equal, &self.outline.names, &self.outline.labels).into();
                Box::new(ViewScan { instant: self, view: *view, parts, with_accounts })
            }
            None if table == DECISION => Box::new(DecisionScan { decided: self.decided.clone(), next: 0 }),
            None if table == LOG_SEGMENT => self.archive.segments(),
            None if table == ACTIVATION => self.archive.activations(),
            None if table == REFUSAL => Box::new(RefusalScan { instant: self, next: 0 }),
            None => Box::new(AsOfScan(self.as_of())),
        }
    }
}

struct ViewScan {
    instant: Arc<Instant>,
    view: View,
    parts: VecDeque<Span>,
    with_accounts: bool,
}

impl Scan for ViewScan {
    fn push(&mut self, rows_max: usize, to: &mut Rows) -> bool {
        let Instant { outline, stated, .. } = &*self.instant;
        let as_of = outline.as_of(stated);
        let is_hidden = |key: &RowKey| !self.with_accounts && is_about_account(key);
        stated.copy(self.view, &mut self.parts, rows_max, |key, value| {
            if is_hidden(key) {
                return false;
            }
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

fn decision_columns() -> Vec<(&'static str, Holds)> {
    let texts = |names: &[&'static str]| names.iter().map(|name| (*name, Holds::Text)).collect::<Vec<_>>();
    let about = texts(&["who", "subject", "subject_id", "verdict"]);
    let what = texts(&["choice", "reason", "note", "standing", "queue"]);
    let head = [("number", Holds::Count), ("at", Holds::Instant)].to_vec();
    let how = vec![("inclusion", Holds::Feature), ("together", Holds::Count)];
    [head, about, vec![("r", Holds::Float)], what, how].concat()
}

struct DecisionScan {
    decided: Sum,
    next: usize,
}

impl Scan for DecisionScan {
    fn push(&mut self, rows_max: usize, to: &mut Rows) -> bool {
        let all = &self.decided.all;
        let end = all.len().min(self.next + rows_max);
        for place in self.next..end {
            let decision = &all[place];
            let Decision { subject, id, decided, at, .. } = &**decision;
            let about = [&decided.by, subject, id, &decided.verdict].map(|text| Cell::Text(text));
            let what = [&decided.choice, &decided.reason, &decided.note].map(|text| Cell::Text(text));
            let cells = [Cell::Count(decided.number), Cell::Instant(*at)].into_iter().chain(about);
            let cells = cells.chain([Cell::Float(decided.risk)]).chain(what);
            let inclusion = decided.inclusion.map_or(f32::NAN, |share| share as f32);
            let how = [Cell::Feature(inclusion), Cell::Count(decided.together)];
            to.push(cells.chain([Cell::Text(decision.standing()), Cell::Text(&decided.queue)]).chain(how));
        }
        self.next = end;
        end < all.len()
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
