//! Indexes, ready to be searched.
//!
//! ```text
//! indexes ──▶ segments, each with where its recordings begin ──▶ shelves ──▶ search ──▶ (shelf, place) ──▶ recording
//! ```

use datasets::audio_index::{AudioIndex, Recording, Segment};
use features::sound::landmarks::{Shelf, Span};

use crate::exit::Failure;

/// The segments of one index after the other.
pub(crate) struct Library<'a> {
    segments: Vec<(&'a Segment, Vec<Span>)>,
}

impl<'a> Library<'a> {
    /// Makes the indexes ready.
    ///
    /// # Errors
    /// When one of them is damaged.
    pub(crate) fn of(indexes: &[&'a AudioIndex]) -> Result<Library<'a>, Failure> {
        let span = |recording: &Recording| Span {
            first_landmark: recording.first_landmark,
            frames: recording.frames,
            is_gone: recording.is_gone,
        };
        let segments = indexes.iter().flat_map(|index| index.segments());
        let segments = segments.map(|segment| (segment, segment.recordings().iter().map(span).collect())).collect();
        let library = Library { segments };
        if library.shelves().len() != library.segments.len() {
            return Err(Failure::Input("the index is damaged; `truestream index stat` says where".to_owned()));
        }
        Ok(library)
    }

    /// What is searched.
    pub(crate) fn shelves(&self) -> Vec<Shelf<'_>> {
        let segments = self.segments.iter();
        segments
            .filter_map(|(segment, spans)| {
                Shelf::new(segment.postings(), segment.directory(), segment.landmarks(), spans)
            })
            .collect()
    }

    /// The recording at a place of a shelf.
    pub(crate) fn recording(&self, shelf: usize, span: usize) -> &'a Recording {
        let (segment, _) = &self.segments[shelf];
        &segment.recordings()[span]
    }
}
