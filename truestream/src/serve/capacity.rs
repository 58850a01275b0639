//! Whether there is room for more rows: who sends is asked to come again, and who fetches waits.
//!
//! ```text
//! memory now ──────────────────────────────────────────┐
//! entries that are durable and not read × bytes of one ─┴──▶ memory when they are read ── above nine tenths? ──▶ full
//! ```

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use datasets::log::Durable;

use super::source::Progress;

/// What says when nothing more is taken in.
pub struct Capacity {
    /// Above nine tenths of so many bytes, or when it will be once everything is read that is durable.
    pub memory_max: u64,
    /// While what was taken waits for longer than this to be stated.
    pub behind_max_ms: Option<u64>,
    /// The last entry that was durable when the service began: once it is stated the service is ready.
    pub began_at: u64,
    /// How far the dataflow is.
    pub progress: Arc<Progress>,
    /// How far the log is durable.
    pub durable: Arc<Durable>,
    /// What was there when the service was first seen to be ready.
    pub at_ready: OnceLock<Usage>,
}

/// The memory of the process, and the entries that it read.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident.
    pub bytes: u64,
    /// The last entry that was read.
    pub entries: u64,
}

/// What an entry costs is not known from fewer than this. At 400,000 plays a second in entries of thousands some dozens are read before as many wait as
/// memory can take, so it cannot be many; the first ones cost more than those that follow, so that little is taken at first rather than too much.
const ENTRIES_MIN: u64 = 16;

impl Usage {
    /// The memory once all entries up to the last one are read, if each grows it as those did that were read since.
    fn with_waiting(self, since: Usage, last: u64) -> u64 {
        let (read, waiting) = (self.entries.saturating_sub(since.entries), last.saturating_sub(self.entries));
        if read < ENTRIES_MIN {
            return self.bytes;
        }
        let grown = u128::from(self.bytes.saturating_sub(since.bytes));
        let expected = grown * u128::from(waiting) / u128::from(read);
        self.bytes.saturating_add(u64::try_from(expected).unwrap_or(u64::MAX))
    }
}

impl Capacity {
    /// Whether everything is stated that was durable when the service began.
    pub fn is_ready(&self) -> bool {
        self.progress.stated_entries.load(Ordering::Acquire) >= self.began_at
    }

    /// Why no rows are taken now, if they are not.
    pub fn full(&self) -> Option<String> {
        let most = self.memory_max / 10 * 9;
        if let Some(bytes) = resident_bytes() {
            if bytes > most {
                return Some("memory is nearly full".to_owned());
            }
            if self.is_ready() {
                let now = Usage { bytes, entries: self.progress.entries.load(Ordering::Relaxed) };
                let since = *self.at_ready.get_or_init(|| now);
                if now.with_waiting(since, self.durable.last()) > most {
                    return Some("memory will be nearly full when what was taken is read".to_owned());
                }
            }
        }
        let behind_ms = self.progress.behind_ms.load(Ordering::Relaxed);
        let max_ms = self.behind_max_ms.filter(|max_ms| behind_ms > *max_ms && self.is_ready())?;
        Some(format!("what was taken waits for {behind_ms} ms to be stated, longer than --behind-max ({max_ms} ms)"))
    }
}

/// The memory that the process has, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_in_the_log_counts_as_what_was_read_did() {
        let since = Usage { bytes: 1_000, entries: 100 };
        let now = |bytes, read| Usage { bytes, entries: 100 + read };
        assert_eq!(now(5_000, 1_000).with_waiting(since, 1_100), 5_000, "nothing waits");
        assert_eq!(now(5_000, 1_000).with_waiting(since, 1_600), 7_000, "500 more of 4 bytes each");
        assert_eq!(now(900, 1_000).with_waiting(since, 9_000), 900, "it shrank");
        assert_eq!(now(5_000, ENTRIES_MIN - 1).with_waiting(since, 9_000), 5_000, "too few to tell");
        assert_eq!(now(u64::MAX, 1_000).with_waiting(since, u64::MAX), u64::MAX);
    }
}
