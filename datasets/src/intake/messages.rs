//! Makes rows of the messages of a topic: each is a JSON row, or some, a line each.
//!
//! ```text
//! messages ──▶ their lines as one body ──▶ rows │ unread: named by partition and offset
//!         └──▶ nothing, or nothing that could be a row: unread, too
//! ```

use records::Code;

use super::json::RAW_BYTES;
use super::{Columns, Ids};
use crate::Error;
use crate::kafka::{Message, Value};
use crate::log::{Rows, Unread};

/// A longer message is set aside: four times what brokers take unless they are told otherwise.
pub const MESSAGE_MAX: usize = 4 << 20;
/// Stands in the body for a message without a row, so that all that comes after it keeps its place. It is no JSON object.
const NO_ROW: &[u8] = b"-";

/// The rows of the table, one of [`crate::log::TABLES`], that messages of the partition hold, and how many. Of what is set aside it is said where it
/// stands.
///
/// # Errors
/// When the columns cannot be written.
pub fn of_messages(
    table: &'static str,
    partition: &str,
    messages: &[Message],
    ids: &Ids,
) -> Result<(Rows, u64), Error> {
    let columns = Columns::of(table, ids)?;
    let mut body = Vec::new();
    // The number of the first row of each message.
    let mut firsts = Vec::with_capacity(messages.len());
    let mut next = 0;
    for message in messages {
        firsts.push(next);
        let lines = lines_of(message).unwrap_or(NO_ROW);
        next += rows_in(lines);
        body.extend_from_slice(lines);
        body.push(b'\n');
    }
    // Once a row is one of the columns nobody knows any more where it stood.
    let (batch, mut refused) = columns.lines(&body, columns.required);
    for unread in &mut refused {
        let message = &messages[firsts.partition_point(|first| *first <= unread.row) - 1];
        set_aside(message, partition, unread);
    }
    columns.rows(&[batch], refused)
}

/// The lines of the message, if it has some and is not too long.
fn lines_of(message: &Message) -> Option<&[u8]> {
    match &message.value {
        Value::Bytes(bytes) if bytes.len() <= MESSAGE_MAX && rows_in(bytes) > 0 => Some(bytes),
        _ => None,
    }
}

/// How many rows the lines are: empty ones are none.
fn rows_in(lines: &[u8]) -> u64 {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64
}

/// Says of a row where it stood, and of a message without one what it is.
fn set_aside(message: &Message, partition: &str, unread: &mut Unread) {
    if lines_of(message).is_none() {
        let (code, reason, raw) = match &message.value {
            Value::Nothing => {
                let reason = "a tombstone: what a topic forgets is not taken back here; send a row of corrections";
                (Code::Missing, reason.to_owned(), &[][..])
            }
            Value::Unread(why) => (Code::Malformed, why.clone(), &[][..]),
            Value::Bytes(bytes) if bytes.len() > MESSAGE_MAX => {
                let reason = format!("a message of {} bytes; at most {MESSAGE_MAX} are read", bytes.len());
                (Code::Malformed, reason, &bytes[..RAW_BYTES])
            }
            Value::Bytes(_) => (Code::Missing, "an empty message".to_owned(), &[][..]),
        };
        (unread.code, unread.reason, unread.raw) = (code, reason, String::from_utf8_lossy(raw).into_owned());
    }
    unread.reason = format!("{partition} offset {}: {}", message.offset, unread.reason);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::AsArray;
    use records::IdSpace;

    use super::*;
    use crate::intake::batches;
    use crate::intake::pseudonyms::Pseudonyms;
    use crate::tables::IdKind;

    fn play(id: &str) -> String {
        format!(r#"{{"play_id":"{id}","ended_at":1767225600000,"account_id":"a","track_id":"t","played_ms":31000}}"#)
    }

    /// What three messages hold between others of which none is a row, and which place each of those is said to have.
    #[test]
    fn rows_of_messages_are_those_of_their_lines_and_each_other_is_told_by_its_offset() {
        let kinds = [IdKind::Text; IdSpace::ALL.len()];
        let bytes = |text: String| Value::Bytes(text.into_bytes());
        let too_long = Value::Bytes(vec![b'x'; MESSAGE_MAX + 1]);
        let values = [
            bytes(play("p1")),
            Value::Nothing,
            bytes(format!("{}\n\n{{\"play_id\":1.5}}\r\n{}", play("p2"), play("p3"))),
            bytes("{\"play_id\":\"p\"}".to_owned()),
            bytes(" \n".to_owned()),
            too_long,
            Value::Bytes(b"{\"play_id\":\"\xff\"}".to_vec()),
            Value::Unread("the batch of offsets 16 to 20 unpacks to too much".to_owned()),
            bytes(play("p4")),
        ];
        // Offsets have gaps where a topic was compacted.
        let messages: Vec<Message> =
            values.into_iter().zip(10..).map(|(value, at)| Message { offset: at * 2, value }).collect();
        for pseudonyms in [None, Some(Arc::new(Pseudonyms::new(&[7; 32])))] {
            let ids = Ids { kinds, pseudonyms };
            let (rows, count) = of_messages("plays", "plays/3", &messages, &ids).expect("columns");
            assert_eq!(count, 11);
            let found: Vec<String> = batches(&rows.columns)
                .expect("columns")
                .iter()
                .filter_map(|batch| batch.column_by_name("play_id"))
                .flat_map(|ids| ids.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            assert_eq!(found, ["p1", "p2", "p3", "p4"]);
            let told: Vec<(u64, &str)> = rows
                .refused
                .iter()
                .map(|unread| (unread.row, unread.reason.split(": ").next().expect("a place")))
                .collect();
            let at = |offset: &str| format!("plays/3 offset {offset}");
            let places = [(1, "22"), (3, "24"), (5, "26"), (6, "28"), (7, "30"), (8, "32"), (9, "34")];
            let places = places.map(|(row, offset)| (row, at(offset)));
            assert_eq!(told, places.each_ref().map(|(row, place)| (*row, place.as_str())));
            for (unread, says) in rows.refused.iter().zip([
                "tombstone",
                "play_id is 1.5",
                "ended_at is null",
                "empty",
                "4194305 bytes",
                "no JSON object",
                "unpacks",
            ]) {
                assert!(unread.reason.contains(says), "{}", unread.reason);
                assert!(ids.pseudonyms.is_none() || !unread.raw.contains("play_id"), "it is sealed");
            }
        }
    }
}
