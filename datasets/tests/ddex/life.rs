//! What becomes of a catalogue: releases come, change, are taken down and forgotten, each message once and in its order.

use std::path::{Path, PathBuf};

use datasets::ddex::{Consents, Fate, Outcome, Received, Settings, TrackIds, write};
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
    write(paths, out, settings, || {}).expect("tables").outcomes
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
            Value::Bool(is_so) => is_so.to_string(),
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
fn whose_a_release_is_hangs_on_when_messages_came_and_not_on_when_they_say_they_were_made() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let dated = |id: &str| {
        let edits = [("<MessageId>message-1", id), ("2026-01-05T10:00:00Z", "2015-01-05T10:00:00Z")];
        of_another(&edited(ERN_432, &edits))
    };
    let fates = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.fate).collect::<Vec<_>>();
    let mut paths = vec![store(folder.path(), "1.xml", ERN_432)];
    import(&paths, &out, received(MADE));
    paths.push(store(folder.path(), "2.xml", &dated("<MessageId>message-7")));
    let outcomes = import(&paths, &out, received(MADE + 7 * DAY));
    assert_eq!(fates(&outcomes), [Fate::Applied, Fate::Foreign], "{outcomes:?}");
    let owner = format!("{MADE} | PADPIDA2026010101A");
    let columns = ["valid_from", "distributor_id"];
    assert_eq!(table(&out, "tracks", &columns), [&owner, &owner].map(String::as_str));

    // Once its owner has had it forgotten another may bring it, and says nothing of the time before, whatever it is dated.
    paths.push(store(folder.path(), "3.xml", PURGE));
    import(&paths, &out, received(MADE + 30 * DAY));
    paths.push(store(folder.path(), "4.xml", &dated("<MessageId>message-8")));
    let outcomes = import(&paths, &out, received(MADE + 40 * DAY));
    assert_eq!(fates(&outcomes), [Fate::Applied, Fate::Foreign, Fate::Applied, Fate::Applied], "{outcomes:?}");
    let purged = MADE + 27 * DAY;
    let (forgotten, next) = (format!("{purged} | -"), format!("{} | PADPIDA2026010109X", purged + 1));
    assert_eq!(
        table(&out, "tracks", &columns),
        [&owner, &owner, &forgotten, &forgotten, &next, &next].map(String::as_str)
    );
}

/// The message without its second recording.
fn without_second(text: &str) -> String {
    let from = text.rfind("    <SoundRecording>").expect("a recording");
    let until = text.find("    <Image>").expect("a picture");
    let item = "<ResourceGroupContentItem><SequenceNumber>2</SequenceNumber><ReleaseResourceReference>A2</ReleaseResourceReference></ResourceGroupContentItem>";
    edited(&format!("{}{}", &text[..from], &text[until..]), &[(item, "")])
}

/// What becomes of messages that are received one after the other, an instant each.
fn as_they_come(folder: &Path, messages: &[(i64, String)], track_ids: TrackIds) -> Vec<Fate> {
    let (mut paths, mut fates) = (Vec::new(), Vec::new());
    for (number, (at, text)) in messages.iter().enumerate() {
        paths.push(store(folder, &format!("{number}.xml"), text));
        let outcomes = import(&paths, &folder.join("out"), Settings { track_ids, ..received(*at) });
        fates = outcomes.iter().map(|outcome| outcome.fate).collect();
    }
    fates
}

#[test]
fn a_purge_that_comes_after_what_was_made_later_gives_nothing_away() {
    let folder = TempDir::new().expect("a folder");
    let minute = 60_000;
    let purge = edited(PURGE, &[("2026-02-01T10:00:00Z", "2026-01-09T10:00:00Z")]);
    let fates = as_they_come(
        folder.path(),
        &[
            (MADE, ERN_432.to_owned()),
            (MADE + 5 * DAY + 5 * minute, update(10, PLAIN)),
            (MADE + 5 * DAY + 6 * minute, purge),
            (MADE + 7 * DAY, of_another(&update(12, PLAIN))),
        ],
        TrackIds::Release,
    );
    assert_eq!(fates, [Fate::Applied, Fate::Applied, Fate::Applied, Fate::Foreign]);
    let rows = table(&folder.path().join("out"), "releases", &["status", "distributor_id", "message_id"]);
    let told = ["live", "purged", "live"].into_iter().zip(["message-1", "message-9", "message-10"]);
    let told: Vec<String> = told.map(|(status, id)| format!("{status} | PADPIDA2026010101A | {id}")).collect();
    assert_eq!(rows, told);
}

