//! Runs the dataflow of a service, and begins it anew under other policies while the service goes on.
//!
//! ```text
//! log ──▶ the first worker reads it ──▶ dataflow ──▶ keeper ──▶ shelf ──▶ readers
//!                                          ▲
//! a policy is activated,   ──▶ the one ends, the next begins where it was; meanwhile readers see the last instant, and rows go into the log
//! a model is promoted,
//! an account is erased
//! ```
//!
//! What another policy decides, what another model says, or what is so without an account, is what a service states that starts like that,
//! because that is what happens: there is no second way to get there.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dataflows::clock::Tick;
use dataflows::river;
use dataflows::scores::Side;
use datasets::arrivals::Incoming;
use datasets::log::{Disk, Durable, Reader};
use datasets::names::NameTable;
use datasets::policy::{self, Activation, Stage};
use records::Millis;

use super::audit::Clerk;
use super::eraser::{Eraser, Request};
use super::lag::Lag;
use super::places::Places;
use super::shelf::{Keeper, Shelf};
use super::since::{Since, SinceFile};
use super::source::{Courier, Follower, FromLog, Progress, Questions, Said};
use super::succession::{Next, Succession};
use crate::exit::Failure;
use crate::replay::ReplayArgs;
use crate::replay::deliveries::Deliveries;
use crate::replay::drive::drive;
use crate::replay::in_words;
use crate::replay::prepare::{Living, prepare_living};
use crate::replay::teller::{PlayFiles, Teller};
use crate::replay::views::hubs_are_texts;

/// Changes that may wait between the dataflow and the shelf before the dataflow waits.
const SAID_WAITING_MAX: usize = 256;
/// How nice workers are to those who answer: a question takes milliseconds, a tick a good part of a second, and the processors are the same.
const WORKERS_NICE: i32 = 10;
/// Who takes up what was activated.
const SERVICE: &str = "service";
/// How often somebody looks whether the service is to end.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// How often somebody looks whether a policy was activated, or a model promoted.
const POLICY_EVERY: Duration = Duration::from_secs(1);
/// How often it is written since when verdicts stand, and what else a tick does not tell: what came after it is gone through tick by tick when a killed
/// service starts again.
const SINCE_EVERY: Duration = Duration::from_secs(10);

/// What all dataflows of a service have in common.
pub struct Flow {
    /// What is computed.
    pub how: ReplayArgs,
    /// Which models score accounts, where some do.
    pub succession: Option<Succession>,
    /// The folder of the service.
    pub folder: PathBuf,
    /// Writes down which policies came into force.
    pub clerk: Clerk,
    /// Where in the log rows stand that somebody may want to see again.
    pub places: Arc<Places>,
    /// What they are called.
    pub names: Arc<NameTable>,
    /// So many ticks after its end, or its arrival, a play is kept.
    pub kept: Tick,
    /// Where the log is.
    pub disk: Arc<dyn Disk>,
    /// How far it is durable.
    pub durable: Arc<Durable>,
    /// Where the views go.
    pub shelf: Arc<Shelf>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Why the service cannot go on.
    pub failure: Arc<Mutex<Option<Failure>>>,
    /// Erases accounts.
    pub eraser: Eraser,
}

/// Why another dataflow begins.
enum Turn {
    /// Other policies are in force.
    Policies,
    /// Another model is champion, or another one is tried.
    Champion(Next),
    /// Accounts are to be forgotten.
    Erasures(Vec<Request>),
}

/// One dataflow that runs.
struct Running {
    keeper: JoinHandle<()>,
    since: SinceFile,
}

