//! Rules that people write as conditions over the tables: `conditions.toml` and `decisions.csv` of a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use records::clause::{Clause, Given};
use records::policy::Percent;
use records::{Millis, Subject, Verdict};
use serde::{Deserialize, Deserializer};

use super::{CONDITIONS, DECISIONS, a_day, decisions, read};
use crate::Error;

/// A rule with the rows that it is tested by.
#[derive(Clone, Debug, PartialEq)]
pub struct TestedClause {
    /// The rule.
    pub clause: Clause,
    /// Rows that it must match, and rows that it must not; none of a rule that is itself a row of a table.
    pub tests: Vec<ClauseTest>,
    /// The columns that cells of its table test, its own cells or others; none of a rule that is written out.
    pub columns: Vec<String>,
}

/// A row, and whether the rule must match it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseTest {
    /// What is given by column. Numbers that are not named are 0; of what is told nothing is known that is not named.
    pub row: BTreeMap<String, Given>,
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

/// The rules of the policy in the folder, in their order, those of the table last; none are built in.
///
/// # Errors
/// When a file cannot be read, says what cannot be, or two rules have one id.
pub fn clauses(folder: Option<&Path>) -> Result<Vec<TestedClause>, Error> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let written = read::<ConditionsFile>(folder, CONDITIONS)?.map(|file| file.rule).unwrap_or_default();
    let wrong = |file: &str, id: &str, what: &str| {
        Err(Error::Input(format!("{}: rule {id:?}: {what}", folder.join(file).display())))
    };
    let is_untested =
        |rule: &&Written| rule.tests.iter().all(|test| test.matches) || rule.tests.iter().all(|test| !test.matches);
    if let Some(rule) = written.iter().find(is_untested) {
        return wrong(CONDITIONS, &rule.id, "expected a test row that it matches and one that it does not");
    }
    let mut rules: Vec<(&str, TestedClause)> = written.into_iter().map(|rule| (CONDITIONS, rule.tested())).collect();
    let path = folder.join(DECISIONS);
    match std::fs::read_to_string(&path) {
        Ok(table) => {
            let decisions::Table { columns, rules: rows } = decisions::rules(&path, &table)?;
            let untested = |clause| (DECISIONS, TestedClause { clause, tests: Vec::new(), columns: columns.clone() });
            rules.extend(rows.into_iter().map(untested));
        }
        Err(missing) if missing.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(Error::io(&path, source)),
    }
    let mut known = BTreeSet::new();
    for (file, TestedClause { clause, .. }) in &rules {
        let fault = match clause {
            clause if !known.insert(&clause.id) => "found this id twice, expected one rule of each",
            clause if clause.action == Verdict::Allow => "found action \"allow\", expected hold, escalate or block",
            clause if clause.from.is_some_and(|from| clause.expires <= from) => {
                "found expires before from, expected it after"
            }
            _ => continue,
        };
        return wrong(file, &clause.id, fault);
    }
    Ok(rules.into_iter().map(|(_, rule)| rule).collect())
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
        TestedClause { clause, tests, columns: Vec::new() }
    }
}
