//! The review desk: pages on which people have the last word. What stands in them is decided behind the trait [`Desk`].
//!
//! ```text
//! /desk/login ──▶ session ──▶ /desk ──▶ /desk/case/SUBJECT/ID ──▶ POST /desk/decide ──▶ the next case
//! /appeal/SUBJECT/ID/CODE ──▶ what the one is told whom it is about ──▶ POST ──▶ /desk?appealed=1
//! ```
//!
//! Pages are made here and work without scripts; a script adds keys. No text from outside is ever markup.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

mod ask;
mod bulk;
mod charts;
mod dashboard;
mod differences;
mod investigate;
mod pages;
mod routes;
mod sessions;
mod sound;
pub(crate) mod texts;
mod upload;

pub(crate) use self::routes::routes;
pub use self::texts::path_part;

/// By which way people come to cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Verdicts, the most urgent first; also whom somebody looked for by id.
    #[default]
    Urgent,
    /// By lot, also of those whom nothing suspects: so that it can be said how often verdicts are wrong.
    Audit,
    /// By doubt, the nearest to a threshold first: what a model learns most from.
    Uncertain,
}

impl Queue {
    /// All of them, by the word of their addresses.
    pub const ALL: [(&'static str, Queue); 3] =
        [("urgent", Queue::Urgent), ("audit", Queue::Audit), ("uncertain", Queue::Uncertain)];

    /// The queue of that word.
    pub fn named(name: &str) -> Option<Queue> {
        Queue::ALL.iter().find(|(known, _)| *known == name).map(|(_, queue)| *queue)
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        Queue::ALL.iter().find(|(_, queue)| *queue == self).map_or("", |(name, _)| name)
    }
}

/// Which cases are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this queue.
    pub queue: Queue,
    /// Of this kind of subject: `account`, `track`, …
    pub subject: Option<String>,
    /// With this verdict: `hold`, `escalate`, `block`.
    pub verdict: Option<String>,
    /// Decided ones instead of open ones.
    pub decided: bool,
    /// Those that somebody appealed against, the earliest first.
    pub appealed: bool,
    /// The page, from 0.
    pub page: usize,
    /// Those of all pages at once.
    pub all: bool,
    /// With at least this R, in percent.
    pub risk_min: Option<u8>,
    /// With a reason or a rule that has these words.
    pub words: Option<String>,
    /// Of this area, one of [`AREAS`], or [`MINE`].
    pub area: Option<String>,
    /// Tracks of this genre, accounts of this country.
    pub origin: Option<String>,
}

pub use records::policy::AREAS;

/// The areas that who asks takes.
pub const MINE: &str = "mine";

/// A page of cases.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    /// As of when.
    pub as_of: Option<String>,
    /// Whether time stands still there: what is decided counts at the next instant, and none comes.
    pub stands: bool,
    /// How many there are on all pages.
    pub total: usize,
    /// How many a page has.
    pub per_page: usize,
    /// Those of this page, the most urgent first.
    pub cases: Vec<CaseLine>,
}

/// Whom somebody looked for.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// As of when.
    pub as_of: Option<String>,
    /// Those that were found.
    pub subjects: Vec<Named>,
    /// Whether there are more.
    pub more: bool,
}

/// Somebody by name.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// What it is.
    pub subject: String,
    /// Which one.
    pub id: String,
    /// What it is called, where it is found by that; in small letters.
    pub name: Option<String>,
    /// What is decided about it.
    pub verdict: String,
}

/// Accounts that use the same devices.
#[derive(Clone, Debug, Default)]
pub struct Circle {
    /// As of when.
    pub as_of: Option<String>,
    /// The group: the id of one of them.
    pub id: String,
    /// How many there are.
    pub size: usize,
    /// The first of them, the gravest first.
    pub members: Vec<CaseLine>,
    /// What they used and who of them plays in step, from the gravest on.
    pub graph: Graph,
}

