//! Writes the folder: the files of the data as they are, and beside them files with what was injected.
//!
//! ```text
//! files of the data ──▶ hard links (or copies) ──┐
//! new rows ──▶ <table>-injected.parquet ─────────┼─▶ hidden folder ──▶ renamed when whole
//! which plays, of which attack ──▶ truth.parquet ┘
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use records::{Id, IdSpace, Play};
use tempfile::TempDir;

use super::cast::{Cast, NewRows};
use super::plays::Made;
use super::survey::Telemetry;
use crate::Error;
use crate::chance::{Chance, Purpose};
use crate::formats::Fault;
use crate::tables::read::IdKinds;
use crate::tables::{IdKind, Inputs, ParquetFile, Row, TableWriter};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// The folder in the making.
pub(super) struct Folder {
    staging: TempDir,
    out: PathBuf,
}

impl Folder {
    /// Begins the folder, with the files of the data in it.
    pub fn begin(data: &Path, inputs: &Inputs, out: &Path) -> Result<Folder, Fault> {
        refuse_what_is_there(out)?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error| Fault::Output(Error::io(parent, error));
        std::fs::create_dir_all(parent).map_err(failed)?;
        let staging = tempfile::Builder::new().prefix(".inject-").tempdir_in(parent).map_err(failed)?;
        let truth = earlier_truth(data);
        let files = inputs.by_table().into_iter().flat_map(|(_, files)| files).chain(&truth);
        for file in files {
            let inside = file.strip_prefix(data).unwrap_or(file);
            carry(file, &staging.path().join(inside))?;
        }
        Ok(Folder { staging, out: out.to_owned() })
    }

    /// A name for a table's new rows that no file of the data has.
    fn free(&self, stem: &str) -> PathBuf {
        let name = |number: u32| match number {
            1 => format!("{stem}.parquet"),
            _ => format!("{stem}-{number}.parquet"),
        };
        let paths = (1..).map(|number| self.staging.path().join(name(number)));
        paths.into_iter().find(|path| !path.exists()).expect("some number is free")
    }

    fn table<R: Row>(&self, kinds: &IdKinds) -> Result<TableWriter<R>, Fault> {
        TableWriter::of_kinds(&self.free(&format!("{}-injected", R::TABLE)), *kinds).map_err(Fault::Output)
    }

    /// Writes the new rows of a small table, if there are any.
    fn rows<R: Row>(&self, kinds: &IdKinds, rows: Vec<R>) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = self.table(kinds)?;
        rows.into_iter().try_for_each(|row| table.push(row)).map_err(Fault::Output)?;
        table.finish().map(|_| ()).map_err(Fault::Output)
    }

    /// Writes the new rows of all small tables.
    pub fn small_tables(&self, telemetry: &Telemetry, rows: NewRows) -> Result<(), Fault> {
        let kinds = &telemetry.kinds;
        self.rows(kinds, rows.accounts)?;
        self.rows(kinds, rows.tracks)?;
        self.rows(kinds, rows.playlists)?;
        self.rows(kinds, rows.networks)?;
        // A subject of any kind stands in one column.
        let subjects = rows.labels.iter().any(|label| matches!(label.subject_id, Id::Text(_)));
        let kind = if subjects { IdKind::Text } else { IdKind::Number };
        self.rows(&[kind; IdSpace::ALL.len()], rows.labels)
    }

    /// Writes a text.
    pub fn text(&self, name: &str, text: &str) -> Result<(), Fault> {
        let path = self.staging.path().join(name);
        std::fs::write(&path, text).map_err(|error| Fault::Output(Error::io(&path, error)))
    }

    /// Gives the folder its name.
    pub fn publish(self) -> Result<(), Fault> {
        let failed = |error| Fault::Output(Error::io(&self.out, error));
        if self.out.exists() {
            std::fs::remove_dir(&self.out).map_err(failed)?;
        }
        // The folder of a temporary file is for its owner only; this one is for everybody, as the files are.
        let path = self.staging.keep();
        open_up(&path).and_then(|()| std::fs::rename(&path, &self.out)).map_err(|error| {
            let _ = std::fs::remove_dir_all(&path);
            failed(error)
        })
    }
}

