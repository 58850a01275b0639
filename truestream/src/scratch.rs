//! A folder for what a command writes on its way and nobody keeps.
//!
//! ```text
//! command ──▶ folder ──▶ the command ends, or is told to ──▶ no folder
//! ```

use std::path::Path;
use std::{fs, io, process, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use crate::exit::Failure;

/// A folder that is gone when the command ends, also by Ctrl-C or SIGTERM; only a process that is killed leaves it behind.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// Makes the folder where the system keeps such folders. From now on the process ends with 128 and the signal's number where it is
    /// told to end, as a shell counts it.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn new() -> Result<Scratch, Failure> {
        let failed = |error: io::Error| Failure::Output(format!("a temporary folder: {error}"));
        // Heard first: who ends it as soon as there is a folder is heard, too.
        let mut told = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix("truestream-").tempdir().map_err(failed)?;
        let path = folder.path().to_owned();
        thread::spawn(move || {
            if let Some(signal) = told.forever().next() {
                // What others write meanwhile may stand in the way once.
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_dir_all(&path));
                process::exit(128 + signal);
            }
        });
        Ok(Scratch(folder))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
