//! Three landmarks, told by what a change of speed or pitch leaves alone.
//!
//! ```text
//! pitch     ·third                    key     = interval to the second, interval to the third, where between
//!       second·                                 the first and the third the second lies
//!   first·                            posting = key, pitch of the first, duration, which landmark is the first
//!        ──────────▶ time
//! ```

use super::listen::{Landmark, PITCHES_PER_OCTAVE};

/// The second and third landmark come so many frames after the first: 0.13 to 2 s.
const LATER_FRAMES: std::ops::RangeInclusive<u32> = 8..=126;
/// At least so many frames lie between the first and the third; a shorter duration says too little about tempo.
const DURATION_FRAMES_MIN: u32 = 24;
/// The second is at least so many frames before the third.
const APART_FRAMES_MIN: u32 = 3;
/// The second lies between these shares of the duration.
const BETWEEN: std::ops::RangeInclusive<f32> = 0.12..=0.88;
/// Intervals up to an octave and a half.
const INTERVAL_MAX: i32 = PITCHES_PER_OCTAVE as i32 * 3 / 2;
/// Steps of an interval in a key: quarter-tones, so that the semitones of most music lie in the middle of a step. A repeated
/// note alone says nothing: one interval is at least so large.
const INTERVAL_STEP: i32 = 8;
/// Steps of the ratio of durations.
const RATIO_STEPS: f32 = 24.0;

/// Which landmarks after a first one are combined: so many of the strongest.
pub(super) const INDEXED_RIVALS: usize = 6;
pub(super) const QUERIED_RIVALS: usize = 7;
/// How many triples of a first landmark go into an index.
const INDEXED_TRIPLES: usize = 1;
/// A value this near to the edge of its step (in steps) is also looked for beyond the edge.
const EDGE: f32 = 0.15;

/// Three landmarks of a print.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Triple {
    /// Which landmark is the first.
    pub first: u32,
    /// From the first to the second and to the third.
    pub intervals: [i32; 2],
    /// Where between the first and the third the second lies.
    pub ratio: f32,
    /// Frames from the first to the third.
    pub duration: u32,
    /// Sum of the second and third level, dB.
    level_db: f32,
}

/// Visits the triples of a print: for each landmark, those with two of the `rivals` strongest landmarks that follow.
pub(super) fn triples(landmarks: &[Landmark], rivals: usize, mut visit: impl FnMut(Triple)) {
    let mut later: Vec<usize> = Vec::new();
    for (first, landmark) in landmarks.iter().enumerate() {
        following(landmarks, first, rivals, &mut later);
        for (at, second) in later.iter().enumerate() {
            for third in &later[at + 1..] {
                let triple = triple(first as u32, landmark, &landmarks[*second], &landmarks[*third]);
                triple.into_iter().for_each(&mut visit);
            }
        }
    }
}

/// The triples that an index keeps: the loudest of each first landmark.
pub(super) fn indexed_triples(landmarks: &[Landmark]) -> Vec<Triple> {
    let mut all = Vec::new();
    triples(landmarks, INDEXED_RIVALS, |triple| all.push(triple));
    let of_one = all.chunk_by_mut(|a, b| a.first == b.first);
    of_one
        .flat_map(|triples| {
            // A stable order: equal levels stay in order of time.
            triples.sort_by(|a, b| b.level_db.total_cmp(&a.level_db));
            triples.iter().take(INDEXED_TRIPLES).copied()
        })
        .collect()
}

/// The strongest landmarks that may follow `first` in a triple, in order of time.
fn following(landmarks: &[Landmark], first: usize, rivals: usize, later: &mut Vec<usize>) {
    let origin = &landmarks[first];
    later.clear();
    for (ahead, landmark) in landmarks[first + 1..].iter().enumerate() {
        let frames = landmark.frame - origin.frame;
        if frames > *LATER_FRAMES.end() {
            break;
        }
        if LATER_FRAMES.contains(&frames) && interval(origin, landmark).abs() <= INTERVAL_MAX {
            later.push(first + 1 + ahead);
        }
    }
    if later.len() > rivals {
        let louder = |a: &usize, b: &usize| landmarks[*b].level_db.total_cmp(&landmarks[*a].level_db).then(a.cmp(b));
        later.select_nth_unstable_by(rivals - 1, louder);
        later.truncate(rivals);
        later.sort_unstable();
    }
}

