//! Looks for waves while rows come in: what [`waves::find`] finds when all rows are there, tick by tick.
//!
//! ```text
//! uploads, accounts, copies ──▶ awaited until their instant ──▶ counted ──season──▶ waves that begin, last longer or end at the tick
//! ```
//!
//! A row that comes after its instant is counted at that instant from the next tick on; what was stated stays so.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use datasets::arrivals::Dated;
use features::season::Season;
use records::sensitivity::Measure;
use records::{Key, Millis, Policy};

use super::judge::Rows;
use super::laws::Law;
use super::waves::{self, Near, Swell, Titled, Wave};

/// Waves begin, last longer or end.
#[derive(Default)]
pub struct Turning {
    /// The policy that decides from now on, where that is another.
    pub policy: Option<Arc<Policy>>,
    /// Rows of `wave` that come or go.
    pub rows: Rows,
}

/// Who looks for waves.
pub struct Watch {
    clock: Clock,
    laws: Vec<Law>,
    /// The surges of each policy.
    swells: Vec<Vec<Swell>>,
    uploads: Awaited<Upload>,
    accounts: Awaited<()>,
    copies: Awaited<()>,
    uploaded: Vec<Millis>,
    created: Vec<Millis>,
    copied: Vec<Millis>,
    /// By policy, where it asks: the titles of the last days, and the uploads with a near one.
    near: Vec<Option<(Near, Vec<Millis>)>>,
    /// The first tick at which nobody looked yet.
    next: Tick,
}

/// A track that is to be uploaded: since when its row is in force, and its title.
struct Upload {
    valid_from: Option<Millis>,
    titled: Titled,
}

impl Watch {
    /// For these policies; `None` where none of them has waves.
    pub fn of(laws: &[Law], clock: Clock) -> Option<Watch> {
        let swells = |(place, law): (usize, &Law)| {
            law.surges.iter().map(|surge| Swell::new(surge.clone(), place, clock)).collect::<Vec<_>>()
        };
        let near = |law: &Law| {
            let asks = law.surges.iter().any(|surge| surge.measure == Measure::NearTitles);
            let limits = &law.gate.near_titles;
            asks.then(|| (Near::new(limits.words_min, limits.bits_max), Vec::new()))
        };
        laws.iter().any(|law| !law.surges.is_empty()).then(|| Watch {
            clock,
            laws: laws.to_vec(),
            swells: laws.iter().enumerate().map(swells).collect(),
            uploads: Awaited::default(),
            accounts: Awaited::default(),
            copies: Awaited::default(),
            uploaded: Vec::new(),
            created: Vec::new(),
            copied: Vec::new(),
            near: laws.iter().map(near).collect(),
            next: 0,
        })
    }

    /// What is looked for, by the tick from which on it is: whoever looks for something else may find other waves.
    pub fn outline(&self) -> impl Iterator<Item = (Tick, String)> {
        let asks = |law: &Law| (law.from, format!("{:?} {:?}", law.surges, law.gate.near_titles));
        self.laws.iter().map(asks)
    }

    /// Hears what rows say of when tracks, accounts and copies came to be.
    pub fn hear(&mut self, dated: Dated) {
        for row in dated.uploads {
            let Some(known_at) = waves::known_at(&row) else { continue };
            let known = self.uploads.of(row.track).map(|(at, upload)| (at, upload.valid_from));
            // A track is uploaded once, when its first row that says so is in force.
            if known.is_none_or(|known| (known_at, row.valid_from) < known) {
                let upload = Upload { valid_from: row.valid_from, titled: waves::titled(known_at, &row) };
                self.uploads.await_at(row.track, Some((known_at, upload)));
            }
        }
        for (account, created_at) in dated.accounts {
            self.accounts.await_at(account, created_at.map(|at| (at, ())));
        }
        for grouping in dated.groupings {
            let Some(known_at) = waves::copied_at(&grouping) else { continue };
            // A recording is found to be a copy once.
            if self.copies.of(grouping.content).is_none_or(|(known, ())| known_at < known) {
                self.copies.await_at(grouping.content, Some((known_at, ())));
            }
        }
    }

    /// What turns at ticks from `first` up to this one, up to which all rows are told.
    pub fn look(&mut self, first: Tick, until: Tick) -> Vec<(Tick, Turning)> {
        let ticks = self.next.max(first)..until + 1;
        self.next = ticks.end.max(self.next);
        ticks.filter_map(|tick| Some((tick, self.at(tick)?))).collect()
    }

