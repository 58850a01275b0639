//! Everything that is known before the first play flows: options, ids, catalogue, survey.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use dataflows::audiences::Audiences;
use dataflows::clock::{Clock, Tick};
use dataflows::links::LinkKind;
use dataflows::risk::{Entry, Judging};
use dataflows::river::{Context, LINK_WINDOW_MS, LOCKSTEP_WINDOW_MS, Plan};
use dataflows::scores::Side;
use dataflows::sequences::Asked;
use dataflows::tallies::Cadence;
use datasets::arrivals::{self, Facts, Listing, Survey, Tier, Wanted};
use datasets::names::{NameTable, Naming};
use datasets::tables::read::{INSTANT_MAX, IdKinds, id_kinds, read_table};
use datasets::tables::{IdKind, Inputs};
use features::sequence;
use features::signals::is_judged;
use features::tally::Axis;
use records::gate::{Action, Limits};
use records::{Id, IdSpace, Key, Millis, Playlist, Refusal};
use timely::CommunicationConfig;

use super::args::{Emit, ReplayArgs, millis};
use super::attributes::Attributes;
use super::clauses::{self, Asking};
use super::declared::{self, Declarations};
use super::deliveries::Deliveries;
use super::evidence::{Heard, HeardCounts};
use super::gate::Uploads;
use super::judge::{Judge, Rows, Segments};
use super::laws::{self, Law};
use super::learned::{self, Scorers};
use super::reputation::Reputations;
use super::rulings::{self, Rulings};
use super::views::{LINKS, VIEWS, View};
use super::watch::Watch;
use super::waves::{self, Counted};
use crate::exit::Failure;
use crate::ingredients::Before;

/// The views for which subjects are judged.
const JUDGED: [View; 6] = [View::Risk, View::Verdict, View::RuleHit, View::Ruling, View::Withheld, View::Reputation];

/// Where a newcomer stands, in whole percent; who has nothing but overturned verdicts stands there or above.
const NEWCOMER_PERCENT: u8 = 80;

/// A run that is ready to start.
pub struct Prepared {
    /// What the dataflow computes.
    pub plan: Plan,
    /// What it needs to know besides.
    pub context: Context,
    /// Threads and processes.
    pub timely: timely::Config,
    /// Whether this process writes the tables.
    pub is_first_process: bool,
    /// The views that are written.
    pub views: Vec<View>,
    /// The windows as named, shortest first.
    pub window_labels: Vec<Arc<str>>,
    /// Their lengths.
    pub windows_ms: Vec<Millis>,
    /// The refresh interval.
    pub every_ms: Millis,
    /// The first tick; later than `plan.until` when nothing arrives.
    pub first: Tick,
    /// The input files.
    pub inputs: Inputs,
    /// How they were before anybody read them.
    pub before: Before,
    /// The ids of the run.
    pub names: Arc<NameTable>,
    /// Accounts and networks.
    pub facts: Arc<Facts>,
    /// The catalogue by the tick from which each row is in force.
    pub listings: Vec<(Tick, Listing)>,
    /// The segments of the distributors, the territories of the accounts and what was heard by the tick from which each is in force; of these only which
    /// recordings are copies where features of tracks are wanted and nobody is judged, else nothing.
    pub entries: Vec<(Tick, Entry)>,
    /// The tiers and territories that have numbers of their own.
    pub segments: Segments,
    /// What was heard, counted; `None` where nobody listened.
    pub heard: Option<HeardCounts>,
    /// Of what people ruled: the same where it is the same.
    pub rulings_digest: u64,
    /// Of the policies: the same where the same decide.
    pub laws_digest: u64,
    /// The names of the models that score accounts, in the order of coming into force.
    pub models: Vec<String>,
    /// The names of the models of each side whose scores are written.
    pub sides: Vec<(Side, Vec<String>)>,
    /// Who decides, by the policies of the run, and after that by those that it is laid beside.
    pub benches: Vec<Bench>,
    /// The limits of the gate in force, each from a tick on, where somebody asks.
    pub limits: Vec<(Tick, Limits)>,
    /// Why other signals speak where the second bench decides, if others do.
    pub apart: Option<&'static str>,
    /// The ids of the plays that are corrected, where plays are withheld.
    pub corrected: HashSet<u128>,
    /// Corrections as (arrival, play id), by arrival.
    pub corrections: Vec<(Millis, u128)>,
    /// How many corrections there are.
    pub corrections_count: usize,
    /// What is known of the plays.
    pub survey: Arc<Survey>,
    /// Which columns of plays are needed.
    pub wanted: Wanted,
    /// Rows of the small tables that were refused.
    pub refusals: Vec<Refusal>,
    /// What somebody should know who reads the results.
    pub warnings: Vec<String>,
}

