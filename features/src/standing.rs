//! How verdicts over time decide what a play counts for.
//!
//! ```text
//! verdicts of a subject, instant by instant ──▶ course ──play──▶ the gravest while the play counted
//! ```

use records::{Millis, Verdict};

/// The verdicts of one subject over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// From the instant on, until before the other: not yet ended where it is `None`.
    spans: Vec<(Millis, Option<Millis>, Verdict)>,
}

impl Course {
    /// From the instant on this verdict holds; what held before does not.
    pub fn begins(&mut self, as_of: Millis, verdict: Verdict) {
        self.ends(as_of);
        self.spans.push((as_of, None, verdict));
    }

    /// From the instant on no verdict holds.
    pub fn ends(&mut self, as_of: Millis) {
        if let Some((_, end @ None, _)) = self.spans.last_mut() {
            *end = Some(as_of);
        }
    }

    /// The gravest verdict that there ever was.
    pub fn gravest_ever(&self) -> Verdict {
        self.spans.iter().map(|(.., verdict)| *verdict).max().unwrap_or_default()
    }

    /// For how long there was a verdict, where the last instant is `until`.
    pub fn lasted_ms(&self, until: Millis) -> Millis {
        self.spans.iter().map(|(from, end, _)| end.unwrap_or(until).min(until).max(*from) - from).sum()
    }

    /// The gravest verdict as of any instant at which a play that ended then counted in a window of this length: a block takes back what
    /// was played before it, and does not lapse because the plays it is made of leave the window. Instants are multiples of `every_ms`.
    pub fn gravest(&self, ended_at: Millis, window_ms: Millis, every_ms: Millis) -> Verdict {
        let first = (ended_at.div_euclid(every_ms) + 1) * every_ms;
        let counts = |(from, end, _): &&(Millis, Option<Millis>, Verdict)| {
            *from <= ended_at + window_ms && end.is_none_or(|end| first < end)
        };
        self.spans.iter().filter(counts).map(|(.., verdict)| *verdict).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_verdict_while_a_play_counted_counts() {
        const H: Millis = 3_600_000;
        let mut course = Course::default();
        course.begins(10 * H, Verdict::Hold);
        course.begins(12 * H, Verdict::Block);
        course.begins(14 * H, Verdict::Hold);
        course.ends(16 * H);
        assert_eq!((course.gravest_ever(), course.lasted_ms(100 * H)), (Verdict::Block, 6 * H));
        assert_eq!((course.lasted_ms(13 * H), Course::default().gravest_ever()), (3 * H, Verdict::Allow));
        // Instant by instant.
        let slow = |ended_at: Millis, window: Millis| {
            let at = |as_of: Millis| match as_of / H {
                10 | 11 | 14 | 15 => Verdict::Hold,
                12 | 13 => Verdict::Block,
                _ => Verdict::Allow,
            };
            let counts = |as_of: &Millis| as_of - window <= ended_at && ended_at < *as_of;
            (0..100).map(|tick| tick * H).filter(counts).map(at).max().unwrap_or_default()
        };
        for quarter in 0..80 {
            for hours in [1, 3, 24] {
                let (ended_at, window) = (quarter * H / 4, hours * H);
                let found = course.gravest(ended_at, window, H);
                assert_eq!(found, slow(ended_at, window), "{quarter} quarters, {hours} h");
            }
        }
    }
}
