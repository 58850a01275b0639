//! Reads what distributors say of releases: DDEX ERN messages, and whether they say where generative AI was used.
//!
//! ```text
//! file ──▶ xml (limits, places) ──▶ Message ──┬──▶ check ──▶ findings, with line and column
//! receipts, consents ─────────────────────────└──▶ catalogue (messages in their order) ──▶ tables
//! ```
//!
//! Written from the public description of the standard; no schema of DDEX is part of this. What a message says in words we do
//! not know is kept as it is written.

mod catalogue;
mod check;
mod consents;
mod disclosure;
mod message;
mod once;
mod owners;
mod received;
mod tables;
mod values;
mod xml;

pub use catalogue::{Catalogue, Envelope, Fate, Outcome, Settings, Taken, TrackIds, envelope};
pub use check::{FINDINGS_MAX, Finding, Findings, Severity, check};
pub use consents::{Consents, Unmet};
pub use disclosure::{Part, Parts};
pub use message::{
    Contributor, Deal, Header, Kind, Message, Party, Release, ReleaseDeal, Repeated, Resource, ResourceKind, Said,
    Version, read, read_from,
};
pub use received::Received;
pub use tables::{Imported, write};
pub use values::{Form, ID_BYTES_MAX, Misread};
pub use xml::{Limits, Place, Unread};
