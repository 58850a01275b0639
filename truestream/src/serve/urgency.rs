//! Who waits for a person, the most urgent first: kept from instant to instant by what differs.
//!
//! ```text
//! shelf as of T ──▶ what differs from before: verdicts, since when, plays ──▶ who waits ──▶ in order as of T ──▶ pages
//! ```
//!
//! Whoever waits grows more urgent, each at a pace of its own: all are put in order at each instant, but only what changed is looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dataflows::clock::Tick;
use datasets::tables::IdKind;
use features::WindowRow;
use records::policy::Review;
use records::{Id, Millis, Risk, Source, Subject, Verdict};

use super::lookup::Span;
use super::shelf::{Outline, Shelf, Stated};
use crate::replay::views::{RowKey, RowValue, View};

/// What a payable play costs, in USD: between 0.003 and 0.005 on the largest service (published payouts per stream).
pub const USD_PER_PLAY: f64 = 0.004;

/// How much of the time is over within which a verdict is to be looked at; 1 and more is too late. Whoever is blocked waits for no money,
/// whoever is held for its next payout.
pub fn clock(waits_hours: f64, verdict: Verdict, review: &Review) -> f64 {
    let hours = match verdict {
        Verdict::Hold => review.hold_hours,
        Verdict::Block => review.block_hours,
        Verdict::Allow | Verdict::Escalate => review.escalate_hours,
    };
    waits_hours / f64::from(hours)
}

/// A subject with a verdict, and what ranks it. There may be a hundred thousand of them: what else a line of the list says is looked up for
/// the lines of a page alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Of which kind it is.
    pub subject: Subject,
    /// Its id.
    pub id: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// R.
    pub risk: Risk,
    /// Its payable plays of the longest window.
    pub payable: u64,
    /// Where most of its plays of that window begin, where there are some.
    pub source: Option<Source>,
    /// Since when there is a verdict without a break.
    pub since: Option<Tick>,
}

/// The same as of an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Who.
    pub waiting: Arc<Waiting>,
    /// For how many hours.
    pub waits_hours: f64,
    /// How urgent it is that somebody looks at it.
    pub urgency: f64,
}

/// Everybody with a verdict as of an instant.
#[derive(Clone, Default)]
pub struct Ranking {
    /// The views as of then.
    pub stated: Arc<Stated>,
    /// The most urgent first; of equals by kind and id.
    pub ranked: Vec<Ranked>,
}

impl Ranking {
    fn of<'a>(
        outline: &Outline,
        stated: &Arc<Stated>,
        review: Review,
        waiting: impl Iterator<Item = &'a Arc<Waiting>>,
    ) -> Ranking {
        let as_of = outline.as_of(stated);
        let rank = |waiting: &Arc<Waiting>| {
            let Waiting { verdict, risk, payable, since, .. } = **waiting;
            let waits_hours = waits_hours(outline, as_of, since);
            let stake_usd = payable as f64 * USD_PER_PLAY;
            let urgency = risk.share() * (1.0 + stake_usd) * (1.0 + clock(waits_hours, verdict, &review));
            Ranked { waiting: waiting.clone(), waits_hours, urgency }
        };
        let mut ranked: Vec<Ranked> = waiting.map(rank).collect();
        // Equals stay in the order of their keys.
        ranked.sort_by(|a, b| b.urgency.total_cmp(&a.urgency));
        Ranking { stated: stated.clone(), ranked }
    }
}

/// For how long, in hours, something has stood as of an instant.
pub fn waits_hours(outline: &Outline, as_of: Option<Millis>, since: Option<Tick>) -> f64 {
    let since = since.map(|tick| outline.instant(tick));
    as_of.zip(since).map_or(0.0, |(as_of, since)| (as_of - since) as f64 / 3_600_000.0)
}

/// The id that is written like this, where ids are of this kind.
pub fn id_of(kind: IdKind, id: &str) -> Option<Id> {
    match kind {
        IdKind::Text => Some(Id::from(id)),
        IdKind::Number => id.parse().ok().map(Id::Number),
    }
}

/// Payable plays of the longest window; `None` where the subject has no row in it.
pub fn payable(outline: &Outline, stated: &Stated, subject: Subject, id: &str) -> Option<u64> {
    usage(outline, stated, subject, id).map(|usage| usage.payable)
}

