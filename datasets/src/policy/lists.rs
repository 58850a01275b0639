//! Lists that people keep by hand: entries of `gate.toml`, and `pins.toml` of a policy.

use std::path::Path;

use records::gate::Trusted;
use records::lists::{Entry, Pin};
use records::{Millis, Subject};
use serde::Deserialize;

use super::{PINS, a_day, read};
use crate::Error;

/// An id, or an id with what is told of it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an id, or { id = \"…\", by = \"who\", why = \"…\", until = \"2026-06-01\" }")]
enum Written {
    Id(String),
    Told(Told),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    id: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    why: String,
    #[serde(default, deserialize_with = "an_end")]
    until: Option<Millis>,
}

fn an_end<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Millis>, D::Error> {
    a_day(from).map(Some)
}

impl From<Told> for Entry {
    fn from(Told { id, by, why, until }: Told) -> Entry {
        Entry { id, by, why, until }
    }
}

impl From<Written> for Entry {
    fn from(written: Written) -> Entry {
        match written {
            Written::Id(id) => Entry { id, ..Entry::default() },
            Written::Told(told) => told.into(),
        }
    }
}

/// `trusted` of `gate.toml`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustedFile {
    #[serde(default)]
    tracks: Vec<Written>,
    #[serde(default)]
    uploaders: Vec<Written>,
    #[serde(default)]
    distributors: Vec<Written>,
}

impl From<TrustedFile> for Trusted {
    fn from(TrustedFile { tracks, uploaders, distributors }: TrustedFile) -> Trusted {
        let [tracks, uploaders, distributors] =
            [tracks, uploaders, distributors].map(|list| list.into_iter().map(Entry::from).collect());
        Trusted { tracks, uploaders, distributors }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinsFile {
    #[serde(default)]
    pin: Vec<PinFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinFile {
    subject: Subject,
    id: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    why: String,
    #[serde(default, deserialize_with = "an_end")]
    until: Option<Millis>,
}

/// What editors put forward, as the policy in the folder tells: nothing is built in.
///
/// # Errors
/// When the file cannot be read, or says what cannot be.
pub fn pins(folder: Option<&Path>) -> Result<Vec<Pin>, Error> {
    let file: Option<PinsFile> = folder.map(|folder| read(folder, PINS)).transpose()?.flatten();
    let pin = |PinFile { subject, id, by, why, until }: PinFile| Pin { subject, entry: Entry { id, by, why, until } };
    Ok(file.map(|file| file.pin).unwrap_or_default().into_iter().map(pin).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_id_or_an_id_with_what_is_told_of_it() {
        let read = |text: &str| toml::from_str::<TrustedFile>(text).map(Trusted::from);
        let trusted =
            read("tracks = ['t1', { id = 't2', by = 'ann', why = 'a hit', until = '1970-01-02' }, { id = 't3' }]")
                .unwrap();
        let [plain, told, bare] = &trusted.tracks[..] else { panic!("{trusted:?}") };
        assert_eq!((plain.id.as_str(), plain.untold()), ("t1", vec!["by", "why", "until"]));
        assert_eq!((told.until, told.untold()), (Some(86_400_000), Vec::new()));
        assert_eq!([told, bare].map(|entry| entry.speaks_about(86_400_000)), [false, true]);
        for wrong in ["tracks = [7]", "tracks = [{ by = 'ann' }]", "tracks = [{ id = 't', author = 'ann' }]"] {
            let error = read(wrong).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("expected an id, or { id ="), "{wrong}: {error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(pins(Some(folder.path())).unwrap(), []);
        let write = |text: &str| std::fs::write(folder.path().join(PINS), text).unwrap();
        write("[[pin]]\nsubject = 'track'\nid = 't1'\nby = 'ann'\n");
        assert_eq!(pins(Some(folder.path())).unwrap()[0].entry.untold(), ["why", "until"]);
        write("[[pin]]\nsubject = 'song'\nid = 't1'\n");
        assert!(pins(Some(folder.path())).unwrap_err().to_string().contains("track"));
    }
}
