//! What went wrong with a question, as HTTP and the PostgreSQL wire say it.

use std::fmt;
use std::time::Duration;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use records::Deed;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The SQLSTATE of PostgreSQL.
    pub code: &'static str,
    /// What, where, and what to do.
    pub message: String,
}

impl Problem {
    /// The status of HTTP: whose turn it is to change something.
    pub fn status(&self) -> u16 {
        match self.code {
            "57014" => 408,
            "53200" | "53300" | "53400" => 429,
            "25006" | "42501" => 403,
            "XX000" => 500,
            _ => 400,
        }
    }

    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into() }
    }

    /// Somebody asks faster than is allowed, and has to wait so long.
    pub fn too_fast(name: &str, wait: Duration) -> Problem {
        let secs = wait.as_secs_f64();
        Problem::new("53400", format!("{name} asks faster than serve --query-rate allows: come again in {secs:.2} s"))
    }

    pub(crate) fn forbidden(message: String) -> Problem {
        Problem::new("25006", message)
    }

    pub(crate) fn not_allowed(table: &str, deed: Deed) -> Problem {
        let deed = deed.in_words();
        Problem::new("42501", format!("permission denied for table {table}: who reads it must be allowed to {deed}"))
    }

    pub(crate) fn late(millis: u128) -> Problem {
        Problem::new(
            "57014",
            format!(
                "the statement took longer than {millis} ms and was ended; ask for less, or let serve --sql-timeout allow more"
            ),
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl From<&DataFusionError> for Problem {
    fn from(error: &DataFusionError) -> Problem {
        let message = error.strip_backtrace();
        match error.find_root() {
            DataFusionError::External(cause) if cause.is::<Problem>() => {
                cause.downcast_ref::<Problem>().cloned().expect("it is one")
            }
            DataFusionError::SQL(..) => Problem::new("42601", message),
            DataFusionError::SchemaError(error, _) => match &**error {
                SchemaError::FieldNotFound { .. } => Problem::new("42703", message),
                SchemaError::AmbiguousReference { .. } => Problem::new("42702", message),
                _ => Problem::new("42701", message),
            },
            DataFusionError::ResourcesExhausted(_) => {
                Problem::new("53200", format!("{message}; ask for less, or let serve --sql-memory allow more"))
            }
            DataFusionError::NotImplemented(_) => Problem::new("0A000", message),
            DataFusionError::Plan(text) if text.contains("not found") && text.contains("table") => {
                Problem::new("42P01", format!("{message}; SHOW TABLES names what there is"))
            }
            DataFusionError::Plan(text) if text.contains("Invalid function") => Problem::new("42883", message),
            DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => Problem::new("22000", message),
            DataFusionError::Plan(_) => Problem::new("42000", message),
            _ => Problem::new("XX000", message),
        }
    }
}

impl From<DataFusionError> for Problem {
    fn from(error: DataFusionError) -> Problem {
        Problem::from(&error)
    }
}
