//! Lists that people keep by hand: whom they let pass, and what they put forward.
//!
//! ```text
//! editors ──▶ entries: whom, by whom, why, until when ──▶ the gate lets pass; `truestream assess` says what became of them
//! ```

use serde::Serialize;

use crate::{Millis, Subject};

/// An entry of a list that people keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Whom it names.
    pub id: String,
    /// Who wrote it; nothing where that is not told.
    pub by: String,
    /// Why; nothing where that is not told.
    pub why: String,
    /// What is uploaded from this instant on is asked again; without one, nothing ever is.
    pub until: Option<Millis>,
}

impl Entry {
    /// What of it is not told.
    pub fn untold(&self) -> Vec<&'static str> {
        let parts = [("by", self.by.is_empty()), ("why", self.why.is_empty()), ("until", self.until.is_none())];
        parts.into_iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| name).collect()
    }

    /// Whether it speaks about what happened at the instant.
    pub fn speaks_about(&self, at: Millis) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// Something that editors put forward by hand. Nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// Of which kind it is.
    pub subject: Subject,
    /// Which one, and what is told of it.
    #[serde(flatten)]
    pub entry: Entry,
}
