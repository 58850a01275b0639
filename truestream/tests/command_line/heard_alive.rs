//! What was heard reaches a living service as dated rows: from the next instant on it states what a replay with the same evidence states.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::TimestampMillisecondType;
use datasets::audio::{Clip, Limits, decode};
use datasets::tables::{IdKind, TableWriter};
use records::{Disclosure, Id, Track};
use serde_json::json;
use tempfile::TempDir;

use crate::alive::{EVERY_MS, HOW, Service, VIEWS, replayed, requests, stream};
use crate::data::{MONDAY, copy, instants, read, rows, text, whole, world, write};
use crate::desk::{Visitor, visitor};
use crate::process::truestream;
use crate::scan::{piece, put};

/// A row of evidence: recording, detector, risk, confidence, words, since when it is known.
type Row = (String, &'static str, f64, f64, &'static str, i64);
/// A row about groups: recording, group, since when it is known.
type Grouped = (String, Option<String>, i64);

/// What is in a folder beside the world: rows of the catalogue for the tracks that are played suspiciously, two of a recording, and what
/// was heard of them and of others.
struct More {
    tracks: RecordBatch,
    evidence: Vec<Row>,
    groups: Vec<Grouped>,
}

impl More {
    fn of_world(folder: &Path) -> More {
        let (silent, _) = replayed(&HOW, world(), &folder.join("silent"), &VIEWS, &[]);
        let verdicts = rows(&silent.join("verdict.parquet"), &["subject", "subject_id"]);
        let suspicious = verdicts.into_iter().filter(|row| row[0] == "track").map(|row| row[1].parse::<u64>());
        let mut tracks = TableWriter::create(folder, IdKind::Number).expect("a table");
        let mut contents: Vec<String> = Vec::new();
        for (number, track) in suspicious.map(|id| id.expect("a number")).enumerate() {
            let content = 10_000_000 + number as u64 / 2;
            contents.push(content.to_string());
            let (content_id, artist_id) = (Some(Id::from(content)), Some(Id::from(900_000 + number as u64)));
            // Some say that no machine made them, which detectors deny, of some nobody says who brought them, and some come later.
            let contains_ai = [None, Some(Disclosure::None), Some(Disclosure::None), Some(Disclosure::All)][number % 4];
            let uploader_id = (number % 3 > 0).then(|| Id::from(800_000 + number as u64 % 7));
            let uploaded_at = Some(MONDAY - 7 * 86_400_000 + number as i64 * EVERY_MS / 4);
            let row =
                Track { content_id, artist_id, contains_ai, uploader_id, uploaded_at, ..Track::new(Id::from(track)) };
            tracks.push(row).expect("a row");
        }
        tracks.finish().expect("a whole table");
        contents.dedup();
        let of_world = rows(&world().join("tracks.parquet"), &["track_id", "content_id"]);
        let others = of_world.into_iter().map(|row| if row[1].is_empty() { row[0].clone() } else { row[1].clone() });
        let others: BTreeSet<String> = others.collect();
        contents.extend(others.into_iter().take(60));
        let tracks = read(&folder.join("tracks.parquet"));
        let (evidence, groups) = evidence(&contents);
        More { tracks, evidence, groups }
    }

    /// A folder of the world with all that.
    fn write(&self, folder: &Path) -> String {
        let data = folder.join("data");
        copy(world(), &data);
        write(&data.join("tracks-more.parquet"), &self.tracks, 20);
        write(&data.join("evidence.parquet"), &evidence_table(&self.evidence), 20);
        write(&data.join("duplicate_group.parquet"), &group_table(&self.groups), 20);
        text(&data)
    }
}

