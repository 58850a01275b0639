//! Gives an attack its accounts, its music and its places, and says what is true of them.
//!
//! ```text
//! attack ──┬─▶ members: whose habits, which account, devices, places ──▶ rows of accounts
//!          ├─▶ music: new tracks, or tracks of the data ──▶ rows of tracks, playlists
//!          └─▶ labels
//! ```
//!
//! Every new row is a row of the data in which the attack replaces what is its own. What a row of the data does not tell,
//! the new one does not tell either: nobody learns to tell them apart by what is missing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use records::{Account, Id, IdSpace, Label, LabelKind, Millis, Network as NetworkRow, NetworkKind, Playlist, Track};

use super::plan::{Attack, Members, Music, Network, Parameters, Plan};
use super::survey::{Telemetry, of_kind};
use crate::chance::{Chance, Purpose};
use crate::world::DAY_MS;

/// Accounts whose music a modelled listener knows: its model's more than that of each other.
const TASTES: usize = 6;
/// Devices of an account, and addresses: people on the move have several.
const DEVICES: usize = 3;
const ADDRESSES: usize = 8;
/// Plays that an account needs to be a model, where there are such.
const MODEL_PLAYS: usize = 20;
/// The first autonomous system number for private use (RFC 6996), and how many there are.
const PRIVATE_ASN: (u32, u64) = (4_200_000_000, 94_967_295);
/// Countries for accounts that are in more than the data know.
const COUNTRIES: [&str; 16] =
    ["US", "GB", "DE", "FR", "BR", "MX", "IN", "JP", "ES", "IT", "NL", "PL", "SE", "TR", "ID", "PH"];
/// How often rows are drawn until one suits.
const DRAWS: usize = 16;

/// A track in the rotation of an attack.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub id: Id,
    pub length_ms: u32,
    /// Whether it is what the attack is about, not another's hit beside it.
    pub aim: bool,
}

/// Where an account plays when it does not play at its model's places.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub country: Option<String>,
    pub asn: Option<u32>,
    pub address: Id,
}

/// An account that takes part.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub account: Id,
    /// The account of the data that it is modelled after, or is.
    pub donor: usize,
    pub tastes: [usize; TASTES],
    pub devices: [Id; DEVICES],
    pub addresses: [Id; ADDRESSES],
    /// Empty: at its model's places.
    pub places: Vec<Place>,
    /// Its part of the rotation.
    pub music: Range<usize>,
    /// By how much a copied account's plays are moved.
    pub later_by: Millis,
}

/// An attack with everything it needs.
#[derive(Debug)]
pub(super) struct Cast {
    pub number: u64,
    pub attack: Attack,
    pub from: Millis,
    pub until: Millis,
    /// When its accounts stop only listening.
    pub turn: Millis,
    pub members: Vec<Member>,
    pub music: Vec<Piece>,
    pub playlist: Option<Id>,
}

/// The rows that attacks add to the small tables.
#[derive(Debug, Default)]
pub(super) struct NewRows {
    pub accounts: Vec<Account>,
    pub tracks: Vec<Track>,
    pub playlists: Vec<Playlist>,
    pub networks: Vec<NetworkRow>,
    pub labels: Vec<Label>,
}

/// What a cast touches that is labelled, by subject.
#[derive(Default)]
struct Truth {
    subjects: Vec<(&'static str, Id, LabelKind)>,
}

impl Truth {
    fn add(&mut self, subject: &'static str, ids: impl IntoIterator<Item = Id>, label: LabelKind) {
        self.subjects.extend(ids.into_iter().map(|id| (subject, id, label)));
    }
}

/// Casts every attack of the plan.
pub(super) fn cast(plan: &Plan, seed: u64, telemetry: &mut Telemetry) -> (Vec<Cast>, NewRows) {
    let mut rows = NewRows::default();
    let mut casts = Vec::new();
    for (number, attack) in plan.attack.iter().enumerate() {
        let mut casting = Casting {
            p: &attack.parameters,
            attack,
            chance: Chance::of(seed, Purpose::Cast, number as u64, 0),
            telemetry: &mut *telemetry,
            rows: &mut rows,
            truth: Truth::default(),
        };
        casts.push(casting.cast(number as u64, plan.label_delay_days));
    }
    // Two attacks of one name and time that hide among one artist's hits say of it one thing.
    let mut said = HashSet::new();
    rows.labels.retain(|label| said.insert(label.clone()));
    (casts, rows)
}

struct Casting<'a> {
    attack: &'a Attack,
    p: &'a Parameters,
    chance: Chance,
    telemetry: &'a mut Telemetry,
    rows: &'a mut NewRows,
    truth: Truth,
}

