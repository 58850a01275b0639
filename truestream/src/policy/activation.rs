//! Puts policies into force, takes them back, and says which one was in force when.
//!
//! ```text
//! folder ──no mistake──▶ activate │ rollback │ withdraw ──▶ store (a chain of hashes) ──▶ in force as of T, history
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::formats::instant;
use datasets::policy::{self, Activation, Said, Signature, Stage};
use records::Millis;
use serde_json::json;

use super::{backtest, faults, folder, input, mistakes, newly_wronged, now, print};
use crate::assess;
use crate::exit::Failure;
use crate::governance::{self, Reach, Step};

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
    /// How far it reaches: shadow decides nothing, beta decides about some subjects, full about all
    #[arg(long, value_name = "STAGE", default_value = "full", value_parser = ["shadow", "beta", "full"])]
    stage: String,
    /// With --stage beta: it decides about so many of a hundred subjects, drawn by their ids
    #[arg(long, value_name = "NUMBER")]
    percent: Option<u8>,
    /// Who agrees, in which role; where governance.toml of the store asks for roles
    #[arg(long, value_name = "NAME=ROLE")]
    signed: Vec<String>,
    /// Data over which no more honest artists may newly be wronged than governance.toml of the store says; needed where it does
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
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
        Said { from, by: self.by.clone(), why: self.why.clone(), at: now(), ..Said::default() }
    }
}

impl FromArgs {
    fn from(&self) -> Result<Millis, Failure> {
        at("--from", &self.from)
    }
}

pub(super) fn activate(args: &ActivateArgs) -> Result<(), Failure> {
    let reach = Reach::read(&args.stage, args.percent)?;
    let signed = governance::signatures(&args.signed)?;
    let said = Said { stage: stage(reach), signed, ..args.said.said(args.from.from()?) };
    let Some(policy) = folder(&args.policy).filter(|policy| !policy::is_store(policy)) else {
        return Err(Failure::Usage("only a folder with a policy of its own can be activated".to_owned()));
    };
    let mut faults = faults(Some(policy), Some(&args.said.store))?;
    if faults.is_empty() && reach != Reach::Shadow {
        faults.extend(wrongs(args, policy)?);
    }
    if !faults.is_empty() {
        print(&faults.join("\n"))?;
        return Err(Failure::Input(format!("{}: not activated: {}", policy.display(), mistakes(faults.len()))));
    }
    let (store, candidate) = (&args.said.store, assess::of_policy(policy)?);
    let known = if policy::is_store(store) { policy::activations(store).map_err(input)? } else { Vec::new() };
    let step = Step {
        reach,
        from: said.from.max(said.at),
        signed: &said.signed,
        stood: stood(&known, &candidate.digest),
        // Beside the first policy there is nothing to try.
        before_full: known.iter().any(|one| one.stage.is_none()).then_some("beta"),
    };
    governance::admit(store, args.assessment.as_deref(), &candidate, &step)?;
    tell(&policy::activate(&args.said.store, policy, &said).map_err(input)?)
}

/// That it wrongs more honest artists than the store allows.
fn wrongs(args: &ActivateArgs, policy: &Path) -> Result<Option<String>, Failure> {
    let store = args.said.store.as_path();
    let Some(most) = governance::artists_max(store)? else { return Ok(None) };
    let Some(data) = &args.data else {
        return Err(Failure::Different(format!(
            "{}: artists_max asks whom it would wrong: give --data DIR, a folder that `truestream replay` reads",
            store.display()
        )));
    };
    let (found, _) = newly_wronged(Some(policy), Some(store), data, &[])?;
    Ok((found > most).then(|| backtest::too_many(found, most)))
}

fn stage(reach: Reach) -> Option<Stage> {
    match reach {
        Reach::Shadow => Some(Stage::Shadow),
        Reach::Beta(percent) => Some(Stage::Beta(percent)),
        Reach::Full => None,
    }
}

