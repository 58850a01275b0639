//! Feeds the first worker from the log, entry by entry: the only way into the dataflow of a living service.
//!
//! ```text
//! log ──▶ entries known? skipped ──▶ rows by the tick at which they count ──▶ "all until then is in" ──▶ ticks up to then
//! ```
//!
//! A row counts from the tick of its arrival on; one that comes late, from the first tick that is not stated yet. So
//! what is stated depends on the log alone, and a service that starts again states the same. It need not state all of it again:
//! before the tick at which it goes on, rows are sent tick by tick, and nobody waits for results.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataflows::admit::{Assertion, Claim};
use dataflows::clock::{Clock, Tick};
use dataflows::risk::Entry;
use dataflows::river::{Change, Ends, Ledger};
use dataflows::windows::Inflow;
use datasets::arrivals::{Grouping, Hearing, Incoming, Listing, News, Suspect, Tier, Told};
use datasets::log::{self, Durable, LogError, Offsets, Reader};
use features::condition::Cell;
use records::{Code, Id, Key, Millis, Refusal, Subject, Territory};
use timely::worker::Worker;

use super::places::{Place, Places};
use crate::exit::Failure;
use crate::replay::attributes::Attributes;
use crate::replay::deliveries::Delivered;
use crate::replay::docket::Who;
use crate::replay::drive::{Next, Source};
use crate::replay::evidence::{Sounding, Words};
use crate::replay::feed::{claim, listed};
use crate::replay::judge::{Segments, release};
use crate::replay::rulings::Rulings;
use crate::replay::watch::{Turning, Watch};

/// How long the log is waited for before somebody looks whether the service is to end.
const WAIT: Duration = Duration::from_millis(20);
/// So many rows are sent before somebody waits until they are taken, where nobody wants results yet.
const STRIDE_ROWS: usize = 1 << 15;
/// So many rows of the catalogue are told at once.
const LISTED_ROWS: usize = 1 << 12;
/// A row that says it arrives later than so much after what is stated has a wrong clock.
const AHEAD_MS: Millis = 24 * 3_600_000;

/// What the workers and the gate know of each other.
#[derive(Default)]
pub struct Progress {
    /// Nothing more is fed.
    pub stopping: AtomicBool,
    /// The folder that was followed has ended, and nobody tells any more how late it is.
    pub is_over: AtomicBool,
    /// Nothing more is fed to this dataflow; another one follows.
    pub turning: AtomicBool,
    /// Everything is stated that was in the log when this dataflow had read it.
    pub is_complete: AtomicBool,
    /// So many times policies were activated and taken up meanwhile.
    pub policies_taken_up: AtomicU64,
    /// Why what is activated is not what decides.
    pub policy_refused: Mutex<Option<String>>,
    /// So many times another champion was taken up meanwhile.
    pub models_taken_up: AtomicU64,
    /// Why the champion of the registry is not what scores.
    pub model_refused: Mutex<Option<String>>,
    /// The first worker sends nothing any more, and waits for nobody.
    pub ended: AtomicBool,
    /// The first worker sends nothing before this tick any more.
    pub open: AtomicU64,
    /// The last entry of the log that was read.
    pub entries: AtomicU64,
    /// The last entry after which everything that it completed is stated.
    pub stated_entries: AtomicU64,
    /// For how long, in milliseconds, the oldest entry waits that is durable and not stated.
    pub behind_ms: AtomicU64,
    /// Plays read into the dataflow.
    pub plays: AtomicU64,
    /// Plays of entries up to this one will never count again, also where the service starts again.
    pub needless: AtomicU64,
}

impl Progress {
    /// Another dataflow begins with the first entry. What was stated stays so.
    pub fn begin(&self) {
        self.turning.store(false, Ordering::Relaxed);
        self.is_complete.store(false, Ordering::Release);
        self.plays.store(0, Ordering::Relaxed);
        self.open.store(0, Ordering::Release);
        self.ended.store(false, Ordering::Release);
    }

    /// Whether the first worker is to read on.
    fn goes_on(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && !self.turning.load(Ordering::Relaxed)
    }

    /// Notes why what is activated cannot decide, and tells it; or that it does.
    pub fn refuse_policy(&self, why: Option<String>) {
        if let Some(why) = &why {
            eprintln!("What was activated is not taken up, the policies before it go on: {why}");
        }
        *self.policy_refused.lock().expect("nobody panics with it") = why;
    }

