//! Who may change whose presence on a server (docs/THREATS.md, 1–3).
//!
//! - A signed message counts if it is for this server and this epoch, and its `seq` is larger than every earlier one of its peer.
//!   Otherwise the sender is told the right epoch and the highest `seq`, and signs again above it.
//! - A signature binds its peer for [`BOUND_FOR`]: until that has passed since the last one, unsigned messages about it are refused.
//!   Afterwards the same person may come back with a goop2 program that signs nothing.
//! - Of a peer that is not bound an unsigned message counts, unless the operator refuses all of them; its `offline` counts only from
//!   the address of its last heartbeat (IPv6: from the same /64, since hosts change the rest at will).
//!
//! Bounds: [`MAX_BOUND`] bindings and as many addresses of unsigned peers; the longest unused leaves first. Nothing is noted of a
//! message that is refused.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hashlink::LruCache;
use libp2p::PeerId;
use thiserror::Error;

use super::presence::Kind;
use super::signed::{Epoch, SignedPresence};
use crate::clock::Moment;

/// How long after its last signed message a peer is bound.
pub const BOUND_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Most bindings, and most addresses of unsigned peers, that are remembered.
pub const MAX_BOUND: usize = 100_000;

/// What a signature left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The highest number that the peer has used in this epoch.
    pub seq: u64,
    /// When it ends.
    pub until: Moment,
}

/// Why a message may not change anything. Nothing was noted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// For another server or epoch, or not above the highest `seq`: sign again with these (409).
    #[error("signed for another epoch, another server, or not above the highest seq")]
    SignAgain {
        /// The epoch of this server.
        epoch: Epoch,
        /// The highest number of this peer so far; zero if there is none.
        seq: u64,
    },
    /// The peer has signed within [`BOUND_FOR`], and this message is unsigned (403).
    #[error("this peer signs its presence, and this message is not signed")]
    Bound,
    /// This server takes signed messages only (403).
    #[error("this server takes signed presence only")]
    Unsigned,
    /// An unsigned `offline` that came from elsewhere than the last heartbeat (403).
    #[error("an unsigned offline counts only from the address of the last heartbeat")]
    OfflineFromElsewhere,
}

/// All bindings of one server; every community of it shares them, for a peer counts its messages to the server.
#[derive(Debug)]
pub struct Bindings {
    server: PeerId,
    epoch: Epoch,
    allow_unsigned: bool,
    bound: LruCache<PeerId, Binding>,
    heard_from: LruCache<PeerId, IpAddr>,
}

impl Bindings {
    /// The bindings of the server `server` that drew `epoch` at its start. `allow_unsigned` is `presence.allow_unsigned`.
    pub fn new(server: PeerId, epoch: Epoch, allow_unsigned: bool) -> Self {
        Self { server, epoch, allow_unsigned, bound: LruCache::new(MAX_BOUND), heard_from: LruCache::new(MAX_BOUND) }
    }

    /// The epoch of this server.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether a message counts that [`super::presence::Presence::authenticate`] has proven; then it is noted.
    ///
    /// # Errors
    /// [`Refusal::SignAgain`].
    pub fn admit_signed(&mut self, signed: &SignedPresence, now: Moment) -> Result<(), Refusal> {
        let highest = self.bound.peek(&signed.peer).map_or(0, |binding| binding.seq);
        if signed.server != self.server || signed.epoch != self.epoch || signed.seq <= highest {
            return Err(Refusal::SignAgain { epoch: self.epoch, seq: highest });
        }
        self.bind(signed.peer, Binding { seq: signed.seq, until: now + BOUND_FOR });
        Ok(())
    }

    /// Whether an unsigned message of `kind` about `peer` counts that came from the address `from`; then it is noted.
    ///
    /// # Errors
    /// Every [`Refusal`] but [`Refusal::SignAgain`].
    pub fn admit_unsigned(&mut self, peer: &PeerId, kind: Kind, from: IpAddr, now: Moment) -> Result<(), Refusal> {
        let place = place(from);
        match kind {
            _ if self.is_bound(peer, now) => Err(Refusal::Bound),
            _ if !self.allow_unsigned => Err(Refusal::Unsigned),
            Kind::Offline if self.heard_from.peek(peer).is_some_and(|last| *last != place) => Err(Refusal::OfflineFromElsewhere),
            Kind::Offline => Ok(()),
            Kind::Online | Kind::Update => {
                self.heard_from.insert(*peer, place);
                Ok(())
            }
        }
    }

    /// Whether unsigned messages about `peer` are refused because it has signed.
    pub fn is_bound(&self, peer: &PeerId, now: Moment) -> bool {
        self.bound.peek(peer).is_some_and(|binding| now < binding.until)
    }

    /// What the signature of `peer` left behind, for whoever keeps it beyond this process.
    pub fn of(&self, peer: &PeerId) -> Option<Binding> {
        self.bound.peek(peer).copied()
    }

    /// Takes in a binding that another process of this server made, or an earlier one of the same epoch; the higher `seq` and the
    /// later end stand.
    pub fn restore(&mut self, peer: PeerId, other: Binding) {
        let known = self.of(&peer).unwrap_or(other);
        self.bind(peer, Binding { seq: known.seq.max(other.seq), until: known.until.max(other.until) });
    }

    /// Another process of this server took an unsigned heartbeat of `peer` from the address `from`.
    pub fn heard_elsewhere(&mut self, peer: PeerId, from: IpAddr) {
        self.heard_from.insert(peer, place(from));
    }

    /// From now on `presence.allow_unsigned` is this.
    pub fn allow_unsigned(&mut self, allowed: bool) {
        self.allow_unsigned = allowed;
    }

    /// Every binding there is, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&PeerId, &Binding)> {
        self.bound.iter()
    }

    fn bind(&mut self, peer: PeerId, binding: Binding) {
        self.heard_from.remove(&peer);
        self.bound.insert(peer, binding);
    }
}

/// What counts as one address.
pub fn place(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;
