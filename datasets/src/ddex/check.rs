//! Says what is wrong with a message: what it declares of generative AI, what refers to nothing, what is missing.
//!
//! ```text
//! Message ──▶ header, recordings, releases, deals ──▶ findings, by line
//! ```
//!
//! A schema cannot see that two elements contradict each other; these rules do. *Error*: the message contradicts itself or its
//! standard. *Warning*: something has a consequence for the sender. *Note*: worth knowing.

use std::collections::{HashMap, HashSet};

use records::{Disclosure, Millis};
use serde::Serialize;

use super::disclosure::{Part, Parts, is_of_what_untold, sings, untold};
use super::message::{
    Contributor, DAY_MS, Deal, Header, Kind, Message, Party, Release, Repeated, Resource, ResourceKind, Said, is_dpid,
};
use super::values::{Form, ID_BYTES_MAX, Misread};
use super::xml::{Place, shown};
use crate::formats::instant;

/// Findings of one message that are told; the rest is counted.
pub const FINDINGS_MAX: usize = 1_000;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Severity {
    /// The word on screen and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something about a message that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Finding {
    pub at: Place,
    /// A word that can be counted.
    pub code: &'static str,
    pub severity: Severity,
    /// What it is about: `SoundRecording A1`.
    pub subject: String,
    /// What is wrong.
    pub wrong: String,
    /// What to do.
    pub fix: &'static str,
}

/// The findings of a message, by line; at most [`FINDINGS_MAX`] of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Findings {
    pub told: Vec<Finding>,
    /// Findings of severity error, told or not.
    pub errors: u64,
    /// Findings that are not told.
    pub untold: u64,
}

/// Everything that is wrong with the message, which came when it was `received`, where that is known.
pub fn check(message: &Message, received: Option<Millis>) -> Findings {
    let mut found = Found::default();
    header(message, &mut found);
    time(message, received, &mut found);
    form(message, &mut found);
    message.misread.iter().for_each(|misread| value(misread, &mut found));
    let references = references(message, &mut found);
    one_track(message, &mut found);
    for resource in &message.resources {
        if resource.kind != ResourceKind::Other {
            self::resource(message, resource, &mut found);
        }
    }
    for release in message.releases.iter().chain(&message.purged) {
        self::release(message, release, &references, &mut found);
    }
    deals(message, &mut found);
    let Found { held: mut all, unheld, unheld_errors } = found;
    all.sort();
    all.dedup();
    let errors = all.iter().filter(|finding| finding.severity == Severity::Error).count() as u64;
    let untold = all.len().saturating_sub(FINDINGS_MAX) as u64;
    all.truncate(FINDINGS_MAX);
    Findings { told: all, errors: errors + unheld_errors, untold: untold + unheld }
}

/// Findings held before they are put in order: a message made to have a million of them must not fill the memory.
const HELD_MAX: usize = 50 * FINDINGS_MAX;

#[derive(Default)]
struct Found {
    held: Vec<Finding>,
    unheld: u64,
    unheld_errors: u64,
}

impl Found {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: Place,
        subject: &str,
        wrong: String,
        fix: &'static str,
    ) {
        if self.held.len() == HELD_MAX {
            self.unheld += 1;
            self.unheld_errors += u64::from(severity == Severity::Error);
            return;
        }
        self.held.push(Finding { at, code, severity, subject: subject.to_owned(), wrong, fix });
    }

    fn error(&mut self, code: &'static str, at: Place, subject: &str, wrong: String, fix: &'static str) {
        self.add(Severity::Error, code, at, subject, wrong, fix);
    }

    fn warning(&mut self, code: &'static str, at: Place, subject: &str, wrong: String, fix: &'static str) {
        self.add(Severity::Warning, code, at, subject, wrong, fix);
    }
}

