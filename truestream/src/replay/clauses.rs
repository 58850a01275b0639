//! Rules that people wrote as conditions: read, tested by their own rows, and laid over the windows of a run.
//!
//! ```text
//! conditions.toml, decisions.csv ──▶ typed conditions ──their test rows──▶ rules ──windows of the run──▶ what the dataflow asks
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use dataflows::clock::{Clock, Tick};
use dataflows::risk::Asked;
use datasets::policy::{self, TestedClause};
use features::condition::{Condition, Seen, Table};
use records::clause::Clause;
use records::{Millis, Territory};

use super::args::{USUAL_WINDOWS, millis};
use super::laws::Law;
use crate::exit::Failure;

/// The rules of the policy in the folder with their conditions; none are built in.
///
/// # Errors
/// When a rule cannot be, or does not match the rows that it says it matches.
pub fn read(folder: Option<&Path>) -> Result<Vec<(Clause, Condition)>, Failure> {
    let tested = policy::clauses(folder).map_err(|error| Failure::Input(error.to_string()))?;
    match faults(&tested).first() {
        Some(fault) => Err(Failure::Input(fault.clone())),
        None => Ok(tested.into_iter().filter_map(|TestedClause { clause, .. }| conditioned(clause).ok()).collect()),
    }
}

/// What is wrong with the rules, one by one.
pub fn faults(rules: &[TestedClause]) -> Vec<String> {
    let fault = |rule: &TestedClause| match tested(rule) {
        Ok(rows) => Some(fault_of(rule, &rows.into_iter().find_map(|(_, wrong)| wrong)?)),
        Err(fault) => Some(fault_of(rule, &fault)),
    };
    rules.iter().filter_map(fault).collect()
}

/// A row that a rule is tested by, in words, and what is other than the rule says.
pub type TestRow = (String, Option<String>);

/// The rows that the rules are tested by, decided.
///
/// # Errors
/// The first rule that cannot be.
pub fn rows(rules: &[TestedClause]) -> Result<Vec<TestRow>, String> {
    let all: Result<Vec<_>, _> =
        rules.iter().map(|rule| tested(rule).map_err(|fault| fault_of(rule, &fault))).collect();
    Ok(all?.concat())
}

fn fault_of(rule: &TestedClause, fault: &str) -> String {
    let file = if rule.tests.is_empty() { "decisions.csv" } else { "conditions.toml" };
    format!("{file}: rule {:?}: {fault}", rule.clause.id)
}

/// Columns of the table of rules that no subject of its rules has. Over empty cells they test nothing, so they hurt no replay of what was
/// activated; but a misspelt column must not look like one that lets everything pass.
pub fn strange_columns(rules: &[TestedClause]) -> Vec<String> {
    let columns: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.columns).collect();
    let table = || rules.iter().filter(|rule| !rule.columns.is_empty());
    let is_known = |column: &str| {
        table().any(|rule| table_of(&rule.clause).is_ok_and(|table| table.column(&column.to_lowercase()).is_some()))
    };
    let subjects: BTreeSet<&str> = table().map(|rule| rule.clause.subject.name()).collect();
    let windows: Vec<String> = subjects.into_iter().map(|subject| format!("{subject}_window")).collect();
    let fault = |column: &String| {
        let windows = windows.join(" or ");
        format!(
            "decisions.csv: found the column {column:?}, expected a column of {windows}, or of another table as a condition names it"
        )
    };
    columns.into_iter().filter(|column| !is_known(column)).map(fault).collect()
}

/// Rules about windows that a replay or a service has only if it is asked for them.
pub fn unusual_windows(rules: &[TestedClause]) -> Vec<String> {
    let usual: Vec<Millis> = USUAL_WINDOWS.split(',').filter_map(|label| millis(label).ok()).collect();
    let told = |TestedClause { clause, .. }: &TestedClause| {
        let unusual = windows_ms(&conditioned(clause.clone()).ok()?).find(|length| !usual.contains(length))?;
        let (id, window) = (&clause.id, length(unusual));
        Some(format!(
            "rule {id:?} reads the window {window}: replays and services have {USUAL_WINDOWS}, and refuse the policy unless --windows names {window}"
        ))
    };
    rules.iter().filter_map(told).collect()
}

