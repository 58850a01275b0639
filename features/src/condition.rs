//! Conditions that people write over the tables: SQL in, yes or no for a subject out.
//!
//! ```text
//! text ──words──▶ tree, typed against the columns of the tables ──┬──holds(row)──▶ yes or no
//!                                                                 └──question(cells)──▶ yes or no, where it reads more than its own row
//! ```
//!
//! The part of SQL that is understood: numbers, columns, `+ - * /`, comparisons, `between`, `in`, `is null`, `and`, `or`, `not`, `abs`, `coalesce`;
//! of columns that are texts `=`, `<>`, `in` and `is null`. All arithmetic is `f64`. What is divided by 0, or is too large, is null, and nulls
//! spread as in SQL; a condition that is null does not hold.

mod reader;
mod sheet;
mod table;

use std::collections::BTreeMap;

use records::clause::Given;

use self::reader::Reader;
pub use self::sheet::{Question, Sheet, Words};
pub use self::table::{Cell, Seen, Source, Table};
use crate::WindowRow;
use crate::attributes::{Attribute, Kind};
use crate::columns::row_of;
use crate::tally::Axis;

/// A condition that can be asked of the subjects of one table.
#[derive(Clone, Debug)]
pub struct Condition {
    table: Table,
    truth: Truth,
    /// The columns that it reads, each once.
    columns: Vec<Seen>,
    /// The words that it compares texts with.
    words: Vec<String>,
    /// Columns that age, with the hours that they are compared with.
    ages: Vec<(u16, f64)>,
}

/// What a condition sees of a subject.
trait Sight {
    /// The number of its column; `None` where nothing is known.
    fn number(&self, column: u16) -> Option<f64>;

    /// The number of its word.
    fn word(&self, word: u16) -> f64;

    /// The instant as of which it is asked, in milliseconds.
    fn as_of(&self) -> f64;
}

#[derive(Clone, Debug)]
enum Number {
    Given(f64),
    Of(u16),
    /// The hours since an instant.
    Hours(u16),
    Sum(Box<[Number; 2]>),
    Difference(Box<[Number; 2]>),
    Product(Box<[Number; 2]>),
    Quotient(Box<[Number; 2]>),
    Abs(Box<Number>),
    Coalesce(Vec<Number>),
}

/// Whether two numbers compare as a sign says.
type Comparison = fn(&f64, &f64) -> bool;

#[derive(Clone, Debug)]
enum Truth {
    Compare(Comparison, Box<[Number; 2]>),
    /// Whether a text is a word.
    Is(u16, u16),
    Null(Number),
    And(Box<[Truth; 2]>),
    Or(Box<[Truth; 2]>),
    Not(Box<Truth>),
}

impl Condition {
    /// Reads a condition on the subjects of a table.
    ///
    /// # Errors
    /// What was found where, and what was expected.
    pub fn read(text: &str, table: Table) -> Result<Condition, String> {
        let mut reader = Reader::new(text, table)?;
        let truth = reader.whole()?;
        let (columns, words) = (reader.columns, reader.compared);
        let mut ages = Vec::new();
        truth.ages(&columns, &mut ages)?;
        Ok(Condition { table, truth, columns, words, ages })
    }

    /// The columns that it reads.
    pub fn columns(&self) -> &[Seen] {
        &self.columns
    }

    /// The names of columns that are texts, each beside a word that it compares them with.
    pub fn compared(&self) -> Vec<(&'static str, &str)> {
        let mut places = Vec::new();
        self.truth.compared(&mut places);
        let named = |(column, word): (u16, u16)| {
            let (_, _, name) = self.columns[usize::from(column)].key();
            (name, self.words[usize::from(word)].as_str())
        };
        places.into_iter().map(named).collect()
    }

    /// Whether it reads nothing but the row that it is asked of.
    pub fn is_of_one_row(&self) -> bool {
        self.columns.iter().all(|seen| seen.source() == Source::Row(self.table.window_ms))
    }

    /// Whether it holds for the row, where it reads nothing else.
    pub fn holds(&self, row: &WindowRow) -> bool {
        self.truth.of(&OneRow { row, columns: &self.columns }) == Some(true)
    }

