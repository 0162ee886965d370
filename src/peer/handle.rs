//! What the viewer and the command line can ask of a running peer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use serde_json::json;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::files::{Files, Folders};
use super::memory::Memory;
use super::site_root::SiteRoot;
use super::streams::{self, StreamError, site::RemoteFile};
use super::talk::Talk;
use super::{Command, OpenError, PeerEvent, PeerRow, PeerStream, SelfInfo};
use crate::config::base_url::BaseUrl;
use crate::proto::chat::ChatMessage;

mod chat;
mod contacts;
mod files;

pub use chat::ChatError;
pub(super) use contacts::seen;
pub use files::FileError;

/// A message that was not acknowledged is sent once more after this long, as goop2 does.
const RETRY_AFTER: Duration = Duration::from_millis(300);

/// A cheap-clone handle to the peer; every method fails with [`OpenError::Stopping`] or answers empty once the node stops.
#[derive(Clone)]
pub struct PeerHandle {
    me: PeerId,
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<PeerEvent>,
    site: SiteRoot,
    pub(super) talk: Arc<Talk>,
    pub(super) files: Arc<Files>,
}

/// Why a file could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No stream could be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The peer refused; the text is its own word: `not found`, `forbidden`, `site disabled`, `bad request`.
    #[error("the peer answered: {0}")]
    Refused(String),
    /// The stream failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl PeerHandle {
    /// A handle of the peer that `memory` belongs to, whose actor reads `commands` and sends `events`.
    pub fn new(
        commands: mpsc::Sender<Command>,
        events: broadcast::Sender<PeerEvent>,
        site: SiteRoot,
        memory: Memory,
        folders: Folders,
    ) -> Self {
        let me = memory.me();
        let files = Arc::new(Files::new(memory.clone(), events.clone(), folders, site.clone()));
        let talk = Arc::new(Talk::new(memory, events.clone()));
        Self { me, commands, events, site, talk, files }
    }

    /// Who this peer is.
    pub fn peer_id(&self) -> PeerId {
        self.me
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        self.talk.memory()
    }

    /// The owner's site.
    pub fn site(&self) -> &SiteRoot {
        &self.site
    }

    /// Everything that happens from now on; a receiver that falls behind is told so and asks for [`Self::peers`] again.
    pub fn events(&self) -> broadcast::Receiver<PeerEvent> {
        self.events.subscribe()
    }

    /// The peer list, sorted by label and id.
    pub async fn peers(&self) -> Vec<PeerRow> {
        self.ask(Command::Peers).await.unwrap_or_default()
    }

    /// What this peer says about itself.
    pub async fn me(&self) -> Result<SelfInfo, OpenError> {
        self.ask(Command::Me).await.ok_or(OpenError::Stopping)
    }

    /// Remember where a peer can be dialled (the address ends in `/p2p/<id>`), and dial it.
    pub async fn dial(&self, addr: Multiaddr) -> Result<PeerId, OpenError> {
        self.ask(|reply| Command::Dial { addr, reply }).await.unwrap_or(Err(OpenError::Stopping))
    }

    /// Be reachable through this relay too (`addrs` with or without `/p2p/…`). Relays beyond
    /// [`MAX_RELAYS`](crate::proto::relay_choice::MAX_RELAYS) are not noted.
    pub async fn use_relay(&self, peer: PeerId, addrs: Vec<Multiaddr>) {
        let _ = self.commands.send(Command::UseRelay { peer, addrs }).await;
    }

    /// A stream of the first of `protocols` that `peer` speaks.
    pub async fn open(&self, peer: PeerId, protocols: &[StreamProtocol]) -> Result<PeerStream, OpenError> {
        let protocols = protocols.to_vec();
        self.ask(|reply| Command::Open { peer, protocols, reply }).await.unwrap_or(Err(OpenError::Stopping))
    }

    /// One file of a peer's site, its body still on the wire.
    pub async fn fetch_site(&self, peer: PeerId, path: &str) -> Result<RemoteFile, FetchError> {
        let stream = self.open(peer, &[streams::SITE]).await?;
        streams::site::fetch(stream.io, path).await
    }

    /// A peer's avatar, if it has one; at most 512 KiB.
    pub async fn fetch_avatar(&self, peer: PeerId) -> Result<Option<Bytes>, FetchError> {
        let stream = self.open(peer, &[streams::AVATAR]).await?;
        Ok(streams::avatar::fetch(stream.io).await?)
    }

    /// The owner's avatar is now this one, or none.
    pub async fn avatar_changed(&self, avatar: Option<Bytes>) {
        let _ = self.commands.send(Command::AvatarChanged(avatar)).await;
    }

    /// The owner goes by another name now, or shares another email (`None`: none).
    pub async fn name_changed(&self, label: String, email: Option<String>) {
        let _ = self.commands.send(Command::NameChanged { label, email }).await;
    }

    /// Rendezvous servers that moved: their URLs as configured, and where they are heard now. May hold the secrets of a member.
    pub async fn moves(&self) -> Vec<(BaseUrl, BaseUrl)> {
        self.ask(Command::Moves).await.unwrap_or_default()
    }

    /// These are the rendezvous servers now; those that were before go on undisturbed, others are told `offline`.
    pub async fn rendezvous_changed(&self, urls: Vec<BaseUrl>) {
        let _ = self.commands.send(Command::Serve(urls)).await;
    }

    /// Newest goop2 peers and we speak `/goop/mq`, older goop2 peers `/goop/chat`. Only the first can say that a message did not
    /// come; sent again it keeps its id, by which the receiver knows it.
    pub(super) async fn deliver(&self, peer: PeerId, message: &ChatMessage) -> Result<(), ChatError> {
        let stream = self.open(peer, &[streams::MQ, streams::CHAT]).await?;
        if stream.protocol == streams::CHAT {
            return Ok(streams::chat::send(stream.io, message).await?);
        }
        let topic = if message.to.is_some() { streams::mq::TOPIC_CHAT } else { streams::mq::TOPIC_CHAT_ALL };
        let mut payload = json!({ "content": message.content });
        if let Some(community) = &message.community {
            payload["community"] = json!(community);
        }
        if streams::mq::send(stream.io, &message.id, topic, &payload).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(RETRY_AFTER).await;
        let again = self.open(peer, &[streams::MQ]).await?;
        Ok(streams::mq::send(again.io, &message.id, topic, &payload).await?)
    }

    /// `None` once the actor is gone.
    pub(super) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}
