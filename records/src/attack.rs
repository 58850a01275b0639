//! Attacks that must not pay: what one costs, plays and shows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::policy::Percent;
use crate::royalty::Micros;

/// An attack, as it was seen or is assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attack {
    /// Its name.
    pub name: String,
    /// Accounts.
    pub accounts: u64,
    /// Accounts that are linked to one another, and so are one independent listener.
    pub accounts_per_circle: u64,
    /// Streams of an account a day for the attack.
    pub streams_per_day: u64,
    /// Streams of an account a day by its owner.
    pub own_streams_per_day: u64,
    /// Tracks that share them.
    pub tracks: u64,
    /// The plan of its accounts.
    pub plan: String,
    /// What the attacker pays for an account in a month.
    pub seat_cost: Micros,
    /// What its accounts show, in percent of the strength of each signal.
    pub signals: BTreeMap<String, Percent>,
    /// How many of a hundred accounts are held before the month is paid, where the policy holds such accounts.
    pub caught: Percent,
    /// What an account may leave to the attacker in a month at most.
    pub most: Micros,
}

/// What attacks are measured against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attacks {
    /// What a stream earns under pro-rata sharing.
    pub stream_rate: Micros,
    /// How many times an average stream counts under artist-centric sharing.
    pub mean_times: f64,
    /// The attacks.
    pub attacks: Vec<Attack>,
}
