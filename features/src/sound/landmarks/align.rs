//! How exactly does the query lie in the recording, and how much of it is there?
//!
//! ```text
//! votes ─▶ lines (recording time = tempo x query time + origin) ─▶ for the best lines:
//!     pairs of landmarks at one moment ─▶ histogram of their intervals ─▶ the shift that most agree on ─▶ line through them, again
//! ```
//!
//! Two pieces in one key and one rhythm have many landmarks that meet in time, and at many shifts. What tells the same
//! recording is one shift on which far more agree than on any other.

use super::listen::{FRAMES_PER_SECOND, Landmark, PITCHES_PER_OCTAVE, Print};
use super::search::{PITCH_SHIFT_MAX, TEMPOS};
use super::shelf::{PackedLandmark, placed};

/// One landmark of the query that may be this frame of the recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    /// Which landmark of the query.
    pub queried: u32,
    /// Frame of the recording.
    pub frame: u32,
    /// Tempo that the triple suggests.
    pub tempo: f32,
}

/// How a query lies in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Frames of the recording per frame of the query: 1.05 if the query plays 5 % faster than the recording.
    pub tempo: f32,
    /// Frame of the recording where the query begins.
    pub origin_frames: f32,
    /// Steps of pitch (1/192 octave) that the query lies above the recording.
    pub shift: f32,
}

impl Alignment {
    /// How much faster the query plays than the recording: 1.05 is 5 % faster.
    pub fn speed(&self) -> f32 {
        self.tempo
    }

    /// How much higher the query sounds than the recording: 1.0595 is a semitone higher.
    pub fn pitch(&self) -> f32 {
        (self.shift / f32::from(PITCHES_PER_OCTAVE)).exp2()
    }
}

/// How well a query lies in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlay {
    /// How it lies.
    pub alignment: Alignment,
    /// Landmarks of the query while the recording plays.
    pub heard: u32,
    /// Those of them that the recording has too.
    pub matched: u32,
    /// First and last frame of the query where the two agree without a long break.
    pub agreed: (u32, u32),
    /// By how many deviations the agreement on this shift is above that on the best other shift.
    pub score: f32,
}

/// Frames by which two landmarks of one moment may differ.
const APART_FRAMES: f32 = 2.0;
/// Steps of pitch (25 cents in all) by which intervals that agree may differ.
const APART_PITCH: i32 = 4;
/// Frames by which a vote may miss a line.
const VOTE_APART_FRAMES: f32 = 3.0;
/// Votes so many frames apart tell the tempo (1.4 s: to about 2 %).
const BASE_FRAMES_MIN: f32 = 90.0;
/// About so many votes are paired for lines.
const PAIRED_VOTES: usize = 8;
/// The most promising lines are laid over.
const LINES_MAX: usize = 3;
/// A line is moved so often to where its pairs lie.
const ROUNDS: usize = 3;
/// Agreement ends where nothing agrees for 3 s.
const BREAK_FRAMES: u32 = 188;
/// Intervals beyond are not counted.
const INTERVAL_MAX: i32 = 250;
/// The other shifts that the best one is compared with.
const OTHER_SHIFT_MAX: i32 = 240;

/// Lays the query over a recording where these votes say; `None` if no line goes through them.
pub(super) fn lay_over(query: &[Landmark], votes: &[Vote], recording: &[PackedLandmark]) -> Option<Overlay> {
    let overlays = lines(query, votes).into_iter().filter_map(|line| settle(query, line, recording));
    overlays.max_by(|a, b| a.score.total_cmp(&b.score))
}

/// Recording time = tempo x query time + origin.
#[derive(Clone, Copy, Debug)]
struct Line {
    tempo: f32,
    origin: f32,
}

impl Line {
    fn at(&self, frame: u32) -> f32 {
        self.tempo * frame as f32 + self.origin
    }
}

