//! `COPY … TO STDOUT`: the rows of a question as text, CSV or in binary.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Query, Statement,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use futures::StreamExt;
use pgwire::api::portal::Format;
use pgwire::api::results::{CopyResponse, FieldInfo, QueryResponse};
use pgwire::messages::copy::CopyData;
use pgwire::messages::data::DataRow;

use crate::guard::{must_read, refused};
use crate::problem::Problem;

/// How a file of PostgreSQL's binary format begins: its mark, no flags, no extension.
const BINARY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// How it ends: a row of -1 columns.
const BINARY_END: [u8; 2] = [0xff, 0xff];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Csv,
    Binary,
}

/// What is to be copied out, and how it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CopyOut {
    /// The question.
    pub(crate) question: Statement,
    shape: Shape,
    delimiter: u8,
    null: String,
    quote: u8,
    escape: u8,
    has_header: bool,
}

impl CopyOut {
    /// Reads the statement; `None` when it is no COPY.
    ///
    /// # Errors
    /// When it would copy in, to a file or a program, or in a way that is not known here.
    pub(crate) fn of(statement: &Statement) -> Result<Option<CopyOut>, Problem> {
        let Statement::Copy { source, to, target, options, legacy_options, .. } = statement else { return Ok(None) };
        if !*to || *target != CopyTarget::Stdout {
            return Err(refused(&statement.to_string()));
        }
        let question = question(source)?;
        must_read(&question)?;
        let mut copy = CopyOut {
            question,
            shape: Shape::Text,
            delimiter: 0,
            null: String::new(),
            quote: b'"',
            escape: b'"',
            has_header: false,
        };
        let mut null = None;
        for option in options {
            match option {
                CopyOption::Format(name) => copy.shape = shape(&name.value)?,
                CopyOption::Delimiter(delimiter) => copy.delimiter = byte(*delimiter)?,
                CopyOption::Null(text) => null = Some(text.clone()),
                CopyOption::Header(has_header) => copy.has_header = *has_header,
                CopyOption::Quote(quote) => copy.quote = byte(*quote)?,
                CopyOption::Escape(escape) => copy.escape = byte(*escape)?,
                CopyOption::Encoding(name) if is_utf8(name) => {}
                other => return Err(unknown(&other.to_string())),
            }
        }
        for option in legacy_options {
            match option {
                CopyLegacyOption::Binary => copy.shape = Shape::Binary,
                CopyLegacyOption::Delimiter(delimiter) => copy.delimiter = byte(*delimiter)?,
                CopyLegacyOption::Null(text) => null = Some(text.clone()),
                CopyLegacyOption::Header => copy.has_header = true,
                CopyLegacyOption::Csv(options) => {
                    copy.shape = Shape::Csv;
                    for option in options {
                        match option {
                            CopyLegacyCsvOption::Header => copy.has_header = true,
                            CopyLegacyCsvOption::Quote(quote) => copy.quote = byte(*quote)?,
                            CopyLegacyCsvOption::Escape(escape) => copy.escape = byte(*escape)?,
                            other => return Err(unknown(&other.to_string())),
                        }
                    }
                }
                other => return Err(unknown(&other.to_string())),
            }
        }
        if copy.delimiter == 0 {
            copy.delimiter = if copy.shape == Shape::Csv { b',' } else { b'\t' };
        }
        copy.null = null.unwrap_or_else(|| if copy.shape == Shape::Csv { String::new() } else { "\\N".to_owned() });
        Ok(Some(copy))
    }

    /// In which form the rows are needed.
    pub(crate) fn format(&self) -> Format {
        if self.shape == Shape::Binary { Format::UnifiedBinary } else { Format::UnifiedText }
    }

    /// The rows as they are sent.
    pub(crate) fn rows(self, rows: QueryResponse) -> CopyResponse {
        let columns = rows.row_schema().len();
        let is_binary = self.shape == Shape::Binary;
        let head = if is_binary { Some(Bytes::from_static(BINARY_HEAD)) } else { self.names(&rows.row_schema()) };
        let format = i8::from(is_binary);
        let end = is_binary.then(|| BINARY_END.to_vec());
        let rows = rows.data_rows.map(move |row| row.map(|row| self.row(row)));
        let rows = rows.chain(futures::stream::iter(end.map(|end| Ok(Bytes::from(end)))));
        // Clients expect the head in front of what follows, not by itself.
        let mut head = head.map(BytesMut::from);
        let whole = rows.map(move |row| {
            row.map(|row| match head.take() {
                None => CopyData::new(row),
                Some(mut first) => {
                    first.put_slice(&row);
                    CopyData::new(first.freeze())
                }
            })
        });
        // The end stands there already: it is added to binary ones that say so when they are made.
        let mut copied = CopyResponse::new(0, columns, whole);
        copied.format = format;
        copied
    }

