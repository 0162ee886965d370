//! A relay on loopback: what may and may not travel through it.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use goop::p2p::relay::{MAX_CIRCUIT_BYTES, Options, start};
use goop::p2p::streams::{OpenFailure, Opened};
use goop::p2p::{self, Behaviour, BehaviourEvent, nat};
use goop::shutdown::Tasks;
use libp2p::gossipsub::IdentTopic;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::relay::HOP_PROTOCOL_NAME;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identify};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const COUNT: StreamProtocol = StreamProtocol::new("/test/count/1");
const PATIENCE: Duration = Duration::from_secs(30);

/// A relay, and two peers one of which has a place on it; everyone takes loopback for its own link.
struct Scene {
    _relay: Tasks,
    left: Swarm<Behaviour>,
    right: Swarm<Behaviour>,
    relay: Multiaddr,
}

fn node(relay_data: bool) -> Swarm<Behaviour> {
    p2p::start(p2p::Options {
        key: Keypair::generate_ed25519(),
        listen_port: 0,
        loopback_only: true,
        topic: topic(),
        served: vec![COUNT],
        own_subnet: Box::new(|_| true),
        nat: nat::Options { relay_data, ..nat::Options::default() },
    })
    .unwrap()
}

fn topic() -> IdentTopic {
    IdentTopic::new("goop.presence.v1")
}

impl Scene {
    async fn set(relay_data: [bool; 2]) -> Self {
        let mut tasks = Tasks::default();
        let options = Options { key: Keypair::generate_ed25519(), listen_port: 0, loopback_only: true, external: vec![], guests: None };
        let mut handle = start(options, &mut tasks, CancellationToken::new()).unwrap();
        assert!(handle.ready().await);
        let said = handle.announcement().unwrap();
        let relay = said.addrs[0].clone().with(Protocol::P2p(said.peer_id));
        let [left, right] = relay_data.map(node);
        let mut scene = Self { _relay: tasks, left, right, relay };
        scene.take_place().await;
        scene
    }

    /// The right one asks for a place once the relay said that it relays.
    async fn take_place(&mut self) {
        self.right.dial(self.relay.clone()).unwrap();
        let place = self.relay.clone().with(Protocol::P2pCircuit);
        let right = &mut self.right;
        let taken = async {
            loop {
                match right.select_next_some().await {
                    SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { info, .. }))
                        if info.protocols.contains(&HOP_PROTOCOL_NAME) =>
                    {
                        right.listen_on(place.clone()).unwrap();
                    }
                    SwarmEvent::NewListenAddr { address, .. } if address.iter().any(|part| part == Protocol::P2pCircuit) => break,
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, taken).await.expect("the relay gives a place");
    }

    fn whom(&self) -> PeerId {
        *self.right.local_peer_id()
    }

    /// The left one dials the right one through the relay; both are connected then.
    async fn meet(&mut self) {
        let circuit = self.relay.clone().with(Protocol::P2pCircuit);
        let opts = DialOpts::peer_id(self.whom()).condition(PeerCondition::Always).addresses(vec![circuit]);
        self.left.dial(opts.build()).unwrap();
        let (me, whom) = (*self.left.local_peer_id(), self.whom());
        let met = async {
            while !(self.left.is_connected(&whom) && self.right.is_connected(&me)) {
                self.step().await;
            }
        };
        timeout(PATIENCE, met).await.expect("they meet");
    }

    /// One event of either side; the right one counts what each stream says.
    async fn step(&mut self) {
        let event = tokio::select! {
            _ = self.left.select_next_some() => return,
            event = self.right.select_next_some() => event,
        };
        if let SwarmEvent::Behaviour(BehaviourEvent::Streams(mut inbound)) = event {
            tokio::spawn(async move {
                let (mut count, mut buffer) = (0_u64, vec![0; 64 * 1024]);
                while let Ok(read @ 1..) = inbound.stream.read(&mut buffer).await {
                    count += read as u64;
                }
                let _ = inbound.stream.write_all(&count.to_be_bytes()).await;
                let _ = inbound.stream.close().await;
            });
        }
    }

    async fn open(&mut self) -> Opened {
        let (reply, mut opened) = oneshot::channel();
        let whom = self.whom();
        self.left.behaviour_mut().streams.open(whom, vec![COUNT], reply);
        let answer = async {
            loop {
                tokio::select! { answer = &mut opened => break answer.unwrap(), () = self.step() => {} }
            }
        };
        timeout(PATIENCE, answer).await.expect("an answer")
    }

    /// How many of `bytes` arrive, as the right one counts; an error if the connection ends first.
    async fn send(&mut self, bytes: u64) -> std::io::Result<u64> {
        let (_, mut stream) = self.open().await.unwrap();
        let sent = tokio::spawn(async move {
            let piece = vec![7; 64 * 1024];
            for _ in 0..bytes / piece.len() as u64 {
                stream.write_all(&piece).await?;
            }
            stream.close().await?;
            let mut count = [0; 8];
            stream.read_exact(&mut count).await?;
            Ok(u64::from_be_bytes(count))
        });
        tokio::pin!(sent);
        loop {
            tokio::select! { done = &mut sent => return done.unwrap(), () = self.step() => {} }
        }
    }
}

#[tokio::test]
async fn gossip_never_travels_through_a_relay_however_near_it_is() {
    let mut scene = Scene::set([true, true]).await;
    scene.meet().await;
    assert_eq!(scene.send(1 << 20).await.unwrap(), 1 << 20, "streams do");
    let (left, right) = (*scene.left.local_peer_id(), scene.whom());
    for (side, other) in [(&mut scene.left, right), (&mut scene.right, left)] {
        let gossip = side.behaviour_mut().lan.gossip();
        assert!(!gossip.all_peers().any(|(known, _)| *known == other), "gossipsub was never shown who is behind the relay");
        assert!(gossip.publish(topic(), b"here".to_vec()).is_err(), "nobody to publish to");
    }
}

#[tokio::test]
async fn attack_no_connection_through_a_relay_carries_more_than_its_share() {
    let mut scene = Scene::set([true, true]).await;
    scene.meet().await;
    let all = timeout(PATIENCE * 2, scene.send(MAX_CIRCUIT_BYTES + (1 << 20))).await.expect("it ends");
    assert!(all.is_err(), "{all:?}");
}

#[tokio::test]
async fn a_peer_that_wants_no_data_through_relays_neither_sends_nor_serves_any() {
    let mut sender = Scene::set([false, true]).await;
    sender.meet().await;
    assert_eq!(sender.open().await.unwrap_err(), OpenFailure::NotConnected);
    let mut server = Scene::set([true, false]).await;
    server.meet().await;
    assert_eq!(server.open().await.unwrap_err(), OpenFailure::Unsupported);
}
