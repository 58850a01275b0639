//! Puts policies into force, takes them back, and says which one was in force when.
//!
//! ```text
//! folder ──no mistake──▶ activate │ rollback │ withdraw ──▶ store (a chain of hashes) ──▶ in force as of T, history
//! ```

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use datasets::formats::instant;
use datasets::policy::{self, Activation, Said};
use records::Millis;
use serde_json::json;

use super::{faults, folder, input, mistakes, print};
use crate::assess;
use crate::exit::Failure;

/// Who says what becomes of a policy, and why.
#[derive(Args, Clone, Debug)]
struct SaidArgs {
    /// The folder of activated policies; made where it is missing
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Who says so
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// From when on a policy is in force.
#[derive(Args, Clone, Debug)]
struct FromArgs {
    /// In force as of this time on
    #[arg(long, value_name = "TIME")]
    from: String,
}

/// Puts a policy into force from an instant on; one with a mistake, under which a catalogued attack pays, or that cannot follow the
/// one before it, is refused
#[derive(Args, Clone, Debug)]
pub(super) struct ActivateArgs {
    /// The policy
    policy: PathBuf,
    /// The report of `truestream assess` about it, which must have passed; needed where governance.toml of the store says so
    #[arg(long, value_name = "DIR")]
    assessment: Option<PathBuf>,
    #[command(flatten)]
    from: FromArgs,
    #[command(flatten)]
    said: SaidArgs,
}

/// Puts the policy before the last one into force again
#[derive(Args, Clone, Debug)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    from: FromArgs,
    #[command(flatten)]
    said: SaidArgs,
}

/// Takes back an activation that could not decide anything, because it cannot follow the one before it
#[derive(Args, Clone, Debug)]
pub(super) struct WithdrawArgs {
    /// Its number
    number: u64,
    #[command(flatten)]
    said: SaidArgs,
}

/// Says who put which policy into force, and that nobody changed it since
#[derive(Args, Clone, Debug)]
pub(super) struct HistoryArgs {
    /// The folder of activated policies
    store: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

fn at(option: &str, text: &str) -> Result<Millis, Failure> {
    instant::from_text(text)
        .ok_or_else(|| Failure::Usage(format!("{option} {text}: expected a time such as 2026-03-01T00:00:00Z")))
}

impl SaidArgs {
    fn said(&self, from: Millis) -> Said {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis);
        Said { from, by: self.by.clone(), why: self.why.clone(), at: now }
    }
}

impl FromArgs {
    fn from(&self) -> Result<Millis, Failure> {
        at("--from", &self.from)
    }
}

pub(super) fn activate(args: &ActivateArgs) -> Result<(), Failure> {
    let said = args.said.said(args.from.from()?);
    let Some(policy) = folder(&args.policy).filter(|policy| !policy::is_store(policy)) else {
        return Err(Failure::Usage("only a folder with a policy of its own can be activated".to_owned()));
    };
    let faults = faults(Some(policy))?;
    if !faults.is_empty() {
        print(&faults.join("\n"))?;
        return Err(Failure::Input(format!("{}: not activated: {}", policy.display(), mistakes(faults.len()))));
    }
    assess::admit(&args.said.store, args.assessment.as_deref(), &assess::of_policy(policy)?)?;
    tell(&policy::activate(&args.said.store, policy, &said).map_err(input)?)
}

pub(super) fn rollback(args: &RollbackArgs) -> Result<(), Failure> {
    let (store, said) = (&args.said.store, args.said.said(args.from.from()?));
    let all = policy::activations(store).map_err(input)?;
    let Some(before) = all.iter().rev().find(|one| Some(&one.digest) != all.last().map(|last| &last.digest)) else {
        return Err(Failure::Input(format!("{}: there is no other policy to go back to", store.display())));
    };
    tell(&policy::activate(store, &before.folder(store), &said).map_err(input)?)
}

pub(super) fn withdraw(args: &WithdrawArgs) -> Result<(), Failure> {
    let store = &args.said.store;
    if !policy::is_store(store) {
        return Err(Failure::Usage(format!("--store {}: it is no folder of activated policies", store.display())));
    }
    let Activation { number, version, hash, .. } =
        policy::withdraw(store, args.number, &args.said.said(0)).map_err(input)?;
    print(&format!("{number}: {version:?} of activation {} is taken back; {hash}", args.number))
}

fn tell(activation: &Activation) -> Result<(), Failure> {
    let Activation { number, from, version, hash, .. } = activation;
    print(&format!("{number}: {version:?} is in force as of {from} and later; {hash}"))
}

pub(super) fn history(args: &HistoryArgs) -> Result<(), Failure> {
    let all = policy::history(&args.store).map_err(input)?;
    if args.json {
        return print(&format!("{:#}", json!(all)));
    }
    let line = |one: &Activation| {
        let Activation { number, from, version, by, why, said_at, hash, withdraws, .. } = one;
        let what = match withdraws {
            None => format!("from {from} {version:?}"),
            Some(taken) => format!("{version:?} of activation {taken} is taken back"),
        };
        format!("{number}: {what}, by {by} on {said_at}: {why}  [{}]", &hash[..12])
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    print(&format!("{}\nnobody changed what was activated", lines.join("\n")))
}

/// The folder of the policy that was in force.
pub(super) fn in_force(store: &Path, as_of: &str) -> Result<PathBuf, Failure> {
    if !policy::is_store(store) {
        return Err(Failure::Usage(format!("--as-of: {} is no folder of activated policies", store.display())));
    }
    let activation = policy::in_force(store, at("--as-of", as_of)?).map_err(input)?;
    Ok(activation.folder(store))
}
