//! What was heard, as tables: made of the journal and the catalogue alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use datasets::audio::{Facts, Undecodable};
use datasets::tables::rows::{Column, ColumnKind, Value, write as write_rows};
use datasets::tables::{IdKind, TableWriter};
use features::sound::timbre::{DIMENSIONS, Vector};
use records::listening::{Listener, Unheard};
use records::{Code, Evidence, Id, Millis, Refusal};

use super::alike::{Alike, Other};
use super::args::{Dated, Plan};
use super::budget::{Decider, in_words, silence};
use super::catalogue::{Catalogue, Named};
use super::copies::{GroupRow, copies};
use super::detectors::{Finding, is_noise};
use super::files::{Content, millis};
use super::impersonation::{self, Registered, registered};
use super::jobs::{Done, Hashed};
use super::journal::{Entry, Journal};
use super::resemblance::{self, Near, Resemblances};
use crate::exit::Failure;

/// What the tables hold, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) recordings: u64,
    pub(super) evidence: u64,
    pub(super) nameless: u64,
    pub(super) groups: u64,
    /// Per cause.
    pub(super) refused: BTreeMap<String, u64>,
    /// Per listener: recordings that it did not hear, and why.
    pub(super) unheard: BTreeMap<(&'static str, &'static str), u64>,
    /// Per detector: heard, and of these with a risk of a half or more.
    pub(super) detectors: BTreeMap<String, (u64, u64)>,
    /// Dates of evidence that can hardly be meant.
    pub(super) dates: Dates,
    /// Whether what earlier scans into the folder heard counts no more.
    pub(super) is_begun_anew: bool,
}

/// Files whose evidence is dated strangely, and the first of each kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Dates {
    to_come: (u64, Option<String>),
    before_upload: (u64, Option<String>),
}

/// Evidence may be dated so much before the upload: clocks and time zones differ.
const BEFORE_UPLOAD_MAX_MS: Millis = 86_400_000;

impl Dates {
    fn look_at(&mut self, file: &str, known_at: Millis, uploaded_at: Option<Millis>, now: Millis) {
        let note = |(files, first): &mut (u64, Option<String>)| {
            *files += 1;
            first.get_or_insert_with(|| format!("{file}, {}", datasets::formats::instant::to_text(known_at)));
        };
        if known_at > now {
            note(&mut self.to_come);
        }
        if uploaded_at.is_some_and(|uploaded_at| known_at < uploaded_at.saturating_sub(BEFORE_UPLOAD_MAX_MS)) {
            note(&mut self.before_upload);
        }
    }

    /// In words, what should be looked at.
    pub(super) fn warnings(&self) -> Vec<String> {
        let told = |(files, first): &(u64, Option<String>), what: &str| {
            let files = if *files == 1 { "a file".to_owned() } else { format!("{files} files") };
            first.as_ref().map(|first| format!("evidence of {files} is dated {what}, such as {first}"))
        };
        let to_come = told(&self.to_come, "later than now, and a replay knows nothing of it before then");
        let before = told(&self.before_upload, "more than a day before the upload of their tracks");
        [to_come, before].into_iter().flatten().collect()
    }
}

/// A file that is sound, under its recording.
pub(super) struct Sound<'a> {
    pub(super) file: String,
    pub(super) content_id: Id,
    tracks: String,
    pub(super) content: &'a Content,
    pub(super) facts: Facts,
    pub(super) known_at: Millis,
    /// Seconds of it that have landmarks enough to be known by.
    pub(super) telling_secs: f64,
    /// Whether it is noise, whose landmarks tell nothing.
    pub(super) is_noise: bool,
    /// When the first of its tracks was uploaded, as far as the catalogue tells.
    uploaded_at: Option<Millis>,
    /// Who did not listen, and why.
    unheard: Vec<(Listener, Unheard)>,
    not_heard_by: Option<String>,
}

/// What comparing all contents brought.
pub(super) struct Compared {
    /// Which share sound.
    pub(super) alike: Alike,
    /// Which sound alike.
    pub(super) near: Resemblances,
    /// Voices of the recordings that an index knows.
    pub(super) voices: Vec<(String, Vector<DIMENSIONS>)>,
}

