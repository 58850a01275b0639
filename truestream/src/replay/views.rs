//! The views: their names, their columns, and how a row of each becomes cells.

use std::sync::Arc;

use dataflows::links::LinkKind;
use dataflows::risk::Place;
use dataflows::scores::Side;
use datasets::names::NameTable;
use datasets::tables::read::{INSTANT_MAX, INSTANT_MIN};
use datasets::tables::{Cell, Holds, IdKind};
use features::WindowRow;
use features::columns::{Column, Figure, columns};
use features::profile::{self, Profile, track, uploader};
use features::risk::Voices;
use features::sequence::Sequence;
use features::tally::Axis;
use records::clause::{Clause, Effect};
use records::declaring::{Doubt, Ledger};
use records::gate::{Action, Finding, Found};
use records::policy::Origin;
use records::reputation::Record;
use records::{Id, IdSpace, Millis, Risk, Ruling, Subject, Territory, Verdict};

/// A table that a replay can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// One of the window views.
    Window(Axis),
    /// Groups of accounts.
    Groups,
    /// Links that are hubs; written whenever groups are.
    Hubs,
    /// Pairs of accounts.
    Lockstep,
    /// What a model knows of accounts; written where it is asked for.
    Features,
    /// What a model may know of tracks or uploaders; written where it is asked for.
    AudienceFeatures(Axis),
    /// What accounts played last; written where it is asked for.
    Sequences,
    /// What a network says of accounts; written where it is asked for.
    Network,
    /// What models say of accounts; written where it is asked for.
    Scores,
    /// How sure we are about each subject.
    Risk,
    /// What is done about subjects.
    Verdict,
    /// Which rules that people wrote match whom; written where there are some.
    RuleHit,
    /// What people ruled about whom; written where somebody did.
    Ruling,
    /// Plays that count for nothing.
    Withheld,
    /// Tracks that are not paid before they declare what they must.
    PayoutHold,
    /// What distributors declare beside what is heard.
    DisclosureLedger,
    /// What became of what uploaders, distributors and owners of playlists brought.
    Reputation,
    /// What the gate finds about uploads.
    Gate,
    /// Surges that tighten thresholds; written where the policy has some.
    Wave,
    /// Rows that were set aside.
    Refusal,
}

/// All views, in the order of the contract.
pub const VIEWS: [(&str, View); 26] = [
    ("account_window", View::Window(Axis::Account)),
    ("track_window", View::Window(Axis::Track)),
    ("artist_window", View::Window(Axis::Artist)),
    ("uploader_window", View::Window(Axis::Uploader)),
    ("playlist_window", View::Window(Axis::Playlist)),
    ("distributor_window", View::Window(Axis::Distributor)),
    ("account_group", View::Groups),
    ("hubs", View::Hubs),
    ("lockstep", View::Lockstep),
    ("account_features", View::Features),
    ("track_features", View::AudienceFeatures(Axis::Track)),
    ("uploader_features", View::AudienceFeatures(Axis::Uploader)),
    ("account_sequence", View::Sequences),
    ("account_network", View::Network),
    ("account_score", View::Scores),
    ("risk", View::Risk),
    ("verdict", View::Verdict),
    ("rule_hit", View::RuleHit),
    ("ruling", View::Ruling),
    ("withheld", View::Withheld),
    ("payout_hold", View::PayoutHold),
    ("disclosure_ledger", View::DisclosureLedger),
    ("reputation", View::Reputation),
    ("gate", View::Gate),
    ("wave", View::Wave),
    ("refusal", View::Refusal),
];

impl View {
    /// The name of its table.
    pub fn name(self) -> &'static str {
        VIEWS.iter().find(|(_, view)| *view == self).map_or("", |(name, _)| name)
    }

    /// What its rows are about, where they are of windows.
    pub fn axis(self) -> Option<Axis> {
        match self {
            View::Window(axis) => Some(axis),
            _ => None,
        }
    }
}

/// The kinds of links, by the names of the options and of the `hubs` table.
pub const LINKS: [(&str, LinkKind); 3] =
    [("device", LinkKind::Device), ("ip_prefix", LinkKind::IpPrefix), ("payment", LinkKind::Payment)];

