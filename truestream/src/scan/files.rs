//! Which files are to be heard, in the order of their paths.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use records::Millis;

use crate::exit::Failure;

/// A file, and its path below the folder that was named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// The same from the folder that was named on; the name alone for a file that was.
    pub(super) below: PathBuf,
}

/// The files that are named and all files of the folders that are, hidden ones and the folder of the results left out.
pub(super) fn find(inputs: &[PathBuf], out: &Path) -> Result<Vec<Found>, Failure> {
    let out = out.canonicalize().ok();
    let mut found = Vec::new();
    for input in inputs {
        let about = std::fs::metadata(input).map_err(|error| unreadable(input, &error))?;
        if about.is_dir() {
            walk(input, input, out.as_deref(), &mut found)?;
        } else if about.is_file() {
            let below = PathBuf::from(input.file_name().unwrap_or(input.as_os_str()));
            found.push(Found { path: input.clone(), below });
        } else {
            return Err(Failure::Input(format!("{}: neither a file nor a folder", input.display())));
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.path == b.path);
    if found.is_empty() {
        return Err(Failure::Input("no files to hear: name audio files, or folders with some".to_owned()));
    }
    Ok(found)
}

fn walk(folder: &Path, root: &Path, out: Option<&Path>, found: &mut Vec<Found>) -> Result<(), Failure> {
    if out.is_some() && folder.canonicalize().ok().as_deref() == out {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
        // Links to folders may lead in circles; links to files are files; a link to nothing is refused when it is read.
        let is_file = kind.is_file() || (kind.is_symlink() && !path.is_dir());
        if kind.is_dir() {
            walk(&path, root, out, found)?;
        } else if is_file {
            let below = path.strip_prefix(root).unwrap_or(&path).to_owned();
            found.push(Found { path, below });
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Input(format!("{}: {error}", path.display()))
}

/// Opens what is a regular file. A pipe is not waited for until somebody writes to it.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub(crate) fn open(path: &Path) -> std::io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path)?;
    let about = file.metadata()?;
    match about.is_file() {
        true => Ok((file, about)),
        false => Err(std::io::Error::other("no regular file")),
    }
}

/// Bytes hashed at a time.
const HASHED_AT_ONCE: usize = 256 << 10;

/// The bytes of a file.
#[derive(Clone)]
pub(crate) struct Content {
    /// BLAKE3, hexadecimal.
    pub(crate) hash: String,
    pub(crate) bytes: u64,
    /// When the file was last changed.
    pub(super) changed_at: Millis,
}

/// Opens the file and reads it once for its hash; it is given back at its beginning.
///
/// # Errors
/// As [`open`], and when it cannot be read.
pub(crate) fn hashed(path: &Path) -> std::io::Result<(File, Content)> {
    let (mut file, about) = open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; HASHED_AT_ONCE];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hasher.update(&piece[..count]);
        bytes += count as u64;
    }
    file.rewind()?;
    let changed_at = about.modified().map_or(0, millis);
    Ok((file, Content { hash: hasher.finalize().to_hex().to_string(), bytes, changed_at }))
}

pub(super) fn millis(time: SystemTime) -> Millis {
    let since = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -since(before.duration()), since)
}
