//! The whole dataflow: plays and catalogue in at one end, what changed in each view out at the other.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use features::cohort::ACCOUNTS;
use features::sequence::WINDOW_MS;
use features::tally::{Axis, Figures};
use models::temporal::Network;
use records::{Code, Key, KeyedPlay, Millis, Names, Refusal, Subject};
use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::dataflow::operators::probe::Handle as Watermark;
use timely::dataflow::operators::vec::{Input, Map};
use timely::dataflow::operators::{Concat, Concatenate, Inspect, Probe};
use timely::dataflow::{InputHandleVec, StreamVec};
use timely::worker::Worker;

use crate::admit::{self, Admission, Admit, Claim, Memory, Place};
use crate::audiences::{self, Audiences, audiences};
use crate::clock::{Clock, Tick};
use crate::cohorts;
use crate::company;
use crate::dossiers::{self, AccountNews, read_places};
use crate::groups::{Groups, MembershipChange};
use crate::habits::Habits;
use crate::keep::{Keep, keep};
use crate::links::{self, Link, LinkChange, LinkKind, Links, Use};
use crate::lockstep::{self, BUCKET_MS, Buckets, PairChange, Pairs, Step};
use crate::marks::Marks;
use crate::neighbours;
use crate::profiles::{ProfileChange, Profiles};
use crate::risk::listens;
use crate::risk::{self, Entry, JudgementChange, Judging, Sources};
use crate::scores::{ScoreChange, Scores, Side, Turns, has_network, networks};
use crate::sequences::{self, Asked, NetworkChange, Networks, SequenceChange, Sequences};
use crate::tallies::{self, Cadence, RowChange, Tallies};
use crate::ties::Ties;
use crate::windows::{Inflow, Turn, Windows};

/// Two accounts are linked by what both used in the last seven days (the contract of account_group).
pub const LINK_WINDOW_MS: i64 = 7 * 24 * 3_600_000;
/// Lockstep is counted over 24 hours (the contract of lockstep).
pub const LOCKSTEP_WINDOW_MS: i64 = 24 * 3_600_000;

/// What is to be computed.
#[derive(Clone)]
pub struct Plan {
    /// The refresh interval.
    pub clock: Clock,
    /// Window lengths of the window views in ticks, shortest first, each once.
    pub windows: Vec<Tick>,
    /// The window views that are wanted.
    pub axes: Vec<Axis>,
    /// What links two accounts; empty when no groups are wanted.
    pub links: Vec<LinkKind>,
    /// A link of more accounts is a hub.
    pub hub: u32,
    /// Whether lockstep is wanted.
    pub lockstep: bool,
    /// Whether the features of accounts are wanted; then groups and lockstep must be.
    pub profiles: bool,
    /// Whose features are wanted besides, if somebody's are; then groups and lockstep must be.
    pub audiences: Option<Audiences>,
    /// Whose sequences are wanted, if somebody's are.
    pub sequences: Option<Asked>,
    /// The network whose scores are wanted, whether or not subjects are judged.
    pub network: Option<Arc<Network>>,
    /// Whose scores are wanted, whether or not subjects are judged; then groups and lockstep must be.
    pub scores: Vec<(Side, Turns)>,
    /// How subjects are judged, if that is wanted; then groups and lockstep must be, and all window views are computed. More than
    /// one way where suspicion travels otherwise in the other; all of them read the same windows.
    pub judging: Vec<Judging>,
    /// The first tick of which results are wanted, where those before it are not: then little is computed for them.
    pub wanted: Option<Tick>,
    /// The last tick of the run.
    pub until: Tick,
    /// Whether every tick is wanted, or only the last.
    pub every_tick: bool,
    /// Whether plays come without an end: nobody knows beforehand which ids come again.
    pub living: bool,
}

impl Plan {
    /// The window views that are computed: those that are wanted, and those that judgements and features are made of.
    pub fn computed(&self) -> Vec<Axis> {
        let needs = |axis: &Axis| {
            !self.judging.is_empty()
                || self.axes.contains(axis)
                || (self.makes_features() && *axis == Axis::Account)
                || self.audiences.as_ref().is_some_and(|asked| asked.rests_on(*axis))
        };
        Axis::ALL.into_iter().filter(needs).collect()
    }

    /// What of the rows of a computed view somebody reads: all of it where they are shown, made features of or asked by rules.
    fn figures(&self, axis: Axis) -> Figures {
        let mut asked = self.judging.iter().flat_map(|judging| judging.clauses.iter());
        match self.axes.contains(&axis) || self.makes_features() || asked.any(|asked| asked.reads(axis)) {
            true => Figures::All,
            false => Figures::Judged,
        }
    }

