//! Honest listeners that naive rules would block. Each is an ordinary listener with one thing that is not ordinary.

use records::Millis;

use super::super::catalogue::{Catalogue, Style};
use super::super::delivery::Delivery;
use super::super::geography;
use super::super::heard::{Platform, Source};
use super::super::listening::{self, Context, Setting};
use super::super::people::{self, Person};
use super::super::{DAY_MS, HOUR_MS, World, WorldSpec};
use super::{Family, Kind, add_artist, span};
use crate::chance::{Chance, Purpose};

/// Super-fan, after a real listener of the study: 105 plays a day all year, 57 repeats in a row, 115 plays of one track in a day.
const FAN_PLAYS_PER_DAY: f32 = 105.0;
const FAN_DEVOTION: f32 = 0.45;
const FAN_BINGE_DAYS: f64 = 0.05;
const FAN_BINGE_PLAYS: (usize, usize) = (57, 115);

/// Sleep music: short tracks of rain in a row, all night, nine nights in ten. Assumed numbers.
const SLEEP_TRACKS: usize = 40;
const SLEEP_LENGTH_SECS: (f64, f64) = (60.0, 180.0);
const SLEEP_NIGHTS: f64 = 0.9;
const SLEEP_HOURS: i64 = 7;

/// Café: a device that plays from 8 to 20 o'clock, and on which guests log in (one session in five).
const CAFE_HOURS: (i64, i64) = (8, 12);
const CAFE_PLAYS: usize = 400;
const CAFE_GUEST_SESSIONS: f64 = 0.2;

/// Family: up to four accounts that share a loudspeaker for two sessions in five.
const FAMILY_SIZE: u32 = 4;
const FAMILY_SHARED_SESSIONS: f64 = 0.4;

/// Traveller: a trip of four days abroad, three times out of five.
const TRIP_DAYS: i64 = 4;
const TRIP_SHARE: f64 = 0.6;

/// Viral clip: 3-20 plays of one track a day, for days, by people who may be new.
const VIRAL_PLAYS: (usize, usize) = (3, 20);
const VIRAL_NEWCOMERS: f64 = 0.3;

/// Gives the family its music and its members their habits.
pub(super) fn cast(
    spec: &WorldSpec,
    family: &mut Family,
    catalogue: &mut Catalogue,
    members: &mut [Person],
    chance: &mut Chance,
) {
    let span = span(spec, family);
    let old = span.start - 900 * DAY_MS..span.start - 30 * DAY_MS;
    match family.kind {
        Kind::SuperFan => members.iter_mut().for_each(|fan| {
            fan.habits.plays_median = FAN_PLAYS_PER_DAY;
            fan.habits.active_days = 0.995;
            fan.habits.devotion = FAN_DEVOTION;
            fan.habits.explore = 0.05;
        }),
        Kind::SleepMusic => {
            add_artist(family, catalogue, Style::Sleep, (SLEEP_TRACKS, SLEEP_LENGTH_SECS, old), chance);
        }
        Kind::FamilyDevice => members.chunks_mut(FAMILY_SIZE as usize).for_each(|household| {
            let first = household[0].clone();
            for member in household {
                member.plan = "family";
                member.family = 0x10_0000 + first.index;
                member.payment = 0x9000_0000 + first.index;
                member.household = 0x90_0000 + first.index;
                member.country = first.country;
            }
        }),
        Kind::ViralClip => {
            // The clip's track comes out a day before it spreads.
            add_artist(
                family,
                catalogue,
                Style::Ordinary,
                (1, (120.0, 160.0), span.start - DAY_MS..span.start),
                chance,
            );
            for member in members {
                if chance.happens(VIRAL_NEWCOMERS) {
                    member.created_at = span.start - chance.below(DAY_MS as usize) as Millis;
                }
            }
        }
        Kind::Cafe => {
            members[0].plan = "premium";
            let country = members[0].country;
            members.iter_mut().for_each(|guest| guest.country = country);
        }
        _ => (),
    }
}

/// Makes a member's day.
pub(super) fn day(world: &World, family: &Family, tag: u8, person: &Person, day: i64, delivery: &mut Delivery<'_>) {
    let member = person.index - family.members.start;
    let chance = &mut Chance::of(world.spec.seed, Purpose::Bot, u64::from(person.index), (day + 1) as u64);
    let begin = listening::local_day(world, person, day);
    let amend = |setting: &mut Setting, chance: &mut Chance| {
        setting.family = tag;
        match family.kind {
            Kind::Cafe if chance.happens(CAFE_GUEST_SESSIONS) => at_the_cafe(family, setting),
            Kind::FamilyDevice if chance.happens(FAMILY_SHARED_SESSIONS) => {
                let first = family.members.start + member / FAMILY_SIZE * FAMILY_SIZE;
                setting.device = people::device(first, 7);
                setting.platform = Platform::Cast;
                setting.place = geography::home(person.country, person.household);
                setting.offline = false;
            }
            Kind::Traveller => on_a_trip(world, person, day, setting, chance),
            Kind::VpnUser => setting.place = geography::vpn((chance.below(3)) as u8, person.index % 50),
            _ => (),
        }
    };
    match family.kind {
        // The café's own account plays in the shop only.
        Kind::Cafe if member == 0 => return shop_day(world, family, tag, person, begin, chance, delivery),
        _ => listening::day(world, person, day, amend, delivery),
    }
    if begin < person.created_at {
        return;
    }
    match family.kind {
        Kind::SuperFan => binge(world, tag, person, begin, chance, delivery),
        Kind::SleepMusic => night(world, family, tag, person, begin, chance, delivery),
        Kind::ViralClip if family.days.contains(&day) => clip(world, family, tag, person, begin, chance, delivery),
        _ => (),
    }
}