#[test]
fn an_old_version_that_comes_late_gives_no_track_away() {
    let folder = TempDir::new().expect("a folder");
    let old = without_second(&update(7, PLAIN));
    let edits = [("0724384960650", "0724384960651"), ("QZ-TS1-26-00001", "QZTS12600002")];
    let other = without_second(&of_another(&update(12, &edits)));
    let messages = [(MADE + 5 * DAY, update(10, PLAIN)), (MADE + 6 * DAY, old), (MADE + 7 * DAY, other)];
    assert_eq!(as_they_come(folder.path(), &messages, TrackIds::Isrc), [Fate::Applied, Fate::Applied, Fate::Foreign]);
}

#[test]
fn who_purges_what_nobody_has_yet_purges_nothing_of_who_delivers_it() {
    let folder = TempDir::new().expect("a folder");
    let purge = of_another(&edited(PURGE, &[("2026-02-01T10:00:00Z", "2026-01-06T10:00:00Z")]));
    let messages = [(MADE + DAY, purge), (MADE + 2 * DAY, ERN_432.to_owned())];
    as_they_come(folder.path(), &messages, TrackIds::Release);
    assert_eq!(table(&folder.path().join("out"), "releases", &["status", "message_id"]), ["live | message-1"]);
    assert_eq!(table(&folder.path().join("out"), "tracks", &["title"]), ["First", "Second"]);
}

#[test]
fn of_two_messages_of_one_id_the_one_that_was_received_first_counts() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let second = without_second(&edited(ERN_432, &[("2026-01-05T10:00:00Z", "2026-01-04T10:00:00Z")]));
    let messages = [(MADE, ERN_432.to_owned()), (MADE + 15 * DAY, second)];
    assert_eq!(as_they_come(folder.path(), &messages, TrackIds::Release), [Fate::Applied, Fate::Conflicting]);
    let first = format!("First | {MADE} | {MADE}");
    assert_eq!(
        table(&out, "tracks", &["title", "valid_from", "uploaded_at"]),
        [first.clone(), first.replace("First", "Second")]
    );
}

#[test]
fn who_names_new_messages_only_is_refused_and_receipts_stay_whatever_is_named() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let paths = [
        store(folder.path(), "1.xml", ERN_432),
        store(folder.path(), "2.xml", &of_another(&update(12, &[("0724384960650", "0724384960651")]))),
        store(folder.path(), "3.xml", &of_another(&update(13, PLAIN))),
    ];
    import(&paths[..1], &out, received(MADE));
    let before = std::fs::read(out.join("tracks.parquet")).expect("a table");
    let refused = write(&paths[1..2], &out, received(MADE + 7 * DAY), || {}).expect_err("it would be lost").to_string();
    assert!(["made of 1 messages", "1.xml", "--forget"].iter().all(|says| refused.contains(says)), "{refused}");
    assert!(std::fs::read(out.join("tracks.parquet")).expect("a table") == before, "nothing is changed");

    let forget = Settings { forget: true, ..received(MADE + 7 * DAY) };
    let fates = |outcomes: Vec<Outcome>| outcomes.iter().map(|outcome| outcome.fate).collect::<Vec<_>>();
    assert_eq!(fates(import(&paths[1..2], &out, forget)), [Fate::Absent, Fate::Applied]);
    assert_eq!(table(&out, "tracks", &["distributor_id"]), ["PADPIDA2026010109X"; 2]);
    // It may stay away; when it was received is known when it is there again, and whose the release is follows.
    assert_eq!(fates(import(&paths[1..2], &out, received(MADE + 8 * DAY))), [Fate::Absent, Fate::Applied]);
    let again = import(&paths, &out, received(MADE + 9 * DAY));
    assert_eq!(fates(again), [Fate::Applied, Fate::Applied, Fate::Foreign]);
    let came = [MADE, MADE + 7 * DAY, MADE + 9 * DAY].map(|at| at.to_string());
    assert_eq!(table(&out, "messages", &["received_at"]), came);

    // Who was believed at first is believed.
    let believed = folder.path().join("believed");
    import(&paths[..1], &believed, Settings::default());
    import(&paths[..2], &believed, received(MADE + 7 * DAY));
    assert_eq!(table(&believed, "tracks", &["uploaded_at"])[..2], [MADE.to_string(), MADE.to_string()]);
}

#[test]
fn a_recording_that_is_one_track_whatever_it_is_released_on_is_whose_delivered_it() {
    let folder = TempDir::new().expect("a folder");
    let other = of_another(&edited(&update(6, PLAIN), &[("0724384960650", "0724384960651")]));
    let paths = [store(folder.path(), "1.xml", ERN_432), store(folder.path(), "2.xml", &other)];
    let fates = |track_ids: TrackIds| {
        let settings = Settings { track_ids, ..Settings::default() };
        let out = TempDir::new().expect("a folder");
        let outcomes = import(&paths, out.path(), settings);
        (outcomes[1].fate, outcomes[1].reason.clone().unwrap_or_default())
    };
    let (fate, why) = fates(TrackIds::Isrc);
    assert_eq!(fate, Fate::Foreign);
    assert_eq!(
        why,
        "track QZTS12600001 was delivered by PADPIDA2026010101A, who has not purged it; found PADPIDA2026010109X"
    );
    assert_eq!(fates(TrackIds::Release).0, Fate::Applied, "it is another track");
}

