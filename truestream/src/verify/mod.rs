//! The oracle: plain SQL over the input files says what every table must be, and lays it beside what a replay wrote.
//!
//! ```text
//! input files ──▶ load ──▶ SQLite ──▶ sql/<view>.sql ──▶ expected ──┐
//!                                                                   ├──▶ compare ──▶ Report
//! --out: run.json ──▶ settings;  <view>.parquet ──▶ found ──────────┘
//! ```
//!
//! It shares no code with the dataflow: only the reader of Parquet files. The `.sql` files are its heart; read
//! `raw.sql`, `admit.sql`, `live.sql` and then any view.

mod compare;
mod expected;
mod found;
mod load;
mod settings;
mod titles;
mod views;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use datasets::formats::instant::to_text as instant;
use datasets::tables::Inputs;
use datasets::tables::rows::{Rows, Value};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use self::compare::{Outcome, Plan};
use self::expected::Query;
use self::found::FileLines;
pub(crate) use self::settings::{Emit, Settings};
use self::views::{BEYOND_SQL, GATE, REFUSAL, Span, TextIds, VIEWS, View};
use crate::exit::Failure;
use crate::inputs::InputArgs;
use crate::scratch::Scratch;

/// Checks what a replay wrote against plain SQL over the same files.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  truestream verify --data world --out tables
      everything that was replayed from the folder `world` into the folder `tables`
  truestream verify --data world --out tables --view account_window,lockstep --sample 20 --json
      two tables at twenty instants, for a script

Exit codes: 0 equal, 2 options that cannot be, 3 a difference, 4 an input that cannot be read.")]
pub struct VerifyArgs {
    /// Where the tables came from: the same as for `truestream replay`.
    #[command(flatten)]
    pub input: InputArgs,
    /// The folder that `truestream replay` wrote
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Checks these views only
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub view: Vec<String>,
    /// Checks only so many instants, chosen evenly
    #[arg(long, value_name = "N")]
    pub sample: Option<usize>,
    /// Prints the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// What of a run is checked: everything by default.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only these views; empty = all that the run wrote and the oracle knows.
    pub views: Vec<String>,
    /// Only so many instants, chosen evenly.
    pub sample: Option<usize>,
}

/// What came of a check, view by view.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether everything that was checked is equal.
    pub equal: bool,
    /// The instants that were checked.
    pub instants: usize,
    /// The views.
    pub views: Vec<ViewReport>,
    /// Views of the run that plain SQL does not define: the verdicts and what follows from them.
    pub not_checked: Vec<String>,
}

/// What came of the check of a view.
#[derive(Clone, Debug, Serialize)]
pub struct ViewReport {
    /// Its name.
    pub view: String,
    /// Rows that are as they must be.
    pub agreed: u64,
    /// Rows that are missing, too many, or other than they must be.
    pub differences: u64,
    /// The first of them, in words.
    pub shown: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for view in &self.views {
            match view.differences {
                0 => writeln!(f, "{:<20} equal    {:>12} rows", view.view, view.agreed)?,
                n => writeln!(f, "{:<20} DIFFERS  {:>12} rows equal, {n} not", view.view, view.agreed)?,
            }
            for difference in &view.shown {
                writeln!(f, "    {difference}")?;
            }
        }
        if !self.not_checked.is_empty() {
            writeln!(f, "not checked: {}", self.not_checked.join(", "))?;
        }
        write!(f, "{} instants checked: {}", self.instants, if self.equal { "all equal" } else { "not equal" })
    }
}

/// Runs the command.
///
/// # Errors
/// When an input or the output cannot be read, or a table differs.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let scope = Scope { views: args.view.clone(), sample: args.sample };
    let report = check_within(&args.input.inputs()?, &args.out, &scope)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).expect("a report holds texts and counts"));
    } else {
        println!("{report}");
    }
    if report.equal {
        return Ok(());
    }
    let differing = report.views.iter().filter(|view| view.differences > 0).map(|view| view.view.as_str());
    Err(Failure::Different(format!("not equal to plain SQL: {}", differing.collect::<Vec<_>>().join(", "))))
}

/// Checks everything that the replay in `out` wrote against plain SQL over the inputs.
///
/// # Errors
/// When an input or the output cannot be read; a difference is no error but in the report.
pub fn check(inputs: &Inputs, out: &Path) -> Result<Report, Failure> {
    check_within(inputs, out, &Scope::default())
}

