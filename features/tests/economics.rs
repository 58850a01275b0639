//! The figures of public cases: what attacks earned, and from when on they do not.

use std::collections::BTreeMap;

use features::economics::{caught_within, is_eligible, listeners_of_a_track, profit, revenue, year_streams_of_a_track};
use records::attack::{Attack, Attacks};
use records::policy::Percent;
use records::royalty::{Sharing, Terms};

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
        most: 0,
    }
}

fn attacks(stream_rate: u64) -> Attacks {
    Attacks { stream_rate, mean_times: 2.0, attacks: Vec::new() }
}

/// No cap, no threshold.
fn terms() -> Terms {
    let mut terms = datasets::policy::terms(None).unwrap();
    terms.account_streams_max = 0;
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
