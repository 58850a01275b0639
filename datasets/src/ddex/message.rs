//! A message as it was sent: who, when, which recordings, which releases, under which deals.
//!
//! ```text
//! pieces ──▶ header, parties, resources, releases, deals ──▶ Message
//! ```
//!
//! The versions say the same in different places: 3.8 names people where they appear, 4 in a list of parties; 3.8 repeats itself
//! by territory. What is taken from where stands here and nowhere else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use records::{Disclosure, Millis};

use super::disclosure::gravity;
use super::once;
use super::values::{self, Misread, truth};
use super::xml::{Element, Limits, Piece, Pieces, Place, Stop, Unread, shown};
use crate::formats::instant;

/// A word of the message and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Said {
    pub word: String,
    pub at: Place,
}

impl Said {
    fn of(element: &Element) -> Said {
        Said { word: word_of(element).to_owned(), at: element.place() }
    }

    /// What the word declares, however it is spelt; `None` for a word that is no declaration.
    pub fn disclosure(&self) -> Option<Disclosure> {
        Disclosure::from_name(&self.word)
    }
}

/// The version of the standard, by its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Version {
    Ern38,
    Ern381,
    Ern382,
    Ern383,
    Ern41,
    Ern411,
    Ern42,
    Ern43,
    Ern431,
    Ern432,
}

impl Version {
    const NAMES: [(&str, Version, &str); 10] = [
        ("38", Version::Ern38, "3.8"),
        ("381", Version::Ern381, "3.8.1"),
        ("382", Version::Ern382, "3.8.2"),
        ("383", Version::Ern383, "3.8.3"),
        ("41", Version::Ern41, "4.1"),
        ("411", Version::Ern411, "4.1.1"),
        ("42", Version::Ern42, "4.2"),
        ("43", Version::Ern43, "4.3"),
        ("431", Version::Ern431, "4.3.1"),
        ("432", Version::Ern432, "4.3.2"),
    ];

    fn of_namespace(namespace: &str) -> Option<Version> {
        let number = namespace.strip_prefix("http://ddex.net/xml/ern/")?.trim_end_matches('/');
        Version::NAMES.iter().find(|(name, ..)| *name == number).map(|(_, version, _)| *version)
    }

    /// The version that people call so.
    pub(super) fn of_name(name: &str) -> Option<Version> {
        Version::NAMES.iter().find(|(.., known)| *known == name).map(|(_, version, _)| *version)
    }

    /// As people write it: `4.3.2`.
    pub fn name(self) -> &'static str {
        Version::NAMES.iter().find(|(_, version, _)| *version == self).map_or("", |(.., name)| name)
    }

    /// Whether people are named where they appear, and details repeat by territory.
    pub fn is_three(self) -> bool {
        self <= Version::Ern383
    }

    /// Whether the version has elements for generative AI.
    pub fn can_declare_ai(self) -> bool {
        self >= Version::Ern431
    }
}

/// What the sender wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A release, new or changed or taken down.
    NewRelease,
    /// A release that must be forgotten.
    Purge,
}

/// Who sent what to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Header {
    pub message_id: Option<String>,
    pub thread_id: Option<String>,
    pub sender: Option<Party>,
    pub on_behalf_of: Option<Party>,
    pub created: Option<Millis>,
    /// What was said of the time.
    pub created_said: Option<Said>,
    /// Whether it is a test, in the sender's word.
    pub control: Option<Said>,
    pub is_test: bool,
    pub at: Option<Place>,
}

/// Somebody: an artist, a musician, a label, a company.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Party {
    pub reference: Option<String>,
    /// ISNI, IPI, DPID or a company's own number, as `isni:0000000121032683`; a DPID as it is.
    pub id: Option<String>,
    /// What stands in the place of an id and is none, because of its letters.
    pub unread_id: Option<Said>,
    pub name: Option<String>,
    pub at: Option<Place>,
}

impl Party {
    /// Whether it has an id or a name.
    pub fn is_known(&self) -> bool {
        self.id.is_some() || self.name.is_some()
    }

    /// Whether both are the same somebody, wherever they are named.
    pub fn is_as(&self, other: &Party) -> bool {
        (&self.id, &self.name) == (&other.id, &other.name)
    }
}

/// Who took part in a recording, as what, and what of it a machine did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Contributor {
    pub party: Party,
    /// A reference to a party that the message does not list.
    pub dangling: Option<Said>,
    pub roles: Vec<String>,
    pub instruments: Vec<String>,
    pub ai: Option<Said>,
    pub special: Option<Said>,
    pub at: Place,
}

impl Contributor {
    /// Whether it is no person: a contributor of the kind `GenerativeAI`.
    pub fn is_generative(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.word.eq_ignore_ascii_case("GenerativeAI"))
    }

    /// What it declares: its word, or, for generative AI without one, all.
    pub fn disclosure(&self) -> Option<Disclosure> {
        match &self.ai {
            Some(said) => said.disclosure(),
            None => self.is_generative().then_some(Disclosure::All),
        }
    }
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ResourceKind {
    SoundRecording,
    Video,
    Image,
    Text,
    Other,
}