#[test]
fn of_two_recordings_of_one_track_the_graver_declaration_counts_whatever_the_order() {
    let folder = TempDir::new().expect("a folder");
    let guitar = "<Role><Value>Musician</Value><InstrumentType>Guitar</InstrumentType></Role>";
    let sung = "<Role><Value>Vocalist</Value></Role>";
    let one_isrc = ("QZTS12600002", "QZTS12600001");
    let [all, partly, none] = ["All", "Partly", "None"].map(|word| format!("<ContainsAI>{word}</ContainsAI>"));
    let [all, partly, none] = [&*all, &*partly, &*none];
    let track = |first: &str, second: &str, track_ids: TrackIds| {
        let (first, second) = (format!("{first}\n      <HasVocal"), second.to_owned());
        let edits =
            [one_isrc, (guitar, sung), (none, &second), ("<ContainsAI>Partly</ContainsAI>\n      <HasVocal", &first)];
        let out = TempDir::new().expect("a folder");
        let settings = Settings { track_ids, ..Settings::default() };
        let outcomes = import(&[store(folder.path(), "1.xml", &edited(ERN_432, &edits))], out.path(), settings);
        assert!(outcomes[0].errors > 0, "{first} {second}: it is told");
        assert_eq!(table(out.path(), "releases", &["tracks"]), ["1"]);
        table(out.path(), "tracks", &["title", "contains_ai", "ai_vocals"]).join("; ")
    };
    for track_ids in [TrackIds::Release, TrackIds::Isrc] {
        // A person and a machine sing in the first; of the second nobody knows.
        assert_eq!(track(all, none, track_ids), "First | all | partly");
        assert_eq!(track(none, all, track_ids), "First | all | partly");
        assert_eq!(track(none, partly, track_ids), "First | partly | partly");
        assert_eq!(track(none, "", track_ids), "First | - | partly", "silence is not None");
        assert_eq!(track("", none, track_ids), "First | - | partly");
    }
}

#[test]
fn a_voice_that_is_said_to_be_nobodys_covers_no_declaration_of_another_recording_of_the_track() {
    let folder = TempDir::new().expect("a folder");
    // The first has a singer who says None and a machine's guitar; the second says that all, or a part, is a machine's, and not which.
    for (said, expected) in [("All", "all | -"), ("Partly", "partly | partly"), ("None", "partly | -")] {
        let said = format!("<ContainsAI>{said}</ContainsAI>");
        let message = edited(ERN_432, &[("QZTS12600002", "QZTS12600001"), ("<ContainsAI>None</ContainsAI>", &said)]);
        let out = TempDir::new().expect("a folder");
        import(&[store(folder.path(), "1.xml", &message)], out.path(), Settings::default());
        assert_eq!(table(out.path(), "tracks", &["contains_ai", "ai_vocals"]), [expected]);
    }
    // Nor of the same: who says that all is a machine's says it of the voice.
    let message = edited(
        ERN_432,
        &[("<ContainsAI>Partly</ContainsAI>\n      <HasVocal", "<ContainsAI>All</ContainsAI>\n      <HasVocal")],
    );
    let out = TempDir::new().expect("a folder");
    import(&[store(folder.path(), "1.xml", &message)], out.path(), Settings::default());
    assert_eq!(table(out.path(), "tracks", &["contains_ai", "ai_vocals"])[0], "all | partly");
}

#[test]
fn a_deal_whose_days_cannot_be_read_grants_nothing_and_an_unread_takedown_is_one() {
    let folder = TempDir::new().expect("a folder");
    let status = |terms: &str| {
        let out = TempDir::new().expect("a folder");
        let message = edited(ERN_432, &[("</StartDateTime></ValidityPeriod>", terms)]);
        import(&[store(folder.path(), "1.xml", &message)], out.path(), Settings::default());
        let deals = table(out.path(), "deals", &["until", "is_takedown"]).join(", ");
        format!("{}; {deals}", table(out.path(), "releases", &["status", "available_until"])[0])
    };
    let until = |end: &str| status(&format!("</StartDateTime>{end}</ValidityPeriod>"));
    let february = MADE + 27 * DAY - 10 * 3_600_000;
    let open = format!("live | {february}; {february} | false");
    assert_eq!(until("<EndDateTime>2026-01-31T24:00:00Z</EndDateTime>"), open);
    assert_eq!(until("<EndDate>2026-01-31</EndDate>"), open);
    assert_eq!(until(""), "live | -; - | false");
    for unread in [
        "<EndDateTime>2026-02-30T10:00:00Z</EndDateTime>",
        "<EndDate>31.01.2026</EndDate>",
        "<EndDate/>",
        "<EndDate>2026-01-31</EndDate><EndDate>2099-01-31</EndDate>",
        "<EndDateTime>soon</EndDateTime><EndDate>2026-01-31</EndDate>",
    ] {
        assert_eq!(until(unread), "no_deal | -; ", "{unread}");
    }
    let taken_down = |said: &str| status(&format!("</StartDateTime></ValidityPeriod>{said}"));
    for said in ["true", "TRUE", "1", "yes", "", "true</TakeDown><TakeDown>false"] {
        assert_eq!(taken_down(&format!("<TakeDown>{said}</TakeDown>")), "taken_down | -; - | true", "{said}");
    }
    for said in ["false", "False", "0", "false</TakeDown><TakeDown>false"] {
        assert_eq!(taken_down(&format!("<TakeDown>{said}</TakeDown>")), "live | -; - | false", "{said}");
    }
}