/// A case in a line.
#[derive(Clone, Debug, Default)]
pub struct CaseLine {
    /// What it is about: `account`, `track`, …
    pub subject: String,
    /// Which one.
    pub id: String,
    /// What the rules say: `hold`, `escalate` or `block`; `allow` where nothing speaks against it any more.
    pub verdict: String,
    /// R, from 0 to 1.
    pub risk: f64,
    /// Plays of the longest window that would be paid.
    pub payable: u64,
    /// About so much money, in USD, waits on it.
    pub stake_usd: f64,
    /// For how many hours it has waited.
    pub waits_hours: f64,
    /// How much of its time is over: 1 and more is too late.
    pub clock: f64,
    /// The strongest reason.
    pub reason: String,
    /// Who is looking at it now.
    pub claimed_by: Option<String>,
    /// What was decided last.
    pub decided: Option<Decided>,
    /// In the audit queue how probable it was to be drawn, in the uncertain one how far R is from the nearest threshold.
    pub sampled: Option<f64>,
}

/// Something that was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: String,
    /// By whom.
    pub by: String,
    /// `confirm`, `override`, `escalate`, `more` or `skip`.
    pub choice: String,
    /// Why, as a code of [`REASONS`]; may be empty.
    pub reason: String,
    /// Why, in words; may be empty.
    pub note: String,
    /// What the rules said then.
    pub verdict: String,
    /// R then.
    pub risk: f64,
    /// Whether it was undone.
    pub undone: bool,
    /// Whether it waits for a second person.
    pub waits_for_second: bool,
    /// By which queue, one of [`Queue::ALL`].
    pub queue: String,
    /// How probable it was to be drawn for the audit, where it was drawn.
    pub inclusion: Option<f64>,
    /// How many were decided together.
    pub together: u64,
}

/// All that is known of a case.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// As of when.
    pub as_of: Option<String>,
    /// See [`Cases::stands`].
    pub stands: bool,
    /// In a line.
    pub line: CaseLine,
    /// What the audio, the plays and the metadata say.
    pub parts: Option<[Part; 3]>,
    /// The verdict that R calls for by itself, where that is known: rules and people may say more or less.
    pub by_risk: Option<String>,
    /// The smallest sets of signals without which R would hold nothing.
    pub hangs_on: Vec<Vec<String>>,
    /// Those against whom nothing is held and whose numbers are most like its own, the nearest first.
    pub alike: Vec<Alike>,
    /// What speaks against it.
    pub contributions: Vec<Contribution>,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// Ids of rules that fired.
    pub rules: Vec<String>,
    /// Rules that people wrote and that match.
    pub hits: Vec<Hit>,
    /// The windows, shortest first, and by measure what it has in each and where that lies among its like.
    pub windows: Vec<String>,
    /// See `windows`.
    pub measures: Vec<Measure>,
    /// When and how it is played, where it is.
    pub habit: Option<Habit>,
    /// Who is linked to it, by what, and why; of an account.
    pub graph: Graph,
    /// The group that it belongs to, and how large that is.
    pub group: Option<(String, u64)>,
    /// The choices for which the policy asks for a note.
    pub notes_for: Vec<String>,
    /// What a person ruled, where that is in force.
    pub ruling: Option<InForce>,
    /// The last appeal against it.
    pub appeal: Option<Appeal>,
    /// The address of what the one is told whom it is about, for those who may send it.
    pub statement: Option<String>,
    /// What was heard, where it is about a track.
    pub sound: Option<Sound>,
    /// What was heard of its tracks, where it is about an artist or an uploader.
    pub works: Option<Works>,
    /// What became of what it brought, where it is an uploader or a distributor and something of it was ever stopped or contradicted.
    pub reputation: Option<Reputation>,
    /// What the catalogue says of it and of others that have its sound.
    pub differences: Vec<Difference>,
    /// What was decided, the latest first.
    pub history: Vec<Decided>,
    /// Which policy and models spoke.
    pub versions: Vec<String>,
    /// The area whose people decide it, and they; where who asks is none of them.
    pub kept_for: Option<(String, Vec<String>)>,
    /// Whether a second person has to agree with what is decided.
    pub needs_second: bool,
    /// Whether a second person has to agree that it is freed.
    pub frees_with_second: bool,
    /// By which queue somebody came.
    pub queue: Queue,
}

