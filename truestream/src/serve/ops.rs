//! `truestream fsck`, `backup`, `restore`, `dlq` and `labels`: what people do with the folder of a service.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use console::desk::Queue;
use datasets::intake::pseudonyms::Whose;
use datasets::intake::{self, Format, Ids};
use datasets::log::{self, Disk, Entry, Folder, LogError, Reader, Taken, check};
use datasets::tables::{Cell, Holds, IdKind, TableWriter, ViewFile, rows};
use records::{Id, IdSpace, Label, Subject, Verdict};

use super::decisions::{Decision, Decisions};
use super::state::StateFolder;
use super::urgency::id_of;
use crate::exit::Failure;

/// Reads every byte of a service's log and says what is damaged.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Exit codes: 0 whole, 3 damaged: each damage is named by file and byte, 4 not readable.")]
pub struct FsckArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
}

/// Copies the folder of a service, which may run meanwhile, and checks the copy.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Where the copy goes: a folder that is not there yet, or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Makes a folder for a service out of a backup, and checks it.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "DIR")]
    pub backup: PathBuf,
    /// The folder for the service: not there yet, or empty
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
}

/// The dead letters of a service: rows that could not be read, as they came.
#[derive(Args, Clone, Debug)]
pub struct DlqArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR", global = true, required = false, default_value = "service")]
    pub state: PathBuf,
    /// Where the key of pseudonyms is, with which they are sealed; ids.key of the folder unless given
    #[arg(long, value_name = "FILE", global = true)]
    pub id_key: Option<PathBuf>,
    /// What is done
    #[command(subcommand)]
    pub what: DlqCommand,
}

/// What is done with dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum DlqCommand {
    /// Lists the entries of the log that have some
    Ls,
    /// Prints the rows of one entry as they came
    Show {
        /// The number of the entry
        entry: u64,
    },
    /// Takes the rows of an entry in again, as far as they can be read now; the service must not run
    Replay {
        /// The number of the entry
        entry: u64,
    },
}

/// Writes the labels of a service as a table for `truestream train`: what people decided at the desk, and what was sent.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream labels --state service --accounts platform/accounts.parquet --out platform/labels-desk.parquet
      train, evaluate, drift and queue read every labels-*.parquet of the folder of --data
  truestream labels --state service --out platform/labels-desk.parquet --drawn drawn.parquet
      also whom the audit queue drew of those whom nothing suspected: for truestream evaluate --audit drawn.parquet

The service may run meanwhile; a decision is a label 30 s after it was made. Where the service has pseudonyms, its labels of accounts say those,
and the accounts of the platform's own tables only where --accounts names a table that has them all.")]
pub struct LabelsArgs {
    /// The folder of the service
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Tables with an account_id, accounts or plays: whose pseudonyms they are is said with the ids that stand there
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub accounts: Vec<PathBuf>,
    /// Where the key of pseudonyms is; ids.key of the folder unless given
    #[arg(long, value_name = "FILE")]
    pub id_key: Option<PathBuf>,
    /// The file; one that is there is replaced as a whole
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Another file: the accounts that the desk's audit queue drew of those whom nothing suspected, each with its probability of that
    #[arg(long, value_name = "FILE")]
    pub drawn: Option<PathBuf>,
}

/// Checks a log.
///
/// # Errors
/// When it is damaged or cannot be read.
pub fn fsck(args: &FsckArgs) -> Result<(), Failure> {
    let path = StateFolder::new(&args.state).log();
    let found = check(&Folder::to_read(&path)).map_err(|error| unreadable(&path, &error))?;
    println!("{} entries in {} sealed segments and the last one, {} bytes", found.entries, found.sealed, found.bytes);
    if found.torn > 0 {
        println!(
            "{} bytes at the end were torn by a crash and never acknowledged; the next start cuts them off",
            found.torn
        );
    }
    found.damage.iter().for_each(|damage| println!("{}/{damage}", path.display()));
    match found.damage.len() {
        0 => Ok(()),
        damages => Err(Failure::Different(format!("{}: {damages} damages", path.display()))),
    }
}

/// Copies a service.
///
/// # Errors
/// When it is damaged, or the copy cannot be written.
pub fn backup(args: &BackupArgs) -> Result<(), Failure> {
    copy(&args.state, &args.out)
}

