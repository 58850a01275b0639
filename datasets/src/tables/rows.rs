//! Reads any Parquet file row by row as plain values, and writes plain values: for those that want to know nothing of
//! columns.
//!
//! ```text
//! file ◀──▶ columns by name ◀──▶ row ◀──▶ Null, Int, UInt, Float, Text, Bool
//! ```
//!
//! Widths, dictionaries and units of time disappear here: instants are whole milliseconds since the epoch.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::IdKind;
use super::finite::FiniteFile;
use super::write::ParquetFile;
use records::Id;

use crate::Error;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8_192;

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value, or no such column.
    Null,
    /// A signed integer, or an instant in milliseconds since the epoch.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// Yes or no.
    Bool(bool),
}

impl Value<'_> {
    /// The id that it is, where the ids of its table are of this kind; `None` for what is none.
    pub fn id(self, kind: IdKind) -> Option<Id> {
        let number = |number: u64| match kind {
            IdKind::Text => Id::from(number.to_string()),
            IdKind::Number => Id::Number(number),
        };
        match self {
            Value::Text(text) => Some(Id::from(text)),
            Value::UInt(value) => Some(number(value)),
            Value::Int(value) => u64::try_from(value).ok().map(number),
            _ => None,
        }
    }
}

/// What kind of values a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Nothing but nulls.
    Null,
    /// Signed integers.
    Int,
    /// Unsigned integers.
    UInt,
    /// Instants.
    Instant,
    /// Numbers with a fraction.
    Float,
    /// Texts.
    Text,
    /// Yes or no.
    Bool,
    /// Anything that has no [`Value`]: lists, structures, decimals, bytes, ….
    Other,
}

impl ColumnKind {
    fn of(data_type: &DataType) -> ColumnKind {
        match data_type {
            DataType::Null => ColumnKind::Null,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnKind::Int,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => ColumnKind::UInt,
            DataType::Timestamp(_, _) => ColumnKind::Instant,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnKind::Float,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnKind::Text,
            DataType::Boolean => ColumnKind::Bool,
            DataType::Dictionary(_, values) => ColumnKind::of(values),
            _ => ColumnKind::Other,
        }
    }
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// The top-level columns of a Parquet file, in its order.
///
/// # Errors
/// When the file cannot be read or is no Parquet.
pub fn columns(path: &Path) -> Result<Vec<Column>, Error> {
    let builder = open(path)?;
    let fields = builder.schema().fields();
    Ok(fields
        .iter()
        .map(|field| Column { name: field.name().clone(), kind: ColumnKind::of(field.data_type()) })
        .collect())
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<FiniteFile>, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    guarded(|| ParquetRecordBatchReaderBuilder::try_new(FiniteFile(file))).map_err(|error| Error::parquet(path, error))
}

/// What the reader of Parquet returns, or says, or panics with, as it does with some damaged files.
pub(crate) fn guarded<T, E: ToString>(read: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the reader gave up on it".to_owned()),
    }
}

/// How many rows a Parquet file has, as it says itself.
///
/// # Errors
/// When the file cannot be read or is no Parquet.
pub fn count_rows(path: &Path) -> Result<u64, Error> {
    Ok(open(path)?.metadata().file_metadata().num_rows().max(0) as u64)
}

/// The greatest number or instant in a column of a Parquet file, as the file's statistics tell it without its rows being
/// read; `None` where they tell nothing.
///
/// # Errors
/// When the file cannot be read or is no Parquet.
pub fn greatest(path: &Path, column: &str) -> Result<Option<i64>, Error> {
    let builder = open(path)?;
    let told = StatisticsConverter::try_new(column, builder.schema(), builder.parquet_schema())
        .and_then(|converter| converter.row_group_maxes(builder.metadata().row_groups()));
    let Ok(Cells::Int(greatest)) = told.map_err(|error| error.to_string()).and_then(|array| Cells::of(&array)) else {
        return Ok(None);
    };
    Ok(if greatest.null_count() == 0 { arrow::compute::max(&greatest) } else { None })
}

/// The rows of a Parquet file, one after the other: [`Rows::advance`] to the next, then look at its values.
pub struct Rows {
    path: PathBuf,
    reader: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>,
    names: Vec<String>,
    cells: Vec<Cells>,
    batch_rows: usize,
    next_row: usize,
}

