//! `SUBSCRIBE (SELECT …)`, by itself or as `COPY (SUBSCRIBE (SELECT …)) TO STDOUT`: rows that go on until the client has enough.
//!
//! ```text
//! text ──without the word──▶ question, or COPY of a question ──▶ subscription ──▶ rows, flushed instant by instant
//! ```

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use futures::{Sink, SinkExt};
use pgwire::api::portal::Format;
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyOutResponse};
use pgwire::messages::data::RowDescription;
use pgwire::types::format::FormatOptions;

use super::copy::CopyOut;
use super::statements::parse;
use crate::problem::Problem;
use crate::subscribe::Subscription;

const WORD: &str = "subscribe";

/// A question that is followed, and how its rows are copied, if they are.
#[derive(Debug)]
pub(super) struct Subscribe {
    pub(super) question: Statement,
    /// The statement that copies it, without the word.
    copy: Option<(Statement, CopyOut)>,
}

/// The text without the word that makes a question one that is followed; `None` where it is not there.
pub(super) fn without_word(text: &str) -> Option<String> {
    let text = text.trim_start();
    let lower = text.to_ascii_lowercase();
    let in_copy = lower.strip_prefix("copy").and_then(|rest| rest.trim_start().strip_prefix('('));
    let rest = in_copy.map_or(&*lower, str::trim_start).strip_prefix(WORD)?;
    let goes_on = rest.chars().next().is_some_and(|next| next.is_alphanumeric() || next == '_');
    let end = text.len() - rest.len();
    (!goes_on).then(|| format!("{}{}", &text[..end - WORD.len()], &text[end..]))
}

impl Subscribe {
    /// What is to be followed; `None` where the text does not say so.
    ///
    /// # Errors
    /// When it is not one question, or copied in a form that does not go on.
    pub(super) fn of(texts: &PostgresCompatibilityParser, text: &str) -> Result<Option<Subscribe>, Problem> {
        let Some(rest) = without_word(text) else { return Ok(None) };
        let wrong = || Problem::new("42601", "expected SUBSCRIBE (SELECT …), or COPY (SUBSCRIBE (SELECT …)) TO STDOUT");
        let statement = match <[Statement; 1]>::try_from(parse(texts, &rest)?) {
            Ok([statement]) => statement,
            Err(_) => return Err(wrong()),
        };
        let copy = CopyOut::of(&statement)?;
        if copy.as_ref().is_some_and(|copy| matches!(copy.format(), Format::UnifiedBinary)) {
            return Err(Problem::new("0A000", "what is followed is copied as text or csv: its end is never there"));
        }
        let question = copy.as_ref().map_or_else(|| statement.clone(), |copy| copy.question.clone());
        let copy = copy.map(|copy| (statement, copy));
        matches!(question, Statement::Query(_)).then_some(Some(Subscribe { question, copy })).ok_or_else(wrong)
    }

    /// The statement as it is prepared: only copies are, for the others would have to be described first.
    ///
    /// # Errors
    /// When it is no copy.
    pub(super) fn prepared(self) -> Result<Statement, Problem> {
        let why =
            "SUBSCRIBE cannot be prepared: send it by the simple protocol, or as COPY (SUBSCRIBE (SELECT …)) TO STDOUT";
        self.copy.map(|(statement, _)| statement).ok_or_else(|| Problem::new("0A000", why))
    }

    /// Sends what is told until nothing more is, or the client does not want it.
    pub(super) async fn send<C>(
        self,
        client: &mut C,
        mut told: Subscription,
        options: FormatOptions,
    ) -> PgWireResult<()>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let fields = arrow_schema_to_pg_fields(&told.columns(), &Format::UnifiedText, Some(Arc::new(options)))?;
        let fields = Arc::new(fields);
        match &self.copy {
            Some(_) => {
                let formats = vec![0; fields.len()];
                let begun = CopyOutResponse::new(0, fields.len() as i16, formats);
                client.feed(PgWireBackendMessage::CopyOutResponse(begun)).await?;
            }
            None => {
                let columns = RowDescription::new(fields.iter().map(Into::into).collect());
                client.feed(PgWireBackendMessage::RowDescription(columns)).await?;
            }
        }
        if let Some(names) = self.copy.as_ref().and_then(|(_, copy)| copy.names(&fields)) {
            client.feed(PgWireBackendMessage::CopyData(CopyData::new(names))).await?;
        }
        loop {
            for batch in told.next().await?.table()? {
                for first in 0..batch.num_rows() {
                    // Row by row: what encodes them cannot wait in the middle of a batch on another thread.
                    let row = encode_recordbatch(fields.clone(), batch.slice(first, 1)).next();
                    let Some(row) = row.transpose()? else { continue };
                    client
                        .feed(match &self.copy {
                            Some((_, copy)) => PgWireBackendMessage::CopyData(CopyData::new(copy.row(row))),
                            None => PgWireBackendMessage::DataRow(row),
                        })
                        .await?;
                }
            }
            client.flush().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_found_where_it_stands_first_and_nowhere_else() {
        let found = [
            ("SUBSCRIBE (SELECT 1)", " (SELECT 1)"),
            (" subscribe SELECT 1;", " SELECT 1;"),
            ("COPY (SUBSCRIBE (SELECT 1)) TO STDOUT (FORMAT csv)", "COPY ( (SELECT 1)) TO STDOUT (FORMAT csv)"),
            ("copy(subscribe(select 'é')) to stdout", "copy((select 'é')) to stdout"),
        ];
        for (text, rest) in found {
            assert_eq!(without_word(text).as_deref(), Some(rest), "{text}");
        }
        for text in ["SELECT subscribe", "subscribers", "COPY t TO STDOUT", "COPY (SELECT 'subscribe') TO STDOUT", ""] {
            assert_eq!(without_word(text), None, "{text}");
        }
        let texts = PostgresCompatibilityParser::new();
        for text in
            ["SUBSCRIBE", "SUBSCRIBE SHOW TABLES", "SUBSCRIBE (SELECT 1); SELECT 2", "SUBSCRIBE COPY t TO STDOUT"]
        {
            let found = Subscribe::of(&texts, text);
            assert!(found.is_err() || text.contains("COPY"), "{text}: {found:?}");
        }
    }
}
