//! Keeps the company of every account current: who else plays the rare tracks that it plays, in the longest window.
//!
//! ```text
//! turns ──▶ by track ──▶ its listeners, while they are few ──▶ shifts, by account ──▶ company
//! ```

use features::company::{Circle, Company, Listeners, RARE_LISTENERS_MAX, Shift, shifts};
use features::counts::Counts;
use hashbrown::{HashMap, HashSet};
use records::Key;
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map;

use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};
use crate::windows::Turn;

/// The company of an account as of now.
pub type CompanyChange = (Key, Company);

/// The company of all accounts in this window of the turns.
pub(crate) fn companies<'scope>(
    turns: StreamVec<'scope, Tick, Turn>,
    window: usize,
    until: Tick,
) -> StreamVec<'scope, Tick, CompanyChange> {
    let listens = turns.flat_map(move |turn| match turn {
        Turn::Play { play, windows, enters, .. } if windows & (1 << window) != 0 => {
            Some(Listen { track: play.track, account: play.account, enters })
        }
        _ => None,
    });
    let shifts = keep(listens, "Listeners", |listen| mix(listen.track.0), until, Audiences::default());
    keep(shifts, "Company", |(account, _): &(Key, Shift)| mix(account.0), until, Circles::default())
}

/// A play begins or ceases to count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Listen {
    track: Key,
    account: Key,
    enters: bool,
}

/// The kind of value that is counted; kind 0 would keep shares, which nobody asks for.
const LISTENER: usize = 1;

/// Who plays each of one worker's tracks.
#[derive(Default)]
struct Audiences {
    plays: HashMap<Key, Counts<1>>,
    /// The listeners when the tick was opened, of tracks that were played since.
    before: HashMap<Key, Listeners>,
}

/// The listeners, if they are few.
fn few(plays: &Counts<1>) -> Listeners {
    (plays.len(LISTENER) <= RARE_LISTENERS_MAX).then(|| plays.values(LISTENER, 0))
}

impl Keep for Audiences {
    type In = Listen;
    type Out = (Key, Shift);

    fn look(&self, listens: &[Listen]) {
        let known = |listen: &Listen| self.plays.get(&listen.track).map_or(0, Counts::look_at_all);
        std::hint::black_box(listens.iter().map(known).fold(0, std::ops::BitXor::bitxor));
    }

    fn take(&mut self, _tick: Tick, listen: Listen, _out: &mut Vec<(Key, Shift)>) {
        let plays = self.plays.entry(listen.track).or_default();
        self.before.entry(listen.track).or_insert_with(|| few(plays));
        plays.count(LISTENER, listen.account.0, 1, listen.enters, |_, _, _| {});
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<(Key, Shift)>) {
        for (track, before) in self.before.drain() {
            let Some(plays) = self.plays.get(&track) else { continue };
            shifts(&before, &few(plays), mix, |account, shift| out.push((Key(account), shift)));
            if plays.is_empty() {
                self.plays.remove(&track);
            }
        }
    }
}

/// The circles of one worker's accounts.
#[derive(Default)]
struct Circles {
    circles: HashMap<Key, Circle>,
    touched: HashSet<Key>,
}

impl Keep for Circles {
    type In = (Key, Shift);
    type Out = CompanyChange;

    fn take(&mut self, _tick: Tick, (account, shift): (Key, Shift), _out: &mut Vec<CompanyChange>) {
        self.circles.entry(account).or_default().add(&shift);
        self.touched.insert(account);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<CompanyChange>) {
        for account in self.touched.drain() {
            let Some(circle) = self.circles.get(&account) else { continue };
            out.push((account, circle.company()));
            if circle.is_empty() {
                self.circles.remove(&account);
            }
        }
    }
}