fn header(message: &Message, found: &mut Found) {
    let header = &message.header;
    let (at, subject) = (header.at.unwrap_or(message.at), "MessageHeader");
    if header.message_id.is_none() {
        let wrong = "MessageId is missing: a message that is sent twice cannot be told from two messages".to_owned();
        found.error("no_message_id", at, subject, wrong, "give every message an id of its own");
    }
    match header.sender.as_ref().and_then(|sender| sender.id.as_ref()) {
        None => {
            let wrong = "MessageSender has no PartyId: nobody answers for the release".to_owned();
            found.error("no_sender", at, subject, wrong, "name the sender's DPID");
        }
        Some(id) if !is_dpid(id) => {
            let wrong = format!("MessageSender is {}, which is no DPID", shown(id));
            let fix = "a DPID is PADPIDA, ten digits, a letter or digit; hyphens do not matter";
            found.warning("sender_form", at, subject, wrong, fix);
        }
        Some(_) => {}
    }
    for party in header.sender.iter().chain(&header.on_behalf_of).chain(&message.parties) {
        let subject = if party.reference.is_some() { "Party" } else { subject };
        party_form(party, subject, found);
    }
    match (&header.created, &header.created_said) {
        (Some(_), _) => {}
        (None, Some(said)) => {
            let wrong = format!("MessageCreatedDateTime is {}, which is no time", shown(&said.word));
            found.error("no_time", said.at, subject, wrong, "write it as 2026-01-31T12:00:00Z");
        }
        (None, None) => {
            let wrong = "MessageCreatedDateTime is missing: updates cannot be put in order".to_owned();
            found.error("no_time", at, subject, wrong, "write it as 2026-01-31T12:00:00Z");
        }
    }
    if let Some(said) = header.control.as_ref().filter(|said| !header.is_test && !is_live(&said.word)) {
        let wrong =
            format!("MessageControlType is {}, a value we do not know: the message counts as live", shown(&said.word));
        found.warning("unknown_value", said.at, subject, wrong, "write LiveMessage or TestMessage");
    }
    if message.kind == Kind::Purge && message.purged.is_empty() {
        let wrong = "the message purges nothing: PurgedRelease is missing".to_owned();
        found.error("nothing_purged", message.at, "PurgeReleaseMessage", wrong, "name the release by its ReleaseId");
    }
    let is_played = |resource: &Resource| resource.kind.is_played();
    if message.kind == Kind::NewRelease && !message.releases.is_empty() && !message.resources.iter().any(is_played) {
        let wrong = "the message holds no recording and no video: the release has no track".to_owned();
        let fix = "describe what is played in ResourceList, also where a release is only changed";
        found.warning("nothing_played", message.at, "NewReleaseMessage", wrong, fix);
    }
    if message.kind == Kind::NewRelease && message.releases.is_empty() {
        let wrong = "the message holds no release".to_owned();
        found.error("no_release", message.at, "NewReleaseMessage", wrong, "describe the release in ReleaseList");
    }
}

fn is_live(control: &str) -> bool {
    ["LiveMessage", "Live"].iter().any(|word| control.eq_ignore_ascii_case(word))
}

/// An id that is none is nobody's, though it may look like somebody's.
fn party_form(party: &Party, subject: &str, found: &mut Found) {
    let Some(said) = &party.unread_id else { return };
    let letter = said.word.chars().find(|letter| !letter.is_ascii_graphic() && !letter.is_whitespace());
    let letter = letter.map(|letter| format!(" with U+{:04X}", u32::from(letter))).unwrap_or_default();
    let wrong = format!("the id {}{letter} has letters that no such id has: it counts for nothing", shown(&said.word));
    found.error("party_id_form", said.at, subject, wrong, "write the id with letters and digits only");
}

/// Clocks that nobody set differ by hours, and by a day where somebody forgot his time zone.
const AHEAD_MAX_MS: Millis = DAY_MS;
/// A message is sent when it is made; a month covers a queue that stood still over holidays.
const BEHIND_MAX_DAYS: Millis = 30;

