//! Which stretches of a piece of any length are in which recording?
//!
//! ```text
//! piece     ─▶ parts of 10 s    ─▶ search each ─▶ finds ─▶ those on one line become one passage
//! recording ─▶ one in each 30 s ─▶ search each ─▶ finds? ─▶ all parts of 10 s ─▶ search each ─▶ lines
//!                                                                                             └▶ followed both ways as far as the two agree ─▶ stretches ─▶ what two have in common
//! ```

use std::collections::BTreeMap;

use super::align::{Alignment, follow};
use super::confidence::{confidence, is_accepted};
use super::listen::{FRAMES_PER_SECOND, Print};
use super::search::{Found, QUERY_SECONDS, search};
use super::shelf::Shelf;
use crate::tally::mixed;

/// A piece up to this long is searched for as a whole.
const WHOLE_SECONDS_MAX: f32 = 15.0;
/// A weaker find counts if it continues an accepted one.
const CONTINUED_SCORE_MIN: f32 = 4.0;
/// Finds are on one line if the middle of one lies so many frames from the other's line (0.4 s), and pitch within a quarter-tone.
const ASIDE_FRAMES_MAX: f32 = 25.0;
const ASIDE_PITCH_MAX: f32 = 8.0;
/// One part is searched for in each so many seconds of a recording when copies are wanted: a third of it, at a third of the cost.
const COPY_PERIOD_SECONDS: f32 = 30.0;
/// And so many at least, as far as it has them.
const COPY_PARTS_MIN: u32 = 6;
/// From here on a recording is searched for in all its parts: one in twenty that is no copy is so for nothing.
const SUSPECT_CONFIDENCE_MIN: f64 = 0.95;
/// Less in common is chance, a jingle or a drum loop, whatever its score.
const STRETCH_SECONDS_MIN: f32 = 5.0;

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
    /// How sure it is that this is no chance: see [`confidence`].
    pub confidence: f64,
}

/// What a recording has in common with another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Common {
    /// The longest stretch; how sure it is and its score are those of the surest.
    pub longest: Passage,
    /// Seconds of the recording that are in the other, all stretches together. What is played over and over counts as often as the other has it.
    pub seconds: f32,
    /// In how many stretches of the recording they lie.
    pub stretches: usize,
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
    let parts = parts(piece.frames);
    let sure = |score: f32| confidence(score, parts.len(), hours(shelves));
    let lines = lines(piece, &parts, shelves, &|_, _| false);
    let mut passages: Vec<Passage> = lines.iter().map(|line| passage(line, &sure)).collect();
    passages.retain(|passage| is_accepted(passage.score));
    passages.sort_by(surest_first);
    passages
}

/// The recordings that a whole recording has sound in common with, surest first; `is_itself` says of a shelf and a place on it that it is
/// this recording.
pub fn copies(recording: &Print, shelves: &[Shelf<'_>], is_itself: impl Fn(usize, usize) -> bool) -> Vec<Common> {
    let mut asked = sampled(recording);
    let hours = hours(shelves);
    let mut lines_found = lines(recording, &asked, shelves, &is_itself);
    let is_suspect =
        |line: &Vec<Part>| confidence(best_of(line).found.overlay.score, asked.len(), hours) >= SUSPECT_CONFIDENCE_MIN;
    if lines_found.iter().any(is_suspect) {
        asked = parts(recording.frames);
        lines_found = lines(recording, &asked, shelves, &is_itself);
    }
    let sure = |score: f32| confidence(score, asked.len(), hours);
    let mut stretches: BTreeMap<(usize, usize), Vec<Passage>> = BTreeMap::new();
    for line in lines_found {
        let known = passage(&line, &sure);
        if is_accepted(known.score) {
            stretches.entry((known.shelf, known.span)).or_default().extend(followed(recording, &line, known, shelves));
        }
    }
    let mut common: Vec<Common> = stretches.into_values().filter_map(common).collect();
    common.sort_by(|a, b| surest_first(&a.longest, &b.longest));
    common
}

fn surest_first(a: &Passage, b: &Passage) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then((a.shelf, a.span).cmp(&(b.shelf, b.span)))
}

