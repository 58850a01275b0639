//! The part of Kafka's protocol that reads topics: questions become bytes, and bytes become answers.
//!
//! ```text
//! Question ──▶ bytes ──▶ (a broker, elsewhere) ──▶ bytes ──▶ versions │ Metadata │ offsets │ Fetched ──▶ Batch ──▶ Message
//! ```
//!
//! One version of each question, which every broker since Kafka 0.11 answers, up to 4.x and what speaks like it; of `Metadata` a second one, which
//! tells the ids of topics (Kafka 2.8): by it a topic that was deleted and made anew is another one. What was received is
//! believed in nothing: no length that it announces is memory before the bytes are there, and unpacked it has a bound.

mod batch;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;

pub use batch::{Aborted, Batch, Message, Unreadable, Value, batches};
pub use wire::Malformed;
use wire::{Received, Sending};

/// Who asks, in the logs of brokers.
const CLIENT: &str = "truestream";
/// As a reader that is no broker.
const NO_BROKER: i32 = -1;
/// What is part of a transaction is not told before that has ended.
const READ_COMMITTED: u8 = 1;

/// The id of a topic, which no other topic ever has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TopicId {
    /// The id that is written so.
    pub fn parse(text: &str) -> Option<TopicId> {
        let is_written = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_written.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(|id| TopicId(id.to_be_bytes()))
    }
}

/// Something that a broker says is wrong, by its number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong(pub i16);

impl Wrong {
    /// The offset is none that the broker has.
    pub const OFFSET_OUT_OF_RANGE: Wrong = Wrong(1);
    /// There is no such topic, or none that may be read.
    pub const UNKNOWN_TOPIC: Wrong = Wrong(3);

    /// Whether it is over as soon as one asks the broker that leads now.
    pub fn is_about_leaders(self) -> bool {
        // Unknown there, no leader yet, not the leader, a leader of another time.
        [3, 5, 6, 74, 75, 76].contains(&self.0)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            1 => "it has no such offset",
            2 => "its copy is damaged",
            3 => "there is no such topic or partition",
            5 => "nobody leads the partition now",
            6 => "another broker leads the partition",
            7 => "it took too long",
            17 => "no name of a topic",
            29 => "this topic may not be read by who we are",
            31 => "this cluster may not be asked by who we are",
            33 => "this way of saying who we are is not known there",
            34 => "it wants to know who asks: --kafka-login",
            35 => "it does not know this version of the question",
            58 => "name or password is wrong",
            _ => "something else",
        };
        write!(f, "the broker says: {words} (error {})", self.0)
    }
}

impl std::error::Error for Wrong {}

/// Why a broker cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It speaks something else.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It does not want to.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// It does not know the questions.
    #[error("the broker does not answer what brokers since Kafka 0.11 do")]
    Versions,
    /// It knows other ways of saying who one is.
    #[error("{wrong}; it knows {known}")]
    Mechanism {
        /// What it says.
        wrong: Wrong,
        /// Those that it knows.
        known: String,
    },
}

fn right(code: i16) -> Result<(), Wrong> {
    if code == 0 { Ok(()) } else { Err(Wrong(code)) }
}

/// Which end of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first offset that is there.
    Earliest,
    /// The offset that comes next.
    Latest,
}

