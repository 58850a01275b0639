//! `truestream train`: a model out of plays and labels, into the registry.
//!
//! ```text
//! features ──▶ examples ──▶ poisoned? ──▶ trees (fit) ───────────────────┬──▶ probabilities (calibrate) ──▶ measures (test) ──▶ version
//!                 └──▶ sequences of a sample ──▶ network (fit) or no ──┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

use clap::Args;
use datasets::formats::instant::to_text;
use features::{profile, sequence};
use indicatif::{ProgressBar, ProgressStyle};
use models::boost::{Booster, Settings, fit};
use models::temporal::{self, Network, NetworkError};
use models::{Scorer, Stack, sharpness, unlabelled};
use records::Millis;
use serde_json::json;

use super::data::{DataArgs, Features};
use super::examples::{Known, Lots, Use};
use super::measure::{ByAccount, Report};
use super::probability::{ONE_KIND, Of, calibrated, of_accounts};
use super::registry::{Lock, MODEL, NETWORK_FILE, Registry, Run, Version, hash};
use super::sequences::FORMS;
use super::settings::{Chosen, Source};
use super::{EXIT_CODES, card, cohorts, poisoned};
use crate::exit::Failure;

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
    /// Trains a network over sequences of plays too, and adds it to the trees
    #[arg(long)]
    pub network: bool,
    /// Takes this network, trained elsewhere, and learns only how much it counts beside the trees: safetensors, or ONNX of the graph that
    /// `models export` writes
    #[arg(long, value_name = "FILE", conflicts_with = "network")]
    pub network_from: Option<std::path::PathBuf>,
    /// A JSON file with settings of the trees, and under `network` of the network; what it does not name stays as it is
    #[arg(long, value_name = "FILE")]
    pub settings: Option<std::path::PathBuf>,
    /// Some fraud has no label: which accounts it probably is and how much is estimated from those that have one, and learned from. Of no cohort,
    /// nor of all, may more than this share of the rows without a label be suspected
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub hidden_max: f64,
    /// Takes a feature that looks like a leak for what it is
    #[arg(long, value_name = "FEATURE")]
    pub trust: Vec<String>,
    /// Learns from these features alone, comma-separated: a baseline, or what one of them is worth. Such a version can be evaluated; a
    /// replay takes only one of all features
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    pub only: Vec<String>,
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
    if !(0.0..=1.0).contains(&args.hidden_max) {
        return Err(Failure::Usage(format!("--hidden-max {}: expected 0 to 1", args.hidden_max)));
    }
    let chosen = Chosen::of(args)?;
    known_features("--only", &args.only)?;
    known_features("--trust", &args.trust)?;
    let registry = Registry::at(&args.registry);
    let lock = registry.lock()?;
    let features = args.data.features(&registry, &lock)?;
    let (mut known, instants) = args.data.known(&features)?;
    if let Some(family) = &args.family_holdout {
        known_family(&known, family)?;
    }
    if !args.only.is_empty() {
        known.table = known.table.only(&args.only).expect("they are features");
    }
    let as_of = instants.as_of;
    let id = run_id(args, &chosen, &features, as_of);
    match registry.trained(&id)? {
        Some(version) => Ok(version),
        None => {
            let shop = Shop { args, registry: &registry, lock: &lock, features: &features };
            let run = shop.train(&chosen, &known, as_of, id)?;
            registry.add(&lock, &run)
        }
    }
}

/// Refuses names that are no features, and those that stand twice.
fn known_features(option: &str, names: &[String]) -> Result<(), Failure> {
    for (at, name) in names.iter().enumerate() {
        if !profile::names().contains(&name.as_str()) {
            return Err(Failure::Usage(format!(
                "{option} {name}: no feature of {}; the columns of the view account_features are",
                profile::VERSION
            )));
        }
        if names[..at].contains(name) {
            return Err(Failure::Usage(format!("{option} {name}: it is named twice")));
        }
    }
    Ok(())
}