/// Hours of music on the shelves.
fn hours(shelves: &[Shelf<'_>]) -> f64 {
    shelves.iter().map(Shelf::hours).sum()
}

/// What all stretches of one pair come to; `None` where there are none.
fn common(stretches: Vec<Passage>) -> Option<Common> {
    let longest = stretches.iter().max_by(|a, b| a.length_seconds.total_cmp(&b.length_seconds))?;
    let surest = stretches.iter().max_by(|a, b| a.score.total_cmp(&b.score))?;
    let here = stretches.iter().map(|one| (one.from_seconds, one.from_seconds + one.length_seconds));
    // In the time of the recording, too.
    let there = stretches
        .iter()
        .map(|one| (one.offset_seconds / one.speed, one.offset_seconds / one.speed + one.length_seconds));
    Some(Common {
        longest: Passage { score: surest.score, confidence: surest.confidence, ..*longest },
        seconds: covered(here.clone().collect()).0.min(covered(there.collect()).0),
        stretches: covered(here.collect()).1,
    })
}

/// How much the stretches cover together, and in how many pieces.
fn covered(mut stretches: Vec<(f32, f32)>) -> (f32, usize) {
    stretches.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut seconds, mut pieces, mut reached) = (0.0, 0, f32::NEG_INFINITY);
    for (from, to) in stretches {
        pieces += usize::from(from > reached);
        seconds += (to - from.max(reached)).max(0.0);
        reached = to.max(reached);
    }
    (seconds, pieces)
}