/// What a broker is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// Which versions of which questions it answers.
    Versions,
    /// Who leads the partitions of these topics, with their ids where the broker knows that version of the question.
    Metadata {
        /// The topics.
        topics: &'a [&'a str],
        /// Whether ids are asked for.
        with_ids: bool,
    },
    /// Where these partitions end.
    Offsets {
        /// Partitions by topic.
        partitions: &'a [(&'a str, Vec<i32>)],
        /// At which end.
        end: End,
    },
    /// What stands in these partitions from these offsets on.
    Fetch {
        /// Partitions, each with its offset, by topic.
        partitions: &'a [(&'a str, Vec<(i32, i64)>)],
        /// How much, so long as it is more than one batch.
        bytes_max: i32,
        /// So much is waited for.
        bytes_min: i32,
        /// No longer than so many milliseconds.
        wait_ms: i32,
    },
    /// By which mechanism we are going to say who we are.
    Handshake(&'a str),
    /// Who we are, in the words of the mechanism.
    Authenticate(&'a [u8]),
}

impl Question<'_> {
    /// Its number, its version, and whether it is compact.
    fn kind(self) -> (i16, i16, bool) {
        match self {
            Question::Versions => (18, 0, false),
            Question::Metadata { with_ids: false, .. } => (3, 4, false),
            Question::Metadata { with_ids: true, .. } => (3, 10, true),
            Question::Offsets { .. } => (2, 2, false),
            Question::Fetch { .. } => (1, 4, false),
            Question::Handshake(_) => (17, 1, false),
            Question::Authenticate(_) => (36, 0, false),
        }
    }

    /// It, as it is sent; the answer has the same number.
    pub fn to_bytes(self, number: i32) -> Vec<u8> {
        let (kind, version, is_compact) = self.kind();
        let mut sending = Sending::default();
        sending.i32(0).i16(kind).i16(version).i32(number).text(CLIENT);
        sending.is_compact = is_compact;
        sending.tags();
        match self {
            Question::Versions => {}
            Question::Metadata { topics, with_ids } => {
                sending.list(topics, |sending, topic| {
                    if with_ids {
                        sending.put([0; 16]);
                    }
                    sending.text(topic).tags();
                });
                // A name that is mistyped makes no topic; what may be done with what there is is not asked.
                sending.put([0]).put(if with_ids { &[0, 0][..] } else { &[] }).tags();
            }
            Question::Offsets { partitions, end } => {
                sending.i32(NO_BROKER).put([READ_COMMITTED]).list(partitions, |sending, (topic, partitions)| {
                    sending.text(topic).list(partitions, |sending, partition| {
                        sending.i32(*partition).i64(if end == End::Earliest { -2 } else { -1 });
                    });
                });
            }
            Question::Fetch { partitions, bytes_max, bytes_min, wait_ms } => {
                sending.i32(NO_BROKER).i32(wait_ms).i32(bytes_min).i32(bytes_max).put([READ_COMMITTED]);
                sending.list(partitions, |sending, (topic, partitions)| {
                    sending.text(topic).list(partitions, |sending, (partition, offset)| {
                        sending.i32(*partition).i64(*offset).i32(bytes_max);
                    });
                });
            }
            Question::Handshake(mechanism) => drop(sending.text(mechanism)),
            Question::Authenticate(words) => drop(sending.i32(words.len() as i32).put(words)),
        }
        let mut bytes = sending.bytes;
        let length = bytes.len() as i32 - 4;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// What follows the head of its answer.
    fn answer(self, number: i32, bytes: &[u8]) -> Result<Received<'_>, Malformed> {
        let mut received = Received::new(bytes, self.kind().2);
        if received.i32()? != number {
            return Err(Malformed("it answers another question"));
        }
        received.tags()?;
        Ok(received)
    }
}

/// A broker that leads partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: i32,
    /// Where it listens, as `host:port`.
    pub address: String,
}

/// A topic, as a broker tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id, where brokers know ids.
    pub id: Option<TopicId>,
    /// Its partitions, or why nothing can be told of it.
    pub partitions: Result<Vec<Led>, Wrong>,
}

/// A partition, and who leads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// Its number.
    pub partition: i32,
    /// The broker, or why nobody does.
    pub leader: Result<i32, Wrong>,
}

/// Where a partition ends, at the end that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The offset, or what is wrong.
    pub at: Result<i64, Wrong>,
}

/// Who leads what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The brokers.
    pub brokers: Vec<Broker>,
    /// The topics that were asked for.
    pub topics: Vec<Topic>,
}

/// What stands in a partition from an offset on.
#[derive(Debug)]
pub struct Fetched<'a> {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The offset that comes after the last message of the partition; or what is wrong.
    pub end: Result<i64, Wrong>,
    /// What producers took back.
    pub aborted: Aborted,
    /// The batches, of which the last one may be cut off.
    pub batches: &'a [u8],
}

/// Whether the broker knows the version of [`Question::Metadata`] that tells ids, by its answer to [`Question::Versions`].
///
/// # Errors
/// When it is none, or the broker knows one of the other questions not at all or not any more.
pub fn tells_ids(number: i32, bytes: &[u8]) -> Result<bool, Trouble> {
    let mut received = Question::Versions.answer(number, bytes)?;
    right(received.i16()?)?;
    let known = received.list(|received| Ok((received.i16()?, received.i16()?, received.i16()?)))?;
    let knows = |question: Question<'_>| {
        let (kind, version, _) = question.kind();
        known.iter().any(|(known, first, last)| *known == kind && (*first..=*last).contains(&version))
    };
    let metadata = |with_ids| Question::Metadata { topics: &[], with_ids };
    let offsets = Question::Offsets { partitions: &[], end: End::Latest };
    let fetch = Question::Fetch { partitions: &[], bytes_max: 0, bytes_min: 0, wait_ms: 0 };
    if !(knows(offsets) && knows(fetch) && (knows(metadata(true)) || knows(metadata(false)))) {
        return Err(Trouble::Versions);
    }
    Ok(knows(metadata(true)))
}

