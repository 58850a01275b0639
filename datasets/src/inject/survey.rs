//! Looks through the data once: from when to when it goes, which ids are taken, and what people do in it.
//!
//! ```text
//! plays ────────────┬─▶ plays per day
//! tracks, accounts, ├─▶ ids taken, forms of ids
//! labels, networks  └─▶ a sample of accounts with their plays ──▶ tracks, habits, hits
//! ```
//!
//! Memory does not grow with the plays: a few hundred accounts are kept, those with the smallest hashes. Such an account
//! was among the smallest ever since its first play, so that all its plays were seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hashbrown::{HashMap, HashSet};
use records::{Account, Distributor, Id, IdSpace, Label, LabelKind, Millis, Network, NetworkKind, Playlist, Track};

use super::ids::{Mint, Taken, hash, hash_number, hash_text};
use crate::Error;
use crate::chance::{Chance, Purpose};
use crate::tables::read::{FromRow, INSTANT_MAX, INSTANT_MIN, IdKinds, id_kinds, read_all};
use crate::tables::rows::{Rows, Value, count_rows};
use crate::tables::{IdKind, Inputs};
use crate::world::DAY_MS;

/// Accounts kept with their plays, and plays kept of each: at most about 250 MB, usually a tenth of it.
const DONORS: usize = 600;
const DONOR_PLAYS: usize = 4_096;
/// Rows of the small tables kept as models for new ones, and ids of each kind for their form.
const MODELS: usize = 2_048;
const FORMS: usize = 512;
/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 65_536;
/// Delays of more than this are taken for clocks that were wrong.
const DELAY_MAX_MS: Millis = 30 * DAY_MS;

/// A play of a sampled account; words and ids are indices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub ended_at: Millis,
    /// After how long the platform learned of it, if the data tell.
    pub delay: Option<Millis>,
    pub track: u32,
    pub played_ms: u32,
    pub track_ms: Option<u32>,
    /// Which of the account's devices and addresses, in the order of their first use.
    pub device: Option<u8>,
    pub address: Option<u8>,
    pub asn: Option<u32>,
    pub country: Option<u32>,
    pub platform: Option<u32>,
    pub source: Option<u32>,
    pub playlist: Option<u32>,
    pub reason_start: Option<u32>,
    pub reason_end: Option<u32>,
    pub shuffle: Option<bool>,
    pub offline: Option<bool>,
}

/// A sampled account, after which others are modelled.
#[derive(Debug)]
pub(super) struct Donor {
    pub account: Id,
    /// By their end; the first few thousand that were read.
    pub plays: Vec<Seen>,
    /// The country of most of them.
    pub home: Option<u32>,
    /// Share of its plays that end in each hour of the day (UTC), summed up.
    pub hours: [f64; 24],
    /// The hour (UTC) at which its quietest six begin.
    pub night: i64,
    /// Plays on a day on which it plays, in the middle, and the share of such days.
    pub plays_per_day: f64,
    pub active: f64,
}

/// A track that sampled accounts played.
#[derive(Debug)]
pub(super) struct Known {
    pub id: Id,
    pub length_ms: Option<u32>,
    pub artist: Option<Id>,
    pub released_at: Option<Millis>,
}

/// What is known of the data.
pub(super) struct Telemetry {
    pub kinds: IdKinds,
    pub rows: u64,
    /// The first and the last end of a play.
    pub first_at: Millis,
    pub last_at: Millis,
    /// The last arrival.
    pub arrived_at: Millis,
    pub plays_per_day: BTreeMap<i64, u64>,
    pub donors: Vec<Donor>,
    pub tracks: Vec<Known>,
    /// Tracks that most of the sampled accounts played, the best known first.
    pub hits: Vec<u32>,
    /// Artists of the tracks, the best known first, each with its tracks.
    pub artists: Vec<(Id, Vec<u32>)>,
    pub words: Vec<String>,
    pub playlists: Vec<Id>,
    /// Countries in which sampled accounts played.
    pub countries: Vec<u32>,
    /// Autonomous systems from which sampled accounts played, by country.
    asns: BTreeMap<Option<u32>, BTreeSet<u32>>,
    /// How plays that were heard to the end, and others, began and ended.
    pub reasons: [Vec<Reasons>; 2],
    pub account_rows: Vec<Account>,
    pub track_rows: Vec<Track>,
    pub playlist_rows: Vec<Playlist>,
    /// Autonomous systems by kind; `None` without a table of networks.
    pub networks: Option<Vec<Network>>,
    pub taken: Taken,
    mints: Vec<Mint>,
}