/// Whether the sender's time can be, by the platform's.
fn time(message: &Message, received: Option<Millis>, found: &mut Found) {
    let Header { created: Some(created), created_said: Some(said), .. } = &message.header else { return };
    let Some(received) = received else { return };
    let (subject, came) = ("MessageHeader", instant::to_minute(received));
    if *created > received + AHEAD_MAX_MS {
        let wrong = format!(
            "MessageCreatedDateTime is {}, after the message was received, {came}: it counts as made when it was received",
            shown(&said.word)
        );
        found.error("time_ahead", said.at, subject, wrong, "set the clock of the system that makes the messages");
    }
    if *created < received - BEHIND_MAX_DAYS * DAY_MS {
        let wrong = format!(
            "MessageCreatedDateTime is {}, more than {BEHIND_MAX_DAYS} days before the message was received, {came}: what must be declared goes by the latter",
            shown(&said.word)
        );
        found.warning("time_long_past", said.at, subject, wrong, "send messages when they are made");
    }
}

/// What is said more often than it may be, and what is said in words of another namespace.
fn form(message: &Message, found: &mut Found) {
    for Repeated { element, within, is_contradictory, at } in &message.repeated {
        match is_contradictory {
            true => {
                let counts = match *element {
                    "MessageControlType" => "the message counts as a test",
                    "TakeDown" => "the release counts as taken down",
                    "StartDateTime" | "StartDate" | "EndDateTime" | "EndDate" => "the deal grants nothing",
                    _ => "none of it counts",
                };
                let wrong = format!("{element} stands there more than once and says different things: {counts}");
                found.error("repeated_element", *at, within, wrong, "say it once");
            }
            false => {
                let wrong = format!("{element} stands there more than once and says the same: it counts once");
                found.warning("repeated_element", *at, within, wrong, "say it once");
            }
        }
    }
    for Said { word, at } in &message.unknown {
        let wrong = "it is no resource that we know: of what it holds only recordings and videos are read".to_owned();
        found.warning("unknown_resource", *at, &shown(word), wrong, "write resources as ERN has them");
    }
    for Said { word, at } in &message.foreign {
        let wrong = "it is of another namespace than ERN's: it and all it holds are left out".to_owned();
        let fix = "write the element as ERN has it, without a prefix";
        found.warning("foreign_element", *at, &shown(word), wrong, fix);
    }
}

/// A date, a truth value or an id that is none.
fn value(Misread { element, form, said }: &Misread, found: &mut Found) {
    let is = format!("it is {}, which is no", shown(&said.word));
    let (code, wrong, fix) = match form {
        Form::Period => (
            "no_date",
            format!("{is} date: the deal grants nothing"),
            "write a day as 2026-01-31, a time as 2026-01-31T12:00:00Z",
        ),
        Form::Date => ("no_date", format!("{is} date"), "write a day as 2026-01-31"),
        Form::TakeDown => {
            ("no_truth_value", format!("{is} truth value: the release counts as taken down"), "write true or false")
        }
        Form::Truth => ("no_truth_value", format!("{is} truth value: it says nothing"), "write true or false"),
        Form::Id => {
            let wrong = format!("{} has more than {ID_BYTES_MAX} bytes: it counts for nothing", shown(&said.word));
            ("id_length", wrong, "give it a shorter one")
        }
        Form::Isrc => {
            let fix = "an ISRC is two letters, three letters or digits, seven digits; a number of your own stands in ProprietaryId";
            ("isrc_form", format!("{is} ISRC: it counts for nothing"), fix)
        }
        Form::Icpn => {
            let fix = "a GTIN has 8, 12, 13 or 14 digits; a number of your own stands in ProprietaryId";
            return found.warning(
                "icpn_form",
                said.at,
                element,
                format!("{is} barcode: the release is known by it as it is"),
                fix,
            );
        }
    };
    found.error(code, said.at, element, wrong, fix);
}

