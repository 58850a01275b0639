//! Rules as rows of a table that a spreadsheet writes: `decisions.csv` of a policy.
//!
//! ```text
//! id,subject,window,plays,tracks,action,...      a cell tests its column: >= 5, 5..20, 7; empty or - : any
//! r1,account,24h,>= 500,< 3,hold,...         ──▶ rule r1 when plays >= 500 and tracks < 3
//! ```
//!
//! A cell `null` asks whether nothing is known. The cells are the unary tests of decision tables (OMG Decision Model and Notation 1.4, section 7.3.13): of numbers, and of texts in quotes. All
//! rows that match are recorded, and the gravest action counts, as for every other rule.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use records::clause::Clause;
use records::policy::Percent;
use records::{Millis, Subject, Verdict};
use serde::de::DeserializeOwned;

use crate::Error;
use crate::formats::instant;

/// What a table says about each of its rules, besides the columns that it tests.
const NEEDED: [&str; 9] = ["id", "version", "subject", "window", "action", "code", "reason", "owner", "expires"];
const ALLOWED: [&str; 4] = ["ground", "shadow", "rollout_percent", "from"];
/// Whatever the value is.
const ANY: &str = "-";

/// A table of rules.
pub(super) struct Table {
    /// The columns that its cells test; one without a name holds nothing.
    pub columns: Vec<String>,
    /// Its rules, in their order.
    pub rules: Vec<Clause>,
}

/// The rules of a table that was read from the path.
///
/// # Errors
/// The first cell that cannot be, with its line and column, what was found and what was expected.
pub(super) fn rules(path: &Path, text: &str) -> Result<Table, Error> {
    let wrong = |what: String| Error::Input(format!("{}: {what}", path.display()));
    // Spreadsheets mark UTF-8, and where a comma divides numbers they put semicolons between cells.
    let text = text.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    let delimiter = if head.contains(';') && !head.contains(',') { b';' } else { b',' };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    if let Some(missing) = NEEDED.iter().find(|name| !columns.iter().any(|column| column == **name)) {
        return Err(wrong(format!("found no column {missing:?}, expected {}", NEEDED.join(", "))));
    }
    if let Some(twice) = columns.iter().enumerate().find(|(at, column)| columns.iter().take(*at).any(|c| c == *column))
    {
        return Err(wrong(format!("found the column {:?} twice, expected each once", twice.1)));
    }
    let mut rules = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(0, |position| position.line());
        rules.push(
            Row { columns: &columns, cells: &record }.rule().map_err(|what| wrong(format!("line {line}: {what}")))?,
        );
    }
    let tested = columns.iter().filter(|column| !column.is_empty() && !is_own(column)).map(str::to_owned);
    Ok(Table { columns: tested.collect(), rules })
}

/// Whether the column says something about the rule itself.
fn is_own(column: &str) -> bool {
    NEEDED.contains(&column) || ALLOWED.contains(&column)
}

struct Row<'a> {
    columns: &'a StringRecord,
    cells: &'a StringRecord,
}

