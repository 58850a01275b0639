//! What can be heard in a recording, as numbers and prints.
//!
//! ```text
//! samples ─┬─▶ landmarks ──▶ which recordings share this sound, at which speed and pitch
//!          ├─▶ sanity ─────▶ silence, clipping, loops, noise, missing treble, loudness
//!          ├─▶ synthesis ──▶ the lines that a neural decoder leaves
//!          └─▶ timbre ─────▶ what it sounds like, and who sings
//! ```

pub mod landmarks;
#[cfg(test)]
mod noise;
pub mod sanity;
pub mod synthesis;
pub mod timbre;
