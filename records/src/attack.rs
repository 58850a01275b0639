//! Attacks that must not pay, what one costs, plays and shows; and artists who must be paid.

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
    /// Tracks that shared them in the case; who attacks may take as many as pay best.
    pub tracks: u64,
    /// The plan of its accounts.
    pub plan: String,
    /// What the attacker pays for an account in a month.
    pub seat_cost: Micros,
    /// What its accounts show, in percent of the strength of each signal.
    pub signals: BTreeMap<String, Percent>,
    /// How many of a hundred accounts are held sooner or later, where the policy holds such accounts.
    pub caught: Percent,
    /// How many of a hundred of those that are still to be held are held on a day.
    pub hazard: Percent,
    /// What an account may leave to the attacker in a month at most.
    pub most: Micros,
}

/// An honest artist who must be paid under any terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Artist {
    /// Its name.
    pub name: String,
    /// Tracks.
    pub tracks: u64,
    /// Streams of each in twelve months.
    pub track_streams_year: u64,
    /// Independent listeners of each in twelve months.
    pub track_listeners_year: u64,
    /// Genres in each of which the artist must be paid so; of none where it is empty.
    pub genres: Vec<String>,
    /// How long its tracks are, in seconds.
    pub track_seconds: u64,
    /// The plan of those who listen.
    pub plan: String,
    /// Streams of such a listener in a month, of everything.
    pub listener_streams_month: u64,
    /// What the artist must get in a month at least.
    pub least: Micros,
}

/// What attacks are measured against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attacks {
    /// The currency of all amounts, ISO 4217.
    pub currency: String,
    /// What a stream earns under pro-rata sharing ...
    pub stream_rate: Micros,
    /// ... where an account of the plan that brings most brings so much for recordings in a month.
    pub account_brings: Micros,
    /// How many times an average stream counts under artist-centric sharing.
    pub mean_times: f64,
    /// The attacks.
    pub attacks: Vec<Attack>,
    /// The artists.
    pub artists: Vec<Artist>,
}
