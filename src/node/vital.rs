//! Whether the parts of a running node answer, and in one line how it goes: for the watchdog and the status of a service manager.

use crate::peer::PeerHandle;
use crate::rendezvous::Rendezvous;

/// The parts that can be asked; a cheap clone of their handles.
#[derive(Clone)]
pub struct Vital {
    peer: Option<PeerHandle>,
    public: Option<Rendezvous>,
}

impl Vital {
    pub(super) fn of(peer: Option<PeerHandle>, public: Option<Rendezvous>) -> Self {
        Self { peer, public }
    }

    /// How it goes; `None` where the peer's actor has ended. A part that is stuck never answers, so whoever asks sets a deadline.
    pub async fn line(&self) -> Option<String> {
        let mut said = Vec::new();
        if let Some(peer) = &self.peer {
            peer.me().await.ok()?;
            let here = peer.peers().await.iter().filter(|peer| peer.online).count();
            said.push(format!("a peer that sees {here} others"));
        }
        if let Some(public) = &self.public {
            let (peers, streams) = public.census();
            said.push(format!("a rendezvous server at {} with {peers} peers and {streams} event streams", public.url()));
        }
        Some(format!("Running: {}", said.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libp2p::PeerId;
    use tokio::sync::{broadcast, mpsc};
    use tokio::time::timeout;

    use super::*;
    use crate::peer::files::Folders;
    use crate::peer::memory::Memory;
    use crate::peer::site_root::SiteRoot;
    use crate::proto::chat::Limits;

    #[tokio::test(start_paused = true)]
    async fn a_peer_whose_actor_is_stuck_never_answers_and_one_that_ended_says_nothing() {
        let (commands, inbox) = mpsc::channel(1);
        let memory = Memory::in_memory(PeerId::random(), Limits::default()).unwrap();
        let folders = Folders { downloads: "downloads".into(), spool: "spool".into() };
        let peer = PeerHandle::new(commands, broadcast::channel(1).0, SiteRoot::new("site".into()), memory, folders);
        let vital = Vital::of(Some(peer), None);
        assert!(timeout(Duration::from_secs(60), vital.line()).await.is_err());
        drop(inbox);
        assert_eq!(vital.line().await, None);
    }
}