/// Who decides by a policy, or by those that take turns.
pub struct Bench {
    /// Who judges, if somebody does.
    pub judge: Option<Judge>,
    /// What is declared, where somebody asks.
    pub declarations: Option<Declarations>,
    /// What comes to the gate, where somebody asks.
    pub uploads: Option<Uploads>,
    /// What reputations follow from, where they are asked for.
    pub reputations: Option<Reputations>,
    /// Rows of `wave` that come or go, by tick.
    pub waves: Vec<(Tick, Rows)>,
}

/// Reads options and small tables and surveys the plays; `other` is the folder of a policy by which the same plays are judged, too,
/// inside `None` for the built-in one.
pub fn prepare(args: &ReplayArgs, other: Option<Option<&Path>>) -> Result<Prepared, Failure> {
    let setting = Setting::of(args, "1min")?;
    let clock = Clock::new(setting.every_ms);
    let policies = [args.policy.as_deref()].into_iter().chain(other);
    let laws: Vec<Vec<Law>> = policies.map(|policy| laws::read(policy, clock)).collect::<Result<_, _>>()?;
    let inputs = args.inputs()?;
    refuse_own_folder(args)?;
    if inputs.plays.is_empty() {
        return Err(Failure::Usage("no plays: give --data DIR or --plays FILE...".to_owned()));
    }
    let before = Before::of(&inputs)?;
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let kinds = id_kinds(inputs.by_table()).map_err(input)?;
    let names = Arc::new(NameTable::new(|space| kinds[space as usize]));
    let mut naming = Naming::new(names.clone());
    let mut refusals = Vec::new();
    let facts = arrivals::read_facts(&inputs, &kinds, &mut naming, &mut refusals).map_err(input)?;
    let heard = Heard::read(&inputs.evidence, &inputs.duplicate_group, &mut refusals).map_err(input)?;
    let listings = arrivals::read_listings(&inputs.tracks, &kinds, heard.contents(), &mut naming, &mut refusals);
    let listings = listings.map_err(input)?;
    let corrections = arrivals::read_corrections(&inputs.corrections, &kinds, &mut refusals).map_err(input)?;
    let tiers = arrivals::read_tiers(&inputs.distributors, &kinds, &mut naming, &mut refusals).map_err(input)?;
    let ruled = arrivals::read_rulings(&inputs.rulings, &kinds, &mut naming, &mut refusals).map_err(input)?;
    arrivals::judge_others(&inputs, &kinds, &mut refusals).map_err(input)?;
    let how = (setting.cluster.is_some(), usize::from(args.workers));
    let survey = arrivals::survey(&inputs.plays, setting.every_ms, &names, &facts, &corrections, how).map_err(input)?;

    let tick = |instant: Option<Millis>| instant.map(|instant| clock.first_after(instant));
    let (first, until) = (tick(survey.first_at).unwrap_or(1), tick(survey.last_at).unwrap_or(0));
    let laws: Vec<Vec<Law>> = laws.into_iter().map(|laws| laws::since(laws, first)).collect::<Result<_, _>>()?;
    let (has_rulings, rulings_digest) = (!ruled.is_empty(), rulings::digest(&ruled));
    let setting = setting.with_rules(args, laws.iter().flatten()).with_rulings(args, has_rulings);
    let setting = setting.with_reputations(args, laws.iter().flatten())?;
    let asks_uploads = setting.views.contains(&View::Gate);
    let has_surges = laws.iter().flatten().any(|law| !law.surges.is_empty());
    let uploaded = match asks_uploads || has_surges {
        // The catalogue once more, for what only few ask.
        true => arrivals::read_uploads(&inputs.tracks, &kinds, &mut naming).map_err(input)?,
        false => Vec::new(),
    };
    let counted = Counted::of(&uploaded, &facts, heard.groupings());
    let mut uploads = Vec::new();
    for bench in &laws {
        uploads.push(match asks_uploads {
            true => Some(Uploads::read(&uploaded, &inputs.audio, bench, (clock, first), &mut naming)?),
            false => None,
        });
    }
    drop(uploaded);
    let segments = Segments::new(laws.iter().flatten());
    let read = setting.read(laws.iter().flatten());
    let mut by_tick: Vec<(Tick, Listing)> =
        listings.into_iter().map(|row| (tick(row.valid_from).unwrap_or(0).max(first), row)).collect();
    // Of the rows of a track that come into force at one tick only the latest does.
    by_tick.sort_by_key(|(tick, row)| (*tick, row.track, std::cmp::Reverse(row.valid_from)));
    by_tick.dedup_by_key(|(tick, row)| (*tick, row.track));
    let mut tiers: Vec<(Tick, Tier)> =
        tiers.into_iter().map(|row| (tick(row.valid_from).unwrap_or(0).max(first), row)).collect();
    tiers.sort_by_key(|(tick, row)| (*tick, row.distributor, std::cmp::Reverse(row.valid_from)));
    tiers.dedup_by_key(|(tick, row)| (*tick, row.distributor));
    let known = |known_at: Millis| clock.first_after(known_at.max(0));
    let tells_recordings = !heard.contents().is_empty();
    let heard_counts = heard.counts(&(first..=until), known, &by_tick);
    let mut declarations = Vec::new();
    for bench in &laws {
        // Who judges asks whom not to judge, if there is somebody.
        let asks = setting.declares() || setting.judges() && declared::registers(bench);
        declarations.push(match asks {
            true => Some(Declarations::new(bench, &by_tick, &heard, first, known, &mut naming)?),
            false => None,
        });
    }
    let scorers = Scorers::read(args, clock, first, &names)?;
    let mut sides = Vec::new();
    if setting.views.contains(&View::Scores) {
        sides.push((Side::Champion, scorers.clone()));
        sides.extend(Scorers::challenger(args, first)?.map(|scorers| (Side::Challenger, scorers)));
    }
    let mut entries = Vec::new();
    let (findings, words) = heard.flow(first, known);
    let audiences = setting.audiences(tells_recordings);
    if setting.judges() {
        let segment = |(tick, row): &(Tick, Tier)| (*tick, Entry::Segment(row.distributor, segments.of(row)));
        entries.extend(tiers.iter().map(segment));
        if !segments.territories().is_empty() {
            // The accounts once more, for what only few ask.
            let homes = arrivals::read_territories(&inputs.accounts, &kinds, segments.territories(), &mut naming);
            let home =
                |(account, territory)| (first, Entry::Territory(account, segments.of_territory(Some(territory))));
            entries.extend(homes.map_err(input)?.into_iter().map(home));
        }
        entries.extend(findings);
        let hindsight = args.hindsight.then(|| clock.instant(until));
        entries.extend(Rulings::new(clock, hindsight).flow(ruled, first));
        entries.sort_by_key(|(tick, _)| *tick);
    } else if audiences.is_some() {
        entries.extend(findings.into_iter().filter(|(_, entry)| matches!(entry, Entry::Recording(..))));
        entries.sort_by_key(|(tick, _)| *tick);
    }
    let mut corrections: Vec<(Millis, u128)> = corrections.into_iter().map(|(id, at)| (at, id)).collect();
    corrections.sort_unstable();

    let owners = if setting.reputes { Some(owners(&inputs, &kinds)?) } else { None };
    let (mut benches, mut judging): (Vec<Bench>, Vec<Judging>) = (Vec::new(), Vec::new());
    let mut asking = Asking::default();
    for ((bench, declarations), uploads) in laws.iter().zip(declarations).zip(uploads) {
        let waves = waves::find(bench, &counted, clock, first, until);
        // Subjects are judged under the thresholds of the moment; nothing else of a policy changes with a wave.
        let tightened = waves::over(bench.clone(), &waves);
        let mut judge = None;
        if setting.judges() {
            let rules = clauses::standing(&tightened, clock);
            let judge = judge.insert(Judge::new(&tightened, &rules, asking.add(&rules, &setting.windows, &read)?));
            // What speaks against everybody is found once for all under whom suspicion travels alike.
            let alike = |known: &Vec<Law>| laws::travels_otherwise(known, bench).is_none();
            judge.judging = laws.iter().position(alike).unwrap_or_default();
            judge.words = words.clone();
            judge.models.clone_from(&scorers.names);
            judge.own = declarations.as_ref().map(Declarations::own).unwrap_or_default();
            judge.segments = segments.clone();
            judge.tells_risks = setting.views.contains(&View::Risk);
            judge.gravest = args.terse.then(HashMap::new);
        }
        let declarations = declarations.filter(|_| setting.declares());
        let reputations = owners.as_ref().map(|owners| Reputations::new(names.clone(), &by_tick, owners, first));
        let waves = waves::rows(&waves, bench, clock);
        benches.push(Bench { judge, declarations, uploads, reputations, waves });
    }
    let clauses = asking.done();
    let in_force = |valid_from: Option<Millis>| tick(valid_from).unwrap_or(0).max(first);
    entries.extend(Attributes::of(&clauses).read(&inputs, &kinds, &mut naming, in_force)?);
    entries.sort_by_key(|(tick, _)| *tick);
    for judge in benches.iter().filter_map(|bench| bench.judge.as_ref()) {
        match judging.get_mut(judge.judging) {
            Some(judging) => judging.turns.extend(judge.turns()),
            None => judging.push(Judging {
                policies: judge.policies.clone(),
                turns: judge.turns().collect(),
                windows_ms: read.clone(),
                models: scorers.turns.clone(),
                clauses: clauses.clone(),
                copies: tells_recordings,
                rulings: has_rulings,
            }),
        }
    }
    let facts = Arc::new(facts);
    let payments = {
        let facts = facts.clone();
        Arc::new(move |account: Key| facts.accounts.get(&account).map_or(Key::NONE, |(_, payment)| *payment))
    };
    let plan = Plan {
        profiles: setting.views.contains(&View::Features),
        audiences,
        sequences: sequences(args, &setting, clock, until, &mut naming)?,
        network: learned::network(args)?,
        scores: sides.iter().map(|(side, scorers)| (*side, scorers.turns.clone())).collect(),
        until,
        every_tick: args.emit != Emit::Last || setting.reads_past(laws.iter().flatten()),
        ..setting.plan(clock, &read, args.hub, judging)
    };
    Ok(Prepared {
        warnings: learned::warnings(args, &setting.links),
        wanted: wanted(&plan),
        entries,
        segments,
        models: scorers.names,
        sides: sides.into_iter().map(|(side, scorers)| (side, scorers.names)).collect(),
        rulings_digest,
        laws_digest: laws::digest(laws.iter().flatten()),
        heard: (!inputs.evidence.is_empty() || tells_recordings).then_some(heard_counts),
        benches,
        limits: match asks_uploads {
            true => laws[0].iter().map(|law| (law.from, law.gate.clone())).collect(),
            false => Vec::new(),
        },
        apart: laws.get(1).and_then(|other| laws::travels_otherwise(&laws[0], other)),
        corrected: match setting.views.contains(&View::Withheld) {
            true => corrections.iter().map(|(_, id)| *id).collect(),
            false => HashSet::new(),
        },
        context: Context { names: names.clone(), payments, habits: None, ties: None },
        plan,
        is_first_process: setting.cluster.as_ref().is_none_or(|(process, _)| *process == 0),
        timely: timely_config(args, setting.cluster),
        views: setting.views,
        windows_ms: setting.windows.iter().map(|(ms, _)| *ms).collect(),
        window_labels: setting.windows.into_iter().map(|(_, label)| label).collect(),
        every_ms: setting.every_ms,
        first,
        inputs,
        before,
        names,
        facts,
        listings: by_tick,
        corrections_count: corrections.len(),
        corrections,
        survey: Arc::new(survey),
        refusals,
    })
}