impl ResourceKind {
    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            ResourceKind::SoundRecording => "SoundRecording",
            ResourceKind::Video => "Video",
            ResourceKind::Image => "Image",
            ResourceKind::Text => "Text",
            ResourceKind::Other => "resource",
        }
    }

    /// Whether it can be played and becomes a track.
    pub fn is_played(self) -> bool {
        matches!(self, ResourceKind::SoundRecording | ResourceKind::Video)
    }
}

/// A recording, a video, a picture, a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Resource {
    pub kind: ResourceKind,
    pub reference: Option<Said>,
    pub isrc: Option<String>,
    /// The sender's own number, as `namespace:number`.
    pub proprietary_id: Option<String>,
    pub title: Option<String>,
    pub version: Option<String>,
    /// The display artists, the main one first.
    pub artists: Vec<Contributor>,
    pub contributors: Vec<Contributor>,
    pub label: Option<String>,
    pub genre: Option<String>,
    pub language: Option<String>,
    pub duration_ms: Option<u64>,
    pub duration_unread: Option<Said>,
    pub audio_uri: Option<String>,
    /// What all editions together declare: the gravest word.
    pub contains_ai: Option<Said>,
    /// `HasVocalPerformance` or `HasForegroundVocalPerformance`: people sing.
    pub people_sing: Option<Said>,
    pub is_instrumental: Option<Said>,
    /// Editions but the first, which alone becomes a track, by their ISRCs.
    pub other_editions: Vec<Said>,
    /// The element that it stands in, where that is not the list of resources.
    pub within: Option<String>,
    pub at: Place,
}

impl Resource {
    /// The number by which it is known within its release: the ISRC, else the sender's own, else its reference in the message.
    pub fn number(&self) -> &str {
        let reference = self.reference.as_ref().map(|reference| reference.word.as_str());
        let number = self.isrc.as_deref().or(self.proprietary_id.as_deref()).or(reference);
        number.unwrap_or("without reference")
    }

    /// Takes in another that becomes the same track: the graver declaration counts, and everybody who took part in either.
    pub(super) fn join(&mut self, other: &Resource) {
        self.contains_ai = graver(self.contains_ai.take(), other.contains_ai.clone());
        self.artists.extend(other.artists.iter().cloned());
        self.contributors.extend(other.contributors.iter().cloned());
        self.people_sing = self.people_sing.take().or_else(|| other.people_sing.clone());
        // That nobody sings is said where it is said of both.
        self.is_instrumental = self.is_instrumental.take().filter(|_| other.is_instrumental.is_some());
    }

    /// The main display artist, who is known by something.
    pub fn artist(&self) -> Option<&Party> {
        self.artists.first().map(|artist| &artist.party).filter(|party| party.is_known())
    }
}

/// A release: an album, a single, or one track of it that is also sold alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Release {
    pub reference: Option<Said>,
    pub is_main: bool,
    pub icpn: Option<String>,
    pub grid: Option<String>,
    pub isrc: Option<String>,
    pub proprietary_id: Option<String>,
    pub title: Option<String>,
    pub version: Option<String>,
    pub artist_name: Option<String>,
    pub label: Option<String>,
    pub kind: Option<String>,
    pub genre: Option<String>,
    pub released_at: Option<Millis>,
    /// The resources that it holds.
    pub holds: Vec<Said>,
    pub contains_ai: Option<Said>,
    pub at: Place,
}

impl Release {
    /// The number by which the release is known again: ICPN, GRid, the sender's own, ISRC.
    pub fn id(&self) -> Option<&str> {
        [&self.icpn, &self.grid, &self.proprietary_id, &self.isrc].into_iter().find_map(|id| id.as_deref())
    }
}

/// Deals, and the releases that all of them are about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ReleaseDeal {
    pub releases: Vec<Said>,
    pub deals: Vec<Deal>,
}

impl ReleaseDeal {
    /// Whether the deals are about the release; those that name none are about the only one there is.
    pub fn is_about(&self, release: &Release) -> bool {
        let reference = release.reference.as_ref().map(|reference| reference.word.as_str());
        self.releases.is_empty() || self.releases.iter().any(|about| Some(about.word.as_str()) == reference)
    }
}

/// Under what, where and when releases may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Deal {
    pub territories: Vec<String>,
    pub excluded: Vec<String>,
    pub from: Option<Millis>,
    pub until: Option<Millis>,
    pub models: Vec<String>,
    pub uses: Vec<String>,
    pub is_takedown: bool,
    /// A day from or until which it holds cannot be read: it grants nothing.
    pub is_unread: bool,
    pub at: Place,
}

impl Deal {
    /// Whether it says anything of the release.
    pub fn counts(&self) -> bool {
        self.is_takedown || !self.is_unread
    }
}

