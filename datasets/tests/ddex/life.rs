//! What becomes of a catalogue: releases come, change, are taken down and forgotten, each message once and in its order.

use std::path::{Path, PathBuf};

use datasets::ddex::{Fate, Outcome, Settings, TrackIds, write};
use datasets::tables::rows::{Rows, Value, columns};
use tempfile::TempDir;

use super::{ERN_383, ERN_432, PURGE, edited};

const PLAIN: &[(&str, &str)] = &[];

fn store(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// An update of the release, of this day.
fn update(day: u32, edits: &[(&str, &str)]) -> String {
    let (id, time) = (format!("<MessageId>message-{day}"), format!("2026-01-{day:02}T10:00:00Z"));
    let named = edited(ERN_432, &[("<MessageId>message-1", &id), ("2026-01-05T10:00:00Z", &time)]);
    edited(&named, edits)
}

fn import(paths: &[PathBuf], out: &Path, settings: Settings) -> Vec<Outcome> {
    write(paths, out, settings, || {}).expect("tables")
}

/// The rows of a table as texts, of these columns.
fn table(out: &Path, name: &str, wanted: &[&str]) -> Vec<String> {
    let path = out.join(format!("{name}.parquet"));
    let there = columns(&path).expect("a table");
    wanted.iter().for_each(|name| assert!(there.iter().any(|column| column.name == *name), "no column {name}"));
    let mut rows = Rows::open(&path, wanted).expect("a table");
    let mut texts = Vec::new();
    while rows.advance().expect("rows") {
        let cells = (0..wanted.len()).map(|at| match rows.value(at) {
            Value::Null => "-".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        });
        texts.push(cells.collect::<Vec<_>>().join(" | "));
    }
    texts
}

#[test]
fn a_release_comes_changes_is_taken_down_and_forgotten() {
    let folder = TempDir::new().expect("a folder");
    let ends = ("</StartDateTime>", "</StartDateTime><EndDateTime>2026-01-20T00:00:00Z</EndDateTime>");
    let paths = [
        // Named against their order in time.
        store(folder.path(), "1.xml", PURGE),
        store(folder.path(), "2.xml", &update(20, &[ends])),
        store(
            folder.path(),
            "3.xml",
            &update(12, &[("<TitleText>Second", "<TitleText>Zweites"), ("<ContainsAI>None", "<ContainsAI>All")]),
        ),
        store(folder.path(), "4.xml", ERN_432),
    ];
    let out = folder.path().join("out");
    let outcomes = import(&paths, &out, Settings::default());
    assert!(outcomes.iter().all(|outcome| outcome.fate == Fate::Applied), "{outcomes:?}");

    let day = |day: i64| 1_767_571_200_000 + (day - 5) * 86_400_000 + 36_000_000;
    let first = "0724384960650/QZTS12600001";
    let second = "0724384960650/QZTS12600002";
    let columns = [
        "track_id",
        "valid_from",
        "title",
        "contains_ai",
        "ai_vocals",
        "ai_instruments",
        "ai_postproduction",
        "uploaded_at",
    ];
    assert_eq!(
        table(&out, "tracks", &columns),
        [
            format!("{first} | {} | First | partly | none | all | - | {}", day(5), day(5)),
            format!("{second} | {} | Second | none | - | - | - | {}", day(5), day(5)),
            // The first recording was not changed by the update of the 12th, nor by the takedown.
            format!("{second} | {} | Zweites | all | - | - | - | {}", day(12), day(5)),
            format!("{second} | {} | Second | none | - | - | - | {}", day(20), day(5)),
            format!("{first} | {} | - | - | - | - | - | -", day(32)),
            format!("{second} | {} | - | - | - | - | - | -", day(32)),
        ]
    );
    assert_eq!(
        table(
            &out,
            "releases",
            &["release_id", "valid_from", "status", "tracks", "label", "available_until", "message_id"]
        ),
        [
            format!("0724384960650 | {} | live | 2 | Tiny Label | - | message-1", day(5)),
            format!("0724384960650 | {} | live | 2 | Tiny Label | - | message-12", day(12)),
            format!("0724384960650 | {} | taken_down | 2 | Tiny Label | - | message-20", day(20)),
            format!("0724384960650 | {} | purged | 2 | - | - | message-9", day(32)),
        ]
    );
    let contributors = table(&out, "contributors", &["track_id", "number", "name", "roles", "parts", "ai_said", "ai"]);
    assert_eq!(
        contributors[..3],
        [
            format!("{first} | 0 | Ana Ø & Co | MainArtist | - | - | -"),
            format!("{first} | 1 | Ana Ø & Co | Vocalist | vocals | None | none"),
            format!("{first} | 2 | Voice Machine | Musician | instruments | - | all"),
        ]
    );
    assert_eq!(
        table(&out, "deals", &["release_id", "territories", "territories_excluded", "commercial_models", "use_types"])
            [0],
        "0724384960650 | Worldwide | AQ | SubscriptionModel AdvertisementSupportedModel | OnDemandStream"
    );
    let said = table(&out, "disclosures", &["subject", "subject_id", "contains_ai_said", "contains_ai"]);
    assert_eq!(said[2], "image | 0724384960650/DPID:PADPIDA2026010101A:cover-1 | All | all");
    assert_eq!(said[3], "release | 0724384960650 | Partly | partly");
}

/// The message of another sender.
fn of_another(text: &str) -> String {
    edited(text, &[("PADPIDA2026010101A", "PADPIDA2026010109X")])
}

#[test]
fn a_release_is_whose_delivered_it_until_that_one_purges_it() {
    let folder = TempDir::new().expect("a folder");
    let taken_over = of_another(&update(12, &[("<TitleText>Second", "<TitleText>Stolen")]));
    let paths = [
        store(folder.path(), "1.xml", ERN_432),
        store(folder.path(), "2.xml", &taken_over),
        store(folder.path(), "3.xml", &of_another(PURGE).replace("message-9", "message-8")),
        store(folder.path(), "4.xml", PURGE),
    ];
    let out = folder.path().join("out");
    let fates = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.fate).collect::<Vec<_>>();
    let outcomes = import(&paths, &out, Settings::default());
    assert_eq!(fates(&outcomes), [Fate::Applied, Fate::Foreign, Fate::Foreign, Fate::Applied], "{outcomes:?}");
    let why = outcomes[1].reason.as_deref().expect("it is told");
    assert!(why.contains("0724384960650") && why.contains("PADPIDA2026010101A"), "{why}");
    assert!(table(&out, "tracks", &["title"]).iter().all(|title| title != "Stolen"));
    assert_eq!(
        table(&out, "releases", &["status", "message_id"]),
        ["live | message-1", "purged | message-9"],
        "only its sender has it forgotten"
    );

    // What was purged may be delivered by another.
    let later = edited(&taken_over, &[("2026-01-12T10:00:00Z", "2026-03-01T10:00:00Z")]);
    let paths = [&paths[..1], &paths[3..], &[store(folder.path(), "5.xml", &later)]].concat();
    let outcomes = import(&paths, &folder.path().join("after"), Settings::default());
    assert_eq!(fates(&outcomes), [Fate::Applied; 3], "{outcomes:?}");
}

