//! What speaks against a subject, one named signal at a time.
//!
//! ```text
//! account ──▶ [`AccountFacts`]  ──▶ account  ─┐
//! track   ──▶ [`TrackFacts`]    ──▶ audience ─┼─▶ Vec<Signal> ──▶ risk
//! owner   ──▶ [`OwnerFacts`]    ──▶ gate     ─┘
//! ```
//!
//! A signal is a count, what it is a count of, and a strength from 0 to 10 000 that rises between two constants.
//! Below the first constant stand people, measured; at the second stand machines. What a signal is lives here; how
//! much it counts is policy. `docs/SIGNALS.md` lists every constant with its source and the honest listener it spares.

mod account;
mod audience;
mod gate;
mod hearing;
pub mod suspicion;
pub(crate) mod windows;
mod words;

use records::policy::Percent;
use records::{Metadata, Millis, Risk};
use serde::{Deserialize, Serialize};

use crate::WindowRow;
use crate::cohort::Usual;
use crate::company::Company;
use crate::neighbours::Neighbours;
use crate::tally::Axis;
use audience::Suspicious;

pub use audience::Following;
pub use gate::{Catalogue, Standing, Uploads};
pub use hearing::Hearing;
pub use windows::{is_judged, standing};

/// One signal about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal {
    /// Which signal.
    pub name: Name,
    /// How strongly it speaks: 1 to 10 000.
    pub strength: u16,
    /// What was seen.
    pub seen: Seen,
}

/// What a signal saw: so many of so many in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seen {
    /// The window's length; 0 for what is not a matter of a window.
    pub window_ms: Millis,
    /// What was counted.
    pub count: u64,
    /// What it is counted of; 0 for what has no whole.
    pub of: u64,
}

/// To which part of the risk a signal belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// Rc: what the audio says.
    Content,
    /// Rb: what the plays say.
    Behaviour,
    /// Rp: what the metadata and the uploads say.
    Policy,
}

/// The signals, in the order in which they are explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Name {
    Edge,
    CutShort,
    Loop,
    Breadth,
    ImpossibleTime,
    Volume,
    NoSleep,
    NoSkips,
    Hosted,
    NetworkHops,
    Devices,
    OneChannel,
    Group,
    Rig,
    Intruder,
    Lockstep,
    SuspiciousTracks,
    Learned,
    Replays,
    TopAccount,
    EvenAccounts,
    NewAccounts,
    SuspiciousAccounts,
    SuspiciousCopies,
    UploadRate,
    MissingFields,
    ShortTracks,
    LongTracks,
    UndeclaredAi,
    Audio,
}

const OF_ACCOUNTS: &[Name] = &[
    Name::Edge,
    Name::CutShort,
    Name::Loop,
    Name::Breadth,
    Name::ImpossibleTime,
    Name::Volume,
    Name::NoSleep,
    Name::NoSkips,
    Name::Hosted,
    Name::NetworkHops,
    Name::Devices,
    Name::OneChannel,
    Name::Group,
    Name::Rig,
    Name::Intruder,
    Name::Lockstep,
    Name::SuspiciousTracks,
    Name::Learned,
];
/// About all to whom people listen.
const OF_AUDIENCES: &[Name] = &[
    Name::Edge,
    Name::Hosted,
    Name::OneChannel,
    Name::Replays,
    Name::TopAccount,
    Name::EvenAccounts,
    Name::NewAccounts,
    Name::SuspiciousAccounts,
];
const OF_OWNERS: &[Name] = &[
    Name::Edge,
    Name::Hosted,
    Name::OneChannel,
    Name::Replays,
    Name::TopAccount,
    Name::EvenAccounts,
    Name::NewAccounts,
    Name::SuspiciousAccounts,
    Name::UploadRate,
    Name::MissingFields,
    Name::ShortTracks,
    Name::LongTracks,
    Name::UndeclaredAi,
    Name::Audio,
];
const OF_TRACKS: &[Name] = &[
    Name::Edge,
    Name::Hosted,
    Name::OneChannel,
    Name::Replays,
    Name::TopAccount,
    Name::EvenAccounts,
    Name::NewAccounts,
    Name::SuspiciousAccounts,
    Name::SuspiciousCopies,
    Name::UploadRate,
    Name::MissingFields,
    Name::ShortTracks,
    Name::LongTracks,
    Name::UndeclaredAi,
    Name::Audio,
];