#[test]
fn a_release_is_one_however_many_zeros_its_barcode_has() {
    for written in ["724384960650", "00724384960650", "7 24384 96065 0"] {
        let folder = TempDir::new().expect("a folder");
        let purge = edited(PURGE, &[("0724384960650", written)]);
        let paths = [store(folder.path(), "1.xml", ERN_432), store(folder.path(), "2.xml", &purge)];
        let out = folder.path().join("out");
        import(&paths, &out, Settings::default());
        let rows = table(&out, "releases", &["release_id", "status"]);
        assert_eq!(rows, ["0724384960650 | live", "0724384960650 | purged"], "{written}");
    }
}

#[test]
fn a_recording_is_known_by_its_isrc_however_it_is_written_and_by_none_that_only_looks_so() {
    let becomes = |written: &str| {
        let folder = TempDir::new().expect("a folder");
        let edits = [("0724384960650", "0724384960651"), ("QZ-TS1-26-00001", written)];
        let other = without_second(&of_another(&update(12, &edits)));
        let paths = [store(folder.path(), "1.xml", ERN_432), store(folder.path(), "2.xml", &other)];
        let out = folder.path().join("out");
        let outcomes = import(&paths, &out, Settings { track_ids: TrackIds::Isrc, ..Settings::default() });
        let tracks = table(&out, "tracks", &["track_id", "isrc"]).into_iter().skip(2).collect::<Vec<_>>();
        (outcomes[1].fate, outcomes[1].errors, tracks)
    };
    for written in ["qzts12600001", "QZTS1\u{a0}2600001", "ISRC QZTS12600001", "ISRC QZ-TS1-26-00001"] {
        assert_eq!(becomes(written), (Fate::Foreign, 0, vec![]), "{written}");
    }
    for written in ["QZ\u{2011}TS1\u{2011}26\u{2011}00001", "QZTS12600001\u{200b}", "QZTS1260000\u{ff11}", "12345"] {
        let track = "0724384960651/A1 | -".to_owned();
        assert_eq!(becomes(written), (Fate::Applied, 1, vec![track]), "{written}");
    }
    // What the platform calls it by is the sender's own number.
    let own = "</ISRC><ProprietaryId Namespace=\"N\">7</ProprietaryId><ISRC>";
    assert_eq!(becomes(own), (Fate::Applied, 0, vec!["0724384960651/N:7 | -".to_owned()]));
}

#[test]
fn a_test_is_one_however_it_is_said_and_who_sends_as_nobody_sends_nothing() {
    let folder = TempDir::new().expect("a folder");
    let live = "<MessageControlType>LiveMessage</MessageControlType>";
    let sender = "<PartyId>PADPIDA2026010101A</PartyId><PartyName><FullName>Small Distribution</FullName></PartyName>";
    let long = "x".repeat(300);
    let [named, id] = ["FullName", "PartyId"].map(|element| match element {
        "FullName" => format!("<PartyName><FullName>{long}</FullName></PartyName>"),
        _ => format!("<PartyId>{long}</PartyId>"),
    });
    let two = format!("{sender}</MessageSender><MessageSender><PartyId>PADPIDA2026010109X</PartyId>");
    for (from, to, fate) in [
        ("LiveMessage", "testmessage", Fate::Test),
        ("LiveMessage", "Test", Fate::Test),
        (live, &*format!("{live}<MessageControlType>TestMessage</MessageControlType>"), Fate::Test),
        (live, &*format!("{live}{live}"), Fate::Applied),
        (live, "", Fate::Applied),
        ("LiveMessage", "Draft", Fate::Applied),
        (sender, "", Fate::Incomplete),
        (sender, &*two, Fate::Incomplete),
        (sender, &*id, Fate::Incomplete),
        (sender, &*named, Fate::Incomplete),
        (sender, "<PartyName><FullName>Small Distribution</FullName></PartyName>", Fate::Applied),
    ] {
        let out = TempDir::new().expect("a folder");
        let message = store(folder.path(), "1.xml", &edited(ERN_432, &[(from, to)]));
        let outcomes = import(&[message], out.path(), Settings::default());
        assert_eq!(outcomes[0].fate, fate, "{to}");
        assert_eq!(table(out.path(), "tracks", &["title"]).is_empty(), fate != Fate::Applied, "{to}");
    }
}