    fn at(&mut self, tick: Tick) -> Option<Turning> {
        let now = self.clock.instant(tick);
        self.count_before(now);
        let place = self.laws.iter().rposition(|law| law.from <= tick)?;
        let (ended, current) = self.swells.split_at_mut(place);
        ended.iter_mut().flatten().for_each(|swell| swell.end(self.laws[place].from));
        for swell in current.first_mut()? {
            let instants = match swell.surge.measure {
                Measure::Uploads => &self.uploaded,
                Measure::NewAccounts => &self.created,
                Measure::Duplicates => &self.copied,
                Measure::NearTitles => &self.near[place].as_ref()?.1,
            };
            let season = Season::of(instants, now, swell.surge.hours, swell.surge.weeks);
            swell.see(tick, season);
        }
        let lasts = |wave: &&Wave| wave.until >= tick;
        let mut waves: Vec<Wave> =
            self.swells[..=place].iter().flatten().flat_map(|swell| &swell.waves).filter(lasts).cloned().collect();
        waves.sort_by_key(|wave| (wave.from, wave.law));
        let turns = waves.iter().any(|wave| wave.from == tick || wave.until == tick);
        let rows = waves::rows(&waves, &self.laws, self.clock).into_iter().find(|(at, _)| *at == tick);
        let (_, rows) = rows?;
        let policy = turns.then(|| Arc::new(waves::in_waves(&self.laws, place, &waves, tick)));
        Some(Turning { policy, rows })
    }

    /// Counts what came to be before the instant.
    fn count_before(&mut self, now: Millis) {
        let mut uploads: Vec<Titled> = self.uploads.due(now).into_iter().map(|(_, upload)| upload.titled).collect();
        uploads.sort_unstable();
        for upload in uploads {
            note(&mut self.uploaded, upload.0);
            for (near, instants) in self.near.iter_mut().flatten() {
                if near.hear(upload) {
                    note(instants, upload.0);
                }
            }
        }
        self.accounts.due(now).into_iter().for_each(|(at, ())| note(&mut self.created, at));
        self.copies.due(now).into_iter().for_each(|(at, ())| note(&mut self.copied, at));
    }
}

/// Puts the instant into its place: nearly always the last one.
fn note(instants: &mut Vec<Millis>, at: Millis) {
    let place = instants.partition_point(|known| *known <= at);
    instants.insert(place, at);
}

/// What happens to each key once, at an instant that may be said otherwise until it has happened.
struct Awaited<V> {
    awaited: HashMap<Key, (Millis, V)>,
    order: BTreeSet<(Millis, Key)>,
    happened: HashSet<Key>,
}

impl<V> Default for Awaited<V> {
    fn default() -> Awaited<V> {
        Awaited { awaited: HashMap::new(), order: BTreeSet::new(), happened: HashSet::new() }
    }
}

impl<V> Awaited<V> {
    /// What is awaited of the key.
    fn of(&self, key: Key) -> Option<(Millis, &V)> {
        self.awaited.get(&key).map(|(at, value)| (*at, value))
    }

    /// Awaits this of the key and nothing else, unless it has happened.
    fn await_at(&mut self, key: Key, what: Option<(Millis, V)>) {
        if self.happened.contains(&key) {
            return;
        }
        if let Some((before, _)) = self.awaited.remove(&key) {
            self.order.remove(&(before, key));
        }
        if let Some((at, value)) = what {
            self.order.insert((at, key));
            self.awaited.insert(key, (at, value));
        }
    }

