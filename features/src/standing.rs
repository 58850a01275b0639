//! How verdicts over time decide what a play counts for.
//!
//! ```text
//! verdicts of a subject, instant by instant ──▶ course ──play──▶ the gravest while the play counted
//! rulings on it ────────────────────────────────┘
//! ```

use std::collections::BTreeSet;

use records::{Millis, Ruling, Subject, Verdict, in_force};

/// The verdicts of one subject over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// From the instant on, until before the other: not yet ended where it is `None`.
    spans: Vec<(Millis, Option<Millis>, Verdict)>,
}

impl Course {
    /// From the instant on this verdict holds; what held before does not. One that goes on, whatever changed of it, is one.
    pub fn begins(&mut self, as_of: Millis, verdict: Verdict) {
        self.ends(as_of);
        match self.spans.last_mut() {
            Some((_, end, known)) if (*end, *known) == (Some(as_of), verdict) => *end = None,
            _ => self.spans.push((as_of, None, verdict)),
        }
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

    /// The gravest verdict as of any instant from the one to the other.
    pub fn gravest_between(&self, from: Millis, until: Millis) -> Verdict {
        let holds =
            |(start, end, _): &&(Millis, Option<Millis>, Verdict)| *start <= until && end.is_none_or(|end| from < end);
        self.spans.iter().filter(holds).map(|(.., verdict)| *verdict).max().unwrap_or_default()
    }

    /// For how long there was a verdict, where the last instant is `until`.
    pub fn lasted_ms(&self, until: Millis) -> Millis {
        self.spans.iter().map(|(from, end, _)| end.unwrap_or(until).min(until).max(*from) - from).sum()
    }

    /// As it is known at the close: of the verdict as of an instant that is left what the ruling leaves that speaks about it. Instants are
    /// multiples of `every_ms`.
    pub fn ruled(&self, subject: Subject, rulings: &[Ruling], close: Millis, every_ms: Millis) -> Course {
        let first =
            |instant: Millis| instant.div_euclid(every_ms).saturating_add(Millis::from(instant % every_ms != 0));
        let first = |instant: Millis| first(instant).saturating_mul(every_ms);
        let told = self.spans.iter().flat_map(|(from, end, _)| [Some(*from), *end]).flatten();
        let spoken = rulings.iter().flat_map(|ruling| [ruling.since, ruling.until]).flatten().map(first);
        // Between two of these nothing changes.
        let edges: BTreeSet<Millis> = told.chain(spoken).chain([Millis::MIN]).collect();
        let mut course = Course::default();
        for edge in edges {
            let holds =
                |(from, end, _): &&(Millis, Option<Millis>, Verdict)| *from <= edge && end.is_none_or(|end| edge < end);
            let told = self.spans.iter().rfind(holds).map(|(.., verdict)| *verdict).unwrap_or_default();
            match in_force(rulings, edge, close).map_or(told, |ruling| ruling.kind.leaves(subject, told)) {
                Verdict::Allow => course.ends(edge),
                verdict => course.begins(edge, verdict),
            }
        }
        course
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
    use records::RulingKind;

    use super::*;

    #[test]
    fn of_a_verdict_is_left_what_the_ruling_leaves_that_is_known_at_the_close() {
        const H: Millis = 3_600_000;
        let ruling = |kind, known_at, since: Option<Millis>, until: Option<Millis>| Ruling {
            kind,
            known_at: known_at * H,
            since: since.map(|hours| hours * H - 1),
            until: until.map(|hours| hours * H - 1),
            ruled_by: None,
            reason: None,
        };
        let rulings = [
            ruling(RulingKind::Confirmed(Verdict::Escalate), 8, Some(9), Some(15)),
            ruling(RulingKind::Victim, 17, Some(13), None),
            ruling(RulingKind::Cleared, 20, None, Some(12)),
            ruling(RulingKind::Withdrawn, 25, Some(5), Some(11)),
            ruling(RulingKind::Cleared, 30, None, None),
        ];
        let told = |as_of: Millis| match as_of / H {
            6..10 => Verdict::Hold,
            10..=12 | 14..=17 => Verdict::Block,
            _ => Verdict::Allow,
        };
        let mut course = Course::default();
        course.begins(6 * H, Verdict::Hold);
        course.begins(10 * H, Verdict::Block);
        course.ends(13 * H);
        course.begins(14 * H, Verdict::Block);
        course.ends(18 * H);
        for close in [0, 8, 9, 18, 20, 21, 26, 31] {
            let found = course.ruled(Subject::Account, &rulings, close * H, H);
            for as_of in (0..40).map(|tick| tick * H) {
                let ruling = in_force(&rulings, as_of, close * H);
                let expected = ruling.map_or(told(as_of), |ruling| ruling.kind.leaves(Subject::Account, told(as_of)));
                // A play that counts as of this instant alone.
                assert_eq!(found.gravest(as_of - 1, H, H), expected, "as of {as_of} at {close}");
            }
        }
        assert_eq!(course.ruled(Subject::Account, &rulings, 31 * H, H), Course::default());
        assert_eq!(course.ruled(Subject::Account, &[], 31 * H, H).gravest(12 * H, 24 * H, H), Verdict::Block);
    }

    #[test]
    fn the_gravest_verdict_while_a_play_counted_counts() {
        const H: Millis = 3_600_000;
        let mut course = Course::default();
        course.begins(10 * H, Verdict::Hold);
        course.begins(12 * H, Verdict::Block);
        course.begins(14 * H, Verdict::Hold);
        course.ends(16 * H);
        assert_eq!((course.gravest_ever(), course.lasted_ms(100 * H)), (Verdict::Block, 6 * H));
        let between = |from: Millis, until: Millis| course.gravest_between(from * H, until * H);
        assert_eq!(
            [between(0, 9), between(0, 10), between(11, 12), between(14, 20), between(16, 99)]
                .map(|verdict| verdict as u8),
            [Verdict::Allow, Verdict::Hold, Verdict::Block, Verdict::Hold, Verdict::Allow].map(|verdict| verdict as u8)
        );
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
