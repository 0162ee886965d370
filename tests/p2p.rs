//! The libp2p stack on loopback: no stream is lost, and gossip stays on the link.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use goop::clock::Moment;
use goop::p2p::{self, Behaviour, BehaviourEvent};
use goop::proto::presence::MAX_GOSSIP_BYTES;
use libp2p::gossipsub::{self, IdentTopic};
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const ECHO: StreamProtocol = StreamProtocol::new("/test/echo/1");
const PATIENCE: Duration = Duration::from_secs(30);

fn node(same_link: bool) -> Swarm<Behaviour> {
    node_that(move |_| same_link)
}

fn node_that(same_link: impl Fn(IpAddr) -> bool + Send + 'static) -> Swarm<Behaviour> {
    p2p::start(p2p::Options {
        key: Keypair::generate_ed25519(),
        listen_port: 0,
        loopback_only: true,
        topic: topic(),
        served: vec![ECHO],
        own_subnet: Box::new(same_link),
        nat: p2p::nat::Options::default(),
    })
    .unwrap()
}

fn topic() -> IdentTopic {
    IdentTopic::new("goop.presence.v1")
}

async fn tcp_address(swarm: &mut Swarm<Behaviour>) -> Multiaddr {
    let wanted = |addr: &Multiaddr| addr.to_string().starts_with("/ip4/127.0.0.1/tcp/");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await
            && wanted(&address)
        {
            return address;
        }
    }
}

/// Answers every stream with what it says.
async fn serve_echo(mut swarm: Swarm<Behaviour>) {
    loop {
        if let SwarmEvent::Behaviour(BehaviourEvent::Streams(mut inbound)) = swarm.select_next_some().await {
            tokio::spawn(async move {
                let mut said = Vec::new();
                inbound.stream.read_to_end(&mut said).await.unwrap();
                inbound.stream.write_all(&said).await.unwrap();
                inbound.stream.close().await.unwrap();
            });
        }
    }
}

#[tokio::test]
async fn thirty_streams_at_a_time_all_arrive() {
    let (mut client, mut server) = (node(true), node(true));
    let peer = *server.local_peer_id();
    let addr = tcp_address(&mut server).await;
    tokio::spawn(serve_echo(server));
    client.dial(DialOpts::peer_id(peer).addresses(vec![addr]).build()).unwrap();
    while !client.is_connected(&peer) {
        client.select_next_some().await;
    }
    let mut answers = 0;
    for round in 0..20 {
        let mut opening = tokio::task::JoinSet::new();
        for n in 0..30 {
            let (reply, opened) = oneshot::channel();
            client.behaviour_mut().streams.open(peer, vec![ECHO], reply);
            opening.spawn(async move {
                let (_, mut stream) = opened.await.unwrap().unwrap();
                let said = format!("{round} {n}");
                stream.write_all(said.as_bytes()).await.unwrap();
                stream.close().await.unwrap();
                let mut heard = String::new();
                stream.read_to_string(&mut heard).await.unwrap();
                assert_eq!(heard, said);
            });
        }
        let all = async {
            loop {
                tokio::select! {
                    _ = client.select_next_some() => {}
                    ended = opening.join_next() => match ended {
                        Some(ended) => { ended.unwrap(); answers += 1; }
                        None => break,
                    }
                }
            }
        };
        timeout(PATIENCE, all).await.expect("every stream is answered");
    }
    assert_eq!(answers, 600);
}

#[tokio::test]
async fn an_unknown_protocol_is_refused_and_an_absent_peer_is_not_waited_for() {
    let (mut client, mut server) = (node(true), node(true));
    let peer = *server.local_peer_id();
    let addr = tcp_address(&mut server).await;
    let (reply, opened) = oneshot::channel();
    client.behaviour_mut().streams.open(peer, vec![ECHO], reply);
    assert_eq!(opened.await.unwrap().unwrap_err(), p2p::streams::OpenFailure::NotConnected);
    tokio::spawn(serve_echo(server));
    client.dial(DialOpts::peer_id(peer).addresses(vec![addr]).build()).unwrap();
    while !client.is_connected(&peer) {
        client.select_next_some().await;
    }
    let (reply, opened) = oneshot::channel();
    client.behaviour_mut().streams.open(peer, vec![StreamProtocol::new("/test/nothing/1")], reply);
    let answer = async {
        tokio::select! { answer = opened => answer, () = drive(&mut client) => unreachable!() }
    };
    assert_eq!(timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap_err(), p2p::streams::OpenFailure::Unsupported);
}