/// Asks the rule about the rows that it is tested by.
fn tested(rule: &TestedClause) -> Result<Vec<TestRow>, String> {
    let (clause, condition) = conditioned(rule.clause.clone())?;
    let mut rows = Vec::new();
    for test in &rule.tests {
        let row: Vec<String> = test.row.iter().map(|(name, given)| format!("{name} = {given}")).collect();
        let row = row.join(", ");
        let does = condition.holds_of(&test.row).map_err(|error| format!("tests: {error}"))?;
        let (found, expected) = if test.matches { ("does not match", "does") } else { ("matches", "does not") };
        let wrong = (does != test.matches)
            .then(|| format!("found that it {found} the row {{ {row} }}, expected that it {expected}"));
        let means = if test.matches { "matches" } else { "does not match" };
        rows.push((format!("rule {:?} {means} {{ {row} }}", clause.id), wrong));
    }
    Ok(rows)
}

/// Rules that compare a country with what is none: they match only rows that say just that.
pub fn strange_countries(rules: &[TestedClause]) -> Vec<String> {
    let told = |TestedClause { clause, .. }: &TestedClause| {
        let (_, condition) = conditioned(clause.clone()).ok()?;
        let mut countries = condition.compared().into_iter().filter(|(column, _)| *column == "country");
        let fault = countries.find_map(|(_, word)| Territory::try_from(word.to_owned()).err())?;
        Some(format!("rule {:?}: country: {fault}: it is compared letter by letter", clause.id))
    };
    rules.iter().filter_map(told).collect()
}

fn conditioned(clause: Clause) -> Result<(Clause, Condition), String> {
    let condition = Condition::read(&clause.when, table_of(&clause)?).map_err(|error| format!("when: {error}"))?;
    Ok((clause, condition))
}

/// What the rule is asked of.
fn table_of(clause: &Clause) -> Result<Table, String> {
    let window_ms = millis(&clause.window).map_err(|error| format!("window: {error}"))?;
    Ok(Table { axis: clause.subject.into(), window_ms })
}

/// The windows whose rows a rule reads, its own first.
pub fn windows_ms((clause, condition): &(Clause, Condition)) -> impl Iterator<Item = Millis> {
    millis(&clause.window).into_iter().chain(condition.columns().iter().filter_map(Seen::window_ms))
}

/// What the dataflow asks of rows: the rules of all policies, each while its policy is in force; `read` are the lengths of those windows
/// that somebody reads.
///
/// # Errors
/// When a rule reads a window that the run does not have.
pub fn asked(
    laws: &[Law],
    windows: &[(Millis, Arc<str>)],
    read: &[Millis],
    clock: Clock,
) -> Result<Vec<Asked>, Failure> {
    let first_as_of = |instant: Millis| clock.first_after(instant - 1);
    let asked = |place: usize, rule: &(Clause, Condition)| {
        let (clause, condition) = rule;
        let ends = laws.get(place + 1).map_or(Tick::MAX, |next| next.from);
        let window_of = |length: Millis| read.iter().position(|known| *known == length);
        if let Some(missing) = windows_ms(rule).find(|length| window_of(*length).is_none()) {
            let labels: Vec<&str> = windows.iter().map(|(_, label)| &**label).collect();
            let found = format!("rule {:?} of the policy reads the window {}", clause.id, length(missing));
            return Err(Failure::Usage(format!("{found}, expected one of --windows {}", labels.join(","))));
        }
        let window = windows_ms(rule).next().and_then(window_of).unwrap_or_default();
        Ok(Asked {
            axis: clause.subject.into(),
            window: window as u8,
            condition: condition.clone(),
            from: clause.from.map_or(0, first_as_of).max(laws[place].from),
            until: first_as_of(clause.expires).min(ends),
        })
    };
    let all = laws.iter().enumerate().flat_map(|(place, law)| law.rules.iter().map(move |rule| (place, rule)));
    all.map(|(place, rule)| asked(place, rule)).collect()
}

/// A length as `--windows` names it.
fn length(ms: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")];
    // A day is called 24h.
    let unit = units.into_iter().find(|(unit, _)| ms % unit == 0 && (ms > *unit || *unit < 86_400_000));
    unit.map_or_else(|| format!("{}s", ms / 1_000), |(unit, name)| format!("{}{name}", ms / unit))
}
