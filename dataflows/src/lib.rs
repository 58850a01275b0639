//! Keeps everything current as plays, corrections and the catalogue arrive: timely + differential-dataflow.
//!
//! ```text
//! repeats, corrections ──▶ admit ──┐
//! plays ───────────────────────────┼──▶ windows ──┬──▶ tallies ─────▶ account_window, track_window, …
//! catalogue ───────────────────────┘              ├──▶ links ──▶ groups ──▶ account_group, hubs
//!                                                 └──▶ lockstep ──────────▶ lockstep
//! all of these, who played what, releases and tiers ──▶ risk ────────────▶ risk, verdict
//! ```
//!
//! [`river`] draws this picture as operators. Time is one totally ordered tick (see [`clock`]); no operator reads a
//! wall clock or a file.

pub mod admit;
pub mod clock;
pub mod groups;
pub mod keep;
pub mod links;
pub mod lockstep;
pub mod risk;
pub mod river;
pub mod tallies;
pub mod windows;
