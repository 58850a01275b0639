//! Random damage to what a living service reads: bodies of requests, its log, and what clients of PostgreSQL say before and after they are known.

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
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
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

/// A message of a client: its kind, its length, what it says.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// The first message of a client, which has no kind.
fn begun(more: &[u8]) -> Vec<u8> {
    let body = [&196_608_u32.to_be_bytes()[..], b"user\0truestream\0database\0truestream\0", more, b"\0"].concat();
    [&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()
}

/// Where clients of PostgreSQL are listened to.
fn sql_address(service: &Service) -> String {
    let err = service.running.err();
    let port = err.split(" -p ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port");
    format!("127.0.0.1:{port}")
}

/// Whoever was hung up on has left its place: pgwire 0.41 may panic while it decodes what a stranger says. That ends the stranger's connection and
/// nothing else.
fn no_place_is_lost(service: &Service) {
    assert_eq!(service.ask("GET /health", "", b"").expect("it lives").0, 200);
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

#[test]
fn whoever_speaks_no_postgresql_brings_nobody_down() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start(&folder.path().join("state"), &["--time", "told"]);
    let address = sql_address(&service);
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
    no_place_is_lost(&service);
}

/// The kind of a server's next message, and what it says.
fn heard(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 5];
    stream.read_exact(&mut head).expect("a message");
    let mut body = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
    stream.read_exact(&mut body).expect("all of it");
    (head[0], body)
}

/// A client that came in, and may ask.
fn known(address: &str, password: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(&begun(b"")).expect("said");
    assert_eq!(heard(&mut stream).0, b'R');
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let first = [b"SCRAM-SHA-256\0", &(scram.message().len() as u32).to_be_bytes()[..], scram.message()].concat();
    stream.write_all(&message(b'p', &first)).expect("said");
    scram.update(&heard(&mut stream).1[4..]).expect("a salt");
    stream.write_all(&message(b'p', scram.message())).expect("said");
    while heard(&mut stream).0 != b'Z' {}
    stream
}

#[test]
fn whoever_is_known_brings_nobody_down_either() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start_of_strangers(&folder.path().join("state"), &["--time", "told", "--plain-ids"]);
    let (status, _) =
        service.ask("POST /v1/plays", "Truestream-Until: 1767225900000\r\n", lines(0).as_bytes()).expect("it lives");
    assert_eq!(status, 200);
    service.wait_as_of(1_767_225_900_000);
    let address = sql_address(&service);
    let question = "SELECT account_id, plays, as_of FROM account_window WHERE account_id = $1 AND plays > $2";
    let parse = [b"s\0", question.as_bytes(), b"\0\0\x02\0\0\0\x19\0\0\0\x14"].concat();
    let bind = b"\0s\0\0\x02\0\0\0\x01\0\x02\0\0\0\x02a1\0\0\0\x08\0\0\0\0\0\0\0\0\0\x01\0\x01";
    let (portal, sync) = (message(b'E', b"\0\0\0\0\0"), message(b'S', b""));
    let prepared = |bind: &[u8]| {
        let described = [message(b'D', b"Ss\0"), message(b'B', bind), message(b'D', b"P\0")].concat();
        [message(b'P', &parse), described, portal.clone(), message(b'C', b"Ss\0"), sync.clone()].concat()
    };
    let asked = |text: &str| message(b'Q', &[text.as_bytes(), b"\0"].concat());
    let good: Vec<(String, Vec<u8>)> = [
        ("prepared", prepared(bind)),
        ("as text", prepared(b"\0s\0\0\0\0\x02\0\0\0\x02a1\0\0\0\x010\0\0")),
        ("nulls", prepared(b"\0s\0\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\0\0")),
        (
            "portions",
            [
                message(b'P', &parse),
                message(b'B', bind),
                message(b'E', b"\0\0\0\0\x01"),
                message(b'H', b""),
                sync.clone(),
            ]
            .concat(),
        ),
        ("asked", asked("SELECT max(plays), 'x' || account_id FROM account_window GROUP BY 2; SHOW server_version")),
        ("copied", asked("COPY (SELECT * FROM account_window) TO STDOUT (FORMAT binary)")),
        (
            "told",
            [message(b'd', b"1\t2\n"), message(b'c', b""), message(b'f', b"no\0"), message(b'F', b"\0\0\0\x01")]
                .concat(),
        ),
        ("followed", asked("DECLARE c CURSOR FOR SUBSCRIBE (SELECT * FROM as_of); FETCH 1 FROM c")),
        (
            "begun",
            [asked("BEGIN"), asked("SET statement_timeout = '1s'"), asked("ROLLBACK"), message(b'X', b"")].concat(),
        ),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into();
    let whole = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(&prepared(bind)).expect("said");
        let kinds: Vec<u8> = std::iter::repeat_with(|| heard(stream).0).take_while(|kind| *kind != b'Z').collect();
        assert_eq!(String::from_utf8_lossy(&kinds).matches('D').count(), 4, "a row of each window: {kinds:?}");
    };
    whole(&mut known(&address, &service.token));
    go_on("clients that are known", |number| {
        let mut stream = known(&address, &service.token);
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        // To be known takes longer than to be misunderstood.
        for turn in 0..8 {
            let (_, bytes) = mangled(&good, number * 8 + turn);
            if stream.write_all(&bytes).is_err() || matches!(stream.read(&mut [0; 1 << 16]), Ok(0)) {
                break;
            }
        }
    });
    no_place_is_lost(&service);
    whole(&mut known(&address, &service.token));
}
