//! Writes what messages say as tables: the catalogue that `replay` reads, and beside it releases, contributors, deals,
//! disclosures and what became of each message.
//!
//! ```text
//! paths, receipts ──▶ envelopes ──▶ order, each once ──▶ of whose they are about ──▶ apply ──▶ tracks, releases, contributors, deals, disclosures, messages (all or none)
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use records::{Disclosure, Millis, Track};

use super::catalogue::{
    Catalogue, ContributorRow, DealRow, DisclosureRow, Envelope, Fate, Outcome, ReleaseRow, Rows, Settings, TrackIds,
    envelope, order, owned,
};
use super::consents::Unmet;
use super::received::Receipts;
use crate::Error;
use crate::tables::rows::{self, Value, columns};
use crate::tables::{IdKind, Part, Row, TableWriter};

/// What became of messages, and what of the register of consents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Of each file, and of what an earlier import knew and no file is, by path.
    pub outcomes: Vec<Outcome>,
    /// Lines of the register that are about nothing that was delivered.
    pub unmet: Vec<Unmet>,
}

/// Reads the messages at the paths, applies them in their order and writes the tables into the folder. When a message was received stays as
/// an earlier import into the folder has it, and a message that it applied must be among them. `progress` hears of every message three times: that its
/// header was read, whose it was found to be, and that it was applied.
///
/// # Errors
/// When the folder cannot be written, would lose messages, or has tracks that are called otherwise. A message that cannot be read is an outcome, not an error.
pub fn write(paths: &[PathBuf], out: &Path, settings: Settings, mut progress: impl FnMut()) -> Result<Imported, Error> {
    let mut outcomes = Vec::new();
    let mut envelopes = Vec::new();
    let mut receipts = Receipts::read(out)?;
    called_as_before(out, settings.track_ids)?;
    for path in paths {
        match envelope(path, settings.limits) {
            Ok(mut envelope) => {
                envelope.received = settings.received.of(path);
                if let (Some(hash), Some(at)) = (&envelope.hash, envelope.received) {
                    receipts.came(hash, at);
                }
                envelopes.push(envelope);
            }
            Err(unread) => outcomes.push(Outcome {
                path: path.clone(),
                envelope: None,
                fate: Fate::Unread,
                reason: Some(unread.to_string()),
                errors: 0,
            }),
        }
        progress();
    }
    for envelope in &mut envelopes {
        if let Some(hash) = &envelope.hash {
            envelope.received = receipts.of(hash);
        }
    }
    outcomes.extend(receipts.of_absent(&envelopes, out, settings.forget)?);
    let (ordered, others) = order(envelopes, settings.limits);
    outcomes.extend(others);
    let (ordered, others) = owned(ordered, &settings, &mut progress);
    outcomes.extend(others);
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
    let mut writers = Writers::create(out)?;
    let mut catalogue = Catalogue::new(settings);
    for envelope in ordered {
        let mut rows = Rows::default();
        let (fate, reason, errors) = match catalogue.take(&envelope, &mut rows) {
            Ok(taken) => (Fate::Applied, ends_unknown(&taken.ends_unknown), taken.errors),
            Err(unread) => (Fate::Unread, Some(unread.to_string()), 0),
        };
        writers.push(rows)?;
        outcomes.push(Outcome { path: envelope.path.clone(), envelope: Some(envelope), fate, reason, errors });
        progress();
    }
    let mut rows = Rows::default();
    let unmet = catalogue.finish(&mut rows);
    writers.push(rows)?;
    outcomes.sort_by(|a, b| a.path.cmp(&b.path));
    writers.finish(out, &outcomes)?;
    Ok(Imported { outcomes, unmet })
}

/// Whoever has the tracks of an earlier import into the folder by their ids must find them again.
///
/// # Errors
/// When they would all be called otherwise.
fn called_as_before(out: &Path, track_ids: TrackIds) -> Result<(), Error> {
    let path = out.join("tracks.parquet");
    if !path.is_file() || !out.join("messages.parquet").is_file() {
        return Ok(());
    }
    let (wanted, there) = (["track_id", "isrc"], columns(&path)?);
    if !wanted.iter().all(|name| there.iter().any(|column| column.name == *name)) {
        return Ok(());
    }
    let mut tracks = rows::Rows::open(&path, &wanted)?;
    while tracks.advance()? {
        // Without an ISRC tracks are called the same in both ways.
        let (Value::Text(id), Value::Text(isrc)) = (tracks.value(0), tracks.value(1)) else { continue };
        let (before, name, other) = match id == isrc {
            true => (TrackIds::Isrc, "isrc", "release"),
            false => (TrackIds::Release, "release", "isrc"),
        };
        if before == track_ids {
            return Ok(());
        }
        return Err(Error::Input(format!(
            "{}: its tracks are called as --track-id {name} does, such as {id}, and all would be called otherwise; found --track-id {other}; \
             name --track-id {name}, or choose another --out",
            out.display()
        )));
    }
    Ok(())
}

