//! What is believed of what one server tells (THREATS 1, 3, 4). Pure.
//!
//! Whether a peer is here is the server's word: nobody else can know. What the peer says of itself is its own word, and counts as
//! `signed` only where its signature is told with it and holds *here*; what the server claims to have verified counts for nothing.
//!
//! - A signature that does not hold, is for another server, about another peer, or says `offline` of a peer that is told to be here:
//!   the message is dropped.
//! - A `seq` below one that this server has told of the same peer in the same epoch: an old message told again, dropped. The same `seq`
//!   is no news and no offence: a server keeps the message that last changed something.
//! - A signature for another epoch than this run of the server: true once, but perhaps long ago. It counts as not signed.
//! - Not signed: no address of it counts, whoever vouches for it.
//!
//! One hearing for each base URL, even where two lead to the same server: a peer counts its messages for the whole server, so each of two
//! communities there has the newest of its own. What several servers say is weighed in [`crate::proto::presence::table`]. Bounds:
//! [`MAX_HEARD`] peers; whoever was told of longest ago is forgotten first.

use hashlink::LruCache;
use libp2p::PeerId;

use super::{Epoch, SignedPresence};
use crate::clock::UnixMillis;
use crate::proto::presence::snapshot::MAX_PEERS;
use crate::proto::presence::{Kind, Presence};
use crate::proto::rate::Rate;

/// Most peers whose numbers are remembered: those of two whole communities.
pub const MAX_HEARD: usize = 2 * MAX_PEERS;

/// Signatures of one server that are verified: those of two whole snapshots at once, then a thousand a second, which is a tenth of a
/// core. A server that tells more is read more slowly.
pub const VERIFIED: Rate = Rate { burst: MAX_HEARD as u32, per_second: 1000.0 };

/// See the head of this file.
#[derive(Debug)]
pub struct Hearing {
    me: PeerId,
    /// The server and its epoch; `None` where it is none that messages are signed for.
    of: Option<(PeerId, Epoch)>,
    highest: LruCache<PeerId, u64>,
}

impl Hearing {
    /// What the peer `me` believes of a server that it knows nothing of yet.
    pub fn new(me: PeerId) -> Self {
        Self { me, of: None, highest: LruCache::new(MAX_HEARD) }
    }

    /// From now on it is this server, in this epoch, that tells (`None`: one of goop2); what was heard of the same one still counts.
    pub fn listen_to(&mut self, of: Option<(PeerId, Epoch)>) {
        if self.of != of {
            self.highest.clear();
            self.of = of;
        }
    }

    /// The message with what is proven of it; `None` where nothing of it counts, or it is about ourselves.
    pub fn believe(&mut self, told: Presence) -> Option<Presence> {
        let mut presence = told.clone();
        let signed = presence.authenticate().ok()?;
        if presence.peer != told.peer || presence.peer == self.me {
            return None;
        }
        let proven = match &signed {
            Some(signed) => self.counts(signed, told.kind)?,
            None => false,
        };
        if !proven {
            presence.addrs.clear();
            presence.since = UnixMillis(0);
        }
        Some(Presence { kind: told.kind, signed: proven, sig: None, ..presence })
    }

