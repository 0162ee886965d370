//! Answers the streams that others open: each in a task of its own, so many per peer and in all (THREATS 42).

use std::collections::HashMap;
use std::sync::Arc;

use libp2p::{PeerId, StreamProtocol};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tracing::debug;

use super::profile::Profile;
use super::site_root::SiteRoot;
use super::streams::{self, StreamError};
use super::{Command, Duplex};
use crate::p2p::streams::Event as Inbound;
use crate::proto::chat::ChatMessage;

/// Streams of one peer that are answered at the same time; more are closed unanswered.
pub const MAX_PER_PEER: u32 = 64;
/// Streams of all peers that are answered at the same time.
pub const MAX_IN_ALL: usize = 1024;

/// What an answer may need.
#[derive(Clone)]
pub struct Served {
    /// Who we are.
    pub me: PeerId,
    /// The owner's site.
    pub site: SiteRoot,
    /// The owner's profile.
    pub profile: watch::Receiver<Arc<Profile>>,
    /// Where received messages go.
    pub received: mpsc::Sender<Command>,
    /// Counts messages that were not received, because of what they are.
    pub chat_refused: Counter,
}

/// The streams under way.
pub struct Serving {
    served: Served,
    tasks: JoinSet<()>,
    owners: HashMap<Id, PeerId>,
    per_peer: HashMap<PeerId, u32>,
}

impl Serving {
    /// Serves nothing yet.
    pub fn new(served: Served) -> Self {
        Self { served, tasks: JoinSet::new(), owners: HashMap::new(), per_peer: HashMap::new() }
    }

    /// Answers a stream; false if its peer, or everybody together, has too many.
    pub fn accept(&mut self, inbound: Inbound) -> bool {
        let answer = self.served.clone().answer(inbound.peer, inbound.protocol, Box::new(inbound.stream.compat()));
        self.run(inbound.peer, answer)
    }

    fn run(&mut self, peer: PeerId, answer: impl Future<Output = ()> + Send + 'static) -> bool {
        let of_peer = self.per_peer.get(&peer).copied().unwrap_or_default();
        if of_peer >= MAX_PER_PEER || self.tasks.len() >= MAX_IN_ALL {
            return false;
        }
        self.per_peer.insert(peer, of_peer + 1);
        let id = self.tasks.spawn(answer).id();
        self.owners.insert(id, peer);
        true
    }

    /// Waits until an answer ends (for ever where none is under way) and gives its place back.
    pub async fn next_end(&mut self) {
        let ended = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => std::future::pending().await,
        };
        let Some(peer) = self.owners.remove(&ended) else { return };
        if let Some(of_peer) = self.per_peer.get_mut(&peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.per_peer.remove(&peer);
            }
        }
    }
}

impl Served {
    async fn answer(self, peer: PeerId, protocol: StreamProtocol, io: Box<dyn Duplex>) {
        if let Err(error) = self.speak(peer, protocol.as_ref(), io).await {
            debug!(%peer, %protocol, %error, "stream ended early");
        }
    }

    async fn speak(&self, peer: PeerId, protocol: &str, io: Box<dyn Duplex>) -> Result<(), StreamError> {
        let profile = self.profile.borrow().clone();
        if protocol == streams::SITE.as_ref() {
            streams::site::serve(io, &self.site).await?;
        } else if protocol == streams::CONTENT.as_ref() {
            streams::content::serve(io, &profile.label).await?;
        } else if protocol == streams::AVATAR.as_ref() {
            streams::avatar::serve(io, profile.avatar.as_deref()).await?;
        } else if protocol == streams::CHAT.as_ref() {
            self.keep(streams::chat::receive(io, peer, self.me).await.map(Some)).await?;
        } else if protocol == streams::MQ.as_ref() {
            let delivery = streams::mq::receive(io).await?;
            self.keep(streams::mq::chat_message(delivery, peer, self.me)).await?;
        }
        Ok(())
    }

    async fn keep(&self, message: Result<Option<ChatMessage>, StreamError>) -> Result<(), StreamError> {
        if matches!(message, Err(StreamError::TooLong { .. } | StreamError::Malformed(_))) {
            self.chat_refused.inc();
        }
        if let Some(message) = message? {
            let _ = self.received.send(Command::Record(message)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::chat::MAX_CONTENT;

    fn serving() -> (Serving, mpsc::Receiver<Command>, tempfile::TempDir) {
        let (received, commands) = mpsc::channel(64);
        let folder = tempfile::tempdir().unwrap();
        let (site, profile) = (SiteRoot::new(folder.path().to_owned()), watch::channel(Arc::default()).1);
        let served = Served { me: PeerId::random(), site, profile, received, chat_refused: Counter::default() };
        (Serving::new(served), commands, folder)
    }

    #[tokio::test]
    async fn attack_peers_that_are_refused_leave_nothing_behind() {
        let (mut serving, _commands, _folder) = serving();
        let accepted = (0..2 * MAX_IN_ALL).filter(|_| serving.run(PeerId::random(), std::future::pending())).count();
        assert_eq!((accepted, serving.per_peer.len(), serving.owners.len()), (MAX_IN_ALL, MAX_IN_ALL, MAX_IN_ALL));
    }

    #[tokio::test]
    async fn a_chat_message_that_is_too_long_is_acknowledged_dropped_and_counted() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (serving, mut commands, _folder) = serving();
        for (length, refused) in [(MAX_CONTENT, 0), (MAX_CONTENT + 1, 1)] {
            let (mut theirs, io) = tokio::io::duplex(2 * MAX_CONTENT);
            let text = "x".repeat(length);
            theirs.write_all(format!(r#"{{"id":"12345678","topic":"chat","payload":{{"content":"{text}"}}}}"#).as_bytes()).await.unwrap();
            let _ = serving.served.speak(PeerId::random(), streams::MQ.as_ref(), Box::new(io)).await;
            let mut ack = String::new();
            theirs.read_to_string(&mut ack).await.unwrap();
            assert!(ack.contains("ack"));
            assert_eq!((commands.try_recv().is_ok(), serving.served.chat_refused.get()), (refused == 0, refused));
        }
    }

    #[tokio::test]
    async fn a_peer_has_its_share_and_gets_it_back() {
        let (mut serving, _commands, _folder) = serving();
        let crowd = PeerId::random();
        assert!((0..MAX_PER_PEER).all(|_| serving.run(crowd, std::future::ready(()))));
        assert!(!serving.run(crowd, std::future::ready(())) && serving.run(PeerId::random(), std::future::ready(())));
        for _ in 0..=MAX_PER_PEER {
            serving.next_end().await;
        }
        assert!(serving.per_peer.is_empty() && serving.owners.is_empty());
    }
}
