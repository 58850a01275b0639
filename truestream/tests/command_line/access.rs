//! Who comes in to a service, by which door, and in plain text only where nothing else was asked for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::alive::Service;
use crate::data::text;
use crate::process::{Ran, truestream};

/// The roles, in the order of the columns below.
const ROLES: [&str; 6] = ["admin", "analyst", "auditor", "policy-editor", "reviewer", "service"];
/// Every route, and who may take it.
const ROUTES: [(&str, &str, [bool; 6]); 16] = [
    ("GET /health", "", [true; 6]),
    ("GET /metrics", "", [true; 6]),
    ("GET /v1/view/verdict", "", [true, true, true, false, true, false]),
    ("GET /v1/view/track_window", "", [true, true, true, true, true, false]),
    ("GET /v1/view/account_window", "", [true, true, true, false, true, false]),
    ("GET /v1/view/lockstep", "", [true, true, true, false, true, false]),
    ("GET /v1/view/refusal", "", [true, true, true, false, true, false]),
    ("POST /v1/query", "SELECT count(*) FROM verdict", [true, true, true, true, true, false]),
    ("POST /v1/query", "SELECT count(*) FROM account_window", [true, true, true, false, true, false]),
    ("POST /v1/plays", "", [true, false, false, false, false, true]),
    ("POST /v1/corrections", "", [true, false, false, false, false, true]),
    ("POST /v1/accounts", "", [true, false, false, false, false, true]),
    ("POST /v1/evidence", "", [true, false, false, false, false, true]),
    ("POST /v1/duplicate_group", "", [true, false, false, false, false, true]),
    ("POST /v1/labels", "", [true, false, false, false, true, true]),
    ("POST /v1/rulings", "", [true, false, false, false, true, false]),
];

fn state_of(folder: &TempDir) -> PathBuf {
    folder.path().join("state")
}

fn on(state: &Path, line: &[&str]) -> Ran {
    let state = text(state);
    truestream(&[&line[..1], &["--state", &state], &line[1..]].concat())
}

/// The last word of what a command told once.
fn told(ran: &Ran) -> String {
    ran.out.split_whitespace().last().expect("it told something").to_owned()
}

#[test]
fn every_route_is_open_to_those_roles_that_may_take_it() {
    let folder = TempDir::new().expect("a folder");
    let state = state_of(&folder);
    let mut service = Service::start(&state, &["--time", "told"]);
    // They are made while it runs.
    let tokens = ROLES.map(|role| told(&on(&state, &["token", "issue", role, "--role", role]).good()));
    for (line, body, may) in ROUTES {
        for ((role, token), may) in ROLES.iter().zip(&tokens).zip(may) {
            service.token.clone_from(token);
            let (status, answer) = service.ask(line, "", body.as_bytes()).expect("an answer");
            let expected = if may { 200 } else { 403 };
            assert_eq!(status, expected, "{role}: {line} {body}: {}", String::from_utf8_lossy(&answer));
        }
        service.token = "0".repeat(64);
        let (status, _) = service.ask(line, "", body.as_bytes()).expect("an answer");
        assert_eq!(status, if line == "GET /health" { 200 } else { 401 }, "nobody: {line}");
    }

    let listed = on(&state, &["token", "ls"]).good().out;
    assert!(ROLES.iter().all(|role| listed.contains(&format!("{role}\t{role}\tuntil it is revoked"))), "{listed}");
    assert!(tokens.iter().all(|token| !listed.contains(token)), "{listed}");
    let brief = told(&on(&state, &["token", "issue", "brief", "--role", "admin", "--expires", "1s"]).good());
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    on(&state, &["token", "revoke", "analyst"]).good();
    for gone in [&brief, &tokens[1]] {
        service.token.clone_from(gone);
        assert_eq!(service.ask("GET /metrics", "", b"").expect("an answer").0, 401);
    }
    on(&state, &["token", "revoke", "analyst"]).failed(2, &["none of that name"]);
    on(&state, &["token", "issue", "brief", "--role", "admin"]).failed(2, &["already"]);
    on(&folder.path().join("nowhere"), &["user", "ls"]).failed(2, &["no service has begun"]);
    service.running.ask_to_end();
    service.running.end().good();

    let shown = on(&state, &["audit", "show"]).good().out;
    for (who, what, about) in [
        ("command line", "token issued", "analyst, analyst"),
        ("auditor", "query", "SELECT count(*) FROM account_window"),
        ("command line", "token revoked", "analyst"),
    ] {
        assert!(shown.contains(&format!("{who}\t{what}\t{about}\n")), "{who} {what} {about}: {shown}");
    }
    let head = told(&on(&state, &["audit", "verify"]).good());
    on(&state, &["audit", "verify", "--head", &head]).good();
    let (record, decisions) = head.split_once('+').expect("the heads of both");
    assert_eq!(decisions, "0:");
    on(&state, &["audit", "verify", "--head", record]).good();
    on(&state, &["audit", "verify", "--head", &format!("{record}+1:{}", "0".repeat(64))]).failed(3, &["changed in"]);
    // What was cut off stays missed: nobody is let in of whom nothing can be written down, and no service starts.
    let lines = std::fs::read_to_string(state.join("audit.jsonl")).expect("a file");
    let kept: Vec<&str> = lines.lines().collect();
    std::fs::write(state.join("audit.jsonl"), format!("{}\n", kept[..kept.len() - 5].join("\n"))).expect("a file");
    on(&state, &["user", "add", "eve", "--role", "admin"]).failed(4, &["the end is missing", "backup"]);
    assert!(!on(&state, &["user", "ls"]).good().out.contains("eve"));
    on(&state, &["audit", "verify"]).failed(3, &["changed in"]);
    on(&state, &["serve", "--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"]).failed(4, &["the end is missing"]);
    std::fs::write(state.join("audit.jsonl"), &lines).expect("a file");
    on(&state, &["audit", "verify", "--head", &head]).good();
    std::fs::write(state.join("audit.jsonl"), lines.replace("auditor", "analyst")).expect("a file");
    on(&state, &["audit", "verify", "--head", &head]).failed(3, &["changed in"]);
}

