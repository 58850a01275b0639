//! `truestream train`: a model out of plays and labels, into the registry.
//!
//! ```text
//! features ──▶ examples ──▶ audit ──▶ trees (fit) ──▶ probabilities (calibrate) ──▶ measures (test) ──▶ version
//! ```

use std::collections::BTreeMap;
use std::io::IsTerminal;

use clap::Args;
use datasets::formats::instant::{from_text, to_text};
use features::profile;
use indicatif::{ProgressBar, ProgressStyle};
use models::boost::{Booster, Settings, fit};
use models::calibration::Calibration;
use models::measures::auc;
use models::{Scorer, Table};
use records::Millis;
use serde_json::json;

use super::data::{DataArgs, Features};
use super::examples::{Known, Span, Use};
use super::measure::Report;
use super::registry::{MODEL, Registry, Run, Version};
use super::{EXIT_CODES, card};
use crate::exit::Failure;

/// Fewer fraud accounts than this to learn from, or to measure with, are anecdotes.
const FRAUD_FIT_MIN: usize = 20;
const FRAUD_TEST_MIN: usize = 5;
/// A feature that alone tells fraud from all others this well says what the label says: recorded after the fact, or made of
/// it. The strongest honest feature of a world of farms alone, plays per network prefix, reaches .9991.
const LEAK_AUC: f64 = 0.9999;
/// More features than this share without a single value are a broken feed and no data.
const EMPTY_SHARE_MAX: f64 = 0.5;

/// Trains a model on plays and labels and puts it into the registry.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream train --data platform --registry models
      on all that the folder `platform` holds; the same data again gives the same version
  truestream train --data platform --as-of 2026-11-01 --registry models --json
      as it was known on the first of November
  truestream train --data platform --registry models --family-holdout device_farm
      without one family of attacks, and how well that one is found all the same

{EXIT_CODES}"))]
pub struct TrainArgs {
    /// What it learns from.
    #[command(flatten)]
    pub data: DataArgs,
    /// The folder of the registry; made where there is none
    #[arg(long, value_name = "DIR")]
    pub registry: std::path::PathBuf,
    /// Leaves a family of attacks out of training; its recall is then measured on all of it. Levels of a family go with it
    #[arg(long, value_name = "FAMILY")]
    pub family_holdout: Option<String>,
    /// A JSON file with settings of the trees; what it does not name stays as it is
    #[arg(long, value_name = "FILE")]
    pub settings: Option<std::path::PathBuf>,
    /// Takes a feature that looks like a leak for what it is
    #[arg(long, value_name = "FEATURE")]
    pub trust: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// When options cannot be, data cannot be read or learned from, or the registry is locked or cannot be written.
pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    let version = version(args)?;
    tell(args, &Registry::at(&args.registry), &version)
}

/// The version that these data give: trained now, or found in the registry.
///
/// # Errors
/// As [`run`].
pub fn version(args: &TrainArgs) -> Result<Version, Failure> {
    let settings = settings(args)?;
    let registry = Registry::at(&args.registry);
    let lock = registry.lock()?;
    let features = args.data.features(&registry, &lock)?;
    let (known, as_of) = args.data.known(&features)?;
    let id = run_id(args, &settings, &features, as_of);
    match registry.trained(&id)? {
        Some(version) => Ok(version),
        None => {
            let run = train(args, &settings, &registry, &features, &known, as_of, id)?;
            registry.add(&lock, &run)
        }
    }
}

fn settings(args: &TrainArgs) -> Result<Settings, Failure> {
    let seed = args.data.seed;
    // Trees end where accounts that they have not seen are scored best.
    let default =
        Settings { trees_max: 400, learning_rate: 0.05, patience: 30, feature_share: 0.7, seed, ..Settings::default() };
    let Some(path) = &args.settings else { return Ok(default) };
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| input(&error))?;
    let named: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| input(&error))?;
    let mut all = serde_json::to_value(&default).expect("settings are plain data");
    all.as_object_mut().expect("settings have names").extend(named);
    serde_json::from_value(all).map_err(|error| input(&error))
}

/// All that the model depends on, as 32 hexadecimal digits.
fn run_id(args: &TrainArgs, settings: &Settings, features: &Features, as_of: Millis) -> String {
    let chosen = json!({
        "manifest": features.manifest.hash(),
        "settings": settings,
        "as_of": as_of,
        "history": args.data.history,
        "unlabelled_max": args.data.unlabelled_max,
        "seed": args.data.seed,
        "family_holdout": args.family_holdout,
        "program": env!("CARGO_PKG_VERSION"),
        "format": models::FORMAT,
    });
    blake3::hash(chosen.to_string().as_bytes()).to_hex()[..32].to_owned()
}

