//! Does an attack pay?
//!
//! ```text
//! attack × terms ──▶ what an account earns a month ──× not caught before it is paid──▶ minus what it costs ──▶ profit
//! ```
//!
//! An estimate, so in `f64`; money in units of the currency. A month has 30 days. Formulas: what remains of revenue when a share `p` is caught
//! before the payout is `(1 - p)`; an attack breaks even at `p = 1 - cost / revenue`.

use records::attack::{Attack, Attacks};
use records::royalty::{Sharing, Terms};

use crate::royalty::listeners_needed;

const DAYS: f64 = 30.0;
const MICROS: f64 = 1e6;

/// What an attack comes to, per account and month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profit {
    /// What the streams would earn if nobody were caught.
    pub revenue: f64,
    /// What the account costs.
    pub cost: f64,
    /// The share of accounts that is caught before the payout.
    pub caught: f64,
    /// What is left.
    pub profit: f64,
    /// From which share of caught accounts on it is a loss; 0 where it always is, 1 where it never is.
    pub break_even: f64,
}

/// The share that is caught before the payout at a hazard of so much a day.
pub fn caught_within(hazard_per_day: f64, days: f64) -> f64 {
    1.0 - (1.0 - hazard_per_day).powf(days)
}

/// Streams of the whole attack on one of its tracks in twelve months.
pub fn year_streams_of_a_track(attack: &Attack) -> f64 {
    (attack.accounts * attack.streams_per_day) as f64 * 365.0 / attack.tracks as f64
}

/// Independent listeners that such a track shows, where each stream's account is drawn by chance: `n (1 - e^(-s/n))`.
pub fn listeners_of_a_track(attack: &Attack) -> f64 {
    let circles = (attack.accounts as f64 / attack.accounts_per_circle as f64).max(1.0);
    circles * (1.0 - (-year_streams_of_a_track(attack) / circles).exp())
}

/// Whether its tracks have a share under the terms at all.
pub fn is_eligible(attack: &Attack, terms: &Terms) -> bool {
    let streams = year_streams_of_a_track(attack);
    streams >= terms.threshold.streams_min as f64
        && listeners_of_a_track(attack).round() >= listeners_needed(&terms.threshold, streams as u64) as f64
}

/// What an account earns in a month if nobody is caught.
pub fn revenue(attack: &Attack, attacks: &Attacks, terms: &Terms) -> f64 {
    if !is_eligible(attack, terms) {
        return 0.0;
    }
    let streams = attack.streams_per_day as f64 * DAYS;
    let all = streams + attack.own_streams_per_day as f64 * DAYS;
    let capped = match terms.account_streams_max {
        0 => streams,
        most => streams * (most as f64 / all).min(1.0),
    };
    let by_streams = capped * attacks.stream_rate as f64 / MICROS;
    match terms.sharing {
        Sharing::ProRata => by_streams,
        // The account's own money, by the attack's share of its streams.
        Sharing::UserCentric => terms.brings(Some(&attack.plan)) as f64 / MICROS * streams / all,
        Sharing::ArtistCentric => by_streams * times(attack, terms) / attacks.mean_times,
    }
}

/// How many times its streams count: one artist per track would stay small, so it takes the boost where one track in the month is enough for it.
fn times(attack: &Attack, terms: &Terms) -> f64 {
    let streams = (attack.accounts * attack.streams_per_day) as f64 * DAYS / attack.tracks as f64;
    let listeners = attack.accounts as f64 * (1.0 - (-streams / attack.accounts as f64).exp());
    let boost = &terms.boost;
    match streams >= boost.artist_streams as f64 && listeners >= boost.artist_listeners as f64 {
        true => boost.artist_times as f64,
        false => 1.0,
    }
}

/// What the attack comes to where such a share of its accounts is caught before the payout.
pub fn profit(attack: &Attack, attacks: &Attacks, terms: &Terms, caught: f64) -> Profit {
    let (revenue, cost) = (revenue(attack, attacks, terms), attack.seat_cost as f64 / MICROS);
    let break_even = if revenue > 0.0 { (1.0 - cost / revenue).max(0.0) } else { 0.0 };
    Profit { revenue, cost, caught, profit: revenue * (1.0 - caught) - cost, break_even }
}

/// The share that is caught where the policy holds such accounts, else nothing.
pub fn caught(attack: &Attack, is_held: bool) -> f64 {
    if is_held { f64::from(attack.caught.get()) / 100.0 } else { 0.0 }
}
