//! A behaviour that dials at the word of others, kept to what is decent (THREATS 4).
//!
//! Hole punching and AutoNAT dial addresses that a stranger names, and tell strangers addresses that others claim to have seen of
//! us. Here both see public addresses only: nobody makes us knock on the doors of our own LAN, nor learns them, and one request
//! cannot make us dial more than [`MAX_DIALLED`] places. Neither one peer nor all of them together can have us punch holes often
//! ([`REQUESTS_PER_PEER`], [`REQUESTS`]); AutoNAT counts its dials itself.

use std::collections::HashSet;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm};
use thiserror::Error;

use super::streams::is_relayed;
use crate::clock::Moment;
use crate::proto::rate::{Rate, RateTable, TokenBucket};
use crate::proto::signed::addrs::{ip_of, is_public};

/// Addresses that one request may make us dial. DCUtR of this library offers up to twenty of its own.
pub const MAX_DIALLED: usize = 20;
/// Addresses of ours, as others claim to have seen them, that the behaviour hears of; later ones are dropped.
const MAX_CANDIDATES: usize = 64;
/// Dials that one peer may ask for: a few tries to punch a hole, then one a minute.
pub const REQUESTS_PER_PEER: Rate = Rate { burst: 8, per_second: 1.0 / 60.0 };
/// Dials that all of them together may ask for.
pub const REQUESTS: Rate = Rate { burst: 64, per_second: 1.0 };
/// Peers whose requests are counted.
const ASKING_PEERS: usize = 4096;

/// The behaviour inside, and what is watched of it.
pub struct Wary<B> {
    inner: B,
    candidates: HashSet<Multiaddr>,
    /// The dial that `inner` just asked for; the swarm asks what we think of it before it polls again.
    dial: Option<ConnectionId>,
    budget: Option<Budget>,
}

/// How often others may have us dial.
struct Budget {
    of_peers: RateTable<Option<PeerId>>,
    of_all: TokenBucket,
}

impl Budget {
    fn take(&mut self, peer: Option<PeerId>, now: Moment) -> bool {
        self.of_peers.take(peer, now) && self.of_all.take(now)
    }
}

/// Why a dial was refused.
#[derive(Debug, Error)]
pub enum Indecent {
    /// Where to.
    #[error("a stranger asked for a dial to addresses that are not public, or too many")]
    Place,
    /// How often.
    #[error("strangers ask for dials too often")]
    TooOften,
}

impl<B> Wary<B> {
    /// `inner`, kept to public addresses; how often it dials it knows itself, as AutoNAT does.
    pub fn new(inner: B) -> Self {
        Self { inner, candidates: HashSet::new(), dial: None, budget: None }
    }

    /// `inner`, kept to public addresses and to a number of dials.
    pub fn seldom(inner: B) -> Self {
        let budget =
            Budget { of_peers: RateTable::new(REQUESTS_PER_PEER, ASKING_PEERS), of_all: TokenBucket::new(REQUESTS, Moment::now()) };
        Self { budget: Some(budget), ..Self::new(inner) }
    }

