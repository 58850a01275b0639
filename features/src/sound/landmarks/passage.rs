//! Which stretches of a piece of any length are in which recording?
//!
//! ```text
//! piece     ─▶ parts of 10 s ─▶ search each ─▶ finds ─▶ those on one line become one passage
//! recording ─▶ four of them  ─▶ search each ─▶ finds ─▶ lines ─▶ followed both ways as far as the two agree ─▶ one passage
//! ```

use super::align::{Alignment, follow};
use super::confidence::{confidence, is_accepted};
use super::listen::{FRAMES_PER_SECOND, Print};
use super::search::{Found, QUERY_SECONDS, search};
use super::shelf::Shelf;

/// A piece up to this long is searched for as a whole.
const WHOLE_SECONDS_MAX: f32 = 15.0;
/// A weaker find counts if it continues an accepted one.
const CONTINUED_SCORE_MIN: f32 = 4.0;
/// Finds are on one line if the middle of one lies so many frames from the other's line (0.4 s), and pitch within a quarter-tone.
const ASIDE_FRAMES_MAX: f32 = 25.0;
const ASIDE_PITCH_MAX: f32 = 8.0;
/// So many parts of a recording are searched for when copies are wanted. Whoever is a copy has half of it in common with the other,
/// or with a shorter one half of that; then the search from the shorter one's side finds it.
const COPY_PARTS_MAX: u32 = 4;

/// A stretch of a piece of sound that is in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passage {
    /// Which shelf.
    pub shelf: usize,
    /// Which recording of it.
    pub span: usize,
    /// Where in the piece the stretch begins.
    pub from_seconds: f32,
    /// How long it is.
    pub length_seconds: f32,
    /// Where in the recording it begins.
    pub offset_seconds: f32,
    /// How much faster than the recording the piece plays: 1.05 is 5 % faster.
    pub speed: f32,
    /// How much higher than the recording it sounds: 1.0595 is a semitone higher.
    pub pitch: f32,
    /// Share of the piece's landmarks that the recording has at the same place.
    pub matched_share: f32,
    /// The best score of a part.
    pub score: f32,
    /// How sure that is no chance.
    pub confidence: f32,
}

impl Passage {
    /// Where in the recording the whole piece would begin; negative before its beginning.
    pub fn origin_seconds(&self) -> f32 {
        self.offset_seconds - self.speed * self.from_seconds
    }
}

/// A find of one part, with times of the whole piece.
#[derive(Clone, Copy, Debug)]
struct Part {
    shelf: usize,
    from: u32,
    middle: f32,
    found: Found,
}

impl Part {
    /// Where in the recording a frame of the piece lies, by this part.
    fn place(&self, frame: f32) -> f32 {
        let Alignment { tempo, origin_frames, .. } = self.found.overlay.alignment;
        origin_frames + tempo * (frame - self.from as f32)
    }

    fn continues(&self, other: &Part) -> bool {
        let (own, others) = (self.found.overlay.alignment, other.found.overlay.alignment);
        // A tempo is only known to about half a percent from one part: what is far away may miss by more.
        let distance = (self.middle - other.middle).abs();
        let aside_max = ASIDE_FRAMES_MAX + 0.01 * distance;
        self.shelf == other.shelf
            && self.found.span == other.found.span
            && (own.shift - others.shift).abs() <= ASIDE_PITCH_MAX
            && (self.place(self.middle) - other.place(self.middle)).abs() <= aside_max
    }
}

/// The accepted passages of a piece, best first.
pub fn passages(piece: &Print, shelves: &[Shelf<'_>]) -> Vec<Passage> {
    let passages = lines(piece, &parts(piece.frames), shelves, |_, _| false);
    best_first(passages.iter().map(|line| passage(line)))
}

/// The recordings that a whole recording has sound in common with, and the longest stretch they share, best first; `is_itself`
/// says of a shelf and a place on it that it is this recording.
pub fn copies(recording: &Print, shelves: &[Shelf<'_>], is_itself: impl Fn(usize, usize) -> bool) -> Vec<Passage> {
    let lines = lines(recording, &sampled(recording.frames), shelves, is_itself);
    let accepted = lines.iter().filter(|line| is_accepted(best_of(line).found.overlay.score));
    let mut stretches = best_first(accepted.filter_map(|line| followed(recording, line, shelves)));
    // Of several stretches in one recording, as a refrain makes them, the longest tells most.
    stretches
        .sort_by(|a, b| (a.shelf, a.span).cmp(&(b.shelf, b.span)).then(b.length_seconds.total_cmp(&a.length_seconds)));
    stretches.dedup_by_key(|passage| (passage.shelf, passage.span));
    best_first(stretches.into_iter())
}

fn best_first(passages: impl Iterator<Item = Passage>) -> Vec<Passage> {
    let mut passages: Vec<Passage> = passages.filter(|passage| is_accepted(passage.score)).collect();
    passages.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.shelf, a.span).cmp(&(b.shelf, b.span))));
    passages
}

