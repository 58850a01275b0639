//! A statement of SQL, and its answer as a table: for who has no client at hand.

use std::io::Write;

use maud::{Markup, html};

use super::pages::{form_key, page};
use super::sessions::Session;
use super::texts::visible;

/// So many rows are shown.
pub(super) const ROWS_MAX: usize = 500;
/// So much of an answer is looked at.
const BYTES_MAX: usize = 4 << 20;

/// The beginning of an answer as CSV: what comes after it is not taken, and ends the statement.
#[derive(Default)]
pub(super) struct Beginning {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > BYTES_MAX {
            self.is_full = true;
            return Err(std::io::Error::other("the page has no room for more"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An answer.
pub(super) struct Answer {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    more: bool,
}

impl Answer {
    /// The rows of a beginning.
    ///
    /// # Errors
    /// Where what was written ended before its end, and not because the page is full.
    pub(super) fn of(beginning: &Beginning, ended: Result<(), String>) -> Result<Answer, String> {
        if !beginning.is_full {
            ended?;
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(beginning.bytes.as_slice());
        let texts = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let names = reader.headers().map(texts).map_err(|error| error.to_string())?;
        // A last row that was cut off is none.
        let mut rows: Vec<_> =
            reader.records().take(ROWS_MAX + 1).map_while(Result::ok).map(|row| texts(&row)).collect();
        let more = beginning.is_full || rows.len() > ROWS_MAX;
        rows.retain(|row| row.len() == names.len());
        rows.truncate(ROWS_MAX);
        Ok(Answer { names, rows, more })
    }
}

/// The page: where a statement is written, and what came of it.
pub(super) fn sql(session: &Session, statement: &str, answer: Option<&Result<Answer, String>>) -> String {
    let body = html! {
        h1 { "SQL" }
        form.ask method="post" action="/desk/sql" {
            (form_key(session))
            label for="sql" { "One statement that reads. " code { "SHOW TABLES" } " and " code { "DESCRIBE verdict" } " say what there is" }
            textarea #sql name="sql" rows="6" maxlength="20000" spellcheck="false" required { (statement) }
            button type="submit" { "Ask" }
        }
        @match answer {
            None => {},
            Some(Err(why)) => p.wrong role="alert" { (visible(why)) },
            Some(Ok(answer)) => (rows(answer)),
        }
        p.note { "What is asked is in the record. The same answers come over HTTP and to clients of PostgreSQL, as far as each role may see." }
    };
    page("SQL", Some(session), &body)
}

fn rows(answer: &Answer) -> Markup {
    let is_number = |text: &str| !text.is_empty() && text.parse::<f64>().is_ok();
    html! {
        p role="status" { strong { (answer.rows.len()) } @if answer.more { " rows and more: ask for fewer, or use another client." } @else { " rows." } }
        @if !answer.names.is_empty() {
            div.wide tabindex="0" role="region" aria-label="Answer" {
                table {
                    thead { tr { @for name in &answer.names { th scope="col" { (visible(name)) } } } }
                    tbody { @for row in &answer.rows { tr { @for cell in row { td.number[is_number(cell)] { bdi { (visible(cell)) } } } } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_as_far_as_there_is_room() {
        let mut beginning = Beginning::default();
        beginning.write_all(b"a,b\r\n1,\"x, <b>\"\r\n2,y\r\n").unwrap();
        let answer = Answer::of(&beginning, Ok(())).unwrap();
        assert_eq!((answer.names.len(), answer.rows.len(), answer.more), (2, 2, false));
        assert!(rows(&answer).into_string().contains("x, &lt;b&gt;"));
        assert!(Answer::of(&beginning, Err("cancelled".to_owned())).is_err_and(|why| why == "cancelled"));
        // A long answer ends in the middle of a row, and that is no error.
        beginning.write_all(&b"3,z\r\n".repeat(2_000)).unwrap();
        let ended = beginning.write_all(&vec![b'9'; BYTES_MAX]).map_err(|error| error.to_string());
        let answer = Answer::of(&beginning, ended).unwrap();
        assert_eq!((answer.rows.len(), answer.more), (ROWS_MAX, true));
        assert_eq!(Answer::of(&Beginning::default(), Ok(())).unwrap().rows.len(), 0);
    }
}
