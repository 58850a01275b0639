//! An ordinary day of an ordinary listener.
//!
//! ```text
//! habits ──▶ sessions of the day ──▶ context (library, playlist, recommendation, …) ──▶ track ──▶ heard how long, ended how
//! ```
//!
//! Nothing is remembered from day to day: the library is a function of the account, so that any day can be made alone.

use records::Millis;

use super::World;
use super::delivery::Delivery;
use super::geography::{self, Place};
use super::heard::{Heard, Platform, Reason, Source};
use super::people::{Habits, Person};
use super::{DAY_MS, HOUR_MS};
use crate::chance::{Chance, Purpose};

/// A listener's day begins at this local hour: the quietest of all.
pub(super) const DAY_BEGINS_HOUR: i64 = 4;
/// Day-to-day spread of plays around the listener's median.
const DAY_SIGMA: f64 = 0.8;
/// Plays of a day, at most: keeps hours per active day below 12 for all but one day in a hundred.
const DAY_PLAYS_MAX: f64 = 320.0;
/// Plays of a session: median and spread; heavier listeners have longer ones. A spread of 1 gives real listeners' tails (p95
/// of 29-126 plays); the .6 fitted to the middle of the sessions does not.
pub(crate) const SESSION: (f64, f64) = (9.0, 1.0);
/// Sessions are told apart by a silence of 30 minutes.
pub(crate) const SESSION_GAP_MS: i64 = 31 * 60_000;
/// Chance that a run of the same track goes on: real listeners' longest runs are of 6-9 plays.
const RUN_GOES_ON: f64 = 0.47;
/// How often a client says nothing of its network.
const UNTOLD: f64 = 0.005;

/// Where and on what a session happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub place: Place,
    pub device: u32,
    pub platform: Platform,
    pub shuffle: bool,
    pub offline: bool,
    /// Family that the plays are counted for: 0 = none.
    pub family: u8,
}

/// What the listener listens from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Context {
    /// The listener's own music; through a playlist of their own, or 0.
    Own(Source, u32),
    /// One artist of the library.
    Artist(Source, u32),
    /// Music outside the library.
    Discover(Source),
    /// A playlist of others.
    Playlist(Source, u32),
    /// The same track again and again.
    Only(Source, u32),
}

/// Plays an ordinary day; `amend` may change the setting of each session.
pub(super) fn day(
    world: &World,
    person: &Person,
    day: i64,
    amend: impl Fn(&mut Setting, &mut Chance),
    delivery: &mut Delivery<'_>,
) {
    let begin = local_day(world, person, day);
    if begin < person.created_at {
        return;
    }
    let chance = &mut Chance::of(world.spec.seed, Purpose::Day, u64::from(person.index), (day + 1) as u64);
    let habits = &person.habits;
    if !chance.happens(f64::from(habits.active_days)) {
        return;
    }
    let weekday = (world.base() / DAY_MS + day + 3).rem_euclid(7) as usize;
    let median = f64::from(habits.plays_median * habits.weekdays[weekday]);
    let most = DAY_PLAYS_MAX.max(f64::from(habits.plays_median) * 4.0).min(700.0);
    let plays = chance.lognormal(median, DAY_SIGMA).round().clamp(1.0, most) as usize;

    let end = begin + DAY_MS - SESSION_GAP_MS;
    let mut clock = begin;
    for (start, size) in sessions(habits, plays, chance) {
        let start = (begin + start).max(clock);
        if start >= end {
            break;
        }
        let mut setting = draw_setting(world, person, chance);
        amend(&mut setting, chance);
        clock = session(world, person, (start, end), size, None, &setting, chance, delivery) + SESSION_GAP_MS;
    }
}

/// The instant at which a person's day begins.
pub(super) fn local_day(world: &World, person: &Person, day: i64) -> Millis {
    world.base() + day * DAY_MS + (DAY_BEGINS_HOUR - person.utc_hours()) * HOUR_MS
}

