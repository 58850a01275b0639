//! Topics of Kafka become what a replay of the same rows says, however often the service is killed meanwhile, and nothing of them is passed over.
//!
//! ```text
//! rows ──▶ tansu (a broker, as a process), or a stand-in that loses, moves and damages what it is told ──▶ truestream serve --kafka ──▶ views
//! ```
//!
//! Where there is no tansu its tests say so and pass: `ops/kafka.sh` brings one. More of it: `TRUESTREAM_ROUNDS=1000`.

mod broker;
mod standin;

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::broker::Broker;
use self::standin::{Guard, Held, StandIn};
use crate::access::{certified, served};
use crate::alive::{EVERY_MS, HOW, Service, VIEWS, lines, mixed, replayed, rounds};
use crate::data::{MONDAY, read, text, world};
use crate::process::truestream;

/// The topic of plays.
const TOPIC: &str = "plays.eu";

/// A play as a message.
fn play(number: usize) -> Option<Vec<u8>> {
    let at = MONDAY + number as i64;
    let row = json!({"play_id": format!("p{number}"), "ended_at": at, "account_id": "a", "track_id": "t", "played_ms": 40_000});
    Some(row.to_string().into_bytes())
}

impl Service {
    /// Starts one that reads the topic of the brokers.
    fn reading(state: &Path, brokers: &str, more: &[&str]) -> Service {
        let topic = format!("plays={TOPIC}");
        Service::start(state, &[&["--time", "told", "--kafka", brokers, "--kafka-topic", &topic], more].concat())
    }

    fn topics(&self) -> Value {
        self.json("GET /health").1["kafka"].clone()
    }

