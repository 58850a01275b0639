//! What models say of every account, champion and challenger side by side, whether or not somebody is judged by it.
//!
//! ```text
//! dossiers, what a network says ──▶ Scores of each side ──▶ (account, side), the model and its probability, where they changed
//! ```

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

/// Models that take turns, each in force from a tick on, in that order.
pub type Turns = Vec<(Tick, Arc<Model>)>;

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
    /// The place of the model among those of its side.
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

/// The networks of models that take turns, in the order of coming into force.
pub(crate) fn networks(models: &Turns) -> Vec<(Tick, Option<Arc<Network>>)> {
    models.iter().map(|(from, model)| (*from, model.network())).collect()
}

/// Whether one of them looks at sequences.
pub(crate) fn has_network(models: &Turns) -> bool {
    models.iter().any(|(_, model)| model.network().is_some())
}

/// The accounts of one worker, as one side sees them.
pub(crate) struct Scores {
    side: Side,
    dossiers: Dossiers,
    models: InForce<Arc<Model>>,
    said: HashMap<Key, Score>,
}

impl Scores {
    /// Reads the windows at these places, shortest first.
    pub fn new(side: Side, windows: Vec<(u8, Millis)>, models: Turns) -> Scores {
        Scores { side, dossiers: Dossiers::new(windows), models: InForce::new(models), said: HashMap::new() }
    }
}

impl Keep for Scores {
    type In = AccountNews;
    type Out = ScoreChange;

    fn due(&self) -> Option<Tick> {
        self.models.due()
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<ScoreChange>) {
        if self.models.open(tick) {
            self.dossiers.reopen();
        }
    }

    fn take(&mut self, _tick: Tick, news: AccountNews, _out: &mut Vec<ScoreChange>) {
        self.dossiers.take(news);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<ScoreChange>) {
        let Scores { side, dossiers, models, said } = self;
        let score = |facts: &AccountFacts, network| {
            let (place, model) = models.current()?;
            Some(Score { model: place, fraud: fraud(model, &of_account(facts), network) })
        };
        dossiers.close(|account, plays, facts, network| {
            let now = if plays > 0 { score(facts, network) } else { None };
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
