//! Which recording a file is, by the catalogue.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use datasets::tables::IdKind;
use datasets::tables::read::{id_kinds, read_table};
use records::{Id, Millis, Track};

use super::files::Found;
use crate::exit::Failure;

/// Finds tracks by the names of their files.
pub(super) struct Catalogue {
    tracks: Vec<Carrier>,
    by_uri: HashMap<String, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
    by_id: HashMap<String, usize>,
    /// Per recording who brought it.
    makers: HashMap<Id, Maker>,
    ids: IdKind,
}

/// A track, its recording, and when it was uploaded.
struct Carrier {
    track: Id,
    content: Id,
    uploaded_at: Option<Millis>,
}

/// Who brought a recording, over all its tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Maker {
    /// The uploaders that are known.
    pub(super) uploaders: BTreeSet<Id>,
    /// When the first of its tracks was uploaded, as far as it is known.
    pub(super) uploaded_at: Option<Millis>,
    /// The main artists of its tracks.
    pub(super) artists: BTreeSet<Id>,
    /// What these are called.
    pub(super) artist_names: BTreeSet<String>,
    /// What its tracks are called.
    pub(super) titles: BTreeSet<String>,
    /// Whether a track names a consent.
    pub(super) has_consent: bool,
}

/// What the catalogue says of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It is the audio of these tracks of this one recording; the first of them whose upload is dated was uploaded then.
    As { content: Id, tracks: Vec<Id>, uploaded_at: Option<Millis> },
    /// No track names it.
    Nowhere,
    /// Its name, without its folder, is that of several recordings.
    Ambiguous { recordings: usize, first: Id },
}

impl Catalogue {
    /// Reads the rows of the catalogue; of a track's rows the latest counts. `known` are recordings that an index knows: if one of them is no
    /// number, no recording is.
    pub(super) fn read<'a>(paths: &[PathBuf], known: impl IntoIterator<Item = &'a str>) -> Result<Catalogue, Failure> {
        let input = |error: datasets::Error| Failure::Input(error.to_string());
        let kinds = id_kinds([("tracks", paths)]).map_err(input)?;
        let mut latest: BTreeMap<Id, Track> = BTreeMap::new();
        let keep = |track: Track| match latest.get_mut(&track.track_id) {
            Some(known) if known.valid_from >= track.valid_from => (),
            _ => drop(latest.insert(track.track_id.clone(), track)),
        };
        read_table(paths, &kinds, keep, &mut Vec::new()).map_err(input)?;
        let mut catalogue = Catalogue::of(latest.into_values());
        if known.into_iter().any(|name| number(name).is_none()) {
            catalogue.ids = IdKind::Text;
        }
        Ok(catalogue)
    }

    /// Of tracks, each once.
    pub(super) fn of(rows: impl Iterator<Item = Track>) -> Catalogue {
        let mut catalogue = Catalogue {
            tracks: Vec::new(),
            by_uri: HashMap::new(),
            by_name: HashMap::new(),
            by_id: HashMap::new(),
            makers: HashMap::new(),
            ids: IdKind::Number,
        };
        let mut is_text = false;
        for track in rows {
            let place = catalogue.tracks.len();
            if let Some(uri) = &track.audio_uri {
                let uri = path_of(uri);
                if let Some(name) = uri.rsplit('/').next() {
                    catalogue.by_name.entry(name.to_owned()).or_default().push(place);
                }
                catalogue.by_uri.entry(uri).or_default().push(place);
            }
            let content = track.content_id.unwrap_or_else(|| track.track_id.clone());
            is_text |= matches!(content, Id::Text(_));
            let maker = catalogue.makers.entry(plain(&content)).or_default();
            maker.uploaders.extend(track.uploader_id);
            maker.artists.extend(track.artist_id);
            maker.artist_names.extend(track.artist_name.filter(|name| !name.is_empty()));
            maker.titles.extend(track.title.filter(|title| !title.is_empty()));
            maker.has_consent |= track.consent_ref.is_some_and(|consent| !consent.is_empty());
            maker.uploaded_at = [maker.uploaded_at, track.uploaded_at].into_iter().flatten().min();
            catalogue.by_id.insert(track.track_id.to_string(), place);
            catalogue.tracks.push(Carrier { track: track.track_id, content, uploaded_at: track.uploaded_at });
        }
        if is_text || catalogue.tracks.is_empty() {
            catalogue.ids = IdKind::Text;
        }
        catalogue
    }

    /// Whether recordings are numbers or texts.
    pub(super) fn ids(&self) -> IdKind {
        self.ids
    }

    /// What the file is: by its path, then by its name, then by a track's id that is its name.
    pub(super) fn name(&self, file: &Found) -> Named {
        let path = file.path.to_string_lossy();
        let below = file.below.to_string_lossy();
        let name = file.below.file_name().unwrap_or_default().to_string_lossy();
        let by_path = self.by_uri.get(&*path).or_else(|| self.by_uri.get(&*below));
        if let Some(places) = by_path.or_else(|| self.by_name.get(&*name)) {
            return self.named(places);
        }
        let stem = Path::new(&*name).file_stem().unwrap_or_default().to_string_lossy();
        match self.by_id.get(&*stem) {
            Some(&place) => self.named(&[place]),
            None => Named::Nowhere,
        }
    }

    /// A recording of an index, as the tables call it.
    pub(super) fn known(&self, name: &str) -> Id {
        match (self.ids, number(name)) {
            (IdKind::Number, Some(number)) => Id::from(number),
            _ => Id::from(name),
        }
    }

    /// Who brought the recording; `None` where no track carries it.
    pub(super) fn maker(&self, content: &Id) -> Option<&Maker> {
        self.makers.get(&plain(content))
    }

    /// Every recording of the catalogue and who brought it, in order.
    pub(super) fn makers(&self) -> BTreeMap<Id, &Maker> {
        self.makers.iter().map(|(content, maker)| (self.told(content), maker)).collect()
    }

    /// What the artist of the recording is called: by name, else by id.
    pub(super) fn artist_of(&self, content: &Id) -> Option<String> {
        let maker = self.maker(content)?;
        maker.artist_names.first().cloned().or_else(|| maker.artists.first().map(Id::to_string))
    }

    /// The id as a value of the tables' columns.
    fn told(&self, id: &Id) -> Id {
        match (self.ids, id) {
            (IdKind::Text, Id::Number(number)) => Id::from(number.to_string()),
            _ => id.clone(),
        }
    }

    fn named(&self, places: &[usize]) -> Named {
        let carriers = || places.iter().map(|&place| &self.tracks[place]);
        let mut contents: Vec<&Id> = carriers().map(|carrier| &carrier.content).collect();
        contents.sort();
        contents.dedup();
        if contents.len() > 1 {
            return Named::Ambiguous { recordings: contents.len(), first: contents[0].clone() };
        }
        Named::As {
            content: self.told(contents[0]),
            tracks: carriers().map(|carrier| carrier.track.clone()).collect(),
            uploaded_at: carriers().filter_map(|carrier| carrier.uploaded_at).min(),
        }
    }

    /// The recording of a file that no track names: a word for its bytes, of the kind that the other recordings are.
    pub(super) fn nameless(&self, hash: &str) -> Id {
        match self.ids {
            IdKind::Text => Id::from(format!("audio:{hash}")),
            // Numbers of this half are given out by nobody.
            IdKind::Number => {
                let number = u64::from_str_radix(&hash[..16], 16).expect("a hash is hexadecimal");
                Id::from(((number | 1 << 63) & !1).min(u64::MAX - 1))
            }
        }
    }
}