/// The lines that most votes lie on.
fn lines(query: &[Landmark], votes: &[Vote]) -> Vec<Line> {
    let when = |vote: &Vote| query[vote.queried as usize].frame;
    let through = |vote: &Vote, tempo: f32| Line { tempo, origin: vote.frame as f32 - tempo * when(vote) as f32 };
    let some = || votes.iter().step_by((votes.len() / PAIRED_VOTES).max(1));
    let mut lines: Vec<(u32, Line)> = Vec::new();
    let mut enter = |line: Line| lines.push((support(query, votes, line), line));
    for early in some() {
        enter(through(early, early.tempo));
        enter(through(early, 1.0));
        for late in some() {
            let base = when(late) as f32 - when(early) as f32;
            let tempo = (late.frame as f32 - early.frame as f32) / base;
            if base >= BASE_FRAMES_MIN && TEMPOS.contains(&tempo) {
                enter(through(early, tempo));
            }
        }
    }
    // A stable order: of equal lines the first entered.
    lines.sort_by_key(|(support, _)| std::cmp::Reverse(*support));
    lines.into_iter().take(LINES_MAX).map(|(_, line)| line).collect()
}

/// How many landmarks of the query have a vote on the line.
fn support(query: &[Landmark], votes: &[Vote], line: Line) -> u32 {
    let is_on =
        |vote: &&Vote| (vote.frame as f32 - line.at(query[vote.queried as usize].frame)).abs() <= VOTE_APART_FRAMES;
    let mut last = u32::MAX;
    let mut support = 0;
    for vote in votes.iter().filter(is_on) {
        support += u32::from(vote.queried != last);
        last = vote.queried;
    }
    support
}

/// A landmark of the query and one of the recording at the same moment.
#[derive(Clone, Copy, Debug)]
struct Pair {
    queried: u32,
    query_frame: u32,
    frame: u32,
    /// From the query's pitch to the recording's.
    interval: i32,
}

/// Moves the line to where the landmarks agree, and counts them.
fn settle(query: &[Landmark], mut line: Line, recording: &[PackedLandmark]) -> Option<Overlay> {
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        // The votes' line is less exact than one through pairs.
        let apart = if round == 0 { APART_FRAMES + 1.0 } else { APART_FRAMES };
        meet(query, line, recording, apart, &mut pairs);
        let interval = middle(&pairs, Intervals::of(&pairs).most_agreed()).round() as i32;
        match through_pairs(line, pairs.iter().filter(|pair| agrees(pair, interval))) {
            Some(better) => line = better,
            None => break,
        }
    }
    let heard = meet(query, line, recording, APART_FRAMES, &mut pairs);
    let intervals = Intervals::of(&pairs);
    // Of the intervals that most agree with, one at the edge may come first: the middle of those that agree is exact.
    let interval = middle(&pairs, intervals.most_agreed()).round() as i32;
    let agreeing: Vec<Pair> = pairs.iter().filter(|pair| agrees(pair, interval)).copied().collect();
    let matched = agreeing.chunk_by(|a, b| a.queried == b.queried).count() as u32;
    let alignment = Alignment { tempo: line.tempo, origin_frames: line.origin, shift: -middle(&pairs, interval) };
    TEMPOS.contains(&line.tempo).then(|| Overlay {
        alignment,
        heard,
        matched,
        agreed: longest_agreement(&agreeing),
        score: intervals.score(interval, matched),
    })
}

fn agrees(pair: &Pair, interval: i32) -> bool {
    (pair.interval - interval).abs() <= APART_PITCH
}

/// The mean of the intervals that agree with this one; itself if none does.
fn middle(pairs: &[Pair], interval: i32) -> f32 {
    let (mut n, mut sum) = (0, 0);
    for pair in pairs.iter().filter(|pair| agrees(pair, interval)) {
        n += 1;
        sum += pair.interval;
    }
    if n == 0 { interval as f32 } else { sum as f32 / n as f32 }
}

/// Pairs the landmarks that meet in time; returns how many of the query's fall into the recording.
fn meet(query: &[Landmark], line: Line, recording: &[PackedLandmark], apart: f32, pairs: &mut Vec<Pair>) -> u32 {
    pairs.clear();
    let when = |packed: &PackedLandmark| placed(*packed).frame as f32;
    let (Some(first), Some(last)) = (recording.first().map(when), recording.last().map(when)) else { return 0 };
    let begin = query.first().map_or(0, |landmark| landmark.frame);
    let mut from = recording.partition_point(|packed| when(packed) < line.at(begin) - apart);
    let mut heard = 0;
    for (queried, landmark) in query.iter().enumerate() {
        let moment = line.at(landmark.frame);
        if moment < first - 20.0 || moment > last + 20.0 {
            continue;
        }
        heard += 1;
        while recording.get(from).is_some_and(|packed| when(packed) < moment - apart) {
            from += 1;
        }
        for packed in recording[from..].iter().take_while(|packed| when(packed) <= moment + apart) {
            let there = placed(*packed);
            let interval = i32::from(there.pitch) - i32::from(landmark.pitch);
            if interval.abs() < INTERVAL_MAX {
                pairs.push(Pair { queried: queried as u32, query_frame: landmark.frame, frame: there.frame, interval });
            }
        }
    }
    heard
}

