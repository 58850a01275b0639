//! Ids for plays whose source gives none: the same row in two overlapping exports gets the same id, two equal rows of
//! one file get two.
//!
//! ```text
//! account, every named value of the row, how often this row came before in the file ──▶ FNV-1a, 128 bits ──▶ 32 hex digits
//! ```

use hashbrown::HashMap;
use records::Id;

use super::record::Record;

/// FNV-1a, 128 bits: offset basis and prime of the FNV specification (RFC 9923).
const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// Rows remembered at least, so that equal rows of a file are told apart; twice as many at most, about 64 MB.
const REMEMBERED_ROWS: usize = 1 << 20;

/// A running FNV-1a hash. Texts enter with their length, so that no two lists of texts run together.
#[derive(Clone, Copy)]
struct Fnv(u128);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }
}

/// Counts equal rows within one file, in bounded memory.
///
/// Two generations of rows are held; the older is dropped when the younger is full. In a file of up to
/// [`REMEMBERED_ROWS`] distinct rows the count is exact; in a longer one, equal rows further apart than that get one id.
pub struct ContentIds {
    young: HashMap<u128, u32>,
    old: HashMap<u128, u32>,
    capacity: usize,
}

impl Default for ContentIds {
    fn default() -> ContentIds {
        ContentIds { young: HashMap::new(), old: HashMap::new(), capacity: REMEMBERED_ROWS }
    }
}

impl ContentIds {
    /// The id of the next row of the file. Values of the columns in `unhashed` say nothing about the play.
    pub fn next(&mut self, account: &Id, record: &Record, unhashed: &[&str]) -> u128 {
        let mut hash = Fnv(BASIS);
        hash.text(&account.to_string());
        record.each(|name, value| {
            if !unhashed.contains(&name) {
                hash.text(name);
                hash.text(value);
            }
        });
        let occurrence = self.count(hash.0);
        hash.bytes(&occurrence.to_le_bytes());
        hash.0
    }

    fn count(&mut self, content: u128) -> u32 {
        let seen = self.young.get(&content).or_else(|| self.old.get(&content)).copied().unwrap_or(0);
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(content, seen + 1);
        seen
    }
}

/// The id as 32 hexadecimal digits.
pub fn text_id(content: u128) -> Id {
    Id::from(format!("{content:032x}"))
}

/// The id as a number: the two halves folded by exclusive or.
pub fn number_id(content: u128) -> Id {
    Id::Number((content >> 64) as u64 ^ content as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: serde_json::Value) -> Record {
        Record::Object(value.as_object().expect("an object").clone())
    }

    #[test]
    fn fnv_agrees_with_the_published_vectors() {
        let of = |text: &str| {
            let mut hash = Fnv(BASIS);
            hash.bytes(text.as_bytes());
            hash.0
        };
        assert_eq!(of("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(of("foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn an_id_follows_account_content_and_occurrence() {
        let (one, two) = (record(json!({"a": 1, "b": "x", "row": 1})), record(json!({"row": 2, "b": "x", "a": 1})));
        let mut first = ContentIds::default();
        let ids: Vec<u128> = [&one, &two].map(|row| first.next(&Id::from("u"), row, &["row"])).to_vec();
        assert_ne!(ids[0], ids[1], "two equal rows are two plays");

        let mut again = ContentIds::default();
        assert_eq!(again.next(&Id::from("u"), &two, &["row"]), ids[0], "another file, the same play");
        assert_ne!(again.next(&Id::from("v"), &two, &["row"]), ids[0]);
        let shifted = record(json!({"a": "1b", "b": "x"}));
        assert_ne!(again.next(&Id::from("u"), &shifted, &[]), ids[0]);
    }

    #[test]
    fn memory_is_bounded_and_near_repeats_still_count() {
        let mut ids = ContentIds { capacity: 4, ..ContentIds::default() };
        for content in 0..100 {
            assert_eq!(ids.count(content), 0);
            assert_eq!(ids.count(content), 1);
            assert!(ids.young.len() + ids.old.len() <= 8);
        }
    }
}