#[test]
fn who_calls_the_tracks_of_a_folder_otherwise_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let paths = [store(folder.path(), "1.xml", ERN_432), store(folder.path(), "2.xml", PURGE)];
    for (before, then, told) in [
        (
            TrackIds::Release,
            TrackIds::Isrc,
            ["found --track-id isrc", "name --track-id release", "0724384960650/QZTS12600001"],
        ),
        (
            TrackIds::Isrc,
            TrackIds::Release,
            ["found --track-id release", "name --track-id isrc", "such as QZTS12600001"],
        ),
    ] {
        let out = TempDir::new().expect("a folder");
        let settings = |track_ids| Settings { track_ids, ..Settings::default() };
        import(&paths, out.path(), settings(before));
        let tracks = std::fs::read(out.path().join("tracks.parquet")).expect("a table");
        let refused = write(&paths, out.path(), settings(then), || {}).expect_err("refused").to_string();
        assert!(told.iter().all(|says| refused.contains(says)), "{refused}");
        assert!(std::fs::read(out.path().join("tracks.parquet")).expect("a table") == tracks, "nothing is changed");
        import(&paths, out.path(), settings(before));
    }
}

#[test]
fn who_ends_what_nobody_brought_is_told() {
    let folder = TempDir::new().expect("a folder");
    let down = |day: u32| {
        let taken_down =
            ("</StartDateTime></ValidityPeriod>", "</StartDateTime></ValidityPeriod><TakeDown>true</TakeDown>");
        update(day, &[taken_down, ("0724384960650", "0724384960651")])
    };
    let other = "</ICPN></ReleaseId></PurgedRelease><PurgedRelease><ReleaseId><ICPN>0724384960652</ICPN></ReleaseId></PurgedRelease><PurgedRelease><ReleaseId><ICPN>0724384960653";
    let paths = [
        store(folder.path(), "1.xml", ERN_432),
        store(
            folder.path(),
            "2.xml",
            &edited(PURGE, &[("</ICPN></ReleaseId>", &*format!("{other}</ICPN></ReleaseId>"))]),
        ),
        store(folder.path(), "3.xml", &down(12)),
        store(folder.path(), "4.xml", &down(14)),
    ];
    let outcomes = import(&paths, &folder.path().join("out"), Settings::default());
    let told: Vec<Option<&str>> = outcomes.iter().map(|outcome| outcome.reason.as_deref()).collect();
    let brought = |ids| format!("ends {ids}, which no message before it brought");
    let (purged, down) = (brought("0724384960652, 0724384960653"), brought("0724384960651"));
    assert_eq!(told, [None, Some(&*purged), Some(&*down), None]);
    assert_eq!(table(&folder.path().join("out"), "messages", &["reason"])[2], down);
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
    import(&paths, &out, settings.clone());
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
    assert_eq!(
        roles,
        [
            "Ana Ø & Co | MainArtist | -",
            "Guest | FeaturedArtist | -",
            "Ana Ø & Co | LeadVocalist | vocals",
            "Bo | Composer | -"
        ]
    );
    assert_eq!(table(&out, "releases", &["status", "title", "release_type"]), ["live | One Song | Single"]);
}

const DAY: i64 = 86_400_000;
/// The 5th of January 2026 at ten, when the release is said to be made.
const MADE: i64 = 1_767_607_200_000;

fn received(at: i64) -> Settings {
    Settings { received: Received::At(at), ..Settings::default() }
}

#[test]
fn music_is_uploaded_when_the_platform_received_it_whatever_its_sender_says() {
    let folder = TempDir::new().expect("a folder");
    let instants = |text: &str, at: i64| {
        let out = folder.path().join("out");
        let _ = std::fs::remove_dir_all(&out);
        let outcomes = import(&[store(folder.path(), "1.xml", text)], &out, received(at));
        (table(&out, "tracks", &["valid_from", "uploaded_at"])[0].clone(), outcomes[0].errors)
    };
    assert_eq!(instants(ERN_432, MADE + DAY), (format!("{MADE} | {}", MADE + DAY), 0));
    // Before anything had to be declared: it came later.
    let long_past = edited(ERN_432, &[("2026-01-05T10:00:00Z", "2019-01-05T10:00:00Z")]);
    let made = MADE - 2_557 * DAY;
    assert_eq!(instants(&long_past, MADE), (format!("{made} | {MADE}"), 0));
    // After everybody has forgotten it: it is in force now.
    let ahead = edited(ERN_432, &[("2026-01-05T10:00:00Z", "2096-01-05T10:00:00Z")]);
    assert_eq!(instants(&ahead, MADE), (format!("{MADE} | {MADE}"), 1));
}

