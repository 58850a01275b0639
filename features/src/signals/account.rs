//! Does a person listen here? The signals about an account.
//!
//! The constants stand between the most extreme real listener we know (a public export: 361 plays and 20.6 h per day
//! over a week, 23.7 of 24 hours active) and the farms that courts and analysts described. No single truth about that
//! listener is ordinary in volume, but the skips, the lengths and the repeats are; so volume and hours weigh little
//! alone, and more where no person's shape is left.

use records::{Millis, Risk};

use crate::WindowRow;

use super::windows::{DAY_MS, View, day, month, week};
use super::{AccountFacts, Name, Rows, Seen, Signal, WHOLE, ramp, ratio, strongest};

/// Ordinary plays assumed besides those seen, so that three plays are never a pattern.
const ASSUMED_PLAYS: u64 = 100;
/// Ten-thousandths of payable plays that last 30 to 35 s. People: at most 1.4 % (seven listeners, 31 to 36 s), above
/// 5 % is a strong signal. Farms: nearly all ("31 s, then next").
const EDGE: (u64, u64) = (500, 2_500);
/// Hours heard per day. A real listener once reached 43.8 h in 24 hours by playing in parallel, and 20.9 h per day over a
/// week; the Smith farm (636 plays of 3 min) 31.8 h on every day.
const HOURS_HEARD_DAY: (u64, u64) = (44, 60);
const HOURS_HEARD_WEEK: (u64, u64) = (22, 30);
/// Plays per day. The extreme real listener: 729 in some 24 hours, 363 per day over a week; Smith: 636 on every day.
const PLAYS_DAY: (u64, u64) = (730, 1_400);
const PLAYS_WEEK: (u64, u64) = (360, 640);
/// Hundredths of active hours per day. People sleep: 20 h leave a gap of 4; the extreme real listener: 23.7.
const ACTIVE_CENTIHOURS: (u64, u64) = (2_000, 2_350);
/// Ten-thousandths of plays that were skipped. People: 20 to 30 %, the extreme listener's lowest week 4.8 %.
const SKIPS: (u64, u64) = (400, 100);
/// The same where it only supports hours or loops.
const FEW_SKIPS: (u64, u64) = (1_000, 300);
/// Seconds heard per payable play, over a week or more. Real weeks of 200 plays: 151 s and more (two listeners); who is
/// paid from 30 s on does not stay to the end.
const HEARD_SECS: (u64, u64) = (130, 60);
/// Fewer payable plays than this say nothing about lengths.
const HEARD_PLAYS: u32 = 200;
/// Fewer plays than this say nothing about skips or channels.
const HABIT_PLAYS: u32 = 500;
/// Payable plays per day from which breadth is more than curiosity. Ordinary accounts: p99 16 per day (2017 report). The
/// extreme real listener once played 335 in a day, 318 of them different; in no week so busy more than half.
const BREADTH_PLAYS_DAY: (u64, u64) = (350, 600);
const BREADTH_PLAYS_WEEK: (u64, u64) = (200, 500);
/// Ten-thousandths of distinct tracks among the plays. Nobody real above 150 plays per day passed 50 % in a week; 636
/// plays per day over 100 000 tracks give 98 % in a week and 92 % in 28 days.
const NOVELTY_DAY: (u64, u64) = (9_000, 9_800);
const NOVELTY_WEEK: (u64, u64) = (8_000, 9_500);
const NOVELTY_MONTH: (u64, u64) = (6_500, 8_500);
/// Ten-thousandths of (mean square / square of the mean) of the plays per track. A playlist on repeat: 1.0, shuffled
/// 1.1; the evenest real week: 1.31.
const EVENNESS: (u64, u64) = (13_000, 11_000);
/// So many plays per track before evenness means anything: everybody plays most tracks once.
const EVEN_PLAYS: u64 = 4;
/// Ten-thousandths of sum of squares / plays²: 10 % is ten tracks and nothing else. Extreme listener: 4 % in a week.
const CONCENTRATION: (u64, u64) = (1_000, 5_000);
/// Ten-thousandths of plays from data centres and VPN exits; half a life behind a VPN is a life.
const HOSTED: (u64, u64) = (5_000, 9_500);
/// Networks in a day. A traveller crosses a handful: home, mobile, office, hotels. Our judgement.
const NETWORKS_DAY: (u64, u64) = (10, 40);
/// Devices in a week. A household's shared account has about ten. Our judgement.
const DEVICES_WEEK: (u64, u64) = (10, 50);
/// Ten-thousandths of plays that came from playlists. Our judgement.
const CHANNEL: (u64, u64) = (9_500, 10_000);
/// Accounts tied by devices. A family plan has six; a café's tablet ties tens. Smith: 20 per cloud account.
const GROUP: (u64, u64) = (12, 100);
/// Accounts that share one device and use no other. A couple shares a loudspeaker, but has telephones too; farms run several
/// accounts on each telephone.
const SHARING: (u64, u64) = (2, 4);
/// Seconds heard per payable play of those who share: real weeks have 151 s and more, sleep music 120 s and children's songs
/// are short, but heard to the end. Stricter than `HEARD_SECS`, because a second person on the device is no offence.
const SHARED_SECS: (u64, u64) = (125, 100);
/// Plays of a week from data centres or VPN exits that are more than a slip. Reported drips: 1 to 5 a night (Beatdapp).
const INTRUDED_PLAYS: (u64, u64) = (5, 12);
/// Plays before the week from which an account has a past that can be told from the week.
const PAST_PLAYS: (u64, u64) = (20, 50);
/// Ten-thousandths of them from data centres or VPN exits: who used one before uses it now.
const PAST_HOSTED: (u64, u64) = (500, 100);
/// Ten-thousandths of the week's plays from there: who signs up for a VPN sends everything through it, an intruder's plays
/// stand beside the owner's.
const BESIDE: (u64, u64) = (9_000, 7_000);
/// Partners in lockstep. Two people in one room share everything, but are two.
const PARTNERS: (u64, u64) = (1, 6);
/// Minutes of its day that an account spent in step with one of them. Who hears an album in order hears thirty tracks in step with
/// whoever began when it did, in an hour or two: 2.2 h at most among sleepers to one album, 2.8 h in cafés of one playlist (seeded
/// world of 20,000 accounts); scripts that play together do so all day, 8 h and more.
const IN_STEP_MINS: (u64, u64) = (180, 360);
/// Ten-thousandths: how suspicious its tracks are through others. Our judgement.
const SUSPICIOUS: (u64, u64) = (1_000, 6_000);

