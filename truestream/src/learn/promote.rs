//! `truestream promote` and `truestream rollback`: which version speaks.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use clap::Args;
use datasets::formats::instant;
use records::Millis;
use serde_json::json;

use super::EXIT_CODES;
use super::evaluate::Evaluation;
use super::registry::{Change, Registry, Staged, Version};
use crate::assess;
use crate::exit::Failure;
use crate::governance::{self, Reach, Step};
use crate::replay;

/// Makes a version the champion, if its evaluation passed.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream promote --registry models
      the latest version
  truestream promote --registry models --version 7 --stage shadow --from 2026-03-01
      written down as beside the champion, where `replay --challenger 7` scores it; governance.toml may ask for that first
  truestream promote --registry models --version 7 --stage beta --percent 10
      scores ten of a hundred accounts, drawn by a hash of its name and their ids; the champion scores all others
  truestream promote --registry models --version 7 --force \"the gate on recall is wrong for a labelled world of one family\"

{EXIT_CODES}"))]
pub struct PromoteArgs {
    /// The folder of the registry
    #[arg(long, value_name = "DIR")]
    pub registry: std::path::PathBuf,
    /// Which version: a number or `latest`
    #[arg(long, default_value = "latest")]
    pub version: String,
    /// The report of `truestream assess` about it, which must have passed; needed where governance.toml of the registry says so
    #[arg(long, value_name = "DIR", conflicts_with = "force")]
    pub assessment: Option<std::path::PathBuf>,
    /// shadow: it is written down that it is watched beside the champion; beta: it scores some accounts; full: it becomes champion
    #[arg(long, value_name = "STAGE", default_value = "full", value_parser = ["shadow", "beta", "full"], conflicts_with = "force")]
    pub stage: String,
    /// In a beta: of a hundred accounts so many
    #[arg(long, value_name = "PERCENT", conflicts_with = "force")]
    pub percent: Option<u8>,
    /// From when on; where governance.toml of the registry asks for days in the stage before. A replay uses a beta from then on
    #[arg(long, value_name = "TIME", conflicts_with = "force")]
    pub from: Option<String>,
    /// Who agrees, in which role; where governance.toml of the registry asks for roles
    #[arg(long, value_name = "NAME=ROLE", conflicts_with = "force")]
    pub signed: Vec<String>,
    /// Promotes without a passed evaluation and assessment; the reason is kept in the history
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
    let registry = Registry::open(&args.registry)?;
    let lock = registry.lock()?;
    let version = registry.version(&args.version)?;
    let reach = Reach::read(&args.stage, args.percent)?;
    replay::able(&registry, &version)?;
    let why = match &args.force {
        Some(reason) => format!("forced: {reason}"),
        None => {
            let step = admitted(args, reach, &registry, &version)?;
            let why = if reach == Reach::Shadow { String::new() } else { passed(&registry, &version)? };
            let is_asked = reach != Reach::Full || args.from.is_some() || !step.signed.is_empty();
            let beside = match reach {
                Reach::Beta(_) => Some((beside(&registry, &version)?.number, registry.history()?.len())),
                _ => None,
            };
            if is_asked {
                registry.stage(&lock, Staged { why: why.clone(), beside, percent: args.percent, ..step })?;
            }
            let from = registry.champion()?.map(|champion| champion.number);
            let staged = |why| Change { what: reach.name().to_owned(), from, to: version.number, why };
            match reach {
                Reach::Shadow => {
                    let why = format!("replay --challenger {} scores it beside the champion", version.number);
                    return Ok((staged(why), "is in the shadow"));
                }
                Reach::Beta(percent) => {
                    let why = format!("{why}; {percent} % of accounts are its, all others the champion's");
                    return Ok((staged(why), "is tried"));
                }
                Reach::Full => why,
            }
        }
    };
    if version.is_champion {
        let change = Change { what: "promote".to_owned(), from: Some(version.number), to: version.number, why };
        return Ok((change, "is champion already"));
    }
    Ok((registry.crown(&lock, &version, "promote", &why)?, "is champion now"))
}

/// The champion beside whom the version can be tried.
fn beside(registry: &Registry, version: &Version) -> Result<Version, Failure> {
    let champion = registry.champion()?.filter(|champion| champion.number != version.number).ok_or_else(|| {
        let next = "promote it without --stage";
        Failure::Different(format!(
            "version {} would be tried beside nobody: no other version is champion; {next}",
            version.number
        ))
    })?;
    let [own, other] = [version, &champion].map(|version| version.params.get("network_hash"));
    match own == other {
        true => Ok(champion),
        false => Err(Failure::Different(format!(
            "version {} has another network than version {}, which is champion, and of an account one network is asked: a version is tried beside one \
             with the same, or where neither has one; try it with `replay --challenger`, and promote it",
            version.number, champion.number
        ))),
    }
}

/// The step that the version is to take, if the registry lets it.
fn admitted(args: &PromoteArgs, reach: Reach, registry: &Registry, version: &Version) -> Result<Staged, Failure> {
    let at = |text: &str| {
        let expected = || Failure::Usage(format!("--from {text}: expected a time such as 2026-03-01T00:00:00Z"));
        instant::from_text(text).ok_or_else(expected)
    };
    let signed = governance::signatures(&args.signed)?;
    let candidate = assess::of_model(version);
    let mut stood: BTreeMap<&'static str, Millis> = BTreeMap::new();
    for step in registry.staged()?.iter().filter(|step| step.model_hash == candidate.digest) {
        let Some(stage) = BEFORE.into_iter().find(|stage| *stage == step.stage) else { continue };
        // Nobody knows for how long where nobody said since when.
        let from = step.from.as_deref().map_or(Ok(Millis::MAX), at)?;
        let known = stood.entry(stage).or_insert(from);
        *known = from.min(*known);
    }
    let is_after_another = registry.champion_number()?.is_some_and(|champion| champion != version.number);
    let before = if stood.contains_key(BETA) { BETA } else { SHADOW };
    let step = Step {
        reach,
        from: args.from.as_deref().map_or(Ok(Millis::MIN), at)?,
        signed: &signed,
        stood,
        before_full: is_after_another.then_some(before),
    };
    governance::admit(&args.registry, args.assessment.as_deref(), &candidate, &step)?;
    Ok(Staged {
        version: version.number,
        model_hash: candidate.digest,
        stage: args.stage.clone(),
        from: args.from.clone(),
        signed,
        ..Staged::default()
    })
}