/// What became of what an uploader or a distributor brought.
#[derive(Clone, Debug, Default)]
pub struct Reputation {
    /// From 0 to 1; `None` where nothing of it is stopped as of now, or ever was.
    pub now: Option<f64>,
    /// How many tracks there are, and how many of them stand or stood in which way.
    pub counts: Vec<(String, u64)>,
    /// The last times when verdicts or declarations moved it, the latest first: as of when, from where, and to where.
    pub moves: Vec<(String, f64, f64)>,
}

/// The reputation of who brought what an appeal is about.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// As what they brought it: `uploader` or `distributor`.
    pub role: String,
    /// Which one.
    pub id: String,
    /// What it was when the appeal was decided.
    pub before: f64,
    /// What it is as of now.
    pub now: f64,
}

/// What was heard of a track's recording, and what of it can be seen and listened to.
#[derive(Clone, Debug, Default)]
pub struct Sound {
    /// What each detector heard, the gravest first.
    pub evidence: Vec<Heard>,
    /// The recording.
    pub own: Option<Recording>,
    /// Another one that shares sound with it.
    pub other: Option<Recording>,
    /// Where they share it.
    pub matched: Option<Match>,
    /// What is not here, and why.
    pub missing: Vec<String>,
}

/// What was heard of the tracks of an artist or an uploader.
#[derive(Clone, Debug, Default)]
pub struct Works {
    /// The first of them of which something was heard.
    pub tracks: Vec<Work>,
    /// How many those are, at most a thousand.
    pub heard: usize,
}

/// A track of which something was heard.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Which one.
    pub track: String,
    /// Its title, where it is told.
    pub title: Option<String>,
    /// What the gravest evidence says.
    pub heard: Option<Heard>,
    /// The recording, without pictures; `None` where no scan has it.
    pub recording: Option<Recording>,
}

/// When and how somebody is played or plays, beside those who are played, or play, as much.
#[derive(Clone, Debug, Default)]
pub struct Habit {
    /// The window that is looked at.
    pub window: String,
    /// Its plays.
    pub plays: u64,
    /// How many have about as many; 0 where they are too few to compare it with.
    pub others: usize,
    /// By the hour of the week, Monday from 0:00 UTC on: 168 of them.
    pub week: Vec<Class>,
    /// By other classes.
    pub divided: Vec<Divided>,
}

/// Plays by classes of one kind.
#[derive(Clone, Debug, Default)]
pub struct Divided {
    /// By what.
    pub by: &'static str,
    /// The classes, in their order.
    pub classes: Vec<Class>,
}

/// Plays of one class.
#[derive(Clone, Debug, Default)]
pub struct Class {
    /// What people call it.
    pub name: String,
    /// How many.
    pub plays: u32,
    /// The mean share of those who are played, or play, as much, where there are enough of them.
    pub usual: Option<f64>,
}

/// What a detector heard.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Who says it.
    pub detector: String,
    /// Which version of it.
    pub version: String,
    /// How sure it is that something is wrong, from 0 to 1.
    pub risk: f64,
    /// How much of what it asks for it could hear, from 0 to 1.
    pub confidence: f64,
    /// What it heard.
    pub words: String,
    /// From when on it says so; may be empty.
    pub threshold: String,
    /// Since when it is known, unless always.
    pub known_at: Option<String>,
    /// The file that was heard.
    pub file: Option<String>,
}