/// Makes a service out of a copy.
///
/// # Errors
/// When the copy is damaged, or the folder cannot be written.
pub fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    copy(&args.backup, &args.state)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let is_taken = std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken {
        return Err(Failure::Usage(format!("{}: is not empty; choose another folder", to.display())));
    }
    let (from, to) = (StateFolder::new(from), StateFolder::new(to));
    if from.kinds()?.is_none() {
        return Err(Failure::Input(format!("{}: no service has begun there", from.log().display())));
    }
    let disk = writer(&to)?;
    // Before the log, which may be ahead of it and not behind.
    let past = from.past()?;
    let copied = log::copy(&Folder::to_read(&from.log()), &*disk).map_err(|error| unreadable(&from.log(), &error))?;
    from.copy_rest(&to)?;
    past.map_or(Ok(()), |past| to.go_on_from(&past))?;
    println!("{} entries, {} bytes, all checked", copied.entries, copied.bytes);
    if from.has_pseudonyms()? {
        println!("The key of its pseudonyms is not in the copy: keep it elsewhere, and give it with --id-key");
    }
    Ok(())
}

/// Writes the labels in the log, in its order.
///
/// # Errors
/// When the log is damaged, or the file cannot be written.
pub fn labels(args: &LabelsArgs) -> Result<(), Failure> {
    let state = StateFolder::new(&args.state);
    let kinds = state.kinds()?.unwrap_or([IdKind::Text; IdSpace::ALL.len()]);
    let accounts = match args.accounts.is_empty() {
        true => HashMap::new(),
        false => accounts_by_pseudonym(&state, args)?,
    };
    let mut entries = Vec::new();
    each_entry(&state, |_, entry| entries.extend(entry.rows.filter(|rows| rows.table == "labels")))?;
    let output = |error: datasets::Error| Failure::Output(error.to_string());
    let mut table = TableWriter::<Label>::of_kinds(&args.out, kinds).map_err(output)?;
    for rows in &entries {
        let labels = intake::records_of::<Label>(rows, &kinds).map_err(|error| Failure::Input(error.to_string()))?;
        for mut label in labels {
            if label.subject == Subject::Account.name()
                && let Some(account) = accounts.get(&label.subject_id.to_string())
            {
                label.subject_id = account.clone();
            }
            table.push(label).map_err(output)?;
        }
    }
    let count = table.finish().map_err(output)?;
    println!("{count} labels in {}", args.out.display());
    args.drawn.as_deref().map_or(Ok(()), |file| write_drawn(args, file, kinds[IdSpace::Account as usize], &accounts))
}

/// Writes the accounts that were drawn of those whom nothing suspected and that people looked at, as `truestream queue` does.
fn write_drawn(args: &LabelsArgs, file: &Path, kind: IdKind, accounts: &HashMap<String, Id>) -> Result<(), Failure> {
    let decisions = Decisions::read(&args.state)?.now();
    let is_drawn = |decision: &&Arc<Decision>| {
        decision.subject == Subject::Account.name()
            && decision.decided.verdict == Verdict::Allow.name()
            && decision.closes()
    };
    let output = |error: datasets::Error| Failure::Output(error.to_string());
    // Accounts under the platform's own ids may be numbers where pseudonyms are texts.
    let kind = accounts.values().next().map_or(kind, |account| match account {
        Id::Number(_) => IdKind::Number,
        Id::Text(_) => IdKind::Text,
    });
    let columns = [
        ("as_of", Holds::Instant),
        ("account_id", Holds::Id(kind)),
        ("reason", Holds::Text),
        ("inclusion", Holds::Feature),
    ];
    let mut table = ViewFile::create(file, &columns).map_err(output)?;
    let mut count = 0;
    for decision in decisions.all.iter().filter(is_drawn) {
        let Some(inclusion) = decision.decided.inclusion else { continue };
        let account = accounts.get(&decision.id).cloned().or_else(|| id_of(kind, &decision.id));
        let Some(account) = account else { continue };
        let cells = [
            Cell::Instant(decision.at),
            Cell::Id(&account),
            Cell::Text(Queue::Audit.name()),
            Cell::Feature(inclusion as f32),
        ];
        table.push(cells).map_err(output)?;
        count += 1;
    }
    table.complete().and_then(|(_, part)| part.publish()).map_err(output)?;
    println!("{count} accounts that were drawn by lot in {}", file.display());
    Ok(())
}

/// The accounts of the tables by the names that they have in the service.
fn accounts_by_pseudonym(state: &StateFolder, args: &LabelsArgs) -> Result<HashMap<String, Id>, Failure> {
    let ids = state.ids(args.id_key.as_deref())?;
    let Some((kinds, pseudonyms)) = ids.and_then(|ids| Some((ids.kinds, ids.pseudonyms?))) else {
        return Err(Failure::Usage(format!(
            "--accounts: the service of {} has plain ids; leave it out",
            args.state.display()
        )));
    };
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let kind = kinds[IdSpace::Account as usize];
    let mut accounts = HashSet::new();
    for path in &args.accounts {
        let mut rows = rows::Rows::open(path, &["account_id"]).map_err(input)?;
        while rows.advance().map_err(input)? {
            accounts.extend(rows.value(0).id(kind));
        }
    }
    let named = |account: Id| (pseudonyms.of(Whose::Account, &account.to_string(), &kinds), account);
    Ok(accounts.into_iter().map(named).collect())
}

