//! Workload W1: a seed becomes a week of plays, hour by hour, in order of arrival.
//!
//! ```text
//! hour ──▶ ring sessions + organic plays ──▶ late? ──▶ sorted by arrival ──▶ plays.parquet
//!                                        └──▶ corrected? ───────────────────▶ corrections.parquet
//! ```
//!
//! Memory holds one hour of plays and all corrections (one play in a thousand), never the week.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use datasets::tables::{IdKind, ParquetFile, TableWriter};
use records::{Account, Correction, Id, Millis, Network, NetworkKind, Track};

use crate::Error;

/// Monday, 2 November 2026, 00:00 UTC.
const START_MS: Millis = 1_793_577_600_000;
const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;
const SLOT_MS: u64 = 10 * MINUTE_MS;
const HOURS: u64 = 7 * 24;

const ACCOUNTS: u64 = 100_000;
const TRACKS: u64 = 200_000;
const ARTISTS: u64 = 20_000;
const ACCOUNTS_EXPONENT: f64 = 0.8;
const TRACKS_EXPONENT: f64 = 0.9;

const RINGS: u64 = 40;
const RING_ACCOUNTS: u64 = 25;
/// Each ring boosts a handful of unpopular tracks.
const RING_TRACKS: u64 = 5;
/// Rings are cold accounts and boost cold tracks: ranks from here on.
const RING_FIRST_RANK: u64 = 90_000;
const RING_FIRST_TRACK_RANK: u64 = 150_000;
/// A session fills all six 10-minute slots of an hour.
const SESSION_SLOTS: u64 = 6;
/// Share of all plays that rings make.
const RING_SHARE: f64 = 0.05;
/// Chance that a member takes part in a slot.
const RING_TAKES_PART: f64 = 0.9;

/// Pairs of accounts that share a living-room device.
const HOUSEHOLDS: u64 = 2_000;
/// Devices that many accounts touch: bars, shops. They pass the hub limit as the week goes on.
const PUBLIC_DEVICES: u64 = 20;
const PUBLIC_SHARE: f64 = 0.002;

const LATE_SHARE: f64 = 0.01;
const CORRECTED_SHARE: f64 = 0.001;
/// A correction arrives from one minute to 30 hours after its play.
const CORRECTED_AFTER_MS: (u64, u64) = (MINUTE_MS, 30 * HOUR_MS);

const COUNTRIES: [&str; 24] = [
    "US", "GB", "DE", "FR", "BR", "MX", "IN", "ID", "JP", "KR", "SE", "NO", "NL", "ES", "IT", "PL", "TR", "PH", "AU",
    "CA", "AR", "CL", "ZA", "NG",
];
const SOURCES: [&str; 8] = ["library", "playlist", "algorithmic", "search", "album", "editorial", "radio", "other"];

/// A small generator of random numbers: the same seed and stream give the same ones. The week takes a stream an hour.
pub struct Rng(u64);