/// The stages before a version is champion: in the one it decides nothing, in the other about some.
const SHADOW: &str = "shadow";
const BETA: &str = "beta";
const BEFORE: [&str; 2] = [SHADOW, BETA];

/// Says what the evaluation found; an error unless all of its gates were met, beside the champion of now.
fn passed(registry: &Registry, version: &Version) -> Result<String, Failure> {
    let path = registry.evaluation(version);
    let next = format!("run `truestream evaluate --version {}`, or promote with --force and a reason", version.number);
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Different(format!("version {} was not evaluated; {next}", version.number)),
        _ => input(&error),
    })?;
    let evaluation: Evaluation = serde_json::from_str(&text).map_err(|error| input(&error))?;
    if version.params.get("model_hash") != Some(&evaluation.model_hash) {
        return Err(Failure::Different(format!("{} is about another model; {next}", path.display())));
    }
    if !evaluation.is_passed() {
        return Err(Failure::Different(format!("version {}: {}; {next}", version.number, evaluation.failures())));
    }
    let champion = registry.champion()?.map(|champion| champion.number).filter(|number| *number != version.number);
    let beside = evaluation.champion.as_ref().map(|(number, _)| *number);
    if beside != champion {
        let or = |number: Option<u32>, none: &str| number.map_or(none.to_owned(), |number| format!("version {number}"));
        return Err(Failure::Different(format!(
            "version {} was evaluated beside {}, and {} is champion now: evaluate again; {next}",
            version.number,
            or(beside, "no champion"),
            or(champion, "nobody")
        )));
    }
    let recall = evaluation.report.recall.get("0.1pct").map_or(f64::NAN, |recall| recall.value);
    Ok(format!("all {} gates met as of {}, recall at 0.1 % {recall:.3}", evaluation.gates.len(), evaluation.as_of))
}

/// Rolls back.
///
/// # Errors
/// [`Failure::Different`] when there is nothing to go back to; when the registry cannot be read or written.
pub fn rollback(args: &RollbackArgs) -> Result<(), Failure> {
    let registry = Registry::open(&args.registry)?;
    let lock = registry.lock()?;
    let history = registry.history()?;
    let to = match args.to {
        Some(number) => number,
        None => before(&history)
            .ok_or_else(|| Failure::Different("no champion before this one; say which with --to".to_owned()))?,
    };
    let version = registry.version(&to.to_string())?;
    replay::able(&registry, &version)?;
    if version.is_champion {
        let change = Change { what: "rollback".to_owned(), from: Some(to), to, why: args.why.clone() };
        return tell(args.json, &change, "is champion already");
    }
    let was_champion = history.iter().any(|change| change.to == to);
    let change = registry.crown(&lock, &version, "rollback", &args.why)?;
    tell(args.json, &change, if was_champion { "is champion again" } else { "is champion now, and never was before" })
}

/// The champion before the present one: rollbacks undo promotions one by one. What a change came from is where the changes
/// before it had led, whatever they say.
fn before(history: &[Change]) -> Option<u32> {
    let mut champions: Vec<u32> = Vec::new();
    let reach = |champions: &mut Vec<u32>, number: u32| match champions.iter().rposition(|known| *known == number) {
        Some(at) => champions.truncate(at + 1),
        None => champions.push(number),
    };
    for change in history {
        change.from.into_iter().for_each(|from| reach(&mut champions, from));
        match change.what.as_str() {
            "rollback" => reach(&mut champions, change.to),
            _ => champions.push(change.to),
        }
    }
    champions.pop();
    champions.pop()
}

fn tell(json: bool, change: &Change, words: &str) -> Result<(), Failure> {
    match json {
        true => println!(
            "{}",
            json!({ "what": change.what, "from": change.from, "to": change.to, "why": change.why, "words": words })
        ),
        false => println!("version {} {words} ({})", change.to, change.why),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(what: &str, from: u32, to: u32) -> Change {
        Change { what: what.to_owned(), from: (from > 0).then_some(from), to, why: String::new() }
    }

    #[test]
    fn rollbacks_go_back_one_by_one() {
        let history = [change("promote", 0, 1), change("promote", 1, 2), change("promote", 2, 4)];
        assert_eq!(before(&history), Some(2));
        let history = [history.as_slice(), &[change("rollback", 4, 2)]].concat();
        assert_eq!(before(&history), Some(1));
        let history = [history.as_slice(), &[change("rollback", 2, 1)]].concat();
        assert_eq!(before(&history), None);
    }

    #[test]
    fn a_change_that_does_not_follow_says_where_it_came_from() {
        // Versions 5 and 6 were recorded and never champion.
        let killed =
            [change("promote", 0, 1), change("promote", 1, 2), change("promote", 2, 5), change("promote", 2, 6)];
        assert_eq!(before(&[killed.as_slice(), &[change("promote", 2, 5)]].concat()), Some(2));
        // Somebody else moved the alias to 3.
        assert_eq!(before(&[killed.as_slice(), &[change("promote", 3, 7)]].concat()), Some(3));
    }
}
