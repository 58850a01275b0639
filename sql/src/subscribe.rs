//! Tells how the answer to a question changes, instant by instant.
//!
//! ```text
//! question ──▶ topic, one for all who ask the same ──instant──▶ answer − answer before ──▶ differences ──▶ places of each reader
//! ```
//!
//! What a reader hears first is the whole answer. The sum of all that it heard up to an instant is the answer as of that instant.
//! Where instants are stated faster than they can be answered some are passed over. A reader has few places: who does not read is
//! cut off, and nobody waits.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::config::Dialect;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Parsed;
use futures::StreamExt;
use futures::stream::BoxStream;
use records::{Millis, Role};
use serde_json::json;
use tokio::sync::mpsc;

use crate::database::Database;
use crate::guard::{must_plan_to_read, must_read, refused};
use crate::problem::Problem;
use crate::views::Moment;
use crate::wire::presentable;

/// How often somebody looks whether another instant is stated.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// So many instants may wait for a reader; who is further behind is cut off.
const WAITING: usize = 8;
/// An answer that is followed has so many rows at most: they are held as long as somebody follows it.
pub const ROWS_MAX: usize = 100_000;
/// So many may follow at once, and so many of one name.
pub const READERS_MAX: usize = 4_096;
/// See [`READERS_MAX`].
pub const READERS_OF_ONE_MAX: usize = 2_048;
/// Rows of one event.
const EVENT_ROWS: usize = 1_000;

/// For whom an answer is: their numbers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum For {
    /// HTTP.
    Events,
    /// A client of PostgreSQL.
    Wire,
}

/// A question, and what its answer depends on beside the instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    role: Role,
    whom: For,
    text: String,
}

/// How an answer differs from the one before.
#[derive(Debug)]
pub struct Difference {
    /// As of when.
    pub as_of: Option<Millis>,
    /// Of each of the rows, how often it came, or (below 0) went.
    pub times: Vec<i64>,
    /// The rows.
    pub rows: RecordBatch,
}

/// Rows, and how often there is each.
type Counted = HashMap<Box<[u8]>, i64>;

/// The answer that readers know.
struct Known {
    as_of: Option<Millis>,
    schema: SchemaRef,
    converter: RowConverter,
    rows: Counted,
}

#[derive(Default)]
struct Topic {
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    readers: Vec<Reader>,
    /// It is no topic any more: who found it looks again.
    is_over: bool,
}

struct Reader {
    sender: mpsc::Sender<Arc<Difference>>,
    why: Arc<OnceLock<Problem>>,
}

/// All that is followed.
#[derive(Default)]
pub(crate) struct Topics {
    topics: Mutex<HashMap<Question, Arc<Topic>>>,
    readers: Arc<Mutex<HashMap<String, usize>>>,
    is_told: AtomicBool,
    cut_off: AtomicU64,
}

/// A place among those who follow; given back when it is dropped.
struct Place {
    who: String,
    readers: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut readers = self.readers.lock().expect("nobody panics with it");
        if let Some(places) = readers.get_mut(&self.who) {
            *places -= 1;
            if *places == 0 {
                readers.remove(&self.who);
            }
        }
    }
}

/// Somebody follows an answer.
pub struct Subscription {
    receiver: mpsc::Receiver<Arc<Difference>>,
    why: Arc<OnceLock<Problem>>,
    schema: SchemaRef,
    _place: Place,
}

impl Subscription {
    /// The next difference; first the whole answer.
    ///
    /// # Errors
    /// Why nothing more is told: the reader was too slow, or the question cannot be answered any more.
    pub async fn next(&mut self) -> Result<Arc<Difference>, Problem> {
        let ended = || Problem::new("57P01", "the service ends: ask again");
        let told = self.receiver.recv().await;
        told.ok_or_else(|| self.why.get().cloned().unwrap_or_else(ended))
    }

    /// Whether nothing waits to be read.
    pub fn is_quiet(&self) -> bool {
        self.receiver.is_empty()
    }

