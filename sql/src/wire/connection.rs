//! One connection: who it is, and what it asks.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::{Set, Statement};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::arrow_pg::datatypes::arrow_schema_to_pg_fields;
use datafusion_postgres::arrow_pg::datatypes::df::encode_dataframe;
use datafusion_postgres::hooks::cursor::CursorStatementHook;
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::{DfSessionService, Parser, QueryHook};
use futures::{FutureExt, Sink, SinkExt, StreamExt};
use pgwire::api::auth::{
    DefaultServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{DescribePortalResponse, FieldInfo, QueryResponse, Response, SendableRowStream, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{
    ClientInfo, ClientPortalStore, ErrorHandler, METADATA_USER, PgWireConnectionState, PgWireServerHandlers,
    PidSecretKeyGenerator, RandomPidSecretKeyGenerator, Type,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::{Authentication, ParameterStatus};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::types::format::FormatOptions;

use super::Door;
use super::copy::CopyOut;
use super::dialect::{adapt, presentable};
use super::scram::Exchange;
use crate::database::Database;
use crate::guard::{must_plan_to_read, must_read, refused};
use crate::problem::Problem;
use crate::table::Pinned;

/// The one way to prove who one is.
const MECHANISM: &str = "SCRAM-SHA-256";
/// Who is wrong waits this long: guesses get expensive.
const WRONG_WAITS: Duration = Duration::from_millis(500);
/// The parameter that tells as of when the last answer is stated.
const AS_OF: &str = "truestream.as_of";

/// Somebody who is connected.
pub(super) struct Connection {
    entrance: Arc<Entrance>,
    session: Arc<Session>,
    cancels: Arc<DefaultCancelHandler>,
}

impl Connection {
    /// Somebody for whom there is room, or who is told that there is none.
    pub(super) fn new(door: Door, has_room: bool) -> Connection {
        let cancels = Arc::new(DefaultCancelHandler::new(door.connections.clone()));
        let session = Arc::new(Session::new(door.database.clone()));
        let entrance = Arc::new(Entrance { door, has_room, exchange: Mutex::new(None) });
        Connection { entrance, session, cancels }
    }
}

impl PgWireServerHandlers for Connection {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.session.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.session.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.entrance.clone()
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(Plainly)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.cancels.clone()
    }
}

/// Says errors with the codes and words of [`Problem`].
struct Plainly;

impl ErrorHandler for Plainly {
    fn on_error<C: ClientInfo>(&self, _: &C, error: &mut PgWireError) {
        let cause = match error {
            PgWireError::ApiError(cause) => cause.downcast_ref::<DataFusionError>().map(Problem::from),
            _ => None,
        };
        if let Some(problem) = cause {
            *error = said(&problem);
        }
    }
}

fn said(problem: &Problem) -> PgWireError {
    let info = ErrorInfo::new("ERROR".to_owned(), problem.code.to_owned(), problem.message.clone());
    PgWireError::UserError(Box::new(info))
}

impl From<Problem> for PgWireError {
    fn from(problem: Problem) -> PgWireError {
        said(&problem)
    }
}

fn fatal(code: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message.to_owned())))
}

/// Where one proves who one is.
struct Entrance {
    door: Door,
    has_room: bool,
    exchange: Mutex<Option<Exchange>>,
}

#[async_trait]
impl StartupHandler for Entrance {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                if !self.has_room {
                    return Err(fatal("53300", "too many connections: close some, or come again later"));
                }
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                let offered = Authentication::SASL(vec![MECHANISM.to_owned()]);
                client.send(PgWireBackendMessage::Authentication(offered)).await?;
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let begun = self.exchange.lock().expect("nobody panics with it").take();
                let user = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
                let wrong = || PgWireError::InvalidPassword(user.clone());
                let Some(exchange) = begun else {
                    let first = message.into_sasl_initial_response()?;
                    let begun = (first.auth_method == MECHANISM)
                        .then(|| Exchange::begin(&self.door.users, &user, first.data.as_deref()?))
                        .flatten();
                    let (exchange, answer) = begun.ok_or_else(wrong)?;
                    *self.exchange.lock().expect("nobody panics with it") = Some(exchange);
                    let answer = Authentication::SASLContinue(answer.into());
                    client.send(PgWireBackendMessage::Authentication(answer)).await?;
                    return Ok(());
                };
                let Some(answer) = exchange.end(&message.into_sasl_response()?.data) else {
                    tokio::time::sleep(WRONG_WAITS).await;
                    return Err(wrong());
                };
                client.send(PgWireBackendMessage::Authentication(Authentication::SASLFinal(answer.into()))).await?;
                self.let_in(client).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Entrance {
    async fn let_in<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (pid, key) = RandomPidSecretKeyGenerator::default().generate(client);
        client.set_pid_and_secret_key(pid, key.clone());
        let (handle, guard) = self.door.connections.register(pid, key);
        client.session_extensions().insert(handle);
        client.session_extensions().insert(guard);
        let mut told = DefaultServerParameterProvider::default();
        told.is_superuser = false;
        told.default_transaction_read_only = true;
        finish_authentication(client, &told).await
    }
}

