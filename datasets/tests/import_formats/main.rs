//! Small hand-written files in, canonical tables out: each format, each quirk, each kind of damage.

mod damage;
mod lastfm;
mod mapped;
mod personal;
mod recognition;
mod research;
mod shared_data;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datasets::formats::{
    Fault, FileReport, Finding, Format, Import, Options, Recognised, Totals, instant, recognise, walk,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

/// A row of a table: what is null is left out.
pub(crate) type Row = BTreeMap<String, String>;

/// The tables and reports of an import.
pub(crate) struct Outcome {
    pub(crate) plays: Vec<Row>,
    pub(crate) tracks: Vec<Row>,
    pub(crate) accounts: Vec<Row>,
    pub(crate) refusals: Vec<Row>,
    pub(crate) reports: Vec<FileReport>,
    pub(crate) totals: Totals,
}

impl Outcome {
    /// A column of the plays, null as `-`.
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        self.plays.iter().map(|row| row.get(name).map_or("-", String::as_str)).collect()
    }

    /// The codes of the refusals.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.refusals.iter().map(|row| row["code"].as_str()).collect()
    }
}

pub(crate) fn options() -> Options {
    Options {
        account: None,
        assume_played_ms: 203_000,
        origin: instant::from_text("2024-01-01T00:00:00Z").unwrap(),
        bounds: instant::EARLIEST..=instant::from_text("2030-01-01").unwrap(),
        numeric_ids: false,
        map: None,
    }
}

/// Writes the files (`folder/name`, content), imports the whole folder by `auto` and reads the tables back.
pub(crate) fn import(files: &[(&str, &[u8])]) -> Outcome {
    import_with(files, None, &options()).unwrap()
}

pub(crate) fn import_with(
    files: &[(&str, &[u8])],
    format: Option<Format>,
    options: &Options,
) -> Result<Outcome, Fault> {
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|(name, content)| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            path
        })
        .collect();
    let recognised = paths.iter().map(|path| recognised(path, format, options)).collect::<Vec<_>>();
    import_files(&recognised, options)
}

pub(crate) fn recognised(path: &Path, format: Option<Format>, options: &Options) -> Recognised {
    match recognise(path, false, format, options.map.as_ref()).unwrap() {
        Finding::File(file) => file,
        Finding::Skipped(path, reason) => panic!("{}: {reason}", path.display()),
    }
}

pub(crate) fn import_files(files: &[Recognised], options: &Options) -> Result<Outcome, Fault> {
    let out = TempDir::new().unwrap();
    let mut import = Import::begin(out.path(), options.clone())?;
    let mut reports = Vec::new();
    for file in files {
        reports.push(import.read(file, &mut |_| {})?);
    }
    let totals = import.finish()?;
    for report in &reports {
        assert_eq!(report.rows, report.plays + report.described + report.refusals, "{report:?}");
    }
    let names: Vec<_> = walk(&[out.path().to_owned()]).unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(names.len(), 4, "nothing but the tables is left: {names:?}");
    let table = |name: &str| rows(&out.path().join(name));
    let outcome = Outcome {
        plays: table("plays.parquet"),
        tracks: table("tracks.parquet"),
        accounts: table("accounts.parquet"),
        refusals: table("refusal.parquet"),
        reports,
        totals,
    };
    assert_eq!(outcome.totals.plays, outcome.plays.len() as u64);
    assert_eq!(outcome.totals.refusals, outcome.refusals.len() as u64);
    Ok(outcome)
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let shown = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.3f"));
    let mut rows = Vec::new();
    for batch in reader.map(Result::unwrap) {
        let schema = batch.schema();
        // Instants without their zone, whose name cannot be shown without a time-zone data base.
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .map(|column| match column.data_type() {
                DataType::Timestamp(unit, _) => cast(column, &DataType::Timestamp(*unit, None)).unwrap(),
                _ => column.clone(),
            })
            .collect();
        for row in 0..batch.num_rows() {
            let mut cells = Row::new();
            for (field, column) in schema.fields().iter().zip(&columns) {
                if !column.is_null(row) {
                    let text = ArrayFormatter::try_new(column, &shown).unwrap().value(row).to_string();
                    cells.insert(field.name().clone(), text);
                }
            }
            rows.push(cells);
        }
    }
    rows
}

/// An extended-history row with these fields changed.
pub(crate) fn extended(changes: &str) -> String {
    let mut row: serde_json::Value = serde_json::from_str(
        r#"{"ts":"2021-02-16T19:38:59Z","username":"anna","platform":"iOS 14.7.1 (iPhone10,3)","ms_played":214450,
            "conn_country":"SE","ip_addr_decrypted":"10.1.2.3","user_agent_decrypted":"unknown",
            "master_metadata_track_name":"Song","master_metadata_album_artist_name":"Band",
            "master_metadata_album_album_name":"Album","spotify_track_uri":"spotify:track:0000000000000000000001",
            "episode_name":null,"episode_show_name":null,"spotify_episode_uri":null,"reason_start":"clickrow",
            "reason_end":"trackdone","shuffle":false,"skipped":null,"offline":false,"offline_timestamp":1613504124315,
            "incognito_mode":false}"#,
    )
    .unwrap();
    let changes: serde_json::Value = serde_json::from_str(changes).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        row[name] = value.clone();
    }
    row.to_string()
}

/// The rows as one JSON array.
pub(crate) fn array(rows: &[String]) -> Vec<u8> {
    format!("[{}]", rows.join(",\n")).into_bytes()
}
