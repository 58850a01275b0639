//! Remembers which text each key stands for.

use std::sync::{Arc, RwLock};

use hashbrown::HashMap;
use records::{Id, IdSpace, Key, Names};
use twox_hash::XxHash3_128;

use crate::Error;
use crate::tables::IdKind;

/// The ids of a run: of each kind either all numbers, which stand for themselves, or all texts, which are remembered.
#[derive(Debug)]
pub struct NameTable {
    kinds: [IdKind; IdSpace::ALL.len()],
    texts: [RwLock<HashMap<u64, Arc<str>>>; IdSpace::ALL.len()],
}

impl NameTable {
    /// Nothing remembered yet; `kind` tells what the ids of each space are.
    pub fn new(kind: impl Fn(IdSpace) -> IdKind) -> NameTable {
        NameTable { kinds: IdSpace::ALL.map(kind), texts: Default::default() }
    }

    /// What the ids of the space are.
    pub fn kind(&self, space: IdSpace) -> IdKind {
        self.kinds[space as usize]
    }
}

impl Names for NameTable {
    fn id(&self, space: IdSpace, key: Key) -> Id {
        match self.kind(space) {
            IdKind::Number => Id::Number(key.0),
            IdKind::Text => {
                let texts = self.texts[space as usize].read().expect("no writer panics");
                Id::Text(texts.get(&key.0).expect("a key of a text was made from it").clone())
            }
        }
    }
}

/// One reader's way to the table: it remembers what it has already told.
#[derive(Debug)]
pub struct Naming {
    table: Arc<NameTable>,
    /// The other half of the 128-bit hash of each text whose key was handed out.
    told: [HashMap<u64, u64>; IdSpace::ALL.len()],
}

impl Naming {
    /// A reader of its own, over the shared table.
    pub fn new(table: Arc<NameTable>) -> Naming {
        Naming { table, told: Default::default() }
    }

    /// What the ids of the space are.
    pub fn kind(&self, space: IdSpace) -> IdKind {
        self.table.kind(space)
    }

    /// The key of an id that may be absent.
    ///
    /// # Errors
    /// See [`Naming::key`].
    pub fn key_of(&mut self, space: IdSpace, id: Option<&Id>) -> Result<Key, Error> {
        match id {
            None => Ok(Key::NONE),
            Some(Id::Number(number)) => Ok(Key(*number)),
            Some(Id::Text(text)) => self.key(space, text),
        }
    }

    /// The key of a text, which is remembered.
    ///
    /// # Errors
    /// When another text of the kind has the same 64-bit hash: to be expected once in 10^19 / n² runs over n ids,
    /// and refused rather than mixed up.
    pub fn key(&mut self, space: IdSpace, text: &str) -> Result<Key, Error> {
        let (key, check) = hash(text);
        match self.told[space as usize].get(&key) {
            Some(told) if *told == check => return Ok(Key(key)),
            Some(_) => return Err(collision(space, text)),
            None => {}
        }
        self.told[space as usize].insert(key, check);
        let mut texts = self.table.texts[space as usize].write().expect("no writer panics");
        if **texts.entry(key).or_insert_with(|| text.into()) != *text {
            return Err(collision(space, text));
        }
        Ok(Key(key))
    }
}

/// The key of a text, whether or not it was ever handed out.
pub fn key_of_text(text: &str) -> Key {
    Key(hash(text).0)
}

/// A play id as 128 bits: texts are not remembered, for nobody asks for them by their key.
pub fn play_id_of(text: &str) -> u128 {
    XxHash3_128::oneshot(text.as_bytes())
}

fn hash(text: &str) -> (u64, u64) {
    let hash = XxHash3_128::oneshot(text.as_bytes());
    // The largest number stands for no id.
    ((hash as u64).min(u64::MAX - 1), (hash >> 64) as u64)
}

fn collision(space: IdSpace, text: &str) -> Error {
    Error::Input(format!("two {space:?} ids have the same 64-bit hash, one of them is `{text}`; rename one of them"))
}
