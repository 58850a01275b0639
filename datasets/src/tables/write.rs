//! Writes a table to a Parquet file that appears whole or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use records::IdSpace;

use super::columns::{IdKind, Row, batch_of_kinds};
use super::read::IdKinds;
use crate::Error;

/// Rows held before they become a batch.
const BATCH_ROWS: usize = 8_192;
/// Rows of a row group: the unit that readers skip or share by.
const GROUP_ROWS: usize = 128 * 1024;

/// A Parquet file in the making: it carries the suffix `.part` until it is whole and is given its name.
pub struct ParquetFile {
    part: Part,
    writer: ArrowWriter<File>,
}

/// A file that is whole and on disk, and does not have its name yet; dropped, it is removed.
#[must_use]
pub struct Part {
    path: PathBuf,
    part: PathBuf,
    is_published: bool,
}

impl ParquetFile {
    /// Begins the file; an older one of the same name stays in place until the new one is whole.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(path: &Path, schema: Arc<Schema>) -> Result<ParquetFile, Error> {
        let part = part_of(path);
        let file = File::create(&part).map_err(|error| Error::io(&part, error))?;
        let part = Part { path: path.to_owned(), part, is_published: false };
        // Statistics are kept; dictionaries too: ids repeat. No timestamps or versions of ours, so equal rows are equal bytes.
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("level 1 exists")))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer =
            ArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| Error::parquet(path, error))?;
        Ok(ParquetFile { part, writer })
    }

    /// Appends the batch.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let ParquetFile { part, writer } = self;
        writer.write(batch).map_err(|error| part.unwritten(error))
    }

    /// Completes the file; several tables that belong together are published once all of them are complete.
    ///
    /// # Errors
    /// When the disk does not take the rest.
    pub fn complete(self) -> Result<Part, Error> {
        let ParquetFile { part, writer } = self;
        let file = writer.into_inner().map_err(|error| part.unwritten(error))?;
        file.sync_all().map_err(|error| part.unwritten(error))?;
        Ok(part)
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When the disk does not take the rest, or the name.
    pub fn finish(self) -> Result<(), Error> {
        self.complete()?.publish()
    }
}

impl Part {
    /// Gives the file its name; an older one of that name is gone.
    ///
    /// # Errors
    /// When the folder does not take the name.
    pub fn publish(mut self) -> Result<(), Error> {
        std::fs::rename(&self.part, &self.path).map_err(|error| Error::io(&self.path, error))?;
        self.is_published = true;
        Ok(())
    }

    fn unwritten(&self, error: impl std::fmt::Display) -> Error {
        Error::Input(format!(
            "{}: cannot write: {error}; free space there or choose another folder",
            self.part.display()
        ))
    }
}

impl Drop for Part {
    /// An unpublished file leaves nothing behind.
    fn drop(&mut self) {
        if !self.is_published {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// The name of the file while it is in the making.
pub fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// Writes records of one table to `DIR/<table>.parquet`.
pub struct TableWriter<R: Row> {
    file: ParquetFile,
    kinds: IdKinds,
    rows: Vec<R>,
    count: u64,
}

impl<R: Row> TableWriter<R> {
    /// Begins the table in the folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(folder: &Path, ids: IdKind) -> Result<TableWriter<R>, Error> {
        TableWriter::of_kinds(&folder.join(format!("{}.parquet", R::TABLE)), [ids; IdSpace::ALL.len()])
    }

    /// Begins the table in a file of this name, with ids of each space of a kind of their own.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn of_kinds(path: &Path, kinds: IdKinds) -> Result<TableWriter<R>, Error> {
        let file = ParquetFile::create(path, batch_of_kinds::<R>(&[], &kinds).schema())?;
        Ok(TableWriter { file, kinds, rows: Vec::with_capacity(BATCH_ROWS), count: 0 })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn push(&mut self, row: R) -> Result<(), Error> {
        self.rows.push(row);
        self.count += 1;
        if self.rows.len() == BATCH_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Completes the table; returns how many rows it has.
    ///
    /// # Errors
    /// When the disk does not take the rest.
    pub fn finish(self) -> Result<u64, Error> {
        let (count, part) = self.complete()?;
        part.publish()?;
        Ok(count)
    }

    /// Completes the table, which is not published yet; returns how many rows it has.
    ///
    /// # Errors
    /// When the disk does not take the rest.
    pub fn complete(mut self) -> Result<(u64, Part), Error> {
        self.flush()?;
        Ok((self.count, self.file.complete()?))
    }

    fn flush(&mut self) -> Result<(), Error> {
        if !self.rows.is_empty() {
            self.file.write(&batch_of_kinds(&self.rows, &self.kinds))?;
            self.rows.clear();
        }
        Ok(())
    }
}