/// How a play began and how it ended.
pub(super) type Reasons = (Option<u32>, Option<u32>);

/// The values with the smallest hashes.
struct Smallest<T> {
    kept: BTreeMap<u64, T>,
    most: usize,
}

impl<T> Smallest<T> {
    fn new(most: usize) -> Smallest<T> {
        Smallest { kept: BTreeMap::new(), most }
    }

    fn offer(&mut self, hash: u64, make: impl FnOnce() -> T) -> Option<&mut T> {
        if self.kept.len() >= self.most {
            match self.kept.last_key_value() {
                Some((greatest, _)) if *greatest < hash => return None,
                _ if self.kept.contains_key(&hash) => (),
                _ => _ = self.kept.pop_last(),
            }
        }
        Some(self.kept.entry(hash).or_insert_with(make))
    }

    fn into_values(self) -> Vec<T> {
        self.kept.into_values().collect()
    }
}

/// Gives equal values one number.
struct Numbered<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Numbered<T> {
        Numbered { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbered<T> {
    fn of(&mut self, value: T) -> u32 {
        *self.numbers.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            self.values.len() as u32 - 1
        })
    }
}

/// A sampled account in the making.
struct Kept {
    account: Id,
    plays: Vec<Seen>,
    devices: Vec<u64>,
    addresses: Vec<u64>,
}

/// The columns of plays, in the order in which [`PlayRow`] asks for them.
const COLUMNS: [&str; 18] = [
    "play_id",
    "ended_at",
    "account_id",
    "track_id",
    "played_ms",
    "device_id",
    "ip_prefix",
    "playlist_id",
    "arrived_at",
    "track_ms",
    "asn",
    "country",
    "platform",
    "source",
    "reason_start",
    "reason_end",
    "shuffle",
    "offline",
];
/// The first of them that hold ids, and of which space.
const ID_COLUMNS: [(usize, IdSpace); 6] = [
    (0, IdSpace::Play),
    (2, IdSpace::Account),
    (3, IdSpace::Track),
    (5, IdSpace::Device),
    (6, IdSpace::IpPrefix),
    (7, IdSpace::Playlist),
];

/// Everything that is gathered while rows go by.
struct Survey {
    kinds: IdKinds,
    seed: u64,
    taken: Taken,
    forms: [Smallest<Id>; IdSpace::ALL.len()],
    greatest: [u64; IdSpace::ALL.len()],
    donors: Smallest<Kept>,
    left_out: HashSet<u64>,
    tracks: Numbered<Id>,
    words: Numbered<String>,
    playlists: Numbered<Id>,
    plays_per_day: BTreeMap<i64, u64>,
    span: Option<(Millis, Millis, Millis)>,
    rows: u64,
}

impl Telemetry {
    /// Surveys the tables; `progress` hears how many rows of plays were seen, of how many.
    ///
    /// # Errors
    /// When a file cannot be read, lacks a required column, or no row is a play.
    pub fn survey(inputs: &Inputs, seed: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<Telemetry, Error> {
        let kinds = id_kinds(inputs.by_table())?;
        let total = inputs.plays.iter().map(|path| count_rows(path)).sum::<Result<u64, Error>>()?;
        let mut survey = Survey::new(kinds, seed, total);
        survey.leave_out(&inputs.labels)?;
        for path in &inputs.plays {
            survey.plays(path, total, progress)?;
        }
        survey.finish(inputs)
    }

    /// The ids of a space.
    pub fn new_id(&mut self, space: IdSpace, chance: &mut Chance) -> Id {
        self.mints[space as usize].next(&mut self.taken, chance)
    }

    /// The length of a known track, in milliseconds.
    pub fn length_ms(&self, track: u32) -> u32 {
        self.tracks[track as usize].length_ms.unwrap_or(UNKNOWN_LENGTH_MS)
    }

    /// Autonomous systems of people in the country, as far as the sample tells; those that hide people are left out.
    pub fn asns(&self, country: Option<&str>) -> Vec<u32> {
        let word = country.and_then(|country| self.words.iter().position(|word| word == country));
        let seen = self.asns.get(&word.map(|word| word as u32));
        seen.into_iter().flatten().copied().collect()
    }

    /// The instant before which this share of the plays ended, to a day.
    pub fn at_share(&self, share: f64) -> Millis {
        let mut before = 0;
        let wanted = share * self.rows as f64;
        for (day, plays) in &self.plays_per_day {
            if (before + plays) as f64 > wanted {
                return (day * DAY_MS).max(self.first_at);
            }
            before += plays;
        }
        self.last_at
    }
}

/// The median song of real listeners (docs/WORLD.md), where the data tell no length.
const UNKNOWN_LENGTH_MS: u32 = 203_000;

impl Survey {
    fn new(kinds: IdKinds, seed: u64, rows: u64) -> Survey {
        Survey {
            kinds,
            seed,
            taken: Taken::for_rows(rows),
            forms: std::array::from_fn(|_| Smallest::new(FORMS)),
            greatest: [0; IdSpace::ALL.len()],
            donors: Smallest::new(DONORS),
            left_out: HashSet::new(),
            tracks: Numbered::default(),
            words: Numbered::default(),
            playlists: Numbered::default(),
            plays_per_day: BTreeMap::new(),
            span: None,
            rows: 0,
        }
    }

