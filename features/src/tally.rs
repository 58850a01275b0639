//! Counts the plays of one key over several windows at once.
//!
//! ```text
//! (play, windows it enters or leaves) ──▶ sums, counts per value, counts of counts ──▶ WindowRow per window
//! ```
//!
//! Everything is a count, so whatever was added can be taken back exactly. The windows are nested: a play that
//! counts in one counts in every longer one.

use records::{Country, Key, KeyedPlay, Millis, Source, Subject};

use crate::counts::Counts;
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

impl Axis {
    /// All window views.
    pub const ALL: [Axis; 6] =
        [Axis::Account, Axis::Track, Axis::Artist, Axis::Uploader, Axis::Playlist, Axis::Distributor];
}

impl From<Subject> for Axis {
    /// The view with a row per window of such a subject.
    fn from(subject: Subject) -> Axis {
        match subject {
            Subject::Account => Axis::Account,
            Subject::Artist => Axis::Artist,
            Subject::Distributor => Axis::Distributor,
            Subject::Playlist => Axis::Playlist,
            Subject::Track => Axis::Track,
            Subject::Uploader => Axis::Uploader,
        }
    }
}

/// One play with what the catalogue says of its track.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The play.
    pub play: &'a KeyedPlay,
    /// The track's artist, or [`Key::NONE`].
    pub artist: Key,
}

/// The kinds of values that are counted for a key. The first are the shares: plays per track for an account, plays per
/// account for all else.
#[derive(Clone, Copy)]
enum Kind {
    Share,
    Country,
    Device,
    IpPrefix,
    /// Of artists and all else that has several.
    Track,
    Artist,
    Asn,
    Hour,
}

/// Playlists are counted for accounts, which have no other tracks than their shares.
const PLAYLIST: Kind = Kind::Track;

/// The counts of one key over `W` windows.
#[derive(Clone, Debug)]
pub struct Tally<const W: usize> {
    /// Sums and distinct counts per window, shortest first; top and entropy follow from the shares.
    rows: [WindowRow; W],
    values: Counts<W>,
}

impl<const W: usize> Default for Tally<W> {
    fn default() -> Tally<W> {
        Tally { rows: [WindowRow::default(); W], values: Counts::default() }
    }
}

impl<const W: usize> Tally<W> {
    /// Counts the play into the windows, or takes it out again.
    pub fn count(&mut self, axis: Axis, listed: Listed<'_>, windows: WindowSet, enters: bool) {
        let play = listed.play;
        let Tally { rows, values } = self;
        for window in each(windows) {
            add_sums(&mut rows[window], play, enters);
        }
        let of_account = axis == Axis::Account;
        let share = if of_account { play.track } else { play.account };
        values.count(Kind::Share as usize, share.0, windows, enters, |window, from, to| {
            let row = &mut rows[window];
            present(if of_account { &mut row.tracks } else { &mut row.listeners }, from, to);
            let (from, to) = (u64::from(from), u64::from(to));
            row.sum_squares = row.sum_squares + to * to - from * from;
        });
        let mut value = |kind: Kind, value: u64, distinct: fn(&mut WindowRow) -> &mut u32| {
            values
                .count(kind as usize, value, windows, enters, |w, from, to| present(distinct(&mut rows[w]), from, to));
        };
        if play.country != Country::NONE {
            value(Kind::Country, play.country.number().into(), |row| &mut row.countries);
        }
        if play.device.is_some() {
            value(Kind::Device, play.device.0, |row| &mut row.devices);
        }
        if play.ip_prefix.is_some() {
            value(Kind::IpPrefix, play.ip_prefix.0, |row| &mut row.ip_prefixes);
        }
        match axis {
            Axis::Account => {
                // A track without an artist is its own; its number is kept apart from those of artists.
                let artist = if listed.artist.is_some() { listed.artist.0 } else { own_artist(play.track) };
                value(Kind::Artist, artist, |row| &mut row.artists);
                if play.asn != KeyedPlay::NO_ASN {
                    value(Kind::Asn, play.asn.into(), |row| &mut row.asns);
                }
                if play.playlist.is_some() {
                    value(PLAYLIST, play.playlist.0, |row| &mut row.playlists);
                }
                value(Kind::Hour, play.ended_at.div_euclid(HOUR_MS) as u64, |row| &mut row.active_hours);
            }
            Axis::Track => {}
            _ => value(Kind::Track, play.track.0, |row| &mut row.tracks),
        }
    }

    /// The plays in the longest window.
    pub fn plays(&self) -> u32 {
        self.rows[W - 1].plays
    }

    /// Reads where its counts begin; see [`Tally::look_for`].
    pub fn look(&self) -> u32 {
        self.values.look_at_all()
    }

    /// Reads the counts that the play will change, and says nothing of meaning: whoever is about to count many plays
    /// looks for all of them first, so that memory is asked once and not play by play.
    pub fn look_for(&self, axis: Axis, listed: Listed<'_>) -> u32 {
        let play = listed.play;
        let look = |kind: Kind, value: u64| self.values.look(kind as usize, value);
        match axis {
            Axis::Account => {
                let artist = if listed.artist.is_some() { listed.artist.0 } else { own_artist(play.track) };
                look(Kind::Share, play.track.0) ^ look(Kind::Artist, artist)
            }
            Axis::Track => look(Kind::Share, play.account.0) ^ look(Kind::Device, play.device.0),
            _ => {
                look(Kind::Share, play.account.0) ^ look(Kind::Device, play.device.0) ^ look(Kind::Track, play.track.0)
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
    pub fn row(&self, axis: Axis, window: usize) -> Option<WindowRow> {
        let row = self.rows[window];
        if row.plays == 0 && row.uploads == 0 {
            return None;
        }
        let entropy = match axis {
            Axis::Account => self.values.entropy(window, row.plays),
            _ => Default::default(),
        };
        Some(WindowRow { top_plays: self.values.top(window), entropy, ..row })
    }

    /// Whether nothing counts in any window.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.plays == 0 && row.uploads == 0)
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
