//! What may be spent on listening, and on which recordings: cheap listeners hear everything, expensive ones what is worth it.
//!
//! ```text
//! cheap listeners ──▶ the highest risk so far ──Hears──▶ worth it? ──Budget──▶ within what may be spent? ──▶ heard, or not heard and why
//! ```

use serde::{Deserialize, Serialize};

use crate::Risk;
use crate::policy::Percent;

/// Shares of a recording's hash are of this whole.
const WHOLE: u64 = 1 << 32;

/// A listener that need not hear every recording, in the order in which they are asked: what finds most for its cost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listener {
    /// Traces of neural decoders.
    Synthesis,
    /// What it sounds like.
    Resemblance,
    /// Who sings.
    Impersonation,
}

impl Listener {
    /// All of them.
    pub const ALL: [Listener; 3] = [Listener::Synthesis, Listener::Resemblance, Listener::Impersonation];

    /// Its name in tables and policies.
    pub fn name(self) -> &'static str {
        match self {
            Listener::Synthesis => "synthesis",
            Listener::Resemblance => "resemblance",
            Listener::Impersonation => "impersonation",
        }
    }
}

/// Which recordings a listener hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hears {
    /// Every one.
    All,
    /// Those of which a listener before it says at least `flag`.
    Flagged,
    /// None.
    Nothing,
}

/// What may be spent, and on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listening {
    /// CPU time that all listeners together may take for an hour of sound, on average, in seconds. Decoding, fingerprints and pictures are not counted.
    pub budget_secs: u32,
    /// From this risk on a recording is flagged.
    pub flag: Percent,
    /// Which recordings `synthesis` hears.
    pub synthesis: Hears,
    /// Which recordings `resemblance` hears.
    pub resemblance: Hears,
    /// Which recordings `impersonation` hears.
    pub impersonation: Hears,
}

/// Why a listener did not hear a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unheard {
    /// The policy lets it hear nothing.
    Off,
    /// No listener before it said enough.
    NotFlagged,
    /// The budget was spent on others.
    Budget,
}

impl Unheard {
    /// A word for tables.
    pub fn name(self) -> &'static str {
        match self {
            Unheard::Off => "off",
            Unheard::NotFlagged => "not_flagged",
            Unheard::Budget => "budget",
        }
    }
}

impl Listening {
    fn hears(&self, listener: Listener) -> Hears {
        match listener {
            Listener::Synthesis => self.synthesis,
            Listener::Resemblance => self.resemblance,
            Listener::Impersonation => self.impersonation,
        }
    }

    /// Whether a listener hears the recording, by what it costs and what was spent on the recording before.
    ///
    /// Where the budget does not suffice for all, it pays for a share of them: those whose `lot`, a number drawn from their bytes, is low. Flagged recordings
    /// are heard whatever is left. So what is heard depends on the recording alone, not on its order, on the machine or on how often the scan was begun.
    ///
    /// # Errors
    /// Why it does not.
    pub fn decide(
        &self,
        listener: Listener,
        risk: Risk,
        spent: &mut Spent,
        lot: u32,
        cost: Cost,
    ) -> Result<(), Unheard> {
        let is_flagged = risk >= self.flag.risk();
        match self.hears(listener) {
            Hears::Nothing => return Err(Unheard::Off),
            Hears::Flagged if !is_flagged => return Err(Unheard::NotFlagged),
            Hears::Flagged | Hears::All => (),
        }
        let left = (u64::from(self.budget_secs) * 1_000).saturating_sub(spent.0);
        let pays_for = match u64::from(cost.0) {
            cost if cost <= left => WHOLE,
            cost => left * WHOLE / cost,
        };
        // On average: also where this one is left out.
        spent.0 += u64::from(cost.0).min(left);
        if is_flagged || u64::from(lot) < pays_for { Ok(()) } else { Err(Unheard::Budget) }
    }
}

/// CPU time for an hour of sound, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost(pub u32);

/// What was spent on an hour of sound so far, on average over all recordings, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent(u64);

impl Spent {
    /// Counts a listener that hears every recording.
    pub fn on(cost: Cost) -> Spent {
        Spent(u64::from(cost.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(budget_secs: u32, hears: Hears) -> Listening {
        let flag = Percent::new(20).unwrap();
        Listening { budget_secs, flag, synthesis: hears, resemblance: hears, impersonation: hears }
    }

    /// How many of a thousand recordings each listener hears.
    fn heard(listening: &Listening, risk: u64) -> Vec<usize> {
        let hears = |listener: usize, lot: u32| {
            let mut spent = Spent::on(Cost(2_000));
            let decide = |listener| listening.decide(listener, Risk::from_parts(risk), &mut spent, lot, Cost(4_000));
            Listener::ALL.map(decide)[listener].is_ok()
        };
        (0..3).map(|listener| (0..1_000).filter(|at| hears(listener, at * 4_294_967)).count()).collect()
    }

    #[test]
    fn a_budget_pays_for_listeners_in_their_order_and_for_a_share_of_the_last() {
        assert_eq!(heard(&listening(14, Hears::All), 0), [1_000, 1_000, 1_000]);
        let some = heard(&listening(7, Hears::All), 0);
        assert!(some[0] == 1_000 && some[1].abs_diff(250) <= 1 && some[2] == 0, "{some:?}");
        assert_eq!(heard(&listening(0, Hears::All), 0), [0, 0, 0]);
    }

    #[test]
    fn what_is_flagged_is_heard_and_what_is_not_only_by_those_who_hear_all() {
        assert_eq!(heard(&listening(0, Hears::All), 2_000), [1_000, 1_000, 1_000]);
        assert_eq!(heard(&listening(99, Hears::Flagged), 1_999), [0, 0, 0]);
        assert_eq!(heard(&listening(99, Hears::Flagged), 2_000), [1_000, 1_000, 1_000]);
        assert_eq!(heard(&listening(99, Hears::Nothing), 9_000), [0, 0, 0]);
    }
}
