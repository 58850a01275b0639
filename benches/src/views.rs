//! The rows of the four questions, the obvious way to compute one, and the digest by which engines are compared.
//!
//! A digest is the count of rows and, for each column, the sum of `weight(key) * value`: it changes whenever one row
//! of one key is wrong, does not depend on order, and is one line of SQL.

/// The columns of a view's row, with the weight of its key.
pub trait Row {
    /// The view in the contract.
    const VIEW: &'static str;
    /// The names of the columns that are compared.
    const COLUMNS: &'static [&'static str];
    /// The values in the order of [`Row::COLUMNS`].
    fn values(&self) -> impl Iterator<Item = i64>;
}

/// The residues of keys that weigh values; a prime, so that small differences between ids tell.
pub const WEIGHTS: u64 = 65_521;

/// The weight of a key.
pub fn weight(key: u64) -> i64 {
    (1 + key % WEIGHTS) as i64
}

/// The weight of a pair of accounts.
pub fn pair_weight(a: u32, b: u32) -> i64 {
    weight(u64::from(a) * 31 + u64::from(b))
}

/// Row count and weighted sums of a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Rows.
    pub rows: i64,
    /// One sum a column; empty before the first row.
    pub sums: Vec<i64>,
}

impl Digest {
    /// Adds the row `diff` times.
    pub fn add<R: Row>(&mut self, weight: i64, row: &R, diff: i64) {
        self.rows += diff;
        self.sums.resize(R::COLUMNS.len(), 0);
        for (sum, value) in self.sums.iter_mut().zip(row.values()) {
            *sum += diff * weight * value;
        }
    }
}

/// Heard this long, a play is payable.
const PAYABLE_MS: u32 = 30_000;
/// Payable, but not for long.
const EDGE_MS: u32 = 35_000;

/// The sums that accounts and tracks share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Totals {
    /// Plays.
    pub plays: u32,
    /// Plays of 30 s or longer.
    pub payable: u32,
    /// Plays from 30 s to 35 s.
    pub edge: u32,
    /// Time heard.
    pub played_ms: u64,
}

impl Totals {
    /// Adds a play of the length `times` times, which may be negative.
    pub fn add(&mut self, played_ms: u32, times: i64) {
        let bump = |count: &mut u32, is: bool| *count = (i64::from(*count) + i64::from(is) * times) as u32;
        bump(&mut self.plays, true);
        bump(&mut self.payable, played_ms >= PAYABLE_MS);
        bump(&mut self.edge, (PAYABLE_MS..EDGE_MS).contains(&played_ms));
        self.played_ms = (self.played_ms as i64 + i64::from(played_ms) * times) as u64;
    }
}

/// A row of `account_window`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountRow {
    /// Plays and their lengths.
    pub totals: Totals,
    /// Distinct tracks.
    pub tracks: u32,
    /// Distinct artists.
    pub artists: u32,
    /// Distinct countries.
    pub countries: u32,
    /// Distinct devices.
    pub devices: u32,
    /// Distinct clock hours.
    pub active_hours: u32,
    /// Plays of the most played track.
    pub top_track_plays: u32,
    /// Sum of plays squared over tracks.
    pub track_sum_squares: u64,
    /// Entropy over tracks, rounded to a millionth of a nat so that it can be summed exactly.
    pub track_entropy_micronats: u64,
}

impl Row for AccountRow {
    const VIEW: &'static str = "account_window";
    const COLUMNS: &'static [&'static str] = &[
        "plays",
        "payable",
        "edge",
        "skipped",
        "played_ms",
        "tracks",
        "artists",
        "countries",
        "devices",
        "active_hours",
        "top_track_plays",
        "track_sum_squares",
        "track_entropy_micronats",
    ];

    fn values(&self) -> impl Iterator<Item = i64> {
        let Totals { plays, payable, edge, played_ms } = self.totals;
        let counts = [self.tracks, self.artists, self.countries, self.devices, self.active_hours, self.top_track_plays];
        [plays, payable, edge, plays - payable]
            .map(i64::from)
            .into_iter()
            .chain([played_ms as i64])
            .chain(counts.map(i64::from))
            .chain([self.track_sum_squares as i64, self.track_entropy_micronats as i64])
    }
}

/// A row of `track_window`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackRow {
    /// Plays and their lengths.
    pub totals: Totals,
    /// Distinct accounts.
    pub listeners: u32,
    /// Plays by the account that plays it most.
    pub top_account_plays: u32,
    /// Sum of plays squared over accounts.
    pub account_sum_squares: u64,
    /// Distinct countries.
    pub countries: u32,
    /// Distinct devices.
    pub devices: u32,
}

impl Row for TrackRow {
    const VIEW: &'static str = "track_window";
    const COLUMNS: &'static [&'static str] = &[
        "plays",
        "payable",
        "edge",
        "played_ms",
        "listeners",
        "top_account_plays",
        "account_sum_squares",
        "countries",
        "devices",
    ];

    fn values(&self) -> impl Iterator<Item = i64> {
        let Totals { plays, payable, edge, played_ms } = self.totals;
        [plays, payable, edge].map(i64::from).into_iter().chain([played_ms as i64]).chain([
            i64::from(self.listeners),
            i64::from(self.top_account_plays),
            self.account_sum_squares as i64,
            i64::from(self.countries),
            i64::from(self.devices),
        ])
    }
}

/// A row of `account_group`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupRow {
    /// The smallest account of the group.
    pub group_id: u32,
    /// Its accounts.
    pub size: u32,
}

impl Row for GroupRow {
    const VIEW: &'static str = "account_group";
    const COLUMNS: &'static [&'static str] = &["group_id", "size"];

    fn values(&self) -> impl Iterator<Item = i64> {
        [self.group_id, self.size].map(i64::from).into_iter()
    }
}

/// A row of `lockstep`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockstepRow {
    /// Tracks and 10-minute buckets that both accounts have.
    pub shared: u32,
}

impl Row for LockstepRow {
    const VIEW: &'static str = "lockstep";
    const COLUMNS: &'static [&'static str] = &["shared"];

    fn values(&self) -> impl Iterator<Item = i64> {
        std::iter::once(i64::from(self.shared))
    }
}

/// A device of more accounts than this joins nobody.
pub const HUB_ACCOUNTS: usize = 50;
/// A track's bucket with more accounts than this is left out of lockstep.
pub const BUCKET_ACCOUNTS: usize = 50;
/// Pairs that share fewer buckets are no rows.
pub const LOCKSTEP_SHARED: u32 = 5;
/// The bucket of lockstep.
pub const BUCKET_MS: i64 = 600_000;
/// The clock hour of `active_hours`.
pub const CLOCK_HOUR_MS: i64 = 3_600_000;

/// Entropy in millionths of a nat of `plays` plays, from the counts of the tracks: `ln n - sum(c ln c) / n`.
pub fn entropy_micronats(plays: u32, count_times_ln: f64) -> u64 {
    let plays = f64::from(plays);
    // A single track gives a rounding error below zero.
    ((plays.ln() - count_times_ln / plays).max(0.0) * 1e6).round() as u64
}
