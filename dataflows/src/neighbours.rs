//! Keeps how suspicious those are that an account is tied to.
//!
//! ```text
//! marks, groups, lockstep ──▶ Ties ──┬──▶ (account, partner, suspicion)
//!                                    └──▶ (group, account, suspicion) ──▶ Circles ──▶ (account, suspicion of its group)
//! ```
//!
//! What an account is marked with is said by its own plays and ties, never by its neighbours: suspicion makes one step here.

use features::neighbours::of_group;
use hashbrown::{HashMap, HashSet};
use records::Key;
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use crate::clock::Tick;
use crate::dossiers::AccountNews;
use crate::groups::MembershipChange;
use crate::keep::{Keep, keep, mix};
use crate::lockstep::PairChange;
use crate::marks::MarkChange;

/// What is new about accounts because of those that they are tied to.
pub(crate) fn news<'scope>(
    marks: StreamVec<'scope, Tick, MarkChange>,
    groups: StreamVec<'scope, Tick, MembershipChange>,
    pairs: StreamVec<'scope, Tick, PairChange>,
    until: Tick,
) -> StreamVec<'scope, Tick, AccountNews> {
    let marks =
        marks.map(|((account, mark), _, diff)| Tie::Suspicion(account, diff as i64 * i64::from(mark.suspicion)));
    let groups = groups.map(|(account, group)| Tie::Group(account, group.map(|group| group.group)));
    let pairs = pairs.flat_map(|((a, b), shared)| {
        let together = shared.is_some();
        [Tie::Partner(a, b, together), Tie::Partner(b, a, together)]
    });
    let ties = marks.concat(groups).concat(pairs);
    let told = keep(ties, "Ties", |tie: &Tie| mix(tie.account().0), until, Ties::default());
    let members = told.clone().flat_map(|told| match told {
        Told::Member(member) => Some(member),
        Told::News(_) => None,
    });
    let news = told.flat_map(|told| match told {
        Told::News(news) => Some(news),
        Told::Member(_) => None,
    });
    news.concat(keep(members, "Circles", |member: &Member| mix(member.group.0), until, Circles::default()))
}

/// What is new about an account and those that it is tied to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Tie {
    /// It is more or less suspicious by so much.
    Suspicion(Key, i64),
    /// It is in this group now.
    Group(Key, Option<Key>),
    /// It is in lockstep with another one, or no more.
    Partner(Key, Key, bool),
}

impl Tie {
    fn account(&self) -> Key {
        match self {
            Tie::Suspicion(account, _) | Tie::Group(account, _) | Tie::Partner(account, ..) => *account,
        }
    }
}

/// An account of a group; `suspicion` is `None` when it is in the group no more.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Member {
    group: Key,
    account: Key,
    suspicion: Option<u16>,
}

#[derive(Clone, Debug)]
enum Told {
    News(AccountNews),
    Member(Member),
}

#[derive(Default)]
struct Tied {
    suspicion: i64,
    group: Option<Key>,
    partners: HashSet<Key>,
    /// What its group and its partners were told.
    member_of: Option<(Key, u16)>,
    told: HashMap<Key, u16>,
}

impl Tied {
    fn tell(&mut self, account: Key, out: &mut Vec<Told>) {
        let suspicion = self.suspicion as u16;
        let member_of = self.group.map(|group| (group, suspicion));
        if member_of != self.member_of {
            let left = self.member_of.map(|(group, _)| group).filter(|group| Some(*group) != self.group);
            let member = |group, suspicion| Told::Member(Member { group, account, suspicion });
            out.extend(left.map(|group| member(group, None)));
            out.extend(member_of.map(|(group, suspicion)| member(group, Some(suspicion))));
            if member_of.is_none() {
                out.push(Told::News(AccountNews::GroupSuspicion(account, 0)));
            }
            self.member_of = member_of;
        }
        let Tied { partners, told, .. } = self;
        let mut say = |partner: Key, suspicion: u16| {
            out.push(Told::News(AccountNews::PartnerSuspicion(partner, account, suspicion)));
        };
        told.retain(|partner, said| {
            let stays = partners.contains(partner) && suspicion > 0;
            if !stays && *said > 0 {
                say(*partner, 0);
            }
            stays
        });
        for partner in partners.iter().filter(|_| suspicion > 0) {
            if told.insert(*partner, suspicion) != Some(suspicion) {
                say(*partner, suspicion);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.suspicion == 0 && self.group.is_none() && self.partners.is_empty()
    }
}

/// The accounts of one worker that are suspicious or tied to others.
#[derive(Default)]
struct Ties {
    tied: HashMap<Key, Tied>,
    touched: HashSet<Key>,
}

impl Keep for Ties {
    type In = Tie;
    type Out = Told;

    fn take(&mut self, _tick: Tick, tie: Tie, _out: &mut Vec<Told>) {
        let tied = self.tied.entry(tie.account()).or_default();
        match tie {
            Tie::Suspicion(_, more) => tied.suspicion += more,
            Tie::Group(_, group) => tied.group = group,
            Tie::Partner(_, partner, true) => _ = tied.partners.insert(partner),
            Tie::Partner(_, partner, false) => _ = tied.partners.remove(&partner),
        }
        self.touched.insert(tie.account());
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<Told>) {
        for account in self.touched.drain() {
            let Some(tied) = self.tied.get_mut(&account) else { continue };
            tied.tell(account, out);
            if tied.is_empty() {
                self.tied.remove(&account);
            }
        }
    }
}

#[derive(Default)]
struct Circle {
    members: HashMap<Key, u16>,
    sum: u64,
    said: u64,
    came: Vec<Key>,
}

/// The groups of one worker.
#[derive(Default)]
struct Circles {
    circles: HashMap<Key, Circle>,
    touched: HashSet<Key>,
}

impl Keep for Circles {
    type In = Member;
    type Out = AccountNews;

    fn take(&mut self, _tick: Tick, Member { group, account, suspicion }: Member, _out: &mut Vec<AccountNews>) {
        let circle = self.circles.entry(group).or_default();
        let old = match suspicion {
            Some(suspicion) => circle.members.insert(account, suspicion),
            None => circle.members.remove(&account),
        };
        if old.is_none() {
            circle.came.push(account);
        }
        circle.sum = circle.sum + u64::from(suspicion.unwrap_or(0)) - u64::from(old.unwrap_or(0));
        self.touched.insert(group);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<AccountNews>) {
        for group in self.touched.drain() {
            let Some(circle) = self.circles.get_mut(&group) else { continue };
            let Circle { members, sum, said, came } = circle;
            let says = of_group(*sum, members.len() as u64);
            let tell = |account: &Key| AccountNews::GroupSuspicion(*account, says);
            match says == *said {
                true => out.extend(came.iter().map(tell)),
                false => out.extend(members.keys().map(tell)),
            }
            came.clear();
            *said = says;
            if members.is_empty() {
                self.circles.remove(&group);
            }
        }
    }
}
