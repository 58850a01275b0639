//! A seeded world of listeners, music and a few frauds, as the canonical tables.
//!
//! ```text
//! seed ──▶ catalogue ──┬─▶ tracks, distributors, playlists, networks
//!      └─▶ people ─────┼─▶ accounts ──▶ a day of each account ──▶ delivery ──▶ plays, corrections
//!          families ───┴─▶ labels          (in parallel)          (late, twice, taken back)
//!                      └─▶ sound (if wanted) ──▶ WAV files of a few tracks
//! ```
//!
//! An account's day is a function of (seed, account, day) alone. Days are made in order, each by all threads; what arrives
//! later waits for its day. Memory holds about two days of plays and what is still under way, whatever the world's length.
//! Same seed, same bytes, for any number of threads.

mod catalogue;
mod delivery;
mod families;
mod geography;
mod heard;
mod listening;
mod people;
mod sound;

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use records::{Account, Correction, Distributor, Id, Label, Millis, Network, Play, Playlist, Track};
use serde::Serialize;

use crate::Error;
use crate::tables::{IdKind, ParquetFile, Row, TableWriter};
use catalogue::Catalogue;
use delivery::{Delivery, TakenBack};
use families::Family;
use heard::{Heard, Names};
pub(crate) use listening::{SESSION, SESSION_GAP_MS, gap};
use people::Person;
use sound::Making;
pub use sound::{Origin, Recording};

pub(crate) const HOUR_MS: Millis = 3_600_000;
pub(crate) const DAY_MS: Millis = 24 * HOUR_MS;
/// Accounts whose day one thread makes in one go.
const ACCOUNTS_AT_ONCE: usize = 256;
/// Rows of a batch of columns, and batches made before they are written.
const BATCH_ROWS: usize = 8_192;
const BATCHES_AT_ONCE: usize = 32;
/// Play ids have 15 bits for the day.
const DAYS_MAX: u32 = 3_650;
/// Play and device ids have room for this many accounts.
const ACCOUNTS_MAX: u32 = 100_000_000;
/// 2100-01-01: a world begins before.
const START_MAX_MS: Millis = 4_102_444_800_000;

/// What decides a world, down to the last byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldSpec {
    /// Another seed is another world.
    pub seed: u64,
    /// How many accounts, those of attacks and look-alikes included.
    pub accounts: u32,
    /// How many days of plays.
    pub days: u32,
    /// When the first day begins.
    pub start_ms: Millis,
    /// Whether there are attacks; without them their accounts are ordinary.
    pub attacks: bool,
    /// Whether there are honest accounts that look like attacks.
    pub lookalikes: bool,
    /// Whether a few tracks can be heard.
    pub sound: bool,
}

impl Default for WorldSpec {
    /// 2 000 accounts for 28 days from 2026-01-01, with everything in it but sound.
    fn default() -> WorldSpec {
        WorldSpec {
            seed: 1,
            accounts: 2_000,
            days: 28,
            start_ms: 1_767_225_600_000,
            attacks: true,
            lookalikes: true,
            sound: false,
        }
    }
}

impl WorldSpec {
    /// When the last day ends.
    pub fn end_ms(&self) -> Millis {
        self.start_ms + Millis::from(self.days) * DAY_MS
    }

    /// The UTC midnight from which days are counted.
    fn base(&self) -> Millis {
        self.start_ms - self.start_ms.rem_euclid(DAY_MS)
    }

    /// Refuses a world that cannot be.
    ///
    /// # Errors
    /// When it asks for no accounts, no days, more of them than ids have room for, or a start outside 1970-2100.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Input(what));
        match self {
            _ if self.accounts == 0 || self.accounts > ACCOUNTS_MAX => {
                refuse(format!("a world has 1 to {ACCOUNTS_MAX} accounts, not {}", self.accounts))
            }
            _ if self.days == 0 || self.days > DAYS_MAX => {
                refuse(format!("a world has 1 to {DAYS_MAX} days, not {}", self.days))
            }
            _ if !(0..=START_MAX_MS).contains(&self.start_ms) => {
                refuse(format!("a world begins between 1970 and 2100, not at {} ms", self.start_ms))
            }
            _ => Ok(()),
        }
    }
}

