//! `avatar`: the owner's own picture, at most [`MAX_OWN_AVATAR`] bytes of PNG, JPEG, GIF or WebP. A goop2 peer folder has one
//! already, which stands as long as there is no other, and is never written.

use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::peers::picture;
use crate::config::files::{read_bounded, write_private_atomically};
use crate::http::{Problem, body, media};
use crate::viewer::{App, MAX_OWN_AVATAR, Options, failure};

/// `GET avatar`.
pub(super) async fn read(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let bytes = on_disk(&app, current).await?;
    picture(bytes.ok_or_else(|| Problem::not_found("there is no avatar"))?)
}

/// `PUT avatar`: the picture itself is the body, whatever type it claims. 204 once it is on the disk and announced.
pub(super) async fn write(State(app): State<Arc<App>>, body: Body) -> Result<StatusCode, Problem> {
    let bytes = body::read(body, MAX_OWN_AVATAR).await?;
    if media::bitmap(&bytes).is_none() {
        return Err(Problem::unsupported_media("an avatar is a PNG, JPEG, GIF or WebP"));
    }
    let _one_at_a_time = app.avatar_changes.lock().await;
    let content = bytes.clone();
    on_disk(&app, move |options| write_private_atomically(&options.avatar, &content)).await?;
    app.peer.avatar_changed(Some(bytes)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE avatar`: 204, whether there was one or not; what is announced then is the inherited one, or none.
pub(super) async fn remove(State(app): State<Arc<App>>) -> Result<StatusCode, Problem> {
    let _one_at_a_time = app.avatar_changes.lock().await;
    let left = on_disk(&app, |options| {
        absent_is_none(fs::remove_file(&options.avatar))?;
        Ok(current(options).unwrap_or_default())
    });
    app.peer.avatar_changed(left.await?).await;
    Ok(StatusCode::NO_CONTENT)
}

/// One's own picture, or else the inherited one.
fn current(options: &Options) -> io::Result<Option<Bytes>> {
    for path in [Some(&options.avatar), options.inherited_avatar.as_ref()].into_iter().flatten() {
        if let Some(bytes) = absent_is_none(read_bounded(path, MAX_OWN_AVATAR))? {
            return Ok(Some(bytes.into()));
        }
    }
    Ok(None)
}

fn absent_is_none<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

async fn on_disk<T: Send + 'static>(app: &Arc<App>, work: impl FnOnce(&Options) -> io::Result<T> + Send + 'static) -> Result<T, Problem> {
    let app = app.clone();
    let done = spawn_blocking(move || work(&app.options)).await.map_err(io::Error::other);
    done.flatten().map_err(|cause| failure::of_disk(&cause))
}
