//! Ids as others may see them: BLAKE3 under a key that both parties have.

use std::path::Path;

use super::Kind;
use crate::exit::Failure;

/// A key must be as long as BLAKE3's own.
const KEY_BYTES_MIN: usize = 32;
/// So many bytes of a hash are a tag: two ids meet by chance once in 2^64 ids.
const TAG_BYTES: usize = 16;
/// What the key is made for: the same file used elsewhere gives other hashes.
const CONTEXT: &str = "truestream 2026-11-23 exchange tags";

/// Makes tags under a key.
pub(super) struct Tagger {
    key: [u8; 32],
}

impl Tagger {
    /// Reads the key; its bytes are told to nobody.
    pub(super) fn read(path: &Path) -> Result<Tagger, Failure> {
        let wrong = |why: &dyn std::fmt::Display| Failure::Input(format!("{}: {why}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
        if bytes.len() < KEY_BYTES_MIN {
            return Err(wrong(&format!("found {} bytes, expected a key of at least {KEY_BYTES_MIN}", bytes.len())));
        }
        if is_open(path) {
            eprintln!("truestream: warning: {}: others can read this key; chmod 600", path.display());
        }
        Ok(Tagger::of(&bytes))
    }

    pub(super) fn of(bytes: &[u8]) -> Tagger {
        Tagger { key: blake3::derive_key(CONTEXT, bytes) }
    }

    /// The tag of an id: 32 hexadecimal digits. Ids of different kinds have different tags.
    pub(super) fn tag(&self, kind: Kind, id: &str) -> String {
        self.text(kind.name(), id)
    }

    /// A tag of no id at all.
    pub(super) fn nobodys(&self, seed: &str) -> String {
        self.text("nobody", seed)
    }

    /// The same for the same key.
    pub(super) fn check(&self) -> String {
        self.text("", "key check")
    }

    fn text(&self, kind: &str, id: &str) -> String {
        self.hash(kind, id.as_bytes())[..TAG_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// All bytes of the hash that a tag is made of.
    pub(super) fn hash(&self, kind: &str, id: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(kind.as_bytes()).update(&[0]).update(id);
        *hasher.finalize().as_bytes()
    }
}

/// Whether others than its owner can read the file.
#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_key_kind_and_id() {
        let (one, other) = (Tagger::of(&[1; 32]), Tagger::of(&[2; 32]));
        let tag = one.tag(Kind::Device, "d1");
        assert_eq!((tag.len(), &tag), (32, &Tagger::of(&[1; 32]).tag(Kind::Device, "d1")));
        let others = [one.tag(Kind::Device, "d2"), one.tag(Kind::Payment, "d1"), other.tag(Kind::Device, "d1")];
        assert!(others.iter().all(|other| *other != tag));
        assert!(one.check() != other.check());
    }
}