/// The answer to [`Question::Metadata`].
///
/// # Errors
/// When it is none.
pub fn metadata(with_ids: bool, number: i32, bytes: &[u8]) -> Result<Metadata, Malformed> {
    let mut received = Question::Metadata { topics: &[], with_ids }.answer(number, bytes)?;
    let _throttle_ms = received.i32()?;
    let brokers = received.list(|received| {
        let (id, host, port) = (received.i32()?, received.text()?.unwrap_or_default(), received.i32()?);
        let _rack = received.text()?;
        received.tags()?;
        // An address of version 6 has colons of its own.
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Ok(Broker { id, address: format!("{host}:{port}") })
    })?;
    let (_cluster, _controller) = (received.text()?, received.i32()?);
    let topics = received.list(|received| {
        let (code, name) = (received.i16()?, received.text()?.unwrap_or_default());
        let id = if with_ids { received.id()? } else { [0; 16] };
        let _is_internal = received.i8()?;
        let partitions = received.list(|received| {
            let (code, partition, leader) = (received.i16()?, received.i32()?, received.i32()?);
            if with_ids {
                let _epoch = received.i32()?;
            }
            let (_copies, _in_step) = (received.list(Received::i32)?, received.list(Received::i32)?);
            if with_ids {
                let _offline = received.list(Received::i32)?;
            }
            received.tags()?;
            // A broker may be missing as a copy while another one leads.
            let nobody = Wrong(if code == 0 { 5 } else { code });
            Ok(Led { partition, leader: if leader >= 0 { Ok(leader) } else { Err(nobody) } })
        })?;
        if with_ids {
            let _what_may_be_done = received.i32()?;
        }
        received.tags()?;
        let id = Some(TopicId(id)).filter(|id| id.0 != [0; 16]);
        Ok(Topic { name, id, partitions: right(code).map(|()| partitions) })
    })?;
    if with_ids {
        let _what_may_be_done = received.i32()?;
    }
    received.tags()?;
    Ok(Metadata { brokers, topics })
}

/// The answer to [`Question::Offsets`].
///
/// # Errors
/// When it is none.
pub fn offsets(number: i32, bytes: &[u8]) -> Result<Vec<Ends>, Malformed> {
    let mut received = Question::Offsets { partitions: &[], end: End::Latest }.answer(number, bytes)?;
    let _throttle_ms = received.i32()?;
    let topics = received.list(|received| {
        let topic = received.text()?.unwrap_or_default();
        received.list(|received| {
            let (partition, code, _at, offset) = (received.i32()?, received.i16()?, received.i64()?, received.i64()?);
            Ok(Ends { topic: topic.clone(), partition, at: right(code).map(|()| offset) })
        })
    })?;
    Ok(topics.into_iter().flatten().collect())
}

/// The answer to [`Question::Fetch`].
///
/// # Errors
/// When it is none.
pub fn fetched(number: i32, bytes: &[u8]) -> Result<Vec<Fetched<'_>>, Malformed> {
    let fetch = Question::Fetch { partitions: &[], bytes_max: 0, bytes_min: 0, wait_ms: 0 };
    let mut received = fetch.answer(number, bytes)?;
    let _throttle_ms = received.i32()?;
    let topics = received.list(|received| {
        let topic = received.text()?.unwrap_or_default();
        received.list(|received| {
            let (partition, code, end, _settled) = (received.i32()?, received.i16()?, received.i64()?, received.i64()?);
            let aborted = received.list(|received| Ok((received.i64()?, received.i64()?)))?;
            let aborted = Aborted::new(aborted.into_iter().map(|(producer, first)| (first, producer)).collect());
            let batches = received.bytes()?;
            Ok(Fetched { topic: topic.clone(), partition, end: right(code).map(|()| end), aborted, batches })
        })
    })?;
    Ok(topics.into_iter().flatten().collect())
}

/// The answer to [`Question::Handshake`].
///
/// # Errors
/// When it is none, or the broker does not know the mechanism.
pub fn handshaken(number: i32, bytes: &[u8]) -> Result<(), Trouble> {
    let mut received = Question::Handshake("").answer(number, bytes)?;
    let code = received.i16()?;
    let known = received.list(|received| received.text().map(Option::unwrap_or_default))?;
    right(code).map_err(|wrong| Trouble::Mechanism { wrong, known: known.join(", ") })
}

/// The answer to [`Question::Authenticate`]: what the mechanism says.
///
/// # Errors
/// When it is none, or the broker does not let us in.
pub fn authenticated(number: i32, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut received = Question::Authenticate(&[]).answer(number, bytes)?;
    right(received.i16()?)?;
    let _reason = received.text()?;
    Ok(received.bytes()?.to_vec())
}