    /// Accounts that are known frauds or victims are nobody to learn ordinary listening from.
    fn leave_out(&mut self, labels: &[PathBuf]) -> Result<(), Error> {
        let mut left_out = HashSet::new();
        let kind = self.kinds[IdSpace::Account as usize];
        read_all(
            labels,
            &self.kinds,
            |label: Label| {
                if label.subject == "account" && label.label != LabelKind::Honest {
                    left_out.insert(match (kind, label.subject_id.to_string().parse()) {
                        (IdKind::Number, Ok(number)) => hash_number(IdSpace::Account, number),
                        _ => hash_text(IdSpace::Account, &label.subject_id.to_string()),
                    });
                }
            },
            &mut Vec::new(),
        )?;
        self.left_out = left_out;
        Ok(())
    }

    fn plays(&mut self, path: &Path, total: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let found = crate::tables::rows::columns(path)?;
        let found: Vec<String> = found.into_iter().map(|column| column.name).collect();
        if let Some(column) = COLUMNS[..5].iter().find(|column| !found.iter().any(|name| name == *column)) {
            return Err(Error::MissingColumn { path: path.to_owned(), table: "plays", column, found });
        }
        let mut rows = Rows::open(path, &COLUMNS)?;
        while rows.advance()? {
            self.rows += 1;
            if self.rows.is_multiple_of(PROGRESS_ROWS) {
                progress(self.rows, total);
            }
            self.play(&rows);
        }
        progress(self.rows, total);
        Ok(())
    }

    /// What the row tells; a row that a replay refuses tells its ids only.
    fn play(&mut self, row: &Rows) {
        let mut hashes = [0; ID_COLUMNS.len()];
        for (place, (column, space)) in ID_COLUMNS.into_iter().enumerate() {
            hashes[place] = self.id(space, row.value(column)).unwrap_or(0);
        }
        let (Value::Int(ended_at), Some(played_ms)) = (row.value(1), whole(row.value(4))) else { return };
        let [_, account_hash, track_hash, device, address, _] = hashes;
        if account_hash == 0 || track_hash == 0 || !(INSTANT_MIN..INSTANT_MAX).contains(&ended_at) {
            return;
        }
        let arrived_at = if let Value::Int(arrived_at) = row.value(8) { Some(arrived_at) } else { None };
        self.note(ended_at, arrived_at);
        if self.left_out.contains(&account_hash) {
            return;
        }
        let key = Chance::mixed(account_hash ^ Chance::mixed(self.seed ^ Purpose::Sample as u64));
        let text_ids = self.kinds[IdSpace::Account as usize] == IdKind::Text;
        let made = || Kept {
            account: id_of(row.value(2), text_ids).expect("hashed above"),
            plays: Vec::new(),
            devices: Vec::new(),
            addresses: Vec::new(),
        };
        let Some(kept) = self.donors.offer(key, made) else { return };
        if kept.plays.len() >= DONOR_PLAYS {
            return;
        }
        let text_tracks = self.kinds[IdSpace::Track as usize] == IdKind::Text;
        let text_playlists = self.kinds[IdSpace::Playlist as usize] == IdKind::Text;
        let words = &mut self.words;
        let mut word = |column| match row.value(column) {
            Value::Text(text) => Some(words.of(text.to_owned())),
            _ => None,
        };
        let flag = |column| if let Value::Bool(flag) = row.value(column) { Some(flag) } else { None };
        kept.plays.push(Seen {
            ended_at,
            delay: arrived_at.map(|at| (at - ended_at).clamp(-DAY_MS, DELAY_MAX_MS)),
            track: self.tracks.of(id_of(row.value(3), text_tracks).expect("hashed above")),
            played_ms,
            track_ms: whole(row.value(9)),
            device: (device != 0).then(|| ordinal(&mut kept.devices, device)),
            address: (address != 0).then(|| ordinal(&mut kept.addresses, address)),
            asn: whole(row.value(10)),
            country: word(11),
            platform: word(12),
            source: word(13),
            playlist: id_of(row.value(7), text_playlists).map(|id| self.playlists.of(id)),
            reason_start: word(14),
            reason_end: word(15),
            shuffle: flag(16),
            offline: flag(17),
        });
    }

