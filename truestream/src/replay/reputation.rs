//! What became of what uploaders, distributors and owners of playlists brought: their ledgers, at once after each hold, overturn and lie.
//!
//! ```text
//! catalogue, playlists  ──┐                                                                 ┌──▶ reputation
//! verdicts, tick by tick ─┼──by tick──▶ touched tracks and playlists ──▶ their owners' records ┤
//! payout_hold ────────────┘                                                                 └──▶ gate, of uploaders and distributors
//! ```
//!
//! It follows from dated rows and verdicts, and does not pass through the dataflow. Nothing that it follows from reads it or the gate, so nobody is held for
//! having been held. A replay knows all of it beforehand ([`Reputations`]), a living service hears of it tick by tick; what is so as of a tick ([`Records`])
//! is the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dataflows::clock::Tick;
use datasets::arrivals::Listing;
use datasets::names::{NameTable, key_of_text};
use datasets::tables::IdKind;
use imbl::OrdSet;
use records::reputation::Record;
use records::{Id, IdSpace, Key, Names, Subject, Verdict};

use super::gate::Deliverer;
use super::judge::Rows;
use super::views::{RowKey, RowValue};
use crate::exit::Failure;

/// As what somebody answers for tracks or playlists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bringer {
    /// For tracks.
    Distributor,
    /// For playlists.
    PlaylistOwner,
    /// For tracks.
    Uploader,
}

impl Bringer {
    /// In the order of their words.
    pub const ALL: [Bringer; 3] = [Bringer::Distributor, Bringer::PlaylistOwner, Bringer::Uploader];

    /// The word in the tables that is written so.
    pub fn named(name: &str) -> Option<&'static str> {
        Bringer::ALL.into_iter().map(Bringer::name).find(|known| *known == name)
    }

    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Bringer::Distributor => "distributor",
            Bringer::PlaylistOwner => "playlist_owner",
            Bringer::Uploader => "uploader",
        }
    }
}

/// Who answers for a track or a playlist.
type Owner = (Bringer, Key);

/// Whose record may be another as of a tick than it was before.
#[derive(Clone, Copy)]
pub struct Touched {
    owner: Owner,
    /// What it was.
    pub before: Record,
    /// What it is.
    pub now: Record,
}

impl Touched {
    /// What there is to tell of them now.
    pub fn told(&self) -> Option<Record> {
        Some(self.now).filter(|record| !record.is_plain())
    }

    /// What the gate hears of it, in whole percent, rounded down; nothing of owners of playlists, who deliver nothing.
    pub fn reputed(&self) -> Option<(Deliverer, Option<u8>)> {
        let space = match self.owner.0 {
            Bringer::Uploader => IdSpace::Uploader,
            Bringer::Distributor => IdSpace::Distributor,
            Bringer::PlaylistOwner => return None,
        };
        Some(((space, self.owner.1), self.told().map(|record| (record.reputation() / 100) as u8)))
    }
}

/// A track or a playlist.
pub type Thing = (Subject, Key);

/// What happens to a track or a playlist.
#[derive(Clone, Copy)]
enum News {
    /// It is theirs from now on.
    Owned([Key; 2]),
    Judged(Verdict),
    /// Whether what it declares is contradicted.
    Contradicted(bool),
}

impl News {
    /// Whether it says nothing of what nobody heard of before.
    fn is_plain(self) -> bool {
        matches!(self, News::Judged(Verdict::Allow) | News::Contradicted(false))
    }
}

/// The dated rows that reputations follow from, as they come to be known.
pub struct Reputations {
    /// Tracks with their uploader and distributor, by tick.
    listed: Vec<(Tick, Thing, News)>,
    /// Playlists with their owners.
    playlists: Vec<(Id, Id)>,
    /// The first tick, from which playlists are somebody's.
    first: Tick,
    names: Arc<NameTable>,
    news: Vec<(Tick, Thing, News)>,
}

impl Reputations {
    /// Takes the catalogue by the tick from which each row is in force, and the owners of playlists.
    pub fn new(
        names: Arc<NameTable>,
        catalogue: &[(Tick, Listing)],
        playlists: &[(Id, Id)],
        first: Tick,
    ) -> Reputations {
        let listed = catalogue.iter().map(|(tick, row)| {
            let (thing, news) = owned(row);
            (*tick, thing, news)
        });
        Reputations { listed: listed.collect(), playlists: playlists.to_vec(), first, names, news: Vec::new() }
    }