/// A recording that can be seen or listened to.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What people call it.
    pub name: String,
    /// The hash of its bytes, by which its pictures and its sound are asked for.
    pub hash: String,
    /// How long it is.
    pub seconds: f64,
    /// Samples of a second of it.
    pub rate_hz: u32,
    /// Its waveform.
    pub peaks: Option<Peaks>,
    /// How many seconds each tile of its spectrogram shows.
    pub tiles: Vec<f64>,
    /// Why it cannot be listened to, where it cannot.
    pub silent: Option<String>,
}

/// A waveform.
#[derive(Clone, Debug, Default)]
pub struct Peaks {
    /// How long a point is.
    pub point_seconds: f64,
    /// The least and the greatest sample of each, from -128 to 127.
    pub points: Vec<[i8; 2]>,
}

/// Where two recordings share their sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// From which second of the suspect on.
    pub from: f64,
    /// For how many seconds of it.
    pub length: f64,
    /// From which second of the other recording on.
    pub offset: f64,
    /// How many times as fast the suspect plays.
    pub speed: f64,
    /// How many times as high it sounds.
    pub pitch: f64,
}

/// A part of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clip {
    /// The hash of the bytes of the recording.
    pub hash: String,
    /// Its first sample.
    pub from: u64,
    /// How many it has.
    pub samples: u64,
}

impl Clip {
    /// No clip is longer.
    pub const SECONDS_MAX: u64 = 60;
}

/// Why a clip cannot be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// There is no such recording, or the guest may not hear it.
    Unknown,
    /// So many others are being made that it is not begun: come again.
    Busy,
    /// It cannot be made, in words.
    Refused(String),
}

/// What the catalogue says of another track and of this one.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// The other track.
    pub track: String,
    /// Why it is looked at.
    pub why: String,
    /// Field by field, those that one of both has.
    pub fields: Vec<Field>,
}

/// A field of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What the other track has.
    pub before: Option<String>,
    /// What this one has.
    pub after: Option<String>,
}

/// A ruling in force.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// What it says: `cleared`, `victim` or `confirmed`.
    pub ruling: String,
    /// The verdict that was confirmed; empty otherwise.
    pub verdict: String,
    /// When it was known.
    pub known_at: String,
    /// Until when it speaks, where it ends.
    pub until: Option<String>,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What the one is told whom a verdict is about.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// What it is about: `track`, `artist`, …
    pub subject: String,
    /// Which one.
    pub id: String,
    /// As of when.
    pub as_of: Option<String>,
    /// What is decided: `hold`, `escalate`, `block`, or `allow`.
    pub verdict: String,
    /// What follows, in words.
    pub effect: String,
    /// Since when.
    pub since: Option<String>,
    /// Why, in sentences without numbers.
    pub reasons: Vec<String>,
    /// What the terms say, where a rule names it.
    pub grounds: Vec<String>,
    /// When a person ruled, where one did.
    pub person: Option<String>,
    /// Which policy and models decided.
    pub versions: Vec<String>,
    /// Plays of the longest window that are payable but for this.
    pub payable: u64,
    /// About so much money, in USD, waits on it.
    pub stake_usd: f64,
    /// The last appeal.
    pub appeal: Option<Appeal>,
    /// Whether another one is heard.
    pub may_appeal: bool,
    /// The same for programs.
    pub json: String,
}

/// An appeal.
#[derive(Clone, Debug, Default)]
pub struct Appeal {
    /// When it came.
    pub at: String,
    /// Until when it is to be decided.
    pub due: String,
    /// Whether that has passed.
    pub is_late: bool,
    /// What is said.
    pub text: String,
    /// What came with it.
    pub files: Vec<SentFile>,
    /// Whether another file is taken.
    pub more_files: bool,
    /// What was decided about it.
    pub outcome: Option<Outcome>,
}

