//! One day of one account of an attack.
//!
//! ```text
//! how many today ──┬─▶ ordinary listening: sessions at a person's hours, tracks of people's libraries ──┐
//!                  └─▶ what the attack wants: clock, night, together, or within the sessions ───────────┴─▶ plays
//! ```
//!
//! A play is a row of the data with its client, its outcome and its words; account, track, devices and times are new.

use records::{Id, Millis, Play};

use super::cast::{Cast, Member, Piece};
use super::plan::{Members, Order, Parameters, Timing};
use super::survey::{Donor, Reasons, Seen, Telemetry, is_whole};
use crate::chance::{Chance, Purpose};
use crate::world::{DAY_MS, HOUR_MS, SESSION, SESSION_GAP_MS, gap};

/// Day-to-day spread of a listener's plays, and the most in a day, as in the seeded world.
const DAY_SIGMA: f64 = 0.8;
const DAY_PLAYS_MAX: f64 = 700.0;
/// How a listener's tracks spread over the libraries of its tastes: half of them are its model's.
const TASTE_WEIGHTS: [f64; 6] = [0.5, 0.15, 0.1, 0.1, 0.08, 0.07];
/// How often a listener turns to something else: about seven plays follow one another as somebody heard them.
const TURNS: f64 = 0.15;
/// Hours of a night.
const NIGHT_MS: Millis = 6 * HOUR_MS;
/// Draws of a row that suits.
const DRAWS: usize = 8;

/// A play before it has an id.
pub(super) struct Made {
    pub play: Play,
    /// Whether it is what the attack is about.
    pub aim: bool,
    pub cast: u32,
    member: u32,
    number: u32,
}

impl Made {
    /// When the platform learns of it.
    pub fn arrival(&self) -> Millis {
        self.play.arrived_at.map_or(self.play.ended_at, |at| at.max(self.play.ended_at))
    }

    /// A total order, whatever the threads did.
    pub fn order(&self) -> (Millis, u32, u32, u32) {
        (self.arrival(), self.cast, self.member, self.number)
    }
}

/// The plays of a member on a day, counted from the epoch.
pub(super) fn day(telemetry: &Telemetry, cast: &Cast, seed: u64, member: u32, day: i64) -> Vec<Made> {
    let key = cast.number << 32 | u64::from(member);
    let mut today = Today {
        telemetry,
        cast,
        p: &cast.attack.parameters,
        member: &cast.members[member as usize],
        donor: &telemetry.donors[cast.members[member as usize].donor],
        number: member,
        day,
        begin: day * DAY_MS,
        seed,
        chance: Chance::of(seed, Purpose::Bot, key, day as u64),
        made: Vec::new(),
    };
    if cast.attack.family.members() == Members::Copies {
        today.copy();
    } else {
        today.make();
    }
    today.made
}

struct Today<'a> {
    telemetry: &'a Telemetry,
    cast: &'a Cast,
    p: &'a Parameters,
    member: &'a Member,
    donor: &'a Donor,
    number: u32,
    day: i64,
    /// Midnight, UTC.
    begin: Millis,
    seed: u64,
    chance: Chance,
    made: Vec<Made>,
}

/// What is played, and how it went.
struct Heard<'a> {
    track: &'a Id,
    length_ms: u32,
    played_ms: u32,
    reasons: Reasons,
    aim: bool,
}

/// Where among whose plays a listener's music comes from.
struct Walk {
    donor: usize,
    place: usize,
}

/// Whose words a play uses.
#[derive(Clone, Copy)]
struct Client<'a> {
    /// Client, place and delay.
    setting: &'a Seen,
    /// Whether it is a machine: one device, one address.
    machine: bool,
}

