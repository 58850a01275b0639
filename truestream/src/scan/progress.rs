//! The progress bar of a scan, on a terminal.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far the files are; silent where nobody looks.
pub(super) struct Progress {
    bar: ProgressBar,
    audio_seconds: Mutex<f64>,
    began: Instant,
}

impl Progress {
    pub(super) fn new(files: usize) -> Progress {
        let shown = std::io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new(files as u64) } else { ProgressBar::hidden() };
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} files  {per_sec}  {msg}  {eta} left")
        {
            bar.set_style(style);
        }
        Progress { bar, audio_seconds: Mutex::new(0.0), began: Instant::now() }
    }

    /// One more file is done, which brought so many seconds of sound.
    pub(super) fn advance(&self, seconds: f64) {
        if let Ok(mut sum) = self.audio_seconds.lock() {
            *sum += seconds;
            let elapsed = self.began.elapsed().as_secs_f64().max(1e-3);
            self.bar.set_message(format!("{:.2} h of sound/s", *sum / 3_600.0 / elapsed));
        }
        self.bar.inc(1);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
