//! Those who speak for the clients: some connections, each with its share of the peers, whose heartbeats are spread over time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::OutageArgs;
use super::rows::ROW;
use super::watch::Watch;
use crate::cli::bench::peers::key;
use crate::cli::bench::publishers::find;
use crate::cli::bench::target::Target;
use crate::clock::Moment;

/// Connections.
const VOICES: usize = 64;
/// How often each sends what is due.
const TICK: Duration = Duration::from_millis(50);
/// How long answers may take before the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

struct Voice {
    target: Target,
    number: usize,
    /// Its peers, and what each of them says.
    peers: Vec<(usize, String)>,
    heartbeat: Duration,
    watch: Arc<Watch>,
}

/// Lets every client be heard of, for as long as `tasks` live.
pub(super) fn speak(target: &Target, args: &OutageArgs, watch: &Arc<Watch>, tasks: &mut JoinSet<()>) -> Result<()> {
    for number in 0..VOICES {
        let peers = (number..args.clients).step_by(VOICES).map(|peer| Ok((peer, request(target, peer)?))).collect::<Result<_>>()?;
        let heartbeat = Duration::from_secs(args.heartbeat);
        let voice = Voice { target: target.clone(), number, peers, heartbeat, watch: watch.clone() };
        tasks.spawn(voice.speak());
    }
    Ok(())
}

fn request(target: &Target, peer: usize) -> Result<String> {
    let (id, path, host, from) = (key(peer)?.public().to_peer_id(), &target.path, &target.host, target.client(peer));
    let body = format!(r#"{{"type":"update","peerId":"{id}","content":"{ROW}{peer:06}","ts":1760000000000}}"#);
    let head = format!("POST {path}/publish HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {from}\r\nContent-Type: application/json\r\n");
    Ok(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

impl Voice {
    async fn speak(self) {
        let (began, mut next) = (Moment::now(), 0);
        loop {
            if let Ok(mut socket) = self.target.connect(self.number).await {
                let _ = self.on(&mut socket, began, &mut next).await;
            }
            sleep(TICK * 4).await;
        }
    }

    /// Speaks on one connection until it breaks. Heartbeat `next` is due at its place in its round; what an outage kept from being
    /// said is said as soon as it is over.
    async fn on(&self, socket: &mut TcpStream, began: Moment, next: &mut usize) -> Result<()> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let all = self.peers.len();
        loop {
            ticks.tick().await;
            let rounds = Moment::now().since(began).as_secs_f64() / self.heartbeat.as_secs_f64();
            let due = (rounds * all as f64) as usize;
            *next = (*next).max(due.saturating_sub(all));
            if *next < due {
                let some: Vec<_> = (*next..due).map(|nth| &self.peers[nth % all]).collect();
                timeout(PATIENCE, self.say(socket, &some)).await??;
                *next = due;
            }
        }
    }

    async fn say(&self, socket: &mut TcpStream, some: &[&(usize, String)]) -> Result<()> {
        let requests: String = some.iter().map(|(_, request)| request.as_str()).collect();
        socket.write_all(requests.as_bytes()).await?;
        let (mut text, mut answered) = (Vec::new(), 0);
        while answered < some.len() {
            ensure!(socket.read_buf(&mut text).await? > 0, "the server closed the connection");
            while let Some(at) = find(&text, b"HTTP/1.1 ").filter(|at| at + 12 <= text.len()) {
                self.watch.answered(some[answered].0, &text[at + 9..at + 12] == b"204");
                text.drain(..at + 12);
                answered += 1;
            }
        }
        Ok(())
    }
}
