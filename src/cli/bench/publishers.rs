//! Those who publish: a few connections that all peers share, as behind a proxy.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::BoardArgs;
use super::peers::Peers;
use super::target::{PATIENCE, Target};
use crate::clock::Moment;

/// How often each connection sends what is due.
const TICK: Duration = Duration::from_millis(10);
/// Publications that are sent together at most, where they are sent at a given rate.
const MOST_DUE: u64 = 256;
/// How every answer begins.
const ANSWER: &[u8] = b"HTTP/1.1 ";

/// What became of publications.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Published {
    /// Answered with 204.
    pub(super) taken: u64,
    /// Answered otherwise.
    pub(super) refused: u64,
}

/// One connection, and its share of all that is published: every `of`-th.
struct Publisher {
    socket: TcpStream,
    number: usize,
    of: usize,
    peers: Arc<Peers>,
    published: Published,
    /// The beginning of an answer that is not whole.
    rest: Vec<u8>,
}

/// Every peer publishes once, as fast as the server takes it.
pub(super) async fn everybody_once(target: &Target, args: &BoardArgs, peers: &Arc<Peers>) -> Result<()> {
    let mut all = JoinSet::new();
    for mut one in connect(target, args, peers).await? {
        let pipeline = args.pipeline;
        all.spawn(async move {
            let mine: Vec<usize> = (one.number..one.peers.len()).step_by(one.of).collect();
            for some in mine.chunks(pipeline) {
                one.send(some.iter().copied()).await?;
            }
            anyhow::Ok(one.published)
        });
    }
    let published = sum(all).await?;
    ensure!(published.refused == 0, "{} of {} publications were refused", published.refused, peers.len());
    Ok(())
}

/// Publishes as `args` says, for as long.
pub(super) async fn publish(target: &Target, args: &BoardArgs, peers: &Arc<Peers>) -> Result<Published> {
    let (mut all, began) = (JoinSet::new(), Moment::now());
    for one in connect(target, args, peers).await? {
        let args = args.clone();
        all.spawn(async move { if args.publishes > 0.0 { one.at_rate(&args, began).await } else { one.flat_out(&args, began).await } });
    }
    sum(all).await
}

async fn connect(target: &Target, args: &BoardArgs, peers: &Arc<Peers>) -> Result<Vec<Publisher>> {
    let of = args.connections.max(1);
    let mut all = Vec::with_capacity(of);
    for number in 0..of {
        let socket = target.connect(number).await?;
        all.push(Publisher { socket, number, of, peers: peers.clone(), published: Published::default(), rest: Vec::new() });
    }
    Ok(all)
}

async fn sum(mut all: JoinSet<Result<Published>>) -> Result<Published> {
    let mut sum = Published::default();
    while let Some(one) = all.join_next().await {
        let one = one??;
        sum = Published { taken: sum.taken + one.taken, refused: sum.refused + one.refused };
    }
    Ok(sum)
}

impl Publisher {
    /// Publication k of all is due at k divided by the rate, whoever's it is.
    async fn at_rate(mut self, args: &BoardArgs, began: Moment) -> Result<Published> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (number, of, all) = (self.number as u64, self.of as u64, self.peers.len() as u64);
        let mut next = number;
        loop {
            ticks.tick().await;
            let elapsed = Moment::now().since(began);
            if elapsed.as_secs() >= args.seconds {
                return Ok(self.published);
            }
            let due = (elapsed.as_secs_f64() * args.publishes).ceil() as u64;
            let end = due.min(next + MOST_DUE * of);
            if next < end {
                self.send((next..end).step_by(self.of).map(|k| (k % all) as usize)).await?;
                next += (end - next).div_ceil(of) * of;
            }
        }
    }

    async fn flat_out(mut self, args: &BoardArgs, began: Moment) -> Result<Published> {
        let (of, all, mut next) = (self.of, self.peers.len(), self.number);
        while Moment::now().since(began).as_secs() < args.seconds {
            self.send((0..args.pipeline.max(1)).map(|nth| (next + nth * of) % all)).await?;
            next += args.pipeline.max(1) * of;
        }
        Ok(self.published)
    }

    /// Sends what these peers publish, and reads the answers.
    async fn send(&mut self, who: impl Iterator<Item = usize>) -> Result<()> {
        let (mut requests, mut waiting) = (Vec::new(), 0);
        for number in who {
            self.peers.write(number, &mut requests)?;
            waiting += 1;
        }
        self.socket.write_all(&requests).await?;
        let answered = self.published.taken + self.published.refused;
        while self.published.taken + self.published.refused < answered + waiting {
            timeout(PATIENCE, self.read()).await??;
        }
        Ok(())
    }

    /// Counts the answers that come; refusals have a body, which is passed over.
    async fn read(&mut self) -> Result<()> {
        self.rest.reserve(16 * 1024);
        ensure!(self.socket.read_buf(&mut self.rest).await? > 0, "the server closed a connection that publishes");
        let mut seen = 0;
        while let Some(at) = find(&self.rest[seen..], ANSWER).filter(|at| seen + at + ANSWER.len() + 3 <= self.rest.len()) {
            seen += at + ANSWER.len();
            let counter = if self.rest[seen..].starts_with(b"204") { &mut self.published.taken } else { &mut self.published.refused };
            *counter += 1;
        }
        let keep = (self.rest.len() - seen).min(ANSWER.len() + 2);
        self.rest.drain(..self.rest.len() - keep);
        Ok(())
    }
}

/// Where `text` stands first.
pub(super) fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|piece| piece == text)
}
