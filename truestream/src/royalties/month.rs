//! Reads a month out of plays, catalogue and tables of a replay, and shares its money.
//!
//! ```text
//! verdicts ──▶ courses ──┐
//! plays ─────────────────┴──▶ standing of each stream ──┬──▶ twelve months: streams, independent listeners ──▶ eligible?
//!                                                       └──▶ the month by account, track and day ──terms──▶ lines
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use datasets::tables::Inputs;
use datasets::tables::read::{IdKinds, id_kinds, read_table};
use features::apportion::divide;
use features::royalty::{self, Purse, Standing, Streams, eligible, stands};
use features::standing::Course;
use records::royalty::{Micros, Terms};
use records::{Account, Id, Millis, Source, Track};

use super::calendar::{DAY_MS, Month};
use super::streams::{Judged, Known, Stream, catalogue, each_stream, each_until, text_of};
use crate::exit::Failure;
use crate::verify::Settings;

/// A month that was closed.
pub struct Closed {
    /// All money.
    pub pool: Micros,
    /// What no stream has a claim to.
    pub left: Micros,
    /// The tracks with a stream in the month, by id.
    pub lines: Vec<Line>,
    /// Streams by day, counted from the first of the month, and place of the line.
    pub days: BTreeMap<(u32, u32), [u64; 4]>,
    /// What is known of the twelve months.
    pub year: Year,
}

/// What is known when a month is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// What people ruled, and corrections: up to this instant.
    pub at: Millis,
    /// The catalogue: up to this one, which is never later than the regular close, for tracks of which no row was in force when the month ended. Who
    /// delivers a track after the month, or takes it down, takes no money that another has earned.
    pub listed_at: Millis,
    /// Verdicts, and the plays that they judge: up to this one, which is never later. The tables tell it.
    pub judged_at: Millis,
}

/// The twelve months by which tracks are judged, and how much of them the data has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Year {
    /// Its days.
    pub days: u64,
    /// Those with a stream of anything.
    pub known: u64,
    /// The beginning of the first of them.
    pub first_ms: Option<Millis>,
}

impl Year {
    /// Whether what is missing could have judged tracks otherwise.
    pub fn is_part(&self) -> bool {
        self.known < self.days
    }
}

/// What the money of a track without a distributor waits for: somebody to pay.
pub const NO_DISTRIBUTOR: &str = "no_distributor";

/// A track.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its id as a text.
    pub track: String,
    /// Its row of the catalogue in force when the month ended, else the first that came into force by the regular close.
    pub artist: String,
    pub distributor: String,
    pub isrc: String,
    pub title: String,
    pub artist_name: String,
    /// In twelve months, without what was withheld.
    pub year_streams: u64,
    pub year_listeners: u64,
    /// How many it needs.
    pub listeners_needed: u64,
    /// Why it has no share.
    pub ineligible_because: Option<&'static str>,
    /// What its money waits for, whatever verdicts say.
    pub held_because: Option<&'static str>,
    /// Streams of the month.
    pub payable: u64,
    pub held: u64,
    pub withheld: u64,
    pub ineligible: u64,
    /// What is paid, and what waits.
    pub paid_micros: Micros,
    pub held_micros: Micros,
}

impl Line {
    /// Adds the counts and the money of another.
    pub fn add(&mut self, other: &Line) {
        self.payable += other.payable;
        self.held += other.held;
        self.withheld += other.withheld;
        self.ineligible += other.ineligible;
        self.paid_micros += other.paid_micros;
        self.held_micros += other.held_micros;
    }

    /// Whether it has no share by rules that go by twelve months.
    pub fn is_judged_by_the_year(&self) -> bool {
        [royalty::Ineligible::Streams, royalty::Ineligible::Listeners]
            .iter()
            .any(|why| self.ineligible_because == Some(why.name()))
    }

