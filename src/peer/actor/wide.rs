//! The wide area: what rendezvous servers tell, what they are told, and where those may be dialled of whom they tell.

use libp2p::{Multiaddr, PeerId};

use super::Actor;
use crate::clients::rendezvous::News;
use crate::clock::Moment;
use crate::config::base_url::BaseUrl;
use crate::peer::OpenError;
use crate::peer::wan::Wan;
use crate::proto::presence::table::{Row, Source};
use crate::proto::signed::addrs::ip_of;

impl Actor {
    /// Presence from servers is shown, and goes no further: neither gossip nor the choice of neighbours hears of it (THREATS 70).
    pub(super) fn on_news(&mut self, server: u16, news: News) {
        if let News::Relay { peer, addrs } = news {
            return self.on_relay_named(server, peer, &addrs);
        }
        for change in self.wan.take(server, news, &mut self.table, Moment::now()) {
            self.tell(Some(change));
        }
    }

    /// The servers are these now.
    pub(super) fn serve(&mut self, urls: &[BaseUrl]) {
        for change in self.wan.serve(urls, &mut self.table, Moment::now()) {
            self.tell(Some(change));
        }
    }

    /// Lets the servers know who we are and where, if that changed.
    pub(super) fn show_ourselves(&self) {
        let external = self.swarm.external_addresses().cloned();
        let ours = external.chain(self.swarm.listeners().cloned());
        self.wan.show(Wan::shown(&self.profile.borrow(), ours, &self.me));
    }

    /// Where to dial a peer that is wanted: what we know ourselves, and what it told through servers, as far as the budget goes.
    pub(super) fn addresses_to_dial(&mut self, peer: &PeerId, now: Moment) -> Result<Vec<Multiaddr>, OpenError> {
        let mut known = self.book.of(peer).to_vec();
        let Some(row) = self.table.get(peer) else { return some(known, OpenError::NoAddress) };
        let told = self.told_addresses(row);
        if told.is_empty() {
            return some(known, OpenError::NoAddress);
        }
        let sources: Vec<Source> = row.sources().collect();
        if !self.wan.dials().begin(*peer, sources.into_iter(), now) {
            return some(known, OpenError::TooOften);
        }
        known.extend(told.into_iter().filter(|addr| !self.book.of(peer).contains(addr)));
        Ok(known)
    }

    /// Who of the community `name` is here, by that community's own server.
    pub(super) fn members(&self, name: &str) -> Option<Vec<PeerId>> {
        let community = self.wan.community(name)?;
        let here = self.table.iter().filter(|row| row.online && row.sources().any(|source| source == community));
        Some(here.map(|row| row.presence.peer).collect())
    }

    /// Where a peer can be dialled, as far as known.
    pub(super) fn known_addresses(&self, row: &Row) -> Vec<Multiaddr> {
        let mut known = self.book.of(&row.presence.peer).to_vec();
        known.extend(self.told_addresses(row).into_iter().filter(|addr| !self.book.of(&row.presence.peer).contains(addr)));
        known
    }

    fn told_addresses(&self, row: &Row) -> Vec<Multiaddr> {
        Wan::addresses(row, |ip| self.subnets.contains(ip), self.keeps_to_loopback())
    }

    /// Whether this peer listens nowhere but on this machine, because it shall not or cannot.
    pub(super) fn keeps_to_loopback(&self) -> bool {
        let is_loopback = |addr: &Multiaddr| ip_of(addr).is_some_and(|ip| ip.is_loopback());
        self.loopback_only || self.swarm.listeners().all(is_loopback)
    }
}

fn some(addrs: Vec<Multiaddr>, otherwise: OpenError) -> Result<Vec<Multiaddr>, OpenError> {
    if addrs.is_empty() { Err(otherwise) } else { Ok(addrs) }
}
