//! Reads XML that strangers wrote, one piece of a message at a time, within limits.
//!
//! ```text
//! bytes ──▶ Counted (place, size, length of a token) ──▶ events ──▶ elements below the lists ──▶ Piece
//! ```
//!
//! There is no document type, hence no entity but the five of XML and characters by number: nothing expands and nothing is
//! fetched. What goes past a limit ends the file with the place, what was found there and what was expected. An element of another
//! namespace is nobody's word about the release: it is read for its form, told, and left out with all it holds.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use quick_xml::XmlVersion;
use quick_xml::encoding::EncodingError;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

/// How much a message may be. A box set of a thousand tracks is about 20 MB and a dozen levels deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file.
    pub bytes: u64,
    /// Bytes of a tag, a comment or a text.
    pub token_bytes: u64,
    /// Elements within each other.
    pub depth: usize,
    /// Attributes of an element.
    pub attributes: usize,
    /// Elements of a piece: a party, a recording, a release, its deals.
    pub elements: usize,
    /// Elements of a message.
    pub all_elements: usize,
    /// Pieces of a message.
    pub pieces: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 64 << 20,
            token_bytes: 1 << 20,
            depth: 64,
            attributes: 256,
            elements: 50_000,
            all_elements: 1_000_000,
            pieces: 100_000,
        }
    }
}

/// Line and column in a file, both counted from 1; columns are letters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[allow(missing_docs)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

impl Place {
    /// The first letter of a file.
    pub const START: Place = Place { line: 1, column: 1 };

    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => *self = Place { line: self.line + 1, column: 1 },
                // The later bytes of a letter are no letters.
                0x80..=0xBF => {}
                _ => self.column += 1,
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a file is no message: what was found where, what was expected, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("{}:{at}: found {found}; expected {expected}; {next}", path.display())]
#[allow(missing_docs)]
pub struct Unread {
    pub path: PathBuf,
    pub at: Place,
    pub found: String,
    pub expected: String,
    pub next: String,
}

/// The same without the file, while it is read.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) at: Place,
    pub(super) found: String,
    pub(super) expected: String,
    pub(super) next: &'static str,
}

impl Stop {
    pub(super) fn new(at: Place, found: impl Into<String>, expected: impl Into<String>, next: &'static str) -> Stop {
        Stop { at, found: found.into(), expected: expected.into(), next }
    }

    pub(super) fn of(self, path: &Path) -> Unread {
        let Stop { at, found, expected, next } = self;
        Unread { path: path.to_owned(), at, found, expected, next: next.to_owned() }
    }
}

/// An element and what it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    /// Its name without a prefix.
    pub(super) name: String,
    /// Where its tag begins.
    pub(super) at: Option<Place>,
    pub(super) attributes: Vec<(String, String)>,
    /// Its text, outer blanks left out.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
    /// It, or what it stands in, is of another namespace.
    pub(super) is_foreign: bool,
    /// It was said more often and not the same: that something was said is all that is left of it.
    pub(super) is_contradictory: bool,
}

impl Element {
    pub(super) fn place(&self) -> Place {
        self.at.unwrap_or(Place::START)
    }

    /// The elements of this name that it holds.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Element> + Clone {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at the end of a path such as `ResourceId/ISRC`.
    pub(super) fn find(&self, path: &str) -> Option<&Element> {
        match path.split_once('/') {
            Some((first, rest)) => self.all(first).find_map(|child| child.find(rest)),
            None => self.all(path).next(),
        }
    }

    /// The first text at the end of one of the paths, in their order.
    pub(super) fn text_at(&self, paths: &[&str]) -> Option<&str> {
        let text = |path: &&str| self.find(path).map(|found| found.text.as_str()).filter(|text| !text.is_empty());
        paths.iter().find_map(text)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether both say the same, wherever they stand.
    pub(super) fn says_as(&self, other: &Element) -> bool {
        self.name == other.name
            && self.text == other.text
            && self.attributes == other.attributes
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(one, other)| one.says_as(other))
    }

    /// The first element of this name at any depth.
    pub(super) fn below(&self, name: &str) -> Option<&Element> {
        self.children.iter().find_map(|child| if child.name == name { Some(child) } else { child.below(name) })
    }
}