/// [`check`], for a part of the run.
///
/// # Errors
/// When an input or the output cannot be read, or a view is asked for that is not there to be checked.
pub fn check_within(inputs: &Inputs, out: &Path, scope: &Scope) -> Result<Report, Failure> {
    let settings = Settings::read(out)?;
    let oracle = Oracle::new(inputs, settings)?;
    let chosen = oracle.chosen(&scope.views)?;
    let instants = oracle.instants(scope.sample);
    let mut views = Vec::new();
    views.extend(oracle.check_instants());
    views.extend(oracle.check_views(&chosen, &instants, scope.sample.is_some(), out)?);
    if oracle.settings.wrote(REFUSAL) && (scope.views.is_empty() || scope.views.iter().any(|view| view == REFUSAL)) {
        views.push(report(REFUSAL, oracle.check_refusals(&out.join("refusal.parquet"))?));
    }
    let known = |name: &String| name == REFUSAL || VIEWS.iter().any(|view| view.name == name);
    Ok(Report {
        equal: views.iter().all(|view| view.differences == 0),
        instants: instants.len(),
        views,
        not_checked: oracle.settings.views.iter().filter(|name| !known(name)).cloned().collect(),
    })
}

fn report(view: &str, outcome: Outcome) -> ViewReport {
    let Outcome { agreed, differences, shown } = outcome;
    ViewReport { view: view.to_owned(), agreed, differences, shown }
}

/// An SQL statement of ours that does not run is a mistake of ours or a full disk.
fn broken(error: rusqlite::Error) -> Failure {
    Failure::Output(format!("the oracle's database: {error}"))
}

/// The inputs in a database of their own, and the settings to read them by.
struct Oracle {
    folder: Scratch,
    text_ids: TextIds,
    settings: Settings,
    /// The first and the last instant that the inputs give an answer for.
    as_of_ms: Option<(i64, i64)>,
}

impl Oracle {
    fn new(inputs: &Inputs, settings: Settings) -> Result<Oracle, Failure> {
        let folder = Scratch::new()?;
        let path = folder.path().join("oracle.sqlite");
        let text_ids = load::fill(&path, inputs)?;
        let connection = load::reopen(&path)?;
        let arrival: (Option<i64>, Option<i64>) = connection
            .query_row("SELECT first_at, last_at FROM arrival", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(broken)?;
        // What arrives at an instant is known from the next one on.
        let known_from = |at: i64| (at.div_euclid(settings.every_ms) + 1) * settings.every_ms;
        let as_of_ms = arrival.0.zip(arrival.1).map(|(first, last)| (known_from(first), known_from(last)));
        Ok(Oracle { folder, text_ids, settings, as_of_ms })
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("oracle.sqlite")
    }

    /// The views to check: those asked for, or all that the run wrote.
    fn chosen(&self, asked: &[String]) -> Result<Vec<&'static View>, Failure> {
        for name in asked {
            if name != REFUSAL && !VIEWS.iter().any(|view| view.name == name) {
                return Err(Failure::Usage(format!("the view {name} is not known to the oracle")));
            }
            if !self.settings.wrote(name) {
                return Err(Failure::Usage(format!("the run did not write the view {name}")));
            }
        }
        let asked_for = |view: &View| asked.is_empty() || asked.iter().any(|name| name == view.name);
        Ok(VIEWS.iter().filter(|view| self.settings.wrote(view.name) && asked_for(view)).collect())
    }

    /// The instants to check.
    fn instants(&self, sample: Option<usize>) -> Vec<i64> {
        let Some((first, last)) = self.as_of_ms else { return Vec::new() };
        if self.settings.emit == Emit::Last {
            return vec![last];
        }
        let steps = (last - first) / self.settings.every_ms;
        let nth = |step: i64| first + step * self.settings.every_ms;
        match sample.and_then(|count| i64::try_from(count).ok()) {
            Some(count) if count <= steps && count > 1 => (0..count).map(|i| nth(steps * i / (count - 1))).collect(),
            Some(..=1) => vec![last],
            _ => (0..=steps).map(nth).collect(),
        }
    }

    /// The run must speak about the instants between the first and the last arrival: nothing to say when it does.
    fn check_instants(&self) -> Option<ViewReport> {
        if self.settings.as_of_ms == self.as_of_ms {
            return None;
        }
        let show = |range: Option<(i64, i64)>| match range {
            Some((first, last)) => format!("{} to {}", instant(first), instant(last)),
            None => "no instant".to_owned(),
        };
        let mut outcome = Outcome::default();
        outcome.differs(|| format!("expected {}, found {}", show(self.as_of_ms), show(self.settings.as_of_ms)));
        Some(report("run.json", outcome))
    }