/// An element that may stand once and stands there more often.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Repeated {
    pub element: &'static str,
    /// The element that holds it.
    pub within: String,
    /// Whether it says different things: then none of it counts.
    pub is_contradictory: bool,
    /// Where the second one stands.
    pub at: Place,
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Message {
    pub kind: Kind,
    pub version: Version,
    pub header: Header,
    /// `OriginalMessage` or `UpdateMessage`, where the sender says.
    pub update: Option<String>,
    pub parties: Vec<Party>,
    pub resources: Vec<Resource>,
    pub releases: Vec<Release>,
    pub deals: Vec<ReleaseDeal>,
    /// What is to be forgotten.
    pub purged: Vec<Release>,
    /// What is said more often than it may be.
    pub repeated: Vec<Repeated>,
    /// Dates, truth values and ids that are none.
    pub misread: Vec<Misread>,
    /// Elements of other namespaces, which say nothing here.
    pub foreign: Vec<Said>,
    /// Elements among the resources that are none.
    pub unknown: Vec<Said>,
    /// Where the root begins.
    pub at: Place,
}

impl Message {
    /// The release that the message is about.
    pub fn main_release(&self) -> Option<&Release> {
        let zero = |release: &&Release| release.reference.as_ref().is_some_and(|reference| reference.word == "R0");
        let marked = self.releases.iter().find(|release| release.is_main);
        marked.or_else(|| self.releases.iter().find(zero)).or_else(|| self.releases.first())
    }
}

/// Reads a message.
///
/// # Errors
/// When the file cannot be read, is no message of a version we know, or goes past a limit: where, and what to do.
pub fn read(path: &Path, limits: Limits) -> Result<Message, Unread> {
    read_from(path, open(path)?, limits)
}

/// Reads a message out of `source`, which errors call `path`.
///
/// # Errors
/// As [`read`].
pub fn read_from(path: &Path, source: impl Read, limits: Limits) -> Result<Message, Unread> {
    parse(source, limits, false).map_err(|stop| stop.of(path))
}

/// Reads no further than the header.
pub(super) fn read_header(path: &Path, limits: Limits) -> Result<Message, Unread> {
    parse(open(path)?, limits, true).map_err(|stop| stop.of(path))
}

/// Opens what is a regular file. A pipe is not waited for until somebody writes to it.
fn open(path: &Path) -> Result<File, Unread> {
    let unopened = |found: String, next| Stop::new(Place::START, found, "a file that can be read", next).of(path);
    let failed = |error: std::io::Error| unopened(error.to_string(), "check the path and its permissions");
    match std::fs::metadata(path).map_err(failed)?.is_file() {
        true => File::open(path).map_err(failed),
        false => Err(unopened("no regular file".to_owned(), "write the message into a file and name that")),
    }
}

fn parse(source: impl Read, limits: Limits, header_only: bool) -> Result<Message, Stop> {
    let mut pieces = Pieces::new(source, limits);
    let root = pieces.root()?;
    let (kind, version) = recognise(&root)?;
    let mut message = Message {
        kind,
        version,
        header: Header::default(),
        update: None,
        parties: Vec::new(),
        resources: Vec::new(),
        releases: Vec::new(),
        deals: Vec::new(),
        purged: Vec::new(),
        repeated: Vec::new(),
        misread: Vec::new(),
        foreign: Vec::new(),
        unknown: Vec::new(),
        at: root.place(),
    };
    let mut named = HashMap::new();
    while let Some(mut piece) = pieces.next()? {
        if piece.list.is_empty() && piece.element.name == "MessageHeader" && message.header.at.is_some() {
            let next = "ask the sender for the message as its system made it";
            return Err(Stop::new(piece.element.place(), "a second <MessageHeader>", "one", next));
        }
        values::settle(&mut piece.element, &mut message.misread);
        once::settle(&mut piece.element, &mut message.repeated);
        take(&mut message, &mut named, piece);
        if header_only && message.header.at.is_some() {
            break;
        }
    }
    message.foreign = pieces.foreign().into_iter().map(|(word, at)| Said { word, at }).collect();
    Ok(message)
}

fn recognise(root: &Element) -> Result<(Kind, Version), Stop> {
    let stop = |found: String, expected: &str, next| Err(Stop::new(root.place(), found, expected, next));
    let kind = match root.name.as_str() {
        "NewReleaseMessage" => Kind::NewRelease,
        "PurgeReleaseMessage" => Kind::Purge,
        other => {
            let expected = "a NewReleaseMessage or a PurgeReleaseMessage";
            return stop(format!("the element <{}>", shown(other)), expected, "name release notifications (ERN) only");
        }
    };
    let names = root.attributes.iter().filter(|(name, _)| name == "xmlns" || name.starts_with("xmlns:"));
    match names.clone().find_map(|(_, value)| Version::of_namespace(value)) {
        Some(_) if root.is_foreign => {
            let found = format!("<{}> of another namespace", shown(&root.name));
            stop(found, "the root in a namespace of ERN", "ask the sender for ERN 4.3.2")
        }
        Some(version) => Ok((kind, version)),
        None => {
            let found = names.map(|(_, value)| value.as_str()).find(|value| value.contains("ddex.net"));
            let found =
                found.map_or("no namespace of ERN".to_owned(), |value| format!("the namespace {}", shown(value)));
            stop(
                found,
                "http://ddex.net/xml/ern/ and 38 to 383, 41, 411, 42, 43, 431 or 432",
                "ask the sender for ERN 4.3.2",
            )
        }
    }
}

/// Parties by their references: in ERN 4 they stand before all that refer to them.
type Named = HashMap<String, Party>;

