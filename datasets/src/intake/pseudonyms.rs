//! Pseudonyms at the gate: who listened, on what and from where stays outside; inside there are names that a key makes of them.
//!
//! ```text
//! account_id, device_id, ip_prefix, payment_id, … ──key──▶ the same name for the same id, of the same kind ──▶ columns
//! a row that cannot be read ──key──▶ sealed: who has the key can open it ──▶ dead letters
//! ```
//!
//! Without the key nobody can tell whose a pseudonym is, or make that of an id that he knows. The same key makes the same
//! pseudonyms, so that counts and links are those of the ids.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use records::IdSpace;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::Error;
use crate::tables::IdKind;
use crate::tables::read::IdKinds;

/// What a sealed text begins with.
const SEALED: &str = "sealed:";
/// The letter before the digits of a text pseudonym.
const LETTER: char = 'p';
/// Bytes of a text pseudonym: among 10^10 ids two have the same one with a probability of 6 * 10^-10 (birthday bound, 96 bits).
const BYTES: usize = 12;
/// Rounds of the permutation of numbers, as many as FF1 of NIST SP 800-38G has.
const ROUNDS: u8 = 10;

/// What a personal id is an id of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// An account; playlists are owned by some.
    Account,
    /// A device.
    Device,
    /// An address.
    IpPrefix,
    /// A means of payment.
    Payment,
    /// A family of accounts.
    Family,
}

