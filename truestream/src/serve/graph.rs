//! Who hangs together with an account: by what both used, and by playing in step.
//!
//! ```text
//! ties: who used what, when ──┬──▶ from one account on, the nearest first ──▶ at most 200 accounts and things, a reason for each line ──▶ page
//! lockstep: who plays in step ┘
//! ```
//!
//! Only what lies next to somebody shown is looked at, so a page takes as long in a service of a million accounts. A thing that more accounts use than are
//! linked by it is shown where the account itself uses it, and leads nowhere.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use console::desk::{Edge, Graph, Node};
use dataflows::links::Link;
use dataflows::ties::{Ties, Used};
use datasets::formats::instant;
use datasets::names::NameTable;
use records::{Id, IdSpace, Key, Millis, Names, Subject};

use super::lookup::Span;
use super::places::key_of;
use super::shelf::Stated;
use crate::replay::views::{RowKey, RowValue, View, link_name, link_space};

/// So many accounts and things are shown: more lines are no picture.
const NODES_MAX: usize = 200;
/// So many things of one account are looked at.
const THINGS_MAX: usize = 500;
const DAY_MS: Millis = 24 * 3_600_000;

/// Who or what.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum One {
    Account(Key),
    Thing(Link),
}

/// What was found until now, the nearest first.
struct Found {
    nodes: Vec<(One, usize)>,
    places: HashMap<One, usize>,
    edges: Vec<Edge>,
    left_out: HashSet<One>,
}

impl Found {
    /// The place of somebody next to the one at that place; `None` where no more are shown.
    fn place(&mut self, one: One, found_by: usize) -> Option<usize> {
        let next = self.nodes.len();
        match self.places.entry(one) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(place) if next < NODES_MAX => {
                self.nodes.push((one, found_by));
                Some(*place.insert(next))
            }
            Entry::Vacant(_) => {
                self.left_out.insert(one);
                None
            }
        }
    }
}

/// Who hangs together with the account; nothing where nobody does. A thing of more than `hub` accounts links nobody.
pub fn graph(stated: &Stated, names: &NameTable, ties: &Ties, hub: u32, own: &Id) -> Graph {
    let own = One::Account(key_of(own));
    let mut found =
        Found { nodes: vec![(own, 0)], places: HashMap::from([(own, 0)]), edges: Vec::new(), left_out: HashSet::new() };
    let (hub, in_step) = (hub as usize, pairs(stated));
    let (mut hubs, mut alone) = (HashSet::new(), Vec::new());
    let mut at = 0;
    while let Some((one, _)) = found.nodes.get(at).copied() {
        match one {
            One::Account(account) => {
                for used in ties.of(account, THINGS_MAX) {
                    let thing = One::Thing(used.link);
                    let users = ties.users(used.link, hub + 1).len();
                    let is_own = at == 0;
                    match users {
                        ..2 if is_own => alone.push(used),
                        ..2 => {}
                        // Whoever uses what very many use is not near to any of them.
                        _ if users > hub && !is_own && !found.places.contains_key(&thing) => {}
                        _ => {
                            if users > hub {
                                hubs.insert(used.link);
                            }
                            if let Some(place) = found.place(thing, at) {
                                found.edges.push(edge(at, place, &used));
                            }
                        }
                    }
                }
                if at == 0 {
                    for other in in_step_with(&in_step, account) {
                        found.place(One::Account(other), 0);
                    }
                }
            }
            One::Thing(link) if hubs.contains(&link) => {}
            One::Thing(link) => {
                for account in ties.users(link, hub) {
                    found.place(One::Account(account), at);
                }
            }
        }
        at += 1;
    }
    // What nobody else uses links nobody, and takes nobody's place.
    for used in alone {
        if let Some(place) = found.place(One::Thing(used.link), 0) {
            found.edges.push(edge(0, place, &used));
        }
    }
    lines(&in_step, &mut found);
    found.edges.sort_by_key(|edge| (edge.ends[1], edge.ends[0]));
    let nodes = found.nodes.iter().map(|(one, found_by)| node(stated, names, one, *found_by, &hubs)).collect();
    Graph { nodes, edges: found.edges, left_out: found.left_out.len() }
}

/// Two who play in step, and how often.
type Pair = ([Key; 2], u32);

/// All of them: going through the table takes most of the time of a picture, so it is done once.
fn pairs(stated: &Stated) -> Vec<Pair> {
    let mut pairs = Vec::new();
    stated.copy(View::Lockstep, &mut [Span::All].into(), usize::MAX, |key, value| {
        if let (RowKey::Pair(a, b), RowValue::Count(shared)) = (key, &**value) {
            pairs.push(([key_of(a), key_of(b)], *shared));
        }
        true
    });
    pairs
}

/// Those who play in step with the account.
fn in_step_with(pairs: &[Pair], account: Key) -> impl Iterator<Item = Key> {
    let other = move |([a, b], _): &Pair| match (*a == account, *b == account) {
        (true, _) => Some(*b),
        (_, true) => Some(*a),
        _ => None,
    };
    pairs.iter().filter_map(other)
}

/// Lines between those that are shown and play in step.
fn lines(pairs: &[Pair], found: &mut Found) {
    for (pair, shared) in pairs {
        if let [Some(a), Some(b)] = pair.map(|account| found.places.get(&One::Account(account)).copied()) {
            let why = format!("played the same track in the same ten minutes {shared} times in a day");
            found.edges.push(Edge { ends: [a.min(b), a.max(b)], why, in_step: true });
        }
    }
}

fn edge(one: usize, other: usize, used: &Used) -> Edge {
    let day = |day: i32| instant::to_text(Millis::from(day) * DAY_MS).chars().take(10).collect::<String>();
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let plays = format!("{} play{}", used.plays, plural(used.plays));
    let why = match used.days {
        1 => format!("{plays} on {}", day(used.first)),
        days => format!("{plays} on {days} days, from {} to {}", day(used.first), day(used.last)),
    };
    Edge { ends: [one.min(other), one.max(other)], why, in_step: false }
}

fn node(stated: &Stated, names: &NameTable, one: &One, found_by: usize, hubs: &HashSet<Link>) -> Node {
    match one {
        One::Account(account) => {
            let id = names.id(IdSpace::Account, *account).to_string();
            let verdict = stated.verdict(&RowKey::Subject(Subject::Account, id.clone())).name().to_owned();
            Node { subject: Subject::Account.name().to_owned(), id, verdict, found_by, is_hub: false }
        }
        One::Thing(link) => Node {
            subject: link_name(link.0).to_owned(),
            id: names.id(link_space(link.0), link.1).to_string(),
            verdict: String::new(),
            found_by,
            is_hub: hubs.contains(link),
        },
    }
}
