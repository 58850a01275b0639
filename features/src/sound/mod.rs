//! What can be heard in a recording, as numbers and prints.
//!
//! ```text
//! samples ──▶ landmarks ──▶ which recordings share this sound, at which speed and pitch
//! ```

pub mod landmarks;
