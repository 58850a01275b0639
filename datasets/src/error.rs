//! What can go wrong with a file.

use std::path::{Path, PathBuf};

/// What went wrong with which file: always the file, what was found, what was expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no Parquet file, or a damaged one.
    #[error("{}: not readable as Parquet: {reason}; write the file again, or bring CSV and JSON in with `truestream import`", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A required column is missing.
    #[error("{}: column `{column}` is missing from the table `{table}`; columns found: {}; rename one, or bring the file in with `truestream import mapped`", path.display(), found.join(", "))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The table it was read as.
        table: &'static str,
        /// The column that is missing.
        column: &'static str,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A column has a type that its meaning does not allow.
    #[error("{}: column `{column}` has the type {found}; expected {expected}: convert the column", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type found.
        found: String,
        /// The types that can be read.
        expected: &'static str,
    },
    /// Anything else, said in a sentence that names the file and the next step.
    #[error("{0}")]
    Input(String),
}

impl Error {
    /// An error of the system about `path`.
    pub fn io(path: &Path, source: std::io::Error) -> Error {
        Error::Io { path: path.to_owned(), source }
    }

    /// An error of the Parquet reader about `path`.
    pub fn parquet(path: &Path, reason: impl ToString) -> Error {
        Error::Parquet { path: path.to_owned(), reason: reason.to_string() }
    }
}
