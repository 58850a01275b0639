//! Two more ways to cases: by lot, so that it can be said how often verdicts are wrong, and by doubt, so that models learn most.
//!
//! ```text
//! shelf as of T ──▶ what differs from before: verdicts, who plays ──▶ lots of the week, the lowest in order
//!                                                                      └──▶ below the share of the kind and verdict? ──▶ audit, with its probability
//! risks ──▶ how far from the nearest threshold? ──▶ uncertain, the nearest first
//! ```
//!
//! A lot is a keyed hash: nobody can tell beforehand who is drawn, and who asks again draws the same. A draw looks at those who are drawn and at
//! nobody else; all lots are looked at when a week begins.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

use records::policy::Thresholds;
use records::{Id, Millis, Subject, Verdict};

use super::lookup::Span;
use super::shelf::{Outline, Shelf, Stated};
use crate::replay::views::{RowKey, RowValue, View};

/// What the key of lots is derived for.
pub const PURPOSE: &str = "truestream 2026-11 lots of the audit queue";
/// Of those of one kind and verdict so many are drawn a week at most, and half as many at least: a person looks at some dozens a day.
const DRAWN_MAX: f64 = 32.0;
/// So many that are near a threshold are shown; those that come after are nobody's doubt.
const UNCERTAIN_MAX: usize = 500;
const WEEK_MS: Millis = 7 * 24 * 3_600_000;
/// The first Monday, 1970-01-05.
const MONDAY_MS: Millis = 4 * 24 * 3_600_000;

/// Somebody who is to be looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Of which kind it is.
    pub subject: Subject,
    /// Its id.
    pub id: String,
    /// Its verdict; `Allow` where nothing suspects it.
    pub verdict: Verdict,
    /// How probable it was to be drawn, or how far R is from the nearest threshold.
    pub number: f64,
}

/// Lots are whole numbers of so many bits: as many as a share in powers of one half needs, and a number from 0 to 1 holds exactly.
const LOT_BITS: u32 = 53;
const LOTS: u64 = 1 << LOT_BITS;
/// Of one kind so many with the lowest lots are known, and at least half as many where there are: sixteen times what is drawn.
const LOW_MAX: usize = 1_024;

/// The lots of a week.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Lots {
    key: [u8; 32],
    week: Millis,
}

impl Lots {
    /// The lot of a subject, evenly from 0 to below [`LOTS`].
    fn of(&self, subject: Subject, id: &str) -> u64 {
        let hash = blake3::keyed_hash(&self.key, format!("{}\n{}\n{id}", self.week, subject.name()).as_bytes());
        let bytes = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        u64::from_le_bytes(*bytes) >> (u64::BITS - LOT_BITS)
    }
}

/// The lots below which a share of them lies.
fn below(share: f64) -> u64 {
    (share * LOTS as f64) as u64
}

/// The greatest power of one half of which at most [`DRAWN_MAX`] of so many are drawn. In steps, so that hardly anybody's probability changes
/// during a week; who is drawn with the smaller one is with the greater, too.
fn share(of: u64) -> f64 {
    let mut share = 1.0;
    while of as f64 * share > DRAWN_MAX {
        share /= 2.0;
    }
    share
}

/// With which probabilities somebody is drawn as of an instant.
#[derive(Clone, Default)]
pub struct Shares {
    /// By kind and verdict, how many of it are drawn.
    shares: [[f64; 4]; Subject::ALL.len()],
    lots: Option<Lots>,
}

impl Shares {
    /// How probable it was to be drawn, if it was.
    pub fn inclusion(&self, subject: Subject, id: &str, verdict: Verdict) -> Option<f64> {
        let share = self.shares[subject as usize][verdict as usize];
        (self.lots?.of(subject, id) < below(share)).then_some(share)
    }
}

