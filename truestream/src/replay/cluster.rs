//! Joins the processes of a cluster: who is missing is told, who was started differently is refused, and who goes away
//! ends the run.
//!
//! ```text
//! hosts ──▶ a connection to each other process (greeting ◀──▶ greeting) ──▶ timely, one plan in all processes
//! ```

use std::any::Any;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Error, ErrorKind, Read, Result as IoResult, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::process::exit;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use timely::CommunicationConfig;
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

use super::prepare::Prepared;
use crate::exit::Failure;

/// Connections are looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The first word about who is missing comes after this time, the next ones less often.
const TELL_AFTER: Duration = Duration::from_secs(2);
const TELL_EVERY: Duration = Duration::from_secs(30);
/// Longer than this a process that listens does not take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A run that lost a process has this long to clear up before it is ended.
const CLEAR_WITHIN: Duration = Duration::from_secs(2);
/// The first word between two processes.
const GREETING: u64 = u64::from_le_bytes(*b"trustrm1");

/// What timely builds its workers from.
pub type Builders = (Vec<AllocatorBuilder>, Box<dyn Any + Send>);

/// This process among the others; alone, it has no others to wait for or to lose.
pub struct Cluster {
    process: usize,
    hosts: Vec<String>,
    lost: Arc<Mutex<Option<String>>>,
}

impl Cluster {
    /// Of the run.
    pub fn of(prepared: &Prepared) -> Cluster {
        let (process, hosts) = match &prepared.timely.communication {
            CommunicationConfig::Cluster { process, addresses, .. } => (*process, addresses.clone()),
            _ => (0, Vec::new()),
        };
        Cluster { process, hosts, lost: Arc::default() }
    }

    /// Whether there are other processes.
    pub fn has_others(&self) -> bool {
        self.hosts.len() > 1
    }

    /// Connects to the other processes, however long they take to come.
    ///
    /// # Errors
    /// When this process cannot listen at its address, or another was started with other options or inputs.
    pub fn join(&self, prepared: &Prepared) -> Result<Builders, Failure> {
        let config = prepared.timely.communication.clone();
        let CommunicationConfig::Cluster { threads, .. } = config else {
            return config.try_build().map_err(Failure::Usage);
        };
        let sockets = self.connect(plan_digest(prepared, threads, &self.hosts))?;
        self.watch();
        let hooks = Hooks::default();
        let inside = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), hooks.spill.clone());
        let (builders, guard) = initialize_networking_from_sockets(inside, sockets, self.process, threads, hooks)
            .map_err(|error| Failure::Cluster(format!("cannot talk to the other processes: {error}")))?;
        Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
    }

    /// Which process went away, if one did.
    pub fn lost(&self) -> Option<Failure> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone().map(Failure::Cluster)
    }

    /// Ends a process that has others: their connections break without a farewell, so that no one takes the part of the
    /// inputs that was read for the whole.
    pub fn leave(failure: &Failure) -> ! {
        eprintln!("truestream: {failure}");
        exit(failure.code().into())
    }

    /// A connection to each process, none to this one.
    fn connect(&self, digest: u64) -> Result<Vec<Option<TcpStream>>, Failure> {
        let own = &self.hosts[self.process];
        let listener = TcpListener::bind(own).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        let listener = listener.map_err(|error| {
            Failure::Usage(format!(
                "--process {}: cannot listen at {own}: {error}; its line in --hosts must be a free address of this machine",
                self.process
            ))
        })?;
        let greeting = [GREETING, self.process as u64, digest];
        let mut sockets: BTreeMap<usize, TcpStream> = BTreeMap::new();
        let mut tell_at = Instant::now() + TELL_AFTER;
        let others = self.hosts.len() - 1;
        while sockets.len() < others {
            // Every process calls those before it and is called by those after it.
            let mut met: Vec<IoResult<([u64; 3], TcpStream)>> = (0..self.process)
                .filter(|process| !sockets.contains_key(process))
                .map(|process| call(&self.hosts[process]).and_then(|stream| greet(stream, greeting)))
                .collect();
            if let Ok((stream, _)) = listener.accept() {
                met.push(greet(stream, greeting));
            }
            for ([_, process, their_digest], stream) in met.into_iter().flatten() {
                let process = process as usize;
                if their_digest != digest {
                    return Err(Failure::Cluster(format!(
                        "{} was started with other options, hosts or inputs than this process; give all of them the same",
                        self.name(process)
                    )));
                }
                sockets.insert(process, stream);
            }
            if Instant::now() >= tell_at && sockets.len() < others {
                let missing = (0..self.hosts.len()).filter(|p| *p != self.process && !sockets.contains_key(p));
                let missing: Vec<String> = missing.map(|process| self.name(process)).collect();
                eprintln!("truestream: process {} waits for {}", self.process, missing.join(", "));
                tell_at = Instant::now() + TELL_EVERY;
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok((0..self.hosts.len()).map(|process| sockets.remove(&process)).collect())
    }

    fn name(&self, process: usize) -> String {
        name(&self.hosts, process)
    }

    /// Timely tells a broken connection by a panic of the thread that serves it, to take the whole process down. It goes
    /// down in order: what was being written is removed, and the reason is told.
    fn watch(&self) {
        let (lost, hosts) = (self.lost.clone(), self.hosts.clone());
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = thread::current();
            let served = thread.name().and_then(|name| name.strip_prefix("timely:"));
            let served = served.and_then(|name| name.strip_prefix("recv-").or_else(|| name.strip_prefix("send-")));
            let Some(process) = served.and_then(|process| process.parse().ok()) else { return otherwise(panic) };
            let reason = format!(
                "{} went away before the run was done; see what it said last, then start all processes again",
                name(&hosts, process)
            );
            let failure = lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason).clone();
            thread::sleep(CLEAR_WITHIN);
            Cluster::leave(&Failure::Cluster(failure))
        }));
    }
}

