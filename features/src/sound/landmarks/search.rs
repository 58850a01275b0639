//! Where in which recording does this piece of sound occur?
//!
//! ```text
//! query ─▶ triples ─▶ postings of their keys, rarest first ─▶ hits ─▶ votes per place ─▶ best places ─▶ overlay ─▶ found
//! ```

use std::ops::RangeInclusive;

use super::align::{Alignment, Overlay, Vote, lay_over};
use super::listen::{FRAMES_PER_SECOND, Landmark, Print};
use super::shelf::Shelf;
use super::triple::{Key, POSTED_PITCH_STEP, QUERIED_RIVALS, triples};

/// A query is best so long; a longer piece is searched for in parts.
pub const QUERY_SECONDS: f32 = 10.0;

/// Tempo of a recording against the query's: speed +-10 %, and a little for rounding.
pub(super) const TEMPOS: RangeInclusive<f32> = 0.86..=1.17;
/// Pitch of a recording against the query's: +-2 semitones are 32 steps; speed +-10 % is 29; some are for rounding.
pub(super) const PITCH_SHIFT_MAX: i32 = 44;

/// The most postings that one query reads from a shelf, rarest keys first: so a larger index costs little more.
const POSTINGS_MAX: usize = 30_000;
/// The most places that are looked at closely.
const PLACES_MAX: usize = 16;
/// And of one recording, so that its repeats do not hide its copies.
const PLACES_PER_RECORDING_MAX: usize = 5;
/// A place needs so many votes to be looked at.
const VOTES_MIN: u32 = 3;
/// The most votes of one place that are used to find its line.
const VOTES_USED_MAX: usize = 160;

/// A place is a recording, half a second of it, and half a semitone of shift.
const PLACE_FRAMES_LOG2: u32 = 5;
const PLACE_PITCH_LOG2: u32 = 3;
/// Where the middle of the query may lie before the recording's beginning.
const LEAD_FRAMES: f32 = 4096.0;

/// A recording that the query was found in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Which recording of the shelf.
    pub span: usize,
    /// How the query lies in it, and how well.
    pub overlay: Overlay,
    /// Landmark triples that voted for the place.
    pub votes: u32,
}

/// The best place of the query in each recording where it may lie, best first. Most of them are chance: see [`super::is_accepted`].
pub fn search(query: &Print, shelf: &Shelf<'_>) -> Vec<Found> {
    let hits = hits(query, shelf);
    let places = Places::of(&hits);
    let mut found: Vec<Found> = Vec::new();
    for (votes, place) in places.ranked() {
        let span = places.span(place);
        let Some(overlay) = lay_over(&query.landmarks, &places.around(place), shelf.landmarks_of(span)) else {
            continue;
        };
        match found.iter_mut().find(|found| found.span == span) {
            Some(known) if known.overlay.score >= overlay.score => {}
            Some(known) => *known = Found { span, overlay, votes },
            None => found.push(Found { span, overlay, votes }),
        }
    }
    found.sort_by(|a, b| b.overlay.score.total_cmp(&a.overlay.score).then(a.span.cmp(&b.span)));
    found
}

/// A triple of the query that is a triple of a recording.
#[derive(Clone, Copy, Debug)]
struct Hit {
    place: u64,
    vote: Vote,
}

/// Postings that one triple of the query asks for.
struct Asked {
    postings: std::ops::Range<usize>,
    first: u32,
    duration: u32,
}

fn hits(query: &Print, shelf: &Shelf<'_>) -> Vec<Hit> {
    let mut asked: Vec<Asked> = Vec::new();
    let reach = (PITCH_SHIFT_MAX as u16).div_ceil(POSTED_PITCH_STEP);
    triples(&query.landmarks, QUERIED_RIVALS, |triple| {
        let pitch = query.landmarks[triple.first as usize].pitch / POSTED_PITCH_STEP;
        triple.keys(|key: Key| {
            let postings = shelf.range(key, pitch.saturating_sub(reach)..pitch + reach + 1);
            if !postings.is_empty() {
                asked.push(Asked { postings, first: triple.first, duration: triple.duration });
            }
        });
    });
    rarest(&mut asked);
    let middle = query.frames as f32 / 2.0;
    let of_one = |asked: &Asked| {
        let (first, landmark) = (asked.first, &query.landmarks[asked.first as usize]);
        let duration = asked.duration as f32;
        asked.postings.clone().filter_map(move |at| hit(shelf, at, first, landmark, duration, middle))
    };
    asked.iter().flat_map(of_one).collect()
}

/// Keeps the rarest that together have at most [`POSTINGS_MAX`] postings.
fn rarest(asked: &mut Vec<Asked>) {
    let all: usize = asked.iter().map(|asked| asked.postings.len()).sum();
    if all <= POSTINGS_MAX {
        return;
    }
    asked.sort_by_key(|asked| asked.postings.len());
    let mut read = 0;
    let kept = asked
        .iter()
        .take_while(|asked| {
            read += asked.postings.len();
            read <= POSTINGS_MAX
        })
        .count();
    asked.truncate(kept);
}

