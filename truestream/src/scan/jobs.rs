//! The work: every file is hashed, every content that nobody heard yet is heard, by several threads at once.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use datasets::audio::{Clip, Limits};
use records::Millis;
use rustix::time::{ClockId, clock_gettime};

use super::args::Plan;
use super::budget::Decider;
use super::character::{Character, Wanted};
use super::detectors::Finding;
use super::files::{self, Found};
use super::hearing::{Ear, Guard};
use super::journal::{Entry, Journal};
use super::preview::Gallery;
use super::prints::Prints;
use super::progress::Progress;
use crate::exit::Failure;

/// Bytes hashed at a time.
const HASHED_AT_ONCE: usize = 256 << 10;

/// What became of all files.
pub(super) struct Done {
    /// In the order of the files.
    pub(super) files: Vec<Hashed>,
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

/// The bytes of a file.
#[derive(Clone)]
pub(super) struct Content {
    /// BLAKE3, hexadecimal.
    pub(super) hash: String,
    pub(super) bytes: u64,
    /// When the file was last changed.
    pub(super) changed_at: Millis,
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
        let remembered = state.journal.remembered;
        let contents = state.contents.into_iter().map(|content| content.expect("every file had its turn"));
        let files = self.files.iter().cloned().zip(contents);
        Ok(Done {
            files: files.map(|(found, content)| Hashed { found, content }).collect(),
            heard: state.heard,
            remembered,
            costs: state.costs,
            guards: state.guards,
        })
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
        let is_known = state.journal.knows(content) && (!state.journal.is_sound(content) || self.prints.has(content));
        !is_known && state.claimed.insert(content.to_owned())
    }

    /// Decodes, listens, draws, and enters it into the journal; gives back the seconds of sound.
    fn hear(&self, file: &File, content: &Content, ear: &mut Ear) -> Result<f64, Failure> {
        let heard = ear.hear(file, content.bytes).map_err(Failure::Output)?;
        let mut costs = Costs { decoding: heard.cpu, ..Costs::default() };
        let (facts, findings, character) = match heard.clip {
            Ok(clip) => {
                costs.audio_seconds = clip.seconds();
                let began = cpu_of_this_thread();
                let (findings, wanted) = self.listen(&content.hash, &clip)?;
                let listened = cpu_of_this_thread();
                let character = Character::of(&clip, &*self.plan.kernels, wanted);
                let character = character.map_err(|error| Failure::Input(format!("timbre: {error}")))?;
                let characterised = cpu_of_this_thread();
                self.prints.take(&content.hash, &clip, &*self.plan.kernels)?;
                let printed = cpu_of_this_thread();
                self.gallery.draw(&content.hash, &clip, &*self.plan.kernels)?;
                costs.listening = listened.saturating_sub(began);
                costs.characterising = characterised.saturating_sub(listened);
                costs.printing = printed.saturating_sub(characterised);
                costs.drawing = cpu_of_this_thread().saturating_sub(printed);
                ear.take_back(clip.samples);
                (Ok(clip.facts), findings, character)
            }
            Err(why) => (Err(why), Vec::new(), Character::default()),
        };
        let entry = Entry { content: content.hash.clone(), facts, findings, character };
        let mut state = self.state();
        state.journal.enter(&entry)?;
        state.heard += 1;
        state.costs.add(&costs);
        if state.guards.is_empty() {
            state.guards = ear.guards().to_vec();
        }
        Ok(costs.audio_seconds)
    }

    /// What the detectors say, and which vectors are wanted. A detector that fails is our mistake; the scan says of which content, and stops.
    fn listen(&self, content: &str, clip: &Clip) -> Result<(Vec<Finding>, Wanted), Failure> {
        let decider = Decider::new(&self.plan.listening, content);
        let listen = || decider.listen(&self.plan.detectors, clip, &*self.plan.kernels);
        match catch_unwind(AssertUnwindSafe(listen)) {
            Ok(findings) => findings.map_err(Failure::Input),
            Err(_) => Err(Failure::Input("a detector panicked".to_owned())),
        }
    }
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

/// Opens the file and reads it once for its hash; it is given back at its beginning.
fn hashed(path: &Path) -> std::io::Result<(File, Content)> {
    use std::io::Seek;
    let (mut file, about) = files::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; HASHED_AT_ONCE];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hasher.update(&piece[..count]);
        bytes += count as u64;
    }
    file.rewind()?;
    let changed_at = about.modified().map_or(0, millis);
    Ok((file, Content { hash: hasher.finalize().to_hex().to_string(), bytes, changed_at }))
}

fn millis(time: SystemTime) -> Millis {
    let since = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -since(before.duration()), since)
}

pub(super) fn cpu_of_this_thread() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0))
}
