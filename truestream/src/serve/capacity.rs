//! Whether there is room for more rows: who sends is asked to come again, and who fetches waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::source::Progress;

/// What says when nothing more is taken in.
pub struct Capacity {
    /// Above nine tenths of so many bytes.
    pub memory_max: u64,
    /// While what was taken waits for longer than this to be stated.
    pub behind_max_ms: Option<u64>,
    /// The last entry that was durable when the service began: once it is stated the service is ready.
    pub began_at: u64,
    /// How far the dataflow is.
    pub progress: Arc<Progress>,
}

impl Capacity {
    /// Whether everything is stated that was durable when the service began.
    pub fn is_ready(&self) -> bool {
        self.progress.stated_entries.load(Ordering::Acquire) >= self.began_at
    }

    /// Why no rows are taken now, if they are not.
    pub fn full(&self) -> Option<String> {
        if resident_bytes().is_some_and(|bytes| bytes > self.memory_max / 10 * 9) {
            return Some("memory is nearly full".to_owned());
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