fn hit(shelf: &Shelf<'_>, at: usize, first: u32, landmark: &Landmark, duration: f32, middle: f32) -> Option<Hit> {
    let posting = shelf.posting(at);
    let tempo = posting.duration() as f32 / duration;
    if !TEMPOS.contains(&tempo) {
        return None;
    }
    let there = shelf.landmark(posting.landmark())?;
    let shift = i32::from(there.pitch) - i32::from(landmark.pitch);
    if shift.abs() > PITCH_SHIFT_MAX {
        return None;
    }
    let span = shelf.owner(posting.landmark())?;
    let centre = there.frame as f32 + tempo * (middle - landmark.frame as f32) + LEAD_FRAMES;
    let vote = Vote { queried: first, frame: there.frame, tempo };
    Some(Hit { place: place(span, centre.max(0.0) as u32, (shift + PITCH_SHIFT_MAX) as u32), vote })
}

/// ```text
/// bit 63        32                 5         0
///     │ recording │ half second     │ shift 5 │
/// ```
/// Neighbours in time are 32 apart, neighbours in pitch 1; shifts take 12 of 32 values, so neighbours never meet across an edge.
fn place(span: usize, frame: u32, shift: u32) -> u64 {
    (span as u64) << 32 | u64::from(frame >> PLACE_FRAMES_LOG2) << 5 | u64::from(shift >> PLACE_PITCH_LOG2)
}

/// Whether two places of one recording are next to each other, or one.
fn are_neighbours(one: u64, other: u64) -> bool {
    let time = |place: u64| place as u32 >> 5;
    let pitch = |place: u64| place as u32 & 31;
    time(one).abs_diff(time(other)) <= 1 && pitch(one).abs_diff(pitch(other)) <= 1
}

/// Hits by place.
struct Places {
    /// By place, then query landmark.
    hits: Vec<Hit>,
    /// Place, where its hits begin, and how many landmarks of the query vote for it.
    places: Vec<(u64, u32, u32)>,
}

impl Places {
    fn of(hits: &[Hit]) -> Places {
        let mut hits = hits.to_vec();
        hits.sort_unstable_by_key(|hit| (hit.place, hit.vote.queried));
        let mut places = Vec::new();
        let mut begin = 0;
        for run in hits.chunk_by(|a, b| a.place == b.place) {
            let voters = run.chunk_by(|a, b| a.vote.queried == b.vote.queried).count();
            places.push((run[0].place, begin as u32, voters as u32));
            begin += run.len();
        }
        Places { hits, places }
    }

    fn span(&self, at: usize) -> usize {
        (self.places[at].0 >> 32) as usize
    }

    fn find(&self, place: u64) -> Option<usize> {
        self.places.binary_search_by_key(&place, |found| found.0).ok()
    }

    /// The place and its neighbours in time and pitch.
    fn neighbours(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let centre = self.places[at].0;
        let moves = [-32_i64, 0, 32].into_iter().flat_map(|time| [-1_i64, 0, 1].map(|pitch| time + pitch));
        moves.filter_map(move |aside| self.find(centre.wrapping_add_signed(aside)))
    }

    /// The places with most votes, neighbours counted in, most first.
    fn ranked(&self) -> Vec<(u32, usize)> {
        // A place whose own and pitch neighbours' votes are a single one is hardly the middle of many: it is not asked further.
        let promising = |at: &usize| {
            let own = self.places[*at].2;
            own >= 2 || {
                let beside = |other: Option<&(u64, u32, u32)>| {
                    other.is_some_and(|other| other.0.abs_diff(self.places[*at].0) == 1)
                };
                beside(at.checked_sub(1).and_then(|before| self.places.get(before))) || beside(self.places.get(at + 1))
            }
        };
        let votes = |at: usize| (self.neighbours(at).map(|near| self.places[near].2).sum::<u32>(), at);
        let mut ranked: Vec<(u32, usize)> = (0..self.places.len()).filter(promising).map(votes).collect();
        ranked.retain(|(votes, _)| *votes >= VOTES_MIN);
        ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        self.apart(ranked)
    }

    /// The first of these that are no neighbours of each other, and not all in one recording.
    fn apart(&self, ranked: Vec<(u32, usize)>) -> Vec<(u32, usize)> {
        let mut chosen: Vec<(u32, usize)> = Vec::new();
        for (votes, at) in ranked {
            let in_span = chosen.iter().filter(|(_, other)| self.span(*other) == self.span(at));
            let is_wanted = in_span.clone().count() < PLACES_PER_RECORDING_MAX
                && !in_span
                    .map(|(_, other)| *other)
                    .any(|other| are_neighbours(self.places[at].0, self.places[other].0));
            if is_wanted {
                chosen.push((votes, at));
            }
            if chosen.len() == PLACES_MAX {
                break;
            }
        }
        chosen
    }

    fn around(&self, at: usize) -> Vec<Vote> {
        let of_place = |near: usize| {
            let begin = self.places[near].1 as usize;
            let end = self.places.get(near + 1).map_or(self.hits.len(), |next| next.1 as usize);
            &self.hits[begin..end]
        };
        let mut votes: Vec<Vote> =
            self.neighbours(at).flat_map(of_place).map(|hit| hit.vote).take(VOTES_USED_MAX).collect();
        votes.sort_by_key(|vote| (vote.queried, vote.frame));
        votes
    }
}

impl Alignment {
    /// Where in the recording the query begins, seconds; negative if before its beginning.
    pub fn offset_seconds(&self) -> f32 {
        self.origin_frames / FRAMES_PER_SECOND
    }
}