impl Rng {
    /// The beginning of a stream.
    pub fn new(seed: u64, stream: u64) -> Rng {
        let mut rng = Rng(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
        rng.next();
        rng
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

/// Draws ranks from a Zipf law in O(1) (Vose's alias method).
struct Zipf {
    keep: Vec<f64>,
    other: Vec<u32>,
}

impl Zipf {
    fn new(ranks: u64, exponent: f64) -> Zipf {
        let weights: Vec<f64> = (1..=ranks).map(|rank| (rank as f64).powf(-exponent)).collect();
        let mean = weights.iter().sum::<f64>() / ranks as f64;
        let mut left: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let mut keep = vec![1.0; left.len()];
        let mut other = vec![0; left.len()];
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..left.len()).partition(|&rank| left[rank] < 1.0);
        while let (Some(&donor), Some(taker)) = (large.last(), small.pop()) {
            keep[taker] = left[taker];
            other[taker] = donor as u32;
            left[donor] -= 1.0 - left[taker];
            if left[donor] < 1.0 {
                large.pop();
                small.push(donor);
            }
        }
        Zipf { keep, other }
    }

    fn rank(&self, rng: &mut Rng) -> u64 {
        let rank = rng.below(self.keep.len() as u64) as usize;
        if rng.chance(self.keep[rank]) { rank as u64 } else { u64::from(self.other[rank]) }
    }
}

/// Ranks become ids that tell nothing of popularity: a bijection, as 7919 is prime to both sizes.
fn id_of_rank(rank: u64, size: u64) -> u64 {
    1 + (rank * 7_919 + 12_345) % size
}

/// The artist of a track; not monotone in the track's id, so that no engine gains from order.
fn artist_of(track: u64) -> u64 {
    1 + (track.wrapping_mul(2_654_435_761) >> 7) % ARTISTS
}

fn private_device(account: u64, nth: u64) -> u64 {
    account * 3 + nth
}

/// Shared devices have the numbers above all private ones.
const SHARED_DEVICES: u64 = (ACCOUNTS + 1) * 3;

#[derive(Clone, Copy)]
struct Made {
    play_id: u64,
    ended_at: u64,
    arrived_at: u64,
    account: u64,
    track: u64,
    played_ms: u64,
    device: u64,
    country: u8,
    source: u8,
    shuffle: bool,
    offline: bool,
}

/// How large a week, and which one.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Plays in the week.
    pub plays: u64,
    /// The same seed gives the same bytes.
    pub seed: u64,
}

struct Generator {
    world: World,
    accounts: Zipf,
    tracks: Zipf,
    next_play_id: u64,
    /// Plays of the hours before that have not arrived yet.
    late: Vec<Made>,
    corrections: Vec<Correction>,
}

impl Generator {
    fn new(world: World) -> Generator {
        let accounts = Zipf::new(ACCOUNTS, ACCOUNTS_EXPONENT);
        let tracks = Zipf::new(TRACKS, TRACKS_EXPONENT);
        Generator { world, accounts, tracks, next_play_id: 1, late: Vec::new(), corrections: Vec::new() }
    }

    /// The plays that arrive in the hour, in order of arrival; late ones of the hour wait for the next.
    fn hour(&mut self, hour: u64) -> Vec<Made> {
        let mut rng = Rng::new(self.world.seed, hour);
        let ended = self.ended_in(hour, &mut rng);
        let mut made = std::mem::take(&mut self.late);
        made.extend(ended);
        let next_hour = START_MS as u64 + (hour + 1) * HOUR_MS;
        let last = hour + 1 == HOURS;
        let (mut arrived, late): (Vec<Made>, Vec<Made>) =
            made.into_iter().partition(|play| last || play.arrived_at < next_hour);
        self.late = late;
        arrived.sort_unstable_by_key(|play| (play.arrived_at, play.play_id));
        arrived
    }

    fn ended_in(&mut self, hour: u64, rng: &mut Rng) -> Vec<Made> {
        let share = |total: u64, hour: u64| (u128::from(total) * u128::from(hour) / u128::from(HOURS)) as u64;
        let plays = (share(self.world.plays, hour + 1) - share(self.world.plays, hour)) as usize;
        let session_plays = (SESSION_SLOTS * RING_ACCOUNTS) as f64 * RING_TAKES_PART;
        let sessions = (self.world.plays as f64 * RING_SHARE / session_plays).round() as u64;
        let mut made = Vec::with_capacity(plays);
        for session in share(sessions, hour)..share(sessions, hour + 1) {
            self.ring_session(session % RINGS, hour, plays, rng, &mut made);
        }
        while made.len() < plays {
            let play = self.organic(hour, rng);
            made.push(play);
        }
        made
    }

