//! Rows of Parquet files, one batch in memory at a time.
//!
//! The readers of the Parquet and Arrow crates stop with a panic on some damaged files; here that is damage like any other.

use std::cell::Cell as Counter;
use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType, UInt64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::record::{Cell, Columns, Record};
use super::rows::{Step, Steps, check_columns};
use crate::tables::finite::FiniteFile;
use crate::tables::rows::guarded;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// The rows of a Parquet file.
pub struct TypedRows {
    state: State,
    columns: Arc<Columns>,
    batch: Vec<ArrayRef>,
    batch_rows: usize,
    row: usize,
    progress: Progress,
}

enum State {
    Reading(Box<ParquetRecordBatchReader>),
    /// The one step there is to take.
    Damaged(Option<Step>),
}

/// Rows turned into bytes of the file, evenly.
struct Progress {
    bytes: Rc<Counter<u64>>,
    bytes_all: u64,
    rows_all: u64,
    rows: u64,
}

impl TypedRows {
    /// The rows of the file; without a readable footer or a required column, the one step is what is wrong.
    pub fn new(file: File, required: &[&str], bytes: Rc<Counter<u64>>) -> TypedRows {
        let bytes_all = file.metadata().map_or(0, |metadata| metadata.len());
        let mut progress = Progress { bytes, bytes_all, rows_all: 0, rows: 0 };
        let mut columns = Arc::new(Columns::new(Vec::new()));
        let state = match open(file) {
            Err(error) => State::damaged(format!("not readable as Parquet, perhaps cut short: {error}")),
            Ok(builder) => {
                let names = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
                progress.rows_all = builder.metadata().file_metadata().num_rows().max(1) as u64;
                columns = Arc::new(Columns::new(names));
                match check_columns(columns.names(), required) {
                    Some(damage) => State::Damaged(Some(damage)),
                    None => match guarded(|| builder.with_batch_size(BATCH_ROWS).build()) {
                        Ok(reader) => State::Reading(Box::new(reader)),
                        Err(error) => State::damaged(format!("not readable as Parquet: {error}")),
                    },
                }
            }
        };
        TypedRows { state, columns, batch: Vec::new(), batch_rows: 0, row: 0, progress }
    }

    fn take_batch(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.batch = batch.columns().iter().map(plain).collect::<Result<_, _>>()?;
        (self.batch_rows, self.row) = (batch.num_rows(), 0);
        self.progress.rows += self.batch_rows as u64;
        let share = u128::from(self.progress.rows) * u128::from(self.progress.bytes_all);
        self.progress.bytes.set((share / u128::from(self.progress.rows_all)) as u64);
        Ok(())
    }
}

impl State {
    fn damaged(reason: String) -> State {
        State::Damaged(Some(Step::damaged(reason, None)))
    }
}

impl Steps for TypedRows {
    fn next(&mut self) -> Option<Step> {
        while self.row == self.batch_rows {
            let next = match &mut self.state {
                State::Reading(reader) => guarded(|| reader.next().transpose()),
                State::Damaged(step) => return step.take(),
            };
            let taken = match next {
                Ok(None) => return None,
                Ok(Some(batch)) => self.take_batch(&batch).map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                return Some(Step::damaged(format!("the Parquet file is damaged from here on: {error}"), None));
            }
        }
        let cells = self.batch.iter().map(|column| cell(column, self.row)).collect();
        self.row += 1;
        Some(Step::Row(Record::Row { columns: self.columns.clone(), cells }))
    }
}

/// Opens a Parquet file by its own schema; an Arrow schema that a writer left inside adds nothing that is read here.
pub fn open(file: File) -> Result<ParquetRecordBatchReaderBuilder<FiniteFile>, String> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    guarded(|| ParquetRecordBatchReaderBuilder::try_new_with_options(FiniteFile(file), options))
}

/// The column in one of the few types that [`cell`] reads.
fn plain(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let target = match column.data_type() {
        DataType::Boolean => DataType::Boolean,
        DataType::UInt64 => DataType::UInt64,
        kind if kind.is_integer() => DataType::Int64,
        kind if kind.is_floating() || kind.is_decimal() => DataType::Float64,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Millisecond, None)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Utf8,
        _ => return Ok(column.clone()),
    };
    cast(column, &target)
}

fn cell(column: &ArrayRef, row: usize) -> Cell<'static> {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Boolean => Cell::Bool(column.as_boolean().value(row)),
        DataType::UInt64 => Cell::Int(column.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(row).into()),
        DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(..) => Cell::Instant(column.as_primitive::<TimestampMillisecondType>().value(row)),
        DataType::Utf8 => match column.as_string::<i32>().value(row) {
            "" => Cell::Null,
            text => Cell::Text(text.to_owned().into()),
        },
        DataType::Null => Cell::Null,
        _ => {
            let shown = ArrayFormatter::try_new(column, &FormatOptions::default());
            Cell::Nested(shown.map_or_else(|error| error.to_string(), |formatter| formatter.value(row).to_string()))
        }
    }
}
