//! `POST /api/v1/communities/import`: many listings at once, one JSON object a line (`application/x-ndjson`).

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Draft, Who};
use crate::http::{Problem, body};
use crate::proto::directory::target::Trust;
use crate::proto::directory::{Listing, ListingId};
use crate::superhub::App;
use crate::superhub::directory::Desk;

/// Longest body, in bytes: about ten thousand listings.
const MAX_IMPORT: u64 = 4 << 20;
/// Listings of one transaction; each is acknowledged with those before it.
const CHUNK: usize = 256;
/// Refused lines that are told.
const MAX_REFUSED: usize = 100;

/// Lists what can be listed, and says of the other lines what is wrong with them.
pub(super) async fn import(State(app): State<Arc<App>>, Extension(who): Extension<Who>, request: Request) -> Result<Response, Problem> {
    if !body::is_ndjson(request.headers()) {
        return Err(Problem::unsupported_media("the body must be application/x-ndjson: one JSON object a line"));
    }
    let bytes = body::read(request.into_body(), MAX_IMPORT).await?;
    let (mut listings, mut refused, mut refusals) = (Vec::new(), Vec::new(), 0);
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
        match read(&app, line) {
            Ok(listing) => listings.push(listing),
            Err(why) => {
                refusals += 1;
                refused.extend((refused.len() < MAX_REFUSED).then(|| json!({ "line": number + 1, "detail": why })));
            }
        }
    }
    let mut ids: Vec<ListingId> = Vec::with_capacity(listings.len());
    let mut listings = listings.into_iter();
    loop {
        let chunk: Vec<Listing> = listings.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        let name = who.name();
        let list = move |desk: &mut Desk<'_>| {
            chunk.into_iter().map(|one| desk.list(one, Trust::Operator, &name).map(|listed| listed.id)).collect()
        };
        let listed: Result<Vec<ListingId>, _> = app.directory.change(CHUNK as u64, list).await;
        ids.extend(listed.map_err(|error| Problem::from(error).member("listed", ids.len() as u64))?);
    }
    let answer = json!({ "listed": ids.len(), "ids": ids, "refused": refusals, "refusals": refused });
    Ok((StatusCode::OK, Json(answer)).into_response())
}

fn read(app: &App, line: &[u8]) -> Result<Listing, String> {
    let draft: Draft = serde_json::from_slice(line).map_err(|wrong| wrong.to_string())?;
    super::listings::ours(app, &draft).map_err(|problem| problem.detail().to_owned())?;
    draft.listing().map_err(|wrong| wrong.to_string())
}