/// The references to resources; one that is given twice is an error, because what refers to it means nothing, and so is one of parties or releases.
fn references<'a>(message: &'a Message, found: &mut Found) -> HashMap<&'a str, &'a Resource> {
    let mut parties: HashMap<&str, &Party> = HashMap::new();
    for party in &message.parties {
        let Some(reference) = &party.reference else { continue };
        let known = parties.insert(reference, party);
        if known.is_some_and(|known| !known.is_as(party)) {
            let wrong = format!("the reference {} is given to two parties: neither counts", shown(reference));
            let at = party.at.unwrap_or(message.at);
            found.error("repeated_reference", at, "Party", wrong, "give each party its own");
        }
    }
    let mut releases: HashSet<&str> = HashSet::new();
    for release in &message.releases {
        let Some(reference) = &release.reference else { continue };
        if !releases.insert(&reference.word) {
            let wrong = format!("the reference {} is given to two releases", shown(&reference.word));
            found.error("repeated_reference", reference.at, &release_name(release), wrong, "give each release its own");
        }
    }
    for release in message.releases.iter().filter(|release| release.is_main).skip(1) {
        let wrong = "it is another main release: the message is about the first, which is a matter of order".to_owned();
        found.error("two_main_releases", release.at, &release_name(release), wrong, "send a message for each");
    }
    let mut references = HashMap::new();
    for resource in &message.resources {
        let Some(reference) = &resource.reference else { continue };
        if references.insert(reference.word.as_str(), resource).is_some() {
            let wrong = format!("the reference {} is given to two resources", shown(&reference.word));
            found.error("repeated_reference", reference.at, &name(resource), wrong, "give each resource its own");
        }
    }
    references
}

/// Recordings and videos of one number, which become one track.
fn one_track(message: &Message, found: &mut Found) {
    let mut first: HashMap<&str, &Resource> = HashMap::new();
    for resource in message.resources.iter().filter(|resource| resource.kind.is_played()) {
        let number = resource.number();
        let Some(known) = first.get(number) else {
            first.insert(number, resource);
            continue;
        };
        let wrong = format!(
            "its number is {}, as that of {} ({}): both are one track, the first, and what each says of generative AI counts for it",
            shown(number),
            name(known),
            known.at
        );
        let fix = "send each recording once, and give each an ISRC of its own";
        found.error("repeated_recording", resource.at, &name(resource), wrong, fix);
    }
}

fn name(resource: &Resource) -> String {
    let reference = resource.reference.as_ref().map(|reference| reference.word.as_str());
    let known = reference.or(resource.isrc.as_deref()).unwrap_or("without reference");
    format!("{} {known}", resource.kind.name())
}

fn release_name(release: &Release) -> String {
    let reference = release.reference.as_ref().map(|reference| reference.word.as_str());
    format!("Release {}", reference.or_else(|| release.id()).unwrap_or("without reference"))
}

fn resource(message: &Message, resource: &Resource, found: &mut Found) {
    let subject = name(resource);
    metadata(resource, &subject, found);
    // Whom a reference names was looked at in the list.
    let named_here = resource.artists.iter().chain(&resource.contributors).filter(|one| one.party.reference.is_none());
    named_here.for_each(|one| party_form(&one.party, &subject, found));
    if let Some(within) = &resource.within {
        let wrong = format!("it stands within {}, and is read as one of its own", shown(within));
        found.warning("nested_resource", resource.at, &subject, wrong, "write it into ResourceList itself");
    }
    for artist in &resource.artists {
        dangling(artist, "display artist", &subject, found);
    }
    for contributor in &resource.contributors {
        self::contributor(contributor, &subject, found);
    }
    for edition in &resource.other_editions {
        let wrong = format!(
            "it is another edition, {}: only the first becomes a track; what each says of generative AI counts for it",
            shown(&edition.word)
        );
        found.warning("other_edition", edition.at, &subject, wrong, "send a recording for each");
    }
    declaration(message, resource.contains_ai.as_ref(), &subject, found);
    contradictions(resource, &subject, found);
    if resource.kind.is_played() {
        undeclared(message, resource, &subject, found);
        parts(resource, &subject, found);
    }
}

