//! Who listens to it? The signals about whatever is listened to: a track, an artist, a playlist, an uploader, a distributor.
//!
//! None of them can tell the one who pays for false plays from the one they were made to look like, so policy gives them
//! the strength to hold, and a person the last word.

use records::Risk;
use serde::{Deserialize, Serialize};

use super::windows::{View, day, month, week};
use super::{Name, Rows, Seen, Signal, WHOLE, ramp, ratio, strongest};

/// Ordinary plays assumed besides those seen, so that a new artist's first friends are never a pattern.
const ASSUMED_PLAYS: u64 = 200;
/// Ten-thousandths of payable plays that last 30 to 35 s; people at most 1.4 %, above 5 % is a strong signal.
const EDGE: (u64, u64) = (500, 2_500);
/// A track this long ends on the edge by itself.
const EDGE_TRACK_MS: std::ops::Range<u64> = 30_000..36_000;
/// Plays per listener and day. Usual 1.5 to 3, farms 100 and more; sleepers loop one track through a night.
const REPLAYS: (u64, u64) = (20, 80);
/// Fewer listeners than this are a household, not an audience.
const AUDIENCE: u32 = 10;
/// Ten-thousandths of the plays by one account. Our judgement.
const TOP: (u64, u64) = (3_000, 8_000);
/// Ten-thousandths of (mean square / square of the mean) of the plays per account. Bots on a schedule 1.0 to 1.1; people
/// who play at random 2, real audiences more.
const EVENNESS: (u64, u64) = (13_000, 11_000);
/// So many plays per listener before evenness means anything.
const EVEN_PLAYS: u64 = 4;
/// Ten-thousandths of plays from data centres and VPN exits. Our judgement.
const HOSTED: (u64, u64) = (2_000, 8_000);
/// Ten-thousandths of plays by accounts younger than a week. A viral clip brings new people too. Our judgement.
const NEW: (u64, u64) = (2_000, 6_000);
/// Ten-thousandths of plays that came from playlists, and the plays below which that says nothing. Our judgement.
const CHANNEL: (u64, u64) = (9_500, 10_000);
const CHANNEL_PLAYS: u32 = 500;
/// Ten-thousandths of plays by suspicious accounts, weighted by their risk. Services' own fraud shares reach 10 %; they
/// penalise a track from 90 %.
const SUSPICIOUS: (u64, u64) = (1_000, 5_000);
/// Plays assumed besides, as suspicious as those of all the uploader's tracks. One bot's camouflage does not stain a
/// track that hardly anybody plays, and a farm cannot hide by spreading its plays thin over its own tracks.
const ASSUMED_ALIKE: u64 = 40;

/// Ten-thousandths: how many listeners would make as many plays, if all played alike (square of the plays over the sum of the squares of
/// each one's plays: the participation ratio), of all listeners. Half of the artists of a seeded world have 30 % and more, 1 % less than 9 %;
/// where bots play an artist of others, 4 to 9 %; music that was made for bots has no other listeners, 49 % and more.
const OWN_LISTENERS: (u64, u64) = (1_000, 4_000);

/// The share of plays by suspicious accounts: of the subject, and of all that its uploader uploaded.
#[derive(Clone, Copy)]
pub(super) struct Suspicious {
    pub here: Risk,
    pub uploader: Risk,
}

/// How far what is played of an artist is the doing of its listeners, in ten-thousandths: each of its tracks hears it, because a track that few
/// know cannot tell its own listeners from bots that were sent there. Coarse for the reason a [`super::Standing`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Following(u16);

/// A following moves in steps of 5 %.
const FOLLOWING_STEP: u16 = 500;

impl Default for Following {
    fn default() -> Following {
        Following(WHOLE as u16)
    }
}

impl Following {
    /// The following of an artist with these rows, of whose plays suspicious accounts made this share; the default one where they made none.
    pub fn of(rows: Rows, suspicious: Risk) -> Following {
        match suspicious {
            Risk::CLEAN => Following::default(),
            _ => Following(own_listeners(rows).next_multiple_of(FOLLOWING_STEP)),
        }
    }
}

/// Whether a track of this length ends on the edge by itself.
pub(super) fn ends_on_edge(duration_ms: Option<u64>) -> bool {
    duration_ms.is_some_and(|duration| EDGE_TRACK_MS.contains(&duration))
}

