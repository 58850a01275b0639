//! Decodes strangers' files in a process that may die of them.
//!
//! ```text
//! scan ── open file ──▶ socket ──▶ decode-worker: limited by the kernel, decodes ──▶ pipe ── samples, facts ──▶ Clip
//!   └── watches the clock, kills, starts a new one ◀── crash, hang, no memory, no answer ──▶ Undecodable
//! ```
//!
//! A decoder is handed a file that is open already, and can reach nothing else: no path, no network, no other process, nothing that was open before.

mod confine;
mod ear;
mod wire;
mod worker;

pub use confine::{Guard, close_inherited, confine};
pub use ear::{Allowance, Ear, Heard};
pub use worker::{WorkerArgs, run as run_worker, words_of};
