//! For how long what was taken waits until it is stated.
//!
//! ```text
//! entries durable ──▶ when each was seen first ──▶ stated? forgotten ──▶ the age of the oldest that is left
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When entries were seen first that are not stated yet, oldest first.
#[derive(Default)]
pub struct Lag {
    waiting: VecDeque<(Instant, u64)>,
}

impl Lag {
    /// For how long the oldest entry waits that is durable and not stated, as of now: as exact as one looks often.
    pub fn observe(&mut self, now: Instant, durable: u64, stated: u64) -> Duration {
        if durable > self.waiting.back().map_or(stated, |(_, entry)| *entry) {
            self.waiting.push_back((now, durable));
        }
        while self.waiting.pop_front_if(|(_, entry)| *entry <= stated).is_some() {}
        self.waiting.front().map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_that_waits_says_how_far_behind_it_is() {
        let start = Instant::now();
        let mut lag = Lag::default();
        let mut after =
            |secs, durable, stated| lag.observe(start + Duration::from_secs(secs), durable, stated).as_secs();
        assert_eq!(after(0, 0, 0), 0);
        // Seen at 1, 3 and 5 s; nothing is stated until 7 s.
        assert_eq!((after(1, 10, 0), after(3, 20, 0), after(5, 21, 0), after(7, 21, 0)), (0, 2, 4, 6));
        // A part of what was seen at 3 s is stated: the rest waits since then.
        assert_eq!((after(8, 21, 10), after(9, 21, 19), after(10, 21, 20)), (5, 6, 5));
        // All of it is; what comes then waits since then.
        assert_eq!((after(11, 21, 21), after(20, 22, 21), after(21, 22, 21)), (0, 0, 1));
        // Another dataflow reads from the first entry on, and what was stated stays so.
        assert_eq!(after(22, 22, 22), 0);
    }
}