/// A service that is ready to live: what a replay knows beforehand of its files it learns as it goes.
pub struct Living {
    /// What the dataflow computes.
    pub plan: Plan,
    /// What it needs to know besides.
    pub context: Context,
    /// Threads.
    pub timely: timely::Config,
    /// The views that are kept.
    pub views: Vec<View>,
    /// The windows as named, shortest first.
    pub window_labels: Vec<Arc<str>>,
    /// The ids of the service.
    pub names: Arc<NameTable>,
    /// Who judges, if somebody does.
    pub judge: Option<Judge>,
    /// Which columns of plays are needed.
    pub wanted: Wanted,
    /// Who looks for waves, where a policy has some.
    pub watch: Option<Watch>,
    /// What rules read of the catalogue and of accounts.
    pub attributes: Attributes,
    /// The models that score accounts.
    pub scorers: Scorers,
    /// What somebody should know who reads the views.
    pub warnings: Vec<String>,
    /// What follows from the catalogue and from verdicts beside the dataflow, where somebody asks.
    pub deliveries: Option<Deliveries>,
}

/// The views that a living service does not keep: they rest on plays that can be read again, or are made to learn from.
const NOT_LIVING: [View; 6] = [
    View::Withheld,
    View::Features,
    View::AudienceFeatures(Axis::Track),
    View::AudienceFeatures(Axis::Uploader),
    View::Sequences,
    View::Network,
];

