//! `truestream demo`: makes a world whose truth is known, listens to it, replays it, and holds what was found against the truth.
//!
//! ```text
//! seed ──▶ world (plays, catalogue, labels) ──▶ replay ──▶ verdicts as they came ──▶ caught? how early? who was wronged?
//!     ├──▶ sound of a few tracks ──▶ scan ────▶ │
//!     └──▶ another world, attacked ──▶ train ─▶ a model
//! ```

mod ears;
mod money;
mod school;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use datasets::tables::Inputs;
use datasets::tables::read::{id_kinds, read_all};
use datasets::tables::rows::{Rows, Value};
use datasets::world::{Recording, World, WorldSpec, WorldSummary};
use records::{Label, LabelKind, Millis};
use serde_json::json;

use self::ears::Heard;
use self::money::Money;
use self::school::Lesson;
use crate::exit::Failure;
use crate::replay::{self, ReplayArgs};
use crate::scan::{self, ScanArgs};
use crate::words::parsed;

/// The refresh interval of the demo: verdicts may come four times a day.
const EVERY: &str = "6h";
const HOUR_MS: Millis = 3_600_000;

/// Makes a seeded world, listens to it, replays it with rules and a model, and shows who was caught, how early, and who was wronged.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream demo --once
  truestream demo --once --seed 7 --accounts 3000 --days 28 --out my-demo

The world, what was heard and the tables stay in --out. docs/WORLD.md says what is in the world, docs/SIGNALS.md what speaks
against whom, docs/SOUND.md what is heard.")]
pub struct DemoArgs {
    /// End after the report; as long as there is no service to keep up, the demo always does
    #[arg(long)]
    pub once: bool,
    /// Another seed is another world
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Accounts
    #[arg(long, default_value_t = 1_000)]
    pub accounts: u32,
    /// Days of plays
    #[arg(long, default_value_t = 21)]
    pub days: u32,
    /// Where the world and the tables go
    #[arg(long, value_name = "DIR", default_value = "demo")]
    pub out: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the world cannot be, or the output cannot be written.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let [data, scanned, tables, rules] = ["world", "heard", "tables", "rules"].map(|folder| args.out.join(folder));
    let [lessons, registry] = ["lessons", "models"].map(|folder| args.out.join(folder));
    std::fs::create_dir_all(&data).map_err(|error| Failure::Output(format!("{}: {error}", data.display())))?;
    let DemoArgs { seed, accounts, days, .. } = *args;
    let spec = WorldSpec { seed, accounts, days, sound: true, ..WorldSpec::default() };
    let world = World::write(&spec, &data, 0, |_| {}).map_err(|error| Failure::Output(error.to_string()))?;
    let started = Instant::now();
    scan::scan(&scan_args(&data, &scanned, &world.recordings)?)?;
    let scan_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let lesson = school::learn(args, &lessons, &registry)?;
    let learn_seconds = started.elapsed().as_secs_f64();
    // What the rules would have done alone.
    replay::replay(&replay_args(&data, &scanned, &rules, &["--views", "verdict"])?)?;
    let registry = registry.to_string_lossy();
    let models = if lesson.is_promoted { vec!["--models", &registry] } else { Vec::new() };
    let started = Instant::now();
    replay::replay(&replay_args(&data, &scanned, &tables, &models)?)?;
    let seconds = started.elapsed().as_secs_f64();
    let report = Report::read(&data, &tables, &rules, days)?;
    let heard = Heard::read(&scanned, &tables, &world.recordings).map_err(|error| Failure::Input(error.to_string()))?;
    match args.json {
        true => print!("{}", report.json(&world, seconds, &heard, &lesson)),
        false => print!("{}", report.text(&world, [scan_seconds, learn_seconds, seconds], &heard, &lesson, args)),
    }
    Ok(())
}

fn scan_args(data: &Path, scanned: &Path, recordings: &[Recording]) -> Result<ScanArgs, Failure> {
    let catalogue = data.join("tracks.parquet");
    let [scanned, catalogue] = [scanned, &*catalogue].map(Path::to_string_lossy);
    let line = ["scan", "--out", &scanned, "--catalogue", &catalogue, "--"];
    let files: Vec<_> = recordings.iter().map(|recording| data.join(&recording.file)).collect();
    let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    parsed(line.into_iter().chain(files.iter().map(|file| &**file)))
}

