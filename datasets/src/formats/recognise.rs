//! Tells what a file is by its name and its first rows, and says so; what cannot be told is one clear error.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::delimited::first_line;
use super::instant;
use super::json::{ArrayRows, LineRows};
use super::mapped::Map;
use super::record::{Cell, Record, shortened};
use super::rows::{Layout, Step, Steps, head};
use super::shape::{self, Format, Shape};
use super::typed;
use crate::Error;

/// Enough of a file to hold its first rows.
const HEAD_BYTES: usize = 64 << 10;

/// A file and what it was taken for.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    pub(super) shape: &'static Shape,
    pub(super) layout: Layout,
}

impl Recognised {
    /// The format.
    pub fn format(&self) -> Format {
        self.shape.format
    }

    /// What it was taken for, in words.
    pub fn what(&self) -> &'static str {
        self.shape.what
    }

    /// Whether it describes tracks or accounts; such files are read first.
    pub fn describes(&self) -> bool {
        self.shape.describes
    }
}

/// What comes of looking at a file.
#[derive(Clone, Debug)]
pub enum Finding {
    /// It can be read.
    File(Recognised),
    /// It belongs to an export but holds no plays, and is left alone for this reason.
    Skipped(PathBuf, String),
}

/// The files at the paths, folders walked in the order of names; no file comes twice. The flag says whether a file
/// was found in a folder (not named itself).
///
/// # Errors
/// When a path cannot be read, or a folder holds no file.
pub fn walk(paths: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, Error> {
    let mut files = Vec::new();
    let mut known = BTreeSet::new();
    for path in paths {
        let before = files.len();
        let metadata = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
        if metadata.is_dir() {
            walk_folder(path, &mut files)?;
            if files.len() == before {
                return Err(Error::Input(format!("{}: the folder holds no files", path.display())));
            }
        } else {
            files.push((path.clone(), false));
        }
    }
    files.retain(|(path, _)| known.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(files)
}

fn walk_folder(folder: &Path, files: &mut Vec<(PathBuf, bool)>) -> Result<(), Error> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| Error::io(folder, error))?.path());
    }
    paths.sort();
    for path in paths.into_iter().filter(|path| !file_name(path).starts_with('.')) {
        if path.is_dir() { walk_folder(&path, files)? } else { files.push((path, true)) }
    }
    Ok(())
}

/// Tells what the file is. With a `format` the file is read as that format, whatever it looks like; with a `map`, what
/// is of no known format is read through it.
///
/// # Errors
/// When the file cannot be read, or is of no known format.
pub fn recognise(path: &Path, in_folder: bool, format: Option<Format>, map: Option<&Map>) -> Result<Finding, Error> {
    let bytes = std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    let start = head(path, HEAD_BYTES)?;
    let file = |shape: &'static Shape| {
        let layout = match (shape.format, map) {
            (Format::Mapped, Some(map)) => map.layout(&start),
            _ => (shape.layout)(),
        };
        Ok(Finding::File(Recognised { path: path.to_owned(), bytes, shape, layout }))
    };
    if format == Some(Format::Mapped) {
        return file(&shape::MAPPED);
    }
    if in_folder && let Some(reason) = companion(&file_name(path)) {
        return Ok(Finding::Skipped(path.to_owned(), reason.to_owned()));
    }
    match (detect(path, &start), format, map) {
        (Detected::Known(shape), None, _) => file(shape),
        (Detected::Known(shape), Some(format), _) if shape.format == format => file(shape),
        (_, Some(format), _) => file(format.main_shape()),
        (_, None, Some(_)) => file(&shape::MAPPED),
        (Detected::Unsupported(what), None, None) => {
            Err(Error::Input(format!("{}: this looks like {what}; formats known: {}", path.display(), Format::names())))
        }
        (Detected::Unknown(found), None, None) => Err(Error::Input(format!(
            "{}: of no known format; found {found}; formats known: {} (any CSV, JSON lines or Parquet file can be read with --map)",
            path.display(),
            Format::names()
        ))),
    }
}

