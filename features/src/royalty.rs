//! Which streams are paid, and what each track gets of a month's money.
//!
//! ```text
//! streams by account and track ──cap, noise, boosts──▶ weights ──┐
//! plans of accounts ──▶ money ───────────────────────────────────┴──▶ shares of tracks, to the last millionth
//! ```
//!
//! All is integer arithmetic. A stream counts a million parts before caps and boosts; what rounding leaves of money goes to the
//! greatest remainders, so that what is shared is what there was. Sources: pro-rata and user-centric pools as the CNM describes
//! them (2021), boosts and the cap of 1,000 streams per account as Deezer published them (2023), the threshold of 1,000 streams in
//! twelve months and the rule on noise as Spotify did (2023).

use std::collections::BTreeMap;

use records::policy::Percent;
use records::royalty::{Micros, Pools, Sharing, Terms, Threshold};

use crate::apportion::divide;

/// The parts that one stream counts.
const STREAM_PARTS: u64 = 1_000_000;

/// What becomes of a stream that was heard long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It is paid.
    Payable,
    /// It has its share, which waits until somebody has decided.
    Held,
    /// It counts for nothing: nobody listened.
    Withheld,
    /// Its track has no share under the terms.
    Ineligible,
}

/// Streams of one account and track in a month that stand alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Streams {
    /// The account, by its place.
    pub account: u32,
    /// The track, by its place.
    pub track: u32,
    /// Whether the listener searched for the track or kept it.
    pub chosen: bool,
    /// How they stand.
    pub standing: Standing,
    /// How many.
    pub count: u64,
}

/// What an account brings to a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    /// Its plan, by its place.
    pub plan: u32,
    /// Its money.
    pub money: Micros,
}

/// What a track brings to a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its artist, by its place; `None` is one of its own.
    pub artist: Option<u32>,
    /// What a stream of it counts: noise counts less.
    pub weight: Percent,
}

/// What a track gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    /// What is paid.
    pub payable: Micros,
    /// What waits.
    pub held: Micros,
}

/// A month, shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// By the places of the tracks.
    pub payments: Vec<Payment>,
    /// Money that no stream has a claim to.
    pub left: Micros,
}

/// Why a track has no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ineligible {
    /// Too few streams in twelve months.
    Streams,
    /// Too few independent listeners for its streams.
    Listeners,
    /// Noise that is too short.
    ShortNoise,
}

impl Ineligible {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Ineligible::Streams => "streams",
            Ineligible::Listeners => "listeners",
            Ineligible::ShortNoise => "short_noise",
        }
    }
}

/// How a stream stands in the month: what was withheld stays so, a track may have no share, and where nobody delivers a track there is nobody
/// to pay, so its share waits.
pub fn stands(by_verdicts: Standing, has_share: bool, is_delivered: bool) -> Standing {
    match by_verdicts {
        Standing::Withheld => Standing::Withheld,
        _ if !has_share => Standing::Ineligible,
        Standing::Payable if !is_delivered => Standing::Held,
        other => other,
    }
}

/// How many independent listeners a track with so many streams in twelve months needs.
pub fn listeners_needed(threshold: &Threshold, streams: u64) -> u64 {
    let grown = if threshold.streams_per_listener == 0 { 0 } else { streams.div_ceil(threshold.streams_per_listener) };
    grown.max(threshold.listeners_min)
}

/// What a stream of a track counts in percent of a stream of music, by its streams and independent listeners in twelve months,
/// its genre and its length.
///
/// # Errors
/// Why it has no share at all.
pub fn eligible(
    terms: &Terms,
    (streams, listeners): (u64, u64),
    genre: Option<&str>,
    seconds: Option<u64>,
) -> Result<Percent, Ineligible> {
    let is_noise = genre.is_some_and(|genre| terms.noise.genres.contains(&genre.to_lowercase()));
    match () {
        () if is_noise && seconds.is_some_and(|seconds| seconds < terms.noise.seconds_min) => {
            Err(Ineligible::ShortNoise)
        }
        () if streams < terms.threshold.streams_min => Err(Ineligible::Streams),
        () if listeners < listeners_needed(&terms.threshold, streams) => Err(Ineligible::Listeners),
        () if is_noise => Ok(terms.noise.weight),
        () => Ok(Percent::whole()),
    }
}

