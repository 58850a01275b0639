//! Counts that can be taken back: of a few values in a row, and of counts themselves.

/// How often each of a few values occurs; a handful is found fastest by looking along the row.
#[derive(Debug)]
pub struct Few<V>(Vec<(V, u32)>);

impl<V> Default for Few<V> {
    fn default() -> Few<V> {
        Few(Vec::new())
    }
}

impl<V: PartialEq> Few<V> {
    /// Counts the value once more or once less.
    pub fn change(&mut self, value: V, diff: isize) {
        match self.0.iter().position(|(known, _)| *known == value) {
            Some(place) => {
                let count = &mut self.0[place].1;
                *count = count.wrapping_add_signed(diff as i32);
                if *count == 0 {
                    self.0.swap_remove(place);
                }
            }
            None => self.0.push((value, diff as u32)),
        }
    }

    /// Distinct values.
    pub fn distinct(&self) -> u32 {
        self.0.len() as u32
    }
}

/// How many values have which count: the largest count, the sum of squares and the entropy follow without a scan
/// over the values.
#[derive(Debug, Default)]
pub struct CountsOfCounts {
    /// `having[c]` values have the count `c`; the last entry is never zero.
    having: Vec<u32>,
    /// Values with a count above zero.
    pub distinct: u32,
    /// Sum of the squares of all counts.
    pub sum_squares: u64,
}

impl CountsOfCounts {
    /// A value's count goes from `before` to `after`.
    pub fn shift(&mut self, before: u32, after: u32) {
        let (before, after) = (before as usize, after as usize);
        if self.having.len() <= before.max(after) {
            self.having.resize(before.max(after) + 1, 0);
        }
        if before > 0 {
            self.having[before] -= 1;
            self.distinct -= 1;
        }
        if after > 0 {
            self.having[after] += 1;
            self.distinct += 1;
        }
        self.sum_squares = self.sum_squares + (after * after) as u64 - (before * before) as u64;
        while self.having.last() == Some(&0) {
            self.having.pop();
        }
    }

    /// The largest count.
    pub fn top(&self) -> u32 {
        self.having.len().saturating_sub(1) as u32
    }

    /// Sum of `c ln c` over the counts.
    pub fn count_times_ln(&self) -> f64 {
        let of = |(count, values): (usize, &u32)| f64::from(*values) * count as f64 * (count as f64).ln();
        self.having.iter().enumerate().skip(2).filter(|(_, values)| **values > 0).map(of).sum()
    }
}
