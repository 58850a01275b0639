//! Suspicion travels from accounts to the tracks they play, and back to who else plays them, a few rounds.
//!
//! ```text
//! own risk ──▶ spread ⋈ listens ──▶ suspects of a track ──▶ loads ──▶ said ⋈ listens ──▶ heard ──▶ listeners ──▶ spread …
//!                                                             └──▶ echoes (who is suspect hears less) ──▶ ┘
//! ```
//!
//! The quick twin of [`features::signals::suspicion::suspicion`]. Only accounts that spread something and tracks that say
//! something take part in the joins, so a round costs what suspects play, not what everybody plays.

use differential_dataflow::AsCollection;
use features::signals::suspicion::{Load, elsewhere, raised, spread};
use hashbrown::{HashMap, HashSet};
use records::policy::Flow;
use records::{Key, Risk};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::accounts::OwnRisk;
use super::listens::Listens;
use super::{Coll, Update, updates};
use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};

/// What came of it.
pub(super) struct Travelled<'scope> {
    /// How suspicious the tracks of an account are without it, where that changed.
    pub around: StreamVec<'scope, Tick, (Key, Risk)>,
    /// What each account spreads in the end, in ten-thousandths; those that spread nothing are left out.
    pub spread: Coll<'scope, (Key, u16)>,
    /// Each track with the accounts that spread something and played it, once per play.
    pub suspects: Coll<'scope, (Key, (Key, u16))>,
}

/// Lets the own risks travel over the listens; `plays` are those of tracks, where they changed, and `silenced` says of tracks whether
/// a person ruled that they speak against nobody.
pub(super) fn travel<'scope>(
    listens: Listens<'scope>,
    plays: StreamVec<'scope, Tick, (Key, u32)>,
    silenced: Option<StreamVec<'scope, Tick, (Key, bool)>>,
    own: StreamVec<'scope, Tick, OwnRisk>,
    flow: Flow,
    until: Tick,
) -> Travelled<'scope> {
    let Listens { all, by_account } = listens;
    let by_track = all.map(|(account, track)| (track, account)).arrange_by_key_named("ListensByTrack");
    let suspects = |spread: Coll<'scope, (Key, u16)>| {
        let spread = spread.arrange_by_key_named("Spread");
        by_account.clone().join_core(spread, |account, track, risk| Some((*track, (*account, *risk))))
    };
    let plays = plays.map(|(track, plays)| LoadNews::Plays(track, plays));
    let plays = match silenced {
        Some(silenced) => plays.concat(silenced.map(|(track, is_silenced)| LoadNews::Silenced(track, is_silenced))),
        None => plays,
    };
    let own =
        own.map(|OwnRisk { account, risk, plays, is_silenced, .. }| Heard::Own { account, risk, plays, is_silenced });

    let (mut around, mut spread) = listen(own.clone(), flow, until);
    for _round in 0..flow.rounds {
        let suspected = updates(suspects(spread), |(track, (account, risk)), diff| LoadNews::Suspect {
            track,
            account,
            risk,
            plays: diff as i64,
        });
        let route = |news: &LoadNews| mix(news.track().0);
        let loads = keep(plays.clone().concat(suspected), "Loads", route, until, Loads::default());
        let said = loads.clone().flat_map(|told| match told {
            Told::Said(update) => Some(update),
            Told::Echo(..) => None,
        });
        let echoes = loads.flat_map(|told| match told {
            Told::Echo(account, suspicion) => Some(Heard::Others { account, suspicion }),
            Told::Said(_) => None,
        });
        let said = said.as_collection().arrange_by_key_named("Said");
        let heard = by_track.clone().join_core(said, |_track, account, risk| Some((*account, *risk)));
        let heard =
            updates(heard, |(account, risk), diff| Heard::Others { account, suspicion: diff as i64 * i64::from(risk) });
        (around, spread) = listen(own.clone().concat(heard).concat(echoes), flow, until);
    }
    let suspects = suspects(spread.clone());
    Travelled { around, spread, suspects }
}

type Around<'scope> = StreamVec<'scope, Tick, (Key, Risk)>;

/// What is around each account, and what it spreads then.
fn listen<'scope>(
    heard: StreamVec<'scope, Tick, Heard>,
    flow: Flow,
    until: Tick,
) -> (Around<'scope>, Coll<'scope, (Key, u16)>) {
    let listeners = Listeners { flow, listeners: HashMap::new(), touched: HashSet::new() };
    let raised = keep(heard, "Listeners", |heard: &Heard| mix(heard.account().0), until, listeners);
    let around = raised.clone().flat_map(|raised| match raised {
        Raised::Around(account, risk) => Some((account, risk)),
        Raised::Spread(_) => None,
    });
    let spread = raised.flat_map(|raised| match raised {
        Raised::Spread(update) => Some(update),
        Raised::Around(..) => None,
    });
    (around, spread.as_collection())
}

/// What is new about a track.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum LoadNews {
    /// It has so many plays in the longest window.
    Plays(Key, u32),
    /// So many plays more (or fewer) by an account that spreads this.
    Suspect { track: Key, account: Key, risk: u16, plays: i64 },
    /// Whether it is to say nothing.
    Silenced(Key, bool),
}

impl LoadNews {
    fn track(&self) -> Key {
        match self {
            LoadNews::Plays(track, _) | LoadNews::Suspect { track, .. } | LoadNews::Silenced(track, _) => *track,
        }
    }
}

/// What a track tells.
#[derive(Clone, Debug)]
enum Told {
    /// To all who play it: how suspicious it is.
    Said(Update<(Key, u16)>),
    /// To a suspect: so much of that, summed over its plays, is its own echo.
    Echo(Key, i64),
}

