//! A peer's site for browsers that find no names under `localhost` (Safari; THREATS 26): `http://localhost:PORT/apart/<key>/<peer id>/…`.
//!
//! The policy's `sandbox` takes the viewer's origin away from it: it has none, so it has no storage, reads nothing of ours, and the guard
//! would turn away whatever it asks for. Its own files come under a key of this site and this start of the program, which nobody else
//! knows; without an origin it cannot show otherwise that it may have them. What needs an origin (`fetch`, modules, fonts, storage) and
//! links that begin at the root do not work here.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use libp2p::PeerId;

use super::{App, api, site_origin};
use crate::http::{Problem, headers, origin};

/// Where it stands.
const PLACE: &str = "/apart/";

/// Whether a path of the viewer is one of a site.
pub(super) fn is_apart(path: &str) -> bool {
    path.starts_with(PLACE)
}

/// Where a peer's site stands, with a slash at the end.
pub(super) fn url(app: &App, peer: &PeerId) -> String {
    format!("{PLACE}{}/{peer}/", app.token.for_site(peer))
}

/// Files, and nothing else.
pub(super) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/apart/{key}/{id}/", get(index))
        .route("/apart/{key}/{id}/{*path}", get(file))
        .fallback(nothing)
        .layer(from_fn_with_state(app.clone(), isolate))
        .with_state(app)
}

async fn nothing(State(app): State<Arc<App>>, request: HeaderMap) -> Response {
    site_origin::page(&app, &Problem::not_found("there is nothing here"), &request)
}

async fn index(state: State<Arc<App>>, Path((key, id)): Path<(String, String)>, request: HeaderMap) -> Response {
    file(state, Path((key, id, String::new())), request).await
}

async fn file(State(app): State<Arc<App>>, Path((key, id, path)): Path<(String, String, String)>, request: HeaderMap) -> Response {
    let answer = match api::peer_id(&id) {
        Ok(peer) if origin::same_secret(key.as_bytes(), app.token.for_site(&peer).as_bytes()) => {
            match site_origin::answer(&app, peer, &format!("/{path}"), &request).await {
                Err(problem) if site_origin::is_nothing_yet(&path, &problem) => Ok(site_origin::nothing_yet(&app, peer, &request).await),
                answer => answer,
            }
        }
        _ => Err(Problem::not_found("this address is of an earlier start of goop")),
    };
    answer.unwrap_or_else(|problem| site_origin::page(&app, &problem, &request))
}

async fn isolate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let place = place(request.uri().path());
    let is_worker = request.headers().contains_key(HeaderName::from_static("service-worker"));
    let mut response = if is_worker {
        site_origin::page(&app, &Problem::forbidden("sites of peers have no service workers"), request.headers())
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers::secure(headers, policy(&app, &place));
    // What has no origin counts as another one everywhere.
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The part of a path that is the site's; nothing of it may end a directive.
fn place(path: &str) -> String {
    let place: String = path.split_inclusive('/').take(4).collect();
    if place.chars().all(|c| c.is_ascii_alphanumeric() || c == '/') { place } else { PLACE.into() }
}

/// It may load what stands under its own key; `'self'` would be all of the viewer.
fn policy(app: &App, place: &str) -> HeaderValue {
    let own: Vec<_> = app.hosts.frames().split(' ').map(|origin| format!("{origin}{place}")).collect();
    let (own, frames) = (own.join(" "), app.hosts.frames());
    let policy = format!(
        "sandbox allow-scripts allow-forms allow-downloads; default-src 'none'; script-src {own} 'unsafe-inline'; \
         style-src {own} 'unsafe-inline'; img-src {own} data: blob:; media-src {own} blob:; font-src data:; form-action 'none'; \
         base-uri 'none'; webrtc 'block'; frame-ancestors {frames}"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("sandbox; default-src 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_write_the_policy() {
        assert_eq!(place("/apart/0123/12D3Koo/a/b.html"), "/apart/0123/12D3Koo/");
        for odd in ["/apart/0;script-src%20*/12D3/", "/apart/0 'unsafe-eval'/x/", "/apart/a,b/c/"] {
            assert_eq!(place(odd), PLACE, "{odd}");
        }
    }
}
