//! What became of what uploaders, distributors and owners of playlists brought: their ledgers, at once after each hold, overturn and lie.
//!
//! ```text
//! catalogue, playlists  ──┐
//! verdicts, tick by tick ─┼──by tick──▶ touched tracks and playlists ──▶ their owners' records ──▶ reputation
//! payout_hold ────────────┘
//! ```
//!
//! It follows from dated rows alone, as what is declared does, and does not pass through the dataflow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use dataflows::clock::Tick;
use datasets::arrivals::Listing;
use datasets::names::NameTable;
use records::reputation::Record;
use records::{Id, IdSpace, Key, Names, Subject, Verdict};

use super::judge::Rows;
use super::views::{RowKey, RowValue};
use crate::exit::Failure;

/// Who answers for a track or a playlist: kind and id.
type Owner = (&'static str, String);
/// A track or a playlist.
type Thing = (Subject, String);

/// What happens to a track or a playlist.
enum News {
    /// It is somebody's from now on.
    Owned(Vec<Owner>),
    Judged(Verdict),
    /// Whether what it declares is contradicted.
    Contradicted(bool),
}

/// The dated rows that reputations follow from, as they come to be known.
pub struct Reputations {
    listed: Vec<(Tick, Key, [Key; 2])>,
    owners: Vec<(Id, Id)>,
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
        owners: Vec<(Id, Id)>,
        first: Tick,
    ) -> Reputations {
        let listed = catalogue.iter().map(|(tick, row)| (*tick, row.track, [row.uploader, row.distributor])).collect();
        Reputations { listed, owners, first, names, news: Vec::new() }
    }

    /// Takes rows of `verdict` that came or went at the tick.
    pub fn judged(&mut self, tick: Tick, rows: &Rows) {
        for (key, value) in rows {
            let RowKey::Subject(subject @ (Subject::Track | Subject::Playlist), id) = key else { continue };
            let verdict = match value {
                Some(RowValue::Verdict(row)) => row.verdict,
                _ => Verdict::Allow,
            };
            self.news.push((tick, (*subject, id.clone()), News::Judged(verdict)));
        }
    }

    /// Takes rows of `payout_hold` that came or went at the tick.
    pub fn declared(&mut self, tick: Tick, rows: &Rows) {
        for (key, value) in rows {
            let RowKey::Track(id) = key else { continue };
            let is_contradicted = matches!(value, Some(RowValue::Payout(row)) if row.is_contradicted());
            self.news.push((tick, (Subject::Track, id.to_string()), News::Contradicted(is_contradicted)));
        }
    }

    /// Tells, tick by tick, what changes in `reputation`, to the tick `until`.
    pub fn flow(self, until: Tick, mut tell: impl FnMut(Tick, Rows) -> Result<(), Failure>) -> Result<(), Failure> {
        let Reputations { listed, owners, first, names, mut news } = self;
        let owner = |kind, space, key: Key| (key != Key::NONE).then(|| (kind, names.id(space, key).to_string()));
        news.extend(listed.into_iter().map(|(tick, track, [uploader, distributor])| {
            let uploader = owner("uploader", IdSpace::Uploader, uploader);
            let owners = uploader.into_iter().chain(owner("distributor", IdSpace::Distributor, distributor));
            let track = (Subject::Track, names.id(IdSpace::Track, track).to_string());
            (tick, track, News::Owned(owners.collect()))
        }));
        news.extend(owners.into_iter().map(|(playlist, owner)| {
            let owners = vec![("playlist_owner", owner.to_string())];
            (first, (Subject::Playlist, playlist.to_string()), News::Owned(owners))
        }));
        news.sort_by_key(|(tick, ..)| *tick);
        let mut state = State::default();
        let mut news = news.into_iter().peekable();
        while let Some(tick) = news.peek().map(|(tick, ..)| *tick).filter(|tick| *tick <= until) {
            while let Some((_, thing, news)) = news.next_if(|(at, ..)| *at == tick) {
                state.take(thing, news);
            }
            tell(tick, state.settle())?;
        }
        Ok(())
    }
}

/// A track or a playlist as of now.
#[derive(Default)]
struct Fate {
    owners: Vec<Owner>,
    verdict: Verdict,
    was_stopped: bool,
    is_contradicted: bool,
}

impl Fate {
    fn record(&self) -> Record {
        Record::of(self.verdict, self.was_stopped, self.is_contradicted)
    }
}

#[derive(Default)]
struct State {
    fates: HashMap<Thing, Fate>,
    records: BTreeMap<Owner, Record>,
    touched: BTreeSet<Owner>,
}

impl State {
    fn take(&mut self, thing: Thing, news: News) {
        let State { fates, records, touched } = self;
        let fate = fates.entry(thing).or_default();
        let before = fate.record();
        for owner in &fate.owners {
            *records.get_mut(owner).expect("who owns something has a record") -= before;
            touched.insert(owner.clone());
        }
        match news {
            News::Owned(owners) => fate.owners = owners,
            News::Judged(verdict) => {
                fate.verdict = verdict;
                fate.was_stopped |= verdict > Verdict::Allow;
            }
            News::Contradicted(is_contradicted) => fate.is_contradicted = is_contradicted,
        }
        let now = fate.record();
        for owner in &fate.owners {
            *records.entry(owner.clone()).or_default() += now;
            touched.insert(owner.clone());
        }
    }

    /// The rows of all touched owners.
    fn settle(&mut self) -> Rows {
        let row = |owner: Owner| {
            let record = self.records.get(&owner).filter(|record| !record.is_plain());
            (RowKey::Owner(owner.0, owner.1), record.map(|record| RowValue::Record(Box::new(*record))))
        };
        std::mem::take(&mut self.touched).into_iter().map(row).collect()
    }
}
