//! Records as Arrow columns, in the order and with the names of the contract.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array,
    UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use records::{
    Account, Correction, Disclosure, Distributor, Duplicate, Evidence, Id, Label, Millis, Network, NetworkKind, Play,
    Playlist, Refusal, Ruled, Track, Verdict,
};

use super::read::{ID_COLUMNS, IdKinds};

/// Whether the ids of a file are numbers or texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// `UInt64` columns; a text id does not fit and is a mistake of the caller.
    Number,
    /// `Utf8` columns; numbers are written in decimals.
    Text,
}

/// A record that is a row of a canonical table.
pub trait Row: Sized {
    /// The table's name, which is also the file's stem.
    const TABLE: &'static str;

    /// The rows as one batch of columns.
    fn batch(rows: &[Self], ids: IdKind) -> RecordBatch;
}

/// The rows as one batch whose ids are of the kind of their space. What belongs to no space is a number where all are.
pub fn batch_of_kinds<R: Row>(rows: &[R], kinds: &IdKinds) -> RecordBatch {
    if kinds.iter().all(|kind| *kind == kinds[0]) {
        return R::batch(rows, kinds[0]);
    }
    let texts = R::batch(rows, IdKind::Text);
    let columns = texts.schema_ref().fields().iter().zip(texts.columns()).map(|(field, column)| {
        let space = ID_COLUMNS.iter().find(|(table, name, _)| *table == R::TABLE && name == field.name());
        let is_number = space.is_some_and(|(_, _, space)| kinds[*space as usize] == IdKind::Number);
        let column = if is_number { cast(column, &DataType::UInt64).expect("texts cast") } else { column.clone() };
        (field.name().clone(), column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).expect("all columns are of the same rows")
}

type Column = (&'static str, ArrayRef);

fn id<'a>(name: &'static str, kind: IdKind, values: impl Iterator<Item = Option<&'a Id>>) -> Column {
    let array: ArrayRef = match kind {
        IdKind::Number => Arc::new(UInt64Array::from_iter(values.map(|id| match id {
            Some(Id::Number(number)) => Some(*number),
            Some(Id::Text(text)) => panic!("the text id {text:?} in a column of numbers"),
            None => None,
        }))),
        IdKind::Text => Arc::new(StringArray::from_iter(values.map(|id| id.map(Id::to_string)))),
    };
    (name, array)
}

fn text<'a>(name: &'static str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    (name, Arc::new(StringArray::from_iter(values)))
}

fn instant(name: &'static str, values: impl Iterator<Item = Option<Millis>>) -> Column {
    (name, Arc::new(TimestampMillisecondArray::from_iter(values).with_timezone("UTC")))
}

fn count(name: &'static str, values: impl Iterator<Item = Option<u64>>) -> Column {
    (name, Arc::new(Int64Array::from_iter(values.map(|value| value.map(|n| i64::try_from(n).unwrap_or(i64::MAX))))))
}

fn flag(name: &'static str, values: impl Iterator<Item = Option<bool>>) -> Column {
    (name, Arc::new(BooleanArray::from_iter(values)))
}

fn disclosure(name: &'static str, values: impl Iterator<Item = Option<Disclosure>>) -> Column {
    (name, Arc::new(StringArray::from_iter(values.map(|value| value.map(Disclosure::name)))))
}

/// Required columns are nullable in the file all the same: whether a null stands there is a question of rows, not of types.
fn batch(columns: Vec<Column>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("all columns are made from the same rows")
}

impl Row for Play {
    const TABLE: &'static str = "plays";

    fn batch(rows: &[Play], ids: IdKind) -> RecordBatch {
        batch(vec![
            id("play_id", ids, rows.iter().map(|r| Some(&r.play_id))),
            instant("ended_at", rows.iter().map(|r| Some(r.ended_at))),
            instant("arrived_at", rows.iter().map(|r| r.arrived_at)),
            id("account_id", ids, rows.iter().map(|r| Some(&r.account_id))),
            id("track_id", ids, rows.iter().map(|r| Some(&r.track_id))),
            count("played_ms", rows.iter().map(|r| Some(r.played_ms))),
            count("track_ms", rows.iter().map(|r| r.track_ms)),
            id("device_id", ids, rows.iter().map(|r| r.device_id.as_ref())),
            id("ip_prefix", ids, rows.iter().map(|r| r.ip_prefix.as_ref())),
            ("asn", Arc::new(UInt32Array::from_iter(rows.iter().map(|r| r.asn)))),
            text("country", rows.iter().map(|r| r.country.as_deref())),
            text("platform", rows.iter().map(|r| r.platform.as_deref())),
            text("source", rows.iter().map(|r| r.source.as_deref())),
            id("playlist_id", ids, rows.iter().map(|r| r.playlist_id.as_ref())),
            text("reason_start", rows.iter().map(|r| r.reason_start.as_deref())),
            text("reason_end", rows.iter().map(|r| r.reason_end.as_deref())),
            flag("shuffle", rows.iter().map(|r| r.shuffle)),
            flag("offline", rows.iter().map(|r| r.offline)),
        ])
    }
}

impl Row for Correction {
    const TABLE: &'static str = "corrections";

    fn batch(rows: &[Correction], ids: IdKind) -> RecordBatch {
        batch(vec![
            id("play_id", ids, rows.iter().map(|r| Some(&r.play_id))),
            instant("arrived_at", rows.iter().map(|r| Some(r.arrived_at))),
            text("reason", rows.iter().map(|r| r.reason.as_deref())),
        ])
    }
}

impl Row for Track {
    const TABLE: &'static str = "tracks";

    fn batch(rows: &[Track], ids: IdKind) -> RecordBatch {
        batch(vec![
            id("track_id", ids, rows.iter().map(|r| Some(&r.track_id))),
            id("content_id", ids, rows.iter().map(|r| r.content_id.as_ref())),
            text("isrc", rows.iter().map(|r| r.isrc.as_deref())),
            text("title", rows.iter().map(|r| r.title.as_deref())),
            text("version", rows.iter().map(|r| r.version.as_deref())),
            id("artist_id", ids, rows.iter().map(|r| r.artist_id.as_ref())),
            text("artist_name", rows.iter().map(|r| r.artist_name.as_deref())),
            id("uploader_id", ids, rows.iter().map(|r| r.uploader_id.as_ref())),
            id("distributor_id", ids, rows.iter().map(|r| r.distributor_id.as_ref())),
            text("label", rows.iter().map(|r| r.label.as_deref())),
            text("genre", rows.iter().map(|r| r.genre.as_deref())),
            text("language", rows.iter().map(|r| r.language.as_deref())),
            text("country", rows.iter().map(|r| r.country.as_deref())),
            count("duration_ms", rows.iter().map(|r| r.duration_ms)),
            instant("uploaded_at", rows.iter().map(|r| r.uploaded_at)),
            instant("released_at", rows.iter().map(|r| r.released_at)),
            disclosure("contains_ai", rows.iter().map(|r| r.contains_ai)),
            disclosure("ai_vocals", rows.iter().map(|r| r.ai_vocals)),
            disclosure("ai_instruments", rows.iter().map(|r| r.ai_instruments)),
            disclosure("ai_postproduction", rows.iter().map(|r| r.ai_postproduction)),
            text("consent_ref", rows.iter().map(|r| r.consent_ref.as_deref())),
            text("audio_uri", rows.iter().map(|r| r.audio_uri.as_deref())),
            instant("valid_from", rows.iter().map(|r| r.valid_from)),
        ])
    }
}

impl Row for Account {
    const TABLE: &'static str = "accounts";

    fn batch(rows: &[Account], ids: IdKind) -> RecordBatch {
        batch(vec![
            id("account_id", ids, rows.iter().map(|r| Some(&r.account_id))),
            instant("created_at", rows.iter().map(|r| r.created_at)),
            text("plan", rows.iter().map(|r| r.plan.as_deref())),
            text("country", rows.iter().map(|r| r.country.as_deref())),
            id("payment_id", ids, rows.iter().map(|r| r.payment_id.as_ref())),
            id("family_id", ids, rows.iter().map(|r| r.family_id.as_ref())),
            text("email_domain_class", rows.iter().map(|r| r.email_domain_class.as_deref())),
        ])
    }
}

impl Row for Distributor {
    const TABLE: &'static str = "distributors";

    fn batch(rows: &[Distributor], ids: IdKind) -> RecordBatch {
        batch(vec![
            id("distributor_id", ids, rows.iter().map(|r| Some(&r.distributor_id))),
            text("tier", rows.iter().map(|r| r.tier.as_deref())),
            flag("verified", rows.iter().map(|r| r.verified)),
            instant("valid_from", rows.iter().map(|r| r.valid_from)),
        ])
    }
}

impl Row for Network {
    const TABLE: &'static str = "networks";

    fn batch(rows: &[Network], _ids: IdKind) -> RecordBatch {
        let kind = |kind: NetworkKind| match kind {
            NetworkKind::Residential => "residential",
            NetworkKind::Mobile => "mobile",
            NetworkKind::Hosting => "hosting",
            NetworkKind::Vpn => "vpn",
            NetworkKind::Education => "education",
            NetworkKind::Unknown => "unknown",
        };
        batch(vec![
            ("asn", Arc::new(UInt32Array::from_iter(rows.iter().map(|r| Some(r.asn))))),
            text("kind", rows.iter().map(|r| Some(kind(r.kind)))),
        ])
    }
}

impl Row for Playlist {
    const TABLE: &'static str = "playlists";

    fn batch(rows: &[Playlist], ids: IdKind) -> RecordBatch {
        batch(vec![
            id("playlist_id", ids, rows.iter().map(|r| Some(&r.playlist_id))),
            id("owner_id", ids, rows.iter().map(|r| r.owner_id.as_ref())),
            flag("editorial", rows.iter().map(|r| r.editorial)),
            count("followers", rows.iter().map(|r| r.followers)),
        ])
    }
}

impl Row for Label {
    const TABLE: &'static str = "labels";

    fn batch(rows: &[Label], ids: IdKind) -> RecordBatch {
        batch(vec![
            text("subject", rows.iter().map(|r| Some(r.subject.as_str()))),
            id("subject_id", ids, rows.iter().map(|r| Some(&r.subject_id))),
            text("label", rows.iter().map(|r| Some(r.label.name()))),
            text("attack", rows.iter().map(|r| r.attack.as_deref())),
            instant("from", rows.iter().map(|r| r.from)),
            instant("until", rows.iter().map(|r| r.until)),
            instant("labelled_at", rows.iter().map(|r| r.labelled_at)),
            text("labelled_by", rows.iter().map(|r| r.labelled_by.as_deref())),
        ])
    }
}

impl Row for Ruled {
    const TABLE: &'static str = "rulings";

    fn batch(rows: &[Ruled], ids: IdKind) -> RecordBatch {
        batch(vec![
            text("subject", rows.iter().map(|r| Some(r.subject.name()))),
            id("subject_id", ids, rows.iter().map(|r| Some(&r.subject_id))),
            text("ruling", rows.iter().map(|r| Some(r.ruling.kind.name()))),
            instant("known_at", rows.iter().map(|r| Some(r.ruling.known_at))),
            text("verdict", rows.iter().map(|r| r.ruling.kind.verdict().map(Verdict::name))),
            instant("since", rows.iter().map(|r| r.ruling.since)),
            instant("until", rows.iter().map(|r| r.ruling.until)),
            text("ruled_by", rows.iter().map(|r| r.ruling.ruled_by.as_deref())),
            text("reason", rows.iter().map(|r| r.ruling.reason.as_deref())),
        ])
    }
}

impl Row for Evidence {
    const TABLE: &'static str = "evidence";

    fn batch(rows: &[Evidence], ids: IdKind) -> RecordBatch {
        let share = |name, shares: Vec<f64>| -> Column { (name, Arc::new(Float64Array::from(shares))) };
        batch(vec![
            id("content_id", ids, rows.iter().map(|r| Some(&r.content_id))),
            text("detector", rows.iter().map(|r| Some(r.detector.as_str()))),
            text("version", rows.iter().map(|r| Some(r.version.as_str()))),
            share("risk", rows.iter().map(|r| r.risk.share()).collect()),
            share("confidence", rows.iter().map(|r| r.confidence.share()).collect()),
            text("details", rows.iter().map(|r| Some(r.details.as_str()))),
            instant("known_at", rows.iter().map(|r| Some(r.known_at))),
            text("file", rows.iter().map(|r| r.file.as_deref())),
        ])
    }
}

impl Row for Duplicate {
    const TABLE: &'static str = "duplicate_group";

    fn batch(rows: &[Duplicate], ids: IdKind) -> RecordBatch {
        batch(vec![
            id("content_id", ids, rows.iter().map(|r| Some(&r.content_id))),
            id("group_id", ids, rows.iter().map(|r| r.group_id.as_ref())),
            instant("known_at", rows.iter().map(|r| Some(r.known_at))),
        ])
    }
}

impl Row for Refusal {
    const TABLE: &'static str = "refusal";

    fn batch(rows: &[Refusal], _ids: IdKind) -> RecordBatch {
        batch(vec![
            text("source", rows.iter().map(|r| Some(r.source.as_str()))),
            text("file", rows.iter().map(|r| Some(r.file.as_str()))),
            count("row", rows.iter().map(|r| Some(r.row))),
            text("code", rows.iter().map(|r| Some(r.code.name()))),
            text("reason", rows.iter().map(|r| Some(r.reason.as_str()))),
            text("raw", rows.iter().map(|r| r.raw.as_deref())),
        ])
    }
}
