//! Accounts and the habits behind them.
//!
//! Every habit is drawn once per account from a law fitted to real listeners: seven people's exports, years each, and the
//! published quartiles of a large service's report (docs/WORLD.md has the table).

use records::{Account, Id, Millis};

use super::geography::{self, COUNTRIES};
use super::heard::Platform;
use super::listening::{self, DAY_BEGINS_HOUR};
use super::{DAY_MS, WorldSpec};
use crate::chance::{Chance, Purpose, at, beta_quantile, normal_quantile, spread};

/// One account.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub index: u32,
    pub country: u8,
    pub created_at: Millis,
    pub plan: &'static str,
    pub email: &'static str,
    /// 0 = pays nothing.
    pub payment: u32,
    /// 0 = no family plan.
    pub family: u32,
    /// Who shares the home address.
    pub household: u32,
    pub habits: Habits,
}

/// How an account listens.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    /// Median of plays on an active day.
    pub plays_median: f32,
    /// Share of the listener's own days with any play.
    pub active_days: f32,
    /// Share of plays that are skipped within seconds.
    pub skip: f32,
    /// Share of plays that are left half-way.
    pub partial: f32,
    pub shuffle: f32,
    pub offline: f32,
    /// Chance that a play begins a run of the same track.
    pub repeat: f32,
    /// Share of plays of music outside the library.
    pub explore: f32,
    /// Share of plays of the one favourite artist, beyond its place in the library.
    pub devotion: f32,
    pub library: u32,
    pub library_exponent: f32,
    pub favourites: u32,
    pub genres: [u8; 3],
    /// Cumulative share of plays by local hour, in 1/65 535.
    pub hours: [u16; 24],
    pub weekdays: [f32; 7],
    pub phone: Platform,
    pub second: Platform,
    pub second_share: f32,
    pub mobile_share: f32,
}

/// Median of plays on an active day: account median lognormal(ln 13, .85).
const PLAYS_MEDIAN: (f64, f64) = (13.0, 0.85);
/// Nobody's median is above: the busiest of the seven played 105 a day all year. The law has two in a thousand beyond.
const PLAYS_MEDIAN_MAX: f64 = 150.0;

impl Habits {
    /// `places` of the account among all: by how much it listens, by how much it skips, and by its second device.
    fn draw(utc_hours: i64, places: [f64; 3], chance: &mut Chance) -> Habits {
        let plays_median = PLAYS_MEDIAN.0 * (PLAYS_MEDIAN.1 * normal_quantile(places[0])).exp();
        let plays_median = plays_median.min(PLAYS_MEDIAN_MAX);
        // Library size lognormal(260, .9); who listens more has more: the seven, heavy all, have about 2 000 tracks.
        let library = (chance.lognormal(260.0, 0.8) * (plays_median / 13.0).powf(0.7)).clamp(20.0, 6_000.0);
        // Exports tell UTC, so the law of active days is one of UTC days.
        let active_utc_days = chance.beta(2.2, 1.3);
        let hours = draw_hours(chance);
        Habits {
            plays_median: plays_median as f32,
            active_days: active_local_days(active_utc_days, &hours, utc_hours, plays_median) as f32,
            // Per listener Beta of mean .25 and deviation .12.
            skip: beta_quantile(3, 9, places[1]) as f32,
            partial: chance.lognormal(0.095, 0.25) as f32,
            // Real listeners: .61-.89 and .015-.033 (second devices are never offline).
            shuffle: chance.beta(9.0, 3.2) as f32,
            offline: chance.beta(4.0, 130.0) as f32,
            // Share of immediate repeats Beta(1.2, 28); a run goes on with about .5, so that runs begin with about half of it.
            repeat: (0.5 * chance.beta(1.2, 28.0)) as f32,
            explore: chance.beta(1.2, 6.0) as f32,
            devotion: 0.0,
            library: library as u32,
            library_exponent: chance.between(0.5, 1.05) as f32,
            favourites: (library / 3.0).max(8.0) as u32,
            genres: [chance.below(12) as u8, chance.below(12) as u8, chance.below(12) as u8],
            hours,
            weekdays: std::array::from_fn(|_| chance.lognormal(1.0, 0.22) as f32),
            // Clients: ios .38, android .31, desktop .18, web .05, cast .05 of plays.
            phone: if chance.happens(0.55) { Platform::Ios } else { Platform::Android },
            second: [Platform::Desktop, Platform::Web, Platform::Cast, Platform::Tv]
                [at(places[2], &[58.0, 16.0, 16.0, 10.0])],
            second_share: chance.between(0.15, 0.47) as f32,
            mobile_share: chance.between(0.1, 0.7) as f32,
        }
    }
}

