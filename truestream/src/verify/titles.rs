//! Titles as SQL cannot read them: plain words and their hash, bit by bit, as `docs/TABLES.md` says.

/// Lower case; what is neither letter nor digit parts words, which stand apart by single spaces; a run of digits is `0`.
pub(super) fn plain(title: &str) -> String {
    let lower = title.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let folded = words.map(|word| {
        let letters: Vec<char> = word.chars().collect();
        let begins = |place: usize| place == 0 || !letters[place - 1].is_numeric();
        let kept = letters.iter().enumerate().filter(|(place, letter)| !letter.is_numeric() || begins(*place));
        kept.map(|(_, letter)| if letter.is_numeric() { '0' } else { *letter }).collect::<String>()
    });
    folded.collect::<Vec<_>>().join(" ")
}

/// Bit by bit, what most trigrams of the title between two spaces have there; a draw is 0.
pub(super) fn simhash(plain: &str) -> u64 {
    let letters: Vec<char> = format!(" {plain} ").chars().collect();
    let hashes: Vec<u64> = letters.windows(3).map(trigram).collect();
    let majority = |bit: u32| hashes.iter().filter(|hash| (**hash >> bit) % 2 == 1).count() * 2 > hashes.len();
    (0..64).filter(|bit| majority(*bit)).map(|bit| 1 << bit).sum()
}

/// FNV-1a with a letter for a byte, then the finalizer of MurmurHash3.
fn trigram(letters: &[char]) -> u64 {
    let mut hash = 14_695_981_039_346_656_037_u64;
    for letter in letters {
        hash = (hash ^ u64::from(u32::from(*letter))).wrapping_mul(1_099_511_628_211);
    }
    for factor in [18_397_679_294_719_823_053, 14_181_476_777_654_086_739, 1] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash
}
