//! Keeps what every account played last, for a network that looks at time.
//!
//! ```text
//! turns ──▶ by account ──▶ Recent ──┬──▶ Sequences: the series of the accounts that are asked for
//!                                   └──▶ Networks: what the network in force says of each account that played
//! ```

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use features::sequence::{Recent, Sequence};
use hashbrown::HashMap;
use models::temporal::Network;
use records::{Key, KeyedPlay};

use crate::clock::Tick;
use crate::keep::{Keep, mix};
use crate::scores::InForce;
use crate::tallies::Cadence;
use crate::windows::Turn;

/// Whose sequences are told, and when.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Everybody's.
    All(Cadence),
    /// Only those of these accounts at these ticks, and nobody's at others.
    Rows(Arc<BTreeMap<Tick, HashSet<Key>>>),
}

/// The sequence of an account as of now; `None` when it is not told any more, or there is no play in it.
pub type SequenceChange = (Key, Option<Sequence>);
/// What a network says of an account as of now, as the bits of its f32; `None` when there is no play to look at.
pub type NetworkChange = (Key, Option<u32>);

/// A play that comes or goes in the window of sequences.
pub type Coming = (KeyedPlay, bool);

/// The plays that turn in this window.
pub(crate) fn coming(turn: Turn, window: usize) -> Option<Coming> {
    match turn {
        Turn::Play { play, windows, enters, .. } if windows & (1 << window) != 0 => Some((play, enters)),
        _ => None,
    }
}

/// Plays of one account meet at one worker.
pub(crate) fn route((play, _): &Coming) -> u64 {
    mix(play.account.0)
}

/// What the accounts of one worker played last.
#[derive(Default)]
struct Listeners {
    recent: HashMap<Key, Recent>,
    touched: HashSet<Key>,
}

impl Listeners {
    fn take(&mut self, (play, enters): Coming) {
        self.recent.entry(play.account).or_default().count(&play, enters);
        self.touched.insert(play.account);
    }

    /// Tells of each account that something came or went for; `None` where nothing is left.
    fn close(&mut self, mut tell: impl FnMut(Key, Option<&Recent>)) {
        for account in self.touched.drain() {
            let recent = self.recent.get(&account).filter(|recent| !recent.is_empty());
            tell(account, recent);
            if recent.is_none() {
                self.recent.remove(&account);
            }
        }
    }
}

/// Tells sequences.
pub(crate) struct Sequences {
    asked: Asked,
    listeners: Listeners,
    /// Whose were told last; when others are asked for they are taken back.
    told: Vec<Key>,
    /// The next tick at which there is something to tell or to take back.
    next: Option<Tick>,
}

impl Sequences {
    /// Nobody played yet.
    pub fn new(asked: Asked) -> Sequences {
        let next = match &asked {
            Asked::All(Cadence::Each) => None,
            Asked::All(Cadence::At(tick)) => Some(*tick),
            Asked::Rows(rows) => rows.keys().next().copied(),
        };
        Sequences { asked, listeners: Listeners::default(), told: Vec::new(), next }
    }
}

impl Keep for Sequences {
    type In = Coming;
    type Out = SequenceChange;

    fn due(&self) -> Option<Tick> {
        self.next
    }

    fn take(&mut self, _tick: Tick, coming: Coming, _out: &mut Vec<SequenceChange>) {
        self.listeners.take(coming);
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<SequenceChange>) {
        let Sequences { asked, listeners, told, next } = self;
        let each = matches!(asked, Asked::All(Cadence::Each));
        listeners.close(|account, recent| {
            if each {
                out.push((account, recent.map(Recent::sequence)));
            }
        });
        if *next != Some(tick) {
            return;
        }
        match asked {
            Asked::All(_) => {
                out.extend(listeners.recent.iter().map(|(account, recent)| (*account, Some(recent.sequence()))));
                *next = None;
            }
            Asked::Rows(rows) => {
                out.extend(told.drain(..).map(|account| (account, None)));
                let now = rows.get(&tick).into_iter().flatten();
                let known = now.filter_map(|account| Some((*account, listeners.recent.get(account)?)));
                for (account, recent) in known {
                    told.push(account);
                    out.push((account, Some(recent.sequence())));
                }
                let later = rows.range(tick + 1..).next().map(|(later, _)| *later);
                *next = if told.is_empty() { later } else { Some(tick + 1) };
            }
        }
    }
}

/// Asks networks, each from a tick on; none in turns of models that have none.
pub(crate) struct Networks {
    networks: InForce<Option<Arc<Network>>>,
    listeners: Listeners,
    said: HashMap<Key, u32>,
}

impl Networks {
    /// The networks in the order of coming into force.
    pub fn new(networks: Vec<(Tick, Option<Arc<Network>>)>) -> Networks {
        Networks { networks: InForce::new(networks), listeners: Listeners::default(), said: HashMap::new() }
    }
}

impl Keep for Networks {
    type In = Coming;
    type Out = NetworkChange;

    fn due(&self) -> Option<Tick> {
        self.networks.due()
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<NetworkChange>) {
        if self.networks.open(tick) {
            self.listeners.touched.extend(self.listeners.recent.keys());
        }
    }

    fn take(&mut self, _tick: Tick, coming: Coming, _out: &mut Vec<NetworkChange>) {
        self.listeners.take(coming);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<NetworkChange>) {
        let Networks { networks, listeners, said } = self;
        let network = networks.current().and_then(|(_, network)| network.as_deref());
        listeners.close(|account, recent| {
            let now = network.zip(recent).map(|(network, recent)| {
                let Sequence { hours, plays } = recent.sequence();
                network.score([&hours, &plays]).expect("networks of other forms are refused").to_bits()
            });
            if said.get(&account) != now.as_ref() {
                match now {
                    Some(bits) => _ = said.insert(account, bits),
                    None => _ = said.remove(&account),
                }
                out.push((account, now));
            }
        });
    }
}
