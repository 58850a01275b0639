//! Describes what can be asked over HTTP, in OpenAPI's words, from the list by which requests are routed.

use console::{Needs, OPERATIONS, Operation};
use serde_json::{Map, Value, json};

/// The description.
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        methods[operation.method] = described(&operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Truestream", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
    })
}

fn described(operation: &Operation) -> Value {
    let Operation { about, needs, parameters, body, answer, status, .. } = operation;
    let content = |types: &[&str]| types.iter().map(|name| ((*name).to_owned(), json!({}))).collect::<Map<_, _>>();
    let parameters = parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.is_required,
            "description": parameter.about,
            "schema": { "type": "string" },
        })
    });
    let responses = status.iter().map(|(status, when)| {
        let types: &[&str] = if *status == 200 { answer } else { &["application/json"] };
        (status.to_string(), json!({ "description": when, "content": content(types) }))
    });
    let may = match needs {
        Needs::Nothing => "Needs no token.".to_owned(),
        Needs::Role(deed) => format!("For roles that may {}.", deed.in_words()),
        Needs::ThatOfTheName => "For roles that may do what the name asks for.".to_owned(),
    };
    let mut described = json!({
        "summary": about,
        "description": may,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses.collect::<Map<_, _>>(),
        "security": if *needs == Needs::Nothing { json!([]) } else { json!([{ "token": [] }]) },
    });
    if !body.is_empty() {
        described["requestBody"] = json!({ "required": true, "content": content(body) });
    }
    described
}
