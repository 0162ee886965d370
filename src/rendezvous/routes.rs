//! The URL table. Every board has the same endpoints; which board is meant was taken off the path before ([`Base`]).

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use tower::ServiceExt;

use super::base::Base;
use super::{App, admin, communities, health, pages, publish, subscribe, wellknown};
use crate::http::{Problem, error, headers};

/// Everything the server answers.
pub(super) fn router(app: Arc<App>) -> Router {
    let inner = table().merge(admin::routes(&app)).with_state(app);
    Router::new().fallback(move |request: Request| enter(inner.clone(), request))
}

fn table() -> Router<Arc<App>> {
    Router::new()
        .route("/publish", post(publish::publish))
        .route("/events", get(subscribe::lines))
        .route("/api/v1/events", get(subscribe::changes))
        .route("/join", post(communities::join).get(pages::join::show))
        .route("/.well-known/goop", get(wellknown::describe))
        .merge(health::routes())
        .merge(pages::routes())
        .fallback(async || Problem::not_found("there is nothing here"))
}

async fn enter(inner: Router, request: Request) -> Response {
    let Ok(response) = inner.oneshot(Base::take_off(request)).await;
    let mut response = error::as_problem(response).await;
    let answer = response.headers_mut();
    let csp = answer.remove(header::CONTENT_SECURITY_POLICY).unwrap_or(HeaderValue::from_static(headers::OWN_PAGE));
    headers::secure(answer, csp);
    answer.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
