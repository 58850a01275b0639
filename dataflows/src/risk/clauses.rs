//! Rules that people wrote as conditions, asked of every row that changed and laid beside what signals say.
//!
//! ```text
//! rows of window views ──conditions──▶ which hold ──┐
//!                                     judgements ───┴──▶ Clauses ──▶ judgements with the rules in force that match
//! ```

use std::sync::Arc;

use features::WindowRow;
use features::condition::Condition;
use features::tally::Axis;
use hashbrown::{HashMap, HashSet};
use records::{Key, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::vec::Map;

use super::{Judgement, JudgementChange};
use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};
use crate::tallies::RowChange;

/// A condition on the rows of one view and window, and when it is a rule.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose rows.
    pub axis: Axis,
    /// The place of the window among the window views.
    pub window: u8,
    /// What is asked.
    pub condition: Condition,
    /// The first tick at which it is in force.
    pub from: Tick,
    /// The first tick at which it is not any more.
    pub until: Tick,
}

/// The subject whose rows a view holds.
fn subject(axis: Axis) -> Subject {
    match axis {
        Axis::Account => Subject::Account,
        Axis::Track => Subject::Track,
        Axis::Artist => Subject::Artist,
        Axis::Uploader => Subject::Uploader,
        Axis::Playlist => Subject::Playlist,
        Axis::Distributor => Subject::Distributor,
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum News {
    Judged(JudgementChange),
    /// The conditions that hold for the subject's row of a window, by their places.
    Held((Subject, Key), u8, Vec<u16>),
}

/// The judgements, with the rules that match.
pub(super) fn beside<'scope>(
    judged: StreamVec<'scope, Tick, JudgementChange>,
    rows: Vec<(Axis, StreamVec<'scope, Tick, RowChange>)>,
    asked: &Arc<[Asked]>,
    until: Tick,
) -> StreamVec<'scope, Tick, JudgementChange> {
    let scope = judged.scope();
    let mut news = vec![judged.map(News::Judged)];
    for (axis, rows) in rows {
        let asked = asked.clone();
        if asked.iter().any(|asked| asked.axis == axis) {
            news.push(rows.flat_map(move |((window, key), row)| {
                let held = held(&asked, axis, window, row.as_ref())?;
                Some(News::Held((subject(axis), key), window, held))
            }));
        }
    }
    let route = |news: &News| match news {
        News::Judged(((_, key), _)) | News::Held((_, key), ..) => mix(key.0),
    };
    keep(scope.concatenate(news), "Clauses", route, until, Clauses::new(asked.clone()))
}

/// Which conditions hold for the row, by their places; `None` where none is asked of such a row.
fn held(asked: &[Asked], axis: Axis, window: u8, row: Option<&WindowRow>) -> Option<Vec<u16>> {
    let mut is_asked = false;
    let mut held = Vec::new();
    for (place, asked) in asked.iter().enumerate() {
        if (asked.axis, asked.window) == (axis, window) {
            is_asked = true;
            if row.is_some_and(|row| asked.condition.holds(row)) {
                held.push(place as u16);
            }
        }
    }
    is_asked.then_some(held)
}

#[derive(Default)]
struct Case {
    judged: Option<Judgement>,
    /// Windows and the conditions that hold in them.
    held: Vec<(u8, u16)>,
    said: Option<Judgement>,
}

struct Clauses {
    asked: Arc<[Asked]>,
    /// Ticks at which a rule begins or ends, latest first, and its place.
    turns: Vec<(Tick, u16)>,
    /// The subjects for which each condition holds, by its place.
    held: Vec<HashSet<(Subject, Key)>>,
    cases: HashMap<(Subject, Key), Case>,
    touched: HashSet<(Subject, Key)>,
}

impl Clauses {
    fn new(asked: Arc<[Asked]>) -> Clauses {
        let places = asked.iter().zip(0..);
        let mut turns: Vec<(Tick, u16)> =
            places.flat_map(|(asked, place)| [(asked.from, place), (asked.until, place)]).collect();
        turns.sort_unstable_by(|a, b| b.cmp(a));
        let held = vec![HashSet::new(); asked.len()];
        Clauses { asked, turns, held, cases: HashMap::new(), touched: HashSet::new() }
    }
}

impl Keep for Clauses {
    type In = News;
    type Out = JudgementChange;

    fn due(&self) -> Option<Tick> {
        self.turns.last().map(|(tick, _)| *tick)
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<JudgementChange>) {
        while let Some((_, place)) = self.turns.pop_if(|(turn, _)| *turn <= tick) {
            self.touched.extend(&self.held[usize::from(place)]);
        }
    }

    fn take(&mut self, _tick: Tick, news: News, _out: &mut Vec<JudgementChange>) {
        match news {
            News::Judged((subject, judged)) => {
                self.cases.entry(subject).or_default().judged = judged;
                self.touched.insert(subject);
            }
            News::Held(subject, window, held) => {
                if held.is_empty() && !self.cases.contains_key(&subject) {
                    return;
                }
                let case = self.cases.entry(subject).or_default();
                let is_of = |(of, _): &(u8, u16)| *of == window;
                if case.held.iter().copied().filter(is_of).map(|(_, place)| place).eq(held.iter().copied()) {
                    return;
                }
                case.held.iter().filter(|held| is_of(held)).for_each(|(_, place)| {
                    self.held[usize::from(*place)].remove(&subject);
                });
                case.held.retain(|held| !is_of(held));
                for place in held {
                    self.held[usize::from(place)].insert(subject);
                    case.held.push((window, place));
                }
                self.touched.insert(subject);
            }
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<JudgementChange>) {
        for subject in self.touched.drain() {
            let Some(case) = self.cases.get_mut(&subject) else { continue };
            let in_force = |place: &u16| {
                let Asked { from, until, .. } = self.asked[usize::from(*place)];
                (from..until).contains(&tick)
            };
            let mut rules: Vec<u16> = case.held.iter().map(|(_, place)| *place).filter(in_force).collect();
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