    /// What is told as events that a server sends, until nothing more is; then why.
    pub fn events(self) -> BoxStream<'static, String> {
        let events = futures::stream::unfold(Some(self), |told| async {
            let mut told = told?;
            Some(match told.next().await.and_then(|difference| difference.events()) {
                Ok(events) => (events, Some(told)),
                Err(Problem { code, message }) => {
                    (format!("event: problem\ndata: {}\n\n", json!({ "error": message, "code": code })), None)
                }
            })
        });
        events.boxed()
    }

    /// The columns that are told: when, how often, and those of the question.
    pub(crate) fn columns(&self) -> SchemaRef {
        told_columns(&self.schema)
    }
}

impl Topics {
    fn place(&self, who: &str) -> Result<Place, Problem> {
        let mut readers = self.readers.lock().expect("nobody panics with it");
        let all: usize = readers.values().sum();
        let own = readers.get(who).copied().unwrap_or(0);
        if own >= READERS_OF_ONE_MAX || all >= READERS_MAX {
            return Err(Problem::new(
                "53300",
                format!(
                    "{own} subscriptions of {who} and {all} of all: at most {READERS_OF_ONE_MAX} and {READERS_MAX}; end some first"
                ),
            ));
        }
        *readers.entry(who.to_owned()).or_default() += 1;
        Ok(Place { who: who.to_owned(), readers: self.readers.clone() })
    }

    fn topic(&self, question: &Question) -> Arc<Topic> {
        self.topics.lock().expect("nobody panics with it").entry(question.clone()).or_default().clone()
    }

    fn all(&self) -> Vec<(Question, Arc<Topic>)> {
        let topics = self.topics.lock().expect("nobody panics with it");
        topics.iter().map(|(question, topic)| (question.clone(), topic.clone())).collect()
    }

    fn forget(&self, question: &Question, state: &mut State) {
        state.is_over = true;
        state.known = None;
        self.topics.lock().expect("nobody panics with it").remove(question);
    }
}

impl Database {
    /// Follows the answer to a question of somebody with that name and role; waits until it is answered once. To be called from a
    /// thread that may wait.
    ///
    /// # Errors
    /// When it is no question, asks what the role may not see, has too large an answer, or there is no place.
    pub fn subscribe(self: &Arc<Database>, who: &str, role: Role, text: &str) -> Result<Subscription, Problem> {
        let (this, who, text) = (self.clone(), who.to_owned(), text.to_owned());
        let followed = self.threads().spawn(async move { this.follow(&who, role, For::Events, text).await });
        let failed = |error| Problem::new("XX000", format!("the question failed: {error}"));
        self.threads().block_on(followed).unwrap_or_else(|error| Err(failed(error)))
    }

    /// How many follow answers, and how many were cut off so far.
    pub fn readers(&self) -> (usize, u64) {
        let readers = self.topics().readers.lock().expect("nobody panics with it").values().sum();
        (readers, self.topics().cut_off.load(Ordering::Relaxed))
    }

    pub(crate) async fn follow(
        self: &Arc<Database>,
        who: &str,
        role: Role,
        whom: For,
        text: String,
    ) -> Result<Subscription, Problem> {
        let place = self.topics().place(who)?;
        let question = Question { role, whom, text };
        if !self.topics().is_told.swap(true, Ordering::Relaxed) {
            self.threads().spawn(tell_all(Arc::downgrade(self)));
        }
        loop {
            let topic = self.topics().topic(&question);
            let mut state = topic.state.lock().await;
            if state.is_over {
                continue;
            }
            if state.known.is_none() {
                match self.know(&question, self.views().now()).await {
                    Ok(known) => state.known = Some(known),
                    Err(problem) => {
                        self.topics().forget(&question, &mut state);
                        return Err(problem);
                    }
                }
            }
            let known = state.known.as_ref().expect("it was just answered");
            let (sender, receiver) = mpsc::channel(WAITING);
            let whole = known.rows.iter().map(|(row, times)| (&**row, *times)).collect();
            let _ = sender.try_send(Arc::new(known.difference(whole)?));
            let (schema, why) = (known.schema.clone(), Arc::<OnceLock<Problem>>::default());
            state.readers.push(Reader { sender, why: why.clone() });
            return Ok(Subscription { receiver, why, schema, _place: place });
        }
    }

