//! What came of a partition at once, in portions that become entries of the log.
//!
//! ```text
//! batches ──▶ not taken back ──▶ messages from the next offset on ──▶ portion: some of them, and the offset after them
//!                                                       ▲ again, or in smaller parts, where it was not taken │
//!                                                       └───────────────────────────────────────────────────┘
//! ```

use std::collections::VecDeque;

use datasets::intake::MESSAGE_MAX;
use datasets::kafka::{Aborted, Batch, Fetched, Message, Unreadable, Value, batches};

/// A portion has no more than so many bytes, or one message.
const PORTION_BYTES: usize = 2 << 20;
/// Unpacked, a batch may be so long.
const BATCH_BYTES: usize = 8 * MESSAGE_MAX;

/// Messages that follow each other in a partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Portion {
    /// They; none where all that stood there says nothing, or was taken back.
    pub messages: Vec<Message>,
    /// The offset that is read next.
    pub next: i64,
}

/// What came of a partition at once.
pub struct Arriving<'a> {
    /// The offset that is read next.
    at: i64,
    batches: Box<dyn Iterator<Item = Result<Batch<'a>, Unreadable>> + 'a>,
    aborted: Aborted,
    /// Messages of batches that were read.
    read: VecDeque<Message>,
    /// The offset after these batches.
    read_until: i64,
    /// A portion has no more messages.
    most: usize,
    /// Why nothing more can be read of it.
    pub unreadable: Option<Unreadable>,
}

impl<'a> Arriving<'a> {
    /// What was fetched from that offset on.
    pub fn new(at: i64, fetched: Fetched<'a>) -> Arriving<'a> {
        Arriving {
            at,
            batches: Box::new(batches(fetched.batches)),
            aborted: fetched.aborted,
            read: VecDeque::new(),
            read_until: at,
            most: usize::MAX,
            unreadable: None,
        }
    }

    /// The next portion; none where nothing is left.
    pub fn portion(&mut self) -> Option<Portion> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while bytes < PORTION_BYTES && messages.len() < self.most {
            let Some(message) = self.read.pop_front() else {
                match self.read_batch() {
                    true => continue,
                    false => break,
                }
            };
            bytes += if let Value::Bytes(bytes) = &message.value { bytes.len() } else { 0 };
            messages.push(message);
        }
        let next = self.read.front().map_or(self.read_until, |message| message.offset);
        (next > self.at).then_some(Portion { messages, next })
    }

    /// Reads on until there is a message.
    fn read_batch(&mut self) -> bool {
        while self.read.is_empty() && self.unreadable.is_none() {
            match self.batches.next() {
                None => return false,
                Some(Err(unreadable)) => self.unreadable = Some(unreadable),
                Some(Ok(batch)) => {
                    self.read_until = self.read_until.max(batch.last + 1);
                    if !self.aborted.has(&batch) {
                        // A batch comes whole, though what is asked for begins in the middle of it.
                        let at = self.at;
                        self.read.extend(batch.messages(BATCH_BYTES).into_iter().filter_map(|message| {
                            match message.value {
                                Value::Unread(_) if batch.last >= at => {
                                    Some(Message { offset: message.offset.max(at), ..message })
                                }
                                _ => (message.offset >= at).then_some(message),
                            }
                        }));
                    }
                }
            }
        }
        !self.read.is_empty()
    }

    /// The portion is in the log.
    pub fn is_taken(&mut self, portion: Portion) {
        (self.at, self.most) = (portion.next, usize::MAX);
    }

    /// The portion was not taken now.
    pub fn comes_again(&mut self, portion: Portion) {
        portion.messages.into_iter().rev().for_each(|message| self.read.push_front(message));
    }

    /// The portion can never be taken as it is: half of its messages may be, and one that cannot is set aside.
    pub fn comes_in_parts(&mut self, mut portion: Portion, why: &str) {
        self.most = (portion.messages.len() / 2).max(1);
        if let [message] = &mut portion.messages[..] {
            message.value = Value::Unread(why.to_owned());
        }
        self.comes_again(portion);
    }
}

#[cfg(test)]
mod tests {
    use datasets::kafka::fetched;

    use super::*;

    /// What `datasets` has of a broker: offsets 0 to 14, of which 12 and 14 end transactions, and 11 was taken back.
    const FETCHED: &[u8] = include_bytes!("../../../../datasets/src/kafka/fetched.bin");

    fn arriving(at: i64) -> Arriving<'static> {
        Arriving::new(at, fetched(7, FETCHED).expect("an answer").remove(0))
    }

    #[test]
    fn wherever_one_begins_and_however_often_a_portion_is_refused_each_message_comes_once_and_in_order() {
        for begin in 0..15 {
            for refused in 0..40 {
                let (mut arriving, mut found, mut at) = (arriving(begin), Vec::new(), begin);
                let mut asked = 0;
                while let Some(portion) = arriving.portion() {
                    asked += 1;
                    match (refused >> (asked % 5)) % 3 {
                        1 if asked < 30 => arriving.comes_again(portion),
                        2 if portion.messages.len() > 1 => arriving.comes_in_parts(portion, "too long"),
                        _ => {
                            assert!(
                                portion.messages.iter().all(|message| (at..portion.next).contains(&message.offset))
                            );
                            found.extend(portion.messages.iter().map(|message| message.offset));
                            at = portion.next;
                            arriving.is_taken(portion);
                        }
                    }
                }
                let expected: Vec<i64> = (begin..15).filter(|offset| ![12, 14].contains(offset)).collect();
                assert_eq!((found, at), (expected, 15), "from {begin}, {refused}");
            }
        }
    }

    #[test]
    fn a_message_that_can_never_be_taken_is_set_aside_and_the_others_are_not() {
        let mut arriving = arriving(0);
        let (mut aside, mut taken) = (Vec::new(), Vec::new());
        while let Some(portion) = arriving.portion() {
            let is_third = |message: &Message| message.offset == 3 && !matches!(message.value, Value::Unread(_));
            if portion.messages.iter().any(is_third) {
                arriving.comes_in_parts(portion, "too long");
                continue;
            }
            let (unread, read): (Vec<_>, Vec<_>) =
                portion.messages.iter().partition(|message| matches!(message.value, Value::Unread(_)));
            aside.extend(unread.iter().map(|message| message.offset));
            taken.extend(read.iter().map(|message| message.offset));
            arriving.is_taken(portion);
        }
        assert_eq!((aside, taken), (vec![3], vec![0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 13]));
    }
}
