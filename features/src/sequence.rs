//! What an account played last, in order: the fixed input of a network that looks at time.
//!
//! ```text
//! plays of the last 7 days, as known ──▶ Recent ──┬──▶ hours: 168 x what happened in each, up to the hour of the last play
//!                                                 └──▶ plays: the last 256, oldest first, each beside the one before it
//! ```
//!
//! No channel is an id, a country or an hour of the day: what was done counts, not who did it or where. Time is counted back from
//! the last play, so a sequence changes when a play comes or goes and not because the clock moves.

use std::collections::VecDeque;

use hashbrown::HashMap;
use records::{Key, KeyedPlay, Millis, Source};
use serde::{Deserialize, Serialize};

use crate::tally::{EDGE_MS, PAYABLE_MS};

/// The version of the channels; it changes whenever one does. Networks of another version are refused.
pub const VERSION: &str = "sequence-1";
/// Hours of the first series.
pub const HOURS: usize = 168;
/// Plays of the second series.
pub const PLAYS: usize = 256;
/// Sequences are made of the plays of so many milliseconds: what is older has left.
pub const WINDOW_MS: Millis = HOURS as Millis * HOUR_MS;

const HOUR_MS: Millis = 3_600_000;

/// What is said of an hour: counts as ln(1 + count) / ln(121), for 120 plays of 30 seconds fill it; heard time in hours, four at most.
pub const HOUR_CHANNELS: [&str; 10] =
    ["plays", "payable", "edge", "heard_hours", "offline", "shuffled", "hosted", "asked", "fed", "listed"];

/// What is said of a play. `present` tells a play from the padding before the first one; `heard` is ln(1 + seconds) / ln(601);
/// `pause` is the silence since the end of the one before, `overlap` how much of it was heard at the same time, as ln(1 + seconds) over that of a week and
/// of an hour; `distance` is how many plays ago its track was played in the list, as ln over that of the list; `other_device` and
/// `other_network` say that the play before came from another one.
pub const PLAY_CHANNELS: [&str; 18] = [
    "present",
    "heard",
    "payable",
    "edge",
    "pause",
    "overlap",
    "repeat",
    "distance",
    "search",
    "library",
    "algorithmic",
    "editorial",
    "playlist",
    "offline",
    "shuffled",
    "hosted",
    "other_device",
    "other_network",
];

/// The two series of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// [`HOURS`] x [`HOUR_CHANNELS`], oldest first.
    pub hours: Vec<f32>,
    /// [`PLAYS`] x [`PLAY_CHANNELS`], oldest first; zeros where there were fewer.
    pub plays: Vec<f32>,
}

impl Sequence {
    /// The sequence of who played nothing.
    pub fn silence() -> Sequence {
        Sequence { hours: vec![0.0; HOURS * HOUR_CHANNELS.len()], plays: vec![0.0; PLAYS * PLAY_CHANNELS.len()] }
    }

    /// The sequence of these plays, in any order: the obvious twin of [`Recent`], which keeps it current.
    pub fn of<'a>(plays: impl IntoIterator<Item = &'a KeyedPlay>) -> Sequence {
        let mut steps: Vec<Step> = plays.into_iter().map(Step::of).collect();
        steps.sort_unstable();
        let hours = steps.chunk_by(|a, b| a.hour() == b.hour()).map(|same| {
            let mut counts = Hour::default();
            same.iter().for_each(|step| counts.count(step, true));
            (same[0].hour(), counts)
        });
        let hours: Vec<(i64, Hour)> = hours.collect();
        let last = &steps[steps.len().saturating_sub(PLAYS)..];
        write(hours.iter().map(|(hour, counts)| (*hour, counts)), last)
    }
}

/// A play as a sequence knows it, ordered by its end; of plays that end together the order is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    ended_at: Millis,
    track: u64,
    played_ms: u32,
    /// Folded: only whether two are the same is asked.
    device: u32,
    network: u32,
    source: u8,
    marks: u8,
}

