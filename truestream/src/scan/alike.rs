//! Which contents share sound with which: every print is searched in an index of all of them, and in one of recordings that are known already.
//!
//! ```text
//! prints ──▶ index (for the time of the scan) ─┐
//! --index DIR ─────────────────────────────────┴▶ shelves ──▶ a part of each 30 s of each print is searched ──▶ pairs and their common stretches
//! ```
//!
//! The index answers at a bounded cost per segment, and it has few segments: so n recordings cost about n times the logarithm of n.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use datasets::audio_index::{AudioIndex, IndexWriter};
use features::sound::landmarks::{Common, FRAMES_PER_SECOND, Print, Shelf, copies};

use super::character::Character;
use super::jobs::{Costs, cpu_of_this_thread};
use super::prints::Prints;
use crate::exit::Failure;
use crate::index::library::Library;
use crate::index::{PENDING_LANDMARKS_MAX, entry};

/// A recording that another one was found in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Other {
    /// A content of this scan.
    Heard(String),
    /// A recording of the index of those that are known already.
    Known(String),
}

/// What a content has in common with another recording, seen from the content: the longest stretch, and all of them together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shared {
    /// Where in the content the common stretch begins.
    pub(super) from_secs: f64,
    /// How long it is there.
    pub(super) length_secs: f64,
    /// Where in the other recording it begins.
    pub(super) offset_secs: f64,
    /// Times as fast as the other.
    pub(super) speed: f64,
    /// Times as high as the other.
    pub(super) pitch: f64,
    /// Share of the landmarks of the stretch that the other has at their place.
    pub(super) matched_share: f64,
    /// How sure it is ([`features::sound::landmarks::is_accepted`]).
    pub(super) score: f64,
    /// The same as a share of 1.
    pub(super) confidence: f64,
    /// Seconds of the content that are in the other, all stretches together.
    pub(super) shared_secs: f64,
    /// How many stretches.
    pub(super) stretches: usize,
    /// How long the other recording is.
    pub(super) other_secs: f64,
}

impl Shared {
    fn of(common: &Common, other_secs: f32) -> Shared {
        let longest = &common.longest;
        Shared {
            from_secs: f64::from(longest.from_seconds),
            length_secs: f64::from(longest.length_seconds),
            offset_secs: f64::from(longest.offset_seconds),
            speed: f64::from(longest.speed),
            pitch: f64::from(longest.pitch),
            matched_share: f64::from(longest.matched_share),
            score: f64::from(longest.score),
            confidence: longest.confidence,
            shared_secs: f64::from(common.seconds),
            stretches: common.stretches,
            other_secs: f64::from(other_secs),
        }
    }

    /// The same, seen from the other recording; `own_secs` is how long the content is.
    fn seen_from_the_other(&self, own_secs: f64) -> Shared {
        Shared {
            from_secs: self.offset_secs,
            length_secs: self.length_secs * self.speed,
            shared_secs: self.shared_secs * self.speed,
            offset_secs: self.from_secs,
            speed: 1.0 / self.speed,
            pitch: 1.0 / self.pitch,
            other_secs: own_secs,
            ..*self
        }
    }

    /// Where in the other recording the content would begin; negative before its beginning.
    pub(super) fn origin_secs(&self) -> f64 {
        self.offset_secs - self.speed * self.from_secs
    }
}

/// What contents have in common with others, per content.
pub(super) type Alike = BTreeMap<String, BTreeMap<Other, Shared>>;

/// Compares the contents, which are in order, with each other and with the recordings of the index `known`.
pub(super) fn compare(
    out: &Path,
    contents: &[String],
    known: Option<&AudioIndex>,
    jobs: usize,
    costs: &mut Costs,
) -> Result<Alike, Failure> {
    if contents.is_empty() {
        return Ok(Alike::new());
    }
    let began = cpu_of_this_thread();
    let prints = Prints::open(out)?;
    let folder = Workplace::new(out.join("index.part"))?;
    fill(&folder.0, contents, &prints)?;
    let heard = AudioIndex::open(&folder.0).map_err(|error| Failure::Input(error.to_string()))?;
    let indexes: Vec<&AudioIndex> = [&heard].into_iter().chain(known).collect();
    let search = Search { library: Library::of(&indexes)?, heard: heard.segments().len() };
    let shelves = search.library.shelves();

    let next = AtomicUsize::new(0);
    let found: Mutex<Result<Alike, Failure>> = Mutex::new(Ok(Alike::new()));
    let spent = Mutex::new(cpu_of_this_thread().saturating_sub(began));
    let work = || {
        while let Some(content) = contents.get(next.fetch_add(1, Ordering::Relaxed)) {
            let shared = prints.read(content).map(|print| search.shared(content, &print, &shelves));
            let mut found = found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let Ok(alike) = &mut *found else { return };
            match shared {
                Ok(shared) => _ = alike.insert(content.clone(), shared),
                Err(failure) => *found = Err(failure),
            }
        }
        *spent.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) += cpu_of_this_thread();
    };
    std::thread::scope(|scope| (0..jobs.min(contents.len())).for_each(|_| _ = scope.spawn(work)));
    let mut alike = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())?;
    make_mutual(&mut alike, &search.lengths());
    costs.comparing = spent.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    Ok(alike)
}

