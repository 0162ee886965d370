//! `/chat`: the conversations, and one of them: with everyone on the LAN, as `/chat?community=<name>` in a community, or as
//! `/chat?with=<peer id>` with one peer. Read without JavaScript; with it, live.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use libp2p::PeerId;
use serde::Deserialize;

use super::{Frame, names};
use crate::http::Problem;
use crate::http::page::{self, Face};
use crate::peer::PeerRow;
use crate::peer::files::Listed;
use crate::peer::memory::Conversation;
use crate::peer::site_root::encoded;
use crate::proto::chat::{Kept, MAX_CONTENT, Party, community_name};
use crate::proto::presence::label::cut_bytes;
use crate::viewer::{App, api, rows};

/// Messages on the page, the newest; the others are read through the API.
const MAX_MESSAGES: u32 = 50;
/// Bytes of one message on the page as it is served; the rest is read through the API.
const MAX_SAID: usize = 4 * 1024;

#[derive(Template)]
#[template(path = "chat.html")]
struct Chat<'a> {
    root: &'static str,
    frame: Frame<'a>,
    me: String,
    with: Option<With>,
    /// The community of the open conversation.
    community: Option<Community>,
    others: Vec<Other>,
    messages: Vec<Said>,
    files: Vec<File>,
    max_content: usize,
}

/// A community, and what its conversation is called.
struct Community {
    /// Its name, as [`community_name`] has it.
    address: String,
    /// What hubs call it, or else the same.
    called: String,
    /// Whether one is in it.
    is_mine: bool,
}

/// The peer of the open conversation.
struct With {
    face: Face,
    peer_id: String,
    short: String,
    name: String,
    online: bool,
}

/// A conversation in the list.
struct Other {
    href: String,
    face: Option<Face>,
    /// Of which community it is, if of one.
    community: Option<String>,
    name: String,
    unread: u64,
    last: String,
    is_open: bool,
}

struct Said {
    at: String,
    name: String,
    short: String,
    content: String,
    state: &'static str,
    is_mine: bool,
}

struct File {
    name: String,
    size: String,
    state: &'static str,
}

/// The query of `GET /chat`.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    with: Option<String>,
    community: Option<String>,
}

/// `GET /chat?with=`, `GET /chat?community=`.
pub(super) async fn show(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let with = api::chat::party(asked.with.as_deref(), asked.community)?;
    let conversations = app.peer.conversations().await?;
    let communities = communities(&app, &conversations).await?;
    if with.community().is_some_and(|name| communities.iter().all(|one| one.address != name)) {
        return Err(Problem::not_found("you are in no community of this name, and nothing is kept of it"));
    }
    let who = Who { me: app.peer.peer_id(), rows: rows::listed(&app, true).await.into_iter().map(|row| row.row).collect() };
    let messages = app.peer.history(with.clone(), None, MAX_MESSAGES).await?.into_iter().map(|kept| said(kept, &who)).collect();
    let files = app.peer.transfers().await?.into_iter().filter(|file| Some(file.transfer.peer) == with.peer()).map(file).collect();
    let page = Chat {
        root: "",
        frame: Frame::of(&app, "/chat").await?,
        me: who.me.to_string(),
        others: others(&conversations, &communities, &with, &who),
        with: with.peer().map(|peer| opened(peer, &who)),
        community: communities.into_iter().find(|one| Some(one.address.as_str()) == with.community()),
        messages,
        files,
        max_content: MAX_CONTENT,
    };
    page::answer(&page)
}

