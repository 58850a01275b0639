//! How verdicts and risks went in the last days, and what another policy or model decided otherwise: an hour at a time, kept in a small file.
//!
//! ```text
//! shelf as of T ──▶ verdicts by kind and group, risks in tenths ──▶ the last of each hour ──▶ trends.json
//!                                                              └──▶ the last day beside the week before ──▶ stability index
//! another policy decides, another model scores ──▶ the last instant before, the first after
//! something speaks against somebody ──▶ there is a verdict ──▶ how long that took
//! ```
//!
//! It is for people who look, and decides nothing: without the file a service begins to count anew.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use console::desk::{Cut, Detected, Drift, Hour, Moved, Turn};
use dataflows::clock::Tick;
use datasets::formats::instant;
use models::measures::stability_index;
use records::{Millis, Subject, Verdict};
use serde::{Deserialize, Serialize};

use super::cuts::{self, AXES, Verdicts};
use super::decisions::{Decisions, Sum};
use super::places::Places;
use super::shelf::{Outline, Shelf, Stated};
use super::state::write_whole;
use super::urgency::Ranking;
use crate::replay::views::{RowKey, RowValue, View};

/// The name of the file.
pub const FILE: &str = "trends.json";
const KINDS: usize = Subject::ALL.len();
const HOUR_MS: Millis = 3_600_000;
/// A day, and the week before it.
const DAY: Millis = 24 * HOUR_MS;
const HOURS_MAX: usize = 8 * 24;
/// So many turns of policies and models are remembered.
const TURNS_MAX: usize = 10;
/// Of each axis so many groups are shown that a turn touched.
const MOVED_MAX: usize = 8;
/// So many verdicts are remembered with the time that they took, and for so long.
const DETECTED_MAX: usize = 5_000;
const DETECTED_MS: Millis = 28 * DAY;
/// Fewer subjects have no shape: chance alone moves an index of ten parts by about 9 / subjects (Yurdakul, "Statistical Properties of Population Stability
/// Index", 2018), here .05.
const SUBJECTS_MIN: f64 = 200.0;

/// How things stood at an instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Moment {
    as_of: Millis,
    policy: Option<String>,
    /// The model that scores accounts.
    #[serde(default)]
    model: Option<String>,
    /// How many decisions people had made when it was looked at.
    #[serde(default)]
    decisions: u64,
    /// By kind: held, escalated, blocked.
    verdicts: [[u64; 3]; KINDS],
    /// By kind: subjects by the tenths of R.
    risks: [[u64; 10]; KINDS],
    /// Verdicts by what the catalogue tells; of the last instant and of turns alone.
    #[serde(default)]
    cuts: Vec<Verdicts>,
}

impl Moment {
    /// What decides: the policy, and the model beside it.
    fn in_force(&self) -> String {
        let policy = self.policy.as_deref().unwrap_or_default();
        self.model.as_ref().map_or_else(|| policy.to_owned(), |model| format!("{policy} with {model}"))
    }

    /// Whether something else decides than at another moment.
    fn is_otherwise(&self, other: &Moment) -> bool {
        self.policy.is_some() && (&self.policy, &self.model) != (&other.policy, &other.model)
    }
}

/// What is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Trend {
    /// The last instant of each hour, the earliest first.
    hours: VecDeque<Moment>,
    /// The last instant under one policy and model and the first under another, the earliest first.
    turns: VecDeque<(Moment, Moment)>,
    /// When there was a verdict on somebody against whom nothing had spoken before, of which kind, and how many hours after that.
    #[serde(default)]
    detected: VecDeque<(Millis, u8, f64)>,
}

impl Trend {
    /// Goes on with a moment; whether another hour began.
    fn go_on(&mut self, moment: Moment) -> bool {
        let hour = |moment: &Moment| moment.as_of.div_euclid(HOUR_MS);
        let last = self.hours.back();
        // A log that is gone through again states what is known already.
        if last.is_some_and(|last| moment.as_of < last.as_of) {
            return false;
        }
        if let Some(last) = last.filter(|last| last.is_otherwise(&moment)) {
            self.turns.push_back((last.clone(), moment.clone()));
            self.turns.drain(..self.turns.len().saturating_sub(TURNS_MAX));
        }
        let is_new = last.is_none_or(|last| hour(last) < hour(&moment));
        if !is_new {
            self.hours.pop_back();
        }
        let oldest = moment.as_of - HOURS_MAX as Millis * HOUR_MS;
        // Groups are many, and of hours that are over nobody asks for them.
        self.hours.back_mut().into_iter().for_each(|last| last.cuts.clear());
        self.hours.push_back(moment);
        while self.hours.front().is_some_and(|first| first.as_of <= oldest) {
            self.hours.pop_front();
        }
        is_new
    }

