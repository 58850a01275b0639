//! The law of royalties: what is shared is what a twin says that counts stream by stream, and the shares add up to the pool.
//!
//! ```text
//! random months ──┬──▶ share ──────────────────┐
//!                 └──▶ stream by stream, slow ──┴──▶ equal; payable + held + left = pool
//! ```

use std::collections::{BTreeMap, BTreeSet};

use features::royalty::{
    Ineligible, Payment, Purse, Standing, Streams, Track, eligible, listeners_needed, share, stands,
};
use proptest::prelude::*;
use records::policy::Percent;
use records::royalty::{Boost, Noise, Pools, Sharing, Terms, Threshold};

fn terms(sharing: Sharing, account_streams_max: u64) -> Terms {
    Terms {
        sharing,
        pools: Pools::One,
        currency: "EUR".to_owned(),
        share: Percent::new(70).unwrap(),
        fees: BTreeMap::from([("premium".to_owned(), 11_990_000), ("other".to_owned(), 400_000)]),
        close_days: 10,
        pay_days: 45,
        account_streams_max,
        threshold: Threshold { streams_min: 1_000, listeners_min: 20, streams_per_listener: 50 },
        noise: Noise { genres: vec!["rain".to_owned()], seconds_min: 120, weight: Percent::new(20).unwrap() },
        boost: Boost { artist_streams: 12, artist_listeners: 3, artist_times: 2, chosen_times: 2 },
    }
}

/// One stream.
type One = (u32, u32, bool, Standing);

fn grouped(all: &[One]) -> Vec<Streams> {
    let mut counts: BTreeMap<One, u64> = BTreeMap::new();
    all.iter().for_each(|one| *counts.entry(*one).or_default() += 1);
    let streams = |((account, track, chosen, standing), count)| Streams { account, track, chosen, standing, count };
    counts.into_iter().map(streams).collect()
}

/// Whose streams share some money.
type Whose<'a> = Box<dyn Fn(&One) -> bool + 'a>;

fn of_all(purses: &[Purse]) -> u64 {
    purses.iter().map(|purse| purse.money).sum()
}

/// Stream by stream, and the money one millionth after the other.
fn slow(terms: &Terms, purses: &[Purse], tracks: &[Track], all: &[One]) -> (Vec<Payment>, u64) {
    let counts = |one: &&One| matches!(one.3, Standing::Payable | Standing::Held);
    let all: Vec<&One> = all.iter().filter(counts).collect();
    let parts = |one: &One| -> u128 {
        let mine = all.iter().filter(|other| other.0 == one.0).count() as u128;
        let cap = match terms.account_streams_max {
            0 => mine,
            most => mine.min(u128::from(most)),
        };
        let track = tracks[one.1 as usize];
        let mut parts = 1_000_000 * cap / mine * u128::from(track.weight.get()) / 100;
        if terms.sharing == Sharing::ArtistCentric {
            let same = |other: &&&One| match track.artist {
                Some(artist) => tracks[other.1 as usize].artist == Some(artist),
                None => other.1 == one.1,
            };
            let fans: BTreeSet<u32> = all.iter().filter(same).map(|other| other.0).collect();
            let streams = all.iter().filter(same).count() as u64;
            if streams >= terms.boost.artist_streams && fans.len() as u64 >= terms.boost.artist_listeners {
                parts *= u128::from(terms.boost.artist_times);
            }
            if one.2 {
                parts *= u128::from(terms.boost.chosen_times);
            }
        }
        parts
    };
    let mut payments = vec![Payment::default(); tracks.len()];
    let mut pay = |money: u64, of: &dyn Fn(&One) -> bool| -> bool {
        let mut claims: BTreeMap<(u32, bool), u128> = BTreeMap::new();
        for one in all.iter().filter(|one| of(one)) {
            *claims.entry((one.1, one.3 == Standing::Held)).or_default() += parts(one);
        }
        let total: u128 = claims.values().sum();
        if total == 0 {
            return false;
        }
        let mut given = 0;
        let mut rests = Vec::new();
        let mut give = |(track, held): (u32, bool), micros: u64| {
            let payment = &mut payments[track as usize];
            *(if held { &mut payment.held } else { &mut payment.payable }) += micros;
        };
        for (who, claim) in &claims {
            let exact = u128::from(money) * claim;
            give(*who, (exact / total) as u64);
            given += (exact / total) as u64;
            rests.push((exact % total, std::cmp::Reverse(*who)));
        }
        while given < money {
            let most = rests.iter().enumerate().max_by_key(|(_, rest)| **rest).unwrap().0;
            give(rests.remove(most).1.0, 1);
            given += 1;
        }
        true
    };
    let mut common = 0;
    let plans: BTreeSet<u32> = purses.iter().map(|purse| purse.plan).collect();
    let of_plan = |plan| -> u64 { purses.iter().filter(|purse| purse.plan == plan).map(|purse| purse.money).sum() };
    let apart: Vec<(u64, Whose<'_>)> = match (terms.sharing, terms.pools) {
        (Sharing::UserCentric, _) => purses
            .iter()
            .enumerate()
            .map(|(account, purse)| (purse.money, Box::new(move |one: &One| one.0 as usize == account) as _))
            .collect(),
        (_, Pools::PerPlan) => plans
            .into_iter()
            .map(|plan| (of_plan(plan), Box::new(move |one: &One| purses[one.0 as usize].plan == plan) as _))
            .collect(),
        (_, Pools::One) => vec![(of_all(purses), Box::new(|_: &One| false) as _)],
    };
    for (money, own) in apart {
        if !pay(money, &*own) {
            common += money;
        }
    }
    let left = if pay(common, &|_: &One| true) { 0 } else { common };
    (payments, left)
}

