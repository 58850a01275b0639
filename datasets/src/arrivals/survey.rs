//! Looks through the plays once before they are replayed: whether each file is sorted by arrival, from when to when
//! plays arrive, and which play ids come again.
//!
//! ```text
//! play ids ──▶ one bit each ──▶ bits that were set twice ──▶ their ids, sorted ──▶ ids that really repeat
//! ```
//!
//! Knowing the repeats beforehand lets all other plays pass without being remembered by id.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use arrow::array::RecordBatch;
use hashbrown::HashMap;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelector};
use parquet::basic::Type;
use parquet::file::statistics::Statistics;
use records::{IdSpace, Millis};

use super::catalogue::Facts;
use super::decode::{Decoded, Decoder, GLANCED, Suspected, Wanted, glance, is_play_id, open, play_ids};
use crate::Error;
use crate::names::{NameTable, Naming};
use crate::tables::IdKind;
use crate::tables::finite::FiniteFile;

/// Bits for play ids at most: 2^31 bits are 256 MiB. More ids than fit make more of them look repeated, which costs
/// time and changes nothing.
const BITS_MAX: u64 = 1 << 31;
/// Bits for each play id whose number says nothing: one in eight ids meets another by chance.
const BITS_PER_ID: u64 = 8;

/// One plays file.
#[derive(Clone, Debug)]
pub struct FileSurvey {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows, the refused included.
    pub rows: u64,
    /// Whether arrivals never step back from one refresh to an earlier one.
    pub sorted: bool,
    /// Its first arrival; `None` when it has no valid row.
    pub first_at: Option<Millis>,
    pub(super) metadata: ArrowReaderMetadata,
}

/// What is known of all plays before the first is replayed.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The files.
    pub files: Vec<FileSurvey>,
    /// The first arrival of a valid play or correction.
    pub first_at: Option<Millis>,
    /// The last one.
    pub last_at: Option<Millis>,
    /// Whether several plays claim one id.
    pub repeats: bool,
    /// Whether some row is refused; then all its columns are judged, whatever is wanted.
    pub refuses: bool,
    /// Whether play ids must be read again: some repeat, or are no ids.
    pub reads_play_ids: bool,
    pub(super) suspected: Suspected,
}

impl Survey {
    /// Rows in all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// How often plays and corrections name this id, if more than once.
    pub fn occurrences(&self, play_id: u128) -> u32 {
        self.suspected.get(&(play_id as u64)).copied().unwrap_or(1)
    }
}

/// Surveys the plays with so many threads; `corrections` are (play id, arrival). With `all_names` every id of every row
/// is remembered, for a process that reads only a share of the rows but must know the names of all.
///
/// # Errors
/// When a file cannot be read, lacks a required column, or has one of another type.
pub fn survey(
    paths: &[PathBuf],
    every_ms: Millis,
    names: &Arc<NameTable>,
    facts: &Facts,
    corrections: &[(u128, Millis)],
    (all_names, threads): (bool, usize),
) -> Result<Survey, Error> {
    let files: Vec<Lookout<'_>> =
        paths.iter().map(|path| Lookout::new(path, every_ms, names, facts, all_names)).collect::<Result<_, _>>()?;
    let metadata: Vec<_> = files.iter().map(|file| file.metadata.clone()).collect();
    let mut repeats = Repeats::new(&metadata, names.kind(IdSpace::Play));
    let sights = look_through(&files, names, threads, |id| repeats.see(id))?;
    let mut survey = Survey::default();
    for (file, sight) in files.iter().zip(sights) {
        survey.refuses |= sight.refuses;
        survey.reads_play_ids |= sight.lacks_ids;
        for at in sight.arrivals.into_iter().flat_map(|(first, last)| [first, last]) {
            note(&mut survey, at);
        }
        survey.files.push(FileSurvey {
            path: file.path.to_owned(),
            rows: file.metadata.metadata().file_metadata().num_rows() as u64,
            sorted: sight.sorted,
            first_at: sight.arrivals.map(|(first, _)| first),
            metadata: file.metadata.clone(),
        });
    }
    survey.suspected = repeats.resolve(|see| {
        for file in &survey.files {
            each_play_id(file, names, &mut *see)?;
        }
        Ok(())
    })?;
    survey.repeats = !survey.suspected.is_empty();
    for (play_id, arrived_at) in corrections {
        // One for the play, which may come, and one for each correction.
        *survey.suspected.entry(*play_id as u64).or_insert(1) += 1;
        note(&mut survey, *arrived_at);
    }
    survey.reads_play_ids |= !survey.suspected.is_empty();
    Ok(survey)
}