    /// Notes why the champion of the registry cannot score, and tells it where that is new; or that it does. Whether it was new.
    pub fn refuse_model(&self, why: Option<String>) -> bool {
        let mut known = self.model_refused.lock().expect("nobody panics with it");
        let is_new = *known != why;
        if let Some(why) = why.as_ref().filter(|_| is_new) {
            eprintln!("The champion of the registry is not taken up, the model before it goes on: {why}");
        }
        *known = why;
        is_new
    }
}

/// What the first worker tells whoever keeps the views.
pub enum Said {
    /// Something changed at the tick, which is stated next.
    Change(Tick, Change),
    /// Waves begin, last longer or end at the tick; told before its changes.
    Turning(Tick, Turning),
    /// What comes into force at the tick and does not pass through the dataflow, or not alone.
    Delivered(Tick, Delivered),
    /// All changes of ticks up to this one were told; plays of entries up to that one count at none after it.
    Stated(Tick, u64),
    /// With that everything is stated that entries up to this one complete.
    Complete(u64),
}

/// Sends what changes to whoever keeps the views.
pub struct Courier(pub SyncSender<Said>);

impl Ledger for Courier {
    fn enter(&mut self, tick: Tick, change: Change) {
        // A closed channel means that the service ends.
        let _ = self.0.send(Said::Change(tick, change));
    }
}

/// A row of the catalogue.
struct Listed {
    row: Listing,
    /// What rules read of it.
    cells: Option<Vec<Cell>>,
    /// What the track is called, where somebody asks.
    title: Option<String>,
}

/// What counts from a tick on.
#[derive(Default)]
struct Held {
    claims: Vec<Claim>,
    /// Rows of the catalogue.
    listings: Vec<Listed>,
    /// What rules read of accounts.
    accounts: Vec<(Key, Vec<Cell>)>,
    tiers: Vec<Tier>,
    /// Accounts, by the numbers of their territories.
    territories: Vec<(Key, u16)>,
    refusals: Vec<Refusal>,
    /// Subjects about whom other rulings may be in force.
    ruled: BTreeSet<Who>,
    hearings: Vec<Hearing>,
    groupings: Vec<Grouping>,
    /// Playlists and their owners.
    playlists: Vec<(Id, Id)>,
    /// What of waves turns; it is known when everything of the tick is.
    turning: Option<Turning>,
}

impl Held {
    fn add(&mut self, other: Held) {
        let Held { claims, listings, accounts, tiers, refusals, ruled, hearings, groupings, .. } = other;
        let Held { playlists, turning, territories, .. } = other;
        self.playlists.extend(playlists);
        self.territories.extend(territories);
        self.accounts.extend(accounts);
        self.turning = turning.or(self.turning.take());
        self.claims.extend(claims);
        self.listings.extend(listings);
        self.tiers.extend(tiers);
        self.refusals.extend(refusals);
        self.ruled.extend(ruled);
        self.hearings.extend(hearings);
        self.groupings.extend(groupings);
    }
}

/// What of the catalogue is in force.
#[derive(Default)]
struct InForce {
    tracks: HashMap<Key, Option<Millis>>,
    tiers: HashMap<Key, Option<Millis>>,
}

/// What is asked of the log.
pub struct Questions {
    /// The instants as of which something is stated.
    pub clock: Clock,
    /// So many ticks after its end, or its arrival, a play is kept.
    pub kept: Tick,
    /// The tiers and territories that have numbers of their own, where somebody judges.
    pub segments: Option<Segments>,
    /// Gives what was heard in words a number.
    pub words: Arc<Words>,
    /// Where it stands, for who asks later.
    pub places: Arc<Places>,
    /// Which waves there are, where a policy has some.
    pub watch: Option<Watch>,
    /// What rules read of the catalogue and of accounts.
    pub attributes: Attributes,
    /// Whether whoever keeps the views is to be told what comes into force, and what tracks are called besides.
    pub delivers: Option<bool>,
}

