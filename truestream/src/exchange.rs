//! `truestream exchange`: what was stopped here, so that others know it when it comes to them, and nobody learns who it was.
//!
//! ```text
//! verdicts ──▶ stopped accounts, uploaders ──▶ devices and payments of many of them, recordings of each ──▶ keyed hashes, sketches ──▶ file
//! their file + our key ──▶ which of our devices, payments and recordings it names ──▶ through whom they came
//! ```

mod clusters;
mod found;
mod sounds;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use datasets::formats::instant;
use records::Millis;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::clusters::{Period, Sources};
use self::sounds::{SKETCH_DIGITS, Sketches};
use self::tags::Tagger;
use crate::exit::Failure;
use crate::verify::{Emit, Settings};

/// The first line of a file says that it is one, and which.
const FORMAT: &str = "truestream.exchange/4";
/// Fewer accounts or recordings are never exported: of fewer than three each of two knows the other.
const K_MIN: u64 = 3;

/// Exchanges keyed hashes of stopped devices, payments and recordings with others.
#[derive(Args, Clone, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  head -c 32 /dev/urandom > key; chmod 600 key
      a key, which goes to the other party on another way than the file
  truestream exchange export --data W --tables R --key-file key --out ours.jsonl
      what was stopped at any time that the tables tell of, as hashes under the key: devices and payments of at least
      five stopped accounts, recordings of stopped uploaders, at least five of each
  truestream exchange export --data W --tables R --from 2026-01-01 --until 2026-01-31 --key-file key --out january.jsonl
      in one month
  truestream exchange compare ours.jsonl theirs.jsonl
      what both have stopped; under different keys nothing
  truestream exchange find theirs.jsonl --data W --key-file key
      which accounts and tracks here use what they have stopped, by distributor

docs/EXCHANGE.md says what is in a file, and what whoever has the key can and cannot learn.
Exit codes: 0 done, 2 options that cannot be, 4 an input that cannot be read, 5 a file that cannot be written."
)]
pub struct ExchangeArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Writes what was stopped as keyed hashes
    Export(ExportArgs),
    /// Says what two files have in common
    Compare {
        /// The one file
        one: PathBuf,
        /// The other
        other: PathBuf,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Says which accounts and tracks use what others have stopped
    Find(FindArgs),
}

#[derive(Args, Clone, Debug)]
struct ExportArgs {
    /// The plays and the catalogue
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What `truestream replay` made of them, with the table verdict
    #[arg(long, value_name = "DIR")]
    tables: PathBuf,
    /// What `truestream scan` wrote, for the hashes of files and what they sound like
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// A file of at least 32 random bytes
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Who was stopped at some time from then on; from the first instant of the tables otherwise
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Who was stopped at some time until then; until the last instant of the tables otherwise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What people ruled, where it is not in --data: who was cleared is not told of
    #[arg(long, value_name = "FILE")]
    rulings: Vec<PathBuf>,
    /// Clusters of fewer accounts or recordings are left out
    #[arg(long, value_name = "N", default_value_t = 5)]
    k: u64,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct FindArgs {
    /// What another party has exported
    file: PathBuf,
    /// The plays and the catalogue
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What `truestream scan` wrote, for the hashes of files and what they sound like
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// The key under which it was exported
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// The first line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: String,
    /// The same for the same key, and of no other use.
    key_check: String,
    k: u64,
    /// The first and the last instant of the period.
    from: String,
    until: String,
    /// The lines that follow.
    clusters: usize,
}

/// Every other line: what belongs together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Cluster {
    kind: Kind,
    /// Accounts or recordings, rounded down to 1, 2 or 5 times a power of ten, and at least k.
    size_min: u64,
    /// Sorted; some of them may be of no id.
    tags: Vec<String>,
}

/// What a tag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A device of stopped accounts.
    Device,
    /// A payment instrument of stopped accounts.
    Payment,
    /// The bytes of the files of recordings that a stopped uploader brought.
    File,
    /// Their ISRCs.
    Isrc,
    /// What they sound like.
    Sound,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Device => "device",
            Kind::Payment => "payment",
            Kind::File => "file",
            Kind::Isrc => "isrc",
            Kind::Sound => "sound",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When an option cannot be, an input cannot be read, or the file cannot be written.
