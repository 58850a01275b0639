//! Makes room in the log, segment by segment: plays that will never count again leave it.
//!
//! ```text
//! since.json is written: plays up to this entry are needless ──▶ a sealed segment that ends before ──▶ squeezed ──▶ replaced
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use datasets::log::{Disk, LogError, Rows, squeezed};

use super::gate::Gate;
use super::source::Progress;

/// How often somebody looks whether there is anything to take out.
const EVERY: Duration = Duration::from_secs(1);

/// Makes room until the service ends. A failure is told and ends it: the log is as it was.
pub fn make_room(disk: Arc<dyn Disk>, gate: Gate, progress: Arc<Progress>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !progress.stopping.load(Ordering::Relaxed) {
            match squeeze_one(&disk, &gate, progress.needless.load(Ordering::Acquire)) {
                Ok(true) => {}
                Ok(false) => std::thread::park_timeout(EVERY),
                Err(error) if error.is_full() => std::thread::park_timeout(EVERY),
                Err(error) => return eprintln!("No room is made in the log any more: {error}"),
            }
        }
    })
}

/// Whether there was a segment to squeeze.
fn squeeze_one(disk: &Arc<dyn Disk>, gate: &Gate, needless: u64) -> Result<bool, LogError> {
    let Some(Some(sealed)) = gate.with(move |log| log.to_squeeze(needless + 1)) else { return Ok(false) };
    // Corrections are few, and a play that they are about may still come.
    let smaller = squeezed(&**disk, &sealed, |rows: &Rows| rows.table != "plays")?;
    gate.with(move |log| log.replace(smaller)).unwrap_or(Ok(()))?;
    Ok(true)
}