/// The signals about an account, strongest window each.
pub(super) fn signals(facts: &AccountFacts) -> Vec<Signal> {
    let rows = facts.rows;
    let [day, week, month] = [day(rows), week(rows), month(rows)];
    let judged = || [day, week, month].into_iter().flatten();
    let long = || [week, month].into_iter().flatten();
    let found = [
        strongest(judged().map(|view| edge(&view))),
        strongest(long().map(|view| cut_short(&view))),
        strongest(judged().map(|view| repeat_loop(&view))),
        strongest([
            breadth(day, BREADTH_PLAYS_DAY, NOVELTY_DAY),
            breadth(week, BREADTH_PLAYS_WEEK, NOVELTY_WEEK),
            breadth(month, BREADTH_PLAYS_WEEK, NOVELTY_MONTH),
        ]),
        strongest([(day, HOURS_HEARD_DAY), (week, HOURS_HEARD_WEEK)].map(|(view, at)| impossible_time(&view?, at))),
        strongest([(day, PLAYS_DAY), (week, PLAYS_WEEK)].map(|(view, at)| volume(&view?, at))),
        strongest(long().map(|view| no_sleep(&view))),
        strongest(long().map(|view| no_skips(&view))),
        strongest(judged().map(|view| hosted(&view))),
        day.and_then(|view| many(Name::NetworkHops, &view, view.row.asns, NETWORKS_DAY)),
        week.and_then(|view| many(Name::Devices, &view, view.row.devices, DEVICES_WEEK)),
        strongest(long().map(|view| one_channel(&view))),
        group(facts),
        week.and_then(|view| rig(&view, facts.group_size)),
        week.zip(month).and_then(|(week, month)| intruder(&week, &month)),
        judged().next().and_then(|view| lockstep(&view, facts)),
        suspicious_tracks(longest_ms(rows), facts.suspicious_tracks),
    ];
    found.into_iter().flatten().collect()
}

fn edge(view: &View) -> Option<Signal> {
    Signal::new(Name::Edge, edge_strength(view), view.seen(view.row.edge, view.row.payable))
}

fn edge_strength(view: &View) -> u16 {
    let share = ratio(u64::from(view.row.edge), u64::from(view.row.payable) + ASSUMED_PLAYS);
    ramp(share, EDGE.0, EDGE.1)
}

