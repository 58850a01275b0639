//! What became of what uploaders, distributors and owners of playlists brought: their ledgers, at once after each hold, overturn and lie.
//!
//! ```text
//! catalogue, playlists  ──┐                                                                 ┌──▶ reputation
//! verdicts, tick by tick ─┼──by tick──▶ touched tracks and playlists ──▶ their owners' records ┤
//! payout_hold ────────────┘                                                                 └──▶ gate, of uploaders and distributors
//! ```
//!
//! It follows from dated rows and verdicts, and does not pass through the dataflow. Nothing that it follows from reads it or the gate, so nobody is held for
//! having been held.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dataflows::clock::Tick;
use datasets::arrivals::Listing;
use datasets::names::{NameTable, key_of_text};
use datasets::tables::IdKind;
use records::reputation::Record;
use records::{Id, IdSpace, Key, Names, Subject, Verdict};

use super::judge::Rows;
use super::views::{RowKey, RowValue};
use crate::exit::Failure;

/// As what somebody answers for tracks or playlists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// For tracks.
    Distributor,
    /// For playlists.
    PlaylistOwner,
    /// For tracks.
    Uploader,
}

impl Role {
    /// The word in the tables.
    fn name(self) -> &'static str {
        match self {
            Role::Distributor => "distributor",
            Role::PlaylistOwner => "playlist_owner",
            Role::Uploader => "uploader",
        }
    }
}

/// Who answers for a track or a playlist.
pub type Owner = (Role, Key);

/// Whose record is another now; `None` where there is nothing to tell of them any more.
pub type Touched = (Owner, Option<Record>);

/// A track or a playlist.
type Thing = (Subject, Key);

/// What happens to a track or a playlist.
#[derive(Clone, Copy)]
enum News {
    /// It is theirs from now on.
    Owned([Key; 2]),
    Judged(Verdict),
    /// Whether what it declares is contradicted.
    Contradicted(bool),
}

/// The dated rows that reputations follow from, as they come to be known.
pub struct Reputations {
    /// Tracks with their uploader and distributor, by tick.
    listed: Vec<(Tick, Key, [Key; 2])>,
    /// Playlists with their owner, whose ids are no names of the run.
    playlists: Vec<(Key, Key)>,
    owners: HashMap<Key, String>,
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
        let listed = catalogue.iter().map(|(tick, row)| (*tick, row.track, [row.uploader, row.distributor])).collect();
        let owner = |owner: &Id| key_of_text(&owner.to_string());
        let owned = |(playlist, of): &(Id, Id)| (key(&names, IdSpace::Playlist, &playlist.to_string()), owner(of));
        Reputations {
            listed,
            playlists: playlists.iter().map(owned).collect(),
            owners: playlists.iter().map(|(_, of)| (owner(of), of.to_string())).collect(),
            first,
            names,
            news: Vec::new(),
        }
    }

    /// Takes rows of `verdict` that came or went at the tick.
    pub fn judged(&mut self, tick: Tick, rows: &Rows) {
        for (row, value) in rows {
            let RowKey::Subject(subject, id) = row else { continue };
            let space = match subject {
                Subject::Track => IdSpace::Track,
                Subject::Playlist => IdSpace::Playlist,
                _ => continue,
            };
            let verdict = match value {
                Some(RowValue::Verdict(row)) => row.verdict,
                _ => Verdict::Allow,
            };
            self.news.push((tick, (*subject, key(&self.names, space, id)), News::Judged(verdict)));
        }
    }

    /// Takes rows of `payout_hold` that came or went at the tick.
    pub fn declared(&mut self, tick: Tick, rows: &Rows) {
        for (row, value) in rows {
            let RowKey::Track(id) = row else { continue };
            let is_contradicted = matches!(value, Some(RowValue::Payout(row)) if row.is_contradicted());
            let track = (Subject::Track, key(&self.names, IdSpace::Track, &id.to_string()));
            self.news.push((tick, track, News::Contradicted(is_contradicted)));
        }
    }

    /// Tells, tick by tick, whose record is another, and the rows of `reputation` that come of it, to the tick `until`.
    pub fn flow(
        self,
        until: Tick,
        mut tell: impl FnMut(Tick, &[Touched], Rows) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Reputations { listed, playlists, owners, first, names, mut news } = self;
        news.sort_by_key(|(tick, ..)| *tick);
        let owned = listed.into_iter().map(|(tick, track, of)| (tick, (Subject::Track, track), News::Owned(of)));
        let of_playlists = playlists
            .into_iter()
            .map(|(playlist, owner)| (first, (Subject::Playlist, playlist), News::Owned([owner, Key::NONE])));
        let (mut owned, mut of_playlists) = (owned.peekable(), of_playlists.peekable());
        let mut news = news.into_iter().peekable();
        let mut state = State::default();
        loop {
            let next =
                [owned.peek().map(|one| one.0), of_playlists.peek().map(|one| one.0), news.peek().map(|one| one.0)];
            let Some(tick) = next.into_iter().flatten().min().filter(|tick| *tick <= until) else { return Ok(()) };
            let is_now = |(at, ..): &(Tick, Thing, News)| *at == tick;
            while let Some((_, thing, news)) =
                owned.next_if(is_now).or_else(|| of_playlists.next_if(is_now)).or_else(|| news.next_if(is_now))
            {
                state.take(thing, news);
            }
            let touched = state.settle();
            let row = |((role, key), record): &Touched| {
                let id = match role {
                    Role::Distributor => names.id(IdSpace::Distributor, *key).to_string(),
                    Role::Uploader => names.id(IdSpace::Uploader, *key).to_string(),
                    Role::PlaylistOwner => owners[key].clone(),
                };
                (RowKey::Owner(role.name(), id), record.map(|record| RowValue::Record(Box::new(record))))
            };
            tell(tick, &touched, touched.iter().map(row).collect())?;
        }
    }
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
    was_stopped: bool,
    is_contradicted: bool,
}

impl Fate {
    fn record(&self) -> Record {
        Record::of(self.verdict, self.was_stopped, self.is_contradicted)
    }
}

/// Who owns a thing that is these keys'.
fn owners(subject: Subject, keys: [Key; 2]) -> impl Iterator<Item = Owner> {
    let roles = match subject {
        Subject::Track => [Role::Uploader, Role::Distributor],
        _ => [Role::PlaylistOwner; 2],
    };
    roles.into_iter().zip(keys).filter(|(_, key)| *key != Key::NONE)
}

#[derive(Default)]
struct State {
    fates: HashMap<Thing, Fate>,
    records: HashMap<Owner, Record>,
    touched: BTreeSet<Owner>,
}

impl State {
    fn take(&mut self, thing: Thing, news: News) {
        let State { fates, records, touched } = self;
        let fate = fates.entry(thing).or_insert(Fate {
            owners: [Key::NONE; 2],
            verdict: Verdict::Allow,
            was_stopped: false,
            is_contradicted: false,
        });
        let before = fate.record();
        for owner in owners(thing.0, fate.owners) {
            *records.get_mut(&owner).expect("who owns something has a record") -= before;
            touched.insert(owner);
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
        for owner in owners(thing.0, fate.owners) {
            *records.entry(owner).or_default() += now;
            touched.insert(owner);
        }
    }

    /// All touched owners, with what is to be told of them.
    fn settle(&mut self) -> Vec<Touched> {
        let touched = std::mem::take(&mut self.touched).into_iter();
        touched.map(|owner| (owner, self.records.get(&owner).copied().filter(|record| !record.is_plain()))).collect()
    }
}
