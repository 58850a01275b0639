//! How suspicious those are that an account is tied to: its group, and who is in lockstep with it.
//!
//! ```text
//! suspicion of the accounts of a group, of the partners in lockstep ──▶ [`Neighbours`] ──▶ mean suspicion of the others
//! ```
//!
//! Suspicion is that of a [`crate::crowd::Mark`]: what rules see in an account alone, under no policy, and never a model's word.

use serde::{Deserialize, Serialize};

use crate::signals::WHOLE;

/// The mean suspicion of a group moves in steps of half a percent, so that the many accounts of a large one are not told of each change.
const STEP: u64 = 50;

/// The suspicion of a group, in ten-thousandths, all its accounts added up: rounded down to a step of its size.
pub fn of_group(sum: u64, accounts: u64) -> u64 {
    let step = (STEP * accounts).max(1);
    sum / step * step
}

/// Those that an account is tied to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours {
    /// What [`of_group`] says of its group, itself included.
    pub group: u64,
    /// The suspicion of its partners in lockstep, added up.
    pub partners: u64,
}

impl Neighbours {
    /// The mean suspicion of the other accounts of a group of this size, where its own is this; NaN where it has none.
    pub(crate) fn of_group(&self, size: u32, own: u16) -> f64 {
        let others = u64::from(size).saturating_sub(1);
        mean(self.group.saturating_sub(own.into()), others)
    }

    /// The mean suspicion of so many partners; NaN of none.
    pub(crate) fn of_partners(&self, partners: u32) -> f64 {
        mean(self.partners, partners.into())
    }
}

/// At most 1: a group is told of in steps, and its sum may be of an earlier suspicion of the account itself.
fn mean(sum: u64, of: u64) -> f64 {
    if of == 0 { f64::NAN } else { (sum as f64 / WHOLE as f64 / of as f64).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_meant_and_not_the_account_itself() {
        // Three accounts: itself at .95, one at .5, one that nothing speaks against.
        let neighbours = Neighbours { group: of_group(9_500 + 5_000, 3), partners: 15_000 };
        assert!((neighbours.of_group(3, 9_500) - 0.25).abs() < 0.01);
        assert_eq!(neighbours.of_partners(2), 0.75);
        assert!(neighbours.of_group(1, 0).is_nan() && neighbours.of_group(0, 0).is_nan());
        assert!(neighbours.of_partners(0).is_nan());
        assert_eq!(Neighbours::default().of_group(2, 9_500), 0.0, "rounded down below its own");
        assert_eq!([of_group(0, 0), of_group(149, 1), of_group(149_999, 1_000)], [0, 100, 100_000]);
    }
}