    /// Whether it holds of what is given by the names of columns. What is left out counts nothing, and of what is told it is not known. A number of
    /// an artist or uploader that is `"null"` says that the track has none, and so that none of its numbers is known.
    ///
    /// # Errors
    /// Names a column that is none, or what it cannot be.
    pub fn holds_of(&self, given: &BTreeMap<String, Given>) -> Result<bool, String> {
        let words = Words::of([self]);
        let mut known = BTreeMap::new();
        for (name, given) in given {
            let seen = self.table.column(name);
            let seen = seen.ok_or_else(|| format!("found `{name}`, expected {}", self.table.expected(name)))?;
            let cell = self
                .cell(&seen, given, &words)
                .map_err(|expected| format!("found {name} = {given}, expected {expected}"))?;
            known.insert(seen.key(), cell);
        }
        let of = |axis: Axis| known.iter().filter(move |((source, ..), _)| *source == Source::Owner(axis));
        let is_missing = |axis: Axis| of(axis).any(|(_, cell)| *cell == Cell::NULL);
        if let Some(axis) =
            Axis::ALL.into_iter().find(|axis| is_missing(*axis) && of(*axis).any(|(_, cell)| *cell != Cell::NULL))
        {
            let who = table::word(axis);
            return Err(format!(
                "found {NOTHING} and numbers of one {who}, expected all numbers of the {who} or {NOTHING} alone"
            ));
        }
        let sheet = Sheet::of_one(self);
        let left_out = |seen: &Seen| match seen {
            Seen::Owner(axis, ..) if !is_missing(*axis) => Cell::of(0.0),
            _ => seen.blank(),
        };
        let cells: Vec<Cell> = sheet
            .columns()
            .iter()
            .map(|seen| known.get(&seen.key()).copied().unwrap_or_else(|| left_out(seen)))
            .collect();
        Ok(sheet.question(self).holds(&cells, 0))
    }

    /// What is given as a cell, as of the instant 0; else what was expected.
    fn cell(&self, seen: &Seen, given: &Given, words: &Words) -> Result<Cell, String> {
        let number = match given {
            Given::Count(count) => Some(*count as f64),
            Given::Number(number) => Some(*number),
            Given::Text(_) => None,
        };
        let is_nothing = matches!(given, Given::Text(word) if word == NOTHING);
        match (seen, given) {
            (Seen::Owner(..) | Seen::Told(Attribute { kind: Kind::Number(_) | Kind::Hours(_), .. }), _)
                if is_nothing =>
            {
                Ok(Cell::NULL)
            }
            (Seen::Row(_, column), Given::Count(count)) => {
                row_of(self.table.axis, column.name, *count).map(|row| Cell::of((column.read)(&row).as_f64()))
            }
            (Seen::Owner(axis, _, column), Given::Count(count)) => {
                row_of(*axis, column.name, *count).map(|row| Cell::of((column.read)(&row).as_f64()))
            }
            (Seen::Row(..), _) => Err("a whole number".to_owned()),
            (Seen::Owner(..), _) => Err(format!("a whole number, or \"{NOTHING}\" where the track has none")),
            (Seen::Signal(_), _) => number
                .filter(|strength| (0.0..=1.0).contains(strength))
                .map(Cell::of)
                .ok_or_else(|| "a strength from 0 to 1".to_owned()),
            (Seen::Told(Attribute { kind: Kind::Number(_), .. }), _) => {
                number.map(Cell::of).ok_or_else(|| "a number".to_owned())
            }
            (Seen::Told(Attribute { kind: Kind::Hours(_), .. }), _) => {
                number.map(|hours| Cell::of(-hours * sheet::HOUR_MS)).ok_or_else(|| "hours".to_owned())
            }
            (Seen::Told(Attribute { kind, .. }), Given::Text(word)) => match kind {
                Kind::Word(known, _) if !known.contains(&word.as_str()) => Err(known.join(", ")),
                _ => Ok(Cell::of(words.number(word))),
            },
            (Seen::Told(_), _) => Err("a text".to_owned()),
        }
    }
}

/// What stands in a test row for a number that is not known.
const NOTHING: &str = "null";

struct OneRow<'a> {
    row: &'a WindowRow,
    columns: &'a [Seen],
}