    /// There is a verdict on one of that kind, so many hours after something spoke against it first.
    fn detect(&mut self, at: Millis, kind: usize, hours: f64) {
        self.detected.push_back((at, kind as u8, hours));
        let over = self.detected.len().saturating_sub(DETECTED_MAX);
        self.detected.drain(..over);
        while self.detected.front().is_some_and(|(first, ..)| *first <= at - DETECTED_MS) {
            self.detected.pop_front();
        }
    }

    /// How many of a kind there were, within how many hours half of them were found, and nine of ten.
    fn detected(&self, kind: usize) -> Option<(usize, [f64; 2])> {
        let of_kind = self.detected.iter().filter(|(_, known, _)| usize::from(*known) == kind);
        let mut hours: Vec<f64> = of_kind.map(|(.., hours)| *hours).collect();
        hours.sort_by(f64::total_cmp);
        let part = |tenths: usize| hours[((hours.len() * tenths).div_ceil(10)).saturating_sub(1)];
        (!hours.is_empty()).then(|| (hours.len(), [part(5), part(9)]))
    }

    /// How far the risks of a kind lie in the last day from those of the week before.
    fn drift(&self, kind: usize) -> ([f64; 2], Option<f64>) {
        let now = self.hours.back().map_or(0, |last| last.as_of);
        let (mut sums, mut moments) = ([[0u64; 10]; 2], [0u64; 2]);
        for moment in &self.hours {
            let is_after = usize::from(moment.as_of > now - DAY);
            moments[is_after] += 1;
            sums[is_after].iter_mut().zip(moment.risks[kind]).for_each(|(sum, risks)| *sum += risks);
        }
        let [before, after] = [0, 1].map(|part| sums[part].iter().sum::<u64>() as f64 / moments[part].max(1) as f64);
        ([after, before], moves(sums, moments))
    }
}

/// The population stability index of risks in tenths, before and after, each summed over so many moments; `None` where too few have one.
fn moves(risks: [[u64; 10]; 2], moments: [u64; 2]) -> Option<f64> {
    let all = risks.map(|risks| risks.iter().sum::<u64>());
    let is_enough = |part: usize| all[part] as f64 / moments[part].max(1) as f64 >= SUBJECTS_MIN;
    let shares = |part: usize| risks[part].map(|count| count as f64 / all[part].max(1) as f64);
    (is_enough(0) && is_enough(1)).then(|| stability_index(&shares(0), &shares(1)))
}

/// What is known, and from what.
#[derive(Default)]
struct Known {
    trend: Trend,
    stated: Arc<Stated>,
    risks: [[u64; 10]; KINDS],
    /// Since which tick at the latest something speaks against whom, by a hash; of those against whom it did when the service began nobody knows.
    spoken: HashMap<u64, Tick>,
}

impl Known {
    /// Learns against whom something speaks since when, and who was detected.
    fn detect(&mut self, outline: &Outline, before: &Stated, stated: &Stated) {
        let (Some(last), Some(as_of)) = (before.tick(), outline.as_of(stated)) else { return };
        let Known { trend, spoken, .. } = self;
        stated.each_changed(before, View::Risk, |key, old, new| {
            match (old, new) {
                // What began between two looks began with the first tick between them: no time is told shorter than it was.
                (None, Some(_)) => _ = spoken.insert(hash(key), last + 1),
                (Some(_), None) => _ = spoken.remove(&hash(key)),
                _ => {}
            }
        });
        stated.each_since_changed(before, |key| {
            let RowKey::Subject(subject, _) = key else { return };
            let fresh = stated.since(key).filter(|_| before.since(key).is_none());
            if let Some((found, spoke)) = fresh.zip(spoken.get(&hash(key))) {
                let hours = outline.instant(found.max(*spoke)) - outline.instant(*spoke);
                trend.detect(as_of, *subject as usize, hours as f64 / HOUR_MS as f64);
            }
        });
    }
}

/// Who it is, in 8 bytes: of two whose hashes are equal, one in 10^19 / n of n, the times are mixed up.
fn hash(key: &RowKey) -> u64 {
    let RowKey::Subject(subject, id) = key else { return 0 };
    let mut hasher = DefaultHasher::new();
    (*subject as u8, id).hash(&mut hasher);
    hasher.finish()
}

