//! `truestream serve`: plays out of requests, through the log and the dataflow, into views that can be read meanwhile.
//!
//! ```text
//! HTTP ──┐                                  ┌──▶ the first worker reads it ──▶ dataflow ──▶ keeper ──▶ shelf ──▶ HTTP
//! folder ┼──▶ gate (one commit for many) ──▶ log ──▶ when it starts again: from its first entry on
//! topics ┤
//! clock ─┘
//! ```
//!
//! The log is the only way in: time, too, is an entry. So a service that was killed states what one that was not killed
//! states.

pub mod access;
mod appeals;
mod archive;
mod areas;
mod args;
mod audit;
mod cabinet;
mod capacity;
mod clips;
mod crowds;
mod cuts;
mod decisions;
mod desk;
mod eraser;
mod exhibits;
mod flow;
mod gate;
mod glossary;
mod graph;
mod house;
mod kafka;
mod lag;
mod likeness;
mod listening;
mod lookup;
mod openapi;
pub mod ops;
mod pace;
mod people;
mod places;
pub mod pseudonym;
mod registrar;
mod room;
mod samples;
mod search;
mod shelf;
mod signed;
mod since;
mod source;
mod state;
mod succession;
mod tables;
mod titles;
mod tls;
mod trends;
mod urgency;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::Listening;
use datasets::intake::Followed;
use datasets::log::{Disk, Entry, Folder, Log, SEGMENT_BYTES};
use datasets::names::NameTable;
use datasets::tables::read::{IdKinds, id_kinds};
use datasets::tables::{IdKind, Inputs};
use records::{IdSpace, Millis};
use sql::{Database, Limits};

use self::appeals::Codes;
use self::archive::Archive;
pub use self::args::ServeArgs;
use self::args::{Ids, Time};
use self::audit::{Audit, DEEDS};
use self::cabinet::Cabinet;
use self::capacity::Capacity;
use self::decisions::Decisions;
use self::desk::{Material, ReviewDesk};
use self::eraser::Eraser;
use self::exhibits::Exhibits;
use self::flow::{Activated, Flow};
use self::gate::Gate;
use self::house::Service;
use self::kafka::{Kafka, Sink, Standing};
use self::listening::ListeningRoom;
use self::people::{FIRST, People};
use self::places::Places;
use self::registrar::Registrar;
use self::room::make_room;
use self::samples::Samples;
use self::shelf::Shelf;
use self::source::Progress;
use self::state::{StateFolder, now};
use self::succession::Succession;
use self::tables::Tables;
use self::tls::speaking;
use self::trends::Trends;
use self::urgency::Urgency;
use crate::exit::Failure;
use crate::replay::prepare::prepare_living;
use crate::replay::{millis, speed};

/// Bytes that may wait to be written before who sends is asked to come again.
const GATE_BYTES: usize = 128 << 20;
/// How often somebody looks at the clock.
const CLOCK_EVERY: Duration = Duration::from_millis(100);
/// How often the lots of the audit queue are drawn where nobody asks: under 100,000 plays/s it takes a fifth of a processor at every instant, a
/// fiftieth so.
const DRAWN_EVERY: Duration = Duration::from_secs(10);
/// Connections at once on the PostgreSQL wire.
const CONNECTIONS: usize = 200;
/// Threads that answer requests.
const ANSWERING: usize = 2;

