//! Models that learn: `truestream train`, `evaluate`, `promote`, `rollback`, `models`, `drift` and `queue`.
//!
//! ```text
//! plays, labels ──▶ features (a replay) ──▶ examples ──┬──────────▶ train ──▶ registry ──▶ evaluate ──▶ promote ──▶ champion
//!                                                      └─▶ sequences ─┘         ▲                                     │
//!                                                                               └──────────── rollback ───────────────┘
//! champion ──▶ drift: is it time to train again?      champion ──▶ queue: whose label would help most?
//! ```
//!
//! Every command can run unattended: it asks nothing, writes nothing half, and its exit code says what happened.

mod audit;
mod card;
mod cohorts;
mod data;
mod drift;
mod evaluate;
mod examples;
mod measure;
mod models;
mod poisoned;
mod probability;
mod promote;
mod queue;
mod registry;
mod sequences;
mod settings;
mod train;

pub use self::audit::{Audit, audit as audited, share_of_hits};
pub use self::drift::DriftArgs;
pub use self::evaluate::{EvaluateArgs, Evaluation, evaluation};
pub use self::models::ModelsArgs;
pub use self::promote::{PromoteArgs, RollbackArgs, promoted};
pub use self::queue::QueueArgs;
pub use self::registry::{Beta, Registry, SUBJECT, Version};
pub use self::sequences::{FORMS, NETWORK};
pub use self::train::{TrainArgs, version};

pub use self::drift::run as drift;
pub use self::evaluate::run as evaluate;
pub use self::models::run as models;
pub use self::promote::{promote, rollback};
pub use self::queue::run as queue;
pub use self::train::run as train;

/// What the exit codes of these commands mean.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 2 options that cannot be, 3 a gate was not met, 4 an input that cannot be read or learned from,
5 an output that cannot be written, 6 another command writes the registry, 141 standard output was closed before all was told.";