/// A file that came with an appeal.
#[derive(Clone, Debug, Default)]
pub struct SentFile {
    /// What who sent it calls it.
    pub name: String,
    /// What it is by its first bytes.
    pub kind: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The hash of them.
    pub hash: String,
}

/// What was decided about an appeal.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// When.
    pub at: String,
    /// `uphold`: the verdict stands; `overturn`: it does not.
    pub choice: String,
    /// Plays of the longest window that hung on it, and about what they pay, in USD.
    pub payable: u64,
    /// See `payable`.
    pub stake_usd: f64,
    /// What became of the reputations of who brought it.
    pub restored: Vec<Restored>,
}

/// A signal.
#[derive(Clone, Debug, Default)]
pub struct Contribution {
    /// Its name.
    pub name: String,
    /// What was seen.
    pub value: f64,
    /// Its share of R.
    pub share: f64,
    /// R and the verdict that it calls for if this signal had not spoken, where that is known.
    pub without: Option<(f64, String)>,
}

/// A part of R.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// What it says, from 0 to 1.
    pub risk: f64,
    /// What it weighs in R, in percent, where that is known.
    pub weight: Option<u8>,
}

/// Somebody whose numbers are alike.
#[derive(Clone, Debug, Default)]
pub struct Alike {
    /// Who.
    pub id: String,
    /// In which measures they differ most: its own number, and theirs.
    pub differs: Vec<(String, f64, f64)>,
    /// Whether a person looked at it and found it honest.
    pub is_found_honest: bool,
}

/// A rule that somebody wrote.
#[derive(Clone, Debug, Default)]
pub struct Hit {
    /// Its id.
    pub rule: String,
    /// What it does.
    pub action: String,
    /// Whether it does so.
    pub effect: String,
    /// Why, in words.
    pub reason: String,
    /// What the terms say of it; may be empty.
    pub ground: String,
    /// Who answers for it.
    pub owner: String,
}

/// A measure in all windows.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// Per window: the value, and the share of its like that have less.
    pub cells: Vec<Option<(f64, f64)>>,
}

/// Accounts and what they used, from one account on.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// That account, and then the nearest first.
    pub nodes: Vec<Node>,
    /// Why two of them belong together.
    pub edges: Vec<Edge>,
    /// How many more accounts and things are next to those.
    pub left_out: usize,
}

/// An account, or a thing that accounts use.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What it is: `account`, or a kind of link: `device`, `ip_prefix`.
    pub subject: String,
    /// Which one.
    pub id: String,
    /// What is decided about it; empty where nothing can be.
    pub verdict: String,
    /// The place of the one by which it was found; its own place where it is the first.
    pub found_by: usize,
    /// Whether more accounts use it than are linked by a thing.
    pub is_hub: bool,
}

/// Why two nodes belong together.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// Their places, the nearer one first.
    pub ends: [usize; 2],
    /// Why.
    pub why: String,
    /// Whether both play in step; else one used the other.
    pub in_step: bool,
}

/// A surge that changes thresholds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wave {
    /// What is counted.
    pub measure: String,
    /// Whose thresholds.
    pub segment: String,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// What was seen, and what was expected.
    pub seen: u64,
    /// See `seen`.
    pub expected: f64,
    /// What follows, in words.
    pub effect: String,
}

/// What people found among those that were drawn by lot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audited {
    /// With this verdict when they were looked at; `allow`: nothing suspected them.
    pub verdict: String,
    /// So many are looked at.
    pub looked_at: usize,
    /// So many of them are fraud.
    pub fraud: usize,
    /// The share of fraud among all that they were drawn from, and its 95 % interval.
    pub share: [f64; 3],
}

/// How far the risks of a kind of subject have moved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// The kind.
    pub kind: String,
    /// The population stability index of the last day against the week before; `None` where too little is known.
    pub index: Option<f64>,
    /// Subjects with a risk, in the mean over the day and over the week.
    pub subjects: [f64; 2],
}

