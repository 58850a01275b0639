//! Ids and plays as they travel through the dataflow: of fixed size, without texts.

use serde::{Deserialize, Serialize};

use crate::{Id, Millis, Source};

/// An id of any kind as 64 bits: a number stands for itself, a text for its hash. Who must show the id again, or
/// order by it, asks the names that the reader kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub u64);

impl Key {
    /// No id. Readers refuse the number that would be mistaken for it.
    pub const NONE: Key = Key(u64::MAX);

    /// Whether there is an id.
    pub fn is_some(self) -> bool {
        self != Key::NONE
    }
}

/// The kinds of ids. Two ids of different kinds never meet, even when they are written alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum IdSpace {
    Play,
    Account,
    Track,
    Device,
    IpPrefix,
    Playlist,
    Artist,
    Uploader,
    Distributor,
    Payment,
}

impl IdSpace {
    /// All kinds, in the order of their declaration.
    pub const ALL: [IdSpace; 10] = [
        IdSpace::Play,
        IdSpace::Account,
        IdSpace::Track,
        IdSpace::Device,
        IdSpace::IpPrefix,
        IdSpace::Playlist,
        IdSpace::Artist,
        IdSpace::Uploader,
        IdSpace::Distributor,
        IdSpace::Payment,
    ];
}

/// Gives keys their ids back.
pub trait Names: Send + Sync {
    /// The id behind the key.
    fn id(&self, space: IdSpace, key: Key) -> Id;

    /// Compares two keys of one kind as their ids compare.
    fn compare(&self, space: IdSpace, a: Key, b: Key) -> std::cmp::Ordering {
        if a == b { std::cmp::Ordering::Equal } else { self.id(space, a).cmp(&self.id(space, b)) }
    }
}

/// A two-letter country (any text of at most four bytes), packed so that it orders as its text does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Country(u32);

impl Country {
    /// No country.
    pub const NONE: Country = Country(0);

    /// `None` when the text is longer than four bytes, or has a zero byte, which fills the packed ones. An empty text is a
    /// country of its own, apart from none.
    pub fn pack(text: &str) -> Option<Country> {
        if text.contains('\0') {
            return None;
        }
        if text.is_empty() {
            return Some(Country(1));
        }
        let bytes = text.as_bytes();
        let mut packed = [0; 4];
        packed.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Country(u32::from_be_bytes(packed)))
    }

    /// The country of a number that [`Country::number`] gave.
    pub fn from_number(number: u32) -> Country {
        Country(number)
    }

    /// The text that was packed; empty for no country, too.
    pub fn text(self) -> String {
        let bytes = self.0.to_be_bytes();
        String::from_utf8_lossy(&bytes).trim_matches(['\0', '\u{1}']).to_owned()
    }

    /// The packed bytes as a number; 0 is no country.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// A play as the dataflow carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyedPlay {
    /// When the playback ended.
    pub ended_at: Millis,
    /// Who listened.
    pub account: Key,
    /// What was played.
    pub track: Key,
    /// On which device, or [`Key::NONE`].
    pub device: Key,
    /// From which network prefix, or [`Key::NONE`].
    pub ip_prefix: Key,
    /// From which playlist, or [`Key::NONE`].
    pub playlist: Key,
    /// How long it was heard, in milliseconds.
    pub played_ms: u32,
    /// Autonomous system, or [`KeyedPlay::NO_ASN`].
    pub asn: u32,
    /// Where it was played.
    pub country: Country,
    /// Where in the product it began.
    pub source: Source,
    /// What else is known of it: the sum of the `KeyedPlay::…` bits.
    pub marks: u8,
}

impl KeyedPlay {
    /// A play of which nothing is known.
    pub const NOTHING: KeyedPlay = KeyedPlay {
        ended_at: 0,
        account: Key::NONE,
        track: Key::NONE,
        device: Key::NONE,
        ip_prefix: Key::NONE,
        playlist: Key::NONE,
        played_ms: 0,
        asn: KeyedPlay::NO_ASN,
        country: Country::NONE,
        source: Source::Other,
        marks: 0,
    };
    /// No autonomous system.
    pub const NO_ASN: u32 = u32::MAX;
    /// Mark: played offline.
    pub const OFFLINE: u8 = 1;
    /// Mark: shuffle was on.
    pub const SHUFFLED: u8 = 2;
    /// Mark: the address belongs to a hosting or VPN network.
    pub const HOSTED: u8 = 4;
    /// Mark: the account was younger than seven days.
    pub const NEW_ACCOUNT: u8 = 8;
    /// Mark: its id comes again, as a repeat or a correction, so it may be taken back.
    pub const REVOCABLE: u8 = 16;

    /// Whether the mark is set.
    pub fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }
}