/// The log, as the first worker reads it.
pub struct FromLog {
    reader: Reader,
    durable: Arc<Durable>,
    incoming: Incoming,
    segments: Option<Segments>,
    clock: Clock,
    offsets: Offsets,
    progress: Arc<Progress>,
    said: SyncSender<Said>,
    held: BTreeMap<Tick, Held>,
    /// Rows of the catalogue that came before the first play, by the instant from which they are in force.
    early: Vec<(Option<Millis>, Held)>,
    /// Everything of ticks up to this one is in the log.
    complete: Option<Tick>,
    stated: Option<Tick>,
    in_force: InForce,
    rulings: Rulings,
    sounding: Sounding,
    watch: Option<Watch>,
    attributes: Attributes,
    delivers: Option<bool>,
    places: Arc<Places>,
    entry: u64,
    /// The last entry of which was told that everything that it completes is stated.
    told: u64,
    /// So many ticks after its end, or its arrival, a play is kept.
    kept: Tick,
    /// Entries with plays, and the tick from which on none of them can count.
    needed_until: VecDeque<(u64, Tick)>,
    /// The first tick that is stated, and the entry that completed it, where a service goes on.
    goes_on: Option<(Tick, u64)>,
    /// Rows that were sent, and for which nobody waited.
    unawaited: usize,
}

impl FromLog {
    /// The log from its first entry on. Nothing is stated before the tick of `goes_on`, which that entry completes.
    pub fn new(
        (reader, durable): (Reader, Arc<Durable>),
        incoming: Incoming,
        questions: Questions,
        progress: Arc<Progress>,
        said: SyncSender<Said>,
        goes_on: Option<(Tick, u64)>,
    ) -> FromLog {
        let Questions { clock, kept, segments, words, places, watch, attributes, delivers } = questions;
        FromLog {
            reader,
            durable,
            incoming,
            segments,
            clock,
            offsets: Offsets::new(),
            progress,
            said,
            held: BTreeMap::new(),
            early: Vec::new(),
            complete: None,
            stated: None,
            in_force: InForce::default(),
            rulings: Rulings::new(clock, None),
            sounding: Sounding::new(words),
            watch,
            attributes,
            delivers,
            places,
            entry: 0,
            told: 0,
            kept,
            needed_until: VecDeque::new(),
            goes_on,
            unawaited: 0,
        }
    }

    /// The tick before which nobody wants results, as long as there is one.
    fn catches_up(&self) -> Option<Tick> {
        let (tick, _) = self.goes_on?;
        self.stated.is_none_or(|stated| stated < tick).then_some(tick)
    }

    /// Whether the log is the one of which it was said how far it was.
    fn must_go_on(&self, number: u64) -> Result<(), Failure> {
        match self.goes_on {
            Some((tick, entry)) if self.entry <= entry && entry < number && self.complete != Some(tick) => {
                Err(Failure::Input(format!(
                    "since.json: at entry {entry} of the log everything is in up to {:?}; expected {tick}. It belongs to another log: \
                     remove it, and start again",
                    self.complete
                )))
            }
            _ => Ok(()),
        }
    }

    /// The tick from which something counts that happened at the instant.
    fn tick(&self, at: Millis) -> Tick {
        let first = self.clock.first_after(at);
        self.complete.map_or(first, |complete| first.max(complete + 1))
    }

    fn held(&mut self, tick: Tick) -> &mut Held {
        self.held.entry(tick).or_default()
    }

    /// What comes into force at an instant, or has always been: until the first tick is known, it waits.
    fn hold_dated(&mut self, valid_from: Option<Millis>, put: impl FnOnce(&mut Held)) {
        match self.complete {
            Some(_) => {
                let tick = self.tick(valid_from.unwrap_or(Millis::MIN));
                put(self.held(tick));
            }
            None => {
                let mut held = Held::default();
                put(&mut held);
                self.early.push((valid_from, held));
            }
        }
    }

    fn read(&mut self, number: u64, entry: &log::Entry) {
        self.entry = number;
        if entry.is_known(&self.offsets) {
            return;
        }
        entry.note(&mut self.offsets);
        if let Some(rows) = &entry.rows {
            let (news, refusals) = self.incoming.read(number, rows).unwrap_or_else(|error| {
                // It could be read when it was taken in; that it cannot any more is told, and stops nothing.
                let (source, file) = (rows.table.to_owned(), format!("log entry {number}"));
                let reason = format!("no row of it can be read: {error}");
                (News::Noted, vec![Refusal { source, file, row: 0, code: Code::Malformed, reason, raw: None }])
            });
            let now = self.complete.map_or(0, |complete| complete + 1);
            let told = self.incoming.take_told();
            self.take(number, news, &told);
            self.watch.iter_mut().for_each(|watch| watch.hear(self.incoming.take_dated()));
            if !refusals.is_empty() {
                self.hold_refusals(now, refusals);
            }
        }
        if let Some(until) = entry.until {
            self.complete_until(until);
        }
    }