impl Name {
    /// The word in the tables and in the policy.
    pub fn name(self) -> &'static str {
        match self {
            Name::Edge => "edge",
            Name::CutShort => "cut_short",
            Name::Loop => "loop",
            Name::Breadth => "breadth",
            Name::ImpossibleTime => "impossible_time",
            Name::Volume => "volume",
            Name::NoSleep => "no_sleep",
            Name::NoSkips => "no_skips",
            Name::Hosted => "hosted",
            Name::NetworkHops => "network_hops",
            Name::Devices => "devices",
            Name::OneChannel => "one_channel",
            Name::Group => "group",
            Name::Rig => "rig",
            Name::Intruder => "intruder",
            Name::Lockstep => "lockstep",
            Name::SuspiciousTracks => "suspicious_tracks",
            Name::Learned => "learned",
            Name::Replays => "replays",
            Name::TopAccount => "top_account",
            Name::EvenAccounts => "even_accounts",
            Name::NewAccounts => "new_accounts",
            Name::SuspiciousAccounts => "suspicious_accounts",
            Name::SuspiciousCopies => "suspicious_copies",
            Name::UploadRate => "upload_rate",
            Name::MissingFields => "missing_fields",
            Name::ShortTracks => "short_tracks",
            Name::LongTracks => "long_tracks",
            Name::UndeclaredAi => "undeclared_ai",
            Name::Audio => "audio",
        }
    }

    /// The signals that may speak about a subject of the view.
    pub fn of(axis: Axis) -> &'static [Name] {
        match axis {
            Axis::Account => OF_ACCOUNTS,
            Axis::Track => OF_TRACKS,
            Axis::Artist | Axis::Uploader | Axis::Distributor => OF_OWNERS,
            Axis::Playlist => OF_AUDIENCES,
        }
    }

    /// The part of the risk it moves.
    pub fn part(self) -> Part {
        match self {
            Name::Audio => Part::Content,
            Name::UploadRate | Name::MissingFields | Name::ShortTracks | Name::LongTracks | Name::UndeclaredAi => {
                Part::Policy
            }
            _ => Part::Behaviour,
        }
    }
}

/// The rows of one subject as of one instant, with their window lengths, shortest first. A window in which the
/// subject has no row may be left out.
pub type Rows<'a> = &'a [(Millis, WindowRow)];

/// What is known of an account.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountFacts<'a> {
    /// Its rows of `account_window`.
    pub rows: Rows<'a>,
    /// Accounts in its `account_group`, itself included; 0 or 1 if it has none.
    pub group_size: u32,
    /// Accounts it is in `lockstep` with.
    pub lockstep_partners: u32,
    /// The greatest `shared` of those pairs.
    pub lockstep_shared: u32,
    /// Who else plays what it plays; for models, no rule asks for it.
    pub company: Company,
    /// How suspicious those are that it is tied to; for models.
    pub neighbours: Neighbours,
    /// What is usual among accounts that play as much; for models. `None` where they are too few.
    pub usual: Option<Usual>,
    /// How suspicious its tracks are without its own plays ([`suspicion::Suspicion::accounts`]).
    pub suspicious_tracks: Risk,
    /// Whether a person ruled that it speaks against nobody else.
    pub is_silenced: bool,
}

/// What is known of a track.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrackFacts<'a> {
    /// Its rows of `track_window`.
    pub rows: Rows<'a>,
    /// The share of its plays that suspicious accounts made ([`suspicion::Suspicion::tracks`]).
    pub suspicious_accounts: Risk,
    /// Its row of the catalogue; without one nothing is held against its metadata.
    pub metadata: Option<Metadata>,
    /// The standing of its uploader, the default one where the uploader is not known.
    pub uploader: Standing,
    /// The following of its artist, the default one where the artist is not known.
    pub artist: Following,
    /// What the audio says, where somebody listened.
    pub audio: Option<Risk>,
    /// How suspicious the plays of the other tracks of its recording are ([`suspicion::copied`]).
    pub suspicious_copies: Risk,
}

/// What is known of an uploader, a distributor, an artist or a playlist.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnerFacts<'a> {
    /// Its rows.
    pub rows: Rows<'a>,
    /// The share of its plays that suspicious accounts made.
    pub suspicious_accounts: Risk,
    /// What its tracks declare; all zero for playlists.
    pub catalogue: Catalogue,
    /// What the audio of its tracks says, where somebody listened to enough of them ([`Hearing::of_owner`]).
    pub audio: Option<Hearing>,
}

/// The signals about an account.
pub fn of_account(facts: &AccountFacts) -> Vec<Signal> {
    account::signals(facts)
}

/// The signal about an account whose tracks are so suspicious without it, in a window of this length: what
/// [`of_account`] says of [`AccountFacts::suspicious_tracks`], for those who know all else already.
pub fn of_surroundings(window_ms: Millis, suspicious_tracks: Risk) -> Option<Signal> {
    account::suspicious_tracks(window_ms, suspicious_tracks)
}

/// Probabilities below one in a hundred say nothing: half of all accounts have one.
const LEARNED_MIN: u64 = 100;

/// How strong a model's word is from where it is sharp on: two thirds, which in the built-in policy justify a hold.
const SHARP: u64 = 6_667;