/// Median of plays in a session: heavier listeners have longer ones.
pub(super) fn session_median(plays_median: f64) -> f64 {
    SESSION.0 * (plays_median / 13.0).powf(0.4).max(0.7)
}

/// Start (after the day's beginning) and size of the sessions of a day, earliest first.
fn sessions(habits: &Habits, plays: usize, chance: &mut Chance) -> Vec<(Millis, usize)> {
    let median = session_median(f64::from(habits.plays_median));
    let mut left = plays;
    let mut sessions = Vec::new();
    while left > 0 {
        let size = (chance.lognormal(median, SESSION.1).round().max(1.0) as usize).min(left);
        left -= size;
        let mark = chance.below(65_536) as u16;
        let hour = habits.hours.iter().position(|&sum| mark <= sum).unwrap_or(23) as i64;
        let after = (hour - DAY_BEGINS_HOUR).rem_euclid(24);
        sessions.push((after * HOUR_MS + chance.below(HOUR_MS as usize) as Millis, size));
    }
    sessions.sort_unstable();
    sessions
}

/// Phone or second device, home or on the way.
pub(super) fn draw_setting(world: &World, person: &Person, chance: &mut Chance) -> Setting {
    let habits = &person.habits;
    let second = chance.happens(f64::from(habits.second_share));
    let (number, platform) = if second { (1, habits.second) } else { (0, habits.phone) };
    let away = !second && chance.happens(f64::from(habits.mobile_share));
    let place = if chance.happens(UNTOLD) {
        geography::untold(person.country)
    } else if away {
        geography::mobile(person.country, person.index, world.mobile_pool(), chance)
    } else if second && chance.happens(0.1) {
        geography::campus(person.country, person.index)
    } else {
        geography::home(person.country, person.household)
    };
    Setting {
        place,
        device: person.device(number),
        platform,
        shuffle: chance.happens(f64::from(habits.shuffle)),
        offline: !second && chance.happens(f64::from(habits.offline)),
        family: 0,
    }
}

/// Plays a session of about `size` plays between two instants, in one context if one is given; returns when it ended.
#[allow(clippy::too_many_arguments, reason = "a session is all of these")]
pub(super) fn session(
    world: &World,
    person: &Person,
    (start, end): (Millis, Millis),
    size: usize,
    only: Option<Context>,
    setting: &Setting,
    chance: &mut Chance,
    delivery: &mut Delivery<'_>,
) -> Millis {
    // What is heard offline is told when the device is back: median 20 minutes after, one in forty a day or more.
    let back_after =
        setting.offline.then(|| chance.lognormal(20.0 * 60_000.0, 2.2).min(10.0 * DAY_MS as f64) as Millis);
    let mut context = only.unwrap_or_else(|| draw_context(world, person, chance));
    let mut reason_start = first_reason(chance);
    let (mut clock, mut track, mut again, mut position) = (start, 0, false, chance.below(1 << 20));
    for number in 0..size {
        if !again {
            track = world.catalogue.released(draw_track(world, person, context, position, chance), clock);
            position += 1;
        }
        let length_ms = world.catalogue.length_ms(track);
        let (played_ms, reason_end) = outcome(&person.habits, length_ms, number + 1 == size, chance);
        clock += Millis::from(played_ms);
        if clock >= end {
            break;
        }
        let (source, playlist) = told(context);
        delivery.push(Heard {
            play_id: 0,
            ended_at: clock,
            arrived_at: back_after.map(|after| clock + after),
            account: person.index,
            track,
            played_ms,
            device: setting.device,
            ip_prefix: setting.place.ip_prefix,
            playlist,
            network: setting.place.network,
            country: setting.place.country,
            platform: setting.platform,
            source,
            reason_start,
            reason_end,
            shuffle: setting.shuffle,
            offline: setting.offline,
            copy: 0,
            family: setting.family,
        });
        clock += gap(chance);
        reason_start = next_reason(reason_end, chance);
        again = chance.happens(if again { RUN_GOES_ON } else { f64::from(person.habits.repeat) });
        let chosen_anew = matches!(reason_start, Reason::Clickrow | Reason::Playbtn) || chance.happens(0.02);
        if only.is_none() && chosen_anew {
            context = draw_context(world, person, chance);
        }
    }
    clock
}

