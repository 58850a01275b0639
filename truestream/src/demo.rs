//! `truestream demo`: makes a world whose truth is known, listens to it, replays it, and holds what was found against the truth.
//!
//! ```text
//! seed ──▶ world (plays, catalogue, labels) ──▶ replay ──▶ verdicts as they came ──▶ caught? how early? who was wronged?
//!     └──▶ sound of a few tracks ──▶ scan ────▶
//! ```

mod ears;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Parser};
use datasets::tables::Inputs;
use datasets::tables::read::{id_kinds, read_all};
use datasets::tables::rows::{Rows, Value};
use datasets::world::{Recording, World, WorldSpec, WorldSummary};
use records::{Label, LabelKind, Millis};
use serde_json::json;

use self::ears::Heard;
use crate::exit::Failure;
use crate::replay::{self, ReplayArgs};
use crate::scan::{self, ScanArgs};

/// The refresh interval of the demo: verdicts may come four times a day.
const EVERY: &str = "6h";
const HOUR_MS: Millis = 3_600_000;

/// Makes a seeded world, listens to it, replays it, and shows who was caught, how early, and who was wronged.
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
    let [data, scanned, tables] = ["world", "heard", "tables"].map(|folder| args.out.join(folder));
    std::fs::create_dir_all(&data).map_err(|error| Failure::Output(format!("{}: {error}", data.display())))?;
    let DemoArgs { seed, accounts, days, .. } = *args;
    let spec = WorldSpec { seed, accounts, days, sound: true, ..WorldSpec::default() };
    let world = World::write(&spec, &data, 0, |_| {}).map_err(|error| Failure::Output(error.to_string()))?;
    let started = Instant::now();
    scan::scan(&scan_args(&data, &scanned, &world.recordings)?)?;
    let scan_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    replay::replay(&replay_args(&data, &scanned, &tables)?)?;
    let seconds = started.elapsed().as_secs_f64();
    let report = Report::read(&data, &tables)?;
    let heard = Heard::read(&scanned, &tables, &world.recordings).map_err(|error| Failure::Input(error.to_string()))?;
    match args.json {
        true => print!("{}", report.json(&world, seconds, &heard)),
        false => print!("{}", report.text(&world, [scan_seconds, seconds], &heard, args)),
    }
    Ok(())
}

/// The arguments of a command, out of the words of its command line.
fn parsed<T: Args>(words: &[&str]) -> Result<T, Failure> {
    #[derive(Parser)]
    struct Line<T: Args> {
        #[command(flatten)]
        args: T,
    }
    let line = Line::<T>::try_parse_from(words);
    Ok(line.map_err(|error| Failure::Usage(error.to_string()))?.args)
}

fn scan_args(data: &Path, scanned: &Path, recordings: &[Recording]) -> Result<ScanArgs, Failure> {
    let catalogue = data.join("tracks.parquet");
    let [scanned, catalogue] = [scanned, &*catalogue].map(Path::to_string_lossy);
    let line = ["scan", "--out", &scanned, "--catalogue", &catalogue, "--"];
    let files: Vec<_> = recordings.iter().map(|recording| data.join(&recording.file)).collect();
    let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    parsed(&line.into_iter().chain(files.iter().map(|file| &**file)).collect::<Vec<_>>())
}

fn replay_args(data: &Path, scanned: &Path, tables: &Path) -> Result<ReplayArgs, Failure> {
    let [data, scanned, tables] = [data, scanned, tables].map(Path::to_string_lossy);
    let [from, to] =
        [["replay", "--data", &data, "--evidence", &scanned], ["--out", &tables, "--every", EVERY, "--json"]];
    parsed(&[&from[..], &to, &["--windows", "24h,7d,28d", "--emit", "changes"]].concat())
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
}

struct Report {
    fates: Vec<Fate>,
    /// The artists of each attack: how many there are, and how many were ever stopped.
    artists: BTreeMap<String, (u64, u64)>,
    /// The first block of an account: its id, when, and the reasons.
    example: Option<(String, Millis, String, Vec<String>)>,
}