impl Row<'_> {
    fn rule(&self) -> Result<Clause, String> {
        let tests: Vec<String> = self.tests()?;
        if tests.is_empty() {
            return Err("found no cell that tests anything, expected one such as >= 5".to_owned());
        }
        Ok(Clause {
            id: self.text("id")?,
            version: self.number("version")?,
            subject: self.word::<Subject>("subject", "account, track, artist, uploader, playlist or distributor")?,
            window: self.text("window")?,
            when: tests.join(" and "),
            action: self.word::<Verdict>("action", "hold, escalate or block")?,
            code: self.text("code")?,
            reason: self.text("reason")?,
            ground: self.cell("ground").to_owned(),
            shadow: match self.cell("shadow").to_lowercase().as_str() {
                "" | "no" | "false" => false,
                "yes" | "true" => true,
                found => return Err(format!("shadow: found {found:?}, expected yes or no")),
            },
            rollout_percent: match self.cell("rollout_percent") {
                "" => Percent::whole(),
                _ => Percent::new(self.number("rollout_percent")?)
                    .ok_or("rollout_percent: found more than 100, expected 0 to 100")?,
            },
            owner: self.text("owner")?,
            from: if self.cell("from").is_empty() { None } else { Some(self.day("from")?) },
            expires: self.day("expires")?,
        })
    }

    /// The conditions of the columns that are none of the rule's own.
    fn tests(&self) -> Result<Vec<String>, String> {
        let tested = self.columns.iter().zip(self.cells.iter()).filter(|(column, _)| !is_own(column));
        tested.filter(|(_, cell)| !cell.is_empty() && *cell != ANY).map(|(column, cell)| test(column, cell)).collect()
    }

    fn cell(&self, name: &str) -> &str {
        let at = self.columns.iter().position(|column| column == name);
        at.and_then(|at| self.cells.get(at)).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Result<String, String> {
        match self.cell(name) {
            "" => Err(format!("{name}: found nothing, expected a text")),
            text => Ok(text.to_owned()),
        }
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Result<N, String> {
        let cell = self.cell(name);
        cell.parse().map_err(|_| format!("{name}: found {cell:?}, expected a whole number"))
    }

    fn word<W: DeserializeOwned>(&self, name: &str, expected: &str) -> Result<W, String> {
        let cell = self.cell(name);
        serde_json::from_value(serde_json::json!(cell))
            .map_err(|_| format!("{name}: found {cell:?}, expected {expected}"))
    }

    fn day(&self, name: &str) -> Result<Millis, String> {
        let cell = self.cell(name);
        instant::from_text(cell).ok_or_else(|| format!("{name}: found {cell:?}, expected a day such as 2026-02-01"))
    }
}

/// A cell as a condition on its column.
fn test(column: &str, cell: &str) -> Result<String, String> {
    let expected = || {
        format!(
            "{column}: found {cell:?}, expected a test such as >= 5, < 3, 5..20, 7, 'BR', 'BR','VN', null, != null, or - for any value"
        )
    };
    let (negated, listed) =
        cell.strip_prefix("!=").or_else(|| cell.strip_prefix("<>")).map_or(("", cell), |rest| ("not ", rest));
    if listed.trim().eq_ignore_ascii_case("null") {
        return Ok(format!("{column} is {negated}null"));
    }
    if listed.trim_start().starts_with('\'') {
        return Ok(format!("{column} {negated}in ({})", texts(listed).ok_or_else(expected)?.join(", ")));
    }
    if let Some((low, high)) = cell.split_once("..") {
        let (low, high) = (number(low).ok_or_else(expected)?, number(high).ok_or_else(expected)?);
        let is_range = low.parse::<f64>().ok() <= high.parse::<f64>().ok();
        return if is_range { Ok(format!("{column} between {low} and {high}")) } else { Err(expected()) };
    }
    const OPERATORS: [(&str, &str); 7] =
        [(">=", ">="), ("<=", "<="), ("!=", "<>"), ("<>", "<>"), (">", ">"), ("<", "<"), ("=", "=")];
    let given = OPERATORS.iter().find_map(|(written, meant)| Some((*meant, cell.strip_prefix(written)?)));
    let (operator, value) = given.unwrap_or(("=", cell));
    Ok(format!("{column} {operator} {}", number(value).ok_or_else(expected)?))
}

/// Texts in quotes, as they stand, with commas between them.
fn texts(list: &str) -> Option<Vec<&str>> {
    let mut texts = Vec::new();
    let mut rest = list.trim();
    loop {
        let inside = rest.strip_prefix('\'')?;
        let mut end = inside.find('\'')?;
        // A quote inside a text is written twice.
        while inside[end + 1..].starts_with('\'') {
            end += 2;
            end += inside[end..].find('\'')?;
        }
        texts.push(&rest[..end + 2]);
        rest = inside[end + 1..].trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => return rest.is_empty().then_some(texts),
        }
    }
}

