//! Keeps the feature row of every uploader current.
//!
//! ```text
//! rows, plays, parts of its tracks ──▶ by uploader ──▶ (uploader, features)
//! ```

use features::WindowRow;
use features::profile::uploader::{Facts, Part, Works, of_uploader};
use features::rhythm::Rhythm;
use hashbrown::{HashMap, HashSet};
use records::{Key, Millis};
use serde::{Deserialize, Serialize};

use super::{Life, Played};
use crate::clock::Tick;
use crate::keep::Keep;
use crate::profiles::ProfileChange;

/// What is new about an uploader.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum UploaderNews {
    /// Its row in the window of this place.
    Row(Key, u8, Option<WindowRow>),
    /// A play of one of its tracks enters the longest window or leaves it.
    Played(Played),
    /// What a track of it brings from now on; `None` when nothing (any more).
    Part(Key, Key, Option<Part>),
}

impl UploaderNews {
    pub fn uploader(&self) -> Key {
        match self {
            UploaderNews::Row(uploader, ..) | UploaderNews::Part(uploader, ..) => *uploader,
            UploaderNews::Played(played) => played.uploader,
        }
    }
}

#[derive(Default)]
struct Uploader {
    life: Life,
    /// What each track brought.
    parts: HashMap<Key, Part>,
    works: Works,
    /// Whether something was said of it.
    is_told: bool,
}

impl Uploader {
    fn put(&mut self, track: Key, part: Option<Part>) {
        let old = match part {
            Some(part) => self.parts.insert(track, part),
            None => self.parts.remove(&track),
        };
        if let Some(part) = part {
            self.works += Works::of(&part);
        }
        if let Some(old) = old {
            self.works -= Works::of(&old);
        }
    }
}

/// The uploaders of one worker.
pub(super) struct Uploaders {
    windows: Vec<(u8, Millis)>,
    uploaders: HashMap<Key, Uploader>,
    touched: HashSet<Key>,
}

impl Uploaders {
    /// Reads the windows at these places, the longest last.
    pub fn new(windows: Vec<(u8, Millis)>) -> Uploaders {
        Uploaders { windows, uploaders: HashMap::new(), touched: HashSet::new() }
    }
}

impl Keep for Uploaders {
    type In = UploaderNews;
    type Out = ProfileChange;

    fn take(&mut self, _tick: Tick, news: UploaderNews, _out: &mut Vec<ProfileChange>) {
        let key = news.uploader();
        let uploader = self.uploaders.entry(key).or_default();
        match news {
            UploaderNews::Row(_, place, row) => uploader.life.set(&self.windows, place, row),
            UploaderNews::Played(Played { hour, enters, .. }) => uploader.life.count(hour, enters),
            UploaderNews::Part(_, track, part) => uploader.put(track, part),
        }
        self.touched.insert(key);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<ProfileChange>) {
        for key in self.touched.drain() {
            let Some(uploader) = self.uploaders.get_mut(&key) else { continue };
            let features = uploader.life.rows(&self.windows).map(|rows| {
                let rhythm = Rhythm::of(&uploader.life.hours);
                of_uploader(&Facts { rows: &rows, rhythm, works: uploader.works })
            });
            if uploader.is_told || features.is_some() {
                uploader.is_told = features.is_some();
                out.push((key, features));
            }
            if uploader.life.is_empty() && uploader.parts.is_empty() {
                self.uploaders.remove(&key);
            }
        }
    }
}