fn load(path: &Path) -> Result<ArrowReaderMetadata, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    // What a program wanted its columns to be in memory (dictionaries, large texts, views) is no matter of ours.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::load(&FiniteFile(file), options).map_err(|error| Error::parquet(path, error))
}

fn note(survey: &mut Survey, at: Millis) {
    survey.first_at = Some(survey.first_at.map_or(at, |first| first.min(at)));
    survey.last_at = Some(survey.last_at.map_or(at, |last| last.max(at)));
}

/// What is seen in a row group, or in row groups one after the other.
#[derive(Clone, Copy)]
struct Sight {
    sorted: bool,
    /// The refreshes in which its first and its last valid row arrive.
    refreshes: Option<(Millis, Millis)>,
    /// The first and the last arrival.
    arrivals: Option<(Millis, Millis)>,
    refuses: bool,
    lacks_ids: bool,
}

impl Sight {
    const NOTHING: Sight = Sight { sorted: true, refreshes: None, arrivals: None, refuses: false, lacks_ids: false };

    /// Of a row that arrives then.
    fn of(at: Millis, every_ms: Millis) -> Sight {
        let refresh = at.div_euclid(every_ms);
        Sight { refreshes: Some((refresh, refresh)), arrivals: Some((at, at)), ..Sight::NOTHING }
    }

    fn then(self, next: Sight) -> Sight {
        let (refreshes, in_order) = match (self.refreshes, next.refreshes) {
            (Some((first, last)), Some((then, end))) => (Some((first, end)), last <= then),
            (before, after) => (before.or(after), true),
        };
        let arrivals = match (self.arrivals, next.arrivals) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (before, after) => before.or(after),
        };
        Sight {
            sorted: self.sorted && next.sorted && in_order,
            refreshes,
            arrivals,
            refuses: self.refuses || next.refuses,
            lacks_ids: self.lacks_ids || next.lacks_ids,
        }
    }
}

/// Looks through the row groups of all files, several at a time, and shows every play id, in no particular order.
fn look_through(
    files: &[Lookout<'_>],
    names: &Arc<NameTable>,
    threads: usize,
    mut see: impl FnMut(u128),
) -> Result<Vec<Sight>, Error> {
    let groups_of = |file: &Lookout<'_>| file.metadata.metadata().num_row_groups();
    let groups: Vec<(usize, usize)> =
        files.iter().enumerate().flat_map(|(file, of)| (0..groups_of(of)).map(move |group| (file, group))).collect();
    let next = AtomicUsize::new(0);
    let look = |ids: SyncSender<Vec<u128>>| -> Result<Vec<(usize, Sight)>, Error> {
        let mut sights = Vec::new();
        let mut naming = Naming::new(names.clone());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((file, group)) = groups.get(at) else { return Ok(sights) };
            sights.push((at, files[*file].group(*group, &mut naming, &ids)?));
        }
    };
    let mut sights = std::thread::scope(|scope| {
        let (sender, shown) = sync_channel::<Vec<u128>>(2 * threads);
        let lookers: Vec<_> = (0..threads.max(1))
            .map(|_| {
                let sender = sender.clone();
                scope.spawn(|| look(sender))
            })
            .collect();
        drop(sender);
        shown.into_iter().flatten().for_each(&mut see);
        let seen = lookers.into_iter().map(|looker| looker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        seen.collect::<Result<Vec<_>, Error>>()
    })?
    .concat();
    sights.sort_unstable_by_key(|(at, _)| *at);
    let mut of_files = vec![Sight::NOTHING; files.len()];
    for (at, sight) in sights {
        let (file, _) = groups[at];
        of_files[file] = of_files[file].then(sight);
    }
    Ok(of_files)
}

/// Looks at the rows of one file.
struct Lookout<'a> {
    path: &'a Path,
    metadata: ArrowReaderMetadata,
    every_ms: Millis,
    names: &'a Arc<NameTable>,
    facts: &'a Facts,
    /// Where the file's own statistics vouch for the other columns, a glance at four tells all; else every row is judged.
    glances: bool,
}

