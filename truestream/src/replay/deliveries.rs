//! Keeps current, beside the dataflow of a living service, what follows from the catalogue and from verdicts: whose money waits, how honest distributors
//! are, what became of what everybody brought, and what the gate finds.
//!
//! ```text
//! rows that come into force ──┬──▶ honesty (declared.rs) ──▶ payout_hold, disclosure_ledger
//!                             │       └─ who is contradicted ─┐
//! verdicts, playlists ────────┼───────▶ records (reputation.rs) ──▶ reputation
//!                             │                          └─ of uploaders and distributors ─┐
//!                             └───────────────────────────────────▶ at the gate (gate.rs) ──▶ gate
//! ```
//!
//! A replay makes the same tables of the same parts once all is known ([`super::books`]). An instant costs what came, was judged or frees itself at it,
//! and the uploads around that; nothing here knows plays.

use std::collections::VecDeque;
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use datasets::arrivals::{Hearing, Listing, Upload};
use datasets::names::{NameTable, Naming};
use imbl::OrdSet;
use records::Id;
use records::declaring::Declaring;

use super::declared::Honesty;
use super::gate::{AtGate, Gatekeeper};
use super::judge::Rows;
use super::laws::Law;
use super::reputation::{Records, Thing, Touched};
use super::views::{RowKey, View};
use crate::exit::Failure;

/// What comes into force at a tick.
#[derive(Default)]
pub struct Delivered {
    /// Rows of the catalogue, with their titles where somebody asks for them.
    pub listed: Vec<(Listing, Option<String>)>,
    /// What was heard of recordings.
    pub heard: Vec<Hearing>,
    /// Playlists with their owners.
    pub owned: Vec<(Id, Id)>,
}

impl Delivered {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.heard.is_empty() && self.owned.is_empty()
    }
}

/// How a reputation moved because verdicts or declarations of what was brought did, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// As of which tick.
    pub at: Tick,
    /// What it was.
    pub from: u16,
    /// What it became.
    pub to: u16,
}

/// What is another as of a tick.
pub struct Settled {
    /// Rows that came or went.
    pub rows: Vec<(View, Rows)>,
    /// Whose reputation moved, of uploaders and distributors.
    pub moves: Vec<(RowKey, Move)>,
}

/// Another policy, from a tick on.
struct Turn {
    from: Tick,
    declaring: Declaring,
    gatekeeper: Arc<Gatekeeper>,
    policy_version: Arc<str>,
}

/// What was brought, as of now.
pub struct Deliveries {
    clock: Clock,
    names: Arc<NameTable>,
    /// The views that are kept.
    views: Vec<View>,
    turns: VecDeque<Turn>,
    honesty: Option<Honesty>,
    records: Option<Records>,
    gate: Option<AtGate>,
}

impl Deliveries {
    /// For these views; `None` where none of them asks for any of it. Whether somebody asks for declarations, and for records, is told apart: the gate
    /// may look at records that nobody keeps a view of.
    ///
    /// # Errors
    /// When a policy names ids that cannot be.
    pub fn of(
        views: &[View],
        (declares, reputes): (bool, bool),
        laws: &[Law],
        clock: Clock,
        names: Arc<NameTable>,
    ) -> Result<Option<Deliveries>, Failure> {
        let asks_gate = views.contains(&View::Gate);
        if !(declares || reputes || asks_gate) {
            return Ok(None);
        }
        let mut naming = Naming::new(names.clone());
        let mut turns = VecDeque::new();
        for law in laws {
            turns.push_back(Turn {
                from: law.from,
                declaring: law.declaring.clone(),
                gatekeeper: Arc::new(Gatekeeper::of(law, &mut naming)?),
                policy_version: law.policy.version.as_str().into(),
            });
        }
        let gatekeepers: Vec<Arc<Gatekeeper>> = turns.iter().map(|turn| turn.gatekeeper.clone()).collect();
        let first = turns.pop_front().expect("a policy is in force from the beginning");
        Ok(Some(Deliveries {
            clock,
            views: views.to_vec(),
            turns,
            honesty: declares.then(|| Honesty::new(first.declaring, first.policy_version)),
            records: reputes.then(|| Records::new(names.clone())),
            gate: asks_gate.then(|| AtGate::new(&gatekeepers)),
            names,
        }))
    }

