//! `truestream promote` and `truestream rollback`: which version speaks.

use clap::Args;
use serde_json::json;

use super::EXIT_CODES;
use super::evaluate::Evaluation;
use super::registry::{Change, Registry, Version};
use crate::exit::Failure;

/// Makes a version the champion, if its evaluation passed.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream promote --registry models
      the latest version
  truestream promote --registry models --version 7 --force \"the gate on recall is wrong for a labelled world of one family\"

{EXIT_CODES}"))]
pub struct PromoteArgs {
    /// The folder of the registry
    #[arg(long, value_name = "DIR")]
    pub registry: std::path::PathBuf,
    /// Which version: a number or `latest`
    #[arg(long, default_value = "latest")]
    pub version: String,
    /// Promotes without a passed evaluation; the reason is kept in the history
    #[arg(long, value_name = "REASON")]
    pub force: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Makes the champion before this one champion again.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream rollback --registry models --why \"flags sleep music\"
  truestream rollback --registry models --to 3 --why \"last one before the new feed\"

{EXIT_CODES}"))]
pub struct RollbackArgs {
    /// The folder of the registry
    #[arg(long, value_name = "DIR")]
    pub registry: std::path::PathBuf,
    /// To this version instead
    #[arg(long, value_name = "VERSION")]
    pub to: Option<u32>,
    /// Why; kept in the history
    #[arg(long, value_name = "REASON", default_value = "not given")]
    pub why: String,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Promotes.
///
/// # Errors
/// [`Failure::Different`] when there is no passed evaluation of this very model; when the registry cannot be read or written.
pub fn promote(args: &PromoteArgs) -> Result<(), Failure> {
    let (change, words) = promoted(args)?;
    tell(args.json, &change, words)
}

/// Makes the version the champion; what changed, and in words how.
///
/// # Errors
/// As [`promote`].
pub fn promoted(args: &PromoteArgs) -> Result<(Change, &'static str), Failure> {
    let registry = Registry::at(&args.registry);
    let lock = registry.lock()?;
    let version = registry.version(&args.version)?;
    registry.scorer(&version)?;
    let why = match &args.force {
        Some(reason) => format!("forced: {reason}"),
        None => passed(&registry, &version)?,
    };
    if version.is_champion {
        let change = Change { what: "promote".to_owned(), from: Some(version.number), to: version.number, why };
        return Ok((change, "is champion already"));
    }
    Ok((registry.crown(&lock, &version, "promote", &why)?, "is champion now"))
}

/// Says what the evaluation found; an error unless all of its gates were met.
fn passed(registry: &Registry, version: &Version) -> Result<String, Failure> {
    let path = registry.evaluation(version);
    let next = format!("run `truestream evaluate --version {}`, or promote with --force and a reason", version.number);
    let text = std::fs::read_to_string(&path)
        .map_err(|_| Failure::Different(format!("version {} was not evaluated; {next}", version.number)))?;
    let evaluation: Evaluation =
        serde_json::from_str(&text).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    if version.params.get("model_hash") != Some(&evaluation.model_hash) {
        return Err(Failure::Different(format!("{} is about another model; {next}", path.display())));
    }
    if !evaluation.is_passed() {
        return Err(Failure::Different(format!("version {}: {}; {next}", version.number, evaluation.failures())));
    }
    let recall = evaluation.report.recall.get("0.1pct").map_or(f64::NAN, |recall| recall.value);
    Ok(format!("all {} gates met as of {}, recall at 0.1 % {recall:.3}", evaluation.gates.len(), evaluation.as_of))
}

/// Rolls back.
///
/// # Errors
/// [`Failure::Different`] when there is nothing to go back to; when the registry cannot be read or written.
pub fn rollback(args: &RollbackArgs) -> Result<(), Failure> {
    let registry = Registry::at(&args.registry);
    let lock = registry.lock()?;
    let to = match args.to {
        Some(number) => number,
        None => before(&registry.history()?)
            .ok_or_else(|| Failure::Different("no champion before this one; say which with --to".to_owned()))?,
    };
    let version = registry.version(&to.to_string())?;
    registry.scorer(&version)?;
    let change = registry.crown(&lock, &version, "rollback", &args.why)?;
    tell(args.json, &change, "is champion again")
}

/// The champion before the present one: rollbacks undo promotions one by one.
fn before(history: &[Change]) -> Option<u32> {
    let mut champions: Vec<u32> = Vec::new();
    for change in history {
        match champions.iter().rposition(|known| *known == change.to && change.what == "rollback") {
            Some(at) => champions.truncate(at + 1),
            None => champions.push(change.to),
        }
    }
    champions.pop();
    champions.pop()
}

fn tell(json: bool, change: &Change, words: &str) -> Result<(), Failure> {
    match json {
        true => println!("{}", json!(change)),
        false => println!("version {} {words} ({})", change.to, change.why),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(what: &str, to: u32) -> Change {
        Change { what: what.to_owned(), from: None, to, why: String::new() }
    }

    #[test]
    fn rollbacks_go_back_one_by_one() {
        let history = [change("promote", 1), change("promote", 2), change("promote", 4)];
        assert_eq!(before(&history), Some(2));
        let history = [history.as_slice(), &[change("rollback", 2)]].concat();
        assert_eq!(before(&history), Some(1));
        let history = [history.as_slice(), &[change("rollback", 1)]].concat();
        assert_eq!(before(&history), None);
    }
}
