//! The simulated LAN. Real: `Neighbours`, `Announcer`, and for every ninetieth peer a `PresenceTable` that is fed every message.
//!
//! - mDNS: a newcomer and those who are there hear of each other within 150 ms, at most 260 of them (a peer takes 256 at once).
//! - A dial takes 5–50 ms; of a dead peer it is refused after 2 ms or times out after 1.5 s, and it times out across islands.
//! - A killed peer's connections break within 50 ms, or, for every other peer (its machine is off), stop answering within 6 s.
//! - Gossip reaches the sender's part of the [`Mesh`]: 1–20 ms for each hop over the mesh's middle, which is longer than the shortest
//!   way. One delivery in a hundred is lost and repaired up to 600 ms later.
//! - When everybody last heard everybody stands in one matrix, which is held against the rules at every delivery.
//!
//! Left out: the bytes, GossipSub's own control messages, and how long a CPU takes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use goop::clock::{Moment, UnixMillis};
use goop::proto::announcer::Announcer;
use goop::proto::neighbours::{Ended, Neighbours};
use goop::proto::presence::table::{Change, PresenceTable, Source};
use goop::proto::presence::{Kind, Presence};
use libp2p::{Multiaddr, PeerId};

use crate::mesh::{Mesh, NOWHERE};

/// `presence.ttl_seconds`, in milliseconds.
pub(crate) const TTL: u64 = 20_000;
const HEARTBEAT: Duration = Duration::from_secs(5);
const HEARD_OF: usize = 260;
const MESH_AGE: u64 = 250;
/// How soon a peer acts on what it was told.
const REACTION: u64 = 25;
const NEVER: u32 = 0;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Join(usize),
    Kill,
    Found(usize, usize),
    Dialled(usize, usize),
    DialFailed(usize, usize),
    Silent(usize, usize),
    Broken(usize, usize),
    Subscribed(usize),
    Newcomer(usize, Vec<usize>),
    Late(usize, usize, Kindly),
    Steer(usize),
    Announce(usize),
    Expire(usize),
    AllKnow(usize),
    NobodyKnows(usize),
}

/// A [`Kind`] that can stand in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kindly {
    Online,
    Update,
}

struct Peer {
    presence: Presence,
    joined: u64,
    killed: bool,
    island: u8,
    neighbours: Neighbours,
    announcer: Announcer,
    table: Option<PresenceTable>,
    steer: u64,
    announce: u64,
    expire: u64,
    known: usize,
    published: u32,
}

/// Peers, their connections, and what is about to happen. A peer is its index.
pub(crate) struct World {
    now: u64,
    seed: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    pushed: u64,
    peers: Vec<Peer>,
    planned: usize,
    index: HashMap<PeerId, usize>,
    links: Vec<Vec<usize>>,
    mesh: Mesh,
    meshed: u64,
    changed: bool,
    /// When `[of][by]` was last heard.
    heard: Vec<Vec<u32>>,
    moved: bool,
}