    /// What happened before the instant, in its order.
    fn due(&mut self, now: Millis) -> Vec<(Millis, V)> {
        let mut due = Vec::new();
        while self.order.first().is_some_and(|(at, _)| *at < now) {
            let (_, key) = self.order.pop_first().expect("there is a first");
            due.extend(self.awaited.remove(&key));
            self.happened.insert(key);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datasets::arrivals::{Facts, Grouping, Upload as Row};
    use datasets::policy::{built_in, declaring, gate};
    use records::Metadata;
    use records::policy::{DEFAULT_SEGMENT, Percent};
    use records::sensitivity::{Floor, Surge};

    use super::super::waves::{Counted, find, over, rows};
    use super::*;

    const HOUR_MS: Millis = 3_600_000;
    const UNTIL: Tick = 900;

    fn surge(name: &str, measure: Measure, lasts_hours: u32) -> Surge {
        let [hold, escalate, block] = [20, 40, 60].map(|share| Percent::new(share).expect("a share"));
        Surge {
            name: name.to_owned(),
            measure,
            hours: 6,
            weeks: 3,
            seen_min: 3,
            times_min: 2,
            deviations: 1,
            segment: DEFAULT_SEGMENT.to_owned(),
            points: 5,
            floor: Floor { hold, escalate, block },
            lasts_hours,
            lasts_max_hours: 15,
            relaxes: Vec::new(),
        }
    }

    fn law(version: &str, from: Tick, surges: Vec<Surge>) -> Law {
        let policy = Policy { version: version.to_owned(), ..built_in() };
        let (declaring, gate) = (declaring(None).expect("built in"), gate(None).expect("built in"));
        Law { from, policy: Arc::new(policy), rules: Arc::default(), declaring, gate, surges, betas: Vec::new() }
    }

    /// Numbers from a seed (splitmix64, Steele and others 2014).
    fn below(seed: &mut u64, end: u64) -> u64 {
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Rows of tracks, some of which have several, and accounts; now and then many at once.
    fn dated(seed: &mut u64) -> Dated {
        let mut dated = Dated::default();
        let titles = ["calm river part 1 of all", "calm rivers part 2 of all", "rain on a tin roof", "a song"];
        for number in 0..700 {
            let hour = if below(seed, 3) == 0 { 20 + 130 * (below(seed, 6) as i64) } else { below(seed, UNTIL) as i64 };
            let at = hour * HOUR_MS + below(seed, 5 * HOUR_MS as u64) as i64;
            let in_force = at + below(seed, 40) as i64 * HOUR_MS;
            let some = |seed: &mut u64, at: i64| (below(seed, 4) > 0).then_some(at);
            dated.uploads.push(Row {
                track: Key(below(seed, 500)),
                content: String::new(),
                artist: Key::NONE,
                uploader: Key::NONE,
                distributor: Key::NONE,
                title: Some(titles[below(seed, 4) as usize].to_owned()),
                metadata: Metadata::of(&records::Track::new(records::Id::Number(number))),
                uploaded_at: some(seed, at),
                valid_from: some(seed, in_force),
            });
            let created_at = some(seed, at);
            dated.accounts.push((Key(below(seed, 600)), created_at));
            // Of itself, of another, later of a third, or always known.
            let [content, group] = [0, 1].map(|_| Key(below(seed, 400)));
            let known_at = some(seed, at).unwrap_or(Millis::MIN);
            dated.groupings.push(Grouping { content, known_at, id: records::Id::Number(group.0), group });
        }
        dated
    }

    #[test]
    fn who_watches_finds_the_waves_that_are_found_when_all_is_known() {
        let clock = Clock::new(HOUR_MS);
        let mut turned = 0;
        for seed in 0..20 {
            let mut drawn = seed;
            let surges = vec![
                surge("uploads", Measure::Uploads, 4),
                surge("titles", Measure::NearTitles, 9),
                surge("accounts", Measure::NewAccounts, 2),
                surge("copies", Measure::Duplicates, 3),
            ];
            let laws =
                [law("one", 0, surges.clone()), law("two", 640, surges[..2].to_vec()), law("three", 700, surges)];
            let Dated { uploads, accounts, groupings } = dated(&mut drawn);
            let mut facts = Facts::default();
            facts.accounts.extend(accounts.iter().map(|(account, at)| (*account, (*at, Key::NONE))));
            let counted = Counted::of(&uploads, &facts, &groupings);
            let first = 1 + below(&mut drawn, 600);
            let waves = find(&laws, &counted, clock, first, UNTIL);
            let expected: BTreeMap<Tick, Rows> = rows(&waves, &laws, clock).into_iter().collect();
            let tightened = over(laws.to_vec(), &waves);

            // Rows are told before their instant; how many ticks are looked at at once changes nothing.
            let mut watch = Watch::of(&laws, clock).expect("surges");
            watch.hear(Dated { uploads, accounts, groupings });
            let (mut found, mut until) = (Vec::new(), first);
            while until <= UNTIL {
                found.extend(watch.look(first, until));
                until += 1 + below(&mut drawn, 30);
            }
            found.extend(watch.look(first, UNTIL));
            let told: BTreeMap<Tick, Rows> =
                found.iter().map(|(tick, turning)| (*tick, turning.rows.clone())).collect();
            let expected: BTreeMap<Tick, Rows> = expected.into_iter().filter(|(tick, _)| *tick <= UNTIL).collect();
            assert_eq!(told, expected, "seed {seed}");
            let mut version = String::new();
            for tick in first..=UNTIL {
                let place = laws.iter().rposition(|law| law.from == tick);
                place.into_iter().for_each(|place| version.clone_from(&laws[place].policy.version));
                let turning = found.iter().find(|(at, _)| *at == tick).and_then(|(_, turning)| turning.policy.clone());
                turning.into_iter().for_each(|policy| version.clone_from(&policy.version));
                let law = tightened.iter().rfind(|law| law.from <= tick).expect("a law");
                if !version.is_empty() {
                    assert_eq!(version, law.policy.version, "seed {seed}, tick {tick}");
                }
            }
            turned += found.len();
        }
        assert!(turned > 200, "{turned}");
    }

    #[test]
    fn a_row_that_comes_late_counts_at_its_instant_from_then_on() {
        let clock = Clock::new(HOUR_MS);
        let mut watch =
            Watch::of(&[law("one", 0, vec![surge("accounts", Measure::NewAccounts, 4)])], clock).expect("a surge");
        let known = (0..UNTIL).step_by(3).map(|hour| (Key(hour), Some(hour as Millis * HOUR_MS)));
        watch.hear(Dated { accounts: known.collect(), ..Dated::default() });
        assert!(watch.look(1, 700).is_empty());
        // Ten were created an hour before the last tick: nobody knew then.
        let late = (0..10).map(|number| (Key(10_000 + number), Some(699 * HOUR_MS)));
        watch.hear(Dated { accounts: late.collect(), ..Dated::default() });
        let found = watch.look(1, 720);
        let ticks: Vec<Tick> = found.iter().map(|(tick, _)| *tick).collect();
        assert_eq!(ticks.first(), Some(&701));
        let versions: Vec<_> = found
            .iter()
            .filter_map(|(_, turning)| turning.policy.as_ref().map(|policy| policy.version.clone()))
            .collect();
        assert_eq!(versions, ["one + wave accounts", "one"]);
    }
}
