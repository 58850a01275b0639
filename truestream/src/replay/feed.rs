//! Gives each worker its share of the files, tick by tick.

use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dataflows::admit::{Assertion, Claim, Place, Played};
use dataflows::clock::{Clock, Tick};
use dataflows::risk::Entry;
use dataflows::river::Ends;
use dataflows::windows::{self, Inflow};
use datasets::arrivals::{Arrivals, Arrived, Facts, Listing, Survey, Suspect, Wanted};
use datasets::names::{NameTable, Naming};
use records::{Millis, Refusal};
use timely::worker::Worker;

use super::args::ReplayArgs;
use super::drive::{ASLEEP, Next, Source, drive};
use super::judge::{Segments, release};
use super::prepare::Prepared;
use crate::exit::Failure;

/// How long refreshes took: from when the plays of a tick are read until its results are stated.
#[derive(Clone, Copy, Debug)]
pub struct Refreshes {
    /// The time within which half of them were done.
    pub p50_ms: f64,
    /// The time within which 99 of 100 were done.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What all workers of the process read from, and how far they are.
pub struct Feed {
    clock: Clock,
    first: Tick,
    until: Tick,
    survey: Arc<Survey>,
    facts: Arc<Facts>,
    names: Arc<NameTable>,
    wanted: Wanted,
    listings: Vec<(Tick, Listing)>,
    /// Segments and findings by the tick from which each is in force, as far as somebody asks for them.
    entries: Vec<(Tick, Entry)>,
    asks_for_releases: bool,
    segments: Segments,
    corrections: Vec<(Millis, u128)>,
    refusals: Vec<Refusal>,
    sort_plays_max: usize,
    /// Event time per wall time, if limited.
    speed: Option<f64>,
    threads: usize,
    stopped: AtomicBool,
    /// How long the first worker of the process took for each refresh, in microseconds.
    took_us: Mutex<Vec<(Tick, u32)>>,
    /// Rows read into plays by this process.
    pub plays: AtomicU64,
    /// The tick that the first worker of the process works on.
    pub tick: AtomicU64,
}

impl Feed {
    /// Takes what was prepared.
    pub fn new(prepared: &mut Prepared, args: &ReplayArgs) -> Result<Feed, Failure> {
        Ok(Feed {
            clock: prepared.plan.clock,
            first: prepared.first,
            until: prepared.plan.until,
            survey: prepared.survey.clone(),
            facts: prepared.facts.clone(),
            names: prepared.names.clone(),
            wanted: prepared.wanted,
            listings: std::mem::take(&mut prepared.listings),
            entries: std::mem::take(&mut prepared.entries),
            asks_for_releases: prepared.plan.asks_for_releases(),
            segments: prepared.segments.clone(),
            corrections: std::mem::take(&mut prepared.corrections),
            refusals: std::mem::take(&mut prepared.refusals),
            sort_plays_max: args.sort_plays_max,
            speed: args.speed.as_deref().map(speed).transpose()?,
            threads: usize::from(args.workers),
            stopped: AtomicBool::new(false),
            took_us: Mutex::default(),
            plays: AtomicU64::new(0),
            tick: AtomicU64::new(prepared.first),
        })
    }

    /// Whether somebody failed.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Asks all workers to end: somebody failed.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// How long refreshes took; `None` when there was none.
    pub fn refreshes(&self) -> Option<Refreshes> {
        let took_us = self.took_us.lock().expect("no worker panics with it");
        let mut took_us: Vec<u32> = took_us.iter().map(|(_, took)| *took).collect();
        took_us.sort_unstable();
        let last = took_us.len().checked_sub(1)?;
        // The nearest rank: the least time within which that share of the refreshes was done.
        let within = |share: f64| {
            f64::from(took_us[((share * took_us.len() as f64).ceil() as usize).clamp(1, last + 1) - 1]) / 1e3
        };
        Some(Refreshes { p50_ms: within(0.50), p99_ms: within(0.99), max_ms: within(1.0) })
    }

    /// How long the refresh of the tick took, in milliseconds; `None` when there was none.
    pub fn refresh_ms(&self, tick: Tick) -> Option<f64> {
        let took_us = self.took_us.lock().expect("no worker panics with it");
        took_us.iter().find(|(known, _)| *known == tick).map(|(_, took)| f64::from(*took) / 1e3)
    }

    /// Feeds this worker's share until the inputs end.
    pub fn run(&self, worker: &mut Worker, mut ends: Ends) -> Result<(), Failure> {
        let share = (worker.index(), worker.peers());
        let naming = Naming::new(self.names.clone());
        let limit = self.sort_plays_max / share.1;
        let arrivals = Arrivals::open(self.survey.clone(), self.facts.clone(), self.wanted, naming, share, limit);
        // Rows of the small tables are refused once, by the first worker of all.
        if share.0 == 0 {
            ends.advance_to(self.first.min(self.until));
            self.refusals.iter().for_each(|refusal| ends.refusals.send(refusal.clone()));
        }
        let mut files = Files {
            feed: self,
            arrivals: arrivals.map_err(input)?,
            listings: self.listings.iter().skip(share.0).step_by(share.1).peekable(),
            in_force: self.entries.iter().skip(share.0).step_by(share.1).peekable(),
            corrections: self.corrections.iter().skip(share.0).step_by(share.1).peekable(),
            is_first: share.0.is_multiple_of(self.threads),
            started: Instant::now(),
            took_us: Vec::new(),
        };
        drive(worker, &mut ends, &mut files)?;
        if self.is_stopped() {
            return Ok(());
        }
        if self.until >= self.first {
            ends.advance_to(self.until);
        }
        files.arrivals.take_refusals().into_iter().for_each(|refusal| ends.refusals.send(refusal));
        let end = self.until + 1;
        ends.advance_to(end);
        worker.step_or_park_while(Some(ASLEEP), || ends.watermark.less_than(&end));
        if files.is_first {
            *self.took_us.lock().expect("no worker panics with it") = files.took_us;
        }
        Ok(())
    }

