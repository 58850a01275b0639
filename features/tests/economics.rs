//! The figures of public cases: what attacks earned, and from when on they do not.

use std::collections::BTreeMap;

use features::economics::{
    artist_gets, at_its_best, caught, caught_within, is_eligible, listeners_of_a_track, profit, revenue,
    year_streams_of_a_track,
};
use records::attack::{Attack, Attacks};
use records::policy::Percent;
use records::royalty::{Boost, Pools, Sharing, Terms};

fn near(found: f64, expected: f64, by: f64) {
    assert!((found - expected).abs() <= by, "found {found}, expected {expected}");
}

/// US v. Smith.
fn smith() -> Attack {
    Attack {
        name: "smith".to_owned(),
        accounts: 1_040,
        accounts_per_circle: 1,
        streams_per_day: 636,
        own_streams_per_day: 0,
        tracks: 100_000,
        plan: "premium".to_owned(),
        seat_cost: 11_990_000,
        signals: BTreeMap::new(),
        caught: Percent::default(),
        hazard: Percent::default(),
        most: 0,
    }
}

fn attacks(stream_rate: u64) -> Attacks {
    let catalogued = datasets::policy::attacks(None).unwrap();
    Attacks { stream_rate, attacks: Vec::new(), ..catalogued }
}

/// No cap, no threshold.
fn terms() -> Terms {
    let mut terms = datasets::policy::terms(None).unwrap();
    (terms.account_streams_max, terms.pools) = (0, Pools::One);
    (terms.threshold.streams_min, terms.threshold.listeners_min, terms.threshold.streams_per_listener) = (0, 0, 0);
    terms
}

#[test]
fn smith_earned_what_the_indictment_says() {
    let smith = smith();
    let streams = smith.accounts * smith.streams_per_day;
    assert_eq!(streams, 661_440);
    let day = revenue(&smith, &attacks(5_000), &terms()) * 1_040.0 / 30.0;
    near(day, 3_307.2, 0.01);
    near(day * 365.0, 1_207_128.0, 1.0);
}

#[test]
fn most_of_a_farm_must_be_caught_before_it_is_paid() {
    let break_even = |streams_per_day, seat_cost| {
        let attack = Attack { streams_per_day, seat_cost, ..smith() };
        profit(&attack, &attacks(4_000), &terms(), 0.0).break_even
    };
    near(break_even(636, 11_990_000), 0.84, 0.005);
    near(break_even(636, 3_330_000), 0.96, 0.005);
    near(break_even(100, 11_990_000), 0.0, 0.005);
    near(break_even(100, 3_330_000), 0.72, 0.005);
    // So many streams a day pay for a seat.
    for (seat_cost, streams) in [(11_990_000.0, 100.0), (3_330_000.0, 28.0), (1_500_000.0, 12.5)] {
        near(seat_cost / 1e6 / 0.004 / 30.0, streams, 0.3);
    }
}

#[test]
fn a_hazard_a_day_works_through_the_lag_of_payment() {
    let after = |hazard| profit(&smith(), &attacks(4_000), &terms(), caught_within(hazard, 60.0)).profit;
    near(after(0.0), 64.3, 0.1);
    near(after(0.02), 10.7, 0.1);
    assert!(after(0.05) < 0.0);
}

#[test]
fn caps_and_sharing_change_what_a_seat_earns() {
    let mut terms = terms();
    near(revenue(&smith(), &attacks(4_000), &terms), 76.32, 0.001);
    terms.account_streams_max = 1_000;
    near(revenue(&smith(), &attacks(4_000), &terms), 4.0, 0.001);
    let family = Attack { seat_cost: 3_330_000, ..smith() };
    near(profit(&family, &attacks(4_000), &terms, 0.0).profit, 0.67, 0.001);
    // What an account brings is less than what it costs: always a loss on one's own money.
    terms.sharing = Sharing::UserCentric;
    let own = revenue(&smith(), &attacks(4_000), &terms);
    assert!(own < 11.99 && own > 5.0, "{own}");
    let hijacked = Attack { streams_per_day: 3, own_streams_per_day: 17, seat_cost: 0, ..smith() };
    near(revenue(&hijacked, &attacks(4_000), &terms), own * 3.0 / 20.0, 1e-9);
}

