//! The law of judgements: what the dataflow says at every tick is what a recount says of the same plays.
//!
//! ```text
//! plays, corrections, releases, tiers, findings, copies ──▶ dataflow ──┬──▶ rows, groups, lockstep ──▶ recount ──┐
//!                                                    └──▶ judgements ──────────────────────────┴──▶ equal
//! ```

mod twins;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dataflows::audiences::Audiences;
use dataflows::clock::{Clock, Tick};
use dataflows::groups::Membership;
use dataflows::keep::mix;
use dataflows::links::LinkKind;
use dataflows::lockstep::Pair;
use dataflows::risk::{
    Asked as Clause, Entry, Heard as HeardSound, Judgement, Judging, Learned, Looked, Opinion, Release,
};
use dataflows::river::{Change, Context, Ledger, Plan, build};
use dataflows::scores::{Score, Side, Trial, Turns};
use dataflows::sequences::Asked;
use dataflows::tallies::Cadence;
use dataflows::windows::{Inflow, Listing};
use datasets::policy::built_in;
use datasets::world::{World as WholeWorld, WorldSpec};
use features::WindowRow;
use features::attributes::Row;
use features::cohort::{ACCOUNTS, Cohort};
use features::company::{Circle, Company, RARE_LISTENERS_MAX, shifts};
use features::condition::{Cell, Condition, Sheet, Source as Of, Table};
use features::crowd::Mark;
use features::neighbours::{Neighbours, of_group};
use features::profile::{self, Profile, track, uploader};
use features::risk::fuse;
use features::sequence::{self, Sequence};
use features::signals::suspicion::{Load, Silenced, copied, raised, spread, suspicion};
use features::signals::{AccountFacts, Catalogue, Following, Hearing, Name, OwnerFacts, Signal, Standing, TrackFacts};
use features::signals::{of_account, of_model, of_owner, of_track};
use features::tally::Axis;
use models::boost::{Booster, Branch, Leaf, Split, Tree};
use models::calibration::Calibration;
use models::temporal::{Form, Network};
use models::{Because, Model, Scorer, Stack};
use records::policy::Percent;
use records::{
    Account, Country, Disclosure, Id, IdSpace, Key, KeyedPlay, Metadata, Millis, Names, Policy, Risk, Ruling,
    RulingKind, Source, Subject, Track, Verdict,
};
use twins::audiences::Known;

const HOUR_MS: Millis = 3_600_000;
const DAY_MS: Millis = 24 * HOUR_MS;
const EVERY_MS: Millis = 12 * HOUR_MS;
/// A day, a week and a month, as signals know them.
const WINDOWS_MS: [Millis; 3] = [DAY_MS, 7 * DAY_MS, 14 * DAY_MS];
const AXES: [Axis; 6] = [Axis::Account, Axis::Track, Axis::Artist, Axis::Uploader, Axis::Playlist, Axis::Distributor];

/// A play, when it arrived, and when it was taken back.
#[derive(Clone, Copy)]
struct Heard {
    play: KeyedPlay,
    arrived_at: Millis,
    corrected_at: Option<Millis>,
}

/// Everything that happens.
#[derive(Clone, Default)]
struct World {
    plays: Vec<Heard>,
    /// Rows of the catalogue by tick: of a track at most one at a tick.
    releases: BTreeMap<(Tick, Key), (Release, Option<Millis>)>,
    segments: BTreeMap<(Tick, Key), u16>,
    /// Where accounts are at home, by tick.
    homes: BTreeMap<(Tick, Key), u16>,
    /// Which recording a content is, by tick.
    recordings: BTreeMap<(Tick, Key), Key>,
    /// What is heard of a content, by tick.
    opinions: BTreeMap<(Tick, Key), Option<Opinion>>,
    /// Models, each from a tick on.
    models: Vec<(Tick, Arc<Model>)>,
    /// Models that are tried on some accounts.
    trials: Vec<Trial>,
    /// Whether people wrote rules.
    has_clauses: bool,
    /// What people ruled about whom, by tick; `None` where it ends.
    rulings: BTreeMap<(Tick, Subject, Key), Option<RulingKind>>,
    /// What is told of accounts and tracks, by tick: a country or a declaration, a length, and since when they are there.
    told: BTreeMap<(Tick, Subject, Key), Registered>,
}

/// What is told of an account or a track.
#[derive(Clone, Copy)]
struct Registered {
    word: Option<usize>,
    since: Option<Millis>,
    duration_ms: Option<u64>,
}

impl Registered {
    /// What rules read of it.
    fn cells(&self, subject: Subject, sheet: &Sheet) -> Vec<Cell> {
        let Registered { word, since, duration_ms } = *self;
        if subject == Subject::Account {
            let country = word.map(|word| ["BR", "VN", "DE"][word].to_owned());
            let id = Id::Number(0);
            let (plan, payment_id, family_id, email_domain_class) = (None, None, None, None);
            return sheet.of_told(Row::Account(&Account {
                account_id: id,
                created_at: since,
                plan,
                country,
                payment_id,
                family_id,
                email_domain_class,
            }));
        }
        let contains_ai = word.map(|word| [Disclosure::All, Disclosure::Partly, Disclosure::None][word]);
        let track = Track { contains_ai, uploaded_at: since, duration_ms, ..Track::new(Id::Number(0)) };
        sheet.of_told(Row::Track(&track))
    }
}

fn clock() -> Clock {
    Clock::new(EVERY_MS)
}

#[derive(Clone)]
enum Event {
    Flow(Inflow),
    Force(Entry),
}

impl World {
    fn until(&self) -> Tick {
        let last = self.plays.iter().flat_map(|heard| [Some(heard.arrived_at), heard.corrected_at]).flatten().max();
        clock().first_after(last.unwrap_or(0))
    }

    fn events(&self) -> BTreeMap<Tick, Vec<Event>> {
        let mut events: BTreeMap<Tick, Vec<Event>> = BTreeMap::new();
        for Heard { play, arrived_at, corrected_at } in &self.plays {
            let comes = clock().first_after(*arrived_at);
            let goes = corrected_at.map(|at| clock().first_after(at));
            if goes.is_some_and(|goes| goes <= comes) {
                continue;
            }
            events.entry(comes).or_default().push(Event::Flow(Inflow::Play(*play, true)));
            if let Some(goes) = goes {
                events.entry(goes).or_default().push(Event::Flow(Inflow::Play(*play, false)));
            }
        }
        for ((tick, track), (release, uploaded_at)) in &self.releases {
            let Release { artist, uploader, distributor, .. } = *release;
            let listing = Listing {
                track: *track,
                artist,
                uploader,
                distributor,
                uploaded_at: *uploaded_at,
                valid_from: Some(clock().instant(*tick) - 1),
            };
            let at = events.entry(*tick).or_default();
            at.push(Event::Flow(Inflow::Track(listing)));
            at.push(Event::Force(Entry::Release(*track, *release)));
        }
        for ((tick, distributor), segment) in &self.segments {
            events.entry(*tick).or_default().push(Event::Force(Entry::Segment(*distributor, *segment)));
        }
        for ((tick, account), home) in &self.homes {
            events.entry(*tick).or_default().push(Event::Force(Entry::Territory(*account, *home)));
        }
        for ((tick, content), recording) in &self.recordings {
            events.entry(*tick).or_default().push(Event::Force(Entry::Recording(*content, *recording)));
        }
        for ((tick, content), opinion) in &self.opinions {
            events.entry(*tick).or_default().push(Event::Force(Entry::Heard(*content, *opinion)));
        }
        for ((tick, subject, key), kind) in &self.rulings {
            let ruling = kind.map(|kind| Box::new(ruling(kind)));
            events.entry(*tick).or_default().push(Event::Force(Entry::Ruling(*subject, *key, ruling)));
        }
        for ((tick, subject, key), told) in &self.told {
            let cells = told.cells(*subject, &sheet(self, (*subject).into()));
            events.entry(*tick).or_default().push(Event::Force(Entry::Told(*subject, *key, cells)));
        }
        events
    }

    /// What is ruled about whom at the tick.
    fn ruled(&self, tick: Tick) -> BTreeMap<(Subject, Key), RulingKind> {
        let known = self.rulings.range(..(tick + 1, Subject::Account, Key(0)));
        let last: BTreeMap<_, _> = known.map(|((_, subject, key), kind)| ((*subject, *key), *kind)).collect();
        last.into_iter().filter_map(|(who, kind)| Some((who, kind?))).collect()
    }

