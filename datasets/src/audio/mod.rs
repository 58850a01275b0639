//! Decodes audio files: bytes of anybody's making in, samples of one channel and what is known of the file out.
//!
//! ```text
//! bytes ──▶ probe ──▶ packets ──▶ decoder ──▶ limits ──▶ channels into one ──▶ Clip { samples, facts }
//!             └───────────┴──────────┴───────────┴──▶ Undecodable { cause, reason }
//! ```
//!
//! The content of a file decides what it is; its name is never asked. Decoders are written for honest files and have
//! bugs: whoever decodes a stranger's file does so in a process of its own (`truestream scan`), through [`decode_into`].

mod clip;
mod decode;
mod limits;
mod mono;
mod opus;
mod undecodable;

pub use clip::{Clip, Facts, Level};
pub use decode::{decode, decode_into};
pub use limits::Limits;
pub use undecodable::{Cause, Undecodable};
