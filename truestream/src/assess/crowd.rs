//! Whom a decision may touch: accounts, tracks and artists, what they are, what became of them, and what that cost.
//!
//! ```text
//! labels, catalogue, accounts ──▶ members with their groups ──┐
//! verdicts under the one, under the other ────────────────────┼──▶ crowd
//! plays ──▶ streams of people, paid or not, by source ────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use datasets::tables::Inputs;
use datasets::tables::read::{IdKinds, id_kinds, read_table};
use features::royalty::Standing;
use features::standing::Course;
use records::royalty::{Micros, Terms, Threshold};
use records::{Account, Distributor, Id, LabelKind, Millis, Source, Subject, Track, Verdict};

use super::lists::{Flow, Lists, OfList};
use crate::exit::Failure;
use crate::labels::{Labels, labels};
use crate::royalties::month_with;
use crate::royalties::streams::{Courses, Judged, Known, Stream, catalogue, courses, each_stream};
use crate::verify::Settings;

const DAY_MS: Millis = 86_400_000;
/// The sources of plays, by name, in the order in which members count them.
pub const SOURCES: [(&str, Source); 6] = [
    ("search", Source::Search),
    ("library", Source::Library),
    ("algorithmic", Source::Algorithmic),
    ("editorial", Source::Editorial),
    ("playlist", Source::Playlist),
    ("other", Source::Other),
];

/// A pair of numbers: under the decisions of now, and under those that are assessed.
pub type Pair<T> = [T; 2];

/// The kinds of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Accounts: are people stopped?
    Account,
    /// Tracks: is honest music stopped?
    Track,
    /// Artists: do honest artists lose streams of people?
    Artist,
}

impl About {
    /// All kinds.
    pub const ALL: [About; 3] = [About::Account, About::Track, About::Artist];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        self.subject().name()
    }

    fn subject(self) -> Subject {
        match self {
            About::Account => Subject::Account,
            About::Track => Subject::Track,
            About::Artist => Subject::Artist,
        }
    }
}

/// Streams of people by where they found them, and how many of them are not paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// All of them.
    pub streams: u64,
    /// Those that wait or count for nothing because of a verdict.
    pub unpaid: Pair<u64>,
    /// Those whose track waits for what must be declared or approved.
    pub waiting: Pair<u64>,
}

impl Heard {
    fn add(&mut self, unpaid: Pair<bool>, waiting: Pair<bool>) {
        self.streams += 1;
        self.unpaid = [0, 1].map(|side| self.unpaid[side] + u64::from(unpaid[side]));
        self.waiting = [0, 1].map(|side| self.waiting[side] + u64::from(waiting[side]));
    }

    /// Both together.
    pub fn with(self, other: Heard) -> Heard {
        Heard {
            streams: self.streams + other.streams,
            unpaid: [0, 1].map(|side| self.unpaid[side] + other.unpaid[side]),
            waiting: [0, 1].map(|side| self.waiting[side] + other.waiting[side]),
        }
    }
}

/// One account, track or artist.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// What is known of it; nobody has said anything of most.
    pub label: Option<LabelKind>,
    /// The groups it belongs to: axis and value, one of each axis.
    pub groups: BTreeMap<&'static str, String>,
    /// Its gravest verdict of the whole time.
    pub verdict: Pair<Verdict>,
    /// For how long it had one.
    pub held_ms: Pair<Millis>,
    /// Streams of people, by [`SOURCES`]: of a track and an artist those of their music.
    pub heard: [Heard; SOURCES.len()],
    /// What a month pays, under the terms as they are, and without their minimums of streams and listeners, which data of a few days never reach; of
    /// artists only, and only where the terms are others.
    pub money: [Pair<Micros>; 2],
    /// Streams of people by genre: all, paid now, paid under what is assessed. Of accounts only.
    pub genres: BTreeMap<String, [u64; 3]>,
}

impl Member {
    /// Whether it would be wrong to stop it, as far as anybody knows. An account of which somebody else made use is neither.
    pub fn is_honest(&self, about: About) -> bool {
        match self.label {
            Some(LabelKind::Fraud) => false,
            Some(LabelKind::Victim) => about != About::Account,
            Some(LabelKind::Honest) | None => true,
        }
    }

    /// All its streams of people.
    pub fn all_heard(&self) -> Heard {
        self.heard.iter().fold(Heard::default(), |all, heard| all.with(*heard))
    }
}