/// What somebody who is connected asks.
struct Session {
    database: Arc<Database>,
    context: Arc<SessionContext>,
    pinned: Arc<Pinned>,
    hooks: Vec<Arc<dyn QueryHook>>,
    texts: PostgresCompatibilityParser,
    prepared: DfSessionService,
    questions: Arc<Questions>,
    cursors: Arc<Cursors>,
    told: Mutex<Option<i64>>,
}

/// The columns of cursors, by name: who prepares a FETCH is told before it has rows.
type Cursors = Mutex<HashMap<String, Vec<FieldInfo>>>;

/// What a statement is about.
enum About {
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

fn about(statement: &Statement) -> Result<About, Problem> {
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

impl Session {
    fn new(database: Arc<Database>) -> Session {
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
        Session { database, context, pinned, hooks, texts, prepared, questions, cursors, told: Mutex::new(None) }
    }

    /// Notes the columns of cursors that are declared.
    async fn note(&self, statement: &Statement) -> PgWireResult<()> {
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

fn api(error: DataFusionError) -> PgWireError {
    PgWireError::ApiError(Box::new(error))
}

/// Waits no longer than is allowed.
async fn within<T>(limit: Duration, work: impl Future<Output = PgWireResult<T>>) -> PgWireResult<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Problem::late(limit.as_millis()).into()),
    }
}

/// The rows, as long as they do not take longer than is allowed to come about; what the client takes to read them is
/// its own time.
fn timed(rows: SendableRowStream, limit: Duration) -> SendableRowStream {
    let next = move |(mut rows, left): (SendableRowStream, Duration)| async move {
        let began = Instant::now();
        // Most rows are there already; for those no timer is set.
        let row = match rows.next().now_or_never() {
            Some(row) => row?,
            None => match tokio::time::timeout(left, rows.next()).await {
                Ok(row) => row?,
                Err(_) => return Some((Err(Problem::late(limit.as_millis()).into()), (nothing(), left))),
            },
        };
        let left = left.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Some((Err(Problem::late(limit.as_millis()).into()), (nothing(), left)));
        }
        Some((row, (rows, left)))
    };
    Box::pin(futures::stream::unfold((rows, limit), next))
}

fn nothing() -> SendableRowStream {
    Box::pin(futures::stream::empty())
}

fn timed_response(response: Response, limit: Duration) -> Response {
    match response {
        Response::Query(mut rows) => {
            rows.data_rows = timed(rows.data_rows, limit);
            Response::Query(rows)
        }
        other => other,
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
        let statements = parse(&self.texts, text)?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
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

type Prepared = (String, Option<(Statement, LogicalPlan)>);

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
        self.hold(client).await?;
        let limit = self.limit(client);
        let (_, prepared) = &portal.statement.statement;
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

/// Reads statements that are prepared.
struct Questions {
    context: Arc<SessionContext>,
    texts: PostgresCompatibilityParser,
    inner: Arc<Parser>,
    cursors: Arc<Cursors>,
}

#[async_trait]
impl QueryParser for Questions {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, client: &C, text: &str, types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
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
                let nothing = EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) };
                Ok(Some((text.to_owned(), Some((statement, LogicalPlan::EmptyRelation(nothing))))))
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

fn parse(texts: &PostgresCompatibilityParser, text: &str) -> Result<Vec<Statement>, Problem> {
    let mut statements = texts.parse(text).map_err(|error| Problem::new("42601", error.to_string()))?;
    statements.iter_mut().for_each(adapt);
    Ok(statements)
}