    /// What each content is heard to be at the tick.
    fn heard(&self, tick: Tick) -> BTreeMap<Key, Opinion> {
        let known = self.opinions.range(..(tick + 1, Key(0)));
        let last: BTreeMap<Key, Option<Opinion>> = known.map(|((_, content), opinion)| (*content, *opinion)).collect();
        last.into_iter().filter_map(|(content, opinion)| Some((content, opinion?))).collect()
    }

    /// Which recording each content is at the tick.
    fn recordings(&self, tick: Tick) -> BTreeMap<Key, Key> {
        let known = self.recordings.range(..(tick + 1, Key(0)));
        known.map(|((_, content), recording)| (*content, *recording)).collect()
    }

    /// The plays that count at the tick in the longest window.
    fn live(&self, tick: Tick) -> impl Iterator<Item = &KeyedPlay> {
        self.live_in(WINDOWS_MS[2], tick)
    }

    /// The sequences of all accounts at the tick.
    fn sequences(&self, tick: Tick) -> BTreeMap<Key, Sequence> {
        let mut plays: BTreeMap<Key, Vec<KeyedPlay>> = BTreeMap::new();
        self.live_in(sequence::WINDOW_MS, tick).for_each(|play| plays.entry(play.account).or_default().push(*play));
        plays.into_iter().map(|(account, plays)| (account, Sequence::of(&plays))).collect()
    }

    /// The plays that count at the tick in a window of this length.
    fn live_in(&self, window_ms: Millis, tick: Tick) -> impl Iterator<Item = &KeyedPlay> {
        let as_of = clock().instant(tick);
        let live = self.plays.iter().filter(move |heard| {
            let known = heard.arrived_at < as_of && heard.corrected_at.is_none_or(|at| at >= as_of);
            known && (as_of - window_ms..as_of).contains(&heard.play.ended_at)
        });
        live.map(|heard| &heard.play)
    }
}

fn ruling(kind: RulingKind) -> Ruling {
    Ruling { kind, known_at: 0, since: None, until: None, ruled_by: None, reason: None }
}

/// Keys are numbers, and so are their ids.
struct Numbers;

impl Names for Numbers {
    fn id(&self, _space: IdSpace, key: Key) -> Id {
        Id::Number(key.0)
    }
}

struct Notes(Arc<Mutex<Vec<(Tick, Change)>>>);

impl Ledger for Notes {
    fn enter(&mut self, tick: Tick, change: Change) {
        self.0.lock().unwrap().push((tick, change));
    }
}

/// What the dataflow says, by tick.
fn flow(world: &World, policy: &Policy, workers: usize, every_tick: bool) -> BTreeMap<Tick, Vec<Change>> {
    flow_from(world, policy, workers, every_tick, None)
}

/// The same, where nobody wants results before that tick.
fn flow_from(
    world: &World,
    policy: &Policy,
    workers: usize,
    every_tick: bool,
    wanted: Option<Tick>,
) -> BTreeMap<Tick, Vec<Change>> {
    let plan = Plan {
        clock: clock(),
        windows: WINDOWS_MS.map(|ms| clock().ticks_in(ms).unwrap()).to_vec(),
        axes: AXES.to_vec(),
        links: vec![LinkKind::Device],
        hub: 50,
        lockstep: true,
        profiles: true,
        audiences: Some(Audiences { axes: vec![Axis::Track, Axis::Uploader], copies: true }),
        scores: sides(world),
        sequences: Some(Asked::All(if every_tick { Cadence::Each } else { Cadence::At(world.until()) })),
        network: None,
        judging: vec![Judging {
            policies: policies(world, policy),
            turns: policies(world, policy).iter().skip(1).map(|(from, _)| *from).collect(),
            windows_ms: WINDOWS_MS.to_vec(),
            models: turns(world),
            clauses: clauses(world),
            copies: true,
            rulings: !world.rulings.is_empty(),
        }],
        wanted,
        until: world.until(),
        every_tick,
        living: false,
    };
    let context = Context { names: Arc::new(Numbers), payments: Arc::new(|_| Key::NONE), habits: None, ties: None };
    let notes = Arc::new(Mutex::new(Vec::new()));
    let (events, kept) = (world.events(), notes.clone());
    let config = if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
    let guards = timely::execute(config, move |worker| {
        let mut ends = build(worker, &plan, &context, || Box::new(Notes(kept.clone())));
        for (tick, events) in events.range(..=plan.until) {
            ends.advance_to(*tick);
            for event in events.iter().skip(worker.index()).step_by(worker.peers()) {
                match event.clone() {
                    Event::Flow(inflow) => ends.plays.send(inflow),
                    Event::Force(entry) => ends.entries.send(entry),
                }
            }
            ends.advance_to(tick + 1);
        }
        ends.advance_to(plan.until + 1);
        worker.step_while(|| ends.watermark.less_than(&(plan.until + 1)));
    });
    guards.unwrap().join().into_iter().for_each(|worker| worker.unwrap());
    let mut by_tick: BTreeMap<Tick, Vec<Change>> = BTreeMap::new();
    for (tick, change) in std::mem::take(&mut *notes.lock().unwrap()) {
        by_tick.entry(tick).or_default().push(change);
    }
    by_tick
}

/// A subject, its segment and territory, whether it was heard, and what speaks against it.
type Recounted = ((Subject, Key), (u16, u16), Option<HeardSound>, Vec<Signal>);

type Judgements = BTreeMap<(Subject, Key), Judgement>;
/// The features of accounts, tracks and uploaders.
type Features = BTreeMap<(Axis, Key), Profile>;
/// What each side says of each account.
type Scored = BTreeMap<(Key, Side), Score>;

/// The net state of all views.
#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<(Axis, Key), BTreeMap<u8, WindowRow>>,
    groups: BTreeMap<Key, Membership>,
    lockstep: BTreeMap<Pair, u32>,
    judged: Judgements,
    sequences: BTreeMap<Key, Sequence>,
    scores: Scored,
    features: Features,
}