    /// All streams.
    pub fn streams(&self) -> u64 {
        self.payable + self.held + self.withheld + self.ineligible
    }
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// Closes the month.
///
/// # Errors
/// When an input cannot be read, or the tables were made of other files.
pub fn close(
    inputs: &Inputs,
    tables: &Path,
    settings: &Settings,
    terms: &Terms,
    month: Month,
    close: Close,
    pool: Option<Micros>,
) -> Result<Closed, Failure> {
    let kinds = id_kinds(inputs.by_table()).map_err(input)?;
    let catalogue = catalogue(inputs, &kinds, month.end_ms.min(close.listed_at), close.listed_at)?;
    let known = Known::read((tables, settings), (inputs, &kinds), &catalogue, close.at)?;
    let mut heard = Heard::new(circles(tables, close.at)?);
    listen(inputs, tables, &kinds, month, close, &known, &mut heard)?;
    let plans = plans(inputs, &kinds)?;
    let year = heard.year_of(month);
    Ok(Closed { year, ..shared(heard, &catalogue, &plans, terms, pool) })
}

fn plans(inputs: &Inputs, kinds: &IdKinds) -> Result<HashMap<Id, String>, Failure> {
    let mut plans = HashMap::new();
    let keep = |account: Account| {
        if let Some(plan) = account.plan {
            plans.insert(account.account_id, plan);
        }
    };
    read_table(&inputs.accounts, kinds, keep, &mut Vec::new()).map_err(input)?;
    Ok(plans)
}

/// Accounts that were ever linked, by the name of one of them.
fn circles(tables: &Path, close: Millis) -> Result<HashMap<String, String>, Failure> {
    let path = tables.join("account_group.parquet");
    let mut parents: HashMap<String, String> = HashMap::new();
    if path.is_file() {
        each_until(&path, &["account_id", "group_id"], close, |_, comes, row| {
            let [account, group] = [2, 3].map(|at| root(&parents, text_of(row.value(at))));
            if comes && account != group {
                parents.insert(account, group);
            }
        })?;
    }
    let accounts: Vec<String> = parents.keys().cloned().collect();
    Ok(accounts.into_iter().map(|account| (account.clone(), root(&parents, account))).collect())
}

fn root(parents: &HashMap<String, String>, mut account: String) -> String {
    while let Some(parent) = parents.get(&account) {
        account.clone_from(parent);
    }
    account
}

/// Numbers in the order in which ids were met.
#[derive(Default)]
struct Places {
    of: HashMap<Id, u32>,
    ids: Vec<Id>,
}

impl Places {
    fn of(&mut self, id: Id) -> u32 {
        let next = self.ids.len() as u32;
        *self.of.entry(id).or_insert_with_key(|id| {
            self.ids.push(id.clone());
            next
        })
    }

    /// The places in the order of the ids, by the places in which they were met.
    fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_by(|a, b| self.ids[*a].cmp(&self.ids[*b]));
        let mut places = vec![0; order.len()];
        order.into_iter().enumerate().for_each(|(place, met)| places[met] = place as u32);
        places
    }
}

/// What was heard.
struct Heard {
    accounts: Places,
    tracks: Places,
    circles: HashMap<String, String>,
    /// The circle of each account, by the first of its accounts that was met.
    circle_of: Vec<u32>,
    first_of_circle: HashMap<String, u32>,
    /// Streams of the twelve months, and who was behind them.
    year: Vec<(u64, HashSet<u32>)>,
    /// Its days with a stream, counted from its first.
    days: BTreeSet<u32>,
    /// Streams of the month by account, track, being chosen, day and standing.
    month: HashMap<(u32, u32, bool, u32, Standing), u64>,
}

impl Heard {
    fn new(circles: HashMap<String, String>) -> Heard {
        Heard {
            accounts: Places::default(),
            tracks: Places::default(),
            circles,
            circle_of: Vec::new(),
            first_of_circle: HashMap::new(),
            year: Vec::new(),
            days: BTreeSet::new(),
            month: HashMap::new(),
        }
    }

    fn year_of(&self, month: Month) -> Year {
        let start = month.year_start_ms();
        Year {
            days: ((month.end_ms - start) / DAY_MS).unsigned_abs(),
            known: self.days.len() as u64,
            first_ms: self.days.first().map(|day| start + i64::from(*day) * DAY_MS),
        }
    }

