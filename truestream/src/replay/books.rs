//! Keeps the net state of each view as its changes come in, and writes what was asked for.
//!
//! ```text
//! (tick, change) ──▶ net state by key ──▶ emit last: at the end │ all: at every tick │ changes: old −1, new +1
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use dataflows::links::LinkKind;
use dataflows::river::Change;
use datasets::names::NameTable;
use datasets::tables::{Cell, Holds, IdKind, Part, TableWriter, ViewFile, part_of};
use records::clause::Clause;
use records::{Refusal, Subject, Verdict};

use super::args::{Emit, ReplayArgs};
use super::declared::Declarations;
use super::gate::{Reputed, Uploads};
use super::judge::{Judge, Rows};
use super::prepare::{Bench, Prepared};
use super::reputation::{Reputations, Touched};
use super::summary::Summary;
use super::teller::{PlayFiles, Teller, Told};
use super::views::{
    RowKey, RowValue, VIEWS, View, audience_feature_columns, feature_columns, gate_columns, group_columns, hit_columns,
    hub_columns, hubs_are_texts, ledger_columns, lockstep_columns, network_columns, payout_columns, push_cells,
    reputation_columns, risk_columns, ruling_columns, score_columns, sequence_columns, verdict_columns, wave_columns,
    window_columns, withheld_columns,
};
use super::withheld::{self, Counting};
use crate::exit::Failure;

/// What the run was; written last.
const MANIFEST: &str = "run.json";

/// The tables of a run in the making.
pub struct Books {
    out: PathBuf,
    emit: Emit,
    clock: Clock,
    first: Tick,
    until: Tick,
    names: Arc<NameTable>,
    labels: Vec<Arc<str>>,
    teller: Teller,
    reputations: Option<Reputations>,
    /// What comes to the gate, until all is known that it reads.
    uploads: Option<Uploads>,
    open: Vec<Book>,
    refusals: Vec<Refusal>,
    /// Rows of window views that changed, where nothing is written.
    changed_rows: u64,
    written: Vec<(&'static str, u64)>,
}

/// One view.
struct Book {
    view: View,
    /// Where its rows are written, if they are.
    file: Option<ViewFile>,
    state: BTreeMap<RowKey, RowValue>,
    /// The first tick whose state is not written yet.
    next: Tick,
}

impl Books {
    /// Begins the tables in the folder, of what is decided on this bench.
    pub fn open(args: &ReplayArgs, out: &Path, bench: Bench, prepared: &mut Prepared) -> Result<Books, Failure> {
        let mut books = Books {
            out: out.to_owned(),
            emit: args.emit,
            clock: prepared.plan.clock,
            first: prepared.first,
            until: prepared.plan.until,
            names: prepared.names.clone(),
            labels: prepared.window_labels.clone(),
            teller: Teller {
                names: prepared.names.clone(),
                play_files: PlayFiles::Named(
                    prepared.inputs.plays.iter().map(|path| path.display().to_string()).collect(),
                ),
                hubs_are_texts: hubs_are_texts(&prepared.names, &prepared.plan.links),
                judge: bench.judge,
                sides: prepared.sides.clone(),
            },
            reputations: bench.reputations,
            uploads: bench.uploads,
            open: Vec::new(),
            refusals: Vec::new(),
            changed_rows: 0,
            written: Vec::new(),
        };
        if prepared.is_first_process {
            books.create(&prepared.views, &prepared.plan.links)?;
        }
        bench.declarations.map_or(Ok(()), |declarations| books.declare(&declarations))?;
        books.surge(bench.waves)?;
        Ok(books)
    }

    fn create(&mut self, views: &[View], links: &[LinkKind]) -> Result<(), Failure> {
        if self.emit != Emit::None {
            std::fs::create_dir_all(&self.out)
                .map_err(|error| Failure::Output(format!("{}: {error}", self.out.display())))?;
            self.remove_abandoned()?;
        }
        for view in views.iter().copied() {
            let Some(columns) = columns_of(view, &self.names, links) else { continue };
            let mut all = vec![("as_of", Holds::Instant)];
            if self.emit == Emit::Changes {
                all.push(("diff", Holds::Diff));
            }
            all.extend(columns);
            let file = match self.emit {
                Emit::None => None,
                _ => Some(ViewFile::create(&path_of(&self.out, view), &all).map_err(output)?),
            };
            self.open.push(Book { view, file, state: BTreeMap::new(), next: self.first });
        }
        Ok(())
    }

