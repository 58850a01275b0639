//! An input row that could not become a record, and why.

use serde::{Deserialize, Serialize};

/// An input row that was set aside, not lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of input it was read as: a table (`plays`, `tracks`, …) or a data-set format (`lastfm-1k`, …).
    pub source: String,
    /// The file it stood in.
    pub file: String,
    /// Its row in the file, counted from 0 (header lines not counted).
    pub row: u64,
    /// Why, as a word that can be counted.
    pub code: Code,
    /// Why, in a sentence with the values seen.
    pub reason: String,
    /// The row as it stood, shortened to 1 KiB; `None` where it cannot be shown.
    pub raw: Option<String>,
}

/// Why a row was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A required value is null, empty or absent.
    Missing,
    /// A value is of another type than its column.
    WrongType,
    /// A value cannot be: negative milliseconds, a year of 1970 where plays began in 2002, …
    OutOfRange,
    /// A time that cannot be read.
    BadTime,
    /// The row cannot be parsed at all.
    Malformed,
    /// The row is no play of a recording: a podcast, a like, a lyric display.
    NotAPlay,
    /// A play id seen before with the same content.
    Repeated,
    /// A play id (or a catalogue key) seen before with other content.
    Conflicting,
    /// An audio file that gives no sound.
    Undecodable,
}

impl Code {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Code::Missing => "missing",
            Code::WrongType => "wrong_type",
            Code::OutOfRange => "out_of_range",
            Code::BadTime => "bad_time",
            Code::Malformed => "malformed",
            Code::NotAPlay => "not_a_play",
            Code::Repeated => "repeated",
            Code::Conflicting => "conflicting",
            Code::Undecodable => "undecodable",
        }
    }
}