impl State {
    fn apply(&mut self, change: Change) {
        fn set<K: Ord, V>(state: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        match change {
            Change::Rows(axis, rows) => rows.into_iter().for_each(|((window, key), row)| {
                set(self.rows.entry((axis, key)).or_default(), window, row);
            }),
            Change::Groups(rows) => rows.into_iter().for_each(|(key, group)| set(&mut self.groups, key, group)),
            Change::Lockstep(rows) => rows.into_iter().for_each(|(pair, shared)| set(&mut self.lockstep, pair, shared)),
            Change::Judged(_, rows) => {
                rows.into_iter().for_each(|(subject, judged)| set(&mut self.judged, subject, judged))
            }
            Change::Sequences(rows) => {
                rows.into_iter().for_each(|(key, sequence)| set(&mut self.sequences, key, sequence));
            }
            Change::Scores(rows) => rows.into_iter().for_each(|(key, score)| set(&mut self.scores, key, score)),
            Change::Profiles(rows) => {
                rows.into_iter().for_each(|(key, profile)| set(&mut self.features, (Axis::Account, key), profile));
            }
            Change::Audiences(axis, rows) => {
                rows.into_iter().for_each(|(key, profile)| set(&mut self.features, (axis, key), profile));
            }
            Change::Hubs(_) | Change::Networks(_) | Change::Refused(_) => {}
        }
    }

    fn of(&self, axis: Axis) -> BTreeMap<Key, Vec<(Millis, WindowRow)>> {
        let mine = self.rows.iter().filter(|((found, _), rows)| *found == axis && !rows.is_empty());
        mine.map(|((_, key), rows)| {
            (*key, rows.iter().map(|(window, row)| (WINDOWS_MS[usize::from(*window)], *row)).collect())
        })
        .collect()
    }
}

/// The models that judge, and what is tried meanwhile.
fn turns(world: &World) -> Turns {
    Turns { models: world.models.clone(), trials: world.trials.clone() }
}

/// The same models on both sides, the challengers in the other order.
fn sides(world: &World) -> Vec<(Side, Turns)> {
    let ticks = world.models.iter().map(|(from, _)| *from);
    let models = ticks.zip(world.models.iter().rev().map(|(_, model)| model.clone())).collect();
    vec![(Side::Champion, turns(world)), (Side::Challenger, Turns { models, trials: Vec::new() })]
}

/// A model that is tried on every other account.
fn tried(from: Tick, until: Tick, model: &Arc<Model>) -> Trial {
    Trial { from, until, model: model.clone(), is_tried_on: Arc::new(|account| account.0.is_multiple_of(2)) }
}

/// The model that scores an account at the tick, and its place.
fn scorer_of(turns: &Turns, tick: Tick, account: Key) -> Option<(usize, &Model)> {
    let is_tried = |trial: &Trial| (trial.from..trial.until).contains(&tick) && (trial.is_tried_on)(account);
    let tried = turns.trials.iter().enumerate().rfind(|(_, trial)| is_tried(trial));
    let model = || turns.models.iter().enumerate().rfind(|(_, (from, _))| *from <= tick);
    tried.map_or_else(
        || model().map(|(place, (_, model))| (place, &**model)),
        |(place, trial)| Some((turns.models.len() + place, &*trial.model)),
    )
}

/// What the model in force says of an account, and why.
fn scored((place, model): (usize, &Model), facts: &AccountFacts, played: Option<&Sequence>) -> (Score, Learned) {
    let Profile(features) = profile::of_account(facts);
    let network = model.network().zip(played);
    let network = network
        .map_or(f32::NAN, |(network, Sequence { hours, plays })| network.score([hours, plays]).expect("of its forms"));
    let fraud = Risk::from_parts((model.probability(&features, network) * 10_000.0).round() as u64);
    let named = if fraud.parts() >= 1_000 { 3 } else { 0 };
    let looked = |because: Because| Looked { feature: because.feature as u16, value_bits: because.value.to_bits() };
    let because = model.because(&features, network, named).into_iter().map(looked).collect();
    (Score { model: place as u16, fraud }, Learned { model: place as u16, because })
}

/// A model that asks one question about each of these features, and adds to the score where the answer is yes.
fn model(base: f64, questions: &[(&str, f32, f64)]) -> Arc<Model> {
    Arc::new(Model::new(scorer(base, questions)).expect("trees with rows"))
}

/// The same, with a network that nobody taught, which listens to the order of plays all the same.
fn model_with_network(base: f64, questions: &[(&str, f32, f64)]) -> Arc<Model> {
    let forms = [
        Form { steps: sequence::HOURS, channels: sequence::HOUR_CHANNELS.len() },
        Form { steps: sequence::PLAYS, channels: sequence::PLAY_CHANNELS.len() },
    ];
    let network = Network::new(sequence::VERSION, forms, 3);
    let unknown = network.of_silence();
    let stack = Stack { trees: 1.0, network: 1.5, offset: 0.0, mean: f64::from(unknown), unknown };
    let calibration = Calibration::Platt { slope: 1.0, offset: 0.0 };
    let scorer = scorer(base, questions).with_network(network, stack, calibration);
    Arc::new(Model::new(scorer).expect("trees with rows"))
}

fn scorer(base: f64, questions: &[(&str, f32, f64)]) -> Scorer {
    let feature = |name: &str| profile::names().iter().position(|known| *known == name).expect("a feature") as u32;
    let trees = questions.iter().map(|(name, least, added)| Tree {
        splits: vec![Split {
            feature: feature(name),
            threshold: *least,
            missing_left: true,
            zero_is_missing: false,
            left: Branch::Leaf(0),
            right: Branch::Leaf(1),
            gain: 1.0,
        }],
        leaves: vec![Leaf { value: 0.0, cover: 30.0 }, Leaf { value: *added, cover: 10.0 }],
    });
    let features = profile::names().iter().map(|name| (*name).to_owned()).collect();
    let booster = Booster { features, base, trees: trees.collect() };
    // Each is sharp from somewhere else on.
    let sharp_from = Percent::new(20 + 10 * questions.len() as u8).expect("few questions");
    Scorer::new(profile::VERSION, booster, Calibration::Platt { slope: 1.0, offset: 0.0 }).with_sharp_from(sharp_from)
}

/// The company of every account by the live plays alone.
fn companies(world: &World, tick: Tick) -> BTreeMap<Key, Company> {
    let mut listeners: BTreeMap<Key, BTreeMap<u64, u32>> = BTreeMap::new();
    for play in world.live(tick) {
        *listeners.entry(play.track).or_default().entry(play.account.0).or_default() += 1;
    }
    let mut circles: BTreeMap<Key, Circle> = BTreeMap::new();
    for few in listeners.into_values().filter(|listeners| listeners.len() <= RARE_LISTENERS_MAX) {
        shifts(&None, &Some(few.into_iter().collect()), mix, |account, shift| {
            circles.entry(Key(account)).or_default().add(&shift);
        });
    }
    circles.into_iter().map(|(account, circle)| (account, circle.company())).collect()
}

/// Judges everybody from the views, the live plays and the catalogue in force.
fn recount(world: &World, policy: &Policy, tick: Tick, state: &State) -> (Judgements, Scored, Features) {
    let policies = policies(world, policy);
    let place = policies.iter().rposition(|(from, _)| *from <= tick).unwrap_or(0);
    let policy = &*policies[place].1;
    let flow = &policy.flow;
    let accounts = state.of(Axis::Account);
    let companies = companies(world, tick);
    let ruled = world.ruled(tick);
    let is_silenced =
        |subject: Subject, key: &Key| ruled.get(&(subject, *key)).is_some_and(|ruling| ruling.is_silencing());
    let alone = |account: &Key| {
        let mine = state.lockstep.iter().filter(|((a, b), _)| a == account || b == account);
        AccountFacts {
            rows: &accounts[account],
            group_size: state.groups.get(account).map_or(0, |group| group.size),
            lockstep_partners: mine.clone().count() as u32,
            lockstep_shared: mine.map(|(_, shared)| *shared).max().unwrap_or(0),
            company: companies.get(account).copied().unwrap_or_default(),
            is_silenced: is_silenced(Subject::Account, account),
            ..AccountFacts::default()
        }
    };
    let marks: BTreeMap<Key, Mark> = accounts.keys().map(|key| (*key, Mark::of(&alone(key)))).collect();
    let suspected = |account: &Key| marks.get(account).map_or(0, |mark| u64::from(mark.suspicion));
    let longest = |account: &Key| accounts[account].last().map(|(_, row)| *row).unwrap_or_default();
    let mut cohorts: BTreeMap<u8, Cohort> = BTreeMap::new();
    for row in accounts.keys().map(longest) {
        *cohorts.entry(ACCOUNTS.size_of(&row)).or_default() += ACCOUNTS.measured(&row);
    }
    let facts = |account: &Key, suspicious_tracks: Risk| {
        let mine = state.groups.get(account);
        let group = mine.map_or(0, |mine| {
            let members = state.groups.iter().filter(|(_, group)| group.group == mine.group);
            of_group(members.map(|(member, _)| suspected(member)).sum(), mine.size.into())
        });
        let partners = state.lockstep.keys().filter(|(a, b)| a == account || b == account);
        let partners = partners.map(|(a, b)| suspected(if a == account { b } else { a })).sum();
        AccountFacts {
            neighbours: Neighbours { group, partners },
            usual: ACCOUNTS.usual(&cohorts[&ACCOUNTS.size_of(&longest(account))]),
            suspicious_tracks,
            ..alone(account)
        }
    };
    let said = |model: (usize, &Model), key: &Key| scored(model, &facts(key, Risk::CLEAN), state.sequences.get(key));
    let sides = sides(world);
    let scores = accounts.keys().flat_map(|key| {
        let score = |(side, turns): &(Side, Turns)| Some(((*key, *side), said(scorer_of(turns, tick, *key)?, key).0));
        sides.iter().filter_map(score).collect::<Vec<_>>()
    });
    let scores: Scored = scores.collect();
    let judging = turns(world);
    let learned = accounts.keys().filter_map(|key| {
        let (place, model) = scorer_of(&judging, tick, *key)?;
        let (score, learned) = said((place, model), key);
        Some((*key, (of_model(score.fraud, model.sharp_from())?, learned)))
    });
    let learned: BTreeMap<Key, (Signal, Learned)> = learned.collect();
    let signals = |account: &Key, around: Risk| {
        let mut signals = of_account(&facts(account, around));
        let last = signals.iter().position(|signal| signal.name == Name::SuspiciousTracks).unwrap_or(signals.len());
        let of_model = learned.get(account).map(|(signal, _)| *signal);
        signals.splice(last..last, of_model);
        signals
    };
    // A model's word does not travel.
    let risk = |account: &Key| fuse(policy, Subject::Account, false, of_account(&facts(account, Risk::CLEAN))).r;
    let own: BTreeMap<Key, Risk> = accounts.keys().map(|key| (*key, risk(key))).collect();
    let (mut pairs, mut placed) = (BTreeMap::new(), BTreeMap::new());
    for play in world.live(tick) {
        *pairs.entry((play.account, play.track)).or_insert(0) += 1;
        *placed.entry((play.account, play.playlist)).or_insert(0) += 1;
    }
    let pairs: Vec<(Key, Key, u32)> =
        pairs.into_iter().map(|((account, track), plays)| (account, track, plays)).collect();
    let silent = |subject: Subject| ruled.keys().filter(move |(of, _)| *of == subject).map(|(_, key)| *key);
    let silenced = Silenced {
        accounts: silent(Subject::Account).filter(|key| is_silenced(Subject::Account, key)).collect(),
        tracks: silent(Subject::Track).filter(|key| is_silenced(Subject::Track, key)).collect(),
    };
    let found = suspicion(flow, &pairs, &own, &silenced);
    let around = |account: &Key| found.accounts.get(account).copied().unwrap_or_default();
    let spread = |account: &Key| match is_silenced(Subject::Account, account) {
        true => Risk::CLEAN,
        false => spread(flow, raised(flow, own[account], around(account))),
    };

    let mut in_force: BTreeMap<Key, Release> = BTreeMap::new();
    world
        .releases
        .range(..(tick + 1, Key(0)))
        .for_each(|((_, track), (release, _))| _ = in_force.insert(*track, *release));
    let recordings = world.recordings(tick);
    let recording_of = |(track, release): (&Key, &Release)| Some((*track, *recordings.get(&release.content)?));
    let known = Known {
        tracks: state.of(Axis::Track),
        uploaders: state.of(Axis::Uploader),
        plays: world.live(tick).collect(),
        marks: marks.clone(),
        uploader_of: in_force.iter().map(|(track, release)| (*track, release.uploader)).collect(),
        recording_of: in_force.iter().filter_map(recording_of).collect(),
    };
    let of_accounts = accounts.keys().map(|key| ((Axis::Account, *key), profile::of_account(&facts(key, Risk::CLEAN))));
    let features: Features = known.features().into_iter().chain(of_accounts).collect();

    let mut segments: BTreeMap<Key, u16> = BTreeMap::new();
    world.segments.range(..(tick + 1, Key(0))).for_each(|((_, key), segment)| _ = segments.insert(*key, *segment));
    let segment = |distributor: Key| segments.get(&distributor).copied().unwrap_or(0);
    let mut homes: BTreeMap<Key, u16> = BTreeMap::new();
    world.homes.range(..(tick + 1, Key(0))).for_each(|((_, key), home)| _ = homes.insert(*key, *home));
    let home = |account: &Key| (0, homes.get(account).copied().unwrap_or(0));

    let mut loads: BTreeMap<(Subject, Key), Load> = BTreeMap::new();
    let mut whole = loads.clone();
    let mut declared: BTreeMap<(Subject, Key), Catalogue> = BTreeMap::new();
    let owners = |release: &Release| {
        [
            (Subject::Artist, release.artist),
            (Subject::Uploader, release.uploader),
            (Subject::Distributor, release.distributor),
        ]
    };
    let load = |track: &Key| found.tracks.get(track).copied().unwrap_or_default();
    // What a track says of others.
    let said = |track: &Key| match is_silenced(Subject::Track, track) {
        true => Load { suspicion: 0, ..load(track) },
        false => load(track),
    };
    for (track, release) in &in_force {
        for owner in owners(release) {
            *declared.entry(owner).or_default() += Catalogue::of(&release.metadata);
            *loads.entry(owner).or_default() += said(track);
            *whole.entry(owner).or_default() += load(track);
        }
    }
    for ((account, playlist), plays) in placed {
        *loads.entry((Subject::Playlist, playlist)).or_default() += Load::of(plays, spread(&account));
    }
    let heard = world.heard(tick);
    let mut hearings: BTreeMap<(Subject, Key), Hearing> = BTreeMap::new();
    for release in in_force.values() {
        let Some(opinion) = heard.get(&release.content) else { continue };
        owners(release).into_iter().for_each(|owner| *hearings.entry(owner).or_default() += Hearing::of(opinion.risk));
    }
    let mut copies: BTreeMap<Key, Load> = BTreeMap::new();
    for (track, release) in &in_force {
        let recording = recordings.get(&release.content);
        recording.into_iter().for_each(|recording| *copies.entry(*recording).or_default() += said(track));
    }
    let share = |subject: (Subject, Key)| loads.get(&subject).copied().unwrap_or_default().share();
    let all = |subject: (Subject, Key)| whole.get(&subject).copied().unwrap_or_default().share();

    // Who is ruled about is told of, with or without plays.
    let of = |axis: Axis| {
        let mut rows = state.of(axis);
        silent(subject(axis)).for_each(|key| _ = rows.entry(key).or_default());
        rows
    };
    let mut judged: Vec<Recounted> = Vec::new();
    for account in silent(Subject::Account).filter(|account| !accounts.contains_key(account)) {
        judged.push(((Subject::Account, account), home(&account), None, Vec::new()));
    }
    for account in accounts.keys() {
        judged.push(((Subject::Account, *account), home(account), None, signals(account, around(account))));
    }
    let (uploaders, artists) = (state.of(Axis::Uploader), state.of(Axis::Artist));
    for (track, rows) in of(Axis::Track) {
        let release = in_force.get(&track);
        let opinion = release.and_then(|release| heard.get(&release.content));
        let uploader = release.map(|release| release.uploader).filter(|uploader| uploaders.contains_key(uploader));
        let uploader = uploader.filter(|uploader| !is_silenced(Subject::Uploader, uploader));
        let standing = |key: Key| Standing::of(&uploaders[&key], share((Subject::Uploader, key)));
        let artist = release.map(|release| release.artist).filter(|artist| artists.contains_key(artist));
        let following = |key: Key| Following::of(&artists[&key], all((Subject::Artist, key)));
        let facts = TrackFacts {
            rows: &rows,
            suspicious_accounts: load(&track).share(),
            metadata: release.map(|release| release.metadata),
            uploader: uploader.map(standing).unwrap_or_default(),
            artist: artist.map(following).unwrap_or_default(),
            audio: opinion.map(|opinion| opinion.risk),
            suspicious_copies: release
                .and_then(|release| recordings.get(&release.content))
                .map(|recording| copied(copies[recording], said(&track)))
                .unwrap_or_default(),
        };
        judged.push((
            (Subject::Track, track),
            release.map_or((0, 0), |release| (segment(release.distributor), release.territory)),
            opinion.map(|opinion| HeardSound { words: opinion.words }),
            if rows.is_empty() { Vec::new() } else { of_track(&facts) },
        ));
    }
    for (axis, subject) in [
        (Axis::Artist, Subject::Artist),
        (Axis::Uploader, Subject::Uploader),
        (Axis::Playlist, Subject::Playlist),
        (Axis::Distributor, Subject::Distributor),
    ] {
        for (key, rows) in of(axis) {
            let owner = (subject, key);
            let catalogue = declared.get(&owner).copied().unwrap_or_default();
            let audio = hearings.get(&owner).and_then(|hearing| hearing.of_owner(catalogue.tracks));
            let facts = OwnerFacts { rows: &rows, suspicious_accounts: share(owner), catalogue, audio };
            let segment = if subject == Subject::Distributor { segment(key) } else { 0 };
            let signals = if rows.is_empty() { Vec::new() } else { of_owner(&facts) };
            judged.push((owner, (segment, 0), audio.map(|_| HeardSound { words: None }), signals));
        }
    }
    let judgement = |(subject, (segment, territory), heard, signals): Recounted| {
        let learned =
            learned.get(&subject.1).filter(|_| subject.0 == Subject::Account).map(|(_, learned)| learned.clone());
        let ruling = ruled.get(&subject).map(|kind| Box::new(ruling(*kind)));
        let judgement = Judgement { segment, territory, heard, signals, learned, rules: Vec::new(), ruling };
        (!judgement.signals.is_empty() || judgement.ruling.is_some()).then_some((subject, judgement))
    };
    let mut judgements: Judgements = judged.into_iter().filter_map(judgement).collect();
    let spoken = judgements.clone();
    for (place, clause) in clauses(world).iter().enumerate() {
        let window_ms = WINDOWS_MS[usize::from(clause.window)];
        let sheet = sheet(world, clause.axis);
        for (key, rows) in state.of(clause.axis) {
            let own = rows.iter().find(|(ms, _)| *ms == window_ms);
            let who = (subject(clause.axis), key);
            let matches = own.is_some_and(|(_, row)| match clause.condition.is_of_one_row() {
                true => clause.condition.holds(row),
                false => {
                    let signals = spoken.get(&who).map_or(&[][..], |judgement| &judgement.signals);
                    let owner = |axis: Axis| {
                        let release = in_force.get(&key).filter(|_| clause.axis == Axis::Track)?;
                        let key = if axis == Axis::Artist { release.artist } else { release.uploader };
                        state.of(axis).remove(&key)
                    };
                    let cells = cells(world, tick, who, &sheet, (&rows, signals, &owner));
                    sheet.question(&clause.condition).holds(&cells, clock().instant(tick))
                }
            });
            if clause.in_force.iter().any(|ticks| ticks.contains(&tick)) && matches {
                judgements.entry(who).or_default().rules.push(place as u32);
            }
        }
    }
    (judgements, scores, features)
}

/// What rules read besides.
fn sheet(world: &World, axis: Axis) -> Sheet {
    let clauses = clauses(world);
    Sheet::of(axis, clauses.iter().map(|clause| &clause.condition))
}

/// The rows of a subject, what speaks against it, and the rows of who has it.
type Tables<'a> = (&'a [(Millis, WindowRow)], &'a [Signal], &'a dyn Fn(Axis) -> Option<Vec<(Millis, WindowRow)>>);

