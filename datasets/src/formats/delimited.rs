//! Rows of delimited files: with quotes (CSV), or without, where a quote or a carriage return inside a name is a letter.

use std::cell::Cell as Counter;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::Arc;

use super::record::{Cell, Columns, Record, shortened};
use super::rows::{Dialect, ROW_BYTES, Step, Steps, check_columns, read_line};

/// The rows of the file; empty lines are no rows.
pub fn rows(input: Box<dyn BufRead>, dialect: &Dialect, required: &[&str]) -> Box<dyn Steps> {
    let lines: Box<dyn Fields> = if dialect.quoted {
        Box::new(Quoted::new(input, dialect.delimiter))
    } else {
        Box::new(Unquoted { input, line: Vec::new(), delimiter: dialect.delimiter })
    };
    Box::new(DelimitedRows {
        lines,
        delimiter: dialect.delimiter,
        required: required.iter().map(|name| (*name).to_owned()).collect(),
        columns: dialect.names.clone().map(|names| Arc::new(Columns::new(names))),
    })
}

/// A line cut into fields, and whether the file still went on behind it.
struct Line {
    fields: Vec<Vec<u8>>,
    ended: bool,
}

/// Cuts lines into fields.
trait Fields {
    fn next(&mut self) -> Result<Option<Line>, String>;
}

struct Quoted {
    reader: csv::Reader<Fuse>,
    record: csv::ByteRecord,
    row_bytes: Rc<Counter<usize>>,
}

impl Quoted {
    fn new(input: Box<dyn BufRead>, delimiter: u8) -> Quoted {
        let row_bytes = Rc::new(Counter::new(0));
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(delimiter).has_headers(false).flexible(true);
        let reader = builder.from_reader(Fuse { input, row_bytes: row_bytes.clone() });
        Quoted { reader, record: csv::ByteRecord::new(), row_bytes }
    }
}

/// Stops a row that a missing quote would make as long as the file.
struct Fuse {
    input: Box<dyn BufRead>,
    row_bytes: Rc<Counter<usize>>,
}

impl Read for Fuse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.row_bytes.get() > ROW_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row is longer than 16 MiB: a quote is missing"));
        }
        let read = self.input.read(buffer)?;
        self.row_bytes.set(self.row_bytes.get() + read);
        Ok(read)
    }
}

