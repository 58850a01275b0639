//! The work: every file is hashed, every content that nobody heard yet is heard, by several threads at once.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use datasets::audio::{Cause, Clip, Limits, Undecodable};
use rustix::time::{ClockId, clock_gettime};

use super::args::{Dated, Plan};
use super::budget::Decider;
use super::character::Character;
use super::detectors::Finding;
use super::files::{Content, Found, hashed, millis};
use super::hearing::{Ear, Guard, words_of};
use super::journal::{Entry, Filed, Journal};
use super::preview::Gallery;
use super::prints::Prints;
use super::progress::Progress;
use crate::exit::Failure;

/// What became of all files.
pub(super) struct Done {
    /// In the order of the files, those of earlier scans into the folder among them.
    pub(super) files: Vec<Hashed>,
    /// Files of earlier scans that this one was not told of.
    pub(super) kept: usize,
    /// Contents that this run heard.
    pub(super) heard: usize,
    /// Contents that the journal knew.
    pub(super) remembered: usize,
    /// What it cost.
    pub(super) costs: Costs,
    /// What protected us.
    pub(super) guards: Vec<Guard>,
}

impl Done {
    /// The contents that are sound, in order.
    pub(super) fn sounds(&self, journal: &Journal) -> Vec<String> {
        let contents = self.files.iter().filter_map(|file| file.content.as_ref().ok());
        let sounds: BTreeSet<&str> =
            contents.map(|content| content.hash.as_str()).filter(|hash| journal.is_sound(hash)).collect();
        sounds.into_iter().map(str::to_owned).collect()
    }
}

/// A file and what is in it.
pub(super) struct Hashed {
    pub(super) found: Found,
    /// Its content, or why it cannot be read.
    pub(super) content: Result<Content, String>,
}

impl Hashed {
    /// As the journal keeps it; nothing of a file that cannot be read.
    fn filed(&self) -> Option<Filed> {
        let content = self.content.as_ref().ok()?;
        Some(Filed {
            file: self.found.path.to_string_lossy().into_owned(),
            below: self.found.below.to_string_lossy().into_owned(),
            hash: content.hash.clone(),
            bytes: content.bytes,
            changed_at: content.changed_at,
        })
    }
}

/// CPU time by what it was spent on, and the sound it was spent for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    pub(super) audio_seconds: f64,
    pub(super) decoding: Duration,
    pub(super) listening: Duration,
    /// Hearing timbre and voice.
    pub(super) characterising: Duration,
    pub(super) drawing: Duration,
    /// Taking fingerprints.
    pub(super) printing: Duration,
    /// Comparing them.
    pub(super) comparing: Duration,
}

/// What the threads share.
struct Shared<'a> {
    files: &'a [Found],
    plan: &'a Plan,
    gallery: Gallery,
    prints: Prints,
    progress: Progress,
    next: AtomicUsize,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    journal: &'a mut Journal,
    claimed: HashSet<String>,
    /// Contents that the journal has, but not for this scan.
    again: usize,
    contents: Vec<Option<Result<Content, String>>>,
    heard: usize,
    costs: Costs,
    guards: Vec<Guard>,
    failure: Option<Failure>,
}

/// Hears all files that are new to the journal.
pub(super) fn run(files: &[Found], plan: &Plan, journal: &mut Journal, out: &Path) -> Result<Done, Failure> {
    let state = State {
        journal,
        claimed: HashSet::new(),
        again: 0,
        contents: vec![None; files.len()],
        heard: 0,
        costs: Costs::default(),
        guards: Vec::new(),
        failure: None,
    };
    let shared = Shared {
        files,
        plan,
        gallery: Gallery::open(out, plan.previews)?,
        prints: Prints::open(out)?,
        progress: Progress::new(files.len()),
        next: AtomicUsize::new(0),
        state: Mutex::new(state),
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.min(files.len()) {
            scope.spawn(|| shared.work());
        }
    });
    shared.done()
}

