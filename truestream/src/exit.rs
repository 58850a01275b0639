//! How a command ends: the exit codes that scripts and schedulers can rely on.

use std::fmt;

/// Why a command failed. Success is exit code 0; clap itself uses 2 for a command line it cannot read.
#[derive(Debug)]
pub enum Failure {
    /// 2: the options contradict each other or cannot be.
    Usage(String),
    /// 3: a check ran to its end and found a difference, or a gate that is not met.
    Different(String),
    /// 4: an input is missing, damaged or of the wrong shape.
    Input(String),
    /// 5: the output cannot be written.
    Output(String),
    /// 6: another process of the cluster went away, or was started differently.
    Cluster(String),
    /// 6: another command holds what this one would write.
    Locked(String),
}

impl Failure {
    /// The process exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Different(_) => 3,
            Failure::Input(_) => 4,
            Failure::Output(_) => 5,
            Failure::Cluster(_) | Failure::Locked(_) => 6,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text)
            | Failure::Input(text)
            | Failure::Output(text)
            | Failure::Different(text)
            | Failure::Cluster(text)
            | Failure::Locked(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}
