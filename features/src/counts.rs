//! How often each value occurs, over several windows at once, and how those counts are spread.

use hashbrown::HashTable;

use crate::row::Entropy;
use crate::tally::{WindowSet, each};

/// Up to so many values a scan of them, three cache lines, stands in for a hash table.
const SCANNED_MAX: usize = 24;

/// Counts per value and window. Values that count in no window are forgotten.
#[derive(Clone, Debug)]
pub struct Counts {
    windows: usize,
    values: Vec<u64>,
    /// `windows` counts for each value, shortest window first.
    counts: Vec<u32>,
    /// Where each value stands, once there are more than [`SCANNED_MAX`].
    places: Option<Box<HashTable<u32>>>,
}

impl Counts {
    /// No values, over so many windows.
    pub fn new(windows: usize) -> Counts {
        Counts { windows, values: Vec::new(), counts: Vec::new(), places: None }
    }

    /// Adds one to the value's counts in the windows, or takes one away; tells each window's count before and after.
    pub fn count(&mut self, value: u64, windows: WindowSet, enters: bool, mut tell: impl FnMut(usize, u32, u32)) {
        let place = match self.find(value) {
            Some(place) => place,
            None => self.push(value),
        };
        let counts = &mut self.counts[place * self.windows..][..self.windows];
        for window in each(windows) {
            let from = counts[window];
            let to = if enters { from + 1 } else { from - 1 };
            counts[window] = to;
            tell(window, from, to);
        }
        // Windows are nested: what is absent from the longest is absent from all.
        if !enters && counts[self.windows - 1] == 0 {
            self.remove(place);
        }
    }

    /// How often the value occurs in the window.
    pub fn get(&self, value: u64, window: usize) -> u32 {
        self.find(value).map_or(0, |place| self.counts[place * self.windows + window])
    }

    /// The values with their counts in the longest window, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.values.iter().copied().zip(self.counts.iter().skip(self.windows - 1).step_by(self.windows).copied())
    }

    /// How many values occur in the longest window.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no value occurs.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn find(&self, value: u64) -> Option<usize> {
        match &self.places {
            None => self.values.iter().position(|v| *v == value),
            Some(places) => {
                places.find(hash(value), |place| self.values[*place as usize] == value).map(|place| *place as usize)
            }
        }
    }

    fn push(&mut self, value: u64) -> usize {
        let place = self.values.len();
        self.values.push(value);
        self.counts.resize(self.counts.len() + self.windows, 0);
        let values = &self.values;
        match &mut self.places {
            Some(places) => {
                places.insert_unique(hash(value), place as u32, |place| hash(values[*place as usize]));
            }
            None if place >= SCANNED_MAX => {
                let mut places = HashTable::with_capacity(2 * SCANNED_MAX);
                for (place, value) in values.iter().enumerate() {
                    places.insert_unique(hash(*value), place as u32, |place| hash(values[*place as usize]));
                }
                self.places = Some(Box::new(places));
            }
            None => {}
        }
        place
    }

    /// The last value takes the place of the removed one.
    fn remove(&mut self, place: usize) {
        let last = self.values.len() - 1;
        if let Some(places) = &mut self.places {
            if let Ok(entry) = places.find_entry(hash(self.values[place]), |p| *p as usize == place) {
                entry.remove();
            }
            if place != last
                && let Some(moved) = places.find_mut(hash(self.values[last]), |p| *p as usize == last)
            {
                *moved = place as u32;
            }
        }
        self.values.swap_remove(place);
        let (kept, end) = self.counts.split_at_mut(last * self.windows);
        if place != last {
            kept[place * self.windows..][..self.windows].copy_from_slice(end);
        }
        self.counts.truncate(last * self.windows);
        if self.values.len() <= SCANNED_MAX / 2 {
            self.places = None;
        }
        if self.values.is_empty() {
            self.values = Vec::new();
            self.counts = Vec::new();
        }
    }
}