impl Rows {
    /// Opens the file for the columns of these names, in this order; one that the file lacks is all null.
    ///
    /// # Errors
    /// When the file cannot be read or is no Parquet.
    pub fn open(path: &Path, names: &[&str]) -> Result<Rows, Error> {
        let builder = open(path)?;
        let wanted = builder.schema().fields().iter().enumerate();
        let wanted = wanted.filter(|(_, field)| names.contains(&field.name().as_str())).map(|(index, _)| index);
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.collect::<Vec<_>>());
        let reader = guarded(|| builder.with_projection(mask).with_batch_size(BATCH_ROWS).build());
        Ok(Rows {
            path: path.to_owned(),
            reader: Box::new(reader.map_err(|error| Error::parquet(path, error))?),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            cells: Vec::new(),
            batch_rows: 0,
            next_row: 0,
        })
    }

    /// The rows of batches that are not of a file, under a name for messages.
    pub(crate) fn of_batches(name: &str, batches: Vec<RecordBatch>, names: &[&str]) -> Rows {
        Rows {
            path: name.into(),
            reader: Box::new(batches.into_iter().map(Ok)),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            cells: Vec::new(),
            batch_rows: 0,
            next_row: 0,
        }
    }

    /// Steps to the next row; `false` after the last.
    ///
    /// # Errors
    /// When the file is damaged, or a column holds what has no [`Value`].
    pub fn advance(&mut self) -> Result<bool, Error> {
        while self.next_row >= self.batch_rows {
            let batch = guarded(|| self.reader.next().transpose());
            let batch = batch.map_err(|error| Error::Input(format!("{}: {error}", self.path.display())))?;
            let Some(batch) = batch else { return Ok(false) };
            self.take(&batch)?;
        }
        self.next_row += 1;
        Ok(true)
    }

    /// The value of the current row in the column at this place of the names given to [`Rows::open`].
    ///
    /// # Panics
    /// Before the first [`Rows::advance`].
    pub fn value(&self, column: usize) -> Value<'_> {
        self.cells[column].value(self.next_row - 1)
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let cells = self.names.iter().map(|name| match batch.column_by_name(name) {
            Some(array) => {
                Cells::of(array).map_err(|why| Error::Input(format!("{}: column {name}: {why}", self.path.display())))
            }
            None => Ok(Cells::Null),
        });
        self.cells = cells.collect::<Result<_, _>>()?;
        self.batch_rows = batch.num_rows();
        self.next_row = 0;
        Ok(())
    }
}

/// Writes a file of these columns, whole or not at all. A value that does not fit its column becomes null.
///
/// # Errors
/// When the folder cannot be written.
///
/// # Panics
/// When a row is shorter than the columns, or a column is [`ColumnKind::Other`].
pub fn write(path: &Path, columns: &[Column], rows: &[Vec<Value>]) -> Result<(), Error> {
    let fields = columns.iter().enumerate().map(|(place, column)| {
        let values = || rows.iter().map(|row| row[place]);
        (column.name.as_str(), array(column.kind, values), true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(fields)
        .map_err(|error| Error::Input(format!("{}: {error}", path.display())))?;
    let mut file = ParquetFile::create(path, batch.schema())?;
    file.write(&batch)?;
    file.finish()
}

fn array<'a, V: Iterator<Item = Value<'a>>>(kind: ColumnKind, values: impl Fn() -> V) -> ArrayRef {
    let ints = || values().map(|value| if let Value::Int(number) = value { Some(number) } else { None });
    match kind {
        ColumnKind::Null => new_null_array(&DataType::Null, values().count()),
        ColumnKind::Int => Arc::new(ints().collect::<Int64Array>()),
        ColumnKind::Instant => Arc::new(ints().collect::<TimestampMillisecondArray>().with_timezone("UTC")),
        ColumnKind::UInt => Arc::new(UInt64Array::from_iter(values().map(|value| match value {
            Value::UInt(number) => Some(number),
            _ => None,
        }))),
        ColumnKind::Float => Arc::new(Float64Array::from_iter(values().map(|value| match value {
            Value::Float(number) => Some(number),
            _ => None,
        }))),
        ColumnKind::Text => Arc::new(StringArray::from_iter(values().map(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        }))),
        ColumnKind::Bool => Arc::new(BooleanArray::from_iter(values().map(|value| match value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }))),
        ColumnKind::Other => panic!("a column of other things has no values to write"),
    }
}

/// A column of a batch, in one of the few forms that have values.
enum Cells {
    Null,
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float64Array),
    Text(StringArray),
    Bool(BooleanArray),
}

