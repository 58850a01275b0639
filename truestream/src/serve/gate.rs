//! Takes entries in: many at once become durable with one sync, and only then is anybody told so.
//!
//! ```text
//! requests ──▶ waiting, at most so many bytes ──▶ one thread: append … append, commit ──▶ each is answered
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::thread::JoinHandle;

use datasets::log::{Entry, Log, LogError, Taken};

use crate::exit::Failure;

/// One commit takes no more than so many bytes: a sync that takes long holds up everybody.
const COMMIT_BYTES: usize = 16 << 20;

/// What became of an entry: what the log said, or why it took nothing.
pub type Answer = Result<Taken, Refused>;

/// Why an entry was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room in memory or on disk now; later there will be.
    Later(String),
    /// It is no entry that could ever be taken.
    Never(String),
    /// The log takes nothing any more.
    Broken(String),
}

enum Request {
    Take {
        entry: Entry,
        bytes: usize,
        answer: Box<dyn FnOnce(Answer) + Send>,
    },
    /// Something else that only the one who writes may do.
    Do(Box<dyn FnOnce(&mut Log) + Send>),
}

/// The way in, for many threads.
#[derive(Clone)]
pub struct Gate {
    requests: Sender<Request>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
}

impl Gate {
    /// Opens the gate to the log; at most so many bytes wait before it. The thread ends when all gates are gone, and
    /// returns the log.
    pub fn open(log: Log, waiting_max: usize) -> (Gate, JoinHandle<Log>) {
        let (requests, waiting_requests) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let gate = Gate { requests, waiting: waiting.clone(), waiting_max };
        let thread = std::thread::spawn(move || take_in(log, &waiting_requests, &waiting));
        (gate, thread)
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Hands in an entry; the answer comes when it is durable, or at once when there is no room.
    pub fn submit(&self, entry: Entry, answer: impl FnOnce(Answer) + Send + 'static) {
        let bytes = entry.rows.as_ref().map_or(0, |rows| rows.columns.len()) + 64;
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > self.waiting_max {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return answer(Err(Refused::Later("too much waits to be written".to_owned())));
        }
        let request = Request::Take { entry, bytes, answer: Box::new(answer) };
        if let Err(SendError(Request::Take { answer, .. })) = self.requests.send(request) {
            answer(Err(Refused::Broken("the service ends".to_owned())));
        }
    }

    /// Has something done to the log between two entries, and waits for it; `None` when the service ends.
    pub fn with<T: Send + 'static>(&self, what: impl FnOnce(&mut Log) -> T + Send + 'static) -> Option<T> {
        let (sender, done) = channel();
        let what = move |log: &mut Log| {
            let _ = sender.send(what(log));
        };
        self.requests.send(Request::Do(Box::new(what))).ok()?;
        done.recv().ok()
    }

    /// Hands in an entry and waits until it is durable.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn take(&self, entry: Entry) -> Answer {
        let (sender, answer) = channel();
        self.submit(entry, move |taken| {
            let _ = sender.send(taken);
        });
        answer.recv().unwrap_or_else(|_| Err(Refused::Broken("the service ends".to_owned())))
    }
}

fn take_in(mut log: Log, requests: &Receiver<Request>, waiting: &AtomicUsize) -> Log {
    while let Ok(first) = requests.recv() {
        let (mut taken, mut written) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                Request::Take { entry, bytes, answer } => {
                    written += bytes;
                    taken.push((log.append(&entry).map_err(|error| refused(&error)), answer));
                }
                Request::Do(what) => what(&mut log),
            }
            if log.waiting_bytes() < COMMIT_BYTES {
                next = requests.try_recv().ok();
            }
        }
        let committed = log.commit().map_err(|error| refused(&error));
        waiting.fetch_sub(written, Ordering::Relaxed);
        for (appended, answer) in taken {
            answer(appended.and_then(|taken| committed.clone().map(|()| taken)));
        }
    }
    log
}

fn refused(error: &LogError) -> Refused {
    match error {
        LogError::TooLong { .. } => Refused::Never(error.to_string()),
        LogError::Stopped(_) => Refused::Broken(error.to_string()),
        error => Refused::Later(error.to_string()),
    }
}

/// The failure that ends a command whose entry was not taken.
pub fn failure(refused: Refused) -> Failure {
    match refused {
        Refused::Later(reason) | Refused::Never(reason) | Refused::Broken(reason) => Failure::Output(reason),
    }
}