fn at_the_cafe(family: &Family, setting: &mut Setting) {
    setting.device = people::device(family.members.start, 7);
    setting.platform = Platform::Cast;
    setting.place = geography::home(setting.place.country, 700_000 + family.members.start);
    setting.offline = false;
}

fn on_a_trip(world: &World, person: &Person, day: i64, setting: &mut Setting, chance: &mut Chance) {
    let trip = &mut Chance::of(
        world.spec.seed,
        Purpose::Trip,
        u64::from(person.index),
        (day + TRIP_DAYS).div_euclid(TRIP_DAYS) as u64,
    );
    if trip.happens(TRIP_SHARE) {
        let country = geography::draw(trip);
        setting.place = geography::mobile(country, person.index, world.mobile_pool(), chance);
    }
}

/// A whole track list at the shop's device, skipped by nobody.
fn shop_day(
    world: &World,
    family: &Family,
    tag: u8,
    person: &Person,
    begin: Millis,
    chance: &mut Chance,
    delivery: &mut Delivery<'_>,
) {
    let mut shop = person.clone();
    (shop.habits.skip, shop.habits.partial, shop.habits.repeat) = (0.03, 0.01, 0.0);
    let mut setting = listening::draw_setting(world, person, chance);
    setting.family = tag;
    at_the_cafe(family, &mut setting);
    // Local days begin at 4 o'clock.
    let opens = begin + (CAFE_HOURS.0 - 4) * HOUR_MS;
    let closes = opens + CAFE_HOURS.1 * HOUR_MS;
    let context = Context::Playlist(Source::Editorial, world.catalogue.draw_playlist(true, chance));
    listening::session(world, &shop, (opens, closes), CAFE_PLAYS, Some(context), &setting, chance, delivery);
}

/// Now and then one track in a row, beside whatever else plays on the account.
fn binge(world: &World, tag: u8, person: &Person, begin: Millis, chance: &mut Chance, delivery: &mut Delivery<'_>) {
    if !chance.happens(FAN_BINGE_DAYS) {
        return;
    }
    let mut fan = person.clone();
    (fan.habits.skip, fan.habits.partial) = (0.05, 0.02);
    let artist = world.catalogue.draw_by_popularity(Some(person.habits.genres[0]), chance);
    let track = world.catalogue.tracks_of(artist).start;
    let plays = FAN_BINGE_PLAYS.0 + chance.below(FAN_BINGE_PLAYS.1 - FAN_BINGE_PLAYS.0 + 1);
    let setting = Setting { family: tag, ..listening::draw_setting(world, person, chance) };
    let span = (begin + 5 * HOUR_MS, begin + DAY_MS);
    let only = Some(Context::Only(Source::Library, track));
    listening::session(world, &fan, span, plays, only, &setting, chance, delivery);
}

/// Rain until the morning, track after track to the end.
fn night(
    world: &World,
    family: &Family,
    tag: u8,
    person: &Person,
    begin: Millis,
    chance: &mut Chance,
    delivery: &mut Delivery<'_>,
) {
    if !chance.happens(SLEEP_NIGHTS) {
        return;
    }
    let mut sleeper = person.clone();
    (sleeper.habits.skip, sleeper.habits.partial, sleeper.habits.repeat) = (0.0, 0.0, 0.0);
    let setting = Setting {
        family: tag,
        offline: false,
        place: geography::home(person.country, person.household),
        ..listening::draw_setting(world, person, chance)
    };
    // From about 21 o'clock: 17 hours after the day began.
    let starts = begin + 17 * HOUR_MS - chance.below(HOUR_MS as usize) as Millis;
    let span = (starts, starts + SLEEP_HOURS * HOUR_MS);
    let artist = family.artists[0];
    let only = Some(Context::Artist(Source::Library, artist));
    listening::session(world, &sleeper, span, 1_000, only, &setting, chance, delivery);
}

/// The clip's track, from a link, several times.
fn clip(
    world: &World,
    family: &Family,
    tag: u8,
    person: &Person,
    begin: Millis,
    chance: &mut Chance,
    delivery: &mut Delivery<'_>,
) {
    let plays = VIRAL_PLAYS.0 + chance.rank(VIRAL_PLAYS.1 - VIRAL_PLAYS.0, 1.2, 0.0);
    let setting = Setting { family: tag, ..listening::draw_setting(world, person, chance) };
    let starts = begin + (5 + chance.below(12) as i64) * HOUR_MS + chance.below(HOUR_MS as usize) as Millis;
    let only = Some(Context::Only(Source::External, family.tracks[0]));
    listening::session(world, person, (starts, begin + DAY_MS), plays, only, &setting, chance, delivery);
}