/// How a subject is played in the longest window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Plays that would be paid.
    pub payable: u64,
    /// Where most plays begin; of equals the first of the contract's order.
    pub source: Option<Source>,
}

/// The same; `None` where the subject has no row in it.
pub fn usage(outline: &Outline, stated: &Stated, subject: Subject, id: &str) -> Option<Usage> {
    let key = id_of(outline.names.kind(subject.space()), id)?;
    let mut found = None;
    let mut part = [Span::Row(RowKey::Window(outline.longest(), key))].into();
    stated.copy(View::Window(subject.into()), &mut part, 1, |_, value| {
        found = usage_of(value);
        true
    });
    found
}

fn usage_of(value: &RowValue) -> Option<Usage> {
    let RowValue::Window(row) = value else { return None };
    let WindowRow { plays, by_search, by_library, by_algorithm, by_editorial, by_playlist, .. } = **row;
    let named = by_search + by_library + by_algorithm + by_editorial + by_playlist;
    let counts = [
        (by_search, Source::Search),
        (by_library, Source::Library),
        (by_algorithm, Source::Algorithmic),
        (by_editorial, Source::Editorial),
        (by_playlist, Source::Playlist),
        (plays.saturating_sub(named), Source::Other),
    ];
    let most = counts.into_iter().rev().max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0);
    Some(Usage { payable: row.payable.into(), source: most.map(|(_, source)| source) })
}

/// All that the order rests on, as of the views that were looked at last.
#[derive(Default)]
struct Known {
    stated: Arc<Stated>,
    waiting: BTreeMap<RowKey, Arc<Waiting>>,
}

impl Known {
    /// Learns what differs.
    fn learn(&mut self, outline: &Outline, stated: &Arc<Stated>) {
        let before = std::mem::replace(&mut self.stated, stated.clone());
        let mut touched: BTreeSet<RowKey> = BTreeSet::new();
        stated.each_changed(&before, View::Verdict, |key, _, _| _ = touched.insert(key.clone()));
        stated.each_since_changed(&before, |key| _ = touched.insert(key.clone()));
        for key in touched {
            match waiting(outline, stated, &key) {
                Some(waiting) => self.waiting.insert(key, Arc::new(waiting)),
                None => self.waiting.remove(&key),
            };
        }
        for subject in Subject::ALL {
            let first = |subject| RowKey::Subject(subject, String::new());
            if self.waiting.range(first(subject)..).next().is_none_or(|(_, waiting)| waiting.subject != subject) {
                continue;
            }
            stated.each_changed(&before, View::Window(subject.into()), |key, _, value| {
                let RowKey::Window(window, id) = key else { return };
                if *window == outline.longest()
                    && let Some(waiting) = self.waiting.get_mut(&RowKey::Subject(subject, id.to_string()))
                {
                    let Usage { payable, source } = value.and_then(|value| usage_of(value)).unwrap_or_default();
                    if (waiting.payable, waiting.source) != (payable, source) {
                        let waiting = Arc::make_mut(waiting);
                        (waiting.payable, waiting.source) = (payable, source);
                    }
                }
            });
        }
    }
}

/// Looks up one who has a verdict.
fn waiting(outline: &Outline, stated: &Stated, key: &RowKey) -> Option<Waiting> {
    let RowKey::Subject(subject, id) = key else { return None };
    let mut found = None;
    stated.copy(View::Verdict, &mut [Span::Row(key.clone())].into(), 1, |_, value| {
        if let RowValue::Verdict(row) = &**value {
            let Usage { payable, source } = usage(outline, stated, *subject, id).unwrap_or_default();
            let since = stated.since(key);
            let (subject, id) = (*subject, id.clone());
            found = Some(Waiting { subject, id, verdict: row.verdict, risk: row.r, payable, source, since });
        }
        true
    });
    found
}

/// Who waits, as of whatever instant is stated.
pub struct Urgency {
    shelf: Arc<Shelf>,
    last: Mutex<(Known, Arc<Ranking>)>,
}

impl Urgency {
    /// Nobody yet.
    pub fn new(shelf: Arc<Shelf>) -> Urgency {
        Urgency { shelf, last: Mutex::default() }
    }

