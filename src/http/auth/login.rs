//! How a person comes in at an operator's page: by a form for whoever visits it with a browser, or by the browser's own dialog at
//! `?login=basic`, which needs no script. Programs are asked for Basic, as goop2's pollers expect.

use std::net::IpAddr;

use askama::Template;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{AdminDoor, Denied, Operator, basic};
use crate::clock::Moment;
use crate::http::page::{self, span};
use crate::http::{Problem, body};

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

/// The answer to `POST /api/v1/admin/session`: 204 with the cookie of a session; 403 where the password is wrong, since 401 would have the
/// browser ask beside our form. `client` is the address that failures are counted against.
///
/// # Errors
/// The answer to whoever is not let in.
pub async fn begin(door: &AdminDoor, client: IpAddr, request: Request) -> Result<Response, Response> {
    let (head, sent) = request.into_parts();
    if !body::is_json(&head.headers) {
        return Err(Problem::unsupported_media("the body must be application/json").into_response());
    }
    let bytes = body::read(sent, MAX_LOGIN).await.map_err(IntoResponse::into_response)?;
    let login: Login = serde_json::from_slice(&bytes).map_err(|_| Problem::bad_request("\"password\" is missing").into_response())?;
    match door.log_in(&head, &login.password, client, Moment::now()).await {
        Ok(cookie) => Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()),
        Err(Denied::Unknown { .. }) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "wrong-password", "this is not the operator's password").into_response())
        }
        Err(denied) => Err(denied.into_response()),
    }
}

/// Whether a person visits a page and may be shown a form: a browser asks, and does not log in by Basic.
pub fn is_visit(head: &Parts) -> bool {
    let by_basic = head.headers.contains_key(header::AUTHORIZATION) || head.uri.query() == Some("login=basic");
    page::is_wanted(&head.headers) && !by_basic
}

/// Whoever came in by a password at a page has a session from now on.
pub fn remember(door: &AdminDoor, operator: &Operator, response: &mut Response) {
    if *operator == Operator::Password {
        response.headers_mut().append(header::SET_COOKIE, door.begin_session(Moment::now()));
    }
}

/// The page for whoever is not let in; `root` is the path under which a proxy has put the server.
pub fn page(root: String, denied: Denied) -> Response {
    let (obstacle, form) = match &denied {
        Denied::Unknown { .. } => (String::new(), true),
        Denied::TooOften(after) => (format!("Too many wrong passwords came from your address. Try again in {}.", span(*after)), true),
        Denied::Shut => ("No password is set, so nobody comes in here.".into(), false),
        _ => ("The server cannot let you in at the moment.".into(), true),
    };
    let page = Page { root, obstacle, form };
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