    /// Whether it asks what the catalogue declares, row by row.
    pub fn asks_for_releases(&self) -> bool {
        !self.judging.is_empty() || self.audiences.as_ref().is_some_and(|asked| asked.copies)
    }

    /// Whether feature rows are made, for somebody to read or for a model to score.
    fn makes_features(&self) -> bool {
        self.profiles
            || self.audiences.is_some()
            || !self.scores.is_empty()
            || self.judging.iter().any(|judging| !judging.models.models.is_empty())
    }

    /// The lengths of the windows of the window views, shortest first.
    fn windows_ms(&self) -> Vec<Millis> {
        self.windows.iter().map(|ticks| self.clock.instant(*ticks) - self.clock.instant(0)).collect()
    }

    /// All window lengths that somebody needs, in ticks, shortest first.
    pub fn lengths(&self) -> Vec<Tick> {
        let mut lengths = self.windows.clone();
        if self.computed().is_empty() {
            lengths.clear();
        }
        if !self.links.is_empty() {
            lengths.extend(self.clock.ticks_in(LINK_WINDOW_MS));
        }
        if self.lockstep {
            lengths.extend(self.clock.ticks_in(LOCKSTEP_WINDOW_MS));
        }
        if self.has_sequences() {
            lengths.extend(self.clock.ticks_in(WINDOW_MS));
        }
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    /// Whether somebody looks at what accounts played last.
    pub fn has_sequences(&self) -> bool {
        let judging = self.judging.iter().map(|judging| &judging.models);
        let mut models = self.scores.iter().map(|(_, models)| models).chain(judging);
        self.sequences.is_some() || self.network.is_some() || models.any(has_network)
    }

    /// How many of the windows need whole plays; longer ones are asked for links alone.
    fn whole(&self, lengths: &[Tick]) -> usize {
        let lockstep = self.clock.ticks_in(LOCKSTEP_WINDOW_MS).filter(|_| self.lockstep);
        let windows = self.windows.last().copied().filter(|_| !self.computed().is_empty());
        let sequences = self.clock.ticks_in(WINDOW_MS).filter(|_| self.has_sequences());
        let longest = lockstep.max(windows).max(sequences).unwrap_or(0);
        lengths.iter().filter(|length| **length <= longest).count()
    }
}

/// What changed in a view at a tick, keys in no particular order.
#[derive(Clone, Debug)]
pub enum Change {
    /// Rows of a window view.
    Rows(Axis, Vec<RowChange>),
    /// Groups of accounts.
    Groups(Vec<MembershipChange>),
    /// Hubs.
    Hubs(Vec<(Link, Option<u32>)>),
    /// Pairs in lockstep.
    Lockstep(Vec<PairChange>),
    /// Features of accounts.
    Profiles(Vec<ProfileChange>),
    /// Features of tracks or uploaders.
    Audiences(Axis, Vec<ProfileChange>),
    /// What accounts played last.
    Sequences(Vec<SequenceChange>),
    /// What a network says of them.
    Networks(Vec<NetworkChange>),
    /// What models say of accounts.
    Scores(Vec<ScoreChange>),
    /// What speaks against subjects, by which of [`Plan::judging`]; said also at each of its turns.
    Judged(usize, Vec<JudgementChange>),
    /// Rows that were set aside, here or by who read them.
    Refused(Vec<Setaside>),
}

/// A row that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Setaside {
    /// A play whose id came before.
    Repeat(Place, Code),
    /// A row that could not be read.
    Unread(Refusal),
}

/// Takes what changes; called on the first worker only, for each view in the order of ticks.
pub trait Ledger {
    /// The change happened at the tick.
    fn enter(&mut self, tick: Tick, change: Change);
}

/// What the dataflow needs to know beside the plays themselves.
#[derive(Clone)]
pub struct Context {
    /// Gives keys their ids back.
    pub names: Arc<dyn Names>,
    /// The payment instrument of an account, or [`Key::NONE`].
    pub payments: Arc<dyn Fn(Key) -> Key + Send + Sync>,
    /// Where it is counted when and how subjects are played, if somebody asks.
    pub habits: Option<Arc<Habits>>,
    /// Where it is counted what accounts used, if somebody asks.
    pub ties: Option<Arc<Ties>>,
}