fn replay_args(data: &Path, scanned: &Path, tables: &Path, more: &[&str]) -> Result<ReplayArgs, Failure> {
    let [data, scanned, tables] = [data, scanned, tables].map(Path::to_string_lossy);
    let [from, to] =
        [["replay", "--data", &data, "--evidence", &scanned], ["--out", &tables, "--every", EVERY, "--json"]];
    parsed([&from[..], &to, &["--windows", "24h,7d,28d", "--emit", "changes"], more].concat())
}

/// What became of one labelled account.
struct Fate {
    family: String,
    kind: LabelKind,
    plays: u64,
    first_play_at: Millis,
    /// When its first verdict above allow came, and how many of its plays had ended by then.
    first_verdict: Option<(Millis, u64)>,
    /// The gravest verdict it ever had.
    gravest: Option<String>,
    /// Whether rules alone would have stopped it.
    by_rules: bool,
}

struct Report {
    /// What attacks would have earned.
    money: Money,
    fates: Vec<Fate>,
    /// The artists of each attack: how many there are, and how many were ever stopped.
    artists: BTreeMap<String, (u64, u64)>,
    /// The first block of an account.
    example: Option<Example>,
    /// The first account that the model stopped and the rules alone did not.
    learned: Option<Example>,
    /// Accounts without a label that ever had a verdict; they are honest.
    wronged: usize,
}

/// A verdict: of which account, when, what, and why.
type Example = (String, Millis, String, Vec<String>);

impl Report {
    fn read(data: &Path, tables: &Path, rules: &Path, days: u32) -> Result<Report, Failure> {
        let input = |error: datasets::Error| Failure::Input(error.to_string());
        let inputs = Inputs::in_folder(data).map_err(input)?;
        let kinds = id_kinds([("labels", inputs.labels.as_slice())]).map_err(input)?;
        let mut labels: BTreeMap<String, (String, LabelKind)> = BTreeMap::new();
        let mut false_artists: Vec<(String, String)> = Vec::new();
        let keep = |label: Label| {
            let family = label.attack.unwrap_or_else(|| "unnamed".to_owned());
            match (label.subject.as_str(), label.label) {
                ("account", kind) => _ = labels.insert(label.subject_id.to_string(), (family, kind)),
                ("artist", LabelKind::Fraud) => false_artists.push((family, label.subject_id.to_string())),
                _ => (),
            }
        };
        read_all(&inputs.labels, &kinds, keep, &mut Vec::new()).map_err(input)?;
        let money = Money::read(data, tables, &labels, days)?;
        let by_rules = Verdicts::read(&rules.join("verdict.parquet"), &HashMap::new()).map_err(input)?.accounts;
        let Verdicts { accounts: verdicts, artists: stopped, example, learned } =
            Verdicts::read(&tables.join("verdict.parquet"), &by_rules).map_err(input)?;
        let mut artists: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (family, artist) in false_artists {
            let (all, caught) = artists.entry(family).or_default();
            *all += 1;
            *caught += u64::from(stopped.contains(&artist));
        }
        let mut ended: HashMap<String, Vec<Millis>> = HashMap::new();
        for path in &inputs.plays {
            let mut rows = Rows::open(path, &["account_id", "ended_at"]).map_err(input)?;
            while rows.advance().map_err(input)? {
                if let (Value::UInt(account), Value::Int(at)) = (rows.value(0), rows.value(1)) {
                    let account = account.to_string();
                    if labels.contains_key(&account) {
                        ended.entry(account).or_default().push(at);
                    }
                }
            }
        }
        let wronged = verdicts.keys().filter(|account| !labels.contains_key(*account)).count();
        let fates = labels.into_iter().filter_map(|(account, (family, kind))| {
            let ended = ended.get(&account)?;
            let seen = verdicts.get(&account);
            Some(Fate {
                family,
                kind,
                plays: ended.len() as u64,
                first_play_at: ended.iter().copied().min()?,
                first_verdict: seen.map(|(at, _)| (*at, ended.iter().filter(|play| *play < at).count() as u64)),
                gravest: seen.map(|(_, gravest)| gravest.clone()),
                by_rules: by_rules.contains_key(&account),
            })
        });
        let fates = fates.collect();
        Ok(Report { money, fates, artists, example, learned, wronged })
    }

