//! Attacks. Each is one function that makes one member's day; its numbers are those of a public case where there is one.

use records::Millis;

use super::super::catalogue::{Catalogue, Style};
use super::super::delivery::Delivery;
use super::super::geography::{self, Place};
use super::super::heard::{Heard, Platform, Reason, Source};
use super::super::people::{self, Person};
use super::super::{DAY_MS, HOUR_MS, World, WorldSpec, listening};
use super::{Family, Kind, add_artist, span};
use crate::chance::{Chance, Purpose};

/// Loop farm: plays just past the payable 30 s, then the next track, at every hour of the day ("31 s, then next": artistrack;
/// 1 200 premium accounts, two playlists, 24/7: the Bulgarian case of 2017). 26 plays an hour are 624 a day.
const LOOP_TRACKS: usize = 25;
const LOOP_PLAYS_PER_HOUR: usize = 26;
const LOOP_PLAYED_MS: (f64, f64) = (30_800.0, 33_500.0);

/// Breadth farm: 636 plays a day and account over about 96 tracks per account, in several browser tabs, behind VPNs
/// (US v. Smith, 2024: 1 040 accounts, 100 000 tracks, 6.6 plays per track and day).
const BREADTH_PLAYS_PER_DAY: usize = 636;
const BREADTH_TRACKS_PER_MEMBER: usize = 96;
const BREADTH_TRACKS_PER_ARTIST: usize = 40;
const BREADTH_TABS: usize = 2;

/// Playlist farm: the farm's tracks between hits of others, each played about equally often (Bloomberg 2018).
const PLAYLIST_TARGETS: usize = 20;
const PLAYLIST_INNOCENTS: usize = 12;
const PLAYLIST_PLAYS_PER_DAY: usize = 200;

/// Device farm: four accounts take turns on each telephone; part of the plays are hits, as camouflage. Assumed numbers.
const RIG_ACCOUNTS: u32 = 4;
const RIG_TRACKS: usize = 40;
const RIG_PLAYS_PER_HOUR: usize = 25;
const RIG_CAMOUFLAGE: f64 = 0.3;

/// Narrow lockstep: every account plays the same of 63 tracks in the same ten minutes (Beatdapp: 10 000 accounts, 63 tracks).
const LOCKSTEP_TRACKS: usize = 63;
const LOCKSTEP_SLOTS_PER_DAY: u64 = 50;
const LOCKSTEP_ATTENDANCE: f64 = 0.85;
const SLOT_MS: Millis = 600_000;

/// Hijacked accounts: 1-5 plays a night on a new device, the owner's listening goes on.
const HIJACK_TRACKS: usize = 30;

/// Spam uploader: 300 tracks (reported for one week) within two days, 31-60 s each, and a few accounts that play them.
const SPAM_TRACKS: usize = 300;
const SPAM_PLAYS_PER_DAY: usize = 80;

/// Gives the family its music, and its members new accounts: bots sign up together, days before they begin.
pub(super) fn cast(
    spec: &WorldSpec,
    family: &mut Family,
    catalogue: &mut Catalogue,
    members: &mut [Person],
    chance: &mut Chance,
) {
    let begin = span(spec, family).start;
    let before = begin - 60 * DAY_MS..begin - 2 * DAY_MS;
    match family.kind {
        Kind::LoopFarm => {
            add_artist(family, catalogue, Style::Ordinary, (LOOP_TRACKS, (95.0, 170.0), before), chance);
            family.playlist = catalogue.add_playlist(None, 12);
        }
        Kind::BreadthFarm => {
            let artists = (members.len() * BREADTH_TRACKS_PER_MEMBER).div_ceil(BREADTH_TRACKS_PER_ARTIST);
            for _ in 0..artists {
                let tracks = (BREADTH_TRACKS_PER_ARTIST, (100.0, 240.0), before.clone());
                add_artist(family, catalogue, Style::Spam, tracks, chance);
            }
        }
        Kind::PlaylistFarm => {
            add_artist(family, catalogue, Style::Ordinary, (PLAYLIST_TARGETS, (120.0, 200.0), before), chance);
            // A tiny world has fewer hits than a playlist holds.
            for _ in 0..4 * PLAYLIST_INNOCENTS {
                let hit = catalogue.draw_hit(chance);
                if family.innocents.len() < PLAYLIST_INNOCENTS && !family.innocents.contains(&hit) {
                    family.innocents.push(hit);
                }
            }
            family.playlist = catalogue.add_playlist(None, 40);
        }
        Kind::DeviceFarm => {
            add_artist(family, catalogue, Style::Ordinary, (RIG_TRACKS, (110.0, 220.0), before), chance);
        }
        Kind::Lockstep => {
            add_artist(family, catalogue, Style::Ordinary, (LOCKSTEP_TRACKS, (120.0, 220.0), before), chance);
        }
        Kind::Hijacked => {
            add_artist(family, catalogue, Style::Ordinary, (HIJACK_TRACKS, (90.0, 200.0), before), chance);
        }
        _ => {
            let burst = begin.max(spec.start_ms)..(begin + 2 * DAY_MS).min(spec.end_ms());
            add_artist(family, catalogue, Style::Spam, (SPAM_TRACKS, (31.0, 60.0), burst), chance);
        }
    }
    if family.kind != Kind::Hijacked {
        members.iter_mut().for_each(|member| sign_up(member, family.kind, begin, chance));
    }
}