/// What somebody heard of recordings: it comes, is replaced, taken back, and said by two at once.
fn evidence(heard: &[String]) -> (Vec<Row>, Vec<Grouped>) {
    let plays = read(&world().join("plays.parquet"));
    let ended_at = plays.column_by_name("ended_at").expect("a column").as_primitive::<TimestampMillisecondType>();
    let first = ended_at.iter().flatten().min().expect("plays");
    let (mut evidence, mut groups) = (Vec::new(), Vec::new());
    for (number, content) in heard.iter().enumerate() {
        let at = first + number as i64 * EVERY_MS / 8;
        let (now, later) = (at, at + 3 * EVERY_MS);
        let says = |detector, risk, confidence, words, at| (content.clone(), detector, risk, confidence, words, at);
        match number % 4 {
            0 => evidence.push(says("synthesis", 0.95, 1.0, "lines", now)),
            1 => {
                evidence.push(says("sanity", 0.95, 1.0, "noise", now));
                evidence.push(says("duplicate", 0.95, 1.0, "a copy", now));
            }
            2 => {
                evidence.push(says("synthesis", 0.6, 1.0, "lines", now));
                evidence.push(says("synthesis", 0.0, 0.0, "", later));
            }
            _ => {
                evidence.push(says("sanity", 0.2, 1.0, "a loop", now));
                evidence.push(says("sanity", 0.95, 1.0, "cut", later));
            }
        }
        if number < 40 {
            let group = heard[number / 4 * 4].clone();
            groups.push((content.clone(), Some(group), at));
        }
        if number % 10 == 7 {
            groups.push((content.clone(), None, later));
        }
    }
    (evidence, groups)
}

