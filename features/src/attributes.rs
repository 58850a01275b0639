//! What rows of the catalogue and of accounts say of a subject, by the names of their columns: what conditions read beside counts.
//!
//! ```text
//! row of tracks or accounts ──attribute──▶ a number, an instant or a text; nothing where the row does not say
//! ```

use records::{Account, Disclosure, Millis, Track};

use crate::tally::Axis;

/// A row that says something of a subject.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// Of a track.
    Track(&'a Track),
    /// Of an account.
    Account(&'a Account),
}

impl<'a> Row<'a> {
    fn track(self) -> Option<&'a Track> {
        match self {
            Row::Track(track) => Some(track),
            Row::Account(_) => None,
        }
    }

    fn account(self) -> Option<&'a Account> {
        match self {
            Row::Account(account) => Some(account),
            Row::Track(_) => None,
        }
    }
}

/// What an attribute is, and how it is found in a row.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A number.
    Number(for<'a> fn(Row<'a>) -> Option<u64>),
    /// The hours since an instant.
    Hours(for<'a> fn(Row<'a>) -> Option<Millis>),
    /// A text.
    Text(for<'a> fn(Row<'a>) -> Option<&'a str>),
    /// One of these words.
    Word(&'static [&'static str], for<'a> fn(Row<'a>) -> Option<&'a str>),
}

/// A column of what is told of a subject.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

const DECLARED: &[&str] = &["all", "partly", "none"];

const fn attribute(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind }
}

const fn declared(name: &'static str, read: for<'a> fn(Row<'a>) -> Option<&'a str>) -> Attribute {
    attribute(name, Kind::Word(DECLARED, read))
}

const fn text(name: &'static str, read: for<'a> fn(Row<'a>) -> Option<&'a str>) -> Attribute {
    attribute(name, Kind::Text(read))
}

const OF_TRACKS: &[Attribute] = &[
    attribute("duration_ms", Kind::Number(|row| row.track()?.duration_ms)),
    attribute("age_hours", Kind::Hours(|row| row.track()?.uploaded_at)),
    declared("contains_ai", |row| row.track()?.contains_ai.map(Disclosure::name)),
    declared("ai_vocals", |row| row.track()?.ai_vocals.map(Disclosure::name)),
    declared("ai_instruments", |row| row.track()?.ai_instruments.map(Disclosure::name)),
    declared("ai_postproduction", |row| row.track()?.ai_postproduction.map(Disclosure::name)),
    text("genre", |row| row.track()?.genre.as_deref()),
    text("language", |row| row.track()?.language.as_deref()),
    text("country", |row| row.track()?.country.as_deref()),
    text("label", |row| row.track()?.label.as_deref()),
    text("version", |row| row.track()?.version.as_deref()),
    text("isrc", |row| row.track()?.isrc.as_deref()),
    text("consent_ref", |row| row.track()?.consent_ref.as_deref()),
];

const OF_ACCOUNTS: &[Attribute] = &[
    attribute("age_hours", Kind::Hours(|row| row.account()?.created_at)),
    text("plan", |row| row.account()?.plan.as_deref()),
    text("country", |row| row.account()?.country.as_deref()),
    text("email_domain_class", |row| row.account()?.email_domain_class.as_deref()),
];

/// What is told of the subjects of a view.
pub fn attributes(axis: Axis) -> &'static [Attribute] {
    match axis {
        Axis::Account => OF_ACCOUNTS,
        Axis::Track => OF_TRACKS,
        Axis::Artist | Axis::Uploader | Axis::Playlist | Axis::Distributor => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::columns;

    #[test]
    fn no_attribute_is_called_like_a_number_of_a_window() {
        for axis in Axis::ALL {
            let mut named = attributes(axis).iter().map(|attribute| attribute.name);
            assert!(named.all(|name| columns(axis).all(|column| column.name != name)), "{axis:?}");
        }
    }
}