/// A part of a message that is looked at by itself.
pub(super) struct Piece {
    /// The list it stands in; empty for what stands in none.
    pub(super) list: String,
    pub(super) element: Element,
}

/// A source that knows where it is and gives up where a token or the file is too long.
struct Counted<R> {
    source: BufReader<R>,
    place: Place,
    bytes: u64,
    token_from: u64,
    limits: Limits,
    too_long: Option<&'static str>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let token_is_long = self.bytes - self.token_from > self.limits.token_bytes;
        let too_long = if self.bytes > self.limits.bytes { Some("a file") } else { None };
        self.too_long = too_long.or(token_is_long.then_some("a tag, a comment or a text"));
        match self.too_long {
            Some(what) => Err(io::Error::other(what)),
            None => self.source.fill_buf(),
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.place.pass(&self.source.buffer()[..bytes]);
        self.bytes += bytes as u64;
        self.source.consume(bytes);
    }
}

/// Elements of other namespaces that are told; there may be a million.
const FOREIGN_MAX: usize = 1_000;

/// The prefixes that are declared where the reader is: of each how deep, and whether it stands for ERN; the last one counts.
#[derive(Default)]
struct Spaces(HashMap<String, Vec<bool>>);

impl Spaces {
    /// The prefixes that a tag declares, the empty one among them, and what they stand for.
    fn declared(attributes: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
        attributes.iter().filter_map(|(name, value)| {
            let prefix = if name == "xmlns" { "" } else { name.strip_prefix("xmlns:")? };
            Some((prefix, value.as_str()))
        })
    }

    fn enter(&mut self, attributes: &[(String, String)]) {
        for (prefix, space) in Spaces::declared(attributes) {
            let is_ern = space.starts_with("http://ddex.net/xml/ern/");
            let is_none = prefix.is_empty() && space.is_empty();
            self.0.entry(prefix.to_owned()).or_default().push(is_ern || is_none);
        }
    }

    fn leave(&mut self, attributes: &[(String, String)]) {
        for (prefix, _) in Spaces::declared(attributes) {
            self.0.get_mut(prefix).and_then(Vec::pop);
        }
    }

    /// Whether a name is the standard's: in its namespace, or, as ERN writes all but the root, in none.
    fn is_ours(&self, name: &str) -> bool {
        let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
        self.0.get(prefix).and_then(|spaces| spaces.last().copied()).unwrap_or(prefix.is_empty())
    }
}

/// The pieces of a message, one after the other.
pub(super) struct Pieces<R> {
    reader: Reader<Counted<R>>,
    limits: Limits,
    buffer: Vec<u8>,
    /// Elements that are open, the root first; from the third level on they are part of a piece.
    open: Vec<Element>,
    /// Elements of the piece that is being read, of the message so far, and pieces read.
    elements: usize,
    all_elements: usize,
    pieces: usize,
    /// The root's tag, once it was read.
    root: Option<Element>,
    spaces: Spaces,
    /// Elements of other namespaces, and where they stand.
    foreign: Vec<(String, Place)>,
    ended: bool,
}

const HOSTILE: &str =
    "nothing that a distributor sends looks like this: ask the sender for the message as its system made it";
const DAMAGED: &str = "the file is damaged or was cut: ask for it again";

impl<R: Read> Pieces<R> {
    pub(super) fn new(source: R, limits: Limits) -> Pieces<R> {
        let source = BufReader::with_capacity(64 << 10, source);
        let counted = Counted { source, place: Place::START, bytes: 0, token_from: 0, limits, too_long: None };
        let mut reader = Reader::from_reader(counted);
        reader.config_mut().check_comments = false;
        Pieces {
            reader,
            limits,
            buffer: Vec::new(),
            open: Vec::new(),
            elements: 0,
            all_elements: 0,
            pieces: 0,
            root: None,
            spaces: Spaces::default(),
            foreign: Vec::new(),
            ended: false,
        }
    }

    /// The root element, without what it holds; once, before the pieces.
    pub(super) fn root(&mut self) -> Result<Element, Stop> {
        loop {
            if let Some(root) = &self.root {
                return Ok(root.clone());
            }
            if self.ended {
                let expected = "a NewReleaseMessage or a PurgeReleaseMessage";
                return Err(Stop::new(self.reader.get_mut().place, "no element", expected, DAMAGED));
            }
            self.step()?;
        }
    }