/// Writes all tables into the folder.
pub(super) fn write(
    out: &Path,
    done: &Done,
    catalogue: &Catalogue,
    journal: &Journal,
    compared: &Compared,
    plan: &Plan,
) -> Result<Counts, Failure> {
    let ids = catalogue.ids();
    let mut refusals: TableWriter<Refusal> = TableWriter::create(out, IdKind::Text).map_err(output)?;
    let mut counts = Counts { files: done.files.len() as u64, ..Counts::default() };
    let (mut sounds, mut entries) = (Vec::new(), Vec::new());
    let now = millis(SystemTime::now());
    for hashed in &done.files {
        match sound(hashed, catalogue, journal, plan, &mut counts) {
            Ok((sound, entry)) => {
                counts.dates.look_at(&sound.file, sound.known_at, sound.uploaded_at, now);
                sounds.push(sound);
                entries.push(entry);
            }
            Err((code, reason)) => {
                let cause = reason.split(':').next().unwrap_or_default().to_owned();
                *counts.refused.entry(cause).or_default() += 1;
                let file = hashed.found.path.display().to_string();
                let refusal = Refusal { source: "audio".to_owned(), file, row: 0, code, reason, raw: None };
                refusals.push(refusal).map_err(output)?;
            }
        }
    }
    let found = copies(&sounds, &compared.alike, catalogue);
    let voices = Voices::of(&sounds, &entries, compared, catalogue);
    let mut evidence: TableWriter<Evidence> = TableWriter::create(out, ids).map_err(output)?;
    for ((sound, entry), (copy, known_at)) in sounds.iter().zip(entries).zip(found.findings) {
        let mut rows = vec![row(sound, copy, known_at)];
        rows.extend(voices.findings(sound, &entry, compared).map(|(finding, known_at)| row(sound, finding, known_at)));
        rows.extend(entry.findings.into_iter().map(|finding| row(sound, finding, sound.known_at)));
        rows.retain(|row| sound.unheard.iter().all(|(listener, _)| row.detector != listener.name()));
        rows.iter().for_each(|row| counts.hear(row));
        // Who did not listen says so: not heard is never clean.
        for (listener, why) in &sound.unheard {
            *counts.unheard.entry((listener.name(), why.name())).or_default() += 1;
            rows.push(row(sound, silence(*listener, plan.version(*listener), *why), sound.known_at));
        }
        rows.sort_by(|a, b| a.detector.cmp(&b.detector));
        for row in rows {
            evidence.push(row).map_err(output)?;
        }
    }
    write_audio(out, &sounds, ids)?;
    write_groups(out, &found.rows, ids)?;
    counts.groups = found.groups;
    counts.recordings = sounds.len() as u64;
    let (rows, evidence) = evidence.complete().map_err(output)?;
    let (_, refusals) = refusals.complete().map_err(output)?;
    counts.evidence = rows;
    evidence.publish().and_then(|()| refusals.publish()).map_err(output)?;
    Ok(counts)
}

type Refused = (Code, String);

/// The file as a recording with what was found in it, or why it is none.
fn sound<'a>(
    hashed: &'a Hashed,
    catalogue: &Catalogue,
    journal: &Journal,
    plan: &Plan,
    counts: &mut Counts,
) -> Result<(Sound<'a>, Entry), Refused> {
    let unreadable = |error: &String| (Code::Undecodable, format!("unreadable: {error}"));
    let content = hashed.content.as_ref().map_err(unreadable)?;
    let entry = journal.entry(&content.hash).expect("every content is in the journal once all files are done");
    let facts = entry.facts.clone().map_err(|why: Undecodable| (Code::Undecodable, why.to_string()))?;
    let (content_id, tracks, uploaded_at) = match catalogue.name(&hashed.found) {
        Named::As { content, tracks, uploaded_at } => (content, tracks, uploaded_at),
        Named::Nowhere => {
            counts.nameless += 1;
            (catalogue.nameless(&content.hash), Vec::new(), None)
        }
        Named::Ambiguous { recordings, first } => {
            let reason = format!("ambiguous: the name of {recordings} recordings of the catalogue, such as {first}");
            return Err((Code::Conflicting, reason));
        }
    };
    let tracks: Vec<String> = tracks.iter().map(Id::to_string).collect();
    let unheard = Decider::new(&plan.listening, &content.hash).unheard(&entry.findings);
    let sound = Sound {
        file: hashed.found.path.display().to_string(),
        content_id,
        tracks: tracks.join(" "),
        content,
        facts,
        known_at: match plan.dated {
            Dated::At(at) => at,
            Dated::Changed => content.changed_at,
            Dated::Uploaded => uploaded_at.unwrap_or(entry.heard_at),
        },
        telling_secs: entry.telling_secs,
        is_noise: is_noise(&entry.findings),
        uploaded_at,
        not_heard_by: (!unheard.is_empty()).then(|| in_words(&unheard)),
        unheard,
    };
    Ok((sound, entry))
}