/// First meetings of people with artists: all of them, and those in a paid stream under the one and the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meetings {
    /// With any artist.
    pub all: [u64; 3],
    /// With those whose first music is younger than a year.
    pub with_new: [u64; 3],
}

/// Everybody whom the decisions may touch.
#[derive(Debug, Default)]
pub struct Crowd {
    /// By kind.
    pub members: BTreeMap<About, Vec<Member>>,
    /// Who met whom.
    pub meetings: Meetings,
    /// Whether somebody labelled anything.
    pub is_labelled: bool,
    /// What became of those on lists.
    pub lists: Vec<OfList>,
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

impl Crowd {
    /// Reads it from the data and the tables of two replays of it, and the lists of a policy.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn read(
        inputs: &Inputs,
        tables: Pair<&Path>,
        policy: Option<&Path>,
        terms: Option<Pair<Terms>>,
    ) -> Result<Crowd, Failure> {
        let kinds = id_kinds(inputs.by_table()).map_err(input)?;
        let catalogue = catalogue(inputs, &kinds, Millis::MAX, Millis::MAX)?;
        let labels = labels(inputs, &kinds)?;
        let [now, then] = tables;
        let known =
            |tables: &Path| Known::read((tables, &Settings::read(tables)?), (inputs, &kinds), &catalogue, Millis::MAX);
        let known = [known(now)?, known(then)?];
        let mut world = World {
            label: Labelled { labels: &labels, catalogue: &catalogue },
            accounts: HashMap::new(),
            tracks: HashMap::new(),
            meetings: HashMap::new(),
        };
        each_stream(inputs, then, &kinds, Millis::MIN..Millis::MAX, Millis::MAX, |stream| world.hear(&stream, &known))?;
        let World { accounts, tracks, meetings, label } = world;
        let ended = Settings::read(then)?.as_of_ms.map_or(0, |(_, last)| last);
        let flows = (
            tracks.iter().map(|(id, track)| (id, track.flow)).collect(),
            accounts.iter().map(|(id, account)| (id, account.flow)).collect(),
        );
        let lists = Lists::read(inputs, &kinds, policy)?;
        let lists = lists.measure(&kinds, (&label, &catalogue), (&flows.0, &flows.1), ended);
        let told = Told {
            label,
            fates: [courses(now, Millis::MAX)?, courses(then, Millis::MAX)?],
            listeners: read_accounts(inputs, &kinds)?,
            tiers: tiers(inputs, &kinds)?,
            born: births(&catalogue),
            by_artist: rows_by_artist(&catalogue),
            ended,
            paid: terms.map(|terms| paid(inputs, tables, &terms)).transpose()?.unwrap_or_default(),
        };
        let members = BTreeMap::from([
            (About::Account, told.people(accounts)),
            (About::Track, told.music(&tracks)),
            (About::Artist, told.artists(&tracks)),
        ]);
        let meetings = met(&meetings, &told.by_artist, &told.born, told.ended);
        Ok(Crowd { members, meetings, is_labelled: !labels.is_empty(), lists })
    }
}

/// What the tables tell of members beside their streams.
struct Told<'a> {
    label: Labelled<'a>,
    fates: Pair<Courses>,
    listeners: HashMap<Id, Account>,
    tiers: HashMap<Id, String>,
    born: HashMap<Id, Millis>,
    by_artist: HashMap<&'a Id, Vec<&'a Track>>,
    /// When the plays ended.
    ended: Millis,
    /// What a month pays artists, by id.
    paid: HashMap<String, [Pair<Micros>; 2]>,
}

