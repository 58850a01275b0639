//! Rules that people write as conditions over the tables: `conditions.toml` of a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use records::clause::Clause;
use records::policy::Percent;
use records::{Millis, Subject, Verdict};
use serde::{Deserialize, Deserializer};

use super::{CONDITIONS, a_day, read};
use crate::Error;

/// A rule with the rows that it is tested by.
#[derive(Clone, Debug, PartialEq)]
pub struct TestedClause {
    /// The rule.
    pub clause: Clause,
    /// Rows that it must match, and rows that it must not.
    pub tests: Vec<ClauseTest>,
}

/// A row, and whether the rule must match it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseTest {
    /// Numbers by column; those that are not named are 0.
    pub row: BTreeMap<String, u64>,
    /// Whether it must match.
    pub matches: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionsFile {
    #[serde(default)]
    rule: Vec<Written>,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    version: u32,
    subject: Subject,
    window: String,
    when: String,
    action: Verdict,
    code: String,
    reason: String,
    #[serde(default)]
    ground: String,
    #[serde(default)]
    shadow: bool,
    #[serde(default = "Percent::whole")]
    rollout_percent: Percent,
    owner: String,
    #[serde(default, deserialize_with = "a_given_day")]
    from: Option<Millis>,
    #[serde(deserialize_with = "a_day")]
    expires: Millis,
    tests: Vec<ClauseTest>,
}

fn a_given_day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Millis>, D::Error> {
    a_day(from).map(Some)
}

/// The rules of the policy in the folder, in their order; none are built in.
///
/// # Errors
/// When the file cannot be read, says what cannot be, or two rules have one id.
pub fn clauses(folder: Option<&Path>) -> Result<Vec<TestedClause>, Error> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let written = read::<ConditionsFile>(folder, CONDITIONS)?.map(|file| file.rule).unwrap_or_default();
    let mut known = BTreeSet::new();
    for rule in &written {
        let wrong = match rule {
            rule if !known.insert(&rule.id) => "found this id twice, expected one rule of each",
            rule if rule.action == Verdict::Allow => "found action \"allow\", expected hold, escalate or block",
            rule if rule.from.is_some_and(|from| rule.expires <= from) => {
                "found expires before from, expected it after"
            }
            rule if rule.tests.iter().all(|test| test.matches) || rule.tests.iter().all(|test| !test.matches) => {
                "expected a test row that it matches and one that it does not"
            }
            _ => continue,
        };
        return Err(Error::Input(format!("{}: rule {:?}: {wrong}", folder.join(CONDITIONS).display(), rule.id)));
    }
    Ok(written.into_iter().map(Written::tested).collect())
}

impl Written {
    fn tested(self) -> TestedClause {
        let Written { id, version, subject, window, when, action, code, reason, ground, .. } = self;
        let Written { shadow, rollout_percent, owner, from, expires, tests, .. } = self;
        let clause = Clause {
            id,
            version,
            subject,
            window,
            when,
            action,
            code,
            reason,
            ground,
            shadow,
            rollout_percent,
            owner,
            from,
            expires,
        };
        TestedClause { clause, tests }
    }
}