fn hash(value: u64) -> u64 {
    // Fibonacci hashing with the high bits folded in, for hashbrown takes its tag from the top and its slot from the bottom.
    let mixed = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

/// How many values occur how often: `(count, values)` by rising count. The largest count, the sum of squares and the
/// entropy follow from it exactly, whatever was added and taken back before.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    /// At most √(2·plays) long, since different counts add up.
    values_by_count: Vec<(u32, u32)>,
}

impl Spread {
    /// A value's count went from `from` to `to`; zero means that it is absent.
    pub fn shift(&mut self, from: u32, to: u32) {
        if from > 0
            && let Ok(at) = self.at(from)
        {
            self.values_by_count[at].1 -= 1;
            if self.values_by_count[at].1 == 0 {
                if let (true, Err(_)) = (to > 0, self.at(to)) {
                    // The neighbour's place is free: the common step of one needs no move of the rest.
                    self.values_by_count[at] = (to, 1);
                    return;
                }
                self.values_by_count.remove(at);
            }
        }
        if to > 0 {
            match self.at(to) {
                Ok(at) => self.values_by_count[at].1 += 1,
                Err(at) => self.values_by_count.insert(at, (to, 1)),
            }
        }
    }

    /// The largest count.
    pub fn top(&self) -> u32 {
        self.values_by_count.last().map_or(0, |(count, _)| *count)
    }

    /// The entropy of the counts, which sum to `total`: H = ln N − (Σ c ln c) / N (Shannon 1948, in nats).
    pub fn entropy(&self, total: u32) -> Entropy {
        if total == 0 {
            return Entropy::default();
        }
        let weighted: f64 = self
            .values_by_count
            .iter()
            .map(|(count, values)| f64::from(*values) * f64::from(*count) * f64::from(*count).ln())
            .sum();
        let total = f64::from(total);
        Entropy::from_nats(total.ln() - weighted / total)
    }

    fn at(&self, count: u32) -> Result<usize, usize> {
        self.values_by_count.binary_search_by_key(&count, |(count, _)| *count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// The obvious twin: one map per window.
    fn recount(present: &[(u64, WindowSet)], windows: usize) -> Vec<HashMap<u64, u32>> {
        let mut counts = vec![HashMap::new(); windows];
        for (value, set) in present {
            for window in each(*set) {
                *counts[window].entry(*value).or_insert(0) += 1;
            }
        }
        counts
    }

    proptest! {
        /// Whatever enters and leaves, counts, distinct values, top and entropy are those of what is present.
        #[test]
        fn counts_equal_a_recount(steps in prop::collection::vec((0_u64..60, 0_usize..3, any::<bool>()), 1..400)) {
            let windows = 3;
            let mut counts = Counts::new(windows);
            let mut spread = vec![Spread::default(); windows];
            let mut present: Vec<(u64, WindowSet)> = Vec::new();
            for (value, shortest, leaves) in steps {
                let step = |counts: &mut Counts, spread: &mut Vec<Spread>, value, set, enters| {
                    counts.count(value, set, enters, |window, from, to| spread[window].shift(from, to));
                };
                if leaves && !present.is_empty() {
                    let (value, set) = present.swap_remove(value as usize % present.len());
                    step(&mut counts, &mut spread, value, set, false);
                } else {
                    // Nested: the window and every longer one.
                    let set = (0b111 << shortest) & 0b111;
                    present.push((value, set));
                    step(&mut counts, &mut spread, value, set, true);
                }
                let twin = recount(&present, windows);
                for (window, twin) in twin.iter().enumerate() {
                    for value in 0..60 {
                        prop_assert_eq!(counts.get(value, window), twin.get(&value).copied().unwrap_or(0));
                    }
                    prop_assert_eq!(spread[window].top(), twin.values().copied().max().unwrap_or(0));
                    let total: u32 = twin.values().sum();
                    let exact: f64 = twin.values().map(|c| f64::from(*c) / f64::from(total)).map(|p| -p * p.ln()).sum();
                    prop_assert!((spread[window].entropy(total).nats() - exact.max(0.0)).abs() < 1e-9);
                }
                prop_assert_eq!(counts.len(), twin[windows - 1].len());
            }
        }
    }
}
