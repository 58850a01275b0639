//! How a service is watched and described: what is told is there, and what is there is told.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::alive::Service;

fn json(service: &Service, line: &str) -> Value {
    let (status, body) = service.ask(line, "", b"").expect("an answer");
    assert_eq!(status, 200, "{line}");
    serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn status(service: &Service, line: &str) -> u16 {
    service.ask(line, "", b"").expect("an answer").0
}

#[test]
fn what_is_described_is_served_and_nothing_else_is() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start(&folder.path().join("state"), &["--time", "told"]);
    let described = json(&service, "GET /v1/openapi.json");
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    let paths = described["paths"].as_object().expect("paths");
    assert!(paths.len() >= 7, "{paths:?}");
    for (path, methods) in paths {
        let asked = path.replace("{name}", "verdict").replace("{table}", "plays");
        assert!(!asked.contains('{'), "{path}");
        for method in ["get", "post", "put", "delete"] {
            // What goes on without an end says so only where there is something to follow.
            let found = status(&service, &format!("{} {asked}", method.to_uppercase()));
            match methods.get(method) {
                Some(operation) => {
                    assert!(
                        operation["responses"][found.to_string()].is_object(),
                        "{method} {path}: {found} is not described"
                    );
                }
                None => assert_eq!(found, 405, "{method} {path} is not described"),
            }
        }
        for operation in methods.as_object().expect("methods").values() {
            let named = |place: &str| {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                parameters
                    .filter(|parameter| parameter["in"] == place)
                    .map(|parameter| parameter["name"].clone())
                    .collect::<Vec<_>>()
            };
            let in_path: Vec<Value> = path.split(['{', '}']).skip(1).step_by(2).map(Value::from).collect();
            assert_eq!(named("path"), in_path, "{path}");
        }
    }
    for path in ["/v1", "/v1/view", "/v1/view/a/b", "/v2/query", "/openapi.json", "/metrics/x"] {
        assert!([404, 405].contains(&status(&service, &format!("GET {path}"))), "{path}");
    }
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("truestream_")).map(str::to_owned).collect()
}

#[test]
fn dashboards_and_alerts_ask_for_metrics_that_there_are() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start(&folder.path().join("state"), &["--time", "told"]);
    status(&service, "GET /health");
    let (_, told) = service.ask("GET /metrics", "", b"").expect("an answer");
    let told = String::from_utf8(told).expect("text");
    // What is measured of each partition of a topic is described where no topic is followed.
    let is_told = |line: &&str| !line.starts_with('#') || line.starts_with("# TYPE truestream_kafka_");
    let told: BTreeSet<String> = told.lines().filter(is_told).flat_map(metrics_in).collect();
    let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut asked = BTreeSet::new();
    for file in ["grafana/truestream.json", "prometheus/alerts.yml"] {
        let text = std::fs::read_to_string(ops.join(file)).expect("it is there");
        let names = metrics_in(&text);
        let unknown: Vec<&String> = names.difference(&told).collect();
        assert!(names.len() > 8 && unknown.is_empty(), "{file} asks for {unknown:?}; there are {told:?}");
        asked.extend(names);
    }
    let dashboard = std::fs::read_to_string(ops.join("grafana/truestream.json")).expect("it is there");
    serde_json::from_str::<Value>(&dashboard).expect("it is JSON");
    // What is measured is looked at; a sum and a count are parts of a histogram, and how long it runs is nobody's worry.
    let unseen: Vec<&String> =
        told.difference(&asked).filter(|name| !["_sum", "_count"].iter().any(|end| name.ends_with(end))).collect();
    assert_eq!(unseen, ["truestream_up_seconds"]);
}

/// Sends a request and returns the connection, for what comes back slowly.
fn follow(service: &Service, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(&service.address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let token = &service.token;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").expect("it is sent");
    BufReader::new(stream)
}

#[test]
fn who_follows_an_answer_hears_each_instant_until_the_service_ends() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start(&folder.path().join("state"), &["--time", "told"]);
    let sent = |until: i64, plays: &str| {
        let head = format!("Truestream-Until: {until}\r\n");
        assert_eq!(service.ask("POST /v1/plays", &head, plays.as_bytes()).expect("an answer").0, 200);
    };
    let every = 6 * 3_600_000;
    let first = 83_333 * every;
    let play = |id: u64, at: i64| {
        format!(
            "{{\"play_id\":\"p{id}\",\"account_id\":\"a\",\"track_id\":\"t\",\"ended_at\":{at},\"arrived_at\":{at},\"played_ms\":40000}}\n"
        )
    };
    sent(first, &play(1, first - 5));
    let until = Instant::now() + Duration::from_secs(60);
    while json(&service, "GET /health")["as_of"].is_null() {
        assert!(Instant::now() < until, "nothing is stated: {}", service.running.err());
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut lines =
        follow(&service, "/v1/subscribe?sql=SELECT+account_id,plays+FROM+account_window+WHERE+%22window%22='24h'")
            .lines();
    let mut heard_until = |end: &str| {
        let mut heard = Vec::new();
        for line in lines.by_ref() {
            let line = line.expect("a line");
            if line.starts_with("data: ") {
                heard.push(line.clone());
            }
            if line == end {
                break;
            }
        }
        heard
    };
    let stated = |ticks: i64| format!("data: {{\"as_of\":{}}}", first + ticks * every);
    let row = |diff: i64, plays: u64| format!("{{\"diff\":{diff},\"row\":{{\"account_id\":\"a\",\"plays\":{plays}}}}}");
    let heard = heard_until(&stated(0));
    assert_eq!(heard[0], format!("data: {{\"as_of\":{first},\"rows\":[{}]}}", row(1, 1)));
    sent(first + every, &play(2, first + 5));
    let heard = heard_until(&stated(1));
    assert!(heard[0].contains(&row(1, 2)) && heard[0].contains(&row(-1, 1)), "{heard:?}");
    // Nothing changed, and that is said.
    sent(first + 2 * every, "");
    assert_eq!(heard_until(&stated(2)), [stated(2)]);
    let wrong = service.ask("GET /v1/subscribe?sql=SELECT+nothing+FROM+verdict", "", b"").expect("an answer");
    assert_eq!(wrong.0, 400, "{}", String::from_utf8_lossy(&wrong.1));
    // Who follows holds up nobody who wants to end.
    let began = Instant::now();
    service.running.ask_to_end();
    service.running.end().good();
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

#[test]
fn who_asks_too_fast_or_guesses_is_asked_to_come_again() {
    let folder = TempDir::new().expect("a folder");
    let service = Service::start(&folder.path().join("state"), &["--time", "told", "--query-rate", "1"]);
    let asked: Vec<u16> = (0..4).map(|_| status(&service, "GET /v1/query?sql=SELECT+1")).collect();
    assert_eq!(&asked[..2], [200, 200]);
    assert!(asked.contains(&429), "{asked:?}");
    let guess = |name: &str| {
        let head = "Content-Type: application/x-www-form-urlencoded\r\n";
        service.ask("POST /desk/login", head, format!("name={name}&password=wrong").as_bytes()).expect("an answer").0
    };
    let guesses = |name: &'static str, times: usize| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..times).map(|_| scope.spawn(|| guess(name))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<u16>>()
        })
    };
    assert_eq!(guesses("ana", 10), [401; 10]);
    assert_eq!((guess("ana"), guess("bob")), (429, 401));
    let (_, told) = service.ask("GET /metrics", "", b"").expect("an answer");
    let told = String::from_utf8(told).expect("text");
    assert!(told.lines().any(|line| line == "truestream_wrong_passwords 11"), "{told}");
}
