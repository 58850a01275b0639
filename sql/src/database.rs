//! The database: the tables, the functions, and the sessions in which they are asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::config::Dialect;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::setup_pg_catalog;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;

use crate::catalogue::complete;
use crate::subscribe::Topics;
use crate::table::{LiveTable, Pinned};
use crate::turns::Turns;
use crate::views::Views;

/// The database and its one schema, as PostgreSQL's clients call them.
pub(crate) const DATABASE: &str = "truestream";
const SCHEMA: &str = "public";

/// Functions that make much of little in one call, before anybody can count the memory.
const GREEDY: [&str; 9] = [
    "repeat",
    "lpad",
    "rpad",
    "range",
    "generate_series",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
];

/// What statements may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest time that a statement may work.
    pub statement: Duration,
    /// Bytes that all statements may hold together for sorting, grouping and joining.
    pub memory: usize,
    /// Threads that work on statements.
    pub threads: usize,
    /// Connections at once on the PostgreSQL wire.
    pub connections: usize,
}

/// Views that can be asked.
pub struct Database {
    template: SessionState,
    views: Arc<dyn Views>,
    limits: Limits,
    rows_read: Arc<AtomicU64>,
    statements: Arc<AtomicU64>,
    topics: Topics,
    room: Arc<Semaphore>,
    runtime: Option<Runtime>,
}

impl Database {
    /// A database of these views.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn open(views: Arc<dyn Views>, limits: Limits) -> std::io::Result<Database> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.threads)
            .thread_name("sql")
            .enable_all()
            .build()?;
        let rows_read: Arc<AtomicU64> = Arc::default();
        let template = runtime.block_on(template(&views, &limits, &rows_read)).map_err(std::io::Error::other)?;
        let (statements, topics) = (Arc::default(), Topics::default());
        let room = Arc::new(Semaphore::new(limits.connections));
        Ok(Database { template, views, limits, rows_read, statements, topics, room, runtime: Some(runtime) })
    }

    /// How many rows of views all statements have read so far.
    pub fn rows_read(&self) -> u64 {
        self.rows_read.load(Ordering::Relaxed)
    }

    /// How many statements were asked so far.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// How many clients of PostgreSQL are connected.
    pub fn connections(&self) -> usize {
        self.limits.connections - self.room.available_permits()
    }

    /// Where each of them has a place.
    pub(crate) fn room(&self) -> &Arc<Semaphore> {
        &self.room
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn views(&self) -> &Arc<dyn Views> {
        &self.views
    }

    /// What is followed.
    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    pub(crate) fn counted(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    /// Where statements are worked on: apart from those who take rows in.
    pub(crate) fn threads(&self) -> &Handle {
        self.runtime.as_ref().expect("it runs until the database is dropped").handle()
    }

    /// A session of its own, and the instant of the statement that runs in it.
    pub(crate) fn session(&self) -> (SessionContext, Arc<Pinned>) {
        let pinned: Arc<Pinned> = Arc::default();
        let config = self.template.config().clone().with_extension(pinned.clone());
        let state = SessionStateBuilder::new_from_existing(self.template.clone()).with_config(config).build();
        (SessionContext::new_with_state(state), pinned)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What every session begins with.
async fn template(views: &Arc<dyn Views>, limits: &Limits, rows_read: &Arc<AtomicU64>) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(DATABASE, SCHEMA)
        // One thread per statement: many ask at once, and few ask much.
        .with_target_partitions(1);
    config.options_mut().sql_parser.dialect = Dialect::PostgreSQL;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    let schema = Arc::new(MemorySchemaProvider::new());
    let tables = views.tables();
    for table in tables.clone() {
        let name = table.name.to_owned();
        schema.register_table(name, Arc::new(LiveTable::new(table, views.clone(), rows_read.clone())))?;
    }
    let catalog = Arc::new(MemoryCatalogProvider::new());
    catalog.register_schema(SCHEMA, schema)?;
    context.register_catalog(DATABASE, catalog);
    setup_pg_catalog(&context, DATABASE, EmptyContextProvider).map_err(|error| *error)?;
    complete(&context, &tables).await?;
    let state = SessionStateBuilder::new_from_existing(context.state());
    let mut state = state.with_physical_optimizer_rule(Arc::new(Turns)).build();
    for name in GREEDY {
        state.deregister_udf(name)?;
    }
    Ok(state)
}