/// The name of a kind of link.
pub fn link_name(kind: LinkKind) -> &'static str {
    LINKS.iter().find(|(_, link)| *link == kind).map_or("", |(name, _)| name)
}

/// Which ids a link has.
pub fn link_space(kind: LinkKind) -> IdSpace {
    match kind {
        LinkKind::Device => IdSpace::Device,
        LinkKind::IpPrefix => IdSpace::IpPrefix,
        LinkKind::Payment => IdSpace::Payment,
    }
}

/// The name of the key column of a window view, and which ids it holds.
pub fn key_column(axis: Axis) -> (&'static str, IdSpace) {
    match axis {
        Axis::Account => ("account_id", IdSpace::Account),
        Axis::Track => ("track_id", IdSpace::Track),
        Axis::Artist => ("artist_id", IdSpace::Artist),
        Axis::Uploader => ("uploader_id", IdSpace::Uploader),
        Axis::Playlist => ("playlist_id", IdSpace::Playlist),
        Axis::Distributor => ("distributor_id", IdSpace::Distributor),
    }
}

type Columns = Vec<(&'static str, Holds)>;

/// The columns of a window view after `as_of` (and `diff`).
pub fn window_columns(axis: Axis, names: &NameTable) -> Columns {
    let (key, space) = key_column(axis);
    let head = [("window", Holds::Text), (key, Holds::Id(names.kind(space)))];
    let counts = window_counts(axis, &WindowRow::default());
    let held = |(name, cell): (&'static str, Cell<'_>)| match cell {
        Cell::Float(_) => (name, Holds::Float),
        _ => (name, Holds::Count),
    };
    head.into_iter().chain(counts.into_iter().map(held)).collect()
}

/// The row without the numbers that its view does not show: what only they tell apart is one row.
pub fn shown(axis: Axis, row: WindowRow) -> WindowRow {
    if axis == Axis::Account {
        return WindowRow { listeners: 0, new_account_plays: 0, uploads: 0, ..row };
    }
    let tracks = if axis == Axis::Track { 0 } else { row.tracks };
    let uploads = if matches!(axis, Axis::Uploader | Axis::Distributor) { row.uploads } else { 0 };
    WindowRow {
        tracks,
        uploads,
        artists: 0,
        asns: 0,
        playlists: 0,
        active_hours: 0,
        skipped: 0,
        offline: 0,
        shuffled: 0,
        hosted: 0,
        ..row
    }
}

/// The numbers of a row with the names of their columns, in the order of the contract.
pub fn window_counts(axis: Axis, row: &WindowRow) -> Vec<(&'static str, Cell<'static>)> {
    let cell = |column: &Column| match (column.read)(row) {
        Figure::Count(count) => (column.name, Cell::Count(count)),
        Figure::Fraction(fraction) => (column.name, Cell::Float(fraction)),
    };
    columns(axis).map(cell).collect()
}

/// The columns of `account_group` after `as_of`.
pub fn group_columns(names: &NameTable) -> Columns {
    let id = Holds::Id(names.kind(IdSpace::Account));
    vec![("account_id", id), ("group_id", id), ("size", Holds::Count)]
}

/// The columns of `hubs` after `as_of`; its ids are numbers only if those of all kinds of links are.
pub fn hub_columns(names: &NameTable, kinds: &[LinkKind]) -> Columns {
    let id = if hubs_are_texts(names, kinds) { IdKind::Text } else { IdKind::Number };
    vec![("link", Holds::Text), ("id", Holds::Id(id)), ("accounts", Holds::Count)]
}

/// Whether some kind of link has texts for ids.
pub fn hubs_are_texts(names: &NameTable, kinds: &[LinkKind]) -> bool {
    kinds.iter().any(|kind| names.kind(link_space(*kind)) == IdKind::Text)
}

/// The columns of `lockstep` after `as_of`.
pub fn lockstep_columns(names: &NameTable) -> Columns {
    let id = Holds::Id(names.kind(IdSpace::Account));
    vec![("account_a", id), ("account_b", id), ("shared", Holds::Count)]
}

/// The columns of `account_features` after `as_of`.
pub fn feature_columns(names: &NameTable) -> Columns {
    let features = profile::names().iter().map(|name| (*name, Holds::Feature));
    [("account_id", Holds::Id(names.kind(IdSpace::Account)))].into_iter().chain(features).collect()
}

/// The columns of `track_features` or `uploader_features` after `as_of`.
pub fn audience_feature_columns(axis: Axis, names: &NameTable) -> Columns {
    let (key, space) = key_column(axis);
    let features = if axis == Axis::Uploader { uploader::names() } else { track::names() };
    let features = features.iter().map(|name| (*name, Holds::Feature));
    [(key, Holds::Id(names.kind(space)))].into_iter().chain(features).collect()
}

/// The columns of `account_sequence` after `as_of`.
pub fn sequence_columns(names: &NameTable) -> Columns {
    let [hours, plays] = ["hours", "plays"].map(|name| (name, Holds::Series));
    vec![("account_id", Holds::Id(names.kind(IdSpace::Account))), hours, plays]
}

/// The columns of `account_network` after `as_of`.
pub fn network_columns(names: &NameTable) -> Columns {
    vec![("account_id", Holds::Id(names.kind(IdSpace::Account))), ("network", Holds::Feature)]
}

/// The columns of `account_score` after `as_of`.
pub fn score_columns(names: &NameTable) -> Columns {
    let id = ("account_id", Holds::Id(names.kind(IdSpace::Account)));
    vec![id, ("side", Holds::Text), ("model", Holds::Text), ("probability", Holds::Float)]
}

/// The columns of `risk` after `as_of`. Ids of several kinds share a column, so they are texts.
pub fn risk_columns() -> Columns {
    let [r, rc, rb, rp] = ["r", "rc", "rb", "rp"].map(|name| (name, Holds::Float));
    vec![("subject", Holds::Text), ("subject_id", Holds::Text), r, rc, rb, rp, ("parts", Holds::Text)]
}

/// The columns of `verdict` after `as_of`.
pub fn verdict_columns() -> Columns {
    let [subject, id, verdict] = ["subject", "subject_id", "verdict"].map(|name| (name, Holds::Text));
    let texts = ["reasons", "rules", "policy_version", "models"].map(|name| (name, Holds::Text));
    [subject, id, verdict, ("r", Holds::Float)].into_iter().chain(texts).collect()
}

/// The columns of `rule_hit` after `as_of`.
pub fn hit_columns() -> Columns {
    let [subject, id, rule] = ["subject", "subject_id", "rule"].map(|name| (name, Holds::Text));
    let texts = ["window", "action", "effect"].map(|name| (name, Holds::Text));
    let why = ["code", "reason", "ground", "owner", "policy_version"].map(|name| (name, Holds::Text));
    let head = [subject, id, rule, ("rule_version", Holds::Count)];
    head.into_iter().chain(texts).chain([("decides", Holds::Count)]).chain(why).collect()
}

/// The columns of `ruling` after `as_of`.
pub fn ruling_columns() -> Columns {
    let texts = ["subject", "subject_id", "ruling", "verdict"].map(|name| (name, Holds::Text));
    let instants = ["known_at", "since", "until"].map(|name| (name, Holds::Instant));
    let why = ["ruled_by", "reason"].map(|name| (name, Holds::Text));
    texts.into_iter().chain(instants).chain(why).collect()
}

/// The columns of `withheld`, `as_of` included.
pub fn withheld_columns(names: &NameTable) -> Columns {
    let id = |space| Holds::Id(names.kind(space));
    vec![
        ("as_of", Holds::Instant),
        ("play_id", id(IdSpace::Play)),
        ("account_id", id(IdSpace::Account)),
        ("track_id", id(IdSpace::Track)),
        ("reason", Holds::Text),
    ]
}

/// The columns of `payout_hold` after `as_of`.
pub fn payout_columns(names: &NameTable) -> Columns {
    let texts =
        ["distributor_id", "declared", "heard", "reasons", "rules", "policy_version"].map(|name| (name, Holds::Text));
    [("track_id", Holds::Id(names.kind(IdSpace::Track)))].into_iter().chain(texts).collect()
}

/// The columns of `disclosure_ledger` after `as_of`.
pub fn ledger_columns(names: &NameTable) -> Columns {
    let counts = Ledger::default().counts().map(|(name, _)| (name, Holds::Count));
    [("distributor_id", Holds::Id(names.kind(IdSpace::Distributor)))].into_iter().chain(counts).collect()
}

/// The columns of `reputation` after `as_of`.
pub fn reputation_columns() -> Columns {
    let ids = ["subject", "subject_id"].map(|name| (name, Holds::Text));
    let counts = ["subjects", "held", "escalated", "blocked", "overturned", "contradicted"];
    let counts = counts.map(|name| (name, Holds::Count));
    ids.into_iter().chain(counts).chain([("reputation", Holds::Float)]).collect()
}

/// The columns of `gate` after `as_of`.
pub fn gate_columns(names: &NameTable) -> Columns {
    let texts = |names: [&'static str; 2]| names.map(|name| (name, Holds::Text));
    let head = [("track_id", Holds::Id(names.kind(IdSpace::Track))), ("rule", Holds::Text), ("action", Holds::Text)];
    let counts = ["seen", "against"].map(|name| (name, Holds::Count));
    let who = texts(["uploader_id", "distributor_id"]);
    head.into_iter().chain(counts).chain(who).chain(texts(["reason", "policy_version"])).collect()
}

/// The columns of `wave` after `as_of`.
pub fn wave_columns() -> Columns {
    let texts = ["wave", "measure", "segment"].map(|name| (name, Holds::Text));
    let instants = ["from", "until"].map(|name| (name, Holds::Instant));
    let counts = ["hours", "seen"].map(|name| (name, Holds::Count));
    let floats = ["expected", "deviation"].map(|name| (name, Holds::Float));
    let words = ["effect", "policy_version"].map(|name| (name, Holds::Text));
    texts.into_iter().chain(instants).chain(counts).chain(floats).chain(words).collect()
}

/// A key of a row, ordered as the contract orders rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// Window (its place among the windows, shortest first) and key.
    Window(u8, Id),
    /// An account.
    Account(Id),
    /// A track or an uploader.
    Audience(Id),
    /// A track.
    Track(Id),
    /// A distributor.
    Distributor(Id),
    /// An account, and on which side a model scores it.
    Scored(Id, Side),
    /// A link.
    Link(&'static str, Id),
    /// Two accounts, the smaller first.
    Pair(Id, Id),
    /// A subject and its id as a text.
    Subject(Subject, String),
    /// Who answers for tracks or playlists: kind and id as a text.
    Owner(&'static str, String),
    /// A subject and its id as a text, and a rule by its place.
    Hit(Subject, String, Place),
    /// A track, and what is found about it.
    Finding(Id, Finding),
    /// A wave by its name.
    Wave(String),
}

/// What stands behind the key.
#[derive(Clone, Debug, PartialEq)]
pub enum RowValue {
    /// The numbers of a window.
    Window(Box<WindowRow>),
    /// Group and size.
    Group(Id, u32),
    /// Accounts, or shared buckets.
    Count(u32),
    /// The features of an account, a track or an uploader.
    Features(Profile),
    /// What an account played last.
    Sequence(Box<Sequence>),
    /// What a network says of an account.
    Network(f32),
    /// A model, and how probable it finds fraud.
    Score(Arc<str>, Risk),
    /// A risk.
    Risk(Box<RiskRow>),
    /// A verdict.
    Verdict(Box<VerdictRow>),
    /// A rule that matches.
    Hit(Box<HitRow>),
    /// What a person ruled.
    Ruling(Box<Ruling>),
    /// Why a track is not paid yet.
    Payout(Box<PayoutRow>),
    /// What became of what somebody brought.
    Record(Box<Record>),
    /// What a distributor's tracks declare.
    Ledger(Box<Ledger>),
    /// What the gate finds about a track.
    Finding(Box<FindingRow>),
    /// What tightens thresholds.
    Wave(Box<WaveRow>),
}

/// A row of `risk`.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskRow {
    /// R and its three parts.
    pub risks: [Risk; 4],
    /// The contributions as a JSON array.
    pub parts: String,
    /// What is asked of it beside.
    pub voiced: Voiced,
}

/// What a risk is made of, and in which segment it is judged: enough to say what would be decided without some of its signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Voiced {
    /// The signals.
    pub voices: Voices,
    /// The tier by whose thresholds it is judged, where that has some of its own.
    pub tier: Option<Box<str>>,
    /// Its territory, where some policy has numbers for it.
    pub territory: Option<Territory>,
}

impl Voiced {
    /// Where the subject comes from.
    pub fn origin(&self) -> Origin<'_> {
        Origin { tier: self.tier.as_deref(), territory: self.territory }
    }
}

