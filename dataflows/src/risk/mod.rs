//! Judges every subject anew whose facts changed, and nobody else.
//!
//! ```text
//! dossiers ──▶ accounts ──▶ own risk ──────────────────────────┐
//! turns ──▶ listens (account, track) ──────────────────────────┼─▶ suspicion ──▶ around each account ──▶ accounts judged
//!                                                              └───────┬─────────────────────────────▶ tracks judged
//! releases, tiers in force, findings, copies ──▶ catalogue (joins) ───┤                                     ▲
//! rulings ──▶ accounts, suspicion, tracks, owners: in each judgement; who is silenced speaks against nobody │
//! track_window, artist_window, … ──────────────────────────────────────┴──▶ owners judged ──▶ standing, following ┘
//! ```
//!
//! Where people wrote rules as conditions, all judgements pass through `clauses` last; what rules over more than one table read is kept in `sheets`.
//!
//! What a play changes is keyed state ([`crate::keep`]); what travels between subjects (suspicion, catalogue, standing)
//! is a differential collection, in which only suspects take part. A judgement is the signals that speak against a
//! subject, whatever a policy makes of them: whoever reads it mixes them into a risk and a verdict with the same pure
//! functions. So another policy changes a judgement only where suspicion travels otherwise under it.

mod accounts;
mod audience;
mod catalogue;
mod clauses;
mod copies;
pub(crate) mod listens;
mod sheets;
pub mod suspicion;

use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use features::condition::Cell;
use features::signals::Signal;
use features::tally::Axis;
use records::policy::Flow;
use records::{Key, Metadata, Millis, Policy, Risk, Ruling, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concatenate, Operator};

use self::accounts::{Accounts, Judge, Verdicts};
pub(crate) use self::audience::Held;
use self::audience::{Audience, AudienceNews, Told};
pub(crate) use self::catalogue::InForce;
use self::catalogue::Laws;
use self::clauses::Tables;
pub use self::clauses::{Asked, Place};
use self::listens::Listens;
use crate::clock::{Clock, Tick};
use crate::dossiers::{AccountNews, read_places, route};
use crate::keep::{keep, mix};
use crate::scores::Turns;
use crate::tallies::{Cadence, RowChange};
use crate::windows::Turn;

/// What judging needs beside the plays.
#[derive(Clone, Debug)]
pub struct Judging {
    /// The policies, each from a tick on, in that order; the first from the beginning. Suspicion flows alike under all of them.
    pub policies: Vec<(Tick, Arc<Policy>)>,
    /// The ticks at which who reads the judgements decides otherwise, in order: something is said then, even where nothing changed.
    pub turns: Vec<Tick>,
    /// The lengths of the windows of the window views, shortest first.
    pub windows_ms: Vec<Millis>,
    /// The models that score accounts; before the first nobody does.
    pub models: Turns,
    /// The rules that people wrote as conditions, in their order.
    pub clauses: Arc<[Asked]>,
    /// Whether it is told of contents which recording they are; else nothing is kept for that.
    pub copies: bool,
    /// Whether it is told what people ruled; else nothing is kept for that.
    pub rulings: bool,
}

impl Judging {
    /// How suspicion travels.
    fn flow(&self) -> Flow {
        self.policies.first().expect("somebody judges by a policy").1.flow
    }

    /// The windows whose rows are read, by their place among the window views.
    fn places(&self) -> Vec<(u8, Millis)> {
        read_places(&self.windows_ms)
    }
}

/// What comes into force at a tick; of one key only one at a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// The row of a track.
    Release(Key, Release),
    /// The segment of a distributor: 0 is the default one, the others are numbered by who asks.
    Segment(Key, u16),
    /// The territory of an account: 0 is none that matters, the others are numbered by who asks.
    Territory(Key, u16),
    /// The recording that a content is, by a number that who asks gives it: contents of one number are copies of each other.
    Recording(Key, Key),
    /// What is heard of a content, of all who listened the one who is surest that something is wrong; `None` where nobody could hear
    /// anything (any more).
    Heard(Key, Option<Opinion>),
    /// What a person ruled about a subject; `None` where nothing is ruled any more.
    Ruling(Subject, Key, Option<Box<Ruling>>),
    /// What is told of a subject, as far as rules ask: the cells of that part of their sheet.
    Told(Subject, Key, Vec<Cell>),
}

