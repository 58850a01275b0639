//! How plays reach the platform: most at once, some late, some twice, some taken back.

use records::Millis;

use super::heard::{self, Heard};
use super::{DAY_MS, HOUR_MS, WorldSpec};
use crate::chance::{Chance, Purpose};

/// Share of plays that arrive late, by up to an hour. Real late and overlapping plays are 3-11 % of an export.
const LATE: f64 = 0.01;
/// Share of plays whose client clock is ahead: told to have arrived before they ended.
const AHEAD: f64 = 0.000_2;
/// Share of plays that are told twice, and how many of those differ the second time.
const TWICE: f64 = 0.001;
const CONFLICTING: f64 = 0.05;
/// Share of plays that are taken back later, and how many of those corrections come before their play.
const CORRECTED: f64 = 0.001;
const CORRECTED_BEFORE: f64 = 0.01;
/// A play taken back: median time until the correction, in days, and its spread; at most 20 days.
const CORRECTION_DAYS: (f64, f64) = (2.0, 1.2);
const REASONS: [&str; 4] = ["refunded", "chargeback", "client bug", "test traffic"];

/// A play id that must be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TakenBack {
    pub arrived_at: Millis,
    pub play_id: u64,
    pub reason: &'static str,
}

/// Collects the plays of one account-day after another, as the platform will see them.
pub(super) struct Delivery<'a> {
    spec: &'a WorldSpec,
    pub plays: Vec<Heard>,
    pub corrections: Vec<TakenBack>,
    chance: Chance,
    next_id: u64,
}

impl<'a> Delivery<'a> {
    /// Nothing yet.
    pub fn new(spec: &'a WorldSpec) -> Delivery<'a> {
        let chance = Chance::of(spec.seed, Purpose::Delivery, 0, 0);
        Delivery { spec, plays: Vec::new(), corrections: Vec::new(), chance, next_id: 0 }
    }

    /// Turns to an account's day; play ids say both, so that they do not depend on what else is made.
    pub fn turn_to(&mut self, account: u32, day: i64) {
        let day_bits = (day + 1) as u64;
        self.chance = Chance::of(self.spec.seed, Purpose::Delivery, u64::from(account), day_bits);
        self.next_id = (u64::from(account) + 1) << 32 | day_bits << 17;
    }

    /// Takes a play as it happened; its id and its fate are decided here.
    pub fn push(&mut self, mut heard: Heard) {
        heard.play_id = self.next_id;
        self.next_id += 1;
        if heard.ended_at < self.spec.start_ms || heard.ended_at >= self.spec.end_ms() {
            return;
        }
        let chance = &mut self.chance;
        if heard.arrived_at.is_none() {
            let fate = chance.unit();
            if fate < LATE {
                heard.arrived_at = Some(heard.ended_at + 1 + (chance.unit() * HOUR_MS as f64) as Millis);
            } else if fate < LATE + AHEAD {
                heard.arrived_at = Some(heard.ended_at - 1 - chance.below(5_000) as Millis);
            }
        }
        let arrival = heard.arrival();
        if chance.happens(TWICE) {
            let later = arrival + 1 + chance.exponential(0.5 * HOUR_MS as f64) as Millis;
            let conflicting = chance.happens(CONFLICTING);
            let played_ms = if conflicting { heard.played_ms / 2 + 1 } else { heard.played_ms };
            let copy = if conflicting { heard::CONFLICTING } else { 1 };
            self.plays.push(Heard { arrived_at: Some(later), played_ms, copy, ..heard });
        }
        if chance.happens(CORRECTED) {
            let arrived_at = if chance.happens(CORRECTED_BEFORE) {
                arrival - 1 - chance.below(HOUR_MS as usize) as Millis
            } else {
                let days = chance.lognormal(CORRECTION_DAYS.0, CORRECTION_DAYS.1).min(20.0);
                arrival + 1 + (days * DAY_MS as f64) as Millis
            };
            let reason = REASONS[chance.pick(&[0.4, 0.2, 0.3, 0.1])];
            self.corrections.push(TakenBack { arrived_at, play_id: heard.play_id, reason });
        }
        self.plays.push(heard);
    }
}