/// The number that the text is.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| *number < u64::MAX && number.to_string() == text)
}

/// 7 and "7" are one recording.
fn plain(id: &Id) -> Id {
    match id {
        Id::Text(text) => number(text).map_or_else(|| id.clone(), Id::from),
        Id::Number(_) => id.clone(),
    }
}

/// The path in an address of a file; any other address as it is.
fn path_of(uri: &str) -> String {
    uri.strip_prefix("file://").unwrap_or(uri).trim_start_matches("./").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(id: u64, content: u64, uri: &str) -> Track {
        let mut track = Track::new(Id::from(id));
        track.content_id = Some(Id::from(content));
        track.audio_uri = (!uri.is_empty()).then(|| uri.to_owned());
        track
    }

    fn found(path: &str, below: &str) -> Found {
        Found { path: path.into(), below: below.into() }
    }

    #[test]
    fn a_file_is_known_by_path_then_name_then_id() {
        let rows = [
            track(1, 10, "file:///music/a/01.mp3"),
            track(2, 10, "/music/a/01.mp3"),
            track(3, 30, "b/01.mp3"),
            track(4, 40, "https://cdn.example/b/four.flac"),
            track(5, 50, ""),
        ];
        let catalogue = Catalogue::of(rows.into_iter());
        let content = |file: Found| match catalogue.name(&file) {
            Named::As { content, .. } => content,
            other => panic!("{other:?}"),
        };
        assert_eq!(content(found("/music/a/01.mp3", "a/01.mp3")), Id::from(10));
        assert_eq!(content(found("/elsewhere/b/01.mp3", "b/01.mp3")), Id::from(30));
        assert_eq!(content(found("x/four.flac", "four.flac")), Id::from(40));
        assert_eq!(content(found("x/5.ogg", "5.ogg")), Id::from(50));
        assert_eq!(catalogue.name(&found("x/6.ogg", "6.ogg")), Named::Nowhere);
        let twice = catalogue.name(&found("x/01.mp3", "01.mp3"));
        assert_eq!(twice, Named::Ambiguous { recordings: 2, first: Id::from(10) });
    }

    #[test]
    fn a_file_without_a_track_has_an_id_of_the_same_kind() {
        let numbers = Catalogue::of([track(1, 10, "")].into_iter());
        let hash = "ffffffffffffffffffff";
        assert_eq!(numbers.nameless(hash), Id::from(u64::MAX - 1));
        assert!(matches!(numbers.nameless("00000000000000010000"), Id::Number(number) if number >> 63 == 1));
        let none = Catalogue::of(std::iter::empty());
        assert_eq!(none.nameless("00ff"), Id::from("audio:00ff"));
    }
}
