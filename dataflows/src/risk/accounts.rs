//! Judges accounts: first by their own signals, and once more when it is known what is around them.
//!
//! ```text
//! dossiers ──▶ Accounts ──▶ own signals and risk ──┐
//!                  suspicion ──▶ around ───────────┼──▶ Verdicts ──▶ judgement
//!                  rulings, territories ───────────┘
//! ```
//!
//! What an account spreads is weighed alike in all territories: what a territory weighs otherwise is said of its own accounts and of nobody they
//! play beside.

use std::sync::Arc;

use features::profile;
use features::revision::Revision;
use features::risk::fuse;
use features::signals::{AccountFacts, Name, Signal, of_account, of_model, of_surroundings};
use hashbrown::{HashMap, HashSet};
use models::Because;
use models::Model;
use records::{Key, Millis, Policy, Risk, Ruling, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::{Heard, Judgement, JudgementChange, Judging, Learned, Looked, RulingChange};
use crate::clock::Tick;
use crate::dossiers::{AccountNews, Dossiers};
use crate::keep::Keep;
use crate::scores::{InForce, Scorers, fraud};

/// An account by its own signals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OwnRisk {
    pub account: Key,
    /// What it may spread: its risk without a model.
    pub risk: Risk,
    /// Plays in the longest window; without any there is nothing to judge.
    pub plays: u32,
    pub signals: Vec<Signal>,
    pub learned: Option<Learned>,
    /// Whether a person ruled that it spreads nothing.
    pub is_silenced: bool,
}

/// What was said of an account last.
#[derive(Default, PartialEq)]
struct Said {
    plays: u32,
    signals: Vec<Signal>,
    learned: Option<Learned>,
    /// What the signals come to without the model's.
    risk: Risk,
    is_silenced: bool,
}

impl Said {
    /// The signals that count in what the account spreads.
    fn own(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().filter(|signal| signal.name != Name::Learned)
    }
}

/// The accounts of one worker.
pub(super) struct Accounts {
    policies: InForce<Arc<Policy>>,
    dossiers: Dossiers,
    said: HashMap<Key, Said>,
    scorers: Scorers,
}

impl Accounts {
    pub fn new(judging: &Judging) -> Accounts {
        let dossiers = Dossiers::new(judging.places());
        let (policies, scorers) = (InForce::new(judging.policies.clone()), Scorers::new(judging.models.clone()));
        Accounts { policies, dossiers, said: HashMap::new(), scorers }
    }
}

impl Keep for Accounts {
    type In = AccountNews;
    type Out = OwnRisk;

    fn due(&self) -> Option<Tick> {
        [self.scorers.due(), self.policies.due()].into_iter().flatten().min()
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<OwnRisk>) {
        if self.scorers.open(tick) {
            self.dossiers.reopen();
        }
        let before = self.policies.current().map(|(_, policy)| policy.clone());
        if let (true, Some(before), Some((_, now))) = (self.policies.open(tick), before, self.policies.current()) {
            let revision = Revision { before: &before, now };
            let spreads =
                |said: &&Said| revision.reweighs((Subject::Account, None), said.own().map(|signal| signal.name));
            let spreading = self.said.iter().filter(|(_, said)| !said.signals.is_empty() && spreads(said));
            self.dossiers.reopen_those(spreading.map(|(account, _)| *account));
        }
    }

    fn take(&mut self, _tick: Tick, news: AccountNews, _out: &mut Vec<OwnRisk>) {
        self.dossiers.take(news);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<OwnRisk>) {
        let Accounts { policies, dossiers, said, scorers } = self;
        let (_, policy) = policies.current().expect("a policy is in force from the beginning");
        dossiers.close(|account, plays, facts, network| {
            let model = scorers.of(account);
            let now = if plays > 0 { say(plays, facts, policy, model, network) } else { Said::default() };
            if said.get(&account).unwrap_or(&Said::default()) == &now {
                return;
            }
            out.push(OwnRisk {
                account,
                risk: now.risk,
                plays,
                signals: now.signals.clone(),
                learned: now.learned.clone(),
                is_silenced: now.is_silenced,
            });
            match plays {
                0 => said.remove(&account),
                _ => said.insert(account, now),
            };
        });
    }
}

/// Probabilities from here on are explained; below, nobody asks.
const EXPLAINED_MIN: u16 = 1_000;
/// Features that are named.
const NAMED: usize = 3;

