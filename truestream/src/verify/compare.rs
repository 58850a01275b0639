//! Lays what must be beside what was written, both in order, and names the first differences.
//!
//! ```text
//! SQL, instant by instant ──▶ lines that must be ──┐
//!                                                  ├──▶ merged by (as_of, window, key) ──▶ differences
//! the file of the view ─────▶ lines that are ──────┘
//! ```

use std::cmp::Ordering;

use datasets::formats::instant::to_text as instant;

use super::expected::{Cell, Form, key_order};
use super::found::{Line, Lines};
use super::settings::Emit;
use crate::exit::Failure;

/// Differences that are shown; the others are counted.
const SHOWN: usize = 5;

/// What the comparison of a view needs to know.
pub(super) struct Plan<'a> {
    /// The instants to check, in order.
    pub(super) instants: &'a [i64],
    /// Whether other instants may stand in the file: only some are checked.
    pub(super) sampled: bool,
    pub(super) every_ms: i64,
    /// The first instant of the run: before it, nothing was stated.
    pub(super) first_ms: i64,
    pub(super) emit: Emit,
    /// The windows: name and length.
    pub(super) windows: &'a [(String, i64)],
    /// The columns: name and form, the keys first.
    pub(super) columns: &'a [(&'static str, Form)],
    /// How many of them are keys.
    pub(super) keys: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Lines that agreed.
    pub(super) agreed: u64,
    /// Lines that are missing, too many, or other than they must be.
    pub(super) differences: u64,
    /// The first of them, in words.
    pub(super) shown: Vec<String>,
}

impl Outcome {
    /// Counts a difference.
    pub(super) fn differs(&mut self, words: impl FnOnce() -> String) {
        self.differences += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(words());
        }
    }
}

/// A line that must stand in the file, or may.
struct Due {
    line: Line,
    /// A change within the rounding of an entropy, or of what may say anything: stated or not, both are right.
    optional: bool,
}

/// Merges the view's lines with those that `rows(as_of, window_ms)` says must be there.
pub(super) fn compare(
    plan: &Plan,
    mut rows: impl FnMut(i64, i64) -> Result<Vec<Vec<Cell>>, Failure>,
    found: &mut impl Lines,
    mut tick: impl FnMut(),
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    let mut before: Vec<Option<(i64, Vec<Vec<Cell>>)>> = vec![None; plan.windows.len()];
    for &as_of in plan.instants {
        for (window, (_, window_ms)) in plan.windows.iter().enumerate() {
            let state = rows(as_of, *window_ms)?;
            let line = |diff, cells| Line { as_of, window, diff, cells };
            let due: Vec<Due> = if plan.emit == Emit::Changes {
                let last_ms = as_of - plan.every_ms;
                let last = match before[window].take() {
                    Some((at, state)) if at == last_ms => state,
                    _ if as_of <= plan.first_ms => Vec::new(),
                    _ => rows(last_ms, *window_ms)?,
                };
                let has_free = plan.columns.iter().any(|(_, form)| *form == Form::Free);
                let changes = changes(&last, &state, plan.keys, has_free);
                before[window] = Some((as_of, state));
                changes.into_iter().map(|(diff, cells, optional)| Due { line: line(diff, cells), optional }).collect()
            } else {
                state.into_iter().map(|cells| Due { line: line(0, cells), optional: false }).collect()
            };
            for due in due {
                meet(plan, &due, found, &mut outcome)?;
            }
        }
        tick();
    }
    while let Some(line) = found.peek() {
        too_many(plan, line, &mut outcome);
        found.step()?;
    }
    Ok(outcome)
}

/// Looks for the line that is due among those found; what stands before it is too many.
fn meet(plan: &Plan, due: &Due, found: &mut impl Lines, outcome: &mut Outcome) -> Result<(), Failure> {
    loop {
        match found.peek().map(|line| (line, line.order(&due.line, plan.keys))) {
            Some((line, Ordering::Less)) => too_many(plan, line, outcome),
            Some((line, Ordering::Equal)) => {
                if line.cells.iter().zip(&due.line.cells).all(|(is, must)| is.agrees(must)) {
                    outcome.agreed += 1;
                } else {
                    outcome.differs(|| format!("{}: {}", place(plan, line), apart(plan, &due.line, line)));
                }
                return found.step();
            }
            Some((_, Ordering::Greater)) | None => {
                if !due.optional {
                    outcome.differs(|| {
                        format!("{}: expected {}, found no such row", place(plan, &due.line), values(plan, &due.line))
                    });
                }
                return Ok(());
            }
        }
        found.step()?;
    }
}

fn too_many(plan: &Plan, line: &Line, outcome: &mut Outcome) {
    let unchecked = plan.sampled && plan.instants.binary_search(&line.as_of).is_err();
    if !unchecked {
        outcome.differs(|| format!("{}: expected no such row (here), found {}", place(plan, line), values(plan, line)));
    }
}

/// What leads from one state to the next, both ordered by key: -1 of what was, +1 of what is. Where a column may say anything (`has_free`), so
/// may a row that is the same in all others.
pub(super) fn changes(
    before: &[Vec<Cell>],
    after: &[Vec<Cell>],
    keys: usize,
    has_free: bool,
) -> Vec<(i64, Vec<Cell>, bool)> {
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => key_order(old, new, keys),
        };
        let gone = if order.is_le() { old.next() } else { None };
        let come = if order.is_ge() { new.next() } else { None };
        let optional = match (gone, come) {
            (Some(gone), Some(come)) => {
                let rounded = gone.iter().any(|cell| matches!(cell, Cell::Real(_)));
                if gone == come && !rounded && !has_free {
                    continue;
                }
                gone.iter().zip(come).all(|(gone, come)| gone.agrees(come))
            }
            _ => false,
        };
        changes.extend(gone.map(|cells| (-1, cells.clone(), optional)));
        changes.extend(come.map(|cells| (1, cells.clone(), optional)));
    }
}

fn place(plan: &Plan, line: &Line) -> String {
    let mut words = vec![format!("as of {}", instant(line.as_of))];
    let (window, _) = &plan.windows[line.window];
    if !window.is_empty() {
        words.push(format!("window {window}"));
    }
    if line.diff != 0 {
        words.push(format!("diff {:+}", line.diff));
    }
    let keys = plan.columns.iter().zip(&line.cells).take(plan.keys);
    words.extend(keys.map(|((name, form), cell)| format!("{name} {}", cell.show(form.is_id()))));
    words.join(", ")
}

fn values(plan: &Plan, line: &Line) -> String {
    let values = plan.columns.iter().zip(&line.cells).skip(plan.keys);
    values.map(|((name, form), cell)| format!("{name} {}", cell.show(form.is_id()))).collect::<Vec<_>>().join(", ")
}

fn apart(plan: &Plan, must: &Line, is: &Line) -> String {
    let cells = plan.columns.iter().zip(must.cells.iter().zip(&is.cells));
    let apart = cells.filter(|(_, (must, is))| !must.agrees(is)).map(|((name, form), (must, is))| {
        format!("{name} expected {}, found {}", must.show(form.is_id()), is.show(form.is_id()))
    });
    apart.collect::<Vec<_>>().join("; ")
}
