//! The options of `truestream replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use datasets::tables::Inputs;
use features::columns::window_ms;

use crate::exit::Failure;
use crate::inputs::InputArgs;

/// A device of more accounts than this links nobody, unless an option says otherwise.
pub const HUB: u32 = 50;

/// The windows of a run that names none.
pub const USUAL_WINDOWS: &str = "1h,24h,7d,28d";

/// Replays plays into the tables: rolling windows, groups of accounts, lockstep, risk and verdicts.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream replay --data world --out tables
      every table as of the last hour of the folder `world`
  truestream replay --data world --out tables --every 6h --windows 24h,7d --emit changes --views account_window,lockstep
      what changed in two tables, every six hours
  truestream replay --plays jan.parquet feb.parquet --tracks tracks.parquet --out tables --workers 2
      from single files, on two threads
  truestream replay --data world --evidence scanned --out tables
      with what `truestream scan` heard: evidence joins the tracks of its recording from when it is known on
  truestream replay --data world --out tables --models registry --model 3 --model champion@2026-02-01
      accounts scored by version 3, and by the champion from the first of February on

  truestream replay --data world --out rows --every 1d --windows 24h,7d,28d --emit all --views track_features,uploader_features
      what a model may know of tracks and uploaders, day by day; no default table, written where it is named

Exit codes: 0 done, 2 options that cannot be, 4 an input that cannot be read, 5 an output that cannot be written,
6 another process of the cluster went away.")]
pub struct ReplayArgs {
    /// Where the tables come from.
    #[command(flatten)]
    pub input: InputArgs,
    /// Where the tables go; files of an earlier run are replaced when the new ones are whole
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The refresh interval, from 1min to 1d: results are stated as of its multiples since 1970
    #[arg(long, default_value = "1h")]
    pub every: String,
    /// Window lengths, each a multiple of the refresh interval
    #[arg(long, value_delimiter = ',', default_value = USUAL_WINDOWS)]
    pub windows: Vec<String>,
    /// Which tables; unless named all but those for models (account_features, track_features, uploader_features,
    /// account_sequence, account_network, account_score)
    #[arg(long, value_delimiter = ',', value_name = "VIEW")]
    pub views: Vec<String>,
    /// What is written: the tables as of the last instant, of every instant, what changed at each, or none of them
    #[arg(long, value_enum, default_value_t = Emit::Last)]
    pub emit: Emit,
    /// Threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// A device of more accounts than this links nobody and is listed in `hubs`
    #[arg(long, default_value_t = HUB)]
    pub hub: u32,
    /// What links two accounts that both used it in the last 7 days: device, payment, ip_prefix
    #[arg(long, value_delimiter = ',', default_value = "device", value_name = "LINK")]
    pub links: Vec<String>,
    /// A folder of policy files instead of the built-in policy
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// A registry of models (see `truestream train`): its champion scores accounts, over windows of 24h, 7d and 28d
    #[arg(long, value_name = "REGISTRY")]
    pub models: Option<PathBuf>,
    /// Instead of the champion, this version of the registry, from an instant on: VERSION or VERSION@INSTANT; several take
    /// turns
    #[arg(long, value_name = "VERSION[@INSTANT]", requires = "models")]
    pub model: Vec<String>,
    /// A version of the registry that is tried on so many of a hundred accounts, from an instant on, until another model takes its turn or is tried:
    /// VERSION:PERCENT or VERSION:PERCENT@INSTANT; none@INSTANT ends it. Unless --model says who scores, the one that `promote --stage beta` names
    #[arg(long, value_name = "VERSION:PERCENT[@INSTANT]", requires = "models")]
    pub beta: Vec<String>,
    /// A version of the registry that scores beside the champion without a say; the view account_score has both
    #[arg(long, value_name = "VERSION", requires = "models")]
    pub challenger: Option<String>,
    /// Of `account_sequence` only these rows: a JSON object of instants in milliseconds and lists of account ids
    #[arg(long, value_name = "FILE")]
    pub sequences_of: Option<PathBuf>,
    /// The network whose scores `account_network` has: a file of a registry (safetensors)
    #[arg(long, value_name = "FILE")]
    pub network: Option<PathBuf>,
    /// What people ruled speaks since when it says, as if it had been known then: what would have been stated without the mistakes
    #[arg(long)]
    pub hindsight: bool,
    /// No faster than so many times real time, such as 100x
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<String>,
    /// Plays held in memory while files that are not sorted by arrival are sorted
    #[arg(long, default_value_t = 4_000_000, value_name = "PLAYS")]
    pub sort_plays_max: usize,
    /// A file with one host:port per line: run as one process of a cluster, all of which see the same files
    #[arg(long, value_name = "FILE", requires = "process")]
    pub hosts: Option<PathBuf>,
    /// Which line of --hosts this process is, from 0; process 0 writes the tables
    #[arg(long, value_name = "I", requires = "hosts")]
    pub process: Option<usize>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Of verdicts only the gravest of each subject is told in words: for a command that reads the tables and throws them away.
    #[arg(skip)]
    pub terse: bool,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// The net state as of the last instant.
    Last,
    /// The net state as of every instant.
    All,
    /// The rows that changed at each instant.
    Changes,
    /// Nothing, and --out stays as it is: what changes at each instant is computed and counted, to see how fast that goes.
    None,
}

impl Emit {
    /// The word of the option.
    pub fn name(self) -> &'static str {
        match self {
            Emit::Last => "last",
            Emit::All => "all",
            Emit::Changes => "changes",
            Emit::None => "none",
        }
    }
}

impl ReplayArgs {
    /// The input files: those of the folder and those named.
    ///
    /// # Errors
    /// When the folder cannot be read or holds no plays.
    pub fn inputs(&self) -> Result<Inputs, Failure> {
        self.input.inputs()
    }
}

/// Reads a length of time such as 90s, 10min, 6h, 7d or 4w as milliseconds.
///
/// # Errors
/// When the text is no length of time.
pub fn millis(text: &str) -> Result<i64, Failure> {
    window_ms(text).ok_or_else(|| {
        Failure::Usage(format!("`{text}` is no length of time; expected a number with s, min, h, d or w, such as 6h"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_with_their_units() {
        for (text, expected) in
            [("90s", 90_000), ("1min", 60_000), ("10m", 600_000), ("24h", 86_400_000), ("4w", 2_419_200_000)]
        {
            assert_eq!(millis(text).unwrap(), expected);
        }
        for text in ["", "h", "0h", "1", "-1h", "1.5h", "1 h", "99999999999999999999h", "9223372036854775807w"] {
            assert!(millis(text).is_err(), "{text}");
        }
    }
}
