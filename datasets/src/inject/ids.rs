//! New ids that no row of the data has and that look like those that are there.
//!
//! ```text
//! ids of the data ──┬─▶ one bit each ──▶ is this one taken?
//!                   └─▶ a few of each kind ──▶ between which numbers, of which letters ──▶ a new id
//! ```

use std::collections::{BTreeMap, BTreeSet};

use records::{Id, IdSpace};
use twox_hash::XxHash3_128;

use crate::chance::Chance;
use crate::tables::IdKind;

/// Bits of a layer at most: 256 MiB, as much as the survey of a replay takes. With more ids a new one takes more draws.
const BITS_MAX: u64 = 1 << 31;
const BITS_MIN: u64 = 1 << 20;
/// Bits for each row of the data.
const BITS_PER_ROW: u64 = 8;
/// A layer of which this share is set is followed by another: new ids, too, need room.
const FULL: f64 = 0.25;
/// Numbers drawn between those of the data before one beyond them is taken.
const TRIES_AMONG: u32 = 48;
/// Texts drawn of one pattern before a wider one is taken.
const TRIES_PER_PATTERN: u32 = 16;
/// The greatest number that is an id.
const NUMBER_MAX: u64 = u64::MAX - 2;

/// Which ids are in use. It may take a free one for taken, never a taken one for free.
pub(super) struct Taken {
    layers: Vec<Layer>,
}

struct Layer {
    bits: Vec<u64>,
    set: u64,
}

impl Layer {
    fn of(bits: u64) -> Layer {
        Layer { bits: vec![0; (bits / 64) as usize], set: 0 }
    }

    fn len(&self) -> u64 {
        self.bits.len() as u64 * 64
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let bit = hash & (self.len() - 1);
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn has(&self, hash: u64) -> bool {
        let (word, mask) = self.place(hash);
        self.bits[word] & mask != 0
    }

    fn is_full(&self) -> bool {
        self.set as f64 > FULL * self.len() as f64
    }
}

impl Taken {
    /// Nothing taken yet; sized for data of so many rows.
    pub fn for_rows(rows: u64) -> Taken {
        let bits = rows.saturating_mul(BITS_PER_ROW).clamp(BITS_MIN, BITS_MAX).next_power_of_two();
        Taken { layers: vec![Layer::of(bits)] }
    }

    /// Marks the id of this hash; whether it was free.
    pub fn take(&mut self, hash: u64) -> bool {
        if self.layers.iter().any(|layer| layer.has(hash)) {
            return false;
        }
        let last = self.layers.last_mut().expect("there is always a layer");
        let (word, mask) = last.place(hash);
        last.bits[word] |= mask;
        last.set += 1;
        let (is_full, bits) = (last.is_full(), (2 * last.len()).min(BITS_MAX));
        // Two of the greatest at most: then it takes longer to find a free one.
        if is_full && self.layers.iter().filter(|layer| layer.len() == BITS_MAX).count() < 2 {
            self.layers.push(Layer::of(bits));
        }
        true
    }
}

/// The hash of an id; ids of two spaces never meet.
pub(super) fn hash(space: IdSpace, id: &Id) -> u64 {
    match id {
        Id::Number(number) => hash_number(space, *number),
        Id::Text(text) => hash_text(space, text),
    }
}

pub(super) fn hash_number(space: IdSpace, number: u64) -> u64 {
    Chance::mixed(number ^ (space as u64 + 1) << 56)
}

pub(super) fn hash_text(space: IdSpace, text: &str) -> u64 {
    Chance::mixed(XxHash3_128::oneshot(text.as_bytes()) as u64 ^ (space as u64 + 1) << 56)
}

/// Makes ids of one space.
pub(super) struct Mint {
    space: IdSpace,
    form: Form,
}

enum Form {
    /// Some of the numbers, ascending, and the greatest of all.
    Numbers { seen: Vec<u64>, max: u64 },
    /// Some of the texts, and the letters at each place of those of one length.
    Texts { seen: Vec<Vec<char>>, letters: BTreeMap<usize, Vec<BTreeSet<char>>> },
}

impl Mint {
    /// Ids like these. Where there are none, small numbers or sixteen hexadecimal digits.
    pub fn like(space: IdSpace, kind: IdKind, mut some: Vec<Id>, max: u64) -> Mint {
        some.sort();
        let form = match kind {
            IdKind::Number => {
                let number = |id| if let Id::Number(number) = id { Some(number) } else { None };
                Form::Numbers { seen: some.into_iter().filter_map(number).collect(), max }
            }
            IdKind::Text => {
                let mut seen: Vec<Vec<char>> = some.iter().map(|id| id.to_string().chars().collect()).collect();
                seen.retain(|text| !text.is_empty());
                if seen.is_empty() {
                    seen.push("0123456789abcdef".chars().collect());
                    seen.push("123456789abcdef0".chars().collect());
                }
                let mut letters: BTreeMap<usize, Vec<BTreeSet<char>>> = BTreeMap::new();
                for text in &seen {
                    let places = letters.entry(text.len()).or_insert_with(|| vec![BTreeSet::new(); text.len()]);
                    places.iter_mut().zip(text).for_each(|(place, letter)| _ = place.insert(*letter));
                }
                Form::Texts { seen, letters }
            }
        };
        Mint { space, form }
    }

    /// An id that was free, and is taken now.
    pub fn next(&self, taken: &mut Taken, chance: &mut Chance) -> Id {
        match &self.form {
            Form::Numbers { seen, max } => self.number(seen, *max, taken, chance),
            Form::Texts { seen, letters } => self.text(seen, letters, taken, chance),
        }
    }