/// The ends of the dataflow that a worker holds.
pub struct Ends {
    /// Plays whose id occurs once.
    pub plays: InputHandleVec<Tick, Inflow>,
    /// Plays and corrections whose id occurs more than once.
    pub claims: InputHandleVec<Tick, Claim>,
    /// Rows that were refused by who read them.
    pub refusals: InputHandleVec<Tick, Refusal>,
    /// What comes into force; nothing is asked of it where nobody is judged.
    pub entries: InputHandleVec<Tick, Entry>,
    /// How far results are complete.
    pub watermark: Watermark<Tick>,
}

impl Ends {
    /// Everything before the tick has been sent. A tick that has passed stays passed.
    pub fn advance_to(&mut self, tick: Tick) {
        let tick = tick.max(*self.plays.time());
        self.plays.advance_to(tick);
        self.claims.advance_to(tick);
        self.refusals.advance_to(tick);
        self.entries.advance_to(tick);
    }
}

/// Builds the dataflow on the worker.
pub fn build(worker: &mut Worker, plan: &Plan, context: &Context, ledger: impl FnOnce() -> Box<dyn Ledger>) -> Ends {
    let ledger: SharedLedger = Rc::new(RefCell::new((worker.index() == 0).then(ledger)));
    let watermark = Watermark::new();
    worker.dataflow::<Tick, _, _>(|scope| {
        let (plays, inflow) = scope.new_input::<Inflow>();
        let (claims, claimed) = scope.new_input::<Claim>();
        let (refusals, unread) = scope.new_input::<Refusal>();
        let (entries, in_force) = scope.new_input::<Entry>();
        let until = plan.until;

        let lengths = plan.lengths();
        let longest = lengths.last().copied().unwrap_or(0);
        let memory = plan.living.then_some(Memory { clock: plan.clock, ticks: longest });
        let admissions = keep(claimed, "Admit", admit::route, until, Admit::new(context.names.clone(), memory));
        let admitted = admissions.clone().flat_map(|admission| match admission {
            Admission::Counts(play, counts) => {
                Some(Inflow::Play(KeyedPlay { marks: play.marks | KeyedPlay::REVOCABLE, ..play }, counts))
            }
            Admission::Refused(..) => None,
        });
        let refused = admissions.flat_map(|admission| match admission {
            Admission::Refused(place, code) => Some(Setaside::Repeat(place, code)),
            Admission::Counts(..) => None,
        });
        let refused = refused.concat(unread.map(Setaside::Unread));

        let place_of = |length: Option<Tick>| lengths.iter().position(|l| Some(*l) == length);
        let counts_uploads = plan.computed().iter().any(|axis| matches!(axis, Axis::Uploader | Axis::Distributor));
        let windows = Windows::new(plan.clock, lengths.clone(), plan.whole(&lengths), counts_uploads, plan.wanted);
        let turns =
            keep(inflow.concat(admitted), "Windows", |inflow| crate::keep::mix(inflow.track().0), until, windows);
        let turns = match context.habits.clone().zip(place_of(plan.windows.last().copied())) {
            Some((habits, longest)) => turns.inspect(move |turn| habits.turn(turn, longest)),
            None => turns,
        };

        let mut ends = Vec::new();
        let cadence = if plan.every_tick { Cadence::Each } else { Cadence::At(until) };
        let (mut account_rows, mut all_rows, mut all_groups, mut all_pairs) = (None, Vec::new(), None, None);
        for axis in plan.computed() {
            let places = lengths.iter().map(|l| plan.windows.iter().position(|w| w == l).map(|at| at as u8)).collect();
            let tallies = Tallies::new(axis, plan.figures(axis), places, cadence);
            let rows = keep(turns.clone(), axis_name(axis), tallies::route(axis), until, tallies);
            match axis {
                Axis::Account => account_rows = Some(rows.clone()),
                _ => all_rows.push((axis, rows.clone())),
            }
            if plan.axes.contains(&axis) {
                ends.push(deliver(rows, until, &ledger, move |rows| Change::Rows(axis, rows)));
            }
        }
        if let Some(window) = place_of(plan.clock.ticks_in(LINK_WINDOW_MS)).filter(|_| !plan.links.is_empty()) {
            let (kinds, payments, ties) = (plan.links.clone(), context.payments.clone(), context.ties.clone());
            let uses = turns.clone().flat_map(move |turn| {
                let uses = uses(turn, window, &kinds, &*payments);
                if let (Some(ties), Turn::Play { play, .. }) = (&ties, turn) {
                    uses.iter().for_each(|used| ties.count(used, play.ended_at));
                }
                uses
            });
            let news = keep(uses, "Links", links::route, until, Links::new(plan.hub));
            let hubs = news.clone().flat_map(|change| match change {
                LinkChange::Hub(link, accounts) => Some((link, accounts)),
                LinkChange::Bond(..) => None,
            });
            let bonds = news.flat_map(|change| match change {
                LinkChange::Bond(link, account, joins) => Some((link, account, joins)),
                LinkChange::Hub(..) => None,
            });
            let groups = keep(bonds, "Groups", |_| 0, until, Groups::new(context.names.clone()));
            ends.push(deliver(hubs, until, &ledger, Change::Hubs));
            all_groups = Some(groups.clone());
            ends.push(deliver(groups, until, &ledger, Change::Groups));
        }
        if let Some(window) = place_of(plan.clock.ticks_in(LOCKSTEP_WINDOW_MS)).filter(|_| plan.lockstep) {
            let steps = turns.clone().flat_map(move |turn| step(turn, window));
            let pairs = keep(steps, "Buckets", lockstep::route_step, until, Buckets::default());
            let shared = keep(pairs, "Pairs", lockstep::route_pair, until, Pairs::default());
            all_pairs = Some(shared.clone());
            ends.push(deliver(shared, until, &ledger, Change::Lockstep));
        }
        let recent = place_of(plan.clock.ticks_in(WINDOW_MS)).filter(|_| plan.has_sequences());
        let recent = recent.map(|window| turns.clone().flat_map(move |turn| sequences::coming(turn, window)));
        let said = |networks| {
            let networks = Networks::new(networks);
            recent.clone().map(|recent| keep(recent, "Networks", sequences::route, until, networks))
        };
        if let Some((recent, asked)) = recent.clone().zip(plan.sequences.clone()) {
            let told = keep(recent, "Sequences", sequences::route, until, Sequences::new(asked));
            ends.push(deliver(told, until, &ledger, Change::Sequences));
        }
        if let Some(network) = plan.network.clone() {
            let said = said(vec![(0, Some(network))]);
            ends.extend(said.map(|said| deliver(said, until, &ledger, Change::Networks)));
        }
        let longest = place_of(plan.windows.last().copied());
        let sources = account_rows.zip(all_groups).zip(all_pairs).zip(longest);
        if let Some((((rows, groups), pairs), longest)) = sources {
            let windows = read_places(&plan.windows_ms());
            let companies = plan.makes_features().then(|| company::companies(turns.clone(), longest, until));
            let news = dossiers::news(rows.clone(), groups.clone(), pairs.clone(), companies);
            let news = match plan.judging.iter().any(|judging| judging.rulings) {
                true => {
                    let silenced = risk::silenced(&risk::rulings(in_force.clone()), Subject::Account);
                    news.concat(silenced.map(|(account, is_silenced)| AccountNews::Silenced(account, is_silenced)))
                }
                false => news,
            };
            let marks = || keep(news.clone(), "Marks", dossiers::route, until, Marks::new(windows.clone()));
            let marks = plan.makes_features().then(marks);
            let news = match marks.clone() {
                Some(marks) => {
                    let last = windows.last().map(|(place, _)| *place);
                    let rows = rows
                        .clone()
                        .flat_map(move |((place, account), row)| (Some(place) == last).then_some((account, row)));
                    let usual = cohorts::usual(rows, &ACCOUNTS, until)
                        .map(|(account, usual, diff)| AccountNews::Usual(account, usual, diff));
                    news.concat(neighbours::news(marks, groups, pairs, until)).concat(usual)
                }
                None => news,
            };
            if plan.profiles {
                let profiles = Profiles::new(windows.clone());
                let profiles = keep(news.clone(), "Profiles", dossiers::route, until, profiles);
                ends.push(deliver(profiles, until, &ledger, Change::Profiles));
            }
            let with_network = |models: &Turns| match has_network(models).then(|| networks(models)).and_then(said) {
                Some(said) => news.clone().concat(said.map(|(account, said)| AccountNews::Network(account, said))),
                None => news.clone(),
            };
            for (side, models) in &plan.scores {
                let scores = Scores::new(*side, windows.clone(), models.clone());
                let scores = keep(with_network(models), "Scores", dossiers::route, until, scores);
                ends.push(deliver(scores, until, &ledger, Change::Scores));
            }
            let listens = (!plan.judging.is_empty() || plan.audiences.is_some())
                .then(|| listens::tracks(turns.clone(), longest, cadence, until));
            if let Some(((listens, asked), marks)) = listens.clone().zip(plan.audiences.as_ref()).zip(marks) {
                let (rows, turns, entries) = (all_rows.clone(), turns.clone(), in_force.clone());
                let sources = audiences::Sources { marks, rows, turns, listens, entries, windows, longest };
                for (axis, features) in audiences(sources, asked, until) {
                    ends.push(deliver(features, until, &ledger, move |rows| Change::Audiences(axis, rows)));
                }
            }
            all_rows.push((Axis::Account, rows));
            for ((at, judging), listens) in plan.judging.iter().enumerate().zip(listens.into_iter().cycle()) {
                let (rows, turns, entries) = (all_rows.clone(), turns.clone(), in_force.clone());
                let (news, clock) = (with_network(&judging.models), plan.clock);
                let sources = Sources { news, listens, rows, turns, entries, longest, clock };
                let judged = risk::judge(sources, judging, cadence, until);
                let due = judging.turns.clone();
                ends.push(deliver_by(judged, due, until, &ledger, move |rows| Change::Judged(at, rows)));
            }
        }
        ends.push(deliver(refused, until, &ledger, Change::Refused));

        scope.concatenate(ends).probe_with(&watermark);
        Ends { plays, claims, refusals, entries, watermark }
    })
}

