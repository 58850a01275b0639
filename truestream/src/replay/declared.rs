//! What tracks declare of generative AI beside what they sound like: whose money waits, and how honest a distributor's word is.
//!
//! ```text
//! rows of the catalogue ──▶ by tick ──┐
//! what synthesis heard  ──▶ by tick ──┴──▶ touched tracks ──▶ payout_hold, and per distributor disclosure_ledger
//! ```
//!
//! No play has a say in it, so it does not pass through the dataflow: both tables follow from dated rows alone. A replay knows all rows beforehand
//! ([`Declarations`]), a living service hears of one after the other; what is in force as of a tick ([`Honesty`]) is the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dataflows::clock::Tick;
use datasets::arrivals::{Hearing, Listing};
use datasets::names::{NameTable, Naming};
use records::declaring::{Declared, Declaring, Doubt, Entry, Ledger, Own};
use records::{Disclosure, IdSpace, Key, Millis, Names, Risk, Subject};
use serde_json::json;

use super::evidence::Heard;
use super::gate::keys;
use super::judge::Rows;
use super::laws::Law;
use super::views::{PayoutRow, RowKey, RowValue};
use crate::exit::Failure;

/// What was declared and heard, ready to flow.
pub struct Declarations {
    /// What must be declared from a tick on, and the policy that says so.
    laws: Vec<(Tick, Declaring, Arc<str>)>,
    own: HashSet<(Subject, Key)>,
    listed: Vec<(Tick, Listed)>,
    heard: Vec<(Tick, Said)>,
}

/// A row of the catalogue, as far as it is asked for here.
#[derive(Clone, Copy)]
struct Listed {
    track: Key,
    content: Key,
    distributor: Key,
    uploaded_at: Option<Millis>,
    declared: Declared,
    is_own: bool,
}

/// What a source says of a recording.
#[derive(Clone, Copy)]
struct Said {
    content: Key,
    source: u128,
    known_at: Millis,
    risk: Option<Risk>,
}

impl Said {
    fn of(row: &Hearing) -> Said {
        let Hearing { content, source, known_at, risk, .. } = *row;
        Said { content, source, known_at, risk }
    }
}

impl Listed {
    fn of(row: &Listing, is_own: bool) -> Listed {
        let Listing { track, content, distributor, uploaded_at, declared, .. } = *row;
        Listed { track, content, distributor, uploaded_at, declared, is_own }
    }
}

impl Declarations {
    /// Takes the catalogue by the tick from which each row is in force, and what was heard.
    pub fn new(
        laws: &[Law],
        catalogue: &[(Tick, Listing)],
        heard: &Heard,
        first: Tick,
        tick: impl Fn(Millis) -> Tick,
        naming: &mut Naming,
    ) -> Result<Declarations, Failure> {
        let laws: Vec<_> =
            laws.iter().map(|law| (law.from, law.declaring.clone(), law.policy.version.as_str().into())).collect();
        let mut own = registered(&laws[0].1, naming)?;
        let is_own = |row: &Listing| {
            [(Subject::Track, row.track), (Subject::Artist, row.artist), (Subject::Uploader, row.uploader)]
                .into_iter()
                .any(|subject| own.contains(&subject))
        };
        let listed: Vec<(Tick, Listed)> =
            catalogue.iter().map(|(tick, row)| (*tick, Listed::of(row, is_own(row)))).collect();
        // A track that was ever the platform's own is not judged.
        own.extend(listed.iter().filter(|(_, row)| row.is_own).map(|(_, row)| (Subject::Track, row.track)));
        let synthesis = heard.rows().iter().filter(|row| row.is_synthesis);
        let mut heard: Vec<(Tick, Said)> =
            synthesis.map(|row| (tick(row.known_at).max(first), Said::of(row))).collect();
        heard.sort_by_key(|(tick, _)| *tick);
        Ok(Declarations { laws, own, listed, heard })
    }

    /// The platform's own generated audio and who makes it.
    pub fn own(&self) -> HashSet<(Subject, Key)> {
        self.own.clone()
    }