    fn number(&self, seen: &[u64], max: u64, taken: &mut Taken, chance: &mut Chance) -> Id {
        for tries in 0_u32.. {
            let among = tries < TRIES_AMONG && seen.len() > 1;
            let (low, high) = if among {
                let place = chance.below(seen.len() - 1);
                (seen[place], seen[place + 1])
            } else {
                // New accounts of a real service, too, have the next numbers; wider with every draw.
                let low = if max < NUMBER_MAX / 2 { max } else { 0 };
                (low, low.saturating_add(64 << (tries.saturating_sub(TRIES_AMONG) / 4).min(57)).min(NUMBER_MAX))
            };
            let number = low + 1 + chance.below_u64((high - low).saturating_sub(1));
            if number <= NUMBER_MAX && number != low && taken.take(hash_number(self.space, number)) {
                return Id::Number(number);
            }
        }
        unreachable!("the range of draws grows until it holds a free number")
    }

    fn text(
        &self,
        seen: &[Vec<char>],
        letters: &BTreeMap<usize, Vec<BTreeSet<char>>>,
        taken: &mut Taken,
        chance: &mut Chance,
    ) -> Id {
        for tries in 0.. {
            let pattern = &seen[chance.below(seen.len())];
            let width = tries / TRIES_PER_PATTERN;
            let has_digits = pattern.iter().any(char::is_ascii_digit);
            let mut text: String = pattern
                .iter()
                .zip(&letters[&pattern.len()])
                .map(|(letter, alphabet)| match width {
                    0 => *alphabet.iter().nth(chance.below(alphabet.len())).expect("every place has a letter"),
                    1 if alphabet.len() == 1 => *letter,
                    _ if has_digits && !letter.is_ascii_digit() => *letter,
                    _ => alike(*letter, chance),
                })
                .collect();
            // Still none free: longer ones.
            for _ in 3..width {
                let last = *pattern.last().expect("no pattern is empty");
                text.push(if has_digits { alike('0', chance) } else { alike(last, chance) });
            }
            if taken.take(hash_text(self.space, &text)) {
                return Id::from(text);
            }
        }
        unreachable!("texts grow until one is free")
    }
}

/// Another letter of the same sort; signs stay.
fn alike(letter: char, chance: &mut Chance) -> char {
    let among = |first: u8, count: usize, chance: &mut Chance| char::from(first + chance.below(count) as u8);
    match letter {
        '0'..='9' => among(b'0', 10, chance),
        'a'..='z' => among(b'a', 26, chance),
        'A'..='Z' => among(b'A', 26, chance),
        _ if letter.is_alphabetic() => among(b'a', 26, chance),
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Purpose;

    fn mint(kind: IdKind, ids: &[Id], count: usize) -> Vec<Id> {
        let mut taken = Taken::for_rows(1_000);
        ids.iter().for_each(|id| _ = taken.take(hash(IdSpace::Account, id)));
        let number = |id: &Id| if let Id::Number(number) = id { *number } else { 0 };
        let mint = Mint::like(IdSpace::Account, kind, ids.to_vec(), ids.iter().map(number).max().unwrap_or(0));
        let chance = &mut Chance::of(1, Purpose::Cast, 0, 0);
        (0..count).map(|_| mint.next(&mut taken, chance)).collect()
    }

    fn distinct(ids: &[Id], new: &[Id]) {
        let all: BTreeSet<&Id> = ids.iter().chain(new).collect();
        assert_eq!(all.len(), ids.len() + new.len(), "{:?}", &new[..new.len().min(50)]);
    }

    #[test]
    fn there_is_room_for_more_than_there_was() {
        let new = mint(IdKind::Text, &[Id::from("p000000"), Id::from("p999999")], 300_000);
        distinct(&[Id::from("p000000"), Id::from("p999999")], &new);
    }

    #[test]
    fn numbers_fill_the_gaps_or_go_on() {
        let sparse: Vec<Id> = (1..50).map(|n| Id::Number(n * 1_000_000)).collect();
        let new = mint(IdKind::Number, &sparse, 200);
        distinct(&sparse, &new);
        assert!(new.iter().all(|id| *id < Id::Number(49_000_000)));

        let dense: Vec<Id> = (1..=50).map(Id::Number).collect();
        let new = mint(IdKind::Number, &dense, 200);
        distinct(&dense, &new);
        assert!(new.iter().all(|id| *id < Id::Number(5_000)), "{new:?}");

        let top = [Id::Number(u64::MAX - 2), Id::Number(0)];
        distinct(&top, &mint(IdKind::Number, &top, 100));
        distinct(&[], &mint(IdKind::Number, &[], 100));
    }

    #[test]
    fn texts_keep_their_form() {
        let hashes: Vec<Id> = (0..300_u64)
            .map(|n| {
                Id::from(format!("{:032x}", u128::from(Chance::mixed(n)) << 60 | u128::from(Chance::mixed(n + 900))))
            })
            .collect();
        let new = mint(IdKind::Text, &hashes, 500);
        distinct(&hashes, &new);
        let is_hash = |id: &Id| id.to_string().len() == 32 && id.to_string().chars().all(|c| c.is_ascii_hexdigit());
        assert!(new.iter().all(is_hash), "{new:?}");

        let few: Vec<Id> = (1..5).map(|n| Id::from(format!("u0{n}"))).collect();
        let new = mint(IdKind::Text, &few, 300);
        distinct(&few, &new);
        assert!(new[..40].iter().all(|id| id.to_string().starts_with('u')), "{:?}", &new[..40]);

        let odd = [Id::from("é-é"), Id::from("")];
        distinct(&odd, &mint(IdKind::Text, &odd, 50));
        distinct(&[], &mint(IdKind::Text, &[], 50));
    }
}
