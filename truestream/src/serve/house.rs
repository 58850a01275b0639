//! What the service answers: takes rows to the gate, and views from the shelf.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SendError, Sender};
use std::time::Instant;

use console::desk::Desk;
use console::{Events, Guest, House, Reply, Sent, Written};
use datasets::intake::erasing::Erasure;
use datasets::intake::{self, Format, Ids};
use datasets::log::{Durable, Entry, TABLES, Taken, Unread};
use records::{Deed, Millis};
use serde_json::{Value, json};
use sql::{Database, Format as AnswerFormat, Problem};

use super::args::Time;
use super::audit::Clerk;
use super::capacity::{Capacity, resident_bytes};
use super::desk::ReviewDesk;
use super::eraser::Request;
use super::gate::{Answer, Gate, Refused};
use super::kafka::Standing;
use super::openapi::openapi;
use super::people::People;
use super::registrar;
use super::shelf::{Asked, Shelf};
use super::source::Progress;
use super::tables::deed_of_all;
use crate::replay::instant;
use crate::replay::views::VIEWS;

/// The table that changes what is decided about somebody: who sends rows of it is written down.
const RULINGS: &str = "rulings";
/// Where accounts are named that are to be forgotten: no table, for nothing of it is kept.
const ERASURES: &str = "erasures";
/// Of so many unread rows a reply says why; the log has all of them.
const UNREAD_TOLD: usize = 10;
/// A view is sent whole as JSON up to so many rows, unless more are asked for.
const ROWS_DEFAULT: usize = 10_000;

/// The service, as HTTP sees it.
pub struct Service {
    /// Where people review.
    pub desk: ReviewDesk,
    /// Who may come in.
    pub people: Arc<People>,
    /// Writes down what they do.
    pub clerk: Clerk,
    /// What its ids are.
    pub ids: Ids,
    /// Where accounts are given to be forgotten.
    pub erasures: Sender<Request>,
    /// Who says how late it is.
    pub time: Time,
    /// The way in.
    pub gate: Gate,
    /// How far the log is durable.
    pub durable: Arc<Durable>,
    /// The views.
    pub shelf: Arc<Shelf>,
    /// The views, as SQL sees them.
    pub database: Arc<Database>,
    /// How far the dataflow is.
    pub progress: Arc<Progress>,
    /// Where it keeps what it has.
    pub folder: PathBuf,
    /// Whether there is room for more.
    pub capacity: Arc<Capacity>,
    /// How far topics are, where some are followed.
    pub topics: Option<Arc<Standing>>,
    /// Since when it runs.
    pub started: Instant,
}

impl Service {
    fn may_ask(&self, guest: &Guest) -> Result<(), Reply> {
        self.people.may_ask(&guest.name).map_err(|wait| {
            let after_secs = wait.as_secs() + 1;
            Reply { after_secs, ..wrong(Problem::too_fast(&guest.name, wait)) }
        })
    }

    /// Whether rows are taken now. How late it is is always taken: with time, memory is given back and what waits is stated.
    fn has_room(&self, sent: &Sent) -> Result<(), Reply> {
        if sent.body.is_empty() {
            return Ok(());
        }
        self.capacity.full().map_or(Ok(()), |why| Err(problem(429, &why)))
    }

    fn erase(&self, sent: &Sent, answer: Box<dyn FnOnce(Reply) + Send>) {
        let accounts = match erasures(&sent.body, &self.ids) {
            Ok(accounts) => accounts,
            Err(why) => return answer(problem(400, &why)),
        };
        self.clerk.note(&sent.by, ERASURES, &format!("{} accounts", accounts.len()));
        if let Err(SendError(asked)) = self.erasures.send(Request { accounts, answer }) {
            (asked.answer)(problem(503, "the service ends; ask again"));
        }
    }

