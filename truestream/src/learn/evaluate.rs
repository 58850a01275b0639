//! `truestream evaluate`: is the challenger good enough, and no worse than the champion on the same accounts?
//!
//! ```text
//! features, labels ──▶ test accounts ──▶ challenger's report, champion's report ──▶ gates ──▶ evaluations/version-N.json
//! ```

use clap::Args;
use datasets::formats::instant::to_text;
use serde::{Deserialize, Serialize};

use super::audit::{Audit, audit};
use super::data::DataArgs;
use super::examples::Use;
use super::measure::Report;
use super::registry::{Registry, Version, write_whole};
use super::{EXIT_CODES, card, cohorts};
use crate::exit::Failure;

/// Measures a version beside the champion on accounts that its training never saw, and holds it against gates.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream evaluate --registry models --data platform
      the latest version, beside the champion if there is one
  truestream evaluate --registry models --data platform --version 7 --recall-min 0.8 --json
  truestream evaluate --registry models --data platform --version champion --audit queue.parquet
      and how often it misses, by the accounts that chance drew for people to look at

{EXIT_CODES}"))]
pub struct EvaluateArgs {
    /// What it is measured on.
    #[command(flatten)]
    pub data: DataArgs,
    /// The folder of the registry
    #[arg(long, value_name = "DIR")]
    pub registry: std::path::PathBuf,
    /// Which version: a number, `latest` or `champion`
    #[arg(long, default_value = "latest")]
    pub version: String,
    /// Gate: recall at 0.1 % false positives at least
    #[arg(long, default_value_t = 0.5, value_name = "SHARE", value_parser = bound)]
    pub recall_min: f64,
    /// Gate: share of the known honest that is flagged at that threshold at most
    #[arg(long, default_value_t = 0.01, value_name = "SHARE", value_parser = bound)]
    pub honest_flagged_max: f64,
    /// Gate: mean distance of probability and truth of accounts at most, as far as the accounts are enough to be sure of it
    #[arg(long, default_value_t = 0.15, value_name = "SHARE", value_parser = bound)]
    pub calibration_error_max: f64,
    /// Gate: recall at 0.1 % may be lower than the champion's by so much
    #[arg(long, default_value_t = 0.02, value_name = "SHARE", value_parser = bound)]
    pub recall_loss_max: f64,
    /// Gate: of no cohort of people who listen unlike most may more be flagged, surely, than so many times the rate of all
    #[arg(long, default_value_t = 10.0, value_name = "TIMES", value_parser = bound)]
    pub cohort_times_max: f64,
    /// A file of `truestream queue`, once people have looked at those whom chance drew: says how often the model misses. May be given
    /// several times
    #[arg(long, value_name = "FILE")]
    pub audit: Vec<std::path::PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// A number that is not negative and has an end.
fn bound(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    (number.is_finite() && number >= 0.0).then_some(number).ok_or_else(|| "expected 0 or more".to_owned())
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What is asked.
    pub name: String,
    /// What was found; null where it could not be measured.
    pub found: Option<f64>,
    /// The bound.
    pub bound: f64,
    /// Whether it holds.
    pub is_met: bool,
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The version.
    pub version: u32,
    /// The hash of its model.
    pub model_hash: String,
    /// The hash of the data.
    pub data_hash: String,
    /// As of when.
    pub as_of: String,
    /// The version.
    pub report: Report,
    /// The champion then, on the same accounts.
    pub champion: Option<(u32, Report)>,
    /// The conditions.
    pub gates: Vec<Gate>,
    /// How often a model misses, by those whom chance drew; nothing where no file was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
}

impl Evaluation {
    /// Whether all conditions hold.
    pub fn is_passed(&self) -> bool {
        self.gates.iter().all(|gate| gate.is_met)
    }

