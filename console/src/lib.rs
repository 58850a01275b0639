//! Shows and accepts over HTTP: the only crate that knows it.
//!
//! ```text
//! POST /v1/TABLE     ──▶ who is it? room? ──▶ body ──▶ House::take ──▶ 200 once it is durable
//! GET  /v1/view/NAME ──▶ who is it?       ──────────▶ House::view ──▶ rows as of one instant
//! GET  /v1/query     ──▶ who is it? room? ──────────▶ House::query ──▶ the rows of a statement, as they come about
//! GET  /v1/subscribe ──▶ who is it?       ──────────▶ House::subscribe ──▶ what changes in an answer, as events without an end
//! GET  /health, /metrics, /v1/openapi.json
//! /desk               ──▶ pages for people (desk.rs)
//! ```
//!
//! What is taken and shown is decided behind the [`House`]; here stand limits, tokens and status codes.

mod counted;
pub mod desk;
mod encrypted;
mod operations;
pub mod paper;

use std::collections::HashMap;
use std::fmt::Debug;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Request, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use axum::serve::{Listener, ListenerExt};
use futures::StreamExt;
use futures::stream::BoxStream;
use records::{Deed, Role};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::ServerConfig;

use self::counted::{Counts, counted};
use self::desk::Desk;
use self::encrypted::Encrypted;
use self::operations::Does;
pub use self::operations::{Needs, OPERATIONS, Operation, Parameter};

/// A body may be so long, packed or not.
pub const BODY_MAX: usize = 32 << 20;
/// Bodies of requests that are under way may take so much memory together, in KiB; more is asked to come again.
const BODIES_KIB: u32 = 256 << 10;
/// A statement may be so long.
const STATEMENT_MAX: usize = 1 << 20;
/// So many statements are answered at once; more are asked to come again.
const STATEMENTS: usize = 64;
/// Bytes of an answer that are sent at once, and how often that much may wait for who reads it.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS_WAITING: usize = 4;

/// Who follows an answer hears something at least so often: a proxy may end a connection on which nothing is said.
const STILL_THERE: Duration = Duration::from_secs(15);
/// Requests that are under way when the service ends are answered within this time, or not at all.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// What was sent for a table.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Who sends it.
    pub by: String,
    /// The table as the path names it.
    pub table: String,
    /// `Content-Type`.
    pub media_type: Option<String>,
    /// `Content-Encoding`.
    pub encoding: Option<String>,
    /// `Truestream-Source` and `Truestream-Offset`: who sends it, and its number there.
    pub source: Option<String>,
    /// See `source`.
    pub offset: Option<String>,
    /// `Truestream-Until`: all that arrived before this instant was sent with it.
    pub until: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The media type of the body.
    pub media_type: &'static str,
    /// As of when it is stated, for the header `Truestream-As-Of`.
    pub as_of: Option<i64>,
    /// The body.
    pub body: Vec<u8>,
    /// With 429: after how many seconds it may be asked again; at least one.
    pub after_secs: u64,
}

impl Reply {
    /// A reply of JSON.
    pub fn json(status: u16, body: String) -> Reply {
        Reply { status, media_type: "application/json", body: body.into_bytes(), ..Reply::default() }
    }
}

/// Writes what it has; an error ends the answer, and who reads it notices.
pub type Writing = Box<dyn FnOnce(&mut (dyn Write + Send)) -> Result<(), String> + Send>;

/// The rows of a statement, to be written as they come about.
pub struct Written {
    /// The media type.
    pub media_type: &'static str,
    /// As of when they are stated, for the header `Truestream-As-Of`.
    pub as_of: Option<i64>,
    /// Writes them.
    pub write: Writing,
}

/// Events, each a whole one as a server sends it.
pub type Events = BoxStream<'static, String>;

/// Somebody who came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The name of the token.
    pub name: String,
    /// What it is for.
    pub role: Role,
}