    /// Takes rows of `verdict` that came or went at the tick.
    pub fn judged(&mut self, tick: Tick, rows: &Rows) {
        self.news.extend(judged(&self.names, rows).map(|(thing, news)| (tick, thing, news)));
    }

    /// Takes rows of `payout_hold` that came or went at the tick.
    pub fn declared(&mut self, tick: Tick, rows: &Rows) {
        self.news.extend(declared(&self.names, rows).map(|(thing, news)| (tick, thing, news)));
    }

    /// Tells, tick by tick, whose record is another, and the rows of `reputation` that come of it, to the tick `until`.
    pub fn flow(
        self,
        until: Tick,
        mut tell: impl FnMut(Tick, &[Touched], Rows) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Reputations { listed, playlists, first, names, mut news } = self;
        news.sort_by_key(|(tick, ..)| *tick);
        let (mut listed, mut news) = (listed.into_iter().peekable(), news.into_iter().peekable());
        let mut playlists = Some(playlists).filter(|playlists| !playlists.is_empty());
        let mut records = Records::new(names);
        loop {
            let next =
                [listed.peek().map(|one| one.0), news.peek().map(|one| one.0), playlists.as_ref().map(|_| first)];
            let Some(tick) = next.into_iter().flatten().min().filter(|tick| *tick <= until) else { return Ok(()) };
            let is_now = |(at, ..): &(Tick, Thing, News)| *at == tick;
            if tick == first {
                playlists.take().into_iter().flatten().for_each(|(playlist, owner)| records.own(&playlist, &owner));
            }
            while let Some((_, thing, news)) = listed.next_if(is_now).or_else(|| news.next_if(is_now)) {
                records.take(thing, news);
            }
            let touched = records.settle();
            tell(tick, &touched, records.rows(&touched))?;
        }
    }
}

/// Whose a row of the catalogue says that its track is.
fn owned(row: &Listing) -> (Thing, News) {
    ((Subject::Track, row.track), News::Owned([row.uploader, row.distributor]))
}

/// What rows of `verdict` say of tracks and playlists.
fn judged<'a>(names: &'a NameTable, rows: &'a Rows) -> impl Iterator<Item = (Thing, News)> + 'a {
    rows.iter().filter_map(|(row, value)| {
        let RowKey::Subject(subject @ (Subject::Track | Subject::Playlist), id) = row else { return None };
        let verdict = match value {
            Some(RowValue::Verdict(row)) => row.verdict,
            _ => Verdict::Allow,
        };
        Some(((*subject, key(names, subject.space(), id)), News::Judged(verdict)))
    })
}

/// What rows of `payout_hold` say of tracks.
fn declared<'a>(names: &'a NameTable, rows: &'a Rows) -> impl Iterator<Item = (Thing, News)> + 'a {
    rows.iter().filter_map(|(row, value)| {
        let RowKey::Track(id) = row else { return None };
        let is_contradicted = matches!(value, Some(RowValue::Payout(row)) if row.is_contradicted());
        let track = (Subject::Track, key(names, IdSpace::Track, &id.to_string()));
        Some((track, News::Contradicted(is_contradicted)))
    })
}

/// The key of an id as it stands in a table.
fn key(names: &NameTable, space: IdSpace, id: &str) -> Key {
    match names.kind(space) {
        IdKind::Number => Key(id.parse().expect("the ids of the kind are numbers")),
        IdKind::Text => key_of_text(id),
    }
}

/// A track or a playlist as of now.
struct Fate {
    owners: [Key; 2],
    verdict: Verdict,
    is_contradicted: bool,
}

impl Fate {
    fn record(&self, was_stopped: bool) -> Record {
        Record::of(self.verdict, was_stopped, self.is_contradicted)
    }
}

/// Who owns a thing that is these keys'.
fn owners(subject: Subject, keys: [Key; 2]) -> impl Iterator<Item = Owner> {
    let roles = match subject {
        Subject::Track => [Bringer::Uploader, Bringer::Distributor],
        _ => [Bringer::PlaylistOwner; 2],
    };
    roles.into_iter().zip(keys).filter(|(_, key)| *key != Key::NONE)
}