async fn drive(swarm: &mut Swarm<Behaviour>) {
    loop {
        swarm.select_next_some().await;
    }
}

/// Two connected nodes and what each side thinks of the link.
struct Pair {
    nodes: [Swarm<Behaviour>; 2],
    addr: Multiaddr,
    heard: [usize; 2],
    connections: [HashMap<ConnectionId, PeerId>; 2],
}

impl Pair {
    async fn of(mut nodes: [Swarm<Behaviour>; 2]) -> Self {
        let addr = tcp_address(&mut nodes[1]).await;
        Self { nodes, addr, heard: [0; 2], connections: Default::default() }
    }

    async fn connected(same_link: [bool; 2]) -> Self {
        let mut pair = Self::of(same_link.map(node)).await;
        pair.connect().await;
        pair
    }

    /// One more connection, dialled by the first node.
    async fn connect(&mut self) {
        let (peer, before) = (*self.nodes[1].local_peer_id(), self.connections[0].len());
        let opts = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(vec![self.addr.clone()]);
        self.nodes[0].dial(opts.build()).unwrap();
        self.until(|pair| pair.connections.iter().all(|open| open.len() == before + 1)).await;
    }

    async fn step(&mut self) {
        let [a, b] = &mut self.nodes;
        let (side, event) = tokio::select! {
            event = a.select_next_some() => (0, event),
            event = b.select_next_some() => (1, event),
        };
        match event {
            SwarmEvent::ConnectionEstablished { connection_id, peer_id, .. } => {
                self.connections[side].insert(connection_id, peer_id);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.connections[side].remove(&connection_id);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Lan(gossipsub::Event::Message { .. })) => self.heard[side] += 1,
            _ => {}
        }
    }

    async fn until(&mut self, reached: impl Fn(&Self) -> bool) {
        let reach = async {
            while !reached(self) {
                self.step().await;
            }
        };
        timeout(PATIENCE, reach).await.expect("reached in time");
    }

    fn publish(&mut self, side: usize) -> bool {
        self.publish_bytes(side, b"here".to_vec())
    }

    fn publish_bytes(&mut self, side: usize, message: Vec<u8>) -> bool {
        self.nodes[side].behaviour_mut().lan.gossip().publish(topic(), message).is_ok()
    }

    async fn close_all(&mut self) {
        for side in [0, 1] {
            for id in self.connections[side].keys().copied().collect::<Vec<_>>() {
                self.nodes[side].close_connection(id);
            }
        }
        self.until(|pair| pair.connections.iter().all(HashMap::is_empty)).await;
    }
}

#[tokio::test]
async fn gossip_reaches_a_neighbour_on_the_same_link() {
    let mut pair = Pair::connected([true, true]).await;
    let published = timeout(PATIENCE, async {
        while !pair.publish(0) {
            pair.step().await;
        }
    });
    published.await.expect("the neighbour subscribes");
    pair.until(|pair| pair.heard[1] == 1).await;
}

#[tokio::test]
async fn the_longest_presence_reaches_a_neighbour() {
    let mut pair = Pair::connected([true, true]).await;
    let published = timeout(PATIENCE, async {
        while !pair.publish_bytes(0, vec![b'x'; MAX_GOSSIP_BYTES]) {
            pair.step().await;
        }
    });
    published.await.expect("the neighbour subscribes");
    pair.until(|pair| pair.heard[1] == 1).await;
}

#[tokio::test]
async fn gossip_never_crosses_a_connection_between_networks() {
    for same_link in [[false, false], [true, false], [false, true]] {
        let mut pair = Pair::connected(same_link).await;
        let settled = timeout(Duration::from_millis(1500), async {
            loop {
                pair.step().await;
            }
        });
        assert!(settled.await.is_err());
        assert!(!pair.publish(0), "{same_link:?}: nobody to publish to");
        assert!(!pair.publish(1), "{same_link:?}: nobody to publish to");
        assert_eq!(pair.heard, [0, 0]);
        pair.close_all().await;
    }
}

#[tokio::test]
async fn a_peer_with_one_connection_on_the_link_and_one_across_networks_closes_in_any_order() {
    for first_on_link in [true, false] {
        let on_link = Arc::new(AtomicBool::new(first_on_link));
        let sees = on_link.clone();
        let mut pair = Pair::of([node_that(move |_| sees.load(SeqCst)), node(true)]).await;
        pair.connect().await;
        on_link.store(!first_on_link, SeqCst);
        pair.connect().await;
        pair.close_all().await;
        pair.connect().await;
        pair.close_all().await;
    }
}

