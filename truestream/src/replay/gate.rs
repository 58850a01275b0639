//! What the gate finds about uploads: each track beside its own row, its uploader's and distributor's other uploads and their records, near
//! titles and the artist it names.
//!
//! ```text
//! rows of the catalogue ──▶ those in force and uploaded, tick by tick ──┐
//! records of who brought them (reputation.rs) ───────────────────────────┼──▶ touched tracks ──▶ gate
//! limits of the policy in force ─────────────────────────────────────────┘
//! ```
//!
//! It does not pass through the dataflow. A replay knows the catalogue beforehand ([`Uploads`]), a living service hears of one row after the other; what is at
//! the gate as of a tick ([`AtGate`]) is the same. What is counted around a track is counted up to its own upload, so that a finding does not lapse when a
//! flood is over; a record is that of the moment, so that an overturned verdict frees at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use datasets::arrivals::Upload;
use datasets::names::{NameTable, Naming};
use datasets::tables::IdKind;
use datasets::tables::rows::{self, Value};
use features::title::{self, Neighbours};
use records::gate::{Action, Finding, Found, Limits, LowReputation, Rates};
use records::lists::Entry;
use records::{IdSpace, Key, Millis, Names};

use super::judge::Rows;
use super::laws::Law;
use super::views::{FindingRow, RowKey, RowValue};
use crate::exit::Failure;

const DAY_MS: Millis = 86_400_000;
/// A rate is counted over so long, up to the upload.
const WEEK_MS: Millis = 7 * DAY_MS;
/// And laid beside as much as this before.
const PAST_MS: Millis = 28 * DAY_MS;

/// Uploads that come to the gate, and the limits that they meet there.
pub struct Uploads {
    laws: Vec<Arc<Gatekeeper>>,
    rows: Vec<InForce>,
}

/// A row of the catalogue that comes into force.
struct InForce {
    from: Tick,
    track: Key,
    /// From which tick on it is at the gate, if it says when it was uploaded.
    passing: Option<(Tick, Arc<Passing>)>,
}

/// A row that the gate asks.
struct Passing {
    track: Key,
    artist: Key,
    uploader: Key,
    distributor: Key,
    uploaded_at: Millis,
    missing_fields: u8,
    duration_ms: Option<u64>,
    bits_per_sec: Option<u64>,
    /// Its title in plain words; empty without one.
    title: Box<str>,
    hash: u64,
}

/// Whom a policy trusts by key, and up to which instant of upload.
type Trust = HashMap<Key, Millis>;

/// The limits of a policy, and whom it trusts.
pub struct Gatekeeper {
    from: Tick,
    limits: Limits,
    tracks: Trust,
    uploaders: Trust,
    distributors: Trust,
    /// Artists and the uploaders that they trust.
    pairs: HashSet<(Key, Key)>,
    policy_version: Arc<str>,
}

impl Gatekeeper {
    /// Those of the law.
    pub fn of(law: &Law, naming: &mut Naming) -> Result<Gatekeeper, Failure> {
        let limits = law.gate.clone();
        let trusted = &limits.trusted;
        let mut pairs = HashSet::new();
        for pair in &limits.artist_profile.trusted {
            let artist = keys([&pair.artist], IdSpace::Artist, naming)?;
            let uploader = keys([&pair.uploader], IdSpace::Uploader, naming)?;
            pairs.extend(artist.into_iter().zip(uploader));
        }
        Ok(Gatekeeper {
            from: law.from,
            tracks: trust(&trusted.tracks, IdSpace::Track, naming)?,
            uploaders: trust(&trusted.uploaders, IdSpace::Uploader, naming)?,
            distributors: trust(&trusted.distributors, IdSpace::Distributor, naming)?,
            pairs,
            limits,
            policy_version: law.policy.version.as_str().into(),
        })
    }

    fn trusts(&self, row: &Passing) -> bool {
        let trusts = |of: &Trust, key| of.get(&key).is_some_and(|until| row.uploaded_at < *until);
        trusts(&self.tracks, row.track)
            || trusts(&self.uploaders, row.uploader)
            || trusts(&self.distributors, row.distributor)
    }
}

/// Whom the entries trust; of several about one the last end counts.
fn trust(entries: &[Entry], space: IdSpace, naming: &mut Naming) -> Result<Trust, Failure> {
    let mut trust = Trust::new();
    for Entry { id, until, .. } in entries {
        for key in keys([id], space, naming)? {
            let known = trust.entry(key).or_insert(Millis::MIN);
            *known = until.unwrap_or(Millis::MAX).max(*known);
        }
    }
    Ok(trust)
}

/// The keys of ids. One that is no id of its kind names nothing in this run.
pub(super) fn keys<'a>(
    ids: impl IntoIterator<Item = &'a String>,
    space: IdSpace,
    naming: &mut Naming,
) -> Result<HashSet<Key>, Failure> {
    let mut keys = HashSet::new();
    for id in ids {
        let key = match naming.kind(space) {
            IdKind::Number => id.parse().ok().map(Key),
            IdKind::Text => Some(naming.key(space, id).map_err(|error| Failure::Input(error.to_string()))?),
        };
        keys.extend(key);
    }
    Ok(keys)
}