fn metadata(resource: &Resource, subject: &str, found: &mut Found) {
    if resource.reference.is_none() {
        let wrong = "ResourceReference is missing: no release can hold it".to_owned();
        found.error("no_reference", resource.at, subject, wrong, "give it a reference such as A1");
    }
    if let Some(said) = &resource.duration_unread {
        let wrong = format!("Duration is {}, which is none", shown(&said.word));
        found.warning("no_duration", said.at, subject, wrong, "write it as PT3M31S");
    }
    if !resource.kind.is_played() {
        return;
    }
    if resource.isrc.is_none() {
        let wrong = "no ISRC is known of it: copies of the recording cannot be told from others".to_owned();
        found.warning("no_isrc", resource.at, subject, wrong, "name the ISRC of the recording");
    }
    for (code, is_missing, element) in [
        ("no_title", resource.title.is_none(), "a title"),
        ("no_artist", resource.artist().is_none(), "a display artist"),
    ] {
        if is_missing {
            found.warning(code, resource.at, subject, format!("{element} is missing"), "complete the metadata");
        }
    }
}

fn dangling(contributor: &Contributor, what: &str, subject: &str, found: &mut Found) {
    if let Some(said) = &contributor.dangling {
        let wrong = format!("the {what} refers to the party {}, which PartyList does not have", shown(&said.word));
        found.error("dangling_party", said.at, subject, wrong, "list the party, or correct the reference");
    }
}

fn contributor(contributor: &Contributor, subject: &str, found: &mut Found) {
    dangling(contributor, "contributor", subject, found);
    if let Some(said) = &contributor.special
        && !contributor.is_generative()
    {
        let wrong =
            format!("SpecialContributor is {}, a value we do not know: it is kept and says nothing", shown(&said.word));
        found.warning("unknown_value", said.at, subject, wrong, "generative AI is written GenerativeAI");
    }
    let Some(said) = &contributor.ai else { return };
    word(said, "AiContribution", subject, found);
    match (contributor.is_generative(), said.disclosure()) {
        (false, Some(Disclosure::All)) => {
            let wrong = "AiContribution is All, but the contributor is not of the kind GenerativeAI".to_owned();
            let fix =
                "name the machine as a contributor with SpecialContributor GenerativeAI, or declare Partly or None";
            found.error("person_all_ai", said.at, subject, wrong, fix);
        }
        (true, Some(Disclosure::None)) => {
            let wrong = "AiContribution is None, but the contributor is generative AI".to_owned();
            found.error(
                "machine_no_ai",
                said.at,
                subject,
                wrong,
                "remove SpecialContributor, or declare Partly or All",
            );
        }
        _ => {}
    }
}

/// A word of the set `All`, `Partly`, `None`: known, misspelt, or not known.
fn word(said: &Said, element: &str, subject: &str, found: &mut Found) {
    match said.disclosure() {
        None => {
            let wrong =
                format!("{element} is {}, a value we do not know: it is kept and declares nothing", shown(&said.word));
            found.warning("unknown_value", said.at, subject, wrong, "declare All, Partly or None");
        }
        Some(_) if !matches!(said.word.as_str(), "All" | "Partly" | "None") => {
            let wrong = format!("{element} is {}: the standard knows All, Partly and None", shown(&said.word));
            found.warning("value_case", said.at, subject, wrong, "write the value as the standard does");
        }
        Some(_) => {}
    }
}

fn declaration(message: &Message, said: Option<&Said>, subject: &str, found: &mut Found) {
    let Some(said) = said else { return };
    word(said, "ContainsAI", subject, found);
    if !message.version.can_declare_ai() {
        let wrong = format!("ContainsAI is no element of ERN {}: it is read all the same", message.version.name());
        found.warning("element_of_later_version", said.at, subject, wrong, "deliver ERN 4.3.2");
    }
}