    /// Checks the views, as many at once as there are processors.
    fn check_views(
        &self,
        views: &[&'static View],
        instants: &[i64],
        sampled: bool,
        out: &Path,
    ) -> Result<Vec<ViewReport>, Failure> {
        let bar = ProgressBar::new((views.len() * instants.len()) as u64);
        if let Ok(style) = ProgressStyle::with_template("verify {bar:40} {percent}% of {len} instants, {eta} left") {
            bar.set_style(style);
        }
        let waiting: Mutex<VecDeque<&'static View>> = Mutex::new(views.iter().copied().collect());
        let next = || waiting.lock().expect("no checker panics while it takes a view").pop_front();
        let checker = || -> Result<Vec<ViewReport>, Failure> {
            let mut reports = Vec::new();
            while let Some(view) = next() {
                reports.push(report(view.name, self.check_view(view, instants, sampled, out, &bar)?));
            }
            Ok(reports)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(views.len());
        let checked: Result<Vec<Vec<ViewReport>>, Failure> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(checker)).collect();
            running.into_iter().map(|thread| thread.join().expect("a checker returns its failures")).collect()
        });
        bar.finish_and_clear();
        let mut reports: Vec<ViewReport> = checked?.into_iter().flatten().collect();
        reports.sort_by_key(|report| views.iter().position(|view| view.name == report.view));
        Ok(reports)
    }

    fn check_view(
        &self,
        view: &'static View,
        instants: &[i64],
        sampled: bool,
        out: &Path,
        bar: &ProgressBar,
    ) -> Result<Outcome, Failure> {
        let connection = load::reopen(&self.database())?;
        let mut query = Query::new(view, &self.settings, self.text_ids, &connection)?;
        let columns: Vec<_> = view.columns().map(|(name, _)| name).zip(query.forms().iter().copied()).collect();
        let windows = query.windows();
        let names = (view.span == Span::Windows).then(|| windows.iter().map(|(name, _)| name.clone()).collect());
        let path = out.join(format!("{}.parquet", view.name));
        let beyond = if view.name == GATE { &BEYOND_SQL[..] } else { &[] };
        let mut found = match FileLines::open(&path, &columns, names, self.settings.emit == Emit::Changes, beyond)? {
            Ok(found) => found,
            Err(why) => {
                let mut outcome = Outcome::default();
                outcome.differs(|| why);
                return Ok(outcome);
            }
        };
        let plan = Plan {
            instants,
            sampled,
            every_ms: self.settings.every_ms,
            first_ms: self.as_of_ms.map_or(0, |(first, _)| first),
            emit: self.settings.emit,
            windows: &windows,
            columns: &columns,
            keys: view.keys.len(),
        };
        compare::compare(&plan, |as_of, window_ms| query.rows(as_of, window_ms), &mut found, || bar.inc(1))
    }

    /// Compares the refusals as a set of (table, file name, row, code): how a reason is worded is free.
    fn check_refusals(&self, path: &Path) -> Result<Outcome, Failure> {
        let mut balance: BTreeMap<(String, String, i64, String), i64> = BTreeMap::new();
        let connection = load::reopen(&self.database())?;
        let mut statement = connection
            .prepare("SELECT source, path, row, code FROM refusal JOIN files USING (file)")
            .map_err(broken)?;
        let mut rows = statement.query([]).map_err(broken)?;
        while let Some(row) = rows.next().map_err(broken)? {
            let (source, file, row, code): (String, String, i64, String) = row.try_into().map_err(broken)?;
            *balance.entry((source, file_name(&file), row, code)).or_default() += 1;
        }
        let unreadable = |error: datasets::Error| Failure::Input(error.to_string());
        let mut found = Rows::open(path, &["source", "file", "row", "code"]).map_err(unreadable)?;
        let mut outcome = Outcome::default();
        while found.advance().map_err(unreadable)? {
            let row = match found.value(2) {
                Value::Int(row) => row,
                Value::UInt(row) => i64::try_from(row).unwrap_or(i64::MAX),
                _ => -1,
            };
            let refusal = (word(found.value(0)), file_name(&word(found.value(1))), row, word(found.value(3)));
            if !load::judged_tables().any(|table| table == refusal.0) {
                continue;
            }
            let left = balance.entry(refusal).or_default();
            *left -= 1;
            outcome.agreed += u64::from(*left >= 0);
        }
        for ((source, file, row, code), left) in balance.into_iter().filter(|(_, left)| *left != 0) {
            let (expected, found) = if left > 0 { (left, 0) } else { (0, -left) };
            outcome.differs(|| {
                format!("{source}, {file}, row {row}, {code}: expected {expected} more, found {found} too many")
            });
        }
        Ok(outcome)
    }
}

fn word(value: Value) -> String {
    match value {
        Value::Text(word) => word.to_owned(),
        _ => String::new(),
    }
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}