/// What rules read of a subject, put together from all tables.
fn cells(world: &World, tick: Tick, who: (Subject, Key), sheet: &Sheet, (rows, signals, owner): Tables) -> Vec<Cell> {
    let row = |rows: &[(Millis, WindowRow)], of: Millis| rows.iter().find(|(ms, _)| *ms == of).map(|(_, row)| *row);
    let mut cells = sheet.blank(sheet.all());
    let mut put = |part: std::ops::Range<usize>, told: Vec<Cell>| cells[part].copy_from_slice(&told);
    for window_ms in WINDOWS_MS {
        let part = sheet.part(Of::Row(window_ms));
        put(part.clone(), sheet.of_row(part, row(rows, window_ms).as_ref()));
        for axis in [Axis::Artist, Axis::Uploader] {
            if let Some(rows) = owner(axis) {
                let part = sheet.part_of_owner(axis, window_ms);
                put(part.clone(), sheet.of_row(part, row(&rows, window_ms).as_ref()));
            }
        }
    }
    let mut told = world.told.range(..=(tick, Subject::Uploader, Key(u64::MAX)));
    if let Some((_, told)) = told.rfind(|((_, subject, key), _)| (*subject, *key) == who) {
        put(sheet.part(Of::Told), told.cells(who.0, sheet));
    }
    put(sheet.part(Of::Signals), sheet.of_signals(signals));
    cells
}

