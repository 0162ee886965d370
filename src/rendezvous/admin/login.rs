//! How a person comes in: a form for whoever visits `/admin` with a browser, or the browser's own dialog at `/admin?login=basic`, which
//! needs no script. Programs are asked for Basic, as goop2's pollers expect.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::clock::Moment;
use crate::http::auth::{Denied, basic};
use crate::http::page::{self, span};
use crate::http::{Client, Problem, body};
use crate::rendezvous::App;

/// Longest login, in bytes.
const MAX_LOGIN: u64 = 4096;

#[derive(Template)]
#[template(path = "admin_login.html")]
struct Page {
    root: String,
    /// What stands in the way; empty where it is the password alone.
    obstacle: String,
    form: bool,
}

/// What the form sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    password: String,
}

/// `POST /api/v1/admin/session`: 204 with the cookie of a session; 403 where the password is wrong, since 401 would have the browser ask
/// beside our form.
pub(super) async fn begin(State(app): State<Arc<App>>, request: Request) -> Result<Response, Response> {
    let (head, sent) = request.into_parts();
    let Some(Client(socket)) = head.extensions.get::<Client>().copied() else { return Err(Problem::internal().into_response()) };
    let client = app.settings().proxies.client(socket.ip(), &head.headers);
    if !body::is_json(&head.headers) {
        return Err(Problem::unsupported_media("the body must be application/json").into_response());
    }
    let bytes = body::read(sent, MAX_LOGIN).await.map_err(IntoResponse::into_response)?;
    let login: Login = serde_json::from_slice(&bytes).map_err(|_| Problem::bad_request("\"password\" is missing").into_response())?;
    match app.door.log_in(&head, &login.password, client, Moment::now()).await {
        Ok(cookie) => Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()),
        Err(Denied::Unknown { .. }) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "wrong-password", "this is not the operator's password").into_response())
        }
        Err(denied) => Err(denied.into_response()),
    }
}

/// Whether a person visits the page and may be shown a form: a browser asks, and does not log in by Basic.
pub(super) fn is_visit(head: &Parts) -> bool {
    let by_basic = head.headers.contains_key(header::AUTHORIZATION) || head.uri.query() == Some("login=basic");
    head.uri.path() == "/admin" && page::is_wanted(&head.headers) && !by_basic
}

/// The page for whoever is not let in.
pub(super) fn page(app: &App, denied: Denied) -> Response {
    let (obstacle, form) = match &denied {
        Denied::Unknown { .. } => (String::new(), true),
        Denied::TooOften(after) => (format!("Too many wrong passwords came from your address. Try again in {}.", span(*after)), true),
        Denied::Shut => ("No password is set, so nobody comes in here.".into(), false),
        _ => ("The server cannot let you in at the moment.".into(), true),
    };
    let page = Page { root: app.root(), obstacle, form };
    let mut answer = page::instead(denied.into_response(), &page);
    // The browser's own dialog would come before the form.
    if let header::Entry::Occupied(challenges) = answer.headers_mut().entry(header::WWW_AUTHENTICATE) {
        let others: Vec<_> = challenges.iter().filter(|line| *line != basic::CHALLENGE).cloned().collect();
        challenges.remove_entry_mult();
        others.into_iter().for_each(|line| {
            answer.headers_mut().append(header::WWW_AUTHENTICATE, line);
        });
    }
    answer
}
