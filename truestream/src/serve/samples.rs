//! Two more ways to cases: by lot, so that it can be said how often verdicts are wrong, and by doubt, so that models learn most.
//!
//! ```text
//! who waits, who only plays ──▶ lot of the week below the share of the kind and verdict? ──▶ audit, each with its probability
//! risks ──▶ how far from the nearest threshold? ──▶ uncertain, the nearest first
//! ```
//!
//! A lot is a keyed hash: nobody can tell beforehand who is drawn, and who asks again draws the same.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, Weak};

use records::policy::Thresholds;
use records::{Id, Millis, Subject, Verdict};

use super::lookup::Span;
use super::shelf::{Outline, Shelf, Stated};
use super::urgency::{Ranked, Ranking};
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

/// The lots of a week.
#[derive(Clone, Copy)]
struct Lots {
    key: [u8; 32],
    week: Millis,
}

impl Lots {
    /// The lot of a subject, evenly from 0 to 1.
    fn of(&self, subject: Subject, id: &str) -> f64 {
        let hash = blake3::keyed_hash(&self.key, format!("{}\n{}\n{id}", self.week, subject.name()).as_bytes());
        let bytes = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        // As many bits as a number from 0 to 1 holds exactly.
        (u64::from_le_bytes(*bytes) >> 11) as f64 / (1u64 << 53) as f64
    }
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
#[derive(Default)]
pub struct Shares {
    /// By kind and verdict, how many of it are drawn.
    shares: [[f64; 4]; Subject::ALL.len()],
    lots: Option<Lots>,
}

impl Shares {
    fn of(key: [u8; 32], outline: &Outline, ranking: &Ranking) -> Shares {
        let Some(as_of) = outline.as_of(&ranking.stated) else { return Shares::default() };
        let mut counts = [[0u64; 4]; Subject::ALL.len()];
        for Ranked { waiting, .. } in &ranking.ranked {
            counts[waiting.subject as usize][waiting.verdict as usize] += 1;
        }
        for subject in Subject::ALL {
            let counts = &mut counts[subject as usize];
            let mut all = 0u64;
            each_in_longest(outline, &ranking.stated, subject, |_| all += 1);
            counts[Verdict::Allow as usize] = all.saturating_sub(counts.iter().sum());
        }
        let lots = Lots { key, week: (as_of - MONDAY_MS).div_euclid(WEEK_MS) };
        Shares { shares: counts.map(|counts| counts.map(share)), lots: Some(lots) }
    }

    /// The lot of a subject and how probable it was to be drawn, if it was.
    fn drawn(&self, subject: Subject, id: &str, verdict: Verdict) -> Option<(f64, f64)> {
        let (lot, share) = (self.lots?.of(subject, id), self.shares[subject as usize][verdict as usize]);
        (lot < share).then_some((lot, share))
    }

    /// How probable it was to be drawn, if it was.
    pub fn inclusion(&self, subject: Subject, id: &str, verdict: Verdict) -> Option<f64> {
        self.drawn(subject, id, verdict).map(|(_, share)| share)
    }
}

/// Who is drawn, in the order of their lots: of everybody about whom no person has ruled.
fn drawn(outline: &Outline, ranking: &Ranking, shares: &Shares) -> Vec<Sampled> {
    let waiting: HashSet<(Subject, &str)> =
        ranking.ranked.iter().map(|ranked| (ranked.waiting.subject, ranked.waiting.id.as_str())).collect();
    let ruled = ruled(&ranking.stated);
    let mut found: Vec<(f64, Sampled)> = Vec::new();
    let mut draw = |subject: Subject, id: &str, verdict: Verdict| {
        let Some((lot, share)) = shares.drawn(subject, id, verdict) else { return };
        let is_suspected = || waiting.contains(&(subject, id));
        let is_ruled = ruled.contains(&RowKey::Subject(subject, id.to_owned()));
        if !is_ruled && (verdict != Verdict::Allow || !is_suspected()) {
            found.push((lot, Sampled { subject, id: id.to_owned(), verdict, number: share }));
        }
    };
    ranking.ranked.iter().for_each(|Ranked { waiting, .. }| draw(waiting.subject, &waiting.id, waiting.verdict));
    for subject in Subject::ALL {
        each_in_longest(outline, &ranking.stated, subject, |id| match id {
            Id::Text(id) => draw(subject, id, Verdict::Allow),
            Id::Number(id) => draw(subject, &id.to_string(), Verdict::Allow),
        });
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, sampled)| sampled).collect()
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

/// All of it, made once for whatever is stated, when somebody asks.
pub struct Samples {
    shelf: Arc<Shelf>,
    key: [u8; 32],
    shares: Made<Shares>,
    drawn: Made<Vec<Sampled>>,
    uncertain: Made<Vec<Sampled>>,
}

/// What was made last, and of which views; those are not kept for it.
type Made<T> = Mutex<Option<(Weak<Stated>, Arc<T>)>>;

impl Samples {
    /// By lots of this key.
    pub fn new(shelf: Arc<Shelf>, key: [u8; 32]) -> Samples {
        Samples { shelf, key, shares: Mutex::default(), drawn: Mutex::default(), uncertain: Mutex::default() }
    }