/// Reads the options for a service with these names.
///
/// # Errors
/// When the options cannot be.
pub fn prepare_living(args: &ReplayArgs, names: Arc<NameTable>) -> Result<Living, Failure> {
    let mut setting = Setting::of(args, "1s")?;
    match args.views.is_empty() {
        // A policy with rules or waves may come.
        true => {
            setting.views.retain(|view| !NOT_LIVING.contains(view));
            setting.views.extend([View::RuleHit, View::Reputation, View::Wave]);
            setting.reputes = true;
            setting.views.extend(args.models.is_some().then_some(View::Scores));
        }
        false => {
            if let Some(view) = setting.views.iter().find(|view| NOT_LIVING.contains(view)) {
                let name = view.name();
                return Err(Failure::Usage(format!(
                    "--views {name}: the living service does not keep it; see `replay`"
                )));
            }
        }
    }
    if setting.links.contains(&LinkKind::Payment) {
        return Err(Failure::Usage("--links payment: the living service does not know it; see `replay`".to_owned()));
    }
    let clock = Clock::new(setting.every_ms);
    // Nobody knows yet when the first play arrives.
    let laws = laws::from_the_beginning(laws::read(args.policy.as_deref(), clock)?);
    let watch = Watch::of(&laws, clock);
    let scorers = Scorers::read(args, clock, 0, &names)?;
    let setting = setting.with_rules(args, &laws).with_rulings(args, true).with_reputations(args, &laws)?;
    let read = setting.read(&laws);
    let (mut judge, mut asking) = (None, Asking::default());
    if setting.judges() {
        let rules = clauses::standing(&laws, clock);
        let judge = judge.insert(Judge::new(&laws, &rules, asking.add(&rules, &setting.windows, &read)?));
        judge.tells_risks = setting.views.contains(&View::Risk);
        judge.models.clone_from(&scorers.names);
        if watch.is_some() {
            judge.expect_others();
        }
    }
    if (judge.is_some() || setting.declares()) && declared::registers(&laws) {
        let why = "the policy registers generated audio of the platform's own, which the living service does not know";
        return Err(Failure::Usage(why.to_owned()));
    }
    let clauses = asking.done();
    let attributes = Attributes::of(&clauses);
    let asked = (setting.declares(), setting.reputes);
    let deliveries = Deliveries::of(&setting.views, asked, &laws, clock, names.clone())?;
    let judging = judge.iter().map(|judge| Judging {
        policies: judge.policies.clone(),
        turns: judge.turns().collect(),
        windows_ms: read.clone(),
        models: scorers.turns.clone(),
        clauses: clauses.clone(),
        // Evidence may come at any time.
        copies: true,
        rulings: true,
    });
    let judging = judging.collect();
    let is_scored = setting.views.contains(&View::Scores);
    let plan = Plan {
        scores: is_scored.then(|| (Side::Champion, scorers.turns.clone())).into_iter().collect(),
        until: clock.first_after(INSTANT_MAX),
        every_tick: true,
        living: true,
        ..setting.plan(clock, &read, args.hub, judging)
    };
    Ok(Living {
        // What tells a repeat from a conflict is the whole row.
        wanted: Wanted::ALL,
        context: Context { names: names.clone(), payments: Arc::new(|_| Key::NONE), habits: None, ties: None },
        plan,
        timely: timely_config(args, None),
        warnings: learned::warnings(args, &setting.links),
        views: setting.views,
        window_labels: setting.windows.into_iter().map(|(_, label)| label).collect(),
        names,
        judge,
        watch,
        attributes,
        scorers,
        deliveries,
    })
}