/// Runs the service until it is asked to end.
///
/// # Errors
/// When the options cannot be, the log or an input is damaged, the disk fails, or another process holds the folder.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    for (option, address) in [("--listen", args.listen), ("--sql-listen", args.sql_listen)] {
        if !address.ip().is_loopback() && !args.insecure_listen && args.tls_cert.is_none() {
            return Err(Failure::Usage(format!(
                "{option} {address}: without encryption only this machine is listened to; name a certificate (--tls-cert, --tls-key), or say --insecure-listen"
            )));
        }
    }
    let heard = args.heard.iter().map(|folder| ("--heard", folder, "one that `truestream scan` writes"));
    let audio = args.audio.iter().map(|folder| ("--audio", folder, "the one that was scanned"));
    if let Some((option, folder, expected)) = heard.chain(audio).find(|(_, folder, _)| !folder.is_dir()) {
        return Err(Failure::Usage(format!("{option} {}: no such folder; expected {expected}", folder.display())));
    }
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => Some(tls::read(certificates, key)?),
        _ => None,
    };
    let pace = args.speed.as_deref().map(speed).transpose()?;
    let every_ms = millis(&args.every)?;
    let behind_max = args.behind_max.as_deref().map(millis).transpose()?;
    let kafka = Kafka::of(args)?;
    let state = StateFolder::new(&args.state);
    let inputs = args.follow.as_deref().map(Inputs::in_folder).transpose().map_err(input)?;
    let settled = state.ids(args.id_key.as_deref())?;
    if args.plain_ids && settled.as_ref().is_some_and(|ids| ids.pseudonyms.is_some()) {
        return Err(Failure::Usage("--plain-ids: this service began with pseudonyms, and keeps them".to_owned()));
    }
    let kinds = settled.as_ref().map_or_else(|| first_kinds(args.ids, inputs.as_ref()), |ids| Ok(ids.kinds))?;
    let names = Arc::new(NameTable::new(|space| kinds[space as usize]));
    let activated = Activated::of(args.policy.as_deref());
    let succession = args.models.as_deref().map(|models| Succession::open(models, &args.state)).transpose()?;
    let how = match &succession {
        Some(succession) => succession.in_options(args.as_replay()),
        None => args.as_replay(),
    };
    let living = prepare_living(&how, names.clone())?;
    living.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let longest = living.plan.lengths().last().copied().unwrap_or(0);
    let kept_ms = kept_ms(args, living.plan.clock.instant(longest))?;
    // Nothing is made or settled by a start that is refused.
    let (log, disk) = open(&state)?;
    let ids = match settled {
        Some(ids) => ids,
        None => state.first_ids(kinds, args.plain_ids, args.id_key.as_deref())?,
    };
    state.settle(&ids, kept_ms, living.plan.clock.instant(longest))?;
    succession.as_ref().map_or(Ok(()), Succession::write)?;
    let kept = kept_ms.map_or(longest, |kept_ms| living.plan.clock.first_after(kept_ms));
    let followed = match &inputs {
        Some(inputs) => Some(Followed::read("follow", inputs, every_ms, &ids).map_err(input)?),
        None => None,
    };
    if let Some(first) = state.people().begin()? {
        println!("Token, told this once: {}\nIt is the password of the user {FIRST}, too", first.secret);
    }
    let deeds = Arc::new(Audit::open(&args.state, DEEDS)?);
    deeds.mend()?;
    let codes = Codes::new(deeds.derived(appeals::PURPOSE));
    let (clerk, written_down) = deeds.clerk();
    let people = Arc::new(People::new(state.people(), clerk.clone(), args.query_rate));

    let (durable, offsets) = (log.durable(), log.offsets().clone());
    let (gate, written) = Gate::open(log, GATE_BYTES);
    let progress: Arc<Progress> = Arc::default();
    let capacity = Arc::new(Capacity {
        memory_max: args.memory_max << 20,
        behind_max_ms: behind_max.map(Millis::unsigned_abs),
        began_at: durable.last(),
        progress: progress.clone(),
        durable: durable.clone(),
        at_ready: OnceLock::new(),
    });
    let failure: Arc<Mutex<Option<Failure>>> = Arc::default();
    let (clock, windows) = (&living.plan.clock, &living.plan.windows);
    let longest_ms = windows.last().map_or(0, |window| clock.instant(*window) - clock.instant(0));
    let shelf = Arc::new(Shelf::new(
        living.plan.clock,
        names.clone(),
        living.window_labels.clone(),
        living.plan.links.clone(),
        living.views.clone(),
    ));
    let decisions = Arc::new(Decisions::open(&args.state)?);
    registrar::has_all(&args.state, &decisions, &offsets)?;
    let store = args.policy.clone().filter(|folder| datasets::policy::is_store(folder));
    let archive = Archive { disk: disk.clone(), store };
    let tables = Arc::new(Tables {
        shelf: shelf.clone(),
        decisions: decisions.clone(),
        archive,
        memory_max: args.memory_max << 20,
    });
    let limits = Limits {
        statement: Duration::from_millis(millis(&args.sql_timeout)?.unsigned_abs()),
        memory: (args.sql_memory << 20) as usize,
        threads: args.sql_threads.into(),
        connections: CONNECTIONS,
    };
    let database = Database::open(tables, limits);
    let database = Arc::new(database.map_err(|error| Failure::Output(format!("SQL: {error}")))?);
    let asked_at =
        database.listen(args.sql_listen, people.clone(), tls.as_ref().map(|tls| speaking(tls, tls::POSTGRESQL)));
    let asked_at = asked_at.map_err(|error| Failure::Output(format!("--sql-listen {}: {error}", args.sql_listen)))?;
    eprintln!("Asked by psql -h {} -p {} -U {FIRST} {FIRST}", asked_at.ip(), asked_at.port());
    let places = Arc::new(Places::new(disk.clone(), kinds));
    let exhibits = Exhibits::new(places.clone(), ListeningRoom::new(args.heard.clone(), args.audio.clone()));
    let urgency = Arc::new(Urgency::new(shelf.clone()));
    let samples = Arc::new(Samples::new(shelf.clone(), deeds.derived(samples::PURPOSE)));
    let trends = Arc::new(Trends::open(&args.state, shelf.clone(), places.clone(), decisions.clone()));
    let looking = look(urgency.clone(), samples.clone(), trends.clone(), progress.clone());
    let material = Material {
        urgency,
        samples,
        trends,
        places: places.clone(),
        exhibits,
        cabinet: Cabinet::of(&args.state),
        longest_ms,
        hub: args.hub,
        progress: progress.clone(),
    };
    let desk =
        ReviewDesk::new(shelf.clone(), people.clone(), clerk.clone(), decisions.clone(), codes, ids.clone(), material);
    let time = if followed.is_some() { Time::Told } else { args.time };
    let registrar = Registrar::new(decisions, shelf.clone(), gate.clone(), kinds, time);
    let registered = register(registrar, progress.clone());
    let (erasures, waiting) = channel();
    let topics = kafka.is_some().then(Arc::<Standing>::default);
    let service = Arc::new(Service {
        desk,
        people: people.clone(),
        clerk: clerk.clone(),
        ids: ids.clone(),
        erasures,
        time,
        gate: gate.clone(),
        durable: durable.clone(),
        shelf: shelf.clone(),
        database,
        progress: progress.clone(),
        folder: args.state.clone(),
        capacity: capacity.clone(),
        topics: topics.clone(),
        started: Instant::now(),
    });
    let room = args.keep.is_some().then(|| make_room(disk.clone(), gate.clone(), progress.clone()));
    let flow = Flow {
        how,
        succession,
        folder: args.state.clone(),
        clerk,
        places,
        names,
        kept,
        disk: disk.clone(),
        durable,
        shelf,
        progress: progress.clone(),
        failure: failure.clone(),
        eraser: Eraser { waiting, ids: ids.clone(), disk, gate: gate.clone(), done: Vec::new() },
    };
    let flow = flow.run(living, activated)?;
    let read = kafka.zip(topics).map(|(kafka, topics)| {
        let (gate, progress, failure) = (gate.clone(), progress.clone(), failure.clone());
        kafka.follow(Sink { gate, ids, offsets, capacity, progress, failure }, topics)
    });
    let teller = match followed {
        Some(followed) => Some(follow(followed, pace, gate, progress.clone(), failure.clone())),
        None if args.time == Time::Wall => Some(tell_time(every_ms, gate, progress.clone(), failure.clone())),
        None => {
            drop(gate);
            None
        }
    };
    let over = {
        let failure = failure.clone();
        move || failure.lock().expect("nobody panics with it").is_some()
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let bound = |address: SocketAddr| eprintln!("Listening on {scheme}://{address}");
    let tls = tls.as_ref().map(|tls| speaking(tls, tls::HTTP));
    let served = console::serve(service, Listening { address: args.listen, tls, threads: ANSWERING }, bound, over);
    progress.stopping.store(true, Ordering::Relaxed);
    for thread in [teller, read, room, Some(registered), Some(looking), Some(flow)].into_iter().flatten() {
        thread.join().map_err(|_| Failure::Input("a thread of the service failed".to_owned()))?;
    }
    served.map_err(|error| Failure::Output(format!("{}: {error}", args.listen)))?;
    if let Some(failure) = failure.lock().expect("nobody panics with it").take() {
        return Err(failure);
    }
    drop(people);
    ends_soon(&written_down);
    close(written)
}

