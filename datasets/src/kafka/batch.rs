//! What stands in a partition: batches of messages, packed or not, and marks of where transactions ended.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::io::Read;

use super::wire::{Malformed, Received};

/// Before a batch stand its first offset and its length.
const HEAD: usize = 12;
/// The form of batches since Kafka 0.11.
const FORM: i8 = 2;
/// A frame of zstd may ask for so much memory, as a power of two: the bound of what it unpacks to.
const ZSTD_WINDOW: u32 = 25;
/// How Java begins what it packs with Snappy, and the two versions that follow.
const JAVA_SNAPPY: &[u8] = b"\x82SNAPPY\0";

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it stands.
    pub offset: i64,
    /// What it says.
    pub value: Value,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing: what its key names is gone.
    Nothing,
    /// Nobody knows, for this reason.
    Unread(String),
}

/// A batch, as it stands in the partition.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The offset of its first message.
    pub first: i64,
    /// The offset of its last message, which may be gone.
    pub last: i64,
    attributes: i16,
    producer: i64,
    count: i32,
    packed: &'a [u8],
}

/// Why nothing can be read from an offset on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch at offset {offset} {why}")]
pub struct Unreadable {
    /// The offset.
    pub offset: i64,
    /// Why.
    pub why: &'static str,
}

/// The batches that were received, up to one that was cut off.
pub fn batches(mut bytes: &[u8]) -> impl Iterator<Item = Result<Batch<'_>, Unreadable>> {
    let mut is_first = true;
    std::iter::from_fn(move || {
        let is_alone = std::mem::take(&mut is_first);
        let mut head = Received::new(bytes.get(..HEAD)?, false);
        let (offset, length) = (head.i64().ok()?, head.i32().ok()?);
        let wrong = |why| Some(Err(Unreadable { offset, why }));
        let whole = usize::try_from(length).ok().and_then(|length| bytes.split_off(..HEAD + length));
        let Some(batch) = whole else {
            bytes = &[];
            return if is_alone { wrong("was cut off: it is longer than what is asked for at once") } else { None };
        };
        match Batch::read(offset, &batch[HEAD..]) {
            Ok(batch) => Some(Ok(batch)),
            Err(why) => {
                bytes = &[];
                wrong(why)
            }
        }
    })
}

impl<'a> Batch<'a> {
    fn read(first: i64, batch: &'a [u8]) -> Result<Batch<'a>, &'static str> {
        let short = |_| "is shorter than its head";
        let mut received = Received::new(batch, false);
        let (_epoch, form) = (received.i32().map_err(short)?, received.i8().map_err(short)?);
        if form != FORM {
            return Err("is of a form from before Kafka 0.11");
        }
        if received.u32().map_err(short)? != crc32c::crc32c(received.rest()) {
            return Err("is damaged: its checksum is not that of its bytes");
        }
        let mut rest = || -> Result<Batch<'a>, Malformed> {
            let (attributes, last) = (received.i16()?, received.i32()?);
            let (_from, _to) = (received.i64()?, received.i64()?);
            let (producer, _epoch, _number) = (received.i64()?, received.i16()?, received.i32()?);
            let (count, packed) = (received.i32()?, received.rest());
            let last =
                first.checked_add(i64::from(last)).filter(|last| 0 <= first && first <= *last && *last < i64::MAX);
            let last = last.ok_or(Malformed("offsets run backwards"))?;
            Ok(Batch { first, last, attributes, producer, count, packed })
        };
        rest().map_err(|Malformed(why)| why)
    }

    /// Who wrote it, by the number that the broker gave.
    #[cfg(test)]
    pub(super) fn producer(&self) -> i64 {
        self.producer
    }

    fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Whether it only says how a transaction ended.
    fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Its messages; none where it only says how a transaction ended. One that cannot be read, or unpacks to more than so many bytes, is one message
    /// that says so.
    pub fn messages(&self, bytes_max: usize) -> Vec<Message> {
        if self.is_control() {
            return Vec::new();
        }
        self.records(bytes_max, |_, value| value.map_or(Value::Nothing, |value| Value::Bytes(value.to_vec())))
            .map(|records| records.into_iter().map(|(offset, value)| Message { offset, value }).collect())
            .unwrap_or_else(|why| {
                let value = Value::Unread(format!("the batch of offsets {} to {} {why}", self.first, self.last));
                vec![Message { offset: self.first, value }]
            })
    }

    /// Whether it says that a transaction was taken back.
    fn takes_back(&self) -> bool {
        // Version and kind; 0 takes back.
        let is_abort = |key: Option<&[u8]>, _: Option<&[u8]>| key.is_some_and(|key| key.get(2..4) == Some(&[0, 0]));
        self.is_control()
            && self.records(1 << 10, is_abort).is_ok_and(|records| records.iter().any(|(_, is_abort)| *is_abort))
    }

    /// What is made of key and value of each message, with its offset.
    fn records<T>(
        &self,
        bytes_max: usize,
        mut make: impl FnMut(Option<&[u8]>, Option<&[u8]>) -> T,
    ) -> Result<Vec<(i64, T)>, String> {
        let unpacked = unpack(self.attributes & 7, self.packed, bytes_max)?;
        let mut received = Received::new(&unpacked, false);
        let mut read = || -> Result<(i64, T), Malformed> {
            let length = usize::try_from(received.zigzag()?).map_err(|_| Malformed("a length cannot be"))?;
            let mut record = Received::new(received.take(length)?, false);
            let (_attributes, _after) = (record.i8()?, record.zigzag()?);
            let offset = record.zigzag()?.checked_add(self.first).filter(|at| (self.first..=self.last).contains(at));
            let offset = offset.ok_or(Malformed("a message stands outside its batch"))?;
            let mut part = || match record.zigzag()? {
                -1 => Ok(None),
                length => {
                    let length = usize::try_from(length).map_err(|_| Malformed("a length cannot be"))?;
                    record.take(length).map(Some)
                }
            };
            // Headers follow, which say nothing to us.
            let (key, value) = (part()?, part()?);
            Ok((offset, make(key, value)))
        };
        (0..self.count)
            .map(|_| read().map_err(|Malformed(why)| format!("is not what Kafka's protocol says: {why}")))
            .collect()
    }
}

