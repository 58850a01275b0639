//! Which segments an index has: one small file, replaced as a whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

const FILE: &str = "index.json";
/// The format this program reads and writes.
const FORMAT: u32 = 1;

/// The segments of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The number of the next segment.
    pub next: u64,
    pub segments: Vec<Part>,
}

/// A segment and what was removed from it since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub file: String,
    pub bytes: u64,
    pub landmarks: u64,
    /// Which recordings are gone, by their place in the segment, in order.
    pub gone: Vec<u32>,
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest { format: FORMAT, next: 1, segments: Vec::new() }
    }
}

impl Manifest {
    /// The manifest of a folder; `None` if there is none.
    pub fn read(dir: &Path) -> Result<Option<Manifest>, Error> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&path, error)),
        };
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| Error::Input(format!("{}: not the list of an index: {error}", path.display())))?;
        if manifest.format != FORMAT {
            let format = manifest.format;
            return Err(Error::Input(format!("{}: format {format}; this program reads {FORMAT}", path.display())));
        }
        let is_plain = |part: &Part| Path::new(&part.file).file_name().is_some_and(|name| name == part.file.as_str());
        if !manifest.segments.iter().all(is_plain) {
            return Err(Error::Input(format!("{}: names files outside its folder", path.display())));
        }
        Ok(Some(manifest))
    }

    /// Makes this the folder's manifest: after a crash either the old or the new one is there.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).expect("numbers and names are JSON");
        replace(dir, FILE, &text)
    }
}

/// Writes a file so that it is there as a whole or not at all, also after a loss of power.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (path, part): (PathBuf, PathBuf) = (dir.join(name), dir.join(format!("{name}.part")));
    let io = |error| Error::io(&path, error);
    let mut file = File::create(&part).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&part, &path).map_err(io)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}