/// Who takes and shows.
pub trait House: Send + Sync + 'static {
    /// Who has this token; `None` where nobody has it now.
    fn guest(&self, token: &str) -> Option<Guest>;

    /// What one must be allowed to do to send rows of the table; `None` where there is no such table.
    fn deed_of_table(&self, table: &str) -> Option<Deed>;

    /// What one must be allowed to do to read the view; `None` where there is no such view.
    fn deed_of_view(&self, name: &str) -> Option<Deed>;

    /// Takes what was sent; the answer is called once, when it is durable or refused.
    fn take(&self, sent: Sent, answer: Box<dyn FnOnce(Reply) + Send>);

    /// Shows a view.
    fn view(&self, name: &str, query: &HashMap<String, String>) -> Reply;

    /// Answers a statement of SQL that somebody asks, in the format of that name.
    ///
    /// # Errors
    /// The reply that says what is wrong with it.
    fn query(&self, guest: &Guest, statement: &str, format: Option<&str>) -> Result<Written, Reply>;

    /// Follows the answer to a question of somebody: events as a server sends them, until there are no more.
    ///
    /// # Errors
    /// The reply that says what is wrong with it.
    fn subscribe(&self, guest: &Guest, statement: &str) -> Result<Events, Reply>;

    /// Where people review.
    fn desk(&self) -> &dyn Desk;

    /// Says how the service is.
    fn health(&self) -> Reply;

    /// Says what is counted, as Prometheus reads it.
    fn metrics(&self) -> String;

    /// Describes the [`OPERATIONS`].
    fn description(&self) -> Reply;
}

struct Door<H> {
    house: H,
    ended: watch::Receiver<()>,
    bodies: Arc<Semaphore>,
    statements: Arc<Semaphore>,
    counts: Arc<Counts>,
}

/// Where to listen, and how.
pub struct Listening {
    /// The address.
    pub address: SocketAddr,
    /// The certificate and its key, where nobody is to be spoken to in plain text.
    pub tls: Option<Arc<ServerConfig>>,
    /// Threads that answer requests.
    pub threads: usize,
}

/// Serves until the process is asked to end (SIGTERM, or an interrupt from the keyboard), or `is_over` says so. Then no
/// more requests are taken, and those under way are answered, if they end soon.
///
/// # Errors
/// When the address cannot be listened at.
pub fn serve<H: House>(
    house: Arc<H>,
    Listening { address, tls, threads }: Listening,
    bound: impl FnOnce(SocketAddr),
    is_over: impl Fn() -> bool + Send + 'static,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let (ends, ended) = watch::channel(());
        let mut terminated = signal(SignalKind::terminate())?;
        bound(listener.local_addr()?);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
                () = over(is_over) => {}
            }
            drop(ends);
        });
        let bodies = Arc::new(Semaphore::new(BODIES_KIB as usize));
        let desk = desk::routes(house.clone(), tls.is_some());
        let (statements, counts) = (Arc::new(Semaphore::new(STATEMENTS)), Arc::<Counts>::default());
        let door = Arc::new(Door { house, ended: ended.clone(), bodies, statements, counts: counts.clone() });
        let routes = OPERATIONS.iter().fold(Router::new(), |routes, operation| {
            let is_sent = operation.method == "post";
            let method = if is_sent { MethodFilter::POST } else { MethodFilter::GET };
            let served = match operation.does {
                Does::Health => on(method, health::<H>),
                Does::Metrics => on(method, metrics::<H>),
                Does::Describe => on(method, describe::<H>),
                Does::View => on(method, view::<H>),
                Does::Query => on(method, query::<H>),
                Does::Subscribe => on(method, subscribe::<H>),
                Does::Take => on(method, take::<H>),
            };
            routes.route(operation.path, served)
        });
        let routes = routes.with_state(door).merge(desk).layer(middleware::from_fn_with_state(counts, counted));
        match tls {
            Some(tls) => answer(Encrypted::new(listener, tls)?, routes, ended).await,
            // An answer goes out in several writes; none of them waits until the one before was confirmed.
            None => answer(listener.tap_io(|socket| drop(socket.set_nodelay(true))), routes, ended).await,
        }
    });
    runtime.shutdown_background();
    served
}

