//! What a broker sends becomes what was written, and nothing that it sends makes us panic.

use super::batch::{Aborted, Value, batches};
use super::*;

/// Everything of a topic, as librdkafka 2.16 wrote it and tansu 0.6 answered: two messages each as they are and packed by gzip, snappy, lz4 and
/// zstd, a tombstone, and two transactions, of which the first was taken back.
const FETCHED: &[u8] = include_bytes!("fetched.bin");
/// What it answers.
const NUMBER: i32 = 7;

/// Whole answers cannot be longer than what they unpack to here.
const BYTES_MAX: usize = 1 << 20;

fn all(aborted: &mut Aborted, bytes: &[u8]) -> Vec<Message> {
    let batches = batches(bytes).map(|batch| batch.expect("whole"));
    batches.filter(|batch| !aborted.has(batch)).flat_map(|batch| batch.messages(BYTES_MAX)).collect()
}

fn texts(messages: &[Message]) -> Vec<String> {
    let text = |message: &Message| match &message.value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).trim_end_matches('.').trim().to_owned(),
        other => format!("{other:?}"),
    };
    messages.iter().map(text).collect()
}

#[test]
fn what_producers_wrote_is_read_however_it_was_packed() {
    let mut fetched = fetched(NUMBER, FETCHED).expect("an answer");
    let fetched = fetched.remove(0);
    assert_eq!((fetched.topic.as_str(), fetched.partition, fetched.end), ("fix", 0, Ok(15)));
    let kinds = ["none", "gzip", "snappy", "lz4", "zstd"];
    let mut expected: Vec<String> =
        kinds.iter().flat_map(|kind| [format!("{kind} one"), format!("{kind} two")]).collect();
    expected.push("Nothing".to_owned());
    expected.push("taken back".to_owned());
    expected.push("meant".to_owned());
    // The broker of the test tells of no transaction that was taken back.
    let messages = all(&mut Aborted::default(), fetched.batches);
    assert_eq!(texts(&messages), expected);
    let offsets: Vec<i64> = messages.iter().map(|message| message.offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]);
}

#[test]
fn what_a_transaction_took_back_is_no_message_and_what_its_producer_wrote_afterwards_is() {
    let fetched = fetched(NUMBER, FETCHED).expect("an answer").remove(0);
    let producer =
        batches(fetched.batches).filter_map(Result::ok).find(|batch| batch.first == 11).expect("a batch").producer();
    let mut told = Aborted::new(vec![(11, producer)]);
    let messages = all(&mut told, fetched.batches);
    assert_eq!(texts(&messages)[10..], ["Nothing", "meant"]);
    // Another producer's transaction is another one.
    assert_eq!(all(&mut Aborted::new(vec![(11, producer + 1)]), fetched.batches).len(), 13);
}

#[test]
fn what_unpacks_to_more_than_is_allowed_or_to_nothing_is_one_message_that_says_so() {
    let fetched = fetched(NUMBER, FETCHED).expect("an answer").remove(0);
    let packed =
        batches(fetched.batches).map(|batch| batch.expect("whole")).filter(|batch| (2..10).contains(&batch.first));
    for batch in packed {
        let messages = batch.messages(100);
        assert_eq!((messages.len(), messages[0].offset), (1, batch.first));
        let Value::Unread(why) = &messages[0].value else { panic!("{messages:?}") };
        assert!(
            why.contains(&format!("offsets {} to {}", batch.first, batch.last)) && why.contains("more than 100 bytes"),
            "{why}"
        );
    }
}

/// The bytes with the checksum of each batch made right again, so that what is in it is looked at.
fn resealed(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(length) =
        bytes.get(at + 8..at + 12).map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four bytes")))
    {
        let Some(batch) = bytes.get_mut(at + 12..at + 12 + length as usize).filter(|batch| batch.len() > 9) else {
            return;
        };
        let sum = crc32c::crc32c(&batch[9..]);
        batch[5..9].copy_from_slice(&sum.to_be_bytes());
        at += 12 + length as usize;
    }
}