/// Verdicts and decisions on those who have something in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cut {
    /// What they have in common: `genre` of tracks, `country` of accounts, `source` of most of the plays of accounts.
    pub axis: String,
    /// The one they have; nothing where nobody tells one.
    pub group: String,
    /// As of now held, escalated and blocked.
    pub verdicts: [u64; 3],
    /// Of closed cases those that people found to be fraud, and those that they found not to be.
    pub found: [u64; 2],
}

/// The same of verdicts at the last instant under one policy and model and the first under another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moved {
    /// See [`Cut`].
    pub axis: String,
    /// See [`Cut`].
    pub group: String,
    /// Held, escalated and blocked, before and after.
    pub counts: [[u64; 3]; 2],
}

/// How long it took until there was a verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detected {
    /// The kind of subject.
    pub kind: String,
    /// So many got one in the last 28 days of whom it is known since when something speaks against them.
    pub found: usize,
    /// Half of them within so many hours of that,
    pub half_hours: f64,
    /// and nine of ten within so many.
    pub most_hours: f64,
}

/// What was decided otherwise when another policy or another model came into force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// Since when it was seen to decide.
    pub at: String,
    /// The policy, and the model that scores beside it, before and after.
    pub in_force: [String; 2],
    /// By kind of subject: those that were held, escalated and blocked at the last instant before and at the first after.
    pub verdicts: Vec<(String, [[u64; 3]; 2])>,
    /// By kind of subject: the population stability index of R between these two instants; `None` where too few have a risk.
    pub moves: Vec<(String, Option<f64>)>,
    /// Of the verdicts that people closed last under the one and under the other: how many were confirmed, and how many there are.
    pub confirmed: [(u64, u64); 2],
    /// The groups whose verdicts differ.
    pub moved: Vec<Moved>,
}

/// An hour of the last days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hour {
    /// When it began.
    pub at: String,
    /// How many there were: decisions; or verdicts held, escalated and blocked.
    pub counts: Vec<u64>,
}

/// Cases that nobody could be told from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What they have in common: kind, verdict, R in tenths, payable plays in powers of ten; empty: any.
    pub common: [String; 4],
    /// How many there are.
    pub cases: usize,
}

/// What would be decided at once.
#[derive(Clone, Debug, Default)]
pub struct Bulk {
    /// As of when.
    pub as_of: Option<String>,
    /// The cases.
    pub cases: Vec<CaseLine>,
    /// How many more fit: they are not among them.
    pub more: usize,
    /// What tells this list from any other.
    pub seal: String,
}

/// How things stand, in numbers.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// As of when.
    pub as_of: Option<String>,
    /// See [`Cases::stands`].
    pub stands: bool,
    /// How many hours of the clock lie between that and now.
    pub lags_hours: f64,
    /// By kind of subject: those that are held, escalated and blocked.
    pub verdicts: Vec<(String, [u64; 3])>,
    /// Cases that wait.
    pub waiting: usize,
    /// Those of them that wait too long.
    pub late: usize,
    /// For how many hours half of them have waited, or less.
    pub half_hours: f64,
    /// For how many hours the oldest has.
    pub oldest_hours: f64,
    /// The areas that have people of their own.
    pub areas: Vec<AreaOfPeople>,
    /// Cases that wait for a second person, or on appeal, for whom nobody of their area is left.
    pub for_all: usize,
    /// What was decided by each person, those who decided most first.
    pub people: Vec<Reviewer>,
    /// Of the final decisions by verdict: how many confirmed it, and how many there are.
    pub confirmed: Vec<(String, u64, u64)>,
    /// Of the cases that two people decided: how many they agreed on, how many there are, and Cohen's kappa where it can be said.
    pub agreement: (u64, u64, Option<f64>),
    /// What people found among those that were drawn, by verdict.
    pub audited: Vec<Audited>,
    /// How many of those that are drawn as of now wait.
    pub drawn: usize,
    /// Decisions of each of the last 48 hours.
    pub decisions: Vec<Hour>,
    /// Cases that wait, by how many hours they have at most, and how many of them wait too long.
    pub ages: Vec<(String, u64, u64)>,
    /// Verdicts of each of the hours that are known: held, escalated and blocked.
    pub verdicts_by_hour: Vec<Hour>,
    /// How far risks have moved.
    pub drift: Vec<Drift>,
    /// What other policies and models decided otherwise, the last first.
    pub turns: Vec<Turn>,
    /// Verdicts and decisions by genre, country and source.
    pub cuts: Vec<Cut>,
    /// How long it took until there was a verdict.
    pub detected: Vec<Detected>,
    /// The surges that last.
    pub waves: Vec<Wave>,
}