type SharedLedger = Rc<RefCell<Option<Box<dyn Ledger>>>>;

/// Brings what changed at a tick to the first worker and enters it into the ledger.
struct Deliver<D, F> {
    ledger: SharedLedger,
    change: F,
    records: Vec<D>,
    /// The ticks at which something is said though nothing changed, latest first.
    turns: Vec<Tick>,
}

impl<D: ExchangeData, F: Fn(Vec<D>) -> Change + 'static> Keep for Deliver<D, F> {
    type In = D;
    type Out = ();

    fn due(&self) -> Option<Tick> {
        self.turns.last().copied()
    }

    fn open(&mut self, tick: Tick, _out: &mut Vec<()>) {
        while self.turns.pop_if(|turn| *turn <= tick).is_some() {}
    }

    fn take(&mut self, _tick: Tick, record: D, _out: &mut Vec<()>) {
        self.records.push(record);
    }

    fn close(&mut self, tick: Tick, _out: &mut Vec<()>) {
        let records = std::mem::take(&mut self.records);
        if let Some(ledger) = &mut *self.ledger.borrow_mut() {
            ledger.enter(tick, (self.change)(records));
        }
    }
}

fn deliver<'scope, D: ExchangeData>(
    records: StreamVec<'scope, Tick, D>,
    until: Tick,
    ledger: &SharedLedger,
    change: impl Fn(Vec<D>) -> Change + 'static,
) -> StreamVec<'scope, Tick, ()> {
    deliver_by(records, Vec::new(), until, ledger, change)
}

