//! `communities`: those that one is in; look for others, join and leave. Joining is following a link, as `goop join` does it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::clients::rendezvous::join::JoinLink;
use crate::clients::rendezvous::look::Looked;
use crate::clients::rendezvous::membership::{self, Joined, MembershipError};
use crate::clients::rendezvous::{Place, Status};
use crate::clients::superhub::{Told, ask};
use crate::config::DataDir;
use crate::config::base_url::BaseUrl;
use crate::config::presence::RENDEZVOUS_WAN;
use crate::config::reload::Applied;
use crate::http::{self, Problem};
use crate::proto::chat::community_name;
use crate::viewer::App;

/// A community that one is in, or was in when the node was started.
#[derive(Debug, Serialize)]
pub(in crate::viewer) struct Mine {
    /// What it is called in lists, without any secret; by this name it is left.
    pub(in crate::viewer) name: String,
    /// What hubs call it, as far as they agree: a label, which anybody may have claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::viewer) community: Option<String>,
    /// How it goes; `None` where the running node has not taken it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::viewer) status: Option<Status>,
    /// Whether it stands in the configuration, so that it can be left; a node's own server does not.
    pub(in crate::viewer) listed: bool,
    /// Tells it from others of the same name: memberships of one community look alike without their secrets.
    pub(in crate::viewer) id: String,
}

/// The communities of the running node and those of the configuration, each once.
pub(in crate::viewer) async fn mine(app: &App) -> Result<(Vec<Mine>, Option<String>), Problem> {
    let statuses = app.peer.me().await?.rendezvous;
    let (mut listed, locked) = app.configured();
    let mut take = |id: &str| listed.iter().position(|(one, _)| one == id).map(|at| listed.remove(at)).is_some();
    let running = statuses.into_iter().map(|status| {
        let (id, name) = (status.id.clone(), status.name.clone());
        Mine { listed: take(&id), status: Some(status), community: None, id, name }
    });
    let mut mine: Vec<Mine> = running.collect();
    mine.extend(listed.into_iter().map(|(id, url)| Mine { name: name(&url), status: None, community: None, listed: true, id }));
    let names = app.names(mine.iter().map(|one| community_name(&one.name).to_owned()).collect()).await;
    mine.iter_mut().for_each(|one| one.community = names.get(community_name(&one.name)).cloned());
    Ok((mine, locked))
}

impl App {
    /// The communities of the configuration with their ids, and what stands above it.
    fn configured(&self) -> (Vec<(String, BaseUrl)>, Option<String>) {
        let current = self.configuration.current();
        let urls = current.config.presence.rendezvous_wan.iter();
        (urls.map(|url| (membership::id(url), url.clone())).collect(), current.locked_by(RENDEZVOUS_WAN).map(ToString::to_string))
    }

    /// The hubs that are searched, and where what was found is kept.
    pub(in crate::viewer) fn hubs(&self) -> (DataDir, Vec<BaseUrl>) {
        let current = self.configuration.current();
        (current.data.clone(), current.config.discovery.hubs.clone())
    }
}

fn name(url: &BaseUrl) -> String {
    Place::new(url.clone()).name()
}

/// `GET communities`.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let (communities, locked) = mine(&app).await?;
    Ok(Json(json!({ "communities": communities, "locked": locked })))
}

/// The query of a search.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
}

/// What a search answers: what hubs list, or what a link leads to.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Found {
    Listed {
        #[serde(flatten)]
        told: Told,
        /// Hubs that are configured.
        hubs: usize,
    },
    Link {
        link: Looked,
    },
}

/// `GET communities/search?q=`: words are looked for on the hubs; a URL or a link is asked what it leads to.
pub(super) async fn search(State(app): State<Arc<App>>, Query(Asked { q }): Query<Asked>) -> Result<Json<Found>, Problem> {
    let _place = app.searches.acquire().await.map_err(|_| Problem::internal())?;
    if is_link(&q) {
        return Ok(Json(Found::Link { link: JoinLink::parse(&q)?.look().await? }));
    }
    let (data, hubs) = app.hubs();
    let told = ask(&data, &hubs, &q).await.map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    Ok(Json(Found::Listed { told, hubs: hubs.len() }))
}

/// Whether somebody has pasted a link, and does not look for words.
pub(in crate::viewer) fn is_link(text: &str) -> bool {
    let text = text.trim();
    let host_and_port = || text.starts_with('[') || text.starts_with("localhost:") || (text.contains('.') && text.contains(':'));
    text.contains("://") || text.starts_with("goop:") || (!text.contains(' ') && host_and_port() && JoinLink::parse(text).is_ok())
}

/// The body of `POST communities`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    link: String,
}

/// `POST communities`: joins. 201, or 200 where one was in already; `applied` says whether the running node connects at once.
pub(super) async fn join(
    State(app): State<Arc<App>>,
    http::body::Json(Wish { link }): http::body::Json<Wish>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let link = JoinLink::parse(&link)?;
    let loaded = app.configuration.read().await?;
    let asked = loaded.clone();
    spawn_blocking(move || membership::is_ours_to_change(&asked)).await.map_err(|_| Problem::internal())??;
    let there = link.follow().await?.url;
    let _one_at_a_time = app.configuration.change().await;
    let joined = spawn_blocking(move || membership::join(&loaded, there)).await.map_err(|_| Problem::internal())?;
    let Joined { url, already } = joined?;
    let (applied, refused) = became(app.configuration.apply().await);
    let status = if already { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(json!({ "name": name(&url), "already": already, "applied": applied, "refused": refused }))))
}

/// The query of `DELETE communities`.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    name: String,
    id: Option<String>,
}

/// `DELETE communities?name=&id=`: leaves the community that is called so; of several, the one that the list gives this `id`.
pub(super) async fn leave(State(app): State<Arc<App>>, Query(Which { name, id }): Query<Which>) -> Result<Json<Value>, Problem> {
    let _one_at_a_time = app.configuration.change().await;
    let loaded = app.configuration.read().await?;
    let name = match id {
        None => name,
        Some(id) => {
            let meant = loaded.config.presence.rendezvous_wan.iter().find(|url| membership::id(url) == id);
            meant.ok_or(MembershipError::Nowhere(name))?.url().to_string()
        }
    };
    let left = spawn_blocking(move || membership::leave(&loaded, &name)).await.map_err(|_| Problem::internal())??;
    let (applied, refused) = became(app.configuration.apply().await);
    Ok(Json(json!({ "name": self::name(&left), "applied": applied, "refused": refused })))
}

/// Whether a change counts at once, and why the running node refused it.
fn became(applied: Applied) -> (bool, Option<String>) {
    match applied {
        Applied::Now(_) => (true, None),
        Applied::Refused(why) => (false, Some(why)),
        Applied::NotTold => (false, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_looked_for_and_links_are_followed() {
        for link in ["https://rv.example/c/chess", "goop:join?at=x:1", "rv.example:8787", " http://127.0.0.1:1/join#x "] {
            assert!(is_link(link), "{link}");
        }
        for words in ["", "chess", "chess: for all", "c:", "16:9"] {
            assert!(!is_link(words), "{words}");
        }
    }
}