/// What the audio says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Opinion {
    /// How sure it is that something is wrong.
    pub risk: Risk,
    /// What was heard in words, by the number that who asks gave them.
    pub words: Option<u32>,
}

/// A row of the catalogue, as far as a release is judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Release {
    /// The content that is heard, or [`Key::NONE`] where nobody ever listened.
    pub content: Key,
    /// Its artist, or [`Key::NONE`].
    pub artist: Key,
    /// Its uploader, or [`Key::NONE`].
    pub uploader: Key,
    /// Its distributor, or [`Key::NONE`].
    pub distributor: Key,
    /// What of its metadata is there.
    pub metadata: Metadata,
    /// Its territory: 0 is none that matters, the others are numbered by who asks.
    pub territory: u16,
}

impl Release {
    fn owners(&self) -> impl Iterator<Item = (Subject, Key)> + use<> {
        let owners = [
            (Subject::Artist, self.artist),
            (Subject::Uploader, self.uploader),
            (Subject::Distributor, self.distributor),
        ];
        owners.into_iter().filter(|(_, key)| key.is_some())
    }
}

/// What speaks against a subject as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Judgement {
    /// The segment of its distributor, whose thresholds apply.
    pub segment: u16,
    /// Its territory, whose thresholds apply where the segment has none, and whose weights.
    pub territory: u16,
    /// What was heard, where its audio was: its risk is mixed with other weights then.
    pub heard: Option<Heard>,
    /// The signals, in no particular order of importance, but always the same.
    pub signals: Vec<Signal>,
    /// What a model looked at, where one speaks.
    pub learned: Option<Learned>,
    /// The rules in force that match, by their places among [`Judging::clauses`], in that order.
    pub rules: Vec<Place>,
    /// What a person ruled, where that is in force.
    pub ruling: Option<Box<Ruling>>,
}

/// Why a model says what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Learned {
    /// Its place among [`Judging::models`], of which those that are tried are the last.
    pub model: u16,
    /// The features that raised the score most, strongest first; none where it is low.
    pub because: Vec<Looked>,
}

/// A feature that a model looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Looked {
    /// Its place in the list of features; the place after the last is the network's.
    pub feature: u16,
    /// The bits of its value, an f32; of the network its score.
    pub value_bits: u32,
}

/// The audio of a subject was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Heard {
    /// The words of the [`Opinion`], where it is one; an owner's tracks have many.
    pub words: Option<u32>,
}

/// The judgement of a subject as of now; `None` when nothing speaks against it (any more).
pub type JudgementChange = ((Subject, Key), Option<Judgement>);

/// What a person ruled about the subject as of now; `None` where nothing is ruled (any more).
pub(crate) type RulingChange = ((Subject, Key), Option<Box<Ruling>>);

/// What people ruled, of what comes into force.
pub(crate) fn rulings<'scope>(entries: StreamVec<'scope, Tick, Entry>) -> StreamVec<'scope, Tick, RulingChange> {
    entries.flat_map(|entry| match entry {
        Entry::Ruling(subject, key, ruling) => Some(((subject, key), ruling)),
        Entry::Release(..) | Entry::Segment(..) | Entry::Territory(..) => None,
        Entry::Heard(..) | Entry::Recording(..) | Entry::Told(..) => None,
    })
}

/// The territories of accounts, of what comes into force.
fn territories<'scope>(entries: StreamVec<'scope, Tick, Entry>) -> StreamVec<'scope, Tick, (Key, u16)> {
    entries.flat_map(|entry| match entry {
        Entry::Territory(account, territory) => Some((account, territory)),
        Entry::Release(..) | Entry::Segment(..) | Entry::Ruling(..) => None,
        Entry::Heard(..) | Entry::Recording(..) | Entry::Told(..) => None,
    })
}