/// The policy, and in worlds where people write rules another one after it: an edge is nothing, and a group is everything.
fn policies(world: &World, policy: &Policy) -> Vec<(Tick, Arc<Policy>)> {
    let mut policies = vec![(0, Arc::new(policy.clone()))];
    if world.has_clauses {
        let mut other = policy.clone();
        for (name, weight) in [("edge", 0), ("group", 100), ("lockstep", 20), ("suspicious_tracks", 90)] {
            let rule = other.rules.account.get_mut(name).unwrap();
            rule.weight = Percent::new(weight).unwrap();
        }
        other.weights.track = other.weights.account;
        policies.push((world.until() - 9, Arc::new(other)));
    }
    policies
}

fn subject(axis: Axis) -> Subject {
    match axis {
        Axis::Account => Subject::Account,
        Axis::Track => Subject::Track,
        Axis::Artist => Subject::Artist,
        Axis::Uploader => Subject::Uploader,
        Axis::Playlist => Subject::Playlist,
        Axis::Distributor => Subject::Distributor,
    }
}

/// Rules of several subjects and windows; some begin and end while the world goes on, and some of them twice.
fn clauses(world: &World) -> Arc<[Clause]> {
    if !world.has_clauses {
        return Arc::new([]);
    }
    let (begins, ends) = (world.until() - 12, world.until() - 2);
    let changes = world.until() - 9;
    let clause = |(axis, window, when, from, until): (Axis, u8, &str, Tick, Tick)| Clause {
        axis,
        window,
        condition: Condition::read(when, Table { axis, window_ms: WINDOWS_MS[usize::from(window)] }).unwrap(),
        in_force: std::iter::once(from..until).collect(),
    };
    let all = [
        (Axis::Account, 0, "plays >= 2 and tracks < plays", changes, Tick::MAX),
        (Axis::Account, 2, "payable / plays > 0.5", begins, changes),
        (Axis::Account, 1, "plays >= 2", ends, Tick::MAX),
        (Axis::Track, 1, "listeners > 1", changes, ends),
        (Axis::Uploader, 2, "uploads > 0 or plays > 3", begins, changes),
        (Axis::Playlist, 1, "plays > 1", 0, changes),
        // Over more than one table.
        (Axis::Account, 0, "plays > w7d.plays / 4 and age_hours < 60", 0, Tick::MAX),
        (Axis::Account, 1, "country in ('BR', 'VN') or signal.edge > 0.2", begins, Tick::MAX),
        (Axis::Account, 1, "age_hours >= 36 and country <> 'BR'", 0, Tick::MAX),
        (Axis::Track, 0, "artist.plays > plays and uploader.w7d.tracks > 1", 0, Tick::MAX),
        (Axis::Track, 1, "contains_ai = 'all' and duration_ms < 35000 or signal.audio > 0", 0, ends),
        (Axis::Track, 2, "artist.plays is null and w24h.plays = 0 or age_hours between 24 and 48", 0, Tick::MAX),
        // Policies that have them take turns with one that has not.
        (Axis::Account, 2, "plays > 1", 0, begins),
        (Axis::Track, 1, "plays > 1 and (w7d.plays > 2 or age_hours >= 24)", 0, begins),
    ];
    let mut all = all.map(clause);
    let turned = all.len() - 2;
    all[turned..].iter_mut().for_each(|clause| clause.in_force.push(changes..ends));
    all.into()
}

/// What was compared: the signals of each kind of subject, and the segments.
#[derive(Default)]
struct Compared {
    signals: BTreeMap<(Subject, Name), u32>,
    segments: BTreeMap<(Subject, u16), u32>,
    territories: BTreeMap<(Subject, u16), u32>,
    /// How often each rule that people wrote matched.
    rules: BTreeMap<u32, u32>,
    /// Judgements without a signal of the audio, of subjects that were heard.
    clean: BTreeMap<Subject, u32>,
    /// Features that were a number other than nothing.
    features: BTreeSet<(Axis, &'static str)>,
}

impl Compared {
    fn add(&mut self, judgements: &Judgements) {
        for ((subject, _), judgement) in judgements {
            *self.segments.entry((*subject, judgement.segment)).or_default() += 1;
            *self.territories.entry((*subject, judgement.territory)).or_default() += 1;
            let speaks = judgement.signals.iter().any(|signal| signal.name == Name::Audio);
            *self.clean.entry(*subject).or_default() += u32::from(judgement.heard.is_some() && !speaks);
            judgement.rules.iter().for_each(|rule| *self.rules.entry(*rule).or_default() += 1);
            for signal in &judgement.signals {
                *self.signals.entry((*subject, signal.name)).or_default() += 1;
            }
        }
    }

    fn say(&mut self, features: &Features) {
        for ((axis, _), Profile(values)) in features {
            let said = names(*axis).iter().zip(values).filter(|(_, value)| value.abs() > 0.0);
            self.features.extend(said.map(|(name, _)| (*axis, *name)));
        }
    }
}

/// The names of the features of such a subject.
fn names(axis: Axis) -> &'static [&'static str] {
    match axis {
        Axis::Track => track::names(),
        Axis::Uploader => uploader::names(),
        _ => profile::names(),
    }
}