#[test]
fn no_byte_that_a_broker_sends_makes_us_panic_and_a_damaged_batch_is_named() {
    let answer = |bytes: &[u8]| {
        let Ok(partitions) = fetched(NUMBER, bytes) else { return 0 };
        let mut damaged = 0;
        for mut partition in partitions {
            for batch in batches(partition.batches) {
                match batch {
                    Ok(batch) => {
                        partition.aborted.has(&batch);
                        assert!(batch.messages(BYTES_MAX).len() <= 1_211);
                    }
                    Err(unreadable) => damaged += usize::from(unreadable.why.contains("damaged")),
                }
            }
        }
        damaged
    };
    let start = FETCHED.len() - fetched(NUMBER, FETCHED).expect("an answer")[0].batches.len();
    let mut found = 0;
    for at in 0..FETCHED.len() {
        for mask in [1, 0xff] {
            let mut flipped = FETCHED.to_vec();
            flipped[at] ^= mask;
            found += answer(&flipped);
            resealed(&mut flipped[start..]);
            answer(&flipped);
        }
        answer(&FETCHED[..at]);
    }
    // Of the bytes of batches all but 21 of each head stand under the checksum, and those of the checksum itself beside it.
    assert!(found > 2 * 900, "{found}");
}

/// What a broker of one topic of two partitions answers about it and about one that it does not have, with ids and without.
const WITH_IDS: &str = "000000070000000000020000006f0a3132372e302e302e3100004a9400000e74616e73755f636c75737465720000006f020000027001a20931f9bc7bb08420de68832ee45300030000000000000000006f00000000020000006f020000006f01000000000000010000006f00000000020000006f020000006f01008000000000ffffffff00";
const UNKNOWN: &str = "000000070000000000020000006f0a3132372e302e302e3100004a9400000e74616e73755f636c75737465720000006f020003046e69780000000000000000000000000000000000018000000000ffffffff00";
const WITHOUT_IDS: &str = "0000000700000000000000010000006f00093132372e302e302e3100004a94ffff000d74616e73755f636c75737465720000006f00000001000000017000000000020000000000000000006f000000010000006f000000010000006f0000000000010000006f000000010000006f000000010000006f";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("digits")).collect()
}

#[test]
fn who_leads_what_is_read_with_ids_and_without() {
    let broker = Broker { id: 111, address: "127.0.0.1:19092".to_owned() };
    for (with_ids, answer) in [(true, WITH_IDS), (false, WITHOUT_IDS)] {
        let id = with_ids.then(|| TopicId::parse("01a20931f9bc7bb08420de68832ee453").expect("an id"));
        let topic = Topic {
            name: "p".to_owned(),
            id,
            partitions: Ok([0, 1].map(|partition| Led { partition, leader: Ok(111) }).to_vec()),
        };
        let expected = Metadata { brokers: vec![broker.clone()], topics: vec![topic] };
        assert_eq!(metadata(with_ids, NUMBER, &bytes(answer)), Ok(expected));
        let cut = bytes(answer);
        (0..cut.len()).for_each(|length| assert!(metadata(with_ids, NUMBER, &cut[..length]).is_err(), "{length}"));
    }
    let unknown = metadata(true, NUMBER, &bytes(UNKNOWN)).expect("an answer").topics.remove(0);
    assert_eq!((unknown.id, unknown.partitions), (None, Err(Wrong::UNKNOWN_TOPIC)));
    assert_eq!(metadata(true, NUMBER + 1, &bytes(UNKNOWN)), Err(Malformed("it answers another question")));
}

#[test]
fn a_question_is_what_the_protocol_says() {
    let fetch = Question::Fetch { partitions: &[("p", vec![(1, 34)])], bytes_max: 1 << 20, bytes_min: 1, wait_ms: 500 };
    // Length, question, version, number, who asks; no broker, 500 ms, a byte, a mebibyte, committed; a topic, a partition.
    let expected = "00000040\
                    0001000400000007\
                    000a7472756573747265616d\
                    ffffffff000001f4000000010010000001\
                    00000001000170\
                    0000000100000001000000000000002200100000";
    assert_eq!(fetch.to_bytes(NUMBER), bytes(expected));
}
