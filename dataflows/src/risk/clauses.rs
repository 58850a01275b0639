//! Rules that people wrote as conditions, asked of every row that changed and laid beside what signals say.
//!
//! ```text
//! rows of window views ──conditions not over yet──▶ which hold ──┐
//! rows, what is told, signals, owners of tracks ──▶ sheets ──▶ which hold, of those that read more than one table
//!                                     judgements ────────────────┴──▶ Clauses ──▶ judgements with the rules in force that match
//! ```

use std::ops::Range;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use features::WindowRow;
use features::condition::{Cell, Condition, Sheet, Source};
use features::tally::Axis;
use hashbrown::{HashMap, HashSet};
use records::{Key, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concatenate, Operator};

use super::catalogue::ByKey;
use super::sheets::{Owners, Sheets};
use super::{Entry, Judgement, JudgementChange, Judging, updates};
use crate::clock::{Clock, Tick};
use crate::keep::{Keep, keep, mix};
use crate::tallies::RowChange;

/// A condition on the subjects of one view and window, and when it is a rule.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose rows.
    pub axis: Axis,
    /// The place of the window among the window views.
    pub window: u8,
    /// What is asked.
    pub condition: Condition,
    /// The ticks at which it is in force, in order; between two of them lies a tick at which it is not.
    pub in_force: Vec<Range<Tick>>,
}

/// The place of a rule among those that are asked: a policy may be a table of more rules than 16 bits count.
pub type Place = u32;

impl Asked {
    /// Whether it is in force at the tick.
    pub fn is_in_force(&self, tick: Tick) -> bool {
        self.in_force.iter().any(|ticks| ticks.contains(&tick))
    }

    /// The first tick from which on it is in force no more: nobody needs to know then for whom it holds.
    pub(super) fn until(&self) -> Tick {
        self.in_force.last().map_or(0, |ticks| ticks.end)
    }

    /// Whether it reads rows of the view.
    pub fn reads(&self, axis: Axis) -> bool {
        let mut sources = self.condition.columns().iter().map(|seen| seen.source());
        self.axis == axis || sources.any(|source| source == Source::Owner(axis))
    }
}

/// The subject whose rows a view holds.
pub(super) fn subject(axis: Axis) -> Subject {
    match axis {
        Axis::Account => Subject::Account,
        Axis::Track => Subject::Track,
        Axis::Artist => Subject::Artist,
        Axis::Uploader => Subject::Uploader,
        Axis::Playlist => Subject::Playlist,
        Axis::Distributor => Subject::Distributor,
    }
}

/// What rules read beside judgements.
pub(super) struct Tables<'scope> {
    /// Rows of all window views.
    pub rows: Vec<(Axis, StreamVec<'scope, Tick, RowChange>)>,
    /// What comes into force.
    pub entries: StreamVec<'scope, Tick, Entry>,
    /// The tracks of each artist.
    pub performed: ByKey<'scope, Key>,
    /// The tracks of each uploader.
    pub uploaded: ByKey<'scope, Key>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum News {
    Judged(JudgementChange),
    /// The conditions that hold for the subject's row of a window, by their places.
    Held((Subject, Key), u8, Vec<Place>),
    /// The cells of the subject's row of a window.
    Row((Subject, Key), u8, Option<Vec<Cell>>),
    /// What is told of the subject.
    Told((Subject, Key), Vec<Cell>),
    /// The numbers of who has the track: these are (+1), or are no more (-1).
    Owner((Subject, Key), Subject, Vec<Cell>, i64),
}