    /// Whether somebody asks what tracks are called.
    pub fn asks_titles(&self) -> bool {
        self.gate.is_some()
    }

    /// Whether records are kept, of which a tick does not tell all.
    pub fn reputes(&self) -> bool {
        self.records.is_some()
    }

    /// The tracks and playlists that had a verdict at any tick.
    pub fn stopped(&self) -> OrdSet<Thing> {
        self.records.as_ref().map(Records::stopped).unwrap_or_default()
    }

    /// These had a verdict at ticks before the first one that is told.
    pub fn were_stopped(&mut self, things: OrdSet<Thing>) {
        self.records.iter_mut().for_each(|records| records.were_stopped(things.clone()));
    }

    /// Takes what comes into force at the tick.
    pub fn take(&mut self, tick: Tick, delivered: Delivered) {
        let Delivered { listed, heard, owned } = delivered;
        for (row, title) in listed {
            self.honesty.iter_mut().for_each(|honesty| honesty.list(&row));
            self.records.iter_mut().for_each(|records| records.list(&row));
            if let Some(gate) = &mut self.gate {
                gate.list(&upload(&row, title), (self.clock, tick));
            }
        }
        if let Some(honesty) = &mut self.honesty {
            heard.iter().for_each(|row| honesty.hear(row));
        }
        if let Some(records) = &mut self.records {
            owned.iter().for_each(|(playlist, owner)| records.own(playlist, owner));
        }
    }

    /// Takes rows of `verdict` that came or went.
    pub fn judged(&mut self, rows: &Rows) {
        self.records.iter_mut().for_each(|records| records.judged(rows));
    }

    /// What is another as of the tick, up to which everything was told.
    pub fn settle(&mut self, tick: Tick) -> Settled {
        while let Some(turn) = self.turns.pop_front_if(|turn| turn.from <= tick) {
            let Turn { declaring, gatekeeper, policy_version, .. } = turn;
            self.honesty.iter_mut().for_each(|honesty| honesty.turn(declaring.clone(), policy_version.clone()));
            self.gate.iter_mut().for_each(|gate| gate.turn(gatekeeper.clone()));
        }
        let mut settled = Settled { rows: Vec::new(), moves: Vec::new() };
        if let Some(honesty) = &mut self.honesty {
            let (payouts, ledgers) = honesty.settle(&self.names);
            self.records.iter_mut().for_each(|records| records.declared(&payouts));
            settled.rows.extend([(View::PayoutHold, payouts), (View::DisclosureLedger, ledgers)]);
        }
        if let Some(records) = &mut self.records {
            let touched = records.settle();
            let rows = records.rows(&touched);
            if let Some(gate) = &mut self.gate {
                touched.iter().filter_map(Touched::reputed).for_each(|(whose, percent)| gate.repute(whose, percent));
            }
            let moved = touched.iter().zip(&rows).filter(|(touched, _)| touched.reputed().is_some());
            settled.moves =
                moved.filter_map(|(touched, (key, _))| Some((key.clone(), moved_by(touched, tick)?))).collect();
            settled.rows.push((View::Reputation, rows));
        }
        if let Some(gate) = &mut self.gate {
            settled.rows.push((View::Gate, gate.settle(tick, &self.names)));
        }
        settled.rows.retain(|(view, rows)| !rows.is_empty() && self.views.contains(view));
        settled
    }
}

/// How verdicts and declarations moved a reputation at the tick, where they did: what others bring in peace moves all of them a little.
fn moved_by(touched: &Touched, at: Tick) -> Option<Move> {
    let Touched { before, now, .. } = touched;
    (before.faults() != now.faults()).then(|| Move { at, from: before.reputation(), to: now.reputation() })
}

