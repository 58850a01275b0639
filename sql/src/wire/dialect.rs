//! What some clients ask of PostgreSQL's catalogue in words that are not understood here, in words that are.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr as Planned, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Query, SelectItem, SetExpr, Statement, Value, visit_expressions_mut,
};

/// Columns of `pg_type` that hold names of functions; clients compare them with 0.
const FUNCTIONS: [&str; 4] = ["typreceive", "typsend", "typinput", "typoutput"];

/// A function that tells columns of indexes, of which there are none here; pgjdbc asks for its fields, and for those of a column that holds it.
const OF_INDEXES: [&str; 2] = ["_pg_expandarray", "(result.keys).x"];

/// Says the statement in words that are understood.
pub(super) fn adapt(statement: &mut Statement) {
    let asks_for_indexes = statement.to_string().contains(OF_INDEXES[0]);
    let _ = visit_expressions_mut(statement, |expr| {
        match expr {
            _ if asks_for_indexes && is_of_indexes(expr) => *expr = Expr::Value(Value::Null.into()),
            Expr::Subquery(query) => aggregate(query),
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                let asks = function.args.to_string();
                let lists_names = name == "array" && matches!(function.args, FunctionArguments::Subquery(_));
                // Of roles and storage options, of which there are none here.
                let is_of_nothing = lists_names && asks.contains("pg_catalog.")
                    || name.ends_with("array_to_string") && asks.contains("reloptions");
                if is_of_nothing {
                    *expr = Expr::Value(Value::Null.into());
                }
            }
            Expr::BinaryOp { left, op: BinaryOperator::NotEq | BinaryOperator::Eq, right } => {
                let is_function = FUNCTIONS.iter().any(|name| left.to_string().ends_with(name));
                if is_function && right.to_string() == "0" {
                    **right = Expr::Value(Value::SingleQuotedString("-".to_owned()).into());
                }
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
}

fn is_of_indexes(expr: &Expr) -> bool {
    let is_part =
        !matches!(expr, Expr::BinaryOp { .. } | Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. });
    let text = expr.to_string().to_ascii_lowercase();
    is_part && (text.contains(OF_INDEXES[0]) || text == OF_INDEXES[1])
}

/// A question about the catalogue that stands for a value has one row at most, which must be seen from its words here: the greatest of one
/// value is that value.
fn aggregate(query: &mut Query) {
    let SetExpr::Select(select) = &mut *query.body else { return };
    let of_catalogue = select.from.iter().all(|table| table.relation.to_string().starts_with("pg_catalog."));
    let (SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }) =
        (match &mut select.projection[..] {
            [item] => item,
            _ => return,
        })
    else {
        return;
    };
    let has_all = ["max(", "min(", "count(", "array_agg(", "string_agg("];
    let text = value.to_string().to_ascii_lowercase();
    if select.from.is_empty()
        || !of_catalogue
        || query.limit_clause.is_some()
        || has_all.iter().any(|name| text.contains(name))
    {
        return;
    }
    let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(value.clone()));
    let args = FunctionArgumentList { duplicate_treatment: None, args: vec![argument], clauses: Vec::new() };
    *value = Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("max")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
}

/// The plan with columns that PostgreSQL has types for: it has none for whole numbers of 64 bits without a sign.
///
/// # Errors
/// When the columns cannot be named.
pub(crate) fn presentable(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !plan.schema().fields().iter().any(|field| *field.data_type() == DataType::UInt64) {
        return Ok(plan);
    }
    let columns = plan.schema().columns().into_iter().zip(plan.schema().fields());
    let shown = columns.map(|(column, field)| match field.data_type() {
        DataType::UInt64 => {
            let (relation, name) = (column.relation.clone(), column.name.clone());
            cast(Planned::Column(column), DataType::Decimal128(20, 0)).alias_qualified(relation, name)
        }
        _ => Planned::Column(column),
    });
    let shown: Vec<Planned> = shown.collect();
    LogicalPlanBuilder::from(plan).project(shown)?.build()
}
