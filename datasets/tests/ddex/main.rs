//! Messages of distributors: what is read, what is found wrong, what is refused, and what becomes of a catalogue.

mod damage;
mod findings;
mod golden;
mod hostile;
mod life;
mod written;

use std::path::Path;

use datasets::ddex::{Limits, Message, Unread, read_from};

/// A release of two recordings and a picture, in order, in ERN 4.3.2.
const ERN_432: &str = include_str!("ern_432.xml");
/// The same in ERN 3.8.3, with one recording.
const ERN_383: &str = include_str!("ern_383.xml");
/// The same in ERN 4.1.
const ERN_41: &str = include_str!("ern_41.xml");
/// The release is to be forgotten.
const PURGE: &str = include_str!("purge.xml");

fn read(text: impl AsRef<[u8]>) -> Result<Message, Unread> {
    read_from(Path::new("message.xml"), text.as_ref(), Limits::default())
}

/// The text with each of the pairs replaced once; a pair whose first is not there is a mistake of the test.
fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the message has no {from}");
        text.replacen(from, to, 1)
    })
}

/// The text is that of the snapshot beside the tests; with TRUESTREAM_BLESS it becomes it.
fn is_as_in(snapshot: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ddex").join(snapshot);
    if std::env::var_os("TRUESTREAM_BLESS").is_some() {
        std::fs::write(&path, found).expect("written");
    }
    let expected = std::fs::read_to_string(&path).expect("the snapshot lies beside the test");
    assert!(found == expected, "not as in {}; this:\n{found}", path.display());
}