/// How things went.
pub struct Trends {
    shelf: Arc<Shelf>,
    places: Arc<Places>,
    decisions: Arc<Decisions>,
    file: PathBuf,
    known: Mutex<Known>,
}

/// In which tenth of R.
fn tenth(value: &RowValue) -> Option<usize> {
    match value {
        RowValue::Risk(row) => Some((usize::from(row.risks[0].parts()) / 1_000).min(9)),
        _ => None,
    }
}

impl Trends {
    /// Goes on from the file of a service's folder, where it can be read.
    pub fn open(folder: &Path, shelf: Arc<Shelf>, places: Arc<Places>, decisions: Arc<Decisions>) -> Trends {
        let file = folder.join(FILE);
        let trend = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Trend::default()),
            Err(error) => Err(error.to_string()),
        };
        let trend = trend.unwrap_or_else(|why| {
            eprintln!("{}: {why}; it is counted anew", file.display());
            Trend::default()
        });
        Trends { shelf, places, decisions, file, known: Mutex::new(Known { trend, ..Known::default() }) }
    }

    /// Looks at what is stated, where that is something else than before; each hour is written down.
    pub fn look(&self, ranking: &Ranking) {
        let mut known = self.known.lock().expect("nobody panics with it");
        let stated = &ranking.stated;
        let outline = &self.shelf.outline;
        let (Some(as_of), false) = (outline.as_of(stated), Arc::ptr_eq(&known.stated, stated)) else { return };
        let before = std::mem::replace(&mut known.stated, stated.clone());
        let risks = &mut known.risks;
        stated.each_changed(&before, View::Risk, |key, old, new| {
            let RowKey::Subject(subject, _) = key else { return };
            let counts = &mut risks[*subject as usize];
            old.and_then(|old| tenth(old)).into_iter().for_each(|tenth| counts[tenth] -= 1);
            new.and_then(|new| tenth(new)).into_iter().for_each(|tenth| counts[tenth] += 1);
        });
        known.detect(outline, &before, stated);
        let mut verdicts = [[0; 3]; KINDS];
        for ranked in &ranking.ranked {
            if let Some(place) = (ranked.waiting.verdict as usize).checked_sub(Verdict::Hold as usize) {
                verdicts[ranked.waiting.subject as usize][place] += 1;
            }
        }
        let policy = stated.tick().and_then(|tick| self.shelf.policy(tick)).map(|policy| policy.version.clone());
        let model = stated.tick().and_then(|tick| self.shelf.model(tick));
        let decisions = self.decisions.now().all.len() as u64;
        let risks = known.risks;
        let cuts = cuts::verdicts(&self.places, outline, ranking);
        if known.trend.go_on(Moment { as_of, policy, model, decisions, verdicts, risks, cuts }) {
            let text = serde_json::to_vec(&known.trend).expect("texts and numbers have a JSON form");
            if let Err(failure) = write_whole(&self.file, &text) {
                eprintln!("How verdicts went is not kept: {failure}");
            }
        }
    }

    /// Verdicts of each known hour, of those kinds that somebody may see.
    pub fn hours(&self, may_see: impl Fn(Subject) -> bool) -> Vec<Hour> {
        let known = self.known.lock().expect("nobody panics with it");
        let hour = |moment: &Moment| {
            let mut counts = vec![0; 3];
            for subject in Subject::ALL.into_iter().filter(|subject| may_see(*subject)) {
                counts.iter_mut().zip(moment.verdicts[subject as usize]).for_each(|(sum, count)| *sum += count);
            }
            Hour { at: instant::to_text(moment.as_of), counts }
        };
        known.trend.hours.iter().map(hour).collect()
    }

    /// How far the risks of each kind have moved.
    pub fn drift(&self, may_see: impl Fn(Subject) -> bool) -> Vec<Drift> {
        let known = self.known.lock().expect("nobody panics with it");
        let drift = |subject: Subject| {
            let (subjects, index) = known.trend.drift(subject as usize);
            (subjects != [0.0; 2]).then(|| Drift { kind: subject.name().to_owned(), index, subjects })
        };
        Subject::ALL.into_iter().filter(|subject| may_see(*subject)).filter_map(drift).collect()
    }

    /// What other policies and models decided otherwise, the last first.
    pub fn turns(&self, sum: &Sum, may_see: impl Fn(Subject) -> bool) -> Vec<Turn> {
        let known = self.known.lock().expect("nobody panics with it");
        let turns = &known.trend.turns;
        let seen = || Subject::ALL.into_iter().filter(|subject| may_see(*subject));
        let turn = |(place, (before, after)): (usize, &(Moment, Moment))| {
            // From the turn before it to this one, and from this one to the next.
            let bound = |place: Option<usize>, none: u64| {
                place.and_then(|place| turns.get(place)).map_or(none, |(_, after)| after.decisions)
            };
            let (first, last) = (bound(place.checked_sub(1), 0), bound(Some(place + 1), u64::MAX));
            Turn {
                at: instant::to_text(after.as_of),
                in_force: [before, after].map(Moment::in_force),
                verdicts: seen()
                    .map(|subject| {
                        (subject.name().to_owned(), [before, after].map(|moment| moment.verdicts[subject as usize]))
                    })
                    .collect(),
                moves: seen()
                    .map(|subject| {
                        let risks = [before, after].map(|moment| moment.risks[subject as usize]);
                        (subject.name().to_owned(), moves(risks, [1; 2]))
                    })
                    .collect(),
                confirmed: [first..after.decisions, after.decisions..last].map(|made| sum.confirmed_of(made, &may_see)),
                moved: moved(&before.cuts, &after.cuts, &may_see),
            }
        };
        turns.iter().enumerate().rev().map(turn).collect()
    }

    /// Verdicts and decisions by what the catalogue tells, of those kinds that somebody may see.
    pub fn cuts(&self, sum: &Sum, may_see: impl Fn(Subject) -> bool) -> Vec<Cut> {
        let known = self.known.lock().expect("nobody panics with it");
        let verdicts = known.trend.hours.back().map_or(&[][..], |last| &last.cuts);
        let mut cuts = cuts::beside_decisions(&self.places, &self.shelf.outline, &known.stated, verdicts, sum);
        cuts.retain(|cut| AXES.iter().any(|(axis, subject)| *axis == cut.axis && may_see(*subject)));
        cuts
    }

    /// How long it took until there was a verdict, by kind.
    pub fn detected(&self, may_see: impl Fn(Subject) -> bool) -> Vec<Detected> {
        let known = self.known.lock().expect("nobody panics with it");
        let detected = |subject: Subject| {
            let (found, [half_hours, most_hours]) = known.trend.detected(subject as usize)?;
            Some(Detected { kind: subject.name().to_owned(), found, half_hours, most_hours })
        };
        Subject::ALL.into_iter().filter(|subject| may_see(*subject)).filter_map(detected).collect()
    }
}

