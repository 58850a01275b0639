//! Which statements there are, and what becomes of those that are prepared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::{Set, Statement};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::Parser;
use pgwire::api::portal::Format;
use pgwire::api::results::FieldInfo;
use pgwire::api::stmt::QueryParser;
use pgwire::api::{ClientInfo, Type};
use pgwire::error::{PgWireError, PgWireResult};

use super::copy::CopyOut;
use super::dialect::{adapt, presentable};
use super::subscribe::Subscribe;
use crate::guard::{must_plan_to_read, must_read, refused};
use crate::problem::Problem;

/// The columns of cursors, by name: who prepares a FETCH is told before it has rows.
pub(super) type Cursors = Mutex<HashMap<String, Vec<FieldInfo>>>;

/// What a statement is about.
pub(super) enum About {
    /// The views.
    Views,
    /// The session: its settings, transactions and cursors.
    Session,
    /// The views, copied out.
    Copy(Box<CopyOut>),
    /// The transaction goes on from where it had not failed.
    Back,
    /// Nothing that there is here; it is done by saying so.
    Nothing(&'static str),
}

pub(super) fn about(statement: &Statement) -> Result<About, Problem> {
    if let Some(copy) = CopyOut::of(statement)? {
        return Ok(About::Copy(Box::new(copy)));
    }
    match statement {
        Statement::Set(set) => may_set(set).map(|()| About::Session),
        Statement::ShowVariable { .. } | Statement::ShowStatus { .. } | Statement::ShowCatalogs { .. } => {
            Ok(About::Session)
        }
        Statement::StartTransaction { statements, .. } if statements.is_empty() => Ok(About::Session),
        Statement::Savepoint { .. } => Ok(About::Nothing("SAVEPOINT")),
        Statement::ReleaseSavepoint { .. } => Ok(About::Nothing("RELEASE")),
        Statement::Rollback { savepoint: Some(_), .. } => Ok(About::Back),
        Statement::Commit { .. } | Statement::Rollback { .. } | Statement::Close { .. } => Ok(About::Session),
        Statement::Fetch { into: None, .. } => Ok(About::Session),
        Statement::Declare { stmts } => {
            for query in stmts.iter().filter_map(|declared| declared.for_query.clone()) {
                must_read(&Statement::Query(query))?;
            }
            Ok(About::Session)
        }
        Statement::Deallocate { .. } => Ok(About::Nothing("DEALLOCATE")),
        Statement::Discard { .. } => Ok(About::Nothing("DISCARD ALL")),
        Statement::Reset(_) => Ok(About::Nothing("RESET")),
        Statement::UNLISTEN { .. } => Ok(About::Nothing("UNLISTEN")),
        other => must_read(other).map(|()| About::Views),
    }
}

/// Settings of PostgreSQL may be set; those of the engine are not the client's.
fn may_set(set: &Set) -> Result<(), Problem> {
    let text = set.to_string().replace('"', "").to_ascii_lowercase();
    if text.contains("datafusion")
        || matches!(set, Set::MultipleAssignments { .. } | Set::ParenthesizedAssignments { .. })
    {
        return Err(refused(&set.to_string()));
    }
    Ok(())
}

pub(super) fn api(error: DataFusionError) -> PgWireError {
    PgWireError::ApiError(Box::new(error))
}

/// A statement: its text, and what it became.
pub(super) type Prepared = (String, Option<(Statement, LogicalPlan)>);

/// Reads statements that are prepared.
pub(super) struct Questions {
    pub(super) context: Arc<SessionContext>,
    pub(super) texts: PostgresCompatibilityParser,
    pub(super) inner: Arc<Parser>,
    pub(super) cursors: Arc<Cursors>,
}

#[async_trait]
impl QueryParser for Questions {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, client: &C, text: &str, types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let nothing = || EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) };
        if let Some(followed) = Subscribe::of(&self.texts, text)? {
            return Ok(Some((text.to_owned(), Some((followed.prepared()?, LogicalPlan::EmptyRelation(nothing()))))));
        }
        let mut statements = parse(&self.texts, text)?.into_iter();
        let Some(statement) = statements.next() else { return Ok(None) };
        if statements.next().is_some() {
            return Err(
                Problem::new("42601", "several statements in one that is prepared: send them one by one").into()
            );
        }
        match about(&statement)? {
            About::Session => self.inner.parse_sql(client, &statement.to_string(), types).await,
            About::Nothing(_) | About::Back => {
                Ok(Some((text.to_owned(), Some((statement, LogicalPlan::EmptyRelation(nothing()))))))
            }
            About::Copy(copy) => {
                let question = Planned::Statement(Box::new(copy.question));
                let plan = self.context.state().statement_to_plan(question).await.map_err(api)?;
                must_plan_to_read(&plan)?;
                Ok(Some((text.to_owned(), Some((statement, plan)))))
            }
            About::Views => {
                let prepared = self.inner.parse_sql(client, &statement.to_string(), types).await?;
                let Some((text, Some((statement, plan)))) = prepared else { return Ok(prepared) };
                must_plan_to_read(&plan)?;
                Ok(Some((text, Some((statement, presentable(plan).map_err(api)?)))))
            }
        }
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        self.inner.get_parameter_types(prepared)
    }

    fn get_result_schema(&self, prepared: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match prepared {
            (_, Some((Statement::Copy { .. }, _))) => return Ok(Vec::new()),
            (_, Some((Statement::Fetch { name, .. }, _))) => {
                let cursors = self.cursors.lock().expect("nobody panics with it");
                return Ok(cursors.get(&name.value).cloned().unwrap_or_default());
            }
            _ => {}
        }
        self.inner.get_result_schema(prepared, format)
    }
}

/// The statements of a text.
pub(super) fn parse(texts: &PostgresCompatibilityParser, text: &str) -> Result<Vec<Statement>, Problem> {
    let mut statements = texts.parse(text).map_err(|error| Problem::new("42601", error.to_string()))?;
    statements.iter_mut().for_each(adapt);
    Ok(statements)
}