/// A bot's account: a few days old, one card for many.
fn sign_up(member: &mut Person, kind: Kind, begin: Millis, chance: &mut Chance) {
    let paid = matches!(kind, Kind::LoopFarm | Kind::BreadthFarm | Kind::PlaylistFarm);
    member.created_at = begin - HOUR_MS - (chance.between(0.0, 3.0) * DAY_MS as f64) as Millis;
    member.plan = if paid { "premium" } else { "free" };
    member.email = if chance.happens(0.6) { "disposable" } else { "free" };
    member.payment = if paid { 0x4000_0000 + member.index / 10 } else { 0 };
    member.family = 0;
    member.country = if kind == Kind::LoopFarm { 11 } else { 0 };
}

/// Makes a member's day.
pub(super) fn day(world: &World, family: &Family, tag: u8, person: &Person, day: i64, delivery: &mut Delivery<'_>) {
    if family.kind == Kind::Hijacked {
        listening::day(world, person, day, |_, _| (), delivery);
    }
    if !family.days.contains(&day) {
        return;
    }
    let mut bot = Bot {
        world,
        family,
        person,
        member: person.index - family.members.start,
        tag,
        begin: world.base() + day * DAY_MS,
        chance: Chance::of(world.spec.seed, Purpose::Bot, u64::from(person.index), day as u64),
        delivery,
    };
    match family.kind {
        Kind::LoopFarm => bot.loop_farm(),
        Kind::BreadthFarm => bot.breadth_farm(),
        Kind::PlaylistFarm => bot.playlist_farm(),
        Kind::DeviceFarm => bot.device_farm(),
        Kind::Lockstep => bot.lockstep(day),
        Kind::Hijacked => bot.hijacked(),
        _ => bot.spam_uploader(),
    }
}

/// One member on one day (00:00 to 24:00 UTC).
struct Bot<'a, 'd> {
    world: &'a World,
    family: &'a Family,
    person: &'a Person,
    member: u32,
    tag: u8,
    begin: Millis,
    chance: Chance,
    delivery: &'a mut Delivery<'d>,
}

/// What a bot's client tells of itself.
struct Client {
    place: Place,
    device: u32,
    platform: Platform,
    source: Source,
    playlist: u32,
}

impl Bot<'_, '_> {
    fn loop_farm(&mut self) {
        let client = Client {
            place: geography::home(self.person.country, 900_000 + self.member / 8),
            device: self.person.device(0),
            platform: Platform::Android,
            source: Source::Playlist,
            playlist: self.family.playlist,
        };
        let mut next = self.chance.below(LOOP_TRACKS);
        for hour in 0..24 {
            let mut clock = self.begin + hour * HOUR_MS + (self.chance.unit() * 0.6 * HOUR_MS as f64) as Millis;
            for _ in 0..LOOP_PLAYS_PER_HOUR {
                let played_ms = self.chance.between(LOOP_PLAYED_MS.0, LOOP_PLAYED_MS.1) as u32;
                clock += Millis::from(played_ms) + 200 + self.chance.exponential(400.0) as Millis;
                self.play(&client, self.family.tracks[next % LOOP_TRACKS], clock, played_ms, Reason::Fwdbtn);
                next += 1;
            }
        }
    }

    fn breadth_farm(&mut self) {
        let client = Client {
            place: geography::vpn(self.person.country, 70_000 + self.member),
            device: self.person.device(0),
            platform: Platform::Web,
            source: Source::Library,
            playlist: 0,
        };
        let per_tab = BREADTH_PLAYS_PER_DAY / BREADTH_TABS;
        let pace = DAY_MS / per_tab as Millis;
        for number in 0..BREADTH_PLAYS_PER_DAY {
            let (tab, turn) = (number / per_tab, (number % per_tab) as Millis);
            let track = self.family.tracks[self.chance.below(self.family.tracks.len())];
            let played_ms = self.world.catalogue.length_ms(track);
            let jitter = self.chance.below(20_000) as Millis + tab as Millis * 60_000;
            let ended_at = self.begin + (turn * pace + jitter).min(DAY_MS - 1);
            self.play(&client, track, ended_at, played_ms, Reason::Trackdone);
        }
    }

    fn playlist_farm(&mut self) {
        let client = Client {
            place: geography::mobile(self.person.country, self.member, self.world.mobile_pool(), &mut self.chance),
            device: self.person.device(0),
            platform: Platform::Ios,
            source: Source::Playlist,
            playlist: self.family.playlist,
        };
        let listed: Vec<u32> = self.family.tracks.iter().chain(&self.family.innocents).copied().collect();
        let first = self.chance.below(listed.len());
        let mut clock = self.begin + self.chance.below(6 * HOUR_MS as usize) as Millis;
        for number in 1..=PLAYLIST_PLAYS_PER_DAY {
            let track = listed[(first + number - 1) * 7 % listed.len()];
            let length = f64::from(self.world.catalogue.length_ms(track));
            let played_ms = (length * self.chance.between(0.6, 1.0)) as u32;
            clock += Millis::from(played_ms) + 500;
            self.play(&client, track, clock, played_ms, Reason::Trackdone);
            if number % 50 == 0 {
                clock += self.chance.below(2 * HOUR_MS as usize) as Millis;
            }
        }
    }

