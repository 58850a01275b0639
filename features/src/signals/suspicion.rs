//! Suspicion travels: from accounts to the tracks they play, and back to who else plays them.
//!
//! ```text
//! risk of accounts ──▶ share of suspicious plays per track ──▶ how suspicious an account's tracks are without it
//!        ▲                                                                         │ damped, a few rounds
//!        └─────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Two rules keep it honest. An account below the floor spreads nothing, so ordinary noise does not add up. And an
//! account never hears its own echo: what it did to a track is taken out before the track speaks about it, so nobody
//! becomes suspicious by playing what nobody else plays. A track's suspicion is a share of its plays, so a hit that
//! everybody plays carries almost none.
//!
//! [`suspicion`] is the slow twin of the dataflow, which uses the same three steps: [`spread`], [`elsewhere`], [`raised`].

use std::collections::{BTreeMap, BTreeSet};

use records::Risk;
use records::policy::Flow;

use super::WHOLE;

/// Ten-thousandths in a percent.
const PERCENT: u64 = 100;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion<A, T> {
    /// How suspicious each account's tracks are without its own plays.
    pub accounts: BTreeMap<A, Risk>,
    /// Each track's plays and the suspicion in them.
    pub tracks: BTreeMap<T, Load>,
}

/// Plays of a track, and the suspicion in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Load {
    /// Plays.
    pub plays: u64,
    /// The sum over plays of the account's risk in ten-thousandths.
    pub suspicion: u64,
}

impl Load {
    /// So many plays by an account that spreads `risk`.
    pub fn of(plays: u32, risk: Risk) -> Load {
        Load { plays: u64::from(plays), suspicion: u64::from(plays) * u64::from(risk.parts()) }
    }

    /// The suspicion per play, rounded down; nothing played is not suspicious.
    pub fn share(self) -> Risk {
        Risk::from_parts(self.suspicion / self.plays.max(1))
    }
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, more: Load) {
        self.plays += more.plays;
        self.suspicion += more.suspicion;
    }
}

/// What an account of this risk spreads.
pub fn spread(flow: &Flow, risk: Risk) -> Risk {
    if risk >= flow.floor.risk() { risk } else { Risk::CLEAN }
}

/// What a track says about one of its accounts: the suspicion that the others brought, per play of anybody, rounded down
/// to whole percent. So a track of which less than 1 % is suspicious says nothing, and a hit does not change its mind
/// about all its listeners at every play.
pub fn elsewhere(track: Load, own: Load) -> Risk {
    let share = Load { suspicion: track.suspicion.saturating_sub(own.suspicion), ..track }.share();
    Risk::from_parts(u64::from(share.parts()) / PERCENT * PERCENT)
}

/// Plays assumed besides those of a recording, so that a handful says little. Our judgement, as with the plays of a track.
const ASSUMED_OF_COPIES: u64 = 40;

/// What the other tracks of its recording say about a track: the suspicion in their plays, per play of all of them, rounded down to whole
/// percent. A hit that everybody plays is not stained by a copy that bots play, and no track hears its own echo.
pub fn copied(all: Load, own: Load) -> Risk {
    elsewhere(Load { plays: all.plays + ASSUMED_OF_COPIES, ..all }, own)
}

/// An account's risk once what is around it is known: `own + (1 - own) * damping * around`, rounded down.
pub fn raised(flow: &Flow, own: Risk, around: Risk) -> Risk {
    let [own, around] = [own, around].map(|risk| u64::from(risk.parts()));
    Risk::from_parts(own + (WHOLE - own) * u64::from(flow.damping.parts()) * around / (WHOLE * WHOLE))
}

/// Who says nothing about others, because a person ruled so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silenced<A, T> {
    /// Accounts that spread nothing.
    pub accounts: BTreeSet<A>,
    /// Tracks that say nothing to who plays them.
    pub tracks: BTreeSet<T>,
}

impl<A, T> Default for Silenced<A, T> {
    fn default() -> Silenced<A, T> {
        Silenced { accounts: BTreeSet::new(), tracks: BTreeSet::new() }
    }
}

/// Suspicion after the policy's rounds, recomputed from all plays.
///
/// `pairs` holds each account and track once, with their plays in the longest window; `own` the risk of accounts by
/// their own signals, [`crate::signals::AccountFacts::suspicious_tracks`] left clean.
pub fn suspicion<A: Ord + Clone, T: Ord + Clone>(
    flow: &Flow,
    pairs: &[(A, T, u32)],
    own: &BTreeMap<A, Risk>,
    silenced: &Silenced<A, T>,
) -> Suspicion<A, T> {
    let own_risk = |account: &A| own.get(account).copied().unwrap_or_default();
    let spreads = |account: &A, around: Risk| match silenced.accounts.contains(account) {
        true => Risk::CLEAN,
        false => spread(flow, raised(flow, own_risk(account), around)),
    };
    let mut risks: BTreeMap<A, Risk> = pairs.iter().map(|(a, _, _)| (a.clone(), spreads(a, Risk::CLEAN))).collect();
    let mut accounts = BTreeMap::new();
    for _round in 0..flow.rounds {
        let tracks = loads(pairs, &risks);
        accounts = surroundings(pairs, &risks, &tracks, &silenced.tracks);
        risks = accounts.iter().map(|(a, around)| (a.clone(), spreads(a, *around))).collect();
    }
    Suspicion { accounts, tracks: loads(pairs, &risks) }
}