/// The records of all who brought something, as of now.
pub struct Records {
    names: Arc<NameTable>,
    /// The owners of playlists, whose ids are no names of the run.
    owners: HashMap<Key, String>,
    fates: HashMap<Thing, Fate>,
    /// Everything that ever had a verdict.
    stopped: OrdSet<Thing>,
    /// What verdicts were told of since somebody settled.
    judged: Vec<Thing>,
    records: HashMap<Owner, Record>,
    /// Whose record may be another, and what it was.
    touched: BTreeMap<Owner, Record>,
}

impl Records {
    /// Nobody has brought anything yet.
    pub fn new(names: Arc<NameTable>) -> Records {
        Records {
            names,
            owners: HashMap::new(),
            fates: HashMap::new(),
            stopped: OrdSet::new(),
            judged: Vec::new(),
            records: HashMap::new(),
            touched: BTreeMap::new(),
        }
    }

    /// What had a verdict at any tick: what rows as of one tick do not tell.
    pub fn stopped(&self) -> OrdSet<Thing> {
        self.stopped.clone()
    }

    /// This had a verdict at ticks before the first one that is told.
    pub fn were_stopped(&mut self, things: OrdSet<Thing>) {
        self.stopped = things;
    }

    /// A row of the catalogue comes into force.
    pub fn list(&mut self, row: &Listing) {
        let (thing, news) = owned(row);
        self.take(thing, news);
    }

    /// A playlist is somebody's from now on.
    pub fn own(&mut self, playlist: &Id, owner: &Id) {
        let (playlist, owner) = (key(&self.names, IdSpace::Playlist, &playlist.to_string()), owner.to_string());
        let of = key_of_text(&owner);
        self.owners.insert(of, owner);
        self.take((Subject::Playlist, playlist), News::Owned([of, Key::NONE]));
    }

    /// Rows of `verdict` came or went.
    pub fn judged(&mut self, rows: &Rows) {
        let names = self.names.clone();
        judged(&names, rows).for_each(|(thing, news)| self.take(thing, news));
    }

    /// Rows of `payout_hold` came or went.
    pub fn declared(&mut self, rows: &Rows) {
        let names = self.names.clone();
        declared(&names, rows).for_each(|(thing, news)| self.take(thing, news));
    }

    fn take(&mut self, thing: Thing, news: News) {
        let Records { fates, records, touched, stopped, judged, .. } = self;
        if news.is_plain() && !fates.contains_key(&thing) {
            return;
        }
        let nothing = Fate { owners: [Key::NONE; 2], verdict: Verdict::Allow, is_contradicted: false };
        let (fate, was_stopped) = (fates.entry(thing).or_insert(nothing), stopped.contains(&thing));
        let before = fate.record(was_stopped);
        for owner in owners(thing.0, fate.owners) {
            let record = records.get_mut(&owner).expect("who owns something has a record");
            touched.entry(owner).or_insert(*record);
            *record -= before;
        }
        match news {
            News::Owned(owners) => fate.owners = owners,
            News::Judged(verdict) => {
                fate.verdict = verdict;
                judged.push(thing);
            }
            News::Contradicted(is_contradicted) => fate.is_contradicted = is_contradicted,
        }
        let now = fate.record(was_stopped);
        for owner in owners(thing.0, fate.owners) {
            let record = records.entry(owner).or_default();
            touched.entry(owner).or_insert(*record);
            *record += now;
        }
    }

    /// What is so now is stated: all owners whose record may be another than when this was asked last.
    pub fn settle(&mut self) -> Vec<Touched> {
        // What is told and taken back before anybody states it was no verdict. One that stands is counted as such; that it was there counts later.
        for thing in self.judged.drain(..) {
            if self.fates[&thing].verdict > Verdict::Allow {
                self.stopped.insert(thing);
            }
        }
        let touched = std::mem::take(&mut self.touched).into_iter();
        touched.map(|(owner, before)| Touched { owner, before, now: self.records[&owner] }).collect()
    }