/// Those that one is in, then those of which something is kept; each once.
async fn communities(app: &App, conversations: &[Conversation]) -> Result<Vec<Community>, Problem> {
    let mut mine: Vec<String> = Vec::new();
    for server in app.peer.me().await?.rendezvous {
        let address = community_name(&server.name);
        if mine.iter().all(|known| known != address) {
            mine.push(address.to_owned());
        }
    }
    let left = conversations.iter().filter_map(|one| one.with.community()).filter(|name| mine.iter().all(|known| known != name));
    let all: Vec<(String, bool)> = left.map(|name| (name.to_owned(), false)).collect();
    let all: Vec<(String, bool)> = mine.into_iter().map(|address| (address, true)).chain(all).collect();
    let names = app.names(all.iter().map(|(address, _)| address.clone()).collect()).await;
    let called = |address: &String| names.get(address).unwrap_or(address).clone();
    Ok(all.into_iter().map(|(address, is_mine)| Community { called: called(&address), address, is_mine }).collect())
}

/// Who is called what.
struct Who {
    me: PeerId,
    rows: Vec<PeerRow>,
}

impl Who {
    fn row(&self, peer: PeerId) -> Option<&PeerRow> {
        self.rows.iter().find(|row| row.peer_id == peer)
    }

    fn name(&self, peer: PeerId) -> &str {
        self.row(peer).map_or(if peer == self.me { "You" } else { "Somebody" }, |row| names::named(&row.label))
    }
}

fn opened(peer: PeerId, who: &Who) -> With {
    let peer_id = peer.to_string();
    let (name, online) = (who.name(peer).into(), who.row(peer).is_some_and(|row| row.online));
    With { face: Face::of(&peer_id), peer_id, short: names::short(&peer), name, online }
}

/// Everyone here first, then the communities, then the peers with whom something was said, the newest first; the open one is always there.
fn others(conversations: &[Conversation], communities: &[Community], open: &Party, who: &Who) -> Vec<Other> {
    let of_one = |with: Party, called: &str| {
        let conversation = conversations.iter().find(|one| one.with == with);
        other(with, called, conversation, open)
    };
    let mut peers: Vec<PeerId> = conversations.iter().filter_map(|one| one.with.peer()).collect();
    if let Some(peer) = open.peer().filter(|peer| !peers.contains(peer)) {
        peers.insert(0, peer);
    }
    let in_communities = communities.iter().map(|one| of_one(Party::Community(one.address.clone()), &one.called));
    let with_peers = peers.into_iter().map(|peer| of_one(Party::Peer(peer), who.name(peer)));
    std::iter::once(of_one(Party::Lan, "Everyone here")).chain(in_communities).chain(with_peers).collect()
}

fn other(with: Party, called: &str, conversation: Option<&Conversation>, open: &Party) -> Other {
    Other {
        href: match &with {
            Party::Lan => "/chat".to_owned(),
            Party::Community(name) => format!("/chat?community={}", encoded(name)),
            Party::Peer(peer) => format!("/chat?with={peer}"),
        },
        face: with.peer().map(|peer| Face::of(&peer.to_string())),
        community: with.community().map(str::to_owned),
        name: called.to_owned(),
        unread: conversation.map_or(0, |conversation| conversation.unread),
        last: conversation.map(|conversation| cut_bytes(&conversation.last.message.content, 80).to_owned()).unwrap_or_default(),
        is_open: with == *open,
    }
}

fn said(Kept { message, state, .. }: Kept, who: &Who) -> Said {
    Said {
        at: page::clock_time(message.at),
        name: who.name(message.from).into(),
        short: names::short(&message.from),
        is_mine: message.from == who.me,
        content: cut(message.content),
        state: state.word(),
    }
}

fn file(file: Listed) -> File {
    let transfer = file.transfer;
    File { name: transfer.offer.name.to_string(), size: names::bytes(transfer.offer.size), state: transfer.state.word() }
}

/// At most [`MAX_SAID`] bytes, and a sign where something is missing.
fn cut(content: String) -> String {
    if content.len() > MAX_SAID { format!("{}…", cut_bytes(&content, MAX_SAID)) } else { content }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut("short".into()), "short");
        let shown = cut("ü€".repeat(MAX_SAID));
        assert!(shown.len() <= MAX_SAID + 3 && shown.ends_with('…'));
    }
}
