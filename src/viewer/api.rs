//! The JSON API under `/api/v1/`: this is the URL table and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post, put};

use super::{App, live};

mod avatar;
pub(super) mod chat;
pub(super) mod communities;
mod contacts;
mod doctor;
mod files;
mod peers;
pub(super) mod settings;
mod site;
mod wishes;

pub(super) use peers::peer_id;
pub(super) use site::{listing as own_files, make_first};

/// What stands under `/api/v1`.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/self", get(peers::me))
        .route("/peers", get(peers::list).post(peers::dial))
        .route("/peers/{id}/site", get(peers::index))
        .route("/peers/{id}/site/", get(peers::index))
        .route("/peers/{id}/site/{*path}", get(peers::file))
        .route("/peers/{id}/avatar", get(peers::avatar))
        .route("/events", get(live::events))
        .route("/contacts", get(contacts::list))
        .route("/contacts/{id}", put(contacts::decide))
        .route("/conversations", get(chat::conversations).delete(chat::forget_all))
        .route("/chat", get(chat::history).post(chat::send).delete(chat::forget_conversation))
        .route("/chat/read", post(chat::read))
        .route("/chat/{number}", delete(chat::forget))
        .route("/doctor", get(doctor::show))
        .route("/files", get(files::list).post(files::send))
        .route("/files/{number}", get(files::read).delete(files::forget))
        .route("/files/{number}/{what}", post(files::decide))
        .route("/communities", get(communities::list).post(communities::join).delete(communities::leave))
        .route("/communities/search", get(communities::search))
        .route("/settings", get(settings::read).patch(settings::change))
        .route("/site", get(site::list).post(site::begin))
        .route("/site/{*path}", get(site::read).put(site::write).post(site::rename).delete(site::remove))
        .route("/site-draft/{*path}", put(site::draft))
        .route("/avatar", get(avatar::read).put(avatar::write).delete(avatar::remove))
}