/// A row of `verdict`.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictRow {
    /// R.
    pub r: Risk,
    /// What is done.
    pub verdict: Verdict,
    /// Why, in words, strongest first.
    pub reasons: Vec<String>,
    /// The same as a JSON array.
    pub reasons_json: String,
    /// The rules that fired, strongest first, as a JSON array.
    pub rules_json: String,
    /// The policy that says so.
    pub policy_version: Arc<str>,
    /// The models that had a say, as a JSON array.
    pub models_json: String,
}

/// A row of `rule_hit`.
#[derive(Clone, Debug, PartialEq)]
pub struct HitRow {
    /// The rule.
    pub clause: Arc<Clause>,
    /// What becomes of the match.
    pub effect: Effect,
    /// Whether the verdict is what the rule calls for, and would be less without rules.
    pub decides: bool,
    /// The policy that has the rule.
    pub policy_version: Arc<str>,
}

/// A row of `payout_hold`.
#[derive(Clone, Debug, PartialEq)]
pub struct PayoutRow {
    /// The track's distributor; empty where it has none.
    pub distributor: String,
    /// What it declares, or `undeclared`.
    pub declared: &'static str,
    /// What it sounds like.
    pub heard: &'static str,
    /// Why money waits, as a JSON array of sentences.
    pub reasons_json: String,
    /// The rules that say so, as a JSON array.
    pub rules_json: String,
    /// The policy that has these rules.
    pub policy_version: Arc<str>,
}

