//! `/api/v1/admin/…`: JSON in, JSON out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{Moment, UnixMillis};
use crate::http::client_ip::host_key;
use crate::http::page::Qr;
use crate::http::{Problem, body, origin};
use crate::identity::peer_id_from_text;
use crate::proto::community::{Ban, Community, Kind, MAX_NAME, Slug};
use crate::proto::invite::{Invitation, MAX_USES, Token};
use crate::proto::presence::label;
use crate::rendezvous::{App, Store, StoreError};

/// Most characters of a note or a reason.
const MAX_NOTE: usize = 200;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<App>>;

/// A new community.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBoard {
    slug: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
}

/// Where a board went.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlace {
    to: String,
}

/// What changes about a community.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Amendment {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
}

/// A new invitation: for one use and for ever, unless it says otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvitation {
    slug: Option<String>,
    uses: Option<u32>,
    expires_seconds: Option<u64>,
    #[serde(default)]
    note: String,
}

/// A new ban: of a peer, an address, both, or a whole community.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBan {
    peer_id: Option<String>,
    address: Option<IpAddr>,
    slug: Option<String>,
    #[serde(default)]
    reason: String,
    seconds: Option<u64>,
}

/// Does something with the store away from the threads that serve, and lets it count.
async fn store<T: Send + 'static>(app: Arc<App>, act: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static) -> Result<T, Problem> {
    let acted = tokio::task::spawn_blocking(move || {
        let answer = act(&app.store)?;
        app.let_doors_count(Moment::now());
        Ok(answer)
    });
    acted.await.map_err(|_| Problem::internal())?.map_err(|error: StoreError| error.into())
}

async fn done(app: Arc<App>, act: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static) -> Answer {
    store(app, act).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list<T: Serialize + Send + 'static>(
    app: Arc<App>,
    name: &'static str,
    of: impl FnOnce(&Store) -> Result<Vec<T>, StoreError> + Send + 'static,
) -> Answer {
    let all = tokio::task::spawn_blocking(move || of(&app.store)).await.map_err(|_| Problem::internal())??;
    Ok(Json(HashMap::from([(name, all)])).into_response())
}

fn line(text: &str, most: usize) -> String {
    label::clean(text, most)
}

fn after(seconds: Option<u64>) -> Option<UnixMillis> {
    seconds.map(|seconds| UnixMillis(UnixMillis::now().0.saturating_add(seconds.saturating_mul(1000))))
}

fn board_json(app: &App, slug: Option<&str>) -> Value {
    let counts = app.boards.get(slug).map(|board| (board.read(|board| board.rows().len()), board.readers()));
    let (peers, readers) = counts.unwrap_or_default();
    let register = app.store.register();
    let community = slug.and_then(|slug| register.community(slug));
    json!({
        "slug": slug,
        "name": community.map(|community| community.name.as_str()),
        "type": community.map_or("open", |community| community.kind.word()),
        "created": community.map(|community| community.created),
        "peers": peers,
        "readers": readers,
        "moved_to": register.moved(slug),
        "members": slug.map_or(0, |slug| register.members_of(slug)),
    })
}

/// Every board, the open one first.
pub(super) fn all_boards(app: &App) -> Vec<Value> {
    let mut slugs: Vec<Option<String>> = app.boards.all().iter().map(|board| board.slug().map(str::to_owned)).collect();
    slugs.sort();
    slugs.iter().map(|slug| board_json(app, slug.as_deref())).collect()
}

pub(super) async fn stats(State(app): Shared) -> Json<Value> {
    let boards = all_boards(&app);
    let sum = |key: &str| boards.iter().filter_map(|board| board[key].as_u64()).sum::<u64>();
    Json(json!({
        "peer_id": app.server.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": Moment::now().since(Moment::START).as_secs(),
        "standby": app.standby.load(Ordering::Relaxed),
        "peers": sum("peers"),
        "readers": sum("readers"),
        "streams": app.streams.taken(),
        "communities": boards.len() - 1,
    }))
}

