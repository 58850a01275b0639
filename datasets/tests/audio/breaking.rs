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

/// How long a test of random damage goes on: `TRUESTREAM_FUZZ_SECS` asks for more than a moment.
pub fn fuzzed_for() -> std::time::Duration {
    std::time::Duration::from_secs_f64(number_of("TRUESTREAM_FUZZ_SECS").unwrap_or(1.5))
}

/// Where random damage begins: `TRUESTREAM_FUZZ_SEED` asks for another than the usual one. It is printed.
pub fn fuzz_seed() -> u64 {
    let seed = number_of("TRUESTREAM_FUZZ_SEED").unwrap_or(1.0) as u64;
    println!("TRUESTREAM_FUZZ_SEED={seed}");
    seed << 32
}

fn number_of(name: &str) -> Option<f64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// One of the files, broken several times, and now and then joined with another; what a reader of Ogg would refuse at once for its checksum has
/// a right one.
pub fn mangled(good: &[(String, Vec<u8>)], seed: u64) -> (String, Vec<u8>) {
    let mut chance = Chance(seed ^ 0x5DEE_CE66_D1CE_4E5B);
    let (name, bytes) = &good[chance.below(good.len())];
    let mut bytes = bytes.clone();
    for _ in 0..1 + chance.below(4) {
        // Too little to be damaged in every way.
        if bytes.len() >= 8 {
            bytes = broken(&bytes, chance.next());
        }
    }
    if chance.below(6) == 0 {
        let (_, other) = &good[chance.below(good.len())];
        let at = chance.below(bytes.len() + 1);
        bytes.splice(at..at, other[chance.below(other.len())..].iter().copied());
    }
    mend_pages(&mut bytes);
    (name.clone(), bytes)
}

/// Gives every page of Ogg its checksum (RFC 3533, section 6), so that what is in the pages is read.
pub fn mend_pages(bytes: &mut [u8]) {
    const HEADER: usize = 27;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(4).position(|four| four == b"OggS")) {
        let begin = at + found;
        at = begin + 4;
        let Some(&lacings) = bytes.get(begin + HEADER - 1) else { return };
        let Some(table) = bytes.get(begin + HEADER..begin + HEADER + usize::from(lacings)) else { return };
        let end =
            begin + HEADER + usize::from(lacings) + table.iter().map(|lacing| usize::from(*lacing)).sum::<usize>();
        let Some(page) = bytes.get_mut(begin..end) else { continue };
        page[22..26].fill(0);
        let mut sum = 0_u32;
        for byte in &*page {
            sum ^= u32::from(*byte) << 24;
            (0..8).for_each(|_| sum = if sum >> 31 == 1 { sum << 1 ^ 0x04C1_1DB7 } else { sum << 1 });
        }
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        at = end;
    }
}
