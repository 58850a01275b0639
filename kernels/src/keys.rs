//! A neighbour as one number: less is nearer, and of two as near the lower index.

use crate::{DotNeighbour, HammingNeighbour};

pub(crate) fn key_from_distance(distance: u32, index: u32) -> u64 {
    u64::from(distance) << 32 | u64::from(index)
}

pub(crate) fn hamming_from_key(key: u64) -> HammingNeighbour {
    HammingNeighbour { index: key as u32, distance: (key >> 32) as u32 }
}

/// `None` for NaN. The greatest score gets the least key; −0 counts as 0.
pub(crate) fn key_from_score(score: f32, index: u32) -> Option<u64> {
    let bits = (score + 0.0).to_bits();
    // Floats as integers in their order: negative ones run backwards.
    let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    (!score.is_nan()).then_some(u64::from(!rising) << 32 | u64::from(index))
}

pub(crate) fn dot_from_key(key: u64) -> DotNeighbour {
    let rising = !((key >> 32) as u32);
    let bits = if rising >> 31 == 1 { rising & !(1 << 31) } else { !rising };
    DotNeighbour { index: key as u32, score: f32::from_bits(bits) }
}

/// The least `k` of the keys seen so far, in order.
#[derive(Clone, Debug)]
pub(crate) struct Least {
    k: usize,
    keys: Vec<u64>,
}

impl Least {
    pub(crate) fn new(k: usize) -> Least {
        Least { k, keys: Vec::new() }
    }

    /// A key at or above this one changes nothing.
    pub(crate) fn limit(&self) -> u64 {
        if self.keys.len() < self.k { u64::MAX } else { self.keys.last().copied().unwrap_or(0) }
    }

    pub(crate) fn offer(&mut self, key: u64) {
        if key < self.limit() {
            let place = self.keys.partition_point(|kept| *kept < key);
            self.keys.insert(place, key);
            self.keys.truncate(self.k);
        }
    }

    pub(crate) fn merge(mut self, other: Least) -> Least {
        other.keys.into_iter().for_each(|key| self.offer(key));
        self
    }

    pub(crate) fn into_keys(self) -> Vec<u64> {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greater_scores_have_lesser_keys_and_come_back_whole() {
        let falling = [f32::INFINITY, 2.0, 1.5, f32::MIN_POSITIVE, 0.0, -1e-40, -3.0, f32::NEG_INFINITY];
        let keys: Vec<u64> = falling.iter().map(|score| key_from_score(*score, 7).expect("a number")).collect();
        assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(falling.iter().zip(&keys).all(|(score, key)| dot_from_key(*key).score == *score));
        assert_eq!(key_from_score(-0.0, 1), key_from_score(0.0, 1));
        assert_eq!(key_from_score(f32::NAN, 1), None);
    }

    #[test]
    fn the_least_are_kept_in_order() {
        let mut least = Least::new(3);
        [5, 1, 4, 1_000, 2, 3].into_iter().for_each(|key| least.offer(key));
        assert_eq!(least.into_keys(), [1, 2, 3]);
        let mut none = Least::new(0);
        none.offer(1);
        assert!(none.into_keys().is_empty());
    }
}