impl Uploads {
    /// Takes the catalogue as it was uploaded, and the files that were read of it.
    pub fn read(
        uploads: &[Upload],
        audio: &[PathBuf],
        laws: &[Law],
        (clock, first): (Clock, Tick),
        naming: &mut Naming,
    ) -> Result<Uploads, Failure> {
        let laws = laws.iter().map(|law| Gatekeeper::of(law, naming).map(Arc::new)).collect::<Result<_, _>>()?;
        let bits = bits(audio)?;
        Ok(Uploads::new(laws, uploads, &bits, |instant| clock.first_after(instant).max(first), first))
    }

    fn new(
        laws: Vec<Arc<Gatekeeper>>,
        uploads: &[Upload],
        bits: &HashMap<String, u64>,
        tick: impl Fn(Millis) -> Tick,
        first: Tick,
    ) -> Uploads {
        let in_force = |row: &Upload| {
            let from = row.valid_from.map_or(first, &tick);
            let bits_per_sec = bits.get(&row.content).copied();
            let passing = |at| (tick(at).max(from), Arc::new(Passing::of(row, at, bits_per_sec)));
            (row.valid_from, InForce { from, track: row.track, passing: row.uploaded_at.map(passing) })
        };
        let mut rows: Vec<_> = uploads.iter().map(in_force).collect();
        // Of the rows of a track that come into force at one tick only the latest does.
        rows.sort_by_key(|(valid_from, row)| (row.from, row.track, std::cmp::Reverse(*valid_from)));
        rows.dedup_by_key(|(_, row)| (row.from, row.track));
        Uploads { laws, rows: rows.into_iter().map(|(_, row)| row).collect() }
    }

    /// Tells, tick by tick, what changes in `gate`, to the tick `until`; `reputed` are the reputations that change, by tick.
    pub fn flow(
        &self,
        until: Tick,
        names: &NameTable,
        reputed: &[Reputed],
        mut tell: impl FnMut(Tick, Rows) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Uploads { laws, rows } = self;
        let mut state = AtGate::new(laws);
        let mut turns = laws.iter().skip(1).peekable();
        let mut rows = rows.iter().peekable();
        let mut reputed = reputed.iter().copied().peekable();
        loop {
            let [law, row] = [turns.peek().map(|law| law.from), rows.peek().map(|row| row.from)];
            let next = [row, state.next(), reputed.peek().map(|(tick, ..)| *tick), law];
            let Some(tick) = next.into_iter().flatten().min().filter(|tick| *tick <= until) else { return Ok(()) };
            while let Some(row) = rows.next_if(|row| row.from == tick) {
                state.take(row.track, row.passing.clone());
            }
            while let Some((_, deliverer, reputation)) = reputed.next_if(|(at, ..)| *at == tick) {
                state.repute(deliverer, reputation);
            }
            if let Some(law) = turns.next_if(|law| law.from == tick) {
                state.turn(law.clone());
            }
            tell(tick, state.settle(tick, names))?;
        }
    }
}

/// The bits per second of each recording's best file, by its id as text.
fn bits(audio: &[PathBuf]) -> Result<HashMap<String, u64>, Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let mut best: HashMap<String, u64> = HashMap::new();
    for path in audio {
        let mut rows = rows::Rows::open(path, &["content_id", "bits_per_second"]).map_err(input)?;
        while rows.advance().map_err(input)? {
            let content = match rows.value(0) {
                Value::Text(text) => text.to_owned(),
                Value::UInt(number) => number.to_string(),
                Value::Int(number) => number.to_string(),
                _ => continue,
            };
            if let Value::Float(bits) = rows.value(1) {
                let known = best.entry(content).or_default();
                *known = (*known).max(bits as u64);
            }
        }
    }
    Ok(best)
}

impl Passing {
    fn of(row: &Upload, uploaded_at: Millis, bits_per_sec: Option<u64>) -> Passing {
        let title = title::plain(row.title.as_deref().unwrap_or_default());
        Passing {
            track: row.track,
            artist: row.artist,
            uploader: row.uploader,
            distributor: row.distributor,
            uploaded_at,
            missing_fields: row.metadata.missing_fields,
            duration_ms: row.metadata.duration_ms,
            bits_per_sec,
            hash: title::simhash(&title),
            title: title.into_boxed_str(),
        }
    }

    /// Who delivers it, as far as it says: its uploader, or else its distributor.
    fn deliverer(&self) -> Option<Deliverer> {
        match (self.uploader, self.distributor) {
            (Key::NONE, Key::NONE) => None,
            (Key::NONE, distributor) => Some((IdSpace::Distributor, distributor)),
            (uploader, _) => Some((IdSpace::Uploader, uploader)),
        }
    }

    /// What its uploader brings of its artist on one day.
    fn release(&self) -> Option<ReleaseKey> {
        let is_known = self.uploader != Key::NONE && self.artist != Key::NONE;
        is_known.then(|| (self.uploader, self.artist, self.uploaded_at.div_euclid(DAY_MS)))
    }

