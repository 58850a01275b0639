//! `truestream world`: writes a seeded world as the canonical tables, and says what is in it.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::path::PathBuf;

use datasets::formats::instant;
use datasets::world::{FamilySummary, Progress, World, WorldSpec, WorldSummary};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::Failure;

const EXAMPLES: &str = "\
Examples:
  truestream world --out W                          2 000 accounts, 28 days, about 1 M plays
  truestream world --seed 7 --accounts 22000 --out W    about ten times as many
  truestream world --no-attacks --json --out W      honest listeners only; the summary as JSON
  truestream world --audio --out W                  with sound for truestream scan W/audio
  truestream replay --data W --out R                what the dataflow makes of it

The same options give the same bytes, for any number of threads. docs/WORLD.md says what is in a world and from where its
numbers are.";

/// Makes a world of listeners, music and a few frauds, all labelled: a data set whose truth is known.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WorldArgs {
    /// Another seed is another world.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Accounts, those of attacks and of honest look-alikes included.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub accounts: u32,

    /// Days of plays.
    #[arg(long, value_name = "N", default_value_t = 28)]
    pub days: u32,

    /// When the first day begins.
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z")]
    pub start: String,

    /// The folder for plays.parquet, tracks.parquet, …; made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// Threads; 0 = one per core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,

    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,

    /// Leave the attacks out; the honest look-alikes stay.
    #[arg(long)]
    pub no_attacks: bool,

    /// Give a few tracks sound: WAV files for `truestream scan`.
    #[arg(long)]
    pub audio: bool,
}

/// The summary, as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    out: String,
    from: String,
    until: String,
    #[serde(flatten)]
    summary: &'a WorldSummary,
}

/// Writes the world that the arguments describe and prints what is in it.
///
/// # Errors
/// `Usage` for a world that cannot be, `Output` when the folder cannot be written.
pub fn run(args: &WorldArgs) -> Result<(), Failure> {
    let spec = spec(args)?;
    let bar = progress_bar(spec.days);
    let advance = |progress: Progress| {
        bar.set_position(u64::from(progress.days));
        bar.set_message(HumanCount(progress.plays).to_string());
    };
    let written = World::write(&spec, &args.out, args.threads, advance);
    bar.finish_and_clear();
    let summary = written.map_err(|error| Failure::Output(error.to_string()))?;
    let (from, until) = (instant::to_text(spec.start_ms), instant::to_text(spec.end_ms()));
    let report = Report { out: args.out.display().to_string(), from, until, summary: &summary };
    print(&if args.json { json(&report)? } else { report.text() })
}

fn spec(args: &WorldArgs) -> Result<WorldSpec, Failure> {
    let start_ms = instant::from_text(&args.start).ok_or_else(|| {
        Failure::Usage(format!("--start {:?} is no time; expected such as 2026-01-01T00:00:00Z", args.start))
    })?;
    let WorldArgs { seed, accounts, days, no_attacks, audio: sound, .. } = *args;
    let spec = WorldSpec { seed, accounts, days, start_ms, attacks: !no_attacks, lookalikes: true, sound };
    spec.check().map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(spec)
}

/// A bar on a terminal, nothing anywhere else.
fn progress_bar(days: u32) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} day {pos}/{len}  {msg} plays  {eta}");
    ProgressBar::new(u64::from(days)).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn json(report: &Report<'_>) -> Result<String, Failure> {
    serde_json::to_string_pretty(report).map_err(|error| Failure::Output(error.to_string()))
}

impl Report<'_> {
    fn text(&self) -> String {
        let summary = self.summary;
        let mut text = format!("World {} in {}, {} to {}\n\n", summary.seed, self.out, self.from, self.until);
        let lines = [
            ("plays", summary.plays, "rows, in the order of their arrival"),
            ("late", summary.late, "arrive after they ended"),
            ("", summary.late_by_a_day, "of them a day or more"),
            ("duplicates", summary.duplicates, "rows repeat a play"),
            ("", summary.conflicting, "of them say something else"),
            ("corrections", summary.corrections, "plays to forget"),
            ("tracks", summary.tracks, "rows"),
            ("accounts", summary.accounts, ""),
            ("labels", summary.labels, "say what is true"),
            ("recordings", summary.recordings.len() as u64, "can be heard"),
        ];
        for (name, count, meaning) in lines {
            let line = format!("  {name:<12}{:>12}  {meaning}", HumanCount(count).to_string());
            let _ = writeln!(text, "{}", line.trim_end());
        }
        self.families("Attacks", true, &mut text);
        self.families("Honest look-alikes", false, &mut text);
        text.trim_end().to_owned()
    }

    fn families(&self, title: &str, attack: bool, text: &mut String) {
        let families: Vec<&FamilySummary> = self.summary.families.iter().filter(|f| f.attack == attack).collect();
        if families.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n  {title:<20}{:>10}{:>14}{:>9}", "accounts", "plays", "share");
        for family in families {
            let share = 100.0 * family.plays as f64 / self.summary.plays.max(1) as f64;
            let (accounts, plays) = (HumanCount(family.accounts).to_string(), HumanCount(family.plays).to_string());
            let _ = writeln!(text, "  {:<20}{accounts:>10}{plays:>14}{share:>8.2}%", family.name);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn args(out: PathBuf) -> WorldArgs {
        WorldArgs {
            seed: 1,
            accounts: 200,
            days: 2,
            start: "2026-01-01T00:00:00Z".to_owned(),
            out,
            threads: 1,
            json: false,
            no_attacks: false,
            audio: false,
        }
    }

    #[test]
    fn a_time_that_is_none_and_a_world_that_cannot_be_are_mistakes_of_usage() {
        let out = PathBuf::from("never-made");
        for wrong in [
            WorldArgs { start: "soon".to_owned(), ..args(out.clone()) },
            WorldArgs { accounts: 0, ..args(out.clone()) },
        ] {
            assert!(matches!(run(&wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
        assert!(!out.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_failure_of_output() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = run(&args(file.path().join("below"))).unwrap_err();
        assert!(matches!(&failure, Failure::Output(text) if text.contains("below")), "{failure:?}");
    }

    #[test]
    fn the_summary_names_every_family_in_words_and_as_json() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path().join("w"));
        let summary = World::write(&spec(&args).unwrap(), &args.out, 1, |_| ()).unwrap();
        let report = Report { out: "w".into(), from: "a".into(), until: "b".into(), summary: &summary };
        let (text, json) = (report.text(), json(&report).unwrap());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["plays"], summary.plays);
        assert_eq!(json["families"].as_array().unwrap().len(), summary.families.len());
        for family in &summary.families {
            assert!(text.contains(family.name), "{text}");
        }
        assert!(args.out.join("plays.parquet").exists());
    }
}