impl Whose {
    /// All kinds by name.
    pub const ALL: [(&'static str, Whose); 5] = [
        ("account", Whose::Account),
        ("device", Whose::Device),
        ("ip_prefix", Whose::IpPrefix),
        ("payment", Whose::Payment),
        ("family", Whose::Family),
    ];

    /// Whose ids a column holds, where they are personal.
    pub fn of_column(table: &str, column: &str) -> Option<Whose> {
        Some(match (table, column) {
            ("plays" | "accounts", "account_id") | ("playlists", "owner_id") => Whose::Account,
            ("plays", "device_id") => Whose::Device,
            ("plays", "ip_prefix") => Whose::IpPrefix,
            ("accounts", "payment_id") => Whose::Payment,
            ("accounts", "family_id") => Whose::Family,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        Whose::ALL.iter().find(|(_, whose)| *whose == self).map_or("", |(name, _)| name)
    }

    /// Whether such ids are numbers. Those of no space of their own are numbers where all are.
    fn are_numbers(self, kinds: &IdKinds) -> bool {
        let space = match self {
            Whose::Account => IdSpace::Account,
            Whose::Device => IdSpace::Device,
            Whose::IpPrefix => IdSpace::IpPrefix,
            Whose::Payment => IdSpace::Payment,
            Whose::Family => return kinds.iter().all(|kind| *kind == IdKind::Number),
        };
        kinds[space as usize] == IdKind::Number
    }
}

/// Tables in which a column `subject` says whether `subject_id` is an account.
pub(super) const OF_SUBJECTS: [&str; 2] = ["labels", "rulings"];
pub(super) const ACCOUNT: &str = "account";

/// Makes pseudonyms with a key.
pub struct Pseudonyms {
    ids: [u8; 32],
    letters: LessSafeKey,
    check: String,
}

impl Pseudonyms {
    /// With this key.
    pub fn new(secret: &[u8; 32]) -> Pseudonyms {
        let derived = |purpose: &str| blake3::derive_key(purpose, secret);
        let letters = derived("truestream 2026 pseudonyms: dead letters");
        let letters = UnboundKey::new(&CHACHA20_POLY1305, &letters).expect("32 bytes are a key");
        let check = blake3::Hash::from(derived("truestream 2026 pseudonyms: check")).to_hex().to_string();
        Pseudonyms {
            ids: derived("truestream 2026 pseudonyms: ids"),
            letters: LessSafeKey::new(letters),
            check: check[..16].to_owned(),
        }
    }

    /// What tells this key from others, and nothing of it.
    pub fn check(&self) -> &str {
        &self.check
    }

    /// The pseudonym of an id as it is written, under which it stands in tables.
    pub fn of(&self, whose: Whose, id: &str, kinds: &IdKinds) -> String {
        match whose.are_numbers(kinds).then(|| id.parse()) {
            Some(Ok(number)) => self.number(whose, number).to_string(),
            // No id of any table: what is made of it is none either.
            Some(Err(_)) | None => self.text(whose, id),
        }
    }

    fn text(&self, whose: Whose, id: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.ids);
        hasher.update(whose.name().as_bytes()).update(&[0]).update(id.as_bytes());
        let hash = hasher.finalize().to_hex();
        format!("{LETTER}{}", &hash[..2 * BYTES])
    }

    /// A number of the same size, each of one alone: a Feistel network over its halves. The greatest number, which is no id, stays.
    fn number(&self, whose: Whose, id: u64) -> u64 {
        if id == u64::MAX {
            return id;
        }
        let mut number = id;
        loop {
            number = (0..ROUNDS).fold(number, |number, round| {
                let (left, right) = ((number >> 32) as u32, number as u32);
                let mut block = [0; 32];
                block[..4].copy_from_slice(&right.to_le_bytes());
                (block[4], block[5]) = (round, whose as u8);
                let hash = blake3::keyed_hash(&self.ids, &block);
                let mixed = u32::from_le_bytes(hash.as_bytes()[..4].try_into().expect("four bytes"));
                u64::from(right) << 32 | u64::from(left ^ mixed)
            });
            if number != u64::MAX {
                return number;
            }
        }
    }

    /// The batch with pseudonyms instead of personal ids.
    ///
    /// # Errors
    /// When a column cannot be read.
    pub(super) fn columns(&self, table: &str, batch: RecordBatch, kinds: &IdKinds) -> Result<RecordBatch, Error> {
        let schema = batch.schema();
        let unreadable = |error| Error::Input(format!("the columns cannot be read: {error}"));
        let is_account: Option<Vec<bool>> = match batch.column_by_name("subject") {
            Some(subjects) if OF_SUBJECTS.contains(&table) => {
                let subjects = cast(subjects, &DataType::Utf8).map_err(unreadable)?;
                Some(subjects.as_string::<i32>().iter().map(|subject| subject == Some(ACCOUNT)).collect())
            }
            _ => None,
        };
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            let whose = match (Whose::of_column(table, field.name()), &is_account) {
                (None, Some(_)) if field.name() == "subject_id" => Some(Whose::Account),
                (whose, _) => whose,
            };
            let Some(whose) = whose.filter(|_| *column.data_type() != DataType::Null) else {
                fields.push(field.clone());
                columns.push(column.clone());
                continue;
            };
            let is_meant = |row: usize| is_account.as_ref().is_none_or(|rows| rows[row]);
            let made = self.column(whose, column, is_meant, kinds).map_err(unreadable)?;
            fields.push(Arc::new(Field::new(field.name(), made.data_type().clone(), true)));
            columns.push(made);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(unreadable)
    }

    fn column(
        &self,
        whose: Whose,
        column: &ArrayRef,
        is_meant: impl Fn(usize) -> bool,
        kinds: &IdKinds,
    ) -> Result<ArrayRef, arrow::error::ArrowError> {
        if column.data_type().is_integer() && whose.are_numbers(kinds) {
            let numbers = cast(column, &DataType::UInt64)?;
            let numbers = numbers.as_primitive::<UInt64Type>().iter().enumerate();
            let made = |(row, number): (usize, Option<u64>)| {
                number.map(|number| if is_meant(row) { self.number(whose, number) } else { number })
            };
            return Ok(Arc::new(numbers.map(made).collect::<UInt64Array>()));
        }
        let texts = cast(column, &DataType::Utf8)?;
        let made = texts.as_string::<i32>().iter().enumerate().map(|(row, text)| {
            text.map(|text| if is_meant(row) { self.of(whose, text, kinds) } else { text.to_owned() })
        });
        Ok(Arc::new(made.collect::<StringArray>()))
    }

    /// A text that only who has the key can read.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn seal(&self, text: &str) -> Result<String, Error> {
        let mut nonce = [0; NONCE_LEN];
        let no_random = |_| Error::Input("the system gives no random numbers: nothing can be sealed".to_owned());
        SystemRandom::new().fill(&mut nonce).map_err(no_random)?;
        let mut bytes = text.as_bytes().to_vec();
        let nonce_of = Nonce::assume_unique_for_key(nonce);
        let sealed = self.letters.seal_in_place_append_tag(nonce_of, Aad::empty(), &mut bytes);
        sealed.map_err(|_| Error::Input("the row is too long to be sealed".to_owned()))?;
        Ok(format!("{SEALED}{}", STANDARD_NO_PAD.encode([&nonce[..], &bytes].concat())))
    }

    /// What was sealed with this key; `None` where it was not.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let bytes = STANDARD_NO_PAD.decode(sealed.strip_prefix(SEALED)?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let opened = self.letters.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut sealed);
        String::from_utf8(opened.ok()?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TEXTS: IdKinds = [IdKind::Text; IdSpace::ALL.len()];
    const NUMBERS: IdKinds = [IdKind::Number; IdSpace::ALL.len()];

    fn pseudonyms(key: u8) -> Pseudonyms {
        Pseudonyms::new(&[key; 32])
    }

    #[test]
    fn a_key_makes_one_pseudonym_of_an_id_and_no_two_ids_have_one() {
        let (one, other) = (pseudonyms(1), pseudonyms(2));
        let mut seen = HashSet::new();
        for (_, whose) in Whose::ALL {
            for id in 0..2_000_u64 {
                let written = id.to_string();
                for kinds in [&TEXTS, &NUMBERS] {
                    let pseudonym = one.of(whose, &written, kinds);
                    assert_eq!(pseudonym, pseudonyms(1).of(whose, &written, kinds));
                    assert_ne!(pseudonym, other.of(whose, &written, kinds));
                    assert!(pseudonym != written && seen.insert((whose.name(), pseudonym)), "{written}");
                }
            }
        }
        // Equal ids of two kinds cannot be told to be equal.
        assert_ne!(one.of(Whose::Account, "7", &TEXTS), one.of(Whose::Device, "7", &TEXTS));
        assert_ne!(one.of(Whose::Account, "7", &NUMBERS), one.of(Whose::Device, "7", &NUMBERS));
        assert_eq!(one.number(Whose::Account, u64::MAX), u64::MAX);
        // Half of the bits change where one does, as of what is random.
        let flipped: u32 = (0..64_000_u64)
            .map(|at| (one.number(Whose::Account, at) ^ one.number(Whose::Account, at ^ 1 << (at % 64))).count_ones())
            .sum();
        assert!((1_980_000..2_120_000).contains(&flipped), "{flipped}");
        assert_ne!(one.check(), other.check());
    }

    #[test]
    fn personal_columns_alone_are_replaced_whatever_their_type() {
        let pseudonyms = pseudonyms(3);
        let texts = |texts: &[Option<&str>]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let numbers = |numbers: &[Option<u64>]| Arc::new(UInt64Array::from(numbers.to_vec())) as ArrayRef;
        let batch = |columns: Vec<(&str, ArrayRef)>| RecordBatch::try_from_iter(columns).expect("a batch");
        let made = |table: &str, columns: Vec<(&str, ArrayRef)>, kinds: &IdKinds| {
            pseudonyms.columns(table, batch(columns), kinds).expect("columns")
        };
        let seven = pseudonyms.of(Whose::Account, "7", &TEXTS);
        let track = ("track_id", texts(&[Some("7"), None]));
        let plays = made(
            "plays",
            vec![track.clone(), ("account_id", numbers(&[Some(7), None])), ("device_id", track.1.clone())],
            &TEXTS,
        );
        assert_eq!(plays["track_id"].as_string::<i32>(), track.1.as_string::<i32>());
        assert_eq!(plays["account_id"].as_string::<i32>(), texts(&[Some(&seven), None]).as_string::<i32>());
        assert!(plays["device_id"].as_string::<i32>().value(0).starts_with(LETTER));
        // An account's row of rulings and labels means the same account; other rows mean what they mean.
        let subjects = ("subject", texts(&[Some("account"), Some("track")]));
        let rulings = made("rulings", vec![subjects.clone(), ("subject_id", texts(&[Some("7"), Some("7")]))], &TEXTS);
        assert_eq!(rulings["subject_id"].as_string::<i32>(), texts(&[Some(&seven), Some("7")]).as_string::<i32>());
        // Numbers stay numbers.
        let labels = made("labels", vec![subjects, ("subject_id", numbers(&[Some(7), Some(7)]))], &NUMBERS);
        let number = pseudonyms.of(Whose::Account, "7", &NUMBERS).parse().expect("a number");
        assert_eq!(labels["subject_id"].as_primitive::<UInt64Type>(), &UInt64Array::from(vec![number, 7]));
        // A dictionary is read as what it stands for.
        let dictionary: arrow::array::DictionaryArray<arrow::datatypes::Int32Type> =
            ["7", "8", "7"].into_iter().collect();
        let accounts = made("accounts", vec![("account_id", Arc::new(dictionary))], &TEXTS);
        let eight = pseudonyms.of(Whose::Account, "8", &TEXTS);
        let expected = StringArray::from(vec![seven.as_str(), &eight, &seven]);
        assert_eq!(accounts["account_id"].as_string::<i32>(), &expected);
    }

    #[test]
    fn what_is_sealed_is_opened_with_its_key_alone() {
        let letter = "{\"account_id\": \"anna\"}";
        let sealed = pseudonyms(4).seal(letter).expect("sealed");
        assert!(!sealed.contains("anna") && sealed != pseudonyms(4).seal(letter).expect("sealed"));
        assert_eq!(pseudonyms(4).open(&sealed).as_deref(), Some(letter));
        for wrong in [&sealed[..sealed.len() - 2], letter, "", "sealed:", &sealed.replacen(':', ":A", 1)] {
            assert_eq!(pseudonyms(4).open(wrong), None, "{wrong}");
        }
        assert_eq!(pseudonyms(5).open(&sealed), None);
    }
}