/// The bytes as they were before they were packed.
fn unpack(packing: i16, packed: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, String> {
    let too_long = || format!("unpacks to more than {bytes_max} bytes");
    let broken = |name: &str, error: &dyn std::fmt::Display| format!("cannot be unpacked: {name}: {error}");
    let (name, reader): (&str, Box<dyn Read + '_>) = match packing {
        0 => return Ok(Cow::Borrowed(packed)),
        1 => ("gzip", Box::new(flate2::read::MultiGzDecoder::new(packed))),
        2 => {
            return unsnap(packed, bytes_max)
                .ok_or_else(too_long)?
                .map(Cow::Owned)
                .map_err(|error| broken("snappy", &error));
        }
        3 => ("lz4", Box::new(lz4_flex::frame::FrameDecoder::new(packed))),
        4 => {
            let decoder = zstd::Decoder::new(packed).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW)?;
                Ok(decoder)
            });
            ("zstd", Box::new(decoder.map_err(|error| broken("zstd", &error))?))
        }
        other => return Err(format!("is packed in a way that is not known: {other}")),
    };
    let mut unpacked = Vec::new();
    let read = reader.take(bytes_max as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| broken(name, &error))?;
    if unpacked.len() <= bytes_max { Ok(Cow::Owned(unpacked)) } else { Err(too_long()) }
}

/// Snappy as one block, or as Java writes it: blocks, each after its length. `None` where it is longer than that.
fn unsnap(packed: &[u8], bytes_max: usize) -> Option<Result<Vec<u8>, String>> {
    let block = |block: &[u8], whole: &mut Vec<u8>| -> Result<Option<()>, String> {
        // It says how long it is: that is memory before anything is read.
        let length = snap::raw::decompress_len(block).map_err(|error| error.to_string())?;
        if whole.len() + length > bytes_max {
            return Ok(None);
        }
        whole.extend(snap::raw::Decoder::new().decompress_vec(block).map_err(|error| error.to_string())?);
        Ok(Some(()))
    };
    let mut whole = Vec::new();
    let Some(java) = packed.strip_prefix(JAVA_SNAPPY) else {
        return block(packed, &mut whole).map(|fits| fits.map(|()| whole)).transpose();
    };
    let mut received = Received::new(java.get(8..).unwrap_or_default(), false);
    while !received.rest().is_empty() {
        let next = received.u32().and_then(|length| received.take(length as usize));
        match next.map_err(|Malformed(why)| why.to_owned()).and_then(|next| block(next, &mut whole)) {
            Ok(Some(())) => {}
            Ok(None) => return None,
            Err(why) => return Some(Err(why)),
        }
    }
    Some(Ok(whole))
}

/// The transactions that producers took back, in the stretch of a partition that was fetched: their messages stand there, and say nothing.
#[derive(Clone, Debug, Default)]
pub struct Aborted {
    /// Those that begin later: at which offset, of which producer.
    later: VecDeque<(i64, i64)>,
    producers: BTreeSet<i64>,
}

impl Aborted {
    /// Transactions as (offset of the first message, producer).
    pub fn new(mut transactions: Vec<(i64, i64)>) -> Aborted {
        transactions.sort_unstable();
        Aborted { later: transactions.into(), producers: BTreeSet::new() }
    }

    /// Whether the next batch of the partition was taken back.
    pub fn has(&mut self, batch: &Batch<'_>) -> bool {
        while let Some((_, producer)) = self.later.pop_front_if(|(first, _)| *first <= batch.last) {
            self.producers.insert(producer);
        }
        if batch.takes_back() {
            self.producers.remove(&batch.producer);
        }
        batch.is_transactional() && self.producers.contains(&batch.producer)
    }
}
