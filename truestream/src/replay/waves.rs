//! Surges that tighten thresholds, and relax those of whom one trusts, for a time: found in the dated rows of catalogue, accounts and copies, laid over the policies of a run.
//!
//! ```text
//! uploads, near titles, new accounts, copies ──season──▶ surges, tick by tick ──▶ waves, each from a tick to another
//! policies ──────────────────────────────────────────────────────────────────┴──▶ policies with other thresholds while waves last
//! ```
//!
//! What is counted are uploads, sign-ups and copies, which no verdict changes: a wave cannot feed itself. Counting what is held would let it,
//! for who is stricter holds more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use datasets::arrivals::{Facts, Grouping, Upload};
use features::season::Season;
use features::title::{self, Neighbours};
use records::policy::Thresholds;
use records::sensitivity::{Measure, Relief, Surge};
use records::{Key, Millis, Policy};

use super::judge::Rows;
use super::laws::Law;
use super::views::{RowKey, RowValue, WaveRow};

const HOUR_MS: Millis = 3_600_000;
/// So long before an upload its title is looked for.
const NEAR_MS: Millis = 7 * 24 * HOUR_MS;

/// A surge that tightens a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    surge: Surge,
    /// The place of the policy that has it.
    pub(super) law: usize,
    pub(super) from: Tick,
    /// The first tick at which it does not any more.
    pub(super) until: Tick,
    /// From which ticks on it was to end when: it lasts longer while it is seen.
    pub(super) ends: Vec<(Tick, Tick)>,
    /// What was seen when it began.
    began: Season,
}

/// What is counted, in order.
pub struct Counted {
    uploads: Vec<Titled>,
    created: Vec<Millis>,
    copied: Vec<Millis>,
}

impl Counted {
    /// When tracks came to be known, accounts to be, and recordings to be copies.
    pub fn of(uploads: &[Upload], facts: &Facts, groupings: &[Grouping]) -> Counted {
        // A track is uploaded once, when its first row that says so is in force.
        let mut first: BTreeMap<Key, (Millis, &Upload)> = BTreeMap::new();
        for upload in uploads {
            let Some(known_at) = known_at(upload) else { continue };
            let entry = first.entry(upload.track).or_insert((known_at, upload));
            if (known_at, upload.valid_from) < (entry.0, entry.1.valid_from) {
                *entry = (known_at, upload);
            }
        }
        let mut uploads: Vec<_> = first.into_values().map(|(known_at, upload)| titled(known_at, upload)).collect();
        uploads.sort_unstable();
        let mut created: Vec<Millis> = facts.accounts.values().filter_map(|(created_at, _)| *created_at).collect();
        created.sort_unstable();
        // A recording is found to be a copy once, however its group is called later.
        let mut found: BTreeMap<Key, Millis> = BTreeMap::new();
        for grouping in groupings {
            let Some(known_at) = copied_at(grouping) else { continue };
            let first = found.entry(grouping.content).or_insert(known_at);
            *first = known_at.min(*first);
        }
        let mut copied: Vec<Millis> = found.into_values().collect();
        copied.sort_unstable();
        Counted { uploads, created, copied }
    }

    /// The instants of what a law's surge counts.
    fn instants(&self, measure: Measure, law: &Law) -> Vec<Millis> {
        match measure {
            Measure::Uploads => self.uploads.iter().map(|(at, ..)| *at).collect(),
            Measure::NewAccounts => self.created.clone(),
            Measure::Duplicates => self.copied.clone(),
            Measure::NearTitles => {
                let near = law.gate.near_titles;
                near_titles(&self.uploads, near.words_min, near.bits_max)
            }
        }
    }
}

/// When an upload came to be known: when it was uploaded, and its row in force.
pub(super) fn known_at(upload: &Upload) -> Option<Millis> {
    let uploaded_at = upload.uploaded_at?;
    Some(uploaded_at.max(upload.valid_from.unwrap_or(uploaded_at)))
}