/// The rules between `ContainsAI` and the contributors that the standard states and a schema cannot check.
fn contradictions(resource: &Resource, subject: &str, found: &mut Found) {
    let Some(said) = &resource.contains_ai else { return };
    let declared = said.disclosure();
    for contributor in &resource.contributors {
        let at = contributor.ai.as_ref().or(contributor.special.as_ref()).map_or(contributor.at, |said| said.at);
        let who = who(contributor);
        match declared {
            Some(Disclosure::All) if !contributor.is_generative() => {
                let wrong = format!("ContainsAI is All ({}), but {who} is no generative AI", said.at);
                let fix = "declare Partly, or mark the contributor with SpecialContributor GenerativeAI";
                found.error("all_with_people", at, subject, wrong, fix);
            }
            Some(Disclosure::None) => {
                if let Some(ai @ (Disclosure::All | Disclosure::Partly)) = contributor.disclosure() {
                    let ai = if ai == Disclosure::All { "All" } else { "Partly" };
                    let wrong = format!("ContainsAI is None ({}), but {who} has AiContribution {ai}", said.at);
                    found.error("none_with_ai", at, subject, wrong, "declare Partly, or correct the contributor");
                }
            }
            _ => {}
        }
    }
}

fn who(contributor: &Contributor) -> String {
    let known = contributor.party.name.as_deref().or(contributor.party.id.as_deref());
    let role = contributor.roles.first().map(|role| format!(" ({})", shown(role))).unwrap_or_default();
    format!("the contributor{}{role}", known.map(|known| format!(" {}", shown(known))).unwrap_or_default())
}

fn undeclared(message: &Message, resource: &Resource, subject: &str, found: &mut Found) {
    if resource.contains_ai.is_some() {
        return;
    }
    let somebody = resource.contributors.iter().find(|one| one.ai.is_some() || one.special.is_some());
    if let Some(contributor) = somebody {
        let wrong =
            "a contributor declares generative AI, but the recording does not: ContainsAI is missing".to_owned();
        let fix = "declare ContainsAI: money is held until it is there";
        found.warning("parts_without_whole", contributor.at, subject, wrong, fix);
    } else if message.version.can_declare_ai() {
        let wrong = "does not say whether generative AI was used: ContainsAI is missing, which is not None".to_owned();
        let fix = "declare ContainsAI as All, Partly or None: money is held until it is there";
        found.warning("undeclared", resource.at, subject, wrong, fix);
    } else {
        let wrong = format!("ERN {} cannot say whether generative AI was used", message.version.name());
        let fix = "deliver ERN 4.3.2 with ContainsAI: money is held until it is there";
        found.add(Severity::Note, "version_cannot_declare", resource.at, subject, wrong, fix);
    }
}

/// What is said of vocals, instruments and post-production beside what is said of the whole.
fn parts(resource: &Resource, subject: &str, found: &mut Found) {
    let parts = Parts::of(resource);
    let whole = resource.contains_ai.as_ref().and_then(Said::disclosure);
    if let Some(said) = resource.contains_ai.as_ref().filter(|_| is_of_what_untold(resource)) {
        let may_be = if resource.is_instrumental.is_none() { "; it may be the voice" } else { "" };
        let wrong = format!(
            "ContainsAI is Partly, but no contributor says which part: vocals, instruments, post-production{may_be}"
        );
        found.warning("partly_of_what", said.at, subject, wrong, "give the contributors AiContribution");
    }
    if resource.is_instrumental.is_none() {
        for (contributor, role) in resource.contributors.iter().filter_map(|one| Some((one, untold(one)?))) {
            let wrong = format!(
                "{} is a machine, or worked with one, and what it did is not known ({}): it may be the voice",
                who(contributor),
                shown(role)
            );
            let fix = "name a role of the standard, or declare IsInstrumental";
            found.warning("untold_part", contributor.at, subject, wrong, fix);
        }
    }
    let sung = parts.vocals.filter(|ai| ai.is_machine());
    // Where all is a machine's and nobody says that nobody sings, so is the voice.
    if let Some(ai) = sung.or(whole.filter(|whole| *whole == Disclosure::All && parts.vocals.is_none())) {
        let singers = resource.contributors.iter().filter(|one| sings(resource, one));
        let at = singers.filter(|one| one.disclosure().is_some()).map(|one| one.at).next().unwrap_or(resource.at);
        let wrong = format!(
            "vocals are, or may be, a machine's ({}): it is not paid without a consent of whose voice that is, and ERN has no element for one",
            ai.name()
        );
        let fix = match sung {
            Some(_) => "have the platform register the consent, by ISRC or by the party whose voice it is",
            None => {
                "have the platform register the consent, by ISRC or by the party whose voice it is; or declare IsInstrumental"
            }
        };
        found.add(Severity::Note, "consent_needed", at, subject, wrong, fix);
    }
    if let Some(said) = &resource.people_sing
        && (parts.vocals == Some(Disclosure::All) || whole == Some(Disclosure::All))
    {
        let wrong =
            "people are said to sing (vocal performance), but all vocals are declared as generative AI".to_owned();
        found.error(
            "people_sing_all_ai",
            said.at,
            subject,
            wrong,
            "the vocal flags speak of people: set them to false",
        );
    }
    if let Some(said) = &resource.is_instrumental
        && let Some(singer) = resource.contributors.iter().find(|one| Part::of(one).contains(&Part::Vocals))
    {
        let wrong = format!("IsInstrumental is true, but {} sings", who(singer));
        found.warning("instrumental_with_vocals", said.at, subject, wrong, "correct the flag or the role");
    }
}