impl Report {
    fn read(data: &Path, tables: &Path) -> Result<Report, Failure> {
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
        let Verdicts { accounts: verdicts, artists: stopped, example } =
            Verdicts::read(&tables.join("verdict.parquet")).map_err(input)?;
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
            })
        });
        Ok(Report { fates: fates.collect(), artists, example })
    }

    /// Families of a kind: name and fates.
    fn families(&self, kind: LabelKind) -> BTreeMap<&str, Vec<&Fate>> {
        let mut families: BTreeMap<&str, Vec<&Fate>> = BTreeMap::new();
        for fate in self.fates.iter().filter(|fate| fate.kind == kind) {
            families.entry(&fate.family).or_default().push(fate);
        }
        families
    }

    fn text(&self, world: &WorldSummary, [scan_seconds, seconds]: [f64; 2], heard: &Heard, args: &DemoArgs) -> String {
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
        let per_s = world.plays as f64 / seconds.max(1e-9);
        let _ =
            writeln!(text, "Replayed in {seconds:.1} s, {per_s:.0} plays/s: every table and verdict, every {EVERY}\n");
        let _ = writeln!(
            text,
            "Attacks             accounts  stopped  of them blocked  first verdict after   plays before it   artists stopped"
        );
        let mut attacks = self.families(LabelKind::Fraud);
        // Whose accounts are victims has false music all the same.
        self.artists.keys().for_each(|family| _ = attacks.entry(family).or_default());
        for (family, fates) in attacks {
            let (artists, caught) = self.artists.get(family).copied().unwrap_or_default();
            let stopped: Vec<_> = fates.iter().filter(|fate| fate.gravest.is_some()).collect();
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
                "  {family:<18}{:>8}{:>9}{blocked:>17}  {median:>19}{share:>18}{:>18}",
                fates.len(),
                stopped.len(),
                format!("{caught} of {artists}")
            );
        }
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
        if let Some((account, at, verdict, reasons)) = &self.example {
            let _ = writeln!(text, "\nOne verdict: account {account} on {}: {verdict}", replay::instant(*at));
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

    fn json(&self, world: &WorldSummary, seconds: f64, heard: &Heard) -> String {
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
                })
            })
            .collect();
        let artist = |(family, (all, stopped)): (&String, &(u64, u64))| json!({"family": family, "artists": all, "stopped": stopped});
        let artists: Vec<_> = self.artists.iter().map(artist).collect();
        let report = json!({
            "plays": world.plays,
            "replay_seconds": seconds,
            "accounts": fates,
            "artists": artists,
            "heard": heard.json(),
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
    /// The first block of an account: its id, when, the verdict and the reasons.
    example: Option<(String, Millis, String, Vec<String>)>,
}

impl Verdicts {
    fn read(path: &Path) -> Result<Verdicts, datasets::Error> {
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
                    reasons,
                ) => {
                    found.judged(at, id, verdict, reasons);
                }
                (_, Value::Int(1), Value::Text("artist"), Value::Text(id), ..) => {
                    _ = found.artists.insert(id.to_owned())
                }
                _ => (),
            }
        }
        Ok(found)
    }

    fn judged(&mut self, at: Millis, account: &str, verdict: &str, reasons: Value) {
        const GRAVITY: [&str; 3] = ["hold", "escalate", "block"];
        let gravity = |verdict: &str| GRAVITY.iter().position(|known| *known == verdict);
        let (_, gravest) = self.accounts.entry(account.to_owned()).or_insert_with(|| (at, verdict.to_owned()));
        if gravity(verdict) > gravity(gravest) {
            *gravest = verdict.to_owned();
        }
        if let (None, "block", Value::Text(reasons)) = (&self.example, verdict, reasons) {
            let reasons = serde_json::from_str(reasons).unwrap_or_default();
            self.example = Some((account.to_owned(), at, verdict.to_owned(), reasons));
        }
    }
}
