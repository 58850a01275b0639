//! Tells what changes of the dataflow are in rows of views, ids and words in place of keys and numbers.
//!
//! ```text
//! change ──▶ rows that came or went, by view │ rows that were refused
//! ```

use std::sync::Arc;

use dataflows::clock::Tick;
use dataflows::river::{Change, Setaside};
use dataflows::scores::{Score, Side};
use datasets::names::NameTable;
use records::{Code, Id, IdSpace, Key, Names, Refusal};

use super::judge::{Judge, Rows};
use super::views::{RowKey, RowValue, View, key_column, link_name, link_space, shown};

/// What a change is.
pub enum Told {
    /// Rows that came or went.
    Rows(Vec<(View, Rows)>),
    /// Rows that were refused.
    Refused(Vec<Refusal>),
}

/// What the number of a play's file stands for.
pub enum PlayFiles {
    /// A file of this name.
    Named(Vec<String>),
    /// An entry of the log.
    Entries,
}

/// Knows the names of a run.
pub struct Teller {
    /// Of ids.
    pub names: Arc<NameTable>,
    /// Of files.
    pub play_files: PlayFiles,
    /// Whether the ids of hubs are shown, and ordered, as texts.
    pub hubs_are_texts: bool,
    /// Who judges, if somebody does.
    pub judge: Option<Judge>,
    /// The names of the models of each side, by their places.
    pub sides: Vec<(Side, Vec<String>)>,
}

impl Teller {
    /// The rows of views that the change of the tick makes, or the rows that were refused.
    pub fn tell(&mut self, tick: Tick, change: Change) -> Told {
        let names = &*self.names;
        let id = |space, key: Key| names.id(space, key);
        let (view, rows): (View, Rows) = match change {
            Change::Rows(axis, rows) => {
                let (_, space) = key_column(axis);
                // The windows of a key follow each other: it is looked up once.
                let mut last: Option<(Key, Id)> = None;
                let mut named = |key| match &last {
                    Some((known, id)) if *known == key => id.clone(),
                    _ => last.insert((key, id(space, key))).1.clone(),
                };
                let entry = |((window, key), row): ((u8, Key), Option<_>)| {
                    let value = row.map(|row| RowValue::Window(Box::new(shown(axis, row))));
                    (RowKey::Window(window, named(key)), value)
                };
                (View::Window(axis), rows.into_iter().map(entry).collect())
            }
            Change::Groups(rows) => {
                let account = |key| id(IdSpace::Account, key);
                let rows = rows.into_iter().map(|(key, group)| {
                    (
                        RowKey::Account(account(key)),
                        group.map(|group| RowValue::Group(account(group.group), group.size)),
                    )
                });
                (View::Groups, rows.collect())
            }
            Change::Hubs(rows) => {
                let texts = self.hubs_are_texts;
                let rows = rows.into_iter().map(|((kind, key), accounts)| {
                    let id = id(link_space(kind), key);
                    let id = if texts { Id::from(id.to_string()) } else { id };
                    (RowKey::Link(link_name(kind), id), accounts.map(RowValue::Count))
                });
                (View::Hubs, rows.collect())
            }
            Change::Lockstep(rows) => {
                let rows = rows.into_iter().map(|((a, b), shared)| {
                    let (a, b) = (id(IdSpace::Account, a), id(IdSpace::Account, b));
                    let pair = if a < b { RowKey::Pair(a, b) } else { RowKey::Pair(b, a) };
                    (pair, shared.map(RowValue::Count))
                });
                (View::Lockstep, rows.collect())
            }
            Change::Profiles(rows) => {
                let rows = rows.into_iter().map(|(account, profile)| {
                    (RowKey::Account(id(IdSpace::Account, account)), profile.map(RowValue::Features))
                });
                (View::Features, rows.collect())
            }
            Change::Audiences(axis, rows) => {
                let (_, space) = key_column(axis);
                let rows = rows
                    .into_iter()
                    .map(|(key, profile)| (RowKey::Audience(id(space, key)), profile.map(RowValue::Features)));
                (View::AudienceFeatures(axis), rows.collect())
            }
            Change::Sequences(rows) => {
                let rows = rows.into_iter().map(|(account, sequence)| {
                    let sequence = sequence.map(|sequence| RowValue::Sequence(Box::new(sequence)));
                    (RowKey::Account(id(IdSpace::Account, account)), sequence)
                });
                (View::Sequences, rows.collect())
            }
            Change::Networks(rows) => {
                let rows = rows.into_iter().map(|(account, said)| {
                    let said = said.map(|bits| RowValue::Network(f32::from_bits(bits)));
                    (RowKey::Account(id(IdSpace::Account, account)), said)
                });
                (View::Network, rows.collect())
            }
            Change::Scores(rows) => {
                let rows = rows.into_iter().map(|((account, side), score)| {
                    let score = score.and_then(|Score { model, fraud }| {
                        let named = self.sides.iter().find(|(known, _)| *known == side)?;
                        Some(RowValue::Score(named.1.get(usize::from(model))?.as_str().into(), fraud))
                    });
                    (RowKey::Scored(id(IdSpace::Account, account), side), score)
                });
                (View::Scores, rows.collect())
            }
            Change::Judged(judging, rows) => {
                let judge = self.judge.as_mut().filter(|judge| judge.judging == judging);
                let Some(judge) = judge else { return Told::Rows(Vec::new()) };
                return Told::Rows(judge.rows(names, tick, rows).by_view());
            }
            Change::Refused(rows) => {
                return Told::Refused(rows.into_iter().map(|row| self.refusal(row)).collect());
            }
        };
        Told::Rows(vec![(view, rows)])
    }

    /// The rows that another policy makes which comes into force by the tick, where nothing else was told of the tick.
    pub fn turn(&mut self, tick: Tick) -> Vec<(View, Rows)> {
        match &mut self.judge {
            Some(judge) if judge.turns_at(tick) => judge.rows(&self.names, tick, Vec::new()).by_view(),
            _ => Vec::new(),
        }
    }

    fn refusal(&self, row: Setaside) -> Refusal {
        match row {
            Setaside::Unread(refusal) => refusal,
            Setaside::Repeat(place, code) => Refusal {
                source: "plays".to_owned(),
                file: match &self.play_files {
                    PlayFiles::Named(files) => files[place.file as usize].clone(),
                    PlayFiles::Entries => format!("log entry {}", place.file),
                },
                row: place.row,
                code,
                reason: match code {
                    Code::Repeated => "its play_id arrived before, with the same content".to_owned(),
                    _ => "its play_id arrived before, with other content; the first arrival counts".to_owned(),
                },
                raw: None,
            },
        }
    }
}
