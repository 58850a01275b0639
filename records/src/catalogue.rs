//! What stands still while plays flow: tracks, accounts and the tables around them.

use serde::{Deserialize, Serialize};

use crate::{Id, Millis};

/// Declared use of generative AI (DDEX `ContainsAI`); an absent declaration is `None` of the `Option`
/// around it, never [`Disclosure::None`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disclosure {
    /// All content was created with generative AI.
    All,
    /// A part was.
    Partly,
    /// Declared: nothing was.
    None,
}

impl Disclosure {
    /// Reads `all`, `partly` or `none`, in any case.
    pub fn from_name(name: &str) -> Option<Disclosure> {
        match name.to_ascii_lowercase().as_str() {
            "all" => Some(Disclosure::All),
            "partly" => Some(Disclosure::Partly),
            "none" => Some(Disclosure::None),
            _ => None,
        }
    }

    /// Whether a machine made all or a part.
    pub fn is_machine(self) -> bool {
        self != Disclosure::None
    }

    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Disclosure::All => "all",
            Disclosure::Partly => "partly",
            Disclosure::None => "none",
        }
    }
}

/// One row of the catalogue, in force from `valid_from` until the track's next row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Track {
    /// The release's track.
    pub track_id: Id,
    /// The recording; several tracks may carry one. `None` means the track is its own recording.
    pub content_id: Option<Id>,
    /// International Standard Recording Code.
    pub isrc: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Version title ("Live", "Remix").
    pub version: Option<String>,
    /// The main artist.
    pub artist_id: Option<Id>,
    /// The main artist's name.
    pub artist_name: Option<String>,
    /// Who uploaded it.
    pub uploader_id: Option<Id>,
    /// Through which distributor it came.
    pub distributor_id: Option<Id>,
    /// Record label.
    pub label: Option<String>,
    /// Genre.
    pub genre: Option<String>,
    /// Language of the lyrics (ISO 639).
    pub language: Option<String>,
    /// The artist's country (ISO 3166-1 alpha-2).
    pub country: Option<String>,
    /// Length in milliseconds.
    pub duration_ms: Option<u64>,
    /// When it was uploaded.
    pub uploaded_at: Option<Millis>,
    /// When it was released.
    pub released_at: Option<Millis>,
    /// Declared AI content; `None` = undeclared.
    pub contains_ai: Option<Disclosure>,
    /// Declared AI vocals.
    pub ai_vocals: Option<Disclosure>,
    /// Declared AI instruments.
    pub ai_instruments: Option<Disclosure>,
    /// Declared AI post-production.
    pub ai_postproduction: Option<Disclosure>,
    /// Reference of a consent document.
    pub consent_ref: Option<String>,
    /// Where the audio lies.
    pub audio_uri: Option<String>,
    /// From when this row is in force; `None` = since the beginning of time.
    pub valid_from: Option<Millis>,
}

impl Track {
    /// A catalogue row that says nothing but its id.
    pub fn new(track_id: Id) -> Track {
        Track {
            track_id,
            content_id: None,
            isrc: None,
            title: None,
            version: None,
            artist_id: None,
            artist_name: None,
            uploader_id: None,
            distributor_id: None,
            label: None,
            genre: None,
            language: None,
            country: None,
            duration_ms: None,
            uploaded_at: None,
            released_at: None,
            contains_ai: None,
            ai_vocals: None,
            ai_instruments: None,
            ai_postproduction: None,
            consent_ref: None,
            audio_uri: None,
            valid_from: None,
        }
    }
}

/// What of a release's metadata is there, without the texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Metadata {
    /// Empty fields among ISRC, artist, title, uploader and duration.
    pub missing_fields: u8,
    /// Whether it declares or denies generative AI.
    pub declares_ai: bool,
    /// Length in milliseconds.
    pub duration_ms: Option<u64>,
}

impl Metadata {
    /// Fields that every release in order fills.
    pub const FIELDS: u8 = 5;

    /// The metadata of one row of the catalogue.
    pub fn of(track: &Track) -> Metadata {
        let filled = [
            track.isrc.is_some(),
            track.artist_id.is_some() || track.artist_name.is_some(),
            track.title.is_some(),
            track.uploader_id.is_some(),
            track.duration_ms.is_some(),
        ];
        Metadata {
            missing_fields: filled.iter().map(|filled| u8::from(!filled)).sum(),
            declares_ai: track.contains_ai.is_some(),
            duration_ms: track.duration_ms,
        }
    }
}

