//! What PostgreSQL's tools ask about tables before they show them, where the catalogue that we build upon says nothing: what
//! tables and columns mean, and functions about things that there are not here.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;

use crate::database::DATABASE;
use crate::views::Table;

const CATALOGUE: &str = "pg_catalog";
const DESCRIPTIONS: &str = "pg_description";
/// The number of the table of tables, in every PostgreSQL.
const PG_CLASS: i32 = 1_259;

/// What tables (column 0) and their columns mean, by the number of the table.
type Comments = BTreeMap<(i32, i32), String>;

/// Numbers of types by their names.
type Types = BTreeMap<String, i32>;

/// Adds to the catalogue of the context what it lacks.
///
/// # Errors
/// When the catalogue cannot be asked.
pub(crate) async fn complete(context: &SessionContext, tables: &[Table]) -> Result<()> {
    let comments = comments(context, tables).await?;
    let types = types(context).await?;
    let catalogue = context.catalog(DATABASE).and_then(|database| database.schema(CATALOGUE));
    let inner = catalogue.ok_or_else(|| DataFusionError::Internal("there is no catalogue".to_owned()))?;
    let descriptions = descriptions(&*inner, &comments).await?;
    let described = Arc::new(Described { inner, descriptions });
    context.catalog(DATABASE).expect("it was there just now").register_schema(CATALOGUE, described)?;
    for (name, says) in functions(&comments, types) {
        context.register_udf(ScalarUDF::new_from_impl(Function::new(name, says)));
    }
    Ok(())
}

/// The numbers that the catalogue gives our tables, with what the tables mean.
async fn comments(context: &SessionContext, tables: &[Table]) -> Result<Comments> {
    let question = "SELECT c.oid, c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'";
    let mut comments = Comments::new();
    for batch in context.sql(question).await?.collect().await? {
        let (oids, names) = (cast(batch.column(0), &DataType::Int32)?, cast(batch.column(1), &DataType::Utf8)?);
        for (oid, name) in oids.as_primitive::<Int32Type>().iter().zip(names.as_string::<i32>()) {
            let table = tables.iter().find(|table| Some(table.name) == name);
            let Some((oid, table)) = oid.zip(table) else { continue };
            let all = std::iter::once(&table.comment).chain(&table.column_comments);
            let said = (0..).zip(all).filter(|(_, comment)| !comment.is_empty());
            comments.extend(said.map(|(column, comment)| ((oid, column), comment.clone())));
        }
    }
    Ok(comments)
}

async fn types(context: &SessionContext) -> Result<Types> {
    let mut types = Types::new();
    for batch in context.sql("SELECT oid, typname FROM pg_catalog.pg_type").await?.collect().await? {
        let (oids, names) = (cast(batch.column(0), &DataType::Int32)?, cast(batch.column(1), &DataType::Utf8)?);
        let both = oids.as_primitive::<Int32Type>().iter().zip(names.as_string::<i32>());
        types.extend(both.filter_map(|(oid, name)| Some((name?.to_owned(), oid?))));
    }
    Ok(types)
}

async fn descriptions(catalogue: &dyn SchemaProvider, comments: &Comments) -> Result<Arc<dyn TableProvider>> {
    let before = catalogue.table(DESCRIPTIONS).await?;
    let schema = before.ok_or_else(|| DataFusionError::Internal("there are no descriptions".to_owned()))?.schema();
    let column = |name: &str| -> ArrayRef {
        let numbers =
            |number: fn(&(i32, i32)) -> i32| Arc::new(Int32Array::from_iter_values(comments.keys().map(number)));
        match name {
            "objoid" => numbers(|(oid, _)| *oid),
            "objsubid" => numbers(|(_, column)| *column),
            "classoid" => numbers(|_| PG_CLASS),
            _ => Arc::new(StringArray::from_iter_values(comments.values())),
        }
    };
    let columns = schema.fields().iter().map(|field| Ok(cast(&column(field.name()), field.data_type())?));
    let batch = RecordBatch::try_new(schema.clone(), columns.collect::<Result<_>>()?)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

/// The catalogue, with descriptions of our tables.
#[derive(Debug)]
struct Described {
    inner: Arc<dyn SchemaProvider>,
    descriptions: Arc<dyn TableProvider>,
}

#[async_trait]
impl SchemaProvider for Described {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name == DESCRIPTIONS { Ok(Some(self.descriptions.clone())) } else { self.inner.table(name).await }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}

/// What a function answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Says {
    /// Always the same.
    Text(String),
    /// Nothing: there is none of what it is asked about.
    Nothing,
    /// Always the same.
    Flag(bool),
    /// Always the same.
    Number(i64),
    /// What the table, or the column of the table, means.
    Comment(Comments),
    /// The number of the type of this name, or nothing where there is none.
    Type(Types),
    /// Its arguments, a name and a value in turn, as an object of JSON.
    Object,
}

