//! Many verdicts at once, found anew under the policy of their day.
//!
//! ```text
//! verdict, all days ──chance──▶ sample ──by policy──▶ one replay under each ──▶ the same rows of every table that a policy decides?
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use datasets::formats::instant;
use datasets::policy::{self, Activation};
use records::Millis;
use serde_json::json;

use super::ledger::{self, Line, Name, Row};
use super::{DECIDED, Emit, ExplainArgs, TABLES, again, law};
use crate::exit::Failure;
use crate::replay::print;
use crate::scratch::Scratch;
use crate::verify::Settings;

/// Kind of subject and id.
type Who = (String, String);

/// A verdict that chance drew: whose, and as of when it came.
type Drawn = (Millis, Who);

/// The rows of a subject over time: when, in which table by which name, and the row that comes; `None` where one goes.
type Course = Vec<(Millis, Name, Option<Row>)>;

/// Draws, finds anew and compares.
pub(super) fn run(args: &ExplainArgs, data: &Path, settings: &Settings, count: usize) -> Result<(), Failure> {
    let drawn = draw(&args.tables, count)?;
    let said = courses(&args.tables, &drawn)?;
    let store = args.policy.as_deref().filter(|folder| policy::is_store(folder));
    let mut by_law: BTreeMap<String, (Option<Activation>, Vec<&Drawn>)> = BTreeMap::new();
    for one in &drawn {
        let (as_of, (subject, id)) = one;
        let activation = store.map(|store| law(store, *as_of, subject, id)).transpose()?;
        let of_law = |activation: &Activation| format!("{} {:?}", activation.digest, activation.stage);
        let digest = activation.as_ref().map_or_else(String::new, of_law);
        by_law.entry(digest).or_insert((activation, Vec::new())).1.push(one);
    }
    let laws = by_law.len();
    let mut others: Vec<&Drawn> = Vec::new();
    for (number, (activation, of_it)) in by_law.into_values().enumerate() {
        eprintln!("Policy {} of {laws}: {} verdicts", number + 1, of_it.len());
        let scratch = Scratch::new()?;
        again(args, data, settings, activation.as_ref(), scratch.path())?;
        let found = courses(scratch.path(), &drawn)?;
        let is_other = |one: &&Drawn| told(&said, one, settings.emit) != told(&found, one, Emit::Changes);
        others.extend(of_it.into_iter().filter(is_other));
    }
    let name = |(as_of, (subject, id)): &Drawn| format!("{subject} {id} as of {}", instant::to_minute(*as_of));
    let same = drawn.len() - others.len();
    if args.json {
        let others: Vec<String> = others.iter().map(|one| name(one)).collect();
        print(&format!(
            "{:#}\n",
            json!({"sampled": drawn.len(), "policies": laws, "found_anew": same, "others": others})
        ))?;
    } else {
        print(&format!("{same} of {} verdicts found anew, to the last word, under {laws} policies\n", drawn.len()))?;
    }
    match others.first() {
        None => Ok(()),
        Some(one) => Err(Failure::Different(format!("found anew {} are others, first {}", others.len(), name(one)))),
    }
}

/// So many rows of `verdict` that came, drawn by their hashes: the same ones every time.
fn draw(tables: &Path, count: usize) -> Result<BTreeSet<Drawn>, Failure> {
    let mut least: BTreeSet<([u8; 32], Drawn)> = BTreeSet::new();
    ledger::each(tables, ("verdict", ""), |line| {
        let (true, Some(who)) = (line.comes(), who(line)) else { return };
        let as_of = line.as_of();
        let hash = blake3::hash(format!("{as_of} {} {}", who.0, who.1).as_bytes());
        least.insert((*hash.as_bytes(), (as_of, who)));
        if least.len() > count {
            least.pop_last();
        }
    })?;
    Ok(least.into_iter().map(|(_, drawn)| drawn).collect())
}

fn who(line: &Line<'_>) -> Option<Who> {
    Some((line.subject()?, line.id()?))
}

/// All that the decided tables say of those who were drawn.
fn courses(tables: &Path, drawn: &BTreeSet<Drawn>) -> Result<BTreeMap<Who, Course>, Failure> {
    let wanted: BTreeSet<&Who> = drawn.iter().map(|(_, who)| who).collect();
    let mut courses: BTreeMap<Who, Course> = BTreeMap::new();
    for table in TABLES.into_iter().filter(|(table, _)| DECIDED.contains(table)) {
        ledger::each(tables, table, |line| {
            let Some(who) = who(line).filter(|who| wanted.contains(who)) else { return };
            let row = line.comes().then(|| line.row());
            courses.entry(who).or_default().push((line.as_of(), line.name(), row));
        })?;
    }
    Ok(courses)
}

/// The rows of the one who was drawn, as of then.
fn told<'a>(courses: &'a BTreeMap<Who, Course>, (as_of, who): &Drawn, emit: Emit) -> BTreeMap<&'a Name, &'a Row> {
    let mut rows = BTreeMap::new();
    let is_then = |at: Millis| if emit == Emit::Changes { at <= *as_of } else { at == *as_of };
    let course = courses.get(who).into_iter().flatten();
    for (_, name, row) in course.filter(|(at, ..)| is_then(*at)) {
        match row {
            Some(row) => rows.insert(name, row),
            None => rows.remove(name),
        };
    }
    rows
}
