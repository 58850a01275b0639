//! What one correction of a week-old play costs, beside a refresh at which nothing happens and beside the week itself.
//!
//! ```text
//! a day of plays ──▶ five quiet days, in which the short windows empty ──▶ refreshes: nothing │ one correction │ …
//! ```
//!
//! All views and all windows of the contract stand (judgements apart), and every changed row is stated.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use benches::Error;
use benches::w1::Rng;
use clap::Parser;
use dataflows::clock::{Clock, Tick};
use dataflows::links::LinkKind;
use dataflows::river::{Change, Context, Ends, Ledger, Plan, build};
use dataflows::windows::{Inflow, Listing};
use features::tally::Axis;
use records::{Country, Id, IdSpace, Key, KeyedPlay, Names, Source};
use serde_json::json;
use timely::worker::Worker;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const ACCOUNTS: u64 = 100_000;
const TRACKS: u64 = 200_000;
const ARTISTS: u64 = 20_000;
/// Refreshes of each kind that are measured: all of them in the sixth day, before anything leaves the week's windows.
const MEASURED: u64 = 500;

#[derive(Parser)]
#[command(about = "Measures one correction of a week-old play")]
struct Options {
    /// Plays in the day
    #[arg(long, default_value_t = 1_000_000)]
    plays: u64,
    /// Seed of the plays
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Ids are numbers.
struct Numbers;

impl Names for Numbers {
    fn id(&self, _space: IdSpace, key: Key) -> Id {
        Id::Number(key.0)
    }
}

/// Counts the rows that are stated.
#[derive(Clone, Default)]
struct Stated(Rc<RefCell<u64>>);

impl Ledger for Stated {
    fn enter(&mut self, _tick: Tick, change: Change) {
        *self.0.borrow_mut() += match change {
            Change::Rows(_, rows) => rows.len(),
            Change::Groups(rows) => rows.len(),
            Change::Lockstep(rows) => rows.len(),
            Change::Hubs(rows) => rows.len(),
            Change::Profiles(rows) => rows.len(),
            Change::Audiences(_, rows) => rows.len(),
            Change::Sequences(rows) => rows.len(),
            Change::Networks(rows) => rows.len(),
            Change::Judged(_, rows) => rows.len(),
            Change::Scores(rows) => rows.len(),
            Change::Refused(rows) => rows.len(),
        } as u64;
    }
}

/// Small numbers far more often than large ones.
fn skewed(rng: &mut Rng, limit: u64) -> u64 {
    rng.below(limit) * rng.below(limit) / limit
}

fn play(rng: &mut Rng, ended_at: i64) -> KeyedPlay {
    let account = skewed(rng, ACCOUNTS);
    KeyedPlay {
        ended_at,
        account: Key(account),
        track: Key(skewed(rng, TRACKS)),
        // Households of two.
        device: Key(account / 2),
        ip_prefix: Key(account % 5_000),
        playlist: if rng.below(3) == 0 { Key(rng.below(2_000)) } else { Key::NONE },
        played_ms: 20_000 + rng.below(200_000) as u32,
        asn: (account % 300) as u32,
        country: Country::from_number(1 + (account % 60) as u32),
        source: Source::Library,
        marks: 0,
    }
}

/// The dataflow with its ends, refresh by refresh.
struct Refresher<'a> {
    worker: &'a mut Worker,
    ends: Ends,
    stated: Stated,
    next: Tick,
}

impl Refresher<'_> {
    /// Sends what arrives before the next refresh and waits until it is stated; returns microseconds and rows.
    fn refresh(&mut self, inflows: impl IntoIterator<Item = Inflow>) -> (u64, u64) {
        let before = *self.stated.0.borrow();
        self.ends.advance_to(self.next);
        let started = Instant::now();
        inflows.into_iter().for_each(|inflow| self.ends.plays.send(inflow));
        self.next += 1;
        let next = self.next;
        self.ends.advance_to(next);
        let watermark = &self.ends.watermark;
        self.worker.step_while(|| watermark.less_than(&next));
        (started.elapsed().as_micros() as u64, *self.stated.0.borrow() - before)
    }

    fn skip_to(&mut self, tick: Tick) {
        self.next = tick;
        self.ends.advance_to(tick);
        let watermark = &self.ends.watermark;
        self.worker.step_while(|| watermark.less_than(&tick));
    }
}