fn name(hosts: &[String], process: usize) -> String {
    format!("process {process} ({})", hosts.get(process).map_or("in no line of --hosts", |host| host))
}

fn call(host: &str) -> IoResult<TcpStream> {
    let mut failed = Error::from(ErrorKind::AddrNotAvailable);
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER_WITHIN) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Says who we are and hears who they are.
fn greet(mut stream: TcpStream, greeting: [u64; 3]) -> IoResult<([u64; 3], TcpStream)> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    for word in greeting {
        stream.write_all(&word.to_le_bytes())?;
    }
    let mut heard = [0; 3];
    for word in &mut heard {
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes)?;
        *word = u64::from_le_bytes(bytes);
    }
    if heard[0] != GREETING {
        return Err(Error::from(ErrorKind::InvalidData));
    }
    stream.set_read_timeout(None)?;
    Ok((heard, stream))
}

/// What all processes must agree on, whatever the files are called on each machine.
fn plan_digest(prepared: &Prepared, threads: usize, hosts: &[String]) -> u64 {
    let plan = &prepared.plan;
    let survey = &prepared.survey;
    let rows: Vec<u64> = survey.files.iter().map(|file| file.rows).collect();
    // The hasher of the standard library is the same in all processes of one build, and others are to differ.
    let mut digest = DefaultHasher::new();
    (env!("CARGO_PKG_VERSION"), threads, hosts).hash(&mut digest);
    (prepared.every_ms, &plan.windows, format!("{:?} {:?}", plan.links, prepared.views)).hash(&mut digest);
    (plan.hub, plan.every_tick, plan.until, prepared.first).hash(&mut digest);
    (rows, survey.first_at, survey.last_at, prepared.corrections_count).hash(&mut digest);
    (prepared.facts.accounts.len(), prepared.facts.hosted.len(), prepared.heard).hash(&mut digest);
    (prepared.rulings_digest, prepared.laws_digest, &prepared.models).hash(&mut digest);
    digest.finish()
}