enum Detected {
    Known(&'static Shape),
    /// Known, and why it cannot be read.
    Unsupported(&'static str),
    /// What was found.
    Unknown(String),
}

fn detect(path: &Path, start: &[u8]) -> Detected {
    let name = file_name(path);
    if let Some(shape) = by_special_name(&name) {
        return Detected::Known(shape);
    }
    let found = match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Detected::Unknown("an empty file".to_owned()),
        _ if start.starts_with(b"PAR1") => detect_parquet(path),
        Some(b'[') => detect_object(ArrayRows::new(Box::new(Cursor::new(start.to_vec()))).next(), "a JSON array"),
        Some(b'{') => detect_object(LineRows::new(Box::new(Cursor::new(start.to_vec()))).next(), "JSON"),
        Some(_) => detect_text(start),
    };
    match (found, by_name(&name)) {
        // A damaged or empty file is still told by its name, so that the damage is refused and not the import.
        (Detected::Unknown(_), Some(shape)) => Detected::Known(shape),
        (found, _) => found,
    }
}

/// Files whose rows look like others' and whose name alone tells them apart.
fn by_special_name(name: &str) -> Option<&'static Shape> {
    let json = name.contains(".json");
    match name {
        _ if json && name.starts_with("Streaming_History_Video") => Some(&shape::SPOTIFY_VIDEO),
        _ if json && name.starts_with("StreamingHistory_podcast") => Some(&shape::SPOTIFY_SPOKEN),
        _ if json && name.starts_with("StreamingHistory_audiobook") => Some(&shape::SPOTIFY_SPOKEN),
        _ => None,
    }
}

fn by_name(name: &str) -> Option<&'static Shape> {
    let json = name.contains(".json");
    match name {
        _ if json && (name.starts_with("endsong") || name.starts_with("Streaming_History_Audio")) => {
            Some(&shape::SPOTIFY_EXTENDED)
        }
        _ if json && name.starts_with("StreamingHistory") => Some(&shape::SPOTIFY_BASIC),
        "listens.parquet" => Some(&shape::YAMBDA_LISTENS),
        "multi_event.parquet" => Some(&shape::YAMBDA_EVENTS),
        "userid-timestamp-artid-artname-traid-traname.tsv" => Some(&shape::LASTFM_1K),
        "userid-profile.tsv" => Some(&shape::LASTFM_PROFILE),
        "LFM-1b_LEs.txt" => Some(&shape::LFM_1B),
        _ => None,
    }
}

fn detect_object(first: Option<Step>, what: &str) -> Detected {
    let Some(Step::Row(record)) = first else { return Detected::Unknown(format!("{what} without a readable row")) };
    let has = |column: &str| has_key(&record, column);
    if has("ts") && has("ms_played") {
        Detected::Known(&shape::SPOTIFY_EXTENDED)
    } else if has("endTime") && has("msPlayed") {
        Detected::Known(&shape::SPOTIFY_BASIC)
    } else if has("listened_at") && has("track_metadata") {
        Detected::Known(&shape::LISTENBRAINZ)
    } else if has("user_id") && has("track_id") && has("timestamp") && has("length") {
        Detected::Known(&shape::DISTRIBUTOR_STREAMS)
    } else if has("user_id") && (has("access") || has("birth_year")) {
        Detected::Known(&shape::DISTRIBUTOR_USERS)
    } else if has("track_id") && has("track_name") && has("album_artist") {
        Detected::Known(&shape::DISTRIBUTOR_TRACKS)
    } else if has("playlists") {
        Detected::Unsupported("the Million Playlist Dataset: playlists, no plays")
    } else {
        Detected::Unknown(format!("{what} of objects with the keys {}", keys(&record)))
    }
}

fn has_key(record: &Record, column: &str) -> bool {
    match record {
        Record::Object(object) => object.contains_key(column),
        Record::Row { .. } => record.cell(column) != Cell::Null,
    }
}

fn keys(record: &Record) -> String {
    match record {
        Record::Object(object) => object.keys().take(20).map(String::as_str).collect::<Vec<_>>().join(", "),
        Record::Row { columns, .. } => columns.names().join(", "),
    }
}

fn detect_parquet(path: &Path) -> Detected {
    let opened = File::open(path).map_err(|error| error.to_string());
    let builder = opened.and_then(typed::open);
    let builder = match builder {
        Ok(builder) => builder,
        Err(error) => return Detected::Unknown(format!("a Parquet file that is damaged or cut short ({error})")),
    };
    let fields = builder.schema().fields();
    let has = |column: &str| fields.iter().any(|field| field.name() == column);
    let nested = fields.iter().any(|field| field.name() == "item_id" && field.data_type().is_nested());
    if has("uid") && nested {
        Detected::Unsupported("a sequential table of Yambda (lists per user): use the tables in flat/")
    } else if has("uid") && has("item_id") && has("event_type") {
        Detected::Known(&shape::YAMBDA_EVENTS)
    } else if has("uid") && has("item_id") && has("played_ratio_pct") {
        Detected::Known(&shape::YAMBDA_LISTENS)
    } else if has("uid") && has("item_id") && has("is_organic") {
        Detected::Known(&shape::YAMBDA_OPINIONS)
    } else if has("artist_id") && has("item_id") && fields.len() == 2 {
        Detected::Known(&shape::YAMBDA_ARTISTS)
    } else {
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        Detected::Unknown(format!("a Parquet file with the columns {}", names.join(", ")))
    }
}

