//! `truestream replay`: plays out of files, through the dataflow, into tables.
//!
//! ```text
//! files ──▶ prepare (ids, catalogue, survey) ──▶ workers (feed ──▶ dataflow) ──▶ books ──▶ Parquet, run.json, summary
//! ```

mod args;
pub(crate) mod attributes;
pub(crate) mod books;
pub(crate) mod clauses;
mod cluster;
mod declared;
pub(crate) mod deliveries;
pub(crate) mod docket;
pub(crate) mod drive;
pub(crate) mod evidence;
pub(crate) mod feed;
mod gate;
pub(crate) mod judge;
pub(crate) mod laws;
mod learned;
pub(crate) mod prepare;
mod progress;
pub(crate) mod reputation;
pub(crate) mod rulings;
mod summary;
pub(crate) mod teller;
pub(crate) mod views;
pub(crate) mod watch;
pub(crate) mod waves;
mod withheld;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dataflows::clock::Tick;
use dataflows::river::{self, Change, Ledger};

pub use self::args::{Emit, ReplayArgs, USUAL_WINDOWS, millis};
use self::books::Books;
use self::cluster::Cluster;
pub(crate) use self::evidence::in_words;
use self::feed::Feed;
pub(crate) use self::feed::speed;
pub(crate) use self::laws::policy_of;
pub(crate) use self::learned::able;
use self::prepare::{Prepared, prepare};
use self::progress::Progress;
pub use self::summary::{Summary, instant};
use crate::exit::Failure;
use crate::ingredients::Ingredients;

/// Changes that may wait between the dataflow and the books before the dataflow waits.
const CHANGES_WAITING_MAX: usize = 256;

/// How often the progress bar moves.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Sends what changes from the first worker to the books.
struct Courier(SyncSender<(Tick, Change)>);

impl Ledger for Courier {
    fn enter(&mut self, tick: Tick, change: Change) {
        // A closed channel means that the books failed; the run ends with their reason.
        let _ = self.0.send((tick, change));
    }
}

/// Runs the command, shows its progress and its summary.
///
/// # Errors
/// When the options cannot be, an input cannot be read, or the output cannot be written.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let summary = replay(args)?;
    if summary.is_first_process {
        print(&if args.json { summary.json() } else { summary.text() })?;
    }
    Ok(())
}

/// Prints to standard output; a closed pipe is nobody's failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Replays the plays into tables.
///
/// # Errors
/// When the options cannot be, an input cannot be read, or the output cannot be written.
pub fn replay(args: &ReplayArgs) -> Result<Summary, Failure> {
    Ok(flow(args, None)?.0)
}

/// Another policy by which the same plays are judged, and where its tables go.
pub struct Beside<'a> {
    /// Its folder; the built-in one without.
    pub policy: Option<&'a Path>,
    /// The folder of its tables.
    pub out: &'a Path,
}

/// Replays the plays once into the tables of two policies: they read the same windows, and where suspicion travels alike under
/// both also the same signals; else it says why not. The tables are those of two replays.
///
/// # Errors
/// As [`replay`].
pub fn replay_beside(args: &ReplayArgs, other: &Beside) -> Result<Option<&'static str>, Failure> {
    Ok(flow(args, Some(other))?.1)
}

fn flow(args: &ReplayArgs, other: Option<&Beside>) -> Result<(Summary, Option<&'static str>), Failure> {
    let started = Instant::now();
    let mut prepared = prepare(args, other.map(|other| other.policy))?;
    if prepared.is_first_process {
        prepared.warnings.iter().for_each(|warning| eprintln!("truestream: warning: {warning}"));
    }
    let feed = Arc::new(Feed::new(&mut prepared, args)?);
    let hashing = hashing(args, &prepared);
    let outs = [args.out.as_path()].into_iter().chain(other.map(|other| other.out));
    let mut shelf = Vec::new();
    for (bench, out) in std::mem::take(&mut prepared.benches).into_iter().zip(outs) {
        shelf.push(Books::open(args, out, bench, &mut prepared)?);
    }
    let cluster = Cluster::of(&prepared);
    let has_others = cluster.has_others();
    let (builders, connections) = cluster.join(&prepared)?;
    let failure: Arc<Mutex<Option<Failure>>> = Arc::default();
    let (sender, changes) = sync_channel(CHANGES_WAITING_MAX);

    let guards = {
        let (plan, context) = (prepared.plan.clone(), prepared.context.clone());
        let (feed, failure) = (feed.clone(), failure.clone());
        let worker_config = prepared.timely.worker.clone();
        timely::execute::execute_from(builders, connections, worker_config, move |worker| {
            let ends = river::build(worker, &plan, &context, || Box::new(Courier(sender.clone())));
            if let Err(error) = feed.run(worker, ends) {
                fail(&failure, error);
                feed.stop();
                // The others must not hear that this worker's inputs ended: they did not.
                if has_others {
                    loop {
                        std::thread::park();
                    }
                }
            }
        })
        .map_err(Failure::Input)?
    };

    let progress = Progress::new(args, &prepared);
    loop {
        match changes.recv_timeout(PROGRESS_EVERY) {
            Ok((tick, change)) => {
                if let Err(error) = enter(&mut shelf, tick, change) {
                    fail(&failure, error);
                    feed.stop();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if feed.is_stopped() && !has_others {
            break;
        }
        if has_others && let Some(reason) = failed(&failure).or_else(|| cluster.lost()) {
            drop(shelf);
            Cluster::leave(&reason);
        }
        progress.show(&feed);
    }
    drop(changes);
    for worker in guards.join() {
        worker.map_err(Failure::Input)?;
    }
    if let Some(error) = failed(&failure) {
        return Err(error);
    }
    progress.finish();
    let ingredients = hashing.map(|hashing| hashing.join().expect("a reader of files does not panic")).transpose()?;
    prepared.before.or_changed()?;
    let mut told = None;
    for mut books in shelf {
        books.conclude()?;
        let summary = Summary::new((args, ingredients.as_ref()), &prepared, &feed, &books, started.elapsed());
        books.finish(&prepared, &summary)?;
        told.get_or_insert(summary);
    }
    Ok((told.expect("somebody decides by the policies of the run"), prepared.apart))
}

/// Hashes what is read while it is read, where somebody is told: files that were just read are not fetched again.
fn hashing(args: &ReplayArgs, prepared: &Prepared) -> Option<JoinHandle<Result<Ingredients, Failure>>> {
    let inputs = prepared.inputs.clone();
    let is_told = prepared.is_first_process && args.emit != Emit::None;
    is_told.then(|| std::thread::spawn(move || Ingredients::of(&inputs)))
}

/// Enters the change into all books that ask for it.
fn enter(shelf: &mut [Books], tick: Tick, change: Change) -> Result<(), Failure> {
    let mut asking: Vec<&mut Books> = shelf.iter_mut().filter(|books| books.asks(&change)).collect();
    let Some(last) = asking.pop() else { return Ok(()) };
    asking.into_iter().try_for_each(|books| books.enter(tick, change.clone()))?;
    last.enter(tick, change)
}

/// The first failure is the reason; what follows from it is not told.
fn fail(failure: &Mutex<Option<Failure>>, error: Failure) {
    failure.lock().expect("no worker panics with it").get_or_insert(error);
}

fn failed(failure: &Mutex<Option<Failure>>) -> Option<Failure> {
    failure.lock().expect("no worker panics with it").take()
}