/// In which stages a policy of these files stands, and since when it has without another step of its own: seen to stand there, because whoever says
/// today that it was in the shadow last year has not looked at it for a day.
fn stood(known: &[Activation], digest: &str) -> BTreeMap<&'static str, Millis> {
    let mut stood = BTreeMap::new();
    for one in known.iter().filter(|one| one.digest == digest) {
        let stage = match one.stage {
            Some(Stage::Shadow) => "shadow",
            Some(Stage::Beta(_)) => "beta",
            None => "full",
        };
        stood.entry(stage).or_insert(one.seen_from_ms());
    }
    // A beta that another policy ended is over.
    let last = known.iter().rfind(|one| one.stage != Some(Stage::Shadow));
    if last.is_none_or(|last| last.digest != digest) {
        stood.remove("beta");
    }
    stood
}

pub(super) fn rollback(args: &RollbackArgs) -> Result<(), Failure> {
    let (store, said) = (&args.said.store, args.said.said(args.from.from()?));
    let mut all = policy::activations(store).map_err(input)?;
    // What is in the shadow decides nothing that could be taken back.
    all.retain(|one| one.stage != Some(Stage::Shadow));
    let mut decided = decided_in_turn(&all);
    // What is tried on some ends; what is in force for everybody is what is gone back to.
    if all.last().is_none_or(|last| last.stage.is_none()) {
        decided.pop();
    }
    let Some(before) = decided.pop() else {
        return Err(Failure::Input(format!("{}: there is no other policy to go back to", store.display())));
    };
    tell(&policy::go_back(store, before, &said).map_err(input)?)
}

/// The policies that decided for everybody, each beside the one to go back to from it: what another replaced at the instant at which it began never
/// decided, and whoever went back to one has left those that came after it for good. Who activates one anew has not gone back: it comes after the others.
fn decided_in_turn(all: &[Activation]) -> Vec<&Activation> {
    let for_everybody: Vec<&Activation> = all.iter().filter(|one| one.stage.is_none()).collect();
    let mut turns: Vec<&Activation> = Vec::new();
    for (place, one) in for_everybody.iter().enumerate() {
        if for_everybody.get(place + 1).is_some_and(|next| next.from_ms() == one.from_ms()) {
            continue;
        }
        let gone_back_to = |number| turns.iter().position(|known| known.number == number);
        match one.goes_back_to.and_then(gone_back_to) {
            Some(place) => turns.truncate(place + 1),
            None if turns.last().is_some_and(|last| last.digest == one.digest) => {}
            None => turns.push(one),
        }
    }
    turns
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
    let Activation { number, from, version, hash, stage, .. } = activation;
    let what = match stage {
        None => "is in force".to_owned(),
        Some(Stage::Shadow) => "is in the shadow and decides nothing".to_owned(),
        Some(Stage::Beta(percent)) => {
            format!("decides about {percent} of 100 subjects by its weights, thresholds and rules")
        }
    };
    print(&format!("{number}: {version:?} {what} as of {from} and later; {hash}"))
}

pub(super) fn history(args: &HistoryArgs) -> Result<(), Failure> {
    let all = policy::history(&args.store).map_err(input)?;
    if args.json {
        return print(&format!("{:#}", json!(all)));
    }
    let line = |one: &Activation| {
        let Activation {
            number, from, version, by, why, said_at, hash, withdraws, goes_back_to, stage, signed, ..
        } = one;
        let reach = match stage {
            None => goes_back_to.map(|number| format!(", back to activation {number}")).unwrap_or_default(),
            Some(Stage::Shadow) => ", shadow".to_owned(),
            Some(Stage::Beta(percent)) => format!(", beta {percent} %"),
        };
        let what = match withdraws {
            None => format!("from {from} {version:?}{reach}"),
            Some(taken) => format!("{version:?} of activation {taken} is taken back"),
        };
        let agreed = |Signature { by, role }: &Signature| format!("{by} ({role})");
        let agreed: Vec<String> = signed.iter().map(agreed).collect();
        let agreed = if agreed.is_empty() { String::new() } else { format!(", signed by {}", agreed.join(", ")) };
        format!("{number}: {what}, by {by} on {said_at}{agreed}: {why}  [{}]", &hash[..12])
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