impl<'a> Shared<'a> {
    fn done(self) -> Result<Done, Failure> {
        self.progress.finish();
        let state = self.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(failure) = state.failure {
            return Err(failure);
        }
        let remembered = state.journal.remembered - state.again;
        let contents = state.contents.into_iter().map(|content| content.expect("every file had its turn"));
        let files = self.files.iter().cloned().zip(contents);
        let mut files: Vec<Hashed> = files.map(|(found, content)| Hashed { found, content }).collect();
        let kept = kept(&files, state.journal, &self.prints);
        for file in files.iter().filter_map(Hashed::filed) {
            state.journal.file(file)?;
        }
        let kept_files = kept.len();
        files.extend(kept);
        files.sort_by(|a, b| a.found.cmp(&b.found));
        Ok(Done { files, kept: kept_files, heard: state.heard, remembered, costs: state.costs, guards: state.guards })
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes file after file until there is none, or somebody failed. All of a file's work is done by this thread: the files are shared out.
    fn work(&self) {
        let _alone = match kernels::alone() {
            Ok(alone) => alone,
            Err(error) => return self.fail(Failure::Output(error.to_string())),
        };
        let mut ear = match Ear::new(Limits::default(), self.plan.allowance) {
            Ok(ear) => ear,
            Err(error) => return self.fail(Failure::Output(format!("no decoder can be started: {error}"))),
        };
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(found) = self.files.get(place) else { return };
            if self.state().failure.is_some() {
                return;
            }
            if let Err(failure) = self.take(place, found, &mut ear) {
                return self.fail(failure);
            }
        }
    }

    fn fail(&self, failure: Failure) {
        self.state().failure.get_or_insert(failure);
    }

    fn take(&self, place: usize, found: &Found, ear: &mut Ear) -> Result<(), Failure> {
        let mut seconds = 0.0;
        let read = hashed(&found.path);
        let content = match read {
            Ok((file, content)) => {
                if self.claim(&content.hash) {
                    seconds = self.hear(&file, &content, ear)?;
                }
                Ok(content)
            }
            Err(error) => Err(error.to_string()),
        };
        self.state().contents[place] = Some(content);
        self.progress.advance(seconds);
        Ok(())
    }

    /// Whether this thread is the first to meet the content.
    fn claim(&self, content: &str) -> bool {
        let mut state = self.state();
        let is_known = state.journal.knows(content, self.plan.allowed())
            && (!state.journal.is_sound(content) || self.prints.has(content));
        let is_first = !is_known && state.claimed.insert(content.to_owned());
        state.again += usize::from(is_first && state.journal.has(content));
        is_first
    }

    /// Decodes, listens, draws, and enters it into the journal; gives back the seconds of sound.
    fn hear(&self, file: &File, content: &Content, ear: &mut Ear) -> Result<f64, Failure> {
        let heard = ear.hear(file, content.bytes).map_err(Failure::Output)?;
        let mut costs = Costs { decoding: heard.cpu, ..Costs::default() };
        let (facts, listened) = match heard.clip {
            Ok(clip) => {
                costs.audio_seconds = clip.seconds();
                let listened = caught(|| self.listen(&content.hash, &clip, &mut costs))?;
                ear.take_back(clip.samples);
                match listened {
                    Ok(listened) => (Ok(clip.facts), listened),
                    Err(why) => (Err(why), Listened::default()),
                }
            }
            Err(why) => (Err(why), Listened::default()),
        };
        let heard_at = if let Dated::At(at) = self.plan.dated { at } else { millis(SystemTime::now()) };
        let is_of_the_allowance = matches!(&facts, Err(why) if why.cause.is_of_the_allowance());
        let allowed = is_of_the_allowance.then(|| self.plan.allowed());
        let Listened { findings, character, telling_secs } = listened;
        let entry =
            Entry { content: content.hash.clone(), heard_at, allowed, facts, findings, character, telling_secs };
        let mut state = self.state();
        state.journal.enter(&entry)?;
        state.heard += 1;
        state.costs.add(&costs);
        if state.guards.is_empty() {
            state.guards = ear.guards().to_vec();
        }
        Ok(costs.audio_seconds)
    }

