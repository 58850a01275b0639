//! Answers SQL over views that somebody keeps current.
//!
//! ```text
//! SQL ──▶ allowed? ──▶ plan ──▶ one instant of all views ──▶ scan, or look up by key ──▶ rows, while time and memory last
//!     └──instant by instant──▶ what came and what went, to who follows it
//! ```
//!
//! Who keeps the views is behind the trait [`Views`]; here stand what may be asked, for how long and with how much memory.
//! The only crate that knows DataFusion: it takes long to compile, and nothing to its left has to wait for it.

mod answer;
mod catalogue;
mod database;
mod guard;
mod problem;
mod subscribe;
mod table;
mod turns;
mod views;
mod wire;

pub use answer::{Answer, Format};
pub use database::{Database, Limits};
pub use problem::Problem;
pub use subscribe::{Difference, Subscription};
pub use views::{Equal, Moment, Scan, Table, Value, Views};
pub use wire::{Users, Verifier};