impl<'a> Today<'a> {
    fn make(&mut self) {
        let asleep = self.begin < self.cast.turn && self.p.sleep > 0.0;
        let (plays, active) = match (asleep, self.p.plays_per_day) {
            (true, _) | (_, 0.0) => {
                let plays = self.chance.lognormal(self.donor.plays_per_day, DAY_SIGMA);
                (plays.clamp(1.0, DAY_PLAYS_MAX), self.donor.active)
            }
            (false, plays) => (self.chance.lognormal(plays, self.p.spread), self.p.active),
        };
        if !self.chance.happens(active) {
            return;
        }
        let aim = if asleep || self.member.music.is_empty() { 0.0 } else { 1.0 - self.p.camouflage };
        if aim == 0.0 || self.p.timing == Timing::Human {
            let plays = self.rounded(plays);
            return self.listen(plays, aim);
        }
        let (ordinary, aimed) = (self.rounded(plays * (1.0 - aim)), self.rounded(plays * aim));
        self.listen(ordinary, 0.0);
        match self.p.timing {
            Timing::Night => self.night(aimed),
            Timing::Together => self.together(self.p.plays_per_day * aim),
            _ if self.p.tabs > 1 => self.tabs(aimed),
            _ => self.clock(aimed),
        }
    }

    /// A whole number with this mean.
    fn rounded(&mut self, mean: f64) -> usize {
        mean as usize + usize::from(self.chance.happens(mean.fract()))
    }

    /// Sessions of a person; this share of their plays is what the attack wants.
    fn listen(&mut self, plays: usize, aim: f64) {
        // A day begins when the model's night ends, so that no session is cut at midnight.
        let wakes = (self.donor.night + 4).rem_euclid(24);
        let begin = self.begin + wakes * HOUR_MS;
        let (mut clock, end) = (begin, begin + DAY_MS);
        let mut place = if aim > 0.0 { self.first_place(plays) } else { 0 };
        for (start, size) in self.sessions(plays, wakes) {
            let setting = self.donor.draw(&mut self.chance);
            clock = clock.max(begin + start);
            let mut walk = self.somewhere();
            for _ in 0..size {
                let played_ms = match self.chance.happens(aim) {
                    true => {
                        let (piece, played_ms) = self.piece_at(place);
                        place += 1;
                        clock += Millis::from(played_ms);
                        self.aimed(clock, piece, played_ms, Client { setting, machine: false });
                        played_ms
                    }
                    false => self.ordinary(&mut clock, setting, &mut walk),
                };
                // Whoever hears nothing goes on at once; a day is over when it is over.
                clock += gap(&mut self.chance) + Millis::from(played_ms == 0);
                if clock >= end {
                    return;
                }
            }
            clock += SESSION_GAP_MS;
        }
    }

    /// Start (after waking) and size of the sessions of a day, earliest first.
    fn sessions(&mut self, plays: usize, wakes: i64) -> Vec<(Millis, usize)> {
        let median = SESSION.0 * (plays as f64 / 13.0).powf(0.4).max(0.7);
        let (mut left, mut sessions) = (plays, Vec::new());
        while left > 0 {
            let size = (self.chance.lognormal(median, SESSION.1).round().max(1.0) as usize).min(left);
            left -= size;
            let mark = self.chance.unit();
            let hour = self.donor.hours.iter().position(|sum| mark < *sum).unwrap_or(23) as i64;
            sessions
                .push(((hour - wakes).rem_euclid(24) * HOUR_MS + self.chance.below(HOUR_MS as usize) as Millis, size));
        }
        sessions.sort_unstable();
        sessions
    }

    /// A place among the plays of somebody of the member's tastes.
    fn somewhere(&mut self) -> Walk {
        let donor = self.member.tastes[self.chance.pick(&TASTE_WEIGHTS)];
        Walk { donor, place: self.chance.below(self.telemetry.donors[donor].plays.len()) }
    }