impl Cells {
    fn of(array: &ArrayRef) -> Result<Cells, String> {
        let data_type = array.data_type();
        let as_type = |wanted: DataType| cast(array, &wanted).map_err(|error| error.to_string());
        Ok(match ColumnKind::of(data_type) {
            ColumnKind::Null => Cells::Null,
            ColumnKind::Int => Cells::Int(as_type(DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            ColumnKind::UInt => Cells::UInt(as_type(DataType::UInt64)?.as_primitive::<UInt64Type>().clone()),
            ColumnKind::Float => Cells::Float(as_type(DataType::Float64)?.as_primitive::<Float64Type>().clone()),
            ColumnKind::Text => Cells::Text(as_type(DataType::Utf8)?.as_string::<i32>().clone()),
            ColumnKind::Bool => Cells::Bool(as_type(DataType::Boolean)?.as_boolean().clone()),
            ColumnKind::Instant => Cells::Int(millis(array)?),
            ColumnKind::Other => return Err(format!("values of type {data_type} cannot be read")),
        })
    }

    fn value(&self, row: usize) -> Value<'_> {
        match self {
            Cells::Int(array) if array.is_valid(row) => Value::Int(array.value(row)),
            Cells::UInt(array) if array.is_valid(row) => Value::UInt(array.value(row)),
            Cells::Float(array) if array.is_valid(row) => Value::Float(array.value(row)),
            Cells::Text(array) if array.is_valid(row) => Value::Text(array.value(row)),
            Cells::Bool(array) if array.is_valid(row) => Value::Bool(array.value(row)),
            _ => Value::Null,
        }
    }
}

/// Instants of any unit as whole milliseconds; what is finer is cut off towards the past.
fn millis(array: &ArrayRef) -> Result<Int64Array, String> {
    let array: ArrayRef = match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values).map_err(|error| error.to_string())?,
        _ => Arc::clone(array),
    };
    let DataType::Timestamp(unit, _) = array.data_type() else { return Err("no instants".to_owned()) };
    let unit = *unit;
    let ticks = cast(&array, &DataType::Int64).map_err(|error| error.to_string())?;
    let ticks = ticks.as_primitive::<Int64Type>();
    Ok(ticks.unary(|tick: i64| match unit {
        TimeUnit::Second => tick.saturating_mul(1_000),
        TimeUnit::Millisecond => tick,
        TimeUnit::Microsecond => tick.div_euclid(1_000),
        TimeUnit::Nanosecond => tick.div_euclid(1_000_000),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, TimestampMicrosecondArray};
    use arrow::datatypes::Int8Type;
    use parquet::arrow::ArrowWriter;

    #[test]
    fn widths_units_and_dictionaries_disappear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.parquet");
        let words: DictionaryArray<Int8Type> = ["a", "b", "a"].into_iter().collect();
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_999), None, Some(-1)])) as ArrayRef, true),
            ("id", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 7])), true),
            ("small", Arc::new(arrow::array::Int8Array::from(vec![Some(-1), None, Some(3)])), true),
            ("word", Arc::new(words), true),
            ("left_out", Arc::new(BooleanArray::from(vec![true, false, true])), true),
        ])
        .unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let kinds: Vec<ColumnKind> = columns(&path).unwrap().into_iter().map(|column| column.kind).collect();
        use ColumnKind::{Bool, Instant, Int, Text, UInt};
        assert_eq!(kinds, [Instant, UInt, Int, Text, Bool]);

        let mut rows = Rows::open(&path, &["word", "at", "absent", "id", "small"]).unwrap();
        let mut seen = Vec::new();
        while rows.advance().unwrap() {
            seen.push((0..5).map(|column| format!("{:?}", rows.value(column))).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(
            seen,
            [
                r#"Text("a") Int(1) Null UInt(18446744073709551615) Int(-1)"#,
                r#"Text("b") Null Null UInt(0) Null"#,
                r#"Text("a") Int(-1) Null UInt(7) Int(3)"#,
            ]
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.parquet");
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let written = [
            column("n", ColumnKind::UInt),
            column("i", ColumnKind::Int),
            column("t", ColumnKind::Instant),
            column("w", ColumnKind::Text),
            column("b", ColumnKind::Bool),
            column("f", ColumnKind::Float),
        ];
        let full = vec![
            Value::UInt(u64::MAX),
            Value::Int(-1),
            Value::Int(5),
            Value::Text("é"),
            Value::Bool(true),
            Value::Float(0.5),
        ];
        let rows = [full, vec![Value::Null; 6]];
        write(&path, &written, &rows).unwrap();

        assert_eq!(columns(&path).unwrap(), written);
        let mut read = Rows::open(&path, &["n", "i", "t", "w", "b", "f"]).unwrap();
        for row in &rows {
            assert!(read.advance().unwrap());
            let values: Vec<Value> = (0..6).map(|place| read.value(place)).collect();
            assert_eq!(values, *row);
        }
        assert!(!read.advance().unwrap());
    }
}
