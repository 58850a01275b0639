//! What was heard, as tables: made of the journal and the catalogue alone.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::audio::{Facts, Undecodable};
use datasets::tables::rows::{Column, ColumnKind, Value, write as write_rows};
use datasets::tables::{IdKind, TableWriter};
use records::{Code, Evidence, Id, Millis, Refusal};

use super::catalogue::{Catalogue, Named};
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
struct Sound<'a> {
    file: String,
    content_id: Id,
    tracks: String,
    content: &'a Content,
    facts: Facts,
    known_at: Millis,
}

/// Writes all tables into the folder.
pub(super) fn write(
    out: &Path,
    done: &Done,
    catalogue: &Catalogue,
    journal: &Journal,
    at: Option<Millis>,
) -> Result<Counts, Failure> {
    let ids = catalogue.ids();
    let mut evidence: TableWriter<Evidence> = TableWriter::create(out, ids).map_err(output)?;
    let mut refusals: TableWriter<Refusal> = TableWriter::create(out, IdKind::Text).map_err(output)?;
    let mut counts = Counts { files: done.files.len() as u64, ..Counts::default() };
    let mut sounds = Vec::new();
    for hashed in &done.files {
        let file = hashed.found.path.display().to_string();
        match sound(hashed, catalogue, journal, at, &mut counts) {
            Ok((sound, findings)) => {
                for row in rows(&sound, findings) {
                    counts.hear(&row);
                    evidence.push(row).map_err(output)?;
                }
                sounds.push(sound);
            }
            Err((code, reason)) => {
                let cause = reason.split(':').next().unwrap_or_default().to_owned();
                *counts.refused.entry(cause).or_default() += 1;
                let refusal = Refusal { source: "audio".to_owned(), file, row: 0, code, reason, raw: None };
                refusals.push(refusal).map_err(output)?;
            }
        }
    }
    write_audio(out, &sounds, ids)?;
    counts.groups = write_groups(out, &sounds, ids)?;
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
) -> Result<(Sound<'a>, Vec<super::detectors::Finding>), Refused> {
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

fn rows(sound: &Sound<'_>, findings: Vec<super::detectors::Finding>) -> impl Iterator<Item = Evidence> {
    findings.into_iter().map(|finding| Evidence {
        content_id: sound.content_id.clone(),
        detector: finding.detector,
        version: finding.version,
        risk: finding.risk,
        confidence: finding.confidence,
        details: finding.details,
        known_at: sound.known_at,
        file: Some(sound.file.clone()),
    })
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

/// `duplicate_group`: files of several recordings that are the same bytes.
fn write_groups(out: &Path, sounds: &[Sound<'_>], ids: IdKind) -> Result<u64, Failure> {
    let mut by_content: BTreeMap<&str, Vec<&Sound<'_>>> = BTreeMap::new();
    for sound in sounds {
        by_content.entry(&sound.content.hash).or_default().push(sound);
    }
    by_content.retain(|_, same| same.iter().any(|sound| sound.content_id != same[0].content_id));
    // A group is called by its least recording, as groups of accounts are.
    let mut groups: Vec<(&Id, &Sound<'_>)> = by_content
        .values()
        .flat_map(|same| {
            let least = same.iter().map(|sound| &sound.content_id).min().expect("no group is empty");
            same.iter().map(move |sound| (least, *sound))
        })
        .collect();
    groups.sort_by(|a, b| (a.0, &a.1.content_id, &a.1.file).cmp(&(b.0, &b.1.content_id, &b.1.file)));
    let columns = [
        id_column("group_id", ids),
        id_column("content_id", ids),
        column("file", ColumnKind::Text),
        column("kind", ColumnKind::Text),
    ];
    let rows: Vec<Vec<Value<'_>>> = groups
        .iter()
        .map(|(least, sound)| {
            vec![id_value(least), id_value(&sound.content_id), Value::Text(&sound.file), Value::Text("same_bytes")]
        })
        .collect();
    write_rows(&out.join("duplicate_group.parquet"), &columns, &rows).map_err(output)?;
    Ok(by_content.len() as u64)
}

fn output(error: datasets::Error) -> Failure {
    Failure::Output(error.to_string())
}