    /// One play of music that people of these tastes know, in their order, heard as the model hears; how long.
    fn ordinary(&mut self, clock: &mut Millis, setting: &Seen, walk: &mut Walk) -> u32 {
        if walk.place >= self.telemetry.donors[walk.donor].plays.len() || self.chance.happens(TURNS) {
            *walk = self.somewhere();
        }
        let liked = self.telemetry.donors[walk.donor].plays[walk.place];
        walk.place += 1;
        let row = if walk.donor == self.member.donor { liked } else { *self.donor.draw(&mut self.chance) };
        let length_ms = self.telemetry.length_ms(liked.track);
        let played_ms = match is_whole(&row, &self.telemetry.tracks) {
            true => {
                let length = row.track_ms.unwrap_or_else(|| self.telemetry.length_ms(row.track)).max(1);
                (f64::from(length_ms) * (f64::from(row.played_ms) / f64::from(length)).min(1.5)) as u32
            }
            false => row.played_ms.min(length_ms),
        };
        *clock += Millis::from(played_ms);
        let heard = Heard {
            track: &self.telemetry.tracks[liked.track as usize].id,
            length_ms,
            played_ms,
            reasons: (row.reason_start, row.reason_end),
            aim: false,
        };
        self.push(*clock, &heard, &row, Client { setting, machine: false });
        played_ms
    }

    /// Blocks of plays in each of the hours; accounts that share a device take turns on it.
    fn clock(&mut self, plays: usize) {
        let [first, count] = self.p.hours;
        let hours: Vec<i64> = (0..count.ceil() as i64).map(|hour| first as i64 + hour).collect();
        let shared = i64::from(self.p.accounts_per_device);
        let mine = |hour: &&i64| **hour % shared == i64::from(self.number) % shared;
        let mut turns: Vec<i64> = hours.iter().filter(mine).copied().collect();
        if turns.is_empty() {
            turns = hours;
        }
        let client = Client { setting: self.setting(), machine: true };
        let mut place = self.first_place(plays);
        for (turn, hour) in turns.iter().enumerate() {
            let block = plays * (turn + 1) / turns.len() - plays * turn / turns.len();
            let mut clock = self.begin + hour * HOUR_MS + (self.chance.unit() * 0.2 * HOUR_MS as f64) as Millis;
            for _ in 0..block {
                let (piece, played_ms) = self.piece_at(place);
                place += 1;
                clock += Millis::from(played_ms) + 200 + self.chance.exponential(400.0) as Millis;
                self.aimed(clock, piece, played_ms, client);
            }
        }
    }

    /// Several players at once, evenly over the hours: more than a day of music in a day.
    fn tabs(&mut self, plays: usize) {
        let window = (self.p.hours[1] * HOUR_MS as f64) as Millis;
        let per_tab = plays.div_ceil(self.p.tabs as usize).max(1);
        let pace = (window / per_tab as Millis).max(1);
        let client = Client { setting: self.setting(), machine: true };
        let place = self.first_place(plays);
        for number in 0..plays {
            let (tab, turn) = ((number / per_tab) as Millis, (number % per_tab) as Millis);
            let (piece, played_ms) = self.piece_at(place + number);
            let jitter = self.chance.below(20_000) as Millis + tab * 60_000 % pace;
            let first = (self.p.hours[0] * HOUR_MS as f64) as Millis;
            self.aimed(self.begin + first + turn * pace + jitter, piece, played_ms, client);
        }
    }

    /// While the model, or the owner, sleeps.
    fn night(&mut self, plays: usize) {
        let client = Client { setting: self.setting(), machine: true };
        let place = self.first_place(plays);
        let pieces: Vec<_> = (0..plays).map(|number| self.piece_at(place + number)).collect();
        let heard: Millis = pieces.iter().map(|(_, played_ms)| Millis::from(*played_ms)).sum();
        let silence = ((NIGHT_MS - heard) as f64 / (plays + 1) as f64).max(300.0);
        let mut clock = self.begin + self.donor.night * HOUR_MS;
        for (piece, played_ms) in pieces {
            clock += self.chance.exponential(silence) as Millis + Millis::from(played_ms);
            self.aimed(clock, piece, played_ms, client);
        }
    }