/// When the recording came to be known as a copy of another; what was always known came at no instant.
pub(super) fn copied_at(grouping: &Grouping) -> Option<Millis> {
    let Grouping { content, group, known_at, .. } = grouping;
    (content != group && *known_at != Millis::MIN).then_some(*known_at)
}

/// The upload as it is counted.
pub(super) fn titled(known_at: Millis, upload: &Upload) -> Titled {
    let plain = title::plain(upload.title.as_deref().unwrap_or_default());
    (known_at, title::words(&plain), title::simhash(&plain))
}

/// The uploads whose title is near that of another upload of the days before.
fn near_titles(uploads: &[Titled], words_min: u64, bits_max: u32) -> Vec<Millis> {
    let mut near = Near::new(words_min, bits_max);
    uploads.iter().filter(|upload| near.hear(**upload)).map(|(at, ..)| *at).collect()
}

/// When a track was uploaded, the words of its title, and its hash.
pub(super) type Titled = (Millis, u64, u64);

/// The titles of the last days.
pub(super) struct Near {
    words_min: u64,
    bits_max: u32,
    neighbours: Neighbours,
    counts: BTreeMap<u64, u64>,
    /// When they came, oldest first.
    compared: VecDeque<(Millis, u64)>,
}

impl Near {
    pub(super) fn new(words_min: u64, bits_max: u32) -> Near {
        let (neighbours, words_min) = (Neighbours::within(bits_max), words_min.max(1));
        Near { words_min, bits_max, neighbours, counts: BTreeMap::new(), compared: VecDeque::new() }
    }

    /// Whether the title is near one of the days before; uploads are heard in the order of their instants.
    pub(super) fn hear(&mut self, (at, words, hash): Titled) -> bool {
        if words < self.words_min {
            return false;
        }
        while let Some((_, gone)) = self.compared.pop_front_if(|(before, _)| *before < at - NEAR_MS) {
            let left = self.counts.get_mut(&gone).expect("what leaves came");
            *left -= 1;
            if *left == 0 {
                self.counts.remove(&gone);
                self.neighbours.remove(gone);
            }
        }
        let is_near = !self.neighbours.near(hash, self.bits_max).is_empty();
        self.neighbours.insert(hash);
        *self.counts.entry(hash).or_default() += 1;
        self.compared.push_back((at, hash));
        is_near
    }
}

/// The waves of a run, in the order in which they begin.
pub fn find(laws: &[Law], counted: &Counted, clock: Clock, first: Tick, until: Tick) -> Vec<Wave> {
    let mut waves = Vec::new();
    for (place, law) in laws.iter().enumerate() {
        let ends = laws.get(place + 1).map_or(until + 1, |next| next.from.min(until + 1));
        for surge in &law.surges {
            let instants = counted.instants(surge.measure, law);
            let season = |tick: Tick| Season::of(&instants, clock.instant(tick), surge.hours, surge.weeks);
            let ticks = law.from.max(first)..ends;
            waves.extend(of_surge(surge, place, ticks, clock, season));
        }
    }
    waves.sort_by_key(|wave| (wave.from, wave.law));
    waves
}

/// The waves of one surge while its policy is in force.
fn of_surge(
    surge: &Surge,
    law: usize,
    ticks: std::ops::Range<Tick>,
    clock: Clock,
    season: impl Fn(Tick) -> Option<Season>,
) -> Vec<Wave> {
    let mut swell = Swell::new(surge.clone(), law, clock);
    ticks.clone().for_each(|tick| swell.see(tick, season(tick)));
    swell.end(ticks.end);
    swell.waves
}

/// One surge, tick by tick. A wave that goes on for longer than it may is over until there was none for once.
pub(super) struct Swell {
    pub(super) surge: Surge,
    law: usize,
    clock: Clock,
    pub(super) waves: Vec<Wave>,
    was_seen: bool,
}

impl Swell {
    pub(super) fn new(surge: Surge, law: usize, clock: Clock) -> Swell {
        Swell { surge, law, clock, waves: Vec::new(), was_seen: false }
    }