#[test]
fn who_may_not_see_single_accounts_sees_none_in_any_table() {
    let folder = TempDir::new().expect("a folder");
    let state = state_of(&folder);
    let lower = folder.path().join("lower");
    std::fs::create_dir(&lower).expect("a folder");
    std::fs::write(lower.join("policy.toml"), "version = \"lower\"").expect("a file");
    let steps = "[default]\nhold = 1\nescalate = 90\nblock = 95\nescalate_signals = 2\nblock_signals = 3\n";
    std::fs::write(lower.join("thresholds.toml"), steps).expect("a file");
    let mut service = Service::start(&state, &["--follow", &text(crate::data::world()), "--policy", &text(&lower)]);
    service.wait_until_followed();
    service.wait_until_stated();
    let tokens =
        ["analyst", "policy-editor"].map(|role| told(&on(&state, &["token", "issue", role, "--role", role]).good()));
    let mut count = |token: &String, table: &str, which: &str| {
        service.token.clone_from(token);
        let asked = service.sql(&format!("SELECT count(*) AS many FROM {table} WHERE subject {which} 'account'"));
        asked.column(0).as_primitive::<Int64Type>().value(0)
    };
    for table in ["risk", "verdict"] {
        let [analyst, editor] = tokens.each_ref().map(|token| [count(token, table, "="), count(token, table, "<>")]);
        assert!(analyst[0] > 0 && analyst[1] > 0, "{table}: {analyst:?}");
        assert_eq!(editor, [0, analyst[1]], "{table}");
    }
}

/// A certificate of `localhost` and its key, as files, and who trusts it.
pub fn certified(folder: &Path) -> (String, String, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).expect("it can be trusted");
    let versions =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let client = versions.expect("versions").with_root_certificates(roots).with_no_client_auth();
    (text(&certificate), text(&key), Arc::new(client))
}

/// Who serves with them.
pub fn served(certificate: &str, key: &str) -> ServerConfig {
    let chain =
        CertificateDer::pem_file_iter(certificate).expect("a file").map(|one| one.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let versions =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = versions.expect("versions").with_no_client_auth().with_single_cert(chain, key);
    config.expect("they fit")
}

fn encrypted(client: &Arc<ClientConfig>, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(client.clone(), name).expect("a client"), stream)
}

#[test]
fn with_a_certificate_nobody_is_spoken_to_in_plain_text() {
    let folder = TempDir::new().expect("a folder");
    let (certificate, key, client) = certified(folder.path());
    let service =
        Service::start(&state_of(&folder), &["--time", "told", "--tls-cert", &certificate, "--tls-key", &key]);

    let plain = service.ask("GET /health", "", b"");
    assert!(plain.is_none(), "{plain:?}");
    let mut stream = encrypted(&client, TcpStream::connect(&service.address).expect("it listens"));
    let head = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let err = service.running.err();
    let port = err.split(" -p ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port");
    let address = format!("127.0.0.1:{port}");
    let startup = {
        let body = b"\0\x03\0\0user\0truestream\0database\0truestream\0\0";
        [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    };
    let mut plain = TcpStream::connect(&address).expect("it listens");
    plain.write_all(&startup).expect("it is read");
    let mut refused = Vec::new();
    plain.read_to_end(&mut refused).expect("an answer");
    assert!(refused[0] == b'E' && String::from_utf8_lossy(&refused).contains("28000"), "{refused:?}");

    let mut stream = TcpStream::connect(&address).expect("it listens");
    // What asks PostgreSQL to encrypt: eight bytes, 80877103.
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).expect("it is read");
    let mut yes = [0];
    stream.read_exact(&mut yes).expect("an answer");
    assert_eq!(&yes, b"S");
    let mut stream = encrypted(&client, stream);
    stream.write_all(&startup).expect("it is read");
    let mut kind = [0];
    stream.read_exact(&mut kind).expect("an answer");
    assert_eq!(&kind, b"R", "it asks who that is");
    drop(stream);
    service.running.ask_to_end();
    service.running.end().good();
}

#[test]
fn what_is_no_certificate_is_refused_before_anything_is_settled() {
    let folder = TempDir::new().expect("a folder");
    let (certificate, key, _) = certified(folder.path());
    let state = text(&state_of(&folder));
    let other = certified(&{
        let other = folder.path().join("other");
        std::fs::create_dir(&other).expect("a folder");
        other
    });
    for (certificate, key, said) in [
        (&key, &key, "no certificate"),
        (&certificate, &certificate, "--tls-key"),
        (&"nowhere.pem".to_owned(), &key, "--tls-cert nowhere.pem"),
        (&certificate, &other.1, "does not fit"),
    ] {
        truestream(&["serve", "--state", &state, "--tls-cert", certificate, "--tls-key", key]).failed(4, &[said]);
    }
    truestream(&["serve", "--state", &state, "--tls-cert", &certificate]).failed(2, &["--tls-key"]);
    truestream(&["serve", "--state", &state, "--listen", "0.0.0.0:0"]).failed(2, &["--tls-cert"]);
    assert!(!Path::new(&state).exists());
}