    fn entry(&self, sent: &Sent) -> Result<(Entry, u64, Vec<Unread>), Reply> {
        let wrong = |why: String| problem(400, &why);
        let table = TABLES.into_iter().find(|table| *table == sent.table);
        let table = table.ok_or_else(|| {
            problem(404, &format!("no table is called {}; expected one of {}", sent.table, TABLES.join(", ")))
        })?;
        let source = match (&sent.source, &sent.offset) {
            (Some(source), _) if registrar::SOURCES.contains(&source.as_str()) => {
                return Err(wrong(format!(
                    "Truestream-Source {source}: that is the review desk's own; choose another"
                )));
            }
            (Some(source), Some(offset)) if !source.is_empty() && source.len() <= 200 => {
                let offset =
                    offset.parse().map_err(|_| wrong("Truestream-Offset: expected a whole number".to_owned()))?;
                Some((source.clone(), offset))
            }
            (None, None) => None,
            _ => return Err(wrong("Truestream-Source and Truestream-Offset go together".to_owned())),
        };
        let until = sent.until.as_deref().map(str::parse::<Millis>).transpose();
        let until = until.map_err(|_| wrong("Truestream-Until: expected milliseconds since 1970".to_owned()))?;
        if until.is_some() && self.time == Time::Wall {
            return Err(wrong(
                "Truestream-Until: this service goes by its own clock; see serve --time told".to_owned(),
            ));
        }
        let format = Format::of_media_type(sent.media_type.as_deref());
        let format = format.ok_or_else(|| {
            let known = "application/x-ndjson, application/vnd.apache.arrow.stream or application/vnd.apache.parquet";
            problem(415, &format!("Content-Type: expected {known}"))
        })?;
        let body = intake::unpack(sent.encoding.as_deref(), &sent.body).map_err(|error| wrong(error.to_string()))?;
        if body.trim_ascii().is_empty() {
            return Ok((Entry { source, until, rows: None }, 0, Vec::new()));
        }
        let (rows, count) = intake::read(table, format, &body, &self.ids).map_err(|error| wrong(error.to_string()))?;
        let told = rows.refused.iter().take(UNREAD_TOLD).cloned().collect();
        Ok((Entry { source, until, rows: Some(rows) }, count, told))
    }
}

impl House for Service {
    fn guest(&self, token: &str) -> Option<Guest> {
        self.people.with_token(token)
    }

    fn deed_of_table(&self, table: &str) -> Option<Deed> {
        if table == ERASURES {
            return Some(Deed::Erase);
        }
        TABLES.contains(&table).then_some(match table {
            "labels" => Deed::Label,
            RULINGS => Deed::Rule,
            _ => Deed::Send,
        })
    }

    fn deed_of_view(&self, name: &str) -> Option<Deed> {
        VIEWS.iter().find(|(known, _)| *known == name).map(|(_, view)| deed_of_all(*view))
    }

    fn take(&self, sent: Sent, answer: Box<dyn FnOnce(Reply) + Send>) {
        if sent.table == ERASURES {
            return self.erase(&sent, answer);
        }
        if let Err(full) = self.has_room(&sent) {
            return answer(full);
        }
        match self.entry(&sent) {
            Err(reply) => answer(reply),
            Ok((entry, rows, unread)) => {
                if sent.table == RULINGS {
                    self.clerk.note(&sent.by, "rulings", &format!("{rows} rows"));
                }
                drop(sent);
                let refused = entry.rows.as_ref().map_or(0, |rows| rows.refused.len());
                self.gate.submit(entry, move |taken| answer(taken_reply(taken, rows, refused, &unread)));
            }
        }
    }

    fn view(&self, name: &str, query: &HashMap<String, String>) -> Reply {
        if name == "refusal" {
            let stated = self.shelf.now();
            let as_of = self.shelf.outline.as_of(&stated);
            let rows: Vec<Value> = stated.refusals.iter().rev().map(|refusal| json!(**refusal)).collect();
            return Reply { as_of, ..Reply::json(200, json!({ "as_of": as_of, "rows": rows }).to_string()) };
        }
        let parquet = match query.get("format").map(String::as_str) {
            None | Some("json") => false,
            Some("parquet") => true,
            Some(other) => return problem(400, &format!("format={other}: expected json or parquet")),
        };
        let rows_max = match query.get("limit").map(|text| text.parse()) {
            None => (!parquet).then_some(ROWS_DEFAULT),
            Some(Ok(limit)) => Some(limit),
            Some(Err(_)) => return problem(400, "limit: expected a whole number"),
        };
        let asked = Asked { key: query.get("key").cloned(), window: query.get("window").cloned(), rows_max };
        let Some(answer) = self.shelf.ask(name, &asked) else {
            let known: Vec<&str> = self.shelf.names().collect();
            return problem(404, &format!("no view {name} is kept here; expected one of {}", known.join(", ")));
        };
        if !parquet {
            let body = json!({ "as_of": answer.as_of, "rows": self.shelf.json(&answer) }).to_string();
            return Reply { as_of: answer.as_of, ..Reply::json(200, body) };
        }
        let written = tempfile::tempdir().map_err(|error| error.to_string()).and_then(|folder| {
            let path = folder.path().join(name);
            self.shelf.write(&answer, &path).map_err(|failure| failure.to_string())?;
            std::fs::read(&path).map_err(|error| error.to_string())
        });
        match written {
            Ok(body) => {
                let media_type = "application/vnd.apache.parquet";
                Reply { status: 200, media_type, as_of: answer.as_of, body, ..Reply::default() }
            }
            Err(why) => problem(503, &why),
        }
    }

