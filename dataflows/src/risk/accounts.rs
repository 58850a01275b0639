//! Judges accounts: first by their own signals, and once more when it is known what is around them.
//!
//! ```text
//! account_window, groups, lockstep ──▶ Accounts ──▶ own signals and risk ──┐
//!                                          suspicion ──▶ around ───────────┴──▶ Verdicts ──▶ judgement
//! ```

use std::sync::Arc;

use features::WindowRow;
use features::risk::fuse;
use features::signals::{AccountFacts, Signal, of_account, of_surroundings};
use hashbrown::{HashMap, HashSet};
use records::{Key, Millis, Policy, Risk, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::{Heard, Judgement, JudgementChange, Judging};
use crate::clock::Tick;
use crate::groups::MembershipChange;
use crate::keep::Keep;
use crate::lockstep::PairChange;
use crate::tallies::RowChange;

/// What is new about an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum AccountNews {
    /// Its row in the window of this place.
    Row(Key, u8, Option<WindowRow>),
    /// Its group has so many accounts; 0 when it has none.
    Group(Key, u32),
    /// It shares so many buckets with another account; 0 when they are not in lockstep.
    Partner(Key, Key, u32),
}

impl AccountNews {
    pub fn account(&self) -> Key {
        match self {
            AccountNews::Row(account, ..) | AccountNews::Group(account, _) | AccountNews::Partner(account, ..) => {
                *account
            }
        }
    }
}

/// All that is new about accounts.
pub(super) fn news<'scope>(
    rows: StreamVec<'scope, Tick, RowChange>,
    groups: StreamVec<'scope, Tick, MembershipChange>,
    pairs: StreamVec<'scope, Tick, PairChange>,
) -> StreamVec<'scope, Tick, AccountNews> {
    let rows = rows.map(|((place, account), row)| AccountNews::Row(account, place, row));
    let groups = groups.map(|(account, group)| AccountNews::Group(account, group.map_or(0, |group| group.size)));
    let pairs = pairs.flat_map(|((a, b), shared)| {
        let shared = shared.unwrap_or(0);
        [AccountNews::Partner(a, b, shared), AccountNews::Partner(b, a, shared)]
    });
    rows.concat(groups).concat(pairs)
}

/// An account by its own signals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OwnRisk {
    pub account: Key,
    pub risk: Risk,
    /// Plays in the longest window; without any there is nothing to judge.
    pub plays: u32,
    pub signals: Vec<Signal>,
}

#[derive(Default)]
struct Dossier {
    /// By the place of the judged windows.
    rows: Vec<Option<WindowRow>>,
    group_size: u32,
    partners: Vec<(Key, u32)>,
    /// What was said last.
    plays: u32,
    signals: Vec<Signal>,
}

impl Dossier {
    fn signals(&self, windows: &[(u8, Millis)]) -> Vec<Signal> {
        let rows: Vec<_> = windows.iter().zip(&self.rows).filter_map(|((_, ms), row)| Some((*ms, (*row)?))).collect();
        of_account(&AccountFacts {
            rows: &rows,
            group_size: self.group_size,
            lockstep_partners: self.partners.len() as u32,
            lockstep_shared: self.partners.iter().map(|(_, shared)| *shared).max().unwrap_or(0),
            suspicious_tracks: Risk::CLEAN,
        })
    }

    fn plays(&self) -> u32 {
        self.rows.last().copied().flatten().map_or(0, |row| row.plays)
    }

    fn is_empty(&self) -> bool {
        self.rows.iter().all(Option::is_none) && self.group_size == 0 && self.partners.is_empty()
    }
}

/// The accounts of one worker.
pub(super) struct Accounts {
    policy: Arc<Policy>,
    windows: Vec<(u8, Millis)>,
    dossiers: HashMap<Key, Dossier>,
    touched: HashSet<Key>,
}

impl Accounts {
    pub fn new(judging: &Judging) -> Accounts {
        Accounts {
            policy: judging.policy.clone(),
            windows: judging.places(),
            dossiers: HashMap::new(),
            touched: HashSet::new(),
        }
    }
}

impl Keep for Accounts {
    type In = AccountNews;
    type Out = OwnRisk;

