//! What a catalogue becomes when messages are applied in their order.
//!
//! ```text
//! messages by time ──▶ once each, of whose they are about ──▶ release, new or changed, taken down, purged ──▶ rows with valid_from
//! ```
//!
//! A message about a release says everything about it: an update replaces, it does not add. Messages go by the sender's time
//! (`MessageCreatedDateTime`), none later than it was received; equal times go by message id. When music was uploaded is the
//! platform's to say, because what must be declared hangs on it: when the first message about it was received. So is whose it is: [`Owners`].

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use records::{Disclosure, Id, Millis, Track};
use twox_hash::xxhash3_128::Hasher;

use super::check::check;
use super::consents::{Consents, Unmet, Whose};
use super::disclosure::{self, Part, Parts};
use super::message::{self, Contributor, Deal, Kind, Message, Party, Release, Resource, Said, Version};
use super::owners::{About, Owners};
use super::received::{Received, hash};
use super::xml::{Limits, Unread};
use crate::formats::name_key;

/// How tracks are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrackIds {
    /// `<release>/<ISRC>`: a recording on two releases is two tracks of one recording.
    #[default]
    Release,
    /// The ISRC alone: a recording is one track, whatever it is released on.
    Isrc,
}

impl TrackIds {
    fn of(self, resource: &Resource, release_id: &str) -> String {
        match (self, &resource.isrc) {
            (TrackIds::Isrc, Some(isrc)) => isrc.clone(),
            _ => format!("{release_id}/{}", resource.number()),
        }
    }

    /// The resources by the ids that they get, and what they declare. Of two recordings of one id the first becomes the track, and what each declares
    /// counts for it: else the last one would have the word.
    fn one_each<'a>(self, resources: &'a [Resource], release_id: &str) -> Vec<(String, Cow<'a, Resource>, Parts)> {
        let mut all: Vec<(String, Cow<Resource>, Parts)> = Vec::with_capacity(resources.len());
        let mut tracks: HashMap<String, usize> = HashMap::new();
        for resource in resources {
            let id = self.of(resource, release_id);
            if resource.kind.is_played() {
                match tracks.entry(id.clone()) {
                    Entry::Occupied(at) => {
                        let (_, first, parts) = &mut all[*at.get()];
                        first.to_mut().join(resource);
                        *parts = parts.graver(Parts::of(resource));
                        continue;
                    }
                    Entry::Vacant(place) => _ = place.insert(all.len()),
                }
            }
            all.push((id, Cow::Borrowed(resource), Parts::of(resource)));
        }
        all
    }
}

/// What can vary.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Settings {
    pub track_ids: TrackIds,
    pub limits: Limits,
    pub received: Received,
    pub consents: Consents,
    /// Whether messages may be left out that an earlier import into the folder applied.
    pub forget: bool,
}

/// What of a message is needed to put it in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Envelope {
    pub path: PathBuf,
    pub version: Version,
    pub sender: String,
    pub message_id: Option<String>,
    /// When it was made, by its sender.
    pub created: Option<Millis>,
    /// When it came, by the platform's clock, where that is known.
    pub received: Option<Millis>,
    /// The hash of its bytes.
    pub hash: Option<String>,
    pub is_test: bool,
    /// What stands in the place of its sender's id and is none.
    pub unread_sender: Option<String>,
    /// From when on its sender may speak of what it is about, where another had it before.
    pub since: Option<Millis>,
}

impl Envelope {
    /// When it comes into force: when it was made, but nothing is made after it was received, and nobody speaks of the time of another.
    pub fn in_force(&self) -> Option<Millis> {
        let created = self.created?;
        Some(self.received.map_or(created, |received| created.min(received))).max(self.since)
    }

    /// When the music came that it brings.
    pub fn uploaded(&self) -> Option<Millis> {
        self.received.or(self.created)
    }
}