/// Those of one kind, as far as somebody may be drawn.
#[derive(Clone, Default)]
struct Kind {
    /// How many have plays in the longest window.
    played: u64,
    /// Those of them with the lowest lots.
    low: Lowest,
    /// By verdict, all who wait, by their lots.
    waits: [BTreeSet<(u64, String)>; 4],
}

/// Those whose lots lie below a bound, which is lowered as they become many: enough to draw from, however many there are.
#[derive(Clone)]
struct Lowest {
    bound: u64,
    lots: BTreeSet<(u64, String)>,
}

impl Default for Lowest {
    fn default() -> Lowest {
        Lowest { bound: LOTS, lots: BTreeSet::new() }
    }
}

impl Lowest {
    fn insert(&mut self, lot: u64, id: &Id) {
        if lot < self.bound {
            self.lots.insert((lot, id.to_string()));
        }
        while self.lots.len() > LOW_MAX {
            self.bound /= 2;
            self.lots.split_off(&(self.bound, String::new()));
        }
    }
}

impl Kind {
    /// How many are drawn, by verdict.
    fn shares(&self) -> [f64; 4] {
        let mut counts: [u64; 4] = std::array::from_fn(|verdict| self.waits[verdict].len() as u64);
        counts[Verdict::Allow as usize] = self.played.saturating_sub(counts.iter().sum());
        counts.map(share)
    }
}

/// All that a draw rests on, as of the views that were looked at last.
#[derive(Default)]
struct Known {
    stated: Arc<Stated>,
    lots: Option<Lots>,
    kinds: [Kind; Subject::ALL.len()],
}

impl Known {
    /// Learns what differs; all of it, where other lots are drawn than before.
    fn learn(&mut self, lots: Option<Lots>, outline: &Outline, stated: &Arc<Stated>) {
        if self.lots != lots {
            *self = Known { lots, ..Known::default() };
        }
        let Some(lots) = lots else { return };
        let before = std::mem::replace(&mut self.stated, stated.clone());
        stated.each_changed(&before, View::Verdict, |key, old, new| {
            let RowKey::Subject(subject, id) = key else { return };
            let verdict = |row: Option<&Arc<RowValue>>| match row.map(|row| &**row) {
                Some(RowValue::Verdict(row)) => Some(row.verdict),
                _ => None,
            };
            let (old, new) = (verdict(old), verdict(new));
            if old != new {
                let (waits, lot) = (&mut self.kinds[*subject as usize].waits, (lots.of(*subject, id), id.clone()));
                old.into_iter().for_each(|old| _ = waits[old as usize].remove(&lot));
                new.into_iter().for_each(|new| _ = waits[new as usize].insert(lot.clone()));
            }
        });
        for subject in Subject::ALL {
            let kind = &mut self.kinds[subject as usize];
            stated.each_changed(&before, View::Window(subject.into()), |key, old, new| {
                let RowKey::Window(window, id) = key else { return };
                if *window != outline.longest() || old.is_some() == new.is_some() {
                    return;
                }
                let lot = lots.of(subject, &id.to_string());
                if new.is_some() {
                    kind.played += 1;
                    kind.low.insert(lot, id);
                } else {
                    kind.played -= 1;
                    kind.low.lots.remove(&(lot, id.to_string()));
                }
            });
            // So many have gone, or wait, that more lots are drawn than are known.
            if below(kind.shares()[Verdict::Allow as usize]) > kind.low.bound {
                kind.low = Lowest::default();
                each_in_longest(outline, stated, subject, |id| {
                    kind.low.insert(lots.of(subject, &id.to_string()), id);
                });
            }
        }
    }

    fn shares(&self) -> Shares {
        Shares { shares: std::array::from_fn(|kind| self.kinds[kind].shares()), lots: self.lots }
    }

