//! A table of the views as DataFusion sees it: read as of the instant of the query, by key where the query names one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::scalar::ScalarValue;
use datasets::tables::Rows;
use records::{Deed, Role};

use crate::problem::Problem;
use crate::views::{Equal, Moment, Scan, Table, Value, Views};

/// Rows that are read at once: DataFusion's own batch.
const BATCH_ROWS: usize = 8_192;

/// Who asks, and the instant of the statement that runs, in the configuration of a session: all tables of one statement are read
/// as of it.
#[derive(Default)]
pub(crate) struct Pinned {
    role: OnceLock<Role>,
    moment: Mutex<Option<Arc<dyn Moment>>>,
}

impl Pinned {
    /// Settles who asks, once for the session; until then no table can be read.
    pub(crate) fn settle(&self, role: Role) {
        self.role.get_or_init(|| role);
    }

    /// Who asks.
    pub(crate) fn role(&self) -> Option<Role> {
        self.role.get().copied()
    }

    /// Settles the instant, until it is settled anew or let go.
    pub(crate) fn hold(&self, moment: Arc<dyn Moment>) {
        *self.moment.lock().expect("nobody panics with it") = Some(moment);
    }

    /// Lets the instant go: a session that waits keeps no memory.
    pub(crate) fn let_go(&self) {
        self.moment.lock().expect("nobody panics with it").take();
    }

    fn get(&self) -> Option<Arc<dyn Moment>> {
        self.moment.lock().expect("nobody panics with it").clone()
    }

    fn may(&self, deed: Deed) -> bool {
        self.role.get().is_some_and(|role| role.may(deed))
    }
}

/// A table of the views.
pub(crate) struct LiveTable {
    table: Table,
    schema: SchemaRef,
    views: Arc<dyn Views>,
    rows_read: Arc<AtomicU64>,
}

impl LiveTable {
    pub(crate) fn new(table: Table, views: Arc<dyn Views>, rows_read: Arc<AtomicU64>) -> LiveTable {
        let schema = Rows::of(&table.columns, None).schema().clone();
        LiveTable { table, schema, views, rows_read }
    }
}

impl fmt::Debug for LiveTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveTable({})", self.table.name)
    }
}

#[async_trait]
impl TableProvider for LiveTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let push = |filter: &&Expr| match equal(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(push).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pinned = state.config().get_extension::<Pinned>();
        if !pinned.as_ref().is_some_and(|pinned| pinned.may(self.table.deed)) {
            return Err(DataFusionError::External(Box::new(Problem::not_allowed(self.table.name, self.table.deed))));
        }
        let with_accounts = pinned.as_ref().is_some_and(|pinned| pinned.may(Deed::ReadListening));
        let moment = pinned.and_then(|pinned| pinned.get());
        // DataFusion may ask for columns in any order; they are read in that of the table.
        let mut wanted = projection.cloned();
        wanted.iter_mut().for_each(|wanted| wanted.sort_unstable());
        let schema = Rows::of(&self.table.columns, wanted.as_deref()).schema().clone();
        let place = |column: &usize| wanted.iter().flatten().position(|at| at == column).expect("it is wanted");
        let order = projection.map(|columns| columns.iter().map(place).collect::<Vec<_>>());
        let part = Part {
            table: self.table.clone(),
            moment: moment.unwrap_or_else(|| self.views.now()),
            views: self.views.clone(),
            equal: filters.iter().filter_map(equal).collect(),
            with_accounts,
            wanted,
            schema: schema.clone(),
            rows_read: self.rows_read.clone(),
        };
        let plan = StreamingTableExec::try_new(schema, vec![Arc::new(part)], order.as_ref(), None, false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// The condition on one column that the filter is, if it is one that a key can be looked up by.
fn equal(filter: &Expr) -> Option<Equal> {
    match filter {
        Expr::BinaryExpr(both) if both.op == Operator::Eq => {
            let (column, value) = match (column(&both.left), column(&both.right)) {
                (Some(column), None) => (column, value(&both.right)?),
                (None, Some(column)) => (column, value(&both.left)?),
                _ => return None,
            };
            Some(Equal { column, any_of: vec![value] })
        }
        Expr::BinaryExpr(both) if both.op == Operator::Or => {
            let (mut left, right) = (equal(&both.left)?, equal(&both.right)?);
            left.any_of.extend(right.any_of);
            (left.column == right.column).then_some(left)
        }
        Expr::InList(list) if !list.negated => {
            let any_of = list.list.iter().map(value).collect::<Option<Vec<Value>>>()?;
            Some(Equal { column: column(&list.expr)?, any_of })
        }
        _ => None,
    }
}

fn column(expr: &Expr) -> Option<String> {
    let is_text = |to: &DataType| matches!(to, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        // A text is the same text in any of Arrow's forms; a number made a text meets only texts, which no number equals.
        Expr::Cast(cast) if is_text(cast.field.data_type()) => column(&cast.expr),
        _ => None,
    }
}

fn value(expr: &Expr) -> Option<Value> {
    let Expr::Literal(value, _) = expr else { return None };
    if let Some(text) = value.try_as_str() {
        return text.map(|text| Value::Text(text.to_owned()));
    }
    let number = match value {
        ScalarValue::UInt64(number) => *number,
        ScalarValue::Int64(number) => number.and_then(|number| u64::try_from(number).ok()),
        _ => None,
    };
    number.map(Value::Number)
}

/// The rows of a table that one query reads.
struct Part {
    table: Table,
    moment: Arc<dyn Moment>,
    views: Arc<dyn Views>,
    equal: Vec<Equal>,
    with_accounts: bool,
    wanted: Option<Vec<usize>>,
    schema: SchemaRef,
    rows_read: Arc<AtomicU64>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table.name)
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = Batches {
            scan: Some(self.moment.clone().scan(self.table.name, &self.equal, self.with_accounts)),
            rows: Rows::of(&self.table.columns, self.wanted.as_deref()),
            views: self.views.clone(),
            rows_read: self.rows_read.clone(),
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(batches)))
    }
}

struct Batches {
    scan: Option<Box<dyn Scan>>,
    rows: Rows,
    views: Arc<dyn Views>,
    rows_read: Arc<AtomicU64>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let scan = self.scan.as_mut()?;
        if !self.views.has_room() {
            self.scan = None;
            return Some(Err(DataFusionError::ResourcesExhausted("the service is short of memory".to_owned())));
        }
        if !scan.push(BATCH_ROWS, &mut self.rows) {
            self.scan = None;
        }
        self.rows_read.fetch_add(self.rows.len() as u64, Ordering::Relaxed);
        Some(Ok(self.rows.take()))
    }
}
