//! How sure is it that a find is no chance?

/// The least score of a find that is accepted; docs/SOUND.md has the measurement.
pub const ACCEPTED_SCORE_MIN: f32 = 7.0;

/// Whether a find of this score is accepted.
pub fn is_accepted(score: f32) -> bool {
    score >= ACCEPTED_SCORE_MIN
}

/// Scores that pieces of un-indexed recordings reached: one in ten this one, and ten times fewer per [`TENFOLD`] above it.
const ONE_IN_TEN_SCORE: f32 = 3.4;
const TENFOLD: f32 = 1.2;

/// 1 less the estimated chance that a piece of sound which is in no recording of an index reaches this score somewhere in it.
pub fn confidence(score: f32) -> f32 {
    let chance = 10_f32.powf(-1.0 - (score - ONE_IN_TEN_SCORE) / TENFOLD);
    (1.0 - chance).clamp(0.0, 1.0)
}
