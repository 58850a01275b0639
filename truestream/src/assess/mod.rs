//! `truestream assess`: whom a policy, a model or a detector would harm, before it decides anything.
//!
//! ```text
//! data ──▶ replay as now, replay with the candidate ──▶ crowd ──▶ measures ──┐
//! data with exchanged tags ──▶ replay with the candidate ──▶ whose risk moved? ┴──▶ gates ──▶ record, report
//! ```

mod crowd;
mod lists;
mod measure;
mod record;
mod relabel;
mod report;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use datasets::formats::instant;
use datasets::policy::{self, TestedClause};
use datasets::tables::rows::count_rows;
use records::Millis;
use records::royalty::Terms;

use self::crowd::{Crowd, Pair};
pub(crate) use self::measure::Limits;
use self::measure::Measures;
pub(crate) use self::record::Candidate;
use self::record::{Decision, FORMAT, RECORD, Record, expiry, gates, harms};
use crate::exit::Failure;
use crate::learn::{Registry, Version, audited};
use crate::replay::laws::latest;
use crate::replay::{self, Beside, ReplayArgs};
use crate::scratch::Scratch;
use crate::verify::Settings;
use crate::words::{parsed, refuse_own};

/// Measures whom a policy, a model or a detector would stop, miss and cost, group by group, and says whether that is tolerable.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream assess --data world --candidate strict --out report
      the policy in the folder `strict`, beside the built-in one
  truestream assess --data world --candidate registry --out report -- --policy laws
      the champion (or latest version) of a registry of models, under the policies of the folder `laws`
  truestream assess --data world --candidate registry --version 7 --out report
      version 7 of it, beside the champion
  truestream assess --data world --candidate heard --out report --owner \"music integrity\"
      the evidence that `truestream scan` wrote into `heard`

Writes report.html, measures within assessment.json, and gives that to `policy activate --assessment` and `promote --assessment`.
Exit codes: 0 all gates met, 2 options that cannot be, 3 a gate is not met, 4 an input cannot be read, 5 the output cannot be written.")]
pub struct AssessArgs {
    /// A folder with plays, labels and what else `truestream replay` reads
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What is assessed: a folder with a policy, a registry of models, or a folder with evidence
    #[arg(long, value_name = "DIR")]
    candidate: PathBuf,
    /// Which version of a registry, a number or `latest`; its champion, else its latest, unless given
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The policy of now, where the candidate is one; the built-in one unless given
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The folder of the report
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Who answers for the candidate
    #[arg(long, value_name = "NAME", default_value = "not named")]
    owner: String,
    /// What is tolerated, as TOML: honest_min, times_max, stopped_floor, unpaid_points_max, stopped_max, unpaid_max, expires_days
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// Files of `truestream queue`: from accounts that chance drew and people looked at follows how often fraud is missed
    #[arg(long, value_name = "FILE", num_args = 1..)]
    audit: Vec<PathBuf>,
    /// Prints the record as JSON
    #[arg(long)]
    json: bool,
    /// More options of `truestream replay`, for both
    #[arg(last = true, value_name = "OPTIONS")]
    more: Vec<String>,
}

/// What the folder of the candidate holds.
enum Kind {
    Policy,
    /// The number of the version, and that of the champion where it is another one.
    Models(String, Option<String>),
    Evidence,
}