pub(super) async fn boards(State(app): Shared) -> Json<Value> {
    Json(json!({ "boards": all_boards(&app) }))
}

pub(super) async fn found(State(app): Shared, body::Json(new): body::Json<NewBoard>) -> Answer {
    let slug = Slug::parse(&new.slug).map_err(|wrong| Problem::bad_request(wrong.to_string()))?.to_string();
    let name = Some(line(&new.name, MAX_NAME)).filter(|name| !name.is_empty()).unwrap_or_else(|| slug.clone());
    let community = Community { slug: slug.clone(), name, kind: new.kind, created: UnixMillis::now() };
    store(app.clone(), move |store| store.found(&community)).await?;
    if app.boards.get(Some(&slug)).is_none() {
        store(app, move |store| store.end(&slug)).await?;
        return Err(StoreError::TooMany.into());
    }
    app.journal.note(format!("The operator founded the community {slug}"));
    Ok((StatusCode::CREATED, Json(board_json(&app, Some(&slug)))).into_response())
}

pub(super) async fn amend(State(app): Shared, Path(slug): Path<String>, body::Json(new): body::Json<Amendment>) -> Answer {
    let register = app.store.register();
    let Some(old) = register.community(&slug) else { return Err(StoreError::Nothing.into()) };
    let name = new.name.map(|name| line(&name, MAX_NAME)).filter(|name| !name.is_empty()).unwrap_or_else(|| old.name.clone());
    let (kind, named) = (new.kind.unwrap_or(old.kind), slug.clone());
    store(app.clone(), move |store| store.amend(&named, &name, kind)).await?;
    app.journal.note(format!("The operator changed the community {slug}"));
    Ok(Json(board_json(&app, Some(&slug))).into_response())
}

pub(super) async fn end(State(app): Shared, Path(slug): Path<String>) -> Answer {
    app.journal.note(format!("The operator ended the community {slug}"));
    done(app, move |store| store.end(&slug)).await
}

pub(super) async fn move_board(
    State(app): Shared,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body::Json(place): body::Json<NewPlace>,
) -> Answer {
    go(app, Some(slug), &place, &headers).await
}

pub(super) async fn move_open(State(app): Shared, headers: HeaderMap, body::Json(place): body::Json<NewPlace>) -> Answer {
    go(app, None, &place, &headers).await
}

async fn go(app: Arc<App>, slug: Option<String>, NewPlace { to }: &NewPlace, headers: &HeaderMap) -> Answer {
    let place = app.new_place(slug.as_deref(), to, origin::only(headers, &header::HOST))?;
    app.journal.note(format!("The operator moved {} to {place}", slug.as_deref().unwrap_or("the open board")));
    done(app, move |store| store.move_to(slug.as_deref(), &place, UnixMillis::now())).await
}

pub(super) async fn move_board_back(State(app): Shared, Path(slug): Path<String>) -> Answer {
    done(app, move |store| store.move_back(Some(&slug))).await
}

pub(super) async fn move_open_back(State(app): Shared) -> Answer {
    done(app, |store| store.move_back(None)).await
}

pub(super) async fn invitations(State(app): Shared) -> Answer {
    list(app, "invitations", Store::invitations).await
}

pub(super) async fn invite(State(app): Shared, headers: HeaderMap, body::Json(new): body::Json<NewInvitation>) -> Answer {
    let slug = new.slug.clone().ok_or_else(|| Problem::bad_request("\"slug\" names the community"))?;
    issue(app, &headers, slug, new).await
}

pub(super) async fn invite_to(
    State(app): Shared,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body::Json(new): body::Json<NewInvitation>,
) -> Answer {
    issue(app, &headers, slug, new).await
}