impl Fields for Quoted {
    fn next(&mut self) -> Result<Option<Line>, String> {
        self.row_bytes.set(0);
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Ok(Some(Line { fields: self.record.iter().map(<[u8]>::to_vec).collect(), ended: true })),
            Ok(false) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

struct Unquoted {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    delimiter: u8,
}

impl Fields for Unquoted {
    fn next(&mut self) -> Result<Option<Line>, String> {
        loop {
            match read_line(&mut *self.input, &mut self.line) {
                Ok(Some(_)) if self.line.is_empty() => {}
                Ok(Some(ended)) => {
                    let fields = self.line.split(|byte| *byte == self.delimiter).map(<[u8]>::to_vec).collect();
                    return Ok(Some(Line { fields, ended }));
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

struct DelimitedRows {
    lines: Box<dyn Fields>,
    delimiter: u8,
    required: Vec<String>,
    columns: Option<Arc<Columns>>,
}

impl DelimitedRows {
    /// Reads the names of the columns from the first line; the step is what is wrong with them.
    fn header(&mut self) -> Result<Arc<Columns>, Step> {
        if let Some(columns) = &self.columns {
            return Ok(columns.clone());
        }
        let line = match self.lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => {
                return Err(Step::damaged("the file is empty; expected a line with the names of the columns", None));
            }
            Err(error) => return Err(Step::damaged(format!("the file cannot be read: {error}"), None)),
        };
        let names = line.fields.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let columns = Arc::new(Columns::new(names));
        let required: Vec<&str> = self.required.iter().map(String::as_str).collect();
        if let Some(damage) = check_columns(columns.names(), &required) {
            return Err(damage);
        }
        self.columns = Some(columns.clone());
        Ok(columns)
    }

    fn row(&self, columns: Arc<Columns>, line: Line) -> Step {
        let (got, expected) = (line.fields.len(), columns.names().len());
        if got != expected {
            let raw = Some(shortened(&line.fields.join(&self.delimiter)));
            let reason = format!("the row has {got} fields; expected {expected}");
            return match line.ended {
                true => Step::malformed(reason, raw),
                false => Step::damaged(format!("the file ends in the middle of a row: {reason}"), raw),
            };
        }
        let mut cells = Vec::with_capacity(expected);
        for field in &line.fields {
            match std::str::from_utf8(field) {
                Ok("") => cells.push(Cell::Null),
                Ok(text) => cells.push(Cell::Text(text.to_owned().into())),
                Err(_) => {
                    let raw = Some(shortened(&line.fields.join(&self.delimiter)));
                    return Step::malformed("the row is no UTF-8", raw);
                }
            }
        }
        Step::Row(Record::Row { columns, cells })
    }
}

impl Steps for DelimitedRows {
    fn next(&mut self) -> Option<Step> {
        let columns = match self.header() {
            Ok(columns) => columns,
            Err(damage) => return Some(damage),
        };
        match self.lines.next() {
            Ok(line) => line.map(|line| self.row(columns, line)),
            Err(error) => Some(Step::damaged(format!("the file cannot be read further: {error}"), None)),
        }
    }
}

/// The fields of the first line of `head`, for recognising a file.
pub fn first_line(head: &[u8], delimiter: u8, quoted: bool) -> Vec<String> {
    let input: Box<dyn BufRead> = Box::new(io::Cursor::new(head.to_vec()));
    let mut lines: Box<dyn Fields> = if quoted {
        Box::new(Quoted::new(input, delimiter))
    } else {
        Box::new(Unquoted { input, line: Vec::new(), delimiter })
    };
    let fields = lines.next().ok().flatten().map(|line| line.fields).unwrap_or_default();
    fields.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn words(text: &[u8], dialect: &Dialect, required: &[&str]) -> Vec<String> {
        let mut rows = rows(Box::new(Cursor::new(text.to_vec())), dialect, required);
        let mut words = Vec::new();
        while let Some(step) = rows.next() {
            match step {
                Step::Row(record) => words.push(record.raw().replace('\t', "|")),
                Step::Bad(refused, _) => words.push(format!("bad {}", refused.reason)),
                Step::Damaged(refused, _) => {
                    words.push(format!("damaged {}: {}", refused.code.name(), refused.reason));
                    break;
                }
            }
        }
        words
    }

    #[test]
    fn without_quoting_a_quote_and_a_carriage_return_are_letters() {
        let text = b"u1\tthe \"king\tx\ry\r\nu2\t\"q\tz\n\nu3\t\xff\tz\nu4\tonly two\nu5\tcut";
        assert_eq!(
            words(text, &Dialect::bare_tsv(&["a", "b", "c"]), &[]),
            [
                "u1|the \"king|x\ry",
                "u2|\"q|z",
                "bad the row is no UTF-8",
                "bad the row has 2 fields; expected 3",
                "damaged malformed: the file ends in the middle of a row: the row has 2 fields; expected 3"
            ]
        );
    }

    #[test]
    fn with_quoting_a_field_may_hold_anything() {
        let text = b"\"\",date,artist\r\n\"1\",2020,\"a, \"\"b\"\"\nc\"\r\n2,2021\r\n";
        assert_eq!(
            words(text, &Dialect::csv(), &["date"]),
            ["1|2020|a, \"b\"\nc", "bad the row has 2 fields; expected 3"]
        );
    }

    #[test]
    fn a_missing_quote_ends_the_file_before_it_fills_the_memory() {
        let mut text = b"a,b\n1,2\n3,\"open\n".to_vec();
        text.resize(text.len() + ROW_BYTES + (1 << 16), b'x');
        let words = words(&text, &Dialect::csv(), &[]);
        assert_eq!(words.len(), 2);
        assert!(words[1].contains("a quote is missing"), "{}", words[1]);
    }

    #[test]
    fn a_missing_column_is_named_beside_those_found() {
        let damage = "damaged missing: column `track` is missing; columns found: date, artist";
        assert_eq!(words(b"date,artist\n1,2\n", &Dialect::csv(), &["date", "track"]), [damage]);
        assert_eq!(words(b"", &Dialect::csv(), &["date"]).len(), 1);
    }
}
