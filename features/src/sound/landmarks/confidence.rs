//! How sure is it that a find is no chance?

/// The least score of a find that is accepted: above all that 10 s pieces of the development tracks reached in other tracks which are not
/// certain to hold the same recorded sound (9.2 of 4,383). docs/SOUND.md has what it gave on other music.
pub const ACCEPTED_SCORE_MIN: f32 = 9.5;

/// Whether a find of this score is accepted.
pub fn is_accepted(score: f32) -> bool {
    score >= ACCEPTED_SCORE_MIN
}

/// Of 2,566 pieces of un-indexed recordings, one in ten reached this score, and about ten times fewer each further [`TENFOLD`].
const ONE_IN_TEN_SCORE: f32 = 3.6;
const TENFOLD: f32 = 1.0;
/// So few pieces cannot prove that a chance is smaller: none in 6,949 is at most 0.0005 with 95 % confidence.
const PROVEN_CHANCE: f32 = 0.0005;

/// 1 less the estimated chance that a piece of sound which is in no recording of an index reaches this score somewhere in it.
pub fn confidence(score: f32) -> f32 {
    let chance = 10_f32.powf(-1.0 - (score - ONE_IN_TEN_SCORE) / TENFOLD);
    1.0 - chance.clamp(PROVEN_CHANCE, 1.0)
}
