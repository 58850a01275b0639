//! Which recordings of a catalogue are one recording?
//!
//! ```text
//! likenesses (this recording was found in that one) ─▶ connected components ─▶ duplicate_group
//! ```

use std::collections::BTreeMap;

/// One recording was found in another.
#[derive(Clone, Debug, PartialEq)]
pub struct Likeness<Id> {
    /// The recording that was searched for.
    pub content: Id,
    /// The recording that it was found in.
    pub found_in: Id,
    /// Where in the latter the former begins.
    pub offset_ms: i64,
    /// How much faster the former plays.
    pub speed: f32,
    /// How much higher the former sounds.
    pub pitch: f32,
    /// Share of the landmarks of the stretch they share that both have.
    pub matched_share: f32,
    /// How sure that is ([`super::is_accepted`]).
    pub score: f32,
}

/// A recording that has near-duplicates; a row of the table `duplicate_group`.
#[derive(Clone, Debug, PartialEq)]
pub struct DuplicateGroup<Id> {
    /// The recording.
    pub content: Id,
    /// The smallest id of the group.
    pub group: Id,
    /// How many recordings the group has.
    pub size: usize,
    /// Where it begins in the recording that names the group, along the surest likenesses; 0 for that one itself.
    pub offset_ms: i64,
    /// How much faster than that one it plays.
    pub speed: f32,
    /// How much higher than that one it sounds.
    pub pitch: f32,
    /// The least share of the likenesses on the way; 1 of the recording that names the group.
    pub matched_share: f32,
    /// Their least score; infinity of the recording that names the group.
    pub score: f32,
}

/// The groups of two recordings and more, in order of group, then recording. Likenesses of a recording to itself say nothing.
pub fn duplicate_groups<Id: Ord + Clone>(likenesses: &[Likeness<Id>]) -> Vec<DuplicateGroup<Id>> {
    let steps = steps(likenesses);
    let mut placed: BTreeMap<&Id, DuplicateGroup<Id>> = BTreeMap::new();
    // Ids come in order: the first of a component that is met is its smallest.
    for group in steps.keys().copied() {
        if placed.contains_key(group) {
            continue;
        }
        let members = surest_ways(group, &steps);
        let size = members.len();
        placed.extend(members.into_iter().map(|(id, way)| (id, way.into_row(id.clone(), group.clone(), size))));
    }
    let mut rows: Vec<DuplicateGroup<Id>> = placed.into_values().collect();
    rows.sort_by(|a, b| (&a.group, &a.content).cmp(&(&b.group, &b.content)));
    rows
}

/// How a recording lies in the one that names its group: there = offset + speed x here.
#[derive(Clone, Copy, Debug)]
struct Way {
    offset_ms: f64,
    speed: f64,
    pitch: f64,
    matched_share: f32,
    score: f32,
}

impl Way {
    const HERE: Way = Way { offset_ms: 0.0, speed: 1.0, pitch: 1.0, matched_share: 1.0, score: f32::INFINITY };

    /// A step of `self` first, then the way `on`.
    fn then(self, on: Way) -> Way {
        Way {
            offset_ms: on.offset_ms + on.speed * self.offset_ms,
            speed: self.speed * on.speed,
            pitch: self.pitch * on.pitch,
            matched_share: self.matched_share.min(on.matched_share),
            score: self.score.min(on.score),
        }
    }

    fn back(self) -> Way {
        Way { offset_ms: -self.offset_ms / self.speed, speed: 1.0 / self.speed, pitch: 1.0 / self.pitch, ..self }
    }

    fn into_row<Id>(self, content: Id, group: Id, size: usize) -> DuplicateGroup<Id> {
        DuplicateGroup {
            content,
            group,
            size,
            offset_ms: self.offset_ms.round() as i64,
            speed: self.speed as f32,
            pitch: self.pitch as f32,
            matched_share: self.matched_share,
            score: self.score,
        }
    }
}

type Steps<'a, Id> = BTreeMap<&'a Id, BTreeMap<&'a Id, Way>>;