/// What is found of the parts, those on one line together.
fn lines(
    piece: &Print,
    parts: &[(u32, u32)],
    shelves: &[Shelf<'_>],
    is_itself: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<Part>> {
    let mut lines: Vec<Vec<Part>> = Vec::new();
    for &(from, to) in parts {
        let query = piece.part(from, to);
        for (shelf, shelved) in shelves.iter().enumerate() {
            let found = search(&query, shelved).into_iter();
            let found =
                found.filter(|found| found.overlay.score >= CONTINUED_SCORE_MIN && !is_itself(shelf, found.span));
            for found in found {
                let part = Part { shelf, from, middle: (from + to) as f32 / 2.0, found };
                match lines.iter_mut().find(|line| line.last().is_some_and(|last| part.continues(last))) {
                    Some(line) => line.push(part),
                    None => lines.push(vec![part]),
                }
            }
        }
    }
    lines
}

/// The stretch around the line's parts in which the whole recordings agree.
fn followed(recording: &Print, line: &[Part], shelves: &[Shelf<'_>]) -> Option<Passage> {
    let known = passage(line);
    let best = best_of(line);
    let (first, last) = (line[0], line[line.len() - 1]);
    let alignment = Alignment {
        tempo: known.speed,
        origin_frames: first.place(first.middle) - known.speed * first.middle,
        ..best.found.overlay.alignment
    };
    let seed = (first.from + first.found.overlay.agreed.0, last.from + last.found.overlay.agreed.1);
    let stretch = follow(&recording.landmarks, alignment, seed, shelves[known.shelf].landmarks_of(known.span))?;
    let (from, to) = (stretch.from as f32, stretch.to as f32);
    Some(Passage {
        from_seconds: from / FRAMES_PER_SECOND,
        length_seconds: (to - from) / FRAMES_PER_SECOND,
        offset_seconds: (stretch.alignment.origin_frames + stretch.alignment.tempo * from) / FRAMES_PER_SECOND,
        speed: stretch.alignment.tempo,
        matched_share: stretch.matched as f32 / stretch.heard.max(1) as f32,
        ..known
    })
}

/// Parts of a recording, evenly over its length.
fn sampled(frames: u32) -> Vec<(u32, u32)> {
    let length = (QUERY_SECONDS * FRAMES_PER_SECOND) as u32;
    let count = (frames / length).clamp(1, COPY_PARTS_MAX);
    let room = u64::from(frames.saturating_sub(length));
    let from = |number: u32| (room * u64::from(2 * number + 1) / u64::from(2 * count)) as u32;
    (0..count).map(|number| (from(number), (from(number) + length).min(frames))).collect()
}

fn best_of(line: &[Part]) -> &Part {
    let by_score = |a: &&Part, b: &&Part| a.found.overlay.score.total_cmp(&b.found.overlay.score);
    line.iter().max_by(by_score).expect("a line has parts")
}

/// From where to where the parts of a piece are; the last one ends with it.
fn parts(frames: u32) -> Vec<(u32, u32)> {
    let length = (QUERY_SECONDS * FRAMES_PER_SECOND) as u32;
    if frames <= (WHOLE_SECONDS_MAX * FRAMES_PER_SECOND) as u32 {
        return vec![(0, frames)];
    }
    let mut parts: Vec<(u32, u32)> =
        (0..frames - length).step_by(length as usize).map(|from| (from, from + length)).collect();
    parts.push((frames - length, frames));
    parts
}

fn passage(line: &[Part]) -> Passage {
    let (first, last) = (line[0], line[line.len() - 1]);
    let best = best_of(line);
    let alignment = best.found.overlay.alignment;
    let tempo = match last.middle - first.middle {
        // Two places far apart tell the tempo better than any part does.
        base if base > 0.0 => (last.place(last.middle) - first.place(first.middle)) / base,
        _ => alignment.tempo,
    };
    let from = (first.from + first.found.overlay.agreed.0) as f32;
    let to = (last.from + last.found.overlay.agreed.1) as f32;
    let sum = |count: fn(&Part) -> u32| line.iter().map(count).sum::<u32>() as f32;
    Passage {
        shelf: best.shelf,
        span: best.found.span,
        from_seconds: from / FRAMES_PER_SECOND,
        length_seconds: (to - from).max(0.0) / FRAMES_PER_SECOND,
        offset_seconds: first.place(from) / FRAMES_PER_SECOND,
        speed: tempo,
        pitch: alignment.pitch(),
        matched_share: sum(|part| part.found.overlay.matched) / sum(|part| part.found.overlay.heard).max(1.0),
        score: best.found.overlay.score,
        confidence: confidence(best.found.overlay.score),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampled_parts_lie_within_the_recording() {
        assert_eq!(sampled(100), [(0, 100)]);
        assert_eq!(sampled(625), [(0, 625)]);
        for frames in [1_250, 2_000, 100_000, u32::MAX] {
            let parts = sampled(frames);
            assert!(
                parts.len() <= COPY_PARTS_MAX as usize
                    && parts.iter().all(|(from, to)| to - from == 625 && *to <= frames)
            );
        }
    }
}