    /// Whether a table is kept of the change, or follows from it.
    pub fn asks(&self, change: &Change) -> bool {
        let view = match change {
            Change::Rows(axis, _) => View::Window(*axis),
            Change::Groups(_) => View::Groups,
            Change::Hubs(_) => View::Hubs,
            Change::Lockstep(_) => View::Lockstep,
            Change::Judged(judging, _) => return self.judge().is_some_and(|judge| judge.judging == *judging),
            _ => return true,
        };
        self.open.iter().any(|book| book.view == view)
    }

    /// Enters what changed at the tick.
    pub fn enter(&mut self, tick: Tick, change: Change) -> Result<(), Failure> {
        if let (Change::Rows(_, rows), Emit::None) = (&change, self.emit) {
            self.changed_rows += rows.len() as u64;
            return Ok(());
        }
        match self.teller.tell(tick, change) {
            Told::Refused(refusals) => self.refusals.extend(refusals),
            Told::Rows(views) => {
                for (view, rows) in views {
                    if let (View::Verdict, Some(reputations)) = (view, &mut self.reputations) {
                        reputations.judged(tick, &rows);
                    }
                    self.record(tick, view, rows)?;
                }
            }
        }
        Ok(())
    }

    /// Enters what the catalogue and the evidence alone decide, for all ticks.
    fn declare(&mut self, declarations: &Declarations) -> Result<(), Failure> {
        let is_asked = |book: &Book| matches!(book.view, View::PayoutHold | View::DisclosureLedger);
        if self.open.is_empty() || self.reputations.is_none() && !self.open.iter().any(is_asked) {
            return Ok(());
        }
        let names = self.names.clone();
        declarations.flow(self.until, &names, |tick, payouts, ledgers| {
            if let Some(reputations) = &mut self.reputations {
                reputations.declared(tick, &payouts);
            }
            self.record(tick, View::PayoutHold, payouts)?;
            self.record(tick, View::DisclosureLedger, ledgers)
        })
    }

    /// Enters the waves, for all ticks.
    fn surge(&mut self, waves: Vec<(Tick, Rows)>) -> Result<(), Failure> {
        let until = self.until;
        let told = waves.into_iter().filter(|(tick, _)| *tick <= until);
        told.into_iter().try_for_each(|(tick, rows)| self.record(tick, View::Wave, rows))
    }

    /// Enters, for all ticks, what verdicts, declarations and the catalogue say of those who brought tracks and playlists, and what the gate finds
    /// about uploads, which reads that.
    pub fn conclude(&mut self) -> Result<(), Failure> {
        let (reputations, uploads) = (self.reputations.take(), self.uploads.take());
        if self.open.is_empty() {
            return Ok(());
        }
        let mut reputed: Vec<Reputed> = Vec::new();
        if let Some(reputations) = reputations {
            reputations.flow(self.until, |tick, touched, rows| {
                let told = touched.iter().filter_map(Touched::reputed);
                reputed.extend(told.map(|(deliverer, percent)| (tick, deliverer, percent)));
                self.record(tick, View::Reputation, rows)
            })?;
        }
        let names = self.names.clone();
        uploads.map_or(Ok(()), |uploads| {
            uploads.flow(self.until, &names, &reputed, |tick, rows| self.record(tick, View::Gate, rows))
        })
    }

    /// Records what changed in a view at the tick.
    fn record(&mut self, tick: Tick, view: View, rows: Rows) -> Result<(), Failure> {
        let Books { emit, clock, labels, open, changed_rows, .. } = self;
        let Some(book) = open.iter_mut().find(|book| book.view == view) else { return Ok(()) };
        match emit {
            Emit::Last => book.apply(rows),
            Emit::None => {
                *changed_rows += rows.len() as u64;
                book.apply(rows);
            }
            Emit::All => {
                book.write_until(tick, *clock, labels)?;
                book.apply(rows);
            }
            Emit::Changes => book.write_changes(tick, *clock, labels, rows)?,
        }
        Ok(())
    }

