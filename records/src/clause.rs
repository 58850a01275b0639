//! Rules that people write as conditions over the tables: of whom, when, what then, and who answers for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lot::drawn;
use crate::policy::Percent;
use crate::{Millis, Subject, Verdict};

/// A rule as a condition over the numbers of a window table and what is known besides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Clause {
    /// Its name, which is unique in the policy.
    pub id: String,
    /// Counted up with every change.
    pub version: u32,
    /// Whose window table it reads.
    pub subject: Subject,
    /// Which window, as `--windows` names it.
    pub window: String,
    /// The condition, in SQL.
    pub when: String,
    /// What is done at least when it holds.
    pub action: Verdict,
    /// A word that can be counted.
    pub code: String,
    /// Why, in a sentence for the one it is done to.
    pub reason: String,
    /// The ground of a statement of reasons: the clause or law that it rests on.
    pub ground: String,
    /// Whether it is only written down what it would do.
    pub shadow: bool,
    /// For how many of a hundred subjects it acts, drawn by their ids.
    pub rollout_percent: Percent,
    /// Who answers for it.
    pub owner: String,
    /// In force as of these instants on; `None` is always.
    pub from: Option<Millis>,
    /// And until this one, when its owner looks at it again.
    pub expires: Millis,
}

/// A value of a row that a rule is tested by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// A whole number.
    Count(u64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Count(count) => write!(f, "{count}"),
            Given::Number(number) => write!(f, "{number}"),
            Given::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// What becomes of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Its action is called for.
    Acts,
    /// It is only written down: the rule is in the shadow.
    Shadow,
    /// It is only written down: the subject is not among those for whom the rule acts yet.
    NotRolledOut,
}

impl Effect {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Acts => "acts",
            Effect::Shadow => "shadow",
            Effect::NotRolledOut => "not_rolled_out",
        }
    }
}

impl Clause {
    /// What becomes of a match of the subject with this id: always the same for the same rule and id. A greater
    /// `rollout_percent` only adds subjects.
    pub fn effect(&self, subject_id: &str) -> Effect {
        match () {
            () if self.shadow => Effect::Shadow,
            () if drawn(&self.id, subject_id) >= self.rollout_percent.get() => Effect::NotRolledOut,
            () => Effect::Acts,
        }
    }

    /// Whether it is in force as of the instant.
    pub fn is_in_force(&self, as_of: Millis) -> bool {
        self.from.is_none_or(|from| as_of >= from) && as_of < self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_rolled_out_to_stays_when_more_come() {
        let clause = |percent, shadow| Clause {
            id: "r".to_owned(),
            version: 1,
            subject: Subject::Account,
            window: "24h".to_owned(),
            when: "plays > 1".to_owned(),
            action: Verdict::Hold,
            code: String::new(),
            reason: String::new(),
            ground: String::new(),
            shadow,
            rollout_percent: Percent::new(percent).unwrap(),
            owner: String::new(),
            from: Some(5),
            expires: 7,
        };
        let acts = |percent| {
            let clause = clause(percent, false);
            (0..10_000).filter(|id: &u32| clause.effect(&id.to_string()) == Effect::Acts).collect::<Vec<_>>()
        };
        let (ten, half) = (acts(10), acts(50));
        // Binomial: 4 standard deviations are 120 and 200 of 10 000.
        assert!(ten.len().abs_diff(1_000) < 120 && half.len().abs_diff(5_000) < 200, "{} {}", ten.len(), half.len());
        assert!(ten.iter().all(|id| half.contains(id)));
        assert_eq!((acts(0).len(), acts(100).len()), (0, 10_000));
        assert_eq!(clause(100, true).effect("1"), Effect::Shadow);
        assert_eq!([4, 5, 6, 7].map(|as_of| clause(1, false).is_in_force(as_of)), [false, true, true, false]);
    }
}