impl Step {
    fn of(play: &KeyedPlay) -> Step {
        let fold = |key: Key| (key.0 ^ (key.0 >> 32)) as u32;
        Step {
            ended_at: play.ended_at,
            track: play.track.0,
            played_ms: play.played_ms,
            device: fold(play.device),
            network: fold(play.ip_prefix),
            source: play.source as u8,
            // Whether a play may be taken back is known only afterwards.
            marks: play.marks & (KeyedPlay::OFFLINE | KeyedPlay::SHUFFLED | KeyedPlay::HOSTED),
        }
    }

    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    fn is_from(&self, sources: &[Source]) -> bool {
        sources.iter().any(|source| *source as u8 == self.source)
    }

    fn is_payable(&self) -> bool {
        self.played_ms >= PAYABLE_MS
    }

    fn is_edge(&self) -> bool {
        self.is_payable() && self.played_ms < EDGE_MS
    }

    fn hour(&self) -> i64 {
        self.ended_at.div_euclid(HOUR_MS)
    }
}

/// What happened in an hour: counts in the order of [`HOUR_CHANNELS`], without the heard time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hour {
    counts: [u32; HOUR_CHANNELS.len() - 1],
    heard_ms: u64,
}

impl Hour {
    fn count(&mut self, step: &Step, enters: bool) {
        let is = [
            true,
            step.is_payable(),
            step.is_edge(),
            step.is(KeyedPlay::OFFLINE),
            step.is(KeyedPlay::SHUFFLED),
            step.is(KeyedPlay::HOSTED),
            step.is_from(&[Source::Search, Source::Library]),
            step.is_from(&[Source::Algorithmic, Source::Editorial]),
            step.is_from(&[Source::Playlist]),
        ];
        for (count, is) in self.counts.iter_mut().zip(is) {
            *count = if enters { *count + u32::from(is) } else { *count - u32::from(is) };
        }
        let heard_ms = u64::from(step.played_ms);
        self.heard_ms = if enters { self.heard_ms + heard_ms } else { self.heard_ms - heard_ms };
    }

    fn write(&self, to: &mut [f32]) {
        let count = |count: u32| if count == 0 { 0.0 } else { (f64::from(count).ln_1p() / 121f64.ln()) as f32 };
        let [before, after] = [&self.counts[..3], &self.counts[3..]];
        to[..3].iter_mut().zip(before).for_each(|(to, from)| *to = count(*from));
        to[3] = (self.heard_ms as f64 / HOUR_MS as f64).min(4.0) as f32;
        to[4..].iter_mut().zip(after).for_each(|(to, from)| *to = count(*from));
    }
}

/// Keeps what the sequence of one account is made of, while plays come and go.
///
/// Plays that cannot be taken back leave in the order in which they ended. So of them only the last [`PLAYS`] can ever be among the
/// last of all, and only they are kept; the few that can be taken back stand apart, all of them.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    settled: VecDeque<Step>,
    revocable: Vec<Step>,
    hours: VecDeque<(i64, Hour)>,
}

impl Recent {
    /// A play of the last 7 days comes, or goes: because it is too old, was taken back or moves to another name. Those that
    /// are not [`KeyedPlay::REVOCABLE`] go when all that ended earlier has gone.
    pub fn count(&mut self, play: &KeyedPlay, enters: bool) {
        let step = Step::of(play);
        self.count_hour(&step, enters);
        match (play.is(KeyedPlay::REVOCABLE), enters) {
            (true, true) => self.revocable.push(step),
            (true, false) => {
                if let Some(at) = self.revocable.iter().position(|known| *known == step) {
                    self.revocable.swap_remove(at);
                }
            }
            (false, true) => {
                let at = self.settled.partition_point(|known| *known < step);
                self.settled.insert(at, step);
                if self.settled.len() > PLAYS {
                    self.settled.pop_front();
                }
            }
            (false, false) => {
                if let Ok(at) = self.settled.binary_search(&step) {
                    self.settled.remove(at);
                }
            }
        }
    }