/// Opens the log, of which there is one writer.
fn open(state: &StateFolder) -> Result<(Log, Arc<dyn Disk>), Failure> {
    let path = state.log();
    let folder = Folder::to_write(&path).map_err(|error| Failure::Output(format!("{}: {error}", path.display())))?;
    let held = || Failure::Locked(format!("{}: another process holds the log", path.display()));
    let disk: Arc<dyn Disk> = Arc::new(folder.ok_or_else(held)?);
    let log = Log::open(disk.clone(), SEGMENT_BYTES);
    Ok((log.map_err(|error| Failure::Input(format!("{}/{error}", path.display())))?, disk))
}

/// Seals the log: a hash vouches for all of it.
fn close(written: JoinHandle<Log>) -> Result<(), Failure> {
    // Requests that were not answered in time may still hold a gate; what they brought is durable or was never told to be.
    if !ends_soon(&written) {
        return Ok(());
    }
    let mut log = written.join().map_err(|_| Failure::Output("the log's thread failed".to_owned()))?;
    log.seal().map_err(|error| Failure::Output(error.to_string()))
}

/// Waits a little until a thread has ended; whether it has.
fn ends_soon<T>(thread: &JoinHandle<T>) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while !thread.is_finished() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    thread.is_finished()
}

/// What ids are where a service begins.
fn first_kinds(ids: Ids, followed: Option<&Inputs>) -> Result<IdKinds, Failure> {
    match (followed, ids) {
        (Some(inputs), _) => id_kinds(inputs.by_table()).map_err(input),
        (None, Ids::Text) => Ok([IdKind::Text; IdSpace::ALL.len()]),
        (None, Ids::Number) => Ok([IdKind::Number; IdSpace::ALL.len()]),
    }
}

