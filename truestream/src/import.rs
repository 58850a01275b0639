//! `truestream import`: data sets in, canonical tables out.
//!
//! ```text
//! paths ──▶ walk ──▶ recognise (all files, before anything is read) ──▶ import, descriptions first ──▶ tables, report
//! ```

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use datasets::formats::{
    Fault, FileReport, Finding, Format, Import, Map, Options, PLAYED_MAX_MS, Recognised, Totals, instant, recognise,
    walk,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::Failure;

/// Plays may lie this far ahead of our clock before they are taken for a wrong one.
const AHEAD_MS: i64 = 24 * 3_600_000;

/// Brings data sets into the canonical tables.
#[derive(Args, Clone, Debug)]
#[command(
    long_about = "Brings data sets that others made into the canonical tables plays, tracks and accounts; every row that \
                  cannot become one is kept in the table refusal, with the reason. Rows in = plays + described + refusals.",
    after_help = "Formats: auto, spotify-extended, spotify-basic, lastfm-1k, lastfm-csv, listenbrainz, lfm-1b, lfm-2b, yambda, \
                  mssd, distributor-report, mapped. docs/FORMATS.md describes each.\n\n\
                  Examples:\n  \
                  truestream import auto ~/Downloads/my_spotify_data --out data\n  \
                  truestream import lastfm-1k lastfm-dataset-1K --out data\n  \
                  truestream import yambda flat/50m/listens.parquet --origin 2024-03-01T00:00:00Z --ids number --out data\n  \
                  truestream import mapped plays.csv --map columns.toml --out data"
)]
pub struct ImportArgs {
    /// `auto` or the name of a format, then the files or folders to read; folders are walked.
    #[arg(required = true, num_args = 1.., value_names = ["FORMAT", "PATH"])]
    pub inputs: Vec<PathBuf>,

    /// Folder for plays.parquet, tracks.parquet, accounts.parquet and refusal.parquet; those of an earlier import are replaced.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// The format, where it is not the first argument.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,

    /// Column map (TOML) for CSV, JSON lines or Parquet files of no known format.
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,

    /// Account of files that name none [default: the file's `username`, else the name of the folder that holds the file].
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// How long a play is taken to have been heard where neither it nor its track tells a length, in milliseconds.
    /// The default is the length of the median song.
    #[arg(long, value_name = "MS", default_value_t = 203_000, value_parser = clap::value_parser!(u64).range(0..=PLAYED_MAX_MS))]
    pub assume_played_ms: u64,

    /// The instant that a data set with relative times (yambda) calls zero.
    #[arg(long, value_name = "TIME", default_value = "2024-01-01T00:00:00Z")]
    pub origin: String,

    /// Plays before this are refused as out_of_range.
    #[arg(long, value_name = "TIME", default_value = "2002-01-01T00:00:00Z")]
    pub earliest: String,

    /// Plays after this are refused as out_of_range [default: tomorrow].
    #[arg(long, value_name = "TIME")]
    pub latest: Option<String>,

    /// How ids are written; `number` is for data whose ids are all numbers.
    #[arg(long, value_name = "KIND", default_value = "text")]
    pub ids: IdsArg,

    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How ids are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdsArg {
    /// UTF-8.
    Text,
    /// Unsigned 64-bit.
    Number,
}

/// The report of an import, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    out: String,
    files: Vec<FileReport>,
    skipped: Vec<Skipped>,
    total: FileReport,
    tables: Totals,
    damaged: u64,
}

#[derive(Debug, Serialize)]
struct Skipped {
    file: String,
    reason: String,
}

/// Imports what the arguments name.
///
/// # Errors
/// `Usage` for arguments that contradict each other, `Input` for a path that cannot be read, a file of no known format,
/// or a damaged file (whose good rows are imported all the same), `Output` when the folder cannot be written.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let (format, paths) = what_to_read(args)?;
    let options = options(args, now_ms())?;
    if format == Some(Format::Mapped) && options.map.is_none() {
        return Err(Failure::Usage(
            "the format mapped needs a column map: --map FILE.toml (see docs/FORMATS.md)".to_owned(),
        ));
    }
    let (files, skipped) = look_at(&paths, format, options.map.as_ref())?;

    let mut import = Import::begin(&args.out, options).map_err(failure)?;
    let bar = progress_bar(files.iter().map(|file| file.bytes).sum());
    let mut reports = Vec::with_capacity(files.len());
    let mut before = 0;
    for file in &files {
        bar.set_message(file.path.display().to_string());
        reports.push(import.read(file, &mut |bytes| bar.set_position(before + bytes)).map_err(failure)?);
        before += file.bytes;
    }
    let tables = import.finish().map_err(failure)?;
    bar.finish_and_clear();

    let report = Report::new(&args.out, reports, skipped, tables);
    report.print(args.json)?;
    report.verdict()
}

