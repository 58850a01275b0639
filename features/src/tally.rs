//! Counts the plays of one key over several windows at once.
//!
//! ```text
//! (play, windows it enters or leaves) ──▶ sums, counts per value, counts of counts ──▶ WindowRow per window
//! ```
//!
//! Everything is a count, so whatever was added can be taken back exactly. The windows are nested: a play that
//! counts in one counts in every longer one.

use records::{Country, Key, KeyedPlay, Millis, Source};

use crate::counts::{Counts, Spread};
use crate::row::WindowRow;

/// Heard this long, a play is payable: the usual clause in royalty agreements.
pub const PAYABLE_MS: u32 = 30_000;
/// Heard for less than this but payable, a play sits on the edge that stream farms aim for.
pub const EDGE_MS: u32 = 35_000;
/// The length of a clock hour.
const HOUR_MS: Millis = 3_600_000;

/// A set of windows: bit `i` stands for the `i`-th shortest.
pub type WindowSet = u16;

/// By what a view groups its plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Axis {
    Account,
    Track,
    Artist,
    Uploader,
    Playlist,
    Distributor,
}

/// One play with what the catalogue says of its track.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The play.
    pub play: &'a KeyedPlay,
    /// The track's artist, or [`Key::NONE`].
    pub artist: Key,
}

/// The counts of one key.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Sums and distinct counts per window, shortest first; top, squares and entropy come from `spread`.
    rows: Vec<WindowRow>,
    /// Plays per track (of an account) or per account (of all else).
    shares: Counts,
    /// How many of those have how many plays, per window.
    spread: Vec<Spread>,
    countries: Counts,
    devices: Counts,
    ip_prefixes: Counts,
    /// The counts that only some axes need.
    more: More,
}

#[derive(Clone, Debug)]
enum More {
    Account(Box<AccountCounts>),
    Track,
    Group { tracks: Counts },
}

#[derive(Clone, Debug)]
struct AccountCounts {
    artists: Counts,
    asns: Counts,
    playlists: Counts,
    hours: Counts,
}

impl Tally {
    /// Nothing counted yet, over so many windows.
    pub fn new(axis: Axis, windows: usize) -> Tally {
        let counts = || Counts::new(windows);
        Tally {
            rows: vec![WindowRow::default(); windows],
            shares: counts(),
            spread: vec![Spread::default(); windows],
            countries: counts(),
            devices: counts(),
            ip_prefixes: counts(),
            more: match axis {
                Axis::Account => More::Account(Box::new(AccountCounts {
                    artists: counts(),
                    asns: counts(),
                    playlists: counts(),
                    hours: counts(),
                })),
                Axis::Track => More::Track,
                _ => More::Group { tracks: counts() },
            },
        }
    }

    /// Counts the play into the windows, or takes it out again.
    pub fn count(&mut self, listed: Listed<'_>, windows: WindowSet, enters: bool) {
        let play = listed.play;
        for window in each(windows) {
            add_sums(&mut self.rows[window], play, enters);
        }
        let Tally { rows, shares, spread, .. } = self;
        let share = if matches!(self.more, More::Account(_)) { play.track } else { play.account };
        let by_account = !matches!(self.more, More::Account(_));
        shares.count(share.0, windows, enters, |window, from, to| {
            spread[window].shift(from, to);
            let row = &mut rows[window];
            let distinct = if by_account { &mut row.listeners } else { &mut row.tracks };
            present(distinct, from, to);
            let (from, to) = (u64::from(from), u64::from(to));
            row.sum_squares = row.sum_squares + to * to - from * from;
        });
        if play.country != Country::NONE {
            let value = u64::from(play.country.number());
            self.countries.count(value, windows, enters, |w, from, to| present(&mut rows[w].countries, from, to));
        }
        if play.device.is_some() {
            self.devices.count(play.device.0, windows, enters, |w, from, to| present(&mut rows[w].devices, from, to));
        }
        if play.ip_prefix.is_some() {
            let value = play.ip_prefix.0;
            self.ip_prefixes.count(value, windows, enters, |w, from, to| present(&mut rows[w].ip_prefixes, from, to));
        }
        match &mut self.more {
            More::Account(counts) => counts.count(rows, listed, windows, enters),
            More::Track => {}
            More::Group { tracks } => {
                tracks.count(play.track.0, windows, enters, |w, from, to| present(&mut rows[w].tracks, from, to));
            }
        }
    }