    fn ring_session(&mut self, ring: u64, hour: u64, most: usize, rng: &mut Rng, made: &mut Vec<Made>) {
        for slot in 0..SESSION_SLOTS {
            let track_rank = RING_FIRST_TRACK_RANK + ring * RING_TRACKS + rng.below(RING_TRACKS);
            for member in 0..RING_ACCOUNTS {
                if !rng.chance(RING_TAKES_PART) || made.len() == most {
                    continue;
                }
                let account = id_of_rank(RING_FIRST_RANK + ring * RING_ACCOUNTS + member, ACCOUNTS);
                let ended_at = START_MS as u64 + hour * HOUR_MS + slot * SLOT_MS + rng.below(SLOT_MS);
                let played_ms = if rng.chance(0.8) { 30_000 + rng.below(5_000) } else { 35_000 + rng.below(200_000) };
                let device = SHARED_DEVICES + ring;
                let track = id_of_rank(track_rank, TRACKS);
                made.push(self.play(ended_at, account, track, played_ms, device, rng));
            }
        }
    }

    fn organic(&mut self, hour: u64, rng: &mut Rng) -> Made {
        let account = id_of_rank(self.accounts.rank(rng), ACCOUNTS);
        let track = id_of_rank(self.tracks.rank(rng), TRACKS);
        let ended_at = START_MS as u64 + hour * HOUR_MS + rng.below(HOUR_MS);
        let played_ms = if rng.chance(0.25) { rng.below(30_000) } else { 30_000 + rng.below(210_000) };
        let device = device_of(account, rng);
        self.play(ended_at, account, track, played_ms, device, rng)
    }

    fn play(&mut self, ended_at: u64, account: u64, track: u64, played_ms: u64, device: u64, rng: &mut Rng) -> Made {
        let play_id = self.next_play_id;
        self.next_play_id += 1;
        let late_ms = if rng.chance(LATE_SHARE) { rng.below(HOUR_MS) } else { 0 };
        let arrived_at = ended_at + late_ms;
        if rng.chance(CORRECTED_SHARE) {
            let (from, until) = CORRECTED_AFTER_MS;
            let after = from + rng.below(until - from);
            self.corrections.push(Correction {
                play_id: Id::Number(play_id),
                arrived_at: (arrived_at + after) as Millis,
                reason: None,
            });
        }
        // Most plays are at home, a few are not.
        let abroad = u64::from(rng.chance(0.02));
        let country = ((account / 7 + abroad * (1 + rng.below(5))) % COUNTRIES.len() as u64) as u8;
        let source = (rng.below(12) % SOURCES.len() as u64) as u8;
        let (shuffle, offline) = (rng.chance(0.4), rng.chance(0.05));
        Made { play_id, ended_at, arrived_at, account, track, played_ms, device, country, source, shuffle, offline }
    }
}

fn device_of(account: u64, rng: &mut Rng) -> u64 {
    if rng.chance(PUBLIC_SHARE) {
        return SHARED_DEVICES + RINGS + rng.below(PUBLIC_DEVICES);
    }
    // Households are the neighbours (2k, 2k + 1); half of their plays are in the living room.
    let household = account / 2;
    if (1..=HOUSEHOLDS).contains(&household) && rng.chance(0.5) {
        return SHARED_DEVICES + RINGS + PUBLIC_DEVICES + household;
    }
    match rng.below(20) {
        0 => private_device(account, 2),
        1..=3 => private_device(account, 1),
        _ => private_device(account, 0),
    }
}

/// The autonomous systems plays come from; the last one hosts machines.
const NETWORKS: u32 = 50;

fn batch_of(plays: &[Made]) -> Result<RecordBatch, Error> {
    let number =
        |value: fn(&Made) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(plays.iter().map(value))) };
    let instant = |value: fn(&Made) -> u64| -> ArrayRef {
        let values = plays.iter().map(|play| value(play) as Millis);
        Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let text = |value: fn(&Made) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(plays.iter().map(value)))
    };
    let flag = |value: fn(&Made) -> bool| -> ArrayRef {
        Arc::new(BooleanArray::from_iter(plays.iter().map(|play| Some(value(play)))))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("play_id", number(|play| play.play_id)),
        ("ended_at", instant(|play| play.ended_at)),
        ("arrived_at", instant(|play| play.arrived_at)),
        ("account_id", number(|play| play.account)),
        ("track_id", number(|play| play.track)),
        ("played_ms", Arc::new(Int64Array::from_iter_values(plays.iter().map(|play| play.played_ms as i64)))),
        ("device_id", number(|play| play.device)),
        ("ip_prefix", number(|play| play.device / 2)),
        ("asn", Arc::new(UInt32Array::from_iter_values(plays.iter().map(asn_of)))),
        ("country", text(|play| COUNTRIES[usize::from(play.country)])),
        ("source", text(|play| SOURCES[usize::from(play.source)])),
        ("playlist_id", Arc::new(UInt64Array::from_iter(plays.iter().map(playlist_of)))),
        ("shuffle", flag(|play| play.shuffle)),
        ("offline", flag(|play| play.offline)),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?)
}