#[test]
fn a_message_from_the_future_does_not_outlive_the_updates_to_come() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let ahead = edited(ERN_432, &[("2026-01-05T10:00:00Z", "2096-01-05T10:00:00Z"), ("Second", "Ahead")]);
    let mut paths = vec![store(folder.path(), "1.xml", &ahead)];
    import(&paths, &out, received(MADE));
    paths.push(store(folder.path(), "2.xml", &update(12, &[("<TitleText>Second", "<TitleText>Zweites")])));
    import(&paths, &out, received(MADE + 7 * DAY));
    // When the first was received is remembered, by its bytes and not by its name.
    std::fs::rename(&paths[0], folder.path().join("3.xml")).expect("renamed");
    paths[0] = folder.path().join("3.xml");
    import(&paths, &out, received(MADE + 9 * DAY));
    let rows = table(&out, "tracks", &["valid_from", "uploaded_at", "title"]);
    assert_eq!(rows[1..], [format!("{MADE} | {MADE} | Ahead"), format!("{} | {MADE} | Zweites", MADE + 7 * DAY)]);
    let came = table(&out, "messages", &["received_at"]);
    assert_eq!(came, [MADE + 7 * DAY, MADE].map(|at| at.to_string()));
}

#[test]
fn what_was_purged_and_comes_again_is_uploaded_again() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let again = edited(&of_another(&update(12, PLAIN)), &[("2026-01-12T10:00:00Z", "2026-03-01T10:00:00Z")]);
    let messages = [("1.xml", ERN_432), ("2.xml", PURGE), ("3.xml", &again)];
    import(&messages.map(|(name, text)| store(folder.path(), name, text)), &out, Settings::default());
    let uploaded = table(&out, "tracks", &["uploaded_at"]);
    let (first, last) = (MADE.to_string(), (MADE + 55 * DAY).to_string());
    assert_eq!(uploaded, [&first, &first, "-", "-", &last, &last]);
}

/// The register of consents with these lines.
fn consents(folder: &Path, lines: &str) -> Settings {
    let head = "distributor_id,isrc,party_id,consent_ref,valid_from,valid_until\n";
    let consents = Consents::read(&store(folder, "consents.csv", &format!("{head}{lines}"))).expect("a register");
    Settings { consents, ..Settings::default() }
}

#[test]
fn a_consent_of_the_register_comes_to_the_recordings_of_whom_it_was_given_to() {
    let folder = TempDir::new().expect("a folder");
    let paths = [
        store(folder.path(), "1.xml", ERN_432),
        store(folder.path(), "2.xml", &update(12, &[("<TitleText>Second", "<TitleText>Zweites")])),
        store(folder.path(), "3.xml", PURGE),
    ];
    let out = folder.path().join("out");
    let rows = |lines: &str| {
        import(&paths, &out, consents(folder.path(), lines));
        let rows = table(&out, "tracks", &["valid_from", "isrc", "consent_ref"]);
        let of_first = |row: &String| {
            let (at, rest) = row.split_once(" | ").expect("an instant");
            let day = (at.parse::<i64>().expect("an instant") - MADE).div_euclid(DAY) + 5;
            (!rest.starts_with("QZTS12600002")).then(|| format!("{day} {}", rest.split(" | ").last().expect("a cell")))
        };
        rows.iter().filter_map(of_first).collect::<Vec<_>>()
    };
    let sender = "PADPIDA2026010101A";
    // The last two rows are those of the purge.
    assert_eq!(rows(""), ["5 -", "32 -", "32 -"]);
    assert_eq!(rows(&format!("{sender},QZ-TS1-26-00001,,C-1,,\n")), ["5 C-1", "32 -", "32 -"]);
    assert_eq!(rows("PADPIDA2026010109X,QZTS12600001,,C-1,,\n"), ["5 -", "32 -", "32 -"], "given to another");
    // A voice: of who sings or is the display artist. From the 11th, which begins before ten, to the end of the 20th, and past the purge.
    let voice = |until: &str| format!("{sender},,isni:0000000121032683,C-2,2026-01-11,{until}\n");
    assert_eq!(rows(&voice("2026-01-20")), ["5 -", "10 C-2", "20 -", "32 -", "32 -"]);
    assert_eq!(rows(&voice("2026-03-20")), ["5 -", "10 C-2", "32 -", "32 -"]);
    // Of both, what speaks about the recording.
    let both = format!("{}{sender},QZTS12600001,,C-1,2026-01-15,\n", voice(""));
    assert_eq!(rows(&both), ["5 -", "10 C-2", "14 C-1", "32 -", "32 -"]);
}