impl Casting<'_> {
    fn cast(&mut self, number: u64, label_delay_days: f64) -> Cast {
        let (from, until) = self.span();
        // It turns at a midnight, and listens on no day of its own where it is too short for that.
        let turn = from + ((until - from) as f64 * self.p.sleep) as Millis;
        let turn = (turn.div_euclid(DAY_MS) * DAY_MS).max(from);
        let donors = self.donors(from, until);
        let mut music = match self.attack.family.music() {
            Music::Own => self.new_tracks(turn),
            Music::Victim => self.victim(),
            Music::Hits => self.hits(self.p.tracks, self.p.track_secs, true),
            Music::Favourite | Music::Nothing => Vec::new(),
        };
        music.extend(self.innocents());
        shuffle(&mut music, &mut self.chance);
        let playlist = self.p.playlist.then(|| self.new_playlist());
        let members = self.members(&donors, (from, until), &mut music);
        self.label((turn, until), label_delay_days);
        Cast { number, attack: self.attack.clone(), from, until, turn, members, music, playlist }
    }

    /// From when to when: within the data, and not so late that nothing is left of it.
    fn span(&self) -> (Millis, Millis) {
        let (first, end) = (self.telemetry.first_at, self.telemetry.last_at + 1);
        let length = ((self.p.days * DAY_MS as f64) as Millis).clamp(1, end - first);
        let from = self.telemetry.at_share(self.p.start).clamp(first, end - length.min((end - first) / 2).max(1));
        (from, (from + length).min(end))
    }

    /// The accounts to model members after, or to hijack, in the order in which members take them.
    fn donors(&mut self, from: Millis, until: Millis) -> Vec<usize> {
        let all = &self.telemetry.donors;
        let takes_part = |donor: usize| match self.attack.family.members() {
            Members::Hijacked => all[donor].plays.iter().any(|play| (from..until).contains(&play.ended_at)),
            Members::New | Members::Copies => all[donor].plays.len() >= MODEL_PLAYS,
        };
        let mut donors: Vec<usize> = (0..all.len()).collect();
        shuffle(&mut donors, &mut self.chance);
        donors.sort_by_key(|donor| !takes_part(*donor));
        let suited = donors.iter().filter(|donor| takes_part(**donor)).count();
        // A hijacker takes further accounts before it takes one twice; a model may serve twice.
        if suited > 0 && self.attack.family.members() != Members::Hijacked {
            donors.truncate(suited);
        }
        donors
    }

    fn members(&mut self, donors: &[usize], span: (Millis, Millis), music: &mut Vec<Piece>) -> Vec<Member> {
        let mut members: Vec<Member> = Vec::new();
        let (mut device, mut address, mut payment) = (None, None, None);
        for number in 0..self.p.accounts {
            let donor = donors[number as usize % donors.len()];
            let begins = |per: u32| number % per == 0;
            device = device.filter(|_| !begins(self.p.accounts_per_device)).or_else(|| Some(self.id(IdSpace::Device)));
            address =
                address.filter(|_| !begins(self.p.accounts_per_address)).or_else(|| Some(self.id(IdSpace::IpPrefix)));
            payment =
                payment.filter(|_| !begins(self.p.accounts_per_payment)).or_else(|| Some(self.id(IdSpace::Payment)));
            let (device, address) = (device.clone().expect("just made"), address.clone().expect("just made"));
            let account = self.account(donor, span.0, payment.clone());
            let own = match self.attack.family.music() {
                Music::Favourite => self.favourite(donor, music),
                _ => 0..music.len(),
            };
            members.push(Member {
                account,
                donor,
                tastes: std::array::from_fn(|place| match place {
                    0 => donor,
                    _ => self.chance.below(self.telemetry.donors.len()),
                }),
                devices: [device, self.id(IdSpace::Device), self.id(IdSpace::Device)],
                places: self.places(donor, &address),
                addresses: std::array::from_fn(|place| match place {
                    0 => address.clone(),
                    _ => self.id(IdSpace::IpPrefix),
                }),
                music: own,
                later_by: match self.attack.family.members() {
                    Members::Copies => self.later_by(donor, span),
                    _ => 0,
                },
            });
        }
        members
    }

    fn id(&mut self, space: IdSpace) -> Id {
        self.telemetry.new_id(space, &mut self.chance)
    }

    /// An account of the data, or a new one like one of them.
    fn account(&mut self, donor: usize, from: Millis, payment: Option<Id>) -> Id {
        let is_hijacked = self.attack.family.members() == Members::Hijacked;
        let (id, label) = match (is_hijacked, self.attack.family.is_attack()) {
            (true, _) => (self.telemetry.donors[donor].account.clone(), LabelKind::Victim),
            (false, true) => (self.id(IdSpace::Account), LabelKind::Fraud),
            (false, false) => (self.id(IdSpace::Account), LabelKind::Honest),
        };
        self.truth.add("account", [id.clone()], label);
        if is_hijacked || self.telemetry.account_rows.is_empty() {
            return id;
        }
        // Who shares a payment pays.
        let model = self.model_account(self.p.accounts_per_payment > 1);
        let age = self.chance.between(self.p.age_days[0], self.p.age_days[1]);
        let country = self.home_country(donor);
        self.rows.accounts.push(Account {
            account_id: id.clone(),
            created_at: model.created_at.map(|_| from - 1 - (age * DAY_MS as f64) as Millis),
            country: model.country.as_ref().map(|own| country.unwrap_or_else(|| own.clone())),
            payment_id: model.payment_id.as_ref().and(payment.clone()),
            family_id: model.family_id.as_ref().and(payment),
            ..model
        });
        id
    }

    fn model_account(&mut self, pays: bool) -> Account {
        let rows = &self.telemetry.account_rows;
        let mut model = &rows[self.chance.below(rows.len())];
        for _ in 0..DRAWS {
            if pays && model.payment_id.is_none() {
                model = &rows[self.chance.below(rows.len())];
            }
        }
        model.clone()
    }

    /// Where the account plays most.
    fn home_country(&self, donor: usize) -> Option<String> {
        let home = self.telemetry.donors[donor].home?;
        Some(self.telemetry.words[home as usize].clone())
    }

    /// Where the account is, if not where its model is.
    fn places(&mut self, donor: usize, address: &Id) -> Vec<Place> {
        let at_home = self.p.network == Network::Home && !self.p.abroad && self.p.countries == 1;
        if at_home {
            return Vec::new();
        }
        let home = self.home_country(donor);
        let known: BTreeSet<String> =
            self.telemetry.countries.iter().map(|word| self.telemetry.words[*word as usize].clone()).collect();
        let mut others: Vec<String> = known.iter().filter(|word| Some(*word) != home.as_ref()).cloned().collect();
        shuffle(&mut others, &mut self.chance);
        if home.is_some() {
            others.extend(COUNTRIES.iter().filter(|code| !known.contains(**code)).map(|code| (*code).to_owned()));
        }
        let mut countries: Vec<Option<String>> = others.into_iter().map(Some).collect();
        if !self.p.abroad || countries.is_empty() {
            countries.insert(0, home);
        }
        countries.truncate(self.p.countries as usize);
        let mut places = Vec::new();
        for country in countries {
            let address = if places.is_empty() { address.clone() } else { self.id(IdSpace::IpPrefix) };
            places.push(Place { asn: self.asn(country.as_deref()), country, address });
        }
        places
    }

    /// A network of the kind that the attack uses, of the data where there is one.
    fn asn(&mut self, country: Option<&str>) -> Option<u32> {
        let kind = match self.p.network {
            Network::Home => NetworkKind::Residential,
            Network::Mobile => NetworkKind::Mobile,
            Network::Hosting => NetworkKind::Hosting,
            Network::Vpn => NetworkKind::Vpn,
        };
        let local = self.telemetry.asns(country);
        let of_kind = of_kind(self.telemetry.networks.as_deref().unwrap_or_default(), kind);
        let hides = matches!(self.p.network, Network::Hosting | Network::Vpn);
        let among: Vec<u32> = match hides {
            true => of_kind,
            false => {
                let local_of_kind: Vec<u32> = local.iter().filter(|asn| of_kind.contains(asn)).copied().collect();
                if local_of_kind.is_empty() { local } else { local_of_kind }
            }
        };
        if !among.is_empty() {
            return Some(among[self.chance.below(among.len())]);
        }
        hides.then(|| self.new_network(kind))
    }

    fn new_network(&mut self, kind: NetworkKind) -> u32 {
        let asn = PRIVATE_ASN.0 + self.chance.below_u64(PRIVATE_ASN.1) as u32;
        if let Some(networks) = &mut self.telemetry.networks {
            networks.push(NetworkRow { asn, kind });
            self.rows.networks.push(NetworkRow { asn, kind });
        }
        asn
    }

    /// Moves a copied account's plays by whole weeks (by days, where few weeks are known), so that most of those that are known fall into the attack.
    fn later_by(&mut self, donor: usize, (from, until): (Millis, Millis)) -> Millis {
        let plays = &self.telemetry.donors[donor].plays;
        let (first, last) = (plays[0].ended_at, plays[plays.len() - 1].ended_at);
        let unit = if last - first >= 28 * DAY_MS { 7 * DAY_MS } else { DAY_MS };
        let within = |later: Millis| {
            let before = |at: Millis| plays.partition_point(|play| play.ended_at + later < at);
            before(until) - before(from)
        };
        let nearest = (from - first).div_euclid(unit);
        let most = (last - first).div_euclid(unit).min(600);
        // Not at the same time: a copy is made of what was seen before.
        let steps = (nearest - most..=nearest + 1).filter(|step| *step != 0);
        let key = |later: &Millis| (*later > 0 && within(*later) >= MODEL_PLAYS, within(*later), -later.abs());
        steps.map(|step| step * unit).max_by_key(key).unwrap_or(unit)
    }

    /// New tracks of new artists.
    fn new_tracks(&mut self, turn: Millis) -> Vec<Piece> {
        let label = if self.attack.family.is_attack() { LabelKind::Fraud } else { LabelKind::Honest };
        let uploaders: Vec<Id> = (0..self.p.uploaders).map(|_| self.id(IdSpace::Uploader)).collect();
        let (mut pieces, before) = (Vec::new(), self.rows.tracks.len());
        let mut artist: Option<(Id, Track)> = None;
        for number in 0..self.p.tracks {
            let (artist_id, of_artist) = match artist.take().filter(|_| number % self.p.tracks_per_artist != 0) {
                Some(artist) => artist,
                None => self.new_artist(&uploaders, label),
            };
            let id = self.id(IdSpace::Track);
            let length_ms = self.new_length(&of_artist);
            if !self.telemetry.track_rows.is_empty() {
                let row = self.new_track(&id, length_ms, &of_artist, turn);
                self.rows.tracks.push(row);
            }
            self.truth.add("track", [id.clone()], label);
            pieces.push(Piece { id, length_ms, aim: true });
            artist = Some((artist_id, of_artist));
        }
        let used: BTreeSet<Id> = self.rows.tracks[before..].iter().filter_map(|row| row.uploader_id.clone()).collect();
        self.truth.add("uploader", used, label);
        pieces
    }

    /// A new artist: a row of the catalogue in which name and ids are new.
    fn new_artist(&mut self, uploaders: &[Id], label: LabelKind) -> (Id, Track) {
        let id = self.id(IdSpace::Artist);
        let mut model = self.model_track().unwrap_or_else(|| Track::new(id.clone()));
        let names = [model.artist_name.take(), self.model_track().and_then(|row| row.artist_name)];
        model.artist_name = joined(names, &mut self.chance);
        if model.artist_id.is_some() {
            model.artist_id = Some(id.clone());
            self.truth.add("artist", [id.clone()], label);
        }
        let uploader = uploaders[self.chance.below(uploaders.len())].clone();
        model.uploader_id = model.uploader_id.map(|_| uploader);
        (id, model)
    }

    fn model_track(&mut self) -> Option<Track> {
        let rows = &self.telemetry.track_rows;
        (!rows.is_empty()).then(|| rows[self.chance.below(rows.len())].clone())
    }

    fn new_length(&mut self, of_artist: &Track) -> u32 {
        let [low, high] = self.p.track_secs;
        let model = of_artist.duration_ms.and_then(|ms| u32::try_from(ms).ok()).filter(|ms| *ms >= 31_000);
        match (high > 0.0, model) {
            (true, _) => (self.chance.between(low, high) * 1_000.0).max(1_000.0) as u32,
            (false, Some(model)) => (f64::from(model) * self.chance.between(0.8, 1.2)).min(3_600_000.0) as u32,
            (false, None) => (self.chance.lognormal(203.0, 0.3) * 1_000.0) as u32,
        }
    }

    fn new_track(&mut self, id: &Id, length_ms: u32, of_artist: &Track, turn: Millis) -> Track {
        let titles = [self.model_track().and_then(|row| row.title), self.model_track().and_then(|row| row.title)];
        let age = self.chance.between(self.p.released_days[0], self.p.released_days[1]);
        let released_at = turn - 1 - (age * DAY_MS as f64) as Millis;
        let isrc = of_artist.isrc.as_ref().map(|isrc| renumbered(isrc, &mut self.chance));
        Track {
            track_id: id.clone(),
            content_id: of_artist.content_id.as_ref().map(|_| id.clone()),
            isrc,
            title: of_artist.title.as_ref().and(joined(titles, &mut self.chance)),
            version: None,
            duration_ms: of_artist.duration_ms.map(|_| u64::from(length_ms)),
            uploaded_at: of_artist.uploaded_at.map(|_| released_at),
            released_at: of_artist.released_at.map(|_| released_at),
            audio_uri: None,
            valid_from: None,
            ..of_artist.clone()
        }
    }

    /// The tracks of an artist of the middle: known to some.
    fn victim(&mut self) -> Vec<Piece> {
        let artists = &self.telemetry.artists;
        let among = artists.len() / 20..(artists.len() / 2).max(1);
        let chosen = match artists.is_empty() {
            true => None,
            false => Some(artists[among.start + self.chance.below(among.len())].clone()),
        };
        let tracks = match chosen {
            Some((artist, tracks)) => {
                self.truth.add("artist", [artist], LabelKind::Victim);
                tracks
            }
            // Without artists in the catalogue, tracks stand for themselves.
            None => {
                let hits = &self.telemetry.hits;
                vec![hits[self.chance.below(hits.len())]]
            }
        };
        let tracks: Vec<u32> = tracks.into_iter().take(self.p.tracks as usize).collect();
        let pieces: Vec<Piece> = tracks.into_iter().map(|track| self.piece(track, true)).collect();
        self.truth.add("track", pieces.iter().map(|piece| piece.id.clone()), LabelKind::Victim);
        pieces
    }

    fn piece(&self, track: u32, aim: bool) -> Piece {
        let known = &self.telemetry.tracks[track as usize];
        Piece { id: known.id.clone(), length_ms: self.telemetry.length_ms(track), aim }
    }

    /// What everybody plays, without repeats, best known first; of these lengths, where there are enough.
    fn hits(&mut self, count: u32, [least_secs, most_secs]: [f64; 2], aim: bool) -> Vec<Piece> {
        let secs = |track: u32| f64::from(self.telemetry.length_ms(track)) / 1_000.0;
        let so_long = |track: &u32| (least_secs..=most_secs).contains(&secs(*track));
        let of_length: Vec<u32> = self.telemetry.hits.iter().copied().filter(so_long).collect();
        let hits = if of_length.len() < 4 * count as usize { &self.telemetry.hits } else { &of_length };
        let pool = (hits.len() / 20).max(4 * count as usize).min(hits.len());
        let mut places: BTreeSet<usize> = BTreeSet::new();
        for _ in 0..8 * count {
            if places.len() < count as usize {
                places.insert(self.chance.rank(pool, 0.8, 0.0));
            }
        }
        places.into_iter().map(|place| self.piece(hits[place], aim)).collect()
    }

    /// Hits of others beside the targets; their artists are victims.
    fn innocents(&mut self) -> Vec<Piece> {
        if self.p.innocents == 0 {
            return Vec::new();
        }
        let pieces = self.hits(self.p.innocents, [0.0; 2], false);
        let ids: BTreeSet<&Id> = pieces.iter().map(|piece| &piece.id).collect();
        let innocents = self.telemetry.tracks.iter().filter(|known| ids.contains(&known.id));
        let artists: BTreeSet<Id> = innocents.filter_map(|known| known.artist.clone()).collect();
        self.truth.add("artist", artists, LabelKind::Victim);
        pieces
    }

    /// The tracks of the artist that the model plays most, for one member.
    fn favourite(&mut self, donor: usize, music: &mut Vec<Piece>) -> Range<usize> {
        let tracks = &self.telemetry.tracks;
        let mut plays: BTreeMap<Option<&Id>, BTreeMap<u32, u32>> = BTreeMap::new();
        for play in &self.telemetry.donors[donor].plays {
            let artist = tracks[play.track as usize].artist.as_ref();
            *plays.entry(artist).or_default().entry(play.track).or_default() += 1;
        }
        let first = music.len();
        // Artists that are told go before plays of none.
        let known = |tracks: &BTreeMap<u32, u32>| tracks.values().sum::<u32>();
        let favourite = plays.iter().max_by_key(|(artist, tracks)| (artist.is_some(), known(tracks), **artist));
        if let Some((_, tracks)) = favourite {
            let mut tracks: Vec<(u32, u32)> = tracks.iter().map(|(track, plays)| (*plays, *track)).collect();
            tracks.sort_unstable_by(|a, b| b.cmp(a));
            music.extend(tracks.into_iter().take(self.p.tracks as usize).map(|(_, track)| self.piece(track, true)));
        }
        first..music.len()
    }

    fn new_playlist(&mut self) -> Id {
        let id = self.id(IdSpace::Playlist);
        let label = if self.attack.family.is_attack() { LabelKind::Fraud } else { LabelKind::Honest };
        let rows = &self.telemetry.playlist_rows;
        if !rows.is_empty() {
            let model = rows[self.chance.below(rows.len())].clone();
            let followers = 1 + self.chance.below(60) as u64;
            self.rows.playlists.push(Playlist {
                playlist_id: id.clone(),
                owner_id: None,
                editorial: model.editorial.map(|_| false),
                followers: model.followers.map(|_| followers),
            });
        }
        self.truth.add("playlist", [id.clone()], label);
        id
    }

    fn label(&mut self, (from, until): (Millis, Millis), delay_days: f64) {
        let labelled_at = until + (delay_days * DAY_MS as f64) as Millis;
        let mut seen = BTreeSet::new();
        for (subject, subject_id, label) in std::mem::take(&mut self.truth).subjects {
            if seen.insert((subject, subject_id.clone())) {
                self.rows.labels.push(Label {
                    subject: subject.to_owned(),
                    subject_id,
                    label,
                    attack: Some(self.attack.name()),
                    from: Some(from),
                    until: Some(until),
                    labelled_at: Some(labelled_at),
                    labelled_by: Some("injected".to_owned()),
                });
            }
        }
    }
}

fn shuffle<T>(values: &mut [T], chance: &mut Chance) {
    for place in (1..values.len()).rev() {
        values.swap(place, chance.below(place + 1));
    }
}

/// The first words of one text and the last of another.
fn joined(texts: [Option<String>; 2], chance: &mut Chance) -> Option<String> {
    let [first, second] = texts;
    let (first, second) = (first?, second?);
    let (first, second): (Vec<&str>, Vec<&str>) = (first.split(' ').collect(), second.split(' ').collect());
    let (until, from) = (1 + chance.below(first.len()), chance.below(second.len()));
    Some([&first[..until.min(4)], &second[from..(from + 4).min(second.len())]].concat().join(" "))
}

/// The code with another number at its end.
fn renumbered(isrc: &str, chance: &mut Chance) -> String {
    let digits = isrc.chars().rev().take(5).filter(char::is_ascii_digit).count();
    let kept: String = isrc.chars().take(isrc.chars().count() - digits).collect();
    (0..digits).fold(kept, |isrc, _| format!("{isrc}{}", chance.below(10)))
}
