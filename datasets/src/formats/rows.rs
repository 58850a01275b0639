//! Files as rows: opens a file of any layout and hands over one row after another, in memory of one row.
//!
//! ```text
//! file ──▶ (gzip, Zstandard) ──▶ JSON array │ JSON lines │ delimited │ Parquet ──▶ Step
//! ```

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use records::Code;

use super::record::{Record, Refused};
use super::{delimited, json, typed};
use crate::Error;

/// Longest row that is read: a longer one is a sign of a lost bracket or quote, and would fill the memory.
pub const ROW_BYTES: usize = 16 << 20;

/// How a file is made of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One JSON array of objects.
    JsonArray,
    /// One JSON object per line.
    JsonLines,
    /// Lines of fields.
    Delimited(Dialect),
    /// Parquet.
    Parquet,
}

/// How the lines of a delimited file are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Between two fields.
    pub delimiter: u8,
    /// Whether a quoted field may hold delimiters and line ends; where not, a quote is a letter like any other.
    pub quoted: bool,
    /// The names of the columns; `None` = the first line tells them.
    pub names: Option<Vec<String>>,
}

impl Dialect {
    /// Comma-separated with quotes and a header.
    pub fn csv() -> Dialect {
        Dialect { delimiter: b',', quoted: true, names: None }
    }

    /// Tab-separated without quotes, with a header.
    pub fn tsv() -> Dialect {
        Dialect { delimiter: b'\t', quoted: false, names: None }
    }

    /// Tab-separated without quotes or header.
    pub fn bare_tsv(names: &[&str]) -> Dialect {
        Dialect { delimiter: b'\t', quoted: false, names: Some(names.iter().map(|name| (*name).to_owned()).collect()) }
    }
}

/// What comes next in a file.
#[derive(Clone, Debug)]
pub enum Step {
    /// A row.
    Row(Record),
    /// A row that cannot be parsed; the next one can.
    Bad(Refused, Option<String>),
    /// The file is damaged from here on: the last step.
    Damaged(Refused, Option<String>),
}

impl Step {
    /// A row that cannot be parsed.
    pub fn malformed(reason: impl Into<String>, raw: Option<String>) -> Step {
        Step::Bad(Refused::new(Code::Malformed, reason), raw)
    }

    /// Damage that ends the file.
    pub fn damaged(reason: impl Into<String>, raw: Option<String>) -> Step {
        Step::Damaged(Refused::new(Code::Malformed, reason), raw)
    }

    /// Damage that the system reported.
    pub fn unreadable(error: &io::Error) -> Step {
        Step::damaged(format!("the file cannot be read further: {error}"), None)
    }
}

/// Hands over the steps of a file, then `None`; a damaged step is the last.
pub trait Steps {
    /// The next step.
    fn next(&mut self) -> Option<Step>;
}

/// The rows of one file.
pub struct Rows {
    steps: Box<dyn Steps>,
    bytes: Rc<Cell<u64>>,
    over: bool,
}

impl Rows {
    /// Opens the file. Where a header or a schema names the columns, those in `required` must be among them; if not,
    /// the first and only step says so.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, layout: &Layout, required: &[&str]) -> Result<Rows, Error> {
        let bytes = Rc::new(Cell::new(0));
        let steps: Box<dyn Steps> = match layout {
            Layout::Parquet => {
                let file = File::open(path).map_err(|error| Error::io(path, error))?;
                Box::new(typed::TypedRows::new(file, required, bytes.clone()))
            }
            Layout::JsonArray => Box::new(json::ArrayRows::new(open_counted(path, bytes.clone())?)),
            Layout::JsonLines => Box::new(json::LineRows::new(open_counted(path, bytes.clone())?)),
            Layout::Delimited(dialect) => delimited::rows(open_counted(path, bytes.clone())?, dialect, required),
        };
        Ok(Rows { steps, bytes, over: false })
    }

    /// Bytes of the file that were read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }
}

impl Iterator for Rows {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.over {
            return None;
        }
        let step = self.steps.next();
        self.over = matches!(step, None | Some(Step::Damaged(..)));
        step
    }
}

/// The first bytes of the file's content, after decompression: at most `limit`.
///
/// # Errors
/// When the file cannot be opened.
pub fn head(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    let input = open_counted(path, Rc::default())?;
    // What a damaged stream gave before the damage tells what it is; the damage itself is told by its rows.
    let _ = input.take(limit as u64).read_to_end(&mut head);
    Ok(head)
}

/// The missing columns as damage, if any of `required` is missing.
pub fn check_columns(found: &[String], required: &[&str]) -> Option<Step> {
    let missing: Vec<&str> = required.iter().filter(|name| !found.iter().any(|f| f == *name)).copied().collect();
    (!missing.is_empty()).then(|| {
        let reason = format!("column `{}` is missing; columns found: {}", missing.join("`, `"), found.join(", "));
        Step::Damaged(Refused::new(Code::Missing, reason), None)
    })
}

/// Reads up to and without the next line feed into `line`. `None` at the end of the file, else whether the line was
/// ended by a line feed.
///
/// # Errors
/// When the file cannot be read, or the line is longer than [`ROW_BYTES`].
pub fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let read = input.take(ROW_BYTES as u64).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    let ended = line.last() == Some(&b'\n');
    if !ended && line.len() == ROW_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 16 MiB"));
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(ended))
}

/// Counts the bytes that pass.
struct Counted<R> {
    input: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes.set(self.bytes.get() + read as u64);
        Ok(read)
    }
}

/// Opens a file that may be compressed (told by its first bytes, not its name) and skips a byte order mark.
fn open_counted(path: &Path, bytes: Rc<Cell<u64>>) -> Result<Box<dyn BufRead>, Error> {
    let io_error = |error| Error::io(path, error);
    let file = File::open(path).map_err(io_error)?;
    if file.metadata().map_err(io_error)?.is_dir() {
        return Err(io_error(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let mut input = BufReader::with_capacity(256 << 10, Counted { input: file, bytes });
    let magic = input.fill_buf().map_err(io_error)?;
    let mut plain: Box<dyn BufRead> = if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(input)))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(BufReader::new(zstd::Decoder::with_buffer(input).map_err(io_error)?))
    } else {
        Box::new(input)
    };
    // A damaged stream is told by its first row, not here.
    if plain.fill_buf().is_ok_and(|start| start.starts_with(b"\xef\xbb\xbf")) {
        plain.consume(3);
    }
    Ok(plain)
}
