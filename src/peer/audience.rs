//! A message to many: everyone on the LAN, or the members of one chosen community. Nobody else is dialled for it, at most [`WIDTH`] at the
//! same time, and the answer says how many took it, and of the others why not.

use std::collections::BTreeMap;

use libp2p::PeerId;
use serde::Serialize;
use tokio::task::JoinSet;

use super::handle::{ChatError, PeerHandle};
use super::{Command, OpenError};
use crate::proto::chat::{ChatMessage, Kept};

/// Peers that a message to many is sent to at the same time.
pub const WIDTH: usize = 64;

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// One peer.
    Peer(PeerId),
    /// Everyone on the LAN.
    Lan,
    /// The members of one community who are here: its URL as configured, or its name as among the sources of a peer.
    Community(String),
}

/// A message that was sent, and who did not take it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sent {
    /// The message as it is kept; `delivered` counts who took it.
    #[serde(flatten)]
    pub kept: Kept,
    /// Those of many who did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<Missed>,
}

/// Peers that did not take a message for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// Why.
    pub why: &'static str,
    /// How many.
    pub peers: u32,
}

impl PeerHandle {
    /// Who is meant by an audience of many; nobody by one peer.
    pub(super) async fn members(&self, audience: &Audience) -> Result<Vec<PeerId>, ChatError> {
        match audience {
            Audience::Peer(_) => Ok(Vec::new()),
            Audience::Lan => {
                let here = self.peers().await.into_iter().filter(|row| row.online && row.is_on_the_lan());
                Ok(here.map(|row| row.peer_id).collect())
            }
            Audience::Community(name) => {
                let members = self.ask(|reply| Command::Members { community: name.clone(), reply }).await;
                members.ok_or(OpenError::Stopping)?.ok_or_else(|| ChatError::NoCommunity(name.clone()))
            }
        }
    }

    /// Sends `message` to all of `peers`; answers how many took it, and why the others did not.
    pub(super) async fn deliver_to_many(&self, message: &ChatMessage, peers: Vec<PeerId>) -> (u32, Vec<Missed>) {
        let (mut sending, mut counts) = (JoinSet::new(), Counts::default());
        for peer in peers {
            if sending.len() >= WIDTH {
                sending.join_next().await.into_iter().for_each(|sent| counts.count(sent));
            }
            let (handle, message) = (self.clone(), message.clone());
            sending.spawn(async move { handle.deliver(peer, &message).await });
        }
        while let Some(sent) = sending.join_next().await {
            counts.count(sent);
        }
        (counts.delivered, counts.missed.into_iter().map(|(why, peers)| Missed { why, peers }).collect())
    }
}

#[derive(Default)]
struct Counts {
    delivered: u32,
    missed: BTreeMap<&'static str, u32>,
}

impl Counts {
    fn count<E>(&mut self, sent: Result<Result<(), ChatError>, E>) {
        match sent {
            Ok(Ok(())) => self.delivered += 1,
            Ok(Err(error)) => *self.missed.entry(why(&error)).or_default() += 1,
            Err(_) => *self.missed.entry("it was interrupted").or_default() += 1,
        }
    }
}

/// The reason without what differs from peer to peer.
fn why(error: &ChatError) -> &'static str {
    match error {
        ChatError::Open(OpenError::NoAddress) => "no address is known",
        ChatError::Open(OpenError::Unreachable(_)) => "no address answered",
        ChatError::Open(OpenError::TooOften) => "too many were tried already",
        ChatError::Open(OpenError::TimedOut) => "no answer in time",
        ChatError::Open(OpenError::Unsupported) => "no messages are taken there",
        ChatError::Open(OpenError::Stopping) => "this node is stopping",
        ChatError::Stream(_) => "the connection broke",
        ChatError::Memory(_) => "goop's own memory does not work",
        ChatError::Length | ChatError::Oneself | ChatError::Blocked | ChatError::NoCommunity(_) | ChatError::Open(OpenError::Oneself) => {
            "that makes no sense"
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{broadcast, mpsc};

    use super::*;
    use crate::peer::site_root::SiteRoot;

    /// Stands in for the actor: everybody in the community is dialled until nobody else asks, and then has no address.
    async fn dialled(mut commands: mpsc::Receiver<Command>, members: Vec<PeerId>) -> usize {
        let (mut most, mut waiting) = (0, Vec::new());
        loop {
            match tokio::time::timeout(std::time::Duration::from_millis(100), commands.recv()).await {
                Ok(Some(Command::Members { reply, .. })) => drop(reply.send(Some(members.clone()))),
                Ok(Some(Command::Open { reply, .. })) => waiting.push(reply),
                Ok(Some(_)) => {}
                Ok(None) => return most,
                Err(_quiet) => {
                    most = most.max(waiting.len());
                    waiting.drain(..).for_each(|reply| drop(reply.send(Err(OpenError::NoAddress))));
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_large_community_64_are_dialled_at_a_time_and_the_reasons_are_told_together() {
        let (commands, asked) = mpsc::channel(256);
        let members: Vec<PeerId> = (0..200).map(|_| PeerId::random()).collect();
        let actor = tokio::spawn(dialled(asked, members));
        let handle = PeerHandle::new(PeerId::random(), commands, broadcast::channel(1).0, SiteRoot::new("/nowhere".into()));
        let sent = handle.say(Audience::Community("rv.example".into()), "hello".into()).await.unwrap();
        assert_eq!((sent.message.delivered, sent.missed), (0, vec![Missed { why: "no address is known", peers: 200 }]));
        drop(handle);
        assert_eq!(actor.await.unwrap(), WIDTH);
    }
}