/// Reads the envelope of a message, and no further.
///
/// # Errors
/// As [`message::read`].
pub fn envelope(path: &Path, limits: Limits) -> Result<Envelope, Unread> {
    let Message { version, header, .. } = message::read_header(path, limits)?;
    let sender = header.sender.unwrap_or_default();
    let unread_sender = sender.unread_id.filter(|_| sender.id.is_none()).map(|said| said.word);
    let sender = sender.id.or(sender.name).unwrap_or_default();
    Ok(Envelope {
        path: path.to_owned(),
        version,
        sender,
        message_id: header.message_id,
        created: header.created,
        received: None,
        hash: hash(path, limits),
        is_test: header.is_test,
        unread_sender,
        since: None,
    })
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is in the tables.
    Applied,
    /// The same message, byte for byte, was applied before.
    Repeated,
    /// Another message has its id and was received first.
    Conflicting,
    /// It is about a release or a track that another sender delivered and still has.
    Foreign,
    /// It is a test and changes nothing.
    Test,
    /// An earlier import knew it, and its file was not named this time: only when it was received is kept.
    Absent,
    /// It lacks its id, its time or its sender and has no place in the order.
    Incomplete,
    /// It cannot be read.
    Unread,
}

impl Fate {
    /// The word in tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Applied => "applied",
            Fate::Repeated => "repeated",
            Fate::Conflicting => "conflicting",
            Fate::Foreign => "foreign",
            Fate::Test => "test",
            Fate::Absent => "absent",
            Fate::Incomplete => "incomplete",
            Fate::Unread => "unread",
        }
    }
}

/// A message and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Outcome {
    pub path: PathBuf,
    pub envelope: Option<Envelope>,
    pub fate: Fate,
    /// Why it is not in the tables; of one that is applied, what it ends that nobody had brought.
    pub reason: Option<String>,
    /// Findings of severity error.
    pub errors: u64,
}

/// What was found of a message when it was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Findings of severity error.
    pub errors: u64,
    /// Releases that it purges or takes down, and that no message before it brought: their numbers may be mistaken.
    pub ends_unknown: Vec<String>,
}

/// A release from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ReleaseRow {
    pub release_id: String,
    pub valid_from: Millis,
    pub status: &'static str,
    pub release: Release,
    pub tracks: u64,
    pub available_from: Option<Millis>,
    pub available_until: Option<Millis>,
    pub uploader_id: Option<String>,
    pub distributor_id: Option<String>,
    pub message_id: String,
    pub update: Option<String>,
}

/// Somebody's part in a track.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ContributorRow {
    pub track_id: String,
    pub valid_from: Millis,
    pub number: u64,
    pub contributor: Contributor,
    pub parts: Vec<Part>,
}

/// A deal of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DealRow {
    pub release_id: String,
    pub valid_from: Millis,
    pub number: u64,
    pub deal: Deal,
}

/// What a release or a resource declares of generative AI: as it was written, and as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DisclosureRow {
    pub subject: &'static str,
    pub subject_id: String,
    pub valid_from: Millis,
    pub said: Option<String>,
    pub whole: Option<Disclosure>,
    pub parts: Parts,
    pub distributor_id: Option<String>,
    pub message_id: String,
}

/// Rows that a message made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Rows {
    pub tracks: Vec<Track>,
    pub releases: Vec<ReleaseRow>,
    pub contributors: Vec<ContributorRow>,
    pub deals: Vec<DealRow>,
    pub disclosures: Vec<DisclosureRow>,
}

/// What is known of the catalogue so far.
pub struct Catalogue {
    settings: Settings,
    tracks: HashMap<String, Known>,
    /// Each release that is not purged: who delivered it, and its tracks.
    releases: HashMap<String, (Option<String>, Vec<String>)>,
    /// Each release that ever was one.
    brought: HashSet<String>,
    /// Rows of the instant that is being applied: of two rows of a track the later message's holds.
    pending: BTreeMap<Id, Track>,
    /// The last rows of tracks that the register of consents has a word about, and those by what it is about.
    voiced: HashMap<String, Voiced>,
    voices: HashMap<(String, Whose), BTreeSet<String>>,
    /// What the register has a word about and messages delivered, whether it is asked for or not.
    met: HashSet<(String, Whose)>,
    now: Millis,
}

