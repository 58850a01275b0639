//! The bytes of a Parquet file, for its reader: whoever asks for more than there are is told so.
//!
//! A damaged header of a page may promise two thousand million numbers behind the end of the file. The reader of Parquet passes over them one by one, and
//! asks an ordinary file for each; it answers each time that there is nothing more, which is no error to it, and six minutes go by.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom};

use bytes::Bytes;
use parquet::errors::Result as Parsed;
use parquet::file::reader::{ChunkReader, Length};

/// A file whose end is an error.
pub(crate) struct FiniteFile(pub(crate) File);

/// The file from some place on.
pub(crate) struct Stretch(File);

impl Read for Stretch {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self.0.read(into)? {
            0 if !into.is_empty() => Err(Error::new(ErrorKind::UnexpectedEof, "the file ends before what it promises")),
            count => Ok(count),
        }
    }
}

impl Length for FiniteFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for FiniteFile {
    type T = BufReader<Stretch>;

    fn get_read(&self, start: u64) -> Parsed<Self::T> {
        let mut file = self.0.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(Stretch(file)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Parsed<Bytes> {
        self.0.get_bytes(start, length)
    }
}