/// Plays that are paid and left, further from the edge than `edge` looks.
fn cut_short(view: &View) -> Option<Signal> {
    let row = view.row;
    let heard_secs = row.played_ms / 1_000 / u64::from(row.payable.max(1));
    let strength = if row.payable >= HEARD_PLAYS { ramp(heard_secs, HEARD_SECS.0, HEARD_SECS.1) } else { 0 };
    Signal::new(Name::CutShort, strength, view.seen(row.played_ms / 1_000, row.payable))
}

/// The same few tracks again and again, and no person's shape: lengths on the edge, or no sleep and no skips. A super-fan
/// and a sleeper repeat too, but skip, pause and sleep.
fn repeat_loop(view: &View) -> Option<Signal> {
    let row = view.row;
    let [plays, tracks] = [row.plays, row.tracks].map(u64::from);
    let concentration = ratio(row.sum_squares, plays * plays);
    let evenness = ratio(row.sum_squares.saturating_mul(tracks), plays * plays);
    let even = if plays >= EVEN_PLAYS * tracks { ramp(evenness, EVENNESS.0, EVENNESS.1) } else { 0 };
    let repeated = even.max(ramp(concentration, CONCENTRATION.0, CONCENTRATION.1));
    let inhuman = edge_strength(view).max(sleepless_strength(view));
    Signal::new(Name::Loop, repeated.min(inhuman), view.seen(row.tracks, row.plays))
}

/// Many plays and hardly a repeat, what a farm does to hide from rules about repeats. Skipped tracks do not count: who
/// digs for music skips.
fn breadth(view: Option<View>, plays: (u64, u64), novelty: (u64, u64)) -> Option<Signal> {
    let view = view?;
    let row = view.row;
    let busy = ramp(view.per_day(u64::from(row.payable)), plays.0, plays.1);
    let new = ramp(ratio(u64::from(row.tracks), u64::from(row.plays)), novelty.0, novelty.1);
    Signal::new(Name::Breadth, busy.min(new), view.seen(row.tracks, row.plays))
}

/// More time heard than has passed.
fn impossible_time(view: &View, hours: (u64, u64)) -> Option<Signal> {
    const HOUR_MS: u64 = 3_600_000;
    let strength = ramp(view.per_day(view.row.played_ms), hours.0 * HOUR_MS, hours.1 * HOUR_MS);
    Signal::new(Name::ImpossibleTime, strength, view.seen(view.row.played_ms, view.window_ms as u64))
}

fn volume(view: &View, plays: (u64, u64)) -> Option<Signal> {
    let strength = ramp(view.per_day(u64::from(view.row.plays)), plays.0, plays.1);
    Signal::new(Name::Volume, strength, view.seen(view.row.plays, 0u64))
}

fn no_sleep(view: &View) -> Option<Signal> {
    let hours = (view.window_ms / (DAY_MS / 24)) as u64;
    Signal::new(Name::NoSleep, sleepless_strength(view), view.seen(view.row.active_hours, hours))
}

/// Active around the clock and hardly a skip; of a single day nobody can say it.
fn sleepless_strength(view: &View) -> u16 {
    if view.window_ms < 4 * DAY_MS {
        return 0;
    }
    let awake = ramp(view.per_day(u64::from(view.row.active_hours) * 100), ACTIVE_CENTIHOURS.0, ACTIVE_CENTIHOURS.1);
    awake.min(ramp(skipped(view), FEW_SKIPS.0, FEW_SKIPS.1))
}

fn no_skips(view: &View) -> Option<Signal> {
    let strength = if view.row.plays >= HABIT_PLAYS { ramp(skipped(view), SKIPS.0, SKIPS.1) } else { 0 };
    Signal::new(Name::NoSkips, strength, view.seen(view.row.skipped, view.row.plays))
}

fn skipped(view: &View) -> u64 {
    ratio(u64::from(view.row.skipped), u64::from(view.row.plays))
}

fn hosted(view: &View) -> Option<Signal> {
    let share = ratio(u64::from(view.row.hosted), u64::from(view.row.plays) + ASSUMED_PLAYS / 5);
    Signal::new(Name::Hosted, ramp(share, HOSTED.0, HOSTED.1), view.seen(view.row.hosted, view.row.plays))
}

fn many(name: Name, view: &View, distinct: u32, at: (u64, u64)) -> Option<Signal> {
    Signal::new(name, ramp(u64::from(distinct), at.0, at.1), view.seen(distinct, 0u64))
}