/// A track that somebody consented to, at some time.
struct Voiced {
    row: Track,
    /// The recording.
    recording: Option<(String, Whose)>,
    /// Everybody whose voice it could have; empty where somebody is not in the register.
    voices: Vec<(String, Whose)>,
}

impl Voiced {
    fn keys(&self) -> impl Iterator<Item = &(String, Whose)> {
        self.recording.iter().chain(&self.voices)
    }

    /// The consent in force: about the recording, else of everybody whose voice it could have.
    fn consent(&self, consents: &Consents, at: Millis) -> Option<String> {
        if let Some(reference) = self.recording.as_ref().and_then(|key| consents.of(key, at)) {
            return Some(reference.to_owned());
        }
        let mut references = Vec::new();
        for key in &self.voices {
            let reference = consents.of(key, at)?;
            if !references.contains(&reference) {
                references.push(reference);
            }
        }
        (!references.is_empty()).then(|| references.join(" + "))
    }
}

/// What a track's last row said, and since when it is known.
struct Known {
    uploaded_at: Millis,
    last: u128,
    releases: u32,
}

impl Catalogue {
    /// A catalogue that knows nothing.
    pub fn new(settings: Settings) -> Catalogue {
        Catalogue {
            settings,
            tracks: HashMap::new(),
            releases: HashMap::new(),
            brought: HashSet::new(),
            pending: BTreeMap::new(),
            voiced: HashMap::new(),
            voices: HashMap::new(),
            met: HashSet::new(),
            now: Millis::MIN,
        }
    }

    /// Reads the message that the envelope is of and applies it; messages come in their order, without those about what is another's.
    ///
    /// # Errors
    /// When the rest of the message cannot be read; then nothing of it is applied.
    pub fn take(&mut self, envelope: &Envelope, rows: &mut Rows) -> Result<Taken, Unread> {
        let message = message::read(&envelope.path, self.settings.limits)?;
        let times = envelope.in_force().zip(envelope.uploaded());
        let (Some(times), Some(message_id)) = (times, &message.header.message_id) else {
            return Ok(Taken::default());
        };
        let sent = Sent::of(&message, times, message_id);
        self.advance(sent.in_force, rows);
        let ended: Vec<String> = match message.kind {
            Kind::Purge => message.purged.iter().map(|release| self.purge(release, &sent, rows)).collect(),
            Kind::NewRelease => self.release(&message, &sent, rows).into_iter().collect(),
        };
        let ends_unknown = ended.into_iter().filter(|release| !self.brought.contains(release)).collect();
        if let (Kind::NewRelease, Some(main)) = (message.kind, message.main_release()) {
            self.brought.insert(sent.release_id(main));
        }
        Ok(Taken { errors: check(&message, envelope.received).errors, ends_unknown })
    }

    /// The rows of the last instant, and of consents that begin or end later. Tells which consents are about nothing that was delivered.
    pub fn finish(mut self, rows: &mut Rows) -> Vec<Unmet> {
        self.advance(Millis::MAX, rows);
        self.settings.consents.unmet(&self.met)
    }

    /// Hands over the rows of all instants before `at`.
    fn advance(&mut self, at: Millis, rows: &mut Rows) {
        while let Some((change, keys)) = self.settings.consents.next_change(self.now, at) {
            self.hand_over(change, rows);
            let tracks: BTreeSet<&String> = keys.iter().filter_map(|key| self.voices.get(key)).flatten().collect();
            let last = |track: &String| Some(self.voiced.get(track)?.row.clone());
            let again: Vec<Track> = tracks.into_iter().filter_map(last).collect();
            again.into_iter().for_each(|row| self.enter(Track { valid_from: Some(change), ..row }));
        }
        self.hand_over(at, rows);
    }

    fn hand_over(&mut self, at: Millis, rows: &mut Rows) {
        if at > self.now {
            rows.tracks.extend(std::mem::take(&mut self.pending).into_values());
            self.now = at;
        }
    }