/// What is found of the parts, those on one line together.
fn lines(
    piece: &Print,
    parts: &[(u32, u32)],
    shelves: &[Shelf<'_>],
    is_itself: &dyn Fn(usize, usize) -> bool,
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

/// The stretches around the line's parts in which the whole recordings agree: several where something else lies between.
fn followed(recording: &Print, line: &[Part], known: Passage, shelves: &[Shelf<'_>]) -> Vec<Passage> {
    let mut stretches: Vec<Passage> = Vec::new();
    for part in line {
        let agreed = [part.found.overlay.agreed.0, part.found.overlay.agreed.1].map(|frame| part.from + frame);
        let is_in = |stretch: &Passage| {
            let from = stretch.from_seconds * FRAMES_PER_SECOND;
            (from..=from + stretch.length_seconds * FRAMES_PER_SECOND).contains(&part.middle)
        };
        if stretches.iter().any(is_in) {
            continue;
        }
        let alignment = Alignment {
            tempo: known.speed,
            origin_frames: part.place(part.middle) - known.speed * part.middle,
            ..best_of(line).found.overlay.alignment
        };
        let there = shelves[known.shelf].landmarks_of(known.span);
        let Some(stretch) = follow(&recording.landmarks, alignment, (agreed[0], agreed[1]), there) else { continue };
        let (from, to) = (stretch.from as f32, stretch.to as f32);
        stretches.push(Passage {
            from_seconds: from / FRAMES_PER_SECOND,
            length_seconds: (to - from) / FRAMES_PER_SECOND,
            offset_seconds: (stretch.alignment.origin_frames + stretch.alignment.tempo * from) / FRAMES_PER_SECOND,
            speed: stretch.alignment.tempo,
            matched_share: stretch.matched as f32 / stretch.heard.max(1) as f32,
            ..known
        });
    }
    stretches.retain(|stretch| stretch.length_seconds >= STRETCH_SECONDS_MIN);
    stretches
}

/// Parts of a recording, one in each of as many equal stretches of it. Where in its stretch a part lies hangs on every landmark: so nobody can
/// put other sound just there before the recording is finished.
fn sampled(recording: &Print) -> Vec<(u32, u32)> {
    let frames = recording.frames;
    let [length, period] = [QUERY_SECONDS, COPY_PERIOD_SECONDS].map(|seconds| (seconds * FRAMES_PER_SECOND) as u32);
    let count = (frames / period).max((frames / length).clamp(1, COPY_PARTS_MIN));
    let mut lot = recording.landmarks.iter().fold(u64::from(frames), |lot, landmark| {
        mixed(
            lot ^ (u64::from(landmark.frame) << 16 | u64::from(landmark.pitch))
                ^ u64::from(landmark.level_db.to_bits()) << 32,
        )
    });
    let edge = |number: u32| (u64::from(frames) * u64::from(number) / u64::from(count)) as u32;
    let part = |number: u32| {
        lot = mixed(lot.wrapping_add(1));
        let room = (edge(number + 1) - edge(number)).saturating_sub(length);
        let from = edge(number) + (lot % (u64::from(room) + 1)) as u32;
        (from, (from + length).min(frames))
    };
    (0..count).map(part).collect()
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

/// The line's parts as one passage; `sure` says how sure a score is.
fn passage(line: &[Part], sure: &dyn Fn(f32) -> f64) -> Passage {
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
        confidence: sure(best.found.overlay.score),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::landmarks::Landmark;

    /// A print of so many frames whose landmarks come from a seed.
    fn print(frames: u32, seed: u32) -> Print {
        let landmark =
            |n: u32| Landmark { frame: n, pitch: (mixed(u64::from(seed << 8 | n)) % 800) as u16, level_db: 0.0 };
        Print { frames, landmarks: (0..20).map(landmark).collect() }
    }

    #[test]
    fn sampled_parts_lie_within_the_recording_and_where_nobody_knows() {
        assert_eq!(sampled(&print(100, 1)), [(0, 100)]);
        assert_eq!(sampled(&print(625, 1)), [(0, 625)]);
        assert_eq!(sampled(&print(1_875, 1)), [(0, 625), (625, 1_250), (1_250, 1_875)]);
        for frames in [1_300, 2_000, 12_500, 100_000, 1 << 22] {
            let parts = sampled(&print(frames, 1));
            assert!(parts.len() as u32 >= (frames / 1_875).max(2));
            assert!(parts.iter().all(|(from, to)| to - from == 625 && *to <= frames));
            assert!(parts.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{parts:?}");
            assert_eq!(parts, sampled(&print(frames, 1)), "the same recording is asked in the same places");
            assert_ne!(parts, sampled(&print(frames, 2)));
        }
        // Three minutes with 12 s of fillers in the middle of each 30 s, the worst place for them: of a thousand such files few are missed.
        let is_filler = |frame: u32| (562..1_312).contains(&(frame % 1_875));
        let is_heard = |&(from, to): &(u32, u32)| (from..to).filter(|frame| !is_filler(*frame)).count() >= 312;
        let missed = (0..1_000).filter(|seed| !sampled(&print(11_250, *seed)).iter().any(is_heard)).count();
        assert!(missed <= 60, "{missed} of 1000 have no part with 5 s of the other recording");
    }

    #[test]
    fn what_is_covered_twice_counts_once() {
        assert_eq!(covered(vec![]), (0.0, 0));
        assert_eq!(covered(vec![(10.0, 20.0), (0.0, 5.0), (15.0, 30.0), (16.0, 17.0)]), (25.0, 2));
        let stretch = |from: f32, offset: f32, length: f32| Passage {
            shelf: 0,
            span: 0,
            from_seconds: from,
            length_seconds: length,
            offset_seconds: offset,
            speed: 1.0,
            pitch: 1.0,
            matched_share: 0.5,
            score: length,
            confidence: 1.0,
        };
        // 30 s in two stretches; a loop of 10 s that is played three times is 10 s of the other.
        let parted = common(vec![stretch(0.0, 0.0, 10.0), stretch(15.0, 12.0, 20.0)]).expect("a stretch");
        assert_eq!((parted.seconds, parted.stretches, parted.longest.from_seconds), (30.0, 2, 15.0));
        let looped = common((0..3).map(|time| stretch(time as f32 * 10.0, 40.0, 10.0)).collect()).expect("a stretch");
        assert_eq!(looped.seconds, 10.0);
        assert_eq!(common(Vec::new()), None);
    }
}