/// The format (`None` = auto) and the paths.
fn what_to_read(args: &ImportArgs) -> Result<(Option<Format>, Vec<PathBuf>), Failure> {
    let unknown = |name: &str| {
        Failure::Usage(format!("{name:?} is no format and no path; formats are auto, {}", Format::names()))
    };
    let named = |name: &str| match name {
        "auto" => Some(None),
        _ => Format::from_name(name).map(Some),
    };
    let first = args.inputs[0].to_string_lossy();
    let first_is_path = Path::new(&*first).exists();
    let leading = named(&first);

    let (format, paths) = match (&args.format, leading) {
        (Some(name), _) => {
            let format = named(name).ok_or_else(|| unknown(name))?;
            let skip = usize::from(leading.is_some() && !first_is_path);
            (format, &args.inputs[skip..])
        }
        (None, Some(format)) => (format, &args.inputs[1..]),
        (None, None) if first_is_path => (args.map.as_ref().map(|_| Format::Mapped), &args.inputs[..]),
        (None, None) => return Err(unknown(&first)),
    };
    if paths.is_empty() {
        return Err(Failure::Usage("name at least one file or folder to import".to_owned()));
    }
    Ok((format, paths.to_vec()))
}

fn options(args: &ImportArgs, now_ms: i64) -> Result<Options, Failure> {
    let time = |option: &str, text: &str| {
        let read = instant::from_text(text);
        read.ok_or_else(|| {
            Failure::Usage(format!("{option} {text:?} is no time; expected such as 2024-01-01T00:00:00Z"))
        })
    };
    let earliest = time("--earliest", &args.earliest)?;
    let latest = match &args.latest {
        Some(text) => time("--latest", text)?,
        None => now_ms.saturating_add(AHEAD_MS),
    };
    if earliest > latest {
        return Err(Failure::Usage("--earliest lies after --latest: no play could be imported".to_owned()));
    }
    let map = match &args.map {
        Some(path) => Some(read_map(path)?),
        None => None,
    };
    Ok(Options {
        account: args.account.clone(),
        assume_played_ms: args.assume_played_ms,
        origin: time("--origin", &args.origin)?,
        bounds: earliest..=latest,
        numeric_ids: args.ids == IdsArg::Number,
        map,
    })
}

fn read_map(path: &Path) -> Result<Map, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    Map::from_toml(&text).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))
}

/// Looks at every file before any is read, so that a mistake costs a second and not an hour.
fn look_at(
    paths: &[PathBuf],
    format: Option<Format>,
    map: Option<&Map>,
) -> Result<(Vec<Recognised>, Vec<Skipped>), Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    for (path, in_folder) in walk(paths).map_err(input)? {
        match recognise(&path, in_folder, format, map).map_err(input)? {
            Finding::File(file) => files.push(file),
            Finding::Skipped(path, reason) => skipped.push(Skipped { file: path.display().to_string(), reason }),
        }
    }
    if files.is_empty() {
        return Err(Failure::Input("none of the files holds plays".to_owned()));
    }
    // What describes tracks and accounts comes first; otherwise the order stays.
    files.sort_by_key(|file| !file.describes());
    Ok((files, skipped))
}

fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Input(error) => Failure::Input(error.to_string()),
        Fault::Output(error) => Failure::Output(error.to_string()),
    }
}