    /// Where a row stands that comes into force at the instant, or has always been.
    fn place(&self, valid_from: Option<Millis>, entry: u64, row: u32) -> Place {
        // Entries are numbered from 1 on and 2^32 of them fill no disk of ours.
        Place { from: self.tick(valid_from.unwrap_or(Millis::MIN)), entry: entry as u32, row }
    }

    fn hold_refusals(&mut self, now: Tick, refusals: Vec<Refusal>) {
        match self.complete {
            Some(_) => self.held(now).refusals.extend(refusals),
            None => self.early.push((None, Held { refusals, ..Held::default() })),
        }
    }

    fn take(&mut self, number: u64, news: News, told: &Told) {
        match news {
            News::Plays(plays) => {
                self.progress.plays.fetch_add(plays.len() as u64, Ordering::Relaxed);
                let end = |play: &Suspect| self.tick(play.at).max(self.clock.first_after(play.play.ended_at));
                if let Some(last) = plays.iter().map(end).max() {
                    self.needed_until.push_back((number, last + self.kept + 1));
                }
                let latest = self.complete.map_or(Millis::MAX, |complete| self.clock.instant(complete) + AHEAD_MS);
                for play in plays {
                    if play.at > latest {
                        let refusal = too_early(number, play.row, play.at);
                        let now = self.complete.map_or(0, |complete| complete + 1);
                        self.hold_refusals(now, vec![refusal]);
                        continue;
                    }
                    // Of two rows of one id the first one counts: one that comes late comes after what is stated, whatever it says.
                    let at = self.complete.map_or(play.at, |complete| play.at.max(self.clock.instant(complete)));
                    let tick = self.tick(at);
                    // Entries are numbered from 1 on and 2^32 of them fill no disk of ours.
                    self.held(tick).claims.push(claim(number as u32, Suspect { at, ..play }));
                }
            }
            News::Corrections(corrections) => {
                for (play_id, at) in corrections {
                    let tick = self.tick(at);
                    let claim = Claim { play_id, occurrences: u32::MAX, what: Assertion::Corrected };
                    self.held(tick).claims.push(claim);
                }
            }
            News::Listings(listings) => {
                let mut told = told.tracks.iter();
                for (place, row, words) in listings {
                    let asks_title = self.delivers == Some(true);
                    let title = if asks_title { words.title.clone() } else { None };
                    self.places.list(&row, words, self.place(row.valid_from, number, place));
                    let cells = told.next().and_then(|row| self.attributes.track(row));
                    self.hold_dated(row.valid_from, |held| held.listings.push(Listed { row, cells, title }));
                }
            }
            News::Accounts(accounts) => {
                let named = self.segments.as_ref().filter(|segments| !segments.territories().is_empty());
                if let Some(segments) = named {
                    let number = |country: &str| segments.of_territory(Territory::of(country));
                    let home =
                        |(account, country): &(Key, Option<String>)| (*account, country.as_deref().map_or(0, number));
                    let homes: Vec<(Key, u16)> = accounts.iter().map(home).collect();
                    // The row has no date: it is in force from when it is known.
                    self.hold_dated(None, |held| held.territories.extend(homes));
                }
                self.places.register(accounts);
                let cells = told.accounts.iter().filter_map(|(key, row)| Some((*key, self.attributes.account(row)?)));
                let cells: Vec<(Key, Vec<Cell>)> = cells.collect();
                if !cells.is_empty() {
                    self.hold_dated(None, |held| held.accounts.extend(cells));
                }
            }
            News::Tiers(tiers) => {
                for row in tiers {
                    self.hold_dated(row.valid_from, |held| held.tiers.push(row));
                }
            }
            News::Rulings(rulings) => {
                for (who, ruling) in rulings {
                    for tick in self.rulings.take(who, ruling) {
                        // As of its instant and not after it, as what is dated is otherwise.
                        let at = self.clock.instant(tick) - 1;
                        self.hold_dated(Some(at), |held| _ = held.ruled.insert(who));
                    }
                }
            }
            News::Hearings(hearings) => {
                for (place, row) in hearings {
                    // What was known before the beginning of time was always known.
                    let known_at = row.known_at.max(0);
                    self.places.hear(row.content, self.place(Some(known_at), number, place));
                    self.hold_dated(Some(known_at), |held| held.hearings.push(row));
                }
            }
            News::Groupings(groupings) => {
                for row in groupings {
                    self.hold_dated(Some(row.known_at.max(0)), |held| held.groupings.push(row));
                }
            }
            News::Playlists(playlists) => {
                if self.delivers.is_some() {
                    // As it has no date, whose it is counts from when it is known.
                    self.hold_dated(None, |held| held.playlists.extend(playlists));
                }
            }
            News::Noted => {}
        }
    }