#[test]
fn a_consent_for_one_voice_covers_no_other() {
    let folder = TempDir::new().expect("a folder");
    let machine = "Musician</Value><InstrumentType>Guitar</InstrumentType></Role><SpecialContributor>GenerativeAI</SpecialContributor>";
    let of_first = |said: &str, id: &str, lines: &[&str]| {
        let sings = format!("Vocalist</Value></Role>{said}");
        let named = format!("Voice Machine</FullName></PartyName>{id}");
        let message = edited(ERN_432, &[(machine, &sings), ("Voice Machine</FullName></PartyName>", &named)]);
        let out = TempDir::new().expect("a folder");
        import(&[store(folder.path(), "1.xml", &message)], out.path(), consents(folder.path(), &lines.concat()));
        table(out.path(), "tracks", &["consent_ref"])[0].clone()
    };
    let id = "<PartyId><ISNI>0000000000000002</ISNI></PartyId>";
    let artist = "PADPIDA2026010101A,,isni:0000000121032683,C-1,,\n";
    let second = "PADPIDA2026010101A,,isni:0000000000000002,C-2,,\n";
    let recording = "PADPIDA2026010101A,QZTS12600001,,C-3,,\n";
    for said in ["<AiContribution>Partly</AiContribution>", "<AiContribution>All</AiContribution>", ""] {
        assert_eq!(of_first(said, id, &[artist]), "-", "{said}");
        assert_eq!(of_first(said, id, &[second]), "-", "{said}");
        assert_eq!(of_first(said, id, &[second, artist]), "C-1 + C-2", "{said}");
        // Who is not known by an id is in no register: the recording must be.
        assert_eq!(of_first(said, "", &[second, artist]), "-", "{said}");
        assert_eq!(of_first(said, "", &[recording]), "C-3", "{said}");
    }
    assert_eq!(of_first("<AiContribution>None</AiContribution>", id, &[artist]), "C-1", "no machine has that voice");
}

#[test]
fn the_register_is_read_as_messages_are_and_names_what_is_about_nothing() {
    let folder = TempDir::new().expect("a folder");
    let paths = [store(folder.path(), "1.xml", ERN_432)];
    let consent = |line: &str| {
        let out = TempDir::new().expect("a folder");
        let imported = write(&paths, out.path(), consents(folder.path(), line), || {}).expect("tables");
        let unmet: Vec<u64> = imported.unmet.iter().map(|unmet| unmet.line).collect();
        (table(out.path(), "tracks", &["consent_ref"])[0].clone(), unmet)
    };
    for line in [
        "PADPIDA2026010101A,qz-ts1-26-00001,,C,,\n",
        "PA-DPIDA-2026010101-A,,isni:0000 0001 2103 2683,C,,\n",
        "padpida2026010101a,,ISNI:0000-0001-2103-2683,C,,2026-01\n",
        "PADPIDA2026010101A,,isni:0000000121032683,C,2026,2026\n",
    ] {
        assert_eq!(consent(line), ("C".to_owned(), vec![]), "{line}");
    }
    // It is about something, though not any more, or not what is asked for.
    assert_eq!(consent("PADPIDA2026010101A,QZTS12600001,,C,,2025\n"), ("-".to_owned(), vec![]));
    assert_eq!(consent("PADPIDA2026010101A,QZTS12600002,,C,,\n"), ("-".to_owned(), vec![]));
    let nothing = [
        "PADPIDA2026010109X,QZTS12600001,,C,,\n",
        "PADPIDA2026010101A,QZTS12600007,,C,,\n",
        "PADPIDA2026010101A,,isni:0000000000000002,C,,\n",
    ];
    assert_eq!(consent(&nothing.concat()), ("-".to_owned(), vec![2, 3, 4]));
}

#[test]
fn a_sender_is_one_however_its_dpid_is_written_and_nobody_is_it_who_only_looks_so() {
    let folder = TempDir::new().expect("a folder");
    let written =
        |day: u32, id: &str| edited(&update(day, PLAIN), &[("<PartyId>PADPIDA2026010101A", &format!("<PartyId>{id}"))]);
    let paths = [
        store(folder.path(), "1.xml", ERN_432),
        store(folder.path(), "2.xml", &written(12, "PA-DPIDA-2026010101-A")),
        store(folder.path(), "3.xml", &written(13, "padpida 2026010101 a")),
        store(folder.path(), "4.xml", &written(14, "PADPIDA2026010101A\u{200b}")),
    ];
    let out = folder.path().join("out");
    let outcomes = import(&paths, &out, Settings::default());
    let fates: Vec<Fate> = outcomes.iter().map(|outcome| outcome.fate).collect();
    assert_eq!(fates, [Fate::Applied, Fate::Applied, Fate::Applied, Fate::Incomplete], "{outcomes:?}");
    assert!(table(&out, "releases", &["distributor_id"]).iter().all(|sender| sender == "PADPIDA2026010101A"));
}

