//! Where the values lie that conditions over more than one table read of a subject.
//!
//! ```text
//! conditions on one kind of subject ──▶ sheet: own windows | told | signals | owners, each column once
//! a row, what is told, signals ──▶ cells of their part of the sheet ──question──▶ yes or no
//! ```

use std::ops::Range;

use hashbrown::HashMap;
use records::Millis;

use super::{Condition, Sight, Truth};
use crate::WindowRow;
use crate::attributes::{Attribute, Kind, Row};
use crate::condition::table::{Cell, Seen, Source};
use crate::signals::Signal;
use crate::tally::Axis;

/// The words that conditions compare texts with, each with its number.
#[derive(Clone, Debug, Default)]
pub struct Words(HashMap<String, u32>);

/// The number of every word that no condition names.
const OTHER: f64 = 0.0;

impl Words {
    /// Of all these conditions.
    pub fn of<'a>(conditions: impl IntoIterator<Item = &'a Condition>) -> Words {
        let mut words: Vec<&String> = conditions.into_iter().flat_map(|condition| &condition.words).collect();
        words.sort_unstable();
        words.dedup();
        Words(words.into_iter().cloned().zip(1..).collect())
    }

    pub(super) fn number(&self, word: &str) -> f64 {
        self.0.get(word).map_or(OTHER, |number| f64::from(*number))
    }

    /// What the row tells under the attribute.
    fn cell(&self, attribute: &Attribute, row: Row) -> Cell {
        let told = match attribute.kind {
            Kind::Number(read) => read(row).map(|number| number as f64),
            Kind::Hours(read) => read(row).map(|instant| instant as f64),
            Kind::Text(read) | Kind::Word(_, read) => read(row).map(|word| self.number(word)),
        };
        told.map_or(Cell::NULL, Cell::of)
    }
}

/// Where the columns lie that conditions on one kind of subject read, as far as they read more than their own row.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// In the order of their keys.
    columns: Vec<Seen>,
    words: Words,
}

impl Sheet {
    /// For those of the conditions that are asked of such subjects.
    pub fn of<'a>(axis: Axis, conditions: impl IntoIterator<Item = &'a Condition> + Clone) -> Sheet {
        let own = conditions.clone().into_iter().filter(|condition| condition.table.axis == axis);
        let own = own.filter(|condition| !condition.is_of_one_row());
        Sheet::new(own.flat_map(|condition| condition.columns.iter().copied()), Words::of(conditions))
    }

    /// For this one alone, whatever it reads.
    pub(super) fn of_one(condition: &Condition) -> Sheet {
        Sheet::new(condition.columns.iter().copied(), Words::of([condition]))
    }

    fn new(columns: impl Iterator<Item = Seen>, words: Words) -> Sheet {
        let mut columns: Vec<Seen> = columns.collect();
        columns.sort_unstable_by_key(Seen::key);
        columns.dedup_by_key(|seen| seen.key());
        Sheet { columns, words }
    }

    /// The columns, in the order of their cells.
    pub(super) fn columns(&self) -> &[Seen] {
        &self.columns
    }

    /// Whether nobody asks.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Where the cells of the source lie.
    pub fn part(&self, source: Source) -> Range<usize> {
        let first = self.columns.partition_point(|seen| seen.source() < source);
        first..self.columns.partition_point(|seen| seen.source() <= source)
    }

    /// The cells of a subject of which nothing came yet.
    pub fn blank(&self, part: Range<usize>) -> Vec<Cell> {
        self.columns[part].iter().map(Seen::blank).collect()
    }

    /// All of them.
    pub fn all(&self) -> Range<usize> {
        0..self.columns.len()
    }

    /// The part of an owner's cells that its row in a window of this length fills.
    pub fn part_of_owner(&self, owner: Axis, window_ms: Millis) -> Range<usize> {
        let part = self.part(Source::Owner(owner));
        let of = |seen: &Seen| seen.window_ms().unwrap_or_default();
        let columns = &self.columns[part.clone()];
        let first = columns.partition_point(|seen| of(seen) < window_ms);
        part.start + first..part.start + columns.partition_point(|seen| of(seen) <= window_ms)
    }

    /// What a row says in this part of the sheet; where there is none, nothing counts.
    pub fn of_row(&self, part: Range<usize>, row: Option<&WindowRow>) -> Vec<Cell> {
        let number = |seen: &Seen| match (seen, row) {
            (Seen::Row(_, column) | Seen::Owner(_, _, column), Some(row)) => (column.read)(row).as_f64(),
            _ => 0.0,
        };
        self.columns[part].iter().map(|seen| Cell::of(number(seen))).collect()
    }

    /// What a row of the catalogue or of an account tells.
    pub fn of_told(&self, row: Row) -> Vec<Cell> {
        let told = self.columns[self.part(Source::Told)].iter().map(|seen| match seen {
            Seen::Told(attribute) => self.words.cell(attribute, row),
            _ => Cell::NULL,
        });
        told.collect()
    }

    /// How strongly these signals speak.
    pub fn of_signals(&self, signals: &[Signal]) -> Vec<Cell> {
        let strength = |seen: &Seen| match seen {
            Seen::Signal(name) => {
                signals.iter().find(|signal| signal.name == *name).map_or(0, |signal| signal.strength)
            }
            _ => 0,
        };
        let part = &self.columns[self.part(Source::Signals)];
        part.iter().map(|seen| Cell::of(f64::from(strength(seen)) / WHOLE)).collect()
    }

    /// The condition, asked of cells of this sheet.
    pub fn question(&self, condition: &Condition) -> Question {
        let place = |seen: &Seen| self.columns.partition_point(|known| known.key() < seen.key()) as u16;
        Question {
            truth: condition.truth.clone(),
            ages: condition.ages.clone(),
            places: condition.columns.iter().map(place).collect(),
            words: condition.words.iter().map(|word| self.words.number(word)).collect(),
        }
    }
}

/// The strength of a signal that speaks as strongly as it can.
const WHOLE: f64 = 10_000.0;

/// A condition that knows where in a sheet its columns lie.
#[derive(Clone, Debug)]
pub struct Question {
    truth: Truth,
    /// The columns that age, by the condition's places, with the hours that they are compared with.
    ages: Vec<(u16, f64)>,
    /// Where the condition's columns lie.
    places: Box<[u16]>,
    /// The numbers of the condition's words.
    words: Box<[f64]>,
}

impl Question {
    /// Whether it holds of these cells as of the instant.
    pub fn holds(&self, cells: &[Cell], as_of: Millis) -> bool {
        self.truth.of(&Seeing { question: self, cells, as_of }) == Some(true)
    }

    /// The instants around which it may come to hold, or cease to, though no cell changes.
    pub fn turns(&self, cells: &[Cell]) -> impl Iterator<Item = Millis> {
        self.ages.iter().filter_map(|(column, hours)| {
            let since = cells[usize::from(self.places[usize::from(*column)])].number()?;
            Some((since + hours * HOUR_MS).round() as Millis)
        })
    }
}

pub(super) const HOUR_MS: f64 = 3_600_000.0;

struct Seeing<'a> {
    question: &'a Question,
    cells: &'a [Cell],
    as_of: Millis,
}

impl Sight for Seeing<'_> {
    fn number(&self, column: u16) -> Option<f64> {
        self.cells[usize::from(self.question.places[usize::from(column)])].number()
    }

    fn word(&self, word: u16) -> f64 {
        self.question.words[usize::from(word)]
    }

    fn as_of(&self) -> f64 {
        self.as_of as f64
    }
}
