//! Brokers that a test holds in its hands: they answer what they are asked in Kafka's protocol as of 0.11, without ids of topics, lose messages, add
//! partitions, give them to others and damage them as they are told.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::sleep;
use std::time::Duration;

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::broker::{Put, batch};

/// A partition.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The first offset that is there.
    pub earliest: i64,
    /// The messages from there on.
    pub messages: Vec<Option<Vec<u8>>>,
    /// Which of the brokers leads it.
    pub leader: usize,
    /// Its batches have a bit that is not theirs.
    pub is_damaged: bool,
}

impl Held {
    fn latest(&self) -> i64 {
        self.earliest + self.messages.len() as i64
    }
}

/// What the brokers have: partitions of one topic.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    addresses: Vec<String>,
    /// The partitions.
    pub partitions: BTreeMap<i32, Held>,
}

/// Some brokers.
#[derive(Clone)]
pub struct StandIn {
    topic: &'static str,
    cluster: Arc<Mutex<Cluster>>,
    guard: Option<Guard>,
}

/// Whom brokers answer.
#[derive(Clone)]
pub struct Guard {
    /// Who speaks TLS.
    pub tls: Arc<ServerConfig>,
    /// And says this of itself.
    pub login: &'static [u8],
}

impl StandIn {
    /// So many brokers of a topic.
    pub fn start(topic: &'static str, brokers: usize) -> StandIn {
        StandIn::start_guarded(topic, brokers, None)
    }