impl Told<'_> {
    fn member(&self, about: About, id: &Id) -> Member {
        let courses = self.fates.each_ref().map(|fates| course(fates, about, id));
        Member {
            label: self.label.of(about, id),
            verdict: courses.map(|course| course.map_or(Verdict::Allow, Course::gravest_ever)),
            held_ms: courses.map(|course| course.map_or(0, |course| course.lasted_ms(self.ended))),
            ..Member::default()
        }
    }

    fn people(&self, accounts: HashMap<Id, Listened<'_>>) -> Vec<Member> {
        let member = |(id, listened): (Id, Listened<'_>)| Member {
            groups: groups_of_account(self.listeners.get(&id), &listened, self.ended),
            heard: listened.heard,
            genres: listened.genres,
            ..self.member(About::Account, &id)
        };
        accounts.into_iter().map(member).collect()
    }

    /// What nobody ever played was never decided about, and would make every share small.
    fn music(&self, tracks: &HashMap<Id, Played<'_>>) -> Vec<Member> {
        let played = self.label.catalogue.iter().filter_map(|(id, row)| Some((id, row, tracks.get(id)?)));
        let member = |(id, row, track): (&Id, &Track, &Played<'_>)| Member {
            groups: groups_of_music(&[row], &self.tiers, self.born.get(id).copied(), self.ended),
            heard: track.heard,
            ..self.member(About::Track, id)
        };
        played.map(member).collect()
    }

    fn artists(&self, tracks: &HashMap<Id, Played<'_>>) -> Vec<Member> {
        let member = |(id, rows): (&&Id, &Vec<&Track>)| {
            let played: Vec<&Played<'_>> = rows.iter().filter_map(|row| tracks.get(&row.track_id)).collect();
            let first = rows.iter().filter_map(|row| self.born.get(&row.track_id)).min().copied();
            (!played.is_empty()).then(|| Member {
                groups: groups_of_music(rows, &self.tiers, first, self.ended),
                heard: std::array::from_fn(|at| {
                    played.iter().fold(Heard::default(), |sum, track| sum.with(track.heard[at]))
                }),
                money: self.paid.get(&id.to_string()).copied().unwrap_or_default(),
                ..self.member(About::Artist, id)
            })
        };
        let mut artists: Vec<Member> = self.by_artist.iter().filter_map(member).collect();
        size(&mut artists);
        artists
    }
}

/// What the month in which the middle of the data lies pays artists under both terms.
fn paid(
    inputs: &Inputs,
    tables: Pair<&Path>,
    terms: &Pair<Terms>,
) -> Result<HashMap<String, [Pair<Micros>; 2]>, Failure> {
    let mut paid: HashMap<String, [Pair<Micros>; 2]> = HashMap::new();
    let Some((first, last)) = Settings::read(tables[1])?.as_of_ms else { return Ok(paid) };
    let none = Threshold { streams_min: 0, listeners_min: 0, streams_per_listener: 0 };
    for side in [0, 1] {
        let without = Terms { threshold: none, ..terms[side].clone() };
        for (way, terms) in [&terms[side], &without].into_iter().enumerate() {
            for line in month_with(inputs, tables[side], terms, first + (last - first) / 2)?.lines {
                paid.entry(line.artist).or_default()[way][side] += line.paid_micros + line.held_micros;
            }
        }
    }
    Ok(paid)
}

fn course<'a>(fates: &'a Courses, about: About, id: &Id) -> Option<&'a Course> {
    fates.get(&about.subject())?.get(&id.to_string())
}

/// What the labels say of somebody, himself or who answers for him.
pub struct Labelled<'a> {
    /// By kind and id.
    pub labels: &'a Labels,
    /// Whose music it is.
    pub catalogue: &'a HashMap<Id, Track>,
}

impl Labelled<'_> {
    fn own(&self, subject: &str, id: Option<&Id>) -> Option<LabelKind> {
        self.labels.get(&(subject.to_owned(), id?.to_string())).copied()
    }

    /// Music is fraud where it, its artist or its uploader is.
    fn of(&self, about: About, id: &Id) -> Option<LabelKind> {
        let own = self.own(about.name(), Some(id));
        let row = self.catalogue.get(id).filter(|_| about == About::Track);
        let owners = [
            self.own("artist", row.and_then(|row| row.artist_id.as_ref())),
            self.own("uploader", row.and_then(|row| row.uploader_id.as_ref())),
        ];
        own.or(owners.into_iter().flatten().find(|label| *label == LabelKind::Fraud))
    }

    /// The same of any subject.
    pub fn of_subject(&self, subject: Subject, id: &Id) -> Option<LabelKind> {
        match subject {
            Subject::Track => self.of(About::Track, id),
            subject => self.own(subject.name(), Some(id)),
        }
    }

    fn is_of_people(&self, account: &Id) -> bool {
        !matches!(self.own("account", Some(account)), Some(LabelKind::Fraud | LabelKind::Victim))
    }
}

