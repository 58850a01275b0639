//! `truestream inject`: lays labelled attacks over a data set, and says what was laid where.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use datasets::formats::{Fault, instant};
use datasets::inject::{self, AttackSummary, Plan, Progress, Summary};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::Failure;

const EXAMPLES: &str = "\
Examples:
  truestream inject --data mine --out mine-attacked              every family at every level, about 1 % of the plays
  truestream inject --print-plan > plan.toml                     the built-in plan, to edit
  truestream inject --data mine --print-plan                     with all numbers, as it would be carried out on these data
  truestream inject --data mine --plan plan.toml --seed 7 --out A --json
  truestream replay --data mine-attacked --out tables

A plan is TOML:
  share = 0.01                  # attacks add 1 % of the plays, look-alikes too; leave out to say `accounts` yourself
  label_delay_days = 7
  [[attack]]
  family = \"loop_farm\"
  level = \"hard\"                # easy, medium (default), hard
  accounts = 40                 # this and every other parameter may be said; docs/INJECT.md lists them

The same data, plan and seed give the same bytes, for any number of threads.";

/// Lays labelled attacks, and honest listeners that look like them, over your own telemetry: train and measure without
/// labels of your own.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InjectArgs {
    /// The folder with plays.parquet and the other tables; nothing in it is changed.
    #[arg(long, value_name = "DIR", required_unless_present = "print_plan")]
    pub data: Option<PathBuf>,

    /// What is injected: a TOML file, or `default` for every family at every level.
    #[arg(long, value_name = "FILE", default_value = "default")]
    pub plan: PathBuf,

    /// Another seed is another injection.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// The folder for the data with the attacks in it; it must be empty or not exist.
    #[arg(long, value_name = "DIR", required_unless_present = "print_plan")]
    pub out: Option<PathBuf>,

    /// Threads; 0 = one per core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,

    /// Print the built-in plan and stop; with --data, the plan with all numbers as it would be carried out.
    #[arg(long, conflicts_with_all = ["out", "json"])]
    pub print_plan: bool,

    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The summary, as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    data: String,
    out: String,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Injects what the arguments say and prints what was injected.
///
/// # Errors
/// `Input` for a plan or data that cannot be read, `Output` when the folder cannot be written, `Usage` when options are missing.
pub fn run(args: &InjectArgs) -> Result<(), Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let plan = Plan::load(&args.plan).map_err(input)?;
    let bar = progress_bar();
    if args.print_plan {
        let text = match &args.data {
            Some(data) => inject::fitted(data, &plan, args.seed, |now| show(&bar, now)).map_err(input)?.text(),
            None if args.plan == Path::new("default") => Plan::built_in(),
            None => {
                let why = "what a plan of your own becomes depends on the data: add --data DIR";
                return Err(Failure::Usage(why.to_owned()));
            }
        };
        bar.finish_and_clear();
        return print(text.trim_end());
    }
    let (Some(data), Some(out)) = (&args.data, &args.out) else {
        return Err(Failure::Usage("--data DIR and --out DIR are needed".to_owned()));
    };
    let injected = inject::inject(data, &plan, args.seed, out, args.threads, |now| show(&bar, now));
    bar.finish_and_clear();
    let summary = injected.map_err(|fault| match fault {
        Fault::Input(error) => Failure::Input(error.to_string()),
        Fault::Output(error) => Failure::Output(error.to_string()),
    })?;
    let report = Report { data: data.display().to_string(), out: out.display().to_string(), summary: &summary };
    print(&if args.json { json(&report)? } else { report.text() })
}

/// A bar on a terminal, nothing anywhere else.
fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {msg} {pos}/{len}  {eta}");
    ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, now: Progress) {
    let (what, done, of) = match now {
        Progress::Survey(rows, of) => ("looking at plays", rows, of),
        Progress::Days(days, of) => ("making days", days, of),
    };
    bar.set_length(of);
    bar.set_position(done);
    bar.set_message(what);
}

fn json(report: &Report<'_>) -> Result<String, Failure> {
    serde_json::to_string_pretty(report).map_err(|error| Failure::Output(error.to_string()))
}

impl Report<'_> {
    fn text(&self) -> String {
        let summary = self.summary;
        let count = |count: u64| HumanCount(count).to_string();
        let mut text = format!(
            "Injected into {} plays of {}: {} plays, {} accounts, {} tracks, {} labels, in {}\n",
            count(summary.plays_before),
            self.data,
            count(summary.plays_added),
            count(summary.accounts_added),
            count(summary.tracks_added),
            count(summary.labels_added),
            self.out,
        );
        let _ = write!(text, "Attacks make {:.2} % of all plays", 100.0 * summary.fraud_share);
        // Camouflage comes on top of what was asked for.
        match summary.share_asked.filter(|share| summary.fraud_share > 3.0 * share) {
            Some(share) => {
                let asked = 100.0 * share;
                let _ =
                    writeln!(text, "; the data are too few for {asked:.2} %: the fewest accounts and days make more");
            }
            None => text.push('\n'),
        }
        Report::table("Attacks", summary.attacks.iter().filter(|attack| attack.attack), &mut text);
        Report::table("Honest look-alikes", summary.attacks.iter().filter(|attack| !attack.attack), &mut text);
        let _ = write!(text, "\nWhich play is whose: {}/truth.parquet. The plan: {0}/plan.toml.", self.out);
        text
    }

    fn table<'a>(title: &str, attacks: impl Iterator<Item = &'a AttackSummary>, text: &mut String) {
        let mut attacks = attacks.peekable();
        if attacks.peek().is_none() {
            return;
        }
        let _ = writeln!(
            text,
            "\n{title:<20}{:<8}{:>9}{:>9}{:>11}{:>9}{:>9}  from        until",
            "level", "accounts", "tracks", "plays", "target", "share"
        );
        for attack in attacks {
            let count = |count: u64| HumanCount(count).to_string();
            let target = 100.0 * attack.target_plays as f64 / attack.plays.max(1) as f64;
            let _ = writeln!(
                text,
                "{:<20}{:<8}{:>9}{:>9}{:>11}{target:>7.0} %{:>7.2} %  {}  {}",
                attack.family.name(),
                attack.level.name(),
                count(attack.accounts),
                count(attack.tracks),
                count(attack.plays),
                100.0 * attack.share,
                &instant::to_text(attack.from)[..10],
                &instant::to_text(attack.until)[..10],
            );
        }
    }
}

/// Prints to standard output; a closed pipe is nobody's failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
