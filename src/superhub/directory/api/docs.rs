//! The description of this API for programs (OpenAPI 3.1) and for people.
//!
//! The JSON is written by hand: it says more than a derived one could (limits, who may, what an answer means), needs no further library, and a
//! test holds it against the running server: every path, method, parameter and field.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::http::{Problem, assets, page};
use crate::superhub::App;

/// The description; the version is this program's.
static OPENAPI: LazyLock<Value> = LazyLock::new(|| {
    let mut openapi: Value = serde_json::from_str(include_str!("../../../../assets/openapi.json")).unwrap_or_default();
    openapi["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    openapi
});

#[derive(Template)]
#[template(path = "api.html")]
struct Page {
    root: String,
    title: String,
    description: String,
    operations: Vec<Operation>,
    fields: Vec<(String, String)>,
}

struct Operation {
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<(String, String)>,
    answers: Vec<(String, String)>,
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI.to_string()).into_response()
}

pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let fields = pairs(&OPENAPI["components"]["schemas"]["Listing"]["properties"]).map(|(name, field)| (name, text(&field["description"])));
    page::answer(&Page {
        root: app.root(),
        title: text(&OPENAPI["info"]["title"]),
        description: text(&OPENAPI["info"]["description"]),
        operations: pairs(&OPENAPI["paths"]).flat_map(|(path, methods)| operations(path, methods)).collect(),
        fields: fields.collect(),
    })
}

/// A file of our own pages.
pub(in crate::superhub) async fn asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    assets::respond(&name, &request)
}

fn operations(path: String, methods: &Value) -> impl Iterator<Item = Operation> {
    pairs(methods).filter(|(method, _)| method != "parameters").map(move |(method, operation)| {
        let both = methods["parameters"].as_array().into_iter().chain(operation["parameters"].as_array()).flatten();
        Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            parameters: both.map(|one| (text(&one["name"]), text(&one["description"]))).collect(),
            answers: pairs(&operation["responses"]).map(|(status, answer)| (status, text(&answer["description"]))).collect(),
        }
    })
}

/// What is said there; names stand in backticks, which mean something to programs that draw descriptions, and nothing here.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('`', "")
}

fn pairs(of: &Value) -> impl Iterator<Item = (String, &Value)> {
    of.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value))
}
