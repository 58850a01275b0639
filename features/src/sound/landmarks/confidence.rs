//! How sure is it that a find is no chance?
//!
//! ```text
//! score ──▶ how often a part that is nowhere reached as much (measured, then continued) ──▶ times the parts, and the hours that were searched
//! ```

/// The least score of a find that is accepted: above all that 10 s pieces of the development tracks reached in other tracks which are not
/// certain to hold the same recorded sound (9.2 of 4,383). docs/SOUND.md has what it gave on other music.
pub const ACCEPTED_SCORE_MIN: f32 = 9.5;

/// Whether a find of this score is accepted.
pub fn is_accepted(score: f32) -> bool {
    score >= ACCEPTED_SCORE_MIN
}

/// Scores that one in so many parts of 10 s reached which were in no recording of the index, and their highest: 5,261 parts of the test
/// split (`benches/results/2026-11-23-fingerprints.md`).
const MEASURED: [(f32, f64); 4] = [(3.56, 10.0), (4.76, 100.0), (6.12, 1_000.0), (8.5, 5_261.0)];
/// Hours of music in that index.
const MEASURED_HOURS: f64 = 13.8;

/// The estimated chance that a part of 10 s which is in no recording reaches this score somewhere in 13.8 h of music.
///
/// Between the measured scores its logarithm is straight. Behind the highest it falls as between the last two: that stretch is the
/// flattest, so what is said of high scores is rather too modest. It is extrapolated all the same.
fn chance(score: f32) -> f64 {
    let above = MEASURED.iter().position(|(measured, _)| score < *measured).unwrap_or(MEASURED.len());
    let last = above.clamp(1, MEASURED.len() - 1);
    let ((low, low_one_in), (high, high_one_in)) = (MEASURED[last - 1], MEASURED[last]);
    let along = f64::from(score - low) / f64::from(high - low);
    (low_one_in.ln() + along * (high_one_in / low_one_in).ln()).exp().recip().min(1.0)
}

/// 1 less the estimated chance that a file of so many parts, none of which is in any recording, reaches this score in so many hours of music.
pub fn confidence(score: f32, parts: usize, hours: f64) -> f64 {
    // At most the sum of the chances of each part in each stretch of music: no independence is needed.
    1.0 - (chance(score) * parts as f64 * (hours / MEASURED_HOURS).max(1.0)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_score_is_surer_and_more_searching_is_less_sure() {
        for (score, one_in) in MEASURED {
            assert!((chance(score) * one_in - 1.0).abs() < 1e-9, "{score}");
        }
        let scores = (0..400).map(|tenth| tenth as f32 / 10.0);
        let of = |parts, hours| scores.clone().map(move |score| confidence(score, parts, hours)).collect::<Vec<f64>>();
        let (one, ten, large) = (of(1, 1.0), of(10, 13.8), of(10, 1_380.0));
        assert!(one.is_sorted() && one.windows(2).filter(|pair| pair[0] < pair[1]).count() > 350, "{one:?}");
        assert!(one.iter().zip(&ten).all(|(one, ten)| one >= ten));
        assert!(ten.iter().zip(&large).all(|(small, large)| small >= large));
        // What is just accepted is sure in a small index, and less so where a hundred times as much was searched.
        let accepted = |parts, hours| confidence(ACCEPTED_SCORE_MIN, parts, hours);
        assert!(accepted(1, 13.8) > 0.9998 && accepted(18, 13.8) > 0.997 && accepted(18, 1_380.0) < 0.9);
        assert!(confidence(25.0, 18, 1_380.0) > 0.9999);
    }
}