    /// The behaviour inside.
    pub fn inner(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Whether a dial that somebody asked for is decent.
    fn judge(&mut self, peer: Option<PeerId>, addrs: &[Multiaddr], now: Moment) -> Result<(), Indecent> {
        if addrs.len() > MAX_DIALLED || !addrs.iter().all(is_decent) {
            return Err(Indecent::Place);
        }
        let affordable = self.budget.as_mut().is_none_or(|budget| budget.take(peer, now));
        if affordable { Ok(()) } else { Err(Indecent::TooOften) }
    }

    fn passes(&mut self, event: &FromSwarm) -> bool {
        let FromSwarm::NewExternalAddrCandidate(candidate) = event else { return true };
        let room = self.candidates.len() < MAX_CANDIDATES;
        let known = self.candidates.contains(candidate.addr);
        if !known && room && is_decent(candidate.addr) {
            self.candidates.insert(candidate.addr.clone());
        }
        self.candidates.contains(candidate.addr)
    }
}

/// Public, and of the peer itself rather than of a relay.
fn is_decent(addr: &Multiaddr) -> bool {
    !is_relayed(addr) && ip_of(addr).is_some_and(is_public)
}

impl<B: NetworkBehaviour> NetworkBehaviour for Wary<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addrs: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let asked_for = self.dial.take_if(|dial| *dial == id).is_some();
        if asked_for {
            self.judge(peer, addrs, Moment::now()).map_err(ConnectionDenied::new)?;
        }
        self.inner.handle_pending_outbound_connection(id, peer, addrs, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, addr, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        if self.passes(&event) {
            self.inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let event = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &event {
            self.dial = Some(opts.connection_id());
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libp2p::autonat;
    use libp2p::swarm::NewExternalAddrCandidate;
    use libp2p::swarm::dial_opts::DialOpts;

    use super::*;

    fn wary() -> Wary<autonat::Behaviour> {
        Wary::new(autonat::Behaviour::new(PeerId::random(), autonat::Config::default()))
    }

    fn asks(wary: &mut Wary<autonat::Behaviour>, addrs: &[String]) -> bool {
        let addrs: Vec<Multiaddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        let opts = DialOpts::peer_id(PeerId::random()).addresses(addrs.clone()).build();
        wary.dial = Some(opts.connection_id());
        wary.handle_pending_outbound_connection(opts.connection_id(), opts.get_peer_id(), &addrs, Endpoint::Dialer).is_ok()
    }

    #[test]
    fn attack_a_stranger_cannot_make_us_dial_our_lan_or_crowds() {
        let mut wary = wary();
        let public = |n: usize| format!("/ip4/45.45.45.{n}/tcp/4001");
        assert!(asks(&mut wary, &[public(1), public(2)]));
        for bad in ["/ip4/192.168.1.1/tcp/80", "/ip4/127.0.0.1/tcp/8788", "/ip6/fe80::1/tcp/80", "/dns4/router.lan/tcp/80"] {
            assert!(!asks(&mut wary, &[public(1), bad.to_owned()]), "{bad}");
        }
        assert!(!asks(&mut wary, &[format!("{}/p2p/{}/p2p-circuit", public(1), PeerId::random())]));
        assert!(!asks(&mut wary, &(0..=MAX_DIALLED).map(public).collect::<Vec<_>>()));
    }

    #[test]
    fn attack_nobody_makes_us_dial_often_and_all_together_do_not_either() {
        let mut wary = Wary::seldom(wary().inner);
        let public = ["/ip4/45.45.45.1/tcp/4001".parse().unwrap()];
        let dials = |wary: &mut Wary<_>, peers: &[PeerId], tries: usize, at: u64| {
            let asked = peers
                .iter()
                .cycle()
                .take(tries)
                .filter(|peer| wary.judge(Some(**peer), &public, Moment::now() + Duration::from_secs(at)).is_ok());
            asked.count()
        };
        let one = [PeerId::random()];
        assert_eq!(dials(&mut wary, &one, 1000, 0), REQUESTS_PER_PEER.burst as usize);
        assert_eq!(dials(&mut wary, &one, 1000, 121), 2, "one a minute");
        let many: Vec<_> = (0..1000).map(|_| PeerId::random()).collect();
        assert!(dials(&mut wary, &many, 1000, 121) <= REQUESTS.burst as usize);
    }

    #[test]
    fn our_own_dials_to_the_lan_are_nobodys_business_here() {
        let lan = ["/ip4/192.168.1.5/tcp/4001".parse().unwrap()];
        let id = ConnectionId::new_unchecked(7);
        assert!(wary().handle_pending_outbound_connection(id, None, &lan, Endpoint::Dialer).is_ok());
    }

    #[test]
    fn attack_claims_about_our_address_are_bounded_and_public() {
        let mut wary = wary();
        let mut hear = |addr: String| {
            let addr = addr.parse().unwrap();
            wary.passes(&FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr: &addr }))
        };
        assert!(!hear("/ip4/192.168.1.5/tcp/1".into()));
        assert_eq!((1..=1000).filter(|port| hear(format!("/ip4/45.45.45.1/tcp/{port}"))).count(), MAX_CANDIDATES);
        assert!(hear("/ip4/45.45.45.1/tcp/1".into()), "one that is known is heard again");
    }
}
