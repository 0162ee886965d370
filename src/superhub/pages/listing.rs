//! `/directory/{id}`: everything about one community, how to join it, and where somebody reports it.
//!
//! The page says `same-origin` as its referrer policy: under `no-referrer`, which our other pages have, a browser sends a form with the origin
//! `null`, which is everybody's.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::card::{Card, door};
use super::refusal;
use crate::clock::UnixMillis;
use crate::http::page::{self, Qr};
use crate::http::{Client, Problem, body};
use crate::superhub::App;
use crate::superhub::directory::api::{may_ask, rfc3339, shown, take_report};
use crate::superhub::directory::{Entry, MAX_CONTACT, MAX_WORDS, Reason, Report};

/// Longest report by the form, in bytes: its words, each character of which may be written in twelve.
const MAX_FORM: u64 = 16 * 1024;
/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Template)]
#[template(path = "directory_listing.html")]
struct Page {
    root: String,
    hub: String,
    description: String,
    canonical: String,
    card: Card,
    /// The link for everybody.
    link: String,
    qr: Option<Qr>,
    places: Vec<String>,
    door: Option<String>,
    server: Option<String>,
    since: String,
    changed: String,
    reasons: [(Reason, &'static str); 6],
    max_words: usize,
    max_contact: usize,
    /// Whether the visitor has just reported it.
    reported: bool,
}

/// What a form may have come back with.
#[derive(Deserialize)]
pub(super) struct Back {
    reported: Option<String>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Extension(Client(socket)): Extension<Client>,
    Path(id): Path<String>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        may_ask(&app, socket.ip(), &headers)?;
        let entry = shown(&app.directory, &id).await?;
        let page = Page::of(&app, &entry, &headers, back.reported.is_some());
        page::answer(&page.ok_or_else(|| Problem::not_found("there is no such community here"))?)
    };
    shown.await.unwrap_or_else(|problem| refusal(&app, problem, &headers))
}

impl Page {
    fn of(app: &App, entry: &Entry, headers: &HeaderMap, reported: bool) -> Option<Self> {
        let (root, origin, listing) = (app.root(), app.origin(headers), entry.record.listing()?);
        let card = Card::of(entry, &root, UnixMillis::now())?;
        let link = format!("{origin}/join#{}", card.at);
        let day = |at: UnixMillis| rfc3339(at).chars().take(10).collect();
        Some(Self {
            hub: app.name().to_owned(),
            description: if card.description.is_empty() { format!("{}: {}", card.name, card.rule) } else { card.description.clone() },
            canonical: format!("{origin}/directory/{}", card.id),
            qr: if origin.is_empty() { None } else { Qr::of(&link) },
            places: listing.endpoints.iter().map(|endpoint| endpoint.as_str().to_owned()).collect(),
            door: door(listing),
            server: listing.rendezvous_id.map(|peer| peer.to_base58()),
            since: day(entry.created),
            changed: day(entry.record.issued),
            reasons: Reason::ALL,
            max_words: MAX_WORDS,
            max_contact: MAX_CONTACT,
            reported,
            link,
            card,
            root,
        })
    }
}

/// `POST /directory/{id}/report`, the form.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Extension(Client(socket)): Extension<Client>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    take(&app, socket.ip(), &id, request).await.unwrap_or_else(|problem| refusal(&app, problem, &headers))
}

async fn take(app: &App, socket: IpAddr, id: &str, request: Request) -> Result<Response, Problem> {
    let (head, sent) = request.into_parts();
    let is_form = head.headers.get(header::CONTENT_TYPE).and_then(|mime| mime.to_str().ok()).is_some_and(|mime| mime.starts_with(FORM));
    if !is_form {
        return Err(Problem::unsupported_media(format!("the body must be {FORM}")));
    }
    let report = read(&body::read(sent, MAX_FORM).await?)?;
    let id = take_report(app, socket, &head.headers, id, report).await?;
    let back = HeaderValue::try_from(format!("{}/directory/{id}?reported=yes", app.root())).map_err(|_| Problem::internal())?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response())
}

/// What a form sent.
fn read(form: &[u8]) -> Result<Report, Problem> {
    let unreadable = || Problem::bad_request("a report has a reason");
    let uri: Uri = format!("/?{}", std::str::from_utf8(form).map_err(|_| unreadable())?).parse().map_err(|_| unreadable())?;
    Query::try_from_uri(&uri).map(|Query(report)| report).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_is_read_as_a_browser_sends_it() {
        let report = read(b"reason=spam&words=Buy+%26+sell%0D%0Aag%C3%A4in&contact=").unwrap();
        assert_eq!((report.reason, report.words.as_str(), report.contact.as_str()), (Reason::Spam, "Buy & sell\r\nagäin", ""));
        for bad in [&b""[..], b"reason=", b"reason=love", b"words=x", b"reason=spam&reason=spam", b"reason=spam&id=7", b"\xff"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_form_is_read_or_refused(form in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&form);
        }
    }
}
