//! What stands where a date, a truth value or an id must stand, and is none.
//!
//! ```text
//! piece ──▶ its elements, by their names ──┬──▶ ids as they are compared
//!                                          └──▶ Misread: told, and counts for nothing
//! ```
//!
//! A value that cannot be read must not look like one that is not there: a deal whose end nobody understands would last for ever.

use super::message::{Said, date_of, plain_code};
use super::xml::Element;

/// What must stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A day or a time from which or until which a deal holds.
    Period,
    /// Another day.
    Date,
    /// Whether a release is taken down: `true` or `false`.
    TakeDown,
    /// Another truth value.
    Truth,
    /// A number of somebody or something, of [`ID_BYTES_MAX`] at most.
    Id,
    /// An ISRC.
    Isrc,
    /// A barcode.
    Icpn,
}

/// A value that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Misread {
    /// The element or attribute.
    pub element: &'static str,
    pub form: Form,
    pub said: Said,
}

/// Names of files have up to 255 bytes, and some are made of an id; a track's is made of two.
pub const ID_BYTES_MAX: usize = 120;

const ELEMENTS: [(&str, Form); 24] = [
    ("StartDateTime", Form::Period),
    ("StartDate", Form::Period),
    ("EndDateTime", Form::Period),
    ("EndDate", Form::Period),
    ("OriginalReleaseDate", Form::Date),
    ("ReleaseDate", Form::Date),
    ("GlobalReleaseDate", Form::Date),
    ("GlobalOriginalReleaseDate", Form::Date),
    ("TakeDown", Form::TakeDown),
    ("IsInstrumental", Form::Truth),
    ("HasVocalPerformance", Form::Truth),
    ("HasForegroundVocalPerformance", Form::Truth),
    ("ISRC", Form::Isrc),
    ("ICPN", Form::Icpn),
    ("GRid", Form::Id),
    ("ProprietaryId", Form::Id),
    ("CatalogNumber", Form::Id),
    ("PartyId", Form::Id),
    ("DPID", Form::Id),
    ("ISNI", Form::Id),
    ("IpiNameNumber", Form::Id),
    ("IPN", Form::Id),
    ("ResourceReference", Form::Id),
    ("MessageId", Form::Id),
];

/// Who has no id is called by the name, where a message must be somebody's.
const SENDERS: [&str; 2] = ["MessageSender", "SentOnBehalfOf"];
const NAMES: [(&str, Form); 3] = [("FullName", Form::Id), ("KeyName", Form::Id), ("TradingName", Form::Id)];

const ATTRIBUTES: [&str; 2] = ["IsMainRelease", "IsISNI"];

/// Misread values of a message that are told; there may be a million.
const MISREAD_MAX: usize = 1_000;

/// Brings ids into the form in which they are compared, and takes away those that are none. What else cannot be read stays: its reader
/// sees that something was said.
pub(super) fn settle(element: &mut Element, misread: &mut Vec<Misread>) {
    visit(element, false, misread);
}