    /// Who is drawn, in the order of their lots: of everybody about whom no person has ruled.
    fn drawn(&self) -> Vec<Sampled> {
        let mut found: Vec<(u64, Sampled)> = Vec::new();
        for subject in Subject::ALL {
            let kind = &self.kinds[subject as usize];
            let shares = kind.shares();
            for verdict in [Verdict::Allow, Verdict::Hold, Verdict::Escalate, Verdict::Block] {
                let number = shares[verdict as usize];
                let of_verdict = if verdict == Verdict::Allow { &kind.low.lots } else { &kind.waits[verdict as usize] };
                let drawn = of_verdict.iter().take_while(|(lot, _)| *lot < below(number));
                for (lot, id) in drawn {
                    let key = RowKey::Subject(subject, id.clone());
                    if self.stated.verdict(&key) == verdict && !is_ruled(&self.stated, &key) {
                        found.push((*lot, Sampled { subject, id: id.clone(), verdict, number }));
                    }
                }
            }
        }
        found.sort_by_key(|(lot, _)| *lot);
        found.into_iter().map(|(_, sampled)| sampled).collect()
    }
}

/// Everybody of a kind with plays in the longest window.
fn each_in_longest(outline: &Outline, stated: &Stated, subject: Subject, mut see: impl FnMut(&Id)) {
    let mut part = [outline.rows_of_longest()].into();
    stated.copy(View::Window(subject.into()), &mut part, usize::MAX, |key, _| {
        if let RowKey::Window(_, id) = key {
            see(id);
        }
        true
    });
}

/// Whether a person ruled about it.
fn is_ruled(stated: &Stated, key: &RowKey) -> bool {
    let mut is_ruled = false;
    stated.copy(View::Ruling, &mut [Span::Row(key.clone())].into(), 1, |_, _| {
        is_ruled = true;
        true
    });
    is_ruled
}

/// About whom a person ruled.
fn ruled(stated: &Stated) -> BTreeSet<RowKey> {
    let mut ruled = BTreeSet::new();
    stated.copy(View::Ruling, &mut [Span::All].into(), usize::MAX, |key, _| {
        ruled.insert(key.clone());
        true
    });
    ruled
}

/// Those nearest to a threshold about whom no person has ruled, the nearest first (uncertainty sampling: Lewis and Gale, SIGIR 1994; the margin of a
/// classifier with more than two outcomes: Scheffer, Decomain and Wrobel, IDA 2001).
fn uncertain(stated: &Stated, thresholds: Thresholds) -> Vec<Sampled> {
    let steps = thresholds.steps();
    let steps = [steps.hold, steps.escalate, steps.block].map(|step| step.risk().parts());
    let ruled = ruled(stated);
    let mut near: Vec<(u16, RowKey)> = Vec::new();
    stated.copy(View::Risk, &mut [Span::All].into(), usize::MAX, |key, value| {
        if let RowValue::Risk(row) = &**value
            && !ruled.contains(key)
        {
            let margin = steps.map(|step| step.abs_diff(row.risks[0].parts())).into_iter().min().unwrap_or(u16::MAX);
            near.push((margin, key.clone()));
        }
        true
    });
    near.sort_unstable();
    near.truncate(UNCERTAIN_MAX);
    let sampled = |(margin, key): (u16, RowKey)| {
        let verdict = stated.verdict(&key);
        let RowKey::Subject(subject, id) = key else { return None };
        Some(Sampled { subject, id, verdict, number: f64::from(margin) / 10_000.0 })
    };
    near.into_iter().filter_map(sampled).collect()
}

/// Who is near a threshold, and as of which views.
type Near = (Weak<Stated>, Arc<Vec<Sampled>>);

/// All of it, made once for whatever is stated, by who asks first.
pub struct Samples {
    shelf: Arc<Shelf>,
    key: [u8; 32],
    known: Mutex<(Known, Arc<Drawn>)>,
    uncertain: Mutex<Option<Near>>,
}

/// Who is drawn as of an instant, and with which probabilities.
#[derive(Default)]
pub struct Drawn {
    /// The probabilities.
    pub shares: Shares,
    /// Who, in the order of their lots.
    pub subjects: Vec<Sampled>,
}

