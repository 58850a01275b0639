//! Brings together what the views say of each account, and says who changed.
//!
//! ```text
//! account_window, groups, lockstep, company, networks ──▶ news ──▶ dossier ──▶ facts of the accounts that something new is known of
//! ```

use features::WindowRow;
use features::cohort::Usual;
use features::company::Company;
use features::neighbours::Neighbours;
use features::signals::{AccountFacts, is_judged};
use hashbrown::{HashMap, HashSet};
use records::{Key, Millis, Risk};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use crate::clock::Tick;
use crate::company::CompanyChange;
use crate::groups::MembershipChange;
use crate::keep::mix;
use crate::lockstep::PairChange;
use crate::risk::Held;
use crate::tallies::RowChange;

/// The windows whose rows are read, by their place among the window views: all of a day and longer, and the longest.
pub(crate) fn read_places(windows_ms: &[Millis]) -> Vec<(u8, Millis)> {
    let last = windows_ms.len().saturating_sub(1);
    let places = windows_ms.iter().enumerate();
    places.filter(|(at, ms)| is_judged(**ms) || *at == last).map(|(at, ms)| (at as u8, *ms)).collect()
}

/// What is new about an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AccountNews {
    /// Its row in the window of this place.
    Row(Key, u8, Option<WindowRow>),
    /// Its group has so many accounts; 0 when it has none.
    Group(Key, u32),
    /// It shares so many buckets with another account; 0 when they are not in lockstep.
    Partner(Key, Key, u32),
    /// Who else plays what it plays.
    Company(Key, Company),
    /// How suspicious its group is, all its accounts added up.
    GroupSuspicion(Key, u64),
    /// How suspicious another account is that is in lockstep with it; 0 when it is not, or not suspicious.
    PartnerSuspicion(Key, Key, u16),
    /// This is usual among accounts that play as much, from now on (+1) or no more (-1).
    Usual(Key, Usual, i64),
    /// A network says this of its sequence, as the bits of an f32.
    Network(Key, Option<u32>),
    /// Whether a person ruled that it speaks against nobody else.
    Silenced(Key, bool),
}

impl AccountNews {
    pub fn account(&self) -> Key {
        match self {
            AccountNews::Row(account, ..)
            | AccountNews::Group(account, _)
            | AccountNews::Partner(account, ..)
            | AccountNews::Company(account, _)
            | AccountNews::GroupSuspicion(account, _)
            | AccountNews::PartnerSuspicion(account, ..)
            | AccountNews::Usual(account, ..)
            | AccountNews::Network(account, _)
            | AccountNews::Silenced(account, _) => *account,
        }
    }
}

/// All that is new about accounts.
pub(crate) fn news<'scope>(
    rows: StreamVec<'scope, Tick, RowChange>,
    groups: StreamVec<'scope, Tick, MembershipChange>,
    pairs: StreamVec<'scope, Tick, PairChange>,
    companies: Option<StreamVec<'scope, Tick, CompanyChange>>,
) -> StreamVec<'scope, Tick, AccountNews> {
    let rows = rows.map(|((place, account), row)| AccountNews::Row(account, place, row));
    let groups = groups.map(|(account, group)| AccountNews::Group(account, group.map_or(0, |group| group.size)));
    let pairs = pairs.flat_map(|((a, b), shared)| {
        let shared = shared.unwrap_or(0);
        [AccountNews::Partner(a, b, shared), AccountNews::Partner(b, a, shared)]
    });
    let news = rows.concat(groups).concat(pairs);
    match companies {
        Some(companies) => news.concat(companies.map(|(account, company)| AccountNews::Company(account, company))),
        None => news,
    }
}

/// News of one account meet at one worker.
pub(crate) fn route(news: &AccountNews) -> u64 {
    mix(news.account().0)
}

#[derive(Default)]
struct Dossier {
    /// By the place of the windows that are read.
    rows: Vec<Option<WindowRow>>,
    group_size: u32,
    partners: Vec<(Key, u32)>,
    company: Company,
    group_suspicion: u64,
    /// The suspicious ones among its partners.
    suspicious: Vec<(Key, u16)>,
    usual: Held<Option<Usual>>,
    network: Option<u32>,
    is_silenced: bool,
}

impl Dossier {
    /// Plays in the longest window.
    fn plays(&self) -> u32 {
        self.rows.last().copied().flatten().map_or(0, |row| row.plays)
    }

