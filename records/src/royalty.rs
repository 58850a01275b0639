//! The terms of payment: which streams are paid, out of which money, and how it is shared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::Percent;

/// Money in millionths of the currency's unit.
pub type Micros = u64;

/// How money is shared among the streams that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// All money in one pool, by streams.
    ProRata,
    /// The money of each account among the tracks that it heard.
    UserCentric,
    /// All money in one pool, by streams that count more where artists are followed or tracks were chosen.
    ArtistCentric,
}

impl Sharing {
    /// All of them.
    pub const ALL: [Sharing; 3] = [Sharing::ProRata, Sharing::UserCentric, Sharing::ArtistCentric];

    /// The word in policies and tables.
    pub fn name(self) -> &'static str {
        match self {
            Sharing::ProRata => "pro_rata",
            Sharing::UserCentric => "user_centric",
            Sharing::ArtistCentric => "artist_centric",
        }
    }
}

/// Whose money streams have a claim to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pools {
    /// That of all accounts.
    #[default]
    One,
    /// That of the accounts of the same plan: a stream that was paid with advertising takes nothing of what subscribers pay.
    PerPlan,
}

/// When a track has a share of the money at all, by its last twelve months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Streams.
    pub streams_min: u64,
    /// Independent listeners: accounts that are linked to one another are one.
    pub listeners_min: u64,
    /// More streams than this need one independent listener more; 0: however many.
    pub streams_per_listener: u64,
}

/// Functional noise: rain, fans, white noise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// The genres that are noise, in lower case.
    pub genres: Vec<String>,
    /// Shorter noise has no share.
    pub seconds_min: u64,
    /// What a stream of noise counts, in percent of a stream of music.
    pub weight: Percent,
}

/// What counts more under [`Sharing::ArtistCentric`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boost {
    /// An artist with so many streams in the month ...
    pub artist_streams: u64,
    /// ... by so many accounts counts `artist_times`.
    pub artist_listeners: u64,
    /// How many times.
    pub artist_times: u64,
    /// How many times a stream counts that its listener searched for or kept.
    pub chosen_times: u64,
}

/// Everything that a payment depends on besides the streams.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// How money is shared.
    pub sharing: Sharing,
    /// Whose money streams have a claim to; user-centric sharing leaves nothing to ask.
    pub pools: Pools,
    /// ISO 4217.
    pub currency: String,
    /// What of the fees goes to recordings.
    pub share: Percent,
    /// What an account of a plan brings in a month; `other` is every other plan.
    pub fees: BTreeMap<String, Micros>,
    /// The month is closed so many days after its end.
    pub close_days: u32,
    /// So many days after the close money is paid.
    pub pay_days: u32,
    /// A stream above so many of an account in a month makes its others count less, so that they count for this many together; 0: never.
    pub account_streams_max: u64,
    /// When a track has a share.
    pub threshold: Threshold,
    /// Noise.
    pub noise: Noise,
    /// What counts more.
    pub boost: Boost,
}

/// Nobody waits longer than a year for a close, or for the money after it.
const DAYS_MAX: u32 = 365;
/// What counts more counts at most so many times (Deezer, 2023: twice, and twice again): a count of parts fits its number.
const TIMES_MAX: u64 = 10;

/// The plan of accounts of plans that have no fee of their own.
pub const OTHER_PLAN: &str = "other";

impl Terms {
    /// What of the numbers cannot be: what was found and what was expected.
    pub fn fault(&self) -> Option<String> {
        let Terms { close_days, pay_days, boost, .. } = self;
        let days = [("close_days", close_days), ("pay_days", pay_days)];
        let late = days.into_iter().find(|(_, days)| **days > DAYS_MAX);
        let times = [("artist_times", boost.artist_times), ("chosen_times", boost.chosen_times)];
        let much = times.into_iter().find(|(_, times)| !(1..=TIMES_MAX).contains(times));
        let late = late.map(|(name, days)| format!("found {name} {days}, expected at most {DAYS_MAX}"));
        late.or(much.map(|(name, times)| format!("found {name} {times}, expected 1 to {TIMES_MAX}")))
    }

    /// The plan by which an account of this one is counted: its own, where it has a fee, or that of all others.
    pub fn plan<'a>(&self, plan: Option<&'a str>) -> Option<&'a str> {
        plan.filter(|plan| self.fees.contains_key(*plan) && *plan != OTHER_PLAN)
    }

    /// What an account of the plan brings for recordings in a month: fee times share, rounded down to a millionth.
    pub fn brings(&self, plan: Option<&str>) -> Micros {
        let fee = plan.and_then(|plan| self.fees.get(plan)).or_else(|| self.fees.get(OTHER_PLAN));
        fee.copied().unwrap_or_default() * u64::from(self.share.get()) / 100
    }
}