    /// The schedule is the attack's, the attendance the member's.
    fn together(&mut self, plays: f64) {
        let schedule = &mut Chance::of(self.seed, Purpose::Schedule, self.cast.number, self.day as u64);
        let slot_ms = ((self.p.within_minutes * 60_000.0) as Millis).max(1);
        let [first, count] = self.p.hours.map(|hours| (hours * HOUR_MS as f64) as Millis);
        let slots = (count / slot_ms).max(1) as usize;
        let client = Client { setting: self.setting(), machine: true };
        let plays = plays as usize + usize::from(schedule.happens(plays.fract()));
        for _ in 0..plays {
            let slot = self.begin + first + schedule.below(slots) as Millis * slot_ms;
            let place = schedule.below(self.member.music.len());
            if self.chance.happens(self.p.attendance) {
                let piece = &self.cast.music[self.member.music.start + place];
                let played_ms = self.heard_ms(piece);
                let ended_at = slot + self.chance.below(slot_ms as usize) as Millis;
                self.aimed(ended_at, piece, played_ms, client);
            }
        }
    }

    /// What the copied account did, later; some of its tracks are exchanged.
    fn copy(&mut self) {
        let plays = &self.donor.plays;
        let from = self.begin - self.member.later_by;
        let first = plays.partition_point(|play| play.ended_at < from);
        for row in plays[first..].iter().take_while(|play| play.ended_at < from + DAY_MS) {
            let ended_at = row.ended_at + self.member.later_by + self.chance.below(2_000) as Millis;
            let exchanged = !self.member.music.is_empty() && !self.chance.happens(self.p.camouflage);
            let client = Client { setting: row, machine: false };
            let (known, reasons) = (&self.telemetry.tracks[row.track as usize], (row.reason_start, row.reason_end));
            let own = exchanged.then(|| self.piece_as_long_as(row.played_ms));
            let (track, length_ms) = match own {
                Some(piece) => (&piece.id, piece.length_ms),
                None => (&known.id, self.telemetry.length_ms(row.track)),
            };
            let played_ms = if exchanged { row.played_ms.min(length_ms) } else { row.played_ms };
            self.push(ended_at, &Heard { track, length_ms, played_ms, reasons, aim: exchanged }, row, client);
        }
    }

