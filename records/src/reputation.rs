//! What became of what somebody brought to the platform: the ledger of an uploader, a distributor or a playlist's owner.

use std::ops::{AddAssign, SubAssign};

use crate::Verdict;

/// Who nobody knows yet is taken for one with so many good things ...
const PRIOR_GOOD: u64 = 4;
/// ... and so many bad ones: a newcomer stands at 0.8, below who has proved honest and above who has been caught. An assumption.
const PRIOR_BAD: u64 = 1;

/// Tracks, or playlists of an owner, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// All of them.
    pub subjects: u64,
    /// Those with this verdict now.
    pub held: u64,
    /// Those with this verdict now.
    pub escalated: u64,
    /// Those with this verdict now.
    pub blocked: u64,
    /// Those that had a verdict once and have none now.
    pub overturned: u64,
    /// Those that declare to be free of generative AI, and are heard to be a machine's.
    pub contradicted: u64,
    /// Halves of good things that they are short of: two for one that is blocked or contradicted, one for one that is held or escalated.
    bad_halves: u64,
}

impl Record {
    /// Of a single track or playlist.
    pub fn of(verdict: Verdict, was_stopped: bool, is_contradicted: bool) -> Record {
        let is = |which| u64::from(verdict == which);
        let bad_halves = match verdict {
            _ if is_contradicted => 2,
            Verdict::Block => 2,
            Verdict::Escalate | Verdict::Hold => 1,
            Verdict::Allow => 0,
        };
        Record {
            subjects: 1,
            held: is(Verdict::Hold),
            escalated: is(Verdict::Escalate),
            blocked: is(Verdict::Block),
            overturned: u64::from(was_stopped && verdict == Verdict::Allow),
            contradicted: u64::from(is_contradicted),
            bad_halves,
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_plain(&self) -> bool {
        self.bad_halves == 0 && self.overturned == 0
    }

    /// How many stand there with what speaks against them: held, escalated, blocked, contradicted.
    pub fn faults(&self) -> [u64; 4] {
        [self.held, self.escalated, self.blocked, self.contradicted]
    }

    /// The share of good things among all, in ten-thousandths, rounded half up, with those that a newcomer is lent: what was overturned
    /// counts as if nothing had been.
    pub fn reputation(&self) -> u16 {
        let all = 2 * (PRIOR_GOOD + PRIOR_BAD + self.subjects);
        let good = 2 * (PRIOR_GOOD + self.subjects) - self.bad_halves;
        ((good * 10_000 + all / 2) / all) as u16
    }
}

impl AddAssign for Record {
    fn add_assign(&mut self, other: Record) {
        let Record { subjects, held, escalated, blocked, overturned, contradicted, bad_halves } = other;
        self.subjects += subjects;
        self.held += held;
        self.escalated += escalated;
        self.blocked += blocked;
        self.overturned += overturned;
        self.contradicted += contradicted;
        self.bad_halves += bad_halves;
    }
}

impl SubAssign for Record {
    /// Takes out what was put in before.
    fn sub_assign(&mut self, other: Record) {
        let Record { subjects, held, escalated, blocked, overturned, contradicted, bad_halves } = other;
        self.subjects -= subjects;
        self.held -= held;
        self.escalated -= escalated;
        self.blocked -= blocked;
        self.overturned -= overturned;
        self.contradicted -= contradicted;
        self.bad_halves -= bad_halves;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_stands_between_the_honest_and_the_caught_and_an_overturned_verdict_costs_nothing() {
        let of = |subjects: &[(Verdict, bool, bool)]| {
            let mut sum = Record::default();
            subjects.iter().for_each(|(verdict, was, contradicted)| sum += Record::of(*verdict, *was, *contradicted));
            sum.reputation()
        };
        let clean = (Verdict::Allow, false, false);
        assert_eq!(of(&[]), 8_000);
        assert_eq!(of(&[clean; 5]), 9_000);
        assert_eq!(of(&[(Verdict::Block, true, false); 5]), 4_000);
        assert_eq!(of(&[(Verdict::Hold, true, false); 5]), 6_500);
        assert_eq!(of(&[(Verdict::Allow, true, false); 5]), of(&[clean; 5]));
        // A contradicted declaration weighs as much as a block, and the two together no more.
        assert_eq!(of(&[(Verdict::Allow, false, true); 5]), 4_000);
        assert_eq!(of(&[(Verdict::Block, true, true); 5]), 4_000);
        let (mut sum, one) = (Record::of(Verdict::Hold, true, true), Record::of(Verdict::Block, true, false));
        sum += one;
        sum -= one;
        assert_eq!(sum, Record::of(Verdict::Hold, true, true));
    }
}