/// The owners of playlists.
fn owners(inputs: &Inputs, kinds: &IdKinds) -> Result<Vec<(Id, Id)>, Failure> {
    let mut owners = Vec::new();
    let keep = |playlist: Playlist| owners.extend(playlist.owner_id.map(|owner| (playlist.playlist_id, owner)));
    // What is refused of the table was told before.
    read_table(&inputs.playlists, kinds, keep, &mut Vec::new()).map_err(|error| Failure::Input(error.to_string()))?;
    Ok(owners)
}

/// Whose sequences are written.
fn sequences(
    args: &ReplayArgs,
    setting: &Setting,
    clock: Clock,
    until: Tick,
    naming: &mut Naming,
) -> Result<Option<Asked>, Failure> {
    if !setting.views.contains(&View::Sequences) {
        return Ok(None);
    }
    let Some(path) = &args.sequences_of else {
        let last = if args.emit == Emit::Last { Cadence::At(until) } else { Cadence::Each };
        return Ok(Some(Asked::All(last)));
    };
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| input(&error))?;
    let asked: BTreeMap<Millis, Vec<String>> = serde_json::from_str(&text).map_err(|error| input(&error))?;
    let mut rows: BTreeMap<Tick, HashSet<Key>> = BTreeMap::new();
    for (as_of, ids) in asked {
        // An instant between two ticks is told of as of the next one.
        let tick = clock.first_after(as_of - 1);
        for id in ids {
            let key = match naming.kind(IdSpace::Account) {
                IdKind::Number => id.parse().map(Key).map_err(|error| input(&format!("account `{id}`: {error}")))?,
                IdKind::Text => naming.key(IdSpace::Account, &id).map_err(|error| input(&error))?,
            };
            rows.entry(tick).or_default().insert(key);
        }
    }
    Ok(Some(Asked::Rows(Arc::new(rows))))
}