/// How far a world is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Days made so far.
    pub days: u32,
    /// Days there will be.
    pub days_total: u32,
    /// Rows of plays written so far.
    pub plays: u64,
}

/// What a world holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorldSummary {
    /// The seed.
    pub seed: u64,
    /// Rows of the plays table, plays told twice included.
    pub plays: u64,
    /// Plays that arrive after they ended.
    pub late: u64,
    /// Plays that arrive a day or more after they ended.
    pub late_by_a_day: u64,
    /// Rows that repeat a play.
    pub duplicates: u64,
    /// Rows of those that say something else than the first.
    pub conflicting: u64,
    /// Plays to forget.
    pub corrections: u64,
    /// Accounts.
    pub accounts: u64,
    /// Rows of the tracks table.
    pub tracks: u64,
    /// Labels.
    pub labels: u64,
    /// Attacks first, then look-alikes.
    pub families: Vec<FamilySummary>,
    /// What can be heard, and what is true of it.
    pub recordings: Vec<Recording>,
}

/// What one family did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FamilySummary {
    /// The name in the labels.
    pub name: &'static str,
    /// Fraud, or honest listening that looks like it.
    pub attack: bool,
    /// Members.
    pub accounts: u64,
    /// Rows of plays it made, without the ordinary listening of hijacked accounts.
    pub plays: u64,
}

/// A world: everything that stands still is made, plays are made day by day.
pub struct World {
    spec: WorldSpec,
    catalogue: Catalogue,
    people: Vec<Person>,
    families: Vec<Family>,
    /// 0 = ordinary, else 1 + index of the family.
    part: Vec<u8>,
    stride: u64,
    /// The tracks that can be heard.
    sounds: BTreeMap<u32, Making>,
}

impl World {
    /// Makes what stands still.
    ///
    /// # Errors
    /// When the spec asks for no accounts, no days, or more than there can be.
    pub fn new(spec: &WorldSpec) -> Result<World, Error> {
        spec.check()?;
        let mut catalogue = Catalogue::of(spec);
        let mut people: Vec<Person> =
            (0..spec.accounts).into_par_iter().map(|index| Person::draw(spec, index)).collect();
        let families = families::cast(spec, &mut catalogue, &mut people);
        let mut part = vec![0; people.len()];
        for (number, family) in families.iter().enumerate() {
            part[family.members.start as usize..family.members.end as usize].fill(number as u8 + 1);
        }
        let sounds = if spec.sound { sound::cast(&catalogue, &families) } else { BTreeMap::new() };
        let stride = stride(u64::from(spec.accounts));
        Ok(World { spec: spec.clone(), catalogue, people, families, part, stride, sounds })
    }

