//! Random damage to what a living service reads: bodies of requests, its log, and what clients of PostgreSQL say before they are known.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datasets::arrivals::{Incoming, Wanted};
use datasets::intake::{self, Format, Ids};
use datasets::log::{Disk, Entry, Folder, Log, Reader, check};
use datasets::names::NameTable;
use datasets::tables::IdKind;
use datasets::tables::read::IdKinds;
use records::{Id, IdSpace, Play};
use tempfile::TempDir;

use crate::alive::Service;
use crate::breaking::mangled;
use crate::fuzz::go_on;

const TEXTS: IdKinds = [IdKind::Text; IdSpace::ALL.len()];

/// Some lines, whole and odd.
fn lines(first: u64) -> String {
    let line = |number: u64| {
        format!(
            "{{\"play_id\":\"p{number}\",\"ended_at\":{},\"account_id\":\"a{}\",\"track_id\":\"t\",\"played_ms\":31000,\"country\":\"DE\",\"shuffle\":null}}",
            1_767_225_600_000 + number,
            number % 7
        )
    };
    let odd = ["{\"play_id\":1}", "[]", "{\"play_id\":\"x\",\"ended_at\":\"noon\"}", "\u{1F3B5}"];
    (first..first + 12).map(line).chain(odd.map(str::to_owned)).collect::<Vec<_>>().join("\n")
}

fn arrow() -> Vec<u8> {
    let play = |number: i64| Play {
        play_id: Id::from(format!("p{number}")),
        ended_at: 1_767_225_600_000 + number,
        arrived_at: None,
        account_id: Id::from("a"),
        track_id: Id::from("t"),
        played_ms: 31_000,
        track_ms: None,
        device_id: Some(Id::from("d")),
        ip_prefix: None,
        asn: Some(64_500),
        country: None,
        platform: None,
        source: Some("search".to_owned()),
        playlist_id: None,
        reason_start: None,
        reason_end: None,
        shuffle: Some(false),
        offline: None,
    };
    intake::arrow_of(&(0..20).map(play).collect::<Vec<_>>(), &TEXTS).expect("columns")
}

#[test]
fn a_body_is_taken_or_refused_whatever_is_in_it() {
    let good = vec![("lines".to_owned(), lines(0).into_bytes()), ("arrow".to_owned(), arrow())];
    let names = Arc::new(NameTable::new(|_| IdKind::Text));
    go_on("bodies of requests", |number| {
        let (_, body) = mangled(&good, number);
        let format = [Format::JsonLines, Format::Arrow, Format::Parquet][number as usize % 3];
        let encoding = [None, None, Some("gzip"), Some("zstd")][number as usize / 3 % 4];
        let table = ["plays", "corrections", "tracks", "accounts", "labels", "evidence"][number as usize / 12 % 6];
        let Ok(body) = intake::unpack(encoding, &body) else { return };
        let Ok((rows, count)) = intake::read(table, format, &body, &Ids::plain(TEXTS)) else { return };
        assert!(rows.refused.len() as u64 <= count, "{} of {count} rows", rows.refused.len());
        // What was taken stands in the log for ever: it can be read whatever it is.
        let entry = Entry { source: None, until: None, rows: Some(rows) };
        assert_eq!(Entry::from_bytes(&entry.to_bytes()).as_ref(), Some(&entry));
        let mut incoming = Incoming::new(names.clone(), TEXTS, Wanted::ALL, Arc::default(), |row| row.detector.clone());
        let rows = entry.rows.as_ref().expect("they were put there");
        incoming.read(1, rows).unwrap_or_else(|error| panic!("what was taken cannot be read: {error}"));
    });
}

