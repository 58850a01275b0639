//! Keeps what is usual among tracks, or accounts, of one size, and tells each of them when that changes.
//!
//! ```text
//! rows of the longest window ──▶ Sizes ──▶ (size, who, measures) ──▶ Cohorts ──▶ (who, what is usual)
//! ```

use features::WindowRow;
use features::cohort::{Cohort, Measured, Usual, Yardstick};
use hashbrown::{HashMap, HashSet};
use records::Key;
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;

use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};

/// This is usual among those of its size from now on (+1) or no more (-1).
pub(crate) type UsualChange = (Key, Usual, i64);

/// What is usual for each of those whose rows of the longest window these are.
pub(crate) fn usual<'scope>(
    rows: StreamVec<'scope, Tick, (Key, Option<WindowRow>)>,
    yardstick: &'static Yardstick,
    until: Tick,
) -> StreamVec<'scope, Tick, UsualChange> {
    let route = |(member, _): &(Key, Option<WindowRow>)| mix(member.0);
    let members = keep(rows, "Sizes", route, until, Sizes::new(yardstick));
    keep(members, "Cohorts", |member: &Member| mix(member.size.into()), until, Cohorts::new(yardstick))
}

/// Somebody in the cohort of a size.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Member {
    size: u8,
    key: Key,
    /// What it is from now on; `None` when it is of that size no more.
    measured: Option<Measured>,
}

/// The size of each of one worker's tracks or accounts.
struct Sizes {
    yardstick: &'static Yardstick,
    sizes: HashMap<Key, u8>,
    changed: HashMap<Key, Option<WindowRow>>,
}

impl Sizes {
    fn new(yardstick: &'static Yardstick) -> Sizes {
        Sizes { yardstick, sizes: HashMap::new(), changed: HashMap::new() }
    }
}

impl Keep for Sizes {
    type In = (Key, Option<WindowRow>);
    type Out = Member;

    fn take(&mut self, _tick: Tick, (key, row): Self::In, _out: &mut Vec<Member>) {
        self.changed.insert(key, row);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<Member>) {
        for (key, row) in self.changed.drain() {
            let new = row.map(|row| (self.yardstick.size_of(&row), self.yardstick.measured(&row)));
            let old = match new {
                Some((size, _)) => self.sizes.insert(key, size),
                None => self.sizes.remove(&key),
            };
            let left = old.filter(|old| new.is_none_or(|(size, _)| size != *old));
            out.extend(left.map(|size| Member { size, key, measured: None }));
            out.extend(new.map(|(size, measured)| Member { size, key, measured: Some(measured) }));
        }
    }
}

/// A cohort, and what its members were told.
#[derive(Default)]
struct Told {
    cohort: Cohort,
    members: HashMap<Key, (Measured, Option<Usual>)>,
    said: Option<Usual>,
    /// Who came in the open tick, and who went with what they were told.
    came: Vec<Key>,
    went: Vec<(Key, Option<Usual>)>,
}

impl Told {
    fn put(&mut self, key: Key, measured: Option<Measured>) {
        let told = self.members.get(&key).and_then(|(_, told)| *told);
        let old = match measured {
            Some(measured) => self.members.insert(key, (measured, told)),
            None => self.members.remove(&key),
        };
        match (old, measured) {
            (None, Some(_)) => self.came.push(key),
            (Some((_, told)), None) => self.went.push((key, told)),
            _ => {}
        }
        if let Some(measured) = measured {
            self.cohort += measured;
        }
        if let Some((measured, _)) = old {
            self.cohort -= measured;
        }
    }

    fn say(&mut self, yardstick: &Yardstick, out: &mut Vec<UsualChange>) {
        let Told { cohort, members, said, came, went } = self;
        let mut tell = |key: Key, told: Option<Usual>, usual: Option<Usual>| {
            if told != usual {
                out.extend(told.map(|old| (key, old, -1)));
                out.extend(usual.map(|new| (key, new, 1)));
            }
        };
        went.drain(..).for_each(|(key, told)| tell(key, told, None));
        let usual = yardstick.usual(cohort);
        let mut say = |key: Key, told: &mut Option<Usual>| tell(key, std::mem::replace(told, usual), usual);
        match usual == *said {
            true => came.iter().for_each(|key| {
                members.get_mut(key).into_iter().for_each(|(_, told)| say(*key, told));
            }),
            false => members.iter_mut().for_each(|(key, (_, told))| say(*key, told)),
        }
        came.clear();
        *said = usual;
    }
}

/// The cohorts of one worker.
struct Cohorts {
    yardstick: &'static Yardstick,
    cohorts: HashMap<u8, Told>,
    touched: HashSet<u8>,
}

impl Cohorts {
    fn new(yardstick: &'static Yardstick) -> Cohorts {
        Cohorts { yardstick, cohorts: HashMap::new(), touched: HashSet::new() }
    }
}

impl Keep for Cohorts {
    type In = Member;
    type Out = UsualChange;

    fn take(&mut self, _tick: Tick, Member { size, key, measured }: Member, _out: &mut Vec<UsualChange>) {
        self.cohorts.entry(size).or_default().put(key, measured);
        self.touched.insert(size);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<UsualChange>) {
        for size in self.touched.drain() {
            if let Some(cohort) = self.cohorts.get_mut(&size) {
                cohort.say(self.yardstick, out);
            }
        }
    }
}