    /// Families of a kind: name and fates.
    fn families(&self, kind: LabelKind) -> BTreeMap<&str, Vec<&Fate>> {
        let mut families: BTreeMap<&str, Vec<&Fate>> = BTreeMap::new();
        for fate in self.fates.iter().filter(|fate| fate.kind == kind) {
            families.entry(&fate.family).or_default().push(fate);
        }
        families
    }

    fn text(
        &self,
        world: &WorldSummary,
        [scan_seconds, learn_seconds, seconds]: [f64; 3],
        heard: &Heard,
        lesson: &Lesson,
        args: &DemoArgs,
    ) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "World {}: {} accounts, {} days, {} plays ({} late, {} told twice, {} taken back)",
            args.seed, args.accounts, args.days, world.plays, world.late, world.duplicates, world.corrections
        );
        let recordings = world.recordings.len();
        let _ = writeln!(
            text,
            "Heard {recordings} recordings in {scan_seconds:.1} s, each decoded in a process that can reach nothing"
        );
        let report = &lesson.evaluation.report;
        let recall = report.recall.get("0.1pct").map_or(f64::NAN, |recall| recall.value);
        let _ = writeln!(
            text,
            "Learned in {learn_seconds:.1} s in another world, from injected attacks: finds {:.0} % of accounts it never saw {}{}",
            100.0 * recall,
            report.at_rate("0.1 %", 0.001),
            if lesson.is_promoted { "" } else { "; it missed a gate and does not speak" }
        );
        let per_s = world.plays as f64 / seconds.max(1e-9);
        let _ =
            writeln!(text, "Replayed in {seconds:.1} s, {per_s:.0} plays/s: every table and verdict, every {EVERY}\n");
        let _ = writeln!(
            text,
            "Attacks             accounts  rules stop  with the model  of them blocked  first verdict after   plays before it   artists stopped"
        );
        let mut attacks = self.families(LabelKind::Fraud);
        // Whose accounts are victims has false music all the same.
        self.artists.keys().for_each(|family| _ = attacks.entry(family).or_default());
        for (family, fates) in attacks {
            let (artists, caught) = self.artists.get(family).copied().unwrap_or_default();
            let stopped: Vec<_> = fates.iter().filter(|fate| fate.gravest.is_some()).collect();
            let by_rules = fates.iter().filter(|fate| fate.by_rules).count();
            let blocked = fates.iter().filter(|fate| fate.gravest.as_deref() == Some("block")).count();
            let mut hours: Vec<Millis> = stopped
                .iter()
                .filter_map(|fate| Some((fate.first_verdict?.0 - fate.first_play_at) / HOUR_MS))
                .collect();
            hours.sort_unstable();
            let median = hours.get(hours.len() / 2).map_or("-".to_owned(), |hours| format!("{hours} h (median)"));
            let before: u64 = stopped.iter().filter_map(|fate| fate.first_verdict).map(|(_, plays)| plays).sum();
            let plays: u64 = stopped.iter().map(|fate| fate.plays).sum();
            let share = (100 * before).checked_div(plays).map_or("-".to_owned(), |percent| format!("{percent} %"));
            let _ = writeln!(
                text,
                "  {family:<18}{:>8}{by_rules:>12}{:>16}{blocked:>17}  {median:>19}{share:>18}{:>18}",
                fates.len(),
                stopped.len(),
                format!("{caught} of {artists}")
            );
        }
        text.push_str(&self.money.text());
        for (title, kind) in [("Honest look-alikes", LabelKind::Honest), ("Victims", LabelKind::Victim)] {
            let _ = writeln!(text, "\n{title:<20}accounts  left alone  held  escalated or blocked");
            for (family, fates) in self.families(kind) {
                let gravest = |named: &[&str]| {
                    fates.iter().filter(|fate| fate.gravest.as_deref().is_some_and(|g| named.contains(&g))).count()
                };
                let (held, worse) = (gravest(&["hold"]), gravest(&["escalate", "block"]));
                let alone = fates.len() - held - worse;
                let _ = writeln!(text, "  {family:<18}{:>8}{alone:>12}{held:>6}{worse:>22}", fates.len());
            }
        }
        let _ = writeln!(
            text,
            "  A hijacked account that is held: whoever plays beside its owner earns nothing; the owner goes on listening."
        );
        let others = args.accounts as usize - self.fates.len();
        let _ =
            writeln!(text, "\nEverybody else: {others} honest accounts, {} of them ever held or worse", self.wronged);
        let examples = [("One verdict", &self.example), ("One that rules alone would not have stopped", &self.learned)];
        for (title, example) in examples {
            let Some((account, at, verdict, reasons)) = example else { continue };
            let _ = writeln!(text, "\n{title}: account {account} on {}: {verdict}", replay::instant(*at));
            for reason in reasons {
                let _ = writeln!(text, "  {reason}");
            }
        }
        let _ = write!(text, "\n{}", heard.text());
        let [tables, scanned, data] = ["tables", "heard", "world"].map(|folder| args.out.join(folder));
        let [tables, scanned, data] = [&tables, &scanned, &data].map(|folder| folder.display());
        let _ = writeln!(
            text,
            "\nThe tables are in {tables}, evidence and spectrograms in {scanned}, the world, its sound and its labels in {data}."
        );
        let _ = writeln!(text, "Check them against plain SQL: truestream verify --data {data} --out {tables}");
        text
    }

    fn json(&self, world: &WorldSummary, seconds: f64, heard: &Heard, lesson: &Lesson) -> String {
        let fates: Vec<_> = self
            .fates
            .iter()
            .map(|fate| {
                json!({
                    "family": fate.family,
                    "label": fate.kind.name(),
                    "plays": fate.plays,
                    "first_verdict_hours": fate.first_verdict.map(|(at, _)| (at - fate.first_play_at) / HOUR_MS),
                    "plays_before_first_verdict": fate.first_verdict.map(|(_, plays)| plays),
                    "gravest_verdict": fate.gravest,
                    "stopped_by_rules_alone": fate.by_rules,
                })
            })
            .collect();
        let artist = |(family, (all, stopped)): (&String, &(u64, u64))| json!({"family": family, "artists": all, "stopped": stopped});
        let artists: Vec<_> = self.artists.iter().map(artist).collect();
        let report = json!({
            "plays": world.plays,
            "replay_seconds": seconds,
            "accounts": fates,
            "others_held_or_worse": self.wronged,
            "artists": artists,
            "money": self.money.json(),
            "heard": heard.json(),
            "model": json!({"promoted": lesson.is_promoted, "evaluation": lesson.evaluation}),
        });
        format!("{report:#}\n")
    }
}