    /// What was refused so far, by code.
    pub fn refused(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The rules that people wrote as conditions, and how many matches of each began.
    pub fn clauses(&self) -> &[(Arc<Clause>, u64)] {
        self.teller.judge.as_ref().map_or(&[], |judge| &judge.clauses)
    }

    /// Who judges, if somebody does.
    pub fn judge(&self) -> Option<&Judge> {
        self.teller.judge.as_ref()
    }

    /// How many rows changed, where nothing is written.
    pub fn changed_rows(&self) -> u64 {
        self.changed_rows
    }

    /// The net state of the view as of now.
    pub fn state(&self, view: View) -> impl Iterator<Item = (&RowKey, &RowValue)> {
        self.open.iter().filter(move |book| book.view == view).flat_map(|book| &book.state)
    }

    /// Writes what is left and gives all tables their names; the manifest comes last. Where nothing is written, the tables
    /// of an earlier run stay.
    pub fn finish(mut self, prepared: &Prepared, summary: &Summary) -> Result<(), Failure> {
        if !summary.is_first_process || self.emit == Emit::None {
            return Ok(());
        }
        let mut parts = Vec::new();
        if prepared.views.contains(&View::Withheld) {
            parts.push(self.write_withheld(prepared)?);
        }
        for mut book in std::mem::take(&mut self.open) {
            match self.emit {
                Emit::Last if self.until >= self.first => book.write_state(self.until, self.clock, &self.labels)?,
                Emit::All => book.write_until(self.until + 1, self.clock, &self.labels)?,
                _ => {}
            }
            let name = book.view.name();
            let Some(file) = book.file else { continue };
            let (rows, part) = file.complete().map_err(output)?;
            self.written.push((name, rows));
            parts.push(part);
        }
        parts.push(self.write_refusals()?);
        self.publish(parts, summary)
    }

    /// All tables are whole: from here on nothing is written but names. A folder without its manifest is between two runs.
    fn publish(&self, parts: Vec<Part>, summary: &Summary) -> Result<(), Failure> {
        let path = self.out.join(MANIFEST);
        let manifest_failed = |error| Failure::Output(format!("{}: {error}", path.display()));
        std::fs::write(part_of(&path), summary.manifest(&self.written)).map_err(manifest_failed)?;
        remove(&path)?;
        for part in parts {
            part.publish().map_err(output)?;
        }
        self.remove_stale()?;
        std::fs::rename(part_of(&path), &path).map_err(manifest_failed)
    }

    /// The plays of accounts that are blocked as of the last instant.
    fn write_withheld(&mut self, prepared: &Prepared) -> Result<Part, Failure> {
        let mut blocked = BTreeMap::new();
        for (key, value) in self.state(View::Verdict) {
            if let (RowKey::Subject(Subject::Account, id), RowValue::Verdict(row)) = (key, value)
                && row.verdict == Verdict::Block
            {
                let reason = row.reasons.first().map_or("", String::as_str);
                blocked.insert(id.as_str(), format!("the account is blocked: {reason}"));
            }
        }
        let counting = Counting {
            files: &prepared.inputs.plays,
            names: &self.names,
            refused: &self.refusals,
            corrected: &prepared.corrected,
            as_of: self.clock.instant(self.until),
            window_ms: prepared.windows_ms.last().copied().unwrap_or(0),
        };
        let path = path_of(&self.out, View::Withheld);
        let mut file = ViewFile::create(&path, &withheld_columns(&self.names)).map_err(output)?;
        withheld::write(&counting, &blocked, &mut file)?;
        let (rows, part) = file.complete().map_err(output)?;
        self.written.push((View::Withheld.name(), rows));
        Ok(part)
    }

    fn write_refusals(&mut self) -> Result<Part, Failure> {
        self.refusals.sort();
        let mut writer = TableWriter::<Refusal>::create(&self.out, IdKind::Text).map_err(output)?;
        for refusal in self.refusals.drain(..) {
            writer.push(refusal).map_err(output)?;
        }
        let (rows, part) = writer.complete().map_err(output)?;
        self.written.push((View::Refusal.name(), rows));
        Ok(part)
    }

    /// Tables of an earlier run that this one does not have would be taken for its own.
    fn remove_stale(&self) -> Result<(), Failure> {
        for (name, view) in VIEWS {
            if !self.written.iter().any(|(written, _)| *written == name) {
                remove(&path_of(&self.out, view))?;
            }
        }
        Ok(())
    }

    /// Files that a killed run had in the making.
    fn remove_abandoned(&self) -> Result<(), Failure> {
        for (_, view) in VIEWS {
            remove(&part_of(&path_of(&self.out, view)))?;
        }
        remove(&part_of(&self.out.join(MANIFEST)))
    }
}

impl Book {
    fn apply(&mut self, rows: Rows) {
        for (key, value) in rows {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
    }

    /// Writes the state of all ticks before this one that are not written yet.
    fn write_until(&mut self, tick: Tick, clock: Clock, labels: &[Arc<str>]) -> Result<(), Failure> {
        for unwritten in self.next..tick {
            self.write_state(unwritten, clock, labels)?;
        }
        self.next = self.next.max(tick);
        Ok(())
    }

    fn write_state(&mut self, tick: Tick, clock: Clock, labels: &[Arc<str>]) -> Result<(), Failure> {
        let axis = self.view.axis();
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut cells = Vec::new();
        for (key, value) in &self.state {
            cells.clear();
            cells.push(Cell::Instant(clock.instant(tick)));
            push_cells(axis, labels, key, value, &mut cells);
            file.push(cells.iter().copied()).map_err(output)?;
        }
        Ok(())
    }

    fn write_changes(&mut self, tick: Tick, clock: Clock, labels: &[Arc<str>], mut rows: Rows) -> Result<(), Failure> {
        let axis = self.view.axis();
        let Some(file) = &mut self.file else { return Ok(()) };
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, new) in rows {
            let old = match &new {
                Some(value) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(&key),
            };
            if old == new {
                continue;
            }
            for (diff, value) in [(-1, old), (1, new)] {
                if let Some(value) = value {
                    let mut cells = vec![Cell::Instant(clock.instant(tick)), Cell::Diff(diff)];
                    push_cells(axis, labels, &key, &value, &mut cells);
                    file.push(cells.iter().copied()).map_err(output)?;
                }
            }
        }
        Ok(())
    }
}

/// The columns of the view after `as_of`; `None` where its rows are written in another way.
pub fn columns_of(view: View, names: &NameTable, links: &[LinkKind]) -> Option<Vec<(&'static str, Holds)>> {
    Some(match view {
        View::Window(axis) => window_columns(axis, names),
        View::Groups => group_columns(names),
        View::Hubs => hub_columns(names, links),
        View::Lockstep => lockstep_columns(names),
        View::Features => feature_columns(names),
        View::AudienceFeatures(axis) => audience_feature_columns(axis, names),
        View::Sequences => sequence_columns(names),
        View::Network => network_columns(names),
        View::Scores => score_columns(names),
        View::Risk => risk_columns(),
        View::Verdict => verdict_columns(),
        View::RuleHit => hit_columns(),
        View::Ruling => ruling_columns(),
        View::PayoutHold => payout_columns(names),
        View::DisclosureLedger => ledger_columns(names),
        View::Reputation => reputation_columns(),
        View::Gate => gate_columns(names),
        View::Wave => wave_columns(),
        View::Withheld | View::Refusal => return None,
    })
}

fn path_of(out: &Path, view: View) -> PathBuf {
    out.join(format!("{}.parquet", view.name()))
}

/// Removes the file, if there is one.
fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::Output(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn output(error: datasets::Error) -> Failure {
    Failure::Output(error.to_string())
}
