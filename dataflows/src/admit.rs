//! Lets each play in once, and takes it back when a correction says so.
//!
//! ```text
//! claims (plays whose id comes again, corrections) ──▶ by play id ──▶ plays that count, plays that count no longer
//!                                                                └──▶ repeats that were refused
//! ```
//!
//! Plays whose id occurs once do not pass here: whoever reads whole files knows which those are.

use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::HashMap;
use records::{Code, Country, IdSpace, Key, KeyedPlay, Millis, Names};
use serde::{Deserialize, Serialize};

use crate::clock::Tick;
use crate::keep::{Keep, mix};

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
pub enum Ruling {
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
}

/// The cases of one worker's play ids.
pub struct Admit {
    names: Arc<dyn Names>,
    cases: HashMap<u128, Case>,
    claims: Vec<Claim>,
}

impl Admit {
    /// No case yet.
    pub fn new(names: Arc<dyn Names>) -> Admit {
        Admit { names, cases: HashMap::new(), claims: Vec::new() }
    }

    /// Hears all claims of one tick about one play id.
    fn hear(&mut self, claims: &[Claim], out: &mut Vec<Ruling>) {
        let case = self.cases.entry(claims[0].play_id).or_default();
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
                    out.push(Ruling::Refused(played.place, if same { Code::Repeated } else { Code::Conflicting }));
                }
            }
        }
        let counts = case.winner.is_some() && !case.corrected;
        if let (Some(winner), true) = (&case.winner, counts != counted) {
            out.push(Ruling::Counts(winner.play, counts));
        }
        case.heard += claims.len() as u32;
        if case.heard >= claims[0].occurrences {
            self.cases.remove(&claims[0].play_id);
        }
    }
}

impl Keep for Admit {
    type In = Claim;
    type Out = Ruling;

    fn take(&mut self, _tick: Tick, claim: Claim, _out: &mut Vec<Ruling>) {
        self.claims.push(claim);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<Ruling>) {
        let mut claims = std::mem::take(&mut self.claims);
        claims.sort_by_key(|claim| claim.play_id);
        for same in claims.chunk_by(|a, b| a.play_id == b.play_id) {
            self.hear(same, out);
        }
    }
}