/// The verdicts of a replay, as they came.
#[derive(Default)]
struct Verdicts {
    /// The first verdict and the gravest one of each account that ever had one.
    accounts: HashMap<String, (Millis, String)>,
    /// Artists that ever had one.
    artists: HashSet<String>,
    /// The first block of an account.
    example: Option<Example>,
    /// The first verdict on an account that is not among the known ones.
    learned: Option<Example>,
}

impl Verdicts {
    fn read(path: &Path, known: &HashMap<String, (Millis, String)>) -> Result<Verdicts, datasets::Error> {
        let mut found = Verdicts::default();
        let mut rows = Rows::open(path, &["as_of", "diff", "subject", "subject_id", "verdict", "reasons"])?;
        while rows.advance()? {
            match (rows.value(0), rows.value(1), rows.value(2), rows.value(3), rows.value(4), rows.value(5)) {
                (
                    Value::Int(at),
                    Value::Int(1),
                    Value::Text("account"),
                    Value::Text(id),
                    Value::Text(verdict),
                    Value::Text(reasons),
                ) => {
                    let example = || {
                        let reasons = serde_json::from_str(reasons).unwrap_or_default();
                        Some((id.to_owned(), at, verdict.to_owned(), reasons))
                    };
                    if found.example.is_none() && verdict == "block" {
                        found.example = example();
                    }
                    if found.learned.is_none() && !known.contains_key(id) {
                        found.learned = example();
                    }
                    found.judged(at, id, verdict);
                }
                (_, Value::Int(1), Value::Text("artist"), Value::Text(id), ..) => {
                    _ = found.artists.insert(id.to_owned())
                }
                _ => (),
            }
        }
        Ok(found)
    }

    fn judged(&mut self, at: Millis, account: &str, verdict: &str) {
        const GRAVITY: [&str; 3] = ["hold", "escalate", "block"];
        let gravity = |verdict: &str| GRAVITY.iter().position(|known| *known == verdict);
        let (_, gravest) = self.accounts.entry(account.to_owned()).or_insert_with(|| (at, verdict.to_owned()));
        if gravity(verdict) > gravity(gravest) {
            *gravest = verdict.to_owned();
        }
    }
}