fn detect_text(start: &[u8]) -> Detected {
    let tabs = first_line(start, b'\t', false);
    if tabs.len() > 1 {
        return detect_tabs(&tabs);
    }
    let fields = first_line(start, b',', true);
    let has = |column: &str| fields.iter().any(|field| field == column);
    if has("session_id") && has("track_id_clean") {
        Detected::Known(&shape::MSSD)
    } else if has("date") && has("artist") && has("track") {
        Detected::Known(&shape::LASTFM_CSV)
    } else if has("msno") {
        Detected::Unsupported("KKBox (WSDM 2018): totals per day with negative and absurd seconds, no single plays")
    } else if has("Event Start Timestamp") || has("Play Duration Milliseconds") {
        Detected::Unsupported(
            "Apple Music Play Activity: not supported, because its negative durations and LYRIC_DISPLAY rows could not be \
             checked against a real file; --map reads it column by column",
        )
    } else if fields.len() > 1 {
        Detected::Unknown(format!("text with the first line {}", fields.join(", ")))
    } else {
        Detected::Unknown(format!("text or bytes that begin with {:?}", shortened(&start[..start.len().min(40)])))
    }
}

fn detect_tabs(fields: &[String]) -> Detected {
    let has = |column: &str| fields.iter().any(|field| field == column);
    let is_number = |field: &String| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = |field: &String| field.len() == 40 && field.bytes().all(|byte| byte.is_ascii_hexdigit());
    if has("user_id") && has("track_id") && has("timestamp") {
        Detected::Known(&shape::LFM_2B)
    } else if has("#id") && (has("registered") || has("country")) {
        Detected::Known(&shape::LASTFM_PROFILE)
    } else if fields.len() == 6 && instant::from_text(&fields[1]).is_some() {
        Detected::Known(&shape::LASTFM_1K)
    } else if fields.len() == 5 && fields.iter().all(is_number) {
        Detected::Known(&shape::LFM_1B)
    } else if fields.len() == 4 && is_hash(&fields[0]) {
        Detected::Unsupported("Last.fm-360K: play counts per artist, no single plays")
    } else if fields.len() == 3 && is_hash(&fields[0]) {
        Detected::Unsupported("the Taste Profile: play counts per song, no single plays")
    } else if has("userID") && has("artistID") {
        Detected::Unsupported("HetRec 2011: play counts per artist, no single plays")
    } else if fields[0] == "event.play" {
        Detected::Unsupported("30Music (idomaar): events with JSON columns are not read")
    } else if fields.len() == 4 && is_number(&fields[0]) && fields[3].len() == 36 {
        Detected::Unsupported(
            "MLHD: one file per user without the user in it; --map reads it with names and started_at",
        )
    } else {
        Detected::Unknown(format!("tab-separated text with the first line {}", fields.join(", ")))
    }
}

/// Why a file that lies beside the plays of an export is left alone.
fn companion(name: &str) -> Option<&'static str> {
    const SPOTIFY: &[&str] = &[
        "userdata",
        "playlist",
        "follow",
        "identity",
        "identifiers",
        "inferences",
        "payments",
        "searchqueries",
        "yourlibrary",
        "marquee",
        "duonewfamily",
        "userprompts",
        "yoursoundcapsule",
        "wrapped",
        "messagedata",
        "userattributes",
    ];
    const BESIDE: &[&str] =
        &["lfm-1b_artists", "lfm-1b_albums", "lfm-1b_tracks", "lfm-1b_users", "album_item_mapping", "embeddings"];
    let lower = name.to_ascii_lowercase();
    let starts = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    match lower.rsplit('.').next() {
        Some("pdf" | "md" | "html") => return Some("a document"),
        Some("json") if starts(SPOTIFY) => return Some("part of a Spotify export that holds no plays"),
        _ => {}
    }
    if starts(&["readme", "read_me", "license", "sha256sums"]) {
        Some("a document")
    } else if starts(BESIDE) {
        Some("names or vectors, no plays")
    } else {
        None
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