/// The row as it is asked at the gate: of its files a service knows nothing.
fn upload(row: &Listing, title: Option<String>) -> Upload {
    let Listing { track, artist, uploader, distributor, metadata, uploaded_at, valid_from, .. } = *row;
    Upload { track, content: String::new(), artist, uploader, distributor, title, metadata, uploaded_at, valid_from }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datasets::policy::{built_in, declaring, gate};
    use datasets::tables::IdKind;
    use records::declaring::Declared;
    use records::policy::Percent;
    use records::{Disclosure, Key, Metadata, Millis, Policy, Risk, Subject, Verdict};

    use super::super::views::{RowValue, VerdictRow};
    use super::*;

    const HOUR_MS: Millis = 3_600_000;
    /// 2026-03-01.
    const START: Millis = 1_772_323_200_000;
    const TICKS: u64 = 30;

    /// Numbers from a seed (splitmix64, Steele and others 2014).
    fn below(seed: &mut u64, end: u64) -> u64 {
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn law(version: &str, from: Tick, below: u8) -> Law {
        let policy = Policy { version: version.to_owned(), ..built_in() };
        let (declaring, mut gate) = (declaring(None).expect("built in"), gate(None).expect("built in"));
        gate.reputation.below = Percent::new(below).expect("a share");
        gate.artist_profile.tracks_min = 2;
        gate.near_titles.tracks_min = 3;
        gate.near_titles.uploaders_min = 2;
        (gate.uploader.burst_min, gate.short_release.tracks_min) = (6, 3);
        Law {
            from,
            policy: Arc::new(policy),
            rules: Vec::new().into(),
            declaring,
            gate,
            surges: Vec::new(),
            betas: Vec::new(),
        }
    }

    fn deliveries() -> Deliveries {
        let first = Clock::new(HOUR_MS).first_after(START);
        let laws = [law("one", 0, 70), law("two", first + TICKS / 2, 85)];
        let views = [View::PayoutHold, View::DisclosureLedger, View::Reputation, View::Gate];
        let names = Arc::new(NameTable::new(|_| IdKind::Number));
        let deliveries = Deliveries::of(&views, (true, true), &laws, Clock::new(HOUR_MS), names);
        deliveries.expect("policies").expect("somebody asks")
    }

    /// What happens at a tick: rows, and verdicts.
    type Happened = (Delivered, Rows);

    /// Rows of few tracks, recordings and owners, so that they meet; some tracks are uploaded later than their rows are in force.
    fn happened(seed: &mut u64, tick: u64) -> Happened {
        let now = START + tick as Millis * HOUR_MS;
        let some = |seed: &mut u64, of: u64| if below(seed, 5) == 0 { Key::NONE } else { Key(below(seed, of)) };
        let titles = ["calm river part 1 of all", "calm rivers part 2 of all", "rain on a tin roof", ""];
        let words = [None, Some(Disclosure::All), Some(Disclosure::None), Some(Disclosure::None)];
        let listed = |seed: &mut u64| {
            let whole = words[below(seed, 4) as usize];
            let listing = Listing {
                track: Key(below(seed, 25)),
                content: Key(below(seed, 12)),
                artist: some(seed, 4),
                uploader: some(seed, 4),
                distributor: some(seed, 2),
                uploaded_at: (below(seed, 6) > 0).then(|| now + (below(seed, 20) as Millis - 12) * HOUR_MS),
                valid_from: Some(now),
                metadata: Metadata {
                    missing_fields: below(seed, 6) as u8,
                    declares_ai: true,
                    duration_ms: Some(31_000),
                },
                declared: Declared { whole, ..Declared::default() },
                territory: None,
            };
            (listing, Some(titles[below(seed, 4) as usize].to_owned()))
        };
        let heard = |seed: &mut u64| {
            let content = below(seed, 12);
            Hearing {
                content: Key(content),
                source: u128::from(content * 2 + below(seed, 2)),
                known_at: now - below(seed, 50) as Millis * HOUR_MS,
                risk: (below(seed, 4) > 0).then(|| Risk::from_parts(below(seed, 2) * 10_000)),
                words: None,
                is_synthesis: below(seed, 5) > 0,
            }
        };
        let verdict = |seed: &mut u64| {
            let (subject, of) = if below(seed, 4) == 0 { (Subject::Playlist, 3) } else { (Subject::Track, 25) };
            let verdicts = [Verdict::Allow, Verdict::Allow, Verdict::Hold, Verdict::Block];
            let verdict = verdicts[below(seed, 4) as usize];
            (RowKey::Subject(subject, below(seed, of).to_string()), (verdict > Verdict::Allow).then(|| judged(verdict)))
        };
        let mut rows: BTreeMap<Key, _> = BTreeMap::new();
        // Of the rows of a track one comes into force at a tick.
        (0..below(seed, 4)).map(|_| listed(seed)).for_each(|row| _ = rows.insert(row.0.track, row));
        let delivered = Delivered {
            listed: rows.into_values().collect(),
            heard: (0..below(seed, 3)).map(|_| heard(seed)).collect(),
            owned: (0..below(seed, 2)).map(|_| (Id::Number(below(seed, 3)), Id::Number(below(seed, 2)))).collect(),
        };
        (delivered, (0..below(seed, 4)).map(|_| verdict(seed)).collect())
    }

    fn judged(verdict: Verdict) -> RowValue {
        RowValue::Verdict(Box::new(VerdictRow {
            r: Risk::CLEAN,
            verdict,
            reasons: Vec::new(),
            reasons_json: String::new(),
            rules_json: String::new(),
            policy_version: "x".into(),
            models_json: String::new(),
        }))
    }

    type Views = BTreeMap<View, BTreeMap<RowKey, RowValue>>;

    fn settle(deliveries: &mut Deliveries, tick: Tick, views: &mut Views) -> Vec<(RowKey, Move)> {
        let Settled { rows, moves } = deliveries.settle(tick);
        for (view, rows) in rows {
            let state = views.entry(view).or_default();
            for (key, row) in rows {
                match row {
                    Some(row) => _ = state.insert(key, row),
                    None => _ = state.remove(&key),
                }
            }
        }
        moves
    }

    #[test]
    fn who_goes_on_from_what_was_known_states_what_everybody_states_who_was_there_all_the_time() {
        let first = Clock::new(HOUR_MS).first_after(START);
        let (mut told, mut moved) = (BTreeMap::<View, usize>::new(), 0);
        for number in 0..60 {
            let starts = |seed: &mut u64| (0..TICKS).map(|tick| happened(seed, tick)).collect::<Vec<Happened>>();
            let [of_one, of_other] = [(); 2].map(|()| starts(&mut { number }));
            let ends_at = below(&mut { number + 1_000 }, TICKS);
            let (mut one, mut other) = (deliveries(), deliveries());
            let (mut stated, mut stated_by_other) = (Views::new(), Views::new());
            let mut verdicts: BTreeMap<RowKey, Option<RowValue>> = BTreeMap::new();
            let mut waiting: Vec<(Tick, Delivered)> = Vec::new();
            for (tick, ((delivered, rows), (again, _))) in (first..).zip(of_one.into_iter().zip(of_other)) {
                verdicts.extend(rows.iter().cloned());
                one.judged(&rows);
                one.take(tick, delivered);
                let moves = settle(&mut one, tick, &mut stated);
                moved += moves.len();
                // To who starts again rows of the catalogue come tick by tick, and verdicts all at once.
                waiting.push((tick, again));
                if tick == first + ends_at {
                    other.were_stopped(one.stopped());
                }
                if tick >= first + ends_at {
                    waiting.drain(..).for_each(|(tick, again)| other.take(tick, again));
                }
                if tick == first + ends_at {
                    let standing: Rows = verdicts.clone().into_iter().filter(|(_, row)| row.is_some()).collect();
                    other.judged(&standing);
                    settle(&mut other, tick, &mut stated_by_other);
                } else if tick > first + ends_at {
                    other.judged(&rows);
                    assert_eq!(settle(&mut other, tick, &mut stated_by_other), moves, "seed {number}, tick {tick}");
                }
                if tick >= first + ends_at {
                    for states in [&mut stated, &mut stated_by_other] {
                        states.retain(|_, rows| !rows.is_empty());
                    }
                    assert_eq!(stated_by_other, stated, "seed {number}, tick {tick}");
                    assert_eq!(other.stopped(), one.stopped(), "seed {number}, tick {tick}");
                    stated.iter().for_each(|(view, rows)| *told.entry(*view).or_default() += rows.len());
                }
            }
        }
        assert!(told.len() == 4 && told.values().all(|rows| *rows > 1_000) && moved > 500, "{told:?} {moved}");
    }
}