/// Where listening goes on from. No public data gives the mix of sources: it is assumed, see docs/WORLD.md.
fn draw_context(world: &World, person: &Person, chance: &mut Chance) -> Context {
    let habits = &person.habits;
    if chance.happens(f64::from(habits.devotion)) {
        return Context::Artist(Source::Artist, favourite(world, person, 0));
    }
    if chance.happens(f64::from(habits.explore)) {
        return match chance.pick(&[0.42, 0.24, 0.12, 0.10, 0.06, 0.03, 0.03]) {
            0 => Context::Discover(Source::Algorithmic),
            1 => Context::Playlist(Source::Editorial, world.catalogue.draw_playlist(true, chance)),
            2 => Context::Discover(Source::Search),
            3 => Context::Discover(Source::Radio),
            4 => Context::Playlist(Source::Playlist, world.catalogue.draw_playlist(false, chance)),
            5 => Context::Discover(Source::External),
            _ => Context::Discover(Source::Other),
        };
    }
    let slot_artist = |chance: &mut Chance| favourite(world, person, draw_favourite(habits, chance));
    match chance.pick(&[0.50, 0.26, 0.08, 0.06, 0.06, 0.04]) {
        0 => Context::Own(Source::Library, 0),
        1 => Context::Own(Source::Playlist, world.catalogue.own_playlist(person.index)),
        2 => Context::Artist(Source::Album, slot_artist(chance)),
        3 => Context::Artist(Source::Artist, slot_artist(chance)),
        4 => Context::Own(Source::Search, 0),
        _ => Context::Own(Source::Algorithmic, 0),
    }
}

fn draw_favourite(habits: &Habits, chance: &mut Chance) -> usize {
    chance.rank(habits.favourites as usize, 0.8, 1.0)
}

/// The listener's j-th favourite artist: within the listener's genres, popular ones first.
fn favourite(world: &World, person: &Person, number: usize) -> u32 {
    let chance = &mut Chance::of(world.spec.seed, Purpose::Favourite, u64::from(person.index), number as u64);
    let genre = person.habits.genres[chance.pick(&[0.5, 0.3, 0.2])];
    world.catalogue.draw_by_popularity((!chance.happens(0.15)).then_some(genre), chance)
}

/// The track at a place of the listener's library.
fn library_track(world: &World, person: &Person, slot: usize) -> u32 {
    let chance = &mut Chance::of(world.spec.seed, Purpose::Slot, u64::from(person.index), slot as u64);
    let artist = favourite(world, person, draw_favourite(&person.habits, chance));
    let tracks = world.catalogue.tracks_of(artist);
    tracks.start + chance.below(tracks.len()) as u32
}

fn draw_track(world: &World, person: &Person, context: Context, position: usize, chance: &mut Chance) -> u32 {
    let habits = &person.habits;
    match context {
        // The head of a library is flatter than Zipf's law: top-1 share of real listeners is .004-.026.
        Context::Own(..) => {
            let slot = chance.rank(habits.library as usize, f64::from(habits.library_exponent), 8.0);
            library_track(world, person, slot)
        }
        Context::Artist(_, artist) => world.catalogue.draw_track(artist, chance),
        Context::Discover(_) => {
            let genre = habits.genres[chance.below(3)];
            let artist = world.catalogue.draw_by_popularity((!chance.happens(0.3)).then_some(genre), chance);
            world.catalogue.draw_track(artist, chance)
        }
        Context::Playlist(_, playlist) => world.catalogue.on_playlist(playlist, position),
        Context::Only(_, track) => track,
    }
}

