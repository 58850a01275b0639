//! `truestream ddex`: messages of distributors, checked and brought into the catalogue.
//!
//! ```text
//! files, folders ──▶ check ──▶ findings with line and column, exit code
//!               └──▶ import ──▶ tracks, releases, contributors, deals, disclosures, messages
//! ```

mod check;
mod import;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use datasets::ddex::Received;
use datasets::formats::instant;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::Failure;

/// Fewer messages than this are read before anybody looks for progress.
const PROGRESS_MIN: usize = 20;

/// Checks release notifications (DDEX ERN) for what they say of generative AI, and brings them into the catalogue.
#[derive(Args, Clone, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "ERN 3.8, 3.8.1 to 3.8.3, 4.1, 4.1.1, 4.2, 4.3, 4.3.1 and 4.3.2: NewReleaseMessage and PurgeReleaseMessage. docs/DDEX.md \
                  says what is read and what is found."
)]
pub struct DdexArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    Check(check::CheckArgs),
    Import(import::ImportArgs),
}

/// Runs the command.
///
/// # Errors
/// `Different` for findings of severity error, `Input` for a message that cannot be read, `Output` for a folder that cannot be
/// written.
pub fn run(args: &DdexArgs) -> Result<(), Failure> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Import(args) => import::run(args),
    }
}

/// The files that are named, and the XML files in the folders that are: deliveries hold sound and pictures, too.
fn messages(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let found = datasets::formats::walk(paths).map_err(|error| Failure::Input(error.to_string()))?;
    let is_xml = |path: &PathBuf| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml"));
    let files: Vec<PathBuf> =
        found.into_iter().filter(|(path, in_folder)| !in_folder || is_xml(path)).map(|(path, _)| path).collect();
    match files.is_empty() {
        true => Err(Failure::Input("no messages found: name XML files, or folders with some".to_owned())),
        false => Ok(files),
    }
}

/// Reads `--received`: how it is known when messages came.
fn received(text: &str) -> Result<Received, Failure> {
    match text {
        "file" => Ok(Received::File),
        "sent" => Ok(Received::Sent),
        _ => instant::from_text(text).map(Received::At).ok_or_else(|| {
            Failure::Usage(format!("--received {text}: expected file, sent, or a time such as 2026-01-31T12:00:00Z"))
        }),
    }
}

/// A bar on a terminal where there is much to do, nothing anywhere else.
fn progress_bar(files: usize, looks: u64) -> ProgressBar {
    if files < PROGRESS_MIN || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} messages  {per_sec}  {eta}");
    ProgressBar::new(files as u64 * looks).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Prints to standard output; a closed pipe is nobody's failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn plural(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
