//! The ways through the desk: who is it, may they, and which page comes next.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Form, FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::Stream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::ask::{self, Answer, Beginning};
use super::bulk::{bulk as bulk_page, groups_csv};
use super::pages::{self, Done};
use super::sessions::{Session, Sessions};
use super::texts::{csv, path_part};
use super::upload::{Upload, upload};
use super::{AREAS, Case, Choice, Clip, MINE, Queue, Silence, Wanted};
use super::{dashboard, investigate};
use crate::{House, Reply, Written};

/// The name of the cookie.
const COOKIE: &str = "truestream_desk";
/// Who gives a wrong password waits this long: guesses get expensive.
const WRONG_WAITS: Duration = Duration::from_millis(500);
/// So many passwords are tried at once: each takes thousands of rounds of a hash.
const KNOCKING: usize = 4;
/// So many are told at once about the case that is theirs; more are asked to come again.
const VISITING: usize = 8;
/// A form has at most so many bytes.
const FORM_MAX: usize = 64 << 10;
/// A form with a file has at most so many: somewhat more than a file may have, which is said in words.
const UPLOAD_MAX: usize = 12 << 20;
/// Nothing but our own style and script, no script within a page, and no page within another one.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("static/desk.css");
const SCRIPT: &str = include_str!("static/desk.js");
const ICON: &str = include_str!("static/desk.svg");
const PLAYERS: &str = include_str!("static/sound.js");

struct Room<H> {
    house: Arc<H>,
    sessions: Sessions,
    knocking: Semaphore,
    visiting: Semaphore,
    is_encrypted: bool,
}

type Rooms<H> = State<Arc<Room<H>>>;

/// The routes of the desk.
pub(crate) fn routes<H: House>(house: Arc<H>, is_encrypted: bool) -> Router {
    let [knocking, visiting] = [KNOCKING, VISITING].map(Semaphore::new);
    let room = Room { house, sessions: Sessions::default(), knocking, visiting, is_encrypted };
    Router::new()
        .route("/", get(|| async { to("/desk") }))
        .route("/desk", get(cases::<H>))
        .route("/desk/login", get(login_page).post(login::<H>))
        .route("/desk/logout", post(logout::<H>))
        .route("/desk/case/{subject}/{id}", get(case::<H>))
        .route("/desk/cases.csv", get(export::<H>))
        .route("/desk/groups.csv", get(groups::<H>))
        .route("/desk/bulk", get(bulk::<H>).post(decide_all::<H>))
        .route("/desk/find", get(find::<H>))
        .route("/desk/overview", get(overview::<H>))
        .route("/desk/group/{id}", get(circle::<H>))
        .route("/desk/sql", get(ask_page).post(ask::<H>))
        .route("/desk/sound/{hash}/spectrum/{tile}", get(spectrum::<H>))
        .route("/desk/sound/{hash}/clip", get(clip::<H>))
        .route("/desk/decide", post(decide::<H>))
        .route("/desk/undo", post(undo::<H>))
        .route("/desk/file/{hash}", get(file::<H>))
        .route("/appeal/{subject}/{id}/{code}", get(statement::<H>).post(appeal::<H>))
        .route("/appeal/{subject}/{id}/{code}/file", post(add_file::<H>).layer(DefaultBodyLimit::max(UPLOAD_MAX)))
        .route("/desk/static/desk.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/desk/static/desk.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/desk/static/desk.svg", get(|| async { asset("image/svg+xml", ICON) }))
        .route("/desk/static/sound.js", get(|| async { asset("text/javascript; charset=utf-8", PLAYERS) }))
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .with_state(Arc::new(room))
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "max-age=300")];
    (headers, [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")], text).into_response()
}

fn html(status: StatusCode, page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, page).into_response()
}

