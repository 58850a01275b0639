//! Looks through the plays once before they are replayed: whether each file is sorted by arrival, from when to when
//! plays arrive, and which play ids come again.
//!
//! ```text
//! play ids ──▶ one bit each ──▶ bits that were set twice ──▶ their ids, sorted ──▶ ids that really repeat
//! ```
//!
//! Knowing the repeats beforehand lets all other plays pass without being remembered by id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hashbrown::HashMap;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::statistics::Statistics;
use records::{IdSpace, Millis};

use super::catalogue::Facts;
use super::decode::{Decoded, Decoder, Suspected, Wanted, is_play_id, open, play_ids};
use crate::Error;
use crate::names::{NameTable, Naming};
use crate::tables::IdKind;

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

/// Surveys the plays; `corrections` are (play id, arrival). With `all_names` every id of every row is remembered, for a
/// process that reads only a share of the rows but must know the names of all.
///
/// # Errors
/// When a file cannot be read, lacks a required column, or has one of another type.
pub fn survey(
    paths: &[PathBuf],
    every_ms: Millis,
    names: &Arc<NameTable>,
    facts: &Facts,
    corrections: &[(u128, Millis)],
    all_names: bool,
) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let metadata: Vec<_> = paths.iter().map(|path| load(path)).collect::<Result<_, _>>()?;
    let mut repeats = Repeats::new(&metadata, names.kind(IdSpace::Play));
    for (path, metadata) in paths.iter().zip(&metadata) {
        let file = survey_file(path, metadata, (every_ms, all_names), names, facts, &mut repeats, &mut survey)?;
        survey.files.push(file);
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
    ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(|error| Error::parquet(path, error))
}

fn note(survey: &mut Survey, at: Millis) {
    survey.first_at = Some(survey.first_at.map_or(at, |first| first.min(at)));
    survey.last_at = Some(survey.last_at.map_or(at, |last| last.max(at)));
}

fn survey_file(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    (every_ms, all_names): (Millis, bool),
    names: &Arc<NameTable>,
    facts: &Facts,
    repeats: &mut Repeats,
    survey: &mut Survey,
) -> Result<FileSurvey, Error> {
    let found: Vec<String> = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
    for column in ["play_id", "ended_at", "account_id", "track_id", "played_ms"] {
        if !found.iter().any(|name| name == column) {
            return Err(Error::MissingColumn { path: path.to_owned(), table: "plays", column, found });
        }
    }
    let suspected = Suspected::default();
    // Where the file's own statistics vouch for the other columns, three of them tell all; else every row is judged.
    let judged = vouched(metadata) && !all_names;
    let wanted = if judged { Wanted { country: true, ..Wanted::default() } } else { Wanted::ALL };
    let mut decoder = Decoder { path: path.to_owned(), wanted, facts, suspected: &suspected, play_ids: false };
    let mut columns = Decoder::columns(wanted, false);
    columns.push("play_id");
    let mut naming = Naming::new(names.clone());
    let mut file = FileSurvey {
        path: path.to_owned(),
        rows: metadata.metadata().file_metadata().num_rows() as u64,
        sorted: true,
        first_at: None,
        metadata: metadata.clone(),
    };
    let mut refresh = Millis::MIN;
    let mut decoded = Decoded::default();
    for batch in open(path, metadata, None, &columns)? {
        let batch = batch.map_err(|error| Error::parquet(path, error))?;
        for id in ids_of(path, &batch, names)? {
            match is_play_id(id) {
                true => repeats.see(id),
                // From here on rows without an id must be told from the others.
                false => decoder.play_ids = true,
            }
        }
        decoder.decode(&batch, 0, &mut naming, &mut decoded)?;
        survey.refuses |= !decoded.refusals.is_empty();
        decoded.refusals.clear();
        for arrived in decoded.plays.drain(..) {
            let of = arrived.at.div_euclid(every_ms);
            file.sorted &= of >= refresh;
            refresh = of;
            file.first_at = Some(file.first_at.map_or(arrived.at, |first| first.min(arrived.at)));
            note(survey, arrived.at);
        }
    }
    survey.reads_play_ids |= decoder.play_ids;
    Ok(file)
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
                return !required.contains(&name.as_str()) && name != "asn";
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
