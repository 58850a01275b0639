//! Plays as other programs write them: in every usual compression, with columns that are dictionaries or hold nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int64Array, LargeStringArray, NullArray, RecordBatch, TimestampNanosecondArray,
    UInt64Array,
};
use arrow::datatypes::Int32Type;
use datasets::arrivals::{Arrivals, Facts, Wanted, survey};
use datasets::names::{NameTable, Naming};
use datasets::tables::IdKind;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use records::IdSpace;

/// Two plays of one account, as some program may write them; the other ids are all numbers.
fn plays() -> RecordBatch {
    let accounts = LargeStringArray::from(vec!["é", "é"]);
    let tracks: DictionaryArray<Int32Type> =
        DictionaryArray::new(vec![0, 0].into(), Arc::new(UInt64Array::from(vec![u64::MAX - 1])));
    let columns: [(&str, ArrayRef); 6] = [
        ("played_ms", Arc::new(Int64Array::from(vec![30_000, 1]))),
        ("track_id", Arc::new(tracks)),
        ("arrived_at", Arc::new(NullArray::new(2))),
        ("account_id", Arc::new(accounts)),
        ("ended_at", Arc::new(TimestampNanosecondArray::from(vec![1_999_999, 7_000_000]).with_timezone("+02:00"))),
        ("play_id", Arc::new(UInt64Array::from(vec![1, 2]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(path: &Path, compression: Compression) {
    let properties = WriterProperties::builder().set_compression(compression).build();
    let batch = plays();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// When the plays of the file ended, how long they were heard, and of which track they are.
fn read(path: PathBuf) -> Vec<(i64, u32, u64)> {
    let kind = |space| if space == IdSpace::Account { IdKind::Text } else { IdKind::Number };
    let (names, facts) = (Arc::new(NameTable::new(kind)), Arc::new(Facts::default()));
    let survey = Arc::new(survey(&[path], 60_000, &names, &facts, &[], (false, 1)).unwrap());
    let mut arrivals = Arrivals::open(survey, facts, Wanted::ALL, Naming::new(names), (0, 1), 10).unwrap();
    let mut plays = Vec::new();
    arrivals.before(i64::MAX, |arrived| plays.push(arrived.play), |_, suspect| panic!("{suspect:?}")).unwrap();
    assert!(arrivals.take_refusals().is_empty());
    plays.iter().map(|play| (play.ended_at, play.played_ms, play.track.0)).collect()
}

#[test]
fn every_compression_and_every_form_of_a_column_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
    ];
    for (number, compression) in compressions.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.parquet"));
        write(&path, compression);
        assert_eq!(read(path), [(1, 30_000, u64::MAX - 1), (7, 1, u64::MAX - 1)], "{compression:?}");
    }
}

/// A number that no id can be is found where the file's statistics say nothing of its column, also when nobody reads it.
#[test]
fn columns_without_statistics_are_judged_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plays.parquet");
    let numbers = |values: [u64; 2]| -> ArrayRef { Arc::new(UInt64Array::from(values.to_vec())) };
    let batch = RecordBatch::try_from_iter([
        ("play_id", numbers([1, 2])),
        ("ended_at", Arc::new(Int64Array::from(vec![1, 7])) as ArrayRef),
        ("account_id", numbers([1, 2])),
        ("track_id", numbers([1, 2])),
        ("played_ms", Arc::new(Int64Array::from(vec![1, 1]))),
        ("device_id", numbers([5, u64::MAX])),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_column_statistics_enabled("device_id".into(), EnabledStatistics::None)
        .set_column_dictionary_enabled("device_id".into(), false)
        .build();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let names = Arc::new(NameTable::new(|_| IdKind::Number));
    let survey = survey(&[path], 60_000, &names, &Facts::default(), &[], (false, 1)).unwrap();
    assert!(survey.refuses);
    assert_eq!((survey.first_at, survey.last_at), (Some(1), Some(1)));
}
