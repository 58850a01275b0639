//! Gives one worker its share of the plays in the order of their arrival.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection, RowSelector};
use records::{Millis, Refusal};

use super::catalogue::Facts;
use super::decode::{Arrived, BATCH_ROWS, Decoded, Decoder, Suspect, Wanted, open};
use super::spill::{Run, Sorter};
use super::survey::Survey;
use crate::Error;
use crate::names::Naming;

/// Workers take turns at the rows of a row group, so many at a time: a tick's plays are read by all of them.
const TURN_ROWS: usize = BATCH_ROWS;

/// Plays read ahead from a run on disk.
const RUN_ROWS: usize = 8_192;

/// One worker's plays, by arrival.
pub struct Arrivals {
    survey: Arc<Survey>,
    facts: Arc<Facts>,
    wanted: Wanted,
    naming: Naming,
    /// This worker, and how many there are.
    share: (usize, usize),
    sources: Vec<Source>,
    suspects: BTreeMap<Millis, Vec<(u32, Suspect)>>,
    refusals: Vec<Refusal>,
}

/// Somewhere plays come from in order.
struct Source {
    from: From,
    /// Read and not yet given.
    ahead: VecDeque<Arrived>,
    /// No play arrives before this; told before the file is opened.
    first_at: Millis,
}

enum From {
    /// The reader of an open row group comes with the number of its next row in the file.
    File {
        file: usize,
        groups: VecDeque<usize>,
        reader: Option<(ParquetRecordBatchReader, u64)>,
    },
    Disk(Run),
    Memory,
}

