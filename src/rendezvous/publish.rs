//! `POST /publish`: a peer says that it is here, or that it leaves.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};

use super::{App, Refusal, Visitor};
use crate::clock::{Moment, UnixMillis};
use crate::http::{Problem, body};
use crate::proto::board::{Message, Publication, Published};

/// Takes one message: 204, or why not.
pub(super) async fn publish(State(app): State<Arc<App>>, visitor: Visitor, request: Request) -> Result<StatusCode, Problem> {
    let counted = |problem: Problem| {
        app.metrics.refused(problem.status());
        problem
    };
    let published = take(&app, &visitor, request).await.map_err(counted)?;
    app.metrics.published(published);
    Ok(StatusCode::NO_CONTENT)
}

async fn take(app: &Arc<App>, visitor: &Visitor, request: Request) -> Result<Published, Problem> {
    app.admit_sender(visitor, Moment::now())?;
    if is_of_another_page(request.headers()) {
        return Err(Problem::forbidden("pages of other sites may not publish"));
    }
    if !body::is_json(request.headers()) {
        return Err(Problem::unsupported_media("the body must be application/json"));
    }
    let json = body::read(request.into_body(), app.settings().http.max_body.bytes()).await?;
    let mut message = Message::parse(&json).map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    let mut now = Moment::now();
    let signed = app.admit_message(visitor, &mut message, now)?;
    app.bind_token(visitor, message.presence.peer).await?;
    if let Some(signed) = &signed {
        now = app.sharing.agree(&signed.presence, signed.first, app.epoch, now).await?;
    }
    let (peer, unsigned) = (message.presence.peer, signed.is_none().then_some(visitor.address));
    let publication = Publication { message, signed: signed.is_some(), from: visitor.address, at: UnixMillis::now() };
    app.journal.heard(&publication);
    let published = visitor.board.publish(publication, now).map_err(Refusal::from)?;
    if !app.sharing.published(&visitor.board, peer, unsigned, published, now) {
        app.metrics.untold.inc();
    }
    Ok(published)
}

/// Whether a browser says that a page of another origin sends this; behind a proxy only the host can be compared.
fn is_of_another_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    named.is_none_or(|(_, host)| own != Some(host))
}