fn to(place: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

impl<H: House> Room<H> {
    /// Who it is, or the way to the login.
    fn session(&self, headers: &HeaderMap) -> Result<Session, Box<Response>> {
        let found = cookie(headers).and_then(|number| self.sessions.get(number));
        let session = found.ok_or_else(|| Box::new(to("/desk/login")))?;
        if self.house.desk().is_still(&session.guest) {
            return Ok(session);
        }
        cookie(headers).into_iter().for_each(|number| self.sessions.end(number));
        Err(Box::new(to("/desk/login")))
    }

    /// Who it is, if the form came from one of our pages.
    fn sender(&self, headers: &HeaderMap, form: &HashMap<String, String>) -> Result<Session, Box<Response>> {
        let session = self.session(headers)?;
        if form.get("form_key") == Some(&session.form_key) {
            return Ok(session);
        }
        let said = pages::message(Some(&session), "Not taken", "The form is of another session. Open the page anew.");
        Err(Box::new(html(StatusCode::FORBIDDEN, said)))
    }
}

impl<H: House> FromRequestParts<Arc<Room<H>>> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, room: &Arc<Room<H>>) -> Result<Session, Response> {
        room.session(&parts.headers).map_err(|refused| *refused)
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

async fn login_page() -> Response {
    html(StatusCode::OK, pages::login(None))
}

async fn login<H: House>(State(room): Rooms<H>, Form(form): Form<HashMap<String, String>>) -> Response {
    let told = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (name, password) = (told("name"), told("password"));
    let Ok(place) = room.knocking.acquire().await else { return to("/desk/login") };
    let house = room.house.clone();
    let guest = spawn_blocking(move || house.desk().login(&name, &password)).await.unwrap_or(Err(None));
    // Who waits for having guessed wrong keeps nobody else waiting.
    drop(place);
    let guest = match guest {
        Ok(guest) => guest,
        Err(None) => {
            sleep(WRONG_WAITS).await;
            return html(
                StatusCode::UNAUTHORIZED,
                pages::login(Some("No such user with this password. `truestream user` makes users.")),
            );
        }
        Err(Some(wait)) => {
            let secs = wait.as_secs() + 1;
            let why = format!("Too many wrong passwords for this user: come again in {secs} s.");
            let mut response = html(StatusCode::TOO_MANY_REQUESTS, pages::login(Some(&why)));
            response.headers_mut().insert(header::RETRY_AFTER, secs.into());
            return response;
        }
    };
    let (number, secure) = (room.sessions.begin(guest), if room.is_encrypted { "; Secure" } else { "" });
    let cookie = format!("{COOKIE}={number}; Path=/desk; HttpOnly; SameSite=Strict{secure}");
    let mut response = to("/desk");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

async fn logout<H: House>(
    State(room): Rooms<H>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if let Err(refused) = room.sender(&headers, &form) {
        return *refused;
    }
    cookie(&headers).into_iter().for_each(|number| room.sessions.end(number));
    to("/desk/login")
}

/// What was decided just before, as the address of a page tells it.
fn done(query: &HashMap<String, String>) -> Option<Done> {
    let number = query.get("done")?.parse().ok()?;
    Some(Done { number, what: query.get("what").cloned().unwrap_or_default() })
}

async fn cases<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let wanted = wanted(&query);
    let (house, guest, asked) = (room.house.clone(), session.guest.clone(), wanted.clone());
    match spawn_blocking(move || house.desk().cases(&guest, &asked)).await {
        Ok(cases) => html(StatusCode::OK, pages::cases(&session, &wanted, &cases, done(&query).as_ref())),
        Err(_) => broken(&session),
    }
}

/// Which cases an address asks for.
fn wanted(query: &HashMap<String, String>) -> Wanted {
    let word = |name: &str| query.get(name).filter(|word| !word.is_empty()).cloned();
    Wanted {
        queue: word("queue").and_then(|name| Queue::named(&name)).unwrap_or_default(),
        subject: word("subject"),
        verdict: word("verdict"),
        decided: word("decided").is_some(),
        appealed: word("appealed").is_some(),
        page: word("page").and_then(|page| page.parse().ok()).unwrap_or(0),
        all: false,
        risk_min: word("risk").and_then(|percent| percent.parse().ok()).filter(|percent| *percent <= 100),
        words: word("words"),
        area: word("area").filter(|area| area == MINE || AREAS.contains(&area.as_str())),
        origin: word("origin"),
    }
}

/// The same cases on all pages, as a table for other programs.
async fn export<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let wanted = Wanted { all: true, ..wanted(&query) };
    let (house, guest) = (room.house.clone(), session.guest.clone());
    match spawn_blocking(move || house.desk().cases(&guest, &wanted)).await {
        Ok(cases) => table("attachment; filename=cases.csv", csv(&cases.cases)),
        Err(_) => broken(&session),
    }
}