    fn is_short(&self, limits: &Limits) -> bool {
        let length = limits.short_release;
        let secs = length.secs_min * 1_000..=length.secs_max * 1_000;
        self.duration_ms.is_some_and(|duration| secs.contains(&duration))
    }
}

/// Somebody who delivers: an uploader or a distributor.
pub type Deliverer = (IdSpace, Key);
/// A reputation in whole percent, rounded down, from a tick on; `None` where nothing is told of its owner any more.
pub type Reputed = (Tick, Deliverer, Option<u8>);
type ReleaseKey = (Key, Key, i64);

/// Uploads in the order of their instants, and those that came or went since anybody looked.
#[derive(Default)]
struct Brought {
    sorted: Vec<(Millis, Key)>,
    changed: Vec<Millis>,
}

impl Brought {
    fn add(&mut self, upload: (Millis, Key)) {
        self.sorted.push(upload);
        self.changed.push(upload.0);
    }

    fn remove(&mut self, upload: (Millis, Key)) {
        self.sorted.retain(|known| *known != upload);
        self.changed.push(upload.0);
    }

    /// Puts them in order, and touches those that were uploaded within so long after what changed.
    fn settle(&mut self, reach_ms: Millis, touched: &mut BTreeSet<Key>) {
        self.sorted.sort_unstable();
        self.changed.sort_unstable();
        let mut done = 0;
        for at in self.changed.drain(..) {
            let from = self.sorted.partition_point(|(known, _)| *known < at).max(done);
            done = self.sorted.partition_point(|(known, _)| *known <= at + reach_ms).max(from);
            touched.extend(self.sorted[from..done].iter().map(|(_, track)| *track));
        }
    }

    /// How many with `from` < instant <= `to`.
    fn within(&self, from: Millis, to: Millis) -> u64 {
        let until = |at: Millis| self.sorted.partition_point(|(known, _)| *known <= at);
        (until(to) - until(from)) as u64
    }
}

/// Who delivers an artist's tracks.
#[derive(Default)]
struct Profile {
    tracks: BTreeSet<(Millis, Key)>,
    of: BTreeMap<Deliverer, BTreeSet<(Millis, Key)>>,
    /// Those who came when others had delivered before.
    strangers: HashSet<Deliverer>,
}

impl Profile {
    /// Whether others had delivered so many tracks before the deliverer's first. Who came before the gate asked is no stranger.
    fn is_strange(&self, own: &BTreeSet<(Millis, Key)>, limits: &Limits) -> bool {
        let tracks_min = limits.artist_profile.tracks_min;
        let before = |first: Millis| self.tracks.range(..(first, Key(0))).take(tracks_min as usize).count() as u64;
        own.first().is_some_and(|(first, _)| *first >= limits.asked_from && before(*first) >= tracks_min)
    }

    /// Looks at every deliverer again, and touches the tracks of those of whom something else is true now.
    fn settle(&mut self, limits: &Limits, touched: &mut BTreeSet<Key>) {
        let now = self.of.iter().filter(|(_, own)| self.is_strange(own, limits)).map(|(deliverer, _)| *deliverer);
        let now: HashSet<Deliverer> = now.collect();
        let before = std::mem::take(&mut self.strangers);
        for deliverer in before.symmetric_difference(&now) {
            touched.extend(self.of.get(deliverer).into_iter().flatten().map(|(_, track)| *track));
        }
        self.strangers = now;
    }
}

/// What is at the gate as of now.
pub struct AtGate {
    law: Arc<Gatekeeper>,
    /// Under no policy anything before is asked.
    asked_from: Millis,
    /// Rows in force that are not uploaded yet, and from which tick on they are.
    awaited: BTreeSet<(Tick, Key)>,
    coming: HashMap<Key, (Tick, Arc<Passing>)>,
    at_gate: HashMap<Key, Arc<Passing>>,
    brought: HashMap<Deliverer, Brought>,
    /// In whole percent, of those of whom something is told.
    reputations: HashMap<Deliverer, u8>,
    /// Whose uploads changed.
    changed: BTreeSet<Deliverer>,
    profiles: HashMap<Key, Profile>,
    named: BTreeSet<Key>,
    releases: HashMap<ReleaseKey, BTreeSet<Key>>,
    grown: BTreeSet<ReleaseKey>,
    neighbours: Neighbours,
    /// Instant, track and uploader by the hash of the title.
    titled: HashMap<u64, BTreeSet<(Millis, Key, Key)>>,
    /// The first and the last of the uploads that came or went, by the hash of their title.
    retitled: BTreeMap<u64, [Millis; 2]>,
    /// What is told of each track.
    told: HashMap<Key, Vec<Finding>>,
    touched: BTreeSet<Key>,
}

