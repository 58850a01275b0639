//! What was heard, as tables: made of the journal and the catalogue alone.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::audio::{Facts, Undecodable};
use datasets::tables::rows::{Column, ColumnKind, Value, write as write_rows};
use datasets::tables::{IdKind, TableWriter};
use records::{Code, Evidence, Id, Millis, Refusal};

use super::alike::Alike;
use super::catalogue::{Catalogue, Named};
use super::copies::{GroupRow, copies};
use super::detectors::Finding;
use super::jobs::{Content, Done, Hashed};
use super::journal::Journal;
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
    /// Per detector: heard, and of these with a risk of a half or more.
    pub(super) detectors: BTreeMap<String, (u64, u64)>,
}

/// A file that is sound, under its recording.
pub(super) struct Sound<'a> {
    pub(super) file: String,
    pub(super) content_id: Id,
    tracks: String,
    pub(super) content: &'a Content,
    pub(super) facts: Facts,
    pub(super) known_at: Millis,
}

/// Writes all tables into the folder.
pub(super) fn write(
    out: &Path,
    done: &Done,
    catalogue: &Catalogue,
    journal: &Journal,
    alike: &Alike,
    at: Option<Millis>,
) -> Result<Counts, Failure> {
    let ids = catalogue.ids();
    let mut refusals: TableWriter<Refusal> = TableWriter::create(out, IdKind::Text).map_err(output)?;
    let mut counts = Counts { files: done.files.len() as u64, ..Counts::default() };
    let (mut sounds, mut findings) = (Vec::new(), Vec::new());
    for hashed in &done.files {
        match sound(hashed, catalogue, journal, at, &mut counts) {
            Ok((sound, found)) => {
                sounds.push(sound);
                findings.push(found);
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
    let found = copies(&sounds, alike, catalogue);
    let mut evidence: TableWriter<Evidence> = TableWriter::create(out, ids).map_err(output)?;
    for ((sound, findings), (copy, known_at)) in sounds.iter().zip(findings).zip(found.findings) {
        let rows = findings.into_iter().map(|finding| row(sound, finding, sound.known_at));
        for row in std::iter::once(row(sound, copy, known_at)).chain(rows) {
            counts.hear(&row);
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
    at: Option<Millis>,
    counts: &mut Counts,
) -> Result<(Sound<'a>, Vec<Finding>), Refused> {
    let unreadable = |error: &String| (Code::Undecodable, format!("unreadable: {error}"));
    let content = hashed.content.as_ref().map_err(unreadable)?;
    let entry = journal.entry(&content.hash).expect("every content is in the journal once all files are done");
    let facts = entry.facts.map_err(|why: Undecodable| (Code::Undecodable, why.to_string()))?;
    let (content_id, tracks) = match catalogue.name(&hashed.found) {
        Named::As { content, tracks } => (content, tracks),
        Named::Nowhere => {
            counts.nameless += 1;
            (catalogue.nameless(&content.hash), Vec::new())
        }
        Named::Ambiguous { recordings, first } => {
            let reason = format!("ambiguous: the name of {recordings} recordings of the catalogue, such as {first}");
            return Err((Code::Conflicting, reason));
        }
    };
    let tracks: Vec<String> = tracks.iter().map(Id::to_string).collect();
    let sound = Sound {
        file: hashed.found.path.display().to_string(),
        content_id,
        tracks: tracks.join(" "),
        content,
        facts,
        known_at: at.unwrap_or(content.changed_at),
    };
    Ok((sound, entry.findings))
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