/// For how long plays are kept at least, where they are not kept for ever: as long as a view looks back.
fn kept_ms(args: &ServeArgs, longest_ms: Millis) -> Result<Option<Millis>, Failure> {
    let Some(text) = &args.keep else { return Ok(None) };
    let kept_ms = millis(text)?;
    if kept_ms < longest_ms {
        let days = longest_ms as f64 / 86_400_000.0;
        return Err(Failure::Usage(format!("--keep {text}: a view looks back {days} days; expected at least that")));
    }
    Ok(Some(kept_ms))
}

/// Makes rulings and labels of decisions until the service ends.
fn register(mut registrar: Registrar, progress: Arc<Progress>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !progress.stopping.load(Ordering::Relaxed) {
            registrar.tell();
            std::thread::sleep(CLOCK_EVERY);
        }
    })
}

/// Puts in order who waits as soon as something is stated, so that nobody who opens the desk waits for it, counts how verdicts go, and every
/// [`DRAWN_EVERY`] draws who is drawn by lot: whoever asks for that meanwhile has few changes left to look at.
fn look(urgency: Arc<Urgency>, samples: Arc<Samples>, trends: Arc<Trends>, progress: Arc<Progress>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut drawn: Option<Instant> = None;
        while !progress.stopping.load(Ordering::Relaxed) {
            let ranking = urgency.now();
            if drawn.is_none_or(|drawn| drawn.elapsed() >= DRAWN_EVERY) {
                samples.drawn(&ranking.stated);
                drawn = Some(Instant::now());
            }
            trends.look(&ranking);
            std::thread::sleep(CLOCK_EVERY);
        }
    })
}

