//! Reads a folder of tables as if it arrived: first what is known, then plays and corrections, refresh by refresh.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use records::Millis;

use super::{BATCH_ROWS, Columns, Ids, stream};
use crate::Error;
use crate::arrivals::instants_of;
use crate::log::{Entry, Rows, TABLES};
use crate::tables::Inputs;
use crate::tables::finite::FiniteFile;
use crate::tables::read::{INSTANT_MAX, INSTANT_MIN};
use crate::tables::rows::guarded;

/// When it arrives, rows, and before which instant all has arrived with them.
type Part = Result<(Millis, Option<Rows>, Option<Millis>), Error>;

/// The folder as entries of the log, in the order in which they arrived.
pub struct Followed {
    source: String,
    every_ms: Millis,
    /// Rows of other tables, then batches with the rows of each refresh.
    known: Vec<Rows>,
    arriving: Vec<(&'static str, RecordBatch)>,
    /// Rows that arrive at no instant that can be: they are refused whenever they come.
    unplaced: Vec<(usize, Vec<u64>)>,
    /// By refresh: which rows of which batch arrive before its end.
    refreshes: BTreeMap<Millis, Vec<(usize, Vec<u64>)>>,
}

impl Followed {
    /// Reads the files; plays and corrections are held in memory.
    ///
    /// # Errors
    /// When a file cannot be read, or a column is missing or holds what it cannot.
    pub fn read(source: &str, inputs: &Inputs, every_ms: Millis, ids: &Ids) -> Result<Followed, Error> {
        let mut followed = Followed {
            source: source.to_owned(),
            every_ms,
            known: Vec::new(),
            arriving: Vec::new(),
            unplaced: Vec::new(),
            refreshes: BTreeMap::new(),
        };
        for (table, paths) in inputs.by_table() {
            let Some(table) = TABLES.into_iter().find(|known| *known == table) else { continue };
            let columns = Columns::of(table, ids)?;
            for path in paths {
                for batch in batches_of(path)? {
                    let batch = columns.known(&batch)?;
                    match table {
                        "plays" => followed.arrive(path, table, batch, &["ended_at", "arrived_at"])?,
                        "corrections" => followed.arrive(path, table, batch, &["arrived_at"])?,
                        table => {
                            let columns = stream(&[batch])?;
                            followed.known.push(Rows { table, refused: Vec::new(), columns });
                        }
                    }
                }
            }
        }
        if let Some(first) = followed.refreshes.values_mut().next() {
            first.append(&mut followed.unplaced);
        }
        Ok(followed)
    }

    /// Notes when each row of the batch arrives: at the latest of these instants.
    fn arrive(&mut self, path: &Path, table: &'static str, batch: RecordBatch, instants: &[&str]) -> Result<(), Error> {
        let columns = instants.iter().filter_map(|name| batch.column_by_name(name).map(|column| (*name, column)));
        let columns =
            columns.map(|(name, column)| instants_of(path, name, column)).collect::<Result<Vec<_>, Error>>()?;
        let (mut rows, mut unplaced) = (BTreeMap::<Millis, Vec<u64>>::new(), Vec::new());
        for row in 0..batch.num_rows() {
            match columns.iter().map(|column| column[row]).max() {
                Some(at) if (INSTANT_MIN..INSTANT_MAX).contains(&at) => {
                    rows.entry(at.div_euclid(self.every_ms)).or_default().push(row as u64);
                }
                _ => unplaced.push(row as u64),
            }
        }
        let number = self.arriving.len();
        self.unplaced.push((number, unplaced));
        self.arriving.push((table, batch));
        for (refresh, rows) in rows {
            self.refreshes.entry(refresh).or_default().push((number, rows));
        }
        Ok(())
    }

    /// The entries, each with the instant before which its rows arrived; equal folders give equal entries.
    pub fn entries(&self) -> impl Iterator<Item = Result<(Millis, Entry), Error>> {
        let first = self.refreshes.keys().next().copied().unwrap_or(0) * self.every_ms;
        let known = self.known.iter().map(move |rows| -> Part { Ok((first, Some(rows.clone()), None)) });
        let arriving = self.refreshes.iter().flat_map(move |(refresh, parts)| {
            let until = (refresh + 1) * self.every_ms;
            let chunks =
                parts.iter().flat_map(|(number, rows)| rows.chunks(BATCH_ROWS).map(move |rows| (number, rows)));
            let rows = chunks.map(move |(number, rows)| -> Part { Ok((until, Some(self.rows(*number, rows)?), None)) });
            rows.chain([Ok((until, None, Some(until)))])
        });
        known.chain(arriving).enumerate().map(move |(number, part)| -> Result<(Millis, Entry), Error> {
            let (at, rows, until) = part?;
            Ok((at, Entry { source: Some((self.source.clone(), number as u64 + 1)), until, rows }))
        })
    }

    fn rows(&self, number: usize, rows: &[u64]) -> Result<Rows, Error> {
        let (table, batch) = &self.arriving[number];
        let places = UInt64Array::from(rows.to_vec());
        let taken = take_record_batch(batch, &places).map_err(|error| Error::Input(error.to_string()))?;
        Ok(Rows { table, refused: Vec::new(), columns: stream(&[taken])? })
    }
}

fn batches_of(path: &Path) -> Result<Vec<RecordBatch>, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let read = || {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(FiniteFile(file), options)?;
        reader.with_batch_size(BATCH_ROWS).build()?.collect::<Result<Vec<_>, ArrowError>>()
    };
    guarded(read).map_err(|error| Error::parquet(path, error))
}