fn triple(first: u32, origin: &Landmark, second: &Landmark, third: &Landmark) -> Option<Triple> {
    let duration = third.frame - origin.frame;
    let ratio = (second.frame - origin.frame) as f32 / duration as f32;
    let intervals = [interval(origin, second), interval(origin, third)];
    let is_telling = duration >= DURATION_FRAMES_MIN
        && third.frame >= second.frame + APART_FRAMES_MIN
        && BETWEEN.contains(&ratio)
        && intervals.iter().any(|interval| interval.abs() >= INTERVAL_STEP);
    let level_db = second.level_db + third.level_db;
    is_telling.then_some(Triple { first, intervals, ratio, duration, level_db })
}

fn interval(from: &Landmark, to: &Landmark) -> i32 {
    i32::from(to.pitch) - i32::from(from.pitch)
}

/// What neither tempo nor pitch changes, in 19 bits: two intervals in quarter-tones and the ratio of durations in 24ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub u32);

/// Bits of a [`Key`].
pub(super) const KEY_BITS: u32 = 19;

impl Key {
    fn of(intervals: [i32; 2], ratio: i32) -> Key {
        // Intervals are at most 36 steps to either side, ratios below 24.
        Key((((intervals[0] + 64) as u32) << 12) | (((intervals[1] + 64) as u32) << 5) | ratio as u32)
    }
}

impl Triple {
    /// The key.
    pub fn key(&self) -> Key {
        let [second, third] = self.intervals.map(|interval| steps(interval as f32 / INTERVAL_STEP as f32).0);
        Key::of([second, third], (self.ratio * RATIO_STEPS) as i32)
    }

    /// The key, and those just over an edge.
    pub fn keys(&self, mut visit: impl FnMut(Key)) {
        let [second, third] = self.intervals.map(|interval| either(steps(interval as f32 / INTERVAL_STEP as f32)));
        let ratio = either(steps(self.ratio * RATIO_STEPS - 0.5));
        for second in second.into_iter().flatten() {
            for third in third.into_iter().flatten() {
                for ratio in ratio.into_iter().flatten() {
                    visit(Key::of([second, third], ratio));
                }
            }
        }
    }
}

/// The nearest step and how far the value is from it.
fn steps(value: f32) -> (i32, f32) {
    let step = (value + 0.5).floor();
    (step as i32, value - step)
}

/// The step, and the next one if the value is near to it.
fn either((step, aside): (i32, f32)) -> [Option<i32>; 2] {
    let next = match aside {
        aside if aside > 0.5 - EDGE => Some(step + 1),
        aside if aside < EDGE - 0.5 => Some(step - 1),
        _ => None,
    };
    [Some(step), next]
}

/// Steps of pitch in a posting: quarter-tones.
pub(super) const POSTED_PITCH_STEP: u16 = 8;

/// A triple as an index keeps it; sorts by key, then pitch.
///
/// ```text
/// bit 63      45       38         31            0
///     │ key 19 │ pitch 7 │ frames 7 │ landmark 31 │
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting(pub u64);

/// The most landmarks of a shelf.
const LANDMARKS_MAX: u32 = (1 << 31) - 1;

impl Posting {
    /// The posting of a triple whose first landmark is the `landmark`-th of the shelf.
    pub fn new(triple: &Triple, pitch: u16, landmark: u32) -> Posting {
        let pitch = u64::from(pitch / POSTED_PITCH_STEP);
        Posting(u64::from(triple.key().0) << 45 | pitch << 38 | u64::from(triple.duration) << 31 | u64::from(landmark))
    }

    /// The smallest posting of a key and a posted pitch.
    pub fn floor(key: Key, pitch_step: u16) -> Posting {
        Posting(u64::from(key.0) << 45 | u64::from(pitch_step) << 38)
    }

    /// Frames from the first to the third landmark.
    pub fn duration(self) -> u32 {
        (self.0 >> 31) as u32 & 127
    }

    /// Which landmark of the shelf is the first.
    pub fn landmark(self) -> u32 {
        self.0 as u32 & LANDMARKS_MAX
    }
}