/// The folder of the inputs may hold refusals of an import, which tables of the same name would replace.
fn refuse_own_folder(args: &ReplayArgs) -> Result<(), Failure> {
    let whole = |folder: &Path| folder.canonicalize().ok();
    let out = whole(&args.out).filter(|_| args.emit != Emit::None);
    match args.input.data.as_deref().and_then(whole) {
        Some(data) if Some(&data) == out.as_ref() => Err(Failure::Usage(format!(
            "--out {}: that is the folder of the inputs, whose refusal.parquet would be replaced; choose another one",
            args.out.display()
        ))),
        _ => Ok(()),
    }
}

/// The options, read and judged.
struct Setting {
    every_ms: Millis,
    windows: Vec<(Millis, Arc<str>)>,
    views: Vec<View>,
    links: Vec<LinkKind>,
    cluster: Option<(usize, Vec<String>)>,
    /// Whether a table is written for which somebody has to know what became of what who brought.
    reputes: bool,
}

impl Setting {
    fn of(args: &ReplayArgs, shortest: &str) -> Result<Setting, Failure> {
        let every_ms = millis(&args.every)?;
        if !(millis(shortest)?..=86_400_000).contains(&every_ms) {
            return Err(Failure::Usage(format!("--every {}: expected {shortest} to 1d", args.every)));
        }
        let views = views(&args.views, args.emit)?;
        let mut windows = Vec::new();
        for label in &args.windows {
            windows.push((millis(label)?, Arc::from(label.as_str())));
        }
        // Of two names for one length the first given stays.
        windows.sort_by_key(|(ms, _)| *ms);
        windows.dedup_by_key(|(ms, _)| *ms);
        if windows.is_empty() || windows.len() > 12 {
            return Err(Failure::Usage(format!("--windows: {} windows; expected 1 to 12", windows.len())));
        }
        if views.contains(&View::Scores) && args.models.is_none() {
            return Err(Failure::Usage("--views account_score needs --models REGISTRY".to_owned()));
        }
        if args.challenger.is_some() && !views.contains(&View::Scores) {
            return Err(Failure::Usage("--challenger VERSION and --views account_score go together".to_owned()));
        }
        if args.network.is_some() != views.contains(&View::Network) {
            return Err(Failure::Usage("--network FILE and --views account_network go together".to_owned()));
        }
        let mut links = Vec::new();
        for name in &args.links {
            let link = LINKS.iter().find(|(link, _)| link == name);
            let (_, kind) =
                link.ok_or_else(|| Failure::Usage(format!("--links {name}: expected device, payment or ip_prefix")))?;
            links.push(*kind);
        }
        links.sort_unstable();
        links.dedup();
        learned::refuse_windows(args, &windows)?;
        let reputes = views.contains(&View::Reputation);
        let setting = Setting { every_ms, windows, views, links, cluster: cluster(args)?, reputes };
        setting.refreshes_whole(args)?;
        Ok(setting)
    }

    /// Every window is so many refreshes long.
    fn refreshes_whole(&self, args: &ReplayArgs) -> Result<(), Failure> {
        let whole = |ms: Millis, what: &str| match ms % self.every_ms {
            0 => Ok(()),
            _ => Err(Failure::Usage(format!(
                "{what} is no multiple of the refresh interval {}; choose another --every",
                args.every
            ))),
        };
        for (ms, label) in &self.windows {
            whole(*ms, &format!("the window {label}"))?;
        }
        if self.needs(View::Groups) {
            whole(LINK_WINDOW_MS, "the window of account_group, 7d,")?;
        }
        if self.needs(View::Lockstep) {
            whole(LOCKSTEP_WINDOW_MS, "the window of lockstep, 24h,")?;
        }
        if self.views.contains(&View::Sequences) || self.views.contains(&View::Network) {
            whole(sequence::WINDOW_MS, "the window of sequences, 7d,")?;
        }
        Ok(())
    }

