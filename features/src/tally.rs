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

/// Which numbers of a row somebody reads: the others are not counted and stay 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// All that its view shows.
    All,
    /// What signals are made of: half of the values of an account, and of all else its accounts alone.
    Judged,
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
    /// Counts the play into the windows, or takes it out again; of one key always the same figures.
    pub fn count(&mut self, axis: Axis, figures: Figures, listed: Listed<'_>, windows: WindowSet, enters: bool) {
        let play = listed.play;
        let is_shown = figures == Figures::All;
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
        if is_shown && play.country != Country::NONE {
            value(Kind::Country, play.country.number().into(), |row| &mut row.countries);
        }
        if (is_shown || of_account) && play.device.is_some() {
            value(Kind::Device, play.device.0, |row| &mut row.devices);
        }
        if is_shown && play.ip_prefix.is_some() {
            value(Kind::IpPrefix, play.ip_prefix.0, |row| &mut row.ip_prefixes);
        }
        match axis {
            Axis::Account => {
                if play.asn != KeyedPlay::NO_ASN {
                    value(Kind::Asn, play.asn.into(), |row| &mut row.asns);
                }
                value(Kind::Hour, play.ended_at.div_euclid(HOUR_MS) as u64, |row| &mut row.active_hours);
                if is_shown {
                    // A track without an artist is its own; its number is kept apart from those of artists.
                    let artist = if listed.artist.is_some() { listed.artist.0 } else { own_artist(play.track) };
                    value(Kind::Artist, artist, |row| &mut row.artists);
                    if play.playlist.is_some() {
                        value(PLAYLIST, play.playlist.0, |row| &mut row.playlists);
                    }
                }
            }
            Axis::Track => {}
            _ if is_shown => value(Kind::Track, play.track.0, |row| &mut row.tracks),
            _ => {}
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
    pub fn row(&self, axis: Axis, figures: Figures, window: usize) -> Option<WindowRow> {
        let row = self.rows[window];
        if row.plays == 0 && row.uploads == 0 {
            return None;
        }
        let entropy = match (axis, figures) {
            (Axis::Account, Figures::All) => self.values.entropy(window, row.plays),
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
    mixed(track.0 ^ 0x9E37_79B9_7F4A_7C15)
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014): an invertible one, of which every bit depends on all.
pub(crate) fn mixed(mut z: u64) -> u64 {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Entropy;
    use crate::signals::{AccountFacts, Following, OwnerFacts, Rows, Signal, Standing, TrackFacts};
    use crate::signals::{of_account, of_owner, of_track};

    const W: usize = 2;
    const DAY_MS: Millis = 24 * HOUR_MS;

    /// The row without the numbers that signals do not read.
    fn judged(axis: Axis, row: WindowRow) -> WindowRow {
        let row = WindowRow { countries: 0, ip_prefixes: 0, ..row };
        match axis {
            Axis::Account => WindowRow { artists: 0, playlists: 0, entropy: Entropy::default(), ..row },
            _ => WindowRow { devices: 0, tracks: 0, ..row },
        }
    }

    /// Everything that is concluded from the rows of a subject.
    fn concluded(axis: Axis, rows: Rows) -> (Vec<Signal>, Standing, Following) {
        let suspicious = records::Risk::from_parts(3_000);
        let signals = match axis {
            Axis::Account => {
                of_account(&AccountFacts { rows, group_size: 3, lockstep_shared: 90, ..Default::default() })
            }
            Axis::Track => of_track(&TrackFacts { rows, suspicious_accounts: suspicious, ..Default::default() }),
            _ => of_owner(&OwnerFacts { rows, suspicious_accounts: suspicious, ..Default::default() }),
        };
        (signals, Standing::of(rows, suspicious), Following::of(rows, suspicious))
    }

    /// Plays out of few values, so that they come again.
    fn plays() -> impl Strategy<Value = KeyedPlay> {
        let keys = (1..4_u64, 0..4_u64, 0..3_u64, 0..3_u64);
        (keys, 0..3_u32, 0..90 * HOUR_MS, 0..60_000_u32, 0..6_u8).prop_map(
            |(keys, network, ended_at, played_ms, source)| {
                let (account, device, ip_prefix, playlist) = keys;
                let some = |key: u64| if key == 0 { Key::NONE } else { Key(key) };
                KeyedPlay {
                    account: Key(account),
                    track: Key(account * 7 % 5 + 1),
                    device: some(device),
                    ip_prefix: some(ip_prefix),
                    playlist: some(playlist),
                    country: Country::from_number(network),
                    asn: if network == 0 { KeyedPlay::NO_ASN } else { network },
                    source: Source::from_number(source),
                    ended_at,
                    played_ms,
                    ..KeyedPlay::NOTHING
                }
            },
        )
    }

    /// A row of these numbers.
    fn row(numbers: &[u32]) -> WindowRow {
        let [plays, payable, edge, skipped, hosted, new_account_plays, by_search, by_library] = numbers[..8] else {
            unreachable!("that many are drawn")
        };
        let [by_playlist, tracks, artists, listeners, countries, devices, ip_prefixes, asns] = numbers[8..16] else {
            unreachable!("that many are drawn")
        };
        let [playlists, active_hours, uploads, top_plays, heard, squares, entropy, offline] = numbers[16..24] else {
            unreachable!("that many are drawn")
        };
        WindowRow {
            plays,
            payable,
            edge,
            skipped,
            hosted,
            new_account_plays,
            // Whoever searches shows a person.
            by_search: by_search / 1_500,
            by_library: by_library / 1_500,
            by_playlist,
            tracks,
            artists,
            listeners,
            countries,
            devices: devices / 100,
            ip_prefixes,
            asns: asns / 100,
            playlists,
            active_hours,
            uploads,
            top_plays,
            played_ms: u64::from(heard) * 60_000,
            sum_squares: u64::from(squares) * 100,
            entropy: Entropy::from_nats(entropy.into()),
            offline,
            ..WindowRow::default()
        }
    }

    proptest! {
        #[test]
        fn what_signals_are_made_of_is_counted_alike_whoever_else_asks(
            steps in prop::collection::vec((plays(), 0..W, any::<bool>()), 1..120),
        ) {
            for axis in Axis::ALL {
                let (mut all, mut some) = (Tally::<W>::default(), Tally::<W>::default());
                let mut count = |play: &KeyedPlay, windows, enters| {
                    let listed = Listed { play, artist: Key(play.track.0 % 2) };
                    all.count(axis, Figures::All, listed, windows, enters);
                    some.count(axis, Figures::Judged, listed, windows, enters);
                };
                let within = |shortest: usize| (0b11 << shortest) & 0b11;
                steps.iter().for_each(|(play, shortest, _)| count(play, within(*shortest), true));
                let leaving = steps.iter().filter(|(.., leaves)| *leaves);
                leaving.for_each(|(play, shortest, _)| count(play, within(*shortest), false));
                for window in 0..W {
                    let expected = all.row(axis, Figures::All, window).map(|row| judged(axis, row));
                    prop_assert_eq!(some.row(axis, Figures::Judged, window), expected);
                }
            }
        }

        #[test]
        fn nothing_is_concluded_from_other_numbers(numbers in prop::collection::vec(0..3_000_u32, 3 * 24)) {
            let windows = [DAY_MS, 7 * DAY_MS, 28 * DAY_MS].into_iter().zip(numbers.chunks(24));
            let rows: Vec<(Millis, WindowRow)> = windows.map(|(ms, numbers)| (ms, row(numbers))).collect();
            for axis in Axis::ALL {
                let read: Vec<(Millis, WindowRow)> = rows.iter().map(|(ms, row)| (*ms, judged(axis, *row))).collect();
                prop_assert_eq!(concluded(axis, &read), concluded(axis, &rows));
            }
        }
    }
}