/// Holds the law at every tick; returns the last judgements.
fn hold(world: &World, policy: &Policy, workers: usize, told: &str, compared: &mut Compared) -> Judgements {
    let changes = flow(world, policy, workers, true);
    let mut state = State::default();
    for tick in *changes.keys().next().unwrap()..=world.until() {
        changes.get(&tick).into_iter().flatten().for_each(|change| state.apply(change.clone()));
        assert!(state.sequences == world.sequences(tick), "{told}, {workers} workers, tick {tick}: sequences");
        let (expected, scores, features) = recount(world, policy, tick, &state);
        same(&features, &state.features, &format!("{told}, {workers} workers, tick {tick}"));
        assert!(state.scores == scores, "{told}, {workers} workers, tick {tick}: scores");
        compared.add(&expected);
        compared.say(&features);
        for subject in expected.keys().chain(state.judged.keys()).collect::<BTreeSet<_>>() {
            let (expected, found) = (expected.get(subject), state.judged.get(subject));
            assert_eq!(expected, found, "{told}, {workers} workers, tick {tick}, {subject:?}: recounted, then found");
        }
    }
    state.judged
}

/// Names the first feature that differs.
fn same(expected: &Features, found: &Features, told: &str) {
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for subject in keys {
        let sides = [expected, found].map(|side| side.get(subject));
        if let [Some(Profile(expected)), Some(Profile(found))] = sides {
            let differs = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits();
            let first = expected.iter().zip(found).position(differs);
            let name = first.map(|at| (names(subject.0)[at], expected[at], found[at]));
            assert_eq!(name, None, "{told}, {subject:?}: recounted, then found");
        }
        assert!(sides[0] == sides[1], "{told}, {subject:?}: {sides:?}");
    }
}

/// A generator of worlds (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

const START_MS: Millis = 20_000 * DAY_MS;

fn play(account: u64, track: u64, ended_at: Millis, played_ms: u32) -> KeyedPlay {
    KeyedPlay {
        ended_at,
        account: Key(account),
        track: Key(track),
        device: Key::NONE,
        ip_prefix: Key::NONE,
        playlist: Key::NONE,
        played_ms,
        asn: KeyedPlay::NO_ASN,
        country: Country::NONE,
        source: Source::Other,
        marks: KeyedPlay::REVOCABLE,
    }
}

fn release(chance: &mut Chance) -> Release {
    let some = |chance: &mut Chance, count| if chance.one_in(5) { Key::NONE } else { Key(chance.below(count)) };
    Release {
        content: some(chance, 6),
        artist: some(chance, 4),
        uploader: some(chance, 3),
        distributor: some(chance, 2),
        metadata: Metadata {
            missing_fields: chance.below(6) as u8,
            declares_ai: chance.one_in(2),
            duration_ms: [None, Some(31_000), Some(200_000), Some(9_000_000)][chance.below(4) as usize],
        },
        territory: 0,
    }
}

/// A farm, its neighbours, late and corrected plays, tracks that change hands, tiers that change.
fn small_world(seed: u64) -> World {
    let chance = &mut Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World { has_clauses: true, ..World::default() };
    let (days, farmers, people) = (3 + chance.below(14), 1 + chance.below(5), 3 + chance.below(8));
    let (per_day, farm_tracks) = (30 + chance.below(60), 1 + chance.below(4));
    let caught_on = chance.one_in(2).then(|| START_MS + chance.below(days) as Millis * DAY_MS);
    for day in 0..days as Millis {
        let midnight = START_MS + day * DAY_MS;
        for nth in 0..per_day as Millis {
            // The farm plays in step; now and then a hit, to look like people.
            let track = if chance.one_in(8) { 100 + chance.below(6) } else { chance.below(farm_tracks) };
            for farmer in 0..farmers {
                let ended_at = midnight + nth * DAY_MS / per_day as Millis + farmer as Millis * 1_000;
                let played = play(farmer, track, ended_at, 31_000 + chance.below(3_000) as u32);
                let playlist = if chance.one_in(3) { Key(1) } else { Key::NONE };
                world.hear(KeyedPlay { device: Key(9), playlist, ..played }, caught_on, chance);
            }
        }
        for person in 0..people {
            for _ in 0..chance.below(25) {
                let track = if chance.one_in(10) { chance.below(farm_tracks) } else { 100 + chance.below(12) };
                let ended_at = midnight + chance.below(DAY_MS as u64) as Millis;
                let played = play(50 + person, track, ended_at, 20_000 + chance.below(200_000) as u32);
                let playlist = if chance.one_in(4) { Key(chance.below(3)) } else { Key::NONE };
                world.hear(KeyedPlay { playlist, ..played }, None, chance);
            }
        }
    }
    let first = clock().first_after(START_MS);
    for track in (0..farm_tracks).chain(100..112).chain(500..500 + 80 * chance.below(4)) {
        for change in 0..1 + chance.below(3) {
            let tick = if change == 0 { first } else { first + chance.below(2 * days) };
            let uploaded_at = chance.one_in(2).then(|| START_MS + chance.below(days) as Millis * DAY_MS);
            let mut release = release(chance);
            if track >= 500 {
                // One uploader floods the catalogue.
                release.uploader = Key(0);
            }
            world.releases.insert((tick, Key(track)), (release, uploaded_at));
        }
    }
    for _ in 0..chance.below(4) {
        world.segments.insert((first + chance.below(2 * days), Key(chance.below(2))), chance.below(3) as u16);
    }
    // What is heard comes, changes and falls silent; contents beyond those of the catalogue are heard too.
    for _ in 0..chance.below(40) {
        let says = (!chance.one_in(4)).then(|| {
            let risk = Risk::from_parts([0, 500, 6_000, 9_500][chance.below(4) as usize]);
            Opinion { risk, words: (risk > Risk::CLEAN).then(|| chance.below(3) as u32) }
        });
        let (tick, content) = (first + chance.below(2 * days), Key(chance.below(8)));
        world.opinions.insert((tick, content), says);
    }
    // Contents are themselves at first, then some turn out to be copies, and to be none.
    (0..6)
        .filter(|_| !chance.one_in(3))
        .for_each(|content| _ = world.recordings.insert((first, Key(content)), Key(content)));
    for _ in 0..chance.below(10) {
        let (tick, content) = (first + chance.below(2 * days), Key(chance.below(6)));
        world.recordings.insert((tick, content), Key(chance.below(3)));
    }
    // What is told of accounts and tracks changes, and is told of some that nobody knows.
    for _ in 0..chance.below(60) {
        let tick = if chance.one_in(2) { first } else { first + chance.below(2 * days) };
        let told = Registered {
            word: (!chance.one_in(4)).then(|| chance.below(3) as usize),
            since: (!chance.one_in(4))
                .then(|| START_MS + chance.below(days * DAY_MS as u64) as Millis / HOUR_MS * HOUR_MS - DAY_MS),
            duration_ms: [None, Some(31_000), Some(200_000)][chance.below(3) as usize],
        };
        let (subject, key) = match chance.one_in(2) {
            true => (Subject::Account, [chance.below(5), 50 + chance.below(8), 99][chance.below(3) as usize]),
            false => (Subject::Track, [chance.below(4), 100 + chance.below(12), 999][chance.below(3) as usize]),
        };
        world.told.insert((tick, subject, Key(key)), told);
    }
    // People rule about some, change their minds and take it back; also about whom nobody knows.
    for _ in 0..if seed.is_multiple_of(3) { chance.below(30) } else { 0 } {
        let subject = Subject::ALL[chance.below(6) as usize];
        let among = match subject {
            Subject::Account => [0, 1, 2, 50, 51, 99],
            Subject::Track => [0, 1, 100, 101, 102, 999],
            _ => [0, 1, 2, 3, 4, 99],
        };
        let said = [RulingKind::Cleared, RulingKind::Victim, RulingKind::Confirmed(Verdict::Escalate)];
        let kind = said.get(chance.below(4) as usize).copied();
        let key = Key(among[chance.below(6) as usize]);
        world.rulings.insert((first + chance.below(2 * days), subject, key), kind);
    }
    // Artists and accounts move, also such that nobody knows yet, and some leave every territory that matters.
    world.releases.values_mut().for_each(|(release, _)| release.territory = chance.below(3) as u16);
    for _ in 0..chance.below(40) {
        let account = Key([0, 1, 2, 50, 51, 52, 53, 99][chance.below(8) as usize]);
        world.homes.insert((first + chance.below(2 * days), account), chance.below(3) as u16);
    }
    world
}

impl World {
    fn hear(&mut self, play: KeyedPlay, caught_on: Option<Millis>, chance: &mut Chance) {
        let late = if chance.one_in(20) { chance.below(2 * DAY_MS as u64) as Millis } else { 0 };
        let taken_back = chance.one_in(30).then(|| play.ended_at + chance.below(4 * DAY_MS as u64) as Millis);
        // Plays that are all alike could not be told apart when one is taken back.
        let unlike = Country::from_number(self.plays.len() as u32 % 7 + 2);
        let caught = caught_on.filter(|at| *at > play.ended_at).or(taken_back);
        self.plays.push(Heard {
            play: KeyedPlay { country: unlike, ..play },
            arrived_at: play.ended_at + late,
            corrected_at: caught,
        });
    }
}