    fn query(&self, guest: &Guest, statement: &str, format: Option<&str>) -> Result<Written, Reply> {
        let name = format.unwrap_or("json");
        let format = AnswerFormat::named(name).ok_or_else(|| {
            let known = AnswerFormat::ALL.map(|(name, _)| name).join(", ");
            problem(400, &format!("format={name}: expected one of {known}"))
        })?;
        self.may_ask(guest)?;
        self.clerk.note(&guest.name, "query", statement);
        let answer = self.database.ask(guest.role, statement).map_err(wrong)?;
        Ok(Written {
            media_type: format.media_type(),
            as_of: answer.as_of,
            write: Box::new(move |to| answer.write(format, to).map_err(|wrong| wrong.message)),
        })
    }

    fn subscribe(&self, guest: &Guest, statement: &str) -> Result<Events, Reply> {
        self.may_ask(guest)?;
        self.clerk.note(&guest.name, "subscribe", statement);
        let told = self.database.subscribe(&guest.name, guest.role, statement).map_err(wrong)?;
        Ok(told.events())
    }

    fn desk(&self) -> &dyn Desk {
        &self.desk
    }

    fn health(&self) -> Reply {
        let as_of = self.shelf.as_of();
        let ready = self.capacity.is_ready();
        let body = json!({
            "ready": ready,
            "as_of": as_of,
            "as_of_text": as_of.map(instant),
            "entries_durable": self.durable.last(),
            "behind_ms": self.progress.behind_ms.load(Ordering::Relaxed),
            "entries_read": self.progress.entries.load(Ordering::Acquire),
            "plays": self.progress.plays.load(Ordering::Relaxed),
            "policy_refused": *self.progress.policy_refused.lock().expect("nobody panics with it"),
            "model_refused": *self.progress.model_refused.lock().expect("nobody panics with it"),
            "kafka": self.topics.as_deref().map(Standing::health),
        });
        Reply { as_of, ..Reply::json(if ready { 200 } else { 503 }, body.to_string()) }
    }

    fn description(&self) -> Reply {
        Reply::json(200, openapi().to_string())
    }