fn known_family(known: &Known, wanted: &str) -> Result<(), Failure> {
    let families: BTreeSet<&str> = known.accounts.iter().filter_map(|account| account.family.as_deref()).collect();
    match families.iter().any(|family| is_of(family, wanted)) {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "--family-holdout {wanted}: no label names it; they name {}",
            if families.is_empty() { "no family".to_owned() } else { Vec::from_iter(families).join(", ") }
        ))),
    }
}

/// All that the model depends on, as 32 hexadecimal digits.
fn run_id(args: &TrainArgs, chosen: &Chosen, features: &Features, as_of: Millis) -> String {
    let chosen = json!({
        "manifest": features.manifest.hash(),
        "settings": chosen.json(),
        "as_of": as_of,
        "history": args.data.history,
        "unlabelled_max": args.data.unlabelled_max,
        "hidden_max": args.hidden_max,
        "seed": args.data.seed,
        "family_holdout": args.family_holdout,
        "only": args.only,
        "trust": args.trust,
        "program": env!("CARGO_PKG_VERSION"),
        "format": models::FORMAT,
    });
    blake3::hash(chosen.to_string().as_bytes()).to_hex()[..32].to_owned()
}

/// Half of what `evaluate` lets pass: what is just within on some accounts may be just without on others.
const FLOOR_TIMES: f64 = 5.0;
/// How much more honest rows of a cohort count that is flagged too often, and how often that is tried.
const RAISE: f32 = 3.0;
const RAISES_MAX: usize = 4;

/// How much fraud has no label.
struct Hidden {
    labelled_share: f64,
    hidden_share: f64,
}

impl Hidden {
    fn params(&self, hidden_max: f64) -> [(String, String); 3] {
        let param = |name: &str, value: String| (name.to_owned(), value);
        [
            param("hidden_max", hidden_max.to_string()),
            param("hidden_share", format!("{:.5}", self.hidden_share)),
            param("labelled_share", format!("{:.4}", self.labelled_share)),
        ]
    }
}

/// Where a model is made.
struct Shop<'a> {
    args: &'a TrainArgs,
    registry: &'a Registry,
    lock: &'a Lock,
    features: &'a Features,
}