impl Sight for OneRow<'_> {
    fn number(&self, column: u16) -> Option<f64> {
        match self.columns[usize::from(column)] {
            Seen::Row(_, column) => Some((column.read)(self.row).as_f64()),
            _ => None,
        }
    }

    fn word(&self, _word: u16) -> f64 {
        f64::NAN
    }

    fn as_of(&self) -> f64 {
        f64::NAN
    }
}

/// Nothing: what numbers that are given come to.
struct Blind;

impl Sight for Blind {
    fn number(&self, _column: u16) -> Option<f64> {
        None
    }

    fn word(&self, _word: u16) -> f64 {
        f64::NAN
    }

    fn as_of(&self) -> f64 {
        f64::NAN
    }
}

impl Number {
    fn of<S: Sight>(&self, sight: &S) -> Option<f64> {
        let both = |pair: &[Number; 2]| Some((pair[0].of(sight)?, pair[1].of(sight)?));
        let value = match self {
            Number::Given(value) => *value,
            Number::Of(column) => sight.number(*column)?,
            Number::Hours(column) => (sight.as_of() - sight.number(*column)?) / sheet::HOUR_MS,
            Number::Sum(pair) => both(pair).map(|(a, b)| a + b)?,
            Number::Difference(pair) => both(pair).map(|(a, b)| a - b)?,
            Number::Product(pair) => both(pair).map(|(a, b)| a * b)?,
            Number::Quotient(pair) => both(pair).map(|(a, b)| a / b)?,
            Number::Abs(number) => number.of(sight)?.abs(),
            Number::Coalesce(numbers) => return numbers.iter().find_map(|number| number.of(sight)),
        };
        value.is_finite().then_some(value)
    }

    /// The numbers that it is made of.
    fn parts(&self) -> &[Number] {
        match self {
            Number::Given(_) | Number::Of(_) | Number::Hours(_) => &[],
            Number::Sum(pair) | Number::Difference(pair) | Number::Product(pair) | Number::Quotient(pair) => &pair[..],
            Number::Abs(number) => std::slice::from_ref(number),
            Number::Coalesce(numbers) => numbers,
        }
    }

    /// The column that ages, if it reads one.
    fn ages(&self) -> Option<u16> {
        match self {
            Number::Hours(column) => Some(*column),
            number => number.parts().iter().find_map(Number::ages),
        }
    }
}

impl Truth {
    /// `None` is SQL's null: neither true nor false.
    fn of<S: Sight>(&self, sight: &S) -> Option<bool> {
        match self {
            Truth::Compare(holds, pair) => Some(holds(&pair[0].of(sight)?, &pair[1].of(sight)?)),
            Truth::Is(column, word) => Some(sight.number(*column)? == sight.word(*word)),
            Truth::Null(number) => Some(number.of(sight).is_none()),
            Truth::And(pair) => match pair[0].of(sight) {
                Some(false) => Some(false),
                first => match (first, pair[1].of(sight)) {
                    (_, Some(false)) => Some(false),
                    (Some(true), second) => second,
                    _ => None,
                },
            },
            Truth::Or(pair) => match pair[0].of(sight) {
                Some(true) => Some(true),
                first => match (first, pair[1].of(sight)) {
                    (_, Some(true)) => Some(true),
                    (Some(false), second) => second,
                    _ => None,
                },
            },
            Truth::Not(truth) => truth.of(sight).map(|truth| !truth),
        }
    }

    /// The columns that are compared with words, each with its word.
    fn compared(&self, found: &mut Vec<(u16, u16)>) {
        match self {
            Truth::Is(column, word) => found.push((*column, *word)),
            Truth::And(pair) | Truth::Or(pair) => pair.iter().for_each(|truth| truth.compared(found)),
            Truth::Not(truth) => truth.compared(found),
            Truth::Compare(..) | Truth::Null(_) => {}
        }
    }

