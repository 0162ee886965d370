//! What runs the clients of the servers: they may be started and ended while the peer runs, and one that ends unasked ends the peer
//! (THREATS 57).

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::MAX_SERVERS;
use crate::shutdown::Tasks;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See the head of this file.
pub struct Clients {
    starting: mpsc::Sender<(Running, CancellationToken)>,
    stop: CancellationToken,
}

impl Clients {
    /// None yet; all of them end at `stop`.
    pub fn start(tasks: &mut Tasks, stop: &CancellationToken) -> Self {
        let (starting, started) = mpsc::channel(MAX_SERVERS);
        tasks.spawn("rendezvous clients", run(started, stop.clone()));
        Self { starting, stop: stop.clone() }
    }

    /// What ends one client, or all.
    pub fn token(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Runs a client until `stop`; false where too many are starting, or the peer ends.
    pub fn run(&self, client: impl Future<Output = ()> + Send + 'static, stop: CancellationToken) -> bool {
        self.starting.try_send((Box::pin(client), stop)).is_ok()
    }
}

async fn run(mut started: mpsc::Receiver<(Running, CancellationToken)>, stop: CancellationToken) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some((client, stop)) = started.recv() => {
                running.spawn(async move {
                    client.await;
                    stop.is_cancelled()
                });
            }
            Some(ended) = running.join_next() => match ended {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => return,
            },
        }
    }
    while running.join_next().await.is_some() {}
}