/// The least-squares line through pairs; `None` where they fix none.
fn through_pairs<'a>(line: Line, pairs: impl Iterator<Item = &'a Pair>) -> Option<Line> {
    let (mut n, mut x, mut y, mut xx, mut xy) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    // Taken from the old origin, sums stay small and exact.
    let origin = f64::from(line.origin);
    for pair in pairs {
        let (at, there) = (f64::from(pair.query_frame), f64::from(pair.frame) - origin);
        n += 1.0;
        x += at;
        y += there;
        xx += at * at;
        xy += at * there;
    }
    let spread = n * xx - x * x;
    if n < 4.0 || spread < 1.0 {
        return None;
    }
    let tempo = (n * xy - x * y) / spread;
    let better = Line { tempo: tempo as f32, origin: (origin + (y - tempo * x) / n) as f32 };
    TEMPOS.contains(&better.tempo).then_some(better)
}

/// How many pairs have each interval.
struct Intervals {
    /// Sums over the intervals below, from -(INTERVAL_MAX + APART_PITCH + 1) on.
    below: Vec<u32>,
}

const INTERVALS_FROM: i32 = -(INTERVAL_MAX + APART_PITCH + 1);

impl Intervals {
    fn of(pairs: &[Pair]) -> Intervals {
        let mut below = vec![0_u32; (2 * -INTERVALS_FROM + 2) as usize];
        for pair in pairs {
            below[(pair.interval - INTERVALS_FROM) as usize + 1] += 1;
        }
        for at in 1..below.len() {
            below[at] += below[at - 1];
        }
        Intervals { below }
    }

    /// Pairs whose interval agrees with this one.
    fn around(&self, interval: i32) -> u32 {
        let (from, to) = (interval - APART_PITCH - INTERVALS_FROM, interval + APART_PITCH + 1 - INTERVALS_FROM);
        self.below[to as usize] - self.below[from as usize]
    }

    /// The interval on which most agree; of equals the smallest.
    fn most_agreed(&self) -> i32 {
        let best =
            (-PITCH_SHIFT_MAX..=PITCH_SHIFT_MAX).max_by_key(|interval| (self.around(*interval), -interval.abs()));
        best.expect("the range is not empty")
    }

    /// By how many deviations `matched` is above the best other interval.
    fn score(&self, interval: i32, matched: u32) -> f32 {
        let others =
            (-OTHER_SHIFT_MAX..=OTHER_SHIFT_MAX).filter(|other| (other - interval).abs() > 2 * APART_PITCH + 2);
        let counts: Vec<u32> = others.map(|other| self.around(other)).collect();
        let best = counts.iter().copied().max().unwrap_or(0) as f32;
        let mean = counts.iter().sum::<u32>() as f32 / counts.len().max(1) as f32;
        (matched as f32 - best) / (1.0 + best + mean).sqrt()
    }
}

/// A stretch of a query in which it agrees with a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    /// How the query lies there.
    pub alignment: Alignment,
    /// First and last frame of the query that agree.
    pub from: u32,
    pub to: u32,
    /// Landmarks of the query in it, and those of them that the recording has too.
    pub heard: u32,
    pub matched: u32,
}

/// Agreement is followed by so many frames at a time (4 s).
const BLOCK_FRAMES: u32 = 250;
/// A block with fewer landmarks is nearly silent, and says nothing.
const BLOCK_LANDMARKS_MIN: u32 = 8;
/// A block agrees if it matches at least half as well as where the two were found to agree, and better than by chance: pieces of music
/// of one key and rhythm have up to a tenth of their landmarks in common on their best shift.
const BLOCK_SHARE: f32 = 0.5;
const CHANCE_SHARE: f32 = 0.12;
/// So many blocks in a row that do not agree end the stretch.
const BREAK_BLOCKS: u32 = 2;