    /// With what became of what who brought, where the gate is written and a policy has it look at that.
    fn with_reputations<'a>(
        mut self,
        args: &ReplayArgs,
        laws: impl IntoIterator<Item = &'a Law>,
    ) -> Result<Setting, Failure> {
        let looks = |law: &Law| law.gate.reputation.action != Action::Ignore;
        self.reputes |= self.views.contains(&View::Gate) && laws.into_iter().any(looks);
        self.refreshes_whole(args)?;
        Ok(self)
    }

    /// Whether what is stated at the end depends on verdicts before it: what was overturned does. A gate asks only whom a record is told of, and
    /// whoever has nothing but overturned verdicts stands at or above a newcomer.
    fn reads_past<'a>(&self, laws: impl IntoIterator<Item = &'a Law>) -> bool {
        let is_asked = |law: &Law| law.gate.reputation.below.get() > NEWCOMER_PERCENT;
        self.views.contains(&View::Reputation) || self.reputes && laws.into_iter().any(is_asked)
    }

    /// With what matches rules and what waves there are, where somebody wrote some and no table is named.
    fn with_rules<'a>(mut self, args: &ReplayArgs, laws: impl IntoIterator<Item = &'a Law>) -> Setting {
        if args.views.is_empty() {
            for law in laws {
                self.views.extend((!law.rules.is_empty()).then_some(View::RuleHit));
                self.views.extend((!law.surges.is_empty()).then_some(View::Wave));
            }
            self.views.sort_by_key(|view| VIEWS.iter().position(|(_, known)| known == view));
            self.views.dedup();
        }
        self
    }

    /// With what people ruled, where somebody may have and no table is named.
    fn with_rulings(mut self, args: &ReplayArgs, has_rulings: bool) -> Setting {
        if args.views.is_empty() && has_rulings {
            self.views.push(View::Ruling);
            self.views.sort_by_key(|view| VIEWS.iter().position(|(_, known)| known == view));
        }
        self
    }

    /// The lengths of the windows that somebody reads, shortest first: all of them where rows of a window view are written.
    fn read<'a>(&self, laws: impl IntoIterator<Item = &'a Law>) -> Vec<Millis> {
        let is_written = !self.axes().is_empty();
        let rules: Vec<Millis> =
            laws.into_iter().flat_map(|law| law.rules.iter()).flat_map(clauses::windows_ms).collect();
        let last = self.windows.last().map(|(ms, _)| *ms);
        let is_read = |ms: &Millis| is_written || is_judged(*ms) || Some(*ms) == last || rules.contains(ms);
        self.windows.iter().map(|(ms, _)| *ms).filter(is_read).collect()
    }

    /// What is computed over plays, the catalogue and verdicts alone, up to no tick yet.
    fn plan(&self, clock: Clock, read: &[Millis], hub: u32, judging: Vec<Judging>) -> Plan {
        Plan {
            clock,
            windows: read.iter().map(|ms| clock.ticks_in(*ms).unwrap_or(1)).collect(),
            axes: self.axes(),
            links: if self.needs(View::Groups) { self.links.clone() } else { Vec::new() },
            hub,
            lockstep: self.needs(View::Lockstep),
            profiles: false,
            audiences: None,
            sequences: None,
            network: None,
            scores: Vec::new(),
            judging,
            wanted: None,
            until: 0,
            every_tick: false,
            living: false,
        }
    }

    fn judges(&self) -> bool {
        self.reputes || self.views.iter().any(|view| JUDGED.contains(view))
    }

    fn declares(&self) -> bool {
        self.reputes || self.views.iter().any(|view| matches!(view, View::PayoutHold | View::DisclosureLedger))
    }

    /// Whether the view must be computed, to be written or for another: groups and lockstep speak in judgements and features.
    fn needs(&self, wanted: View) -> bool {
        let rests_on_all = |view: &View| matches!(view, View::Features | View::AudienceFeatures(_) | View::Scores);
        self.judges() || self.views.iter().any(|view| *view == wanted || rests_on_all(view))
    }

    /// Whose features are written beside those of accounts.
    fn audiences(&self, copies: bool) -> Option<Audiences> {
        let axis = |view: &View| match view {
            View::AudienceFeatures(axis) => Some(*axis),
            _ => None,
        };
        let axes: Vec<Axis> = self.views.iter().filter_map(axis).collect();
        (!axes.is_empty()).then_some(Audiences { axes, copies })
    }

    /// The window views that are written.
    fn axes(&self) -> Vec<Axis> {
        let axis = |view: &View| match view {
            View::Window(axis) => Some(*axis),
            _ => None,
        };
        self.views.iter().filter_map(axis).collect()
    }
}