fn train(
    args: &TrainArgs,
    settings: &Settings,
    registry: &Registry,
    features: &Features,
    known: &Known,
    as_of: Millis,
    id: String,
) -> Result<Run, Failure> {
    let held_out = |family: Option<&String>| {
        args.family_holdout.as_ref().is_some_and(|wanted| family.is_some_and(|family| is_of(family, wanted)))
    };
    let of = |used: Use| known.of_accounts(|account| account.used == used && !held_out(account.family.as_ref()));
    let (to_fit, to_calibrate) = (of(Use::Fit), of(Use::Calibrate));
    // A family that was left out is unseen in all of its accounts.
    let to_test = known.of_accounts(|account| account.used == Use::Test || held_out(account.family.as_ref()));
    let empty = audit(args, registry, &to_fit, &to_test)?;

    let bar = progress(args, settings.trees_max);
    let learned = |error: models::boost::BoostError| Failure::Input(format!("nothing can be learned: {error}"));
    let watched = fit(to_fit.examples(), Some(to_calibrate.examples()), None, settings, |trees, loss| {
        bar.set_position(trees as u64);
        bar.set_message(loss.map_or(String::new(), |loss| format!("loss {loss:.5}")));
    });
    let booster = watched.map_err(learned)?;
    bar.finish_and_clear();
    let scorer = calibrated(booster, &to_calibrate)?;
    let report = Report::of(&to_test, &scorer, args.data.seed)?;

    let model = scorer.to_json();
    let hash = |content: &str| blake3::hash(content.as_bytes()).to_hex().to_string();
    let mut params = BTreeMap::from([
        ("as_of".to_owned(), to_text(as_of)),
        ("data_hash".to_owned(), features.manifest.hash()),
        ("features".to_owned(), profile::VERSION.to_owned()),
        ("features_hash".to_owned(), features.manifest.names_hash.clone()),
        ("fit_rows".to_owned(), to_fit.labels.len().to_string()),
        ("history".to_owned(), args.data.history.clone()),
        ("model_hash".to_owned(), hash(&model)),
        ("seed".to_owned(), args.data.seed.to_string()),
        ("trees".to_owned(), scorer.booster.trees.len().to_string()),
    ]);
    params.extend(args.family_holdout.iter().map(|family| ("family_holdout".to_owned(), family.clone())));
    let chosen = serde_json::to_string_pretty(settings).expect("settings are plain data");
    let told = card::Told { params: &params, report: &report, scorer: &scorer, test: &to_test, empty: &empty };
    let artifacts = BTreeMap::from([
        (MODEL, model.into_bytes()),
        ("data.json", features.manifest.json().into_bytes()),
        ("settings.json", format!("{chosen}\n").into_bytes()),
        ("report.json", card::pretty(&report).into_bytes()),
        ("card.md", card::text(&told)?.into_bytes()),
        ("roc.svg", card::roc(&told)?.into_bytes()),
        ("reliability.svg", card::reliability(&told)?.into_bytes()),
        ("baseline.json", card::pretty(&card::baseline(&told)?).into_bytes()),
    ]);
    Ok(Run { id, as_of, params, metrics: report.metrics(), artifacts })
}

/// Whether a family as it is written in labels (`name` or `name/level`) is of this name.
fn is_of(family: &str, name: &str) -> bool {
    family == name || family.split_once('/').is_some_and(|(head, _)| head == name)
}

/// Probabilities are fitted to what is, so every row counts once.
fn calibrated(booster: Booster, known: &Known) -> Result<Scorer, Failure> {
    let learned = |error: models::boost::BoostError| Failure::Input(error.to_string());
    let scores = booster.scores(&known.table).map_err(learned)?;
    let calibration = Calibration::fit(&scores, &known.labels, &vec![1.0; scores.len()]);
    let calibration = calibration.ok_or_else(|| {
        Failure::Input(
            "the accounts that probabilities are fitted to are all fraud or all not; more labels are needed".to_owned(),
        )
    })?;
    Ok(Scorer::new(profile::VERSION, booster, calibration))
}

/// Refuses what looks like data and is none. Returns the features without a value.
fn audit(args: &TrainArgs, registry: &Registry, to_fit: &Known, to_test: &Known) -> Result<Vec<String>, Failure> {
    let table = &to_fit.table;
    let unknown = table.names().iter().find(|name| !profile::names().contains(&name.as_str()));
    if let Some(name) = unknown {
        return Err(Failure::Input(format!(
            "column {name} is no feature of {}: nothing may be learned from it",
            profile::VERSION
        )));
    }
    let fraud = |known: &Known| {
        let rows = known.account_of.iter().zip(&known.labels).filter(|(_, label)| **label == 1.0);
        rows.map(|(account, _)| account).collect::<std::collections::BTreeSet<_>>().len()
    };
    let (to_learn, to_measure) = (fraud(to_fit), fraud(to_test));
    if to_learn < FRAUD_FIT_MIN || to_measure < FRAUD_TEST_MIN {
        return Err(Failure::Input(format!(
            "{to_learn} fraud accounts to learn from and {to_measure} to measure with; at least {FRAUD_FIT_MIN} and \
             {FRAUD_TEST_MIN} are needed: label more accounts, reach further back with --history, or overlay attacks with \
             `truestream inject`"
        )));
    }
    let empty = empty(table);
    if empty.len() as f64 > EMPTY_SHARE_MAX * table.names().len() as f64 {
        return Err(Failure::Input(format!(
            "{} of {} features have no value in any row ({}, ...): the plays lack most columns, or the feed broke",
            empty.len(),
            table.names().len(),
            empty.iter().take(3).cloned().collect::<Vec<_>>().join(", ")
        )));
    }
    if let Some(champion) = registry.champion()? {
        refuse_lost(&registry.scorer(&champion)?, champion.number, &empty)?;
    }
    let leak = leaks(to_fit).into_iter().find(|(name, _)| !args.trust.contains(name));
    if let Some((name, auc)) = leak {
        return Err(Failure::Input(format!(
            "feature {name} alone tells fraud from all others (AUC {auc:.4}): it probably says what the label says. Where it \
             is known before the label, --trust {name} goes on"
        )));
    }
    Ok(empty)
}