    /// All that is done with a clip: what the detectors say, its vectors, print and pictures.
    fn listen(&self, content: &str, clip: &Clip, costs: &mut Costs) -> Result<Listened, Failure> {
        let kernels = &*self.plan.kernels;
        let began = cpu_of_this_thread();
        let decider = Decider::new(&self.plan.listening, content);
        let (findings, wanted) = decider.listen(&self.plan.detectors, clip, kernels).map_err(Failure::Input)?;
        let listened = cpu_of_this_thread();
        let character = Character::of(clip, kernels, wanted);
        let character = character.map_err(|error| Failure::Input(format!("timbre: {error}")))?;
        let characterised = cpu_of_this_thread();
        let telling_secs = self.prints.take(content, clip, kernels)?;
        let printed = cpu_of_this_thread();
        self.gallery.draw(content, clip, kernels)?;
        costs.listening = listened.saturating_sub(began);
        costs.characterising = characterised.saturating_sub(listened);
        costs.printing = printed.saturating_sub(characterised);
        costs.drawing = cpu_of_this_thread().saturating_sub(printed);
        Ok(Listened { findings, character, telling_secs })
    }
}

/// What is known of a clip when all have listened.
#[derive(Default)]
struct Listened {
    findings: Vec<Finding>,
    character: Character,
    telling_secs: f64,
}

/// What the work on a file brings. A panic in it is our mistake and a refusal of that file; the scan goes on.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Result<T, Undecodable>, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map(Ok),
        Err(panic) => Ok(Err(Undecodable::new(Cause::ListenerPanicked, words_of(&*panic)))),
    }
}

/// The files of earlier scans into the folder that this one was not told of: their rows stay. One that is there no more, and whose content
/// another file of this scan has, was moved: it is forgotten, and so is one whose print is gone.
fn kept(files: &[Hashed], journal: &mut Journal, prints: &Prints) -> Vec<Hashed> {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let named: BTreeSet<&Path> = files.iter().map(|file| file.found.path.as_path()).collect();
    let told: BTreeSet<_> = named.iter().map(|path| place(path)).collect();
    let hashes: BTreeSet<&str> =
        files.iter().filter_map(|file| Some(file.content.as_ref().ok()?.hash.as_str())).collect();
    let (mut kept, mut forgotten) = (Vec::new(), Vec::new());
    for filed in journal.files() {
        let path = Path::new(&filed.file);
        if named.contains(path) {
            continue;
        }
        let is_moved = !path.exists() && hashes.contains(filed.hash.as_str());
        let is_whole = journal.has(&filed.hash) && (!journal.is_sound(&filed.hash) || prints.has(&filed.hash));
        if told.contains(&place(path)) || is_moved || !is_whole {
            forgotten.push(filed.file.clone());
            continue;
        }
        let found = Found { path: path.to_owned(), below: filed.below.clone().into() };
        let content = Content { hash: filed.hash.clone(), bytes: filed.bytes, changed_at: filed.changed_at };
        kept.push(Hashed { found, content: Ok(content) });
    }
    forgotten.iter().for_each(|file| journal.forget(file));
    kept
}

impl Costs {
    fn add(&mut self, more: &Costs) {
        self.audio_seconds += more.audio_seconds;
        self.decoding += more.decoding;
        self.listening += more.listening;
        self.characterising += more.characterising;
        self.drawing += more.drawing;
        self.printing += more.printing;
        self.comparing += more.comparing;
    }
}

pub(super) fn cpu_of_this_thread() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_refusal_of_its_file_and_nothing_more() {
        let fell = caught::<()>(|| panic!("a window of {} samples", 0)).expect("the scan goes on");
        let why = fell.expect_err("a refusal");
        assert_eq!(why.to_string(), "listener_panicked: a window of 0 samples");
        assert_eq!(caught(|| Ok(7)).expect("the scan goes on"), Ok(7));
        assert!(caught::<()>(|| Err(Failure::Output("the disk is full".to_owned()))).is_err());
    }
}