/// A row of `gate`.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingRow {
    /// What was found, and the numbers behind it.
    pub found: Found,
    /// What follows.
    pub action: Action,
    /// The track's uploader; empty where it has none.
    pub uploader: String,
    /// Its distributor, likewise.
    pub distributor: String,
    /// The reason in words.
    pub reason: String,
    /// The policy that has the limits.
    pub policy_version: Arc<str>,
}

/// A row of `wave`.
#[derive(Clone, Debug, PartialEq)]
pub struct WaveRow {
    /// What is counted.
    pub measure: &'static str,
    /// Whose thresholds are lowered.
    pub segment: String,
    /// As of which instant on.
    pub from: Millis,
    /// And until which.
    pub until: Millis,
    /// Over how many hours it is counted.
    pub hours: u64,
    /// What was seen when it began.
    pub seen: u64,
    /// What was expected then.
    pub expected: f64,
    /// How far such counts usually lie from it.
    pub deviation: f64,
    /// The thresholds, in words.
    pub effect: String,
    /// The policy that says so.
    pub policy_version: Arc<str>,
}

impl PayoutRow {
    /// Whether what is declared is contradicted by what is heard.
    pub fn is_contradicted(&self) -> bool {
        self.rules_json.contains(Doubt::Contradicted.rule())
    }
}

