//! Lets statements take turns: each stops now and then, so that its time can run out and others get on.
//!
//! DataFusion lets those stop who read much. A product of small tables reads little, and would never stop.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};

/// So long a statement goes on before others get their turn.
const TURN: Duration = Duration::from_millis(20);

/// Puts a stop after each operator that reads, joins, or makes several rows of one.
#[derive(Debug)]
pub(crate) struct Turns;

impl PhysicalOptimizerRule for Turns {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let stopping = |node: Arc<dyn ExecutionPlan>| {
            let makes_much = node.children().len() != 1 || ["UnnestExec", "RecursiveQueryExec"].contains(&node.name());
            Ok(match makes_much {
                true => Transformed::yes(Arc::new(TurnExec(node)) as Arc<dyn ExecutionPlan>),
                false => Transformed::no(node),
            })
        };
        Ok(plan.transform_up(stopping)?.data)
    }

    fn name(&self) -> &str {
        "turns"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The operator, stopping now and then.
#[derive(Debug)]
struct TurnExec(Arc<dyn ExecutionPlan>);

impl DisplayAs for TurnExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TurnExec")
    }
}

impl ExecutionPlan for TurnExec {
    fn name(&self) -> &str {
        "TurnExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let child = children.into_iter().next();
        Ok(Arc::new(TurnExec(child.unwrap_or_else(|| self.0.clone()))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Stopping { rows: self.0.execute(partition, context)?, since: Instant::now() }))
    }
}

struct Stopping {
    rows: SendableRecordBatchStream,
    since: Instant,
}

impl Stream for Stopping {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        if self.since.elapsed() > TURN {
            self.since = Instant::now();
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.rows.poll_next_unpin(context)
    }
}

impl RecordBatchStream for Stopping {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