/// Follows a known alignment of the frames `seed` to both sides, as far as query and recording agree. The line is drawn anew with
/// every block, because a tempo that 10 s tell is off by seconds after minutes. `None` where not even the seed agrees.
pub(super) fn follow(
    query: &[Landmark],
    known: Alignment,
    seed: (u32, u32),
    recording: &[PackedLandmark],
) -> Option<Stretch> {
    let interval = -known.shift.round() as i32;
    let mut line = Line { tempo: known.tempo, origin: known.origin_frames };
    let (mut agreeing, heard) = block(query, line, seed.0, seed.1 + 1, interval, recording);
    line = through_pairs(line, agreeing.iter())?;
    let mut counted = (heard, matched(&agreeing));
    let share = counted.1 as f32 / heard.max(1) as f32;
    let least = (BLOCK_SHARE * share).max(CHANCE_SHARE);
    let last = query.last()?.frame;
    for forward in [true, false] {
        let (mut edge, mut missed) = (if forward { seed.1 + 1 } else { seed.0 }, 0);
        // What did not agree counts once agreement goes on behind it.
        let mut waiting = (Vec::new(), 0);
        while missed < BREAK_BLOCKS && if forward { edge <= last } else { edge > 0 } {
            let (from, to) = match forward {
                true => (edge, edge + BLOCK_FRAMES),
                false => (edge.saturating_sub(BLOCK_FRAMES), edge),
            };
            edge = if forward { to } else { from };
            let (pairs, heard) = block(query, line, from, to, interval, recording);
            let is_in = heard >= BLOCK_LANDMARKS_MIN && matched(&pairs) as f32 >= least * heard as f32;
            waiting.0.extend(pairs);
            waiting.1 += heard;
            if !is_in {
                missed += 1;
                continue;
            }
            missed = 0;
            counted = (counted.0 + waiting.1, counted.1 + matched(&waiting.0));
            agreeing.append(&mut waiting.0);
            waiting.1 = 0;
            line = through_pairs(line, agreeing.iter()).unwrap_or(line);
        }
    }
    let frames = || agreeing.iter().map(|pair| pair.query_frame);
    Some(Stretch {
        alignment: Alignment { tempo: line.tempo, origin_frames: line.origin, shift: known.shift },
        from: frames().min()?,
        to: frames().max()?,
        heard: counted.0,
        matched: counted.1,
    })
}

impl Print {
    /// Seconds of it that have landmarks enough to agree with another recording.
    pub fn telling_seconds(&self) -> f32 {
        let telling = self
            .landmarks
            .chunk_by(|a, b| a.frame / BLOCK_FRAMES == b.frame / BLOCK_FRAMES)
            .filter(|block| block.len() >= BLOCK_LANDMARKS_MIN as usize);
        // The last block ends with the print.
        let frames = telling.map(|block| BLOCK_FRAMES.min(self.frames - block[0].frame / BLOCK_FRAMES * BLOCK_FRAMES));
        frames.sum::<u32>() as f32 / FRAMES_PER_SECOND
    }
}

/// The pairs of a part of the query that agree on the interval, and how many of its landmarks fall into the recording.
fn block(
    query: &[Landmark],
    line: Line,
    from: u32,
    to: u32,
    interval: i32,
    recording: &[PackedLandmark],
) -> (Vec<Pair>, u32) {
    let before = |frame: u32| query.partition_point(|landmark| landmark.frame < frame);
    let mut pairs = Vec::new();
    let heard = meet(&query[before(from)..before(to)], line, recording, APART_FRAMES + 1.0, &mut pairs);
    pairs.retain(|pair| agrees(pair, interval));
    (pairs, heard)
}

/// How many landmarks of the query have a pair.
fn matched(pairs: &[Pair]) -> u32 {
    pairs.chunk_by(|a, b| a.query_frame == b.query_frame && a.queried == b.queried).count() as u32
}

/// The longest stretch of query frames in which landmarks agree without a long break.
fn longest_agreement(agreeing: &[Pair]) -> (u32, u32) {
    let stretches = agreeing.chunk_by(|a, b| b.query_frame - a.query_frame <= BREAK_FRAMES);
    let ends = stretches.map(|stretch| (stretch[0].query_frame, stretch[stretch.len() - 1].query_frame));
    ends.max_by_key(|(from, to)| to - from).unwrap_or((0, 0))
}