fn take(message: &mut Message, named: &mut Named, piece: Piece) {
    let Piece { list, element } = piece;
    match (list.as_str(), element.name.as_str()) {
        ("", "MessageHeader") => message.header = header(&element),
        ("", "UpdateIndicator") => message.update = Some(element.text.clone()),
        ("", "PurgedRelease") => message.purged.push(release(&element, named)),
        ("PartyList", "Party") => {
            let party = party(&element);
            match party.reference.clone().map(|reference| named.entry(reference)) {
                // Two of one reference who are not the same are nobody.
                Some(Entry::Occupied(mut known)) if !known.get().is_as(&party) => {
                    known.insert(Party { reference: party.reference.clone(), ..Party::default() });
                }
                Some(Entry::Vacant(place)) => {
                    place.insert(party.clone());
                }
                _ => {}
            }
            message.parties.push(party);
        }
        ("ResourceList", name) => {
            let resource = resource(&element, named);
            if resource.kind == ResourceKind::Other && !OTHER_RESOURCES.contains(&name) {
                message.unknown.push(Said { word: name.to_owned(), at: element.place() });
            }
            message.resources.push(resource);
            nested(&element, named, &mut message.resources);
        }
        ("ReleaseList", _) => message.releases.push(release(&element, named)),
        ("DealList", "ReleaseDeal") => message.deals.push(deals(&element)),
        _ => {
            let name = if list.is_empty() { "NewReleaseMessage".to_owned() } else { list };
            nested(&Element { name, children: vec![element], ..Element::default() }, named, &mut message.resources);
        }
    }
}

/// Resources of the standard that are not played, and of which nothing is read but their ids and what they declare.
const OTHER_RESOURCES: [&str; 5] = ["MIDI", "SheetMusic", "Software", "SoftwareResource", "UserDefinedResource"];

/// Recordings and videos where the standard has none, as ones of their own: what is played must not be hidden in something else.
fn nested(element: &Element, named: &Named, into: &mut Vec<Resource>) {
    for child in &element.children {
        if matches!(child.name.as_str(), "SoundRecording" | "Video") {
            into.push(Resource { within: Some(element.name.clone()), ..resource(child, named) });
        }
        nested(child, named, into);
    }
}

fn header(element: &Element) -> Header {
    let said = element.find("MessageCreatedDateTime").map(Said::of).filter(|said| !said.word.is_empty());
    let created = said.as_ref().and_then(|said| instant::from_text(&said.word));
    let control = element.find("MessageControlType");
    // Who says both must not be taken at the word that costs more.
    let is_test = |said: &Element| said.is_contradictory || word_of(said).to_ascii_lowercase().contains("test");
    Header {
        message_id: owned(element.text_at(&["MessageId"])),
        thread_id: owned(element.text_at(&["MessageThreadId"])),
        sender: element.find("MessageSender").map(party),
        on_behalf_of: element.find("SentOnBehalfOf").map(party),
        created,
        created_said: said,
        is_test: control.is_some_and(is_test),
        control: control.map(Said::of).filter(|said| !said.word.is_empty()),
        at: Some(element.place()),
    }
}

/// A party of a list, a sender, or an artist or contributor of 3.8.
fn party(element: &Element) -> Party {
    let (id, unread_id) = party_ids(element);
    Party {
        reference: owned(element.text_at(&["PartyReference"])),
        id,
        unread_id,
        name: owned(element.text_at(&["PartyName/FullName", "PartyName/KeyName", "TradingName"])),
        at: Some(element.place()),
    }
}

/// The first id that is one, and what stands in the place of one and is none. 3.8 and senders write the DPID, or an ISNI told by `IsISNI`, into the element;
/// 4 has an element for each kind.
fn party_ids(element: &Element) -> (Option<String>, Option<Said>) {
    let (mut id, mut unread) = (None, None);
    for element in element.all("PartyId") {
        match party_id(element) {
            Some(Ok(found)) => id = id.or(Some(found)),
            Some(Err(said)) => unread = unread.or(Some(said)),
            None => {}
        }
    }
    (id, unread)
}

fn party_id(element: &Element) -> Option<Result<String, Said>> {
    let plain = |kind, said: &Element| plain_id(kind, &said.text).ok_or_else(|| Said::of(said));
    if element.children.is_empty() {
        let is_isni = element.attribute("IsISNI").and_then(truth) == Some(true);
        return match (is_isni, element.attribute("Namespace")) {
            _ if element.text.is_empty() => None,
            (true, _) => Some(plain("isni:", element)),
            (false, Some(_)) => proprietary(element).map(Ok),
            (false, None) => Some(plain("", element)),
        };
    }
    let kinds =
        [("ISNI", "isni:"), ("DPID", ""), ("IpiNameNumber", "ipi:"), ("IPN", "ipn:"), ("CisacSocietyId", "cisac:")];
    let found = kinds.iter().find_map(|(name, kind)| {
        let said = element.find(name).filter(|said| !said.text.is_empty())?;
        Some(plain(kind, said))
    });
    found.or_else(|| element.find("ProprietaryId").and_then(proprietary).map(Ok))
}