#[cfg(unix)]
fn open_up(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn open_up(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

fn refuse_what_is_there(out: &Path) -> Result<(), Fault> {
    let refuse = |what: &str| Err(Fault::Output(Error::Input(format!("{}: {what}", out.display()))));
    match std::fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            Some(_) => refuse("is not empty; choose a new folder, or empty this one"),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => refuse(&error.to_string()),
    }
}

/// What earlier injections into the same data said.
fn earlier_truth(data: &Path) -> Vec<PathBuf> {
    let name = |number: u32| if number == 1 { "truth.parquet".to_owned() } else { format!("truth-{number}.parquet") };
    (1..).map(|number| data.join(name(number))).take_while(|path| path.exists()).collect()
}

/// Links the file, or copies it where that cannot be.
fn carry(file: &Path, to: &Path) -> Result<(), Fault> {
    let folder = to.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder).map_err(|error| Fault::Output(Error::io(folder, error)))?;
    let file = std::fs::canonicalize(file).map_err(|error| Fault::Input(Error::io(file, error)))?;
    if std::fs::hard_link(&file, to).is_err() {
        std::fs::copy(&file, to).map_err(|error| Fault::Output(Error::io(to, error)))?;
    }
    Ok(())
}

/// Writes plays and their truth as they come, giving each its id.
pub(super) struct PlayWriter<'a> {
    plays: TableWriter<Play>,
    truth: ParquetFile,
    casts: &'a [Cast],
    names: Vec<String>,
    kind: IdKind,
    chance: Chance,
}

impl<'a> PlayWriter<'a> {
    pub fn begin(
        folder: &Folder,
        telemetry: &Telemetry,
        casts: &'a [Cast],
        seed: u64,
    ) -> Result<PlayWriter<'a>, Fault> {
        let kind = telemetry.kinds[IdSpace::Play as usize];
        let truth = ParquetFile::create(&folder.free("truth"), truth(&[], kind).schema()).map_err(Fault::Output)?;
        Ok(PlayWriter {
            plays: folder.table(&telemetry.kinds)?,
            truth,
            casts,
            names: casts.iter().map(|cast| cast.attack.name()).collect(),
            kind,
            chance: Chance::of(seed, Purpose::Delivery, 0, 0),
        })
    }

    /// Writes plays in the order of their arrival.
    pub fn write(&mut self, telemetry: &mut Telemetry, mut plays: Vec<Made>) -> Result<(), Fault> {
        plays.sort_unstable_by_key(Made::order);
        let mut told = Vec::with_capacity(plays.len().min(BATCH_ROWS));
        for mut made in plays {
            made.play.play_id = telemetry.new_id(IdSpace::Play, &mut self.chance);
            let cast = made.cast as usize;
            let part = match (self.casts[cast].attack.family.is_attack(), made.aim) {
                (true, true) => "target",
                (true, false) => "camouflage",
                (false, _) => "honest",
            };
            told.push((made.play.play_id.clone(), self.names[cast].as_str(), part));
            self.plays.push(made.play).map_err(Fault::Output)?;
            if told.len() == BATCH_ROWS {
                self.truth.write(&truth(&told, self.kind)).map_err(Fault::Output)?;
                told.clear();
            }
        }
        self.truth.write(&truth(&told, self.kind)).map_err(Fault::Output)
    }

    pub fn finish(self) -> Result<(), Fault> {
        self.plays.finish().map_err(Fault::Output)?;
        self.truth.finish().map_err(Fault::Output)
    }
}

/// Which attack made which play, and whether it is what the attack is about.
fn truth(rows: &[(Id, &str, &str)], kind: IdKind) -> RecordBatch {
    let ids: ArrayRef = match kind {
        IdKind::Number => Arc::new(UInt64Array::from_iter(rows.iter().map(|(id, _, _)| match id {
            Id::Number(number) => Some(*number),
            Id::Text(_) => None,
        }))),
        IdKind::Text => Arc::new(StringArray::from_iter_values(rows.iter().map(|(id, _, _)| id.to_string()))),
    };
    let attacks: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, attack, _)| attack)));
    let parts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, _, part)| part)));
    RecordBatch::try_from_iter([("play_id", ids), ("attack", attacks), ("part", parts)]).expect("columns of one length")
}
