//! Lets each play in once, and takes it back when a correction says so.
//!
//! ```text
//! claims (plays whose id comes again, corrections) ──▶ by play id ──▶ plays that count, plays that count no longer
//!                                                                └──▶ repeats that were refused
//! ```
//!
//! Plays whose id occurs once do not pass here where whole files are read, for then it is known which those are. A living
//! service knows no such thing: all its plays pass, and their ids are remembered as long as they may count.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use records::{Code, Country, IdSpace, Key, KeyedPlay, Millis, Names};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Tick};
use crate::keep::{Keep, empty, mix};

/// Where a row stands: the number of its file among the inputs, and its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Which file.
    pub file: u32,
    /// Which row, from 0.
    pub row: u64,
}

/// Something that is said of a play id that occurs more than once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// The play id: the number, or the 128-bit hash of the text.
    pub play_id: u128,
    /// How many claims of this id there are in all; after the last one it can be forgotten.
    pub occurrences: u32,
    /// What is said.
    pub what: Assertion,
}

/// What a claim says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Assertion {
    /// The play happened.
    Played(Played),
    /// The play must be forgotten.
    Corrected,
}

/// A play that may be a repeat, with what decides which of several comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// When it arrived.
    pub arrived_at: Millis,
    /// The play.
    pub play: KeyedPlay,
    /// Its source as it stands in the row: an unknown word still makes it another play.
    pub source: Option<Box<str>>,
    /// Shuffle and offline as they stand in the row, unknown apart from false.
    pub flags: (Option<bool>, Option<bool>),
    /// Where its row stands.
    pub place: Place,
}

impl Played {
    /// Orders the rows of one play id: the first one is the play. Arrival decides; among rows that arrived together
    /// their content, so that neither files nor workers matter.
    fn order(&self, other: &Played, names: &dyn Names) -> Ordering {
        self.arrived_at
            .cmp(&other.arrived_at)
            .then_with(|| self.compare(other, names))
            .then_with(|| self.place.cmp(&other.place))
    }

    /// Compares what the rows say of the play, nulls first.
    fn compare(&self, other: &Played, names: &dyn Names) -> Ordering {
        let (a, b) = (&self.play, &other.play);
        let ids = |space, a: Key, b: Key| match (a.is_some(), b.is_some()) {
            (true, true) => names.compare(space, a, b),
            (a, b) => a.cmp(&b),
        };
        // Absent asn is the largest number; adding one puts it first.
        let asn = |play: &KeyedPlay| play.asn.wrapping_add(1);
        let country = |country: Country| country.number();
        (a.ended_at.cmp(&b.ended_at))
            .then_with(|| ids(IdSpace::Account, a.account, b.account))
            .then_with(|| ids(IdSpace::Track, a.track, b.track))
            .then_with(|| a.played_ms.cmp(&b.played_ms))
            .then_with(|| ids(IdSpace::Device, a.device, b.device))
            .then_with(|| ids(IdSpace::IpPrefix, a.ip_prefix, b.ip_prefix))
            .then_with(|| asn(a).cmp(&asn(b)))
            .then_with(|| country(a.country).cmp(&country(b.country)))
            .then_with(|| self.source.cmp(&other.source))
            .then_with(|| ids(IdSpace::Playlist, a.playlist, b.playlist))
            .then_with(|| self.flags.cmp(&other.flags))
    }
}

/// What follows from the claims.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Admission {
    /// The play counts from now on, or (`false`) no longer.
    Counts(KeyedPlay, bool),
    /// The row was set aside.
    Refused(Place, Code),
}

/// Where the claim's play id lives.
pub fn route(claim: &Claim) -> u64 {
    mix(claim.play_id as u64)
}

#[derive(Default)]
struct Case {
    winner: Option<Played>,
    corrected: bool,
    heard: u32,
    /// From this tick on the case is forgotten, where cases are.
    until: Tick,
}

/// How long cases are remembered where nobody knows how many claims are still to come.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Turns the end of a play into a tick.
    pub clock: Clock,
    /// How many ticks after its end a play may still count.
    pub ticks: Tick,
}

/// The cases of one worker's play ids.
pub struct Admit {
    names: Arc<dyn Names>,
    cases: HashMap<u128, Case>,
    claims: Vec<Claim>,
    memory: Option<Memory>,
    /// Which cases may be forgotten at a tick.
    leaving: BTreeMap<Tick, Vec<u128>>,
}

impl Admit {
    /// No case yet. Without a memory a case is forgotten after the last of its claims, whose number each of them tells.
    pub fn new(names: Arc<dyn Names>, memory: Option<Memory>) -> Admit {
        Admit { names, cases: HashMap::new(), claims: Vec::new(), memory, leaving: BTreeMap::new() }
    }