    fn take(&mut self, _tick: Tick, news: AccountNews, _out: &mut Vec<OwnRisk>) {
        let account = news.account();
        match news {
            AccountNews::Row(_, place, row) => {
                let Some(at) = self.windows.iter().position(|(judged, _)| *judged == place) else { return };
                let dossier = self.dossiers.entry(account).or_default();
                dossier.rows.resize(self.windows.len(), None);
                dossier.rows[at] = row;
            }
            AccountNews::Group(_, size) => self.dossiers.entry(account).or_default().group_size = size,
            AccountNews::Partner(_, partner, shared) => {
                let partners = &mut self.dossiers.entry(account).or_default().partners;
                partners.retain(|(known, _)| *known != partner);
                partners.extend((shared > 0).then_some((partner, shared)));
            }
        }
        self.touched.insert(account);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<OwnRisk>) {
        let Accounts { policy, windows, dossiers, touched } = self;
        for account in touched.drain() {
            let Some(dossier) = dossiers.get_mut(&account) else { continue };
            let plays = dossier.plays();
            let signals = if plays > 0 { dossier.signals(windows) } else { Vec::new() };
            if (plays, &signals) != (dossier.plays, &dossier.signals) {
                (dossier.plays, dossier.signals) = (plays, signals.clone());
                let risk = risk(policy, &signals);
                out.push(OwnRisk { account, risk, plays, signals });
            }
            if dossier.is_empty() {
                dossiers.remove(&account);
            }
        }
    }
}

fn risk(policy: &Policy, signals: &[Signal]) -> Risk {
    match signals {
        [] => Risk::CLEAN,
        signals => fuse(policy, Subject::Account, false, signals.to_vec()).r,
    }
}

/// What the verdict on an account needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Judge {
    /// Its own signals.
    Own(Vec<Signal>),
    /// How suspicious its tracks are without it.
    Around(Risk),
}

/// All that is new for the verdicts on accounts.
pub(super) fn verdict_news<'scope>(
    own: StreamVec<'scope, Tick, OwnRisk>,
    around: StreamVec<'scope, Tick, (Key, Risk)>,
) -> StreamVec<'scope, Tick, (Key, Judge)> {
    let own = own.map(|own| (own.account, Judge::Own(own.signals)));
    own.concat(around.map(|(account, risk)| (account, Judge::Around(risk))))
}

#[derive(Default)]
struct Case {
    own: Vec<Signal>,
    around: Risk,
    said: Option<Judgement>,
}

/// The accounts of one worker against which something speaks.
pub(super) struct Verdicts {
    policy: Arc<Policy>,
    longest_ms: Millis,
    cases: HashMap<Key, Case>,
    touched: HashSet<Key>,
}

impl Verdicts {
    pub fn new(judging: &Judging) -> Verdicts {
        Verdicts {
            policy: judging.policy.clone(),
            longest_ms: judging.windows_ms.last().copied().unwrap_or(0),
            cases: HashMap::new(),
            touched: HashSet::new(),
        }
    }
}

impl Keep for Verdicts {
    type In = (Key, Judge);
    type Out = JudgementChange;

    fn take(&mut self, _tick: Tick, (account, judge): (Key, Judge), _out: &mut Vec<JudgementChange>) {
        let nothing = match &judge {
            Judge::Own(signals) => signals.is_empty(),
            Judge::Around(risk) => *risk == Risk::CLEAN,
        };
        if nothing && !self.cases.contains_key(&account) {
            return;
        }
        let case = self.cases.entry(account).or_default();
        match judge {
            Judge::Own(signals) => case.own = signals,
            Judge::Around(risk) => case.around = risk,
        }
        self.touched.insert(account);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<JudgementChange>) {
        for account in self.touched.drain() {
            let Some(case) = self.cases.get_mut(&account) else { continue };
            let signals = case.own.iter().copied().chain(of_surroundings(self.longest_ms, case.around)).collect();
            let judgement = judgement(&self.policy, Subject::Account, 0, None, signals);
            if judgement != case.said {
                out.push(((Subject::Account, account), judgement.clone()));
                case.said = judgement;
            }
            if case.own.is_empty() && case.around == Risk::CLEAN {
                self.cases.remove(&account);
            }
        }
    }
}

/// What the signals come to; `None` when that is nothing.
pub(super) fn judgement(
    policy: &Policy,
    subject: Subject,
    segment: u16,
    heard: Option<Heard>,
    signals: Vec<Signal>,
) -> Option<Judgement> {
    if signals.is_empty() {
        return None;
    }
    let r = fuse(policy, subject, heard.is_some(), signals.clone()).r;
    (r > Risk::CLEAN).then_some(Judgement { r, segment, heard, signals })
}
