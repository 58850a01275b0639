//! How often each value of each kind occurs for one key, over several nested windows at once.
//!
//! ```text
//! few values of a kind ──▶ one block, kinds side by side, scanned ──(more than 31)──▶ a hash table of that kind
//! ```
//!
//! What a play touches lies together: most keys are one block of memory, and large ones have a table or two beside it.

use hashbrown::HashTable;

use crate::row::Entropy;
use crate::tally::{WindowSet, each};

/// Kinds of values that a key can have.
pub const KINDS_MAX: usize = 8;
/// A kind of so many values at most is scanned: with eight kinds, places in the block fit a byte.
const FEW_MAX: usize = 31;

/// A value and how often it occurs in each window, shortest first.
#[derive(Clone, Copy, Debug)]
struct Entry<const W: usize> {
    value: u64,
    counts: [u32; W],
}

impl<const W: usize> Entry<W> {
    /// Moves the counts by one and tells each window's count before and after; says whether the value is gone.
    fn count(&mut self, windows: WindowSet, enters: bool, mut tell: impl FnMut(usize, u32, u32)) -> bool {
        for window in each(windows) {
            let from = self.counts[window];
            let to = if enters { from + 1 } else { from - 1 };
            self.counts[window] = to;
            tell(window, from, to);
        }
        !enters && self.counts == [0; W]
    }
}

/// Counts per kind, value and window. Values that count in no window are forgotten. The values of kind 0 are the shares:
/// how they are spread is known too.
#[derive(Clone, Debug)]
pub struct Counts<const W: usize> {
    few: Few<W>,
    many: Option<Box<Many<W>>>,
}

/// The entries of kind `k` stand from `ends[k - 1]` to `ends[k]`, in no particular order.
#[derive(Clone, Debug)]
struct Few<const W: usize> {
    ends: [u8; KINDS_MAX],
    entries: Vec<Entry<W>>,
}

/// Kinds that outgrew the block.
#[derive(Clone, Debug)]
struct Many<const W: usize> {
    tables: [Option<HashTable<Entry<W>>>; KINDS_MAX],
    shares: [Spread; W],
}

impl<const W: usize> Default for Counts<W> {
    fn default() -> Counts<W> {
        Counts { few: Few { ends: [0; KINDS_MAX], entries: Vec::new() }, many: None }
    }
}

impl<const W: usize> Counts<W> {
    /// Adds one to the value's counts in the windows, or takes one away; tells each window's count before and after.
    pub fn count(
        &mut self,
        kind: usize,
        value: u64,
        windows: WindowSet,
        enters: bool,
        mut tell: impl FnMut(usize, u32, u32),
    ) {
        if let Some(many) = &mut self.many
            && let Some(table) = &mut many.tables[kind]
        {
            let shares = &mut many.shares;
            let tell = |window: usize, from, to| {
                if kind == 0 {
                    shares[window].shift(from, to);
                }
                tell(window, from, to);
            };
            let found = table.entry(hash(value), |entry| entry.value == value, |entry| hash(entry.value));
            let mut entry = found.or_insert_with(|| Entry { value, counts: [0; W] });
            if entry.get_mut().count(windows, enters, tell) {
                entry.remove();
            }
            return;
        }
        self.few.count(kind, value, windows, enters, tell);
        if self.few.kind(kind).len() > FEW_MAX {
            self.outgrow(kind);
        }
    }

    /// The kind gets a table of its own.
    fn outgrow(&mut self, kind: usize) {
        let mut table = HashTable::with_capacity(2 * FEW_MAX);
        for entry in self.few.take(kind) {
            table.insert_unique(hash(entry.value), entry, |entry| hash(entry.value));
        }
        let many = self.many.get_or_insert_with(|| {
            Box::new(Many { tables: Default::default(), shares: std::array::from_fn(|_| Spread::default()) })
        });
        if kind == 0 {
            many.shares = std::array::from_fn(|window| Spread::of(table.iter().map(|entry| entry.counts[window])));
        }
        many.tables[kind] = Some(table);
    }