    /// The columns that age, with the hours that they are compared with. They may stand beside a number alone: only so it is known when the
    /// answer is another one though nothing happened.
    fn ages(&self, columns: &[Seen], found: &mut Vec<(u16, f64)>) -> Result<(), String> {
        match self {
            Truth::Compare(_, pair) => match (&pair[0], &pair[1]) {
                (Number::Hours(column), other) | (other, Number::Hours(column)) if other.ages().is_none() => {
                    let hours = other.of(&Blind).filter(|_| other.is_given());
                    found.push((*column, hours.ok_or_else(|| aging(columns, *column))?));
                    Ok(())
                }
                (a, b) => a.ages().or(b.ages()).map_or(Ok(()), |column| Err(aging(columns, column))),
            },
            Truth::Null(Number::Hours(_)) | Truth::Is(..) => Ok(()),
            Truth::Null(number) => number.ages().map_or(Ok(()), |column| Err(aging(columns, column))),
            Truth::And(pair) | Truth::Or(pair) => pair.iter().try_for_each(|truth| truth.ages(columns, found)),
            Truth::Not(truth) => truth.ages(columns, found),
        }
    }
}

impl Number {
    /// Whether it reads no column.
    fn is_given(&self) -> bool {
        !matches!(self, Number::Of(_) | Number::Hours(_)) && self.parts().iter().all(Number::is_given)
    }
}