    /// The line of names, where one is asked for.
    pub(super) fn names(&self, columns: &[FieldInfo]) -> Option<Bytes> {
        let mut names = BytesMut::new();
        self.line(columns.iter().map(|field| Some(field.name().as_bytes())), &mut names);
        self.has_header.then(|| names.freeze())
    }

    /// A row as it is sent.
    pub(super) fn row(&self, row: DataRow) -> Bytes {
        let mut to = BytesMut::with_capacity(row.data.len() + 16);
        if self.shape == Shape::Binary {
            to.put_i16(row.field_count);
            to.put_slice(&row.data);
        } else {
            let mut data = row.data.freeze();
            let cells = (0..row.field_count).map(|_| match usize::try_from(data.get_i32()) {
                Ok(length) => Some(data.split_to(length)),
                Err(_) => None,
            });
            self.line(cells, &mut to);
        }
        to.freeze()
    }

    fn line<T: AsRef<[u8]>>(&self, cells: impl Iterator<Item = Option<T>>, to: &mut BytesMut) {
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                to.put_u8(self.delimiter);
            }
            match cell {
                None => to.put_slice(self.null.as_bytes()),
                Some(cell) if self.shape == Shape::Csv => self.put_csv(cell.as_ref(), to),
                Some(cell) => self.put_text(cell.as_ref(), to),
            }
        }
        to.put_u8(b'\n');
    }

    fn put_text(&self, cell: &[u8], to: &mut BytesMut) {
        for byte in cell {
            let escaped = match byte {
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                8 => b'b',
                11 => b'v',
                12 => b'f',
                byte if *byte == self.delimiter => *byte,
                byte => {
                    to.put_u8(*byte);
                    continue;
                }
            };
            to.put_slice(&[b'\\', escaped]);
        }
    }

    fn put_csv(&self, cell: &[u8], to: &mut BytesMut) {
        let is_special = |byte: &u8| [self.delimiter, self.quote, b'\n', b'\r'].contains(byte);
        if cell != self.null.as_bytes() && cell != b"\\." && !cell.iter().any(is_special) {
            return to.put_slice(cell);
        }
        to.put_u8(self.quote);
        for byte in cell {
            if *byte == self.quote || *byte == self.escape {
                to.put_u8(self.escape);
            }
            to.put_u8(*byte);
        }
        to.put_u8(self.quote);
    }
}

/// The question whose rows are copied; of a table it is all its rows.
fn question(source: &CopySource) -> Result<Statement, Problem> {
    match source {
        CopySource::Query(query) => Ok(Statement::Query(Box::<Query>::clone(query))),
        CopySource::Table { table_name, columns } => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
            let text = format!("SELECT {columns} FROM {table_name}");
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &text);
            let parsed = parsed.map_err(|error| Problem::new("42601", error.to_string()))?;
            parsed.into_iter().next().ok_or_else(|| unknown(&text))
        }
    }
}

fn shape(name: &str) -> Result<Shape, Problem> {
    match &*name.to_ascii_lowercase() {
        "text" => Ok(Shape::Text),
        "csv" => Ok(Shape::Csv),
        "binary" => Ok(Shape::Binary),
        _ => Err(unknown(&format!("FORMAT {name}"))),
    }
}

fn byte(letter: char) -> Result<u8, Problem> {
    u8::try_from(letter).ok().filter(u8::is_ascii).ok_or_else(|| unknown(&letter.to_string()))
}

fn is_utf8(name: &str) -> bool {
    ["utf8", "utf-8"].contains(&&*name.to_ascii_lowercase())
}

fn unknown(option: &str) -> Problem {
    let known = "FORMAT text, csv or binary, DELIMITER, NULL, HEADER, QUOTE, ESCAPE";
    Problem::new("0A000", format!("COPY with {option}: expected {known}"))
}
