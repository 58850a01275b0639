//! Keeps what rules over more than one table read of each subject, and asks them where something of it changed.
//!
//! ```text
//! rows of the subject, what is told of it, ──▶ its cells ──questions──▶ which rules hold
//! signals, rows of who has the track ────────────┘    └──an age passes──▶ asked again
//! ```

use std::collections::BTreeMap;

use features::condition::{Cell, Question, Sheet, Source};
use features::signals::Signal;
use features::tally::{Axis, WindowSet};
use hashbrown::{HashMap, HashSet};
use records::{Key, Millis, Subject};

use super::clauses::{Asked, Place, subject};
use super::{Judging, Update};
use crate::clock::{Clock, Tick};
use crate::keep::Keep;
use crate::tallies::RowChange;

type Who = (Subject, Key);

/// A rule over more than one table.
struct Rule {
    /// Its place among all rules.
    place: Place,
    /// The place of the window without whose row it holds for nobody.
    window: u8,
    question: Question,
    /// The first tick at which it is over for good.
    until: Tick,
}

/// What is asked of one kind of subject.
struct Page {
    subject: Subject,
    sheet: Sheet,
    rules: Vec<Rule>,
}

impl Page {
    fn of(axis: Axis, asked: &[Asked]) -> Option<Page> {
        let sheet = Sheet::of(axis, asked.iter().map(|asked| &asked.condition));
        let own = (0..).zip(asked).filter(|(_, asked)| asked.axis == axis && !asked.condition.is_of_one_row());
        let rule = |(place, asked): (Place, &Asked)| Rule {
            place,
            window: asked.window,
            question: sheet.question(&asked.condition),
            until: asked.until(),
        };
        let rules = own.map(rule).collect();
        (!sheet.is_empty()).then_some(Page { subject: subject(axis), sheet, rules })
    }
}

/// What is known of a subject.
struct Known {
    /// The windows in which it has a row.
    rows: WindowSet,
    cells: Vec<Cell>,
    /// What is told of who has it; within a tick the new one may come before the old one goes.
    owners: Vec<(Subject, Vec<Cell>, i64)>,
    /// The next tick at which it is asked again though nothing changes.
    turn: Option<Tick>,
}

/// The subjects of one worker.
pub(super) struct Sheets {
    clock: Clock,
    windows_ms: Vec<Millis>,
    pages: Vec<Page>,
    known: HashMap<Who, Known>,
    turns: BTreeMap<Tick, Vec<Who>>,
    changed: HashSet<Who>,
}

impl Sheets {
    pub fn new(judging: &Judging, clock: Clock) -> Sheets {
        Sheets {
            clock,
            windows_ms: judging.windows_ms.clone(),
            pages: Axis::ALL.into_iter().filter_map(|axis| Page::of(axis, &judging.clauses)).collect(),
            known: HashMap::new(),
            turns: BTreeMap::new(),
            changed: HashSet::new(),
        }
    }

    /// The subject has that row in a window, of which these are its cells; `None` where it has none.
    pub fn row(&mut self, who: Who, window: u8, cells: Option<&[Cell]>) {
        let Some(page) = self.pages.iter().find(|page| page.subject == who.0) else { return };
        let part = page.sheet.part(Source::Row(self.windows_ms[usize::from(window)]));
        if cells.is_none() && !self.known.contains_key(&who) {
            return;
        }
        let known = self.known.entry(who).or_insert_with(|| Known::blank(&page.sheet));
        let bit = 1 << window;
        let rows = if cells.is_some() { known.rows | bit } else { known.rows & !bit };
        let blank;
        let cells = match cells {
            Some(cells) => cells,
            None => {
                blank = page.sheet.of_row(part.clone(), None);
                &blank
            }
        };
        if known.rows != rows || known.cells[part.clone()] != *cells {
            known.rows = rows;
            known.cells[part].copy_from_slice(cells);
            self.changed.insert(who);
        }
    }

    /// That is told of the subject from now on.
    pub fn told(&mut self, who: Who, cells: &[Cell]) {
        self.put(who, Source::Told, cells);
    }

    /// That speaks against the subject from now on.
    pub fn signals(&mut self, who: Who, signals: &[Signal]) {
        let Some(page) = self.pages.iter().find(|page| page.subject == who.0) else { return };
        if !page.sheet.part(Source::Signals).is_empty() && (!signals.is_empty() || self.known.contains_key(&who)) {
            let cells = page.sheet.of_signals(signals);
            self.put(who, Source::Signals, &cells);
        }
    }

    fn put(&mut self, who: Who, source: Source, cells: &[Cell]) {
        let Some(page) = self.pages.iter().find(|page| page.subject == who.0) else { return };
        let known = self.known.entry(who).or_insert_with(|| Known::blank(&page.sheet));
        let part = &mut known.cells[page.sheet.part(source)];
        if part != cells {
            part.copy_from_slice(cells);
            self.changed.insert(who);
        }
    }

    /// Who has the track has these numbers from now on (+1), or no more (-1).
    pub fn owner(&mut self, who: Who, owner: Subject, cells: Vec<Cell>, diff: i64) {
        let Some(page) = self.pages.iter().find(|page| page.subject == who.0) else { return };
        let known = self.known.entry(who).or_insert_with(|| Known::blank(&page.sheet));
        match known.owners.iter().position(|(of, told, _)| *of == owner && *told == cells) {
            None => known.owners.push((owner, cells, diff)),
            Some(at) if known.owners[at].2 + diff == 0 => drop(known.owners.swap_remove(at)),
            Some(at) => known.owners[at].2 += diff,
        }
        // Nobody asks of a track that has no row.
        if known.rows != 0 || known.owners.is_empty() {
            self.changed.insert(who);
        }
    }

