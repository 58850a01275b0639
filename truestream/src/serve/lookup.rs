//! Where in a view the rows can be that fulfil some conditions: the views are ordered by key, so most questions need no scan.

use std::sync::Arc;

use dataflows::scores::Side;
use datasets::names::NameTable;
use datasets::tables::IdKind;
use records::gate::Finding;
use records::{Id, IdSpace, Subject};
use sql::{Equal, Value};

use crate::replay::reputation::Bringer;
use crate::replay::views::{LINKS, RowKey, View, key_column};

/// A part of a view.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// One row, if it is there.
    Row(RowKey),
    /// The rows from the first key on, before the second.
    Rows(RowKey, Option<RowKey>),
    /// All rows.
    All,
}

/// The parts of the view in which all rows lie that fulfil the conditions, in the order of the view.
pub fn spans(view: View, equal: &[Equal], names: &NameTable, labels: &[Arc<str>]) -> Vec<Span> {
    let found = match view {
        View::Window(axis) => {
            let (key, space) = key_column(axis);
            let windows = (0..labels.len() as u8).filter(|window| {
                texts(equal, "window").is_none_or(|texts| texts.contains(&&*labels[usize::from(*window)]))
            });
            let first = |window: u8| RowKey::Window(window, Id::Number(0));
            match ids(equal, key, space, names) {
                Some(ids) => {
                    let rows = windows.flat_map(|window| ids.iter().map(move |id| RowKey::Window(window, id.clone())));
                    Some(rows.map(Span::Row).collect())
                }
                None => texts(equal, "window")
                    .map(|_| windows.map(|window| Span::Rows(first(window), Some(first(window + 1)))).collect()),
            }
        }
        View::Groups => ids(equal, "account_id", IdSpace::Account, names)
            .map(|ids| ids.into_iter().map(|id| Span::Row(RowKey::Account(id))).collect()),
        View::Scores => ids(equal, "account_id", IdSpace::Account, names).map(|ids| {
            let sides = [Side::Champion, Side::Challenger];
            let rows = ids.into_iter().flat_map(|id| sides.map(|side| Span::Row(RowKey::Scored(id.clone(), side))));
            rows.collect()
        }),
        View::Lockstep => ids(equal, "account_a", IdSpace::Account, names).map(|ids| {
            let first = |id| RowKey::Pair(id, Id::Number(0));
            ids.into_iter().map(|id| Span::Rows(first(id.clone()), Some(first(next(&id))))).collect()
        }),
        View::Hubs => texts(equal, "id").map(|texts| {
            let mut kinds = LINKS.map(|(name, _)| name);
            kinds.sort_unstable();
            let id = |text: &&str| Id::from(*text);
            kinds
                .iter()
                .flat_map(|kind| texts.iter().map(move |text| Span::Row(RowKey::Link(kind, id(text)))))
                .collect()
        }),
        View::Risk | View::Verdict | View::Ruling => {
            let subjects = Subject::ALL
                .into_iter()
                .filter(|subject| texts(equal, "subject").is_none_or(|texts| texts.contains(&subject.name())));
            match texts(equal, "subject_id") {
                Some(ids) => {
                    let row = |subject, id: &&str| Span::Row(RowKey::Subject(subject, (*id).to_owned()));
                    Some(subjects.flat_map(|subject| ids.iter().map(move |id| row(subject, id))).collect())
                }
                None => texts(equal, "subject").map(|_| {
                    let first = |subject: Subject| RowKey::Subject(subject, String::new());
                    let after = |subject| Subject::ALL.into_iter().find(|other| *other > subject).map(first);
                    subjects.map(|subject| Span::Rows(first(subject), after(subject))).collect()
                }),
            }
        }
        View::PayoutHold => ids(equal, "track_id", IdSpace::Track, names)
            .map(|ids| ids.into_iter().map(|id| Span::Row(RowKey::Track(id))).collect()),
        View::DisclosureLedger => ids(equal, "distributor_id", IdSpace::Distributor, names)
            .map(|ids| ids.into_iter().map(|id| Span::Row(RowKey::Distributor(id))).collect()),
        View::Gate => ids(equal, "track_id", IdSpace::Track, names).map(|ids| {
            let first = |id| RowKey::Finding(id, Finding::ArtistProfile);
            ids.into_iter().map(|id| Span::Rows(first(id.clone()), Some(first(next(&id))))).collect()
        }),
        View::Reputation => texts(equal, "subject_id").map(|texts| {
            let row = |role: Bringer, id: &&str| Span::Row(RowKey::Owner(role.name(), (*id).to_owned()));
            Bringer::ALL.into_iter().flat_map(|role| texts.iter().map(move |id| row(role, id))).collect()
        }),
        _ => None,
    };
    found.unwrap_or_else(|| vec![Span::All])
}

/// The texts that the column must be one of, each once; `None` where nothing is said of it, or something else.
fn texts<'a>(equal: &'a [Equal], column: &str) -> Option<Vec<&'a str>> {
    let condition = equal.iter().find(|condition| condition.column == column)?;
    let text = |value: &'a Value| match value {
        Value::Text(text) => Some(&**text),
        Value::Number(_) => None,
    };
    let mut texts = condition.any_of.iter().map(text).collect::<Option<Vec<&str>>>()?;
    texts.sort_unstable();
    texts.dedup();
    Some(texts)
}

/// The ids that the column must be one of, each once; `None` where nothing is said of it, or something else.
fn ids(equal: &[Equal], column: &str, space: IdSpace, names: &NameTable) -> Option<Vec<Id>> {
    let condition = equal.iter().find(|condition| condition.column == column)?;
    let id = |value: &Value| match (names.kind(space), value) {
        (IdKind::Text, Value::Text(text)) => Some(Id::from(&**text)),
        (IdKind::Number, Value::Number(number)) => Some(Id::Number(*number)),
        (IdKind::Number, Value::Text(text)) => text.parse().ok().map(Id::Number),
        (IdKind::Text, Value::Number(_)) => None,
    };
    let mut ids = condition.any_of.iter().map(id).collect::<Option<Vec<Id>>>()?;
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// The smallest id that is greater.
fn next(id: &Id) -> Id {
    match id {
        Id::Number(number) => number.checked_add(1).map_or(Id::from(""), Id::Number),
        Id::Text(text) => Id::from(&*format!("{text}\0")),
    }
}
