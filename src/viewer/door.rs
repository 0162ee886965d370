//! What every request passes first: its `Host` says which world it is for, the guard whether it may enter, and every answer
//! leaves with the security headers and in the one error format.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::hosts::Place;
use super::site_origin::SiteOf;
use super::{App, apart, api, guard, pages, site_origin};
use crate::http::headers::dressed;
use crate::http::{Problem, error, origin};

/// Everything the viewer answers.
pub(super) fn router(app: Arc<App>) -> Router {
    let worlds = Worlds { viewer: viewer(app.clone()), sites: site_origin::routes(app.clone()), apart: apart::routes(app.clone()), app };
    Router::new().fallback(move |request: Request| worlds.clone().enter(request))
}

fn viewer(app: Arc<App>) -> Router {
    let routes = pages::routes().nest("/api/v1", api::routes());
    routes.fallback(async || Problem::not_found("there is nothing here")).with_state(app)
}

#[derive(Clone)]
struct Worlds {
    app: Arc<App>,
    viewer: Router,
    sites: Router,
    apart: Router,
}

impl Worlds {
    async fn enter(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        if parts.method != Method::GET {
            // Other methods know no ranges (RFC 9110 §14.2).
            parts.headers.remove(header::RANGE);
        }
        match origin::host(&parts).and_then(|host| self.app.hosts.place(host)) {
            None => dressed(Problem::misdirected().into_response()),
            Some(Place::Viewer(_)) if apart::is_apart(parts.uri.path()) => {
                let Ok(response) = self.apart.oneshot(Request::from_parts(parts, body)).await;
                response
            }
            Some(Place::Viewer(own)) => match guard::admit(&parts, &own, &self.app.token) {
                Ok(()) => {
                    let Ok(response) = self.viewer.oneshot(Request::from_parts(parts, body)).await;
                    dressed(error::as_problem(response).await)
                }
                Err(refused) => dressed(refused.into_response()),
            },
            Some(Place::Site(peer)) => {
                let mut request = Request::from_parts(parts, body);
                request.extensions_mut().insert(SiteOf(peer));
                let Ok(response) = self.sites.oneshot(request).await;
                response
            }
        }
    }
}