/// The share of a listener's own days with plays that makes this share of UTC days: an evening in America is two of them.
///
/// A day of `n` sessions reaches into the UTC day before midnight with probability `a`, into the next with `b`; a UTC day has
/// plays unless both its local days leave it out: `share = 1 - (1 - p a) (1 - p b)`, solved for `p`.
fn active_local_days(share: f64, hours: &[u16; 24], utc_hours: i64, plays_median: f64) -> f64 {
    let until = |hour: i64| match hour.rem_euclid(24) {
        0 => 0.0,
        hour => f64::from(hours[hour as usize - 1]) / 65_535.0,
    };
    let since_morning = |hour: i64| (until(hour) - until(DAY_BEGINS_HOUR)).rem_euclid(1.0);
    let sessions = (plays_median / listening::session_median(plays_median)).max(1.0);
    // What begins in the hour before midnight is still on after it.
    let (a, b) =
        (1.0 - (1.0 - since_morning(utc_hours)).powf(sessions), 1.0 - since_morning(utc_hours - 1).powf(sessions));
    let sum = a + b;
    (2.0 * share / (sum + (sum * sum - 4.0 * a * b * share).max(0.0).sqrt())).min(1.0)
}

/// Hours of a day: morning, afternoon and evening bumps over a floor, shifted by the listener's own clock.
///
/// Chosen so that entropy lies in 3.94-4.52 bits and the quietest six hours hold .008-.194 of the plays, as with real listeners.
fn draw_hours(chance: &mut Chance) -> [u16; 24] {
    let shift = 1.2 * chance.normal();
    let floor = 0.02 + 0.22 * chance.unit().powi(2);
    let bumps = [
        (8.0, 1.5, chance.between(0.3, 1.2)),
        (14.0, 3.0, chance.between(0.4, 1.2)),
        (19.5, 2.6, chance.between(0.5, 1.3)),
    ];
    let weight = |hour: usize| {
        let at = |middle: f64, width: f64, height: f64| {
            let away = (hour as f64 + 0.5 - middle - shift).rem_euclid(24.0);
            let away = away.min(24.0 - away);
            height * (-0.5 * (away / width).powi(2)).exp()
        };
        floor + bumps.iter().map(|&(middle, width, height)| at(middle, width, height)).sum::<f64>()
    };
    let total: f64 = (0..24).map(weight).sum();
    let mut sum = 0.0;
    std::array::from_fn(|hour| {
        sum += weight(hour);
        (sum / total * 65_535.0).round() as u16
    })
}

impl Person {
    /// The account at an index.
    pub fn draw(spec: &WorldSpec, index: u32) -> Person {
        let chance = &mut Chance::of(spec.seed, Purpose::Person, u64::from(index), 0);
        let own_country = geography::draw(chance);
        let plan = ["premium", "free", "family", "student"][chance.pick(&[0.45, 0.38, 0.11, 0.06])];
        // One account in thirty signs up while the world runs; the others are up to eight years old.
        let created_at = if chance.happens(1.0 / 30.0) {
            spec.start_ms + (chance.unit() * (spec.end_ms() - spec.start_ms) as f64) as Millis
        } else {
            spec.start_ms - (chance.between(1.0, 2_900.0) * DAY_MS as f64) as Millis
        };
        // A family plan is shared by the four accounts of a block of the index, as far as they have it.
        let family = if plan == "family" { index / 4 + 1 } else { 0 };
        let block = &mut Chance::of(spec.seed, Purpose::Person, u64::from(family), 1);
        let country = if family > 0 { geography::draw(block) } else { own_country };
        let payment = match plan {
            "free" => 0,
            "family" => 0x8000_0000 + family,
            _ => index + 1,
        };
        let email = ["free", "own", "work", "disposable"][chance.pick(&[0.86, 0.05, 0.07, 0.02])];
        // A /24 of a home carrier holds a few customers of one service.
        let household =
            if family > 0 { 0x80_0000 + family } else { chance.below(spec.accounts as usize / 3 + 8) as u32 };
        let habits = Habits::draw(
            COUNTRIES[usize::from(country)].utc_hours,
            spread(spec.seed, Purpose::Person, u64::from(index)),
            chance,
        );
        Person { index, country, created_at, plan, email, payment, family, household, habits }
    }

    /// The id of the account's own device of a kind.
    pub fn device(&self, number: u32) -> u32 {
        device(self.index, number)
    }

    /// Hours ahead of UTC.
    pub fn utc_hours(&self) -> i64 {
        COUNTRIES[usize::from(self.country)].utc_hours
    }

    /// The row of the accounts table.
    pub fn row(&self, account_id: u64) -> Account {
        let known = |id: u32| (id != 0).then(|| Id::Number(u64::from(id)));
        Account {
            account_id: Id::Number(account_id),
            created_at: Some(self.created_at),
            plan: Some(self.plan.to_owned()),
            country: Some(COUNTRIES[usize::from(self.country)].code.to_owned()),
            payment_id: known(self.payment),
            family_id: known(self.family),
            email_domain_class: Some(self.email.to_owned()),
        }
    }
}

/// The id of a device: up to eight belong to an account index.
pub(super) fn device(owner: u32, number: u32) -> u32 {
    owner * 8 + number + 1
}