    fn account(&mut self, id: Id) -> u32 {
        let place = self.accounts.of(id);
        if place as usize == self.circle_of.len() {
            let name = self.accounts.ids[place as usize].to_string();
            let circle = self.circles.get(&name).cloned().unwrap_or(name);
            self.circle_of.push(*self.first_of_circle.entry(circle).or_insert(place));
        }
        place
    }
}

/// Hears every stream of the twelve months that is known at the close.
fn listen(
    inputs: &Inputs,
    tables: &Path,
    kinds: &IdKinds,
    month: Month,
    close: Close,
    known: &Known,
    heard: &mut Heard,
) -> Result<(), Failure> {
    let mut judged: Vec<Judged> = Vec::new();
    let mut course_of: Vec<Option<&Course>> = Vec::new();
    each_stream(inputs, tables, kinds, month.year_start_ms()..month.end_ms, close.at, |stream| {
        let Stream { ended_at, arrived_at, source, .. } = stream;
        if arrived_at >= close.judged_at {
            return; // No verdict could speak about it.
        }
        heard.days.insert(((ended_at - month.year_start_ms()) / DAY_MS) as u32);
        let is_chosen = matches!(source, Source::Search | Source::Library);
        let (account, track) = (heard.account(stream.account), heard.tracks.of(stream.track));
        if course_of.len() <= account as usize {
            course_of.push(known.of_account(&heard.accounts.ids[account as usize]));
        }
        if judged.len() <= track as usize {
            judged.push(known.judged(&heard.tracks.ids[track as usize]));
            heard.year.push(Default::default());
        }
        let standing = known.standing(ended_at, course_of[account as usize], &judged[track as usize]);
        if standing != Standing::Withheld {
            let (streams, circles) = &mut heard.year[track as usize];
            *streams += 1;
            circles.insert(heard.circle_of[account as usize]);
        }
        if ended_at >= month.start_ms {
            let day = ((ended_at - month.start_ms) / DAY_MS) as u32;
            *heard.month.entry((account, track, is_chosen, day, standing)).or_default() += 1;
        }
    })
}

