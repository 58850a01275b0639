//! The columns that a condition may name: of its own row, of other windows, of what is told, of signals and of who has a track.
//!
//! ```text
//! plays                    the rule's own window         account.country   what is told of the subject
//! w7d.plays                another one                   signal.no_sleep   how strongly a signal speaks
//! artist.plays             of a track's artist or uploader, in the rule's own window
//! uploader.w7d.tracks      and in another one
//! ```

use records::Millis;
use serde::{Deserialize, Serialize};

use crate::attributes::{Attribute, Kind, attributes};
use crate::columns::{Column, columns, window_ms};
use crate::signals::Name;
use crate::tally::Axis;

/// A value as conditions see it: a number, the number of a word, or null. Kept as bits, so that it can be compared and taken back exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell(u64);

impl Cell {
    /// Nothing is known.
    pub const NULL: Cell = Cell(f64::NAN.to_bits());

    /// A number.
    pub fn of(number: f64) -> Cell {
        if number.is_finite() { Cell(number.to_bits()) } else { Cell::NULL }
    }

    /// The number; `None` where nothing is known.
    pub fn number(self) -> Option<f64> {
        let number = f64::from_bits(self.0);
        number.is_finite().then_some(number)
    }
}

/// Where cells come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The subject's row in a window of this length.
    Row(Millis),
    /// What is told of it.
    Told,
    /// What speaks against it.
    Signals,
    /// The rows of who has the track.
    Owner(Axis),
}

/// A column that a condition reads.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// Of the subject's row in a window of this length.
    Row(Millis, &'static Column),
    /// Of what is told of it.
    Told(&'static Attribute),
    /// How strongly a signal speaks against it, from 0 to 1.
    Signal(Name),
    /// Of the row of who has the track, in a window of this length.
    Owner(Axis, Millis, &'static Column),
}

impl Seen {
    /// Where its cells come from.
    pub fn source(&self) -> Source {
        match self {
            Seen::Row(length, _) => Source::Row(*length),
            Seen::Told(_) => Source::Told,
            Seen::Signal(_) => Source::Signals,
            Seen::Owner(axis, ..) => Source::Owner(*axis),
        }
    }

    /// The window whose rows it is read of.
    pub fn window_ms(&self) -> Option<Millis> {
        match self {
            Seen::Row(length, _) | Seen::Owner(_, length, _) => Some(*length),
            Seen::Told(_) | Seen::Signal(_) => None,
        }
    }

    /// Whether it is the same column, however it is named.
    pub fn is_same(&self, other: &Seen) -> bool {
        self.key() == other.key()
    }

    /// What tells it from others, in the order in which cells lie.
    pub(super) fn key(&self) -> (Source, Millis, &'static str) {
        let name = match self {
            Seen::Row(_, column) | Seen::Owner(_, _, column) => column.name,
            Seen::Told(attribute) => attribute.name,
            Seen::Signal(name) => name.name(),
        };
        (self.source(), self.window_ms().unwrap_or_default(), name)
    }

    /// Its cell where nothing came yet: nothing counts, nothing speaks, and of what is told nothing is known.
    pub(super) fn blank(&self) -> Cell {
        match self {
            Seen::Row(..) | Seen::Signal(_) => Cell::of(0.0),
            Seen::Told(_) | Seen::Owner(..) => Cell::NULL,
        }
    }

    /// Whether it is no number but a text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Seen::Told(Attribute { kind: Kind::Text(_) | Kind::Word(..), .. }))
    }

    /// Whether it is another one as of every instant.
    pub(super) fn ages(&self) -> bool {
        matches!(self, Seen::Told(Attribute { kind: Kind::Hours(_), .. }))
    }
}

/// The rows of one kind of subject in one window: what a condition is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Whose rows.
    pub axis: Axis,
    /// The length of the window.
    pub window_ms: Millis,
}

/// Who has a track, as far as conditions read their rows.
const OWNERS: [Axis; 2] = [Axis::Artist, Axis::Uploader];

/// The word for one whose rows a view holds.
pub(super) fn word(axis: Axis) -> &'static str {
    match axis {
        Axis::Account => "account",
        Axis::Track => "track",
        Axis::Artist => "artist",
        Axis::Uploader => "uploader",
        Axis::Playlist => "playlist",
        Axis::Distributor => "distributor",
    }
}

/// The length of a window that is named as a table is.
fn window(part: &str) -> Option<Millis> {
    window_ms(part.strip_prefix('w')?)
}

/// What stands before the column.
enum Place {
    Own(Millis),
    Signals,
    Owner(Axis, Millis),
}

impl Table {
    /// The column of that name.
    pub fn column(self, name: &str) -> Option<Seen> {
        let (place, column) = self.place(name)?;
        let counted = |axis: Axis| columns(axis).find(|known| known.name == column);
        match place {
            Place::Own(length) => {
                let told = || attributes(self.axis).iter().find(|known| known.name == column && !is_windowed(name));
                counted(self.axis).map(|column| Seen::Row(length, column)).or_else(|| told().map(Seen::Told))
            }
            Place::Signals => {
                Name::of(self.axis).iter().find(|signal| signal.name() == column).map(|name| Seen::Signal(*name))
            }
            Place::Owner(axis, length) => counted(axis).map(|column| Seen::Owner(axis, length, column)),
        }
    }

    /// The table that the name begins with, and the column that it ends with.
    fn place(self, name: &str) -> Option<(Place, &str)> {
        let (tables, column) = name.rsplit_once('.').unwrap_or(("", name));
        let (who, length) = match tables.rsplit_once('.') {
            Some((who, of)) => (who, window(of)?),
            None => match window(tables) {
                Some(length) => ("", length),
                None => (tables, self.window_ms),
            },
        };
        let owner = || OWNERS.into_iter().find(|axis| self.axis == Axis::Track && word(*axis) == who);
        let place = match who {
            "" => Place::Own(length),
            "signal" if tables == who => Place::Signals,
            who if who == word(self.axis) => Place::Own(length),
            _ => Place::Owner(owner()?, length),
        };
        Some((place, column))
    }

    /// What may stand where nothing has that name.
    pub(super) fn expected(self, name: &str) -> String {
        let counted = |axis: Axis| columns(axis).map(|column| column.name).collect::<Vec<_>>();
        let told = || attributes(self.axis).iter().map(|attribute| attribute.name);
        match self.place(name) {
            Some((Place::Signals, _)) => {
                let names: Vec<&str> = Name::of(self.axis).iter().map(|name| name.name()).collect();
                format!("a signal about one {}: {}", word(self.axis), names.join(", "))
            }
            Some((Place::Owner(axis, _), _)) => {
                format!("a column of {}_window: {}", word(axis), counted(axis).join(", "))
            }
            Some((Place::Own(_), _)) => {
                let mut names = counted(self.axis);
                names.extend(told().filter(|_| !is_windowed(name)));
                format!("a number, abs, coalesce or a column: {}", names.join(", "))
            }
            None => {
                let own = word(self.axis);
                let owners = if self.axis == Axis::Track { ", artist, uploader" } else { "" };
                format!("a column of one of the tables: {own}, a window such as w24h, signal{owners}")
            }
        }
    }
}

/// Whether a window is named before the column.
fn is_windowed(name: &str) -> bool {
    let mut parts = name.rsplit('.').skip(1);
    parts.next().is_some_and(|part| window(part).is_some())
}