/// An account in the plays.
struct Listened<'a> {
    courses: Pair<Option<&'a Course>>,
    is_of_people: bool,
    heard: [Heard; SOURCES.len()],
    genres: BTreeMap<String, [u64; 3]>,
    first_ended: Millis,
    flow: Flow,
}

/// A track in the plays.
struct Played<'a> {
    judged: Pair<Judged<'a>>,
    waits: Pair<bool>,
    genre: Option<String>,
    artist: Option<Id>,
    heard: [Heard; SOURCES.len()],
    flow: Flow,
}

struct World<'a> {
    label: Labelled<'a>,
    accounts: HashMap<Id, Listened<'a>>,
    tracks: HashMap<Id, Played<'a>>,
    /// Who met which artist in which streams: all, paid under the one, paid under the other.
    meetings: HashMap<(Id, Id), [bool; 3]>,
}

impl<'a> World<'a> {
    fn hear(&mut self, stream: &Stream, known: &'a Pair<Known<'_>>) {
        let World { label, accounts, tracks, meetings } = self;
        let account = accounts.entry(stream.account.clone()).or_insert_with_key(|id| Listened {
            courses: known.each_ref().map(|known| known.of_account(id)),
            is_of_people: label.is_of_people(id),
            heard: Default::default(),
            genres: BTreeMap::new(),
            first_ended: Millis::MAX,
            flow: Flow::default(),
        });
        let track = tracks.entry(stream.track.clone()).or_insert_with_key(|id| {
            let row = label.catalogue.get(id);
            let judged = known.each_ref().map(|known| known.judged(id));
            Played {
                waits: judged.each_ref().map(Judged::waits),
                judged: judged.map(Judged::by_verdicts_alone),
                genre: row.and_then(|row| row.genre.clone()),
                artist: row.and_then(|row| row.artist_id.clone()),
                heard: Default::default(),
                flow: Flow::default(),
            }
        });
        account.first_ended = account.first_ended.min(stream.ended_at);
        let paid = [0, 1].map(|side| {
            known[side].standing(stream.ended_at, account.courses[side], &track.judged[side]) == Standing::Payable
        });
        account.flow.add(account.is_of_people, paid);
        track.flow.add(account.is_of_people, paid);
        if !account.is_of_people {
            return;
        }
        let unpaid = paid.map(|paid| !paid);
        let source = SOURCES.iter().position(|(_, source)| *source == stream.source).unwrap_or(SOURCES.len() - 1);
        account.heard[source].add(unpaid, track.waits);
        track.heard[source].add(unpaid, track.waits);
        let [now, then] = paid;
        if let Some(genre) = &track.genre {
            let sums = account.genres.entry(genre.clone()).or_default();
            *sums = [sums[0] + 1, sums[1] + u64::from(now), sums[2] + u64::from(then)];
        }
        if let Some(artist) = &track.artist {
            let met = meetings.entry((stream.account.clone(), artist.clone())).or_default();
            *met = [true, met[1] || now, met[2] || then];
        }
    }
}

fn met(
    meetings: &HashMap<(Id, Id), [bool; 3]>,
    rows: &HashMap<&Id, Vec<&Track>>,
    born: &HashMap<Id, Millis>,
    until: Millis,
) -> Meetings {
    let mut sums = Meetings::default();
    for ((_, artist), how) in meetings {
        let first = rows.get(artist).into_iter().flatten().filter_map(|row| born.get(&row.track_id)).min();
        let is_new = first.is_some_and(|first| until - first < 365 * DAY_MS);
        for (at, met) in how.iter().enumerate() {
            sums.all[at] += u64::from(*met);
            sums.with_new[at] += u64::from(*met && is_new);
        }
    }
    sums
}

/// When each track appeared: uploaded, released or listed, whichever was first told.
fn births(catalogue: &HashMap<Id, Track>) -> HashMap<Id, Millis> {
    let born = |row: &Track| [row.uploaded_at, row.released_at].into_iter().flatten().min().or(row.valid_from);
    catalogue.iter().filter_map(|(id, row)| Some((id.clone(), born(row)?))).collect()
}

fn rows_by_artist(catalogue: &HashMap<Id, Track>) -> HashMap<&Id, Vec<&Track>> {
    let mut rows: HashMap<&Id, Vec<&Track>> = HashMap::new();
    for row in catalogue.values() {
        if let Some(artist) = &row.artist_id {
            rows.entry(artist).or_default().push(row);
        }
    }
    rows
}