/// The same without names, in groups.
async fn groups<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let (house, guest, wanted) = (room.house.clone(), session.guest.clone(), wanted(&query));
    match spawn_blocking(move || house.desk().groups(&guest, &wanted)).await {
        Ok(groups) => table("attachment; filename=groups.csv", groups_csv(&groups)),
        Err(_) => broken(&session),
    }
}

fn table(disposition: &'static str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// What would be decided at once.
async fn bulk<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let wanted = wanted(&query);
    let (house, guest, asked) = (room.house.clone(), session.guest.clone(), wanted.clone());
    match spawn_blocking(move || house.desk().bulk(&guest, &asked)).await {
        Ok(Some(bulk)) => html(StatusCode::OK, bulk_page(&session, &wanted, &bulk)),
        Ok(None) => {
            let text = "Your role decides nothing.";
            html(StatusCode::FORBIDDEN, pages::message(Some(&session), "Not for you", text))
        }
        Err(_) => broken(&session),
    }
}

async fn decide_all<H: House>(
    State(room): Rooms<H>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let session = match room.sender(&headers, &form) {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    let told = |name: &str| form.get(name).cloned().unwrap_or_default();
    let choice = Choice { choice: told("choice"), reason: told("reason"), note: told("note"), ..Choice::default() };
    let (house, guest, wanted, seal) = (room.house.clone(), session.guest.clone(), wanted(&form), told("seal"));
    let word = choice.choice.clone();
    match spawn_blocking(move || house.desk().decide_all(&guest, &wanted, &choice, &seal)).await {
        Ok(Ok((number, count))) => {
            to(&format!("/desk?done={number}&what={}", path_part(&format!("{count} cases: {word}"))))
        }
        Ok(Err(why)) => html(StatusCode::CONFLICT, pages::message(Some(&session), "Not taken", &why)),
        Err(_) => broken(&session),
    }
}

/// To the page of a subject whose id somebody knows; or, without a kind, whoever has that in an id or a name.
async fn find<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let told = |name: &str| query.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let Some(id) = told("id") else { return to("/desk") };
    let Some(of) = told("of") else {
        let (house, guest, part) = (room.house.clone(), session.guest.clone(), id.to_owned());
        return match spawn_blocking(move || (house.desk().search(&guest, &part), part)).await {
            Ok((found, part)) => html(StatusCode::OK, investigate::found(&session, &part, found.as_ref())),
            Err(_) => broken(&session),
        };
    };
    let id = room.house.desk().id_in_tables(&session.guest, of, id);
    to(&format!("/desk/case/{}/{}", path_part(of), path_part(&id)))
}

async fn overview<H: House>(State(room): Rooms<H>, session: Session) -> Response {
    let (house, guest) = (room.house.clone(), session.guest.clone());
    match spawn_blocking(move || house.desk().overview(&guest)).await {
        Ok(overview) => html(StatusCode::OK, dashboard::overview(&session, &overview)),
        Err(_) => broken(&session),
    }
}

/// Accounts that belong together.
async fn circle<H: House>(State(room): Rooms<H>, session: Session, Path(group): Path<String>) -> Response {
    let (house, guest) = (room.house.clone(), session.guest.clone());
    match spawn_blocking(move || house.desk().circle(&guest, &group)).await {
        Ok(Some(circle)) => html(StatusCode::OK, investigate::circle(&session, &circle)),
        Ok(None) => {
            let text = "No accounts have that group as of now, or your role may not see them.";
            html(StatusCode::NOT_FOUND, pages::message(Some(&session), "No such group", text))
        }
        Err(_) => broken(&session),
    }
}

async fn ask_page(Query(query): Query<HashMap<String, String>>, session: Session) -> Response {
    html(StatusCode::OK, ask::sql(&session, query.get("sql").map_or("", String::as_str), None))
}