    fn device_farm(&mut self) {
        let rig = self.member / RIG_ACCOUNTS;
        let client = Client {
            place: geography::home(self.person.country, 800_000 + rig / 4),
            device: people::device(self.family.members.start + rig * RIG_ACCOUNTS, 7),
            platform: Platform::Android,
            source: Source::Artist,
            playlist: 0,
        };
        let turn = i64::from(self.member % RIG_ACCOUNTS);
        for hour in (turn..24).step_by(RIG_ACCOUNTS as usize) {
            let mut clock = self.begin + hour * HOUR_MS;
            for _ in 0..RIG_PLAYS_PER_HOUR {
                let track = match self.chance.happens(RIG_CAMOUFLAGE) {
                    true => self.world.catalogue.draw_hit(&mut self.chance),
                    false => self.family.tracks[self.chance.below(RIG_TRACKS)],
                };
                let played_ms =
                    (self.chance.between(60_000.0, 130_000.0) as u32).min(self.world.catalogue.length_ms(track));
                clock += Millis::from(played_ms) + self.chance.exponential(3_000.0) as Millis;
                self.play(&client, track, clock, played_ms, Reason::Fwdbtn);
            }
        }
    }

    fn lockstep(&mut self, day: i64) {
        let client = Client {
            place: geography::home(self.person.country, self.person.household),
            device: self.person.device(0),
            platform: Platform::Android,
            source: Source::Search,
            playlist: 0,
        };
        // The schedule is the family's, the attendance the member's.
        let mut schedule = Chance::of(self.world.spec.seed, Purpose::Schedule, u64::from(self.tag), day as u64);
        for _ in 0..LOCKSTEP_SLOTS_PER_DAY {
            let slot = self.begin + schedule.below(144) as Millis * SLOT_MS;
            let track = self.family.tracks[schedule.below(LOCKSTEP_TRACKS)];
            if self.chance.happens(LOCKSTEP_ATTENDANCE) {
                let length = f64::from(self.world.catalogue.length_ms(track));
                let played_ms = (length * self.chance.between(0.5, 1.0)) as u32;
                let ended_at = slot + self.chance.below(SLOT_MS as usize) as Millis;
                self.play(&client, track, ended_at, played_ms, Reason::Trackdone);
            }
        }
    }

    fn hijacked(&mut self) {
        let client = Client {
            place: geography::hosting(0, 60_000 + self.member),
            device: self.person.device(6),
            platform: Platform::Web,
            source: Source::Search,
            playlist: 0,
        };
        let night = self.begin + (1 - self.person.utc_hours()).rem_euclid(24) * HOUR_MS;
        for number in 0..=self.chance.below(5) {
            let track = self.family.tracks[self.chance.below(HIJACK_TRACKS)];
            let played_ms = (self.chance.between(35_000.0, 90_000.0) as u32).min(self.world.catalogue.length_ms(track));
            let ended_at = night + number as Millis * HOUR_MS / 2 + self.chance.below(25 * 60_000) as Millis;
            self.play(&client, track, ended_at, played_ms, Reason::Endplay);
        }
    }

    fn spam_uploader(&mut self) {
        let client = Client {
            place: geography::hosting(self.person.country, 50_000 + self.member),
            device: self.person.device(0),
            platform: Platform::Desktop,
            source: Source::External,
            playlist: 0,
        };
        let mut clock = self.begin + self.chance.below(16 * HOUR_MS as usize) as Millis;
        for _ in 0..SPAM_PLAYS_PER_DAY {
            let drawn = self.family.tracks[self.chance.below(SPAM_TRACKS)];
            // What is not uploaded yet cannot be played; before the first upload, they test on others' tracks.
            let track = match self.world.catalogue.is_out(drawn, clock) {
                true => drawn,
                false => self.world.catalogue.draw_tail(&mut self.chance),
            };
            let played_ms = self.world.catalogue.length_ms(track);
            clock += Millis::from(played_ms) + self.chance.exponential(20_000.0) as Millis;
            self.play(&client, track, clock, played_ms, Reason::Trackdone);
        }
    }

    fn play(&mut self, client: &Client, track: u32, ended_at: Millis, played_ms: u32, reason: Reason) {
        self.delivery.push(Heard {
            play_id: 0,
            ended_at,
            arrived_at: None,
            account: self.person.index,
            track,
            played_ms,
            device: client.device,
            ip_prefix: client.place.ip_prefix,
            playlist: client.playlist,
            network: client.place.network,
            country: client.place.country,
            platform: client.platform,
            source: client.source,
            reason_start: if reason == Reason::Endplay { Reason::Clickrow } else { reason },
            reason_end: reason,
            shuffle: false,
            offline: false,
            copy: 0,
            family: self.tag,
        });
    }
}