    /// The next tick at which somebody is asked again.
    pub fn due(&self) -> Option<Tick> {
        self.turns.keys().next().copied()
    }

    /// A tick begins.
    pub fn open(&mut self, tick: Tick) {
        while let Some(entry) = self.turns.first_entry().filter(|entry| *entry.key() <= tick) {
            let (turn, due) = entry.remove_entry();
            let waits = |who: &Who| self.known.get(who).is_some_and(|known| known.turn == Some(turn));
            self.changed.extend(due.into_iter().filter(waits));
        }
    }

    /// The tick is complete: the rules that hold for each subject of which something changed, by their places.
    pub fn close(&mut self, tick: Tick) -> Vec<(Who, Vec<Place>)> {
        let mut held = Vec::with_capacity(self.changed.len());
        for who in self.changed.drain() {
            let page = self.pages.iter().find(|page| page.subject == who.0);
            let Some((page, known)) = page.zip(self.known.get_mut(&who)) else { continue };
            known.fill(&page.sheet);
            let as_of = self.clock.instant(tick);
            let is_asked = |rule: &&Rule| known.rows & (1 << rule.window) != 0 && tick < rule.until;
            let asked = page.rules.iter().filter(is_asked);
            let holds = asked.clone().filter(|rule| rule.question.holds(&known.cells, as_of));
            held.push((who, holds.map(|rule| rule.place).collect()));
            let turns = asked.flat_map(|rule| rule.question.turns(&known.cells));
            // What is compared is a quotient: where it is exact and where it is a millisecond off it is asked.
            let turns = turns.flat_map(|at| [-2, -1, 0, 1].map(|off| self.clock.first_after(at.saturating_add(off))));
            let turn = turns.filter(|turn| *turn > tick).min();
            if turn != known.turn {
                known.turn = turn;
                turn.into_iter().for_each(|turn| self.turns.entry(turn).or_default().push(who));
            }
            if known.is_blank(&page.sheet) {
                self.known.remove(&who);
            }
        }
        held
    }
}

impl Known {
    fn blank(sheet: &Sheet) -> Known {
        Known { rows: 0, cells: sheet.blank(sheet.all()), owners: Vec::new(), turn: None }
    }

    /// Whether the next one of whom nothing is known would be the same.
    fn is_blank(&self, sheet: &Sheet) -> bool {
        self.rows == 0 && self.owners.is_empty() && self.cells == sheet.blank(sheet.all())
    }

    /// Puts the numbers of who has it where they belong.
    fn fill(&mut self, sheet: &Sheet) {
        for axis in [Axis::Artist, Axis::Uploader] {
            let part = sheet.part(Source::Owner(axis));
            let told = self.owners.iter().find(|(of, _, count)| *of == subject(axis) && *count > 0);
            match told {
                Some((_, cells, _)) => self.cells[part].copy_from_slice(cells),
                None => self.cells[part.clone()].copy_from_slice(&sheet.blank(part)),
            }
        }
    }
}

/// The artists or uploaders of one worker, and what rules about tracks read of their rows.
pub(super) struct Owners {
    owner: Axis,
    sheet: Sheet,
    windows_ms: Vec<Millis>,
    owners: HashMap<Key, Owner>,
    touched: HashSet<Key>,
}

struct Owner {
    /// Whether it has a row in the longest window: without one it has none at all.
    is_there: bool,
    cells: Vec<Cell>,
    said: Option<Vec<Cell>>,
}

impl Owners {
    pub fn new(owner: Axis, sheet: Sheet, windows_ms: Vec<Millis>) -> Owners {
        Owners { owner, sheet, windows_ms, owners: HashMap::new(), touched: HashSet::new() }
    }
}

impl Keep for Owners {
    type In = RowChange;
    type Out = Update<(Key, Vec<Cell>)>;

    fn take(&mut self, _tick: Tick, ((window, key), row): RowChange, _out: &mut Vec<Self::Out>) {
        let whole = self.sheet.part(Source::Owner(self.owner));
        let part = self.sheet.part_of_owner(self.owner, self.windows_ms[usize::from(window)]);
        let is_longest = usize::from(window) + 1 == self.windows_ms.len();
        if part.is_empty() && !is_longest {
            return;
        }
        let owner = self.owners.entry(key).or_insert_with(|| Owner {
            is_there: false,
            cells: self.sheet.of_row(whole.clone(), None),
            said: None,
        });
        if is_longest {
            owner.is_there = row.is_some();
        }
        let cells = self.sheet.of_row(part.clone(), row.as_ref());
        owner.cells[part.start - whole.start..part.end - whole.start].copy_from_slice(&cells);
        self.touched.insert(key);
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Self::Out>) {
        for key in self.touched.drain() {
            let Some(owner) = self.owners.get_mut(&key) else { continue };
            let now = owner.is_there.then(|| owner.cells.clone());
            if now != owner.said {
                out.extend(owner.said.take().map(|old| ((key, old), tick, -1)));
                out.extend(now.clone().map(|new| ((key, new), tick, 1)));
                owner.said = now;
            }
            if !owner.is_there {
                self.owners.remove(&key);
            }
        }
    }
}
