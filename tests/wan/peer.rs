//! A whole peer on loopback.

use std::time::Duration;

use goop::config::base_url::BaseUrl;
use goop::peer::files::Folders;
use goop::peer::{self, PeerHandle, PeerRow, Profile};
use goop::shutdown::Tasks;
use goop::telemetry::Metrics;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::subject::until;

pub(crate) struct Peer {
    pub(crate) handle: PeerHandle,
    tasks: Tasks,
    stop: CancellationToken,
    _site: TempDir,
}

impl Peer {
    pub(crate) async fn new(label: &str, servers: &[String]) -> Self {
        let site = TempDir::new().unwrap();
        std::fs::write(site.path().join("index.html"), format!("site of {label}")).unwrap();
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        let options = peer::Options {
            key: Keypair::generate_ed25519(),
            profile: Profile { label: label.into(), ..Profile::default() },
            site_root: site.path().to_owned(),
            memory: site.path().join(".goop.db"),
            folders: Folders { downloads: site.path().join(".downloads"), spool: site.path().join(".spool") },
            listen_port: 0,
            loopback_only: true,
            mdns_tag: None,
            topic: "goop.presence.v1".into(),
            ttl: Duration::from_secs(5),
            heartbeat: Duration::from_secs(1),
            rendezvous: servers.iter().map(|url| BaseUrl::parse(url).unwrap()).collect(),
            nat: goop::p2p::nat::Options::default(),
        };
        let handle = peer::start(options, &Metrics::default(), &mut tasks, stop.child_token()).await.unwrap();
        Self { handle, tasks, stop, _site: site }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    pub(crate) async fn row(&self, peer: PeerId) -> Option<PeerRow> {
        self.handle.peers().await.into_iter().find(|row| row.peer_id == peer)
    }

    pub(crate) async fn sees(&self, what: &str, peer: PeerId, is: impl Fn(&PeerRow) -> bool) -> PeerRow {
        until(what, async || self.row(peer).await.is_some_and(|row| is(&row))).await;
        self.row(peer).await.unwrap()
    }

    pub(crate) async fn fetch(&self, peer: PeerId) -> String {
        let mut file = self.handle.fetch_site(peer, "/").await.unwrap();
        let mut text = String::new();
        file.body.read_to_string(&mut text).await.unwrap();
        text
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        assert!(self.tasks.finish(Duration::from_secs(5)).await.is_empty());
    }
}
