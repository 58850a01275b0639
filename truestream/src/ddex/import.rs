//! `truestream ddex import`: messages become the catalogue that `replay` reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use datasets::Error;
use datasets::ddex::{self, Consents, Fate, Imported, Outcome, Settings, TrackIds, Unmet};
use serde_json::json;

use super::{messages, plural, print, progress_bar, received};
use crate::exit::Failure;

/// Messages that were set aside and are named one by one.
const ASIDE_TOLD_MAX: usize = 20;

/// Applies messages in the order of their time, each once, and writes the catalogue that `replay` reads.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream ddex import deliveries --out catalogue
      every message of a folder, oldest first: tracks.parquet, and beside it releases, contributors, deals, disclosures, messages
  truestream replay --plays plays.parquet --tracks catalogue/tracks.parquet --out tables
      the catalogue in use
  truestream ddex import deliveries --track-id isrc --out data
      tracks called by their ISRC, because the plays are; with data/plays.parquet there, `replay --data data` finds both
  truestream ddex import archive --out catalogue --received sent
      an archive of earlier years, whose senders' times are believed
  truestream ddex import deliveries new --out catalogue
      what came since, too: all messages are named each time, and one that an earlier import applied must be among them
  truestream ddex import deliveries --out catalogue --consents consents.csv
      with what rights holders consented to: recordings with a machine's vocals wait for it

Exit codes: 0 done, 3 done and a message was set aside that should not have been (incomplete, another with its id, or about another sender's release or track), 4 a message
that cannot be read (the others are in the tables), or messages left out that an earlier import applied, or another --track-id than its (nothing is changed), 5 the folder cannot be written.")]
pub(super) struct ImportArgs {
    /// Messages, or folders whose XML files are messages
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Folder for the tables; those of an earlier import of messages are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How tracks are called: `release` is <release>/<ISRC>, `isrc` the ISRC alone
    #[arg(long, value_enum, default_value_t = TrackIdArg::Release)]
    track_id: TrackIdArg,
    /// When the messages came that no earlier import into --out has seen: a time, `file` (when the file became what it is, by this machine's clock), or
    /// `sent` (when they say they were made)
    #[arg(long, value_name = "TIME", default_value = "file")]
    received: String,
    /// The register of consents: CSV with distributor_id, isrc or party_id, consent_ref, valid_from, valid_until
    #[arg(long, value_name = "FILE")]
    consents: Option<PathBuf>,
    /// Leave out messages that an earlier import into --out applied, and whose files are not named: the catalogue becomes as if they had never come
    #[arg(long)]
    forget: bool,
    /// Replace a tracks.parquet that was not made of messages
    #[arg(long)]
    replace: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// How tracks are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TrackIdArg {
    Release,
    Isrc,
}

pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let (files, received) = (messages(&args.paths)?, received(&args.received)?);
    let consents = args.consents.as_deref().map(Consents::read).transpose();
    let consents = consents.map_err(|error| Failure::Input(error.to_string()))?.unwrap_or_default();
    let (tracks, messages) = (args.out.join("tracks.parquet"), args.out.join("messages.parquet"));
    if tracks.exists() && !messages.exists() && !args.replace {
        return Err(Failure::Usage(format!(
            "{}: not made of messages, and would be replaced; choose another --out, or --replace",
            tracks.display()
        )));
    }
    let track_ids = match args.track_id {
        TrackIdArg::Release => TrackIds::Release,
        TrackIdArg::Isrc => TrackIds::Isrc,
    };
    let bar = progress_bar(files.len(), 3);
    let settings = Settings { track_ids, received, consents, forget: args.forget, ..Settings::default() };
    let imported = ddex::write(&files, &args.out, settings, || bar.inc(1));
    bar.finish_and_clear();
    let Imported { outcomes, unmet } = imported.map_err(|error| match error {
        Error::Input(why) => Failure::Input(why),
        other => Failure::Output(other.to_string()),
    })?;
    print(&if args.json { json(args, &outcomes, &unmet) } else { text(args, &outcomes, &unmet) })?;
    verdict(&outcomes)
}

fn by_fate(outcomes: &[Outcome]) -> BTreeMap<Fate, u64> {
    let mut counts = BTreeMap::new();
    outcomes.iter().for_each(|outcome| *counts.entry(outcome.fate).or_default() += 1);
    counts
}

/// Messages that end releases which nobody had brought.
fn ends_unknown(outcomes: &[Outcome]) -> Vec<(&Path, &str)> {
    let applied = outcomes.iter().filter(|outcome| outcome.fate == Fate::Applied);
    applied.filter_map(|outcome| Some((outcome.path.as_path(), outcome.reason.as_deref()?))).collect()
}

