//! Keeps everything current as plays, corrections and the catalogue arrive: timely + differential-dataflow.
//!
//! ```text
//! repeats, corrections ──▶ admit ──┐
//! plays ───────────────────────────┼──▶ windows ──┬──▶ tallies ─────▶ account_window, track_window, …
//! catalogue ───────────────────────┘              ├──▶ links ──▶ groups ──▶ account_group, hubs
//!                                                 ├──▶ ties (pages ask)
//!                                                 ├──▶ lockstep ──────────▶ lockstep
//!                                                 ├──▶ company
//!                                                 └──▶ habits (pages ask)
//! account_window, account_group, lockstep, company ──▶ dossiers ─┬─▶ profiles ────▶ account_features
//!                                                                └─▶ scores ──────▶ account_score
//! what accounts played last ──▶ sequences ──▶ account_sequence, networks ─▶ (risk)
//! all of these, who played what, releases and tiers ──▶ risk ────────────▶ risk, verdict
//! ```
//!
//! [`river`] draws this picture as operators. Time is one totally ordered tick (see [`clock`]); no operator reads a
//! wall clock or a file.

pub mod admit;
pub mod audiences;
pub mod clock;
mod cohorts;
mod company;
mod dossiers;
pub mod groups;
pub mod habits;
pub mod keep;
pub mod links;
pub mod lockstep;
mod marks;
mod neighbours;
mod profiles;
pub mod risk;
pub mod river;
pub mod scores;
pub mod sequences;
pub mod tallies;
pub mod ties;
pub mod windows;
