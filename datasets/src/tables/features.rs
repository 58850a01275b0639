//! Reads feature rows as columns, and sequences as rows, as models take them.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, TimeUnit, TimestampMillisecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use records::Millis;

use super::finite::FiniteFile;
use crate::Error;

/// Rows of `account_features` (`as_of`, an id, and numbers).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureRows {
    /// As of when each row holds.
    pub as_of: Vec<Millis>,
    /// Whom it is about; numbers as digits.
    pub ids: Vec<String>,
    /// Whether the ids are numbers.
    pub ids_are_numbers: bool,
    /// The names of the features.
    pub names: Vec<String>,
    /// One column per name; NaN where nothing can be said.
    pub columns: Vec<Vec<f32>>,
}

/// The columns that are no features.
const AS_OF: &str = "as_of";

/// Reads the rows of a file that `keep` wants, told as of when they hold and whom they are about. The id is in the column
/// of this name; every other column besides `as_of` is a feature, and those that `is_wanted` are read.
///
/// # Errors
/// When the file cannot be read, or a column is missing or holds something else.
pub fn read_features(
    path: &Path,
    id: &'static str,
    is_wanted: impl Fn(&str) -> bool,
    keep: impl Fn(Millis, &str) -> bool,
) -> Result<FeatureRows, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(FiniteFile(file)).map_err(|error| Error::parquet(path, error))?;
    let fields = builder.schema().fields().iter().map(|field| field.name().clone());
    let fields = fields.enumerate().filter(|(_, name)| [AS_OF, id].contains(&name.as_str()) || is_wanted(name));
    let (read, found): (Vec<usize>, Vec<String>) = fields.unzip();
    let mask = ProjectionMask::roots(builder.parquet_schema(), read);
    let builder = builder.with_projection(mask);
    let place = |column: &'static str| {
        let at = found.iter().position(|name| name == column);
        at.ok_or(Error::MissingColumn {
            path: path.to_owned(),
            table: "account_features",
            column,
            found: found.clone(),
        })
    };
    let (as_of, id) = (place(AS_OF)?, place(id)?);
    let numbers: Vec<usize> = (0..found.len()).filter(|at| *at != as_of && *at != id).collect();
    let mut rows = FeatureRows {
        names: numbers.iter().map(|at| found[*at].clone()).collect(),
        columns: vec![Vec::new(); numbers.len()],
        ..FeatureRows::default()
    };
    for batch in builder.build().map_err(|error| Error::parquet(path, error))? {
        let batch = batch.map_err(|error| Error::parquet(path, error))?;
        append(&mut rows, &batch, (as_of, id), &numbers, &keep).map_err(|column| wrong(path, &batch, column))?;
    }
    Ok(rows)
}

/// Rows of `account_sequence`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceRows {
    /// As of when each row holds.
    pub as_of: Vec<Millis>,
    /// Whom it is about; numbers as digits.
    pub ids: Vec<String>,
    /// The numbers of the two series, row after row.
    pub series: [Vec<f32>; 2],
}

/// Reads the rows of a file of sequences: `as_of`, `account_id`, and two lists of these names and lengths.
///
/// # Errors
/// When the file cannot be read, a column is missing or holds something else, or a list has another length.
pub fn read_sequences(path: &Path, lists: [(&'static str, usize); 2]) -> Result<SequenceRows, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(FiniteFile(file)).map_err(|error| Error::parquet(path, error))?;
    let reader = builder.with_batch_size(256).build().map_err(|error| Error::parquet(path, error))?;
    let mut rows = SequenceRows::default();
    for batch in reader {
        let batch = batch.map_err(|error| Error::parquet(path, error))?;
        let column = |column: &'static str| {
            let found = || batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            let missing =
                || Error::MissingColumn { path: path.to_owned(), table: "account_sequence", column, found: found() };
            batch.schema().index_of(column).map_err(|_| missing())
        };
        let (as_of, id) = (column(AS_OF)?, column("account_id")?);
        let mut read = FeatureRows::default();
        append(&mut read, &batch, (as_of, id), &[], |_, _| true).map_err(|column| wrong(path, &batch, column))?;
        rows.as_of.extend(read.as_of);
        rows.ids.extend(read.ids);
        for (to, (name, length)) in rows.series.iter_mut().zip(lists) {
            let at = column(name)?;
            let list = batch.column(at).as_list_opt::<i32>().ok_or_else(|| wrong(path, &batch, at))?;
            let numbers = list.values().as_primitive_opt::<Float32Type>().ok_or_else(|| wrong(path, &batch, at))?;
            let whole = list.offsets().lengths().all(|found| found == length);
            if !whole || list.null_count() + numbers.null_count() > 0 {
                return Err(wrong(path, &batch, at));
            }
            let [from, to_end] =
                [list.offsets().first(), list.offsets().last()].map(|at| at.map_or(0, |at| *at as usize));
            to.extend_from_slice(&numbers.values()[from..to_end]);
        }
    }
    Ok(rows)
}

fn wrong(path: &Path, batch: &RecordBatch, column: usize) -> Error {
    let field = batch.schema().field(column).clone();
    Error::ColumnType {
        path: path.to_owned(),
        column: field.name().clone(),
        found: field.data_type().to_string(),
        expected: "instants in `as_of`, texts or whole numbers in the id, in every other column numbers, or lists of as many numbers as \
                   series have",
    }
}

/// Appends the rows that are wanted; the error is the column that cannot be read.
fn append(
    rows: &mut FeatureRows,
    batch: &RecordBatch,
    (as_of, id): (usize, usize),
    numbers: &[usize],
    keep: impl Fn(Millis, &str) -> bool,
) -> Result<(), usize> {
    let read = |column: usize, data_type: &DataType| cast(batch.column(column), data_type).map_err(|_| column);
    let instants = read(as_of, &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))?;
    let instants = instants.as_primitive::<TimestampMillisecondType>();
    rows.ids_are_numbers = batch.column(id).data_type().is_integer();
    let ids = read(id, &DataType::Utf8)?;
    let ids = ids.as_string::<i32>();
    if instants.null_count() > 0 || ids.null_count() > 0 {
        return Err(if instants.null_count() > 0 { as_of } else { id });
    }
    let wanted: Vec<usize> = (0..batch.num_rows()).filter(|row| keep(instants.value(*row), ids.value(*row))).collect();
    rows.as_of.extend(wanted.iter().map(|row| instants.value(*row)));
    rows.ids.extend(wanted.iter().map(|row| ids.value(*row).to_owned()));
    for (to, column) in rows.columns.iter_mut().zip(numbers) {
        if batch.column(*column).data_type() == &DataType::Utf8 {
            return Err(*column);
        }
        let values = read(*column, &DataType::Float32)?;
        let values = values.as_primitive::<Float32Type>();
        to.extend(wanted.iter().map(|row| if values.is_null(*row) { f32::NAN } else { values.value(*row) }));
    }
    Ok(())
}