/// The cells of a row after `as_of` (and `diff`).
pub fn push_cells<'a>(
    axis: Option<Axis>,
    labels: &'a [Arc<str>],
    key: &'a RowKey,
    value: &'a RowValue,
    to: &mut Vec<Cell<'a>>,
) {
    match key {
        RowKey::Window(window, id) => to.extend([Cell::Text(&labels[usize::from(*window)]), Cell::Id(id)]),
        RowKey::Account(id) | RowKey::Audience(id) | RowKey::Track(id) | RowKey::Distributor(id) => {
            to.push(Cell::Id(id))
        }
        RowKey::Scored(id, side) => to.extend([Cell::Id(id), Cell::Text(side.name())]),
        RowKey::Link(kind, id) => to.extend([Cell::Text(kind), Cell::Id(id)]),
        RowKey::Pair(a, b) => to.extend([Cell::Id(a), Cell::Id(b)]),
        RowKey::Wave(name) => to.push(Cell::Text(name)),
        RowKey::Finding(id, finding) => to.extend([Cell::Id(id), Cell::Text(finding.code())]),
        RowKey::Owner(kind, id) => to.extend([Cell::Text(kind), Cell::Text(id)]),
        RowKey::Subject(subject, id) | RowKey::Hit(subject, id, _) => {
            to.extend([Cell::Text(subject.name()), Cell::Text(id)])
        }
    }
    match value {
        RowValue::Window(row) => {
            let axis = axis.expect("only window views have rows of windows");
            to.extend(window_counts(axis, row).into_iter().map(|(_, cell)| cell));
        }
        RowValue::Group(group, size) => to.extend([Cell::Id(group), Cell::Count((*size).into())]),
        RowValue::Count(count) => to.push(Cell::Count((*count).into())),
        RowValue::Features(profile) => to.extend(profile.0.iter().map(|value| Cell::Feature(*value))),
        RowValue::Sequence(sequence) => to.extend([Cell::Series(&sequence.hours), Cell::Series(&sequence.plays)]),
        RowValue::Score(model, fraud) => to.extend([Cell::Text(model), Cell::Float(fraud.share())]),
        RowValue::Network(score) => to.push(Cell::Feature(*score)),
        RowValue::Risk(row) => {
            to.extend(row.risks.map(|risk| Cell::Float(risk.share())));
            to.push(Cell::Text(&row.parts));
        }
        RowValue::Hit(row) => {
            let Clause { id, version, window, action, code, reason, ground, owner, .. } = &*row.clause;
            to.extend([Cell::Text(id), Cell::Count((*version).into()), Cell::Text(window)]);
            to.extend([Cell::Text(action.name()), Cell::Text(row.effect.name()), Cell::Count(row.decides.into())]);
            to.extend([code, reason, ground, owner].map(|text| Cell::Text(text)));
            to.push(Cell::Text(&row.policy_version));
        }
        RowValue::Ruling(ruling) => {
            let Ruling { kind, known_at, since, until, ruled_by, reason } = &**ruling;
            to.extend([Cell::Text(kind.name()), Cell::Text(kind.verdict().map_or("", Verdict::name))]);
            let bounds = [since.unwrap_or(INSTANT_MIN), until.unwrap_or(INSTANT_MAX)];
            let bounds = bounds.map(|bound| Cell::Instant(bound.clamp(INSTANT_MIN, INSTANT_MAX)));
            to.extend([Cell::Instant(*known_at)].into_iter().chain(bounds));
            to.extend([ruled_by, reason].map(|text| Cell::Text(text.as_deref().unwrap_or_default())));
        }
        RowValue::Payout(row) => to.extend([
            Cell::Text(&row.distributor),
            Cell::Text(row.declared),
            Cell::Text(row.heard),
            Cell::Text(&row.reasons_json),
            Cell::Text(&row.rules_json),
            Cell::Text(&row.policy_version),
        ]),
        RowValue::Record(record) => {
            let Record { subjects, held, escalated, blocked, overturned, contradicted, .. } = **record;
            to.extend([subjects, held, escalated, blocked, overturned, contradicted].map(Cell::Count));
            to.push(Cell::Float(f64::from(record.reputation()) / 10_000.0));
        }
        RowValue::Wave(row) => {
            to.extend([Cell::Text(row.measure), Cell::Text(&row.segment)]);
            to.extend([
                Cell::Instant(row.from),
                Cell::Instant(row.until),
                Cell::Count(row.hours),
                Cell::Count(row.seen),
            ]);
            to.extend([Cell::Float(row.expected), Cell::Float(row.deviation)]);
            to.extend([Cell::Text(&row.effect), Cell::Text(&row.policy_version)]);
        }
        RowValue::Finding(row) => {
            to.extend([Cell::Text(row.action.name()), Cell::Count(row.found.seen), Cell::Count(row.found.against)]);
            to.extend([&row.uploader, &row.distributor, &row.reason].map(|text| Cell::Text(text)));
            to.push(Cell::Text(&row.policy_version));
        }
        RowValue::Ledger(ledger) => to.extend(ledger.counts().map(|(_, count)| Cell::Count(count))),
        RowValue::Verdict(row) => to.extend([
            Cell::Text(row.verdict.name()),
            Cell::Float(row.r.share()),
            Cell::Text(&row.reasons_json),
            Cell::Text(&row.rules_json),
            Cell::Text(&row.policy_version),
            Cell::Text(&row.models_json),
        ]),
    }
}
