//! Shows and accepts over HTTP: the only crate that knows it.
//!
//! ```text
//! POST /v1/TABLE     ──▶ who is it? room? ──▶ body ──▶ House::take ──▶ 200 once it is durable
//! GET  /v1/view/NAME ──▶ who is it?       ──────────▶ House::view ──▶ rows as of one instant
//! GET  /health, /metrics
//! ```
//!
//! What is taken and shown is decided behind the [`House`]; here stand limits, tokens and status codes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::sleep;

/// A body may be so long, packed or not.
pub const BODY_MAX: usize = 32 << 20;
/// Bodies of requests that are under way may take so much memory together, in KiB; more is asked to come again.
const BODIES_KIB: u32 = 256 << 10;

/// Requests that are under way when the service ends are answered within this time, or not at all.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// What was sent for a table.
#[derive(Clone, Debug, Default)]
pub struct Sent {
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
}

impl Reply {
    /// A reply of JSON.
    pub fn json(status: u16, body: String) -> Reply {
        Reply { status, media_type: "application/json", as_of: None, body: body.into_bytes() }
    }
}

/// Who takes and shows.
pub trait House: Send + Sync + 'static {
    /// Whether somebody with this token may come in.
    fn lets_in(&self, token: &str) -> bool;

    /// Takes what was sent; the answer is called once, when it is durable or refused.
    fn take(&self, sent: Sent, answer: Box<dyn FnOnce(Reply) + Send>);

    /// Shows a view.
    fn view(&self, name: &str, query: &HashMap<String, String>) -> Reply;

    /// Says how the service is.
    fn health(&self) -> Reply;

    /// Says what is counted, as Prometheus reads it.
    fn metrics(&self) -> String;
}

struct Door<H> {
    house: H,
    bodies: Arc<Semaphore>,
}

/// Serves until the process is asked to end (SIGTERM, or an interrupt from the keyboard), or `is_over` says so. Then no
/// more requests are taken, and those under way are answered, if they end soon.
///
/// # Errors
/// When the address cannot be listened at.
pub fn serve<H: House>(
    house: Arc<H>,
    address: SocketAddr,
    threads: usize,
    bound: impl FnOnce(SocketAddr),
    is_over: impl Fn() -> bool + Send + 'static,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let (ends, mut ended) = watch::channel(());
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
        let door = Arc::new(Door { house, bodies: Arc::new(Semaphore::new(BODIES_KIB as usize)) });
        let routes = Router::new()
            .route("/health", get(health::<H>))
            .route("/metrics", get(metrics::<H>))
            .route("/v1/view/{name}", get(view::<H>))
            .route("/v1/{table}", post(take::<H>))
            .with_state(door);
        let mut slow = ended.clone();
        let ended = async move { while ended.changed().await.is_ok() {} };
        tokio::select! {
            served = axum::serve(listener, routes).with_graceful_shutdown(ended).into_future() => served,
            () = async move { while slow.changed().await.is_ok() {} sleep(ANSWERED_WITHIN).await } => Ok(()),
        }
    });
    runtime.shutdown_background();
    served
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
    match is_let_in(&*door.house, &headers) {
        true => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], door.house.metrics()).into_response(),
        false => no_token(),
    }
}

async fn view<H: House>(
    State(door): Doors<H>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !is_let_in(&*door.house, &headers) {
        return no_token();
    }
    let house = door.house.clone();
    match tokio::task::spawn_blocking(move || house.view(&name, &query)).await {
        Ok(reply) => respond(reply),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the view could not be read"),
    }
}

async fn take<H: House>(State(door): Doors<H>, Path(table): Path<String>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    if !is_let_in(&*door.house, &parts.headers) {
        return no_token();
    }
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

fn is_let_in<H: House>(house: &H, headers: &HeaderMap) -> bool {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    token.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|token| house.lets_in(token.trim()))
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, reply.media_type)], reply.body).into_response();
    if let Some(as_of) = reply.as_of {
        response.headers_mut().insert("truestream-as-of", as_of.into());
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, 1.into());
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
    problem(StatusCode::UNAUTHORIZED, "send the header Authorization: Bearer TOKEN")
}