/// A bar on a terminal, nothing anywhere else.
fn progress_bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {msg}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Report {
    fn new(out: &Path, files: Vec<FileReport>, skipped: Vec<Skipped>, tables: Totals) -> Report {
        let mut total = FileReport { file: "total".to_owned(), ..FileReport::default() };
        files.iter().for_each(|file| total.add(file));
        let damaged = files.iter().filter(|file| file.damage.is_some()).count() as u64;
        Report { out: out.display().to_string(), files, skipped, total, tables, damaged }
    }

    fn print(&self, json: bool) -> Result<(), Failure> {
        let text = if json {
            serde_json::to_string_pretty(self).map_err(|error| Failure::Output(error.to_string()))?
        } else {
            self.text()
        };
        write_out(&text)
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        for file in &self.files {
            lines.push(format!("{}  ({}: {})", file.file, file.format, file.taken_for));
            lines.push(format!("  {}", rows_in_words(file)));
            lines.extend(file.damage.iter().map(|damage| format!("  DAMAGED: {damage}")));
        }
        lines.extend(self.skipped.iter().map(|skipped| format!("{}  skipped: {}", skipped.file, skipped.reason)));
        lines.push(String::new());
        lines.push(format!("{}: {}", files_in_words(self.files.len()), rows_in_words(&self.total)));
        for (code, seen) in &self.total.refused {
            lines.push(format!("  refused {code}: {}, first: {}", seen.rows, seen.example));
        }
        lines.extend(self.total.range().map(|range| format!("  plays ended from {range}")));
        if self.total.assumed_lengths > 0 {
            lines.push(format!("  {} plays have an assumed length", self.total.assumed_lengths));
        }
        lines.extend(self.caveats().into_iter().map(|(name, caveat)| format!("  note, {name}: {caveat}")));
        let Totals { plays, tracks, accounts, refusals } = self.tables;
        lines.push(format!("{}: {plays} plays, {tracks} tracks, {accounts} accounts, {refusals} refusals", self.out));
        lines.join("\n")
    }

    /// What the formats that were read cannot tell, each once.
    fn caveats(&self) -> Vec<(&'static str, &'static str)> {
        let read = |format: &Format| self.files.iter().any(|file| file.format == format.name());
        Format::ALL.into_iter().filter(read).filter_map(|format| Some((format.name(), format.caveat()?))).collect()
    }

    /// A damaged file is a failure even though its good rows are in.
    fn verdict(&self) -> Result<(), Failure> {
        let damaged: Vec<String> =
            self.files.iter().filter_map(|file| Some(format!("{}: {}", file.file, file.damage.as_ref()?))).collect();
        if damaged.is_empty() {
            return Ok(());
        }
        let (count, all) = (damaged.len(), self.files.len());
        Err(Failure::Input(format!(
            "{count} of {all} files damaged; every row before the damage was imported to {}:\n  {}",
            self.out,
            damaged.join("\n  ")
        )))
    }
}

fn rows_in_words(report: &FileReport) -> String {
    let FileReport { rows, plays, described, refusals, .. } = report;
    match described {
        0 => format!("{rows} rows = {plays} plays + {refusals} refusals"),
        _ => format!("{rows} rows = {plays} plays + {described} descriptions + {refusals} refusals"),
    }
}

fn files_in_words(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// Prints to standard output; a closed pipe is nobody's failure.
fn write_out(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        import: ImportArgs,
    }

    fn args(line: &[&str]) -> ImportArgs {
        Line::parse_from(["import"].iter().chain(line)).import
    }

    #[test]
    fn the_format_comes_first_or_as_an_option() {
        let read = |line: &[&str]| what_to_read(&args(line)).map(|(format, paths)| (format, paths.len()));
        assert_eq!(read(&["auto", "/", "/tmp", "--out", "o"]).unwrap(), (None, 2));
        assert_eq!(read(&["lastfm-1k", "/", "--out", "o"]).unwrap(), (Some(Format::Lastfm1k), 1));
        assert_eq!(read(&["--format", "yambda", "/", "--out", "o"]).unwrap(), (Some(Format::Yambda), 1));
        assert_eq!(read(&["auto", "/", "--format", "mssd", "--out", "o"]).unwrap(), (Some(Format::Mssd), 1));
        assert_eq!(read(&["/", "--out", "o"]).unwrap(), (None, 1));
        for line in
            [&["tidal", "/", "--out", "o"][..], &["auto", "--out", "o"], &["/", "--format", "tidal", "--out", "o"]]
        {
            assert_eq!(read(line).unwrap_err().code(), 2, "{line:?}");
        }
    }

    #[test]
    fn times_that_cannot_be_are_a_usage_failure() {
        let with = |more: &[&str]| options(&args(&[&["auto", "/", "--out", "o"], more].concat()), 1_700_000_000_000);
        assert_eq!(with(&["--origin", "soon"]).unwrap_err().code(), 2);
        assert_eq!(with(&["--latest", "1999-01-01"]).unwrap_err().code(), 2);
        assert_eq!(*with(&[]).unwrap().bounds.end(), 1_700_000_000_000 + AHEAD_MS);
    }
}
