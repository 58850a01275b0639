//! Whose voice a machine may use: what rights holders consented to, as the platform's register has it. ERN has no element for it.
//!
//! ```text
//! register (CSV) ──▶ consents ──by distributor, and recording or party──▶ the one in force
//! ```
//!
//! A consent is given to somebody: whoever knows an ISRC or names an artist has not got what was given to another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use records::Millis;
use serde::Deserialize;

use super::message::{date_of, end_of, is_dpid, plain_party_id};
use super::values::isrc;
use crate::Error;

/// What a consent is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Whose {
    /// A recording, by its ISRC.
    Recording(String),
    /// All recordings with the voice of a party, as `isni:0000000121032683`.
    Party(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Consent {
    line: u64,
    reference: String,
    from: Millis,
    until: Millis,
}

/// A line of the register that is about nothing: no message of whom it was given to delivers the recording, or names the party.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[allow(missing_docs)]
pub struct Unmet {
    pub line: u64,
    pub distributor_id: String,
    /// The ISRC or the id of the party, as messages would have it.
    pub about: String,
}

/// A register of consents.
#[derive(Clone, Debug, Default)]
pub struct Consents {
    given: HashMap<(String, Whose), Vec<Consent>>,
    /// Where one begins or ends, and about what.
    changes: BTreeMap<Millis, Vec<(String, Whose)>>,
}

/// A line of the register.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    distributor_id: String,
    #[serde(default)]
    isrc: String,
    #[serde(default)]
    party_id: String,
    consent_ref: String,
    #[serde(default)]
    valid_from: String,
    #[serde(default)]
    valid_until: String,
}

impl Consents {
    /// Reads a register: CSV with a head, a consent a line.
    ///
    /// # Errors
    /// Names the line that says too little, too much, or no time.
    pub fn read(path: &Path) -> Result<Consents, Error> {
        let wrong =
            |line: u64, why: &dyn std::fmt::Display| Error::Input(format!("{}: line {line}: {why}", path.display()));
        let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let expected = "expected distributor_id, isrc or party_id, consent_ref, valid_from, valid_until";
        let unread = |error: csv::Error, else_at: u64| {
            wrong(error.position().map_or(else_at, csv::Position::line), &format!("{error}; {expected}"))
        };
        let head = reader.headers().map_err(|error| unread(error, 1))?.clone();
        let (mut consents, mut record) = (Consents::default(), csv::StringRecord::new());
        while reader.read_record(&mut record).map_err(|error| unread(error, 1))? {
            let at = record.position().map_or(1, csv::Position::line);
            let line: Line = record.deserialize(Some(&head)).map_err(|error| unread(error, at))?;
            consents.add(line, at).map_err(|why| wrong(at, &why))?;
        }
        Ok(consents)
    }

    fn add(&mut self, line: Line, at: u64) -> Result<(), &'static str> {
        let no_id = "the id has letters that none has; expected such as isni:0000000121032683 or PADPIDA2026010101A";
        let whose = match (line.isrc.is_empty(), line.party_id.is_empty()) {
            // What is no ISRC is about nothing, and told so.
            (false, true) => Whose::Recording(isrc(&line.isrc).unwrap_or(line.isrc)),
            (true, false) => Whose::Party(plain_party_id(&line.party_id).ok_or(no_id)?),
            _ => return Err("expected an isrc or a party_id, one of them"),
        };
        if line.distributor_id.is_empty() || line.consent_ref.is_empty() {
            return Err(
                "expected a distributor_id, to whom it was given, and a consent_ref, by which the document is found",
            );
        }
        let time = |text: &str, read: fn(&str) -> Option<Millis>, else_at: Millis| match text.is_empty() {
            true => Ok(else_at),
            false => read(text).ok_or("expected days or times such as 2026-01-31"),
        };
        let from = time(&line.valid_from, date_of, Millis::MIN)?;
        let until = time(&line.valid_until, end_of, Millis::MAX)?;
        if until <= from {
            return Err("the consent ends before it begins");
        }
        // A sender without a DPID is known by its name.
        let distributor = plain_party_id(&line.distributor_id).filter(|id| is_dpid(id)).unwrap_or(line.distributor_id);
        let key = (distributor, whose);
        for at in [from, until].into_iter().filter(|at| *at != Millis::MIN && *at != Millis::MAX) {
            self.changes.entry(at).or_default().push(key.clone());
        }
        self.given.entry(key).or_default().push(Consent { line: at, reference: line.consent_ref, from, until });
        Ok(())
    }

    /// The lines about nothing of what was met, in their order.
    pub(super) fn unmet(&self, met: &HashSet<(String, Whose)>) -> Vec<Unmet> {
        let others = self.given.iter().filter(|(key, _)| !met.contains(*key));
        let lines = others.flat_map(|((distributor, whose), given)| {
            let (Whose::Recording(about) | Whose::Party(about)) = whose;
            let unmet = |consent: &Consent| Unmet {
                line: consent.line,
                distributor_id: distributor.clone(),
                about: about.clone(),
            };
            given.iter().map(unmet)
        });
        let mut unmet: Vec<Unmet> = lines.collect();
        unmet.sort();
        unmet
    }

    /// Whether the register has a word about it, of whatever time.
    pub(super) fn knows(&self, key: &(String, Whose)) -> bool {
        self.given.contains_key(key)
    }

    /// The reference of the first consent in force, by the order of the register.
    pub(super) fn of(&self, key: &(String, Whose), at: Millis) -> Option<&str> {
        let in_force = |consent: &&Consent| consent.from <= at && at < consent.until;
        self.given.get(key)?.iter().find(in_force).map(|consent| consent.reference.as_str())
    }

    /// The next instant after `now` and up to `until` at which a consent begins or ends, and which.
    pub(super) fn next_change(&self, now: Millis, until: Millis) -> Option<(Millis, Vec<(String, Whose)>)> {
        if now >= until {
            return None;
        }
        let mut later = self.changes.range((std::ops::Bound::Excluded(now), std::ops::Bound::Included(until)));
        later.next().map(|(at, keys)| (*at, keys.clone()))
    }
}