    /// The conditions that do not hold, in words.
    pub fn failures(&self) -> String {
        let failed = self.gates.iter().filter(|gate| !gate.is_met).map(|gate| match gate.found {
            Some(found) => format!("{} is {found:.4}, the bound is {:.4}", gate.name, gate.bound),
            None => format!("{} could not be measured", gate.name),
        });
        failed.collect::<Vec<_>>().join("; ")
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Different`] when a gate is not met; when data or registry cannot be read or written.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let evaluation = evaluation(args)?;
    tell(args, &evaluation);
    match evaluation.is_passed() {
        true => Ok(()),
        false => Err(Failure::Different(format!("version {}: {}", evaluation.version, evaluation.failures()))),
    }
}

/// Measures the version and keeps what was found in the registry.
///
/// # Errors
/// When data or registry cannot be read or written; a gate that is not met is no error here.
pub fn evaluation(args: &EvaluateArgs) -> Result<Evaluation, Failure> {
    let registry = Registry::open(&args.registry)?;
    let lock = registry.lock()?;
    let version = registry.version(&args.version)?;
    let features = args.data.features(&registry, &lock)?;
    let (known, instants) = args.data.known(&features)?;
    let test = known.of_use(Use::Test);
    let report = |version: &Version| {
        let scorer = registry.scorer(version)?;
        let network = args.data.said(&registry, &lock, &features, &scorer, test.rows())?;
        let input = |error: &dyn std::fmt::Display| Failure::Input(format!("version {}: {error}", version.number));
        // A version may ask about some of the features alone.
        let unknown = |name: &str| format!("it asks about {name}, which is no feature of these rows; train again");
        let table = test.table.only(&scorer.booster.features).map_err(|name| input(&unknown(name)))?;
        let scores = scorer.scores(&table, &network).map_err(|error| input(&error))?;
        Ok(Report::of(&test, &scores, &scorer, args.data.seed))
    };
    let champion = registry.champion()?.filter(|champion| champion.number != version.number);
    let champion = champion.map(|champion| Ok((champion.number, report(&champion)?))).transpose()?;
    let report = report(&version)?;
    let audit = match args.audit.is_empty() {
        true => None,
        // People look at who was drawn after the last plays.
        false => Some(audit(&args.audit, &features.labels, args.data.asked()?)?),
    };
    let evaluation = Evaluation {
        version: version.number,
        model_hash: version.params.get("model_hash").cloned().unwrap_or_default(),
        data_hash: features.manifest.hash(),
        as_of: to_text(instants.as_of),
        gates: gates(args, &version, &report, champion.as_ref().map(|(_, report)| report)),
        report,
        champion,
        audit,
    };
    write_whole(&registry.evaluation(&version), card::pretty(&evaluation).as_bytes())?;
    Ok(evaluation)
}

const RATE: &str = "0.1pct";

fn gates(args: &EvaluateArgs, version: &Version, report: &Report, champion: Option<&Report>) -> Vec<Gate> {
    let recall = |report: &Report| report.recall.get(RATE).map(|recall| recall.value);
    let least = |name: &str, found: Option<f64>, bound: f64| Gate {
        name: name.to_owned(),
        found,
        bound,
        is_met: found.is_some_and(|found| found >= bound),
    };
    let most = |name: &str, found: Option<f64>, bound: f64| Gate {
        name: name.to_owned(),
        found,
        bound,
        is_met: found.is_some_and(|found| found <= bound),
    };
    let mut gates = vec![
        least("recall at 0.1 % false positives", recall(report), args.recall_min),
        most("calibration error, surely", Some(report.calibration_error_low), args.calibration_error_max),
    ];
    let honest_flagged = report.honest_flagged.get(RATE).copied();
    gates.extend(
        honest_flagged.map(|flagged| most("share of known honest flagged", Some(flagged), args.honest_flagged_max)),
    );
    if version.params.contains_key("imported_from") && !version.params.contains_key("held_out") {
        // Who trained it elsewhere has not said that it never saw the accounts it is measured on.
        gates.push(least("imported with --held-out", None, 1.0));
    }
    if let Some((cohort, times)) = cohorts::worst(&report.cohorts) {
        gates.push(most(&format!("times the rate flagged of cohort {cohort}"), Some(times), args.cohort_times_max));
    }
    if let Some(before) = champion.and_then(recall) {
        gates.push(least("recall beside the champion's", recall(report), before - args.recall_loss_max));
    }
    gates
}

fn tell(args: &EvaluateArgs, evaluation: &Evaluation) {
    if args.json {
        println!("{}", serde_json::to_string(evaluation).expect("plain data"));
        return;
    }
    println!("version {}, as of {}, {} accounts", evaluation.version, evaluation.as_of, evaluation.report.accounts);
    print!("{}", card::lines(&evaluation.report));
    if let Some((number, report)) = &evaluation.champion {
        println!("version {number}, the champion, on the same accounts");
        print!("{}", card::lines(report));
    }
    evaluation.audit.iter().for_each(|audit| println!("  {}", audit.words()));
    for gate in &evaluation.gates {
        let found = gate.found.map_or("not measured".to_owned(), |found| format!("{found:.4}"));
        println!(
            "  {} {}: {found}, bound {:.4}",
            if gate.is_met { "met    " } else { "NOT MET" },
            gate.name,
            gate.bound
        );
    }
    if evaluation.report.honest == 0 {
        println!(
            "  nobody among the accounts it is measured on is known to be honest: label some (`truestream queue` says whom)"
        );
    }
    if evaluation.is_passed() {
        println!("next: truestream promote --registry {}", args.registry.display());
    }
}