fn evidence_table(rows: &[Row]) -> RecordBatch {
    let texts = |of: &dyn Fn(&Row) -> String| Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>());
    let shares = |of: &dyn Fn(&Row) -> f64| Arc::new(rows.iter().map(|row| Some(of(row))).collect::<Float64Array>());
    let details = |row: &Row| json!({ "words": row.4 }).to_string();
    let columns: [(&str, ArrayRef, bool); 7] = [
        ("content_id", texts(&|row| row.0.clone()), true),
        ("detector", texts(&|row| row.1.to_owned()), true),
        ("version", texts(&|_| "1".to_owned()), true),
        ("risk", shares(&|row| row.2), true),
        ("confidence", shares(&|row| row.3), true),
        ("details", texts(&details), true),
        ("known_at", instants(&rows.iter().map(|row| Some(row.5)).collect::<Vec<_>>()), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

fn group_table(rows: &[Grouped]) -> RecordBatch {
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("content_id", Arc::new(rows.iter().map(|row| Some(row.0.as_str())).collect::<StringArray>()), true),
        ("group_id", Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringArray>()), true),
        ("known_at", instants(&rows.iter().map(|row| Some(row.2)).collect::<Vec<_>>()), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

#[test]
fn a_followed_folder_with_evidence_becomes_the_tables_of_a_replay_though_the_service_is_killed() {
    let folder = TempDir::new().expect("a folder");
    let data = More::of_world(folder.path()).write(folder.path());
    let (tables, as_of) = replayed(&HOW, Path::new(&data), folder.path(), &VIEWS, &[]);
    // Much is heard, a verdict says what, and copies speak about each other.
    assert!(rows(&tables.join("risk.parquet"), &["rc"]).iter().filter(|row| row[0] == "0.95").count() > 20);
    let counted = |table: &str, column: &str, words: &str| {
        let rows = rows(&tables.join(format!("{table}.parquet")), &[column]);
        rows.iter().filter(|row| row[0].contains(words)).count()
    };
    for said in ["synthesis: lines", "duplicate: a copy", "sanity: cut"] {
        assert!(counted("verdict", "reasons", said) > 0, "no verdict says {said}");
    }
    assert_eq!(counted("verdict", "reasons", "sanity: noise"), 0, "of two equally grave the one that sorts first");
    assert!(counted("risk", "parts", "suspicious_copies") > 0);

    let state = folder.path().join("state");
    for (speed, workers) in [("400000x", "4"), ("500000x", "1"), ("600000x", "2")] {
        let service = Service::start(&state, &["--follow", &data, "--speed", speed, "--workers", workers]);
        std::thread::sleep(std::time::Duration::from_millis(150));
        service.running.kill();
    }
    let service = Service::start(&state, &["--follow", &data, "--workers", "4"]);
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);
    service.running.ask_to_end();
    service.running.end().good();
    // In one step, and refresh by refresh.
    for (workers, is_forgotten) in [("1", false), ("4", false), ("1", true)] {
        if is_forgotten {
            std::fs::remove_file(state.join("since.json")).expect("it ended in order");
        }
        let service = Service::start(&state, &["--time", "told", "--workers", workers]);
        service.wait_as_of(as_of);
        service.states(&tables, &VIEWS);
        service.running.ask_to_end();
        service.running.end().good();
    }
}

#[test]
fn evidence_that_is_sent_early_late_and_again_counts_as_of_when_it_was_known_and_from_the_next_instant() {
    let folder = TempDir::new().expect("a folder");
    let more = More::of_world(folder.path());
    let data = more.write(folder.path());
    let More { tracks, evidence, groups } = more;
    let (tables, as_of) = replayed(&HOW, Path::new(&data), folder.path(), &VIEWS, &[]);
    let state = folder.path().join("state");
    let options = ["--ids", "number", "--time", "told"];
    let mut service = Service::start(&state, &[&options[..], &["--workers", "2"]].concat());
    let post = |service: &Service, table: &str, media_type: &str, more: &str, body: &[u8]| {
        let headers = format!("Content-Type: {media_type}\r\n{more}");
        let (status, answer) = service.ask(&format!("POST /v1/{table}"), &headers, body).expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    };
    // Every third row, from that one on: most come before they are known or after, and the last ones before the first ones.
    let part = |service: &Service, from: usize| {
        let third: Vec<Row> = evidence.iter().skip(from).step_by(3).cloned().collect();
        let object = |row: &Row| {
            let id: u64 = row.0.parse().expect("a number");
            let details = json!({ "words": row.4 }).to_string();
            let row = json!({"content_id": id, "detector": row.1, "version": "1", "risk": row.2, "confidence": row.3,
                "details": details, "known_at": row.5});
            format!("{row}\n")
        };
        match from {
            0 => post(service, "evidence", "application/vnd.apache.arrow.stream", "", &stream(&evidence_table(&third))),
            _ => post(
                service,
                "evidence",
                "application/x-ndjson",
                "",
                third.iter().map(object).collect::<String>().as_bytes(),
            ),
        }
        let third: Vec<Grouped> = groups.iter().skip(from).step_by(3).cloned().collect();
        post(service, "duplicate_group", "application/vnd.apache.arrow.stream", "", &stream(&group_table(&third)));
    };
    let requests = requests();
    for (number, (table, rows, until)) in requests.iter().enumerate() {
        match number {
            2 => {
                post(&service, "tracks", "application/vnd.apache.arrow.stream", "", &stream(&tracks));
                part(&service, 2);
            }
            number if number == requests.len() / 2 => {
                part(&service, 1);
                service.running.kill();
                service = Service::start(&state, &options);
            }
            number if number == requests.len() - 2 => part(&service, 0),
            _ => {}
        }
        let until = until.map_or(String::new(), |until| format!("Truestream-Until: {until}\r\n"));
        post(&service, table, "application/vnd.apache.arrow.stream", &until, &stream(rows));
    }
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);

    // What is no evidence is refused with what was expected.
    let bad = r#"{"content_id": 1, "detector": "x", "version": "1", "risk": 1.5}
{"content_id": 1, "detector": "x", "version": "1"}
{"content_id": 1, "detector": "x", "version": "1", "risk": "much"}"#;
    post(
        &service,
        "evidence",
        "application/x-ndjson",
        &format!("Truestream-Until: {}\r\n", as_of + EVERY_MS),
        bad.as_bytes(),
    );
    service.wait_as_of(as_of + EVERY_MS);
    let (_, refused) = service.json("GET /v1/view/refusal");
    let of_evidence = refused["rows"].as_array().expect("rows").iter().filter(|row| row["source"] == "evidence");
    let mut codes: Vec<&str> = of_evidence.filter_map(|row| row["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["missing", "out_of_range", "wrong_type"], "{refused}");
    service.running.kill();
}

/// Three tracks of two recordings that were scanned, the second a part of the first, and one that nobody listened to; with plays of all.
pub fn scanned_world(folder: &Path) {
    let [audio, heard, data] = ["audio", "heard", "data"].map(|name| folder.join(name));
    put(&audio, "music/1.wav", &piece(1, 0.0, 60.0, 1.0));
    put(&audio, "music/2.wav", &piece(1, 8.0, 45.0, 1.04));
    std::fs::create_dir_all(&data).expect("a folder");
    let day = |day: i64| Some(MONDAY - (30 - day) * 86_400_000);
    let named = |title: &str, artist: &str, isrc: &str| {
        (Some(title.to_owned()), Some(artist.to_owned()), Some(isrc.to_owned()))
    };
    let track =
        |id: u64, uploader: u64, (title, artist_name, isrc): (Option<String>, Option<String>, Option<String>)| Track {
            content_id: Some(Id::from(10 * id)),
            uploader_id: Some(Id::from(uploader)),
            uploaded_at: day(id as i64),
            title,
            artist_name,
            isrc,
            contains_ai: (id == 2).then_some(Disclosure::None),
            genre: Some("jazz".to_owned()),
            ..Track::new(Id::from(id))
        };
    let mut tracks = TableWriter::create(&data, IdKind::Number).expect("a table");
    for row in [
        track(1, 500, named("Blue in Green", "Nina Veld", "DEA000000001")),
        track(2, 501, named("Blue in Grey (slow)", "Nina <b>Feld</b>", "DEA000000002")),
        track(3, 502, named("Red", "Somebody", "DEA000000003")),
    ] {
        tracks.push(row).expect("a row");
    }
    tracks.finish().expect("a whole table");
    let catalogue = text(&data.join("tracks.parquet"));
    let line =
        ["scan", &text(&audio), "--out", &text(&heard), "--catalogue", &catalogue, "--at", "2026-01-05T00:00:00Z"];
    truestream(&line).good();
    for table in ["evidence", "duplicate_group"] {
        let name = format!("{table}.parquet");
        std::fs::copy(heard.join(&name), data.join(&name)).expect("a copy");
    }
    let plays: Vec<(u64, u64)> = (0..4).flat_map(|day| [1, 2, 3].map(|track| (day, track))).collect();
    let numbers = |of: &dyn Fn(usize) -> u64| -> ArrayRef {
        Arc::new((0..plays.len()).map(|at| Some(of(at))).collect::<UInt64Array>())
    };
    let ended_at: Vec<_> =
        plays.iter().map(|(day, track)| Some(MONDAY + (*day * 86_400_000 + *track) as i64)).collect();
    let columns = [
        ("play_id", numbers(&|at| at as u64), true),
        ("ended_at", instants(&ended_at), true),
        ("account_id", numbers(&|at| plays[at].1 + 90), true),
        ("track_id", numbers(&|at| plays[at].1), true),
        ("played_ms", whole(&vec![Some(40_000); plays.len()]), true),
    ];
    write(&data.join("plays.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).expect("plays"), 4);
}

/// The hashes that a page asks for, each once.
fn hashes(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for rest in page.split("/desk/sound/").skip(1) {
        let hash = rest[..64].to_owned();
        if !found.contains(&hash) {
            found.push(hash);
        }
    }
    found
}

#[test]
fn the_page_of_a_track_shows_and_plays_what_was_heard_and_says_what_is_missing() {
    let folder = TempDir::new().expect("a folder");
    scanned_world(folder.path());
    let at = |name: &str| text(&folder.path().join(name));
    // The files may have moved since.
    std::fs::rename(folder.path().join("audio"), folder.path().join("elsewhere")).expect("moved");
    let state = folder.path().join("state");
    let (data, heard, audio) = (at("data"), at("heard"), at("elsewhere"));
    let follow = ["--follow", &data, "--heard", &heard, "--audio", &audio];
    let mut service = Service::start(&state, &follow);
    service.running.wait_until("followed", |running| running.err().contains("Followed to the end"));
    service.wait_until_stated();
    let rita = visitor(&service, &state, "rita", "reviewer");

    let page = rita.get("/desk/case/track/2");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("media-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = page.body;
    for said in [
        " s are recording 10 from 0:0",
        "played 4.0 % faster, which another uploader had 1 day earlier",
        "a match from 9.5",
        "likely from 3.5, certain from 5",
        "recording 10 of track 1",
        "<del>Green</del>",
        "<ins>Grey (slow)</ins>",
        "<del>Veld</del>",
        "&lt;b&gt;Feld&lt;/b&gt;",
        "<del>DEA000000001</del> <ins>DEA000000002</ins>",
        "<del>undeclared</del> <ins>none</ins>",
        "The same in both: genre",
        "class=\"overlap\"",
        "stretched by 0.9",
    ] {
        assert!(page.contains(said), "{said} is not in {page}");
    }
    assert_eq!([page.matches("class=\"wave\"").count(), page.matches("<audio ").count()], [2, 2], "{page}");
    assert!(!page.contains("autoplay") && !page.contains(&heard) && !page.contains("style="), "{page}");
    let data_of = |name: &str| -> f64 {
        let rest = page.split(&format!("data-{name}=\"")).nth(1).expect("it is told");
        rest.split('"').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    for (name, expected, off) in
        [("from", 0.0, 1.0), ("length", 43.0, 2.0), ("offset", 8.0, 1.0), ("speed", 1.04, 0.01)]
    {
        assert!((data_of(name) - expected).abs() < off, "{name}: {}", data_of(name));
    }

    // What the page asks for is there, whole or in parts, for who may see cases and for nobody else.
    let both = hashes(&page);
    assert_eq!(both.len(), 2, "{both:?}");
    let nobody = Visitor { service: &service, cookie: String::new() };
    let paul = visitor(&service, &state, "paul", "policy-editor");
    let sound_of =
        |hash: &str, from: u64, samples: u64| format!("GET /desk/sound/{hash}/clip?from={from}&samples={samples}");
    for (hash, name) in both.iter().zip(["2.wav", "1.wav"]) {
        let file = File::open(folder.path().join("elsewhere/music").join(name)).expect("a file");
        let Clip { samples, facts } = decode(file, &Limits::default()).expect("sound");
        let level = |sample: &f32| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
        let levels: Vec<u8> = samples.iter().flat_map(|sample| level(sample).to_le_bytes()).collect();
        let (tile, sound) = (format!("GET /desk/sound/{hash}/spectrum/0"), sound_of(hash, 12_345, 50_000));
        let (told, png) = paul.bytes(&tile, "", "");
        assert_eq!((told.status, told.header("content-type")), (200, Some("image/png")));
        assert!(png.starts_with(b"\x89PNG"));
        for line in [&tile, &sound] {
            assert_eq!(nobody.bytes(line, "", "").0.header("location"), Some("/desk/login"), "{line}");
        }
        let (told, whole) = rita.bytes(&sound, "", "");
        assert_eq!((told.status, told.header("content-type")), (200, Some("audio/wav")));
        assert_eq!(
            (told.header("accept-ranges"), told.header("x-content-type-options")),
            (Some("bytes"), Some("nosniff"))
        );
        // To the sample what a decoder hears there.
        assert!(whole[44..] == levels[2 * 12_345..2 * 62_345], "{} bytes", whole.len());
        let length = whole.len();
        for (range, part) in [
            ("bytes=0-", 0..length),
            ("bytes=1000-1999", 1_000..2_000),
            ("bytes=-10", length - 10..length),
            ("bytes=50000-9999999999", 50_000..length),
        ] {
            let (told, found) = rita.bytes(&sound, &format!("Range: {range}\r\n"), "");
            let expected = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            assert_eq!((told.status, told.header("content-range")), (206, Some(expected.as_str())), "{range}");
            assert_eq!(told.header("content-length"), Some(part.len().to_string().as_str()));
            assert!(found == whole[part], "{range}");
        }
        // What the page asks for begins where the match does, to the sample, and the last clip ends with the recording.
        let rest = page.split(&format!("src=\"/desk/sound/{hash}/clip?from=")).nth(1).expect("a player");
        let from: f64 = rest.split('&').next().and_then(|number| number.parse().ok()).expect("a number");
        let begins = data_of(if name == "2.wav" { "from" } else { "offset" }).max(0.0);
        assert!((from - begins * f64::from(facts.rate_hz)).abs() < 0.001 * f64::from(facts.rate_hz), "{from} {begins}");
        let all = samples.len() as u64;
        assert!(rita.bytes(&sound_of(hash, all - 10, 1_000), "", "").1[44..] == levels[2 * (samples.len() - 10)..]);
        let refused = |from, samples| rita.get(sound_of(hash, from, samples).trim_start_matches("GET "));
        let late = refused(all, 10);
        assert!(late.status == 422 && late.body.contains("before this clip begins"), "{}", late.body);
        let long = refused(0, 61 * u64::from(facts.rate_hz));
        assert!(long.status == 422 && long.body.contains("(60 s)"), "{}", long.body);
        assert_eq!(rita.get(&format!("/desk/sound/{hash}/clip?from=-1")).status, 400);
        let (told, _) = rita.bytes(&sound, "Range: bytes=99999999999-\r\n", "");
        assert_eq!(told.status, 416);
    }
    let unknown = "0".repeat(64);
    for place in [
        format!("/desk/sound/{unknown}/clip?from=0&samples=9"),
        format!("/desk/sound/{}/spectrum/99", both[0]),
        format!("/desk/sound/{}/spectrum/-1", both[0]),
        format!("/desk/sound/{}/spectrum/..%2F0", both[0]),
        "/desk/sound/..%2F..%2Felsewhere%2Fmusic%2F1.wav/clip?from=0&samples=9".to_owned(),
        "/desk/sound/%2Fetc%2Fpasswd/clip?from=0&samples=9".to_owned(),
        "/desk/sound/../../../etc/passwd".to_owned(),
    ] {
        assert!([400, 404].contains(&rita.get(&place).status), "{place}");
    }

    // Who has the sound first is beside who has it later, too; where nobody listened the page says so.
    assert!(rita.get("/desk/case/track/1").body.contains("recording 20 of track 2"));
    let silent = rita.get("/desk/case/track/3").body;
    for said in ["there is no evidence of sound about it", "has recording 30: it can be neither seen nor listened to"] {
        assert!(silent.contains(said), "{said} is not in {silent}");
    }
    assert!(!silent.contains("class=\"compared\"") && !silent.contains("<audio"), "{silent}");

    // Who brought a track has its sound, too, and the way to its case; who brought none that was heard has nothing of it.
    let brought = rita.get("/desk/case/uploader/501").body;
    for said in
        ["What was heard of its tracks", "href=\"/desk/case/track/2\"", "of 1 track of which", "are recording 10"]
    {
        assert!(brought.contains(said), "{said} is not in {brought}");
    }
    assert_eq!((hashes(&brought), brought.matches("<audio ").count()), (both[..1].to_vec(), 1), "{brought}");
    assert!(!rita.get("/desk/case/uploader/502").body.contains("What was heard of its tracks"));

    // When the dataflow begins anew because somebody is forgotten, what was heard counts and is shown as before.
    let risks = "SELECT subject_id, r, rc FROM risk WHERE subject = 'track' ORDER BY subject_id";
    let before = service.sql(risks);
    assert!(before.num_rows() > 0);
    let (status, told) = service.ask("POST /v1/erasures", "", b"{\"account_id\": 999}\n").expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&told));
    assert_eq!(service.sql(risks), before);
    let again = rita.get("/desk/case/track/2").body;
    assert!(again.contains("recording 10 of track 1") && hashes(&again) == both, "{again}");

    // Other bytes under the same name are not played.
    let file = folder.path().join("elsewhere/music/2.wav");
    let mut bytes = std::fs::read(&file).expect("a file");
    bytes.last_mut().iter_mut().for_each(|byte| **byte ^= 1);
    std::fs::write(&file, bytes).expect("a file");
    assert_eq!(rita.bytes(&sound_of(&both[0], 77, 1_000), "", "").0.status, 422);
    let page = rita.get("/desk/case/track/2").body;
    assert!(page.contains("is another than was scanned") && page.matches("<audio ").count() == 1, "{page}");
    std::fs::remove_dir_all(folder.path().join("heard/previews")).expect("removed");
    let page = rita.get("/desk/case/track/2").body;
    assert!(
        page.contains("The scan made no previews of recording 20") && !page.contains("class=\"compared\""),
        "{page}"
    );
    service.running.ask_to_end();
    service.running.end().good();

    // Without folders there are words and metadata all the same.
    let service = Service::start(&state, &["--time", "told"]);
    service.wait_until_stated();
    let rick = visitor(&service, &state, "rick", "reviewer");
    let page = rick.get("/desk/case/track/2").body;
    for said in ["played 4.0 % faster", "<ins>Grey (slow)</ins>", "this service was not told of a scan (--heard)"] {
        assert!(page.contains(said), "{said} is not in {page}");
    }
}