impl Flow {
    /// Runs one after the other until the service ends, and then the thread does.
    ///
    /// # Errors
    /// When the first one cannot begin.
    pub fn run(mut self, living: Living, mut activated: Activated) -> Result<JoinHandle<()>, Failure> {
        let mut running = self.begin(living)?;
        self.note("policies at the start", &activated);
        self.note_model("model at the start");
        Ok(std::thread::spawn(move || {
            while let Some((turn, mut living)) = self.watch(&mut running, &mut activated) {
                self.progress.turning.store(true, Ordering::Relaxed);
                if let Turn::Erasures(asked) = &turn {
                    self.shelf.forget_since_of(asked.iter().flat_map(|asked| &asked.accounts));
                }
                self.end(running);
                match turn {
                    Turn::Policies => {
                        self.note("policies taken up", &activated);
                        self.progress.policies_taken_up.fetch_add(1, Ordering::Relaxed);
                    }
                    // Nothing is stated any more, so it is known from when on the next one speaks.
                    Turn::Champion(next) => match self.crown(&next) {
                        Ok(crowned) => {
                            living = crowned;
                            self.note_model("model taken up");
                            self.progress.models_taken_up.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(failure) => {
                            self.refuse_model(&failure);
                            living = match prepare_living(&self.how, self.names.clone()) {
                                Ok(before) => before,
                                Err(failure) => return self.fail(failure),
                            };
                        }
                    },
                    Turn::Erasures(asked) => self.eraser.erase(asked),
                }
                running = match self.begin(living) {
                    Ok(next) => next,
                    Err(failure) => return self.fail(failure),
                };
            }
            self.end(running);
        }))
    }

    /// Waits until another dataflow is to begin; `None` when the service ends.
    fn watch(&mut self, running: &mut Running, activated: &mut Activated) -> Option<(Turn, Living)> {
        let (mut wrote_at, mut looked_at) = (Instant::now(), Instant::now());
        let mut seen_at = Instant::now();
        let mut lag = Lag::default();
        while !self.progress.stopping.load(Ordering::Relaxed) {
            std::thread::sleep(LOOKS_EVERY);
            let stated = self.progress.stated_entries.load(Ordering::Acquire);
            let behind = lag.observe(Instant::now(), self.durable.last(), stated);
            self.progress.behind_ms.store(behind.as_millis() as u64, Ordering::Relaxed);
            if wrote_at.elapsed() >= SINCE_EVERY {
                self.needs_no_more(running.since.write(self.shelf.since()));
                wrote_at = Instant::now();
            }
            if looked_at.elapsed() >= POLICY_EVERY {
                looked_at = Instant::now();
                if activated.changed() {
                    match prepare_living(&self.how, self.names.clone()) {
                        Ok(living) => {
                            self.progress.refuse_policy(None);
                            return Some((Turn::Policies, living));
                        }
                        Err(failure) => {
                            self.note("policies refused", activated);
                            self.progress.refuse_policy(Some(failure.to_string()));
                        }
                    }
                }
            }
            if self.progress.is_complete.load(Ordering::Acquire) || self.durable.last() == 0 {
                if let Some((next, living)) = self.successor(&mut seen_at) {
                    return Some((Turn::Champion(next), living));
                }
                self.eraser.tell();
                let asked = self.eraser.asked();
                if !asked.is_empty() {
                    match prepare_living(&self.how, self.names.clone()) {
                        Ok(living) => return Some((Turn::Erasures(asked), living)),
                        Err(failure) => self.eraser.refuse(asked, &failure.to_string()),
                    }
                }
            }
        }
        None
    }

    /// Who is to score instead of who does, and what is computed then, where they can; looked for now and then.
    fn successor(&self, seen_at: &mut Instant) -> Option<(Next, Living)> {
        let succession = self.succession.as_ref().filter(|_| seen_at.elapsed() >= POLICY_EVERY)?;
        *seen_at = Instant::now();
        let able = |next: Next| {
            let living = self.prepare(&succession.with(&next, self.stated()))?;
            Ok((next, living))
        };
        match succession.next().and_then(|found| found.map(able).transpose()) {
            Ok(found) => {
                self.progress.refuse_model(None);
                found
            }
            Err(failure) => {
                self.refuse_model(&failure);
                None
            }
        }
    }

    /// Tells why the champion cannot score, where that is new.
    fn refuse_model(&self, failure: &Failure) {
        let why = failure.to_string();
        if self.progress.refuse_model(Some(why.clone())) {
            self.clerk.note(SERVICE, "model refused", &why);
        }
    }

    /// Lets them score after the instant that was stated last, for good.
    fn crown(&mut self, next: &Next) -> Result<Living, Failure> {
        let Some(before) = &self.succession else { return prepare_living(&self.how, self.names.clone()) };
        let succession = before.with(next, self.stated());
        let living = self.prepare(&succession)?;
        succession.write()?;
        self.how = succession.in_options(self.how.clone());
        self.succession = Some(succession);
        Ok(living)
    }

    fn prepare(&self, succession: &Succession) -> Result<Living, Failure> {
        prepare_living(&succession.in_options(self.how.clone()), self.names.clone())
    }

    /// As of when everything is stated.
    fn stated(&self) -> Option<Millis> {
        self.shelf.as_of()
    }

    /// Writes down which model scores, where one does.
    fn note_model(&self, what: &str) {
        if let Some(succession) = &self.succession {
            self.clerk.note(SERVICE, what, &succession.in_words());
        }
    }

    /// Writes down what was activated, where policies are.
    fn note(&self, what: &str, activated: &Activated) {
        if let Some(about) = activated.in_words() {
            self.clerk.note(SERVICE, what, &about);
        }
    }

    /// Starts the workers and whoever keeps the views.
    fn begin(&self, mut living: Living) -> Result<Running, Failure> {
        let since = SinceFile::of(&self.folder, &living);
        let before = since.read(self.durable.last()).unwrap_or_else(|why| {
            eprintln!("since.json: {why}; the log is gone through tick by tick");
            None
        });
        match &before {
            Some(before) => self.needs_no_more(Some(before.needless)),
            None => self.shelf.forget_since(),
        }
        living.plan.wanted = before.as_ref().map(|before| before.tick);
        self.progress.begin();
        let (habits, ties) = self.places.begin();
        (living.context.habits, living.context.ties) = (Some(habits), Some(ties));
        Ok(Running { keeper: self.start(living, before)?, since })
    }

    /// Waits until it has ended; what was stated last is known then.
    fn end(&self, Running { keeper, mut since }: Running) {
        let ended = keeper.join();
        self.needs_no_more(since.write_anew(self.shelf.since()));
        ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
    }

    /// Plays of entries up to this one may leave the log: what is on disk goes on without them.
    fn needs_no_more(&self, entry: Option<u64>) {
        self.progress.needless.fetch_max(entry.unwrap_or(0), Ordering::Release);
    }

    fn fail(&self, failure: Failure) {
        self.failure.lock().expect("nobody panics with it").get_or_insert(failure);
        self.progress.stopping.store(true, Ordering::Relaxed);
    }

    fn start(&self, living: Living, before: Option<Since>) -> Result<JoinHandle<()>, Failure> {
        let Living { plan, context, timely, names, judge, wanted, watch, attributes, scorers, deliveries, .. } = living;
        let (sender, said) = sync_channel::<Said>(SAID_WAITING_MAX);
        let segments = judge.as_ref().map(|judge| judge.segments.clone());
        let words = judge.as_ref().map(|judge| judge.words.clone()).unwrap_or_default();
        self.shelf.go_by(judge.as_ref().map(|judge| judge.policies.clone()).unwrap_or_default(), scorers.in_words());
        let teller = Teller {
            names: names.clone(),
            play_files: PlayFiles::Entries,
            hubs_are_texts: hubs_are_texts(&names, &plan.links),
            judge,
            sides: vec![(Side::Champion, scorers.names)],
        };
        let reader = (Reader::new(self.disk.clone()), self.durable.clone());
        let places = self.places.clone();
        let incoming = Incoming::new(names, places.kinds, wanted, places.contents.clone(), in_words);
        let goes_on = before.as_ref().map(|before| (before.tick, before.entry));
        let incoming = if watch.is_some() { incoming.dating() } else { incoming };
        let incoming = if attributes.asks() { incoming.telling() } else { incoming };
        let (clock, kept, delivers) = (plan.clock, self.kept, deliveries.as_ref().map(Deliveries::asks_titles));
        let questions = Questions { clock, kept, segments, words, places, watch, attributes, delivers };
        let first = FromLog::new(reader, incoming, questions, self.progress.clone(), sender.clone(), goes_on);
        let first = Mutex::new(Some(first));
        let (builders, connections) = timely.communication.try_build().map_err(Failure::Usage)?;
        let (failed, progress) = (self.failure.clone(), self.progress.clone());
        let guards = timely::execute::execute_from(builders, connections, timely.worker, move |worker| {
            give_way();
            let mut ends = river::build(worker, &plan, &context, || Box::new(Courier(sender.clone())));
            let source = if worker.index() == 0 { first.lock().expect("nobody panics with it").take() } else { None };
            let driven = match source {
                Some(mut log) => {
                    let driven = drive(worker, &mut ends, &mut log);
                    progress.ended.store(true, Ordering::Release);
                    driven
                }
                None => drive(worker, &mut ends, &mut Follower::new(progress.clone())),
            };
            if let Err(error) = driven {
                failed.lock().expect("nobody panics with it").get_or_insert(error);
                progress.stopping.store(true, Ordering::Relaxed);
            }
            // The inputs did not end: what would follow from that is not to be said.
            worker.installed_dataflows().into_iter().for_each(|dataflow| worker.drop_dataflow(dataflow));
        })
        .map_err(Failure::Input)?;
        let mut keeper = Keeper::new(self.shelf.clone(), teller, deliveries, self.progress.clone(), before);
        Ok(std::thread::spawn(move || {
            said.into_iter().for_each(|said| keeper.take(said));
            drop(guards);
        }))
    }
}

/// Lets whoever asks go before this thread. Where it cannot be, nobody goes before anybody.
fn give_way() {
    // On Linux each thread has a niceness of its own.
    if cfg!(target_os = "linux") {
        let _ = rustix::process::nice(WORKERS_NICE);
    }
}

/// The list of activated policies, where the service goes by one.
pub struct Activated {
    store: Option<PathBuf>,
    /// The list as it was read last.
    known: Vec<u8>,
    /// From when on what decides, and about whom; `None` where the list cannot be believed.
    deciding: Option<Vec<(String, String, Option<Stage>)>>,
}

impl Activated {
    /// As it is now.
    pub fn of(policy: Option<&Path>) -> Activated {
        let store = policy.filter(|folder| policy::is_store(folder)).map(Path::to_owned);
        let mut activated = Activated { store, known: Vec::new(), deciding: None };
        activated.changed();
        activated
    }