    /// Waits until the tick may begin at the wanted speed, while the dataflow goes on.
    fn pace(&self, started: Instant, tick: Tick, worker: &mut Worker) {
        let Some(speed) = self.speed else { return };
        let event_ms = self.clock.instant(tick) - self.clock.instant(self.first);
        let due = started + Duration::from_secs_f64(event_ms as f64 / 1_000.0 / speed);
        while Instant::now() < due && !self.stopped.load(Ordering::Relaxed) {
            worker.step_or_park(Some((due - Instant::now()).min(Duration::from_millis(100))));
        }
    }
}

/// One worker's share of the files.
struct Files<'a, L: Iterator, E: Iterator, C: Iterator> {
    feed: &'a Feed,
    arrivals: Arrivals,
    listings: Peekable<L>,
    in_force: Peekable<E>,
    corrections: Peekable<C>,
    /// Whether the worker is the first of its process.
    is_first: bool,
    started: Instant,
    took_us: Vec<(Tick, u32)>,
}

impl<'a, L, E, C> Source for Files<'a, L, E, C>
where
    L: Iterator<Item = &'a (Tick, Listing)>,
    E: Iterator<Item = &'a (Tick, Entry)>,
    C: Iterator<Item = &'a (Millis, u128)>,
{
    fn next(&mut self, worker: &mut Worker) -> Result<Next, Failure> {
        let feed = self.feed;
        let correction = self.corrections.peek().map(|(at, _)| feed.clock.first_after(*at));
        let play = self.arrivals.next_at().map(|at| feed.clock.first_after(at));
        let listing = self.listings.peek().map(|(tick, _)| *tick);
        let entry = self.in_force.peek().map(|(tick, _)| *tick);
        let ticks = [correction, play, listing, entry];
        let Some(tick) = ticks.into_iter().flatten().min().filter(|tick| *tick <= feed.until) else {
            return Ok(Next::End);
        };
        if feed.is_stopped() {
            return Ok(Next::End);
        }
        feed.pace(self.started, tick, worker);
        if self.is_first {
            feed.tick.store(tick, Ordering::Relaxed);
        }
        Ok(Next::At(tick))
    }

    fn send(&mut self, tick: Tick, ends: &mut Ends) -> Result<(), Failure> {
        let feed = self.feed;
        let Ends { plays, claims, entries, .. } = ends;
        while let Some((_, listing)) = self.listings.next_if(|(at, _)| *at <= tick) {
            plays.send(Inflow::Track(listed(listing)));
            if feed.asks_for_releases {
                entries.send(Entry::Release(listing.track, release(listing, &feed.segments)));
            }
        }
        while let Some((_, entry)) = self.in_force.next_if(|(at, _)| *at <= tick) {
            entries.send(entry.clone());
        }
        while let Some((_, play_id)) = self.corrections.next_if(|(at, _)| feed.clock.first_after(*at) <= tick) {
            let occurrences = feed.survey.occurrences(*play_id);
            claims.send(Claim { play_id: *play_id, occurrences, what: Assertion::Corrected });
        }
        let mut count = 0;
        let mut suspects = 0;
        let take = |arrived: Arrived| {
            count += 1;
            plays.send(Inflow::Play(arrived.play, true));
        };
        let doubt = |file, suspect| {
            suspects += 1;
            claims.send(claim(file, suspect));
        };
        self.arrivals.before(feed.clock.instant(tick), take, doubt).map_err(input)?;
        feed.plays.fetch_add(count + suspects, Ordering::Relaxed);
        self.arrivals.take_refusals().into_iter().for_each(|refusal| ends.refusals.send(refusal));
        Ok(())
    }

    /// One tick may be under way while the next is read.
    fn awaits(&self, tick: Tick) -> Tick {
        tick
    }

    fn done(&mut self, tick: Tick, took: Duration) {
        self.took_us.push((tick, took.as_micros() as u32));
    }
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// The row as the windows know it.
pub fn listed(row: &Listing) -> windows::Listing {
    let Listing { track, artist, uploader, distributor, uploaded_at, valid_from, .. } = *row;
    windows::Listing { track, artist, uploader, distributor, uploaded_at, valid_from }
}

/// What the row claims of its play id.
pub fn claim(file: u32, suspect: Suspect) -> Claim {
    let Suspect { at, play_id, occurrences, play, source, flags, row } = suspect;
    let what = Assertion::Played(Played { arrived_at: at, play, source, flags, place: Place { file, row } });
    Claim { play_id, occurrences, what }
}

/// Reads a speed such as 100x.
///
/// # Errors
/// When it is no factor above 0.
pub fn speed(text: &str) -> Result<f64, Failure> {
    let factor = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    factor
        .filter(|factor| factor.is_finite() && *factor > 0.0)
        .ok_or_else(|| Failure::Usage(format!("--speed {text}: expected a factor such as 100x")))
}
