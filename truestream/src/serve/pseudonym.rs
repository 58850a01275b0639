//! `truestream pseudonym`: under which name an id that somebody knows stands in the tables of a service.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::Args;
use datasets::intake::pseudonyms::Whose;

use super::state::StateFolder;
use crate::exit::Failure;

/// Tells under which pseudonyms ids stand in the tables of a service; who can read its key can ask.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream pseudonym --state service a1 a2
      a1  p3f1c0a9b77e24d5512ac6e08
  psql … -At -c \"SELECT subject_id FROM verdict WHERE subject = 'account'\" | sort > named
  truestream pseudonym --state service < all-accounts | sort -k 2 | join -1 1 -2 2 named -
      whose verdicts they are: the platform knows its accounts, the service does not

One line per id: the id, a tab, its pseudonym. Exit codes: 0 done, 2 the service has plain ids, 4 the key cannot be read.")]
pub struct PseudonymArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR", default_value = "service")]
    pub state: PathBuf,
    /// Where the key is; ids.key of the folder unless given
    #[arg(long, value_name = "FILE")]
    pub id_key: Option<PathBuf>,
    /// What the ids are ids of: account, device, ip_prefix, payment or family
    #[arg(long, default_value = "account", value_parser = Whose::ALL.map(|(name, _)| name))]
    pub of: String,
    /// The ids; those of standard input, one per line, unless given
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub ids: Vec<String>,
}

/// Tells pseudonyms.
///
/// # Errors
/// When the service has none, or its key cannot be read.
pub fn run(args: &PseudonymArgs) -> Result<(), Failure> {
    let state = StateFolder::new(&args.state);
    let ids = state.ids(args.id_key.as_deref())?;
    let no_service = || Failure::Input(format!("{}: no service has begun there", args.state.display()));
    let ids = ids.ok_or_else(no_service)?;
    let Some(pseudonyms) = &ids.pseudonyms else {
        return Err(Failure::Usage(format!("{}: the service was begun with --plain-ids", args.state.display())));
    };
    let whose = Whose::ALL.into_iter().find(|(name, _)| *name == args.of).map_or(Whose::Account, |(_, whose)| whose);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let output = |error: std::io::Error| Failure::Output(format!("standard output: {error}"));
    let mut tell = |id: &str| writeln!(out, "{id}\t{}", pseudonyms.of(whose, id, &ids.kinds)).map_err(output);
    if args.ids.is_empty() {
        for line in std::io::stdin().lock().lines() {
            let id = line.map_err(|error| Failure::Input(format!("standard input: {error}")))?;
            // No id is an empty text.
            if !id.is_empty() {
                tell(&id)?;
            }
        }
    }
    args.ids.iter().try_for_each(|id| tell(id))?;
    out.flush().map_err(output)
}