/// A folder that is there as long as the work.
struct Workplace(PathBuf);

impl Workplace {
    fn new(folder: PathBuf) -> Result<Workplace, Failure> {
        // What a scan that was killed left behind.
        let cleared = match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => std::fs::create_dir(&folder),
        };
        cleared.map_err(|error| Failure::Output(format!("{}: {error}", folder.display())))?;
        Ok(Workplace(folder))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Whoever comes next clears it in any case.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Puts all prints into the index of the scan.
fn fill(folder: &Path, contents: &[String], prints: &Prints) -> Result<(), Failure> {
    let output = |error: datasets::Error| Failure::Output(error.to_string());
    let mut writer = IndexWriter::open(folder).map_err(output)?;
    let mut pending = 0;
    for content in contents {
        let entry = entry(content, &prints.read(content)?, &Character::default());
        pending += entry.landmarks.len();
        writer.add(entry);
        if pending >= PENDING_LANDMARKS_MAX {
            writer.commit().map_err(output)?;
            pending = 0;
        }
    }
    writer.commit().map_err(output)
}

struct Search<'a> {
    library: Library<'a>,
    /// So many of the first shelves hold the contents of the scan.
    heard: usize,
}

impl Search<'_> {
    fn other(&self, shelf: usize, span: usize) -> Other {
        let name = self.library.recording(shelf, span).content_id.clone();
        if shelf < self.heard { Other::Heard(name) } else { Other::Known(name) }
    }

    fn shared(&self, content: &str, print: &Print, shelves: &[Shelf<'_>]) -> BTreeMap<Other, Shared> {
        let is_itself =
            |shelf: usize, span: usize| shelf < self.heard && self.library.recording(shelf, span).content_id == content;
        let shared = |common: Common| {
            let (shelf, span) = (common.longest.shelf, common.longest.span);
            let frames = self.library.recording(shelf, span).frames;
            (self.other(shelf, span), Shared::of(&common, frames as f32 / FRAMES_PER_SECOND))
        };
        copies(print, shelves, is_itself).into_iter().map(shared).collect()
    }

    /// How long each content is.
    fn lengths(&self) -> BTreeMap<&str, f64> {
        let shelves = self.library.shelves();
        let places = shelves[..self.heard]
            .iter()
            .enumerate()
            .flat_map(|(at, shelf)| (0..shelf.spans().len()).map(move |span| (at, span)));
        let recordings = places.map(|(shelf, span)| self.library.recording(shelf, span));
        recordings
            .map(|found| (found.content_id.as_str(), f64::from(found.frames) / f64::from(FRAMES_PER_SECOND)))
            .collect()
    }
}

/// What one content has in common with another, the other has with the one: also where only one of the two searches found it.
fn make_mutual(alike: &mut Alike, lengths: &BTreeMap<&str, f64>) {
    let mut missing = Vec::new();
    for (content, shared) in &*alike {
        for (other, shared) in shared {
            let Other::Heard(other) = other else { continue };
            let own_secs = lengths.get(content.as_str()).copied().unwrap_or(0.0);
            missing.push((other.clone(), Other::Heard(content.clone()), shared.seen_from_the_other(own_secs)));
        }
    }
    for (content, other, shared) in missing {
        alike.entry(content).or_default().entry(other).or_insert(shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_in_common_with_another_the_other_has_with_the_one() {
        let shared = Shared {
            from_secs: 12.0,
            length_secs: 40.0,
            offset_secs: 63.0,
            speed: 1.25,
            pitch: 1.25,
            matched_share: 0.5,
            score: 20.0,
            confidence: 1.0,
            shared_secs: 48.0,
            stretches: 2,
            other_secs: 200.0,
        };
        let found = BTreeMap::from([(Other::Heard("b".into()), shared), (Other::Known("c".into()), shared)]);
        let mut alike = Alike::from([("a".to_owned(), found), ("b".to_owned(), BTreeMap::new())]);
        make_mutual(&mut alike, &BTreeMap::from([("a", 60.0), ("b", 200.0)]));
        let back = alike["b"][&Other::Heard("a".into())];
        assert_eq!((back.from_secs, back.length_secs, back.offset_secs, back.other_secs), (63.0, 50.0, 12.0, 60.0));
        assert_eq!((back.speed, back.shared_secs, back.origin_secs()), (0.8, 60.0, 12.0 - 0.8 * 63.0));
        assert_eq!((alike.len(), alike["a"].len()), (2, 2), "the index of those known is only read");
    }
}