/// The last instant that is over by the clock, where nobody was told of it: a clock that steps back is waited for.
fn later(told: Millis, now: Millis, every_ms: Millis) -> Option<Millis> {
    Some(now.div_euclid(every_ms) * every_ms).filter(|until| *until > told)
}

/// Tells the log how late it is, by the clock of this machine.
fn tell_time(
    every_ms: Millis,
    gate: Gate,
    progress: Arc<Progress>,
    failure: Arc<Mutex<Option<Failure>>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut told = 0;
        while !progress.stopping.load(Ordering::Relaxed) && failure.lock().expect("nobody panics with it").is_none() {
            // What was not taken now is told again.
            if let Some(until) = later(told, now(), every_ms)
                && gate.take(Entry { until: Some(until), ..Entry::default() }).is_ok()
            {
                told = until;
            }
            std::thread::sleep(CLOCK_EVERY);
        }
    })
}

/// Lets a folder arrive, from where it was when the service ended.
fn follow(
    followed: Followed,
    speed: Option<f64>,
    gate: Gate,
    progress: Arc<Progress>,
    failure: Arc<Mutex<Option<Failure>>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pace: Option<(Instant, Millis)> = None;
        for step in followed.entries() {
            let (at, entry) = match step {
                Ok(step) => step,
                Err(error) => {
                    failure.lock().expect("nobody panics with it").get_or_insert(input(error));
                    return;
                }
            };
            let mut taken = gate.take(entry.clone());
            loop {
                if progress.stopping.load(Ordering::Relaxed) {
                    return;
                }
                match taken {
                    Ok(datasets::log::Taken::Known) => break,
                    Ok(datasets::log::Taken::New(_)) => {
                        let (started, first) = *pace.get_or_insert((Instant::now(), at));
                        wait_until(started, at - first, speed, &progress);
                        break;
                    }
                    Err(gate::Refused::Later(_)) => {
                        std::thread::sleep(Duration::from_millis(50));
                        taken = gate.take(entry.clone());
                    }
                    Err(refused) => {
                        failure.lock().expect("nobody panics with it").get_or_insert(gate::failure(refused));
                        return;
                    }
                }
            }
        }
        progress.is_over.store(true, Ordering::Relaxed);
        eprintln!("Followed to the end");
    })
}

/// Waits until so much time of the folder has passed since the start, at that speed.
fn wait_until(started: Instant, event_ms: Millis, speed: Option<f64>, progress: &Progress) {
    let Some(speed) = speed else { return };
    let due = started + Duration::from_secs_f64(event_ms.max(0) as f64 / 1_000.0 / speed);
    while Instant::now() < due && !progress.stopping.load(Ordering::Relaxed) {
        std::thread::sleep((due - Instant::now()).min(Duration::from_millis(50)));
    }
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_whatever_the_clock_does() {
        let every_ms = 60_000;
        // It stands, runs, steps back an hour, steps back behind the epoch, and jumps ahead a year.
        let steps: [Millis; 9] = [0, 59_999, 1, 120_000, -3_600_000, 10, -90_000_000, 31_536_000_000, 60_000];
        let (mut now, mut told, mut all) = (86_400_000, 0, Vec::new());
        for step in steps {
            now += step;
            if let Some(until) = later(told, now, every_ms) {
                assert!(until > told && until <= now && until % every_ms == 0, "{until} at {now}");
                all.push(until);
                told = until;
            }
        }
        assert_eq!(all, [86_400_000, 86_460_000, 86_580_000, 31_528_980_000, 31_529_040_000]);
    }
}
