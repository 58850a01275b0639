//! Keeps which accounts use the same device (or payment, or network prefix).
//!
//! ```text
//! turns ──▶ uses (account, link) ──▶ by link ──▶ bonds of links that join 2 to `hub` accounts
//!                                           └──▶ hubs: links that more accounts use, which join nobody
//! ```

use std::hint::black_box;
use std::ops::BitXor;

use features::counts::Counts;
use hashbrown::HashMap;
use records::Key;
use serde::{Deserialize, Serialize};

use crate::clock::Tick;
use crate::keep::{Keep, mix};

/// What two accounts may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum LinkKind {
    Device,
    IpPrefix,
    Payment,
}

/// A thing that accounts share.
pub type Link = (LinkKind, Key);

/// A play of an account that used the link begins or ceases to count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Use {
    /// What was used.
    pub link: Link,
    /// By whom.
    pub account: Key,
    /// Whether the play begins to count.
    pub enters: bool,
}

/// Where the link lives.
pub fn route(used: &Use) -> u64 {
    mix(used.link.1.0 ^ used.link.0 as u64)
}

/// What changed about links.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum LinkChange {
    /// The link now joins the account, or (`false`) no longer does.
    Bond(Link, Key, bool),
    /// The link is a hub of so many accounts; `None` when it is one no more.
    Hub(Link, Option<u32>),
}

struct Users {
    /// Plays per account.
    plays: Counts<1>,
    /// Accounts that came (`true`) or went since the tick was opened.
    moves: Vec<(Key, bool)>,
    was_hub: bool,
}

/// The users of one worker's links.
pub struct Links {
    hub: u32,
    users: HashMap<Link, Users>,
    touched: Vec<Link>,
}

impl Links {
    /// No users yet; a link of more than `hub` accounts joins nobody.
    pub fn new(hub: u32) -> Links {
        Links { hub, users: HashMap::new(), touched: Vec::new() }
    }
}

impl Keep for Links {
    type In = Use;
    type Out = LinkChange;

    fn look(&self, uses: &[Use]) {
        let users = |used: &Use| self.users.get(&used.link).map_or(0, |users| users.plays.look(0, used.account.0));
        black_box(uses.iter().map(users).fold(0, BitXor::bitxor));
    }

    fn take(&mut self, _tick: Tick, used: Use, _out: &mut Vec<LinkChange>) {
        let Users { plays, moves, .. } = self.users.entry(used.link).or_insert_with(|| Users {
            plays: Counts::default(),
            moves: Vec::new(),
            was_hub: false,
        });
        let untouched = moves.is_empty();
        plays.count(0, used.account.0, 1, used.enters, |_, from, to| {
            if from == 0 || to == 0 {
                moves.push((used.account, to > 0));
            }
        });
        if untouched && !moves.is_empty() {
            self.touched.push(used.link);
        }
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<LinkChange>) {
        for link in self.touched.drain(..) {
            let Some(users) = self.users.get_mut(&link) else { continue };
            let now = users.plays.len(0) as u32;
            let moves = net(&mut users.moves);
            let before = (now as i64 - moves.iter().map(|(_, came)| if *came { 1 } else { -1 }).sum::<i64>()) as u32;
            let joins = |accounts: u32| (2..=self.hub).contains(&accounts);
            let bond = |account: Key, joins: bool| LinkChange::Bond(link, account, joins);
            match (joins(before), joins(now)) {
                (true, true) => out.extend(moves.iter().map(|(account, came)| bond(*account, *came))),
                (false, true) => {
                    out.extend(users.plays.values(0, 0).into_iter().map(|(account, _)| bond(Key(account), true)))
                }
                (true, false) => {
                    // Moves are sorted by account.
                    let came =
                        |account: Key| moves.binary_search_by_key(&account, |(a, _)| *a).is_ok_and(|at| moves[at].1);
                    let stayed =
                        users.plays.values(0, 0).into_iter().map(|(account, _)| Key(account)).filter(|a| !came(*a));
                    let went = moves.iter().filter(|(_, came)| !came).map(|(account, _)| *account);
                    out.extend(stayed.chain(went).map(|account| bond(account, false)));
                }
                (false, false) => {}
            }
            let is_hub = now > self.hub;
            if is_hub || users.was_hub {
                out.push(LinkChange::Hub(link, is_hub.then_some(now)));
            }
            users.was_hub = is_hub;
            if now == 0 {
                self.users.remove(&link);
            }
        }
    }
}

/// An account that came and went in one tick did neither.
pub(crate) fn net(moves: &mut Vec<(Key, bool)>) -> Vec<(Key, bool)> {
    // Comings and goings of one account alternate, so only the last of an odd number stands.
    let mut moves = std::mem::take(moves);
    moves.sort_by_key(|(account, _)| *account);
    moves.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() % 2 == 1).map(|same| same[same.len() - 1]).collect()
}
