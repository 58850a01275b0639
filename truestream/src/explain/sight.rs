//! What rules that matched saw: the columns that their conditions name, out of the tables of the replay and, with `--data`, out of the catalogue and
//! accounts.
//!
//! ```text
//! policy in force ──▶ condition ──columns──▶ window tables as of T, rows of tracks and accounts ──▶ column and value
//! ```

use std::collections::BTreeMap;

use features::attributes::{Attribute, Kind, Row as Told};
use features::columns::Column;
use features::condition::Seen;
use features::tally::Axis;
use records::{Millis, Subject};
use serde_json::{Map, Value as Json, json};

use super::ExplainArgs;
use super::ledger::{self, Row};
use super::register::{Known, look_up};
use crate::exit::Failure;
use crate::replay::views::View;
use crate::replay::{clauses, laws, millis};
use crate::verify::Settings;

/// A rule as it is written, and what it saw by column.
pub(super) struct Sight {
    pub when: String,
    pub saw: Map<String, Json>,
    /// Whether it reads signals alone.
    is_of_signals: bool,
}

impl Sight {
    /// What it saw, in a line.
    pub fn text(&self) -> String {
        let saw: Vec<String> = self.saw.iter().map(|(column, value)| format!("{column} {value}")).collect();
        match saw.is_empty() {
            false => format!("saw {}", saw.join(", ")),
            true if self.is_of_signals => "saw signals alone, which are told as evidence".to_owned(),
            true => "what it saw is not told: the replay wrote no such table, and --data says no more".to_owned(),
        }
    }
}

/// What the rules of the policy in force see of the subject, by their names. What stands in no table that is there is left out, and so are
/// signals, which are told with the risk.
///
/// # Errors
/// When the policy or a table cannot be read.
pub(super) fn of_rules(
    args: &ExplainArgs,
    settings: &Settings,
    as_of: Millis,
    named: &[String],
) -> Result<BTreeMap<String, Sight>, Failure> {
    let Some(axis) = Subject::named(&args.subject).map(Axis::from).filter(|_| !named.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let folder = laws::in_force(args.policy.as_deref(), as_of)?;
    let mut eye = Eye { args, settings, as_of, axis, known: None, rows: BTreeMap::new() };
    let mut sights = BTreeMap::new();
    for (clause, condition) in
        clauses::read(folder.as_deref())?.into_iter().filter(|(rule, _)| named.contains(&rule.id))
    {
        let own_ms = millis(&clause.window)?;
        let mut saw = Map::new();
        for seen in condition.columns() {
            saw.extend(eye.see(seen, own_ms)?);
        }
        let is_of_signals = condition.columns().iter().all(|seen| matches!(seen, Seen::Signal(_)));
        sights.insert(clause.id, Sight { when: clause.when, saw, is_of_signals });
    }
    Ok(sights)
}

struct Eye<'a> {
    args: &'a ExplainArgs,
    settings: &'a Settings,
    as_of: Millis,
    axis: Axis,
    /// What `--data` tells, once somebody asked.
    known: Option<Known>,
    /// The rows that were asked for, by window; `None` where the replay did not write the table.
    rows: BTreeMap<Axis, Option<BTreeMap<String, Row>>>,
}

impl Eye<'_> {
    fn see(&mut self, seen: &Seen, own_ms: Millis) -> Result<Option<(String, Json)>, Failure> {
        match seen {
            Seen::Row(ms, column) => {
                let id = self.args.id.clone();
                Ok(self.counted(self.axis, &id, *ms, column)?.map(|value| (self.named("", *ms, own_ms, column), value)))
            }
            Seen::Owner(axis, ms, column) => {
                let owner = match self.known()? {
                    Known::Track(track) if *axis == Axis::Artist => track.artist_id.clone(),
                    Known::Track(track) => track.uploader_id.clone(),
                    Known::Nothing | Known::Account(_) => return Ok(None),
                };
                let who = if *axis == Axis::Artist { "artist." } else { "uploader." };
                let value = match owner {
                    Some(owner) => self.counted(*axis, &owner.to_string(), *ms, column)?,
                    None => Some(Json::Null),
                };
                Ok(value.map(|value| (self.named(who, *ms, own_ms, column), value)))
            }
            Seen::Told(attribute) => {
                let as_of = self.as_of;
                let told = match self.known()? {
                    Known::Track(track) => told(attribute, Told::Track(track), as_of),
                    Known::Account(account) => told(attribute, Told::Account(account), as_of),
                    Known::Nothing => return Ok(None),
                };
                Ok(Some((attribute.name.to_owned(), told)))
            }
            Seen::Signal(_) => Ok(None),
        }
    }

    fn label(&self, ms: Millis) -> &str {
        self.settings.windows.iter().find(|(_, known)| *known == ms).map_or("", |(label, _)| label)
    }

    /// The column as a condition names it.
    fn named(&self, who: &str, ms: Millis, own_ms: Millis, column: &Column) -> String {
        let window = if ms == own_ms { String::new() } else { format!("w{}.", self.label(ms)) };
        format!("{who}{window}{}", column.name)
    }

    /// The number of a row as of the instant; nothing counts where there is no row.
    fn counted(&mut self, axis: Axis, id: &str, ms: Millis, column: &Column) -> Result<Option<Json>, Failure> {
        if !self.rows.contains_key(&axis) {
            let rows = self.read(View::Window(axis).name(), id)?;
            self.rows.insert(axis, rows);
        }
        let rows = self.rows[&axis].as_ref();
        let of_window = |rows: &BTreeMap<String, Row>| rows.get(self.label(ms))?.get(column.name).cloned();
        Ok(rows.map(|rows| of_window(rows).unwrap_or(json!(0))))
    }

    fn read(&self, table: &'static str, id: &str) -> Result<Option<BTreeMap<String, Row>>, Failure> {
        if !self.settings.wrote(table) {
            return Ok(None);
        }
        let mut rows = BTreeMap::new();
        ledger::each(&self.args.tables, (table, "window"), |line| {
            let (_, window) = line.name();
            let is_it = line.id().is_some_and(|known| known == id)
                && if line.is_change() { line.as_of() <= self.as_of } else { line.as_of() == self.as_of };
            match (is_it, line.comes()) {
                (false, _) => None,
                (true, true) => rows.insert(window, line.row()),
                (true, false) => rows.remove(&window),
            };
        })?;
        Ok(Some(rows))
    }

    /// What the data tells of the subject.
    fn known(&mut self) -> Result<&Known, Failure> {
        if self.known.is_none() {
            self.known = Some(look_up(self.args, self.as_of)?);
        }
        Ok(self.known.as_ref().unwrap_or(&Known::Nothing))
    }
}

/// What the row tells, as of the instant.
fn told(attribute: &Attribute, row: Told, as_of: Millis) -> Json {
    match attribute.kind {
        Kind::Number(read) => json!(read(row)),
        Kind::Hours(read) => json!(read(row).map(|since| (as_of - since) as f64 / 3_600_000.0)),
        Kind::Text(read) | Kind::Word(_, read) => json!(read(row)),
    }
}