    fn note(&mut self, ended_at: Millis, arrived_at: Option<Millis>) {
        let arrival = arrived_at.unwrap_or(ended_at).max(ended_at);
        self.span = Some(self.span.map_or((ended_at, ended_at, arrival), |(first, last, arrived)| {
            (first.min(ended_at), last.max(ended_at), arrived.max(arrival))
        }));
        *self.plays_per_day.entry(ended_at.div_euclid(DAY_MS)).or_default() += 1;
    }

    /// Takes the id; its hash, which is never 0, or `None` where there is none.
    fn id(&mut self, space: IdSpace, value: Value<'_>) -> Option<u64> {
        let text_ids = self.kinds[space as usize] == IdKind::Text;
        let hash = match value {
            Value::Text(text) => hash_text(space, text),
            _ if text_ids => hash_text(space, &number_of(value)?.to_string()),
            _ => {
                let number = number_of(value)?;
                self.greatest[space as usize] = self.greatest[space as usize].max(number);
                hash_number(space, number)
            }
        };
        self.taken.take(hash);
        self.forms[space as usize].offer(hash, || id_of(value, text_ids).expect("an id has a hash"));
        Some(hash.max(1))
    }

    /// Takes the id of a record.
    fn take(&mut self, space: IdSpace, id: Option<&Id>) {
        let Some(id) = id else { return };
        match id {
            Id::Number(number) => self.id(space, Value::UInt(*number)),
            Id::Text(text) => self.id(space, Value::Text(text)),
        };
    }

    /// Goes through a small table; keeps some of its rows.
    fn table<R: FromRow>(
        &mut self,
        paths: &[PathBuf],
        mut look: impl FnMut(&mut Survey, &R) -> u64,
    ) -> Result<Vec<R>, Error> {
        let mut models = Smallest::new(MODELS);
        let kinds = self.kinds;
        read_all(paths, &kinds, |row: R| _ = models.offer(look(self, &row), || row), &mut Vec::new())?;
        Ok(models.into_values())
    }

