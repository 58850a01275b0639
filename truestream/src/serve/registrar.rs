//! Makes rulings and labels of what people decided, once that cannot be undone any more.
//!
//! ```text
//! decisions ──30 s──▶ rows of rulings and of labels ──▶ gate ──▶ log ──▶ at the next tick: verdicts
//! ```

use std::path::Path;
use std::sync::Arc;

use console::desk::{Queue, REASONS};
use datasets::intake;
use datasets::log::{Entry, Offsets, Rows};
use datasets::tables::read::IdKinds;
use records::{Label, Millis, Ruled, Ruling, Subject};

use super::args::Time;
use super::decisions::{DECISIONS, Decision, Decisions, UNDO_MS};
use super::gate::Gate;
use super::shelf::Shelf;
use super::state::now;
use super::urgency::id_of;
use crate::exit::Failure;

/// The sources of labels and of rulings in the log.
const LABELS: &str = "desk";
const RULINGS: &str = "desk-rulings";
/// Nobody else sends as one of them.
pub const SOURCES: [&str; 2] = [LABELS, RULINGS];

/// Checks that all decisions are there of which the log has what became of them: numbers are given once, and another decision with one of
/// those would be taken for it.
///
/// # Errors
/// When some are lost.
pub fn has_all(state: &Path, decisions: &Decisions, offsets: &Offsets) -> Result<(), Failure> {
    let last = decisions.now().all.last().map_or(0, |last| last.decided.number);
    let told = SOURCES.iter().filter_map(|source| offsets.get(*source)).max().copied().unwrap_or(0);
    match told <= last {
        true => Ok(()),
        false => Err(Failure::Input(format!(
            "{}/{DECISIONS}.jsonl: found decisions up to number {last}, and the log has what became of number {told}: those between are lost, and \
             new ones would get their numbers and be taken for them; bring {DECISIONS}.* and audit.* back from a backup, or begin with another --state",
            state.display()
        ))),
    }
}

/// Makes rulings and labels of decisions that cannot be undone any more. The number of the decision is its number in the log, so that
/// each is there once however often it is told.
pub struct Registrar {
    decisions: Arc<Decisions>,
    shelf: Arc<Shelf>,
    gate: Gate,
    kinds: IdKinds,
    time: Time,
    told: usize,
}

impl Registrar {
    /// Begins with the first decision. Where who sends says how late it is, a decision is known at the instant that is stated.
    pub fn new(decisions: Arc<Decisions>, shelf: Arc<Shelf>, gate: Gate, kinds: IdKinds, time: Time) -> Registrar {
        Registrar { decisions, shelf, gate, kinds, time, told: 0 }
    }

    /// Tells the log what is final by now, in its order.
    pub fn tell(&mut self) {
        // What is undone after this moment is too young at this moment.
        let now = now();
        let sum = self.decisions.now();
        while let Some(decision) = sum.all.get(self.told).filter(|decision| now - decision.at > UNDO_MS) {
            if decision.is_told() && !self.is_taken(decision) {
                // There was no room, or nothing is stated yet: it is told again.
                return;
            }
            self.told += 1;
        }
    }

    fn is_taken(&self, decision: &Decision) -> bool {
        let known_at = match self.time {
            Time::Wall => Some(decision.at),
            Time::Told => self.shelf.as_of(),
        };
        let Some(known_at) = known_at else { return false };
        let number = decision.decided.number;
        let take = |source: &str, rows: Option<Rows>| {
            let entry = Entry { source: Some((source.to_owned(), number)), until: None, rows };
            entry.rows.is_none() || self.gate.take(entry).is_ok()
        };
        take(RULINGS, self.ruling(decision, known_at)) && take(LABELS, self.label(decision, known_at))
    }

    /// The decision as a row of `rulings`. What is confirmed speaks from then on; who is cleared never was what the rules said.
    fn ruling(&self, decision: &Decision, known_at: Millis) -> Option<Rows> {
        let (kind, subject) = (decision.ruling()?, Subject::named(&decision.subject)?);
        let subject_id = id_of(self.kinds[subject.space() as usize], &decision.id)?;
        let reason = REASONS.iter().find(|(word, _)| *word == decision.decided.reason);
        let ruling = Ruling {
            kind,
            known_at,
            since: kind.verdict().map(|_| known_at),
            until: None,
            ruled_by: Some(decision.decided.by.clone()),
            reason: reason.map(|(_, meaning)| (*meaning).to_owned()),
        };
        intake::rows_of(&[Ruled { subject, subject_id, ruling }], &self.kinds).ok()
    }

    /// The decision as a row of `labels`.
    fn label(&self, decision: &Decision, known_at: Millis) -> Option<Rows> {
        let (label, subject) = (decision.label()?, Subject::named(&decision.subject)?);
        let label = Label {
            subject: decision.subject.clone(),
            subject_id: id_of(self.kinds[subject.space() as usize], &decision.id)?,
            label,
            attack: None,
            from: None,
            until: None,
            labelled_at: Some(known_at),
            labelled_by: Some(labelled_by(decision).to_owned()),
        };
        intake::rows_of(&[label], &self.kinds).ok()
    }
}

/// By which way the label came to be: what was drawn by lot says something of all others, what was chosen does not.
fn labelled_by(decision: &Decision) -> &'static str {
    match Queue::named(&decision.decided.queue) {
        _ if decision.is_about_appeal() => "appeal",
        Some(queue @ (Queue::Audit | Queue::Uncertain)) => queue.name(),
        Some(Queue::Urgent) | None => "reviewer",
    }
}
