//! What some clients ask of PostgreSQL's catalogue in words that are not understood here, in words that are.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr as Planned, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as Type, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Statement, Value, visit_expressions, visit_expressions_mut,
};

/// Columns of `pg_type` that hold names of functions; clients compare them with 0.
const FUNCTIONS: [&str; 4] = ["typreceive", "typsend", "typinput", "typoutput"];

/// What the catalogue tells of defaults, sequences and collations, of which there are none here: a question about them that stands for a value is
/// null. SQLAlchemy asks them of every column.
const OF_NOTHING: [&str; 4] = ["pg_attrdef", "pg_sequence", "pg_collation", "typcollation"];
/// Columns of the catalogue that list columns of keys and indexes, of which there are none here, and what makes rows of lists.
const OF_KEYS: [&str; 6] = ["conkey", "confkey", "indkey", "indoption", "indclass", "indcollation"];
const LISTS: [&str; 2] = ["unnest", "generate_subscripts"];
/// Names of columns of keys that SQLAlchemy gathers; in which order makes no difference, for there are none.
const OF_COLUMNS: &str = "attr.attname";
/// A function of our catalogue that is null whatever it is asked.
const NOTHING: &str = "pg_get_serial_sequence";
/// A function that tells columns of indexes, of which there are none here; pgjdbc asks for fields of what it tells.
const OF_INDEXES: &str = "_pg_expandarray";

/// Says the statement in words that are understood.
pub(super) fn adapt(statement: &mut Statement) {
    let asks_for_indexes = statement.to_string().contains(OF_INDEXES);
    let _ = visit_expressions_mut(statement, |expr| {
        match expr {
            _ if asks_for_indexes && is_of_indexes(expr) => *expr = Expr::Value(Value::Null.into()),
            Expr::Subquery(query) => {
                let asks = query.to_string();
                if asks.contains("pg_catalog.") && OF_NOTHING.iter().any(|name| asks.contains(name)) {
                    *expr = nothing(expr);
                }
            }
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                let asks = function.args.to_string();
                let lists_names = name == "array" && matches!(function.args, FunctionArguments::Subquery(_));
                // Of roles, keys and storage options, of which there are none here.
                let is_of_keys = LISTS.contains(&name.as_str()) && OF_KEYS.iter().any(|column| asks.contains(column));
                let is_of_nothing = lists_names && (asks.contains("pg_catalog.") || asks.contains("unnest(NULL)"))
                    || is_of_keys
                    || name.ends_with("array_to_string") && asks.contains("NULL");
                if is_of_nothing {
                    *expr = nothing(expr);
                    if is_of_keys {
                        *expr = whole_number(expr.clone());
                    }
                } else if let FunctionArguments::List(args) = &mut function.args
                    && name == "array_agg"
                    && asks.contains(OF_COLUMNS)
                {
                    args.clauses.clear();
                }
            }
            // Options of storage: the catalogue has no such column.
            Expr::CompoundIdentifier(parts) if parts.last().is_some_and(|part| part.value == "reloptions") => {
                *expr = Expr::Value(Value::Null.into());
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

/// Null instead of what is asked; its parameters are asked for all the same, because they have their places.
fn nothing(asked: &Expr) -> Expr {
    let mut parameters: Vec<Expr> = Vec::new();
    let _ = visit_expressions(asked, |expr| {
        if let Expr::Cast { expr: cast, .. } = expr
            && matches!(&**cast, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)))
        {
            parameters.push(expr.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    if parameters.is_empty() {
        return Expr::Value(Value::Null.into());
    }
    let args = parameters.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(NOTHING)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn whole_number(expr: Expr) -> Expr {
    let (kind, data_type) = (CastKind::Cast, Type::Integer(None));
    Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None }
}

/// The function, or a field of what it told, which is null by now.
fn is_of_indexes(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => function.name.to_string().ends_with(OF_INDEXES),
        Expr::CompoundFieldAccess { root, .. } => ["(NULL)", "(result.KEYS)"].contains(&root.to_string().as_str()),
        _ => false,
    }
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