#[test]
fn judgements_equal_a_recount_in_small_worlds() {
    let mut compared = Compared::default();
    for seed in 1..=15 {
        let mut policy = built_in();
        policy.flow.rounds = (seed % 4) as u8;
        policy.flow.floor = Percent::new([30, 5][seed as usize % 2]).unwrap();
        let workers = [1, 4][seed as usize / 2 % 2];
        hold(&small_world(seed), &policy, workers, &format!("seed {seed}"), &mut compared);
    }
    let Compared { signals, segments, territories, clean, features, rules } = compared;
    let travelled = [Subject::Track, Subject::Artist, Subject::Uploader, Subject::Playlist, Subject::Distributor];
    let expected = travelled.map(|subject| (subject, Name::SuspiciousAccounts)).into_iter().chain([
        (Subject::Account, Name::SuspiciousTracks),
        (Subject::Account, Name::Lockstep),
        (Subject::Track, Name::UploadRate),
        (Subject::Track, Name::MissingFields),
        (Subject::Track, Name::Audio),
        (Subject::Track, Name::SuspiciousCopies),
        (Subject::Artist, Name::Audio),
        (Subject::Uploader, Name::Audio),
        (Subject::Distributor, Name::Audio),
    ]);
    for kind in expected {
        assert!(signals.contains_key(&kind), "{kind:?} was never compared");
    }
    assert_eq!(rules.len(), 14, "some rule that people wrote never matched: {rules:?}");
    assert!(clean[&Subject::Track] > 0, "clean audio was never compared");
    // In these worlds nobody is offline, shuffles, has a network or is new, and none has a searched or kept play.
    let unheard =
        ["offline", "shuffled", "hosted", "new_account", "search", "library", "chosen", "algorithm", "editorial"];
    let silent = |name: &str| unheard.iter().any(|of| name.contains(of)) || name.contains("ip_prefix");
    for axis in [Axis::Track, Axis::Uploader] {
        let said = |name: &&&str| features.contains(&(axis, **name)) || silent(name) || name.contains("playlist_share");
        let unsaid: Vec<_> = names(axis).iter().filter(|name| !said(name)).collect();
        assert!(unsaid.is_empty(), "{axis:?}: {unsaid:?} were never a number to compare");
    }
    assert!([Subject::Track, Subject::Distributor].iter().all(|subject| segments.contains_key(&(*subject, 1))));
    let homes = [Subject::Account, Subject::Track].map(|subject| [0, 1, 2].map(|home| (subject, home)));
    assert!(homes.iter().flatten().all(|home| territories.contains_key(home)), "{territories:?}");
}

#[test]
fn models_come_into_force_and_score_whoever_has_plays() {
    let mut compared = Compared::default();
    let eager = model(
        -1.0,
        &[
            ("day_plays_per_day", 3.0, 2.0),
            ("week_devices", 0.5, 1.0),
            ("lockstep_partners", 0.5, 2.0),
            ("shared_company", 1.2, 1.0),
        ],
    );
    let calm = model(-6.0, &[("month_concentration", 0.3, 5.0)]);
    let listens = model_with_network(-1.0, &[("day_plays_per_day", 3.0, 1.0)]);
    let bold = model(1.0, &[("day_plays_per_day", 1.0, 1.0)]);
    let mut by_network = 0;
    for (seed, workers) in [(31, 1), (32, 3), (33, 3)] {
        let mut world = small_world(seed);
        let first = clock().first_after(START_MS);
        world.models = vec![(first + 3, eager.clone()), (first + 9, calm.clone()), (first + 12, listens.clone())];
        world.trials = vec![tried(first + 5, first + 7, &calm), tried(first + 7, first + 11, &bold)];
        let judged = hold(&world, &built_in(), workers, &format!("seed {seed}"), &mut compared);
        let of_network = |looked: &Looked| usize::from(looked.feature) == profile::names().len();
        let learned = judged.values().filter_map(|judgement| judgement.learned.as_ref());
        by_network += learned.filter(|learned| learned.because.iter().any(of_network)).count();

        // At the tick at which a model takes over or is tried, accounts are told of, though not one play came or went there.
        let changes = flow(&world, &built_in(), workers, true);
        for turn in [5, 7, 9, 11] {
            let told = changes[&(first + turn)].iter().filter_map(|change| match change {
                Change::Judged(_, judged) => {
                    Some(judged.iter().filter(|((subject, _), _)| *subject == Subject::Account).count())
                }
                _ => None,
            });
            assert!(told.sum::<usize>() > 0, "seed {seed}: nobody was scored anew at {turn}");
        }
    }
    assert!(compared.signals[&(Subject::Account, Name::Learned)] > 20);
    assert!(by_network > 0, "no account was scored higher because of its sequence");
}

#[test]
fn who_begins_in_the_midst_says_what_one_says_who_was_there_from_the_start() {
    for seed in 31..=42 {
        let (mut world, policy) = (small_world(seed), built_in());
        let (first, until) = (clock().first_after(START_MS), world.until());
        world.models = vec![(first + 3, model_with_network(-2.0, &[("day_plays_per_day", 3.0, 2.0)]))];
        world.trials = vec![tried(first + 6, until, &model(0.5, &[("day_plays_per_day", 2.0, 1.0)]))];
        let wanted = first + [2, 9, 17, 25, until - first][seed as usize % 5].min(until - first);
        let (mut lived, mut begun) = (State::default(), State::default());
        let mut lives = flow(&world, &policy, 1, true);
        let mut begins = flow_from(&world, &policy, [1, 4][seed as usize % 2], true, Some(wanted));
        for tick in 0..=until {
            lives.remove(&tick).into_iter().flatten().for_each(|change| lived.apply(change));
            begins.remove(&tick).into_iter().flatten().for_each(|change| begun.apply(change));
            if tick >= wanted {
                for state in [&mut lived, &mut begun] {
                    state.rows.retain(|_, rows| !rows.is_empty());
                }
                let [lived, begun] = [&lived, &begun].map(|state| format!("{state:#?}"));
                let differs = lived.lines().zip(begun.lines()).find(|(lived, begun)| lived != begun);
                assert!(lived == begun, "seed {seed}, tick {tick}, wanted from {wanted} on: lived, begun: {differs:?}");
            }
        }
    }
}

#[test]
fn the_last_tick_alone_says_what_all_ticks_say_in_the_end() {
    for (seed, workers) in [(21, 1), (22, 3)] {
        let (world, policy) = (small_world(seed), built_in());
        let expected = hold(&world, &policy, workers, &format!("seed {seed}"), &mut Compared::default());
        let mut state = State::default();
        flow(&world, &policy, workers, false).into_values().flatten().for_each(|change| state.apply(change));
        assert_eq!(state.judged, expected, "seed {seed}");
        let (_, _, features) = recount(&world, &policy, world.until(), &state);
        same(&features, &state.features, &format!("seed {seed}"));
        assert!(state.sequences == world.sequences(world.until()), "seed {seed}: sequences");
    }
}

/// A whole world of `truestream world`, as keys.
fn whole_world(spec: &WorldSpec) -> World {
    let source = WholeWorld::new(spec).unwrap();
    let (plays, corrections) = source.telemetry();
    let key = |id: &Id| match id {
        Id::Number(number) => Key(*number),
        Id::Text(text) => panic!("{text}: the ids of worlds are numbers"),
    };
    let some = |id: &Option<Id>| id.as_ref().map_or(Key::NONE, key);
    let corrected: BTreeMap<Id, Millis> = corrections.into_iter().map(|row| (row.play_id, row.arrived_at)).collect();
    let mut seen = BTreeSet::new();
    let mut world = World::default();
    for row in plays.into_iter().filter(|row| seen.insert(row.play_id.clone())) {
        let play = KeyedPlay {
            device: some(&row.device_id),
            playlist: some(&row.playlist_id),
            source: row.source.as_deref().map_or(Source::Other, Source::from_name),
            ..play(key(&row.account_id).0, key(&row.track_id).0, row.ended_at, row.played_ms as u32)
        };
        let arrived_at = row.arrived_at.unwrap_or(row.ended_at);
        world.plays.push(Heard { play, arrived_at, corrected_at: corrected.get(&row.play_id).copied() });
    }
    let played: BTreeSet<Key> = world.plays.iter().map(|heard| heard.play.track).collect();
    let first = clock().first_after(spec.start_ms);
    // What nobody plays is left out where it is old: the recount reads the catalogue anew at every tick.
    for row in source.tracks() {
        let fresh = row.uploaded_at.is_some_and(|at| at > spec.start_ms - WINDOWS_MS[2]);
        if fresh || played.contains(&key(&row.track_id)) {
            let release = Release {
                content: Key::NONE,
                artist: some(&row.artist_id),
                uploader: some(&row.uploader_id),
                distributor: some(&row.distributor_id),
                metadata: Metadata::of(&row),
                territory: 0,
            };
            let tick = row.valid_from.map_or(first, |at| clock().first_after(at).max(first));
            world.releases.insert((tick, key(&row.track_id)), (release, row.uploaded_at));
        }
    }
    world
}