    /// What is counted as of the tick, beside what was expected.
    pub(super) fn see(&mut self, tick: Tick, season: Option<Season>) {
        let Swell { surge, law, clock, waves, was_seen } = self;
        let lasts = |hours: u32| clock.first_after(Millis::from(hours) * HOUR_MS - 1);
        let found =
            season.filter(|season| season.seen >= surge.seen_min && season.is_surge(surge.times_min, surge.deviations));
        if let Some(began) = found {
            let until = tick + lasts(surge.lasts_hours);
            match waves.last_mut().filter(|wave| tick < wave.until) {
                Some(wave) => {
                    let until = until.min(wave.from + lasts(surge.lasts_max_hours));
                    if until > wave.until {
                        wave.until = until;
                        wave.ends.push((tick, until));
                    }
                }
                None if *was_seen => {}
                None => {
                    let ends = vec![(tick, until)];
                    waves.push(Wave { surge: surge.clone(), law: *law, from: tick, until, ends, began });
                }
            }
        }
        *was_seen = found.is_some();
    }

    /// Its policy ends, and takes its waves along.
    pub(super) fn end(&mut self, tick: Tick) {
        self.waves.iter_mut().for_each(|wave| wave.until = wave.until.min(tick));
    }
}

/// The policies, with other thresholds while waves last: another law at every tick at which a wave begins or ends.
pub fn over(laws: Vec<Law>, waves: &[Wave]) -> Vec<Law> {
    let mut turns: Vec<Tick> = laws.iter().map(|law| law.from).collect();
    turns.extend(waves.iter().flat_map(|wave| [wave.from, wave.until]));
    turns.sort_unstable();
    turns.dedup();
    let in_force = |tick: Tick| laws.iter().rposition(|law| law.from <= tick).map(|place| (tick, place));
    let turned = |(tick, place): (Tick, usize)| {
        let policy = Arc::new(in_waves(&laws, place, waves, tick));
        // What is tried beside a law is tried once, however often waves turn it.
        let betas = if laws[place].from == tick { laws[place].betas.clone() } else { Vec::new() };
        Law { from: tick, policy, betas, ..laws[place].clone() }
    };
    turns.into_iter().filter_map(in_force).map(turned).collect()
}

/// The policy of that place as it is at the tick, under the waves that last then.
pub(super) fn in_waves<'a>(
    laws: &[Law],
    place: usize,
    waves: impl IntoIterator<Item = &'a Wave>,
    tick: Tick,
) -> Policy {
    let is_lasting = |wave: &&Wave| wave.law == place && (wave.from..wave.until).contains(&tick);
    let lasting: Vec<&Wave> = waves.into_iter().filter(is_lasting).collect();
    let usual = &*laws[place].policy;
    lasting.iter().fold(usual.clone(), |now, wave| in_wave(usual, now, wave, &lasting))
}

/// The policy as it is now, under one more of the lasting waves; its name says so. What any of them tightens none relaxes.
fn in_wave(usual: &Policy, mut now: Policy, wave: &Wave, lasting: &[&Wave]) -> Policy {
    let Surge { name, segment, relaxes, .. } = &wave.surge;
    now.version += &format!("{WAVE}{name}");
    now.put_thresholds(segment, wave.surge.tightened(thresholds_of(&now, segment)));
    let is_tightened = |relief: &&Relief| lasting.iter().any(|wave| wave.surge.segment == relief.segment);
    for relief in relaxes.iter().filter(|relief| !is_tightened(relief)) {
        let [usual, before] = [usual, &now].map(|policy| thresholds_of(policy, &relief.segment));
        now.put_thresholds(&relief.segment, relief.relaxed(usual, before));
    }
    now
}

fn thresholds_of(policy: &Policy, segment: &str) -> Thresholds {
    policy.thresholds_of(segment).expect("a wave names segments that have thresholds")
}

/// Between the name of a policy and that of a wave.
pub const WAVE: &str = " + wave ";