    /// What in the register could be about the recording: itself, then whose voice it has.
    fn voice(&mut self, track: &Track, resource: &Resource, sent: &Sent) {
        let id = track.track_id.to_string();
        self.unvoice(&id);
        let Some(distributor) = &sent.distributor_id else { return };
        let consents = &self.settings.consents;
        let known = |whose| Some((distributor.clone(), whose)).filter(|key| consents.knows(key));
        let recording = resource.isrc.clone().map(Whose::Recording).and_then(known);
        let everybody = resource.artists.iter().chain(&resource.contributors);
        let named = everybody.filter_map(|one| known(Whose::Party(one.party.id.clone()?)));
        self.met.extend(named.chain(recording.clone()));
        // One voice's consent says nothing of another's: of whoever sings with a machine, or might, there must be one.
        let sings = |one: &&Contributor| disclosure::sings(resource, one) && one.disclosure() != Some(Disclosure::None);
        let singers = resource.contributors.iter().filter(sings);
        let voice = |one: &Contributor| known(Whose::Party(one.party.id.clone()?));
        let voices = resource.artists.iter().chain(singers).map(voice).collect::<Option<Vec<_>>>();
        let voices = voices.filter(|_| !resource.artists.is_empty()).unwrap_or_default();
        let voiced = Voiced { row: track.clone(), recording, voices };
        for key in voiced.keys() {
            self.voices.entry(key.clone()).or_default().insert(id.clone());
        }
        if voiced.keys().next().is_some() {
            self.voiced.insert(id, voiced);
        }
    }

    fn unvoice(&mut self, id: &str) {
        let Some(voiced) = self.voiced.remove(id) else { return };
        for key in voiced.keys() {
            if let Some(tracks) = self.voices.get_mut(key) {
                tracks.remove(id);
            }
        }
    }

    /// Tells the release that is taken down.
    fn release(&mut self, message: &Message, sent: &Sent, rows: &mut Rows) -> Option<String> {
        let main = message.main_release()?;
        let release_id = sent.release_id(main);
        let about_it = message.deals.iter().filter(|group| group.is_about(main));
        let deals: Vec<&Deal> = about_it.flat_map(|group| &group.deals).filter(|deal| deal.counts()).collect();
        let released_at = main.released_at.or_else(|| deals.iter().filter_map(|deal| deal.from).min());
        let mut tracks = Vec::new();
        for (id, resource, parts) in self.settings.track_ids.one_each(&message.resources, &release_id) {
            rows.disclosures.push(sent.disclosure(
                resource_subject(&resource),
                &id,
                resource.contains_ai.as_ref(),
                parts,
            ));
            if !resource.kind.is_played() {
                continue;
            }
            let track = sent.track(&resource, parts, main, released_at, &id);
            rows.contributors.extend(contributors(&resource, &id, sent.in_force));
            self.voice(&track, &resource, sent);
            self.enter(track);
            tracks.push(id);
        }
        rows.disclosures.push(sent.disclosure("release", &release_id, main.contains_ai.as_ref(), Parts::default()));
        let numbered = deals.iter().zip(0..);
        rows.deals.extend(numbered.map(|(deal, number)| DealRow {
            release_id: release_id.clone(),
            valid_from: sent.in_force,
            number,
            deal: (*deal).clone(),
        }));
        rows.releases.push(sent.release_row(&release_id, main, &deals, tracks.len()));
        self.hold(release_id.clone(), sent, tracks);
        // One whose deals have run out is in many an archive.
        deals.iter().any(|deal| deal.is_takedown).then_some(release_id)
    }

    /// What the release held before it holds no more.
    fn hold(&mut self, release_id: String, sent: &Sent, tracks: Vec<String>) {
        for id in &tracks {
            if let Some(known) = self.tracks.get_mut(id) {
                known.releases += 1;
            }
        }
        let before = self.releases.insert(release_id, (sent.distributor_id.clone(), tracks));
        for id in before.unwrap_or_default().1 {
            if let Some(known) = self.tracks.get_mut(&id) {
                known.releases = known.releases.saturating_sub(1);
            }
        }
    }

