//! Files that somebody sent with an appeal: kept by the hash of their bytes, and given out as bytes and nothing else.
//!
//! ```text
//! bytes ──▶ of a kind that is taken? small enough? ──▶ appeals/HASH ◀── who decides, by the hash
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use super::state::write_whole;
use crate::exit::Failure;

/// The folder within that of the service.
pub const FOLDER: &str = "appeals";
/// A file has at most so many bytes: a contract in pictures, or a project without its sound.
pub const BYTES_MAX: usize = 10 << 20;
/// So many files of one appeal are taken.
pub const FILES_MAX: usize = 5;

/// What is taken, by how it begins: documents, pictures, projects in one file, and sound.
const KINDS: [(&str, &[u8]); 6] = [
    ("PDF", b"%PDF-"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("JPEG", b"\xff\xd8\xff"),
    ("ZIP", b"PK\x03\x04"),
    ("FLAC", b"fLaC"),
    ("WAV", b"RIFF"),
];

/// What it is by its first bytes, whatever its name says; `None` where that is not taken.
pub fn kind(bytes: &[u8]) -> Option<&'static str> {
    let (kind, _) = KINDS.iter().find(|(_, begins)| bytes.starts_with(begins))?;
    (*kind != "WAV" || bytes.get(8..12) == Some(b"WAVE")).then_some(kind)
}

/// The names of what is taken.
pub fn kinds() -> String {
    KINDS.map(|(kind, _)| kind).join(", ")
}

/// Where the files are.
pub struct Cabinet(PathBuf);

impl Cabinet {
    /// That of a service's folder.
    pub fn of(state: &Path) -> Cabinet {
        Cabinet(state.join(FOLDER))
    }

    /// Puts a file there; its hash. One that is there already stays.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<String, Failure> {
        let hash = blake3::hash(bytes).to_hex().to_string();
        let path = self.0.join(&hash);
        if !path.exists() {
            write_whole(&path, bytes)?;
        }
        Ok(hash)
    }

    /// The file with that hash.
    pub fn get(&self, hash: &str) -> Option<(u64, File)> {
        // Nothing but a hash becomes a path.
        let hash = blake3::Hash::from_hex(hash).ok()?.to_hex();
        let file = File::open(self.0.join(hash.as_str())).ok()?;
        Some((file.metadata().ok()?.len(), file))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_file_is_what_it_begins_with_and_is_found_by_its_hash_alone() {
        assert_eq!(
            [&b"%PDF-1.7"[..], b"RIFF....WAVEfmt", b"RIFF....AVI ", b"<html>", b""].map(kind),
            [Some("PDF"), Some("WAV"), None, None, None]
        );
        let folder = tempfile::tempdir().expect("a folder");
        let cabinet = Cabinet::of(folder.path());
        let hash = cabinet.put(b"%PDF-1.7").expect("it is written");
        assert_eq!(cabinet.put(b"%PDF-1.7").expect("it is there"), hash);
        let (bytes, mut file) = cabinet.get(&hash).expect("it is there");
        let mut read = Vec::new();
        file.read_to_end(&mut read).expect("bytes");
        assert_eq!((bytes, read.as_slice()), (8, &b"%PDF-1.7"[..]));
        for other in ["", "../audit.key", &"0".repeat(64)] {
            assert!(cabinet.get(other).is_none(), "{other}");
        }
    }
}