/// Who sounds like whom, over all recordings.
struct Voices<'a> {
    catalogue: &'a Catalogue,
    /// Per content its files.
    by_content: BTreeMap<&'a str, Vec<&'a Sound<'a>>>,
    registered: Vec<Registered>,
}

impl<'a> Voices<'a> {
    fn of(sounds: &'a [Sound<'a>], entries: &[Entry], compared: &Compared, catalogue: &'a Catalogue) -> Voices<'a> {
        let known = compared.voices.iter().map(|(name, voice)| (catalogue.known(name), *voice));
        let heard = sounds.iter().zip(entries);
        let heard = heard.filter_map(|(sound, entry)| Some((sound.content_id.clone(), entry.character.voice?)));
        let registered = registered(catalogue, &known.chain(heard).collect());
        let mut by_content: BTreeMap<&str, Vec<&Sound<'_>>> = BTreeMap::new();
        sounds.iter().for_each(|sound| by_content.entry(&sound.content.hash).or_default().push(sound));
        Voices { catalogue, by_content, registered }
    }

    /// What the file sounds like, and whom it passes for.
    fn findings(&self, sound: &Sound<'_>, entry: &Entry, compared: &Compared) -> [(Finding, Millis); 2] {
        let near = self.near(sound, compared);
        [
            (impersonation::finding(sound, &entry.character, &self.registered, self.catalogue), sound.known_at),
            resemblance::finding(sound, &entry.character, near.as_ref(), self.catalogue),
        ]
    }

    /// The recording that sounds most like the file and shares no sound with it.
    fn near(&self, sound: &Sound<'_>, compared: &Compared) -> Option<Near> {
        let shared = compared.alike.get(&sound.content.hash);
        let others = compared.near.get(&sound.content.hash).into_iter().flatten();
        let mut others = others.filter(|(other, _)| shared.is_none_or(|shared| !shared.contains_key(other)));
        others.find_map(|(other, likeness)| match other {
            Other::Known(name) => {
                let recording = self.catalogue.known(name);
                (recording != sound.content_id).then_some(Near { recording, likeness: *likeness, known_at: None })
            }
            Other::Heard(content) => {
                let mut files = self.by_content.get(content.as_str()).into_iter().flatten();
                let file = files.find(|file| file.content_id != sound.content_id)?;
                let (recording, known_at) = (file.content_id.clone(), Some(file.known_at));
                Some(Near { recording, likeness: *likeness, known_at })
            }
        })
    }
}

fn row(sound: &Sound<'_>, finding: Finding, known_at: Millis) -> Evidence {
    Evidence {
        content_id: sound.content_id.clone(),
        detector: finding.detector,
        version: finding.version,
        risk: finding.risk,
        confidence: finding.confidence,
        details: finding.details,
        known_at,
        file: Some(sound.file.clone()),
    }
}

impl Counts {
    fn hear(&mut self, row: &Evidence) {
        let (heard, suspicious) = self.detectors.entry(row.detector.clone()).or_default();
        *heard += 1;
        *suspicious += u64::from(row.risk.parts() >= 5_000);
    }
}

fn column(name: &str, kind: ColumnKind) -> Column {
    Column { name: name.to_owned(), kind }
}

fn id_column(name: &str, ids: IdKind) -> Column {
    column(name, if ids == IdKind::Number { ColumnKind::UInt } else { ColumnKind::Text })
}

fn id_value(id: &Id) -> Value<'_> {
    match id {
        Id::Number(number) => Value::UInt(*number),
        Id::Text(text) => Value::Text(text),
    }
}