    /// From now on nothing is said of the release's tracks but that there were such. Tells the release.
    fn purge(&mut self, release: &Release, sent: &Sent, rows: &mut Rows) -> String {
        let release_id = sent.release_id(release);
        // It was received when nobody had delivered the release: what another brought since is not the sender's to purge.
        if self.releases.get(&release_id).is_some_and(|(sender, _)| *sender != sent.distributor_id) {
            return release_id;
        }
        let (_, tracks) = self.releases.remove(&release_id).unwrap_or_default();
        rows.releases
            .push(ReleaseRow { status: "purged", ..sent.release_row(&release_id, release, &[], tracks.len()) });
        for id in tracks {
            let Some(known) = self.tracks.get_mut(&id) else { continue };
            known.releases = known.releases.saturating_sub(1);
            if known.releases == 0 {
                // What comes again is uploaded again, whoever brings it.
                known.uploaded_at = Millis::MAX;
                self.unvoice(&id);
                self.enter(Track { valid_from: Some(sent.in_force), ..Track::new(id.as_str().into()) });
            }
        }
        release_id
    }

    /// Enters a row, unless it says what the last one of the track said.
    fn enter(&mut self, mut track: Track) {
        let id = track.track_id.to_string();
        let known = self.tracks.get_mut(&id);
        if let (Some(uploaded_at), Some(known)) = (&mut track.uploaded_at, known) {
            *uploaded_at = known.uploaded_at.min(*uploaded_at);
            known.uploaded_at = *uploaded_at;
        }
        if let Some(voiced) = self.voiced.get(&id) {
            track.consent_ref = voiced.consent(&self.settings.consents, self.now);
        }
        let known = self.tracks.get(&id);
        let says = digest_of_track(&track);
        if known.is_some_and(|known| known.last == says) {
            return;
        }
        let now = self.now;
        let known = self.tracks.entry(id).or_insert(Known {
            uploaded_at: track.uploaded_at.unwrap_or(now),
            last: 0,
            releases: 0,
        });
        known.last = says;
        self.pending.insert(track.track_id.clone(), track);
    }
}

/// The row without the instant from which it is in force.
fn digest_of_track(track: &Track) -> u128 {
    Hasher::oneshot(format!("{:?}", Track { valid_from: None, ..track.clone() }).as_bytes())
}

fn resource_subject(resource: &Resource) -> &'static str {
    match resource.kind {
        message::ResourceKind::SoundRecording => "sound_recording",
        message::ResourceKind::Video => "video",
        message::ResourceKind::Image => "image",
        message::ResourceKind::Text => "text",
        message::ResourceKind::Other => "other",
    }
}

/// The display artists first, then the contributors.
fn contributors(resource: &Resource, track_id: &str, valid_from: Millis) -> Vec<ContributorRow> {
    let artists = resource.artists.iter().filter(|artist| artist.party.is_known());
    let all = artists.chain(&resource.contributors).cloned().zip(0..);
    let row = |(contributor, number): (Contributor, u64)| ContributorRow {
        track_id: track_id.to_owned(),
        valid_from,
        number,
        parts: Part::of(&contributor),
        contributor,
    };
    all.map(row).collect()
}

/// What all rows of a message share.
struct Sent<'a> {
    in_force: Millis,
    uploaded: Millis,
    message_id: &'a str,
    distributor_id: Option<String>,
    uploader_id: Option<String>,
    update: Option<String>,
}

