//! `avatar`: the owner's own picture, at most [`MAX_OWN_AVATAR`] bytes of PNG, JPEG, GIF or WebP.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::peers::picture;
use crate::http::{Problem, body, media};
use crate::viewer::{App, MAX_OWN_AVATAR, failure};

/// `GET avatar`.
pub(super) async fn read(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let path = app.options.avatar.clone();
    match on_disk(move || bounded(&path)).await {
        Ok(bytes) => picture(bytes),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(Problem::not_found("there is no avatar")),
        Err(cause) => Err(failure::of_disk(&cause)),
    }
}

/// `PUT avatar`: the picture itself is the body, whatever type it claims. 204 once it is on the disk and announced.
pub(super) async fn write(State(app): State<Arc<App>>, body: Body) -> Result<StatusCode, Problem> {
    let bytes = body::read(body, MAX_OWN_AVATAR).await?;
    if media::bitmap(&bytes).is_none() {
        return Err(Problem::unsupported_media("an avatar is a PNG, JPEG, GIF or WebP"));
    }
    let _one_at_a_time = app.writing.lock().await;
    let (path, content) = (app.options.avatar.clone(), bytes.clone());
    on_disk(move || replace(&path, &content)).await.map_err(|cause| failure::of_disk(&cause))?;
    app.peer.avatar_changed(Some(bytes)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE avatar`: 204, whether there was one or not.
pub(super) async fn remove(State(app): State<Arc<App>>) -> Result<StatusCode, Problem> {
    let _one_at_a_time = app.writing.lock().await;
    let path = app.options.avatar.clone();
    match on_disk(move || std::fs::remove_file(path)).await {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(failure::of_disk(&cause)),
        _ => app.peer.avatar_changed(None).await,
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A file that somebody else made too large is not read into memory.
fn bounded(path: &Path) -> io::Result<Bytes> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_OWN_AVATAR + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_OWN_AVATAR { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.into()) }
}

/// The new picture is whole on the disk before it takes the old one's name; on an error the old one stays.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path);
    let written = write_new(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