fn aging(columns: &[Seen], column: u16) -> String {
    let (_, _, name) = columns[usize::from(column)].key();
    format!(
        "found {name} in an expression, expected it beside a number alone, such as {name} < 24: it is another one at every instant"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::Row;
    use crate::signals::Name;

    const DAY_MS: i64 = 86_400_000;
    const ACCOUNTS: Table = Table { axis: Axis::Account, window_ms: DAY_MS };
    const TRACKS: Table = Table { axis: Axis::Track, window_ms: DAY_MS };

    fn row() -> WindowRow {
        WindowRow { plays: 10, payable: 8, skipped: 2, tracks: 4, ..WindowRow::default() }
    }

    fn holds(text: &str) -> bool {
        Condition::read(text, ACCOUNTS).unwrap_or_else(|error| panic!("{text}: {error}")).holds(&row())
    }

    #[test]
    fn a_condition_says_what_sql_says() {
        for (text, says) in [
            ("plays >= 10 and skipped * 5 <= plays", true),
            ("Plays > 10 OR payable / plays = .8", true),
            ("not plays = 10", false),
            ("plays between 10 and 12 and tracks not in (1, 2)", true),
            ("plays not between 10 and 12", false),
            ("2 + 2 * 3 = 8 and (2 + 2) * 3 = 12 and 8 - 2 - 2 = 4 and 8 / 2 / 2 = 2", true),
            ("-plays < - 9.5 and abs(tracks - plays) = 6", true),
            ("plays = 1 or plays = 10 and tracks = 4", true),
            // What is divided by 0 is null: neither it nor its opposite holds.
            ("plays / offline > 1", false),
            ("not plays / offline > 1", false),
            ("plays / offline > 1 or plays = 10", true),
            ("not (plays / offline > 1 and plays = 9)", true),
            ("coalesce(plays / offline, 7) = 7", true),
        ] {
            assert_eq!(holds(text), says, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_what_was_expected() {
        let deep = format!("{}plays > 1{}", "(".repeat(90), ")".repeat(90));
        let long = format!("plays > 1{}", " and plays > 1".repeat(90_000));
        for (text, words) in [
            ("playz > 1", vec!["`playz` as word 1", "column", "plays, payable"]),
            ("listeners > 1", vec!["`listeners`"]),
            ("plays >", vec!["the end as word 3"]),
            ("plays", vec!["a number", "a comparison"]),
            ("plays > 1 > 2", vec!["`>` as word 4"]),
            ("(plays > 1) + 1 > 2", vec!["a comparison", "expected a number"]),
            ("plays > 1 and 3", vec!["a number", "a comparison"]),
            ("plays > 1; drop table t", vec!["';'"]),
            ("plays > 1 -- all", vec!["a comment"]),
            ("exists (select 1)", vec!["`exists`"]),
            ("plays > 1.2.3", vec!["`1.2.3`", "a number"]),
            ("plays > 'x'", vec!["'x' as word 3", "a number or a column"]),
            ("plays > 'x", vec!["a text without an end"]),
            ("w7d.playz > 1", vec!["`w7d.playz`", "a column: plays, payable"]),
            ("month.plays > 1", vec!["`month.plays`", "tables: account, a window such as w24h, signal"]),
            ("w7d.country = 'BR'", vec!["`w7d.country`", "a column: plays"]),
            ("artist.plays > 1", vec!["`artist.plays`", "tables: account"]),
            ("signal.replays > 0", vec!["`signal.replays`", "a signal about one account: edge"]),
            ("country > 'BR'", vec!["`>` as word 2", "in (...) or is null after country, which is a text"]),
            ("country + 1 > 2", vec!["country, which is a text"]),
            ("country = BR", vec!["`br`", "a text in quotes"]),
            ("'BR' = country", vec!["'BR' as word 1", "a number or a column"]),
            ("country is 'BR'", vec!["`null` or `not null`"]),
            ("plays / age_hours > 2", vec!["age_hours in an expression", "age_hours < 24"]),
            ("age_hours > plays", vec!["age_hours in an expression"]),
            ("coalesce(age_hours, 1) = 1", vec!["age_hours in an expression"]),
            ("plays not 3", vec!["between"]),
            ("plays between 1 or 2", vec!["`and` of between"]),
            ("", vec!["the end"]),
            (&deep, vec!["more than 50"]),
            (&long, vec!["at most 1000"]),
        ] {
            let error = Condition::read(text, ACCOUNTS).expect_err(text);
            for word in words {
                assert!(error.contains(word), "{word} in: {error}");
            }
        }
    }

    fn given(cells: &[(&str, Given)]) -> BTreeMap<String, Given> {
        cells.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect()
    }

    #[test]
    fn a_condition_reads_other_tables_and_what_is_not_known_is_null() {
        use Given::{Count, Number, Text};
        let br = || Text("BR".to_owned());
        for (table, text, row, says) in [
            (ACCOUNTS, "plays > w7d.plays / 7", given(&[("plays", Count(2)), ("w1w.plays", Count(7))]), true),
            (ACCOUNTS, "w24h.plays = 3 and account.w1d.plays = 3", given(&[("plays", Count(3))]), true),
            (ACCOUNTS, "country in ('VN', 'BR')", given(&[("account.country", br())]), true),
            (ACCOUNTS, "country not in ('VN', 'BR')", given(&[("country", br())]), false),
            (ACCOUNTS, "country <> 'VN'", given(&[("country", br())]), true),
            (ACCOUNTS, "country <> 'VN'", given(&[]), false),
            (ACCOUNTS, "not country = 'VN'", given(&[]), false),
            (ACCOUNTS, "country is null and plan is not null", given(&[("plan", Text("it's".to_owned()))]), true),
            (ACCOUNTS, "plan = 'it''s'", given(&[("plan", Text("it's".to_owned()))]), true),
            (ACCOUNTS, "account.age_hours < 24 * 7", given(&[("age_hours", Count(167))]), true),
            (ACCOUNTS, "24 <= age_hours", given(&[("age_hours", Number(23.5))]), false),
            (ACCOUNTS, "age_hours between 1 and 2", given(&[("age_hours", Count(2))]), true),
            (ACCOUNTS, "age_hours > 0", given(&[]), false),
            (ACCOUNTS, "signal.no_sleep >= 0.5", given(&[("signal.no_sleep", Number(0.5))]), true),
            (TRACKS, "duration_ms < 35000 and contains_ai = 'all'", given(&[("duration_ms", Count(5))]), false),
            (
                TRACKS,
                "artist.plays = plays and uploader.w7d.uploads > 4",
                given(&[("uploader.w7d.uploads", Count(5))]),
                true,
            ),
        ] {
            let condition = Condition::read(text, table).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(condition.holds_of(&row), Ok(says), "{text} of {row:?}");
            assert_eq!(condition.is_of_one_row(), text.starts_with("w24h"), "{text}");
        }
        // A track without an artist: one of its numbers says so, and then none is known.
        let nothing = || Text("null".to_owned());
        for (text, row, says) in [
            ("artist.plays is null", given(&[("artist.plays", nothing())]), true),
            ("artist.plays is null", given(&[]), false),
            ("artist.plays is null and artist.w7d.tracks is null", given(&[("artist.plays", nothing())]), true),
            ("artist.plays is null and uploader.plays = 0", given(&[("artist.tracks", nothing())]), true),
            ("artist.plays >= 0", given(&[("artist.plays", nothing())]), false),
            (
                "duration_ms is null and genre = 'null'",
                given(&[("duration_ms", nothing()), ("genre", nothing())]),
                true,
            ),
        ] {
            let condition = Condition::read(text, TRACKS).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(condition.holds_of(&row), Ok(says), "{text} of {row:?}");
        }
        let condition = Condition::read("contains_ai = 'all'", TRACKS).unwrap();
        let half = given(&[("artist.plays", nothing()), ("artist.tracks", Count(1))]);
        let error = condition.holds_of(&half).expect_err("half an artist");
        assert!(error.contains("found null and numbers of one artist"), "{error}");
        for (name, wrong, words) in [
            ("contains_ai", Text("full".to_owned()), "expected all, partly, none"),
            ("contains_ai", Count(1), "expected a text"),
            ("artist.plays", Number(0.5), "expected a whole number, or \"null\" where the track has none"),
            ("plays", nothing(), "expected a whole number"),
            ("plays", Count(u64::MAX), "expected at most"),
            ("signal.audio", Count(2), "expected a strength from 0 to 1"),
            ("artist.genre", Count(2), "expected a column of artist_window"),
        ] {
            let error = condition.holds_of(&given(&[(name, wrong)])).expect_err(name);
            assert!(error.contains(words), "{words} in: {error}");
        }
        let error = Condition::read("contains_ai = 'full'", TRACKS).expect_err("no such word");
        assert!(error.contains("'full' as word 3, expected one of 'all', 'partly', 'none'"), "{error}");
    }

    #[test]
    fn a_sheet_holds_each_column_once_and_knows_when_an_age_turns() {
        let conditions = [
            "w7d.plays > plays and country = 'BR'",
            "age_hours < 24 or age_hours >= 48 or signal.loop > 0 or country = 'VN'",
            "plays > 1",
        ];
        let conditions = conditions.map(|text| Condition::read(text, ACCOUNTS).unwrap());
        let sheet = Sheet::of(Axis::Account, &conditions);
        assert!(Sheet::of(Axis::Track, &conditions).is_empty());
        let parts = [Source::Row(DAY_MS), Source::Row(7 * DAY_MS), Source::Told, Source::Signals];
        assert_eq!(parts.map(|source| sheet.part(source).len()), [1, 1, 2, 1]);
        let account = records::Account {
            account_id: records::Id::Number(1),
            created_at: Some(5_000),
            plan: None,
            country: Some("VN".to_owned()),
            payment_id: None,
            family_id: None,
            email_domain_class: None,
        };
        let mut cells = sheet.blank(sheet.all());
        cells[sheet.part(Source::Told)].copy_from_slice(&sheet.of_told(Row::Account(&account)));
        let week = sheet.part(Source::Row(7 * DAY_MS));
        cells[week.clone()].copy_from_slice(&sheet.of_row(week, Some(&row())));
        let questions = [0, 1].map(|place| sheet.question(&conditions[place]));
        assert_eq!([0, 1].map(|place: usize| questions[place].holds(&cells, 0)), [false, true]);
        let at = |hours: i64| 5_000 + hours * 3_600_000;
        assert_eq!(questions[1].turns(&cells).collect::<Vec<_>>(), [at(24), at(48)]);
        let country = Condition::read("age_hours < 24", ACCOUNTS).unwrap();
        let alone = Sheet::of(Axis::Account, [&country]);
        let cells = alone.of_told(Row::Account(&account));
        let young = alone.question(&country);
        assert_eq!([at(24) - 1, at(24)].map(|as_of| young.holds(&cells, as_of)), [true, false]);
    }

    #[test]
    fn the_signals_about_a_subject_are_those_that_a_policy_weighs() {
        let policy = datasets::policy::built_in();
        for subject in records::Subject::ALL {
            let mut weighed: Vec<&str> = policy.rules.of(subject).keys().map(String::as_str).collect();
            let mut named: Vec<&str> = Name::of(subject.into()).iter().map(|name| name.name()).collect();
            weighed.sort_unstable();
            named.sort_unstable();
            assert_eq!(named, weighed, "{subject:?}");
        }
    }
}
