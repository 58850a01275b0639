//! What a scan left of recordings for people: pictures by the hash of their bytes, and the files themselves.
//!
//! ```text
//! --heard DIR: audio.parquet ──▶ recording ──▶ hash ──▶ previews/ab/HASH.…          (waveform, spectrogram)
//! --audio DIR:                               └──▶ file of that name, length and hash ──▶ clips
//! ```
//!
//! Nobody names a file: a request brings a hash, and what the table of the scan has under it is looked for. All of it is only read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use console::desk::Peaks;
use datasets::tables::rows::{Rows, Value};
use records::Id;
use serde_json::Value as Json;

/// The table of a scan that says which recording each file is.
const TABLE: &str = "audio.parquet";
/// A preview of peaks is no longer: three hours at 20 points a second, in text.
const PEAKS_BYTES_MAX: u64 = 4 << 20;
/// A tile is no longer.
const TILE_BYTES_MAX: u64 = 4 << 20;
/// Three hours, in tiles of 32 s.
const TILES_MAX: usize = 340;
/// The width of a PNG stands there (RFC 2083, 11.2.1).
const PNG_WIDTH_AT: usize = 16;
/// Columns of a second of spectrogram, as a scan draws them.
const COLUMNS_PER_SECOND: u32 = 16;

/// A file that was scanned.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The recording, as the scan called it.
    pub content_id: Id,
    /// The path of the file when it was scanned.
    pub file: String,
    /// BLAKE3 of its bytes: 64 digits.
    pub hash: String,
    /// How long it is.
    pub seconds: f64,
    /// Its sample rate.
    pub rate_hz: u32,
    bytes: u64,
    /// The folder of the scan.
    folder: PathBuf,
}

/// What the tables of all scans say.
#[derive(Default)]
struct Catalogue {
    /// What the tables were when they were read: when they were changed, and how long they are.
    of: Vec<Option<(SystemTime, u64)>>,
    by_recording: HashMap<String, Vec<Arc<Recorded>>>,
    by_hash: HashMap<String, Arc<Recorded>>,
}

/// Folders of scans, and of sound.
pub struct ListeningRoom {
    heard: Vec<PathBuf>,
    audio: Vec<PathBuf>,
    catalogue: Mutex<Arc<Catalogue>>,
    /// Files whose bytes were found to be those that were scanned, as they were then.
    checked: Mutex<HashMap<PathBuf, (SystemTime, String)>>,
}

impl ListeningRoom {
    /// Over these folders, which may be none.
    pub fn new(heard: Vec<PathBuf>, audio: Vec<PathBuf>) -> ListeningRoom {
        ListeningRoom { heard, audio, catalogue: Mutex::default(), checked: Mutex::default() }
    }

    /// Whether somebody told of scans, and of sound.
    pub fn has(&self) -> [bool; 2] {
        [!self.heard.is_empty(), !self.audio.is_empty()]
    }

    /// The file of a recording; of several the one of that name, else the first.
    pub fn recorded(&self, recording: &Id, file: Option<&str>) -> Option<Arc<Recorded>> {
        let catalogue = self.catalogue();
        let files = catalogue.by_recording.get(&recording.to_string())?;
        files.iter().find(|recorded| Some(&*recorded.file) == file).or(files.first()).cloned()
    }

    /// The file of these bytes.
    pub fn of_hash(&self, hash: &str) -> Option<Arc<Recorded>> {
        self.catalogue().by_hash.get(hash).cloned()
    }

    /// The tables as they are now; they are read again when a scan has replaced them.
    fn catalogue(&self) -> Arc<Catalogue> {
        let now: Vec<_> = self.heard.iter().map(|folder| state_of(&folder.join(TABLE))).collect();
        let mut catalogue = self.catalogue.lock().expect("nobody panics with it");
        if catalogue.of != now {
            let mut read = Catalogue { of: now, ..Catalogue::default() };
            for folder in &self.heard {
                if let Err(error) = read.add(folder) {
                    eprintln!("--heard {}: {error}", folder.display());
                }
            }
            *catalogue = Arc::new(read);
        }
        catalogue.clone()
    }

    /// Its waveform.
    pub fn peaks(&self, recorded: &Recorded) -> Option<Peaks> {
        let text = read_small(&recorded.preview("peaks.json"), PEAKS_BYTES_MAX)?;
        let told: Json = serde_json::from_slice(&text).ok()?;
        let number = |name: &str| told[name].as_f64().filter(|number| *number > 0.0);
        let sample = |sample: &Json| sample.as_i64().and_then(|sample| i8::try_from(sample).ok());
        let samples: Vec<i8> = told["data"].as_array()?.iter().map(sample).collect::<Option<_>>()?;
        let (pairs, _) = samples.as_chunks::<2>();
        Some(Peaks { point_seconds: number("samples_per_pixel")? / number("sample_rate")?, points: pairs.to_vec() })
    }