    fn is_empty(&self) -> bool {
        self.rows.iter().all(Option::is_none)
            && self.group_size == 0
            && self.partners.is_empty()
            && self.company == Company::default()
            && self.group_suspicion == 0
            && self.suspicious.is_empty()
            && self.usual.value().is_none()
            && self.network.is_none()
            && !self.is_silenced
    }
}

/// The dossiers of one worker's accounts.
pub(crate) struct Dossiers {
    windows: Vec<(u8, Millis)>,
    dossiers: HashMap<Key, Dossier>,
    touched: HashSet<Key>,
}

impl Dossiers {
    /// Reads the windows at these places, shortest first.
    pub fn new(windows: Vec<(u8, Millis)>) -> Dossiers {
        Dossiers { windows, dossiers: HashMap::new(), touched: HashSet::new() }
    }

    /// Puts the news into its dossier.
    pub fn take(&mut self, news: AccountNews) {
        let account = news.account();
        match news {
            AccountNews::Row(_, place, row) => {
                let Some(at) = self.windows.iter().position(|(read, _)| *read == place) else { return };
                let dossier = self.dossiers.entry(account).or_default();
                dossier.rows.resize(self.windows.len(), None);
                dossier.rows[at] = row;
            }
            AccountNews::Network(_, said) => self.dossiers.entry(account).or_default().network = said,
            AccountNews::Group(_, size) => self.dossiers.entry(account).or_default().group_size = size,
            AccountNews::Partner(_, partner, shared) => {
                let partners = &mut self.dossiers.entry(account).or_default().partners;
                partners.retain(|(known, _)| *known != partner);
                partners.extend((shared > 0).then_some((partner, shared)));
            }
            AccountNews::GroupSuspicion(_, sum) => self.dossiers.entry(account).or_default().group_suspicion = sum,
            AccountNews::PartnerSuspicion(_, partner, suspicion) => {
                let suspicious = &mut self.dossiers.entry(account).or_default().suspicious;
                suspicious.retain(|(known, _)| *known != partner);
                suspicious.extend((suspicion > 0).then_some((partner, suspicion)));
            }
            AccountNews::Usual(_, usual, diff) => {
                self.dossiers.entry(account).or_default().usual.change(Some(usual), diff);
            }
            AccountNews::Silenced(_, is_silenced) => {
                self.dossiers.entry(account).or_default().is_silenced = is_silenced;
            }
            AccountNews::Company(_, company) => self.dossiers.entry(account).or_default().company = company,
        }
        self.touched.insert(account);
    }

    /// Takes up every dossier again at the next close: who reads them reads them otherwise now.
    pub fn reopen(&mut self) {
        self.touched.extend(self.dossiers.keys());
    }

    /// Takes up the dossiers of these accounts again at the next close.
    pub fn reopen_those(&mut self, accounts: impl Iterator<Item = Key>) {
        self.touched.extend(accounts);
    }

    /// Tells of each account of which something new came: its plays in the longest window, the facts, and what a network says
    /// (NaN where none does).
    pub fn close(&mut self, mut tell: impl FnMut(Key, u32, &AccountFacts, f32)) {
        let Dossiers { windows, dossiers, touched } = self;
        for account in touched.drain() {
            let Some(dossier) = dossiers.get(&account) else { continue };
            let rows = windows.iter().zip(&dossier.rows).filter_map(|((_, ms), row)| Some((*ms, (*row)?)));
            let facts = AccountFacts {
                rows: &rows.collect::<Vec<_>>(),
                group_size: dossier.group_size,
                lockstep_partners: dossier.partners.len() as u32,
                lockstep_shared: dossier.partners.iter().map(|(_, shared)| *shared).max().unwrap_or(0),
                company: dossier.company,
                neighbours: Neighbours {
                    group: dossier.group_suspicion,
                    partners: dossier.suspicious.iter().map(|(_, suspicion)| u64::from(*suspicion)).sum(),
                },
                usual: dossier.usual.value(),
                suspicious_tracks: Risk::CLEAN,
                is_silenced: dossier.is_silenced,
            };
            tell(account, dossier.plays(), &facts, dossier.network.map_or(f32::NAN, f32::from_bits));
            if dossier.is_empty() {
                dossiers.remove(&account);
            }
        }
    }
}
