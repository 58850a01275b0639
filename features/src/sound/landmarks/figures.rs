//! What of a recording is the same wherever it begins and however it is encoded, as far as it is.
//!
//! ```text
//! print ─▶ landmarks of an index ─▶ triples ─▶ key, pitch, duration ─▶ a set of numbers
//! ```

use super::listen::Print;
use super::triple::{INDEXED_RIVALS, Posting, triples};

/// Bits of a posting that count landmarks.
const PLACE_BITS: u32 = 31;

/// The figures of a print, in order, each once: three landmarks by their intervals, where between the first and the third the second lies, their pitch and
/// how long they last, in 33 bits. None tells when in the recording it is. A change of speed or pitch changes all of them.
pub fn figures(print: &Print) -> Vec<u64> {
    let print = print.thinned();
    let mut figures = Vec::new();
    triples(&print.landmarks, INDEXED_RIVALS, |triple| {
        figures.push(Posting::new(&triple, print.landmarks[triple.first as usize].pitch, 0).0 >> PLACE_BITS);
    });
    figures.sort_unstable();
    figures.dedup();
    figures
}