    fn finish(mut self, inputs: &Inputs) -> Result<Telemetry, Error> {
        let Some((first_at, last_at, arrived_at)) = self.span else {
            return Err(Error::Input("no row of the plays is a play that can be learned from".to_owned()));
        };
        let kept = std::mem::replace(&mut self.donors, Smallest::new(0)).into_values();
        if kept.is_empty() {
            let why =
                "every account of the data is labelled fraud or victim: there is no ordinary listening to learn from";
            return Err(Error::Input(why.to_owned()));
        }
        let mut tracks: Vec<Known> = self.tracks.values.iter().map(|id| Known::new(id.clone())).collect();
        lengths_heard(&kept, &mut tracks);

        let account_rows = self.table(&inputs.accounts, |survey, row: &Account| {
            survey.take(IdSpace::Account, Some(&row.account_id));
            survey.take(IdSpace::Payment, row.payment_id.as_ref());
            hash(IdSpace::Account, &row.account_id)
        })?;
        let track_rows = self.table(&inputs.tracks, |survey, row: &Track| {
            survey.take(IdSpace::Track, Some(&row.track_id));
            survey.take(IdSpace::Artist, row.artist_id.as_ref());
            survey.take(IdSpace::Uploader, row.uploader_id.as_ref());
            survey.take(IdSpace::Distributor, row.distributor_id.as_ref());
            if let Some(number) = survey.tracks.numbers.get(&row.track_id) {
                tracks[*number as usize].learn(row);
            }
            hash(IdSpace::Track, &row.track_id)
        })?;
        let playlist_rows = self.table(&inputs.playlists, |survey, row: &Playlist| {
            survey.take(IdSpace::Playlist, Some(&row.playlist_id));
            hash(IdSpace::Playlist, &row.playlist_id)
        })?;
        self.table(&inputs.distributors, |survey, row: &Distributor| {
            survey.take(IdSpace::Distributor, Some(&row.distributor_id));
            0
        })?;
        let networks = match inputs.networks.is_empty() {
            true => None,
            false => Some(self.table(&inputs.networks, |_, row: &Network| Chance::mixed(u64::from(row.asn)))?),
        };

        let donors: Vec<Donor> = kept.into_iter().map(Donor::of).collect();
        let (hits, artists) = best_known(&donors, &tracks);
        let plays = || donors.iter().flat_map(|donor| &donor.plays);
        let countries: BTreeSet<u32> = plays().filter_map(|play| play.country).collect();
        let hosted = networks.iter().flatten().filter(|network| network.kind.is_hosted());
        let hosted: BTreeSet<u32> = hosted.map(|network| network.asn).collect();
        let mut asns: BTreeMap<Option<u32>, BTreeSet<u32>> = BTreeMap::new();
        for play in plays() {
            asns.entry(play.country).or_default().extend(play.asn.filter(|asn| !hosted.contains(asn)));
        }
        let reasons = [true, false].map(|whole| {
            let alike = plays().filter(|play| is_whole(play, &tracks) == whole && play.played_ms >= 30_000);
            alike.take(MODELS).map(|play| (play.reason_start, play.reason_end)).collect()
        });
        let forms = std::mem::replace(&mut self.forms, std::array::from_fn(|_| Smallest::new(0)));
        let mints = IdSpace::ALL.into_iter().zip(forms).map(|(space, some)| {
            Mint::like(space, self.kinds[space as usize], some.into_values(), self.greatest[space as usize])
        });
        Ok(Telemetry {
            kinds: self.kinds,
            rows: self.rows,
            first_at,
            last_at,
            arrived_at,
            plays_per_day: self.plays_per_day,
            hits,
            artists,
            countries: countries.into_iter().collect(),
            asns,
            reasons,
            mints: mints.collect(),
            donors,
            tracks,
            words: self.words.values,
            playlists: self.playlists.values,
            account_rows,
            track_rows,
            playlist_rows,
            networks,
            taken: self.taken,
        })
    }
}

impl Known {
    fn new(id: Id) -> Known {
        Known { id, length_ms: None, artist: None, released_at: None }
    }

    fn learn(&mut self, row: &Track) {
        let length = row.duration_ms.and_then(|ms| u32::try_from(ms).ok()).filter(|ms| *ms > 0);
        self.length_ms = length.or(self.length_ms);
        self.artist = self.artist.take().or_else(|| row.artist_id.clone());
        self.released_at = self.released_at.or(row.released_at);
    }
}

impl Donor {
    fn of(kept: Kept) -> Donor {
        let mut plays = kept.plays;
        plays.sort_by_key(|play| play.ended_at);
        let mut per_hour = [0.0; 24];
        let mut per_day: BTreeMap<i64, u32> = BTreeMap::new();
        let mut per_country: BTreeMap<u32, u32> = BTreeMap::new();
        for play in &plays {
            if let Some(country) = play.country {
                *per_country.entry(country).or_default() += 1;
            }
            per_hour[(play.ended_at.div_euclid(3_600_000)).rem_euclid(24) as usize] += 1.0;
            *per_day.entry(play.ended_at.div_euclid(DAY_MS)).or_default() += 1;
        }
        let quiet = |from: usize| (0..6).map(|hour| per_hour[(from + hour) % 24]).sum::<f64>();
        let night = (0..24).min_by(|a, b| quiet(*a).total_cmp(&quiet(*b))).unwrap_or(0) as i64;
        let mut sum = 0.0;
        let hours = per_hour.map(|plays_of_hour| {
            sum += plays_of_hour / plays.len().max(1) as f64;
            sum
        });
        let days =
            per_day.last_key_value().map_or(0, |(day, _)| *day) - per_day.first_key_value().map_or(0, |(day, _)| *day);
        let active = per_day.len() as f64 / (days + 1) as f64;
        let mut counts: Vec<u32> = per_day.into_values().collect();
        counts.sort_unstable();
        let plays_per_day = f64::from(counts.get(counts.len() / 2).copied().unwrap_or(1));
        let home = per_country.into_iter().max_by_key(|(country, plays)| (*plays, std::cmp::Reverse(*country)));
        let home = home.map(|(country, _)| country);
        Donor { account: kept.account, plays, home, hours, night, plays_per_day, active }
    }