/// The same, with something said at these ticks even where nothing changed.
fn deliver_by<'scope, D: ExchangeData>(
    records: StreamVec<'scope, Tick, D>,
    mut turns: Vec<Tick>,
    until: Tick,
    ledger: &SharedLedger,
    change: impl Fn(Vec<D>) -> Change + 'static,
) -> StreamVec<'scope, Tick, ()> {
    turns.sort_unstable_by(|a, b| b.cmp(a));
    let state = Deliver { ledger: ledger.clone(), change, records: Vec::new(), turns };
    keep(records, "Deliver", |_| 0, until, state)
}

fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Account => "AccountWindow",
        Axis::Track => "TrackWindow",
        Axis::Artist => "ArtistWindow",
        Axis::Uploader => "UploaderWindow",
        Axis::Playlist => "PlaylistWindow",
        Axis::Distributor => "DistributorWindow",
    }
}

/// What the turn says about the links of its account, if it turns in that window.
fn uses(turn: Turn, window: usize, kinds: &[LinkKind], payments: &dyn Fn(Key) -> Key) -> Vec<Use> {
    let Turn::Play { play, windows, enters, .. } = turn else { return Vec::new() };
    if windows & (1 << window) == 0 {
        return Vec::new();
    }
    let link = |kind: LinkKind| match kind {
        LinkKind::Device => play.device,
        LinkKind::IpPrefix => play.ip_prefix,
        LinkKind::Payment => payments(play.account),
    };
    let shown = kinds.iter().map(|kind| (*kind, link(*kind))).filter(|(_, key)| key.is_some());
    shown.map(|link| Use { link, account: play.account, enters }).collect()
}

/// The bucket in which the turn's play is, if it turns in that window.
fn step(turn: Turn, window: usize) -> Option<Step> {
    let Turn::Play { play, windows, enters, .. } = turn else { return None };
    let bucket = play.ended_at.div_euclid(BUCKET_MS) as u32;
    (windows & (1 << window) != 0).then_some(Step { account: play.account, track: play.track, bucket, enters })
}