/// The groups whose verdicts differ between two moments, those that differ most first.
fn moved(before: &[Verdicts], after: &[Verdicts], may_see: impl Fn(Subject) -> bool) -> Vec<Moved> {
    let mut moved = Vec::new();
    for (axis, _) in AXES.iter().filter(|(_, subject)| may_see(*subject)) {
        let mut groups: BTreeMap<&str, [[u64; 3]; 2]> = BTreeMap::new();
        for (place, verdicts) in [before, after].into_iter().enumerate() {
            for found in verdicts.iter().filter(|found| found.axis == *axis) {
                groups.entry(&found.group).or_default()[place] = found.counts;
            }
        }
        let differs = |[before, after]: &[[u64; 3]; 2]| {
            before.iter().zip(after).map(|(before, after)| before.abs_diff(*after)).sum::<u64>()
        };
        let mut groups: Vec<_> = groups.into_iter().filter(|(_, counts)| differs(counts) > 0).collect();
        groups.sort_by_key(|(_, counts)| Reverse(differs(counts)));
        let told = |(group, counts): (&str, [[u64; 3]; 2])| Moved {
            axis: (*axis).to_owned(),
            group: group.to_owned(),
            counts,
        };
        moved.extend(groups.into_iter().take(MOVED_MAX).map(told));
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(hour: Millis, policy: &str, risks: [u64; 10]) -> Moment {
        Moment { as_of: hour * HOUR_MS, policy: Some(policy.to_owned()), risks: [risks; KINDS], ..Moment::default() }
    }

    #[test]
    fn the_last_day_is_laid_beside_the_week_before_it() {
        let calm = [900, 50, 20, 10, 5, 5, 4, 3, 2, 1];
        let mut trend = Trend::default();
        for hour in 1..=400 {
            assert!(trend.go_on(moment(hour, "1", calm)));
        }
        assert_eq!(trend.hours.len(), HOURS_MAX);
        assert_eq!(trend.drift(0), ([1_000.0; 2], Some(0.0)));
        // An instant of the same hour takes the place of the one before, and one that was known already changes nothing.
        let known = trend.clone();
        assert!(!trend.go_on(moment(400, "1", calm)) && !trend.go_on(moment(399, "1", calm)));
        assert_eq!(trend, known);
        for hour in 401..=424 {
            trend.go_on(moment(hour, "1", [500, 50, 20, 10, 5, 5, 4, 3, 2, 401]));
        }
        // Of 1000 subjects 400 moved from the lowest tenth to the highest: (.5 - .9) ln(.5 / .9) + (.401 - .001) ln(.401 / .001).
        let expected = -0.4 * (0.5f64 / 0.9).ln() + 0.4 * 401f64.ln();
        let (_, index) = trend.drift(0);
        assert!(index.is_some_and(|index| (index - expected).abs() < 1e-9), "{index:?} for {expected}");
        assert_eq!(Trend::default().drift(0).1, None);
    }

    #[test]
    fn groups_are_kept_of_the_last_instant_and_of_turns() {
        let mut trend = Trend::default();
        let told = |group: &str, held: u64| Verdicts {
            axis: "genre".to_owned(),
            group: group.to_owned(),
            counts: [held, 0, 0],
        };
        for (hour, policy, cuts) in [
            (1, "1", vec![told("jazz", 3), told("folk", 2)]),
            (2, "2", vec![told("jazz", 3), told("folk", 9)]),
            (3, "2", vec![told("folk", 8)]),
        ] {
            trend.go_on(Moment { cuts, ..moment(hour, policy, [0; 10]) });
        }
        assert_eq!(trend.hours.iter().map(|moment| moment.cuts.len()).collect::<Vec<_>>(), [0, 0, 1]);
        let (before, after) = &trend.turns[0];
        let told = moved(&before.cuts, &after.cuts, |_| true);
        assert_eq!(
            told,
            [Moved { axis: "genre".to_owned(), group: "folk".to_owned(), counts: [[2, 0, 0], [9, 0, 0]] }]
        );
        assert_eq!(moved(&before.cuts, &after.cuts, |subject| subject != Subject::Track), []);
    }

    #[test]
    fn half_and_nine_of_ten_were_found_within_what_is_told_and_what_is_old_is_forgotten() {
        let mut trend = Trend::default();
        (1..=10).rev().for_each(|hours| trend.detect(HOUR_MS, 0, f64::from(hours)));
        trend.detect(HOUR_MS, 1, 7.0);
        assert_eq!(trend.detected(0), Some((10, [5.0, 9.0])));
        assert_eq!([trend.detected(1), trend.detected(2)], [Some((1, [7.0, 7.0])), None]);
        trend.detect(HOUR_MS + DETECTED_MS, 2, 1.0);
        assert_eq!([trend.detected(0), trend.detected(2)], [None, Some((1, [1.0, 1.0]))]);
    }

    #[test]
    fn what_another_policy_decides_is_laid_beside_what_the_one_before_did() {
        let mut trend = Trend::default();
        for (hour, policy) in [(1, "1"), (2, "1"), (3, "2"), (4, "2"), (5, "1")] {
            trend.go_on(moment(hour, policy, [0; 10]));
        }
        let turns = |trend: &Trend| -> Vec<_> {
            trend.turns.iter().map(|(before, after)| (before.as_of / HOUR_MS, after.as_of / HOUR_MS)).collect()
        };
        assert_eq!(turns(&trend), [(2, 3), (4, 5)]);
        // So is what another model says beside the same policy.
        let model = Some("account/2".to_owned());
        trend.go_on(Moment { model, ..moment(6, "1", [0; 10]) });
        assert_eq!(turns(&trend), [(2, 3), (4, 5), (5, 6)]);
        let words = trend.turns.back().map(|(before, after)| [before, after].map(Moment::in_force));
        assert_eq!(words, Some(["1".to_owned(), "1 with account/2".to_owned()]));
    }

    #[test]
    fn risks_of_few_subjects_say_nothing() {
        let calm = [900, 50, 20, 10, 5, 5, 4, 3, 2, 1];
        assert_eq!(moves([calm; 2], [1; 2]), Some(0.0));
        assert_eq!(moves([calm, [199, 0, 0, 0, 0, 0, 0, 0, 0, 0]], [1; 2]), None);
        assert_eq!(moves([calm; 2], [1, 6]), None, "of each moment fewer than there must be");
    }
}