/// A listener's account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The account.
    pub account_id: Id,
    /// When it was created.
    pub created_at: Option<Millis>,
    /// Subscription plan.
    pub plan: Option<String>,
    /// Country of registration.
    pub country: Option<String>,
    /// Pseudonymous payment instrument.
    pub payment_id: Option<Id>,
    /// Family plan group.
    pub family_id: Option<Id>,
    /// Kind of e-mail domain (free, own, disposable, ...).
    pub email_domain_class: Option<String>,
}

/// A company that delivers releases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distributor {
    /// The distributor.
    pub distributor_id: Id,
    /// Contract tier, a word the policy knows.
    pub tier: Option<String>,
    /// Whether its identity was verified.
    pub verified: Option<bool>,
    /// From when this row is in force; `None` = since the beginning of time.
    pub valid_from: Option<Millis>,
}

/// What kind of network an autonomous system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkKind {
    /// Homes.
    Residential,
    /// Mobile carriers.
    Mobile,
    /// Data centres.
    Hosting,
    /// Commercial VPN exits.
    Vpn,
    /// Schools and universities.
    Education,
    /// Anything else.
    Unknown,
}

impl NetworkKind {
    /// Reads the word of the `kind` column; a word outside the list is unknown.
    pub fn from_name(name: &str) -> NetworkKind {
        match name {
            "residential" => NetworkKind::Residential,
            "mobile" => NetworkKind::Mobile,
            "hosting" => NetworkKind::Hosting,
            "vpn" => NetworkKind::Vpn,
            "education" => NetworkKind::Education,
            _ => NetworkKind::Unknown,
        }
    }

    /// Whether no person listens there: a data centre or a VPN exit.
    pub fn is_hosted(self) -> bool {
        matches!(self, NetworkKind::Hosting | NetworkKind::Vpn)
    }
}

/// An autonomous system and its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// Autonomous system number.
    pub asn: u32,
    /// Its kind.
    pub kind: NetworkKind,
}

/// A playlist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Playlist {
    /// The playlist.
    pub playlist_id: Id,
    /// The account or company that owns it.
    pub owner_id: Option<Id>,
    /// Whether the platform's editors keep it.
    pub editorial: Option<bool>,
    /// Followers.
    pub followers: Option<u64>,
}

/// What somebody holds to be true of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelKind {
    /// It takes part in fraud.
    Fraud,
    /// It does not.
    Honest,
    /// Fraud was done to it, not by it.
    Victim,
}

impl LabelKind {
    /// Reads `fraud`, `honest` or `victim`.
    pub fn from_name(name: &str) -> Option<LabelKind> {
        match name {
            "fraud" => Some(LabelKind::Fraud),
            "honest" => Some(LabelKind::Honest),
            "victim" => Some(LabelKind::Victim),
            _ => None,
        }
    }

    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            LabelKind::Fraud => "fraud",
            LabelKind::Honest => "honest",
            LabelKind::Victim => "victim",
        }
    }
}

/// A label on a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// account, track, artist, uploader or playlist.
    pub subject: String,
    /// Which one.
    pub subject_id: Id,
    /// What is held to be true.
    pub label: LabelKind,
    /// The attack or honest look-alike family, if named.
    pub attack: Option<String>,
    /// From when it holds.
    pub from: Option<Millis>,
    /// Until when it holds.
    pub until: Option<Millis>,
    /// When the label was given.
    pub labelled_at: Option<Millis>,
    /// reviewer, appeal, injected or import.
    pub labelled_by: Option<String>,
}

impl Label {
    /// Whether this word counts rather than the other one about the same subject: it is the later one, or of one instant the graver one. A word of which
    /// nobody knows the instant is earlier than all others. No order of rows or files has a say.
    pub fn outweighs(&self, other: &Label) -> bool {
        let gravity = |label: &Label| match label.label {
            LabelKind::Honest => 0,
            LabelKind::Victim => 1,
            LabelKind::Fraud => 2,
        };
        (self.labelled_at, gravity(self), self) > (other.labelled_at, gravity(other), other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_counts_and_of_one_instant_the_gravest_whatever_the_order() {
        let said = |label, labelled_at| Label {
            subject: "artist".to_owned(),
            subject_id: Id::Text("a".into()),
            label,
            attack: None,
            from: None,
            until: None,
            labelled_at,
            labelled_by: None,
        };
        let rising = [
            said(LabelKind::Honest, None),
            said(LabelKind::Fraud, None),
            said(LabelKind::Honest, Some(1)),
            said(LabelKind::Victim, Some(1)),
            said(LabelKind::Fraud, Some(1)),
            said(LabelKind::Honest, Some(2)),
        ];
        for (place, label) in rising.iter().enumerate() {
            for (other, known) in rising.iter().enumerate() {
                assert_eq!(label.outweighs(known), place > other, "{label:?} {known:?}");
            }
        }
    }
}