fn loads<A: Ord, T: Ord + Clone>(pairs: &[(A, T, u32)], spread: &BTreeMap<A, Risk>) -> BTreeMap<T, Load> {
    let mut loads: BTreeMap<T, Load> = BTreeMap::new();
    for (account, track, plays) in pairs {
        *loads.entry(track.clone()).or_default() += Load::of(*plays, spread[account]);
    }
    loads
}

fn surroundings<A: Ord + Clone, T: Ord>(
    pairs: &[(A, T, u32)],
    spread: &BTreeMap<A, Risk>,
    tracks: &BTreeMap<T, Load>,
    silent: &BTreeSet<T>,
) -> BTreeMap<A, Risk> {
    let mut around: BTreeMap<A, Load> = BTreeMap::new();
    for (account, track, plays) in pairs {
        let own = Load::of(*plays, spread[account]);
        let heard = if silent.contains(track) { Risk::CLEAN } else { elsewhere(tracks[track], own) };
        *around.entry(account.clone()).or_default() += Load::of(*plays, heard);
    }
    around.into_iter().map(|(account, load)| (account, load.share())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::policy::Percent;

    fn flow() -> Flow {
        let percent = |percent| Percent::new(percent).unwrap();
        Flow { floor: percent(20), damping: percent(50), rounds: 2 }
    }

    fn risk(parts: u64) -> Risk {
        Risk::from_parts(parts)
    }

    #[test]
    fn nobody_hears_their_own_echo() {
        let pairs = [("loner", "tail", 50), ("loner", "hit", 1), ("crowd", "hit", 9)];
        let own = BTreeMap::from([("loner", risk(9_000))]);
        let found = suspicion(&flow(), &pairs, &own, &Silenced::default());
        assert_eq!(found.accounts["loner"], Risk::CLEAN);
        assert_eq!(found.tracks["tail"].share(), risk(9_000));
        assert_eq!(found.tracks["hit"].share(), risk(900));
        assert_eq!(found.accounts["crowd"], risk(900), "one suspicious play in ten");
    }

    #[test]
    fn who_is_silenced_speaks_against_nobody_and_is_spoken_against_all_the_same() {
        let pairs = [("bot", "hit", 9), ("fan", "hit", 1), ("fan", "tail", 1), ("friend", "tail", 1)];
        let own = BTreeMap::from([("bot", risk(9_000))]);
        let around = |accounts: &[&'static str], tracks: &[&'static str]| {
            let [accounts, tracks] = [accounts, tracks].map(|names| names.iter().copied().collect());
            suspicion(&flow(), &pairs, &own, &Silenced { accounts, tracks }).accounts
        };
        let heard = around(&[], &[]);
        assert!(heard["fan"] > risk(4_000) && heard["friend"] >= risk(1_000), "{heard:?}");
        // It hears what it is told, and tells nobody.
        let of_fan = around(&["fan"], &[]);
        assert_eq!((of_fan["fan"], of_fan["friend"]), (heard["fan"], Risk::CLEAN));
        for (accounts, tracks) in [(vec!["bot"], vec![]), (vec![], vec!["hit"])] {
            assert!(around(&accounts, &tracks).values().all(|around| *around == Risk::CLEAN));
        }
    }

    #[test]
    fn a_ring_is_suspected_when_members_are_caught_and_ordinary_noise_is_not() {
        let mut pairs: Vec<_> = (0..10).flat_map(|bot| (100..103).map(move |track| (bot, track, 40u32))).collect();
        pairs.extend((50..80).map(|fan| (fan, 200, 40)));
        let mut own: BTreeMap<i32, Risk> = (0..6).map(|bot| (bot, risk(9_000))).collect();
        own.extend((50..80).map(|fan| (fan, risk(1_900))));
        let found = suspicion(&flow(), &pairs, &own, &Silenced::default());
        assert!(found.accounts[&9] > risk(6_000), "{:?}", found.accounts[&9]);
        assert!(found.tracks[&100].share() > risk(6_000));
        assert_eq!(found.tracks[&200].share(), Risk::CLEAN, "thirty fans below the floor");
    }

    #[test]
    fn copies_speak_about_each_other_and_not_about_themselves() {
        let (thin, hit) = (Load::of(30, risk(9_000)), Load::of(100_000, risk(0)));
        let mut all = Load::default();
        (0..10).for_each(|_| all += thin);
        assert_eq!(
            copied(all, thin),
            risk(7_100),
            "270 of 300 plays and 40 more at 0.9 are by bots on the other copies"
        );
        assert_eq!(copied(thin, thin), Risk::CLEAN);
        all += hit;
        assert_eq!(copied(all, hit), Risk::CLEAN);
    }

    #[test]
    fn the_order_of_the_pairs_does_not_matter() {
        let mut pairs: Vec<_> = (0..20u32).flat_map(|a| (0..7u32).map(move |t| (a, t, a * t % 5 + 1))).collect();
        let own: BTreeMap<u32, Risk> = (0..20).map(|a| (a, risk(u64::from(a) * 490))).collect();
        let forward = suspicion(&flow(), &pairs, &own, &Silenced::default());
        pairs.reverse();
        assert_eq!(suspicion(&flow(), &pairs, &own, &Silenced::default()), forward);
    }
}