/// Digits, with a point between them at most.
fn number(text: &str) -> Option<&str> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "id,version,subject,window,plays,skipped,action,code,reason,owner,expires,shadow,rollout_percent,from";

    fn read(text: &str) -> Result<Vec<Clause>, String> {
        rules(Path::new("decisions.csv"), text).map(|table| table.rules).map_err(|error| error.to_string())
    }

    #[test]
    fn a_row_is_a_rule_and_a_cell_a_test() {
        let rows = "r1,3,account,24h,>= 500,5..20,hold,R1,\"many plays, few skipped\",ann,2026-07-01,,,\n\
                    r2,1,track,7d,-,0,block,R2,none skipped,bob,2026-07-01,yes,10,2026-01-01\n";
        let found = read(&format!("{HEAD}\n{rows}")).unwrap();
        let told: Vec<_> = found.iter().map(|rule| (rule.id.as_str(), rule.when.as_str(), rule.action)).collect();
        assert_eq!(
            told,
            [("r1", "plays >= 500 and skipped between 5 and 20", Verdict::Hold), ("r2", "skipped = 0", Verdict::Block)]
        );
        assert_eq!(
            (found[0].reason.as_str(), found[0].shadow, found[0].from),
            ("many plays, few skipped", false, None)
        );
        assert_eq!((found[1].shadow, found[1].rollout_percent.get(), found[1].from.is_some()), (true, 10, true));
        // As a spreadsheet writes it where a comma divides numbers.
        let semicolons =
            format!("\u{feff}{HEAD}\n{rows}").replace("\"many plays, few skipped\"", "few").replace(',', ";");
        assert_eq!(read(&semicolons).unwrap()[1], found[1]);
        assert_eq!(read(HEAD).unwrap(), []);
        let columns = rules(Path::new("decisions.csv"), &format!("{HEAD},,\n")).map(|table| table.columns);
        assert!(columns.is_err(), "two columns without a name");
        let columns = rules(Path::new("decisions.csv"), &format!("{HEAD},\n")).unwrap().columns;
        assert_eq!(columns, ["plays", "skipped"]);
    }

    #[test]
    fn a_cell_of_texts_is_a_list_and_its_column_may_be_of_any_table() {
        let head = "id,version,subject,window,w7d.plays,account.country,plan,action,code,reason,owner,expires";
        let row =
            |country: &str| read(&format!("{head}\nr1,1,account,24h,>= 5,{country},-,hold,R1,why,ann,2026-07-01\n"));
        for (cell, when) in [
            ("'BR'", "w7d.plays >= 5 and account.country in ('BR')"),
            ("\"'BR' , 'V''N'\"", "w7d.plays >= 5 and account.country in ('BR', 'V''N')"),
            ("!= 'BR'", "w7d.plays >= 5 and account.country not in ('BR')"),
            ("''", "w7d.plays >= 5 and account.country in ('')"),
            ("null", "w7d.plays >= 5 and account.country is null"),
            ("!= NULL", "w7d.plays >= 5 and account.country is not null"),
            ("'null'", "w7d.plays >= 5 and account.country in ('null')"),
        ] {
            assert_eq!(row(cell).unwrap()[0].when, when);
        }
        for cell in ["'BR", "'BR' 'VN'", "\"'BR',\"", "'BR'; drop", "BR"] {
            assert!(row(cell).unwrap_err().contains("account.country: found"), "{cell}");
        }
    }

    #[test]
    fn a_cell_that_cannot_be_is_named_with_line_and_column() {
        let row = "r1,1,account,24h,>= 5,-,hold,R1,why,ann,2026-07-01,,,";
        for (right, wrong, words) in [
            (">= 5", ">= five", "line 2: plays: found \">= five\", expected a test such as >= 5"),
            (">= 5", "20..5", "plays: found \"20..5\""),
            (">= 5", "1e9", "plays"),
            (">= 5", "1); drop table x", "plays"),
            (">= 5", "-", "no cell that tests anything"),
            ("account", "acount", "subject: found \"acount\", expected account"),
            (",1,", ",one,", "version: found \"one\", expected a whole number"),
            ("2026-07-01", "soon", "expires: found \"soon\""),
            ("ann", "", "owner: found nothing"),
            (",,,", ",maybe,,", "shadow: found \"maybe\", expected yes or no"),
            (",,,", ",,101,", "expected 0 to 100"),
            (",why,", ",", "line: 2"),
        ] {
            let error = read(&format!("{HEAD}\n{}", row.replacen(right, wrong, 1))).unwrap_err();
            assert!(error.starts_with("decisions.csv") && error.contains(words), "{wrong}: {error}");
        }
        assert!(read(&HEAD.replace("owner", "ownr")).unwrap_err().contains("no column \"owner\""));
        assert!(read(&HEAD.replace("skipped", "plays")).unwrap_err().contains("twice"));
    }
}
