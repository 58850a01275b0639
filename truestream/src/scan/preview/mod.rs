//! Pictures of a recording, for the people who review it: the waveform and the spectrogram.
//!
//! ```text
//! clip ─┬─▶ least and greatest sample per 50 ms ──▶ previews/ab/<content>.peaks.json
//!       └─▶ mel bands per 1/16 s ──▶ colours ──▶ previews/ab/<content>.spectrum.<n>.png, 32 s each
//! ```
//!
//! The names are those of the content: `ab` are the first two digits of its hash.

mod colours;
mod spectrum;
mod waveform;

use std::path::{Path, PathBuf};

use datasets::audio::Clip;
use datasets::tables::part_of;
use kernels::AudioKernels;

use super::args::Previews;
use crate::exit::Failure;

/// Changes whenever a picture may.
pub(super) const VERSION: u32 = 1;

/// The folder of the pictures.
pub(super) struct Gallery {
    folder: PathBuf,
    which: Previews,
}

impl Gallery {
    /// Opens the folder.
    pub(super) fn open(out: &Path, which: Previews) -> Result<Gallery, Failure> {
        let folder = out.join("previews");
        if which != Previews::None {
            let ready = std::fs::create_dir_all(&folder).and_then(|()| sweep(&folder));
            ready.map_err(|error| unwritten(&folder, &error))?;
        }
        Ok(Gallery { folder, which })
    }

    /// Draws the clip. Files appear whole or not at all.
    pub(super) fn draw(&self, content: &str, clip: &Clip, kernels: &dyn AudioKernels) -> Result<(), Failure> {
        if self.which == Previews::None {
            return Ok(());
        }
        let shelf = self.folder.join(&content[..2]);
        std::fs::create_dir_all(&shelf).map_err(|error| unwritten(&shelf, &error))?;
        keep(&shelf.join(format!("{content}.peaks.json")), &waveform::peaks(&clip.samples, clip.rate_hz()))?;
        if self.which == Previews::All {
            let tiles = spectrum::tiles(&clip.samples, clip.rate_hz(), kernels);
            for (number, tile) in tiles.map_err(Failure::Input)?.into_iter().enumerate() {
                keep(&shelf.join(format!("{content}.spectrum.{number}.png")), &tile)?;
            }
        }
        Ok(())
    }
}

/// Removes what a scan that was killed left half drawn.
pub(super) fn sweep(folder: &Path) -> std::io::Result<()> {
    for shelf in std::fs::read_dir(folder)? {
        for picture in std::fs::read_dir(shelf?.path())? {
            let path = picture?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                std::fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

fn keep(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let part = part_of(path);
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Output(format!("{}: cannot write: {error}; free space there or choose another folder", path.display()))
}