    /// The rows of `reputation` of the owners.
    pub fn rows(&self, touched: &[Touched]) -> Rows {
        let row = |touched: &Touched| {
            let (role, key) = touched.owner;
            let id = match role {
                Bringer::Distributor => self.names.id(IdSpace::Distributor, key).to_string(),
                Bringer::Uploader => self.names.id(IdSpace::Uploader, key).to_string(),
                Bringer::PlaylistOwner => self.owners[&key].clone(),
            };
            (RowKey::Owner(role.name(), id), touched.told().map(|record| RowValue::Record(Box::new(record))))
        };
        touched.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from a seed (splitmix64, Steele and others 2014).
    fn below(seed: &mut u64, end: u64) -> u64 {
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    const VERDICTS: [Verdict; 4] = [Verdict::Allow, Verdict::Hold, Verdict::Escalate, Verdict::Block];

    /// What happens tick by tick: tracks and playlists change hands, are judged, freed and contradicted, some of it twice at a tick.
    fn told(seed: &mut u64) -> Vec<Vec<(Thing, News)>> {
        let hand = |seed: &mut u64| if below(seed, 4) == 0 { Key::NONE } else { Key(below(seed, 3)) };
        let one = |seed: &mut u64| {
            let thing = match below(seed, 4) {
                0 => (Subject::Playlist, Key(below(seed, 3))),
                _ => (Subject::Track, Key(below(seed, 9))),
            };
            let news = match below(seed, 6) {
                0 | 1 if thing.0 == Subject::Track => News::Owned([hand(seed), hand(seed)]),
                0 | 1 => News::Owned([hand(seed), Key::NONE]),
                2 if thing.0 == Subject::Track => News::Contradicted(below(seed, 2) == 0),
                _ => News::Judged(VERDICTS[below(seed, 4) as usize]),
            };
            (thing, news)
        };
        (0..12).map(|_| (0..below(seed, 6)).map(|_| one(seed)).collect()).collect()
    }

    /// All records as of the end, from everything that happened and nothing else.
    fn recount(ticks: &[Vec<(Thing, News)>]) -> BTreeMap<Owner, Record> {
        let mut counted = BTreeMap::new();
        let things: std::collections::BTreeSet<Thing> = ticks.iter().flatten().map(|(thing, _)| *thing).collect();
        for thing in things {
            let (mut owned, mut verdict, mut was_stopped, mut is_contradicted) =
                ([Key::NONE; 2], Verdict::Allow, false, false);
            for tick in ticks {
                for (_, news) in tick.iter().filter(|(theirs, _)| *theirs == thing) {
                    match news {
                        News::Owned(owners) => owned = *owners,
                        News::Judged(now) => verdict = *now,
                        News::Contradicted(now) => is_contradicted = *now,
                    }
                }
                was_stopped |= verdict > Verdict::Allow;
            }
            for owner in owners(thing.0, owned) {
                *counted.entry(owner).or_default() += Record::of(verdict, was_stopped, is_contradicted);
            }
        }
        counted.retain(|_, record: &mut Record| !record.is_plain());
        counted
    }

    #[test]
    fn what_is_kept_tick_by_tick_is_a_recount_also_where_it_goes_on_from_what_was_stopped() {
        let names = Arc::new(NameTable::new(|_| IdKind::Number));
        let mut overturned = 0;
        for number in 0..300 {
            let mut seed = number;
            let ticks = told(&mut seed);
            let (mut records, mut stated) = (Records::new(names.clone()), BTreeMap::new());
            for (tick, news) in ticks.iter().enumerate() {
                news.iter().for_each(|(thing, news)| records.take(*thing, *news));
                for touched in records.settle() {
                    assert!(
                        stated.get(&touched.owner).copied().unwrap_or_default() == touched.before
                            || touched.before.is_plain()
                    );
                    match touched.told() {
                        Some(record) => stated.insert(touched.owner, record),
                        None => stated.remove(&touched.owner),
                    };
                }
                assert_eq!(stated, recount(&ticks[..=tick]), "seed {number}, tick {tick}");
                overturned += stated.values().map(|record| record.overturned).sum::<u64>();

                // Who begins with all of it at once, and knows what was stopped, says the same.
                let mut again = Records::new(names.clone());
                again.were_stopped(records.stopped());
                ticks[..=tick].iter().flatten().for_each(|(thing, news)| again.take(*thing, *news));
                let told = again.settle().into_iter().filter_map(|touched| Some((touched.owner, touched.told()?)));
                assert_eq!(told.collect::<BTreeMap<_, _>>(), stated, "seed {number}, tick {tick}");
                assert_eq!(again.stopped(), records.stopped());
            }
        }
        assert!(overturned > 500, "{overturned}");
    }
}