const GOSSIP: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");

/// A neighbour that is nothing but its gossip streams, and what it does with its connections.
struct Gossiper {
    goop: PeerId,
    control: libp2p_stream::Control,
    incoming: libp2p_stream::IncomingStreams,
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Dial,
    CloseTheFirst,
}

impl Gossiper {
    /// Connected once with a peer of ours that runs.
    async fn start() -> Self {
        let mut goop = node(true);
        let (peer, addr) = (*goop.local_peer_id(), tcp_address(&mut goop).await);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            loop {
                tokio::select! {
                    _ = goop.next() => {}
                    _ = tick.tick() => goop.behaviour_mut().lan.remind(Moment::now()),
                }
            }
        });
        let mut neighbour = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(2 * PATIENCE))
            .build();
        let mut control = neighbour.behaviour().new_control();
        let (incoming, (orders, mut given)) = (control.accept(GOSSIP).unwrap(), mpsc::channel(4));
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                tokio::select! {
                    event = neighbour.select_next_some() => if let SwarmEvent::ConnectionEstablished { connection_id, .. } = event {
                        open.push(connection_id);
                    },
                    Some(order) = given.recv() => match order {
                        Order::Dial => {
                            let opts = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(vec![addr.clone()]);
                            neighbour.dial(opts.build()).unwrap();
                        }
                        Order::CloseTheFirst => drop(neighbour.close_connection(open.remove(0))),
                    },
                }
            }
        });
        orders.send(Order::Dial).await.unwrap();
        Self { goop: peer, control, incoming, orders }
    }

    /// The next stream that our peer begins.
    async fn hears(&mut self) -> libp2p::Stream {
        timeout(PATIENCE, self.incoming.next()).await.expect("a stream in time").unwrap().1
    }

    /// Begins a stream of its own.
    async fn speaks(&mut self) -> libp2p::Stream {
        self.control.open_stream(self.goop, GOSSIP).await.unwrap()
    }
}

/// A neighbour whose router forgot us, as go-libp2p's does when its stream went down with one of two connections, begins a new stream.
#[tokio::test]
async fn a_neighbour_that_begins_anew_is_told_again_what_we_subscribe_to() {
    let mut neighbour = Gossiper::start().await;
    let mut said = neighbour.hears().await;
    subscription(&mut said).await;
    drop(neighbour.speaks().await);
    let _again = neighbour.speaks().await;
    let told = timeout(Duration::from_secs(5), subscription(&mut said));
    told.await.expect("it is told at once, not as one that is silent");
}

#[tokio::test]
async fn a_neighbour_that_missed_what_we_subscribe_to_is_told_again() {
    let mut neighbour = Gossiper::start().await;
    drop(neighbour.hears().await);
    subscription(&mut neighbour.hears().await).await;
}

/// go-libp2p's router takes one stream of a peer, and resets the older with what it had not read.
#[tokio::test]
async fn one_connection_of_two_speaks_and_the_other_when_that_one_closes() {
    let mut neighbour = Gossiper::start().await;
    let mut said = neighbour.hears().await;
    subscription(&mut said).await;
    neighbour.orders.send(Order::Dial).await.unwrap();
    subscription(&mut said).await;
    let _streams = [neighbour.speaks().await, neighbour.speaks().await];
    subscription(&mut said).await;
    assert!(neighbour.incoming.next().now_or_never().is_none(), "one stream is enough");
    neighbour.orders.send(Order::CloseTheFirst).await.unwrap();
    subscription(&mut neighbour.hears().await).await;
}

/// Reads frames until one names the topic, as a subscription does.
async fn subscription(said: &mut libp2p::Stream) {
    timeout(PATIENCE, frames_until(said, b"goop.presence.v1")).await.expect("a subscription in time");
}

async fn frames_until(said: &mut libp2p::Stream, topic: &[u8]) {
    let mut frame = Vec::new();
    while !frame.windows(topic.len()).any(|part| part == topic) {
        let mut length = [0];
        said.read_exact(&mut length).await.unwrap();
        frame.resize(length[0].into(), 0);
        said.read_exact(&mut frame).await.unwrap();
    }
}