/// Rows of `wave`: when each comes, and when it goes.
pub fn rows(waves: &[Wave], laws: &[Law], clock: Clock) -> Vec<(Tick, Rows)> {
    let mut rows: BTreeMap<Tick, BTreeMap<RowKey, Option<RowValue>>> = BTreeMap::new();
    for wave in waves {
        let Surge { name, measure, segment, hours, relaxes, .. } = &wave.surge;
        let policy = &laws[wave.law].policy;
        let before = thresholds_of(policy, segment);
        let Season { seen, expected, deviation } = wave.began;
        let effect = [tightened_in_words(before, wave.surge.tightened(before))].into_iter();
        let effect =
            effect.chain(relaxes.iter().map(|relief| relaxed_in_words(relief, policy))).collect::<Vec<_>>().join("; ");
        let row = |until: Tick| WaveRow {
            measure: measure.name(),
            segment: segment.clone(),
            from: clock.instant(wave.from),
            until: clock.instant(until),
            hours: (*hours).into(),
            seen,
            expected,
            deviation,
            effect: effect.clone(),
            policy_version: policy.version.as_str().into(),
        };
        let key = || RowKey::Wave(name.clone());
        for (tick, until) in &wave.ends {
            rows.entry(*tick).or_default().insert(key(), Some(RowValue::Wave(Box::new(row(*until)))));
        }
        // One that begins as this one ends comes later here, and takes its place.
        rows.entry(wave.until).or_default().insert(key(), None);
    }
    rows.into_iter().map(|(tick, rows)| (tick, rows.into_iter().collect())).collect()
}

/// What a wave does to those whom it tightens.
fn tightened_in_words(before: Thresholds, now: Thresholds) -> String {
    let [before, now] = [before, now].map(|thresholds| thresholds.steps());
    let [before, now] = [before, now].map(|steps| [steps.hold, steps.escalate, steps.block].map(|step| step.get()));
    format!(
        "hold from {} on instead of {}, escalate from {} instead of {}, block from {} instead of {} (whole percent)",
        now[0], before[0], now[1], before[1], now[2], before[2]
    )
}

/// And to those whom it relaxes.
fn relaxed_in_words(relief: &Relief, policy: &Policy) -> String {
    let usual = thresholds_of(policy, &relief.segment);
    let [before, now] = [usual, relief.relaxed(usual, usual)].map(|thresholds| thresholds.steps());
    let [before, now] = [before, now].map(|steps| [steps.hold, steps.escalate].map(|step| step.get()));
    format!(
        "relaxes {} while no wave tightens it: hold from {} on instead of {}, escalate from {} instead of {}",
        relief.segment, now[0], before[0], now[1], before[1]
    )
}

#[cfg(test)]
mod tests {
    use datasets::policy::{built_in, declaring, gate};
    use records::policy::{DEFAULT_SEGMENT, Percent};
    use records::sensitivity::{Ceiling, Floor};

    use super::*;

    fn surge() -> Surge {
        let [hold, escalate, block] = [30, 50, 80].map(|share| Percent::new(share).expect("a share"));
        Surge {
            name: "uploads".to_owned(),
            measure: Measure::Uploads,
            hours: 24,
            weeks: 4,
            seen_min: 50,
            times_min: 3,
            deviations: 6,
            segment: DEFAULT_SEGMENT.to_owned(),
            points: 5,
            floor: Floor { hold, escalate, block },
            lasts_hours: 10,
            lasts_max_hours: 30,
            relaxes: Vec::new(),
        }
    }

    /// From and until of the waves, if a surge was seen at these ticks of an hour.
    fn waves(seen: &[Tick]) -> Vec<(Tick, Tick)> {
        let season = |tick: Tick| {
            let count = if seen.contains(&tick) { 1_000 } else { 0 };
            Some(Season { seen: count, expected: 0.0, deviation: 1.0 })
        };
        let found = of_surge(&surge(), 0, 0..200, Clock::new(HOUR_MS), season);
        found.into_iter().map(|wave| (wave.from, wave.until)).collect()
    }