    /// Reads the count of the value if its kind has a table, where every look costs a way to memory: whoever reads
    /// before it counts finds the way short.
    pub fn look(&self, kind: usize, value: u64) -> u32 {
        let found = self.table(kind).and_then(|table| table.find(hash(value), |entry| entry.value == value));
        found.map_or(0, |entry| entry.counts[0])
    }

    /// Reads the beginning of the block and of what lies beside it.
    pub fn look_at_all(&self) -> u32 {
        let few = self.few.entries.first().map_or(0, |entry| entry.counts[0]);
        few ^ self.many.as_ref().map_or(0, |many| many.tables[0].is_some().into())
    }

    fn table(&self, kind: usize) -> Option<&HashTable<Entry<W>>> {
        self.many.as_ref()?.tables[kind].as_ref()
    }

    /// The largest share in the window.
    pub fn top(&self, window: usize) -> u32 {
        match (&self.many, self.table(0)) {
            (Some(many), Some(_)) => many.shares[window].top(),
            _ => self.few.kind(0).iter().map(|entry| entry.counts[window]).max().unwrap_or(0),
        }
    }

    /// The entropy of the shares in the window, which sum to `total`.
    pub fn entropy(&self, window: usize, total: u32) -> Entropy {
        match (&self.many, self.table(0)) {
            (Some(many), Some(_)) => many.shares[window].entropy(total),
            _ => Spread::of(self.few.kind(0).iter().map(|entry| entry.counts[window])).entropy(total),
        }
    }

    /// The values of the kind with their counts in the window, in no particular order.
    pub fn values(&self, kind: usize, window: usize) -> Vec<(u64, u32)> {
        let count = |entry: &Entry<W>| (entry.value, entry.counts[window]);
        match self.table(kind) {
            Some(table) => table.iter().map(count).collect(),
            None => self.few.kind(kind).iter().map(count).collect(),
        }
    }

    /// How many values of the kind there are in any window.
    pub fn len(&self, kind: usize) -> usize {
        self.table(kind).map_or(self.few.kind(kind).len(), HashTable::len)
    }

    /// Whether there is no value of any kind.
    pub fn is_empty(&self) -> bool {
        (0..KINDS_MAX).all(|kind| self.len(kind) == 0)
    }
}

impl<const W: usize> Few<W> {
    fn start(&self, kind: usize) -> usize {
        if kind == 0 { 0 } else { usize::from(self.ends[kind - 1]) }
    }

    fn kind(&self, kind: usize) -> &[Entry<W>] {
        &self.entries[self.start(kind)..usize::from(self.ends[kind])]
    }

    fn count(&mut self, kind: usize, value: u64, windows: WindowSet, enters: bool, tell: impl FnMut(usize, u32, u32)) {
        let start = self.start(kind);
        let place = match self.kind(kind).iter().position(|entry| entry.value == value) {
            Some(place) => start + place,
            None => self.insert(kind, Entry { value, counts: [0; W] }),
        };
        if self.entries[place].count(windows, enters, tell) {
            self.remove(kind, place);
        }
    }

    /// Makes room at the end of the kind: the first entry of each later kind goes behind its last.
    fn insert(&mut self, kind: usize, entry: Entry<W>) -> usize {
        let mut hole = self.entries.len();
        self.entries.push(entry);
        for later in (kind + 1..KINDS_MAX).rev() {
            let first = self.start(later);
            self.entries.swap(first, hole);
            self.ends[later] += 1;
            hole = first;
        }
        self.ends[kind] += 1;
        hole
    }

    /// Fills the gap with the last entry of the kind, its gap with the last of the next kind, and so on.
    fn remove(&mut self, kind: usize, place: usize) {
        let mut hole = place;
        for next in kind..KINDS_MAX {
            if usize::from(self.ends[next]) > hole {
                let last = usize::from(self.ends[next]) - 1;
                self.entries.swap(hole, last);
                hole = last;
            }
        }
        self.ends[kind..].iter_mut().for_each(|end| *end -= 1);
        self.entries.pop();
    }