    /// Waits until something is so of the topics.
    fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let until = Instant::now() + Duration::from_secs(120);
        while !is_so(&self.topics()) {
            assert!(Instant::now() < until, "never {what}: {} {}", self.topics(), self.running.err());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until partitions are read to these ends.
    fn reads_up_to(&self, ends: &[i64]) {
        self.wait_for(&format!("read up to {ends:?}"), |topics| {
            ends.iter().enumerate().all(|(partition, end)| {
                let stands = &topics["partitions"][format!("{TOPIC}/{partition}")];
                (&stands["at"], &stands["lag"], &stands["problem"]) == (&json!(end), &json!(0), &Value::Null)
            })
        });
    }

    /// Waits until the first partition is not read, for a reason that says all of this.
    fn stops_with(&self, says: &[&str]) {
        self.wait_for(&format!("{says:?}"), |topics| {
            let problem = topics["partitions"][format!("{TOPIC}/0")]["problem"].as_str().unwrap_or_default();
            says.iter().all(|word| problem.contains(word))
        });
        // Everything else goes on.
        self.wait_until_stated();
    }

    /// So many plays of the account count as of the end of the first refresh.
    fn counts(&self, plays: usize) {
        let until = (MONDAY.div_euclid(EVERY_MS) + 1) * EVERY_MS;
        let told = self.ask("POST /v1/plays", &format!("Truestream-Until: {until}\r\n"), b"").expect("an answer");
        assert_eq!(told.0, 200);
        self.wait_as_of(until);
        let (_, rows) = self.json("GET /v1/view/account_window?key=a&window=24h");
        assert_eq!(rows["rows"][0]["plays"], json!(plays), "{rows}");
    }

    fn metric(&self, name: &str) -> Option<f64> {
        let (_, told) = self.ask("GET /metrics", "", b"").expect("an answer");
        let told = String::from_utf8(told).expect("text");
        told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

/// The world's plays, some of them in both partitions, some many in one message, become its tables, although the service is killed in every round.
fn counts_each_message_once(brokers: &str, mut write: impl FnMut(i32, Vec<Option<Vec<u8>>>) + Send) {
    let folder = TempDir::new().expect("a folder");
    let (tables, as_of) = replayed(&HOW, world(), folder.path(), &VIEWS, &[]);
    let state = folder.path().join("state");
    let start = || Service::reading(&state, brokers, &["--ids", "number"]);
    let post = |service: &Service, table: &str, headers: &str, body: &[u8]| {
        assert_eq!(service.ask(&format!("POST /v1/{table}"), headers, body).expect("an answer").0, 200, "{table}");
    };
    // What is known of accounts and networks is looked up when a play is read.
    let service = start();
    for table in ["tracks", "accounts", "distributors", "networks"] {
        post(&service, table, "", &lines(&read(&world().join(format!("{table}.parquet")))));
    }
    service.running.kill();

    let plays = lines(&read(&world().join("plays.parquet")));
    let plays: Vec<&[u8]> = plays.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let chunks: Vec<&[&[u8]]> = plays.chunks(10).collect();
    let rounds = rounds(10);
    let mut written = 0;
    for (round, share) in chunks.chunks(chunks.len().div_ceil(rounds as usize)).enumerate() {
        let service = start();
        std::thread::scope(|scope| {
            let (write, written) = (&mut write, &mut written);
            scope.spawn(move || {
                for (number, chunk) in share.iter().enumerate() {
                    let messages = match number % 3 {
                        0 => vec![Some(chunk.join(&b'\n'))],
                        _ => chunk.iter().map(|line| Some(line.to_vec())).collect(),
                    };
                    let partition = (number % 2) as i32;
                    if number % 5 == 0 {
                        write(1 - partition, messages.clone());
                        *written += chunk.len();
                    }
                    write(partition, messages);
                    *written += chunk.len();
                    sleep(Duration::from_millis(2));
                }
            });
            sleep(Duration::from_millis(mixed(round as u64, 400)));
            service.running.kill_now();
        });
    }
    let service = start();
    post(&service, "corrections", "", &lines(&read(&world().join("corrections.parquet"))));
    service.wait_for("read to the end", |topics| {
        let partitions: Vec<&Value> =
            topics["partitions"].as_object().into_iter().flat_map(|all| all.values()).collect();
        partitions.len() == 2
            && partitions.iter().all(|stands| stands["lag"] == json!(0) && stands["problem"].is_null())
    });
    post(&service, "plays", &format!("Truestream-Until: {as_of}\r\n"), b"");
    service.wait_as_of(as_of);
    service.states(&tables, &VIEWS);
    // Each row that was written is in the log once.
    assert_eq!(service.metric("truestream_plays"), Some(written as f64));
    service.running.ask_to_end();
    service.running.end().good();
    truestream(&["fsck", "--state", &text(&state)]).good();
}

#[test]
fn each_message_of_a_broker_counts_once_though_the_service_is_killed_over_and_over() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut writer = broker.writer();
    writer.create(TOPIC, 2);
    counts_each_message_once(&broker.address, |partition, messages| writer.write(TOPIC, partition, &messages));
}

#[test]
fn each_message_of_a_stand_in_counts_once_though_the_service_is_killed_over_and_over() {
    let stand_in = StandIn::start(TOPIC, 2);
    stand_in
        .now()
        .partitions
        .extend([0, 1].map(|number| (number, Held { leader: number as usize, ..Held::default() })));
    let write = |partition, messages| stand_in.write(partition, messages);
    counts_each_message_once(&stand_in.addresses(), write);
}

#[test]
fn a_partition_that_is_added_or_led_by_somebody_else_is_read_and_a_play_in_two_counts_once() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let stand_in = StandIn::start(TOPIC, 2);
    stand_in.write(0, (0..30).map(play));
    let brokers = stand_in.addresses();
    let service = Service::reading(&state, &brokers, &[]);
    service.reads_up_to(&[30]);
    stand_in.write(1, (20..50).map(play));
    stand_in.now().partitions.get_mut(&1).expect("it was added").leader = 1;
    service.reads_up_to(&[30, 30]);
    stand_in.now().partitions.get_mut(&0).expect("it is there").leader = 1;
    stand_in.write(0, (50..60).map(play));
    service.reads_up_to(&[40, 30]);
    service.running.kill();
    // What is added while nobody reads is new, too, whatever is said of where to begin.
    stand_in.write(2, (55..70).map(play));
    let service = Service::reading(&state, &brokers, &["--kafka-from", "latest"]);
    service.reads_up_to(&[40, 30, 15]);
    assert_eq!(
        service.metric(&format!("truestream_kafka_lag_messages{{topic=\"{TOPIC}\",partition=\"2\"}}")),
        Some(0.0)
    );
    service.counts(70);
}

#[test]
fn where_messages_are_gone_or_damaged_nothing_is_read_until_somebody_says_how_to_go_on() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let stand_in = StandIn::start(TOPIC, 1);
    let brokers = stand_in.addresses();
    let has = |earliest: i64, plays: std::ops::Range<usize>| {
        let held = Held { earliest, messages: plays.map(play).collect(), ..Held::default() };
        stand_in.now().partitions.insert(0, held);
    };
    has(0, 0..20);
    let service = Service::reading(&state, &brokers, &[]);
    service.reads_up_to(&[20]);
    service.running.kill();

