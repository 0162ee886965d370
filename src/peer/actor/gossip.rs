//! Presence on gossip: what is published, what is believed, and what the viewer hears of it.

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use tracing::debug;

use super::Actor;
use crate::clock::{Moment, UnixMillis};
use crate::peer::PeerEvent;
use crate::proto::presence::table::{Change, Source};
use crate::proto::presence::{Kind, Presence};

impl Actor {
    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let acceptance = self.judge(&message);
                self.report(&message_id, &propagation_source, acceptance);
            }
            gossipsub::Event::Subscribed { .. } => self.announcer.subscribed(Moment::now()),
            gossipsub::Event::Unsubscribed { .. } | gossipsub::Event::GossipsubNotSupported { .. } | gossipsub::Event::SlowPeer { .. } => {}
        }
    }

    /// Believes a message that is about its signed source, and decides whether neighbours may hear it (THREATS 45, 46).
    fn judge(&mut self, message: &gossipsub::Message) -> MessageAcceptance {
        let now = Moment::now();
        let Some(source) = message.source.filter(|source| *source != self.me) else { return MessageAcceptance::Ignore };
        if !self.rates.take(source, now) {
            self.metrics.gossip_ignored.inc();
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

    fn believe(&mut self, presence: &Presence, now: Moment) {
        match presence.kind {
            Kind::Offline => self.neighbours.goodbye(&presence.peer),
            Kind::Online | Kind::Update => self.neighbours.returned(&presence.peer),
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

    /// As goop2: `offline` says who and when, the others carry the profile (goop2-wire.md §3.2).
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