fn months() -> impl Strategy<Value = (Terms, Vec<Purse>, Vec<Track>, Vec<One>)> {
    let standing = prop_oneof![
        4 => Just(Standing::Payable),
        2 => Just(Standing::Held),
        1 => Just(Standing::Withheld),
        1 => Just(Standing::Ineligible),
    ];
    let one = (0..6_u32, 0..7_u32, any::<bool>(), standing);
    let track = (prop::option::of(0..3_u32), prop_oneof![3 => Just(100_u8), 1 => Just(20), 1 => Just(0)]);
    let track = track.prop_map(|(artist, weight)| Track { artist, weight: Percent::new(weight).unwrap() });
    let pools = prop::sample::select(vec![Pools::One, Pools::PerPlan]);
    let ways = (prop::sample::select(Sharing::ALL.to_vec()), prop_oneof![Just(0_u64), Just(7)], pools);
    let agreed = ways.prop_map(|(sharing, cap, pools)| Terms { pools, ..terms(sharing, cap) });
    let purse = (0..3_u32, 0..100_000_u64).prop_map(|(plan, money)| Purse { plan, money });
    (agreed, prop::collection::vec(purse, 6), prop::collection::vec(track, 7), prop::collection::vec(one, 0..120))
}

proptest! {
    #[test]
    fn a_month_equals_its_slow_twin_and_adds_up((terms, money, tracks, all) in months()) {
        let shared = share(&terms, &money, &tracks, &grouped(&all));
        let (payments, left) = slow(&terms, &money, &tracks, &all);
        prop_assert_eq!((&shared.payments, shared.left), (&payments, left));
        let paid: u64 = shared.payments.iter().map(|payment| payment.payable + payment.held).sum();
        prop_assert_eq!(paid + shared.left, of_all(&money));
    }

    #[test]
    fn what_nobody_delivers_is_paid_to_nobody_and_adds_up((terms, money, tracks, all) in months(), delivered in prop::collection::vec(any::<bool>(), 7)) {
        let stood: Vec<One> =
            all.iter().map(|one| (one.0, one.1, one.2, stands(one.3, true, delivered[one.1 as usize]))).collect();
        let shared = share(&terms, &money, &tracks, &grouped(&stood));
        let (payments, left) = slow(&terms, &money, &tracks, &stood);
        prop_assert_eq!((&shared.payments, shared.left), (&payments, left));
        let nobodys = || payments.iter().zip(&delivered).filter(|(_, delivered)| !**delivered).map(|(payment, _)| payment);
        prop_assert_eq!(nobodys().map(|payment| payment.payable).sum::<u64>(), 0);
        let paid: u64 = payments.iter().map(|payment| payment.payable + payment.held).sum();
        prop_assert_eq!(paid + left, of_all(&money));
        let stays = all.iter().zip(&stood).filter(|(one, _)| one.3 != Standing::Payable || delivered[one.1 as usize]);
        prop_assert!(stays.into_iter().all(|(one, stood)| one == stood || one.3 == Standing::Ineligible));
    }

    #[test]
    fn what_is_withheld_is_as_if_it_had_never_been((terms, money, tracks, all) in months()) {
        let heard: Vec<One> = all.iter().filter(|one| one.3 != Standing::Withheld).copied().collect();
        prop_assert_eq!(share(&terms, &money, &tracks, &grouped(&all)), share(&terms, &money, &tracks, &grouped(&heard)));
    }

    #[test]
    fn who_is_held_costs_nobody_else_anything((terms, money, tracks, all) in months()) {
        let free: Vec<One> = all
            .iter()
            .map(|one| (one.0, one.1, one.2, if one.3 == Standing::Held { Standing::Payable } else { one.3 }))
            .collect();
        let [held, free] = [&all, &free].map(|all| share(&terms, &money, &tracks, &grouped(all)));
        for (held, free) in held.payments.iter().zip(&free.payments) {
            // Rounding may move a millionth per pool: one of each account, and the common one.
            prop_assert!((held.payable + held.held).abs_diff(free.payable) <= 2 * (money.len() as u64 + 1));
        }
    }
}

