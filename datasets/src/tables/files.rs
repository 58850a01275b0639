//! Finds the files of the canonical tables.

use std::path::{Path, PathBuf};

use crate::Error;

/// The input files of a run, per table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Inputs {
    pub plays: Vec<PathBuf>,
    pub corrections: Vec<PathBuf>,
    pub tracks: Vec<PathBuf>,
    pub accounts: Vec<PathBuf>,
    pub distributors: Vec<PathBuf>,
    pub networks: Vec<PathBuf>,
    pub playlists: Vec<PathBuf>,
    pub labels: Vec<PathBuf>,
    pub rulings: Vec<PathBuf>,
    pub evidence: Vec<PathBuf>,
    pub duplicate_group: Vec<PathBuf>,
    pub audio: Vec<PathBuf>,
}

impl Inputs {
    /// The tables in a folder: `plays.parquet`, `plays-*.parquet` and `plays/*.parquet`, likewise the others.
    ///
    /// # Errors
    /// When the folder cannot be read, or holds no plays.
    pub fn in_folder(folder: &Path) -> Result<Inputs, Error> {
        let table = |name: &str| files_of(folder, name);
        let inputs = Inputs {
            plays: table("plays")?,
            corrections: table("corrections")?,
            tracks: table("tracks")?,
            accounts: table("accounts")?,
            distributors: table("distributors")?,
            networks: table("networks")?,
            playlists: table("playlists")?,
            labels: table("labels")?,
            rulings: table("rulings")?,
            evidence: table("evidence")?,
            duplicate_group: table("duplicate_group")?,
            audio: table("audio")?,
        };
        if inputs.plays.is_empty() {
            return Err(Error::Input(format!(
                "{}: no plays found; expected plays.parquet, plays-*.parquet or plays/*.parquet (make one with `truestream import` or `truestream world`)",
                folder.display()
            )));
        }
        Ok(inputs)
    }

    /// Adds the tables of evidence in a folder, which need not hold anything else, and those of duplicates and of files beside them.
    ///
    /// # Errors
    /// When the folder cannot be read, or holds no evidence.
    pub fn add_evidence(&mut self, folder: &Path) -> Result<(), Error> {
        let files = files_of(folder, "evidence")?;
        match files.is_empty() {
            true => Err(Error::Input(format!(
                "{}: no evidence found; expected evidence.parquet, evidence-*.parquet or evidence/*.parquet (make one with `truestream scan`)",
                folder.display()
            ))),
            false => {
                self.evidence.extend(files);
                self.duplicate_group.extend(files_of(folder, "duplicate_group")?);
                self.audio.extend(files_of(folder, "audio")?);
                Ok(())
            }
        }
    }

    /// The files of every table, by the table's name.
    pub fn by_table(&self) -> [(&'static str, &[PathBuf]); 12] {
        [
            ("plays", &self.plays),
            ("corrections", &self.corrections),
            ("tracks", &self.tracks),
            ("accounts", &self.accounts),
            ("distributors", &self.distributors),
            ("networks", &self.networks),
            ("playlists", &self.playlists),
            ("labels", &self.labels),
            ("rulings", &self.rulings),
            ("evidence", &self.evidence),
            ("duplicate_group", &self.duplicate_group),
            ("audio", &self.audio),
        ]
    }
}

fn files_of(folder: &Path, table: &str) -> Result<Vec<PathBuf>, Error> {
    let mut files: Vec<PathBuf> = parquet_files(folder)?
        .into_iter()
        .filter(|path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            stem == table || stem.strip_prefix(table).is_some_and(|rest| rest.starts_with('-'))
        })
        .collect();
    let nested = folder.join(table);
    if nested.is_dir() {
        files.extend(parquet_files(&nested)?);
    }
    files.sort();
    Ok(files)
}

fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(files)
}