impl<'a> Lookout<'a> {
    fn new(
        path: &'a Path,
        every_ms: Millis,
        names: &'a Arc<NameTable>,
        facts: &'a Facts,
        all_names: bool,
    ) -> Result<Lookout<'a>, Error> {
        let metadata = load(path)?;
        let found: Vec<String> = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
        for column in ["play_id", "ended_at", "account_id", "track_id", "played_ms"] {
            if !found.iter().any(|name| name == column) {
                return Err(Error::MissingColumn { path: path.to_owned(), table: "plays", column, found });
            }
        }
        let glances = vouched(&metadata) && !all_names;
        Ok(Lookout { path, metadata, every_ms, names, facts, glances })
    }

    /// Looks at a row group; its play ids are sent on their way.
    fn group(&self, group: usize, naming: &mut Naming, to: &SyncSender<Vec<u128>>) -> Result<Sight, Error> {
        let mut columns = if self.glances { GLANCED.to_vec() } else { Decoder::columns(Wanted::ALL, false) };
        columns.push("play_id");
        let mut sight = Sight::NOTHING;
        let rows = self.metadata.metadata().row_group(group).num_rows() as usize;
        let all = vec![RowSelector::select(rows)].into();
        for batch in open(self.path, &self.metadata, Some((group, all)), &columns)? {
            let batch = batch.map_err(|error| Error::parquet(self.path, error))?;
            let mut ids = ids_of(self.path, &batch, self.names)?;
            let lacks_ids = !ids.iter().all(|id| is_play_id(*id));
            let (arrivals, refuses) = match self.glances {
                true => glance(self.path, &batch, &ids)?,
                false => self.judge(&batch, lacks_ids, naming)?,
            };
            ids.retain(|id| is_play_id(*id));
            // Nobody listens once another looker failed.
            let _ = to.send(ids);
            sight = arrivals.into_iter().fold(sight, |sight, at| sight.then(Sight::of(at, self.every_ms)));
            sight.refuses |= refuses;
            sight.lacks_ids |= lacks_ids;
        }
        Ok(sight)
    }

    /// When the valid plays of the batch arrive, and whether some row is refused.
    fn judge(&self, batch: &RecordBatch, play_ids: bool, naming: &mut Naming) -> Result<(Vec<Millis>, bool), Error> {
        let suspected = Suspected::default();
        let path = self.path.to_owned();
        let suspected = Some(&suspected);
        let decoder = Decoder { path, wanted: Wanted::ALL, facts: self.facts, suspected, play_ids };
        let mut decoded = Decoded::default();
        decoder.decode(batch, 0, naming, &mut decoded)?;
        Ok((decoded.plays.iter().map(|arrived| arrived.at).collect(), !decoded.refusals.is_empty()))
    }
}

fn ids_of(path: &Path, batch: &RecordBatch, names: &NameTable) -> Result<Vec<u128>, Error> {
    let column = batch.column_by_name("play_id").expect("its presence was checked");
    play_ids(path, column, names.kind(IdSpace::Play))
}

fn each_play_id(file: &FileSurvey, names: &NameTable, see: &mut dyn FnMut(u128)) -> Result<(), Error> {
    for batch in open(&file.path, &file.metadata, None, &["play_id"])? {
        let batch = batch.map_err(|error| Error::parquet(&file.path, error))?;
        ids_of(&file.path, &batch, names)?.into_iter().filter(|id| is_play_id(*id)).for_each(&mut *see);
    }
    Ok(())
}

/// Whether the statistics in the file rule out that a row is refused for a null or an impossible number; what only the
/// rows can tell (play ids, times, countries) is read anyway.
fn vouched(metadata: &ArrowReaderMetadata) -> bool {
    let required = ["ended_at", "account_id", "track_id", "played_ms"];
    let numbers = ["account_id", "track_id", "device_id", "ip_prefix", "playlist_id"];
    let file = metadata.metadata();
    file.row_groups().iter().all(|group| {
        group.columns().iter().all(|column| {
            let name = column.column_path().string();
            let Some(statistics) = column.statistics() else {
                let may_be_none = numbers.contains(&name.as_str()) && column.column_type() != Type::BYTE_ARRAY;
                return !required.contains(&name.as_str()) && name != "asn" && !may_be_none;
            };
            if required.contains(&name.as_str()) && statistics.null_count_opt() != Some(0) {
                return false;
            }
            // Unsigned numbers that are negative when read as signed ones are out of every range.
            let within = |least: i64, most: i64| {
                let (min, max) = match statistics {
                    Statistics::Int32(values) => {
                        (values.min_opt().map(|n| (*n).into()), values.max_opt().map(|n| (*n).into()))
                    }
                    Statistics::Int64(values) => (values.min_opt().copied(), values.max_opt().copied()),
                    _ => (None, None),
                };
                min.zip(max).is_some_and(|(min, max)| least <= min && min <= max && max <= most)
            };
            match name.as_str() {
                "played_ms" => within(0, u32::MAX.into()),
                "asn" => {
                    statistics.null_count_opt() == Some(group.num_rows() as u64) || within(0, i64::from(u32::MAX) - 1)
                }
                name if numbers.contains(&name) => {
                    matches!(statistics, Statistics::ByteArray(_))
                        || statistics.null_count_opt() == Some(group.num_rows() as u64)
                        || within(0, i64::MAX)
                }
                _ => true,
            }
        })
    })
}

