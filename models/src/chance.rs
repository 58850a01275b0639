//! Chance that depends on the seed alone: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream of this seed for this purpose.
    pub fn of(seed: u64, purpose: u64) -> Chance {
        let mut chance = Chance(seed ^ purpose.wrapping_mul(0xA24B_AED4_963E_E407));
        chance.next();
        chance
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number below `end`; by multiplication (Lemire 2019), its bias is below `end` / 2^64.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// So many of the numbers below `end`, in ascending order (Knuth, The Art of Computer Programming 2, algorithm S).
    pub fn some(&mut self, count: usize, end: usize) -> Vec<usize> {
        let mut wanted = count.min(end);
        let mut chosen = Vec::with_capacity(wanted);
        for number in 0..end {
            if self.below(end - number) < wanted {
                chosen.push(number);
                wanted -= 1;
            }
        }
        chosen
    }
}
