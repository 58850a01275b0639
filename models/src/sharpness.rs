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
/// it did not learn from and nobody called fraud, each with the number of accounts that it was drawn from.
pub fn sharp_from(honest: &[(f64, f64)]) -> Percent {
    let sum = |of: fn(f64) -> f64| honest.iter().map(|(_, weight)| of(*weight)).sum::<f64>();
    let all = sum(|weight| weight);
    // So many accounts of one weight tell as much (Kish 1965).
    let accounts = if all > 0.0 { all * all / sum(|weight| weight * weight) } else { 0.0 };
    let above = |percent: u8| {
        let least = f64::from(percent) / 100.0;
        let above = honest.iter().filter(|(probability, _)| *probability >= least).map(|(_, weight)| weight);
        above.sum::<f64>() / all.max(1.0) * accounts
    };
    let of = accounts.round() as usize;
    let is_shown = |percent: &u8| at_most((above(*percent) - 1e-6).ceil() as usize, of) <= HONEST_SHARE_MAX;
    let is_refuted = |percent: &u8| surely((above(*percent) + 1e-6) as usize, of) > HONEST_SHARE_MAX;
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
        let mut honest: Vec<(f64, f64)> = high.iter().flat_map(|(times, p)| vec![(*p, 1.0); *times]).collect();
        honest.resize(of, (0.001, 1.0));
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
        // Look-alikes that are all there, beside a sample of one in ten of everybody: twenty of them are fewer than twenty of the others.
        let world = |look_alikes: usize, others: usize| {
            let high = [vec![(0.9, 1.0); look_alikes], vec![(0.9, 10.0); others]].concat();
            let low = [vec![(0.001, 1.0); 200], vec![(0.001, 10.0); 2_000]].concat();
            sharp_from(&[high, low].concat()).get()
        };
        assert_eq!([world(20, 0), world(0, 20)], [10, 91]);
    }
}