    fn piece_as_long_as(&mut self, played_ms: u32) -> &'a Piece {
        let music = &self.cast.music[self.member.music.clone()];
        let mut longest = &music[self.chance.below(music.len())];
        for _ in 0..DRAWS {
            if longest.length_ms < played_ms {
                longest =
                    std::cmp::max_by_key(longest, &music[self.chance.below(music.len())], |piece| piece.length_ms);
            }
        }
        longest
    }

    /// The row of the model that a machine's client is like: one per account, and one that tells as much as any.
    fn setting(&self) -> &'a Seen {
        let key = self.cast.number << 32 | u64::from(self.number);
        let chance = &mut Chance::of(self.seed, Purpose::Member, key, 0);
        let told = |row: &&Seen| {
            let told = [row.device.is_some(), row.address.is_some(), row.asn.is_some(), row.country.is_some()];
            (row.offline != Some(true), told.into_iter().filter(|told| *told).count())
        };
        (0..DRAWS).map(|_| self.donor.draw(chance)).max_by_key(told).expect("some were drawn")
    }

    /// Where in the rotation the day begins.
    fn first_place(&mut self, plays: usize) -> usize {
        let days = self.day - self.cast.from.div_euclid(DAY_MS);
        match self.p.order {
            // Each account and each day has its own stretch of one long row.
            Order::Even => (days.max(0) as usize * self.cast.members.len() + self.number as usize) * plays,
            Order::Loop | Order::Random => self.chance.below(self.member.music.len()),
        }
    }

    /// The track at a place of the rotation, and how long it is heard.
    fn piece_at(&mut self, place: usize) -> (&'a Piece, u32) {
        let music = &self.cast.music[self.member.music.clone()];
        let piece = match self.p.order {
            Order::Random => &music[self.chance.below(music.len())],
            Order::Loop | Order::Even => &music[place % music.len()],
        };
        (piece, self.heard_ms(piece))
    }

    fn heard_ms(&mut self, piece: &Piece) -> u32 {
        match self.chance.happens(self.p.complete) {
            true => piece.length_ms,
            false => {
                let [low, high] = self.p.heard_secs;
                ((self.chance.between(low, high) * 1_000.0) as u32).min(piece.length_ms)
            }
        }
    }

    fn aimed(&mut self, ended_at: Millis, piece: &Piece, played_ms: u32, client: Client<'_>) {
        // A play that was heard to the end ends as such plays do in the data.
        let reasons = &self.telemetry.reasons[usize::from(played_ms < piece.length_ms)];
        let reasons = match reasons.is_empty() {
            true => (client.setting.reason_start, client.setting.reason_end),
            false => reasons[self.chance.below(reasons.len())],
        };
        let heard = Heard { track: &piece.id, length_ms: piece.length_ms, played_ms, reasons, aim: piece.aim };
        // What a session of the model says of its tracks is not said of the attack's.
        let row = Seen { playlist: None, ..*client.setting };
        let (source, playlist) = (&self.p.source, &self.cast.playlist);
        let in_order = !matches!(self.p.order, Order::Random);
        let knows_playlists = !self.telemetry.playlists.is_empty();
        if let Some(play) = self.push(ended_at, &heard, &row, client) {
            play.source = client.setting.source.map(|_| source.clone());
            play.playlist_id = playlist.clone().filter(|_| knows_playlists);
            play.offline = client.setting.offline.map(|_| false);
            // One after the other is no shuffle; whatever comes at random says so as often as people's plays do.
            if client.machine && in_order {
                play.shuffle = client.setting.shuffle.map(|_| false);
            }
        }
    }

    /// Adds the play, if the attack is on and the data go so far.
    fn push(
        &mut self,
        ended_at: Millis,
        heard: &Heard<'_>,
        row: &Seen,
        Client { setting, machine }: Client<'_>,
    ) -> Option<&mut Play> {
        if !(self.cast.from..self.cast.until).contains(&ended_at) {
            return None;
        }
        let word = |word: Option<u32>| word.map(|word| self.telemetry.words[word as usize].clone());
        let place = self.place(ended_at);
        let own = |ids: &[Id], told: Option<u8>| {
            told.map(|number| ids[if machine { 0 } else { usize::from(number) % ids.len() }].clone())
        };
        let arrived_at = setting.delay.map(|delay| ended_at + delay);
        let play = Play {
            play_id: Id::Number(0),
            ended_at,
            // Nothing arrives after the last arrival of the data: no instant is stated for it alone.
            arrived_at: arrived_at.map(|at| if at > self.telemetry.arrived_at { ended_at } else { at.max(0) }),
            account_id: self.member.account.clone(),
            track_id: heard.track.clone(),
            played_ms: u64::from(heard.played_ms),
            track_ms: row.track_ms.map(|_| u64::from(heard.length_ms)),
            device_id: own(&self.member.devices, setting.device),
            ip_prefix: match place {
                Some(place) => setting.address.map(|_| place.address.clone()),
                None => own(&self.member.addresses, setting.address),
            },
            asn: setting.asn.map(|asn| place.and_then(|place| place.asn).unwrap_or(asn)),
            country: place
                .and_then(|place| place.country.clone())
                .filter(|_| setting.country.is_some())
                .or_else(|| word(setting.country)),
            platform: word(setting.platform),
            source: word(row.source),
            playlist_id: row.playlist.map(|playlist| self.telemetry.playlists[playlist as usize].clone()),
            reason_start: word(heard.reasons.0),
            reason_end: word(heard.reasons.1),
            shuffle: setting.shuffle,
            offline: setting.offline,
        };
        let number = self.made.len() as u32;
        self.made.push(Made { play, aim: heard.aim, cast: self.cast.number as u32, member: self.number, number });
        self.made.last_mut().map(|made| &mut made.play)
    }

    fn place(&self, ended_at: Millis) -> Option<&'a super::cast::Place> {
        let places = &self.member.places;
        let hops = ((ended_at - self.cast.from) as f64 / (self.p.hop_hours * HOUR_MS as f64)) as usize;
        (!places.is_empty()).then(|| &places[hops % places.len()])
    }
}