impl Samples {
    /// By lots of this key.
    pub fn new(shelf: Arc<Shelf>, key: [u8; 32]) -> Samples {
        Samples { shelf, key, known: Mutex::default(), uncertain: Mutex::default() }
    }

    /// Who is drawn as of then.
    pub fn drawn(&self, stated: &Arc<Stated>) -> Arc<Drawn> {
        let mut kept = self.known.lock().expect("nobody panics with it");
        let (known, drawn) = &mut *kept;
        if !Arc::ptr_eq(&known.stated, stated) {
            let outline = &self.shelf.outline;
            let week = |as_of: Millis| (as_of - MONDAY_MS).div_euclid(WEEK_MS);
            let lots = outline.as_of(stated).map(|as_of| Lots { key: self.key, week: week(as_of) });
            known.learn(lots, outline, stated);
            *drawn = Arc::new(Drawn { shares: known.shares(), subjects: known.drawn() });
        }
        drawn.clone()
    }

    /// Who is near a threshold of the policy in force; nobody where none is.
    pub fn uncertain(&self, stated: &Arc<Stated>) -> Arc<Vec<Sampled>> {
        let thresholds = stated.tick().and_then(|tick| self.shelf.policy(tick)).map(|policy| policy.thresholds);
        let mut kept = self.uncertain.lock().expect("nobody panics with it");
        match &*kept {
            Some((of, near)) if std::ptr::eq(of.as_ptr(), Arc::as_ptr(stated)) => near.clone(),
            _ => {
                let near = Arc::new(thresholds.map_or(Vec::new(), |thresholds| uncertain(stated, thresholds)));
                *kept = Some((Arc::downgrade(stated), near.clone()));
                near
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use dataflows::clock::Clock;
    use datasets::names::NameTable;
    use datasets::tables::IdKind;
    use features::WindowRow;
    use records::{Ruling, RulingKind};

    use super::super::urgency::tests::{chance, verdict};
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn lots_are_even_repeatable_and_of_a_week() {
        let lots = Lots { key: KEY, week: 1 };
        let drawn_with = |share: f64, lots: Lots| -> Vec<String> {
            let ids = (0..20_000).map(|id| id.to_string());
            ids.filter(|id| lots.of(Subject::Track, id) < below(share)).collect()
        };
        let drawn = drawn_with(1.0 / 64.0, lots);
        // 312 of 20,000 are expected, give or take 18 (a standard deviation of the binomial distribution).
        assert!(drawn.len().abs_diff(312) < 5 * 18, "{}", drawn.len());
        assert_eq!(drawn, drawn_with(1.0 / 64.0, lots));
        let (wider, other) = (drawn_with(1.0 / 32.0, lots), drawn_with(1.0 / 64.0, Lots { week: 2, ..lots }));
        assert!(drawn.iter().all(|id| wider.contains(id)) && drawn != other);
        assert_eq!([below(1.0), below(0.5)], [LOTS, LOTS / 2]);
    }

    #[test]
    fn a_share_draws_between_half_of_the_most_and_the_most() {
        for of in [1, 31, 32, 33, 1_000, 123_456, 10_000_000] {
            let expected = of as f64 * share(of);
            assert!(expected <= DRAWN_MAX && (expected > DRAWN_MAX / 2.0 || share(of) == 1.0), "{of}: {expected}");
        }
    }

    /// The slow twin: draws the lot of everybody.
    fn recount(lots: Lots, outline: &Outline, stated: &Stated) -> Vec<Sampled> {
        let mut all: HashMap<(Subject, String), Verdict> = HashMap::new();
        for subject in Subject::ALL {
            each_in_longest(outline, stated, subject, |id| _ = all.insert((subject, id.to_string()), Verdict::Allow));
        }
        let played = all.len();
        stated.copy(View::Verdict, &mut [Span::All].into(), usize::MAX, |key, _| {
            let RowKey::Subject(subject, id) = key else { return false };
            all.insert((*subject, id.clone()), stated.verdict(key));
            true
        });
        let mut counts: HashMap<(Subject, Verdict), u64> = HashMap::new();
        all.iter().for_each(|((subject, _), verdict)| *counts.entry((*subject, *verdict)).or_default() += 1);
        assert_eq!(played, all.len(), "whoever waits here has plays");
        let mut drawn: Vec<(u64, Sampled)> = Vec::new();
        for ((subject, id), verdict) in all {
            let (lot, number) = (lots.of(subject, &id), share(counts[&(subject, verdict)]));
            if lot < below(number) && !is_ruled(stated, &RowKey::Subject(subject, id.clone())) {
                drawn.push((lot, Sampled { subject, id, verdict, number }));
            }
        }
        drawn.sort_by_key(|(lot, _)| *lot);
        drawn.into_iter().map(|(_, sampled)| sampled).collect()
    }

    #[test]
    fn who_is_drawn_is_whom_a_draw_of_everybody_finds() {
        for seed in 1..=6 {
            let mut dice = seed;
            let kind = if seed % 2 == 0 { IdKind::Number } else { IdKind::Text };
            let names = Arc::new(NameTable::new(|_| kind));
            // A tick is a day: weeks begin meanwhile.
            let clock = Clock::new(24 * 3_600_000);
            let shelf = Shelf::new(clock, names, vec!["28d".into()], Vec::new(), Vec::new());
            let (mut stated, mut known, mut drawn) = (Stated::default(), Known::default(), 0);
            let id_of = |id: u64| match kind {
                IdKind::Number => Id::Number(id),
                IdKind::Text => Id::from(id.to_string()),
            };
            for tick in 1..30 {
                // Thousands come and nearly all of them go again, so that the bound is lowered and lifted.
                let (least, most) = (chance(&mut dice, 4_000), chance(&mut dice, 4_000));
                let is_gone = tick % 5 == 0;
                for subject in [Subject::Track, Subject::Account] {
                    let row = || RowValue::Window(Box::new(WindowRow { plays: 1, ..WindowRow::default() }));
                    let ids = if is_gone { 20..4_000 } else { least..most.max(least) };
                    let rows = ids.clone().map(|id| (RowKey::Window(0, id_of(id)), (!is_gone).then(row)));
                    stated.enter(tick, View::Window(subject.into()), rows.collect());
                    let key = |id: u64| RowKey::Subject(subject, id.to_string());
                    let mut waits = Vec::new();
                    for id in ids {
                        if is_gone || chance(&mut dice, 3) == 0 {
                            waits.push((key(id), (!is_gone).then(|| verdict(&mut dice))));
                        }
                    }
                    stated.enter(tick, View::Verdict, waits);
                    let ruled = Ruling {
                        kind: RulingKind::Cleared,
                        known_at: 0,
                        since: None,
                        until: None,
                        ruled_by: None,
                        reason: None,
                    };
                    let rows = (0..8)
                        .map(|_| (key(chance(&mut dice, 4_000)), Some(RowValue::Ruling(Box::new(ruled.clone())))));
                    stated.enter(tick, View::Ruling, rows.collect());
                }
                // Not every instant is looked at.
                if chance(&mut dice, 3) > 0 {
                    let stated = Arc::new(stated.clone().at(tick));
                    let lots = Lots { key: KEY, week: tick as Millis / 7 };
                    known.learn(Some(lots), &shelf.outline, &stated);
                    let expected = recount(lots, &shelf.outline, &stated);
                    assert_eq!(known.drawn(), expected, "seed {seed}, tick {tick}");
                    drawn += expected.len();
                }
            }
            assert!(drawn > 100, "seed {seed}: {drawn}");
        }
    }
}