/// From each recording, how those like it lie in it; of several likenesses of a pair the surest.
fn steps<Id: Ord>(likenesses: &[Likeness<Id>]) -> Steps<'_, Id> {
    let mut steps: Steps<'_, Id> = BTreeMap::new();
    let mut enter = |outer, inner, way: Way| {
        let known = steps.entry(outer).or_default().entry(inner).or_insert(way);
        if known.score < way.score {
            *known = way;
        }
    };
    for likeness in likenesses.iter().filter(|likeness| likeness.content != likeness.found_in && likeness.speed > 0.0) {
        let way = Way {
            offset_ms: likeness.offset_ms as f64,
            speed: f64::from(likeness.speed),
            pitch: f64::from(likeness.pitch),
            matched_share: likeness.matched_share,
            score: likeness.score,
        };
        enter(&likeness.found_in, &likeness.content, way);
        enter(&likeness.content, &likeness.found_in, way.back());
    }
    steps
}

/// Every recording that can be reached, along ways whose least sure step is as sure as can be; of equals the way found first.
fn surest_ways<'a, Id: Ord>(from: &'a Id, steps: &Steps<'a, Id>) -> BTreeMap<&'a Id, Way> {
    let mut reached: BTreeMap<&Id, Way> = BTreeMap::new();
    let mut open: BTreeMap<&Id, Way> = BTreeMap::from([(from, Way::HERE)]);
    while let Some(surest) = open.iter().max_by(|a, b| a.1.score.total_cmp(&b.1.score).then(b.0.cmp(a.0))) {
        let (at, way) = (*surest.0, *surest.1);
        open.remove(at);
        reached.insert(at, way);
        for (next, step) in &steps[at] {
            if reached.contains_key(next) {
                continue;
            }
            let candidate = step.then(way);
            let known = open.entry(next).or_insert(candidate);
            if known.score < candidate.score {
                *known = candidate;
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(content: u32, found_in: u32, offset_ms: i64, speed: f32, score: f32) -> Likeness<u32> {
        Likeness { content, found_in, offset_ms, speed, pitch: speed, matched_share: score, score }
    }

    #[test]
    fn a_group_is_a_connected_component_and_has_the_name_of_its_smallest() {
        let rows = duplicate_groups(&[
            likeness(9, 4, 1_000, 1.0, 0.9),
            likeness(2, 9, 0, 1.0, 0.9),
            likeness(7, 5, 0, 1.0, 0.9),
            likeness(8, 8, 0, 1.0, 1.0),
        ]);
        let named: Vec<(u32, u32, usize)> = rows.iter().map(|row| (row.content, row.group, row.size)).collect();
        assert_eq!(named, [(2, 2, 3), (4, 2, 3), (9, 2, 3), (5, 5, 2), (7, 5, 2)]);
    }

    #[test]
    fn ways_lead_through_other_recordings() {
        // 2 begins in 1 after 10 s and is 1.25 times as fast; 3 begins in 2 after 4 s.
        let rows = duplicate_groups(&[likeness(2, 1, 10_000, 1.25, 0.9), likeness(3, 2, 4_000, 1.0, 0.8)]);
        let last = &rows[2];
        assert_eq!((last.content, last.offset_ms, last.speed, last.score), (3, 15_000, 1.25, 0.8));
    }

    #[test]
    fn what_lies_before_the_beginning_has_a_negative_offset() {
        let rows = duplicate_groups(&[likeness(1, 2, 3_000, 1.0, 0.9)]);
        assert_eq!((rows[1].content, rows[1].offset_ms), (2, -3_000));
    }

    #[test]
    fn the_order_of_likenesses_makes_no_difference() {
        let mut likenesses = vec![
            likeness(1, 2, 100, 1.0, 0.7),
            likeness(2, 3, 100, 1.0, 0.9),
            likeness(3, 1, -200, 1.0, 0.9),
            likeness(4, 3, 5, 1.1, 0.8),
        ];
        let rows = duplicate_groups(&likenesses);
        likenesses.reverse();
        assert_eq!(rows, duplicate_groups(&likenesses));
    }
}
