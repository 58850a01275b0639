//! What models say of every account, champion and challenger side by side, whether or not somebody is judged by it.
//!
//! ```text
//! dossiers, what a network says ──▶ Scores of each side ──▶ (account, side), the model and its probability, where they changed
//! ```

use std::fmt;
use std::sync::Arc;

use features::profile::{Profile, of_account};
use features::signals::AccountFacts;
use hashbrown::HashMap;
use models::Model;
use models::temporal::Network;
use records::{Key, Millis, Risk};
use serde::{Deserialize, Serialize};

use crate::clock::Tick;
use crate::dossiers::{AccountNews, Dossiers};
use crate::keep::Keep;

/// Models that take turns, and those that are tried on some accounts meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Each in force from a tick on, in that order.
    pub models: Vec<(Tick, Arc<Model>)>,
    /// One after the other.
    pub trials: Vec<Trial>,
}

/// A model that scores some accounts, while the one in force scores all others. What a network says is asked of that one's.
#[derive(Clone)]
pub struct Trial {
    /// The first tick.
    pub from: Tick,
    /// The first tick at which it is not tried any more.
    pub until: Tick,
    /// The model.
    pub model: Arc<Model>,
    /// Whether it scores an account.
    pub is_tried_on: Arc<dyn Fn(Key) -> bool + Send + Sync>,
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trial { from, until, model, .. } = self;
        f.debug_struct("Trial").field("ticks", &(from..until)).field("model", model).finish_non_exhaustive()
    }
}

/// On which side models score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Its word counts where accounts are judged.
    Champion,
    /// It is watched, and has no say.
    Challenger,
}

impl Side {
    /// The word in the table.
    pub fn name(self) -> &'static str {
        match self {
            Side::Champion => "champion",
            Side::Challenger => "challenger",
        }
    }
}

/// What a side says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The place of the model among those of its side, of which those that are tried are the last.
    pub model: u16,
    /// How probable fraud is.
    pub fraud: Risk,
}

/// The score of an account as of now; `None` when it has no play in the longest window (any more).
pub type ScoreChange = ((Key, Side), Option<Score>);

/// How probable fraud is; rounded once, here: from now on it is counted.
pub(crate) fn fraud(model: &Model, Profile(features): &Profile, network: f32) -> Risk {
    Risk::from_parts((model.probability(features, network) * 10_000.0).round() as u64)
}

/// Which of those that take turns is in force: a model, its network, or a policy.
pub(crate) struct InForce<M> {
    models: Vec<(Tick, M)>,
    begun: usize,
}

impl<M> InForce<M> {
    pub fn new(models: Vec<(Tick, M)>) -> InForce<M> {
        InForce { models, begun: 0 }
    }

    /// The tick at which the next one comes into force.
    pub fn due(&self) -> Option<Tick> {
        self.models.get(self.begun).map(|(from, _)| *from)
    }

    /// Whether another one is in force from this tick on.
    pub fn open(&mut self, tick: Tick) -> bool {
        let begun = self.models.iter().filter(|(from, _)| *from <= tick).count();
        std::mem::replace(&mut self.begun, begun) < begun
    }

    /// Its place, and what is in force.
    pub fn current(&self) -> Option<(u16, &M)> {
        let place = self.begun.checked_sub(1)?;
        Some((place as u16, &self.models[place].1))
    }
}

/// The models in force: the one that scores, and the one that is tried.
pub(crate) struct Scorers {
    models: InForce<Arc<Model>>,
    trials: Vec<Trial>,
    /// How many there are that take turns.
    taking_turns: u16,
    tried: Option<usize>,
    /// When a trial begins or ends, latest first.
    bounds: Vec<Tick>,
}

impl Scorers {
    pub fn new(Turns { models, trials }: Turns) -> Scorers {
        let mut bounds: Vec<Tick> = trials.iter().flat_map(|trial| [trial.from, trial.until]).collect();
        bounds.sort_unstable_by(|a, b| b.cmp(a));
        bounds.retain(|bound| *bound < Tick::MAX);
        let taking_turns = models.len() as u16;
        Scorers { models: InForce::new(models), trials, taking_turns, tried: None, bounds }
    }

    /// The tick at which other ones are in force.
    pub fn due(&self) -> Option<Tick> {
        [self.models.due(), self.bounds.last().copied()].into_iter().flatten().min()
    }

    /// Whether other ones are in force from this tick on.
    pub fn open(&mut self, tick: Tick) -> bool {
        while self.bounds.pop_if(|bound| *bound <= tick).is_some() {}
        let tried = self.trials.iter().rposition(|trial| trial.from <= tick && tick < trial.until);
        let is_tried = std::mem::replace(&mut self.tried, tried) != tried;
        self.models.open(tick) || is_tried
    }

    /// The one that scores an account, and its place.
    pub fn of(&self, account: Key) -> Option<(u16, &Model)> {
        let tried = self.tried.map(|place| (self.taking_turns + place as u16, &self.trials[place]));
        if let Some((place, trial)) = tried.filter(|(_, trial)| (trial.is_tried_on)(account)) {
            return Some((place, &trial.model));
        }
        self.models.current().map(|(place, model)| (place, &**model))
    }
}

/// The networks of models that take turns, in the order of coming into force.
pub(crate) fn networks(turns: &Turns) -> Vec<(Tick, Option<Arc<Network>>)> {
    turns.models.iter().map(|(from, model)| (*from, model.network())).collect()
}

/// Whether one of them looks at sequences.
pub(crate) fn has_network(turns: &Turns) -> bool {
    turns.models.iter().any(|(_, model)| model.network().is_some())
}

/// The accounts of one worker, as one side sees them.
pub(crate) struct Scores {
    side: Side,
    dossiers: Dossiers,
    scorers: Scorers,
    said: HashMap<Key, Score>,
}

impl Scores {
    /// Reads the windows at these places, shortest first.
    pub fn new(side: Side, windows: Vec<(u8, Millis)>, turns: Turns) -> Scores {
        Scores { side, dossiers: Dossiers::new(windows), scorers: Scorers::new(turns), said: HashMap::new() }
    }
}

impl Keep for Scores {
    type In = AccountNews;
    type Out = ScoreChange;

    fn due(&self) -> Option<Tick> {
        self.scorers.due()
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<ScoreChange>) {
        if self.scorers.open(tick) {
            self.dossiers.reopen();
        }
    }

    fn take(&mut self, _tick: Tick, news: AccountNews, _out: &mut Vec<ScoreChange>) {
        self.dossiers.take(news);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<ScoreChange>) {
        let Scores { side, dossiers, scorers, said } = self;
        let score = |account: Key, facts: &AccountFacts, network| {
            let (place, model) = scorers.of(account)?;
            Some(Score { model: place, fraud: fraud(model, &of_account(facts), network) })
        };
        dossiers.close(|account, plays, facts, network| {
            let now = if plays > 0 { score(account, facts, network) } else { None };
            if said.get(&account) != now.as_ref() {
                match now {
                    Some(score) => _ = said.insert(account, score),
                    None => _ = said.remove(&account),
                }
                out.push(((account, *side), now));
            }
        });
    }
}
