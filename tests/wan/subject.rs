//! The client under test, alone.

use std::sync::Arc;
use std::time::Duration;

use goop::clients::rendezvous::{Client, News, Options, Sequences, Shown, Status, Stream};
use goop::config::base_url::BaseUrl;
use goop::proto::presence::Presence;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The outcome, which comes soon or the test has failed.
pub(crate) async fn soon<T>(outcome: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, outcome).await.expect("this comes soon")
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "{what}");
}

pub(crate) struct Subject {
    pub(crate) me: PeerId,
    client: Client,
    news: mpsc::Receiver<News>,
    shown: watch::Sender<Arc<Shown>>,
    stop: CancellationToken,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Subject {
    /// A client of the server at `url` that says something every `heartbeat`.
    pub(crate) fn of(url: &str, heartbeat: Duration) -> Self {
        let key = Keypair::generate_ed25519();
        let me = key.public().to_peer_id();
        let addrs = vec!["/ip4/45.45.45.1/tcp/4001".parse().unwrap()];
        let email = Some("five@example.com".into());
        let shown = Shown { content: "Peer five".into(), email, addrs, ..Shown::default() };
        let (shown, seen) = watch::channel(Arc::new(shown));
        let (tell, news) = mpsc::channel(goop::clients::rendezvous::NEWS);
        let stop = CancellationToken::new();
        let options = Options { url: BaseUrl::parse(url).unwrap(), key, sequences: Sequences::default(), heartbeat, shown: seen };
        let (client, running) = Client::new(options, tell, stop.clone());
        Self { me, client, news, shown, stop, running: Some(tokio::spawn(running)) }
    }

    pub(crate) fn rename(&self, name: &str) {
        self.shown.send_modify(|shown| Arc::make_mut(shown).content = name.into());
    }

    pub(crate) fn status(&self) -> Status {
        self.client.status()
    }

    pub(crate) async fn next(&mut self) -> News {
        soon(self.news.recv()).await.unwrap()
    }

    /// The next message that is told.
    pub(crate) async fn told(&mut self) -> Presence {
        loop {
            if let News::Told(presence) = self.next().await {
                return *presence;
            }
        }
    }

    /// Waits until the stream is refused for a reason that holds `why`.
    pub(crate) async fn retrying(&self, why: &str) {
        let retrying = async || matches!(self.status().stream, Stream::Retrying { why: told } if told.contains(why));
        until(&format!("retrying because of {why}"), retrying).await;
    }

    pub(crate) async fn connected(&self) {
        until("connected", async || matches!(self.status().stream, Stream::Connected { .. })).await;
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        soon(self.running.take().unwrap()).await.unwrap();
    }
}