    /// Tells, tick by tick, what changes in `payout_hold` and in `disclosure_ledger`, to the tick `until`.
    pub fn flow(
        &self,
        until: Tick,
        names: &NameTable,
        mut tell: impl FnMut(Tick, Rows, Rows) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut laws = self.laws.iter().cloned().peekable();
        let (_, declaring, policy_version) = laws.next().expect("a policy is in force from the beginning");
        let mut state = Honesty::new(declaring, policy_version);
        let (mut listed, mut heard) = (self.listed.iter().copied().peekable(), self.heard.iter().copied().peekable());
        loop {
            let law = laws.peek().map(|(tick, ..)| *tick);
            let next = [listed.peek().map(|(tick, _)| *tick), heard.peek().map(|(tick, _)| *tick), law];
            let Some(tick) = next.into_iter().flatten().min().filter(|tick| *tick <= until) else { return Ok(()) };
            if let Some((_, declaring, policy_version)) = laws.next_if(|(at, ..)| *at == tick) {
                state.turn(declaring, policy_version);
            }
            while let Some((_, row)) = listed.next_if(|(at, _)| *at == tick) {
                state.enlist(row);
            }
            while let Some((_, said)) = heard.next_if(|(at, _)| *at == tick) {
                state.listen(said);
            }
            let (payouts, ledgers) = state.settle(names);
            tell(tick, payouts, ledgers)?;
        }
    }
}

/// Whether a policy registers generated audio of the platform's own.
pub fn registers(laws: &[Law]) -> bool {
    laws.iter().any(|law| law.declaring.own != Own::default())
}

/// The ids that the policy registers. One that is no id of its kind names nothing in this run.
fn registered(declaring: &Declaring, naming: &mut Naming) -> Result<HashSet<(Subject, Key)>, Failure> {
    let of = [
        (Subject::Track, IdSpace::Track, &declaring.own.tracks),
        (Subject::Artist, IdSpace::Artist, &declaring.own.artists),
        (Subject::Uploader, IdSpace::Uploader, &declaring.own.uploaders),
    ];
    let mut own = HashSet::new();
    for (subject, space, ids) in of {
        own.extend(keys(ids, space, naming)?.into_iter().map(|key| (subject, key)));
    }
    Ok(own)
}

/// What is declared and heard as of now.
pub struct Honesty {
    declaring: Declaring,
    policy_version: Arc<str>,
    tracks: HashMap<Key, Track>,
    /// Recordings of which something is told, with their tracks.
    of_content: BTreeSet<(Key, Key)>,
    /// What each source says of a recording, and since when that is known.
    heard: HashMap<Key, BTreeMap<u128, (Millis, Option<Risk>)>>,
    ledgers: HashMap<Key, Ledger>,
    touched: BTreeSet<Key>,
}

/// A track of the catalogue.
struct Track {
    row: Listed,
    /// In whose ledger it stands, and what it adds there.
    entered: (Key, Entry),
}