    /// All that arrived before the instant is in.
    fn complete_until(&mut self, until: Millis) {
        let Some(tick) = self.clock.first_after(until).checked_sub(1) else { return };
        if self.complete.is_some_and(|complete| complete >= tick) {
            return;
        }
        let first = match self.complete {
            Some(complete) => complete + 1,
            None => {
                let first = self.held.keys().next().copied().unwrap_or(tick).min(tick);
                for (valid_from, early) in std::mem::take(&mut self.early) {
                    let at = valid_from.map_or(0, |instant| self.clock.first_after(instant)).max(first);
                    self.held(at).add(early);
                }
                first
            }
        };
        self.complete = Some(tick);
        let turnings = self.watch.as_mut().map(|watch| watch.look(first, tick)).unwrap_or_default();
        turnings.into_iter().for_each(|(tick, turning)| self.held(tick).turning = Some(turning));
    }

    fn deliver(&self, tick: Tick, delivered: Delivered) {
        if !delivered.is_empty() {
            // A closed channel means that the service ends.
            let _ = self.said.send(Said::Delivered(tick, delivered));
        }
    }

    fn damaged(error: LogError) -> Failure {
        Failure::Input(format!("log: {error}"))
    }
}

fn too_early(entry: u64, row: u64, at: Millis) -> Refusal {
    let reason = format!("it arrives at {at} ms, more than 24 hours after what is stated; a clock is wrong");
    let (source, file) = ("plays".to_owned(), format!("log entry {entry}"));
    Refusal { source, file, row, code: Code::OutOfRange, reason, raw: None }
}

impl Source for FromLog {
    fn next(&mut self, _worker: &mut Worker) -> Result<Next, Failure> {
        loop {
            if !self.progress.goes_on() {
                return Ok(Next::End);
            }
            let goes_on = self.catches_up();
            if let Some(complete) = self.complete.filter(|complete| self.stated.is_none_or(|stated| stated < *complete))
            {
                // The tick at which it goes on is stated, whatever happens at it.
                let next = goes_on.map_or(complete, |tick| tick.min(complete));
                let waiting = self.held.keys().next().copied().filter(|tick| *tick <= next);
                match waiting {
                    Some(waiting) => return Ok(Next::At(waiting)),
                    None if goes_on.is_some_and(|tick| next < tick) => self.stated = Some(next),
                    None => return Ok(Next::At(next)),
                }
            }
            if goes_on.is_none() && self.told < self.entry {
                self.told = self.entry;
                let _ = self.said.send(Said::Complete(self.entry));
            }
            let durable = self.durable.wait_beyond(self.entry, WAIT);
            match self.reader.next(durable).map_err(FromLog::damaged)? {
                Some((number, entry)) => {
                    self.must_go_on(number)?;
                    self.read(number, &entry);
                    self.progress.entries.fetch_max(number, Ordering::Release);
                }
                None => return Ok(Next::Later),
            }
        }
    }