    // Retention was faster than a service that did not run.
    has(30, 30..50);
    let service = Service::reading(&state, &brokers, &[]);
    service.stops_with(&["offsets 20 to 29 were not read and are gone", "30 to 49", "--kafka-from"]);
    assert_eq!(service.metric("truestream_kafka_partitions_stopped"), Some(1.0));
    service.running.kill();
    let service = Service::reading(&state, &brokers, &["--kafka-from", &format!("{TOPIC}/0=29")]);
    service.stops_with(&["no such offset", "30 to 49"]);
    service.running.kill();
    let service = Service::reading(&state, &brokers, &["--kafka-from", &format!("{TOPIC}/0=40")]);
    service.reads_up_to(&[50]);
    service.running.kill();

    // It becomes shorter than it was read, while the service runs.
    let service = Service::reading(&state, &brokers, &[]);
    service.reads_up_to(&[50]);
    has(0, 50..55);
    service.stops_with(&["read up to offset 49", "0 to 4", "lost", "--kafka-from"]);
    service.running.kill();
    let service = Service::reading(&state, &brokers, &["--kafka-from", "earliest"]);
    service.reads_up_to(&[5]);
    service.running.kill();
    // From then on it is as long as it was, and nobody has to say anything.
    stand_in.write(0, (55..120).map(play));
    let service = Service::reading(&state, &brokers, &[]);
    service.reads_up_to(&[70]);

    // What comes damaged is not believed, and read as soon as it comes whole.
    let is_damaged = |is_damaged| stand_in.now().partitions.get_mut(&0).expect("it is there").is_damaged = is_damaged;
    is_damaged(true);
    stand_in.write(0, (120..125).map(play));
    service.stops_with(&["checksum"]);
    is_damaged(false);
    service.reads_up_to(&[75]);
    service.counts(20 + 10 + 75);
}

#[test]
fn a_message_that_is_no_row_is_a_dead_letter_that_says_where_it_stood() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let stand_in = StandIn::start(TOPIC, 1);
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let lines =
        [play(1), bytes("{\"play_id\":\"x\",\"ended_at\":\"noon\"}"), play(2)].map(|line| line.expect("a line"));
    let lines = Some(lines.join(&b'\n'));
    let (long, short) = (Some(vec![b' '; 5 << 20]), bytes("{\"play_id\":\"y\"}"));
    stand_in.write(0, [play(0), bytes("broken"), None, lines, long, bytes(""), short, play(3)]);
    let service = Service::reading(&state, &stand_in.addresses(), &[]);
    service.reads_up_to(&[8]);
    service.counts(4);
    let (_, refused) = service.json("GET /v1/view/refusal");
    let reasons = refused["rows"].as_array().expect("rows").iter().filter_map(|row| row["reason"].as_str());
    let mut reasons: Vec<&str> = reasons.collect();
    reasons.sort_unstable();
    let says = [
        "no JSON object",
        "a tombstone",
        "ended_at is \"noon\"",
        "a message of 5242880 bytes",
        "empty",
        "ended_at is null",
    ];
    assert_eq!(reasons.len(), says.len(), "{reasons:?}");
    for ((offset, says), reason) in (1..).zip(says).zip(reasons) {
        let place = format!("{TOPIC}/0 offset {offset}: ");
        assert!(reason.starts_with(&place) && reason.contains(says), "{reason}: expected {place}{says}");
    }
    service.running.ask_to_end();
    service.running.end().good();
    let listed = truestream(&["dlq", "--state", &text(&state), "ls"]).good().out;
    assert!(listed.contains(&format!("from kafka {TOPIC}/0 - 1")) && listed.contains("offset 1"), "{listed}");
}

#[test]
fn while_there_is_no_room_nothing_is_asked_for() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let stand_in = StandIn::start(TOPIC, 1);
    stand_in.write(0, (0..20).map(play));
    let service = Service::reading(&state, &stand_in.addresses(), &["--memory-max", "1"]);
    service.wait_for("no room", |topics| topics["holds"] == json!("memory is nearly full"));
    assert_eq!(service.topics()["partitions"], json!({}));
    service.running.kill();
    let service = Service::reading(&state, &stand_in.addresses(), &[]);
    service.reads_up_to(&[20]);
    assert_eq!(service.topics()["holds"], Value::Null);
    service.counts(20);
}