/// The judgements, with the rules that match.
pub(super) fn beside<'scope>(
    judged: StreamVec<'scope, Tick, JudgementChange>,
    tables: Tables<'scope>,
    judging: &Judging,
    clock: Clock,
    until: Tick,
) -> StreamVec<'scope, Tick, JudgementChange> {
    let scope = judged.scope();
    let asked = &judging.clauses;
    let sheet_of = |axis: Axis| Sheet::of(axis, asked.iter().map(|asked| &asked.condition));
    let mut news = vec![judged.map(News::Judged)];
    for (axis, rows) in tables.rows {
        let simple = simple(axis, judging);
        if simple.iter().any(|places| !places.is_empty()) {
            news.push(ask(rows.clone(), axis, simple, asked.clone()));
        }
        let sheet = sheet_of(axis);
        if !sheet.is_empty() {
            let parts = parts(&sheet, axis, judging);
            news.push(rows.clone().flat_map(move |((window, key), row)| {
                let part = parts[usize::from(window)].clone()?;
                let cells = row.map(|row| sheet.of_row(part, Some(&row)));
                Some(News::Row((subject(axis), key), window, cells))
            }));
        }
        let tracks = match axis {
            Axis::Artist => &tables.performed,
            Axis::Uploader => &tables.uploaded,
            Axis::Account | Axis::Track | Axis::Playlist | Axis::Distributor => continue,
        };
        let sheet = sheet_of(Axis::Track);
        if !sheet.part(Source::Owner(axis)).is_empty() {
            let owners = Owners::new(axis, sheet, judging.windows_ms.clone());
            let owners = keep(rows, "OwnersOfRules", |((_, key), _): &RowChange| mix(key.0), until, owners);
            let owners = owners.as_collection().arrange_by_key_named("OwnersOfRules");
            let told = tracks.clone().join_core(owners, |_, track, cells| Some((*track, cells.clone())));
            news.push(updates(told, move |(track, cells), diff| {
                News::Owner((Subject::Track, track), subject(axis), cells, diff as i64)
            }));
        }
    }
    if Axis::ALL.into_iter().any(|axis| !sheet_of(axis).part(Source::Told).is_empty()) {
        news.push(tables.entries.flat_map(|entry| match entry {
            Entry::Told(subject, key, cells) => Some(News::Told((subject, key), cells)),
            Entry::Release(..) | Entry::Segment(..) | Entry::Territory(..) => None,
            Entry::Heard(..) | Entry::Recording(..) | Entry::Ruling(..) => None,
        }));
    }
    let route = |news: &News| match news {
        News::Judged(((_, key), _))
        | News::Held((_, key), ..)
        | News::Row((_, key), ..)
        | News::Told((_, key), _)
        | News::Owner((_, key), ..) => mix(key.0),
    };
    keep(scope.concatenate(news), "Clauses", route, until, Clauses::new(judging, clock))
}

/// For each window the part of the sheet that its rows fill; `None` where no rule reads it or asks for its row.
fn parts(sheet: &Sheet, axis: Axis, judging: &Judging) -> Vec<Option<Range<usize>>> {
    let is_asked = |window: usize| {
        let mut asked = judging.clauses.iter().filter(|asked| !asked.condition.is_of_one_row());
        asked.any(|asked| (asked.axis, usize::from(asked.window)) == (axis, window))
    };
    let windows = judging.windows_ms.iter().enumerate();
    windows
        .map(|(window, length)| {
            let part = sheet.part(Source::Row(*length));
            (!part.is_empty() || is_asked(window)).then_some(part)
        })
        .collect()
}

/// For each window the rules that read nothing but its row.
fn simple(axis: Axis, judging: &Judging) -> Vec<Vec<Place>> {
    let mut simple = vec![Vec::new(); judging.windows_ms.len()];
    for (place, asked) in (0..).zip(judging.clauses.iter()) {
        if asked.axis == axis && asked.condition.is_of_one_row() {
            simple[usize::from(asked.window)].push(place);
        }
    }
    simple
}

/// Asks every row that changed the rules of its window that are in force or will be: a row that stays as it is is asked no second time.
fn ask<'scope>(
    rows: StreamVec<'scope, Tick, RowChange>,
    axis: Axis,
    simple: Vec<Vec<Place>>,
    asked: Arc<[Asked]>,
) -> StreamVec<'scope, Tick, News> {
    rows.unary(Pipeline, "Conditions", move |_capability, _info| {
        move |input, output| {
            input.for_each(|held, rows| {
                let Some(held) = held.retain_least(output.output_index()) else { return };
                let tick = *held.time();
                output.session(&held).give_iterator(rows.drain(..).filter_map(|((window, key), row)| {
                    let places = &simple[usize::from(window)];
                    let holding = holding(&asked, places, row.as_ref(), tick);
                    (!places.is_empty()).then(|| News::Held((subject(axis), key), window, holding))
                }));
            });
        }
    })
}

/// Which of the rules hold for the row; without one, none does.
fn holding(asked: &[Asked], places: &[Place], row: Option<&WindowRow>, tick: Tick) -> Vec<Place> {
    let Some(row) = row else { return Vec::new() };
    let holds = |place: &Place| {
        let asked = &asked[*place as usize];
        tick < asked.until() && asked.condition.holds(row)
    };
    places.iter().copied().filter(holds).collect()
}

