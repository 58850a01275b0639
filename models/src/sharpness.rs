//! From which probability on a model is sharp: hardly anybody honest comes there.
//!
//! ```text
//! probabilities of honest accounts that were held back ──▶ how many come so high ──▶ sharp_from
//! ```
//!
//! A probability says how many of those who come so high are fraud, not how many honest people come there. A model of many labels
//! is sharp from a small probability on, and money may wait for its word alone; one of few labels would at the same probability make one
//! honest account in twelve wait. So a model is taken to be sharp from one chance in two; from less where it has shown that hardly
//! anybody honest comes there, and from more where too many surely do.

use records::policy::Percent;

use crate::measures::{at_most, surely};

/// Of honest accounts no more than one in two hundred may ever come to where a model is sharp. Our judgement: half of what
/// may be held of people who listen like machines (1 %).
pub const HONEST_SHARE_MAX: f64 = 0.005;
/// From where a model counts as sharp that has shown nothing: fraud is as probable as not, in whole percent.
const UNSHOWN: u8 = 50;
/// Below this, in whole percent, no model counts as sharp. Our judgement.
const LEAST: u8 = 10;

/// The least whole percent of probability from which on a model is sharp, by the highest probabilities of accounts that
/// it did not learn from and nobody called fraud.
pub fn sharp_from(honest: &[f64]) -> Percent {
    let above = |percent: u8| honest.iter().filter(|probability| **probability >= f64::from(percent) / 100.0).count();
    let is_shown = |percent: &u8| at_most(above(*percent), honest.len()) <= HONEST_SHARE_MAX;
    let is_refuted = |percent: &u8| surely(above(*percent), honest.len()) > HONEST_SHARE_MAX;
    let shown = (LEAST..UNSHOWN).find(is_shown);
    let percent = shown.or_else(|| (UNSHOWN..100).find(|percent| !is_refuted(percent))).unwrap_or(100);
    Percent::new(percent).expect("at most 100")
}

/// From where a model counts as sharp for which nobody held accounts back.
pub fn unshown() -> Percent {
    Percent::new(UNSHOWN).expect("at most 100")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(high: &[(usize, f64)], of: usize) -> u8 {
        let mut honest: Vec<f64> = high.iter().flat_map(|(times, p)| vec![*p; *times]).collect();
        honest.resize(of, 0.001);
        sharp_from(&honest).get()
    }

    #[test]
    fn a_model_earns_an_early_word_and_loses_one_that_wrongs_people() {
        assert_eq!(at(&[], 0), 50, "nobody was held back");
        assert_eq!(at(&[], 100), 50, "of a hundred accounts none is no proof of 1 in 200");
        assert_eq!(at(&[], 800), 10, "of eight hundred it is");
        // Of 3,000 accounts six may come there (Wilson: .2 %, at most .44 %) and ten may not (.33 %, at most .61 %).
        assert_eq!(at(&[(6, 0.9)], 3_000), 10);
        assert_eq!(at(&[(6, 0.9), (4, 0.303)], 3_000), 31);
        assert_eq!(at(&[(10, 0.9)], 3_000), 50, "neither shown nor refuted");
        // One in fifty at .7: surely more than 1 in 200.
        assert_eq!(at(&[(60, 0.7)], 3_000), 71);
        assert_eq!(at(&[(3_000, 1.0)], 3_000), 100);
    }
}
