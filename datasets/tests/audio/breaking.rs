//! Breaks files at random, the same way for the same seed.

/// A small generator of numbers, the same everywhere (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Breaks the file in one of the ways that files break, or are broken.
pub fn broken(good: &[u8], seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    let mut bytes = good.to_vec();
    let len = bytes.len();
    match chance.below(8) {
        0 => bytes.truncate(chance.below(len)),
        1 => (0..1 + chance.below(16)).for_each(|_| bytes[chance.below(len)] ^= 1 << chance.below(8)),
        // Headers are where lengths and counts stand.
        2 => (0..1 + chance.below(8)).for_each(|_| bytes[chance.below(len.min(256))] = chance.next() as u8),
        3 => {
            let at = chance.below(len.min(512).saturating_sub(4));
            let extreme = [u32::MAX, 0, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0][chance.below(5)];
            bytes[at..at + 4].copy_from_slice(&extreme.to_be_bytes());
        }
        4 => {
            let (from, to) = (chance.below(len), chance.below(len));
            bytes.drain(from.min(to)..from.max(to));
        }
        5 => {
            let at = chance.below(len);
            let noise: Vec<u8> = (0..chance.below(2_000)).map(|_| chance.next() as u8).collect();
            bytes.splice(at..at, noise);
        }
        6 => {
            let at = chance.below(len);
            let again = bytes[chance.below(len)..].to_vec();
            bytes.splice(at..at, again);
        }
        _ => {
            let (from, count) = (chance.below(len), chance.below(600));
            bytes.iter_mut().skip(from).take(count).for_each(|byte| *byte = 0);
        }
    }
    bytes
}
