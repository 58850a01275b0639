//! Answers one question, in a form that other programs read.
//!
//! ```text
//! text ──▶ one statement that reads ──▶ first rows ──▶ written, batch by batch, as JSON, CSV, Arrow or Parquet
//! ```

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::csv;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::json::writer::{JsonArray, WriterBuilder};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::parser::Statement;
use futures::StreamExt;
use records::{Millis, Role};

use crate::database::Database;
use crate::guard::{must_plan_to_read, must_read, refused};
use crate::problem::Problem;

/// The longest text of a statement.
const TEXT_MAX: usize = 1 << 20;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `{"as_of":…,"rows":[{…},…]}`; instants are texts.
    Json,
    /// With a line of names; instants are texts.
    Csv,
    /// The IPC stream of Arrow.
    Arrow,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// All formats, by name.
    pub const ALL: [(&'static str, Format); 4] =
        [("json", Format::Json), ("csv", Format::Csv), ("arrow", Format::Arrow), ("parquet", Format::Parquet)];

    /// The format of that name.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// An answer whose first rows are known.
pub struct Answer {
    /// As of when all its rows are stated; `None` before anything is.
    pub as_of: Option<Millis>,
    schema: SchemaRef,
    first: Option<RecordBatch>,
    rest: SendableRecordBatchStream,
    until: Instant,
    database: Arc<Database>,
}

impl Database {
    /// Answers one statement of somebody with that role; waits until its first rows are known. To be called from a thread that may wait.
    ///
    /// # Errors
    /// When it is no statement that reads, cannot be understood, asks what the role may not see, or takes too much time or memory.
    pub fn ask(self: &Arc<Database>, role: Role, text: &str) -> Result<Answer, Problem> {
        self.counted();
        if text.len() > TEXT_MAX {
            return Err(Problem::new("54000", "the statement is longer than 1 MiB"));
        }
        let (session, pinned) = self.session();
        pinned.settle(role);
        let moment = self.views().now();
        let as_of = moment.as_of();
        pinned.hold(moment);
        let until = Instant::now() + self.limits().statement;
        let text = text.to_owned();
        self.within(until, async move {
            let state = session.state();
            let statement = match state.sql_to_statement(&text, &Dialect::PostgreSQL)? {
                Statement::Statement(statement) => statement,
                other => return Err(refused(&other.to_string())),
            };
            must_read(&statement)?;
            let plan = state.statement_to_plan(Statement::Statement(statement)).await?;
            must_plan_to_read(&plan)?;
            let mut rest = session.execute_logical_plan(plan).await?.execute_stream().await?;
            let first = rest.next().await.transpose()?;
            Ok((rest.schema(), first, rest))
        })
        .map(|(schema, first, rest)| Answer { as_of, schema, first, rest, until, database: self.clone() })
    }

    /// Waits for something that must be over by then, on the threads of statements.
    fn within<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let task = self.threads().spawn(async move { tokio::time::timeout_at(until.into(), work).await });
        match self.threads().block_on(task) {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Problem::late(self.limits().statement.as_millis())),
            Err(error) => Err(Problem::new("XX000", format!("the statement failed: {error}"))),
        }
    }
}

impl Answer {
    /// Writes the answer, row by row as it comes about. To be called from a thread that may wait.
    ///
    /// # Errors
    /// When it takes too much time or memory, or the writer takes no more.
    pub fn write(mut self, format: Format, mut to: impl Write + Send) -> Result<(), Problem> {
        let schema = self.schema.clone();
        match format {
            Format::Json => {
                let as_of = self.as_of.map_or("null".to_owned(), |instant| instant.to_string());
                write!(to, "{{\"as_of\":{as_of},\"rows\":").map_err(broken)?;
                let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut to);
                self.each(|batch| writer.write(batch).map_err(Problem::from))?;
                writer.finish()?;
                drop(writer);
                to.write_all(b"}").map_err(broken)
            }
            Format::Csv => {
                let mut writer = csv::Writer::new(&mut to);
                // The names stand there even when there are no rows.
                writer.write(&RecordBatch::new_empty(schema))?;
                self.each(|batch| writer.write(batch).map_err(Problem::from))
            }
            Format::Arrow => {
                let mut writer = StreamWriter::try_new(&mut to, &schema)?;
                self.each(|batch| writer.write(batch).map_err(Problem::from))?;
                writer.finish().map_err(Problem::from)
            }
            Format::Parquet => {
                let mut writer = ArrowWriter::try_new(&mut to, schema, None)?;
                self.each(|batch| writer.write(batch).map_err(Problem::from))?;
                writer.close().map(|_| ()).map_err(Problem::from)
            }
        }
    }

    fn each(&mut self, mut take: impl FnMut(&RecordBatch) -> Result<(), Problem>) -> Result<(), Problem> {
        let mut next = self.first.take();
        while let Some(batch) = next {
            take(&batch)?;
            let rest = std::mem::replace(&mut self.rest, nothing(self.schema.clone()));
            let (batch, rest) = self.database.within(self.until, async move {
                let mut rest = rest;
                let batch = rest.next().await.transpose()?;
                Ok((batch, rest))
            })?;
            (next, self.rest) = (batch, rest);
        }
        Ok(())
    }
}

fn nothing(schema: SchemaRef) -> SendableRecordBatchStream {
    Box::pin(datafusion::physical_plan::EmptyRecordBatchStream::new(schema))
}

fn broken(error: std::io::Error) -> Problem {
    Problem::new("08006", error.to_string())
}

impl From<ArrowError> for Problem {
    fn from(error: ArrowError) -> Problem {
        Problem::from(DataFusionError::from(error))
    }
}

impl From<ParquetError> for Problem {
    fn from(error: ParquetError) -> Problem {
        Problem::from(DataFusionError::from(error))
    }
}
