//! Questions with numbers, side by side with what a user would pick instead.
//!
//! ```text
//! seed ──▶ w1 ──▶ Parquet ──▶ feed ──▶ window ──▶ floor  (hash maps, by hand)       ──┐
//!                                             └──▶ reduce (differential, textbook)  ──┼──▶ views ──▶ report
//!                    └──▶ truestream replay, DuckDB, Polars, … (processes beside)   ──┘
//! ```
//!
//! Every engine states the same digests of the same views, so that a number is only compared where the answer was equal.

pub mod w1;

pub mod feed;
pub mod window;

pub mod views;

pub mod floor;
pub mod reduce;

pub mod report;

#[cfg(test)]
mod tests;

/// What went wrong, in a sentence for the person at the terminal.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

use feed::Clock;

/// The four questions of W1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Question {
    /// `account_window`: what each account did in the window.
    #[value(name = "q1")]
    Accounts,
    /// `track_window`: who played each track in the window.
    #[value(name = "q2")]
    Tracks,
    /// `account_group`: accounts joined by the devices of the last 7 days.
    #[value(name = "q3")]
    Groups,
    /// `lockstep`: pairs of accounts that play the same at the same time in the window.
    #[value(name = "q4")]
    Lockstep,
}

/// How far back a device joins the accounts that used it.
pub const LINKS_MS: i64 = 7 * 24 * 3_600_000;

/// What is asked, and how often.
#[derive(Clone, Debug)]
pub struct Questions {
    /// Which of the four.
    pub asked: Vec<Question>,
    /// When the views are refreshed.
    pub clock: Clock,
    /// The window of all questions but `account_group`.
    pub window_ms: i64,
}

/// The command line that both engines of this crate take.
#[derive(clap::Parser, Debug)]
pub struct Options {
    /// The folder of a W1 week.
    #[arg(long)]
    pub data: std::path::PathBuf,
    /// The questions to answer.
    #[arg(long, value_delimiter = ',', default_value = "q1,q2,q3,q4")]
    pub questions: Vec<Question>,
    /// Minutes between refreshes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub every_minutes: u32,
    /// The window in hours.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    pub window_hours: u32,
}

impl Options {
    /// The questions that the options ask.
    ///
    /// # Errors
    /// When a window is not a multiple of the refresh interval.
    pub fn questions(&self) -> Result<Questions, Error> {
        let (every_ms, window_ms) = (i64::from(self.every_minutes) * 60_000, i64::from(self.window_hours) * 3_600_000);
        if window_ms % every_ms != 0 || LINKS_MS % every_ms != 0 {
            return Err("the windows must be multiples of the refresh interval".into());
        }
        Ok(Questions { asked: self.questions.clone(), clock: Clock { every_ms }, window_ms })
    }
}