/// `audio`: a row for each file that is sound.
fn write_audio(out: &Path, sounds: &[Sound<'_>], ids: IdKind) -> Result<(), Failure> {
    use ColumnKind::{Bool, Float, Int, Text};
    let mut columns = vec![column("file", Text), id_column("content_id", ids)];
    columns.extend(
        [
            ("track_ids", Text),
            ("hash", Text),
            ("bytes", Int),
            ("container", Text),
            ("codec", Text),
            ("rate_hz", Int),
            ("channels", Int),
            ("bits", Int),
            ("seconds", Float),
            ("bits_per_second", Float),
            ("frames", Int),
            ("frames_promised", Int),
            ("packets", Int),
            ("packets_bad", Int),
            ("is_cut", Bool),
            ("wild_values", Int),
            ("dead_channels", Int),
            ("correlation", Float),
            ("peak", Float),
            ("rms", Float),
            ("not_heard_by", Text),
        ]
        .map(|(name, kind)| column(name, kind)),
    );
    let rows: Vec<Vec<Value<'_>>> = sounds.iter().map(audio_row).collect();
    write_rows(&out.join("audio.parquet"), &columns, &rows).map_err(output)
}

fn audio_row<'a>(sound: &'a Sound<'_>) -> Vec<Value<'a>> {
    let facts = &sound.facts;
    let whole = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let float = |number: Option<f64>| number.map_or(Value::Null, Value::Float);
    let peak = facts.levels.iter().map(|level| level.peak).fold(0.0, f64::max);
    let power: f64 = facts.levels.iter().map(|level| level.rms * level.rms).sum();
    vec![
        Value::Text(&sound.file),
        id_value(&sound.content_id),
        Value::Text(&sound.tracks),
        Value::Text(&sound.content.hash),
        whole(sound.content.bytes),
        Value::Text(&facts.container),
        Value::Text(&facts.codec),
        whole(u64::from(facts.rate_hz)),
        whole(u64::from(facts.channels)),
        facts.bits.map_or(Value::Null, |bits| whole(u64::from(bits))),
        Value::Float(facts.seconds()),
        Value::Float(facts.bits_per_second()),
        whole(facts.frames),
        facts.frames_promised.map_or(Value::Null, whole),
        whole(facts.packets),
        whole(facts.packets_bad),
        Value::Bool(facts.is_cut),
        whole(facts.wild_values),
        whole(facts.dead_channels() as u64),
        float(facts.correlation),
        Value::Float(peak),
        Value::Float((power / facts.levels.len().max(1) as f64).sqrt()),
        sound.not_heard_by.as_deref().map_or(Value::Null, Value::Text),
    ]
}

/// `duplicate_group`: recordings that are one.
fn write_groups(out: &Path, rows: &[GroupRow], ids: IdKind) -> Result<(), Failure> {
    use ColumnKind::{Float, Instant, Text};
    let mut columns = vec![id_column("group_id", ids), id_column("content_id", ids)];
    columns.extend(
        [
            ("file", Text),
            ("kind", Text),
            ("offset_seconds", Float),
            ("speed", Float),
            ("pitch", Float),
            ("matched_share", Float),
            ("score", Float),
            ("known_at", Instant),
        ]
        .map(|(name, kind)| column(name, kind)),
    );
    let rows: Vec<Vec<Value<'_>>> = rows.iter().map(group_row).collect();
    write_rows(&out.join("duplicate_group.parquet"), &columns, &rows).map_err(output)
}

fn group_row(row: &GroupRow) -> Vec<Value<'_>> {
    vec![
        id_value(&row.group),
        id_value(&row.content_id),
        row.file.as_deref().map_or(Value::Null, Value::Text),
        Value::Text(if row.is_same_bytes { "same_bytes" } else { "same_recording" }),
        Value::Float(row.offset_secs),
        Value::Float(row.speed),
        Value::Float(row.pitch),
        Value::Float(row.matched_share),
        row.score.map_or(Value::Null, Value::Float),
        row.known_at.map_or(Value::Null, Value::Int),
    ]
}

fn output(error: datasets::Error) -> Failure {
    Failure::Output(error.to_string())
}
