//! The progress bar of a replay, on a terminal.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::ReplayArgs;
use super::feed::Feed;
use super::prepare::Prepared;
use dataflows::clock::Clock;

/// Shows how far the plays are; silent where nobody looks.
pub struct Progress {
    bar: ProgressBar,
    clock: Clock,
}

impl Progress {
    /// Begins at no play.
    pub fn new(args: &ReplayArgs, prepared: &Prepared) -> Progress {
        let shown = std::io::stderr().is_terminal() && !args.json && prepared.is_first_process;
        let bar = if shown { ProgressBar::new(prepared.survey.rows()) } else { ProgressBar::hidden() };
        let style = "{bar:30} {human_pos}/{human_len} plays  {per_sec}  as of {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Progress { bar, clock: prepared.plan.clock }
    }

    /// Moves to where the feed is.
    pub fn show(&self, feed: &Feed) {
        if !self.bar.is_hidden() {
            self.bar.set_position(feed.plays.load(Ordering::Relaxed));
            self.bar.set_message(super::summary::instant(self.clock.instant(feed.tick.load(Ordering::Relaxed))));
        }
    }

    /// Clears the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
