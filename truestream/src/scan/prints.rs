//! The fingerprints of all contents, kept so that what is new can be compared with what was heard long ago.
//!
//! ```text
//! clip ──▶ landmarks ──▶ prints/ab/<content>.print ──▶ which recordings are one ([`super::alike`])
//! ```

use std::path::{Path, PathBuf};

use datasets::audio::Clip;
use datasets::tables::part_of;
use features::sound::landmarks::{Landmark, Listener, PASS_HZ, Print, RATE_HZ};
use kernels::{AudioKernels, resampled};

use super::preview::sweep;
use crate::exit::Failure;

/// Changes whenever a print may.
pub(super) const VERSION: u32 = 4;

/// Where they are in the folder of a scan.
const FOLDER: &str = "prints";
/// Bytes of a landmark on disk.
const LANDMARK_BYTES: usize = 10;
/// Bytes of the hash at the end.
const CHECK_BYTES: usize = 8;

/// The folder of the prints.
pub(super) struct Prints {
    folder: PathBuf,
    listener: Listener,
}

impl Prints {
    /// Opens the folder.
    pub(super) fn open(out: &Path) -> Result<Prints, Failure> {
        let folder = out.join(FOLDER);
        let ready = std::fs::create_dir_all(&folder).and_then(|()| sweep(&folder));
        ready.map_err(|error| Failure::Output(format!("{}: {error}", folder.display())))?;
        Ok(Prints { folder, listener: Listener::default() })
    }

    /// Takes the print of the clip and keeps it; it appears whole or not at all. Gives back in how many seconds of it there are landmarks enough.
    pub(super) fn take(&self, content: &str, clip: &Clip, kernels: &dyn AudioKernels) -> Result<f64, Failure> {
        let print = self.listener.listen(kernels, &resampled(&clip.samples, clip.rate_hz(), RATE_HZ, PASS_HZ));
        let print = print.map_err(|error| Failure::Input(format!("landmarks: {error}")))?;
        let path = self.path(content);
        let keep = || -> std::io::Result<()> {
            std::fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
            let part = part_of(&path);
            std::fs::write(&part, bytes_of(&print))?;
            std::fs::rename(&part, &path)
        };
        keep().map_err(|error| Failure::Output(format!("{}: cannot write: {error}", path.display())))?;
        Ok(f64::from(print.telling_seconds()))
    }

    /// Whether the print of the content was taken.
    pub(super) fn has(&self, content: &str) -> bool {
        self.path(content).exists()
    }

    /// The print of a content.
    pub(super) fn read(&self, content: &str) -> Result<Print, Failure> {
        read(&self.path(content))
    }

    fn path(&self, content: &str) -> PathBuf {
        path_in(&self.folder, content)
    }
}

/// The print that a scan into the folder kept of a content; `None` where it kept none.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub(crate) fn kept(scan: &Path, content: &str) -> Result<Option<Print>, Failure> {
    // Tables may have come from elsewhere: what is no hash names no file.
    let is_hash = content.len() == blake3::OUT_LEN * 2 && content.bytes().all(|digit| digit.is_ascii_hexdigit());
    let path = is_hash.then(|| path_in(&scan.join(FOLDER), content)).filter(|path| path.is_file());
    path.map(|path| read(&path)).transpose()
}

fn path_in(folder: &Path, content: &str) -> PathBuf {
    folder.join(&content[..2]).join(format!("{content}.print"))
}

fn read(path: &Path) -> Result<Print, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    print_of(&bytes).ok_or_else(|| {
        let remedy = "remove it and scan again: its recording is heard anew";
        Failure::Input(format!("{}: a damaged fingerprint; {remedy}", path.display()))
    })
}

/// Frames, then landmark after landmark (frame, pitch, level; little-endian), then the hash of all that.
fn bytes_of(print: &Print) -> Vec<u8> {
    let mut bytes = print.frames.to_le_bytes().to_vec();
    for landmark in &print.landmarks {
        bytes.extend(landmark.frame.to_le_bytes());
        bytes.extend(landmark.pitch.to_le_bytes());
        bytes.extend(landmark.level_db.to_le_bytes());
    }
    bytes.extend(check_of(&bytes));
    bytes
}

fn check_of(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("a hash is longer")
}

fn print_of(bytes: &[u8]) -> Option<Print> {
    let (told, check) = bytes.split_last_chunk::<CHECK_BYTES>()?;
    let (frames, rest) = told.split_first_chunk::<4>()?;
    let (landmarks, rest) = rest.as_chunks::<LANDMARK_BYTES>();
    let landmark = |&[a, b, c, d, e, f, g, h, i, j]: &[u8; LANDMARK_BYTES]| Landmark {
        frame: u32::from_le_bytes([a, b, c, d]),
        pitch: u16::from_le_bytes([e, f]),
        level_db: f32::from_le_bytes([g, h, i, j]),
    };
    let whole = || Print { frames: u32::from_le_bytes(*frames), landmarks: landmarks.iter().map(landmark).collect() };
    (rest.is_empty() && check_of(told) == *check).then(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_comes_back_whole_or_not_at_all() {
        let landmark = |frame: u32| Landmark { frame, pitch: 700, level_db: -12.5 };
        let print = Print { frames: 4_000, landmarks: (0..50).map(landmark).collect() };
        let bytes = bytes_of(&print);
        assert_eq!(print_of(&bytes), Some(print));
        assert!((0..bytes.len()).all(|cut| print_of(&bytes[..cut]).is_none()));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(print_of(&changed), None, "byte {at}");
        }
    }
}