impl Shop<'_> {
    fn train(&self, chosen: &Chosen, known: &Known, as_of: Millis, id: String) -> Result<Run, Failure> {
        let Shop { args, registry, features, .. } = self;
        let held_out = |family: Option<&String>| {
            args.family_holdout.as_ref().is_some_and(|wanted| family.is_some_and(|family| is_of(family, wanted)))
        };
        let of = |used: Use| known.of_accounts(|account| account.used == used && !held_out(account.family.as_ref()));
        let (mut to_fit, mut to_calibrate) = (of(Use::Fit), of(Use::Calibrate));
        // A family that was left out is unseen in all of its accounts.
        let to_test = known.of_accounts(|account| account.used == Use::Test || held_out(account.family.as_ref()));
        let empty = poisoned::audit(args, registry, &to_fit, &to_test)?;

        let hidden = match args.hidden_max > 0.0 {
            true => Some(self.suspect(&chosen.trees, &mut to_fit, &mut to_calibrate)?),
            false => None,
        };
        let (booster, raised) = self.fair_trees(&chosen.trees, &mut to_fit, &to_calibrate)?;
        let scorer = calibrated(booster, &to_calibrate, Of::Account)?;
        let scorer = match &chosen.network {
            None => scorer,
            Some(Source::File(network)) => self.stacked(scorer, (**network).clone(), &to_calibrate)?,
            Some(Source::Lessons(settings)) => {
                let mut to_learn =
                    known.of_accounts(|account| account.used != Use::Test && !held_out(account.family.as_ref()));
                to_learn.take_over(&[&to_fit, &to_calibrate]);
                let network = self.network(settings, &to_learn)?;
                self.stacked(scorer, network, &to_calibrate)?
            }
        };
        let scorer = self.sharp(scorer, &to_calibrate)?;
        let (network, scores) = self.scored(&scorer, &to_test)?;
        let report = Report::of(&to_test, &scores, &scorer, args.data.seed);

        let model = scorer.to_json();
        let mut params = BTreeMap::from([
            ("as_of".to_owned(), to_text(as_of)),
            ("data_hash".to_owned(), features.manifest.hash()),
            ("features".to_owned(), profile::VERSION.to_owned()),
            ("features_code_hash".to_owned(), features.manifest.code_hash.clone()),
            ("features_hash".to_owned(), features.manifest.names_hash.clone()),
            ("fit_rows".to_owned(), to_fit.labels.len().to_string()),
            ("history".to_owned(), args.data.history.clone()),
            ("model_hash".to_owned(), hash(model.as_bytes())),
            ("seed".to_owned(), args.data.seed.to_string()),
            ("settings_hash".to_owned(), hash(chosen.json().to_string().as_bytes())),
            ("unlabelled_max".to_owned(), args.data.unlabelled_max.to_string()),
            ("trees".to_owned(), scorer.booster.trees.len().to_string()),
        ]);
        for (name, names) in [("only", &args.only), ("trust", &args.trust)] {
            params.extend((!names.is_empty()).then(|| (name.to_owned(), names.join(", "))));
        }
        params.extend(args.family_holdout.iter().map(|family| ("family_holdout".to_owned(), family.clone())));
        params.extend(hidden.into_iter().flat_map(|hidden| hidden.params(args.hidden_max)));
        if !raised.is_empty() {
            params.insert("raised_cohorts".to_owned(), raised.join(", "));
        }
        let weights = scorer.network.as_ref().map(|network| network.to_bytes());
        if let Some(weights) = &weights {
            params.insert("network_hash".to_owned(), hash(weights));
            params.insert("sequences".to_owned(), sequence::VERSION.to_owned());
        }
        let told = card::Told {
            params: &params,
            report: &report,
            scorer: &scorer,
            test: &to_test,
            scores: &scores,
            network: &network,
            empty: &empty,
        };
        let mut artifacts = BTreeMap::from([
            ("data.json", features.manifest.json().into_bytes()),
            ("settings.json", card::pretty(&chosen.json()).into_bytes()),
            ("report.json", card::pretty(&report).into_bytes()),
            ("card.md", card::text(&told)?.into_bytes()),
            ("roc.svg", card::roc(&told).into_bytes()),
            ("reliability.svg", card::reliability(&told).into_bytes()),
            ("baseline.json", card::pretty(&card::baseline(&told)).into_bytes()),
            (MODEL, model.into_bytes()),
        ]);
        artifacts.extend(weights.map(|weights| (NETWORK_FILE, weights)));
        Ok(Run { id, as_of, params, metrics: report.metrics(), artifacts })
    }

    /// Takes rows of accounts without a label for fraud as far as they probably are: by what was learned from the other half of the
    /// accounts.
    fn suspect(&self, settings: &Settings, to_fit: &mut Known, to_calibrate: &mut Known) -> Result<Hidden, Failure> {
        let lots = Lots { seed: self.args.data.seed, purpose: "halves" };
        let half = |known: &Known, row: usize| lots.of(&known.accounts[known.account_of[row]].id).is_multiple_of(2);
        let learned = |of_half: bool| {
            let part = to_fit.of_accounts(|account| lots.of(&account.id).is_multiple_of(2) == of_half);
            calibrated(self.trees(settings, &part, to_calibrate)?, to_calibrate, Of::Row)
        };
        let models = [learned(true)?, learned(false)?];
        let labels = |known: &Known| -> Result<Vec<f64>, Failure> {
            let scored =
                |scorer: &Scorer| scorer.scores(&known.table, &[]).map_err(|error| Failure::Input(error.to_string()));
            let [even, odd] = [scored(&models[0])?, scored(&models[1])?];
            let of = |row: usize| match half(known, row) {
                true => models[1].calibration.probability(odd[row]),
                false => models[0].calibration.probability(even[row]),
            };
            Ok((0..known.labels.len()).map(of).collect())
        };
        let (of_fit, of_calibrate) = (labels(to_fit)?, labels(to_calibrate)?);
        let labelled: Vec<f64> =
            of_fit.iter().zip(&to_fit.labels).filter(|(_, label)| **label == 1.0).map(|(g, _)| *g).collect();
        let share = unlabelled::labelled_share(&labelled).ok_or_else(|| Failure::Input(ONE_KIND.to_owned()))?;
        let suspect = |known: &mut Known, of: &[f64]| {
            let is_open: Vec<bool> = known.account_of.iter().map(|at| known.accounts[*at].label.is_none()).collect();
            let rows = known.labels.iter().zip(of).zip(&is_open);
            let suspected =
                rows.map(|((label, g), open)| if *open { unlabelled::hidden(*g, share) as f32 } else { *label });
            let mut suspected: Vec<f32> = suspected.collect();
            cohorts::keep_floors(&known.table, &is_open, &mut suspected, self.args.hidden_max);
            let open = is_open.iter().filter(|open| **open).count().max(1);
            let sum: f32 = suspected.iter().zip(&is_open).filter(|(_, open)| **open).map(|(share, _)| *share).sum();
            known.labels = suspected;
            f64::from(sum) / open as f64
        };
        let hidden_share = suspect(to_fit, &of_fit);
        suspect(to_calibrate, &of_calibrate);
        Ok(Hidden { labelled_share: share, hidden_share })
    }

    /// Trees that no cohort pays for: where one is surely flagged more than [`FLOOR_TIMES`] the rate, its honest rows count more
    /// and the trees grow again. Returns the cohorts that were raised, as often as they were.
    fn fair_trees(
        &self,
        settings: &Settings,
        to_fit: &mut Known,
        to_calibrate: &Known,
    ) -> Result<(Booster, Vec<String>), Failure> {
        let mut raised = Vec::new();
        for round in 0.. {
            let booster = self.trees(settings, to_fit, to_calibrate)?;
            let scores = booster.scores(&to_calibrate.table).map_err(|error| Failure::Input(error.to_string()))?;
            let fares = cohorts::fare_of(to_calibrate, &scores);
            let broken: Vec<String> =
                fares.into_iter().filter(|(_, fare)| fare.times() > FLOOR_TIMES).map(|(name, _)| name).collect();
            if broken.is_empty() || round == RAISES_MAX {
                return Ok((booster, raised));
            }
            for (name, members) in cohorts::names().zip(cohorts::members(&to_fit.table)) {
                if broken.iter().any(|broken| broken == name) {
                    let rows = (0..members.len()).filter(|row| members[*row] && to_fit.labels[*row] < 0.5);
                    rows.for_each(|row| to_fit.weights[row] *= RAISE);
                }
            }
            raised.extend(broken);
        }
        unreachable!("the last round returns")
    }

    fn trees(&self, settings: &Settings, to_fit: &Known, to_calibrate: &Known) -> Result<Booster, Failure> {
        let bar = progress(self.args, settings.trees_max, "trees");
        let learned = |error: models::boost::BoostError| Failure::Input(format!("nothing can be learned: {error}"));
        let watched = fit(to_fit.examples(), Some(to_calibrate.examples()), None, settings, |trees, loss| {
            bar.set_position(trees as u64);
            bar.set_message(loss.map_or(String::new(), |loss| format!("loss {loss:.5}")));
        });
        bar.finish_and_clear();
        watched.map_err(learned)
    }

    /// A network that learned from a sample of the examples.
    fn network(&self, settings: &temporal::Settings, known: &Known) -> Result<Network, Failure> {
        let Shop { args, registry, lock, features } = self;
        let [to_fit, held_back] = args.data.sequences(registry, lock, features, known)?;
        let bar = progress(args, settings.epochs_max, "rounds");
        let learned = |error: NetworkError| Failure::Input(format!("the network can learn nothing: {error}"));
        let (lessons, held_back) = (to_fit.lessons(), held_back.lessons());
        let watched = temporal::fit(sequence::VERSION, FORMS, lessons, held_back, settings, |progress| {
            bar.set_position(progress.epoch as u64);
            bar.set_message(format!("loss {:.5}", progress.loss));
        });
        bar.finish_and_clear();
        watched.map_err(learned)
    }

    /// Trees and network as one model: how much each counts is fitted on accounts that neither grew on.
    fn stacked(&self, trees: Scorer, network: Network, known: &Known) -> Result<Scorer, Failure> {
        let of_trees = trees.scores(&known.table, &[]).map_err(|error| Failure::Input(error.to_string()))?;
        let unknown = network.of_silence();
        let calibration = trees.calibration.clone();
        let even = Stack { trees: 1.0, network: 0.0, offset: 0.0, mean: 0.0, unknown };
        let both = trees.with_network(network, even, calibration);
        let said = self.args.data.said(self.registry, self.lock, self.features, &both, known.rows())?;
        let said: Vec<f32> = said.into_iter().map(|said| even.known(said)).collect();
        let stack = Stack::fit(&of_trees, &said, unknown, &known.labels);
        let stack = stack.ok_or_else(|| Failure::Input(ONE_KIND.to_owned()))?;
        let scores: Vec<f64> = of_trees.iter().zip(&said).map(|(trees, said)| stack.score(*trees, *said)).collect();
        Ok(Scorer { calibration: of_accounts(known, &scores)?, stack: Some(stack), ..both })
    }

    /// The model, which says from where on it is sharp: by accounts that it did not grow on and nobody called fraud.
    fn sharp(&self, scorer: Scorer, held_back: &Known) -> Result<Scorer, Failure> {
        let (_, scores) = self.scored(&scorer, held_back)?;
        let by_account = ByAccount::of(held_back, &scores);
        let said = by_account.probabilities(&scorer.calibration);
        let honest =
            by_account.accounts.iter().zip(&by_account.labels).zip(said).filter(|((_, label), _)| **label < 0.5);
        let honest: Vec<(f64, f64)> = honest.map(|((account, _), said)| (said, account.stands_for)).collect();
        let sharp_from = sharpness::sharp_from(&honest);
        Ok(scorer.with_sharp_from(sharp_from))
    }

    /// What the network says of the examples, if there is one, and the raw scores.
    fn scored(&self, scorer: &Scorer, known: &Known) -> Result<(Vec<f32>, Vec<f64>), Failure> {
        let network = self.args.data.said(self.registry, self.lock, self.features, scorer, known.rows())?;
        let scores = scorer.scores(&known.table, &network).map_err(|error| Failure::Input(error.to_string()))?;
        Ok((network, scores))
    }
}

/// Whether a family as it is written in labels (`name` or `name/level`) is of this name.
fn is_of(family: &str, name: &str) -> bool {
    family == name || family.split_once('/').is_some_and(|(head, _)| head == name)
}

fn progress(args: &TrainArgs, steps: usize, of: &str) -> ProgressBar {
    let shown = std::io::stderr().is_terminal() && !args.json;
    let bar = if shown { ProgressBar::new(steps as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {of}  {{msg}}  {{elapsed}}")) {
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
    let others = of("test_accounts") - of("test_fraud_accounts");
    let none = |rate: f64| if others * rate < 1.0 { format!(" (none of {others})") } else { String::new() };
    for (name, words) in [
        ("auc", "AUC".to_owned()),
        ("recall_at_0.1pct", format!("recall at 0.1 % false positives{}", none(0.001))),
        ("recall_at_1pct", format!("recall at 1 %{}", none(0.01))),
    ] {
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