    /// With which probabilities somebody is drawn as of the ranking's instant; everybody is counted for it, and nobody's lot is looked at.
    pub fn shares(&self, ranking: &Ranking) -> Arc<Shares> {
        once(&self.shares, &ranking.stated, || Shares::of(self.key, &self.shelf.outline, ranking))
    }

    /// Who is drawn as of then.
    pub fn drawn(&self, ranking: &Ranking) -> Arc<Vec<Sampled>> {
        let shares = self.shares(ranking);
        once(&self.drawn, &ranking.stated, || drawn(&self.shelf.outline, ranking, &shares))
    }

    /// Who is near a threshold of the policy in force; nobody where none is.
    pub fn uncertain(&self, stated: &Arc<Stated>) -> Arc<Vec<Sampled>> {
        let thresholds = stated.tick().and_then(|tick| self.shelf.policy(tick)).map(|policy| policy.thresholds);
        once(&self.uncertain, stated, || thresholds.map_or(Vec::new(), |thresholds| uncertain(stated, thresholds)))
    }
}

/// What was made of these views, or is now.
fn once<T>(kept: &Made<T>, stated: &Arc<Stated>, make: impl FnOnce() -> T) -> Arc<T> {
    let mut kept = kept.lock().expect("nobody panics with it");
    match &*kept {
        Some((of, made)) if std::ptr::eq(of.as_ptr(), Arc::as_ptr(stated)) => made.clone(),
        _ => {
            let made = Arc::new(make());
            *kept = Some((Arc::downgrade(stated), made.clone()));
            made
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_are_even_repeatable_and_of_a_week() {
        let lots = Lots { key: [7; 32], week: 1 };
        let below = |share: f64, lots: Lots| {
            (0..20_000).filter(|id| lots.of(Subject::Track, &id.to_string()) < share).map(|id| id.to_string()).collect()
        };
        let drawn: Vec<String> = below(1.0 / 64.0, lots);
        // 312 of 20,000 are expected, give or take 18 (a standard deviation of the binomial distribution).
        assert!(drawn.len().abs_diff(312) < 5 * 18, "{}", drawn.len());
        assert_eq!(drawn, below(1.0 / 64.0, lots));
        let (wider, other): (Vec<String>, Vec<String>) =
            (below(1.0 / 32.0, lots), below(1.0 / 64.0, Lots { week: 2, ..lots }));
        assert!(drawn.iter().all(|id| wider.contains(id)) && drawn != other);
    }

    #[test]
    fn a_share_draws_between_half_of_the_most_and_the_most() {
        for of in [1, 31, 32, 33, 1_000, 123_456, 10_000_000] {
            let expected = of as f64 * share(of);
            assert!(expected <= DRAWN_MAX && (expected > DRAWN_MAX / 2.0 || share(of) == 1.0), "{of}: {expected}");
        }
    }
}