/// Finds out which ids come again without remembering all of them.
struct Repeats {
    /// Ids that are small numbers have a bit of their own from this one on; else the bit is chosen by hash.
    least: Option<u64>,
    seen: Vec<u64>,
    /// Hashed bits that were set twice; exact ones go to `counts` at once.
    crowded: Vec<u64>,
    any_crowded: bool,
    counts: Suspected,
}

impl Repeats {
    fn new(files: &[ArrowReaderMetadata], ids: IdKind) -> Repeats {
        let rows: u64 = files.iter().map(|file| file.metadata().file_metadata().num_rows() as u64).sum();
        let range = id_range(files).filter(|_| ids == IdKind::Number).filter(|(least, most)| {
            most.checked_sub(*least).is_some_and(|span| span < (rows.max(64) * BITS_PER_ID).min(BITS_MAX))
        });
        let bits = match range {
            Some((least, most)) => most - least + 1,
            None => (rows.max(64) * BITS_PER_ID).next_power_of_two().min(BITS_MAX),
        };
        let words = || vec![0; (bits as usize).div_ceil(64)];
        Repeats {
            least: range.map(|(least, _)| least),
            seen: words(),
            crowded: if range.is_some() { Vec::new() } else { words() },
            any_crowded: false,
            counts: HashMap::new(),
        }
    }

    fn bit(&self, id: u128) -> u64 {
        let bits = self.seen.len() as u64 * 64;
        match self.least {
            // Within the range that the statistics told; where they told wrong, ids share bits.
            Some(least) => (id as u64).wrapping_sub(least) % bits,
            // The number of bits is a power of two.
            None => ((id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) & (bits - 1),
        }
    }

    fn see(&mut self, id: u128) {
        let bit = self.bit(id);
        let (word, mask) = ((bit / 64) as usize, 1 << (bit % 64));
        if self.seen[word] & mask == 0 {
            self.seen[word] |= mask;
        } else if self.least.is_some() {
            *self.counts.entry(id as u64).or_insert(1) += 1;
        } else {
            self.crowded[word] |= mask;
            self.any_crowded = true;
        }
    }

    /// The ids that occur more than once, and how often; `again` shows all ids a second time if need be.
    fn resolve(mut self, again: impl FnOnce(&mut dyn FnMut(u128)) -> Result<(), Error>) -> Result<Suspected, Error> {
        if !self.any_crowded {
            return Ok(self.counts);
        }
        let mut ids = Vec::new();
        again(&mut |id| {
            let bit = self.bit(id);
            if self.crowded[(bit / 64) as usize] & (1 << (bit % 64)) != 0 {
                ids.push(id as u64);
            }
        })?;
        ids.sort_unstable();
        for same in ids.chunk_by(|a, b| a == b).filter(|same| same.len() > 1) {
            self.counts.insert(same[0], same.len() as u32);
        }
        Ok(self.counts)
    }
}

/// The least and the greatest play id, when all are numbers and the statistics say so.
fn id_range(files: &[ArrowReaderMetadata]) -> Option<(u64, u64)> {
    let mut range: Option<(u64, u64)> = None;
    for file in files {
        for group in file.metadata().row_groups() {
            let column = group.columns().iter().find(|column| column.column_path().string() == "play_id")?;
            let Some(Statistics::Int64(values)) = column.statistics() else { return None };
            let least = u64::try_from(*values.min_opt()?).ok()?;
            let most = u64::try_from(*values.max_opt()?).ok()?;
            range = Some(range.map_or((least, most), |(a, b)| (a.min(least), b.max(most))));
        }
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_bits_find_exactly_the_ids_that_repeat() {
        let mut repeats =
            Repeats { least: None, seen: vec![0; 2], crowded: vec![0; 2], any_crowded: false, counts: HashMap::new() };
        let ids: Vec<u128> = (0..1_000).chain([3, 3, 77]).collect();
        ids.iter().for_each(|id| repeats.see(*id));
        let counts = repeats.resolve(|see| {
            ids.iter().for_each(|id| see(*id));
            Ok(())
        });
        let mut counts: Vec<_> = counts.unwrap().into_iter().collect();
        counts.sort_unstable();
        assert_eq!(counts, [(3, 3), (77, 2)]);
    }
}