    /// From when on which policy decides, and how far; `None` where the service goes by none that is activated.
    fn in_words(&self) -> Option<String> {
        self.store.as_ref()?;
        let Some(deciding) = &self.deciding else { return Some("a list that cannot be believed".to_owned()) };
        let told = |(from, digest, stage): &(String, String, Option<Stage>)| {
            let stage = match stage {
                None => String::new(),
                Some(Stage::Shadow) => ", in the shadow".to_owned(),
                Some(Stage::Beta(percent)) => format!(", for {percent} % of subjects"),
            };
            format!("{} from {from}{stage}", digest.get(..12).unwrap_or(digest))
        };
        Some(deciding.iter().map(told).collect::<Vec<_>>().join(", "))
    }

    /// Whether it decides otherwise than when this was asked before: what goes into the shadow decides nothing. A list that cannot be read now is
    /// looked at again; one that cannot be believed is always another.
    fn changed(&mut self) -> bool {
        let Some(store) = &self.store else { return false };
        let Some(list) = std::fs::read(policy::list_of(store)).ok().filter(|list| *list != self.known) else {
            return false;
        };
        let decides = |one: &Activation| one.stage != Some(Stage::Shadow);
        let told = |one: Activation| (one.from, one.digest, one.stage);
        let deciding = policy::activations(store).ok();
        let deciding = deciding.map(|all| all.into_iter().filter(decides).map(told).collect());
        let changed = deciding.is_none() || deciding != self.deciding;
        (self.known, self.deciding) = (list, deciding);
        changed
    }
}