    /// Counts an upload into the windows, or takes it out again.
    pub fn upload(&mut self, windows: WindowSet, enters: bool) {
        for window in each(windows) {
            add(&mut self.rows[window].uploads, 1, enters);
        }
    }

    /// The row of the window; `None` when nothing counts in it.
    pub fn row(&self, window: usize) -> Option<WindowRow> {
        let row = self.rows[window];
        if row.plays == 0 && row.uploads == 0 {
            return None;
        }
        let spread = &self.spread[window];
        let entropy = match self.more {
            More::Account(_) => spread.entropy(row.plays),
            _ => Default::default(),
        };
        Some(WindowRow { top_plays: spread.top(), entropy, ..row })
    }

    /// Whether nothing counts in any window.
    pub fn is_empty(&self) -> bool {
        self.rows.last().is_none_or(|row| row.plays == 0 && row.uploads == 0)
    }
}

impl AccountCounts {
    fn count(&mut self, rows: &mut [WindowRow], listed: Listed<'_>, windows: WindowSet, enters: bool) {
        let play = listed.play;
        // A track without an artist is its own; the number space of tracks is kept apart from that of artists.
        let artist = if listed.artist.is_some() { listed.artist.0 } else { own_artist(play.track) };
        self.artists.count(artist, windows, enters, |w, from, to| present(&mut rows[w].artists, from, to));
        if play.asn != KeyedPlay::NO_ASN {
            let value = u64::from(play.asn);
            self.asns.count(value, windows, enters, |w, from, to| present(&mut rows[w].asns, from, to));
        }
        if play.playlist.is_some() {
            let value = play.playlist.0;
            self.playlists.count(value, windows, enters, |w, from, to| present(&mut rows[w].playlists, from, to));
        }
        let hour = play.ended_at.div_euclid(HOUR_MS) as u64;
        self.hours.count(hour, windows, enters, |w, from, to| present(&mut rows[w].active_hours, from, to));
    }
}

/// The stand-in artist of a track without one: a bijection of 64 bits, so that two tracks never share one, which
/// moves the small numbers that real artists have out of the way.
fn own_artist(track: Key) -> u64 {
    // The finalizer of splitmix64 (Steele, Lea, Flood 2014) is invertible.
    let mut z = track.0 ^ 0x9E37_79B9_7F4A_7C15;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The windows of the set, shortest first.
pub fn each(mut windows: WindowSet) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let window = (windows != 0).then(|| windows.trailing_zeros() as usize);
        windows &= windows.wrapping_sub(1);
        window
    })
}

fn add(sum: &mut u32, amount: u32, enters: bool) {
    *sum = if enters { *sum + amount } else { *sum - amount };
}

/// A value is present while its count is not zero.
fn present(distinct: &mut u32, from: u32, to: u32) {
    if from == 0 {
        *distinct += 1;
    } else if to == 0 {
        *distinct -= 1;
    }
}

fn add_sums(row: &mut WindowRow, play: &KeyedPlay, enters: bool) {
    let one = |holds: bool| u32::from(holds);
    let payable = play.played_ms >= PAYABLE_MS;
    add(&mut row.plays, 1, enters);
    add(&mut row.payable, one(payable), enters);
    add(&mut row.edge, one(payable && play.played_ms < EDGE_MS), enters);
    add(&mut row.skipped, one(!payable), enters);
    add(&mut row.offline, one(play.is(KeyedPlay::OFFLINE)), enters);
    add(&mut row.shuffled, one(play.is(KeyedPlay::SHUFFLED)), enters);
    add(&mut row.hosted, one(play.is(KeyedPlay::HOSTED)), enters);
    add(&mut row.new_account_plays, one(play.is(KeyedPlay::NEW_ACCOUNT)), enters);
    let by_source = match play.source {
        Source::Search => Some(&mut row.by_search),
        Source::Library => Some(&mut row.by_library),
        Source::Algorithmic => Some(&mut row.by_algorithm),
        Source::Editorial => Some(&mut row.by_editorial),
        Source::Playlist => Some(&mut row.by_playlist),
        Source::Other => None,
    };
    if let Some(sum) = by_source {
        add(sum, 1, enters);
    }
    let played_ms = u64::from(play.played_ms);
    row.played_ms = if enters { row.played_ms + played_ms } else { row.played_ms - played_ms };
}
