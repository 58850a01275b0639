//! Keeps the pairs of accounts that play the same tracks in the same ten minutes.
//!
//! ```text
//! turns ──▶ by (track, ten minutes) ──▶ pairs of its accounts ──▶ by pair ──▶ shared buckets, if at least 5
//! ```
//!
//! A bucket of more than 50 accounts is popularity, not lockstep, and makes no pairs.

use std::hint::black_box;
use std::ops::BitXor;

use features::counts::Counts;
use hashbrown::HashMap;
use records::{Key, Millis};
use serde::{Deserialize, Serialize};

use crate::clock::Tick;
use crate::keep::{Keep, mix};
use crate::links::net;

/// Two plays of a track within one such bucket are played together.
pub const BUCKET_MS: Millis = 600_000;
/// A bucket of more accounts makes no pairs (the contract of the view).
pub const BUCKET_ACCOUNTS_MAX: u32 = 50;
/// A pair of accounts is in lockstep from so many shared buckets on (the contract of the view).
pub const SHARED_MIN: u32 = 5;

/// A play in a bucket begins or ceases to count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Who played.
    pub account: Key,
    /// What.
    pub track: Key,
    /// In which ten minutes since the epoch the play ended.
    pub bucket: u32,
    /// Whether it begins to count.
    pub enters: bool,
}

/// Where the step's bucket lives.
pub fn route_step(step: &Step) -> u64 {
    mix(step.track.0 ^ mix(u64::from(step.bucket)))
}

/// Two accounts, the smaller key first.
pub type Pair = (Key, Key);

/// Where the pair lives.
pub fn route_pair(step: &(Pair, i8)) -> u64 {
    let (a, b) = step.0;
    mix(a.0 ^ mix(b.0))
}

/// Most buckets hold a single account, and need no table.
enum Players {
    One(Key, u32),
    Many(Box<Crowd>),
}

struct Crowd {
    plays: Counts<1>,
    /// Accounts that came or went since the tick was opened.
    moves: Vec<(Key, bool)>,
}

/// The buckets of one worker.
#[derive(Default)]
pub struct Buckets {
    players: HashMap<(Key, u32), Players>,
    touched: Vec<(Key, u32)>,
}

impl Keep for Buckets {
    type In = Step;
    type Out = (Pair, i8);

    fn look(&self, steps: &[Step]) {
        let known = |step: &Step| u32::from(self.players.contains_key(&(step.track, step.bucket)));
        black_box(steps.iter().map(known).sum::<u32>());
    }

    fn take(&mut self, _tick: Tick, step: Step, _out: &mut Vec<(Pair, i8)>) {
        let place = (step.track, step.bucket);
        let players = self.players.entry(place).or_insert(Players::One(step.account, 0));
        if let Players::One(account, plays) = players {
            if *account == step.account {
                *plays = if step.enters { *plays + 1 } else { *plays - 1 };
                if *plays == 0 {
                    self.players.remove(&place);
                }
                return;
            }
            let mut crowd = Crowd { plays: Counts::default(), moves: Vec::new() };
            for _ in 0..*plays {
                crowd.plays.count(0, account.0, 1, true, |_, _, _| {});
            }
            *players = Players::Many(Box::new(crowd));
        }
        let Players::Many(crowd) = players else { return };
        let Crowd { plays, moves } = &mut **crowd;
        let untouched = moves.is_empty();
        plays.count(0, step.account.0, 1, step.enters, |_, from, to| {
            if from == 0 || to == 0 {
                moves.push((step.account, to > 0));
            }
        });
        if untouched && !moves.is_empty() {
            self.touched.push(place);
        }
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<(Pair, i8)>) {
        for place in self.touched.drain(..) {
            let Some(Players::Many(crowd)) = self.players.get_mut(&place) else { continue };
            let moves = net(&mut crowd.moves);
            let now: Vec<Key> = crowd.plays.values(0, 0).into_iter().map(|(account, _)| Key(account)).collect();
            push_pairs(&now, &moves, out);
            if now.is_empty() {
                self.players.remove(&place);
            }
        }
    }
}

/// The pairs that a bucket gains and loses when its accounts become `now` by these moves.
fn push_pairs(now: &[Key], moves: &[(Key, bool)], out: &mut Vec<(Pair, i8)>) {
    let side = |came: bool| moves.iter().filter(move |m| m.1 == came).map(|m| m.0).collect::<Vec<_>>();
    let (came, went) = (side(true), side(false));
    let pairs = |accounts: usize| accounts as u32 <= BUCKET_ACCOUNTS_MAX;
    let before = now.len() - came.len() + went.len();
    let (before_pairs, now_pairs) = (pairs(before), pairs(now.len()));
    if !before_pairs && !now_pairs {
        return; // As popular as it was: it made no pairs and makes none.
    }
    // Moves are sorted by account, and so is each side of them.
    let stayed: Vec<Key> = now.iter().copied().filter(|account| came.binary_search(account).is_err()).collect();
    let mut across = |some: &[Key], others: &[Key], sign| {
        for (at, a) in some.iter().enumerate() {
            for b in some[at + 1..].iter().chain(others) {
                out.push(((*a.min(b), *a.max(b)), sign));
            }
        }
    };
    if before_pairs {
        across(&went, &stayed, -1);
    }
    if now_pairs {
        across(&came, &stayed, 1);
    }
    // The accounts that stayed are paired before and after, unless the bucket crossed the line.
    match (before_pairs, now_pairs) {
        (true, false) => across(&stayed, &[], -1),
        (false, true) => across(&stayed, &[], 1),
        _ => {}
    }
}

/// How many buckets the pair shares as of now; `None` when fewer than [`SHARED_MIN`].
pub type PairChange = (Pair, Option<u32>);

/// The shared buckets of one worker's pairs.
#[derive(Default)]
pub struct Pairs {
    shared: HashMap<Pair, u32>,
    /// Pairs that are in lockstep or were when the tick was opened, with what they shared then.
    touched: HashMap<Pair, u32>,
}

impl Keep for Pairs {
    type In = (Pair, i8);
    type Out = PairChange;

    fn look(&self, steps: &[(Pair, i8)]) {
        black_box(steps.iter().filter_map(|(pair, _)| self.shared.get(pair)).fold(0, BitXor::bitxor));
    }

    fn take(&mut self, _tick: Tick, (pair, sign): (Pair, i8), _out: &mut Vec<PairChange>) {
        let shared = self.shared.entry(pair).or_insert(0);
        let from = *shared;
        *shared = from.wrapping_add_signed(i32::from(sign));
        if from.max(*shared) >= SHARED_MIN {
            self.touched.entry(pair).or_insert(from);
        }
        if *shared == 0 {
            self.shared.remove(&pair);
        }
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<PairChange>) {
        let said = |shared: u32| (shared >= SHARED_MIN).then_some(shared);
        for (pair, before) in self.touched.drain() {
            let (before, now) = (said(before), said(self.shared.get(&pair).copied().unwrap_or(0)));
            if before != now {
                out.push((pair, now));
            }
        }
    }
}