/// An area, and whom the policy names for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AreaOfPeople {
    /// One of [`AREAS`].
    pub area: String,
    /// Those of them who decide.
    pub people: Vec<String>,
    /// Those of them whom there are not, or who decide nothing.
    pub absent: Vec<String>,
}

/// What somebody decided.
#[derive(Clone, Debug, Default)]
pub struct Reviewer {
    /// Who.
    pub name: String,
    /// Decisions of the last 24 hours, and of all time; those that were undone are left out.
    pub decisions: [u64; 2],
    /// Of those that say what is true: how many override.
    pub overrides: (u64, u64),
}

/// What somebody decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What it is about.
    pub subject: String,
    /// Which one.
    pub id: String,
    /// One of [`CHOICES`].
    pub choice: String,
    /// One of [`REASONS`], or nothing.
    pub reason: String,
    /// Why, in words.
    pub note: String,
    /// What the rules said when the page was made: it may have changed meanwhile.
    pub verdict: String,
    /// By which queue somebody came.
    pub queue: Queue,
    /// The number of the last decision that the page told, 0 where it told none: another may have been made meanwhile.
    pub seen: u64,
}

/// What can be decided: the word, the key, and what it means.
pub const CHOICES: [(&str, &str, &str); 10] = [
    ("confirm", "c", "The verdict is right"),
    ("override", "o", "The verdict is wrong: it is honest"),
    ("escalate", "e", "Somebody else must decide"),
    ("more", "m", "More evidence is needed"),
    ("skip", "s", "Not now"),
    (UPHOLD, "p", "The appeal is not right: the verdict stands"),
    (OVERTURN, "v", "The appeal is right: it is honest, or fraud was done to it"),
    (WITHDRAW, "w", "What was ruled is taken back: the rules alone decide"),
    (HONEST, "g", "Nothing speaks against it, and that is right: it is honest"),
    (FRAUD, "f", "It is fraud that nothing speaks against; a second person must agree"),
];

/// The choice that there is only where something was ruled.
pub const WITHDRAW: &str = "withdraw";
/// The choices that there are only where somebody appealed.
pub const UPHOLD: &str = "uphold";
/// See [`UPHOLD`].
pub const OVERTURN: &str = "overturn";
/// The choices that there are only where there is no verdict.
pub const HONEST: &str = "honest";
/// See [`HONEST`].
pub const FRAUD: &str = "fraud";
/// The choices that many cases can have at once.
pub const AT_ONCE: [&str; 4] = ["confirm", "override", "escalate", "more"];
/// So many cases are decided at once at most.
pub const AT_ONCE_MAX: usize = 200;

/// Why a verdict is wrong: the word, and what it means. Who overrides says one.
pub const REASONS: [(&str, &str); 6] = [
    ("fans", "Genuine listeners: fans, an event, a campaign"),
    ("shared", "A family, a café, a shared device or network"),
    ("habit", "An unusual habit: sleep music, one album for days"),
    ("victim", "Fraud was done to it, not by it"),
    ("data", "The telemetry or the metadata is wrong"),
    ("other", "Another reason: see the note"),
];