    /// Whether a signature proves what it says; `None` where it proves that the server does not tell the truth.
    fn counts(&mut self, signed: &SignedPresence, told: Kind) -> Option<bool> {
        let Some((server, epoch)) = self.of else { return Some(false) };
        let here = told != Kind::Offline;
        if signed.server != server || (here && signed.kind == Kind::Offline) {
            return None;
        }
        if signed.epoch != epoch {
            return Some(false);
        }
        if self.highest.get(&signed.peer).is_some_and(|highest| signed.seq < *highest) {
            return None;
        }
        self.highest.insert(signed.peer, signed.seq);
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use proptest::prelude::*;

    use super::*;
    use crate::proto::signed::Details;

    const EPOCH: Epoch = Epoch(7);

    fn key(seed: u8) -> Keypair {
        Keypair::ed25519_from_bytes([seed; 32]).unwrap()
    }

    fn peer(seed: u8) -> PeerId {
        key(seed).public().to_peer_id()
    }

    /// The server is peer 100, we are peer 101.
    fn hearing() -> Hearing {
        let mut hearing = Hearing::new(peer(101));
        hearing.listen_to(Some((peer(100), EPOCH)));
        hearing
    }

    fn says(who: u8, seq: u64, content: &str) -> SignedPresence {
        let (content, addrs, server) = (content.to_owned(), vec!["/ip4/45.45.45.1/tcp/1".parse().unwrap()], peer(100));
        SignedPresence { peer: peer(who), kind: Kind::Update, seq, epoch: EPOCH, content, addrs, server, details: Details::default() }
    }

    /// As the server tells it.
    fn told(signed: &SignedPresence, by: u8) -> Presence {
        let sig = Some(signed.sign(&key(by)).unwrap());
        Presence { sig, signed: true, ..Presence::new(Kind::Online, signed.peer, UnixMillis(1)) }
    }

    fn content(believed: Option<Presence>) -> Option<(String, bool, usize)> {
        believed.map(|presence| (presence.content, presence.signed, presence.addrs.len()))
    }

    #[test]
    fn what_holds_is_believed_whatever_stands_beside_it() {
        let mut altered = told(&says(1, 1, "Alice"), 1);
        altered.content = "Mallory".into();
        altered.addrs = vec!["/ip4/9.9.9.9/tcp/9".parse().unwrap()];
        let believed = hearing().believe(altered).unwrap();
        assert_eq!(believed.addrs, says(1, 1, "").addrs);
        assert_eq!(content(Some(believed)), Some(("Alice".into(), true, 1)));
    }

    #[test]
    fn attack_an_email_cannot_be_put_beside_a_signature_that_says_there_is_none() {
        let details = |email: &str| Details { email: Some(email.into()), avatar_hash: Some(String::new()), ..Details::default() };
        let mut altered = told(&SignedPresence { details: details(""), ..says(1, 1, "Alice") }, 1);
        (altered.email, altered.avatar_hash) = (Some("mallory@example.com".into()), Some("abcd".into()));
        let believed = hearing().believe(altered).unwrap();
        assert_eq!((believed.email, believed.avatar_hash), (None, None));
        let mut altered = told(&SignedPresence { details: details("alice@example.com"), ..says(1, 1, "Alice") }, 1);
        altered.email = None;
        assert_eq!(hearing().believe(altered).unwrap().email.as_deref(), Some("alice@example.com"));
    }

    #[test]
    fn attack_the_word_of_a_server_proves_nothing() {
        let addrs = vec!["/ip4/45.45.45.1/tcp/1".parse().unwrap()];
        let claimed = Presence { signed: true, addrs, content: "Alice".into(), ..Presence::new(Kind::Online, peer(1), UnixMillis(1)) };
        assert_eq!(content(hearing().believe(claimed)), Some(("Alice".into(), false, 0)));
    }

    #[test]
    fn attack_what_was_signed_by_or_for_or_about_another_is_dropped() {
        assert_eq!(hearing().believe(told(&says(1, 1, "Alice"), 2)), None, "by another");
        assert_eq!(hearing().believe(told(&SignedPresence { server: peer(99), ..says(1, 1, "Alice") }, 1)), None, "for another server");
        assert_eq!(hearing().believe(Presence { peer: peer(2), ..told(&says(1, 1, "Alice"), 1) }), None, "about another");
        assert_eq!(hearing().believe(told(&says(101, 1, "me"), 101)), None, "about ourselves");
        assert_eq!(hearing().believe(told(&SignedPresence { kind: Kind::Offline, ..says(1, 1, "Alice") }, 1)), None, "it said goodbye");
    }

    #[test]
    fn attack_an_old_message_is_not_told_again() {
        let mut hearing = hearing();
        let (old, new) = (told(&says(1, 5, "Alice"), 1), told(&says(1, 9, "Alicia"), 1));
        assert!(hearing.believe(old.clone()).is_some() && hearing.believe(new.clone()).is_some());
        assert_eq!(hearing.believe(old.clone()), None);
        assert_eq!(content(hearing.believe(new.clone())), Some(("Alicia".into(), true, 1)), "a snapshot may say it once more");
        assert!(hearing.believe(told(&says(2, 1, "Bob"), 2)).is_some(), "each peer counts for itself");
        hearing.listen_to(Some((peer(100), EPOCH)));
        assert_eq!(hearing.believe(old), None, "a new stream of the same run forgets nothing");
    }

    #[test]
    fn what_was_signed_for_another_run_of_the_server_counts_as_not_signed() {
        let mut hearing = hearing();
        hearing.believe(told(&says(1, 900, "Alice"), 1));
        hearing.listen_to(Some((peer(100), Epoch(8))));
        assert_eq!(content(hearing.believe(told(&says(1, 900, "Alice"), 1))), Some(("Alice".into(), false, 0)));
        let anew = SignedPresence { epoch: Epoch(8), ..says(1, 2, "Alicia") };
        assert_eq!(content(hearing.believe(told(&anew, 1))), Some(("Alicia".into(), true, 1)), "numbers start anew");
        hearing.listen_to(None);
        assert_eq!(content(hearing.believe(told(&anew, 1))), Some(("Alicia".into(), false, 0)), "nobody signs for a server of goop2");
    }

    proptest! {
        /// Whatever a server tells, in whatever order: what is believed as signed was signed by that peer, and never gets older.
        #[test]
        fn a_hostile_server_can_only_leave_out(told_of in proptest::collection::vec((1..4u8, 0..8u64, any::<bool>(), 0..4u8), 1..60)) {
            let mut hearing = hearing();
            let mut newest = [0u64; 4];
            for (who, seq, alters, trick) in told_of {
                let signed = says(who, seq, &seq.to_string());
                let mut message = told(&signed, who);
                if alters {
                    message.content = "Mallory".into();
                }
                match trick {
                    1 => message.sig = None,
                    2 => message = told(&signed, 4),
                    3 => message = told(&SignedPresence { epoch: Epoch(6), ..signed }, who),
                    _ => {}
                }
                let Some(believed) = hearing.believe(message).filter(|believed| believed.signed) else { continue };
                prop_assert!(trick == 0 && believed.content == seq.to_string());
                prop_assert!(seq >= newest[usize::from(who)]);
                newest[usize::from(who)] = seq;
            }
        }
    }
}