/// A statement and its answer. It only reads; the key of the form keeps others from asking in somebody's name.
async fn ask<H: House>(
    State(room): Rooms<H>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let session = match room.sender(&headers, &form) {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    let statement = form.get("sql").cloned().unwrap_or_default();
    let (house, guest, asked) = (room.house.clone(), session.guest.clone(), statement.clone());
    let answered = spawn_blocking(move || {
        let wrong = |reply: Reply| String::from_utf8_lossy(&reply.body).into_owned();
        let Written { write, .. } = house.query(&guest, &asked, Some("csv")).map_err(wrong)?;
        let mut beginning = Beginning::default();
        let ended = write(&mut beginning);
        Answer::of(&beginning, ended)
    });
    match answered.await {
        Ok(answer) => html(StatusCode::OK, ask::sql(&session, &statement, Some(&answer))),
        Err(_) => broken(&session),
    }
}

async fn case<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Path((subject, id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let (house, guest) = (room.house.clone(), session.guest.clone());
    match spawn_blocking(move || house.desk().case(&guest, &subject, &id)).await {
        Ok(Some(case)) => {
            let case = Case { queue: wanted(&query).queue, ..case };
            html(StatusCode::OK, pages::case(&session, &case, done(&query).as_ref()))
        }
        Ok(None) => {
            let text = "Nothing is known of it as of now, or your role may not see it.";
            html(StatusCode::NOT_FOUND, pages::message(Some(&session), "No such case", text))
        }
        Err(_) => broken(&session),
    }
}

/// What has a hash never changes; it is for who asked, and for nobody on the way.
const KEPT: &str = "private, max-age=3600";

async fn spectrum<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Path((hash, tile)): Path<(String, usize)>,
) -> Response {
    let house = room.house.clone();
    match spawn_blocking(move || house.desk().spectrum(&session.guest, &hash, tile)).await {
        Ok(Some(png)) => {
            let headers = [
                (header::CONTENT_TYPE, "image/png"),
                (header::CACHE_CONTROL, KEPT),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, png).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A clip of a recording, or the bytes of it that are asked for (RFC 9110, 14).
async fn clip<H: House>(
    State(room): Rooms<H>,
    session: Session,
    Path(hash): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let number = |name: &str| query.get(name).and_then(|number| number.parse().ok());
    let Some((from, samples)) = number("from").zip(number("samples")) else {
        let text = "A clip is asked for with from=, its first sample, and samples=, how many it has.";
        return html(StatusCode::BAD_REQUEST, pages::message(Some(&session), "No such clip", text));
    };
    let (house, guest) = (room.house.clone(), session.guest.clone());
    let asked = Clip { hash, from, samples };
    let Ok(made) = spawn_blocking(move || house.desk().clip(&guest, &asked)).await else { return broken(&session) };
    let sound = match made {
        Ok(sound) => sound,
        Err(Silence::Unknown) => return StatusCode::NOT_FOUND.into_response(),
        Err(Silence::Refused(why)) => {
            return html(StatusCode::UNPROCESSABLE_ENTITY, pages::message(Some(&session), "It cannot be heard", &why));
        }
        Err(Silence::Busy) => {
            let text = "Others listen, and each clip is decoded by itself. Try it again in some seconds.";
            let mut response =
                html(StatusCode::SERVICE_UNAVAILABLE, pages::message(Some(&session), "Come again", text));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            return response;
        }
    };
    let bytes = sound.len() as u64;
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, from, end) = match asked.map(|asked| range(asked, bytes)) {
        None | Some(Asked::Whole) => (StatusCode::OK, 0, bytes),
        Some(Asked::Part(from, end)) => (StatusCode::PARTIAL_CONTENT, from, end),
        Some(Asked::Nothing) => {
            let told = [(header::CONTENT_RANGE, format!("bytes */{bytes}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, told).into_response();
        }
    };
    let mut response = (status, sound[from as usize..end as usize].to_vec()).into_response();
    let told = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "audio/wav"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, KEPT),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        told.insert(name, HeaderValue::from_static(value));
    }
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {from}-{}/{bytes}", end - 1))
    {
        told.insert(header::CONTENT_RANGE, value);
    }
    response
}

/// So many bytes of a file are in memory for one who fetches it.
const PIECE: u64 = 256 << 10;

/// The file, a piece whenever the last one is on its way: nobody waits for who has gone.
fn pieces(file: File, end: u64) -> impl Stream<Item = std::io::Result<Vec<u8>>> {
    let file = Arc::new(file);
    futures::stream::try_unfold(0, move |at| {
        let file = file.clone();
        async move {
            if at >= end {
                return Ok(None);
            }
            let read = move || {
                let mut piece = vec![0; (end - at).min(PIECE) as usize];
                file.read_exact_at(&mut piece, at).map(|()| piece)
            };
            let piece = spawn_blocking(read).await.map_err(std::io::Error::other)??;
            let next = at + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    })
}

/// What a header `Range` asks of so many bytes.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// What cannot be understood, and several parts at once, ask for everything.
    Whole,
    /// From the one byte to before the other.
    Part(u64, u64),
    /// There are no such bytes.
    Nothing,
}

fn range(asked: &str, bytes: u64) -> Asked {
    let Some((from, to)) = asked.strip_prefix("bytes=").and_then(|part| part.split_once('-')) else {
        return Asked::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let part = match (from.trim(), to.trim()) {
        ("", last) => number(last).map(|last| (bytes.saturating_sub(last), bytes)),
        (from, "") => number(from).map(|from| (from, bytes)),
        (from, to) => {
            let both = number(from).zip(number(to)).filter(|(from, to)| from <= to);
            both.map(|(from, to)| (from, to.saturating_add(1).min(bytes)))
        }
    };
    match part {
        None => Asked::Whole,
        Some((from, end)) if from < end => Asked::Part(from, end),
        Some(_) => Asked::Nothing,
    }
}

async fn decide<H: House>(
    State(room): Rooms<H>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let session = match room.sender(&headers, &form) {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    let told = |name: &str| form.get(name).cloned().unwrap_or_default();
    let choice = Choice {
        subject: told("subject"),
        id: told("id"),
        choice: told("choice"),
        reason: told("reason"),
        note: told("note"),
        verdict: told("verdict"),
        queue: Queue::named(&told("queue")).unwrap_or_default(),
        seen: told("seen").parse().unwrap_or(0),
    };
    let (house, guest) = (room.house.clone(), session.guest.clone());
    let decided = spawn_blocking(move || {
        let desk = house.desk();
        let number = desk.decide(&guest, &choice)?;
        let done = format!(
            "done={number}&what={}",
            path_part(&format!("{} {}: {}", choice.subject, choice.id, choice.choice))
        );
        let queue = match choice.queue {
            Queue::Urgent => String::new(),
            queue => format!("queue={}&", queue.name()),
        };
        Ok::<String, String>(match desk.next(&guest, choice.queue) {
            Some((subject, id)) => format!("/desk/case/{}/{}?{queue}{done}", path_part(&subject), path_part(&id)),
            None => format!("/desk?{queue}{done}"),
        })
    });
    match decided.await {
        Ok(Ok(next)) => to(&next),
        Ok(Err(why)) => html(StatusCode::CONFLICT, pages::message(Some(&session), "Not taken", &why)),
        Err(_) => broken(&session),
    }
}

async fn undo<H: House>(
    State(room): Rooms<H>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let session = match room.sender(&headers, &form) {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    let number = form.get("number").and_then(|number| number.parse().ok()).unwrap_or(0);
    let (house, guest) = (room.house.clone(), session.guest.clone());
    match spawn_blocking(move || house.desk().undo(&guest, number)).await {
        Ok(Ok((subject, id))) => to(&format!("/desk/case/{}/{}", path_part(&subject), path_part(&id))),
        Ok(Err(why)) => html(StatusCode::CONFLICT, pages::message(Some(&session), "Not undone", &why)),
        Err(_) => broken(&session),
    }
}

/// Who comes with the code of a case, without a login.
async fn statement<H: House>(
    State(room): Rooms<H>,
    Path((subject, id, code)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Ok(visit) = room.visiting.try_acquire() else { return busy() };
    let house = room.house.clone();
    let place = format!("/appeal/{}/{}/{}", path_part(&subject), path_part(&id), path_part(&code));
    let told = spawn_blocking(move || house.desk().statement(&subject, &id, &code)).await.ok().flatten();
    match told {
        Some(told) if query.get("format").is_some_and(|format| format == "json") => {
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
            (headers, told.json).into_response()
        }
        Some(told) => html(StatusCode::OK, pages::statement(&told, &place)),
        None => no_such_case(visit).await,
    }
}

async fn appeal<H: House>(
    State(room): Rooms<H>,
    Path((subject, id, code)): Path<(String, String, String)>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let Ok(visit) = room.visiting.try_acquire() else { return busy() };
    let house = room.house.clone();
    let text = form.get("text").cloned().unwrap_or_default();
    let back = format!("/appeal/{}/{}/{}", path_part(&subject), path_part(&id), path_part(&code));
    let taken = spawn_blocking(move || {
        let desk = house.desk();
        desk.statement(&subject, &id, &code)?;
        Some(desk.appeal(&subject, &id, &code, &text))
    });
    match taken.await.ok().flatten() {
        Some(Ok(())) => to(&back),
        Some(Err(why)) => html(StatusCode::CONFLICT, pages::said("Not taken", &why, &back)),
        None => no_such_case(visit).await,
    }
}

/// A file for an appeal.
async fn add_file<H: House>(
    State(room): Rooms<H>,
    Path((subject, id, code)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(visit) = room.visiting.try_acquire() else { return busy() };
    let back = format!("/appeal/{}/{}/{}", path_part(&subject), path_part(&id), path_part(&code));
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let house = room.house.clone();
    let taken = spawn_blocking(move || {
        let desk = house.desk();
        desk.statement(&subject, &id, &code)?;
        let added = upload(&content_type, &body).map_err(str::to_owned);
        Some(added.and_then(|Upload { name, bytes }| desk.add_file(&subject, &id, &code, &name, bytes)))
    });
    match taken.await.ok().flatten() {
        Some(Ok(())) => to(&back),
        Some(Err(why)) => html(StatusCode::CONFLICT, pages::said("Not taken", &why, &back)),
        None => no_such_case(visit).await,
    }
}

/// What came with an appeal, to be saved and never to be shown: nobody knows what strangers send.
async fn file<H: House>(State(room): Rooms<H>, session: Session, Path(hash): Path<String>) -> Response {
    let house = room.house.clone();
    let found = spawn_blocking(move || house.desk().file(&session.guest, &hash)).await;
    let Ok(Some((bytes, file))) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (headers, Body::from_stream(pieces(file, bytes))).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    response
}

/// Guesses get expensive, and say nothing. Who waits for one gives back the place: others have the right code.
async fn no_such_case(visit: SemaphorePermit<'_>) -> Response {
    drop(visit);
    sleep(WRONG_WAITS).await;
    let said = pages::said("No such case", "The address is not complete, or it is of no case of this service.", "");
    html(StatusCode::NOT_FOUND, said)
}

fn busy() -> Response {
    let mut response = html(StatusCode::TOO_MANY_REQUESTS, pages::said("Come again", "Too many ask at once.", ""));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn broken(session: &Session) -> Response {
    let said = pages::message(Some(session), "It went wrong", "The page could not be made. Try it again.");
    html(StatusCode::INTERNAL_SERVER_ERROR, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_bytes_or_everything_or_nothing() {
        for (asked, found) in [
            ("bytes=0-", Asked::Part(0, 100)),
            ("bytes=10-19", Asked::Part(10, 20)),
            ("bytes=90-500", Asked::Part(90, 100)),
            ("bytes=0-18446744073709551615", Asked::Part(0, 100)),
            ("bytes=-10", Asked::Part(90, 100)),
            ("bytes=-500", Asked::Part(0, 100)),
            ("bytes=100-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=20-10", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=a-", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(range(asked, 100), found, "{asked}");
        }
        assert_eq!(range("bytes=0-", 0), Asked::Nothing);
    }
}
