//! The floor: one thread, hash maps, no engine. What a good engineer writes in an afternoon for exactly these
//! questions, and what an engine is measured against.
//!
//! ```text
//! feed ──▶ window 24 h ──▶ accounts | tracks | lockstep ──▶ digests
//!      └─▶ window 7 d  ──▶ groups                       ──▶ digests
//! ```

mod accounts;
mod groups;
mod lockstep;
mod tally;
mod tracks;

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::Error;
use crate::feed::{Feed, Play, Step};
use crate::report::{Answers, Run};
use crate::views::{AccountRow, Digest, GroupRow, LockstepRow, TrackRow};
use crate::window::Window;
use crate::{LINKS_MS, Question, Questions};

/// State of one question: it takes plays one by one and states its view at each refresh.
trait View {
    /// A play enters (+1) or leaves (-1).
    fn change(&mut self, play: &Play, diff: isize);
    /// Brings the view up to date and states its digest.
    fn refresh(&mut self) -> Digest;
}

struct Answering {
    view: Box<dyn View>,
    answers: Answers,
}

fn answering(question: Question) -> Answering {
    match question {
        Question::Accounts => {
            Answering { view: Box::new(accounts::Accounts::default()), answers: Answers::of::<AccountRow>() }
        }
        Question::Tracks => Answering { view: Box::new(tracks::Tracks::default()), answers: Answers::of::<TrackRow>() },
        Question::Groups => Answering { view: Box::new(groups::Groups::default()), answers: Answers::of::<GroupRow>() },
        Question::Lockstep => {
            Answering { view: Box::new(lockstep::Lockstep::default()), answers: Answers::of::<LockstepRow>() }
        }
    }
}

/// Answers the questions over the week in the folder.
///
/// # Errors
/// When a file is missing, damaged or not as W1 is.
pub fn run(folder: &Path, questions: &Questions) -> Result<(Value, Vec<Answers>), Error> {
    let clock = questions.clock;
    let mut run = Run::start("floor", clock);
    let mut feed = Feed::open(folder, clock)?;
    let (links, windowed): (Vec<Question>, Vec<Question>) =
        questions.asked.iter().partition(|question| **question == Question::Groups);
    let mut by_window: Vec<(Window, Vec<Answering>)> = [(questions.window_ms, windowed), (LINKS_MS, links)]
        .into_iter()
        .filter(|(_, asked)| !asked.is_empty())
        .map(|(length_ms, asked)| (Window::new(clock, length_ms), asked.into_iter().map(answering).collect()))
        .collect();
    let mut step = Step::default();
    while let Some(refresh) = feed.next(&mut step)? {
        let started = Instant::now();
        for (window, views) in &mut by_window {
            window.step(refresh, &step, |play, diff| {
                for answering in views.iter_mut() {
                    answering.view.change(play, diff);
                }
            });
            for answering in views {
                answering.answers.push(refresh, answering.view.refresh());
            }
        }
        run.refreshed(step.plays.len(), started.elapsed());
    }
    let answers: Vec<Answers> =
        by_window.into_iter().flat_map(|(_, views)| views).map(|answering| answering.answers).collect();
    Ok((run.finish(&answers)?, answers))
}
