//! `/chat`: the conversations, and one of them: with everyone, or, as `/chat?with=<peer id>`, with one peer. Read without JavaScript;
//! with it, live.

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
use crate::proto::chat::{Kept, MAX_CONTENT, community_name};
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
    others: Vec<Other>,
    messages: Vec<Said>,
    files: Vec<File>,
    max_content: usize,
    /// Whom a message to many can be for, besides everyone of this network.
    communities: Vec<String>,
}

/// The peer of the open conversation.
struct With {
    face: Face,
    peer_id: String,
    short: String,
    name: String,
    online: bool,
}

/// A conversation in the list; without `peer` the one with everyone.
struct Other {
    peer: Option<(String, Face)>,
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
    /// The community that it was said to, if not to this network.
    community: String,
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
}

/// `GET /chat?with=`.
pub(super) async fn show(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let with = asked.with.as_deref().map(api::peer_id).transpose()?;
    let who = Who { me: app.peer.peer_id(), rows: rows::listed(&app, true).await.into_iter().map(|row| row.row).collect() };
    let messages = app.peer.history(with, None, MAX_MESSAGES).await?.into_iter().map(|kept| said(kept, &who)).collect();
    let files = app.peer.transfers().await?.into_iter().filter(|file| Some(file.transfer.peer) == with).map(file).collect();
    let page = Chat {
        root: "",
        frame: Frame::of(&app, "/chat").await?,
        me: who.me.to_string(),
        others: others(app.peer.conversations().await?, with, &who),
        with: with.map(|peer| opened(peer, &who)),
        messages,
        files,
        max_content: MAX_CONTENT,
        communities: communities(&app).await?,
    };
    page::answer(&page)
}

async fn communities(app: &App) -> Result<Vec<String>, Problem> {
    Ok(app.peer.me().await?.rendezvous.iter().map(|server| community_name(&server.name).to_owned()).collect())
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

/// Everyone first, then those with whom something was said, the newest first; the open one is always there.
fn others(conversations: Vec<Conversation>, open: Option<PeerId>, who: &Who) -> Vec<Other> {
    let everyone = conversations.iter().find(|conversation| conversation.peer.is_none());
    let mut all = vec![other(None, everyone, open, who)];
    let peers = conversations.iter().filter_map(|conversation| Some((conversation.peer?, conversation)));
    all.extend(peers.map(|(peer, conversation)| other(Some(peer), Some(conversation), open, who)));
    if let Some(peer) = open.filter(|peer| conversations.iter().all(|conversation| conversation.peer != Some(*peer))) {
        all.insert(1, other(Some(peer), None, open, who));
    }
    all
}

fn other(peer: Option<PeerId>, conversation: Option<&Conversation>, open: Option<PeerId>, who: &Who) -> Other {
    Other {
        name: peer.map_or("Everyone here".into(), |peer| who.name(peer).into()),
        peer: peer.map(|peer| (peer.to_string(), Face::of(&peer.to_string()))),
        unread: conversation.map_or(0, |conversation| conversation.unread),
        last: conversation.map(|conversation| cut_bytes(&conversation.last.message.content, 80).to_owned()).unwrap_or_default(),
        is_open: peer == open,
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
        community: message.community.unwrap_or_default(),
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