impl AtGate {
    /// Nothing is there yet; of these policies, of which one follows the other, the first one decides.
    pub fn new(laws: &[Arc<Gatekeeper>]) -> AtGate {
        let bits_max = laws.iter().map(|law| law.limits.near_titles.bits_max).max().unwrap_or(0);
        AtGate {
            law: laws.first().expect("a policy is in force from the beginning").clone(),
            asked_from: laws.iter().map(|law| law.limits.asked_from).min().unwrap_or(0),
            awaited: BTreeSet::new(),
            coming: HashMap::new(),
            at_gate: HashMap::new(),
            brought: HashMap::new(),
            reputations: HashMap::new(),
            changed: BTreeSet::new(),
            profiles: HashMap::new(),
            named: BTreeSet::new(),
            releases: HashMap::new(),
            grown: BTreeSet::new(),
            neighbours: Neighbours::within(bits_max),
            titled: HashMap::new(),
            retitled: BTreeMap::new(),
            told: HashMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// The next tick at which a row that is in force is uploaded.
    fn next(&self) -> Option<Tick> {
        self.awaited.first().map(|(tick, _)| *tick)
    }

    /// A row of the catalogue comes into force at the tick; of no file anything is known.
    pub fn list(&mut self, upload: &Upload, (clock, from): (Clock, Tick)) {
        let passing = |at| (clock.first_after(at).max(from), Arc::new(Passing::of(upload, at, None)));
        self.take(upload.track, upload.uploaded_at.map(passing));
    }

    /// A row comes into force in place of the one before, and is at the gate from its tick on.
    fn take(&mut self, track: Key, passing: Option<(Tick, Arc<Passing>)>) {
        self.leave(track);
        if let Some((tick, _)) = self.coming.remove(&track) {
            self.awaited.remove(&(tick, track));
        }
        if let Some((tick, passing)) = passing {
            self.awaited.insert((tick, track));
            self.coming.insert(track, (tick, passing));
        }
    }

    fn deliverers(row: &Passing) -> impl Iterator<Item = Deliverer> + use<> {
        let both = [(IdSpace::Uploader, row.uploader), (IdSpace::Distributor, row.distributor)];
        both.into_iter().filter(|(_, key)| *key != Key::NONE)
    }

    fn enter(&mut self, row: &Arc<Passing>) {
        let upload = (row.uploaded_at, row.track);
        self.at_gate.insert(row.track, row.clone());
        self.touched.insert(row.track);
        for deliverer in Self::deliverers(row) {
            self.brought.entry(deliverer).or_default().add(upload);
            self.changed.insert(deliverer);
        }
        if let Some(deliverer) = row.deliverer().filter(|_| row.artist != Key::NONE) {
            let profile = self.profiles.entry(row.artist).or_default();
            profile.tracks.insert(upload);
            profile.of.entry(deliverer).or_default().insert(upload);
            self.named.insert(row.artist);
        }
        if let Some(release) = row.release() {
            self.releases.entry(release).or_default().insert(row.track);
            self.grown.insert(release);
        }
        if !row.title.is_empty() {
            self.neighbours.insert(row.hash);
            self.titled.entry(row.hash).or_default().insert((row.uploaded_at, row.track, row.uploader));
            self.retitle(row);
        }
    }

    fn leave(&mut self, track: Key) {
        let Some(row) = self.at_gate.remove(&track) else { return };
        let upload = (row.uploaded_at, row.track);
        self.touched.insert(row.track);
        for deliverer in Self::deliverers(&row) {
            self.brought.entry(deliverer).or_default().remove(upload);
            self.changed.insert(deliverer);
        }
        if let Some(profile) = self.profiles.get_mut(&row.artist)
            && let Some(deliverer) = row.deliverer()
        {
            profile.tracks.remove(&upload);
            if let Some(tracks) = profile.of.get_mut(&deliverer) {
                tracks.remove(&upload);
            }
            self.named.insert(row.artist);
        }
        if let Some(release) = row.release() {
            self.releases.entry(release).or_default().remove(&row.track);
            self.grown.insert(release);
        }
        if let Some(tracks) = self.titled.get_mut(&row.hash) {
            tracks.remove(&(row.uploaded_at, row.track, row.uploader));
            if tracks.is_empty() {
                self.titled.remove(&row.hash);
                self.neighbours.remove(row.hash);
            }
            self.retitle(&row);
        }
    }

    /// A reputation is another: where it is low, or was, all that is asked of its owner is asked anew.
    pub fn repute(&mut self, deliverer: Deliverer, reputation: Option<u8>) {
        let before = match reputation {
            Some(percent) => self.reputations.insert(deliverer, percent),
            None => self.reputations.remove(&deliverer),
        };
        let low = |percent: Option<u8>| percent.filter(|percent| *percent < self.law.limits.reputation.below.get());
        if low(before) != low(reputation) {
            let brought = self.brought.get(&deliverer).into_iter().flat_map(|brought| &brought.sorted);
            self.touched.extend(brought.filter(|(at, _)| *at >= self.asked_from).map(|(_, track)| *track));
        }
    }

    /// Another policy: everybody is asked anew.
    pub fn turn(&mut self, law: Arc<Gatekeeper>) {
        self.law = law;
        self.touched.extend(self.at_gate.keys());
        self.named.extend(self.profiles.keys());
    }

    fn retitle(&mut self, row: &Passing) {
        let span = self.retitled.entry(row.hash).or_insert([row.uploaded_at; 2]);
        *span = [span[0].min(row.uploaded_at), span[1].max(row.uploaded_at)];
    }

    /// What was uploaded since what came or went, in the days that are looked at, may have more or fewer near titles now.
    fn touch_near(&mut self, hash: u64, [from, to]: [Millis; 2]) {
        let until = to + self.near_ms();
        let reached = (from.max(self.asked_from), Key(0), Key(0))..=(until, Key(u64::MAX), Key(u64::MAX));
        if reached.is_empty() {
            return;
        }
        for hash in self.neighbours.near(hash, self.law.limits.near_titles.bits_max) {
            let tracks = self.titled.get(&hash).into_iter().flat_map(|tracks| tracks.range(reached.clone()));
            self.touched.extend(tracks.map(|(_, track, _)| *track));
        }
    }

    fn near_ms(&self) -> Millis {
        Millis::from(self.law.limits.near_titles.days) * DAY_MS
    }

    /// The rows of all tracks that are touched up to the tick.
    pub fn settle(&mut self, tick: Tick, names: &NameTable) -> Rows {
        while let Some((_, track)) = self.awaited.first().copied().filter(|(comes, _)| *comes <= tick) {
            self.awaited.pop_first();
            let (_, row) = self.coming.remove(&track).expect("who is awaited comes");
            self.enter(&row);
        }
        for deliverer in std::mem::take(&mut self.changed) {
            let brought = self.brought.get_mut(&deliverer).expect("what changed is there");
            brought.settle(WEEK_MS + PAST_MS, &mut self.touched);
        }
        for artist in std::mem::take(&mut self.named) {
            let profile = self.profiles.get_mut(&artist).expect("who was named is there");
            profile.settle(&self.law.limits, &mut self.touched);
        }
        for release in std::mem::take(&mut self.grown) {
            self.touched.extend(self.releases.get(&release).into_iter().flatten());
        }
        for (hash, span) in std::mem::take(&mut self.retitled) {
            self.touch_near(hash, span);
        }
        let mut rows = Rows::new();
        let mut shorts = HashMap::new();
        for track in std::mem::take(&mut self.touched) {
            let row = self.at_gate.get(&track).cloned();
            let found = row.as_ref().map(|row| self.ask(row, &mut shorts)).unwrap_or_default();
            if found.is_empty() && !self.told.contains_key(&track) {
                continue;
            }
            let id = names.id(IdSpace::Track, track);
            let now: Vec<Finding> = found.iter().map(|(found, _)| found.finding).collect();
            let before = match now.is_empty() {
                true => self.told.remove(&track),
                false => self.told.insert(track, now.clone()),
            };
            let gone = before.into_iter().flatten().filter(|finding| !now.contains(finding));
            rows.extend(gone.map(|finding| (RowKey::Finding(id.clone(), finding), None)));
            let Some(row) = row else { continue };
            rows.extend(found.into_iter().map(|(found, action)| {
                let row = self.told_row(&row, found, action, names);
                (RowKey::Finding(id.clone(), found.finding), Some(RowValue::Finding(Box::new(row))))
            }));
        }
        rows
    }

    fn told_row(&self, row: &Passing, found: Found, action: Action, names: &NameTable) -> FindingRow {
        let text = |space, key: Key| match key {
            Key::NONE => String::new(),
            known => names.id(space, known).to_string(),
        };
        FindingRow {
            found,
            action,
            uploader: text(IdSpace::Uploader, row.uploader),
            distributor: text(IdSpace::Distributor, row.distributor),
            reason: found.finding.words(found.seen, found.against),
            policy_version: self.law.policy_version.clone(),
        }
    }

    /// What is found about a row.
    fn ask(&self, row: &Passing, shorts: &mut HashMap<ReleaseKey, (u64, u64)>) -> Vec<(Found, Action)> {
        let Limits { asked_from, incomplete, length, low_bitrate, title, artist_profile, .. } = &self.law.limits;
        if row.uploaded_at < *asked_from || self.law.trusts(row) {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut note = |action: Action, finding: Finding, seen: u64, against: u64, is_so: bool| {
            if is_so && action != Action::Ignore {
                found.push((Found { finding, seen, against }, action));
            }
        };
        let missing = u64::from(row.missing_fields);
        note(incomplete.action, Finding::Incomplete, missing, incomplete.missing_max, missing > incomplete.missing_max);
        if let Some(lasts) = row.duration_ms {
            let (min, max) = (length.secs_min * 1_000, length.secs_max * 1_000);
            note(
                length.action,
                Finding::Length,
                lasts,
                if lasts < min { min } else { max },
                lasts < min || lasts > max,
            );
        }
        if let Some(bits) = row.bits_per_sec {
            let min = low_bitrate.kbits_min * 1_000;
            note(low_bitrate.action, Finding::LowBitrate, bits, min, bits < min);
        }
        let words = title::words(&row.title);
        note(title.action, Finding::TitleWords, words, title.words_max, words > title.words_max);
        let repeats = title::repeats(&row.title);
        note(title.action, Finding::TitleRepeats, repeats, title.repeats_max, repeats > title.repeats_max);
        let phrases = title.phrases.iter().filter(|phrase| title::says(&row.title, phrase)).count() as u64;
        note(title.action, Finding::TitlePhrase, phrases, 0, phrases > 0);
        let (tracks, uploaders, is_near) = self.near_titles(row, words);
        note(self.law.limits.near_titles.action, Finding::NearTitles, tracks, uploaders, is_near);
        let (short, of, is_short) = self.short_release(row, shorts);
        note(self.law.limits.short_release.action, Finding::ShortRelease, short, of, is_short);
        for (deliverer, rates, [rate, burst]) in self.rates(row) {
            let brought = &self.brought[&deliverer];
            let week = brought.within(row.uploaded_at - WEEK_MS, row.uploaded_at);
            let before = brought.within(row.uploaded_at - WEEK_MS - PAST_MS, row.uploaded_at - WEEK_MS);
            note(rates.action, rate, week, rates.passed(week).unwrap_or(0), rates.passed(week).is_some());
            note(rates.action, burst, week, before, rates.is_burst(week, before));
        }
        let LowReputation { action, below } = self.law.limits.reputation;
        for deliverer in Self::deliverers(row) {
            let finding = match deliverer.0 {
                IdSpace::Uploader => Finding::UploaderReputation,
                _ => Finding::DistributorReputation,
            };
            let low = self.reputations.get(&deliverer).filter(|percent| **percent < below.get());
            let seen = low.map_or(0, |percent| u64::from(*percent));
            note(action, finding, seen, u64::from(below.get()), low.is_some());
        }
        let is_strange = self.is_strange(row);
        note(artist_profile.action, Finding::ArtistProfile, artist_profile.tracks_min, 0, is_strange);
        found.sort_unstable_by_key(|(found, _)| *found);
        found
    }

    fn rates(&self, row: &Passing) -> impl Iterator<Item = (Deliverer, Rates, [Finding; 2])> + use<> {
        let Limits { uploader, distributor, .. } = self.law.limits;
        let both = [
            ((IdSpace::Uploader, row.uploader), uploader, [Finding::UploaderRate, Finding::UploaderBurst]),
            (
                (IdSpace::Distributor, row.distributor),
                distributor,
                [Finding::DistributorRate, Finding::DistributorBurst],
            ),
        ];
        both.into_iter().filter(|((_, key), ..)| *key != Key::NONE)
    }

    fn is_strange(&self, row: &Passing) -> bool {
        let Some(deliverer) = row.deliverer() else { return false };
        let profile = self.profiles.get(&row.artist).filter(|_| !self.law.pairs.contains(&(row.artist, row.uploader)));
        profile.is_some_and(|profile| profile.strangers.contains(&deliverer))
    }

    /// Tracks with nearly the title of the row in the days up to it, their uploaders, and whether they are too many.
    fn near_titles(&self, row: &Passing, words: u64) -> (u64, u64, bool) {
        let limits = self.law.limits.near_titles;
        if words < limits.words_min.max(1) {
            return (0, 0, false);
        }
        let (mut tracks, mut uploaders) = (0, HashSet::new());
        let since = row.uploaded_at - self.near_ms() + 1;
        let up_to_it = (since, Key(0), Key(0))..=(row.uploaded_at, Key(u64::MAX), Key(u64::MAX));
        for hash in self.neighbours.near(row.hash, limits.bits_max) {
            let near = self.titled.get(&hash).into_iter().flat_map(|titled| titled.range(up_to_it.clone()));
            for (_, _, uploader) in near {
                tracks += 1;
                uploaders.extend((*uploader != Key::NONE).then_some(*uploader));
            }
        }
        let uploaders = uploaders.len() as u64;
        (tracks, uploaders, tracks >= limits.tracks_min && uploaders >= limits.uploaders_min)
    }

    /// Short tracks of the row's release, all of them, and whether the row is short in a release of short ones.
    fn short_release(&self, row: &Passing, shorts: &mut HashMap<ReleaseKey, (u64, u64)>) -> (u64, u64, bool) {
        let limits = self.law.limits.short_release;
        let Some(release) = row.release().filter(|_| row.is_short(&self.law.limits)) else { return (0, 0, false) };
        let (short, all) = *shorts.entry(release).or_insert_with(|| {
            let tracks = &self.releases[&release];
            let rows = tracks.iter().map(|track| &self.at_gate[track]);
            (rows.filter(|row| row.is_short(&self.law.limits)).count() as u64, tracks.len() as u64)
        });
        (short, all, all >= limits.tracks_min && short * 100 >= all * u64::from(limits.share.get()))
    }
}

#[cfg(test)]
mod tests {
    use datasets::policy;
    use records::{Id, Metadata};

    use super::*;

    /// 2026-03-01.
    const START: Millis = 1_772_323_200_000;

    fn upload(track: u64, artist: u64, uploader: u64, uploaded_at: Millis) -> Upload {
        Upload {
            track: Key(track),
            content: track.to_string(),
            artist: Key(artist),
            uploader: Key(uploader),
            distributor: Key::NONE,
            title: Some("Home".to_owned()),
            metadata: Metadata { missing_fields: 0, declares_ai: true, duration_ms: Some(180_000) },
            uploaded_at: Some(uploaded_at),
            valid_from: None,
        }
    }

    fn keeper(change: impl FnOnce(&mut Limits)) -> Gatekeeper {
        let mut limits = policy::gate(None).expect("the built-in policy");
        change(&mut limits);
        let pairs = limits.artist_profile.trusted.iter();
        let number = |id: &String| Key(id.parse().expect("a number"));
        let until = |entries: &[Entry]| -> Trust {
            entries.iter().map(|entry| (number(&entry.id), entry.until.unwrap_or(Millis::MAX))).collect()
        };
        Gatekeeper {
            from: 0,
            tracks: until(&limits.trusted.tracks),
            uploaders: until(&limits.trusted.uploaders),
            distributors: Trust::new(),
            pairs: pairs.map(|pair| (number(&pair.artist), number(&pair.uploader))).collect(),
            limits,
            policy_version: "x".into(),
        }
    }

    /// Track and code of everything that is found in the end.
    fn found(law: Gatekeeper, uploads: Vec<Upload>, bits: &[(&str, u64)]) -> Vec<(u64, &'static str)> {
        let bits = bits.iter().map(|(content, bits)| ((*content).to_owned(), *bits)).collect();
        let hour = |instant: Millis| (instant / 3_600_000) as Tick + 1;
        let uploads = Uploads::new(vec![Arc::new(law)], &uploads, &bits, hour, 1);
        let names = NameTable::new(|_| IdKind::Number);
        let mut state = BTreeMap::new();
        let tell = |_, rows: Rows| {
            for (key, row) in rows {
                let RowKey::Finding(Id::Number(track), finding) = key else { panic!("{key:?}") };
                match row {
                    Some(_) => state.insert((track, finding.code()), ()),
                    None => state.remove(&(track, finding.code())),
                };
            }
            Ok(())
        };
        uploads.flow(Tick::MAX - 1, &names, &[], tell).expect("told");
        state.into_keys().collect()
    }

    #[test]
    fn of_a_flood_those_wait_that_come_after_the_limit() {
        let minute = |number: u64| START + number as Millis * 60_000;
        let flood: Vec<Upload> = (0..310).map(|number| upload(number, number, 7, minute(number))).collect();
        let law = || keeper(|limits| limits.uploader.burst_min = 1_000);
        let late: Vec<(u64, &str)> = (300..310).map(|track| (track, "gate.uploader_rate")).collect();
        assert_eq!(found(law(), flood.clone(), &[]), late);
        // Whoever was approved does not wait, and counts among the uploads of its uploader.
        let approved = keeper(|limits| {
            limits.uploader.burst_min = 1_000;
            limits.trusted.tracks = vec![Entry { id: "305".to_owned(), ..Entry::default() }];
        });
        assert_eq!(
            found(approved, flood.clone(), &[]),
            late.iter().copied().filter(|(track, _)| *track != 305).collect::<Vec<_>>()
        );
        // Whom nothing is asked until an instant is asked about what comes from then on.
        let trusted = keeper(|limits| {
            limits.uploader.burst_min = 1_000;
            let until = Some(minute(304));
            limits.trusted.uploaders = vec![Entry { id: "7".to_owned(), until, ..Entry::default() }];
        });
        assert_eq!(found(trusted, flood, &[]), late[4..]);
        // Who brings 120 a week from nothing on bursts from the 100th upload until 48 are in the weeks before; who always did, never.
        let steady = |weeks: i64| (0..weeks * 120).map(|n| upload(n as u64, n as u64, 7, START + n * 7 * DAY_MS / 120));
        assert_eq!(found(keeper(|_| {}), steady(3).skip(120).collect(), &[]).len(), 68);
        assert_eq!(found(keeper(|_| {}), steady(9).collect(), &[]).iter().filter(|(track, _)| *track > 600).count(), 0);
    }

    #[test]
    fn a_stranger_waits_until_the_artist_trusts_them() {
        let own = (0..3).map(|number| upload(number, 5, 1, START - number as Millis * DAY_MS));
        let strange = upload(9, 5, 2, START + DAY_MS);
        let all: Vec<Upload> = own.chain([strange]).collect();
        assert_eq!(found(keeper(|_| {}), all.clone(), &[]), [(9, "gate.artist_profile")]);
        let key = records::gate::ArtistKey { artist: "5".to_owned(), uploader: "2".to_owned() };
        assert_eq!(found(keeper(|limits| limits.artist_profile.trusted = vec![key]), all.clone(), &[]), []);
        // Two tracks are no name yet, and who came before the gate asked is known.
        assert_eq!(found(keeper(|_| {}), all[1..].to_vec(), &[]), []);
        let later = |limits: &mut Limits| limits.asked_from = START + 2 * DAY_MS;
        assert_eq!(found(keeper(later), [all, vec![upload(10, 5, 2, START + 3 * DAY_MS)]].concat(), &[]), []);
    }

    /// A number that looks random, always the same for the same two (Steele, Lea and Flood: SplitMix64).
    fn mixed(seed: u64, number: u64) -> u64 {
        let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[test]
    fn uploads_of_whom_too_much_was_stopped_are_found_while_that_is_so() {
        const TICKS: Tick = 24;
        let (mut found_ever, mut freed_ever) = (0, 0);
        for seed in 0..100 {
            let dice = |number: u64, what: u64, of: u64| mixed(seed, number * 16 + what) % of;
            // Rows of a few tracks that change hands; of some nobody knows who brought them.
            let uploads: Vec<Upload> = (0..40)
                .map(|number| Upload {
                    uploader: if dice(number, 0, 5) == 0 { Key::NONE } else { Key(dice(number, 1, 4)) },
                    distributor: if dice(number, 2, 5) == 0 { Key::NONE } else { Key(dice(number, 3, 3)) },
                    artist: Key::NONE,
                    title: None,
                    valid_from: (dice(number, 4, 3) > 0).then(|| START + dice(number, 5, 20) as Millis * 3_600_000),
                    ..upload(dice(number, 6, 12), 0, 0, START - DAY_MS + dice(number, 7, 40) as Millis * 3_600_000)
                })
                .collect();
            let spaces = [IdSpace::Uploader, IdSpace::Distributor];
            let mut reputed: Vec<Reputed> = (100..150)
                .map(|number| {
                    let deliverer = (spaces[dice(number, 0, 2) as usize], Key(dice(number, 1, 4)));
                    (dice(number, 2, TICKS), deliverer, (dice(number, 3, 4) > 0).then(|| dice(number, 4, 101) as u8))
                })
                .collect();
            reputed.sort_by_key(|(tick, deliverer, _)| (*tick, *deliverer));
            reputed.dedup_by_key(|(tick, deliverer, _)| (*tick, *deliverer));
            let law = |from, below| {
                let percent = records::policy::Percent::new(below).expect("a share");
                let law = keeper(|limits| {
                    limits.asked_from = START;
                    limits.reputation = LowReputation { action: Action::Wait, below: percent };
                });
                Arc::new(Gatekeeper { from, ..law })
            };
            let turn = 8 + dice(1_000, 0, 8);
            let hour = |instant: Millis| ((instant - START).max(0) / 3_600_000) as Tick;
            let all = Uploads::new(vec![law(0, 60), law(turn, 40)], &uploads, &HashMap::new(), hour, 0);
            let names = NameTable::new(|_| IdKind::Number);
            let mut told: BTreeMap<(u64, &str), (u64, u64)> = BTreeMap::new();
            let tell = |tick: Tick, rows: Rows| {
                for (key, row) in rows {
                    let RowKey::Finding(Id::Number(track), finding) = key else { panic!("{key:?}") };
                    if !finding.code().ends_with("_reputation") {
                        continue;
                    }
                    match row {
                        Some(RowValue::Finding(row)) => {
                            told.insert((track, finding.code()), (row.found.seen, row.found.against));
                        }
                        _ => freed_ever += u32::from(told.remove(&(track, finding.code())).is_some()),
                    }
                }
                // The slow twin: of each track the last row in force, where it is uploaded, beside what is said last of who brought it.
                let in_force = all.rows.iter().filter(|row| row.from <= tick);
                let last: BTreeMap<Key, &InForce> = in_force.map(|row| (row.track, row)).collect();
                let uploaded = |row: &&InForce| row.passing.as_ref().filter(|(comes, _)| *comes <= tick).cloned();
                let at_gate: Vec<Arc<Passing>> = last.values().filter_map(uploaded).map(|(_, row)| row).collect();
                let below = if tick >= turn { 40 } else { 60 };
                let said = |deliverer: Deliverer| {
                    let last = reputed.iter().rfind(|(at, whose, _)| *at <= tick && *whose == deliverer);
                    last.and_then(|(_, _, percent)| *percent).map(u64::from).filter(|percent| *percent < below)
                };
                let mut expected = BTreeMap::new();
                for row in at_gate.iter().filter(|row| row.uploaded_at >= START) {
                    for (code, deliverer) in [
                        ("gate.uploader_reputation", (IdSpace::Uploader, row.uploader)),
                        ("gate.distributor_reputation", (IdSpace::Distributor, row.distributor)),
                    ] {
                        let seen = said(deliverer).filter(|_| deliverer.1 != Key::NONE);
                        expected.extend(seen.map(|seen| ((row.track.0, code), (seen, below))));
                    }
                }
                found_ever += expected.len();
                assert_eq!(told, expected, "seed {seed}, tick {tick}");
                Ok(())
            };
            all.flow(TICKS, &names, &reputed, tell).expect("told");
        }
        assert!(found_ever > 1_000 && freed_ever > 100, "{found_ever} {freed_ever}");
    }

    #[test]
    fn what_nobody_knows_is_not_held_against_anybody() {
        let silent = Upload {
            title: None,
            uploader: Key::NONE,
            artist: Key::NONE,
            metadata: Metadata { missing_fields: 1, declares_ai: false, duration_ms: None },
            ..upload(1, 0, 0, START)
        };
        let undated =
            Upload { uploaded_at: None, metadata: Metadata { missing_fields: 5, ..silent.metadata }, ..silent.clone() };
        assert_eq!(found(keeper(|_| {}), vec![silent, undated], &[]), []);
        let files = [("1", 48_000), ("2", 320_000)];
        let heard = vec![upload(1, 1, 1, START), upload(2, 1, 1, START)];
        assert_eq!(found(keeper(|_| {}), heard, &files), [(1, "gate.low_bitrate")]);
    }
}
