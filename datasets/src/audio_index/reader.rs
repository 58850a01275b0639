//! An index as it was at one moment.

use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::manifest::{Manifest, Part};
use super::mapped::map;
use super::segment::{Entry, Layout, Recording, entries, is_intact};
use crate::Error;

/// A writer may merge a segment away between reading its name and opening it; then the list is read again, so often.
const TRIES: usize = 5;

/// The segments of an index, memory-mapped.
#[derive(Debug)]
pub struct AudioIndex {
    segments: Vec<Segment>,
}

/// A part of an index that can be searched.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    bytes: Mmap,
    layout: Layout,
    recordings: Vec<Recording>,
}

impl AudioIndex {
    /// Opens the index in a folder.
    ///
    /// # Errors
    /// If there is none, or a damaged one.
    pub fn open(dir: &Path) -> Result<AudioIndex, Error> {
        let mut tries = 1..=TRIES;
        loop {
            let again = tries.next().is_some_and(|at| at < TRIES);
            let Some(manifest) = Manifest::read(dir)? else {
                let hint = "make one with `truestream index add --index DIR FILE...`";
                return Err(Error::Input(format!("{}: no index; {hint}", dir.display())));
            };
            let segments: Result<Vec<Segment>, Error> =
                manifest.segments.iter().map(|part| Segment::open(dir, part)).collect();
            match segments {
                Ok(segments) => return Ok(AudioIndex { segments }),
                Err(Error::Io { source, .. }) if again && source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The recordings that are not gone.
    pub fn recordings(&self) -> impl Iterator<Item = &Recording> {
        self.segments.iter().flat_map(|segment| &segment.recordings).filter(|recording| !recording.is_gone)
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes.len() as u64).sum()
    }

    /// Reads every byte and compares checksums.
    ///
    /// # Errors
    /// Names the first damaged file.
    pub fn check(&self) -> Result<(), Error> {
        match self.segments.iter().find(|segment| !is_intact(&segment.bytes)) {
            None => Ok(()),
            Some(damaged) => {
                let hint =
                    "the file was changed or the disk is failing; remove the folder and add the recordings again";
                Err(Error::Input(format!("{}: the checksum differs: {hint}", damaged.path.display())))
            }
        }
    }
}

impl Segment {
    pub(super) fn open(dir: &Path, part: &Part) -> Result<Segment, Error> {
        let path = dir.join(&part.file);
        let bytes = map(&path)?;
        let layout = Layout::of(&path, &bytes)?;
        let mut recordings = layout
            .recordings(&bytes)
            .ok_or_else(|| Error::Input(format!("{}: its list of recordings is damaged", path.display())))?;
        for gone in &part.gone {
            if let Some(recording) = recordings.get_mut(*gone as usize) {
                recording.is_gone = true;
            }
        }
        Ok(Segment { path, bytes, layout, recordings })
    }

    /// The postings, in order.
    pub fn postings(&self) -> &[[u8; 8]] {
        self.bytes[self.layout.postings.clone()].as_chunks().0
    }

    /// The landmarks, recording after recording.
    pub fn landmarks(&self) -> &[[u8; 4]] {
        self.bytes[self.layout.landmarks.clone()].as_chunks().0
    }

    /// How many postings stand before each equal range of their highest bits, and how many there are.
    pub fn directory(&self) -> &[[u8; 4]] {
        self.bytes[self.layout.directory.clone()].as_chunks().0
    }

    /// The recordings, those that are gone too.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    /// What the segment was made of, without what is gone; nothing if the file is damaged.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Error> {
        if !is_intact(&self.bytes) {
            return Err(Error::Input(format!("{}: the checksum differs; it is not merged", self.path.display())));
        }
        Ok(entries(self.postings(), self.landmarks(), &self.recordings))
    }
}
