//! The options that name the input tables, the same for every command that reads them.

use std::path::PathBuf;

use clap::Args;
use datasets::tables::Inputs;

use crate::exit::Failure;

/// Which files are read: those of a folder, and those named.
#[derive(Args, Clone, Debug, Default)]
pub struct InputArgs {
    /// A folder with plays.parquet and, if there, corrections, tracks, accounts, distributors, networks, playlists, labels,
    /// rulings, evidence
    #[arg(long, value_name = "DIR", required_unless_present = "plays")]
    pub data: Option<PathBuf>,
    /// Plays, instead of or on top of the folder's
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub plays: Vec<PathBuf>,
    /// Corrections
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub corrections: Vec<PathBuf>,
    /// The catalogue
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub tracks: Vec<PathBuf>,
    /// Accounts
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub accounts: Vec<PathBuf>,
    /// Distributors
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub distributors: Vec<PathBuf>,
    /// Networks
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub networks: Vec<PathBuf>,
    /// Playlists
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub playlists: Vec<PathBuf>,
    /// Labels
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub labels: Vec<PathBuf>,
    /// What people ruled about subjects
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub rulings: Vec<PathBuf>,
    /// Evidence of sound: files, or folders that `truestream scan` wrote, whose duplicate_group is read too
    #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
    pub evidence: Vec<PathBuf>,
}

impl InputArgs {
    /// The input files: those of the folder and those named.
    ///
    /// # Errors
    /// When the folder cannot be read or holds no plays.
    pub fn inputs(&self) -> Result<Inputs, Failure> {
        let mut inputs = match &self.data {
            Some(folder) => Inputs::in_folder(folder).map_err(|error| Failure::Input(error.to_string()))?,
            None => Inputs::default(),
        };
        let named = [
            (&mut inputs.plays, &self.plays),
            (&mut inputs.corrections, &self.corrections),
            (&mut inputs.tracks, &self.tracks),
            (&mut inputs.accounts, &self.accounts),
            (&mut inputs.distributors, &self.distributors),
            (&mut inputs.networks, &self.networks),
            (&mut inputs.playlists, &self.playlists),
            (&mut inputs.labels, &self.labels),
            (&mut inputs.rulings, &self.rulings),
        ];
        for (files, more) in named {
            files.extend(more.iter().cloned());
        }
        for path in &self.evidence {
            match path.is_dir() {
                true => inputs.add_evidence(path).map_err(|error| Failure::Input(error.to_string()))?,
                false => inputs.evidence.push(path.clone()),
            }
        }
        Ok(inputs)
    }
}
