//! Forgets accounts: what was sent of them leaves the log, and the next dataflow never hears of it.
//!
//! ```text
//! POST /v1/erasures ──▶ waits ──▶ the dataflow ends ──▶ segments without their rows ──▶ the next one states ──▶ answered
//! ```

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use console::Reply;
use datasets::intake::Ids;
use datasets::intake::erasing::Erasure;
use datasets::log::{Disk, Log, LogError, Rows, erased};
use serde_json::json;

use super::gate::Gate;

/// Takes what became of something.
type Answer = Box<dyn FnOnce(Reply) + Send>;

/// Accounts that somebody wants to be forgotten, and how to tell that they are.
pub struct Request {
    /// The accounts.
    pub accounts: Vec<Erasure>,
    /// Takes what became of it.
    pub answer: Answer,
}

/// Who forgets.
pub struct Eraser {
    /// Where it is asked.
    pub waiting: Receiver<Request>,
    /// What ids are.
    pub ids: Ids,
    /// The log's.
    pub disk: Arc<dyn Disk>,
    /// Who writes the log.
    pub gate: Gate,
    /// What was done, and is told once everything is stated without it.
    pub done: Vec<(Answer, Reply)>,
}

impl Eraser {
    /// What is asked for now.
    pub fn asked(&self) -> Vec<Request> {
        self.waiting.try_iter().collect()
    }

    /// Takes the accounts' rows out of the log. Whoever asked hears of it later.
    pub fn erase(&mut self, asked: Vec<Request>) {
        for Request { accounts, answer } in asked {
            let (many, accounts) = (accounts.len(), Arc::new(accounts));
            let reply = match self.take_out(&accounts) {
                Ok(rows) => Reply::json(200, json!({ "accounts": many, "rows": rows }).to_string()),
                Err(why) => Reply::json(503, json!({ "error": why }).to_string()),
            };
            self.done.push((answer, reply));
        }
    }

    /// Tells why nothing can be done.
    pub fn refuse(&self, asked: Vec<Request>, why: &str) {
        let reply = || Reply::json(503, json!({ "error": why }).to_string());
        asked.into_iter().for_each(|asked| (asked.answer)(reply()));
    }

    /// Tells what was done.
    pub fn tell(&mut self) {
        self.done.drain(..).for_each(|(answer, reply)| answer(reply));
    }

    /// A segment at a time: between two of them rows are taken in.
    fn take_out(&self, accounts: &Arc<Vec<Erasure>>) -> Result<u64, String> {
        let ends = "the service ends; ask again".to_owned();
        let sealed = self.gate.with(|log| {
            log.commit()?;
            log.seal()?;
            Ok(log.sealed().len())
        });
        let segments: Result<usize, LogError> = sealed.ok_or_else(|| ends.clone())?;
        let mut rows = 0;
        for place in 0..segments.map_err(|error| error.to_string())? {
            let (disk, ids, accounts) = (self.disk.clone(), self.ids.clone(), accounts.clone());
            let taken = self.gate.with(move |log| take_out_of(log, place, &*disk, &ids, &accounts));
            rows += taken.ok_or_else(|| ends.clone())??;
        }
        Ok(rows)
    }
}

fn take_out_of(log: &mut Log, place: usize, disk: &dyn Disk, ids: &Ids, accounts: &[Erasure]) -> Result<u64, String> {
    let Some(sealed) = log.sealed().get(place).cloned() else { return Ok(0) };
    let (mut taken, mut unread) = (0, None);
    let anew = erased(disk, &sealed, |rows: &mut Rows| {
        let before = taken;
        for account in accounts {
            match account.take_out(rows, ids) {
                Ok(count) => taken += count,
                Err(error) => unread = Some(error.to_string()),
            }
        }
        taken > before
    });
    let anew = anew.map_err(|error| error.to_string())?;
    if let Some(anew) = anew {
        log.replace(anew).map_err(|error| error.to_string())?;
    }
    unread.map_or(Ok(taken), Err)
}