    /// All of them as of now; put in order once for whatever is stated, by who asks first.
    pub fn now(&self) -> Arc<Ranking> {
        let stated = self.shelf.now();
        let mut last = self.last.lock().expect("nobody panics with it");
        let (known, ranking) = &mut *last;
        if !Arc::ptr_eq(&ranking.stated, &stated) {
            known.learn(&self.shelf.outline, &stated);
            let review = self.shelf.review(&stated);
            *ranking = Arc::new(Ranking::of(&self.shelf.outline, &stated, review, known.waiting.values()));
        }
        ranking.clone()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::replay::views::VerdictRow;
    use dataflows::clock::Clock;
    use datasets::names::NameTable;

    /// The slow twin: looks up everybody with a verdict.
    fn recount(outline: &Outline, stated: &Arc<Stated>) -> Ranking {
        let mut all = BTreeMap::new();
        stated.copy(View::Verdict, &mut [Span::All].into(), usize::MAX, |key, _| {
            all.insert(key.clone(), Arc::new(waiting(outline, stated, key).expect("it has a verdict")));
            true
        });
        Ranking::of(outline, stated, Review::default(), all.values())
    }

    #[test]
    fn a_clock_runs_as_the_policy_allows() {
        let review = Review { hold_hours: 8, ..Review::default() };
        let clocks = [Verdict::Hold, Verdict::Escalate, Verdict::Block].map(|verdict| clock(12.0, verdict, &review));
        assert_eq!(clocks, [1.5, 0.5, 0.5]);
    }

    /// Numbers below `below` that a seed makes (Steele, Lea and Flood 2014).
    pub fn chance(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    pub fn verdict(seed: &mut u64) -> RowValue {
        let verdicts = [Verdict::Hold, Verdict::Block];
        RowValue::Verdict(Box::new(VerdictRow {
            // Few of them, so that some are equally urgent, and some come back as they were when they went.
            r: Risk::from_parts(5_000 * (1 + chance(seed, 2))),
            verdict: verdicts[chance(seed, 2) as usize],
            reasons: Vec::new(),
            reasons_json: String::new(),
            rules_json: String::new(),
            policy_version: "1".into(),
            models_json: String::new(),
        }))
    }

    #[test]
    fn who_waits_is_who_a_recount_finds_in_the_same_order() {
        for seed in 1..=20 {
            let mut lot = seed;
            let kind = if seed % 2 == 0 { IdKind::Number } else { IdKind::Text };
            let labels = vec!["24h".into(), "28d".into()];
            let names = Arc::new(NameTable::new(|_| kind));
            let shelf = Shelf::new(Clock::new(3_600_000), names, labels, Vec::new(), Vec::new());
            let (mut stated, mut known) = (Stated::default(), Known::default());
            for tick in 1..40 {
                for _ in 0..chance(&mut lot, 12) {
                    let subject = Subject::ALL[chance(&mut lot, 6) as usize];
                    let id = chance(&mut lot, 4).to_string();
                    let is_gone = chance(&mut lot, 2) == 0;
                    let row = (!is_gone).then(|| verdict(&mut lot));
                    stated.enter(tick, View::Verdict, vec![(RowKey::Subject(subject, id), row)]);
                }
                for _ in 0..chance(&mut lot, 30) {
                    let subject = Subject::ALL[chance(&mut lot, 6) as usize];
                    let id = id_of(kind, &chance(&mut lot, 4).to_string()).expect("a number");
                    let payable = chance(&mut lot, 3) as u32 * 100;
                    let row = RowValue::Window(Box::new(WindowRow {
                        payable,
                        by_search: payable / 2,
                        plays: payable,
                        ..WindowRow::default()
                    }));
                    let row = (chance(&mut lot, 4) > 0).then_some(row);
                    let key = RowKey::Window(chance(&mut lot, 2) as u8, id);
                    stated.enter(tick, View::Window(subject.into()), vec![(key, row)]);
                }
                // Not every instant is looked at.
                if chance(&mut lot, 3) == 0 {
                    let stated = Arc::new(stated.clone().at(tick));
                    known.learn(&shelf.outline, &stated);
                    let ranking = Ranking::of(&shelf.outline, &stated, Review::default(), known.waiting.values());
                    assert_eq!(ranking.ranked, recount(&shelf.outline, &stated).ranked, "seed {seed}, tick {tick}");
                }
            }
            assert!(!known.waiting.is_empty(), "seed {seed}");
        }
    }
}
