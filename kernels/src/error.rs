//! What a caller may have got wrong, and what a device may refuse.

/// Why a kernel gave no answer.
#[derive(Debug, thiserror::Error, Clone, PartialEq)]
pub enum KernelError {
    /// A plan's number is out of range.
    #[error("{what} is {got}; it must be {must}")]
    Plan {
        /// Which number.
        what: &'static str,
        /// What it was.
        got: String,
        /// What it may be.
        must: &'static str,
    },
    /// Two inputs do not fit together.
    #[error("{what}: {got} where {expected} was expected")]
    Shape {
        /// Which input.
        what: &'static str,
        /// What was expected of it.
        expected: usize,
        /// What it was.
        got: usize,
    },
    /// A device was asked for that is not there.
    #[error("cuda was asked for and is not to be had: {0}")]
    NoCuda(String),
    /// The device is there and does not do this.
    #[error("{device} does not do {what}")]
    Unsupported {
        /// The device's name.
        device: String,
        /// What was asked of it.
        what: String,
    },
    /// The device failed in the middle of something.
    #[error("{doing}: {reason}")]
    Device {
        /// What was being done.
        doing: &'static str,
        /// What the driver said.
        reason: String,
    },
    /// No thread pool could be started.
    #[error("no thread pool of {threads}: {reason}")]
    Threads {
        /// How many threads were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
}

impl KernelError {
    pub(crate) fn plan(what: &'static str, got: impl std::fmt::Display, must: &'static str) -> KernelError {
        KernelError::Plan { what, got: got.to_string(), must }
    }

    /// `Ok` if the two are equal.
    pub(crate) fn expect(what: &'static str, expected: usize, got: usize) -> Result<(), KernelError> {
        if expected == got { Ok(()) } else { Err(KernelError::Shape { what, expected, got }) }
    }
}
