//! The nouns: what Truestream takes in and what it gives out.
//!
//! ```text
//! Play, Correction, Track, Account, Distributor, Network, Playlist, Label, Ruling ──▶ … ──▶ Risk, Verdict
//!                                         └──▶ Refusal (a row that could become none of them)
//! ```
//!
//! Nothing here reads, computes or waits. The meaning of each field is the contract of
//! `docs/TABLES.md`; a field's doc comment here repeats only its unit.

pub mod attack;
pub mod clause;
pub mod declaring;
pub mod gate;
pub mod listening;
pub mod lists;
pub mod lot;
pub mod policy;
pub mod reputation;
pub mod royalty;
pub mod sensitivity;

mod catalogue;
mod evidence;
mod id;
mod key;
mod play;
mod refusal;
mod risk;
mod role;
mod ruling;
mod territory;

pub use catalogue::{
    Account, Disclosure, Distributor, Label, LabelKind, Metadata, Network, NetworkKind, Playlist, Track,
};
pub use evidence::{Confidence, Duplicate, Evidence};
pub use id::Id;
pub use key::{Country, IdSpace, Key, KeyedPlay, Names};
pub use play::{Correction, Play, Source};
pub use policy::Policy;
pub use refusal::{Code, Refusal};
pub use risk::{Contribution, Risk, Subject, Verdict};
pub use role::{Deed, Role};
pub use ruling::{Ruled, Ruling, RulingKind, in_force};
pub use territory::Territory;

/// An instant: milliseconds since the Unix epoch, UTC.
pub type Millis = i64;