impl Honesty {
    /// Nothing is known yet, under this policy.
    pub fn new(declaring: Declaring, policy_version: Arc<str>) -> Honesty {
        Honesty {
            declaring,
            policy_version,
            tracks: HashMap::new(),
            of_content: BTreeSet::new(),
            heard: HashMap::new(),
            ledgers: HashMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// A row of the catalogue comes into force, of a track that is not the platform's own.
    pub fn list(&mut self, row: &Listing) {
        self.enlist(Listed::of(row, false));
    }

    /// What a source says of a recording from now on, where that is about synthesis.
    pub fn hear(&mut self, row: &Hearing) {
        if row.is_synthesis {
            self.listen(Said::of(row));
        }
    }

    fn enlist(&mut self, row: Listed) {
        let track = self.tracks.entry(row.track).or_insert(Track { row, entered: (Key::NONE, Entry::default()) });
        self.of_content.remove(&(track.row.content, row.track));
        track.row = row;
        // Recordings of which nothing is told share one key, and nobody looks for their tracks.
        if row.content != Key::NONE {
            self.of_content.insert((row.content, row.track));
        }
        self.touched.insert(row.track);
    }

    /// Unless something later of the source is in force; of what it says at once the gravest holds.
    fn listen(&mut self, said: Said) {
        let says = (said.known_at, said.risk);
        let known = self.heard.entry(said.content).or_default().entry(said.source).or_insert(says);
        *known = says.max(*known);
        let tracks = self.of_content.range((said.content, Key(0))..=(said.content, Key(u64::MAX)));
        self.touched.extend(tracks.map(|(_, track)| *track));
    }

    /// Another policy comes into force. Where it asks for the same only the rows that name it are touched.
    pub fn turn(&mut self, declaring: Declaring, policy_version: Arc<str>) {
        let asks_otherwise = self.declaring != declaring;
        let touched = self.tracks.iter().filter(|(_, track)| asks_otherwise || track.entered.1.ledger().held > 0);
        self.touched.extend(touched.map(|(track, _)| *track));
        (self.declaring, self.policy_version) = (declaring, policy_version);
    }

    /// The rows of `payout_hold` of all touched tracks, and those of `disclosure_ledger` of their distributors.
    pub fn settle(&mut self, names: &NameTable) -> (Rows, Rows) {
        let mut payouts = Vec::new();
        let mut distributors = BTreeSet::new();
        for track in std::mem::take(&mut self.touched) {
            let row = self.tracks[&track].row;
            let heard = self.heard.get(&row.content);
            let heard = heard.and_then(|sources| sources.values().filter_map(|(_, risk)| *risk).max());
            let doubts = match row.is_own {
                true => Vec::new(),
                false => self.declaring.doubts(row.declared, row.uploaded_at, heard),
            };
            let entry = match row.is_own {
                true => Ledger::OWN,
                false => Ledger::of(&self.declaring, row.declared, heard, !doubts.is_empty()),
            };
            let (former, before) = self.enter(track, row.distributor, entry);
            distributors.extend([row.distributor, former]);
            let held = (!doubts.is_empty()).then(|| self.payout(&row, heard, &doubts, names));
            if held.is_some() || before.held > 0 {
                payouts.push((RowKey::Track(names.id(IdSpace::Track, track)), held));
            }
        }
        distributors.remove(&Key::NONE);
        let ledgers = distributors.into_iter().map(|distributor| {
            let ledger = self.ledgers.get(&distributor).filter(|ledger| ledger.tracks > 0);
            let key = RowKey::Distributor(names.id(IdSpace::Distributor, distributor));
            (key, ledger.map(|ledger| RowValue::Ledger(Box::new(*ledger))))
        });
        let ledgers = ledgers.collect();
        (payouts, ledgers)
    }

    /// Enters a track in its distributor's ledger, and takes it out of the one it was in; returns whose that was, and what it added there.
    fn enter(&mut self, track: Key, distributor: Key, entry: Ledger) -> (Key, Ledger) {
        let track = self.tracks.get_mut(&track).expect("what is touched is known");
        let (former, before) = std::mem::replace(&mut track.entered, (distributor, Entry::of(entry)));
        let before = before.ledger();
        *self.ledgers.entry(former).or_default() -= before;
        *self.ledgers.entry(distributor).or_default() += entry;
        (former, before)
    }

    fn payout(&self, row: &Listed, heard: Option<Risk>, doubts: &[Doubt], names: &NameTable) -> RowValue {
        RowValue::Payout(Box::new(PayoutRow {
            distributor: match row.distributor {
                Key::NONE => String::new(),
                known => names.id(IdSpace::Distributor, known).to_string(),
            },
            declared: row.declared.whole.map_or("undeclared", Disclosure::name),
            heard: match heard {
                None => "unheard",
                heard if self.declaring.is_machine(heard) => "machine",
                _ => "no_machine",
            },
            reasons_json: json!(doubts.iter().map(|doubt| doubt.words()).collect::<Vec<_>>()).to_string(),
            rules_json: json!(doubts.iter().map(|doubt| doubt.rule()).collect::<Vec<_>>()).to_string(),
            policy_version: self.policy_version.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use datasets::policy;
    use datasets::tables::IdKind;
    use records::declaring::Consequence;

    use super::*;

    /// A number that looks random, always the same for the same two (Steele, Lea and Flood: SplitMix64).
    fn mixed(seed: u64, number: u64) -> u64 {
        let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    const TICKS: u64 = 12;

    /// Few tracks, recordings and distributors, so that they meet: rows change hands, words and recordings, sources take back.
    fn small(seed: u64) -> Declarations {
        let words = [None, Some(Disclosure::All), Some(Disclosure::Partly), Some(Disclosure::None)];
        let key = |dice: u64, of: u64| if dice.is_multiple_of(of) { Key::NONE } else { Key(dice % of) };
        let row = |number: u64| {
            let dice = |what: u64| mixed(seed, number * 16 + what);
            let declared = Declared {
                whole: words[dice(0) as usize % 4],
                vocals: words[dice(1) as usize % 4],
                has_machine_part: dice(10).is_multiple_of(3),
                has_consent: dice(2).is_multiple_of(2),
            };
            let listed = Listed {
                track: Key(dice(3) % 9),
                content: key(dice(4), 5),
                distributor: key(dice(5), 4),
                uploaded_at: (!dice(6).is_multiple_of(4)).then(|| (dice(7) % 200) as Millis),
                declared,
                is_own: dice(8).is_multiple_of(8),
            };
            (dice(9) % TICKS, listed)
        };
        let said = |number: u64| {
            let dice = |what: u64| mixed(!seed, number * 16 + what);
            let content = dice(0) % 5;
            // A source is of one recording.
            let source = u128::from(content * 2 + dice(1) % 2);
            let risk = (!dice(2).is_multiple_of(4)).then(|| Risk::from_parts(dice(3) % 10_001));
            let tick = dice(4) % TICKS;
            (tick, Said { content: Key(content), source, known_at: tick as Millis, risk })
        };
        let mut listed: Vec<_> = (0..40).map(row).collect();
        listed.sort_by_key(|(tick, row)| (*tick, row.track));
        listed.dedup_by_key(|(tick, row)| (*tick, row.track));
        let mut heard: Vec<_> = (0..40).map(said).collect();
        heard.sort_by_key(|(tick, said)| (*tick, said.source));
        heard.dedup_by_key(|(tick, said)| (*tick, said.source));
        let mut declaring = policy::declaring(None).expect("the built-in policy");
        declaring.required_from = 100;
        declaring.detected = records::policy::Percent::new(50).expect("a share");
        // Another policy asks for nothing but what is heard, from the middle on.
        let lenient =
            Declaring { undeclared: Consequence::Ignore, no_consent: Consequence::Ignore, ..declaring.clone() };
        let laws = vec![(0, declaring, "x".into()), (TICKS / 2, lenient, "y".into())];
        Declarations { laws, own: HashSet::new(), listed, heard }
    }

    /// Both tables as of the tick, from the rows in force and nothing else.
    fn recount(all: &Declarations, tick: Tick) -> (BTreeMap<Key, Vec<Doubt>>, BTreeMap<Key, Ledger>) {
        let (_, declaring, _) =
            all.laws.iter().rfind(|(from, ..)| *from <= tick).expect("the first from the beginning");
        let in_force: BTreeMap<Key, Listed> =
            all.listed.iter().filter(|(at, _)| *at <= tick).map(|(_, row)| (row.track, *row)).collect();
        let says: BTreeMap<(Key, u128), Option<Risk>> = all
            .heard
            .iter()
            .filter(|(at, _)| *at <= tick)
            .map(|(_, said)| ((said.content, said.source), said.risk))
            .collect();
        let (mut held, mut ledgers) = (BTreeMap::new(), BTreeMap::<Key, Ledger>::new());
        for (track, row) in in_force {
            let heard =
                says.iter().filter(|((content, _), _)| *content == row.content).filter_map(|(_, risk)| *risk).max();
            let doubts = declaring.doubts(row.declared, row.uploaded_at, heard);
            let entry = match row.is_own {
                true => Ledger::OWN,
                false => Ledger::of(declaring, row.declared, heard, !doubts.is_empty()),
            };
            if row.distributor != Key::NONE {
                *ledgers.entry(row.distributor).or_default() += entry;
            }
            if !row.is_own && !doubts.is_empty() {
                held.insert(track, doubts);
            }
        }
        (held, ledgers)
    }

    fn key_of(key: &RowKey) -> Key {
        match key {
            RowKey::Track(records::Id::Number(number)) | RowKey::Distributor(records::Id::Number(number)) => {
                Key(*number)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_changes_tick_by_tick_adds_up_to_a_recount() {
        let names = NameTable::new(|_| IdKind::Number);
        let (mut held_ever, mut gone_ever) = (0, 0);
        for seed in 0..200 {
            let (mut payouts, mut ledgers) = (BTreeMap::new(), BTreeMap::new());
            let slow = small(seed);
            let apply = |tick: Tick, payout_rows: Rows, ledger_rows: Rows| {
                for (key, row) in payout_rows {
                    gone_ever += u32::from(row.is_none() && payouts.contains_key(&key_of(&key)));
                    match row {
                        Some(RowValue::Payout(row)) => payouts.insert(key_of(&key), row.rules_json),
                        _ => payouts.remove(&key_of(&key)),
                    };
                }
                for (key, row) in ledger_rows {
                    match row {
                        Some(RowValue::Ledger(row)) => ledgers.insert(key_of(&key), *row),
                        _ => ledgers.remove(&key_of(&key)),
                    };
                }
                let (held, counted) = recount(&slow, tick);
                let rules =
                    |doubts: Vec<Doubt>| json!(doubts.iter().map(|doubt| doubt.rule()).collect::<Vec<_>>()).to_string();
                let held: BTreeMap<Key, String> =
                    held.into_iter().map(|(track, doubts)| (track, rules(doubts))).collect();
                held_ever += held.len();
                assert_eq!(payouts, held, "seed {seed}, tick {tick}");
                assert_eq!(ledgers, counted, "seed {seed}, tick {tick}");
                Ok(())
            };
            small(seed).flow(TICKS, &names, apply).expect("told");
        }
        assert!(held_ever > 1_000 && gone_ever > 100, "{held_ever} {gone_ever}");
    }
}
