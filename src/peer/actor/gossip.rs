//! Presence on gossip: what is published, what is believed, and what the viewer hears of it.

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use tracing::debug;

use super::Actor;
use crate::clock::{Moment, UnixMillis};
use crate::peer::PeerEvent;
use crate::proto::presence::table::{Change, Source};
use crate::proto::presence::{Kind, Presence};
use crate::proto::replay::Heard;

impl Actor {
    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let acceptance = self.judge(&message, &propagation_source);
                self.report(&message_id, &propagation_source, acceptance);
            }
            gossipsub::Event::Subscribed { .. } => self.announcer.subscribed(Moment::now()),
            gossipsub::Event::Unsubscribed { .. } | gossipsub::Event::GossipsubNotSupported { .. } | gossipsub::Event::SlowPeer { .. } => {}
        }
    }

    /// Believes a message that is about its signed source, and decides whether neighbours may hear it (THREATS 45, 46).
    fn judge(&mut self, message: &gossipsub::Message, from: &PeerId) -> MessageAcceptance {
        let now = Moment::now();
        let Some(source) = message.source.filter(|source| *source != self.me) else { return MessageAcceptance::Ignore };
        if !self.is_expected(&source, from, now) || !self.rates.take(source, now) {
            self.metrics.gossip_ignored.inc();
            return MessageAcceptance::Ignore;
        }
        let heard = Heard { source, number: message.sequence_number.unwrap_or_default(), direct: source == *from };
        if !self.replays.is_new(heard, UnixMillis::now(), now) {
            self.metrics.gossip_replayed.inc();
            return MessageAcceptance::Ignore;
        }
        match Presence::parse_gossip(&message.data, &source) {
            Ok(presence) => {
                self.metrics.gossip_accepted.inc();
                self.believe(&presence, now);
                MessageAcceptance::Accept
            }
            Err(error) => {
                debug!(%source, %error, "presence refused");
                self.metrics.gossip_rejected.inc();
                MessageAcceptance::Reject
            }
        }
    }

    /// Whether we know the source, or the neighbour `from` may still bring strangers.
    fn is_expected(&mut self, source: &PeerId, from: &PeerId, now: Moment) -> bool {
        self.table.get(source).is_some() || self.is_near(source) || self.strangers.take(*from, now)
    }

    fn is_near(&self, peer: &PeerId) -> bool {
        !self.connections.of(peer).is_empty() || self.neighbours.knows(peer)
    }

    fn believe(&mut self, presence: &Presence, now: Moment) {
        match presence.kind {
            Kind::Offline => self.neighbours.goodbye(&presence.peer),
            Kind::Online | Kind::Update => self.neighbours.returned(&presence.peer),
        }
        if presence.kind != Kind::Offline && self.is_near(&presence.peer) {
            let (connections, neighbours) = (&self.connections, &self.neighbours);
            let near = |peer: &PeerId| !connections.of(peer).is_empty() || neighbours.knows(peer);
            let gone = self.table.make_room(&presence.peer, near, now);
            self.tell(gone);
        }
        let signed = Presence { signed: true, ..presence.clone() };
        let change = self.table.apply(Source::Lan, &signed, now);
        if let Some(Change::Online(_)) = &change {
            self.announcer.newcomer(self.table.online(), Self::jitter(), now);
        }
        self.tell(change);
    }

    fn report(&mut self, id: &MessageId, from: &PeerId, acceptance: MessageAcceptance) {
        let _ = self.swarm.behaviour_mut().lan.gossip().report_message_validation_result(id, from, acceptance);
    }

    /// Publishes our own presence; with nobody there to hear it, nothing is lost.
    pub(super) fn publish(&mut self, kind: Kind) {
        let json = self.own_presence(kind).to_gossip_json();
        if let Err(error) = self.swarm.behaviour_mut().lan.gossip().publish(self.topic.clone(), json) {
            debug!(%error, ?kind, "presence not published");
        }
    }

    /// As goop2: `offline` says who and when, the others carry the profile (docs/PROTOCOL.md).
    fn own_presence(&self, kind: Kind) -> Presence {
        let bare = Presence::new(kind, self.me, UnixMillis::now());
        if kind == Kind::Offline {
            return bare;
        }
        let profile = self.profile.borrow();
        Presence {
            content: profile.label.clone(),
            email: profile.email.clone(),
            avatar_hash: profile.avatar_hash(),
            client_version: Some(env!("CARGO_PKG_VERSION").into()),
            ..bare
        }
    }

    pub(super) fn expire_presence(&mut self, now: Moment) {
        for change in self.table.expire(now) {
            self.tell(Some(change));
        }
    }

    pub(super) fn tell(&mut self, change: Option<Change>) {
        let Some(change) = change else { return };
        self.metrics.peers_online.set(i64::try_from(self.table.online()).unwrap_or(i64::MAX));
        let event = match change {
            Change::Online(row) => PeerEvent::Online { peer: self.shown(&row) },
            Change::Updated(row) => PeerEvent::Update { peer: self.shown(&row) },
            Change::Offline(row) => PeerEvent::Offline { peer: self.shown(&row) },
            Change::Forgotten(_) => return,
        };
        let _ = self.events.send(event);
    }

    /// How a peer is reached changed: whoever shows its row hears of it.
    pub(super) fn tell_path(&self, peer: &PeerId) {
        if let Some(row) = self.table.get(peer) {
            let _ = self.events.send(PeerEvent::Update { peer: self.shown(row) });
        }
    }
}