/// Answers requests until the sender of `ended` is gone, and a little longer.
async fn answer<L>(listener: L, routes: Router, ended: watch::Receiver<()>) -> std::io::Result<()>
where
    L: Listener,
    L::Addr: Debug,
{
    let over = |mut ended: watch::Receiver<()>| async move { while ended.changed().await.is_ok() {} };
    let (soon, late) = (over(ended.clone()), over(ended));
    tokio::select! {
        served = axum::serve(listener, routes).with_graceful_shutdown(soon).into_future() => served,
        () = async move { late.await; sleep(ANSWERED_WITHIN).await } => Ok(()),
    }
}

async fn over(is_over: impl Fn() -> bool) {
    while !is_over() {
        sleep(Duration::from_millis(50)).await;
    }
}

type Doors<H> = State<Arc<Door<Arc<H>>>>;

async fn health<H: House>(State(door): Doors<H>) -> Response {
    respond(door.house.health())
}

async fn metrics<H: House>(State(door): Doors<H>, headers: HeaderMap) -> Response {
    match admit(&*door.house, &headers, Deed::Watch) {
        Ok(_) => {
            let told = door.house.metrics() + &door.counts.told();
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], told).into_response()
        }
        Err(refused) => *refused,
    }
}

async fn describe<H: House>(State(door): Doors<H>) -> Response {
    respond(door.house.description())
}

async fn view<H: House>(
    State(door): Doors<H>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let deed = door.house.deed_of_view(&name).unwrap_or(Deed::Read);
    if let Err(refused) = admit(&*door.house, &headers, deed) {
        return *refused;
    }
    let house = door.house.clone();
    match tokio::task::spawn_blocking(move || house.view(&name, &query)).await {
        Ok(reply) => respond(reply),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the view could not be read"),
    }
}

async fn query<H: House>(
    State(door): Doors<H>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let guest = match admit(&*door.house, &headers, Deed::Read) {
        Ok(guest) => guest,
        Err(refused) => return *refused,
    };
    let Ok(room) = door.statements.clone().try_acquire_owned() else {
        return later("too many statements are under way");
    };
    let statement = match query.get("sql") {
        Some(statement) => statement.clone(),
        None => match to_bytes(body, STATEMENT_MAX).await.map(|body| String::from_utf8(body.into())) {
            Ok(Ok(statement)) if !statement.trim().is_empty() => statement,
            Ok(_) => return problem(StatusCode::BAD_REQUEST, "no statement: expected ?sql=SELECT… or a body of UTF-8"),
            Err(_) => return problem(StatusCode::PAYLOAD_TOO_LARGE, "the statement is longer than 1 MiB"),
        },
    };
    let house = door.house.clone();
    let asked = move || house.query(&guest, &statement, query.get("format").map(String::as_str));
    match tokio::task::spawn_blocking(asked).await {
        Ok(Ok(written)) => stream(written, room),
        Ok(Err(reply)) => respond(reply),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the statement could not be answered"),
    }
}