fn views(named: &[String], emit: Emit) -> Result<Vec<View>, Failure> {
    let mut views: Vec<View> = Vec::new();
    for name in named {
        let view = VIEWS.iter().find(|(view, _)| view == name);
        let (_, view) = view.ok_or_else(|| {
            let known: Vec<&str> = VIEWS.iter().map(|(name, _)| *name).collect();
            Failure::Usage(format!("--views {name}: no such view; expected some of {}", known.join(", ")))
        })?;
        views.push(*view);
    }
    if views.contains(&View::Withheld) && emit != Emit::Last {
        let emit = emit.name();
        return Err(Failure::Usage(format!(
            "--views withheld: written as of the last instant only, not with --emit {emit}"
        )));
    }
    if views.is_empty() {
        let fits = |view: &View| match view {
            View::Withheld => emit == Emit::Last,
            // Written where there are rules, where people ruled, and where a policy tightens.
            View::RuleHit | View::Ruling | View::Wave => false,
            // Follows from other tables: for who asks.
            View::Reputation => false,
            // What most of a catalogue lacks would be told again at every instant.
            View::PayoutHold | View::DisclosureLedger | View::Gate => matches!(emit, Emit::Last | Emit::Changes),
            View::Features | View::AudienceFeatures(_) | View::Sequences | View::Network | View::Scores => false,
            _ => true,
        };
        views = VIEWS.iter().map(|(_, view)| *view).filter(fits).collect();
    }
    // Plays are withheld because of verdicts.
    if views.contains(&View::Withheld) {
        views.push(View::Verdict);
    }
    // Groups and hubs are two sides of one thing; what was refused is always told.
    if views.contains(&View::Groups) || views.contains(&View::Hubs) {
        views.extend([View::Groups, View::Hubs]);
    }
    views.push(View::Refusal);
    let order = |view: &View| VIEWS.iter().position(|(_, known)| known == view);
    views.sort_by_key(order);
    views.dedup();
    Ok(views)
}

fn cluster(args: &ReplayArgs) -> Result<Option<(usize, Vec<String>)>, Failure> {
    let (Some(path), Some(process)) = (&args.hosts, args.process) else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    let hosts: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let is_address =
        |host: &str| host.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if let Some(host) = hosts.iter().find(|host| !is_address(host)) {
        return Err(Failure::Usage(format!(
            "{}: `{host}` is no address; expected host:port, one a line",
            path.display()
        )));
    }
    if process >= hosts.len() {
        return Err(Failure::Usage(format!(
            "--process {process}: {} names {} hosts; expected 0 to {}",
            path.display(),
            hosts.len(),
            hosts.len().saturating_sub(1)
        )));
    }
    Ok(Some((process, hosts)))
}

fn timely_config(args: &ReplayArgs, cluster: Option<(usize, Vec<String>)>) -> timely::Config {
    let threads = usize::from(args.workers);
    match cluster {
        Some((process, addresses)) => timely::Config {
            communication: CommunicationConfig::Cluster { threads, process, addresses, report: false, zerocopy: false },
            worker: timely::WorkerConfig::default(),
        },
        None if threads == 1 => timely::Config::thread(),
        None => timely::Config::process(threads),
    }
}

/// Which columns the views look at.
fn wanted(plan: &Plan) -> Wanted {
    let (axes, links) = (plan.computed(), &plan.links);
    let sequences = plan.has_sequences();
    let windows = !axes.is_empty() || sequences;
    let account = axes.contains(&Axis::Account) || sequences;
    Wanted {
        device: windows || links.contains(&LinkKind::Device),
        ip_prefix: windows || links.contains(&LinkKind::IpPrefix),
        playlist: account || axes.contains(&Axis::Playlist),
        asn: account,
        country: windows,
        source: windows,
        flags: account,
        new_account: axes.iter().any(|axis| *axis != Axis::Account),
    }
}