fn release(message: &Message, release: &Release, references: &HashMap<&str, &Resource>, found: &mut Found) {
    let subject = release_name(release);
    let is_track = release.kind.as_deref() == Some("TrackRelease");
    if release.id().is_none() && !is_track {
        let wrong =
            "ReleaseId has neither ICPN nor GRid nor a number of the sender's: updates cannot find it".to_owned();
        found.error("no_release_id", release.at, &subject, wrong, "name the release's ICPN");
    }
    for held in &release.holds {
        if !references.contains_key(held.word.as_str()) {
            let wrong =
                format!("the release holds the resource {}, which the message does not have", shown(&held.word));
            found.error(
                "dangling_resource",
                held.at,
                &subject,
                wrong,
                "describe the resource, or correct the reference",
            );
        }
    }
    declaration(message, release.contains_ai.as_ref(), &subject, found);
    let Some(said) = &release.contains_ai else { return };
    for held in &release.holds {
        let Some(resource) = references.get(held.word.as_str()) else { continue };
        let of_it = resource.contains_ai.as_ref().and_then(Said::disclosure);
        let (code, contradicts) = match (said.disclosure(), of_it) {
            (Some(Disclosure::None), Some(Disclosure::All | Disclosure::Partly)) => ("release_none_with_ai", true),
            (Some(Disclosure::All), Some(Disclosure::None | Disclosure::Partly)) => ("release_all_with_people", true),
            _ => ("", false),
        };
        if contradicts {
            let wrong = format!(
                "ContainsAI is {} for the release, but {} for its {}",
                said.word,
                of_it.map_or("", Disclosure::name),
                name(resource)
            );
            found.error(code, said.at, &subject, wrong, "declare Partly for the release, or correct the resource");
        }
    }
}

fn deals(message: &Message, found: &mut Found) {
    let known: HashSet<&str> =
        message.releases.iter().filter_map(|release| Some(release.reference.as_ref()?.word.as_str())).collect();
    for group in &message.deals {
        for reference in group.releases.iter().filter(|reference| !known.contains(reference.word.as_str())) {
            let wrong =
                format!("the deal is about the release {}, which the message does not have", shown(&reference.word));
            let fix = "describe the release, or correct the reference";
            found.error("dangling_release", reference.at, "Deal", wrong, fix);
        }
        let backwards = |deal: &&Deal| deal.from.zip(deal.until).is_some_and(|(from, until)| until <= from);
        for deal in group.deals.iter().filter(backwards) {
            let wrong = "the deal ends before it begins".to_owned();
            found.warning("deal_backwards", deal.at, "Deal", wrong, "correct ValidityPeriod");
        }
    }
}