fn told(context: Context) -> (Source, u32) {
    match context {
        Context::Own(source, playlist) | Context::Playlist(source, playlist) => (source, playlist),
        Context::Artist(source, _) | Context::Discover(source) | Context::Only(source, _) => (source, 0),
    }
}

/// How long a track is heard and why it ends.
///
/// Fitted together with [`next_reason`] to real listeners' mixes: trackdone .60-.64, fwdbtn .10-.18, endplay .14-.18,
/// logout .03-.05, unexpected exit .01-.04, backbtn .004-.017; and to their densities at 30-31 s and 31-36 s.
fn outcome(habits: &Habits, length_ms: u32, last: bool, chance: &mut Chance) -> (u32, Reason) {
    // The last play of a session is left in other ways, and more often.
    let skip = 0.97 * f64::from(habits.skip);
    let (full, skipped) = if last { (0.12, 0.38 * 0.88) } else { (1.0 - skip - f64::from(habits.partial) * 0.8, skip) };
    let fate = chance.unit();
    if fate < full {
        return (played_full(length_ms, chance), Reason::Trackdone);
    }
    let skipped = fate < full + skipped;
    let reason = match (last, skipped) {
        (true, _) => [Reason::Logout, Reason::UnexpectedExit, Reason::Endplay][chance.pick(&[0.46, 0.27, 0.27])],
        (false, true) => [Reason::Fwdbtn, Reason::Endplay, Reason::Backbtn][chance.pick(&[0.59, 0.365, 0.045])],
        (false, false) => [Reason::Fwdbtn, Reason::Endplay, Reason::Backbtn][chance.pick(&[0.20, 0.78, 0.02])],
    };
    let played_ms = match (skipped, reason) {
        (true, Reason::Backbtn) => chance.lognormal(1_500.0, 0.8),
        (true, _) => chance.lognormal(3_200.0, 1.25),
        // A fifth of those left half-way are left in the last bars, the others anywhere after half a minute.
        (false, _) if chance.happens(0.2) => f64::from(length_ms) * chance.between(0.88, 0.98),
        (false, _) => {
            let rest = (f64::from(length_ms) - 30_000.0).max(0.0);
            30_000.0_f64.min(f64::from(length_ms) / 2.0) + rest * chance.unit().powf(1.1)
        }
    };
    (played_ms.min(f64::from(length_ms)) as u32, reason)
}

/// To the end: 1 % with a rewind or two, 2 % without the last bars.
fn played_full(length_ms: u32, chance: &mut Chance) -> u32 {
    let ratio = match chance.unit() {
        fate if fate < 0.01 => chance.between(1.02, 1.4),
        fate if fate < 0.03 => chance.between(0.8, 0.98),
        _ => 1.0 - 0.004 * chance.unit(),
    };
    (f64::from(length_ms) * ratio) as u32
}

/// Silence between two plays of a session: 86 % Exp(.6 s), 14 % lognormal(25 s, 1.6).
pub(crate) fn gap(chance: &mut Chance) -> Millis {
    let ms = if chance.happens(0.86) { chance.exponential(600.0) } else { chance.lognormal(25_000.0, 1.6) };
    ms.min(29.0 * 60_000.0) as Millis
}

fn first_reason(chance: &mut Chance) -> Reason {
    [Reason::Clickrow, Reason::Playbtn, Reason::Appload, Reason::Unknown][chance.pick(&[0.34, 0.16, 0.20, 0.30])]
}

fn next_reason(ended: Reason, chance: &mut Chance) -> Reason {
    match ended {
        Reason::Trackdone | Reason::Fwdbtn | Reason::Backbtn => ended,
        _ if chance.happens(0.92) => Reason::Clickrow,
        _ => Reason::Playbtn,
    }
}