    #[test]
    fn a_wave_ends_some_time_after_it_was_seen_last_and_never_later_than_it_may() {
        assert_eq!(waves(&[5]), [(5, 15)]);
        assert_eq!(waves(&[5, 6, 12]), [(5, 22)]);
        assert_eq!(waves(&[5, 15]), [(5, 15), (15, 25)]);
        // Seen for forty hours: tightened for thirty; then it must be gone once before it counts again.
        let long: Vec<Tick> = (5..45).collect();
        assert_eq!(waves(&long), [(5, 35)]);
        assert_eq!(waves(&[long, vec![60]].concat()), [(5, 35), (60, 70)]);
        // A policy that ends takes its waves along.
        assert_eq!(waves(&[195]), [(195, 200)]);
    }

    #[test]
    fn a_wave_relaxes_whom_one_trusts_unless_another_tightens_them() {
        let percent = |share| Percent::new(share).expect("a share");
        let ceiling = Ceiling { hold: percent(60), escalate: percent(90) };
        let relaxes = |segment: &str| vec![Relief { segment: segment.to_owned(), points: 5, ceiling }];
        let wave = |surge: Surge, from, until| Wave {
            surge,
            law: 0,
            from,
            until,
            ends: vec![(from, until)],
            began: Season { seen: 9, expected: 1.0, deviation: 1.0 },
        };
        let trusting = Surge { relaxes: relaxes("major"), ..surge() };
        let tightening = Surge { name: "titles".to_owned(), segment: "major".to_owned(), ..surge() };
        let waves = [wave(trusting.clone(), 2, 20), wave(trusting, 5, 15), wave(tightening, 10, 12)];
        let law = Law {
            from: 0,
            policy: Arc::new(built_in()),
            rules: Arc::default(),
            declaring: declaring(None).expect("built in"),
            gate: gate(None).expect("built in"),
            surges: Vec::new(),
            betas: Vec::new(),
        };
        let laws = over(vec![law.clone()], &waves);
        let holds = |segment: &str| -> Vec<(Tick, u8)> {
            let hold = |law: &Law| (law.from, thresholds_of(&law.policy, segment).steps().hold.get());
            laws.iter().map(hold).collect()
        };
        assert_eq!(holds("major"), [(0, 50), (2, 55), (5, 60), (10, 45), (12, 60), (15, 55), (20, 50)]);
        assert_eq!(holds("default"), [(0, 40), (2, 35), (5, 30), (10, 30), (12, 30), (15, 35), (20, 40)]);
        assert!(laws.iter().all(|law| thresholds_of(&law.policy, "probation") == built_in().tiers["probation"]));
        assert_eq!(laws[6].policy, law.policy, "and all is as before");
        let said = rows(&waves[..1], &[law], Clock::new(HOUR_MS)).remove(0).1.remove(0).1;
        let Some(RowValue::Wave(row)) = said else { panic!("a row") };
        let words =
            "; relaxes major while no wave tightens it: hold from 55 on instead of 50, escalate from 75 instead of 70";
        assert!(row.effect.ends_with(words), "{}", row.effect);
    }

    #[test]
    fn near_titles_are_those_of_a_slow_look_at_all_before() {
        let titles = [
            "calm river pt 0",
            "calm river pt 0",
            "rain on a roof",
            "calm rivers pt 0",
            "a long way home",
            "rain on a roof",
        ];
        let uploads: Vec<(Millis, u64, u64)> = (0..60)
            .map(|n: usize| {
                let title = titles[n * n % titles.len()];
                ((n as Millis * n as Millis % 37) * 24 * HOUR_MS, title::words(title), title::simhash(title))
            })
            .collect();
        let mut sorted = uploads;
        sorted.sort_unstable();
        for bits in [0, 3, 7] {
            let is_near = |place: usize| {
                let (at, _, hash) = sorted[place];
                let close =
                    |(other, _, near): &(Millis, u64, u64)| at - other <= NEAR_MS && (near ^ hash).count_ones() <= bits;
                sorted[..place].iter().any(close)
            };
            let slow: Vec<Millis> =
                (0..sorted.len()).filter(|place| is_near(*place)).map(|place| sorted[place].0).collect();
            assert_eq!(near_titles(&sorted, 4, bits), slow);
        }
    }
}