    /// The next piece; `None` after the last one of a message that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Stop> {
        loop {
            if self.ended {
                return Ok(None);
            }
            if let Some(piece) = self.step()? {
                self.elements = 0;
                self.pieces += 1;
                if self.pieces > self.limits.pieces {
                    let found = format!("more than {} parties, resources, releases and deals", self.limits.pieces);
                    let expected = "a message about one release";
                    return Err(Stop::new(piece.element.place(), found, expected, HOSTILE));
                }
                return Ok(Some(piece));
            }
        }
    }

    /// The elements of other namespaces so far, the first [`FOREIGN_MAX`] of them.
    pub(super) fn foreign(self) -> Vec<(String, Place)> {
        self.foreign
    }

    /// Takes one event.
    fn step(&mut self) -> Result<Option<Piece>, Stop> {
        self.buffer.clear();
        let source = self.reader.get_mut();
        let at = source.place;
        source.token_from = source.bytes;
        let event = self.reader.read_event_into(&mut self.buffer);
        let event = match event {
            // The event borrows the buffer that `self` must be free to leave.
            Ok(event) => event.into_owned(),
            Err(error) => return Err(self.stop(at, &error)),
        };
        match event {
            Event::Start(tag) => self.start(&tag, at).map(|()| None),
            Event::Empty(tag) => self.start(&tag, at).map(|()| self.end()),
            Event::End(_) => Ok(self.end()),
            Event::Text(text) => self.text(&text.xml10_content(), at).map(|()| None),
            Event::CData(text) => self.text(&text.xml10_content(), at).map(|()| None),
            Event::GeneralRef(reference) => self.reference(&reference, at).map(|()| None),
            Event::DocType(_) => Err(Stop::new(
                at,
                "a document type (<!DOCTYPE>)",
                "none: entities are neither read nor fetched",
                HOSTILE,
            )),
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(name)) if !name.eq_ignore_ascii_case("utf-8") && !name.eq_ignore_ascii_case("us-ascii") => {
                    let next = "convert the file, or ask the sender for UTF-8, as DDEX wants it";
                    Err(Stop::new(at, format!("the encoding {}", shown(&name)), "UTF-8", next))
                }
                _ => Ok(None),
            },
            Event::Comment(_) | Event::PI(_) => Ok(None),
            Event::Eof => self.eof(at).map(|()| None),
        }
    }

    fn eof(&mut self, at: Place) -> Result<(), Stop> {
        self.ended = true;
        match self.open.last() {
            Some(open) => {
                let expected = format!("</{}>, which begins at {}", open.name, open.place());
                Err(Stop::new(at, "the end of the file", expected, DAMAGED))
            }
            None => Ok(()),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, at: Place) -> Result<(), Stop> {
        if self.open.len() >= self.limits.depth {
            let found = format!("<{}> at depth {}", shown(tag.local_name().as_ref()), self.open.len() + 1);
            return Err(Stop::new(
                at,
                found,
                format!("at most {} elements within each other", self.limits.depth),
                HOSTILE,
            ));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(Stop::new(at, "a second root element", "one message in a file", "split the file"));
        }
        self.elements += 1;
        self.all_elements += 1;
        if self.elements > self.limits.elements {
            let found = format!("more than {} elements in one part of the message", self.limits.elements);
            return Err(Stop::new(at, found, "a party, a resource, a release or its deals", HOSTILE));
        }
        if self.all_elements > self.limits.all_elements {
            let found = format!("more than {} elements", self.limits.all_elements);
            return Err(Stop::new(at, found, "a message about one release", HOSTILE));
        }
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let bad = |error: &dyn fmt::Display| {
                Stop::new(at, format!("a tag that cannot be read ({error})"), "name=\"value\" pairs", DAMAGED)
            };
            let attribute = attribute.map_err(|error| bad(&error))?;
            if attributes.len() == self.limits.attributes {
                let found = format!("more than {} attributes", self.limits.attributes);
                return Err(Stop::new(at, found, "a handful", HOSTILE));
            }
            // A reference to an entity that XML does not know is an error here: there is no document type to declare one.
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| bad(&error))?;
            attributes.push((attribute.key.0.to_owned(), value.into_owned()));
        }
        self.spaces.enter(&attributes);
        let is_within = self.open.last().is_some_and(|parent| parent.is_foreign);
        let is_foreign = is_within || !self.spaces.is_ours(tag.name().as_ref());
        let name = tag.local_name().as_ref().to_owned();
        if is_foreign && !is_within && self.foreign.len() < FOREIGN_MAX {
            self.foreign.push((name.clone(), at));
        }
        let element = Element { name, at: Some(at), attributes, is_foreign, ..Element::default() };
        self.root.get_or_insert_with(|| element.clone());
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Option<Piece> {
        let mut element = self.open.pop().expect("the reader refuses an end without a beginning");
        let text = element.text.trim();
        if text.len() < element.text.len() || text.contains(char::is_control) {
            element.text = text.replace(char::is_control, " ");
        }
        self.spaces.leave(&element.attributes);
        let is_list = |element: &Element| element.name.ends_with("List");
        match self.open.as_slice() {
            _ if element.is_foreign => None,
            // The root itself, and a list of which all pieces were handed over.
            [] => None,
            [_] if is_list(&element) => None,
            [_] => Some(Piece { list: String::new(), element }),
            [_, list] if is_list(list) => Some(Piece { list: list.name.clone(), element }),
            _ => {
                self.open.last_mut().expect("two are open").children.push(element);
                None
            }
        }
    }

    fn text(&mut self, text: &str, at: Place) -> Result<(), Stop> {
        let Some(open) = self.open.last_mut() else {
            return match text.trim_start_matches('\u{feff}').trim().is_empty() {
                true => Ok(()),
                false => {
                    let found = format!("the text {}", shown(text.trim()));
                    Err(Stop::new(at, found, "an XML message: <ern:NewReleaseMessage ...>", "name DDEX ERN messages"))
                }
            };
        };
        if (open.text.len() + text.len()) as u64 > self.limits.token_bytes {
            let found = format!("a text of more than {} bytes", self.limits.token_bytes);
            return Err(Stop::new(at, found, "a name, a date or a description", HOSTILE));
        }
        // Between the tags of a list stand only blanks, however many.
        if !open.text.is_empty() || !text.trim().is_empty() {
            open.text.push_str(text);
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>, at: Place) -> Result<(), Stop> {
        let letter = match &reference.xml10_content()[..] {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => reference.resolve_char_ref().ok().flatten(),
        };
        match letter {
            Some(letter) => self.text(letter.encode_utf8(&mut [0; 4]), at),
            None => {
                let found = format!("the entity &{};", shown(&reference.xml10_content()));
                let expected = "&lt; &gt; &amp; &apos; &quot; or a character by number";
                Err(Stop::new(at, found, expected, "write the letter itself"))
            }
        }
    }

    fn stop(&mut self, at: Place, error: &quick_xml::Error) -> Stop {
        let source = self.reader.get_mut();
        match error {
            quick_xml::Error::Io(_) if source.too_long.is_some() => {
                let what = source.too_long.expect("asked just now");
                let bytes = if what == "a file" { source.limits.bytes } else { source.limits.token_bytes };
                Stop::new(at, format!("{what} of more than {bytes} bytes"), "less", HOSTILE)
            }
            quick_xml::Error::Io(error) => {
                Stop::new(at, error.to_string(), "a file that can be read", "look at the disk")
            }
            quick_xml::Error::Encoding(EncodingError::Utf8(error)) => {
                let mut exactly = at;
                exactly.pass(&self.buffer[..error.valid_up_to().min(self.buffer.len())]);
                let next = "convert the file, or ask the sender for UTF-8, as DDEX wants it";
                Stop::new(exactly, "bytes that are no UTF-8", "UTF-8", next)
            }
            _ => Stop::new(at, error.to_string(), "well-formed XML", DAMAGED),
        }
    }
}

/// A stranger's text for a message: cut, and without what a terminal would obey.
pub(super) fn shown(text: &str) -> String {
    let safe: String =
        text.chars().take(80).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    if text.chars().nth(80).is_some() { format!("`{safe}...`") } else { format!("`{safe}`") }
}