/// The signal of a model that learned from labelled accounts: how probable it is that somebody else than a person listens. It rises to two
/// thirds of its strength at the probability from which on the model has shown that hardly anybody honest comes there (`sharp_from`), and on to
/// all of it at certainty.
pub fn of_model(fraud: Risk, sharp_from: Percent) -> Option<Signal> {
    let (count, from) = (u64::from(fraud.parts()), u64::from(sharp_from.parts()));
    let strength = match count {
        count if count < LEARNED_MIN => 0,
        count if count < from => u64::from(ramp(count, 0, from)) * SHARP / WHOLE,
        count => SHARP + u64::from(ramp(count, from, WHOLE)) * (WHOLE - SHARP) / WHOLE,
    };
    Signal::new(Name::Learned, strength as u16, Seen { window_ms: 0, count, of: WHOLE })
}

/// The signals about a track.
pub fn of_track(facts: &TrackFacts) -> Vec<Signal> {
    let suspicious = Suspicious { here: facts.suspicious_accounts, uploader: facts.uploader.suspicious };
    let ends_on_edge = audience::ends_on_edge(facts.metadata.and_then(|metadata| metadata.duration_ms));
    let mut signals = audience::signals(facts.rows, suspicious, facts.artist, ends_on_edge);
    signals.extend(audience::suspicious_copies(facts.rows, facts.suspicious_copies));
    signals.extend(facts.uploader.signals());
    signals.extend(gate::signals(facts.metadata.as_ref().map(Catalogue::of).unwrap_or_default()));
    signals.extend(facts.audio.map(Hearing::of).and_then(Hearing::signal));
    signals
}

/// The signals about an uploader, a distributor, an artist or a playlist.
pub fn of_owner(facts: &OwnerFacts) -> Vec<Signal> {
    // An owner is judged by all it has: nothing larger says what to expect of it.
    let suspicious = Suspicious { here: facts.suspicious_accounts, uploader: Risk::CLEAN };
    let mut signals = audience::signals(facts.rows, suspicious, Following::default(), false);
    signals.extend(gate::of_uploads(facts.rows));
    signals.extend(gate::signals(facts.catalogue));
    signals.extend(facts.audio.and_then(Hearing::signal));
    signals
}

/// Ten-thousandths in a whole.
pub(crate) const WHOLE: u64 = 10_000;

impl Signal {
    /// A signal that speaks; `None` at strength 0.
    fn new(name: Name, strength: u16, seen: Seen) -> Option<Signal> {
        (strength > 0).then_some(Signal { name, strength, seen })
    }

    /// As how strong a rule takes it that counts it in full from a strength on. How much a model's word says the model knows; a rule that
    /// says it takes the probability as it is.
    pub(crate) fn counted(&self, full_at: Option<Percent>) -> u16 {
        match (full_at, self.name) {
            (None, _) => self.strength,
            (Some(full), Name::Learned) => ramp(self.seen.count, 0, full.parts().into()),
            (Some(full), _) => ramp(self.strength.into(), 0, full.parts().into()),
        }
    }

    /// As strong as so many ten-thousandths of it.
    fn scaled(self, parts: u16) -> Option<Signal> {
        let strength = u64::from(self.strength) * u64::from(parts) / WHOLE;
        Signal::new(self.name, strength as u16, self.seen)
    }

    /// What was seen, as a person would say it.
    pub fn words(&self) -> String {
        words::say(self.name, self.seen)
    }

    /// What was seen in thousandths of the signal's unit: a share, a number per day, or a number.
    pub fn value_milli(&self) -> i64 {
        words::value_milli(self.name, self.seen)
    }
}

/// How far `value` has come from `from` (0) to `to` (10 000); falls if `to` lies below `from`.
fn ramp(value: u64, from: u64, to: u64) -> u16 {
    let (gone, way) = match from <= to {
        true => (value.saturating_sub(from), to - from),
        false => (from.saturating_sub(value), from - to),
    };
    ratio(gone, way).min(WHOLE) as u16
}

/// `count / of` in ten-thousandths, rounded down; 0 of 0 is 0.
fn ratio(count: u64, of: u64) -> u64 {
    let parts = u128::from(count) * u128::from(WHOLE) / u128::from(of.max(1));
    u64::try_from(parts).unwrap_or(u64::MAX)
}

/// The strongest of a signal's readings over several windows; of equals the one of the shortest window.
fn strongest(readings: impl IntoIterator<Item = Option<Signal>>) -> Option<Signal> {
    let readings = readings.into_iter().flatten();
    readings.reduce(|best, next| if next.strength > best.strength { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_rises_or_falls_between_its_ends() {
        assert_eq!([4, 5, 10, 15, 99].map(|value| ramp(value, 5, 15)), [0, 0, 5_000, 10_000, 10_000]);
        assert_eq!([0, 1, 2, 3, 9].map(|value| ramp(value, 3, 1)), [10_000, 10_000, 5_000, 0, 0]);
        assert_eq!(ratio(u64::MAX, 1), u64::MAX);
    }
}