pub fn run(args: &ExchangeArgs) -> Result<(), Failure> {
    match &args.command {
        Command::Export(args) => export(args),
        Command::Compare { one, other, json } => compare(one, other, *json),
        Command::Find(args) => found::find(args),
    }
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    if args.k < K_MIN {
        return Err(Failure::Usage(format!("--k {}: expected at least {K_MIN}", args.k)));
    }
    let tagger = Tagger::read(&args.key_file)?;
    let mut sources = Sources::read(&args.data, args.evidence.as_deref())?;
    sources.add_rulings(&args.rulings);
    sources.refuse_others(&args.tables)?;
    let settings = Settings::read(&args.tables)?;
    let period = period(args, &settings)?;
    let stopped = clusters::stopped(&args.tables, &sources, &settings, period)?;
    let clusters = clusters::of(&sources, &stopped, args.k, &tagger)?;
    let [from, until] = [period.from, period.until].map(instant::to_text);
    let count = clusters.len();
    let head = Head { format: FORMAT.to_owned(), key_check: tagger.check(), k: args.k, from, until, clusters: count };
    let mut text = line(&head);
    clusters.iter().for_each(|cluster| text.push_str(&line(cluster)));
    write(&args.out, &text)?;
    let count = |kind: Kind| clusters.iter().filter(|cluster| cluster.kind == kind).count();
    let kinds = [Kind::Device, Kind::Payment, Kind::File, Kind::Isrc, Kind::Sound];
    if args.json {
        let by_kind: serde_json::Map<_, _> =
            kinds.iter().map(|kind| (kind.name().to_owned(), json!(count(*kind)))).collect();
        return print(&format!("{:#}", json!({"clusters": by_kind, "from": head.from, "until": head.until})));
    }
    let told: Vec<String> = kinds.iter().map(|kind| format!("{} of kind {}", count(*kind), kind.name())).collect();
    let [from, until] = [period.from, period.until].map(instant::to_minute);
    let path = args.out.display();
    print(&format!("{path}: {} clusters of {from} to {until}, {}", clusters.len(), told.join(", ")))
}

/// The period that is told about: as long as the tables, or what of it was asked for.
fn period(args: &ExportArgs, settings: &Settings) -> Result<Period, Failure> {
    let tables = args.tables.display();
    let (first, last) = settings.as_of_ms.ok_or_else(|| Failure::Input(format!("{tables}: nothing ever arrived")))?;
    let first = if settings.emit == Emit::Last { last } else { first };
    let time = |name: &str, text: &Option<String>, else_at: Millis| match text {
        None => Ok(else_at),
        Some(text) => instant::from_text(text)
            .ok_or_else(|| Failure::Usage(format!("--{name} {text}: expected a time such as 2026-01-31"))),
    };
    let from = time("from", &args.from, first)?.max(first);
    let until = time("until", &args.until, last)?.min(last);
    if from > until {
        let [first, last] = [first, last].map(instant::to_minute);
        return Err(Failure::Usage(format!(
            "--from, --until: {tables} tells of {first} to {last}; with --emit last, which is the default of replay, of the last instant alone"
        )));
    }
    Ok(Period { from, until })
}

fn line(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string(value).expect("texts and numbers have a JSON form"))
}

/// Reads a file of clusters.
fn read(path: &Path) -> Result<(Head, Vec<Cluster>), Failure> {
    let wrong = |line: usize, why: &dyn std::fmt::Display| {
        Failure::Input(format!("{}: line {}: {why}", path.display(), line + 1))
    };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    let mut lines = text.lines().enumerate();
    let head: Head = match lines.next() {
        Some((place, line)) => serde_json::from_str(line).map_err(|error| wrong(place, &error))?,
        None => return Err(wrong(0, &"found nothing, expected the head of an exchange")),
    };
    if head.format != FORMAT {
        return Err(wrong(0, &format!("found format {:?}, expected {FORMAT:?}", head.format)));
    }
    let cluster = |(place, line): (usize, &str)| {
        let cluster: Cluster = serde_json::from_str(line).map_err(|error| wrong(place, &error))?;
        match cluster.tags.iter().find(|tag| cluster.kind == Kind::Sound && tag.len() != SKETCH_DIGITS) {
            None => Ok(cluster),
            Some(tag) => {
                let why = format!("found a sketch of {} digits, expected {SKETCH_DIGITS}", tag.len());
                Err(wrong(place, &why))
            }
        }
    };
    let clusters: Vec<Cluster> = lines.map(cluster).collect::<Result<_, _>>()?;
    if clusters.len() != head.clusters {
        let why = format!("found {} clusters, expected {}: ask for the whole file", clusters.len(), head.clusters);
        return Err(wrong(clusters.len(), &why));
    }
    Ok((head, clusters))
}