    /// Writes the world's tables to the folder, which is made where it is missing.
    ///
    /// # Errors
    /// When the spec cannot be, or the folder cannot be written.
    pub fn write(
        spec: &WorldSpec,
        folder: &Path,
        threads: usize,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<WorldSummary, Error> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| Error::Input(format!("cannot start {threads} threads: {error}")))?;
        pool.install(|| {
            let world = World::new(spec)?;
            let mut summary = world.write_plays(folder, &mut progress)?;
            summary.tracks = write_table(folder, world.tracks())?;
            summary.accounts = write_table(folder, world.accounts())?;
            summary.labels = write_table(folder, world.labels().into_iter())?;
            write_table(folder, world.distributors().into_iter())?;
            write_table(folder, world.networks().into_iter())?;
            write_table(folder, world.playlists())?;
            if spec.sound {
                sound::write(&world, folder)?;
            }
            Ok(summary)
        })
    }

    fn write_plays(&self, folder: &Path, progress: &mut (impl FnMut(Progress) + Send)) -> Result<WorldSummary, Error> {
        let schema = Play::batch(&[], IdKind::Number).schema();
        let mut file = ParquetFile::create(&folder.join(format!("{}.parquet", Play::TABLE)), schema.clone())?;
        let mut summary = self.summary();
        let names = self.names();
        let taken_back = self.flow(|day, plays| {
            for part in plays.chunks(BATCH_ROWS * BATCHES_AT_ONCE) {
                let batches: Vec<_> =
                    part.par_chunks(BATCH_ROWS).map(|rows| heard::columns(rows, &names, schema.clone())).collect();
                batches.iter().try_for_each(|batch| file.write(batch))?;
            }
            plays.iter().for_each(|play| summary.count(play));
            let days = (day + 1).clamp(0, i64::from(self.spec.days)) as u32;
            progress(Progress { days, days_total: self.spec.days, plays: summary.plays });
            Ok(())
        })?;
        file.finish()?;
        summary.corrections = write_table(folder, taken_back.iter().map(correction))?;
        Ok(summary)
    }

    /// All plays in the order of their arrival, and all corrections: for worlds that fit in memory.
    pub fn telemetry(&self) -> (Vec<Play>, Vec<Correction>) {
        let (mut plays, names) = (Vec::new(), self.names());
        let taken_back = self.flow(|_day, day| {
            plays.extend(day.iter().map(|heard| heard.play(&names)));
            Ok(())
        });
        let taken_back = taken_back.expect("nothing here can fail");
        (plays, taken_back.iter().map(correction).collect())
    }

    /// Makes day after day and hands on the plays of each day of arrival, sorted; returns the corrections, sorted.
    fn flow(&self, mut take: impl FnMut(i64, &[Heard]) -> Result<(), Error> + Send) -> Result<Vec<TakenBack>, Error> {
        let mut under_way: BTreeMap<i64, Vec<Heard>> = BTreeMap::new();
        let mut taken_back = Vec::new();
        let mut ready = Vec::new();
        // Local days begin up to a day before the UTC day of the same number; the world may begin within a UTC day.
        for day in -1..=i64::from(self.spec.days) + 1 {
            let (made, taken) = rayon::join(
                || self.make_day(day),
                || {
                    ready.iter().try_for_each(|(day, plays): &(i64, Vec<Heard>)| take(*day, plays))?;
                    ready.clear();
                    Ok::<_, Error>(())
                },
            );
            taken?;
            for (plays, corrections) in made {
                taken_back.extend(corrections);
                for play in plays {
                    under_way.entry((play.arrival() - self.base()).div_euclid(DAY_MS)).or_default().push(play);
                }
            }
            // The next day's plays end after this day's midnight: what arrives before is complete.
            let later = under_way.split_off(&day);
            ready = std::mem::replace(&mut under_way, later).into_iter().map(sorted).collect();
        }
        ready.extend(under_way.into_iter().map(sorted));
        ready.iter().try_for_each(|(day, plays)| take(*day, plays))?;
        taken_back.par_sort_unstable();
        Ok(taken_back)
    }

    fn make_day(&self, day: i64) -> Vec<(Vec<Heard>, Vec<TakenBack>)> {
        self.people
            .par_chunks(ACCOUNTS_AT_ONCE)
            .map(|people| {
                let mut delivery = Delivery::new(&self.spec);
                for person in people {
                    delivery.turn_to(person.index, day);
                    match self.part[person.index as usize] {
                        0 => listening::day(self, person, day, |_, _| (), &mut delivery),
                        part => families::day(self, usize::from(part) - 1, person, day, &mut delivery),
                    }
                }
                (delivery.plays, delivery.corrections)
            })
            .collect()
    }

    /// The rows of the catalogue.
    pub fn tracks(&self) -> impl Iterator<Item = Track> + '_ {
        let audio_uri = |track| self.sounds.contains_key(&track).then(|| sound::file(track));
        (0..self.catalogue.len() as u32).flat_map(move |track| {
            let rows = self.catalogue.rows(track).into_iter();
            rows.map(move |row| Track { audio_uri: audio_uri(track), ..row })
        })
    }

    /// The accounts.
    pub fn accounts(&self) -> impl Iterator<Item = Account> + '_ {
        let names = self.names();
        self.people.iter().map(move |person| person.row(names.account(person.index)))
    }

    /// What is true of accounts, tracks, artists, uploaders and playlists that take part in a family.
    pub fn labels(&self) -> Vec<Label> {
        self.families.iter().flat_map(|family| families::labels(self, family)).collect()
    }

    /// The distributors.
    pub fn distributors(&self) -> Vec<Distributor> {
        self.catalogue.distributors()
    }

    /// The networks.
    pub fn networks(&self) -> Vec<Network> {
        geography::networks()
    }

    /// The playlists.
    pub fn playlists(&self) -> impl Iterator<Item = Playlist> + '_ {
        self.catalogue.playlists(u64::from(self.spec.accounts))
    }

    /// What can be heard, and what is true of it, in the order of the tracks.
    pub fn recordings(&self) -> Vec<Recording> {
        sound::recordings(self)
    }

    fn names(&self) -> Names<'_> {
        Names { catalogue: &self.catalogue, accounts: u64::from(self.spec.accounts), stride: self.stride }
    }

    fn base(&self) -> Millis {
        self.spec.base()
    }

    /// Prefixes of a mobile carrier: about twenty accounts share one.
    fn mobile_pool(&self) -> u32 {
        self.spec.accounts / 20 + 4
    }

    fn summary(&self) -> WorldSummary {
        let family = |family: &Family| FamilySummary {
            name: family.name,
            attack: family.kind.is_attack(),
            accounts: family.members.len() as u64,
            plays: 0,
        };
        let families = self.families.iter().map(family).collect();
        WorldSummary { seed: self.spec.seed, families, recordings: self.recordings(), ..WorldSummary::default() }
    }
}