    /// Answers the question as of the moment.
    async fn know(self: &Arc<Database>, question: &Question, moment: Arc<dyn Moment>) -> Result<Known, Problem> {
        self.counted();
        let limit = self.limits().statement;
        match tokio::time::timeout(limit, self.answer(question, moment)).await {
            Ok(known) => known,
            Err(_) => Err(Problem::late(limit.as_millis())),
        }
    }

    async fn answer(&self, question: &Question, moment: Arc<dyn Moment>) -> Result<Known, Problem> {
        let (session, pinned) = self.session();
        pinned.settle(question.role);
        let as_of = moment.as_of();
        pinned.hold(moment);
        let state = session.state();
        let statement = match state.sql_to_statement(&question.text, &Dialect::PostgreSQL)? {
            Statement::Statement(statement) if matches!(*statement, Parsed::Query(_)) => statement,
            other => return Err(refused(&other.to_string())),
        };
        must_read(&statement)?;
        let mut plan = state.statement_to_plan(Statement::Statement(statement)).await?;
        must_plan_to_read(&plan)?;
        if question.whom == For::Wire {
            plan = presentable(plan)?;
        }
        let mut batches = session.execute_logical_plan(plan).await?.execute_stream().await?;
        let schema = batches.schema();
        if schema.fields().is_empty() {
            return Err(Problem::new("42601", "no column is asked for"));
        }
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let (mut rows, mut count) = (Counted::new(), 0);
        while let Some(batch) = batches.next().await.transpose()? {
            count += batch.num_rows();
            if count > ROWS_MAX {
                let why = format!(
                    "the answer has more than {ROWS_MAX} rows, which are held while it is followed: ask for less"
                );
                return Err(Problem::new("54000", why));
            }
            for row in &converter.convert_columns(batch.columns())? {
                *rows.entry(row.data().into()).or_default() += 1;
            }
        }
        Ok(Known { as_of, schema, converter, rows })
    }
}

impl Known {
    /// These rows of it, so often, in an order that depends on them alone.
    fn difference(&self, mut rows: Vec<(&[u8], i64)>) -> Result<Difference, Problem> {
        rows.sort_unstable();
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(rows.iter().map(|(row, _)| parser.parse(row)))?;
        let rows_of = RecordBatch::try_new(self.schema.clone(), columns)?;
        Ok(Difference { as_of: self.as_of, times: rows.into_iter().map(|(_, times)| times).collect(), rows: rows_of })
    }

    /// What came and what went since that answer.
    fn since(&self, before: &Counted) -> Result<Difference, Problem> {
        let came = self.rows.iter().map(|(row, times)| (&**row, times - before.get(row).copied().unwrap_or(0)));
        let went = before.iter().filter(|(row, _)| !self.rows.contains_key(*row)).map(|(row, times)| (&**row, -times));
        self.difference(came.chain(went).filter(|(_, times)| *times != 0).collect())
    }
}

/// Tells all who follow something, as long as there is a database.
async fn tell_all(database: Weak<Database>) {
    loop {
        tokio::time::sleep(LOOKS_EVERY).await;
        let Some(database) = database.upgrade() else { return };
        let topics = database.topics().all();
        if topics.is_empty() {
            continue;
        }
        let moment = database.views().now();
        let each = topics.len().div_ceil(database.limits().threads.max(1));
        let parts = topics.chunks(each).map(|part| {
            let (database, moment, part) = (database.clone(), moment.clone(), part.to_vec());
            tokio::spawn(async move {
                for (question, topic) in part {
                    tell(&database, &question, &topic, &moment).await;
                }
            })
        });
        // All are told of this instant before anybody is told of the next.
        for part in parts.collect::<Vec<_>>() {
            let _ = part.await;
        }
    }
}