fn empty(table: &Table) -> Vec<String> {
    let columns = table.names().iter().zip(table.columns());
    columns.filter(|(_, column)| column.iter().all(|value| value.is_nan())).map(|(name, _)| name.clone()).collect()
}

/// What the champion asks about must have values.
fn refuse_lost(champion: &Scorer, number: u32, empty: &[String]) -> Result<(), Failure> {
    let asked = |name: &String| {
        let at = champion.booster.features.iter().position(|feature| feature == name);
        champion.booster.trees.iter().flat_map(|tree| &tree.splits).any(|split| Some(split.feature as usize) == at)
    };
    match empty.iter().find(|name| asked(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::Input(format!(
            "feature {name} has no value in any row, and version {number}, the champion, asks about it: the feed lost it"
        ))),
    }
}

/// Features that alone tell fraud from all others, and how well.
fn leaks(known: &Known) -> Vec<(String, f64)> {
    let columns = known.table.names().iter().zip(known.table.columns());
    let ones = vec![1.0; known.labels.len()];
    let alone = columns.filter_map(|(name, column)| {
        // Missing values stand at either end, whichever helps more.
        let ends = [f64::MIN, f64::MAX].into_iter().filter_map(|missing| {
            let values: Vec<f64> =
                column.iter().map(|value| if value.is_nan() { missing } else { f64::from(*value) }).collect();
            auc(&values, &known.labels, &ones).map(|auc| auc.max(1.0 - auc))
        });
        Some((name.clone(), ends.reduce(f64::max)?))
    });
    alone.filter(|(_, auc)| *auc >= LEAK_AUC).collect()
}

fn progress(args: &TrainArgs, trees: usize) -> ProgressBar {
    let shown = std::io::stderr().is_terminal() && !args.json;
    let bar = if shown { ProgressBar::new(trees as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} trees  {msg}  {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn tell(args: &TrainArgs, registry: &Registry, version: &Version) -> Result<(), Failure> {
    let card = registry.artifact(version, "card.md");
    if args.json {
        println!("{}", json!({ "version": version, "card": card }));
        return Ok(());
    }
    let of = |name: &str| version.metrics.get(name).copied().unwrap_or(f64::NAN);
    println!("version {} of {}, as of {}", version.number, super::registry::SUBJECT, to_text(version.as_of));
    println!("  {} test accounts, {} of them fraud", of("test_accounts"), of("test_fraud_accounts"));
    for (name, words) in
        [("auc", "AUC"), ("recall_at_0.1pct", "recall at 0.1 % false positives"), ("recall_at_1pct", "recall at 1 %")]
    {
        println!(
            "  {words}: {:.3} ({:.3} to {:.3})",
            of(name),
            of(&format!("{name}_low")),
            of(&format!("{name}_high"))
        );
    }
    println!("  card: {}", card.display());
    println!("next: truestream evaluate --registry {} --data DIR", args.registry.display());
    Ok(())
}

impl DataArgs {
    /// The examples, and the instant of training.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no row.
    pub fn known(&self, features: &Features) -> Result<(Known, Millis), Failure> {
        let last = self.last_day(features)?;
        let span =
            Span { as_of: last, history_ms: self.history_ms()?, unlabelled_max: self.unlabelled_max, seed: self.seed };
        Ok((Known::read(&features.rows, &features.labels, span)?, last))
    }

    /// The last day of the rows, up to `--as-of`.
    ///
    /// # Errors
    /// When there is none.
    pub fn last_day(&self, features: &Features) -> Result<Millis, Failure> {
        let rows = datasets::tables::read_features(&features.rows, "account_id", |_| false, |_, _| true);
        let days = rows.map_err(|error| Failure::Input(error.to_string()))?.as_of;
        let asked = match &self.as_of {
            Some(text) => from_text(text).or_else(|| text.parse().ok()).ok_or_else(|| {
                Failure::Usage(format!(
                    "--as-of {text}: expected a date, an instant such as 2026-11-01T00:00:00Z, or milliseconds"
                ))
            })?,
            None => Millis::MAX,
        };
        let last = days.into_iter().filter(|day| *day <= asked).max();
        last.ok_or_else(|| Failure::Input("no account has a play by then".to_owned()))
    }
}