impl WorldSummary {
    fn count(&mut self, play: &Heard) {
        self.plays += 1;
        if play.family != 0 {
            self.families[usize::from(play.family) - 1].plays += 1;
        }
        match play.copy {
            0 => {
                self.late += u64::from(play.arrival() > play.ended_at);
                self.late_by_a_day += u64::from(play.arrival() >= play.ended_at + DAY_MS);
            }
            copy => {
                self.duplicates += 1;
                self.conflicting += u64::from(copy == heard::CONFLICTING);
            }
        }
    }
}

fn sorted((day, mut plays): (i64, Vec<Heard>)) -> (i64, Vec<Heard>) {
    plays.par_sort_unstable_by_key(Heard::order);
    (day, plays)
}

fn correction(taken_back: &TakenBack) -> Correction {
    Correction {
        play_id: Id::Number(taken_back.play_id),
        arrived_at: taken_back.arrived_at,
        reason: Some(taken_back.reason.to_owned()),
    }
}

fn write_table<R: Row>(folder: &Path, rows: impl Iterator<Item = R>) -> Result<u64, Error> {
    let mut table = TableWriter::create(folder, IdKind::Number)?;
    for row in rows {
        table.push(row)?;
    }
    table.finish()
}

/// A step that visits every number below `n` once before it comes back: near the golden ratio of it, and coprime to it.
fn stride(n: u64) -> u64 {
    let coprime = |step: u64| {
        let (mut a, mut b) = (step, n);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a == 1
    };
    (n * 618 / 1_000 + 1..).find(|&step| coprime(step)).expect("every number has a coprime above it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> WorldSpec {
        WorldSpec { accounts: 120, days: 3, ..WorldSpec::default() }
    }

    #[test]
    fn columns_are_those_of_the_records() {
        let world = World::new(&small()).unwrap();
        let (names, schema) = (world.names(), Play::batch(&[], IdKind::Number).schema());
        let mut rows = 0;
        let flow = world.flow(|_, heard| {
            let plays: Vec<Play> = heard.iter().map(|heard| heard.play(&names)).collect();
            assert_eq!(heard::columns(heard, &names, schema.clone()), Play::batch(&plays, IdKind::Number));
            rows += heard.len();
            Ok(())
        });
        flow.unwrap();
        assert!(rows > 1_000, "{rows}");
    }

    #[test]
    fn every_account_has_an_id_of_its_own() {
        for accounts in [1, 2, 3, 10, 618, 1_000, 2_000] {
            let world = World::new(&WorldSpec { accounts, ..small() }).unwrap();
            let mut ids: Vec<_> = world.accounts().map(|account| account.account_id).collect();
            ids.sort();
            assert_eq!(ids, (1..=u64::from(accounts)).map(Id::Number).collect::<Vec<_>>());
        }
    }

    #[test]
    fn impossible_worlds_are_refused_by_name() {
        for (spec, word) in [
            (WorldSpec { accounts: 0, ..small() }, "accounts"),
            (WorldSpec { days: 0, ..small() }, "days"),
            (WorldSpec { days: 9_999, ..small() }, "9999"),
            (WorldSpec { start_ms: -1, ..small() }, "begins"),
        ] {
            let error = World::new(&spec).err().expect("it is impossible").to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
