//! How sure we are that something is wrong, and what follows from it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::IdSpace;

/// How sure we are that something is wrong: 0 is clean, 10 000 is certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Risk(u16);

impl Risk {
    /// Nothing speaks against the subject.
    pub const CLEAN: Risk = Risk(0);
    /// Nothing speaks for it.
    pub const CERTAIN: Risk = Risk(10_000);

    /// The risk of so many ten-thousandths; more than the whole is the whole.
    pub fn from_parts(parts: u64) -> Risk {
        Risk(parts.min(10_000) as u16)
    }

    /// Ten-thousandths, 0 to 10 000.
    pub fn parts(self) -> u16 {
        self.0
    }

    /// The risk as a share of 1, an exact multiple of 1/10 000.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

/// What a risk is a risk of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Subject {
    Account,
    Artist,
    Distributor,
    Playlist,
    Track,
    Uploader,
}

impl Subject {
    /// All kinds, in the order of their rows.
    pub const ALL: [Subject; 6] =
        [Subject::Account, Subject::Artist, Subject::Distributor, Subject::Playlist, Subject::Track, Subject::Uploader];

    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Account => "account",
            Subject::Artist => "artist",
            Subject::Distributor => "distributor",
            Subject::Playlist => "playlist",
            Subject::Track => "track",
            Subject::Uploader => "uploader",
        }
    }

    /// The subject of that word.
    pub fn named(name: &str) -> Option<Subject> {
        Subject::ALL.into_iter().find(|subject| subject.name() == name)
    }

    /// The kind of its ids.
    pub fn space(self) -> IdSpace {
        match self {
            Subject::Account => IdSpace::Account,
            Subject::Artist => IdSpace::Artist,
            Subject::Distributor => IdSpace::Distributor,
            Subject::Playlist => IdSpace::Playlist,
            Subject::Track => IdSpace::Track,
            Subject::Uploader => IdSpace::Uploader,
        }
    }
}

/// One named number that moved a risk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Contribution {
    /// The signal's name, as documented in `docs/SIGNALS.md`.
    pub name: String,
    /// What was seen, in thousandths of the signal's unit.
    pub value_milli: i64,
    /// The signal's weight in its part, in ten-thousandths.
    pub weight: u16,
    /// What it adds to R, in ten-thousandths.
    pub share: u16,
}

/// What is done about a subject. The order is the order of severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing.
    #[default]
    Allow,
    /// Money waits; nobody else sees a difference.
    Hold,
    /// A person looks before anything else happens.
    Escalate,
    /// Its plays count for nothing.
    Block,
}

impl Verdict {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Hold => "hold",
            Verdict::Escalate => "escalate",
            Verdict::Block => "block",
        }
    }

    /// The verdict of that word.
    pub fn named(name: &str) -> Option<Verdict> {
        let all = [Verdict::Allow, Verdict::Hold, Verdict::Escalate, Verdict::Block];
        all.into_iter().find(|verdict| verdict.name() == name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