/// Puts the file in its place once it is whole.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let part = PathBuf::from(format!("{}.part", path.display()));
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| Failure::Output(format!("{}: {error}", path.display())))
}

/// Clusters of two files that share a tag, or a sound.
struct Common {
    kind: Kind,
    shared: usize,
    /// Tags and least size, of the one and the other.
    of: [(usize, u64); 2],
}

fn common(ours: &[Cluster], theirs: &[Cluster]) -> Vec<Common> {
    let mut common = Vec::new();
    let of = |one: &Cluster, other: &Cluster| [one, other].map(|cluster| (cluster.tags.len(), cluster.size_min));
    for one in ours.iter().filter(|one| one.kind != Kind::Sound) {
        let tags: BTreeSet<&String> = one.tags.iter().collect();
        for other in theirs.iter().filter(|other| other.kind == one.kind) {
            let shared = other.tags.iter().filter(|tag| tags.contains(tag)).count();
            if shared > 0 {
                common.push(Common { kind: one.kind, shared, of: of(one, other) });
            }
        }
    }
    // What sounds alike has no equal tag: sketches are looked up by their places.
    let sounds: Vec<(&Cluster, &String)> = theirs
        .iter()
        .filter(|other| other.kind == Kind::Sound)
        .flat_map(|other| other.tags.iter().map(move |sketch| (other, sketch)))
        .collect();
    let sketches = Sketches::of(sounds.iter().map(|(_, sketch)| *sketch));
    for one in ours.iter().filter(|one| one.kind == Kind::Sound) {
        let mut shared: BTreeMap<&Cluster, usize> = BTreeMap::new();
        for sketch in &one.tags {
            let alike = sketches.alike(sketch).into_iter();
            let there: BTreeSet<&Cluster> = alike.map(|(number, _)| sounds[number as usize].0).collect();
            there.into_iter().for_each(|other| *shared.entry(other).or_default() += 1);
        }
        common.extend(shared.into_iter().map(|(other, shared)| Common {
            kind: Kind::Sound,
            shared,
            of: of(one, other),
        }));
    }
    common.sort_by_key(|common| (common.kind, std::cmp::Reverse(common.shared)));
    common
}

fn compare(one: &Path, other: &Path, json: bool) -> Result<(), Failure> {
    let ((ours, our_clusters), (theirs, their_clusters)) = (read(one)?, read(other)?);
    let is_same_key = ours.key_check == theirs.key_check;
    let common = common(&our_clusters, &their_clusters);
    if json {
        let row = |common: &Common| {
            json!({"kind": common.kind, "shared": common.shared, "tags": common.of.map(|(tags, _)| tags),
                   "size_min": common.of.map(|(_, size)| size)})
        };
        let rows: Vec<_> = common.iter().map(row).collect();
        return print(&format!("{:#}", json!({"same_key": is_same_key, "common": rows})));
    }
    let mut text = String::new();
    if !is_same_key {
        let _ = writeln!(text, "The files were made under different keys: nothing in them can be the same.");
    }
    for Common { kind, shared, of: [(ours, our_size), (theirs, their_size)] } in &common {
        let _ = writeln!(
            text,
            "{:<8} {shared} in common, of at most {ours} here (at least {our_size} stopped) and {theirs} there (at least {their_size})",
            kind.name()
        );
    }
    if common.iter().any(|common| common.kind == Kind::Sound) {
        let _ = writeln!(text, "{}", sounds::in_words());
    }
    let _ = write!(text, "{} pairs of clusters have something in common", common.len());
    print(&text)
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
