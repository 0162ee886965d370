//! The URL table. Every board has the same endpoints; which board is meant was taken off the path before ([`Base`]).

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use tower::{Service, service_fn};

use super::base::Base;
use super::{App, admin, communities, health, pages, publish, relay, subscribe, wellknown};
use crate::http::headers::dressed;
use crate::http::{Answers, Problem, error};

/// Everything the server answers.
pub(super) fn answers(app: Arc<App>) -> impl Answers {
    let table = table().merge(admin::routes(&app)).with_state(app.clone());
    service_fn(move |request: Request| enter(app.clone(), table.clone(), request))
}

fn table() -> Router<Arc<App>> {
    Router::new()
        .route("/publish", post(publish::publish))
        .route("/events", get(subscribe::lines))
        .route("/api/v1/events", get(subscribe::changes))
        .route("/join", post(communities::join::join).get(pages::join::show))
        .route("/relay", get(relay::show))
        .route("/.well-known/goop", get(wellknown::describe))
        .merge(health::routes())
        .merge(pages::routes())
        .fallback(async || Problem::not_found("there is nothing here"))
}

/// Takes a request to its board, or says where that has gone. What a browser is told with an answer needs no telling where there is
/// nothing to show.
async fn enter(app: Arc<App>, mut table: Router, request: Request) -> Result<Response, Infallible> {
    let request = Base::take_off(request);
    let response = match app.redirect(&request) {
        Some(elsewhere) => elsewhere,
        None => table.call(request).await?,
    };
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(response);
    }
    Ok(dressed(error::as_problem(response).await))
}
