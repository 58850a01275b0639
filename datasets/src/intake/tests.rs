//! What is sent in three formats becomes the same columns, and what cannot be read is set aside as it stands.

use std::io::Write;

use records::{Code, Id, Play};

use super::*;

const TEXTS: IdKinds = [IdKind::Text; records::IdSpace::ALL.len()];
const NUMBERS: IdKinds = [IdKind::Number; records::IdSpace::ALL.len()];

fn plays() -> Vec<Play> {
    let play = |number: u64| Play {
        play_id: Id::from(format!("p{number}")),
        ended_at: 1_767_225_600_000 + number as i64,
        arrived_at: number.is_multiple_of(2).then_some(1_767_225_700_000),
        account_id: Id::from("a"),
        track_id: Id::from(number.to_string()),
        played_ms: 31_000,
        track_ms: None,
        device_id: Some(Id::from("d")),
        ip_prefix: None,
        asn: Some(64_500),
        country: Some("DE".to_owned()),
        platform: None,
        source: Some("search".to_owned()),
        playlist_id: None,
        reason_start: None,
        reason_end: None,
        shuffle: Some(false),
        offline: None,
    };
    (0..5).map(play).collect()
}

/// The same plays as JSON lines: ids as numbers or texts, instants as numbers or texts.
fn lines() -> String {
    let line = |play: Play| {
        let arrived = play.arrived_at.map_or("null".to_owned(), |_| "\"2026-01-01T00:01:40Z\"".to_owned());
        format!(
            r#"{{"play_id":"{}","ended_at":{},"arrived_at":{arrived},"account_id":"a","track_id":{},"played_ms":31000,"device_id":"d","asn":64500,"country":"DE","source":"search","shuffle":false,"mood":"blue"}}"#,
            play.play_id, play.ended_at, play.track_id
        )
    };
    plays().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn three_formats_become_the_same_columns() {
    let batch = batch_of_kinds::<Play>(&plays(), &TEXTS);
    let arrow = stream(std::slice::from_ref(&batch)).expect("columns");
    let mut parquet = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None).expect("a file");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    for (format, body) in
        [(Format::JsonLines, lines().into_bytes()), (Format::Arrow, arrow), (Format::Parquet, parquet)]
    {
        let (rows, count) =
            read("plays", format, &body, &Ids::plain(TEXTS)).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!((count, rows.refused.len()), (5, 0), "{format:?}");
        assert_eq!(batches(&rows.columns).expect("ours"), std::slice::from_ref(&batch), "{format:?}");
    }
}

#[test]
fn lines_that_do_not_fit_are_set_aside_as_they_stand() {
    let text = [
        "{\"play_id\": 1, \"ended_at\": \"yesterday\"}",
        "",
        "{\"play_id\": 1, \"played_ms\": \"long\"}",
        "[1]",
        "{\"play_id\": \"p\", \"ended_at\": 5}",
        "{\"play_id\": -1}",
    ];
    let (rows, count) =
        read("plays", Format::JsonLines, text.join("\n").as_bytes(), &Ids::plain(NUMBERS)).expect("lines");
    assert_eq!((count, batches(&rows.columns).expect("ours").len()), (5, 0));
    let told: Vec<(u64, Code, &str)> = rows.refused.iter().map(|row| (row.row, row.code, row.raw.as_str())).collect();
    let expected = [
        (0, Code::BadTime, text[0]),
        (1, Code::WrongType, text[2]),
        (2, Code::Malformed, text[3]),
        (3, Code::WrongType, text[4]),
        (4, Code::OutOfRange, text[5]),
    ];
    assert_eq!(told, expected);
}

#[test]
fn columns_that_cannot_be_are_one_clear_error() {
    let batch = batch_of_kinds::<Play>(&plays(), &TEXTS);
    let arrow = |batch: &RecordBatch| stream(std::slice::from_ref(batch)).expect("columns");
    let error = read("plays", Format::Arrow, &arrow(&batch), &Ids::plain(NUMBERS)).expect_err("texts").to_string();
    assert!(error.contains("play_id") && error.contains("ids that are numbers"), "{error}");
    let error =
        read("plays", Format::Arrow, &arrow(&batch.project(&[0, 1, 3, 4]).expect("columns")), &Ids::plain(TEXTS));
    assert!(matches!(error, Err(Error::MissingColumn { column: "played_ms", .. })), "{error:?}");
}

#[test]
fn no_damaged_stream_is_more_than_an_error() {
    let whole = stream(&[batch_of_kinds::<Play>(&plays(), &TEXTS)]).expect("columns");
    for at in 0..whole.len() {
        for change in [0xFF, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= change;
            // What can still be read is of the right types, or refused.
            let _ = read("plays", Format::Arrow, &damaged, &Ids::plain(TEXTS));
        }
        let _ = read("plays", Format::Arrow, &whole[..at], &Ids::plain(TEXTS));
    }
}

#[test]
fn packed_bodies_are_unpacked_up_to_a_limit() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{}").expect("memory");
    let zstd = zstd::encode_all(&b"{}"[..], 1).expect("memory");
    for (encoding, body) in [("gzip", gzip.finish().expect("memory")), ("zstd", zstd)] {
        assert_eq!(*unpack(Some(encoding), &body).expect("packed"), *b"{}");
        assert!(unpack(Some(encoding), b"no such thing").is_err());
    }
    let bomb = zstd::encode_all(&vec![0; BODY_MAX + 1][..], 1).expect("memory");
    assert!(bomb.len() < 10_000 && unpack(Some("zstd"), &bomb).is_err());
    assert!(unpack(Some("br"), b"").is_err());
}