    /// How many seconds each tile of its spectrogram shows.
    pub fn tiles(&self, recorded: &Recorded) -> Vec<f64> {
        let hop = f64::from((recorded.rate_hz / COLUMNS_PER_SECOND).max(1));
        let seconds = |number| {
            let mut head = [0; PNG_WIDTH_AT + 4];
            File::open(recorded.tile(number)).and_then(|mut file| file.read_exact(&mut head)).ok()?;
            let width = u32::from_be_bytes(head[PNG_WIDTH_AT..].try_into().ok()?);
            Some(f64::from(width) * hop / f64::from(recorded.rate_hz.max(1)))
        };
        (0..TILES_MAX).map_while(seconds).collect()
    }

    /// A tile, as PNG.
    pub fn tile(&self, recorded: &Recorded, number: usize) -> Option<Vec<u8>> {
        read_small(&recorded.tile(number), TILE_BYTES_MAX)
    }

    /// Its file, open, and how many bytes that has; or why there is none.
    pub fn file(&self, recorded: &Recorded) -> Result<(File, u64), String> {
        if self.audio.is_empty() {
            return Err("The service was not told where the sound is (--audio): it cannot be listened to.".to_owned());
        }
        let found = self.audio.iter().find_map(|folder| self.file_in(folder, recorded));
        let file = found.ok_or("Its file is not there, or is another than was scanned: it cannot be listened to.")?;
        Ok((file, recorded.bytes))
    }

    /// The file of that name below the folder: under the longest end of its path that is there, if its bytes are those that were scanned.
    fn file_in(&self, folder: &Path, recorded: &Recorded) -> Option<File> {
        let folder = folder.canonicalize().ok()?;
        let parts: Vec<_> = Path::new(&recorded.file).components().collect();
        (0..parts.len()).find_map(|skipped| {
            let end: PathBuf = parts[skipped..].iter().collect();
            // A link may lead out of the folder, and so may a path with two dots in it.
            let path = folder.join(end).canonicalize().ok().filter(|path| path.starts_with(&folder))?;
            self.is_what_was_scanned(&path, recorded).then(|| File::open(&path).ok())?
        })
    }

    /// Whether the file has the bytes that were scanned; found out once, until it changes.
    fn is_what_was_scanned(&self, path: &Path, recorded: &Recorded) -> bool {
        let Some((changed_at, _)) = state_of(path).filter(|(_, bytes)| *bytes == recorded.bytes) else { return false };
        let known = self.checked.lock().expect("nobody panics with it").get(path).cloned();
        let hash = match known {
            Some((at, hash)) if at == changed_at => hash,
            _ => {
                let mut hasher = blake3::Hasher::new();
                let Ok(_) = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher)) else {
                    return false;
                };
                let hash = hasher.finalize().to_hex().to_string();
                let mut checked = self.checked.lock().expect("nobody panics with it");
                checked.insert(path.to_owned(), (changed_at, hash.clone()));
                hash
            }
        };
        hash == recorded.hash
    }
}

impl Recorded {
    fn preview(&self, what: &str) -> PathBuf {
        self.folder.join("previews").join(&self.hash[..2]).join(format!("{}.{what}", self.hash))
    }

    fn tile(&self, number: usize) -> PathBuf {
        self.preview(&format!("spectrum.{number}.png"))
    }
}

impl Catalogue {
    fn add(&mut self, folder: &Path) -> Result<(), String> {
        let columns = ["file", "content_id", "hash", "bytes", "rate_hz", "seconds"];
        let mut rows = Rows::open(&folder.join(TABLE), &columns).map_err(|error| error.to_string())?;
        while rows.advance().map_err(|error| error.to_string())? {
            let text = |at: usize| match rows.value(at) {
                Value::Text(text) => Some(text.to_owned()),
                _ => None,
            };
            let whole = |at: usize| match rows.value(at) {
                Value::Int(number) => u64::try_from(number).ok(),
                Value::UInt(number) => Some(number),
                _ => None,
            };
            let seconds = if let Value::Float(seconds) = rows.value(5) { seconds } else { 0.0 };
            let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            let recording = match rows.value(1) {
                Value::Text(text) => Some(Id::from(text)),
                _ => whole(1).map(Id::Number),
            };
            let told = recording.zip(text(0)).zip(text(2).filter(is_hash)).zip(whole(3));
            let Some((((content_id, file), hash), bytes)) = told else { continue };
            let recorded = Arc::new(Recorded {
                content_id,
                file,
                hash,
                seconds,
                rate_hz: whole(4).and_then(|rate| u32::try_from(rate).ok()).unwrap_or_default(),
                bytes,
                folder: folder.to_owned(),
            });
            self.by_recording.entry(recorded.content_id.to_string()).or_default().push(recorded.clone());
            self.by_hash.entry(recorded.hash.clone()).or_insert(recorded);
        }
        Ok(())
    }
}

/// When a file was changed, and how long it is; `None` where there is no such file.
fn state_of(path: &Path) -> Option<(SystemTime, u64)> {
    let told = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((told.modified().ok()?, told.len()))
}

fn read_small(path: &Path, bytes_max: u64) -> Option<Vec<u8>> {
    let read = || {
        let file = File::open(path)?;
        if file.metadata()?.len() > bytes_max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().ok()
}
