//! How somebody joins a community: with an invitation, or by asking its operator.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use libp2p::PeerId;
use serde::Deserialize;
use serde_json::json;

use crate::clock::{Moment, UnixMillis};
use crate::http::client_ip::host_key;
use crate::http::{Client, Problem, body, origin};
use crate::identity::peer_id_from_text;
use crate::proto::community::Kind;
use crate::proto::invite::Token;
use crate::rendezvous::base::Base;
use crate::rendezvous::store::Applicant;
use crate::rendezvous::{App, Refusal, StoreError, locked};

/// Longest application, in characters.
const MAX_MESSAGE: usize = 1000;

/// What somebody who wants in says: an invitation, the ticket of an application, or neither, which is an application.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    invite: Option<String>,
    ticket: Option<String>,
    peer_id: Option<String>,
    #[serde(default)]
    message: String,
}

/// `POST /c/{slug}/join`: a personal base URL for an invitation; a ticket for an application.
pub(in crate::rendezvous) async fn join(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    let socket = parts.extensions.get::<Client>().ok_or_else(Problem::internal)?.0.ip();
    let address = app.settings().proxies.client(socket, &parts.headers);
    locked(&app.publish_limit).address(address, Moment::now())?;
    if !body::is_json(&parts.headers) {
        return Err(Problem::unsupported_media("the body must be application/json"));
    }
    let bytes = body::read(sent, app.settings().http.max_body.bytes()).await?;
    let wish: Wish = serde_json::from_slice(&bytes).map_err(|wrong| Problem::bad_request(format!("not the JSON expected: {wrong}")))?;
    let slug = parts.extensions.get::<Base>().and_then(|base| base.slug.clone()).ok_or(Refusal::NoSuchBoard)?;
    let peer = wish.peer_id.as_deref().map(peer_id_from_text).transpose().map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    if app.store.register().ban(Some(&slug), peer.as_ref(), host_key(address), UnixMillis::now()).is_some() {
        return Err(Problem::forbidden("you are kept out of here"));
    }
    let origin = app.origin(&parts.headers);
    app.at_store(move |app| app.let_in(&slug, &wish, (peer, address), &origin)).await?
}

impl App {
    /// What stands before a path in a URL of this server: as configured, or as the client asked.
    pub(in crate::rendezvous) fn origin(&self, headers: &HeaderMap) -> String {
        origin::of_urls(self.settings().http.external_url.as_ref(), headers)
    }

    fn let_in(&self, slug: &str, wish: &Wish, (peer, from): (Option<PeerId>, IpAddr), origin: &str) -> Result<Response, Problem> {
        let register = self.store.register();
        let kind = register.community(slug).filter(|_| register.moved(Some(slug)).is_none()).map(|community| community.kind);
        let (token, now) = (Token::new(rand::random()), UnixMillis::now());
        let url = || json!({ "community": slug, "url": format!("{origin}/c/{slug}/m/{}/", token.reveal()) });
        match (kind, &wish.invite, &wish.ticket) {
            (Some(Kind::Open), _, _) => Ok(Json(json!({ "community": slug, "url": format!("{origin}/c/{slug}/") })).into_response()),
            (Some(_), Some(invite), _) => {
                // A community that does not exist and an invitation that does not count sound the same.
                let redeemed = self.store.redeem(slug, &Token::shown(invite), &token, peer, now);
                redeemed.map(|_| Json(url()).into_response()).map_err(|error| match error {
                    StoreError::Nothing | StoreError::Invite(_) => no_such_invitation(),
                    other => other.into(),
                })
            }
            (Some(Kind::Application), None, Some(ticket)) => {
                let application = self.store.collect(slug, &Token::shown(ticket), &token, now)?;
                match application.state.as_str() {
                    "approved" => Ok(Json(url()).into_response()),
                    "asked" => Ok((StatusCode::ACCEPTED, Json(json!({ "state": "asked" }))).into_response()),
                    _ => Err(Problem::forbidden("this application was declined, or its URL was handed out already")),
                }
            }
            (Some(Kind::Application), None, None) => {
                let message: String = wish.message.chars().take(MAX_MESSAGE).collect();
                self.store.apply(slug, &token, &Applicant { peer, message: &message, from }, now)?;
                let ticket = json!({ "state": "asked", "ticket": token.reveal() });
                Ok((StatusCode::ACCEPTED, Json(ticket)).into_response())
            }
            (None, Some(invite), _) => {
                self.store.look_in_vain(slug, &Token::shown(invite));
                Err(no_such_invitation())
            }
            _ => Err(no_such_invitation()),
        }
    }
}

fn no_such_invitation() -> Problem {
    Problem::forbidden("there is no such community, or this invitation to it does not count")
}