    /// Takes all entries of the kind out of the block.
    fn take(&mut self, kind: usize) -> Vec<Entry<W>> {
        let (start, end) = (self.start(kind), usize::from(self.ends[kind]));
        self.ends[kind..].iter_mut().for_each(|ends| *ends -= (end - start) as u8);
        self.entries.drain(start..end).collect()
    }
}

fn hash(value: u64) -> u64 {
    // Fibonacci hashing with the high bits folded in, for hashbrown takes its tag from the top and its slot from the bottom.
    let mixed = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

/// How many values occur how often: `(count, values)` by rising count. The largest count and the entropy follow from it
/// exactly, whatever was added and taken back before.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    /// At most √(2·plays) long, since different counts add up.
    values_by_count: Vec<(u32, u32)>,
}

impl Spread {
    /// The spread of these counts; zeros are absent values.
    pub fn of(counts: impl Iterator<Item = u32>) -> Spread {
        let mut counts: Vec<u32> = counts.filter(|count| *count > 0).collect();
        counts.sort_unstable();
        let same = counts.chunk_by(|a, b| a == b);
        Spread { values_by_count: same.map(|same| (same[0], same.len() as u32)).collect() }
    }

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
        // Always by rising count, so that equal counts give equal bits.
        let once = |count: u32| f64::from(count) * f64::from(count).ln();
        let weighted: f64 = self
            .values_by_count
            .iter()
            .filter(|(count, _)| *count > 1)
            .map(|(count, n)| f64::from(*n) * once(*count))
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

    const W: usize = 3;
    const VALUES: u64 = 90;

    /// The obvious twin: one map per kind and window.
    fn recount(present: &[(usize, u64, WindowSet)]) -> HashMap<(usize, usize), HashMap<u64, u32>> {
        let mut counts: HashMap<(usize, usize), HashMap<u64, u32>> = HashMap::new();
        for (kind, value, set) in present {
            for window in each(*set) {
                *counts.entry((*kind, window)).or_default().entry(*value).or_insert(0) += 1;
            }
        }
        counts
    }

    proptest! {
        /// Whatever enters and leaves, few values or many: counts, distinct values, top and entropy are those of what is there.
        #[test]
        fn counts_equal_a_recount(
            steps in prop::collection::vec((0..KINDS_MAX, 0..VALUES, 0..W, 0_u8..10), 1..900),
            leaving in 1_u8..8,
        ) {
            let mut counts = Counts::<W>::default();
            let mut distinct: HashMap<(usize, usize), i64> = HashMap::new();
            let mut present: Vec<(usize, u64, WindowSet)> = Vec::new();
            for (kind, value, shortest, chance) in steps {
                let leaves = chance < leaving && !present.is_empty();
                let (kind, value, set) = match leaves {
                    true => present.swap_remove(value as usize % present.len()),
                    // Nested: the window and every longer one.
                    false => (kind, value, (0b111 << shortest) & 0b111),
                };
                counts.count(kind, value, set, !leaves, |window, from, to| {
                    *distinct.entry((kind, window)).or_default() += i64::from(from == 0) - i64::from(to == 0);
                });
                if !leaves {
                    present.push((kind, value, set));
                }
            }
            let twin = recount(&present);
            for window in 0..W {
                for kind in 0..KINDS_MAX {
                    let expected = twin.get(&(kind, window)).cloned().unwrap_or_default();
                    let found: HashMap<u64, u32> =
                        counts.values(kind, window).into_iter().filter(|(_, count)| *count > 0).collect();
                    prop_assert_eq!(distinct.get(&(kind, window)).copied().unwrap_or(0), expected.len() as i64);
                    prop_assert_eq!(found, expected);
                }
                let shares = twin.get(&(0, window)).cloned().unwrap_or_default();
                prop_assert_eq!(counts.top(window), shares.values().copied().max().unwrap_or(0));
                let total: u32 = shares.values().sum();
                let exact: f64 = shares.values().map(|c| f64::from(*c) / f64::from(total)).map(|p| -p * p.ln()).sum();
                prop_assert!((counts.entropy(window, total).nats() - exact.max(0.0)).abs() < 1e-9);
            }
        }
    }
}