    fn count_hour(&mut self, step: &Step, enters: bool) {
        let hour = step.hour();
        let at = self.hours.partition_point(|(known, _)| *known < hour);
        if self.hours.get(at).is_none_or(|(known, _)| *known != hour) {
            self.hours.insert(at, (hour, Hour::default()));
        }
        let (_, counts) = &mut self.hours[at];
        counts.count(step, enters);
        if *counts == Hour::default() {
            self.hours.remove(at);
        }
    }

    /// The sequence as of now.
    pub fn sequence(&self) -> Sequence {
        let mut last: Vec<Step> = self.settled.iter().chain(&self.revocable).copied().collect();
        last.sort_unstable();
        let last = &last[last.len().saturating_sub(PLAYS)..];
        write(self.hours.iter().map(|(hour, counts)| (*hour, counts)), last)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }
}

/// Hours by time, and the last plays by time, into their channels.
fn write<'a>(hours: impl DoubleEndedIterator<Item = (i64, &'a Hour)>, last: &[Step]) -> Sequence {
    let mut sequence = Sequence::silence();
    let mut newest = None;
    for (hour, counts) in hours.rev() {
        let back = (*newest.get_or_insert(hour) - hour) as usize;
        let Some(place) = (HOURS - 1).checked_sub(back) else { break };
        counts.write(&mut sequence.hours[place * HOUR_CHANNELS.len()..][..HOUR_CHANNELS.len()]);
    }
    let mut played: HashMap<u64, usize> = HashMap::with_capacity(last.len());
    let padding = PLAYS - last.len();
    let rows = sequence.plays.chunks_exact_mut(PLAY_CHANNELS.len()).skip(padding);
    for (at, (row, step)) in rows.zip(last).enumerate() {
        let earlier = played.insert(step.track, at);
        write_play(row, step, at.checked_sub(1).map(|before| &last[before]), earlier.map(|earlier| at - earlier));
    }
    sequence
}