fn tiers(inputs: &Inputs, kinds: &IdKinds) -> Result<HashMap<Id, String>, Failure> {
    let mut latest: HashMap<Id, Distributor> = HashMap::new();
    let keep = |row: Distributor| {
        if latest.get(&row.distributor_id).is_none_or(|known| row.valid_from > known.valid_from) {
            latest.insert(row.distributor_id.clone(), row);
        }
    };
    read_table(&inputs.distributors, kinds, keep, &mut Vec::new()).map_err(input)?;
    Ok(latest.into_iter().filter_map(|(id, row)| Some((id, row.tier?))).collect())
}

fn read_accounts(inputs: &Inputs, kinds: &IdKinds) -> Result<HashMap<Id, Account>, Failure> {
    let mut accounts = HashMap::new();
    let keep = |row: Account| {
        accounts.insert(row.account_id.clone(), row);
    };
    read_table(&inputs.accounts, kinds, keep, &mut Vec::new()).map_err(input)?;
    Ok(accounts)
}

/// What of a group nobody told.
const UNKNOWN: &str = "unknown";

/// How old somebody is at the end.
fn age(born: Option<Millis>, until: Millis) -> &'static str {
    match born.map(|born| (until - born) / DAY_MS) {
        None => UNKNOWN,
        Some(days) if days < 30 => "under 30 days",
        Some(days) if days < 365 => "under a year",
        Some(_) => "a year or more",
    }
}

/// The value that most have; of equals the first by name.
fn most<'a>(values: impl Iterator<Item = (&'a str, u64)>) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    values.for_each(|(value, times)| *counts.entry(value).or_default() += times);
    let most = counts.iter().rev().max_by_key(|(_, count)| **count);
    most.map_or(UNKNOWN, |(value, _)| value).to_owned()
}

fn groups_of_account(row: Option<&Account>, listened: &Listened, until: Millis) -> BTreeMap<&'static str, String> {
    let told = |text: Option<&String>| text.map_or_else(|| UNKNOWN.to_owned(), Clone::clone);
    let by_source = SOURCES.iter().zip(&listened.heard).map(|((name, _), heard)| (*name, heard.streams));
    BTreeMap::from([
        ("age", age(row.and_then(|row| row.created_at).or(Some(listened.first_ended)), until).to_owned()),
        ("country", told(row.and_then(|row| row.country.as_ref()))),
        ("genre", most(listened.genres.iter().map(|(genre, sums)| (genre.as_str(), sums[0])))),
        ("plan", told(row.and_then(|row| row.plan.as_ref()))),
        ("source", most(by_source.filter(|(_, streams)| *streams > 0))),
    ])
}

fn groups_of_music(
    rows: &[&Track],
    tiers: &HashMap<Id, String>,
    first: Option<Millis>,
    until: Millis,
) -> BTreeMap<&'static str, String> {
    let of = |value: for<'a> fn(&'a Track) -> Option<&'a String>| {
        most(rows.iter().filter_map(|row| value(row)).map(|value| (value.as_str(), 1)))
    };
    let tier = rows.iter().filter_map(|row| tiers.get(row.distributor_id.as_ref()?)).map(|tier| (tier.as_str(), 1));
    BTreeMap::from([
        ("age", age(first, until).to_owned()),
        ("country", of(|row| row.country.as_ref())),
        ("genre", of(|row| row.genre.as_ref())),
        ("language", of(|row| row.language.as_ref())),
        ("tier", most(tier)),
    ])
}

/// The sizes of artists by their streams of people: half of them are small, a tenth is large.
fn size(artists: &mut [Member]) {
    let mut streams: Vec<u64> = artists.iter().map(|artist| artist.all_heard().streams).collect();
    streams.sort_unstable();
    let at = |share: f64| streams.get((streams.len() as f64 * share) as usize).copied().unwrap_or(u64::MAX);
    let (middle, large) = (at(0.5), at(0.9));
    for artist in artists {
        let size = match artist.all_heard().streams {
            streams if streams >= large => "largest tenth",
            streams if streams >= middle => "middle",
            _ => "smaller half",
        };
        artist.groups.insert("size", size.to_owned());
    }
}

/// The axes on which members of a kind have groups.
pub fn axes(members: &[Member]) -> BTreeSet<&'static str> {
    members.iter().flat_map(|member| member.groups.keys().copied()).collect()
}