fn moment(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn millis(moment: Moment) -> u64 {
    moment.since(Moment::START).as_nanos().div_ceil(1_000_000) as u64
}

fn addr() -> Multiaddr {
    "/ip4/10.0.0.1/tcp/4001".parse().unwrap()
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: 0,
            seed,
            events: BinaryHeap::new(),
            pushed: 0,
            peers: Vec::new(),
            planned: 0,
            index: HashMap::new(),
            links: Vec::new(),
            mesh: Mesh::default(),
            meshed: 0,
            changed: true,
            heard: Vec::new(),
            moved: false,
        }
    }

    /// `count` peers join at random moments within `span`.
    pub(crate) fn join_spread(&mut self, count: usize, span: u64) {
        let mut when: Vec<u64> = (0..count).map(|_| 1 + self.random(span)).collect();
        when.sort_unstable();
        for at in when {
            self.push(at, Event::Join(self.planned));
            self.planned += 1;
        }
    }

    /// `count` peers are killed and as many join, at random moments in `span` from `from`.
    pub(crate) fn churn(&mut self, count: usize, from: u64, span: u64) {
        for _ in 0..count {
            let (join, kill) = (from + self.random(span), from + self.random(span));
            self.push(join, Event::Join(self.planned));
            self.push(kill, Event::Kill);
            self.planned += 1;
        }
    }

    /// From now on `peer` reaches only those on the same island. Before the first event this chooses where it starts.
    pub(crate) fn settle_on(&mut self, peer: usize, island: u8) {
        self.plant(peer);
        self.peers[peer].island = island;
        self.moved = true;
        self.changed = true;
        for other in self.links[peer].clone() {
            if !self.same_island(peer, other) {
                let (silent, end) = (3000 + self.random(3000), 10_000 + self.random(2000));
                for (a, b) in [(peer, other), (other, peer)] {
                    self.push(self.now + silent, Event::Silent(a, b));
                }
                self.push(self.now + end, Event::Broken(peer, other));
            }
        }
    }

    /// All islands become one, and mDNS tells.
    pub(crate) fn join_islands(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.island = 0);
        self.changed = true;
        for a in 0..self.peers.len() {
            for b in 0..self.peers.len() {
                let at = self.now + self.random(1000);
                self.push(at, Event::Found(a, b));
            }
        }
    }

    pub(crate) fn run_until(&mut self, end: u64) {
        while self.events.peek().is_some_and(|Reverse((at, _, _))| *at <= end) {
            let Some(Reverse((at, _, event))) = self.events.pop() else { return };
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Pairs of live peers of which the first does not know the second.
    pub(crate) fn strangers(&self) -> Vec<(usize, usize)> {
        let live: Vec<usize> = self.live().collect();
        let pairs = live.iter().flat_map(|by| live.iter().map(|of| (*by, *of)));
        pairs.filter(|(by, of)| by != of && !self.knows(*by, *of)).collect()
    }

    /// Peers on two islands must not have heard of each other, and those on one must.
    pub(crate) fn strangers_between_islands(&self, expected: usize) {
        let strangers = self.strangers();
        assert!(strangers.iter().all(|(a, b)| !self.same_island(*a, *b)));
        assert_eq!(strangers.len(), expected);
    }

    /// Every live peer reaches every other, none has more than `most` connections, and none fewer than eight (or all there are).
    pub(crate) fn graph_is_sound(&mut self, most: usize) {
        self.mesh = Mesh::over(&self.links);
        let live: Vec<usize> = self.live().collect();
        let parts = live.iter().filter(|peer| self.mesh.part[**peer] != self.mesh.part[live[0]]).count();
        assert_eq!(parts, 0, "seed {}: peers apart from the first", self.seed);
        let degrees: Vec<usize> = live.iter().map(|peer| self.links[*peer].len()).collect();
        let (least, highest) = (degrees.iter().min().unwrap(), degrees.iter().max().unwrap());
        let mean = degrees.iter().sum::<usize>() as f64 / degrees.len() as f64;
        println!("{} peers: degree {least} to {highest}, mean {mean:.1}", live.len());
        assert!(*highest <= most, "{highest} connections");
        assert!(*least >= 8.min(live.len() - 1), "{least} connections");
    }

    /// On average a peer publishes at most `rate` messages a second.
    pub(crate) fn chatter_is_bounded(&self, rate: f64) {
        let published: u32 = self.peers.iter().map(|peer| peer.published).sum();
        let lived: u64 = self.peers.iter().filter(|peer| !peer.killed).map(|peer| self.now - peer.joined).sum();
        let each = f64::from(published) * 1000.0 / lived as f64;
        println!("{published} messages, {each:.2} a second from each peer");
        assert!(each <= rate, "{each} messages a second from each peer");
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Join(peer) => self.join(peer),
            Event::Kill => self.kill(),
            Event::Found(by, of) => self.found(by, of),
            Event::Dialled(from, to) => self.dialled(from, to),
            Event::DialFailed(from, to) => self.dial_failed(from, to),
            Event::Silent(by, of) => self.silent(by, of),
            Event::Broken(a, b) => self.broken(a, b),
            Event::Subscribed(peer) => self.announcer(peer, |announcer, now| announcer.subscribed(now)),
            Event::Newcomer(_, to) => to.into_iter().for_each(|peer| self.newcomer(peer)),
            Event::Late(of, by, kind) => self.arrive(of, by, kind, self.now),
            Event::Steer(peer) => self.steer(peer),
            Event::Announce(peer) => self.announce(peer),
            Event::Expire(peer) => self.expire(peer),
            Event::AllKnow(peer) => self.all_know(peer),
            Event::NobodyKnows(peer) => self.nobody_knows(peer),
        }
    }

    fn join(&mut self, peer: usize) {
        self.plant(peer);
        let others: Vec<usize> = self.live().filter(|other| *other != peer && self.peers[*other].joined > 0).collect();
        self.peers[peer].joined = self.now;
        self.peers[peer].announcer = Announcer::new(HEARTBEAT, moment(self.now));
        self.wake_announcer(peer);
        let skip = if others.len() > HEARD_OF { self.random((others.len() - HEARD_OF) as u64) as usize } else { 0 };
        for other in others.into_iter().skip(skip).take(HEARD_OF) {
            let (here, there) = (self.now + 20 + self.random(130), self.now + 1 + self.random(150));
            self.push(here, Event::Found(peer, other));
            self.push(there, Event::Found(other, peer));
        }
        self.push(self.now + crate::KNOWN_WITHIN, Event::AllKnow(peer));
    }

    /// Everybody up to `peer` exists; who has not joined does nothing.
    fn plant(&mut self, peer: usize) {
        while self.peers.len() <= peer {
            self.plant_one();
        }
    }

    fn plant_one(&mut self) {
        let number = self.peers.len();
        let digest: Vec<u8> = (0..4).flat_map(|_| self.random(u64::MAX).to_be_bytes()).collect();
        let id = PeerId::from_bytes(&[vec![0x12, 0x20], digest].concat()).unwrap();
        let salt = self.random(u64::MAX);
        let table = number.is_multiple_of(90).then(|| PresenceTable::new(id, Duration::from_millis(TTL)));
        self.index.insert(id, number);
        self.links.push(Vec::new());
        self.heard.iter_mut().for_each(|row| row.push(NEVER));
        self.heard.push(vec![NEVER; number + 1]);
        self.changed = true;
        self.peers.push(Peer {
            presence: Presence::new(Kind::Update, id, UnixMillis(0)),
            joined: 0,
            killed: false,
            island: 0,
            neighbours: Neighbours::new(id, salt, moment(0)),
            announcer: Announcer::new(HEARTBEAT, moment(self.now)),
            table,
            steer: u64::MAX,
            announce: u64::MAX,
            expire: u64::MAX,
            known: 0,
            published: 0,
        });
    }

    fn kill(&mut self) {
        let live: Vec<usize> = self.live().collect();
        let peer = live[self.random(live.len() as u64) as usize];
        self.peers[peer].killed = true;
        self.changed = true;
        for other in self.links[peer].clone() {
            if peer.is_multiple_of(2) {
                let at = self.now + 1 + self.random(50);
                self.push(at, Event::Broken(peer, other));
            } else {
                let at = self.now + 3000 + self.random(3000);
                self.push(at, Event::Silent(other, peer));
                self.push(at + 5000, Event::Broken(peer, other));
            }
        }
        self.push(self.now + TTL + 1000, Event::NobodyKnows(peer));
    }

    fn found(&mut self, by: usize, of: usize) {
        if by != of && self.is_live(by) && self.same_island(by, of) {
            let id = self.id(of);
            self.peers[by].neighbours.found(id, &[addr()], |_| false, moment(self.now));
            let wanted = self.peers[by].neighbours.next_wakeup().is_some_and(|wake| wake <= moment(self.now));
            if wanted {
                self.wake_steer(by, self.now + REACTION);
            }
        }
    }

    fn steer(&mut self, peer: usize) {
        if self.peers[peer].steer != self.now || !self.is_live(peer) {
            return;
        }
        let (now, heard, index) = (self.now, &self.heard, &self.index);
        let known = |of: &PeerId| is_fresh(heard[index[of]][peer], now);
        let dials = self.peers[peer].neighbours.poll(known, moment(now));
        for dial in dials {
            self.dial(peer, self.index[&dial.peer]);
        }
        self.peers[peer].steer = u64::MAX;
        if let Some(wake) = self.peers[peer].neighbours.next_wakeup() {
            self.wake_steer(peer, millis(wake).max(now + 1));
        }
    }

    fn dial(&mut self, from: usize, to: usize) {
        let (refused, setup) = (to.is_multiple_of(2), 5 + self.random(45));
        match () {
            () if !self.same_island(from, to) => self.push(self.now + 1500, Event::DialFailed(from, to)),
            () if self.is_live(to) => self.push(self.now + setup, Event::Dialled(from, to)),
            () => self.push(self.now + if refused { 2 } else { 1500 }, Event::DialFailed(from, to)),
        }
    }

    fn dialled(&mut self, from: usize, to: usize) {
        if !self.is_live(from) || !self.is_live(to) || !self.same_island(from, to) {
            return self.dial_failed(from, to);
        }
        if !self.links[from].contains(&to) {
            self.links[from].push(to);
            self.links[to].push(from);
            self.changed = true;
        }
        let (a, b, now) = (self.id(from), self.id(to), moment(self.now));
        self.peers[from].neighbours.connected(b, Some(&addr()), now);
        self.peers[to].neighbours.connected(a, None, now);
        for peer in [from, to] {
            self.wake_steer(peer, self.now + REACTION);
            let at = self.now + 2 + self.random(18);
            self.push(at, Event::Subscribed(peer));
        }
    }

    fn dial_failed(&mut self, from: usize, to: usize) {
        let id = self.id(to);
        self.peers[from].neighbours.dial_failed(&id, moment(self.now));
        self.wake_steer(from, self.now + 8 * REACTION);
    }

    fn silent(&mut self, by: usize, of: usize) {
        if self.is_live(by) && !(self.is_live(of) && self.same_island(by, of)) {
            let id = self.id(of);
            self.peers[by].neighbours.suspect(&id, moment(self.now));
            self.wake_steer(by, self.now + REACTION);
        }
    }

    fn broken(&mut self, a: usize, b: usize) {
        self.links[a].retain(|other| *other != b);
        self.links[b].retain(|other| *other != a);
        self.changed = true;
        for (by, of) in [(a, b), (b, a)] {
            let id = self.id(of);
            self.peers[by].neighbours.disconnected(&id, Ended::Lost, moment(self.now));
            self.wake_steer(by, self.now + REACTION);
        }
    }

    fn newcomer(&mut self, peer: usize) {
        let (known, jitter) = (self.peers[peer].known, self.random(1000) as f64 / 1000.0);
        self.announcer(peer, |announcer, now| announcer.newcomer(known, jitter, now));
    }

    fn announcer(&mut self, peer: usize, tell: impl FnOnce(&mut Announcer, Moment)) {
        tell(&mut self.peers[peer].announcer, moment(self.now));
        self.wake_announcer(peer);
    }

    fn announce(&mut self, peer: usize) {
        if self.peers[peer].announce != self.now || !self.is_live(peer) {
            return;
        }
        self.peers[peer].announce = u64::MAX;
        match self.peers[peer].announcer.poll(moment(self.now)) {
            Some(Kind::Online) => self.publish(peer, Kindly::Online),
            Some(_) => self.publish(peer, Kindly::Update),
            None => {}
        }
        self.wake_announcer(peer);
    }

    fn publish(&mut self, of: usize, kind: Kindly) {
        self.refresh_mesh();
        self.peers[of].published += 1;
        let (part, hops) = (self.mesh.part[of], self.mesh.hops[of]);
        let mut newcomers = Vec::new();
        for by in 0..self.peers.len() {
            if by == of || self.mesh.part[by] != part || part == NOWHERE || self.peers[by].killed {
                continue;
            }
            let dice = self.random(100 * 19);
            let delay = u64::from(hops + self.mesh.hops[by]) * (1 + dice / 100);
            if dice.is_multiple_of(100) {
                let repaired = self.now + delay + 50 + self.random(550);
                self.push(repaired, Event::Late(of, by, kind));
                continue;
            }
            if !is_fresh(self.heard[of][by], self.now) {
                newcomers.push(by);
            }
            self.arrive(of, by, kind, self.now + delay);
        }
        if !newcomers.is_empty() {
            self.push(self.now + 200, Event::Newcomer(of, newcomers));
        }
    }

    /// A message of `of` reaches `by` at `at`: nobody live may have been silent for a TTL, and nobody met later than allowed.
    fn arrive(&mut self, of: usize, by: usize, kind: Kindly, at: u64) {
        let before = self.heard[of][by];
        if before == NEVER {
            self.peers[by].known += 1;
        } else if !self.moved {
            assert!(at < u64::from(before) + TTL, "{by} dropped {of}, which lives");
        }
        self.heard[of][by] = before.max(at as u32);
        if self.peers[by].table.is_some() {
            self.arrive_in_table(of, by, kind, at);
        }
    }

    fn arrive_in_table(&mut self, of: usize, by: usize, kind: Kindly, at: u64) {
        let kind = if kind == Kindly::Online { Kind::Online } else { Kind::Update };
        let presence = Presence { kind, ..self.peers[of].presence.clone() };
        let Some(table) = &mut self.peers[by].table else { return };
        let change = table.apply(Source::Lan, &presence, moment(at));
        assert!(!matches!(change, Some(Change::Updated(_) | Change::Forgotten(_))), "a heartbeat changes nothing");
        self.wake_table(by);
    }

    fn expire(&mut self, peer: usize) {
        if self.peers[peer].expire != self.now || !self.is_live(peer) {
            return;
        }
        self.peers[peer].expire = u64::MAX;
        let changes = self.peers[peer].table.as_mut().map(|table| table.expire(moment(self.now))).unwrap_or_default();
        for change in changes {
            if let Change::Offline(row) = change {
                let of = self.index[&row.presence.peer];
                assert!(self.moved || self.peers[of].killed, "the table of {peer} dropped {of}, which lives");
            }
        }
        self.wake_table(peer);
    }

    fn all_know(&self, newcomer: usize) {
        if self.moved || !self.is_live(newcomer) {
            return;
        }
        let settled = |peer: usize| self.peers[peer].joined + crate::KNOWN_WITHIN <= self.now;
        for other in self.live().filter(|other| *other != newcomer && settled(*other)) {
            assert!(self.knows(other, newcomer), "{other} does not know {newcomer}, which joined at {}", self.peers[newcomer].joined);
            assert!(self.knows(newcomer, other), "{newcomer} has joined and does not know {other}");
        }
    }

    fn nobody_knows(&self, killed: usize) {
        for other in self.live() {
            assert!(!self.knows(other, killed), "{other} still knows {killed}, which is dead");
        }
    }

    /// Whether `by` shows `of` as online; the table, where there is one, must agree with the matrix.
    fn knows(&self, by: usize, of: usize) -> bool {
        let knows = is_fresh(self.heard[of][by], self.now);
        if let Some(table) = &self.peers[by].table {
            let shown = table.get(&self.id(of)).is_some_and(|row| row.online);
            assert_eq!(shown, knows, "the table of {by} about {of} at {}", self.now);
        }
        knows
    }

    fn refresh_mesh(&mut self) {
        if self.changed && (self.now >= self.meshed + MESH_AGE || self.mesh.part.len() < self.peers.len()) {
            let links: Vec<Vec<usize>> = (0..self.peers.len()).map(|peer| self.reachable_from(peer)).collect();
            self.mesh = Mesh::over(&links);
            (self.meshed, self.changed) = (self.now, false);
        }
    }

    fn reachable_from(&self, peer: usize) -> Vec<usize> {
        let others = if self.is_live(peer) { &self.links[peer][..] } else { &[] };
        others.iter().copied().filter(|other| self.is_live(*other) && self.same_island(peer, *other)).collect()
    }

    fn wake_steer(&mut self, peer: usize, at: u64) {
        if at < self.peers[peer].steer {
            self.peers[peer].steer = at;
            self.push(at, Event::Steer(peer));
        }
    }

    fn wake_announcer(&mut self, peer: usize) {
        let wake = self.peers[peer].announcer.next_wakeup(moment(self.now)).map_or(u64::MAX, millis).max(self.now);
        if wake < self.peers[peer].announce {
            self.peers[peer].announce = wake;
            self.push(wake, Event::Announce(peer));
        }
    }

    fn wake_table(&mut self, peer: usize) {
        let wake = self.peers[peer].table.as_ref().and_then(PresenceTable::next_expiry).map_or(u64::MAX, millis);
        if wake < self.peers[peer].expire {
            self.peers[peer].expire = wake;
            self.push(wake, Event::Expire(peer));
        }
    }

    fn live(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.peers.len()).filter(|peer| self.is_live(*peer))
    }

    fn is_live(&self, peer: usize) -> bool {
        !self.peers[peer].killed && self.peers[peer].joined > 0
    }

    fn same_island(&self, a: usize, b: usize) -> bool {
        self.peers[a].island == self.peers[b].island
    }

    fn id(&self, peer: usize) -> PeerId {
        self.peers[peer].presence.peer
    }

    fn push(&mut self, at: u64, event: Event) {
        self.pushed += 1;
        self.events.push(Reverse((at, self.pushed, event)));
    }

    /// A number below `below`: the splitmix64 generator.
    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }
}

fn is_fresh(heard: u32, now: u64) -> bool {
    heard != NEVER && now < u64::from(heard) + TTL
}