fn write_play(row: &mut [f32], step: &Step, before: Option<&Step>, plays_ago: Option<usize>) {
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    let log = |value: f64, most: f64| (value.ln_1p() / most.ln_1p()) as f32;
    let secs = |ms: Millis| ms.max(0) as f64 / 1_000.0;
    let pause_ms = before.map_or(0, |before| step.ended_at - Millis::from(step.played_ms) - before.ended_at);
    let values = [
        1.0,
        log(f64::from(step.played_ms) / 1_000.0, 600.0),
        flag(step.is_payable()),
        flag(step.is_edge()),
        log(secs(pause_ms), secs(WINDOW_MS)),
        log(secs(-pause_ms), secs(HOUR_MS)),
        flag(plays_ago.is_some()),
        plays_ago.map_or(0.0, |ago| ((ago as f64).ln() / (PLAYS as f64).ln()) as f32),
        flag(step.is_from(&[Source::Search])),
        flag(step.is_from(&[Source::Library])),
        flag(step.is_from(&[Source::Algorithmic])),
        flag(step.is_from(&[Source::Editorial])),
        flag(step.is_from(&[Source::Playlist])),
        flag(step.is(KeyedPlay::OFFLINE)),
        flag(step.is(KeyedPlay::SHUFFLED)),
        flag(step.is(KeyedPlay::HOSTED)),
        flag(before.is_some_and(|before| before.device != step.device)),
        flag(before.is_some_and(|before| before.network != step.network)),
    ];
    row.copy_from_slice(&values);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOURCES: [Source; 4] = [Source::Other, Source::Search, Source::Editorial, Source::Playlist];

    fn play(ended_secs: i64, track: u64, played_secs: u32, marks: u8) -> KeyedPlay {
        KeyedPlay {
            ended_at: 1_000 * ended_secs,
            track: Key(track),
            played_ms: 1_000 * played_secs,
            device: Key(track % 3),
            source: SOURCES[track as usize % 4],
            marks,
            ..KeyedPlay::NOTHING
        }
    }

    fn channel(sequence: &Sequence, back: usize, name: &str) -> f32 {
        let at = PLAY_CHANNELS.iter().position(|known| *known == name).expect("a channel");
        sequence.plays[(PLAYS - 1 - back) * PLAY_CHANNELS.len() + at]
    }

    #[test]
    fn a_play_is_told_beside_the_one_before_it() {
        let plays = [play(1_000, 8, 100, 0), play(1_160, 4, 31, KeyedPlay::OFFLINE), play(1_170, 8, 20, 0)];
        let sequence = Sequence::of(&plays);
        let of = |back, name| channel(&sequence, back, name);
        assert_eq!([of(0, "present"), of(2, "present"), of(3, "present")], [1.0, 1.0, 0.0]);
        // 129 seconds of silence before the second; the third began ten seconds before the second ended.
        assert_eq!(of(1, "pause"), (130f64.ln() / 604_801f64.ln()) as f32);
        assert_eq!([of(1, "overlap"), of(0, "pause")], [0.0, 0.0]);
        assert_eq!(of(0, "overlap"), (11f64.ln() / 3_601f64.ln()) as f32);
        assert_eq!([of(0, "repeat"), of(1, "repeat"), of(1, "edge"), of(1, "offline")], [1.0, 0.0, 1.0, 1.0]);
        assert_eq!(of(0, "distance"), (2f64.ln() / 256f64.ln()) as f32);
        assert_eq!([of(2, "other_device"), of(1, "other_device"), of(1, "other_network")], [0.0, 1.0, 0.0]);
        // All in the last hour: three plays, two of them payable.
        let last = &sequence.hours[(HOURS - 1) * HOUR_CHANNELS.len()..];
        assert_eq!(last[0], (4f64.ln() / 121f64.ln()) as f32);
        assert_eq!(last[1], (3f64.ln() / 121f64.ln()) as f32);
        assert!(sequence.hours[..(HOURS - 1) * HOUR_CHANNELS.len()].iter().all(|value| *value == 0.0));
        assert_eq!(Sequence::of(&[]), Sequence::silence());
    }

    proptest! {
        /// Whatever comes, expires and is taken back: the sequence is that of the plays that are there.
        #[test]
        fn what_is_kept_equals_a_recount(
            lots in prop::collection::vec((0..2_000i64, 0..40u64, 0..90u32, 0..8u8), 1..700),
            taken_back in 0..20usize,
        ) {
            let plays: Vec<KeyedPlay> = lots.iter().map(|(at, track, secs, lot)| {
                play(600 * at, *track, *secs, if *lot == 0 { KeyedPlay::REVOCABLE } else { KeyedPlay::HOSTED })
            }).collect();
            let mut recent = Recent::default();
            plays.iter().for_each(|play| recent.count(play, true));
            prop_assert_eq!(recent.sequence(), Sequence::of(&plays));
            // Some are taken back, then the oldest leave.
            let revocable = |play: &&KeyedPlay| play.is(KeyedPlay::REVOCABLE);
            let gone: Vec<KeyedPlay> = plays.iter().filter(revocable).take(taken_back).copied().collect();
            gone.iter().for_each(|play| recent.count(play, false));
            let mut left = plays;
            for play in &gone {
                let at = left.iter().position(|known| known == play).expect("it came");
                left.swap_remove(at);
            }
            prop_assert_eq!(recent.sequence(), Sequence::of(&left));
            left.sort_by_key(|play| play.ended_at);
            for since in [400, 1_500, 2_000] {
                let leaving = left.partition_point(|play| play.ended_at < since * 600_000);
                left.drain(..leaving).for_each(|play| recent.count(&play, false));
                prop_assert_eq!(recent.sequence(), Sequence::of(&left));
                prop_assert_eq!(recent.is_empty(), left.is_empty());
            }
        }
    }
}
