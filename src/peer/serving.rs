//! Answers the streams that others open: each in a task of its own, in one of a bounded number of [`places`] (THREATS 42).

use std::sync::Arc;

use libp2p::PeerId;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tracing::debug;

use super::Duplex;
use super::files::Files;
use super::profile::Profile;
use super::site_root::SiteRoot;
use super::streams::{self, StreamError};
use super::talk::Talk;
use crate::p2p::streams::Event as Inbound;
use crate::proto::chat::{ChatMessage, community_of};

pub mod places;

use places::{Admission, Places};

/// What an answer may need.
#[derive(Clone)]
pub struct Served {
    /// Who we are.
    pub me: PeerId,
    /// The owner's site.
    pub site: SiteRoot,
    /// The owner's profile.
    pub profile: watch::Receiver<Arc<Profile>>,
    /// Where received messages go, and who is blocked.
    pub talk: Arc<Talk>,
    /// Where files are offered, fetched and ended.
    pub files: Arc<Files>,
}

/// The streams under way.
pub struct Serving {
    served: Served,
    tasks: JoinSet<()>,
    places: Places<AbortHandle>,
}

impl Serving {
    /// Serves nothing yet.
    pub fn new(served: Served) -> Self {
        Self { served, tasks: JoinSet::new(), places: Places::new() }
    }

    /// Answers a stream; `sources` is by whom its peer is known. False if there is no place for it, or none for its peer. Another stream may lose its place, and ends.
    pub fn accept(&mut self, inbound: Inbound, sources: Vec<String>) -> bool {
        let (peer, address) = (inbound.peer, inbound.customer);
        if self.served.talk.memory().is_blocked(&peer) {
            return false;
        }
        match self.places.admit(peer, address) {
            Admission::Refused => return false,
            Admission::Free => {}
            Admission::Instead(oldest) => oldest.abort(),
        }
        let task = self.tasks.spawn(self.served.clone().answer(inbound, sources));
        self.places.take(peer, address, task);
        true
    }

    /// Waits until an answer ends (for ever where none is under way) and gives its place back.
    pub async fn next_end(&mut self) {
        let ended = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => std::future::pending().await,
        };
        self.places.leave(|task| task.id() == ended);
    }
}

impl Served {
    async fn answer(self, Inbound { peer, protocol, stream, .. }: Inbound, sources: Vec<String>) {
        if let Err(error) = self.speak(peer, protocol.as_ref(), Box::new(stream.compat()), &sources).await {
            debug!(%peer, %protocol, %error, "stream ended early");
        }
    }

    async fn speak(&self, peer: PeerId, protocol: &str, io: Box<dyn Duplex>, sources: &[String]) -> Result<(), StreamError> {
        let profile = self.profile.borrow().clone();
        if protocol == streams::SITE.as_ref() {
            streams::site::serve(io, &self.site).await?;
        } else if protocol == streams::CONTENT.as_ref() {
            streams::content::serve(io, &profile.label).await?;
        } else if protocol == streams::AVATAR.as_ref() {
            streams::avatar::serve(io, profile.avatar.as_deref()).await?;
        } else if protocol == streams::CHAT.as_ref() {
            self.keep(streams::chat::receive(io, peer, self.me).await.map(Some), sources).await?;
        } else if protocol == streams::MQ.as_ref() {
            self.take_delivery(io, peer, sources).await?;
        } else if protocol == streams::FILE.as_ref() {
            self.files.serve(peer, io).await?;
        }
        Ok(())
    }

    /// What is acknowledged is kept, or was nothing to keep.
    async fn take_delivery(&self, mut io: Box<dyn Duplex>, peer: PeerId, sources: &[String]) -> Result<(), StreamError> {
        let delivery = streams::mq::read(&mut io).await?;
        let ack = delivery.ack();
        let kept = self.keep(streams::mq::chat_message(delivery, peer, self.me), sources).await;
        if !matches!(kept, Err(StreamError::Io(_))) {
            streams::mq::acknowledge(io, &ack).await?;
        }
        kept
    }

    async fn keep(&self, message: Result<Option<ChatMessage>, StreamError>, sources: &[String]) -> Result<(), StreamError> {
        if matches!(message, Err(StreamError::TooLong { .. } | StreamError::Malformed(_))) {
            self.talk.refuse();
        }
        if let Some(mut message) = message? {
            message.community = community_of(message.community.as_deref(), sources).filter(|_| message.to.is_none());
            self.talk.receive(message).await.map_err(std::io::Error::other)?;
        }
        Ok(())
    }
}