    fn send(&mut self, tick: Tick, ends: &mut Ends) -> Result<(), Failure> {
        let held = self.held.remove(&tick).unwrap_or_default();
        let Held { claims, mut listings, mut accounts, mut tiers, territories, refusals, ruled, .. } = held;
        let Held { hearings, groupings, playlists, turning, .. } = held;
        let mut delivered = Delivered { owned: playlists, ..Delivered::default() };
        turning.into_iter().for_each(|turning| _ = self.said.send(Said::Turning(tick, turning)));
        self.unawaited += claims.len() + listings.len() + accounts.len() + tiers.len() + territories.len();
        self.unawaited += hearings.len() + groupings.len() + 1;
        claims.into_iter().for_each(|claim| ends.claims.send(claim));
        refusals.into_iter().for_each(|refusal| ends.refusals.send(refusal));
        // Of the rows of a track that come into force at one tick only the latest does, and none after a later one. Of two
        // that are in force from the same instant on the one that came last is meant.
        listings.reverse();
        listings.sort_by_key(|Listed { row, .. }| (row.track, std::cmp::Reverse(row.valid_from)));
        listings.dedup_by_key(|Listed { row, .. }| row.track);
        for Listed { row, cells, title } in listings {
            let in_force = self.in_force.tracks.entry(row.track).or_insert(row.valid_from);
            if *in_force <= row.valid_from {
                *in_force = row.valid_from;
                ends.plays.send(Inflow::Track(listed(&row)));
                if let Some(segments) = &self.segments {
                    ends.entries.send(Entry::Release(row.track, release(&row, segments)));
                }
                cells.into_iter().for_each(|cells| ends.entries.send(Entry::Told(Subject::Track, row.track, cells)));
                if self.delivers.is_some() {
                    delivered.listed.push((row, title));
                    if delivered.listed.len() == LISTED_ROWS {
                        self.deliver(tick, std::mem::take(&mut delivered));
                    }
                }
            }
        }
        // Of the rows of an account the one that came last is meant.
        accounts.reverse();
        accounts.sort_by_key(|(account, _)| *account);
        accounts.dedup_by_key(|(account, _)| *account);
        for (account, cells) in accounts {
            ends.entries.send(Entry::Told(Subject::Account, account, cells));
        }
        tiers.reverse();
        tiers.sort_by_key(|row| (row.distributor, std::cmp::Reverse(row.valid_from)));
        tiers.dedup_by_key(|row| row.distributor);
        for row in tiers {
            let in_force = self.in_force.tiers.entry(row.distributor).or_insert(row.valid_from);
            if *in_force <= row.valid_from {
                *in_force = row.valid_from;
                if let Some(segments) = &self.segments {
                    ends.entries.send(Entry::Segment(row.distributor, segments.of(&row)));
                }
            }
        }
        // Of two rows of an account the one that came last is meant.
        let homes: BTreeMap<Key, u16> = territories.into_iter().collect();
        homes.into_iter().for_each(|(account, home)| ends.entries.send(Entry::Territory(account, home)));
        if self.delivers.is_some() {
            delivered.heard.extend(hearings.iter().filter(|row| row.is_synthesis).cloned());
            self.deliver(tick, delivered);
        }
        let turns = ruled.into_iter().filter_map(|who| self.rulings.turn(who, tick));
        hearings.into_iter().for_each(|row| self.sounding.hear(row));
        groupings.into_iter().for_each(|row| self.sounding.group(row));
        let turns = turns.chain(self.sounding.turn());
        turns.filter(|_| self.segments.is_some()).for_each(|entry| ends.entries.send(entry));
        self.progress.open.store(tick + 1, Ordering::Release);
        Ok(())
    }

    /// Everything: what is stated is complete. Before anything is, only as much as keeps rows from piling up.
    fn awaits(&self, tick: Tick) -> Tick {
        let waits = self.unawaited >= STRIDE_ROWS || self.catches_up().is_none_or(|goes_on| tick >= goes_on);
        if waits { tick + 1 } else { 0 }
    }

    fn done(&mut self, tick: Tick, _took: Duration) {
        let goes_on = self.catches_up();
        if self.unawaited >= STRIDE_ROWS {
            self.unawaited = 0;
        }
        self.stated = Some(tick);
        while self.needed_until.pop_front_if(|(_, until)| *until <= tick).is_some() {}
        let needless = self.needed_until.front().map_or(self.entry, |(entry, _)| entry - 1);
        if goes_on.is_none_or(|goes_on| tick >= goes_on) {
            self.places.state();
            // A closed channel means that the service ends.
            let _ = self.said.send(Said::Stated(tick, needless));
        }
    }
}

/// The other workers, who read nothing: they keep up with the first one.
pub struct Follower {
    progress: Arc<Progress>,
    at: Tick,
}

impl Follower {
    /// A worker beside the first.
    pub fn new(progress: Arc<Progress>) -> Follower {
        Follower { progress, at: 0 }
    }
}

impl Source for Follower {
    fn next(&mut self, worker: &mut Worker) -> Result<Next, Failure> {
        // Not before the first worker: it may wait for what passes through this one.
        if self.progress.ended.load(Ordering::Acquire) {
            return Ok(Next::End);
        }
        let open = self.progress.open.load(Ordering::Acquire);
        if open > self.at {
            self.at = open;
            return Ok(Next::At(open - 1));
        }
        worker.step_or_park(Some(Duration::from_millis(1)));
        Ok(Next::Later)
    }

    fn send(&mut self, _tick: Tick, _ends: &mut Ends) -> Result<(), Failure> {
        Ok(())
    }

    /// Nothing: the first worker waits for all.
    fn awaits(&self, _tick: Tick) -> Tick {
        0
    }

    fn done(&mut self, _tick: Tick, _took: Duration) {}
}
