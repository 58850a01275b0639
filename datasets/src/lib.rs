//! Brings records in from files, and writes records out.
//!
//! ```text
//! data-set files ──▶ formats ──▶ records ──▶ tables (Parquet) ──▶ arrivals ──▶ the dataflow
//! DDEX messages  ──▶ ddex    ──▶
//! seed           ──▶ world   ──▶
//! records, plan  ──▶ inject  ──▶
//! what is sent   ──▶ intake  ──▶ log ──▶ arrivals
//! topics         ──▶ kafka   ──▶ intake
//! streams of a month ──▶ dsr (reports to distributors)
//! ```
//!
//! The only crate that knows Arrow and Parquet.

pub mod arrivals;
pub mod audio;
pub mod audio_index;
pub mod ddex;
pub mod dsr;
pub mod formats;
pub mod inject;
pub mod intake;
pub mod kafka;
pub mod log;
pub mod names;
pub mod policy;
pub mod tables;
pub mod world;

mod chance;
mod error;

pub use error::Error;
