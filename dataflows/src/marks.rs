//! Keeps what is remarkable about accounts, and brings it to what they play.
//!
//! ```text
//! dossiers ──▶ Marks ──▶ (account, mark) of the remarkable ⋈ listens ──▶ (track, (account, mark)), once per play
//! ```

use features::crowd::Mark;
use hashbrown::HashMap;
use records::{Key, Millis};
use timely::dataflow::StreamVec;

use differential_dataflow::AsCollection;

use crate::clock::Tick;
use crate::dossiers::{AccountNews, Dossiers};
use crate::keep::Keep;
use crate::risk::listens::Listens;
use crate::risk::{Coll, Update};

/// An account is so from now on (+1) or no more (-1); most accounts are not remarkable, and nothing is said of them.
pub(crate) type MarkChange = Update<(Key, Mark)>;

/// The remarkable listeners of each track, once per play in the longest window.
pub(crate) fn of_listeners<'scope>(
    listens: Listens<'scope>,
    marks: StreamVec<'scope, Tick, MarkChange>,
) -> Coll<'scope, (Key, (Key, Mark))> {
    let marks = marks.as_collection().arrange_by_key_named("Marks");
    listens.by_account.join_core(marks, |account, track, mark| Some((*track, (*account, *mark))))
}

/// The accounts of one worker.
pub(crate) struct Marks {
    dossiers: Dossiers,
    said: HashMap<Key, Mark>,
}

impl Marks {
    pub fn new(windows: Vec<(u8, Millis)>) -> Marks {
        Marks { dossiers: Dossiers::new(windows), said: HashMap::new() }
    }
}

impl Keep for Marks {
    type In = AccountNews;
    type Out = MarkChange;

    fn take(&mut self, _tick: Tick, news: AccountNews, _out: &mut Vec<Self::Out>) {
        self.dossiers.take(news);
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Self::Out>) {
        let Marks { dossiers, said } = self;
        dossiers.close(|account, plays, facts, _network| {
            let new = if plays > 0 { Mark::of(facts) } else { Mark::default() };
            let old = match new == Mark::default() {
                true => said.remove(&account),
                false => said.insert(account, new),
            };
            let old = old.unwrap_or_default();
            if old != new {
                let told = [(old, -1), (new, 1)].into_iter().filter(|(mark, _)| *mark != Mark::default());
                out.extend(told.map(|(mark, diff)| ((account, mark), tick, diff)));
            }
        });
    }
}