/// How ids begin that are numbers of a register; the others are DPIDs, or what a sender calls somebody.
const ID_KINDS: [&str; 4] = ["isni:", "ipi:", "ipn:", "cisac:"];

/// The number of this kind as the tables have it: `0000 0001 2103 2683` and `0000-0001-2103-2683` are one, and `PA-DPIDA-2026010101-A` and
/// `PADPIDA2026010101A`. `None` where it has letters that none of its kind has: what looks like another's id must not be one.
fn plain_id(kind: &str, text: &str) -> Option<String> {
    let dense: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let number: String =
        dense.chars().filter(|letter| !matches!(letter, '-' | '.')).collect::<String>().to_ascii_uppercase();
    let is_number = !number.is_empty() && number.chars().all(|letter| letter.is_ascii_alphanumeric());
    match kind.is_empty() && !number.starts_with("PADPID") {
        // A number that the sender made up and says no namespace of.
        true => (!dense.is_empty() && dense.chars().all(|letter| letter.is_ascii_graphic())).then_some(dense),
        false => is_number.then(|| format!("{kind}{number}")),
    }
}

/// The id of a party as people write it beside messages, `isni:0000 0001 2103 2683`, as the tables have it.
pub(super) fn plain_party_id(text: &str) -> Option<String> {
    let of_kind = |kind: &&str| text.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    match ID_KINDS.iter().find(|kind| of_kind(kind)) {
        Some(kind) => plain_id(kind, &text[kind.len()..]),
        None if text.contains(':') => Some(text.to_owned()),
        None => plain_id("", text),
    }
}

/// Whether it is one of a sender: `PADPIDA`, ten digits, a letter or digit.
pub(super) fn is_dpid(id: &str) -> bool {
    let rest = id.strip_prefix("PADPIDA").unwrap_or_default().as_bytes();
    rest.len() == 11 && rest[..10].iter().all(u8::is_ascii_digit) && rest[10].is_ascii_alphanumeric()
}

fn proprietary(element: &Element) -> Option<String> {
    let space = element.attribute("Namespace").map(|space| format!("{space}:"));
    (!element.text.is_empty()).then(|| format!("{}{}", space.unwrap_or_default(), element.text))
}

fn resource(element: &Element, named: &Named) -> Resource {
    let kind = match element.name.as_str() {
        "SoundRecording" => ResourceKind::SoundRecording,
        "Video" => ResourceKind::Video,
        "Image" => ResourceKind::Image,
        "Text" => ResourceKind::Text,
        _ => ResourceKind::Other,
    };
    // 3.8 says most of it by territory; 4.3 says some of it by edition.
    let details = by_territory(element);
    let mut editions = editions(element);
    let places: Vec<&Element> = [Some(element), editions.next(), details].into_iter().flatten().collect();
    let others: Vec<&Element> = editions.collect();
    let first = |paths: &[&str]| places.iter().find_map(|place| place.text_at(paths)).map(str::to_owned);
    let said = |name: &str| {
        places.iter().find_map(|place| place.find(name)).map(Said::of).filter(|said| !said.word.is_empty())
    };
    let truly = |name: &str| said(name).filter(|said| truth(&said.word) == Some(true));
    let duration = said("Duration");
    let duration_ms = duration.as_ref().and_then(|said| duration_ms(&said.word));
    let own_ids = ["ResourceId", "SoundRecordingId", "VideoId", "ImageId", "TextId"];
    let own_id = own_ids.iter().find_map(|id| places.iter().find_map(|place| place.find(id)?.find("ProprietaryId")));
    Resource {
        kind,
        reference: said("ResourceReference"),
        isrc: first(&["ResourceId/ISRC", "SoundRecordingId/ISRC", "VideoId/ISRC"]),
        proprietary_id: own_id.and_then(proprietary),
        title: title(&places),
        version: first(&["DisplayTitle/SubTitle", "ReferenceTitle/SubTitle", "Title/SubTitle"]),
        artists: artists(&places, named),
        contributors: places.iter().chain(&others).flat_map(|place| contributors(place, named)).collect(),
        label: first(&["LabelName"]),
        genre: first(&["DisplayGenre/GenreText", "Genre/GenreText"]),
        language: first(&["LanguageOfPerformance"]),
        duration_ms,
        duration_unread: duration.filter(|_| duration_ms.is_none()),
        audio_uri: places.iter().find_map(|place| audio_uri(place)),
        contains_ai: others
            .iter()
            .map(|edition| declared(edition))
            .filter(Option::is_some)
            .fold(said("ContainsAI"), graver),
        people_sing: truly("HasForegroundVocalPerformance").or_else(|| truly("HasVocalPerformance")),
        is_instrumental: truly("IsInstrumental"),
        other_editions: others.into_iter().map(edition).collect(),
        within: None,
        at: element.place(),
    }
}

/// The editions of a recording or video: the first is read, of the others what they declare of generative AI.
pub(super) fn editions(element: &Element) -> impl Iterator<Item = &Element> {
    element.children.iter().filter(|child| child.name.ends_with("Edition"))
}