fn plan() -> Plan {
    let clock = Clock::new(MINUTE_MS);
    let windows = [DAY_MS / 24, DAY_MS, 7 * DAY_MS, 28 * DAY_MS];
    Plan {
        clock,
        windows: windows.iter().filter_map(|ms| clock.ticks_in(*ms)).collect(),
        axes: Axis::ALL.to_vec(),
        links: vec![LinkKind::Device],
        hub: 50,
        lockstep: true,
        profiles: false,
        audiences: None,
        scores: Vec::new(),
        sequences: None,
        network: None,
        judging: Vec::new(),
        wanted: None,
        until: clock.first_after(8 * DAY_MS),
        every_tick: true,
        living: false,
    }
}

fn listing(track: u64) -> Inflow {
    let artist = track % ARTISTS;
    let [artist, uploader, distributor] = [artist, artist / 4, artist % 50].map(Key);
    Inflow::Track(Listing { track: Key(track), artist, uploader, distributor, uploaded_at: None, valid_from: None })
}

/// The value below which this share of the sorted values lies.
fn share(sorted: &[u64], share: f64) -> u64 {
    sorted.get((sorted.len() as f64 * share) as usize).or(sorted.last()).copied().unwrap_or(0)
}

fn measure(worker: &mut Worker, options: &Options) -> serde_json::Value {
    let stated = Stated::default();
    let context = Context { names: Arc::new(Numbers), payments: Arc::new(|_| Key::NONE), habits: None, ties: None };
    let kept = stated.clone();
    let ends = build(worker, &plan(), &context, || Box::new(kept));
    let mut river = Refresher { worker, ends, stated, next: 0 };
    let rng = &mut Rng::new(options.seed, 0);

    let started = Instant::now();
    river.refresh((0..TRACKS).map(listing));
    let minutes = (DAY_MS / MINUTE_MS) as u64;
    let mut doubted = Vec::new();
    for minute in 0..minutes {
        let mut plays = Vec::new();
        for _ in 0..options.plays / minutes {
            let within_ms = rng.below(MINUTE_MS as u64) as i64;
            let mut play = play(rng, minute as i64 * MINUTE_MS + within_ms);
            if doubted.len() < MEASURED as usize && rng.below(options.plays / (2 * MEASURED)) == 0 {
                play.marks = KeyedPlay::REVOCABLE;
                doubted.push(play);
            }
            plays.push(Inflow::Play(play, true));
        }
        river.refresh(plays);
    }
    river.skip_to(6 * minutes);
    let day_ms = started.elapsed().as_millis() as u64;

    let (mut quiet_us, mut corrected_us, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for play in doubted {
        quiet_us.push(river.refresh([]).0);
        let (took_us, stated) = river.refresh([Inflow::Play(play, false)]);
        corrected_us.push(took_us);
        rows.push(stated);
    }
    for values in [&mut quiet_us, &mut corrected_us, &mut rows] {
        values.sort_unstable();
    }
    json!({
        "plays": options.plays,
        "taking_in_the_day_ms": day_ms,
        "corrections": corrected_us.len(),
        "quiet_refresh_us": {"p50": share(&quiet_us, 0.5), "p99": share(&quiet_us, 0.99)},
        "corrected_refresh_us": {"p50": share(&corrected_us, 0.5), "p99": share(&corrected_us, 0.99)},
        "rows_stated": {"p50": share(&rows, 0.5), "p99": share(&rows, 0.99), "max": rows.last()},
    })
}

fn main() -> Result<(), Error> {
    let options = Options::parse();
    println!("{:#}", timely::execute_directly(move |worker| measure(worker, &options)));
    Ok(())
}
