//! The one loop that feeds a worker: a tick of its source, then the dataflow catches up.
//!
//! ```text
//! files ──┐
//! log ────┴─▶ source ──▶ next tick? ──▶ everything of the tick ──▶ the dataflow catches up ──▶ next tick? …
//! ```
//!
//! A replay of files and a living service differ in their source and in nothing else.

use std::time::{Duration, Instant};

use dataflows::clock::Tick;
use dataflows::river::Ends;
use timely::worker::Worker;

use crate::exit::Failure;

/// What a source has next.
pub enum Next {
    /// Everything of this tick; nothing of an earlier one comes any more.
    At(Tick),
    /// Nothing yet; the source waited a little.
    Later,
    /// Nothing any more.
    End,
}

/// Where a worker's share of the inputs comes from.
pub trait Source {
    /// The next tick; the dataflow may go on meanwhile.
    ///
    /// # Errors
    /// When an input cannot be read.
    fn next(&mut self, worker: &mut Worker) -> Result<Next, Failure>;

    /// Sends everything of the tick.
    ///
    /// # Errors
    /// When an input cannot be read.
    fn send(&mut self, tick: Tick, ends: &mut Ends) -> Result<(), Failure>;

    /// Before which tick nothing may be missing from the results before the source is asked again.
    fn awaits(&self, tick: Tick) -> Tick;

    /// The tick was sent and so much of it is stated as [`Source::awaits`] says; the dataflow took so long.
    fn done(&mut self, tick: Tick, took: Duration);
}

/// Feeds the worker until its source ends.
///
/// # Errors
/// When an input cannot be read.
pub fn drive(worker: &mut Worker, ends: &mut Ends, source: &mut impl Source) -> Result<(), Failure> {
    loop {
        let tick = match source.next(worker)? {
            Next::At(tick) => tick,
            Next::Later => continue,
            Next::End => return Ok(()),
        };
        ends.advance_to(tick);
        source.send(tick, ends)?;
        ends.advance_to(tick + 1);
        let awaited = source.awaits(tick);
        let stepping = Instant::now();
        worker.step_or_park_while(Some(ASLEEP), || ends.watermark.less_than(&awaited));
        source.done(tick, stepping.elapsed());
    }
}

/// Who has nothing to do sleeps until others send something, and never longer. Stepping on took two fifths of the CPU of two workers from
/// those who had work.
pub const ASLEEP: Duration = Duration::from_millis(1);