fn asn_of(play: &Made) -> u32 {
    (play.device / 2 % u64::from(NETWORKS)) as u32 + 1
}

fn playlist_of(play: &Made) -> Option<u64> {
    matches!(SOURCES[usize::from(play.source)], "playlist" | "editorial").then_some(1 + play.track % 5_000)
}

/// Writes the week's tables into the folder; returns how many plays and corrections there are.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(world: World, folder: &Path) -> Result<(u64, u64), Error> {
    std::fs::create_dir_all(folder)?;
    write_catalogue(folder)?;
    let mut generator = Generator::new(world);
    let mut file = ParquetFile::create(&folder.join("plays.parquet"), batch_of(&[])?.schema())?;
    let mut plays = 0;
    for hour in 0..HOURS {
        // Batches of bounded size keep the memory of a large hour small.
        for part in generator.hour(hour).chunks(64 * 1024) {
            file.write(&batch_of(part)?)?;
            plays += part.len() as u64;
        }
    }
    file.finish()?;
    let mut corrections = generator.corrections;
    corrections.sort_by(|a, b| (a.arrived_at, &a.play_id).cmp(&(b.arrived_at, &b.play_id)));
    let mut table = TableWriter::<Correction>::create(folder, IdKind::Number)?;
    for correction in corrections {
        table.push(correction)?;
    }
    Ok((plays, table.finish()?))
}

fn write_catalogue(folder: &Path) -> Result<(), Error> {
    let day_ms = 24 * HOUR_MS as Millis;
    let mut tracks = TableWriter::<Track>::create(folder, IdKind::Number)?;
    for id in 1..=TRACKS {
        tracks.push(Track {
            artist_id: Some(Id::Number(artist_of(id))),
            uploader_id: Some(Id::Number(1 + artist_of(id) % 10_000)),
            distributor_id: Some(Id::Number(1 + artist_of(id) % 50)),
            duration_ms: Some(120_000 + id * 37 % 180_000),
            uploaded_at: Some(START_MS - (id % 700) as Millis * day_ms),
            ..Track::new(Id::Number(id))
        })?;
    }
    tracks.finish()?;
    let mut accounts = TableWriter::<Account>::create(folder, IdKind::Number)?;
    for id in 1..=ACCOUNTS {
        accounts.push(Account {
            account_id: Id::Number(id),
            created_at: Some(START_MS - (id * 31 % 900) as Millis * day_ms),
            plan: None,
            country: Some(COUNTRIES[(id / 7 % COUNTRIES.len() as u64) as usize].to_owned()),
            payment_id: None,
            family_id: None,
            email_domain_class: None,
        })?;
    }
    accounts.finish()?;
    let mut networks = TableWriter::<Network>::create(folder, IdKind::Number)?;
    for asn in 1..=NETWORKS {
        let kind = if asn == NETWORKS { NetworkKind::Hosting } else { NetworkKind::Residential };
        networks.push(Network { asn, kind })?;
    }
    networks.finish()?;
    Ok(())
}