    fn metrics(&self) -> String {
        let (rows, refused) = self.shelf.counts();
        let mut text = String::new();
        let mut say = |name: &str, kind: &str, help: &str, value: f64| {
            let _ = writeln!(
                text,
                "# HELP truestream_{name} {help}\n# TYPE truestream_{name} {kind}\ntruestream_{name} {value}"
            );
        };
        let as_of = self.shelf.as_of().map_or(f64::NAN, |instant| instant as f64 / 1_000.0);
        say("as_of_seconds", "gauge", "The instant as of which everything is stated.", as_of);
        say(
            "ready",
            "gauge",
            "Whether everything that was durable at the start is stated.",
            f64::from(self.capacity.is_ready()),
        );
        say("log_entries_durable", "counter", "Entries that are on disk.", self.durable.last() as f64);
        let read = self.progress.entries.load(Ordering::Acquire);
        say("log_entries_read", "counter", "Entries that the dataflow has read.", read as f64);
        let plays = self.progress.plays.load(Ordering::Relaxed);
        say("plays", "counter", "Plays that the dataflow has read since the start.", plays as f64);
        let taken_up = self.progress.policies_taken_up.load(Ordering::Relaxed);
        say("policies_taken_up", "counter", "Times that activated policies were taken up meanwhile.", taken_up as f64);
        let is_refused = self.progress.policy_refused.lock().expect("nobody panics with it").is_some();
        say("policy_refused", "gauge", "Whether what was activated last cannot decide here.", f64::from(is_refused));
        let taken_up = self.progress.models_taken_up.load(Ordering::Relaxed);
        say("models_taken_up", "counter", "Times that another champion was taken up meanwhile.", taken_up as f64);
        let is_refused = self.progress.model_refused.lock().expect("nobody panics with it").is_some();
        say("model_refused", "gauge", "Whether the champion of the registry cannot score here.", f64::from(is_refused));
        say("refused_rows", "counter", "Rows that were refused.", refused as f64);
        let stated = self.progress.stated_entries.load(Ordering::Acquire);
        say(
            "log_entries_stated",
            "counter",
            "Entries of which everything that they complete is stated.",
            stated as f64,
        );
        let behind = self.progress.behind_ms.load(Ordering::Relaxed) as f64 / 1_000.0;
        say("behind_seconds", "gauge", "For how long the oldest entry waits that is not stated.", behind);
        say("log_bytes", "gauge", "The log on disk.", bytes_of(&self.folder.join("log")) as f64);
        let free = rustix::fs::statvfs(&self.folder).map_or(f64::NAN, |disk| (disk.f_bavail * disk.f_frsize) as f64);
        say("disk_free_bytes", "gauge", "What the disk of the log has left.", free);
        say(
            "memory_max_bytes",
            "gauge",
            "The memory above nine tenths of which nothing is taken in.",
            self.capacity.memory_max as f64,
        );
        let (wrong_passwords, too_fast) = self.people.turned_away();
        say("wrong_passwords", "counter", "Wrong passwords that were given.", wrong_passwords as f64);
        say("too_fast", "counter", "Statements that were asked faster than is allowed.", too_fast as f64);
        let (readers, cut_off) = self.database.readers();
        say("subscribers", "gauge", "Who follows the answer to a question.", readers as f64);
        say("subscribers_cut_off", "counter", "Those who read too slowly.", cut_off as f64);
        say(
            "sql_connections",
            "gauge",
            "Clients of PostgreSQL that are connected.",
            self.database.connections() as f64,
        );
        say("gate_waiting_bytes", "gauge", "Bytes that wait to be written.", self.gate.waiting_bytes() as f64);
        say("resident_bytes", "gauge", "Memory in use.", resident_bytes().unwrap_or(0) as f64);
        say("sql_statements", "counter", "Statements of SQL that were asked.", self.database.statements() as f64);
        say("sql_rows_read", "counter", "Rows of views that statements have read.", self.database.rows_read() as f64);
        say("up_seconds", "gauge", "For how long it runs.", self.started.elapsed().as_secs_f64());
        text.push_str("# HELP truestream_view_rows Rows of a view.\n# TYPE truestream_view_rows gauge\n");
        for (view, rows) in rows {
            let _ = writeln!(text, "truestream_view_rows{{view=\"{view}\"}} {rows}");
        }
        Standing::metrics(self.topics.as_deref(), &mut text);
        text
    }
}

/// The accounts that lines such as `{"account_id": "a1"}` name.
fn erasures(body: &[u8], ids: &Ids) -> Result<Vec<Erasure>, String> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let account = |(place, line): (usize, &[u8])| {
        let named: Result<Value, _> = serde_json::from_slice(line);
        match named.ok().and_then(|mut named| named.get_mut("account_id").map(Value::take)) {
            Some(Value::String(id)) if !id.is_empty() => Ok(Erasure::of(&id, ids)),
            Some(Value::Number(id)) => Ok(Erasure::of(&id.to_string(), ids)),
            // The line may name somebody.
            _ => Err(format!("line {}: expected an object with an account_id, one per line", place + 1)),
        }
    };
    let accounts: Vec<Erasure> = lines.enumerate().map(account).collect::<Result<_, _>>()?;
    if accounts.is_empty() { Err("no account is named".to_owned()) } else { Ok(accounts) }
}

/// What the files of a folder take on disk.
fn bytes_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

fn taken_reply(taken: Answer, rows: u64, refused: usize, unread: &[Unread]) -> Reply {
    match taken {
        Ok(Taken::New(entry)) => {
            Reply::json(200, json!({ "entry": entry, "rows": rows, "unread": refused, "why": unread }).to_string())
        }
        Ok(Taken::Known) => Reply::json(200, json!({ "known": true, "rows": rows }).to_string()),
        Err(Refused::Later(why)) => problem(429, &why),
        Err(Refused::Never(why)) => problem(413, &why),
        Err(Refused::Broken(why)) => problem(503, &why),
    }
}

fn wrong(problem: Problem) -> Reply {
    Reply::json(problem.status(), json!({ "error": problem.message, "code": problem.code }).to_string())
}

fn problem(status: u16, why: &str) -> Reply {
    Reply::json(status, json!({ "error": why }).to_string())
}