async fn issue(app: Arc<App>, headers: &HeaderMap, slug: String, new: NewInvitation) -> Answer {
    let uses = new.uses.unwrap_or(1);
    if !(1..=MAX_USES).contains(&uses) {
        return Err(Problem::bad_request(format!("\"uses\" is from 1 to {MAX_USES}")));
    }
    match app.store.register().community(&slug) {
        None => return Err(Problem::not_found("there is no such community")),
        Some(community) if community.kind == Kind::Open => return Err(Problem::bad_request("an open community needs no invitation")),
        Some(_) => {}
    }
    let token = Token::new(rand::random());
    let invitation = Invitation { id: 0, slug, uses, ends: after(new.expires_seconds), note: line(&new.note, MAX_NOTE), revoked: false };
    let (kept, shown) = (invitation.clone(), token.clone());
    let id = store(app.clone(), move |store| store.invite(&kept, &shown)).await?;
    let join = format!("{}/c/{}/join", app.origin(headers), invitation.slug);
    // What stands behind the # is not sent to any server, so it is in no log.
    let link = format!("{join}#{}", token.reveal());
    let answer = json!({
        "id": id, "slug": invitation.slug, "invite": token.reveal(), "uses": uses, "ends": invitation.ends, "join": join,
        "qr": Qr::of(&link), "link": link,
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

pub(super) async fn revoke_invitation(State(app): Shared, Path(id): Path<i64>) -> Answer {
    done(app, move |store| store.revoke_invitation(id)).await
}

pub(super) async fn members(State(app): Shared) -> Answer {
    list(app, "members", Store::members).await
}

pub(super) async fn revoke_member(State(app): Shared, Path(id): Path<i64>) -> Answer {
    done(app, move |store| store.revoke_member(id)).await
}

pub(super) async fn applications(State(app): Shared) -> Answer {
    list(app, "applications", Store::applications).await
}

pub(super) async fn approve(State(app): Shared, Path(id): Path<i64>) -> Answer {
    done(app, move |store| store.decide(id, true)).await
}

pub(super) async fn decline(State(app): Shared, Path(id): Path<i64>) -> Answer {
    done(app, move |store| store.decide(id, false)).await
}

pub(super) async fn bans(State(app): Shared) -> Answer {
    list(app, "bans", Store::bans).await
}

pub(super) async fn ban(State(app): Shared, body::Json(new): body::Json<NewBan>) -> Answer {
    let peer = new.peer_id.as_deref().map(peer_id_from_text).transpose().map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    if peer.is_none() && new.address.is_none() && new.slug.is_none() {
        return Err(Problem::bad_request("a ban names a \"peer_id\", an \"address\" or a community's \"slug\""));
    }
    if let Some(slug) = &new.slug
        && app.store.register().community(slug).is_none()
    {
        return Err(Problem::not_found("there is no such community"));
    }
    let (reason, since, ends) = (line(&new.reason, MAX_NOTE), UnixMillis::now(), after(new.seconds));
    let mut ban = Ban { id: 0, slug: new.slug, peer, address: new.address.map(host_key), reason, since, ends };
    let kept = ban.clone();
    ban.id = store(app.clone(), move |store| store.ban(&kept)).await?;
    app.journal.note(format!("The operator set ban {}: {}", ban.id, ban.reason));
    Ok((StatusCode::CREATED, Json(ban)).into_response())
}

pub(super) async fn unban(State(app): Shared, Path(id): Path<i64>) -> Answer {
    done(app, move |store| store.unban(id)).await
}

pub(super) async fn standby(State(app): Shared) -> Answer {
    stand_by(app, true, "The operator put this server on standby").await
}

pub(super) async fn resume(State(app): Shared) -> Answer {
    stand_by(app, false, "The operator resumed this server").await
}

/// All instances of a server stand by together; one alone does so whatever its database says.
async fn stand_by(app: Arc<App>, standby: bool, noted: &str) -> Answer {
    app.journal.note(noted);
    app.standby.store(standby, Ordering::Relaxed);
    if app.sharing.is_shared() {
        return done(app, move |store| store.set_standby(standby)).await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends the session of this browser.
pub(super) async fn leave(State(app): Shared, headers: HeaderMap) -> Response {
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, app.door.end_session(&headers))]).into_response()
}
