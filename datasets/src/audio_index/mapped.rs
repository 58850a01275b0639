//! A file as a slice of bytes.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::Error;

/// Maps a file that nobody changes any more.
#[allow(unsafe_code)]
pub(super) fn map(path: &Path) -> Result<Mmap, Error> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    // SAFETY: a segment is complete before `index.json` names it, is never written to again, and is unlinked, not truncated, when
    // it is merged away; the mapping keeps the unlinked file alive. Whoever truncates files inside an index folder by hand
    // gets a bus error, as with every mapped file. The bytes themselves are checked wherever they are used as numbers.
    unsafe { Mmap::map(&file) }.map_err(|error| Error::io(path, error))
}