/// Releases that a message ends and nobody had brought, that are named one by one.
const UNKNOWN_TOLD_MAX: usize = 5;

fn ends_unknown(releases: &[String]) -> Option<String> {
    let more = match releases.len().saturating_sub(UNKNOWN_TOLD_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let told = releases[..releases.len().min(UNKNOWN_TOLD_MAX)].join(", ");
    (!releases.is_empty()).then(|| format!("ends {told}{more}, which no message before it brought"))
}

struct Writers {
    tracks: TableWriter<Track>,
    releases: TableWriter<ReleaseRow>,
    contributors: TableWriter<ContributorRow>,
    deals: TableWriter<DealRow>,
    disclosures: TableWriter<DisclosureRow>,
}

impl Writers {
    fn create(out: &Path) -> Result<Writers, Error> {
        Ok(Writers {
            tracks: TableWriter::create(out, IdKind::Text)?,
            releases: TableWriter::create(out, IdKind::Text)?,
            contributors: TableWriter::create(out, IdKind::Text)?,
            deals: TableWriter::create(out, IdKind::Text)?,
            disclosures: TableWriter::create(out, IdKind::Text)?,
        })
    }

    fn push(&mut self, rows: Rows) -> Result<(), Error> {
        rows.tracks.into_iter().try_for_each(|row| self.tracks.push(row))?;
        rows.releases.into_iter().try_for_each(|row| self.releases.push(row))?;
        rows.contributors.into_iter().try_for_each(|row| self.contributors.push(row))?;
        rows.deals.into_iter().try_for_each(|row| self.deals.push(row))?;
        rows.disclosures.into_iter().try_for_each(|row| self.disclosures.push(row))
    }

    /// Gives all files their names once all are whole, that of the messages last.
    fn finish(self, out: &Path, outcomes: &[Outcome]) -> Result<(), Error> {
        let mut messages = TableWriter::create(out, IdKind::Text)?;
        outcomes.iter().cloned().try_for_each(|outcome| messages.push(outcome))?;
        let parts: [Part; 6] = [
            self.tracks.complete()?.1,
            self.releases.complete()?.1,
            self.contributors.complete()?.1,
            self.deals.complete()?.1,
            self.disclosures.complete()?.1,
            messages.complete()?.1,
        ];
        parts.into_iter().try_for_each(Part::publish)
    }
}

type Column = (&'static str, ArrayRef);

fn texts<'a, R>(name: &'static str, rows: &'a [R], value: impl Fn(&'a R) -> Option<&'a str>) -> Column {
    (name, Arc::new(StringArray::from_iter(rows.iter().map(value))))
}

fn joined<R>(name: &'static str, rows: &[R], value: impl Fn(&R) -> Vec<&str>) -> Column {
    let texts = rows.iter().map(value).map(|words| (!words.is_empty()).then(|| words.join(" ")));
    (name, Arc::new(StringArray::from_iter(texts)))
}

fn instants<R>(name: &'static str, rows: &[R], value: impl Fn(&R) -> Option<Millis>) -> Column {
    (name, Arc::new(TimestampMillisecondArray::from_iter(rows.iter().map(value)).with_timezone("UTC")))
}

fn counts<R>(name: &'static str, rows: &[R], value: impl Fn(&R) -> u64) -> Column {
    (name, Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| i64::try_from(value(row)).unwrap_or(i64::MAX)))))
}

fn batch(columns: Vec<Column>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("all columns are made from the same rows")
}

