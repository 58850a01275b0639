//! Data sets that nobody here made, read as plays.
//!
//! ```text
//! path ──▶ recognise ──▶ rows of the file ──▶ Record ──▶ the format's reading ──▶ play │ track │ account │ refusal
//!            (name,        (JSON array,        (named      (one module per
//!             content)      JSON lines,         cells)      format)
//!                           delimited, Parquet)
//! ```
//!
//! Every row of a file comes out exactly once: rows = plays + described + refusals. `docs/FORMATS.md` tells users
//! what each format means and what is done with its quirks.

mod recognise;
mod shape;

mod delimited;
mod json;
mod record;
mod rows;
mod typed;

mod distributor;
mod lastfm;
mod lfm;
mod listenbrainz;
mod mapped;
mod mssd;
mod reading;
mod spotify;
mod yambda;

mod content_id;
mod folding;
pub mod instant;

mod import;

pub(crate) use folding::name_key;
pub use import::{Fault, FileReport, Import, Seen, Totals};
pub use mapped::Map;
pub use reading::{Options, PLAYED_MAX_MS};
pub use recognise::{Finding, Recognised, recognise, walk};
pub use shape::Format;
