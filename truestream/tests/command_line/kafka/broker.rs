//! A broker of Kafka's protocol as a process, and who writes to it.
//!
//! It is tansu, which keeps everything in memory: one that is killed forgets all. `ops/kafka.sh` brings it; without it tests say so and pass.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::{Running, start_command};

/// The version that `ops/kafka.sh` brings.
const TANSU: &str = "tansu-0.6.0";
/// A broker of a test is there, or never will be.
const COMES_WITHIN: Duration = Duration::from_secs(30);

/// The program; says so once where it is not there.
fn tansu() -> Option<&'static PathBuf> {
    static TANSU_IS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let folder = std::env::var_os("TRUESTREAM_TANSU").map(PathBuf::from).or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
            Some(cache.join("truestream").join(TANSU))
        });
        let program = folder.map(|folder| folder.join("tansu")).filter(|program| program.is_file());
        if program.is_none() {
            // Past what the harness keeps of tests that pass.
            let _ = writeln!(std::io::stderr(), "skipped: no broker (ops/kafka.sh brings one)");
        }
        program
    };
    TANSU_IS.get_or_init(find).as_ref()
}

/// A broker; it is killed with the test.
pub struct Broker {
    running: Running,
    /// Where it listens.
    pub address: String,
}

impl Broker {
    /// Starts one, with these options too; `None` where there is none.
    pub fn start(more: &[&str]) -> Option<Broker> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        Broker::start_at(&free.to_string(), more)
    }

    /// Starts one there.
    pub fn start_at(address: &str, more: &[&str]) -> Option<Broker> {
        let mut command = Command::new(tansu()?);
        let url = format!("tcp://{address}");
        command.args([
            "--listener-url",
            &url,
            "--advertised-listener-url",
            &url,
            "--storage-engine",
            "memory://tansu/",
        ]);
        let running = start_command({
            command.args(more);
            command
        });
        let until = Instant::now() + COMES_WITHIN;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "no broker: {} {}", running.out(), running.err());
            sleep(Duration::from_millis(10));
        }
        Some(Broker { running, address: address.to_owned() })
    }

    /// Kills it.
    pub fn kill(self) {
        self.running.kill();
    }

    /// Who writes to it.
    pub fn writer(&self) -> Writer {
        Writer { stream: TcpStream::connect(&self.address).expect("it listens"), number: 0 }
    }
}

/// Who makes topics and writes messages.
pub struct Writer {
    stream: TcpStream,
    number: i32,
}

/// Whole numbers and texts, as the protocol has them.
pub trait Put {
    /// Adds bytes.
    fn put(&mut self, bytes: &[u8]) -> &mut Self;

    /// Adds a number of two bytes.
    fn i16(&mut self, number: i16) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// Adds a number of four bytes.
    fn i32(&mut self, number: i32) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// Adds a number of eight bytes.
    fn i64(&mut self, number: i64) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// Adds a text after its length.
    fn text(&mut self, text: &str) -> &mut Self {
        self.i16(text.len() as i16).put(text.as_bytes())
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}

impl Writer {
    fn ask(&mut self, kind: i16, version: i16, question: &[u8]) -> Vec<u8> {
        self.number += 1;
        let mut sent = Vec::new();
        sent.i32(question.len() as i32 + 14).i16(kind).i16(version).i32(self.number).text("test").put(question);
        self.stream.write_all(&sent).expect("it listens");
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("an answer");
        let mut answer = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer[..4], self.number.to_be_bytes());
        answer.split_off(4)
    }

    /// Makes a topic.
    pub fn create(&mut self, topic: &str, partitions: i32) {
        let mut question = Vec::new();
        question.i32(1).text(topic).i32(partitions).i16(1).i32(0).i32(0).i32(30_000).put(&[0]);
        let answer = self.ask(19, 2, &question);
        // Throttling, one topic, its name, and what is wrong.
        let at = 4 + 4 + 2 + topic.len();
        assert_eq!(answer[at..at + 2], [0, 0], "{topic}: {answer:?}");
    }

    /// Writes messages.
    pub fn write(&mut self, topic: &str, partition: i32, messages: &[Option<Vec<u8>>]) {
        let batch = batch(0, messages);
        let mut question = Vec::new();
        question
            .i16(-1)
            .i16(-1)
            .i32(30_000)
            .i32(1)
            .text(topic)
            .i32(1)
            .i32(partition)
            .i32(batch.len() as i32)
            .put(&batch);
        let answer = self.ask(0, 3, &question);
        // One topic, its name, one partition, its number, and what is wrong.
        let at = 4 + 2 + topic.len() + 4 + 4;
        assert_eq!(answer[at..at + 2], [0, 0], "{topic}/{partition}: {answer:?}");
    }
}

/// The messages as a batch, as it stands in a partition from that offset on.
pub fn batch(first: i64, messages: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut rest = Vec::new();
    // Not packed, in no transaction; written at the epoch, by nobody.
    rest.i16(0).i32(messages.len() as i32 - 1).i64(0).i64(0).i64(-1).i16(-1).i32(-1).i32(messages.len() as i32);
    for (delta, value) in messages.iter().enumerate() {
        let mut record = vec![0, 0];
        zigzag(delta as i64, &mut record);
        zigzag(-1, &mut record);
        zigzag(value.as_ref().map_or(-1, |value| value.len() as i64), &mut record);
        record.put(value.as_deref().unwrap_or_default());
        zigzag(0, &mut record);
        zigzag(record.len() as i64, &mut rest);
        rest.put(&record);
    }
    let mut batch = Vec::new();
    batch.i64(first).i32(rest.len() as i32 + 9).i32(0).put(&[2]).put(&crc32c::crc32c(&rest).to_be_bytes()).put(&rest);
    batch
}

fn zigzag(number: i64, to: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest > 0x7f {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}
