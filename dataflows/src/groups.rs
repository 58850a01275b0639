//! Keeps the connected components of the accounts over shared links.
//!
//! ```text
//! bonds ──▶ one worker ──▶ union on a new bond; a lost bond re-reads only its own group ──▶ (account, group, size)
//! ```
//!
//! Bonds change far less often than plays arrive (research measured at most one birth or death per play, most of them
//! none), so one worker holds them all.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use records::{IdSpace, Key, Names};
use serde::{Deserialize, Serialize};

use crate::clock::Tick;
use crate::keep::Keep;
use crate::links::Link;

/// The group of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// The smallest account of the group.
    pub group: Key,
    /// How many accounts it has.
    pub size: u32,
}

/// The group of the account as of now; `None` when it has none any more.
pub type MembershipChange = (Key, Option<Membership>);

/// A link begins or ceases to join an account to the others.
pub type Bond = (Link, Key, bool);

#[derive(Default)]
struct Group {
    accounts: Vec<Key>,
    smallest: Option<Key>,
}

/// All bonds and the groups they make.
pub struct Groups {
    names: Arc<dyn Names>,
    links_of: HashMap<Key, HashSet<Link>>,
    accounts_of: HashMap<Link, HashSet<Key>>,
    group_of: HashMap<Key, usize>,
    groups: Vec<Group>,
    free: Vec<usize>,
    /// Bonds of the open tick, net.
    changes: HashMap<(Link, Key), i32>,
}

impl Groups {
    /// No bonds yet.
    pub fn new(names: Arc<dyn Names>) -> Groups {
        Groups {
            names,
            links_of: HashMap::new(),
            accounts_of: HashMap::new(),
            group_of: HashMap::new(),
            groups: Vec::new(),
            free: Vec::new(),
            changes: HashMap::new(),
        }
    }

    fn smaller(&self, a: Option<Key>, b: Option<Key>) -> Option<Key> {
        match (a, b) {
            (Some(a), Some(b)) if self.names.compare(IdSpace::Account, b, a).is_lt() => Some(b),
            (a, b) => a.or(b),
        }
    }

    fn open_group(&mut self, accounts: Vec<Key>) -> usize {
        let smallest = accounts.iter().fold(None, |least, account| self.smaller(least, Some(*account)));
        let at = self.free.pop().unwrap_or_else(|| {
            self.groups.push(Group::default());
            self.groups.len() - 1
        });
        for account in &accounts {
            self.group_of.insert(*account, at);
        }
        self.groups[at] = Group { accounts, smallest };
        at
    }

    /// The smaller group joins the larger.
    fn union(&mut self, a: usize, b: usize) -> usize {
        if a == b {
            return a;
        }
        let larger_first = self.groups[a].accounts.len() >= self.groups[b].accounts.len();
        let (large, small) = if larger_first { (a, b) } else { (b, a) };
        let joined = std::mem::take(&mut self.groups[small]);
        self.free.push(small);
        for account in &joined.accounts {
            self.group_of.insert(*account, large);
        }
        let smallest = self.smaller(self.groups[large].smallest, joined.smallest);
        let group = &mut self.groups[large];
        group.accounts.extend(joined.accounts);
        group.smallest = smallest;
        large
    }

    fn bind(&mut self, link: Link, account: Key) {
        self.links_of.entry(account).or_default().insert(link);
        let neighbour = self.accounts_of.get(&link).and_then(|accounts| accounts.iter().next().copied());
        self.accounts_of.entry(link).or_default().insert(account);
        let own = match self.group_of.get(&account) {
            Some(group) => *group,
            None => self.open_group(vec![account]),
        };
        if let Some(neighbour) = neighbour {
            let other = self.group_of[&neighbour];
            self.union(own, other);
        }
    }

    fn loosen(&mut self, link: Link, account: Key) {
        if let Some(links) = self.links_of.get_mut(&account) {
            links.remove(&link);
            if links.is_empty() {
                self.links_of.remove(&account);
            }
        }
        if let Some(accounts) = self.accounts_of.get_mut(&link) {
            accounts.remove(&account);
            if accounts.is_empty() {
                self.accounts_of.remove(&link);
            }
        }
    }

    /// Reads the accounts anew: those that still hold together become groups, those without a link none.
    fn regroup(&mut self, accounts: &[Key]) {
        let mut seen: HashSet<Key> = HashSet::new();
        for start in accounts {
            if seen.contains(start) || !self.links_of.contains_key(start) {
                continue;
            }
            let mut reached = vec![*start];
            seen.insert(*start);
            let mut crossed: HashSet<Link> = HashSet::new();
            let mut next = 0;
            while next < reached.len() {
                for link in self.links_of.get(&reached[next]).into_iter().flatten() {
                    if crossed.insert(*link) {
                        reached.extend(self.accounts_of[link].iter().copied().filter(|other| seen.insert(*other)));
                    }
                }
                next += 1;
            }
            self.open_group(reached);
        }
    }

    fn membership(&self, account: Key) -> Option<Membership> {
        let group = &self.groups[*self.group_of.get(&account)?];
        Some(Membership { group: group.smallest?, size: group.accounts.len() as u32 })
    }
}

impl Keep for Groups {
    type In = Bond;
    type Out = MembershipChange;

    fn take(&mut self, _tick: Tick, (link, account, joins): Bond, _out: &mut Vec<MembershipChange>) {
        *self.changes.entry((link, account)).or_insert(0) += if joins { 1 } else { -1 };
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<MembershipChange>) {
        let changes: Vec<_> = self.changes.drain().filter(|(_, net)| *net != 0).collect();
        // All accounts of the groups that change, with what was said of them.
        let mut before: HashMap<Key, Option<Membership>> = HashMap::new();
        let mut torn: HashSet<usize> = HashSet::new();
        for ((link, account), net) in &changes {
            let neighbours = self.accounts_of.get(link).and_then(|accounts| accounts.iter().next().copied());
            for group in [Some(*account), neighbours].into_iter().flatten().filter_map(|a| self.group_of.get(&a)) {
                for member in &self.groups[*group].accounts {
                    before.entry(*member).or_insert_with(|| self.membership(*member));
                }
                if *net < 0 {
                    torn.insert(*group);
                }
            }
            before.entry(*account).or_insert(None);
        }
        for ((link, account), _) in changes.iter().filter(|(_, net)| *net < 0) {
            self.loosen(*link, *account);
        }
        for group in torn {
            let accounts = std::mem::take(&mut self.groups[group]).accounts;
            self.free.push(group);
            for account in &accounts {
                self.group_of.remove(account);
            }
            self.regroup(&accounts);
        }
        for ((link, account), _) in changes.iter().filter(|(_, net)| *net > 0) {
            self.bind(*link, *account);
        }
        for (account, before) in before {
            let now = self.membership(account);
            if before != now {
                out.push((account, now));
            }
        }
    }
}
