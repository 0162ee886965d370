//! Streams that wait for a connection: asked for by the viewer, answered once the peer is reached or is not.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::{PeerId, StreamProtocol};
use tokio::sync::oneshot;

use super::{OpenError, PeerStream};
use crate::clock::Moment;

/// Requests that wait for one peer; more are refused.
const MAX_PER_PEER: usize = 256;
/// Peers that are waited for at the same time; more are refused.
const MAX_PEERS: usize = 256;
/// A request that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One request for a stream.
pub struct Opening {
    /// In order of preference.
    pub protocols: Vec<StreamProtocol>,
    /// The answer.
    pub reply: oneshot::Sender<Result<PeerStream, OpenError>>,
}

/// Who waits for what.
enum Waiting {
    Stream(Opening),
    Connection(oneshot::Sender<Result<PeerId, OpenError>>),
}

struct Queue {
    since: Moment,
    waiting: Vec<Waiting>,
}

/// All requests that wait for a connection.
#[derive(Default)]
pub struct Openings(HashMap<PeerId, Queue>);

impl Openings {
    /// Let a request wait until `peer` is connected.
    pub fn wait(&mut self, peer: PeerId, opening: Opening, now: Moment) {
        self.push(peer, Waiting::Stream(opening), now);
    }

    /// Let somebody wait who only wants the connection.
    pub fn wait_for_connection(&mut self, peer: PeerId, reply: oneshot::Sender<Result<PeerId, OpenError>>, now: Moment) {
        self.push(peer, Waiting::Connection(reply), now);
    }

    /// `peer` is connected: tells those who wanted only that, and hands out the requests for streams.
    pub fn connected(&mut self, peer: &PeerId) -> Vec<Opening> {
        let mut streams = Vec::new();
        for waiting in self.take(peer) {
            match waiting {
                Waiting::Stream(opening) => streams.push(opening),
                Waiting::Connection(reply) => drop(reply.send(Ok(*peer))),
            }
        }
        streams
    }

    /// `peer` could not be reached: everybody who waits is told why.
    pub fn failed(&mut self, peer: &PeerId, error: &OpenError) {
        self.take(peer).into_iter().for_each(|waiting| waiting.fail(error.clone()));
    }

    /// Whom somebody waits for.
    pub fn awaited(&self) -> Vec<PeerId> {
        self.0.keys().copied().collect()
    }

    /// Ends what has waited for [`PATIENCE`].
    pub fn expire(&mut self, now: Moment) {
        let late: Vec<_> = self.0.iter().filter(|(_, queue)| now.since(queue.since) >= PATIENCE).map(|(peer, _)| *peer).collect();
        late.iter().for_each(|peer| self.failed(peer, &OpenError::TimedOut));
    }

    fn push(&mut self, peer: PeerId, waiting: Waiting, now: Moment) {
        let peers = self.0.len();
        match self.0.get_mut(&peer) {
            Some(queue) if queue.waiting.len() < MAX_PER_PEER => queue.waiting.push(waiting),
            None if peers < MAX_PEERS => drop(self.0.insert(peer, Queue { since: now, waiting: vec![waiting] })),
            _ => waiting.fail(OpenError::Unreachable("too many requests are waiting".into())),
        }
    }

    fn take(&mut self, peer: &PeerId) -> Vec<Waiting> {
        self.0.remove(peer).map(|queue| queue.waiting).unwrap_or_default()
    }
}

impl Waiting {
    fn fail(self, error: OpenError) {
        match self {
            Self::Stream(opening) => drop(opening.reply.send(Err(error))),
            Self::Connection(reply) => drop(reply.send(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_how_it_ended() {
        let (reached, lost, slow) = (PeerId::random(), PeerId::random(), PeerId::random());
        let mut openings = Openings::default();
        let wait = |openings: &mut Openings, peer| {
            let (reply, answer) = oneshot::channel();
            openings.wait_for_connection(peer, reply, Moment::START);
            answer
        };
        let (mut a, mut b, mut c) = (wait(&mut openings, reached), wait(&mut openings, lost), wait(&mut openings, slow));
        openings.connected(&reached);
        openings.failed(&lost, &OpenError::NoAddress);
        openings.expire(Moment::START + PATIENCE);
        assert_eq!(a.try_recv(), Ok(Ok(reached)));
        assert_eq!(b.try_recv(), Ok(Err(OpenError::NoAddress)));
        assert_eq!(c.try_recv(), Ok(Err(OpenError::TimedOut)));
        assert!(openings.0.is_empty());
    }

    #[test]
    fn waiting_is_bounded_per_peer_and_in_all() {
        let mut openings = Openings::default();
        let crowded = PeerId::random();
        let mut refused = 0;
        for n in 0..2000 {
            let (reply, mut answer) = oneshot::channel();
            let peer = if n % 2 == 0 { crowded } else { PeerId::random() };
            openings.wait_for_connection(peer, reply, Moment::START);
            refused += usize::from(answer.try_recv().is_ok());
        }
        assert_eq!(refused, (1000 - MAX_PER_PEER) + (1000 - (MAX_PEERS - 1)));
    }
}