#[test]
fn a_damaged_log_is_named_or_tells_what_was_written() {
    const SEGMENT: u64 = 8 << 10;
    let folder = TempDir::new().expect("a folder");
    let disk =
        |path: &Path| -> Arc<dyn Disk> { Arc::new(Folder::to_write(path).expect("a folder").expect("nobody else")) };
    let mut log = Log::open(disk(folder.path()), SEGMENT).expect("a log");
    let mut written = Vec::new();
    for number in 0..40 {
        let (rows, _) =
            intake::read("plays", Format::JsonLines, lines(number * 12).as_bytes(), &Ids::plain(TEXTS)).expect("rows");
        let source = (number % 3 == 0).then(|| ("fuzz".to_owned(), number));
        let entry = Entry { source, until: (number % 4 == 0).then_some(number as i64), rows: Some(rows) };
        log.append(&entry).expect("it is taken");
        if number % 5 == 4 {
            log.commit().expect("a disk");
        }
        written.push(entry);
    }
    drop(log);
    let files = std::fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .filter(|file| file.metadata().is_ok_and(|file| file.len() > 0));
    let good: Vec<(String, Vec<u8>)> = files
        .map(|file| (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).expect("a file")))
        .collect();
    assert!(good.len() > 3, "{} files", good.len());
    go_on("logs", |number| {
        let copy = TempDir::new().expect("a folder");
        let (name, bytes) = mangled(&good, number);
        for (file, bytes) in good.iter().filter(|(file, _)| *file != name).chain([&(name.clone(), bytes)]) {
            std::fs::write(copy.path().join(file), bytes).expect("a file");
        }
        let _ = check(&Folder::to_read(copy.path()));
        let disk = disk(copy.path());
        let Ok(log) = Log::open(disk.clone(), SEGMENT) else { return };
        let mut reader = Reader::new(disk);
        while let Ok(Some((number, entry))) = reader.next(log.durable().last()) {
            assert_eq!(Some(&entry), written.get(number as usize - 1), "entry {number} of a log with another {name}");
        }
    });
}

#[test]
fn whoever_speaks_no_postgresql_brings_nobody_down() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start(&folder.path().join("state"), &["--time", "told"]);
    let err = service.running.err();
    let port = err.split(" -p ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port");
    let address = format!("127.0.0.1:{port}");
    let message = |kind: u8, body: &[u8]| [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat();
    let begun = |more: &[u8]| {
        let body = [&196_608_u32.to_be_bytes()[..], b"user\0truestream\0database\0truestream\0", more, b"\0"].concat();
        [&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()
    };
    let sasl = message(b'p', b"SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=rOprNGfwEbeRWgbNEkqO12345");
    let later = [
        message(b'Q', b"SELECT 1\0"),
        message(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
        message(b'B', b"\0s\0\0\0\0\x01\0\0\0\x011\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ];
    let good = vec![
        ("startup".to_owned(), [begun(b""), sasl.clone()].concat()),
        ("options".to_owned(), [begun(b"options\0-c x=y\0"), sasl.clone(), sasl].concat()),
        ("unknown".to_owned(), [begun(b""), later.concat()].concat()),
        ("ssl".to_owned(), [&[0, 0, 0, 8, 4, 210, 22, 47][..], &begun(b"")].concat()),
        ("cancel".to_owned(), vec![0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2]),
    ];
    go_on("clients of PostgreSQL", |number| {
        let (_, bytes) = mangled(&good, number);
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
        // Whoever is hung up on does not mind.
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 4_096]);
    });
    assert_eq!(service.ask("GET /health", "", b"").expect("it lives").0, 200);
    // pgwire 0.41 may panic while it decodes what a stranger says. That ends the stranger's connection and nothing else: no place is lost.
    let until = Instant::now() + Duration::from_secs(30);
    let is_told = |line: &str| {
        let (_, told) = service.ask("GET /metrics", "", b"").expect("it lives");
        String::from_utf8_lossy(&told).lines().any(|told| told == line)
    };
    while !is_told("truestream_sql_connections 0") {
        assert!(Instant::now() < until, "places are lost: {}", service.running.err());
        std::thread::sleep(Duration::from_millis(50));
    }
}
