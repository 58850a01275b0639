//! The textbook: each question as differential dataflow's own operators say it, one `reduce` a view.
//!
//! ```text
//! feed ──▶ window 24 h ──▶ plays ──▶ accounts | tracks | lockstep ──▶ digests
//!      └─▶ window 7 d  ──▶ plays ──▶ groups                       ──▶ digests
//! ```
//!
//! The window holds back the expiries and looks up what a correction takes back, which is kind to this version: held as
//! future updates in the dataflow, both cost more.

mod accounts;
mod groups;
mod lockstep;
mod tracks;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use differential_dataflow::VecCollection;
use differential_dataflow::input::InputSession;
use serde_json::Value;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use crate::feed::{Feed, Play, Step};
use crate::report::{Answers, Run};
use crate::views::{AccountRow, Digest, GroupRow, LockstepRow, Row, TrackRow, pair_weight, weight};
use crate::window::Window;
use crate::{Error, LINKS_MS, Question, Questions};

/// What the questions need of a play, as it travels: account, track, artist, device, country, played_ms, ended_at.
type Fact = (u32, u32, u32, u32, u16, u32, i64);
/// Facts that come and go with the refreshes.
type Facts<'scope> = VecCollection<'scope, u64, Fact>;

fn fact(play: &Play) -> Fact {
    (play.account, play.track, play.artist, play.device, play.country, play.played_ms, play.ended_at)
}

struct Answering {
    digest: Rc<RefCell<Digest>>,
    answers: Answers,
}

/// Sums what comes out of a view.
fn digested<'scope, K: differential_dataflow::Data, R: Row + differential_dataflow::Data>(
    view: VecCollection<'scope, u64, (K, R)>,
    weight: impl Fn(&K) -> i64 + 'static,
    probe: &ProbeHandle<u64>,
) -> Answering {
    let digest = Rc::new(RefCell::new(Digest::default()));
    let sums = Rc::clone(&digest);
    view.inspect(move |((key, row), _refresh, diff)| sums.borrow_mut().add(weight(key), row, *diff as i64))
        .probe_with(probe);
    Answering { digest, answers: Answers::of::<R>() }
}

fn answering(question: Question, plays: Facts<'_>, probe: &ProbeHandle<u64>) -> Answering {
    let one = |key: &u32| weight(u64::from(*key));
    match question {
        Question::Accounts => digested::<u32, AccountRow>(accounts::accounts(plays), one, probe),
        Question::Tracks => digested::<u32, TrackRow>(tracks::tracks(plays), one, probe),
        Question::Groups => digested::<u32, GroupRow>(groups::groups(plays), one, probe),
        Question::Lockstep => {
            digested::<(u32, u32), LockstepRow>(lockstep::lockstep(plays), |(a, b)| pair_weight(*a, *b), probe)
        }
    }
}

/// One window, its input and the views that follow it.
struct Flow {
    window: Window,
    input: InputSession<u64, Fact, isize>,
    probe: ProbeHandle<u64>,
    views: Vec<Answering>,
}

impl Flow {
    fn new(worker: &mut Worker, window: Window, asked: &[Question]) -> Flow {
        let mut input = InputSession::new();
        let probe = ProbeHandle::new();
        let views = worker.dataflow::<u64, _, _>(|scope| {
            let plays = input.to_collection(scope);
            asked.iter().map(|question| answering(*question, plays.clone(), &probe)).collect()
        });
        Flow { window, input, probe, views }
    }

    fn step(&mut self, worker: &mut Worker, refresh: i64, step: &Step) {
        let now = refresh as u64;
        self.input.advance_to(now);
        let input = &mut self.input;
        self.window.step(refresh, step, |play, diff| input.update(fact(play), diff));
        self.input.advance_to(now + 1);
        self.input.flush();
        while self.probe.less_than(&(now + 1)) {
            worker.step();
        }
        for view in &mut self.views {
            view.answers.push(refresh, view.digest.borrow().clone());
        }
    }
}

/// Answers the questions over the week in the folder, with one worker.
///
/// # Errors
/// When a file is missing, damaged or not as W1 is.
pub fn run(folder: &Path, questions: &Questions) -> Result<(Value, Vec<Answers>), Error> {
    let (folder, questions) = (folder.to_owned(), questions.clone());
    let guards = timely::execute(timely::Config::thread(), move |worker| replay(worker, &folder, &questions))?;
    let answered = guards.join().into_iter().next().ok_or("the worker said nothing")?;
    answered?
}

fn replay(worker: &mut Worker, folder: &Path, questions: &Questions) -> Result<(Value, Vec<Answers>), Error> {
    let clock = questions.clock;
    let mut run = Run::start("reduce", clock);
    let mut feed = Feed::open(folder, clock)?;
    let (links, windowed): (Vec<Question>, Vec<Question>) =
        questions.asked.iter().partition(|question| **question == Question::Groups);
    let mut flows: Vec<Flow> = [(questions.window_ms, windowed), (LINKS_MS, links)]
        .into_iter()
        .filter(|(_, asked)| !asked.is_empty())
        .map(|(length_ms, asked)| Flow::new(worker, Window::new(clock, length_ms), &asked))
        .collect();
    let mut step = Step::default();
    while let Some(refresh) = feed.next(&mut step)? {
        let started = Instant::now();
        for flow in &mut flows {
            flow.step(worker, refresh, &step);
        }
        run.refreshed(step.plays.len(), started.elapsed());
    }
    let answers: Vec<Answers> = flows.into_iter().flat_map(|flow| flow.views).map(|view| view.answers).collect();
    Ok((run.finish(&answers)?, answers))
}
