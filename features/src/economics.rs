//! Does an attack pay?
//!
//! ```text
//! attack × terms ──as many tracks as pay best──▶ what an account earns a month ──× not caught before it is paid──▶ minus what it costs ──▶ profit
//! artist × terms ──▶ what an honest artist gets a month
//! ```
//!
//! An estimate, so in `f64`; money in units of the currency. A month has 30 days. Formulas: what remains of revenue when a share `p` is caught
//! before the payout is `(1 - p)`; an attack breaks even at `p = 1 - cost / revenue`.

use records::attack::{Artist, Attack, Attacks};
use records::policy::Percent;
use records::royalty::{Pools, Sharing, Terms};

use crate::royalty::{eligible, listeners_needed};

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
    drawn(year_streams_of_a_track(attack), (attack.accounts as f64 / attack.accounts_per_circle as f64).max(1.0))
}

/// How many of `n` are among so many streams, each of which is of one of them drawn by chance.
fn drawn(streams: f64, n: f64) -> f64 {
    n * (1.0 - (-streams / n.max(1.0)).exp())
}

/// Whether its tracks have a share under the terms at all.
pub fn is_eligible(attack: &Attack, terms: &Terms) -> bool {
    let streams = year_streams_of_a_track(attack);
    streams >= terms.threshold.streams_min as f64
        && listeners_of_a_track(attack).round() >= listeners_needed(&terms.threshold, streams as u64) as f64
}

/// The attack with as many tracks as earn it most under the terms: its own number where no other earns more. Tracks cost nothing; how many are tried
/// grows by a twentieth, from one to one for each stream of a year.
pub fn at_its_best(attack: &Attack, attacks: &Attacks, terms: &Terms) -> Attack {
    let most = attack.accounts as f64 * attack.streams_per_day as f64 * 365.0;
    let steps = (most.ln() / 1.05_f64.ln()).ceil() as i32;
    let with = |tracks| Attack { tracks, ..attack.clone() };
    let tried = (0..=steps).map(|step| with(1.05_f64.powi(step).min(most).round() as u64));
    let earns = |attack: &Attack| revenue(attack, attacks, terms);
    tried.fold(attack.clone(), |best, other| if earns(&other) > earns(&best) + 1e-9 { other } else { best })
}

/// What a stream of an account of the plan earns where money is shared by streams, before caps and boosts.
fn stream_rate(plan: &str, attacks: &Attacks, terms: &Terms) -> f64 {
    let brings = match terms.pools {
        Pools::PerPlan => terms.brings(Some(plan)),
        Pools::One => terms.fees.keys().map(|plan| terms.brings(Some(plan))).max().unwrap_or_default(),
    };
    attacks.stream_rate as f64 / MICROS * brings as f64 / attacks.account_brings as f64
}

/// What part of the streams of an account counts that has so many in a month.
fn counting(streams: f64, terms: &Terms) -> f64 {
    match terms.account_streams_max {
        0 => 1.0,
        most => (most as f64 / streams).min(1.0),
    }
}

/// What an honest artist gets in a month, in the genre in which that is least.
pub fn artist_gets(artist: &Artist, attacks: &Attacks, terms: &Terms) -> f64 {
    let genres = artist.genres.iter().map(|genre| Some(genre.as_str())).chain([None]);
    genres.map(|genre| artist_gets_in(genre, artist, attacks, terms)).fold(f64::INFINITY, f64::min)
}

fn artist_gets_in(genre: Option<&str>, artist: &Artist, attacks: &Attacks, terms: &Terms) -> f64 {
    let (streams_year, listeners) = (artist.track_streams_year, artist.track_listeners_year);
    let Ok(weight) = eligible(terms, (streams_year, listeners), genre, Some(artist.track_seconds)) else {
        return 0.0;
    };
    let weight = f64::from(weight.get()) / 100.0;
    let of_listener = artist.listener_streams_month as f64;
    let streams = (artist.tracks * streams_year) as f64 / 12.0;
    let by_streams = weight * streams * counting(of_listener, terms) * stream_rate(&artist.plan, attacks, terms);
    match terms.sharing {
        Sharing::ProRata => by_streams,
        Sharing::UserCentric => weight * terms.brings(Some(&artist.plan)) as f64 / MICROS * streams / of_listener,
        // Those of a year hear it in some months, and no month has more of them than streams.
        Sharing::ArtistCentric => {
            by_streams * boosted(streams, drawn(streams, listeners as f64), terms) / attacks.mean_times
        }
    }
}

/// What an account earns in a month if nobody is caught.
pub fn revenue(attack: &Attack, attacks: &Attacks, terms: &Terms) -> f64 {
    if !is_eligible(attack, terms) {
        return 0.0;
    }
    let streams = attack.streams_per_day as f64 * DAYS;
    let all = streams + attack.own_streams_per_day as f64 * DAYS;
    let by_streams = streams * counting(all, terms) * stream_rate(&attack.plan, attacks, terms);
    match terms.sharing {
        Sharing::ProRata => by_streams,
        // The account's own money, by the attack's share of its streams.
        Sharing::UserCentric => terms.brings(Some(&attack.plan)) as f64 / MICROS * streams / all,
        Sharing::ArtistCentric => by_streams * times(attack, terms) / attacks.mean_times,
    }
}

/// How many times its streams count: a boost goes by artist, and nothing keeps an attacker from putting all tracks under one. And whoever has accounts
/// play says that they chose to.
fn times(attack: &Attack, terms: &Terms) -> f64 {
    let (streams, listeners) = ((attack.accounts * attack.streams_per_day) as f64 * DAYS, attack.accounts as f64);
    boosted(streams, listeners, terms) * terms.boost.chosen_times as f64
}

fn boosted(streams: f64, listeners: f64, terms: &Terms) -> f64 {
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

/// The share that is caught before the payout where the policy holds such accounts, else nothing. On average a stream is paid half a month, the days until
/// the close and those until the payout after it was played; some accounts are never found, the others at a hazard a day (a mixture cure model:
/// Boag 1949, Berkson and Gage 1952).
pub fn caught(attack: &Attack, is_held: bool, terms: &Terms) -> f64 {
    let of_hundred = |percent: Percent| f64::from(percent.get()) / 100.0;
    let days = DAYS / 2.0 + f64::from(terms.close_days) + f64::from(terms.pay_days);
    if is_held { of_hundred(attack.caught) * caught_within(of_hundred(attack.hazard), days) } else { 0.0 }
}