#[test]
fn judgements_equal_a_recount_in_a_whole_world() {
    let spec = WorldSpec { seed: 5, accounts: 60, days: 10, ..WorldSpec::default() };
    let mut world = whole_world(&spec);
    // What is told weeks later would leave the last tick without plays to judge by.
    let end_ms = spec.start_ms + i64::from(spec.days) * DAY_MS;
    world.plays.retain(|heard| heard.arrived_at < end_ms);
    world.plays.iter_mut().for_each(|heard| heard.corrected_at = heard.corrected_at.filter(|at| *at < end_ms));
    let judged = hold(&world, &built_in(), 3, "the world of seed 5", &mut Compared::default());
    let sure = judged
        .iter()
        .filter(|((subject, _), judged)| *subject == Subject::Account && r(*subject, judged) > Risk::from_parts(6_000));
    assert!(sure.count() > 0, "nobody is suspected");
}

#[test]
fn a_farm_whose_plays_are_taken_back_leaves_no_judgement() {
    let mut world = World::default();
    let taken_back = START_MS + 3 * DAY_MS;
    for nth in 0..600 {
        let played = play(1, nth % 2, START_MS + nth as Millis * 200_000, 31_000);
        world.plays.push(Heard { play: played, arrived_at: played.ended_at, corrected_at: Some(taken_back) });
    }
    let bystander = play(2, 7, taken_back + DAY_MS, 200_000);
    world.plays.push(Heard { play: bystander, arrived_at: bystander.ended_at, corrected_at: None });

    let changes = flow(&world, &built_in(), 1, true);
    let judged_at = |tick: Tick| {
        let mut state = State::default();
        changes.range(..=tick).flat_map(|(_, changes)| changes).for_each(|change| state.apply(change.clone()));
        state.judged
    };
    let (before, after) = (clock().first_after(taken_back) - 1, clock().first_after(taken_back));
    let risk = r(Subject::Account, &judged_at(before)[&(Subject::Account, Key(1))]);
    assert!(risk > Risk::from_parts(6_000), "{risk:?}");
    assert!(judged_at(before).contains_key(&(Subject::Track, Key(0))));
    assert_eq!(judged_at(after), Judgements::new());
}

#[test]
fn suspicion_reaches_the_copies_of_a_recording_while_they_are_copies() {
    let mut world = World::default();
    let first = clock().first_after(START_MS);
    // A farm plays tracks 0 and 2, a person track 1.
    for nth in 0..1_500 {
        let played = play(1, nth % 2 * 2, START_MS + nth as Millis * 400_000, 31_000);
        world.plays.push(Heard { play: played, arrived_at: played.ended_at, corrected_at: None });
    }
    for nth in 0..40 {
        let played = play(2, 1, START_MS + nth as Millis * 15_000_000, 200_000);
        world.plays.push(Heard { play: played, arrived_at: played.ended_at, corrected_at: None });
    }
    for track in 0..3 {
        let metadata = Metadata { missing_fields: 0, declares_ai: true, duration_ms: Some(200_000) };
        let [artist, uploader, distributor] = [Key::NONE; 3];
        let release = Release { content: Key(track), artist, uploader, distributor, metadata, territory: 0 };
        world.releases.insert((first, Key(track)), (release, None));
        world.recordings.insert((first, Key(track)), Key(track));
    }
    let (from, to) = (first + 6, first + 10);
    world.recordings.insert((from, Key(1)), Key(0));
    world.recordings.insert((to, Key(1)), Key(1));

    for workers in [1, 3] {
        let changes = flow(&world, &built_in(), workers, true);
        let mut state = State::default();
        for tick in first..=world.until() {
            changes.get(&tick).into_iter().flatten().for_each(|change| state.apply(change.clone()));
            let says = |track: u64| {
                let judged = state.judged.get(&(Subject::Track, Key(track)));
                let mut signals = judged.into_iter().flat_map(|judged| &judged.signals);
                signals.find(|signal| signal.name == Name::SuspiciousCopies).map(|signal| signal.seen.count)
            };
            let is_copy = (from..to).contains(&tick);
            assert_eq!(says(1).is_some_and(|share| share > 2_000), is_copy, "tick {tick}: {:?}", says(1));
            assert_eq!((says(0), says(2)), (None, None), "tick {tick}: the copy has nothing to tell");
            let risk =
                state.judged.get(&(Subject::Track, Key(1))).map_or(Risk::CLEAN, |judged| r(Subject::Track, judged));
            assert!(risk < Risk::from_parts(4_000), "tick {tick}: copies alone hold nobody: {risk:?}");
        }
    }
}

/// The risk under the built-in policy.
fn r(subject: Subject, judged: &Judgement) -> Risk {
    fuse(&built_in(), subject, judged.heard.is_some(), judged.signals.clone()).r
}

/// What is said of whom.
type Told = ((Subject, Key), Said);
/// The risk that is said, and the words.
type Said = Option<(u16, Option<u32>)>;

#[test]
fn what_is_heard_comes_is_replaced_and_disappears_for_all_tracks_of_the_content_and_nobody_else() {
    let mut world = World::default();
    let first = clock().first_after(START_MS);
    for track in 0..3 {
        for day in 0..4 {
            let played = play(track, track, START_MS + day * DAY_MS, 200_000);
            world.plays.push(Heard { play: played, arrived_at: played.ended_at, corrected_at: None });
        }
        // Two tracks of one content, and one of another, each by an artist of its own.
        let metadata = Metadata { missing_fields: 0, declares_ai: true, duration_ms: Some(200_000) };
        let (content, artist) = (Key(track / 2), Key(track));
        let release = Release { content, artist, uploader: Key::NONE, distributor: Key::NONE, metadata, territory: 0 };
        world.releases.insert((first, Key(track)), (release, None));
    }
    let says = |parts, words| Some(Opinion { risk: Risk::from_parts(parts), words: Some(words) });
    // At the third tick it is said again, which changes nothing.
    for (at, opinion) in [(1, says(6_000, 3)), (2, says(9_500, 4)), (3, says(9_500, 4)), (4, says(500, 5)), (5, None)] {
        world.opinions.insert((first + at, Key(0)), opinion);
    }

    let changes = flow(&world, &built_in(), 3, true);
    let mut told: BTreeMap<Tick, Vec<Told>> = BTreeMap::new();
    for (tick, change) in changes.into_iter().flat_map(|(tick, all)| all.into_iter().map(move |one| (tick, one))) {
        let Change::Judged(_, judged) = change else { continue };
        let said = |subject: Subject, judged: Judgement| {
            (r(subject, &judged).parts(), judged.heard.and_then(|heard| heard.words))
        };
        let judged = judged.into_iter().map(|(who, what)| (who, what.map(|judged| said(who.0, judged))));
        told.entry(tick - first).or_default().extend(judged);
    }
    told.values_mut().for_each(|rows| rows.sort());
    // 40 % of the risk of the audio: nothing else speaks against anybody.
    let all = |r: Option<u16>, words: u32| {
        let (track, artist) = (r.map(|r| (r, Some(words))), r.map(|r| (r, None)));
        let rows = [(Subject::Track, track), (Subject::Artist, artist)];
        let mut rows: Vec<_> =
            rows.iter().flat_map(|(kind, said)| [0, 1].map(|key| ((*kind, Key(key)), *said))).collect();
        rows.sort();
        rows
    };
    let expected = [(1, all(Some(2_400), 3)), (2, all(Some(3_800), 4)), (4, all(Some(200), 5)), (5, all(None, 0))];
    assert_eq!(told, BTreeMap::from(expected));
}