    /// One of its plays.
    pub fn draw(&self, chance: &mut Chance) -> &Seen {
        &self.plays[chance.below(self.plays.len())]
    }
}

/// Where neither the catalogue nor the play tells a length, a track is as long as it was ever heard.
fn lengths_heard(kept: &[Kept], tracks: &mut [Known]) {
    for play in kept.iter().flat_map(|kept| &kept.plays) {
        let length = &mut tracks[play.track as usize].length_ms;
        let heard = play.track_ms.unwrap_or(play.played_ms).max(1_000);
        *length = Some(length.map_or(heard, |length| length.max(heard)));
    }
}

/// Whether the play was heard to the end.
pub(super) fn is_whole(play: &Seen, tracks: &[Known]) -> bool {
    let length = play.track_ms.or(tracks[play.track as usize].length_ms).unwrap_or(UNKNOWN_LENGTH_MS);
    f64::from(play.played_ms) >= 0.95 * f64::from(length)
}

/// Tracks, and artists with their tracks, by how many of the sampled accounts played them.
fn best_known(donors: &[Donor], tracks: &[Known]) -> (Vec<u32>, Vec<(Id, Vec<u32>)>) {
    let mut listeners: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for donor in donors {
        let mut own: BTreeMap<u32, u32> = BTreeMap::new();
        donor.plays.iter().for_each(|play| *own.entry(play.track).or_default() += 1);
        for (track, plays) in own {
            let (of_track, all) = listeners.entry(track).or_default();
            *of_track += 1;
            *all += plays;
        }
    }
    let mut hits: Vec<u32> = listeners.keys().copied().collect();
    hits.sort_by_key(|track| (std::cmp::Reverse(listeners[track]), *track));
    let mut artists: BTreeMap<Id, Vec<u32>> = BTreeMap::new();
    for track in &hits {
        if let Some(artist) = &tracks[*track as usize].artist {
            artists.entry(artist.clone()).or_default().push(*track);
        }
    }
    let mut artists: Vec<(Id, Vec<u32>)> = artists.into_iter().collect();
    let known = |tracks: &[u32]| tracks.iter().map(|track| listeners[track].0).sum::<u32>();
    artists.sort_by_key(|(id, tracks)| (std::cmp::Reverse(known(tracks)), id.clone()));
    (hits, artists)
}

fn ordinal(seen: &mut Vec<u64>, id: u64) -> u8 {
    let place = seen.iter().position(|known| *known == id).unwrap_or_else(|| {
        if seen.len() < usize::from(u8::MAX) {
            seen.push(id);
        }
        seen.len() - 1
    });
    place as u8
}

fn whole(value: Value<'_>) -> Option<u32> {
    number_of(value).and_then(|number| u32::try_from(number).ok())
}

fn number_of(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(number).ok(),
        Value::UInt(number) => Some(number).filter(|number| *number < u64::MAX),
        _ => None,
    }
}

fn id_of(value: Value<'_>, text_ids: bool) -> Option<Id> {
    match value {
        Value::Text(text) => Some(Id::from(text)),
        _ if text_ids => number_of(value).map(|number| Id::from(number.to_string())),
        _ => number_of(value).map(Id::Number),
    }
}

/// The kind of networks that hide who plays.
pub(super) fn of_kind(networks: &[Network], kind: NetworkKind) -> Vec<u32> {
    let mut asns: Vec<u32> =
        networks.iter().filter(|network| network.kind == kind).map(|network| network.asn).collect();
    asns.sort_unstable();
    asns
}