async fn subscribe<H: House>(
    State(door): Doors<H>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let guest = match admit(&*door.house, &headers, Deed::Read) {
        Ok(guest) => guest,
        Err(refused) => return *refused,
    };
    let Some(statement) = query.get("sql").filter(|statement| !statement.trim().is_empty()).cloned() else {
        return problem(StatusCode::BAD_REQUEST, "no question: expected ?sql=SELECT…");
    };
    let house = door.house.clone();
    let events = match tokio::task::spawn_blocking(move || house.subscribe(&guest, &statement)).await {
        Ok(Ok(events)) => events,
        Ok(Err(reply)) => return respond(reply),
        Err(_) => return problem(StatusCode::INTERNAL_SERVER_ERROR, "the question could not be answered"),
    };
    let told = futures::stream::unfold((events, door.ended.clone()), |(mut events, mut ended)| async move {
        let said = tokio::select! {
            next = timeout(STILL_THERE, events.next()) => next.unwrap_or_else(|_| Some(": still there\n\n".to_owned())),
            _ = ended.changed() => None,
        };
        said.map(|text| (Ok::<_, std::convert::Infallible>(text), (events, ended)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that collect answers would hold the events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (StatusCode::OK, headers, Body::from_stream(told)).into_response()
}

/// Sends what is written while it is written.
fn stream(written: Written, room: OwnedSemaphorePermit) -> Response {
    let (sender, mut chunks) = mpsc::channel(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { sender, chunk: Vec::new() };
        let ended = (written.write)(&mut pipe).and_then(|()| pipe.flush().map_err(|error| error.to_string()));
        if let Err(why) = ended {
            // Whoever reads must not take the half for the whole: the connection ends without its end.
            let _ = pipe.sender.blocking_send(Err(std::io::Error::other(why)));
        }
        drop(room);
    });
    let body = Body::from_stream(futures::stream::poll_fn(move |context| chunks.poll_recv(context)));
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, written.media_type)], body).into_response();
    if let Some(as_of) = written.as_of {
        response.headers_mut().insert("truestream-as-of", as_of.into());
    }
    response
}

/// Bytes on their way to who asked.
struct Pipe {
    sender: mpsc::Sender<std::io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        let gone = |_| std::io::Error::other("nobody reads the answer any more");
        if chunk.is_empty() { Ok(()) } else { self.sender.blocking_send(Ok(chunk)).map_err(gone) }
    }
}

async fn take<H: House>(State(door): Doors<H>, Path(table): Path<String>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let deed = door.house.deed_of_table(&table).unwrap_or(Deed::Send);
    let guest = match admit(&*door.house, &parts.headers, deed) {
        Ok(guest) => guest,
        Err(refused) => return *refused,
    };
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let told = text("content-length").and_then(|length| length.parse::<usize>().ok());
    if told.is_some_and(|length| length > BODY_MAX) {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 32 MiB: send less at once");
    }
    let Some(room) = room(&door.bodies, told.unwrap_or(BODY_MAX)) else {
        return later("too many bodies are under way");
    };
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body ended early, or is longer than 32 MiB");
    };
    let sent = Sent {
        by: guest.name,
        table,
        media_type: text("content-type"),
        encoding: text("content-encoding"),
        source: text("truestream-source"),
        offset: text("truestream-offset"),
        until: text("truestream-until"),
        body: body.into(),
    };
    let (sender, answer) = oneshot::channel();
    let house = door.house.clone();
    let answer_with = move |reply| {
        drop(room);
        let _ = sender.send(reply);
    };
    tokio::task::spawn_blocking(move || house.take(sent, Box::new(answer_with)));
    match answer.await {
        Ok(reply) => respond(reply),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "it could not be taken"),
    }
}

/// Room for a body of that length.
fn room(bodies: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    bodies.clone().try_acquire_many_owned((bytes >> 10) as u32 + 1).ok()
}

/// Who it is, if it may do that; else the refusal.
fn admit<H: House>(house: &H, headers: &HeaderMap, deed: Deed) -> Result<Guest, Box<Response>> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    let guest = token.and_then(|token| house.guest(token.trim())).ok_or_else(|| Box::new(no_token()))?;
    if guest.role.may(deed) {
        return Ok(guest);
    }
    let why = format!("the role {} may not {}", guest.role.name(), deed.in_words());
    Err(Box::new(problem(StatusCode::FORBIDDEN, &why)))
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, reply.media_type)], reply.body).into_response();
    if let Some(as_of) = reply.as_of {
        response.headers_mut().insert("truestream-as-of", as_of.into());
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, reply.after_secs.max(1).into());
    }
    response
}

fn problem(status: StatusCode, why: &str) -> Response {
    respond(Reply::json(status.as_u16(), format!("{{\"error\":\"{why}\"}}")))
}

fn later(why: &str) -> Response {
    problem(StatusCode::TOO_MANY_REQUESTS, why)
}

fn no_token() -> Response {
    problem(StatusCode::UNAUTHORIZED, "send the header Authorization: Bearer TOKEN, with a token that is in force")
}