fn edition(element: &Element) -> Said {
    let isrc = element.text_at(&["ResourceId/ISRC"]);
    Said { word: isrc.unwrap_or("without ISRC").to_owned(), at: element.place() }
}

fn declared(element: &Element) -> Option<Said> {
    element.find("ContainsAI").map(Said::of).filter(|said| !said.word.is_empty())
}

/// The graver of two declarations about one track.
fn graver(one: Option<Said>, other: Option<Said>) -> Option<Said> {
    let gravity = |said: &Option<Said>| gravity(said.as_ref().and_then(Said::disclosure));
    if gravity(&other) > gravity(&one) { other } else { one }
}

/// The details for most of the world: for all of it, else for all but the fewest territories, else for the most; of equal ones the first.
pub(super) fn by_territory(element: &Element) -> Option<&Element> {
    let details = element.children.iter().filter(|child| child.name.ends_with("DetailsByTerritory"));
    details.min_by_key(|details| {
        let (named, excluded) = (details.all("TerritoryCode"), details.all("ExcludedTerritoryCode").count());
        let is_world = excluded > 0 || named.clone().any(|code| code.text == "Worldwide");
        (!is_world, excluded, std::cmp::Reverse(named.count()))
    })
}

fn title(places: &[&Element]) -> Option<String> {
    let paths = ["DisplayTitle/TitleText", "DisplayTitleText", "ReferenceTitle/TitleText", "Title/TitleText"];
    places.iter().find_map(|place| place.text_at(&paths)).map(str::to_owned)
}