#[test]
fn a_threshold_bounds_how_many_tracks_earn_and_listeners_must_be_independent() {
    let mut terms = terms();
    terms.threshold.streams_min = 1_000;
    // 661,440 streams a day pay for 241,426 tracks of 1,000 a year.
    assert!(is_eligible(&Attack { tracks: 241_425, ..smith() }, &terms));
    assert!(!is_eligible(&Attack { tracks: 241_426, ..smith() }, &terms));
    near(year_streams_of_a_track(&smith()), 2_414.3, 0.1);
    // A fixed number of listeners does not bite: each track shows some 940 of the 1,040 bots.
    near(listeners_of_a_track(&smith()), 938.0, 2.0);
    terms.threshold.listeners_min = 500;
    assert!(is_eligible(&smith(), &terms));
    // Linked accounts are one, and few tracks with many streams need many listeners.
    assert!(!is_eligible(&Attack { accounts_per_circle: 8, ..smith() }, &terms));
    terms.threshold.streams_per_listener = 100;
    assert!(!is_eligible(&Attack { tracks: 63, ..smith() }, &terms));
}

#[test]
fn who_attacks_takes_as_many_tracks_as_pay() {
    let terms = datasets::policy::terms(None).unwrap();
    let attacks = attacks(4_000);
    // 63 tracks would need 35,000 listeners each, and 219,001,000 tracks a stream each: something in between pays.
    let few = Attack { accounts: 10_000, streams_per_day: 60, tracks: 63, ..smith() };
    assert!(revenue(&few, &attacks, &terms) == 0.0);
    let best = at_its_best(&few, &attacks, &terms);
    near(revenue(&best, &attacks, &terms), 4.0, 0.001);
    for tracks in (1..1_000).chain((1_000..1_000_000).step_by(997)) {
        let other = Attack { tracks, ..few.clone() };
        assert!(revenue(&other, &attacks, &terms) <= revenue(&best, &attacks, &terms) + 1e-9, "{tracks}");
    }
    // What is best already stays.
    assert_eq!(at_its_best(&best, &attacks, &terms), best);
    // Numbers that nobody has are no reason to end.
    let most = Attack { accounts: 1_000_000_000, streams_per_day: 1_000_000_000, ..smith() };
    assert!(revenue(&at_its_best(&most, &attacks, &terms), &attacks, &terms).is_finite());
    // A single account that plays a little reaches no threshold, however it divides it.
    let one = Attack { accounts: 1, streams_per_day: 1, tracks: 1, ..smith() };
    assert_eq!(revenue(&at_its_best(&one, &attacks, &terms), &attacks, &terms), 0.0);
}

#[test]
fn free_accounts_take_nothing_of_what_subscribers_pay_where_plans_are_pools() {
    let free = Attack { plan: "free".to_owned(), ..smith() };
    let [one, per_plan] =
        [Pools::One, Pools::PerPlan].map(|pools| revenue(&free, &attacks(4_000), &Terms { pools, ..terms() }));
    near(one, 76.32, 0.001);
    near(per_plan, 76.32 * 0.40 / 11.99, 0.01);
}

