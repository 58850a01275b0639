//! Small worlds, and what can be done to their plays.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use crate::process::truestream;

/// A Monday in 2026, as milliseconds.
pub const MONDAY: i64 = 1_767_571_200_000;

/// A folder of a world of a few thousand plays in two days, whose ids are numbers; made once.
pub fn world() -> &'static Path {
    static WORLD: OnceLock<PathBuf> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("command_line_world");
        let _ = std::fs::remove_dir_all(&folder);
        let out = text(&folder);
        truestream(&["world", "--accounts", "120", "--days", "2", "--seed", "11", "--out", &out]).good();
        // Row groups as small as this are shared among several workers.
        rewrite(&folder, "plays", 500, |plays| plays);
        // Most of the catalogue is never played, and reading it is most of the time of a small run.
        rewrite(&folder, "tracks", 500, |tracks| tracks.slice(0, 2_000.min(tracks.num_rows())));
        folder
    })
}

/// The same world with texts for ids.
pub fn world_of_texts(into: &Path) {
    copy(world(), into);
    for table in ["plays", "corrections", "tracks", "accounts", "distributors", "playlists", "labels"] {
        rewrite(into, table, 500, |rows| {
            let schema = rows.schema();
            let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
                let is_id = field.name().ends_with("_id") || field.name() == "ip_prefix";
                let column = if is_id { as_texts(field.name(), column) } else { column.clone() };
                (field.name().clone(), column, true)
            });
            RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).expect("columns of one length")
        });
    }
}

/// Ids such as `track_id é7`.
fn as_texts(name: &str, column: &ArrayRef) -> ArrayRef {
    let texts = cast(column, &DataType::Utf8).expect("ids have texts");
    let texts = texts.as_any().downcast_ref::<StringArray>().expect("texts");
    Arc::new(texts.iter().map(|id| id.map(|id| format!("{name} é{id}"))).collect::<StringArray>())
}

/// Copies the files of a folder.
pub fn copy(from: &Path, into: &Path) {
    std::fs::create_dir_all(into).expect("a folder");
    for (name, bytes) in crate::process::files(from) {
        std::fs::write(into.join(name), bytes).expect("a file");
    }
}

/// Replaces a table of a folder by what becomes of its rows.
pub fn rewrite(folder: &Path, table: &str, group_rows: usize, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let path = folder.join(format!("{table}.parquet"));
    write(&path, &change(read(&path)), group_rows);
}

/// All rows of a file.
pub fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).expect("a file");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().expect("a reader").map(|batch| batch.expect("rows")).collect();
    concat_batches(&schema, &batches).expect("batches of one file")
}

/// Writes rows in row groups of this size.
pub fn write(path: &Path, rows: &RecordBatch, group_rows: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).expect("columns that can be written");
    writer.write(rows).expect("rows that can be written");
    writer.close().expect("a whole file");
}

/// The rows in some other order, always the same.
pub fn shuffled(rows: &RecordBatch) -> RecordBatch {
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    // A multiplicative hash of the place: no order that a file could have come in.
    order.sort_by_key(|at| u64::from(*at).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11);
    take_record_batch(rows, &UInt32Array::from(order)).expect("places in the rows")
}

/// Three good plays of two accounts, by hand.
pub fn plays() -> RecordBatch {
    let numbers = |values: [u64; 3]| Arc::new(UInt64Array::from(values.to_vec())) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("play_id", numbers([1, 2, 3]), true),
        ("ended_at", instants(&[Some(MONDAY), Some(MONDAY + 60_000), Some(MONDAY + 120_000)]), true),
        ("account_id", numbers([7, 7, 8]), true),
        ("track_id", numbers([100, 101, 100]), true),
        ("played_ms", whole(&[Some(31_000), Some(1_000), Some(200_000)]), true),
    ])
    .expect("columns of one length")
}

/// A column of instants.
pub fn instants(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values.to_vec()).with_timezone("UTC"))
}

/// A column of whole numbers.
pub fn whole(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// The rows with this column, new or instead of the one they had.
pub fn with(rows: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef, bool)> = columns_but(rows, name);
    columns.push((name.to_owned(), column, true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

/// The rows without this column.
pub fn without(rows: &RecordBatch, name: &str) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns_but(rows, name)).expect("columns of one length")
}

fn columns_but(rows: &RecordBatch, name: &str) -> Vec<(String, ArrayRef, bool)> {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).filter(|(field, _)| field.name() != name);
    columns.map(|(field, column)| (field.name().clone(), column.clone(), true)).collect()
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The texts of some columns of a table, row by row; an instant in milliseconds.
pub fn rows(path: &Path, columns: &[&str]) -> Vec<Vec<String>> {
    let table = read(path);
    let texts = |name: &&str| {
        let column = table.column_by_name(name).unwrap_or_else(|| panic!("no {name}"));
        let whole = match column.data_type() {
            DataType::Timestamp(..) => &cast(column, &DataType::Int64).expect("whole numbers"),
            _ => column,
        };
        let texts = cast(whole, &DataType::Utf8).expect("texts");
        texts.as_any().downcast_ref::<StringArray>().expect("texts").clone()
    };
    let texts: Vec<_> = columns.iter().map(texts).collect();
    (0..table.num_rows()).map(|row| texts.iter().map(|column| column.value(row).to_owned()).collect()).collect()
}