/// Lists, shows or takes in dead letters.
///
/// # Errors
/// When the log is damaged, the entry has none, or another process holds the log.
pub fn dlq(args: &DlqArgs) -> Result<(), Failure> {
    let state = StateFolder::new(&args.state);
    match args.what {
        DlqCommand::Ls => each_entry(&state, |number, entry| {
            if let Some(rows) = entry.rows.as_ref().filter(|rows| !rows.refused.is_empty()) {
                let source = entry.source.as_ref().map_or("-", |(source, _)| source);
                let (count, table, why) = (rows.refused.len(), rows.table, &rows.refused[0].reason);
                println!("entry {number}: {count} rows of {table} from {source}, the first: {why}");
            }
        }),
        DlqCommand::Show { entry } => {
            let (rows, _) = dead_letters(&state, args.id_key.as_deref(), entry)?;
            rows.refused.iter().for_each(|row| println!("{}", row.raw));
            Ok(())
        }
        DlqCommand::Replay { entry } => replay(&state, args.id_key.as_deref(), entry),
    }
}

fn replay(state: &StateFolder, key: Option<&Path>, number: u64) -> Result<(), Failure> {
    let (dead, ids) = dead_letters(state, key, number)?;
    let lines: Vec<&str> = dead.refused.iter().map(|row| row.raw.as_str()).collect();
    let read = intake::read(dead.table, Format::JsonLines, lines.join("\n").as_bytes(), &ids);
    let (mut rows, count) = read.map_err(|error| Failure::Input(error.to_string()))?;
    let still = rows.refused.len() as u64;
    // They are dead letters already.
    rows.refused.clear();
    if count == still {
        println!("none of {count} rows can be read now");
        return Ok(());
    }
    let disk = writer(state)?;
    let output = |error: LogError| Failure::Output(error.to_string());
    let mut log = log::Log::open(disk, log::SEGMENT_BYTES).map_err(|error| unreadable(&state.log(), &error))?;
    let source = Some((format!("dlq {number}"), 1));
    let taken = log.append(&Entry { source, until: None, rows: Some(rows) }).map_err(output)?;
    log.commit().map_err(output)?;
    match taken {
        Taken::New(entry) => println!("{} of {count} rows taken in as entry {entry}", count - still),
        Taken::Known => println!("taken in before"),
    }
    Ok(())
}

/// The rows of an entry that could not be read, opened, and what ids are.
fn dead_letters(state: &StateFolder, key: Option<&Path>, wanted: u64) -> Result<(log::Rows, Ids), Failure> {
    let ids = state.ids(key)?.unwrap_or_else(|| Ids::plain([IdKind::Text; IdSpace::ALL.len()]));
    let mut found = None;
    each_entry(state, |number, entry| {
        if number == wanted {
            found = entry.rows;
        }
    })?;
    let none =
        || Failure::Usage(format!("entry {wanted} has no dead letters; `truestream dlq ls` lists those that have"));
    let mut rows = found.filter(|rows| !rows.refused.is_empty()).ok_or_else(none)?;
    for row in &mut rows.refused {
        if let Some(opened) = ids.pseudonyms.as_ref().and_then(|pseudonyms| pseudonyms.open(&row.raw)) {
            row.raw = opened;
        }
    }
    Ok((rows, ids))
}

/// Reads the log as far as it is whole.
fn each_entry(state: &StateFolder, mut see: impl FnMut(u64, Entry)) -> Result<(), Failure> {
    let path = state.log();
    let disk: Arc<dyn Disk> = Arc::new(Folder::to_read(&path));
    let found = check(&*disk).map_err(|error| unreadable(&path, &error))?;
    if let Some(damage) = found.damage.first() {
        return Err(unreadable(&path, damage));
    }
    let mut reader = Reader::new(disk);
    while let Some((number, entry)) = reader.next(found.entries).map_err(|error| unreadable(&path, &error))? {
        see(number, entry);
    }
    Ok(())
}

fn writer(state: &StateFolder) -> Result<Arc<dyn Disk>, Failure> {
    let path = state.log();
    let folder = Folder::to_write(&path).map_err(|error| Failure::Output(format!("{}: {error}", path.display())))?;
    match folder {
        Some(folder) => Ok(Arc::new(folder)),
        None => Err(Failure::Locked(format!("{}: another process holds the log", path.display()))),
    }
}

fn unreadable(path: &Path, error: &LogError) -> Failure {
    if let LogError::Io { source, .. } = error
        && source.kind() == ErrorKind::NotFound
    {
        let expected = "expected the folder of a service (--state), as `truestream serve` makes it";
        return Failure::Input(format!("{}: there is no log; {expected}", path.display()));
    }
    Failure::Input(format!("{}/{error}", path.display()))
}