/// The display artists: main artists first, then by number; the name alone where nobody else is known.
fn artists(places: &[&Element], named: &Named) -> Vec<Contributor> {
    let role = |artist: &Element| {
        let role = artist.find("DisplayArtistRole").or_else(|| artist.find("ArtistRole"));
        role.map(|role| word_of(role).to_owned()).filter(|role| !role.is_empty())
    };
    let number =
        |artist: &Element| artist.attribute("SequenceNumber").and_then(|n| n.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let mut found: Vec<&Element> = places.iter().flat_map(|place| place.all("DisplayArtist")).collect();
    found.sort_by_cached_key(|artist| (role(artist).as_deref() != Some("MainArtist"), number(artist)));
    let artist = |element: &Element| {
        let reference = element.find("ArtistPartyReference").filter(|reference| !reference.text.is_empty());
        let (party, dangling) = referred(element, reference, named);
        let roles = role(element).into_iter().collect();
        Contributor { party, dangling, roles, instruments: Vec::new(), ai: None, special: None, at: element.place() }
    };
    let mut artists: Vec<Contributor> = found.into_iter().map(artist).collect();
    if artists.first().is_none_or(|artist| !artist.party.is_known())
        && let Some(name) =
            places.iter().find_map(|place| place.find("DisplayArtistName")).filter(|name| !name.text.is_empty())
    {
        let party = Party { name: Some(name.text.clone()), ..Party::default() };
        match artists.first_mut() {
            Some(first) => first.party = party,
            None => artists.push(Contributor {
                party,
                dangling: None,
                roles: vec!["MainArtist".to_owned()],
                instruments: Vec::new(),
                ai: None,
                special: None,
                at: name.place(),
            }),
        }
    }
    artists
}

/// Who is referred to, else who is named there; and a reference to nobody.
fn referred(element: &Element, reference: Option<&Element>, named: &Named) -> (Party, Option<Said>) {
    match reference.map(|reference| (reference, named.get(&reference.text))) {
        None => (party(element), None),
        Some((_, Some(listed))) => (listed.clone(), None),
        Some((reference, None)) => (Party::default(), Some(Said::of(reference))),
    }
}

fn contributors(place: &Element, named: &Named) -> Vec<Contributor> {
    let is_one = |name: &str| matches!(name, "Contributor" | "ResourceContributor" | "IndirectResourceContributor");
    let contributor = |element: &Element| {
        let reference = element.find("ContributorPartyReference").filter(|reference| !reference.text.is_empty());
        let (party, dangling) = referred(element, reference, named);
        let roles: Vec<&Element> = element.children.iter().filter(|child| child.name.ends_with("Role")).collect();
        let instruments = roles.iter().flat_map(|role| role.all("InstrumentType")).chain(element.all("InstrumentType"));
        let told = |name: &str| element.find(name).map(Said::of).filter(|said| !said.word.is_empty());
        Contributor {
            party,
            dangling,
            instruments: instruments.map(|instrument| word_of(instrument).to_owned()).collect(),
            roles: roles.iter().map(|role| word_of(role).to_owned()).filter(|role| !role.is_empty()).collect(),
            ai: told("AiContribution"),
            special: told("SpecialContributor"),
            at: element.place(),
        }
    };
    place.children.iter().filter(|child| is_one(&child.name)).map(contributor).collect()
}

fn audio_uri(place: &Element) -> Option<String> {
    let technical = place.children.iter().filter(|child| child.name.starts_with("Technical"));
    let file = technical.filter_map(|details| details.below("File")).next()?;
    let uri = file.text_at(&["URI", "URL"]).map(str::to_owned);
    uri.or_else(|| {
        let name = file.text_at(&["FileName"])?;
        let folder = file.text_at(&["FilePath"]).map(|folder| format!("{}/", folder.trim_end_matches('/')));
        Some(format!("{}{name}", folder.unwrap_or_default()))
    })
}

fn release(element: &Element, named: &Named) -> Release {
    let details = element.find("ReleaseDetailsByTerritory");
    let places: Vec<&Element> = [Some(element), by_territory(element).or(details)].into_iter().flatten().collect();
    let first = |paths: &[&str]| places.iter().find_map(|place| place.text_at(paths)).map(str::to_owned);
    let label = || {
        let reference = first(&["ReleaseLabelReference"])?;
        Some(named.get(&reference).and_then(|party| party.name.clone()).unwrap_or(reference))
    };
    let date = first(&["OriginalReleaseDate", "ReleaseDate", "GlobalReleaseDate", "GlobalOriginalReleaseDate"]);
    let ids = element.find("ReleaseId");
    let id = |name: &str| ids.and_then(|ids| ids.text_at(&[name])).map(str::to_owned);
    let mut holds = Vec::new();
    held(element, &mut holds);
    Release {
        reference: element.find("ReleaseReference").map(Said::of),
        is_main: element.attribute("IsMainRelease").and_then(truth) == Some(true),
        icpn: id("ICPN"),
        grid: id("GRid"),
        isrc: id("ISRC"),
        proprietary_id: ids
            .and_then(|ids| ids.find("ProprietaryId").or_else(|| ids.find("CatalogNumber")))
            .and_then(proprietary),
        title: title(&places),
        version: first(&["DisplayTitle/SubTitle", "ReferenceTitle/SubTitle", "Title/SubTitle"]),
        artist_name: first(&["DisplayArtistName"]).or_else(|| artists(&places, named).into_iter().next()?.party.name),
        label: first(&["LabelName"]).or_else(label),
        kind: match places.iter().find_map(|place| place.find("ReleaseType")) {
            Some(kind) => Some(word_of(kind).to_owned()),
            None => (element.name == "TrackRelease").then(|| element.name.clone()),
        },
        genre: first(&["DisplayGenre/GenreText", "Genre/GenreText"]),
        released_at: date.as_deref().and_then(date_of),
        holds,
        contains_ai: declared(element),
        at: element.place(),
    }
}

/// References to resources, in lists and groups at any depth.
fn held(element: &Element, into: &mut Vec<Said>) {
    for child in &element.children {
        match child.name.as_str() {
            "ReleaseResourceReference" => into.push(Said::of(child)),
            _ => held(child, into),
        }
    }
}

fn deals(element: &Element) -> ReleaseDeal {
    let mut deals = Vec::new();
    for deal in element.all("Deal") {
        let Some(terms) = deal.find("DealTerms") else { continue };
        let texts = |name: &'static str| terms.all(name).map(|found| word_of(found).to_owned()).collect::<Vec<_>>();
        let usage = terms.all("Usage").flat_map(|usage| usage.all("UseType")).map(|found| word_of(found).to_owned());
        let from = end_of_period(terms, ["StartDateTime", "StartDate"], date_of);
        let until = end_of_period(terms, ["EndDateTime", "EndDate"], end_of);
        deals.push(Deal {
            territories: texts("TerritoryCode"),
            excluded: texts("ExcludedTerritoryCode"),
            from: from.flatten(),
            until: until.flatten().filter(|end| *end < Millis::MAX),
            models: texts("CommercialModelType"),
            uses: texts("UseType").into_iter().chain(usage).collect(),
            // Who says anything of it but that it is not, wants it taken down.
            is_takedown: terms.find("TakeDown").is_some_and(|said| truth(&said.text) != Some(false)),
            is_unread: from.is_none() || until.is_none(),
            at: deal.place(),
        });
    }
    ReleaseDeal { releases: element.all("DealReleaseReference").map(Said::of).collect(), deals }
}

/// When a deal begins or ends, where it says so in one of two elements; `None` where one is there and is no date.
fn end_of_period(terms: &Element, names: [&str; 2], read: fn(&str) -> Option<Millis>) -> Option<Option<Millis>> {
    let said = names.iter().filter_map(|name| terms.find(&format!("ValidityPeriod/{name}")));
    let dates: Option<Vec<Millis>> = said.map(|said| read(&said.text)).collect();
    Some(dates?.first().copied())
}

pub(super) const DAY_MS: Millis = 86_400_000;

/// A word of a set of allowed values: the element's text, or that of its `Value`; the sender's own where it says so.
fn word_of(element: &Element) -> &str {
    let holder = element.find("Value").unwrap_or(element);
    match holder.text.as_str() {
        "UserDefined" => {
            holder.attribute("UserDefinedValue").or(element.attribute("UserDefinedValue")).unwrap_or("UserDefined")
        }
        word => word,
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// The letters of an ISRC, ICPN or GRid: `QZ-ABC-24-00001` and `qzabc2400001` are one recording.
pub(super) fn plain_code(code: &str) -> String {
    let letters = code.chars().filter(|letter| *letter != '-' && !letter.is_whitespace());
    letters.collect::<String>().to_ascii_uppercase()
}

/// A day, a month or a year is its beginning, where its time zone says; without one in UTC.
pub(super) fn date_of(text: &str) -> Option<Millis> {
    let (day, zone) = zoned(text.trim());
    match day.len() {
        4 => instant::from_text(&format!("{day}-01-01T00:00{zone}")),
        7 => instant::from_text(&format!("{day}-01T00:00{zone}")),
        10 => instant::from_text(&format!("{day}T00:00{zone}")),
        _ => instant::from_text(day),
    }
}

/// A day, a month or a year, and its time zone as XML Schema writes it (`2026-01-31+02:00`, `2026Z`); of what has a time all is the former.
fn zoned(text: &str) -> (&str, &str) {
    let is_shift = |zone: &str| zone.starts_with(['+', '-']) && zone.as_bytes()[3] == b':';
    let zone = match text.len() {
        5 | 8 | 11 if text.ends_with('Z') => 1,
        10 | 13 | 16 if text.get(text.len() - 6..).is_some_and(is_shift) => 6,
        _ => 0,
    };
    text.split_at(text.len() - zone)
}

/// When what lasts until a day, a month or a year is over; a time itself.
pub(super) fn end_of(text: &str) -> Option<Millis> {
    let (text, from) = (text.trim(), date_of(text)?);
    let (day, zone) = zoned(text);
    let year = || day[..4].parse::<u32>().ok();
    let next = match day.len() {
        4 => format!("{:04}{zone}", year()? + 1),
        7 => match day[5..].parse::<u32>().ok()? {
            12 => format!("{:04}{zone}", year()? + 1),
            month => format!("{:04}-{:02}{zone}", year()?, month + 1),
        },
        10 => return Some(from + DAY_MS),
        _ => return Some(from),
    };
    // 9999 is how people write that something never ends.
    Some(date_of(&next).unwrap_or(Millis::MAX))
}

/// An ISO 8601 duration such as `PT3M31.5S`, without months and years, which have no length; `None` past ten years.
fn duration_ms(text: &str) -> Option<u64> {
    let (days, time) = text.trim().strip_prefix('P')?.split_once('T').unwrap_or((text.trim().get(1..)?, ""));
    let mut total = 0.0_f64;
    let mut any = false;
    for (part, units) in [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)][..])] {
        let mut rest = part;
        for (unit, seconds) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                    return None;
                }
                total += number.parse::<f64>().ok()? * seconds;
                (rest, any) = (after, true);
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (any && total < 315_360_000.0).then(|| (total * 1_000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_until_a_day_a_month_or_a_year_lasts_until_it_is_over() {
        for (text, end) in [
            ("2026-01-31", "2026-02-01"),
            ("2026-02", "2026-03-01"),
            ("2026-12", "2027-01-01"),
            ("2026", "2027-01-01"),
            ("2026-12-01T10:00:00Z", "2026-12-01T10:00:00Z"),
            ("2026-01-31Z", "2026-02-01"),
            ("2026-01-31+02:00", "2026-01-31T22:00:00Z"),
            ("2026-01-05:00", "2026-02-01T05:00:00Z"),
            ("2026+01:00", "2026-12-31T23:00:00Z"),
            ("2026-01-31T10:00", "2026-01-31T10:00:00Z"),
        ] {
            assert_eq!(end_of(text), instant::from_text(end), "{text}");
        }
        assert_eq!((end_of("9999"), end_of("9999-12"), end_of("soon")), (Some(Millis::MAX), Some(Millis::MAX), None));
    }

    #[test]
    fn an_id_is_one_however_it_is_written_and_none_where_it_only_looks_so() {
        for (text, id) in [
            ("isni:0000 0001 2103 2683", Some("isni:0000000121032683")),
            ("ISNI:0000-0001-2103-268x", Some("isni:000000012103268X")),
            ("PA-DPIDA-2026010101-A", Some("PADPIDA2026010101A")),
            ("padpida2026010101a", Some("PADPIDA2026010101A")),
            ("DPID:PADPIDA2026010101A:artist-9", Some("DPID:PADPIDA2026010101A:artist-9")),
            ("label_7", Some("label_7")),
            ("PADPIDA2026010101A\u{200b}", None),
            ("P\u{410}DPIDA2026010101A", None),
            ("PADPIDA2026010101_", None),
            ("isni:0000000121032683\u{200b}", None),
            ("isni:", None),
        ] {
            assert_eq!(plain_party_id(text).as_deref(), id, "{text}");
        }
        assert!(is_dpid("PADPIDA2026010101A") && !is_dpid("PADPIDA1") && !is_dpid("label_7"));
    }

    #[test]
    fn durations_are_read_as_the_standard_writes_them() {
        for (text, ms) in [
            ("PT2M31S", Some(151_000)),
            ("PT0H3M31.5S", Some(211_500)),
            ("P0DT1H", Some(3_600_000)),
            ("P1D", Some(86_400_000)),
            ("PT0S", Some(0)),
            ("", None),
            ("P", None),
            ("PT", None),
            ("3:31", None),
            ("PT-3S", None),
            ("PT3M31", None),
            ("P1M", None),
            ("PT1e9S", None),
            ("PT99999999999999999999999S", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
    }
}
