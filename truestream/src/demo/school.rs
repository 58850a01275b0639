//! Where the demo's model learns: in another world, from attacks that were laid over it, as a platform without labels would.
//!
//! ```text
//! another seed ──▶ honest world ──▶ inject (every family, every level) ──▶ train ──▶ evaluate ──▶ promote
//! ```
//!
//! The world that is judged takes no part: the model has never seen its accounts, its tracks or its attacks.

use std::fs;
use std::path::Path;

use datasets::formats::Fault;
use datasets::inject::{self, Plan};
use datasets::world::{World, WorldSpec};

use super::DemoArgs;
use crate::exit::Failure;
use crate::learn::{EvaluateArgs, Evaluation, PromoteArgs, TrainArgs, evaluation, promoted, version};
use crate::words::parsed;

/// Days of the world of learning: attacks last for weeks, and what is true of them is known a week later.
const DAYS: u32 = 28;
/// Fewer accounts teach less than the attacks laid over them.
const ACCOUNTS_MIN: u32 = 400;

/// What came of it.
pub(super) struct Lesson {
    /// How the model did on accounts of its own world that training had not seen.
    pub evaluation: Evaluation,
    /// Whether it may speak: it met all gates, and is the champion of the registry.
    pub is_promoted: bool,
}

/// Fills the registry.
///
/// # Errors
/// When the disk does not take it.
pub(super) fn learn(args: &DemoArgs, folder: &Path, registry: &Path) -> Result<Lesson, Failure> {
    let output = |error: &dyn std::fmt::Display| Failure::Output(format!("{}: {error}", folder.display()));
    let (seed, accounts) = (args.seed.wrapping_add(1), args.accounts.max(ACCOUNTS_MIN));
    let folder = folder.join(format!("seed-{seed}-accounts-{accounts}"));
    let [honest, data] = ["honest", "attacked"].map(|name| folder.join(name));
    // The attacked world appears whole or not at all, and is the same each time.
    if !data.exists() {
        fs::create_dir_all(&honest).map_err(|error| output(&error))?;
        let spec = WorldSpec { seed, accounts, days: DAYS, attacks: false, ..WorldSpec::default() };
        World::write(&spec, &honest, 0, |_| {}).map_err(|error| output(&error))?;
        let plan = Plan::load(Path::new("default")).map_err(|error| Failure::Input(error.to_string()))?;
        inject::inject(&honest, &plan, seed, &data, 0, |_| {}).map_err(|fault| match fault {
            Fault::Input(error) => Failure::Input(error.to_string()),
            Fault::Output(error) => Failure::Output(error.to_string()),
        })?;
    }
    let [data, registry] = [&*data, registry].map(Path::to_string_lossy);
    let places = ["learn", "--data", &data, "--registry", &registry];
    // What was trained, and not what else may be in the registry.
    let trained = version(&parsed::<TrainArgs>(places)?)?.number.to_string();
    let of_it = ["--version", &trained];
    let evaluation = evaluation(&parsed::<EvaluateArgs>([places.as_slice(), &of_it].concat())?)?;
    let is_promoted = evaluation.is_passed();
    if is_promoted {
        promoted(&parsed::<PromoteArgs>([["promote", "--registry", &registry].as_slice(), &of_it].concat())?)?;
    }
    Ok(Lesson { evaluation, is_promoted })
}
