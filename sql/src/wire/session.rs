//! What somebody who is connected asks, statement by statement.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::{CloseCursor, Statement};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::arrow_pg::datatypes::arrow_schema_to_pg_fields;
use datafusion_postgres::arrow_pg::datatypes::df::encode_dataframe;
use datafusion_postgres::hooks::cursor::CursorStatementHook;
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::{DfSessionService, QueryHook};
use futures::{Sink, SinkExt};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{DescribePortalResponse, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, METADATA_USER};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::ParameterStatus;
use pgwire::types::format::FormatOptions;

use super::Door;
use super::dialect::presentable;
use super::patience::{timed, timed_response, within};
use super::scram::Guests;
use super::statements::{About, Cursors, Prepared, Questions, about, api, parse};
use super::subscribe::Subscribe;
use crate::database::Database;
use crate::guard::must_plan_to_read;
use crate::problem::Problem;
use crate::subscribe::For;
use crate::table::Pinned;

/// The parameter that tells as of when the last answer is stated.
const AS_OF: &str = "truestream.as_of";

/// What somebody who is connected asks.
pub(super) struct Session {
    database: Arc<Database>,
    users: Arc<Guests>,
    context: Arc<SessionContext>,
    pub(super) pinned: Arc<Pinned>,
    hooks: Vec<Arc<dyn QueryHook>>,
    texts: PostgresCompatibilityParser,
    prepared: DfSessionService,
    questions: Arc<Questions>,
    cursors: Arc<Cursors>,
    told: Mutex<Option<i64>>,
}

impl Session {
    /// A session of somebody who has not come in yet.
    pub(super) fn new(door: &Door) -> Session {
        let (database, users) = (door.database.clone(), door.users.clone());
        let (context, pinned) = database.session();
        let context = Arc::new(context);
        let hooks: Vec<Arc<dyn QueryHook>> =
            vec![Arc::new(CursorStatementHook), Arc::new(SetShowHook), Arc::new(TransactionStatementHook)];
        let prepared = DfSessionService::new_with_hooks(context.clone(), hooks.clone());
        let cursors: Arc<Cursors> = Arc::default();
        let questions = Arc::new(Questions {
            context: context.clone(),
            texts: PostgresCompatibilityParser::new(),
            inner: prepared.query_parser(),
            cursors: cursors.clone(),
        });
        let texts = PostgresCompatibilityParser::new();
        Session { database, users, context, pinned, hooks, texts, prepared, questions, cursors, told: Mutex::new(None) }
    }

    /// Notes the columns of cursors that are declared, and forgets those that are closed.
    async fn note(&self, statement: &Statement) -> PgWireResult<()> {
        match statement {
            Statement::Close { cursor: CloseCursor::Specific { name } } => {
                self.cursors.lock().expect("nobody panics with it").remove(&name.value);
            }
            Statement::Close { .. } | Statement::Commit { .. } | Statement::Rollback { savepoint: None, .. } => {
                self.cursors.lock().expect("nobody panics with it").clear();
            }
            _ => {}
        }
        let Statement::Declare { stmts } = statement else { return Ok(()) };
        for declared in stmts {
            let (Some(name), Some(query)) = (declared.names.first(), declared.for_query.clone()) else { continue };
            let question = Planned::Statement(Box::new(Statement::Query(query)));
            let plan = self.context.state().statement_to_plan(question).await.map_err(api)?;
            let columns = arrow_schema_to_pg_fields(plan.schema().as_arrow(), &Format::UnifiedText, None)?;
            self.cursors.lock().expect("nobody panics with it").insert(name.value.clone(), columns);
        }
        Ok(())
    }

    /// Tells who keeps a record that this is asked, unless it is asked too fast.
    fn tell<C: ClientInfo + ?Sized>(&self, client: &C, text: &str) -> Result<(), Problem> {
        self.users.users().asked(client.metadata().get(METADATA_USER).map_or("", String::as_str), text)
    }

    /// How long a statement of this client may work: what it asked for, but no longer than is allowed.
    fn limit<C: ClientInfo + ?Sized>(&self, client: &C) -> Duration {
        let most = self.database.limits().statement;
        let asked = client.metadata().get("statement_timeout_ms").and_then(|millis| millis.parse().ok());
        asked.map_or(most, |millis| most.min(Duration::from_millis(millis)))
    }

    /// Settles the instant of the statements that follow, and tells the client when it is another than before.
    async fn hold<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: Sink<PgWireBackendMessage> + Unpin + Send,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let moment = self.database.views().now();
        let as_of = moment.as_of();
        self.pinned.hold(moment);
        self.database.counted();
        let before = std::mem::replace(&mut *self.told.lock().expect("nobody panics with it"), as_of);
        if let Some(instant) = as_of.filter(|_| as_of != before) {
            let told = ParameterStatus::new(AS_OF.to_owned(), instant.to_string());
            client.feed(PgWireBackendMessage::ParameterStatus(told)).await?;
        }
        Ok(())
    }

    async fn run(&self, statement: Statement, format: &Format, options: FormatOptions) -> PgWireResult<QueryResponse> {
        let state = self.context.state();
        let plan = state.statement_to_plan(Planned::Statement(Box::new(statement))).await.map_err(api)?;
        self.execute(plan, format, options).await
    }

    async fn execute(&self, plan: LogicalPlan, format: &Format, options: FormatOptions) -> PgWireResult<QueryResponse> {
        must_plan_to_read(&plan)?;
        let frame = self.context.execute_logical_plan(presentable(plan).map_err(api)?).await.map_err(api)?;
        encode_dataframe(frame, format, Some(Arc::new(options))).await
    }
}

