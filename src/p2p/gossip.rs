//! How this node speaks gossipsub: as goop2 does on the wire, stricter where strangers could hurt.
//!
//! Fewer mesh neighbours than usual, because on a LAN almost everybody is connected to everybody and each copy of a message costs a
//! signature check; what the mesh misses, lazy gossip and the next heartbeat bring.
//!
//! Only signed messages, only our topic, small messages, and none is passed on before the application judged it. Peers that send
//! bad messages or break the protocol are scored down until nobody listens to them (THREATS 45, 46).

use std::collections::HashMap;
use std::time::Duration;

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, Message, MessageAuthenticity, MessageId,
    PeerScoreParams, PeerScoreThresholds, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;

use crate::proto::presence::MAX_GOSSIP_BYTES;

/// Longest presence message on gossip with its envelope (source, sequence number, topic, signature, key), in bytes; longer ones are
/// refused by the router itself, which counts both.
pub const MAX_MESSAGE: usize = MAX_GOSSIP_BYTES + 1024;
/// Longest gossipsub frame, in bytes: several messages and control lists fit.
const MAX_FRAME: usize = 64 * 1024;

/// Gossipsub, deaf to every topic but ours.
pub type Gossip = Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// A router for `topic`, subscribed to it.
///
/// # Errors
/// The router's own words, where the topic or the settings are impossible.
pub fn router(key: &Keypair, topic: &IdentTopic) -> Result<Gossip, String> {
    let config = ConfigBuilder::default()
        .heartbeat_initial_delay(Duration::from_millis(100))
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(MAX_FRAME)
        .max_transmit_size_for_topic(MAX_MESSAGE, topic.hash())
        .mesh_n_low(3)
        .mesh_n(4)
        .mesh_n_high(8)
        .mesh_outbound_min(1)
        .gossip_lazy(2)
        .gossip_factor(0.1)
        .message_id_fn(message_id)
        .build()
        .map_err(|error| error.to_string())?;
    let only_ours = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter([topic.hash()].into()),
        max_subscribed_topics: 4,
        max_subscriptions_per_request: 4,
    };
    let mut gossip = Behaviour::new_with_subscription_filter(MessageAuthenticity::Signed(key.clone()), config, only_ours)?;
    gossip.with_peer_score(score_params(topic), PeerScoreThresholds::default())?;
    gossip.subscribe(topic).map_err(|error| error.to_string())?;
    Ok(gossip)
}

/// Go's message id: the raw bytes of the source, then the sequence number, big-endian. Ids stay local, but IHAVE and IWANT compare
/// them, so both programs must count alike.
fn message_id(message: &Message) -> MessageId {
    let mut id = message.source.map(|source| source.to_bytes()).unwrap_or_default();
    id.extend(message.sequence_number.unwrap_or_default().to_be_bytes());
    MessageId::from(id)
}

/// Invalid messages and broken protocol cost score; many peers behind one address do not (a LAN behind one NAT, or one host, is
/// normal), nor does being quiet (presence is sparse).
fn score_params(topic: &IdentTopic) -> PeerScoreParams {
    let presence = TopicScoreParams {
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: 0.9,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic.hash(), presence)]),
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_threshold: 6.0,
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;
    use libp2p::gossipsub::TopicHash;

    use super::*;

    #[test]
    fn the_router_accepts_its_own_settings() {
        assert!(router(&Keypair::generate_ed25519(), &IdentTopic::new("goop.presence.v1")).is_ok());
    }

    #[test]
    fn message_ids_are_those_of_go() {
        let source = PeerId::random();
        let message = Message { source: Some(source), data: vec![], sequence_number: Some(0x0102), topic: TopicHash::from_raw("t") };
        let mut wanted = source.to_bytes();
        wanted.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(message_id(&message), MessageId::from(wanted));
    }
}