/// Shares the money of a month. `purses` are what the accounts bring, by their places: an account none of whose streams counts brings its money
/// to all that do, of its plan where each plan is a pool, and so does a plan. `streams` are each account's and track's once per way of standing and
/// being chosen.
pub fn share(terms: &Terms, purses: &[Purse], tracks: &[Track], streams: &[Streams]) -> Shared {
    let counted: Vec<&Streams> =
        streams.iter().filter(|s| matches!(s.standing, Standing::Payable | Standing::Held)).collect();
    let followed = followed(terms, tracks, &counted);
    let mut per_account = vec![0_u64; purses.len()];
    counted.iter().for_each(|s| per_account[s.account as usize] += s.count);

    // Claims by (account, claimant): one claimant per track and way of standing.
    let claimant = |s: &Streams| 2 * s.track as usize + usize::from(s.standing == Standing::Held);
    let mut claims = vec![0_u64; 2 * tracks.len()];
    // The claims of those whose money is theirs alone.
    let mut apart: BTreeMap<u32, BTreeMap<usize, u64>> = BTreeMap::new();
    let pool_of = |account: u32| match (terms.sharing, terms.pools) {
        (Sharing::UserCentric, _) => Some(account),
        (_, Pools::PerPlan) => Some(purses[account as usize].plan),
        (_, Pools::One) => None,
    };
    for s in counted {
        let parts = parts(terms, s, per_account[s.account as usize], &tracks[s.track as usize], &followed);
        claims[claimant(s)] += parts;
        if let Some(pool) = pool_of(s.account).filter(|_| parts > 0) {
            *apart.entry(pool).or_default().entry(claimant(s)).or_default() += parts;
        }
    }
    let mut shares = vec![0; claims.len()];
    let mut common: Micros = purses.iter().map(|purse| purse.money).sum();
    let mut pools: BTreeMap<u32, Micros> = BTreeMap::new();
    for (account, purse) in purses.iter().enumerate() {
        if let Some(pool) = pool_of(account as u32) {
            *pools.entry(pool).or_default() += purse.money;
        }
    }
    for (pool, claims) in apart {
        let own = pools.get(&pool).copied().unwrap_or_default();
        common -= own;
        let parts: Vec<u64> = claims.values().copied().collect();
        claims.keys().zip(divide(own, &parts)).for_each(|(at, share)| shares[*at] += share);
    }
    let in_common = divide(common, &claims);
    let left = common - in_common.iter().sum::<u64>();
    let total = |at: usize| shares[at] + in_common[at];
    let payment = |track: usize| Payment { payable: total(2 * track), held: total(2 * track + 1) };
    Shared { payments: (0..tracks.len()).map(payment).collect(), left }
}

/// What the streams count in all, in parts.
fn parts(terms: &Terms, s: &Streams, of_account: u64, track: &Track, followed: &[bool]) -> u64 {
    let capped = match terms.account_streams_max {
        0 => STREAM_PARTS,
        most => STREAM_PARTS * most.min(of_account) / of_account.max(1),
    };
    let weighed = capped * u64::from(track.weight.get()) / 100;
    let times = match terms.sharing {
        Sharing::ArtistCentric => {
            let artist = if followed[s.track as usize] { terms.boost.artist_times } else { 1 };
            artist * if s.chosen { terms.boost.chosen_times } else { 1 }
        }
        Sharing::ProRata | Sharing::UserCentric => 1,
    };
    s.count * weighed * times
}

/// Whether the artist of each track has enough streams and listeners to count more.
fn followed(terms: &Terms, tracks: &[Track], counted: &[&Streams]) -> Vec<bool> {
    if terms.sharing != Sharing::ArtistCentric {
        return Vec::new();
    }
    // A track without an artist is its own: its place after all artists.
    let artist = |track: u32| tracks[track as usize].artist.map_or((1, track), |artist| (0, artist));
    let mut heard: BTreeMap<(u8, u32), (u64, Vec<u32>)> = BTreeMap::new();
    for s in counted {
        let (streams, listeners) = heard.entry(artist(s.track)).or_default();
        *streams += s.count;
        listeners.push(s.account);
    }
    let boost = &terms.boost;
    let enough = |(streams, mut listeners): (u64, Vec<u32>)| {
        listeners.sort_unstable();
        listeners.dedup();
        streams >= boost.artist_streams && listeners.len() as u64 >= boost.artist_listeners
    };
    let enough: BTreeMap<(u8, u32), bool> = heard.into_iter().map(|(artist, heard)| (artist, enough(heard))).collect();
    (0..tracks.len() as u32).map(|track| enough.get(&artist(track)).copied().unwrap_or_default()).collect()
}