#[async_trait]
impl SimpleQueryHandler for Session {
    async fn do_query<C>(&self, client: &mut C, text: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if let Some(followed) = Subscribe::of(&self.texts, text)? {
            return self.follow(client, text, followed).await;
        }
        let statements = parse(&self.texts, text)?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        self.tell(client, text)?;
        self.hold(client).await?;
        let limit = self.limit(client);
        let answered = within(limit, async {
            let mut responses = Vec::with_capacity(statements.len());
            for statement in statements {
                responses.push(timed_response(self.answer(client, statement, limit).await?, limit));
            }
            Ok(responses)
        });
        let answered = answered.await;
        self.pinned.let_go();
        answered
    }
}

impl Session {
    /// Sends what changes until the client is cut off or cancels.
    async fn follow<C>(&self, client: &mut C, text: &str, followed: Subscribe) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.tell(client, text)?;
        let who = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
        let role = self.pinned.role().ok_or_else(|| Problem::new("28000", "nobody came in"))?;
        let told = self.database.follow(&who, role, For::Wire, followed.question.to_string()).await?;
        let options = FormatOptions::from_client_metadata(client.metadata());
        followed.send(client, told, options).await.map(|()| Vec::new())
    }

    async fn answer<C>(&self, client: &mut C, statement: Statement, limit: Duration) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let about = about(&statement)?;
        if let About::Back = about {
            return Ok(Response::TransactionStart(Tag::new("ROLLBACK")));
        }
        self.note(&statement).await?;
        for hook in &self.hooks {
            if let Some(answered) = hook.handle_simple_query(&statement, &self.context, client).await {
                return answered;
            }
        }
        let options = FormatOptions::from_client_metadata(client.metadata());
        match about {
            About::Nothing(tag) => Ok(Response::Execution(Tag::new(tag))),
            About::Copy(copy) => {
                let mut rows = self.run(copy.question.clone(), &copy.format(), options).await?;
                rows.data_rows = timed(rows.data_rows, limit);
                Ok(Response::CopyOut(copy.rows(rows)))
            }
            About::Views | About::Session | About::Back => {
                self.run(statement, &Format::UnifiedText, options).await.map(Response::Query)
            }
        }
    }
}

#[async_trait]
impl ExtendedQueryHandler for Session {
    type Statement = Prepared;
    type QueryParser = Questions;

    fn query_parser(&self) -> Arc<Questions> {
        self.questions.clone()
    }

    async fn do_describe_portal<C>(
        &self,
        _client: &mut C,
        portal: &Portal<Prepared>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // A cursor is a portal without a plan, about which psycopg asks before it fetches.
        let declared = self.cursors.lock().expect("nobody panics with it").get(&portal.name).cloned();
        let prepared = &portal.statement.statement;
        let columns = match declared {
            Some(columns) if prepared.1.is_none() => columns,
            _ => self.questions.get_result_schema(prepared, Some(&portal.result_column_format))?,
        };
        Ok(DescribePortalResponse::new(columns))
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, rows_max: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (text, prepared) = &portal.statement.statement;
        if let Some(followed) = Subscribe::of(&self.texts, text)? {
            return self.follow(client, text, followed).await.map(|_| Response::EmptyQuery);
        }
        self.hold(client).await?;
        let limit = self.limit(client);
        self.tell(client, text)?;
        let about = prepared.as_ref().map(|(statement, _)| about(statement)).transpose()?;
        if let Some((statement, _)) = prepared {
            self.note(statement).await?;
        }
        let answered = match (about, prepared) {
            (Some(About::Nothing(tag)), _) => Ok(Response::Execution(Tag::new(tag))),
            (Some(About::Back), _) => Ok(Response::TransactionStart(Tag::new("ROLLBACK"))),
            (Some(About::Copy(copy)), Some((_, plan))) => {
                if client.transaction_status() == TransactionStatus::Error {
                    return Err(Problem::new("25P02", "the transaction failed: ROLLBACK first").into());
                }
                let options = FormatOptions::from_client_metadata(client.metadata());
                let rows = within(limit, self.execute(plan.clone(), &copy.format(), options)).await;
                rows.map(|mut rows| {
                    rows.data_rows = timed(rows.data_rows, limit);
                    Response::CopyOut(copy.rows(rows))
                })
            }
            _ => within(limit, ExtendedQueryHandler::do_query(&self.prepared, client, portal, rows_max)).await,
        };
        self.pinned.let_go();
        answered.map(|response| timed_response(response, limit))
    }
}