#[test]
fn a_broker_that_is_away_is_waited_for_and_one_that_forgot_everything_is_not_believed() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let Some(broker) = Broker::start(&[]) else { return };
    let address = broker.address.clone();
    broker.kill();
    let is_down = |topics: &Value| topics["down"].is_string();
    let service = Service::reading(&state, &address, &[]);
    service.wait_for("away", is_down);
    assert!(service.metric("truestream_kafka_down_seconds").is_some_and(|secs| secs > 0.0));
    assert_eq!(service.json("GET /health").0, 200);

    let broker = Broker::start_at(&address, &[]).expect("it was there");
    service.wait_for("no such topic", |topics| topics.to_string().contains("no such topic"));
    let mut writer = broker.writer();
    writer.create(TOPIC, 1);
    writer.write(TOPIC, 0, &(0..20).map(play).collect::<Vec<_>>());
    service.reads_up_to(&[20]);
    broker.kill();
    service.wait_for("away again", is_down);
    assert_eq!(service.json("GET /health").0, 200);

    // It comes back with a topic of that name, which soon is longer than the one before was.
    let broker = Broker::start_at(&address, &[]).expect("it was there");
    let mut writer = broker.writer();
    writer.create(TOPIC, 1);
    writer.write(TOPIC, 0, &(20..60).map(play).collect::<Vec<_>>());
    service.stops_with(&["made anew", "--kafka-from"]);
    service.running.kill();
    let service = Service::reading(&state, &address, &[]);
    service.stops_with(&["made anew", "--kafka-from"]);
    service.running.kill();
    let service = Service::reading(&state, &address, &["--kafka-from", "earliest"]);
    service.reads_up_to(&[40]);
    service.counts(60);
}

#[test]
fn brokers_that_want_to_know_who_asks_are_told_so_in_secret_and_nobody_else_is() {
    let folder = TempDir::new().expect("a folder");
    let (certificate, key, _) = certified(folder.path());
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let (stranger, _, _) = certified(&other);
    let tls = Arc::new(served(&certificate, &key));
    let stand_in = StandIn::start_guarded(TOPIC, 1, Some(Guard { tls, login: b"\0ana\0secret" }));
    stand_in.write(0, (0..20).map(play));
    let brokers = stand_in.addresses();
    let login = |password: &str| {
        let path = folder.path().join(password);
        std::fs::write(&path, format!("ana:{password}\n")).expect("a file");
        text(&path)
    };
    let (right, wrong) = (login("secret"), login("secrets"));
    for (number, (options, says)) in [
        (&["--kafka-ca", &certificate, "--kafka-login", &wrong][..], "name or password is wrong"),
        (&["--kafka-ca", &stranger, "--kafka-login", &right], "certificate"),
        (&["--kafka-ca", &certificate], "hung up"),
        // It does not even get so far as to say who it is.
        (&["--kafka-login", &right], brokers.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let service = Service::reading(&folder.path().join(format!("state-{number}")), &brokers, options);
        service.wait_for(says, |topics| topics["down"].as_str().is_some_and(|why| why.contains(says)));
        assert!(!service.running.err().contains("secret"), "{}", service.running.err());
    }
    let state = folder.path().join("state");
    let service = Service::reading(&state, &brokers, &["--kafka-ca", &certificate, "--kafka-login", &right]);
    service.reads_up_to(&[20]);
    service.counts(20);
}

#[test]
fn options_that_cannot_be_are_refused_before_anything_is_made() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("refused");
    let login = folder.path().join("login");
    std::fs::write(&login, "ana:secret").expect("a file");
    let login = text(&login);
    let topic = ["--kafka-topic", "plays=plays.eu"];
    for (options, says) in [
        (&["--kafka", "broker"][..], "HOST:PORT"),
        (&["--kafka", "broker:9092", "--kafka-topic", "songs=a"], "songs"),
        (&["--kafka", "broker:9092", "--kafka-topic", "tracks=plays.eu"], "one table"),
        (&["--kafka", "broker:9092", "--kafka-topic", "plays=a/b"], "TABLE=TOPIC"),
        (&["--kafka", "broker:9092", "--kafka-from", "first"], "earliest, latest"),
        (&["--kafka", "broker:9092", "--kafka-login", &login], "plain text"),
    ] {
        truestream(&[&["serve", "--state", &text(&state)], options, &topic].concat()).failed(2, &[says]);
        assert!(!state.exists());
    }
}