fn visit(element: &mut Element, is_of_sender: bool, misread: &mut Vec<Misread>) {
    let is_of_sender = is_of_sender || SENDERS.contains(&element.name.as_str());
    element.children.iter_mut().for_each(|child| visit(child, is_of_sender, misread));
    let mut tell = |name, form, word: &str, at| {
        if misread.len() < MISREAD_MAX {
            // Nobody reads more of it.
            let word = word.chars().take(100).collect();
            misread.push(Misread { element: name, form, said: Said { word, at } });
        }
    };
    for name in ATTRIBUTES {
        if let Some(word) = element.attribute(name).filter(|word| truth(word).is_none()) {
            tell(name, Form::Truth, word, element.place());
        }
    }
    let names = if is_of_sender { &NAMES[..] } else { &[] };
    let Some(&(name, form)) = ELEMENTS.iter().chain(names).find(|(name, _)| *name == element.name) else { return };
    let (text, at) = (element.text.as_str(), element.place());
    let is_long = text.len() + element.attribute("Namespace").map_or(0, str::len) > ID_BYTES_MAX;
    match form {
        // An empty element is what is left of a date that got lost.
        Form::Period if date_of(text).is_none() => tell(name, form, text, at),
        Form::TakeDown if truth(text).is_none() => tell(name, form, text, at),
        Form::Date if !text.is_empty() && date_of(text).is_none() => tell(name, form, text, at),
        Form::Truth if !text.is_empty() && truth(text).is_none() => tell(name, form, text, at),
        Form::Period | Form::TakeDown | Form::Date | Form::Truth => {}
        Form::Id | Form::Icpn if is_long => {
            tell(name, Form::Id, text, at);
            element.text.clear();
        }
        Form::Id if name == "GRid" => element.text = plain_code(text),
        Form::Id => {}
        Form::Isrc => match isrc(text) {
            Some(isrc) => element.text = isrc,
            None if text.is_empty() => {}
            None => {
                tell(name, form, text, at);
                element.text.clear();
            }
        },
        Form::Icpn => match gtin(text) {
            Some(gtin) => element.text = gtin,
            None if text.is_empty() => {}
            // Somebody's own number, though not a barcode: the release is known by it all the same.
            None => {
                tell(name, form, text, at);
                element.text = plain_code(text);
            }
        },
    }
}

/// `true` and `false` as XML Schema writes them, and in capitals.
pub(super) fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The ISRC as it is compared. ISO 3901: two letters, three letters or digits, seven digits; in print `ISRC` stands before it and hyphens within. What has
/// other letters is none, though it may look like another's.
pub(super) fn isrc(text: &str) -> Option<String> {
    let code = plain_code(text);
    let code = code.strip_prefix("ISRC").filter(|code| code.len() == 12).unwrap_or(&code);
    let bytes = code.as_bytes();
    let is_isrc = bytes.len() == 12
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..5].iter().all(u8::is_ascii_alphanumeric)
        && bytes[5..].iter().all(u8::is_ascii_digit);
    is_isrc.then(|| code.to_owned())
}

/// The barcode as it is compared: 13 digits, or 14 where the first is not 0. A GTIN has 8, 12, 13 or 14 digits, and is the same with zeros before it (GS1 General
/// Specifications): an UPC of 12 is the EAN of 13.
fn gtin(text: &str) -> Option<String> {
    let digits = plain_code(text);
    let is_gtin = matches!(digits.len(), 8 | 12 | 13 | 14) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let padded = format!("{digits:0>14}");
    is_gtin.then(|| padded.strip_prefix('0').unwrap_or(&padded).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isrc_is_one_however_it_is_written_and_none_where_it_only_looks_so() {
        for (text, expected) in [
            ("QZ-TS1-26-00001", Some("QZTS12600001")),
            ("qz ts1 26 00001", Some("QZTS12600001")),
            ("QZTS1\u{a0}2600001", Some("QZTS12600001")),
            ("ISRC QZ-TS1-26-00001", Some("QZTS12600001")),
            ("ISRC12600001", Some("ISRC12600001")),
            ("QZ\u{2011}TS1\u{2011}26\u{2011}00001", None),
            ("QZTS1260000\u{ff11}", None),
            ("\u{420}ZTS12600001", None),
            ("QZTS126000011", None),
            ("ISRC", None),
            ("12345", None),
            ("", None),
        ] {
            assert_eq!(isrc(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_barcode_is_one_however_many_zeros_stand_before_it() {
        for text in ["724384960650", "0724384960650", "00724384960650", "7 24384-96065 0"] {
            assert_eq!(gtin(text).as_deref(), Some("0724384960650"), "{text}");
        }
        assert_eq!(gtin("12345670").as_deref(), Some("0000012345670"));
        assert_eq!(gtin("10724384960657").as_deref(), Some("10724384960657"), "a case of them is something else");
        for text in ["", "72438496065", "072438496065X", "0724384960650000", "\u{ff10}724384960650"] {
            assert_eq!(gtin(text), None, "{text}");
        }
    }
}