/// Shares the money, in the order of ids.
fn shared(
    heard: Heard,
    catalogue: &HashMap<Id, Track>,
    plans: &HashMap<Id, String>,
    terms: &Terms,
    pool: Option<Micros>,
) -> Closed {
    let (accounts, tracks) = (heard.accounts.sorted(), heard.tracks.sorted());
    let mut lines = vec![Line::default(); tracks.len()];
    let mut facts = vec![royalty::Track { artist: None, weight: records::policy::Percent::whole() }; tracks.len()];
    let mut artists = Places::default();
    let mut by_id: Vec<usize> = (0..tracks.len()).collect();
    by_id.sort_by_key(|met| tracks[*met]);
    for met in by_id {
        let (track, (year_streams, circles)) = (&heard.tracks.ids[met], &heard.year[met]);
        let row = catalogue.get(track);
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        let of_id = |value: Option<&Id>| value.map(ToString::to_string).unwrap_or_default();
        // A blank names nobody who could be paid.
        let distributor = row.and_then(|row| row.distributor_id.as_ref()).map(ToString::to_string);
        let distributor = distributor.filter(|id| !id.trim().is_empty());
        let year_listeners = circles.len() as u64;
        let genre = row.and_then(|row| row.genre.as_deref());
        let seconds = row.and_then(|row| row.duration_ms).map(|ms| ms / 1_000);
        let weight = eligible(terms, (*year_streams, year_listeners), genre, seconds);
        let place = tracks[met] as usize;
        facts[place] = royalty::Track {
            artist: row.and_then(|row| row.artist_id.clone()).map(|artist| artists.of(artist)),
            weight: weight.unwrap_or_default(),
        };
        lines[place] = Line {
            track: track.to_string(),
            artist: of_id(row.and_then(|row| row.artist_id.as_ref())),
            held_because: distributor.is_none().then_some(NO_DISTRIBUTOR),
            distributor: distributor.unwrap_or_default(),
            isrc: text(row.and_then(|row| row.isrc.as_ref())),
            title: text(row.and_then(|row| row.title.as_ref())),
            artist_name: text(row.and_then(|row| row.artist_name.as_ref())),
            year_streams: *year_streams,
            year_listeners,
            listeners_needed: royalty::listeners_needed(&terms.threshold, *year_streams),
            ineligible_because: weight.err().map(royalty::Ineligible::name),
            ..Line::default()
        };
    }
    let mut days: BTreeMap<(u32, u32), [u64; 4]> = BTreeMap::new();
    let mut streams: BTreeMap<(u32, u32, bool, Standing), u64> = BTreeMap::new();
    for ((account, track, chosen, day, standing), count) in heard.month {
        let (account, track) = (accounts[account as usize], tracks[track as usize]);
        let line = &mut lines[track as usize];
        let standing = stands(standing, line.ineligible_because.is_none(), line.held_because.is_none());
        let of_line = match standing {
            Standing::Payable => &mut line.payable,
            Standing::Held => &mut line.held,
            Standing::Withheld => &mut line.withheld,
            Standing::Ineligible => &mut line.ineligible,
        };
        *of_line += count;
        days.entry((day, track)).or_default()[standing as usize] += count;
        *streams.entry((account, track, chosen, standing)).or_default() += count;
    }
    let mut purses = vec![Purse::default(); accounts.len()];
    for (account, ..) in streams.keys() {
        purses[*account as usize].money = 1;
    }
    let mut places: HashMap<Option<&str>, u32> = HashMap::new();
    for (met, id) in heard.accounts.ids.iter().enumerate() {
        let (plan, next) = (terms.plan(plans.get(id).map(String::as_str)), places.len() as u32);
        let purse = &mut purses[accounts[met] as usize];
        purse.plan = *places.entry(plan).or_insert(next);
        // Who streamed nothing in the month is not known to have paid for it.
        purse.money *= terms.brings(plan);
    }
    if let Some(pool) = pool {
        let money: Vec<Micros> = purses.iter().map(|purse| purse.money).collect();
        purses.iter_mut().zip(divide(pool, &money)).for_each(|(purse, money)| purse.money = money);
    }
    let given: Micros = purses.iter().map(|purse| purse.money).sum();
    let streams: Vec<Streams> = streams
        .into_iter()
        .map(|((account, track, chosen, standing), count)| Streams { account, track, chosen, standing, count })
        .collect();
    let shared = royalty::share(terms, &purses, &facts, &streams);
    for (line, payment) in lines.iter_mut().zip(shared.payments) {
        (line.paid_micros, line.held_micros) = (payment.payable, payment.held);
    }
    let mut closed = Closed { pool: pool.unwrap_or(given), left: shared.left, lines, days, year: Year::default() };
    closed.left += closed.pool - given;
    closed.keep_heard();
    closed
}

impl Closed {
    /// The same for closes of which every line and day is the same.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        self.lines.iter().for_each(|line| _ = hasher.update(format!("{line:?}\n").as_bytes()));
        self.days.iter().for_each(|day| _ = hasher.update(format!("{day:?}\n").as_bytes()));
        hasher.finalize().to_hex().to_string()
    }

    /// Leaves out tracks without a stream in the month.
    fn keep_heard(&mut self) {
        let mut places = vec![None; self.lines.len()];
        let mut next = 0;
        for (place, line) in self.lines.iter().enumerate() {
            if line.streams() > 0 {
                places[place] = Some(next);
                next += 1;
            }
        }
        self.lines.retain(|line| line.streams() > 0);
        let days = std::mem::take(&mut self.days);
        let placed = |((day, track), counts): ((u32, u32), [u64; 4])| Some(((day, places[track as usize]?), counts));
        self.days = days.into_iter().filter_map(placed).collect();
    }
}
