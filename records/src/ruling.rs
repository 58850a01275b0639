//! What people ruled about subjects: which ruling speaks, and what it leaves of a verdict.
//!
//! ```text
//! rulings on a subject ──known in time? since, until──▶ those that speak ──the latest known──▶ in force ──▶ what it leaves of a verdict
//! ```

use serde::{Deserialize, Serialize};

use crate::{Id, Millis, Subject, Verdict};

/// What a person ruled. The order is from the gentlest to the one that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RulingKind {
    /// It is honest: no verdict, whatever speaks against it.
    Cleared,
    /// Fraud was done to it: no verdict on what is listened to, no more than a hold on an account.
    Victim,
    /// It is fraud: no less than this verdict.
    Confirmed(Verdict),
    /// Nothing any more: what was ruled before is taken back.
    Withdrawn,
}

impl RulingKind {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            RulingKind::Cleared => "cleared",
            RulingKind::Victim => "victim",
            RulingKind::Confirmed(_) => "confirmed",
            RulingKind::Withdrawn => "withdrawn",
        }
    }

    /// The verdict that was confirmed.
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            RulingKind::Confirmed(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// What it leaves of what rules and risk call for. Where fraud was done to music, its false plays are taken out with the accounts that made them, and
    /// all others pay; somebody else may still be playing on an account, so its plays can wait.
    pub fn leaves(self, subject: Subject, verdict: Verdict) -> Verdict {
        match self {
            RulingKind::Victim if subject == Subject::Account => verdict.min(Verdict::Hold),
            RulingKind::Cleared | RulingKind::Victim => Verdict::Allow,
            RulingKind::Confirmed(least) => verdict.max(least),
            RulingKind::Withdrawn => verdict,
        }
    }

    /// Whether the suspicion against its subject speaks against nobody else.
    pub fn is_silencing(self) -> bool {
        matches!(self, RulingKind::Cleared | RulingKind::Victim)
    }
}

/// What a person ruled, and about when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ruling {
    /// What was ruled.
    pub kind: RulingKind,
    /// When it was known.
    pub known_at: Millis,
    /// The first instant that it speaks about; without one, since ever.
    pub since: Option<Millis>,
    /// The first instant that it does not speak about any more; without one, it does for ever.
    pub until: Option<Millis>,
    /// By whom.
    pub ruled_by: Option<String>,
    /// Why, for the one it is about.
    pub reason: Option<String>,
}

impl Ruling {
    /// Whether it speaks about the instant.
    pub fn speaks_about(&self, as_of: Millis) -> bool {
        self.since.is_none_or(|since| since <= as_of) && self.until.is_none_or(|until| as_of < until)
    }
}

/// A row of `rulings`: what was ruled about whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ruled {
    /// What it is about.
    pub subject: Subject,
    /// Which one.
    pub subject_id: Id,
    /// What was ruled.
    pub ruling: Ruling,
}

/// Of the rulings on one subject that speak about the instant and were known before the other, the one that was known last; of those known
/// at once the gentlest. `None` where there is none, or it takes back what was ruled before.
pub fn in_force<'a>(
    rulings: impl IntoIterator<Item = &'a Ruling>,
    as_of: Millis,
    known_before: Millis,
) -> Option<&'a Ruling> {
    let speaks = |ruling: &&Ruling| ruling.known_at < known_before && ruling.speaks_about(as_of);
    let last = rulings.into_iter().filter(speaks).max_by(|a, b| a.known_at.cmp(&b.known_at).then_with(|| b.cmp(a)));
    last.filter(|ruling| ruling.kind != RulingKind::Withdrawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruling(kind: RulingKind, known_at: Millis, since: Option<Millis>, until: Option<Millis>) -> Ruling {
        let (ruled_by, reason) = (None, None);
        Ruling { kind, known_at, since, until, ruled_by, reason }
    }

    #[test]
    fn the_last_word_that_speaks_counts_until_it_ends_or_is_taken_back() {
        use RulingKind::{Cleared, Confirmed, Victim, Withdrawn};
        let block = Confirmed(Verdict::Block);
        let mut rulings = vec![
            ruling(Cleared, 10, None, None),
            ruling(block, 20, Some(30), Some(60)),
            ruling(Withdrawn, 40, None, Some(50)),
            // Known at once: the gentler one.
            ruling(block, 70, Some(70), None),
            ruling(Victim, 70, None, None),
        ];
        for _ in 0..rulings.len() {
            rulings.rotate_left(1);
            let at = |as_of, known| in_force(&rulings, as_of, known).map(|ruling| ruling.kind);
            let now = [0, 10, 11, 25, 30, 40, 41, 49, 50, 59, 60, 70, 71].map(|as_of| at(as_of, as_of));
            let [c, b, v] = [Cleared, block, Victim].map(Some);
            assert_eq!(now, [None, None, c, c, b, b, None, None, b, b, c, c, v]);
            // What is known later speaks about what was before.
            assert_eq!([at(0, 11), at(30, 30), at(45, 40), at(45, 41), at(0, 71)], [c, b, b, None, v]);
        }
    }

    #[test]
    fn a_ruling_leaves_of_a_verdict_what_it_says() {
        use Verdict::{Allow, Block, Escalate, Hold};
        let all = [Allow, Hold, Escalate, Block];
        assert_eq!(all.map(|verdict| RulingKind::Cleared.leaves(Subject::Account, verdict)), [Allow; 4]);
        assert_eq!(all.map(|verdict| RulingKind::Victim.leaves(Subject::Account, verdict)), [Allow, Hold, Hold, Hold]);
        assert_eq!(all.map(|verdict| RulingKind::Victim.leaves(Subject::Track, verdict)), [Allow; 4]);
        let escalated = RulingKind::Confirmed(Escalate);
        assert_eq!(all.map(|verdict| escalated.leaves(Subject::Track, verdict)), [Escalate, Escalate, Escalate, Block]);
        assert_eq!(all.map(|verdict| RulingKind::Withdrawn.leaves(Subject::Account, verdict)), all);
    }
}