fn say(plays: u32, facts: &AccountFacts, policy: &Policy, model: Option<(u16, &Model)>, network: f32) -> Said {
    let mut signals = of_account(facts);
    // What a model says is about the account alone: two who look alike to it are no evidence about each other.
    let risk = risk(policy, &signals);
    let learned = model.and_then(|(place, model)| {
        let features = profile::of_account(facts);
        let fraud = fraud(model, &features, network);
        signals.push(of_model(fraud, model.sharp_from())?);
        let named = if fraud.parts() >= EXPLAINED_MIN { NAMED } else { 0 };
        let because = model.because(&features.0, network, named).into_iter();
        let looked = |because: Because| Looked { feature: because.feature as u16, value_bits: because.value.to_bits() };
        Some(Learned { model: place, because: because.map(looked).collect() })
    });
    Said { plays, signals, learned, risk, is_silenced: facts.is_silenced }
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
    /// Its own signals, and what a model looked at.
    Own(Vec<Signal>, Option<Learned>),
    /// How suspicious its tracks are without it.
    Around(Risk),
    /// What a person ruled about it, as far as it is in force.
    Ruled(Option<Box<Ruling>>),
    /// Its territory.
    Territory(u16),
}

/// All that is new for the verdicts on accounts.
pub(super) fn verdict_news<'scope>(
    own: StreamVec<'scope, Tick, OwnRisk>,
    around: StreamVec<'scope, Tick, (Key, Risk)>,
    territories: StreamVec<'scope, Tick, (Key, u16)>,
    rulings: Option<StreamVec<'scope, Tick, RulingChange>>,
) -> StreamVec<'scope, Tick, (Key, Judge)> {
    let own = own.map(|own| (own.account, Judge::Own(own.signals, own.learned)));
    let territories = territories.map(|(account, territory)| (account, Judge::Territory(territory)));
    let news = own.concat(around.map(|(account, risk)| (account, Judge::Around(risk)))).concat(territories);
    let Some(rulings) = rulings else { return news };
    news.concat(rulings.flat_map(|((subject, account), ruling)| {
        (subject == Subject::Account).then_some((account, Judge::Ruled(ruling)))
    }))
}

#[derive(Default)]
struct Case {
    own: Vec<Signal>,
    learned: Option<Learned>,
    around: Risk,
    ruling: Option<Box<Ruling>>,
    said: Option<Judgement>,
}

/// The accounts of one worker against which something speaks.
pub(super) struct Verdicts {
    longest_ms: Millis,
    cases: HashMap<Key, Case>,
    /// Of all accounts that have one, also of those against which nothing speaks yet.
    territories: HashMap<Key, u16>,
    touched: HashSet<Key>,
}

impl Verdicts {
    pub fn new(judging: &Judging) -> Verdicts {
        Verdicts {
            longest_ms: judging.windows_ms.last().copied().unwrap_or(0),
            cases: HashMap::new(),
            territories: HashMap::new(),
            touched: HashSet::new(),
        }
    }
}

impl Keep for Verdicts {
    type In = (Key, Judge);
    type Out = JudgementChange;

    fn take(&mut self, _tick: Tick, (account, judge): (Key, Judge), _out: &mut Vec<JudgementChange>) {
        let nothing = match &judge {
            Judge::Own(signals, _) => signals.is_empty(),
            Judge::Around(risk) => *risk == Risk::CLEAN,
            Judge::Ruled(ruling) => ruling.is_none(),
            Judge::Territory(_) => true,
        };
        // It speaks against nobody, and is known before something does.
        match judge {
            Judge::Territory(0) => _ = self.territories.remove(&account),
            Judge::Territory(territory) => _ = self.territories.insert(account, territory),
            _ => {}
        }
        if nothing && !self.cases.contains_key(&account) {
            return;
        }
        let case = self.cases.entry(account).or_default();
        match judge {
            Judge::Own(signals, learned) => (case.own, case.learned) = (signals, learned),
            Judge::Around(risk) => case.around = risk,
            Judge::Ruled(ruling) => case.ruling = ruling,
            Judge::Territory(_) => {}
        }
        self.touched.insert(account);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<JudgementChange>) {
        for account in self.touched.drain() {
            let Some(case) = self.cases.get_mut(&account) else { continue };
            let signals = case.own.iter().copied().chain(of_surroundings(self.longest_ms, case.around)).collect();
            let territory = self.territories.get(&account).copied().unwrap_or_default();
            let judgement = judgement((0, territory), None, signals, case.ruling.clone());
            let judgement = judgement.map(|judgement| Judgement { learned: case.learned.clone(), ..judgement });
            if judgement != case.said {
                out.push(((Subject::Account, account), judgement.clone()));
                case.said = judgement;
            }
            if case.own.is_empty() && case.around == Risk::CLEAN && case.ruling.is_none() {
                self.cases.remove(&account);
            }
        }
    }
}

/// The judgement of these signals and this ruling, in the segment and the territory; `None` where there is neither.
pub(super) fn judgement(
    (segment, territory): (u16, u16),
    heard: Option<Heard>,
    signals: Vec<Signal>,
    ruling: Option<Box<Ruling>>,
) -> Option<Judgement> {
    let is_spoken_of = !signals.is_empty() || ruling.is_some();
    is_spoken_of.then_some(Judgement { segment, territory, heard, signals, ruling, ..Judgement::default() })
}