impl<'a> Sent<'a> {
    fn of(message: &Message, (in_force, uploaded): (Millis, Millis), message_id: &'a str) -> Sent<'a> {
        let known =
            |party: &Option<Party>| party.as_ref().and_then(|party| party.id.clone().or_else(|| party.name.clone()));
        let distributor_id = known(&message.header.sender);
        Sent {
            in_force,
            uploaded,
            message_id,
            // Who sends for nobody else uploads what is its own.
            uploader_id: known(&message.header.on_behalf_of).or_else(|| distributor_id.clone()),
            distributor_id,
            update: message.update.clone(),
        }
    }

    fn release_id(&self, release: &Release) -> String {
        let unknown = || format!("{}/{}", self.distributor_id.as_deref().unwrap_or_default(), self.message_id);
        release.id().map_or_else(unknown, str::to_owned)
    }

    fn track(&self, resource: &Resource, parts: Parts, main: &Release, released_at: Option<Millis>, id: &str) -> Track {
        let own = |resource: &Option<String>, release: &Option<String>| resource.clone().or_else(|| release.clone());
        let artist = resource.artist();
        let artist_id =
            artist.and_then(|artist| artist.id.clone().or_else(|| Some(name_key(&[artist.name.as_deref()?]))));
        let recording = resource.isrc.as_deref().or(resource.proprietary_id.as_deref());
        Track {
            content_id: recording.map(Id::from),
            isrc: resource.isrc.clone(),
            title: resource.title.clone(),
            version: resource.version.clone(),
            artist_id: artist_id.map(Id::from),
            artist_name: artist.and_then(|artist| artist.name.clone()),
            uploader_id: self.uploader_id.as_deref().map(Id::from),
            distributor_id: self.distributor_id.as_deref().map(Id::from),
            label: own(&resource.label, &main.label),
            genre: own(&resource.genre, &main.genre),
            language: resource.language.clone(),
            duration_ms: resource.duration_ms,
            uploaded_at: Some(self.uploaded),
            released_at,
            contains_ai: resource.contains_ai.as_ref().and_then(Said::disclosure),
            ai_vocals: parts.vocals,
            ai_instruments: parts.instruments,
            ai_postproduction: parts.postproduction,
            audio_uri: resource.audio_uri.clone(),
            valid_from: Some(self.in_force),
            ..Track::new(id.into())
        }
    }

    fn disclosure(&self, subject: &'static str, id: &str, said: Option<&Said>, parts: Parts) -> DisclosureRow {
        DisclosureRow {
            subject,
            subject_id: id.to_owned(),
            valid_from: self.in_force,
            said: said.map(|said| said.word.clone()),
            whole: said.and_then(Said::disclosure),
            parts,
            distributor_id: self.distributor_id.clone(),
            message_id: self.message_id.to_owned(),
        }
    }

    fn release_row(&self, id: &str, release: &Release, deals: &[&Deal], tracks: usize) -> ReleaseRow {
        let is_open = |deal: &&&Deal| !deal.is_takedown && deal.until.is_none_or(|until| until > self.in_force);
        let open: Vec<&&Deal> = deals.iter().filter(is_open).collect();
        let until: Option<Vec<Millis>> = open.iter().map(|deal| deal.until).collect();
        ReleaseRow {
            release_id: id.to_owned(),
            valid_from: self.in_force,
            status: match (deals.is_empty(), open.is_empty()) {
                (true, _) => "no_deal",
                (false, true) => "taken_down",
                (false, false) => "live",
            },
            release: release.clone(),
            tracks: tracks as u64,
            available_from: open.iter().filter_map(|deal| deal.from).min(),
            available_until: until.and_then(|until| until.into_iter().max()),
            uploader_id: self.uploader_id.clone(),
            distributor_id: self.distributor_id.clone(),
            message_id: self.message_id.to_owned(),
            update: self.update.clone(),
        }
    }
}

/// What messages are ordered by: when they come into force, and of equal ones their ids.
fn place(envelope: &Envelope) -> (Option<Millis>, Option<String>, String, PathBuf) {
    (envelope.in_force(), envelope.message_id.clone(), envelope.sender.clone(), envelope.path.clone())
}

/// Of the messages by receipt those that are their senders' to send, in the order in which they are applied; with what becomes of the others.
pub(super) fn owned(
    envelopes: Vec<Envelope>,
    settings: &Settings,
    mut progress: impl FnMut(),
) -> (Vec<Envelope>, Vec<Outcome>) {
    let (mut owners, mut theirs, mut others) = (Owners::default(), Vec::new(), Vec::new());
    for mut envelope in envelopes {
        progress();
        // What cannot be read is told where it is applied.
        let about =
            message::read(&envelope.path, settings.limits).ok().and_then(|one| about(&one, &envelope, settings));
        match about.map_or(Ok(Millis::MIN), |about| owners.take(&about)) {
            Ok(since) => {
                envelope.since = Some(since).filter(|since| *since > Millis::MIN);
                theirs.push(envelope);
            }
            Err(why) => {
                let path = envelope.path.clone();
                others.push(Outcome {
                    path,
                    envelope: Some(envelope),
                    fate: Fate::Foreign,
                    reason: Some(why),
                    errors: 0,
                });
            }
        }
    }
    theirs.sort_by_cached_key(place);
    (theirs, others)
}

/// The releases and tracks that the message is about.
fn about(message: &Message, envelope: &Envelope, settings: &Settings) -> Option<About> {
    let times = envelope.in_force().zip(envelope.uploaded())?;
    let message_id = message.header.message_id.as_ref()?;
    let sent = Sent::of(message, times, message_id);
    let is_purge = message.kind == Kind::Purge;
    let main = message.main_release().map(|main| sent.release_id(main)).filter(|_| !is_purge);
    let purged = message.purged.iter().filter(|_| is_purge).map(|release| sent.release_id(release));
    let played = message.resources.iter().filter(|resource| resource.kind.is_played());
    let tracks = main.iter().flat_map(|main| played.clone().map(move |resource| settings.track_ids.of(resource, main)));
    Some(About {
        tracks: tracks.collect(),
        releases: main.iter().cloned().chain(purged).collect(),
        sender: sent.distributor_id.clone(),
        at: sent.in_force,
        message_id: message_id.clone(),
        is_purge,
    })
}

/// The envelopes by receipt, each message once: of those of one id the first that was received. With what becomes of the others.
pub(super) fn order(envelopes: Vec<Envelope>, limits: Limits) -> (Vec<Envelope>, Vec<Outcome>) {
    let mut others = Vec::new();
    let mut set_aside = |envelope: Envelope, fate: Fate, reason: String| {
        let path = envelope.path.clone();
        others.push(Outcome { path, envelope: Some(envelope), fate, reason: Some(reason), errors: 0 });
    };
    let mut ordered = Vec::new();
    for envelope in envelopes {
        match &envelope {
            Envelope { is_test: true, .. } => {
                set_aside(envelope, Fate::Test, "MessageControlType says that it is a test".to_owned())
            }
            Envelope { message_id: None, .. } => {
                set_aside(envelope, Fate::Incomplete, "MessageId is missing".to_owned())
            }
            Envelope { unread_sender: Some(_), .. } => {
                let reason = "MessageSender's PartyId has letters that no DPID has".to_owned();
                set_aside(envelope, Fate::Incomplete, reason);
            }
            Envelope { sender, .. } if sender.is_empty() => {
                let reason = "MessageSender is missing, or has neither PartyId nor name".to_owned();
                set_aside(envelope, Fate::Incomplete, reason);
            }
            Envelope { created: None, .. } => {
                let reason = "MessageCreatedDateTime is missing or no time".to_owned();
                set_aside(envelope, Fate::Incomplete, reason);
            }
            _ => ordered.push(envelope),
        }
    }
    ordered.sort_by_cached_key(|one| (one.uploaded(), place(one)));
    let mut many: HashMap<(String, Option<String>), u32> = HashMap::new();
    let key = |envelope: &Envelope| (envelope.sender.clone(), envelope.message_id.clone());
    ordered.iter().for_each(|envelope| *many.entry(key(envelope)).or_default() += 1);
    let mut first: HashMap<(String, Option<String>), (PathBuf, Option<String>)> = HashMap::new();
    let mut once = Vec::new();
    for envelope in ordered {
        let key = key(&envelope);
        // A damaged copy must not take the place of the message itself.
        if many[&key] > 1
            && let Err(unread) = message::read(&envelope.path, limits)
        {
            set_aside(envelope, Fate::Unread, unread.to_string());
            continue;
        }
        match first.get(&key) {
            None => {
                first.insert(key, (envelope.path.clone(), envelope.hash.clone()));
                once.push(envelope);
            }
            Some((before, hash)) if hash.is_some() && *hash == envelope.hash => {
                let reason = format!("the same message as {}", before.display());
                set_aside(envelope, Fate::Repeated, reason);
            }
            Some((before, _)) => {
                let reason = format!("another message with the id of {}", before.display());
                set_aside(envelope, Fate::Conflicting, reason);
            }
        }
    }
    (once, others)
}