fn functions(comments: &Comments, types: Types) -> Vec<(&'static str, Says)> {
    let version = format!("PostgreSQL 16.6 (Truestream {}; SQL by DataFusion)", env!("CARGO_PKG_VERSION"));
    let nothing = [
        "pg_get_viewdef",
        "pg_get_ruledef",
        "pg_get_indexdef",
        "pg_get_triggerdef",
        "pg_get_functiondef",
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
        "pg_get_function_result",
        "pg_get_serial_sequence",
        "current_setting",
        "shobj_description",
        "pg_size_pretty",
        "pg_table_size",
    ];
    let visible = ["pg_collation_is_visible", "pg_function_is_visible", "pg_type_is_visible", "pg_operator_is_visible"];
    let mut functions = vec![
        ("version", Says::Text(version)),
        ("col_description", Says::Comment(comments.clone())),
        ("obj_description", Says::Comment(comments.clone())),
        ("to_regtype", Says::Type(types)),
        ("json_build_object", Says::Object),
        ("pg_is_in_recovery", Says::Flag(false)),
        ("pg_is_other_temp_schema", Says::Flag(false)),
        ("pg_my_temp_schema", Says::Number(0)),
        ("txid_current", Says::Number(0)),
    ];
    functions.extend(nothing.map(|name| (name, Says::Nothing)));
    functions.extend(visible.map(|name| (name, Says::Flag(true))));
    functions
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    name: &'static str,
    says: Says,
    signature: Signature,
}

impl Function {
    fn new(name: &'static str, says: Says) -> Function {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        Function { name, says, signature: Signature::one_of(any, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.says {
            Says::Flag(_) => DataType::Boolean,
            Says::Number(_) => DataType::Int64,
            Says::Type(_) => DataType::Int32,
            _ => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(match &self.says {
            Says::Text(text) => ScalarValue::Utf8(Some(text.clone())),
            Says::Nothing => ScalarValue::Utf8(None),
            Says::Flag(flag) => ScalarValue::Boolean(Some(*flag)),
            Says::Number(number) => ScalarValue::Int64(Some(*number)),
            Says::Type(types) => {
                let names = args.args.first().map(|arg| arg.cast_to(&DataType::Utf8, None)?.to_array(args.number_rows));
                let names = names.transpose()?;
                let number = |name: Option<&str>| name.and_then(|name| types.get(name).copied());
                let told: Int32Array = names.iter().flat_map(|names| names.as_string::<i32>()).map(number).collect();
                return Ok(ColumnarValue::Array(Arc::new(told)));
            }
            Says::Object => {
                let parts = args.args.chunks(2).map(|pair| {
                    Ok((texts(&pair[0], &args)?, pair.get(1).map(|value| texts(value, &args)).transpose()?))
                });
                let parts = parts.collect::<Result<Vec<_>>>()?;
                let told: StringArray = (0..args.number_rows).map(|row| Some(object(&args, &parts, row))).collect();
                return Ok(ColumnarValue::Array(Arc::new(told)));
            }
            Says::Comment(comments) => {
                let numbers = args.args.iter().map(|arg| match arg.cast_to(&DataType::Int32, None) {
                    Ok(number) => number.to_array(args.number_rows),
                    // Of `obj_description` the second argument is the name of a catalogue.
                    Err(_) => Ok(Arc::new(Int32Array::from_value(0, args.number_rows)) as ArrayRef),
                });
                let numbers = numbers.collect::<Result<Vec<_>>>()?;
                let number =
                    |at: usize, row: usize| numbers.get(at).map_or(0, |of| of.as_primitive::<Int32Type>().value(row));
                let comment = |row: usize| comments.get(&(number(0, row), number(1, row)));
                let told: StringArray = (0..args.number_rows).map(comment).collect();
                return Ok(ColumnarValue::Array(Arc::new(told)));
            }
        }))
    }
}

fn texts(value: &ColumnarValue, args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    value.cast_to(&DataType::Utf8, None)?.to_array(args.number_rows)
}

/// The row's object of JSON: of a value that is no number and no truth value, its text.
fn object(args: &ScalarFunctionArgs, parts: &[(ArrayRef, Option<ArrayRef>)], row: usize) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let value = |at: usize, values: &ArrayRef| {
        let type_of = args.args[2 * at + 1].data_type();
        let text = values.as_string::<i32>().value(row);
        match values.is_null(row) {
            true => "null".to_owned(),
            false if type_of.is_numeric() || type_of == DataType::Boolean => text.to_owned(),
            false => quoted(text),
        }
    };
    let pair = |(at, (name, values)): (usize, &(ArrayRef, Option<ArrayRef>))| {
        let value = values.as_ref().map_or("null".to_owned(), |values| value(at, values));
        format!("{} : {value}", quoted(name.as_string::<i32>().value(row)))
    };
    format!("{{{}}}", parts.iter().enumerate().map(pair).collect::<Vec<_>>().join(", "))
}