/// Of subjects of one kind, whether they speak against nobody else from now on.
pub(crate) fn silenced<'scope>(
    rulings: &StreamVec<'scope, Tick, RulingChange>,
    of: Subject,
) -> StreamVec<'scope, Tick, (Key, bool)> {
    let is_silenced = |ruling: Option<Box<Ruling>>| ruling.is_some_and(|ruling| ruling.kind.is_silencing());
    let news = move |((subject, key), ruling): RulingChange| (subject == of).then(|| (key, is_silenced(ruling)));
    rulings.clone().flat_map(news)
}

/// The streams that judgements are made of.
pub struct Sources<'scope> {
    /// What is new about accounts.
    pub news: StreamVec<'scope, Tick, AccountNews>,
    /// Who plays what in the longest window.
    pub(crate) listens: Listens<'scope>,
    /// Rows of all window views.
    pub rows: Vec<(Axis, StreamVec<'scope, Tick, RowChange>)>,
    /// Plays as they enter and leave windows.
    pub turns: StreamVec<'scope, Tick, Turn>,
    /// What comes into force.
    pub entries: StreamVec<'scope, Tick, Entry>,
    /// Which of the turns' windows is the longest of the window views.
    pub longest: usize,
    /// The instants that ticks stand for.
    pub clock: Clock,
}

/// A collection over ticks.
pub(crate) type Coll<'scope, D> = VecCollection<'scope, Tick, D, isize>;
/// An update of a collection.
pub(crate) type Update<D> = (D, Tick, isize);