/// Nothing searched, nothing from the library, all from playlists.
fn one_channel(view: &View) -> Option<Signal> {
    let row = view.row;
    let chosen = row.by_search + row.by_library > 0;
    let share = ratio(u64::from(row.by_playlist), u64::from(row.plays));
    let strength = if chosen || row.plays < HABIT_PLAYS { 0 } else { ramp(share, CHANNEL.0, CHANNEL.1) };
    Signal::new(Name::OneChannel, strength, view.seen(row.by_playlist, row.plays))
}

fn group(facts: &AccountFacts) -> Option<Signal> {
    let size = u64::from(facts.group_size);
    Signal::new(Name::Group, ramp(size, GROUP.0, GROUP.1), Seen { window_ms: 0, count: size, of: 0 })
}

/// Accounts that take turns on one telephone, touch no other, never skip and never stay to the end.
fn rig(view: &View, group_size: u32) -> Option<Signal> {
    let row = view.row;
    let alone = row.devices == 1 && row.plays >= HABIT_PLAYS;
    let shared = ramp(u64::from(group_size), SHARING.0, SHARING.1);
    let unskipped = ramp(skipped(view), FEW_SKIPS.0, FEW_SKIPS.1);
    let heard_secs = row.played_ms / 1_000 / u64::from(row.payable.max(1));
    let left = ramp(heard_secs, SHARED_SECS.0, SHARED_SECS.1);
    let strength = if alone { shared.min(unskipped).min(left) } else { 0 };
    Signal::new(Name::Rig, strength, view.seen(group_size, row.plays))
}

/// Ten-thousandths of its plays that somebody hits within ten minutes who plays as much of the same few tracks at the same hours, and knows
/// nothing of it: children with four songs each meet all day. Two plays are of one track with the probability Σ plays² / plays², and the other
/// plays `plays / active hours / 6` times in ten minutes; at most nine tenths, so that doing exactly the same is never all chance.
fn met_by_chance(row: &WindowRow) -> u64 {
    let plays = u64::from(row.plays.max(1));
    let missed = WHOLE - ratio(row.sum_squares, plays * plays).min(WHOLE);
    let tries = plays.div_ceil(u64::from(row.active_hours.max(1)) * 6);
    let all_missed = (0..tries.min(64)).fold(WHOLE, |all, _| all * missed / WHOLE);
    (WHOLE - all_missed).min(9_000)
}

/// Plays from a data centre that begin one week beside the owner's own, who never had any.
fn intruder(week: &View, month: &View) -> Option<Signal> {
    let [plays, hosted] = [week.row.plays, week.row.hosted].map(u64::from);
    let past_plays = u64::from(month.row.plays).saturating_sub(plays);
    let past_hosted = u64::from(month.row.hosted).saturating_sub(hosted);
    let parts = [
        ramp(hosted, INTRUDED_PLAYS.0, INTRUDED_PLAYS.1),
        ramp(ratio(hosted, plays), BESIDE.0, BESIDE.1),
        ramp(past_plays, PAST_PLAYS.0, PAST_PLAYS.1),
        ramp(ratio(past_hosted, past_plays), PAST_HOSTED.0, PAST_HOSTED.1),
    ];
    let strength = parts.into_iter().min().unwrap_or(0);
    Signal::new(Name::Intruder, strength, week.seen(hosted, plays))
}

/// Shared moments beyond chance, as time: so many of its plays are an hour of this account.
fn lockstep(view: &View, facts: &AccountFacts) -> Option<Signal> {
    let [partners, shared] = [facts.lockstep_partners, facts.lockstep_shared].map(u64::from);
    let [plays, hours] = [view.row.plays, view.row.active_hours].map(|count| u64::from(count.max(1)));
    let together = ratio(shared.min(plays), plays);
    let by_chance = met_by_chance(view.row);
    let beyond = ratio(together.saturating_sub(by_chance), WHOLE - by_chance);
    let minutes = beyond * hours * 60 / WHOLE;
    let strength = ramp(partners, PARTNERS.0, PARTNERS.1).min(ramp(minutes, IN_STEP_MINS.0, IN_STEP_MINS.1));
    Signal::new(Name::Lockstep, strength, Seen { window_ms: DAY_MS, count: partners, of: minutes })
}

pub(super) fn suspicious_tracks(window_ms: Millis, suspicious: Risk) -> Option<Signal> {
    let share = u64::from(suspicious.parts());
    let seen = Seen { window_ms, count: share, of: WHOLE };
    Signal::new(Name::SuspiciousTracks, ramp(share, SUSPICIOUS.0, SUSPICIOUS.1), seen)
}

fn longest_ms(rows: Rows) -> Millis {
    rows.last().map_or(0, |(window_ms, _)| *window_ms)
}