fn text(args: &ImportArgs, outcomes: &[Outcome], unmet: &[Unmet]) -> String {
    let fates: Vec<String> =
        by_fate(outcomes).into_iter().map(|(fate, many)| format!("{many} {}", fate.name())).collect();
    let mut text = format!("{}: {}\n", plural(outcomes.len() as u64, "message"), fates.join(", "));
    let aside: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.fate != Fate::Applied).collect();
    for Outcome { path, fate, reason, .. } in aside.iter().take(ASIDE_TOLD_MAX) {
        let _ = writeln!(text, "  {}: {}: {}", path.display(), fate.name(), reason.as_deref().unwrap_or_default());
    }
    if aside.len() > ASIDE_TOLD_MAX {
        let _ = writeln!(text, "  and {} more: see messages.parquet", aside.len() - ASIDE_TOLD_MAX);
    }
    let ends = ends_unknown(outcomes);
    if !ends.is_empty() {
        let many = plural(ends.len() as u64, "message");
        let _ = writeln!(text, "{many} purged or took down what no message before had brought: compare the numbers");
        for (path, reason) in ends.iter().take(ASIDE_TOLD_MAX) {
            let _ = writeln!(text, "  {}: {reason}", path.display());
        }
        if ends.len() > ASIDE_TOLD_MAX {
            let _ = writeln!(text, "  and {} more: see messages.parquet", ends.len() - ASIDE_TOLD_MAX);
        }
    }
    let faulty = outcomes.iter().filter(|outcome| outcome.errors > 0).count() as u64;
    if faulty > 0 {
        let _ = writeln!(
            text,
            "{} contradict themselves or their standard: see truestream ddex check",
            plural(faulty, "message")
        );
    }
    if let (Some(register), false) = (&args.consents, unmet.is_empty()) {
        let many = plural(unmet.len() as u64, "line");
        let what = "about nothing that is delivered; compare with distributor_id of tracks, party_id of contributors";
        let _ = writeln!(text, "{}: {many} {what}", register.display());
        for Unmet { line, distributor_id, about } in unmet.iter().take(ASIDE_TOLD_MAX) {
            let _ = writeln!(text, "  line {line}: {about} for {distributor_id}");
        }
        if unmet.len() > ASIDE_TOLD_MAX {
            let _ = writeln!(text, "  and {} more: see --json", unmet.len() - ASIDE_TOLD_MAX);
        }
    }
    let _ = write!(text, "{}: tracks, releases, contributors, deals, disclosures, messages", args.out.display());
    text
}

fn json(args: &ImportArgs, outcomes: &[Outcome], unmet: &[Unmet]) -> String {
    let fates: serde_json::Map<_, _> =
        by_fate(outcomes).into_iter().map(|(fate, many)| (fate.name().to_owned(), json!(many))).collect();
    let aside = outcomes.iter().filter(|outcome| outcome.fate != Fate::Applied).map(|outcome| {
        json!({"file": outcome.path.display().to_string(), "fate": outcome.fate.name(), "reason": outcome.reason})
    });
    let aside: Vec<_> = aside.collect();
    let told = |(path, reason): (&Path, &str)| json!({"file": path.display().to_string(), "reason": reason});
    let unknown: Vec<_> = ends_unknown(outcomes).into_iter().map(told).collect();
    let errors: u64 = outcomes.iter().map(|outcome| outcome.errors).sum();
    let out = args.out.display().to_string();
    format!(
        "{:#}",
        json!({
            "out": out,
            "messages": outcomes.len(),
            "fates": fates,
            "set_aside": aside,
            "ends_unknown": unknown,
            "errors": errors,
            "consents_unmet": unmet,
        })
    )
}

fn verdict(outcomes: &[Outcome]) -> Result<(), Failure> {
    let of = |fate: Fate| outcomes.iter().filter(|outcome| outcome.fate == fate).count() as u64;
    let (unread, aside) = (of(Fate::Unread), of(Fate::Incomplete) + of(Fate::Conflicting) + of(Fate::Foreign));
    match (unread, aside) {
        (0, 0) => Ok(()),
        (0, aside) => Err(Failure::Different(format!(
            "{} set aside: incomplete, or another has its id, or of another sender",
            plural(aside, "message")
        ))),
        (unread, _) => {
            Err(Failure::Input(format!("{} cannot be read; the others are in the tables", plural(unread, "message"))))
        }
    }
}