fn words(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

impl Row for ReleaseRow {
    const TABLE: &'static str = "releases";

    fn batch(rows: &[ReleaseRow], _ids: IdKind) -> RecordBatch {
        batch(vec![
            texts("release_id", rows, |row| Some(&row.release_id)),
            instants("valid_from", rows, |row| Some(row.valid_from)),
            texts("status", rows, |row| Some(row.status)),
            texts("icpn", rows, |row| row.release.icpn.as_deref()),
            texts("grid", rows, |row| row.release.grid.as_deref()),
            texts("title", rows, |row| row.release.title.as_deref()),
            texts("version", rows, |row| row.release.version.as_deref()),
            texts("artist_name", rows, |row| row.release.artist_name.as_deref()),
            texts("label", rows, |row| row.release.label.as_deref()),
            texts("release_type", rows, |row| row.release.kind.as_deref()),
            texts("genre", rows, |row| row.release.genre.as_deref()),
            instants("released_at", rows, |row| row.release.released_at),
            counts("tracks", rows, |row| row.tracks),
            instants("available_from", rows, |row| row.available_from),
            instants("available_until", rows, |row| row.available_until),
            texts("uploader_id", rows, |row| row.uploader_id.as_deref()),
            texts("distributor_id", rows, |row| row.distributor_id.as_deref()),
            texts("message_id", rows, |row| Some(&row.message_id)),
            texts("update_indicator", rows, |row| row.update.as_deref()),
        ])
    }
}

impl Row for ContributorRow {
    const TABLE: &'static str = "contributors";

    fn batch(rows: &[ContributorRow], _ids: IdKind) -> RecordBatch {
        batch(vec![
            texts("track_id", rows, |row| Some(&row.track_id)),
            instants("valid_from", rows, |row| Some(row.valid_from)),
            counts("number", rows, |row| row.number),
            texts("party_id", rows, |row| row.contributor.party.id.as_deref()),
            texts("name", rows, |row| row.contributor.party.name.as_deref()),
            joined("roles", rows, |row| words(&row.contributor.roles)),
            joined("instruments", rows, |row| words(&row.contributor.instruments)),
            joined("parts", rows, |row| row.parts.iter().map(|part| part.name()).collect()),
            texts("special", rows, |row| Some(row.contributor.special.as_ref()?.word.as_str())),
            texts("ai_said", rows, |row| Some(row.contributor.ai.as_ref()?.word.as_str())),
            texts("ai", rows, |row| row.contributor.disclosure().map(Disclosure::name)),
        ])
    }
}

impl Row for DealRow {
    const TABLE: &'static str = "deals";

    fn batch(rows: &[DealRow], _ids: IdKind) -> RecordBatch {
        let is_takedown = BooleanArray::from_iter(rows.iter().map(|row| Some(row.deal.is_takedown)));
        batch(vec![
            texts("release_id", rows, |row| Some(&row.release_id)),
            instants("valid_from", rows, |row| Some(row.valid_from)),
            counts("number", rows, |row| row.number),
            joined("territories", rows, |row| words(&row.deal.territories)),
            joined("territories_excluded", rows, |row| words(&row.deal.excluded)),
            joined("commercial_models", rows, |row| words(&row.deal.models)),
            joined("use_types", rows, |row| words(&row.deal.uses)),
            instants("from", rows, |row| row.deal.from),
            instants("until", rows, |row| row.deal.until),
            ("is_takedown", Arc::new(is_takedown)),
        ])
    }
}

impl Row for DisclosureRow {
    const TABLE: &'static str = "disclosures";

    fn batch(rows: &[DisclosureRow], _ids: IdKind) -> RecordBatch {
        batch(vec![
            texts("subject", rows, |row| Some(row.subject)),
            texts("subject_id", rows, |row| Some(&row.subject_id)),
            instants("valid_from", rows, |row| Some(row.valid_from)),
            texts("contains_ai_said", rows, |row| row.said.as_deref()),
            texts("contains_ai", rows, |row| row.whole.map(Disclosure::name)),
            texts("ai_vocals", rows, |row| row.parts.vocals.map(Disclosure::name)),
            texts("ai_instruments", rows, |row| row.parts.instruments.map(Disclosure::name)),
            texts("ai_postproduction", rows, |row| row.parts.postproduction.map(Disclosure::name)),
            texts("distributor_id", rows, |row| row.distributor_id.as_deref()),
            texts("message_id", rows, |row| Some(&row.message_id)),
        ])
    }
}

impl Row for Outcome {
    const TABLE: &'static str = "messages";

    fn batch(rows: &[Outcome], _ids: IdKind) -> RecordBatch {
        let files: Vec<String> = rows.iter().map(|row| row.path.display().to_string()).collect();
        fn of(row: &Outcome) -> Option<&Envelope> {
            row.envelope.as_ref()
        }
        batch(vec![
            ("file", Arc::new(StringArray::from(files))),
            texts("fate", rows, |row| Some(row.fate.name())),
            texts("reason", rows, |row| row.reason.as_deref()),
            texts("message_id", rows, |row| of(row)?.message_id.as_deref()),
            texts("distributor_id", rows, |row| Some(of(row)?.sender.as_str())),
            instants("created_at", rows, |row| of(row)?.created),
            instants("received_at", rows, |row| of(row)?.received),
            texts("hash", rows, |row| of(row)?.hash.as_deref()),
            texts("ern", rows, |row| Some(of(row)?.version.name())),
            counts("errors", rows, |row| row.errors),
        ])
    }
}