/// The signals about what `rows` count, strongest window each; no stronger than its artist's following allows.
pub(super) fn signals(rows: Rows, suspicious: Suspicious, following: Following, ends_on_edge: bool) -> Vec<Signal> {
    let [day, week, month] = [day(rows), week(rows), month(rows)];
    let judged = || [day, week, month].into_iter().flatten();
    let share = |name, at: (u64, u64), count: fn(&View) -> u32| {
        strongest(judged().map(|view| share_of_plays(name, &view, count(&view), at)))
    };
    let found = [
        if ends_on_edge { None } else { strongest(judged().map(|view| edge(&view))) },
        share(Name::Hosted, HOSTED, |view| view.row.hosted),
        strongest(judged().map(|view| one_channel(&view))),
        strongest([day, week].into_iter().flatten().map(|view| replays(&view))),
        share(Name::TopAccount, TOP, |view| view.row.top_plays),
        strongest(judged().map(|view| even_accounts(&view))),
        share(Name::NewAccounts, NEW, |view| view.row.new_account_plays),
        suspicious_accounts(rows, suspicious),
    ];
    let own = own_listeners(rows).min(following.0);
    found.into_iter().flatten().filter_map(|signal| signal.scaled(own)).collect()
}

/// How far what is seen is the doing of its listeners, and not of a few among many: what those few do speaks against them, and their plays can
/// be taken out; it does not say that who made the music had anything to do with it.
fn own_listeners(rows: Rows) -> u16 {
    let Some((_, row)) = rows.last() else { return WHOLE as u16 };
    let [plays, listeners] = [row.plays, row.listeners].map(u64::from);
    let alike = ratio(plays * plays, row.sum_squares.saturating_mul(listeners));
    if row.listeners < AUDIENCE { WHOLE as u16 } else { ramp(alike, OWN_LISTENERS.0, OWN_LISTENERS.1) }
}

fn edge(view: &View) -> Option<Signal> {
    let share = ratio(u64::from(view.row.edge), u64::from(view.row.payable) + ASSUMED_PLAYS);
    Signal::new(Name::Edge, ramp(share, EDGE.0, EDGE.1), view.seen(view.row.edge, view.row.payable))
}

fn share_of_plays(name: Name, view: &View, count: u32, at: (u64, u64)) -> Option<Signal> {
    let share = ratio(u64::from(count), u64::from(view.row.plays) + ASSUMED_PLAYS);
    Signal::new(name, ramp(share, at.0, at.1), view.seen(count, view.row.plays))
}

/// Nobody searched for it or kept it, all plays came from playlists.
fn one_channel(view: &View) -> Option<Signal> {
    let row = view.row;
    let chosen = row.by_search + row.by_library > 0;
    let share = ratio(u64::from(row.by_playlist), u64::from(row.plays));
    let strength = if chosen || row.plays < CHANNEL_PLAYS { 0 } else { ramp(share, CHANNEL.0, CHANNEL.1) };
    Signal::new(Name::OneChannel, strength, view.seen(row.by_playlist, row.plays))
}

fn replays(view: &View) -> Option<Signal> {
    let row = view.row;
    let per_listener = u64::from(row.plays) / u64::from(row.listeners.max(1));
    let strength = if row.listeners < AUDIENCE { 0 } else { ramp(view.per_day(per_listener), REPLAYS.0, REPLAYS.1) };
    Signal::new(Name::Replays, strength, view.seen(row.plays, row.listeners))
}

/// Every listener plays it equally often, as a schedule does and an audience does not.
fn even_accounts(view: &View) -> Option<Signal> {
    let row = view.row;
    let [plays, listeners] = [row.plays, row.listeners].map(u64::from);
    let audience = row.listeners >= AUDIENCE && plays >= EVEN_PLAYS * listeners;
    let evenness = ratio(row.sum_squares.saturating_mul(listeners), plays * plays);
    let strength = if audience { ramp(evenness, EVENNESS.0, EVENNESS.1) } else { 0 };
    Signal::new(Name::EvenAccounts, strength, view.seen(plays, listeners))
}

/// What is played of its recording under other tracks is played by suspicious accounts.
pub(super) fn suspicious_copies(rows: Rows, suspicious: Risk) -> Option<Signal> {
    let (window_ms, _) = rows.last()?;
    let share = u64::from(suspicious.parts());
    let seen = Seen { window_ms: *window_ms, count: share, of: WHOLE };
    Signal::new(Name::SuspiciousCopies, ramp(share, SUSPICIOUS.0, SUSPICIOUS.1), seen)
}

fn suspicious_accounts(rows: Rows, suspicious: Suspicious) -> Option<Signal> {
    let (window_ms, row) = rows.last()?;
    let [here, uploader] = [suspicious.here, suspicious.uploader].map(|risk| u64::from(risk.parts()));
    let plays = u64::from(row.plays);
    let share = (here * plays + uploader * ASSUMED_ALIKE) / (plays + ASSUMED_ALIKE);
    let seen = Seen { window_ms: *window_ms, count: here, of: WHOLE };
    Signal::new(Name::SuspiciousAccounts, ramp(share, SUSPICIOUS.0, SUSPICIOUS.1), seen)
}