/// The plays of a suspect on one track.
#[derive(Default)]
struct Suspect {
    plays: i64,
    suspicion: i64,
    /// What it was told beside what all are told.
    echo: i64,
}

impl Suspect {
    fn load(&self) -> Load {
        Load { plays: self.plays.unsigned_abs(), suspicion: self.suspicion.unsigned_abs() }
    }
}

#[derive(Default)]
struct Suspected {
    suspects: HashMap<Key, Suspect>,
    said: u16,
}

impl Suspected {
    /// Tells what the track says with so many plays; `None` where it is to say nothing.
    fn say(&mut self, track: Key, plays: Option<u32>, tick: Tick, out: &mut Vec<Told>) {
        let suspicion: u64 = self.suspects.values().map(|suspect| suspect.load().suspicion).sum();
        let load = plays.map_or(Load::default(), |plays| Load { plays: u64::from(plays), suspicion });
        let said = elsewhere(load, Load::default()).parts();
        if said != self.said {
            for (said, diff) in [(self.said, -1), (said, 1)] {
                out.extend((said > 0).then_some(Told::Said(((track, said), tick, diff))));
            }
            self.said = said;
        }
        self.suspects.retain(|account, suspect| {
            let heard = i64::from(elsewhere(load, suspect.load()).parts());
            let echo = suspect.plays * (heard - i64::from(said));
            if echo != suspect.echo {
                out.push(Told::Echo(*account, echo - suspect.echo));
                suspect.echo = echo;
            }
            suspect.plays != 0
        });
    }
}

/// The tracks that suspects played.
#[derive(Default)]
struct Loads {
    plays: HashMap<Key, u32>,
    silenced: HashSet<Key>,
    suspected: HashMap<Key, Suspected>,
    touched: HashSet<Key>,
}

impl Keep for Loads {
    type In = LoadNews;
    type Out = Told;

    fn take(&mut self, _tick: Tick, news: LoadNews, _out: &mut Vec<Told>) {
        match news {
            LoadNews::Plays(track, 0) => _ = self.plays.remove(&track),
            LoadNews::Plays(track, plays) => _ = self.plays.insert(track, plays),
            LoadNews::Suspect { track, account, risk, plays } => {
                let suspected = self.suspected.entry(track).or_default();
                let suspect = suspected.suspects.entry(account).or_default();
                suspect.plays += plays;
                suspect.suspicion += plays * i64::from(risk);
            }
            LoadNews::Silenced(track, true) => _ = self.silenced.insert(track),
            LoadNews::Silenced(track, false) => _ = self.silenced.remove(&track),
        }
        self.touched.insert(news.track());
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Told>) {
        for track in self.touched.drain() {
            let Some(suspected) = self.suspected.get_mut(&track) else { continue };
            let plays = self.plays.get(&track).copied().unwrap_or(0);
            suspected.say(track, Some(plays).filter(|_| !self.silenced.contains(&track)), tick, out);
            if suspected.suspects.is_empty() {
                self.suspected.remove(&track);
            }
        }
    }
}

/// What an account hears of itself and of its tracks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Heard {
    /// Its risk by its own signals, its plays in the longest window, and whether it is to spread nothing.
    Own { account: Key, risk: Risk, plays: u32, is_silenced: bool },
    /// So much more (or less) suspicion by others, summed over its plays.
    Others { account: Key, suspicion: i64 },
}

impl Heard {
    fn account(&self) -> Key {
        match self {
            Heard::Own { account, .. } | Heard::Others { account, .. } => *account,
        }
    }
}

/// What an account becomes.
#[derive(Clone, Debug)]
enum Raised {
    /// It is surrounded by this.
    Around(Key, Risk),
    /// It spreads this.
    Spread(Update<(Key, u16)>),
}

#[derive(Default)]
struct Listener {
    own: Risk,
    plays: u32,
    is_silenced: bool,
    heard: i64,
    around: Risk,
    spread: Risk,
}

struct Listeners {
    flow: Flow,
    listeners: HashMap<Key, Listener>,
    touched: HashSet<Key>,
}

impl Keep for Listeners {
    type In = Heard;
    type Out = Raised;

    fn take(&mut self, _tick: Tick, heard: Heard, _out: &mut Vec<Raised>) {
        let listener = self.listeners.entry(heard.account()).or_default();
        match heard {
            Heard::Own { risk, plays, is_silenced, .. } => {
                (listener.own, listener.plays, listener.is_silenced) = (risk, plays, is_silenced);
            }
            Heard::Others { suspicion, .. } => listener.heard += suspicion,
        }
        self.touched.insert(heard.account());
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Raised>) {
        for account in self.touched.drain() {
            let Some(listener) = self.listeners.get_mut(&account) else { continue };
            let Listener { own, plays, is_silenced, heard, .. } = *listener;
            let around = Load { plays: u64::from(plays), suspicion: heard.unsigned_abs() }.share();
            if around != listener.around {
                out.push(Raised::Around(account, around));
                listener.around = around;
            }
            let spreads = if is_silenced { Risk::CLEAN } else { raised(&self.flow, own, around) };
            let spread = spread(&self.flow, spreads);
            if spread != listener.spread {
                for (risk, diff) in [(listener.spread.parts(), -1), (spread.parts(), 1)] {
                    out.extend((risk > 0).then_some(Raised::Spread(((account, risk), tick, diff))));
                }
                listener.spread = spread;
            }
            if (plays, heard) == (0, 0) {
                self.listeners.remove(&account);
            }
        }
    }
}