impl Arrivals {
    /// The share of this worker among so many: each takes its turn at the rows of every row group. Files that are not
    /// sorted are sorted now, with at most `sort_rows_max` plays in memory.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(
        survey: Arc<Survey>,
        facts: Arc<Facts>,
        wanted: Wanted,
        naming: Naming,
        share: (usize, usize),
        sort_rows_max: usize,
    ) -> Result<Arrivals, Error> {
        // What tells a repeat from a conflict is the whole row, and so is what a row is refused for.
        let wanted = if survey.repeats || survey.refuses { Wanted::ALL } else { wanted };
        let mut arrivals = Arrivals {
            survey: survey.clone(),
            facts,
            wanted,
            naming,
            share,
            sources: Vec::new(),
            suspects: BTreeMap::new(),
            refusals: Vec::new(),
        };
        let mut sorter = Sorter::new(sort_rows_max);
        for (number, file) in survey.files.iter().enumerate() {
            let groups = (0..file.metadata.metadata().num_row_groups()).collect();
            let mut source = Source {
                from: From::File { file: number, groups, reader: None },
                ahead: VecDeque::new(),
                first_at: file.first_at.unwrap_or(Millis::MAX),
            };
            // A file without a valid row is read all the same, for its refusals.
            if file.sorted && file.first_at.is_some() {
                arrivals.sources.push(source);
            } else {
                while arrivals.read_ahead(&mut source)? {
                    sorter.extend(source.ahead.drain(..))?;
                }
            }
        }
        let (runs, rest) = sorter.finish();
        arrivals.sources.extend(runs.into_iter().map(|run| Source {
            from: From::Disk(run),
            ahead: VecDeque::new(),
            first_at: Millis::MIN,
        }));
        if let Some(first) = rest.first() {
            arrivals.sources.push(Source { first_at: first.at, from: From::Memory, ahead: rest.into() });
        }
        Ok(arrivals)
    }

    /// When the next play arrives, at the earliest; `None` after the last.
    pub fn next_at(&self) -> Option<Millis> {
        let sources = self.sources.iter().map(|source| source.ahead.front().map_or(source.first_at, |next| next.at));
        sources.chain(self.suspects.keys().next().copied()).min()
    }

    /// Hands over everything that arrives before the instant; suspects with the number of their file.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn before(
        &mut self,
        instant: Millis,
        mut play: impl FnMut(Arrived),
        mut suspect: impl FnMut(u32, Suspect),
    ) -> Result<(), Error> {
        let mut sources = std::mem::take(&mut self.sources);
        let mut at = 0;
        while at < sources.len() {
            let source = &mut sources[at];
            if source.ahead.is_empty() && source.first_at >= instant {
                at += 1;
                continue;
            }
            let finished = loop {
                while let Some(next) = source.ahead.pop_front_if(|next| next.at < instant) {
                    play(next);
                }
                if !source.ahead.is_empty() {
                    break false;
                }
                if !self.read_ahead(source)? {
                    break true;
                }
            };
            if finished {
                sources.swap_remove(at);
            } else {
                at += 1;
            }
        }
        self.sources = sources;
        while let Some(entry) = self.suspects.first_entry().filter(|entry| *entry.key() < instant) {
            entry.remove().into_iter().for_each(|(file, claim)| suspect(file, claim));
        }
        Ok(())
    }

    /// The rows that were refused since the last call.
    pub fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refusals)
    }

    /// Reads on until there is a play ahead; `false` at the end.
    fn read_ahead(&mut self, source: &mut Source) -> Result<bool, Error> {
        match &mut source.from {
            From::Memory => {}
            From::Disk(run) => {
                let mut rows = Vec::with_capacity(RUN_ROWS);
                run.next(RUN_ROWS, &mut rows)?;
                source.ahead.extend(rows);
            }
            From::File { file, groups, reader } => {
                while source.ahead.is_empty() {
                    if reader.is_none() {
                        let Some(group) = groups.pop_front() else { break };
                        *reader = Some(self.open_group(*file, group)?);
                    }
                    let Some((batches, next_row)) = reader else { break };
                    let path = &self.survey.files[*file].path;
                    let Some(batch) = batches.next() else {
                        *reader = None;
                        continue;
                    };
                    let batch = batch.map_err(|error| Error::parquet(path, error))?;
                    let decoder = Decoder {
                        path: path.clone(),
                        wanted: self.wanted,
                        facts: &self.facts,
                        suspected: Some(&self.survey.suspected),
                        play_ids: self.survey.reads_play_ids,
                    };
                    let mut decoded =
                        Decoded { plays: Vec::from(std::mem::take(&mut source.ahead)), ..Decoded::default() };
                    decoder.decode(&batch, *next_row, &mut self.naming, &mut decoded)?;
                    *next_row += (TURN_ROWS * self.share.1) as u64;
                    source.ahead = decoded.plays.into();
                    self.refusals.append(&mut decoded.refusals);
                    for suspect in decoded.suspects {
                        self.suspects.entry(suspect.at).or_default().push((*file as u32, suspect));
                    }
                }
            }
        }
        Ok(!source.ahead.is_empty())
    }

    fn open_group(&self, file: usize, group: usize) -> Result<(ParquetRecordBatchReader, u64), Error> {
        let file = &self.survey.files[file];
        let columns = Decoder::columns(self.wanted, self.survey.reads_play_ids);
        let rows_before = |group: usize| file.metadata.metadata().row_group(group).num_rows() as u64;
        let (worker, workers) = self.share;
        let turns = turns(rows_before(group) as usize, worker, workers);
        let reader = open(&file.path, &file.metadata, Some((group, turns)), &columns)?;
        Ok((reader, (0..group).map(rows_before).sum::<u64>() + (worker * TURN_ROWS) as u64))
    }
}

/// The rows of a row group at which the worker takes its turns.
fn turns(rows: usize, worker: usize, workers: usize) -> RowSelection {
    let turns = (0..rows).step_by(TURN_ROWS).map(|from| TURN_ROWS.min(rows - from)).enumerate();
    let selector = |(turn, rows)| match turn % workers == worker {
        true => RowSelector::select(rows),
        false => RowSelector::skip(rows),
    };
    turns.map(selector).collect()
}
