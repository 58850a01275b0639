//! Writes a view row by row, cells as they come.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Builder, Float64Builder, Int8Builder, Int64Builder, ListBuilder, RecordBatch, RecordBatchOptions,
    StringBuilder, TimestampMillisecondBuilder, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use records::{Id, Millis};

use super::columns::IdKind;
use super::write::{ParquetFile, Part};
use crate::Error;

/// Rows held before they are encoded, and numbers of series, which are many to a row.
const BATCH_ROWS: usize = 32_768;
const BATCH_NUMBERS: usize = 4_000_000;

/// What a column of a view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Instants.
    Instant,
    /// Texts.
    Text,
    /// Texts, null where there is none.
    Remark,
    /// Ids, all numbers or all texts.
    Id(IdKind),
    /// Counts and sums.
    Count,
    /// Numbers with a fraction.
    Float,
    /// Features: single precision, null where nothing can be said.
    Feature,
    /// Lists of numbers, single precision.
    Series,
    /// +1 for a row that came, -1 for one that went.
    Diff,
}

/// A cell of a row.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Cell<'a> {
    Instant(Millis),
    Text(&'a str),
    Id(&'a Id),
    Count(u64),
    Float(f64),
    /// NaN is null.
    Feature(f32),
    Series(&'a [f32]),
    Diff(i8),
    /// No text, where a column may have none.
    Nothing,
}

enum Builder {
    Instant(TimestampMillisecondBuilder),
    Text(StringBuilder),
    Number(UInt64Builder),
    Count(Int64Builder),
    Float(Float64Builder),
    Feature(Float32Builder),
    Series(ListBuilder<Float32Builder>),
    Diff(Int8Builder),
}

impl Builder {
    fn new(holds: Holds) -> Builder {
        match holds {
            Holds::Instant => Builder::Instant(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            Holds::Text | Holds::Remark | Holds::Id(IdKind::Text) => Builder::Text(StringBuilder::new()),
            Holds::Id(IdKind::Number) => Builder::Number(UInt64Builder::new()),
            Holds::Count => Builder::Count(Int64Builder::new()),
            Holds::Float => Builder::Float(Float64Builder::new()),
            Holds::Feature => Builder::Feature(Float32Builder::new()),
            Holds::Series => Builder::Series(ListBuilder::new(Float32Builder::new())),
            Holds::Diff => Builder::Diff(Int8Builder::new()),
        }
    }

    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Builder::Instant(to), Cell::Instant(instant)) => to.append_value(instant),
            (Builder::Text(to), Cell::Text(text)) => to.append_value(text),
            (Builder::Text(to), Cell::Nothing) => to.append_null(),
            (Builder::Text(to), Cell::Id(Id::Text(text))) => to.append_value(text),
            (Builder::Text(to), Cell::Id(Id::Number(number))) => to.append_value(number.to_string()),
            (Builder::Number(to), Cell::Id(Id::Number(number))) => to.append_value(*number),
            (Builder::Count(to), Cell::Count(count)) => to.append_value(i64::try_from(count).unwrap_or(i64::MAX)),
            (Builder::Float(to), Cell::Float(number)) => to.append_value(number),
            (Builder::Feature(to), Cell::Feature(number)) => to.append_option((!number.is_nan()).then_some(number)),
            (Builder::Series(to), Cell::Series(numbers)) => {
                to.values().append_slice(numbers);
                to.append(true);
            }
            (Builder::Diff(to), Cell::Diff(diff)) => to.append_value(diff),
            (_, cell) => panic!("{cell:?} in a column that holds something else"),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Instant(from) => Arc::new(from.finish()),
            Builder::Text(from) => Arc::new(from.finish()),
            Builder::Number(from) => Arc::new(from.finish()),
            Builder::Count(from) => Arc::new(from.finish()),
            Builder::Float(from) => Arc::new(from.finish()),
            Builder::Feature(from) => Arc::new(from.finish()),
            Builder::Series(from) => Arc::new(from.finish()),
            Builder::Diff(from) => Arc::new(from.finish()),
        }
    }
}

/// Rows of a view in the making: columns of Arrow, or some of them.
pub struct Rows {
    schema: Arc<Schema>,
    /// A builder for each column that is wanted, where it stands in a row.
    builders: Vec<Option<Builder>>,
    held: usize,
    held_numbers: usize,
}

impl Rows {
    /// No rows yet, with these columns; of them only those at the places `wanted`, where it says so.
    pub fn of(columns: &[(&str, Holds)], wanted: Option<&[usize]>) -> Rows {
        let is_wanted = |at: usize| wanted.is_none_or(|wanted| wanted.contains(&at));
        let builders = columns.iter().enumerate().map(|(at, (_, holds))| is_wanted(at).then(|| Builder::new(*holds)));
        let fields = columns.iter().enumerate().filter(|(at, _)| is_wanted(*at)).map(|(_, column)| field(column));
        Rows {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            builders: builders.collect(),
            held: 0,
            held_numbers: 0,
        }
    }

    /// The columns.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.held
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Appends a row: a cell for each column of the view, in their order.
    pub fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            let Some(builder) = builder else { continue };
            if let Cell::Series(numbers) = cell {
                self.held_numbers += numbers.len();
            }
            builder.push(cell);
        }
        self.held += 1;
    }

    /// Takes the rows out.
    pub fn take(&mut self) -> RecordBatch {
        let columns = self.builders.iter_mut().flatten().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.held));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        (self.held, self.held_numbers) = (0, 0);
        batch.expect("each row gives every column a cell")
    }
}

/// How a column stands in files and in SQL.
fn field((name, holds): &(&str, Holds)) -> Field {
    let data_type = match holds {
        Holds::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Holds::Text | Holds::Remark | Holds::Id(IdKind::Text) => DataType::Utf8,
        Holds::Id(IdKind::Number) => DataType::UInt64,
        Holds::Count => DataType::Int64,
        Holds::Float => DataType::Float64,
        Holds::Feature => DataType::Float32,
        Holds::Series => DataType::new_list(DataType::Float32, true),
        Holds::Diff => DataType::Int8,
    };
    Field::new(*name, data_type, matches!(holds, Holds::Feature | Holds::Remark))
}

/// A view's Parquet file in the making.
pub struct ViewFile {
    file: ParquetFile,
    waiting: Rows,
    rows: u64,
}

impl ViewFile {
    /// Begins the file with these columns.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(path: &Path, columns: &[(&str, Holds)]) -> Result<ViewFile, Error> {
        let waiting = Rows::of(columns, None);
        Ok(ViewFile { file: ParquetFile::create(path, waiting.schema.clone())?, waiting, rows: 0 })
    }

    /// Appends a row: a cell for each column, in their order.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) -> Result<(), Error> {
        self.waiting.push(cells);
        self.rows += 1;
        let is_full = self.waiting.held == BATCH_ROWS || self.waiting.held_numbers >= BATCH_NUMBERS;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Completes the file, which is not published yet; returns how many rows it has.
    ///
    /// # Errors
    /// When the disk does not take the rest.
    pub fn complete(mut self) -> Result<(u64, Part), Error> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        Ok((self.rows, self.file.complete()?))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.file.write(&self.waiting.take())
    }
}