#[test]
fn a_month_by_hand() {
    let whole = Track { artist: None, weight: Percent::whole() };
    let streams = |account, track, count| Streams { account, track, chosen: false, standing: Standing::Payable, count };
    // A bot plays 90 times, two people 5 times each; each brings 9 EUR.
    let all = [streams(0, 0, 90), streams(1, 1, 5), streams(2, 1, 4), streams(2, 2, 1)];
    let pay = |sharing, cap| {
        let shared = share(&terms(sharing, cap), &[Purse { plan: 0, money: 9_000_000 }; 3], &[whole; 3], &all);
        shared.payments.iter().map(|payment| payment.payable).collect::<Vec<_>>()
    };
    assert_eq!(pay(Sharing::ProRata, 0), [24_300_000, 2_430_000, 270_000]);
    assert_eq!(pay(Sharing::UserCentric, 0), [9_000_000, 16_200_000, 1_800_000]);
    // No account counts for more than five streams: 5 (90 times 0.055555), 9 and 1 of 15.
    assert_eq!(pay(Sharing::ProRata, 5), [8_999_940, 16_200_054, 1_800_006]);
}

#[test]
fn a_plan_pays_for_its_own_streams() {
    let whole = Track { artist: None, weight: Percent::whole() };
    let streams = |account, track, count| Streams { account, track, chosen: false, standing: Standing::Payable, count };
    let purses = [(0, 9_000_000), (1, 300_000), (1, 100_000), (2, 5)].map(|(plan, money)| Purse { plan, money });
    // A subscriber plays ten times; free accounts play a bot's track 990 times; nobody of the third plan played anything that counts.
    let all = [streams(0, 0, 10), streams(1, 1, 900), streams(2, 1, 90)];
    let pay = |pools| {
        let shared = share(&Terms { pools, ..terms(Sharing::ProRata, 0) }, &purses, &[whole; 2], &all);
        shared.payments.iter().map(|payment| payment.payable).collect::<Vec<_>>()
    };
    assert_eq!(pay(Pools::One), [94_000, 9_306_005]);
    assert_eq!(pay(Pools::PerPlan), [9_000_000, 400_005]);
}

#[test]
fn a_track_needs_streams_and_listeners_that_grow_with_them() {
    let terms = terms(Sharing::ProRata, 0);
    assert_eq!(
        [0, 1_000, 1_001, 50_000].map(|streams| listeners_needed(&terms.threshold, streams)),
        [20, 20, 21, 1_000]
    );
    let music = |streams, listeners| eligible(&terms, (streams, listeners), Some("Pop"), Some(31)).map(Percent::get);
    assert_eq!(music(999, 500), Err(Ineligible::Streams));
    assert_eq!(music(1_000, 19), Err(Ineligible::Listeners));
    assert_eq!(music(100_000, 1_999), Err(Ineligible::Listeners));
    assert_eq!(music(100_000, 2_000), Ok(100));
    let rain = |seconds| eligible(&terms, (5_000, 900), Some("Rain"), seconds).map(Percent::get);
    assert_eq!((rain(Some(119)), rain(Some(120)), rain(None)), (Err(Ineligible::ShortNoise), Ok(20), Ok(20)));
    assert_eq!(terms.brings(Some("premium")), 8_393_000);
    assert_eq!((terms.brings(Some("free")), terms.brings(None)), (280_000, 280_000));
}
