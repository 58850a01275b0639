//! Decides which statements may be asked: those that read.

use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Query, SetExpr, Statement};

use crate::problem::Problem;

/// Refuses every statement that is not a question.
///
/// # Errors
/// When it is none.
pub(crate) fn must_read(statement: &Statement) -> Result<(), Problem> {
    match statement {
        Statement::Query(query) if reads(query) => Ok(()),
        Statement::Explain { statement, .. } => must_read(statement),
        Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowVariable { .. } => Ok(()),
        other => Err(refused(&other.to_string())),
    }
}

/// The refusal of a statement that would change something.
pub(crate) fn refused(statement: &str) -> Problem {
    let begin: String = statement.chars().take(60).collect();
    Problem::forbidden(format!(
        "{begin}: nothing can be changed here; expected SELECT, WITH, VALUES, TABLE, EXPLAIN or SHOW. Rows come in through POST /v1/plays"
    ))
}

fn reads(query: &Query) -> bool {
    query.locks.is_empty()
        && query.with.iter().flat_map(|with| &with.cte_tables).all(|cte| reads(&cte.query))
        && body_reads(&query.body)
}

fn body_reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => reads(query),
        SetExpr::SetOperation { left, right, .. } => body_reads(left) && body_reads(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        _ => false,
    }
}

/// Looks once more, at what the statement became.
///
/// # Errors
/// When the plan would change something.
pub(crate) fn must_plan_to_read(plan: &LogicalPlan) -> Result<(), Problem> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|_| refused(&plan.display().to_string()))
}
