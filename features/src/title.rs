//! Titles as they are compared: plain words, a hash in which near titles differ by few bits, and who is near whom.
//!
//! ```text
//! title ──▶ plain words ──▶ trigrams ──▶ 64 bits ──▶ blocks ──▶ candidates ──▶ those within so many bits
//! ```
//!
//! The hash is Charikar's (2002), found by blocks as Manku, Jain and Das Sarma (2007) do: of hashes that differ in d bits at least one of
//! d + 1 blocks is the same.

use hashbrown::{HashMap, HashSet};

/// The words of a title in lower case, with single spaces; what is neither letter nor digit parts words, and every number is `0`, so that
/// the parts of a series are one title.
pub fn plain(title: &str) -> String {
    let mut plain = String::with_capacity(title.len());
    let mut in_number = false;
    for letter in title.to_lowercase().chars() {
        let is_digit = letter.is_numeric();
        if !letter.is_alphanumeric() {
            if !plain.is_empty() && !plain.ends_with(' ') {
                plain.push(' ');
            }
        } else if !is_digit {
            plain.push(letter);
        } else if !in_number {
            plain.push('0');
        }
        in_number = is_digit;
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// How many words a plain title has.
pub fn words(plain: &str) -> u64 {
    plain.split(' ').filter(|word| !word.is_empty()).count() as u64
}

/// How often the word of at least four letters that stands most often in a plain title does; 0 without one.
pub fn repeats(plain: &str) -> u64 {
    let mut times: HashMap<&str, u64> = HashMap::new();
    let long = plain.split(' ').filter(|word| word.chars().count() >= 4);
    long.for_each(|word| *times.entry(word).or_default() += 1);
    times.into_values().max().unwrap_or(0)
}

/// Whether the words of the phrase stand in a plain title, one after the other.
pub fn says(plain: &str, phrase: &str) -> bool {
    let ends = |at: usize| matches!(plain[at..].chars().next(), None | Some(' '));
    let begins = |at: usize| at == 0 || plain[..at].ends_with(' ');
    plain.match_indices(phrase).any(|(at, found)| begins(at) && ends(at + found.len()))
}

/// The hash of a plain title: each bit is what most of its trigrams of letters (with a space before and after) have there.
pub fn simhash(plain: &str) -> u64 {
    let letters: Vec<char> = std::iter::once(' ').chain(plain.chars()).chain([' ']).collect();
    let mut weights = [0_i32; 64];
    for trigram in letters.windows(3) {
        let hash = hash_of(trigram);
        for (bit, weight) in weights.iter_mut().enumerate() {
            *weight += if hash >> bit & 1 == 1 { 1 } else { -1 };
        }
    }
    weights.iter().enumerate().fold(0, |hash, (bit, weight)| hash | u64::from(*weight > 0) << bit)
}

/// FNV-1a (Fowler, Noll, Vo) over the letters as numbers, mixed by MurmurHash3's finalizer.
fn hash_of(letters: &[char]) -> u64 {
    let step = |hash: u64, letter: &char| (hash ^ u64::from(*letter)).wrapping_mul(0x0100_0000_01B3);
    let hash = letters.iter().fold(0xCBF2_9CE4_8422_2325, step);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ (hash >> 33)
}

/// Hashes that can be asked which of them are near.
#[derive(Clone, Debug)]
pub struct Neighbours {
    bits_max: u32,
    /// By block and what stands in it.
    blocks: HashMap<(u32, u64), HashSet<u64>>,
}

impl Neighbours {
    /// Of hashes that differ in at most so many bits, 0 to 31.
    pub fn within(bits_max: u32) -> Neighbours {
        Neighbours { bits_max: bits_max.min(31), blocks: HashMap::new() }
    }

    /// The blocks of a hash: one more than bits may differ, the last one with what is left over.
    fn blocks_of(&self, hash: u64) -> impl Iterator<Item = (u32, u64)> + use<> {
        let count = self.bits_max + 1;
        let width = 64 / count;
        (0..count).map(move |block| {
            let rest = hash >> (block * width);
            (block, if block + 1 == count || width == 64 { rest } else { rest & ((1 << width) - 1) })
        })
    }

    /// Adds a hash.
    pub fn insert(&mut self, hash: u64) {
        for block in self.blocks_of(hash) {
            self.blocks.entry(block).or_default().insert(hash);
        }
    }

    /// Takes a hash out.
    pub fn remove(&mut self, hash: u64) {
        for block in self.blocks_of(hash) {
            if let Some(hashes) = self.blocks.get_mut(&block) {
                hashes.remove(&hash);
            }
        }
    }

    /// The hashes that differ from this one in at most so many bits, no more than it was made for; in order, itself among them if it is in.
    pub fn near(&self, hash: u64, bits: u32) -> Vec<u64> {
        let hashes = self.blocks_of(hash).filter_map(|block| self.blocks.get(&block)).flatten().copied();
        let mut near: Vec<u64> =
            hashes.filter(|other| (other ^ hash).count_ones() <= bits.min(self.bits_max)).collect();
        near.sort_unstable();
        near.dedup();
        near
    }
}

/// [`Neighbours::near`], slowly: every hash is looked at.
pub fn near_among(hashes: &[u64], hash: u64, bits: u32) -> Vec<u64> {
    let mut near: Vec<u64> = hashes.iter().copied().filter(|other| (other ^ hash).count_ones() <= bits).collect();
    near.sort_unstable();
    near.dedup();
    near
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_of_a_series_are_one_title() {
        assert_eq!(plain("  Calm River, Pt. 12! "), "calm river pt 0");
        assert_eq!(plain("CALM river (pt 3)"), "calm river pt 0");
        assert_eq!(plain("Déjà-vu 4ever"), "déjà vu 0ever");
        assert_eq!((plain("..."), words(""), words("calm river pt 0")), (String::new(), 0, 4));
        assert_eq!((repeats("rain rain and rain rains"), repeats("a b c")), (3, 0));
        assert!(says("my song official audio", "official audio") && !says("unofficial audio", "official audio"));
    }

    #[test]
    fn near_titles_have_near_hashes() {
        let apart = |one: &str, other: &str| (simhash(&plain(one)) ^ simhash(&plain(other))).count_ones();
        assert_eq!(apart("Rain Sounds for Deep Sleep Vol. 3", "rain sounds for deep sleep, vol 71"), 0);
        let near = apart("Rain Sounds for Deep Sleep and Calm Nights", "Rain Sound for Deep Sleep and Calm Nights");
        let far = apart("Rain Sounds for Deep Sleep and Calm Nights", "Symphony in C minor, second movement, andante");
        assert!(near < 12 && far > 20, "{near} {far}");
    }

    proptest! {
        #[test]
        fn neighbours_are_those_that_are_found_by_looking_at_all(
            roots in prop::collection::vec(any::<u64>(), 1..6),
            flips in prop::collection::vec((0..6_usize, prop::collection::vec(0..64_u32, 0..10), any::<bool>()), 1..60),
            bits_max in 0..8_u32,
        ) {
            let mut neighbours = Neighbours::within(bits_max);
            let mut hashes: Vec<u64> = Vec::new();
            for (root, bits, goes) in flips {
                let hash = bits.iter().fold(roots[root % roots.len()], |hash, bit| hash ^ 1 << bit);
                if goes && let Some(gone) = hashes.pop() {
                    hashes.retain(|known| *known != gone);
                    neighbours.remove(gone);
                }
                neighbours.insert(hash);
                hashes.push(hash);
                for bits in 0..=bits_max {
                    prop_assert_eq!(neighbours.near(hash, bits), near_among(&hashes, hash, bits));
                }
            }
        }
    }
}