/// Tells those who follow a question what changed.
async fn tell(database: &Arc<Database>, question: &Question, topic: &Topic, moment: &Arc<dyn Moment>) {
    let mut state = topic.state.lock().await;
    if state.is_over {
        return;
    }
    state.readers.retain(|reader| !reader.sender.is_closed());
    if state.readers.is_empty() {
        return database.topics().forget(question, &mut state);
    }
    if state.known.as_ref().is_some_and(|known| known.as_of == moment.as_of()) {
        return;
    }
    let Some(known) = state.known.take() else { return };
    let told = database.know(question, moment.clone()).await.and_then(|now| Ok((now.since(&known.rows)?, now)));
    match told {
        Ok((difference, now)) => {
            state.known = Some(now);
            let told = Arc::new(difference);
            state.readers.retain(|reader| {
                let is_behind = matches!(reader.sender.try_send(told.clone()), Err(mpsc::error::TrySendError::Full(_)));
                if is_behind {
                    let why = format!(
                        "{WAITING} instants waited to be read: cut off; ask again, and read faster or ask for less"
                    );
                    let _ = reader.why.set(Problem::new("53400", why));
                    database.topics().cut_off.fetch_add(1, Ordering::Relaxed);
                }
                !is_behind
            });
        }
        Err(problem) => {
            for reader in state.readers.drain(..) {
                let _ = reader.why.set(problem.clone());
            }
            database.topics().forget(question, &mut state);
        }
    }
}

fn told_columns(schema: &Schema) -> SchemaRef {
    let as_of = Field::new("as_of", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true);
    let before = [as_of, Field::new("diff", DataType::Int64, false)].map(Arc::new);
    // What was counted may be missing in a row that only says how far it is.
    let columns = schema.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
    Arc::new(Schema::new(before.into_iter().chain(columns).collect::<Vec<_>>()))
}

impl Difference {
    /// As rows with an instant and how often, and at the end one that came 0 times: all of that instant was told.
    pub(crate) fn table(&self) -> Result<[RecordBatch; 2], Problem> {
        let schema = told_columns(&self.rows.schema());
        let as_of = |rows: usize| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from(vec![self.as_of; rows]).with_timezone("UTC"))
        };
        let times: ArrayRef = Arc::new(Int64Array::from(self.times.clone()));
        let columns = [as_of(self.times.len()), times].into_iter().chain(self.rows.columns().iter().cloned());
        let rows = RecordBatch::try_new(schema.clone(), columns.collect())?;
        let none: ArrayRef = Arc::new(Int64Array::from(vec![0]));
        let nulls = self.rows.schema_ref().fields().iter().map(|field| new_null_array(field.data_type(), 1));
        let end = RecordBatch::try_new(schema, [as_of(1), none].into_iter().chain(nulls).collect())?;
        Ok([rows, end])
    }

    /// As events that a server sends: `rows`, some at a time, and then `stated`.
    ///
    /// # Errors
    /// When a value has no form in JSON.
    pub fn events(&self) -> Result<String, Problem> {
        let as_of = json!(self.as_of);
        let mut text = String::new();
        for first in (0..self.times.len()).step_by(EVENT_ROWS) {
            let rows = self.rows.slice(first, EVENT_ROWS.min(self.times.len() - first));
            let mut lines = Vec::new();
            let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut lines);
            writer.write(&rows)?;
            writer.finish()?;
            drop(writer);
            let lines = String::from_utf8_lossy(&lines);
            let told = lines.lines().zip(&self.times[first..]);
            let told: Vec<String> = told.map(|(row, times)| format!("{{\"diff\":{times},\"row\":{row}}}")).collect();
            let _ = write!(text, "event: rows\ndata: {{\"as_of\":{as_of},\"rows\":[{}]}}\n\n", told.join(","));
        }
        let id = self.as_of.map_or(String::new(), |as_of| format!("id: {as_of}\n"));
        let _ = write!(text, "event: stated\n{id}data: {{\"as_of\":{as_of}}}\n\n");
        Ok(text)
    }
}