/// Stands for a window where conditions read more than one table.
const SEVERAL: u8 = u8::MAX;

#[derive(Default)]
struct Case {
    judged: Option<Judgement>,
    /// Windows and the conditions that hold in them.
    held: Vec<(u8, Place)>,
    said: Option<Judgement>,
}

struct Clauses {
    asked: Arc<[Asked]>,
    /// Ticks at which a rule begins or ends, latest first, and its place.
    turns: Vec<(Tick, Place)>,
    /// The subjects for which each condition holds, by its place.
    held: Vec<HashSet<(Subject, Key)>>,
    cases: HashMap<(Subject, Key), Case>,
    touched: HashSet<(Subject, Key)>,
    /// What is known of subjects for conditions that read more than one table.
    sheets: Sheets,
}

impl Clauses {
    fn new(judging: &Judging, clock: Clock) -> Clauses {
        let asked = judging.clauses.clone();
        let mut turns: Vec<(Tick, Place)> = Vec::new();
        for (place, asked) in (0..).zip(asked.iter()) {
            turns.extend(asked.in_force.iter().flat_map(|ticks| [(ticks.start, place), (ticks.end, place)]));
        }
        turns.sort_unstable_by(|a, b| b.cmp(a));
        let held = vec![HashSet::new(); asked.len()];
        let sheets = Sheets::new(judging, clock);
        Clauses { asked, turns, held, cases: HashMap::new(), touched: HashSet::new(), sheets }
    }

    /// Of the conditions that are asked in a window these hold for the subject.
    fn hold(&mut self, subject: (Subject, Key), window: u8, held: Vec<Place>) {
        if held.is_empty() && !self.cases.contains_key(&subject) {
            return;
        }
        let case = self.cases.entry(subject).or_default();
        let is_of = |(of, _): &(u8, Place)| *of == window;
        if case.held.iter().copied().filter(is_of).map(|(_, place)| place).eq(held.iter().copied()) {
            return;
        }
        case.held.iter().filter(|held| is_of(held)).for_each(|(_, place)| {
            self.held[*place as usize].remove(&subject);
        });
        case.held.retain(|held| !is_of(held));
        for place in held {
            self.held[place as usize].insert(subject);
            case.held.push((window, place));
        }
        self.touched.insert(subject);
    }
}

impl Keep for Clauses {
    type In = News;
    type Out = JudgementChange;

    fn due(&self) -> Option<Tick> {
        self.turns.last().map(|(tick, _)| *tick).into_iter().chain(self.sheets.due()).min()
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<JudgementChange>) {
        while let Some((_, place)) = self.turns.pop_if(|(turn, _)| *turn <= tick) {
            self.touched.extend(&self.held[place as usize]);
        }
        self.sheets.open(tick);
    }

    fn take(&mut self, _tick: Tick, news: News, _out: &mut Vec<JudgementChange>) {
        match news {
            News::Judged((subject, judged)) => {
                self.sheets.signals(subject, judged.as_ref().map_or(&[][..], |judged| &judged.signals));
                self.cases.entry(subject).or_default().judged = judged;
                self.touched.insert(subject);
            }
            News::Held(subject, window, held) => self.hold(subject, window, held),
            News::Row(subject, window, cells) => self.sheets.row(subject, window, cells.as_deref()),
            News::Told(subject, cells) => self.sheets.told(subject, &cells),
            News::Owner(track, owner, cells, diff) => self.sheets.owner(track, owner, cells, diff),
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<JudgementChange>) {
        for (subject, held) in self.sheets.close(tick) {
            self.hold(subject, SEVERAL, held);
        }
        for subject in self.touched.drain() {
            let Some(case) = self.cases.get_mut(&subject) else { continue };
            let in_force = |place: &Place| self.asked[*place as usize].is_in_force(tick);
            let mut rules: Vec<Place> = case.held.iter().map(|(_, place)| *place).filter(in_force).collect();
            rules.sort_unstable();
            let now = match (&case.judged, rules.is_empty()) {
                (None, true) => None,
                (None, false) => Some(Judgement { rules, ..Judgement::default() }),
                (Some(judged), _) => Some(Judgement { rules, ..judged.clone() }),
            };
            if now != case.said {
                out.push((subject, now.clone()));
                case.said = now;
            }
            if case.judged.is_none() && case.held.is_empty() {
                self.cases.remove(&subject);
            }
        }
    }
}
