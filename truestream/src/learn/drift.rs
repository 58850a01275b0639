//! `truestream drift`: do accounts still look like those that the champion learned from?
//!
//! ```text
//! feature rows of each day ──┐
//! the version's baseline ────┴──▶ stability index of every feature and of the score, day by day ──▶ bound
//! ```

use std::collections::BTreeMap;
use std::io::ErrorKind;

use clap::Args;
use datasets::formats::instant::to_text;
use datasets::tables::{FeatureRows, read_features};
use models::measures::stability_index;
use models::{Scorer, Table};
use records::Millis;
use serde::Serialize;

use super::EXIT_CODES;
use super::card::Baseline;
use super::data::DataArgs;
use super::registry::Registry;
use crate::exit::Failure;

/// Days with fewer accounts have no shape: chance alone moves an index of ten parts by about 9 / accounts (Yurdakul, "Statistical
/// Properties of Population Stability Index", 2018), here .05.
const ACCOUNTS_MIN: usize = 200;
/// A day is seen at its end, midnight UTC.
const DAY_MS: Millis = 86_400_000;
/// Features that are named.
const NAMED: usize = 5;

/// Compares the features and scores of each day with those that a version was measured on.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream drift --registry models --data platform
      the champion, over the last 56 days; exit code 3 when it should be trained again
  truestream drift --registry models --data platform --history 28d --version 7 --index-max 0.1 --json

{EXIT_CODES}"))]
pub struct DriftArgs {
    /// What is compared; --history days of it.
    #[command(flatten)]
    pub data: DataArgs,
    /// The folder of the registry
    #[arg(long, value_name = "DIR")]
    pub registry: std::path::PathBuf,
    /// Which version: a number, `latest` or `champion`
    #[arg(long, default_value = "champion")]
    pub version: String,
    /// Bound: population stability index of the score on any day; under 0.1 is stable, over 0.25 another population
    #[arg(long, default_value_t = 0.25, value_name = "INDEX")]
    pub index_max: f64,
    /// Bound: share of the features over that index on any day
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub features_max: f64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// How far a day is from the baseline.
#[derive(Clone, Debug, Serialize)]
pub struct Day {
    /// As of when.
    pub as_of: String,
    /// Accounts that day.
    pub accounts: usize,
    /// Stability index of the score.
    pub score: f64,
    /// Stability index of each feature.
    pub features: BTreeMap<String, f64>,
}

impl Day {
    /// The features over the bound, worst first.
    fn over(&self, bound: f64) -> Vec<(&str, f64)> {
        let over = self.features.iter().filter(|(_, index)| **index > bound);
        let mut over: Vec<(&str, f64)> = over.map(|(name, index)| (name.as_str(), *index)).collect();
        over.sort_by(|a, b| b.1.total_cmp(&a.1));
        over
    }

    fn is_within(&self, args: &DriftArgs) -> bool {
        let share = self.over(args.index_max).len() as f64 / self.features.len().max(1) as f64;
        self.score <= args.index_max && share <= args.features_max
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Different`] when a bound is passed; when data or registry cannot be read.
pub fn run(args: &DriftArgs) -> Result<(), Failure> {
    let registry = Registry::open(&args.registry)?;
    let lock = registry.lock()?;
    let version = registry.version(&args.version)?;
    let scorer = registry.scorer(&version)?;
    let path = registry.artifact(&version, "baseline.json");
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Input(format!(
            "version {number} has no baseline to compare with: it was trained elsewhere and imported; `truestream evaluate --version \
             {number}` says how it does",
            number = version.number
        )),
        _ => input(&error),
    })?;
    let baseline: Baseline = serde_json::from_str(&text).map_err(|error| input(&error))?;

    let features = args.data.features(&registry, &lock)?;
    let last = args.data.instants(&features)?.last_look;
    let from = last.saturating_sub(args.data.history_ms()?);
    let rows = read_features(
        &features.rows,
        "account_id",
        |_| true,
        |as_of, _| as_of > from && as_of <= last && as_of % DAY_MS == 0,
    );
    let rows = rows.map_err(|error| Failure::Input(error.to_string()))?;
    let asked = rows.as_of.iter().zip(&rows.ids).map(|(as_of, id)| (*as_of, id.as_str()));
    let network = args.data.said(&registry, &lock, &features, &scorer, asked)?;
    let days = days(rows, &network, &baseline, &scorer)?;
    if days.is_empty() {
        return Err(Failure::Input(format!("no day has {ACCOUNTS_MIN} accounts or more: too few to have a shape")));
    }
    tell(args, version.number, &days);
    match days.iter().find(|day| !day.is_within(args)) {
        None => Ok(()),
        Some(day) => Err(Failure::Different(format!(
            "{}: index of the score {:.3}, {} features over {}; train again, or find out what changed",
            day.as_of,
            day.score,
            day.over(args.index_max).len(),
            args.index_max
        ))),
    }
}

fn days(rows: FeatureRows, network: &[f32], baseline: &Baseline, scorer: &Scorer) -> Result<Vec<Day>, Failure> {
    let mut by_day: BTreeMap<Millis, Vec<usize>> = BTreeMap::new();
    rows.as_of.iter().enumerate().for_each(|(row, as_of)| by_day.entry(*as_of).or_default().push(row));
    let table = Table::new(rows.names, rows.columns).map_err(|error| Failure::Input(error.to_string()))?;
    let scores = scorer.scores(&table, network).map_err(|error| Failure::Input(error.to_string()))?;
    let counted = by_day.into_iter().filter(|(_, rows)| rows.len() >= ACCOUNTS_MIN);
    let day = |(as_of, rows): (Millis, Vec<usize>)| {
        let scores: Vec<f64> = rows.iter().map(|row| scores[*row]).collect();
        day(as_of, &table.pick(&rows), &scores, baseline)
    };
    Ok(counted.map(day).collect())
}

fn day(as_of: Millis, table: &Table, scores: &[f64], baseline: &Baseline) -> Day {
    let one = vec![1.0; table.rows()];
    let index = |name: &str, values: &[f64]| {
        let known = baseline.of.get(name)?;
        Some(stability_index(&known.shares, &known.found(values, &one)))
    };
    let features = table.names().iter().zip(table.columns()).filter_map(|(name, column)| {
        let values: Vec<f64> = column.iter().copied().map(f64::from).collect();
        Some((name.clone(), index(name, &values)?))
    });
    Day {
        as_of: to_text(as_of),
        accounts: table.rows(),
        score: index("score", scores).unwrap_or(0.0),
        features: features.collect(),
    }
}

fn tell(args: &DriftArgs, version: u32, days: &[Day]) {
    if args.json {
        println!("{}", serde_json::json!({ "version": version, "days": days }));
        return;
    }
    println!("version {version}, population stability index (0.1 moderate, 0.25 another population)");
    for day in days {
        let over = day.over(args.index_max);
        let named: Vec<String> = over.iter().take(NAMED).map(|(name, index)| format!("{name} {index:.2}")).collect();
        let verdict = if day.is_within(args) { "      " } else { "DRIFT " };
        let more = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
        println!(
            "  {verdict}{}  {} accounts  score {:.3}  {} features over{more}",
            day.as_of,
            day.accounts,
            day.score,
            over.len()
        );
    }
}