#[test]
fn of_a_duet_both_are_asked() {
    let folder = TempDir::new().expect("a folder");
    let machine = "<Role><Value>Musician</Value><InstrumentType>Guitar</InstrumentType></Role>";
    let of_first = |id: &str, lines: &[&str]| {
        let message = edited(
            ERN_432,
            &[
                ("Voice Machine</FullName></PartyName>", &format!("Bo</FullName></PartyName>{id}")),
                (
                    "<DisplayArtist SequenceNumber=\"1\">",
                    "<DisplayArtist SequenceNumber=\"2\"><ArtistPartyReference>P2</ArtistPartyReference><DisplayArtistRole>MainArtist</DisplayArtistRole></DisplayArtist><DisplayArtist SequenceNumber=\"1\">",
                ),
                ("<AiContribution>None", "<AiContribution>Partly"),
                (machine, "<Role><Value>Composer</Value></Role>"),
            ],
        );
        let out = TempDir::new().expect("a folder");
        import(&[store(folder.path(), "1.xml", &message)], out.path(), consents(folder.path(), &lines.concat()));
        let artists = table(out.path(), "contributors", &["number", "name", "roles"]);
        assert_eq!(artists[..2], ["0 | Ana Ø & Co | MainArtist", "1 | Bo | MainArtist"]);
        assert_eq!(table(out.path(), "tracks", &["artist_name", "ai_vocals"])[0], "Ana Ø & Co | partly");
        table(out.path(), "tracks", &["consent_ref"])[0].clone()
    };
    let id = "<PartyId><ISNI>0000000000000002</ISNI></PartyId>";
    let first = "PADPIDA2026010101A,,isni:0000000121032683,C-1,,\n";
    let second = "PADPIDA2026010101A,,isni:0000000000000002,C-2,,\n";
    assert_eq!(of_first(id, &[first]), "-");
    assert_eq!(of_first(id, &[second]), "-");
    assert_eq!(of_first(id, &[second, first]), "C-1 + C-2");
    assert_eq!(of_first("", &[second, first]), "-", "who has no id is in no register");
}

#[test]
fn a_machine_whose_part_is_not_known_may_be_the_voice_unless_nobody_sings() {
    let folder = TempDir::new().expect("a folder");
    let guitar = "<Role><Value>Musician</Value><InstrumentType>Guitar</InstrumentType></Role>";
    let singer = "<Role><Value>Vocalist</Value></Role><AiContribution>None</AiContribution>";
    let vocals = |role: &str, more: &[(&str, &str)]| {
        let message = edited(&edited(ERN_432, &[(guitar, role)]), more);
        let out = TempDir::new().expect("a folder");
        import(&[store(folder.path(), "1.xml", &message)], out.path(), Settings::default());
        table(out.path(), "tracks", &["ai_vocals"])[0].clone()
    };
    let own = |word: &str| format!("<Role><Value UserDefinedValue=\"{word}\">UserDefined</Value></Role>");
    for word in ["Lead Vocals", "backing singer", "Grapefruit"] {
        assert_eq!(vocals(&own(word), PLAIN), "partly", "{word}: a person sings, and a machine");
        assert_eq!(vocals(&own(word), &[(singer, "<Role><Value>Composer</Value></Role>")]), "all", "{word}");
    }
    assert_eq!(vocals("", PLAIN), "partly");
    for role in [own("Electric Guitar"), "<Role><Value>Composer</Value></Role>".to_owned(), guitar.to_owned()] {
        assert_eq!(vocals(&role, PLAIN), "none", "{role}");
    }
    let nobody = [
        (singer, "<Role><Value>Composer</Value></Role>"),
        ("<HasVocalPerformance>true</HasVocalPerformance>", "<IsInstrumental>true</IsInstrumental>"),
    ];
    assert_eq!(vocals(&own("Grapefruit"), &nobody), "none");
    assert_eq!(vocals(&own("Lead Vocals"), &nobody), "all", "it says that somebody does");
}

#[test]
fn what_is_no_consent_is_refused_with_its_line() {
    let folder = TempDir::new().expect("a folder");
    let refused = |text: &str| Consents::read(&store(folder.path(), "consents.csv", text)).expect_err(text).to_string();
    let head = "distributor_id,isrc,party_id,consent_ref,valid_from,valid_until\n";
    for (line, says) in [
        ("D1,X,isni:1,C,,", "one of them"),
        ("D1,,,C,,", "one of them"),
        (",X,,C,,", "distributor_id"),
        ("D1,X,,,,", "consent_ref"),
        ("D1,X,,C,soon,", "2026-01-31"),
        ("D1,X,,C,2026-02-01,2026-01-01", "ends before it begins"),
        ("D1,,isni:000000012103268\u{200b},C,,", "has letters that none has"),
        ("D1,X", "expected distributor_id"),
    ] {
        let told = refused(&format!("{head}D0,Y,,C-0,,\n{line}\n"));
        assert!(told.contains(says) && told.contains("line 3"), "{line}: {told}");
    }
    assert!(refused("isrc,who\nX,Y\n").contains("line 2"));
}