    /// So many that answer only some.
    pub fn start_guarded(topic: &'static str, brokers: usize, guard: Option<Guard>) -> StandIn {
        let stand_in = StandIn { topic, cluster: Arc::default(), guard };
        for number in 0..brokers {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = listener.local_addr().expect("it is bound").port();
            // A certificate is of a name.
            let host = if stand_in.guard.is_some() { "localhost" } else { "127.0.0.1" };
            stand_in.now().addresses.push(format!("{host}:{port}"));
            let stand_in = stand_in.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let stand_in = stand_in.clone();
                    std::thread::spawn(move || match stand_in.guard.clone() {
                        None => stand_in.answer(number, stream),
                        Some(guard) => {
                            let session = ServerConnection::new(guard.tls).expect("a session");
                            stand_in.answer(number, StreamOwned::new(session, stream))
                        }
                    });
                }
            });
        }
        stand_in
    }

    /// What they have now, to be looked at and changed.
    pub fn now(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("nobody panics with it")
    }

    /// Adds messages to a partition, which is made where it is not there.
    pub fn write(&self, partition: i32, messages: impl IntoIterator<Item = Option<Vec<u8>>>) {
        self.now().partitions.entry(partition).or_default().messages.extend(messages);
    }

    /// Where they listen.
    pub fn addresses(&self) -> String {
        self.now().addresses.join(",")
    }

    /// Answers until the other side hangs up.
    fn answer(&self, broker: usize, mut stream: impl Read + Write) -> io::Result<()> {
        let mut is_known = self.guard.is_none();
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut question = vec![0; i32::from_be_bytes(length) as usize];
            stream.read_exact(&mut question)?;
            let mut asked = Asked(&question);
            let (kind, _version, number) = (asked.i16(), asked.i16(), asked.i32());
            asked.text();
            let mut answer = Vec::new();
            answer.i32(number);
            match kind {
                18 => drop(answer.i16(0).i32(3).i16(1).i16(4).i16(4).i16(2).i16(2).i16(2).i16(3).i16(4).i16(4)),
                17 => drop(answer.i16(if asked.text() == b"PLAIN" { 0 } else { 33 }).i32(1).text("PLAIN")),
                36 => {
                    asked.skip(4);
                    is_known = self.guard.as_ref().is_some_and(|guard| asked.0 == guard.login);
                    answer.i16(if is_known { 0 } else { 58 }).i16(-1).i32(0);
                }
                // Who does not say who it is hears nothing.
                _ if !is_known => return Ok(()),
                3 => self.metadata(&mut answer),
                2 => self.offsets(&mut asked, &mut answer),
                1 => self.fetch(broker, &mut asked, &mut answer),
                other => panic!("nobody asks {other}"),
            }
            stream.write_all(&(answer.len() as i32).to_be_bytes())?;
            stream.write_all(&answer)?;
            stream.flush()?;
        }
    }

    fn metadata(&self, answer: &mut Vec<u8>) {
        let cluster = self.now();
        answer.i32(0).i32(cluster.addresses.len() as i32);
        for (id, address) in cluster.addresses.iter().enumerate() {
            let (host, port) = address.split_once(':').expect("an address");
            answer.i32(id as i32).text(host).i32(port.parse().expect("a port")).i16(-1);
        }
        answer.i16(-1).i32(0).i32(1).i16(0).text(self.topic).put(&[0]).i32(cluster.partitions.len() as i32);
        for (partition, held) in &cluster.partitions {
            answer.i16(0).i32(*partition).i32(held.leader as i32).i32(0).i32(0);
        }
    }

    fn offsets(&self, asked: &mut Asked<'_>, answer: &mut Vec<u8>) {
        asked.skip(5);
        let partitions = asked.partitions(|asked| (asked.i32(), asked.i64()));
        answer.i32(0).i32(1).text(self.topic).i32(partitions.len() as i32);
        let cluster = self.now();
        for (partition, at) in partitions {
            let held = &cluster.partitions[&partition];
            answer.i32(partition).i16(0).i64(-1).i64(if at == -2 { held.earliest } else { held.latest() });
        }
    }

    fn fetch(&self, broker: usize, asked: &mut Asked<'_>, answer: &mut Vec<u8>) {
        asked.skip(17);
        let partitions = asked.partitions(|asked| {
            let (partition, offset) = (asked.i32(), asked.i64());
            asked.skip(4);
            (partition, offset)
        });
        // A real one waits for so long where there is nothing.
        sleep(Duration::from_millis(10));
        answer.i32(0).i32(1).text(self.topic).i32(partitions.len() as i32);
        let cluster = self.now();
        for (partition, offset) in partitions {
            let held = &cluster.partitions[&partition];
            let wrong = match held.leader == broker {
                false => 6,
                true => i16::from(!(held.earliest..=held.latest()).contains(&offset)),
            };
            answer.i32(partition).i16(wrong).i64(if wrong == 0 { held.latest() } else { -1 }).i64(-1).i32(0);
            // A few at a time, in batches that begin before what is asked for.
            let begin = (offset - 3).max(held.earliest);
            let messages = held.messages.iter().skip((begin - held.earliest).max(0) as usize).take(20);
            let messages: Vec<Option<Vec<u8>>> = messages.cloned().collect();
            let mut bytes = if wrong != 0 || offset == held.latest() { Vec::new() } else { batch(begin, &messages) };
            if held.is_damaged {
                bytes.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
            }
            answer.i32(bytes.len() as i32).put(&bytes);
        }
    }
}

/// What was asked, from its first byte that was not read yet.
struct Asked<'a>(&'a [u8]);

impl Asked<'_> {
    fn skip(&mut self, bytes: usize) {
        self.0 = &self.0[bytes..];
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let array = self.0[..N].try_into().expect("as many bytes");
        self.skip(N);
        array
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.array())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.array())
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.array())
    }

    fn text(&mut self) -> &[u8] {
        let (text, rest) = self.0[2..].split_at(i16::from_be_bytes([self.0[0], self.0[1]]) as usize);
        self.0 = rest;
        text
    }

    /// What is asked of each partition of the one topic.
    fn partitions<T>(&mut self, mut each: impl FnMut(&mut Self) -> T) -> Vec<T> {
        assert_eq!(self.i32(), 1, "one topic");
        self.text();
        (0..self.i32()).map(|_| each(self)).collect()
    }
}
