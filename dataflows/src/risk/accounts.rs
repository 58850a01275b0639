//! Judges accounts: first by their own signals, and once more when it is known what is around them.
//!
//! ```text
//! dossiers ──▶ Accounts ──▶ own signals and risk ──┐
//!                  suspicion ──▶ around ───────────┴──▶ Verdicts ──▶ judgement
//! ```

use std::sync::Arc;

use features::risk::fuse;
use features::signals::{Signal, of_account, of_surroundings};
use hashbrown::{HashMap, HashSet};
use records::{Key, Millis, Policy, Risk, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::{Heard, Judgement, JudgementChange, Judging};
use crate::clock::Tick;
use crate::dossiers::{AccountNews, Dossiers};
use crate::keep::Keep;

/// An account by its own signals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OwnRisk {
    pub account: Key,
    pub risk: Risk,
    /// Plays in the longest window; without any there is nothing to judge.
    pub plays: u32,
    pub signals: Vec<Signal>,
}

/// What was said of an account last.
#[derive(Default, PartialEq)]
struct Said {
    plays: u32,
    signals: Vec<Signal>,
}

/// The accounts of one worker.
pub(super) struct Accounts {
    policy: Arc<Policy>,
    dossiers: Dossiers,
    said: HashMap<Key, Said>,
}

impl Accounts {
    pub fn new(judging: &Judging) -> Accounts {
        let dossiers = Dossiers::new(judging.places());
        Accounts { policy: judging.policy.clone(), dossiers, said: HashMap::new() }
    }
}

impl Keep for Accounts {
    type In = AccountNews;
    type Out = OwnRisk;

    fn take(&mut self, _tick: Tick, news: AccountNews, _out: &mut Vec<OwnRisk>) {
        self.dossiers.take(news);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<OwnRisk>) {
        let Accounts { policy, dossiers, said } = self;
        dossiers.close(|account, plays, facts| {
            let signals = if plays > 0 { of_account(facts) } else { Vec::new() };
            let now = Said { plays, signals };
            if said.get(&account).unwrap_or(&Said::default()) == &now {
                return;
            }
            let risk = risk(policy, &now.signals);
            out.push(OwnRisk { account, risk, plays, signals: now.signals.clone() });
            match plays {
                0 => said.remove(&account),
                _ => said.insert(account, now),
            };
        });
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