/// Decides what stands on the pages.
pub trait Desk: Send + Sync {
    /// What the user may do, where the password is right. Takes its time: to be called where one may wait.
    ///
    /// # Errors
    /// When it is wrong; with a time, when too many were, and none is looked at before that time is over.
    fn login(&self, name: &str, password: &str) -> Result<crate::Guest, Option<Duration>>;

    /// Whether the user still has this role: somebody may have been removed since.
    fn is_still(&self, guest: &crate::Guest) -> bool;

    /// A page of cases, as this guest sees them; who asks for one has left the case where he was.
    fn cases(&self, guest: &crate::Guest, wanted: &Wanted) -> Cases;

    /// A case; `None` where there is nothing of it. Whoever may decide has claimed it by asking.
    fn case(&self, guest: &crate::Guest, subject: &str, id: &str) -> Option<Case>;

    /// Whoever has this in an id or a name; `None` where there is too little to look for.
    fn search(&self, guest: &crate::Guest, part: &str) -> Option<Found>;

    /// The accounts of a group; `None` where there is none, or the guest may not see it.
    fn circle(&self, guest: &crate::Guest, group: &str) -> Option<Circle>;

    /// The first case of the queue at which nobody else looks: its kind and id. Whoever may decide has claimed it by asking.
    fn next(&self, guest: &crate::Guest, queue: Queue) -> Option<(String, String)>;

    /// Cases in groups of at least ten that have something in common, for who may not see whose they are; how many are in no such group is not told.
    fn groups(&self, guest: &crate::Guest, wanted: &Wanted) -> Vec<Group>;

    /// What would be decided at once; `None` where the guest decides nothing.
    fn bulk(&self, guest: &crate::Guest, wanted: &Wanted) -> Option<Bulk>;

    /// Takes a decision about all of a list that has this seal; the number of the first, and how many there are. They are undone together.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn decide_all(
        &self,
        guest: &crate::Guest,
        wanted: &Wanted,
        choice: &Choice,
        seal: &str,
    ) -> Result<(u64, usize), String>;

    /// Under which id the one stands in tables of whom the guest knows this id.
    fn id_in_tables(&self, guest: &crate::Guest, subject: &str, id: &str) -> String;

    /// A tile of the spectrogram of a recording, as PNG; `None` where there is none, or the guest may not see it.
    fn spectrum(&self, guest: &crate::Guest, hash: &str, tile: usize) -> Option<Vec<u8>>;

    /// A part of a recording, as a WAV file of 16 bits and one channel. Takes its time: to be called where one may wait.
    ///
    /// # Errors
    /// Why it cannot be heard.
    fn clip(&self, guest: &crate::Guest, clip: &Clip) -> Result<Arc<[u8]>, Silence>;

    /// How things stand.
    fn overview(&self, guest: &crate::Guest) -> Overview;

    /// Takes a decision; its number.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn decide(&self, guest: &crate::Guest, choice: &Choice) -> Result<u64, String>;

    /// What the one is told whom the case is about; `None` where the code is not the case's.
    fn statement(&self, subject: &str, id: &str, code: &str) -> Option<Statement>;

    /// Takes an appeal of who has the code of the case.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn appeal(&self, subject: &str, id: &str, code: &str, text: &str) -> Result<(), String>;

    /// Takes a file for the appeal that waits, of who has the code of the case.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn add_file(&self, subject: &str, id: &str, code: &str, name: &str, bytes: &[u8]) -> Result<(), String>;

    /// A file that came with an appeal, and how many bytes it has; `None` where there is none, or the guest may not have it.
    fn file(&self, guest: &crate::Guest, hash: &str) -> Option<(u64, File)>;

    /// Takes back a decision of one's own that is younger than 30 s, and those that were made with it; the kind and the id of whom the first was
    /// about, whose case waits again.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn undo(&self, guest: &crate::Guest, number: u64) -> Result<(String, String), String>;
}