/// The judgements of all subjects.
pub fn judge<'scope>(
    sources: Sources<'scope>,
    judging: &Judging,
    cadence: Cadence,
    until: Tick,
) -> StreamVec<'scope, Tick, JudgementChange> {
    let Sources { news, listens, rows, turns, entries, longest, clock } = sources;
    let (asked, told) = (rows.clone(), entries.clone());
    let (mut track_rows, mut owner_rows) = (Vec::new(), Vec::new());
    for (axis, rows) in rows {
        match axis {
            Axis::Account => {}
            Axis::Track => track_rows.push((Subject::Track, rows)),
            Axis::Artist => owner_rows.push((Subject::Artist, rows)),
            Axis::Uploader => owner_rows.push((Subject::Uploader, rows)),
            Axis::Playlist => owner_rows.push((Subject::Playlist, rows)),
            Axis::Distributor => owner_rows.push((Subject::Distributor, rows)),
        }
    }
    let scope = turns.scope();
    let placed = listens::playlists(turns, longest, cadence, until).arrange_by_key_named("Placed");
    let rulings = judging.rulings.then(|| rulings(entries.clone()));
    let silent = rulings.as_ref().map(|rulings| silenced(rulings, Subject::Track));
    let territories = territories(entries.clone());
    let laws = Laws::of(entries, until);

    let own = keep(news, "Accounts", route, until, Accounts::new(judging));
    let last = judging.places().last().map(|(place, _)| *place);
    let plays = scope.concatenate(track_rows.iter().map(|(_, rows)| rows.clone()));
    let plays = plays.flat_map(move |((place, track), row)| {
        (Some(place) == last).then_some((track, row.map_or(0, |row| row.plays)))
    });
    let travelled = suspicion::travel(listens, plays.clone(), silent.clone(), own.clone(), judging.flow(), until);

    let accounts = keep(
        accounts::verdict_news(own, travelled.around, territories, rulings.clone()),
        "AccountVerdicts",
        |news: &(Key, Judge)| mix(news.0.0),
        until,
        Verdicts::new(judging),
    );

    // Who is suspected, on what they played: to the tracks, to those who own them, and to the playlists.
    let spread = travelled.spread.clone().arrange_by_key_named("Spread");
    let stains = travelled.suspects.explode(|(track, (_, risk))| Some((track, weight(risk)))).consolidate();
    let stained = stains.clone().map(|track| (track, ())).arrange_by_key_named("Stains");
    let owned = stained.clone().join_core(laws.owners.clone(), |_, (), owner| Some(*owner));
    let unsaid = silent.as_ref().map(|silent| {
        // What a silenced track would say against its owners does not speak: few are.
        let silent = keep(silent.clone(), "Silenced", |(track, _)| mix(track.0), until, InForce::default());
        let silent = silent.as_collection().filter(|(_, is_silenced)| *is_silenced).arrange_by_key_named("Silenced");
        let unsaid = silent.join_core(laws.owners.clone(), |track, _, owner| Some((*track, *owner)));
        let unsaid = stained.join_core(unsaid.arrange_by_key_named("Unsaid"), |_, (), owner| Some(*owner));
        updates(unsaid, |owner, diff| (owner, AudienceNews::Unsaid(diff as i64)))
    });
    let listed = placed.join_core(spread, |_, playlist, risk| Some((*playlist, *risk)));
    let listed = listed.explode(|(playlist, risk)| Some(((Subject::Playlist, playlist), weight(risk))));

    let owner_news = [
        audience::row_news(scope, owner_rows),
        updates(owned.concat(listed), |owner, diff| (owner, AudienceNews::Stain(diff as i64))),
        laws.owner_news,
    ];
    let is_owner = |subject: Subject| !matches!(subject, Subject::Account | Subject::Track);
    let ruled = rulings.as_ref().map(|rulings| audience::ruling_news(rulings, is_owner));
    let owner_news = scope.concatenate(owner_news.into_iter().chain(unsaid).chain(ruled));
    let owners = keep(owner_news, "Owners", audience::route, until, Audience::new(judging));
    let standing = owners.clone().flat_map(|told| match told {
        Told::Standing(update) => Some(update),
        Told::Judged(_) | Told::Following(_) => None,
    });
    let following = owners.clone().flat_map(|told| match told {
        Told::Following(update) => Some(update),
        Told::Judged(_) | Told::Standing(_) => None,
    });
    let standing = standing.as_collection().arrange_by_key_named("Standing");
    let standing = laws.uploaded.clone().join_core(standing, |_, track, standing| Some((*track, *standing)));

    let following = following.as_collection().arrange_by_key_named("Following");
    let following = laws.performed.clone().join_core(following, |_, track, following| Some((*track, *following)));

    let copies = judging.copies.then(|| copies::spread(laws.copies, plays, stains.clone(), silent, until));
    let is_track = |subject: Subject| subject == Subject::Track;
    let ruled = rulings.as_ref().map(|rulings| audience::ruling_news(rulings, is_track));
    let track_news = [
        audience::row_news(scope, track_rows),
        updates(stains, |track, diff| ((Subject::Track, track), AudienceNews::Stain(diff as i64))),
        updates(standing, |(track, standing), diff| {
            ((Subject::Track, track), AudienceNews::Standing(standing, diff as i64))
        }),
        updates(following, |(track, following), diff| {
            ((Subject::Track, track), AudienceNews::Following(following, diff as i64))
        }),
        laws.track_news,
    ];
    let tracks = keep(
        scope.concatenate(track_news.into_iter().chain(copies).chain(ruled)),
        "Tracks",
        audience::route,
        until,
        Audience::new(judging),
    );
    let judged = |told| match told {
        Told::Judged(change) => Some(change),
        Told::Standing(_) | Told::Following(_) => None,
    };
    let all = scope.concatenate([accounts, owners.flat_map(judged), tracks.flat_map(judged)]);
    if judging.clauses.is_empty() {
        return all;
    }
    let tables = Tables { rows: asked, entries: told, performed: laws.performed, uploaded: laws.uploaded };
    clauses::beside(all, tables, judging, clock, until)
}

/// The updates of a collection as records of the ticks at which they happen: a join may say them under an earlier one.
pub(crate) fn updates<'scope, D: Clone + 'static, N: Clone + 'static>(
    collection: Coll<'scope, D>,
    news: impl Fn(D, isize) -> N + 'static,
) -> StreamVec<'scope, Tick, N> {
    collection.inner.unary(Pipeline, "Updates", move |_capability, _info| {
        move |input, output| {
            input.for_each(|held, updates| {
                let Some(held) = held.retain_least(output.output_index()) else { return };
                updates.sort_by_key(|(_, tick, _)| *tick);
                for same in updates.chunk_by(|a, b| a.1 == b.1) {
                    let held = held.delayed(&same[0].1);
                    output.session(&held).give_iterator(same.iter().map(|(data, _, diff)| news(data.clone(), *diff)));
                }
                updates.clear();
            });
        }
    })
}

/// A risk as the number of a difference.
fn weight(risk: u16) -> isize {
    risk as isize
}