impl Kind {
    /// The options of `truestream replay` that an assessment sets itself. Evidence may come on top of other evidence.
    fn own_options(&self) -> &'static [&'static str] {
        match self {
            Kind::Policy => &["--data", "--out", "--views", "--emit", "--policy"],
            Kind::Models(..) => &["--data", "--out", "--views", "--emit", "--models", "--model", "--beta"],
            Kind::Evidence => &["--data", "--out", "--views", "--emit"],
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Different`] where a gate is not met; when an input cannot be read or the report cannot be written.
pub fn run(args: &AssessArgs) -> Result<(), Failure> {
    let limits = limits(args.limits.as_deref())?;
    let (kind, candidate) = recognise(&args.candidate, args.version.as_deref())?;
    refuse_own(&args.more, kind.own_options())?;
    let scratch = Scratch::new()?;
    let [now, then, relabelled, exchanged] =
        ["now", "then", "relabelled", "exchanged"].map(|name| scratch.path().join(name));
    eprintln!("Replaying the data as it is decided now, and with the {} {}", candidate.kind, candidate.version);
    let replayed = both(args, &kind, &now, &then)?;
    let inputs = replayed.input.inputs()?;
    let policy = latest(replayed.policy.as_deref())?;
    let terms = other_terms(args, &kind)?;
    let crowd = Crowd::read(&inputs, [&now, &then], policy.as_deref(), terms)?;
    let measures = Measures::of(&crowd, &limits);
    eprintln!("Replaying once more, with exchanged genres, languages and countries");
    relabel::relabel(&inputs, &exchanged)?;
    replay::replay(&with_candidate(args, &kind, &exchanged, &relabelled)?)?;
    let moved = relabel::moved(&then, &relabelled)?;
    let settings = Settings::read(&then)?;
    let rows = |path: &PathBuf| {
        let rows = count_rows(path).map_err(|error| Failure::Input(error.to_string()))?;
        Ok((path.display().to_string(), rows))
    };
    let made_at = now_ms();
    let (first, last) = settings.as_of_ms.unwrap_or_default();
    let audit = match args.audit.as_slice() {
        [] => None,
        queues => Some(audited(queues, &inputs.labels, Millis::MAX)?),
    };
    let gates = gates(&measures, moved.len(), &not_yet(&kind, &args.candidate, last)?, &limits);
    let record = Record {
        format: FORMAT,
        system: "verdicts on accounts, tracks and artists".to_owned(),
        owner: args.owner.clone(),
        against: match &kind {
            Kind::Policy => args.against.as_ref().map_or("built-in".to_owned(), |path| path.display().to_string()),
            Kind::Models(_, Some(champion)) => format!("the champion, version {champion}"),
            Kind::Models(_, None) | Kind::Evidence => "the same without it".to_owned(),
        },
        candidate,
        data: inputs.plays.iter().map(rows).collect::<Result<_, Failure>>()?,
        as_of: [first, last].map(instant::to_text),
        made_at: instant::to_text(made_at),
        expires_at: expiry(made_at, &limits),
        affected_groups: affected(&measures),
        harms: harms(&measures),
        decision: Decision::of(&gates),
        gates,
        limits,
        measures,
        moved_by_tags: moved.into_iter().take(NAMED).collect(),
        audit,
        lists: crowd.lists,
        hash: String::new(),
    };
    let record = record.sealed();
    write(&args.out, &record)?;
    replay::print(&if args.json { report::json(&record) } else { report::text(&record, &args.out) })?;
    match record.decision {
        Decision::Pass => Ok(()),
        Decision::Block => Err(Failure::Different("the assessment did not pass".to_owned())),
    }
}

/// The terms of payment of now and of a policy that is assessed, where they differ.
fn other_terms(args: &AssessArgs, kind: &Kind) -> Result<Option<Pair<Terms>>, Failure> {
    let Kind::Policy = kind else { return Ok(None) };
    let terms = |folder: Option<&Path>| {
        policy::terms(latest(folder)?.as_deref()).map_err(|error| Failure::Input(error.to_string()))
    };
    let both = [terms(args.against.as_deref())?, terms(Some(&args.candidate))?];
    Ok((both[0] != both[1]).then_some(both))
}

/// The rules of a policy that come into force when the data is over: nobody saw what they do.
fn not_yet(kind: &Kind, candidate: &Path, last: Millis) -> Result<Vec<String>, Failure> {
    let Kind::Policy = kind else { return Ok(Vec::new()) };
    let rules = policy::clauses(latest(Some(candidate))?.as_deref());
    let rules = rules.map_err(|error| Failure::Input(error.to_string()))?;
    let later = |rule: &TestedClause| rule.clause.from.is_some_and(|from| from > last);
    Ok(rules.into_iter().filter(later).map(|rule| rule.clause.id).collect())
}

/// Subjects that are named in a record.
const NAMED: usize = 100;

fn now_ms() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

fn limits(path: Option<&Path>) -> Result<Limits, Failure> {
    let Some(path) = path else { return Ok(Limits::default()) };
    let wrong = |why: &dyn std::fmt::Display| Failure::Input(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let limits: Limits = toml::from_str(&text).map_err(|error| wrong(&error))?;
    limits.fault().map_or(Ok(limits), |fault| Err(wrong(&fault)))
}

/// What the folder holds, and its hash.
fn recognise(folder: &Path, version: Option<&str>) -> Result<(Kind, Candidate), Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    if let Some(name) = version {
        let registry = Registry::open(folder)?;
        return of_models(&registry, registry.version(name)?);
    }
    if policy::is_store(folder) || folder.join("policy.toml").is_file() {
        return Ok((Kind::Policy, of_policy(folder)?));
    }
    let registry = Registry::open(folder).ok();
    let speaks = |registry: &Registry| {
        registry.champion().and_then(|champion| champion.map_or_else(|| registry.version("latest"), Ok)).ok()
    };
    if let Some((registry, version)) =
        registry.and_then(|registry| speaks(&registry).map(|version| (registry, version)))
    {
        return of_models(&registry, version);
    }
    let mut found = datasets::tables::Inputs::default();
    if folder.is_dir() && found.add_evidence(folder).is_ok() {
        let mut hasher = blake3::Hasher::new();
        for file in found.evidence.iter().chain(&found.duplicate_group) {
            let bytes = std::fs::read(file).map_err(|source| input(datasets::Error::io(file, source)))?;
            hasher.update(blake3::hash(&bytes).as_bytes());
        }
        let digest = hasher.finalize().to_hex().to_string();
        let version = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        return Ok((Kind::Evidence, Candidate { kind: "evidence".to_owned(), version, digest }));
    }
    Err(Failure::Input(format!(
        "--candidate {}: expected a folder with policy.toml, a registry that `truestream train` made, or a folder with evidence.parquet",
        folder.display()
    )))
}

/// Asks that an assessment of the candidate passed and is still believed.
///
/// # Errors
/// As [`record::passed`].
pub(crate) fn passed(report: &Path, candidate: &Candidate, most: &Limits) -> Result<(), Failure> {
    record::passed(report, candidate, most, now_ms()).map(drop)
}

/// A policy as a candidate.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn of_policy(folder: &Path) -> Result<Candidate, Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let folder = policy::latest(folder).map_err(input)?;
    let version = policy::load(&folder).map_err(input)?.version;
    Ok(Candidate { kind: "policy".to_owned(), version, digest: policy::digest(&folder).map_err(input)? })
}

/// A version of a registry as a candidate, beside its champion.
fn of_models(registry: &Registry, version: Version) -> Result<(Kind, Candidate), Failure> {
    let champion = registry.champion_number()?.filter(|champion| *champion != version.number);
    let kind = Kind::Models(version.number.to_string(), champion.map(|champion| champion.to_string()));
    Ok((kind, of_model(&version)))
}

/// A version of a model as a candidate.
pub(crate) fn of_model(version: &Version) -> Candidate {
    let digest = version.params.get("model_hash").cloned().unwrap_or_default();
    Candidate { kind: "model".to_owned(), version: version.number.to_string(), digest }
}

/// Replays the data as it is decided now and with the candidate; the options of the second.
fn both(args: &AssessArgs, kind: &Kind, now: &Path, then: &Path) -> Result<ReplayArgs, Failure> {
    let as_now = match kind {
        Kind::Policy => line(args, &args.data, now, args.against.as_deref().map(|path| ("--policy", path)))?,
        Kind::Models(_, Some(champion)) => {
            scored(line(args, &args.data, now, Some(("--models", &args.candidate)))?, champion)
        }
        Kind::Models(_, None) | Kind::Evidence => line(args, &args.data, now, None)?,
    };
    let with = with_candidate(args, kind, &args.data, then)?;
    match kind {
        Kind::Policy => {
            replay::replay_beside(&as_now, &Beside { policy: Some(&args.candidate), out: then })?;
        }
        Kind::Models(..) | Kind::Evidence => {
            replay::replay(&as_now)?;
            replay::replay(&with)?;
        }
    }
    Ok(with)
}

fn with_candidate(args: &AssessArgs, kind: &Kind, data: &Path, out: &Path) -> Result<ReplayArgs, Failure> {
    let option = match kind {
        Kind::Policy => "--policy",
        Kind::Models(..) => "--models",
        Kind::Evidence => "--evidence",
    };
    let with = line(args, data, out, Some((option, &args.candidate)))?;
    Ok(match kind {
        Kind::Models(number, _) => scored(with, number),
        Kind::Policy | Kind::Evidence => with,
    })
}

/// With this version scoring, and nothing tried.
fn scored(with: ReplayArgs, number: &str) -> ReplayArgs {
    ReplayArgs { model: vec![number.to_owned()], beta: Vec::new(), ..with }
}

fn line(args: &AssessArgs, data: &Path, out: &Path, option: Option<(&str, &Path)>) -> Result<ReplayArgs, Failure> {
    let [data, out] = [data, out].map(|path| path.display().to_string());
    let views = "risk,verdict,payout_hold";
    let mut line = vec!["replay", "--data", &data, "--out", &out, "--views", views, "--emit", "changes"];
    let path = option.map(|(_, path)| path.display().to_string());
    if let (Some((name, _)), Some(path)) = (option, &path) {
        line.extend([name, path]);
    }
    line.extend(args.more.iter().map(String::as_str));
    parsed(line)
}

fn affected(measures: &Measures) -> Vec<String> {
    let mut axes: Vec<String> =
        measures.groups.iter().map(|group| format!("{} by {}", group.about, group.axis)).collect();
    axes.dedup();
    axes
}

fn write(out: &Path, record: &Record) -> Result<(), Failure> {
    let files = [(RECORD, format!("{}\n", report::json(record))), ("report.html", report::html(record))];
    std::fs::create_dir_all(out).map_err(|error| Failure::Output(format!("{}: {error}", out.display())))?;
    for (name, text) in files {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|error| Failure::Output(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}