    /// Hears all claims of one tick about one play id.
    fn hear(&mut self, tick: Tick, claims: &[Claim], out: &mut Vec<Admission>) {
        let play_id = claims[0].play_id;
        let case = self.cases.entry(play_id).or_default();
        let counted = case.winner.is_some() && !case.corrected;
        let mut plays: Vec<&Played> = Vec::new();
        for claim in claims {
            match &claim.what {
                Assertion::Played(played) => plays.push(played),
                Assertion::Corrected => case.corrected = true,
            }
        }
        plays.sort_by(|a, b| a.order(b, &*self.names));
        for played in plays {
            match &case.winner {
                None => case.winner = Some(played.clone()),
                Some(winner) => {
                    let same = winner.compare(played, &*self.names).is_eq();
                    out.push(Admission::Refused(played.place, if same { Code::Repeated } else { Code::Conflicting }));
                }
            }
        }
        let counts = case.winner.is_some() && !case.corrected;
        if let (Some(winner), true) = (&case.winner, counts != counted) {
            out.push(Admission::Counts(winner.play, counts));
        }
        if let Some(memory) = self.memory {
            let ended = case.winner.as_ref().map(|winner| memory.clock.first_after(winner.play.ended_at));
            // What is told of a play that never came is remembered as long as if it had ended now.
            let until = (ended.unwrap_or(tick) + memory.ticks).max(tick) + 1;
            if until > case.until {
                case.until = until;
                self.leaving.entry(until).or_default().push(play_id);
            }
            return;
        }
        case.heard += claims.len() as u32;
        if case.heard >= claims[0].occurrences {
            self.cases.remove(&play_id);
        }
    }
}

impl Keep for Admit {
    type In = Claim;
    type Out = Admission;

    fn due(&self) -> Option<Tick> {
        self.leaving.keys().next().copied()
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<Admission>) {
        while let Some(entry) = self.leaving.first_entry().filter(|entry| *entry.key() <= tick) {
            for play_id in entry.remove() {
                if self.cases.get(&play_id).is_some_and(|case| case.until <= tick) {
                    self.cases.remove(&play_id);
                }
            }
        }
    }

    fn take(&mut self, _tick: Tick, claim: Claim, _out: &mut Vec<Admission>) {
        self.claims.push(claim);
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Admission>) {
        let mut claims = std::mem::take(&mut self.claims);
        claims.sort_by_key(|claim| claim.play_id);
        for same in claims.chunk_by(|a, b| a.play_id == b.play_id) {
            self.hear(tick, same, out);
        }
        let used = claims.len();
        empty(&mut claims, used);
        self.claims = claims;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::Id;

    struct Numbers;

    impl Names for Numbers {
        fn id(&self, _space: IdSpace, key: Key) -> Id {
            Id::Number(key.0)
        }
    }

    /// A play of this id that ended then, in row `row`.
    fn played(play_id: u128, ended_at: Millis, row: u64) -> Claim {
        let play = KeyedPlay { ended_at, ..KeyedPlay::NOTHING };
        let place = Place { file: 0, row };
        let what = Assertion::Played(Played { arrived_at: ended_at, play, source: None, flags: (None, None), place });
        Claim { play_id, occurrences: u32::MAX, what }
    }

    fn corrected(play_id: u128) -> Claim {
        Claim { play_id, occurrences: u32::MAX, what: Assertion::Corrected }
    }

    /// What follows from the claims of a tick: plays that come (true) and go (false), and how many were refused.
    fn at(admit: &mut Admit, tick: Tick, claims: Vec<Claim>) -> (Vec<bool>, usize) {
        let mut out = Vec::new();
        admit.open(tick, &mut out);
        claims.into_iter().for_each(|claim| admit.take(tick, claim, &mut out));
        admit.close(tick, &mut out);
        let counts = out.iter().filter_map(|ruling| match ruling {
            Admission::Counts(_, counts) => Some(*counts),
            Admission::Refused(..) => None,
        });
        let counts: Vec<bool> = counts.collect();
        let refused = out.len() - counts.len();
        (counts, refused)
    }

    #[test]
    fn a_living_service_remembers_an_id_as_long_as_its_play_may_count() {
        let memory = Memory { clock: Clock::new(1_000), ticks: 5 };
        let mut admit = Admit::new(Arc::new(Numbers), Some(memory));
        assert_eq!(at(&mut admit, 3, vec![played(1, 2_500, 0), played(2, 2_500, 1)]), (vec![true, true], 0));
        assert_eq!(at(&mut admit, 4, vec![played(1, 2_500, 2), corrected(2), corrected(3)]), (vec![false], 1));
        assert_eq!(at(&mut admit, 8, vec![played(1, 2_500, 3), played(2, 2_500, 4)]), (vec![], 2));
        // The play left the longest window at tick 8; who claims it again comes too late for any.
        assert_eq!(admit.due(), Some(9));
        assert_eq!(at(&mut admit, 9, vec![played(3, 8_500, 5)]), (vec![], 0), "taken back before it came");
        assert_eq!(admit.cases.len(), 1);
        at(&mut admit, 20, Vec::new());
        assert!(admit.cases.is_empty() && admit.due().is_none());
    }
}