#[test]
fn who_attacks_says_that_every_stream_was_chosen() {
    let mut terms = Terms { sharing: Sharing::ArtistCentric, ..terms() };
    let attack = Attack { tracks: 1_000, ..smith() };
    let earns = |terms: &Terms| revenue(&attack, &attacks(4_000), terms);
    terms.boost.chosen_times = 1;
    let once = earns(&terms);
    terms.boost.chosen_times = 10;
    near(earns(&terms), 10.0 * once, 1e-6);
    assert_eq!(terms.fault(), None);
    terms.boost.chosen_times = 11;
    assert!(terms.fault().is_some_and(|fault| fault.contains("chosen_times 11, expected 1 to 10")));
    // A boost goes by artist: whoever attacks has one artist for all tracks, however few streams a track has.
    terms.boost.chosen_times = 1;
    let all = attack.accounts * attack.streams_per_day * 30;
    for (artist_streams, artist_listeners, times) in
        [(all, attack.accounts, 4.0), (all + 1, attack.accounts, 1.0), (all, attack.accounts + 1, 1.0)]
    {
        let boost = Boost { artist_streams, artist_listeners, artist_times: 4, ..terms.boost };
        let of_one = Boost { artist_times: 1, ..boost };
        let earns = |boost| revenue(&attack, &attacks(4_000), &Terms { boost, ..terms.clone() });
        near(earns(boost), times * earns(of_one), 1e-6);
    }
    terms = Terms { close_days: u32::MAX, ..datasets::policy::terms(None).unwrap() };
    assert!(terms.fault().is_some_and(|fault| fault.contains("close_days")));
}

#[test]
fn the_longer_until_money_is_paid_the_more_are_caught_but_never_all() {
    let percent = |number| Percent::new(number).unwrap();
    let attack = Attack { caught: percent(60), hazard: percent(2), ..smith() };
    let after = |close_days, pay_days| caught(&attack, true, &Terms { close_days, pay_days, ..terms() });
    near(after(0, 0), 0.6 * (1.0 - 0.98_f64.powi(15)), 1e-9);
    near(after(10, 35), 0.6 * (1.0 - 0.98_f64.powi(60)), 1e-9);
    near(after(10_000, 0), 0.6, 1e-9);
    assert_eq!(caught(&attack, false, &terms()), 0.0);
}

#[test]
fn an_honest_artist_is_paid_unless_the_terms_pay_nobody() {
    let built_in = datasets::policy::terms(None).unwrap();
    let attacks = datasets::policy::attacks(None).unwrap();
    let gets = |name: &str, terms: &Terms| {
        let artist = attacks.artists.iter().find(|artist| artist.name == name).unwrap();
        artist_gets(artist, &attacks, terms)
    };
    near(gets("new_artist", &built_in), 0.5, 0.01);
    near(gets("known_artist", &built_in), 166.7, 0.1);
    for sharing in Sharing::ALL {
        for artist in &attacks.artists {
            let gets = artist_gets(artist, &attacks, &Terms { sharing, ..built_in.clone() });
            assert!(gets * 1e6 >= artist.least as f64, "{sharing:?}: {} gets {gets}", artist.name);
        }
    }
    let mut harsh = built_in.clone();
    harsh.threshold.streams_min = 2_000;
    assert_eq!(gets("new_artist", &harsh), 0.0);
    // Whatever is called noise: pop is none.
    harsh = built_in.clone();
    harsh.noise.genres.push("pop".to_owned());
    assert!(gets("known_artist", &harsh) < 80.0 && gets("new_artist", &harsh) == 0.0);
    // The listeners of a year are not those of a month: 125 streams have at most 125, and by chance some 80.
    harsh = Terms { sharing: Sharing::ArtistCentric, ..built_in.clone() };
    (harsh.boost.artist_streams, harsh.boost.artist_listeners) = (100, 100);
    let unboosted = gets("new_artist", &harsh);
    harsh.boost.artist_listeners = 60;
    near(gets("new_artist", &harsh), harsh.boost.artist_times as f64 * unboosted, 1e-9);
    harsh = built_in.clone();
    harsh.threshold.streams_per_listener = 5;
    assert_eq!((gets("new_artist", &harsh), gets("known_artist", &harsh)), (0.0, 0.0));
    for terms in
        [Terms { share: Percent::default(), ..built_in.clone() }, Terms { account_streams_max: 1, ..built_in.clone() }]
    {
        assert!(gets("known_artist", &terms) < 1.0);
    }
}