#[test]
fn a_message_counts_once_whatever_it_is_called_and_however_often_it_comes() {
    let folder = TempDir::new().expect("a folder");
    let paths = [
        store(folder.path(), "a.xml", ERN_432),
        store(folder.path(), "b.xml", ERN_432),
        store(folder.path(), "c.xml", &edited(ERN_432, &[("Second", "Else")])),
        store(folder.path(), "d.xml", &edited(ERN_432, &[("LiveMessage", "TestMessage")])),
        store(folder.path(), "e.xml", &edited(ERN_432, &[("<MessageId>message-1</MessageId>", "")])),
        store(folder.path(), "f.xml", &ERN_432[..2_000]),
        store(folder.path(), "g.xml", "no message"),
    ];
    let out = folder.path().join("out");
    let outcomes = import(&paths, &out, Settings::default());
    let fates: Vec<&str> = outcomes.iter().map(|outcome| outcome.fate.name()).collect();
    assert_eq!(fates, ["applied", "repeated", "conflicting", "test", "incomplete", "unread", "unread"]);
    assert!(outcomes[1..].iter().all(|outcome| outcome.reason.is_some()));
    assert_eq!(table(&out, "messages", &["fate"]), fates);
    assert_eq!(table(&out, "tracks", &["title"]), ["First", "Second"]);

    // The order of the arguments makes no difference, and a second import changes nothing.
    let bytes = |name: &str| std::fs::read(out.join(name)).expect("a table");
    let before = ["tracks.parquet", "releases.parquet", "messages.parquet"].map(bytes);
    let mut turned = paths.to_vec();
    turned.reverse();
    import(&turned, &out, Settings::default());
    assert!(["tracks.parquet", "releases.parquet", "messages.parquet"].map(bytes) == before);
    assert!(!out.join("tracks.parquet.part").exists());
}

#[test]
fn a_recording_of_two_releases_is_forgotten_with_the_second() {
    let folder = TempDir::new().expect("a folder");
    let other = edited(&update(6, PLAIN), &[("0724384960650", "0724384960651")]);
    let settings = Settings { track_ids: TrackIds::Isrc, ..Settings::default() };
    let mut paths = vec![
        store(folder.path(), "1.xml", ERN_432),
        store(folder.path(), "2.xml", &other),
        store(folder.path(), "3.xml", PURGE),
    ];
    let out = folder.path().join("out");
    import(&paths, &out, settings);
    let rows = table(&out, "tracks", &["track_id", "title"]);
    assert_eq!(rows, ["QZTS12600001 | First", "QZTS12600002 | Second"]);
    let second = edited(PURGE, &[("0724384960650", "0724384960651"), ("message-9", "message-10")]);
    paths.push(store(folder.path(), "4.xml", &second));
    import(&paths, &out, settings);
    assert_eq!(table(&out, "tracks", &["track_id", "title"])[2..], ["QZTS12600001 | -", "QZTS12600002 | -"]);
}

#[test]
fn old_versions_become_the_same_rows() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    import(&[store(folder.path(), "1.xml", ERN_383)], &out, Settings::default());
    let columns = [
        "track_id",
        "isrc",
        "title",
        "version",
        "artist_id",
        "artist_name",
        "uploader_id",
        "label",
        "genre",
        "language",
        "duration_ms",
        "audio_uri",
        "contains_ai",
    ];
    let row = "0724384960650/QZTS12600001 | QZTS12600001 | First | Live | isni:0000000121032683 | Ana Ø & Co | PADPIDA2026010101A | \
               Tiny Label | Ambient | pt | 211000 | resources/1.flac | -";
    assert_eq!(table(&out, "tracks", &columns), [row]);
    let roles = table(&out, "contributors", &["name", "roles", "parts"]);
    assert_eq!(roles, ["Ana Ø & Co | MainArtist | -", "Ana Ø & Co | LeadVocalist | vocals", "Bo | Composer | -"]);
    assert_eq!(table(&out, "releases", &["status", "title", "release_type"]), ["live | One Song | Single"]);
}
